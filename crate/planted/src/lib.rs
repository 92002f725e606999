//! Planted checkpoints: models of GPT-2's architecture whose circuit is known, because it was built in.
//!
//! A method that looks for circuits can be scored against them. Each plant is a folder that Patchlab, or Transformers, opens
//! like any other model: `config.json`, `model.safetensors`, `tokenizer.json`; with an experiment on which the circuit
//! acts, `experiment.json`, and what was built, `circuit.json`. The seed decides which head of a layer does what, which
//! directions of the residual stream carry what, and which prompts are in the experiment.
//!
//! What was built is not yet the truth: `data/*.json` lists the edges whose replacement changes a logit difference, found by
//! replacing every edge and every two (`tests/fixtures/planted.py`), and the hash of the checkpoint that this was found on. For the
//! seed that it was found with, it lies in the folder as `truth.json`.
//!
//! Every number is made with `+ - * /` and `sqrt` in f64 and rounded once to f32, so that the files have the same bytes on
//! every machine.

mod circuit;
mod conjunction;
mod experiment;
mod files;
mod induction;
mod ioi;
mod model;
mod random;
mod space;
mod vocabulary;

use anyhow::Result;
use sha2::{Digest, Sha256};

pub use crate::circuit::{Circuit, Edge, Effect, HeadRole};
use crate::experiment::Experiment;
use crate::model::Model;
use crate::vocabulary::Vocabulary;

/// The seed of the checkpoints whose truth is in `data/`.
pub const SEED: u64 = 1;

/// A planted checkpoint.
#[derive(Debug, Clone)]
pub struct Plant {
    /// Its name, and its folder's.
    pub name: &'static str,
    /// The model's folder: names and contents.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// What was built.
    pub circuit: Circuit,
}

impl Plant {
    /// SHA-256 of a file, in hexadecimal; nothing if there is no such file.
    pub fn sha256(&self, file: &str) -> Option<String> {
        let (_, bytes) = self.files.iter().find(|(name, _)| *name == file)?;
        Some(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// All plants.
///
/// # Errors
/// If a file cannot be serialized.
pub fn plants(seed: u64) -> Result<Vec<Plant>> {
    let designs: [(_, Designer, _); 3] = [
        ("induction", induction::design, include_str!("../data/induction.json")),
        ("ioi", ioi::design, include_str!("../data/ioi.json")),
        ("conjunction", conjunction::design, include_str!("../data/conjunction.json")),
    ];
    let plant = |(name, design, truth): (_, Designer, &str)| {
        // Plants of one seed have nothing else in common.
        let mut plant = design(&format!("{name}/{seed}")).plant(name, seed)?;
        if seed == SEED {
            plant.files.push(("truth.json", truth.as_bytes().to_vec()));
        }
        Ok(plant)
    };
    designs.into_iter().map(plant).collect()
}

/// What designs a plant for the text of a seed.
type Designer = fn(&str) -> Design;

/// A plant before it is written.
struct Design {
    model: Model,
    vocabulary: Vocabulary,
    experiment: Experiment,
    circuit: Circuit,
}

impl Design {
    fn plant(self, name: &'static str, seed: u64) -> Result<Plant> {
        let comment = format!("planted checkpoint `{name}`, seed {seed}: built, not trained");
        let files = vec![
            ("config.json", files::config(&self.model, comment)?.into_bytes()),
            ("model.safetensors", files::checkpoint(&self.model.tensors())?),
            ("tokenizer.json", files::tokenizer(&self.vocabulary.tokens)?.into_bytes()),
            ("experiment.json", files::json(&self.experiment)?.into_bytes()),
            ("circuit.json", files::json(&self.circuit)?.into_bytes()),
        ];
        Ok(Plant { name, files, circuit: self.circuit })
    }
}
