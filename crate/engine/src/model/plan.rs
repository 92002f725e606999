//! Which parts of a checkpoint will be read.

use std::ops::Range;

/// Bytes asked for at once: large enough for a fast network, small enough for a moving progress bar.
pub const PIECE: u64 = 4 << 20;

/// Unwanted bytes between two wanted tensors that are cheaper to fetch than to ask twice.
const GAP: u64 = 64 << 10;

/// The parts of a file that will be read, in order, in pieces of [`PIECE`] bytes. The pieces are no list: a header
/// may claim any number of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    runs: Vec<Range<u64>>,
    /// Whether everything in it is f32.
    pub all_f32: bool,
}

impl Plan {
    /// The plan for these ranges, in any order: neighbours together, and nothing that is not wanted.
    pub fn new(mut ranges: Vec<Range<u64>>, all_f32: bool) -> Self {
        ranges.sort_unstable_by_key(|range| range.start);
        let mut runs: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match runs.last_mut() {
                Some(run) if range.start <= run.end.saturating_add(GAP) => run.end = run.end.max(range.end),
                _ => runs.push(range),
            }
        }
        Self { runs, all_f32 }
    }

    /// All bytes in it.
    pub fn bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }

    /// All pieces in it.
    pub fn pieces(&self) -> u64 {
        self.runs.iter().map(|run| (run.end - run.start).div_ceil(PIECE)).sum()
    }

    /// The piece that holds byte `at`, if there is one.
    pub fn piece(&self, at: u64) -> Option<Range<u64>> {
        let run = self.runs.iter().find(|run| run.contains(&at))?;
        let start = at - (at - run.start) % PIECE;
        Some(start..run.end.min(start.saturating_add(PIECE)))
    }

    /// The piece after one that ends at `end`.
    pub fn piece_after(&self, end: u64) -> Option<Range<u64>> {
        let run = self.runs.iter().find(|run| end < run.end)?;
        self.piece(end.max(run.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_one_another_through_all_runs_and_hold_every_wanted_byte() {
        let far = 3 * PIECE + GAP;
        let plan = Plan::new(vec![far..far + 9, 8..PIECE, PIECE + 100..2 * PIECE], true);
        assert_eq!(plan.bytes(), 2 * PIECE - 8 + 9);
        let mut pieces = vec![plan.piece(8).expect("the first")];
        while let Some(next) = plan.piece_after(pieces[pieces.len() - 1].end) {
            pieces.push(next);
        }
        assert_eq!(pieces, [8..PIECE + 8, PIECE + 8..2 * PIECE, far..far + 9]);
        assert_eq!(plan.pieces(), 3);
        assert_eq!(plan.piece(PIECE + 50), Some(PIECE + 8..2 * PIECE), "a small gap is fetched along");
        assert_eq!(plan.piece(2 * PIECE), None);
    }
}
