//! How much memory the activations of a model's work may take.

use std::sync::atomic::{AtomicU32, Ordering};

/// A chunk's largest activation where nothing is known of a device, in bytes. Small enough that a layer of a chunk
/// takes well below a second on a processor.
const CHUNK: usize = 16 << 20;
/// The most, on any GPU: WebGPU promises no larger binding.
const LARGEST_CHUNK: usize = 128 << 20;
/// The least. If this does not fit, nothing will.
const LEAST_CHUNK: usize = 1 << 20;
/// How long a chunk's largest product should take on a GPU, in seconds: long beside a launch, which takes up to
/// 60 us in a browser, and short for a person who cancels.
const PRODUCT_SECONDS: f64 = 0.01;
/// Activations that are recorded at once, in bytes.
const RECORDED: usize = 256 << 20;

/// What the activations of a model may take. Everything that computes with the model asks here, so that all make do
/// with half when its device has run out of memory.
#[derive(Debug)]
pub struct Budget {
    chunk: usize,
    halved: AtomicU32,
}

impl Default for Budget {
    /// For a model in main memory, or where nothing is known of the device.
    fn default() -> Self {
        Self { chunk: CHUNK, halved: AtomicU32::new(0) }
    }
}

impl Budget {
    /// For a GPU that multiplies matrices at `rate`, in FLOP/s, and cannot hold a tensor of more than `largest` bytes.
    /// The neurons of a row take `4 d_mlp` bytes and a product of `2 d_model d_mlp` FLOP.
    pub fn gpu(rate: f64, largest: usize, d_model: usize) -> Self {
        let bytes = rate * PRODUCT_SECONDS / (d_model as f64 / 2.0);
        let most = LARGEST_CHUNK.min(largest);
        Self { chunk: (bytes as usize).max(CHUNK).min(most), ..Self::default() }
    }

    /// For the largest activation of the chunks of a sweep that run at the same time, in bytes.
    pub fn chunk_bytes(&self) -> usize {
        (self.chunk >> self.halved.load(Ordering::Relaxed)).max(LEAST_CHUNK)
    }

    /// For the activations that are recorded at once, in bytes.
    pub fn recorded_bytes(&self) -> usize {
        RECORDED >> self.halved.load(Ordering::Relaxed)
    }

    /// Half of everything from now on. False: there is no room for even the least.
    pub fn halve(&self) -> bool {
        let more = self.chunk_bytes() > LEAST_CHUNK;
        self.halved.fetch_add(u32::from(more), Ordering::Relaxed);
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn a_chunk_is_as_large_as_the_device_is_fast() {
        let chunk = |rate, largest| Budget::gpu(rate, largest, 768).chunk_bytes() / MIB;
        assert_eq!(chunk(20e9, 2048 * MIB), 16, "a software adapter");
        assert_eq!(chunk(2e12, 2048 * MIB), 49, "a GPU beside the processor");
        assert_eq!(chunk(20e12, 2048 * MIB), 128, "a large card");
        assert_eq!(chunk(20e12, 64 * MIB), 64, "a large card with a limit");
    }

    #[test]
    fn halving_ends() {
        let budget = Budget::default();
        let sizes: Vec<usize> =
            std::iter::from_fn(|| budget.halve().then(|| budget.chunk_bytes() / MIB)).collect();
        assert_eq!(sizes, [8, 4, 2, 1]);
        assert_eq!((budget.chunk_bytes(), budget.recorded_bytes()), (MIB, 16 * MIB));
    }
}
