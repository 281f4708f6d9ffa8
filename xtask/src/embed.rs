//! The packages that load the components in other languages: built, tested, and held to conformance.
//!
//! A package is a folder of `embed/`. What they are made of is put into `target/embed`: the component files, as the
//! program exports them, the C host, an environment for Python.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::need;
use crate::process::{Problem, cargo, command, run};
use crate::task::{component_name, component_packages, root, target};

/// Whether for people who only run the suites, or for measuring and giving away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

impl Profile {
    fn folder(self) -> PathBuf {
        target().join(if self == Self::Debug { "debug" } else { "release" })
    }

    /// The C library.
    pub(crate) fn library(self) -> PathBuf {
        let (prefix, suffix) = (env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
        self.folder().join(format!("{prefix}provident_c{suffix}"))
    }
}

/// What is built in release form, always together: other features would build everything again.
pub(crate) const RELEASE: [&str; 10] = [
    "build",
    "--release",
    "--package",
    "provident",
    "--package",
    "provident-c",
    "--package",
    "provident-bench",
    "--bins",
    "--lib",
];

/// Every package, ready to be run.
#[derive(Debug)]
pub(crate) struct Packages {
    /// The folder of the component files.
    pub(crate) components: PathBuf,
    pub(crate) library: PathBuf,
    c_host: PathBuf,
    pub(crate) python: PathBuf,
}

impl Packages {
    /// Builds what the packages need of this repository, and then each of them.
    pub(crate) fn build(profile: Profile) -> Result<Self, Problem> {
        need::c_compiler()?;
        need::wasm_target()?;
        need::languages_of_packages()?;
        let mut build = cargo();
        // Not `--package` in debug builds, as with the suites; and with an example, which needs what suites need: other
        // features would build everything again.
        match profile {
            Profile::Debug => build.args(["build", "--workspace", "--lib", "--bins", "--example", "conformance"]),
            Profile::Release => build.args(RELEASE),
        };
        run(&mut build)?;
        let components = components(&profile.folder())?;
        let library = profile.library();
        let c_host = c_host(&library)?;
        node(&components)?;
        let python = python(&components)?;
        Ok(Self { components, library, c_host, python })
    }

    /// The commands that start the hosts, for conformance, word by word.
    pub(crate) fn hosts(&self) -> Vec<Vec<PathBuf>> {
        let host = |program: &Path, file: &str| vec![program.to_path_buf(), root().join(file)];
        vec![
            vec![self.c_host.clone()],
            host(Path::new("php"), "embed/php/tests/host.php"),
            host(Path::new("node"), "embed/node/tests/host.mjs"),
            host(&self.python, "embed/python/tests/host.py"),
        ]
    }

    /// The packages' own tests; those of the C library are suites of its crate.
    pub(crate) fn test(&self) -> Result<(), Problem> {
        let folder = |name: &str| root().join("embed").join(name);
        let mut php = command("php");
        run(php.arg("tests/run.php").current_dir(folder("php")).env("PROVIDENT_LIBRARY", &self.library))?;
        run(command("npm").args(["test", "--silent"]).current_dir(folder("node")))?;
        let python = |arguments: &[&str]| {
            let mut python = command(&self.python);
            python.args(arguments).env("PYTHONPATH", "src").env("PYTHONDONTWRITEBYTECODE", "1");
            run(python.current_dir(folder("python")))
        };
        python(&["-m", "unittest", "discover", "--start-directory", "tests"])?;
        python(&["-m", "mypy"])
    }
}

fn folder() -> PathBuf {
    target().join("embed")
}

/// The component files, as the program has them embedded.
fn components(programs: &Path) -> Result<PathBuf, Problem> {
    let folder = folder().join("components");
    let unmade = |error| Problem::new(format!("cannot make `{}`: {error}", folder.display()));
    fs::create_dir_all(&folder).map_err(unmade)?;
    for package in component_packages(root())? {
        let name = component_name(&package);
        let mut export = command(programs.join("provident"));
        run(export.args(["component", "export", name]).arg(folder.join(format!("{name}.wasm"))))?;
    }
    Ok(folder)
}

fn c_host(library: &Path) -> Result<PathBuf, Problem> {
    let (source, program) = (root().join("embed/c"), folder().join("c-host"));
    let beside = library.parent().unwrap_or(Path::new("."));
    let mut cc = command("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-I"]).arg(source.join("include")).arg("-o");
    cc.arg(&program).arg(source.join("tests/host.c")).arg("-L").arg(beside).arg("-lprovident_c");
    run(cc.arg(format!("-Wl,-rpath,{}", beside.display())))?;
    Ok(program)
}

/// What jco makes of the components, with the tools the lock file names.
fn node(components: &Path) -> Result<(), Problem> {
    let package = root().join("embed/node");
    let (lock, installed) = (package.join("package-lock.json"), package.join("node_modules/.package-lock.json"));
    let newer = |file: &Path| fs::metadata(file).and_then(|meta| meta.modified()).ok();
    if newer(&installed).is_none_or(|installed| newer(&lock).is_some_and(|lock| lock > installed)) {
        run(command("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&package))?;
    }
    run(command("node").arg("scripts/build.mjs").arg(components).current_dir(&package))
}

/// An environment with the package in it, as it is developed.
fn python(components: &Path) -> Result<PathBuf, Problem> {
    let package = root().join("embed/python");
    let python =
        need::python_environment("python", &package.join("requirements.txt"), "the package for Python runs on it")?;
    run(command(&python).arg("scripts/build.py").arg(components).current_dir(&package))?;
    Ok(python)
}
