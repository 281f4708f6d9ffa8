//! Notes let out on purpose, to see that what looks for leaks finds them. Only in builds with the feature `leaking`,
//! which nothing but a test makes; `PROVIDENT_LEAK` says by which way.

use crate::binding::Note;

/// The ways a note could get out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Into an event of the trail.
    Audit,
    /// Into an error's text.
    Error,
    /// By way of what is printed for those who mend the program.
    Debug,
}

/// Whether notes are let out this way.
#[must_use]
pub fn lets_out(way: Way) -> bool {
    let name = match way {
        Way::Audit => "audit",
        Way::Error => "error",
        Way::Debug => "debug",
    };
    std::env::var_os("PROVIDENT_LEAK").is_some_and(|named| named == name)
}

/// The note, if it is let out this way.
#[must_use]
pub fn leaked(way: Way, note: Option<&Note>) -> Option<String> {
    note.filter(|_| lets_out(way)).map(|note| note.as_str().to_owned())
}
