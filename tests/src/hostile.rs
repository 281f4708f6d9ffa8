//! Texts and subjects for property tests: some meant to be refused, some meant to be confused with one another.
//!
//! Texts are put together from short fragments, so that separators, escapes, look-alikes and forbidden characters
//! meet often, and equal texts come up again. Nothing here knows what a right answer is, but for [`bearing`].

use identity_component::key;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use provident_identity::{
    ActorKind, DecisionAction, GovernedSubject, ResolutionMode, ResourceIdentity, SubjectClass, SupportLevel,
};
use serde_json::{Value, json};

use crate::vectors::typed::native_subject;

/// What separates, escapes and looks alike; all of it allowed in a text.
const SOUND: &[&str] = &[
    "a", "A", "b", ":", "%", "3A", "%3A", "%25", "/", "#", "?", "~", "-", ".", "_", "é", "e\u{301}", "e", "ß", "ss",
    "\u{200B}", "🧭", "א", "：", "id", "disc", "policy", "0", "+", "&", "\"", "\\", "\u{FEFF}", "\u{202E}",
];
/// What no text may hold, at all or at an end.
const FORBIDDEN: &[&str] = &[
    " ",
    "\t",
    "\n",
    "\0",
    "\u{7F}",
    "\u{85}",
    "\u{A0}",
    "\u{3000}",
    "\u{FFFE}",
    "\u{FDD0}",
    "\u{10FFFF}",
    "\u{2028}",
];
const NAMES: &[&str] = &["a", "b", "0", "-", ".", "_", "all", "x"];

/// A text that breaks no rule: two fragments or three of `SOUND`, or fewer.
pub fn sound_text() -> impl Strategy<Value = String> {
    vec(select(SOUND), 1..4).prop_map(|parts| parts.concat())
}

/// A discriminator that breaks no rule.
pub fn sound_name() -> impl Strategy<Value = String> {
    vec(select(NAMES), 0..3).prop_map(|parts| format!("d{}", parts.concat()))
}

/// Any text: sound, empty, forbidden in some way, long, or arbitrary.
pub fn any_text() -> impl Strategy<Value = String> {
    let mixed = vec(prop_oneof![3 => select(SOUND), 1 => select(FORBIDDEN)], 0..4).prop_map(|parts| parts.concat());
    let long = (select(SOUND), 100..600_usize).prop_map(|(part, times)| part.repeat(times));
    prop_oneof![8 => sound_text(), 6 => mixed, 1 => long, 1 => any::<String>()]
}

/// One of the eight classes.
pub fn class() -> impl Strategy<Value = SubjectClass> {
    select(SubjectClass::ALL)
}

/// Flags as they go together: none, tenant-owned, or any of the provider's. In the order of the contract.
fn sound_flags() -> impl Strategy<Value = [bool; 4]> {
    select(
        &[
            [false, false, false, false],
            [false, false, false, true],
            [true, false, false, false],
            [false, true, false, false],
            [false, false, true, false],
            [true, true, true, false],
        ][..],
    )
}

fn put_together(
    texts: [String; 3],
    given: [Option<String>; 4],
    flags: [bool; 4],
    subject_class: SubjectClass,
) -> GovernedSubject {
    let [provider_key, resource_type, subject_type_key] = texts;
    let [provider_resource_id, external_id, discriminator, fingerprint] = given;
    let [built_in, default, virtual_, tenant_owned] = flags;
    GovernedSubject {
        identity: ResourceIdentity {
            provider_key,
            resource_type,
            provider_resource_id,
            external_id,
            discriminator,
            fingerprint,
            built_in,
            default,
            virtual_,
            tenant_owned,
        },
        subject_class,
        subject_type_key,
    }
}

