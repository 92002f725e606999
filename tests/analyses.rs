//! The analyses' reports against TransformerLens, number by number, on Flex and on wgpu.
//!
//! Tolerances: attribution and attention 1e-4 of the largest magnitude in the map, normalised patching maps
//! 2e-4 absolute. f32 noise of these models is up to 1.1e-5 (`float32_noise` in each `expected.json`),
//! mistakes show as 8e-4 or more (`fixtures/README.md`). The sweeps themselves are compared in `patching.rs`.

use patchlab::attribution::{AttributionSites, DirectLogitAttribution};
use patchlab::device::DevicePreference;
use patchlab::figures::{Cell, Grid, Mark, Part, Table};
use patchlab::interventions::Shortcut;
use patchlab::metrics::mean;
use patchlab::prompts::prepare;
use patchlab::readback::Reads;
use patchlab::runs::{Readout, Run};
use patchlab::{Experiment, Session};
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, assert_close, grids, open, report};
use pollster::block_on;
use serde_json::{Value, json};

/// Relative to the largest magnitude in a map.
const TOLERANCE: f64 = 1e-4;
/// Absolute, for normalised patching maps.
const NORMALIZED: f64 = 2e-4;

fn tables(parts: &[Part]) -> Vec<&Table> {
    let tables =
        parts.iter().filter_map(|part| if let Part::Table(table) = part { Some(table) } else { None });
    tables.collect()
}

/// A group's numbers in the default measure, in the fixtures' layout: cell by cell, all prompts.
fn by_cell(grid: &Grid, group: usize) -> Vec<f64> {
    let panel = grid.panels.iter().find(|panel| panel.group == group).expect("the group's panel");
    panel.values[0].prompts.numbers().to_vec()
}

fn largest(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |largest, number| number.abs().max(largest))
}

#[test]
fn attributions_agree() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for (analysis, settings, recorded) in [
                ("logit-lens", Value::Null, "lens"),
                ("layer-attribution", Value::Null, "layers"),
                ("head-attribution", Value::Null, "heads"),
                ("neuron-attribution", Value::Null, "neurons"),
            ] {
                let report = report(&session, &fixture.experiment, analysis, &settings);
                assert_eq!(report.problems, []);
                for group in 0..fixture.experiment.groups.len() {
                    let name = format!("group{group}/{recorded}");
                    let what = format!("{} {device:?} {name}", fixture.name);
                    let (shape, mut expected) = fixture.values(&name);
                    let found = by_cell(grids(&report.parts)[0], group);
                    if recorded == "layers" {
                        // The report has the unembedding's bias as an extra component.
                        expected.extend(fixture.values(&format!("group{group}/bias/unembed")).1);
                    }
                    assert_close(&what, &found, &expected, TOLERANCE * largest(&expected));

                    // The plotted values are the means of these.
                    let grid = grids(&report.parts)[0];
                    let prompts = shape[shape.len() - 1];
                    let means: Vec<f64> = expected.chunks_exact(prompts).map(mean).collect();
                    let values = &grid.panels[group].values[0];
                    let drawn: Vec<f64> = values.mean.iter().map(|mean| mean.expect("computed")).collect();
                    assert_close(&what, &drawn, &means, TOLERANCE * largest(&expected));
                    for ((mean, low), high) in drawn.iter().zip(&values.low).zip(&values.high) {
                        let (low, high) = (low.expect("an end"), high.expect("an end"));
                        assert!(low <= *mean && *mean <= high, "{what}: {mean} is not in [{low}, {high}]");
                    }
                }
                for table in tables(&report.parts) {
                    assert!(table.rows.iter().all(|row| row.mark != Some(Mark::Failed)), "{}", table.title);
                }
            }
        }
    }
}

