//! `ioi`: indirect object identification. Three layers.
//!
//! "When Mary and John went out, John gave a drink to" -> " Mary". The duplicate head finds that a name has occurred before
//! and notes where. S-inhibition heads bring that name and that place to the end, where the name movers attend to names that
//! have not occurred before, but not to this one. The name movers' copies pass through the last MLP, whose neurons saturate: one
//! mover is enough. What holds back the name movers holds back a negative head, too, which writes past that MLP.

use crate::Design;
use crate::circuit::{Circuit, Effect};
use crate::experiment::{Experiment, Pair, Role};
use crate::model::{Head, Model, Neuron, copying};
use crate::random::Random;
use crate::space::{Direction, Space, sum};
use crate::vocabulary::Vocabulary;

const NAMES: [&str; 11] =
    [" Mary", " John", " Anna", " Paul", " Kate", " Mark", " Lucy", " Fred", " Emma", " Dan", " Rose"];
const OPENINGS: [(&str, [&str; 2]); 3] =
    [("When", [" went", " out"]), ("After", [" sat", " down"]), ("While", [" came", " in"])];
const VERBS: [&str; 3] = [" gave", " handed", " sent"];
const ARTICLES: [&str; 2] = [" a", " the"];
const THINGS: [&str; 8] = [" drink", " book", " ring", " letter", " map", " key", " coat", " cake"];
const END: &str = " to";

/// Where the names stand, counted from the first word.
const PLACES: [usize; 3] = [1, 3, 7];

/// Tokens of a prompt, `<|endoftext|>` included.
const LENGTH: usize = 13;

const PAIRS: usize = 12;

/// The stream's directions.
struct Code {
    /// Where a head rests.
    first: Direction,
    /// All positions but the first.
    place: Vec<Direction>,
    /// Which name a token is.
    name: Vec<Direction>,
    /// That it is a name.
    is_name: Direction,
    /// That the prompt ends here.
    is_end: Direction,
    /// Where the same name stood before.
    duplicate: Vec<Direction>,
    /// The place and the name that are not to be copied.
    not_place: Vec<Direction>,
    not_name: Vec<Direction>,
    /// The name movers' copies.
    moved: Vec<Direction>,
    output: Vec<Direction>,
    /// Nothing reads it.
    unread: Vec<Direction>,
}

impl Code {
    /// Reads 1 where a name has occurred before.
    fn is_duplicate(&self) -> Direction {
        sum(self.duplicate.iter().map(|direction| (1.0, direction)))
    }
}

pub(crate) fn design(seed: &str) -> Design {
    let mut space = Space::new(100, seed);
    let mut model = Model::new(&mut space, 2 * NAMES.len(), LENGTH, seed);
    let code = Code {
        first: model.positions[0].clone(),
        place: model.positions[1..].to_vec(),
        name: space.code(NAMES.len()),
        is_name: space.direction(),
        is_end: space.direction(),
        duplicate: space.code(LENGTH - 1),
        not_place: space.code(LENGTH - 1),
        not_name: space.code(NAMES.len()),
        moved: space.code(NAMES.len()),
        output: space.code(NAMES.len()),
        unread: space.code(NAMES.len()),
    };

    let mut vocabulary = Vocabulary::new(&mut model);
    vocabulary.add_code(&mut model, &NAMES, &code.name, &[&code.is_name], Some(&code.output));
    vocabulary.add(&mut model, END, code.is_end.clone(), None);
    let openings = OPENINGS.iter().flat_map(|(first, rest)| [*first, rest[0], rest[1]]);
    let fillers = openings.chain([" and", ","]).chain(VERBS).chain(ARTICLES).chain(THINGS);
    vocabulary.add_fillers(&mut model, &fillers.collect::<Vec<_>>(), &code.unread);

    let mut circuit = Circuit::default();
    duplicates(&mut model, &mut circuit, &code);
    inhibition(&mut model, &mut circuit, &code);
    movers(&mut model, &mut circuit, &code);
    circuit.edges(&edges());
    Design { model, vocabulary, experiment: experiment(seed), circuit }
}

