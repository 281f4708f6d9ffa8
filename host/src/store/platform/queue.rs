//! The queue of runs: which are due, and who has them. A place to take work from and nothing else: what a run is and how far,
//! its own row says, in its workspace.
//!
//! A lease is a due time to come and the name of whoever works until then. Whoever lives moves it on; whoever dies leaves the
//! run to be taken when it has passed. Taking and moving are housekeeping, and stand there. Everything a worker writes about a run is written under its lease
//! ([`WriteTx::holds_lease`]), so that one who was thought dead changes nothing any more.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::engine::{Tx, alone, run, sql};
use crate::store::open::Store;
use crate::store::tx::WriteTx;

/// A run that somebody has to themselves for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) workspace_id: Uuid,
    pub(crate) run_id: Uuid,
    pub(crate) taken_by: Uuid,
    /// Whether whoever had it before never gave it back: they died.
    pub(crate) is_left_behind: bool,
}

impl Store {
    /// Whether a run is due. Asked before one is taken, because taking waits for other writers.
    pub(crate) async fn is_run_due(&self, now: Timestamp) -> Result<bool, StoreError> {
        let text = sql!("is_run_due", "SELECT run_id FROM run_queue WHERE due_at <= $1 LIMIT 1");
        let due: Option<Uuid> = alone!(self.engine, |pool| sqlx::query_scalar(text).bind(now).fetch_optional(pool))?;
        Ok(due.is_some())
    }
}

impl WriteTx {
    /// Has a run be due from now on.
    pub(in crate::store) async fn insert_queued(&mut self, workspace_id: Uuid, run_id: Uuid) -> Result<(), StoreError> {
        let text = sql!("insert_queued", "INSERT INTO run_queue (workspace_id, run_id, due_at) VALUES ($1, $2, $3)");
        let now = self.now;
        run!(self.read.tx, sqlx::query(text).bind(workspace_id).bind(run_id).bind(now))?;
        Ok(())
    }

    /// Has a run never be due again.
    pub(in crate::store) async fn delete_queued(&mut self, workspace_id: Uuid, run_id: Uuid) -> Result<(), StoreError> {
        let text = sql!("delete_queued", "DELETE FROM run_queue WHERE workspace_id = $1 AND run_id = $2");
        run!(self.read.tx, sqlx::query(text).bind(workspace_id).bind(run_id))?;
        Ok(())
    }

    /// Whether a lease is still its holder's. Until the transaction ends, nobody takes it over.
    pub(crate) async fn holds_lease(&mut self, lease: Lease) -> Result<bool, StoreError> {
        let Lease { workspace_id, run_id, taken_by, .. } = lease;
        let held: Option<Uuid> = match &mut self.read.tx {
            Tx::Postgres(tx) => {
                let text = sql!(
                    "holds_lease_postgres",
                    "SELECT run_id FROM run_queue WHERE workspace_id = $1 AND run_id = $2 AND lease_id = $3 FOR SHARE"
                );
                let query = sqlx::query_scalar(text).bind(workspace_id).bind(run_id).bind(taken_by);
                query.fetch_optional(&mut **tx).await?
            }
            Tx::Sqlite(tx) => {
                let text = sql!(
                    "holds_lease_sqlite",
                    "SELECT run_id FROM run_queue WHERE workspace_id = $1 AND run_id = $2 AND lease_id = $3"
                );
                let query = sqlx::query_scalar(text).bind(workspace_id).bind(run_id).bind(taken_by);
                query.fetch_optional(&mut **tx).await?
            }
        };
        Ok(held.is_some())
    }
}
