//! Experiments as lists of pairs, as scripts and spreadsheets write them: a JSON object on each line, or a table with a header.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::experiment::{Experiment, Group, Pair, Role, yes};

/// A pair, and the group that it belongs to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    clean: String,
    #[serde(default)]
    corrupted: String,
    answer: String,
    distractor: String,
    #[serde(default)]
    group: String,
    #[serde(default = "yes")]
    symmetric: bool,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    more_answers: Vec<String>,
    #[serde(default)]
    more_distractors: Vec<String>,
}

/// The columns of a table, as they are named in its header. The first three are needed.
const COLUMNS: [&str; 8] =
    ["clean", "answer", "distractor", "corrupted", "group", "symmetric", "more_answers", "more_distractors"];

impl Experiment {
    /// Reads an experiment from the text of a file: the document (docs/experiment.md), JSON lines, or a table separated by commas,
    /// semicolons or tabs.
    ///
    /// # Errors
    /// [`Error::Document`] that says in which line something is wrong.
    pub fn read(text: &str) -> Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let is_json = text.trim_start().starts_with(['{', '[']);
        // A document may be written on one line, too; it has no prompts on its first level.
        let first = text.trim_start().lines().next().unwrap_or_default();
        let is_line = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line.get("clean").is_some())
        };
        match (is_json, is_line(first)) {
            (true, false) => Self::from_json(text),
            (true, true) => of_lines(json_lines(text)),
            (false, _) => of_lines(table(text)?.into_iter()),
        }
    }
}

/// A line of the file, from 1, and what it says.
type Numbered = (u64, Result<Line, String>);

/// Groups in the order in which they are first named.
fn of_lines(lines: impl Iterator<Item = Numbered>) -> Result<Experiment> {
    let mut groups: Vec<Group> = Vec::new();
    for (number, line) in lines {
        let line = line.map_err(|what| Error::Document(format!("line {number}: {what:.300}")))?;
        let name = if line.group.is_empty() { "pairs".to_owned() } else { line.group };
        let place = groups.iter().rposition(|group| group.name == name).unwrap_or_else(|| {
            groups.push(Group { name, symmetric: line.symmetric, roles: Vec::new(), pairs: Vec::new() });
            groups.len() - 1
        });
        let symmetric = line.symmetric;
        let group = &mut groups[place];
        if group.symmetric != symmetric {
            return Err(Error::Document(format!(
                "line {number}: the pairs of group {:?} are partly symmetric. Put the others into a group of their own",
                group.name
            )));
        }
        group.pairs.push(Pair {
            clean: line.clean,
            corrupted: line.corrupted,
            answer: line.answer,
            distractor: line.distractor,
            more_answers: line.more_answers,
            more_distractors: line.more_distractors,
            roles: line.roles,
        });
    }
    if groups.is_empty() {
        return Err(Error::Document("it has no pairs".to_owned()));
    }
    Ok(Experiment { groups, prepend_bos: true })
}

fn json_lines(text: &str) -> impl Iterator<Item = Numbered> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| (number, serde_json::from_str(line).map_err(|error| error.to_string())))
}

/// A table with a header. Spaces within fields are kept: most answers begin with one.
fn table(text: &str) -> Result<Vec<Numbered>> {
    let header = text.lines().next().unwrap_or_default();
    let separator = ['\t', ';', ','].into_iter().find(|&separator| header.contains(separator));
    let refused = |what: String| Error::Document(format!("{what:.300}"));
    let Some(separator) = separator else {
        return Err(refused(
            "it is neither an experiment document, nor JSON lines, nor a table with a header like clean,corrupted,answer,distractor"
                .to_owned(),
        ));
    };
    let mut records = records(text, separator).into_iter();
    let header = records.next().map(|(_, fields)| fields).unwrap_or_default();
    let names: Vec<String> = header.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    if let Some(name) = names.iter().find(|name| !COLUMNS.contains(&name.as_str())) {
        return Err(refused(format!(
            "line 1: there is no column {name:.40?}. A table has {}",
            COLUMNS.join(", ")
        )));
    }
    if let Some(missing) = COLUMNS[..3].iter().find(|name| !names.iter().any(|known| known == *name)) {
        return Err(refused(format!("line 1: the column {missing:?} is missing")));
    }
    let line = |(number, fields): (u64, Vec<String>)| {
        let count = fields.len();
        let field = |name: &str| {
            let place = names.iter().position(|known| known == name);
            place.and_then(|place| fields.get(place)).cloned().unwrap_or_default()
        };
        // Several tokens, of which most begin with a space that counts.
        let several = |name: &str| -> Vec<String> {
            field(name).split('|').filter(|one| !one.is_empty()).map(str::to_owned).collect()
        };
        let symmetric = match field("symmetric").trim().to_ascii_lowercase().as_str() {
            _ if count != names.len() => {
                Err(format!("the header has {} fields, and this line has {count}", names.len()))
            }
            "" | "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            other => Err(format!("symmetric is {other:.40?}, and must be true or false")),
        };
        let line = symmetric.map(|symmetric| Line {
            clean: field("clean"),
            corrupted: field("corrupted"),
            answer: field("answer"),
            distractor: field("distractor"),
            group: field("group").trim().to_owned(),
            symmetric,
            roles: Vec::new(),
            more_answers: several("more_answers"),
            more_distractors: several("more_distractors"),
        });
        (number, line)
    };
    Ok(records.map(line).collect())
}

