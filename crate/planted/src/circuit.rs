//! What a plant is built to do: its heads, and the edges of its circuit.

use serde::Serialize;

/// The circuit as intended. What it is in fact is checked by replacing every edge, and every two
/// (`tests/fixtures/planted.py`, `data/`).
#[derive(Debug, Clone, Default, Serialize)]
pub struct Circuit {
    /// The heads, by layer and index.
    pub heads: Vec<HeadRole>,
    /// The edges whose replacement is meant to matter.
    pub edges: Vec<Edge>,
}

/// What a head is for.
#[derive(Debug, Clone, Serialize)]
pub struct HeadRole {
    /// `a0.h1`.
    pub head: String,
    /// Its name in the plant.
    pub role: &'static str,
    /// What it does.
    pub does: &'static str,
}

/// An edge of the circuit.
#[derive(Debug, Clone, Serialize)]
pub struct Edge {
    /// In EAP-IG's notation: `input->a0.h1<k>`, `m0->logits`.
    pub edge: String,
    /// When its source's output on the corrupted prompt, in its place, is meant to matter.
    pub resample: Effect,
    /// When leaving its source's output out is meant to matter.
    pub zero: Effect,
}

/// When replacing an edge changes the logit difference; in the order of how easily it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Neither alone nor after one other edge.
    Never,
    /// Only after another edge has been replaced.
    Pair,
    /// Alone.
    Single,
}

impl Circuit {
    /// Notes what the heads of a layer do: their places, roles and descriptions in the same order.
    pub(crate) fn heads(
        &mut self,
        layer: usize,
        places: [usize; 4],
        roles: [(&'static str, &'static str); 4],
    ) {
        let named = places.into_iter().zip(roles);
        self.heads.extend(named.map(|(place, (role, does))| HeadRole {
            head: format!("a{layer}.h{place}"),
            role,
            does,
        }));
        self.heads.sort_by(|a, b| a.head.cmp(&b.head));
    }

    /// Notes edges, each `source->reader` with heads by role, as `input->mover<v>`, with its effects by resampling and by zero.
    pub(crate) fn edges(&mut self, edges: &[(&str, Effect, Effect)]) {
        for &(edge, resample, zero) in edges {
            let ends = edge.split("->").map(|end| match end.split_once('<') {
                Some((role, slot)) => format!("{}<{slot}", self.node(role)),
                None => self.node(end),
            });
            let edge = ends.collect::<Vec<_>>().join("->");
            self.edges.push(Edge { edge, resample, zero });
        }
    }

    /// The node of a role; `input`, `logits` and MLPs stand for themselves.
    fn node(&self, role: &str) -> String {
        let head = self.heads.iter().find(|head| head.role == role);
        head.map_or(role, |head| &head.head).to_owned()
    }
}
