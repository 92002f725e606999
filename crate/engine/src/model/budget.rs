//! How much memory the activations of a model's work may take, and how many rows of a pass fit into it.
//!
//! Everything that computes asks here: recorded runs, sweeps, lenses, logits of the whole vocabulary. Sizes are counted in
//! 64 bits, because a page's own have 32.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::model::config::Config;
use crate::model::hooks::SiteFilter;
use crate::site::{ActivationAxis, Site};

/// What exists at a time in the passes of a chunk where nothing is known of a device, in bytes. Small enough that a layer
/// of a chunk takes well below a second on a processor.
const WORK: u64 = 40 << 20;
/// The most, on any GPU: then its largest activation takes 128 MiB.
const MOST_WORK: u64 = 320 << 20;
/// The least. If this does not fit, nothing will.
const LEAST_WORK: u64 = 2 << 20;
/// The largest tensor, in bytes: WebGPU promises no larger binding.
const LARGEST_TENSOR: u64 = 128 << 20;
/// How long a chunk's largest product should take on a GPU, in seconds: long beside a launch, which takes up to
/// 60 us in a browser, and short for a person who cancels.
const PRODUCT_SECONDS: f64 = 0.01;
/// Recorded activations, in bytes.
const RECORDED: u64 = 256 << 20;
/// Bytes of a number.
const NUMBER: u64 = size_of::<f32>() as u64;

/// What the activations of a model may take. All make do with half when its device has run out of memory.
#[derive(Debug)]
pub struct Budget {
    work: u64,
    largest: u64,
    halved: AtomicU32,
    /// 0: as many as the processor has.
    threads: AtomicUsize,
}

/// A pass, by what it allocates for each of its rows: a prompt, or a copy of one.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a> {
    /// The model's sizes.
    pub config: &'a Config,
    /// Positions that are computed.
    pub computed: usize,
    /// Positions that are attended to, those before the computed ones included.
    pub positions: usize,
}

impl Pass<'_> {
    /// What exists at a time for a row, in bytes: in attention residual stream, normalised stream, queries, keys and
    /// values twice (as they are computed, and by head), scores, pattern and what is between them, z; in the MLP residual
    /// stream, normalised stream, neurons before and after the activation function.
    pub fn bytes(&self) -> u64 {
        let Self { config, computed, positions } = *self;
        let [d, m, h, p] = [config.d_model, config.d_mlp, config.n_heads, positions].map(|size| size as u64);
        NUMBER * computed as u64 * (9 * d + 3 * h * p).max(2 * d + 2 * m)
    }

    /// The largest of them.
    fn largest(&self) -> u64 {
        let Self { config, computed, positions } = *self;
        let widest = (3 * config.d_model).max(config.d_mlp) as u64;
        NUMBER * computed as u64 * widest.max(config.n_heads as u64 * positions as u64)
    }
}

/// The bytes of an activation of one prompt of so many positions.
pub fn activation_bytes(site: Site, config: &Config, positions: usize) -> u64 {
    let size = |axis: &ActivationAxis| match axis {
        ActivationAxis::Batch | ActivationAxis::One => 1,
        ActivationAxis::Position | ActivationAxis::Source => positions,
        ActivationAxis::Head => config.n_heads,
        ActivationAxis::DModel => config.d_model,
        ActivationAxis::DHead => config.d_head,
        ActivationAxis::Neuron => config.d_mlp,
    };
    NUMBER * site.axes().iter().map(|axis| size(axis) as u64).product::<u64>()
}

impl Default for Budget {
    /// For a model in main memory, or where nothing is known of the device.
    fn default() -> Self {
        Self { work: WORK, largest: LARGEST_TENSOR, halved: AtomicU32::new(0), threads: AtomicUsize::new(0) }
    }
}

impl Budget {
    /// For a GPU that multiplies matrices at `rate`, in FLOP/s, and cannot hold a tensor of more than `largest` bytes.
    /// The neurons of a row take `4 d_mlp` bytes and a product of `2 d_model d_mlp` FLOP, and what exists at a time is
    /// two and a half times as much.
    pub fn gpu(rate: f64, largest: usize, d_model: usize) -> Self {
        let neurons = rate * PRODUCT_SECONDS / (d_model as f64 / 2.0);
        let work = ((2.5 * neurons) as u64).clamp(WORK, MOST_WORK);
        Self { work, largest: LARGEST_TENSOR.min(largest as u64), ..Self::default() }
    }

    fn half(&self, bytes: u64) -> u64 {
        bytes >> self.halved.load(Ordering::Relaxed)
    }

    /// For what exists at a time in passes, beside what is recorded, in bytes.
    pub fn work(&self) -> u64 {
        self.half(self.work).max(LEAST_WORK)
    }

    /// For recorded activations, in bytes.
    pub fn recorded(&self) -> u64 {
        self.half(RECORDED)
    }

