//! Prompts of unequal lengths, read and changed by role and from the end, against values recorded with TransformerLens, which ran
//! every prompt alone (`fixtures/roles.py`).

use std::fs;

use patchlab::device::DevicePreference;
use patchlab::figures::{AxisKind, Grid, Part, Report};
use patchlab::prompts::prepare;
use patchlab::{Experiment, Session};
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, folder, grids, report};
use serde_json::{Value, json};

/// Of what follows from one run.
const TOLERANCE: f64 = 1e-4;
/// Of runs that are changed and then read, as in `causal.rs`.
const PATCHED: f64 = 2e-4;

/// The groups whose clean and corrupted prompts all have as many tokens.
const ALIGNED: [usize; 2] = [0, 1];

fn experiment() -> Experiment {
    let text = fs::read_to_string(folder().join("roles/groups.json")).expect("groups.json");
    Experiment::from_json(&text).expect("an experiment")
}

/// Numbers `[cells, prompts]` of a measure, in which NaN stands for a prompt that has no such role.
fn found(grid: &Grid, group: usize, measure: &str) -> Vec<f64> {
    let index = grid.measures.iter().position(|known| known.name == measure).expect(measure);
    let panel = grid.panels.iter().find(|panel| panel.group == group).expect("a panel");
    let values = panel.values.iter().find(|values| values.measure == index).expect("its values");
    values.prompts.numbers().to_vec()
}

fn compare(fixture: &Fixture, name: &str, found: &[f64], tolerance: f64) {
    let (shape, expected) = fixture.values(name);
    assert_eq!(found.len(), expected.len(), "{} {name}: {shape:?}", fixture.name);
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let same = if expected.is_nan() { found.is_nan() } else { (found - expected).abs() <= tolerance };
        assert!(same, "{} {name}[{index}]: {found} is not {expected}", fixture.name);
    }
}

fn run(session: &Session, analysis: &str, settings: &Value) -> Report {
    report(session, &experiment(), analysis, settings)
}

/// A mean is over the prompts that have a number.
fn check_means(grid: &Grid) {
    for panel in &grid.panels {
        for values in &panel.values {
            for (cell, mean) in values.mean.iter().enumerate() {
                let row: Vec<f64> =
                    values.prompts.row(cell).iter().copied().filter(|number| !number.is_nan()).collect();
                let counts = panel.counts.as_ref().map(|counts| counts[cell % counts.len()]);
                assert_eq!(counts.unwrap_or(panel.prompts.len()), row.len(), "{}", grid.title);
                match mean {
                    Some(mean) => {
                        let own = row.iter().sum::<f64>() / row.len() as f64;
                        assert!((mean - own).abs() < 1e-9, "{}: {mean} is not {own}", grid.title);
                    }
                    None => assert!(row.is_empty()),
                }
            }
        }
    }
}

#[test]
fn roles_are_found_where_they_were_recorded() {
    for fixture in TINY.map(Fixture::read) {
        let session = fixture.session(DevicePreference::Cpu);
        let (groups, problems) =
            prepare(&experiment(), session.tokenizer(), session.info().n_ctx).expect("groups");
        assert_eq!(problems, []);
        for group in &groups {
            let spans = group.roles.len();
            let (shape, expected) = fixture.values(&format!("{}/positions", group.group));
            assert_eq!(shape, [group.cases.len(), spans, 2]);
            let ends = |case: &patchlab::prompts::PreparedCase| -> Vec<f64> {
                let ends = |span: &Option<std::ops::Range<usize>>| match span {
                    Some(span) => [span.start as f64, span.end as f64],
                    None => [-1.0, -1.0],
                };
                case.roles.iter().flat_map(ends).collect()
            };
            let found: Vec<f64> = group.cases.iter().flat_map(ends).collect();
            assert_eq!(found, expected, "{}", group.name);
        }
    }
}

#[test]
fn patches_by_role_and_from_the_end_are_those_of_each_prompt_alone() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for direction in ["denoise", "noise"] {
                let settings =
                    |align: &str| json!({ "direction": direction, "align": align, "probabilities": false });
                let compare = |parts: &[Part], names: &[&str], align: &str| {
                    for (grid, name) in grids(parts).into_iter().zip(names) {
                        check_means(grid);
                        for group in ALIGNED {
                            let name = format!("{group}/{direction}/{name}/{align}");
                            compare(&fixture, &name, &found(grid, group, "logit-diff"), PATCHED);
                        }
                    }
                };
                for align in ["role", "end"] {
                    let report = run(&session, "residual-patching", &settings(align));
                    compare(&report.parts, &["resid_pre"], align);
                }
                compare(
                    &run(&session, "component-patching", &settings("role")).parts,
                    &["attn_out", "mlp_out"],
                    "role",
                );
                if direction == "noise" && device == DevicePreference::Wgpu {
                    continue; // the same passes once more, slowly
                }
                let mut settings = settings("role");
                settings["by_position"] = json!(true);
                let report = run(&session, "head-patching", &settings);
                compare(&report.parts, &["z", "v", "pattern", "q", "k"], "role");
            }
        }
    }
}

#[test]
fn paths_by_role_are_those_of_each_prompt_alone() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let settings = json!({ "senders": "heads", "position": "each", "align": "role" });
            let report = run(&session, "path-patching", &settings);
            let grid = grids(&report.parts)[0];
            check_means(grid);
            for group in ALIGNED {
                compare(&fixture, &format!("{group}/paths/role"), &found(grid, group, "logit-diff"), PATCHED);
            }
        }
    }
}

