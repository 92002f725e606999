//! Texts that are continued, against Transformers' `generate` and, with interventions, whole runs of TransformerLens
//! (`fixtures/continuations.py`).

use patchlab::figures::{Cell, Part, Report};
use patchlab::host::Quiet;
use patchlab::{Error, Experiment, Session};
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, report, try_report};
use serde_json::{Value, json};

/// Of a probability. float32 is within 1e-5 of the float64 reference.
const TOLERANCE: f64 = 1e-4;

fn no_groups() -> Experiment {
    Experiment { groups: Vec::new(), prepend_bos: true }
}

/// The tokens that were added to the last text of a report, and their probabilities.
fn added(report: &Report) -> Vec<(u64, f64)> {
    let Part::Table(table) = &report.parts[1] else { panic!("{:?}", report.parts[1]) };
    let of = |cells: &[Cell]| match cells {
        [.., Cell::Token(token), Cell::Number(probability)] => Some((u64::from(token.id), *probability)),
        _ => None,
    };
    table.rows.iter().filter_map(|row| of(&row.cells)).collect()
}

fn compare(what: &str, found: &[(u64, f64)], steps: &Value) {
    let steps = steps.as_array().expect("steps");
    assert_eq!(found.len(), steps.len(), "{what}");
    for (step, (&(id, probability), expected)) in found.iter().zip(steps).enumerate() {
        assert_eq!(json!(id), expected["id"], "{what}, step {step}");
        let expected = expected["probability"].as_f64().expect("a number");
        assert!(
            (probability - expected).abs() < TOLERANCE,
            "{what}, step {step}: {probability} is not {expected}"
        );
    }
}

#[test]
fn texts_go_on_as_transformers_continues_them_with_and_without_interventions() {
    for fixture in TINY.map(Fixture::read) {
        let recorded = fixture.json("continuations.json");
        for device in DEVICES {
            let session = fixture.session(device);
            for case in recorded["cases"].as_array().expect("cases") {
                let list = if case["list"] == json!([]) { String::new() } else { case["list"].to_string() };
                let tokens = case["steps"].as_array().expect("steps").len();
                let settings = json!({ "prompt": case["prompt"], "list": list, "tokens": tokens });
                let found = report(&session, &no_groups(), "generate", &settings);
                let Part::Tokens(texts) = &found.parts[0] else { panic!("{:?}", found.parts[0]) };
                assert_eq!(texts.rows.len(), if list.is_empty() { 1 } else { 2 });
                compare(
                    &format!("{} {device:?} {} {list:.60}", fixture.name, case["prompt"]),
                    &added(&found),
                    &case["steps"],
                );
            }
        }
    }
}

#[test]
fn a_group_s_own_difference_steers() {
    for fixture in TINY.map(Fixture::read) {
        let recorded = fixture.json("continuations.json");
        let steer = &recorded["steer"];
        let experiment = json!({ "groups": [recorded["group"]], "prepend_bos": true });
        let experiment = Experiment::from_json(&experiment.to_string()).expect("an experiment");
        for device in DEVICES {
            let settings = json!({
                "prompt": steer["prompt"], "steer": steer["site"], "strength": steer["strength"].to_string(),
                "tokens": steer["steps"].as_array().expect("steps").len(),
            });
            let found = report(&fixture.session(device), &experiment, "generate", &settings);
            compare(&format!("{} {device:?}", fixture.name), &added(&found), &steer["steps"]);
        }
    }
}

#[test]
fn a_text_ends_where_the_context_does_and_drawn_texts_can_be_repeated() {
    let fixture = Fixture::read("tiny-a");
    let session = fixture.session(DEVICES[0]);
    let tokens = |settings: Value| added(&report(&session, &no_groups(), "generate", &settings));
    let n_ctx = session.info().n_ctx;
    let long = tokens(json!({ "prompt": "The", "tokens": 1000 }));
    assert_eq!(long.len(), n_ctx - 2, "<|endoftext|> and the prompt are in it, too");
    let drawn =
        |seed: u32| tokens(json!({ "prompt": "The", "tokens": 12, "temperature": "1", "seed": seed }));
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    let few = tokens(json!({ "prompt": "The", "tokens": 12, "temperature": "5", "top_k": 1 }));
    assert_eq!(few, tokens(json!({ "prompt": "The", "tokens": 12 })), "only the likeliest is drawn from");
}

#[test]
fn what_cannot_be_held_is_refused_in_words() {
    let fixture = Fixture::read("tiny-a");
    let session = fixture.session(DEVICES[0]);
    let refused = |session: &Session, settings: Value| -> Error {
        try_report(session, &no_groups(), "generate", &settings, &Quiet).expect_err("refused")
    };
    for (settings, says) in [
        (
            json!({ "list": r#"[{"site":"blocks.0.hook_mlp_out","effect":{"replace":"other"}}]"# }),
            "another run",
        ),
        (
            json!({ "list": r#"[{"site":"blocks.0.hook_mlp_out","position":"last","effect":{"scale":2}}]"# }),
            "at some positions",
        ),
        (
            json!({ "list": r#"[{"site":"blocks.0.attn.hook_pattern","effect":{"scale":2}}]"# }),
            "more sources",
        ),
        (
            json!({ "list": r#"[{"site":"blocks.0.hook_mlp_out","effect":{"add":{"value":{"tensor":[1,2]}}}}]"# }),
            "2 numbers",
        ),
        (json!({ "list": r#"[{"site":"blocks.9.hook_mlp_out","effect":{"scale":2}}]"# }), "layers 0 to"),
        (json!({ "temperature": "warm" }), "no number"),
        (json!({ "temperature": "-1" }), "no number"),
        (json!({ "steer": "blocks.0.hook_resid_post" }), "no pair of prompts"),
        (json!({ "steer": "blocks.0.attn.hook_pattern" }), "other sources"),
        (json!({ "steer": "nonsense" }), "nonsense"),
    ] {
        let mut settings = settings;
        settings["prompt"] = json!("The");
        let error = refused(&session, settings.clone()).to_string();
        assert!(error.contains(says), "{settings}: {error}");
    }
}
