//! Which heads matter, and which of their activations: output, value, query, key or pattern of one head
//! patched (`get_act_patch_attn_head_out_all_pos` and the like, `_by_pos` with the setting), and the
//! notebook's two scatter plots of output against value and against pattern.

use super::settings::{choice, count, flag};
use super::shared::columns::{ALIGN, Align};
use super::shared::sweeps::{self, DIRECTION, Options, PatchingMap, probabilities, sweep};
use super::shared::top;
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::figures::{Grid, Measure, Panel, Part, Scatter, ScatterAxis, ScatterPanel, ScatterValues};
use crate::names::Head;
use crate::portion::{Division, Sizes};
use crate::runs::Direction;
use crate::site::BlockSite;

/// Which activation of a head is patched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum What {
    All,
    Z,
    Q,
    K,
    V,
    Pattern,
}

settings! {
    /// What of each head is patched: its output z, query q, key k, value v, or attention pattern.
    what: What = choice::<What>("all"),
    /// One position at a time instead of all positions at once.
    by_position: bool = flag(false),
    align: Align = ALIGN,
    /// How many of the largest and how many of the smallest are listed.
    top_k: usize = count(5, 1, 100),
    direction: Direction = DIRECTION,
    probabilities: bool = probabilities(true),
}

/// An activation of a head that can be patched.
struct HeadActivation {
    what: What,
    site: BlockSite,
    short: &'static str,
    word: &'static str,
}

/// In the notebook's order.
const ACTIVATIONS: [HeadActivation; 5] = [
    HeadActivation { what: What::Z, site: BlockSite::Z, short: "z", word: "output" },
    HeadActivation { what: What::V, site: BlockSite::V, short: "v", word: "value" },
    HeadActivation {
        what: What::Pattern,
        site: BlockSite::Pattern,
        short: "pattern",
        word: "attention pattern",
    },
    HeadActivation { what: What::Q, site: BlockSite::Q, short: "q", word: "query" },
    HeadActivation { what: What::K, site: BlockSite::K, short: "k", word: "key" },
];

impl Analyse for Settings {
    const NAME: &'static str = "head-patching";
    const TITLE: &'static str = "Head patching";
    const DESCRIPTION: &'static str = "One head's output, value, query, key or attention pattern put from \
         one run into the other. If the value explains the output, the head moves other content; if the \
         pattern does, it looks elsewhere.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/head_patching.py"),
        needs: Some(sweeps::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let wanted = |activation: &&HeadActivation| self.what == What::All || self.what == activation.what;
        let by_position = self.by_position;
        let map = |&HeadActivation { site, short, word, .. }: &HeadActivation| {
            let title = format!("Patched head {word} ({short})");
            if by_position {
                let note = format!("The {word} of one head at one position.");
                PatchingMap::heads_by_position(job, site).titled(&title, &note)
            } else {
                let note = format!("The {word} of one head at all positions.");
                PatchingMap::heads(job, site).titled(&title, &note)
            }
        };
        let maps: Vec<PatchingMap> = ACTIVATIONS.iter().filter(wanted).map(map).collect();
        let Self { direction, probabilities, align, .. } = *self;
        let options = Options { direction, probabilities, align };
        let (grids, problems) = sweep(job, &maps, options).await?;
        let scatters = if by_position { Vec::new() } else { scatters(job, &maps, &grids) };
        // Of the first map: the output, unless another activation was asked for.
        let n_heads = job.model.config.n_heads;
        let name = |cell: usize| Head { layer: cell / n_heads, head: cell % n_heads }.to_string();
        let first = grids.first().filter(|_| !by_position);
        let tables = first.map(|grid| top::tables(grid, "Head", self.top_k, name)).unwrap_or_default();
        let maps = maps.iter().zip(grids).map(|(map, grid)| map.part(grid));
        let scatters = scatters.into_iter().map(Part::Scatter);
        let parts = maps.chain(scatters).chain(tables.into_iter().map(Part::Table)).collect();
        Ok(Findings { parts, problems })
    }

    fn division(&self, sizes: &Sizes) -> Result<Division> {
        let kinds = if self.what == What::All { ACTIVATIONS.len() } else { 1 };
        let places = if self.by_position { sizes.positions } else { 1 };
        Ok(Division::by_group(Sizes::patches(kinds * sizes.heads() * places, self.probabilities)))
    }
}

/// Scatter plots of output against value and output against pattern, if these were patched.
fn scatters(job: &Job<'_>, maps: &[PatchingMap], grids: &[Grid]) -> Vec<Scatter> {
    let map = |site| maps.iter().position(|map| map.site == site).map(|index| &grids[index]);
    let Some(output) = map(BlockSite::Z) else { return Vec::new() };
    let scatter = |(site, word): (BlockSite, &str)| {
        let other = map(site)?;
        let panels = output.panels.iter().zip(&other.panels);
        let (n_layers, n_heads) = (job.model.config.n_layers, job.model.config.n_heads);
        let heads = (0..n_layers).flat_map(|layer| (0..n_heads).map(move |head| Head { layer, head }));
        Some(Scatter {
            title: format!("Output patching against {word} patching"),
            note: Some(format!("On the diagonal, the {word} alone explains what the output does.")),
            x: ScatterAxis { label: format!("{word} patch") },
            y: ScatterAxis { label: "output patch".to_owned() },
            alike: true,
            measures: output.measures.iter().map(unbounded).collect(),
            names: heads.clone().map(|head| head.to_string()).collect(),
            layers: heads.map(|head| head.layer).collect(),
            panels: panels.map(|(y, x)| points(x, y)).collect(),
        })
    };
    [(BlockSite::V, "value"), (BlockSite::Pattern, "pattern")].into_iter().filter_map(scatter).collect()
}

/// Scatter plots have axes that fit their points instead of the maps' fixed scale.
fn unbounded(measure: &Measure) -> Measure {
    Measure { range: None, ..measure.clone() }
}

fn points(x: &Panel, y: &Panel) -> ScatterPanel {
    let means = |means: &[Option<f64>]| means.iter().map(|mean| mean.unwrap_or(f64::NAN)).collect();
    let values = x.values.iter().filter_map(|x| {
        let y = y.values.iter().find(|y| y.measure == x.measure)?;
        Some(ScatterValues { measure: x.measure, x: means(&x.mean), y: means(&y.mean) })
    });
    ScatterPanel { name: y.name.clone(), group: y.group, values: values.collect() }
}
