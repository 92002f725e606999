//! The model as a graph: what writes into the residual stream, and what reads it. Every reader has an input of its own, the sum of
//! what was written before it, so that an edge can be changed alone.
//!
//! Nodes, readers and their names are EAP-IG's (Hanna et al. 2024, `Graph.from_model`): `input`, `a7.h11`, `m8`, and as readers
//! `a7.h11<q>`, `m8`, `logits`. `input` is the token embedding; position embeddings and biases always reach every reader.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::model::Config;

/// What writes into the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// The token embedding.
    Input,
    /// A head's output, without `b_O`.
    Head(usize, usize),
    /// An MLP's output.
    Mlp(usize),
}

/// What a head reads its input for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
}

/// What reads the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// A head's queries, keys or values.
    Head(usize, usize, Part),
    /// An MLP.
    Mlp(usize),
    /// The final LayerNorm.
    Logits,
}

/// All nodes, readers and edges of a model, each in one order: layer by layer, heads before the MLP. Each reader reads the nodes
/// before it, which are the first ones in the order of nodes. Edges are ordered by reader, and of one reader by node.
#[derive(Debug, Clone)]
pub struct Graph {
    n_layers: usize,
    n_heads: usize,
    /// Each reader's first edge; at the end the number of edges.
    firsts: Vec<usize>,
}

impl Part {
    /// All parts, in their order.
    pub const ALL: [Part; 3] = [Part::Q, Part::K, Part::V];
}

impl Graph {
    /// Of a model of this shape.
    pub fn new(config: &Config) -> Self {
        let mut graph = Self { n_layers: config.n_layers, n_heads: config.n_heads, firsts: vec![0] };
        let sources: Vec<usize> = graph.readers().map(|reader| graph.sources(reader)).collect();
        let mut edges = 0;
        for count in sources {
            edges += count;
            graph.firsts.push(edges);
        }
        graph
    }

    /// Number of layers.
    pub fn n_layers(&self) -> usize {
        self.n_layers
    }

    /// Whether it has so many layers and heads.
    pub fn has(&self, [n_layers, n_heads]: [usize; 2]) -> bool {
        (self.n_layers, self.n_heads) == (n_layers, n_heads)
    }

    /// The nodes, in their order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = Node> + use<> {
        let per_layer = self.n_heads + 1;
        (0..1 + self.n_layers * per_layer).map(move |index| match index.checked_sub(1) {
            None => Node::Input,
            Some(index) if index % per_layer + 1 == per_layer => Node::Mlp(index / per_layer),
            Some(index) => Node::Head(index / per_layer, index % per_layer),
        })
    }

    /// A node's place in the order.
    pub fn node_index(&self, node: Node) -> usize {
        match node {
            Node::Input => 0,
            Node::Head(layer, head) => 1 + layer * (self.n_heads + 1) + head,
            Node::Mlp(layer) => 1 + layer * (self.n_heads + 1) + self.n_heads,
        }
    }

    /// The readers, in their order.
    pub fn readers(&self) -> impl Iterator<Item = Reader> + use<> {
        let (layers, heads) = (self.n_layers, self.n_heads);
        let of_layer = move |layer| {
            let of_head = move |head| Part::ALL.map(|part| Reader::Head(layer, head, part));
            (0..heads).flat_map(of_head).chain([Reader::Mlp(layer)])
        };
        (0..layers).flat_map(of_layer).chain([Reader::Logits])
    }

    /// How many nodes a reader reads: the first ones.
    pub fn sources(&self, reader: Reader) -> usize {
        match reader {
            Reader::Head(layer, ..) => 1 + layer * (self.n_heads + 1),
            Reader::Mlp(layer) => 1 + layer * (self.n_heads + 1) + self.n_heads,
            Reader::Logits => 1 + self.n_layers * (self.n_heads + 1),
        }
    }

    /// A reader's place in the order.
    pub fn reader_index(&self, reader: Reader) -> usize {
        let per_layer = 3 * self.n_heads + 1;
        match reader {
            Reader::Head(layer, head, part) => layer * per_layer + 3 * head + part as usize,
            Reader::Mlp(layer) => layer * per_layer + 3 * self.n_heads,
            Reader::Logits => self.n_layers * per_layer,
        }
    }

    /// A reader's edges: the first is from the first node, and so on.
    pub fn edges_of(&self, reader: Reader) -> Range<usize> {
        let index = self.reader_index(reader);
        self.firsts[index]..self.firsts[index + 1]
    }

    /// The number of edges.
    pub fn len(&self) -> usize {
        self.firsts[self.firsts.len() - 1]
    }

    /// Whether there is no edge. There always is one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every edge, in its order.
    pub fn edges(&self) -> impl Iterator<Item = (Node, Reader)> + '_ {
        self.readers()
            .flat_map(|reader| self.nodes().take(self.sources(reader)).map(move |node| (node, reader)))
    }

    /// The edge of this name, like `a0.h1->a2.h3<q>`.
    pub fn edge(&self, name: &str) -> Option<usize> {
        let (node, reader) = name.split_once("->")?;
        let (node, reader): (Node, Reader) = (node.parse().ok()?, reader.parse().ok()?);
        let known = |layer: usize, head: usize| layer < self.n_layers && head < self.n_heads;
        let fits = match reader {
            Reader::Head(layer, head, _) => known(layer, head),
            Reader::Mlp(layer) => known(layer, 0),
            Reader::Logits => true,
        } && match node {
            Node::Input => true,
            Node::Head(layer, head) => known(layer, head),
            Node::Mlp(layer) => known(layer, 0),
        };
        let index = fits.then(|| self.node_index(node))?;
        (index < self.sources(reader)).then(|| self.edges_of(reader).start + index)
    }
}

