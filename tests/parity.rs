//! The engine against TransformerLens, number by number, on Flex and on wgpu.
//!
//! Tolerances: f32 noise of these models is up to 1.1e-5 (`float32_noise` in each `expected.json`, measured
//! against f64); typical mistakes show as 8e-4 or more (`fixtures/README.md`). 1e-4 lies between the two.

use std::ops::Range;

use patchlab::Session;
use patchlab::device::DevicePreference;
use patchlab::figures::{Cell, Mark, Part, Table};
use patchlab::metrics::{log_sum_exp, rank};
use patchlab::model::hooks::AllSites;
use patchlab::model::hooks::{Change, Edit};
use patchlab::model::{Activation, ActivationCache, Batch, Hooks};
use patchlab::prompts::prepare;
use patchlab::readback::{Reads, read};
use patchlab::runs::Runs;
use patchlab::site::{BlockSite, Site};
use patchlab::tokens::Tokenizer;
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, assert_close, folder, report};
use pollster::block_on;
use serde_json::{Value, json};

const TOLERANCE: f64 = 1e-4;

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().expect("an array").iter().map(|id| id.as_u64().expect("an id") as u32).collect()
}

#[test]
fn token_ids_are_transformer_lens_s() {
    let text = std::fs::read_to_string(folder().join("tokens.json")).expect("tokens.json");
    let recorded: Value = serde_json::from_str(&text).expect("JSON");
    let tokenizer = Tokenizer::gpt2().expect("built in");
    let encode =
        |text: &Value, bos| tokenizer.encode(text.as_str().expect("a text"), bos).expect("plain text");
    let notebook = recorded["notebook"].as_array().expect("the notebook's prompts");
    assert_eq!(notebook.len(), 64);
    let awkward = recorded["awkward"].as_array().expect("awkward texts");
    for case in notebook.iter().chain(awkward) {
        assert_eq!(encode(&case["text"], true), ids(&case["with_bos"]), "{}", case["text"]);
    }
    for case in awkward {
        assert_eq!(encode(&case["text"], false), ids(&case["without_bos"]), "{}", case["text"]);
    }
    for case in recorded["single"].as_array().expect("single tokens") {
        assert_eq!(u64::from(encode(&case["text"], false)[0]), case["id"].as_u64().expect("an id"));
    }
}

/// Runs prompts and records everything.
fn record(session: &Session, prompts: &[Vec<u32>], patches: &[Edit]) -> (Vec<Vec<f32>>, ActivationCache) {
    let (model, batch) = (session.model(), Batch::new(prompts).expect("prompts"));
    let mut hooks = Hooks::new(Some(&AllSites), patches);
    let normalized = model.forward(&batch, &mut hooks).expect("a run");
    let last = model.last(normalized, &batch);
    let blocks = model.unembedding.logits(last); // [prompts, block] each
    let widths: Vec<usize> = blocks.iter().map(|block| block.dims()[1]).collect();
    let reads = blocks.into_iter().fold(Reads::default(), Reads::with);
    let blocks = block_on(reads.fetch()).expect("a working device");
    let row = |prompt: usize| {
        let parts =
            blocks.iter().zip(&widths).map(|(block, width)| &block[prompt * width..(prompt + 1) * width]);
        parts.collect::<Vec<_>>().concat()
    };
    ((0..prompts.len()).map(row).collect(), hooks.finish().expect("every patch fires"))
}

fn log_probs(logits: &[f32]) -> Vec<f64> {
    let norm = log_sum_exp(logits);
    logits.iter().map(|&logit| f64::from(logit) - norm).collect()
}

