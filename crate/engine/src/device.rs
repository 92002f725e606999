//! The only place that picks a device.
//!
//! A hardware GPU runs Burn's wgpu backend where it is faster than the CPU, which is measured; everything else runs
//! Flex on the CPU, and the user is told why. Software adapters are orders of magnitude slower than Flex, so they are
//! used only on request.

#[cfg(target_family = "wasm")]
use std::sync::OnceLock;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuInitError, wgpu};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::Budget;
use crate::readback;
use crate::speed::{self, Speed};

/// The device that the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum DevicePreference {
    /// A hardware GPU if there is one that is faster than the CPU, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU, even if it is a software adapter.
    Wgpu,
}

/// The device a model runs on, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct DeviceInfo {
    /// The backend.
    pub kind: DeviceKind,
    /// Name for display: "WebGPU, Apple M2", "CPU".
    pub name: String,
    /// Why this one was picked.
    pub reason: String,
}

/// A Burn backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// Burn's Flex backend on the CPU.
    Cpu,
    /// Burn's wgpu backend: WebGPU in the browser, Vulkan, Metal or DX12 natively.
    Wgpu,
}

/// What is known about the graphics adapter before it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adapter {
    /// No adapter, and why.
    None(String),
    /// An adapter was found.
    Some {
        /// Name reported by the driver.
        name: String,
        /// Whether it is a software adapter.
        fallback: bool,
    },
}

/// What a model is opened on.
#[derive(Debug)]
pub struct Picked {
    /// The device, for display.
    pub info: DeviceInfo,
    /// The device.
    pub device: Device,
    /// What activations may take on it.
    pub budget: Budget,
}

/// Opens the device for a model of this width: the one that was asked for, or else the faster one.
///
/// # Errors
/// [`Error::Device`] if a GPU was requested and cannot be used, [`Error::Compute`] if it fails at once.
pub async fn pick(wanted: DevicePreference, adapter: &Adapter, d_model: usize) -> Result<Picked> {
    let on_cpu = |info: DeviceInfo| Picked { info, device: Device::flex(), budget: Budget::default() };
    let info = decide(wanted, adapter)?;
    if info.kind == DeviceKind::Cpu {
        return Ok(on_cpu(info));
    }
    let device = match open(&info).await {
        Err(Error::Device(why)) if wanted == DevicePreference::Auto => return Ok(on_cpu(cpu(why))),
        device => device?,
    };
    if matches!(adapter, Adapter::Some { fallback: true, .. }) {
        patchlab_kernels::on_software_adapter();
    }
    let gpu = speed::measure(&device, d_model).await?;
    let info = match wanted {
        DevicePreference::Auto => faster(&info, gpu, speed::measure(&Device::flex(), d_model).await?),
        _ => info,
    };
    if info.kind == DeviceKind::Cpu {
        return Ok(on_cpu(info));
    }
    let budget = Budget::gpu(gpu.rate, patchlab_kernels::largest_tensor(&device), d_model);
    Ok(Picked { info, device, budget })
}

fn cpu(reason: String) -> DeviceInfo {
    DeviceInfo { kind: DeviceKind::Cpu, name: "CPU".to_owned(), reason }
}

/// The GPU or the CPU, whichever was faster with a model's products.
fn faster(gpu: &DeviceInfo, on_gpu: Speed, on_cpu: Speed) -> DeviceInfo {
    let [gpu_time, cpu_time] = [on_gpu, on_cpu].map(|speed| time(speed.product));
    let product = "a small product of this model takes";
    if on_gpu.product < on_cpu.product {
        DeviceInfo { reason: format!("{product} {gpu_time} here, {cpu_time} on the CPU"), ..gpu.clone() }
    } else {
        cpu(format!("{product} {cpu_time} here, {gpu_time} on the GPU ({})", gpu.name))
    }
}

/// Seconds, for display.
fn time(seconds: f64) -> String {
    if seconds < 1e-3 { format!("{:.0} \u{b5}s", 1e6 * seconds) } else { format!("{:.1} ms", 1e3 * seconds) }
}

/// Picks a device from the user's preference and the adapter. Pure, so that every case is tested.
///
/// # Errors
/// [`Error::Device`] if a GPU was requested and cannot be used.
pub fn decide(wanted: DevicePreference, adapter: &Adapter) -> Result<DeviceInfo> {
    let gpu = |name: &str, reason: &str| DeviceInfo {
        kind: DeviceKind::Wgpu,
        name: format!("{GPU_API}, {name}"),
        reason: reason.to_owned(),
    };
    match (wanted, adapter) {
        (DevicePreference::Cpu, _) => Ok(cpu("chosen by you".to_owned())),
        (DevicePreference::Auto, Adapter::None(why)) => Ok(cpu(format!("no GPU: {why}"))),
        (DevicePreference::Wgpu, Adapter::None(why)) => {
            Err(Error::Device(format!("{GPU_API} cannot be used: {why}. Choose the CPU as device.")))
        }
        (DevicePreference::Auto, Adapter::Some { name, fallback: true }) => {
            Ok(cpu(format!("the only adapter ({name}) is software, and slower than this")))
        }
        (DevicePreference::Auto, Adapter::Some { name, .. }) => Ok(gpu(name, "found on this machine")),
        (DevicePreference::Wgpu, Adapter::Some { name, fallback }) => {
            Ok(gpu(name, if *fallback { "chosen by you; it is software and slow" } else { "chosen by you" }))
        }
    }
}

/// Name of the GPU API, for messages.
#[cfg(target_family = "wasm")]
const GPU_API: &str = "WebGPU";
#[cfg(not(target_family = "wasm"))]
const GPU_API: &str = "wgpu";

