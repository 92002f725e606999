//! What lists change in the base run, decided by comparing the values with it, not by comparing tokens. All comparisons of a
//! sweep are read back together.

use patchlab_kernels::Tensor;

use super::frozen;
use super::values::Values;
use super::{Effect, Intervention, Positions, Scene, Value};
use crate::error::Result;
use crate::model::hooks::Rank as _;
use crate::model::{Activation, Config};
use crate::readback::Reads;
use crate::site::{ActivationAxis, BlockSite, Site, Stage};

/// What a list changes. Before it the run is the base run, bit for bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach {
    /// The first stage that it changes.
    pub stage: Stage,
    /// The first position that it changes.
    pub start: usize,
    /// The prompts that it changes, by index.
    pub prompts: Vec<usize>,
}

/// What is wanted of the run that a list makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needed {
    /// What it leaves at each prompt's last position.
    Last,
    /// Activations at any position.
    Everywhere,
}

/// Where an intervention changes the base run's activation: by prompt, position and, where there are heads, head.
struct Changed {
    flags: Vec<bool>,
    positions: usize,
    heads: usize,
    by_head_first: bool,
}

impl Changed {
    fn at(&self, prompt: usize, position: usize, head: usize) -> bool {
        let head = if self.heads == 1 { 0 } else { head };
        let Self { positions, heads, .. } = *self;
        self.flags[if self.by_head_first {
            (prompt * heads + head) * positions + position
        } else {
            (prompt * positions + position) * heads + head
        }]
    }
}

/// The reach of each list; None for those that change nothing that is needed.
///
/// # Errors
/// [`crate::Error::Intervention`] for a list that cannot act, [`crate::Error::Compute`].
pub(super) async fn reaches(
    scene: &Scene<'_>,
    values: &Values<'_>,
    lists: &[Vec<Intervention>],
    needed: Needed,
) -> Result<Vec<Option<Reach>>> {
    // Interventions that differ only in what part of an activation they act on are compared together.
    let mut kinds: Vec<&Intervention> = Vec::new();
    let mut kind_of: Vec<Vec<Option<usize>>> = Vec::new();
    let mut last = 0;
    for list in lists {
        let mut own = Vec::new();
        for one in list {
            if one.effect == Effect::Replace(Value::Own) {
                own.push(None); // it changes nothing in the base run
                continue;
            }
            if kinds.get(last).is_none_or(|kind| !together(kind, one)) {
                last = kinds.iter().position(|kind| together(kind, one)).unwrap_or(kinds.len());
                if last == kinds.len() {
                    kinds.push(one);
                }
            }
            own.push(Some(last));
        }
        kind_of.push(own);
    }
    let mut reads = Reads::default();
    let mut changed = Vec::new();
    for kind in &kinds {
        let (flags, sizes) = compare(scene, values, kind)?;
        reads = reads.with(flags);
        changed.push(sizes);
    }
    for (changed, flags) in changed.iter_mut().zip(reads.fetch().await?) {
        // Written so that NaN counts as a change.
        changed.flags = flags.into_iter().map(|count| !matches!(count, 0.0)).collect();
    }
    let ends = scene.base.batch.ends();
    let reach = |(list, kinds): (&Vec<Intervention>, &Vec<Option<usize>>)| {
        let changed: Vec<Option<&Changed>> = kinds.iter().map(|kind| Some(&changed[(*kind)?])).collect();
        reach(list, &changed, &ends, &scene.model.config, needed)
    };
    Ok(lists.iter().zip(&kind_of).map(reach).collect())
}

/// Whether two interventions can be compared with the base run as one.
fn together(one: &Intervention, other: &Intervention) -> bool {
    one.effect == other.effect && one.shares_value_with(other)
}

