//! A plant as the files of a model's folder. All have the same bytes on every machine.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use safetensors::{Dtype, serialize, tensor::TensorView};
use serde::Serialize;

use crate::model::{HEADS, Model, Tensor};

/// GPT-2's first token of every prompt.
pub(crate) const BOS: &str = "<|endoftext|>";

/// What words that are not in the vocabulary become, so that any text can be typed and the gap is seen.
pub(crate) const UNKNOWN: &str = "<unk>";

#[derive(Serialize)]
struct Config {
    #[serde(rename = "_comment")]
    comment: String,
    model_type: &'static str,
    architectures: [&'static str; 1],
    activation_function: &'static str,
    n_layer: usize,
    n_head: usize,
    n_embd: usize,
    n_inner: usize,
    n_positions: usize,
    n_ctx: usize,
    vocab_size: usize,
    layer_norm_epsilon: f64,
    tie_word_embeddings: bool,
    scale_attn_weights: bool,
    bos_token_id: usize,
    eos_token_id: usize,
    torch_dtype: &'static str,
}

/// `config.json`.
pub(crate) fn config(model: &Model, comment: String) -> Result<String> {
    json(&Config {
        comment,
        model_type: "gpt2",
        architectures: ["GPT2LMHeadModel"],
        activation_function: "gelu_new",
        n_layer: model.n_layers(),
        n_head: HEADS,
        n_embd: model.d_model,
        n_inner: model.d_mlp,
        n_positions: model.positions.len(),
        n_ctx: model.positions.len(),
        vocab_size: model.d_vocab(),
        layer_norm_epsilon: 1e-5,
        tie_word_embeddings: false,
        scale_attn_weights: true,
        bos_token_id: 0,
        eos_token_id: 0,
        torch_dtype: "float32",
    })
}

/// `model.safetensors`, rounded to f32.
pub(crate) fn checkpoint(tensors: &[Tensor]) -> Result<Vec<u8>> {
    let rounded: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(.., numbers)| numbers.iter().flat_map(|&number| (number as f32).to_le_bytes()).collect())
        .collect();
    let mut views = Vec::new();
    for ((name, shape, _), bytes) in tensors.iter().zip(&rounded) {
        views.push((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?));
    }
    // A single entry: with more, their order in the file would vary from run to run.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    Ok(serialize(views, Some(metadata))?)
}

#[derive(Serialize)]
struct Tokenizer<'a> {
    version: &'static str,
    added_tokens: [AddedToken; 1],
    pre_tokenizer: ByteLevel,
    decoder: ByteLevel,
    model: WordLevel<'a>,
}

#[derive(Serialize)]
struct AddedToken {
    id: u32,
    content: &'static str,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

#[derive(Serialize, Clone, Copy)]
struct ByteLevel {
    r#type: &'static str,
    add_prefix_space: bool,
    trim_offsets: bool,
    use_regex: bool,
}

#[derive(Serialize)]
struct WordLevel<'a> {
    r#type: &'static str,
    vocab: BTreeMap<String, usize>,
    unk_token: &'a str,
}

/// `tokenizer.json`: texts are split as GPT-2 splits them, and each piece, with the space before it, is a token.
pub(crate) fn tokenizer(vocabulary: &[String]) -> Result<String> {
    let bytes =
        ByteLevel { r#type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: true };
    // Byte-level vocabularies spell a space like this.
    let vocab = vocabulary.iter().map(|token| token.replace(' ', "Ġ")).zip(0..).collect();
    json(&Tokenizer {
        version: "1.0",
        added_tokens: [AddedToken {
            id: 0,
            content: BOS,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
        }],
        pre_tokenizer: bytes,
        decoder: bytes,
        model: WordLevel { r#type: "WordLevel", vocab, unk_token: UNKNOWN },
    })
}

/// Indented JSON, its fields in the order of the type.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