#[test]
fn log_probabilities_agree() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let expected = fixture.expected["groups"].as_array().expect("groups");
            for (index, group) in expected.iter().enumerate() {
                let prompts: Vec<Vec<u32>> =
                    group["clean_tokens"].as_array().expect("prompts").iter().map(ids).collect();
                let (logits, _) = record(&session, &prompts, &[]);
                let what = |name: &str| format!("group{index}/clean/{name}");
                let (shape, top) = fixture.values(&what("top/ids"));
                let (_, expected) = fixture.values(&what("top/log_probs"));
                for (prompt, row) in logits.iter().enumerate() {
                    let row = log_probs(row);
                    let range = prompt * shape[1]..(prompt + 1) * shape[1];
                    let found: Vec<f64> = top[range.clone()].iter().map(|&id| row[id as usize]).collect();
                    assert_close(
                        &format!("{} {device:?} {}", fixture.name, what("top")),
                        &found,
                        &expected[range],
                        TOLERANCE,
                    );
                }
                let norms: Vec<f64> = logits.iter().map(|row| log_sum_exp(row)).collect();
                assert_close(
                    &what("log_sum_exp"),
                    &norms,
                    &fixture.values(&what("log_sum_exp")).1,
                    TOLERANCE,
                );
            }
            // One prompt's log-probabilities over the whole vocabulary.
            let first = vec![ids(&expected[0]["clean_tokens"][0])];
            let (logits, _) = record(&session, &first, &[]);
            let (_, row) = fixture.values("rows/first/log_probs");
            assert_close(
                &format!("{} {device:?} whole row", fixture.name),
                &log_probs(&logits[0]),
                &row,
                TOLERANCE,
            );
            // A prompt that fills the model's context.
            let long = vec![ids(&fixture.expected["long_tokens"])];
            assert_eq!(long[0].len(), session.info().n_ctx);
            let (logits, _) = record(&session, &long, &[]);
            let (_, row) = fixture.values("rows/long/log_probs");
            assert_close(
                &format!("{} {device:?} long row", fixture.name),
                &log_probs(&logits[0]),
                &row,
                TOLERANCE,
            );
        }
    }
}

#[test]
fn answers_are_placed_in_the_whole_vocabulary() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let (groups, _) =
                prepare(&fixture.experiment, session.tokenizer(), session.info().n_ctx).expect("groups");
            for group in groups {
                let runs = block_on(Runs::record(session.model(), &group.cases, true, &Vec::new()));
                let clean: Vec<Vec<u32>> = group.cases.iter().map(|case| case.clean.clone()).collect();
                let (logits, _) = record(&session, &clean, &[]);
                let stats = runs.expect("runs").clean.stats;
                let vocabulary = stats.vocabulary.expect("asked for");
                for (prompt, (case, row)) in group.cases.iter().zip(&logits).enumerate() {
                    let answer = f64::from(row[case.compared[0][0] as usize]);
                    assert_eq!(
                        vocabulary.rank.row(0)[prompt],
                        rank(row, case.compared[0][0] as usize) as f64,
                        "{device:?} {}",
                        case.text
                    );
                    // Another sum of the same products, in another order, and the mean is taken from the token's row
                    // here and from its logit there. Such sums in f32 differ by some units of the last place of
                    // their largest terms, which are near 10: 1e-6 each.
                    assert_close("answer", &[stats.answer.row(0)[prompt]], &[answer], 6e-6);
                    // The device sums 50,257 numbers in f32, at a cost of up to some 2e-5.
                    let found = vocabulary.log_sum_exp.row(0)[prompt];
                    assert_close("log-sum-exp", &[found], &[log_sum_exp(row)], 5e-5);
                }
            }
        }
    }
}

#[test]
fn every_recorded_site_agrees() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let first = vec![ids(&fixture.expected["groups"][0]["clean_tokens"][0])];
            let (_, cache) = record(&session, &first, &[]);
            let mut compared = 0;
            for name in fixture.names() {
                let Some(site) = name.strip_prefix("cache/") else { continue };
                let site: Site = site.parse().expect("a TransformerLens name");
                let found = numbers(cache.get(site).expect("everything is recorded"));
                let (_, expected) = fixture.values(&name);
                let largest = expected.iter().filter(|x| x.is_finite()).fold(1.0f64, |m, x| m.max(x.abs()));
                // Masked scores are -inf here and in TransformerLens; the fixtures store 0 instead.
                let unmasked = |(found, expected): (&f64, &f64)| {
                    if found.is_infinite() {
                        assert_eq!(*expected, 0.0, "{name}");
                    }
                    found.is_finite().then_some((*found, *expected))
                };
                let pairs = found.iter().zip(&expected).filter_map(unmasked);
                let (a, b): (Vec<f64>, Vec<f64>) = pairs.unzip();
                assert_eq!(found.len(), expected.len(), "{name}");
                assert_close(&format!("{} {device:?} {name}", fixture.name), &a, &b, TOLERANCE * largest);
                compared += 1;
            }
            assert!(compared > 15 * session.info().n_layers, "only {compared} sites were recorded");
            assert_eq!(cache.sites().len(), Site::all(session.info().n_layers).count());
        }
    }
}

