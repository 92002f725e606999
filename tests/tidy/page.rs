//! Rules about the page's scripts.

use super::{File, enforce, pattern};

/// The page's folders, in the order of the arrows: a module may use only what stands above it or beside it. `.` is what lies in
/// `www/` itself, but for the last row.
const FLOORS: &[&[&str]] = &[
    &["vendor", "types"],
    &["."],
    &["store", "engine"],
    &["reports"],
    &["exports"],
    &["study"],
    &["editor", "inspector", "opening"],
    &["shell"],
    &["address", "app", "main"],
];

#[test]
fn the_page_s_arrows_run_one_way() {
    let import = pattern(r"(?m)^(?:import|export)\b[^;]*?\bfrom '(\.[^']+)'|\bimport\('(\.[^']+)'\)");
    let floor = |path: &str| {
        let inside = path.strip_prefix("www/")?;
        let folder = inside.split_once('/').map_or(".", |(folder, _)| folder);
        let name = inside.strip_suffix(".js").unwrap_or(inside);
        let named = |names: &&[&str]| names.contains(&folder);
        FLOORS.iter().position(|names| names.contains(&name)).or_else(|| FLOORS.iter().position(named))
    };
    let rule = |file: &File| {
        if !file.path.starts_with("www/") || !file.is(&["js"]) || file.path.starts_with("www/sw/") {
            return Vec::new();
        }
        let Some(own) = floor(&file.path) else {
            return vec![format!("{}: its folder has no place in FLOORS in tests/tidy.rs.", file.path)];
        };
        let wrong = |found: regex::Captures<'_>| {
            let used = found.get(1).or_else(|| found.get(2))?.as_str();
            let target = resolve(&file.path, used);
            // A part that is loaded when it is asked for may use all that is loaded before.
            let is_late = found.get(2).is_some();
            match floor(&target) {
                Some(other) if other <= own || is_late => None,
                Some(_) => Some(format!(
                    "{}: uses {target}, which stands below it. Move what is shared up, or hand it in. The order is \
                     FLOORS in tests/tidy.rs.",
                    file.path
                )),
                None => Some(format!("{}: {target} has no place in FLOORS in tests/tidy.rs.", file.path)),
            }
        };
        import.captures_iter(&file.text).filter_map(wrong).collect()
    };
    enforce(
        rule,
        &[
            File::new("www/reports/table.js", "import { Study } from '../study/study.js';"),
            File::new("www/store/store.js", "import {\n  drawPart,\n} from '../reports/index.js';"),
            File::new("www/dom.js", "export { Store } from './store/store.js';"),
            File::new("www/surprise/new.js", ""),
        ],
    );
}

/// The path that a module specifier names, seen from a file.
fn resolve(from: &str, specifier: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in specifier.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The lines of a file that are wrong, each with what to do about it.
fn complaints(file: &File, wrong: impl Fn(&str) -> bool, advice: &str) -> Vec<String> {
    let lines = file.text.lines().enumerate().filter(|(_, line)| wrong(line));
    lines.map(|(index, line)| format!("{}:{}: `{}`: {advice}", file.path, index + 1, line.trim())).collect()
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
        let wrong = |line: &str| {
            !line.trim_start().starts_with(['/', '*']) && (script.is_match(line) || handler.is_match(line))
        };
        complaints(
            file,
            wrong,
            "prompts and files are data. Build elements with createElement and textContent, and add handlers with \
             addEventListener.",
        )
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
fn sizes_of_text_corners_and_layers_have_names() {
    let size = pattern(r"\bfont(-size)?:[^;/]*?\d(px|rem|pt)");
    let layer = pattern(r"\bz-index: *-?\d");
    let rule = |file: &File| {
        if !file.path.starts_with("www/css/") {
            return Vec::new();
        }
        let wrong = |line: &str| {
            let corner = line.split_once("border-radius: ").map(|(_, value)| value);
            let named = |value: &str| {
                // Circles, and the ends of thin bars.
                value.starts_with("50%") || value.starts_with("1px") || value.contains("var(--radius)")
            };
            size.is_match(line) || layer.is_match(line) || corner.is_some_and(|value| !named(value))
        };
        complaints(file, wrong, "use a size, the radius or a layer of www/css/base.css.")
    };
    enforce(
        rule,
        &[
            File::new("www/css/a.css", ".a { font-size: 12.5px; }"),
            File::new("www/css/a.css", ".a { font: 700 20px/1.3 var(--serif); }"),
            File::new("www/css/a.css", ".a { border-radius: 8px; }"),
            File::new("www/css/a.css", ".a { z-index: 40; }"),
        ],
    );
}
