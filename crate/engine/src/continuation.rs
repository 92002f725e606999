//! Continuing a text token by token. Keys and values of the tokens so far are kept, so that each token costs one position.

use patchlab_kernels::Tensor;

use crate::bootstrap::next;
use crate::error::Result;
use crate::interventions::held::Held;
use crate::metrics::{log_sum_exp, top_k};
use crate::model::span::Span;
use crate::model::{Hooks, Model};
use crate::readback::Reads;
use crate::site::{BlockSite, Site, Stage};

/// A text that is continued, while interventions are held.
pub(crate) struct Continuation<'a> {
    model: &'a Model,
    held: &'a Held<'a>,
    /// All tokens so far.
    ids: Vec<u32>,
    /// Keys and values of those that have been computed, by layer: `[1, s, h, e]`.
    past: Vec<[Tensor<4>; 2]>,
    /// How many these are.
    computed: usize,
}

/// How the next token is chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    /// What logits are divided by; 0: the likeliest token.
    pub temperature: f64,
    /// Only so many of the likeliest are considered; 0: all.
    pub top_k: usize,
}

/// A token that was chosen, and its probability under the model, whatever the sampling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Chosen {
    pub id: u32,
    pub probability: f64,
}

impl<'a> Continuation<'a> {
    /// Of these tokens, at least one.
    pub(crate) fn new(model: &'a Model, held: &'a Held<'a>, ids: Vec<u32>) -> Self {
        Self { model, held, ids, past: Vec::new(), computed: 0 }
    }

    /// All tokens so far.
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Whether the context has room for another token.
    pub(crate) fn has_room(&self) -> bool {
        self.ids.len() < self.model.config.n_ctx
    }

    /// Adds the next token.
    ///
    /// # Errors
    /// [`crate::Error::UnknownToken`], [`crate::Error::Compute`].
    pub(crate) async fn step(&mut self, sampling: &Sampling, state: &mut u64) -> Result<Chosen> {
        let logits = self.logits().await?;
        let id = sampling.choose(&logits, state);
        let probability = (f64::from(logits[id]) - log_sum_exp(&logits)).exp();
        self.ids.push(id as u32);
        Ok(Chosen { id: id as u32, probability })
    }

    /// The logits after the last token: runs the tokens that have not been computed.
    async fn logits(&mut self) -> Result<Vec<f32>> {
        let (model, start, p) = (self.model, self.computed, self.ids.len());
        let layers = model.config.n_layers;
        let edits = self.held.edits(p - start);
        let at = |layer, site| Site::Block(layer, site);
        let sites: Vec<Site> =
            (0..layers).flat_map(|layer| [BlockSite::K, BlockSite::V].map(|site| at(layer, site))).collect();
        let mut hooks = Hooks::new(Some(&sites), &edits);
        let mut x = model.embed(&self.ids[start..], [1, p - start], start, &mut hooks)?; // [1, t, d]
        let span = Span::from(start, p, &model.device);
        for stage in Stage::all(layers).skip(1) {
            let span = match stage {
                Stage::Attention(layer) if start > 0 => {
                    let [keys, values] = self.past[layer].clone();
                    span.with_past(keys, values)
                }
                _ => span.clone(),
            };
            x = model.step(stage, x, &span, &mut hooks)?;
        }
        let cache = hooks.finish()?;
        for layer in 0..layers {
            let new = [cache.tensor(at(layer, BlockSite::K))?, cache.tensor(at(layer, BlockSite::V))?];
            match self.past.get_mut(layer) {
                Some(past) => {
                    for (past, new) in past.iter_mut().zip(new) {
                        *past = Tensor::cat(vec![past.clone(), new], 1);
                    }
                }
                None => self.past.push(new),
            }
        }
        self.computed = p;
        let [_, t, d] = x.dims();
        let last = x.slice([0..1, t - 1..t, 0..d]).reshape([1, d]);
        let blocks = model.unembedding.logits(last); // [1, block] each
        Ok(blocks.into_iter().fold(Reads::default(), Reads::with).fetch().await?.concat())
    }
}

impl Sampling {
    /// The index of the next token.
    fn choose(&self, logits: &[f32], state: &mut u64) -> usize {
        let considered = if self.top_k == 0 { logits.len() } else { self.top_k };
        let ids = top_k(logits, if self.temperature > 0.0 { considered } else { 1 });
        if self.temperature <= 0.0 {
            return ids[0];
        }
        let largest = f64::from(logits[ids[0]]);
        let weights: Vec<f64> =
            ids.iter().map(|&id| ((f64::from(logits[id]) - largest) / self.temperature).exp()).collect();
        // From 0 to 1, as a f64 can tell it.
        let mut left = (next(state) >> 11) as f64 / (1_u64 << 53) as f64 * weights.iter().sum::<f64>();
        for (&id, weight) in ids.iter().zip(&weights) {
            left -= weight;
            if left < 0.0 {
                return id;
            }
        }
        ids[ids.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(sampling: Sampling, logits: &[f32]) -> Vec<f64> {
        let mut state = 1;
        let mut counts = vec![0.0; logits.len()];
        for _ in 0..20_000 {
            counts[sampling.choose(logits, &mut state)] += 1.0 / 20_000.0;
        }
        counts
    }

    #[test]
    fn tokens_are_drawn_with_their_probabilities() {
        let logits = [1.0_f32, 3.0, 2.0, -1.0];
        let softmax = |temperature: f64, of: &[usize]| {
            let weight = |id: usize| (f64::from(logits[id]) / temperature).exp();
            let sum: f64 = of.iter().map(|&id| weight(id)).sum();
            (0..4).map(|id| if of.contains(&id) { weight(id) / sum } else { 0.0 }).collect::<Vec<f64>>()
        };
        for (temperature, top_k, of) in
            [(1.0, 0, &[0, 1, 2, 3][..]), (0.5, 0, &[0, 1, 2, 3]), (2.0, 2, &[1, 2])]
        {
            let found = shares(Sampling { temperature, top_k }, &logits);
            for (found, expected) in found.iter().zip(softmax(temperature, of)) {
                // Four standard errors at most.
                assert!((found - expected).abs() < 0.015, "{found} is not {expected}");
            }
        }
        assert_eq!(shares(Sampling { temperature: 0.0, top_k: 0 }, &logits)[1].round(), 1.0);
    }
}
