//! Rules that the compiler does not know: who may use what, and what no file may contain.
//!
//! Each test checks one rule on the repository's files, and that it catches a violation. Rules read source
//! text without comments and test modules; what a rule cannot see is left to the reviewer.

use std::fs;
use std::path::Path;

use regex::Regex;
use walkdir::WalkDir;

/// The modules of `crate/src` in reading order, as in `lib.rs`: a module may use its own line and the lines
/// above it. The native command, `main.rs` and `cli/`, is outside and uses the library like any other
/// program.
const LAYERS: &[&[&str]] = &[
    &["error", "experiment", "reference", "report", "site", "unit"],
    &["tokens", "prompts", "presets"],
    &["model"],
    &["bootstrap", "device", "host", "metrics", "readback"],
    &["runs", "summary"],
    &["attribution", "patching"],
    &["analyses"],
    &["notebook", "session"],
    &["types", "web"],
];

/// Maximum lines of a file, its tests not counted: a longer one usually does two things and should be split.
const LONGEST: usize = 400;

/// A file of the repository.
struct File {
    /// The path from the root, with forward slashes.
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn is(&self, extensions: &[&str]) -> bool {
        extensions.iter().any(|extension| self.path.ends_with(&format!(".{extension}")))
    }

    /// Rust code that ends up in the program: numbered lines without comments, up to the test module.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]")
            .map(|line| line.split("//").next().unwrap_or_default())
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// The module of `crate/src` that the file belongs to.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("crate/src/")?;
        let module = inside.split('/').next()?.trim_end_matches(".rs");
        (!matches!(module, "lib" | "main" | "cli")).then_some(module)
    }

    /// One message for each line of code that matches.
    fn matches(&self, pattern: &Regex, advice: &str) -> Vec<String> {
        self.code()
            .filter(|(_, line)| pattern.is_match(line))
            .map(|(number, line)| format!("{}:{number}: `{}`: {advice}", self.path, line.trim()))
            .collect()
    }
}

/// All text files that git would keep.
fn repository() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root");
    let skipped = [".git", "target", "dist", "node_modules"];
    WalkDir::new(root)
        .into_iter()
        .filter_entry(|entry| !skipped.iter().any(|name| entry.file_name().to_str() == Some(name)))
        .filter_map(|entry| {
            let entry = entry.expect("the repository can be read");
            let path = entry.path().strip_prefix(root).expect("below the root");
            let path = path.to_str()?.replace('\\', "/");
            let text = entry.file_type().is_file().then(|| fs::read_to_string(entry.path()).ok())??;
            Some(File { path, text })
        })
        .collect()
}

/// The file that works on tensors in main memory and therefore never blocks.
const ONE_PASS: &str = "crate/src/model/fused.rs";

