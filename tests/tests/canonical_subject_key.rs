//! Canonical subject keys: that deriving and parsing are each other's inverse, that distinct identities have distinct
//! keys, and that the component is the same function as the library, whatever it is given.
//!
//! Subjects cross in bulk; `CASES` times `BATCH` of them in each property. The rules one by one are in the vectors.

#![cfg(test)]

use identity_component::{batch, decision, flat, key};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use provident_identity::{
    ActorKind, Decision, DecisionAction, GovernedSubject, Identity, ProviderResourceDescriptor, ResolutionMode,
    ResourceIdentity, SupportLevel,
};
use provident_tests::hostile::{
    any_subject, any_text, bearing, cases, key_like, line, narrow_subject, sound_subject, sound_text,
};
use provident_tests::vectors::flat as packed;
use provident_tests::vectors::typed::{Call, native_subject, parsed_json};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Cases of each bulk property.
const CASES: u32 = 96;
/// Subjects in each case.
const BATCH: usize = 256;

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::embedded().unwrap())
}

/// The keys of subjects that derive.
fn keys(subjects: &[GovernedSubject]) -> Vec<String> {
    let derived = identity().derive_many(subjects).unwrap();
    derived
        .into_iter()
        .zip(subjects)
        .map(|(derived, subject)| derived.unwrap_or_else(|error| panic!("{error}: {subject:?}")).key.into_string())
        .collect()
}

/// The replies to one op over many inputs, through batches.
fn ask(op: &str, inputs: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let lines: Vec<String> = inputs.into_iter().map(|input| json!({ "op": op, "input": input }).to_string()).collect();
    let replies: Vec<Value> = lines
        .chunks(64)
        .flat_map(|lines| {
            let replies = identity().batch(&lines.join("\n")).unwrap();
            replies.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
        })
        .collect();
    assert_eq!(replies.len(), lines.len());
    replies
}

fn parse_all<'a>(keys: impl IntoIterator<Item = &'a String>) -> Vec<Value> {
    ask("parse", keys.into_iter().map(|key| json!({ "key": key })))
}

/// The subject a key says: nothing but what it carries, and tenant-owned or not as `tenant_owned` has it.
fn subject_of(parsed: &Value) -> GovernedSubject {
    let text = |name: &str| parsed[name].as_str().unwrap().to_owned();
    let value = |form: &str| (parsed["form"] == form).then(|| text("value"));
    GovernedSubject {
        identity: ResourceIdentity {
            provider_key: text("provider_key"),
            resource_type: text("resource_type"),
            provider_resource_id: value("id"),
            external_id: value("ext"),
            discriminator: value("disc"),
            ..ResourceIdentity::default()
        },
        subject_class: text("subject_class").parse().unwrap(),
        subject_type_key: text("subject_type_key"),
    }
}

