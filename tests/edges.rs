//! Every edge of the model's graph, exactly and by gradients, against a GPT-2 in which every reader has an input of its own
//! (`fixtures/circuits.py`).

use std::fs;

use patchlab::Experiment;
use patchlab::Session;
use patchlab::device::DevicePreference;
use patchlab::figures::{Grid, Part, Report};
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, folder, report};
use serde_json::{Value, json};

/// Of the largest magnitude. float32 is itself within 1e-5 of that of the float64 reference, in which every value was computed.
pub(crate) const TOLERANCE: f64 = 1e-4;

/// Of exact edges beyond that: a score is the difference of two logit differences, each of four numbers in float32.
const ROUNDING: f64 = 2e-5;

pub(crate) fn experiment() -> Experiment {
    let text = fs::read_to_string(folder().join("circuits/groups.json")).expect("groups.json");
    Experiment::from_json(&text).expect("an experiment")
}

pub(crate) fn edges(report: &Report) -> &Grid {
    match &report.parts[0] {
        Part::Edges(grid) => grid,
        other => panic!("{other:?}"),
    }
}

fn heads(report: &Report) -> &Grid {
    match &report.parts[1] {
        Part::Heat(grid) => grid,
        other => panic!("{other:?}"),
    }
}

/// A group's numbers, `[edges or heads, prompts]`.
fn numbers(grid: &Grid, group: usize) -> &[f64] {
    let panel = grid.panels.iter().find(|panel| panel.group == group).expect("a panel");
    panel.values[0].prompts.numbers()
}

fn compare(fixture: &Fixture, name: &str, found: &[f64], beyond: f64) {
    let (shape, expected) = fixture.values_in("circuits.safetensors", name);
    assert_eq!(found.len(), expected.len(), "{} {name}: {shape:?}", fixture.name);
    let largest = expected.iter().fold(0.0, |largest: f64, number| largest.max(number.abs()));
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let off = (found - expected).abs();
        assert!(
            off <= TOLERANCE * largest + beyond,
            "{} {name}[{index}]: {found} is not {expected}, off by {:.1e} of {largest:.2}",
            fixture.name,
            off / largest
        );
    }
}

fn run(session: &Session, settings: &Value) -> Report {
    report(session, &experiment(), "edge-attribution", settings)
}

#[test]
fn every_edge_is_what_pytorch_gives() {
    let groups = 0..experiment().groups.len();
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for direction in ["noise", "denoise"] {
                let report = run(&session, &json!({ "method": "exact", "direction": direction }));
                for group in groups.clone() {
                    let found = numbers(edges(&report), group);
                    compare(&fixture, &format!("{group}/exact/{direction}"), found, ROUNDING);
                }
            }
        }
    }
}

