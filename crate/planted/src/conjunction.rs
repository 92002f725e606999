//! `conjunction`: what is of this colour and of this shape. Two layers.
//!
//! "Name something red and round:" -> " apple". A head of each layer brings one of the two words to the end, and each neuron
//! of the last MLP is active only where both of its words are there. Where one is missing the neuron's gradient is 0, and says
//! nothing of the other.

use crate::Design;
use crate::circuit::{Circuit, Effect};
use crate::experiment::{Experiment, Pair, Role};
use crate::model::{Head, Model, Neuron, copying};
use crate::random::Random;
use crate::space::{Direction, Space, sum};
use crate::vocabulary::Vocabulary;

const COLOURS: [&str; 4] = [" red", " yellow", " green", " blue"];
const SHAPES: [&str; 4] = [" round", " long", " small", " flat"];
/// By colour, then by shape.
const THINGS: [[&str; 4]; 4] = [
    [" apple", " pepper", " cherry", " brick"],
    [" lemon", " banana", " corn", " cheese"],
    [" melon", " bean", " pea", " leaf"],
    [" marble", " river", " berry", " sea"],
];
const END: &str = ":";

/// Where colour and shape stand, counted from the first word.
const PLACES: [usize; 2] = [2, 4];

/// Tokens of a prompt, `<|endoftext|>` included.
const LENGTH: usize = 7;

const PAIRS: usize = 12;

pub(crate) fn design(seed: &str) -> Design {
    let mut space = Space::new(56, seed);
    let mut model = Model::new(&mut space, 16, LENGTH, seed);
    let (first, place) = (model.positions[0].clone(), model.positions[1..].to_vec());
    let (colour, shape) = (space.code(4), space.code(4));
    let [is_colour, is_shape, is_end] = [space.direction(), space.direction(), space.direction()];
    let (moved_colour, moved_shape) = (space.code(4), space.code(4));
    let output: Vec<Vec<Direction>> = (0..4).map(|_| space.code(4)).collect();
    let unread = space.code(4);

    let mut vocabulary = Vocabulary::new(&mut model);
    vocabulary.add_code(&mut model, &COLOURS, &colour, &[&is_colour], None);
    vocabulary.add_code(&mut model, &SHAPES, &shape, &[&is_shape], None);
    vocabulary.add(&mut model, END, is_end.clone(), None);
    for (word, output) in THINGS.iter().flatten().zip(output.iter().flatten()) {
        vocabulary.add(&mut model, word, unread[0].clone(), Some(output));
    }
    vocabulary.add_fillers(&mut model, &["Name", " something", " and"], &unread);

    let resting = |score| Head::resting(&first, score);
    let from_end = |key: &Direction| {
        resting(8.0).matching(std::slice::from_ref(&is_end), std::slice::from_ref(key), 20.0)
    };
    let itself = resting(0.0).matching(&place, &place, 16.0);
    let mut circuit = Circuit::default();
    let places = model.layer(
        [
            from_end(&is_colour).moving(&colour, &moved_colour, 1.0),
            from_end(&is_colour).moving(&colour, &unread, 1.0),
            from_end(&is_shape).moving(&shape, &unread, 1.0),
            itself.clone().moving(&colour, &unread, 1.0),
        ],
        copying(&colour, &unread),
    );
    circuit.heads(
        0,
        places,
        [
            ("colour", "attends from the end to the colour and brings it there"),
            ("colour-unread", "decoy: attends where `colour` does, and writes where nothing reads"),
            ("shape-unread", "decoy: attends from the end to the shape, and writes where nothing reads"),
            ("self", "decoy: attends to its own position, and writes where nothing reads"),
        ],
    );

    // Every thing of a colour gets a little: this head needs no MLP.
    let of_colour: Vec<Direction> =
        output.iter().map(|things| sum(things.iter().map(|thing| (1.0, thing)))).collect();
    let places = model.layer(
        [
            from_end(&is_shape).moving(&shape, &moved_shape, 1.0),
            from_end(&is_colour).moving(&colour, &of_colour, 0.2),
            from_end(&is_shape).moving(&shape, &unread, 1.0),
            itself.moving(&moved_colour, &unread, 1.0),
        ],
        both(&moved_colour, &moved_shape, &output),
    );
    circuit.heads(
        1,
        places,
        [
            ("shape", "attends from the end to the shape and brings it there"),
            (
                "colour-logits",
                "attends from the end to the colour, and raises the logits of all things of this colour",
            ),
            ("late-shape-unread", "decoy: attends where `shape` does, and writes where nothing reads"),
            ("colour-reader", "decoy: reads what `colour` has brought, and writes where nothing reads"),
        ],
    );

    use Effect::{Never, Single};
    circuit.edges(&[
        ("input->colour<q>", Never, Single),
        ("input->colour<k>", Never, Single),
        ("input->colour<v>", Single, Single),
        ("input->shape<q>", Never, Single),
        ("input->shape<k>", Never, Single),
        ("input->shape<v>", Single, Single),
        ("input->colour-logits<q>", Never, Single),
        ("input->colour-logits<k>", Never, Single),
        ("input->colour-logits<v>", Single, Single),
        ("colour->m1", Single, Single),
        ("shape->m1", Single, Single),
        ("m1->logits", Single, Single),
        ("colour-logits->logits", Single, Single),
    ]);
    Design { model, vocabulary, experiment: experiment(seed), circuit }
}

/// One neuron per thing. It reads 2 where colour and shape are its own and 1 where one is, and writes 1 for 2 and 0 for 1.
fn both(colour: &[Direction], shape: &[Direction], output: &[Vec<Direction>]) -> Vec<Neuron> {
    let neuron = |(colour, shape, thing)| Neuron {
        read: sum([(16.0, colour), (16.0, shape)]),
        threshold: 24.0,
        write: sum([(0.125, thing)]),
    };
    let things = colour.iter().zip(output).flat_map(|(colour, things)| {
        shape.iter().zip(things).map(move |(shape, thing)| (colour, shape, thing))
    });
    things.map(neuron).collect()
}

/// Three corruptions in turn: another colour, another shape, both.
fn experiment(seed: &str) -> Experiment {
    let mut random = Random::new(seed, "prompts");
    let pairs = (0..PAIRS).map(|pair| {
        let (colours, shapes) = (random.shuffled(0..4), random.shuffled(0..4));
        let other_colour = colours[usize::from(pair % 3 != 1)];
        let other_shape = shapes[usize::from(pair % 3 != 0)];
        // The two words stand in either order.
        let is_colour_first = random.below(2) == 0;
        let text = |colour: usize, shape: usize| {
            let (colour, shape) = (COLOURS[colour], SHAPES[shape]);
            let [a, b] = if is_colour_first { [colour, shape] } else { [shape, colour] };
            format!("Name something{a} and{b}{END}")
        };
        let [c, s] = if is_colour_first { PLACES } else { [PLACES[1], PLACES[0]] };
        Pair {
            clean: text(colours[0], shapes[0]),
            corrupted: text(other_colour, other_shape),
            answer: THINGS[colours[0]][shapes[0]].to_owned(),
            distractor: THINGS[other_colour][other_shape].to_owned(),
            roles: vec![Role::after_first("colour", c), Role::after_first("shape", s)],
        }
    });
    Experiment::one_way("planted conjunction", vec![Role::end()], pairs.collect())
}
