//! Checkpoints in every supported form, and refusals with a helpful message.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use patchlab::device::{Adapter, DevicePreference};
use patchlab::figures::{Cell, Mark, Part};
use patchlab::host::{Host, Progress, Quiet};
use patchlab::model::sharded::Sharded;
use patchlab::model::source::{MemorySource, Source};
use patchlab::model::{Batch, Config, Hooks};
use patchlab::prompts::prepare;
use patchlab::runs::Runs;
use patchlab::{Error, Files, Request, Session, TokenizerFiles};
use patchlab_tests::fixture::{DEVICES, Fixture, assert_close, folder, open, report};
use patchlab_tests::weights::{Tensors, checkpoint};
use pollster::block_on;
use safetensors::tensor::Dtype;
use serde_json::Value;

/// The mean logit difference of each group.
fn means(session: &Session, fixture: &Fixture) -> Vec<f64> {
    let report = report(session, &fixture.experiment, "logit-diff", &Value::Null);
    let Part::Dots(dots) = &report.parts[0] else { panic!("the first figure is the dots") };
    dots.series.iter().map(|series| series.mean).collect()
}

fn tensors(fixture: &Fixture) -> Tensors {
    let config = Config::from_json(&fixture.config).expect("a good config");
    Tensors::generate(fixture.expected["seed"].as_str().expect("a seed"), &config)
}

#[test]
fn formats_prefixes_masks_and_heads_give_the_same_model() {
    let fixture = Fixture::read("tiny-a");
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        let mut tensors = tensors(&fixture);
        tensors.round(dtype);
        let plain = tensors.safetensors(Dtype::F32, "");
        let reference =
            means(&open(&fixture.config, plain, DevicePreference::Cpu).expect("a good model"), &fixture);

        // GPT-2's files carry causal masks, which are not used; this one would spoil everything.
        tensors.insert("h.0.attn.bias", vec![1, 1, 2, 2], vec![f32::NAN; 4]);
        let other = tensors.safetensors(dtype, "transformer.");
        let found =
            means(&open(&fixture.config, other, DevicePreference::Cpu).expect("a good model"), &fixture);
        assert_close(&format!("{dtype:?}"), &found, &reference, 0.0);
    }
}

/// A wrapper's names, and a file with a second, deeper model in it.
#[test]
fn whatever_stands_before_the_names_is_passed_over() {
    let fixture = Fixture::read("tiny-a");
    let tensors = tensors(&fixture);
    let plain = means(&fixture.session(DevicePreference::Cpu), &fixture);
    for prefix in
        ["model.", "module.transformer.", "base_model.model.transformer.", "pretrained_model.transformer."]
    {
        let found = open(&fixture.config, tensors.safetensors(Dtype::F32, prefix), DevicePreference::Cpu);
        assert_close(prefix, &means(&found.expect(prefix), &fixture), &plain, 0.0);
    }
}

/// A checkpoint whose configuration does not say whether the head is tied, with a head of its own or without.
#[test]
fn a_head_that_is_stored_is_used_where_the_configuration_is_silent() {
    let fixture = Fixture::read("tiny-a");
    let silent = fixture.config.replace("\"tie_word_embeddings\": true", "\"unused\": true");
    assert_ne!(silent, fixture.config);
    let mut tensors = tensors(&fixture);
    let tied =
        open(&silent, tensors.safetensors(Dtype::F32, ""), DevicePreference::Cpu).expect("a good model");
    assert_eq!(tied.info().note, None);
    let config = Config::from_json(&fixture.config).expect("a good config");
    let doubled = tensors.numbers("wte.weight").iter().map(|x| 2.0 * x).collect();
    tensors.insert("lm_head.weight", vec![config.d_vocab, config.d_model], doubled);
    let own = open(&silent, tensors.safetensors(Dtype::F32, "transformer."), DevicePreference::Cpu);
    let own = own.expect("a good model");
    assert!(
        own.info().note.as_ref().is_some_and(|note| note.contains("lm_head.weight")),
        "{:?}",
        own.info().note
    );
    let twice: Vec<f64> = means(&tied, &fixture).iter().map(|x| 2.0 * x).collect();
    assert_close("a head of its own", &means(&own, &fixture), &twice, 1e-5);
    // Where it says that they are tied, they are.
    let said = open(&fixture.config, tensors.safetensors(Dtype::F32, ""), DevicePreference::Cpu)
        .expect("a good model");
    assert_close("tied", &means(&said, &fixture), &means(&tied, &fixture), 0.0);
    assert_eq!(said.info().note, None);
}

