//! Hostile input: whatever a file or server says, it is read or refused with a message. The properties are in
//! `fuzz/src/`, which the fuzz targets share; here they are checked on the committed corpus, on random bytes,
//! and on documents larger than a fuzzer reaches.

use std::fs;
use std::path::Path;

use patchlab::experiment::{Anchor, Group, Pair, Role};
use patchlab::model::Config;
use patchlab::model::checkpoint::Checkpoint;
use patchlab::model::source::MemorySource;
use patchlab::prompts::prepare;
use patchlab::protocol::check;
use patchlab::tokens::Tokenizer;
use patchlab::{Error, Experiment};
use pollster::block_on;
use proptest::prelude::*;
use proptest::sample::Index;

#[path = "fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets use it as a library")]
mod targets;

/// A fuzz target's function.
type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 5] = [
    ("header", targets::header),
    ("layout", targets::layout),
    ("config", targets::config),
    ("experiment", targets::experiment),
    ("tokenizer", targets::tokenizer),
];

/// A target's committed inputs, by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
        .expect("the corpus is committed")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("a file"))
        })
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn the_corpus_is_read_or_refused() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(!inputs.is_empty(), "{name} has no inputs");
        for (input, bytes) in inputs {
            assert!(bytes.len() <= 4096, "{name}/{input} is too large to keep");
            // On failure, the panic above says why, and this names the file.
            let result = std::panic::catch_unwind(|| target(&bytes));
            assert!(result.is_ok(), "the input is tests/fuzz/corpus/{name}/{input}");
        }
    }
}

/// Corpus inputs with some bytes changed, inserted or removed: nearly valid inputs get past the first checks.
fn damaged(target: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let inputs: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, bytes)| bytes).collect();
    let change = (any::<Index>(), 0..4usize, any::<u8>(), 1..20usize);
    (prop::sample::select(inputs), prop::collection::vec(change, 0..4)).prop_map(|(mut bytes, changes)| {
        for (place, kind, byte, length) in changes {
            let at = place.index(bytes.len() + 1);
            let end = bytes.len().min(at + length);
            match kind {
                0 => bytes.insert(at, byte),
                1 => bytes.iter_mut().skip(at).take(1).for_each(|old| *old ^= 1 << (byte % 8)),
                2 => drop(bytes.drain(at..end)),
                _ => bytes.extend_from_within(at..end),
            }
        }
        bytes
    })
}

/// A size in JSON: small, large, or not a valid size.
fn size() -> impl Strategy<Value = String> {
    let odd =
        ["-1", "1.5", "8.0", "1e999", "null", "\"8\"", "[]", "18446744073709551615", "18446744073709551616"];
    prop_oneof![
        6 => (0..40u64).prop_map(|size| size.to_string()),
        2 => any::<u64>().prop_map(|size| size.to_string()),
        2 => (0..64u32, 0..3u64).prop_map(|(bit, off)| ((1u64 << bit) - 1 + off).to_string()),
        1 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
    ]
}

/// Texts that nobody would type.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => any::<String>(),
        1 => "[ a-c'\t\n]{0,60}",
        1 => prop::sample::select(vec!["", " ", "\0", "\u{202e}", "\u{feff}", "<|endoftext|>", "</script>", "'re"]).prop_map(str::to_owned),
    ]
}

fn experiments() -> impl Strategy<Value = Experiment> {
    let anchor = || {
        prop_oneof![
            prop::sample::select(vec![
                Anchor::First,
                Anchor::Last,
                Anchor::Changed,
                Anchor::Answer,
                Anchor::Distractor
            ]),
            text().prop_map(Anchor::Text),
        ]
    };
    let role = move || {
        (text(), anchor(), -3..4, -3..4).prop_map(|(name, at, nth, offset)| Role { name, at, nth, offset })
    };
    let roles = || prop::collection::vec(role(), 0..3);
    let pair = (text(), text(), text(), text(), roles()).prop_map(
        |(clean, corrupted, answer, distractor, roles)| Pair {
            clean,
            corrupted,
            answer,
            distractor,
            roles,
            ..Pair::default()
        },
    );
    let group = (text(), any::<bool>(), roles(), prop::collection::vec(pair, 0..4))
        .prop_map(|(name, symmetric, roles, pairs)| Group { name, symmetric, roles, pairs });
    (prop::collection::vec(group, 0..4), any::<bool>())
        .prop_map(|(groups, prepend_bos)| Experiment { groups, prepend_bos })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, target) in TARGETS {
            target(&bytes);
        }
    }

    #[test]
    fn checkpoints(bytes in damaged("header"), draws in prop::collection::vec(any::<u8>(), 0..120)) {
        targets::header(&bytes);
        targets::layout(&draws);
    }

    #[test]
    fn configs(bytes in damaged("config"), sizes in prop::collection::vec(size(), 6)) {
        targets::config(&bytes);
        let names = ["n_layer", "n_head", "n_embd", "n_inner", "vocab_size", "n_positions"];
        let fields: Vec<String> = names.iter().zip(&sizes).map(|(name, size)| format!("\"{name}\":{size}")).collect();
        targets::config(format!("{{{}}}", fields.join(",")).as_bytes());
    }

    #[test]
    fn documents(bytes in damaged("experiment"), experiment in experiments()) {
        targets::experiment(&bytes);
        targets::experiment(serde_json::to_string(&experiment).expect("plain data").as_bytes());
    }

    #[test]
    fn tokenizers(bytes in damaged("tokenizer")) {
        targets::tokenizer(&bytes);
    }
}

