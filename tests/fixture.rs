//! The recorded reference values, and sessions with the models they were recorded on.

use std::fs;
use std::path::{Path, PathBuf};

use patchlab::analyses::Viewer;
use patchlab::device::{Adapter, DevicePreference, native_adapter};
use patchlab::figures::{Grid, Part, Report};
use patchlab::host::Quiet;
use patchlab::model::Config;
use patchlab::model::source::MemorySource;
use patchlab::{Error, Experiment, Files, Request, Session, TokenizerFiles};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::weights::checkpoint;

/// The folder of all fixtures.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A model with its recorded values.
pub struct Fixture {
    /// The folder's name.
    pub name: &'static str,
    /// `config.json`.
    pub config: String,
    /// `expected.json`: tokens, seeds, names of axes.
    pub expected: Value,
    /// `groups.json`.
    pub experiment: Experiment,
    /// The files of numbers.
    values: [Vec<u8>; FILES.len()],
}

/// The small models.
pub const TINY: [&str; 2] = ["tiny-a", "tiny-b"];

/// The devices that every native test runs on.
pub const DEVICES: [DevicePreference; 2] = [DevicePreference::Cpu, DevicePreference::Wgpu];

/// Files of recorded numbers, whose names differ.
const FILES: [&str; 4] =
    ["expected.safetensors", "causal.safetensors", "roles.safetensors", "answers.safetensors"];

impl Fixture {
    /// Reads a small model's folder.
    pub fn read(name: &'static str) -> Self {
        let folder = folder().join(name);
        let text = |file: &str| fs::read_to_string(folder.join(file)).expect(file);
        Self {
            name,
            config: text("config.json"),
            expected: serde_json::from_str(&text("expected.json")).expect("JSON"),
            experiment: Experiment::from_json(&text("groups.json")).expect("an experiment"),
            values: FILES.map(|file| fs::read(folder.join(file)).expect(file)),
        }
    }

    /// The generated checkpoint.
    pub fn checkpoint(&self) -> Vec<u8> {
        let config = Config::from_json(&self.config).expect("a good config");
        checkpoint(self.expected["seed"].as_str().expect("a seed"), &config)
    }

    /// The model, open on a device.
    pub fn session(&self, wanted: DevicePreference) -> Session {
        open(&self.config, self.checkpoint(), wanted).expect("a good model")
    }

    /// A JSON file of its folder.
    pub fn json(&self, file: &str) -> Value {
        let text = fs::read_to_string(folder().join(self.name).join(file)).expect(file);
        serde_json::from_str(&text).expect("JSON")
    }

    /// Recorded numbers: shape and values, row-major.
    pub fn values(&self, name: &str) -> (Vec<usize>, Vec<f64>) {
        let found = self.values.iter().find_map(|file| numbers(file, name));
        found.unwrap_or_else(|| panic!("no recorded values {name}"))
    }

    /// Those of a file whose names other files have, too.
    pub fn values_in(&self, file: &str, name: &str) -> (Vec<usize>, Vec<f64>) {
        let bytes = fs::read(folder().join(self.name).join(file)).expect(file);
        numbers(&bytes, name).unwrap_or_else(|| panic!("no recorded values {name} in {file}"))
    }

    /// The names of all numbers of `expected.safetensors`.
    pub fn names(&self) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.values[0]).expect("safetensors");
        file.names().into_iter().map(str::to_owned).collect()
    }
}

/// The numbers of this name in a safetensors file: shape and values.
fn numbers(file: &[u8], name: &str) -> Option<(Vec<usize>, Vec<f64>)> {
    let file = SafeTensors::deserialize(file).expect("safetensors");
    let tensor = file.tensor(name).ok()?;
    let four = |bytes: &[u8]| [bytes[0], bytes[1], bytes[2], bytes[3]];
    let numbers = tensor.data().chunks_exact(4);
    let numbers = match tensor.dtype() {
        safetensors::Dtype::F32 => numbers.map(|b| f64::from(f32::from_le_bytes(four(b)))).collect(),
        safetensors::Dtype::I32 => numbers.map(|b| f64::from(i32::from_le_bytes(four(b)))).collect(),
        other => panic!("{name} is stored as {other:?}"),
    };
    Some((tensor.shape().to_vec(), numbers))
}

/// Runs an analysis of an experiment; `settings` is a JSON object, or null for the defaults.
pub fn report(session: &Session, experiment: &Experiment, analysis: &str, settings: &Value) -> Report {
    try_report(session, experiment, analysis, settings, &Quiet).expect(analysis)
}

/// Runs an analysis of an experiment, reporting to `viewer`.
///
/// # Errors
/// What the analysis refuses.
pub fn try_report(
    session: &Session,
    experiment: &Experiment,
    analysis: &str,
    settings: &Value,
    viewer: &dyn Viewer,
) -> Result<Report, Error> {
    let settings = settings.as_object().cloned().unwrap_or_default();
    let request = Request { analysis: analysis.to_owned(), experiment: experiment.clone(), settings };
    pollster::block_on(session.run(&request, viewer))
}

/// Opens a model from memory with GPT-2's tokenizer.
pub fn open(config: &str, weights: Vec<u8>, wanted: DevicePreference) -> Result<Session, Error> {
    let files = Files {
        name: "generated".to_owned(),
        config: config.to_owned(),
        tokenizer: TokenizerFiles::Gpt2,
        reference: None,
        truth: None,
        weights: MemorySource::new("model.safetensors", weights),
    };
    pollster::block_on(async {
        let adapter = match wanted {
            DevicePreference::Cpu => Adapter::None("not asked for".to_owned()),
            _ => native_adapter().await,
        };
        Session::open(files, wanted, &adapter, &Quiet).await
    })
}

/// The heat maps and lines among a report's parts.
pub fn grids(parts: &[Part]) -> Vec<&Grid> {
    let grids = parts
        .iter()
        .filter_map(|part| if let Part::Heat(grid) | Part::Line(grid) = part { Some(grid) } else { None });
    grids.collect()
}

/// Fails unless every number is within `tolerance` of the recorded one.
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: another number of values");
    let worst = found
        .iter()
        .zip(expected)
        .enumerate()
        .map(|(index, (found, expected))| (index, (found - expected).abs()))
        // NaN counts as the worst.
        .max_by(|(_, a), (_, b)| a.total_cmp(b));
    if let Some((index, error)) = worst
        && (error.is_nan() || error > tolerance)
    {
        panic!(
            "{what}[{index}]: {} is not {} (off by {error:.2e}, allowed {tolerance:.0e})",
            found[index], expected[index]
        );
    }
}
