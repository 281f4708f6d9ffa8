//! The vectors: what they are held to, and the lanes that run them (M-08).
//!
//! The native lane of adapters stands with each adapter's own tests, so that this file knows only the invented one.

#![cfg(test)]

use provident_identity::Identity;
use provident_tests::adapter_contract::native;
use provident_tests::guard::report as violations;
use provident_tests::vectors::lanes::{self, NativeAdapter};
use provident_tests::vectors::lint::lint;
use provident_tests::vectors::{File, Report, Vector, files, read};
use std::sync::OnceLock;

const NATIVE: &[(&str, NativeAdapter)] = &[("fake", |document| native(adapter_fake::describe(document)))];

fn vectors() -> &'static [Vector] {
    static VECTORS: OnceLock<Vec<Vector>> = OnceLock::new();
    VECTORS.get_or_init(|| read(&files().unwrap().0).unwrap_or_else(|wrong| panic!("{}", violations(&wrong))))
}

/// The lane answered every vector as written, and ran at least this many.
#[track_caller]
fn holds(lane: &str, report: &Report, at_least: usize) {
    eprintln!("{}", report.line(lane));
    assert!(report.failed.is_empty(), "{}\n{}", report.line(lane), violations(&report.failed));
    let all = report.passed() + report.skipped.values().sum::<usize>();
    assert_eq!(all, vectors().len(), "vectors were lost: {}", report.line(lane));
    assert!(report.passed() >= at_least, "{}", report.line(lane));
}

#[test]
fn the_rules_as_a_library_answer_every_line() {
    holds("native lines", &lanes::native_lines(vectors(), NATIVE), 5_000);
}

#[test]
fn the_rules_as_a_library_answer_typed_calls() {
    holds("native calls", &lanes::native_calls(vectors(), NATIVE), 5_000);
}

#[test]
fn the_component_answers_typed_calls() {
    holds("component calls", &lanes::component_calls(vectors(), &Identity::embedded().unwrap()), 5_000);
}

#[test]
fn the_component_answers_the_flat_form() {
    holds("derive-flat", &lanes::flat_form(vectors(), &Identity::embedded().unwrap()), 1_500);
}

#[test]
fn the_component_answers_batches() {
    holds("batch.run", &lanes::batches(vectors(), &Identity::embedded().unwrap()), 5_000);
}

#[test]
fn the_program_answers_batches() {
    holds("provident batch", &lanes::process(vectors()), vectors().len());
}

#[test]
fn a_lane_notices_a_wrong_reply() {
    let line = |expect: &str| {
        let text = format!(r#"{{"id":"x-1","request":{{"op":"digest","input":{{"key":"a"}}}},"expect":{expect}}}"#);
        read(&[("x".to_owned(), text)]).unwrap()
    };
    let identity = Identity::embedded().unwrap();
    let failed = |expect: &str| {
        let vectors = line(expect);
        [
            lanes::native_lines(&vectors, NATIVE),
            lanes::native_calls(&vectors, NATIVE),
            lanes::component_calls(&vectors, &identity),
            lanes::batches(&vectors, &identity),
            lanes::process(&vectors),
        ]
        .map(|report| report.failed.len())
    };
    assert_eq!(failed(r#"{"error":{"code":"unknown-scheme","field":"key"}}"#), [0; 5]);
    assert_eq!(failed(r#"{"error":{"code":"wrong-arity","field":"key"}}"#), [1; 5]);
    assert_eq!(failed(r#"{"error":{"code":"unknown-scheme","field":"value"}}"#), [1; 5]);
    assert_eq!(failed(r#"{"ok":{}}"#), [1; 5]);
}

#[test]
fn the_vector_files_are_in_order() {
    let (files, flags) = files().unwrap();
    let found = lint(&files, &flags);
    assert!(found.is_empty(), "{}", violations(&found));
    let own = vectors().iter().filter(|vector| vector.adapter().is_none()).count();
    assert!(own >= 400, "only {own} vectors");
}

#[test]
fn a_vector_file_out_of_order_is_told() {
    let (mut all, flags) = files().unwrap();
    let good = r#"{"id":"planted-1","request":{"op":"parse","input":{"key":"planted"}},"expect":{"error":{"code":"unknown-scheme","field":"key"}}}"#;
    all.push(("planted".to_owned(), good.to_owned()));
    assert_eq!(violations(&lint(&all, &flags)), violations(&[]));
    let base64 = r#""line_base64":"/w==","#;
    for (from, to, told) in [
        ("{\"id\"", "{\"id", "planted.ndjson:1"),
        ("planted-1", "derive-example-widget", "has the id of"),
        ("planted-1", "other-1", "does not start with the name of its file"),
        ("\"planted\"}}", "\"\"}}", "has the input of"),
        ("\"expect\"", "\"more\":1,\"expect\"", "no vector has a member `more`"),
        ("unknown-scheme", "unknown-schema", "`unknown-schema` is no code"),
        ("\"field\":\"key\"", "\"message\":\"m\"", "a code and a field"),
        ("\"error\":{", "\"ok\":{},\"error\":{", "holds one of"),
        ("\"expect\":{", "\"flags\":[\"sometimes\"],\"expect\":{", "does not say why `sometimes` exists"),
        ("\"expect\":{", "\"flags\":[\"line-only\"],\"expect\":{", "typed calls can make this request"),
        ("\"expect\":{", "\"flags\":[\"process-only\"],\"expect\":{", "this is text"),
        ("\"expect\":{", "\"flags\":[\"stream-start\"],\"expect\":{", "byte-order mark"),
        ("\"parse\"", "\"nope\"", "no typed call can"),
        ("\"request\":", "\"line\":", "`line` is not text"),
        ("\"expect\"", "\"line\":\"{}\",\"expect\"", "exactly one of"),
        ("\"request\":{\"op\":\"parse\",\"input\":{\"key\":\"planted\"}},", base64, "not text: `process-only`"),
    ] {
        let broken = good.replace(from, to);
        assert_ne!(broken, good, "{from}");
        all.pop();
        all.push(("planted".to_owned(), broken));
        let found = violations(&lint(&all, &flags));
        assert!(found.contains(told) && found.contains("tests/vectors/planted.ndjson:1"), "{told}: {found}");
    }
    all.pop();
    assert!(violations(&lint(&all, "{}")).contains("does not say why"));
    assert!(violations(&lint(&all, &flags.replacen('{', "{\"never\":\"used\",", 1))).contains("on no vector"));
    let without = |word: &str| -> Vec<File> {
        all.iter()
            .map(|(file, text)| {
                let kept: Vec<&str> = text.lines().filter(|line| !line.contains(word)).collect();
                (file.clone(), kept.join("\n"))
            })
            .collect()
    };
    for (word, told) in [
        ("non-canonical-escape", "the code `non-canonical-escape`"),
        ("provider_default", "the class, derived and parsed, `provider_default`"),
        ("missing_expected", "the mode `missing_expected`"),
        ("inventory_only", "the level `inventory_only`"),
        (":disc:", "the form `disc`"),
        ("\"op\":\"describe\"", "an answered op `describe`"),
    ] {
        let found = violations(&lint(&without(word), &flags));
        assert!(found.contains(&format!("no vector for {told}")), "{told}: {found}");
    }
}
