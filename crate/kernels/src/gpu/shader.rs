//! A kernel's text and its launch.

use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::ir::metadata::Info;
use burn_cubecl::cubecl::ir::settings::KernelSettings;
use burn_cubecl::cubecl::ir::{AddressType, ElemType, Scope, UIntKind};
use burn_cubecl::cubecl::prelude::{CubeDim, ExecutionMode, KernelDefinition, KernelId, KernelMetadata};
use burn_cubecl::cubecl::server::{KernelArguments, MetadataBindingInfo};
use burn_cubecl::cubecl::{CubeCount, CubeKernel, PrecompiledSource};
use burn_cubecl::tensor::CubeTensor;

use super::attention;
use super::product_text::ProductText;

/// Most workgroups in one direction that every device allows, rounded down.
const GROUPS: usize = 32_768;

/// How a kernel may use the buffers that it only reads. In a browser every tensor has a buffer of its own.
/// Natively several share one, and one that is read and another that is written may be parts of the same.
const INPUT: &str = if cfg!(target_family = "wasm") { "read" } else { "read_write" };

/// A kernel: its text, and what tells it from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Shader {
    /// WGSL, with entry point `main`. `{input}` stands for the access to buffers that are only read, and
    /// `{numbers}` for the type of their elements, of `{lanes}` numbers each.
    pub text: Text,
    /// Size of a workgroup.
    pub threads: [u32; 2],
    /// Whether buffers are read four numbers at a time.
    pub by_four: bool,
}

/// Where a kernel's text comes from. What is generated is generated when the kernel is compiled, not when it is
/// launched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Text {
    /// A file: its name, and what it says.
    File(&'static str, &'static str),
    /// A product in tiles.
    Product(ProductText),
    /// Attention with heads of so many slots of four numbers.
    Attention(usize),
}

/// The text of a file beside this one, by its name without the ending.
macro_rules! file {
    ($name:literal) => {
        $crate::gpu::shader::Text::File($name, include_str!(concat!($name, ".wgsl")))
    };
}
pub(super) use file;

impl Shader {
    fn wgsl(&self) -> String {
        let (numbers, lanes, sum) =
            if self.by_four { ("vec4<f32>", "4", "dot(x, vec4<f32>(1.0))") } else { ("f32", "1", "x") };
        let (name, text) = match &self.text {
            Text::File(name, text) => ((*name).to_owned(), (*text).to_owned()),
            Text::Product(product) => (product.name(), product.wgsl()),
            Text::Attention(slots) => ("attention".to_owned(), attention::text(*slots, self.by_four)),
        };
        // Whoever watches a device at work reads the name (tests/browser/bench/gpu.mjs).
        let gelu_new = if text.contains("gelu_new") { include_str!("gelu_new.wgsl") } else { "" };
        let text = format!("// {name}\n{text}{gelu_new}");
        let text = text.replace("{input}", INPUT).replace("{numbers}", numbers).replace("{sum}", sum);
        let text = text.replace("{lanes}", lanes);
        text.replace("{by_four}", if self.by_four { "true" } else { "false" })
    }

    /// Launches the kernel on `inputs` and `outputs`, in the order of its bindings; `info`, its last binding,
    /// holds sizes. Bindings stay the same when numbers do, and are uploaded once for each `info`.
    pub(super) fn launch(
        self,
        inputs: &[&CubeTensor],
        outputs: &[&CubeTensor],
        info: &[u32],
        groups: [usize; 3],
    ) {
        let buffers = inputs.iter().chain(outputs).map(|&tensor| tensor.handle.clone().binding());
        let words =
            info.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(*pair.get(1).unwrap_or(&0)) << 32);
        let arguments = KernelArguments::new()
            .with_buffers(buffers.collect())
            .with_info(MetadataBindingInfo::custom(words.collect()));
        let [x, y, z] = groups.map(|count| count as u32);
        outputs[0].client.launch(Box::new(self), CubeCount::Static(x, y, z), arguments);
    }
}

impl KernelMetadata for Shader {
    fn id(&self) -> KernelId {
        // The text keeps its indices within bounds by itself.
        KernelId::new::<Self>()
            .info(self.clone())
            .cube_dim(CubeDim::new_2d(self.threads[0], self.threads[1]).0)
            .mode(ExecutionMode::Unchecked)
    }

    fn address_type(&self) -> ElemType {
        UIntKind::U32.into()
    }
}

impl CubeKernel for Shader {
    fn define(&self) -> KernelDefinition {
        let dim = CubeDim::new_2d(self.threads[0], self.threads[1]).0;
        let settings = KernelSettings::new(dim, ExecutionMode::Unchecked, AddressType::U32);
        KernelDefinition { body: Scope::root(settings.clone()), settings, info: Info::default() }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        Some(PrecompiledSource { source: self.wgsl(), entrypoint_name: "main".to_owned(), lang: "wgsl" })
    }
}

/// A tensor to be written, on the device of `like`.
pub(super) fn output(shape: impl Into<Shape>, like: &CubeTensor) -> CubeTensor {
    let shape = shape.into();
    let numbers: usize = shape.iter().product();
    let handle = like.client.empty(size_of::<f32>() * numbers);
    CubeTensor::new_contiguous(like.client.clone(), like.device.clone(), shape, handle, DType::F32)
}

/// `count` workgroups in two directions, and how many are in the first: workgroup `(_, y, z)` has the number
/// `z * first + y`.
pub(super) fn spread(count: usize) -> ([usize; 2], usize) {
    let first = count.clamp(1, GROUPS);
    ([first, count.div_ceil(first)], first)
}
