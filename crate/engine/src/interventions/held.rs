//! Interventions that are held while a text is continued: at every position, with values that are the same everywhere.

use std::ops::Range;

use super::values::{check_count, given};
use super::{Effect, Intervention, Positions, Value};
use crate::error::{Error, Result};
use crate::model::hooks::{Change, Edit};
use crate::model::{Activation, Model};
use crate::site::ActivationAxis;

/// Interventions with their values.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    model: &'a Model,
    all: Vec<(Intervention, Option<Activation>)>,
}

impl<'a> Held<'a> {
    /// # Errors
    /// [`Error::Intervention`] for one that cannot act, or whose value depends on the position.
    pub(crate) fn new(model: &'a Model, list: Vec<Intervention>) -> Result<Self> {
        let positions = model.config.n_ctx;
        let mut all = Vec::new();
        for one in list {
            one.check(&model.config, positions)?;
            let refused = |what: &str| {
                Err(Error::Intervention(format!(
                    "{}: while a text is continued, interventions are held at all positions, with zero, given numbers or a factor; {what}",
                    one.site
                )))
            };
            if one.position != Positions::All {
                return refused("this one is at some positions");
            }
            if one.site.has(ActivationAxis::Source) {
                return refused("attention has more sources at every token");
            }
            let value = match one.value() {
                None => None,
                Some(Value::Zero) => Some(given(model, positions, &one, &[0.0])),
                Some(Value::Tensor(numbers)) => {
                    check_count(model, positions, &one, numbers)?;
                    Some(given(model, positions, &one, numbers))
                }
                Some(_) => return refused("the value of this one is another run\u{2019}s"),
            };
            all.push((one, value));
        }
        Ok(Self { model, all })
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What the hooks of a pass over so many positions of one text do.
    pub(crate) fn edits(&self, positions: usize) -> Vec<Edit> {
        let edit = |(one, value): &(Intervention, Option<Activation>)| {
            let range = |axis: &ActivationAxis| one.range(*axis, &self.model.config, positions);
            let range: Vec<Range<usize>> = one.site.axes().iter().map(range).collect();
            let change = match (&one.effect, value) {
                (Effect::Replace(_), Some(value)) => Change::Replace(value.clone()),
                (Effect::Add(addend), Some(value)) => Change::Add(value.clone(), addend.factor as f32),
                (Effect::Scale(factor), _) => Change::Scale(*factor as f32),
                // Every other effect has a value.
                (Effect::Replace(_) | Effect::Add(_), None) => Change::Scale(1.0),
            };
            Edit { site: one.site, range, change }
        };
        self.all.iter().map(edit).collect()
    }
}
