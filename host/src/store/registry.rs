//! Registry rows a platform mirrors: what is known of those a piece of a sync names. One statement a table, however many
//! rows. What is asked for is `registry_known.rs`, writing
//! `registry_row.rs`.
//!
//! Lists are bound as arrays of text on one engine and as JSON on the other; ids in them are 32 hex digits.

use uuid::Uuid;

use super::StoreError;
use super::engine::{Tx, sql};
use super::registry_known::{
    KnownAssignment, KnownConnection, KnownDirectory, KnownEntitlement, KnownEnvironment, KnownMembership, KnownPlace,
    KnownPolicyVersion, KnownProfile, KnownRun, KnownSnapshot,
};
use super::tx::ReadTx;

/// Texts to look for.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<String>);

impl Keys {
    /// A platform's name of a row.
    pub(crate) fn name(&mut self, external_ref: &str) {
        self.0.push(external_ref.to_owned());
    }

    /// An id.
    pub(crate) fn id(&mut self, id: Uuid) {
        self.0.push(id.simple().to_string());
    }

    /// Two ids in one.
    pub(crate) fn pair(&mut self, environment_id: Uuid, id: Uuid) {
        self.0.push(format!("{}{}", environment_id.simple(), id.simple()));
    }

    /// An id and a text in one.
    pub(crate) fn within(&mut self, environment_id: Uuid, text: &str) {
        self.0.push(format!("{}{text}", environment_id.simple()));
    }

    /// Each once, in order.
    pub(crate) fn sorted(mut self) -> Self {
        self.0.sort_unstable();
        self.0.dedup();
        self
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn as_json(&self) -> Result<String, StoreError> {
        serde_json::to_string(&self.0).map_err(|_| StoreError::Corrupt("key"))
    }
}

/// The list bound second or third, as rows `k.key`.
macro_rules! keys {
    (postgres, 2) => {
        "unnest(CAST($2 AS text[])) AS k(key)"
    };
    (postgres, 3) => {
        "unnest(CAST($3 AS text[])) AS k(key)"
    };
    (sqlite, 2) => {
        "(SELECT value AS key FROM json_each($2)) AS k"
    };
    (sqlite, 3) => {
        "(SELECT value AS key FROM json_each($3)) AS k"
    };
}

/// An id out of a key: the whole of it, its first half or its second.
macro_rules! id {
    (postgres, whole) => {
        "CAST(k.key AS uuid)"
    };
    (postgres, first) => {
        "CAST(substr(k.key, 1, 32) AS uuid)"
    };
    (postgres, second) => {
        "CAST(substr(k.key, 33) AS uuid)"
    };
    (sqlite, whole) => {
        "unhex(k.key)"
    };
    (sqlite, first) => {
        "unhex(substr(k.key, 1, 32))"
    };
    (sqlite, second) => {
        "unhex(substr(k.key, 33))"
    };
}

/// Rows by a platform's names for them.
macro_rules! by_name {
    ($engine:ident, $columns:expr, $table:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM ",
            keys!($engine, 2),
            " CROSS JOIN ",
            $table,
            " r WHERE r.workspace_id = $1 AND r.external_ref = k.key"
        )
    };
}

/// Rows by ids, from the list bound third.
macro_rules! by_id {
    ($engine:ident, $columns:expr, $table:literal, $column:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM ",
            keys!($engine, 3),
            " CROSS JOIN ",
            $table,
            " r WHERE r.workspace_id = $1 AND r.",
            $column,
            " = ",
            id!($engine, whole)
        )
    };
}

/// Rows by two ids, from the list bound third.
macro_rules! by_pair {
    ($engine:ident, $columns:expr, $table:literal, $column:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM ",
            keys!($engine, 3),
            " CROSS JOIN ",
            $table,
            " r WHERE r.workspace_id = $1 AND r.managed_environment_id = ",
            id!($engine, first),
            " AND r.",
            $column,
            " = ",
            id!($engine, second)
        )
    };
}

/// Runs a statement over lists, and gives its rows; nothing is asked for empty lists.
macro_rules! known {
    ($tx:expr, $workspace_id:expr, [$($keys:expr),+], $text:ident, $postgres:literal, $sqlite:literal $(, $more:expr)?) => {{
        if [$($keys.is_empty()),+].iter().all(|empty| *empty) {
            return Ok(Vec::new());
        }
        Ok(match &mut $tx {
            Tx::Postgres(tx) => {
                let statement = sqlx::query_as(sql!($postgres, $text!(postgres))).bind($workspace_id);
                statement$(.bind(&$keys.0))+$(.bind($more))?.fetch_all(&mut **tx).await?
            }
            Tx::Sqlite(tx) => {
                let statement = sqlx::query_as(sql!($sqlite, $text!(sqlite))).bind($workspace_id);
                statement$(.bind($keys.as_json()?))+$(.bind($more))?.fetch_all(&mut **tx).await?
            }
        })
    }};
}

