//! Which edges make a circuit, by their scores.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::graph::{Graph, Reader};

/// All edges, those with the largest magnitudes first (EAP-IG's `apply_topn`).
pub(crate) fn by_size(scores: &[f64]) -> Vec<usize> {
    let size = |edge: usize| scores[edge].abs();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
    order
}

/// The edges that can be chosen from the logits up: the largest first of those whose reader leads to the logits (EAP-IG's
/// `apply_greedy`).
pub(crate) fn from_logits(graph: &Graph, scores: &[f64]) -> Vec<usize> {
    let all: Vec<_> = graph.edges().collect();
    let mut readers_of = vec![Vec::new(); graph.nodes().len()];
    for reader in graph.readers() {
        if let Some(node) = reader.node() {
            readers_of[graph.node_index(node)].push(reader);
        }
    }
    // Magnitudes are ordered like their bits.
    let candidate = |edge: usize| (scores[edge].abs().to_bits(), Reverse(edge));
    let mut open: BinaryHeap<_> = graph.edges_of(Reader::Logits).map(candidate).collect();
    let mut joined = vec![false; readers_of.len()];
    let mut order = Vec::new();
    while let Some((_, Reverse(edge))) = open.pop() {
        order.push(edge);
        let node = graph.node_index(all[edge].0);
        if !std::mem::replace(&mut joined[node], true) {
            open.extend(readers_of[node].iter().flat_map(|&reader| graph.edges_of(reader)).map(candidate));
        }
    }
    order
}

/// Without edges that lead nowhere or come from nowhere (EAP-IG's `prune`): a node stays if something in the circuit reads it and, but
/// for the embeddings, it reads something.
pub(crate) fn pruned(graph: &Graph, mut members: Vec<usize>) -> Vec<usize> {
    let ends: Vec<(usize, Option<usize>)> = graph
        .edges()
        .map(|(node, reader)| (graph.node_index(node), reader.node().map(|node| graph.node_index(node))))
        .collect();
    loop {
        let mut read = vec![false; graph.nodes().len()];
        let mut reads = vec![false; graph.nodes().len()];
        reads[0] = true;
        for &edge in &members {
            let (from, to) = ends[edge];
            read[from] = true;
            to.into_iter().for_each(|to| reads[to] = true);
        }
        let before = members.len();
        members.retain(|&edge| reads[ends[edge].0] && ends[edge].1.is_none_or(|to| read[to]));
        if members.len() == before {
            return members;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuits::text::read;
    use crate::graph::tests::config;

    #[test]
    fn what_leads_nowhere_is_pruned_step_by_step() {
        let graph = Graph::new(&config(3, 2));
        let circuit =
            read(&graph, "input->a0.h0<q> a0.h0->a1.h0<k> a1.h0->m1 input->m2 m2->logits a1.h1->logits")
                .expect("edges");
        // Nothing reads m1, so neither a1.h0 nor what leads there stays; nothing goes into a1.h1.
        assert_eq!(pruned(&graph, circuit), read(&graph, "input->m2 m2->logits").expect("edges"));
    }

    #[test]
    fn greedy_edges_lead_on() {
        let graph = Graph::new(&config(2, 2));
        let mut scores = vec![0.0; graph.len()];
        let of = |name: &str| graph.edge(name).expect(name);
        scores[of("input->a0.h0<v>")] = 9.0;
        scores[of("a0.h0->m1")] = -5.0;
        scores[of("m1->logits")] = 1.0;
        let order = from_logits(&graph, &scores);
        assert_eq!(order[..3], [of("m1->logits"), of("a0.h0->m1"), of("input->a0.h0<v>")]);
        assert_eq!(by_size(&scores)[..3], [of("input->a0.h0<v>"), of("a0.h0->m1"), of("m1->logits")]);
        assert_eq!(order.len(), graph.len());
    }
}
