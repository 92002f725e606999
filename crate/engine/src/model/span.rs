//! Which positions a pass computes. A plain run computes all of them. A run that continues another one starts
//! where the two first differ, takes the keys and values of earlier positions from the other, and in the end
//! needs only the last position. Both use the same code in [`super::forward`].

use std::ops::Range;

use burn::tensor::Device;
use patchlab_kernels::{CausalMask, Indices, Past, Tensor};

/// The positions that a pass computes: `t` of the prompts' `p`.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// Keys and values of the positions before `start`, in the current layer.
    past: Option<Past>,
    /// The last position of each prompt, counted from `start`, if only these have queries.
    ends: Option<Vec<usize>>,
    mask: CausalMask,
}

impl Span {
    /// All of `p` positions.
    pub(crate) fn whole(p: usize, device: &Device) -> Self {
        Self::from(0, p, device)
    }

    /// The positions `start..p`; [`Self::with_past`] supplies what comes before them.
    pub(crate) fn from(start: usize, p: usize, device: &Device) -> Self {
        Self::of(start..p, p, device)
    }

    /// Queries at some positions, and keys and values at all of `p`.
    pub(crate) fn of(queries: Range<usize>, p: usize, device: &Device) -> Self {
        Self { past: None, ends: None, mask: CausalMask::new(&[queries.collect()], p, device) }
    }

    /// The positions `start..p`; only each prompt's last, counted from `start`, has a query. Rows cycle through
    /// the prompts.
    pub(crate) fn ending(start: usize, p: usize, ends: Vec<usize>, device: &Device) -> Self {
        let destinations: Vec<Vec<usize>> = match same(&ends) {
            Some(end) => vec![vec![start + end]],
            None => ends.iter().map(|end| vec![start + end]).collect(),
        };
        let mask = CausalMask::new(&destinations, p, device);
        Self { past: None, ends: Some(ends), mask }
    }

    /// Adds one layer's keys and values `[b, start, h, e]` of the positions before `start`. Rows cycle through
    /// the prompts.
    #[must_use]
    pub(crate) fn with_past(&self, keys: Tensor<4>, values: Tensor<4>) -> Self {
        Self { past: Some(Past { keys, values }), ..self.clone() }
    }

    /// Whether every computed position has a query.
    pub(crate) fn all_query(&self) -> bool {
        self.ends.is_none()
    }

    /// The positions of `x [b, t, d]` that have queries: all of them, or `[b, 1, d]`.
    pub(crate) fn queried(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.ends {
            None => x,
            Some(ends) => at_ends(x, ends),
        }
    }

    /// Keys and values of the positions before the first that is computed.
    pub(super) fn past(&self) -> Option<&Past> {
        self.past.as_ref()
    }

    /// How many positions are before the first that is computed.
    pub(super) fn past_positions(&self) -> usize {
        self.past.as_ref().map_or(0, |past| past.keys.dims()[1])
    }

    /// Which sources a query must not attend to.
    pub(super) fn mask(&self) -> &CausalMask {
        &self.mask
    }
}

/// `x` at these positions, one per prompt; with more rows than prompts the list is cycled:
/// `[b, t, d] -> [b, 1, d]`.
pub(crate) fn at_ends(x: Tensor<3>, ends: &[usize]) -> Tensor<3> {
    let [b, t, d] = x.dims();
    if let Some(end) = same(ends) {
        return x.slice([0..b, end..end + 1, 0..d]);
    }
    let rows = (0..b).map(|row| (row * t + ends[row % ends.len()]) as i32).collect();
    let device = x.device();
    x.reshape([b * t, d]).select(&Indices::new(rows, [b], &device)).reshape([b, 1, d])
}

/// The common value, if all are equal.
fn same(numbers: &[usize]) -> Option<usize> {
    let first = *numbers.first()?;
    numbers.iter().all(|&other| other == first).then_some(first)
}
