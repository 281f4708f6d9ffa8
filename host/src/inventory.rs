//! Inventory: what was last observed in an environment.
//!
//! Identity and a listed few more members, never a payload (P339-27). One row per subject; nothing observed
//! is ever deleted, and a file import says nothing about what it does not contain (S380-02, P061-18). Bindings
//! do not change when inventory does (P381-27). Next: [`crate::service`] for imports.

use std::fmt;

use provident_identity::{
    CanonicalSubjectKey, ErrorCode, ProviderResourceDescriptor, ResourceIdentity, SubjectClass, SupportLevel,
};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::schema;

/// What people call a resource. Any text without U+0000, at most 512 bytes; printed by no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Label(String);

impl Label {
    /// Most bytes of a label.
    pub const MAX_BYTES: usize = 512;

    /// A label as it is kept: cut on a character boundary with `…`, U+0000 (which no database takes) shown as
    /// U+FFFD. Nothing is no label.
    #[must_use]
    pub fn kept(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let mut kept = text.replace('\0', "\u{FFFD}");
        if kept.len() > Self::MAX_BYTES {
            let room = Self::MAX_BYTES - '…'.len_utf8();
            let end = (0..=room).rev().find(|at| kept.is_char_boundary(*at)).unwrap_or(0);
            kept.truncate(end);
            kept.push('…');
        }
        Some(Self(kept))
    }

    /// As stored.
    pub(crate) fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Label(…)")
    }
}

/// Whether a resource was there when last looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservationStatus {
    /// It was.
    Observed,
    /// A complete collection did not find it.
    NotObserved,
}

impl ObservationStatus {
    /// Both.
    pub const ALL: &[Self] = &[Self::Observed, Self::NotObserved];

    /// Its stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::NotObserved => "not_observed",
        }
    }
}

/// A resource as last observed.
#[derive(Clone)]
pub struct InventoryItem {
    /// Its id.
    pub id: Uuid,
    /// The workspace.
    pub workspace_id: Uuid,
    /// The environment.
    pub environment_id: Uuid,
    /// The connection it was collected through, if through one.
    pub provider_connection_id: Option<Uuid>,
    /// Its key, unique in the environment.
    pub canonical_subject_key: CanonicalSubjectKey,
    /// Its governance domain.
    pub subject_domain: String,
    /// What kind of thing it is.
    pub subject_class: SubjectClass,
    /// The platform's type of it.
    pub subject_type_key: String,
    /// How far the platform can go with it.
    pub support_level: SupportLevel,
    /// Who it is at its provider.
    pub identity: ResourceIdentity,
    /// What people call it.
    pub display_label: Option<Label>,
    /// `sha256:` digest of its canonical descriptor.
    pub descriptor_digest: String,
    /// Whether it was there when last looked for.
    pub observation_status: ObservationStatus,
    /// When it was first seen.
    pub first_observed_at: Timestamp,
    /// When it was last seen.
    pub last_observed_at: Timestamp,
    /// The import that last saw it.
    pub last_import_id: Option<Uuid>,
    /// `sha256:` digest of the adapter that last described it.
    pub adapter_digest: Option<String>,
}

impl fmt::Debug for InventoryItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InventoryItem")
            .field("id", &self.id)
            .field("canonical_subject_key", &self.canonical_subject_key.as_str())
            .finish_non_exhaustive()
    }
}

/// The JSON an item is shown as.
#[derive(Serialize, ToSchema)]
#[schema(as = InventoryItem)]
pub(crate) struct View<'a> {
    id: Uuid,
    workspace_id: Uuid,
    environment_id: Uuid,
    provider_key: &'a str,
    provider_connection_id: Option<Uuid>,
    canonical_subject_key: &'a str,
    subject_domain: &'a str,
    #[schema(value_type = schema::SubjectClassName)]
    subject_class: &'static str,
    subject_type_key: &'a str,
    #[schema(value_type = schema::SupportLevelName)]
    support_level: &'static str,
    #[schema(value_type = schema::Identity)]
    identity: &'a ResourceIdentity,
    #[schema(value_type = Option<String>)]
    display_label: Option<&'a Label>,
    descriptor_digest: &'a str,
    #[schema(value_type = schema::ObservationStatusName)]
    observation_status: &'static str,
    #[schema(value_type = schema::Moment)]
    first_observed_at: Timestamp,
    #[schema(value_type = schema::Moment)]
    last_observed_at: Timestamp,
    last_import_id: Option<Uuid>,
    adapter_digest: Option<&'a str>,
}

