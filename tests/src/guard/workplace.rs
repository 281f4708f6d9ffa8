//! The project speaks of itself alone: nothing in it points at where, by whom or by which ticket it was written.

use super::source::words;
use super::{Guard, Violation, extension};

/// No word about the place and the people this was written by.
pub const WORKPLACE: Guard = workplace;

/// This file and the one that plants snippets.
const EXCEPT: &[&str] = &["tests/src/guard/workplace.rs", "tests/tests/guards.rs"];

const PATHS: &[&str] = &["/work/main", "/work/shared", "shared/spec", "shared/data", "/tmp/brief", "/bash_jobs"];
const DOCUMENTS: &[&str] = &["design.md", "key-grammar.md", "style.md", "requirements.md", "benchmarks.md"];
const NAMES: &[&str] = &["assistant", "anthropic", "claude", "chatgpt", "openai", "llm"];

/// `session` is a word of databases and of HTTP; these are the other meaning.
const SESSIONS: &[&str] = &[
    "this session",
    "another session",
    "previous session",
    "earlier session",
    "later session",
    "last session",
    "next session",
    "coding session",
    "work session",
];
/// A line that speaks of one of these may say `this session`.
const SESSION_OWNERS: &[&str] =
    &["sql", "postgres", "database", "connection", "transaction", "http", "browser", "terminal"];

fn workplace(path: &str, text: &str) -> Vec<Violation> {
    if EXCEPT.contains(&path) {
        return Vec::new();
    }
    let data = matches!(extension(path), "ndjson" | "jsonl" | "lock");
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        let told = if let Some(hit) = PATHS.iter().find(|hit| lower.contains(**hit)) {
            Some(format!("`{hit}` is a place on somebody's machine"))
        } else if data {
            None
        } else {
            prose(line, &lower)
        };
        if let Some(rule) = told {
            found.push(Violation::new(path, index + 1, rule, line));
        }
    }
    found
}

fn prose(line: &str, lower: &str) -> Option<String> {
    if let Some(name) = DOCUMENTS.iter().find(|name| names_document(line, name)) {
        return Some(format!("`{name}` is no file of this project: say the rule itself"));
    }
    if let Some(name) = words(lower).find(|word| NAMES.contains(word)) {
        return Some(format!("`{name}`: who wrote it is no part of the project"));
    }
    let owned = SESSION_OWNERS.iter().any(|owner| lower.contains(owner));
    if let Some(phrase) = SESSIONS.iter().find(|phrase| !owned && lower.contains(**phrase)) {
        return Some(format!("`{phrase}`: when it was written is no part of the project"));
    }
    let address = line.contains("://");
    if !address && (names_ticket(lower) || names_number(line)) {
        return Some("a ticket's number tells a reader nothing: say what it was about".to_owned());
    }
    None
}

/// `see design.md`, not `docs/redesign.md`; capital letters are another file.
fn names_document(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    })
}

/// `issue 2`, `issues #3 and #4`, `ticket 17`, `this issue`.
fn names_ticket(lower: &str) -> bool {
    let words: Vec<&str> = words(lower).collect();
    words.windows(2).any(|pair| match pair {
        [noun, number] if matches!(*noun, "issue" | "issues" | "ticket" | "tickets") => {
            number.chars().all(|c| c.is_ascii_digit())
        }
        [which, noun] => {
            matches!(*which, "this" | "next" | "previous" | "later" | "following")
                && matches!(*noun, "issue" | "issues" | "ticket")
        }
        _ => false,
    })
}

/// `(#12)`, `see #3`: a number sign, one to five digits, in a comment or in prose. Not `{:#010x}`, `r#"`, `&#38;`,
/// and nothing inside quotes or backticks.
fn names_number(line: &str) -> bool {
    let trimmed = line.trim_start();
    let comment = ["//", "--", "# "].iter().any(|mark| trimmed.starts_with(mark));
    let prose = comment || !line.contains([';', '{', '"']);
    prose
        && line.match_indices('#').any(|(start, _)| {
            let before = line.get(..start).and_then(|text| text.chars().next_back());
            let after = line.get(start + 1..).unwrap_or_default();
            let digits = after.chars().take_while(char::is_ascii_digit).count();
            let next = after.chars().nth(digits);
            matches!(before, Some(' ' | '(')) && (1..=5).contains(&digits) && !next.is_some_and(char::is_alphanumeric)
        })
}
