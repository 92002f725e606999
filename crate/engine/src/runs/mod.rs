//! A group's clean and corrupted prompts, each run once, with the activations recorded that an analysis
//! needs.
//!
//! Recorded activations stay on the device (TransformerLens's `run_with_cache`); only the few numbers of
//! [`LogitStats`] per prompt are read back.

pub(crate) mod next_tokens;
mod readout;

use patchlab_kernels::Tensor;

use crate::error::Result;
use crate::metrics::LogitStats;
use crate::model::hooks::SiteFilter;
use crate::model::{ActivationCache, Batch, Hooks, Model};
use crate::prompts::PreparedCase;
use crate::readback;

pub use readout::Readout;

/// One recorded forward pass.
#[derive(Debug, Clone)]
pub struct Run {
    /// The prompts.
    pub batch: Batch,
    /// The recorded activations.
    pub cache: ActivationCache,
    /// The final LayerNorm's output after each prompt, `[b, d]`.
    pub(crate) last: Tensor<2>,
    /// The final logits after each prompt, as a single run.
    pub stats: LogitStats,
}

impl Run {
    /// Runs prompts, recording `sites`, and reads back their final logits.
    ///
    /// # Errors
    /// [`crate::Error::Compute`].
    pub async fn record(
        model: &Model,
        prompts: &[Vec<u32>],
        readout: &Readout,
        sites: &dyn SiteFilter,
    ) -> Result<Self> {
        let batch = Batch::new(prompts)?;
        let mut hooks = Hooks::new(Some(sites), &[]);
        let normalized = model.forward(&batch, &mut hooks)?; // [b, p, d]
        let last = model.last(normalized, &batch); // [b, d]
        let stats = readout.stats(&readback::read(readout.of(model, last.clone())).await?);
        Ok(Self { batch, cache: hooks.finish()?, last, stats })
    }
}

/// The clean and the corrupted runs of some cases.
#[derive(Debug)]
pub struct Runs<'a> {
    /// The cases.
    pub cases: &'a [PreparedCase],
    /// The tokens whose logits are read.
    pub readout: Readout,
    /// The run of the clean prompts.
    pub clean: Run,
    /// The run of the corrupted prompts.
    pub corrupted: Run,
}

impl<'a> Runs<'a> {
    /// Runs both. With `vocabulary`, the readout includes probabilities, rank, and what the divergence from the clean run follows
    /// from.
    ///
    /// # Errors
    /// [`crate::Error::Compute`].
    pub async fn record(
        model: &Model,
        cases: &'a [PreparedCase],
        vocabulary: bool,
        sites: &dyn SiteFilter,
    ) -> Result<Self> {
        let mut readout = Readout::new(model, cases, vocabulary);
        let clean: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
        let corrupted: Vec<Vec<u32>> = cases.iter().map(|case| case.corrupted.clone()).collect();
        let mut clean = Run::record(model, &clean, &readout, sites).await?;
        if vocabulary {
            readout = clean.compared_with_itself(model, &readout).await?;
        }
        let corrupted = Run::record(model, &corrupted, &readout, sites).await?;
        Ok(Self { cases, readout, clean, corrupted })
    }
}

/// Which run is patched, and with which run's activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Direction {
    /// Denoising, clean activations into the corrupted run: what is sufficient to restore the behaviour?
    Denoise,
    /// Noising, corrupted activations into the clean run: what is necessary for it?
    Noise,
}

impl Direction {
    /// The run that is patched, and the run that the activations come from.
    pub(crate) fn base_and_other<'r>(self, runs: &'r Runs<'_>) -> (&'r Run, &'r Run) {
        match self {
            Direction::Denoise => (&runs.corrupted, &runs.clean),
            Direction::Noise => (&runs.clean, &runs.corrupted),
        }
    }
}

/// Most prompts that are recorded at once, so that progress is seen and cancelling heard.
const MOST_PROMPTS: usize = 64;

/// Splits a group into parts whose `runs` runs, recording these sites, fit the memory budget. Prompts are independent of
/// each other, so this changes no result.
pub fn parts<'a>(
    cases: &'a [PreparedCase],
    model: &Model,
    sites: &dyn SiteFilter,
    runs: u64,
) -> impl Iterator<Item = &'a [PreparedCase]> {
    let positions = cases.iter().map(|case| case.clean.len()).max().unwrap_or(1);
    cases.chunks(model.budget.prompts(&model.config, positions, sites, runs).min(MOST_PROMPTS))
}
