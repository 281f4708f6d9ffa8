//! Bindings: what was decided about a subject.
//!
//! A binding says that in one environment a subject is a resource, or is excluded, accepted, unsupported or
//! missing (P381-38..53). Shapes only; the rules of a decision live in the identity component and, once more,
//! in the database. Next: [`crate::service`] for what can be done, [`crate::audit`] for what is told of it.

mod request;

use std::fmt;

use provident_identity::{
    ActorKind, BindingStatus, CanonicalSubjectKey, IdentityError, ProviderResourceDescriptor, ResolutionMode,
    SubjectClass,
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

pub use request::{BulkItem, CreateRequest, RevokeRequest, SupersedeRequest};

use crate::clock::Timestamp;
use crate::idempotency::IdempotencyKey;
use crate::schema;

/// Words that stay in the row they were written into: shown to those who may see the binding, and printed,
/// logged, audited nowhere.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Note(String);

/// What stands in a row where a note was. No note is this text, because notes do not end in white space.
pub const REDACTED_NOTE: &str = "[redacted]\n";

impl Note {
    /// Words as typed or as stored.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the words were taken away since.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.0 == REDACTED_NOTE
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "leaking")]
        if crate::leak::lets_out(crate::leak::Way::Debug) {
            return f.write_str(&self.0);
        }
        f.write_str("Note(…)")
    }
}

/// What a subject was called before it had a canonical key. Opaque and stored byte for byte; it may be made
/// of a display name, so it is printed and audited nowhere.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LegacySubjectKey(String);

impl LegacySubjectKey {
    /// Most bytes one may have.
    pub const MAX_BYTES: usize = 2_048;

    /// Any text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LegacySubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacySubjectKey(…)")
    }
}

/// Where a decision came from. Stored and audited, never followed (P381-51, -76, -77).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sources {
    /// An operation run of the same environment.
    #[serde(rename = "source_operation_run_id")]
    pub operation_run_id: Option<Uuid>,
    /// A snapshot of a profile assigned to the environment.
    #[serde(rename = "source_baseline_snapshot_id")]
    pub baseline_snapshot_id: Option<Uuid>,
    /// An inventory item of the same environment.
    #[serde(rename = "source_inventory_item_id")]
    pub inventory_item_id: Option<Uuid>,
    /// A policy version of the same environment.
    #[serde(rename = "source_policy_version_id")]
    pub policy_version_id: Option<Uuid>,
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decider {
    /// A person.
    Operator(Uuid),
    /// The platform itself.
    System,
}

impl Decider {
    /// Which of the two.
    #[must_use]
    pub fn kind(self) -> ActorKind {
        match self {
            Self::Operator(_) => ActorKind::Operator,
            Self::System => ActorKind::System,
        }
    }

    /// The person, if it was one.
    #[must_use]
    pub fn user_id(self) -> Option<Uuid> {
        match self {
            Self::Operator(user_id) => Some(user_id),
            Self::System => None,
        }
    }
}

/// The resource a subject was resolved to.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BoundResource {
    /// Its canonical key.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub key: CanonicalSubjectKey,
    /// The provider's type of it.
    pub resource_type: String,
    /// The provider's id.
    pub provider_resource_id: Option<String>,
    /// An id from elsewhere.
    pub external_id: Option<String>,
    /// A canonical discriminator.
    pub discriminator: Option<String>,
    /// A digest of its content when it was bound.
    pub fingerprint: Option<String>,
}

impl fmt::Debug for BoundResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundResource").field("key", &self.key.as_str()).finish_non_exhaustive()
    }
}

/// How a binding ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Replaced by a later one.
    Superseded {
        /// When; the later one's `decided_at`.
        at: Timestamp,
    },
    /// Withdrawn.
    Revoked {
        /// When.
        at: Timestamp,
        /// By whom.
        by_user_id: Uuid,
        /// Why.
        note: Note,
    },
}

