//! Checkpoints with a planted circuit (docs/planted.md): which edges matter is known, and every method is scored against that.

use patchlab::device::{Adapter, DevicePreference, native_adapter};
use patchlab::figures::{Cell, Part, Report, Table, Values};
use patchlab::graph::{Graph, edge_name};
use patchlab::host::Quiet;
use patchlab::model::source::MemorySource;
use patchlab::{Experiment, Files, Session, TokenizerFiles};
use patchlab_planted::{Plant, SEED, plants};
use patchlab_tests::fixture::{DEVICES, report};
use serde_json::{Value, json};

/// What `fixtures/planted.py` found.
const TRUTHS: [&str; 3] = [
    include_str!("../crate/planted/data/induction.json"),
    include_str!("../crate/planted/data/ioi.json"),
    include_str!("../crate/planted/data/conjunction.json"),
];

/// Area under the ROC curve of each method, by plant: against edges that matter alone, and against those that matter alone or after
/// another one (docs/planted.md).
const AREAS: [(&str, &str, [f64; 2]); 12] = [
    ("induction", "exact", [1.0, 1.0]),
    ("induction", "eap", [0.716, 0.672]),
    ("induction", "eap-ig", [0.997, 1.0]),
    ("induction", "relp", [0.722, 0.667]),
    ("ioi", "exact", [1.0, 0.900]),
    ("ioi", "eap", [0.725, 0.719]),
    ("ioi", "eap-ig", [0.980, 1.0]),
    ("ioi", "relp", [0.744, 0.700]),
    ("conjunction", "exact", [1.0, 1.0]),
    ("conjunction", "eap", [1.0, 1.0]),
    ("conjunction", "eap-ig", [1.0, 1.0]),
    ("conjunction", "relp", [1.0, 1.0]),
];

/// How far an area may be from what was found when the table was made: a pair more or less that ties.
const ALLOWED: f64 = 0.01;

/// Scores that are closer than this, in logits, tie: the plants' streams hold a constant of 64, so that float32 cannot tell them
/// apart.
const TIE: f64 = 1e-4;

fn bytes(plant: &Plant, name: &str) -> Vec<u8> {
    let found = plant.files.iter().find(|(known, _)| *known == name);
    found.expect(name).1.clone()
}

fn text(plant: &Plant, name: &str) -> String {
    String::from_utf8(bytes(plant, name)).expect("UTF-8")
}

/// The model's files, with this truth.
fn files(plant: &Plant, truth: Option<String>) -> Files<MemorySource> {
    Files {
        name: plant.name.to_owned(),
        config: text(plant, "config.json"),
        tokenizer: TokenizerFiles::Json(bytes(plant, "tokenizer.json")),
        reference: None,
        truth,
        weights: MemorySource::new("model.safetensors", bytes(plant, "model.safetensors")),
    }
}

fn open(plant: &Plant, wanted: DevicePreference) -> (Session, Experiment) {
    let files = files(plant, Some(text(plant, "truth.json")));
    let session = pollster::block_on(async {
        let adapter = match wanted {
            DevicePreference::Cpu => Adapter::None("not asked for".to_owned()),
            _ => native_adapter().await,
        };
        Session::open(files, wanted, &adapter, &Quiet).await.expect("a good model")
    });
    (session, Experiment::from_json(&text(plant, "experiment.json")).expect("an experiment"))
}

/// The names of all edges, and their numbers.
fn edges(report: &Report) -> (&[String], &Values) {
    match &report.parts[0] {
        Part::Edges(grid) => (&grid.columns.ticks, &grid.panels[0].values[0]),
        other => panic!("{other:?}"),
    }
}

/// The table that scores what was found; none if no truth is known.
fn score(report: &Report) -> Option<&Table> {
    report.parts.iter().find_map(|part| match part {
        Part::Table(table) if table.title.starts_with("Planted circuit: score") => Some(table),
        _ => None,
    })
}

/// The numbers of a row of the score, by column; none where there is no number.
fn numbers(table: &Table, row: usize) -> Vec<Option<f64>> {
    let number = |cell: &Cell| match cell {
        Cell::Number(number) => Some(*number),
        Cell::Empty => None,
        other => panic!("{other:?}"),
    };
    table.rows[row].cells[1..].iter().map(number).collect()
}

fn listed(truth: &Value, list: &str) -> Vec<String> {
    let edges = truth["resample"][list].as_array().expect("a list");
    edges.iter().map(|edge| edge.as_str().expect("an edge").to_owned()).collect()
}

/// The share of pairs of a true and a false edge in which the true one has the larger score, ties counting half (Mann and Whitney).
fn area(scores: &[f64], is_true: &[bool]) -> f64 {
    let of = |wanted: bool| {
        scores.iter().zip(is_true).filter(move |(_, own)| **own == wanted).map(|(score, _)| *score)
    };
    let mut wins = 0.0;
    for right in of(true) {
        for wrong in of(false) {
            let apart = right - wrong;
            wins += if apart.abs() < TIE { 0.5 } else { f64::from(u8::from(apart > 0.0)) };
        }
    }
    wins / (of(true).count() * of(false).count()) as f64
}

