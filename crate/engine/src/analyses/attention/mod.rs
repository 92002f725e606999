//! What do heads attend to? Attention patterns, or the scores before the softmax, of chosen heads; by
//! default, of those with the largest attributions.

mod by_role;

use std::collections::BTreeSet;

use patchlab_kernels::{Tensor, product};

use super::settings::{choice, count, text};
use super::shared::attributed::{self, of_group};
use super::shared::choices::{groups, heads, prompts};
use super::shared::groups::{asked_for, usable};
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::figures::{Attention, AttentionHead, AttentionPrompt, Part, Quantity};
use crate::host::ProgressUnit;
use crate::host::Work;
use crate::model::{ActivationCache, Batch, Hooks};
use crate::names::{Head, words};
use crate::portion::{Division, Sizes};
use crate::prompts::PreparedGroup;
use crate::readback::Reads;
use crate::site::{BlockSite, Site};

/// Which numbers of a head are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum What {
    Pattern,
    ValueWeighted,
    Scores,
}

settings! {
    /// The heads, like L7H11 L8H2, a whole layer like L7, or all; empty for the largest attributions.
    heads: String = text(""),
    /// How many heads for the answer and how many against it, if none are named.
    top_k: usize = count(3, 1, 50),
    /// The groups, as numbers from 0, or all.
    group: String = text("all"),
    /// The prompts of each group: first, all, or numbers from 0.
    prompt: String = text("first"),
    /// The pattern; the pattern times the length of what each source's value writes into the stream (value-weighted); or the scores
    /// before the softmax.
    what: What = choice::<What>("pattern"),
    /// One prompt\u{2019}s whole patterns, or means over each group\u{2019}s prompts from role to role: from the last token of one to all
    /// tokens of another.
    by: By = choice::<By>("prompt"),
}

impl What {
    /// Title, kind of the numbers, and what there is to say about them.
    fn says(self) -> (&'static str, Quantity, Option<&'static str>) {
        match self {
            What::Pattern => ("Attention patterns", Quantity::Attention, None),
            What::Scores => ("Attention scores", Quantity::Score, None),
            What::ValueWeighted => (
                "Value-weighted attention",
                Quantity::Activation,
                Some(
                    "Attention times the length of what the source\u{2019}s value writes into the residual stream: attention to a \
                     token that has nothing to say, as often to the first, fades.",
                ),
            ),
        }
    }
}

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum By {
    Prompt,
    Role,
}

/// A head, and its mean attribution if it was chosen by it.
pub(super) type ChosenHead = (Head, Option<f64>);

impl Analyse for Settings {
    const NAME: &'static str = "attention";
    const TITLE: &'static str = "Attention";
    const DESCRIPTION: &'static str = "What chosen heads attend to. A row is a destination, a column a \
         source; the heads that write most for and against the answer are shown unless others are named.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../../data/transformer-lens/attention.py"),
        needs: Some(attributed::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let site = match self.what {
            What::Pattern | What::ValueWeighted => BlockSite::Pattern,
            What::Scores => BlockSite::AttnScores,
        };
        let weighted = self.what == What::ValueWeighted;
        let (prepared, problems) = usable(job)?;
        let named = heads(&self.heads, &job.model.config)?;
        let prepared = groups(&self.group, prepared)?;
        if self.by == By::Role {
            return by_role::run(self, job, site, prepared, problems, &named).await;
        }
        let wanted = |group: &PreparedGroup| Ok(prompts(&self.prompt, group)?.len());
        // Refused if any group lacks a prompt that is named, whichever groups are asked for.
        prepared.iter().map(wanted).sum::<Result<usize>>()?;
        let prepared = asked_for(job, prepared);
        let shown: usize = prepared.iter().map(wanted).sum::<Result<usize>>()?;
        // Choosing heads takes a run over all of a group's prompts.
        let ranked = if named.is_empty() { prepared.iter().map(|group| group.cases.len()).sum() } else { 0 };
        let mut work = Work::new(job.viewer, "Running the prompts", ProgressUnit::Prompts, shown + ranked);
        let mut shown = Vec::new();
        for group in &prepared {
            let chosen: Vec<ChosenHead> = if named.is_empty() {
                top_heads(job, group, self.top_k, &mut work).await?
            } else {
                named.iter().map(|&head| (head, None)).collect()
            };
            for case in prompts(&self.prompt, group)? {
                shown.push(AttentionPrompt {
                    group: group.group,
                    prompt: case.index,
                    label: format!("{}: {}", group.name, case.text),
                    tokens: job.tokenizer.tokens(&case.clean),
                    heads: seen(job, &case.clean, site, weighted, &chosen).await?,
                });
                work.done(1).await?;
            }
        }
        let (title, quantity, note) = self.what.says();
        let chosen = "The heads with the largest contributions to the logit difference, for the answer and against it.";
        let notes: Vec<&str> = named.is_empty().then_some(chosen).into_iter().chain(note).collect();
        let figure = Attention {
            title: title.to_owned(),
            note: (!notes.is_empty()).then(|| notes.join(" ")),
            quantity,
            prompts: shown,
        };
        Ok(Findings { parts: vec![Part::Attention(figure)], problems })
    }

