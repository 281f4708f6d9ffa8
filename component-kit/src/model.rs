//! The plain types adapters answer with: the shapes of the contract's `types` and `adapter`, without its ABI.
//!
//! [`Descriptor::checked`] is the one way an adapter hands a descriptor out: it refuses what would not derive,
//! naming the raw member that is to blame.

use crate::quote::quote;
use crate::text::{self, KEY_BYTES, TYPE_BYTES, VALUE_BYTES};
use alloc::{format, string::String, vec::Vec};

/// What kind of thing a governed subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubjectClass {
    /// A tenant-owned policy.
    Policy,
    /// A tenant-owned object that policies build on.
    Foundation,
    /// What a policy is assigned to, with an identity of its own.
    AssignmentTarget,
    /// What a policy is assigned to, without an identity of its own.
    VirtualAssignmentTarget,
    /// Shipped by the provider, the same in every tenant.
    ProviderBuiltin,
    /// The configuration that applies where nothing else does.
    ProviderDefault,
    /// Known, and known not to be governable.
    Unsupported,
    /// Not known.
    Unknown,
}

impl SubjectClass {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Foundation => "foundation",
            Self::AssignmentTarget => "assignment_target",
            Self::VirtualAssignmentTarget => "virtual_assignment_target",
            Self::ProviderBuiltin => "provider_builtin",
            Self::ProviderDefault => "provider_default",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
        }
    }

    /// Bytes of the class's token in a key.
    const fn token_bytes(self) -> usize {
        match self {
            Self::VirtualAssignmentTarget => "virtual-target".len(),
            Self::ProviderBuiltin => "builtin".len(),
            Self::ProviderDefault => "default".len(),
            other => other.as_str().len(),
        }
    }
}

/// How far the platform can go with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SupportLevel {
    /// Fully governed.
    Supported,
    /// Seen and listed, not governed.
    InventoryOnly,
    /// Not handled.
    Unsupported,
}

impl SupportLevel {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::InventoryOnly => "inventory_only",
            Self::Unsupported => "unsupported",
        }
    }
}

/// The reasons for which an adapter refuses: those of the contract's `error-code` that raw objects can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Required or given, and empty.
    EmptyField,
    /// Starts or ends with Unicode `White_Space`.
    SurroundingWhitespace,
    /// Contains a control character.
    ControlCharacter,
    /// Contains a Unicode noncharacter.
    Noncharacter,
    /// Over the limit of its field, in bytes.
    FieldTooLong,
    /// Outside `[a-z0-9][a-z0-9._-]*`.
    BadDiscriminator,
    /// The form is `disc` and there is no discriminator.
    MissingDiscriminator,
    /// There is nothing that identifies the resource.
    MissingIdentity,
    /// The key would exceed 1,024 bytes.
    KeyTooLong,
    /// Not JSON, or not of a shape the adapter knows.
    MalformedDocument,
    /// Over 8 MiB, or over 50,000 objects.
    DocumentTooLarge,
    /// No type, from a place that holds none or nobody knows.
    UnknownType,
    /// No type, from a place that holds several.
    AmbiguousType,
}

impl Code {
    /// The name everywhere outside: kebab-case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmptyField => "empty-field",
            Self::SurroundingWhitespace => "surrounding-whitespace",
            Self::ControlCharacter => "control-character",
            Self::Noncharacter => "noncharacter",
            Self::FieldTooLong => "field-too-long",
            Self::BadDiscriminator => "bad-discriminator",
            Self::MissingDiscriminator => "missing-discriminator",
            Self::MissingIdentity => "missing-identity",
            Self::KeyTooLong => "key-too-long",
            Self::MalformedDocument => "malformed-document",
            Self::DocumentTooLarge => "document-too-large",
            Self::UnknownType => "unknown-type",
            Self::AmbiguousType => "ambiguous-type",
        }
    }
}

/// What identifies a resource at its provider. No label has a place here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the contract's record, field by field")]
pub struct Identity {
    /// The provider.
    pub provider_key: &'static str,
    /// The provider's type of the resource, 1..128 bytes.
    pub resource_type: String,
    /// The provider's id, 1..512 bytes.
    pub provider_resource_id: Option<String>,
    /// An id from elsewhere, 1..512 bytes.
    pub external_id: Option<String>,
    /// The canonical name of a resource without a portable id, 1..512 bytes.
    pub discriminator: Option<String>,
    /// A digest of the content, 1..512 bytes. Never part of a key.
    pub fingerprint: Option<String>,
    /// Shipped by the provider.
    pub built_in: bool,
    /// A provider's default configuration.
    pub default: bool,
    /// Has no stored object behind it.
    pub virtual_: bool,
    /// Made in and owned by the tenant.
    pub tenant_owned: bool,
}

/// A resource as a candidate for matching or resolution. Sources are the host's to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Who it is at the provider.
    pub identity: Identity,
    /// The governance domain.
    pub subject_domain: &'static str,
    /// What kind of thing it is.
    pub subject_class: SubjectClass,
    /// The platform's type of the subject, 1..128 bytes.
    pub subject_type_key: String,
    /// How far the platform can go with it.
    pub support_level: SupportLevel,
    /// What people call it, as [`crate::label::cut`] leaves it.
    pub display_label: Option<String>,
}

/// A raw object, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapted {
    /// Its place in the document, from 0.
    pub position: u32,
    /// What it is.
    pub descriptor: Descriptor,
}

/// A raw object, refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its place in the document, from 0.
    pub position: u32,
    /// The rule that was broken.
    pub code: Code,
    /// The bare name of the raw member it was broken in; `document` for a whole document or object.
    pub field: &'static str,
    /// For people.
    pub message: String,
}