    /// How many rows of a pass may run at once with this much memory, but at least one.
    pub fn rows(&self, pass: &Pass<'_>, work: u64) -> usize {
        at_least_one((work / pass.bytes()).min(self.largest / pass.largest()))
    }

    /// How many prompts of so many positions may be recorded at once, in `runs` runs, but at least one.
    pub fn prompts(&self, config: &Config, positions: usize, sites: &dyn SiteFilter, runs: u64) -> usize {
        let bytes = |site: Site| activation_bytes(site, config, positions);
        let recorded = Site::all(config.n_layers).filter(|&site| sites.includes(site));
        let (sum, largest) =
            recorded.map(bytes).fold((0, 1), |(sum, largest), bytes| (sum + bytes, largest.max(bytes)));
        let fits = (self.recorded() / (runs * sum).max(1)).min(self.largest / largest);
        let pass = Pass { config, computed: positions, positions };
        at_least_one(fits).min(self.rows(&pass, self.work()))
    }

    /// Cuts sites into parts that can be recorded at once for one prompt of so many positions.
    pub fn parts(&self, config: &Config, positions: usize, sites: &[Site]) -> Vec<Vec<Site>> {
        let mut parts: Vec<Vec<Site>> = Vec::new();
        let mut used = u64::MAX;
        for &site in sites {
            let bytes = activation_bytes(site, config, positions);
            used = used.saturating_add(bytes);
            match parts.last_mut() {
                Some(part) if used <= self.recorded() => part.push(site),
                _ => {
                    used = bytes;
                    parts.push(vec![site]);
                }
            }
        }
        parts
    }

    /// For how many rows the logits of the whole vocabulary may exist at once, on the device, as they are read back and as
    /// they are used, but at least for one.
    pub fn logit_rows(&self, config: &Config) -> usize {
        at_least_one(self.work() / (3 * NUMBER * config.d_vocab as u64))
    }

    /// Has a sweep on a processor run so many chunks side by side, which share what passes may take. Numbers depend on it in their last
    /// bits, because products of more rows add in another order.
    pub fn set_threads(&self, threads: usize) {
        self.threads.store(threads, Ordering::Relaxed);
    }

    /// How many chunks of a sweep run side by side on a processor. None: as many as it has threads.
    pub fn threads(&self) -> Option<usize> {
        Some(self.threads.load(Ordering::Relaxed)).filter(|&threads| threads > 0)
    }

    /// Half of everything from now on. False: there is no room for even the least.
    pub fn halve(&self) -> bool {
        let more = self.work() > LEAST_WORK;
        self.halved.fetch_add(u32::from(more), Ordering::Relaxed);
        more
    }
}

fn at_least_one(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hooks::AllSites;

    const MIB: u64 = 1 << 20;

    fn sized(n_layers: usize, n_heads: usize) -> Config {
        let d_model = 64 * n_heads;
        let d_mlp = 4 * d_model;
        let (d_vocab, n_ctx) = (50257, 1024);
        Config { n_layers, n_heads, d_model, d_head: 64, d_mlp, d_vocab, n_ctx, eps: 1e-5, tied: true }
    }

    #[test]
    fn a_chunk_is_as_large_as_the_device_is_fast() {
        let work = |rate| Budget::gpu(rate, 2 << 30, 768).work() / MIB;
        assert_eq!(work(20e9), 40, "a software adapter");
        assert_eq!(work(2e12), 124, "a GPU beside the processor");
        assert_eq!(work(20e12), 320, "a large card");
    }

    #[test]
    fn halving_ends() {
        let budget = Budget::default();
        let sizes: Vec<u64> = std::iter::from_fn(|| budget.halve().then(|| budget.work() / MIB)).collect();
        assert_eq!(sizes, [20, 10, 5, 2, 2]);
        assert_eq!(budget.recorded(), 8 * MIB);
    }

    /// Prompts so long that 32 bits overflowed when the bytes of medium, large and XL were counted in them.
    #[test]
    fn long_prompts_of_large_models_are_recorded_one_at_a_time() {
        for (config, positions) in [(sized(24, 16), 619), (sized(36, 20), 407), (sized(48, 25), 282)] {
            let budget = Budget::default();
            assert_eq!(budget.prompts(&config, positions, &AllSites, 2), 1, "{config:?}");
            let sites: Vec<Site> = Site::all(config.n_layers).collect();
            let parts = budget.parts(&config, positions, &sites);
            assert_eq!(parts.concat(), sites);
            for part in parts {
                let bytes: u64 = part.iter().map(|&site| activation_bytes(site, &config, positions)).sum();
                assert!(bytes <= budget.recorded(), "{part:?} of {config:?} take {bytes} bytes");
            }
            let pass = Pass { config: &config, computed: positions, positions };
            let rows = budget.rows(&pass, budget.work()) as u64;
            assert!(rows * pass.bytes() <= budget.work() || rows == 1, "{rows} rows of {config:?}");
            assert!(rows * pass.largest() <= LARGEST_TENSOR, "{rows} rows of {config:?}");
        }
    }
}
