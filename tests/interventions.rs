//! Interventions, by identities that hold for each kind at every hook point.

use std::fs;

use patchlab::device::DevicePreference;
use patchlab::host::{ProgressUnit, Quiet, Work};
use patchlab::interventions::sweep::Sweep;
use patchlab::interventions::{
    self, Addend, Effect, Intervention, Positions, PromptSet, Scene, Shortcut, Value,
};
use patchlab::metrics::LogitStats;
use patchlab::model::hooks::AllSites;
use patchlab::model::{Activation, Model};
use patchlab::prompts::{PreparedCase, PreparedGroup, prepare};
use patchlab::readback;
use patchlab::runs::{Direction, Run, Runs};
use patchlab::site::{BlockSite, Site};
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, assert_close, folder, report, try_report};
use pollster::block_on;
use serde_json::{Value as Json, json};

/// Of numbers up to about 10: rounding in a few hundred sums.
const TOLERANCE: f64 = 2e-5;

fn at(site: Site, effect: Effect) -> Intervention {
    Intervention { site, head: None, neuron: None, position: Positions::All, source: None, effect }
}

/// A group's runs with everything recorded, for lists to act on.
struct Stage<'a> {
    model: &'a Model,
    group: &'a PreparedGroup,
    runs: Runs<'a>,
    prompts: Vec<(String, Vec<u32>)>,
}

impl<'a> Stage<'a> {
    fn new(model: &'a Model, group: &'a PreparedGroup, cases: &'a [PreparedCase]) -> Self {
        let runs = block_on(Runs::record(model, cases, false, &AllSites)).expect("runs");
        let prompts = vec![("clean".to_owned(), cases[0].clean.clone())];
        Self { model, group, runs, prompts }
    }

    /// The corrupted run with these interventions.
    fn changed(&self, list: &[Intervention]) -> Run {
        let scene = Scene {
            model: self.model,
            base: &self.runs.corrupted,
            other: &self.runs.clean,
            readout: &self.runs.readout,
            groups: std::slice::from_ref(self.group),
            prompts: &self.prompts,
        };
        block_on(interventions::run(&scene, list, &AllSites)).expect("a run")
    }

    fn differences(&self, list: &[Intervention]) -> Vec<f64> {
        self.changed(list).stats.logit_differences(0)
    }
}

fn numbers(run: &Run, site: Site) -> Vec<f32> {
    match run.cache.get(site).expect("recorded").clone() {
        Activation::Three(x) => block_on(readback::read(x)),
        Activation::Four(x) => block_on(readback::read(x)),
    }
    .expect("numbers")
}

#[test]
fn kinds_of_interventions_agree_where_they_must() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let model = session.model();
            let (groups, _) =
                prepare(&fixture.experiment, session.tokenizer(), model.config.n_ctx).expect("groups");
            let group = &groups[0];
            // Alone, so that the mean over a set can be the run itself.
            let one = PreparedGroup { cases: vec![group.cases[0].clone()], ..group.clone() };
            let alone = Stage::new(model, &one, &one.cases);
            let base = alone.runs.corrupted.stats.logit_differences(0);
            let clean = alone.runs.clean.stats.logit_differences(0);
            for site in Site::all(model.config.n_layers) {
                // A software GPU takes half a minute over all of them.
                if device == DevicePreference::Wgpu && !matches!(site, Site::Block(1, _)) {
                    continue;
                }
                let what = format!("{} {device:?} {site}", fixture.name);
                let replace = |value| at(site, Effect::Replace(value));
                let add = |value, factor| at(site, Effect::Add(Addend { value, factor }));
                let of = |list: &[Intervention]| alone.differences(list);
                assert_eq!(of(&[replace(Value::Own)]), base, "{what}: frozen");
                assert_eq!(of(&[at(site, Effect::Scale(1.0))]), base, "{what}: times one");
                let other = of(&[replace(Value::Other)]);
                let same = [Value::Mean(PromptSet::Clean), Value::Prompt("clean".to_owned())];
                for value in same {
                    assert_close(&format!("{what}: {value:?}"), &of(&[replace(value)]), &other, TOLERANCE);
                }
                let own = of(&[replace(Value::Mean(PromptSet::Corrupted))]);
                assert_close(&format!("{what}: own mean"), &own, &base, TOLERANCE);
                // Masked scores are infinite, divisors are not to be zero.
                if !matches!(
                    site,
                    Site::FinalScale
                        | Site::Block(_, BlockSite::AttnScores | BlockSite::Ln1Scale | BlockSite::Ln2Scale)
                ) {
                    let zero = of(&[replace(Value::Zero)]);
                    for list in [
                        vec![at(site, Effect::Scale(0.0))],
                        vec![add(Value::Own, -1.0)],
                        vec![replace(Value::Tensor(vec![0.0]))],
                    ] {
                        assert_close(&format!("{what}: {list:?}"), &of(&list), &zero, TOLERANCE);
                    }
                    let twice = of(&[at(site, Effect::Scale(2.0))]);
                    assert_close(
                        &format!("{what}: added to itself"),
                        &of(&[add(Value::Own, 1.0)]),
                        &twice,
                        TOLERANCE,
                    );
                    // In the order of the list: zero, and then the other run's.
                    let list = [replace(Value::Zero), add(Value::Other, 1.0)];
                    assert_close(&format!("{what}: zero, then added"), &of(&list), &other, TOLERANCE);
                }
                let last = Intervention { position: Positions::Last, ..replace(Value::Other) };
                let end = alone.runs.corrupted.batch.ends()[0];
                let named = Intervention { position: Positions::At(end), ..replace(Value::Other) };
                assert_eq!(of(&[last]), of(&[named]), "{what}: the last position");
                // Whatever comes before, the whole stream of the other run gives the other run.
                let stream = at(
                    Site::Block(model.config.n_layers - 1, BlockSite::ResidPost),
                    Effect::Replace(Value::Other),
                );
                if !matches!(site, Site::FinalScale | Site::FinalNormalized) {
                    let list = [at(site, Effect::Scale(0.5)), stream];
                    assert_close(
                        &format!("{what}: and then the clean stream"),
                        &of(&list),
                        &clean,
                        TOLERANCE,
                    );
                }
            }
        }
    }
}

