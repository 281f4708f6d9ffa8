//! What each task does.

use std::fs;
use std::path::{Path, PathBuf};

use crate::arguments::{Examples, Random, Stories};
use crate::count::{CountFile, POSTGRES, SQLITE};
use crate::embed::{Packages, Profile, RELEASE};
use crate::need;
use crate::process::{Problem, cargo, command, run};
use crate::say;
use crate::step::Steps;

/// The stories, told on data the project wrote itself.
pub(crate) fn demo(stories: Stories) -> Result<(), Problem> {
    need::c_compiler()?;
    need::wasm_target()?;
    // The demos type the commands of the program, which `cargo run` alone would not build.
    run(cargo().args(["build", "--package", "provident", "--bin", "provident", "--example", "demo"]))?;
    run(cargo().args(["build", "--package", "provident-tests", "--example", "demo_provider"]))?;
    if stories == Stories::All {
        run(cargo().args(["run", "--quiet", "--package", "provident", "--example", "demo"]))?;
    }
    run(&mut command(target().join("debug/examples/demo_provider")))
}

/// Every suite of every crate and the doc tests, on `SQLite` and `PostgreSQL`; then those on databases once more, on
/// `PostgreSQL` with every tenant's table in parts; then the packages for other languages, and conformance. Plain
/// `cargo test`: a fresh machine has nothing else.
pub(crate) fn test() -> Result<(), Problem> {
    need::c_compiler()?;
    need::wasm_target()?;
    let postgres = need::postgres()?;
    need::client_languages()?;
    need::languages_of_packages()?;
    suites(&postgres)?;
    let packages = Packages::build(Profile::Debug)?;
    packages.test()?;
    conform(&packages, &Random::default())
}

/// The suites of cargo.
fn suites(postgres: &Path) -> Result<(), Problem> {
    let suites = database_suites(root())?;
    let file = CountFile::new();
    let test = || {
        let mut test = cargo();
        test.args(["test", "--workspace"]).env("PG_BIN_DIR", postgres).env("PROVIDENT_TEST_COUNTS", file.path());
        test
    };
    let outcome = run(test().env_remove("PROVIDENT_TEST_PARTITIONS")).and_then(|()| {
        // Not `--package`: other features, and everything would be built again.
        let suites = suites.iter().flat_map(|suite| ["--test", suite]);
        run(test().args(suites).env("PROVIDENT_TEST_PARTITIONS", "16"))
    });
    let counts = file.read()?;
    say::line(&format!("\n{}", counts.table()));
    outcome.and_then(|()| counts.are_complete())
}

/// The running service held to its document by schemathesis, on each engine. A release run asks for 1,000 examples.
pub(crate) fn contract(Examples { count, seed }: Examples) -> Result<(), Problem> {
    need::c_compiler()?;
    need::wasm_target()?;
    let postgres = need::postgres()?;
    let schemathesis = need::schemathesis(root())?;
    // Not `--package`, as with the suites.
    run(cargo().args(["build", "--workspace", "--bin", "provident", "--example", "contract"]))?;
    let folder = std::env::current_exe().ok().and_then(|this| Some(this.parent()?.join("examples/contract")));
    let program = folder.ok_or_else(|| Problem::new("this program does not know where it is"))?;
    for engine in [SQLITE, POSTGRES] {
        let mut held = command(&program);
        held.args([engine, &count.to_string(), &seed.to_string()]).arg(&schemathesis);
        run(held.env("PG_BIN_DIR", &postgres))?;
    }
    Ok(())
}

/// Every host held to the vectors and to requests made at random; others may join.
pub(crate) fn conformance(random: &Random) -> Result<(), Problem> {
    conform(&Packages::build(Profile::Debug)?, random)
}