#[test]
fn biases_agree() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let (groups, _) =
                prepare(&fixture.experiment, session.tokenizer(), session.info().n_ctx).expect("groups");
            for group in groups {
                let readout = Readout::new(session.model(), &group.cases, false);
                let clean: Vec<Vec<u32>> = group.cases.iter().map(|case| case.clean.clone()).collect();
                let found = block_on(async {
                    let run =
                        Run::record(session.model(), &clean, &readout, &AttributionSites::default()).await?;
                    let biases =
                        DirectLogitAttribution::new(session.model(), &run, readout.compared())?.biases()?;
                    Reads::default().with(biases).fetch().await
                });
                // b_O and b_out alternate, layer by layer.
                let found = found.expect("biases").concat();
                let found: Vec<f64> = found.into_iter().map(f64::from).collect();
                let rows: Vec<&[f64]> = found.chunks_exact(clean.len()).collect();
                for (offset, name) in [(0, "attn"), (1, "mlp")] {
                    let name = format!("group{}/bias/{name}", group.group);
                    let (_, expected) = fixture.values(&name);
                    let found: Vec<f64> =
                        rows.iter().skip(offset).step_by(2).copied().flatten().copied().collect();
                    let what = format!("{} {device:?} {name}", fixture.name);
                    assert_close(&what, &found, &expected, TOLERANCE * largest(&expected));
                }
            }
        }
    }
}

/// Every patching analysis: its settings and its maps, in order.
fn patching() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let site = |site: &str| json!({ "site": site });
    vec![
        ("residual-patching", site("resid_pre"), vec!["resid_pre"]),
        ("residual-patching", site("resid_mid"), vec!["resid_mid"]),
        ("residual-patching", site("resid_post"), vec!["resid_post"]),
        ("component-patching", json!({}), vec!["attn_out", "mlp_out"]),
        ("head-patching", json!({}), vec!["z", "v", "pattern", "q", "k"]),
        ("neuron-patching", json!({}), vec!["mlp_post"]),
    ]
}

#[test]
fn normalised_patching_maps_agree() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for (analysis, settings, maps) in patching() {
                // Both directions, and everything on the software GPU, are compared before normalising in
                // `patching.rs`.
                if device == DevicePreference::Wgpu && analysis != "head-patching" {
                    continue;
                }
                let mut settings = settings;
                settings["probabilities"] =
                    (device == DevicePreference::Cpu && analysis != "neuron-patching").into();
                let report = report(&session, &fixture.experiment, analysis, &settings);
                assert_eq!(report.problems, []);
                let grids = grids(&report.parts);
                assert_eq!(grids.len(), maps.len());
                for (grid, map) in grids.iter().zip(&maps) {
                    for group in 0..fixture.experiment.groups.len() {
                        let what = format!("{} {device:?} group{group} {map}", fixture.name);
                        let recorded = |name: &str| fixture.values(&format!("group{group}/{name}")).1;
                        let (clean, corrupted) =
                            (recorded("clean/logit_diff"), recorded("corrupted/logit_diff"));
                        let (from, to) = (mean(&corrupted), mean(&clean));
                        let patched = recorded(&format!("denoise/{map}/logit_diff"));
                        let prompts = corrupted.len();
                        let share = |(index, patched): (usize, &f64)| {
                            (patched - corrupted[index % prompts]) / (to - from)
                        };
                        let expected: Vec<f64> = patched.iter().enumerate().map(share).collect();
                        assert_close(&what, &by_cell(grid, group), &expected, NORMALIZED);

                        let values = &grid.panels[group].values;
                        assert_close(&what, &[values[0].clean.expect("clean")], &[1.0], NORMALIZED);
                        assert_eq!(values[0].corrupted.map(f64::abs).filter(|zero| *zero < 1e-12), Some(0.0));
                        assert_close(&what, &[values[1].clean.expect("clean")], &[to], NORMALIZED);
                        assert_close(&what, &[values[1].corrupted.expect("corrupted")], &[from], NORMALIZED);
                        if values.len() > 2 {
                            probabilities(
                                &fixture,
                                &what,
                                &format!("group{group}/denoise/{map}"),
                                grid,
                                group,
                            );
                        }
                    }
                }
            }
        }
    }
}

/// The other measures that follow from the same runs.
fn probabilities(fixture: &Fixture, what: &str, recorded: &str, grid: &Grid, group: usize) {
    let (_, answers) = fixture.values(&format!("{recorded}/answer"));
    let (_, norms) = fixture.values(&format!("{recorded}/log_sum_exp"));
    let expected: Vec<f64> = answers.iter().zip(&norms).map(|(answer, norm)| answer - norm).collect();
    let numbers = |name: &str| {
        let measure = grid.measures.iter().position(|measure| measure.name == name).expect(name);
        grid.panels[group].values[measure].prompts.numbers()
    };
    assert_close(what, numbers("log-probability"), &expected, NORMALIZED);
    let shares: Vec<f64> = expected.iter().map(|log| log.exp()).collect();
    assert_close(what, numbers("probability"), &shares, NORMALIZED);
    // A likelier answer has a smaller rank, and the likeliest has rank 0.
    for (&rank, share) in numbers("rank").iter().zip(shares) {
        assert!(
            rank >= 0.0 && rank.fract() == 0.0 && (share < 0.51 || rank == 0.0),
            "{what}: {rank} {share}"
        );
    }
}

