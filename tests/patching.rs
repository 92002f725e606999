//! The sweeps against TransformerLens, and the fast path against its definition.
//!
//! Tolerances. Patching maps against TransformerLens: 2e-4 absolute on logits; f32 noise of these models is
//! up to 1.1e-5 (`float32_noise` in each `expected.json`), mistakes show as 8e-4 or more except the erf form
//! of GELU, which shows in log-probabilities (`parity.rs`). Fast against plain: 1e-5 of the largest logit,
//! some ten times the rounding of one sum of that size.

use patchlab::device::{self, Adapter, DevicePreference};
use patchlab::host::ProgressUnit;
use patchlab::host::{Quiet, Work};
use patchlab::metrics::LogitStats;
use patchlab::model::checkpoint::Checkpoint;
use patchlab::model::source::MemorySource;
use patchlab::model::{Config, Model};
use patchlab::patching::sweep::{Sweep, SweepSites};
use patchlab::patching::{Direction, Patch, plain};
use patchlab::prompts::{PreparedCase, prepare};
use patchlab::runs::Runs;
use patchlab::site::BlockSite;
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, assert_close};
use patchlab_tests::weights::checkpoint;
use pollster::block_on;
use proptest::prelude::*;

const TOLERANCE: f64 = 2e-4;

/// The name of a site in the fixtures.
fn recorded(site: BlockSite) -> &'static str {
    match site {
        BlockSite::MlpPost => "mlp_post",
        other => other.name().rsplit("hook_").next().expect("a name has an end"),
    }
}

/// Runs a sweep in chunks of at most `work`, and returns the final logits of each patch.
fn swept(
    model: &Model,
    cases: &[PreparedCase],
    direction: Direction,
    patches: &[Patch],
    (vocabulary, work): (bool, u64),
) -> LogitStats {
    let sites: Vec<BlockSite> = patches.iter().map(|patch| patch.site).collect();
    block_on(async {
        let runs = Runs::record(model, cases, vocabulary, &SweepSites::new(&sites, &model.config))
            .await
            .expect("runs");
        let mut stats = LogitStats::new(patches.len(), cases.len(), vocabulary);
        let mut ran = vec![false; patches.len()];
        let mut keep = |_: &LogitStats, indices: &[usize]| {
            for &index in indices {
                assert!(!ran[index], "{} ran twice", patches[index]);
                ran[index] = true;
            }
        };
        let sweep = Sweep { model, runs: &runs, direction, patches, work };
        let mut work = Work::new(&Quiet, "", ProgressUnit::Patches, patches.len());
        sweep.run(&mut work, &mut stats, 0, &mut keep).await.expect("a sweep");
        assert!(ran.iter().all(|&ran| ran), "a patch was left out");
        assert!(stats.answer.numbers().iter().all(|number| !number.is_nan()), "a number was left out");
        stats
    })
}

/// Every patch of a recorded map: layer, then head, neuron or position, then possibly position.
fn patches_of(site: BlockSite, shape: &[usize], by_position: bool) -> Vec<Patch> {
    let stream = matches!(
        site,
        BlockSite::ResidPre
            | BlockSite::ResidMid
            | BlockSite::ResidPost
            | BlockSite::AttnOut
            | BlockSite::MlpOut
    );
    let mut patches = Vec::new();
    for layer in 0..shape[0] {
        for second in 0..shape[1] {
            if by_position {
                let patch =
                    |position| Patch { site, layer, head_or_neuron: Some(second), position: Some(position) };
                patches.extend((0..shape[2]).map(patch));
            } else if stream {
                patches.push(Patch { site, layer, head_or_neuron: None, position: Some(second) });
            } else {
                patches.push(Patch { site, layer, head_or_neuron: Some(second), position: None });
            }
        }
    }
    patches
}

