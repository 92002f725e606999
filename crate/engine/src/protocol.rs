//! Types that cross to JavaScript besides figures, experiments and requests.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::circuits;
use crate::error::Result;
use crate::experiment::{Experiment, Group};
use crate::figures::Part;
use crate::graph::{Graph, edge_name};
use crate::model::Config;
use crate::prompts::{Problem, TokenizedPair, find_roles, tokenize};
use crate::session::ModelInfo;
use crate::tokens::{Token, Tokenizer};

/// The result of opening a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Opened {
    /// The model's sizes and device.
    pub model: ModelInfo,
    /// Where its weights came from.
    pub bytes: WeightBytes,
}

/// Bytes of weights, by where they were read from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct WeightBytes {
    /// All bytes read.
    pub total: f64,
    /// Fetched from the network by this call.
    pub network: f64,
    /// Read from the browser's storage.
    pub storage: f64,
    /// Why some are not kept in the browser's storage, for display; null if all are, or if they are files
    /// from disk.
    pub unkept: Option<String>,
}

/// A model whose weights are kept in the browser's storage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct StoredModel {
    /// The address of its folder, which `forget` takes.
    pub base: String,
    /// The name it was opened under.
    pub name: String,
    /// Bytes it takes up in storage.
    pub bytes: f64,
    /// Whether all its weights are stored, so that it opens offline.
    pub complete: bool,
    /// Whether its weights are stored as fp16 although the server has fp32.
    pub half: bool,
}

/// A preview of one figure of a running analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Preview {
    /// Index into the report's parts.
    pub index: usize,
    /// The figure, with what has been computed so far.
    pub part: Part,
}

/// What the editor shows under each pair: the tokens of its four fields, and where the prompts differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct PairTokens {
    /// Tokens of the clean prompt, `<|endoftext|>` included where it is prepended.
    pub clean: Vec<Token>,
    /// Tokens of the corrupted prompt, likewise.
    pub corrupted: Vec<Token>,
    /// Tokens of the answer; usable only if there is exactly one.
    pub answer: Vec<Token>,
    /// Tokens of the distractor; usable only if there is exactly one.
    pub distractor: Vec<Token>,
    /// The positions where clean and corrupted differ.
    pub differing: Vec<usize>,
    /// Where the group's roles stand in the clean prompt; those that do not are left out.
    pub roles: Vec<RoleSpan>,
}

/// The tokens of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct RoleSpan {
    /// The role's name.
    pub name: String,
    /// Its first position.
    pub start: usize,
    /// The position after its last.
    pub end: usize,
}

/// Tokens and problems of a whole experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Checked {
    /// The tokens of each pair, by group.
    pub groups: Vec<Vec<PairTokens>>,
    /// Everything that prevents a pair from being run.
    pub problems: Vec<Problem>,
}

/// A circuit that was read, by the names of its edges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ReadCircuit {
    /// Its edges, in the order in which they were named.
    pub edges: Vec<String>,
    /// The circuits of this model that are known by name.
    pub known: Vec<KnownCircuit>,
}

/// A circuit that is known by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct KnownCircuit {
    /// What stands for it among edges.
    pub name: String,
    /// What it is, and where it is from.
    pub note: String,
}

/// A circuit to be written as a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct WriteCircuit {
    /// The names of its edges.
    pub edges: Vec<String>,
    /// The score of every edge of the model, in the graph's order, as changes of the logit difference; null where there is none. Empty:
    /// none are known.
    pub scores: Vec<Option<f64>>,
}

/// Reads a circuit: a list of edges, or a circuit file ([`circuits::text::read`]).
///
/// # Errors
/// [`crate::Error::Setting`] that says what is no edge of this model.
pub fn read_circuit(config: &Config, text: &str) -> Result<ReadCircuit> {
    let graph = Graph::new(config);
    let names: Vec<String> = graph.edges().map(edge_name).collect();
    let edges = circuits::text::read(&graph, text)?.into_iter().map(|edge| names[edge].clone()).collect();
    let known = circuits::text::known(&graph)
        .map(|known| KnownCircuit { name: known.name.to_owned(), note: known.note.to_owned() });
    Ok(ReadCircuit { edges, known: known.collect() })
}

/// The text of a circuit file ([`circuits::text::write`]).
///
/// # Errors
/// As [`read_circuit`].
pub fn write_circuit(config: &Config, circuit: &WriteCircuit) -> Result<String> {
    let graph = Graph::new(config);
    let members = circuits::text::read(&graph, &circuit.edges.join(" "))?;
    let scores: Vec<f64> = circuit.scores.iter().map(|score| score.unwrap_or(0.0)).collect();
    let scores = Some(scores.as_slice()).filter(|scores| scores.len() == graph.len());
    Ok(circuits::text::write(config, &graph, &members, scores))
}