#[test]
fn heads_at_one_position_agree() {
    let name = "group0/denoise/z_by_position/logit_diff";
    let mut compared = 0;
    for fixture in TINY.map(Fixture::read) {
        let session = fixture.session(DevicePreference::Cpu);
        let first = Experiment { groups: fixture.experiment.groups[..1].to_vec(), prepend_bos: true };
        let settings = json!({ "by_position": true, "what": "z", "probabilities": false });
        let report = report(&session, &first, "head-patching", &settings);
        let (shape, expected) = match fixture.names().iter().any(|recorded| recorded == name) {
            true => fixture.values(name),
            false => continue, // recorded for one model only
        };
        let grid = grids(&report.parts)[0];
        assert_eq!(grid.rows.ticks.len(), shape[0] * shape[1]);
        assert_eq!(grid.rows.ticks[1], "L0H1");
        assert_eq!(grid.panels[0].ticks.as_ref().map(Vec::len), Some(shape[2]));
        assert_close(name, grid.panels[0].values[1].prompts.numbers(), &expected, NORMALIZED);
        compared += 1;
    }
    assert!(compared > 0, "no fixture has {name}");
}

#[test]
fn attention_agrees() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let info = session.info();
            for (what, hook) in [("pattern", "hook_pattern"), ("scores", "hook_attn_scores")] {
                let settings = json!({ "heads": "all", "group": "0", "what": what });
                let report = report(&session, &fixture.experiment, "attention", &settings);
                let [Part::Attention(attention)] = &report.parts[..] else { panic!("one figure") };
                let [prompt] = &attention.prompts[..] else { panic!("one prompt") };
                assert_eq!(prompt.heads.len(), info.n_layers * info.n_heads);
                for head in &prompt.heads {
                    let name = format!("cache/blocks.{}.attn.{hook}", head.layer);
                    let (shape, recorded) = fixture.values(&name);
                    let (p, tolerance) = (shape[2], TOLERANCE * largest(&recorded));
                    for (destination, row) in head.rows.iter().enumerate() {
                        let start = (head.head * p + destination) * p;
                        let expected = &recorded[start..=start + destination];
                        assert_close(
                            &format!("{} {device:?} {}", fixture.name, head.name),
                            row,
                            expected,
                            tolerance,
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_heads_shown_are_those_with_the_largest_attributions() {
    let fixture = Fixture::read("tiny-b");
    let session = fixture.session(DevicePreference::Cpu);
    let report = report(&session, &fixture.experiment, "attention", &json!({ "top_k": 2, "group": "1" }));
    let [Part::Attention(attention)] = &report.parts[..] else { panic!("one figure") };
    let (shape, heads) = fixture.values("group1/heads");
    let mut means: Vec<(usize, f64)> = heads.chunks_exact(shape[2]).map(mean).enumerate().collect();
    means.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let name = |&(cell, _): &(usize, f64)| format!("L{}H{}", cell / shape[1], cell % shape[1]);
    let expected: Vec<String> =
        means[..2].iter().chain(means[means.len() - 2..].iter().rev()).map(name).collect();
    let found: Vec<String> = attention.prompts[0].heads.iter().map(|head| head.name.clone()).collect();
    assert_eq!(found, expected);
    let share = attention.prompts[0].heads[0].attribution.expect("chosen by attribution");
    assert_close("share", &[share], &[means[0].1], TOLERANCE * largest(&heads));
}

#[test]
fn the_lens_in_words_agrees() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for (scale, recorded) in [("run", "text_lens"), ("own", "text_lens_recomputed")] {
                let report = report(&session, &fixture.experiment, "text-lens", &json!({ "scale": scale }));
                let [Part::TextLens(lens)] = &report.parts[..] else { panic!("one figure") };
                let guesses = lens.cells.iter().flatten().flatten();
                let (logits, tokens): (Vec<f64>, Vec<f64>) =
                    guesses.map(|guess| (guess.logit, f64::from(guess.token.id))).unzip();
                let (_, expected) = fixture.values(&format!("{recorded}/logits"));
                let tolerance = TOLERANCE * largest(&expected);
                assert_close(
                    &format!("{} {device:?} {recorded}", fixture.name),
                    &logits,
                    &expected,
                    tolerance,
                );
                // Tokens are compared only where their neighbours in the list are further away than the
                // tolerance.
                let (_, ids) = fixture.values(&format!("{recorded}/ids"));
                let mut compared = 0;
                for index in 0..ids.len() {
                    let near = |other: usize| {
                        other / 5 == index / 5 && (expected[other] - expected[index]).abs() < 2.0 * tolerance
                    };
                    // The token after the last one is not recorded.
                    let last = index % 5 == 4;
                    let doubtful = last || near(index + 1) || (index > 0 && near(index - 1));
                    if !doubtful {
                        assert_eq!(tokens[index], ids[index], "{recorded} {index}");
                        compared += 1;
                    }
                }
                assert!(compared * 2 > ids.len(), "only {compared} of {} tokens were compared", ids.len());
            }
        }
    }
}

#[test]
fn neurons_agree() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let ids = fixture.expected["long_tokens"].as_array().expect("tokens");
            let text = |id: &Value| session.tokenizer().token(id.as_u64().expect("an id") as u32).text;
            let text: String = ids[1..].iter().map(text).collect();
            let examples = fixture.expected["neuron_examples"].as_array().expect("examples");
            for (index, example) in examples.iter().enumerate() {
                let neuron = format!("L{}N{}", example["layer"], example["neuron"]);
                let settings = json!({ "neuron": neuron, "text": text });
                let report = report(&session, &fixture.experiment, "neuron-on-text", &settings);
                let Part::TokenValues(values) = &report.parts[0] else { panic!("the text comes first") };
                let what = |name: &str| format!("{} {device:?} {neuron} {name}", fixture.name);
                let row = |name: &str| {
                    let (shape, numbers) = fixture.values(name);
                    numbers[index * shape[1]..(index + 1) * shape[1]].to_vec()
                };
                let expected = row("neuron_on_text");
                assert_eq!(values.rows[0].tokens.len(), expected.len());
                assert_close(
                    &what("text"),
                    &values.rows[0].values,
                    &expected,
                    TOLERANCE * largest(&expected),
                );
                assert_eq!(
                    values.rows[0].max,
                    values.rows[0].values.iter().copied().fold(f64::MIN, f64::max)
                );
                for (table, name) in tables(&report.parts).iter().zip(["promoted", "suppressed"]) {
                    let number = |cell: &Cell| match cell {
                        Cell::Number(number) => *number,
                        other => panic!("{other:?} is no number"),
                    };
                    let found: Vec<f64> = table.rows.iter().map(|row| number(&row.cells[1])).collect();
                    let expected = row(&format!("neuron_tokens/{name}/values"));
                    assert_close(&what(name), &found, &expected, TOLERANCE * largest(&expected));
                }
            }
        }
    }
}

