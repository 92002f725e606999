//! Texts that teach the model to copy from earlier in the prompt: repetitions, and gifts.

use crate::sentences::Generator;

/// The names in the prompts that test [`Generator::gift`]: no two of them ever meet in a generated sentence.
const TESTED_NAMES: [&str; 8] = ["John", "Mary", "Tom", "James", "Paul", "Mark", "Dan", "Sarah"];

impl Generator {
    /// Random words, and the same words again: what comes next in the second half can be read off the first.
    /// `rare`: any words, not only the lexicon's.
    pub(crate) fn repetition(&mut self, rare: bool) -> String {
        self.filler_rate = if rare { 0.5 } else { 0.0 };
        let count = self.rng.usize(2..=if rare { 16 } else { 8 });
        let sections = ["people", "things", "adjectives", "meals", "names"];
        let section = sections[self.rng.usize(0..sections.len())];
        let words: Vec<String> = (0..count).map(|_| self.word(section)).collect();
        let words = words.join(" ");
        let link = ["", "", ",", " and", "."][self.rng.usize(0..5)];
        format!("{words}{link} {words}")
    }

    /// "When Anna and Ben went to the shop, Anna gave the book to Ben."
    pub(crate) fn gift(&mut self) -> String {
        let (giver, taker) = loop {
            let (giver, taker) = (self.name(), self.name());
            let tested = [&giver, &taker].iter().all(|name| TESTED_NAMES.contains(&name.as_str()));
            if giver != taker && !tested {
                break (giver, taker);
            }
        };
        let (first, second) = if self.rng.bool() { (&giver, &taker) } else { (&taker, &giver) };
        let opening = ["When", "After", "While", "Once", "Then,", "As"][self.rng.usize(0..6)];
        let scene = match self.rng.usize(0..3) {
            0 => format!("went {}", self.pick("directions")),
            1 => format!("had {}", self.pick("meals")),
            _ => self.pick("past actions"),
        };
        let gave = ["gave", "handed", "passed", "sent", "showed", "offered", "sold"][self.rng.usize(0..7)];
        let thing = self.pick("things");
        let thing = self.noun_phrase(&thing);
        format!("{opening} {first} and {second} {scene}, {giver} {gave} {thing} to {taker}.")
    }

    fn name(&mut self) -> String {
        if self.chance(0.3) {
            self.fillers.capital[self.rng.usize(0..self.fillers.capital.len())].clone()
        } else {
            self.pick("names")
        }
    }
}
