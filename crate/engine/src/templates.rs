//! Experiments made of texts with slots and of lists of words. Each template is a document in `data/templates/`.
//!
//! A slot is `{label:list}` where it is drawn and `{label}` where it is said again; a list may stand for its own label. Words may
//! have several forms, `{s:noun.0}`. Different labels of one list are different words.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bootstrap::next;
use crate::error::{Error, Result};
use crate::experiment::{Anchor, Experiment, Group, Pair, Role};
use crate::tokens::Tokenizer;

/// The templates, in the order shown.
const DOCUMENTS: [&str; 6] = [
    include_str!("../data/templates/indirect-object.json"),
    include_str!("../data/templates/greater-than.json"),
    include_str!("../data/templates/induction.json"),
    include_str!("../data/templates/contractions.json"),
    include_str!("../data/templates/agreement.json"),
    include_str!("../data/templates/docstring.json"),
];

/// How often words are drawn anew for a pair that will not do, or that was drawn before.
const TRIES: usize = 1000;

/// Texts with slots, words for them, and how prompts are corrupted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// What it tests, and where it comes from.
    pub note: String,
    /// Words by list.
    words: BTreeMap<String, Vec<Forms>>,
    /// The clean prompts, used in turn.
    texts: Vec<String>,
    answer: String,
    distractor: String,
    /// Labels that no text has, and their lists.
    #[serde(default)]
    draw: BTreeMap<String, String>,
    /// How prompts can be corrupted, the usual way first.
    pub corruptions: Vec<Corruption>,
    /// Slots that must be tokens by themselves, in both prompts.
    #[serde(default)]
    alone: Vec<String>,
    roles: Vec<SlotRole>,
    /// A slot whose word is a number of two digits: all larger ones are answers, too, all others distractors.
    above: Option<String>,
}

/// A word, or its forms.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Forms {
    One(String),
    Some(Vec<String>),
}

/// A way to corrupt a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corruption {
    /// Its name.
    pub name: String,
    /// What is left of the task.
    pub note: String,
    /// More labels, and their lists.
    #[serde(default)]
    draw: BTreeMap<String, String>,
    /// What stands in place of a slot, of all or (`S#2`) of one of its occurrences: another slot, or a text (`=01`).
    put: BTreeMap<String, String>,
    /// Whether the two prompts corrupt each other.
    #[serde(default)]
    symmetric: bool,
}

/// A role that is a slot, or is found by a rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlotRole {
    name: String,
    slot: Option<String>,
    at: Option<Anchor>,
    nth: Option<i32>,
    offset: Option<i32>,
}

/// What a prompt is filled with: by label, the forms of its word.
type Drawn<'t> = BTreeMap<&'t str, Vec<&'t str>>;

