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
use super::platform::Lease;
use super::tx::Deadline;
use crate::clock::Timestamp;

/// Every table that changes without an event.
pub const HOUSEKEEPING_TABLES: &[&str] = &["idempotency_keys", "run_queue"];

/// A transaction that tidies up in one workspace.
#[derive(Debug)]
pub(crate) struct HousekeepingTx {
    tx: Tx,
    workspace_id: Uuid,
    now: Timestamp,
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

    /// Takes the run that has been due for the longest, of those nobody else takes at this moment.
    pub(crate) async fn take_run(&mut self, taken_by: Uuid, until: Timestamp) -> Result<Option<Lease>, StoreError> {
        let now = self.now;
        let due: Option<(Uuid, Uuid, Option<Uuid>)> = match &mut self.tx {
            Tx::Postgres(tx) => {
                let text = sql!(
                    "due_run_postgres",
                    "SELECT workspace_id, run_id, lease_id FROM run_queue WHERE due_at <= $1 ORDER BY due_at LIMIT 1 \
                     FOR UPDATE SKIP LOCKED"
                );
                sqlx::query_as(text).bind(now).fetch_optional(&mut **tx).await?
            }
            Tx::Sqlite(tx) => {
                let text = sql!(
                    "due_run_sqlite",
                    "SELECT workspace_id, run_id, lease_id FROM run_queue WHERE due_at <= $1 ORDER BY due_at LIMIT 1"
                );
                sqlx::query_as(text).bind(now).fetch_optional(&mut **tx).await?
            }
        };
        let Some((workspace_id, run_id, before)) = due else { return Ok(None) };
        let text =
            sql!("take_run", "UPDATE run_queue SET lease_id = $3, due_at = $4 WHERE workspace_id = $1 AND run_id = $2");
        run!(self.tx, sqlx::query(text).bind(workspace_id).bind(run_id).bind(taken_by).bind(until))?;
        Ok(Some(Lease { workspace_id, run_id, taken_by, is_left_behind: before.is_some() }))
    }

    /// Moves the end of a lease. False if it is no longer this one's.
    pub(crate) async fn move_lease(&mut self, lease: Lease, until: Timestamp) -> Result<bool, StoreError> {
        let text = sql!(
            "move_lease",
            "UPDATE run_queue SET due_at = $4 WHERE workspace_id = $1 AND run_id = $2 AND lease_id = $3"
        );
        let Lease { workspace_id, run_id, taken_by, .. } = lease;
        let moved = run!(self.tx, sqlx::query(text).bind(workspace_id).bind(run_id).bind(taken_by).bind(until))?;
        Ok(moved == 1)
    }

    /// Gives a run back, to be due at a time. False if it is no longer this one's.
    pub(crate) async fn give_run_back(&mut self, lease: Lease, due_at: Timestamp) -> Result<bool, StoreError> {
        let text = sql!(
            "give_run_back",
            "UPDATE run_queue SET due_at = $4, lease_id = NULL WHERE workspace_id = $1 AND run_id = $2 AND lease_id = $3"
        );
        let Lease { workspace_id, run_id, taken_by, .. } = lease;
        let given = run!(self.tx, sqlx::query(text).bind(workspace_id).bind(run_id).bind(taken_by).bind(due_at))?;
        Ok(given == 1)
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
