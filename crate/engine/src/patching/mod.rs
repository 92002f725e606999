//! Activation patching: a run in which one activation is replaced by another run's (Meng et al. 2022,
//! TransformerLens's `patching`), for many activations.
//!
//! [`plain`] is the definition: one full forward pass per patch. [`sweep`] gives the same numbers without
//! recomputing what a patch leaves unchanged; the patching maps use it:
//!
//! - a patch at layer l changes nothing before it, so the pass starts from the base run's recorded residual
//!   stream;
//! - attention is causal, so the pass starts at the patch's position, or at the first one where the prompts
//!   differ, with the base run's keys and values for the positions before;
//! - a patch before the first position where clean and corrupted differ changes nothing and is not run;
//! - in the last layer only the last position has a query, and only answer and distractor are unembedded;
//! - many patches share one pass, cut into chunks that fit a memory budget, with one read-back per chunk.
//!
//! None of this is an approximation. `tests/patching.rs` compares the two on random models, prompts and
//! sites.

mod patch_batch;
mod patched_residual;
pub mod plain;
mod rank_one;
pub mod sweep;
mod threads;

use crate::error::{Error, Result};
use crate::interventions::{Effect, Intervention, Positions, Value};
use crate::model::Config;
use crate::runs::{Run, Runs};
use crate::site::{ActivationAxis, BlockSite, Site};

/// One patch: which activation is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Patch {
    /// The hook point within the layer.
    pub site: BlockSite,
    /// The layer.
    pub layer: usize,
    /// Index of the head or neuron; Some exactly at sites that have heads or neurons.
    pub head_or_neuron: Option<usize>,
    /// The position; for a pattern, the destination. None: all positions.
    pub position: Option<usize>,
}

/// Which run is patched, and with which run's activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Direction {
    /// Denoising, clean activations into the corrupted run: what is sufficient to restore the behaviour?
    Denoise,
    /// Noising, corrupted activations into the clean run: what is necessary for it?
    Noise,
}

impl Direction {
    /// The run that is patched, and the run that the activations come from.
    pub(crate) fn base_and_source<'r>(self, runs: &'r Runs<'_>) -> (&'r Run, &'r Run) {
        match self {
            Direction::Denoise => (&runs.corrupted, &runs.clean),
            Direction::Noise => (&runs.clean, &runs.corrupted),
        }
    }
}

impl Patch {
    /// The hook point.
    pub fn at(&self) -> Site {
        Site::Block(self.layer, self.site)
    }

    /// Checks that the patch exists in a model of this size, on prompts of `positions` tokens.
    ///
    /// # Errors
    /// [`Error::PatchUnfired`] if not: a patch that never fires would look like one without an effect.
    pub fn check(&self, config: &Config, positions: usize) -> Result<()> {
        let count = match self.at().axes() {
            axes if axes.contains(&ActivationAxis::Head) => Some(config.n_heads),
            axes if axes.contains(&ActivationAxis::Neuron) => Some(config.d_mlp),
            _ => None,
        };
        let index_fits = match (self.head_or_neuron, count) {
            (Some(index), Some(count)) => index < count,
            (None, None) => true,
            _ => false,
        };
        let fits = self.site.joins().is_some()
            && self.layer < config.n_layers
            && index_fits
            && self.position.is_none_or(|position| position < positions);
        if fits { Ok(()) } else { Err(Error::PatchUnfired(self.to_string())) }
    }

    /// The half layer before which the patch joins the residual stream: `2 l` before layer l's attention,
    /// `2 l + 1` before its MLP, `2 n_layers` after the last layer. Only for patches that passed
    /// [`Self::check`].
    fn stage(&self) -> usize {
        2 * self.layer + self.site.joins().unwrap_or_default()
    }
}

