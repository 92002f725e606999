//! Circuits as people write and store them: lists of edges, and EAP-IG's circuit files.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Part, Reader, edge_name};
use crate::model::Config;

/// EAP-IG's circuit file (`Graph.to_json`), and MIB's, which is the same: of other keys nothing is read.
#[derive(Deserialize)]
struct CircuitFile {
    edges: BTreeMap<String, FileEdge>,
}

#[derive(Deserialize)]
struct FileEdge {
    /// Older files have edges without one.
    score: Option<f64>,
    /// Absent in files that hold scores only.
    in_graph: Option<bool>,
}

/// A circuit from the literature, by the word that stands for it.
pub struct Known {
    /// The word.
    pub name: &'static str,
    /// What it is, where it is from.
    pub note: &'static str,
    model: &'static str,
    /// Layers and heads of the model.
    shape: [usize; 2],
    edges: &'static str,
}

/// The circuits that are known by name (docs/circuits.md).
static KNOWN: [Known; 2] = [
    Known {
        name: "ioi",
        note: "Indirect objects in GPT-2 small (Wang et al. 2022), as 771 edges without positions: AutoCircuit\u{2019}s `ioi_true_edges`.",
        model: "GPT-2 small",
        shape: [12, 12],
        edges: include_str!("../../data/circuits/ioi.txt"),
    },
    Known {
        name: "ioi-heads",
        note: "The same as the paper tests it: every edge but those from heads outside the circuit (26 heads are in it).",
        model: "GPT-2 small",
        shape: [12, 12],
        edges: include_str!("../../data/circuits/ioi-heads.txt"),
    },
];

/// Those that are circuits of a model with this graph.
pub fn known(graph: &Graph) -> impl Iterator<Item = &'static Known> {
    KNOWN.iter().filter(|known| graph.has(known.shape))
}

/// The edges that a text names, in its order and each once: a circuit file, the name of a known circuit, or words like
/// `m0->a1.h3<v>`. On either side of the arrow may stand several names, separated by commas; `*`, `a*`, `a5.*` and `m*` are all that
/// there are, `m3-m5` some MLPs; a head that reads without `<q>`, `<k>` or `<v>` reads all three.
///
/// # Errors
/// [`Error::Setting`] of `edges` that says which word is no edge of this graph.
pub fn read(graph: &Graph, text: &str) -> Result<Vec<usize>> {
    let text = text.trim();
    let edges = if text.starts_with('{') { of_file(graph, text)? } else { of_words(graph, text)? };
    let mut known = vec![false; graph.len()];
    Ok(edges.into_iter().filter(|&edge| !std::mem::replace(&mut known[edge], true)).collect())
}

fn refuse<T>(message: String) -> Result<T> {
    Err(Error::Setting { name: "edges".to_owned(), message })
}

/// The edges of a circuit file that are in its graph, the strongest first.
fn of_file(graph: &Graph, text: &str) -> Result<Vec<usize>> {
    // Python writes numbers that are none in a way that JSON does not know.
    let file: CircuitFile = match serde_json::from_str(&text.replace(": NaN", ": null")) {
        Ok(file) => file,
        Err(error) => {
            return refuse(format!("This is no circuit file ({error}). EAP-IG's Graph.to_json writes one."));
        }
    };
    if !file.edges.values().any(|edge| edge.in_graph.is_some()) {
        return refuse(
            "This circuit file has scores, but says of no edge whether it is in the circuit (`in_graph`). Choose edges in EAP-IG first, \
             with apply_topn or apply_greedy."
                .to_owned(),
        );
    }
    let mut found = Vec::new();
    for (name, FileEdge { score, in_graph }) in &file.edges {
        if *in_graph == Some(true) {
            match graph.edge(name) {
                Some(edge) => found.push((score.unwrap_or(0.0).abs(), edge)),
                None => {
                    return refuse(format!(
                        "The circuit file is of another model: {name:.40?} is no edge of this one."
                    ));
                }
            }
        }
    }
    found.sort_by(|(a, one), (b, other)| b.total_cmp(a).then(one.cmp(other)));
    Ok(found.into_iter().map(|(_, edge)| edge).collect())
}

fn of_words(graph: &Graph, text: &str) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    for word in text.split([' ', ';', '\t', '\n', '\r']).map(|word| word.trim_matches(',')) {
        match KNOWN.iter().find(|known| known.name == word) {
            _ if word.is_empty() => {}
            Some(known) if graph.has(known.shape) => found.extend(of_words(graph, known.edges)?),
            Some(known) => {
                return refuse(format!("`{word}` is a circuit of {}, which this model is not.", known.model));
            }
            None => found.extend(of_word(graph, word)?),
        }
    }
    Ok(found)
}