/// How many tokens of an answer are shown; somebody may paste a whole page.
const LONGEST_ANSWER: usize = 12;

/// How many tokens of a prompt are shown while no model is open: GPT-2's context.
const LONGEST_PROMPT: usize = 1024;

/// Tokenizes and checks every pair. `n_ctx` is the open model's context length, if one is open.
///
/// # Errors
/// [`crate::Error::Tokenizer`] if the tokenizer fails. Problems with the experiment are part of the result.
pub fn check(experiment: &Experiment, tokenizer: &Tokenizer, n_ctx: Option<usize>) -> Result<Checked> {
    let tokenized = tokenize(experiment, tokenizer, n_ctx)?;
    // One token more than fits, to show that the prompt is too long.
    let most = n_ctx.unwrap_or(LONGEST_PROMPT) + 1;
    let mut groups = Vec::new();
    for (group, pairs) in experiment.groups.iter().zip(&tokenized.groups) {
        let roles = roles_of(group, pairs, tokenizer, experiment.prepend_bos)?;
        let pair = |(pair, roles)| PairTokens::new(pair, roles, tokenizer, most);
        groups.push(pairs.iter().zip(roles).map(pair).collect());
    }
    Ok(Checked { groups, problems: tokenized.all_problems() })
}

/// Where roles stand in the clean prompt of each pair.
fn roles_of(
    group: &Group,
    pairs: &[TokenizedPair],
    tokenizer: &Tokenizer,
    prepend_bos: bool,
) -> Result<Vec<Vec<RoleSpan>>> {
    let names = group.role_names();
    let mut all = Vec::new();
    for case in group.cases().iter().filter(|case| !case.swapped) {
        if pairs[case.pair].clean.len() > LONGEST_PROMPT {
            all.push(Vec::new()); // nobody runs a book
            continue;
        }
        let spans = find_roles(group, &names, case, &pairs[case.pair].differing(), tokenizer, prepend_bos)?;
        let named = names.iter().zip(spans);
        let span = |(name, span): (&&str, Option<Range<usize>>)| {
            let Range { start, end } = span?;
            Some(RoleSpan { name: (*name).to_owned(), start, end })
        };
        all.push(named.filter_map(span).collect());
    }
    Ok(all)
}

impl PairTokens {
    /// Shows at most `most` tokens of each prompt.
    fn new(pair: &TokenizedPair, roles: Vec<RoleSpan>, tokenizer: &Tokenizer, most: usize) -> Self {
        let shown = |ids: &[u32], most: usize| tokenizer.tokens(&ids[..ids.len().min(most)]);
        Self {
            clean: shown(&pair.clean, most),
            corrupted: shown(&pair.corrupted, most),
            answer: shown(&pair.answer, LONGEST_ANSWER),
            distractor: shown(&pair.distractor, LONGEST_ANSWER),
            differing: pair.differing().into_iter().filter(|&position| position < most).collect(),
            roles,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_shown_without_a_model_too() {
        let experiment = &crate::presets::presets().expect("built in")[0].experiment;
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let checked = check(experiment, &tokenizer, None).expect("plain text");
        let with_model = check(experiment, &tokenizer, Some(1024)).expect("plain text");
        assert!(!checked.groups[0][0].clean.is_empty());
        assert!(!checked.groups[0][0].differing.is_empty());
        assert_eq!(checked, with_model);
    }

    #[test]
    fn circuits_are_read_as_names_and_written_back() {
        let config = crate::graph::tests::config(12, 12);
        let read = read_circuit(&config, "ioi").expect("a circuit");
        assert_eq!((read.edges.len(), read.known.len()), (771, 2));
        let file = write_circuit(&config, &WriteCircuit { edges: read.edges.clone(), scores: Vec::new() });
        let mut again = read_circuit(&config, &file.expect("a file")).expect("a circuit").edges;
        let mut edges = read.edges;
        again.sort();
        edges.sort();
        assert_eq!(again, edges);
        assert!(read_circuit(&crate::graph::tests::config(2, 2), "").expect("nothing").known.is_empty());
    }

    #[test]
    fn of_a_book_only_the_beginning_is_shown() {
        let experiment = serde_json::json!({ "groups": [{ "name": "", "pairs": [
            { "clean": "a ".repeat(3000), "corrupted": "b", "answer": "c ".repeat(50), "distractor": " d" },
        ]}]});
        let experiment = Experiment::from_json(&experiment.to_string()).expect("an experiment");
        let tokenizer = Tokenizer::gpt2().expect("built in");
        for (n_ctx, most) in [(None, 1025), (Some(16), 17)] {
            let checked = check(&experiment, &tokenizer, n_ctx).expect("plain text");
            let pair = &checked.groups[0][0];
            assert_eq!((pair.clean.len(), pair.answer.len()), (most, LONGEST_ANSWER));
            assert_eq!(pair.differing.last(), Some(&(most - 1)));
        }
    }
}
