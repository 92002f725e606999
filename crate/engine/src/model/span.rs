//! Which positions a pass computes. A plain run computes all of them. A run that continues another one starts
//! where the two first differ, takes the keys and values of earlier positions from the other, and in the end
//! needs only the last position. Both use the same code in [`super::forward`].

use burn::tensor::{Bool, Device, Tensor, TensorData};

use crate::model::vocabulary::indices;

/// The positions that a pass computes: `t` of the prompts' `p`.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// Keys and values `[b, start, h, e]` of the positions before `start`, in the current layer.
    past: Option<(Tensor<4>, Tensor<4>)>,
    /// The last position of each prompt, counted from `start`, if only these have queries.
    ends: Option<Vec<usize>>,
    /// True where a destination must not attend to a source: `[1 or b, 1, n, p]`.
    mask: Tensor<4, Bool>,
}

impl Span {
    /// All of `p` positions.
    pub(crate) fn whole(p: usize, device: &Device) -> Self {
        Self::from(0, p, device)
    }

    /// The positions `start..p`; [`Self::with_past`] supplies what comes before them.
    pub(crate) fn from(start: usize, p: usize, device: &Device) -> Self {
        let mask = causal_mask(&[(start..p).collect()], p, device);
        Self { past: None, ends: None, mask }
    }

    /// The positions `start..p`; only each prompt's last, counted from `start`, has a query.
    pub(crate) fn ending(start: usize, p: usize, ends: Vec<usize>, device: &Device) -> Self {
        let destinations: Vec<Vec<usize>> = match same(&ends) {
            Some(end) => vec![vec![start + end]],
            None => ends.iter().map(|end| vec![start + end]).collect(),
        };
        let mask = causal_mask(&destinations, p, device);
        Self { past: None, ends: Some(ends), mask }
    }

    /// Adds one layer's keys and values `[b, start, h, e]` of the positions before `start`.
    #[must_use]
    pub(crate) fn with_past(&self, keys: Tensor<4>, values: Tensor<4>) -> Self {
        Self { past: Some((keys, values)), ..self.clone() }
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

    /// Keys and values of all positions, given those of the computed ones: `[b, t, h, e] -> [b, p, h, e]`.
    pub(super) fn continued(&self, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        match &self.past {
            None => (k, v),
            Some((keys, values)) => {
                (Tensor::cat(vec![keys.clone(), k], 1), Tensor::cat(vec![values.clone(), v], 1))
            }
        }
    }

    /// True where a destination must not attend to a source: `[1 or b, 1, n, p]`.
    pub(super) fn mask(&self) -> &Tensor<4, Bool> {
        &self.mask
    }
}

/// True where a destination must not attend to a source; one list of destinations per prompt, or a single one
/// for all: `[1 or b, 1, n, p]`.
pub(crate) fn causal_mask(destinations: &[Vec<usize>], p: usize, device: &Device) -> Tensor<4, Bool> {
    let n = destinations.first().map_or(0, Vec::len);
    let row = |destination: usize| (0..p).map(move |source| source > destination);
    let hidden: Vec<bool> = destinations.iter().flatten().flat_map(|&destination| row(destination)).collect();
    Tensor::from_data(TensorData::new(hidden, [destinations.len(), 1, n, p]), device)
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
    x.reshape([b * t, d]).select(0, indices(rows, &device)).reshape([b, 1, d])
}

/// The common value, if all are equal.
fn same(numbers: &[usize]) -> Option<usize> {
    let first = *numbers.first()?;
    numbers.iter().all(|&other| other == first).then_some(first)
}
