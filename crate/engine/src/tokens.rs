//! Text to token ids and back, with GPT-2's tokenizer or the checkpoint's own.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokenizers::decoders::byte_level::ByteLevel as ByteLevelDecoder;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer as Inner};

use crate::error::{Error, Result};
use crate::text;

/// GPT-2's 50,000 merges, from which its whole vocabulary follows (see `data/README.md`).
const MERGES: &str = include_str!("../data/gpt2-merges.txt");

/// GPT-2's beginning-of-sequence token, which is also its end-of-text token.
const BOS: &str = "<|endoftext|>";

/// A token for display.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Token {
    /// Index in the vocabulary.
    pub id: u32,
    /// The text, spaces included; bytes that are not valid UTF-8 on their own appear as U+FFFD.
    pub text: String,
}

/// The files beside `vocab.json` that say which tokens were added later: `added_tokens.json` lists ids by token,
/// `tokenizer_config.json` has tokens by id in a field of its own, if at all.
pub const ADDED: [&str; 2] = ["added_tokens.json", "tokenizer_config.json"];

/// The tokens of one of these files, by their ids.
fn added_tokens(text: &str) -> Result<BTreeMap<u32, String>> {
    #[derive(Deserialize)]
    struct Described {
        content: String,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum File {
        Config { added_tokens_decoder: HashMap<String, Described> },
        Ids(HashMap<String, u32>),
        // A configuration that adds no tokens.
        Other(HashMap<String, Value>),
    }
    let refuse = || Error::Tokenizer(format!("{} cannot be read.", ADDED.join(" or ")));
    match serde_json::from_str(text) {
        Ok(File::Config { added_tokens_decoder }) => added_tokens_decoder
            .into_iter()
            .map(|(id, token)| Ok((id.parse().map_err(|_| refuse())?, token.content)))
            .collect(),
        Ok(File::Ids(ids)) => Ok(ids.into_iter().map(|(token, id)| (id, token)).collect()),
        Ok(File::Other(fields)) if !fields.contains_key("added_tokens_decoder") => Ok(BTreeMap::new()),
        _ => Err(refuse()),
    }
}

/// A tokenizer with a beginning-of-sequence token.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Inner,
    bos: u32,
}

impl Tokenizer {
    /// GPT-2's own tokenizer, built into the program.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the built-in data is damaged.
    pub fn gpt2() -> Result<Self> {
        let merges = parse_merges(MERGES.lines());
        // Ids: the 256 bytes, then one token per merge, then the special token.
        let joined = merges.iter().map(|(left, right)| format!("{left}{right}"));
        let tokens = byte_symbols().into_iter().map(String::from).chain(joined).chain([BOS.to_owned()]);
        let vocabulary = tokens.zip(0u32..).collect();
        Self::byte_level(vocabulary, merges)
    }

    /// The tokenizer of a checkpoint, from its `vocab.json` and `merges.txt`, and those files of [`ADDED`] that it has.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the files cannot be read or lack `<|endoftext|>`, or if an added token's id leaves a gap.
    pub fn from_vocab_and_merges(vocab: &str, merges: &str, added: &[String]) -> Result<Self> {
        let vocabulary: HashMap<String, u32> = serde_json::from_str(vocab)
            .map_err(|error| Error::Tokenizer(format!("vocab.json: {:.300}", error.to_string())))?;
        let merges = parse_merges(merges.lines());
        check_ids(&vocabulary)?;
        check_merges(&vocabulary, &merges)?;
        let mut tokenizer = Self::byte_level(vocabulary.into_iter().collect(), merges)?;
        let mut tokens = BTreeMap::new();
        for text in added {
            tokens.extend(added_tokens(text)?);
        }
        tokenizer.add(tokens)?;
        Ok(tokenizer)
    }

