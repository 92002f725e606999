//! `config.json` of the GPT-2 family, as the Hugging Face hub stores it.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::text;

/// The sizes of a model, all read from `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Number of layers.
    pub n_layers: usize,
    /// Attention heads per layer.
    pub n_heads: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Width of a head: `d_model / n_heads`.
    pub d_head: usize,
    /// Neurons per layer.
    pub d_mlp: usize,
    /// Tokens in the vocabulary.
    pub d_vocab: usize,
    /// Longest prompt in tokens.
    pub n_ctx: usize,
    /// LayerNorm's epsilon.
    pub eps: f64,
    /// Whether the unembedding is tied to the embedding. The configuration decides; where it says nothing, it is tied unless
    /// the checkpoint has an `lm_head.weight` ([`Config::settle`]).
    pub tied: bool,
}

/// The fields that matter here; the others are for training and generation.
#[derive(Deserialize)]
struct File {
    model_type: Option<String>,
    n_layer: usize,
    n_head: usize,
    n_embd: usize,
    n_inner: Option<usize>,
    vocab_size: usize,
    n_positions: Option<usize>,
    n_ctx: Option<usize>,
    layer_norm_epsilon: Option<f64>,
    activation_function: Option<String>,
    tie_word_embeddings: Option<bool>,
    scale_attn_weights: Option<bool>,
    scale_attn_by_inverse_layer_idx: Option<bool>,
}

/// Larger than any model of this family; a config that claims more is refused.
const MOST_LAYERS: usize = 256;
const WIDEST: usize = 1 << 16;
const MOST_TOKENS: usize = 1 << 20;

fn other_kind(kind: &str) -> String {
    format!("model_type is `{kind:.60}`; Patchlab runs models of GPT-2's architecture (model_type `gpt2`).")
}

impl Config {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`Error::Config`] if the text is not JSON, lacks a size, or describes another architecture.
    pub fn from_json(text: &str) -> Result<Self> {
        // What has no sizes of GPT-2's may be a config of another architecture, which says so.
        let kind = |text: &str| {
            serde_json::from_str::<serde_json::Value>(text).ok()?["model_type"].as_str().map(str::to_owned)
        };
        let text = text.trim_start_matches('\u{feff}');
        let file: File = serde_json::from_str(text).map_err(|error| {
            Error::Config(match (text::what(text.as_bytes()), kind(text)) {
                (Some(what), _) => format!("it is {what}."),
                (None, Some(kind)) if kind != "gpt2" => other_kind(&kind),
                _ => format!("{:.300}. Is it the config.json of a GPT-2 model?", error.to_string()),
            })
        })?;
        let refuse = |what: String| Err::<Self, Error>(Error::Config(what));

        if let Some(kind) = &file.model_type
            && kind != "gpt2"
        {
            return refuse(other_kind(kind));
        }
        let activation = file.activation_function.as_deref().unwrap_or("gelu_new");
        if !["gelu_new", "gelu_pytorch_tanh", "gelu_fast"].contains(&activation) {
            return refuse(format!(
                "activation_function is `{activation:.60}`; GPT-2's is `gelu_new`, and no other is \
                 implemented."
            ));
        }
        if file.scale_attn_weights == Some(false) || file.scale_attn_by_inverse_layer_idx == Some(true) {
            return refuse(
                "it asks for another attention scale than 1/sqrt(d_head), which is not implemented."
                    .to_owned(),
            );
        }
        let within = |name: &str, value: usize, most: usize| {
            if value == 0 || value > most {
                return Err(Error::Config(format!("{name} is {value}; it must be from 1 to {most}.")));
            }
            Ok(value)
        };
        let n_layers = within("n_layer", file.n_layer, MOST_LAYERS)?;
        let d_model = within("n_embd", file.n_embd, WIDEST)?;
        let n_heads = within("n_head", file.n_head, d_model)?;
        if d_model % n_heads != 0 {
            return refuse(format!("n_embd ({d_model}) is not a multiple of n_head ({n_heads})."));
        }
        let eps = file.layer_norm_epsilon.unwrap_or(1e-5);
        if !(eps > 0.0 && eps < 1.0) {
            return refuse(format!("layer_norm_epsilon is {eps}; it must be between 0 and 1."));
        }
        Ok(Self {
            n_layers,
            n_heads,
            d_model,
            d_head: d_model / n_heads,
            d_mlp: within("n_inner", file.n_inner.unwrap_or(4 * d_model), 4 * WIDEST)?,
            d_vocab: within("vocab_size", file.vocab_size, MOST_TOKENS)?,
            n_ctx: within("n_positions", file.n_positions.or(file.n_ctx).unwrap_or(1024), MOST_TOKENS)?,
            eps,
            tied: file.tie_word_embeddings.unwrap_or(true),
        })
    }

    /// Unties the unembedding of a checkpoint that has one, if the text of `config.json` does not say whether it is tied: then
    /// what was saved is what the model computes with. Returns what to tell, if so.
    pub fn settle(&mut self, text: &str, has_head: bool) -> Option<String> {
        let says: Option<File> = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok();
        let is_silent = says.is_none_or(|file| file.tie_word_embeddings.is_none());
        (is_silent && has_head && self.tied).then(|| {
            self.tied = false;
            "config.json does not say whether the unembedding is tied, and the checkpoint has one of its own (lm_head.weight): \
             that one is used."
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"model_type":"gpt2","n_layer":12,"n_head":12,"n_embd":768,"vocab_size":50257,
        "n_positions":1024,"layer_norm_epsilon":1e-05,"activation_function":"gelu_new","n_inner":null,
        "summary_type":"cls_index"}"#;

    #[test]
    fn gpt2_small_is_read() {
        let config = Config::from_json(SMALL).expect("a good config");
        assert_eq!((config.d_head, config.d_mlp, config.n_ctx), (64, 3072, 1024));
        assert!(config.tied);
    }

    #[test]
    fn other_architectures_and_sizes_are_refused_by_name() {
        for (from, to, said) in [
            ("\"gpt2\"", "\"llama\"", "llama"),
            ("gelu_new", "relu", "relu"),
            ("\"n_head\":12", "\"n_head\":7", "multiple"),
            ("\"n_layer\":12", "\"n_layer\":0", "n_layer"),
            ("\"n_embd\":768", "\"n_embd\":76800000", "n_embd"),
            ("\"n_embd\":768,", "", "n_embd"),
            ("{", "[", "config.json"),
        ] {
            let error = Config::from_json(&SMALL.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(error.contains(said), "{error}");
        }
        // Its sizes have other names, which is not what is wrong with it.
        let error =
            Config::from_json(r#"{"model_type": "llama", "num_hidden_layers": 2}"#).expect_err("llama");
        assert!(error.to_string().contains("model_type is `llama`"), "{error}");
    }

    #[test]
    fn a_mark_is_read_and_a_web_page_is_named() {
        assert!(Config::from_json(&format!("\u{feff}{SMALL}")).is_ok());
        let error =
            Config::from_json("<!doctype html><title>Sign in</title>").expect_err("a page").to_string();
        assert!(error.contains("web page"), "{error}");
    }
}
