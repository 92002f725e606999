//! Each operation of the model's passes alone, at the sizes that GPT-2 small gives it.

use burn::tensor::{Device, TensorData};
use patchlab::readback;
use patchlab_kernels::{CausalMask, Indices, Tensor, Then};

use super::{Row, measure};

/// Launches in a row, so that waiting for the last one counts for little.
const LAUNCHES: usize = 20;
/// Rows of a product: the last positions of a few prompts, a pass of 8 prompts of 8 tokens, chunks of a sweep.
const ROWS: [usize; 4] = [8, 64, 1344, 8192];
/// Width, neurons, heads, and tokens of a block of the vocabulary.
const D: usize = 768;
const MLP: usize = 3072;
const HEADS: usize = 12;
const TOKENS: usize = 8192;

/// Numbers that neither grow nor vanish in products.
fn numbers<const N: usize>(shape: [usize; N], device: &Device) -> Tensor<N> {
    let count = shape.iter().product();
    let numbers = (0..count).map(|i: usize| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect();
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// Measures them all. `seconds` are those of one launch.
pub(super) async fn kernels(device: &Device, repeats: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for m in ROWS {
        for (k, n) in [(D, 3 * D), (D, D), (D, MLP), (MLP, D)] {
            let (x, weight, bias) =
                (numbers([m, k], device), numbers([k, n], device), numbers([1, n], device));
            let name = format!("product {m} x {k} x {n}, with bias");
            let flop = 2 * m * k * n;
            let work = || patchlab_kernels::affine(x.clone(), weight.clone(), bias.clone(), Then::Nothing);
            rows.push(alone(&name, flop, repeats, work).await?);
        }
        let x = numbers([1, m, D], device);
        let work = || patchlab_kernels::layer_norm(x.clone(), 1e-5).normalized.reshape([m, D]);
        rows.push(alone(&format!("LayerNorm of {m} rows"), 0, repeats, work).await?);

        let heads = || numbers([m.div_ceil(8), 8, HEADS, D / HEADS], device);
        let (q, k, v) = (heads(), heads(), heads());
        let mask = CausalMask::new(&[(0..8).collect()], 8, device);
        let work = || {
            let z = patchlab_kernels::attention(q.clone(), k.clone(), v.clone(), None, &mask);
            z.reshape([m.div_ceil(8) * 8, D])
        };
        rows.push(alone(&format!("attention of {m} queries, 8 tokens"), 0, repeats, work).await?);

        let (s_w, w_w) = (numbers([8, 3 * D], device), numbers([m.div_ceil(8), 3 * D], device));
        let (change, inverse) = (numbers([m.div_ceil(8), 8], device), numbers([m.div_ceil(8), 8], device));
        let bias = numbers([1, 3 * D], device);
        let work = || {
            let [s_w, w_w, change] = [&s_w, &w_w, &change].map(Clone::clone);
            patchlab_kernels::rank_one(s_w, w_w, change, inverse.clone(), bias.clone())
        };
        rows.push(alone(&format!("rank-one entry, {m} rows"), 0, repeats, work).await?);

        let (h, block) = (numbers([m, D], device), [numbers([TOKENS, D], device)]);
        let chosen = numbers([m, 3], device);
        let tokens = Indices::new(vec![1, 2], [1, 2], device);
        let work = || patchlab_kernels::vocabulary(h.clone(), &block, chosen.clone(), &tokens);
        let name = format!("vocabulary, {m} rows x {TOKENS} tokens");
        rows.push(alone(&name, 2 * m * D * TOKENS, repeats, work).await?);
    }
    Ok(rows)
}

/// One operation, launched several times in a row.
async fn alone(name: &str, flop: usize, repeats: usize, work: impl Fn() -> Tensor<2>) -> anyhow::Result<Row> {
    let chain = async || {
        // Each result makes room for the one after the next.
        let mut last = work();
        for _ in 1..LAUNCHES {
            last = work();
        }
        readback::read(last.slice([0..1, 0..1])).await.map(|_| ())
    };
    let mut row = measure(name, 0, repeats.max(2), chain).await?;
    row.seconds.iter_mut().for_each(|seconds| *seconds /= LAUNCHES as f64);
    row.gflop = flop as f64 / 1e9;
    Ok(row.told())
}
