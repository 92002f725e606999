//! From an experiment as typed to token ids that can be run, with every fault reported at the field that has it.

use std::collections::HashSet;

use crate::error::Result;
use crate::experiment::{Experiment, Field, Pair, Place};
use crate::report::{Checked, PairTokens, Problem};
use crate::tokens::Tokenizer;

/// A group whose faultless pairs are ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedGroup {
    /// The group's name.
    pub name: String,
    /// The group's index in the experiment.
    pub group: usize,
    /// Its cases, in the notebook's order ([`crate::experiment::Group::cases`]).
    pub cases: Vec<PreparedCase>,
}

/// One prompt to run, with its corruption, as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedCase {
    /// The prompt as typed.
    pub text: String,
    /// The prompt's ids.
    pub clean: Vec<u32>,
    /// The corrupted prompt's ids: as many.
    pub corrupted: Vec<u32>,
    /// The right next token for `clean`.
    pub answer: u32,
    /// The token it is compared with.
    pub distractor: u32,
    /// The pair it comes from.
    pub pair: usize,
    /// Its place among all cases of the group as typed, those with faults counted.
    pub index: usize,
}

/// Tokens and faults of every pair. `n_ctx` is the longest prompt the model takes.
///
/// # Errors
/// [`crate::Error::Tokenizer`] if the tokenizer fails; faults of the experiment are no errors here.
pub fn check(experiment: &Experiment, tokenizer: &Tokenizer, n_ctx: usize) -> Result<Checked> {
    let mut checked = Checked { groups: Vec::new(), problems: Vec::new() };
    for (group, g) in experiment.groups.iter().enumerate() {
        let mut pairs = Vec::new();
        for (pair, p) in g.pairs.iter().enumerate() {
            let ids = PairIds::of(p, experiment.prepend_bos, tokenizer)?;
            let at = |field| Place { group, pair: Some(pair), field };
            checked.problems.extend(ids.faults(p, tokenizer, n_ctx).into_iter().map(
                |(field, code, message)| Problem { place: Some(at(field)), code: code.to_owned(), message },
            ));
            pairs.push(ids.shown(tokenizer, n_ctx));
        }
        if g.pairs.is_empty() {
            checked.problems.push(Problem {
                place: Some(Place { group, pair: None, field: None }),
                code: "empty-group".to_owned(),
                message: "This group has no prompt pair yet. Add one, or remove the group.".to_owned(),
            });
        }
        checked.groups.push(pairs);
    }
    Ok(checked)
}

/// The groups that can be run, without the pairs that have faults, and the faults.
/// A group of which nothing is left is left out.
///
/// # Errors
/// As [`check`].
pub fn prepare(
    experiment: &Experiment,
    tokenizer: &Tokenizer,
    n_ctx: usize,
) -> Result<(Vec<PreparedGroup>, Vec<Problem>)> {
    let checked = check(experiment, tokenizer, n_ctx)?;
    let places = checked.problems.iter().filter_map(|problem| problem.place);
    let faulty: HashSet<(usize, usize)> =
        places.filter_map(|place| place.pair.map(|pair| (place.group, pair))).collect();
    let mut groups = Vec::new();
    for (group, g) in experiment.groups.iter().enumerate() {
        let cases = g.cases();
        let usable = cases.iter().enumerate().filter(|(_, case)| !faulty.contains(&(group, case.pair)));
        let prepared: Vec<PreparedCase> = usable
            .map(|(index, case)| {
                let tokens = &checked.groups[group][case.pair];
                let ids = |tokens: &[crate::report::Token]| tokens.iter().map(|token| token.id).collect();
                let (clean, corrupted) = (ids(&tokens.clean), ids(&tokens.corrupted));
                let (answer, distractor) = (tokens.answer[0].id, tokens.distractor[0].id);
                let text = case.clean.to_owned();
                if case.swapped {
                    PreparedCase {
                        text,
                        clean: corrupted,
                        corrupted: clean,
                        answer: distractor,
                        distractor: answer,
                        pair: case.pair,
                        index,
                    }
                } else {
                    PreparedCase { text, clean, corrupted, answer, distractor, pair: case.pair, index }
                }
            })
            .collect();
        if !prepared.is_empty() {
            groups.push(PreparedGroup { name: g.name.clone(), group, cases: prepared });
        }
    }
    Ok((groups, checked.problems))
}