#[test]
fn every_map_agrees_with_transformer_lens() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let (groups, problems) =
                prepare(&fixture.experiment, session.tokenizer(), session.info().n_ctx).expect("groups");
            assert_eq!(problems, []);
            let mut maps = 0;
            for name in fixture.names() {
                let Some(rest) = name.strip_suffix("/logit_diff") else { continue };
                let [group, direction, map] = rest.split('/').collect::<Vec<_>>()[..] else { continue };
                let group: usize = group.trim_start_matches("group").parse().expect("a group");
                let direction = if direction == "noise" { Direction::Noise } else { Direction::Denoise };
                let by_position = map.ends_with("_by_position");
                let site = BlockSite::patchable()
                    .find(|site| recorded(*site) == map.trim_end_matches("_by_position"))
                    .expect("a patchable site");
                // A software GPU takes minutes over all neurons and positions: only one group of each there.
                if device == DevicePreference::Wgpu
                    && group > 0
                    && (by_position || site == BlockSite::MlpPost)
                {
                    continue;
                }
                let (shape, expected) = fixture.values(&name);
                let patches = patches_of(site, &shape, by_position);
                // Nor is the whole vocabulary unembedded for every map there.
                let vocabulary = device == DevicePreference::Cpu || site == BlockSite::ResidPre;
                let options = (vocabulary, session.model().budget.work());
                let found = swept(session.model(), &groups[group].cases, direction, &patches, options);
                let compare = |what: &str, found: &[f64], expected: &[f64]| {
                    let what = format!("{} {device:?} {rest}/{what}", fixture.name);
                    assert_close(&what, found, expected, TOLERANCE);
                };
                let differences: Vec<f64> =
                    (0..patches.len()).flat_map(|patch| found.logit_differences(patch)).collect();
                compare("logit_diff", &differences, &expected);
                compare("answer", found.answer.numbers(), &fixture.values(&format!("{rest}/answer")).1);
                if let Some(vocabulary) = &found.vocabulary {
                    let (_, norms) = fixture.values(&format!("{rest}/log_sum_exp"));
                    compare("log_sum_exp", vocabulary.log_sum_exp.numbers(), &norms);
                }
                maps += 1;
            }
            assert!(maps >= 35, "only {maps} maps were compared");
        }
    }
}

/// A random model, prompts and patches.
#[derive(Debug, Clone)]
struct Draw {
    seed: u64,
    layers: usize,
    heads: usize,
    d_head: usize,
    d_mlp: usize,
    prompts: Vec<(Vec<u32>, Vec<u32>)>,
    patches: Vec<Patch>,
    noise: bool,
    work: u64,
}

const VOCABULARY: u32 = 90;

fn prompts(positions: usize) -> impl Strategy<Value = (Vec<u32>, Vec<u32>)> {
    // Few tokens change, so that clean and corrupted share a beginning and sometimes are equal.
    let pair = (
        prop::collection::vec(0..VOCABULARY, positions),
        prop::collection::vec(prop::bool::weighted(0.3), positions),
    );
    pair.prop_map(|(clean, changed)| {
        let other =
            |(&token, &changed): (&u32, &bool)| if changed { (token + 1) % VOCABULARY } else { token };
        let corrupted = clean.iter().zip(&changed).map(other).collect();
        (clean, corrupted)
    })
}

fn patches(layers: usize, heads: usize, d_mlp: usize, positions: usize) -> impl Strategy<Value = Vec<Patch>> {
    let position = prop::option::of(0..positions);
    let patch = (
        prop::sample::select(BlockSite::patchable().collect::<Vec<_>>()),
        0..layers,
        0..heads,
        0..d_mlp,
        position,
    );
    let patch = patch.prop_map(|(site, layer, head, neuron, position)| {
        use BlockSite::*;
        let index = match site {
            Q | K | V | Z | Pattern => Some(head),
            MlpPost => Some(neuron),
            _ => None,
        };
        Patch { site, layer, head_or_neuron: index, position }
    });
    prop::collection::vec(patch, 1..24)
}

