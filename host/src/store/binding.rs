//! Bindings: written once, ended once.
//!
//! The partial unique index over active rows is the truth about "one active" (P381-54). First writers race on
//! it; whoever ends a row does so only as long as it is active. `'active'` is a literal in every statement, so
//! that plans can use that index.

use provident_identity::{BindingStatus, CanonicalSubjectKey, ResolutionMode, SubjectClass};
use uuid::Uuid;

use super::StoreError;
use super::binding_row::BindingRow;
use super::engine::{on, sql};
use super::environment::EnvironmentScope;
use super::tx::{ReadTx, WriteTx};
use crate::binding::{Binding, BindingFilter, BoundResource, Decider, Ending, LegacySubjectKey, Note, Sources};
use crate::clock::Timestamp;
use crate::page::{Page, PageRequest};

/// The version of the grammar every key of today is derived by.
pub(super) const KEY_VERSION: i32 = 1;

/// A decision about to be written.
#[derive(Debug)]
pub(crate) struct NewBinding {
    pub(crate) id: Uuid,
    pub(crate) provider_key: String,
    pub(crate) provider_connection_id: Option<Uuid>,
    pub(crate) subject_domain: String,
    pub(crate) subject_class: SubjectClass,
    pub(crate) subject_type_key: String,
    pub(crate) legacy_subject_key: Option<LegacySubjectKey>,
    pub(crate) canonical_subject_key: CanonicalSubjectKey,
    pub(crate) resource: Option<BoundResource>,
    pub(crate) mode: ResolutionMode,
    pub(crate) reason: Option<String>,
    pub(crate) note: Option<Note>,
    pub(crate) decided_by: Decider,
    pub(crate) decided_at: Timestamp,
    pub(crate) supersedes_binding_id: Option<Uuid>,
    pub(crate) sources: Sources,
}

/// The columns of a row, without a table's name, which RETURNING has no use for.
macro_rules! binding_columns {
    () => {
        "id, workspace_id, managed_environment_id, provider_key, provider_connection_id, \
         subject_domain, subject_class, subject_type_key, legacy_subject_key, canonical_subject_key, \
         canonical_key_version, resource_key, provider_resource_type, provider_resource_id, \
         provider_resource_external_id, provider_resource_discriminator, provider_resource_fingerprint, \
         binding_status, resolution_mode, resolution_reason, operator_note, decided_by_kind, \
         decided_by_user_id, decided_at, ended_at, ended_by_user_id, ended_note, \
         supersedes_binding_id, source_operation_run_id, source_baseline_snapshot_id, \
         source_inventory_item_id, source_policy_version_id, created_at, updated_at"
    };
}

pub(super) use binding_columns;

pub(super) fn bindings(rows: Vec<BindingRow>) -> Result<Vec<Binding>, StoreError> {
    rows.into_iter().map(Binding::try_from).collect()
}

impl ReadTx {
    /// A binding of a workspace by its id, wherever in it.
    pub(crate) async fn binding_by_id(&mut self, workspace_id: Uuid, id: Uuid) -> Result<Option<Binding>, StoreError> {
        let text = sql!(
            "binding_by_id",
            concat!(
                "SELECT ",
                binding_columns!(),
                " FROM provider_resource_bindings b WHERE b.workspace_id = $1 AND b.id = $2"
            )
        );
        let row: Option<BindingRow> =
            on!(self.tx, |conn| sqlx::query_as(text).bind(workspace_id).bind(id).fetch_optional(conn))?;
        row.map(Binding::try_from).transpose()
    }

