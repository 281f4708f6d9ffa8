//! Running other programs: what is run is printed first, and a failure names the command.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::process::{Command, Stdio};

use crate::say;

/// Why a task could not be done.
#[derive(Debug)]
pub(crate) struct Problem(String);

impl Problem {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// The cargo that runs this program, so that one toolchain does everything.
pub(crate) fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A program without the variables `cargo run` sets for *this* program: build scripts that watch them (there are
/// such) would rebuild half of the tree each time `cargo xtask` and plain `cargo` take turns.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(belongs_to_this_build) {
            command.env_remove(&name);
        }
    }
    command
}

fn belongs_to_this_build(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start))
        || ["CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"].contains(&name)
}

/// Prints the command, runs it with this terminal's output, and waits.
pub(crate) fn run(command: &mut Command) -> Result<(), Problem> {
    let shown = shown(command);
    say::line(&format!("$ {shown}"));
    wait(command, &shown)
}

fn wait(command: &mut Command, shown: &str) -> Result<(), Problem> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Problem::new(format!("`{shown}` failed: {status}"))),
        Err(error) => Err(Problem::new(format!("`{shown}` could not be started: {error}"))),
    }
}

/// Runs a command silently; its standard output if it succeeded, nothing if it failed or does not exist.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn shown(command: &Command) -> String {
    let program = command.get_program();
    let program = std::path::Path::new(program).file_name().unwrap_or(program);
    let set = command.get_envs().filter_map(|(name, value)| Some(format!("{}='{}'", name.display(), value?.display())));
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    set.chain([program.to_string_lossy().into_owned()]).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{answer, belongs_to_this_build, command, shown, wait};

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut shown_command = command("/usr/bin/some-tool");
        shown_command.args(["doc", "--no-deps"]).env("FLAGS", "-D warnings");
        assert_eq!(shown(&shown_command), "FLAGS='-D warnings' some-tool doc --no-deps");
    }

    #[test]
    fn a_failure_names_the_command() {
        let problem = wait(command("sh").args(["-c", "exit 3"]), "sh").unwrap_err();
        assert_eq!(problem.to_string(), "`sh` failed: exit status: 3");
        let problem = wait(&mut command("/nowhere/tool"), "tool").unwrap_err();
        assert!(problem.to_string().starts_with("`tool` could not be started: "), "{problem}");
    }

    #[test]
    fn an_answer_needs_success() {
        assert_eq!(answer(command("sh").args(["-c", "echo yes"])), Some("yes".into()));
        assert_eq!(answer(command("sh").args(["-c", "echo no; exit 1"])), None);
        assert_eq!(answer(&mut command("/nowhere/tool")), None);
    }

    #[test]
    fn variables_of_this_build_are_not_handed_on() {
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_BIN_NAME"] {
            assert!(belongs_to_this_build(name), "{name}");
        }
        for name in ["CARGO", "CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_PROFILE_DEV_DEBUG", "PATH"] {
            assert!(!belongs_to_this_build(name), "{name}");
        }
    }
}
