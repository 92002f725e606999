//! Parts of a request that are computed by themselves, on another machine perhaps, and put together again.

use serde::{Deserialize, Serialize};

/// What is computed of a request. Whatever is decided over all groups, the columns of maps for instance, is decided over all of
/// them in every portion: the numbers are those of the whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portion {
    /// The group, by index in the experiment. None: all of them.
    pub group: Option<usize>,
    /// The layers that are intervened on, ascending. None: all that the request names.
    pub layers: Option<Vec<usize>>,
}

impl Portion {
    /// All of a request.
    pub const WHOLE: Portion = Portion { group: None, layers: None };

    /// Whether a group is computed.
    pub(crate) fn has_group(&self, group: usize) -> bool {
        self.group.is_none_or(|own| own == group)
    }

    /// Whether interventions on a layer are computed.
    pub(crate) fn has_layer(&self, layer: usize) -> bool {
        self.layers.as_ref().is_none_or(|own| own.contains(&layer))
    }
}

/// How a request can be cut, and about how long it takes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Division {
    /// Whether the figures of a group follow from its own prompts, whatever the other groups are.
    pub by_group: bool,
    /// The layers that can be computed apart from each other. Empty: it is not cut by layers.
    pub layers: Vec<usize>,
    /// About how many forward passes each prompt takes; only for balance.
    pub passes: f64,
}

impl Division {
    /// In one piece.
    pub(crate) fn whole(passes: f64) -> Self {
        Self { by_group: false, layers: Vec::new(), passes }
    }

    /// Group by group.
    pub(crate) fn by_group(passes: f64) -> Self {
        Self { by_group: true, ..Self::whole(passes) }
    }
}

/// The sizes that decide how a request is cut and how long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Number of layers.
    pub n_layers: usize,
    /// Heads per layer.
    pub n_heads: usize,
    /// Neurons per layer.
    pub d_mlp: usize,
    /// Positions of a usual prompt.
    pub positions: usize,
}

impl Sizes {
    /// The passes of so many patches. A patched run begins at the patch, in the middle on average; where every token's logit is
    /// wanted, unembedding takes about as long as the rest.
    pub(crate) fn patches(patches: usize, probabilities: bool) -> f64 {
        patches as f64 * if probabilities { 1.0 } else { 0.5 }
    }

    /// The passes of so many neurons, whose first stage is shared.
    pub(crate) fn neurons(neurons: usize, probabilities: bool) -> f64 {
        0.4 * Self::patches(neurons, probabilities)
    }

    /// All heads.
    pub(crate) fn heads(&self) -> usize {
        self.n_layers * self.n_heads
    }
}