/// Checks that `rule` finds `violation`, and finds nothing in the repository.
fn enforce(rule: impl Fn(&File) -> Vec<String>, violations: &[File]) {
    for violation in violations {
        let caught = rule(violation);
        assert!(!caught.is_empty(), "the rule overlooks {}: {}", violation.path, violation.text);
    }
    let found: Vec<String> = repository().iter().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

#[test]
fn only_web_knows_javascript() {
    let names =
        pattern(r"\b(wasm_bindgen\w*|js_sys|web_sys|gloo\w*|serde_wasm_bindgen|console_error_panic_hook)\b");
    let rule = |file: &File| match file.module() {
        Some("web") => Vec::new(),
        None if !file.path.starts_with("crate/src/") => Vec::new(),
        _ => {
            file.matches(&names, "only crate/src/web/ knows JavaScript. Move it there, and pass plain data.")
        }
    };
    enforce(
        rule,
        &[
            File::new("crate/src/model/source.rs", "use web_sys::Response;"),
            File::new("crate/src/lib.rs", "use gloo::net::http;"),
        ],
    );
}

#[test]
fn one_file_picks_the_device() {
    let names = pattern(r"\bDevice::(default|flex|wgpu|cuda|cpu|ndarray)\w*\(|\bwgpu_options\b");
    let rule = |file: &File| {
        match file.module() {
        Some(module) if module != "device" && file.path != ONE_PASS => file.matches(
            &names,
            "only crate/src/device.rs picks a device. Take the device, or the model that is on it, as an argument.",
        ),
        _ => Vec::new(),
    }
    };
    enforce(rule, &[File::new("crate/src/session.rs", "let device = Device::flex();")]);
}

#[test]
fn one_file_reads_back() {
    let names = pattern(
        r"\.(into_data|to_data|into_scalar|to_scalar|into_data_async|to_data_async|into_scalar_async|execute_async)\(|\bTransaction\b",
    );
    let rule = |file: &File| {
        match file.module() {
        Some(module) if module != "readback" && file.path != ONE_PASS => file.matches(
            &names,
            "only crate/src/readback.rs reads results back. Use readback::read, or Reads for several tensors at once.",
        ),
        _ => Vec::new(),
    }
    };
    enforce(
        rule,
        &[
            File::new("crate/src/analyses/x.rs", "let x = logits.into_data();"),
            File::new("crate/src/analyses/x.rs", "use burn::tensor::Transaction;"),
        ],
    );
}

#[test]
fn modules_use_only_what_stands_left_of_them() {
    let place = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let rule = |file: &File| {
        let Some(module) = file.module() else { return Vec::new() };
        let Some(own) = place(module) else {
            return vec![format!(
                "{}: module `{module}` has no place yet. Give it one in LAYERS in tests/tidy.rs.",
                file.path
            )];
        };
        let wrong = |used: &str| match place(used) {
            Some(other) if other <= own => None,
            Some(_) => Some(format!(
                "{}: `{module}` uses `{used}`, which stands right of it. Move what is shared to the left, or pass \
                 it in as data. The order is LAYERS in tests/tidy.rs.",
                file.path
            )),
            // The names that the crate's root re-exports are for users of the crate.
            None => Some(format!(
                "{}: `crate::{used}` is no module of LAYERS. Name the module that it comes from, or give the \
                 module its place in tests/tidy.rs.",
                file.path
            )),
        };
        used_modules(file).iter().filter_map(|used| wrong(used)).collect()
    };
    enforce(
        rule,
        &[
            File::new("crate/src/model/forward.rs", "use crate::analyses::Analysis;"),
            File::new("crate/src/report.rs", "use crate::{error::{Error, Result},\n web::Page};"),
            File::new("crate/src/surprise.rs", ""),
            File::new("crate/src/web/mod.rs", "use crate::Surprise;"),
        ],
    );
}

/// The names directly after `crate::` in the file's code, single or in braces.
fn used_modules(file: &File) -> Vec<String> {
    let code: Vec<&str> = file.code().map(|(_, line)| line).collect();
    let code = code.join("\n");
    let name = |path: &str| -> String {
        path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut used = Vec::new();
    for path in code.split("crate::").skip(1) {
        let Some(group) = path.strip_prefix('{') else {
            used.push(name(path));
            continue;
        };
        used.push(name(group));
        let mut depth = 1;
        for (at, character) in group.char_indices() {
            depth += i32::from(character == '{') - i32::from(character == '}');
            if depth == 0 {
                break;
            }
            if depth == 1 && character == ',' {
                used.push(name(&group[at + 1..]));
            }
        }
    }
    used.retain(|name| !name.is_empty());
    used
}

#[test]
fn braces_are_read() {
    let file =
        File::new("crate/src/x.rs", "use crate::{a::{b, c},\n d, e::{self},\n};\nfn f() { crate::g::h() }");
    assert_eq!(used_modules(&file), ["a", "d", "e", "g"]);
}

#[test]
fn the_page_never_runs_text_as_code() {
    // Reading `outerHTML` escapes text: that is how a report becomes a file. Writing it is the danger.
    let script = pattern(
        r"\beval\s*\(|\bnew Function\b|\.innerHTML\b|\.outerHTML\s*\+?=|insertAdjacentHTML|document\.write|setTimeout\(\s*[\x22'`]|javascript:",
    );
    let handler = pattern(r"(?i)<[^>]*\son[a-z]+\s*=");
    let rule = |file: &File| {
        let ours = file.path.starts_with("www/") || file.path == "index.html";
        if !ours || !file.is(&["js", "mjs", "html"]) {
            return Vec::new();
        }
        let lines = file.text.lines().enumerate();
        lines
            .filter(|(_, line)| {
                !line.trim_start().starts_with(['/', '*']) && (script.is_match(line) || handler.is_match(line))
            })
            .map(|(index, line)| {
                format!(
                    "{}:{}: `{}`: prompts and files are data. Build elements with createElement and textContent, and \
                     add handlers with addEventListener.",
                    file.path,
                    index + 1,
                    line.trim()
                )
            })
            .collect()
    };
    enforce(
        rule,
        &[
            File::new("www/editor.js", "cell.innerHTML = prompt;"),
            File::new("www/editor.js", "cell.outerHTML = prompt;"),
            File::new("www/editor.js", "cell.outerHTML += prompt;"),
            File::new("www/link.js", "eval(link);"),
            File::new("index.html", "<button class=\"a\" onclick=\"run()\">"),
        ],
    );
}

#[test]
fn files_stay_short_enough_to_review() {
    let rule = |file: &File| {
        let lines = match file.path.rsplit('.').next() {
            Some("rs") => file.code().count(),
            Some("js" | "mjs" | "css") => file.text.lines().count(),
            _ => 0,
        };
        if lines <= LONGEST {
            return Vec::new();
        }
        vec![format!("{}: {lines} lines, more than {LONGEST}. Split it by what it is about.", file.path)]
    };
    enforce(rule, &[File::new("www/main.js", &"x;\n".repeat(LONGEST + 1))]);
}

#[test]
fn no_file_names_a_machine() {
    // Assembled here, so that this file does not break its own rule.
    let folders = ["work", "root", "farm", "home", "Users"].join("|");
    let folder = pattern(&format!(r#"(^|[\s"'`(=:])/({folders})/"#));
    let hosts =
        ["registry.npmjs", "static.crates", "index.crates", "pythonhosted", "deb.debian"].join(r"\.|");
    let host = pattern(&format!(r#"({hosts}\.)|"resolved":"#));
    let rule = |file: &File| {
        let lines = file.text.lines().enumerate();
        let own = "tests/tidy.rs";
        lines
            .filter(|(_, line)| file.path != own && (folder.is_match(line) || host.is_match(line)))
            .map(|(index, line)| {
                let start: String = line.trim().chars().take(100).collect();
                format!(
                    "{}:{}: `{start}`: this names one machine's folder or a package registry's host. Use a relative \
                     path; write package-lock.json with `npm install --omit-lockfile-registry-resolved`.",
                    file.path,
                    index + 1
                )
            })
            .collect()
    };
    let place = ["", "work", "main"].join("/");
    enforce(
        rule,
        &[
            File::new("docs/a.md", &format!("see {place}/dist")),
            File::new("tests/browser/package-lock.json", "\"resolved\": \"https://example.org/a.tgz\""),
        ],
    );
}
