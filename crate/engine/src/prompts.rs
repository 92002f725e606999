//! From an experiment as typed to token ids that can be run, with every problem reported at its field.
//!
//! Ids come first: analyses run on the ids made here, and [`crate::protocol`] derives what is displayed from
//! them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::answers::{self, Compared, answer_fault};
use crate::error::Result;
use crate::experiment::{Case, Experiment, Group, Pair, Role};
use crate::place::{Field, Place};
use crate::roles::Prompt;
use crate::tokens::Tokenizer;

/// Something the user should change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Problem {
    /// Where the problem is; null if it is not in the experiment.
    pub place: Option<Place>,
    /// Stable, machine-readable name of the kind of problem.
    pub code: String,
    /// What is wrong and what to change.
    pub message: String,
}

/// A group, with only those of its pairs that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedGroup {
    /// The group's name.
    pub name: String,
    /// The group's index in the experiment.
    pub group: usize,
    /// The names of its roles ([`Group::role_names`]).
    pub roles: Vec<String>,
    /// Its cases, in the notebook's order ([`Group::cases`]).
    pub cases: Vec<PreparedCase>,
}

/// One prompt to run, with its corruption, as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedCase {
    /// The prompt as typed.
    pub text: String,
    /// The prompt's ids.
    pub clean: Vec<u32>,
    /// The corrupted prompt's ids; empty if there is none.
    pub corrupted: Vec<u32>,
    /// Where each of the group's roles stands in `clean`, as positions; None where it does not.
    pub roles: Vec<Option<Range<usize>>>,
    /// The right next tokens for `clean`, and those that they are compared with.
    pub compared: Compared,
    /// Index of its pair in the group.
    pub pair: usize,
    /// Index among all cases of the group as typed, including those that cannot be run.
    pub index: usize,
}

/// An experiment as token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenizedExperiment {
    /// The pairs of each group.
    pub groups: Vec<Vec<TokenizedPair>>,
}

/// A pair as token ids, and what prevents it from being run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenizedPair {
    /// The clean prompt, with `<|endoftext|>` where it is prepended.
    pub clean: Vec<u32>,
    /// The corrupted prompt, likewise.
    pub corrupted: Vec<u32>,
    /// The answer; usable only if it is one token.
    pub answer: Vec<u32>,
    /// The distractor; usable only if it is one token.
    pub distractor: Vec<u32>,
    /// Further answers and distractors, likewise.
    pub more: [Vec<Vec<u32>>; 2],
    /// Why it cannot be run; empty if it can.
    pub faults: Vec<Fault>,
    /// Why its clean and its corrupted prompt cannot be compared position by position. None: they can.
    pub unaligned: Option<Fault>,
}

/// A reason why a pair cannot be run, or not by everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The field at fault. None: the pair as a whole.
    pub field: Option<Field>,
    /// Stable, machine-readable name of the kind of fault.
    pub code: &'static str,
    /// What is wrong and what to change.
    pub message: String,
}

/// Tokenizes and checks every pair. `n_ctx` is the open model's context length, if one is open.
///
/// # Errors
/// [`crate::Error::Tokenizer`] if the tokenizer fails. Faults of the experiment are part of the result.
pub(crate) fn tokenize(
    experiment: &Experiment,
    tokenizer: &Tokenizer,
    n_ctx: Option<usize>,
) -> Result<TokenizedExperiment> {
    let pair = |pair: &Pair| TokenizedPair::of(pair, experiment.prepend_bos, tokenizer, n_ctx);
    let group = |group: &crate::experiment::Group| group.pairs.iter().map(pair).collect();
    Ok(TokenizedExperiment { groups: experiment.groups.iter().map(group).collect::<Result<_>>()? })
}

