//! Published values: a model of GPT-2 small's sizes agrees with what was recorded of itself in the file's own figures, each kind
//! of disagreement is found, and other models are told why there is nothing to compare.

use std::collections::BTreeSet;
use std::path::Path;

use patchlab::analyses::{Reading, Viewer};
use patchlab::device::DevicePreference;
use patchlab::figures::{Cell, Mark, Part, Report, Table};
use patchlab::host::{Host, Progress, Quiet};
use patchlab::model::Config;
use patchlab::recorded::{Listed, Read, Recorded};
use patchlab::{Error, Request, Session};
use patchlab_tests::fixture::{Fixture, open};
use patchlab_tests::weights::Tensors;
use pollster::block_on;
use safetensors::tensor::Dtype;
use serde_json::json;

/// The file that comes along.
fn shipped(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/recorded").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A caller with these recorded values.
struct Caller {
    index: String,
    values: String,
}

impl Caller {
    fn with(recorded: &Recorded) -> Self {
        let listed = Listed { file: "values.json".to_owned(), model: recorded.model.clone() };
        let text = |result: serde_json::Result<String>| result.expect("plain data");
        Self { index: text(serde_json::to_string(&[listed])), values: text(serde_json::to_string(recorded)) }
    }
}

impl Host for Caller {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        false
    }
}

impl Viewer for Caller {
    fn file<'a>(&'a self, path: &'a str) -> Reading<'a> {
        let text = if path == "recorded/index.json" { &self.index } else { &self.values };
        Box::pin(std::future::ready(Ok(Some(text.clone()))))
    }
}

/// GPT-2 small's layers, heads, neurons and vocabulary, narrow so that it is quick.
fn narrow() -> Session {
    changed(&|_, _| {})
}

/// The same with changed weights.
fn changed(change: &dyn Fn(&mut Tensors, &Config)) -> Session {
    let config = json!({
        "model_type": "gpt2", "n_layer": 12, "n_head": 12, "n_embd": 24, "n_inner": 3072, "n_positions": 256,
        "vocab_size": 50257, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"
    })
    .to_string();
    let sizes = Config::from_json(&config).expect("a good config");
    let mut weights = Tensors::generate("recorded", &sizes);
    change(&mut weights, &sizes);
    open(&config, weights.safetensors(Dtype::F32, ""), DevicePreference::Cpu).expect("a good model")
}

fn compare(session: &Session, caller: &dyn Viewer) -> Result<Report, Error> {
    let request = json!({ "analysis": "recorded", "experiment": { "groups": [] } });
    let request: Request = serde_json::from_value(request).expect("a request");
    block_on(session.run(&request, caller))
}

/// The summary, and the tables of values.
fn tables(report: &Report) -> (&Table, Vec<&Table>) {
    let mut tables = report.parts.iter().map(|part| {
        let Part::Table(table) = part else { panic!("tables only") };
        table
    });
    (tables.next().expect("a summary"), tables.collect())
}

fn failed(table: &Table) -> Vec<&[Cell]> {
    table.rows.iter().filter(|row| row.mark == Some(Mark::Failed)).map(|row| &row.cells[..]).collect()
}

/// A word for each way of reading a report.
fn kind(read: &Read) -> String {
    let Read::Grid { largest, cells, .. } = read else {
        return format!("{read:?}").chars().take_while(|letter| letter.is_alphabetic()).collect();
    };
    format!("grid {largest} {}", cells.is_some())
}

