//! From documents to token ids and training batches.

use std::collections::BTreeSet;
use std::iter::repeat_n;

use anyhow::{Context, Result};
use fastrand::Rng;
use patchlab::tokens::Tokenizer;

use crate::sentences::{Generator, Piece, text};

/// A document as the model sees it.
pub(crate) struct Encoded {
    /// `<|endoftext|>`, then the text.
    pub(crate) ids: Vec<u32>,
    /// Where a form of "to be" has to be predicted.
    pub(crate) choices: Vec<Choice>,
}

/// A token to predict, and the one it is compared with.
#[derive(Clone, Copy)]
pub(crate) struct Choice {
    /// The position that predicts it.
    pub(crate) position: usize,
    /// The right token.
    pub(crate) answer: u32,
    /// The same form of "to be" in the other style.
    pub(crate) distractor: u32,
}

/// Encodes a document piece by piece. The ids are those of the whole text, because GPT-2's tokenizer always
/// splits where two pieces meet.
pub(crate) fn encode(pieces: &[Piece], tokenizer: &Tokenizer) -> Result<Encoded> {
    let mut ids = vec![tokenizer.bos()];
    let mut choices = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => ids.extend(tokenizer.encode(text, false)?),
            Piece::Choice { answer, distractor } => {
                let (answer, distractor) = (single(tokenizer, answer)?, single(tokenizer, distractor)?);
                choices.push(Choice { position: ids.len() - 1, answer, distractor });
                ids.push(answer);
            }
        }
    }
    Ok(Encoded { ids, choices })
}

fn single(tokenizer: &Tokenizer, text: &str) -> Result<u32> {
    match tokenizer.encode(text, false)?.as_slice() {
        [id] => Ok(*id),
        ids => anyhow::bail!("{text:?} is {} tokens", ids.len()),
    }
}

/// Per hundred batches: how many hold documents of this many sentences, and their longest row in tokens.
const MIX: [(usize, usize, usize); 4] = [(56, 1, 24), (18, 2, 44), (20, 4, 68), (6, 14, 128)];

/// One document in this many lacks the leading `<|endoftext|>`, as prompts may.
const WITHOUT_BOS: usize = 10;

/// An endless stream of batches.
pub(crate) struct Corpus<'a> {
    generator: Generator,
    tokenizer: &'a Tokenizer,
    rng: Rng,
    /// Approximate number of tokens per batch.
    tokens: usize,
    /// Test prompts, which must not occur in training documents.
    forbidden: Vec<String>,
}

impl<'a> Corpus<'a> {
    pub(crate) fn new(
        generator: Generator,
        tokenizer: &'a Tokenizer,
        tokens: usize,
        forbidden: Vec<String>,
        seed: u64,
    ) -> Self {
        Self { generator, tokenizer, rng: Rng::with_seed(seed), tokens, forbidden }
    }

    /// The next batch: rows of at most 129 tokens, in which every token but the first is a target.
    pub(crate) fn batch(&mut self) -> Result<Vec<Vec<u32>>> {
        let mut kinds =
            MIX.iter().flat_map(|&(share, sentences, longest)| repeat_n((sentences, longest), share));
        let draw = self.rng.usize(0..100);
        let (sentences, longest) = kinds.nth(draw).context("the shares add up to 100")?;
        (0..self.tokens / longest).map(|_| self.row(sentences, longest)).collect()
    }

    fn row(&mut self, sentences: usize, longest: usize) -> Result<Vec<u32>> {
        let pieces = self.generator.document(sentences);
        let text = text(&pieces);
        let test = self.forbidden.iter().find(|test| text.contains(test.as_str()));
        anyhow::ensure!(test.is_none(), "the test prompt {test:?} occurs in a training document: {text:?}");
        let mut ids = encode(&pieces, self.tokenizer)?.ids;
        if self.rng.usize(0..WITHOUT_BOS) == 0 {
            ids.remove(0);
        }
        ids.truncate(longest + 1);
        Ok(ids)
    }
}

/// The token ids that the lexicon produces, collected from this many documents without fillers.
pub(crate) fn core_tokens(
    generator: &mut Generator,
    tokenizer: &Tokenizer,
    documents: usize,
) -> Result<Vec<u32>> {
    let mut core = BTreeSet::new();
    for _ in 0..documents {
        core.extend(encode(&generator.document_with(2, 0.0), tokenizer)?.ids);
    }
    Ok(core.into_iter().collect())
}

/// The tokens of a step's sampled softmax.
///
/// All 50,257 would cost more than the rest of the step. The lexicon's and the batch's tokens are always
/// included. A random sample stands in for all the others, each weighted by the number of tokens it
/// represents, so that the loss estimates that of the full softmax and every token's row is trained.
pub(crate) struct Candidates {
    /// Token ids.
    pub(crate) ids: Vec<u32>,
    /// The log of how many tokens each one represents.
    pub(crate) log_weights: Vec<f32>,
    /// For each token of the vocabulary, its index in `ids`; meaningless for those that are not candidates.
    places: Vec<u32>,
}

impl Candidates {
    pub(crate) fn draw(
        core: &[u32],
        rows: &[Vec<u32>],
        sample: usize,
        vocabulary: usize,
        rng: &mut Rng,
    ) -> Self {
        const NONE: u32 = u32::MAX;
        let mut places = vec![NONE; vocabulary];
        let mut ids: Vec<u32> = Vec::new();
        let mut add = |id: u32, ids: &mut Vec<u32>| {
            let new = places[id as usize] == NONE;
            if new {
                places[id as usize] = ids.len() as u32;
                ids.push(id);
            }
            new
        };
        for &id in core.iter().chain(rows.iter().flatten()) {
            add(id, &mut ids);
        }
        let certain = ids.len();
        while ids.len() < certain + sample {
            add(rng.u32(0..vocabulary as u32), &mut ids);
        }
        let stands_for = (vocabulary - certain) as f32 / sample as f32;
        let mut log_weights = vec![0.0; certain];
        log_weights.resize(ids.len(), stands_for.ln());
        Self { ids, log_weights, places }
    }

    /// The index of one of the batch's tokens among the candidates.
    pub(crate) fn place(&self, id: u32) -> u32 {
        self.places[id as usize]
    }
}
