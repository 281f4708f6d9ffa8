//! How values look in JSON, for the document that describes the HTTP interface. Types of the contract have no schema of
//! their own, because the crate they come from knows no web: they are described here, out of the same lists.

use std::borrow::Cow;

use provident_identity::{ActorKind, BindingStatus, ErrorCode, ResolutionMode, SubjectClass, SupportLevel};
use serde::Deserialize;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::connection::HealthStatus;
use crate::inventory::ObservationStatus;
use crate::registry::{ConnectionStatus, RecordKind, RunOutcome, RunStatus};
use crate::run::{CountKey, OperationType};

macro_rules! words {
    ($($(#[$about:meta])* $name:ident = $shown:literal of $words:ty;)+) => {
        $(
            $(#[$about])*
            #[derive(Debug, Deserialize)]
            pub struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let words = <$words>::ALL.iter().map(|word| word.as_str());
                    ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some(words)).into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed($shown)
                }
            }
        )+
    };
}

words! {
    /// How a subject is resolved.
    ResolutionModeName = "ResolutionMode" of ResolutionMode;
    /// Whether a decision holds.
    BindingStatusName = "BindingStatus" of BindingStatus;
    /// What kind of thing a subject is.
    SubjectClassName = "SubjectClass" of SubjectClass;
    /// How far the platform can go with a resource.
    SupportLevelName = "SupportLevel" of SupportLevel;
    /// Who decided.
    ActorKindName = "ActorKind" of ActorKind;
    /// A rule of the contract.
    ErrorCodeName = "ErrorCode" of ErrorCode;
    /// Whether a resource was there when last looked for.
    ObservationStatusName = "ObservationStatus" of ObservationStatus;
    /// What a line of a sync is about.
    RecordKindName = "RecordKind" of RecordKind;
    /// What a run does.
    OperationTypeName = "OperationType" of OperationType;
    /// How far a run is.
    RunStatusName = "RunStatus" of RunStatus;
    /// How a run ended.
    RunOutcomeName = "RunOutcome" of RunOutcome;
    /// Whether a connection is in use.
    ConnectionStatusName = "ConnectionStatus" of ConnectionStatus;
    /// How a connection was when last checked.
    HealthStatusName = "HealthStatus" of HealthStatus;
}

/// What a run has counted: whole numbers under registered keys, of which no run has all.
#[derive(Debug)]
pub struct CountsByKey;

impl PartialSchema for CountsByKey {
    fn schema() -> RefOr<Schema> {
        let count = || ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer)).minimum(Some(0));
        let counts = ObjectBuilder::new().schema_type(SchemaType::new(Type::Object));
        let counts = CountKey::ALL.iter().fold(counts, |counts, key| counts.property(key.as_str(), count()));
        counts.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false))).into()
    }
}

impl ToSchema for CountsByKey {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("SummaryCounts")
    }
}

/// A moment: RFC 3339, UTC, microseconds.
#[derive(Debug)]
pub struct Moment;

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime)))
            // One spelling: other moments of RFC 3339 are not taken.
            .pattern(Some(
                "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\\.[0-9]{6}Z$",
            ))
            .into()
    }
}

impl ToSchema for Moment {}

/// A row by its id, or `ref:` and the name a platform has for it.
#[derive(Debug)]
pub struct RecordName;

impl PartialSchema for RecordName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some("An id, or `ref:` and the name a platform has for the row."))
            .pattern(Some(
                "^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|ref:[!-~]([ -~]{0,253}[!-~])?)$",
            ))
            .into()
    }
}

impl ToSchema for RecordName {}

/// A caller's own name for a request.
#[derive(Debug)]
pub struct IdempotencyKeyText;

impl PartialSchema for IdempotencyKeyText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).pattern(Some("^[!-~]{1,255}$")).into()
    }
}

impl ToSchema for IdempotencyKeyText {}

/// A caller's own name for a request of many parts.
#[derive(Debug)]
pub struct BulkKeyText;

impl PartialSchema for BulkKeyText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).pattern(Some("^[!-~]{1,250}$")).into()
    }
}

