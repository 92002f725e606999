//! Generates the demo model's sentences.
//!
//! A *pair sentence* has two or three clauses: "We're reading the old map while she's cooking dinner." The
//! first clause says "'re" or " are" ("'s" or " is"), and every later clause keeps that style; plural or
//! singular depends on the clause's own pronoun. Nothing else in the sentence gives it away, so the next
//! token can be predicted only from the form in the first clause and the pronoun before it. *Neutral
//! sentences* have neither form. Documents mix both; each pair sentence picks its own style.

use fastrand::Rng;

use crate::lexicon::{Fillers, Lexicon, ing_form, third_person};

/// Verb-object pairs of the notebook's prompts, which no generated sentence contains.
pub(crate) const NOTEBOOK: [(&str, &str); 4] =
    [("help", "friend"), ("eat", "dinner"), ("drive", "uptown"), ("sleep", "too soon")];

/// A piece of a document.
pub(crate) enum Piece {
    /// Plain text.
    Text(String),
    /// The form of "to be" in a later clause, which the model has to predict.
    Choice {
        /// The form in the sentence's style.
        answer: &'static str,
        /// The same form in the other style.
        distractor: &'static str,
    },
}

/// Which verb-object combinations to use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Combinations {
    /// Fifteen in sixteen, and none of the notebook's.
    Training,
    /// The remaining sixteenth: every first clause has a combination never shown in training.
    HeldOut,
}

/// A pronoun as subject, at the start of a sentence and within one.
#[derive(Clone, Copy)]
struct Pronoun {
    capital: &'static str,
    lower: &'static str,
    plural: bool,
}

const PRONOUNS: [Pronoun; 4] = [
    Pronoun { capital: "We", lower: "we", plural: true },
    Pronoun { capital: "They", lower: "they", plural: true },
    Pronoun { capital: "He", lower: "he", plural: false },
    Pronoun { capital: "She", lower: "she", plural: false },
];

impl Pronoun {
    /// The matching form of "to be".
    fn be(self, contracted: bool) -> &'static str {
        match (self.plural, contracted) {
            (true, true) => "'re",
            (true, false) => " are",
            (false, true) => "'s",
            (false, false) => " is",
        }
    }
}

/// A verb and its complement.
struct Action {
    /// "help"
    base: String,
    /// "helping"
    ing: String,
    /// "our old friend"
    rest: String,
    /// "friend": verb and head together decide whether the combination is held out.
    head: String,
}

impl Action {
    fn is_notebook(&self) -> bool {
        NOTEBOOK.contains(&(self.base.as_str(), self.head.as_str()))
    }

    fn is_held_out(&self) -> bool {
        // FNV-1a: a fixed hash, because the standard library's may change between releases.
        let bytes = self.base.bytes().chain([b' ']).chain(self.head.bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        (hash >> 32).is_multiple_of(16)
    }

    fn ing(&self) -> String {
        join(&self.ing, &self.rest)
    }

    fn bare(&self) -> String {
        join(self.base.trim_end_matches('+'), &self.rest)
    }

    fn third(&self) -> String {
        join(&third_person(&self.base), &self.rest)
    }
}

/// Generates documents from a seed.
pub(crate) struct Generator {
    lexicon: Lexicon,
    fillers: Fillers,
    combinations: Combinations,
    rng: Rng,
    /// Share of content words replaced by fillers in the current document.
    filler_rate: f32,
}

impl Generator {
    /// The documents depend only on these arguments.
    pub(crate) fn new(fillers: Fillers, combinations: Combinations, seed: u64) -> Self {
        Self { lexicon: Lexicon::new(), fillers, combinations, rng: Rng::with_seed(seed), filler_rate: 0.0 }
    }

    /// A document of this many sentences, with the usual share of fillers: none in half of the documents.
    pub(crate) fn document(&mut self, sentences: usize) -> Vec<Piece> {
        let rate = match self.rng.usize(0..10) {
            0..5 => 0.0,
            5..8 => 0.15,
            _ => 0.5,
        };
        self.document_with(sentences, rate)
    }