#[test]
fn ablations_by_role_are_those_of_each_prompt_alone() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for (value, groups) in [("zero", &[0, 1, 2][..]), ("mean", &ALIGNED), ("resample", &ALIGNED)] {
                let settings = json!({ "value": value, "position": "each", "align": "role" });
                let report = run(&session, "ablation", &settings);
                let grid = grids(&report.parts)[0];
                check_means(grid);
                for group in groups {
                    for measure in ["logit-diff", "kl"] {
                        let name = format!("{group}/ablation/{value}/{measure}");
                        compare(&fixture, &name, &found(grid, *group, measure), PATCHED);
                    }
                }
            }
        }
    }
}

#[test]
fn sources_attention_and_lenses_by_role_are_those_of_each_prompt_alone() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let report = run(&session, "source-attribution", &json!({ "heads": "all", "align": "role" }));
            let sources = grids(&report.parts)[0];
            check_means(sources);
            let report = run(&session, "attention", &json!({ "heads": "all", "by": "role" }));
            let attention: Vec<&Grid> = grids(&report.parts);
            for group in 0..3 {
                for measure in ["attribution", "attention"] {
                    let name = format!("{group}/sources/{measure}");
                    compare(&fixture, &name, &found(sources, group, measure), TOLERANCE);
                }
                compare_attention(&fixture, &attention, group);
            }
            for scale in ["run", "own"] {
                lens(&fixture, &session, scale);
            }
        }
    }
}

/// The report has a map of all groups' roles for each head, the fixture `[layers, heads, roles, roles, prompts]` of the group's own.
fn compare_attention(fixture: &Fixture, attention: &[&Grid], group: usize) {
    let (shape, _) = fixture.values(&format!("{group}/attention"));
    let (own, prompts) = (shape[2], shape[4]);
    let roles: Vec<String> = role_names(group);
    let mut all = Vec::new();
    for grid in attention {
        assert_eq!(grid.columns.counts, AxisKind::Role);
        check_means(grid);
        let numbers = found(grid, group, "attention");
        let names = &grid.rows.ticks;
        let place = |role: usize| names.iter().position(|name| *name == roles[role]).expect("a role");
        for cell in 0..own * own {
            let cell = place(cell / own) * names.len() + place(cell % own);
            all.extend_from_slice(&numbers[cell * prompts..(cell + 1) * prompts]);
        }
    }
    compare(fixture, &format!("{group}/attention"), &all, TOLERANCE);
}

fn role_names(group: usize) -> Vec<String> {
    experiment().groups[group].role_names().into_iter().map(str::to_owned).collect()
}

/// `[points, roles, prompts]`; the report has the prompts that have the role.
fn lens(fixture: &Fixture, session: &Session, scale: &str) {
    for group in 0..3 {
        let name = format!("{group}/lens/{scale}");
        let (shape, expected) = fixture.values(&name);
        let (points, roles, prompts) = (shape[0], shape[1], shape[2]);
        for (role, tick) in role_names(group).iter().enumerate() {
            let report = run(session, "logit-lens", &json!({ "scale": scale, "at": tick }));
            let found = found(grids(&report.parts)[0], group, "attribution");
            let expected: Vec<f64> = (0..points)
                .flat_map(|point| &expected[(point * roles + role) * prompts..][..prompts])
                .copied()
                .filter(|number| !number.is_nan())
                .collect();
            patchlab_tests::fixture::assert_close(&name, &found, &expected, TOLERANCE);
        }
    }
}

#[test]
fn every_analysis_runs_on_prompts_of_unequal_lengths() {
    let session = Fixture::read("tiny-a").session(DevicePreference::Cpu);
    for analysis in patchlab::analyses::ALL.iter().filter(|analysis| analysis.name != "recorded") {
        let report = run(&session, analysis.name, &Value::Null);
        assert!(!report.parts.is_empty(), "{}", analysis.name);
        for problem in &report.problems {
            assert_eq!(problem.code, "unequal-lengths", "{}: {}", analysis.name, problem.message);
        }
        let text = serde_json::to_string(&report).expect("JSON");
        let read: Report = serde_json::from_str(&text).expect("a report");
        let nulls = |text: &str| text.matches("null").count();
        assert_eq!(nulls(&serde_json::to_string(&read).expect("JSON")), nulls(&text), "{}", analysis.name);
    }
}

#[test]
fn columns_that_a_group_does_not_have_are_said() {
    let session = Fixture::read("tiny-a").session(DevicePreference::Cpu);
    let codes = |experiment: &Experiment, settings: &Value| -> Vec<String> {
        let report = report(&session, experiment, "residual-patching", settings);
        report.problems.into_iter().map(|problem| problem.code).collect()
    };
    let mut experiment = experiment();
    experiment.groups.pop();
    let start = json!({ "align": "start" });
    assert_eq!(codes(&experiment, &start), ["different-lengths", "different-lengths"]);
    experiment.groups[1].roles[0].at = patchlab::experiment::Anchor::Text("nowhere".to_owned());
    assert_eq!(codes(&experiment, &json!({ "align": "role" })), ["role-not-found"]);
    experiment.groups[1].roles.clear();
    experiment.groups[1].pairs.iter_mut().for_each(|pair| pair.roles.clear());
    assert_eq!(codes(&experiment, &json!({ "align": "role" })), ["no-roles"]);
    assert_eq!(codes(&experiment, &Value::Null), Vec::<String>::new(), "from the end, unless asked for");
}
