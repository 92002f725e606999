//! What several analyses share.

pub(super) mod ablated;
pub(super) mod attributed;
pub(super) mod choices;
pub(super) mod chosen;
pub(super) mod circuits;
pub(super) mod columns;
pub(super) mod edges;
pub(super) mod groups;
pub(super) mod inspected;
pub(super) mod kept;
pub(super) mod likely;
pub(super) mod measures;
pub(super) mod metric;
pub(super) mod placed;
pub(super) mod planted;
pub(super) mod sweeps;
pub(super) mod top;
