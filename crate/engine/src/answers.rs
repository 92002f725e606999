//! The tokens that a prompt's next token is compared between: the right ones and the others, one or a set of each.

use crate::tokens::Tokenizer;

/// The answers and the distractors of a prompt, at least one of each. A set stands for what its tokens have in common: its logit is
/// the mean of theirs, which keeps logit differences linear in the residual stream, its probability their sum.
pub type Compared = [Vec<u32>; 2];

/// What is said where the two sets share a token.
pub(crate) const SAME: &str =
    "Answer and distractor are the same token, so their logit difference says nothing.";

/// The first of each of these texts' tokens, and all further ones, each once.
pub(crate) fn compared(first: [&[u32]; 2], further: &[Vec<Vec<u32>>; 2]) -> Compared {
    [0, 1].map(|which| {
        let mut set: Vec<u32> = Vec::new();
        let texts = std::iter::once(first[which]).chain(further[which].iter().map(Vec::as_slice));
        for &id in texts.filter_map(<[u32]>::first) {
            if !set.contains(&id) {
                set.push(id);
            }
        }
        set
    })
}

/// Whether a token is both an answer and a distractor.
pub(crate) fn share_a_token([answers, distractors]: &Compared) -> bool {
    answers.iter().any(|id| distractors.contains(id))
}

/// How many of an answer's tokens a message lists; somebody may paste a whole page.
const LONGEST_LIST: usize = 12;

/// How many characters of a token a message shows; a hostile vocabulary may have tokens of any length.
const LONGEST_PIECE: usize = 40;

/// What is wrong with an answer: code and message. None if nothing is.
pub(crate) fn answer_fault(text: &str, ids: &[u32], tokenizer: &Tokenizer) -> Option<(&'static str, String)> {
    if ids.is_empty() {
        return Some((
            "empty-answer",
            "Type the one token that is compared, with its space if it has one.".to_owned(),
        ));
    }
    if ids.len() == 1 {
        return None;
    }
    let listed = ids.iter().take(LONGEST_LIST);
    let piece = |&id| tokenizer.token(id).text.chars().take(LONGEST_PIECE).collect::<String>();
    let pieces: Vec<String> = listed.map(|id| format!("{:?}", piece(id))).collect();
    let more = if ids.len() > LONGEST_LIST { " ..." } else { "" };
    let spaced = format!(" {text}");
    let hint = match tokenizer.encode(&spaced, false) {
        Ok(ids) if ids.len() == 1 && !text.starts_with(' ') && text.len() <= LONGEST_PIECE => {
            format!(" With a space in front, {spaced:?} is one token.")
        }
        _ => curly_hint(text, tokenizer).unwrap_or_default(),
    };
    Some((
        "many-tokens",
        format!("An answer must be one token; this is {}: {}{more}.{hint}", ids.len(), pieces.join(" ")),
    ))
}

/// Phones and word processors write another apostrophe than the one that GPT-2 has tokens with.
fn curly_hint(text: &str, tokenizer: &Tokenizer) -> Option<String> {
    let straight = text.replace(['\u{2018}', '\u{2019}', '\u{2bc}'], "'");
    let is_one = straight != text && tokenizer.encode(&straight, false).is_ok_and(|ids| ids.len() == 1);
    is_one.then(|| {
        format!(" It has a curly apostrophe (\u{2019}); with the straight one, {straight:?} is one token.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_counts_once_and_must_not_stand_on_both_sides() {
        let sets = compared([&[5], &[7]], &[vec![vec![6], vec![5], vec![6]], vec![]]);
        assert_eq!(sets, [vec![5, 6], vec![7]]);
        assert!(!share_a_token(&sets));
        assert!(share_a_token(&compared([&[5], &[7]], &[vec![vec![6]], vec![vec![6]]])));
    }

    #[test]
    fn a_missing_space_is_suggested_never_added() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let text = "indirectly";
        let ids = tokenizer.encode(text, false).expect("plain text");
        assert!(ids.len() > 1);
        let (_, message) = answer_fault(text, &ids, &tokenizer).expect("several tokens");
        assert!(message.contains("\" indirectly\" is one token"), "{message}");
    }

    #[test]
    fn a_curly_apostrophe_is_named_where_a_straight_one_would_do() {
        let tokenizer = Tokenizer::gpt2().expect("built in");
        let said = |answer: &str| {
            let ids = tokenizer.encode(answer, false).expect("plain text");
            answer_fault(answer, &ids, &tokenizer).map_or_else(String::new, |(_, message)| message)
        };
        assert!(said("\u{2019}re").contains("curly apostrophe"), "{}", said("\u{2019}re"));
        assert!(!said("\u{2019}tis of thee").contains("curly"));
        assert!(!said("two words").contains("curly"));
    }
}
