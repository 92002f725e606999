//! `induction`: a word that has occurred is followed by what followed it then. Two layers.
//!
//! "Words: oak fox rain bell moon fox" -> " rain". A head of layer 0 writes at each position the word before it; the
//! induction head of layer 1 looks for its own word among those, and copies the word found there.

use crate::Design;
use crate::circuit::{Circuit, Effect};
use crate::experiment::{Experiment, Pair, Role};
use crate::model::{Head, Model, copying};
use crate::random::Random;
use crate::space::Space;
use crate::vocabulary::Vocabulary;

const WORDS: [&str; 24] = [
    " oak", " fox", " rain", " bell", " moon", " salt", " wolf", " leaf", " coin", " ship", " drum", " rose",
    " lamp", " frog", " snow", " kite", " sand", " bear", " plum", " gold", " hawk", " mint", " road",
    " fern",
];

/// Tokens before the first word, `<|endoftext|>` included.
const LEAD: [&str; 2] = ["Words", ":"];

/// Words before the last one.
const LENGTH: usize = 12;

const PAIRS: usize = 12;

pub(crate) fn design(seed: &str) -> Design {
    let mut space = Space::new(116, seed);
    let mut model = Model::new(&mut space, WORDS.len(), 1 + LEAD.len() + LENGTH + 1, seed);
    let word = space.code(WORDS.len());
    let previous = space.code(WORDS.len());
    let output = space.code(WORDS.len());
    let unread = space.code(WORDS.len());

    let mut vocabulary = Vocabulary::new(&mut model);
    vocabulary.add_fillers(&mut model, &LEAD, &unread);
    vocabulary.add_code(&mut model, &WORDS, &word, &[], Some(&output));

    let first = model.positions[0].clone();
    let (from, to) = (model.positions[1..].to_vec(), model.positions[..model.positions.len() - 1].to_vec());
    let resting = |score| Head::resting(&first, score);
    let one_back = resting(0.0).matching(&from, &to, 16.0);
    let itself = resting(0.0).matching(&from, &from, 16.0);
    let same_word = resting(8.0).matching(&word, &word, 16.0);

    let mut circuit = Circuit::default();
    let places = model.layer(
        [
            one_back.clone().moving(&word, &previous, 1.0),
            one_back.moving(&word, &previous, 0.5),
            same_word.moving(&word, &unread, 1.0),
            itself.clone().moving(&word, &unread, 1.0),
        ],
        copying(&word, &unread),
    );
    circuit.heads(
        0,
        places,
        [
            ("previous", "attends to the token before and writes which word it is"),
            ("backup", "as `previous`, at half the size: enough for nothing alone, and not missed"),
            ("same-word", "decoy: attends to the same word, and writes where nothing reads"),
            ("self-0", "decoy: attends to its own position, and writes where nothing reads"),
        ],
    );

    // Both previous-token heads together give 21, one gives 14, and the backup alone 7: no more than the first position.
    let after_same_word = resting(7.0).matching(&word, &previous, 14.0);
    let places = model.layer(
        [
            after_same_word.clone().moving(&word, &output, 1.0),
            after_same_word.clone().moving(&word, &output, -0.3),
            after_same_word.moving(&word, &unread, 1.0),
            itself.moving(&word, &output, 1.0),
        ],
        copying(&previous, &unread),
    );
    circuit.heads(
        1,
        places,
        [
            (
                "induction",
                "attends to the token after the last occurrence of its word and raises that token's logit",
            ),
            ("negative", "attends where `induction` does and lowers the token's logit, by 0.3 of as much"),
            ("unread", "decoy: attends where `induction` does, and writes where nothing reads"),
            ("self-1", "decoy: raises the logit of its own word, which is neither answer nor distractor"),
        ],
    );

    use Effect::{Pair, Single};
    circuit.edges(&[
        ("input->previous<v>", Single, Single),
        ("input->backup<v>", Pair, Pair),
        ("input->induction<q>", Single, Single),
        ("input->induction<v>", Single, Single),
        ("input->negative<q>", Single, Single),
        ("input->negative<v>", Single, Single),
        ("previous->induction<k>", Single, Single),
        ("previous->negative<k>", Single, Single),
        ("backup->induction<k>", Pair, Pair),
        ("backup->negative<k>", Pair, Pair),
        ("induction->logits", Single, Single),
        ("negative->logits", Single, Single),
    ]);
    Design { model, vocabulary, experiment: experiment(seed), circuit }
}

/// Four corruptions in turn: the last word is another that has occurred; the words that come first in the two
/// bigrams are exchanged; those that come second are; every word is another.
fn experiment(seed: &str) -> Experiment {
    let mut random = Random::new(seed, "prompts");
    let pairs = (0..PAIRS).map(|pair| {
        let drawn = random.shuffled(WORDS);
        let (words, others) = drawn.split_at(LENGTH);
        // Where the two bigrams begin: one in each half.
        let a = random.below(LENGTH / 2 - 1);
        let c = LENGTH / 2 + random.below(LENGTH / 2 - 1);
        let (a, c) = if random.below(2) == 0 { (a, c) } else { (c, a) };
        let mut corrupted = words.to_vec();
        let mut last = words[a];
        match pair % 4 {
            0 => last = words[c],
            1 => corrupted.swap(a, c),
            2 => corrupted.swap(a + 1, c + 1),
            _ => {
                corrupted = others.to_vec();
                last = others[a];
            }
        }
        let role = |name, index| Role::after_first(name, LEAD.len() + index);
        Pair {
            clean: text(words, words[a]),
            corrupted: text(&corrupted, last),
            answer: words[a + 1].to_owned(),
            distractor: words[c + 1].to_owned(),
            roles: vec![role("A", a), role("B", a + 1), role("C", c), role("D", c + 1)],
        }
    });
    Experiment::one_way("planted induction", vec![Role::end()], pairs.collect())
}

fn text(words: &[&str], last: &str) -> String {
    format!("{}{}{last}", LEAD.concat(), words.concat())
}
