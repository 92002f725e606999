//! What do several interventions do together? Any list of them on one prompt, beside the clean and the corrupted run: logit
//! difference, what each layer writes, likeliest tokens, and attention.

use super::settings::text;
use super::shared::inspected::{GROUP, HEADS, Inspected, PROMPT, TOP_K};
use super::shared::sweeps::DIRECTION;
use super::{Analyse, Findings, Job, settings};
use crate::attribution::{AttributionSites, DirectLogitAttribution};
use crate::error::Result;
use crate::figures::{Cell, Column, Part, Quantity, Row, Table};
use crate::host;
use crate::interventions::{self, Intervention, Scene, Value};
use crate::model::hooks::SiteFilter;
use crate::readback;
use crate::runs::{Direction, Run, Runs};
use crate::site::{BlockSite, Site};

settings! {
    /// The interventions, as JSON (docs/interventions.md).
    list: String = text(interventions::EXAMPLE),
    group: String = GROUP,
    prompt: String = PROMPT,
    heads: String = HEADS,
    top_k: usize = TOP_K,
    direction: Direction = DIRECTION,
}

/// Records attention patterns, what attribution reads, and the sites of a list.
#[derive(Debug)]
struct InspectedSites(Vec<Site>);

impl SiteFilter for InspectedSites {
    fn includes(&self, site: Site) -> bool {
        matches!(site, Site::Block(_, BlockSite::Pattern) | Site::FinalNormalized)
            || AttributionSites::default().includes(site)
            || self.0.contains(&site)
    }
}

impl Analyse for Settings {
    const NAME: &'static str = "intervene";
    const TITLE: &'static str = "Interventions";
    const DESCRIPTION: &'static str = "Any list of interventions on one prompt: activations replaced by another run\u{2019}s, by \
         zero, by a mean, by another prompt\u{2019}s or by given numbers, added to, or scaled. All act in the same run.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let list = Intervention::list(&self.list)?;
        let inspected = Inspected::new(job, &self.group, &self.prompt, &self.heads, self.top_k)?;
        let mut prompts = Vec::new();
        for one in &list {
            if let Some(Value::Prompt(text)) = one.value() {
                prompts.push((text.clone(), job.tokenizer.encode(text, job.experiment.prepend_bos)?));
            }
        }
        host::step(job.viewer, "Running the prompts", 0, 1).await?;
        let sites = InspectedSites(list.iter().flat_map(Intervention::sites).collect());
        let runs = Runs::record(job.model, std::slice::from_ref(&inspected.case), false, &sites).await?;
        let (base, other) = self.direction.base_and_other(&runs);
        let (readout, groups) = (&runs.readout, &inspected.groups);
        let scene = Scene { model: job.model, base, other, readout, groups, prompts: &prompts };
        let changed = interventions::run(&scene, &list, &sites).await?;
        host::step(job.viewer, "Running the prompts", 1, 1).await?;

        let shown = inspected.runs(&runs, self.direction, ("intervened", &changed));
        let mut parts =
            vec![Part::Table(components(job, &runs, shown.map(|(name, run, _)| (name, run))).await?)];
        parts.extend(inspected.parts(job, base, shown, "Attention with the interventions".to_owned()).await?);
        Ok(Findings { parts, problems: inspected.problems })
    }
}

/// The logit difference of each run, and what each component adds to it.
async fn components(job: &Job<'_>, runs: &Runs<'_>, shown: [(&'static str, &Run); 3]) -> Result<Table> {
    let mut columns = vec![Column::new("Component", Quantity::Text)];
    let mut rows: Vec<Vec<Cell>> = vec![vec![Cell::Text("logit difference".to_owned())]];
    let names = DirectLogitAttribution::components(job.model.config.n_layers);
    rows.extend(names.into_iter().map(|name| vec![Cell::Text(name)]));
    for (name, run) in shown {
        columns.push(Column::new(name, Quantity::LogitDifference));
        let direct = DirectLogitAttribution::new(job.model, run, runs.readout.compared())?;
        let parts = readback::read(direct.layers()?).await?; // [components, 1]
        let whole = run.stats.logit_difference(0, 0);
        for (row, number) in rows.iter_mut().zip([whole].into_iter().chain(parts.into_iter().map(f64::from)))
        {
            row.push(Cell::Number(number));
        }
    }
    Ok(Table {
        title: "Logit difference, and what each component adds to it".to_owned(),
        note: Some("Through each run\u{2019}s own final LayerNorm scale; biases are left out.".to_owned()),
        group: None,
        columns,
        rows: rows.into_iter().map(|cells| Row { cells, mark: None }).collect(),
    })
}
