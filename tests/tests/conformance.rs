//! Conformance notices what it is there for: a host that answers otherwise, runs another component, or fails.
//!
//! The hosts here are small shell scripts around `provident batch`, made right or wrong in one way each.

#![cfg(test)]

use std::ffi::OsString;
use std::path::Path;

use provident_tests::conformance::report::{Conformance, FormResult, Lane};
use provident_tests::conformance::sweep::sweep;
use provident_tests::conformance::{Host, embedded};
use provident_tests::program;
use provident_tests::vectors::lanes::Form;
use provident_tests::vectors::{Vector, files, read};
use tempfile::TempDir;

/// What a host of this script is found to be.
fn found(script: &str, vectors: &[Vector]) -> Conformance {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("host");
    std::fs::write(&file, script).unwrap();
    let host = Host::program(vec!["sh".into(), OsString::from(&file)]).unwrap();
    let result = |(form, report)| FormResult::of(form, report, sweep(&host, form, 7, 300));
    let results = host.run(vectors).into_iter().map(result).collect();
    let lanes = vec![Lane { about: host.about.clone(), results }];
    Conformance { components: embedded().unwrap(), seed: 7, lanes }
}

/// A host that answers lines with our own program, its replies sent through a filter; with these components.
fn script(filter: &str, components: &str) -> String {
    let program = program::path().unwrap();
    let about = format!(
        r#"{{"host":"script","engine":"sh","version":"1","components":{components},"forms":["lines","calls"]}}"#
    );
    format!(
        "if [ \"$1\" = about ]; then echo '{about}'; exit; fi\nshift\n{{ {} batch \"$@\" || [ $? = 3 ]; }} | {filter}\n",
        Path::new(&program).display()
    )
}

fn ours() -> String {
    serde_json::to_string(&embedded().unwrap()).unwrap()
}

fn vectors() -> Vec<Vector> {
    let all = read(&files().unwrap().0).unwrap();
    all.into_iter().step_by(7).collect()
}

#[test]
fn a_host_that_answers_as_the_library_does_passes() {
    let vectors = vectors();
    let found = found(&script("cat", &ours()), &vectors);
    assert_eq!(found.faults(), Vec::<String>::new());
    let lines = &found.lanes[0].results[0];
    let passed: usize = lines.groups.values().map(|tally| tally.passed).sum();
    let refused: usize = lines.groups.values().map(|tally| tally.refused).sum();
    assert_eq!((lines.form, passed), (Form::Lines, vectors.len()));
    assert!(0 < refused && refused < passed, "{refused}");
    assert_eq!(lines.random.as_ref().map(|random| random.requests), Some(300));
    let page = found.markdown();
    assert!(page.contains("Everything passed.") && page.contains("| script | sh | 1 | the same | lines |"), "{page}");
    assert!(found.json().unwrap().contains("\"host\": \"script\""));
}

#[test]
fn a_host_that_answers_otherwise_is_told() {
    let vectors = vectors();
    for filter in
        ["sed 's/%3A/%3a/'", "sed 's/\"field\":\"key\"/\"field\":\"value\"/'", "sed '5d'", "sed '5p'", "head -n 9"]
    {
        let found = found(&script(filter, &ours()), &vectors);
        let faults = found.faults();
        assert!(faults.iter().any(|fault| fault.starts_with("script, lines: ")), "{filter}: {faults:?}");
        assert!(
            faults.iter().any(|fault| fault.contains("random requests answered otherwise")),
            "{filter}: {faults:?}"
        );
        assert!(found.markdown().contains("## Faults"));
    }
}

#[test]
fn a_host_of_another_component_is_told() {
    let other = ours().replace(&embedded().unwrap()["identity"], &"0".repeat(64));
    let faults = found(&script("cat", &other), &vectors()).faults();
    assert!(faults.iter().any(|fault| fault.starts_with("script runs other components")), "{faults:?}");
    // Only the library may have none.
    let faults = found(&script("cat", "{}"), &vectors()).faults();
    assert!(faults.iter().any(|fault| fault.starts_with("script runs other components")), "{faults:?}");
}

#[test]
fn a_form_one_of_ours_has_lost_is_told() {
    let node = script("cat", &ours()).replace("\"script\"", "\"node\"");
    let faults = found(&node, &vectors()[..50]).faults();
    assert!(faults.iter().any(|fault| fault.starts_with("node answers in [Lines, Calls] and not in")), "{faults:?}");
    let formless = script("cat", &ours()).replace("[\"lines\",\"calls\"]", "[]");
    assert_eq!(found(&formless, &vectors()[..50]).faults(), ["script answers in no form"]);
}

#[test]
fn a_host_that_fails_is_told() {
    let failing = script("cat", &ours()).replace("shift\n", "echo it broke >&2; exit 4\n");
    let faults = found(&failing, &vectors()).faults();
    assert!(faults.iter().any(|fault| fault.contains("it broke")), "{faults:?}");
    assert!(faults.contains(&"script, lines: passed no vector".to_owned()), "{faults:?}");
    for broken in ["exit 1", "echo '{}'"] {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("host");
        std::fs::write(&file, broken).unwrap();
        assert!(Host::program(vec!["sh".into(), OsString::from(&file)]).is_err(), "{broken}");
    }
    assert!(Host::program(vec!["/nowhere/host".into()]).is_err());
}
