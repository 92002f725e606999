//! The training loop.

use std::f64::consts::PI;

use anyhow::{Context, Result};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use fastrand::Rng;
use patchlab::model::{Batch, Hooks, Model};

use crate::corpus::{Candidates, Corpus};
use crate::parameters::Parameters;

/// Length and learning rate of the training.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Schedule {
    /// Number of optimizer steps.
    pub(crate) steps: usize,
    /// Approximate number of tokens per step.
    pub(crate) tokens_per_step: usize,
    /// Peak learning rate, reached after the warm-up.
    pub(crate) rate: f64,
    /// Steps of linear warm-up to the peak; the rate then falls along a cosine.
    pub(crate) warm_up: usize,
    /// Random tokens in each step's softmax, besides the lexicon's and the batch's own.
    pub(crate) sampled_tokens: usize,
}

impl Schedule {
    fn rate_at(&self, step: usize) -> f64 {
        let done = step as f64 / self.steps as f64;
        let rise = ((step + 1) as f64 / self.warm_up as f64).min(1.0);
        self.rate * rise * (0.01 + 0.99 * (1.0 + (PI * done).cos()) / 2.0)
    }
}

/// Trains, calling `watch` with the step and its loss after each one.
pub(crate) fn train(
    parameters: &mut Parameters,
    corpus: &mut Corpus<'_>,
    core: &[u32],
    schedule: &Schedule,
    seed: u64,
    mut watch: impl FnMut(&Parameters, usize, f64) -> Result<()>,
) -> Result<()> {
    let mut rng = Rng::with_seed(seed);
    for step in 0..schedule.steps {
        let rows = corpus.batch()?;
        let candidates =
            Candidates::draw(core, &rows, schedule.sampled_tokens, parameters.vocabulary(), &mut rng);
        let leaves = parameters.leaves(&candidates.ids);
        let loss = loss(&parameters.model(&leaves), &rows, &candidates, leaves.rows.clone())?;
        let mut gradients = loss.backward();
        let value = scalar(loss);
        anyhow::ensure!(value.is_finite(), "the loss is {value} at step {step}: the training diverged");
        parameters.step(&candidates.ids, leaves, &mut gradients, schedule.rate_at(step));
        watch(parameters, step, value)?;
    }
    Ok(())
}

/// The mean cross-entropy of all next tokens in the rows over the candidates, in nats.
fn loss(
    model: &Model,
    rows: &[Vec<u32>],
    candidates: &Candidates,
    vocabulary: Tensor<2>,
) -> Result<Tensor<1>> {
    let inputs: Vec<Vec<u32>> = rows
        .iter()
        .map(|row| row[..row.len() - 1].iter().map(|&id| candidates.place(id)).collect())
        .collect();
    let batch = Batch::new(&inputs)?;
    let (mut positions, mut targets) = (Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        let start = index * batch.positions();
        positions.extend((start..start + row.len() - 1).map(|position| position as i32));
        targets.extend(row[1..].iter().map(|&id| candidates.place(id) as i32));
    }
    let n = targets.len();
    let device = vocabulary.device();
    let index = |numbers: Vec<i32>| Tensor::<1, Int>::from_data(TensorData::new(numbers, [n]), &device);
    let (positions, targets) = (index(positions), index(targets));

    let hidden = model.forward(&batch, &mut Hooks::none()).context("the forward pass")?; // [b, p, d]
    let hidden = Tensor::<3>::from(hidden);
    let [b, p, d] = hidden.dims();
    let hidden = hidden.reshape([b * p, d]).select(0, positions); // [n, d]
    let weights = TensorData::new(candidates.log_weights.clone(), [1, candidates.ids.len()]);
    let logits = hidden.matmul(vocabulary.transpose()) + Tensor::from_data(weights, &device); // [n, candidates]
    let right = log_softmax(logits, 1).gather(1, targets.reshape([n, 1])); // [n, 1]
    Ok(-right.mean())
}

#[allow(clippy::disallowed_methods, reason = "a native program may wait for its own processor")]
fn scalar(loss: Tensor<1>) -> f64 {
    f64::from(loss.into_scalar::<f32>())
}
