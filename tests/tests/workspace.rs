//! The shape of the workspace: the packages it is built on, the toolchain, the lints, and the table of requirements.
//!
//! Reads what cargo says of the members (`cargo metadata`) and the files themselves; builds nothing.

#![cfg(test)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use provident_tests::guard::extension;
use provident_tests::guard::listing::{files, root};
use provident_tests::guard::source::lines;
use serde_json::Value;

/// The packages this project is written with (M-09).
const PRESCRIBED: &[&str] = &["wit-bindgen", "wasmtime", "serde", "sha2", "hex", "sqlx", "tokio", "uuid", "thiserror"];
/// Members that are not the product: what they use proves nothing.
const TOOLS: &[&str] = &["provident-tests", "provident-bench", "xtask"];

struct Member {
    name: String,
    /// From the root, with `/` at its end.
    folder: String,
    dependencies: BTreeSet<String>,
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cargo that runs these tests.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The members of the workspace and the packages each one names in its manifest, for whatever target or purpose.
fn members() -> Vec<Member> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |list: &Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().into()).collect()
    };
    let root = root().canonicalize().unwrap();
    let members = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let folder = manifest.parent().unwrap().strip_prefix(&root).unwrap();
        Member {
            name: package["name"].as_str().unwrap().into(),
            folder: format!("{}/", folder.display()),
            dependencies: names(&package["dependencies"]),
        }
    });
    members.collect()
}

#[test]
fn the_prescribed_packages_are_direct_and_used() {
    let members = members();
    let project = files(&root()).unwrap();
    for package in PRESCRIBED {
        let word = package.replace('-', "_");
        let used = members.iter().filter(|member| !TOOLS.contains(&member.name.as_str())).any(|it| {
            let sources =
                project.iter().filter(|file| file.path.starts_with(&it.folder) && extension(&file.path) == "rs");
            it.dependencies.contains(*package)
                && sources.flat_map(|file| lines(&file.text)).any(|line| line.words().any(|found| found == word))
        });
        assert!(used, "no member of the product both depends on `{package}` and names it");
    }
}

#[test]
fn the_top_level_is_as_prescribed() {
    for path in [
        "Cargo.toml",
        "wit/identity.wit",
        "identity-component/Cargo.toml",
        "host/Cargo.toml",
        "migrations/sqlite",
        "migrations/postgres",
        "tests/Cargo.toml",
        "README.md",
    ] {
        assert!(root().join(path).exists(), "{path} is missing");
    }
}

#[test]
fn wasmtime_is_of_the_long_term_line() {
    let lock = read("Cargo.lock");
    let versions: Vec<&str> = lock
        .split("[[package]]")
        .filter(|package| package.contains("\nname = \"wasmtime\"\n"))
        .filter_map(|package| package.split_once("\nversion = \"")?.1.split('"').next())
        .collect();
    assert_eq!(versions.len(), 1, "one wasmtime is linked: {versions:?}");
    assert!(versions[0].starts_with("48."), "wasmtime is {}, not 48", versions[0]);
}

#[test]
fn the_toolchain_is_pinned_and_in_use() {
    let toolchain = read("rust-toolchain.toml");
    assert!(toolchain.lines().any(|line| line == "channel = \"1.95.0\""), "{toolchain}");
    assert!(toolchain.contains("\"wasm32-wasip2\""), "{toolchain}");
    let output = cargo().arg("--version").output().unwrap();
    let version = String::from_utf8(output.stdout).unwrap();
    assert!(version.starts_with("cargo 1.95.0 "), "the tests were built by {version}");
}

#[test]
fn every_member_takes_the_lints_of_the_workspace() {
    let members = members();
    assert!(members.len() >= 9, "only {} members", members.len());
    for member in members {
        let manifest = read(&format!("{}Cargo.toml", member.folder));
        let lints = manifest.split_once("\n[lints]\n").map(|(_, rest)| rest.trim_start());
        assert!(
            lints.is_some_and(|lints| lints.starts_with("workspace = true")),
            "{}Cargo.toml does not say `[lints] workspace = true`",
            member.folder
        );
    }
}

