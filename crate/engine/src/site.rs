//! TransformerLens's hook points, as a type.
//!
//! A [`Site`] prints and parses TransformerLens's name (`blocks.7.attn.hook_z`) and knows the axes of the
//! activation there, so that recording and patching never handle dotted strings.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A hook point of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    /// `hook_embed`: token embeddings.
    Embed,
    /// `hook_pos_embed`: position embeddings.
    PosEmbed,
    /// A hook point of one layer.
    Block(usize, BlockSite),
    /// `ln_final.hook_scale`: the final LayerNorm's divisor.
    FinalScale,
    /// `ln_final.hook_normalized`: the final LayerNorm's output, which is unembedded.
    FinalNormalized,
}

/// An axis of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActivationAxis {
    /// Prompts.
    Batch,
    /// Token positions; for attention, the destination (query).
    Position,
    /// The source (key) position of attention.
    Source,
    /// Attention heads.
    Head,
    /// Components of the residual stream.
    DModel,
    /// Components of a head's query, key or value.
    DHead,
    /// Neurons.
    Neuron,
    /// An axis of size 1.
    One,
}

/// A step of the forward pass: it reads the residual stream that the one before has left. A pass can be resumed before any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Embeddings of tokens and positions.
    Embed,
    /// Attention of a layer.
    Attention(usize),
    /// The MLP of a layer.
    Mlp(usize),
    /// The final LayerNorm.
    Final,
}

impl PartialOrd for Stage {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Stage {
    /// Earlier stages are less.
    fn cmp(&self, other: &Self) -> Ordering {
        // The layer and the half; whatever the number of layers, the final stage is last.
        let place = |stage: &Stage| match *stage {
            Stage::Embed => (0, 0),
            Stage::Attention(layer) => (1 + layer, 0),
            Stage::Mlp(layer) => (1 + layer, 1),
            Stage::Final => (usize::MAX, 0),
        };
        place(self).cmp(&place(other))
    }
}

impl Stage {
    /// Every stage of a model of `n_layers` layers, in order.
    pub fn all(n_layers: usize) -> impl Iterator<Item = Stage> {
        let layers = (0..n_layers).flat_map(|layer| [Stage::Attention(layer), Stage::Mlp(layer)]);
        [Stage::Embed].into_iter().chain(layers).chain([Stage::Final])
    }

    /// Where the residual stream that the stage reads is recorded. None: it reads tokens.
    pub fn input(self, n_layers: usize) -> Option<Site> {
        match self {
            Stage::Embed => None,
            Stage::Attention(layer) => Some(Site::Block(layer, BlockSite::ResidPre)),
            Stage::Mlp(layer) => Some(Site::Block(layer, BlockSite::ResidMid)),
            Stage::Final => Some(Site::Block(n_layers - 1, BlockSite::ResidPost)),
        }
    }
}

/// The stage that a hook point of a layer belongs to.
enum Half {
    Attention,
    Mlp,
    /// The first after the layer.
    Next,
}

/// The positions where the last layer needs a hook point's activation.
#[derive(PartialEq)]
enum Needed {
    /// All that anything attends to.
    Sources,
    /// Those whose logits are wanted.
    Queries,
}

/// The hook points of a layer, one row each, in the order in which the forward pass reaches them. Everything known about
/// one is in its row: TransformerLens's name, the axes, the stage, and where the last layer needs it.
macro_rules! block_sites {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal, [$($axis:ident),+], $half:ident, $needed:ident;)+) => {
        /// A hook point within a layer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum BlockSite {
            $($(#[$doc])+ $variant,)+
        }

        impl BlockSite {
            /// Every hook point of a layer, in the order in which the forward pass reaches them.
            pub const ALL: &'static [BlockSite] = &[$(BlockSite::$variant),+];

            /// TransformerLens's name within the layer.
            pub fn name(self) -> &'static str {
                match self {
                    $(BlockSite::$variant => $name,)+
                }
            }

            /// The axes of the activation, outermost first.
            pub(crate) fn axes(self) -> &'static [ActivationAxis] {
                match self {
                    $(BlockSite::$variant => &[$(ActivationAxis::$axis),+],)+
                }
            }

            fn half(self) -> Half {
                match self {
                    $(BlockSite::$variant => Half::$half,)+
                }
            }

            fn needed(self) -> Needed {
                match self {
                    $(BlockSite::$variant => Needed::$needed,)+
                }
            }
        }
    };
}