#[test]
fn a_model_agrees_with_itself_and_every_planted_value_is_found() {
    let session = narrow();
    let mut recorded = block_on(session.record(&shipped("gpt2-small.json"), &Quiet)).expect("a good file");
    let known: usize = recorded.items.iter().flat_map(|item| &item.values).flatten().count();
    let shipped = Recorded::from_json(&shipped("gpt2-small.json")).expect("a good file");
    assert_eq!(
        known,
        shipped.items.iter().flat_map(|item| &item.values).flatten().count(),
        "all are computed"
    );

    let report = compare(&session, &Caller::with(&recorded)).expect("a good file");
    let (summary, lists) = tables(&report);
    assert_eq!(summary.title, format!("{known} of {known} published values agree"));
    assert!(failed(summary).is_empty() && lists.iter().all(|table| failed(table).is_empty()));
    assert_eq!(summary.rows.len(), recorded.items.len());

    // In the first item of each kind, the value in the middle.
    let mut kinds = Vec::new();
    let mut planted = Vec::new();
    for item in &mut recorded.items {
        if kinds.contains(&kind(&item.read)) {
            continue;
        }
        kinds.push(kind(&item.read));
        let middle = item.values.len() / 2;
        let value = item.values[middle].as_mut().expect("a value");
        *value += if item.decimals.is_none() { 1.0 } else { 0.02 };
        planted.push((item.title.clone(), *value));
    }
    assert_eq!(kinds.len(), 9, "{kinds:?}");
    let report = compare(&session, &Caller::with(&recorded)).expect("a good file");
    let (summary, lists) = tables(&report);
    assert_eq!(summary.title, format!("{} of {known} published values agree", known - planted.len()));
    let found: Vec<(String, f64)> = failed(lists[0])
        .into_iter()
        .map(|cells| match (&cells[0], &cells[2]) {
            (Cell::Text(title), Cell::Number(recorded)) => (title.clone(), *recorded),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, planted);
    assert_eq!(failed(summary).len(), planted.len());
}

#[test]
fn other_models_are_told_why_there_is_nothing_to_compare() {
    let session = Fixture::read("tiny-a").session(DevicePreference::Cpu);
    let caller = Caller { index: shipped("index.json"), values: String::new() };
    let report = compare(&session, &caller).expect("no error");
    assert!(report.parts.is_empty());
    let message = &report.problems[0].message;
    assert!(message.contains("GPT-2 small (12 layers of 12 heads, 768 wide)"), "{message}");
}

#[test]
fn files_that_do_not_fit_are_refused_in_words() {
    let session = narrow();
    let shipped = Recorded::from_json(&shipped("gpt2-small.json")).expect("a good file");
    let mut short = shipped.clone();
    short.items.truncate(1);
    short.model.d_model = 24;
    short.model.name = "narrow".to_owned();
    let refused = |change: &dyn Fn(&mut Recorded)| {
        let mut changed = short.clone();
        change(&mut changed);
        match compare(&session, &Caller::with(&changed)) {
            Err(Error::Recorded(message)) => message,
            other => panic!("{other:?}"),
        }
    };
    let says = |change: &dyn Fn(&mut Recorded), words: &str| {
        let message = refused(change);
        assert!(message.contains(words), "{message}");
    };
    says(&|changed| changed.items[0].values.push(None), "values were recorded, and `text-lens` has");
    says(&|changed| changed.items[0].source = "nobody".to_owned(), "no source \"nobody\"");
    says(&|changed| changed.items[0].experiment = "none such".to_owned(), "no experiment \"none such\"");
    says(&|changed| changed.items[0].read = Read::Attention, "`text-lens` has no such figure");
    says(&|changed| changed.items[0].analysis = "recorded".to_owned(), "compared with itself");
}

/// Which figures disagree, by analysis.
fn disagreeing(session: &Session, recorded: &Recorded) -> BTreeSet<String> {
    let report = compare(session, &Caller::with(recorded)).expect("a good file");
    let (summary, _) = tables(&report);
    let rows = summary.rows.iter().zip(&recorded.items).filter(|(row, _)| row.mark == Some(Mark::Failed));
    rows.map(|(_, item)| item.analysis.clone()).collect()
}

/// What an implementation gets wrong as a whole, beside what was recorded.
#[test]
fn mistakes_of_an_implementation_are_found() {
    let session = narrow();
    let mut recorded = block_on(session.record(&shipped("gpt2-small.json"), &Quiet)).expect("a good file");
    // One of each analysis on each experiment is enough, and none of the long ones.
    let mut seen = BTreeSet::new();
    recorded.items.retain(|item| {
        item.settings.get("by_position").is_none()
            && seen.insert((item.analysis.clone(), item.experiment.clone()))
    });
    let all: BTreeSet<String> = recorded.items.iter().map(|item| item.analysis.clone()).collect();
    assert_eq!(disagreeing(&session, &recorded), BTreeSet::new());

    // Positions that begin at 1.
    let shifted = changed(&|weights, sizes| weights.numbers("wpe.weight").rotate_left(sizes.d_model));
    assert_eq!(disagreeing(&shifted, &recorded), all);

    // Another GELU: a tenth of a per cent is more than the two forms differ by, and less than any other mistake.
    let steeper = changed(&|weights, sizes| {
        for layer in 0..sizes.n_layers {
            weights
                .numbers(&format!("h.{layer}.mlp.c_fc.weight"))
                .iter_mut()
                .for_each(|number| *number *= 1.001);
        }
    });
    assert!(disagreeing(&steeper, &recorded).contains("test-prompt"));

    // No <|endoftext|>, and the prompts of each pair swapped.
    let without = |change: &dyn Fn(&mut patchlab::Experiment)| {
        let mut other = recorded.clone();
        other.items.retain(|item| {
            ["logit-diff", "head-attribution", "layer-attribution", "logit-lens"]
                .contains(&item.analysis.as_str())
        });
        other.experiments.values_mut().for_each(change);
        disagreeing(&session, &other)
    };
    let four = ["head-attribution", "layer-attribution", "logit-diff", "logit-lens"].map(str::to_owned);
    assert_eq!(
        without(&|experiment| experiment.prepend_bos = !experiment.prepend_bos),
        BTreeSet::from(four.clone())
    );
    let swap = |experiment: &mut patchlab::Experiment| {
        for pair in experiment.groups.iter_mut().flat_map(|group| &mut group.pairs) {
            std::mem::swap(&mut pair.clean, &mut pair.corrupted);
        }
    };
    assert_eq!(without(&swap), BTreeSet::from(four));

    // Value biases that stand in the output's bias instead: the same model, and the same attribution of heads, because
    // both are folded. An implementation that does not fold them would disagree.
    let moved = changed(&|weights, sizes| {
        let d = sizes.d_model;
        for layer in 0..sizes.n_layers {
            let bias = weights.numbers(&format!("h.{layer}.attn.c_attn.bias"));
            let values: Vec<f32> = bias[2 * d..].to_vec();
            bias[2 * d..].fill(0.0);
            let output = weights.numbers(&format!("h.{layer}.attn.c_proj.weight")).clone();
            let sums = (0..d).map(|to| {
                (0..d).map(|from| f64::from(values[from]) * f64::from(output[from * d + to])).sum::<f64>()
            });
            let sums: Vec<f64> = sums.collect();
            let bias = weights.numbers(&format!("h.{layer}.attn.c_proj.bias"));
            bias.iter_mut().zip(sums).for_each(|(bias, sum)| *bias = (f64::from(*bias) + sum) as f32);
        }
    });
    // Shares of this model's small effects are left out: they magnify what rounding does to the biases.
    recorded.items.retain(|item| !item.analysis.ends_with("patching"));
    assert_eq!(disagreeing(&moved, &recorded), BTreeSet::new());
}
