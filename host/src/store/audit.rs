//! Audit events and the heads of their chains; and the commit, which is where an event gets its place.

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use uuid::Uuid;

use super::StoreError;
use super::engine::{Tx, on, run, sql};
use super::tx::{ReadTx, WriteTx};
use crate::audit::{AuditEvent, CHAIN_FORMAT, ChainedEvent, Draft, GENESIS_HASH, Place, chain_hash};
use crate::clock::Timestamp;
use crate::error::Internal;
use crate::policy::Standing;
use crate::secret::SealedNoteKey;

/// An event with its place in the chain, about to be written.
#[derive(Debug)]
pub(super) struct PlacedEvent {
    pub(super) event: AuditEvent,
    pub(super) previous_hash: String,
    pub(super) hash: String,
}

/// The end of a workspace's chain, and the sealed key its notes are fingerprinted with.
#[derive(Debug)]
pub(crate) struct ChainHead {
    pub(crate) last_number: i64,
    pub(crate) last_hash: String,
    pub(crate) note_key: SealedNoteKey,
    pub(crate) note_key_version: u32,
}

#[derive(FromRow)]
struct HeadRow {
    last_number: i64,
    last_hash: String,
    note_key_sealed: Vec<u8>,
    note_key_version: i32,
}

impl TryFrom<HeadRow> for ChainHead {
    type Error = StoreError;

    fn try_from(row: HeadRow) -> Result<Self, StoreError> {
        Ok(Self {
            last_number: row.last_number,
            last_hash: row.last_hash,
            note_key: SealedNoteKey::from_bytes(row.note_key_sealed),
            note_key_version: u32::try_from(row.note_key_version)
                .map_err(|_| StoreError::Corrupt("note key version"))?,
        })
    }
}

#[derive(FromRow)]
struct EventRow {
    workspace_id: Uuid,
    number: i64,
    event_id: Uuid,
    occurred_at: Timestamp,
    kind: String,
    managed_environment_id: Option<Uuid>,
    actor_kind: String,
    actor_user_id: Option<Uuid>,
    actor_token_id: Option<Uuid>,
    request_id: Option<String>,
    action: String,
    attempted_action: Option<String>,
    denial: Option<String>,
    target_id: Option<Uuid>,
    role: Option<String>,
    old_role: Option<String>,
    provider_key: Option<String>,
    provider_connection_id: Option<Uuid>,
    canonical_subject_key: Option<String>,
    subject_domain: Option<String>,
    subject_class: Option<String>,
    subject_type_key: Option<String>,
    old_binding_id: Option<Uuid>,
    old_resolution_mode: Option<String>,
    old_binding_status: Option<String>,
    new_binding_id: Option<Uuid>,
    new_resolution_mode: Option<String>,
    new_binding_status: Option<String>,
    source_operation_run_id: Option<Uuid>,
    source_baseline_snapshot_id: Option<Uuid>,
    source_inventory_item_id: Option<Uuid>,
    source_policy_version_id: Option<Uuid>,
    resolution_reason: Option<String>,
    note_length: Option<i32>,
    note_hmac: Option<String>,
    note_key_version: Option<i32>,
    key_version: Option<i32>,
    operation_type: Option<String>,
    run_outcome: Option<String>,
    run_reason_code: Option<String>,
    import_id: Option<Uuid>,
    added_count: Option<i64>,
    changed_count: Option<i64>,
    unchanged_count: Option<i64>,
    refused_count: Option<i64>,
    format: i32,
    previous_hash: String,
    hash: String,
}

/// A row of a chain, whatever is in it: an event that was tampered with may read back as none.
#[derive(Debug)]
pub(crate) struct ToldRow {
    pub(crate) number: i64,
    pub(crate) event: Option<ChainedEvent>,
}

impl<'r, R: Row> FromRow<'r, R> for ToldRow
where
    &'static str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    EventRow: FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let event = EventRow::from_row(row).ok().map(ChainedEvent::from);
        Ok(Self { number: row.try_get("number")?, event })
    }
}

