//! How things are called: no file for leftovers, no name that says nothing, an opening line for every module.

use super::source::lines;
use super::{Guard, Violation, extension};

const NO_FILES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];
const NO_ENDINGS: &[&str] = &["Manager", "Helper", "Helpers", "Util", "Utils", "Impl", "Data", "Info", "Base"];

/// Every file of Rust opens with `//!`: what it is for and what it refuses to know.
pub const OPENINGS: Guard = openings;
/// No file or module of leftovers, no type whose name ends in a word that adds nothing.
pub const NAMES: Guard = names;

fn openings(path: &str, text: &str) -> Vec<Violation> {
    let mut written = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (number, first) = written.next().map_or((0, ""), |(index, line)| (index + 1, line));
    if extension(path) != "rs" || first.starts_with("//!") {
        return Vec::new();
    }
    vec![Violation::new(path, number, "a module opens with `//!`: what it is for", first)]
}

fn names(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let stem = path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
    if NO_FILES.contains(&stem) {
        let rule = format!("`{stem}` says nothing: name the file after what it is about");
        found.push(Violation::new(path, 0, rule, path));
    }
    if extension(path) != "rs" {
        return found;
    }
    for line in lines(text) {
        let words: Vec<&str> = line.words().collect();
        for pair in words.windows(2) {
            let [keyword, name] = pair else { continue };
            let bad = match *keyword {
                "mod" => NO_FILES.contains(name),
                "struct" | "enum" | "trait" | "union" | "type" => {
                    NO_ENDINGS.iter().any(|ending| name.ends_with(ending))
                }
                _ => false,
            };
            if bad {
                let rule = format!("`{name}`: name it after what it is, not that it is something");
                found.push(Violation::new(path, line.number, rule, &line.code));
            }
        }
    }
    found
}
