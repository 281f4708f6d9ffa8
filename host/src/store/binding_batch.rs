//! Many bindings at once: written by one statement, and looked up for many subjects.
//!
//! On PostgreSQL a statement takes a column of values for all rows (`unnest`); on SQLite, where it costs no journey,
//! it is run for each. Whoever writes many gives them in the order of their keys: two that take their places in
//! different orders wait for each other.

use std::collections::HashMap;

use sqlx::{FromRow, Postgres, Transaction};

use super::StoreError;
use super::binding::{KEY_VERSION, NewBinding, binding_columns, bindings};
use super::binding_row::BindingRow;
use super::engine::{Tx, sql};
use super::environment::EnvironmentScope;
use super::tx::{ReadTx, WriteTx};
use crate::binding::{Binding, LegacySubjectKey, Note};
use crate::clock::Timestamp;

/// When the last decision about a subject that has ended did.
#[derive(FromRow)]
struct EndingRow {
    canonical_subject_key: String,
    ended_at: Option<Timestamp>,
}

/// The keys as one parameter of a SQLite statement.
fn json(keys: &[&str]) -> Result<String, StoreError> {
    serde_json::to_string(keys).map_err(|_| StoreError::Corrupt("key"))
}

impl ReadTx {
    /// The decisions that hold for these subjects, each given with its provider; in no order.
    pub(crate) async fn active_bindings(
        &mut self,
        scope: &EnvironmentScope,
        providers: &[&str],
        keys: &[&str],
    ) -> Result<Vec<Binding>, StoreError> {
        let rows: Vec<BindingRow> = match &mut self.tx {
            Tx::Postgres(tx) => {
                let text = sql!(
                    "active_bindings_postgres",
                    concat!(
                        "SELECT ",
                        binding_columns!(),
                        " FROM unnest(CAST($3 AS text[]), CAST($4 AS text[])) AS k(provider, subject) \
                         JOIN provider_resource_bindings b ON b.workspace_id = $1 \
                         AND b.managed_environment_id = $2 AND b.provider_key = k.provider \
                         AND b.canonical_subject_key = k.subject AND b.binding_status = 'active'"
                    )
                );
                sqlx::query_as(text)
                    .bind(scope.workspace_id())
                    .bind(scope.environment_id())
                    .bind(providers)
                    .bind(keys)
                    .fetch_all(&mut **tx)
                    .await?
            }
            Tx::Sqlite(tx) => {
                let text = sql!(
                    "active_bindings_sqlite",
                    concat!(
                        "SELECT ",
                        binding_columns!(),
                        " FROM (SELECT json_extract(value, '$[0]') AS provider, json_extract(value, '$[1]') AS subject \
                         FROM json_each($3)) AS k CROSS JOIN provider_resource_bindings b \
                         WHERE b.workspace_id = $1 AND b.managed_environment_id = $2 \
                         AND b.provider_key = k.provider AND b.canonical_subject_key = k.subject \
                         AND b.binding_status = 'active'"
                    )
                );
                let pairs: Vec<_> = providers.iter().zip(keys).collect();
                let pairs = serde_json::to_string(&pairs).map_err(|_| StoreError::Corrupt("key"))?;
                sqlx::query_as(text)
                    .bind(scope.workspace_id())
                    .bind(scope.environment_id())
                    .bind(pairs)
                    .fetch_all(&mut **tx)
                    .await?
            }
        };
        bindings(rows)
    }

    /// The last decisions about these subjects, whether they hold or not; in no order.
    pub(crate) async fn last_bindings(
        &mut self,
        scope: &EnvironmentScope,
        keys: &[&str],
    ) -> Result<Vec<Binding>, StoreError> {
        let rows: Vec<BindingRow> = match &mut self.tx {
            Tx::Postgres(tx) => {
                let text = sql!(
                    "last_bindings_postgres",
                    concat!(
                        "SELECT ",
                        binding_columns!(),
                        " FROM unnest(CAST($3 AS text[])) AS k(subject) CROSS JOIN LATERAL ( \
                             SELECT * FROM provider_resource_bindings x \
                             WHERE x.workspace_id = $1 AND x.managed_environment_id = $2 \
                             AND x.canonical_subject_key = k.subject \
                             ORDER BY x.decided_at DESC, x.id DESC LIMIT 1) AS b"
                    )
                );
                sqlx::query_as(text)
                    .bind(scope.workspace_id())
                    .bind(scope.environment_id())
                    .bind(keys)
                    .fetch_all(&mut **tx)
                    .await?
            }
            Tx::Sqlite(tx) => {
                let text = sql!(
                    "last_bindings_sqlite",
                    concat!(
                        "SELECT ",
                        binding_columns!(),
                        " FROM (SELECT value AS subject FROM json_each($3)) AS k \
                         CROSS JOIN provider_resource_bindings b WHERE b.workspace_id = $1 AND b.id = ( \
                             SELECT x.id FROM provider_resource_bindings x \
                             WHERE x.workspace_id = $1 AND x.managed_environment_id = $2 \
                             AND x.canonical_subject_key = k.subject \
                             ORDER BY x.decided_at DESC, x.id DESC LIMIT 1)"
                    )
                );
                let query = sqlx::query_as(text).bind(scope.workspace_id()).bind(scope.environment_id());
                query.bind(json(keys)?).fetch_all(&mut **tx).await?
            }
        };
        bindings(rows)
    }

