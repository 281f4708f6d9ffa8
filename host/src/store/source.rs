//! What decisions may refer to in their environment: connections, runs, policy versions, snapshots, always looked up
//! for all the requests of one transaction together. Inventory items have a file of their own.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::StoreError;
use super::engine::{Tx, sql};
use super::environment::EnvironmentScope;
use super::tx::ReadTx;

/// One statement for all ids on PostgreSQL; on SQLite, where a statement costs no journey, one for each.
macro_rules! found_among {
    ($tx:expr, $scope:expr, $ids:expr, $postgres:expr, $sqlite:expr) => {{
        let mut found = Vec::new();
        match &mut $tx {
            _ if $ids.is_empty() => {}
            Tx::Postgres(tx) => {
                let query = sqlx::query_as($postgres).bind($scope.workspace_id()).bind($scope.environment_id());
                found = query.bind($ids).fetch_all(&mut **tx).await?;
            }
            Tx::Sqlite(tx) => {
                for id in $ids {
                    let query = sqlx::query_as($sqlite).bind($scope.workspace_id()).bind($scope.environment_id());
                    if let Some(row) = query.bind(id).fetch_optional(&mut **tx).await? {
                        found.push(row);
                    }
                }
            }
        }
        found
    }};
}

impl ReadTx {
    /// The providers of those of these connections that are the environment's.
    pub(crate) async fn providers_of_connections(
        &mut self,
        scope: &EnvironmentScope,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, String>, StoreError> {
        let found: Vec<(Uuid, String)> = found_among!(
            self.tx,
            scope,
            ids,
            sql!(
                "providers_of_connections_postgres",
                "SELECT c.id, c.provider_key FROM unnest(CAST($3 AS uuid[])) AS k(id) \
                 JOIN provider_connections c \
                 ON c.workspace_id = $1 AND c.managed_environment_id = $2 AND c.id = k.id"
            ),
            sql!(
                "providers_of_connections_sqlite",
                "SELECT id, provider_key FROM provider_connections \
                 WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3"
            )
        );
        Ok(found.into_iter().collect())
    }

    /// Those of these operation runs that are the environment's.
    pub(crate) async fn operation_runs_among(
        &mut self,
        scope: &EnvironmentScope,
        ids: &[Uuid],
    ) -> Result<HashSet<Uuid>, StoreError> {
        let found: Vec<(Uuid,)> = found_among!(
            self.tx,
            scope,
            ids,
            sql!(
                "operation_runs_among_postgres",
                "SELECT r.id FROM unnest(CAST($3 AS uuid[])) AS k(id) JOIN operation_runs r \
                 ON r.workspace_id = $1 AND r.managed_environment_id = $2 AND r.id = k.id"
            ),
            sql!(
                "operation_runs_among_sqlite",
                "SELECT id FROM operation_runs \
                 WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3"
            )
        );
        Ok(found.into_iter().map(|(id,)| id).collect())
    }

    /// Those of these policy versions that are the environment's.
    pub(crate) async fn policy_versions_among(
        &mut self,
        scope: &EnvironmentScope,
        ids: &[Uuid],
    ) -> Result<HashSet<Uuid>, StoreError> {
        let found: Vec<(Uuid,)> = found_among!(
            self.tx,
            scope,
            ids,
            sql!(
                "policy_versions_among_postgres",
                "SELECT v.id FROM unnest(CAST($3 AS uuid[])) AS k(id) JOIN policy_versions v \
                 ON v.workspace_id = $1 AND v.managed_environment_id = $2 AND v.id = k.id"
            ),
            sql!(
                "policy_versions_among_sqlite",
                "SELECT id FROM policy_versions \
                 WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3"
            )
        );
        Ok(found.into_iter().map(|(id,)| id).collect())
    }

    /// Those of these snapshots that are valid in the environment: snapshots are the workspace's, and one counts where
    /// its profile is assigned (X17).
    pub(crate) async fn baseline_snapshots_among(
        &mut self,
        scope: &EnvironmentScope,
        ids: &[Uuid],
    ) -> Result<HashSet<Uuid>, StoreError> {
        let found: Vec<(Uuid,)> = found_among!(
            self.tx,
            scope,
            ids,
            sql!(
                "baseline_snapshots_among_postgres",
                "SELECT s.id FROM unnest(CAST($3 AS uuid[])) AS k(id) JOIN baseline_snapshots s \
                 ON s.workspace_id = $1 AND s.id = k.id \
                 WHERE EXISTS ( \
                     SELECT 1 FROM baseline_assignments a \
                     WHERE a.workspace_id = $1 AND a.managed_environment_id = $2 \
                     AND a.baseline_profile_id = s.baseline_profile_id AND a.ended_at IS NULL)"
            ),
            sql!(
                "baseline_snapshots_among_sqlite",
                "SELECT s.id FROM baseline_snapshots s \
                 WHERE s.workspace_id = $1 AND s.id = $3 AND EXISTS ( \
                     SELECT 1 FROM baseline_assignments a \
                     WHERE a.workspace_id = $1 AND a.managed_environment_id = $2 \
                     AND a.baseline_profile_id = s.baseline_profile_id AND a.ended_at IS NULL)"
            )
        );
        Ok(found.into_iter().map(|(id,)| id).collect())
    }
}
