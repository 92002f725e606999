//! Which heads matter, and what of them: output, value, query, key or pattern of one head patched
//! (`get_act_patch_attn_head_out_all_pos` and its fellows, `_by_pos` with the setting), and the notebook's two
//! scatters of output against value and against pattern.

use super::shared::sweeps::{Columns, DIRECTION, Plan, probabilities, sweep};
use super::{Analysis, Findings, Job, Range, Running, Setting};
use crate::error::Result;
use crate::names::Head;
use crate::report::{Grid, Measure, Panel, Part, Scatter, ScatterAxis, ScatterPanel, ScatterValues};
use crate::site::BlockSite;

/// The catalogue's entry.
pub(super) static ANALYSIS: Analysis = Analysis {
    name: "head-patching",
    title: "Head patching",
    description: "One head's output, value, query, key or attention pattern put from one run into the other. If the \
                  value explains the output, the head moves other content; if the pattern does, it looks elsewhere.",
    settings: &[
        Setting {
            name: "what",
            description: "What of each head is patched: its output z, query q, key k, value v, or attention pattern.",
            range: Range::Choice { default: "all", options: &["all", "z", "q", "k", "v", "pattern"] },
        },
        Setting {
            name: "by_position",
            description: "One position at a time instead of all positions at once.",
            range: Range::Flag { default: false },
        },
        DIRECTION,
        probabilities(true),
    ],
    run,
};

/// What can be patched of a head, in the notebook's order.
const WHAT: [(&str, BlockSite, &str); 5] = [
    ("z", BlockSite::Z, "output"),
    ("v", BlockSite::V, "value"),
    ("pattern", BlockSite::Pattern, "attention pattern"),
    ("q", BlockSite::Q, "query"),
    ("k", BlockSite::K, "key"),
];

fn run<'a>(job: &'a Job<'a>) -> Running<'a> {
    Box::pin(patch(job))
}

async fn patch(job: &Job<'_>) -> Result<Findings> {
    let wanted = |&&(short, ..): &&(&str, BlockSite, &str)| ["all", short].contains(&job.text("what"));
    let by_position = job.flag("by_position");
    let plan = |&(short, site, word): &(&str, BlockSite, &str)| Plan {
        title: format!("Patched head {word} ({short})"),
        note: if by_position {
            format!("The {word} of one head at one position.")
        } else {
            format!("The {word} of one head at all positions.")
        },
        site,
        columns: if by_position { Columns::HeadsByPosition } else { Columns::Heads },
        layers: (0..job.model.config.n_layers).collect(),
    };
    let plans: Vec<Plan> = WHAT.iter().filter(wanted).map(plan).collect();
    let (grids, problems) = sweep(job, &plans).await?;
    let scatters = if by_position { Vec::new() } else { scatters(job, &plans, &grids) };
    let maps = plans.iter().zip(grids).map(|(plan, grid)| plan.part(grid));
    Ok(Findings { parts: maps.chain(scatters.into_iter().map(Part::Scatter)).collect(), problems })
}

/// Output against value and output against pattern, if these were patched.
fn scatters(job: &Job<'_>, plans: &[Plan], grids: &[Grid]) -> Vec<Scatter> {
    let map = |site| plans.iter().position(|plan| plan.site == site).map(|index| &grids[index]);
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
            measures: output.measures.iter().map(unbounded).collect(),
            names: heads.clone().map(|head| head.to_string()).collect(),
            layers: heads.map(|head| head.layer).collect(),
            panels: panels.map(|(y, x)| points(x, y)).collect(),
        })
    };
    [(BlockSite::V, "value"), (BlockSite::Pattern, "pattern")].into_iter().filter_map(scatter).collect()
}

/// Points are drawn on axes that fit them, not on the maps' fixed scale.
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
