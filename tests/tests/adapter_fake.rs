//! The invented provider's adapter: its vectors as a library and as a component, and that it has everything a
//! provider can have.

#![cfg(test)]

use provident_identity::Adapter;
use provident_tests::adapter_contract::{component, native, vector_violations};
use serde_json::Value;
use std::collections::BTreeSet;

const VECTORS: &str = include_str!("../vectors/adapt-fake.ndjson");

/// Every value at this path in the descriptors and refusals the vectors expect.
fn expected(path: &str) -> BTreeSet<String> {
    let vectors = VECTORS.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let items = vectors.filter_map(|vector| vector.pointer("/expect/ok/items").cloned());
    let items = items.flat_map(|items| items.as_array().unwrap().clone());
    items.filter_map(|item| item.pointer(path)?.as_str().map(String::from)).collect()
}

#[test]
fn the_vectors_hold_natively() {
    let (found, [adapted, described]) =
        vector_violations(VECTORS, &|document| native(adapter_fake::describe(document))).unwrap();
    assert_eq!(found, [""; 0]);
    assert!(adapted >= 60 && described >= 50, "{adapted} and {described} vectors");
}

#[test]
fn the_vectors_hold_as_a_component() {
    let adapter = Adapter::embedded("fake").unwrap();
    let (found, _) = vector_violations(VECTORS, &|document| component(adapter.describe(document))).unwrap();
    assert_eq!(found, [""; 0]);
}

#[test]
fn it_has_every_class_level_form_and_refusal() {
    assert_eq!(expected("/descriptor/subject_class").len(), 8);
    assert_eq!(expected("/descriptor/support_level").len(), 3);
    let forms: BTreeSet<String> = VECTORS
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<Value>(line).unwrap().pointer("/expect/ok/key")?.as_str().map(String::from)
        })
        .map(|key| key.split(':').nth(5).unwrap().to_owned())
        .collect();
    assert_eq!(forms, BTreeSet::from(["disc", "ext", "id"].map(String::from)));
    let codes = expected("/error/code");
    for code in ["malformed-document", "unknown-type", "ambiguous-type", "missing-identity", "missing-discriminator"] {
        assert!(codes.contains(code), "{code} is not among {codes:?}");
    }
}

#[test]
fn a_member_given_twice_refuses_the_object_and_no_other() {
    let answers = adapter_fake::describe(r#"[{"kind":"widget","ref":"a","ref":"b"},{"kind":"widget","ref":"a"}]"#);
    let refusal = answers[0].as_ref().unwrap_err();
    assert_eq!((refusal.position, refusal.code.as_str(), refusal.field), (0, "malformed-document", "ref"));
    assert!(answers[1].is_ok());
}
