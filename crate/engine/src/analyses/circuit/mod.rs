//! Does a circuit do the task by itself? Only its edges carry what the clean run writes; what is left of the logit difference says how
//! faithful it is.

mod figures;

use super::settings::flag;
use super::shared::attributed::panel;
use super::shared::chosen::{Asked, BY, COUNT, Choice, EDGES, PRUNE, SELECT, Select, THRESHOLD};
use super::shared::circuits::{ABLATION, Ablation, Faithfulness, Test};
use super::shared::edges::Method;
use super::shared::groups::{that_differ, usable};
use super::shared::planted;
use super::{Analyse, Findings, Job, settings};
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{Dots, Part, Quantity};
use crate::graph::Graph;
use crate::host::Work;
use crate::metrics::{PerPrompt, mean};
use crate::portion::{Division, Sizes};

settings! {
    edges: String = EDGES,
    count: usize = COUNT,
    by: Method = BY,
    select: Select = SELECT,
    threshold: String = THRESHOLD,
    prune: bool = PRUNE,
    ablation: Ablation = ABLATION,
    /// Whether faithfulness is computed for ten sizes of circuits, from 0.1 % of all edges to all.
    curve: bool = flag(true),
}

/// Shares of all edges at which the curve is computed (MIB's).
const SHARES: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

impl Analyse for Settings {
    const NAME: &'static str = "circuit";
    const TITLE: &'static str = "Circuit";
    const DESCRIPTION: &'static str = "What is left of the logit difference if only some edges carry what the clean run writes, and \
         every other what stands in its place: how faithful a circuit is, and how many edges it takes.";

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let graph = Graph::new(&job.model.config);
        let choice = self.choice(&graph)?;
        let (groups, mut problems) = usable(job)?;
        let groups = that_differ(groups, &mut problems);
        let groups = self.ablation.possible(job, groups, &mut problems);
        let groups: Vec<_> =
            groups.into_iter().filter(|(group, _)| job.portion.has_group(group.group)).collect();
        let total = groups.iter().map(|(group, _)| choice.steps_of(job, &graph, group)).sum();
        let mut work = Work::new(job.viewer, "Scoring edges", choice.unit(), total);
        work.done(0).await?;
        let mut picture = figures::picture(&graph, choice.scoring().is_some());
        let mut curve = figures::curve(&graph);
        let (mut dots, mut tables) = (Vec::new(), Vec::new());
        for usable in &groups {
            let group = &usable.0;
            let test = Test::new(job, &graph, usable, self.ablation).await?;
            let chosen = choice.of_group(&test, &mut work).await?;
            let has_curve = self.curve && !chosen.order.is_empty();
            let mut circuits = vec![Vec::new(), (0..graph.len()).collect(), chosen.members.clone()];
            if has_curve {
                circuits
                    .extend(sizes(&graph).map(|size| chosen.order[..size.min(chosen.order.len())].to_vec()));
            }
            let found = test.run_lists(&circuits, &work).await?;
            let Some(share) = Faithfulness::of(group, &found, &mut problems) else { continue };
            let points: Vec<f64> = (3..circuits.len()).map(|row| mean(&share.of_row(&found, row))).collect();
            dots.push(figures::series(group, &group.name, found.row(2)));
            tables.push(Part::Table(figures::table(group, &found, chosen.members.len(), &points)));
            tables.extend(planted::score(
                job,
                &graph,
                group,
                Some(&chosen.members),
                chosen.scores.as_deref(),
            ));
            if has_curve {
                let rows: Vec<f64> = (3..circuits.len()).flat_map(|row| share.of_row(&found, row)).collect();
                let numbers = Numbers::alone(PerPrompt::from_rows(found.prompts(), rows));
                curve.panels.push(panel(group, vec![numbers.summarise(0, &group.pairs(), &work).await?]));
            }
            picture.panels.push(figures::members(&graph, group, &chosen));
        }
        let curve = (!curve.panels.is_empty()).then_some(Part::Line(curve));
        let picture = (!picture.panels.is_empty()).then_some(Part::Edges(picture));
        let dots = (!dots.is_empty()).then(|| {
            Part::Dots(Dots {
                title: "Logit difference of the circuit, per prompt".to_owned(),
                note: Some("One dot per prompt; the bar is the group\u{2019}s mean.".to_owned()),
                axis: "logit(answer) \u{2212} logit(distractor)".to_owned(),
                quantity: Quantity::LogitDifference,
                series: dots,
            })
        });
        Ok(Findings { parts: picture.into_iter().chain(curve).chain(dots).chain(tables).collect(), problems })
    }

    fn division(&self, _: &Sizes) -> Result<Division> {
        Ok(Division::by_group(30.0))
    }
}

impl Settings {
    fn choice(&self, graph: &Graph) -> Result<Choice> {
        Choice::new(
            graph,
            &Asked {
                edges: &self.edges,
                count: self.count,
                by: self.by,
                select: self.select,
                threshold: &self.threshold,
                prune: self.prune,
            },
        )
    }
}

/// The sizes of circuits on the curve.
fn sizes(graph: &Graph) -> impl Iterator<Item = usize> {
    let edges = graph.len() as f64;
    SHARES.iter().map(move |share| (share * edges).ceil() as usize)
}