block_sites! {
    /// `hook_resid_pre`: the residual stream before the layer.
    ResidPre = "hook_resid_pre", [Batch, Position, DModel], Attention, Sources;
    /// `ln1.hook_scale`: the divisor of the LayerNorm before attention.
    Ln1Scale = "ln1.hook_scale", [Batch, Position, One], Attention, Sources;
    /// `ln1.hook_normalized`: what attention reads.
    Ln1Normalized = "ln1.hook_normalized", [Batch, Position, DModel], Attention, Sources;
    /// `attn.hook_q`: queries.
    Q = "attn.hook_q", [Batch, Position, Head, DHead], Attention, Queries;
    /// `attn.hook_k`: keys.
    K = "attn.hook_k", [Batch, Position, Head, DHead], Attention, Sources;
    /// `attn.hook_v`: values.
    V = "attn.hook_v", [Batch, Position, Head, DHead], Attention, Sources;
    /// `attn.hook_attn_scores`: scaled and masked scores before the softmax.
    AttnScores = "attn.hook_attn_scores", [Batch, Head, Position, Source], Attention, Queries;
    /// `attn.hook_pattern`: attention weights.
    Pattern = "attn.hook_pattern", [Batch, Head, Position, Source], Attention, Queries;
    /// `attn.hook_z`: attention-weighted values, each head's output before `W_O`.
    Z = "attn.hook_z", [Batch, Position, Head, DHead], Attention, Queries;
    /// `hook_attn_out`: what attention adds to the residual stream.
    AttnOut = "hook_attn_out", [Batch, Position, DModel], Attention, Queries;
    /// `hook_resid_mid`: the residual stream between attention and MLP.
    ResidMid = "hook_resid_mid", [Batch, Position, DModel], Mlp, Queries;
    /// `ln2.hook_scale`: the divisor of the LayerNorm before the MLP.
    Ln2Scale = "ln2.hook_scale", [Batch, Position, One], Mlp, Queries;
    /// `ln2.hook_normalized`: what the MLP reads.
    Ln2Normalized = "ln2.hook_normalized", [Batch, Position, DModel], Mlp, Queries;
    /// `mlp.hook_pre`: neurons before the activation function.
    MlpPre = "mlp.hook_pre", [Batch, Position, Neuron], Mlp, Queries;
    /// `mlp.hook_post`: neurons after it.
    MlpPost = "mlp.hook_post", [Batch, Position, Neuron], Mlp, Queries;
    /// `hook_mlp_out`: what the MLP adds to the residual stream.
    MlpOut = "hook_mlp_out", [Batch, Position, DModel], Mlp, Queries;
    /// `hook_resid_post`: the residual stream after the layer.
    ResidPost = "hook_resid_post", [Batch, Position, DModel], Next, Queries;
}

impl Site {
    /// Every site of a model of `n_layers` layers, in the order in which the forward pass reaches them.
    pub fn all(n_layers: usize) -> impl Iterator<Item = Site> {
        let blocks =
            (0..n_layers).flat_map(|layer| BlockSite::ALL.iter().map(move |&site| Site::Block(layer, site)));
        [Site::Embed, Site::PosEmbed]
            .into_iter()
            .chain(blocks)
            .chain([Site::FinalScale, Site::FinalNormalized])
    }

    /// The axes of the activation, outermost first.
    pub(crate) fn axes(self) -> &'static [ActivationAxis] {
        use ActivationAxis::{Batch, DModel, One, Position};
        match self {
            Site::Embed | Site::PosEmbed | Site::FinalNormalized => &[Batch, Position, DModel],
            Site::FinalScale => &[Batch, Position, One],
            Site::Block(_, site) => site.axes(),
        }
    }

    /// Whether the activation has this axis.
    pub(crate) fn has(self, axis: ActivationAxis) -> bool {
        self.axes().contains(&axis)
    }

    /// The stage that reaches it. The residual stream between two stages belongs to the later one.
    pub fn stage(self, n_layers: usize) -> Stage {
        match self {
            Site::Embed | Site::PosEmbed => Stage::Embed,
            Site::FinalScale | Site::FinalNormalized => Stage::Final,
            Site::Block(layer, site) => match site.half() {
                Half::Attention => Stage::Attention(layer),
                Half::Mlp => Stage::Mlp(layer),
                Half::Next if layer + 1 < n_layers => Stage::Attention(layer + 1),
                Half::Next => Stage::Final,
            },
        }
    }

    /// Whether the logits after a prompt's last token depend on the activation at that token alone. `attending` counts the
    /// layers from the first to the last one whose attention moves anything: all, unless later ones are frozen.
    pub fn only_last(self, attending: usize) -> bool {
        match self {
            Site::Embed | Site::PosEmbed => attending == 0,
            Site::FinalScale | Site::FinalNormalized => true,
            Site::Block(layer, site) => {
                layer >= attending || (layer + 1 == attending && site.needed() == Needed::Queries)
            }
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Site::Embed => f.write_str("hook_embed"),
            Site::PosEmbed => f.write_str("hook_pos_embed"),
            Site::FinalScale => f.write_str("ln_final.hook_scale"),
            Site::FinalNormalized => f.write_str("ln_final.hook_normalized"),
            Site::Block(layer, site) => write!(f, "blocks.{layer}.{}", site.name()),
        }
    }
}

impl FromStr for Site {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownSite(name.to_owned());
        match name {
            "hook_embed" => return Ok(Site::Embed),
            "hook_pos_embed" => return Ok(Site::PosEmbed),
            "ln_final.hook_scale" => return Ok(Site::FinalScale),
            "ln_final.hook_normalized" => return Ok(Site::FinalNormalized),
            _ => {}
        }
        let (layer, rest) =
            name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')).ok_or_else(unknown)?;
        let layer = layer.parse().map_err(|_| unknown())?;
        let site = *BlockSite::ALL.iter().find(|site| site.name() == rest).ok_or_else(unknown)?;
        Ok(Site::Block(layer, site))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back() {
        for site in Site::all(3) {
            assert_eq!(site.to_string().parse::<Site>().ok(), Some(site));
        }
        assert_eq!(Site::Block(7, BlockSite::Z).to_string(), "blocks.7.attn.hook_z");
    }

    #[test]
    fn stages_are_in_the_order_of_the_pass() {
        let stages: Vec<Stage> = Stage::all(3).collect();
        assert!(stages.is_sorted());
        let reached: Vec<Stage> = Site::all(3).map(|site| site.stage(3)).collect();
        assert!(reached.is_sorted(), "{reached:?}");
        assert!(stages.iter().all(|stage| reached.contains(stage)));
    }

    #[test]
    fn foreign_names_are_refused() {
        for name in ["", "blocks.x.attn.hook_z", "blocks.1.attn.hook_zz", "blocks.1", "attn.hook_z"] {
            assert!(name.parse::<Site>().is_err(), "{name}");
        }
    }
}
