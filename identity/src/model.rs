//! The types of the contract in Rust. Names and order are those of `wit/`; the component's own types are held to
//! them when it is opened.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use wasmtime::component::{ComponentType, Lift, Lower};

/// A text that names no value of an enum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {kind}")]
pub struct InvalidName {
    /// What was expected, such as `subject class`.
    pub kind: &'static str,
    /// What was given, at most 64 characters of it.
    pub given: String,
}

/// An enum of the contract with its one spelling in JSON, SQL and text.
macro_rules! contract_enum {
    ($(#[$doc:meta])* $name:ident, $kind:literal { $($(#[$variant_doc:meta])* $variant:ident = $wit:literal / $spelling:literal,)+ }) => {
        $(#[$doc])*
        #[derive(ComponentType, Lift, Lower, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[component(enum)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$variant_doc])* #[doc = concat!("`", $spelling, "`")] #[component(name = $wit)] #[serde(rename = $spelling)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The one spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $spelling,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                match text {
                    $($spelling => Ok(Self::$variant),)+
                    _ => Err(InvalidName { kind: $kind, given: text.chars().take(64).collect() }),
                }
            }
        }
    };
}

contract_enum! {
    /// What kind of thing a governed subject is (S380-25).
    SubjectClass, "subject class" {
        Policy = "policy" / "policy",
        Foundation = "foundation" / "foundation",
        AssignmentTarget = "assignment-target" / "assignment_target",
        VirtualAssignmentTarget = "virtual-assignment-target" / "virtual_assignment_target",
        ProviderBuiltin = "provider-builtin" / "provider_builtin",
        ProviderDefault = "provider-default" / "provider_default",
        Unsupported = "unsupported" / "unsupported",
        Unknown = "unknown" / "unknown",
    }
}

contract_enum! {
    /// How a subject came to be bound (P381-72).
    ResolutionMode, "resolution mode" {
        ExactProviderIdentity = "exact-provider-identity" / "exact_provider_identity",
        CanonicalBuiltin = "canonical-builtin" / "canonical_builtin",
        CanonicalVirtualTarget = "canonical-virtual-target" / "canonical_virtual_target",
        ManualBinding = "manual-binding" / "manual_binding",
        ExcludedNonGoverned = "excluded-non-governed" / "excluded_non_governed",
        AcceptedLimitation = "accepted-limitation" / "accepted_limitation",
        UnsupportedCoverage = "unsupported-coverage" / "unsupported_coverage",
        MissingExpected = "missing-expected" / "missing_expected",
    }
}

contract_enum! {
    /// The life of a binding (P381-71).
    BindingStatus, "binding status" {
        Active = "active" / "active",
        Superseded = "superseded" / "superseded",
        Revoked = "revoked" / "revoked",
    }
}

contract_enum! {
    /// How far the platform can go with a resource (S380-35).
    SupportLevel, "support level" {
        Supported = "supported" / "supported",
        InventoryOnly = "inventory-only" / "inventory_only",
        Unsupported = "unsupported" / "unsupported",
    }
}

contract_enum! {
    /// Which of its identities a key carries.
    KeyForm, "key form" {
        Id = "id" / "id",
        Ext = "ext" / "ext",
        Disc = "disc" / "disc",
    }
}

contract_enum! {
    /// What a decision does.
    DecisionAction, "decision action" {
        Create = "create" / "create",
        Supersede = "supersede" / "supersede",
        Revoke = "revoke" / "revoke",
    }
}

contract_enum! {
    /// Who decides.
    ActorKind, "actor kind" {
        Operator = "operator" / "operator",
        System = "system" / "system",
    }
}