#[test]
fn edges_by_gradients_are_what_pytorch_gives() {
    let groups = 0..experiment().groups.len();
    for fixture in TINY.map(Fixture::read) {
        let heads_of: Vec<usize> = {
            let nodes = fixture.json("circuits.json")["nodes"].as_array().expect("nodes").clone();
            let is_head = |(index, node): (usize, &Value)| node.as_str()?.starts_with('a').then_some(index);
            nodes.iter().enumerate().filter_map(is_head).collect()
        };
        for device in DEVICES {
            let session = fixture.session(device);
            for (recorded, settings) in [
                ("eap/noise", json!({ "method": "eap" })),
                ("eap/denoise", json!({ "method": "eap", "direction": "denoise" })),
                ("eap-ig/noise/5", json!({ "method": "eap-ig", "steps": 5 })),
                ("relp/noise", json!({ "method": "relp" })),
                ("relp/denoise", json!({ "method": "relp", "direction": "denoise" })),
                ("relp-constant/noise", json!({ "method": "relp", "attention": "constant" })),
            ] {
                let report = run(&session, &settings);
                for group in groups.clone() {
                    compare(&fixture, &format!("{group}/{recorded}"), numbers(edges(&report), group), 0.0);
                    // Attribution patching of a node is the sum over its outgoing edges.
                    if let Some(direction) = recorded.strip_prefix("eap/") {
                        let name = format!("{group}/atp/{direction}");
                        let (shape, nodes) = fixture.values_in("circuits.safetensors", &name);
                        let largest =
                            nodes.iter().fold(0.0, |largest: f64, number| largest.max(number.abs()));
                        let expected: Vec<f64> = heads_of
                            .iter()
                            .flat_map(|&node| nodes[node * shape[1]..(node + 1) * shape[1]].to_vec())
                            .collect();
                        let found = numbers(heads(&report), group);
                        assert_eq!(found.len(), expected.len());
                        for (found, expected) in found.iter().zip(expected) {
                            assert!((found - expected).abs() <= TOLERANCE * largest, "{name}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn edges_have_the_names_and_the_order_of_eap_ig() {
    for fixture in TINY.map(Fixture::read) {
        let session = fixture.session(DEVICES[0]);
        let report = run(&session, &json!({ "method": "eap" }));
        let recorded = fixture.json("circuits.json")["edges"].clone();
        assert_eq!(json!(edges(&report).columns.ticks), recorded);
    }
}

/// One group of the experiment, by index.
pub(crate) fn only(group: usize) -> Experiment {
    let Experiment { groups, prepend_bos } = experiment();
    Experiment { groups: groups.into_iter().skip(group).take(1).collect(), prepend_bos }
}

#[test]
fn estimates_are_filled_in_with_exact_values() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            // Scores are kept, so each is asked of a session that has none.
            let exact = run(&fixture.session(device), &json!({ "method": "exact" }));
            let some = run(&fixture.session(device), &json!({ "method": "eap", "exact": 25 }));
            let (all, filled) = (edges(&exact), edges(&some));
            let measures: Vec<&str> = filled.measures.iter().map(|measure| measure.name.as_str()).collect();
            assert_eq!(measures, ["estimate", "change"]);
            let scatter = some
                .parts
                .iter()
                .find_map(|part| if let Part::Scatter(scatter) = part { Some(scatter) } else { None });
            let scatter = scatter.expect("a scatter");
            assert_eq!(scatter.names.len(), 25);
            for (panel, expected) in filled.panels.iter().zip(&all.panels) {
                let known = panel.values[1].mean.iter().zip(&expected.values[0].mean).enumerate();
                let mut compared = 0;
                for (edge, (found, expected)) in known {
                    if let Some(found) = found {
                        let expected = expected.expect("a number");
                        assert!(
                            (found - expected).abs() < 2e-5,
                            "{}: {found} is not {expected}",
                            filled.columns.ticks[edge]
                        );
                        compared += 1;
                    }
                }
                assert_eq!(compared, 25);
                let points =
                    &scatter.panels.iter().find(|own| own.group == panel.group).expect("points").values[0];
                let exact: Vec<f64> = panel.values[1].mean.iter().copied().flatten().collect();
                assert_eq!(points.x, exact);
            }
        }
    }
}

#[test]
fn kept_scores_are_those_of_their_prompts_and_method() {
    let fixture = Fixture::read("tiny-a");
    let kept = fixture.session(DevicePreference::Cpu);
    let settings = [json!({ "method": "eap" }), json!({ "method": "relp" }), json!({ "method": "exact" })];
    for (group, settings) in
        [0, 1, 0, 2].into_iter().flat_map(|group| settings.iter().map(move |own| (group, own)))
    {
        let again = report(&kept, &only(group), "edge-attribution", settings);
        let fresh =
            report(&fixture.session(DevicePreference::Cpu), &only(group), "edge-attribution", settings);
        assert_eq!(again, fresh);
    }
    // Other answers are another question.
    let mut other = only(0);
    for pair in &mut other.groups[0].pairs {
        std::mem::swap(&mut pair.answer, &mut pair.distractor);
    }
    let ours = report(&kept, &only(0), "edge-attribution", &settings[0]);
    let theirs = report(&kept, &other, "edge-attribution", &settings[0]);
    assert_ne!(numbers(edges(&ours), 0), numbers(edges(&theirs), 0));
}
