//! What heads copy: the eigenvalues of their OV circuit, in the residual stream and from token to token (Elhage et al. 2021;
//! TransformerLens's main demo), and the copying score of words (Wang et al. 2022, appendix).

use nalgebra::DMatrix;
use patchlab_kernels::{Tensor, product, products};

use super::{Score, Scores};
use crate::analyses::Job;
use crate::analyses::shared::choices::refused;
use crate::error::Result;
use crate::host::Work;
use crate::metrics::PerPrompt;
use crate::model::{Hooks, Model, flops};
use crate::names;
use crate::readback;
use crate::runs::Readout;
use crate::site::Stage;

/// A word counts as copied if it is among so many likeliest tokens.
const AMONG: f64 = 5.0;

/// The tokens of words, each with a space before it.
pub(super) fn words(job: &Job<'_>, list: &str) -> Result<Vec<u32>> {
    let mut tokens = Vec::new();
    for word in names::words(list) {
        match job.tokenizer.encode(&format!(" {word}"), false)?[..] {
            [token] => tokens.push(token),
            _ => {
                return Err(refused(
                    "words",
                    format!("{word:?} is not one token of this model. Leave it out."),
                ));
            }
        }
    }
    if tokens.is_empty() { Err(refused("words", "name some words.".to_owned())) } else { Ok(tokens) }
}

/// Values and outputs of a layer's heads: `W_V [d, h e]` and `W_O [h e, d]`.
pub(super) fn values_and_output(model: &Model, layer: usize) -> (Tensor<2>, Tensor<2>) {
    let d = model.config.d_model;
    let block = &model.blocks[layer];
    (block.qkv.weight.clone().slice([0..d, 2 * d..3 * d]), block.output.weight.clone())
}

/// The blocks on the diagonal of `[h e, h e]`, `[e, e]` each.
async fn diagonal(all: Tensor<2>, heads: usize, e: usize) -> Result<Vec<DMatrix<f64>>> {
    let numbers = readback::read(all).await?;
    let block = |head: usize| {
        let at =
            |row: usize, column: usize| f64::from(numbers[(head * e + row) * heads * e + head * e + column]);
        DMatrix::from_fn(e, e, at)
    };
    Ok((0..heads).map(block).collect())
}

/// The sum of the eigenvalues' real parts over that of their magnitudes. None if all are 0.
pub(super) fn copying(matrix: DMatrix<f64>) -> Option<f64> {
    let values = matrix.complex_eigenvalues();
    let size: f64 = values.iter().map(|value| value.re.hypot(value.im)).sum();
    (size > 0.0).then(|| values.iter().map(|value| value.re).sum::<f64>() / size)
}

/// Both eigenvalue scores of all heads.
pub(super) async fn eigenvalues(job: &Job<'_>, work: &mut Work<'_>) -> Result<Scores> {
    let model = job.model;
    let (layers, heads, e, d) =
        (model.config.n_layers, model.config.n_heads, model.config.d_head, model.config.d_model);
    let through_tokens = from_unembedding_to_embedding(model); // [d, d]
    let mut scores = vec![
        (Score::Copying, PerPrompt::new(layers * heads, 1)),
        (Score::CopyingFull, PerPrompt::new(layers * heads, 1)),
    ];
    for layer in 0..layers {
        let (values, output) = values_and_output(model, layer);
        flops::matmul(heads * e, d, heads * e);
        flops::matmul(heads * e, d, d + heads * e);
        let plain = product(output.clone(), values.clone()); // [h e, h e]
        let full = product(product(output, through_tokens.clone()), values); // [h e, h e]
        for ((_, found), all) in scores.iter_mut().zip([plain, full]) {
            for (head, matrix) in diagonal(all, heads, e).await?.into_iter().enumerate() {
                // A head that writes nothing copies nothing.
                found.row_mut(layer * heads + head)[0] = copying(matrix).unwrap_or(0.0);
            }
        }
        work.done(1).await?;
    }
    Ok(scores)
}

/// `W_U W_E`, over all tokens: `[d, d]`.
fn from_unembedding_to_embedding(model: &Model) -> Tensor<2> {
    let d = model.config.d_model;
    let unembedding = &model.unembedding;
    let mut sum: Option<Tensor<2>> = None;
    for (embed, unembed) in model.embedding.blocks().iter().zip(unembedding.vocab.blocks()) {
        let embed = embed.clone() - embed.clone().mean_dim(1); // [block, d], centred as the forward pass does
        let unembed = (unembed.clone() - unembedding.mean.clone()) * unembedding.gain.clone(); // [block, d]
        flops::matmul(d, embed.dims()[0], d);
        let part = product(unembed.transpose(), embed);
        sum = Some(match sum {
            Some(sum) => sum + part,
            None => part,
        });
    }
    sum.unwrap_or_else(|| unembedding.mean.zeros([d, d]))
}

/// Which share of the words each head copies, and which it suppresses.
pub(super) async fn copied(job: &Job<'_>, words: &[u32], work: &mut Work<'_>) -> Result<Scores> {
    let model = job.model;
    let (layers, heads, e, d) =
        (model.config.n_layers, model.config.n_heads, model.config.d_head, model.config.d_model);
    let count = words.len();
    let embed = model.embedding.select(words);
    let embed = (embed.clone() - embed.mean_dim(1)).reshape([count, 1, d]);
    // Each word alone, after the first MLP; without attention and positions.
    let seen =
        model.step(Stage::Mlp(0), embed, &model.everywhere(1), &mut Hooks::none())?.reshape([count, d]);
    let words = words.iter().map(|&word| [vec![word], vec![word]]).collect();
    let readout = Readout::of_tokens(model, words, true);
    let mut scores = vec![
        (Score::Names, PerPrompt::new(layers * heads, 1)),
        (Score::NamesNegative, PerPrompt::new(layers * heads, 1)),
    ];
    for layer in 0..layers {
        let (values, output) = values_and_output(model, layer);
        flops::matmul(count, d, d);
        flops::matmul(heads * count, e, d);
        let z = product(seen.clone(), values).reshape([count, heads, e]).swap_dims(0, 1); // [h, n, e]
        let written = products(z, output.reshape([heads, e, d]), seen.zeros([count, d])); // [h, n, d]
        let written = written.reshape([heads * count, 1, d]);
        for ((_, found), sign) in scores.iter_mut().zip([1.0, -1.0]) {
            let normalized = model.normalize(written.clone() * sign, &mut Hooks::none())?;
            let numbers = readback::read(readout.of(model, normalized.reshape([heads * count, d]))).await?;
            let ranks = numbers.chunks_exact(readout.width()).map(|row| f64::from(row[3]));
            let among: Vec<bool> = ranks.map(|rank| rank < AMONG).collect();
            for (head, among) in among.chunks_exact(count).enumerate() {
                let share = among.iter().filter(|&&among| among).count() as f64 / count as f64;
                found.row_mut(layer * heads + head)[0] = share;
            }
        }
        work.done(1).await?;
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copying_is_1_for_a_copy_and_0_for_a_turn() {
        let identity = DMatrix::<f64>::identity(8, 8) * 0.3;
        assert!((copying(identity.clone()).expect("a score") - 1.0).abs() < 1e-9);
        assert!((copying(-identity).expect("a score") + 1.0).abs() < 1e-9);
        let turn = DMatrix::from_row_slice(2, 2, &[0.0, -2.0, 2.0, 0.0]);
        assert!(copying(turn).expect("a score").abs() < 1e-9);
        assert_eq!(copying(DMatrix::zeros(3, 3)), None);
    }
}
