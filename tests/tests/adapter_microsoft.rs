//! Microsoft's adapter: the contract every adapter keeps, its vectors, and what a tenant's exports look like.
//! All data is invented, in the real shape.

#![cfg(test)]

use proptest::prelude::*;
use provident_identity::Adapter;
use provident_tests::adapter_contract::{
    Answer, DOCUMENT_BYTES, Outcome, Subject, component, key, native, vector_violations, with,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

const VECTORS: &str = include_str!("../vectors/adapt-microsoft.ndjson");
const NONE: [String; 0] = [];
const MEMBERS: &[&str] = &["@odata.type", "@odata.context", "id", "displayName", "name", "target", "value", "settings"];

static ADAPTER: LazyLock<Adapter> = LazyLock::new(|| Adapter::embedded("microsoft").unwrap());

fn natively(document: &str) -> Vec<Answer> {
    native(adapter_microsoft::describe(document))
}

fn as_component(document: &str) -> Vec<Answer> {
    component(ADAPTER.describe(document))
}

fn context(path: &str) -> String {
    format!("https://graph.microsoft.com/beta/$metadata#{path}")
}

fn samples(tenant: &str) -> Vec<Value> {
    let default = |kind: &str, rest: &str| {
        json!({
            "@odata.type": format!("#microsoft.graph.{kind}"),
            "@odata.context": context("deviceManagement/deviceEnrollmentConfigurations/$entity"),
            "id": format!("{tenant}_{rest}"),
            "displayName": "All users and all devices",
        })
    };
    let target = |members: Value| json!({ "id": format!("{tenant}:0"), "tenantId": tenant, "target": members });
    vec![
        json!({ "@odata.type": "#microsoft.graph.windows10CompliancePolicy", "id": tenant, "displayName": "Laptops" }),
        json!({ "@odata.context": context("deviceManagement/configurationPolicies/$entity"), "id": "p", "settings": [tenant] }),
        json!({ "@odata.type": "#microsoft.graph.iosManagedAppProtection", "id": format!("T_{tenant}") }),
        default("deviceEnrollmentLimitConfiguration", "DefaultLimit"),
        default("deviceEnrollmentPlatformRestrictionsConfiguration", "DefaultPlatformRestrictions"),
        default("deviceEnrollmentWindowsHelloForBusinessConfiguration", "DefaultWindowsHelloForBusiness"),
        default(
            "windows10EnrollmentCompletionPageConfiguration",
            "DefaultWindows10EnrollmentCompletionPageConfiguration",
        ),
        default("windowsRestoreDeviceEnrollmentConfiguration", "WindowsRestore"),
        default("inventedEnrollmentConfiguration", "DefaultInvented"),
        default("deviceEnrollmentLimitConfiguration", "Limit"),
        target(json!({ "@odata.type": "#microsoft.graph.allDevicesAssignmentTarget" })),
        target(json!({ "@odata.type": "#microsoft.graph.allLicensedUsersAssignmentTarget" })),
        target(json!({ "@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": tenant })),
        target(json!({ "@odata.type": "#microsoft.graph.exclusionGroupAssignmentTarget", "groupId": tenant })),
        target(json!({ "@odata.type": "#microsoft.graph.inventedAssignmentTarget" })),
        json!({ "@odata.type": "#microsoft.graph.roleScopeTag", "id": "0" }),
        json!({ "@odata.type": "#microsoft.graph.unsupportedDeviceConfiguration", "id": "u" }),
        json!({ "@odata.type": "#microsoft.graph.invented", "@odata.context": context("inventions"), "id": "u" }),
        json!({ "@odata.type": "#microsoft.graph.invented", "id": "u" }),
        json!({ "@odata.context": context("deviceManagement/deviceConfigurations/$entity"), "id": "u" }),
        json!({ "@odata.type": "#microsoft.graph.windows10CompliancePolicy", "displayName": "no id" }),
        json!({ "@odata.type": "#microsoft.graph.windows10CompliancePolicy", "id": " padded" }),
        json!({}),
    ]
}

fn subject(describe: &dyn Fn(&str) -> Vec<Answer>) -> Subject<'_> {
    Subject { provider_key: "microsoft", label: "displayName", list: "value", describe, samples: &samples }
}

