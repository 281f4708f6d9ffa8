//! Resource identities: what they can represent, what they need no name for, and who can never share a key.

#![cfg(test)]

use proptest::collection::vec;
use proptest::prelude::*;
use provident_identity::{ErrorCode, GovernedSubject, Identity, ResourceIdentity, SubjectClass};
use provident_tests::hostile::{any_subject, cases, class, sound_name, sound_subject, sound_text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::OnceLock;

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::embedded().unwrap())
}

/// The key of each subject, or the code it is refused with.
fn keys(subjects: &[GovernedSubject]) -> Vec<Result<String, ErrorCode>> {
    let derived = identity().derive_many(subjects).unwrap();
    derived
        .into_iter()
        .map(|answer| answer.map(|derived| derived.key.into_string()).map_err(|error| error.code))
        .collect()
}

fn key(class: &str, identity: &ResourceIdentity) -> Result<String, ErrorCode> {
    let subject = GovernedSubject {
        identity: identity.clone(),
        subject_class: class.parse().unwrap(),
        subject_type_key: "t".into(),
    };
    keys(&[subject]).remove(0)
}

fn widget() -> ResourceIdentity {
    ResourceIdentity { provider_key: "fake".into(), resource_type: "widget".into(), ..ResourceIdentity::default() }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_built_in_and_a_tenant_owned_resource_never_share_a_key(
        subjects in vec((sound_text(), sound_text(), sound_name(), class(), class(), 1..8_u8, any::<bool>()), 128),
    ) {
        // The same texts everywhere, so that nothing but ownership can keep the keys apart; ids that are names, too.
        let mut owned = Vec::new();
        let mut provided = Vec::new();
        for (id, external_id, name, class, other, flags, with_ids) in subjects {
            for text in [&id, &name] {
                let resource = ResourceIdentity {
                    provider_resource_id: with_ids.then(|| text.clone()),
                    external_id: with_ids.then(|| external_id.clone()),
                    discriminator: Some(name.clone()),
                    ..widget()
                };
                let subject = |identity, subject_class| {
                    GovernedSubject { identity, subject_class, subject_type_key: "t".into() }
                };
                owned.push(subject(ResourceIdentity { tenant_owned: true, ..resource.clone() }, class));
                let (built_in, default, virtual_) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
                provided.push(subject(ResourceIdentity { built_in, default, virtual_, ..resource }, other));
            }
        }
        let owned: BTreeSet<String> = keys(&owned).into_iter().flatten().collect();
        let provided: BTreeSet<String> = keys(&provided).into_iter().flatten().collect();
        prop_assert!(!owned.is_empty() && !provided.is_empty());
        prop_assert_eq!(owned.intersection(&provided).next(), None);
        prop_assert!(owned.iter().all(|key| key.split(':').nth(5) != Some("disc")));
        prop_assert!(provided.iter().all(|key| key.split(':').nth(5) == Some("disc")));
    }

    #[test]
    fn a_fingerprint_never_changes_a_key(subjects in vec((sound_subject(), sound_text()), 128)) {
        let (subjects, prints): (Vec<_>, Vec<_>) = subjects.into_iter().unzip();
        let with = |print: &dyn Fn(usize) -> Option<String>| {
            let mut changed = subjects.clone();
            changed.iter_mut().enumerate().for_each(|(at, subject)| subject.identity.fingerprint = print(at));
            keys(&changed)
        };
        prop_assert_eq!(with(&|_| None), with(&|at| Some(prints[at].clone())));
    }

    #[test]
    fn flags_choose_the_form_and_nothing_else(subjects in vec(any_subject(), 128), other in any::<[bool; 4]>()) {
        let [built_in, default, virtual_, tenant_owned] = other;
        let mut flagged = subjects.clone();
        for subject in &mut flagged {
            let identity = subject.identity.clone();
            subject.identity = ResourceIdentity { built_in, default, virtual_, tenant_owned, ..identity };
        }
        for (one, other) in keys(&subjects).into_iter().zip(keys(&flagged)) {
            if let (Ok(one), Ok(other)) = (one, other) {
                let form = |key: &str| key.split(':').nth(5).map(String::from);
                prop_assert_eq!(form(&one) == form(&other), one == other, "{} {}", one, other);
            }
        }
    }

    #[test]
    fn an_identity_survives_json(subjects in vec(any_subject(), 64)) {
        for subject in subjects {
            let text = serde_json::to_string(&subject).unwrap();
            prop_assert_eq!(serde_json::from_str::<GovernedSubject>(&text).unwrap(), subject);
        }
    }
}

