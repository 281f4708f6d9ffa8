//! An event as it is kept, its place in a chain, and its line in an export.
//!
//! What a hash was made of, the row's `format` says: the tag, and the list of members. Events are written in
//! [`CHAIN_FORMAT`] and verified each in its own. A member more, or one that is written otherwise, is another
//! format with another tag; the events there are keep theirs. The number itself is no member: the tag in the
//! hash says the same, so that a changed number does not verify. How events come to be is told in `audit.rs`, how a
//! chain is verified in `verify.rs`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::canonical;
use crate::clock::Timestamp;
use crate::schema;

/// The format events are written in. Format 1: the tag `provident-audit-1` and the members of [`AuditEvent`], nulls kept.
pub const CHAIN_FORMAT: i32 = 1;

/// What the hash of an event of [`CHAIN_FORMAT`] begins with.
const CHAIN_TAG: &str = "provident-audit-1";

/// What the hash of an event of a format begins with; nothing for a format nobody knows.
pub(super) fn tag_of(format: i32) -> Option<&'static str> {
    (format == CHAIN_FORMAT).then_some(CHAIN_TAG)
}

/// The hash before the first event.
pub const GENESIS_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An event as it is kept: the allow-list. Members are declared in the order RFC 8785 writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditEvent {
    /// What was done, or `<noun>.denied`.
    pub action: String,
    /// `operator` or `system`.
    pub actor_kind: String,
    /// The token they acted by, where they did by one.
    pub actor_token_id: Option<Uuid>,
    /// The person who acted, as claimed.
    pub actor_user_id: Option<Uuid>,
    /// Of an import or a sync: objects not known before.
    pub added_count: Option<i64>,
    /// What was denied.
    pub attempted_action: Option<String>,
    /// The subject of a decision.
    pub canonical_subject_key: Option<String>,
    /// Of an import or a sync: objects known otherwise.
    pub changed_count: Option<i64>,
    /// `not-found` or `forbidden`.
    pub denial: Option<String>,
    /// The event's id.
    pub event_id: Uuid,
    /// The import or sync an event is a piece of.
    pub import_id: Option<Uuid>,
    /// The version of the master key an event is about.
    pub key_version: Option<i32>,
    /// `tenant` or `system`.
    pub kind: String,
    /// The environment it happened in. None for a denial that must not tell whether there is one.
    pub managed_environment_id: Option<Uuid>,
    /// The binding that was made.
    pub new_binding_id: Option<Uuid>,
    /// Its status.
    pub new_binding_status: Option<String>,
    /// Its mode.
    pub new_resolution_mode: Option<String>,
    /// HMAC-SHA256 of the note under the workspace's note key, lower-case hex.
    pub note_hmac: Option<String>,
    /// Which of the workspace's note keys.
    pub note_key_version: Option<i32>,
    /// The note's length in Unicode scalar values.
    pub note_length: Option<i32>,
    /// Its place in the workspace's chain, from 1.
    pub number: i64,
    /// When.
    #[schema(value_type = schema::Moment)]
    pub occurred_at: Timestamp,
    /// The binding that ended, or that was made before and lost its notes.
    pub old_binding_id: Option<Uuid>,
    /// Its status since.
    pub old_binding_status: Option<String>,
    /// Its mode.
    pub old_resolution_mode: Option<String>,
    /// The role before, of a change of role.
    pub old_role: Option<String>,
    /// The type of the run an event is about.
    pub operation_type: Option<String>,
    /// The connection of a decision, or the one an event is about.
    pub provider_connection_id: Option<Uuid>,
    /// The provider of a decision, or of that connection.
    pub provider_key: Option<String>,
    /// Of an import or a sync: objects not taken.
    pub refused_count: Option<i64>,
    /// The request it belongs to.
    pub request_id: Option<String>,
    /// The reason code of a decision.
    pub resolution_reason: Option<String>,
    /// The role given, of events about members.
    pub role: Option<String>,
    /// How that run ended.
    pub run_outcome: Option<String>,
    /// Why it did not do all it was to do.
    pub run_reason_code: Option<String>,
    /// A decision's source.
    pub source_baseline_snapshot_id: Option<Uuid>,
    /// A decision's source.
    pub source_inventory_item_id: Option<Uuid>,
    /// A decision's source.
    pub source_operation_run_id: Option<Uuid>,
    /// A decision's source.
    pub source_policy_version_id: Option<Uuid>,
    /// The class of a decision's subject.
    pub subject_class: Option<String>,
    /// The domain of a decision's subject.
    pub subject_domain: Option<String>,
    /// The type of a decision's subject.
    pub subject_type_key: Option<String>,
    /// The person, environment, connection or token an event is about, where it is not about a decision. Of a run that
    /// ended, whoever started it.
    pub target_id: Option<Uuid>,
    /// Of an import or a sync: objects known as they are.
    pub unchanged_count: Option<i64>,
    /// Whose chain it hangs in.
    pub workspace_id: Uuid,
}

impl AuditEvent {
    /// The event as RFC 8785 JSON, nulls kept.
    ///
    /// # Errors
    /// Never for an event; the signature is that of the serialiser.
    pub fn canonical_json(&self) -> Result<String, serde_json::Error> {
        let mut json = Vec::new();
        canonical::write(self, &mut json)?;
        String::from_utf8(json).map_err(serde::ser::Error::custom)
    }
}

/// The hash of an event, in lower-case hex: SHA-256 over the tag, LF, the hash before, LF, the event's JSON.
#[must_use]
pub fn chain_hash(previous_hash: &str, canonical_json: &str) -> String {
    let digest = Sha256::new()
        .chain_update(CHAIN_TAG)
        .chain_update("\n")
        .chain_update(previous_hash)
        .chain_update("\n")
        .chain_update(canonical_json)
        .finalize();
    hex::encode(digest)
}

/// An event with its place in the chain, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChainedEvent {
    /// What happened.
    #[serde(flatten)]
    pub event: AuditEvent,
    /// What the hash was made of; see the module.
    pub format: i32,
    /// The hash of the event before it.
    pub previous_hash: String,
    /// Its own hash.
    pub hash: String,
}

/// A text that is not an event with its place, as an export has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event as an export writes it")]
pub struct NotAnEvent;

#[derive(Deserialize)]
struct Line {
    #[serde(flatten)]
    event: AuditEvent,
    format: i32,
    previous_hash: String,
    hash: String,
}

impl ChainedEvent {
    /// The line an export has for it, without its end.
    ///
    /// # Errors
    /// Never for an event; the signature is that of the serialiser.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// Reads a line of an export, byte for byte as it was written: a member more, less, twice, renamed, reordered or spelled
/// otherwise is refused, so that nothing in a line goes unseen.
impl FromStr for ChainedEvent {
    type Err = NotAnEvent;

    fn from_str(text: &str) -> Result<Self, NotAnEvent> {
        let Line { event, format, previous_hash, hash } = serde_json::from_str(text).map_err(|_| NotAnEvent)?;
        let read = Self { event, format, previous_hash, hash };
        if read.to_line().is_ok_and(|line| line == text) { Ok(read) } else { Err(NotAnEvent) }
    }
}
