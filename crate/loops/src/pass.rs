//! The elementwise operations of a layer, each in one pass over memory.

/// Numbers processed at once.
const LANES: usize = 8;

/// `2 sqrt(2/pi)`.
const SLOPE: f32 = 1.595_769_2;
const CUBE: f32 = 0.044715 * SLOPE;
/// The sigmoid is 0 or 1 in f32 beyond this.
const SATURATED: f32 = 30.0;

/// GPT-2's activation function, `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, written as
/// `x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3))`, which is the same number with one exponential.
pub fn gelu_new(numbers: &mut [f32]) {
    let (whole, rest) = numbers.as_chunks_mut::<LANES>();
    for lanes in whole {
        *lanes = gelu_of(*lanes);
    }
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    rest.copy_from_slice(&gelu_of(last)[..rest.len()]);
}

fn gelu_of(x: [f32; LANES]) -> [f32; LANES] {
    let minus = x.map(|x| (-x * (x * x * CUBE + SLOPE)).clamp(-SATURATED, SATURATED));
    let e = minus.map(exp);
    std::array::from_fn(|i| x[i] / (1.0 + e[i]))
}

/// `e^x` for `-87 < x < 87`, within 2 units in the last place: `2^n e^r` with a polynomial for
/// `|r| < ln(2)/2` (the method of Cephes' `expf`). No branches and no conversions, so that it vectorises.
#[inline]
fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer, which ends up in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    // ln(2) in two parts, so that the difference does not lose its last bits.
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let mut sum = 1.987_569_1e-4_f32;
    for factor in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        sum = sum * r + factor;
    }
    let power = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    (sum * r * r + r + 1.0) * f32::from_bits(power)
}

/// Adds `bias [n]` to every row of `rows [m, n]`.
pub fn add_bias(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(number, bias)| *number += bias);
    }
}

/// LayerNorm without weights over rows of `width` numbers, `(x - mean) / scale`. Returns the scales,
/// `sqrt(variance + eps)`, one per row.
pub fn layer_norm(rows: &mut [f32], width: usize, eps: f32) -> Vec<f32> {
    let normalize = |row: &mut [f32]| {
        let mean = sum(row, |x| x) / width as f32;
        row.iter_mut().for_each(|x| *x -= mean);
        let scale = (sum(row, |x| x * x) / width as f32 + eps).sqrt();
        row.iter_mut().for_each(|x| *x /= scale);
        scale
    };
    rows.chunks_exact_mut(width).map(normalize).collect()
}

/// `s_w [m, n] * inverse [c, m] + w_w [c, n] * change [c, m] + bias [n]`: `[c, m, n]`. The sizes follow from
/// the lengths of the slices.
pub fn rank_one(s_w: &[f32], w_w: &[f32], change: &[f32], inverse: &[f32], bias: &[f32]) -> Vec<f32> {
    let n = bias.len();
    let m = s_w.len() / n;
    let mut all = Vec::with_capacity(w_w.len() * m);
    let factors = change.chunks_exact(m).zip(inverse.chunks_exact(m));
    for (w_w, (change, inverse)) in w_w.chunks_exact(n).zip(factors) {
        for (s_w, (change, inverse)) in s_w.chunks_exact(n).zip(change.iter().zip(inverse)) {
            let numbers = s_w.iter().zip(w_w).zip(bias);
            all.extend(numbers.map(|((s_w, w_w), bias)| s_w * inverse + w_w * change + bias));
        }
    }
    all
}

/// Sums in [`LANES`] partial sums, which also has a smaller rounding error than a single one.
fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = row.as_chunks::<LANES>();
    let mut parts = [0.0; LANES];
    for lanes in whole {
        for (part, &x) in parts.iter_mut().zip(lanes) {
            *part += of(x);
        }
    }
    parts.iter().sum::<f32>() + rest.iter().map(|&x| of(x)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_the_last_places() {
        for step in -8700..=8700 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "e^{x}: {error:e}");
        }
    }

    #[test]
    fn the_activation_function_is_gelu_new() {
        let numbers: Vec<f32> = (-1003..=1003).map(|step| step as f32 / 50.0).collect();
        let mut found = numbers.clone();
        gelu_new(&mut found);
        for (x, found) in numbers.into_iter().zip(found) {
            let x = f64::from(x);
            let root = (2.0 / std::f64::consts::PI).sqrt();
            let exact = 0.5 * x * (1.0 + (root * (x + 0.044715 * x.powi(3))).tanh());
            assert!((f64::from(found) - exact).abs() < 3e-7 * (1.0 + x.abs()), "{x}: {found} is not {exact}");
        }
    }
}
