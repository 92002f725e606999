//! Output files: the checkpoint in Hugging Face's format, and the loss curve as an SVG.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use half::f16;
use patchlab::model::Config;
use safetensors::{Dtype, serialize, tensor::TensorView};
use serde_json::json;

/// What the model must be called wherever it is shown.
pub(crate) const LABEL: &str = "demo model, trained on synthetic sentences, not GPT-2";

/// `config.json`.
pub(crate) fn config_json(config: &Config) -> Result<String> {
    let last = config.d_vocab - 1; // GPT-2's <|endoftext|>
    let json = json!({
        "_comment": LABEL,
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "activation_function": "gelu_new",
        "n_layer": config.n_layers,
        "n_head": config.n_heads,
        "n_embd": config.d_model,
        "n_inner": config.d_mlp,
        "n_positions": config.n_ctx,
        "n_ctx": config.n_ctx,
        "vocab_size": config.d_vocab,
        "layer_norm_epsilon": config.eps,
        "tie_word_embeddings": config.tied,
        "scale_attn_weights": true,
        "bos_token_id": last,
        "eos_token_id": last,
        "torch_dtype": "float16",
    });
    Ok(serde_json::to_string_pretty(&json)? + "\n")
}

/// `model.safetensors`, rounded to f16.
pub(crate) fn safetensors(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Result<Vec<u8>> {
    let rounded: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(.., numbers)| numbers.iter().flat_map(|&number| f16::from_f32(number).to_le_bytes()).collect())
        .collect();
    let mut views = Vec::new();
    for ((name, shape, _), bytes) in tensors.iter().zip(&rounded) {
        views.push((name.as_str(), TensorView::new(Dtype::F16, shape.clone(), bytes)?));
    }
    // A single entry: with more, their order in the file would vary from run to run.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    Ok(serialize(views, Some(metadata))?)
}

/// A point of the loss curve.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct CurvePoint {
    /// Number of steps so far.
    pub(crate) step: usize,
    /// Mean training loss since the previous point, estimated over the sampled tokens.
    pub(crate) training_loss: f64,
    /// Loss on held-out documents with the full softmax, where measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held_out_loss: Option<f64>,
    /// Share of held-out choices in the right style, where measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) right_style: Option<f64>,
}

/// Size of the chart and its margins.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 48.0;

/// The loss curve as an SVG.
pub(crate) fn chart(curve: &[CurvePoint]) -> Result<String> {
    let steps = curve.last().map_or(1, |point| point.step) as f64;
    let losses = curve.iter().flat_map(|point| [Some(point.training_loss), point.held_out_loss]).flatten();
    let most = losses.fold(1.0f64, f64::max).ceil();
    let x = |step: f64| LEFT + step / steps * (WIDTH - LEFT - RIGHT);
    let y = |loss: f64| HEIGHT - BOTTOM - loss / most * (HEIGHT - TOP - BOTTOM);
    let line = |points: Vec<(usize, f64)>| {
        let place = |(step, loss): (usize, f64)| format!("{:.1},{:.1}", x(step as f64), y(loss));
        points.into_iter().map(place).collect::<Vec<_>>().join(" ")
    };

    let mut svg = String::new();
    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif" font-size="12" fill="#444">
<title>Loss of the demo model during training</title>
<rect width="100%" height="100%" fill="#fff"/>"##
    )?;
    for tick in 0..=most as usize {
        let height = y(tick as f64);
        writeln!(
            svg,
            r##"<path d="M{LEFT} {height:.1}H{}" stroke="#ddd"/><text x="{}" y="{:.1}" text-anchor="end">{tick}</text>"##,
            WIDTH - RIGHT,
            LEFT - 8.0,
            height + 4.0
        )?;
    }
    for quarter in 0..=4 {
        let step = steps * f64::from(quarter) / 4.0;
        let below = HEIGHT - BOTTOM + 18.0;
        writeln!(svg, r#"<text x="{:.1}" y="{below}" text-anchor="middle">{step:.0}</text>"#, x(step))?;
    }
    let training = curve.iter().map(|point| (point.step, point.training_loss)).collect();
    let held_out = curve.iter().filter_map(|point| Some((point.step, point.held_out_loss?))).collect();
    // The legend covers the lines behind it.
    writeln!(
        svg,
        r##"<rect x="492" y="{}" width="{}" height="42" fill="#fff"/>"##,
        TOP - 4.0,
        WIDTH - RIGHT - 492.0
    )?;
    for (name, colour, points, row) in [
        ("training (sampled softmax)", "#8a8a8a", training, 0.0),
        ("held out (full softmax)", "#1f5fbf", held_out, 1.0),
    ] {
        let height = TOP + 6.0 + 18.0 * row;
        writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>
<path d="M500 {height}h24" stroke="{colour}" stroke-width="2"/><text x="532" y="{}">{name}</text>"#,
            line(points),
            height + 4.0
        )?;
    }
    writeln!(
        svg,
        r#"<text x="{}" y="{}" text-anchor="middle">step</text><text x="14" y="{}" text-anchor="middle" transform="rotate(-90 14 {})">cross-entropy in nats</text>
</svg>"#,
        (WIDTH + LEFT - RIGHT) / 2.0,
        HEIGHT - 8.0,
        (HEIGHT + TOP - BOTTOM) / 2.0,
        (HEIGHT + TOP - BOTTOM) / 2.0
    )?;
    Ok(svg)
}

/// Writes a file, creating its folder.
#[allow(clippy::disallowed_methods, reason = "a native program writes its own results")]
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(path, bytes)?)
}
