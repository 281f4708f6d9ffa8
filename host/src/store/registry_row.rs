//! Writing rows that a platform mirrors. Whoever calls holds [`WriteTx::lock_workspace`] and has looked before: a row
//! that is there after all, or no longer as it was, was written by somebody who does not wait there, and everything is
//! judged again.

use uuid::Uuid;

use super::StoreError;
use super::engine::{on, run, sql};
use super::environment::EnvironmentScope;
use super::tx::WriteTx;
use crate::policy::Role;
use crate::registry::{ConnectionRecord, ExternalRef, RunCode, RunOutcome, RunRecord, ShortText};
use crate::workspace::DisplayName;

/// One row was written, or the transaction is begun again.
pub(super) fn once(rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::Busy) }
}

impl WriteTx {
    /// A new environment.
    pub(crate) async fn insert_mirrored_environment(
        &mut self,
        workspace_id: Uuid,
        id: Uuid,
        external_ref: &ExternalRef,
        display_name: &DisplayName,
    ) -> Result<EnvironmentScope, StoreError> {
        let text = sql!(
            "insert_mirrored_environment",
            "INSERT INTO managed_environments \
             (workspace_id, id, display_name, origin, external_ref, created_at, updated_at) \
             VALUES ($1, $2, $3, 'mirrored', $4, $5, $5) ON CONFLICT DO NOTHING RETURNING id"
        );
        let now = self.now;
        let id: Option<Uuid> = on!(self.read.tx, |conn| sqlx::query_scalar(text)
            .bind(workspace_id)
            .bind(id)
            .bind(display_name.as_str())
            .bind(external_ref.as_str())
            .bind(now)
            .fetch_optional(conn))?;
        id.map(|id| EnvironmentScope::of_row(workspace_id, id)).ok_or(StoreError::Busy)
    }