fn conform(packages: &Packages, Random { count, seed, hosts }: &Random) -> Result<(), Problem> {
    let mut held = command(target().join("debug/examples/conformance"));
    held.arg(target().join("conformance")).args([count.to_string(), seed.to_string()]);
    // The package for PHP finds the library by it; the others know where they are.
    held.env("PROVIDENT_LIBRARY", &packages.library);
    for host in packages.hosts() {
        held.arg("--").args(host);
    }
    for host in hosts {
        held.arg("--").args(host.split(' '));
    }
    run(&mut held)
}

/// The suites that run on databases, by name.
fn database_suites(root: &Path) -> Result<Vec<String>, Problem> {
    let folder = root.join("tests/tests");
    let unreadable = |error| Problem::new(format!("cannot read `{}`: {error}", folder.display()));
    let mut suites = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        let on_databases = ["on_both_engines", "TestDatabase::migrated("].iter().any(|sign| text.contains(sign));
        if let (true, Some(name)) = (on_databases, path.file_stem()) {
            suites.push(name.to_string_lossy().into_owned());
        }
    }
    suites.sort();
    Ok(suites)
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    // Others are run in other folders.
    std::path::absolute(&named).unwrap_or(named)
}

/// Measurements, always of a release build.
pub(crate) fn bench(arguments: &[String]) -> Result<(), Problem> {
    need::c_compiler()?;
    need::wasm_target()?;
    let postgres = need::postgres()?;
    // As cargo has it, words for another program may stand behind two dashes.
    let arguments = arguments.strip_prefix(&["--".to_owned()]).unwrap_or(arguments);
    // What is measured over HTTP is the program beside the one that measures.
    run(cargo().args(RELEASE))?;
    let mut bench = command(target().join("release/provident-bench"));
    bench.args(arguments).current_dir(root()).env("PG_BIN_DIR", postgres);
    if arguments.iter().all(|word| word.starts_with('-')) || arguments.iter().any(|word| word == "embed") {
        let packages = Packages::build(Profile::Release)?;
        bench.env("PROVIDENT_BENCH_PYTHON", &packages.python).env("PROVIDENT_LIBRARY", &packages.library);
    }
    run(&mut bench)
}

/// The service under a load tool: of the release build where there is one, since making one takes long.
pub(crate) fn load(arguments: &[String]) -> Result<(), Problem> {
    need::c_compiler()?;
    need::wasm_target()?;
    need::wrk()?;
    let postgres = need::postgres()?;
    let folder = if target().join("release/provident").is_file() { "release" } else { "debug" };
    let debug = ["build", "--package", "provident-bench", "--package", "provident", "--bins"];
    run(cargo().args(if folder == "release" { &RELEASE[..] } else { &debug[..] }))?;
    let bench = target().join(folder).join("provident-bench");
    let arguments = arguments.strip_prefix(&["--".to_owned()]).unwrap_or(arguments);
    run(command(bench).arg("load").args(arguments).current_dir(root()).env("PG_BIN_DIR", postgres))
}

/// Known vulnerabilities. Apart from `ci`, since the answer changes without a change here.
pub(crate) fn audit() -> Result<(), Problem> {
    need::cargo_deny()?;
    say::line("fetching the advisory database: this needs the network");
    run(cargo().args(["deny", "check", "advisories"]))
}

/// Everything a change must pass. Ends at the first failure; the table is printed in any case.
pub(crate) fn ci() -> Result<(), Problem> {
    let mut steps = Steps::default();
    let outcome = ci_steps(&mut steps);
    say::line(&format!("\n{}", steps.table()));
    outcome
}

