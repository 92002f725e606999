//! Stages whose output a list freezes at the base run's: it is added, and not computed.

use super::{Effect, Intervention, Positions, Value};
use crate::site::{BlockSite, Site, Stage};

/// Where what a stage adds to the residual stream is recorded. None: it does not add.
pub(super) fn output(stage: Stage) -> Option<Site> {
    match stage {
        Stage::Attention(layer) => Some(Site::Block(layer, BlockSite::AttnOut)),
        Stage::Mlp(layer) => Some(Site::Block(layer, BlockSite::MlpOut)),
        Stage::Embed | Stage::Final => None,
    }
}

/// Whether a list leaves what a stage adds to the stream as it is in the base run, whatever else it does there.
fn freezes(list: &[Intervention], stage: Stage) -> bool {
    let Some(output) = output(stage) else { return false };
    list.iter()
        .rev()
        .find(|one| one.site == output)
        .is_some_and(|one| one.position == Positions::All && one.effect == Effect::Replace(Value::Own))
}

/// How many layers there are from the first to the last whose attention a list does not freeze. Those after it move nothing
/// from one position to another.
pub(super) fn attending(list: &[Intervention], n_layers: usize) -> usize {
    let live = |layer: &usize| !freezes(list, Stage::Attention(*layer));
    (0..n_layers).rev().find(live).map_or(0, |layer| layer + 1)
}

/// Whether the stage only adds the base run's output to a list's stream: the output is frozen, and the stream itself, which
/// goes around the stage, is not intervened on there.
pub(super) fn passes_on(list: &[Intervention], stage: Stage, n_layers: usize) -> bool {
    use BlockSite::{ResidMid, ResidPost, ResidPre};
    let around = |one: &Intervention| {
        matches!(one.site, Site::Block(_, ResidPre | ResidMid | ResidPost))
            && one.site.stage(n_layers) == stage
    };
    freezes(list, stage) && !list.iter().any(around)
}
