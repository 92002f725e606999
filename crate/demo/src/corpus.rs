//! From documents to token ids, and to the batches that training takes.

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
    pub(crate) sites: Vec<Site>,
}

/// A token to be predicted, with the one it is compared with.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    /// The position whose next token it is.
    pub(crate) position: usize,
    /// The right token.
    pub(crate) answer: u32,
    /// The same form of "to be" in the other style.
    pub(crate) distractor: u32,
}

/// Encodes a document. Pieces are encoded one by one, which changes nothing: GPT-2's tokenizer splits the text
/// at every place where two of them meet.
pub(crate) fn encode(pieces: &[Piece], tokenizer: &Tokenizer) -> Result<Encoded> {
    let mut ids = vec![tokenizer.bos()];
    let mut sites = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => ids.extend(tokenizer.encode(text, false)?),
            Piece::Choice { answer, distractor } => {
                let (answer, distractor) = (single(tokenizer, answer)?, single(tokenizer, distractor)?);
                sites.push(Site { position: ids.len() - 1, answer, distractor });
                ids.push(answer);
            }
        }
    }
    Ok(Encoded { ids, sites })
}

fn single(tokenizer: &Tokenizer, text: &str) -> Result<u32> {
    match tokenizer.encode(text, false)?.as_slice() {
        [id] => Ok(*id),
        ids => anyhow::bail!("{text:?} is {} tokens", ids.len()),
    }
}

/// Out of a hundred batches, how many hold documents of so many sentences, and the most tokens of a row.
const MIX: [(usize, usize, usize); 4] = [(56, 1, 24), (18, 2, 44), (20, 4, 68), (6, 14, 128)];

/// One document in so many goes without `<|endoftext|>` in front, as a prompt may.
const WITHOUT_BOS: usize = 10;

/// An endless stream of batches.
pub(crate) struct Corpus<'a> {
    generator: Generator,
    tokenizer: &'a Tokenizer,
    rng: Rng,
    /// Tokens per batch, about.
    tokens: usize,
    /// Texts that test the model, and must not occur in what it learns from.
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

    /// The next batch: rows of at most 129 tokens, each of which predicts all its tokens but the first.
    pub(crate) fn batch(&mut self) -> Result<Vec<Vec<u32>>> {
        let mut kinds =
            MIX.iter().flat_map(|&(share, sentences, longest)| repeat_n((sentences, longest), share));
        let draw = self.rng.usize(0..100);
        let (sentences, longest) = kinds.nth(draw).context("the shares make a hundred")?;
        (0..self.tokens / longest).map(|_| self.row(sentences, longest)).collect()
    }

    fn row(&mut self, sentences: usize, longest: usize) -> Result<Vec<u32>> {
        let pieces = self.generator.document(sentences);
        let text = text(&pieces);
        let test = self.forbidden.iter().find(|test| text.contains(test.as_str()));
        anyhow::ensure!(test.is_none(), "a test's text {test:?} is in a training document: {text:?}");
        let mut ids = encode(&pieces, self.tokenizer)?.ids;
        if self.rng.usize(0..WITHOUT_BOS) == 0 {
            ids.remove(0);
        }
        ids.truncate(longest + 1);
        Ok(ids)
    }
}

/// The tokens that the lexicon yields, found by writing so many documents without fillers.
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

/// The tokens that a step's softmax runs over.
///
/// All 50,257 would cost more than the rest of the step. The lexicon's tokens and the batch's own are always
/// among them; a random sample stands for all the others, each with the weight of those it stands for, so that
/// the loss estimates that of the full softmax and every token's row is trained.
pub(crate) struct Candidates {
    /// Their ids.
    pub(crate) ids: Vec<u32>,
    /// The logarithm of how many tokens each stands for.
    pub(crate) log_weights: Vec<f32>,
    /// For each token of the vocabulary, its place in `ids`; meaningless for those that have none.
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

    /// The place of a token of the batch among the candidates.
    pub(crate) fn place(&self, id: u32) -> u32 {
        self.places[id as usize]
    }
}
