//! Counts the floating-point operations of matrix products; a multiplication and an addition count as two.
//!
//! Timings on shared machines say little; this count is the same everywhere. Everything else that a pass does
//! (normalising, activation functions, softmax, copies) is a small part of it at any size worth measuring.

use std::cell::Cell;

thread_local! {
    // Per thread: a session runs on one, and tests running in parallel have their own counts.
    static OPERATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the product of a `rows x inner` and an `inner x columns` matrix.
pub(crate) fn matmul(rows: usize, inner: usize, columns: usize) {
    OPERATIONS.set(OPERATIONS.get() + 2 * (rows as u64) * (inner as u64) * (columns as u64));
}

/// Adds the count of another thread.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn add(operations: u64) {
    OPERATIONS.set(OPERATIONS.get() + operations);
}

/// Takes the number of operations counted on this thread, resetting it to 0.
pub fn take() -> u64 {
    OPERATIONS.replace(0)
}
