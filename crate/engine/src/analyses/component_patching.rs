//! Attention or MLP? Each layer's `attn_out` and `mlp_out` patched at one position (`get_act_patch_attn_out`,
//! `get_act_patch_mlp_out`).

use super::shared::columns::{ALIGN, Align};
use super::shared::sweeps::{self, DIRECTION, Options, PatchingMap, probabilities, sweep};
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::portion::{Division, Sizes};
use crate::runs::Direction;
use crate::site::BlockSite;

settings! {
    align: Align = ALIGN,
    direction: Direction = DIRECTION,
    probabilities: bool = probabilities(true),
}

impl Analyse for Settings {
    const NAME: &'static str = "component-patching";
    const TITLE: &'static str = "Attention and MLP patching";
    const DESCRIPTION: &'static str =
        "What one layer's attention, or its MLP, writes at one position, put from one run into the other.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/component_patching.py"),
        needs: Some(sweeps::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let map =
            |title: &str, note: &str, site| PatchingMap::layers_by_position(job, site).titled(title, note);
        let maps = [
            map(
                "Patched attention output",
                "The output of one layer's attention at one position.",
                BlockSite::AttnOut,
            ),
            map("Patched MLP output", "The output of one layer's MLP at one position.", BlockSite::MlpOut),
        ];
        let Self { direction, probabilities, align } = *self;
        let options = Options { direction, probabilities, align };
        let (grids, problems) = sweep(job, &maps, options).await?;
        Ok(Findings { parts: maps.iter().zip(grids).map(|(map, grid)| map.part(grid)).collect(), problems })
    }

    fn division(&self, sizes: &Sizes) -> Result<Division> {
        let patches = 2 * sizes.n_layers * sizes.positions;
        Ok(Division::by_group(Sizes::patches(patches, self.probabilities)))
    }
}
