//! Patching maps against TransformerLens.
//!
//! Tolerance: 2e-4 absolute on logits; f32 noise of these models is up to 1.1e-5 (`float32_noise` in each
//! `expected.json`), mistakes show as 8e-4 or more except the erf form of GELU, which shows in log-probabilities
//! (`parity.rs`).

use patchlab::device::DevicePreference;
use patchlab::host::{ProgressUnit, Quiet, Work};
use patchlab::interventions::sweep::{Sweep, SweepSites};
use patchlab::interventions::{Intervention, Scene, Shortcut};
use patchlab::metrics::LogitStats;
use patchlab::model::Model;
use patchlab::prompts::{PreparedCase, prepare};
use patchlab::runs::{Direction, Runs};
use patchlab::site::{BlockSite, Site};
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, assert_close};
use pollster::block_on;

const TOLERANCE: f64 = 2e-4;

/// The name of a site in the fixtures.
fn recorded(site: BlockSite) -> &'static str {
    match site {
        BlockSite::MlpPost => "mlp_post",
        other => other.name().rsplit("hook_").next().expect("a name has an end"),
    }
}

/// Runs a sweep and returns the final logits of each list.
fn swept(
    model: &Model,
    cases: &[PreparedCase],
    direction: Direction,
    lists: &[Vec<Intervention>],
    vocabulary: bool,
) -> LogitStats {
    let sites = SweepSites::new(lists.iter().flatten().flat_map(Intervention::sites), model.config.n_layers);
    block_on(async {
        let runs = Runs::record(model, cases, vocabulary, &sites).await?;
        let scene = Scene::of(model, &runs, direction);
        let sweep = Sweep { scene, lists, shortcuts: Shortcut::ALL, work: model.budget.work() };
        let mut stats = LogitStats::new(lists.len(), cases.len(), vocabulary);
        let mut work = Work::new(&Quiet, "", ProgressUnit::Patches, lists.len());
        sweep.run(&mut work, &mut stats, 0, &mut |_, _| {}).await?;
        Ok::<_, patchlab::Error>(stats)
    })
    .expect("a sweep")
}

/// Every patch of a recorded map: layer, then head, neuron or position, then possibly position.
fn patches_of(site: BlockSite, shape: &[usize], by_position: bool) -> Vec<Vec<Intervention>> {
    let stream = matches!(
        site,
        BlockSite::ResidPre
            | BlockSite::ResidMid
            | BlockSite::ResidPost
            | BlockSite::AttnOut
            | BlockSite::MlpOut
    );
    let mut lists = Vec::new();
    for layer in 0..shape[0] {
        let patch = |index, position| vec![Intervention::patch(Site::Block(layer, site), index, position)];
        for second in 0..shape[1] {
            if by_position {
                lists.extend((0..shape[2]).map(|position| patch(Some(second), Some(position))));
            } else if stream {
                lists.push(patch(None, Some(second)));
            } else {
                lists.push(patch(Some(second), None));
            }
        }
    }
    lists
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
                let site = *BlockSite::ALL
                    .iter()
                    .find(|site| recorded(**site) == map.trim_end_matches("_by_position"))
                    .expect("a hook point");
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
                let found = swept(session.model(), &groups[group].cases, direction, &patches, vocabulary);
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