macro_rules! mirrored {
    () => {
        "r.external_ref, r.origin = 'mirrored' AS mirrored"
    };
}

macro_rules! environments {
    (columns) => {
        concat!(
            "r.id, ",
            mirrored!(),
            ", r.display_name, EXISTS (SELECT 1 FROM environment_entitlements t WHERE t.workspace_id = $1 \
             AND t.managed_environment_id = r.id AND t.user_id = $4 AND t.ended_at IS NULL) AS entitled"
        )
    };
    ($engine:ident) => {
        concat!(
            by_name!($engine, environments!(columns), "managed_environments"),
            " UNION ALL ",
            by_id!($engine, environments!(columns), "managed_environments", "id")
        )
    };
}

macro_rules! memberships {
    (columns) => {
        concat!("r.user_id, ", mirrored!(), ", r.role, r.ended_at IS NOT NULL AS ended")
    };
    ($engine:ident) => {
        concat!(
            by_name!($engine, memberships!(columns), "workspace_memberships"),
            " UNION ALL ",
            by_id!($engine, memberships!(columns), "workspace_memberships", "user_id")
        )
    };
}

macro_rules! live_users {
    ($engine:ident) => {
        concat!(
            "SELECT u.id FROM ",
            keys!($engine, 2),
            " CROSS JOIN users u WHERE u.id = ",
            id!($engine, whole),
            " AND u.disabled_at IS NULL AND u.id <> $1"
        )
    };
}

macro_rules! entitlements {
    (columns) => {
        concat!("r.managed_environment_id, r.user_id, ", mirrored!(), ", r.ended_at IS NOT NULL AS ended")
    };
    ($engine:ident) => {
        concat!(
            by_name!($engine, entitlements!(columns), "environment_entitlements"),
            " UNION ALL ",
            by_pair!($engine, entitlements!(columns), "environment_entitlements", "user_id")
        )
    };
}

macro_rules! directories {
    ($engine:ident) => {
        concat!(
            "SELECT r.managed_environment_id, r.provider_key, r.directory_id, c.id AS default_id, \
             c.origin = 'mirrored' AS default_mirrored FROM ",
            keys!($engine, 2),
            " CROSS JOIN environment_directories r LEFT JOIN provider_connections c ON c.workspace_id = $1 \
             AND c.managed_environment_id = r.managed_environment_id AND c.provider_key = r.provider_key \
             AND c.is_default WHERE r.workspace_id = $1 AND r.managed_environment_id = ",
            id!($engine, first),
            " AND r.provider_key = substr(k.key, 33)"
        )
    };
}

macro_rules! connections {
    (columns) => {
        concat!(
            "r.id, ",
            mirrored!(),
            ", r.managed_environment_id, r.provider_key, r.directory_id, r.display_name, r.status, r.is_default"
        )
    };
    ($engine:ident) => {
        concat!(
            by_name!($engine, connections!(columns), "provider_connections"),
            " UNION ALL ",
            by_id!($engine, connections!(columns), "provider_connections", "id")
        )
    };
}

macro_rules! runs {
    ($engine:ident) => {
        by_name!(
            $engine,
            concat!(
                "r.id, ",
                mirrored!(),
                ", r.managed_environment_id, r.operation_type, r.provider_connection_id, r.status, r.outcome, \
                 r.reason_code, r.started_at, r.ended_at"
            ),
            "operation_runs"
        )
    };
}

macro_rules! profiles {
    (columns) => {
        concat!("r.id, ", mirrored!(), ", r.display_name")
    };
    ($engine:ident) => {
        concat!(
            by_name!($engine, profiles!(columns), "baseline_profiles"),
            " UNION ALL ",
            by_id!($engine, profiles!(columns), "baseline_profiles", "id")
        )
    };
}

macro_rules! snapshots {
    ($engine:ident) => {
        by_name!(
            $engine,
            concat!("r.id, ", mirrored!(), ", r.baseline_profile_id, r.version_label, r.captured_at"),
            "baseline_snapshots"
        )
    };
}

macro_rules! assignments {
    (columns) => {
        concat!(
            "r.id, ",
            mirrored!(),
            ", r.managed_environment_id, r.baseline_profile_id, r.ended_at IS NOT NULL AS ended"
        )
    };
    ($engine:ident) => {
        concat!(
            by_name!($engine, assignments!(columns), "baseline_assignments"),
            " UNION ALL ",
            by_pair!($engine, assignments!(columns), "baseline_assignments", "baseline_profile_id"),
            " AND r.ended_at IS NULL"
        )
    };
}

macro_rules! policy_versions {
    ($engine:ident) => {
        by_name!(
            $engine,
            concat!(
                "r.id, ",
                mirrored!(),
                ", r.managed_environment_id, r.inventory_item_id, r.version_label, r.captured_at"
            ),
            "policy_versions"
        )
    };
}

