//! What the activations of long prompts take of memory, by count. A program of its own: nothing else may allocate meanwhile.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use patchlab::device::{self, Adapter, DevicePreference};
use patchlab::host::{ProgressUnit, Quiet, Work};
use patchlab::interventions::sweep::{Sweep, SweepSites};
use patchlab::interventions::{Intervention, Scene, Shortcut};
use patchlab::metrics::LogitStats;
use patchlab::model::checkpoint::Checkpoint;
use patchlab::model::source::MemorySource;
use patchlab::model::{Config, Model};
use patchlab::prompts::PreparedCase;
use patchlab::runs::{Direction, Runs, parts};
use patchlab::site::{BlockSite, Site};
use patchlab::{Experiment, Files, Request, Session, TokenizerFiles};
use patchlab_tests::weights::checkpoint;
use pollster::block_on;
use serde_json::json;

/// Peaks may be this much above the budget.
const MOST: f64 = 1.25;
/// No tensor may be larger than what WebGPU promises for a binding.
const LARGEST: usize = 128 << 20;
const MIB: f64 = 1_048_576.0;

/// The system's allocator, watched.
struct Counted;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LARGEST_SEEN: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code, reason = "an allocator is unsafe; all is handed on to the system's")]
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        LARGEST_SEEN.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Bytes that `work` adds at its peak, and its largest allocation.
fn watched<T>(work: impl FnOnce() -> T) -> (usize, usize, T) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    LARGEST_SEEN.store(0, Ordering::Relaxed);
    let result = work();
    (PEAK.load(Ordering::Relaxed) - before, LARGEST_SEEN.load(Ordering::Relaxed), result)
}

/// Checks what some work took. `budget` in bytes.
fn check(what: &str, (peak, largest): (usize, usize), budget: u64) {
    println!(
        "{what}: {:.0} MiB at the peak, of a budget of {:.0}; the largest allocation {:.0}",
        peak as f64 / MIB,
        budget as f64 / MIB,
        largest as f64 / MIB
    );
    assert!(peak as f64 <= MOST * budget as f64, "{what}: {peak} bytes of a budget of {budget}");
    assert!(largest <= LARGEST, "{what}: an allocation of {largest} bytes");
}

/// GPT-2 small's widths.
fn config(n_layers: usize, d_vocab: usize) -> Config {
    Config {
        n_layers,
        n_heads: 12,
        d_model: 768,
        d_head: 64,
        d_mlp: 3072,
        d_vocab,
        n_ctx: 1024,
        eps: 1e-5,
        tied: true,
    }
}

fn source(config: &Config) -> MemorySource {
    MemorySource::new("model.safetensors", checkpoint("memory", config))
}

/// Prompts that differ only in their last two tokens.
fn cases(prompts: usize, tokens: usize) -> Vec<PreparedCase> {
    let ids = |prompt: usize, changed: usize| -> Vec<u32> {
        let id = |token: usize| 31 * token + 7 * prompt + if token + 2 >= tokens { changed } else { 0 };
        (0..tokens).map(|token| (id(token) % 500) as u32).collect()
    };
    let case = |index: usize| PreparedCase {
        text: String::new(),
        clean: ids(index, 0),
        corrupted: ids(index, 1),
        roles: Vec::new(),
        compared: [vec![1], vec![2]],
        pair: index,
        index,
    };
    (0..prompts).map(case).collect()
}