/// A decision about one subject in one environment. Only its end is ever written later, once; and its notes may give
/// way to [`REDACTED_NOTE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its id.
    pub id: Uuid,
    /// The workspace, derived from the environment.
    pub workspace_id: Uuid,
    /// The environment.
    pub environment_id: Uuid,
    /// The provider of subject and resource.
    pub provider_key: String,
    /// The connection it was decided for, if for one.
    pub provider_connection_id: Option<Uuid>,
    /// The subject's governance domain.
    pub subject_domain: String,
    /// What kind of thing the subject is.
    pub subject_class: SubjectClass,
    /// The platform's type of the subject.
    pub subject_type_key: String,
    /// What the subject was called before.
    pub legacy_subject_key: Option<LegacySubjectKey>,
    /// The subject.
    pub canonical_subject_key: CanonicalSubjectKey,
    /// The version of the grammar the key was derived by.
    pub canonical_key_version: u32,
    /// The resource, where the mode has one.
    pub resource: Option<BoundResource>,
    /// How the subject was resolved.
    pub mode: ResolutionMode,
    /// A reason code.
    pub reason: Option<String>,
    /// The operator's words; none where the platform decided.
    pub note: Option<Note>,
    /// Who decided.
    pub decided_by: Decider,
    /// From when on it holds.
    pub decided_at: Timestamp,
    /// Its end; it is active as long as it has none.
    pub ending: Option<Ending>,
    /// The binding it replaced.
    pub supersedes_binding_id: Option<Uuid>,
    /// Where it came from.
    pub sources: Sources,
    /// When the row was written.
    pub created_at: Timestamp,
    /// When the row was last written.
    pub updated_at: Timestamp,
}

impl Binding {
    /// Its status, which is its end or that it has none.
    #[must_use]
    pub fn status(&self) -> BindingStatus {
        match self.ending {
            None => BindingStatus::Active,
            Some(Ending::Superseded { .. }) => BindingStatus::Superseded,
            Some(Ending::Revoked { .. }) => BindingStatus::Revoked,
        }
    }

    /// Its notes: the decision's, and its end's.
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        let ended = match &self.ending {
            Some(Ending::Revoked { note, .. }) => Some(note),
            Some(Ending::Superseded { .. }) | None => None,
        };
        self.note.iter().chain(ended)
    }

    /// The binding as it was when it was made. A note that was redacted since stays so.
    #[must_use]
    pub fn as_created(self) -> Self {
        Self { ending: None, updated_at: self.created_at, ..self }
    }

    /// When it ended.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.ending {
            None => None,
            Some(Ending::Superseded { at } | Ending::Revoked { at, .. }) => Some(at),
        }
    }

    /// Takes back an end that had not come at that moment; the row was then as it was first written.
    pub(crate) fn stand_as_of(&mut self, at: Timestamp) {
        if self.ended_at().is_some_and(|ended_at| ended_at > at) {
            self.ending = None;
            self.updated_at = self.created_at;
        }
    }
}

/// The JSON a binding is shown as: flat, every member always there. A note that was redacted is null, and
/// `note_redacted` says that one was.
#[derive(Serialize, ToSchema)]
#[schema(as = Binding)]
pub(crate) struct View<'a> {
    id: Uuid,
    workspace_id: Uuid,
    environment_id: Uuid,
    provider_key: &'a str,
    provider_connection_id: Option<Uuid>,
    subject_domain: &'a str,
    #[schema(value_type = schema::SubjectClassName)]
    subject_class: &'static str,
    subject_type_key: &'a str,
    #[schema(value_type = Option<String>)]
    legacy_subject_key: Option<&'a LegacySubjectKey>,
    canonical_subject_key: &'a str,
    canonical_key_version: u32,
    resource: Option<&'a BoundResource>,
    #[schema(value_type = schema::BindingStatusName)]
    binding_status: &'static str,
    #[schema(value_type = schema::ResolutionModeName)]
    resolution_mode: &'static str,
    resolution_reason: Option<&'a str>,
    #[schema(value_type = Option<String>)]
    operator_note: Option<&'a Note>,
    note_redacted: bool,
    #[schema(value_type = schema::ActorKindName)]
    decided_by_kind: &'static str,
    decided_by_user_id: Option<Uuid>,
    #[schema(value_type = schema::Moment)]
    decided_at: Timestamp,
    #[schema(value_type = Option<schema::Moment>)]
    ended_at: Option<Timestamp>,
    ended_by_user_id: Option<Uuid>,
    #[schema(value_type = Option<String>)]
    ended_note: Option<&'a Note>,
    supersedes_binding_id: Option<Uuid>,
    #[serde(flatten)]
    sources: Sources,
    #[schema(value_type = schema::Moment)]
    created_at: Timestamp,
    #[schema(value_type = schema::Moment)]
    updated_at: Timestamp,
}

