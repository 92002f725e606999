//! Weight processing, as TransformerLens's `from_pretrained` does by default.
//!
//! Each step leaves the model's log-probabilities unchanged and makes its parts easier to interpret:
//! `fold_layer_norm`, `center_writing_weights`, `fold_value_biases` of TransformerLens 2.18
//! (`HookedTransformer.load_and_process_state_dict`), in that order. `center_unembed` is in
//! [`super::vocabulary`], because the vocabulary is held only once. `refactor_factored_attn_matrices`, which
//! the notebook also passes, only changes the basis within each head, so no quantity of the notebook depends
//! on it; it is left out, and queries, keys, values and z stay in the checkpoint's own basis.
//!
//! Matrices are row-major `[inputs, outputs]`. Sums run in f64: this happens once per model.

/// An affine map `x W + b`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affine {
    /// `[inputs, outputs]`, row-major.
    pub weight: Vec<f32>,
    /// `[outputs]`.
    pub bias: Vec<f32>,
}

impl Affine {
    /// Number of outputs.
    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Folds the gain and bias of the preceding LayerNorm into this map, then centres each output's weights
    /// over the inputs, which the normalisation has centred as well (`fold_layer_norm`, with its
    /// `center_weights`).
    pub(super) fn fold_layer_norm(&mut self, gain: &[f32], bias: &[f32]) {
        let outputs = self.outputs();
        let mut shift: Vec<f64> = self.bias.iter().map(|&b| f64::from(b)).collect();
        let mut mean = vec![0.0f64; outputs];
        for ((row, &g), &b) in self.weight.chunks_exact_mut(outputs).zip(gain).zip(bias) {
            for ((w, shift), mean) in row.iter_mut().zip(&mut shift).zip(&mut mean) {
                *shift += f64::from(b) * f64::from(*w);
                *w *= g;
                *mean += f64::from(*w) / gain.len() as f64;
            }
        }
        for row in self.weight.chunks_exact_mut(outputs) {
            for (w, mean) in row.iter_mut().zip(&mean) {
                *w = (f64::from(*w) - mean) as f32;
            }
        }
        self.bias = shift.into_iter().map(|b| b as f32).collect();
    }

    /// Centres what is written to the residual stream; every LayerNorm removes its mean anyway
    /// (`center_writing_weights`).
    pub(super) fn center_outputs(&mut self) {
        let outputs = self.outputs();
        self.weight.chunks_exact_mut(outputs).for_each(center);
        center(&mut self.bias);
    }

    /// Adds the contribution of a constant input: `b += x W`.
    pub(super) fn absorb_input(&mut self, input: &[f32]) {
        let outputs = self.outputs();
        let mut shift: Vec<f64> = self.bias.iter().map(|&b| f64::from(b)).collect();
        for (row, &x) in self.weight.chunks_exact(outputs).zip(input) {
            for (shift, &w) in shift.iter_mut().zip(row) {
                *shift += f64::from(x) * f64::from(w);
            }
        }
        self.bias = shift.into_iter().map(|b| b as f32).collect();
    }
}

/// Subtracts the mean.
pub(super) fn center(numbers: &mut [f32]) {
    let mean = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / numbers.len() as f64;
    for number in numbers {
        *number = (f64::from(*number) - mean) as f32;
    }
}

/// Moves the value biases into the output bias (`fold_value_biases`): every attention pattern's rows sum to
/// one, so a head passes its value bias on unchanged wherever it attends.
/// `qkv` is the fused map to queries, keys and values, `[d_model, 3 d_model]`.
pub(super) fn fold_value_biases(qkv: &mut Affine, output: &mut Affine) {
    let d_model = output.outputs();
    let values = &mut qkv.bias[2 * d_model..];
    output.absorb_input(values);
    values.fill(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(map: &Affine, x: &[f32]) -> Vec<f32> {
        let mut y = map.clone();
        y.absorb_input(x);
        y.bias
    }

    fn random(n: usize, seed: u64) -> Vec<f32> {
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..n).map(|_| rng.f32() * 2.0 - 1.0).collect()
    }

    fn close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 1e-5, "{a} is not {b}");
        }
    }

    #[test]
    fn folding_keeps_what_follows_a_layer_norm() {
        let map = Affine { weight: random(6 * 4, 1), bias: random(4, 2) };
        let (gain, bias) = (random(6, 3), random(6, 4));
        let mut normalized = random(6, 5);
        center(&mut normalized);
        let scaled: Vec<f32> = normalized.iter().zip(&gain).zip(&bias).map(|((x, g), b)| x * g + b).collect();

        let mut folded = map.clone();
        folded.fold_layer_norm(&gain, &bias);
        close(&apply(&folded, &normalized), &apply(&map, &scaled));
        for output in 0..4 {
            let column: f32 = folded.weight.iter().skip(output).step_by(4).sum();
            assert!(column.abs() < 1e-5);
        }
    }

    #[test]
    fn centring_removes_only_the_mean() {
        let map = Affine { weight: random(3 * 5, 6), bias: random(5, 7) };
        let x = random(3, 8);
        let mut centred = map.clone();
        centred.center_outputs();
        let mut expected = apply(&map, &x);
        center(&mut expected);
        close(&apply(&centred, &x), &expected);
    }

    #[test]
    fn value_biases_move_to_the_output() {
        let mut qkv = Affine { weight: random(2 * 6, 9), bias: random(6, 10) };
        let before = qkv.bias.clone();
        let mut output = Affine { weight: random(2 * 2, 11), bias: random(2, 12) };
        let expected = apply(&output, &before[4..]);
        fold_value_biases(&mut qkv, &mut output);
        close(&output.bias, &expected);
        assert_eq!(qkv.bias[4..], [0.0, 0.0]);
        assert_eq!(qkv.bias[..4], before[..4]);
    }
}