/// Fails if a check fails, or if checks are missing.
fn all_checks_pass(what: &str, session: &Session, experiment: &Experiment) {
    let report = report(session, experiment, "checks", &Value::Null);
    assert_eq!(report.problems, [], "{what}");
    let tables = tables(&report.parts);
    assert_eq!(tables.len(), experiment.groups.len());
    for table in tables {
        assert_eq!(table.rows.len(), 6 + Shortcut::ALL.len(), "{what}");
        for row in &table.rows {
            let idle = matches!(&row.cells[0], Cell::Text(text) if text.contains("(0 of"));
            assert!(!idle, "{what}: nothing was run for {:?}", row.cells[0]);
            assert_eq!(row.mark, Some(Mark::Passed), "{what} {}: {:?}", table.title, row.cells);
        }
    }
}

#[test]
fn identities_hold() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            all_checks_pass(fixture.name, &fixture.session(device), &fixture.experiment);
        }
    }
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/models/demo");
    let weights = std::fs::read(demo.join("model.safetensors")).expect("the weights");
    let config = std::fs::read_to_string(demo.join("config.json")).expect("the configuration");
    let experiment = patchlab::presets::presets().expect("built in").swap_remove(0).experiment;
    let session = open(&config, weights, DevicePreference::Cpu).expect("a good model");
    all_checks_pass("demo", &session, &experiment);
}