fn draw() -> impl Strategy<Value = Draw> {
    (1usize..4, 1usize..4, 0usize..3, 3usize..12, 1usize..7, 1usize..4).prop_flat_map(
        |(layers, heads, wider, d_mlp, positions, count)| {
            // A residual stream of width two or three occasionally has nearly equal numbers, and then
            // LayerNorm magnifies rounding in the last bit several hundredfold, on either path. Eight numbers
            // are not equal by chance.
            let d_head = 8usize.div_ceil(heads) + wider;
            (
                any::<u64>(),
                // Prompts of different lengths; positions are drawn within the shortest.
                prop::collection::vec((positions..positions + 3).prop_flat_map(prompts), count),
                patches(layers, heads, d_mlp, positions),
                any::<bool>(),
                prop::sample::select(vec![1, 5000, 40 << 20]),
            )
                .prop_map(move |(seed, prompts, patches, noise, work)| Draw {
                    seed,
                    layers,
                    heads,
                    d_head,
                    d_mlp,
                    prompts,
                    patches,
                    noise,
                    work,
                })
        },
    )
}

impl Draw {
    fn model(&self) -> Model {
        let d_model = self.heads * self.d_head;
        let config = Config {
            n_layers: self.layers,
            n_heads: self.heads,
            d_model,
            d_head: self.d_head,
            d_mlp: self.d_mlp,
            d_vocab: VOCABULARY as usize,
            n_ctx: 12,
            eps: 1e-5,
            tied: true,
        };
        let source = MemorySource::new("model.safetensors", checkpoint(&self.seed.to_string(), &config));
        block_on(async {
            let none = Adapter::None(String::new());
            let picked = device::pick(DevicePreference::Cpu, &none, config.d_model).await;
            let device = picked.expect("the processor").device;
            let file = Checkpoint::open(source).await.expect("a checkpoint");
            Model::load(config, &file, &device).await.expect("a model")
        })
    }

    fn cases(&self) -> Vec<PreparedCase> {
        let case = |(clean, corrupted): &(Vec<u32>, Vec<u32>)| PreparedCase {
            text: String::new(),
            clean: clean.clone(),
            corrupted: corrupted.clone(),
            answer: (self.seed % 80) as u32,
            distractor: (self.seed % 80) as u32 + 5,
            pair: 0,
            index: 0,
        };
        self.prompts.iter().map(case).collect()
    }

    fn direction(&self) -> Direction {
        if self.noise { Direction::Noise } else { Direction::Denoise }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_path_is_the_plain_one(draw in draw()) {
        let (model, cases, direction) = (draw.model(), draw.cases(), draw.direction());
        let fast = swept(&model, &cases, direction, &draw.patches, (true, draw.work));
        let sites: Vec<BlockSite> = draw.patches.iter().map(|patch| patch.site).collect();
        let slow = block_on(async {
            let runs = Runs::record(&model, &cases, true, &SweepSites::new(&sites, &model.config)).await?;
            let mut all = Vec::new();
            for &patch in &draw.patches {
                all.push(plain::stats(&model, &runs, direction, patch).await?);
            }
            Ok::<_, patchlab::Error>(all)
        }).expect("plain runs");
        let norms = |stats: &LogitStats, run: usize| {
            stats.vocabulary.as_ref().expect("asked for").log_sum_exp.row(run).to_vec()
        };
        for (index, (patch, slow)) in draw.patches.iter().zip(&slow).enumerate() {
            let (answers, distractors) = (slow.answer.row(0), slow.distractor.row(0));
            let (fast_norms, slow_norms) = (norms(&fast, index), norms(slow, 0));
            for prompt in 0..cases.len() {
                let size = 1.0 + answers[prompt].abs().max(distractors[prompt].abs());
                for (fast, slow) in [
                    (fast.answer.row(index)[prompt], answers[prompt]),
                    (fast.distractor.row(index)[prompt], distractors[prompt]),
                    (fast_norms[prompt], slow_norms[prompt]),
                ] {
                    prop_assert!((fast - slow).abs() <= 1e-5 * size, "{patch}: {fast} is not {slow}");
                }
            }
        }
    }
}