    /// Adds tokens that are never split.
    fn add(&mut self, tokens: BTreeMap<u32, String>) -> Result<()> {
        for (id, token) in tokens {
            // The library numbers them itself, behind what there is.
            self.inner.add_tokens([AddedToken::from(token.clone(), false)]).map_err(refused)?;
            let given = self.inner.token_to_id(&token);
            if given != Some(id) {
                let given = given.map_or_else(|| "none".to_owned(), |id| id.to_string());
                return Err(Error::Tokenizer(format!(
                    "the added token `{token:.60}` has the id {id}, and would get {given}"
                )));
            }
        }
        Ok(())
    }

    /// A byte-level BPE tokenizer that takes texts as typed, without a prefix space.
    fn byte_level(vocabulary: Vocab, merges: Merges) -> Result<Self> {
        let model = BPE::builder().vocab_and_merges(vocabulary, merges).build().map_err(refused)?;
        let mut inner = Inner::new(model);
        let byte_level = ByteLevel::default().add_prefix_space(false);
        inner.with_pre_tokenizer(Some(byte_level)).with_decoder(Some(ByteLevelDecoder::default()));
        inner.add_special_tokens([AddedToken::from(BOS, true)]).map_err(refused)?;
        Self::new(inner)
    }

    /// The tokenizer of a checkpoint, from its `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the file cannot be read or lacks `<|endoftext|>`.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let text = text::decode(bytes).map_err(|what| Error::Tokenizer(format!("it is {what}.")))?;
        let mut file: Value = serde_json::from_str(&text).map_err(|error| match text::what(bytes) {
            Some(what) => Error::Tokenizer(format!("it is {what}.")),
            None => refused(error.into()),
        })?;
        check_file(&file)?;
        // Padding, truncation and post-processing are for training batches; a prompt is used as typed.
        for unused in ["padding", "truncation", "post_processor"] {
            file[unused] = Value::Null;
        }
        // GPT-2's own file predates the `type` field, and without it the library would try other models, too.
        if file["model"]["type"].is_null() {
            file["model"]["type"] = Value::from("BPE");
        }
        // Parse what was checked: a duplicated key in the file occurs once in this text.
        let inner = Inner::from_bytes(file.to_string()).map_err(refused)?;
        Self::new(inner)
    }

    fn new(inner: Inner) -> Result<Self> {
        let bos = inner
            .token_to_id(BOS)
            .ok_or_else(|| Error::Tokenizer(format!("it has no token {BOS}; is it GPT-2's?")))?;
        Ok(Self { inner, bos })
    }

    /// The id of `<|endoftext|>`.
    pub fn bos(&self) -> u32 {
        self.bos
    }

    /// One more than the largest id; ids in between may be missing.
    pub fn len(&self) -> usize {
        self.inner.get_vocab(true).values().max().map_or(0, |&largest| largest as usize + 1)
    }

    /// Whether the vocabulary is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of `text`, with `<|endoftext|>` in front if `prepend_bos`
    /// (`HookedTransformer.to_tokens`).
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the tokenizer cannot encode the text.
    pub fn encode(&self, text: &str, prepend_bos: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode(text, false).map_err(refused)?;
        let bos = prepend_bos.then_some(self.bos);
        Ok(bos.into_iter().chain(encoding.get_ids().iter().copied()).collect())
    }

    /// The bytes of `text` that each of its tokens stands for, without `<|endoftext|>` in front.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the tokenizer cannot encode the text.
    pub(crate) fn places(&self, text: &str) -> Result<Vec<Range<usize>>> {
        let encoding = self.inner.encode(text, false).map_err(refused)?;
        Ok(encoding.get_offsets().iter().map(|&(start, end)| start..end).collect())
    }

    /// A token for display. Ids outside the vocabulary have an empty text.
    pub fn token(&self, id: u32) -> Token {
        Token { id, text: self.inner.decode(&[id], false).unwrap_or_default() }
    }

    /// Tokens for display.
    pub fn tokens(&self, ids: &[u32]) -> Vec<Token> {
        ids.iter().map(|&id| self.token(id)).collect()
    }
}