/// Several files are read like one, whatever is in which, and in any number format.
#[test]
fn shards_are_read_like_one_file() {
    let fixture = Fixture::read("tiny-a");
    let config = Config::from_json(&fixture.config).expect("a good config");
    let whole = tensors(&fixture);
    let names: Vec<String> = config.tensors().into_iter().map(|(name, _)| name).collect();
    let reference = means(&fixture.session(DevicePreference::Cpu), &fixture);
    for count in [2, 3, 7] {
        let shard = |index: usize| {
            let mut part = tensors(&fixture);
            for (place, name) in names.iter().enumerate() {
                if place % count != index {
                    part.remove(name);
                }
            }
            MemorySource::new(format!("shard {index}"), part.safetensors(Dtype::F32, "transformer."))
        };
        let joined = block_on(Sharded::join("index", (0..count).map(shard).collect())).expect("good files");
        let length = Source::len(&joined).expect("known");
        assert!(length >= whole.safetensors(Dtype::F32, "").len() as u64 / 2);
        let files = Files {
            name: "in shards".to_owned(),
            config: fixture.config.clone(),
            tokenizer: TokenizerFiles::Gpt2,
            reference: None,
            truth: None,
            weights: joined,
        };
        let none = Adapter::None("not asked for".to_owned());
        let session = block_on(Session::open(files, DevicePreference::Cpu, &none, &Quiet));
        assert_close("shards", &means(&session.expect("a good model"), &fixture), &reference, 0.0);
    }
    let twice =
        [0, 1].map(|index| MemorySource::new(format!("shard {index}"), whole.safetensors(Dtype::F32, "")));
    let error =
        block_on(Sharded::join("index", twice.into())).expect_err("the same tensors twice").to_string();
    assert!(error.contains("in two of its files"), "{error}");
}

#[test]
fn an_untied_unembedding_is_used() {
    let fixture = Fixture::read("tiny-a");
    let mut tensors = tensors(&fixture);
    let tied = means(&fixture.session(DevicePreference::Cpu), &fixture);
    let untied = fixture.config.replace("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false");
    assert_ne!(untied, fixture.config);

    let missing = open(&untied, tensors.safetensors(Dtype::F32, ""), DevicePreference::Cpu);
    assert!(matches!(missing, Err(Error::TensorMissing(name)) if name == "lm_head.weight"));

    // An unembedding of twice the embedding doubles every logit difference.
    let double: Vec<f32> = tensors.numbers("wte.weight").iter().map(|x| 2.0 * x).collect();
    let config = Config::from_json(&fixture.config).expect("a good config");
    tensors.insert("lm_head.weight", vec![config.d_vocab, config.d_model], double);
    let session =
        open(&untied, tensors.safetensors(Dtype::F32, ""), DevicePreference::Cpu).expect("a good model");
    let expected: Vec<f64> = tied.iter().map(|x| 2.0 * x).collect();
    assert_close("untied", &means(&session, &fixture), &expected, 1e-5);
}

#[test]
fn numbers_that_are_none_are_a_problem_that_says_so() {
    let fixture = Fixture::read("tiny-a");
    let mut tensors = tensors(&fixture);
    // Finite, but sums of their products are not.
    tensors.numbers("h.0.mlp.c_fc.weight").iter_mut().for_each(|number| *number *= 1e38);
    let weights = tensors.safetensors(Dtype::F32, "");
    let session = open(&fixture.config, weights, DevicePreference::Cpu).expect("a good model");
    for analysis in ["logit-diff", "test-prompt", "head-attribution", "residual-patching", "token-loss"] {
        let report = report(&session, &fixture.experiment, analysis, &Value::Null);
        assert!(report.problems.iter().any(|problem| problem.code == "not-finite"), "{analysis}: {report:?}");
    }
}

