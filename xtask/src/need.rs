//! What the tasks need from the machine: looked for, and where it is missing installed, with what, why and how
//! printed first. What cannot be installed from here is an error that says how to get it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Problem, answer, cargo, command, run};
use crate::say;
use crate::task::target;
use crate::tool;

/// The target the components are built for.
pub(crate) const WASM_TARGET: &str = "wasm32-wasip2";

const CARGO_DENY_VERSION: &str = "0.20.2";
const CARGO_CYCLONEDX_VERSION: &str = "0.5.9";

/// A C compiler: Rust links with it, and `SQLite` is built from C.
pub(crate) fn c_compiler() -> Result<(), Problem> {
    if answer(command("cc").arg("--version")).is_some() {
        return Ok(());
    }
    Err(Problem::new(
        "no C compiler: `cc` links every program and builds the embedded SQLite; \
         install it (Debian, Ubuntu: `apt-get install gcc libc6-dev`; Fedora: `dnf install gcc`; \
         macOS: `xcode-select --install`) and run this again",
    ))
}

/// The standard library for WebAssembly, without which the components cannot be built.
pub(crate) fn wasm_target() -> Result<(), Problem> {
    if has_wasm_target() {
        return Ok(());
    }
    let why = "the components are compiled for it";
    install(&format!("the Rust target {WASM_TARGET}"), why, || rustup(&["target", "add", WASM_TARGET]))?;
    if has_wasm_target() {
        return Ok(());
    }
    Err(Problem::new(format!("rustup added {WASM_TARGET}, but `rustc` still does not have it")))
}