/// Parses lines of `merges.txt`, skipping its version line.
fn parse_merges<'a>(lines: impl Iterator<Item = &'a str>) -> Merges {
    lines
        .filter(|line| !line.starts_with("#version"))
        .filter_map(|line| line.split_once(' '))
        .map(|(left, right)| (left.to_owned(), right.to_owned()))
        .collect()
}

/// The characters that stand for the bytes 0 to 255 in a byte-level vocabulary, in the order of their ids:
/// first the printable bytes, which stand for themselves, then the others, mapped to U+0100 and up.
fn byte_symbols() -> Vec<char> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let own = (0..=255u8).filter(printable).map(char::from);
    let count = 256 - (0..=255u8).filter(printable).count();
    own.chain((0..count as u32).filter_map(|n| char::from_u32(256 + n))).collect()
}

fn refused(error: tokenizers::Error) -> Error {
    // The message may quote the file, at any length.
    Error::Tokenizer(format!("{:.300}", error.to_string()))
}

/// Larger than any vocabulary of this family. The library numbers further tokens from the largest id on, in
/// 32 bits.
const MOST_IDS: u32 = 1 << 20;

/// The components of `tokenizer.json` that are accepted, by section: what byte-level BPE and word-level
/// vocabularies use. The library has many more, and some of them panic on malformed files.
const COMPONENTS: [(&str, &[&str]); 3] = [
    ("normalizer", &["Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase"]),
    ("pre_tokenizer", &["Sequence", "ByteLevel", "Digits", "Whitespace", "WhitespaceSplit", "Punctuation"]),
    ("decoder", &["Sequence", "ByteLevel", "Fuse"]),
];

/// Merges in either form that files have: pairs of tokens, or lines with a space between the two.
#[derive(Deserialize)]
#[serde(untagged)]
enum MergeList {
    Pairs(Vec<(String, String)>),
    Lines(Vec<String>),
}

/// Checks that `tokenizer.json` is of a supported kind and holds nothing that makes the library panic.
fn check_file(file: &Value) -> Result<()> {
    for (section, known) in COMPONENTS {
        check_component(section, &file[section], known)?;
    }
    let model = &file["model"];
    let damaged = |what: &str| Err(Error::Tokenizer(format!("its model has no readable {what}")));
    let Ok(vocabulary) = HashMap::<String, u32>::deserialize(&model["vocab"]) else {
        return damaged("\"vocab\"");
    };
    check_ids(&vocabulary)?;
    match model["type"].as_str() {
        Some("WordLevel") => return Ok(()),
        Some("BPE") | None => {}
        Some(other) => {
            return Err(Error::Tokenizer(format!(
                "its model is of type `{other:.60}`; only `BPE`, which is GPT-2's, and `WordLevel` are \
                 supported"
            )));
        }
    }
    // Dropout is for training; prefixes and suffixes of words belong to other tokenizers.
    let unset = |name: &str| matches!(&model[name], Value::Null) || model[name] == "" || model[name] == 0.0;
    for name in ["dropout", "continuing_subword_prefix", "end_of_word_suffix"] {
        if !unset(name) {
            return Err(Error::Tokenizer(format!("its model sets `{name}`, which GPT-2's does not")));
        }
    }
    match MergeList::deserialize(&model["merges"]) {
        Ok(MergeList::Pairs(merges)) => check_merges(&vocabulary, &merges),
        Ok(MergeList::Lines(lines)) => {
            check_merges(&vocabulary, &parse_merges(lines.iter().map(String::as_str)))
        }
        Err(_) => damaged("\"merges\""),
    }
}

/// Checks the types of a section's components.
fn check_component(section: &str, component: &Value, known: &[&str]) -> Result<()> {
    if component.is_null() {
        return Ok(());
    }
    let kind = component["type"].as_str().unwrap_or_default();
    if !known.contains(&kind) {
        return Err(Error::Tokenizer(format!(
            "its {section} is of type `{kind:.60}`; supported types are {}",
            known.join(", ")
        )));
    }
    // The components of a sequence are in a list whose key differs from section to section.
    let lists =
        component.as_object().into_iter().flat_map(|fields| fields.values()).filter_map(Value::as_array);
    lists.flatten().try_for_each(|inner| check_component(section, inner, known))
}

