//! One contract for every adapter: the invented provider's, as a library and as a component, and a stranger's,
//! built to a file and loaded as one. Every other embedded adapter has a suite named after it that keeps the
//! same contract.

#![cfg(test)]

use proptest::prelude::*;
use provident_identity::{Adapter, component_file, components};
use provident_tests::adapter_contract::{Answer, DOCUMENT_BYTES, Outcome, Subject, component, imports, native, with};
use provident_tests::foreign_adapter;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::LazyLock;

static FAKE: LazyLock<Adapter> = LazyLock::new(|| Adapter::embedded("fake").unwrap());
static LEDGER_FILE: LazyLock<Vec<u8>> = LazyLock::new(foreign_adapter::build);
static LEDGER: LazyLock<Adapter> =
    LazyLock::new(|| Adapter::from_file(&LEDGER_FILE, &foreign_adapter::digest(&LEDGER_FILE)).unwrap());

fn fake_natively(document: &str) -> Vec<Answer> {
    native(adapter_fake::describe(document))
}

fn fake_as_component(document: &str) -> Vec<Answer> {
    component(FAKE.describe(document))
}

fn ledger(document: &str) -> Vec<Answer> {
    component(LEDGER.describe(document))
}

/// Every kind, origin and form, and every refusal an object can earn.
fn fake_samples(tenant: &str) -> Vec<Value> {
    vec![
        json!({ "kind": "widget", "ref": format!("{tenant}/A:1"), "title": "Door", "rev": "1", "site": tenant }),
        json!({ "kind": "widget", "tag": "B", "site": tenant }),
        json!({ "kind": "gadget", "code": "starter-kit", "origin": "factory", "ref": tenant, "title": "Door" }),
        json!({ "kind": "widget", "code": "house-rules", "origin": "fallback", "site": tenant }),
        json!({ "kind": "crew", "ref": tenant }),
        json!({ "kind": "crew", "code": "everyone", "origin": "virtual", "site": tenant }),
        json!({ "kind": "zone", "area": "eu", "tag": "Köln/7" }),
        json!({ "kind": "meter", "ref": "m" }),
        json!({ "kind": "relic", "code": "old-bell", "origin": "shared", "site": tenant }),
        json!({ "kind": "gizmo", "shelf": "gizmos", "ref": "x" }),
        json!({ "shelf": "widgets", "ref": "S" }),
        json!({ "shelf": "oddments", "ref": "S" }),
        json!({ "kind": "gizmo", "ref": "x" }),
        json!({ "kind": "widget" }),
        json!({ "kind": "gadget", "origin": "factory" }),
        json!({ "kind": "widget", "ref": " padded " }),
        json!({ "kind": "widget", "ref": 7 }),
        json!({ "kind": "widget", "ref": "x".repeat(513) }),
        json!({}),
    ]
}

fn ledger_samples(tenant: &str) -> Vec<Value> {
    vec![
        json!({ "account": "debit", "number": format!("{tenant}-1"), "caption": "Rent", "books": tenant }),
        json!({ "account": "standing", "name": "year-end", "number": tenant, "caption": "Closing" }),
        json!({ "account": "credit", "number": "9" }),
        json!({ "account": "debit", "caption": "Nothing identifies it" }),
        json!({ "account": "standing", "number": "3" }),
        json!({ "number": "3" }),
    ]
}

fn fake(describe: &dyn Fn(&str) -> Vec<Answer>) -> Subject<'_> {
    Subject { provider_key: "fake", label: "title", list: "items", describe, samples: &fake_samples }
}

fn stranger() -> Subject<'static> {
    Subject { provider_key: "ledger", label: "caption", list: "entries", describe: &ledger, samples: &ledger_samples }
}

const NONE: [String; 0] = [];

#[test]
fn the_invented_adapter_keeps_the_contract() {
    assert_eq!(fake(&fake_natively).violations(), NONE);
    assert_eq!(fake(&fake_natively).size_violations(), NONE);
    assert_eq!(fake(&fake_as_component).violations(), NONE);
}

#[test]
fn a_foreign_adapter_loaded_from_a_file_keeps_the_contract() {
    assert_eq!(stranger().violations(), NONE);
    let about = LEDGER.about().unwrap();
    assert_eq!(about.provider_key, "ledger");
    assert_eq!(about.entity_types, ["debit", "standing"]);
}

#[test]
fn a_file_that_is_not_the_pinned_one_is_not_loaded() {
    let error = Adapter::from_file(&LEDGER_FILE, &"0".repeat(64)).unwrap_err();
    assert_eq!(error.code(), "component-digest-mismatch");
}

#[test]
fn every_embedded_adapter_has_a_suite_and_says_who_it_is() {
    let embedded = components().unwrap();
    assert!(embedded.len() > 2);
    for description in embedded.iter().filter(|description| description.name != "identity") {
        let name = description.name;
        let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/adapter_{name}.rs"));
        assert!(suite.exists(), "{name} has no suite {}", suite.display());
        let about = Adapter::embedded(name).unwrap().about().unwrap();
        assert_eq!(about.provider_key, name);
        assert!(!about.version.is_empty());
        assert!(!about.entity_types.is_empty());
        assert!(about.entity_types.is_sorted(), "{name}: {:?}", about.entity_types);
    }
}

