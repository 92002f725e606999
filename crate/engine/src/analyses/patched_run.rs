//! What does one patch do? The patched run beside the clean and the corrupted one: likeliest tokens, and
//! attention patterns.

use patchlab_kernels::Tensor;

use super::attention::{ChosenHead, of_cache};
use super::settings::{count, text};
use super::shared::choices::{groups, heads, prompts, refused};
use super::shared::groups::usable;
use super::shared::likely;
use super::shared::sweeps::DIRECTION;
use super::{Analyse, Findings, Job, settings};
use crate::error::Result;
use crate::figures::{Attention, AttentionPrompt, Mark, Part, Quantity, Table};
use crate::host;
use crate::model::hooks::SiteFilter;
use crate::names::Head;
use crate::patching::{Direction, Patch, plain};
use crate::readback::Reads;
use crate::runs::{Run, Runs};
use crate::site::{BlockSite, Site};

settings! {
    /// What is patched, like blocks.7.attn.hook_z[head 11] or blocks.3.hook_resid_pre[position 2].
    patch: String = text("blocks.0.hook_resid_pre"),
    /// The group, as a number from 0.
    group: String = text("0"),
    /// The prompt of the group: first, or a number from 0.
    prompt: String = text("first"),
    /// Heads to show, like L7H11; empty for those whose attention the patch changes most.
    heads: String = text(""),
    /// How many tokens to show.
    top_k: usize = count(10, 1, 1000),
    direction: Direction = DIRECTION,
}

/// Number of heads shown if none are named.
const HEADS: usize = 3;

/// Records attention patterns, the final LayerNorm's output, and the patched site.
#[derive(Debug)]
struct InspectedSites(Patch);

impl SiteFilter for InspectedSites {
    fn includes(&self, site: Site) -> bool {
        matches!(site, Site::Block(_, BlockSite::Pattern) | Site::FinalNormalized) || site == self.0.at()
    }
}

impl Analyse for Settings {
    const NAME: &'static str = "patched-run";
    const TITLE: &'static str = "One patched run";
    const DESCRIPTION: &'static str = "The likeliest next tokens and the attention of one patched run, \
         beside those of the clean and the corrupted prompt.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let patch: Patch = self.patch.parse()?;
        let named = heads(&self.heads, &job.model.config)?;
        let (prepared, problems) = usable(job)?;
        let chosen = groups(&self.group, prepared)?;
        let [group] = chosen.as_slice() else {
            return Err(refused("group", "one group is shown at a time. Write its number.".to_owned()));
        };
        let [case] = prompts(&self.prompt, group)?[..] else {
            return Err(refused("prompt", "one prompt is shown at a time. Write its number.".to_owned()));
        };
        host::step(job.viewer, "Running the patch", 0, 1).await?;
        let sites = InspectedSites(patch);
        let runs = Runs::record(job.model, std::slice::from_ref(case), false, &sites).await?;
        let (base, source) = self.direction.base_and_source(&runs);
        let patched = plain::patched(job.model, base, source, &runs.readout, patch, &sites).await?;
        host::step(job.viewer, "Running the patch", 1, 1).await?;

        let shown = [
            ("clean", &runs.clean, &case.clean),
            ("corrupted", &runs.corrupted, &case.corrupted),
            (
                "patched",
                &patched,
                if std::ptr::eq(base, &runs.clean) { &case.clean } else { &case.corrupted },
            ),
        ];
        let chosen: Vec<ChosenHead> = if named.is_empty() {
            most_changed(job, base, &patched).await?
        } else {
            named.into_iter().map(|head| (head, None)).collect()
        };
        let mut parts = Vec::new();
        let mut attention = Vec::new();
        for (label, run, ids) in shown {
            parts.push(Part::Table(top(job, self.top_k, label, run, [case.answer, case.distractor]).await?));
            attention.push(AttentionPrompt {
                group: group.group,
                prompt: case.index,
                label: label.to_owned(),
                tokens: job.tokenizer.tokens(ids),
                heads: of_cache(&run.cache, 0, BlockSite::Pattern, &chosen).await?,
            });
        }
        parts.push(Part::Attention(Attention {
            title: format!("Attention with {patch} patched"),
            note: None,
            quantity: Quantity::Attention,
            prompts: attention,
        }));
        Ok(Findings { parts, problems })
    }
}

/// The heads whose attention from the last position the patch changes most.
async fn most_changed(job: &Job<'_>, base: &Run, patched: &Run) -> Result<Vec<ChosenHead>> {
    let mut reads = Reads::default();
    for layer in 0..job.model.config.n_layers {
        let last = |run: &Run| -> Result<Tensor<4>> {
            let pattern: Tensor<4> = run.cache.tensor(Site::Block(layer, BlockSite::Pattern))?;
            let [b, h, p, _] = pattern.dims();
            Ok(pattern.slice([0..b, 0..h, p - 1..p, 0..p])) // [1, h, 1, p]
        };
        reads = reads.with((last(patched)? - last(base)?).abs().sum_dim(3)); // [1, h, 1, 1]
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
    Ok(all.into_iter().take(HEADS).map(|(head, _)| (head, None)).collect())
}

/// The likeliest tokens after one run, plus the answer and the distractor wherever they rank.
async fn top(
    job: &Job<'_>,
    k: usize,
    label: &str,
    run: &Run,
    [answer, distractor]: [u32; 2],
) -> Result<Table> {
    let normalized: Tensor<3> = run.cache.tensor(Site::FinalNormalized)?; // [1, p, d]
    let logits = likely::last_logits(job, normalized, &run.batch).await?;
    let note = format!("Logit difference {:.4}.", run.stats.logit_difference(0, 0));
    let marked = [(answer, Mark::Answer), (distractor, Mark::Distractor)];
    Ok(likely::table(job, k, format!("Most likely next tokens, {label}"), Some(note), &logits, &marked))
}