impl Serialize for InventoryItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        View {
            id: self.id,
            workspace_id: self.workspace_id,
            environment_id: self.environment_id,
            provider_key: &self.identity.provider_key,
            provider_connection_id: self.provider_connection_id,
            canonical_subject_key: self.canonical_subject_key.as_str(),
            subject_domain: &self.subject_domain,
            subject_class: self.subject_class.as_str(),
            subject_type_key: &self.subject_type_key,
            support_level: self.support_level.as_str(),
            identity: &self.identity,
            display_label: self.display_label.as_ref(),
            descriptor_digest: &self.descriptor_digest,
            observation_status: self.observation_status.as_str(),
            first_observed_at: self.first_observed_at,
            last_observed_at: self.last_observed_at,
            last_import_id: self.last_import_id,
            adapter_digest: self.adapter_digest.as_deref(),
        }
        .serialize(serializer)
    }
}

/// Which items of an environment to list. Every member given narrows.
#[derive(Clone, Debug, Default)]
pub struct InventoryFilter {
    /// One provider.
    pub provider_key: Option<String>,
    /// One class of subject.
    pub subject_class: Option<SubjectClass>,
    /// One domain.
    pub subject_domain: Option<String>,
    /// One type of subject.
    pub subject_type_key: Option<String>,
    /// One subject.
    pub canonical_subject_key: Option<String>,
    /// Seen or not seen when last looked for.
    pub observation_status: Option<ObservationStatus>,
}

/// Why an object of an import is not in the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportRefusal {
    /// Which object, counted from 0 over the whole import by whoever reads it.
    pub position: u64,
    /// The object that already said something else under the same key, for `duplicate-key` only.
    pub first_position: Option<u64>,
    /// The stable code: one of the component's or `duplicate-key`.
    pub code: String,
    /// The bare name of the member it was broken in.
    pub field: String,
    /// For people.
    pub message: String,
}

impl ImportRefusal {
    /// A refusal by an adapter or the identity component.
    pub fn new(position: u64, code: ErrorCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            position,
            first_position: None,
            code: code.as_str().to_owned(),
            field: field.into(),
            message: message.into(),
        }
    }
}

/// One object of an import: a description of it, or why there is none.
pub type ImportItem = Result<(u64, ProviderResourceDescriptor), ImportRefusal>;

/// What became of the objects of an import, or of a piece of one. The four add up to the number of objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportCounts {
    /// Not known before.
    pub added: u64,
    /// Known, with another digest, fingerprint or label.
    pub changed: u64,
    /// Known as it is.
    pub unchanged: u64,
    /// Not taken.
    pub refused: u64,
}

impl ImportCounts {
    /// How many objects these are.
    #[must_use]
    pub fn total(self) -> u64 {
        self.added.saturating_add(self.changed).saturating_add(self.unchanged).saturating_add(self.refused)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.added = self.added.saturating_add(other.added);
        self.changed = self.changed.saturating_add(other.changed);
        self.unchanged = self.unchanged.saturating_add(other.unchanged);
        self.refused = self.refused.saturating_add(other.refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_kept_within_512_bytes_and_without_nul() {
        let kept = |text: &str| Label::kept(text).map(|label| label.as_str().to_owned());
        assert_eq!(kept(""), None);
        assert_eq!(kept("a\0b").as_deref(), Some("a\u{FFFD}b"));
        assert_eq!(kept(&"x".repeat(512)), Some("x".repeat(512)));
        assert_eq!(kept(&"x".repeat(513)), Some("x".repeat(509) + "…"));
        assert_eq!(kept(&"ö".repeat(400)), Some("ö".repeat(254) + "…"));
        assert_eq!(format!("{:?}", Label::kept("canary")), "Some(Label(…))");
    }
}