#[test]
fn no_component_imports_anything() {
    for description in components().unwrap() {
        assert_eq!(imports(component_file(description.name).unwrap()).unwrap(), NONE, "{}", description.name);
        assert_eq!(description.imports, NONE);
    }
    assert_eq!(imports(&LEDGER_FILE).unwrap(), NONE);
}

#[test]
fn an_import_would_be_seen() {
    // (component (import "clock" (func)))
    let importing = b"\0asm\x0d\0\x01\0\x07\x05\x01\x40\0\x01\0\x0a\x0a\x01\0\x05clock\x01\0";
    assert_eq!(imports(importing).unwrap(), ["clock"]);
}

#[test]
fn the_most_objects_a_document_may_hold_fit_an_adapters_memory() {
    let object = r#"{"kind":"gizmo","shelf":"gizmos","code":"a","ref":"b","tag":"c","rev":"d","title":"e"}"#;
    let document = |count: usize| format!("[{object}{}]", format!(",{object}").repeat(count - 1));
    let answers = FAKE.describe(&document(50_000)).unwrap();
    assert_eq!(answers.len(), 50_000);
    assert!(answers.iter().all(Result::is_ok));
    let broken = format!(r#"{{"kind":"widget","ref":"{}"}}"#, "\u{85}".repeat(64));
    let answers = FAKE.describe(&format!("[{broken}{}]", format!(",{broken}").repeat(49_999))).unwrap();
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 50_000);
    let refused = fake_as_component(&document(50_001));
    assert_eq!(refused, fake_natively(&document(50_001)));
    assert!(matches!(refused.as_slice(), [Answer { position: 0, outcome: Outcome::Refused { code, .. } }]
        if code == "document-too-large"));
}

