//! What must hold for any input from outside: every function takes arbitrary bytes, and panics only on a bug.
//! The fuzz targets call them, and so does `tests/hostile.rs`, which includes this file by its path.

use std::sync::LazyLock;

use patchlab::experiment::{Anchor, Group, Pair, Role};
use patchlab::model::Config;
use patchlab::model::mirror::{self, Manifest};
use patchlab::prompts::Problem;
use patchlab::prompts::prepare;
use patchlab::reference::Reference;
use patchlab::tokens::Tokenizer;
use patchlab::{Error, Experiment};

mod weights;
pub use weights::{claimed, header, layout};

/// Context length in the checks: short, so that "too long" occurs.
const N_CTX: usize = 32;

/// Maximum length of a message in bytes, whatever the input.
const LONGEST_MESSAGE: usize = 2000;

static GPT2: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::gpt2().expect("built in"));

/// A refusal must have a message of reasonable length.
fn in_words(error: &Error) {
    let message = error.to_string();
    assert!(!message.is_empty() && message.len() <= LONGEST_MESSAGE, "{} bytes: {message}", message.len());
}

/// `config.json`, and the other files of its folder: `reference.json`, and the manifest of a mirror.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    Reference::from_json(&text).ok();
    mirror::manifest_of(&text);
    if let Ok(manifest) = Manifest::from_json("mirror.json", &text) {
        let end = manifest.ranges().last().map_or(0, |range| range.end);
        assert_eq!(end, manifest.bytes);
    }
    match Config::from_json(&text) {
        Err(error) => in_words(&error),
        Ok(config) => {
            let sizes =
                [config.n_layers, config.n_heads, config.d_head, config.d_mlp, config.d_vocab, config.n_ctx];
            assert!(sizes.iter().all(|&size| size > 0), "{config:?}");
            assert_eq!(config.n_heads * config.d_head, config.d_model);
            assert!(config.eps > 0.0 && config.eps < 1.0);
            let tensors = config.tensors();
            assert!(tensors.len() <= 5 + 12 * 256, "{} tensors", tensors.len());
            assert!(config.parameters() < 1 << 46, "{} parameters", config.parameters());
            // Planning must be instant, before any byte of the model is there.
            if tensors.len() < 100 {
                claimed(&tensors);
            }
        }
    }
}

/// An experiment document, checked with GPT-2's tokenizer.
pub fn experiment(bytes: &[u8]) {
    match Experiment::from_json(&String::from_utf8_lossy(bytes)) {
        Err(error) => in_words(&error),
        Ok(experiment) => {
            let written = serde_json::to_string(&experiment).expect("plain data");
            assert_eq!(Experiment::from_json(&written).expect("what was written"), experiment);
            checked(&experiment, &GPT2);
        }
    }
}

/// Prepares an experiment and checks the result.
fn checked(experiment: &Experiment, tokenizer: &Tokenizer) {
    let (groups, problems) = match prepare(experiment, tokenizer, N_CTX) {
        Ok(prepared) => prepared,
        Err(error) => return in_words(&error),
    };
    let count = if std::ptr::eq(tokenizer, &*GPT2) { 50_257 } else { tokenizer.len() };
    for Problem { message, .. } in &problems {
        let length = message.len();
        assert!(length > 0 && length <= LONGEST_MESSAGE, "{length} bytes: {message}");
    }
    for group in &groups {
        assert!(!group.cases.is_empty());
        for case in &group.cases {
            // What the forward pass relies on.
            assert!((1..=N_CTX).contains(&case.clean.len()), "{case:?}");
            assert!(case.corrupted.len() <= N_CTX, "{case:?}");
            assert_eq!(case.roles.len(), group.roles.len());
            for span in case.roles.iter().flatten() {
                assert!(span.start < span.end && span.end <= case.clean.len(), "{case:?}");
            }
            assert!(case.compared.iter().all(|set| !set.is_empty()), "{case:?}");
            assert!(case.compared[0].iter().all(|id| !case.compared[1].contains(id)), "{case:?}");
            let ids = case.clean.iter().chain(&case.corrupted).chain(case.compared.iter().flatten());
            assert!(ids.into_iter().all(|&id| (id as usize) < count), "{case:?}");
        }
    }
}

/// A model's tokenizer: `tokenizer.json`, or, separated by a zero byte, `vocab.json` and `merges.txt`.
pub fn tokenizer(bytes: &[u8]) {
    let opened = match bytes.iter().position(|&byte| byte == 0) {
        None => Tokenizer::from_json(bytes),
        Some(at) => {
            let text = |bytes| String::from_utf8_lossy(bytes);
            Tokenizer::from_vocab_and_merges(&text(&bytes[..at]), &text(&bytes[at + 1..]), &[])
        }
    };
    match opened {
        Err(error) => in_words(&error),
        // The library caches words per thread for the thread's lifetime, which here would be millions of
        // runs.
        Ok(tokenizer) => std::thread::scope(|scope| {
            scope.spawn(|| used(&tokenizer, &String::from_utf8_lossy(bytes)));
        }),
    }
}

/// Texts to encode with a tokenizer that was accepted.
const TEXTS: &[&str] = &[
    "They're here, <|endoftext|> 12 are\n",
    " ab  abab\tba   ",
    "\0\u{202e}\u{feff}e\u{301}\u{10ffff}\u{1f600}\u{fffd} \u{130}\u{df}",
    "",
];

fn used(tokenizer: &Tokenizer, own: &str) {
    let own: String = own.chars().take(200).collect();
    let count = tokenizer.len();
    for text in TEXTS.iter().copied().chain([own.as_str()]) {
        match tokenizer.encode(text, true) {
            Err(error) => in_words(&error),
            Ok(ids) => {
                assert_eq!(ids[0], tokenizer.bos());
                assert!(ids.iter().all(|&id| (id as usize) < count), "{ids:?} of {count}");
                assert_eq!(
                    tokenizer.encode(text, true).expect("as before"),
                    ids,
                    "the same text, the same tokens"
                );
                assert_eq!(tokenizer.tokens(&ids).len(), ids.len());
            }
        }
    }
    let [clean, corrupted, answer, distractor] = [&own, TEXTS[0], TEXTS[1], TEXTS[2]].map(str::to_owned);
    let text =
        |at: &str, nth| Role { name: at.to_owned(), at: Anchor::Text(at.to_owned()), nth, offset: nth };
    let roles = vec![text(&own, 1), text(&clean, -1), text("a", i32::MIN), text("", 0)];
    let pair = |clean: &str, corrupted: &str, answer: &str, distractor: &str| {
        let [clean, corrupted, answer, distractor] =
            [clean, corrupted, answer, distractor].map(str::to_owned);
        let more_answers = vec![own.clone(), "c".to_owned()];
        Pair {
            clean,
            corrupted,
            answer,
            distractor,
            more_answers,
            more_distractors: Vec::new(),
            roles: roles.clone(),
        }
    };
    let pairs = vec![
        pair(&clean, &corrupted, &answer, &distractor),
        pair("a", "b", "a", "b"),
        pair("\u{1f600}", "\u{1f601}", "a", "b"),
    ];
    let groups = vec![Group { name: String::new(), symmetric: true, roles, pairs }];
    checked(&Experiment { groups: groups.clone(), prepend_bos: true }, tokenizer);
    checked(&Experiment { groups, prepend_bos: false }, tokenizer);
}
