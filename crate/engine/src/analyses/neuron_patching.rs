//! Can one neuron do it? `mlp.hook_post` of one neuron patched at all positions, for every neuron of the
//! chosen layers.

use super::neuron_attribution::TOP_K;
use super::settings::text;
use super::shared::choices;
use super::shared::columns::Align;
use super::shared::sweeps::{self, DIRECTION, Options, PatchingMap, probabilities, sweep};
use super::shared::top;
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::figures::Part;
use crate::portion::{Division, Sizes};
use crate::runs::Direction;

settings! {
    /// The layers: all, or like 8 10 or 3-5.
    layers: String = text("all"),
    top_k: usize = TOP_K,
    direction: Direction = DIRECTION,
    // Including every token's logit makes a sweep over all neurons several times slower.
    probabilities: bool = probabilities(false),
}

impl Analyse for Settings {
    const NAME: &'static str = "neuron-patching";
    const TITLE: &'static str = "Neuron patching";
    const DESCRIPTION: &'static str = "One MLP neuron's activation put from one run into the other at all \
         positions, for every neuron of the chosen layers. Spikes are neurons that matter by themselves.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/neuron_patching.py"),
        needs: Some(sweeps::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let layers = choices::layers(&self.layers, job.model.config.n_layers)?;
        let maps =
            [PatchingMap::neurons(job, &layers).titled("Patched neurons", "One neuron at all positions.")];
        let Self { direction, probabilities, .. } = *self;
        let options = Options { direction, probabilities, align: Align::Auto };
        let (grids, problems) = sweep(job, &maps, options).await?;
        let mut parts: Vec<Part> = maps.iter().zip(grids).map(|(map, grid)| map.part(grid)).collect();
        if job.portion.layers.is_none() {
            parts.extend(self.derived(&parts));
        }
        Ok(Findings { parts, problems })
    }

    fn division(&self, sizes: &Sizes) -> Result<Division> {
        let layers = choices::layers(&self.layers, sizes.n_layers)?;
        let passes = Sizes::neurons(layers.len() * sizes.d_mlp, self.probabilities);
        Ok(Division { layers, ..Division::by_group(passes) })
    }

    fn derived(&self, parts: &[Part]) -> Vec<Part> {
        top::of_neurons(parts, self.top_k)
    }
}
