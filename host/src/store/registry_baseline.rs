//! Writing baselines and policy versions that a platform mirrors: as `registry_row.rs`.

use uuid::Uuid;

use super::StoreError;
use super::engine::{run, sql};
use super::environment::EnvironmentScope;
use super::registry_row::once;
use super::tx::WriteTx;
use crate::registry::{ExternalRef, ShortText, Version};
use crate::workspace::DisplayName;

impl WriteTx {
    /// A new baseline.
    pub(crate) async fn insert_mirrored_profile(
        &mut self,
        workspace_id: Uuid,
        id: Uuid,
        external_ref: &ExternalRef,
        display_name: &DisplayName,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "insert_mirrored_profile",
            "INSERT INTO baseline_profiles \
             (workspace_id, id, display_name, origin, external_ref, created_at, updated_at) \
             VALUES ($1, $2, $3, 'mirrored', $4, $5, $5) ON CONFLICT DO NOTHING"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(workspace_id)
                .bind(id)
                .bind(display_name.as_str())
                .bind(external_ref.as_str())
                .bind(now)
        )?)
    }

    /// What a baseline is called.
    pub(crate) async fn update_mirrored_profile(
        &mut self,
        workspace_id: Uuid,
        id: Uuid,
        display_name: &DisplayName,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_mirrored_profile",
            "UPDATE baseline_profiles SET display_name = $3, updated_at = $4 \
             WHERE workspace_id = $1 AND id = $2 AND origin = 'mirrored'"
        );
        let now = self.now;
        once(run!(self.read.tx, sqlx::query(text).bind(workspace_id).bind(id).bind(display_name.as_str()).bind(now))?)
    }

    /// A new snapshot of a baseline.
    pub(crate) async fn insert_mirrored_snapshot(
        &mut self,
        workspace_id: Uuid,
        id: Uuid,
        external_ref: &ExternalRef,
        profile_id: Uuid,
        version: &Version,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "insert_mirrored_snapshot",
            "INSERT INTO baseline_snapshots \
             (workspace_id, id, baseline_profile_id, version_label, captured_at, origin, external_ref, created_at, \
              updated_at) \
             VALUES ($1, $2, $3, $4, $5, 'mirrored', $6, $7, $7) ON CONFLICT DO NOTHING"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(workspace_id)
                .bind(id)
                .bind(profile_id)
                .bind(version.label.as_ref().map(ShortText::as_str))
                .bind(version.captured_at)
                .bind(external_ref.as_str())
                .bind(now)
        )?)
    }

    /// Which state of its baseline a snapshot is.
    pub(crate) async fn update_mirrored_snapshot(
        &mut self,
        workspace_id: Uuid,
        id: Uuid,
        version: &Version,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_mirrored_snapshot",
            "UPDATE baseline_snapshots SET version_label = $3, captured_at = $4, updated_at = $5 \
             WHERE workspace_id = $1 AND id = $2 AND origin = 'mirrored'"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(workspace_id)
                .bind(id)
                .bind(version.label.as_ref().map(ShortText::as_str))
                .bind(version.captured_at)
                .bind(now)
        )?)
    }

    /// A new assignment of a baseline, ended already if `ended`.
    pub(crate) async fn insert_mirrored_assignment(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        external_ref: &ExternalRef,
        profile_id: Uuid,
        ended: bool,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "insert_mirrored_assignment",
            "INSERT INTO baseline_assignments \
             (workspace_id, id, managed_environment_id, baseline_profile_id, origin, external_ref, created_at, \
              updated_at, ended_at) \
             VALUES ($1, $2, $3, $4, 'mirrored', $5, $6, $6, $7) ON CONFLICT DO NOTHING"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(id)
                .bind(scope.environment_id())
                .bind(profile_id)
                .bind(external_ref.as_str())
                .bind(now)
                .bind(ended.then_some(now))
        )?)
    }

    /// Ends an assignment, or has it count again.
    pub(crate) async fn update_mirrored_assignment(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        ended: bool,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_mirrored_assignment",
            "UPDATE baseline_assignments SET ended_at = $4, updated_at = $5 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3 AND origin = 'mirrored'"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(id)
                .bind(ended.then_some(now))
                .bind(now)
        )?)
    }

    /// A new version of a policy.
    pub(crate) async fn insert_mirrored_policy_version(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        external_ref: &ExternalRef,
        item_id: Option<Uuid>,
        version: &Version,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "insert_mirrored_policy_version",
            "INSERT INTO policy_versions \
             (workspace_id, id, managed_environment_id, inventory_item_id, version_label, captured_at, origin, \
              external_ref, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, 'mirrored', $7, $8, $8) ON CONFLICT DO NOTHING"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(id)
                .bind(scope.environment_id())
                .bind(item_id)
                .bind(version.label.as_ref().map(ShortText::as_str))
                .bind(version.captured_at)
                .bind(external_ref.as_str())
                .bind(now)
        )?)
    }

    /// Which version of which policy it is.
    pub(crate) async fn update_mirrored_policy_version(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        item_id: Option<Uuid>,
        version: &Version,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_mirrored_policy_version",
            "UPDATE policy_versions SET inventory_item_id = $4, version_label = $5, captured_at = $6, \
             updated_at = $7 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3 AND origin = 'mirrored'"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(id)
                .bind(item_id)
                .bind(version.label.as_ref().map(ShortText::as_str))
                .bind(version.captured_at)
                .bind(now)
        )?)
    }
}