impl From<EventRow> for ChainedEvent {
    fn from(row: EventRow) -> Self {
        Self {
            format: row.format,
            previous_hash: row.previous_hash,
            hash: row.hash,
            event: AuditEvent {
                action: row.action,
                actor_kind: row.actor_kind,
                actor_token_id: row.actor_token_id,
                actor_user_id: row.actor_user_id,
                added_count: row.added_count,
                attempted_action: row.attempted_action,
                canonical_subject_key: row.canonical_subject_key,
                changed_count: row.changed_count,
                denial: row.denial,
                event_id: row.event_id,
                import_id: row.import_id,
                key_version: row.key_version,
                kind: row.kind,
                managed_environment_id: row.managed_environment_id,
                new_binding_id: row.new_binding_id,
                new_binding_status: row.new_binding_status,
                new_resolution_mode: row.new_resolution_mode,
                note_hmac: row.note_hmac,
                note_key_version: row.note_key_version,
                note_length: row.note_length,
                number: row.number,
                occurred_at: row.occurred_at,
                old_binding_id: row.old_binding_id,
                old_binding_status: row.old_binding_status,
                old_resolution_mode: row.old_resolution_mode,
                old_role: row.old_role,
                operation_type: row.operation_type,
                provider_connection_id: row.provider_connection_id,
                provider_key: row.provider_key,
                refused_count: row.refused_count,
                request_id: row.request_id,
                resolution_reason: row.resolution_reason,
                role: row.role,
                run_outcome: row.run_outcome,
                run_reason_code: row.run_reason_code,
                source_baseline_snapshot_id: row.source_baseline_snapshot_id,
                source_inventory_item_id: row.source_inventory_item_id,
                source_operation_run_id: row.source_operation_run_id,
                source_policy_version_id: row.source_policy_version_id,
                subject_class: row.subject_class,
                subject_domain: row.subject_domain,
                subject_type_key: row.subject_type_key,
                target_id: row.target_id,
                unchanged_count: row.unchanged_count,
                workspace_id: row.workspace_id,
            },
        }
    }
}

macro_rules! event_columns {
    () => {
        "workspace_id, number, event_id, occurred_at, kind, managed_environment_id, actor_kind, actor_user_id, \
         actor_token_id, request_id, action, attempted_action, denial, target_id, role, old_role, provider_key, \
         provider_connection_id, canonical_subject_key, subject_domain, subject_class, subject_type_key, \
         old_binding_id, old_resolution_mode, old_binding_status, new_binding_id, new_resolution_mode, \
         new_binding_status, source_operation_run_id, source_baseline_snapshot_id, source_inventory_item_id, \
         source_policy_version_id, resolution_reason, note_length, note_hmac, note_key_version, \
         key_version, operation_type, run_outcome, run_reason_code, import_id, added_count, changed_count, \
         unchanged_count, refused_count, format, previous_hash, hash"
    };
}

impl ReadTx {
    /// The head of a workspace's chain.
    pub(crate) async fn chain_head(&mut self, workspace_id: Uuid) -> Result<Option<ChainHead>, StoreError> {
        let text = sql!(
            "chain_head",
            "SELECT last_number, last_hash, note_key_sealed, note_key_version FROM audit_heads \
             WHERE workspace_id = $1"
        );
        let row: Option<HeadRow> = on!(self.tx, |conn| sqlx::query_as(text).bind(workspace_id).fetch_optional(conn))?;
        row.map(ChainHead::try_from).transpose()
    }