/// The records of a table (RFC 4180), each with the line on which it begins. A field in quotes may hold separators, line breaks, and
/// quotes written twice. Blank lines are left out.
fn records(text: &str, separator: char) -> Vec<(u64, Vec<String>)> {
    let (mut records, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut first, mut quoted) = (1, 1, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        line += u64::from(character == '\n');
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted || field.is_empty() => quoted = !quoted,
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut field));
                records.push((first, std::mem::take(&mut fields)));
                first = line;
            }
            character if character == separator && !quoted => fields.push(std::mem::take(&mut field)),
            character => field.push(character),
        }
    }
    fields.push(field);
    records.push((first, fields));
    records.retain(|(_, fields)| fields.iter().any(|field| !field.trim().is_empty()));
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, bool, usize)> {
        let experiment = Experiment::read(text).expect(text);
        experiment.groups.into_iter().map(|group| (group.name, group.symmetric, group.pairs.len())).collect()
    }

    #[test]
    fn lists_are_read_as_scripts_and_spreadsheets_write_them() {
        let lines = r#"{"clean":"a","corrupted":"b","answer":" x","distractor":" y","group":"one"}

            {"clean":"c","answer":" x","distractor":" y","group":"two","symmetric":false,"roles":[{"name":"end","at":"last"}]}
            {"clean":"d","corrupted":"e","answer":" x","distractor":" y","group":"one"}"#;
        assert_eq!(read(lines), [("one".to_owned(), true, 2), ("two".to_owned(), false, 1)]);
        assert_eq!(Experiment::read(lines).expect("lines").groups[1].pairs[0].roles.len(), 1);
        for text in [
            "\u{feff}clean,corrupted,answer,distractor\r\n\"We're here, they\",\"We are \"\"here\"\", they\",'re, are\r\nc,d, x, y\r\n",
            "Clean;Corrupted;Answer;Distractor\n\"We're here, they\";\"We are \"\"here\"\", they\";'re; are\nc;d; x; y",
            "distractor\tanswer\tclean\tcorrupted\n are\t're\tWe're here, they\t\"We are \"\"here\"\", they\"\n y\t x\tc\td",
        ] {
            let experiment = Experiment::read(text).expect(text);
            let pair = &experiment.groups[0].pairs[0];
            assert_eq!(
                (pair.clean.as_str(), pair.corrupted.as_str()),
                ("We're here, they", "We are \"here\", they")
            );
            assert_eq!((pair.answer.as_str(), pair.distractor.as_str()), ("'re", " are"));
            assert_eq!(experiment.groups[0].pairs.len(), 2);
        }
        let document = r#"{"groups":[{"name":"g","pairs":[{"clean":"a","corrupted":"b","answer":"c","distractor":"d"}]}]}"#;
        assert_eq!(read(document), [("g".to_owned(), true, 1)]);
    }

    #[test]
    fn fields_in_quotes_hold_anything() {
        let text = "a,\"b\"\"c\",\"d\ne\"\r\n\r\nf\"g,,\"\"\n";
        let found = records(text, ',');
        assert_eq!(found[0], (1, vec!["a".to_owned(), "b\"c".to_owned(), "d\ne".to_owned()]));
        assert_eq!(found[1], (4, vec!["f\"g".to_owned(), String::new(), String::new()]));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, said) in [
            ("", "neither"),
            ("some text", "neither"),
            ("clean,corupted,answer,distractor\n", "\"corupted\""),
            ("clean,corrupted,answer\n", "\"distractor\" is missing"),
            ("clean,answer,distractor\n", "no pairs"),
            ("clean,answer,distractor\na,b\n", "line 2"),
            ("clean,answer,distractor,symmetric\na,b,c,maybe\n", "line 2: symmetric is \"maybe\""),
            ("clean,answer,distractor,symmetric\na,b,c,no\nd,e,f,yes\n", "line 3"),
            (
                "{\"clean\":\"a\",\"answer\":\"b\",\"distractor\":\"c\"}\n{\"clean\":\"a\"}",
                "line 2: missing field",
            ),
            (
                "{\"clean\":\"a\",\"answer\":\"b\",\"distractor\":\"c\",\"anwser\":\"d\"}",
                "line 1: unknown field",
            ),
        ] {
            let error = Experiment::read(text).expect_err(text).to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