contract_enum! {
    /// Every reason to refuse an input; meanings in `docs/codes.md`.
    ErrorCode, "code" {
        RequestTooLarge = "request-too-large" / "request-too-large",
        InvalidUtf8 = "invalid-utf8" / "invalid-utf8",
        MalformedRequest = "malformed-request" / "malformed-request",
        UnknownOp = "unknown-op" / "unknown-op",
        UnknownField = "unknown-field" / "unknown-field",
        InvalidClass = "invalid-class" / "invalid-class",
        EmptyField = "empty-field" / "empty-field",
        SurroundingWhitespace = "surrounding-whitespace" / "surrounding-whitespace",
        ControlCharacter = "control-character" / "control-character",
        Noncharacter = "noncharacter" / "noncharacter",
        FieldTooLong = "field-too-long" / "field-too-long",
        BadProviderKey = "bad-provider-key" / "bad-provider-key",
        BadDiscriminator = "bad-discriminator" / "bad-discriminator",
        ConflictingFlags = "conflicting-flags" / "conflicting-flags",
        ClassIdentityMismatch = "class-identity-mismatch" / "class-identity-mismatch",
        MissingDiscriminator = "missing-discriminator" / "missing-discriminator",
        MissingIdentity = "missing-identity" / "missing-identity",
        KeyTooLong = "key-too-long" / "key-too-long",
        UnknownScheme = "unknown-scheme" / "unknown-scheme",
        WrongArity = "wrong-arity" / "wrong-arity",
        UnknownForm = "unknown-form" / "unknown-form",
        BadEscape = "bad-escape" / "bad-escape",
        NonCanonicalEscape = "non-canonical-escape" / "non-canonical-escape",
        ClassFormMismatch = "class-form-mismatch" / "class-form-mismatch",
        BadSubjectDomain = "bad-subject-domain" / "bad-subject-domain",
        BadSupportLevel = "bad-support-level" / "bad-support-level",
        ModeNotAllowed = "mode-not-allowed" / "mode-not-allowed",
        ModeSubjectMismatch = "mode-subject-mismatch" / "mode-subject-mismatch",
        ResourceRequired = "resource-required" / "resource-required",
        ResourceNotAllowed = "resource-not-allowed" / "resource-not-allowed",
        ResourceProviderMismatch = "resource-provider-mismatch" / "resource-provider-mismatch",
        ResourceKeyMismatch = "resource-key-mismatch" / "resource-key-mismatch",
        NoteRequired = "note-required" / "note-required",
        NoteNotAllowed = "note-not-allowed" / "note-not-allowed",
        NoteTooLong = "note-too-long" / "note-too-long",
        ReasonRequired = "reason-required" / "reason-required",
        ReasonNotAllowed = "reason-not-allowed" / "reason-not-allowed",
        BadReason = "bad-reason" / "bad-reason",
        MalformedDocument = "malformed-document" / "malformed-document",
        DocumentTooLarge = "document-too-large" / "document-too-large",
        UnknownType = "unknown-type" / "unknown-type",
        AmbiguousType = "ambiguous-type" / "ambiguous-type",
    }
}

/// One refusal of the component.
#[derive(ComponentType, Lift, Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[component(record)]
#[error("{code} ({field}): {message}")]
pub struct IdentityError {
    /// The rule that was broken.
    pub code: ErrorCode,
    /// The bare name of the member it was broken in.
    pub field: String,
    /// For people; echoes at most 64 characters of input, never a note.
    pub message: String,
}