    /// The decision that holds for a subject in an environment.
    pub(crate) async fn active_binding(
        &mut self,
        scope: &EnvironmentScope,
        provider_key: &str,
        key: &CanonicalSubjectKey,
    ) -> Result<Option<Binding>, StoreError> {
        let text = sql!(
            "active_binding",
            concat!(
                "SELECT ",
                binding_columns!(),
                " FROM provider_resource_bindings b \
                 WHERE b.workspace_id = $1 AND b.managed_environment_id = $2 AND b.provider_key = $3 \
                 AND b.canonical_subject_key = $4 AND b.binding_status = 'active'"
            )
        );
        let row: Option<BindingRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(provider_key)
            .bind(key.as_str())
            .fetch_optional(conn))?;
        row.map(Binding::try_from).transpose()
    }

    /// When the last decision about a subject that has ended did.
    pub(crate) async fn last_ended_at(
        &mut self,
        scope: &EnvironmentScope,
        key: &CanonicalSubjectKey,
    ) -> Result<Option<Timestamp>, StoreError> {
        let text = sql!(
            "last_ended_at",
            "SELECT ended_at FROM provider_resource_bindings \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND canonical_subject_key = $3 \
             AND binding_status <> 'active' ORDER BY decided_at DESC LIMIT 1"
        );
        let ended_at: Option<Option<Timestamp>> = on!(self.tx, |conn| sqlx::query_scalar(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(key.as_str())
            .fetch_optional(conn))?;
        Ok(ended_at.flatten())
    }

    /// The bindings of an environment that a filter lets through, newest first.
    pub(crate) async fn bindings(
        &mut self,
        scope: &EnvironmentScope,
        filter: &BindingFilter,
        page: PageRequest,
    ) -> Result<Page<Binding>, StoreError> {
        let text = sql!(
            "bindings",
            concat!(
                "SELECT ",
                binding_columns!(),
                " FROM provider_resource_bindings b \
                 WHERE b.workspace_id = $1 AND b.managed_environment_id = $2 AND ($3 IS NULL OR b.id < $3) \
                 AND ($4 IS NULL OR b.provider_key = $4) \
                 AND ($5 IS NULL OR b.provider_connection_id = $5) \
                 AND ($6 IS NULL OR b.canonical_subject_key = $6) \
                 AND ($7 IS NULL OR b.binding_status = $7) \
                 AND ($8 IS NULL OR b.resolution_mode = $8) \
                 AND ($9 IS NULL OR b.subject_class = $9) \
                 AND ($10 IS NULL OR b.subject_domain = $10) \
                 AND ($11 IS NULL OR b.legacy_subject_key = $11) \
                 AND ($12 IS NULL OR b.source_operation_run_id = $12) \
                 AND ($13 IS NULL OR b.source_baseline_snapshot_id = $13) \
                 AND ($14 IS NULL OR b.source_inventory_item_id = $14) \
                 AND ($15 IS NULL OR b.source_policy_version_id = $15) \
                 ORDER BY b.id DESC LIMIT $16"
            )
        );
        let rows: Vec<BindingRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(page.after())
            .bind(filter.provider_key.as_deref())
            .bind(filter.provider_connection_id)
            .bind(filter.canonical_subject_key.as_deref())
            .bind(filter.status.map(BindingStatus::as_str))
            .bind(filter.mode.map(ResolutionMode::as_str))
            .bind(filter.subject_class.map(SubjectClass::as_str))
            .bind(filter.subject_domain.as_deref())
            .bind(filter.legacy_subject_key.as_ref().map(LegacySubjectKey::as_str))
            .bind(filter.sources.operation_run_id)
            .bind(filter.sources.baseline_snapshot_id)
            .bind(filter.sources.inventory_item_id)
            .bind(filter.sources.policy_version_id)
            .bind(page.limit())
            .fetch_all(conn))?;
        Ok(page.page(bindings(rows)?, |binding| binding.id))
    }

    /// The decisions that hold in an environment and resolve a subject to this resource, newest first.
    pub(crate) async fn bindings_of_resource(
        &mut self,
        scope: &EnvironmentScope,
        resource_key: &CanonicalSubjectKey,
        page: PageRequest,
    ) -> Result<Page<Binding>, StoreError> {
        let text = sql!(
            "bindings_of_resource",
            concat!(
                "SELECT ",
                binding_columns!(),
                " FROM provider_resource_bindings b \
                 WHERE b.workspace_id = $1 AND b.managed_environment_id = $2 AND b.resource_key = $3 \
                 AND b.binding_status = 'active' AND ($4 IS NULL OR b.id < $4) \
                 ORDER BY b.id DESC LIMIT $5"
            )
        );
        let rows: Vec<BindingRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(resource_key.as_str())
            .bind(page.after())
            .bind(page.limit())
            .fetch_all(conn))?;
        Ok(page.page(bindings(rows)?, |binding| binding.id))
    }

    /// Every decision about a subject in an environment, newest first.
    pub(crate) async fn history(
        &mut self,
        scope: &EnvironmentScope,
        key: &CanonicalSubjectKey,
        page: PageRequest,
    ) -> Result<Page<Binding>, StoreError> {
        let text = sql!(
            "history",
            concat!(
                "SELECT ",
                binding_columns!(),
                " FROM provider_resource_bindings b \
                 WHERE b.workspace_id = $1 AND b.managed_environment_id = $2 AND b.canonical_subject_key = $3 \
                 AND ($4 IS NULL OR (b.decided_at, b.id) < ( \
                     SELECT c.decided_at, c.id FROM provider_resource_bindings c \
                     WHERE c.workspace_id = $1 AND c.managed_environment_id = $2 AND c.id = $4)) \
                 ORDER BY b.decided_at DESC, b.id DESC LIMIT $5"
            )
        );
        let rows: Vec<BindingRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(key.as_str())
            .bind(page.after())
            .bind(page.limit())
            .fetch_all(conn))?;
        Ok(page.page(bindings(rows)?, |binding| binding.id))
    }
}

