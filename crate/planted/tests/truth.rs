//! The recorded truth belongs to the checkpoints that are generated, and is what was intended.

use std::collections::BTreeSet;

use patchlab_planted::{Effect, Plant, SEED, plants};
use serde_json::Value;

/// By plant: what `tests/fixtures/planted.py` found.
const TRUTHS: [(&str, &str); 3] = [
    ("induction", include_str!("../data/induction.json")),
    ("ioi", include_str!("../data/ioi.json")),
    ("conjunction", include_str!("../data/conjunction.json")),
];

/// The plants of the recorded seed, each with its truth.
fn recorded() -> Vec<(Plant, Value)> {
    let plants = plants(SEED).expect("plain files");
    let names: Vec<&str> = plants.iter().map(|plant| plant.name).collect();
    assert_eq!(names, TRUTHS.map(|(name, _)| name));
    plants.into_iter().zip(TRUTHS.map(|(_, text)| serde_json::from_str(text).expect("JSON"))).collect()
}

#[test]
fn every_machine_writes_the_files_whose_truth_is_known() {
    for (plant, truth) in recorded() {
        for (file, what) in [("model.safetensors", "checkpoint"), ("experiment.json", "experiment")] {
            let hash = plant.sha256(file).expect("it is written");
            assert_eq!(truth[what], hash, "{}/{file} has changed: run tests/fixtures/planted.py", plant.name);
        }
    }
}

#[test]
fn the_truth_is_what_was_built() {
    for (plant, truth) in recorded() {
        for ablation in ["resample", "zero"] {
            for (list, least) in [("single", Effect::Single), ("pair", Effect::Pair)] {
                let found: BTreeSet<&str> = truth[ablation][list]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(|edge| edge.as_str().expect("an edge"))
                    .collect();
                let edges = plant.circuit.edges.iter();
                let intended = edges.filter(|edge| {
                    let effect = if ablation == "zero" { edge.zero } else { edge.resample };
                    effect >= least
                });
                let intended: BTreeSet<&str> = intended.map(|edge| edge.edge.as_str()).collect();
                assert_eq!(found, intended, "{} by {ablation}, {list}", plant.name);
            }
        }
    }
}

#[test]
fn a_plant_is_small_and_a_function_of_its_seed() {
    let [one, again, other] = [1, 1, 2].map(|seed| plants(seed).expect("plain files"));
    for ((one, again), other) in one.iter().zip(&again).zip(&other) {
        assert_eq!(one.files, again.files);
        for file in ["model.safetensors", "experiment.json"] {
            assert_ne!(one.sha256(file), other.sha256(file), "{}", one.name);
        }
        let (_, checkpoint) = one.files.iter().find(|(name, _)| *name == "model.safetensors").expect("one");
        assert!(checkpoint.len() < 600_000, "{} has {} bytes", one.name, checkpoint.len());
    }
}
