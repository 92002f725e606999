//! Studies in shards: whatever is cut and in whichever order it is computed, put together it is the whole, byte for byte.

use std::cell::Cell;
use std::collections::BTreeMap;

use patchlab::analyses::{ALL, Viewer};
use patchlab::device::DevicePreference;
use patchlab::host::{Host, Progress, Quiet};
use patchlab::portion::{Portion, Sizes};
use patchlab::shards::exact::{pack, unpack};
use patchlab::shards::{Asked, Computed, Plan, Unit};
use patchlab::{Error, Experiment, Session};
use patchlab_tests::fixture::{Fixture, report, try_report};
use serde_json::{Value, json};

/// Three groups: of one length and with faults, of two lengths and with roles, and one in which the model sees no difference.
fn experiment() -> Experiment {
    let pair = |clean: &str, corrupted: &str| json!({ "clean": clean, "corrupted": corrupted, "answer": "'re", "distractor": " are" });
    let groups = json!([
        { "name": "'re they", "pairs": [
            pair("We're helping our friend when they", "We are helping our friend when they"),
            { "clean": "They're out", "corrupted": "They are out", "answer": "many tokens", "distractor": " are" },
            pair("We're driving uptown and they", "We are driving uptown and now they"),
            pair("They're eating dinner at home when they", "They are eating dinner at home when they"),
        ]},
        { "name": "roles", "roles": [{ "name": "end", "at": "last" }, { "name": "changed", "at": "changed" }], "pairs": [
            pair("We're driving uptown and they", "They are driving uptown and they"),
            pair("They're eating dinner together while they", "They are eating dinner together while they"),
            pair("She's here and they", "She is here and they"),
        ]},
        { "name": "same means", "symmetric": false, "pairs": [
            pair("They're here and they", "They are here and they"),
            pair("They are here and they", "They're here and they"),
            pair("They are here and they", "They are here and they"),
        ]},
    ]);
    Experiment::from_json(&json!({ "groups": groups }).to_string()).expect("an experiment")
}

/// Settings in which what is decided over all groups matters, or which are cut in another way.
fn more() -> Vec<(&'static str, Value)> {
    let heads = "L0H1 L2H3";
    vec![
        ("logit-lens", json!({ "probabilities": true, "at": "changed" })),
        ("attention", json!({ "heads": heads, "prompt": "all", "what": "value-weighted" })),
        ("attention", json!({ "by": "role" })),
        ("attention", json!({ "by": "role", "heads": heads })),
        ("attention", json!({ "group": "0 2" })),
        ("source-attribution", json!({ "heads": heads })),
        ("residual-patching", json!({ "align": "start" })),
        ("residual-patching", json!({ "align": "role", "direction": "noise" })),
        ("head-patching", json!({ "by_position": true, "what": "z" })),
        ("path-patching", json!({ "receivers": "L2H0.q", "position": "each" })),
        ("ablation", json!({ "what": "layers", "value": "mean", "position": "each" })),
        ("ablation", json!({ "what": "neurons", "layers": "0 2" })),
        (
            "ablation",
            json!({ "what": "neurons", "value": "resample", "position": "last", "probabilities": false }),
        ),
        ("self-repair", json!({ "value": "mean" })),
        ("neuron-patching", json!({ "layers": "1-2", "probabilities": true })),
    ]
}

fn sizes(session: &Session) -> Sizes {
    let info = session.info();
    Sizes { n_layers: info.n_layers, n_heads: info.n_heads, d_mlp: info.d_mlp, positions: 8 }
}

fn asked(analysis: &str, settings: &Value) -> Asked {
    let settings = settings.as_object().cloned().unwrap_or_default();
    Asked { analysis: analysis.to_owned(), settings }
}

/// A unit, computed, written and read.
fn compute(session: &Session, plan: &Plan, unit: &Unit) -> Computed {
    let request = plan.request(unit).expect("a request");
    let found = pollster::block_on(session.run_portion(&request, &unit.portion, &Quiet)).expect("a report");
    let Computed { unit, finite, report } = Computed::new(unit.clone(), found);
    let text = pack(&report).expect("JSON").to_string();
    let report = unpack(serde_json::from_str(&text).expect("JSON")).expect("a report");
    Computed { unit, finite, report }
}