/// Layer 0: which name has occurred before, and where.
fn duplicates(model: &mut Model, circuit: &mut Circuit, code: &Code) {
    let resting = |score| Head::resting(&code.first, score);
    // The same name, but not the same place: 22 against the first position's 10.
    let earlier =
        resting(10.0).matching(&code.name, &code.name, 22.0).matching(&code.place, &code.place, -24.0);
    let itself = resting(0.0).matching(&code.place, &code.place, 16.0);
    let back = resting(0.0).matching(&code.place[1..], &code.place[..LENGTH - 2], 16.0);
    let places = model.layer(
        [
            earlier.clone().moving(&code.place, &code.duplicate, 1.0),
            earlier.moving(&code.name, &code.unread, 1.0),
            back.moving(&code.name, &code.unread, 1.0),
            itself.moving(&code.name, &code.unread, 1.0),
        ],
        copying(&code.name, &code.unread),
    );
    circuit.heads(
        0,
        places,
        [
            (
                "duplicate",
                "from a name that has occurred before attends to that occurrence, and writes where it is",
            ),
            ("duplicate-unread", "decoy: attends where `duplicate` does, and writes where nothing reads"),
            ("previous", "decoy: attends to the token before, and writes where nothing reads"),
            ("self", "decoy: attends to its own position, and writes where nothing reads"),
        ],
    );
}

/// Layer 1: the end learns which name and which place not to copy.
fn inhibition(model: &mut Model, circuit: &mut Circuit, code: &Code) {
    let resting = |score| Head::resting(&code.first, score);
    let second = resting(10.0).matching(std::slice::from_ref(&code.is_end), &[code.is_duplicate()], 22.0);
    let signal = |gain| {
        second.clone().moving(&code.duplicate, &code.not_place, gain).moving(&code.name, &code.not_name, gain)
    };
    let itself = resting(0.0).matching(&code.place, &code.place, 16.0);
    let places = model.layer(
        [
            signal(1.0),
            signal(0.5),
            second.clone().moving(&code.name, &code.unread, 1.0),
            itself.moving(&code.name, &code.output, 1.0),
        ],
        copying(&code.not_name, &code.unread),
    );
    circuit.heads(
        1,
        places,
        [
            ("inhibition", "attends from the end to the name that has occurred before; writes the name and its first place"),
            ("backup", "as `inhibition`, at half the size: the negative head misses it only where `inhibition` is cut"),
            ("inhibition-unread", "decoy: attends where `inhibition` does, and writes where nothing reads"),
            ("early-copy", "decoy: raises each name's logit at its own position, where no logit is looked at"),
        ],
    );
}

/// Layer 2: the name that is left is copied to the logits.
fn movers(model: &mut Model, circuit: &mut Circuit, code: &Code) {
    let new_name = sum([(1.0, &code.is_name), (-1.2, &code.is_duplicate())]);
    // Attends from the end to such names, less by `name` and `place` for each unit of the signals against them. The two
    // S-inhibition heads write 1.5.
    let names = |name: f64, place: f64| {
        Head::resting(&code.first, 8.0)
            .matching(std::slice::from_ref(&code.is_end), std::slice::from_ref(&new_name), 20.0)
            .matching(&code.not_name, &code.name, -name)
            .matching(&code.not_place, &code.place, -place)
    };
    let places = model.layer(
        [
            names(1.0, 2.0).moving(&code.name, &code.moved, 1.0),
            names(1.0, 2.0).moving(&code.name, &code.moved, 1.0),
            names(2.0, 3.0).moving(&code.name, &code.output, -0.3),
            names(1.0, 2.0).moving(&code.name, &code.unread, 1.0),
        ],
        saturating(&code.moved, &code.output),
    );
    circuit.heads(
        2,
        places,
        [
            ("mover-1", "attends from the end to the other name and copies it for the last MLP"),
            ("mover-2", "the same again: either is enough"),
            ("negative", "attends where the movers do, and lowers that name's logit"),
            ("mover-unread", "decoy: attends where the movers do, and writes where nothing reads"),
        ],
    );
}

