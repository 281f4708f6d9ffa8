//! The only place that writes to the terminal.

use std::io::{Write, stderr, stdout};

/// Writes one line, or several, to standard output. A reader that has gone away is not an error here: the exit
/// status tells how the task ended.
pub(crate) fn line(text: &str) {
    let mut to = stdout().lock();
    let _gone = writeln!(to, "{text}").and_then(|()| to.flush());
}

/// Writes what went wrong to standard error.
pub(crate) fn problem(text: &str) {
    let _gone = writeln!(stderr().lock(), "error: {text}");
}
