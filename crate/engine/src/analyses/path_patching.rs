//! Along which paths does it travel? A head or MLP takes its value from the other run, and only what it writes directly to the
//! receivers, or what MLPs make of that on the way, counts (Wang et al. 2022, appendix B; ARENA 1.4.1's
//! `get_path_patch_head_to_final_resid_post` and `get_path_patch_head_to_heads`).
//!
//! In three steps: (1) both runs are recorded; (2) the base run is run again with the sender's value from the other run and the
//! output of every other head as it was, and what the receivers read is taken from it; (3) the base run is run once more with
//! the receivers reading that, and everything after them live. With the final residual stream as the receiver, step 2 is the
//! result. Step 2 is a [`Value::Run`] of the interventions of step 3.

use super::settings::{choice, count, text};
use super::shared::ablated::Where;
use super::shared::attributed::{index_axis, layer_axis};
use super::shared::choices::refused;
use super::shared::columns::{ALIGN, Align};
use super::shared::sweeps::{self, Across, Options, PatchingMap, probabilities, sweep};
use super::shared::top;
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::figures::{Axis, AxisKind, Part};
use crate::interventions::{Effect, Intervention, Positions, Value};
use crate::model::Config;
use crate::names::{self, Head, Node, words};
use crate::portion::{Division, Sizes};
use crate::runs::Direction;
use crate::site::{BlockSite, Site, Stage};

/// What sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum Senders {
    All,
    Heads,
    Mlps,
    Chosen,
}

/// What the MLPs between sender and receivers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum Mlps {
    Live,
    Skipped,
}

/// What LayerNorm divides by on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum Norm {
    Live,
    Frozen,
}

settings! {
    /// What sends, one at a time: every head, every MLP, both, or those chosen below.
    senders: Senders = choice::<Senders>("all"),
    /// Chosen senders, like L5H5 MLP3, or L5 for all heads of a layer: each alone, then all together.
    chosen: String = text(""),
    /// Who receives: empty for the final residual stream, or like L9H6.q L9H9.q, with k and v for keys and values, qk for both of
    /// a pattern; MLP8 for what an MLP reads. Several receive together.
    receivers: String = text(""),
    /// Whether MLPs between sender and receivers answer (live), or only direct connections count (skipped).
    mlps: Mlps = choice::<Mlps>("live"),
    /// Whether LayerNorms on the way divide by the new scale (live) or by that of the run that is patched (frozen).
    norm: Norm = choice::<Norm>("live"),
    /// Sender and receivers change at all positions, at the last alone, or at each position or role in turn.
    position: Where = choice::<Where>("all"),
    align: Align = ALIGN,
    direction: Direction = choice::<Direction>("noise").described(
        "noise: corrupted values into the clean run; denoise: clean ones into the corrupted run."
    ),
    /// How many of the largest and how many of the smallest are listed.
    top_k: usize = count(5, 1, 100),
    probabilities: bool = probabilities(false),
}

impl Analyse for Settings {
    const NAME: &'static str = "path-patching";
    const TITLE: &'static str = "Path patching";
    const DESCRIPTION: &'static str = "What one head or MLP does to the receivers directly, other heads\u{2019} outputs being held: \
         which paths the behaviour takes. A path that matters here is needed (noise) or enough (denoise) by itself; one that does not \
         may still work through other heads.";
    const PYTHON: Option<PythonCell> = Some(PythonCell {
        code: include_str!("../../data/transformer-lens/path_patching.py"),
        needs: Some(sweeps::PYTHON),
    });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let routes = Routes::new(self, &job.model.config)?;
        let maps = routes.maps(self)?;
        let Self { direction, probabilities, align, .. } = *self;
        let options = Options { direction, probabilities, align };
        let (grids, problems) = sweep(job, &maps, options).await?;
        let n_heads = job.model.config.n_heads;
        let name = |cell: usize| Head { layer: cell / n_heads, head: cell % n_heads }.to_string();
        let heads = maps.iter().zip(&grids).find(|(map, _)| map.site == BlockSite::Z);
        let tables = heads.filter(|_| self.senders != Senders::Chosen && self.position != Where::Each);
        let tables = tables.map(|(_, grid)| top::tables(grid, "Head", self.top_k, name)).unwrap_or_default();
        let maps = maps.iter().zip(grids).map(|(map, grid)| map.part(grid));
        let parts = maps.chain(tables.into_iter().map(Part::Table)).collect();
        Ok(Findings { parts, problems })
    }

    fn division(&self, sizes: &Sizes) -> Result<Division> {
        let places = if self.position == Where::Each { sizes.positions } else { 1 };
        let patches = (sizes.heads() + sizes.n_layers) * places;
        Ok(Division::by_group(Sizes::patches(patches, self.probabilities)))
    }
}

