//! Parallel work, natively on the CPU: each thread takes an item from start to end, so that work outside
//! matrix products, for which Flex uses one thread, is parallel, too.
//!
//! Scoped threads rather than a work-stealing pool: Flex's products wait for rayon's pool, and a thread
//! waiting there would start another item and hold the memory of both.

use crate::model::Model;
#[cfg(not(target_family = "wasm"))]
use crate::model::flops;

/// How many items run at the same time. A GPU has one queue, and a page's worker one thread.
#[cfg(target_family = "wasm")]
pub(super) fn count(_: &Model) -> usize {
    1
}

/// How many items run at the same time. A GPU has one queue.
#[cfg(not(target_family = "wasm"))]
pub(super) fn count(model: &Model) -> usize {
    if patchlab_kernels::on_processor(&model.device) {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        model.budget.threads().unwrap_or_else(all)
    } else {
        1
    }
}

/// The results of `work` on each item, one thread per item. Their flops are added to the calling thread's
/// ([`flops`]).
#[cfg(not(target_family = "wasm"))]
pub(super) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let counted = |item: &T| {
        let before = flops::take();
        let result = work(item);
        let operations = flops::take();
        flops::add(before);
        (result, operations)
    };
    let Some((first, others)) = items.split_first() else { return Vec::new() };
    let results = std::thread::scope(|scope| {
        let counted = &counted;
        let others: Vec<_> = others.iter().map(|item| scope.spawn(move || counted(item))).collect();
        let mut results = vec![counted(first)];
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results
        .into_iter()
        .map(|(result, operations)| {
            flops::add(operations);
            result
        })
        .collect()
}

#[cfg(target_family = "wasm")]
pub(super) fn map<T, R>(items: &[T], work: impl Fn(&T) -> R) -> Vec<R> {
    items.iter().map(work).collect()
}