fn check_ids(vocabulary: &HashMap<String, u32>) -> Result<()> {
    match vocabulary.iter().find(|(_, id)| **id >= MOST_IDS) {
        Some((token, id)) => Err(Error::Tokenizer(format!(
            "it gives the token `{token:.60}` the id {id}; ids must be below {MOST_IDS}"
        ))),
        None => Ok(()),
    }
}

/// Checks that every merge yields a token: the library looks it up in a buffer as long as the longest one.
fn check_merges(vocabulary: &HashMap<String, u32>, merges: &[(String, String)]) -> Result<()> {
    match merges.iter().find(|(left, right)| !vocabulary.contains_key(&format!("{left}{right}"))) {
        Some((left, right)) => Err(Error::Tokenizer(format!(
            "it merges `{left:.60}` and `{right:.60}` into a token that is not in its vocabulary"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notebooks_first_prompt() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        assert_eq!(tokenizer.len(), 50_257);
        let ids = tokenizer.encode("We're helping our friend when they", true).expect("plain text");
        assert_eq!(ids, [50256, 1135, 821, 5742, 674, 1545, 618, 484]);
        assert_eq!(tokenizer.encode("They're", false).expect("plain text"), [2990, 821]);
    }

    #[test]
    fn tokens_show_their_text() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        assert_eq!(tokenizer.token(484).text, " they");
        assert_eq!(tokenizer.token(tokenizer.bos()).text, BOS);
        assert_eq!(tokenizer.token(60_000).text, "");
    }

    #[test]
    fn special_tokens_in_a_text_are_special() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        assert_eq!(tokenizer.encode("a<|endoftext|>b", false).expect("plain text"), [64, 50256, 65]);
    }

    #[test]
    fn added_tokens_are_never_split_and_keep_their_ids() {
        let vocab = r#"{"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3, "[": 4, "]": 5}"#;
        let read = |added: &str| Tokenizer::from_vocab_and_merges(vocab, "a b", &[added.to_owned()]);
        for added in [
            r#"{"[b]": 7, "[a]": 6, "<|endoftext|>": 3}"#,
            r#"{"added_tokens_decoder": {"3": {"content": "<|endoftext|>", "special": true}, "7": {"content": "[b]"},
                "6": {"content": "[a]", "lstrip": false}}, "model_max_length": 1024, "bos_token": "<|endoftext|>"}"#,
        ] {
            let tokenizer = read(added).expect("good files");
            assert_eq!(tokenizer.encode("ab[b]a[a]", false).expect("plain text"), [2, 7, 0, 6]);
            assert_eq!(tokenizer.token(7).text, "[b]");
        }
        assert!(read(r#"{"model_max_length": 1024, "add_prefix_space": false}"#).is_ok());
        for (bad, said) in [
            ("[]", "added_tokens.json or tokenizer_config.json"),
            (r#"{"added_tokens_decoder": ["[a]"]}"#, "added_tokens.json or tokenizer_config.json"),
            (r#"{"[a]": 9}"#, "the id 9, and would get 6"),
        ] {
            let error = read(bad).expect_err(bad).to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn foreign_files_are_refused() {
        assert!(Tokenizer::from_json(b"{}").is_err());
        assert!(Tokenizer::from_vocab_and_merges("[]", "", &[]).is_err());
        assert!(Tokenizer::from_vocab_and_merges("{\"a\": 0}", "a b", &[]).is_err());
        let refusal =
            Tokenizer::from_vocab_and_merges("{\"a\": 0, \"b\": 1}", "a b", &[]).expect_err("no ab");
        assert!(refusal.to_string().contains("`a` and `b`"), "{refusal}");
    }
}
