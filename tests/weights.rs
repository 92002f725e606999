//! Deterministic GPT-2 weights, bit for bit those of `fixtures/weights.py` (specified in
//! `fixtures/README.md`).

use std::collections::HashMap;

use patchlab::model::Config;
use safetensors::tensor::{Dtype, TensorView};

/// A whole checkpoint of this configuration, as the bytes of a safetensors file.
pub fn checkpoint(seed: &str, config: &Config) -> Vec<u8> {
    Tensors::generate(seed, config).safetensors(Dtype::F32, "")
}

/// The tensors of a generated model, by name in the checkpoint.
pub struct Tensors(HashMap<String, (Vec<usize>, Vec<f32>)>);

impl Tensors {
    /// Generates every tensor of the configuration.
    pub fn generate(seed: &str, config: &Config) -> Self {
        let tensors = config.tensors().into_iter().map(|(name, shape)| {
            let (scale, shift) = scale_and_shift(&name, config);
            let numbers = fill(seed, &name, shape.iter().product(), scale, shift);
            (name, (shape, numbers))
        });
        Self(tensors.collect())
    }

    /// The numbers of a tensor, for a test to change.
    pub fn numbers(&mut self, name: &str) -> &mut Vec<f32> {
        let (_, numbers) = self.0.get_mut(name).expect("the configuration has this tensor");
        numbers
    }

    /// Adds a tensor, or replaces it.
    pub fn insert(&mut self, name: &str, shape: Vec<usize>, numbers: Vec<f32>) {
        self.0.insert(name.to_owned(), (shape, numbers));
    }

    /// Removes a tensor.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Rounds every number to the format's precision, so that all formats hold the same model.
    pub fn round(&mut self, dtype: Dtype) {
        for (_, numbers) in self.0.values_mut() {
            for number in numbers {
                *number = match dtype {
                    Dtype::F16 => half::f16::from_f32(*number).to_f32(),
                    Dtype::BF16 => half::bf16::from_f32(*number).to_f32(),
                    _ => *number,
                };
            }
        }
    }

    /// The file in this number format, with `prefix` before every name but the head's.
    pub fn safetensors(&self, dtype: Dtype, prefix: &str) -> Vec<u8> {
        let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = self
            .0
            .iter()
            .map(|(name, (shape, numbers))| {
                let name = if name == "lm_head.weight" { name.clone() } else { format!("{prefix}{name}") };
                (name, shape.clone(), encode(numbers, dtype))
            })
            .collect();
        let views = bytes.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(dtype, shape.clone(), bytes).expect("the shape fits the bytes");
            (name.as_str(), view)
        });
        safetensors::serialize(views, None).expect("plain tensors")
    }
}

fn encode(numbers: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F16 => numbers.iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect(),
        Dtype::BF16 => numbers.iter().flat_map(|&x| half::bf16::from_f32(x).to_le_bytes()).collect(),
        _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

/// Scale and shift of a tensor; the table is in `fixtures/README.md`.
fn scale_and_shift(name: &str, config: &Config) -> (f32, f32) {
    let per_sqrt = |numerator: f32, n: usize| numerator / (n as f32).sqrt();
    let d = config.d_model;
    let part = name.split('.').skip_while(|part| *part == "h" || part.parse::<usize>().is_ok());
    match part.collect::<Vec<_>>().join(".").as_str() {
        "wte.weight" | "lm_head.weight" => (per_sqrt(4.0, d), 0.0),
        "wpe.weight" => (per_sqrt(2.0, d), 0.0),
        "ln_1.weight" | "ln_2.weight" | "ln_f.weight" => (0.5, 1.0),
        "ln_1.bias" | "ln_2.bias" | "ln_f.bias" => (0.25, 0.0),
        "attn.c_attn.weight" => (per_sqrt(3.0, d), 0.0),
        "attn.c_attn.bias" | "mlp.c_fc.bias" => (0.5, 0.0),
        "attn.c_proj.weight" => (per_sqrt(1.0, d), 0.0),
        "mlp.c_fc.weight" => (per_sqrt(2.5, d), 0.0),
        "mlp.c_proj.weight" => (per_sqrt(1.0, config.d_mlp), 0.0),
        "attn.c_proj.bias" | "mlp.c_proj.bias" => (0.125, 0.0),
        other => unreachable!("no scale for {other}"),
    }
}

/// `(2u - 1) * scale + shift` for the SplitMix64 stream of this tensor.
fn fill(seed: &str, name: &str, count: usize, scale: f32, shift: f32) -> Vec<f32> {
    let mut state = fnv1a64(&format!("{seed}/{name}"));
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let number = |bits: u64| {
        let u = (bits >> 40) as f32 * (1.0 / 16_777_216.0);
        // Two roundings, as in NumPy: not a fused multiply-add.
        (2.0 * u - 1.0) * scale + shift
    };
    (0..count).map(|_| number(next())).collect()
}

fn fnv1a64(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}