    /// What an environment is called.
    pub(crate) async fn update_mirrored_environment(
        &mut self,
        scope: &EnvironmentScope,
        display_name: &DisplayName,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_mirrored_environment",
            "UPDATE managed_environments SET display_name = $3, updated_at = $4 \
             WHERE workspace_id = $1 AND id = $2 AND origin = 'mirrored'"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(display_name.as_str())
                .bind(now)
        )?)
    }

    /// A new membership, ended already if `ended`.
    pub(crate) async fn insert_mirrored_membership(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
        external_ref: &ExternalRef,
        role: Role,
        ended: bool,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "insert_mirrored_membership",
            "INSERT INTO workspace_memberships \
             (workspace_id, user_id, role, origin, external_ref, created_at, updated_at, ended_at) \
             VALUES ($1, $2, $3, 'mirrored', $4, $5, $5, $6) ON CONFLICT DO NOTHING"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(workspace_id)
                .bind(user_id)
                .bind(role.as_str())
                .bind(external_ref.as_str())
                .bind(now)
                .bind(ended.then_some(now))
        )?)
    }

    /// The role of a member, who is one again if they were none any longer.
    pub(crate) async fn update_mirrored_membership(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
        role: Role,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_mirrored_membership",
            "UPDATE workspace_memberships SET role = $3, updated_at = $4, ended_at = NULL \
             WHERE workspace_id = $1 AND user_id = $2 AND origin = 'mirrored'"
        );
        let now = self.now;
        once(run!(self.read.tx, sqlx::query(text).bind(workspace_id).bind(user_id).bind(role.as_str()).bind(now))?)
    }

    /// A new entitlement, ended already if `ended`.
    pub(crate) async fn insert_mirrored_entitlement(
        &mut self,
        scope: &EnvironmentScope,
        user_id: Uuid,
        external_ref: &ExternalRef,
        ended: bool,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "insert_mirrored_entitlement",
            "INSERT INTO environment_entitlements \
             (workspace_id, managed_environment_id, user_id, origin, external_ref, created_at, updated_at, ended_at) \
             VALUES ($1, $2, $3, 'mirrored', $4, $5, $5, $6) ON CONFLICT DO NOTHING"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(user_id)
                .bind(external_ref.as_str())
                .bind(now)
                .bind(ended.then_some(now))
        )?)
    }

    /// A provider of an environment, its directory known or not.
    pub(crate) async fn insert_directory(
        &mut self,
        scope: &EnvironmentScope,
        provider_key: &str,
        directory_id: Option<&ShortText>,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "insert_directory",
            "INSERT INTO environment_directories \
             (workspace_id, managed_environment_id, provider_key, directory_id, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(provider_key)
                .bind(directory_id.map(ShortText::as_str))
                .bind(now)
        )?)
    }

    /// The directory of a provider whose directory was not known.
    pub(crate) async fn update_directory(
        &mut self,
        scope: &EnvironmentScope,
        provider_key: &str,
        directory_id: &ShortText,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_directory",
            "UPDATE environment_directories SET directory_id = $4, updated_at = $5 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND provider_key = $3 AND directory_id IS NULL"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(provider_key)
                .bind(directory_id.as_str())
                .bind(now)
        )?)
    }

    /// Makes room for another default connection.
    pub(crate) async fn clear_mirrored_default(
        &mut self,
        scope: &EnvironmentScope,
        connection_id: Uuid,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "clear_mirrored_default",
            "UPDATE provider_connections SET is_default = false, updated_at = $4 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3 AND is_default \
             AND origin = 'mirrored'"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text).bind(scope.workspace_id()).bind(scope.environment_id()).bind(connection_id).bind(now)
        )?)
    }

    /// A new connection. Its health is not the platform's to say.
    pub(crate) async fn insert_mirrored_connection(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        external_ref: &ExternalRef,
        connection: &ConnectionRecord,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "insert_mirrored_connection",
            "INSERT INTO provider_connections ( \
                 workspace_id, id, managed_environment_id, provider_key, directory_id, display_name, status, \
                 is_default, health_status, origin, external_ref, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'unknown', 'mirrored', $9, $10, $10) ON CONFLICT DO NOTHING"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(id)
                .bind(scope.environment_id())
                .bind(connection.provider_key.as_str())
                .bind(connection.directory_id.as_ref().map(ShortText::as_str))
                .bind(connection.display_name.as_str())
                .bind(connection.status.as_str())
                .bind(connection.is_default)
                .bind(external_ref.as_str())
                .bind(now)
        )?)
    }

    /// What else a connection is. A directory that is not said stays.
    pub(crate) async fn update_mirrored_connection(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        connection: &ConnectionRecord,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_mirrored_connection",
            "UPDATE provider_connections SET directory_id = coalesce($4, directory_id), display_name = $5, \
             status = $6, is_default = $7, updated_at = $8 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3 AND origin = 'mirrored'"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(id)
                .bind(connection.directory_id.as_ref().map(ShortText::as_str))
                .bind(connection.display_name.as_str())
                .bind(connection.status.as_str())
                .bind(connection.is_default)
                .bind(now)
        )?)
    }

    /// A new run, through a connection of a provider if it has one.
    pub(crate) async fn insert_mirrored_run(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        external_ref: &ExternalRef,
        connection: Option<(Uuid, &str)>,
        record: &RunRecord,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "insert_mirrored_run",
            "INSERT INTO operation_runs ( \
                 workspace_id, id, managed_environment_id, operation_type, provider_key, provider_connection_id, \
                 status, outcome, reason_code, origin, external_ref, created_at, started_at, ended_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'mirrored', $10, $11, $12, $13, $11) \
             ON CONFLICT DO NOTHING"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(id)
                .bind(scope.environment_id())
                .bind(record.operation_type.as_str())
                .bind(connection.map(|(_, provider_key)| provider_key))
                .bind(connection.map(|(id, _)| id))
                .bind(record.status.as_str())
                .bind(record.outcome.map(RunOutcome::as_str))
                .bind(record.reason_code.as_ref().map(RunCode::as_str))
                .bind(external_ref.as_str())
                .bind(now)
                .bind(record.started_at)
                .bind(record.ended_at)
        )?)
    }

    /// How far a run is.
    pub(crate) async fn update_mirrored_run(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        record: &RunRecord,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_mirrored_run",
            "UPDATE operation_runs SET status = $4, outcome = $5, reason_code = $6, started_at = $7, \
             ended_at = $8, updated_at = $9 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3 AND origin = 'mirrored'"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(id)
                .bind(record.status.as_str())
                .bind(record.outcome.map(RunOutcome::as_str))
                .bind(record.reason_code.as_ref().map(RunCode::as_str))
                .bind(record.started_at)
                .bind(record.ended_at)
                .bind(now)
        )?)
    }
}
