//! The demo model does what it is shipped for, on both devices: it continues contractions.

use std::fs;
use std::path::Path;

use patchlab::device::{Adapter, DevicePreference};
use patchlab::figures::{Mark, Part};
use patchlab::host::Quiet;
use patchlab::model::source::MemorySource;
use patchlab::presets::presets;
use patchlab::{Files, Session, TokenizerFiles};
use patchlab_tests::fixture::{DEVICES, open, report};
use pollster::block_on;
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

/// The reference values beside the weights are PyTorch's, and the engine reproduces them.
#[test]
fn it_says_what_pytorch_says() {
    let text = |name: &str| fs::read_to_string(folder().join(name)).expect(name);
    let weights = fs::read(folder().join("model.safetensors")).expect("the weights");
    let experiment = presets().expect("built in").swap_remove(0).experiment;
    let open = |reference: String| {
        let files = Files {
            name: "demo".to_owned(),
            config: text("config.json"),
            tokenizer: TokenizerFiles::Gpt2,
            reference: Some(reference),
            truth: None,
            weights: MemorySource::new("model.safetensors", weights.clone()),
        };
        block_on(Session::open(files, DevicePreference::Cpu, &Adapter::None(String::new()), &Quiet))
    };
    let rows = |session: &Session| {
        let report = report(session, &experiment, "checks", &Value::Null);
        let Part::Table(table) = &report.parts[0] else { panic!("a table") };
        assert!(table.title.contains("PyTorch"), "{}", table.title);
        table.rows.clone()
    };
    let good = open(text("reference.json")).expect("a good model");
    assert!(rows(&good).iter().all(|row| row.mark == Some(Mark::Passed)));

    // Another model's reference does not match, and an unreadable one is refused.
    let other = text("reference.json").replacen("\"logit_difference\": 5.", "\"logit_difference\": 6.", 1);
    let marks: Vec<_> = rows(&open(other).expect("a good model")).iter().map(|row| row.mark).collect();
    assert_eq!(marks, [Some(Mark::Failed), Some(Mark::Passed)]);
    let refused = open("{}".to_owned()).expect_err("no reference").to_string();
    assert!(refused.contains("reference.json"), "{refused}");
}
