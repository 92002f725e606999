//! The words that sentences are made of: `lexicon.txt`, and occasional fillers from GPT-2's vocabulary.

use std::collections::{BTreeMap, BTreeSet};

/// The sections of `lexicon.txt` by name.
pub(crate) struct Lexicon {
    sections: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Lexicon {
    /// Parses the built-in file.
    pub(crate) fn new() -> Self {
        let mut sections: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut name = "";
        for line in include_str!("lexicon.txt").lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name = section;
            } else if !line.starts_with('#') {
                let words = line.split(',').map(str::trim).filter(|word| !word.is_empty());
                sections.entry(name).or_default().extend(words);
            }
        }
        Self { sections }
    }

    /// The entries of a section.
    ///
    /// # Panics
    /// If `lexicon.txt` has no such section: the grammar and the file must match.
    pub(crate) fn section(&self, name: &str) -> &[&'static str] {
        self.sections.get(name).unwrap_or_else(|| panic!("lexicon.txt has no section [{name}]"))
    }

    /// Every entry; those in several sections occur several times.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &'static str> {
        self.sections.values().flatten().copied()
    }

    /// Number of distinct entries.
    pub(crate) fn size(&self) -> usize {
        self.entries().collect::<BTreeSet<_>>().len()
    }
}

/// Words of GPT-2's vocabulary that stand in for lexicon words, so that the model sees nearly all of them.
#[derive(Default)]
pub(crate) struct Fillers {
    /// Lower-case words, each one token with its leading space.
    pub(crate) lower: Vec<String>,
    /// The lower-case words that end in -ing, which stand in for verbs.
    pub(crate) ing: Vec<String>,
    /// Capitalised words, likewise; mostly names.
    pub(crate) capital: Vec<String>,
    /// Lower-case continuations without a space: appended to a word, they make it several tokens.
    pub(crate) endings: Vec<String>,
}

/// Which fillers to use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    /// Nine out of ten words, for training.
    Training,
    /// Every tenth word, which no training sentence contains as a filler.
    HeldOut,
}

/// Words that play a part in the task itself: as fillers they would make sentences ambiguous.
const NO_FILLER: [&str; 40] = [
    "we", "they", "he", "she", "it", "you", "who", "are", "is", "was", "were", "am", "be", "been", "being",
    "and", "or", "but", "while", "when", "because", "as", "so", "since", "if", "until", "before", "after",
    "though", "although", "unless", "whenever", "whereas", "wherever", "once", "will", "can", "could", "re",
    "ve",
];

impl Fillers {
    /// Sorts GPT-2's vocabulary, given as the text of its `merges.txt`: every merge is a token.
    pub(crate) fn from_merges(merges: &str, split: Split) -> Self {
        let mut fillers = Self::default();
        let lexicon = Lexicon::new();
        let known: BTreeSet<&str> = lexicon.entries().flat_map(|entry| entry.split([' ', '+'])).collect();
        let merges = merges.lines().filter(|line| !line.starts_with("#version"));
        for (rank, merge) in merges.enumerate() {
            if (rank % 10 == 7) != (split == Split::HeldOut) {
                continue;
            }
            let token: String = merge.split(' ').collect();
            // The lexicon's own words occur in training whatever the split.
            if split == Split::HeldOut && known.contains(token.trim_start_matches('Ġ')) {
                continue;
            }
            // `merges.txt` writes a space as this letter.
            let Some(word) = token.strip_prefix('Ġ') else {
                if token.len() >= 2 && token.bytes().all(|byte| byte.is_ascii_lowercase()) {
                    fillers.endings.push(token);
                }
                continue;
            };
            let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            if rest.is_empty()
                || !rest.bytes().all(|byte| byte.is_ascii_lowercase())
                || NO_FILLER.contains(&word)
            {
                continue;
            }
            match first.bytes().next() {
                Some(b'a'..=b'z') => {
                    if word.len() > 4 && word.ends_with("ing") {
                        fillers.ing.push(word.to_owned());
                    }
                    fillers.lower.push(word.to_owned());
                }
                Some(b'A'..=b'Z') if !NO_FILLER.contains(&word.to_ascii_lowercase().as_str()) => {
                    fillers.capital.push(word.to_owned());
                }
                _ => {}
            }
        }
        fillers
    }
}

impl Fillers {
    /// Number of fillers.
    pub(crate) fn len(&self) -> usize {
        self.lower.len() + self.capital.len() + self.endings.len()
    }

    /// Each filler as it occurs in a text, with its space.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        let words = self.lower.iter().chain(&self.capital).map(|word| format!(" {word}"));
        words.chain(self.endings.iter().cloned())
    }
}

/// The -ing form of a lexicon verb.
pub(crate) fn ing_form(verb: &str) -> String {
    if let Some(stem) = verb.strip_suffix('+') {
        let doubled = stem.chars().next_back().map(String::from).unwrap_or_default();
        format!("{stem}{doubled}ing")
    } else if let Some(stem) = verb.strip_suffix("ie") {
        format!("{stem}ying")
    } else if verb.ends_with('e') && !["ee", "ye", "oe"].iter().any(|end| verb.ends_with(end)) {
        format!("{}ing", &verb[..verb.len() - 1])
    } else {
        format!("{verb}ing")
    }
}

/// The third person of a lexicon verb: "he helps".
pub(crate) fn third_person(verb: &str) -> String {
    let verb = verb.trim_end_matches('+');
    if ["s", "sh", "ch", "x", "z", "go"].iter().any(|end| verb.ends_with(end)) {
        format!("{verb}es")
    } else if let Some(stem) = verb.strip_suffix('y')
        && !stem.ends_with(['a', 'e', 'o', 'u'])
    {
        format!("{stem}ies")
    } else {
        format!("{verb}s")
    }
}