/// The ids of a pair's four fields.
struct PairIds {
    clean: Vec<u32>,
    corrupted: Vec<u32>,
    answer: Vec<u32>,
    distractor: Vec<u32>,
    prepend_bos: bool,
}

/// A fault of a pair: the field that has it, its code, what to change.
type Fault = (Option<Field>, &'static str, String);

impl PairIds {
    fn of(pair: &Pair, prepend_bos: bool, tokenizer: &Tokenizer) -> Result<Self> {
        Ok(Self {
            clean: tokenizer.encode(&pair.clean, prepend_bos)?,
            corrupted: tokenizer.encode(&pair.corrupted, prepend_bos)?,
            answer: tokenizer.encode(&pair.answer, false)?,
            distractor: tokenizer.encode(&pair.distractor, false)?,
            prepend_bos,
        })
    }

    fn faults(&self, pair: &Pair, tokenizer: &Tokenizer, n_ctx: usize) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (field, ids) in [(Field::Clean, &self.clean), (Field::Corrupted, &self.corrupted)] {
            if let Some((code, message)) = prompt_fault(field.of(pair), ids, n_ctx) {
                faults.push((Some(field), code, message));
            }
        }
        let (clean, corrupted) = (self.clean.len(), self.corrupted.len());
        if faults.is_empty() && clean != corrupted {
            let bos = usize::from(self.prepend_bos);
            faults.push((
                Some(Field::Corrupted),
                "unequal-lengths",
                format!(
                    "The clean prompt has {} tokens and this one has {}. Patching replaces position by \
                     position: change the words until both have the same number.",
                    clean - bos,
                    corrupted - bos
                ),
            ));
        }
        for (field, ids) in [(Field::Answer, &self.answer), (Field::Distractor, &self.distractor)] {
            if let Some((code, message)) = answer_fault(field.of(pair), ids, tokenizer) {
                faults.push((Some(field), code, message));
            }
        }
        if self.answer == self.distractor && self.answer.len() == 1 {
            faults.push((
                Some(Field::Distractor),
                "same-answers",
                "Answer and distractor are the same token, so their logit difference is always 0.".to_owned(),
            ));
        }
        faults
    }

    /// The tokens as shown: of a text that is too long to run, which may be a whole book, only the beginning.
    fn shown(&self, tokenizer: &Tokenizer, n_ctx: usize) -> PairTokens {
        let prompt = |ids: &[u32]| tokenizer.tokens(&ids[..ids.len().min(n_ctx + 1)]);
        let answer = |ids: &[u32]| tokenizer.tokens(&ids[..ids.len().min(LONGEST_LIST)]);
        let (clean, corrupted) = (prompt(&self.clean), prompt(&self.corrupted));
        let positions = clean.len().max(corrupted.len());
        PairTokens {
            answer: answer(&self.answer),
            distractor: answer(&self.distractor),
            differing: (0..positions).filter(|&i| self.clean.get(i) != self.corrupted.get(i)).collect(),
            clean,
            corrupted,
        }
    }
}

/// What is wrong with a prompt, if anything: code and message.
pub fn prompt_fault(text: &str, ids: &[u32], n_ctx: usize) -> Option<(&'static str, String)> {
    if text.is_empty() {
        return Some((
            "empty-prompt",
            "The prompt is empty. Type the text that the model should continue.".to_owned(),
        ));
    }
    // A tokenizer that is not byte-level drops what it does not know.
    if ids.is_empty() {
        return Some((
            "empty-prompt",
            "This model's tokenizer makes no token of the prompt. Use words that it knows.".to_owned(),
        ));
    }
    if ids.len() > n_ctx {
        return Some((
            "too-long",
            format!(
                "The prompt has {} tokens with <|endoftext|>; this model takes at most {n_ctx}. Shorten it by {}.",
                ids.len(),
                ids.len() - n_ctx
            ),
        ));
    }
    None
}

/// How many of an answer's tokens a message lists: the text may be a whole page, pasted by mistake.
const LONGEST_LIST: usize = 12;