/// How many numbers the intervention changes: `[b, p, h]`, `[b, h, p]` or `[b, p, 1]`, and which of these.
fn compare(scene: &Scene<'_>, values: &Values<'_>, one: &Intervention) -> Result<(Tensor<4>, Changed)> {
    let value = values.of(one)?;
    let given = one.is_of_slice();
    let config = &scene.model.config;
    let positions = scene.base.batch.positions();
    let base = scene.base.cache.get(one.site)?.clone();
    let flags = match (base, value) {
        (Activation::Three(base), value) => {
            let mut range = base.dims().map(|size| 0..size);
            if given && one.site.has(ActivationAxis::Neuron) {
                range[2] = one.range(ActivationAxis::Neuron, config, positions);
            }
            let value = value.and_then(|value| Activation::unwrap(&value));
            differing(base.slice(range), value, one).sum_dim(2).unsqueeze() // [1, b, p, 1]
        }
        (Activation::Four(base), value) => {
            let mut range = base.dims().map(|size| 0..size);
            if given {
                for (axis, range) in one.site.axes().iter().zip(&mut range) {
                    if matches!(axis, ActivationAxis::Head | ActivationAxis::Source) {
                        *range = one.range(*axis, config, positions);
                    }
                }
            }
            let value = value.and_then(|value| Activation::unwrap(&value));
            differing(base.slice(range), value, one).sum_dim(3) // [b, p, h, 1] or [b, h, p, 1]
        }
    };
    let by_head_first = one.site.has(ActivationAxis::Source);
    let heads = match flags.dims() {
        _ if !one.site.has(ActivationAxis::Head) => 1,
        [_, heads, ..] if by_head_first => heads,
        [_, _, heads, _] => heads,
    };
    Ok((flags, Changed { flags: Vec::new(), positions, heads, by_head_first }))
}

/// 1 where the intervention changes the base run's activation.
fn differing<const D: usize>(base: Tensor<D>, value: Option<Tensor<D>>, one: &Intervention) -> Tensor<D> {
    let changed = one.applied(base.clone(), value);
    base.differs(changed)
}

/// What a list changes of what is needed.
fn reach(
    list: &[Intervention],
    changed: &[Option<&Changed>],
    ends: &[usize],
    config: &Config,
    needed: Needed,
) -> Option<Reach> {
    let layers = config.n_layers;
    let attending = frozen::attending(list, layers);
    // What stands after a prompt's last token is not attended to, unless patterns themselves are changed.
    let causal = list.len() == 1
        || !list
            .iter()
            .any(|one| matches!(one.site, Site::Block(_, BlockSite::AttnScores | BlockSite::Pattern)));
    let mut reach: Option<Reach> = None;
    for (prompt, &end) in ends.iter().enumerate() {
        let first_of = |(one, changed): (&Intervention, &Option<&Changed>)| {
            let changed = (*changed)?;
            let all = if one.site.has(ActivationAxis::Head) { config.n_heads } else { 1 };
            let heads = one.head.map_or(0..all, |head| head..head + 1);
            let matters = |position: usize| {
                let only_last = needed == Needed::Last && one.site.only_last(attending);
                if only_last { position == end } else { position <= end || !causal }
            };
            let differs = |position: &usize| {
                matters(*position) && heads.clone().any(|head| changed.at(prompt, *position, head))
            };
            let first = match one.position {
                Positions::Last => Some(end).filter(differs),
                position => position.span().unwrap_or(0..changed.positions).find(differs),
            };
            first.map(|first| (one.site.stage(layers), first))
        };
        let all = list.iter().zip(changed).filter_map(first_of);
        let earliest =
            all.reduce(|(stage, first), (other, position)| (stage.min(other), first.min(position)));
        // A change after the last token comes too late.
        let Some((stage, first)) = earliest.filter(|(_, first)| *first <= end) else { continue };
        let reach = reach.get_or_insert(Reach { stage, start: first, prompts: Vec::new() });
        reach.stage = reach.stage.min(stage);
        reach.start = reach.start.min(first);
        reach.prompts.push(prompt);
    }
    reach
}

impl Intervention {
    /// An activation, or a part of one, after the intervention on all of it. Axes of size 1 are repeated.
    pub(super) fn applied<const D: usize>(&self, base: Tensor<D>, value: Option<Tensor<D>>) -> Tensor<D> {
        match (&self.effect, value) {
            (Effect::Replace(_), Some(value)) => value.expand(base.dims()),
            (Effect::Add(addend), Some(value)) => base + value * addend.factor as f32,
            (Effect::Scale(factor), _) => base * *factor as f32,
            (_, None) => base,
        }
    }
}
