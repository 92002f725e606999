//! Which part of a product a workgroup computes.

use std::sync::atomic::{AtomicBool, Ordering};

/// A division of the result into tiles. A workgroup has 256 threads in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    /// Rows and columns of a tile.
    pub rows: usize,
    pub columns: usize,
    /// Rows, and columns in fours, of which a thread keeps the sums.
    pub thread_rows: usize,
    pub thread_fours: usize,
    /// Size of a slice of the inner dimension.
    pub depth: usize,
}

/// For few rows: the last position of a few prompts.
pub(super) const FEW: Tile = Tile { rows: 16, columns: 64, thread_rows: 1, thread_fours: 1, depth: 16 };
/// For everything between.
pub(super) const MEDIUM: Tile = Tile { rows: 64, columns: 64, thread_rows: 4, thread_fours: 1, depth: 16 };
/// For many rows: half as many reads of workgroup memory per addition, if there are tiles enough to keep a
/// large card busy.
pub(super) const LARGE: Tile = Tile { rows: 128, columns: 128, thread_rows: 8, thread_fours: 2, depth: 8 };

/// Workgroups that keep a large card busy (an H100 has 132 processors, each of which holds two or more).
const BUSY: usize = 256;
/// Fewer numbers of the inner dimension are not worth a workgroup of their own.
const LEAST_DEPTH: usize = 256;

/// See [`crate::on_software_adapter`].
static SOFTWARE: AtomicBool = AtomicBool::new(false);

/// See [`crate::on_software_adapter`].
pub(crate) fn on_software_adapter() {
    SOFTWARE.store(true, Ordering::Relaxed);
}

impl Tile {
    pub(super) const THREADS: usize = 256;

    /// Those that [`Tile::choose`] chooses from.
    pub(super) fn all() -> &'static [Tile] {
        if SOFTWARE.load(Ordering::Relaxed) { &[FEW] } else { &[FEW, MEDIUM, LARGE] }
    }

    /// The tile for a product, and into how many parts its inner dimension is split.
    pub(super) fn choose(m: usize, n: usize, k: usize, batches: usize) -> (Self, usize) {
        if SOFTWARE.load(Ordering::Relaxed) {
            return (FEW, 1);
        }
        let groups = |tile: Tile| m.div_ceil(tile.rows) * n.div_ceil(tile.columns) * batches;
        if groups(LARGE) >= BUSY {
            return (LARGE, 1);
        }
        let tile = if m <= FEW.rows { FEW } else { MEDIUM };
        let splits = (BUSY / groups(tile).max(1)).min(k / LEAST_DEPTH).max(1);
        (tile, splits)
    }

    /// Threads side by side, and below each other.
    pub(super) fn threads(self) -> [usize; 2] {
        [self.columns / (4 * self.thread_fours), self.rows / self.thread_rows]
    }
}
