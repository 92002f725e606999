//! The only place that picks a device.
//!
//! A hardware GPU runs Burn's wgpu backend; everything else runs Flex on the CPU, and the user is told why.
//! Software adapters are orders of magnitude slower than Flex, so they are used only on request.

#[cfg(target_family = "wasm")]
use std::sync::OnceLock;
#[cfg(not(target_family = "wasm"))]
use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;
use burn::tensor::wgpu::WgpuInitError;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The device that the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum DevicePreference {
    /// A hardware GPU if there is one, otherwise the CPU.
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
        /// A feature that Burn requires and the adapter lacks.
        lacks: Option<&'static str>,
    },
}

/// Picks a device from the user's preference and the adapter. Pure, so that every case is tested.
///
/// # Errors
/// [`Error::Device`] if a GPU was requested and cannot be used.
pub fn decide(wanted: DevicePreference, adapter: &Adapter) -> Result<DeviceInfo> {
    let cpu = |reason: String| DeviceInfo { kind: DeviceKind::Cpu, name: "CPU".to_owned(), reason };
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
        (DevicePreference::Auto, Adapter::Some { name, lacks: Some(what), .. }) => {
            Ok(cpu(format!("the GPU ({name}) lacks {what}")))
        }
        (DevicePreference::Wgpu, Adapter::Some { name, lacks: Some(what), .. }) => Err(Error::Device(
            format!("{GPU_API} cannot be used: the adapter ({name}) lacks {what}. Choose the CPU as device."),
        )),
        (DevicePreference::Auto, Adapter::Some { name, fallback: true, .. }) => {
            Ok(cpu(format!("the only adapter ({name}) is software, and slower than this")))
        }
        (DevicePreference::Auto, Adapter::Some { name, .. }) => Ok(gpu(name, "found on this machine")),
        (DevicePreference::Wgpu, Adapter::Some { name, fallback, .. }) => {
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
pub async fn open(info: &DeviceInfo) -> Result<Device> {
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
    let device = Device::wgpu_options().init().map_err(|error| unusable(&error))?;
    Ok(gpu.insert(device).clone())
}

/// A worker has one thread, which must not block.
#[cfg(target_family = "wasm")]
async fn gpu() -> Result<Device> {
    static GPU: OnceLock<Device> = OnceLock::new();
    if let Some(device) = GPU.get() {
        return Ok(device.clone());
    }
    let device = Device::wgpu_options().init_async().await.map_err(|error| unusable(&error))?;
    Ok(GPU.get_or_init(|| device).clone())
}

fn unusable(error: &WgpuInitError) -> Error {
    Error::Device(format!("{GPU_API} cannot be used: {error}. Choose the CPU as device."))
}

/// Finds the native graphics adapter.
#[cfg(not(target_family = "wasm"))]
pub async fn native_adapter() -> Adapter {
    use burn::tensor::wgpu::wgpu;
    let instance = wgpu::Instance::default();
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    match instance.request_adapter(&options).await {
        Err(error) => Adapter::None(error.to_string()),
        Ok(adapter) => {
            let info = adapter.get_info();
            Adapter::Some {
                name: info.name,
                fallback: info.device_type == wgpu::DeviceType::Cpu,
                lacks: None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(fallback: bool, lacks: Option<&'static str>) -> Adapter {
        Adapter::Some { name: "Some GPU".to_owned(), fallback, lacks }
    }

    #[test]
    fn a_real_gpu_is_taken_and_software_only_on_request() {
        let kind = |wanted, adapter| decide(wanted, &adapter).map(|info| info.kind).ok();
        assert_eq!(kind(DevicePreference::Auto, adapter(false, None)), Some(DeviceKind::Wgpu));
        assert_eq!(kind(DevicePreference::Auto, adapter(true, None)), Some(DeviceKind::Cpu));
        assert_eq!(kind(DevicePreference::Wgpu, adapter(true, None)), Some(DeviceKind::Wgpu));
        assert_eq!(kind(DevicePreference::Cpu, adapter(false, None)), Some(DeviceKind::Cpu));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let none = Adapter::None("this browser has no WebGPU".to_owned());
        let chosen = decide(DevicePreference::Auto, &none).expect("the CPU is always there");
        assert_eq!(chosen.kind, DeviceKind::Cpu);
        assert!(chosen.reason.contains("no WebGPU"));
        assert!(decide(DevicePreference::Wgpu, &none).is_err());

        let old = adapter(false, Some("timestamp queries"));
        let chosen = decide(DevicePreference::Auto, &old).expect("the CPU is always there");
        assert!(chosen.reason.contains("timestamp queries"));
        assert!(decide(DevicePreference::Wgpu, &old).is_err());
    }
}
