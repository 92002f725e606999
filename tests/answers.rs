//! Answers and distractors that are sets of tokens, and the divergence from the clean run, against values recorded with
//! TransformerLens (`fixtures/answers.py`): of a set a logit is the mean, a probability the sum.

use std::fs;

use patchlab::Experiment;
use patchlab::figures::{Dots, Grid, Part, Report};
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, assert_close, folder, grids, report};
use serde_json::json;

/// Of what follows from one run.
const TOLERANCE: f64 = 1e-4;
/// Of runs that are changed and then read, as in `causal.rs`.
const PATCHED: f64 = 2e-4;

const MEASURES: [&str; 5] = ["logit-diff", "probability", "probability-diff", "log-probability", "kl"];

fn experiment() -> Experiment {
    let text = fs::read_to_string(folder().join("answers/groups.json")).expect("groups.json");
    Experiment::from_json(&text).expect("an experiment")
}

/// A group's numbers `[cells, prompts]` in a measure; None where it has no meaning for the group.
fn found(grid: &Grid, group: usize, measure: &str) -> Option<Vec<f64>> {
    let index = grid.measures.iter().position(|known| known.name == measure).expect(measure);
    let panel = grid.panels.iter().find(|panel| panel.group == group).expect("a panel");
    let values = panel.values.iter().find(|values| values.measure == index)?;
    Some(values.prompts.numbers().to_vec())
}

fn compare(fixture: &Fixture, name: &str, found: &[f64], tolerance: f64) {
    let (_, expected) = fixture.values(&format!("sets/{name}"));
    assert_close(&format!("{} {name}", fixture.name), found, &expected, tolerance);
}

fn dots(report: &Report) -> &Dots {
    match &report.parts[0] {
        Part::Dots(dots) => dots,
        other => panic!("{other:?}"),
    }
}

#[test]
fn sets_of_answers_agree_with_transformer_lens() {
    let experiment = experiment();
    let groups = 0..experiment.groups.len();
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let run = |analysis, settings| report(&session, &experiment, analysis, &settings);

            let clean = run("logit-diff", json!({}));
            for (group, series) in dots(&clean).series.iter().enumerate() {
                let values: Vec<f64> = series.points.iter().map(|point| point.value).collect();
                compare(&fixture, &format!("{group}/clean/logit-diff"), &values, TOLERANCE);
            }
            let maps = [
                ("denoise/z", run("head-patching", json!({ "what": "z", "direction": "denoise" }))),
                ("noise/z", run("head-patching", json!({ "what": "z", "direction": "noise" }))),
                ("zero/z", run("ablation", json!({ "value": "zero" }))),
            ];
            for (at, report) in &maps {
                let grid = grids(&report.parts)[0];
                for group in groups.clone() {
                    for measure in MEASURES {
                        let found = found(grid, group, measure).expect(measure);
                        compare(&fixture, &format!("{group}/{at}/{measure}"), &found, PATCHED);
                    }
                    // A set has no rank.
                    assert_eq!(found(grid, group, "rank").is_some(), group == 2, "{at}, group {group}");
                }
            }
            let heads = run("head-attribution", json!({}));
            for group in groups.clone() {
                let found = found(grids(&heads.parts)[0], group, "attribution").expect("numbers");
                compare(&fixture, &format!("{group}/heads"), &found, TOLERANCE);
            }
            for scale in ["run", "own"] {
                let lens = run("logit-lens", json!({ "scale": scale, "probabilities": true }));
                for group in groups.clone() {
                    for (shown, measure) in
                        [("attribution", "logit-diff"), ("log-prob", "log-probability"), ("rank", "rank")]
                    {
                        let found = found(grids(&lens.parts)[0], group, shown).expect(shown);
                        let prompts = experiment.groups[group].cases().len();
                        // Of the points, those before each layer were recorded.
                        let points = found.chunks_exact(prompts).step_by(2);
                        let before = points.take(session.info().n_layers).flatten().copied();
                        let at = format!("{group}/lens/{scale}/{measure}");
                        let tolerance = if measure == "rank" { 2.0 } else { TOLERANCE };
                        compare(&fixture, &at, &before.collect::<Vec<f64>>(), tolerance);
                    }
                }
            }
        }
    }
}
