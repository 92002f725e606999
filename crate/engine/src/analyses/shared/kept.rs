//! Scores of edges that were computed before. All exact ones of GPT-2 small take minutes, and a circuit is chosen by them again and
//! again.

use std::cell::RefCell;

use super::edges::Scoring;
use crate::answers::Compared;
use crate::metrics::PerPrompt;
use crate::prompts::{PreparedCase, PreparedGroup};

/// Most numbers that are kept: 32 MiB, a method's scores of GPT-2 small for 128 prompts.
const MOST: usize = 1 << 22;

/// The scores of all edges, of some groups and methods; the ones that were used last stay.
#[derive(Debug, Default)]
pub(crate) struct KeptScores(RefCell<Vec<Kept>>);

#[derive(Debug)]
struct Kept {
    scoring: Scoring,
    asked: Vec<Asked>,
    scores: PerPrompt,
}

/// What a prompt's scores depend on, besides the model.
#[derive(Debug, PartialEq)]
struct Asked {
    clean: Vec<u32>,
    corrupted: Vec<u32>,
    compared: Compared,
}

impl Asked {
    fn of(case: &PreparedCase) -> Self {
        let PreparedCase { clean, corrupted, compared, .. } = case.clone();
        Self { clean, corrupted, compared }
    }
}

impl KeptScores {
    /// Whether a group's scores are kept.
    pub(in crate::analyses) fn has(&self, scoring: &Scoring, group: &PreparedGroup) -> bool {
        self.0.borrow().iter().any(|kept| kept.is_of(scoring, group))
    }

    /// A group's scores, if they are kept.
    pub(in crate::analyses) fn get(&self, scoring: &Scoring, group: &PreparedGroup) -> Option<PerPrompt> {
        let mut all = self.0.borrow_mut();
        let index = all.iter().position(|kept| kept.is_of(scoring, group))?;
        let kept = all.remove(index);
        let scores = kept.scores.clone();
        all.push(kept);
        Some(scores)
    }

    /// Keeps a group's scores, and lets go of those that were used longest ago if there are too many.
    pub(in crate::analyses) fn keep(&self, scoring: &Scoring, group: &PreparedGroup, scores: &PerPrompt) {
        let mut all = self.0.borrow_mut();
        let asked = group.cases.iter().map(Asked::of).collect();
        all.push(Kept { scoring: *scoring, asked, scores: scores.clone() });
        while all.iter().map(|kept| kept.scores.numbers().len()).sum::<usize>() > MOST {
            all.remove(0);
        }
    }
}

impl Kept {
    fn is_of(&self, scoring: &Scoring, group: &PreparedGroup) -> bool {
        let same = |(asked, case): (&Asked, &PreparedCase)| {
            asked.clean == case.clean && asked.corrupted == case.corrupted && asked.compared == case.compared
        };
        self.scoring == *scoring
            && self.asked.len() == group.cases.len()
            && self.asked.iter().zip(&group.cases).all(same)
    }
}