/// Two neurons per name that write 1 for 0.9 or more, 0 for 0.6 or less. The movers, when nothing holds them back, give each
/// of two names 0.5: one such mover is not enough.
fn saturating(from: &[Direction], to: &[Direction]) -> Vec<Neuron> {
    const STEEP: f64 = 100.0;
    let (low, high) = (0.6, 0.9);
    let neuron = |from, to, threshold: f64, sign: f64| Neuron {
        read: sum([(STEEP, from)]),
        threshold: STEEP * threshold,
        write: sum([(sign / (STEEP * (high - low)), to)]),
    };
    from.iter()
        .zip(to)
        .flat_map(|(from, to)| [neuron(from, to, low, 1.0), neuron(from, to, high, -1.0)])
        .collect()
}

/// The circuit's edges. What reaches one mover matters once the other is cut off. `backup` matters at a mover where
/// `inhibition` is silent: then neither mover copies 0.6 of the wrong name by itself, but the two together do.
fn edges() -> [(&'static str, Effect, Effect); 32] {
    use Effect::{Never, Pair, Single};
    [
        ("input->duplicate<q>", Single, Single),
        ("input->duplicate<k>", Single, Single),
        ("input->inhibition<q>", Never, Single),
        ("input->inhibition<v>", Pair, Pair),
        ("input->backup<q>", Never, Pair),
        ("input->backup<v>", Pair, Pair),
        ("duplicate->inhibition<k>", Single, Single),
        ("duplicate->inhibition<v>", Pair, Pair),
        ("duplicate->backup<k>", Pair, Pair),
        ("duplicate->backup<v>", Pair, Pair),
        ("input->mover-1<q>", Never, Pair),
        ("input->mover-1<k>", Never, Pair),
        ("input->mover-1<v>", Pair, Pair),
        ("input->mover-2<q>", Never, Pair),
        ("input->mover-2<k>", Never, Pair),
        ("input->mover-2<v>", Pair, Pair),
        ("duplicate->mover-1<k>", Pair, Pair),
        ("duplicate->mover-2<k>", Pair, Pair),
        ("inhibition->mover-1<q>", Pair, Pair),
        ("inhibition->mover-2<q>", Pair, Pair),
        ("backup->mover-1<q>", Pair, Pair),
        ("backup->mover-2<q>", Pair, Pair),
        ("input->negative<q>", Never, Single),
        ("input->negative<k>", Pair, Single),
        ("input->negative<v>", Single, Single),
        ("duplicate->negative<k>", Single, Single),
        ("inhibition->negative<q>", Single, Single),
        ("backup->negative<q>", Pair, Pair),
        ("mover-1->m2", Pair, Pair),
        ("mover-2->m2", Pair, Pair),
        ("m2->logits", Single, Single),
        ("negative->logits", Single, Single),
    ]
}

/// The corrupted prompts have three other names: none occurs twice (IOI's ABC).
fn experiment(seed: &str) -> Experiment {
    let mut random = Random::new(seed, "prompts");
    let pairs = (0..PAIRS).map(|pair| {
        let names = random.shuffled(NAMES);
        // Half of the prompts name the indirect object first.
        let [subject, other] = [names[0], names[1]];
        let is_first = pair % 2 == 0;
        let clean = if is_first { [other, subject, subject] } else { [subject, other, subject] };
        let (opening, rest) = OPENINGS[random.below(OPENINGS.len())];
        let (verb, article) = (VERBS[random.below(VERBS.len())], ARTICLES[random.below(ARTICLES.len())]);
        let thing = THINGS[random.below(THINGS.len())];
        let text = |[a, b, c]: [&str; 3]| {
            format!("{opening}{a} and{b}{}{},{c}{verb}{article}{thing}{END}", rest[0], rest[1])
        };
        let (io, s1) = if is_first { (PLACES[0], PLACES[1]) } else { (PLACES[1], PLACES[0]) };
        Pair {
            clean: text(clean),
            corrupted: text([names[2], names[3], names[4]]),
            answer: other.to_owned(),
            distractor: subject.to_owned(),
            roles: vec![Role::after_first("IO", io), Role::after_first("S1", s1)],
        }
    });
    let roles = vec![Role::after_first("S2", PLACES[2]), Role::end()];
    Experiment::one_way("planted IOI", roles, pairs.collect())
}