    fn division(&self, _: &Sizes) -> Result<Division> {
        // By role, all groups show the heads that matter in any of them.
        let alone = self.by == By::Prompt || words(&self.heads).next().is_some();
        Ok(if alone { Division::by_group(2.0) } else { Division::whole(2.0) })
    }
}

/// The heads that raise a group's mean logit difference most, then those that lower it most.
async fn top_heads(
    job: &Job<'_>,
    group: &PreparedGroup,
    k: usize,
    work: &mut Work<'_>,
) -> Result<Vec<ChosenHead>> {
    let n_heads = job.model.config.n_heads;
    let attributed = of_group(job, group.clone(), false, &|direct| direct.heads(), work).await?;
    let mut ranked: Vec<(usize, f64)> = attributed.means().into_iter().enumerate().collect();
    ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let named =
        |&(cell, share): &(usize, f64)| (Head { layer: cell / n_heads, head: cell % n_heads }, Some(share));
    let positive = ranked.iter().take(k).filter(|(_, share)| *share > 0.0);
    let negative = ranked.iter().rev().take(k).filter(|(_, share)| *share < 0.0);
    Ok(positive.chain(negative).map(named).collect())
}

/// Attention of heads on one prompt.
async fn seen(
    job: &Job<'_>,
    ids: &[u32],
    site: BlockSite,
    weighted: bool,
    heads: &[ChosenHead],
) -> Result<Vec<AttentionHead>> {
    let batch = Batch::new(&[ids.to_vec()])?;
    let layers: BTreeSet<usize> = heads.iter().map(|(head, _)| head.layer).collect();
    let sites: Vec<Site> = layers.iter().map(|&layer| Site::Block(layer, site)).collect();
    let mut found = vec![None; heads.len()];
    // The patterns of all layers do not fit into memory together if the prompt is long.
    for part in job.model.budget.parts(&job.model.config, ids.len(), &sites) {
        let values = part.iter().filter_map(|site| match site {
            Site::Block(layer, _) if weighted => Some(Site::Block(*layer, BlockSite::V)),
            _ => None,
        });
        let recorded: Vec<Site> = part.iter().copied().chain(values).collect();
        let mut hooks = Hooks::new(Some(&recorded), &[]);
        job.model.forward(&batch, &mut hooks)?;
        let cache = hooks.finish()?;
        let here = |head: &Head| part.contains(&Site::Block(head.layer, site));
        let places: Vec<usize> = (0..heads.len()).filter(|&place| here(&heads[place].0)).collect();
        let chosen: Vec<ChosenHead> = places.iter().map(|&place| heads[place]).collect();
        let mut seen = of_cache(&cache, 0, site, &chosen).await?;
        if weighted {
            weight_by_values(job, &cache, 0, &mut seen).await?;
        }
        for (place, head) in places.into_iter().zip(seen) {
            found[place] = Some(head);
        }
    }
    Ok(found.into_iter().flatten().collect())
}

/// Multiplies each weight by the length of what the source's value writes, `|v W_O|`, on one of the run's prompts.
async fn weight_by_values(
    job: &Job<'_>,
    cache: &ActivationCache,
    prompt: usize,
    heads: &mut [AttentionHead],
) -> Result<()> {
    let (e, d) = (job.model.config.d_head, job.model.config.d_model);
    let mut reads = Reads::default();
    for AttentionHead { layer, head, .. } in heads.iter() {
        let v: Tensor<4> = cache.tensor(Site::Block(*layer, BlockSite::V))?; // [1, p, h, e]
        let [_, p, _, _] = v.dims();
        let v = v.slice([prompt..prompt + 1, 0..p, *head..head + 1, 0..e]).reshape([p, e]);
        let output = job.model.blocks[*layer].output.weight.clone().slice([head * e..(head + 1) * e, 0..d]);
        let written = product(v, output); // [p, d]
        reads = reads.with((written.clone() * written).sum_dim(1).sqrt()); // [p, 1]
    }
    for (head, lengths) in heads.iter_mut().zip(reads.fetch().await?) {
        for row in &mut head.rows {
            row.iter_mut().zip(&lengths).for_each(|(weight, length)| *weight *= f64::from(*length));
        }
    }
    Ok(())
}

/// Attention of heads in a recorded run, on one of its prompts.
pub(super) async fn of_cache(
    cache: &ActivationCache,
    prompt: usize,
    site: BlockSite,
    heads: &[ChosenHead],
) -> Result<Vec<AttentionHead>> {
    let mut reads = Reads::default();
    for (head, _) in heads {
        let all: Tensor<4> = cache.tensor(Site::Block(head.layer, site))?; // [b, h, p, p]
        let [_, _, p, _] = all.dims();
        reads = reads.with(all.slice([prompt..prompt + 1, head.head..head.head + 1, 0..p, 0..p]));
    }
    let matrices = reads.fetch().await?;
    let head = |((head, share), matrix): (&ChosenHead, Vec<f32>)| {
        let p = matrix.len().isqrt();
        let row = |(destination, row): (usize, &[f32])| {
            row[..=destination].iter().map(|&number| f64::from(number)).collect()
        };
        AttentionHead {
            name: head.to_string(),
            layer: head.layer,
            head: head.head,
            attribution: *share,
            rows: matrix.chunks_exact(p).enumerate().map(row).collect(),
        }
    };
    Ok(heads.iter().zip(matrices).map(head).collect())
}