/// A part of a text.
enum Piece<'t> {
    Text(&'t str),
    /// The slot as it is written, without its list; the label; the form.
    Slot(String, &'t str, usize),
}

/// All templates.
///
/// # Errors
/// [`Error::BuiltIn`] if a built-in document is damaged.
pub fn templates() -> Result<Vec<Template>> {
    let read = |document: &&str| {
        serde_json::from_str(document).map_err(|error| Error::BuiltIn(format!("a template: {error}")))
    };
    DOCUMENTS.iter().map(read).collect()
}

impl Template {
    /// The template of this name.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn find(name: &str) -> Result<Self> {
        let all = templates()?;
        let known = all.iter().map(|template| template.name.as_str()).collect::<Vec<_>>().join(", ");
        let message = format!("there is no template {name:?}. There are: {known}.");
        all.into_iter()
            .find(|template| template.name == name)
            .ok_or(Error::Setting { name: "template".to_owned(), message })
    }

    /// A group of so many different pairs, the same for the same seed. Words that fill answers are single tokens of this tokenizer.
    ///
    /// # Errors
    /// [`Error::Setting`] for a corruption that it does not have, or more pairs than there are.
    pub fn experiment(
        &self,
        tokenizer: &Tokenizer,
        corruption: Option<&str>,
        pairs: usize,
        seed: u64,
    ) -> Result<Experiment> {
        let refused = |name: &str, message: String| Error::Setting { name: name.to_owned(), message };
        let found = self.corruptions.iter().find(|known| corruption.is_none_or(|name| known.name == name));
        let corruption = found.ok_or_else(|| {
            let known =
                self.corruptions.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ");
            refused("corruption", format!("{:?} has: {known}.", self.name))
        })?;
        let mut state = seed;
        let mut made: Vec<Pair> = Vec::new();
        for index in 0..pairs {
            let text = &self.texts[index % self.texts.len()];
            let new = (0..TRIES).find_map(|_| {
                let pair = self.pair(text, corruption, tokenizer, &mut state)?;
                (!made.iter().any(|known| known.clean == pair.clean)).then_some(pair)
            });
            made.push(new.ok_or_else(|| {
                refused(
                    "pairs",
                    format!("only {} different pairs were found for {:?}.", made.len(), self.name),
                )
            })?);
        }
        let rules = self.roles.iter().filter_map(|role| Some(role.rule(role.at.clone()?)));
        let group = Group {
            name: format!("{}, {}", self.name, corruption.name),
            symmetric: corruption.symmetric,
            roles: rules.collect(),
            pairs: made,
        };
        Ok(Experiment { groups: vec![group], prepend_bos: true })
    }

    /// A pair. None: these words will not do.
    fn pair(
        &self,
        text: &str,
        corruption: &Corruption,
        tokenizer: &Tokenizer,
        state: &mut u64,
    ) -> Option<Pair> {
        let mut labels: Vec<(&str, &str)> = Vec::new();
        for piece in slots(text) {
            let (slot, list) = piece.split_once(':').unwrap_or((piece, piece));
            let label = slot.split('.').next().unwrap_or(slot);
            let list = list.split('.').next().unwrap_or(list);
            if !labels.iter().any(|(known, _)| *known == label) {
                labels.push((label, list));
            }
        }
        let more = self.draw.iter().chain(&corruption.draw);
        labels.extend(more.map(|(label, list)| (label.as_str(), list.as_str())));
        let mut drawn: Drawn<'_> = BTreeMap::new();
        for (label, list) in labels {
            let words = self.words.get(list)?;
            let word = words[(next(state) % words.len() as u64) as usize].all();
            // The same word twice would be another task.
            if drawn.values().any(|other| other[0] == word[0]) {
                return None;
            }
            drawn.insert(label, word);
        }
        let clean = filled(text, &drawn, &BTreeMap::new())?;
        let corrupted = filled(text, &drawn, &corruption.put)?;
        let (answer, distractor) = (
            filled(&self.answer, &drawn, &BTreeMap::new())?,
            filled(&self.distractor, &drawn, &BTreeMap::new())?,
        );
        let tokens = |text: &str| tokenizer.encode(text, false).ok().map(|ids| ids.len());
        let fits = tokens(&clean)? == tokens(&corrupted)?
            && tokens(&answer)? == 1
            && tokens(&distractor)? == 1
            && clean != corrupted
            && self.stand_alone(&clean, &BTreeMap::new(), &drawn, tokenizer)?
            && self.stand_alone(&corrupted, &corruption.put, &drawn, tokenizer)?;
        let role = |role: &SlotRole| -> Option<Role> {
            let word = value(role.slot.as_deref()?, &drawn)?;
            Some(role.rule(Anchor::Text(word.to_owned())))
        };
        let roles = self.roles.iter().filter_map(role).collect();
        let (more_answers, more_distractors) = match &self.above {
            Some(slot) => beside(value(slot, &drawn)?.parse().ok()?, [&answer, &distractor]),
            None => (Vec::new(), Vec::new()),
        };
        fits.then_some(Pair { clean, corrupted, answer, distractor, more_answers, more_distractors, roles })
    }
}

/// The numbers of two digits above `start` and the others, without the two that are named.
fn beside(start: u32, named: [&str; 2]) -> (Vec<String>, Vec<String>) {
    let others = (0..100).filter(|number| !named.contains(&format!("{number:02}").as_str()));
    let (above, rest): (Vec<u32>, Vec<u32>) = others.partition(|&number| number > start);
    let written = |numbers: Vec<u32>| numbers.iter().map(|number| format!("{number:02}")).collect();
    (written(above), written(rest))
}

impl Template {
    /// Whether the slots that must be are tokens by themselves in a prompt.
    fn stand_alone(
        &self,
        prompt: &str,
        put: &BTreeMap<String, String>,
        drawn: &Drawn<'_>,
        tokenizer: &Tokenizer,
    ) -> Option<bool> {
        let ids = tokenizer.encode(prompt, false).ok()?;
        let alone = |slot: &String| -> Option<bool> {
            let word = filled(&format!("{{{slot}}}"), drawn, put)?;
            let own = tokenizer.encode(&word, false).ok()?;
            Some(own.len() == 1 && ids.contains(&own[0]))
        };
        let all: Option<Vec<bool>> = self.alone.iter().map(alone).collect();
        Some(all?.into_iter().all(|alone| alone))
    }
}