#[test]
fn a_batch_holds_tokens_that_the_model_has() {
    assert!(matches!(Batch::new(&[vec![1], vec![]]), Err(Error::EmptyPrompt)));
    let session = Fixture::read("tiny-a").session(DevicePreference::Cpu);
    let batch = Batch::new(&[vec![1, 60_000]]).expect("a batch");
    let refused = session.model().forward(&batch, &mut Hooks::none());
    assert!(matches!(refused, Err(Error::UnknownToken { id: 60_000, .. })), "{refused:?}");
}

/// The error message for a checkpoint; fails the test if the checkpoint is accepted.
fn refusal(config: &str, weights: Vec<u8>) -> String {
    match open(config, weights, DevicePreference::Cpu) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("this should have been refused"),
    }
}

#[test]
fn damaged_and_foreign_files_are_refused_with_a_reason() {
    let fixture = Fixture::read("tiny-a");
    let good = fixture.checkpoint();

    for cut in [0, 4, 100, good.len() / 2, good.len() - 1] {
        let message = refusal(&fixture.config, good[..cut].to_vec());
        assert!(message.contains("model.safetensors"), "cut at {cut}: {message}");
    }
    for foreign in [b"PK\x03\x04 a zip file, as PyTorch writes them".to_vec(), vec![0xff; 4096], {
        let mut lying = good.clone();
        lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        lying
    }] {
        assert!(refusal(&fixture.config, foreign).contains("not a safetensors file"));
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let fixture = Fixture::read("tiny-a");

    let wider = fixture.config.replace("\"n_embd\": 32", "\"n_embd\": 64");
    assert_ne!(wider, fixture.config);
    let message = refusal(&wider, fixture.checkpoint());
    assert!(
        message.contains("`wte.weight`")
            && message.contains("[50257, 32]")
            && message.contains("[50257, 64]"),
        "{message}"
    );

    let mut missing = tensors(&fixture);
    missing.remove("h.1.mlp.c_fc.bias");
    assert!(refusal(&fixture.config, missing.safetensors(Dtype::F32, "")).contains("`h.1.mlp.c_fc.bias`"));

    let mut spoilt = tensors(&fixture);
    spoilt.numbers("h.2.attn.c_attn.weight")[5] = f32::NAN;
    assert!(
        refusal(&fixture.config, spoilt.safetensors(Dtype::F32, "")).contains("`h.2.attn.c_attn.weight`")
    );

    let smaller = fixture.config.replace("50257", "50000");
    assert!(refusal(&smaller, fixture.checkpoint()).contains("vocab_size"));
}

/// GPT-2 small's own shape: 498 MB of weights, and an embedding larger than any one binding may be.
#[test]
fn the_full_shape_agrees_with_pytorch() {
    let read = |file: &str| std::fs::read_to_string(folder().join("full").join(file)).expect(file);
    let config = read("config.json");
    let expected: Value = serde_json::from_str(&read("expected.json")).expect("JSON");
    let seed = expected["seed"].as_str().expect("a seed");
    let weights = checkpoint(seed, &Config::from_json(&config).expect("a good config"));
    for device in DEVICES {
        let session = open(&config, weights.clone(), device).expect("a good model");
        for prompt in expected["prompts"].as_array().expect("prompts") {
            let request = Request {
                analysis: "test-prompt".to_owned(),
                experiment: patchlab::Experiment { groups: Vec::new(), prepend_bos: true },
                settings: serde_json::json!({ "prompt": prompt["text"], "top_k": 20 })
                    .as_object()
                    .cloned()
                    .expect("an object"),
            };
            let report = block_on(session.run(&request, &Quiet)).expect("a report");
            let Part::Table(table) = &report.parts[1] else { panic!("the second figure is the table") };
            for (row, top) in table.rows.iter().zip(prompt["top"].as_array().expect("the top tokens")) {
                let patchlab::figures::Cell::Token(token) = &row.cells[1] else { panic!("a token") };
                assert_eq!(u64::from(token.id), top["id"].as_u64().expect("an id"));
                let patchlab::figures::Cell::Number(log_prob) = row.cells[4] else { panic!("a number") };
                assert_close(
                    &format!("{device:?}"),
                    &[log_prob],
                    &[top["log_prob"].as_f64().expect("a number")],
                    1e-3,
                );
            }
        }
    }
}

/// At full size the vocabulary takes several blocks.
#[test]
fn the_full_shape_passes_its_checks() {
    let read = |file: &str| std::fs::read_to_string(folder().join("full").join(file)).expect(file);
    let config = read("config.json");
    let expected: Value = serde_json::from_str(&read("expected.json")).expect("JSON");
    let seed = expected["seed"].as_str().expect("a seed");
    let weights = checkpoint(seed, &Config::from_json(&config).expect("a good config"));
    let session = open(&config, weights, DevicePreference::Cpu).expect("a good model");
    let experiment = patchlab::presets::presets().expect("built in").swap_remove(0).experiment;

    let first = patchlab::Experiment { groups: experiment.groups[..1].to_vec(), prepend_bos: true };
    let checks = report(&session, &first, "checks", &Value::Null);
    let Part::Table(checks) = &checks.parts[0] else { panic!("a table") };
    assert!(checks.rows.iter().all(|row| row.mark == Some(Mark::Passed)), "{:?}", checks.rows);

    // Ranks are counted over all blocks, as test-prompt counts them over all logits.
    let Part::Table(clean) = &report(&session, &first, "test-prompt", &Value::Null).parts[1] else {
        panic!("the second figure is the table")
    };
    let rank = clean.rows.iter().find(|row| row.mark.is_some()).map(|row| row.cells[0].clone());
    let (groups, _) = prepare(&first, session.tokenizer(), session.info().n_ctx).expect("groups");
    let runs = block_on(Runs::record(session.model(), &groups[0].cases[..1], true, &Vec::new()));
    let place = runs.expect("runs").clean.stats.vocabulary.expect("asked for");
    assert_eq!(rank, Some(Cell::Number(place.rank.row(0)[0])));
    assert!(session.model().unembedding.vocab.blocks().len() > 1);
}

/// A source that records which ranges are read.
struct Counting {
    inner: MemorySource,
    asked: Rc<RefCell<Vec<Range<u64>>>>,
}

impl Source for Counting {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn len(&self) -> Option<u64> {
        self.inner.len()
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        self.asked.borrow_mut().push(range.clone());
        self.inner.read(range).await
    }
}

/// A host that remembers the last progress.
#[derive(Default)]
struct Listening {
    last: RefCell<Option<Progress>>,
}

impl Host for Listening {
    fn progress(&self, progress: Progress) {
        *self.last.borrow_mut() = Some(progress);
    }

    fn cancelled(&self) -> bool {
        false
    }
}

#[test]
fn no_byte_is_read_twice_and_none_that_is_not_needed() {
    // Eleven layers: sorted by name, h.10 comes before h.2. The mask is larger than any gap that is read through.
    let config_text = Fixture::read("tiny-a").config.replace("\"n_layer\": 3", "\"n_layer\": 11");
    let config = Config::from_json(&config_text).expect("a good config");
    let mut tensors = Tensors::generate("many layers", &config);
    tensors.insert("h.0.attn.bias", vec![256, 256], vec![1.0; 256 * 256]);
    let bytes = tensors.safetensors(Dtype::F32, "");
    let len = bytes.len() as u64;
    let asked = Rc::new(RefCell::new(Vec::new()));
    let source = Counting { inner: MemorySource::new("model.safetensors", bytes), asked: asked.clone() };
    let files = Files {
        name: "generated".to_owned(),
        config: config_text,
        tokenizer: TokenizerFiles::Gpt2,
        reference: None,
        truth: None,
        weights: source,
    };
    let host = Listening::default();
    let none = Adapter::None(String::new());
    block_on(Session::open(files, DevicePreference::Cpu, &none, &host)).expect("a good model");

    let mut ranges = asked.borrow().clone();
    ranges.sort_by_key(|range| range.start);
    assert!(ranges.windows(2).all(|two| two[0].end <= two[1].start), "some bytes were read twice");
    let read: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    assert!(read <= len - 256 * 256 * 4, "{read} of {len} bytes: the mask was read, too");
    let last = host.last.borrow().clone().expect("progress");
    assert_eq!(last.done, last.total, "progress ends at its total");
}
