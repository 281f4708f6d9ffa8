//! What a decision may refer to in its environment: connections, runs, policy versions, snapshots. Inventory
//! items have a file of their own.

use uuid::Uuid;

use super::StoreError;
use super::engine::{on, sql};
use super::environment::EnvironmentScope;
use super::tx::ReadTx;

impl ReadTx {
    /// The provider of a connection of the environment.
    pub(crate) async fn provider_of_connection(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
    ) -> Result<Option<String>, StoreError> {
        let text = sql!(
            "provider_of_connection",
            "SELECT provider_key FROM provider_connections \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3"
        );
        Ok(on!(self.tx, |conn| sqlx::query_scalar(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(id)
            .fetch_optional(conn))?)
    }

    /// Whether an operation run is the environment's.
    pub(crate) async fn has_operation_run(&mut self, scope: &EnvironmentScope, id: Uuid) -> Result<bool, StoreError> {
        let text = sql!(
            "has_operation_run",
            "SELECT id FROM operation_runs \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3"
        );
        self.has(text, scope, id).await
    }

    /// Whether a policy version is the environment's.
    pub(crate) async fn has_policy_version(&mut self, scope: &EnvironmentScope, id: Uuid) -> Result<bool, StoreError> {
        let text = sql!(
            "has_policy_version",
            "SELECT id FROM policy_versions \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3"
        );
        self.has(text, scope, id).await
    }

    /// Whether an inventory item is the environment's.
    pub(crate) async fn has_inventory_item(&mut self, scope: &EnvironmentScope, id: Uuid) -> Result<bool, StoreError> {
        let text = sql!(
            "has_inventory_item",
            "SELECT id FROM inventory_items \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3"
        );
        self.has(text, scope, id).await
    }

    /// Whether a snapshot is valid in the environment: snapshots are the workspace's, and one counts where its
    /// profile is assigned (X17).
    pub(crate) async fn has_baseline_snapshot(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
    ) -> Result<bool, StoreError> {
        let text = sql!(
            "has_baseline_snapshot",
            "SELECT s.id FROM baseline_snapshots s \
             JOIN baseline_assignments a \
             ON a.workspace_id = s.workspace_id AND a.baseline_profile_id = s.baseline_profile_id \
             WHERE s.workspace_id = $1 AND a.workspace_id = $1 AND a.managed_environment_id = $2 \
             AND a.ended_at IS NULL AND s.id = $3 LIMIT 1"
        );
        self.has(text, scope, id).await
    }

    async fn has(&mut self, text: &'static str, scope: &EnvironmentScope, id: Uuid) -> Result<bool, StoreError> {
        let found: Option<Uuid> = on!(self.tx, |conn| sqlx::query_scalar(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(id)
            .fetch_optional(conn))?;
        Ok(found.is_some())
    }
}
