//! Trains Patchlab's demo model and evaluates it.
//!
//! `cargo xtask train-demo` runs this. `--seed` determines everything: the sentences, the initial weights,
//! the order of the batches. See `docs/demo-model.md`.

mod corpus;
mod evaluate;
mod lexicon;
mod output;
mod parameters;
mod sentences;
mod train;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use burn::tensor::Device;
use clap::Parser;
use patchlab::experiment::Experiment;
use patchlab::model::checkpoint::Checkpoint;
use patchlab::model::source::MemorySource;
use patchlab::model::{Config, Model};
use patchlab::presets::presets;
use patchlab::tokens::Tokenizer;
use serde::Serialize;

use crate::corpus::{Corpus, Encoded, core_tokens, encode};
use crate::evaluate::{GroupResult, Measures, groups, measure};
use crate::lexicon::{Fillers, Lexicon, Split};
use crate::output::{CurvePoint, LABEL, chart, config_json, safetensors, write};
use crate::parameters::Parameters;
use crate::sentences::{Combinations, Generator};
use crate::train::{Schedule, train};

/// Trains Patchlab's demo model.
#[derive(Parser)]
struct Arguments {
    /// Where to put config.json, model.safetensors and training.json.
    #[arg(long, default_value = "www/models/demo")]
    out: PathBuf,
    /// Where to put the picture of the loss curve.
    #[arg(long, default_value = "docs/demo-model-loss.svg")]
    chart: PathBuf,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of optimizer steps.
    #[arg(long, default_value_t = 6000)]
    steps: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 3e-3)]
    rate: f64,
    /// Tokens per step.
    #[arg(long, default_value_t = 1024)]
    tokens: usize,
}

/// Number of points on the loss curve, and how many of them include the held-out loss.
const CURVE_POINTS: usize = 60;
const MEASURED_POINTS: usize = 12;

/// `training.json`.
#[derive(Serialize)]
struct Record {
    model: &'static str,
    seed: u64,
    schedule: Schedule,
    data: Data,
    parameters: usize,
    file_bytes: usize,
    loss_curve: Vec<CurvePoint>,
    /// All measured with the saved file, rounded to f16.
    results: Results,
}

/// What the sentences were made of.
#[derive(Serialize)]
struct Data {
    lexicon_entries: usize,
    filler_words: usize,
    held_out_filler_words: usize,
    /// Share of verb-object combinations that never occur in training.
    held_out_combinations: &'static str,
}

#[derive(Serialize)]
struct Results {
    held_out: Vec<Measures>,
    /// The notebook's groups.
    notebook: Vec<GroupResult>,
}

