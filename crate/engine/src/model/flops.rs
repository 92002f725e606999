//! Counted work: floating-point operations of the products of matrices, a multiplication and an addition as two.
//!
//! Clocks on shared machines say little; this number is the same everywhere. Everything else a pass does
//! (normalising, activation functions, softmax, copies) is a small part of it on any shape worth measuring.

use std::cell::Cell;

thread_local! {
    // Per thread: a session runs on one, and tests beside it count their own.
    static OPERATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts a product of `rows x inner` with `inner x columns`.
pub(crate) fn matmul(rows: usize, inner: usize, columns: usize) {
    OPERATIONS.set(OPERATIONS.get() + 2 * (rows as u64) * (inner as u64) * (columns as u64));
}

/// Counts what another thread has counted.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn add(operations: u64) {
    OPERATIONS.set(OPERATIONS.get() + operations);
}

/// Operations counted on this thread since it was last asked.
pub fn take() -> u64 {
    OPERATIONS.replace(0)
}
