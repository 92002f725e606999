//! From interventions to what hooks do: which numbers, and where in the activation.

use std::ops::Range;

use burn::tensor::TensorData;
use patchlab_kernels::Tensor;

use super::{Addend, Effect, Intervention, Positions, PromptSet, Scene, Value};
use crate::error::{Error, Result};
use crate::model::hooks::{Change, Edit, Rank};
use crate::model::{Activation, Batch, Hooks};
use crate::prompts::PreparedGroup;
use crate::site::{ActivationAxis, Site};

/// What the hooks of a pass do for a list.
///
/// # Errors
/// [`Error::Intervention`] for an intervention that cannot act.
pub(super) async fn edits(scene: &Scene<'_>, list: &[Intervention]) -> Result<Vec<Edit>> {
    let batch = &scene.base.batch;
    let mut edits = Vec::new();
    for one in list {
        one.check(&scene.model.config, batch.positions())?;
        let change = match (&one.effect, one.value()) {
            (Effect::Scale(factor), _) => Change::Scale(*factor as f32),
            (Effect::Replace(_), Some(value)) => Change::Replace(activation(scene, one, value)?),
            (Effect::Add(Addend { factor, .. }), Some(value)) => {
                Change::Add(activation(scene, one, value)?, *factor as f32)
            }
            (_, None) => continue,
        };
        for (prompts, positions) in places(one.position, &batch.ends(), batch.positions()) {
            let range = slice(scene, one, prompts, positions);
            edits.push(Edit { site: one.site, range, change: change.clone() });
        }
    }
    Ok(edits)
}

/// The prompts and positions that are meant: one pair of ranges for each end.
fn places(positions: Positions, ends: &[usize], longest: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let all = 0..ends.len();
    match positions {
        Positions::All => vec![(all, 0..longest)],
        Positions::At(position) => vec![(all, position..position + 1)],
        Positions::Last => {
            let mut places: Vec<(Range<usize>, Range<usize>)> = Vec::new();
            for (prompt, &end) in ends.iter().enumerate() {
                match places.last_mut() {
                    Some((prompts, positions)) if positions.start == end => prompts.end = prompt + 1,
                    _ => places.push((prompt..prompt + 1, end..end + 1)),
                }
            }
            places
        }
    }
}

/// The slice of the activation: one range per axis.
fn slice(
    scene: &Scene<'_>,
    one: &Intervention,
    prompts: Range<usize>,
    positions: Range<usize>,
) -> Vec<Range<usize>> {
    let (config, longest) = (&scene.model.config, scene.base.batch.positions());
    let chosen = |index: Option<usize>, size: usize| index.map_or(0..size, |index| index..index + 1);
    let range = |axis: &ActivationAxis| match axis {
        ActivationAxis::Batch => prompts.clone(),
        ActivationAxis::Position => positions.clone(),
        ActivationAxis::Source => chosen(one.source, longest),
        ActivationAxis::Head => chosen(one.head, config.n_heads),
        ActivationAxis::Neuron => chosen(one.neuron, config.d_mlp),
        ActivationAxis::DModel => 0..config.d_model,
        ActivationAxis::DHead => 0..config.d_head,
        ActivationAxis::One => 0..1,
    };
    one.site.axes().iter().map(range).collect()
}

/// The value as an activation of the site's shape, for every prompt and position.
fn activation(scene: &Scene<'_>, one: &Intervention, value: &Value) -> Result<Activation> {
    let batch = &scene.base.batch;
    let mean = |prompts: Vec<Vec<u32>>| mean(scene, one.site, &prompts);
    match value {
        Value::Other => Ok(scene.other.cache.get(one.site)?.clone()),
        Value::Own => Ok(scene.base.cache.get(one.site)?.clone()),
        Value::Zero => numbers(scene, one, &[0.0]),
        Value::Tensor(given) => numbers(scene, one, given),
        Value::Mean(set) => mean(prompts_of(scene, *set)?),
        Value::Prompt(text) => {
            let known = scene.prompts.iter().find(|(known, _)| known == text);
            let (_, ids) = known.ok_or_else(|| Error::Intervention(format!("{text:?} was not tokenized")))?;
            if ids.len() < batch.positions() {
                return Err(Error::Intervention(format!(
                    "{}: {text:?} has {} tokens, and the prompt has {}. Its activations are taken at the same positions.",
                    one.site,
                    ids.len(),
                    batch.positions()
                )));
            }
            mean(vec![ids[..batch.positions()].to_vec()])
        }
    }
}

