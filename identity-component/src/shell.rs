//! The component's boundary: WIT types to the domain types and back. Conversions only, no rules.

use crate::model::{self, Flags};
use crate::{batch, decision, descriptor, flat, key, limits};
use alloc::string::String;
use alloc::vec::Vec;
use bindings::exports::provident::identity as wit;
use component_kit as _;
use wit::types;

#[expect(unsafe_code, reason = "generated: lifting and lowering across the component boundary")]
#[expect(clippy::pedantic, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "identity" });
    export!(Component);
    pub(super) struct Component;
}

use bindings::Component;

/// Values with the same names on both sides; the compiler holds either list to the other.
macro_rules! same_names {
    ($($from:ty => $to:ty { $($variant:ident)+ })+) => {$(
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                match value { $(<$from>::$variant => Self::$variant,)+ }
            }
        }
    )+};
}

same_names! {
    types::SubjectClass => model::SubjectClass {
        Policy Foundation AssignmentTarget VirtualAssignmentTarget ProviderBuiltin ProviderDefault Unsupported Unknown
    }
    model::SubjectClass => types::SubjectClass {
        Policy Foundation AssignmentTarget VirtualAssignmentTarget ProviderBuiltin ProviderDefault Unsupported Unknown
    }
    types::ResolutionMode => model::ResolutionMode {
        ExactProviderIdentity CanonicalBuiltin CanonicalVirtualTarget ManualBinding ExcludedNonGoverned
        AcceptedLimitation UnsupportedCoverage MissingExpected
    }
    types::SupportLevel => model::SupportLevel { Supported InventoryOnly Unsupported }
    types::DecisionAction => model::DecisionAction { Create Supersede Revoke }
    types::ActorKind => model::ActorKind { Operator System }
    model::KeyForm => types::KeyForm { Id Ext Disc }
    model::Code => types::ErrorCode {
        RequestTooLarge InvalidUtf8 MalformedRequest UnknownOp UnknownField InvalidClass EmptyField
        SurroundingWhitespace ControlCharacter Noncharacter FieldTooLong BadProviderKey BadDiscriminator
        ConflictingFlags ClassIdentityMismatch MissingDiscriminator MissingIdentity KeyTooLong UnknownScheme WrongArity
        UnknownForm BadEscape NonCanonicalEscape ClassFormMismatch BadSubjectDomain BadSupportLevel ModeNotAllowed
        ModeSubjectMismatch ResourceRequired ResourceNotAllowed ResourceProviderMismatch ResourceKeyMismatch
        NoteRequired NoteNotAllowed NoteTooLong ReasonRequired ReasonNotAllowed BadReason MalformedDocument
        DocumentTooLarge UnknownType AmbiguousType
    }
}

impl From<model::Refusal> for types::IdentityError {
    fn from(refusal: model::Refusal) -> Self {
        Self { code: refusal.code.into(), field: refusal.field.into_owned(), message: refusal.message }
    }
}

fn subject<'a>(
    identity: &'a types::ResourceIdentity,
    class: types::SubjectClass,
    type_key: &'a str,
) -> model::Subject<'a> {
    model::Subject {
        identity: model::Identity {
            provider_key: &identity.provider_key,
            resource_type: &identity.resource_type,
            provider_resource_id: identity.provider_resource_id.as_deref(),
            external_id: identity.external_id.as_deref(),
            discriminator: identity.discriminator.as_deref(),
            fingerprint: identity.fingerprint.as_deref(),
            flags: Flags {
                built_in: identity.built_in,
                default: identity.default,
                r#virtual: identity.virtual_,
                tenant_owned: identity.tenant_owned,
            },
        },
        class: class.into(),
        type_key,
    }
}

fn derive(governed: &types::GovernedSubject) -> Result<wit::keys::DerivedKey, types::IdentityError> {
    let key = key::derive(&subject(&governed.identity, governed.subject_class, &governed.subject_type_key))?;
    let digest = key::sha256(key.as_bytes());
    Ok(wit::keys::DerivedKey { key, digest })
}

impl wit::keys::Guest for Component {
    fn derive(governed: types::GovernedSubject) -> Result<wit::keys::DerivedKey, types::IdentityError> {
        derive(&governed)
    }

    fn derive_many(subjects: Vec<types::GovernedSubject>) -> Vec<Result<wit::keys::DerivedKey, types::IdentityError>> {
        subjects.iter().map(derive).collect()
    }

    fn derive_flat(records: Vec<u8>) -> Vec<u8> {
        flat::derive_flat(&records)
    }

    fn parse(key: String) -> Result<wit::keys::ParsedKey, types::IdentityError> {
        let parsed = key::parse(&key)?;
        Ok(wit::keys::ParsedKey {
            provider_key: parsed.provider_key,
            subject_class: parsed.class.into(),
            subject_type_key: parsed.type_key,
            resource_type: parsed.resource_type,
            form: parsed.form.into(),
            value: parsed.value,
        })
    }

    fn digest(key: String) -> Result<String, types::IdentityError> {
        Ok(key::digest(&key)?)
    }
}

impl wit::descriptors::Guest for Component {
    fn describe(given: types::ProviderResourceDescriptor) -> Result<wit::descriptors::Described, types::IdentityError> {
        let described = descriptor::describe(&descriptor::Descriptor {
            subject: subject(&given.identity, given.subject_class, &given.subject_type_key),
            domain: &given.subject_domain,
            support_level: Some(given.support_level.into()),
            source_inventory_item_id: given.source_inventory_item_id.as_deref(),
            source_policy_version_id: given.source_policy_version_id.as_deref(),
            source_operation_run_id: given.source_operation_run_id.as_deref(),
        })?;
        Ok(wit::descriptors::Described { key: described.key, canonical: described.canonical, digest: described.digest })
    }
}

impl wit::decisions::Guest for Component {
    fn check(given: wit::decisions::Decision) -> Result<(), Vec<types::IdentityError>> {
        decision::check(&decision::Decision {
            action: given.action.into(),
            actor: given.actor.into(),
            mode: given.mode.map(|mode| Some(mode.into())),
            subject: &given.subject,
            resource: given.resource.as_deref(),
            note: given.note.as_deref(),
            reason: given.reason.as_deref(),
        })
        .map_err(|broken| broken.into_iter().map(Into::into).collect())
    }

    fn rewrite_note(note: String) -> Option<String> {
        decision::rewrite_note(&note)
    }
}

impl wit::batch::Guest for Component {
    fn run(ndjson: String) -> String {
        batch::run(&ndjson)
    }
}

impl wit::about::Guest for Component {
    fn describe() -> wit::about::Description {
        let bytes = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        wit::about::Description {
            grammar_version: limits::GRAMMAR_VERSION,
            contract_version: limits::CONTRACT_VERSION.into(),
            limits: wit::about::Limits {
                line_bytes: bytes(limits::LINE_BYTES),
                batch_bytes: bytes(limits::BATCH_BYTES),
                key_bytes: bytes(limits::KEY_BYTES),
                type_bytes: bytes(limits::TYPE_BYTES),
                value_bytes: bytes(limits::VALUE_BYTES),
                label_bytes: bytes(limits::LABEL_BYTES),
                note_chars: bytes(limits::NOTE_CHARS),
            },
        }
    }
}