fn numbers(activation: &Activation) -> Vec<f64> {
    let read = match activation {
        Activation::Three(tensor) => block_on(read(tensor.clone())),
        Activation::Four(tensor) => block_on(read(tensor.clone())),
    };
    read.expect("a working device").into_iter().map(f64::from).collect()
}

/// Runs an analysis of the fixture's own experiment.
fn run(session: &Session, fixture: &Fixture, analysis: &str, settings: Value) -> Vec<Part> {
    let report = report(session, &fixture.experiment, analysis, &settings);
    assert_eq!(report.problems, []);
    report.parts
}

fn column(table: &Table, name: &str) -> Vec<f64> {
    let index = table.columns.iter().position(|column| column.name == name).expect("the column");
    let number = |cell: &Cell| match cell {
        Cell::Number(number) => *number,
        other => panic!("{other:?} is no number"),
    };
    table.rows.iter().filter(|row| row.mark.is_none()).map(|row| number(&row.cells[index])).collect()
}

#[test]
fn logit_differences_agree() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let parts = run(&session, &fixture, "logit-diff", Value::Null);
            let tables: Vec<&Table> = parts
                .iter()
                .filter_map(|part| match part {
                    Part::Table(table) => Some(table),
                    _ => None,
                })
                .collect();
            let Part::Dots(dots) = &parts[0] else { panic!("the first figure is the dots") };
            assert_eq!(tables.len(), fixture.experiment.groups.len());
            for (index, table) in tables.iter().enumerate() {
                for (name, recorded) in
                    [("Logit difference", "clean"), ("On the corrupted prompt", "corrupted")]
                {
                    let what = format!("group{index}/{recorded}/logit_diff");
                    let (_, expected) = fixture.values(&what);
                    assert_close(
                        &format!("{} {device:?} {what}", fixture.name),
                        &column(table, name),
                        &expected,
                        TOLERANCE,
                    );
                }
                let (shape, answers) = fixture.values(&format!("group{index}/clean/answer"));
                if shape.len() == 1 {
                    assert_close(
                        "the answer's logit",
                        &column(table, "Logit of answer"),
                        &answers,
                        TOLERANCE,
                    );
                }
                let mean = fixture.expected["groups"][index]["clean_mean"].as_f64().expect("a mean");
                assert_close("mean", &[dots.series[index].mean], &[mean], TOLERANCE);
            }
        }
    }
}

#[test]
fn test_prompt_ranks_the_answer() {
    let fixture = Fixture::read("tiny-a");
    let session = fixture.session(DevicePreference::Cpu);
    let pair = &fixture.experiment.groups[0].pairs[0];
    let settings = serde_json::json!({ "prompt": pair.clean, "answer": pair.answer, "top_k": 5 });
    let parts = run(&session, &fixture, "test-prompt", settings);
    let Part::Table(table) = &parts[1] else { panic!("the second figure is the table") };
    assert_eq!(table.rows.iter().filter(|row| row.mark.is_some()).count(), 1);
    let (_, expected) = fixture.values("group0/clean/top/log_probs");
    assert_close("top", &column(table, "Log-probability")[..5], &expected[..5], TOLERANCE);
    let rank = table.rows.iter().find(|row| row.mark.is_some()).map(|row| row.cells[0].clone());
    let (_, low) = fixture.values("group0/clean/answer_rank_min");
    let (_, high) = fixture.values("group0/clean/answer_rank_max");
    let Some(Cell::Number(rank)) = rank else { panic!("a rank") };
    assert!((low[0]..=high[0]).contains(&rank), "rank {rank} is not from {} to {}", low[0], high[0]);
}

/// A slice of an activation.
fn cut(value: &Activation, range: &[Range<usize>]) -> Activation {
    let part = |axis: usize| range[axis].clone();
    match value {
        Activation::Three(x) => Activation::Three(x.clone().slice(std::array::from_fn(part))),
        Activation::Four(x) => Activation::Four(x.clone().slice(std::array::from_fn(part))),
    }
}

