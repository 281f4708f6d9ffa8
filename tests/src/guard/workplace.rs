//! The project speaks of itself alone: nothing in it points at a place on somebody's machine or at a ticket.

use super::source::words;
use super::{Guard, Violation, extension};

/// No word about where this was written, and for which ticket.
pub const WORKPLACE: Guard = workplace;

/// This file and the one that plants snippets.
const EXCEPT: &[&str] = &["tests/src/guard/workplace.rs", "tests/tests/guards.rs"];

/// Where people keep their own things.
const HOMES: &[&str] = &["/home/", "/root/", "/users/"];

fn workplace(path: &str, text: &str) -> Vec<Violation> {
    if EXCEPT.contains(&path) {
        return Vec::new();
    }
    let checkout = env!("CARGO_MANIFEST_DIR").trim_end_matches("tests").to_lowercase();
    // A checkout at `/src/` has the name of half the folders there are.
    let checkout = Some(checkout).filter(|path| path.matches('/').count() > 2);
    let data = matches!(extension(path), "ndjson" | "jsonl" | "lock");
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        let home = HOMES.iter().copied().chain(checkout.as_deref()).find(|hit| lower.contains(*hit));
        let told = match home {
            Some(hit) => Some(format!("`{hit}` is a place on somebody's machine")),
            None if data => None,
            None => prose(line, &lower),
        };
        if let Some(rule) = told {
            found.push(Violation::new(path, index + 1, rule, line));
        }
    }
    found
}

fn prose(line: &str, lower: &str) -> Option<String> {
    let address = line.contains("://");
    if !address && (names_ticket(lower) || names_number(line)) {
        return Some("a ticket's number tells a reader nothing: say what it was about".to_owned());
    }
    None
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
