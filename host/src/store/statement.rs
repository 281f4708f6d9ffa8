//! Which statements have run, by name, and how often. Only in builds with debug assertions: tests go over them and hold each
//! to the rules for statements.

#[cfg(debug_assertions)]
use std::collections::BTreeMap;
#[cfg(debug_assertions)]
use std::sync::{Mutex, PoisonError};

#[cfg(debug_assertions)]
static RAN: Mutex<BTreeMap<&'static str, (&'static str, u64)>> = Mutex::new(BTreeMap::new());

/// Remembers a statement.
#[cfg(debug_assertions)]
pub(super) fn ran(name: &'static str, text: &'static str) {
    let mut ran = RAN.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, times) = ran.entry(name).or_insert((text, 0));
    *times = times.saturating_add(1);
}

/// Name and text of every statement this process has run so far; nothing in a build without debug assertions.
#[must_use]
pub fn statements_run() -> Vec<(&'static str, &'static str)> {
    #[cfg(debug_assertions)]
    {
        let ran = RAN.lock().unwrap_or_else(PoisonError::into_inner);
        ran.iter().map(|(name, (text, _))| (*name, *text)).collect()
    }
    #[cfg(not(debug_assertions))]
    {
        Vec::new()
    }
}

/// How often each of them has run, by name; nothing in a build without debug assertions.
#[must_use]
pub fn statements_counted() -> Vec<(&'static str, u64)> {
    #[cfg(debug_assertions)]
    {
        let ran = RAN.lock().unwrap_or_else(PoisonError::into_inner);
        ran.iter().map(|(name, (_, times))| (*name, *times)).collect()
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