fn keys(document: &Value) -> Vec<String> {
    let key = |answer: Answer| match answer.outcome {
        Outcome::Described(descriptor) => key(&descriptor).unwrap(),
        Outcome::Refused { code, field, .. } => panic!("refused: {code} {field}"),
    };
    natively(&document.to_string()).into_iter().map(key).collect()
}

#[test]
fn it_keeps_the_contract_natively() {
    assert_eq!(subject(&natively).violations(), NONE);
    assert_eq!(subject(&natively).size_violations(), NONE);
}

#[test]
fn it_keeps_the_contract_as_a_component() {
    assert_eq!(subject(&as_component).violations(), NONE);
}

#[test]
fn the_vectors_hold_natively() {
    let (found, [adapted, described]) = vector_violations(VECTORS, &natively).unwrap();
    assert_eq!(found, NONE);
    assert!(adapted >= 60 && described >= 200, "{adapted} and {described} vectors");
}

#[test]
fn the_vectors_hold_as_a_component() {
    let (found, _) = vector_violations(VECTORS, &as_component).unwrap();
    assert_eq!(found, NONE);
}

#[test]
fn the_vectors_hold_every_row_of_the_table_and_every_refusal_of_its_own() {
    let vectors: Vec<Value> = VECTORS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let items: Vec<&Value> =
        vectors.iter().filter_map(|it| it.pointer("/expect/ok/items")?.as_array()).flatten().collect();
    let found = |path: &str| -> BTreeSet<&str> { items.iter().filter_map(|it| it.pointer(path)?.as_str()).collect() };
    let types = found("/descriptor/identity/resource_type");
    for row in adapter_microsoft::entity_types::ENTITY_TYPES {
        assert!(types.contains(row.name), "{} is in no vector", row.name);
    }
    let codes = found("/error/code");
    for code in ["malformed-document", "unknown-type", "ambiguous-type", "missing-identity"] {
        assert!(codes.contains(code), "{code} is in no vector");
    }
}

#[test]
fn same_named_defaults_have_keys_of_their_own_that_tenants_share() {
    let defaults = |tenant: &str| keys(&Value::from(samples(tenant)[3..8].to_vec()));
    let one = defaults("0b5e55ed-aaaa-4aaa-8aaa-aaaaaaaaaaaa");
    assert_eq!(one, defaults("CA11AB1E-bbbb-4bbb-8bbb-bbbbbbbbbbbb"));
    assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), 5);
    assert!(one.iter().all(|key| key.starts_with("provider:microsoft:default:deviceEnrollmentConfigurations:")));
}

#[test]
fn four_assignments_have_three_subjects() {
    let assignments = Value::from(samples("0b5e55ed-aaaa-4aaa-8aaa-aaaaaaaaaaaa")[10..14].to_vec());
    assert_eq!(
        keys(&assignments),
        [
            "provider:microsoft:virtual-target:assignmentTargets:microsoft.graph.allDevicesAssignmentTarget:disc:all-devices",
            "provider:microsoft:virtual-target:assignmentTargets:microsoft.graph.allLicensedUsersAssignmentTarget:disc:all-licensed-users",
            "provider:microsoft:assignment-target:assignmentTargets:microsoft.graph.groupAssignmentTarget:id:0b5e55ed-aaaa-4aaa-8aaa-aaaaaaaaaaaa",
            "provider:microsoft:assignment-target:assignmentTargets:microsoft.graph.groupAssignmentTarget:id:0b5e55ed-aaaa-4aaa-8aaa-aaaaaaaaaaaa",
        ]
    );
}