impl Forms {
    fn all(&self) -> Vec<&str> {
        match self {
            Forms::One(word) => vec![word],
            Forms::Some(words) => words.iter().map(String::as_str).collect(),
        }
    }
}

impl SlotRole {
    fn rule(&self, at: Anchor) -> Role {
        Role { name: self.name.clone(), at, nth: self.nth.unwrap_or(1), offset: self.offset.unwrap_or(0) }
    }
}

/// What stands between the braces of a text.
fn slots(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(slot, _)| slot)
}

/// The pieces of a text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    for (index, part) in text.split('{').enumerate() {
        let Some((slot, rest)) = part.split_once('}').filter(|_| index > 0) else {
            found.push(Piece::Text(part));
            continue;
        };
        let (label, list) = slot.split_once(':').unwrap_or((slot, slot));
        let form = list.split_once('.').map_or("0", |(_, form)| form);
        let name = label.split('.').next().unwrap_or(label);
        let written = if list.contains('.') { format!("{name}.{form}") } else { name.to_owned() };
        found.push(Piece::Slot(written, name, form.parse().unwrap_or(0)));
        found.push(Piece::Text(rest));
    }
    found
}

/// The word of a slot like `S` or `s.1`.
fn value<'t>(slot: &str, drawn: &Drawn<'t>) -> Option<&'t str> {
    let (label, form) = slot.split_once('.').unwrap_or((slot, "0"));
    drawn.get(label)?.get(form.parse::<usize>().ok()?).copied()
}

/// The text with its slots filled. `put` says what stands in place of some.
fn filled(text: &str, drawn: &Drawn<'_>, put: &BTreeMap<String, String>) -> Option<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut whole = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => whole.push_str(text),
            Piece::Slot(written, label, form) => {
                let nth = seen.entry(written.clone()).or_default();
                *nth += 1;
                let other = put.get(&format!("{written}#{nth}")).or_else(|| put.get(&written));
                whole.push_str(match other {
                    Some(other) => match other.strip_prefix('=') {
                        Some(text) => text,
                        None => value(other, drawn)?,
                    },
                    None => drawn.get(label)?.get(form).copied()?,
                });
            }
        }
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::prepare;

    #[test]
    fn every_template_makes_pairs_that_run_with_every_corruption() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        for template in templates().expect("built in") {
            for corruption in &template.corruptions {
                let made = template.experiment(&tokenizer, Some(&corruption.name), 24, 1).expect("24 pairs");
                let (groups, problems) = prepare(&made, &tokenizer, 1024).expect("plain text");
                assert_eq!(problems, [], "{}", template.name);
                assert_eq!(groups[0].cases.len(), if corruption.symmetric { 48 } else { 24 });
                for case in &groups[0].cases {
                    assert_eq!(case.unaligned(0), None, "{}", case.text);
                    let first = case.roles.iter().zip(&groups[0].roles);
                    for (span, role) in first {
                        // In the other direction a pair's words may be others.
                        let other_way = corruption.symmetric && case.index % 2 == 1;
                        assert!(span.is_some() || other_way, "{}: {role} in {:?}", template.name, case.text);
                    }
                }
            }
        }
    }

    #[test]
    fn a_seed_makes_the_same_pairs_and_another_seed_others() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let template = Template::find("indirect-object").expect("it is there");
        let made = |seed| template.experiment(&tokenizer, None, 40, seed).expect("pairs");
        assert_eq!(made(3), made(3));
        assert_ne!(made(3), made(4));
        let pairs = &made(3).groups[0].pairs;
        let mut cleans: Vec<&str> = pairs.iter().map(|pair| pair.clean.as_str()).collect();
        cleans.sort_unstable();
        cleans.dedup();
        assert_eq!(cleans.len(), 40, "all different");
        // Three other names.
        let words = |text: &str| text.split([' ', ',']).map(str::to_owned).collect::<Vec<_>>();
        for pair in pairs {
            let changed =
                words(&pair.clean).iter().zip(words(&pair.corrupted)).filter(|(a, b)| *a != b).count();
            assert_eq!(changed, 3, "{} / {}", pair.clean, pair.corrupted);
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let message = |result: Result<Experiment>| result.expect_err("refused").to_string();
        assert!(Template::find("ioi").expect_err("another name").to_string().contains("indirect-object"));
        let template = Template::find("agreement").expect("it is there");
        assert!(message(template.experiment(&tokenizer, Some("swap"), 1, 0)).contains("number"));
        assert!(message(template.experiment(&tokenizer, None, 100_000, 0)).contains("different pairs"));
    }
}
