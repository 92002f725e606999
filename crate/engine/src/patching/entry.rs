//! What a patch does to the residual stream where it enters it. After that, every patch is the same: a residual
//! stream to be carried to the end.
//!
//! Shapes: `c` patches, `b` prompts, `p` positions, `t` of them from the lane's start, `h` heads, `e` head
//! width, `m` neurons, `d` residual width.

use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use super::Cell;
use super::lane::Lane;
use crate::error::{Error, Result};
use crate::model::cost;
use crate::model::forward::mix;
use crate::model::span::causal_mask;
use crate::site::{BlockSite, Site};

/// Cells that differ in their head or neuron only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Family {
    /// The first of them.
    pub first: Cell,
    /// How many there are; their units follow each other.
    pub count: usize,
}

impl Family {
    /// Their heads or neurons.
    fn units(&self) -> Range<usize> {
        let first = self.first.unit.unwrap_or(0);
        first..first + self.count
    }

    /// Gathers sorted cells into families.
    pub(super) fn gather(cells: impl Iterator<Item = Cell>) -> Vec<Family> {
        let mut families: Vec<Family> = Vec::new();
        for cell in cells {
            match families.last_mut() {
                Some(family) if family.is_followed_by(cell) => family.count += 1,
                _ => families.push(Family { first: cell, count: 1 }),
            }
        }
        families
    }

    fn is_followed_by(&self, cell: Cell) -> bool {
        let next = self.first.unit.map(|unit| unit + self.count);
        next.is_some() && Cell { unit: next, ..self.first } == cell
    }
}