    /// Events of a chain after a number, in order: of the workspace at large, and of the environments the user is
    /// entitled to; of one of these, if named.
    pub(crate) async fn audit_events(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
        environment_id: Option<Uuid>,
        after: i64,
        limit: i64,
    ) -> Result<Vec<ChainedEvent>, StoreError> {
        let text = sql!(
            "audit_events",
            concat!(
                "SELECT ",
                event_columns!(),
                " FROM audit_events e WHERE workspace_id = $1 AND number > $2 \
                 AND ($3 IS NULL OR managed_environment_id = $3) \
                 AND (managed_environment_id IS NULL OR EXISTS ( \
                     SELECT 1 FROM environment_entitlements t \
                     WHERE t.workspace_id = $1 AND t.managed_environment_id = e.managed_environment_id \
                     AND t.user_id = $4 AND t.ended_at IS NULL)) \
                 ORDER BY number LIMIT $5"
            )
        );
        let rows: Vec<EventRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(after)
            .bind(environment_id)
            .bind(user_id)
            .bind(limit)
            .fetch_all(conn))?;
        Ok(rows.into_iter().map(ChainedEvent::from).collect())
    }

    /// A piece of a whole chain: its rows after a number, in order.
    pub(crate) async fn chain(
        &mut self,
        workspace_id: Uuid,
        after: i64,
        limit: i64,
    ) -> Result<Vec<ToldRow>, StoreError> {
        let text = sql!(
            "chain",
            concat!(
                "SELECT ",
                event_columns!(),
                " FROM audit_events WHERE workspace_id = $1 AND number > $2 ORDER BY number LIMIT $3"
            )
        );
        Ok(on!(self.tx, |conn| sqlx::query_as(text).bind(workspace_id).bind(after).bind(limit).fetch_all(conn))?)
    }

    /// How a user stands to everything in a workspace: entitled, if to each environment there is. The same three
    /// statements whatever is there.
    pub(crate) async fn standing_to_all(&mut self, workspace_id: Uuid, user_id: Uuid) -> Result<Standing, StoreError> {
        let (standing, _) = self.standing(workspace_id, user_id, Uuid::nil()).await?;
        let text = sql!(
            "environment_hidden_from",
            "SELECT e.id FROM managed_environments e WHERE e.workspace_id = $1 AND NOT EXISTS ( \
                 SELECT 1 FROM environment_entitlements t \
                 WHERE t.workspace_id = $1 AND t.managed_environment_id = e.id AND t.user_id = $2 \
                 AND t.ended_at IS NULL) \
             LIMIT 1"
        );
        let hidden: Option<Uuid> =
            on!(self.tx, |conn| sqlx::query_scalar(text).bind(workspace_id).bind(user_id).fetch_optional(conn))?;
        Ok(match standing {
            Standing::Member(role) if hidden.is_none() => Standing::Entitled(role),
            standing => standing,
        })
    }
}

impl WriteTx {
    /// Starts a chain, unless it has been.
    pub(crate) async fn insert_chain_head(
        &mut self,
        workspace_id: Uuid,
        note_key: &SealedNoteKey,
    ) -> Result<bool, StoreError> {
        let text = sql!(
            "insert_chain_head",
            "INSERT INTO audit_heads \
             (workspace_id, last_number, last_hash, note_key_sealed, note_key_version, updated_at) \
             VALUES ($1, 0, $2, $3, 1, $4) ON CONFLICT (workspace_id) DO NOTHING"
        );
        let now = self.now;
        let started = run!(
            self.read.tx,
            sqlx::query(text).bind(workspace_id).bind(GENESIS_HASH).bind(note_key.as_bytes()).bind(now)
        )?;
        Ok(started == 1)
    }

    /// Puts a note key sealed anew in the place of the old one, unless somebody else has done so; says whether.
    pub(crate) async fn rewrap_note_key(
        &mut self,
        workspace_id: Uuid,
        old: &SealedNoteKey,
        new: &SealedNoteKey,
    ) -> Result<bool, StoreError> {
        let text = sql!(
            "rewrap_note_key",
            "UPDATE audit_heads SET note_key_sealed = $3, updated_at = $4 \
             WHERE workspace_id = $1 AND note_key_sealed = $2"
        );
        let now = self.now;
        let rewrapped = run!(
            self.read.tx,
            sqlx::query(text).bind(workspace_id).bind(old.as_bytes()).bind(new.as_bytes()).bind(now)
        )?;
        Ok(rewrapped == 1)
    }

    /// Gives the event its place in the chain and ends the transaction: both or neither. The head is the last row
    /// a transaction locks, so that writers wait for each other only here.
    ///
    /// # Errors
    /// When the chain has no head, its key does not open, or the database fails. Nothing was written, unless it
    /// says that the outcome is unknown.
    pub(crate) async fn commit(self, event: Draft) -> Result<(), Internal> {
        self.commit_all(event, Vec::new()).await
    }

    /// As [`WriteTx::commit`], for a transaction that did several things: each has an event of its own, one after the
    /// other in the order given. There is always a first.
    ///
    /// # Errors
    /// As [`WriteTx::commit`].
    pub(crate) async fn commit_all(mut self, first: Draft, rest: Vec<Draft>) -> Result<(), Internal> {
        let head = self.lock_head().await?.ok_or(StoreError::NotInitialised)?;
        let note_key = self.master.open_note_key(&head.note_key, self.workspace_id, head.note_key_version)?;
        let (mut number, mut hash) = (head.last_number, head.last_hash);
        let mut placed = Vec::with_capacity(rest.len().saturating_add(1));
        for draft in std::iter::once(first).chain(rest) {
            number = number.saturating_add(1);
            let event_id = self.new_id()?;
            let place = Place { workspace_id: self.workspace_id, number, event_id, occurred_at: self.now };
            let event = draft.placed(&place, &note_key);
            let json = event.canonical_json().map_err(|_| StoreError::Corrupt("event"))?;
            let previous_hash = hash;
            hash = chain_hash(&previous_hash, &json);
            placed.push(PlacedEvent { event, previous_hash, hash: hash.clone() });
        }
        self.insert_events(&placed).await?;
        self.move_head(number, &hash).await?;
        self.deadline.commit()?;
        match self.read.tx {
            Tx::Postgres(tx) => tx.commit().await,
            Tx::Sqlite(tx) => tx.commit().await,
        }
        .map_err(StoreError::while_committing)?;
        Ok(())
    }

