//! Numbers made of logits, on the host, in f64.

/// What a run says after one prompt. Every metric follows from it without running again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The answer's logit.
    pub answer: f64,
    /// The distractor's logit.
    pub distractor: f64,
    /// How the answer stands among all tokens, if that was asked for.
    pub vocabulary: Option<Vocabulary>,
}

/// How an answer stands among all tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vocabulary {
    /// The logarithm of the sum of the exponentials of all logits.
    pub log_sum_exp: f64,
    /// How many tokens have a larger logit than the answer.
    pub rank: f64,
}

impl Outcome {
    /// logit(answer) - logit(distractor), in nats (the notebook's `logits_to_ave_logit_diff`, of one prompt).
    pub fn logit_difference(&self) -> f64 {
        self.answer - self.distractor
    }
}

/// The logarithm of the sum of exponentials: subtract it from logits to get log-probabilities.
pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let largest = f64::from(largest);
    largest + logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum::<f64>().ln()
}

/// How many tokens have a larger logit than token `id`: 0 for the most likely (`utils.test_prompt`).
pub fn rank(logits: &[f32], id: usize) -> usize {
    let own = logits[id];
    // Among equals the smaller id comes first, as in the order of `top_k`.
    logits.iter().enumerate().filter(|&(other, &logit)| logit > own || (logit == own && other < id)).count()
}

/// The ids of the `k` largest logits, largest first.
pub fn top_k(logits: &[f32], k: usize) -> Vec<usize> {
    let mut ids: Vec<usize> = (0..logits.len()).collect();
    let order = |&a: &usize, &b: &usize| logits[b].total_cmp(&logits[a]).then(a.cmp(&b));
    if k < ids.len() {
        ids.select_nth_unstable_by(k, order);
        ids.truncate(k);
    }
    ids.sort_unstable_by(order);
    ids
}

/// The arithmetic mean; of nothing, NaN, which no caller may show.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_sum_to_one_even_for_large_logits() {
        let logits = [1000.0, 999.0, 998.0];
        let norm = log_sum_exp(&logits);
        let total: f64 = logits.iter().map(|&logit| (f64::from(logit) - norm).exp()).sum();
        assert!((total - 1.0).abs() < 1e-12);
    }

    #[test]
    fn ranks_and_top_agree() {
        let logits = [0.5, 2.0, -1.0, 2.0];
        assert_eq!(top_k(&logits, 3), [1, 3, 0]);
        for (place, id) in top_k(&logits, 4).into_iter().enumerate() {
            assert_eq!(rank(&logits, id), place);
        }
    }
}