/// A subject that derives: what its class and flags ask for is there.
pub fn sound_subject() -> impl Strategy<Value = GovernedSubject> {
    let texts = (select(&["fake", "fak", "e0", "f-k_"][..]), sound_text(), sound_text());
    let given = (weighted(0.5, sound_text()), weighted(0.4, sound_text()), sound_name(), weighted(0.2, sound_text()));
    (texts, given, sound_flags(), class(), any::<bool>()).prop_map(
        |((provider, resource_type, type_key), (id, external_id, name, fingerprint), flags, class, named)| {
            let owned =
                matches!(class, SubjectClass::Policy | SubjectClass::Foundation | SubjectClass::AssignmentTarget);
            let free = matches!(class, SubjectClass::Unsupported | SubjectClass::Unknown);
            let [built_in, default, virtual_, tenant_owned] = flags;
            let provider_owned = (built_in || default || virtual_) && !owned;
            let tenant_owned = tenant_owned && (owned || free);
            let flags =
                [built_in && provider_owned, default && provider_owned, virtual_ && provider_owned, tenant_owned];
            let by_name = provider_owned || !(owned || free);
            let needs_id = !by_name && (owned || tenant_owned || !named);
            let id = if needs_id && id.is_none() && external_id.is_none() { Some(name.clone()) } else { id };
            let discriminator = (by_name || named).then_some(name);
            put_together(
                [provider.to_owned(), resource_type, type_key],
                [id, external_id, discriminator, fingerprint],
                flags,
                class,
            )
        },
    )
}

/// A subject out of so few that two of a list are often nearly the same.
pub fn narrow_subject() -> impl Strategy<Value = GovernedSubject> {
    const PARTS: &[&str] = &["a", "A", ":", "%3A", "%", "3A", "é", "e\u{301}"];
    let value = vec(select(PARTS), 1..3).prop_map(|parts| parts.concat());
    let kind = select(&["t", "t:r", "r", "t%3Ar"][..]);
    (kind.clone(), kind, value, select(&["id", "ext", "disc"][..])).prop_map(
        |(resource_type, type_key, value, form)| {
            // A discriminator has few characters; the others of the part stand for it.
            let name = value.replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_ascii_lowercase();
            let name = (form == "disc").then(|| format!("d{name}"));
            let given = |own: &str| (form == own).then(|| value.clone());
            put_together(
                ["fake".into(), resource_type.into(), type_key.into()],
                [given("id"), given("ext"), name, None],
                [false; 4],
                SubjectClass::Unknown,
            )
        },
    )
}

/// Any subject: most of them break some rule.
pub fn any_subject() -> impl Strategy<Value = GovernedSubject> {
    let provider = prop_oneof![9 => Just("fake".to_owned()), 1 => any_text()];
    let type_key = prop_oneof![3 => sound_text(), 1 => any_text()];
    let name = prop_oneof![3 => sound_name(), 1 => any_text()];
    let texts = (provider, prop_oneof![3 => sound_text(), 1 => any_text()], type_key);
    let given = (
        weighted(0.6, any_text()),
        weighted(0.4, sound_text()),
        weighted(0.5, name),
        weighted(0.2, prop_oneof![3 => sound_text(), 1 => any_text()]),
    );
    (texts, given, any::<[bool; 4]>(), any::<bool>(), class()).prop_map(|(texts, given, flags, flagged, class)| {
        let ((provider, resource_type, type_key), (id, external_id, name, fingerprint)) = (texts, given);
        let flags = if flagged { flags } else { [false; 4] };
        put_together([provider, resource_type, type_key], [id, external_id, name, fingerprint], flags, class)
    })
}