/// Escapes as the grammar says, byte by byte.
fn escaped(text: &str) -> String {
    let unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if unreserved(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

proptest! {
    #![proptest_config(cases(CASES))]

    #[test]
    fn a_key_carries_provider_class_types_form_and_value(subjects in vec(sound_subject(), BATCH)) {
        for (subject, key) in subjects.iter().zip(keys(&subjects)) {
            let (provider, class, type_key, resource_type, form, value) = bearing(subject);
            let token = match class.as_str() {
                "assignment_target" => "assignment-target",
                "virtual_assignment_target" => "virtual-target",
                "provider_builtin" => "builtin",
                "provider_default" => "default",
                other => other,
            };
            let segments =
                ["provider", &provider, token, &escaped(&type_key), &escaped(&resource_type), form, &escaped(&value)];
            prop_assert_eq!(key, segments.join(":"));
        }
    }

    #[test]
    fn parsing_gives_back_what_was_derived(subjects in vec(sound_subject(), BATCH)) {
        for (subject, reply) in subjects.iter().zip(parse_all(&keys(&subjects))) {
            let (provider, class, type_key, resource_type, form, value) = bearing(subject);
            let parts = json!({
                "provider_key": provider,
                "subject_class": class.as_str(),
                "subject_type_key": type_key,
                "resource_type": resource_type,
                "form": form,
                "value": value,
            });
            prop_assert_eq!(&reply["ok"], &parts);
        }
    }

    #[test]
    fn deriving_gives_back_what_was_parsed(
        subjects in vec(sound_subject(), BATCH),
        edits in vec((any::<Index>(), 0..4_u8, select(&b":%/aA2F~ .-\0"[..])), BATCH),
    ) {
        let mut near: Vec<String> = keys(&subjects);
        let sound = near.len();
        // Each key once more, with one byte replaced, inserted or taken out: what still parses must be canonical.
        for (at, (place, edit, byte)) in edits.into_iter().enumerate() {
            let mut bytes = near[at].clone().into_bytes();
            let place = place.index(bytes.len());
            match edit {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                2 => drop(bytes.remove(place)),
                _ => bytes[place] = bytes[place].to_ascii_lowercase(),
            }
            near.push(String::from_utf8(bytes).unwrap());
        }
        let parsed: Vec<(String, GovernedSubject)> = near
            .iter()
            .zip(parse_all(&near))
            .filter_map(|(key, reply)| reply.get("ok").map(|ok| (key.clone(), subject_of(ok))))
            .collect();
        prop_assert!(parsed.len() >= sound, "{} of {sound} keys parse", parsed.len());
        let subjects: Vec<GovernedSubject> = parsed.iter().map(|(_, subject)| subject.clone()).collect();
        for ((key, _), again) in parsed.iter().zip(keys(&subjects)) {
            prop_assert_eq!(key, &again);
        }
    }

    #[test]
    fn distinct_identities_have_distinct_keys(subjects in vec(prop_oneof![narrow_subject(), sound_subject()], BATCH)) {
        let mut seen = BTreeMap::new();
        for (subject, key) in subjects.iter().zip(keys(&subjects)) {
            let said = seen.entry(key.clone()).or_insert_with(|| bearing(subject));
            prop_assert_eq!(&*said, &bearing(subject), "{}", key);
        }
    }

    #[test]
    fn near_misses_have_keys_of_their_own(text in sound_text(), other in sound_text()) {
        // Boundaries moved, escapes spelled out, case, normal form, one field's text in another.
        let near = |id: Option<String>, external_id: Option<String>, type_key: &str, resource_type: &str| {
            GovernedSubject {
                identity: ResourceIdentity {
                    provider_key: "fake".into(),
                    resource_type: resource_type.into(),
                    provider_resource_id: id,
                    external_id,
                    ..ResourceIdentity::default()
                },
                subject_class: "policy".parse().unwrap(),
                subject_type_key: type_key.into(),
            }
        };
        let mut subjects = Vec::new();
        for value in [
            text.clone(),
            format!("{text}{other}"),
            format!("{text}:{other}"),
            format!("{text}%3A{other}"),
            format!("{text}%253A{other}"),
            format!("{text}/{other}"),
            format!("{text}\u{301}"),
            format!("{text}\u{200B}"),
            escaped(&text),
            text.to_uppercase(),
            text.to_lowercase(),
        ] {
            subjects.push(near(Some(value.clone()), None, &text, &other));
            subjects.push(near(None, Some(value.clone()), &text, &other));
            subjects.push(near(Some(value.clone()), None, &format!("{text}:{other}"), "x"));
            subjects.push(near(Some(value), None, "x", &format!("{text}:{other}")));
        }
        let mut seen = BTreeMap::new();
        for (subject, key) in subjects.iter().zip(keys(&subjects)) {
            let said = seen.entry(key.clone()).or_insert_with(|| bearing(subject));
            prop_assert_eq!(&*said, &bearing(subject), "{}", key);
        }
    }

    #[test]
    fn the_component_derives_as_the_library_does(subjects in vec(any_subject(), BATCH)) {
        let native: Vec<_> = subjects.iter().map(|subject| key::derive(&native_subject(subject))).collect();
        let typed = identity().derive_many(&subjects).unwrap();
        let mut records = Vec::new();
        for subject in &subjects {
            packed::pack(subject, &mut records);
        }
        let flat_answers = flat::derive_flat(&records);
        prop_assert_eq!(&identity().derive_flat(&records).unwrap(), &flat_answers);
        let in_flat = packed::read(&flat_answers).unwrap();
        let in_lines = ask("derive", subjects.iter().map(|subject| json!(subject)));
        prop_assert_eq!(in_flat.len(), subjects.len());
        for (at, native) in native.iter().enumerate() {
            match (native, &typed[at], &in_flat[at]) {
                (Ok(key), Ok(derived), Ok(in_flat)) => {
                    prop_assert_eq!((derived.key.as_str(), in_flat), (key.as_str(), key));
                    prop_assert_eq!(&in_lines[at]["ok"], &json!({ "key": key, "digest": derived.digest }));
                    prop_assert_eq!(&derived.digest, &key::sha256(key.as_bytes()));
                }
                (Err(refusal), Err(error), Err((code, field))) => {
                    let said = json!({
                        "code": refusal.code.as_str(),
                        "field": refusal.field,
                        "message": refusal.message,
                    });
                    prop_assert_eq!(&json!(error), &said);
                    prop_assert_eq!(&in_lines[at]["error"], &said);
                    prop_assert_eq!((code.as_str(), *field), (refusal.code.as_str(), &*refusal.field));
                }
                _ => prop_assert!(false, "{:?}: {native:?} {:?} {:?}", subjects[at], typed[at], in_flat[at]),
            }
        }
    }

    #[test]
    fn the_component_reads_lines_as_the_library_does(lines in vec(line(), BATCH)) {
        let texts: Vec<String> =
            lines.iter().filter_map(|line| String::from_utf8(line.clone()).ok()).collect();
        let text = texts.join("\n");
        let replies = identity().batch(&text).unwrap();
        prop_assert_eq!(&replies, &batch::run(&text));
        let asked = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
        let asked = asked.split('\n').filter(|line| !line.chars().all(|c| " \t\r".contains(c))).count();
        prop_assert_eq!(replies.lines().count(), asked);
        for line in &lines {
            if let Some(reply) = batch::answer_line(line) {
                prop_assert!(serde_json::from_str::<Value>(&reply).is_ok() && reply.ends_with('\n'));
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn the_component_parses_as_the_library_does(key in key_like()) {
        let call = Call::Parse(key.clone());
        let answer = call.component(identity()).unwrap();
        prop_assert_eq!(&answer, &call.native());
        let digest = Call::Digest(key.clone());
        prop_assert_eq!(&digest.component(identity()).unwrap(), &digest.native());
        if let Ok(parsed) = identity().parse(&key) {
            prop_assert_eq!(parsed.key.as_str(), &key);
            prop_assert_eq!(&keys(&[subject_of(&parsed_json(&parsed))]), &[key]);
        }
    }

    #[test]
    fn the_component_describes_as_the_library_does(
        subject in any_subject(),
        texts in (any_text(), any_text(), any_text(), any_text()),
        given in any::<[bool; 5]>(),
        support_level in select(SupportLevel::ALL),
    ) {
        let (label, item, version, run) = texts;
        let descriptor = ProviderResourceDescriptor {
            identity: subject.identity,
            subject_domain: if given[4] { "things".into() } else { label.clone() },
            subject_class: subject.subject_class,
            subject_type_key: subject.subject_type_key,
            support_level,
            display_label: given[0].then_some(label),
            source_inventory_item_id: given[1].then_some(item),
            source_policy_version_id: given[2].then_some(version),
            source_operation_run_id: given[3].then_some(run),
        };
        let call = Call::Describe(Box::new(descriptor));
        prop_assert_eq!(call.component(identity()).unwrap(), call.native());
    }

    #[test]
    fn the_component_decides_as_the_library_does(
        action in select(DecisionAction::ALL),
        actor in select(ActorKind::ALL),
        mode in proptest::option::of(select(ResolutionMode::ALL)),
        subject in key_like(),
        resource in proptest::option::of(key_like()),
        texts in (any_text(), any_text()),
        given in any::<[bool; 2]>(),
    ) {
        let (note, reason) = texts;
        prop_assert_eq!(identity().rewrite_note(&note).unwrap(), decision::rewrite_note(&note));
        let decision = Decision {
            action,
            actor,
            mode,
            subject,
            resource,
            note: given[0].then_some(note),
            reason: given[1].then_some(reason),
        };
        let call = Call::Decide(Box::new(decision));
        prop_assert_eq!(call.component(identity()).unwrap(), call.native());
    }

    #[test]
    fn no_bytes_trap_the_flat_form(bytes in vec(any::<u8>(), 0..200), subjects in vec(any_subject(), 0..3), cut in any::<Index>()) {
        let mut records = Vec::new();
        for subject in &subjects {
            packed::pack(subject, &mut records);
        }
        records.truncate(cut.index(records.len() + 1));
        records.extend(bytes);
        let answers = identity().derive_flat(&records).unwrap();
        prop_assert_eq!(&answers, &flat::derive_flat(&records));
        prop_assert!(packed::read(&answers).is_ok());
    }
}

/// A text of this many letters, with one of them replaced.
fn with_at(length: usize, place: usize, replaced: char) -> String {
    let letters = "abcdefghijklmnopqrstuvwxyz".chars().cycle();
    letters.take(length).enumerate().map(|(at, letter)| if at == place { replaced } else { letter }).collect()
}

#[test]
fn every_character_is_judged_alike_at_every_place_of_every_length() {
    // Texts are judged and copied in blocks: no length and no place in one may be an exception.
    let mut subjects = Vec::new();
    let mut expected = Vec::new();
    let kinds: Vec<char> = (0..0x80_u8).map(char::from).chain(['é', '\u{85}', '漢']).collect();
    for length in 1..=36 {
        for (place, kind) in (0..length).flat_map(|place| kinds.iter().map(move |kind| (place, *kind))) {
            let text = with_at(length, place, kind);
            let at_an_end = place == 0 || place == length - 1;
            let first_rule = if kind.is_whitespace() && at_an_end {
                Some("surrounding-whitespace")
            } else {
                kind.is_control().then_some("control-character")
            };
            let name =
                |more: &str| kind.is_ascii_lowercase() || kind.is_ascii_digit() || (place > 0 && more.contains(kind));
            let prefix = "provider:fake:unknown:t:r";
            let told = |rule: Option<&'static str>, key: String| rule.map_or(Ok(key), Err);
            let plain = ResourceIdentity {
                provider_key: "fake".into(),
                resource_type: "r".into(),
                ..ResourceIdentity::default()
            };
            let subject = |identity| GovernedSubject {
                identity,
                subject_class: "unknown".parse().unwrap(),
                subject_type_key: "t".into(),
            };
            subjects.push(subject(ResourceIdentity { provider_resource_id: Some(text.clone()), ..plain.clone() }));
            expected.push(told(first_rule, format!("{prefix}:id:{}", escaped(&text))));
            subjects.push(subject(ResourceIdentity { discriminator: Some(text.clone()), ..plain.clone() }));
            let rule = first_rule.or((!name("._-")).then_some("bad-discriminator"));
            expected.push(told(rule, format!("{prefix}:disc:{text}")));
            let id = Some("i".into());
            subjects.push(subject(ResourceIdentity { provider_key: text.clone(), provider_resource_id: id, ..plain }));
            let rule = first_rule.or((!name("_-")).then_some("bad-provider-key"));
            expected.push(told(rule, format!("provider:{text}:unknown:t:r:id:i")));
        }
    }
    assert!(subjects.len() > 200_000);
    for (subjects, expected) in subjects.chunks(4_000).zip(expected.chunks(4_000)) {
        let mut records = Vec::new();
        for subject in subjects {
            packed::pack(subject, &mut records);
        }
        let answers = packed::read(&identity().derive_flat(&records).unwrap()).unwrap();
        let answers = answers.into_iter().map(|answer| answer.map_err(|(code, _)| code.as_str()));
        for ((answer, expected), subject) in answers.zip(expected).zip(subjects) {
            assert_eq!(&answer, expected, "{subject:?}");
        }
    }
}

#[test]
fn a_refused_subject_spoils_no_other() {
    let subject = |id: &str| GovernedSubject {
        identity: ResourceIdentity {
            provider_key: "fake".into(),
            resource_type: "widget".into(),
            provider_resource_id: Some(id.into()),
            ..ResourceIdentity::default()
        },
        subject_class: "policy".parse().unwrap(),
        subject_type_key: "t".into(),
    };
    let answers = identity().derive_many(&[subject("a"), subject(""), subject("b")]).unwrap();
    let keys: Vec<Option<String>> =
        answers.into_iter().map(|answer| answer.ok().map(|derived| derived.key.into_string())).collect();
    let key = |id: &str| Some(format!("provider:fake:policy:t:widget:id:{id}"));
    assert_eq!(keys, [key("a"), None, key("b")]);
}

#[test]
fn a_digest_is_the_sha256_of_the_key() {
    // printf %s 'provider:fake:policy:widgetPolicy:widget:id:A%3A1' | sha256sum
    assert_eq!(
        identity().digest("provider:fake:policy:widgetPolicy:widget:id:A%3A1").unwrap(),
        "sha256:eee5847ce7ddb24df0f6834025e3a8cc614db06b422f60948054e425ece0396f"
    );
}
