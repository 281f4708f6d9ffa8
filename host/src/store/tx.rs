//! Transactions as services see them.
//!
//! [`ReadTx`] has the methods that read; it is opened on a transaction that cannot write. [`WriteTx`] has
//! those too and the ones that write, and is committed by `commit` alone, which takes the event that tells of
//! the change (`audit.rs`). Dropped, it leaves no trace.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::StoreError;
use super::engine::Tx;
use crate::clock::{Ids, NoRandomness, Timestamp};
use crate::secret::MasterKeys;
use crate::workspace::PLATFORM_WORKSPACE;

/// A transaction that reads.
#[derive(Debug)]
pub(crate) struct ReadTx {
    pub(super) tx: Tx,
}

impl ReadTx {
    pub(super) fn new(tx: Tx) -> Self {
        Self { tx }
    }
}

/// Until when a mutation may do everything before its COMMIT is sent (P381-14). From then on it is awaited, however
/// long it takes: whether it happened must be known.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    committing: Arc<watch::Sender<bool>>,
}

impl Deadline {
    /// So long from now.
    pub(crate) fn after(time: Duration) -> Self {
        Self { at: Instant::now() + time, committing: Arc::new(watch::Sender::new(false)) }
    }

    /// Says that the transaction is begun, or begun again: a COMMIT that was refused is no longer awaited.
    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        self.committing.send_replace(false);
        self.refuse_late()
    }

    /// What is left, to the millisecond, and never nothing: to an engine 0 means for ever.
    pub(super) fn left_ms(&self) -> u128 {
        self.at.saturating_duration_since(Instant::now()).as_millis().max(1)
    }

    /// Ends when the time is up and nothing is being committed.
    pub(crate) async fn passed(&self) {
        tokio::time::sleep_until(self.at).await;
        // It can only fail without a sender, and this is one.
        let _ = self.committing.subscribe().wait_for(|committing| !committing).await;
    }

    /// Says that COMMIT is about to be sent, if there is time.
    pub(super) fn commit(&self) -> Result<(), StoreError> {
        self.refuse_late()?;
        self.committing.send_replace(true);
        Ok(())
    }

    fn refuse_late(&self) -> Result<(), StoreError> {
        if Instant::now() >= self.at { Err(StoreError::DeadlineExceeded) } else { Ok(()) }
    }
}

/// A transaction that writes.
#[derive(Debug)]
pub(crate) struct WriteTx {
    pub(super) read: ReadTx,
    pub(super) workspace_id: Uuid,
    pub(super) now: Timestamp,
    pub(super) deadline: Deadline,
    pub(super) ids: Ids,
    pub(super) master: Arc<MasterKeys>,
}

impl WriteTx {
    /// When this transaction says it happened.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// A new id.
    pub(crate) fn new_id(&self) -> Result<Uuid, NoRandomness> {
        self.ids.next(self.now)
    }

    /// Has the event told in the platform's own chain: a tenant's log never shows a stranger (X43).
    pub(crate) async fn tell_the_platform(&mut self) -> Result<(), StoreError> {
        if let Tx::Postgres(tx) = &mut self.read.tx {
            sqlx::raw_sql(AssertSqlSafe(scope_to(PLATFORM_WORKSPACE))).execute(&mut **tx).await?;
        }
        self.workspace_id = PLATFORM_WORKSPACE;
        Ok(())
    }
}

/// Says which workspace the rest of a PostgreSQL transaction sees.
pub(super) fn scope_to(workspace_id: Uuid) -> String {
    format!("SET LOCAL provident.workspace_id = '{workspace_id}'")
}

impl Deref for WriteTx {
    type Target = ReadTx;

    fn deref(&self) -> &ReadTx {
        &self.read
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut ReadTx {
        &mut self.read
    }
}
