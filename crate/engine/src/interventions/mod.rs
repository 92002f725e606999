//! Interventions on a forward pass, as data: where, what and how. A list of them is activation patching, ablation, noising,
//! steering, or several at once; none of these has an engine of its own.
//!
//! [`run`] is the definition: one full forward pass in which the whole list acts. [`sweep`] gives the same numbers for many
//! lists, without computing what they leave unchanged.
//!
//! The document that people write is described in docs/interventions.md. Names are TransformerLens's.

mod batch;
mod captured;
mod changes;
mod chunks;
pub mod edges;
mod frozen;
pub(crate) mod held;
mod pass;
mod plain;
mod shortcuts;
pub mod sweep;
mod threads;
mod values;
mod window;

use std::ops::Range;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::model::Config;
use crate::site::{ActivationAxis, Site};

pub use plain::{Scene, run};
pub use shortcuts::Shortcut;

/// One intervention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervention {
    /// The hook point.
    #[serde(serialize_with = "write_site", deserialize_with = "read_site")]
    pub site: Site,
    /// The head, where the site has heads. None: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<usize>,
    /// The neuron, where the site has neurons. None: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neuron: Option<usize>,
    /// The positions; of attention scores and patterns, the destinations.
    #[serde(default)]
    pub position: Positions,
    /// The source position of attention scores and patterns. None: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<usize>,
    /// What happens to the activation there.
    pub effect: Effect,
}

/// Which positions of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Positions {
    /// All of them.
    #[default]
    All,
    /// Each prompt's last.
    Last,
    /// One, counted from 0.
    At(usize),
    /// Some next to each other: the first, and how many.
    Span(usize, usize),
    /// Where each column of a map says. To be placed before it is run ([`Intervention::placed`]).
    Here,
}

/// What happens to an activation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It becomes the value.
    Replace(Value),
    /// The value is added, so many times.
    Add(Addend),
    /// It is multiplied by the number.
    Scale(f64),
}

/// What is added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addend {
    /// The direction, or another value.
    pub value: Value,
    /// How many times it is added.
    #[serde(default = "once")]
    pub factor: f64,
}

fn once() -> f64 {
    1.0
}

/// Where an activation comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// The other run's, at the same place: the clean run's when the corrupted run is intervened on.
    Other,
    /// The run's own without any intervention: what it is frozen at.
    Own,
    /// Zeros.
    Zero,
    /// The mean over a set of prompts, at each position.
    Mean(PromptSet),
    /// Another prompt's, at the same position.
    Prompt(String),
    /// What it is in the base run with these interventions: the second step of path patching.
    Run(Vec<Intervention>),
    /// These numbers, the same at every position: one for each component of the slice.
    Tensor(Vec<f32>),
}

/// A set of prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptSet {
    /// The clean prompts of the group.
    Clean,
    /// The corrupted prompts of the group.
    Corrupted,
    /// The clean prompts of another group, by index.
    Group(usize),
}

impl Positions {
    /// These.
    pub fn of(span: &Range<usize>) -> Self {
        if span.len() == 1 { Positions::At(span.start) } else { Positions::Span(span.start, span.len()) }
    }

    /// The positions, if they are the same in every prompt and not all.
    fn span(self) -> Option<Range<usize>> {
        match self {
            Positions::At(position) => Some(position..position + 1),
            Positions::Span(first, count) => Some(first..first + count),
            Positions::All | Positions::Last | Positions::Here => None,
        }
    }
}

/// [`Positions::Span`] in a document.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    first: usize,
    count: usize,
}

impl Serialize for Positions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Positions::All => serializer.serialize_str("all"),
            Positions::Last => serializer.serialize_str("last"),
            Positions::At(position) => serializer.serialize_u64(*position as u64),
            Positions::Span(first, count) => Span { first: *first, count: *count }.serialize(serializer),
            Positions::Here => serializer.serialize_str("here"),
        }
    }
}