/// The edges of a word: from each of its writers to each of its readers, as far as there are such edges.
fn of_word(graph: &Graph, word: &str) -> Result<Vec<usize>> {
    let unknown = |name: &str| {
        refuse(format!(
            "{name:.40?} is no edge of this model. Edges look like input->m0, m0->a1.h3<v> or a1.h3,a2.h0->logits, with spaces between \
             them: from what writes to what reads after it."
        ))
    };
    let Some((from, to)) = word.split_once("->") else { return unknown(word) };
    let Some(writers) = names(from, |name| writers(graph, name)) else { return unknown(word) };
    let Some(readers) = names(to, |name| readers(graph, name)) else { return unknown(word) };
    let edge = |writer: &Node, reader: &Reader| {
        let index = graph.node_index(*writer);
        (index < graph.sources(*reader)).then(|| graph.edges_of(*reader).start + index)
    };
    let nodes: Vec<Node> = writers.iter().flat_map(|(_, nodes)| nodes.clone()).collect();
    let all: Vec<Reader> = readers.iter().flat_map(|(_, readers)| readers.clone()).collect();
    let joined = |nodes: &[Node], readers: &[Reader]| {
        nodes.iter().any(|node| readers.iter().any(|reader| edge(node, reader).is_some()))
    };
    // Whoever names a writer or a reader means that there is an edge.
    let idle = writers.iter().find(|(_, nodes)| !joined(nodes, &all)).map(|(name, _)| *name);
    let idle =
        idle.or_else(|| readers.iter().find(|(_, readers)| !joined(&nodes, readers)).map(|(name, _)| *name));
    if let Some(name) = idle {
        return unknown(if writers.len() + readers.len() > 2 { name } else { word });
    }
    Ok(nodes.iter().flat_map(|node| all.iter().filter_map(|reader| edge(node, reader))).collect())
}

/// Each name of a list between commas, and what it means. None: one means nothing.
fn names<T>(list: &str, of: impl Fn(&str) -> Option<Vec<T>>) -> Option<Vec<(&str, Vec<T>)>> {
    list.split(',').map(|name| Some((name, of(name).filter(|found| !found.is_empty())?))).collect()
}

fn writers(graph: &Graph, name: &str) -> Option<Vec<Node>> {
    let pattern = Pattern::parse(name)?;
    Some(graph.nodes().filter(|node| pattern.has(*node)).collect())
}

fn readers(graph: &Graph, name: &str) -> Option<Vec<Reader>> {
    let (name, parts) = match name.strip_suffix('>').and_then(|name| name.split_once('<')) {
        Some((name, parts)) => {
            (name, Some(parts).filter(|parts| parts.chars().all(|part| "qkv".contains(part)))?)
        }
        None => (name, "qkv"),
    };
    if name == "logits" {
        return Some(vec![Reader::Logits]);
    }
    let pattern = Pattern::parse(name)?;
    let reads = |reader: &Reader| match *reader {
        Reader::Head(_, _, part) => parts.contains(letter(part)),
        _ => parts == "qkv",
    };
    let has =
        |reader: &Reader| reader.node().map_or(matches!(pattern, Pattern::All), |node| pattern.has(node));
    Some(graph.readers().filter(|reader| has(reader) && reads(reader)).collect())
}

/// What a name with or without `*` means.
enum Pattern {
    All,
    Heads(Option<usize>),
    /// From one layer to another.
    Mlps(usize, usize),
    Node(Node),
}

impl Pattern {
    fn parse(name: &str) -> Option<Self> {
        let mlp = |name: &str| name.strip_prefix('m')?.parse::<usize>().ok();
        if let Some((first, last)) = name.split_once('-') {
            return Some(Pattern::Mlps(mlp(first)?, mlp(last)?));
        }
        Some(match name {
            "*" => Pattern::All,
            "a*" => Pattern::Heads(None),
            "m*" => Pattern::Mlps(0, usize::MAX),
            _ => match name.strip_suffix(".*").or_else(|| name.strip_suffix(".h*")) {
                Some(layer) => Pattern::Heads(Some(layer.strip_prefix('a')?.parse().ok()?)),
                None => Pattern::Node(name.parse().ok()?),
            },
        })
    }

    fn has(&self, node: Node) -> bool {
        match (self, node) {
            (Pattern::All, _) | (Pattern::Heads(None), Node::Head(..)) => true,
            (Pattern::Heads(Some(layer)), Node::Head(own, _)) => *layer == own,
            (Pattern::Mlps(first, last), Node::Mlp(layer)) => (*first..=*last).contains(&layer),
            (Pattern::Node(own), node) => *own == node,
            _ => false,
        }
    }
}

fn letter(part: Part) -> char {
    ['q', 'k', 'v'][part as usize]
}