#[test]
fn nesting_of_any_depth_is_refused() {
    for open in ["[", "{\"a\":"] {
        let deep = open.repeat(100_000);
        for (_, target) in TARGETS {
            target(deep.as_bytes());
        }
        let mut file = (deep.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(deep.as_bytes());
        targets::header(&file);
    }
}

/// A claim of the largest model allowed must not allocate anything.
#[test]
fn the_largest_claim_costs_nothing() {
    let (most, wide) = (1 << 20, 1 << 16);
    let text = format!(
        r#"{{"n_layer":256,"n_head":1,"n_embd":{wide},"n_inner":{},"vocab_size":{most},"n_positions":{most}}}"#,
        4 * wide
    );
    let config = Config::from_json(&text).expect("within bounds");
    let tensors = config.tensors();
    assert_eq!(tensors.len(), 4 + 12 * 256);
    targets::claimed(&tensors);
}

/// A header of maximum length, full of tensors.
#[test]
fn a_header_full_of_names_is_read() {
    let entry = |index: usize| format!(r#""{index}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#);
    let entries: Vec<String> = (0..100_000).map(entry).collect();
    let header = format!("{{{}}}", entries.join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    let opened = block_on(Checkpoint::open(MemorySource::new("model.safetensors", bytes.clone())));
    assert!(opened.is_ok(), "{:?}", opened.err());

    bytes[..8].copy_from_slice(&(9u64 << 20).to_le_bytes());
    let refused = block_on(Checkpoint::open(MemorySource::new("model.safetensors", bytes)));
    let message = refused.map(|_| ()).expect_err("too long").to_string();
    assert!(message.contains("not a safetensors file") && message.contains("9437184"), "{message}");
}

#[test]
fn many_groups_are_checked_in_time() {
    let (clean, corrupted) = (String::new(), "b".to_owned());
    let pair = Pair { clean, corrupted, answer: "a b c".into(), distractor: "d".into(), ..Pair::default() };
    let group = Group { name: "g".into(), symmetric: true, roles: Vec::new(), pairs: vec![pair; 10] };
    let experiment = Experiment { groups: vec![group; 5000], prepend_bos: true };
    let tokenizer = Tokenizer::gpt2().expect("built in");
    let start = std::time::Instant::now();
    let (groups, problems) = prepare(&experiment, &tokenizer, 32).expect("plain text");
    assert_eq!((groups.len(), problems.len()), (0, 100_000));
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn a_page_pasted_as_an_answer_is_not_repeated() {
    let page = "An answer is one token. ".repeat(50_000);
    let (clean, corrupted, distractor) = ("a".to_owned(), "b".to_owned(), "d".to_owned());
    let pair = Pair { clean, corrupted, answer: page, distractor, ..Pair::default() };
    let group = Group { name: "g".into(), symmetric: true, roles: Vec::new(), pairs: vec![pair] };
    let experiment = Experiment { groups: vec![group], prepend_bos: true };
    let tokenizer = Tokenizer::gpt2().expect("built in");
    let (_, problems) = prepare(&experiment, &tokenizer, 32).expect("plain text");
    let message = &problems[0].message;
    let shown =
        check(&experiment, &tokenizer, Some(32)).expect("plain text").groups.swap_remove(0).swap_remove(0);
    assert_eq!((shown.answer.len(), shown.clean.len()), (12, 2));
    assert!(
        message.starts_with("An answer must be one token; this is 3") && message.len() < 300,
        "{message}"
    );
    assert!(message.contains(r#""An" " answer""#) && message.ends_with("..."), "{message}");
}

/// Guarding against hostile files must not refuse the files that people have.
#[test]
fn tokenizers_of_the_family_are_still_taken() {
    let inputs = corpus("tokenizer");
    let input = |name: &str| &inputs.iter().find(|(own, _)| own == name).expect(name).1;
    for name in [
        "good",
        "legacy",
        "word-level",
        "sequences",
        "unknown",
        "byte-fallback",
        "dropout-zero",
        "truncation",
        "ids-gap",
    ] {
        let tokenizer = Tokenizer::from_json(input(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!tokenizer.is_empty());
    }
    let good = Tokenizer::from_json(input("good")).expect("taken");
    assert_eq!(good.encode("abab a", true).expect("plain text"), [6, 5, 4]);
    // The largest id counts, not the number of tokens: the model needs a row for it.
    assert_eq!(Tokenizer::from_json(input("ids-gap")).expect("taken").len(), 1 << 20);

    for (name, said) in [
        ("merge-longer-than-all", "merges `a` and"),
        ("prefix", "continuing_subword_prefix"),
        ("dropout", "dropout"),
        ("ids-max", "4294967295"),
        ("normalizer-precompiled", "Precompiled"),
        ("pre-fixed", "FixedLength"),
        ("pre-untyped", "pre_tokenizer"),
        ("decoder-ctc", "CTC"),
        ("unigram", "vocab"),
        ("word-piece", "WordPiece"),
        ("no-bos", "<|endoftext|>"),
    ] {
        let refused = Tokenizer::from_json(input(name)).expect_err(name);
        assert!(
            matches!(refused, Error::Tokenizer(_)) && refused.to_string().contains(said),
            "{name}: {refused}"
        );
    }
}