    /// When the last ended decisions about these subjects ended, by key; nothing of a subject that has none. As
    /// [`ReadTx::last_ended_at`].
    pub(crate) async fn last_endings(
        &mut self,
        scope: &EnvironmentScope,
        keys: &[&str],
    ) -> Result<HashMap<String, Timestamp>, StoreError> {
        let rows: Vec<EndingRow> = match &mut self.tx {
            Tx::Postgres(tx) => {
                let text = sql!(
                    "last_endings_postgres",
                    "SELECT b.canonical_subject_key, b.ended_at \
                     FROM unnest(CAST($3 AS text[])) AS k(subject) CROSS JOIN LATERAL ( \
                         SELECT x.canonical_subject_key, x.ended_at FROM provider_resource_bindings x \
                         WHERE x.workspace_id = $1 AND x.managed_environment_id = $2 \
                         AND x.canonical_subject_key = k.subject AND x.binding_status <> 'active' \
                         ORDER BY x.decided_at DESC LIMIT 1) AS b"
                );
                let query = sqlx::query_as(text).bind(scope.workspace_id()).bind(scope.environment_id());
                query.bind(keys).fetch_all(&mut **tx).await?
            }
            Tx::Sqlite(tx) => {
                let text = sql!(
                    "last_endings_sqlite",
                    "SELECT k.value AS canonical_subject_key, ( \
                         SELECT x.ended_at FROM provider_resource_bindings x \
                         WHERE x.workspace_id = $1 AND x.managed_environment_id = $2 \
                         AND x.canonical_subject_key = k.value AND x.binding_status <> 'active' \
                         ORDER BY x.decided_at DESC LIMIT 1) AS ended_at \
                     FROM json_each($3) AS k"
                );
                let query = sqlx::query_as(text).bind(scope.workspace_id()).bind(scope.environment_id());
                query.bind(json(keys)?).fetch_all(&mut **tx).await?
            }
        };
        Ok(rows.into_iter().filter_map(|row| Some((row.canonical_subject_key, row.ended_at?))).collect())
    }

    /// The last decisions about these subjects that had begun by a moment, whether they held at it or not; in no order.
    /// They are given as they are now.
    pub(crate) async fn bindings_begun_by(
        &mut self,
        scope: &EnvironmentScope,
        keys: &[&str],
        at: Timestamp,
    ) -> Result<Vec<Binding>, StoreError> {
        let rows: Vec<BindingRow> = match &mut self.tx {
            Tx::Postgres(tx) => {
                let text = sql!(
                    "bindings_begun_by_postgres",
                    concat!(
                        "SELECT ",
                        binding_columns!(),
                        " FROM unnest(CAST($3 AS text[])) AS k(subject) CROSS JOIN LATERAL ( \
                             SELECT * FROM provider_resource_bindings x \
                             WHERE x.workspace_id = $1 AND x.managed_environment_id = $2 \
                             AND x.canonical_subject_key = k.subject AND x.decided_at <= $4 \
                             ORDER BY x.decided_at DESC LIMIT 1) AS b"
                    )
                );
                let query = sqlx::query_as(text).bind(scope.workspace_id()).bind(scope.environment_id());
                query.bind(keys).bind(at).fetch_all(&mut **tx).await?
            }
            Tx::Sqlite(tx) => {
                let text = sql!(
                    "bindings_begun_by_sqlite",
                    concat!(
                        "SELECT ",
                        binding_columns!(),
                        " FROM (SELECT value AS subject FROM json_each($3)) AS k \
                         CROSS JOIN provider_resource_bindings b WHERE b.workspace_id = $1 AND b.id = ( \
                             SELECT x.id FROM provider_resource_bindings x \
                             WHERE x.workspace_id = $1 AND x.managed_environment_id = $2 \
                             AND x.canonical_subject_key = k.subject AND x.decided_at <= $4 \
                             ORDER BY x.decided_at DESC LIMIT 1)"
                    )
                );
                let query = sqlx::query_as(text).bind(scope.workspace_id()).bind(scope.environment_id());
                query.bind(json(keys)?).bind(at).fetch_all(&mut **tx).await?
            }
        };
        bindings(rows)
    }
}

impl WriteTx {
    /// Writes these decisions, each unless its subject has one that holds; gives those written.
    pub(crate) async fn insert_bindings(
        &mut self,
        scope: &EnvironmentScope,
        new: &[&NewBinding],
    ) -> Result<Vec<Binding>, StoreError> {
        let now = self.now;
        match &mut self.read.tx {
            Tx::Postgres(tx) => bindings(insert_by_column(tx, scope, now, new).await?),
            Tx::Sqlite(_) => {
                let mut written = Vec::with_capacity(new.len());
                for new in new {
                    written.extend(self.insert_binding(scope, new).await?);
                }
                Ok(written)
            }
        }
    }
}