#[test]
fn every_kind_of_resource_has_an_identity_without_a_display_name() {
    let id = || ResourceIdentity { provider_resource_id: Some("i".into()), ..widget() };
    let name = || ResourceIdentity { discriminator: Some("all-things".into()), ..widget() };
    let external_id = ResourceIdentity { external_id: Some("e".into()), ..widget() };
    for (class, identity, segments) in [
        ("policy", ResourceIdentity { tenant_owned: true, ..id() }, "policy:t:widget:id:i"),
        ("foundation", ResourceIdentity { tenant_owned: true, ..external_id }, "foundation:t:widget:ext:e"),
        ("assignment_target", id(), "assignment-target:t:widget:id:i"),
        (
            "virtual_assignment_target",
            ResourceIdentity { virtual_: true, ..name() },
            "virtual-target:t:widget:disc:all-things",
        ),
        ("provider_builtin", ResourceIdentity { built_in: true, ..name() }, "builtin:t:widget:disc:all-things"),
        ("provider_default", ResourceIdentity { default: true, ..name() }, "default:t:widget:disc:all-things"),
        ("unsupported", id(), "unsupported:t:widget:id:i"),
        ("unknown", name(), "unknown:t:widget:disc:all-things"),
    ] {
        assert_eq!(key(class, &identity), Ok(format!("provider:fake:{segments}")));
    }
}

#[test]
fn there_is_no_place_for_a_display_name() {
    for name in ["display_name", "display_label", "label", "name", "title"] {
        let mut identity = json!({ "provider_key": "fake", "resource_type": "widget", "provider_resource_id": "i" });
        identity[name] = "Front door".into();
        assert!(serde_json::from_value::<ResourceIdentity>(identity.clone()).is_err(), "{name}");
        let input = json!({ "identity": identity, "subject_class": "policy", "subject_type_key": "t" });
        let reply = identity_reply(&json!({ "op": "derive", "input": input }));
        assert_eq!((&reply["error"]["code"], &reply["error"]["field"]), (&json!("unknown-field"), &json!(name)));
    }
}

fn identity_reply(request: &Value) -> Value {
    serde_json::from_str(&identity().batch(&request.to_string()).unwrap()).unwrap()
}

#[test]
fn an_identity_carries_everything_a_provider_says_of_itself() {
    let given = json!({
        "provider_key": "fake",
        "resource_type": "widget",
        "provider_resource_id": "i",
        "external_id": "e",
        "discriminator": "d",
        "fingerprint": "f",
        "built_in": true,
        "default": true,
        "virtual": true,
        "tenant_owned": true,
    });
    let identity: ResourceIdentity = serde_json::from_value(given.clone()).unwrap();
    assert_eq!(json!(identity), given);
    let least = json!({ "provider_key": "fake", "resource_type": "widget" });
    assert_eq!(serde_json::from_value::<ResourceIdentity>(least.clone()).unwrap(), widget());
    assert_eq!(json!(widget()), least);
}

#[test]
fn what_a_provider_writes_is_opaque() {
    // Case, normal form, braces, a tenant's prefix: only an adapter may make ids comparable, before it calls.
    let texts = ["Front", "front", "caf\u{E9}", "cafe\u{301}", "{front}", "tenant/front", "front ~", "FRONT"];
    let keys: BTreeSet<String> = texts
        .iter()
        .map(|text| {
            key("policy", &ResourceIdentity { provider_resource_id: Some((*text).into()), ..widget() }).unwrap()
        })
        .collect();
    assert_eq!(keys.len(), texts.len());
}

#[test]
fn the_classes_are_these_eight() {
    let names: Vec<&str> = SubjectClass::ALL.iter().map(|class| class.as_str()).collect();
    assert_eq!(
        names,
        [
            "policy",
            "foundation",
            "assignment_target",
            "virtual_assignment_target",
            "provider_builtin",
            "provider_default",
            "unsupported",
            "unknown",
        ]
    );
}