impl WriteTx {
    /// Writes a decision, or nothing if its subject has one that holds.
    pub(crate) async fn insert_binding(
        &mut self,
        scope: &EnvironmentScope,
        new: &NewBinding,
    ) -> Result<Option<Binding>, StoreError> {
        let text = sql!(
            "insert_binding",
            concat!(
                "INSERT INTO provider_resource_bindings ( \
                     workspace_id, id, managed_environment_id, provider_key, provider_connection_id, \
                     subject_domain, subject_class, subject_type_key, legacy_subject_key, \
                     canonical_subject_key, canonical_key_version, resource_key, provider_resource_type, \
                     provider_resource_id, provider_resource_external_id, provider_resource_discriminator, \
                     provider_resource_fingerprint, binding_status, resolution_mode, resolution_reason, \
                     operator_note, decided_by_kind, decided_by_user_id, decided_at, supersedes_binding_id, \
                     source_operation_run_id, source_baseline_snapshot_id, source_inventory_item_id, \
                     source_policy_version_id, created_at, updated_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 'active', \
                     $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $29) \
                 ON CONFLICT (workspace_id, managed_environment_id, provider_key, canonical_subject_key) \
                     WHERE binding_status = 'active' DO NOTHING \
                 RETURNING ",
                binding_columns!()
            )
        );
        let (now, resource) = (self.now, new.resource.as_ref());
        let row: Option<BindingRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(new.id)
            .bind(scope.environment_id())
            .bind(new.provider_key.as_str())
            .bind(new.provider_connection_id)
            .bind(new.subject_domain.as_str())
            .bind(new.subject_class.as_str())
            .bind(new.subject_type_key.as_str())
            .bind(new.legacy_subject_key.as_ref().map(LegacySubjectKey::as_str))
            .bind(new.canonical_subject_key.as_str())
            .bind(KEY_VERSION)
            .bind(resource.map(|resource| resource.key.as_str()))
            .bind(resource.map(|resource| resource.resource_type.as_str()))
            .bind(resource.and_then(|resource| resource.provider_resource_id.as_deref()))
            .bind(resource.and_then(|resource| resource.external_id.as_deref()))
            .bind(resource.and_then(|resource| resource.discriminator.as_deref()))
            .bind(resource.and_then(|resource| resource.fingerprint.as_deref()))
            .bind(new.mode.as_str())
            .bind(new.reason.as_deref())
            .bind(new.note.as_ref().map(Note::as_str))
            .bind(new.decided_by.kind().as_str())
            .bind(new.decided_by.user_id())
            .bind(new.decided_at)
            .bind(new.supersedes_binding_id)
            .bind(new.sources.operation_run_id)
            .bind(new.sources.baseline_snapshot_id)
            .bind(new.sources.inventory_item_id)
            .bind(new.sources.policy_version_id)
            .bind(now)
            .fetch_optional(conn))?;
        row.map(Binding::try_from).transpose()
    }

    /// Ends a binding, if it still is active; gives it back as it is since.
    pub(crate) async fn end_binding(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        ending: &Ending,
    ) -> Result<Option<Binding>, StoreError> {
        let text = sql!(
            "end_binding",
            concat!(
                "UPDATE provider_resource_bindings SET binding_status = $4, ended_at = $5, \
                 ended_by_user_id = $6, ended_note = $7, updated_at = $8 \
                 WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3 \
                 AND binding_status = 'active' RETURNING ",
                binding_columns!()
            )
        );
        let (status, at, by_user_id, note) = match ending {
            Ending::Superseded { at } => (BindingStatus::Superseded, *at, None, None),
            Ending::Revoked { at, by_user_id, note } => {
                (BindingStatus::Revoked, *at, Some(*by_user_id), Some(note.as_str()))
            }
        };
        let now = self.now;
        let row: Option<BindingRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(id)
            .bind(status.as_str())
            .bind(at)
            .bind(by_user_id)
            .bind(note)
            .bind(now)
            .fetch_optional(conn))?;
        row.map(Binding::try_from).transpose()
    }
}
