//! The cost of a sweep, in counted flops: within 1.3 of the minimum, whatever the clock says.
//!
//! The minimum per patch and prompt, as derived in docs/speed.md: the positions from the patch's start on, in
//! the layers after it joins; in the last layer keys and values of these, but query, output and MLP of the
//! last position only; and the two logits.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use patchlab::device::DevicePreference;
use patchlab::graph::{Graph, Part, Reader};
use patchlab::host::ProgressUnit;
use patchlab::host::{Quiet, Work};
use patchlab::interventions::edges::EdgeSweep;
use patchlab::interventions::sweep::{Sweep, SweepSites};
use patchlab::interventions::{Intervention, Scene, Shortcut};
use patchlab::metrics::LogitStats;
use patchlab::model::{Config, flops};
use patchlab::prompts::{PreparedCase, prepare};
use patchlab::runs::{Direction, Runs};
use patchlab::site::{BlockSite, Site};
use patchlab_tests::fixture::{Fixture, TINY, report};
use pollster::block_on;
use serde_json::json;

/// Most that may be spent, relative to the minimum.
const SPENT: f64 = 1.3;
/// Most that may be spent, relative to what tests/fixtures/operations.json records.
const RISE: f64 = 1.05;

/// Minimal flops of one patch on one prompt of `p` positions, of which `t` are computed.
struct Least {
    d: f64,
    m: f64,
    layers: usize,
    p: f64,
    t: f64,
}

impl Least {
    fn new(config: &Config, p: usize, start: usize) -> Self {
        let (d, m) = (config.d_model as f64, config.d_mlp as f64);
        Self { d, m, layers: config.n_layers, p: p as f64, t: (p - start) as f64 }
    }

    /// Queries, keys, values and output of some positions, and their attention to all.
    fn attention(&self, queries: f64) -> f64 {
        2.0 * (2.0 * self.t + 2.0 * queries) * self.d * self.d + 4.0 * queries * self.p * self.d
    }

    fn mlp(&self, positions: f64) -> f64 {
        4.0 * positions * self.d * self.m
    }

    /// From a half layer on: `2 l` before attention, `2 l + 1` before the MLP, `2 n_layers` at the end.
    fn from(&self, boundary: usize) -> f64 {
        let half = |half: usize| {
            let positions = if half / 2 + 1 == self.layers { 1.0 } else { self.t };
            if half.is_multiple_of(2) { self.attention(positions) } else { self.mlp(positions) }
        };
        (boundary..2 * self.layers).map(half).sum::<f64>() + 4.0 * self.d
    }

    /// What the layer after a neuron saves because the change is of rank one: the products for queries, keys
    /// and values, less those for each neuron's own row, once for all prompts.
    fn rank_one(&self, layer: usize, prompts: f64) -> f64 {
        match layer + 1 {
            next if next < self.layers => {
                let queries = if next + 1 == self.layers { 1.0 } else { self.t };
                2.0 * (2.0 * self.t + queries) * self.d * self.d - 6.0 * self.d * self.d / prompts
            }
            _ => 0.0,
        }
    }

    /// Writing a head's or a neuron's change into the residual stream.
    fn written(&self, boundary: usize, width: f64) -> f64 {
        let positions = if boundary > 2 * (self.layers - 1) { 1.0 } else { self.t };
        2.0 * positions * width * self.d
    }
}

/// One patch.
#[derive(Debug, Clone, Copy)]
struct Patch {
    site: BlockSite,
    layer: usize,
    index: Option<usize>,
    position: Option<usize>,
}

impl Patch {
    fn list(&self) -> Vec<Intervention> {
        vec![Intervention::patch(Site::Block(self.layer, self.site), self.index, self.position)]
    }
}

/// The minimum for a patch on one of `prompts` prompts.
fn least(config: &Config, case: &PreparedCase, patch: &Patch, prompts: usize) -> f64 {
    let differing = case.clean.iter().zip(&case.corrupted).position(|(a, b)| a != b);
    let (Some(differing), p) = (differing, case.clean.len()) else { return 0.0 };
    let boundary = 2 * patch.layer
        + match patch.site {
            BlockSite::ResidPre => 0,
            BlockSite::MlpPost | BlockSite::MlpOut => 2,
            _ => 1,
        };
    let late = boundary > 2 * (config.n_layers - 1);
    if patch.position.is_some_and(|position| position < differing || (late && position + 1 < p)) {
        return 0.0;
    }
    // The stream before the first layer is that of the token alone.
    let same = |position: usize| case.clean[position] == case.corrupted[position];
    if (patch.layer, patch.site) == (0, BlockSite::ResidPre) && patch.position.is_some_and(same) {
        return 0.0;
    }
    let least = Least::new(config, p, patch.position.unwrap_or(differing));
    let written = match patch.site {
        BlockSite::MlpPost => least.written(boundary, 1.0),
        _ if patch.index.is_some() => least.written(boundary, config.d_head as f64),
        _ => 0.0,
    };
    let spared = match patch.site {
        BlockSite::MlpPost => least.rank_one(patch.layer, prompts as f64),
        _ => 0.0,
    };
    least.from(boundary) + written - spared
}

