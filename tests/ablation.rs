//! Ablations of the demo model, and of several heads at all positions, against their definition: one full pass for each, all
//! logits read, everything else computed here in float64. `tests/causal.rs` has the recorded values.

use patchlab::attribution::DirectLogitAttribution;
use patchlab::device::DevicePreference;
use patchlab::figures::{Cell, Grid, Part, Values};
use patchlab::interventions::{self, Effect, Intervention, Positions, Scene, Value};
use patchlab::metrics::log_sum_exp;
use patchlab::model::Model;
use patchlab::model::hooks::AllSites;
use patchlab::prompts::{PreparedGroup, prepare};
use patchlab::readback;
use patchlab::runs::{Direction, Run, Runs};
use patchlab::site::{BlockSite, Site};
use patchlab_tests::fixture::{DEVICES, Fixture, assert_close, grids, report};
use pollster::block_on;
use serde_json::json;

/// Of logit differences, losses and divergences: the device's float32 sums over 50,257 tokens.
const TOLERANCE: f64 = 2e-4;

/// The logits of all tokens after each prompt of a run.
fn logits(model: &Model, run: &Run) -> Vec<Vec<f32>> {
    let last = model.last(run.cache.tensor(Site::FinalNormalized).expect("recorded"), &run.batch);
    let [b, _] = last.dims();
    let blocks: Vec<Vec<f32>> = model
        .unembedding
        .logits(last)
        .into_iter()
        .map(|block| block_on(readback::read(block)).expect("logits"))
        .collect();
    let row = |prompt: usize| {
        blocks
            .iter()
            .flat_map(|block| block.chunks_exact(block.len() / b).nth(prompt).expect("a row").to_vec())
            .collect()
    };
    (0..b).map(row).collect()
}

/// What an analysis is to find for one prompt: change, logit difference, divergence, loss, probability, rank.
fn measured(clean: &[f32], ablated: &[f32], answer: usize, distractor: usize) -> [f64; 6] {
    let log_probability = |logits: &[f32], id: usize| f64::from(logits[id]) - log_sum_exp(logits);
    let difference = |logits: &[f32]| f64::from(logits[answer]) - f64::from(logits[distractor]);
    let (clean_norm, ablated_norm) = (log_sum_exp(clean), log_sum_exp(ablated));
    let divergence = clean.iter().zip(ablated).map(|(&clean, &ablated)| {
        let clean = f64::from(clean) - clean_norm;
        clean.exp() * (clean - (f64::from(ablated) - ablated_norm))
    });
    [
        difference(ablated) - difference(clean),
        difference(ablated),
        divergence.sum(),
        log_probability(clean, answer) - log_probability(ablated, answer),
        log_probability(ablated, answer).exp(),
        ablated.iter().filter(|&&logit| logit > ablated[answer]).count() as f64,
    ]
}

fn values<'a>(grid: &'a Grid, group: usize, measure: &str) -> &'a Values {
    let index = grid.measures.iter().position(|known| known.name == measure).expect("a measure");
    let panel = grid.panels.iter().find(|panel| panel.group == group).expect("a panel");
    panel.values.iter().find(|values| values.measure == index).expect("its values")
}

/// Compares a map's cells with full passes.
fn check(model: &Model, group: &PreparedGroup, grid: &Grid, lists: &[Vec<Intervention>], what: &str) {
    let runs = block_on(Runs::record(model, &group.cases, true, &AllSites)).expect("runs");
    let scene = Scene { groups: std::slice::from_ref(group), ..Scene::of(model, &runs, Direction::Noise) };
    let clean = logits(model, &runs.clean);
    for (cell, list) in lists.iter().enumerate() {
        let ablated = block_on(interventions::run(&scene, list, &AllSites)).expect("a run");
        let ablated = logits(model, &ablated);
        for (prompt, case) in group.cases.iter().enumerate() {
            let expected = measured(
                &clean[prompt],
                &ablated[prompt],
                case.compared[0][0] as usize,
                case.compared[1][0] as usize,
            );
            for (name, expected) in
                ["change", "logit-diff", "kl", "loss", "probability"].into_iter().zip(expected)
            {
                let found = values(grid, group.group, name).prompts.row(cell)[prompt];
                assert_close(
                    &format!("{what}, {name}, cell {cell}, prompt {prompt}"),
                    &[found],
                    &[expected],
                    TOLERANCE,
                );
            }
            let rank = values(grid, group.group, "rank").prompts.row(cell)[prompt];
            // Float32 orders neighbours as it likes.
            assert!((rank - expected[5]).abs() <= 2.0, "{what}, rank {rank}, expected {}", expected[5]);
        }
    }
}

fn ablate(
    layer: usize,
    site: BlockSite,
    index: Option<usize>,
    value: &Value,
    position: Positions,
) -> Vec<Intervention> {
    let patch = Intervention::patch(Site::Block(layer, site), index, None);
    vec![Intervention { position, effect: Effect::Replace(value.clone()), ..patch }]
}