/// How much of a token's text it shows: a made-up vocabulary may have tokens of any length.
const LONGEST_PIECE: usize = 40;

/// What is wrong with an answer, if anything: code and message.
pub fn answer_fault(text: &str, ids: &[u32], tokenizer: &Tokenizer) -> Option<(&'static str, String)> {
    if ids.is_empty() {
        return Some((
            "empty-answer",
            "Type the one token that is compared, with its space if it has one.".to_owned(),
        ));
    }
    if ids.len() == 1 {
        return None;
    }
    let listed = ids.iter().take(LONGEST_LIST);
    let piece = |&id| tokenizer.token(id).text.chars().take(LONGEST_PIECE).collect::<String>();
    let pieces: Vec<String> = listed.map(|id| format!("{:?}", piece(id))).collect();
    let more = if ids.len() > LONGEST_LIST { " ..." } else { "" };
    let spaced = format!(" {text}");
    let hint = match tokenizer.encode(&spaced, false) {
        Ok(ids) if ids.len() == 1 && !text.starts_with(' ') && text.len() <= LONGEST_PIECE => {
            format!(" With a space in front, {spaced:?} is one token.")
        }
        _ => String::new(),
    };
    Some((
        "many-tokens",
        format!("An answer must be one token; this is {}: {}{more}.{hint}", ids.len(), pieces.join(" ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(clean: &str, corrupted: &str, answer: &str, distractor: &str) -> Pair {
        Pair {
            clean: clean.to_owned(),
            corrupted: corrupted.to_owned(),
            answer: answer.to_owned(),
            distractor: distractor.to_owned(),
        }
    }

    fn experiment(pairs: Vec<Pair>) -> Experiment {
        let group = crate::experiment::Group { name: "g".to_owned(), symmetric: true, pairs };
        Experiment { groups: vec![group], prepend_bos: true }
    }

    /// The single fault of a pair: field and code.
    fn fault(pair: Pair) -> (Option<Field>, String) {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let checked = check(&experiment(vec![pair]), &tokenizer, 16).expect("plain text");
        assert_eq!(checked.problems.len(), 1, "{:?}", checked.problems);
        let problem = &checked.problems[0];
        (problem.place.and_then(|place| place.field), problem.code.clone())
    }

    #[test]
    fn each_fault_stands_at_its_field() {
        let long = "word ".repeat(20);
        for (bad, field, code) in [
            (pair("", "They are", "'re", " are"), Field::Clean, "empty-prompt"),
            (pair("They're", "", "'re", " are"), Field::Corrupted, "empty-prompt"),
            (pair("They're", "They are here", "'re", " are"), Field::Corrupted, "unequal-lengths"),
            (pair(&long, "They are", "'re", " are"), Field::Clean, "too-long"),
            (pair("They're", "They are", "", " are"), Field::Answer, "empty-answer"),
            (pair("They're", "They are", "'re", " contractions of"), Field::Distractor, "many-tokens"),
            (pair("They're", "They are", "'re", "'re"), Field::Distractor, "same-answers"),
        ] {
            assert_eq!(fault(bad), (Some(field), code.to_owned()));
        }
    }

    #[test]
    fn a_missing_space_is_suggested_never_added() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let text = "indirectly";
        let ids = tokenizer.encode(text, false).expect("plain text");
        assert!(ids.len() > 1);
        let (_, message) = answer_fault(text, &ids, &tokenizer).expect("several tokens");
        assert!(message.contains("\" indirectly\" is one token"), "{message}");
    }

    #[test]
    fn faulty_pairs_are_left_out_and_the_rest_runs() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let good = pair("They're here and they", "They are here and they", "'re", " are");
        let both = experiment(vec![pair("", "x", "'re", " are"), good]);
        let (groups, problems) = prepare(&both, &tokenizer, 16).expect("plain text");
        assert_eq!(problems.len(), 1);
        assert_eq!(groups[0].cases.len(), 2);
        assert_eq!(groups[0].cases[0].pair, 1);
        assert_eq!(groups[0].cases[0].clean, groups[0].cases[1].corrupted);
        assert_eq!(groups[0].cases[0].answer, groups[0].cases[1].distractor);
    }
}