#[test]
fn sweeps_spend_little_more_than_they_need_and_no_more_than_before() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/operations.json");
    let text = fs::read_to_string(&file).expect("tests/fixtures/operations.json");
    let recorded: BTreeMap<String, f64> = serde_json::from_str(&text).expect("numbers by name");
    let mut counted = BTreeMap::new();
    for fixture in TINY.map(Fixture::read) {
        let session = fixture.session(DevicePreference::Cpu);
        let (model, config) = (session.model(), &session.model().config);
        let (groups, _) = prepare(&fixture.experiment, session.tokenizer(), config.n_ctx).expect("groups");
        let cases = &groups[0].cases;
        let p = cases[0].clean.len();
        let layers = 0..config.n_layers;
        let at = |site, index, position| move |layer| Patch { site, layer, index, position };
        let stream = |site| -> Vec<Patch> {
            (0..p).flat_map(|position| layers.clone().map(at(site, None, Some(position)))).collect()
        };
        let heads_or_neurons = |site, count: usize| -> Vec<Patch> {
            (0..count).flat_map(|index| layers.clone().map(at(site, Some(index), None))).collect()
        };
        let maps: Vec<Vec<Patch>> = [BlockSite::ResidPre, BlockSite::AttnOut, BlockSite::MlpOut]
            .into_iter()
            .map(stream)
            .chain(
                [BlockSite::Z, BlockSite::V, BlockSite::Pattern]
                    .map(|site| heads_or_neurons(site, config.n_heads)),
            )
            .chain([heads_or_neurons(BlockSite::MlpPost, config.d_mlp)])
            .collect();
        for patches in maps {
            let needed: f64 = patches
                .iter()
                .flat_map(|patch| cases.iter().map(move |case| least(config, case, patch, cases.len())))
                .sum();
            let spent = block_on(async {
                let site = patches[0].site;
                let sites =
                    SweepSites::new(layers.clone().map(|layer| Site::Block(layer, site)), config.n_layers);
                let lists: Vec<Vec<Intervention>> = patches.iter().map(Patch::list).collect();
                let runs = Runs::record(model, cases, false, &sites).await?;
                let sweep = Sweep {
                    scene: Scene::of(model, &runs, Direction::Denoise),
                    lists: &lists,
                    shortcuts: Shortcut::ALL,
                    // Chunks of the same size whatever the number of threads, so that counts are the same
                    // everywhere.
                    work: model.budget.work() / 2
                        * thread::available_parallelism().map_or(1, usize::from) as u64,
                };
                flops::take();
                let mut stats = LogitStats::new(patches.len(), cases.len(), false);
                let mut work = Work::new(&Quiet, "", ProgressUnit::Patches, patches.len());
                sweep.run(&mut work, &mut stats, 0, &mut |_, _| {}).await?;
                Ok::<_, patchlab::Error>(flops::take() as f64)
            });
            let spent = spent.expect("a sweep");
            let ratio = spent / needed;
            let site = patches[0].site;
            println!("{} {site:?}: {ratio:.3} of {needed:.0}", fixture.name);
            assert!((0.9..=SPENT).contains(&ratio), "{} {site:?}: {ratio:.2} times the least", fixture.name);
            counted.insert(format!("{} {site:?}", fixture.name), spent);
        }
    }
    if std::env::var_os("PATCHLAB_RECORD").is_some() {
        let text = serde_json::to_string_pretty(&counted).expect("numbers");
        fs::write(&file, format!("{text}\n")).expect("the file can be written");
        return;
    }
    let names = |numbers: &BTreeMap<String, f64>| numbers.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&counted), names(&recorded));
    for (name, spent) in counted {
        let before = recorded[&name];
        assert!(spent <= RISE * before, "{name}: {spent} operations, before {before}");
        assert!(
            RISE * spent >= before,
            "{name}: {spent} operations, before {before}. If that is meant, run `cargo xtask bench counts`"
        );
    }
}

/// What a sender in a layer needs on a prompt.
type Needed<'a> = &'a dyn Fn(&PreparedCase, usize) -> f64;

/// Most that path patching may spend, relative to the minimum: the product of a head's query is counted, not that of all.
const PATHS: f64 = 1.5;

