//! Rules that the compiler does not know: who may use what, and what no file may contain.
//!
//! Each test checks one rule on the repository's files, and that it catches a violation. Which package may
//! use which is Cargo's business; what Cargo does not refuse is asked of it here.

mod page;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use regex::Regex;
use serde_json::Value;
use walkdir::WalkDir;

/// The engine's modules in reading order, as in `lib.rs`: a module may use its own line and the lines above it.
const LAYERS: &[&[&str]] = &[
    &["place", "portion", "text"],
    &["error"],
    &["experiment", "lists", "names", "reference", "site", "tokens"],
    &["answers", "roles"],
    &["prompts", "presets"],
    &["model"],
    &["bootstrap", "device", "graph", "host", "metrics", "readback", "significance", "speed", "truth"],
    &["runs", "templates"],
    &["attribution", "circuits", "continuation", "gradients", "interventions"],
    &["figures"],
    &["recorded"],
    &["analyses"],
    &["notebook", "session"],
    &["protocol", "shards"],
];

/// Where the layers are.
const ENGINE: &str = "crate/engine/src/";

/// They work on numbers that are in the program's own memory, on the processor, or are tests and may wait.
const IN_MEMORY: [&str; 2] = ["crate/kernels/src/cpu.rs", "crate/kernels/src/tests.rs"];

/// Review a file at this length, its tests not counted: it usually holds two things.
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

    /// The path of the engine's module that the file is: `["model", "forward"]`.
    fn module(&self) -> Option<Vec<&str>> {
        let inside = self.path.strip_prefix(ENGINE)?.strip_suffix(".rs")?;
        let module: Vec<&str> = inside.split('/').filter(|&name| name != "mod").collect();
        (module != ["lib"]).then_some(module)
    }

    /// One message for each match in the file's code.
    fn matches(&self, pattern: &Regex, advice: &str) -> Vec<String> {
        let code = source::squeeze(source::code(&self.text));
        pattern
            .find_iter(&code)
            .map(|found| format!("{}: `{}`: {advice}", self.path, found.as_str()))
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

/// What Cargo says of the workspace. It may fetch what the lock file names, but change nothing.
fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .arg("--locked")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn only_web_knows_javascript() {
    let javascript =
        pattern("^(wasm-bindgen|js-sys|web-sys|gloo|serde-wasm-bindgen|console_error_panic_hook)");
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).expect("JSON");
    let mut users = BTreeSet::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        if dependencies
            .iter()
            .any(|dependency| javascript.is_match(dependency["name"].as_str().expect("a name")))
        {
            users.insert(package["name"].as_str().expect("a name"));
        }
    }
    assert_eq!(
        users,
        ["patchlab-web"].into(),
        "only crate/web knows JavaScript. Pass plain data to the others."
    );
}

#[test]
fn the_module_holds_nothing_that_only_native_programs_need() {
    let tree = ["tree", "--package", "patchlab-web", "--target", "wasm32-unknown-unknown"];
    let tree = cargo(&[&tree[..], &["--edges", "normal", "--prefix", "none", "--format", "{p}"]].concat());
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(
        names.contains("burn-flex") && names.contains("web-sys"),
        "this is not the module's tree: {names:?}"
    );
    for native in ["anyhow", "burn-autodiff", "clap", "pollster", "ts-rs"] {
        assert!(
            !names.contains(native),
            "{native} is in the page's module: `cargo tree -p patchlab-web -i {native}`"
        );
    }
}

#[test]
fn one_file_picks_the_device() {
    let names = pattern(r"\bDevice::(default|flex|wgpu|cuda|cpu|ndarray)\w*\(|\bwgpu_options\b");
    let rule = |file: &File| {
        let ours = file.path.starts_with(ENGINE) || file.path.starts_with("crate/web/src/");
        if !ours || file.path == "crate/engine/src/device.rs" {
            return Vec::new();
        }
        file.matches(
            &names,
            "only crate/engine/src/device.rs picks a device. Take the device, or the model that is on it, as an \
             argument.",
        )
    };
    enforce(
        rule,
        &[
            File::new("crate/engine/src/session.rs", "let device = Device::flex();"),
            File::new("crate/web/src/engine.rs", "#[cfg(test)] mod tests {} let device = Device::wgpu(0);"),
        ],
    );
}

#[test]
fn one_file_reads_back() {
    let names = pattern(
        r"\.(into_data|to_data|into_scalar|to_scalar|into_data_async|to_data_async|into_scalar_async|execute_async)\(|\bTransaction\b",
    );
    let rule = |file: &File| {
        let ours =
            [ENGINE, "crate/kernels/src/", "crate/web/src/"].iter().any(|ours| file.path.starts_with(ours));
        if !ours || file.path == "crate/engine/src/readback.rs" || IN_MEMORY.contains(&file.path.as_str()) {
            return Vec::new();
        }
        file.matches(
            &names,
            "only crate/engine/src/readback.rs reads results back. Use readback::read, or Reads for several tensors \
             at once.",
        )
    };
    enforce(
        rule,
        &[
            File::new("crate/engine/src/analyses/x.rs", "let x = logits.into_data();"),
            File::new("crate/engine/src/analyses/x.rs", "let at = \"https://a\"; let x = logits.to_data();"),
            File::new("crate/engine/src/analyses/x.rs", "use burn::tensor::Transaction;"),
        ],
    );
}

#[test]
fn modules_use_only_what_stands_left_of_them() {
    let place = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let rule = |file: &File| {
        let Some(module) = file.module() else { return Vec::new() };
        let Some(own) = place(module[0]) else {
            return vec![format!(
                "{}: module `{}` has no place yet. Give it one in LAYERS in tests/tidy.rs.",
                file.path, module[0]
            )];
        };
        let wrong = |used: &String| match place(used) {
            Some(other) if other <= own => None,
            Some(_) => Some(format!(
                "{}: `{}` uses `{used}`, which stands right of it. Move what is shared to the left, or pass it in as \
                 data. The order is LAYERS in tests/tidy.rs.",
                file.path, module[0]
            )),
            // The names that the crate's root re-exports are for users of the crate.
            None => Some(format!(
                "{}: `crate::{used}` is no module of LAYERS. Name the module that it comes from, or give the module \
                 its place in tests/tidy.rs.",
                file.path
            )),
        };
        source::root_modules(source::code(&file.text), module.len()).iter().filter_map(wrong).collect()
    };
    enforce(
        rule,
        &[
            File::new("crate/engine/src/model/forward.rs", "use crate::analyses::Analysis;"),
            File::new("crate/engine/src/model/forward.rs", "use super::super::analyses::Analysis;"),
            File::new(
                "crate/engine/src/report.rs",
                "use crate::{error::{Error, Result},\n session::Session};",
            ),
            File::new("crate/engine/src/surprise.rs", ""),
            File::new("crate/engine/src/session.rs", "use crate::Surprise;"),
        ],
    );
    let modules: BTreeSet<String> =
        repository().iter().filter_map(|file| Some(file.module()?[0].to_owned())).collect();
    let gone: Vec<_> = LAYERS.concat().into_iter().filter(|&module| !modules.contains(module)).collect();
    assert!(gone.is_empty(), "LAYERS in tests/tidy.rs names modules that do not exist: {gone:?}");
}

#[test]
fn files_stay_short_enough_to_review() {
    let rule = |file: &File| {
        let lines = match file.path.rsplit('.').next() {
            Some("rs") => file.text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count(),
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
