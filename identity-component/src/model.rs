//! The domain types: what is asked and what is answered. Texts are borrowed from the caller; rules live in the
//! other modules.

use alloc::borrow::Cow;
use alloc::string::String;

/// An enum whose variants have one spelling each, in one place.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $spelling:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* #[doc = concat!("`", $spelling, "`")] $variant,)+
        }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The one spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $spelling,)+ }
            }

            /// The value with this spelling.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($spelling => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

named! {
    /// What kind of thing a governed subject is (S380-25).
    SubjectClass {
        Policy = "policy",
        Foundation = "foundation",
        AssignmentTarget = "assignment_target",
        VirtualAssignmentTarget = "virtual_assignment_target",
        ProviderBuiltin = "provider_builtin",
        ProviderDefault = "provider_default",
        Unsupported = "unsupported",
        Unknown = "unknown",
    }
}

named! {
    /// How a subject came to be bound (P381-72).
    ResolutionMode {
        ExactProviderIdentity = "exact_provider_identity",
        CanonicalBuiltin = "canonical_builtin",
        CanonicalVirtualTarget = "canonical_virtual_target",
        ManualBinding = "manual_binding",
        ExcludedNonGoverned = "excluded_non_governed",
        AcceptedLimitation = "accepted_limitation",
        UnsupportedCoverage = "unsupported_coverage",
        MissingExpected = "missing_expected",
    }
}

named! {
    /// How far the platform can go with a resource (S380-35).
    SupportLevel {
        Supported = "supported",
        InventoryOnly = "inventory_only",
        Unsupported = "unsupported",
    }
}

named! {
    /// Which of its identities a key carries.
    KeyForm {
        Id = "id",
        Ext = "ext",
        Disc = "disc",
    }
}

named! {
    /// What a decision does.
    DecisionAction {
        Create = "create",
        Supersede = "supersede",
        Revoke = "revoke",
    }
}

named! {
    /// Who decides.
    ActorKind {
        Operator = "operator",
        System = "system",
    }
}

named! {
    /// Every reason to refuse an input. Order and spelling are the contract's.
    Code {
        RequestTooLarge = "request-too-large",
        InvalidUtf8 = "invalid-utf8",
        MalformedRequest = "malformed-request",
        UnknownOp = "unknown-op",
        UnknownField = "unknown-field",
        InvalidClass = "invalid-class",
        EmptyField = "empty-field",
        SurroundingWhitespace = "surrounding-whitespace",
        ControlCharacter = "control-character",
        Noncharacter = "noncharacter",
        FieldTooLong = "field-too-long",
        BadProviderKey = "bad-provider-key",
        BadDiscriminator = "bad-discriminator",
        ConflictingFlags = "conflicting-flags",
        ClassIdentityMismatch = "class-identity-mismatch",
        MissingDiscriminator = "missing-discriminator",
        MissingIdentity = "missing-identity",
        KeyTooLong = "key-too-long",
        UnknownScheme = "unknown-scheme",
        WrongArity = "wrong-arity",
        UnknownForm = "unknown-form",
        BadEscape = "bad-escape",
        NonCanonicalEscape = "non-canonical-escape",
        ClassFormMismatch = "class-form-mismatch",
        BadSubjectDomain = "bad-subject-domain",
        BadSupportLevel = "bad-support-level",
        ModeNotAllowed = "mode-not-allowed",
        ModeSubjectMismatch = "mode-subject-mismatch",
        ResourceRequired = "resource-required",
        ResourceNotAllowed = "resource-not-allowed",
        ResourceProviderMismatch = "resource-provider-mismatch",
        ResourceKeyMismatch = "resource-key-mismatch",
        NoteRequired = "note-required",
        NoteNotAllowed = "note-not-allowed",
        NoteTooLong = "note-too-long",
        ReasonRequired = "reason-required",
        ReasonNotAllowed = "reason-not-allowed",
        BadReason = "bad-reason",
        MalformedDocument = "malformed-document",
        DocumentTooLarge = "document-too-large",
        UnknownType = "unknown-type",
        AmbiguousType = "ambiguous-type",
    }
}

impl SubjectClass {
    /// The class as it stands in a key.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Foundation => "foundation",
            Self::AssignmentTarget => "assignment-target",
            Self::VirtualAssignmentTarget => "virtual-target",
            Self::ProviderBuiltin => "builtin",
            Self::ProviderDefault => "default",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
        }
    }

    /// The class a key's token stands for.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.token() == token)
    }
}

impl ResolutionMode {
    /// Whether only the system may decide so (design: the first three).
    #[must_use]
    pub const fn is_automatic(self) -> bool {
        matches!(self, Self::ExactProviderIdentity | Self::CanonicalBuiltin | Self::CanonicalVirtualTarget)
    }
}

/// What identifies a resource at its provider (S380-31). No display name has a place here (S380-14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The provider.
    pub provider_key: &'a str,
    /// The provider's type of the resource.
    pub resource_type: &'a str,
    /// The provider's id.
    pub provider_resource_id: Option<&'a str>,
    /// An id from elsewhere.
    pub external_id: Option<&'a str>,
    /// The canonical name of a resource without a portable id.
    pub discriminator: Option<&'a str>,
    /// A digest of the content; never part of a key.
    pub fingerprint: Option<&'a str>,
    /// What is said about its origin.
    pub flags: Flags,
}

/// What is said about a resource's origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts of the contract, not a state")]
pub struct Flags {
    /// Shipped by the provider.
    pub built_in: bool,
    /// A provider's default configuration.
    pub default: bool,
    /// Has no stored object behind it.
    pub r#virtual: bool,
    /// Made in and owned by the tenant.
    pub tenant_owned: bool,
}

impl Flags {
    /// Whether the resource is the provider's own: built-in, default or virtual.
    #[must_use]
    pub const fn provider_owned(self) -> bool {
        self.built_in || self.default || self.r#virtual
    }
}

/// What a key is derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Who it is at the provider.
    pub identity: Identity<'a>,
    /// What kind of thing it is.
    pub class: SubjectClass,
    /// The platform's type of the subject.
    pub type_key: &'a str,
}

/// One refusal: the first rule broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub code: Code,
    /// The bare name of the member it was broken in.
    pub field: Cow<'static, str>,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// A refusal by `code`, in the member `field`.
    pub fn new(code: Code, field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code, field: field.into(), message: message.into() }
    }
}
