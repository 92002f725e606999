//! A changed run beside the clean and the corrupted one: likeliest tokens and attention.

use patchlab_kernels::Tensor;

use super::choices::{groups, heads, prompts, refused};
use super::groups::{aligned, usable};
use super::likely;
use crate::analyses::Job;
use crate::analyses::attention::{ChosenHead, of_cache};
use crate::analyses::settings::{Spec, count, text};
use crate::answers::Compared;
use crate::error::Result;
use crate::figures::{Attention, AttentionPrompt, Mark, Part, Quantity, Table};
use crate::metrics::top_k;
use crate::names::Head;
use crate::prompts::{PreparedCase, PreparedGroup, Problem};
use crate::readback::Reads;
use crate::runs::{Direction, Run, Runs};
use crate::site::{BlockSite, Site};

/// The group, as a number from 0.
pub(in crate::analyses) const GROUP: Spec<String> = text("0").described("The group, as a number from 0.");

/// The prompt of the group.
pub(in crate::analyses) const PROMPT: Spec<String> =
    text("first").described("The prompt of the group: first, or a number from 0.");

/// The heads whose attention is shown.
pub(in crate::analyses) const HEADS: Spec<String> =
    text("").described("Heads to show, like L7H11; empty for those whose attention changes most.");

/// How many tokens are shown.
pub(in crate::analyses) const TOP_K: Spec<usize> = count(10, 1, 1000).described("How many tokens to show.");

/// Number of heads shown if none are named.
const SHOWN: usize = 3;

/// One prompt to look at.
pub(in crate::analyses) struct Inspected {
    /// All groups, the prompt's first.
    pub groups: Vec<PreparedGroup>,
    pub case: PreparedCase,
    pub problems: Vec<Problem>,
    heads: Vec<Head>,
    top_k: usize,
}

impl Inspected {
    /// From settings.
    ///
    /// # Errors
    /// [`crate::Error::Setting`].
    pub(in crate::analyses) fn new(
        job: &Job<'_>,
        group: &str,
        prompt: &str,
        named: &str,
        top_k: usize,
    ) -> Result<Self> {
        let named = heads(named, &job.model.config)?;
        let (prepared, mut problems) = usable(job)?;
        let prepared = aligned(prepared, &mut problems);
        let chosen = groups(group, prepared.clone())?;
        let [group] = chosen.as_slice() else {
            return Err(refused("group", "one group is shown at a time. Write its number.".to_owned()));
        };
        let [case] = prompts(prompt, group)?[..] else {
            return Err(refused("prompt", "one prompt is shown at a time. Write its number.".to_owned()));
        };
        let others = prepared.into_iter().filter(|other| other.group != group.group);
        Ok(Self {
            case: case.clone(),
            groups: [group.clone()].into_iter().chain(others).collect(),
            problems,
            heads: named,
            top_k,
        })
    }

    /// Clean, corrupted and changed run, with their names and prompts.
    pub(in crate::analyses) fn runs<'r>(
        &'r self,
        runs: &'r Runs<'_>,
        direction: Direction,
        (name, changed): (&'static str, &'r Run),
    ) -> [(&'static str, &'r Run, &'r [u32]); 3] {
        let Self { case, .. } = self;
        let ids: &[u32] = if direction == Direction::Noise { &case.clean } else { &case.corrupted };
        [
            ("clean", &runs.clean, &case.clean),
            ("corrupted", &runs.corrupted, &case.corrupted),
            (name, changed, ids),
        ]
    }

    /// The figures. The runs must have recorded patterns and the final LayerNorm's output.
    pub(in crate::analyses) async fn parts(
        &self,
        job: &Job<'_>,
        base: &Run,
        shown: [(&'static str, &Run, &[u32]); 3],
        title: String,
    ) -> Result<Vec<Part>> {
        let case = &self.case;
        let chosen: Vec<ChosenHead> = if self.heads.is_empty() {
            most_changed(job, base, shown[2].1).await?
        } else {
            self.heads.iter().map(|&head| (head, None)).collect()
        };
        let (mut parts, mut attention) = (Vec::new(), Vec::new());
        for (label, run, ids) in shown {
            parts.push(Part::Table(top(job, self.top_k, label, run, &case.compared).await?));
            attention.push(AttentionPrompt {
                group: self.groups[0].group,
                prompt: case.index,
                label: label.to_owned(),
                tokens: job.tokenizer.tokens(ids),
                heads: of_cache(&run.cache, 0, BlockSite::Pattern, &chosen).await?,
            });
        }
        parts.push(Part::Attention(Attention {
            title,
            note: None,
            quantity: Quantity::Attention,
            prompts: attention,
        }));
        Ok(parts)
    }
}

/// The heads whose attention from the last position changes most.
async fn most_changed(job: &Job<'_>, base: &Run, changed: &Run) -> Result<Vec<ChosenHead>> {
    let mut reads = Reads::default();
    for layer in 0..job.model.config.n_layers {
        let last = |run: &Run| -> Result<Tensor<4>> {
            let pattern: Tensor<4> = run.cache.tensor(Site::Block(layer, BlockSite::Pattern))?;
            let [b, h, p, _] = pattern.dims();
            Ok(pattern.slice([0..b, 0..h, p - 1..p, 0..p])) // [1, h, 1, p]
        };
        reads = reads.with((last(changed)? - last(base)?).abs().sum_dim(3)); // [1, h, 1, 1]
    }
    let changes = reads.fetch().await?;
    let mut all: Vec<(Head, f32)> = changes
        .iter()
        .enumerate()
        .flat_map(|(layer, heads)| {
            heads.iter().enumerate().map(move |(head, &change)| (Head { layer, head }, change))
        })
        .collect();
    all.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    Ok(all.into_iter().take(SHOWN).map(|(head, _)| (head, None)).collect())
}

/// The likeliest tokens after one run, plus the answer and the distractor wherever they rank.
async fn top(job: &Job<'_>, k: usize, label: &str, run: &Run, compared: &Compared) -> Result<Table> {
    let normalized: Tensor<3> = run.cache.tensor(Site::FinalNormalized)?; // [1, p, d]
    let logits = likely::last_logits(job, normalized, &run.batch).await?;
    let note = format!("Logit difference {:.4}.", run.stats.logit_difference(0, 0));
    // The first of each set wherever it ranks, the others where they are among the likeliest.
    let likely = top_k(&logits, k);
    let of_set = |set: &[u32], mark: Mark| -> Vec<(u32, Mark)> {
        let shown = set.iter().enumerate().filter(|(i, id)| *i == 0 || likely.contains(&(**id as usize)));
        shown.map(|(_, &id)| (id, mark)).collect()
    };
    let [answers, distractors] = compared;
    let marked = [of_set(answers, Mark::Answer), of_set(distractors, Mark::Distractor)].concat();
    Ok(likely::table(job, k, format!("Most likely next tokens, {label}"), Some(note), &logits, &marked))
}