/// The groups with only the pairs that can be run, and all problems. A group without any such pair is left
/// out.
///
/// # Errors
/// [`crate::Error::Tokenizer`] if the tokenizer fails.
pub fn prepare(
    experiment: &Experiment,
    tokenizer: &Tokenizer,
    n_ctx: usize,
) -> Result<(Vec<PreparedGroup>, Vec<Problem>)> {
    let tokenized = tokenize(experiment, tokenizer, Some(n_ctx))?;
    let bos = experiment.prepend_bos;
    let mut groups = Vec::new();
    for (group, (g, pairs)) in experiment.groups.iter().zip(&tokenized.groups).enumerate() {
        let names = g.role_names();
        let mut cases = Vec::new();
        for (index, case) in g.cases().into_iter().enumerate() {
            let p = &pairs[case.pair];
            if !p.faults.is_empty() {
                continue;
            }
            let (mut clean, mut corrupted) = (p.clean.clone(), p.corrupted.clone());
            let mut compared = p.compared();
            if case.swapped {
                std::mem::swap(&mut clean, &mut corrupted);
                compared.reverse();
            }
            let roles = find_roles(g, &names, &case, &p.differing(), tokenizer, bos)?;
            let (text, pair) = (case.clean.to_owned(), case.pair);
            cases.push(PreparedCase { text, clean, corrupted, roles, compared, pair, index });
        }
        if !cases.is_empty() {
            let roles = names.into_iter().map(str::to_owned).collect();
            groups.push(PreparedGroup { name: g.name.clone(), group, roles, cases });
        }
    }
    Ok((groups, tokenized.problems()))
}

/// Where the roles of these names stand in a case's clean prompt.
///
/// # Errors
/// [`crate::Error::Tokenizer`] if the tokenizer fails.
pub(crate) fn find_roles(
    group: &Group,
    names: &[&str],
    case: &Case<'_>,
    differing: &[usize],
    tokenizer: &Tokenizer,
    prepend_bos: bool,
) -> Result<Vec<Option<Range<usize>>>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let prompt = Prompt {
        text: case.clean,
        places: &tokenizer.places(case.clean)?,
        bos: usize::from(prepend_bos),
        answer: case.answer,
        distractor: case.distractor,
        differing,
    };
    let rule = |name: &&str| -> Option<&Role> {
        case.roles.iter().chain(&group.roles).find(|role| role.name == **name)
    };
    Ok(names.iter().map(|name| prompt.find(rule(name)?)).collect())
}

/// A fault of a pair, at its place.
fn at_pair(group: usize, pair: usize, fault: &Fault) -> Problem {
    Problem {
        place: Some(Place { group, pair: Some(pair), field: fault.field }),
        code: fault.code.to_owned(),
        message: fault.message.clone(),
    }
}

impl PreparedGroup {
    /// The pair that each case belongs to.
    pub fn pairs(&self) -> Vec<usize> {
        self.cases.iter().map(|case| case.pair).collect()
    }
}

impl PreparedCase {
    /// Why its clean and its corrupted prompt cannot be compared position by position. None: they can.
    pub(crate) fn unaligned(&self, group: usize) -> Option<Problem> {
        unaligned(self.clean.len(), self.corrupted.len()).map(|fault| at_pair(group, self.pair, &fault))
    }
}

impl TokenizedExperiment {
    /// Everything that is wrong with pairs, whether nothing can be run or only not everything.
    pub(crate) fn all_problems(&self) -> Vec<Problem> {
        let mut problems = self.problems();
        for (group, pairs) in self.groups.iter().enumerate() {
            let of_pair =
                |(pair, p): (usize, &TokenizedPair)| Some(at_pair(group, pair, p.unaligned.as_ref()?));
            problems.extend(pairs.iter().enumerate().filter_map(of_pair));
        }
        problems
    }

    /// Everything that prevents a pair or a group from being run.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (group, pairs) in self.groups.iter().enumerate() {
            for (pair, p) in pairs.iter().enumerate() {
                problems.extend(p.faults.iter().map(|fault| at_pair(group, pair, fault)));
            }
            if pairs.is_empty() {
                problems.push(Problem {
                    place: Some(Place { group, pair: None, field: None }),
                    code: "empty-group".to_owned(),
                    message: "This group has no prompt pair yet. Add one, or remove the group.".to_owned(),
                });
            }
        }
        problems
    }
}