    /// A document of this many sentences in which this share of the content words is replaced by fillers.
    pub(crate) fn document_with(&mut self, sentences: usize, filler_rate: f32) -> Vec<Piece> {
        self.filler_rate = filler_rate;
        let mut pieces = Vec::new();
        let sure = self.rng.usize(0..sentences);
        for i in 0..sentences {
            if i > 0 {
                push(&mut pieces, " ");
            }
            if i == sure || self.chance(0.65) {
                self.pair_sentence(&mut pieces);
            } else {
                let sentence = self.neutral_sentence();
                push(&mut pieces, &sentence);
            }
        }
        pieces
    }

    /// "We're helping the teacher when she's reading."
    fn pair_sentence(&mut self, pieces: &mut Vec<Piece>) {
        let subject = self.pronoun();
        let contracted = self.rng.bool();
        let opening = self.rng.usize(0..100);
        let begin = match opening {
            0..75 => subject.capital.to_owned(),
            75..88 => {
                let comma = if self.rng.bool() { "," } else { "" };
                format!("{}{comma} {}", capitalise(&self.pick("openers")), subject.lower)
            }
            _ => format!("{} {}", capitalise(&self.pick("opening connectives")), subject.lower),
        };
        let fronted = opening >= 88;
        let first = self.first_predicate();
        push(pieces, &format!("{begin}{} {first}", subject.be(contracted)));
        let clauses = if self.chance(0.15) { 2 } else { 1 };
        for clause in 0..clauses {
            let link = if fronted && clause == 0 { ",".to_owned() } else { self.connective() };
            let pronoun = self.pronoun();
            push(pieces, &format!("{link} {}", pronoun.lower));
            if self.chance(0.12) {
                // Sometimes the clause has another verb, so that the pronoun alone does not decide what comes
                // next.
                let other = self.other_verb(pronoun);
                push(pieces, &format!(" {other}"));
            } else {
                pieces.push(Piece::Choice {
                    answer: pronoun.be(contracted),
                    distractor: pronoun.be(!contracted),
                });
                let predicate = self.predicate();
                push(pieces, &format!(" {predicate}"));
            }
        }
        push(pieces, ".");
    }

    /// A sentence without any form of "to be".
    fn neutral_sentence(&mut self) -> String {
        let sentence = match self.rng.usize(0..6) {
            0 | 1 => {
                let (subject, connective, pronoun) = (self.pronoun(), self.connective(), self.pronoun());
                let (first, second) = (self.other_verb(subject), self.other_verb(pronoun));
                format!("{} {first}{connective} {} {second}", subject.capital, pronoun.lower)
            }
            2 => {
                let subject = self.pronoun();
                format!("{} {}", subject.capital, self.other_verb(subject))
            }
            3 => {
                let (name, modal, action) = (self.word("names"), self.pick("modals"), self.action());
                format!("{name} {modal} {}", action.bare())
            }
            4 => format!("Please {}", self.action().bare()),
            _ => {
                let (subject, end) = (self.word("neutral subjects"), self.pick("neutral endings"));
                format!("{} {end}", capitalise(&subject))
            }
        };
        format!("{sentence}.")
    }

    /// The predicate of a clause without "to be".
    fn other_verb(&mut self, pronoun: Pronoun) -> String {
        match self.rng.usize(0..3) {
            0 => self.word("past actions"),
            1 => {
                format!("{} {}", self.pick("modals"), self.action().bare()).replace("cannot always", "cannot")
            }
            _ if pronoun.plural => self.action().bare(),
            _ => self.action().third(),
        }
    }

    /// What follows "to be" in the first clause. Held-out sentences get a held-out combination here.
    fn first_predicate(&mut self) -> String {
        if self.combinations == Combinations::Training {
            return self.predicate();
        }
        loop {
            let action = self.any_action();
            if action.is_held_out() && !action.is_notebook() {
                return action.ing();
            }
        }
    }

    fn predicate(&mut self) -> String {
        match self.rng.usize(0..20) {
            0 => self.pick("places"),
            1 => self.pick("states"),
            2 => join(&self.pick("states"), &self.pick("places")),
            3 => join(&self.pick("places"), &self.action().ing()),
            _ => self.action().ing(),
        }
    }

