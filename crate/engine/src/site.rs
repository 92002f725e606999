//! TransformerLens's hook points, as a type.
//!
//! A [`Site`] prints and parses TransformerLens's name (`blocks.7.attn.hook_z`) and knows the axes of the
//! activation there, so that recording and patching never handle dotted strings.

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

/// The hook points of a layer, one row each, in the order in which the forward pass reaches them. Everything
/// known about one is in its row. `joins N`: the sweeps can patch it, and the patch joins the residual stream
/// N half layers after the layer's beginning.
macro_rules! block_sites {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal, [$($axis:ident),+] $(, joins $stage:literal)?;)+) => {
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

            /// The half layer, counted from the layer's first, before which a patch here joins the residual
            /// stream. None if the sweeps cannot patch here.
            pub fn joins(self) -> Option<usize> {
                match self {
                    $(BlockSite::$variant => [$($stage,)?].first().copied(),)+
                }
            }
        }
    };
}

block_sites! {
    /// `hook_resid_pre`: the residual stream before the layer.
    ResidPre = "hook_resid_pre", [Batch, Position, DModel], joins 0;
    /// `ln1.hook_scale`: the divisor of the LayerNorm before attention.
    Ln1Scale = "ln1.hook_scale", [Batch, Position, One];
    /// `ln1.hook_normalized`: what attention reads.
    Ln1Normalized = "ln1.hook_normalized", [Batch, Position, DModel];
    /// `attn.hook_q`: queries.
    Q = "attn.hook_q", [Batch, Position, Head, DHead], joins 1;
    /// `attn.hook_k`: keys.
    K = "attn.hook_k", [Batch, Position, Head, DHead], joins 1;
    /// `attn.hook_v`: values.
    V = "attn.hook_v", [Batch, Position, Head, DHead], joins 1;
    /// `attn.hook_attn_scores`: scaled and masked scores before the softmax.
    AttnScores = "attn.hook_attn_scores", [Batch, Head, Position, Source];
    /// `attn.hook_pattern`: attention weights.
    Pattern = "attn.hook_pattern", [Batch, Head, Position, Source], joins 1;
    /// `attn.hook_z`: attention-weighted values, each head's output before `W_O`.
    Z = "attn.hook_z", [Batch, Position, Head, DHead], joins 1;
    /// `hook_attn_out`: what attention adds to the residual stream.
    AttnOut = "hook_attn_out", [Batch, Position, DModel], joins 1;
    /// `hook_resid_mid`: the residual stream between attention and MLP.
    ResidMid = "hook_resid_mid", [Batch, Position, DModel], joins 1;
    /// `ln2.hook_scale`: the divisor of the LayerNorm before the MLP.
    Ln2Scale = "ln2.hook_scale", [Batch, Position, One];
    /// `ln2.hook_normalized`: what the MLP reads.
    Ln2Normalized = "ln2.hook_normalized", [Batch, Position, DModel];
    /// `mlp.hook_pre`: neurons before the activation function.
    MlpPre = "mlp.hook_pre", [Batch, Position, Neuron];
    /// `mlp.hook_post`: neurons after it.
    MlpPost = "mlp.hook_post", [Batch, Position, Neuron], joins 2;
    /// `hook_mlp_out`: what the MLP adds to the residual stream.
    MlpOut = "hook_mlp_out", [Batch, Position, DModel], joins 2;
    /// `hook_resid_post`: the residual stream after the layer.
    ResidPost = "hook_resid_post", [Batch, Position, DModel], joins 2;
}

impl BlockSite {
    /// The hook points that the sweeps can patch.
    pub fn patchable() -> impl Iterator<Item = BlockSite> {
        BlockSite::ALL.iter().copied().filter(|site| site.joins().is_some())
    }
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
    fn foreign_names_are_refused() {
        for name in ["", "blocks.x.attn.hook_z", "blocks.1.attn.hook_zz", "blocks.1", "attn.hook_z"] {
            assert!(name.parse::<Site>().is_err(), "{name}");
        }
    }
}