/// The one statement of a chunk. As the statement of a single decision, a column at a time.
async fn insert_by_column(
    tx: &mut Transaction<'static, Postgres>,
    scope: &EnvironmentScope,
    now: Timestamp,
    new: &[&NewBinding],
) -> Result<Vec<BindingRow>, StoreError> {
    let text = sql!(
        "insert_bindings_postgres",
        concat!(
            "INSERT INTO provider_resource_bindings ( \
                 workspace_id, managed_environment_id, canonical_key_version, binding_status, created_at, updated_at, \
                 id, provider_key, provider_connection_id, subject_domain, subject_class, subject_type_key, \
                 legacy_subject_key, canonical_subject_key, resource_key, provider_resource_type, \
                 provider_resource_id, provider_resource_external_id, provider_resource_discriminator, \
                 provider_resource_fingerprint, resolution_mode, resolution_reason, operator_note, \
                 decided_by_kind, decided_by_user_id, decided_at, supersedes_binding_id, source_operation_run_id, \
                 source_baseline_snapshot_id, source_inventory_item_id, source_policy_version_id) \
             SELECT CAST($1 AS uuid), CAST($2 AS uuid), CAST($3 AS integer), 'active', CAST($4 AS timestamptz), \
                 CAST($4 AS timestamptz), k.* \
             FROM unnest( \
                 CAST($5 AS uuid[]), CAST($6 AS text[]), CAST($7 AS uuid[]), CAST($8 AS text[]), \
                 CAST($9 AS text[]), CAST($10 AS text[]), CAST($11 AS text[]), CAST($12 AS text[]), \
                 CAST($13 AS text[]), CAST($14 AS text[]), CAST($15 AS text[]), CAST($16 AS text[]), \
                 CAST($17 AS text[]), CAST($18 AS text[]), CAST($19 AS text[]), CAST($20 AS text[]), \
                 CAST($21 AS text[]), CAST($22 AS text[]), CAST($23 AS uuid[]), CAST($24 AS timestamptz[]), \
                 CAST($25 AS uuid[]), CAST($26 AS uuid[]), CAST($27 AS uuid[]), CAST($28 AS uuid[]), \
                 CAST($29 AS uuid[])) AS k \
             ON CONFLICT (workspace_id, managed_environment_id, provider_key, canonical_subject_key) \
                 WHERE binding_status = 'active' DO NOTHING \
             RETURNING ",
            binding_columns!()
        )
    );
    macro_rules! column {
        (|$new:ident| $value:expr) => {
            new.iter().map(|$new| $value).collect::<Vec<_>>()
        };
    }
    macro_rules! of_resource {
        (|$resource:ident| $value:expr) => {
            new.iter().map(|new| new.resource.as_ref().and_then(|$resource| $value)).collect::<Vec<_>>()
        };
    }
    let rows = sqlx::query_as(text)
        .bind(scope.workspace_id())
        .bind(scope.environment_id())
        .bind(KEY_VERSION)
        .bind(now)
        .bind(column!(|new| new.id))
        .bind(column!(|new| new.provider_key.as_str()))
        .bind(column!(|new| new.provider_connection_id))
        .bind(column!(|new| new.subject_domain.as_str()))
        .bind(column!(|new| new.subject_class.as_str()))
        .bind(column!(|new| new.subject_type_key.as_str()))
        .bind(column!(|new| new.legacy_subject_key.as_ref().map(LegacySubjectKey::as_str)))
        .bind(column!(|new| new.canonical_subject_key.as_str()))
        .bind(of_resource!(|resource| Some(resource.key.as_str())))
        .bind(of_resource!(|resource| Some(resource.resource_type.as_str())))
        .bind(of_resource!(|resource| resource.provider_resource_id.as_deref()))
        .bind(of_resource!(|resource| resource.external_id.as_deref()))
        .bind(of_resource!(|resource| resource.discriminator.as_deref()))
        .bind(of_resource!(|resource| resource.fingerprint.as_deref()))
        .bind(column!(|new| new.mode.as_str()))
        .bind(column!(|new| new.reason.as_deref()))
        .bind(column!(|new| new.note.as_ref().map(Note::as_str)))
        .bind(column!(|new| new.decided_by.kind().as_str()))
        .bind(column!(|new| new.decided_by.user_id()))
        .bind(column!(|new| new.decided_at))
        .bind(column!(|new| new.supersedes_binding_id))
        .bind(column!(|new| new.sources.operation_run_id))
        .bind(column!(|new| new.sources.baseline_snapshot_id))
        .bind(column!(|new| new.sources.inventory_item_id))
        .bind(column!(|new| new.sources.policy_version_id))
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows)
}
