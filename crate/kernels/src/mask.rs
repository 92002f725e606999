//! Which positions attend to which.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::Place;

/// Attention is causal: a query attends to the sources up to its own position, its destination.
#[derive(Debug, Clone)]
pub struct CausalMask {
    on_device: OnDevice,
    /// Each query's destination, row-major, if a GPU masks by itself.
    destinations: Vec<i32>,
}

#[derive(Debug, Clone)]
enum OnDevice {
    /// Each query's destination, `[1 or b, n]`.
    Destinations(Tensor<2, Int>),
    /// True where a destination must not attend to a source: `[1 or b, 1, n, p]`.
    Hidden(Tensor<4, Bool>),
}

impl CausalMask {
    /// For queries at these positions, one list per prompt or a single one for all, and `p` sources. Rows
    /// cycle through the prompts.
    pub fn new(destinations: &[Vec<usize>], p: usize, device: &Device) -> Self {
        let n = destinations.first().map_or(0, Vec::len);
        let all = destinations.iter().flatten();
        let mut numbers = Vec::new();
        let on_device = if Place::of(device) == Place::Gpu {
            numbers.extend(all.map(|&destination| destination as i32));
            let data = TensorData::new(numbers.clone(), [destinations.len(), n]);
            OnDevice::Destinations(Tensor::from_data(data, device))
        } else {
            let row = |&destination: &usize| (0..p).map(move |source| source > destination);
            let hidden: Vec<bool> = all.flat_map(row).collect();
            OnDevice::Hidden(Tensor::from_data(
                TensorData::new(hidden, [destinations.len(), 1, n, p]),
                device,
            ))
        };
        Self { on_device, destinations: numbers }
    }

    /// The destinations, if a kernel needs them.
    pub(crate) fn on_gpu(&self) -> Option<Tensor<2, Int>> {
        match &self.on_device {
            OnDevice::Destinations(destinations) => Some(destinations.clone()),
            OnDevice::Hidden(_) => None,
        }
    }

    /// On a GPU, the destinations counted from this position; those before it are negative.
    pub(crate) fn counted_from(&self, position: usize) -> Tensor<2, Int> {
        let OnDevice::Destinations(all) = &self.on_device else { unreachable!("the GPU masks by itself") };
        let counted: Vec<i32> = self.destinations.iter().map(|&other| other - position as i32).collect();
        Tensor::from_data(TensorData::new(counted, all.dims()), &all.device())
    }

    /// True where a destination must not attend to a source, for every row: `[b, h, n, p]`.
    pub(crate) fn hidden(&self, [b, h, n, p]: [usize; 4]) -> Tensor<4, Bool> {
        let OnDevice::Hidden(hidden) = &self.on_device else { unreachable!("the GPU masks by itself") };
        let [lists, ..] = hidden.dims();
        if lists == 1 || lists == b {
            return hidden.clone().expand([b, h, n, p]);
        }
        let copies = hidden.clone().unsqueeze::<5>().expand([b / lists, lists, 1, n, p]); // [c, b, 1, n, p]
        copies.reshape([b, 1, n, p]).expand([b, h, n, p])
    }
}
