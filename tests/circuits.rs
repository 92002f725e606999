//! Circuits: what is left of the logit difference, and the tests that a circuit is put to, against a GPT-2 in which every reader has an
//! input of its own (`fixtures/circuits.py`).

use std::collections::BTreeMap;

use patchlab::device::DevicePreference;
use patchlab::figures::{Cell, DotSeries, Part, Report, Table};
use patchlab::host::Quiet;
use patchlab::{Experiment, Session};
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, assert_close, report, try_report};
use serde_json::{Value, json};

use crate::edges::{TOLERANCE, edges, experiment, only};

/// The tables of a report.
fn tables(report: &Report) -> Vec<&Table> {
    report
        .parts
        .iter()
        .filter_map(|part| if let Part::Table(table) = part { Some(table) } else { None })
        .collect()
}

/// The recorded circuits, in the order of the arrays.
const CIRCUITS: [&str; 8] = ["empty", "full", "hand", "pruned", "random", "attention", "top-20", "top-35"];

/// By group: the logit difference of a circuit on each prompt.
fn of_circuit(session: &Session, settings: &Value) -> BTreeMap<usize, Vec<f64>> {
    of_circuit_on(session, &experiment(), settings)
}

fn of_circuit_on(session: &Session, experiment: &Experiment, settings: &Value) -> BTreeMap<usize, Vec<f64>> {
    let report = report(session, experiment, "circuit", settings);
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
        for device in DEVICES {
            let session = fixture.session(device);
            for (row, circuit) in CIRCUITS.into_iter().enumerate() {
                if device != DevicePreference::Cpu && circuit != "hand" {
                    continue; // a software GPU takes seconds for each
                }
                let edges = recorded_circuit(&fixture, circuit);
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

/// The edges of a recorded circuit, by name.
fn recorded_circuit(fixture: &Fixture, circuit: &str) -> Vec<String> {
    let recorded = fixture.json("circuits.json");
    let edges = recorded["circuits"][circuit].as_array().expect("edges").clone();
    let name = |edge: &Value| {
        recorded["edges"][edge.as_u64().expect("an index") as usize].as_str().expect("a name").to_owned()
    };
    edges.iter().map(name).collect()
}

/// The names of the edges of a group's circuit.
fn members(report: &Report, group: usize) -> Vec<String> {
    let grid = edges(report);
    let panel = grid.panels.iter().find(|panel| panel.group == group).expect("a panel");
    let all = grid.columns.ticks.iter().zip(&panel.values[0].mean);
    all.filter(|(_, mean)| mean.is_some()).map(|(name, _)| name.clone()).collect()
}

#[test]
fn circuits_are_pruned_as_eap_ig_does() {
    for fixture in TINY.map(Fixture::read) {
        let session = fixture.session(DevicePreference::Cpu);
        let hand = recorded_circuit(&fixture, "hand").join(" ");
        let found = report(&session, &only(0), "circuit", &json!({ "edges": hand, "prune": true }));
        let (mut found, mut expected) = (members(&found, 0), recorded_circuit(&fixture, "pruned"));
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{}", fixture.name);
    }
}

#[test]
fn a_threshold_takes_the_edges_that_reach_it() {
    let fixture = Fixture::read("tiny-a");
    let session = fixture.session(DevicePreference::Cpu);
    let scores = report(&session, &experiment(), "edge-attribution", &json!({ "method": "eap" }));
    let settings = json!({ "by": "eap", "select": "threshold", "threshold": "0.05" });
    let found = report(&session, &experiment(), "circuit", &settings);
    for panel in &edges(&scores).panels {
        let names = edges(&scores).columns.ticks.iter().zip(&panel.values[0].mean);
        let strong = names.filter(|(_, mean)| mean.expect("a number").abs() >= 0.05);
        let strong: Vec<String> = strong.map(|(name, _)| name.clone()).collect();
        assert!(!strong.is_empty());
        assert_eq!(members(&found, panel.group), strong);
    }
    for threshold in ["much", "-1", "inf", ""] {
        let settings = json!({ "select": "threshold", "threshold": threshold });
        let refused = try_report(&session, &experiment(), "circuit", &settings, &Quiet).expect_err(threshold);
        assert!(refused.to_string().contains("is no number from 0 on"), "{refused}");
    }
}

/// As Conmy et al. (2023) do it, one run for each edge.
#[test]
fn acdc_takes_edges_away_one_after_the_other() {
    const THRESHOLD: f64 = 0.1;
    for fixture in TINY.map(Fixture::read) {
        let session = fixture.session(DevicePreference::Cpu);
        let names = |report: &Report| edges(report).columns.ticks.clone();
        let mean = |kept: &[String]| {
            // Without edges none would be named.
            let settings = json!({ "edges": kept.join(" "), "count": 0, "by": "eap", "curve": false });
            let found = of_circuit_on(&session, &only(1), &settings).remove(&0).expect("a group");
            found.iter().sum::<f64>() / found.len() as f64
        };
        let mut kept = names(&report(&session, &only(1), "edge-attribution", &json!({ "method": "eap" })));
        // The last readers first, and of each the last writers.
        let order: Vec<String> = kept.iter().rev().cloned().collect();
        let mut before = mean(&kept);
        for edge in order {
            let less: Vec<String> = kept.iter().filter(|own| **own != edge).cloned().collect();
            let after = mean(&less);
            if (after - before).abs() < THRESHOLD {
                (kept, before) = (less, after);
            }
        }
        let settings = json!({ "select": "acdc", "threshold": THRESHOLD.to_string() });
        let found = report(&session, &only(1), "circuit", &settings);
        assert!(!kept.is_empty() && kept.len() < names(&found).len() * 3 / 4, "{} edges", kept.len());
        assert_eq!(members(&found, 0), kept, "{}", fixture.name);
    }
}

/// Where each token has a role of its own, the mean over a role's tokens is the mean at a position.
#[test]
fn a_mean_by_role_is_over_the_tokens_of_the_role() {
    let fixture = Fixture::read("tiny-b");
    let session = fixture.session(DevicePreference::Cpu);
    let hand = recorded_circuit(&fixture, "hand").join(" ");
    let of = |experiment: &Experiment, ablation: &str| {
        of_circuit_on(&session, experiment, &json!({ "edges": hand, "ablation": ablation }))
            .remove(&0)
            .expect("a group")
    };
    let mut experiment = only(2);
    let tokens = 9;
    let role = |offset: i32| json!({ "name": format!("r{offset}"), "at": "first", "offset": offset });
    let roles: Vec<Value> = (0..tokens).map(role).collect();
    experiment.groups[0].roles = serde_json::from_value(roles.into()).expect("roles");
    let (by_position, by_role) = (of(&experiment, "mean"), of(&experiment, "mean-by-role"));
    assert_close("tiny-b", &by_role, &by_position, 1e-5);
    // One role for some tokens, and the others together, is something else.
    experiment.groups[0].roles.truncate(2);
    let coarse = of(&experiment, "mean-by-role");
    assert!(coarse.iter().zip(&by_position).any(|(a, b)| (a - b).abs() > 1e-2), "{coarse:?} {by_position:?}");
    // Without roles there is nothing to take means over.
    experiment.groups[0].roles.clear();
    let settings = json!({ "edges": hand, "ablation": "mean-by-role" });
    let none = report(&session, &experiment, "circuit", &settings);
    assert!(none.parts.is_empty() && none.problems[0].code == "no-roles", "{:?}", none.problems);
}

#[test]
fn nodes_are_taken_out_of_a_circuit_as_pytorch_does() {
    for fixture in TINY.map(Fixture::read) {
        let recorded = fixture.json("circuits.json");
        let nodes: Vec<&str> =
            recorded["nodes"].as_array().expect("nodes").iter().filter_map(Value::as_str).collect();
        let hand = recorded_circuit(&fixture, "hand");
        for device in DEVICES {
            let session = fixture.session(device);
            // On a software GPU a run takes seconds.
            let groups = if device == DevicePreference::Cpu { vec![0, 1, 2] } else { vec![1] };
            for group in groups {
                let settings = json!({ "edges": hand.join(" "), "subsets": 0, "greedy": 1, "random": 0, "pairs": false });
                let found = report(&session, &only(group), "circuit-tests", &settings);
                let (shape, knockout) =
                    fixture.values_in("circuits.safetensors", &format!("{group}/knockout/resample"));
                let (_, whole) =
                    fixture.values_in("circuits.safetensors", &format!("{group}/circuit/resample"));
                let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
                let without = |circuit: &str, node: usize| {
                    let circuit = CIRCUITS.iter().position(|own| *own == circuit).expect("a circuit");
                    let first = (circuit * shape[1] + node) * shape[2];
                    mean(&knockout[first..first + shape[2]])
                };
                let place = CIRCUITS.iter().position(|own| *own == "hand").expect("a circuit");
                let of_hand = mean(&whole[place * shape[2]..(place + 1) * shape[2]]);
                let tables = tables(&found);
                let [complete, minimal] = tables[..] else { panic!("{} tables", tables.len()) };
                let number =
                    |cell: &Cell| if let Cell::Number(number) = cell { *number } else { panic!("{cell:?}") };
                let text =
                    |cell: &Cell| if let Cell::Text(text) = cell { text.clone() } else { panic!("{cell:?}") };
                let close = |found: f64, expected: f64| {
                    assert!(
                        (found - expected).abs() < 2e-4,
                        "{} {group}: {found} is not {expected}",
                        fixture.name
                    )
                };
                let inside = |name: &str| hand.iter().any(|edge| edge.starts_with(&format!("{name}->")));
                let own: Vec<usize> = (0..nodes.len()).filter(|&node| inside(nodes[node])).collect();
                assert_eq!(minimal.rows.len(), own.len());
                for row in &minimal.rows {
                    let node = nodes.iter().position(|own| *own == text(&row.cells[0])).expect("a node");
                    close(number(&row.cells[1]), without("hand", node) - of_hand);
                }
                // Of single nodes, the one that moves circuit and model apart the most.
                let distance = |node: &usize| (without("hand", *node) - without("full", *node)).abs();
                let worst = own.iter().max_by(|a, b| distance(a).total_cmp(&distance(b))).expect("nodes");
                let greedy = complete.rows.last().expect("rows");
                assert_eq!(text(&greedy.cells[1]), nodes[*worst]);
                close(number(&greedy.cells[2]), without("hand", *worst));
                close(number(&greedy.cells[3]), without("full", *worst));
                close(number(&complete.rows[0].cells[2]), of_hand);
            }
        }
    }
}

/// What is taken out step by step is what comes of naming the edges that are left.
#[test]
fn sets_of_nodes_and_pairs_are_taken_out_together() {
    let fixture = Fixture::read("tiny-a");
    let session = fixture.session(DevicePreference::Cpu);
    let hand = recorded_circuit(&fixture, "hand");
    let settings = json!({ "edges": hand.join(" "), "subsets": 3, "greedy": 3, "random": 5 });
    let found = report(&session, &only(1), "circuit-tests", &settings);
    let tables = tables(&found);
    let mean = |gone: &[&str]| {
        let left: Vec<String> = hand
            .iter()
            .filter(|edge| !gone.iter().any(|node| edge.starts_with(&format!("{node}->"))))
            .cloned()
            .collect();
        let settings = json!({ "edges": left.join(" "), "count": 0, "by": "eap", "curve": false });
        let found = of_circuit_on(&session, &only(1), &settings).remove(&0).expect("a group");
        found.iter().sum::<f64>() / found.len() as f64
    };
    let (mut sets, mut pairs) = (0, 0);
    for row in &tables[0].rows {
        let [Cell::Text(_), Cell::Text(nodes), Cell::Number(circuit), ..] = &row.cells[..] else {
            panic!("{row:?}")
        };
        let nodes: Vec<&str> = nodes.split_whitespace().collect();
        assert!((mean(&nodes) - circuit).abs() < 1e-5, "{nodes:?}");
        sets += usize::from(nodes.len() > 1);
    }
    for row in &tables[1].rows {
        let [Cell::Text(node), .., Cell::Text(other), Cell::Number(change)] = &row.cells[..] else {
            panic!("{row:?}")
        };
        assert!((mean(&[node, other]) - mean(&[other]) - change).abs() < 1e-5, "{node} after {other}");
        pairs += 1;
    }
    assert!(sets > 3 && pairs > 3, "{sets} {pairs}");
    let [.., Cell::Number(p)] = &tables[2].rows.last().expect("rows").cells[..] else {
        panic!("{:?}", tables[2])
    };
    assert!((1.0 / 6.0..=1.0).contains(p), "{p}");
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
