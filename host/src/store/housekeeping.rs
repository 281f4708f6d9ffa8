//! Housekeeping: the one way to commit without an event, and the few tables it may touch.
//!
//! [`HousekeepingTx`] is a type of its own: a transaction of services cannot be ended like this one, and this one has no
//! statement but those in this file, which name the tables of [`HOUSEKEEPING_TABLES`] and no others. What lies in them
//! says nothing that an event does not say too.

use uuid::Uuid;

use super::StoreError;
use super::engine::{Tx, run, sql};
use super::idempotency::oldest;
use super::open::Store;
use super::tx::Deadline;
use crate::clock::Timestamp;

/// Every table that changes without an event.
pub const HOUSEKEEPING_TABLES: &[&str] = &["idempotency_keys", "run_queue"];

/// A transaction that tidies up in one workspace.
#[derive(Debug)]
pub(crate) struct HousekeepingTx {
    pub(super) tx: Tx,
    workspace_id: Uuid,
    pub(super) now: Timestamp,
    deadline: Deadline,
}

impl Store {
    /// Begins to tidy up in a workspace.
    pub(crate) async fn housekeeping(
        &self,
        workspace_id: Uuid,
        deadline: &Deadline,
        now: Timestamp,
    ) -> Result<HousekeepingTx, StoreError> {
        let tx = self.begin_write(workspace_id, deadline).await?;
        Ok(HousekeepingTx { tx, workspace_id, now, deadline: deadline.clone() })
    }
}

impl HousekeepingTx {
    /// Deletes idempotency keys whose time is up, the oldest first and at most so many; says how many. One that is
    /// taken anew at this moment stays.
    pub(crate) async fn delete_expired_keys(&mut self, most: i64) -> Result<u64, StoreError> {
        let text = sql!(
            "delete_expired_keys",
            "DELETE FROM idempotency_keys WHERE workspace_id = $1 AND created_at <= $2 \
             AND (acting_user_id, idempotency_key) IN ( \
                 SELECT o.acting_user_id, o.idempotency_key FROM idempotency_keys o \
                 WHERE o.workspace_id = $1 AND o.created_at <= $2 ORDER BY o.created_at LIMIT $3)"
        );
        let (workspace_id, oldest) = (self.workspace_id, oldest(self.now));
        Ok(run!(self.tx, sqlx::query(text).bind(workspace_id).bind(oldest).bind(most))?)
    }

    /// Ends the transaction, without an event.
    pub(crate) async fn commit_housekeeping(self) -> Result<(), StoreError> {
        self.deadline.commit()?;
        match self.tx {
            Tx::Postgres(tx) => tx.commit().await,
            Tx::Sqlite(tx) => tx.commit().await,
        }
        .map_err(StoreError::while_committing)
    }
}