#[test]
fn plain_patches_agree() {
    let fixture = Fixture::read("tiny-a");
    for device in DEVICES {
        let session = fixture.session(device);
        let group = &fixture.expected["groups"][0];
        let all =
            |name: &str| -> Vec<Vec<u32>> { group[name].as_array().expect(name).iter().map(ids).collect() };
        let (clean, corrupted) = (all("clean_tokens"), all("corrupted_tokens"));
        let (answers, distractors) = (ids(&group["answers"]), ids(&group["distractors"]));
        let (_, cache) = record(&session, &clean, &[]);

        for (recorded, site, axis) in [
            ("resid_pre", BlockSite::ResidPre, 1),
            ("attn_out", BlockSite::AttnOut, 1),
            ("z", BlockSite::Z, 2),
            ("pattern", BlockSite::Pattern, 1),
        ] {
            let name = format!("group0/denoise/{recorded}/logit_diff");
            let (shape, expected) = fixture.values(&name);
            let mut found = Vec::new();
            for layer in 0..shape[0] {
                for index in 0..shape[1] {
                    let site = Site::Block(layer, site);
                    let value = cache.get(site).expect("recorded").clone();
                    let mut range: Vec<_> = value.shape().into_iter().map(|size| 0..size).collect();
                    range[axis] = index..index + 1;
                    let change = Change::Replace(cut(&value, &range));
                    let patch = Edit { site, range, change };
                    let (logits, _) = record(&session, &corrupted, &[patch]);
                    for (row, (answer, distractor)) in logits.iter().zip(answers.iter().zip(&distractors)) {
                        found.push(f64::from(row[*answer as usize]) - f64::from(row[*distractor as usize]));
                    }
                }
            }
            assert_close(&format!("{device:?} {name}"), &found, &expected, TOLERANCE);
        }
    }
}

#[test]
fn a_patch_that_does_not_fire_is_an_error() {
    let fixture = Fixture::read("tiny-a");
    let session = fixture.session(DevicePreference::Cpu);
    let prompts = vec![ids(&fixture.expected["groups"][0]["clean_tokens"][0])];
    let (_, cache) = record(&session, &prompts, &[]);
    let value = cache.get(Site::Block(0, BlockSite::Z)).expect("recorded").clone();
    let whole: Vec<_> = value.shape().into_iter().map(|size| 0..size).collect();

    // A layer and a head that the model does not have, an empty range, another site's value.
    let beyond = Edit {
        site: Site::Block(9, BlockSite::Z),
        range: whole.clone(),
        change: Change::Replace(value.clone()),
    };
    let mut head = Edit {
        site: Site::Block(1, BlockSite::Z),
        range: whole.clone(),
        change: Change::Replace(value.clone()),
    };
    head.range[2] = 4..5;
    let mut empty = Edit {
        site: Site::Block(1, BlockSite::Z),
        range: whole.clone(),
        change: Change::Replace(value.clone()),
    };
    empty.range[1] = 3..3;
    let foreign =
        Edit { site: Site::Block(1, BlockSite::ResidPre), range: whole, change: Change::Replace(value) };
    for patch in [beyond, head, empty, foreign] {
        let patches = [patch];
        let mut hooks = Hooks::new(None, &patches);
        let ran = session.model().forward(&Batch::new(&prompts).expect("prompts"), &mut hooks);
        assert!(ran.is_err() || hooks.finish().is_err(), "{:?} {:?}", patches[0].site, patches[0].range);
    }
}

/// The loss of a text's last token is what `test-prompt` says of it after the rest, which agrees with TransformerLens.
#[test]
fn losses_are_minus_the_log_probabilities_of_the_tokens() {
    let fixture = Fixture::read("tiny-b");
    let session = fixture.session(DevicePreference::Cpu);
    let (prompt, answer) = ("We're helping our friend when they", "'re");
    // Longer than what is read back at once.
    let prompt = format!("{}{prompt}", "again and ".repeat(14));
    let losses = report(
        &session,
        &fixture.experiment,
        "token-loss",
        &json!({ "prompt": format!("{prompt}{answer}") }),
    );
    let Part::TokenValues(figure) = &losses.parts[0] else { panic!("coloured tokens") };
    let row = &figure.rows[0];
    assert!(row.values.len() > 32 && row.values.len() == row.tokens.len(), "{}", row.values.len());
    let alone =
        report(&session, &fixture.experiment, "test-prompt", &json!({ "prompt": prompt, "answer": answer }));
    let Part::Table(table) = &alone.parts[1] else { panic!("a table") };
    let own = table.rows.iter().find(|row| row.mark == Some(Mark::Answer)).expect("the answer's row");
    let Cell::Number(log_probability) = own.cells[4] else { panic!("a number") };
    assert_close("loss", &row.values[row.values.len() - 1..], &[-log_probability], 1e-4);
}