    /// An action allowed in training.
    fn action(&mut self) -> Action {
        loop {
            let action = self.any_action();
            if !action.is_held_out() && !action.is_notebook() {
                return action;
            }
        }
    }

    fn any_action(&mut self) -> Action {
        let (verbs, heads, article) = match self.rng.usize(0..20) {
            0..5 => ("verbs with a person", "people", true),
            5..11 => ("verbs with a thing", "things", true),
            11..13 => ("verbs with food", "meals", false),
            13..16 => ("verbs of motion", "directions", false),
            _ => ("verbs alone", "manners", false),
        };
        let ((base, ing), head) = (self.verb(verbs), self.word(heads));
        let mut rest = if article { self.noun_phrase(&head) } else { head.clone() };
        if verbs == "verbs alone" && self.chance(0.25) {
            return Action { base, ing, rest: String::new(), head: String::new() };
        }
        if self.chance(0.25) {
            rest = join(&rest, &self.word("tails"));
        }
        Action { base, ing, rest, head }
    }

    /// "our old friend", sometimes "the teacher's friend": not every 's is a form of "to be".
    fn noun_phrase(&mut self, noun: &str) -> String {
        let determiner = self.pick("determiners");
        match self.rng.usize(0..100) {
            0..4 => format!("{determiner} {}'s {noun}", self.word("people")),
            4..34 => format!("{determiner} {} {noun}", self.word("adjectives")),
            34..38 => format!("{determiner} {}, {} {noun}", self.word("adjectives"), self.word("adjectives")),
            _ => format!("{determiner} {noun}"),
        }
    }

    /// The link between two clauses, with the space or comma before it.
    fn connective(&mut self) -> String {
        if self.chance(self.filler_rate * 0.1) {
            return format!(" {}", self.filler());
        }
        match self.rng.usize(0..20) {
            0..14 => format!(" {}", self.pick("connectives")),
            14..19 => format!(", {}", self.pick("comma connectives")),
            _ => [",", ";"][self.rng.usize(0..2)].to_owned(),
        }
    }

    fn pronoun(&mut self) -> Pronoun {
        PRONOUNS[self.rng.usize(0..PRONOUNS.len())]
    }

    fn chance(&mut self, probability: f32) -> bool {
        self.rng.f32() < probability
    }

    /// A random entry of the section.
    fn pick(&mut self, section: &str) -> String {
        let words = self.lexicon.section(section);
        words[self.rng.usize(0..words.len())].to_owned()
    }

    /// A random entry of the section or, at the document's filler rate, a filler.
    fn word(&mut self, section: &str) -> String {
        if self.chance(self.filler_rate) { self.filler() } else { self.pick(section) }
    }

    /// A verb of the section, or fillers: its base form and its -ing form.
    fn verb(&mut self, section: &str) -> (String, String) {
        if !self.chance(self.filler_rate) {
            let verb = self.pick(section);
            return (verb.clone(), ing_form(&verb));
        }
        let ing = if self.chance(0.7) {
            self.fillers.ing[self.rng.usize(0..self.fillers.ing.len())].clone()
        } else {
            self.filler()
        };
        (self.filler(), ing)
    }

    fn filler(&mut self) -> String {
        let fillers = &self.fillers;
        let one = |words: &[String], rng: &mut Rng| words[rng.usize(0..words.len())].clone();
        match self.rng.usize(0..20) {
            0..16 => one(&fillers.lower, &mut self.rng),
            16..18 => one(&fillers.capital, &mut self.rng),
            _ => one(&fillers.lower, &mut self.rng) + &one(&fillers.endings, &mut self.rng),
        }
    }
}

/// The text of a document.
pub(crate) fn text(pieces: &[Piece]) -> String {
    let parts = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.as_str(),
        Piece::Choice { answer, .. } => answer,
    });
    parts.collect()
}

fn push(pieces: &mut Vec<Piece>, text: &str) {
    if let Some(Piece::Text(last)) = pieces.last_mut() {
        last.push_str(text);
    } else {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn join(first: &str, second: &str) -> String {
    if second.is_empty() { first.to_owned() } else { format!("{first} {second}") }
}

fn capitalise(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