/// Patches of prompts that differ late: their past is long, and many copies share it.
fn sweeps() {
    let config = config(3, 600);
    let model = block_on(async {
        let picked = device::pick(DevicePreference::Cpu, &Adapter::None(String::new()), config.d_model).await;
        let file = Checkpoint::open(source(&config)).await.expect("a checkpoint");
        Model::load(config, &file, &picked.expect("the processor").device).await.expect("a model")
    });
    let patch = |layer, site, index, position| {
        vec![Intervention::patch(Site::Block(layer, site), Some(index), position)]
    };
    let neurons = |_: usize| -> Vec<Vec<Intervention>> {
        (0..3072).map(|neuron| patch(1, BlockSite::MlpPost, neuron, None)).collect()
    };
    let heads_by_position = |site: BlockSite, tokens: usize| -> Vec<Vec<Intervention>> {
        let cells = (0..2).flat_map(|layer| {
            (0..12).flat_map(move |head| (0..tokens).map(move |position| (layer, head, position)))
        });
        cells.map(|(layer, head, position)| patch(layer, site, head, Some(position))).collect()
    };
    let none: &[Shortcut] = &[];
    for tokens in [300, 400] {
        for (what, patches, shortcuts) in [
            ("neurons", neurons(tokens), Shortcut::ALL),
            ("heads by position", heads_by_position(BlockSite::V, tokens), Shortcut::ALL),
            ("heads by position, resumed", heads_by_position(BlockSite::V, tokens), none),
            ("patterns, resumed", heads_by_position(BlockSite::Pattern, tokens), none),
        ] {
            let cases = cases(2, tokens);
            let (peak, largest, ()) = watched(|| {
                block_on(async {
                    let sites =
                        SweepSites::new(patches.iter().map(|list| list[0].site), model.config.n_layers);
                    for part in parts(&cases, &model, &sites, 2) {
                        let runs = Runs::record(&model, part, false, &sites).await?;
                        let mut stats = LogitStats::new(patches.len(), part.len(), false);
                        let sweep = Sweep {
                            scene: Scene::of(&model, &runs, Direction::Denoise),
                            lists: &patches,
                            shortcuts,
                            work: model.budget.work(),
                        };
                        let mut work = Work::new(&Quiet, "", ProgressUnit::Patches, patches.len());
                        sweep.run(&mut work, &mut stats, 0, &mut |_, _| {}).await?;
                    }
                    Ok::<_, patchlab::Error>(())
                })
                .expect("a sweep");
            });
            let budget = model.budget.work() + model.budget.recorded();
            check(&format!("{what} at {tokens} tokens"), (peak, largest), budget);
        }
    }
}

/// Analyses of long texts.
fn long_texts() {
    let config = config(2, 50257);
    let text = |words: usize, first: usize| -> String {
        (0..words).map(|word| [" the", " a", " one", " some", " this"][(word * word + first) % 5]).collect()
    };
    let file = json!({
        "model_type": "gpt2", "n_layer": config.n_layers, "n_head": config.n_heads, "n_embd": config.d_model,
        "vocab_size": config.d_vocab, "n_positions": config.n_ctx, "activation_function": "gelu_new",
    });
    let files = Files {
        name: "memory".to_owned(),
        config: file.to_string(),
        tokenizer: TokenizerFiles::Gpt2,
        reference: None,
        truth: None,
        weights: source(&config),
    };
    let none = Adapter::None(String::new());
    let session = block_on(Session::open(files, DevicePreference::Cpu, &none, &Quiet)).expect("a session");
    let pair = |index: usize| json!({ "clean": text(499, index), "corrupted": text(499, index + 1), "answer": " the", "distractor": " a" });
    let experiment = json!({ "groups": [{ "name": "long", "pairs": (0..8).map(pair).collect::<Vec<_>>() }] });
    let experiment = Experiment::from_json(&experiment.to_string()).expect("an experiment");
    let budget = &session.model().budget;
    let long = text(1023, 0);
    for (analysis, settings, budget) in [
        ("logit-diff", json!({}), budget.work()),
        ("text-lens", json!({ "prompt": long }), budget.work() + budget.recorded()),
        ("activations", json!({ "prompt": long }), budget.work() + budget.recorded()),
        (
            "activations",
            json!({ "prompt": long, "site": "blocks.1.attn.hook_pattern" }),
            budget.work() + budget.recorded(),
        ),
    ] {
        let settings = settings.as_object().expect("an object").clone();
        let request = Request { analysis: analysis.to_owned(), experiment: experiment.clone(), settings };
        let (peak, largest, report) = watched(|| block_on(session.run(&request, &Quiet)));
        let report = report.expect("a report");
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        check(analysis, (peak, largest), budget);
    }
}

#[test]
fn activations_stay_within_the_budget() {
    sweeps();
    long_texts();
}
