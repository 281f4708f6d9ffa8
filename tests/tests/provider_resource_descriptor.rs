//! Provider resource descriptors: labels decide nothing, the canonical form says everything else, and the kinds of
//! resource that look alike to a reader of names are told apart.

#![cfg(test)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use provident_identity::{
    ActorKind, Adapter, Decision, DecisionAction, GovernedSubject, Identity, ProviderResourceDescriptor,
    ResolutionMode, ResourceIdentity, SubjectClass, SupportLevel,
};
use provident_tests::hostile::{any_text, cases, sound_subject, sound_text};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::embedded().unwrap())
}

fn descriptor(subject: GovernedSubject, support_level: SupportLevel) -> ProviderResourceDescriptor {
    ProviderResourceDescriptor {
        identity: subject.identity,
        subject_domain: "things".into(),
        subject_class: subject.subject_class,
        subject_type_key: subject.subject_type_key,
        support_level,
        display_label: None,
        source_inventory_item_id: None,
        source_policy_version_id: None,
        source_operation_run_id: None,
    }
}

/// Key, canonical form and digest of each descriptor, asked for in bulk.
fn described(descriptors: &[ProviderResourceDescriptor]) -> Vec<Value> {
    let lines: Vec<String> =
        descriptors.iter().map(|descriptor| json!({ "op": "describe", "input": descriptor }).to_string()).collect();
    let replies: Vec<Value> = lines
        .chunks(64)
        .flat_map(|lines| {
            let replies = identity().batch(&lines.join("\n")).unwrap();
            replies.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<Value>>()
        })
        .map(|reply| reply.get("ok").cloned().unwrap_or_else(|| panic!("{reply}")))
        .collect();
    assert_eq!(replies.len(), descriptors.len());
    replies
}

fn described_with(
    subjects: &[(GovernedSubject, SupportLevel)],
    change: impl Fn(usize, &mut ProviderResourceDescriptor),
) -> Vec<Value> {
    let descriptors: Vec<ProviderResourceDescriptor> = subjects
        .iter()
        .enumerate()
        .map(|(at, (subject, level))| {
            let mut descriptor = descriptor(subject.clone(), *level);
            change(at, &mut descriptor);
            descriptor
        })
        .collect();
    described(&descriptors)
}

fn leveled_subject() -> impl Strategy<Value = (GovernedSubject, SupportLevel)> {
    (sound_subject(), select(SupportLevel::ALL))
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_label_changes_neither_key_nor_canonical_form_nor_digest(
        subjects in vec(leveled_subject(), 128),
        labels in vec(any_text(), 128),
    ) {
        let plain = described_with(&subjects, |_, _| {});
        prop_assert_eq!(&plain, &described_with(&subjects, |at, it| it.display_label = Some(labels[at].clone())));
        // A label that is the resource's own id, or another's key, is still only a label.
        prop_assert_eq!(&plain, &described_with(&subjects, |at, it| {
            it.display_label = it.identity.provider_resource_id.clone();
            if at % 2 == 0 {
                it.display_label = plain[0]["key"].as_str().map(String::from);
            }
        }));
    }

    #[test]
    fn neither_sources_nor_fingerprint_change_the_digest(
        subjects in vec(leveled_subject(), 128),
        texts in vec(sound_text(), 128),
    ) {
        let plain = described_with(&subjects, |_, _| {});
        prop_assert_eq!(&plain, &described_with(&subjects, |at, it| {
            it.source_inventory_item_id = Some(texts[at].clone());
            it.source_policy_version_id = Some(texts[at].clone());
            it.source_operation_run_id = Some(texts[at].clone());
            it.identity.fingerprint = Some(texts[at].clone());
        }));
    }

    #[test]
    fn the_canonical_form_says_everything_else_once(subjects in vec(leveled_subject(), 128)) {
        let mut seen = BTreeMap::new();
        for ((subject, level), reply) in subjects.iter().zip(described_with(&subjects, |_, _| {})) {
            let canonical = reply["canonical"].as_str().unwrap();
            let mut identity = json!(subject.identity);
            identity.as_object_mut().unwrap().remove("fingerprint");
            let said = json!({
                "identity": identity,
                "subject_class": subject.subject_class,
                "subject_domain": "things",
                "subject_type_key": subject.subject_type_key,
                "support_level": level,
            });
            prop_assert_eq!(&serde_json::from_str::<Value>(canonical).unwrap(), &said);
            // Sorted names, no spaces, shortest escapes: what this writer does, which sorts by name.
            prop_assert_eq!(canonical, said.to_string());
            prop_assert_eq!(&reply["digest"], &format!("sha256:{}", hex::encode(Sha256::digest(canonical))));
            prop_assert_eq!(&*seen.entry(reply["digest"].to_string()).or_insert_with(|| said.clone()), &said);
        }
    }
}

/// One of the kinds that reading names cannot tell apart.
struct Kind {
    name: &'static str,
    class: SubjectClass,
    level: SupportLevel,
    mode: ResolutionMode,
    /// What identifies it, and whose it is.
    identity: ResourceIdentity,
}

