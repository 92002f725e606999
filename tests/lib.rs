//! What the integration tests share: the generated checkpoints and the recorded reference values.

pub mod fixture;
pub mod weights;