/// From senders to receivers.
struct Routes<'a> {
    config: &'a Config,
    /// What takes its value from step 2. Empty: the final residual stream.
    receivers: Vec<(Site, Option<usize>)>,
    mlps: Mlps,
    norm: Norm,
    position: Positions,
    /// Where they lead and what is held on the way, for people.
    note: String,
}

impl<'a> Routes<'a> {
    fn new(settings: &Settings, config: &'a Config) -> Result<Self> {
        let receivers = receivers(&settings.receivers, config)?;
        let to = if receivers.is_empty() {
            "the final residual stream".to_owned()
        } else {
            words(&settings.receivers).collect::<Vec<_>>().join(", ")
        };
        let held = match (settings.mlps, settings.norm) {
            (Mlps::Live, Norm::Live) => {
                "Other heads\u{2019} outputs are held; MLPs and LayerNorms are computed again (Wang et al. 2022, ARENA 1.4.1)"
            }
            (Mlps::Skipped, Norm::Live) => {
                "Other heads\u{2019} and MLPs\u{2019} outputs are held; LayerNorms are computed again \
                 (path_patching.py with `direct_includes_mlps=False`)"
            }
            (Mlps::Skipped, Norm::Frozen) => {
                "Everything else is held, LayerNorms\u{2019} scales too (TransformerLens\u{2019}s `get_act_patch_direct_path`)"
            }
            (Mlps::Live, Norm::Frozen) => {
                "Other heads\u{2019} outputs and LayerNorms\u{2019} scales are held; MLPs are computed again"
            }
        };
        let place = match settings.position {
            Where::All => "",
            Where::Last => " at the last position",
            Where::Each => " at one position at a time",
        };
        Ok(Self {
            config,
            receivers,
            mlps: settings.mlps,
            norm: settings.norm,
            position: settings.position.positions(),
            note: format!("To {to}{place}. {held}."),
        })
    }

    /// The first stage that no sender can reach any more.
    fn end(&self) -> Stage {
        let stages = self.receivers.iter().map(|(site, _)| site.stage(self.config.n_layers));
        stages.max().unwrap_or(Stage::Final)
    }