    async fn lock_head(&mut self) -> Result<Option<ChainHead>, StoreError> {
        let workspace_id = self.workspace_id;
        let row: Option<HeadRow> = match &mut self.read.tx {
            Tx::Postgres(tx) => {
                let text = sql!(
                    "lock_head_postgres",
                    "SELECT last_number, last_hash, note_key_sealed, note_key_version FROM audit_heads \
                     WHERE workspace_id = $1 FOR UPDATE"
                );
                sqlx::query_as(text).bind(workspace_id).fetch_optional(&mut **tx).await?
            }
            // The transaction is the only writer there is.
            Tx::Sqlite(_) => return self.read.chain_head(workspace_id).await,
        };
        row.map(ChainHead::try_from).transpose()
    }

    async fn move_head(&mut self, number: i64, hash: &str) -> Result<(), StoreError> {
        let text = sql!(
            "move_head",
            "UPDATE audit_heads SET last_number = $2, last_hash = $3, updated_at = $4 WHERE workspace_id = $1"
        );
        let (workspace_id, now) = (self.workspace_id, self.now);
        run!(self.read.tx, sqlx::query(text).bind(workspace_id).bind(number).bind(hash).bind(now))?;
        Ok(())
    }

    pub(super) async fn insert_event(&mut self, placed: &PlacedEvent) -> Result<(), StoreError> {
        let PlacedEvent { event, previous_hash, hash } = placed;
        let text = sql!(
            "insert_event",
            concat!(
                "INSERT INTO audit_events (",
                event_columns!(),
                ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
                 $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, \
                 $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48)"
            )
        );
        run!(
            self.read.tx,
            sqlx::query(text)
                .bind(event.workspace_id)
                .bind(event.number)
                .bind(event.event_id)
                .bind(event.occurred_at)
                .bind(event.kind.as_str())
                .bind(event.managed_environment_id)
                .bind(event.actor_kind.as_str())
                .bind(event.actor_user_id)
                .bind(event.actor_token_id)
                .bind(event.request_id.as_deref())
                .bind(event.action.as_str())
                .bind(event.attempted_action.as_deref())
                .bind(event.denial.as_deref())
                .bind(event.target_id)
                .bind(event.role.as_deref())
                .bind(event.old_role.as_deref())
                .bind(event.provider_key.as_deref())
                .bind(event.provider_connection_id)
                .bind(event.canonical_subject_key.as_deref())
                .bind(event.subject_domain.as_deref())
                .bind(event.subject_class.as_deref())
                .bind(event.subject_type_key.as_deref())
                .bind(event.old_binding_id)
                .bind(event.old_resolution_mode.as_deref())
                .bind(event.old_binding_status.as_deref())
                .bind(event.new_binding_id)
                .bind(event.new_resolution_mode.as_deref())
                .bind(event.new_binding_status.as_deref())
                .bind(event.source_operation_run_id)
                .bind(event.source_baseline_snapshot_id)
                .bind(event.source_inventory_item_id)
                .bind(event.source_policy_version_id)
                .bind(event.resolution_reason.as_deref())
                .bind(event.note_length)
                .bind(event.note_hmac.as_deref())
                .bind(event.note_key_version)
                .bind(event.key_version)
                .bind(event.operation_type.as_deref())
                .bind(event.run_outcome.as_deref())
                .bind(event.run_reason_code.as_deref())
                .bind(event.import_id)
                .bind(event.added_count)
                .bind(event.changed_count)
                .bind(event.unchanged_count)
                .bind(event.refused_count)
                .bind(CHAIN_FORMAT)
                .bind(previous_hash.as_str())
                .bind(hash.as_str())
        )?;
        Ok(())
    }
}
