//! Which tokens of a prompt a role means.

use std::ops::Range;

use crate::experiment::{Anchor, Role};

/// A prompt in which roles are looked for.
#[derive(Debug)]
pub(crate) struct Prompt<'a> {
    /// The text as typed.
    pub text: &'a str,
    /// The bytes of the text that each of its tokens stands for, without `<|endoftext|>` in front.
    pub places: &'a [Range<usize>],
    /// 1 if `<|endoftext|>` stands in front, else 0.
    pub bos: usize,
    /// The answer's text.
    pub answer: &'a str,
    /// The distractor's text.
    pub distractor: &'a str,
    /// The positions at which it differs from its counterpart, ascending.
    pub differing: &'a [usize],
}

impl Prompt<'_> {
    /// The positions of a role's tokens, `<|endoftext|>` being counted. None: the prompt has no such role.
    pub(crate) fn find(&self, role: &Role) -> Option<Range<usize>> {
        let (first, end) = (self.bos, self.bos + self.places.len());
        let spans: Vec<Range<usize>> = match &role.at {
            _ if first == end => Vec::new(),
            Anchor::First => runs(&[first]),
            Anchor::Last => runs(&[end - 1]),
            Anchor::Changed => runs(self.differing),
            Anchor::Answer => self.words(self.answer),
            Anchor::Distractor => self.words(self.distractor),
            Anchor::Text(text) => self.words(text),
        };
        let nth = match role.nth {
            0 => return None,
            nth if nth > 0 => nth as usize - 1,
            nth => spans.len().checked_sub(nth.unsigned_abs() as usize)?,
        };
        let span = spans.get(nth)?.clone();
        let beside = match role.offset {
            0 => return Some(span),
            after if after > 0 => (span.end - 1).checked_add(after as usize)?,
            before => span.start.checked_sub(before.unsigned_abs() as usize)?,
        };
        (beside < end).then_some(beside..beside + 1)
    }

    /// The tokens of each place where a text stands as a whole word; spaces at its ends are not looked for.
    fn words(&self, text: &str) -> Vec<Range<usize>> {
        let word = text.trim();
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(start) = (!word.is_empty()).then(|| self.text[from..].find(word)).flatten() {
            let bytes = from + start..from + start + word.len();
            let before = self.text[..bytes.start].chars().next_back();
            let after = self.text[bytes.end..].chars().next();
            let alone = apart(before, word.chars().next()) && apart(word.chars().next_back(), after);
            from =
                if alone { bytes.end } else { bytes.start + word.chars().next().map_or(1, char::len_utf8) };
            let overlaps = |place: &Range<usize>| place.start < bytes.end && bytes.start < place.end;
            let (first, last) =
                (self.places.iter().position(overlaps), self.places.iter().rposition(overlaps));
            if let (true, Some(first), Some(last)) = (alone, first, last) {
                found.push(self.bos + first..self.bos + last + 1);
            }
        }
        found
    }
}

/// Whether a word may end between two characters.
fn apart(one: Option<char>, next: Option<char>) -> bool {
    let inside = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    !(inside(one) && inside(next))
}

/// Neighbouring positions together.
fn runs(positions: &[usize]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for &position in positions {
        match runs.last_mut() {
            Some(run) if run.end == position => run.end += 1,
            _ => runs.push(position..position + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::Tokenizer;

    const TEXT: &str = "When John and Anastasia met Johnson, John gave it to";

    fn find(at: Anchor, nth: i32, offset: i32) -> Option<String> {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let places = tokenizer.places(TEXT).expect("plain text");
        let ids = tokenizer.encode(TEXT, true).expect("plain text");
        let prompt = Prompt {
            text: TEXT,
            places: &places,
            bos: 1,
            answer: " Anastasia",
            distractor: " John",
            differing: &[2, 3, 7],
        };
        let role = Role { name: "r".to_owned(), at, nth, offset };
        let span = prompt.find(&role)?;
        Some(ids[span].iter().map(|&id| tokenizer.token(id).text).collect())
    }

    #[test]
    fn roles_are_whole_words_with_all_their_tokens() {
        let text = |text: &str| Anchor::Text(text.to_owned());
        for (at, nth, offset, found) in [
            (Anchor::First, 1, 0, Some("When")),
            (Anchor::Last, 1, 0, Some(" to")),
            (Anchor::Answer, 1, 0, Some(" Anastasia")),
            (Anchor::Answer, 1, 1, Some(" met")),
            (Anchor::Answer, 1, -1, Some(" and")),
            (Anchor::Distractor, 1, 0, Some(" John")),
            (Anchor::Distractor, 2, 1, Some(" gave")),
            (Anchor::Distractor, -1, 1, Some(" gave")),
            (Anchor::Distractor, 3, 0, None),
            (Anchor::Distractor, 0, 0, None),
            (Anchor::First, 1, -1, Some("<|endoftext|>")),
            (Anchor::First, 1, -2, None),
            (Anchor::Last, 1, 1, None),
            (text("gave it"), 1, 0, Some(" gave it")),
            (text(","), 1, 0, Some(",")),
            (text("son"), 1, 0, None),
            (text("  "), 1, 0, None),
        ] {
            assert_eq!(find(at.clone(), nth, offset).as_deref(), found, "{at:?} {nth} {offset}");
        }
        assert_eq!(runs(&[2, 3, 7]), [2..4, 7..8]);
    }
}
