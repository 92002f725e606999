//! Does something take over? Direct attribution of every head before and after ablating some, and the logit difference that the
//! attribution predicts against the one that is left (self-repair: Wang et al. 2022, McGrath et al. 2023; TransformerLens's Exploratory
//! Analysis Demo).

use super::settings::{choice, text};
use super::shared::ablated::{Becomes, VALUE, Where};
use super::shared::attributed::{self, Attributed, grid, index_axis, layer_axis, of_group};
use super::shared::choices;
use super::shared::groups::{asked_for, usable};
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::attribution::{AttributionSites, DirectLogitAttribution};
use crate::error::Result;
use crate::figures::{
    AxisKind, Cell, Column, Mark, Part, Quantity, Row, Scatter, ScatterAxis, ScatterPanel, ScatterValues,
    Table,
};
use crate::host::{ProgressUnit, Work};
use crate::interventions::{self, Intervention, Scene};
use crate::metrics::{PerPrompt, mean};
use crate::model::span::at_ends;
use crate::names::Head;
use crate::portion::{Division, Sizes};
use crate::readback::Reads;
use crate::runs::{Readout, Run, parts};
use crate::site::{BlockSite, Site};

settings! {
    /// The heads that are ablated together, like L9H9 L9H6; empty for each group's head with the largest attribution.
    heads: String = text(""),
    value: Becomes = VALUE,
    /// At all positions, or at the last one alone.
    position: Extent = choice::<Extent>("last"),
}

/// Where the heads are ablated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum Extent {
    All,
    Last,
}

/// A group before and after.
struct Repaired {
    /// The heads that were ablated.
    ablated: Vec<Head>,
    before: Attributed,
    after: Attributed,
    /// For each prompt, the logit difference that would be left if nothing else changed.
    predicted: Vec<f64>,
    /// For each prompt, the final LayerNorm's scale after ablation, as a multiple of that before.
    scale: Vec<f64>,
}

impl Analyse for Settings {
    const NAME: &'static str = "self-repair";
    const TITLE: &'static str = "Self-repair";
    const DESCRIPTION: &'static str = "What other heads take over when some are ablated: each head\u{2019}s attribution before and \
         after, and the logit difference that is left against the one that the attribution predicts.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/self_repair.py"),
        needs: Some(attributed::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let config = &job.model.config;
        let named = choices::heads(&self.heads, config)?;
        let (groups, mut problems) = usable(job)?;
        let groups = asked_for(job, self.value.possible(groups, self.place(), &mut problems));
        let total = 2 * groups.iter().map(|group| group.cases.len()).sum::<usize>();
        let mut work = Work::new(job.viewer, "Ablating", ProgressUnit::Prompts, total);
        work.done(0).await?;
        let mut all = Vec::new();
        for group in groups {
            let before = of_group(job, group, false, &|direct| direct.heads(), &mut work).await?;
            all.push(self.ablated(job, &named, before, &mut work).await?);
        }
        let layers: Vec<usize> = (0..config.n_layers).collect();
        let (rows, columns) = (layer_axis(&layers), index_axis(AxisKind::Head, "Head", config.n_heads));
        let after: Vec<Attributed> = all.iter().map(|repaired| repaired.after.clone()).collect();
        let note = "Each head\u{2019}s output at the last position after the ablation, through the final LayerNorm scale of that run.";
        let mut map = grid(job, "Head attribution after ablation", note, rows, columns, &after).await?;
        map.site = Some("attn.hook_z".to_owned());
        let scatter = scatter(job, &all, map.measures.clone(), self.value.says(self.place()));
        let mut parts = vec![Part::Scatter(scatter), Part::Heat(map)];
        parts.extend(all.iter().map(|repaired| Part::Table(repaired.table())));
        Ok(Findings { parts, problems })
    }

    fn division(&self, _: &Sizes) -> Result<Division> {
        Ok(Division::by_group(3.0))
    }
}

impl Settings {
    fn place(&self) -> Where {
        match self.position {
            Extent::All => Where::All,
            Extent::Last => Where::Last,
        }
    }