/// The prompts of a set.
fn prompts_of(scene: &Scene<'_>, set: PromptSet) -> Result<Vec<Vec<u32>>> {
    let corrupted = set == PromptSet::Corrupted;
    let group: Option<&PreparedGroup> = match set {
        PromptSet::Group(index) => scene.groups.iter().find(|group| group.group == index),
        PromptSet::Clean | PromptSet::Corrupted => scene.groups.first(),
    };
    let group = group.ok_or_else(|| Error::Intervention(format!("{set:?}: there are no such prompts")))?;
    let ids =
        |case: &crate::prompts::PreparedCase| if corrupted { &case.corrupted } else { &case.clean }.clone();
    Ok(group.cases.iter().map(ids).collect())
}

/// The mean activation of some prompts, for every prompt of the base run.
fn mean(scene: &Scene<'_>, site: Site, prompts: &[Vec<u32>]) -> Result<Activation> {
    let positions = scene.base.batch.positions();
    if prompts.iter().any(|prompt| prompt.len() != positions) {
        return Err(Error::Intervention(format!(
            "{site}: the mean is taken at each position, so all prompts must have the {positions} tokens that are run here."
        )));
    }
    let (model, sites) = (scene.model, vec![site]);
    let mut sum: Option<Activation> = None;
    for prompts in prompts.chunks(model.budget.prompts(&model.config, positions, &sites, 1)) {
        let mut hooks = Hooks::new(Some(&sites), &[]);
        model.forward(&Batch::new(prompts)?, &mut hooks)?;
        let some = match hooks.finish()?.get(site)? {
            Activation::Three(x) => Activation::Three(x.clone().sum_dim(0)),
            Activation::Four(x) => Activation::Four(x.clone().sum_dim(0)),
        };
        sum = Some(match (sum, some) {
            (Some(Activation::Three(sum)), Activation::Three(some)) => Activation::Three(sum + some),
            (Some(Activation::Four(sum)), Activation::Four(some)) => Activation::Four(sum + some),
            (_, some) => some,
        });
    }
    let (rows, count) = (scene.base.batch.prompts(), prompts.len() as f32);
    match sum {
        Some(Activation::Three(sum)) => Ok(Activation::Three(for_all(sum / count, rows))),
        Some(Activation::Four(sum)) => Ok(Activation::Four(for_all(sum / count, rows))),
        None => Err(Error::Intervention(format!("{site}: the mean is over no prompts"))),
    }
}

/// `[1, ...] -> [rows, ...]`.
fn for_all<const D: usize>(x: Tensor<D>, rows: usize) -> Tensor<D> {
    let mut shape = x.dims();
    shape[0] = rows;
    x.expand(shape)
}

/// Given numbers, the same at every position. A single one stands for all components.
fn numbers(scene: &Scene<'_>, one: &Intervention, given: &[f32]) -> Result<Activation> {
    let batch = &scene.base.batch;
    let range = slice(scene, one, 0..batch.prompts(), 0..batch.positions());
    let over = |axis: ActivationAxis| matches!(axis, ActivationAxis::Batch | ActivationAxis::Position);
    let sizes: Vec<usize> = range.iter().map(Range::len).collect();
    let axes = one.site.axes();
    let components: usize =
        axes.iter().zip(&sizes).filter(|(axis, _)| !over(**axis)).map(|(_, size)| size).product();
    if given.len() != components && given.len() != 1 {
        return Err(Error::Intervention(format!(
            "{}: `tensor` has {} numbers, and the slice has {components} components",
            one.site,
            given.len()
        )));
    }
    // The slice's numbers at their place in a whole activation; what is around them is not read.
    match axes.len() {
        3 => Ok(Activation::wrap(placed::<3>(scene, one, given, &range)?)),
        _ => Ok(Activation::wrap(placed::<4>(scene, one, given, &range)?)),
    }
}

fn placed<const D: usize>(
    scene: &Scene<'_>,
    one: &Intervention,
    given: &[f32],
    range: &[Range<usize>],
) -> Result<Tensor<D>> {
    let axes = one.site.axes();
    let whole: [usize; D] = std::array::from_fn(|axis| {
        let all = Intervention { head: None, neuron: None, source: None, ..one.clone() };
        let batch = &scene.base.batch;
        slice(scene, &all, 0..batch.prompts(), 0..batch.positions())[axis].len()
    });
    // Components of the slice, in the order of its axes.
    let mut numbers = vec![0.0f32; whole.iter().product()];
    let strides: [usize; D] = std::array::from_fn(|axis| whole[axis + 1..].iter().product());
    for (place, number) in numbers.iter_mut().enumerate() {
        let at = |axis: usize| place / strides[axis] % whole[axis];
        if (0..D).any(|axis| !range[axis].contains(&at(axis))) {
            continue;
        }
        let component = (0..D)
            .filter(|&axis| !matches!(axes[axis], ActivationAxis::Batch | ActivationAxis::Position))
            .fold(0, |index, axis| index * range[axis].len() + at(axis) - range[axis].start);
        *number = if given.len() == 1 { given[0] } else { given[component] };
    }
    Ok(Tensor::from_data(TensorData::new(numbers, whole), &scene.model.device))
}