/// An edge's name.
pub fn edge_name((node, reader): (Node, Reader)) -> String {
    format!("{node}->{reader}")
}

impl Reader {
    /// What writes what it reads for. None: the logits.
    pub fn node(self) -> Option<Node> {
        match self {
            Reader::Head(layer, head, _) => Some(Node::Head(layer, head)),
            Reader::Mlp(layer) => Some(Node::Mlp(layer)),
            Reader::Logits => None,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Input => f.write_str("input"),
            Node::Head(layer, head) => write!(f, "a{layer}.h{head}"),
            Node::Mlp(layer) => write!(f, "m{layer}"),
        }
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reader::Head(layer, head, part) => {
                let part = ["q", "k", "v"][*part as usize];
                write!(f, "a{layer}.h{head}<{part}>")
            }
            Reader::Mlp(layer) => write!(f, "m{layer}"),
            Reader::Logits => f.write_str("logits"),
        }
    }
}

/// A name that is not one of a node or reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownName;

impl FromStr for Node {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        if name == "input" {
            return Ok(Node::Input);
        }
        if let Some(layer) = name.strip_prefix('m') {
            return layer.parse().map(Node::Mlp).map_err(|_| UnknownName);
        }
        let (layer, head) =
            name.strip_prefix('a').and_then(|rest| rest.split_once(".h")).ok_or(UnknownName)?;
        match (layer.parse(), head.parse()) {
            (Ok(layer), Ok(head)) => Ok(Node::Head(layer, head)),
            _ => Err(UnknownName),
        }
    }
}

impl FromStr for Reader {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        if name == "logits" {
            return Ok(Reader::Logits);
        }
        let (node, part) = match name.strip_suffix('>').and_then(|name| name.split_once('<')) {
            Some((node, "q")) => (node, Some(Part::Q)),
            Some((node, "k")) => (node, Some(Part::K)),
            Some((node, "v")) => (node, Some(Part::V)),
            Some(_) => return Err(UnknownName),
            None => (name, None),
        };
        match (node.parse()?, part) {
            (Node::Head(layer, head), Some(part)) => Ok(Reader::Head(layer, head, part)),
            (Node::Mlp(layer), None) => Ok(Reader::Mlp(layer)),
            _ => Err(UnknownName),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn config(n_layers: usize, n_heads: usize) -> Config {
        let text = format!(
            r#"{{"model_type":"gpt2","n_layer":{n_layers},"n_head":{n_heads},"n_embd":{},"n_positions":8,"vocab_size":9,
                "layer_norm_epsilon":1e-5,"activation_function":"gelu_new"}}"#,
            8 * n_heads
        );
        Config::from_json(&text).expect("a config")
    }

    #[test]
    fn gpt2_small_has_32491_edges() {
        let graph = Graph::new(&config(12, 12));
        assert_eq!((graph.nodes().len(), graph.len(), graph.edges().count()), (157, 32_491, 32_491));
        assert_eq!(Graph::new(&config(3, 4)).len(), 262);
    }

    #[test]
    fn every_name_is_read_back_as_what_it_names() {
        let graph = Graph::new(&config(3, 2));
        for (index, edge) in graph.edges().enumerate() {
            assert_eq!(graph.edge(&edge_name(edge)), Some(index), "{}", edge_name(edge));
        }
        for (index, node) in graph.nodes().enumerate() {
            assert_eq!((graph.node_index(node), node.to_string().parse()), (index, Ok(node)));
        }
        for name in [
            "m1->m1",
            "m1->a1.h0<q>",
            "a0.h0->a0.h1<q>",
            "a0.h2->m0",
            "input->m3",
            "m0->a2.h0",
            "x->logits",
            "logits->m0",
        ] {
            assert_eq!(graph.edge(name), None, "{name}");
        }
        assert!(graph.edge("a1.h1->m1").is_some(), "an MLP reads the heads of its own layer");
    }
}