    /// Ablates a group\u{2019}s heads.
    async fn ablated(
        &self,
        job: &Job<'_>,
        named: &[Head],
        before: Attributed,
        work: &mut Work<'_>,
    ) -> Result<Repaired> {
        let n_heads = job.model.config.n_heads;
        let mut heads = named.to_vec();
        if heads.is_empty() {
            heads.push(before.strongest(n_heads));
        }
        let z = |head: &Head| Site::Block(head.layer, BlockSite::Z);
        let list: Vec<Intervention> =
            heads.iter().map(|head| self.value.of(z(head), Some(head.head), self.place())).collect();
        let sites = AttributionSites::default();
        let cells = before.numbers.rows();
        let mut after = Attributed {
            group: before.group.clone(),
            numbers: PerPrompt::new(cells, before.group.cases.len()),
            logit_differences: Vec::new(),
        };
        let mut scale = Vec::new();
        for cases in parts(&before.group.cases, job.model, &sites, 3) {
            let readout = Readout::new(job.model, cases, false);
            let record = async |ids: Vec<Vec<u32>>| Run::record(job.model, &ids, &readout, &sites).await;
            let clean = record(cases.iter().map(|case| case.clean.clone()).collect()).await?;
            let other = match self.value {
                Becomes::Resample => {
                    record(cases.iter().map(|case| case.corrupted.clone()).collect()).await?
                }
                Becomes::Zero | Becomes::Mean => clean.clone(),
            };
            let scene = Scene {
                model: job.model,
                base: &clean,
                other: &other,
                readout: &readout,
                groups: std::slice::from_ref(&before.group),
                prompts: &[],
            };
            let ablated = interventions::run(&scene, &list, &sites).await?;
            let heads = DirectLogitAttribution::new(job.model, &ablated, readout.compared())?.heads()?;
            let reads = Reads::default().with(heads).with(scales(&clean)?).with(scales(&ablated)?);
            let read = reads.fetch().await?;
            after.numbers.set_columns(after.logit_differences.len(), &read[0]);
            scale.extend(
                read[2].iter().zip(&read[1]).map(|(after, before)| f64::from(*after) / f64::from(*before)),
            );
            after.logit_differences.extend(ablated.stats.logit_differences(0));
            work.done(cases.len()).await?;
        }
        // What the ablated heads no longer add, through the scale of the run without ablation.
        let lost = |prompt: usize| -> f64 {
            let lost = |head: &Head| {
                let cell = head.layer * n_heads + head.head;
                before.numbers.row(cell)[prompt] - after.numbers.row(cell)[prompt] * scale[prompt]
            };
            heads.iter().map(lost).sum()
        };
        let predicted =
            before.logit_differences.iter().enumerate().map(|(prompt, whole)| whole - lost(prompt)).collect();
        Ok(Repaired { ablated: heads, predicted, scale, before, after })
    }
}

/// The final LayerNorm's scale at each prompt\u{2019}s last position.
fn scales(run: &Run) -> Result<patchlab_kernels::Tensor<3>> {
    Ok(at_ends(run.cache.tensor(Site::FinalScale)?, &run.batch.ends()))
}

impl Repaired {
    fn table(&self) -> Table {
        let names: Vec<String> = self.ablated.iter().map(Head::to_string).collect();
        let columns = [&self.before.logit_differences, &self.predicted, &self.after.logit_differences];
        let row = |text: String, numbers: [f64; 3], scale: f64, mark: Option<Mark>| {
            let [before, predicted, after] = numbers;
            let numbers = [before, predicted, after, after - predicted, scale];
            let cells = [Cell::Text(text)].into_iter().chain(numbers.map(Cell::Number)).collect();
            Row { cells, mark }
        };
        let cases = self.before.group.cases.iter().enumerate();
        let mut rows: Vec<Row> = cases
            .map(|(prompt, case)| {
                row(case.text.clone(), columns.map(|column| column[prompt]), self.scale[prompt], None)
            })
            .collect();
        rows.push(row(
            "mean".to_owned(),
            columns.map(|column| mean(column)),
            mean(&self.scale),
            Some(Mark::Mean),
        ));
        Table {
            title: format!("{}: without {}", self.before.group.name, names.join(", ")),
            note: Some(
                "Predicted: the logit difference minus what these heads added to it directly. The scale is that of the final \
                 LayerNorm after ablation, as a multiple of that before."
                    .to_owned(),
            ),
            group: Some(self.before.group.group),
            columns: vec![
                Column::new("Prompt", Quantity::Text),
                Column::new("Clean", Quantity::LogitDifference),
                Column::new("Predicted", Quantity::LogitDifference),
                Column::new("Ablated", Quantity::LogitDifference),
                Column::new("Taken over", Quantity::LogitDifference),
                Column::plain("Scale", Quantity::Activation),
            ],
            rows,
        }
    }
}

fn scatter(job: &Job<'_>, all: &[Repaired], measures: Vec<crate::figures::Measure>, note: String) -> Scatter {
    let (n_layers, n_heads) = (job.model.config.n_layers, job.model.config.n_heads);
    let heads = (0..n_layers).flat_map(|layer| (0..n_heads).map(move |head| Head { layer, head }));
    let panel = |repaired: &Repaired| ScatterPanel {
        name: repaired.before.group.name.clone(),
        group: repaired.before.group.group,
        values: vec![ScatterValues { measure: 0, x: repaired.after.means(), y: repaired.before.means() }],
    };
    Scatter {
        title: "Head attribution before and after ablation".to_owned(),
        note: Some(format!("{note} Heads off the diagonal do something else than before.")),
        x: ScatterAxis { label: "after ablation".to_owned() },
        y: ScatterAxis { label: "before".to_owned() },
        alike: true,
        measures,
        names: heads.clone().map(|head| head.to_string()).collect(),
        layers: heads.map(|head| head.layer).collect(),
        panels: all.iter().map(panel).collect(),
    }
}