impl From<Patch> for Intervention {
    /// The other run's activation at the patch's place.
    fn from(patch: Patch) -> Self {
        let has = |axis| patch.at().axes().contains(&axis);
        let index = |axis| if has(axis) { patch.head_or_neuron } else { None };
        Self {
            site: patch.at(),
            head: index(ActivationAxis::Head),
            neuron: index(ActivationAxis::Neuron),
            position: patch.position.map_or(Positions::All, Positions::At),
            source: None,
            effect: Effect::Replace(Value::Other),
        }
    }
}

impl std::str::FromStr for Patch {
    type Err = Error;

    /// Parses what [`Patch`]'s `Display` writes; words in the brackets may also be written `head=11`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownSite(text.to_owned());
        let (site, parts) = match text.split_once('[') {
            Some((site, rest)) => (site, rest.trim_end().strip_suffix(']').ok_or_else(unknown)?),
            None => (text, ""),
        };
        let Site::Block(layer, site) = site.trim().parse()? else { return Err(unknown()) };
        let mut patch = Patch { site, layer, head_or_neuron: None, position: None };
        for part in parts.split(',').map(str::trim).filter(|part| !matches!(*part, "" | "all")) {
            let (word, number) = part.split_once([' ', '=']).ok_or_else(unknown)?;
            let number = number.trim().parse().map_err(|_| unknown())?;
            match word.trim() {
                "head" | "neuron" => patch.head_or_neuron = Some(number),
                "position" => patch.position = Some(number),
                _ => return Err(unknown()),
            }
        }
        Ok(patch)
    }
}

impl std::fmt::Display for Patch {
    /// TransformerLens's name of the hook point, then the slice: `blocks.7.attn.hook_z[head 11, position 3]`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = if self.site == BlockSite::MlpPost { "neuron" } else { "head" };
        let index = self.head_or_neuron.map(|index| format!("{word} {index}"));
        let position = self.position.map(|position| format!("position {position}"));
        let parts: Vec<String> = index.into_iter().chain(position).collect();
        write!(f, "{}[{}]", self.at(), if parts.is_empty() { "all".to_owned() } else { parts.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_read_back_as_written() {
        let patch = |site, head_or_neuron, position| Patch { site, layer: 7, head_or_neuron, position };
        for (patch, text) in [
            (patch(BlockSite::Z, Some(11), Some(3)), "blocks.7.attn.hook_z[head 11, position 3]"),
            (patch(BlockSite::MlpPost, Some(2744), None), "blocks.7.mlp.hook_post[neuron 2744]"),
            (patch(BlockSite::ResidPre, None, None), "blocks.7.hook_resid_pre[all]"),
        ] {
            assert_eq!(patch.to_string(), text);
            assert_eq!(text.parse::<Patch>().ok(), Some(patch));
        }
        for text in [
            "",
            "hook_embed",
            "blocks.7.attn.hook_z[head]",
            "blocks.7.attn.hook_z[head 1",
            "blocks.7.attn.hook_z[x 1]",
        ] {
            assert!(text.parse::<Patch>().is_err(), "{text}");
        }
    }

    #[test]
    fn patches_that_a_model_does_not_have_are_refused() {
        let config = Config {
            n_layers: 2,
            n_heads: 3,
            d_model: 6,
            d_head: 2,
            d_mlp: 8,
            d_vocab: 10,
            n_ctx: 9,
            eps: 1e-5,
            tied: true,
        };
        let check = |text: &str| text.parse::<Patch>().and_then(|patch| patch.check(&config, 5));
        assert!(check("blocks.1.attn.hook_z[head 2, position 4]").is_ok());
        assert!(check("blocks.0.mlp.hook_post[neuron 7]").is_ok());
        for text in [
            "blocks.2.attn.hook_z[head 0]",
            "blocks.0.attn.hook_z[head 3]",
            "blocks.0.attn.hook_z[position 1]",
            "blocks.0.attn.hook_z[head 0, position 5]",
            "blocks.0.mlp.hook_post[neuron 8]",
            "blocks.0.hook_resid_pre[head 1]",
            "blocks.0.attn.hook_attn_scores[head 1]",
        ] {
            assert!(matches!(check(text), Err(Error::PatchUnfired(_))), "{text}");
        }
    }
}
