//! A group's clean and corrupted prompts, run once each with everything recorded that an analysis works on.
//!
//! Recorded activations stay on the device (TransformerLens's `run_with_cache`); what is read back are the few
//! numbers of [`LogitStats`] per prompt.

mod readout;

use crate::error::Result;
use crate::metrics::LogitStats;
use crate::model::hooks::SiteFilter;
use crate::model::{ActivationCache, Batch, Config, Hooks, Model};
use crate::prompts::PreparedCase;
use crate::readback;

pub use readout::Readout;

/// One recorded forward pass.
#[derive(Debug, Clone)]
pub struct Run {
    /// The prompts.
    pub batch: Batch,
    /// What was recorded.
    pub cache: ActivationCache,
    /// What the model said after each prompt: one run.
    pub stats: LogitStats,
}

impl Run {
    /// Runs prompts and reads back what they lead to.
    ///
    /// # Errors
    /// [`crate::Error::Compute`].
    pub async fn record(
        model: &Model,
        prompts: &[Vec<u32>],
        readout: &Readout,
        sites: &dyn SiteFilter,
    ) -> Result<Self> {
        let batch = Batch::new(prompts);
        let mut hooks = Hooks::new(Some(sites), &[]);
        let normalized = model.forward(&batch, &mut hooks)?; // [b, p, d]
        let last = model.last(normalized, &batch); // [b, d]
        let stats = readout.stats(&readback::read(readout.of(model, last)).await?);
        Ok(Self { batch, cache: hooks.finish()?, stats })
    }
}

/// The clean and the corrupted prompts of some cases, run.
#[derive(Debug)]
pub struct Runs<'a> {
    /// The cases.
    pub cases: &'a [PreparedCase],
    /// The tokens asked for.
    pub readout: Readout,
    /// The clean prompts.
    pub clean: Run,
    /// The corrupted prompts.
    pub corrupted: Run,
}

impl<'a> Runs<'a> {
    /// Runs both sides. With `vocabulary`, every token's logit takes part in the readout.
    ///
    /// # Errors
    /// [`crate::Error::Compute`].
    pub async fn record(
        model: &Model,
        cases: &'a [PreparedCase],
        vocabulary: bool,
        sites: &dyn SiteFilter,
    ) -> Result<Self> {
        let readout = Readout::new(model, cases, vocabulary);
        let clean: Vec<Vec<u32>> = cases.iter().map(|case| case.clean.clone()).collect();
        let corrupted: Vec<Vec<u32>> = cases.iter().map(|case| case.corrupted.clone()).collect();
        let clean = Run::record(model, &clean, &readout, sites).await?;
        let corrupted = Run::record(model, &corrupted, &readout, sites).await?;
        Ok(Self { cases, readout, clean, corrupted })
    }
}

/// The most bytes of activations that are recorded at once.
const RECORDED_BYTES: usize = 256 << 20;

/// Cuts a group into parts that can be recorded at once. Prompts do not depend on each other, so this changes
/// no result.
pub fn parts<'a>(cases: &'a [PreparedCase], config: &Config) -> impl Iterator<Item = &'a [PreparedCase]> {
    let positions = cases.iter().map(|case| case.clean.len()).max().unwrap_or(1);
    // Residual streams, heads and neurons of every layer; attention patterns; twice, clean and corrupted.
    let per_position = 8 * config.d_model + 2 * config.d_mlp + 2 * config.n_heads * positions;
    let bytes = 2 * 4 * config.n_layers * positions * per_position;
    cases.chunks((RECORDED_BYTES / bytes.max(1)).clamp(1, 64))
}