impl<'de> Deserialize<'de> for Positions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match (value.as_str(), value.as_u64()) {
            (Some("all"), _) => Ok(Positions::All),
            (Some("last"), _) => Ok(Positions::Last),
            (_, Some(position)) => Ok(Positions::At(position as usize)),
            _ => match Span::deserialize(&value) {
                Ok(Span { first, count }) if count > 0 => Ok(Positions::Span(first, count)),
                _ => Err(D::Error::custom(format!(
                    "`position` is {value}, and must be `all`, `last`, a number or {{\"first\": 3, \"count\": 2}}"
                ))),
            },
        }
    }
}

fn write_site<S: Serializer>(site: &Site, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&site.to_string())
}

fn read_site<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Site, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

impl Intervention {
    /// A patch: the other run's activation at a place. `index` is the head or neuron where the site has some, and `None` all
    /// of them; without a position it acts at all.
    pub fn patch(site: Site, index: Option<usize>, position: Option<usize>) -> Self {
        let index = |axis| index.filter(|_| site.has(axis));
        Self {
            site,
            head: index(ActivationAxis::Head),
            neuron: index(ActivationAxis::Neuron),
            position: position.map_or(Positions::All, Positions::At),
            source: None,
            effect: Effect::Replace(Value::Other),
        }
    }

    /// The same at these positions, where it and the runs that its value comes from say [`Positions::Here`].
    #[must_use]
    pub fn placed(&self, positions: Positions) -> Self {
        let mut placed = self.clone();
        if placed.position == Positions::Here {
            placed.position = positions;
        }
        if let Effect::Replace(Value::Run(list)) = &mut placed.effect {
            *list = list.iter().map(|one| one.placed(positions)).collect();
        }
        placed
    }

    /// Reads a patch as [`Self::place`] writes it: `blocks.7.attn.hook_z[head 11, position 3]`, also `head=11`.
    ///
    /// # Errors
    /// [`Error::UnknownSite`].
    pub fn read_patch(text: &str) -> Result<Self> {
        let unknown = || Error::UnknownSite(text.to_owned());
        let (site, parts) = match text.split_once('[') {
            Some((site, rest)) => (site, rest.trim_end().strip_suffix(']').ok_or_else(unknown)?),
            None => (text, ""),
        };
        let mut patch = Self::patch(site.trim().parse().map_err(|_| unknown())?, None, None);
        for part in parts.split(',').map(str::trim).filter(|part| !matches!(*part, "" | "all")) {
            let (word, index) = part.split_once([' ', '=']).ok_or_else(unknown)?;
            let index = index.trim();
            let number = || index.parse::<usize>().map_err(|_| unknown());
            match word.trim() {
                "head" => patch.head = Some(number()?),
                "neuron" => patch.neuron = Some(number()?),
                "source" => patch.source = Some(number()?),
                "position" if index == "last" => patch.position = Positions::Last,
                "position" => patch.position = Positions::At(number()?),
                "positions" => {
                    let (first, last) = index.split_once('-').ok_or_else(unknown)?;
                    let (first, last) = (first.parse::<usize>(), last.parse::<usize>());
                    let (first, last) = first.ok().zip(last.ok()).ok_or_else(unknown)?;
                    let count =
                        (last + 1).checked_sub(first).filter(|&count| count > 0).ok_or_else(unknown)?;
                    patch.position = Positions::Span(first, count);
                }
                _ => return Err(unknown()),
            }
        }
        Ok(patch)
    }