#[test]
fn shards_of_every_analysis_are_the_whole_byte_for_byte() {
    let session = Fixture::read("tiny-a").session(DevicePreference::Cpu);
    let experiment = experiment();
    // Chunks so small that those of neurons begin and end within layers.
    session.set_threads(16);
    let (mut by_group, mut by_layers) = (Vec::new(), 0);
    let defaults = ALL.iter().map(|analysis| (analysis.name, Value::Null));
    for (analysis, settings) in defaults.chain(more()) {
        let whole = report(&session, &experiment, analysis, &settings);
        let expected = serde_json::to_string(&whole).expect("JSON");
        let mut computed: BTreeMap<Unit, Computed> = BTreeMap::new();
        for shards in [1, 2, 5, 60] {
            let requests = vec![asked(analysis, &settings)];
            let plan = Plan::new(experiment.clone(), requests, false, (shards, 16), Some(sizes(&session)));
            let plan = plan.expect("a plan");
            assert_eq!(plan.shards.len(), shards);
            // Backwards: the order in which shards are finished is nobody's.
            let units: Vec<&Unit> = plan.shards.iter().rev().flatten().collect();
            for unit in &units {
                computed.entry((*unit).clone()).or_insert_with(|| compute(&session, &plan, unit));
            }
            let own = || units.iter().map(|unit| computed[*unit].clone());
            for results in [own().collect::<Vec<_>>(), own().chain(own()).collect()] {
                let merged = plan.merge(results).expect("they fit together");
                let merged = serde_json::to_string(&merged[0]).expect("JSON");
                assert!(merged == expected, "{analysis} {settings} in {shards} shards is not the whole");
            }
            by_layers += units.iter().filter(|unit| unit.portion.layers.is_some()).count();
        }
        if computed.keys().any(|unit| unit.portion.group.is_some()) {
            by_group.push(analysis);
        }
    }
    by_group.dedup();
    // As docs/shards.md lists them; attention and sources stand among both, with and without named heads.
    let expected = [
        "logit-lens",
        "layer-attribution",
        "head-attribution",
        "attention",
        "residual-patching",
        "component-patching",
        "head-patching",
        "path-patching",
        "edge-attribution",
        "circuit",
        "circuit-tests",
        "ablation",
        "self-repair",
        "neuron-attribution",
        "neuron-patching",
        "checks",
    ];
    assert_eq!(by_group[..expected.len()], expected);
    assert!(by_group[expected.len()..].contains(&"source-attribution"));
    let document = include_str!("../docs/shards.md");
    for analysis in ALL {
        assert!(
            document.contains(&format!("`{}`", analysis.name)),
            "docs/shards.md does not name {}",
            analysis.name
        );
    }
    assert!(by_layers > 0, "nothing was cut by layers");
}

#[test]
fn whole_studies_are_dealt_evenly() {
    let session = Fixture::read("tiny-a").session(DevicePreference::Cpu);
    let requests: Vec<Asked> = ALL.iter().map(|analysis| asked(analysis.name, &Value::Null)).collect();
    let plan = |shards| Plan::new(experiment(), requests.clone(), true, (shards, 16), Some(sizes(&session)));
    let few = plan(2).expect("a plan");
    assert_eq!(few, plan(2).expect("a plan"), "another plan of the same study");
    let all = |plan: &Plan| -> Vec<Unit> {
        let mut units = plan.shards.concat();
        units.sort();
        units
    };
    let units = all(&few);
    assert!(units.windows(2).all(|pair| pair[0] != pair[1]), "a unit is in two shards");
    let many = plan(100).expect("a plan");
    assert!(all(&many).len() > units.len(), "neurons are cut by layers when there are many shards");
    assert!(many.shards.iter().any(Vec::is_empty) || many.shards.iter().all(|shard| shard.len() < 3));
    // Without a model nothing is known of layers.
    let unknown = Plan::new(experiment(), requests.clone(), true, (100, 16), None).expect("a plan");
    assert!(all(&unknown).iter().all(|unit| unit.portion.layers.is_none()));
    let deep = |layers: &str, sizes| {
        let requests = vec![asked("neuron-patching", &json!({ "layers": layers }))];
        Plan::new(experiment(), requests, false, (2, 16), sizes)
    };
    assert!(deep("40", None).is_ok(), "a deeper model than GPT-2 small");
    assert!(deep("40", Some(sizes(&session))).is_err(), "this model has no such layer");
    assert!(deep("forty", None).is_err());
}

/// Counts what is reported.
#[derive(Default)]
struct Counting(Cell<usize>);

impl Host for Counting {
    fn progress(&self, _: Progress) {
        self.0.set(self.0.get() + 1);
    }

    fn cancelled(&self) -> bool {
        false
    }
}

impl Viewer for Counting {}