/// A circuit file as EAP-IG's `Graph.from_json` reads it: every node and edge, whether it is in the circuit, and the edges' scores.
/// These are changes of the loss there, so that an edge which the answer needs has a positive one: `scores`, the changes of the logit
/// difference, change their sign. Where none are known, those of its members are 1.
pub fn write(config: &Config, graph: &Graph, members: &[usize], scores: Option<&[f64]>) -> String {
    let mut is_in = vec![false; graph.len()];
    members.iter().for_each(|&edge| is_in[edge] = true);
    // A node is in the graph if it has an edge there.
    let mut nodes: BTreeMap<String, bool> = graph.nodes().map(|node| (node.to_string(), false)).collect();
    nodes.insert("logits".to_owned(), false);
    let mut edges = serde_json::Map::new();
    for (index, edge) in graph.edges().enumerate() {
        let score = scores.map_or(f64::from(u8::from(is_in[index])), |scores| -scores[index]);
        edges.insert(edge_name(edge), json!({ "score": score, "in_graph": is_in[index] }));
        if is_in[index] {
            let reader = edge.1.node().map_or_else(|| "logits".to_owned(), |node| node.to_string());
            nodes.insert(edge.0.to_string(), true);
            nodes.insert(reader, true);
        }
    }
    let nodes: BTreeMap<String, Value> =
        nodes.into_iter().map(|(name, in_graph)| (name, json!({ "in_graph": in_graph }))).collect();
    let file = json!({
        "cfg": {
            "n_layers": config.n_layers,
            "n_heads": config.n_heads,
            "parallel_attn_mlp": false,
            "d_model": config.d_model,
        },
        "nodes": nodes,
        "edges": edges,
    });
    format!("{file:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::config;

    fn listed(graph: &Graph, text: &str) -> Vec<String> {
        let all: Vec<String> = graph.edges().map(edge_name).collect();
        read(graph, text).expect(text).into_iter().map(|edge| all[edge].clone()).collect()
    }

    #[test]
    fn edges_are_read_as_people_write_them() {
        let graph = Graph::new(&config(2, 2));
        assert_eq!(listed(&graph, " m0->logits,\ninput->m0;m0->logits"), ["m0->logits", "input->m0"]);
        assert_eq!(listed(&graph, "a0.h1->a1.h0"), ["a0.h1->a1.h0<q>", "a0.h1->a1.h0<k>", "a0.h1->a1.h0<v>"]);
        assert_eq!(listed(&graph, "a0.h0,a0.h1->m0,logits").len(), 4);
        assert_eq!(listed(&graph, "input->a0.*<qk>").len(), 4);
        // Of all that there are, those that are edges.
        assert_eq!(listed(&graph, "m*->m*"), ["m0->m1"]);
        assert_eq!(listed(&graph, "input,m0-m1->m0-m1").len(), 3);
        assert_eq!(listed(&graph, "*->logits").len(), 7);
        assert_eq!(listed(&graph, "*->*").len(), graph.len());
        assert!(read(&graph, "").expect("nothing").is_empty());
        for text in [
            "m1->m0",
            "m0",
            "m0->",
            "m0->a1.h0<x>",
            "m0->a1.h0<>",
            "m0->m1<q>",
            "a0.h0,m1->m1",
            "a5.*->logits",
            "logits->m0",
            "m0-m1->a*<qx>",
            "m2-m3->logits",
        ] {
            let error = read(&graph, text).expect_err(text).to_string();
            assert!(error.contains("no edge of this model"), "{text}: {error}");
        }
    }

    #[test]
    fn known_circuits_are_of_their_model() {
        let small = Graph::new(&config(12, 12));
        // As many as AutoCircuit's functions give (data/README.md).
        assert_eq!(read(&small, "ioi").expect("edges").len(), 771);
        assert_eq!(read(&small, "ioi-heads").expect("edges").len(), 6540);
        let error = read(&Graph::new(&config(2, 2)), "ioi").expect_err("another model").to_string();
        assert!(error.contains("GPT-2 small"), "{error}");
    }

    #[test]
    fn circuit_files_are_read_back() {
        let config = config(2, 3);
        let graph = Graph::new(&config);
        let members = read(&graph, "input->m0 m0->a1.h2<v> a1.h2->logits").expect("edges");
        let mut scores = vec![0.0; graph.len()];
        members.iter().zip([0.1, -3.0, 2.0]).for_each(|(&edge, score)| scores[edge] = score);
        let file = write(&config, &graph, &members, Some(&scores));
        assert_eq!(
            read(&graph, &file).expect("a circuit"),
            [members[1], members[2], members[0]],
            "the strongest first"
        );
        let known: Value = serde_json::from_str(&file).expect("JSON");
        assert_eq!(known["nodes"]["a1.h2"]["in_graph"], true);
        assert_eq!(known["nodes"]["m1"]["in_graph"], false);
        assert_eq!(known["edges"].as_object().expect("edges").len(), graph.len());
    }

    #[test]
    fn circuit_files_of_something_else_say_what_is_wrong() {
        let graph = Graph::new(&config(1, 1));
        for (file, says) in [
            ("{}", "no circuit file"),
            (r#"{"edges":{"input->m0":{"score":1}}}"#, "in_graph"),
            (r#"{"edges":{"input->m7":{"score":1,"in_graph":true}}}"#, "of another model"),
        ] {
            let error = read(&graph, file).expect_err(file).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