/// Asks the compiler, not rustup: a toolchain that came another way counts as well.
fn has_wasm_target() -> bool {
    let mut rustc = command(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    answer(rustc.args(["--print", "target-libdir", "--target", WASM_TARGET]))
        .and_then(|folder| fs::read_dir(folder).ok())
        .is_some_and(|mut files| files.next().is_some())
}

/// A component of the toolchain, known to cargo as a subcommand (`fmt`, `clippy`).
pub(crate) fn rust_component(subcommand: &str, component: &str, why: &str) -> Result<(), Problem> {
    if answer(cargo().args([subcommand, "--version"])).is_some() {
        return Ok(());
    }
    install(&format!("the Rust component {component}"), why, || rustup(&["component", "add", component]))
}

/// The judge of licences, sources and advisories.
pub(crate) fn cargo_deny() -> Result<(), Problem> {
    if answer(cargo().args(["deny", "--version"])).is_some() {
        return Ok(());
    }
    let arguments = ["install", "cargo-deny", "--locked", "--version", CARGO_DENY_VERSION];
    install("cargo-deny", "it judges licences, sources and advisories of dependencies", || run(cargo().args(arguments)))
}

/// The writer of bills of materials.
pub(crate) fn cargo_cyclonedx() -> Result<(), Problem> {
    if answer(cargo().args(["cyclonedx", "--version"])).is_some() {
        return Ok(());
    }
    let arguments = ["install", "cargo-cyclonedx", "--locked", "--version", CARGO_CYCLONEDX_VERSION];
    install("cargo-cyclonedx", "it writes what the packages are made of", || run(cargo().args(arguments)))
}

/// `PostgreSQL`'s server programs: the suites start throw-away clusters with them. Answers their folder.
pub(crate) fn postgres() -> Result<PathBuf, Problem> {
    if let Some(folder) = find_postgres() {
        return Ok(folder);
    }
    if let Some(named) = env::var_os("PG_BIN_DIR").filter(|named| !named.is_empty()) {
        return Err(Problem::new(format!(
            "PG_BIN_DIR is `{}`, where no working `initdb` and `postgres` are",
            named.to_string_lossy()
        )));
    }
    let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !tool::is_debian_like(&os_release) {
        return Err(Problem::new(
            "PostgreSQL's server programs `initdb` and `postgres` (15 or newer) are missing: the suites start \
             throw-away clusters with them, and only on Debian and its relatives can this program install them; \
             get them (Fedora: `dnf install postgresql-server`; Arch: `pacman -S postgresql`; \
             macOS: `brew install postgresql@17`), name their folder in PG_BIN_DIR if it is not in PATH, \
             and run this again",
        ));
    }
    let why = "the suites run on it too, in throw-away clusters (one the package starts is left alone)";
    install("PostgreSQL", why, || apt_install("postgresql"))?;
    find_postgres().ok_or_else(|| {
        Problem::new(format!(
            "apt-get installed PostgreSQL, but no working `initdb` and `postgres` are in PATH or under {}",
            tool::POSTGRES_VERSIONS
        ))
    })
}

fn find_postgres() -> Option<PathBuf> {
    tool::postgres(
        env::var_os("PG_BIN_DIR").as_deref(),
        &env::var_os("PATH").unwrap_or_default(),
        Path::new(tool::POSTGRES_VERSIONS),
        tool::version,
    )
}

/// schemathesis, in an environment of its own: exactly what `tests/contract/requirements.txt` says. Answers its program.
pub(crate) fn schemathesis(root: &Path) -> Result<PathBuf, Problem> {
    let why = "schemathesis holds the service to its document";
    let python = python_environment("schemathesis", &root.join("tests/contract/requirements.txt"), why)?;
    Ok(python.with_file_name("st"))
}

/// An environment of Python's in `target/tools`, with exactly what a file of requirements says. Answers its `python`.
pub(crate) fn python_environment(name: &str, wanted: &Path, why: &str) -> Result<PathBuf, Problem> {
    let unreadable = |error| Problem::new(format!("cannot read `{}`: {error}", wanted.display()));
    let folder = target().join("tools").join(name);
    let (text, installed) = (fs::read_to_string(wanted).map_err(unreadable)?, folder.join("requirements.txt"));
    let program = folder.join("bin/python");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == text) {
        return Ok(program);
    }
    python()?;
    install(&format!("what `{}` names", wanted.display()), why, || {
        run(command("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let mut pip = command(&program);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        run(pip.arg(wanted))?;
        // Last, so that what was broken off is begun again.
        fs::write(&installed, &text).map_err(|error| Problem::new(format!("cannot write there: {error}")))
    })?;
    Ok(program)
}

/// Python, and the module that makes environments, which Debian has apart.
fn python() -> Result<(), Problem> {
    let is_there = || answer(command("python3").args(["-c", "import ensurepip, venv"])).is_some();
    if is_there() {
        return Ok(());
    }
    if tool::is_debian_like(&fs::read_to_string("/etc/os-release").unwrap_or_default()) {
        install("Python with venv", "its packages stand in environments", || apt_install("python3-venv"))?;
    }
    if is_there() {
        return Ok(());
    }
    Err(Problem::new("`python3` with the modules `venv` and `ensurepip` is missing; install it and run this again"))
}

/// A program that comes with a package of Debian's of that name, for which `why`.
fn packaged(program: &str, package: &str, why: &str) -> Result<(), Problem> {
    if answer(command(program).arg("--version")).is_some() {
        return Ok(());
    }
    if !tool::is_debian_like(&fs::read_to_string("/etc/os-release").unwrap_or_default()) {
        return Err(Problem::new(format!(
            "`{program}` is missing ({why}), and only on Debian and its relatives can this program install it; \
             get it and run this again"
        )));
    }
    install(package, why, || apt_install(package))?;
    answer(command(program).arg("--version"))
        .map(drop)
        .ok_or_else(|| Problem::new(format!("apt-get installed {package}, but `{program}` does not run")))
}

/// What the examples for callers of the service are run with: `curl`, PHP and Python.
pub(crate) fn client_languages() -> Result<(), Problem> {
    packaged("curl", "curl", "the README's requests are sent with it")?;
    packaged("php", "php-cli", "the example client in PHP is run with it")?;
    packaged("python3", "python3", "the example client in Python is run with it")
}

/// What the packages for other languages are built and run with: PHP with FFI, Node with npm, Python, valgrind.
pub(crate) fn languages_of_packages() -> Result<(), Problem> {
    packaged("php", "php-cli", "the package for PHP is run with it")?;
    if answer(command("php").args(["-r", "exit(extension_loaded('FFI') ? 0 : 1);"])).is_none() {
        return Err(Problem::new(
            "PHP has no FFI, through which it loads the C library; enable the extension `ffi` and run this again",
        ));
    }
    packaged("node", "nodejs", "the package for Node is run with it")?;
    packaged("npm", "npm", "it fetches what the package for Node is built with")?;
    python()?;
    packaged("valgrind", "valgrind", "the C library is looked through for leaks with it")
}

/// The load tool.
pub(crate) fn wrk() -> Result<(), Problem> {
    if has_wrk() {
        return Ok(());
    }
    if !tool::is_debian_like(&fs::read_to_string("/etc/os-release").unwrap_or_default()) {
        return Err(Problem::new(
            "the load tool `wrk` is missing, and only on Debian and its relatives can this program install it; get it \
             (Fedora: `dnf install wrk`; Arch: `pacman -S wrk`; macOS: `brew install wrk`) and run this again",
        ));
    }
    install("wrk", "it sends the load", || apt_install("wrk"))?;
    if has_wrk() { Ok(()) } else { Err(Problem::new("apt-get installed wrk, but no `wrk` is in PATH")) }
}

/// It has no option that only says that it is there.
fn has_wrk() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join("wrk").is_file())
}

fn apt_install(package: &str) -> Result<(), Problem> {
    let is_root = answer(command("id").arg("-u")).as_deref() == Some("0");
    if !is_root && answer(command("sudo").args(["-n", "true"])).is_none() {
        return Err(Problem::new(format!(
            "neither root nor able to use sudo without a password; run \
             `sudo apt-get install --no-install-recommends {package}` and then this again"
        )));
    }
    let apt = |arguments: &[&str]| {
        let mut apt: Command = if is_root { command("env") } else { command("sudo") };
        if !is_root {
            apt.args(["-n", "env"]);
        }
        run(apt.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments))
    };
    apt(&["update"])?;
    apt(&["install", "-y", "--no-install-recommends", package])
}

fn rustup(arguments: &[&str]) -> Result<(), Problem> {
    if answer(command("rustup").arg("--version")).is_none() {
        return Err(Problem::new(format!(
            "rustup is missing (https://rustup.rs); with another toolchain, get what \
             `rustup {}` would add, and run this again",
            arguments.join(" ")
        )));
    }
    run(command("rustup").args(arguments))
}

fn install(what: &str, why: &str, how: impl FnOnce() -> Result<(), Problem>) -> Result<(), Problem> {
    say::line(&format!("missing: {what} ({why}); installing it"));
    how().map_err(|problem| Problem::new(format!("{what} is missing: {problem}")))
}