impl TokenizedPair {
    fn of(pair: &Pair, prepend_bos: bool, tokenizer: &Tokenizer, n_ctx: Option<usize>) -> Result<Self> {
        let corrupted = match pair.corrupted.as_str() {
            "" => Vec::new(),
            text => tokenizer.encode(text, prepend_bos)?,
        };
        let further = |texts: &[String]| -> Result<Vec<Vec<u32>>> {
            texts.iter().map(|text| tokenizer.encode(text, false)).collect()
        };
        let mut ids = Self {
            clean: tokenizer.encode(&pair.clean, prepend_bos)?,
            corrupted,
            answer: tokenizer.encode(&pair.answer, false)?,
            distractor: tokenizer.encode(&pair.distractor, false)?,
            more: [further(&pair.more_answers)?, further(&pair.more_distractors)?],
            faults: Vec::new(),
            unaligned: None,
        };
        ids.faults = ids.find_faults(pair, prepend_bos, tokenizer, n_ctx);
        if !ids.faults.iter().any(|fault| matches!(fault.field, Some(Field::Clean | Field::Corrupted))) {
            ids.unaligned = unaligned(ids.clean.len(), ids.corrupted.len());
        }
        Ok(ids)
    }

    /// The tokens that are compared. Of a pair with faults there may be none.
    fn compared(&self) -> Compared {
        answers::compared([&self.answer, &self.distractor], &self.more)
    }

    /// The positions where clean and corrupted differ, including those that only the longer one has. Without a corrupted
    /// prompt there are none.
    pub(crate) fn differing(&self) -> Vec<usize> {
        if self.corrupted.is_empty() {
            return Vec::new();
        }
        let positions = self.clean.len().max(self.corrupted.len());
        (0..positions).filter(|&i| self.clean.get(i) != self.corrupted.get(i)).collect()
    }

    fn find_faults(
        &self,
        pair: &Pair,
        prepend_bos: bool,
        tokenizer: &Tokenizer,
        n_ctx: Option<usize>,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (field, ids) in [(Field::Clean, &self.clean), (Field::Corrupted, &self.corrupted)] {
            if field == Field::Corrupted && pair.corrupted.is_empty() {
                continue;
            }
            if let Some((code, message)) = prompt_fault(pair.field(field), ids, prepend_bos, n_ctx) {
                faults.push(Fault { field: Some(field), code, message });
            }
        }
        let further = |which: usize| if which == 0 { &pair.more_answers } else { &pair.more_distractors };
        for (which, (field, ids)) in
            [(Field::Answer, &self.answer), (Field::Distractor, &self.distractor)].into_iter().enumerate()
        {
            let texts = [pair.field(field)].into_iter().chain(further(which).iter().map(String::as_str));
            let all = texts.zip([ids].into_iter().chain(&self.more[which]));
            let found = all.filter_map(|(text, ids)| answer_fault(text, ids, tokenizer));
            faults.extend(found.map(|(code, message)| Fault { field: Some(field), code, message }));
        }
        let of_answers = |fault: &Fault| matches!(fault.field, Some(Field::Answer | Field::Distractor));
        if !faults.iter().any(of_answers) && answers::share_a_token(&self.compared()) {
            faults.push(Fault {
                field: Some(Field::Distractor),
                code: "same-answers",
                message: answers::SAME.to_owned(),
            });
        }
        faults
    }
}

/// Why two prompts of so many tokens cannot be compared position by position. None: they can.
fn unaligned(clean: usize, corrupted: usize) -> Option<Fault> {
    let fault = |code, message| Some(Fault { field: Some(Field::Corrupted), code, message });
    match corrupted {
        0 => fault(
            "no-counterpart",
            "There is no corrupted prompt. What runs the clean prompt alone takes this pair; patching, and whatever else compares \
             the two, leaves it out."
                .to_owned(),
        ),
        _ if clean == corrupted => None,
        _ => fault(
            "unequal-lengths",
            format!(
                "The clean prompt has {clean} tokens, this one {corrupted}. Patching, which replaces position by position, leaves \
                 the pair out: change the words until both have the same number."
            ),
        ),
    }
}