impl Serialize for Binding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (ended_by_user_id, ended_note) = match &self.ending {
            Some(Ending::Revoked { by_user_id, note, .. }) => {
                (Some(*by_user_id), Some(note).filter(|note| !note.is_redacted()))
            }
            Some(Ending::Superseded { .. }) | None => (None, None),
        };
        View {
            id: self.id,
            workspace_id: self.workspace_id,
            environment_id: self.environment_id,
            provider_key: &self.provider_key,
            provider_connection_id: self.provider_connection_id,
            subject_domain: &self.subject_domain,
            subject_class: self.subject_class.as_str(),
            subject_type_key: &self.subject_type_key,
            legacy_subject_key: self.legacy_subject_key.as_ref(),
            canonical_subject_key: self.canonical_subject_key.as_str(),
            canonical_key_version: self.canonical_key_version,
            resource: self.resource.as_ref(),
            binding_status: self.status().as_str(),
            resolution_mode: self.mode.as_str(),
            resolution_reason: self.reason.as_deref(),
            operator_note: self.note.as_ref().filter(|note| !note.is_redacted()),
            note_redacted: self.notes().any(Note::is_redacted),
            decided_by_kind: self.decided_by.kind().as_str(),
            decided_by_user_id: self.decided_by.user_id(),
            decided_at: self.decided_at,
            ended_at: self.ended_at(),
            ended_by_user_id,
            ended_note,
            supersedes_binding_id: self.supersedes_binding_id,
            sources: self.sources,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
        .serialize(serializer)
    }
}

/// How a request names the subject of a decision.
#[derive(Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectRef {
    /// By canonical key. The request then has to name the domain.
    Key(String),
    /// By an inventory item of the environment.
    InventoryItem(Uuid),
    /// By description. Where the descriptor itself came from is not taken over: a decision's sources are named
    /// in the request.
    Descriptor(Box<ProviderResourceDescriptor>),
}

/// How a request names the resource of a decision.
#[derive(Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceRef {
    /// By canonical key.
    Key(String),
    /// By an inventory item of the environment.
    InventoryItem(Uuid),
    /// By description.
    Descriptor(Box<ProviderResourceDescriptor>),
}

impl fmt::Debug for SubjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.debug_tuple("Key").field(key).finish(),
            Self::InventoryItem(id) => f.debug_tuple("InventoryItem").field(id).finish(),
            Self::Descriptor(_) => f.write_str("Descriptor(…)"),
        }
    }
}

impl fmt::Debug for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.debug_tuple("Key").field(key).finish(),
            Self::InventoryItem(id) => f.debug_tuple("InventoryItem").field(id).finish(),
            Self::Descriptor(_) => f.write_str("Descriptor(…)"),
        }
    }
}

/// A first decision about a subject (P381-56..60). Of the modes, the five of operators are open to people.
#[derive(Clone, Debug, Serialize)]
pub struct CreateBinding {
    /// How the subject is resolved.
    pub mode: ResolutionMode,
    /// The subject.
    pub subject: SubjectRef,
    /// The subject's domain: needed with a bare key, otherwise known.
    pub subject_domain: Option<String>,
    /// The resource, where the mode has one.
    pub resource: Option<ResourceRef>,
    /// The connection it is decided for.
    pub provider_connection_id: Option<Uuid>,
    /// What the subject was called before.
    pub legacy_subject_key: Option<LegacySubjectKey>,
    /// The operator's words, as typed.
    pub note: Option<Note>,
    /// A reason code.
    pub reason: Option<String>,
    /// Where it comes from.
    pub sources: Sources,
    /// The caller's name for this request, if it may be repeated.
    #[serde(skip)]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Whether all is to be judged and nothing written: the answer says what would be.
    #[serde(skip)]
    pub dry_run: bool,
}

