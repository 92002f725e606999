//! What does one patch do? The patched run beside the clean and the corrupted one: likeliest tokens, and
//! attention patterns.

use super::settings::text;
use super::shared::inspected::{GROUP, HEADS, Inspected, PROMPT, TOP_K};
use super::shared::sweeps::DIRECTION;
use super::{Analyse, Findings, Job, settings};
use crate::error::Result;
use crate::host;
use crate::interventions::{self, Intervention, Scene};
use crate::model::hooks::SiteFilter;
use crate::runs::{Direction, Runs};
use crate::site::{BlockSite, Site};

settings! {
    /// What is patched, like blocks.7.attn.hook_z[head 11] or blocks.3.hook_resid_pre[position 2].
    patch: String = text("blocks.0.hook_resid_pre"),
    group: String = GROUP,
    prompt: String = PROMPT,
    heads: String = HEADS,
    top_k: usize = TOP_K,
    direction: Direction = DIRECTION,
}

/// Records attention patterns, the final LayerNorm's output, and the patched site.
#[derive(Debug)]
struct InspectedSites(Site);

impl SiteFilter for InspectedSites {
    fn includes(&self, site: Site) -> bool {
        matches!(site, Site::Block(_, BlockSite::Pattern) | Site::FinalNormalized) || site == self.0
    }
}

impl Analyse for Settings {
    const NAME: &'static str = "patched-run";
    const TITLE: &'static str = "One patched run";
    const DESCRIPTION: &'static str = "The likeliest next tokens and the attention of one patched run, \
         beside those of the clean and the corrupted prompt.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let patch = Intervention::read_patch(&self.patch)?;
        let inspected = Inspected::new(job, &self.group, &self.prompt, &self.heads, self.top_k)?;
        host::step(job.viewer, "Running the patch", 0, 1).await?;
        let sites = InspectedSites(patch.site);
        let runs = Runs::record(job.model, std::slice::from_ref(&inspected.case), false, &sites).await?;
        let scene = Scene::of(job.model, &runs, self.direction);
        let title = format!("Attention with {} patched", patch.place());
        let patched = interventions::run(&scene, &[patch], &sites).await?;
        host::step(job.viewer, "Running the patch", 1, 1).await?;

        let shown = inspected.runs(&runs, self.direction, ("patched", &patched));
        let parts = inspected.parts(job, scene.base, shown, title).await?;
        Ok(Findings { parts, problems: inspected.problems })
    }
}