/// At GPT-2's vocabulary, which takes several blocks, and with the demo model, where ablating matters.
#[test]
fn the_demo_model_loses_its_task_with_its_head() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/models/demo");
    let read = |name: &str| std::fs::read(folder.join(name)).expect(name);
    let config = String::from_utf8(read("config.json")).expect("text");
    let session = patchlab_tests::fixture::open(&config, read("model.safetensors"), DevicePreference::Cpu)
        .expect("the demo");
    let experiment = patchlab::presets::presets().expect("built in").swap_remove(0).experiment;
    let experiment = patchlab::Experiment { groups: experiment.groups[..1].to_vec(), ..experiment };
    let report = report(&session, &experiment, "ablation", &json!({ "value": "resample" }));
    let Part::Heat(grid) = &report.parts[0] else { panic!("a map first") };
    let change = values(grid, 0, "change");
    let clean = values(grid, 0, "logit-diff").clean.expect("the clean mean");
    let worst = change.mean.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    assert!(worst < -0.5 * clean, "{worst} of {clean}");
    let divergence = values(grid, 0, "kl");
    assert!(divergence.mean.iter().flatten().all(|&kl| kl > -1e-5), "a divergence is not negative");
    let (groups, _) = prepare(&experiment, session.tokenizer(), session.info().n_ctx).expect("groups");
    let config = &session.model().config;
    let heads = (0..config.n_layers).flat_map(|layer| (0..config.n_heads).map(move |head| (layer, head)));
    let lists: Vec<Vec<Intervention>> = heads
        .map(|(layer, head)| ablate(layer, BlockSite::Z, Some(head), &Value::Other, Positions::All))
        .collect();
    check(session.model(), &groups[0], grid, &lists, "the demo");
}

/// Attributions before and after, and what is predicted, against two heads ablated in one full pass.
#[test]
fn self_repair_is_what_full_passes_give() {
    let fixture = Fixture::read("tiny-a");
    for device in DEVICES {
        let session = fixture.session(device);
        let config = &session.model().config;
        let (last, head) = (config.n_layers - 1, config.n_heads - 1);
        let named = format!("L{last}H{head} L0H0");
        let settings = json!({ "heads": named, "position": "all", "value": "resample" });
        let repaired = report(&session, &fixture.experiment, "self-repair", &settings);
        let before = report(&session, &fixture.experiment, "head-attribution", &json!({}));
        let (Part::Scatter(scatter), Part::Heat(after)) = (&repaired.parts[0], &repaired.parts[1]) else {
            panic!("a scatter and a map")
        };
        let (groups, _) =
            prepare(&fixture.experiment, session.tokenizer(), session.info().n_ctx).expect("groups");
        for (group, panel) in groups.iter().zip(&after.panels) {
            // Before: what the attribution has.
            let known = values(grids(&before.parts)[0], group.group, "attribution");
            let means: Vec<f64> = known.mean.iter().flatten().copied().collect();
            let points =
                &scatter.panels.iter().find(|panel| panel.group == group.group).expect("a panel").values[0];
            assert_close("before", &points.y, &means, 1e-5);
            // After: what a full pass gives, attributed.
            let list: Vec<Intervention> = [(last, head), (0, 0)]
                .into_iter()
                .flat_map(|(layer, head)| {
                    ablate(layer, BlockSite::Z, Some(head), &Value::Other, Positions::All)
                })
                .collect();
            let runs = block_on(Runs::record(session.model(), &group.cases, false, &AllSites)).expect("runs");
            let scene = Scene::of(session.model(), &runs, Direction::Noise);
            let ablated = block_on(interventions::run(&scene, &list, &AllSites)).expect("a run");
            let direct = DirectLogitAttribution::new(session.model(), &ablated, runs.readout.compared())
                .expect("sites");
            let heads = block_on(readback::read(direct.heads().expect("heads"))).expect("numbers");
            let prompts = group.cases.len();
            for (cell, numbers) in heads.chunks_exact(prompts).enumerate() {
                let numbers: Vec<f64> = numbers.iter().map(|&number| f64::from(number)).collect();
                assert_close("after", panel.values[0].prompts.row(cell), &numbers, 1e-5);
            }
            let table = repaired.parts.iter().find_map(|part| match part {
                Part::Table(table) if table.group == Some(group.group) => Some(table),
                _ => None,
            });
            let numbers: Vec<Vec<f64>> = table
                .expect("a table")
                .rows
                .iter()
                .map(|row| {
                    row.cells[1..]
                        .iter()
                        .map(|cell| if let Cell::Number(x) = cell { *x } else { f64::NAN })
                        .collect()
                })
                .collect();
            for (prompt, numbers) in numbers[..prompts].iter().enumerate() {
                let [clean, predicted, left, taken, scale] = numbers[..] else { panic!("five numbers") };
                assert_close("clean", &[clean], &[runs.clean.stats.logit_difference(0, prompt)], 1e-5);
                assert_close("left", &[left], &[ablated.stats.logit_difference(0, prompt)], 1e-5);
                assert_close("taken over", &[taken], &[left - predicted], 1e-9);
                let lost: f64 = [last * config.n_heads + head, 0]
                    .into_iter()
                    .map(|cell| {
                        known.prompts.row(cell)[prompt] - panel.values[0].prompts.row(cell)[prompt] * scale
                    })
                    .sum();
                assert_close("predicted", &[predicted], &[clean - lost], 1e-5);
            }
        }
    }
}
