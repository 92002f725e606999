//! From documents to token ids, and to the batches that training takes.

use std::collections::BTreeSet;

use anyhow::Result;
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

/// The kinds of documents, and what a batch holds of each.
#[derive(Clone, Copy)]
enum Kind {
    /// So many sentences.
    Sentences(usize),
    /// The same words twice; any words, or the lexicon's.
    Repetition { rare: bool },
    /// "When Anna and Ben went to the shop, Anna gave a book to Ben."
    Gift,
}

/// Out of a hundred batches, how many are of this kind, and how many tokens a row may have.
const MIX: [(usize, Kind, usize); 7] = [
    (48, Kind::Sentences(1), 24),
    (15, Kind::Sentences(2), 44),
    (15, Kind::Sentences(4), 68),
    (5, Kind::Sentences(14), 128),
    (7, Kind::Repetition { rare: false }, 20),
    (5, Kind::Repetition { rare: true }, 44),
    (5, Kind::Gift, 24),
];

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
        let mut draw = self.rng.usize(0..100);
        let &(_, kind, longest) = MIX
            .iter()
            .find(|(share, ..)| {
                let found = draw < *share;
                draw = draw.saturating_sub(*share);
                found
            })
            .unwrap_or(&MIX[0]);
        (0..self.tokens / longest).map(|_| self.row(kind, longest)).collect()
    }

    fn row(&mut self, kind: Kind, longest: usize) -> Result<Vec<u32>> {
        let pieces = match kind {
            Kind::Sentences(count) => self.generator.document(count),
            Kind::Repetition { rare } => vec![Piece::Text(self.generator.repetition(rare))],
            Kind::Gift => vec![Piece::Text(self.generator.gift())],
        };
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