/// Chunks are sized by the plan's threads, because last bits depend on what a chunk holds: with GPT-2 small's shape, head patching on one
/// thread and on two differs by 3e-6.
#[test]
fn chunks_follow_the_threads_that_are_asked_for() {
    let session = Fixture::read("tiny-a").session(DevicePreference::Cpu);
    let reported = |threads: usize| {
        session.set_threads(threads);
        let counting = Counting::default();
        try_report(&session, &experiment(), "neuron-patching", &Value::Null, &counting).expect("a report");
        counting.0.get()
    };
    let few = reported(1);
    assert!(reported(16) > few, "{few} reports of progress on one thread and on sixteen");
    assert_eq!(reported(1), few);
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.expect_err("refused");
    assert_eq!(error.code(), "shards", "{error}");
    error.to_string()
}

#[test]
fn what_does_not_fit_is_refused() {
    let session = Fixture::read("tiny-a").session(DevicePreference::Cpu);
    let plan = |analysis: &str, shards: usize| {
        Plan::new(
            experiment(),
            vec![asked(analysis, &Value::Null)],
            false,
            (shards, 16),
            Some(sizes(&session)),
        )
    };
    assert!(refused(plan("checks", 0)).contains("not into 0"));
    let none = Plan::new(experiment(), vec![asked("checks", &Value::Null)], false, (1, 0), None);
    assert!(refused(none).contains("not on 0"));
    assert!(plan("chekcs", 1).is_err());

    // A portion that is not one.
    let layers = |layers: &[usize]| Some(layers.to_vec());
    for (analysis, portion, said) in [
        ("logit-diff", Portion { group: Some(0), layers: None }, "no group 0"),
        ("checks", Portion { group: Some(3), layers: None }, "no group 3"),
        ("neuron-patching", Portion { group: Some(0), layers: layers(&[3]) }, "no layers [3]"),
        ("neuron-patching", Portion { group: None, layers: layers(&[0]) }, "no layers [0]"),
        ("head-patching", Portion { group: Some(0), layers: layers(&[0]) }, "no layers [0]"),
    ] {
        let request = plan(analysis, 1).expect("a plan");
        let request = request.request(&request.shards[0][0]).expect("a request");
        let message = refused(pollster::block_on(session.run_portion(&request, &portion, &Quiet)));
        assert!(message.contains(said) && message.contains("docs/shards.md"), "{message}");
    }

    // Reports that are not of one request.
    let plan = plan("head-attribution", 2).expect("a plan");
    let all: Vec<Computed> = plan.shards.concat().iter().map(|unit| compute(&session, &plan, unit)).collect();
    assert!(refused(plan.merge(all[1..].to_vec())).contains("was not computed"));
    let mut changed = all.clone();
    changed[1].report.device = "another".to_owned();
    assert!(refused(plan.merge(changed)).contains("`device` of the reports of `head-attribution`"));
    let mut changed = all;
    let patchlab::figures::Part::Heat(grid) = &mut changed[1].report.parts[0] else { panic!("a map") };
    grid.columns.ticks.pop();
    assert!(refused(plan.merge(changed)).contains("`columns` of \"Head attribution\""));
}

/// A model whose activations overflow has numbers that JSON does not have. It is said once, as of the whole.
#[test]
fn numbers_that_are_not_finite_are_said_once() {
    let fixture = Fixture::read("tiny-a");
    let mut checkpoint = fixture.checkpoint();
    // The last tensors are large ones: every fourth byte is an exponent.
    let end = checkpoint.len();
    for number in checkpoint[end - 40_000..].chunks_exact_mut(4) {
        number.copy_from_slice(&3e37f32.to_le_bytes());
    }
    let opened = patchlab_tests::fixture::open(&fixture.config, checkpoint, DevicePreference::Cpu);
    let session = opened.expect("a model with finite weights");
    for analysis in ["residual-patching", "neuron-patching", "layer-attribution"] {
        let whole = report(&session, &experiment(), analysis, &Value::Null);
        assert!(whole.problems.iter().any(|problem| problem.code == "not-finite"), "{analysis}");
        let requests = vec![asked(analysis, &Value::Null)];
        let plan = Plan::new(experiment(), requests, false, (20, 16), Some(sizes(&session))).expect("a plan");
        let all: Vec<Computed> =
            plan.shards.concat().iter().map(|unit| compute(&session, &plan, unit)).collect();
        let merged = plan.merge(all).expect("they fit together");
        let text = |report| serde_json::to_string(report).expect("JSON");
        assert!(text(&merged[0]) == text(&whole), "{analysis}");
    }
}