/// What path patching needs for every head as a sender, counted as above, and what it spends. What all runs share is counted with
/// one sender and taken away.
#[test]
fn paths_spend_little_more_than_they_need() {
    for fixture in TINY.map(Fixture::read) {
        let session = fixture.session(DevicePreference::Cpu);
        let config = &session.model().config;
        let mut experiment = fixture.experiment.clone();
        experiment.groups.truncate(1);
        let (groups, _) = prepare(&experiment, session.tokenizer(), config.n_ctx).expect("groups");
        let cases = &groups[0].cases;
        let receiver = config.n_layers - 2;
        let heads = config.n_heads as f64;
        let e = config.d_head as f64;
        // To the final residual stream: what the head writes and the MLPs from its layer on, at the last position.
        let to_the_end = |case: &PreparedCase, sender: usize| {
            let p = case.clean.len();
            let last = Least::new(config, p, p - 1);
            (sender..config.n_layers).map(|_| last.mlp(1.0)).sum::<f64>() + 2.0 * e * last.d + 4.0 * last.d
        };
        // To a query: the same up to its layer, from the first changed position on; the query, its attention, and all that follows.
        let to_a_query = |case: &PreparedCase, sender: usize| {
            let (p, first) =
                (case.clean.len(), case.clean.iter().zip(&case.corrupted).position(|(a, b)| a != b));
            let least = Least::new(config, p, first.expect("they differ"));
            let step2 =
                (sender..receiver).map(|_| least.mlp(least.t)).sum::<f64>() + 2.0 * least.t * e * least.d;
            let attention = 4.0 * least.t * least.p * e + 2.0 * least.t * e * least.d;
            step2 + 2.0 * least.t * least.d * e + attention + least.from(2 * receiver + 1)
        };
        let query = format!("L{receiver}H1.q");
        let kinds: [(&str, usize, Needed<'_>); 2] =
            [("", config.n_layers, &to_the_end), (&query, receiver, &to_a_query)];
        for (receivers, senders, needed) in kinds {
            let spent = |settings: serde_json::Value| {
                flops::take();
                report(&session, &experiment, "path-patching", &settings);
                flops::take() as f64
            };
            let all = spent(json!({ "receivers": receivers, "senders": "heads" }));
            let one = spent(json!({ "receivers": receivers, "senders": "chosen", "chosen": "L0H0" }));
            let each = |sender: usize| cases.iter().map(|case| needed(case, sender)).sum::<f64>();
            let least = heads * (0..senders).map(each).sum::<f64>() - each(0);
            let ratio = (all - one) / least;
            println!("{} to {receivers:?}: {ratio:.3} of {least:.0}", fixture.name);
            assert!(
                (0.9..=PATHS).contains(&ratio),
                "{} to {receivers:?}: {ratio:.2} times the least",
                fixture.name
            );
        }
    }
}

/// What replacing every edge needs: a reader's own product, its head's attention and what that writes, and all that follows; or its
/// MLP, from the changed positions on (docs/circuits.md).
#[test]
fn edges_spend_little_more_than_they_need() {
    for fixture in TINY.map(Fixture::read) {
        let session = fixture.session(DevicePreference::Cpu);
        let (model, config) = (session.model(), &session.model().config);
        let graph = Graph::new(config);
        let (groups, _) = prepare(&fixture.experiment, session.tokenizer(), config.n_ctx).expect("groups");
        let cases = &groups[0].cases;
        let e = config.d_head as f64;
        let needed = |case: &PreparedCase, reader: Reader| {
            let first = case.clean.iter().zip(&case.corrupted).position(|(a, b)| a != b);
            let Some(first) = first else { return 0.0 };
            let least = Least::new(config, case.clean.len(), first);
            match reader {
                Reader::Head(layer, _, part) => {
                    let queries = if layer + 1 == config.n_layers { 1.0 } else { least.t };
                    let read = if part == Part::Q { queries } else { least.t };
                    let attention = 4.0 * queries * least.p * e + 2.0 * queries * e * least.d;
                    2.0 * read * least.d * e + attention + least.from(2 * layer + 1)
                }
                Reader::Mlp(layer) => least.from(2 * layer + 1),
                Reader::Logits => least.from(2 * config.n_layers),
            }
        };
        let of_reader = |reader: Reader| {
            graph.sources(reader) as f64 * cases.iter().map(|case| needed(case, reader)).sum::<f64>()
        };
        let needed: f64 = graph.readers().map(of_reader).sum();
        let spent = block_on(async {
            let runs = Runs::record(model, cases, false, &EdgeSweep::sites(config.n_layers)).await?;
            let scene = Scene::of(model, &runs, Direction::Noise);
            let sweep = EdgeSweep { scene, graph: &graph, wanted: None, work: model.budget.work() };
            flops::take();
            let mut stats = LogitStats::new(graph.len(), cases.len(), false);
            let mut work = Work::new(&Quiet, "", ProgressUnit::Patches, graph.len());
            sweep.run(&mut work, &mut stats, 0, &mut |_, _| {}).await?;
            Ok::<_, patchlab::Error>(flops::take() as f64)
        });
        let ratio = spent.expect("a sweep") / needed;
        println!("{}: {ratio:.3} of {needed:.0}", fixture.name);
        assert!((0.9..=SPENT).contains(&ratio), "{}: {ratio:.2} times the least", fixture.name);
    }
}