impl CreateBinding {
    /// A decision with nothing but a mode and a subject.
    #[must_use]
    pub fn new(mode: ResolutionMode, subject: SubjectRef) -> Self {
        Self {
            mode,
            subject,
            subject_domain: None,
            resource: None,
            provider_connection_id: None,
            legacy_subject_key: None,
            note: None,
            reason: None,
            sources: Sources::default(),
            idempotency_key: None,
            dry_run: false,
        }
    }
}

/// A decision in place of the active one (P381-61). What is not given is inherited, but for resource, note,
/// reason and sources, which are the new decision's own.
#[derive(Clone, Debug, Serialize)]
pub struct SupersedeBinding {
    /// How the subject is resolved from now on.
    pub mode: ResolutionMode,
    /// The subject, to be told if it is another one than expected.
    pub subject: Option<SubjectRef>,
    /// The subject's domain.
    pub subject_domain: Option<String>,
    /// The resource, where the mode has one.
    pub resource: Option<ResourceRef>,
    /// The connection it is decided for.
    pub provider_connection_id: Option<Uuid>,
    /// What the subject was called before.
    pub legacy_subject_key: Option<LegacySubjectKey>,
    /// The operator's words, as typed.
    pub note: Option<Note>,
    /// A reason code.
    pub reason: Option<String>,
    /// Where it comes from.
    pub sources: Sources,
    /// The caller's name for this request, if it may be repeated.
    #[serde(skip)]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Whether all is to be judged and nothing written: the answer says what would be.
    #[serde(skip)]
    pub dry_run: bool,
}

impl SupersedeBinding {
    /// A decision with nothing but a mode.
    #[must_use]
    pub fn new(mode: ResolutionMode) -> Self {
        Self {
            mode,
            subject: None,
            subject_domain: None,
            resource: None,
            provider_connection_id: None,
            legacy_subject_key: None,
            note: None,
            reason: None,
            sources: Sources::default(),
            idempotency_key: None,
            dry_run: false,
        }
    }
}

/// The end of the active decision (P381-62).
#[derive(Clone, Debug, Default, Serialize)]
pub struct RevokeBinding {
    /// The operator's words, as typed.
    pub note: Option<Note>,
    /// The caller's name for this request.
    #[serde(skip)]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Whether all is to be judged and nothing written: the answer says what would be.
    #[serde(skip)]
    pub dry_run: bool,
}

impl From<Option<&Note>> for RevokeBinding {
    fn from(note: Option<&Note>) -> Self {
        Self { note: note.cloned(), ..Self::default() }
    }
}

/// Which bindings of an environment to list. Every member given narrows.
#[derive(Clone, Debug, Default)]
pub struct BindingFilter {
    /// One provider.
    pub provider_key: Option<String>,
    /// One connection.
    pub provider_connection_id: Option<Uuid>,
    /// One subject.
    pub canonical_subject_key: Option<String>,
    /// One status.
    pub status: Option<BindingStatus>,
    /// One mode.
    pub mode: Option<ResolutionMode>,
    /// One class of subject.
    pub subject_class: Option<SubjectClass>,
    /// One domain.
    pub subject_domain: Option<String>,
    /// One former name, byte for byte.
    pub legacy_subject_key: Option<LegacySubjectKey>,
    /// One of each source.
    pub sources: Sources,
}

/// What is known of a key in an environment. Never a yes or no: what was accepted, unsupported or missing must
/// not look like a match (S380-20).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LookupAnswer {
    /// A decision holds.
    Active {
        /// It.
        #[schema(value_type = View)]
        binding: Box<Binding>,
    },
    /// Decisions were made, and none holds.
    Ended {
        /// How the last one ended.
        #[schema(value_type = schema::BindingStatusName)]
        status: BindingStatus,
        /// The last one.
        binding_id: Uuid,
    },
    /// No decision was ever made.
    None,
    /// Not a key.
    Refused {
        /// Why not.
        #[schema(value_type = schema::Refusal)]
        error: IdentityError,
    },
}

fn as_text<S: Serializer>(key: &CanonicalSubjectKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.as_str())
}
