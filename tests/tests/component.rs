//! The component files themselves: valid, small, importing nothing, pinned, and of one contract with both crates.
//!
//! What the components answer is held by the vectors and properties; here stands what they are.

#![cfg(test)]

use identity_component::model;
use provident_identity::{
    ActorKind, Adapter, BindingStatus, DecisionAction, ErrorCode, GovernedSubject, Identity, KeyForm, ResolutionMode,
    SubjectClass, SupportLevel, component_file, components, embedded_codes,
};
use provident_tests::adapter_contract::imports;
use serde_json::json;
use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

const IDENTITY_BYTES: usize = 200 * 1024;
const CONTRACT: &str = include_str!("../../wit/identity.wit");

/// What a component file exports, by name.
fn exports(file: &[u8]) -> Vec<String> {
    let (mut depth, mut found) = (0_u32, Vec::new());
    for payload in Parser::new(0).parse_all(file) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => {
                found.extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    found.sort();
    found
}

#[test]
fn the_components_are_valid_and_import_nothing() {
    let all = components().unwrap();
    assert_eq!(all[0].name, "identity");
    assert!(all.len() >= 3, "{all:?}");
    for component in all {
        let file = component_file(component.name).unwrap();
        assert_eq!(imports(file), Ok(Vec::new()), "{}", component.name);
        assert_eq!(component.imports, [""; 0], "{}", component.name);
    }
}

#[test]
fn an_import_is_noticed() {
    // (component (import "clock" (func)))
    let type_section = [7, 5, 1, 0x40, 0, 1, 0];
    let import_section = [10, 10, 1, 0, 5, b'c', b'l', b'o', b'c', b'k', 1, 0];
    let file: Vec<u8> = b"\0asm\x0D\0\x01\0".iter().copied().chain(type_section).chain(import_section).collect();
    assert_eq!(imports(&file), Ok(vec!["clock".to_owned()]));
    assert!(imports(b"\0asm\x0D\0\x01\0\xFF").is_err());
}

#[test]
fn the_identity_component_is_small() {
    let bytes = component_file("identity").unwrap().len();
    eprintln!("the identity component has {bytes} bytes");
    assert!(bytes < IDENTITY_BYTES, "{bytes} bytes");
}

#[test]
fn the_components_export_the_contract_and_nothing_else() {
    let interface = |name: &str| format!("provident:identity/{name}@1.0.0");
    let world = |interfaces: &[&str]| interfaces.iter().map(|name| interface(name)).collect::<Vec<_>>();
    for component in components().unwrap() {
        let expected = match component.name {
            "identity" => world(&["about", "batch", "decisions", "descriptors", "keys", "types"]),
            _ => world(&["adapter", "types"]),
        };
        assert_eq!(exports(component_file(component.name).unwrap()), expected, "{}", component.name);
    }
}

#[test]
fn what_is_embedded_is_what_was_pinned() {
    for component in components().unwrap() {
        let file = component_file(component.name).unwrap();
        assert_eq!(component.sha256, hex::encode(Sha256::digest(file)), "{}", component.name);
        assert_eq!(component.bytes, file.len(), "{}", component.name);
        let codes = embedded_codes(component.name).unwrap();
        assert!(!codes.is_empty(), "{}", component.name);
        for code in codes {
            assert_eq!(code.sha256, hex::encode(Sha256::digest(code.bytes)), "{}", component.name);
        }
    }
}

#[test]
fn a_file_answers_as_what_is_embedded() {
    let subject: GovernedSubject = serde_json::from_value(json!({
        "identity": { "provider_key": "fake", "resource_type": "widget", "provider_resource_id": "A:1" },
        "subject_class": "policy",
        "subject_type_key": "widgetPolicy",
    }))
    .unwrap();
    let file = component_file("identity").unwrap();
    let opened = Identity::from_file(file, &hex::encode(Sha256::digest(file))).unwrap();
    let embedded = Identity::embedded().unwrap();
    assert_eq!(opened.derive(&subject), embedded.derive(&subject));
    assert_eq!(opened.about(), embedded.about());
}

#[test]
fn a_file_that_is_not_the_pinned_one_is_not_opened() {
    let file = component_file("identity").unwrap();
    let other = "0".repeat(64);
    assert_eq!(Identity::from_file(file, &other).unwrap_err().code(), "component-digest-mismatch");
    assert_eq!(Adapter::from_file(file, &other).unwrap_err().code(), "component-digest-mismatch");
    let mut changed = file.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let pinned = hex::encode(Sha256::digest(file));
    assert_eq!(Identity::from_file(&changed, &pinned).unwrap_err().code(), "component-digest-mismatch");
}

#[test]
fn a_component_of_another_world_is_not_opened() {
    let (identity, fake) = (component_file("identity").unwrap(), component_file("fake").unwrap());
    let pin = |file: &[u8]| hex::encode(Sha256::digest(file));
    assert_eq!(Adapter::from_file(identity, &pin(identity)).unwrap_err().code(), "component-unusable");
    assert_eq!(Identity::from_file(fake, &pin(fake)).unwrap_err().code(), "component-unusable");
    assert_eq!(Identity::from_file(b"no component", &pin(b"no component")).unwrap_err().code(), "component-unusable");
}

#[test]
fn versions_and_limits_are_those_of_the_contract() {
    let about = Identity::embedded().unwrap().about().unwrap();
    assert_eq!(about.grammar_version, 1);
    assert!(CONTRACT.contains(&format!("package provident:identity@{};", about.contract_version)));
    assert_eq!((about.limits.line_bytes, about.limits.batch_bytes), (65_536, 1 << 20));
}

/// The values of an enum of the contract, in their order.
fn contract_values(name: &str) -> Vec<String> {
    let (_, after) = CONTRACT.split_once(&format!("enum {name} {{")).unwrap();
    let (body, _) = after.split_once("\n    }").unwrap();
    let lines = body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("///"));
    lines.map(|line| line.trim_end_matches(',').to_owned()).collect()
}

