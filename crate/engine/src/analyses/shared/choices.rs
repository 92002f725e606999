//! Settings that name groups, prompts, heads and neurons, with errors for those that name nothing.

use std::collections::BTreeSet;

use crate::analyses::Job;
use crate::analyses::settings::{Spec, text};
use crate::error::{Error, Result};
use crate::model::Config;
use crate::names::{self, Head, Neuron, words};
use crate::prompts::{PreparedCase, PreparedGroup, prompt_fault};

/// The setting of an analysis of a single text; [`prompt`] reads it.
pub(in crate::analyses) const PROMPT: Spec<String> =
    text("").described("The text; empty for the experiment's first prompt.");

/// The error for a setting that is refused.
pub(in crate::analyses) fn refused(name: &str, message: String) -> Error {
    Error::Setting { name: name.to_owned(), message }
}

/// The groups that a setting names: `all`, or numbers.
pub(in crate::analyses) fn groups(text: &str, prepared: Vec<PreparedGroup>) -> Result<Vec<PreparedGroup>> {
    if text == "all" {
        return Ok(prepared);
    }
    let known: Vec<String> = prepared.iter().map(|group| group.group.to_string()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let wanted: Option<Vec<usize>> = words(text).map(|word| word.parse().ok()).collect();
    let wanted = wanted.filter(|wanted| {
        !wanted.is_empty() && wanted.iter().all(|&index| prepared.iter().any(|group| group.group == index))
    });
    let Some(wanted) = wanted else {
        return Err(refused(
            "group",
            format!("{text:?} names no groups whose prompts can be run. Write `all`, or some of: {known}."),
        ));
    };
    Ok(prepared.into_iter().filter(|group| wanted.contains(&group.group)).collect())
}

/// The cases of a group that a setting names: `first`, `all`, or numbers, which index all prompts of the
/// group as typed.
pub(in crate::analyses) fn prompts<'g>(
    text: &str,
    group: &'g PreparedGroup,
) -> Result<Vec<&'g PreparedCase>> {
    match text {
        "first" => return Ok(group.cases.iter().take(1).collect()),
        "all" => return Ok(group.cases.iter().collect()),
        _ => {}
    }
    let case = |word: &str| {
        let index: usize = word.parse().ok()?;
        group.cases.iter().find(|case| case.index == index)
    };
    let wanted: Option<Vec<&PreparedCase>> = words(text).map(case).collect();
    wanted.filter(|wanted| !wanted.is_empty()).ok_or_else(|| {
        let known: Vec<String> = group.cases.iter().map(|case| case.index.to_string()).collect();
        refused(
            "prompt",
            format!(
                "{text:?} names no prompts of group {} that can be run. Write `first`, `all`, or some of: \
                 {}.",
                group.group,
                known.join(", ")
            ),
        )
    })
}

/// The heads that a setting names: `L7H11 L8H2`, all heads of a layer as `L7`, or `all`.
pub(in crate::analyses) fn heads(text: &str, config: &Config) -> Result<Vec<Head>> {
    let mut found = Vec::new();
    for word in words(text) {
        match word.parse::<Head>() {
            Ok(head) if head.layer < config.n_layers && head.head < config.n_heads => found.push(head),
            Err(_) if let Ok(layers) = names::layers(word, config.n_layers) => {
                let heads = |layer| (0..config.n_heads).map(move |head| Head { layer, head });
                found.extend(layers.into_iter().flat_map(heads));
            }
            _ => {
                return Err(refused(
                    "heads",
                    format!(
                        "there is no head {word:?}. This model has L0H0 to L{}H{}.",
                        config.n_layers - 1,
                        config.n_heads - 1
                    ),
                ));
            }
        }
    }
    // Named twice is meant once.
    let mut known = BTreeSet::new();
    found.retain(|head| known.insert(*head));
    Ok(found)
}

/// The layers that the setting `layers` names: `all`, or numbers and ranges.
pub(in crate::analyses) fn layers(text: &str, n_layers: usize) -> Result<Vec<usize>> {
    names::layers(text, n_layers).map_err(|_| {
        let last = n_layers - 1;
        refused(
            "layers",
            format!("{text:?} names no layers of this model. Write `all`, or numbers from 0 to {last} like `8 10` or `3-5`."),
        )
    })
}

/// The neuron that a setting names: `L8N2744` or `8/2744`.
pub(in crate::analyses) fn neuron(text: &str, config: &Config) -> Result<Neuron> {
    let neuron = text.parse::<Neuron>().ok();
    neuron.filter(|neuron| neuron.layer < config.n_layers && neuron.neuron < config.d_mlp).ok_or_else(|| {
        refused(
            "neuron",
            format!(
                "there is no neuron {text:?}. This model has L0N0 to L{}N{}.",
                config.n_layers - 1,
                config.d_mlp - 1
            ),
        )
    })
}

/// The text that the setting `name` gives, or else the experiment's first prompt, with its token ids.
pub(in crate::analyses) fn prompt(job: &Job<'_>, name: &str, given: &str) -> Result<(String, Vec<u32>)> {
    let first = || Some(job.experiment.groups.first()?.pairs.first()?.clean.as_str());
    let text = if given.is_empty() { first().unwrap_or_default() } else { given };
    let ids = job.tokenizer.encode(text, job.experiment.prepend_bos)?;
    match prompt_fault(text, &ids, job.experiment.prepend_bos, Some(job.model.config.n_ctx)) {
        Some((_, message)) => Err(refused(name, message)),
        None => Ok((text.to_owned(), ids)),
    }
}
