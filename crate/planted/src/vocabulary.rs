//! The words that a plant knows.

use crate::files::{BOS, UNKNOWN};
use crate::model::Model;
use crate::space::{Direction, sum};

/// Tokens in the order of their ids, spaces included.
pub(crate) struct Vocabulary {
    pub(crate) tokens: Vec<String>,
}

impl Vocabulary {
    /// The two tokens that every plant has, which write nothing.
    pub(crate) fn new(model: &mut Model) -> Self {
        let mut vocabulary = Self { tokens: Vec::new() };
        let nothing = vec![0.0; model.d_model];
        for token in [BOS, UNKNOWN] {
            vocabulary.add(model, token, nothing.clone(), None);
        }
        vocabulary
    }

    /// Adds a token: what it writes to the residual stream, and what its logit reads.
    pub(crate) fn add(
        &mut self,
        model: &mut Model,
        token: &str,
        writes: Direction,
        reads: Option<&Direction>,
    ) {
        self.tokens.push(token.to_owned());
        model.token(writes, reads);
    }

    /// Adds the words of a code, each of which writes its own direction and `shared` ones. Their logits read `reads`.
    pub(crate) fn add_code(
        &mut self,
        model: &mut Model,
        words: &[&str],
        code: &[Direction],
        shared: &[&Direction],
        reads: Option<&[Direction]>,
    ) {
        for (index, (word, own)) in words.iter().zip(code).enumerate() {
            let writes =
                sum([own].into_iter().chain(shared.iter().copied()).map(|direction| (1.0, direction)));
            self.add(model, word, writes, reads.map(|reads| &reads[index]));
        }
    }

    /// Adds words that the circuit does not use; each writes a direction of `unread`.
    pub(crate) fn add_fillers(&mut self, model: &mut Model, words: &[&str], unread: &[Direction]) {
        for (word, direction) in words.iter().zip(unread.iter().cycle()) {
            self.add(model, word, direction.clone(), None);
        }
    }
}