/// What identifies a resource at its provider (S380-31). No display name has a place here.
#[derive(ComponentType, Lift, Lower, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[component(record)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts of the contract, not a state")]
pub struct ResourceIdentity {
    /// The provider, `[a-z0-9][a-z0-9_-]{0,63}`.
    #[component(name = "provider-key")]
    pub provider_key: String,
    /// The provider's type of the resource, 1..128 bytes.
    #[component(name = "resource-type")]
    pub resource_type: String,
    /// The provider's id, 1..512 bytes.
    #[component(name = "provider-resource-id")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_resource_id: Option<String>,
    /// An id from elsewhere, 1..512 bytes.
    #[component(name = "external-id")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The canonical name of a resource without a portable id, `[a-z0-9][a-z0-9._-]*`, 1..512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discriminator: Option<String>,
    /// A digest of the content, 1..512 bytes; never part of a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Shipped by the provider.
    #[component(name = "built-in")]
    #[serde(default, skip_serializing_if = "is_false")]
    pub built_in: bool,
    /// A provider's default configuration.
    #[serde(default, skip_serializing_if = "is_false")]
    pub default: bool,
    /// Has no stored object behind it.
    #[component(name = "virtual")]
    #[serde(default, rename = "virtual", skip_serializing_if = "is_false")]
    pub virtual_: bool,
    /// Made in and owned by the tenant.
    #[component(name = "tenant-owned")]
    #[serde(default, skip_serializing_if = "is_false")]
    pub tenant_owned: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a key is derived from.
#[derive(ComponentType, Lift, Lower, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[component(record)]
#[serde(deny_unknown_fields)]
pub struct GovernedSubject {
    /// Who it is at the provider.
    pub identity: ResourceIdentity,
    /// What kind of thing it is.
    #[component(name = "subject-class")]
    pub subject_class: SubjectClass,
    /// The platform's type of the subject, 1..128 bytes.
    #[component(name = "subject-type-key")]
    pub subject_type_key: String,
}

/// A resource as a candidate for matching or resolution (S380-35). Debug leaves the label out.
#[derive(ComponentType, Lift, Lower, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[component(record)]
#[serde(deny_unknown_fields)]
pub struct ProviderResourceDescriptor {
    /// Who it is at the provider.
    pub identity: ResourceIdentity,
    /// The governance domain, `[a-z0-9][a-z0-9_-]{0,63}` (P381-43).
    #[component(name = "subject-domain")]
    pub subject_domain: String,
    /// What kind of thing it is.
    #[component(name = "subject-class")]
    pub subject_class: SubjectClass,
    /// The platform's type of the subject, 1..128 bytes.
    #[component(name = "subject-type-key")]
    pub subject_type_key: String,
    /// How far the platform can go with it.
    #[component(name = "support-level")]
    pub support_level: SupportLevel,
    /// What people call it; never part of key, canonical form or digest.
    #[component(name = "display-label")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_label: Option<String>,
    /// The inventory item it was made from, 1..128 bytes.
    #[component(name = "source-inventory-item-id")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_inventory_item_id: Option<String>,
    /// The policy version it was made from, 1..128 bytes.
    #[component(name = "source-policy-version-id")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_policy_version_id: Option<String>,
    /// The operation run it was seen by, 1..128 bytes.
    #[component(name = "source-operation-run-id")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_operation_run_id: Option<String>,
}

impl fmt::Debug for ProviderResourceDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderResourceDescriptor")
            .field("identity", &self.identity)
            .field("subject_domain", &self.subject_domain)
            .field("subject_class", &self.subject_class)
            .field("subject_type_key", &self.subject_type_key)
            .field("support_level", &self.support_level)
            .finish_non_exhaustive()
    }
}

impl ProviderResourceDescriptor {
    /// What its key is derived from.
    #[must_use]
    pub fn subject(&self) -> GovernedSubject {
        GovernedSubject {
            identity: self.identity.clone(),
            subject_class: self.subject_class,
            subject_type_key: self.subject_type_key.clone(),
        }
    }

    /// Bytes of all its texts: what the input cap counts.
    pub(crate) fn text_bytes(&self) -> usize {
        let given = [
            &self.display_label,
            &self.source_inventory_item_id,
            &self.source_policy_version_id,
            &self.source_operation_run_id,
        ];
        self.identity.text_bytes()
            + self.subject_domain.len()
            + self.subject_type_key.len()
            + given.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

impl ResourceIdentity {
    pub(crate) fn text_bytes(&self) -> usize {
        let given = [&self.provider_resource_id, &self.external_id, &self.discriminator, &self.fingerprint];
        self.provider_key.len() + self.resource_type.len() + given.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

impl GovernedSubject {
    pub(crate) fn text_bytes(&self) -> usize {
        self.identity.text_bytes() + self.subject_type_key.len()
    }
}

/// A canonical subject key (S380-04). Made by [`crate::Identity`], or from a stored row; the grammar itself lives in
/// the component.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct CanonicalSubjectKey(String);

impl CanonicalSubjectKey {
    /// A key that was stored: whoever calls this vouches that the component made it.
    #[must_use]
    pub fn from_stored(key: String) -> Self {
        Self(key)
    }

    /// The key's bytes as text, always ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key's text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for CanonicalSubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
