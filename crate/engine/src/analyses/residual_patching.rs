//! Where does the information sit? The residual stream patched at one layer and position
//! (`get_act_patch_resid_pre`, `_mid`, `_post`).

use super::settings::choice;
use super::shared::columns::{ALIGN, Align};
use super::shared::sweeps::{self, DIRECTION, Options, PatchingMap, probabilities, sweep};
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::portion::{Division, Sizes};
use crate::runs::Direction;
use crate::site::BlockSite;

/// A point of the residual stream within a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
enum Stream {
    #[strum(serialize = "resid_pre")]
    Pre,
    #[strum(serialize = "resid_mid")]
    Mid,
    #[strum(serialize = "resid_post")]
    Post,
}

settings! {
    /// Before the layer, between its attention and its MLP, or after it.
    site: Stream = choice::<Stream>("resid_pre"),
    align: Align = ALIGN,
    direction: Direction = DIRECTION,
    probabilities: bool = probabilities(true),
}

impl Analyse for Settings {
    const NAME: &'static str = "residual-patching";
    const TITLE: &'static str = "Residual stream patching";
    const DESCRIPTION: &'static str = "One run's residual stream put into the other at one layer and \
         position. The blue path is where the information travels from the changed word to the answer.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/residual_patching.py"),
        needs: Some(sweeps::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let (site, name) = match self.site {
            Stream::Pre => (BlockSite::ResidPre, "resid_pre"),
            Stream::Mid => (BlockSite::ResidMid, "resid_mid"),
            Stream::Post => (BlockSite::ResidPost, "resid_post"),
        };
        let maps = [PatchingMap::layers_by_position(job, site).titled(
            &format!("Patched residual stream ({name})"),
            "The residual stream of one layer at one position.",
        )];
        let Self { direction, probabilities, align, .. } = *self;
        let options = Options { direction, probabilities, align };
        let (grids, problems) = sweep(job, &maps, options).await?;
        Ok(Findings { parts: maps.iter().zip(grids).map(|(map, grid)| map.part(grid)).collect(), problems })
    }

    fn division(&self, sizes: &Sizes) -> Result<Division> {
        let patches = sizes.n_layers * sizes.positions;
        Ok(Division::by_group(Sizes::patches(patches, self.probabilities)))
    }
}
