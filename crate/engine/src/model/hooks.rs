//! What happens at hook points: nothing, recording or editing. One forward pass serves all three, so a
//! recorded run cannot drift from a plain one.

use std::collections::HashMap;
use std::ops::Range;

use patchlab_kernels::Tensor;

use crate::error::{Error, Result};
use crate::site::Site;

/// An activation. Its site determines the axes.
#[derive(Debug, Clone)]
pub enum Activation {
    /// Rank 3, e.g. the residual stream.
    Three(Tensor<3>),
    /// Rank 4, e.g. attention patterns.
    Four(Tensor<4>),
}

impl Activation {
    /// Sizes of its axes, outermost first.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Activation::Three(tensor) => tensor.dims().to_vec(),
            Activation::Four(tensor) => tensor.dims().to_vec(),
        }
    }
}

/// A tensor rank that activations come in.
pub trait Rank<const D: usize> {
    /// Wraps a tensor of this rank.
    fn wrap(tensor: Tensor<D>) -> Activation;
    /// The tensor, if the activation is of this rank.
    fn unwrap(activation: &Activation) -> Option<Tensor<D>>;
}

impl Rank<3> for Activation {
    fn wrap(tensor: Tensor<3>) -> Activation {
        Activation::Three(tensor)
    }

    fn unwrap(activation: &Activation) -> Option<Tensor<3>> {
        match activation {
            Activation::Three(tensor) => Some(tensor.clone()),
            Activation::Four(_) => None,
        }
    }
}

impl Rank<4> for Activation {
    fn wrap(tensor: Tensor<4>) -> Activation {
        Activation::Four(tensor)
    }

    fn unwrap(activation: &Activation) -> Option<Tensor<4>> {
        match activation {
            Activation::Four(tensor) => Some(tensor.clone()),
            Activation::Three(_) => None,
        }
    }
}

/// The activations of a recorded run, on the device (TransformerLens's `ActivationCache`).
#[derive(Debug, Clone, Default)]
pub struct ActivationCache {
    activations: HashMap<Site, Activation>,
}

impl ActivationCache {
    /// The activation recorded at `site`.
    ///
    /// # Errors
    /// [`Error::NotRecorded`] if the run did not record it.
    pub fn get(&self, site: Site) -> Result<&Activation> {
        self.activations.get(&site).ok_or_else(|| Error::NotRecorded(site.to_string()))
    }

    /// The activation recorded at `site`, as a tensor of its rank.
    ///
    /// # Errors
    /// [`Error::NotRecorded`] if the run did not record it, or not with this many axes.
    pub fn tensor<const D: usize>(&self, site: Site) -> Result<Tensor<D>>
    where
        Activation: Rank<D>,
    {
        Activation::unwrap(self.get(site)?).ok_or_else(|| Error::NotRecorded(site.to_string()))
    }

    /// Every recorded site, in the order in which the forward pass reaches them.
    pub fn sites(&self) -> Vec<Site> {
        let mut sites: Vec<Site> = self.activations.keys().copied().collect();
        sites.sort();
        sites
    }
}

/// A change of an activation: what happens at `site` to the slice `range`.
#[derive(Debug, Clone)]
pub struct Edit {
    /// The hook point.
    pub site: Site,
    /// The slice: one range per axis of the site, outermost (prompts) first.
    pub range: Vec<Range<usize>>,
    /// What happens to it.
    pub change: Change,
}

/// What happens to a slice of an activation. Values have the shape of the slice; axes of size 1 are repeated.
#[derive(Debug, Clone)]
pub enum Change {
    /// It becomes the value.
    Replace(Activation),
    /// The value is added, so many times.
    Add(Activation, f32),
    /// It is multiplied.
    Scale(f32),
}

/// What a forward pass does at its hook points.
#[derive(Debug, Default)]
pub struct Hooks<'a> {
    record: Option<&'a dyn SiteFilter>,
    edits: &'a [Edit],
    fired: Vec<bool>,
    cache: ActivationCache,
}

/// Selects the sites to record.
pub trait SiteFilter: std::fmt::Debug {
    /// Whether to record the activation at `site`.
    fn includes(&self, site: Site) -> bool;
}

/// Records every site.
#[derive(Debug)]
pub struct AllSites;

impl SiteFilter for AllSites {
    fn includes(&self, _: Site) -> bool {
        true
    }
}

impl SiteFilter for Vec<Site> {
    fn includes(&self, site: Site) -> bool {
        self.contains(&site)
    }
}

impl<'a> Hooks<'a> {
    /// Neither records nor patches.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether the activation at `site` is recorded or edited. If not, it need not exist by itself.
    pub(crate) fn look_at(&self, site: Site) -> bool {
        self.edits(site) || self.record.is_some_and(|record| record.includes(site))
    }

    /// Whether the activation at `site` is edited.
    pub(crate) fn edits(&self, site: Site) -> bool {
        self.edits.iter().any(|edit| edit.site == site)
    }

