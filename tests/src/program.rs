//! The `provident` program as the suites run it: built once by the cargo that runs them, so that it is never stale.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;

/// Names a program to run in the place of ours, for a suite that is run to see it fail.
pub const IN_ITS_PLACE: &str = "PROVIDENT_TEST_PROGRAM";

/// Where the program is, built first if need be.
///
/// # Errors
///
/// If it does not build.
pub fn path() -> io::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(other) = std::env::var_os(IN_ITS_PLACE) {
        return Ok(other.into());
    }
    let build = || build("provident", &["--bin", "provident"], "provident").map_err(|error| error.to_string());
    BUILT.get_or_init(build).clone().map_err(io::Error::other)
}

/// Where the program is that lets notes out; built first if need be.
///
/// # Errors
///
/// If it does not build.
pub fn leaking() -> io::Result<PathBuf> {
    build("provident", &["--features", "leaking", "--example", "leaking"], "examples/leaking")
}

/// Where the demo is; it and the program it types the commands of are built first if need be.
///
/// # Errors
///
/// If they do not build.
pub fn demo() -> io::Result<PathBuf> {
    build("provident", &["--bin", "provident", "--example", "demo"], "examples/demo")
}

/// Where the demo of providers is; it and the program it types the commands of are built first if need be.
///
/// # Errors
///
/// If they do not build.
pub fn demo_provider() -> io::Result<PathBuf> {
    path()?;
    build("provident-tests", &["--example", "demo_provider"], "examples/demo_provider")
}

/// Where the stand-in for providers is as a program of its own; built first if need be.
///
/// # Errors
///
/// If it does not build.
pub fn stand_in() -> io::Result<PathBuf> {
    build("provident-tests", &["--example", "stand_in"], "examples/stand_in")
}

/// Builds parts of a package and answers where one of them is, from the folder of the build.
fn build(package: &str, parts: &[&str], file: &str) -> io::Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", package]).args(parts);
    // What cargo tells a test about its own package would make build scripts run again, and everything after them.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            cargo.env_remove(name);
        }
    }
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    // This test stands in `<target>/debug/deps`.
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2).ok_or_else(|| io::Error::other("a test outside a target folder"))?;
    Ok(folder.join(format!("{file}{}", std::env::consts::EXE_SUFFIX)))
}

/// Starts the program with pipes to all three streams.
///
/// # Errors
///
/// If it does not build or start.
pub fn start(arguments: &[&str]) -> io::Result<Child> {
    let (stdin, stdout, stderr) = (Stdio::piped(), Stdio::piped(), Stdio::piped());
    Command::new(path()?).args(arguments).stdin(stdin).stdout(stdout).stderr(stderr).spawn()
}

/// Runs the program to its end, with `input` on its standard input.
///
/// # Errors
///
/// If it does not build or start. That it stops reading early is no error.
pub fn run(arguments: &[&str], input: &[u8]) -> io::Result<Output> {
    let mut child = start(arguments)?;
    let stdin = child.stdin.take();
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input);
            }
        });
        child.wait_with_output()
    })
}
