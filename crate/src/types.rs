//! TypeScript declarations of everything that crosses to JavaScript, made from the Rust types.

use ts_rs::{Config, TS};

use crate::{analyses, device, experiment, notebook, presets, report, session};

/// The text of `www/types/engine.d.ts`.
pub fn declarations() -> String {
    let config = Config::new();
    let mut text = "// Made by `cargo xtask types` from the Rust types. Do not edit.\n".to_owned();
    macro_rules! declare {
        ($($type:ty),* $(,)?) => {
            $(
                if let Some(docs) = <$type as TS>::docs() {
                    text.push_str(&format!("\n{}", docs.trim_start()));
                } else {
                    text.push('\n');
                }
                text.push_str(&format!("export {}\n", <$type as TS>::decl(&config)));
            )*
        };
    }
    declare!(
        experiment::Experiment,
        experiment::Group,
        experiment::Pair,
        experiment::Field,
        experiment::Place,
        presets::Preset,
        analyses::AnalysisInfo,
        analyses::Setting,
        analyses::Range,
        session::Request,
        notebook::NotebookRequest,
        notebook::NotebookAnalysis,
        report::Report,
        report::Part,
        report::Preview,
        report::Table,
        report::Column,
        report::Quantity,
        report::Row,
        report::Mark,
        report::Cell,
        report::Token,
        report::Dots,
        report::DotSeries,
        report::Dot,
        report::TokenRows,
        report::TokenRow,
        report::Grid,
        report::Axis,
        report::AxisKind,
        report::Measure,
        report::Panel,
        report::Values,
        report::Scatter,
        report::ScatterAxis,
        report::ScatterPanel,
        report::ScatterValues,
        report::Attention,
        report::AttentionPrompt,
        report::AttentionHead,
        report::TextLens,
        report::Guess,
        report::TokenValues,
        report::ValuedRow,
        report::Problem,
        report::PairTokens,
        report::Checked,
        report::ModelInfo,
        report::DeviceInfo,
        report::DeviceKind,
        report::Progress,
        report::Unit,
        report::Opened,
        report::WeightBytes,
        report::StoredModel,
        device::Wanted,
    );
    text
}
