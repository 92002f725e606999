//! Which parts of a checkpoint will be read.

use std::ops::Range;

pub use safetensors::Dtype;

/// Bytes requested at once: large enough for a fast network, small enough for a moving progress bar.
pub const PIECE: u64 = 4 << 20;

/// Unwanted bytes between two wanted tensors that are cheaper to fetch than a second request.
const GAP: u64 = 64 << 10;

/// The parts of a file that will be read, in order, in pieces of [`PIECE`] bytes. The pieces are computed and not
/// listed, because a header may claim any number of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadPlan {
    runs: Vec<Range<u64>>,
    wanted: u64,
    dtype: Option<Dtype>,
}

impl ReadPlan {
    /// Merges `ranges`, given in any order. `dtype` is the number format of the whole file, if it has only one.
    pub fn new(mut ranges: Vec<Range<u64>>, dtype: Option<Dtype>) -> Self {
        ranges.sort_unstable_by_key(|range| range.start);
        let wanted = ranges.iter().map(|range| range.end - range.start).sum();
        let mut runs: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match runs.last_mut() {
                Some(run) if range.start <= run.end.saturating_add(GAP) => run.end = run.end.max(range.end),
                _ => runs.push(range),
            }
        }
        Self { runs, wanted, dtype }
    }

    /// The number format of the whole file, if it has only one.
    pub fn dtype(&self) -> Option<Dtype> {
        self.dtype
    }

    /// The contiguous ranges that it consists of.
    pub fn runs(&self) -> &[Range<u64>] {
        &self.runs
    }

    /// Bytes that will be read.
    pub fn wanted(&self) -> u64 {
        self.wanted
    }

    /// Bytes in all runs: those that will be read, and small gaps between them.
    pub fn bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
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
        let plan = ReadPlan::new(vec![far..far + 9, 8..PIECE, PIECE + 100..2 * PIECE], Some(Dtype::F32));
        assert_eq!((plan.wanted(), plan.bytes()), (2 * PIECE - 108 + 9, 2 * PIECE - 8 + 9));
        let mut pieces = vec![plan.piece(8).expect("the first")];
        while let Some(next) = plan.piece_after(pieces[pieces.len() - 1].end) {
            pieces.push(next);
        }
        assert_eq!(pieces, [8..PIECE + 8, PIECE + 8..2 * PIECE, far..far + 9]);
        assert_eq!(plan.runs(), [8..2 * PIECE, far..far + 9]);
        assert_eq!(plan.piece(PIECE + 50), Some(PIECE + 8..2 * PIECE), "a small gap is fetched along");
        assert_eq!(plan.piece(2 * PIECE), None);
    }
}