fn ci_steps(steps: &mut Steps) -> Result<(), Problem> {
    steps.run("tools", || {
        need::c_compiler()?;
        need::wasm_target()?;
        need::rust_component("fmt", "rustfmt", "it holds the format")?;
        need::rust_component("clippy", "clippy", "it holds the lints")?;
        need::cargo_deny()?;
        need::schemathesis(root())?;
        need::client_languages()?;
        need::languages_of_packages()?;
        need::postgres().map(drop)
    })?;
    steps.run("format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    steps.run("lints", || {
        let everything = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        run(cargo().args(everything))
    })?;
    steps.run("what is optional", || run(cargo().args(["check", "--package", "provident", "--features", "otel"])))?;
    steps.run("lints of the components", lint_components)?;
    steps.run("licences, sources, bans", || run(cargo().args(["deny", "check", "bans", "licenses", "sources"])))?;
    steps.run("documentation", || {
        let mut doc = cargo();
        run(doc.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.run("tests", || {
        say::line("$ cargo xtask test");
        test()
    })?;
    steps.run("contract", || {
        say::line("$ cargo xtask contract");
        contract(Examples::default())
    })?;
    steps.run("demo", || demo(Stories::All))
}

/// The crates that become WebAssembly, and what they share, seen by clippy as what they become.
fn lint_components() -> Result<(), Problem> {
    let mut clippy = cargo();
    clippy.args(["clippy", "--target", need::WASM_TARGET, "--package", "component-kit"]);
    for package in component_packages(root())? {
        clippy.args(["--package", &package]);
    }
    run(clippy.args(["--", "-D", "warnings"]))
}

/// The packages of the components: identity, and one `adapter-<provider>` per folder of `adapters/`, by name.
pub(crate) fn component_packages(root: &Path) -> Result<Vec<String>, Problem> {
    let folder = root.join("adapters");
    let unreadable = |error| Problem::new(format!("cannot read `{}`: {error}", folder.display()));
    let entries = fs::read_dir(&folder).map_err(unreadable)?;
    let adapters: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(unreadable)?;
    let mut packages: Vec<String> = adapters
        .iter()
        .filter(|adapter| adapter.join("Cargo.toml").is_file())
        .filter_map(|adapter| Some(format!("adapter-{}", adapter.file_name()?.to_str()?)))
        .collect();
    packages.sort();
    packages.insert(0, "identity-component".to_owned());
    Ok(packages)
}

/// The name a component goes by: `identity`, or its provider's.
pub(crate) fn component_name(package: &str) -> &str {
    package.strip_prefix("adapter-").unwrap_or_else(|| package.trim_end_matches("-component"))
}

#[cfg(test)]
mod tests {
    use super::{component_name, component_packages, database_suites, root};
    use std::path::Path;

    #[test]
    fn every_component_is_linted() {
        let root = root();
        let packages = component_packages(root).unwrap();
        assert_eq!(packages[..2], ["identity-component", "adapter-fake"]);
        assert_eq!(
            packages[..2].iter().map(|package| component_name(package)).collect::<Vec<_>>(),
            ["identity", "fake"]
        );
        for package in &packages[1..] {
            let manifest = root.join(package.replacen('-', "s/", 1)).join("Cargo.toml");
            let text = std::fs::read_to_string(&manifest).unwrap();
            assert!(text.contains(&format!("name = \"{package}\"")), "{}", manifest.display());
        }
    }

    #[test]
    fn every_suite_on_databases_is_found() {
        let suites = database_suites(root()).unwrap();
        for suite in
            ["audit_chain", "isolation_roles", "passive", "provider_resource_binding_service", "schema", "statements"]
        {
            assert!(suites.contains(&suite.to_owned()), "{suite}");
        }
        assert!(!suites.contains(&"vectors".to_owned()));
    }

    #[test]
    fn what_schemathesis_needs_is_pinned() {
        let text = std::fs::read_to_string(root().join("tests/contract/requirements.txt")).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.iter().any(|line| line.starts_with("schemathesis==4.")), "{lines:?}");
        for line in lines {
            assert!(line.split_once("==").is_some_and(|(_, version)| version.starts_with(char::is_numeric)), "{line}");
        }
    }

    #[test]
    fn a_missing_folder_is_named() {
        let problem = database_suites(Path::new("/nowhere")).unwrap_err();
        assert!(problem.to_string().starts_with("cannot read `/nowhere/tests/tests`"), "{problem}");
        let problem = component_packages(Path::new("/nowhere")).unwrap_err();
        assert!(problem.to_string().starts_with("cannot read `/nowhere/adapters`"), "{problem}");
    }
}