#[test]
fn an_intervention_changes_its_slice_and_nothing_beside_it() {
    let fixture = Fixture::read("tiny-b");
    let session = fixture.session(DevicePreference::Cpu);
    let model = session.model();
    let (groups, _) = prepare(&fixture.experiment, session.tokenizer(), model.config.n_ctx).expect("groups");
    let stage = Stage::new(model, &groups[0], &groups[0].cases);
    let (b, p) = (stage.runs.corrupted.batch.prompts(), stage.runs.corrupted.batch.positions());
    let (h, e) = (model.config.n_heads, model.config.d_head);
    let site = |site| Site::Block(1, site);

    let pattern = Intervention {
        head: Some(1),
        position: Positions::At(3),
        source: Some(2),
        ..at(site(BlockSite::Pattern), Effect::Scale(0.0))
    };
    let (before, after) = (&stage.runs.corrupted, &stage.changed(&[pattern]));
    let [before, after] = [before, after].map(|run| numbers(run, site(BlockSite::Pattern)));
    for (place, (before, after)) in before.iter().zip(&after).enumerate() {
        let [head, destination, source] = [place / (p * p) % h, place / p % p, place % p];
        let hit = (head, destination, source) == (1, 3, 2);
        assert_eq!(*after, if hit { 0.0 } else { *before }, "head {head}, {destination} from {source}");
    }

    let given: Vec<f32> = (0..e).map(|component| component as f32).collect();
    let z = Intervention {
        head: Some(0),
        position: Positions::Last,
        ..at(site(BlockSite::Z), Effect::Replace(Value::Tensor(given)))
    };
    let ends = stage.runs.corrupted.batch.ends();
    let after = numbers(&stage.changed(&[z]), site(BlockSite::Z));
    let before = numbers(&stage.runs.corrupted, site(BlockSite::Z));
    for (place, (before, after)) in before.iter().zip(&after).enumerate() {
        let [prompt, position, head, component] =
            [place / (p * h * e) % b, place / (h * e) % p, place / e % h, place % e];
        let hit = head == 0 && position == ends[prompt];
        assert_eq!(
            *after,
            if hit { component as f32 } else { *before },
            "prompt {prompt}, position {position}"
        );
    }
}

