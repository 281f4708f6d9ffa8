//! Many audit events at once, each with its place in the chain already: one statement on PostgreSQL, one for each on
//! SQLite, where a statement costs no journey. What an event is and where it belongs: `audit.rs`.

use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::StoreError;
use super::audit::PlacedEvent;
use super::engine::{Tx, sql};
use super::tx::WriteTx;
use crate::audit::CHAIN_FORMAT;
use crate::clock::Timestamp;

impl WriteTx {
    /// Writes events that follow one another.
    pub(super) async fn insert_events(&mut self, placed: &[PlacedEvent]) -> Result<(), StoreError> {
        let (workspace_id, now) = (self.workspace_id, self.now);
        match &mut self.read.tx {
            Tx::Postgres(tx) if placed.len() > 1 => insert_by_column(tx, workspace_id, now, placed).await,
            Tx::Postgres(_) | Tx::Sqlite(_) => {
                for placed in placed {
                    self.insert_event(placed).await?;
                }
                Ok(())
            }
        }
    }
}

/// The one statement of a chunk. As the statement of a single event, a column at a time.
async fn insert_by_column(
    tx: &mut Transaction<'static, Postgres>,
    workspace_id: Uuid,
    now: Timestamp,
    placed: &[PlacedEvent],
) -> Result<(), StoreError> {
    let text = sql!(
        "insert_events_postgres",
        "INSERT INTO audit_events (workspace_id, occurred_at, format, number, event_id, kind, managed_environment_id, actor_kind, actor_user_id, actor_token_id, \
                 request_id, action, attempted_action, denial, target_id, role, old_role, provider_key, \
                 provider_connection_id, canonical_subject_key, subject_domain, subject_class, subject_type_key, \
                 old_binding_id, old_resolution_mode, old_binding_status, new_binding_id, new_resolution_mode, \
                 new_binding_status, source_operation_run_id, source_baseline_snapshot_id, \
                 source_inventory_item_id, source_policy_version_id, resolution_reason, note_length, note_hmac, \
                 note_key_version, key_version, operation_type, run_outcome, run_reason_code, import_id, \
                 added_count, changed_count, unchanged_count, refused_count, previous_hash, hash) \
             SELECT CAST($1 AS uuid), CAST($2 AS timestamptz), CAST($3 AS integer), k.* FROM unnest( \
                 CAST($4 AS bigint[]), CAST($5 AS uuid[]), CAST($6 AS text[]), CAST($7 AS uuid[]), CAST($8 AS \
                 text[]), CAST($9 AS uuid[]), CAST($10 AS uuid[]), CAST($11 AS text[]), CAST($12 AS text[]), \
                 CAST($13 AS text[]), CAST($14 AS text[]), CAST($15 AS uuid[]), CAST($16 AS text[]), CAST($17 AS \
                 text[]), CAST($18 AS text[]), CAST($19 AS uuid[]), CAST($20 AS text[]), CAST($21 AS text[]), \
                 CAST($22 AS text[]), CAST($23 AS text[]), CAST($24 AS uuid[]), CAST($25 AS text[]), CAST($26 AS \
                 text[]), CAST($27 AS uuid[]), CAST($28 AS text[]), CAST($29 AS text[]), CAST($30 AS uuid[]), \
                 CAST($31 AS uuid[]), CAST($32 AS uuid[]), CAST($33 AS uuid[]), CAST($34 AS text[]), CAST($35 AS \
                 integer[]), CAST($36 AS text[]), CAST($37 AS integer[]), CAST($38 AS integer[]), CAST($39 AS \
                 text[]), CAST($40 AS text[]), CAST($41 AS text[]), CAST($42 AS uuid[]), CAST($43 AS bigint[]), \
                 CAST($44 AS bigint[]), CAST($45 AS bigint[]), CAST($46 AS bigint[]), CAST($47 AS text[]), \
                 CAST($48 AS text[])) AS k"
    );
    macro_rules! column {
        (|$placed:ident| $value:expr) => {
            placed.iter().map(|$placed| $value).collect::<Vec<_>>()
        };
    }
    sqlx::query(text)
        .bind(workspace_id)
        .bind(now)
        .bind(CHAIN_FORMAT)
        .bind(column!(|placed| placed.event.number))
        .bind(column!(|placed| placed.event.event_id))
        .bind(column!(|placed| placed.event.kind.as_str()))
        .bind(column!(|placed| placed.event.managed_environment_id))
        .bind(column!(|placed| placed.event.actor_kind.as_str()))
        .bind(column!(|placed| placed.event.actor_user_id))
        .bind(column!(|placed| placed.event.actor_token_id))
        .bind(column!(|placed| placed.event.request_id.as_deref()))
        .bind(column!(|placed| placed.event.action.as_str()))
        .bind(column!(|placed| placed.event.attempted_action.as_deref()))
        .bind(column!(|placed| placed.event.denial.as_deref()))
        .bind(column!(|placed| placed.event.target_id))
        .bind(column!(|placed| placed.event.role.as_deref()))
        .bind(column!(|placed| placed.event.old_role.as_deref()))
        .bind(column!(|placed| placed.event.provider_key.as_deref()))
        .bind(column!(|placed| placed.event.provider_connection_id))
        .bind(column!(|placed| placed.event.canonical_subject_key.as_deref()))
        .bind(column!(|placed| placed.event.subject_domain.as_deref()))
        .bind(column!(|placed| placed.event.subject_class.as_deref()))
        .bind(column!(|placed| placed.event.subject_type_key.as_deref()))
        .bind(column!(|placed| placed.event.old_binding_id))
        .bind(column!(|placed| placed.event.old_resolution_mode.as_deref()))
        .bind(column!(|placed| placed.event.old_binding_status.as_deref()))
        .bind(column!(|placed| placed.event.new_binding_id))
        .bind(column!(|placed| placed.event.new_resolution_mode.as_deref()))
        .bind(column!(|placed| placed.event.new_binding_status.as_deref()))
        .bind(column!(|placed| placed.event.source_operation_run_id))
        .bind(column!(|placed| placed.event.source_baseline_snapshot_id))
        .bind(column!(|placed| placed.event.source_inventory_item_id))
        .bind(column!(|placed| placed.event.source_policy_version_id))
        .bind(column!(|placed| placed.event.resolution_reason.as_deref()))
        .bind(column!(|placed| placed.event.note_length))
        .bind(column!(|placed| placed.event.note_hmac.as_deref()))
        .bind(column!(|placed| placed.event.note_key_version))
        .bind(column!(|placed| placed.event.key_version))
        .bind(column!(|placed| placed.event.operation_type.as_deref()))
        .bind(column!(|placed| placed.event.run_outcome.as_deref()))
        .bind(column!(|placed| placed.event.run_reason_code.as_deref()))
        .bind(column!(|placed| placed.event.import_id))
        .bind(column!(|placed| placed.event.added_count))
        .bind(column!(|placed| placed.event.changed_count))
        .bind(column!(|placed| placed.event.unchanged_count))
        .bind(column!(|placed| placed.event.refused_count))
        .bind(column!(|placed| placed.previous_hash.as_str()))
        .bind(column!(|placed| placed.hash.as_str()))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
