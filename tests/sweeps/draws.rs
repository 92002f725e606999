//! Prompts and lists, drawn.

use fastrand::Rng;
use patchlab::interventions::{Addend, Effect, Intervention, Positions, PromptSet, Value};
use patchlab::model::Config;
use patchlab::prompts::PreparedCase;
use patchlab::site::{BlockSite, Site};

/// Prompts that differ early, late, everywhere or not at all.
pub(super) fn case(
    rng: &mut Rng,
    config: &Config,
    shortest: usize,
    longest: usize,
    index: usize,
) -> PreparedCase {
    let length = rng.usize(shortest..longest + 1);
    let tokens = config.d_vocab as u32;
    let clean: Vec<u32> = (0..length).map(|_| rng.u32(0..tokens)).collect();
    let (first, share) = [(0, 0.3), (length.saturating_sub(2), 0.8), (0, 1.0), (0, 0.0)][rng.usize(0..4)];
    let corrupted = clean.iter().enumerate().map(|(position, &token)| {
        let changed = position >= first && rng.f64() < share;
        if changed { (token + 1 + rng.u32(0..3)) % tokens } else { token }
    });
    PreparedCase {
        text: String::new(),
        corrupted: corrupted.collect(),
        clean,
        roles: Vec::new(),
        compared: [vec![rng.u32(0..tokens / 2)], vec![rng.u32(tokens / 2..tokens)]],
        pair: index,
        index,
    }
}

/// Makes sets of its answer and its distractor, of up to four tokens.
pub(super) fn more_tokens(rng: &mut Rng, case: &mut PreparedCase) {
    for set in &mut case.compared {
        for _ in 0..rng.usize(0..4) {
            // Both sets stay apart: a set's tokens are of its own half of the 90.
            let id = rng.u32(0..45) + if set[0] < 45 { 0 } else { 45 };
            if !set.contains(&id) {
                set.push(id);
            }
        }
    }
}

pub(super) fn longest_of(cases: &[PreparedCase]) -> usize {
    cases.iter().map(|case| case.clean.len()).max().unwrap_or(1)
}

pub(super) fn list(
    rng: &mut Rng,
    config: &Config,
    (longest, same_length): (usize, bool),
    dominant: Option<(usize, usize)>,
) -> Vec<Intervention> {
    (0..rng.usize(1..4)).map(|_| one(rng, config, longest, same_length, dominant)).collect()
}

fn one(
    rng: &mut Rng,
    config: &Config,
    longest: usize,
    same_length: bool,
    dominant: Option<(usize, usize)>,
) -> Intervention {
    let sites: Vec<Site> = Site::all(config.n_layers).collect();
    let mut site = sites[rng.usize(0..sites.len())];
    let has = |site: Site, names: &[BlockSite]| matches!(site, Site::Block(_, own) if names.contains(&own));
    let mut head = None;
    let mut neuron = None;
    let mut source = None;
    use BlockSite::*;
    if has(site, &[Q, K, V, Z, Pattern, AttnScores]) && rng.usize(0..4) > 0 {
        head = Some(rng.usize(0..config.n_heads));
    }
    if has(site, &[MlpPre, MlpPost]) && rng.usize(0..4) > 0 {
        neuron = Some(rng.usize(0..config.d_mlp));
    }
    if let Some((layer, dominant)) = dominant
        && rng.bool()
    {
        (site, head, neuron) = (Site::Block(layer, MlpPost), None, Some(dominant));
    }
    if has(site, &[Pattern, AttnScores]) && rng.bool() {
        source = Some(rng.usize(0..longest));
    }
    let position = match rng.usize(0..4) {
        0 => Positions::Last,
        1 => Positions::At(rng.usize(0..longest)),
        _ => Positions::All,
    };
    let value = |rng: &mut Rng| match rng.usize(0..9) {
        0 => Value::Zero,
        1 => Value::Own,
        2 if same_length => Value::Mean(PromptSet::Clean),
        3 if same_length => Value::Mean(PromptSet::Corrupted),
        4 if same_length => Value::Mean(PromptSet::Group(1)),
        5 => Value::Prompt("drawn".to_owned()),
        6 => Value::Tensor(vec![rng.f32()]),
        _ => Value::Other,
    };
    let effect = match rng.usize(0..6) {
        0 => Effect::Scale([0.0, 0.5, -1.0, 1.0][rng.usize(0..4)]),
        1 => Effect::Add(Addend { value: value(rng), factor: [0.5, -0.5, 2.0][rng.usize(0..3)] }),
        _ => Effect::Replace(value(rng)),
    };
    Intervention { site, head, neuron, position, source, effect }
}

/// Now and then, some positions instead of one.
fn spread(rng: &mut Rng, one: &mut Intervention, longest: usize) {
    if let Positions::At(first) = one.position
        && rng.bool()
    {
        one.position = Positions::Span(first, (1 + rng.usize(0..4)).min(longest - first));
    }
}

/// A list with later outputs frozen, or one that takes values from a run with such a list: paths, and what is like them.
pub(super) fn path(
    rng: &mut Rng,
    config: &Config,
    prompts: (usize, bool),
    dominant: Option<(usize, usize)>,
) -> Vec<Intervention> {
    let own =
        |site| Intervention { effect: Effect::Replace(Value::Own), ..Intervention::patch(site, None, None) };
    let mut within = list(rng, config, prompts, dominant);
    for one in &mut within {
        spread(rng, one, prompts.0);
    }
    let (mlps, scales, first) = (rng.bool(), rng.bool(), rng.usize(0..config.n_layers));
    for layer in first..config.n_layers {
        use BlockSite::*;
        let at = |site| own(Site::Block(layer, site));
        if rng.usize(0..8) > 0 {
            within.push(at(AttnOut));
        }
        within.extend(mlps.then(|| at(MlpOut)));
        within.extend(scales.then(|| [at(Ln1Scale), at(Ln2Scale)]).into_iter().flatten());
    }
    if rng.usize(0..3) == 0 {
        return within;
    }
    let receivers = rng.usize(1..3);
    let take = |_| {
        let (longest, same_length) = prompts;
        let mut one = one(rng, config, longest, same_length, dominant);
        one.source = None;
        spread(rng, &mut one, longest);
        one.effect = Effect::Replace(Value::Run(within.clone()));
        one
    };
    (0..receivers).map(take).collect()
}