    fn maps(&self, settings: &Settings) -> Result<Vec<PatchingMap>> {
        let layers = |stage: fn(usize) -> Stage| -> Vec<usize> {
            (0..self.config.n_layers).filter(|&layer| stage(layer) < self.end()).collect()
        };
        let (heads, mlps) = (layers(Stage::Attention), layers(Stage::Mlp));
        let none =
            || refused("receivers", format!("no head or MLP comes before {}.", settings.receivers.trim()));
        let of_heads = || {
            let row = |&layer: &usize| (0..self.config.n_heads).map(move |head| Head { layer, head });
            let senders: Vec<Head> = heads.iter().flat_map(row).collect();
            let lists = senders.iter().map(|&sender| self.list(&[Node::Head(sender)])).collect();
            let (rows, across) = if self.position == Positions::Here {
                let ticks = senders.iter().map(Head::to_string).collect();
                let rows = Axis { label: "Head".to_owned(), counts: AxisKind::LayerHead, ticks };
                (rows, Across::Positions)
            } else {
                let columns = index_axis(AxisKind::Head, "Head", self.config.n_heads);
                (layer_axis(&heads), Across::Given(columns))
            };
            self.map("Paths from heads", BlockSite::Z, (rows, across), lists)
        };
        let of_mlps = || {
            let rows = Axis { label: String::new(), counts: AxisKind::Other, ticks: vec!["MLP".to_owned()] };
            let lists = mlps.iter().map(|&layer| self.list(&[Node::Mlp(layer)])).collect();
            self.map("Paths from MLPs", BlockSite::MlpOut, self.axes(rows, layer_axis(&mlps)), lists)
        };
        let mut maps = match settings.senders {
            Senders::Heads => vec![of_heads()],
            Senders::Mlps => vec![of_mlps()],
            Senders::All => vec![of_heads(), of_mlps()],
            Senders::Chosen => vec![self.chosen(&settings.chosen)?],
        };
        maps.retain(|map| !map.lists.is_empty());
        if maps.is_empty() { Err(none()) } else { Ok(maps) }
    }

    /// The axes of a map of one row; by position its columns become the rows.
    fn axes(&self, row: Axis, columns: Axis) -> (Axis, Across) {
        match self.position {
            Positions::Here => (columns, Across::Positions),
            _ => (row, Across::Given(columns)),
        }
    }

    fn map(
        &self,
        title: &str,
        site: BlockSite,
        (rows, across): (Axis, Across),
        lists: Vec<Vec<Intervention>>,
    ) -> PatchingMap {
        PatchingMap { title: title.to_owned(), note: self.note.clone(), site, rows, across, lists }
    }

    /// Chosen senders, each alone and all together.
    fn chosen(&self, named: &str) -> Result<PatchingMap> {
        let mut senders = Vec::new();
        for word in words(named) {
            match names::layers(word, self.config.n_layers) {
                Ok(layers) => {
                    let heads =
                        |layer| (0..self.config.n_heads).map(move |head| Node::Head(Head { layer, head }));
                    senders.extend(layers.into_iter().flat_map(heads));
                }
                _ => senders.push(node("chosen", word, self.config)?),
            }
        }
        if senders.is_empty() {
            return Err(refused("chosen", "name the senders, like L5H5 L6H9 MLP3.".to_owned()));
        }
        let mut lists: Vec<Vec<Intervention>> = senders.iter().map(|&sender| self.list(&[sender])).collect();
        let mut ticks: Vec<String> = senders.iter().map(Node::to_string).collect();
        if senders.len() > 1 {
            lists.push(self.list(&senders));
            ticks.push("together".to_owned());
        }
        let axis = |label: &str, ticks| Axis { label: label.to_owned(), counts: AxisKind::Other, ticks };
        let axes = self.axes(axis("", vec!["sent".to_owned()]), axis("Sender", ticks));
        Ok(self.map("Paths from chosen senders", BlockSite::AttnOut, axes, lists))
    }

    /// What is done to the base run so that these senders reach the receivers.
    fn list(&self, senders: &[Node]) -> Vec<Intervention> {
        let held = self.held(senders);
        if self.receivers.is_empty() {
            return held;
        }
        let receive = |&(site, head): &(Site, Option<usize>)| Intervention {
            position: self.position,
            effect: Effect::Replace(Value::Run(held.clone())),
            ..Intervention::patch(site, head, None)
        };
        self.receivers.iter().map(receive).collect()
    }

