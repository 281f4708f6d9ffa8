//! Idempotency keys: what was done under which, written in the transaction that did it.

use sqlx::FromRow;
use uuid::Uuid;

use super::StoreError;
use super::engine::{on, run, sql};
use super::tx::WriteTx;
use crate::clock::Timestamp;
use crate::idempotency::{IdempotencyKey, KEY_LIFETIME};

/// What an actor has done under a key, or is about to.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct KeyedRequest {
    /// The operation.
    pub(crate) operation: String,
    /// 64 hex digits that stand for the whole request.
    pub(crate) request_sha256: String,
    /// The binding it makes or ends.
    pub(crate) binding_id: Uuid,
}

/// From when on a key still counts.
pub(super) fn oldest(now: Timestamp) -> Timestamp {
    let lifetime_us = i64::try_from(KEY_LIFETIME.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.as_micros().saturating_sub(lifetime_us))
}

impl WriteTx {
    /// Takes a key for a request, or gives what was done under it. Whoever takes it makes all others with the same key
    /// wait until this transaction has ended. A key whose time is up is taken as a new one is.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if what was done under it has just gone.
    pub(crate) async fn claim_key(
        &mut self,
        acting_user_id: Uuid,
        key: &IdempotencyKey,
        request: &KeyedRequest,
    ) -> Result<Option<KeyedRequest>, StoreError> {
        if self.insert_key(acting_user_id, key, request).await? {
            return Ok(None);
        }
        let text = sql!(
            "idempotency_key",
            "SELECT operation, request_sha256, binding_id FROM idempotency_keys \
             WHERE workspace_id = $1 AND acting_user_id = $2 AND idempotency_key = $3"
        );
        let workspace_id = self.workspace_id;
        let before: Option<KeyedRequest> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(acting_user_id)
            .bind(key.as_str())
            .fetch_optional(conn))?;
        before.map(Some).ok_or(StoreError::Busy)
    }

    /// Gives a key back that this transaction has claimed for a binding it did not make after all.
    pub(crate) async fn release_key(
        &mut self,
        acting_user_id: Uuid,
        key: &IdempotencyKey,
        binding_id: Uuid,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "release_idempotency_key",
            "DELETE FROM idempotency_keys \
             WHERE workspace_id = $1 AND acting_user_id = $2 AND idempotency_key = $3 AND binding_id = $4"
        );
        let workspace_id = self.workspace_id;
        run!(
            self.read.tx,
            sqlx::query(text).bind(workspace_id).bind(acting_user_id).bind(key.as_str()).bind(binding_id)
        )?;
        Ok(())
    }

    async fn insert_key(
        &mut self,
        acting_user_id: Uuid,
        key: &IdempotencyKey,
        request: &KeyedRequest,
    ) -> Result<bool, StoreError> {
        let text = sql!(
            "insert_idempotency_key",
            "INSERT INTO idempotency_keys ( \
                 workspace_id, acting_user_id, idempotency_key, operation, request_sha256, binding_id, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (workspace_id, acting_user_id, idempotency_key) DO UPDATE \
             SET operation = excluded.operation, request_sha256 = excluded.request_sha256, \
                 binding_id = excluded.binding_id, created_at = excluded.created_at \
             WHERE idempotency_keys.created_at <= $8"
        );
        let (workspace_id, now) = (self.workspace_id, self.now);
        let written = run!(
            self.read.tx,
            sqlx::query(text)
                .bind(workspace_id)
                .bind(acting_user_id)
                .bind(key.as_str())
                .bind(request.operation.as_str())
                .bind(request.request_sha256.as_str())
                .bind(request.binding_id)
                .bind(now)
                .bind(oldest(now))
        )?;
        Ok(written == 1)
    }
}
