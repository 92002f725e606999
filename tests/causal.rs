//! Ablation, paths, sources and lenses against values recorded with plain PyTorch hooks on TransformerLens's weights, in float64
//! (`fixtures/causal.py`).

use patchlab::device::DevicePreference;
use patchlab::figures::{Cell, Grid, Part, Report, Values};
use patchlab::{Experiment, Session};
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, assert_close, grids, report};
use serde_json::{Value, json};

/// Of logits and what follows from one run: TransformerLens in float32 is 1.5e-5 away.
const TOLERANCE: f64 = 1e-4;
/// Of runs that are changed and then read.
const PATCHED: f64 = 2e-4;

/// The recorded groups, by index in the experiment.
const GROUPS: [usize; 2] = [0, 2];

fn values<'a>(grid: &'a Grid, group: usize, measure: &str) -> &'a Values {
    let index = grid.measures.iter().position(|known| known.name == measure).expect(measure);
    let panel = grid.panels.iter().find(|panel| panel.group == group).expect("a panel");
    panel.values.iter().find(|values| values.measure == index).expect("its values")
}

/// Numbers `[cells, prompts]`, as they are recorded.
fn found(grid: &Grid, group: usize, measure: &str) -> Vec<f64> {
    values(grid, group, measure).prompts.numbers().to_vec()
}

/// Compares a map's first cells with what is recorded, and what is recorded of others with the base run's number.
fn compare(fixture: &Fixture, grid: &Grid, group: usize, measure: &str, name: &str, tolerance: f64) {
    let (_, expected) = fixture.values(name);
    let found = found(grid, group, measure);
    assert!(
        !found.is_empty() && found.len() <= expected.len(),
        "{name}: {} of {}",
        found.len(),
        expected.len()
    );
    assert_close(&format!("{} {name}", fixture.name), &found, &expected[..found.len()], tolerance);
}

/// Ranks may be anywhere between the recorded bounds.
fn compare_ranks(fixture: &Fixture, grid: &Grid, group: usize, name: &str) {
    let found = found(grid, group, "rank");
    let (low, high) = (fixture.values(&format!("{name}_min")).1, fixture.values(&format!("{name}_max")).1);
    for (index, (rank, (low, high))) in found.iter().zip(low.iter().zip(&high)).enumerate() {
        assert!(
            (low..=high).contains(&rank),
            "{} {name}[{index}]: {rank} is not in {low}..={high}",
            fixture.name
        );
    }
}

/// Only the recorded groups, so that indices stay.
fn without_second(experiment: &Experiment) -> Experiment {
    let mut experiment = experiment.clone();
    experiment.groups[1].pairs.clear();
    experiment
}

fn run(session: &Session, fixture: &Fixture, analysis: &str, settings: &Value) -> Report {
    report(session, &without_second(&fixture.experiment), analysis, settings)
}