    /// Where it acts: the hook point, then the part of it, `blocks.7.attn.hook_z[head 11, position 3]`.
    pub fn place(&self) -> String {
        let part = |word: &str, index: Option<usize>| index.map(|index| format!("{word} {index}"));
        let position = match self.position {
            Positions::All => None,
            Positions::Last => Some("position last".to_owned()),
            Positions::At(position) => Some(format!("position {position}")),
            Positions::Span(first, count) => Some(format!("positions {first}-{}", first + count - 1)),
            Positions::Here => Some("position here".to_owned()),
        };
        let parts =
            [part("head", self.head), part("neuron", self.neuron), position, part("source", self.source)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!("{}[{}]", self.site, if parts.is_empty() { "all".to_owned() } else { parts.join(", ") })
    }

    /// Reads a list of interventions.
    ///
    /// # Errors
    /// [`Error::Intervention`].
    pub fn list(json: &str) -> Result<Vec<Self>> {
        serde_json::from_str(json).map_err(|error| {
            Error::Intervention(format!("{error}. A list looks like {EXAMPLE} (docs/interventions.md)."))
        })
    }

    /// Where its value comes from. None: it needs none.
    pub fn value(&self) -> Option<&Value> {
        match &self.effect {
            Effect::Replace(value) | Effect::Add(Addend { value, .. }) => Some(value),
            Effect::Scale(_) => None,
        }
    }

    /// The hook points that it needs recorded: its own, and those of the run that its value comes from.
    pub fn sites(&self) -> Vec<Site> {
        let within = match self.value() {
            Some(Value::Run(list)) => list.as_slice(),
            _ => &[],
        };
        [self.site].into_iter().chain(within.iter().flat_map(Self::sites)).collect()
    }

    /// Whether its value is that of its slice alone, and not of the whole activation.
    fn is_of_slice(&self) -> bool {
        matches!(self.value(), Some(Value::Tensor(_) | Value::Run(_)))
    }

    /// Whether one value serves both.
    fn shares_value_with(&self, other: &Self) -> bool {
        let part = |one: &Self| (one.head, one.neuron, one.source);
        self.site == other.site
            && (!self.is_of_slice() || part(self) == part(other))
            && self.value() == other.value()
    }

    /// Which indices along an axis of the activation it acts on; of prompts and positions, all.
    fn range(&self, axis: ActivationAxis, config: &Config, positions: usize) -> Range<usize> {
        let chosen = |index: Option<usize>, size: usize| index.map_or(0..size, |index| index..index + 1);
        match axis {
            ActivationAxis::Batch | ActivationAxis::One => 0..1,
            ActivationAxis::Position => 0..positions,
            ActivationAxis::Source => chosen(self.source, positions),
            ActivationAxis::Head => chosen(self.head, config.n_heads),
            ActivationAxis::Neuron => chosen(self.neuron, config.d_mlp),
            ActivationAxis::DModel => 0..config.d_model,
            ActivationAxis::DHead => 0..config.d_head,
        }
    }

    /// Bytes of its value, if that is of its slice, on so many prompts and positions.
    fn bytes(&self, config: &Config, prompts: usize, positions: usize) -> u64 {
        let size = |axis: &ActivationAxis| match axis {
            ActivationAxis::Batch => prompts,
            axis => self.range(*axis, config, positions).len(),
        };
        4 * self.site.axes().iter().map(size).product::<usize>() as u64
    }

    /// Checks that it exists in a model of this size, on prompts of `positions` tokens.
    ///
    /// # Errors
    /// [`Error::Intervention`] if not: an intervention that never acts would look like one without an effect.
    pub fn check(&self, config: &Config, positions: usize) -> Result<()> {
        let refused = |what: String| Err(Error::Intervention(format!("{}: {what}", self.site)));
        if let Site::Block(layer, _) = self.site
            && layer >= config.n_layers
        {
            return refused(format!("the model has layers 0 to {}", config.n_layers - 1));
        }
        for (name, index, axis, count) in [
            ("head", self.head, ActivationAxis::Head, config.n_heads),
            ("neuron", self.neuron, ActivationAxis::Neuron, config.d_mlp),
            ("source", self.source, ActivationAxis::Source, positions),
        ] {
            let Some(index) = index else { continue };
            if !self.site.has(axis) {
                return refused(format!("this hook point has no `{name}`"));
            }
            if index >= count {
                return refused(format!("`{name}` is {index}, and must be below {count}"));
            }
        }
        if self.position == Positions::Here {
            return refused("it has not been placed yet".to_owned());
        }
        match self.position.span() {
            Some(span) if span.end > positions => {
                let last = span.end - 1;
                refused(format!("`position` is {last}, and the longest prompt has {positions} tokens"))
            }
            _ => match self.value() {
                Some(Value::Run(list)) => list.iter().try_for_each(|one| one.check(config, positions)),
                _ => Ok(()),
            },
        }
    }
}

/// A list, as an example.
pub const EXAMPLE: &str = r#"[{ "site": "blocks.0.attn.hook_z", "head": 0, "position": "last", "effect": { "replace": "other" } }]"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_back_as_written() {
        let text = r#"[{"site":"blocks.7.attn.hook_z","head":11,"position":"last","effect":{"replace":"zero"}},
            {"site":"blocks.2.mlp.hook_post","neuron":3,"position":4,"effect":{"replace":{"mean":{"group":1}}}},
            {"site":"blocks.2.hook_resid_post","position":"all","effect":{"add":{"value":{"tensor":[1.0,2.5]},"factor":3.0}}},
            {"site":"blocks.1.attn.hook_pattern","head":0,"position":5,"source":2,"effect":{"scale":0.5}},
            {"site":"blocks.1.hook_attn_out","position":{"first":2,"count":3},"effect":{"replace":{"prompt":"Some text"}}},
            {"site":"blocks.1.attn.hook_q","head":1,"position":"all","effect":{"replace":{"run":[{"site":"blocks.0.hook_mlp_out","position":"all","effect":{"replace":"zero"}}]}}}]"#;
        let list = Intervention::list(text).expect("a list");
        let written = serde_json::to_string(&list).expect("JSON");
        assert_eq!(Intervention::list(&written).expect("a list"), list);
        let compact: String = text.split('\n').map(str::trim).collect();
        assert_eq!(written, compact);
        assert_eq!(Intervention::list(EXAMPLE).expect("the example").len(), 1);
    }

    #[test]
    fn patches_read_back_as_written() {
        for text in [
            "blocks.7.attn.hook_z[head 11, position 3]",
            "blocks.7.mlp.hook_post[neuron 2744]",
            "blocks.7.hook_resid_pre[all]",
            "blocks.7.attn.hook_pattern[head 0, position last, source 2]",
            "blocks.7.attn.hook_z[head 1, positions 3-5]",
        ] {
            assert_eq!(Intervention::read_patch(text).expect(text).place(), text);
        }
        let z = Site::Block(7, crate::site::BlockSite::Z);
        let read = Intervention::read_patch("blocks.7.attn.hook_z[head=11]").expect("a patch");
        assert_eq!(read, Intervention::patch(z, Some(11), None));
        for text in [
            "",
            "blocks.7.attn.hook_z[head]",
            "blocks.7.attn.hook_z[head 1",
            "blocks.7.attn.hook_z[x 1]",
            "blocks.7.attn.hook_z[position end]",
            "blocks.7.attn.hook_z[positions 5-3]",
        ] {
            assert!(Intervention::read_patch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, said) in [
            ("", "EOF"),
            (r#"[{"site":"blocks.0.hook_resid","effect":{"scale":1}}]"#, "blocks.0.hook_resid"),
            (r#"[{"site":"hook_embed","effect":{"scale":1},"layer":1}]"#, "layer"),
            (r#"[{"site":"hook_embed","position":"first","effect":{"scale":1}}]"#, "last"),
            (r#"[{"site":"hook_embed","effect":{"replace":"nothing"}}]"#, "other"),
        ] {
            let error = Intervention::list(text).expect_err(text).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