fn kinds() -> Vec<Kind> {
    use ResolutionMode::{
        AcceptedLimitation, CanonicalBuiltin, CanonicalVirtualTarget, ExactProviderIdentity, ExcludedNonGoverned,
        ManualBinding, UnsupportedCoverage,
    };
    use SubjectClass::{
        AssignmentTarget, Foundation, Policy, ProviderBuiltin, Unsupported as UnsupportedClass, VirtualAssignmentTarget,
    };
    use SupportLevel::{InventoryOnly, Supported, Unsupported};
    let widget = || ResourceIdentity {
        provider_key: "fake".into(),
        resource_type: "widget".into(),
        ..ResourceIdentity::default()
    };
    let own = |id: &str| ResourceIdentity { provider_resource_id: Some(id.into()), tenant_owned: true, ..widget() };
    let named = |name: &str| ResourceIdentity { discriminator: Some(name.into()), ..widget() };
    let kind = |name, class, level, mode, identity| Kind { name, class, level, mode, identity };
    vec![
        kind(
            "built-in",
            ProviderBuiltin,
            Supported,
            CanonicalBuiltin,
            ResourceIdentity { built_in: true, ..named("everyone") },
        ),
        kind(
            "virtual target",
            VirtualAssignmentTarget,
            Supported,
            CanonicalVirtualTarget,
            ResourceIdentity { virtual_: true, ..named("everyone") },
        ),
        kind("tenant-owned", AssignmentTarget, Supported, ExactProviderIdentity, own("g-1")),
        kind("foundation", Foundation, Supported, ExactProviderIdentity, own("f-1")),
        kind("policy", Policy, Supported, ManualBinding, own("p-1")),
        kind("unsupported class", UnsupportedClass, Unsupported, UnsupportedCoverage, own("u-1")),
        kind("excluded", Policy, Supported, ExcludedNonGoverned, own("p-2")),
        kind("accepted limitation", Policy, InventoryOnly, AcceptedLimitation, own("p-3")),
        // The ninth kind: another policy of the same name.
        kind("duplicate name", Policy, Supported, ManualBinding, own("p-4")),
    ]
}

#[test]
fn the_nine_kinds_are_told_apart() {
    let kinds = kinds();
    assert_eq!(kinds.len(), 9);
    let mut told = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for kind in &kinds {
        let subject = GovernedSubject {
            identity: kind.identity.clone(),
            subject_class: kind.class,
            subject_type_key: "everyones".into(),
        };
        let mut descriptor = descriptor(subject, kind.level);
        descriptor.display_label = Some("Everyone".into());
        let key = identity().describe(&descriptor).unwrap().key.into_string();
        // The decision the kind is known by can be made about it.
        let by_operator = !matches!(
            kind.mode,
            ResolutionMode::ExactProviderIdentity
                | ResolutionMode::CanonicalBuiltin
                | ResolutionMode::CanonicalVirtualTarget
        );
        let decision = Decision {
            action: DecisionAction::Create,
            actor: if by_operator { ActorKind::Operator } else { ActorKind::System },
            mode: Some(kind.mode),
            subject: key.clone(),
            resource: Some(key.clone()),
            note: by_operator.then(|| "agreed".into()),
            reason: (!by_operator).then(|| "same-identity".into()),
        };
        identity().check(&decision).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        let triple = (kind.class.as_str(), kind.level.as_str(), kind.mode.as_str());
        assert_eq!(told.insert(triple), kind.name != "duplicate name", "{}: {triple:?}", kind.name);
        assert!(keys.insert(key), "{}", kind.name);
    }
    assert_eq!((told.len(), keys.len()), (8, 9));
}

#[test]
fn a_descriptor_needs_no_label_and_survives_json() {
    let given = json!({
        "identity": { "provider_key": "fake", "resource_type": "widget", "external_id": "e" },
        "subject_domain": "things",
        "subject_class": "foundation",
        "subject_type_key": "t",
        "support_level": "inventory_only",
    });
    let read: ProviderResourceDescriptor = serde_json::from_value(given.clone()).unwrap();
    assert_eq!(json!(read), given);
    assert_eq!(identity().describe(&read).unwrap().key.as_str(), "provider:fake:foundation:t:widget:ext:e");
    let mut whole = given;
    for name in ["display_label", "source_inventory_item_id", "source_policy_version_id", "source_operation_run_id"] {
        whole[name] = "x".into();
    }
    let read: ProviderResourceDescriptor = serde_json::from_value(whole.clone()).unwrap();
    assert_eq!(json!(read), whole);
}

#[test]
fn a_provider_nobody_knows_is_described_by_its_adapter() {
    let adapter = Adapter::embedded("fake").unwrap();
    let raw = json!([
        { "kind": "widget", "ref": "A:1", "title": "Front door" },
        { "kind": "widget", "ref": "A:2", "title": "Front door" },
        { "kind": "widget", "code": "front", "origin": "factory", "title": "Front door" },
        { "kind": "gadget of tomorrow", "shelf": "tomorrow", "ref": "x", "title": "Front door" },
    ]);
    let descriptors: Vec<ProviderResourceDescriptor> =
        adapter.describe(&raw.to_string()).unwrap().into_iter().map(|answer| answer.unwrap().descriptor).collect();
    let keys: Vec<String> =
        described(&descriptors).into_iter().map(|reply| reply["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        keys,
        [
            "provider:fake:policy:widgetPolicy:widget:id:A%3A1",
            "provider:fake:policy:widgetPolicy:widget:id:A%3A2",
            "provider:fake:builtin:widgetPolicy:widget:disc:front",
            "provider:fake:unknown:tomorrow:gadget%20of%20tomorrow:id:x",
        ]
    );
}
