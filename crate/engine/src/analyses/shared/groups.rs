//! Which groups an analysis can use, and why it cannot use the others.

use super::columns::{different_lengths, has_one_length};
use crate::analyses::Job;
use crate::error::Result;
use crate::place::Place;
use crate::prompts::Problem;
use crate::prompts::{PreparedCase, PreparedGroup, prepare};

/// The groups that can be run, and all problems.
pub(in crate::analyses) fn usable(job: &Job<'_>) -> Result<(Vec<PreparedGroup>, Vec<Problem>)> {
    prepare(job.experiment, job.tokenizer, job.model.config.n_ctx)
}

/// Those of the groups that this portion of the request computes: called when everything that is decided over all groups is.
pub(in crate::analyses) fn asked_for(job: &Job<'_>, groups: Vec<PreparedGroup>) -> Vec<PreparedGroup> {
    groups.into_iter().filter(|group| job.portion.has_group(group.group)).collect()
}

/// Leaves out groups whose prompts differ in length: what is taken at each position is meaningless for them.
pub(in crate::analyses) fn of_one_length(
    groups: Vec<PreparedGroup>,
    problems: &mut Vec<Problem>,
) -> Vec<PreparedGroup> {
    let (even, uneven): (Vec<PreparedGroup>, Vec<PreparedGroup>) =
        groups.into_iter().partition(has_one_length);
    problems.extend(uneven.iter().map(different_lengths));
    even
}

/// Leaves out prompts that cannot be compared with a corrupted one position by position, and groups without any other.
pub(in crate::analyses) fn aligned(
    groups: Vec<PreparedGroup>,
    problems: &mut Vec<Problem>,
) -> Vec<PreparedGroup> {
    let mut kept = Vec::new();
    for group in groups {
        let mut apart: Vec<Problem> = Vec::new();
        let mut cases = Vec::new();
        for case in group.cases {
            match case.unaligned(group.group) {
                None => cases.push(case),
                // Once for both directions of a pair.
                Some(problem) if apart.last().is_some_and(|last| last.place == problem.place) => {}
                Some(problem) => apart.push(problem),
            }
        }
        problems.extend(apart);
        if !cases.is_empty() {
            kept.push(PreparedGroup { cases, ..group });
        }
    }
    kept
}

/// Leaves out what cannot be compared ([`aligned`]) and groups in which clean and corrupted never differ, and reports single pairs
/// in which they do not.
pub(in crate::analyses) fn that_differ(
    groups: Vec<PreparedGroup>,
    problems: &mut Vec<Problem>,
) -> Vec<PreparedGroup> {
    let groups = aligned(groups, problems);
    let differs = |case: &PreparedCase| case.clean != case.corrupted;
    let mut kept = Vec::new();
    for group in groups {
        if !group.cases.iter().any(differs) {
            problems.push(at_group(
                &group,
                "nothing-differs",
                "The clean and the corrupted prompts are the same, so there is nothing to patch. Change one \
                 side."
                    .to_owned(),
            ));
            continue;
        }
        let mut same: Vec<usize> =
            group.cases.iter().filter(|case| !differs(case)).map(|case| case.pair).collect();
        same.dedup();
        problems.extend(same.into_iter().map(|pair| {
            Problem {
                place: Some(Place { group: group.group, pair: Some(pair), field: None }),
                code: "identical-prompts".to_owned(),
                message:
                    "The clean and the corrupted prompt are the same: patching changes nothing here, and the \
                      group's means move towards no effect. Change one of the two, or remove the pair."
                        .to_owned(),
            }
        }));
        kept.push(group);
    }
    kept
}

/// A problem of a whole group.
pub(in crate::analyses) fn at_group(group: &PreparedGroup, code: &str, message: String) -> Problem {
    Problem {
        place: Some(Place { group: group.group, pair: None, field: None }),
        code: code.to_owned(),
        message,
    }
}
