//! Every edge of the model's graph, exactly and by gradients, against a GPT-2 in which every reader has an input of its own
//! (`fixtures/circuits.py`).

use std::collections::BTreeMap;
use std::fs;

use patchlab::device::DevicePreference;
use patchlab::figures::{DotSeries, Grid, Part, Report};
use patchlab::host::Quiet;
use patchlab::{Experiment, Session};
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, assert_close, folder, report, try_report};
use serde_json::{Value, json};

/// Of the largest magnitude. float32 is itself within 1e-5 of that of the float64 reference, in which every value was computed.
const TOLERANCE: f64 = 1e-4;

/// Of exact edges beyond that: a score is the difference of two logit differences, each of four numbers in float32.
const ROUNDING: f64 = 2e-5;

fn experiment() -> Experiment {
    let text = fs::read_to_string(folder().join("circuits/groups.json")).expect("groups.json");
    Experiment::from_json(&text).expect("an experiment")
}

fn edges(report: &Report) -> &Grid {
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

/// The recorded circuits, in the order of the arrays.
const CIRCUITS: [&str; 8] = ["empty", "full", "hand", "pruned", "random", "attention", "top-20", "top-35"];

/// By group: the logit difference of a circuit on each prompt.
fn of_circuit(session: &Session, settings: &Value) -> BTreeMap<usize, Vec<f64>> {
    let report = report(session, &experiment(), "circuit", settings);
    let dots = report.parts.iter().find_map(|part| match part {
        Part::Dots(dots) => Some(dots),
        _ => None,
    });
    let values = |series: &DotSeries| series.points.iter().map(|point| point.value).collect();
    dots.expect("dots").series.iter().map(|series| (series.group, values(series))).collect()
}

#[test]
fn circuits_leave_what_pytorch_leaves() {
    for fixture in TINY.map(Fixture::read) {
        let recorded = fixture.json("circuits.json");
        let name_of = |edge: &Value| {
            let index = edge.as_u64().expect("an index") as usize;
            recorded["edges"][index].as_str().expect("a name").to_owned()
        };
        for device in DEVICES {
            let session = fixture.session(device);
            for (row, circuit) in CIRCUITS.into_iter().enumerate() {
                if device != DevicePreference::Cpu && circuit != "hand" {
                    continue; // a software GPU takes seconds for each
                }
                let edges = recorded["circuits"][circuit].as_array().expect("edges");
                let edges: Vec<String> = edges.iter().map(name_of).collect();
                for ablation in ["resample", "zero", "mean"] {
                    // Without edges, none are named: the first none by their scores.
                    let settings =
                        json!({ "edges": edges.join(" "), "count": 0, "by": "eap", "ablation": ablation });
                    let found = of_circuit(&session, &settings);
                    // A mean at each position needs prompts of one length.
                    let groups: Vec<usize> = found.keys().copied().collect();
                    assert_eq!(groups, if ablation == "mean" { vec![1, 2] } else { vec![0, 1, 2] });
                    for (group, found) in found {
                        let name = format!("{group}/circuit/{ablation}");
                        let (shape, expected) = fixture.values_in("circuits.safetensors", &name);
                        let expected = &expected[row * shape[1]..(row + 1) * shape[1]];
                        let largest = expected.iter().fold(1.0, |most: f64, number| most.max(number.abs()));
                        let what = format!("{} {name} {circuit}", fixture.name);
                        assert_close(&what, &found, expected, TOLERANCE * largest);
                    }
                }
            }
        }
    }
}

#[test]
fn greedy_circuits_lead_to_the_logits_and_are_faithful_in_the_end() {
    let session = Fixture::read("tiny-a").session(DevicePreference::Cpu);
    let found = report(&session, &experiment(), "circuit", &json!({ "by": "eap", "count": 12 }));
    let Part::Edges(picture) = &found.parts[0] else { panic!("{:?}", found.parts[0]) };
    let Part::Line(curve) = &found.parts[1] else { panic!("{:?}", found.parts[1]) };
    for (picture, curve) in picture.panels.iter().zip(&curve.panels) {
        let names: Vec<&str> = (picture.values[0].mean.iter().zip(&grid_names(&found)))
            .filter_map(|(mean, name)| mean.map(|_| *name))
            .collect();
        assert_eq!(names.len(), 12);
        // Every node that is read leads on.
        for name in &names {
            let (_, reader) = name.split_once("->").expect("an edge");
            let node = reader.split('<').next().expect("a node");
            assert!(
                node == "logits" || names.iter().any(|other| other.starts_with(&format!("{node}->"))),
                "{name}"
            );
        }
        let last = curve.values[0].mean.last().copied().flatten().expect("a number");
        assert!((last - 1.0).abs() < 1e-4, "with all edges: {last}");
    }
    let refused = try_report(&session, &experiment(), "circuit", &json!({ "edges": "m1->m0" }), &Quiet);
    assert!(refused.expect_err("no such edge").to_string().contains("no edge of this model"));
}

fn grid_names(report: &Report) -> Vec<&str> {
    edges(report).columns.ticks.iter().map(String::as_str).collect()
}