/// Opens the device. The GPU is opened once per process or worker.
///
/// # Errors
/// [`Error::Device`] if it cannot be opened.
async fn open(info: &DeviceInfo) -> Result<Device> {
    match info.kind {
        DeviceKind::Cpu => Ok(Device::flex()),
        DeviceKind::Wgpu => gpu().await,
    }
}

/// Several threads may call this at once, and the backend can be initialised only once.
#[cfg(not(target_family = "wasm"))]
async fn gpu() -> Result<Device> {
    static GPU: Mutex<Option<Device>> = Mutex::new(None);
    let mut gpu = GPU.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(device) = gpu.as_ref() {
        return Ok(device.clone());
    }
    let (device, setup) = Device::wgpu_options().init_with_setup().map_err(|error| unusable(&error))?;
    watch(&setup.device);
    Ok(gpu.insert(device).clone())
}

/// A worker has one thread, which must not block.
#[cfg(target_family = "wasm")]
async fn gpu() -> Result<Device> {
    static GPU: OnceLock<Device> = OnceLock::new();
    if let Some(device) = GPU.get() {
        return Ok(device.clone());
    }
    let options = Device::wgpu_options();
    let (device, setup) = options.init_with_setup_async().await.map_err(|error| unusable(&error))?;
    watch(&setup.device);
    Ok(GPU.get_or_init(|| device).clone())
}

fn unusable(error: &WgpuInitError) -> Error {
    Error::Device(format!("{GPU_API} cannot be used: {error}. Choose the CPU as device."))
}

/// What went wrong on the GPU since it was opened, or since [`recover`].
static FAILURE: Mutex<Option<Failure>> = Mutex::new(None);

#[derive(Debug, Clone)]
enum Failure {
    OutOfMemory,
    Other(String),
}

/// Takes down errors. Whoever set up the device would have panicked on the first.
fn watch(device: &wgpu::Device) {
    device.on_uncaptured_error(Arc::new(|error| {
        let mut failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner);
        // What follows the first error follows from it.
        failure.get_or_insert_with(|| match error {
            wgpu::Error::OutOfMemory { .. } => Failure::OutOfMemory,
            error => Failure::Other(error.to_string()),
        });
    }));
}

/// Fails if the GPU has failed: what was computed since then is not to be trusted.
///
/// # Errors
/// [`Error::OutOfMemory`], [`Error::Compute`].
pub(crate) fn check() -> Result<()> {
    match FAILURE.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        None => Ok(()),
        Some(Failure::OutOfMemory) => Err(Error::OutOfMemory),
        Some(Failure::Other(what)) => Err(Error::Compute(what.lines().next().unwrap_or_default().to_owned())),
    }
}

/// Gives back what memory nothing uses any more, and goes on after the device ran out of it.
pub(crate) async fn recover(device: &Device) {
    device.memory_cleanup();
    // Errors that are still on their way arrive before this does.
    let drained = readback::read(patchlab_kernels::Tensor::<1>::from_data([0.0f32].into(), device)).await;
    log::debug!("after the cleanup: {drained:?}");
    *FAILURE.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Finds the native graphics adapter.
#[cfg(not(target_family = "wasm"))]
pub async fn native_adapter() -> Adapter {
    let instance = wgpu::Instance::default();
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    match instance.request_adapter(&options).await {
        Err(error) => Adapter::None(error.to_string()),
        Ok(adapter) => {
            let info = adapter.get_info();
            Adapter::Some { name: info.name, fallback: info.device_type == wgpu::DeviceType::Cpu }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(fallback: bool) -> Adapter {
        Adapter::Some { name: "Some GPU".to_owned(), fallback }
    }

    #[test]
    fn a_real_gpu_is_taken_and_software_only_on_request() {
        let kind = |wanted, adapter| decide(wanted, &adapter).map(|info| info.kind).ok();
        assert_eq!(kind(DevicePreference::Auto, adapter(false)), Some(DeviceKind::Wgpu));
        assert_eq!(kind(DevicePreference::Auto, adapter(true)), Some(DeviceKind::Cpu));
        assert_eq!(kind(DevicePreference::Wgpu, adapter(true)), Some(DeviceKind::Wgpu));
        assert_eq!(kind(DevicePreference::Cpu, adapter(false)), Some(DeviceKind::Cpu));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let none = Adapter::None("this browser has no WebGPU".to_owned());
        let chosen = decide(DevicePreference::Auto, &none).expect("the CPU is always there");
        assert_eq!(chosen.kind, DeviceKind::Cpu);
        assert!(chosen.reason.contains("no WebGPU"));
        assert!(decide(DevicePreference::Wgpu, &none).is_err());
    }

    #[test]
    fn the_faster_device_is_taken_and_both_figures_are_said() {
        let gpu = decide(DevicePreference::Auto, &adapter(false)).expect("a GPU");
        let speed = |product| Speed { product, rate: 0.0 };
        let card = faster(&gpu, speed(0.000_26), speed(0.001_64));
        assert_eq!(card.kind, DeviceKind::Wgpu);
        assert_eq!(card.reason, "a small product of this model takes 260 \u{b5}s here, 1.6 ms on the CPU");
        let slow = faster(&gpu, speed(0.012), speed(0.001_64));
        assert_eq!(slow.kind, DeviceKind::Cpu);
        let expected = "a small product of this model takes 1.6 ms here, 12.0 ms on the GPU";
        assert!(slow.reason.starts_with(expected) && slow.reason.contains("Some GPU"), "{}", slow.reason);
    }
}