#[test]
fn every_crate_of_the_tree_comes_from_the_registry() {
    let lock = read("Cargo.lock");
    let others: Vec<&str> = lock
        .lines()
        .filter(|line| line.starts_with("source = "))
        .filter(|line| !line.contains("registry+https://github.com/rust-lang/crates.io-index"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

/// One row of the table of requirements.
struct Row<'a> {
    line: usize,
    id: &'a str,
    /// What stands between backticks in the two last columns.
    places: Vec<&'a str>,
    tests: Vec<&'a str>,
}

fn ticked(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let numbered = table.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    numbered
        .skip(2)
        .map(|(index, line)| {
            let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").collect();
            let [id, rule, places, tests] = cells[..] else {
                panic!("REQUIREMENTS.md:{}: not four cells: {line}", index + 1)
            };
            assert!(!rule.trim().is_empty(), "REQUIREMENTS.md:{}: no rule", index + 1);
            Row { line: index + 1, id: id.trim(), places: ticked(places), tests: ticked(tests) }
        })
        .collect()
}

/// `P381-07`, `M-09`, `X15`.
fn is_id(id: &str) -> bool {
    let number = |text: &str| (2..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match id.split_once('-') {
        Some((seed, rest)) => ["P381", "C381", "S380", "P061", "P339", "M"].contains(&seed) && number(rest),
        None => id.strip_prefix('X').is_some_and(number),
    }
}

/// What is wrong with the table, judged with the files `read` answers.
fn wrong(table: &str, read: impl Fn(&str) -> Option<String>, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for Row { line, id, places, tests } in rows(table) {
        let mut say = |what: String| wrong.push(format!("tests/REQUIREMENTS.md:{line}: {id}: {what}"));
        if !is_id(id) {
            say("not an id like `P381-07`, `M-09` or `X15`".into());
        }
        if !seen.insert(id) {
            say("has a row already".into());
        }
        if places.is_empty() || tests.is_empty() {
            say("a row names, in backticks, where the rule lives and the test that holds it".into());
        }
        for place in places.iter().filter(|place| !exists(place)) {
            say(format!("`{place}` does not exist"));
        }
        for test in tests {
            let Some((path, name)) = test.split_once("::") else {
                say(format!("`{test}` is not `path/file.rs::test_name`"));
                continue;
            };
            let function = format!("fn {name}(");
            match read(path) {
                None => say(format!("`{path}` does not exist")),
                Some(text) if !text.contains(&function) => say(format!("`{path}` has no `{function}`")),
                Some(_) => {}
            }
        }
    }
    wrong
}

#[test]
fn every_requirement_names_a_test_that_exists() {
    let table = read("tests/REQUIREMENTS.md");
    assert!(rows(&table).len() >= 10, "the table is nearly empty");
    let file = |path: &str| std::fs::read_to_string(root().join(path)).ok();
    let wrong = wrong(&table, file, |path| root().join(path).exists());
    assert!(wrong.is_empty(), "{} wrong row(s)\n{}\n", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_wrong_row_is_named() {
    let head = "| id | rule | lives in | test |\n|---|---|---|---|\n";
    let judge = |row: &str| {
        let file = |path: &str| (path == "a.rs").then(|| "fn holds() {}".to_owned());
        wrong(&format!("{head}{row}"), file, |path| path == "a.rs")
    };
    let good = "| P381-07 | nothing remote | `a.rs` | `a.rs::holds` |";
    assert_eq!(judge(good), Vec::<String>::new());
    for (row, part) in [
        ("| P381-7 | r | `a.rs` | `a.rs::holds` |", "not an id"),
        ("| P999-07 | r | `a.rs` | `a.rs::holds` |", "not an id"),
        ("| M-09 | r | `b.rs` | `a.rs::holds` |", "`b.rs` does not exist"),
        ("| M-09 | r | `a.rs` | `b.rs::holds` |", "`b.rs` does not exist"),
        ("| M-09 | r | `a.rs` | `a.rs::hold` |", "has no `fn hold(`"),
        ("| M-09 | r | `a.rs` | `a.rs` |", "is not `path/file.rs::test_name`"),
        ("| M-09 | r | a.rs | `a.rs::holds` |", "in backticks"),
        (&format!("{good}\n{good}"), "has a row already"),
    ] {
        let told = judge(row);
        assert!(told.iter().any(|told| told.contains(part)), "{row}: {told:?}");
    }
}