impl ToSchema for BulkKeyText {}

/// What people call something: no control characters, no white space around it, at most 512 bytes.
#[derive(Debug)]
pub struct DisplayNameText;

impl PartialSchema for DisplayNameText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some("At most 512 bytes of UTF-8."))
            .max_length(Some(512))
            .pattern(Some(concat!(
                "^[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]",
                "([^\\u0000-\\u001f\\u007f-\\u009f]*",
                "[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000])?$",
            )))
            .into()
    }
}

impl ToSchema for DisplayNameText {}

/// A value that a connection logs in with. No answer has one.
#[derive(Debug)]
pub struct CredentialText;

impl PartialSchema for CredentialText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some("At most 4,096 bytes of UTF-8."))
            .pattern(Some("^[^\\u0000-\\u001f\\u007f-\\u009f]{1,4096}$"))
            .write_only(true)
            .into()
    }
}

impl ToSchema for CredentialText {}

/// What identifies a resource at its provider. No display name has a place here.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResourceIdentity)]
#[expect(dead_code, clippy::struct_excessive_bools, reason = "the shape of the contract's own type")]
pub struct Identity {
    /// The provider.
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    provider_key: String,
    /// The provider's type of the resource, 1 to 128 bytes.
    resource_type: String,
    /// The provider's id, 1 to 512 bytes.
    provider_resource_id: Option<String>,
    /// An id from elsewhere, 1 to 512 bytes.
    external_id: Option<String>,
    /// The canonical name of a resource without a portable id.
    discriminator: Option<String>,
    /// A digest of the content; never part of a key.
    fingerprint: Option<String>,
    /// Shipped by the provider.
    #[serde(default)]
    built_in: bool,
    /// A provider's default configuration.
    #[serde(default)]
    default: bool,
    /// Has no stored object behind it.
    #[serde(default, rename = "virtual")]
    virtual_: bool,
    /// Made in and owned by the tenant.
    #[serde(default)]
    tenant_owned: bool,
}

/// A resource as a candidate for matching or resolution.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProviderResourceDescriptor)]
#[expect(dead_code, reason = "the shape of the contract's own type")]
pub struct Descriptor {
    /// Who it is at the provider.
    identity: Identity,
    /// The governance domain.
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    subject_domain: String,
    /// What kind of thing it is.
    subject_class: SubjectClassName,
    /// The platform's type of the subject.
    subject_type_key: String,
    /// How far the platform can go with it.
    support_level: SupportLevelName,
    /// What people call it; never part of the key.
    display_label: Option<String>,
    /// The inventory item it was made from.
    source_inventory_item_id: Option<String>,
    /// The policy version it was made from.
    source_policy_version_id: Option<String>,
    /// The operation run it was seen by.
    source_operation_run_id: Option<String>,
}

/// What a key is derived from.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GovernedSubject)]
#[expect(dead_code, reason = "the shape of the contract's own type")]
pub struct Derivable {
    /// Who it is at the provider.
    identity: Identity,
    /// What kind of thing it is.
    subject_class: SubjectClassName,
    /// The platform's type of the subject.
    subject_type_key: String,
}

/// A rule of the contract that was broken.
#[derive(Debug, ToSchema)]
#[schema(as = IdentityError)]
#[expect(dead_code, reason = "the shape of the contract's own type")]
pub struct Refusal {
    /// The rule.
    code: ErrorCodeName,
    /// The bare name of the member.
    field: String,
    /// For people.
    message: String,
}

/// A row by name, as text in JSON and in a query.
pub mod record_ref {
    use serde::{Deserialize, Deserializer, de};

    use crate::registry::RecordRef;

    /// Reads a row's name.
    ///
    /// # Errors
    /// Where the text names none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RecordRef, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }

    /// A row's name that may be left out.
    pub mod option {
        use serde::{Deserialize, Deserializer, de};

        use crate::registry::RecordRef;

        /// Reads a row's name, where there is one.
        ///
        /// # Errors
        /// Where the text names none.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RecordRef>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
        }
    }
}
