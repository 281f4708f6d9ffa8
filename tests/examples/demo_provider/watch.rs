//! Commands that go on for a while: workers in the background, and runs that are watched. On a terminal the program's own
//! progress is seen; elsewhere it hides it, and what `run list` says meanwhile is shown instead.

use std::io::{IsTerminal as _, stderr};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::terminal::{Said, Terminal, Wrong, ended_with, say, type_in};

/// How often a run is looked at.
const EVERY: Duration = Duration::from_millis(150);
/// How many objects more are worth a line.
const OBJECTS_A_LINE: u64 = 1_000;

/// A command that runs in the background. It is gone with its value.
#[derive(Debug)]
pub(crate) struct Background(Child);

impl Background {
    /// Types a command and lets it run; what it logs nobody sees.
    pub(crate) fn start(terminal: &Terminal, words: &[&str]) -> Result<Self, Wrong> {
        type_in(words, "&")?;
        let mut command = terminal.command(words);
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    /// Asks it to stop, and waits until it has, in order.
    pub(crate) fn stop(mut self) -> Result<(), Wrong> {
        say("$ kill %1")?;
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        if asked.success() && self.0.wait()?.success() {
            return Ok(());
        }
        Err(Wrong::new("the worker did not stop in order"))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Types a command that watches a run to a good end, and shows how far it is and what it says. `active` is the command that
/// lists the runs under way, as JSON.
pub(crate) fn watched(terminal: &Terminal, words: &[&str], active: &[&str]) -> Result<Said, Wrong> {
    type_in(words, "")?;
    let seen = stderr().is_terminal();
    let mut command = terminal.command(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.stderr(if seen { Stdio::inherit() } else { Stdio::piped() }).spawn()?;
    let mut told = 0;
    while child.try_wait()?.is_none() {
        if !seen {
            told = tell(&terminal.ask(active)?, told)?;
        }
        sleep(EVERY);
    }
    let said = Said::from(child.wait_with_output()?);
    ended_with(words, &said, 0)?;
    terminal.show(&said)?;
    Ok(said)
}

/// Tells how many objects there are by now, if there are many more than were told of.
fn tell(active: &str, told: u64) -> Result<u64, Wrong> {
    let listed: Value = serde_json::from_str(active).map_err(|error| Wrong::new(error.to_string()))?;
    let count = |name: &str| {
        let count = listed.pointer(&format!("/items/0/summary_counts/{name}"));
        count.and_then(Value::as_u64).unwrap_or_default()
    };
    let objects = count("objects");
    if objects < told.saturating_add(OBJECTS_A_LINE) {
        return Ok(told);
    }
    say(&format!("  … {objects} objects, {} pages", count("pages")))?;
    Ok(objects)
}