    /// Step 2: the senders\u{2019} values are the other run\u{2019}s, and what is held is the base run\u{2019}s.
    fn held(&self, senders: &[Node]) -> Vec<Intervention> {
        let own = |site, head| Intervention {
            effect: Effect::Replace(Value::Own),
            ..Intervention::patch(site, head, None)
        };
        let stage = |sender: &Node| match *sender {
            Node::Head(head) => Stage::Attention(head.layer),
            Node::Mlp(layer) => Stage::Mlp(layer),
        };
        let first = senders.iter().map(stage).min().unwrap_or(Stage::Final);
        let mut list = Vec::new();
        for stage in Stage::all(self.config.n_layers).filter(|&stage| stage >= first) {
            match stage {
                Stage::Embed => {}
                Stage::Attention(layer) => {
                    let at = |site| Site::Block(layer, site);
                    let sends = |head: usize| senders.contains(&Node::Head(Head { layer, head }));
                    let heads: Vec<usize> = (0..self.config.n_heads).filter(|&head| sends(head)).collect();
                    if self.norm == Norm::Frozen && stage > first {
                        list.push(own(at(BlockSite::Ln1Scale), None));
                    }
                    if heads.is_empty() {
                        list.push(own(at(BlockSite::AttnOut), None));
                        continue;
                    }
                    // Before this layer nothing has changed, and then the others are as they were by themselves.
                    if stage > first {
                        list.push(own(at(BlockSite::Z), None));
                    }
                    list.extend(heads.into_iter().map(|head| Intervention {
                        position: self.position,
                        ..Intervention::patch(at(BlockSite::Z), Some(head), None)
                    }));
                }
                Stage::Mlp(layer) => {
                    let at = |site| Site::Block(layer, site);
                    if self.norm == Norm::Frozen && stage > first {
                        list.push(own(at(BlockSite::Ln2Scale), None));
                    }
                    if senders.contains(&Node::Mlp(layer)) {
                        let patch = Intervention::patch(at(BlockSite::MlpOut), None, None);
                        // At other positions what earlier senders change is answered, or not.
                        if self.mlps == Mlps::Skipped && self.position != Positions::All {
                            list.push(own(at(BlockSite::MlpOut), None));
                        }
                        list.push(Intervention { position: self.position, ..patch });
                    } else if self.mlps == Mlps::Skipped {
                        list.push(own(at(BlockSite::MlpOut), None));
                    }
                }
                Stage::Final => {
                    if self.norm == Norm::Frozen {
                        list.push(own(Site::FinalScale, None));
                    }
                }
            }
        }
        list
    }
}

/// A head or MLP of the model.
fn node(setting: &str, word: &str, config: &Config) -> Result<Node> {
    let node = word.parse::<Node>().ok();
    let exists = |node: &Node| match *node {
        Node::Head(head) => head.layer < config.n_layers && head.head < config.n_heads,
        Node::Mlp(layer) => layer < config.n_layers,
    };
    node.filter(exists).ok_or_else(|| {
        let last = config.n_layers - 1;
        refused(
            setting,
            format!(
                "there is no head or MLP {word:?}. This model has L0H0 to L{last}H{} and MLP0 to MLP{last}.",
                config.n_heads - 1
            ),
        )
    })
}

/// What the setting `receivers` names: hook points, and heads where these have some.
fn receivers(list: &str, config: &Config) -> Result<Vec<(Site, Option<usize>)>> {
    use BlockSite::{K, Ln2Normalized, Q, V};
    let mut found = Vec::new();
    for word in words(list) {
        let (name, part) = word.split_once('.').map_or((word, None), |(name, part)| (name, Some(part)));
        match (node("receivers", name, config)?, part.map(str::to_ascii_lowercase).as_deref()) {
            (Node::Mlp(layer), None) => found.push((Site::Block(layer, Ln2Normalized), None)),
            (Node::Head(Head { layer, head }), Some(part))
                if matches!(part, "q" | "k" | "v" | "qk" | "qkv") =>
            {
                for (letter, site) in [('q', Q), ('k', K), ('v', V)] {
                    if part.contains(letter) {
                        found.push((Site::Block(layer, site), Some(head)));
                    }
                }
            }
            _ => {
                return Err(refused(
                    "receivers",
                    format!(
                        "{word:?} does not say what receives. Write a head with q, k, v or qk behind a dot, like L9H6.q, or an MLP, \
                         like MLP8."
                    ),
                ));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