#[test]
fn replacing_each_edge_finds_the_planted_ones() {
    for (plant, truth) in plants(SEED).expect("plain files").iter().zip(TRUTHS) {
        let truth: Value = serde_json::from_str(truth).expect("JSON");
        let number = |name: &str| truth["resample"][name].as_f64().expect(name);
        // An edge is true if it changes some prompt's logit difference by so much.
        let least = truth["threshold"].as_f64().expect("a share") * (number("full") - number("empty")).abs();
        for device in DEVICES {
            let (session, experiment) = open(plant, device);
            let report = report(&session, &experiment, "edge-attribution", &json!({ "method": "exact" }));
            let (names, values) = edges(&report);
            let matters = |edge: usize| values.prompts.row(edge).iter().any(|change| change.abs() > least);
            let found: Vec<&String> =
                (0..names.len()).filter(|&edge| matters(edge)).map(|edge| &names[edge]).collect();
            let expected = listed(&truth, "single");
            assert_eq!(found.len(), expected.len(), "{} on {device:?}: {found:?}", plant.name);
            assert!(
                found.iter().all(|name| expected.contains(name)),
                "{} on {device:?}: {found:?}",
                plant.name
            );
        }
    }
}

#[test]
fn every_method_is_scored_on_what_was_planted() {
    for (plant, truth) in plants(SEED).expect("plain files").iter().zip(TRUTHS) {
        let truth: Value = serde_json::from_str(truth).expect("JSON");
        let (session, experiment) = open(plant, DevicePreference::Cpu);
        for (_, method, expected) in AREAS.into_iter().filter(|(name, ..)| *name == plant.name) {
            let report = report(&session, &experiment, "edge-attribution", &json!({ "method": method }));
            let (names, values) = edges(&report);
            let score = score(&report).expect("the truth is known");
            let scores: Vec<f64> = values.mean.iter().map(|mean| mean.expect("a number").abs()).collect();
            for (row, (list, expected)) in ["single", "pair"].into_iter().zip(expected).enumerate() {
                let listed = listed(&truth, list);
                let is_true: Vec<bool> = names.iter().map(|name| listed.contains(name)).collect();
                let found = area(&scores, &is_true);
                assert!(
                    (found - expected).abs() < ALLOWED,
                    "{} {method} {list}: {found:.3} is not {expected}",
                    plant.name
                );
                assert!(method != "exact" || list != "single" || found >= 0.98);
                // What visitors are shown: planted, AUROC, average precision.
                let shown = numbers(score, row);
                assert_eq!(shown[0], Some(listed.len() as f64));
                assert!(
                    (shown[1].expect("an area") - found).abs() < 1e-12,
                    "{} {method} {list}: {shown:?}",
                    plant.name
                );
                // The whole area means that no other edge stands before a planted one.
                assert_eq!(shown[2] == Some(1.0), found == 1.0, "{} {method} {list}: {shown:?}", plant.name);
            }
        }
    }
}

#[test]
fn edges_that_are_named_are_scored() {
    for (plant, truth) in plants(SEED).expect("plain files").iter().zip(TRUTHS) {
        let truth: Value = serde_json::from_str(truth).expect("JSON");
        let (session, experiment) = open(plant, DevicePreference::Cpu);
        let (single, pair) = (listed(&truth, "single"), listed(&truth, "pair"));
        let rows = |edges: &[String]| {
            let report = report(&session, &experiment, "circuit", &json!({ "edges": edges.join(" ") }));
            let score = score(&report).expect("the truth is known");
            [0, 1].map(|row| {
                numbers(score, row).into_iter().map(|cell| cell.expect("a number")).collect::<Vec<_>>()
            })
        };
        // Planted, found, others; precision, recall, Jaccard.
        let [s, p] = [&single, &pair].map(|list| list.len() as f64);
        assert_eq!(rows(&single), [vec![s, s, 0.0, 1.0, 1.0, 1.0], vec![p, s, 0.0, 1.0, s / p, s / p]]);
        assert_eq!(rows(&pair), [vec![s, s, p - s, s / p, 1.0, s / p], vec![p, p, 0.0, 1.0, 1.0, 1.0]]);

        let graph = Graph::new(&session.model().config);
        let wrong: Vec<String> =
            graph.edges().map(edge_name).filter(|name| !pair.contains(name)).take(2).collect();
        assert_eq!(rows(&wrong), [vec![s, 0.0, 2.0, 0.0, 0.0, 0.0], vec![p, 0.0, 2.0, 0.0, 0.0, 0.0]]);
        let mixed = [&single[..1], &wrong[..1]].concat();
        assert_eq!(
            rows(&mixed),
            [s, p].map(|planted| vec![planted, 1.0, 1.0, 0.5, 1.0 / planted, 1.0 / (planted + 1.0)])
        );

        // No edge: there is no precision of nothing. Scores rank all edges, whatever is chosen by them.
        let none = report(&session, &experiment, "circuit", &json!({ "count": 0 }));
        let none = numbers(score(&none).expect("the truth is known"), 0);
        assert_eq!(none[..6], [Some(s), Some(0.0), Some(0.0), None, Some(0.0), Some(0.0)]);
        assert!(none[6..].iter().all(|area| *area >= Some(0.98)), "{}: {none:?}", plant.name);
    }
}

#[test]
fn only_a_model_s_own_truth_is_taken() {
    let plants = plants(SEED).expect("plain files");
    let open = |truth: Option<String>| {
        let adapter = Adapter::None("not asked for".to_owned());
        pollster::block_on(Session::open(files(&plants[0], truth), DevicePreference::Cpu, &adapter, &Quiet))
    };
    let error = open(Some(text(&plants[1], "truth.json"))).expect_err("of another model");
    assert_eq!(error.code(), "truth");
    let experiment = Experiment::from_json(&text(&plants[0], "experiment.json")).expect("an experiment");
    let session = open(None).expect("a good model");
    let report = report(&session, &experiment, "circuit", &json!({ "edges": "input->m0" }));
    assert!(score(&report).is_none(), "nothing is known");
}