#[test]
fn the_longest_refusals_of_a_full_document_fit_an_adapters_memory() {
    for member in [r#""kind""#, r#""shelf""#, r#""kind":"widget","origin""#] {
        let object = format!(r#"{{{member}:"{}","other":"{}"}}"#, "\u{7F}".repeat(65), "x".repeat(40));
        let document = format!("[{object}{}]", format!(",{object}").repeat(49_999));
        let padded = format!("{document}{}", " ".repeat(DOCUMENT_BYTES - document.len()));
        let answers = fake_as_component(&document);
        assert_eq!(answers.len(), 50_000, "{member}: {:?}", answers.first());
        assert_eq!(fake_as_component(&padded), answers);
        for answer in &answers {
            let Outcome::Refused { message, .. } = &answer.outcome else { panic!("{answer:?}") };
            assert!(message.contains(&format!("`{}…`", "\u{FFFD}".repeat(64))), "{message}");
        }
    }
}

#[test]
fn a_document_over_the_limit_never_reaches_a_component() {
    let over = " ".repeat(Adapter::DOCUMENT_BYTES + 1);
    assert_eq!(FAKE.describe(&over).unwrap_err().code(), "input-too-large");
    assert!(FAKE.describe("[]").unwrap().is_empty());
}

/// An adapter that breaks one clause, and a word of the sentence that must say so.
type Broken = (&'static str, fn(&str) -> Vec<Answer>);

const BROKEN: &[Broken] = &[
    ("two ways", |document| {
        static CALLS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let call = CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        change(document, |descriptor| descriptor["display_label"] = json!(format!("call {call}")))
    }),
    ("answers", |document| fake_natively(document).into_iter().skip(1).collect()),
    ("position", |document| {
        fake_natively(document).into_iter().map(|answer| Answer { position: 0, ..answer }).collect()
    }),
    ("changes more than the label", |document| {
        change(document, |descriptor| {
            let label = descriptor["display_label"].as_str().unwrap_or("none").to_owned();
            descriptor["identity"]["fingerprint"] = json!(label.trim());
        })
    }),
    ("tenant's id in a discriminator", |document| {
        let tenant = document.split("\"site\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("none");
        change(document, |descriptor| {
            if descriptor["identity"]["discriminator"].is_string() {
                descriptor["identity"]["discriminator"] = json!(format!("kit.{}", tenant.replace('-', "")));
            }
        })
    }),
    ("two tenants do not share", |document| {
        change(document, |descriptor| {
            if descriptor["identity"]["discriminator"].is_string() {
                let digest = hex::encode(Sha256::digest(document));
                descriptor["identity"]["discriminator"] = json!(digest);
            }
        })
    }),
    ("another provider's key", |document| {
        change(document, |descriptor| descriptor["identity"]["provider_key"] = json!("fakes"))
    }),
    ("no support level", |document| {
        change(document, |descriptor| {
            descriptor.as_object_mut().unwrap().remove("support_level");
        })
    }),
    ("does not derive", |document| change(document, |descriptor| descriptor["identity"]["tenant_owned"] = json!(true))),
    ("empty or too long", |document| change(document, |descriptor| descriptor["display_label"] = json!(""))),
    ("what, where and why", |document| {
        let silent = |answer| match answer {
            Answer { position, outcome: Outcome::Refused { code, field, .. } } => {
                Answer { position, outcome: Outcome::Refused { code, field, message: String::new() } }
            }
            described => described,
        };
        fake_natively(document).into_iter().map(silent).collect()
    }),
    (
        "page is answered differently",
        |document| {
            if document.contains("items") { Vec::new() } else { fake_natively(document) }
        },
    ),
    ("between strangers", |document| {
        let answers = fake_natively(document);
        let disturbed =
            |answer: &Answer| matches!(&answer.outcome, Outcome::Refused { code, .. } if code == "malformed-document");
        if answers.len() > 30 && answers.iter().any(disturbed) { answers.into_iter().rev().collect() } else { answers }
    }),
    ("is answered with", |document| if document == "[" { Vec::new() } else { fake_natively(document) }),
    ("depth", |document| if document.contains("[[[[") { Vec::new() } else { fake_natively(document) }),
];

fn change(document: &str, change: impl Fn(&mut Value)) -> Vec<Answer> {
    let mut answers = fake_natively(document);
    for answer in &mut answers {
        if let Outcome::Described(descriptor) = &mut answer.outcome {
            change(descriptor);
        }
    }
    answers
}

#[test]
fn an_adapter_that_breaks_a_clause_is_told_so() {
    for (sentence, broken) in BROKEN {
        let found = fake(broken).violations();
        assert!(found.iter().any(|found| found.contains(sentence)), "{sentence}: {found:?}");
    }
    let unlimited = |document: &str| fake_natively(document.trim());
    assert_eq!(fake(&unlimited).size_violations().len(), 1);
}

/// Text that breaks rules, or nearly.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9:/%#._~ -]{0,24}",
        proptest::sample::select(vec![
            "", " ", "\u{0}", "\u{FFFE}", "\u{85}", "é", "widget", "zone", "factory", "oddments"
        ])
        .prop_map(String::from),
        (505_usize..520).prop_map(|length| "x".repeat(length)),
        (120_usize..180).prop_map(|length| "é".repeat(length)),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => proptest::collection::vec(text().prop_map(Value::from), 0..3).prop_map(Value::from),
        1 => text().prop_map(|text| json!({ "kind": text, "items": [] })),
    ]
}

/// An object with some members of a sample's replaced by anything.
fn object(samples: Vec<Value>, members: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let changes = proptest::collection::vec((proptest::sample::select(members), anything()), 0..4);
    (proptest::sample::select(samples), changes).prop_map(|(sample, changes)| {
        changes.iter().fold(sample, |object, (member, value)| with(&object, member, value))
    })
}

const FAKE_MEMBERS: &[&str] =
    &["kind", "shelf", "ref", "tag", "code", "origin", "rev", "area", "title", "items", "other"];
const LEDGER_MEMBERS: &[&str] = &["account", "number", "name", "caption", "entries", "other"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_an_object_holds_it_gets_an_answer_that_derives(
        objects in proptest::collection::vec(object(fake_samples("t"), FAKE_MEMBERS), 1..4),
    ) {
        let document = Value::Array(objects.clone()).to_string();
        prop_assert_eq!(fake(&fake_natively).document_violations(&document), NONE);
        let answers = fake_natively(&document);
        prop_assert_eq!(answers.len(), objects.len());
        prop_assert_eq!(&fake_as_component(&document), &answers);
    }

    #[test]
    fn whatever_a_foreign_object_holds_it_gets_an_answer_that_derives(
        object in object(ledger_samples("t"), LEDGER_MEMBERS),
    ) {
        prop_assert_eq!(stranger().document_violations(&object.to_string()), NONE);
    }

    #[test]
    fn whatever_a_document_is_it_is_answered(document in prop_oneof![any::<String>(), "[\\[\\]{}\",:a0 \\\\u]{0,40}"]) {
        prop_assert_eq!(fake(&fake_natively).document_violations(&document), NONE);
        prop_assert_eq!(fake_as_component(&document), fake_natively(&document));
        prop_assert_eq!(stranger().document_violations(&document), NONE);
    }

    #[test]
    fn a_label_changes_only_the_label(sample in proptest::sample::select(fake_samples("t")), label in anything()) {
        let unlabelled = |object: &Value| match fake_natively(&object.to_string()).remove(0).outcome {
            Outcome::Described(mut descriptor) => {
                descriptor.as_object_mut().unwrap().remove("display_label");
                descriptor
            }
            Outcome::Refused { code, field, .. } => json!([code, field]),
        };
        prop_assert_eq!(unlabelled(&with(&sample, "title", &label)), unlabelled(&sample));
    }
}
