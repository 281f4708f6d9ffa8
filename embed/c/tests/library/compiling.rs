//! Programs of C: compiled against the library that cargo has just built, and run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

/// Where this crate is.
pub(crate) fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo has put the library for these tests: beside the tests themselves.
pub(crate) fn library_folder() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    for file in ["libprovident_c.so", "libprovident_c.a"] {
        assert!(folder.join(file).is_file(), "cargo has not built {file} in {}", folder.display());
    }
    folder
}

/// Runs a command that must succeed; gives back its standard output.
#[track_caller]
pub(crate) fn quietly(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// How a program gets at the library.
#[derive(Clone, Copy)]
pub(crate) enum Linked {
    Shared,
    Static,
    /// By its name, when the program runs.
    Later,
}

/// Compiles a program of this crate, warnings being errors.
pub(crate) fn compile(source: &str, linked: Linked) -> PathBuf {
    let stem = Path::new(source).file_stem().unwrap().to_str().unwrap();
    let kind = match linked {
        Linked::Shared => "shared",
        Linked::Static => "static",
        Linked::Later => "later",
    };
    // Tests run at the same time, each with a program of its own.
    let test = thread::current().name().unwrap_or("test").replace("::", "-");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{stem}-{kind}-{test}"));
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-O1"]);
    cc.arg("-I").arg(crate_folder().join("include")).arg(crate_folder().join(source)).arg("-o").arg(&program);
    match linked {
        Linked::Shared => cc.arg("-L").arg(library_folder()).arg("-lprovident_c"),
        Linked::Later => cc.arg("-ldl"),
        Linked::Static => cc.arg(library_folder().join("libprovident_c.a")).args(["-lm", "-ldl"]),
    };
    quietly(cc.arg("-lpthread"));
    program
}

/// A program that finds the library.
pub(crate) fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env("LD_LIBRARY_PATH", library_folder());
    command
}

/// The same under valgrind, which must be there: it ends with 9 when memory is misused or lost.
pub(crate) fn under_valgrind(path: &Path) -> Command {
    let there = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(there, "valgrind is not installed: apt-get install valgrind");
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--error-exitcode=9", "--leak-check=full"]);
    command.args(["--errors-for-leak-kinds=definite,indirect", "--show-leak-kinds=definite,indirect"]);
    command.arg(path).env("LD_LIBRARY_PATH", library_folder());
    command
}

/// Runs with this standard input.
pub(crate) fn fed(command: &mut Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // A program that reads nothing closes its end, which is not what is looked at here.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    })
}

/// Runs with this standard input, must succeed and say nothing on standard error.
#[track_caller]
pub(crate) fn answer(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let output = fed(command, input);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{command:?}: {}: {told}", output.status);
    output.stdout
}