impl Lane<'_> {
    /// The patched residual streams of a family, before the half layer at which it enters: `[c, b, t, d]`, or
    /// `[c, b, 1, d]` if only the last position matters from there on.
    pub(super) fn enter(&self, family: &Family) -> Result<Tensor<4>> {
        use BlockSite::*;
        let cell = family.first;
        let boundary = cell.boundary();
        let base = self.relevant(boundary, self.stream(boundary)?); // [b, t, d]
        match cell.site {
            ResidPre | ResidMid | ResidPost => {
                let source = self.onwards(self.source(cell.at())?); // [b, t, d]
                let patched = match cell.position {
                    None => source,
                    Some(_) => self.with_first(self.stream(boundary)?, source),
                };
                Ok(self.relevant(boundary, patched).unsqueeze())
            }
            AttnOut | MlpOut => {
                let change = self.source::<3>(cell.at())? - self.base(cell.at())?; // [b, p, d]
                let change = self.only_patched(cell, self.onwards(change)); // [b, t, d]
                Ok((base + self.relevant(boundary, change)).unsqueeze())
            }
            Z | Q | K | V | Pattern => {
                let change = self.change_of_z(cell)?; // [b, t, h, e]
                let [b, t, h, e] = change.dims();
                let change = self.relevant(boundary, change.reshape([b, t, h * e])); // [b, t, h e]
                Ok(self.written_by_heads(family, change) + base.unsqueeze())
            }
            MlpPost => {
                let (change, weight) = self.neurons(family)?; // [c, b t], [c, d]
                let ([b, t, d], c) = (base.dims(), family.count);
                cost::product(c * b * t, 1, d);
                Ok(change.reshape([c, b, t, 1]) * weight.reshape([c, 1, 1, d]) + base.unsqueeze())
            }
            _ => Err(Error::PatchUnfired(cell.to_string())),
        }
    }

    /// `x` with the first position of `other`: both `[b, t, d]`.
    fn with_first(&self, x: Tensor<3>, other: Tensor<3>) -> Tensor<3> {
        let [b, _, d] = x.dims();
        let first = [0..b, 0..1, 0..d];
        x.slice_assign(first.clone(), other.slice(first))
    }

    /// A change that is there at the patched position only; the lane starts there.
    fn only_patched(&self, cell: Cell, change: Tensor<3>) -> Tensor<3> {
        match cell.position {
            None => change,
            Some(_) => self.with_first(change.zeros_like(), change),
        }
    }

    /// What each head writes if its z changes: `[b, t, h e] -> [c, b, t, d]`.
    fn written_by_heads(&self, family: &Family, change: Tensor<3>) -> Tensor<4> {
        let config = &self.model.config;
        let (e, d) = (config.d_head, config.d_model);
        let [b, t, _] = change.dims();
        let (units, c) = (family.units(), family.count);
        let columns = units.start * e..units.end * e;
        let change = change.slice([0..b, 0..t, columns.clone()]).reshape([b * t, c, e]).swap_dims(0, 1); // [c, b t, e]
        let weight = self.model.blocks[family.first.layer].output.weight.clone();
        let weight = weight.slice([columns, 0..d]).reshape([c, e, d]); // [c, e, d]
        cost::product(c * b * t, e, d);
        change.matmul(weight).reshape([c, b, t, d])
    }

    /// How much each neuron of a family changes, `[c, b t]` (`[c, b]` if only the last position matters), and what it
    /// writes for each unit of that, `[c, d]`.
    pub(super) fn neurons(&self, family: &Family) -> Result<(Tensor<2>, Tensor<2>)> {
        let cell = family.first;
        let change = self.source::<3>(cell.at())? - self.base(cell.at())?; // [b, p, m]
        let change = self.only_patched(cell, self.onwards(change)); // [b, t, m]
        let change = self.relevant(cell.boundary(), change);
        let [b, t, _] = change.dims();
        let (units, d) = (family.units(), self.model.config.d_model);
        let change = change.slice([0..b, 0..t, units.clone()]).reshape([b * t, family.count]).swap_dims(0, 1); // [c, b t]
        let weight = self.model.blocks[cell.layer].mlp_out.weight.clone().slice([units, 0..d]); // [c, d]
        Ok((change, weight))
    }

    /// How every head's z changes with the cell's kind of patch: `[b, t, h, e]`.
    fn change_of_z(&self, cell: Cell) -> Result<Tensor<4>> {
        use BlockSite::*;
        let at = |site| Site::Block(cell.layer, site);
        let (s, p) = (self.start, self.positions);
        // The positions at which the patched activation is replaced.
        let patched = cell.position.map_or(s..p, |position| position..position + 1);
        // The positions at which a patched query or pattern changes z: for one position, that alone.
        let destinations = patched.clone();
        let change = match cell.site {
            Z => rows(self.source(at(Z))? - self.base(at(Z))?, &destinations),
            Pattern => {
                let change = self.source::<4>(at(Pattern))? - self.base(at(Pattern))?; // [b, h, p, p]
                mix(destination_rows(change, &destinations), self.base(at(V))?)
            }
            V => {
                let change = rows(self.source(at(V))? - self.base(at(V))?, &patched); // [b, patched, h, e]
                let pattern = destination_rows(self.base(at(Pattern))?, &(s..p)); // [b, h, t, p]
                let [b, h, t, _] = pattern.dims();
                return Ok(mix(pattern.slice([0..b, 0..h, 0..t, patched]), change));
            }
            Q => {
                let q = rows(self.source(at(Q))?, &destinations);
                let z = self.attended(q, self.base(at(K))?, self.base(at(V))?, &destinations);
                z - rows(self.base(at(Z))?, &destinations)
            }
            _ => {
                // A key is looked at from every position after it.
                let k = replace_rows(self.base(at(K))?, self.source(at(K))?, &patched); // [b, p, h, e]
                let z = self.attended(rows(self.base(at(Q))?, &(s..p)), k, self.base(at(V))?, &(s..p));
                return Ok(z - rows(self.base(at(Z))?, &(s..p)));
            }
        };
        // Up to here only the patched destinations: the others stay as they were.
        let [b, n, h, e] = change.dims();
        if n == p - s {
            return Ok(change);
        }
        Ok(Tensor::cat(vec![change, Tensor::zeros([b, p - s - n, h, e], &self.model.device)], 1))
    }

    /// z of some destinations: `q [b, n, h, e], k and v [b, p, h, e] -> [b, n, h, e]`.
    fn attended(&self, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, destinations: &Range<usize>) -> Tensor<4> {
        let mask = causal_mask(&[destinations.clone().collect()], self.positions, &self.model.device);
        mix(softmax(self.model.scores(q, k, &mask), 3), v)
    }
}

/// Some positions of `[b, p, h, e]`.
fn rows(x: Tensor<4>, positions: &Range<usize>) -> Tensor<4> {
    let [b, _, h, e] = x.dims();
    x.slice([0..b, positions.clone(), 0..h, 0..e])
}

/// Some destinations of `[b, h, p, p]`.
fn destination_rows(pattern: Tensor<4>, destinations: &Range<usize>) -> Tensor<4> {
    let [b, h, _, p] = pattern.dims();
    pattern.slice([0..b, 0..h, destinations.clone(), 0..p])
}

/// `x` with some positions of `other`, both `[b, p, h, e]`.
fn replace_rows(x: Tensor<4>, other: Tensor<4>, positions: &Range<usize>) -> Tensor<4> {
    let [b, _, h, e] = x.dims();
    let range = [0..b, positions.clone(), 0..h, 0..e];
    x.slice_assign(range.clone(), other.slice(range))
}
