//! How many test bodies passed and failed on each engine: a line when the process ends and, for whoever adds up many
//! processes, a line in the file that `PROVIDENT_TEST_COUNTS` names.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::{Mutex, Once, PoisonError};

use crate::database::Engine;
use crate::partition;

/// Passed and failed, per engine.
static COUNTS: Mutex<[(usize, usize); 2]> = Mutex::new([(0, 0); 2]);

/// Counts a test body that ran on an engine.
pub(crate) fn add(engine: Engine, passed: bool) {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // 0 or not: without a place in the list there is merely no summary.
        let _ = atexit(summarize);
    });
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let [sqlite, postgres] = &mut *counts;
    let of_engine = match engine {
        Engine::Sqlite => sqlite,
        Engine::Postgres => postgres,
    };
    if passed {
        of_engine.0 += 1;
    } else {
        of_engine.1 += 1;
    }
}

extern "C" fn summarize() {
    let [sqlite, postgres] = *COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = if partition::asked_for() {
        vec![(format!("postgres ({} partitions)", partition::PARTS), postgres)]
    } else {
        vec![("sqlite".to_owned(), sqlite), ("postgres".to_owned(), postgres)]
    };
    let told: Vec<String> =
        lines.iter().map(|(engine, (passed, failed))| format!("{engine} {passed} passed, {failed} failed")).collect();
    say(&format!("engines: {}", told.join("; ")));
    let Some(path) = std::env::var_os("PROVIDENT_TEST_COUNTS") else { return };
    let mut rows = String::new();
    for (engine, (passed, failed)) in &lines {
        // Writing to a string does not fail.
        let _ = writeln!(rows, "{engine}\t{passed}\t{failed}");
    }
    let written =
        OpenOptions::new().create(true).append(true).open(&path).and_then(|mut file| file.write_all(rows.as_bytes()));
    if let Err(error) = written {
        say(&format!("the counts could not be added to `{}`: {error}", path.display()));
    }
}

/// One line on standard error, past the capture of test output.
pub fn say(line: &str) {
    // Nobody to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[expect(unsafe_code, reason = "the standard library has no hook for the end of a process; this declares C's own")]
unsafe extern "C" {
    safe fn atexit(hook: extern "C" fn()) -> std::ffi::c_int;
}
