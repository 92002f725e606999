//! Experiments that come with Patchlab. Each is an ordinary experiment document in `data/presets/`.

use serde::Serialize;

use crate::error::Result;
use crate::experiment::Experiment;

/// An experiment that comes with Patchlab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Preset {
    /// Name in the menu.
    pub name: &'static str,
    /// Where it comes from and what it tests.
    pub note: &'static str,
    /// The experiment document.
    pub experiment: Experiment,
}

/// Name, note and document of each preset.
const DOCUMENTS: [(&str, &str, &str); 4] = [
    (
        "Contractions",
        "Does a contraction in the first clause make the second one contract too? Eight groups: what is \
         contracted first, and the pronoun that follows.",
        include_str!("../data/presets/contractions.json"),
    ),
    (
        "Indirect object",
        "Who receives what is given? The task of Wang et al. 2022, \"Interpretability in the Wild\".",
        include_str!("../data/presets/ioi.json"),
    ),
    (
        "Greater than",
        "An end year must be later than the start year: clean prompts start late, corrupted ones in year 01 \
         (after Hanna et al. 2023, \"How does GPT-2 compute greater-than?\").",
        include_str!("../data/presets/greater-than.json"),
    ),
    (
        "Induction",
        "Words repeated from earlier in the prompt: what induction heads do (Olsson et al. 2022).",
        include_str!("../data/presets/induction.json"),
    ),
];

/// All presets; the first is the one the page opens with.
///
/// # Errors
/// [`crate::Error::Document`] if a built-in document is damaged.
pub fn presets() -> Result<Vec<Preset>> {
    let preset =
        |(name, note, document)| Ok(Preset { name, note, experiment: Experiment::from_json(document)? });
    DOCUMENTS.into_iter().map(preset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::tokenize;
    use crate::tokens::Tokenizer;

    #[test]
    fn every_preset_runs_as_it_is() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        for preset in presets().expect("built in") {
            let tokenized = tokenize(&preset.experiment, &tokenizer, Some(1024)).expect("plain text");
            assert_eq!(tokenized.problems(), [], "{}", preset.name);
        }
    }

    #[test]
    fn the_notebooks_groups_are_as_written_there() {
        let presets = presets().expect("built in");
        let groups = &presets[0].experiment.groups;
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        let as_there = ["'re they", "'re she", "'re he", "'re we", "'s she", "'s he", "'s we", "'s they"];
        assert_eq!(names, as_there);
        let cases = groups[7].cases();
        assert_eq!(cases.len(), 8);
        assert_eq!(cases[3].clean, "She is eating dinner together while they");
        assert_eq!((cases[3].answer, cases[3].distractor), (" are", "'re"));
        assert_eq!(cases[2].clean, cases[3].corrupted);
    }
}
