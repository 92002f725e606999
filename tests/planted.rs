//! Checkpoints with a planted circuit (docs/planted.md): which edges matter is known, and every method is scored against that.

use patchlab::device::{Adapter, DevicePreference, native_adapter};
use patchlab::figures::{Part, Values};
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

fn open(plant: &Plant, wanted: DevicePreference) -> (Session, Experiment) {
    let bytes = |name: &str| {
        let found = plant.files.iter().find(|(known, _)| *known == name);
        found.expect(name).1.clone()
    };
    let text = |name: &str| String::from_utf8(bytes(name)).expect("UTF-8");
    let files = Files {
        name: plant.name.to_owned(),
        config: text("config.json"),
        tokenizer: TokenizerFiles::Json(bytes("tokenizer.json")),
        reference: None,
        weights: MemorySource::new("model.safetensors", bytes("model.safetensors")),
    };
    let session = pollster::block_on(async {
        let adapter = match wanted {
            DevicePreference::Cpu => Adapter::None("not asked for".to_owned()),
            _ => native_adapter().await,
        };
        Session::open(files, wanted, &adapter, &Quiet).await.expect("a good model")
    });
    (session, Experiment::from_json(&text("experiment.json")).expect("an experiment"))
}

/// The names of all edges, and their numbers.
fn edges(session: &Session, experiment: &Experiment, settings: &Value) -> (Vec<String>, Values) {
    let mut report = report(session, experiment, "edge-attribution", settings);
    match report.parts.swap_remove(0) {
        Part::Edges(mut grid) => (grid.columns.ticks, grid.panels.swap_remove(0).values.swap_remove(0)),
        other => panic!("{other:?}"),
    }
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
            let (names, values) = edges(&session, &experiment, &json!({ "method": "exact" }));
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
            let (names, values) = edges(&session, &experiment, &json!({ "method": method }));
            let scores: Vec<f64> = values.mean.iter().map(|mean| mean.expect("a number").abs()).collect();
            for (list, expected) in ["single", "pair"].into_iter().zip(expected) {
                let listed = listed(&truth, list);
                let is_true: Vec<bool> = names.iter().map(|name| listed.contains(name)).collect();
                let found = area(&scores, &is_true);
                assert!(
                    (found - expected).abs() < ALLOWED,
                    "{} {method} {list}: {found:.3} is not {expected}",
                    plant.name
                );
                assert!(method != "exact" || list != "single" || found >= 0.98);
            }
        }
    }
}