#[test]
fn the_analysis_takes_lists_and_refuses_what_cannot_act() {
    let fixture = Fixture::read("tiny-a");
    let session = fixture.session(DevicePreference::Cpu);
    let list = json!([
        { "site": "blocks.0.attn.hook_z", "head": 1, "effect": { "replace": "zero" } },
        { "site": "blocks.1.hook_resid_mid", "position": "last", "effect": { "replace": "other" } },
    ]);
    let found = report(&session, &fixture.experiment, "intervene", &json!({ "list": list.to_string() }));
    assert_eq!(found.problems, []);
    assert_eq!(found.parts.len(), 5, "components, three runs' tokens, attention");
    for (list, said) in [
        (json!([{ "site": "blocks.9.hook_resid_pre", "effect": { "scale": 2 } }]), "layers 0 to 2"),
        (json!([{ "site": "blocks.0.attn.hook_z", "head": 9, "effect": { "scale": 2 } }]), "must be below"),
        (
            json!([{ "site": "blocks.0.hook_resid_pre", "head": 0, "effect": { "scale": 2 } }]),
            "has no `head`",
        ),
        (json!([{ "site": "blocks.0.hook_resid_pre", "position": 99, "effect": { "scale": 2 } }]), "tokens"),
        (
            json!([{ "site": "blocks.0.hook_resid_pre", "effect": { "replace": { "tensor": [1, 2] } } }]),
            "2 numbers",
        ),
        (
            json!([{ "site": "blocks.0.hook_resid_pre", "effect": { "replace": { "prompt": "a" } } }]),
            "same positions",
        ),
        (
            json!([{ "site": "blocks.0.hook_resid_pre", "effect": { "replace": { "mean": { "group": 77 } } } }]),
            "no such prompts",
        ),
        (json!({ "site": "hook_embed" }), "docs/interventions.md"),
    ] {
        let settings = json!({ "list": list.to_string() });
        let refused =
            try_report(&session, &fixture.experiment, "intervene", &settings, &patchlab::host::Quiet);
        let message = refused.expect_err("a refusal").to_string();
        assert!(message.contains(said), "{list}: {message}");
    }
}

/// Off by rounding in float32; mistakes show as 0.02 or more (`generate.py` sees to it).
const TRANSFORMER_LENS: f64 = 2e-4;

#[test]
fn lists_agree_with_transformer_lens() {
    for fixture in TINY.map(Fixture::read) {
        let text = fs::read_to_string(folder().join(fixture.name).join("interventions.json"));
        let recorded: Json = serde_json::from_str(&text.expect("interventions.json")).expect("JSON");
        let cases = recorded["cases"].as_array().expect("cases");
        assert!(cases.len() >= 60, "only {} cases", cases.len());
        for device in DEVICES {
            let session = fixture.session(device);
            let model = session.model();
            let (groups, _) =
                prepare(&fixture.experiment, session.tokenizer(), model.config.n_ctx).expect("groups");
            for case in cases {
                let list = Intervention::list(&case["list"].to_string()).expect("a list");
                let own = case["group"].as_u64().expect("a group") as usize;
                let direction =
                    if case["direction"] == "noise" { Direction::Noise } else { Direction::Denoise };
                let others = groups.iter().filter(|group| group.group != own);
                let ordered: Vec<PreparedGroup> = [&groups[own]].into_iter().chain(others).cloned().collect();
                let text = |one: &Intervention| match one.value() {
                    Some(Value::Prompt(text)) => {
                        Some((text.clone(), session.tokenizer().encode(text, true).expect("tokens")))
                    }
                    _ => None,
                };
                let prompts: Vec<(String, Vec<u32>)> = list.iter().filter_map(text).collect();
                let (plain, swept) = block_on(async {
                    let runs = Runs::record(model, &ordered[0].cases, false, &AllSites).await?;
                    let scene =
                        Scene { groups: &ordered, prompts: &prompts, ..Scene::of(model, &runs, direction) };
                    let plain = interventions::run(&scene, &list, &Vec::new()).await?.stats;
                    let mut swept = LogitStats::new(1, ordered[0].cases.len(), false);
                    let lists = [list.clone()];
                    let work = model.budget.work();
                    let sweep = Sweep { scene, lists: &lists, shortcuts: Shortcut::ALL, work };
                    let mut work = Work::new(&Quiet, "", ProgressUnit::Patches, 1);
                    sweep.run(&mut work, &mut swept, 0, &mut |_, _| {}).await?;
                    Ok::<_, patchlab::Error>((plain, swept))
                })
                .expect("runs");
                let rows = case["logits"].as_array().expect("logits");
                let expected = |column: usize| -> Vec<f64> {
                    rows.iter().map(|row| row[column].as_f64().expect("a number")).collect()
                };
                for (how, stats) in [("plain", &plain), ("swept", &swept)] {
                    let what = format!("{} {device:?} {}, {how}", fixture.name, case["name"]);
                    assert_close(&what, stats.answer.row(0), &expected(0), TRANSFORMER_LENS);
                    assert_close(&what, stats.distractor.row(0), &expected(1), TRANSFORMER_LENS);
                }
            }
        }
    }
}
