//! Which statements have run, by name. Only in builds with debug assertions: tests go over them and hold each
//! to the rules for statements.

#[cfg(debug_assertions)]
use std::collections::BTreeMap;
#[cfg(debug_assertions)]
use std::sync::{Mutex, PoisonError};

#[cfg(debug_assertions)]
static RAN: Mutex<BTreeMap<&'static str, &'static str>> = Mutex::new(BTreeMap::new());

/// Remembers a statement.
#[cfg(debug_assertions)]
pub(super) fn ran(name: &'static str, text: &'static str) {
    RAN.lock().unwrap_or_else(PoisonError::into_inner).insert(name, text);
}

/// Name and text of every statement this process has run so far; nothing in a build without debug assertions.
#[must_use]
pub fn statements_run() -> Vec<(&'static str, &'static str)> {
    #[cfg(debug_assertions)]
    {
        let ran = RAN.lock().unwrap_or_else(PoisonError::into_inner);
        ran.iter().map(|(name, text)| (*name, *text)).collect()
    }
    #[cfg(not(debug_assertions))]
    {
        Vec::new()
    }
}

/// Forgets what has run, so that what runs next can be told apart: on one engine, and then on the other.
pub fn forget_statements() {
    #[cfg(debug_assertions)]
    RAN.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
