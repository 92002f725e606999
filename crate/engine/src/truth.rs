//! What is known of the circuit in a planted model, shipped beside its weights: the edges that matter (docs/planted.md). Circuits
//! that are found in it are scored against them.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::graph::Graph;

/// `truth.json` beside a model's weights, as `tests/fixtures/planted.py` writes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    /// SHA-256 of the weights that it was found on.
    pub checkpoint: String,
    /// SHA-256 of the experiment that it was found on.
    pub experiment: String,
    /// An edge matters if it changes some prompt's logit difference by more than this share of what all edges together change.
    pub threshold: f64,
    /// The number of edges of the model.
    pub edges: usize,
    /// Where an edge is replaced by what its source writes on the corrupted prompt.
    pub resample: Mattering,
    /// Where it is left out.
    pub zero: Mattering,
}

/// The edges that matter if edges are replaced in one way, by name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mattering {
    /// The mean logit difference with all edges.
    pub full: f64,
    /// The mean logit difference without any.
    pub empty: f64,
    /// Those that matter alone.
    pub single: Vec<String>,
    /// Those that matter alone or after one other edge has been replaced.
    pub pair: Vec<String>,
}

impl Truth {
    /// Reads `truth.json` of a model with this graph.
    ///
    /// # Errors
    /// [`Error::Truth`] if the text is not JSON of this shape, or is about another model.
    pub fn from_json(text: &str, graph: &Graph) -> Result<Self> {
        let truth: Self = serde_json::from_str(text)
            .map_err(|error| Error::Truth(format!("{:.300}", error.to_string())))?;
        if truth.edges != graph.len() {
            return Err(Error::Truth(format!(
                "it is about a model of {} edges, and this one has {}",
                truth.edges,
                graph.len()
            )));
        }
        let of = |list: &Mattering| [&list.single[..], &list.pair[..]].concat();
        match [of(&truth.resample), of(&truth.zero)].concat().iter().find(|name| graph.edge(name).is_none()) {
            Some(name) => Err(Error::Truth(format!("{name:.40?} is no edge of this model"))),
            None => Ok(truth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Config;

    const GOOD: &str = r#"{
        "checkpoint": "00", "experiment": "11", "threshold": 0.02, "edges": 17,
        "resample": { "full": 7.0, "empty": 0.0, "single": ["input->m0"], "pair": ["input->m0", "m0->logits"] },
        "zero": { "full": 7.0, "empty": 0.0, "single": [], "pair": ["input->a0.h1<k>"] }
    }"#;

    fn graph() -> Graph {
        let config = r#"{"model_type":"gpt2","n_layer":1,"n_head":2,"n_embd":16,"n_positions":8,"vocab_size":9,
            "layer_norm_epsilon":1e-5,"activation_function":"gelu_new"}"#;
        Graph::new(&Config::from_json(config).expect("a config"))
    }

    #[test]
    fn a_truth_is_read() {
        let edges = graph().len();
        let truth = Truth::from_json(&GOOD.replace("17", &edges.to_string()), &graph()).expect("a truth");
        assert_eq!(truth.resample.pair, ["input->m0", "m0->logits"]);
    }

    #[test]
    fn a_truth_of_another_model_is_refused() {
        let good = GOOD.replace("17", &graph().len().to_string());
        for (bad, why) in [
            (GOOD.replace("17", "262"), "262 edges"),
            (good.replace("m0->logits", "m3->logits"), "\"m3->logits\" is no edge"),
            (good.replace("a0.h1<k>", "a0.h1"), "is no edge"),
            (good.replace("\"threshold\"", "\"treshold\""), "treshold"),
            ("<html>".to_owned(), "line 1"),
        ] {
            let error = Truth::from_json(&bad, &graph()).expect_err(why);
            assert_eq!(error.code(), "truth");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