/// What is wrong with a prompt: code and message. None if nothing is.
pub(crate) fn prompt_fault(
    text: &str,
    ids: &[u32],
    prepend_bos: bool,
    n_ctx: Option<usize>,
) -> Option<(&'static str, String)> {
    if text.is_empty() {
        return Some((
            "empty-prompt",
            "The prompt is empty. Type the text that the model should continue.".to_owned(),
        ));
    }
    // Tokenizers that are not byte-level drop what they do not know.
    if ids.is_empty() {
        return Some((
            "empty-prompt",
            "This model's tokenizer turns the prompt into no tokens at all. Use words that it knows."
                .to_owned(),
        ));
    }
    if let Some(n_ctx) = n_ctx
        && ids.len() > n_ctx
    {
        let counted = if prepend_bos { " with <|endoftext|>" } else { "" };
        return Some((
            "too-long",
            format!(
                "The prompt has {} tokens{counted}; this model takes at most {n_ctx}. Shorten it by {}.",
                ids.len(),
                ids.len() - n_ctx
            ),
        ));
    }
    None
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
            ..Pair::default()
        }
    }

    fn experiment(pairs: Vec<Pair>) -> Experiment {
        let group = Group { name: "g".to_owned(), symmetric: true, roles: Vec::new(), pairs };
        Experiment { groups: vec![group], prepend_bos: true }
    }

    /// The field and code of a pair's only fault.
    fn fault(pair: Pair) -> (Option<Field>, String) {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let tokenized = tokenize(&experiment(vec![pair]), &tokenizer, Some(16)).expect("plain text");
        let problems = tokenized.all_problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let problem = &problems[0];
        (problem.place.and_then(|place| place.field), problem.code.clone())
    }

    #[test]
    fn each_fault_stands_at_its_field() {
        let long = "word ".repeat(20);
        for (bad, field, code) in [
            (pair("", "They are", "'re", " are"), Field::Clean, "empty-prompt"),
            (pair("They're", "", "'re", " are"), Field::Corrupted, "no-counterpart"),
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
    fn what_cannot_be_compared_can_be_run() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let pairs = vec![
            pair("They're here and they", "", "'re", " are"),
            pair("They're", "They are here", "'re", " are"),
        ];
        let (groups, problems) = prepare(&experiment(pairs), &tokenizer, 16).expect("plain text");
        assert_eq!(problems, []);
        let codes: Vec<Option<String>> =
            groups[0].cases.iter().map(|case| Some(case.unaligned(0)?.code)).collect();
        let [none, unequal] = ["no-counterpart", "unequal-lengths"].map(|code| Some(code.to_owned()));
        assert_eq!(codes, [none, unequal.clone(), unequal], "a pair without a counterpart is one case");
    }

    #[test]
    fn a_pairs_role_replaces_its_groups() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let document = serde_json::json!({ "groups": [{
            "name": "", "roles": [{ "name": "S", "at": "answer" }, { "name": "end", "at": "last" }],
            "pairs": [
                { "clean": "Mary saw John", "corrupted": "Mary saw Paul", "answer": " John", "distractor": " Paul" },
                { "clean": "Mary saw Anna", "answer": " John", "distractor": " Paul",
                  "roles": [{ "name": "S", "at": { "text": "Mary" } }, { "name": "verb", "at": { "text": "saw" } }] },
            ],
        }]});
        let experiment = Experiment::from_json(&document.to_string()).expect("an experiment");
        let (groups, _) = prepare(&experiment, &tokenizer, 16).expect("plain text");
        assert_eq!(groups[0].roles, ["S", "end", "verb"]);
        let found: Vec<_> = groups[0].cases.iter().map(|case| case.roles.clone()).collect();
        assert_eq!(found[0], [Some(3..4), Some(3..4), None]);
        assert_eq!(found[1], found[0], "the other direction has its own answer");
        assert_eq!(found[2], [Some(1..2), Some(3..4), Some(2..3)]);
        let written = serde_json::to_string(&experiment).expect("JSON");
        assert_eq!(Experiment::from_json(&written).expect("an experiment"), experiment);
    }

    #[test]
    fn a_prompt_that_is_too_long_is_counted_as_it_is_run() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        for (prepend_bos, said) in [(true, "6 tokens with <|endoftext|>;"), (false, "5 tokens;")] {
            let ids = tokenizer.encode("one two three four five", prepend_bos).expect("plain text");
            let fault = prompt_fault("one two three four five", &ids, prepend_bos, Some(4));
            let (_, message) = fault.expect("too long");
            assert!(message.contains(said), "{message}");
        }
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
        assert_eq!(groups[0].cases[0].compared[0], groups[0].cases[1].compared[1]);
    }
}