/// What an adapter is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The provider it speaks for.
    pub provider_key: &'static str,
    /// Its own version.
    pub version: &'static str,
    /// The provider's types it knows, sorted.
    pub entity_types: Vec<&'static str>,
}

/// Why an object is refused, before its position is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The rule that was broken.
    pub code: Code,
    /// The bare name of the raw member.
    pub field: &'static str,
    /// For people.
    pub message: String,
}

impl Fault {
    /// A fault of one member.
    #[must_use]
    pub fn new(code: Code, field: &'static str, message: impl Into<String>) -> Self {
        Self { code, field, message: message.into() }
    }

    /// The refusal of the object at a position.
    #[must_use]
    pub fn at(self, position: u32) -> Refusal {
        Refusal { position, code: self.code, field: self.field, message: self.message }
    }
}

/// Which raw member each text of an identity was made from: what a refusal names.
#[derive(Clone, Copy, Debug)]
pub struct Origins {
    /// Of the resource type.
    pub resource_type: &'static str,
    /// Of the provider resource id; also named when there is no identity at all.
    pub provider_resource_id: &'static str,
    /// Of the external id.
    pub external_id: &'static str,
    /// Of the discriminator.
    pub discriminator: &'static str,
    /// Of the fingerprint.
    pub fingerprint: &'static str,
    /// Of the subject type key.
    pub subject_type_key: &'static str,
}

impl Descriptor {
    /// The descriptor, if it derives: every text sound, something that identifies, a key that fits.
    ///
    /// # Errors
    ///
    /// The first rule broken, in the order of deriving, with the raw member to blame.
    pub fn checked(self, origins: &Origins) -> Result<Self, Fault> {
        let identity = &self.identity;
        sound(Some(&identity.resource_type), TYPE_BYTES, origins.resource_type)?;
        sound(identity.provider_resource_id.as_deref(), VALUE_BYTES, origins.provider_resource_id)?;
        sound(identity.external_id.as_deref(), VALUE_BYTES, origins.external_id)?;
        if let Some(code) = identity.discriminator.as_deref().and_then(text::discriminator_fault) {
            return Err(Fault::new(code, origins.discriminator, "no canonical discriminator can be made of it"));
        }
        sound(identity.fingerprint.as_deref(), VALUE_BYTES, origins.fingerprint)?;
        sound(Some(&self.subject_type_key), TYPE_BYTES, origins.subject_type_key)?;
        if self.key_bytes(origins)? > KEY_BYTES {
            return Err(Fault::new(
                Code::KeyTooLong,
                origins.provider_resource_id,
                format!("the key would exceed {KEY_BYTES} bytes"),
            ));
        }
        Ok(self)
    }

    /// The length of the key, in bytes.
    fn key_bytes(&self, origins: &Origins) -> Result<usize, Fault> {
        let identity = &self.identity;
        let (form, value) = match self.form() {
            Some(found) => found,
            None if self.takes_only_discriminator() => {
                return Err(Fault::new(Code::MissingDiscriminator, origins.discriminator, "it has no canonical name"));
            }
            None => {
                return Err(Fault::new(
                    Code::MissingIdentity,
                    origins.provider_resource_id,
                    "nothing identifies the object",
                ));
            }
        };
        let segments = [
            "provider".len(),
            identity.provider_key.len(),
            self.subject_class.token_bytes(),
            text::segment_bytes(&self.subject_type_key),
            text::segment_bytes(&identity.resource_type),
            form.len(),
            text::segment_bytes(value),
        ];
        Ok(segments.iter().sum::<usize>() + segments.len() - 1)
    }

    fn takes_only_discriminator(&self) -> bool {
        let identity = &self.identity;
        let flagged = identity.built_in || identity.default || identity.virtual_;
        match self.subject_class {
            SubjectClass::ProviderBuiltin | SubjectClass::ProviderDefault | SubjectClass::VirtualAssignmentTarget => {
                true
            }
            SubjectClass::Unsupported | SubjectClass::Unknown => flagged,
            SubjectClass::Policy | SubjectClass::Foundation | SubjectClass::AssignmentTarget => false,
        }
    }

    /// The form of the key and the text it carries.
    fn form(&self) -> Option<(&'static str, &str)> {
        let identity = &self.identity;
        let id = identity.provider_resource_id.as_deref().map(|id| ("id", id));
        let external = identity.external_id.as_deref().map(|id| ("ext", id));
        let canonical = identity.discriminator.as_deref().map(|name| ("disc", name));
        if self.takes_only_discriminator() {
            return canonical;
        }
        let spare = match self.subject_class {
            SubjectClass::Unsupported | SubjectClass::Unknown if !identity.tenant_owned => canonical,
            _ => None,
        };
        id.or(external).or(spare)
    }
}

/// Refuses the first rule a text breaks, naming the raw member it was made from. No text breaks none.
///
/// # Errors
///
/// As [`text::fault`], with the text quoted.
pub fn sound(text: Option<&str>, limit_bytes: usize, field: &'static str) -> Result<(), Fault> {
    let Some(text) = text else { return Ok(()) };
    match text::fault(text, limit_bytes) {
        None => Ok(()),
        Some(code) => {
            let said = match code {
                Code::EmptyField => "is empty",
                Code::SurroundingWhitespace => "starts or ends with white space",
                Code::ControlCharacter => "contains a control character",
                Code::Noncharacter => "contains a noncharacter",
                _ => "is too long",
            };
            Err(Fault::new(code, field, format!("{} {said}", quote(text))))
        }
    }
}