    /// Makes `edits`, in their order, then records the sites that `record` selects: as in a TransformerLens cache,
    /// recorded values are edited values.
    pub fn new(record: Option<&'a dyn SiteFilter>, edits: &'a [Edit]) -> Self {
        Self { record, edits, fired: vec![false; edits.len()], cache: ActivationCache::default() }
    }

    /// Called by the forward pass at each hook point: edits the activation if an edit is planned here, then
    /// records it if selected.
    ///
    /// # Errors
    /// [`Error::PatchUnfired`] if an edit planned here does not fit the activation.
    pub(crate) fn apply<const D: usize>(&mut self, site: Site, mut tensor: Tensor<D>) -> Result<Tensor<D>>
    where
        Activation: Rank<D>,
    {
        let mut here = Vec::new();
        for (edit, fired) in self.edits.iter().zip(&mut self.fired) {
            if edit.site == site {
                here.push(edit);
                *fired = true;
            }
        }
        if !here.is_empty() {
            tensor = edited(&here, tensor)?;
        }
        if self.record.is_some_and(|record| record.includes(site)) {
            self.cache.activations.insert(site, Activation::wrap(tensor.clone()));
        }
        Ok(tensor)
    }

    /// Ends the run and returns what was recorded.
    ///
    /// # Errors
    /// [`Error::PatchUnfired`] if a planned edit met no activation.
    pub fn finish(self) -> Result<ActivationCache> {
        match self.edits.iter().zip(&self.fired).find(|(_, fired)| !**fired) {
            Some((edit, _)) => Err(Error::PatchUnfired(edit.site.to_string())),
            None => Ok(self.cache),
        }
    }
}

/// Makes edits in their order. Where they are to different rows, each block of rows is changed alone, so that many edits do
/// not copy the whole tensor many times.
fn edited<const D: usize>(edits: &[&Edit], tensor: Tensor<D>) -> Result<Tensor<D>>
where
    Activation: Rank<D>,
{
    let blocks = blocks(edits);
    if let [(_, edits)] = blocks.as_slice() {
        return edits.iter().try_fold(tensor, |tensor, edit| edited_once(edit, 0, tensor));
    }
    let whole = tensor.dims();
    let rows = |rows: Range<usize>| {
        let range: [Range<usize>; D] =
            std::array::from_fn(|axis| if axis == 0 { rows.clone() } else { 0..whole[axis] });
        tensor.clone().slice(range)
    };
    let (mut parts, mut done) = (Vec::new(), 0);
    for (range, edits) in blocks {
        if range.end > whole[0] {
            return Err(misfit(edits[0]));
        }
        if done < range.start {
            parts.push(rows(done..range.start));
        }
        done = range.end;
        let first = range.start;
        parts.push(edits.iter().try_fold(rows(range), |block, edit| edited_once(edit, first, block))?);
    }
    if done < whole[0] {
        parts.push(rows(done..whole[0]));
    }
    Ok(Tensor::cat(parts, 0))
}

/// Edits by the rows that they change together, in the order of the rows.
fn blocks<'e>(edits: &[&'e Edit]) -> Vec<(Range<usize>, Vec<&'e Edit>)> {
    let mut blocks: Vec<(Range<usize>, Vec<&Edit>)> = Vec::new();
    for &edit in edits {
        let mut rows = edit.range.first().cloned().unwrap_or_default();
        let mut members = Vec::new();
        while let Some((last, others)) = blocks.pop_if(|(last, _)| rows.start < last.end) {
            rows = rows.start.min(last.start)..rows.end.max(last.end);
            members.splice(0..0, others);
        }
        members.push(edit);
        blocks.push((rows, members));
    }
    blocks
}

fn misfit(edit: &Edit) -> Error {
    Error::PatchUnfired(format!("{} {:?}", edit.site, edit.range))
}

/// Changes the edit's slice of some rows, the first of which is row `first` of the pass.
fn edited_once<const D: usize>(edit: &Edit, first: usize, tensor: Tensor<D>) -> Result<Tensor<D>>
where
    Activation: Rank<D>,
{
    let mut range: [Range<usize>; D] = edit.range.clone().try_into().map_err(|_| misfit(edit))?;
    range[0] = range[0].start - first..range[0].end - first;
    let (dims, sizes) = (tensor.dims(), range.each_ref().map(Range::len));
    if (0..D).any(|axis| range[axis].is_empty() || range[axis].end > dims[axis]) {
        return Err(misfit(edit));
    }
    let value = |value: &Activation| -> Result<Tensor<D>> {
        let value: Tensor<D> = Activation::unwrap(value).ok_or_else(|| misfit(edit))?;
        let dims = value.dims();
        let fits = (0..D).all(|axis| dims[axis] == sizes[axis] || dims[axis] == 1);
        if fits { Ok(value.expand(sizes)) } else { Err(misfit(edit)) }
    };
    let changed = match &edit.change {
        Change::Replace(other) => value(other)?,
        Change::Add(other, factor) => tensor.clone().slice(range.clone()) + value(other)? * *factor,
        Change::Scale(factor) => tensor.clone().slice(range.clone()) * *factor,
    };
    Ok(tensor.slice_assign(range, changed))
}