#[test]
fn ablations_are_what_pytorch_gives() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for value in ["zero", "mean", "resample"] {
                for position in ["all", "last"] {
                    for what in ["heads", "layers", "neurons"] {
                        if what == "neurons" && device != DevicePreference::Cpu {
                            continue; // hundreds of runs
                        }
                        let settings =
                            json!({ "what": what, "value": value, "position": position, "layers": "0" });
                        let report = run(&session, &fixture, "ablation", &settings);
                        let grid = grids(&report.parts)[0];
                        for group in GROUPS {
                            let at = format!("group{group}/ablation/{what}/{value}/{position}");
                            let measures: &[(&str, &str)] = if what == "neurons" {
                                &[("logit-diff", "logit_diff"), ("kl", "kl")]
                            } else {
                                &[
                                    ("change", "change"),
                                    ("logit-diff", "logit_diff"),
                                    ("kl", "kl"),
                                    ("loss", "loss"),
                                ]
                            };
                            for (measure, name) in measures {
                                compare(&fixture, grid, group, measure, &format!("{at}/{name}"), PATCHED);
                            }
                            if what != "neurons" {
                                compare_ranks(&fixture, grid, group, &format!("{at}/rank"));
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn self_repair_is_what_pytorch_gives() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for (case, heads) in [("one", "L1H1"), ("two", "L0H1 L1H0")] {
                for value in ["zero", "mean"] {
                    let settings = json!({ "heads": heads, "value": value });
                    let report = run(&session, &fixture, "self-repair", &settings);
                    let grid = grids(&report.parts)[0];
                    for group in GROUPS {
                        let at = format!("group{group}/self_repair/{case}/{value}");
                        compare(&fixture, grid, group, "attribution", &format!("{at}/after"), PATCHED);
                        let mut tables = report.parts.iter().filter_map(|part| match part {
                            Part::Table(table) if table.group == Some(group) => Some(table),
                            _ => None,
                        });
                        let table = tables.next_back().expect("a table");
                        for (column, name) in [(2, "predicted"), (3, "logit_diff"), (5, "scale")] {
                            let number = |row: &patchlab::figures::Row| match row.cells[column] {
                                Cell::Number(number) => number,
                                _ => f64::NAN,
                            };
                            let rows = &table.rows[..table.rows.len() - 1]; // the last is the mean
                            let found: Vec<f64> = rows.iter().map(number).collect();
                            let name = format!("{at}/{name}");
                            assert_close(&name, &found, &fixture.values(&name).1, PATCHED);
                        }
                    }
                }
            }
        }
    }
}

/// Receivers by the name they are recorded under, and whether at the last position alone.
const RECEIVERS: [(&str, &str, bool); 10] = [
    ("final", "", false),
    ("q", "L2H1.q", false),
    ("k", "L2H1.k", false),
    ("v", "L2H1.v", false),
    ("qk", "L2H1.qk", false),
    ("two", "L1H0.q L2H1.q", false),
    ("mlp", "MLP2", false),
    ("mixed", "L2H1.v m1", false),
    ("final_last", "", true),
    ("q_last", "L2H1.q", true),
];

#[test]
fn paths_are_what_pytorch_gives() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for direction in ["noise", "denoise"] {
                for (mlps, norm) in
                    [("live", "live"), ("live", "frozen"), ("skipped", "live"), ("skipped", "frozen")]
                {
                    for (name, receivers, last) in RECEIVERS {
                        let usual = (mlps, norm) == ("live", "live");
                        // On the GPU in software one of each kind has to do.
                        if last && !usual || device != DevicePreference::Cpu && !usual && name != "two" {
                            continue;
                        }
                        let settings = json!({
                            "receivers": receivers, "mlps": mlps, "norm": norm, "direction": direction,
                            "position": if last { "last" } else { "all" },
                        });
                        let report = run(&session, &fixture, "path-patching", &settings);
                        let grids = grids(&report.parts);
                        for group in GROUPS {
                            let at = format!("group{group}/path/{direction}/{mlps}_{norm}/{name}");
                            for (grid, senders) in grids.iter().zip(["heads", "mlps"]) {
                                compare(
                                    &fixture,
                                    grid,
                                    group,
                                    "logit-diff",
                                    &format!("{at}/{senders}"),
                                    PATCHED,
                                );
                            }
                        }
                    }
                }
                let all = (0..session.info().n_layers).map(|layer| format!("L{layer}"));
                let heads = all.collect::<Vec<_>>().join(" ");
                let settings = json!({ "senders": "chosen", "chosen": heads, "direction": direction });
                let report = run(&session, &fixture, "path-patching", &settings);
                let grid = grids(&report.parts)[0];
                for group in GROUPS {
                    let name = format!("group{group}/path/{direction}/live_live/all_heads");
                    let numbers = &values(grid, group, "logit-diff").prompts;
                    let together = numbers.row(numbers.rows() - 1);
                    assert_close(&name, together, &fixture.values(&name).1, PATCHED);
                }
            }
        }
    }
}

#[test]
fn lenses_are_what_pytorch_gives() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for (scale, name) in [("own", "lens"), ("run", "lens_frozen")] {
                let settings = json!({ "scale": scale, "probabilities": true });
                let report = run(&session, &fixture, "logit-lens", &settings);
                let grid = grids(&report.parts)[0];
                for group in GROUPS {
                    let at = format!("group{group}/{name}");
                    if scale == "own" {
                        compare(&fixture, grid, group, "attribution", &format!("{at}/logit_diff"), TOLERANCE);
                    }
                    for (measure, name) in [
                        ("log-prob", "log_prob"),
                        ("entropy", "entropy"),
                        ("kl-to-output", "kl_final_point"),
                        ("kl-from-output", "kl_point_final"),
                    ] {
                        compare(&fixture, grid, group, measure, &format!("{at}/{name}"), TOLERANCE);
                    }
                    compare_ranks(&fixture, grid, group, &format!("{at}/rank"));
                }
            }
        }
    }
}

/// Scores and attributions by where they come from; a row of a grid that has all heads.
#[test]
fn sources_are_what_pytorch_gives() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let all = json!({ "heads": "all" });
            let report = run(&session, &fixture, "source-attribution", &all);
            let grid = grids(&report.parts)[0];
            let scatter = report.parts.iter().find_map(|part| match part {
                Part::Scatter(scatter) => Some(scatter),
                _ => None,
            });
            let scatter = scatter.expect("a scatter plot");
            for group in GROUPS {
                compare(&fixture, grid, group, "attribution", &format!("group{group}/source"), TOLERANCE);
                let [attention, output, present] = ["attention", "output", "present"]
                    .map(|name| fixture.values(&format!("group{group}/written/{name}")).1);
                let prompts = present.len() / 2;
                let panel = scatter.panels.iter().find(|panel| panel.group == group).expect("a panel");
                for values in &panel.values {
                    // Means over the prompts in which the token stands.
                    let stands = |prompt: &usize| present[values.measure * prompts + prompt] > 0.0;
                    let mean = |numbers: &[f64], head: usize| {
                        let row = (head * 2 + values.measure) * prompts;
                        let chosen: Vec<f64> =
                            (0..prompts).filter(stands).map(|prompt| numbers[row + prompt]).collect();
                        chosen.iter().sum::<f64>() / chosen.len() as f64
                    };
                    let heads = 0..values.x.len();
                    let expected =
                        |numbers: &[f64]| heads.clone().map(|head| mean(numbers, head)).collect::<Vec<_>>();
                    let name = format!("{} group{group}/written, token {}", fixture.name, values.measure);
                    assert_close(&name, &values.x, &expected(&attention), TOLERANCE);
                    assert_close(&name, &values.y, &expected(&output), TOLERANCE);
                }
                let tokens =
                    (0..2).filter(|token| present[token * prompts..][..prompts].iter().any(|&n| n > 0.0));
                assert_eq!(panel.values.len(), tokens.count(), "a point wherever the token stands");
            }
        }
    }
}

