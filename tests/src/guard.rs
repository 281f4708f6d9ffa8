//! Guards over the project's own text: which room may name which, which words stand where, how things are called.
//!
//! A guard is a function of a path and a text; it knows nothing of git, cargo or the test that runs it, and answers
//! with file, line and snippet for each violation (P339-32). `source` reads Rust, `listing` finds the files.

pub mod arrows;
pub mod authorization;
pub mod ddl;
pub mod listing;
pub mod names;
pub mod registry;
pub mod source;
pub mod sql;
pub mod statements;
pub mod vocabulary;
pub mod workplace;

use std::fmt;

/// One line that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// Counted from 1; 0 when the path itself breaks the rule.
    pub line: usize,
    /// What is wrong, and where the thing belongs instead.
    pub rule: String,
    /// The line as written, cut at 160 characters.
    pub snippet: String,
}

impl Violation {
    /// A violation of `rule` at a line of a file.
    #[must_use]
    pub fn new(path: &str, line: usize, rule: impl Into<String>, snippet: &str) -> Self {
        let snippet = snippet.trim().chars().take(160).collect();
        Self { path: path.to_owned(), line, rule: rule.into(), snippet }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, snippet } = self;
        write!(to, "{path}:{line}: {rule}\n    | {snippet}")
    }
}

/// A rule: every violation of it in one file.
pub type Guard = fn(path: &str, text: &str) -> Vec<Violation>;

/// What follows the last dot of a path's last part.
#[must_use]
pub fn extension(path: &str) -> &str {
    path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, extension)| extension)
}

/// Runs one guard over many files.
pub fn run<'a>(guard: Guard, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Violation> {
    files.into_iter().flat_map(|(path, text)| guard(path, text)).collect()
}

/// The violations as one text for a failing test, an empty line between them.
#[must_use]
pub fn report(violations: &[Violation]) -> String {
    let shown: Vec<String> = violations.iter().map(ToString::to_string).collect();
    format!("{} violation(s)\n\n{}\n", violations.len(), shown.join("\n\n"))
}
