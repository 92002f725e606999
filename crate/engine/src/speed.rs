//! How fast a device is with a model's work, measured in a few milliseconds when the model is opened.

use burn::tensor::{Device, TensorData};
use patchlab_kernels::Tensor;
use web_time::Instant;

use crate::error::Result;
use crate::readback;

/// Products one after the other, so that waiting for the last does not count for much.
const CHAIN: usize = 8;
/// Rows of a small product: a pass of 8 prompts of 8 tokens.
const SMALL: usize = 64;
/// Rows of a large one: a chunk of a sweep.
const LARGE: usize = 2048;
/// A device that takes longer for a small product is not asked for large ones, in seconds.
const SLOW: f64 = 0.002;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Seconds for a product of 64 rows with a square matrix of the model's width, with a share of the time that it
    /// takes to read a result back.
    pub product: f64,
    /// FLOP/s of products of many rows.
    pub rate: f64,
}

/// Measures a device with products as wide as a model.
///
/// # Errors
/// [`crate::Error::Compute`].
pub async fn measure(device: &Device, d_model: usize) -> Result<Speed> {
    let flop = |rows: usize| (2 * rows * d_model * d_model) as f64;
    let product = seconds(device, SMALL, d_model).await?;
    let rate = if product > SLOW {
        flop(SMALL) / product
    } else {
        flop(LARGE) / seconds(device, LARGE, d_model).await?
    };
    Ok(Speed { product, rate })
}

/// Seconds for one product of a chain, here and in a browser. The first chain compiles what the second needs.
#[allow(clippy::disallowed_methods, reason = "in a browser this clock is the browser's")]
async fn seconds(device: &Device, rows: usize, d_model: usize) -> Result<f64> {
    let numbers = |rows: usize, number: f32| {
        Tensor::<2>::from_data(TensorData::new(vec![number; rows * d_model], [rows, d_model]), device)
    };
    let (x, weight) = (numbers(rows, 1.0), numbers(d_model, 1.0 / d_model as f32));
    let mut seconds = 0.0;
    for _ in 0..2 {
        let start = Instant::now();
        let product = (0..CHAIN).fold(x.clone(), |x, _| patchlab_kernels::product(x, weight.clone()));
        readback::read(product.slice([0..1, 0..1])).await?;
        seconds = start.elapsed().as_secs_f64() / CHAIN as f64;
    }
    Ok(seconds)
}