/// Documents that the model never sees in training, in named sets.
struct HeldOut(Vec<(&'static str, Vec<Encoded>)>);

impl HeldOut {
    fn new(tokenizer: &Tokenizer, merges: &str, seed: u64) -> Result<Self> {
        let fillers = Fillers::from_merges(merges, Split::HeldOut);
        let mut generator = Generator::new(fillers, Combinations::HeldOut, seed);
        let mut sets = Vec::new();
        for (name, documents, sentences, fillers) in [
            ("one sentence", 1000, 1, 0.0),
            ("four sentences", 300, 4, 0.0),
            ("one sentence, seven of ten words never trained", 1000, 1, 0.7),
        ] {
            let encoded = (0..documents)
                .map(|_| encode(&generator.document_with(sentences, fillers), tokenizer))
                .collect::<Result<Vec<_>>>()?;
            sets.push((name, encoded));
        }
        Ok(Self(sets))
    }
}

#[allow(clippy::disallowed_methods, reason = "a native program may read files and clocks, and wait")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seed = arguments.seed;
    let started = Instant::now();
    let tokenizer = Tokenizer::gpt2()?;
    let merges = include_str!("../../engine/data/gpt2-merges.txt");
    let fillers = Fillers::from_merges(merges, Split::Training);
    let held_out = HeldOut::new(&tokenizer, merges, seed + 1)?;
    let data = Data {
        lexicon_entries: Lexicon::new().size(),
        filler_words: fillers.len(),
        held_out_filler_words: Fillers::from_merges(merges, Split::HeldOut).len(),
        held_out_combinations: "1 in 16, and the notebook's",
    };

    let config = Config {
        n_layers: 4,
        n_heads: 4,
        d_model: 64,
        d_head: 16,
        d_mlp: 256,
        d_vocab: tokenizer.len(),
        n_ctx: 128,
        eps: 1e-5,
        tied: true,
    };
    let schedule = Schedule {
        steps: arguments.steps,
        tokens_per_step: arguments.tokens,
        rate: arguments.rate,
        warm_up: 200,
        sampled_tokens: 512,
    };
    let mut generator = Generator::new(fillers, Combinations::Training, seed);
    let core = core_tokens(&mut generator, &tokenizer, 20_000)?;
    let used = used_tokens(&core, &tokenizer, merges)?;
    println!("{LABEL}\n{} parameters; {} tokens in the lexicon", config.parameters(), core.len());

    let notebook = presets()?.swap_remove(0).experiment;
    let mut corpus =
        Corpus::new(generator, &tokenizer, schedule.tokens_per_step, prompts(&notebook), seed + 2);
    let mut parameters = Parameters::new(config.clone(), seed + 3);
    let mut curve = Vec::new();
    let mut losses = Vec::new();
    let every = (schedule.steps / CURVE_POINTS).max(1);
    train(&mut parameters, &mut corpus, &core, &schedule, seed + 4, |parameters, step, loss| {
        losses.push(loss);
        if (step + 1) % every == 0 {
            let training_loss = losses.drain(..).sum::<f64>() / every as f64;
            let mut point =
                CurvePoint { step: step + 1, training_loss, held_out_loss: None, right_style: None };
            if (step + 1) % (every * (CURVE_POINTS / MEASURED_POINTS)) == 0 {
                let (name, documents) = &held_out.0[0];
                let measures = measure(&parameters.snapshot(), name, &documents[..200], &used)?;
                point.held_out_loss = Some(measures.loss);
                point.right_style = Some(measures.right_style);
            }
            println!("{:5.0} s  {}", started.elapsed().as_secs_f64(), serde_json::to_string(&point)?);
            curve.push(point);
        }
        Ok(())
    })?;

    let file = safetensors(&parameters.tensors())?;
    let config_text = config_json(&config)?;
    // Everything reported is measured on the file as the page will read it.
    let source = MemorySource::new("model.safetensors", file.clone());
    let model = pollster::block_on(async {
        let checkpoint = Checkpoint::open(source).await?;
        Model::load(Config::from_json(&config_text)?, &checkpoint, &Device::flex()).await
    })
    .context("reading back the checkpoint")?;
    let results = results(&model, &held_out, &used, &notebook, &tokenizer)?;
    print(&results);

    let record = Record {
        model: LABEL,
        seed,
        schedule,
        data,
        parameters: config.parameters(),
        file_bytes: file.len(),
        loss_curve: curve,
        results,
    };
    write(&arguments.out.join("model.safetensors"), file)?;
    write(&arguments.out.join("config.json"), config_text)?;
    write(&arguments.out.join("training.json"), serde_json::to_string_pretty(&record)? + "\n")?;
    write(&arguments.chart, chart(&record.loss_curve)?)?;
    println!("{:.0} s in all; wrote {}", started.elapsed().as_secs_f64(), arguments.out.display());
    Ok(())
}

/// Every prompt of an experiment.
fn prompts(experiment: &Experiment) -> Vec<String> {
    let pairs = experiment.groups.iter().flat_map(|group| &group.pairs);
    pairs.flat_map(|pair| [pair.clean.clone(), pair.corrupted.clone()]).collect()
}

/// For each token of the vocabulary, whether generated texts can contain it.
fn used_tokens(core: &[u32], tokenizer: &Tokenizer, merges: &str) -> Result<Vec<bool>> {
    let mut used = vec![false; tokenizer.len()];
    let mut mark = |id: u32| used[id as usize] = true;
    core.iter().copied().for_each(&mut mark);
    for split in [Split::Training, Split::HeldOut] {
        for text in Fillers::from_merges(merges, split).texts() {
            tokenizer.encode(&text, false)?.into_iter().for_each(&mut mark);
        }
    }
    Ok(used)
}

fn results(
    model: &Model,
    held_out: &HeldOut,
    used: &[bool],
    notebook: &Experiment,
    tokenizer: &Tokenizer,
) -> Result<Results> {
    let measures = held_out.0.iter().map(|(name, documents)| measure(model, name, documents, used));
    Ok(Results { held_out: measures.collect::<Result<_>>()?, notebook: groups(model, notebook, tokenizer)? })
}

/// Prints the results as the tables of `docs/demo-model.md`.
fn print(results: &Results) {
    println!(
        "\n| held-out documents | choices | right style | top 1 | mean logit difference | loss | unused |"
    );
    println!("|---|---|---|---|---|---|---|");
    for m in &results.held_out {
        println!(
            "| {} | {} | {:.1}% | {:.1}% | {:.2} | {:.2} | {:.1e} |",
            m.documents,
            m.choices,
            100.0 * m.right_style,
            100.0 * m.top_1,
            m.logit_difference,
            m.loss,
            m.unused_mass
        );
    }
    println!("\n| group | mean logit difference | least | positive | top 1 |\n|---|---|---|---|---|");
    for g in &results.notebook {
        println!(
            "| {} | {:.2} | {:.2} | {}/{} | {} |",
            g.name, g.mean, g.least, g.positive, g.prompts, g.top_1
        );
    }
}
