//! Chunks of a sweep side by side, natively on the processor: each thread does a chunk's work from end to end, so that
//! what is not a product of matrices, which Flex does with one thread, is shared among them, too.

use burn::tensor::Device;

use super::sweep::{Chunk, Sweep};
use crate::error::Result;
use crate::host::Work;
use crate::metrics::Outcome;
#[cfg(not(target_family = "wasm"))]
use crate::model::fused;
use crate::readback;

/// How many chunks run at the same time. A GPU has one queue, and a page's worker one thread.
#[cfg(target_family = "wasm")]
pub(super) fn count(_: &Device) -> usize {
    1
}

/// How many chunks run at the same time. A GPU has one queue.
#[cfg(not(target_family = "wasm"))]
pub(super) fn count(device: &Device) -> usize {
    if fused::on_processor(device) { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 }
}

/// The outcomes of each chunk. A single one asks at every half layer whether to go on; several only in the end.
pub(super) async fn together(
    sweep: &Sweep<'_>,
    chunks: &[Chunk<'_, '_>],
    work: &Work<'_>,
) -> Result<Vec<Vec<Outcome>>> {
    #[cfg(not(target_family = "wasm"))]
    if chunks.len() > 1 {
        return on_threads(sweep, chunks);
    }
    let mut outcomes = Vec::new();
    for &chunk in chunks {
        outcomes.push(alone(sweep, chunk, work).await?);
    }
    Ok(outcomes)
}

async fn alone(sweep: &Sweep<'_>, (batch, chunk): Chunk<'_, '_>, work: &Work<'_>) -> Result<Vec<Outcome>> {
    let numbers = sweep.chunk(batch, chunk, work).await?;
    Ok(batch.readout.outcomes(readback::read(numbers).await?))
}

#[cfg(not(target_family = "wasm"))]
fn on_threads(sweep: &Sweep<'_>, chunks: &[Chunk<'_, '_>]) -> Result<Vec<Vec<Outcome>>> {
    use crate::host::Quiet;
    use crate::model::flops;
    use crate::report::ProgressUnit;

    let run = &|chunk: Chunk<'_, '_>| {
        let work = Work::new(&Quiet, "", ProgressUnit::Patches, chunk.1.len());
        // Nothing waits on the processor, so this is no more than a call.
        (pollster::block_on(alone(sweep, chunk, &work)), flops::take())
    };
    let ran = std::thread::scope(|scope| {
        let (first, others) = chunks.split_at(1);
        let others: Vec<_> = others.iter().map(|&chunk| scope.spawn(move || run(chunk))).collect();
        let before = flops::take();
        let mut ran: Vec<_> = first.iter().map(|&chunk| run(chunk)).collect();
        flops::add(before);
        for other in others {
            match other.join() {
                Ok(outcome) => ran.push(outcome),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        ran
    });
    ran.into_iter()
        .map(|(outcomes, operations)| {
            flops::add(operations);
            outcomes
        })
        .collect()
}
