//! Text to token ids and back, with GPT-2's tokenizer or the checkpoint's own.

use std::collections::HashMap;

use tokenizers::decoders::byte_level::ByteLevel as ByteLevelDecoder;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer as Inner};

use crate::error::{Error, Result};
use crate::report::Token;

/// GPT-2's 50,000 merges, from which its whole vocabulary follows (see `data/README.md`).
const MERGES: &str = include_str!("../data/gpt2-merges.txt");

/// GPT-2's beginning-of-sequence token, which is also its end-of-text token.
pub const BOS: &str = "<|endoftext|>";

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
        let merges = parse_merges(MERGES);
        // Ids: the 256 bytes, then one token per merge, then the special token.
        let joined = merges.iter().map(|(left, right)| format!("{left}{right}"));
        let tokens = byte_symbols().into_iter().map(String::from).chain(joined).chain([BOS.to_owned()]);
        let vocabulary = tokens.zip(0u32..).collect();
        Self::byte_level(vocabulary, merges)
    }

    /// The tokenizer of a checkpoint, from its `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the files cannot be read, or have no `<|endoftext|>`.
    pub fn from_vocab_and_merges(vocab: &str, merges: &str) -> Result<Self> {
        let vocabulary: HashMap<String, u32> =
            serde_json::from_str(vocab).map_err(|error| Error::Tokenizer(format!("vocab.json: {error}")))?;
        Self::byte_level(vocabulary.into_iter().collect(), parse_merges(merges))
    }

    /// A byte-level BPE tokenizer that takes texts as typed.
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
    /// [`Error::Tokenizer`] if the file cannot be read, or has no `<|endoftext|>`.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let mut inner = Inner::from_bytes(bytes).map_err(refused)?;
        // Padding and truncation are for training batches; a prompt is used as typed.
        inner.with_padding(None).with_truncation(None).map_err(refused)?;
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

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Whether there are no ids at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of `text`, with `<|endoftext|>` in front if `prepend_bos`
    /// (`HookedTransformer.to_tokens`).
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the tokenizer cannot express the text.
    pub fn encode(&self, text: &str, prepend_bos: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode(text, false).map_err(refused)?;
        let bos = prepend_bos.then_some(self.bos);
        Ok(bos.into_iter().chain(encoding.get_ids().iter().copied()).collect())
    }

    /// A token as shown. Ids outside the vocabulary read as nothing.
    pub fn token(&self, id: u32) -> Token {
        Token { id, text: self.inner.decode(&[id], false).unwrap_or_default() }
    }

    /// Tokens as shown.
    pub fn tokens(&self, ids: &[u32]) -> Vec<Token> {
        ids.iter().map(|&id| self.token(id)).collect()
    }
}

/// The lines of `merges.txt`, without its version line.
fn parse_merges(text: &str) -> Merges {
    text.lines()
        .filter(|line| !line.starts_with("#version"))
        .filter_map(|line| line.split_once(' '))
        .map(|(left, right)| (left.to_owned(), right.to_owned()))
        .collect()
}

/// The characters that stand for the bytes 0 to 255 in a byte-level vocabulary, in the order of their ids:
/// first the printable bytes, which stand for themselves, then the others, moved up past Latin-1.
fn byte_symbols() -> Vec<char> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let own = (0..=255u8).filter(printable).map(char::from);
    let count = 256 - (0..=255u8).filter(printable).count();
    own.chain((0..count as u32).filter_map(|n| char::from_u32(256 + n))).collect()
}

fn refused(error: tokenizers::Error) -> Error {
    Error::Tokenizer(error.to_string())
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
    fn foreign_files_are_refused() {
        assert!(Tokenizer::from_json(b"{}").is_err());
        assert!(Tokenizer::from_vocab_and_merges("[]", "").is_err());
        assert!(Tokenizer::from_vocab_and_merges("{\"a\": 0}", "a b").is_err());
    }
}