/// What a key says, of a subject that derives: provider, class, subject type, resource type, form, value.
pub type Bearing = (String, SubjectClass, String, String, &'static str, String);

/// The parts of a subject that its key must carry, and nothing else of it.
///
/// What the provider owns is known by its discriminator, what the tenant owns never; the rest by the first of id,
/// external id and discriminator that it has.
#[must_use]
pub fn bearing(subject: &GovernedSubject) -> Bearing {
    let identity = &subject.identity;
    let own = matches!(
        subject.subject_class,
        SubjectClass::ProviderBuiltin | SubjectClass::ProviderDefault | SubjectClass::VirtualAssignmentTarget
    ) || identity.built_in
        || identity.default
        || identity.virtual_;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (form, value) = match (own, &identity.provider_resource_id, &identity.external_id) {
        (false, Some(id), _) => ("id", id.clone()),
        (false, None, Some(id)) => ("ext", id.clone()),
        _ => ("disc", text(&identity.discriminator)),
    };
    (
        identity.provider_key.clone(),
        subject.subject_class,
        subject.subject_type_key.clone(),
        identity.resource_type.clone(),
        form,
        value,
    )
}

/// A key, nearly one, or any text.
pub fn key_like() -> impl Strategy<Value = String> {
    const SEGMENTS: &[&str] = &[
        "fake",
        "policy",
        "builtin",
        "unknown",
        "virtual-target",
        "id",
        "disc",
        "ext",
        "a",
        "%3A",
        "%3a",
        "",
        "%20",
        "%",
    ];
    let sound = sound_subject().prop_map(|subject| key::derive(&native_subject(&subject)).unwrap_or_default());
    let near = vec(select(SEGMENTS), 5..8).prop_map(|segments| format!("provider:{}", segments.join(":")));
    prop_oneof![3 => sound, 2 => near, 1 => any_text(), 1 => any::<String>()]
}

/// A request of the line protocol that typed calls can make, too; sound or not in what it says.
pub fn request() -> impl Strategy<Value = Value> {
    let subject = || prop_oneof![1 => sound_subject(), 1 => any_subject()].boxed();
    let derive = subject().prop_map(|subject| json!({ "op": "derive", "input": subject }));
    let of_key = (select(&["parse", "digest"][..]), key_like())
        .prop_map(|(op, key)| json!({ "op": op, "input": { "key": key } }));
    let given = (weighted(0.5, any_text()), weighted(0.3, any_text()), weighted(0.1, any_text()));
    let domain = prop_oneof![3 => sound_name(), 1 => any_text()];
    let describe = (subject(), domain, select(SupportLevel::ALL), given).prop_map(
        |(subject, domain, level, (label, item, run))| {
            let mut input = json!(subject);
            put(&mut input, "subject_domain", Some(domain));
            put(&mut input, "support_level", Some(level.as_str().to_owned()));
            put(&mut input, "display_label", label);
            put(&mut input, "source_inventory_item_id", item);
            put(&mut input, "source_operation_run_id", run);
            json!({ "op": "describe", "input": input })
        },
    );
    let said = (select(DecisionAction::ALL), select(ActorKind::ALL), weighted(0.8, select(ResolutionMode::ALL)));
    let texts = (
        weighted(0.6, key_like()),
        weighted(0.7, any_text()),
        weighted(
            0.4,
            prop_oneof![
                1 => sound_name(),
                1 => any_text(),
            ],
        ),
    );
    let decide = (said, key_like(), texts).prop_map(|((action, actor, mode), subject, (resource, note, reason))| {
        let mut input = json!({ "action": action.as_str(), "actor": actor.as_str(), "subject": subject });
        put(&mut input, "mode", mode.map(|mode| mode.as_str().to_owned()));
        put(&mut input, "resource", resource);
        put(&mut input, "note", note);
        put(&mut input, "reason", reason);
        json!({ "op": "decide", "input": input })
    });
    prop_oneof![5 => derive, 2 => of_key, 2 => describe, 2 => decide]
}

fn put(input: &mut Value, name: &str, text: Option<String>) {
    if let (Some(members), Some(text)) = (input.as_object_mut(), text) {
        members.insert(name.to_owned(), text.into());
    }
}

/// Bytes that are nearly requests: pieces of the line protocol in any order, and any bytes.
pub fn line() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\"op\"",
        "\"input\"",
        "\"id\"",
        "\"derive\"",
        "\"parse\"",
        "\"describe\"",
        "\"decide\"",
        "\"digest\"",
        "\"about\"",
        "\"key\"",
        "\"identity\"",
        "null",
        "true",
        "1e9",
        "-0",
        "\\u",
        "\\ud800",
        "\u{FEFF}",
        " ",
        "\t",
        "\r",
        "\0",
        "{\"op\":",
        "{\"op\":\"parse\",\"input\":{\"key\":\"provider:fake:",
        "\"}}",
        "é",
        "[[[[[[[[[[[[[[[[[",
    ];
    let pieces = vec(select(PIECES), 0..12).prop_map(|pieces| pieces.concat().into_bytes());
    let bytes = vec(any::<u8>(), 0..40);
    prop_oneof![4 => pieces, 1 => bytes].prop_map(|mut line| {
        line.retain(|byte| *byte != b'\n');
        line
    })
}

/// The settings of a property: so many cases, and no file to remember failures by.
#[must_use]
pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() }
}