/// Holds an enum to the contract; in Rust its values may be written in snake case.
#[track_caller]
fn same_values<T: Copy>(name: &str, all: &[T], as_str: impl Fn(T) -> &'static str) {
    let values: Vec<String> = all.iter().map(|value| as_str(*value).replace('_', "-")).collect();
    assert_eq!(values, contract_values(name), "{name}");
}

#[test]
fn enums_have_the_names_and_the_order_of_the_contract() {
    same_values("subject-class", SubjectClass::ALL, SubjectClass::as_str);
    same_values("resolution-mode", ResolutionMode::ALL, ResolutionMode::as_str);
    same_values("binding-status", BindingStatus::ALL, BindingStatus::as_str);
    same_values("support-level", SupportLevel::ALL, SupportLevel::as_str);
    same_values("key-form", KeyForm::ALL, KeyForm::as_str);
    same_values("decision-action", DecisionAction::ALL, DecisionAction::as_str);
    same_values("actor-kind", ActorKind::ALL, ActorKind::as_str);
    same_values("error-code", ErrorCode::ALL, ErrorCode::as_str);
    same_values("subject-class", model::SubjectClass::ALL, model::SubjectClass::as_str);
    same_values("resolution-mode", model::ResolutionMode::ALL, model::ResolutionMode::as_str);
    same_values("support-level", model::SupportLevel::ALL, model::SupportLevel::as_str);
    same_values("key-form", model::KeyForm::ALL, model::KeyForm::as_str);
    same_values("decision-action", model::DecisionAction::ALL, model::DecisionAction::as_str);
    same_values("actor-kind", model::ActorKind::ALL, model::ActorKind::as_str);
    same_values("error-code", model::Code::ALL, model::Code::as_str);
}

#[test]
fn both_crates_spell_alike() {
    let spelled: Vec<&str> = model::SubjectClass::ALL.iter().map(|class| class.as_str()).collect();
    assert_eq!(spelled, SubjectClass::ALL.iter().map(|class| class.as_str()).collect::<Vec<_>>());
    let spelled: Vec<&str> = model::ResolutionMode::ALL.iter().map(|mode| mode.as_str()).collect();
    assert_eq!(spelled, ResolutionMode::ALL.iter().map(|mode| mode.as_str()).collect::<Vec<_>>());
    let spelled: Vec<&str> = model::SupportLevel::ALL.iter().map(|level| level.as_str()).collect();
    assert_eq!(spelled, SupportLevel::ALL.iter().map(|level| level.as_str()).collect::<Vec<_>>());
}

#[test]
fn statuses_and_modes_are_read_from_their_one_spelling() {
    for status in BindingStatus::ALL {
        assert_eq!(status.as_str().parse(), Ok(*status));
    }
    for mode in ResolutionMode::ALL {
        assert_eq!(mode.as_str().parse(), Ok(*mode));
    }
    assert_eq!(BindingStatus::ALL.len(), 3);
    assert_eq!(ResolutionMode::ALL.len(), 8);
    for name in ["inactive", "Active", "active ", "", "is_active"] {
        assert!(name.parse::<BindingStatus>().is_err(), "{name}");
    }
    for name in ["canonical_default", "manual", "Manual_Binding", "manual-binding", ""] {
        assert!(name.parse::<ResolutionMode>().is_err(), "{name}");
    }
}
