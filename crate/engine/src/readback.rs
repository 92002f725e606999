//! The only place where numbers are read back from the device. Everything here is async, because a browser
//! cannot block on a GPU.

use burn::tensor::Transaction;
use patchlab_kernels::Tensor;

use crate::device;
use crate::error::{Error, Result};

/// Tensors to be read back together, in one submission.
#[derive(Default)]
pub struct Reads {
    transaction: Transaction,
}

impl Reads {
    /// Adds a tensor. Results come back in the order of adding.
    #[must_use]
    pub fn with<const D: usize>(self, tensor: Tensor<D>) -> Self {
        Self { transaction: self.transaction.register(tensor.contiguous().into()) }
    }

    /// Executes what is queued and returns each tensor's numbers, row-major.
    ///
    /// # Errors
    /// [`Error::Compute`] or [`Error::OutOfMemory`] if the device failed since it was last read.
    pub async fn fetch(self) -> Result<Vec<Vec<f32>>> {
        let data = self.transaction.execute_async().await;
        device::check()?;
        let data = data.map_err(failed)?;
        data.into_iter().map(|data| data.try_into_vec().map_err(failed)).collect()
    }
}

/// Reads one tensor back, row-major.
///
/// # Errors
/// [`Error::Compute`] or [`Error::OutOfMemory`] if the device failed since it was last read.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let mut all = Reads::default().with(tensor).fetch().await?;
    Ok(all.pop().unwrap_or_default())
}

fn failed(error: impl std::fmt::Debug) -> Error {
    // The backend's errors carry backtraces; their first line says what happened.
    let text = format!("{error:?}");
    // What Burn calls poisoned is a device that the system or the browser has taken away.
    if text.contains("oisoned") {
        return Error::Compute("the GPU was lost".to_owned());
    }
    Error::Compute(text.lines().next().unwrap_or_default().to_owned())
}
