//! Transactions as services see them.
//!
//! [`ReadTx`] has the methods that read; it is opened on a transaction that cannot write. [`WriteTx`] has
//! those too and the ones that write, and is committed by `commit` alone, which takes the event that tells of
//! the change (`audit.rs`). Dropped, it leaves no trace.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use uuid::Uuid;

use super::engine::Tx;
use crate::clock::{Ids, NoRandomness, Timestamp};
use crate::secret::MasterKey;
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

/// A transaction that writes.
#[derive(Debug)]
pub(crate) struct WriteTx {
    pub(super) read: ReadTx,
    pub(super) workspace_id: Uuid,
    pub(super) now: Timestamp,
    pub(super) ids: Ids,
    pub(super) master: Arc<MasterKey>,
}

impl WriteTx {
    pub(super) fn new(read: ReadTx, workspace_id: Uuid, now: Timestamp, ids: Ids, master: Arc<MasterKey>) -> Self {
        Self { read, workspace_id, now, ids, master }
    }

    /// When this transaction says it happened.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// A new id.
    pub(crate) fn new_id(&self) -> Result<Uuid, NoRandomness> {
        self.ids.next(self.now)
    }

    /// Has the event told in the platform's own chain: a tenant's log never shows a stranger (X43).
    pub(crate) fn tell_the_platform(&mut self) {
        self.workspace_id = PLATFORM_WORKSPACE;
    }
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