#[test]
fn a_member_given_twice_refuses_the_object_and_no_other() {
    let whole = r##"{"@odata.type":"#microsoft.graph.windows10CompliancePolicy","id":"a","settings":1,"settings":2}"##;
    for (twice, field) in [
        (r##"{"@odata.type":"#a","@odata.type":"#a","id":"a"}"##, "@odata.type"),
        (r##"{"@odata.type":"#microsoft.graph.windows10CompliancePolicy","id":"a","id":"a"}"##, "id"),
        (r#"{"target":{},"target":{}}"#, "target"),
        (r##"{"target":{"@odata.type":"#a","groupId":"1","groupId":"2"}}"##, "groupId"),
    ] {
        let answers = adapter_microsoft::describe(&format!("[{twice},{whole}]"));
        let refusal = answers[0].as_ref().unwrap_err();
        assert_eq!((refusal.position, refusal.code.as_str(), refusal.field), (0, "malformed-document", field));
        assert!(answers[1].is_ok());
    }
    let page = format!(r#"{{"@odata.context":"a","@odata.context":"b","value":[{whole}]}}"#);
    assert_eq!(adapter_microsoft::describe(&page)[0].as_ref().unwrap_err().field, "@odata.context");
}

#[test]
fn the_largest_page_fits_an_adapters_memory() {
    let object = r##"{"@odata.type":"#microsoft.graph.windows10CompliancePolicy","id":"0b5e55ed-aaaa-4aaa-8aaa-aaaaaaaaaaaa","displayName":"Laptops, all of them, everywhere","description":"none"}"##;
    let count = DOCUMENT_BYTES / (object.len() + 1) - 1;
    assert!((40_000..=50_000).contains(&count), "{count}");
    let page = format!(r#"{{"value":[{object}{}]}}"#, format!(",{object}").repeat(count - 1));
    assert!(page.len() <= DOCUMENT_BYTES);
    let answers = ADAPTER.describe(&page).unwrap();
    assert_eq!(answers.len(), count);
    assert!(answers.iter().all(Result::is_ok));
}

/// A page of as many objects as a document may hold, all alike, is answered as a library and as a component, whether
/// the document is as large as one may be or as small as it comes. Small is not mild: what a large one leaves behind
/// when it has been read is room for the answers.
fn full_page(context: &str, object: &str) -> Vec<Answer> {
    let objects = format!("{object}{}", format!(",{object}").repeat(49_999));
    let page = format!(r#"{{"@odata.context":{},"value":[{objects}]}}"#, json!(context));
    assert!(page.len() <= DOCUMENT_BYTES, "{}", page.len());
    let answers = as_component(&page);
    assert_eq!(answers.len(), 50_000, "{:?}", answers.first());
    assert_eq!(answers, natively(&page));
    let padded = format!("{page}{}", " ".repeat(DOCUMENT_BYTES - page.len()));
    assert_eq!(as_component(&padded), answers);
    answers
}

#[test]
fn a_long_context_costs_a_page_nothing() {
    // One that is not looked at, one that is, and one of the longest names.
    let long = context(&format!("deviceManagement/{}", "x".repeat(100_000)));
    let looked_at = context(&format!("deviceManagement/{}/things", "x/".repeat(2_000)));
    let names = context(&format!("{}/t.{}", "c".repeat(2_000), "t".repeat(2_000)));
    for (context, code) in [(&long, "unknown-type"), (&looked_at, "unknown-type"), (&names, "field-too-long")] {
        let answers = full_page(context, r#"{"id":"a"}"#);
        let refused =
            |answer: &&Answer| matches!(&answer.outcome, Outcome::Refused { code: given, .. } if given == code);
        assert_eq!(answers.iter().filter(refused).count(), 50_000, "{:?}", answers.first());
    }
}

#[test]
fn the_longest_refusals_of_a_full_document_fit_an_adapters_memory() {
    let refused = |answers: Vec<Answer>| {
        let message = |answer: &Answer| match &answer.outcome {
            Outcome::Refused { message, .. } => message.len(),
            Outcome::Described(descriptor) => panic!("described: {descriptor}"),
        };
        answers.iter().map(message).min().unwrap()
    };
    let (astral, escaped) = (context(&"🧭".repeat(65)), "\u{7F}".repeat(65));
    for padding in [0, 20, 40, 50] {
        let padding = "x".repeat(padding);
        // The page's text is in every message, four bytes a character.
        assert!(refused(full_page(&astral, &format!(r#"{{"id":"{padding}{padding}"}}"#))) > 300);
        // The object's own text: one byte becomes three.
        let object = format!(r#"{{"@odata.type":"{escaped}","x":"{padding}"}}"#);
        assert!(refused(full_page("", &object)) > 200);
        let target = format!(r#"{{"target":{{"@odata.type":"{escaped}"}},"x":"{padding}"}}"#);
        assert!(refused(full_page("", &target)) > 200);
    }
}

#[test]
fn the_longest_descriptors_of_a_full_document_fit_an_adapters_memory() {
    // Two names of the greatest length from the page, and id and label from the object.
    let page = context(&format!("{}/t.{}", "c".repeat(128), "t".repeat(126)));
    let object = format!(r#"{{"id":"{}","name":"{}"}}"#, "i".repeat(70), "n".repeat(70));
    let answers = full_page(&page, &object);
    assert!(answers.iter().all(|answer| matches!(answer.outcome, Outcome::Described(_))), "{:?}", answers.first());
}

/// An escaped half of a surrogate pair is JSON by its grammar and yet no Unicode text. So the object is read, other
/// members and all, and what it has for an id is treated as a number would be: as none. No vector can say this: a
/// line with such an escape anywhere is refused as a line, before an adapter sees it.
#[test]
fn an_id_that_is_no_unicode_text_is_no_id() {
    let policy = |id: &str| format!(r##"{{"@odata.type":"#microsoft.graph.windows10CompliancePolicy","id":{id}}}"##);
    for id in [r#""a\ud800""#, r#""\udc00a""#, r#""\udc00\ud800""#, "17"] {
        let answers = natively(&format!("[{},{}]", policy(id), policy(r#""\ud83e\udded""#)));
        let [refused, described] = answers.as_slice() else { panic!("{answers:?}") };
        assert!(
            matches!(&refused.outcome, Outcome::Refused { code, field, .. } if code == "missing-identity" && field == "id"),
            "{id}: {refused:?}"
        );
        assert!(matches!(&described.outcome, Outcome::Described(_)), "{described:?}");
        assert_eq!(as_component(&policy(id)), natively(&policy(id)));
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        "#?microsoft\\.graph\\.[a-zA-Z0-9]{0,24}",
        "https://graph\\.microsoft\\.com/beta/\\$metadata#[a-zA-Z/().$']{0,40}",
        "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9A-F]{4}-[0-9a-f]{12}(_Default[A-Za-z0-9 é]{0,12}|_WindowsRestore)?",
        (500_usize..520).prop_map(|length| "/".repeat(length)),
    ];
    prop_oneof![
        6 => text.prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<f64>().prop_map(Value::from),
        1 => proptest::sample::select(samples("t")),
        1 => proptest::sample::select(samples("t")).prop_map(|sample| json!([sample])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_an_object_holds_it_gets_an_answer_that_derives(
        sample in proptest::sample::select(samples("0b5e55ed-aaaa-4aaa-8aaa-aaaaaaaaaaaa")),
        changes in proptest::collection::vec((proptest::sample::select(MEMBERS), anything()), 0..4),
    ) {
        let object = changes.iter().fold(sample, |object, (member, value)| with(&object, member, value));
        let document = json!([object]).to_string();
        prop_assert_eq!(subject(&natively).document_violations(&document), NONE);
        let answers = natively(&document);
        prop_assert_eq!(answers.len(), 1);
        prop_assert_eq!(&as_component(&document), &answers);
        prop_assert_eq!(subject(&natively).document_violations(&object.to_string()), NONE);
    }

    #[test]
    fn whatever_a_document_is_it_is_answered(document in any::<String>()) {
        prop_assert_eq!(subject(&natively).document_violations(&document), NONE);
        prop_assert_eq!(as_component(&document), natively(&document));
    }
}
