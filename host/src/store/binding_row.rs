//! A binding's row, and how it becomes a binding again: every text is checked when it is read.

use provident_identity::{ActorKind, BindingStatus, CanonicalSubjectKey};
use sqlx::FromRow;
use uuid::Uuid;

use super::StoreError;
use crate::binding::{Binding, BoundResource, Decider, Ending, LegacySubjectKey, Note, Sources};
use crate::clock::Timestamp;

#[derive(FromRow)]
pub(super) struct BindingRow {
    id: Uuid,
    workspace_id: Uuid,
    managed_environment_id: Uuid,
    provider_key: String,
    provider_connection_id: Option<Uuid>,
    subject_domain: String,
    subject_class: String,
    subject_type_key: String,
    legacy_subject_key: Option<String>,
    canonical_subject_key: String,
    canonical_key_version: i32,
    resource_key: Option<String>,
    provider_resource_type: Option<String>,
    provider_resource_id: Option<String>,
    provider_resource_external_id: Option<String>,
    provider_resource_discriminator: Option<String>,
    provider_resource_fingerprint: Option<String>,
    binding_status: String,
    resolution_mode: String,
    resolution_reason: Option<String>,
    operator_note: Option<String>,
    decided_by_kind: String,
    decided_by_user_id: Option<Uuid>,
    decided_at: Timestamp,
    ended_at: Option<Timestamp>,
    ended_by_user_id: Option<Uuid>,
    ended_note: Option<String>,
    supersedes_binding_id: Option<Uuid>,
    source_operation_run_id: Option<Uuid>,
    source_baseline_snapshot_id: Option<Uuid>,
    source_inventory_item_id: Option<Uuid>,
    source_policy_version_id: Option<Uuid>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl BindingRow {
    fn decider(&self) -> Result<Decider, StoreError> {
        match (self.decided_by_kind.parse(), self.decided_by_user_id) {
            (Ok(ActorKind::Operator), Some(user_id)) => Ok(Decider::Operator(user_id)),
            (Ok(ActorKind::System), None) => Ok(Decider::System),
            _ => Err(StoreError::Corrupt("decider")),
        }
    }

    fn ending(&mut self) -> Result<Option<Ending>, StoreError> {
        let status = self.binding_status.parse().map_err(|_| StoreError::Corrupt("binding status"))?;
        match (status, self.ended_at, self.ended_by_user_id, self.ended_note.take()) {
            (BindingStatus::Active, None, None, None) => Ok(None),
            (BindingStatus::Superseded, Some(at), None, None) => Ok(Some(Ending::Superseded { at })),
            (BindingStatus::Revoked, Some(at), Some(by_user_id), Some(note)) => {
                let note = Note::new(note);
                Ok(Some(Ending::Revoked { at, by_user_id, note }))
            }
            _ => Err(StoreError::Corrupt("end of a binding")),
        }
    }

    fn resource(&mut self) -> Result<Option<BoundResource>, StoreError> {
        let Some(key) = self.resource_key.take() else {
            return Ok(None);
        };
        Ok(Some(BoundResource {
            key: CanonicalSubjectKey::from_stored(key),
            resource_type: self.provider_resource_type.take().ok_or(StoreError::Corrupt("resource"))?,
            provider_resource_id: self.provider_resource_id.take(),
            external_id: self.provider_resource_external_id.take(),
            discriminator: self.provider_resource_discriminator.take(),
            fingerprint: self.provider_resource_fingerprint.take(),
        }))
    }
}

impl TryFrom<BindingRow> for Binding {
    type Error = StoreError;

    fn try_from(mut row: BindingRow) -> Result<Self, StoreError> {
        Ok(Self {
            decided_by: row.decider()?,
            ending: row.ending()?,
            resource: row.resource()?,
            id: row.id,
            workspace_id: row.workspace_id,
            environment_id: row.managed_environment_id,
            provider_key: row.provider_key,
            provider_connection_id: row.provider_connection_id,
            subject_domain: row.subject_domain,
            subject_class: row.subject_class.parse().map_err(|_| StoreError::Corrupt("subject class"))?,
            subject_type_key: row.subject_type_key,
            legacy_subject_key: row.legacy_subject_key.map(LegacySubjectKey::new),
            canonical_subject_key: CanonicalSubjectKey::from_stored(row.canonical_subject_key),
            canonical_key_version: u32::try_from(row.canonical_key_version)
                .map_err(|_| StoreError::Corrupt("key version"))?,
            mode: row.resolution_mode.parse().map_err(|_| StoreError::Corrupt("resolution mode"))?,
            reason: row.resolution_reason,
            note: row.operator_note.map(Note::new),
            decided_at: row.decided_at,
            supersedes_binding_id: row.supersedes_binding_id,
            sources: Sources {
                operation_run_id: row.source_operation_run_id,
                baseline_snapshot_id: row.source_baseline_snapshot_id,
                inventory_item_id: row.source_inventory_item_id,
                policy_version_id: row.source_policy_version_id,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