#[test]
fn score_parts_are_what_pytorch_gives() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for source in 0..8 {
                let settings = json!({ "head": "L2H1", "source": source.to_string(), "top_k": 1000 });
                let report = run(&session, &fixture, "score-decomposition", &settings);
                for group in GROUPS {
                    let name = format!("group{group}/scores");
                    let (shape, expected) = fixture.values(&name);
                    let [components, _, sources, prompts] = shape[..] else { panic!("{shape:?}") };
                    let at = |query: usize, key: usize, source: usize, prompt: usize| {
                        expected[((query * components + key) * sources + source) * prompts + prompt]
                    };
                    let table = report.parts.iter().find_map(|part| match part {
                        Part::Table(table) if table.group == Some(group) => Some(table),
                        _ => None,
                    });
                    let names: Vec<String> = component_names(&fixture);
                    let rows = &table.expect("a table").rows;
                    assert!(
                        rows.len() >= components * components.min(1000 / components),
                        "all pairs are listed"
                    );
                    for row in &rows[..rows.len() - 2] {
                        let [Cell::Text(query), Cell::Text(key), Cell::Number(found)] = &row.cells[..] else {
                            panic!("{row:?}")
                        };
                        let index =
                            |name: &str| names.iter().position(|known| known == name).expect("a component");
                        let mean = (0..prompts)
                            .map(|prompt| at(index(query), index(key), source, prompt))
                            .sum::<f64>();
                        let what = format!("{} {name}, {query} {key} {source}", fixture.name);
                        assert_close(&what, &[*found], &[mean / prompts as f64], TOLERANCE);
                    }
                    let total = |row: usize| match rows[row].cells[2] {
                        Cell::Number(number) => number,
                        _ => f64::NAN,
                    };
                    assert_close("all pairs", &[total(rows.len() - 2)], &[total(rows.len() - 1)], TOLERANCE);
                    // Over one side's components, per prompt.
                    for (grid, by_key) in grids(&report.parts).into_iter().zip([true, false]) {
                        let found = &values(grid, group, "score").prompts;
                        for component in 0..components {
                            let part = |source: usize, prompt: usize| -> f64 {
                                let pair = |other: usize| {
                                    if by_key { (other, component) } else { (component, other) }
                                };
                                (0..components).map(pair).map(|(q, k)| at(q, k, source, prompt)).sum()
                            };
                            for source in 0..sources {
                                let expected: Vec<f64> =
                                    (0..prompts).map(|prompt| part(source, prompt)).collect();
                                let what = format!("{} {name}, {component}, source {source}", fixture.name);
                                assert_close(
                                    &what,
                                    found.row(component * sources + source),
                                    &expected,
                                    TOLERANCE,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The recorded order, in the engine's names.
fn component_names(fixture: &Fixture) -> Vec<String> {
    let heads = if fixture.name == "tiny-a" { 4 } else { 3 };
    let layer = |layer: usize| {
        let heads = (0..heads).map(move |head| format!("L{layer}H{head}"));
        heads.chain([format!("MLP{layer}")])
    };
    let ends = |names: [&str; 2]| names.map(str::to_owned).into_iter();
    ends(["embed", "pos_embed"]).chain((0..2).flat_map(layer)).chain(ends(["attn_bias", "bias"])).collect()
}

#[test]
fn value_weighted_attention_is_what_pytorch_gives() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let settings = json!({ "heads": "all", "group": "0", "what": "value-weighted" });
            let report = run(&session, &fixture, "attention", &settings);
            let Part::Attention(figure) = &report.parts[0] else { panic!("{report:?}") };
            let (shape, expected) = fixture.values("value_weighted");
            let positions = shape[3];
            let heads = &figure.prompts[0].heads;
            assert_eq!(heads.len(), shape[0] * shape[1]);
            for (index, head) in heads.iter().enumerate() {
                for (destination, row) in head.rows.iter().enumerate() {
                    let first = (index * positions + destination) * positions;
                    let expected = &expected[first..first + row.len()];
                    assert_close(&format!("{} {}", fixture.name, head.name), row, expected, TOLERANCE);
                }
            }
        }
    }
}
