//! The numbers that interventions replace activations by or add to them.

use burn::tensor::TensorData;
use patchlab_kernels::Tensor;

use super::{Intervention, PromptSet, Scene, Value, plain};
use crate::error::{Error, Result};
use crate::model::{Activation, Batch, Config, Hooks, Model};
use crate::prompts::{PreparedCase, PreparedGroup};
use crate::site::{ActivationAxis, Site};

/// The values of some interventions on a scene.
#[derive(Debug)]
pub(super) struct Values<'a> {
    scene: &'a Scene<'a>,
    /// Those that need runs of their own, once each, by an intervention that they serve.
    computed: Vec<(Intervention, Activation)>,
}

impl<'a> Values<'a> {
    /// Checks every intervention and runs what values are taken from, unless that is `computed` already.
    ///
    /// # Errors
    /// [`Error::Intervention`] for one that cannot act, [`Error::Compute`].
    pub(super) async fn prepare(
        scene: &'a Scene<'a>,
        interventions: impl IntoIterator<Item = &Intervention>,
        computed: Vec<(Intervention, Activation)>,
    ) -> Result<Self> {
        let mut values = Self { scene, computed };
        for one in interventions {
            one.check(&scene.model.config, scene.base.batch.positions())?;
            let Some(value) = one.value() else { continue };
            if values.find(one).is_some() {
                continue;
            }
            let prompts = match value {
                Value::Mean(set) => prompts_of(scene, *set)?,
                Value::Prompt(text) => vec![start_of_prompt(scene, one.site, text)?],
                Value::Tensor(given) => {
                    check_count(scene.model, scene.base.batch.positions(), one, given)?;
                    continue;
                }
                Value::Run(list) => {
                    let run = Box::pin(plain::run(scene, list, &vec![one.site])).await?;
                    values.computed.push((one.clone(), sliced(run.cache.get(one.site)?, one, scene)));
                    continue;
                }
                Value::Other | Value::Own | Value::Zero => continue,
            };
            values.computed.push((one.clone(), mean(scene, one.site, &prompts)?));
        }
        Ok(values)
    }

    fn find(&self, one: &Intervention) -> Option<&Activation> {
        self.computed.iter().find(|(known, _)| known.shares_value_with(one)).map(|(_, activation)| activation)
    }

    /// An intervention's value as an activation of its site, for the base run's prompts and positions. Axes along which it
    /// is the same may have size 1; the others those of the activation, or of the slice for numbers that were given and for those of
    /// another run. None: the intervention needs no value.
    ///
    /// # Errors
    /// [`Error::NotRecorded`].
    pub(super) fn of(&self, one: &Intervention) -> Result<Option<Activation>> {
        let Some(value) = one.value() else { return Ok(None) };
        let scene = self.scene;
        let positions = scene.base.batch.positions();
        Ok(Some(match value {
            Value::Other => scene.other.cache.get(one.site)?.clone(),
            Value::Own => scene.base.cache.get(one.site)?.clone(),
            Value::Zero => given(scene.model, positions, one, &[0.0]),
            Value::Tensor(numbers) => given(scene.model, positions, one, numbers),
            Value::Mean(_) | Value::Prompt(_) | Value::Run(_) => {
                let known = self.find(one);
                known.ok_or_else(|| Error::NotRecorded(one.site.to_string()))?.clone()
            }
        }))
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
    let ids = |case: &PreparedCase| if corrupted { &case.corrupted } else { &case.clean }.clone();
    Ok(group.cases.iter().map(ids).collect())
}

/// As much of a prompt as is run.
fn start_of_prompt(scene: &Scene<'_>, site: Site, text: &str) -> Result<Vec<u32>> {
    let positions = scene.base.batch.positions();
    let known = scene.prompts.iter().find(|(known, _)| known == text);
    let (_, ids) = known.ok_or_else(|| Error::Intervention(format!("{text:?} was not tokenized")))?;
    let start = ids.get(..positions).ok_or_else(|| {
        Error::Intervention(format!(
            "{site}: {text:?} has {} tokens, and the prompt has {positions}. Its activations are taken at the same positions.",
            ids.len(),
        ))
    })?;
    Ok(start.to_vec())
}

/// The mean activation of some prompts: `[1, p, ...]`.
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
    let count = prompts.len() as f32;
    match sum {
        Some(Activation::Three(sum)) => Ok(Activation::Three(sum / count)),
        Some(Activation::Four(sum)) => Ok(Activation::Four(sum / count)),
        None => Err(Error::Intervention(format!("{site}: the mean is over no prompts"))),
    }
}

/// The part of an activation that an intervention acts on, at all prompts, positions and sources.
fn sliced(activation: &Activation, one: &Intervention, scene: &Scene<'_>) -> Activation {
    let config = &scene.model.config;
    let range = |(axis, size): (&ActivationAxis, usize)| match axis {
        ActivationAxis::Head | ActivationAxis::Neuron => one.range(*axis, config, size),
        _ => 0..size,
    };
    let mut ranges = one.site.axes().iter().zip(activation.shape()).map(range);
    let mut next = || ranges.next().unwrap_or(0..1);
    match activation {
        Activation::Three(x) => Activation::Three(x.clone().slice([next(), next(), next()])),
        Activation::Four(x) => Activation::Four(x.clone().slice([next(), next(), next(), next()])),
    }
}

/// Sizes of the slice's axes, those of prompts and positions being 1.
fn components(config: &Config, positions: usize, one: &Intervention) -> Vec<usize> {
    let size = |axis: &ActivationAxis| match axis {
        ActivationAxis::Batch | ActivationAxis::Position => 1,
        axis => one.range(*axis, config, positions).len(),
    };
    one.site.axes().iter().map(size).collect()
}

/// Refuses given numbers of which there are not as many as the slice has components, nor one for all.
pub(super) fn check_count(model: &Model, positions: usize, one: &Intervention, given: &[f32]) -> Result<()> {
    let count: usize = components(&model.config, positions, one).iter().product();
    if given.len() == count || given.len() == 1 {
        return Ok(());
    }
    Err(Error::Intervention(format!(
        "{}: `tensor` has {} numbers, and the slice has {count} components",
        one.site,
        given.len()
    )))
}

/// Given numbers, the same at every prompt and position. A single one stands for all components.
pub(super) fn given(model: &Model, positions: usize, one: &Intervention, numbers: &[f32]) -> Activation {
    let mut sizes = components(&model.config, positions, one);
    if numbers.len() == 1 {
        sizes.fill(1);
    }
    let (data, device) = (|| numbers.to_vec(), &model.device);
    match sizes[..] {
        [a, b, c] => Activation::Three(Tensor::from_data(TensorData::new(data(), [a, b, c]), device)),
        [a, b, c, d] => Activation::Four(Tensor::from_data(TensorData::new(data(), [a, b, c, d]), device)),
        _ => unreachable!("activations have three or four axes"),
    }
}