macro_rules! items {
    ($engine:ident) => {
        concat!(
            "SELECT r.id, r.managed_environment_id FROM ",
            keys!($engine, 2),
            " CROSS JOIN inventory_items r WHERE r.workspace_id = $1 AND r.id = ",
            id!($engine, whole)
        )
    };
}

impl ReadTx {
    /// Environments by a platform's names or ids, and whether a user is entitled to each.
    pub(crate) async fn known_environments(
        &mut self,
        workspace_id: Uuid,
        names: &Keys,
        ids: &Keys,
        user_id: Uuid,
    ) -> Result<Vec<KnownEnvironment>, StoreError> {
        known!(
            self.tx,
            workspace_id,
            [names, ids],
            environments,
            "known_environments_postgres",
            "known_environments_sqlite",
            user_id
        )
    }

    /// Memberships by a platform's names or users, ended ones too.
    pub(crate) async fn known_memberships(
        &mut self,
        workspace_id: Uuid,
        names: &Keys,
        users: &Keys,
    ) -> Result<Vec<KnownMembership>, StoreError> {
        known!(
            self.tx,
            workspace_id,
            [names, users],
            memberships,
            "known_memberships_postgres",
            "known_memberships_sqlite"
        )
    }

    /// Those of these users there are and that are not disabled.
    pub(crate) async fn live_users(&mut self, ids: &Keys) -> Result<Vec<(Uuid,)>, StoreError> {
        // Nobody has the nil id.
        known!(self.tx, Uuid::nil(), [ids], live_users, "live_users_postgres", "live_users_sqlite")
    }

    /// Entitlements by a platform's names or pairs of environment and user, ended ones too.
    pub(crate) async fn known_entitlements(
        &mut self,
        workspace_id: Uuid,
        names: &Keys,
        pairs: &Keys,
    ) -> Result<Vec<KnownEntitlement>, StoreError> {
        known!(
            self.tx,
            workspace_id,
            [names, pairs],
            entitlements,
            "known_entitlements_postgres",
            "known_entitlements_sqlite"
        )
    }

    /// Providers of environments, their directory and their default connection.
    pub(crate) async fn known_directories(
        &mut self,
        workspace_id: Uuid,
        places: &Keys,
    ) -> Result<Vec<KnownDirectory>, StoreError> {
        known!(self.tx, workspace_id, [places], directories, "known_directories_postgres", "known_directories_sqlite")
    }

    /// Connections by a platform's names or ids.
    pub(crate) async fn known_connections(
        &mut self,
        workspace_id: Uuid,
        names: &Keys,
        ids: &Keys,
    ) -> Result<Vec<KnownConnection>, StoreError> {
        known!(
            self.tx,
            workspace_id,
            [names, ids],
            connections,
            "known_connections_postgres",
            "known_connections_sqlite"
        )
    }

    /// Runs by a platform's names.
    pub(crate) async fn known_runs(&mut self, workspace_id: Uuid, names: &Keys) -> Result<Vec<KnownRun>, StoreError> {
        known!(self.tx, workspace_id, [names], runs, "known_runs_postgres", "known_runs_sqlite")
    }

    /// Profiles by a platform's names or ids.
    pub(crate) async fn known_profiles(
        &mut self,
        workspace_id: Uuid,
        names: &Keys,
        ids: &Keys,
    ) -> Result<Vec<KnownProfile>, StoreError> {
        known!(self.tx, workspace_id, [names, ids], profiles, "known_profiles_postgres", "known_profiles_sqlite")
    }

    /// Snapshots by a platform's names.
    pub(crate) async fn known_snapshots(
        &mut self,
        workspace_id: Uuid,
        names: &Keys,
    ) -> Result<Vec<KnownSnapshot>, StoreError> {
        known!(self.tx, workspace_id, [names], snapshots, "known_snapshots_postgres", "known_snapshots_sqlite")
    }

    /// Assignments by a platform's names, and those in force by pairs of environment and profile.
    pub(crate) async fn known_assignments(
        &mut self,
        workspace_id: Uuid,
        names: &Keys,
        pairs: &Keys,
    ) -> Result<Vec<KnownAssignment>, StoreError> {
        known!(
            self.tx,
            workspace_id,
            [names, pairs],
            assignments,
            "known_assignments_postgres",
            "known_assignments_sqlite"
        )
    }

    /// Policy versions by a platform's names.
    pub(crate) async fn known_policy_versions(
        &mut self,
        workspace_id: Uuid,
        names: &Keys,
    ) -> Result<Vec<KnownPolicyVersion>, StoreError> {
        known!(
            self.tx,
            workspace_id,
            [names],
            policy_versions,
            "known_policy_versions_postgres",
            "known_policy_versions_sqlite"
        )
    }

    /// Where inventory items are.
    pub(crate) async fn places_of_items(
        &mut self,
        workspace_id: Uuid,
        ids: &Keys,
    ) -> Result<Vec<KnownPlace>, StoreError> {
        known!(self.tx, workspace_id, [ids], items, "places_of_items_postgres", "places_of_items_sqlite")
    }
}
