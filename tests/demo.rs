//! The demo model does what it is shipped for, on both devices: it continues contractions.

use std::fs;
use std::path::Path;

use patchlab::Session;
use patchlab::presets::presets;
use patchlab::report::Part;
use patchlab_tests::fixture::{DEVICES, open, report};
use serde_json::Value;

/// The shipped files.
fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/models/demo")
}

#[test]
fn it_continues_contractions() {
    let weights = fs::read(folder().join("model.safetensors")).expect("the weights");
    assert!(weights.len() <= 8_000_000, "the page promises a few megabytes, not {}", weights.len());
    let config = fs::read_to_string(folder().join("config.json")).expect("the configuration");
    let experiment = presets().expect("built in").swap_remove(0).experiment;

    for device in DEVICES {
        let session: Session = open(&config, weights.clone(), device).expect("a good model");
        let report = report(&session, &experiment, "logit-diff", &Value::Null);
        assert_eq!(report.problems, []);
        let Part::Dots(dots) = &report.parts[0] else { panic!("the first figure is the dots") };
        assert_eq!(dots.series.len(), 8);
        for group in &dots.series {
            let positive = group.points.iter().filter(|point| point.value > 0.0).count();
            assert!(
                group.mean >= 2.0 && positive >= 7 && group.points.len() == 8,
                "{device:?} {}: mean {:.2}, {positive} of {} positive",
                group.name,
                group.mean,
                group.points.len()
            );
        }
    }
}
