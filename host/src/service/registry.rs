//! Registry: mirroring rows a platform keeps.
//!
//! A sync comes in pieces of at most [`MAX_CHUNK_OBJECTS`] lines, each a transaction with an event of its own. It adds
//! and changes mirrored rows and no others; what it does not contain it says nothing about, and nothing is deleted. A
//! second time it finds everything as it is and writes nothing but its events. Which line does what is in `registry/`.

mod connections;
mod known;
mod mirror;
mod sources;

use std::collections::HashMap;

use uuid::Uuid;

use self::mirror::{Mirror, Sighting};
use super::membership::standing_alone;
use super::{Ask, MAX_CHUNK_OBJECTS, Service};
use crate::actor::Actor;
use crate::audit::{Draft, Operation};
use crate::error::Error;
use crate::inventory::ImportCounts;
use crate::policy::Capability;
use crate::registry::{LineAnswer, RegistryItem, SyncChunk};
use crate::store::WriteTx;
use crate::workspace::WorkspaceRef;

/// A sync under way: by whom, into what, and how far. Ended by [`Service::finish_sync`]; abandoned, what it mirrored so
/// far stays.
#[derive(Debug)]
pub struct RegistrySync {
    id: Uuid,
    actor: Actor,
    workspace_id: Uuid,
    totals: ImportCounts,
    /// Which rows it has spoken of, and where: of two lines about one row that say different things, one is wrong.
    seen: HashMap<Sighting, u64>,
}

impl RegistrySync {
    /// Its id, in every event of it.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn totals(&self) -> ImportCounts {
        self.totals
    }
}

impl Service {
    /// Begins to mirror rows of a platform into a workspace. Lines that are known by now are judged together, so that none
    /// is mirrored where one of them may not be; those that come later are judged with their piece.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn begin_sync(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        known: &[RegistryItem],
    ) -> Result<RegistrySync, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let id = self.ids.next(self.clock.now())?;
        let sync = RegistrySync { id, actor, workspace_id, totals: ImportCounts::default(), seen: HashMap::new() };
        // Nothing is written yet; the transaction is there for the event of a denial.
        let once = |tx| self.syncing(tx, &sync, Operation::RegistrySync, asked_by(known));
        self.mutate(workspace_id, once).await?;
        Ok(sync)
    }

    /// Mirrors a piece of a sync: lines in the order of their positions, read or refused already. Lines about members,
    /// entitlements and environments give authority, and take an actor who may.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `import-chunk-too-large`. What is wrong with a line is in the answer.
    pub async fn sync_chunk(&self, sync: &mut RegistrySync, items: &[RegistryItem]) -> Result<SyncChunk, Error> {
        if items.len() > MAX_CHUNK_OBJECTS {
            return Err(Error::invalid("import-chunk-too-large", "items", "at most 500 lines at once"));
        }
        let (chunk, seen) = self.mutate(sync.workspace_id, |tx| self.sync_chunk_once(tx, sync, items)).await?;
        sync.totals.add(chunk.counts);
        sync.seen.extend(seen);
        Ok(chunk)
    }

    async fn sync_chunk_once(
        &self,
        tx: WriteTx,
        sync: &RegistrySync,
        items: &[RegistryItem],
    ) -> Result<(SyncChunk, HashMap<Sighting, u64>), Error> {
        let operation = Operation::RegistrySync;
        let lines = || items.iter().filter_map(|item| item.as_ref().ok());
        let mut tx = self.syncing(tx, sync, operation, asked_by(items)).await?;
        let mut mirror = Mirror::of(&mut tx, sync.workspace_id, sync.actor.user_id(), &sync.seen, lines()).await?;
        let mut chunk = SyncChunk { counts: ImportCounts::default(), answers: Vec::with_capacity(items.len()) };
        for item in items {
            let answer = match item {
                Ok(line) => mirror.answer(&mut tx, line).await?,
                Err(refusal) => LineAnswer::Refused(refusal.clone()),
            };
            let count = match &answer {
                LineAnswer::Added(_) => &mut chunk.counts.added,
                LineAnswer::Changed(_) => &mut chunk.counts.changed,
                LineAnswer::Unchanged(_) => &mut chunk.counts.unchanged,
                LineAnswer::Refused(_) => &mut chunk.counts.refused,
            };
            *count = count.saturating_add(1);
            chunk.answers.push(answer);
        }
        let seen = mirror.into_seen();
        tx.commit(about(operation, sync, chunk.counts)).await?;
        Ok((chunk, seen))
    }

    /// Ends a sync; its last event carries the totals. The sync stays in hand, to be ended again if it was not.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn finish_sync(&self, sync: &RegistrySync) -> Result<ImportCounts, Error> {
        self.mutate(sync.workspace_id, |tx| self.finish_sync_once(tx, sync)).await?;
        Ok(sync.totals)
    }

    async fn finish_sync_once(&self, tx: WriteTx, sync: &RegistrySync) -> Result<(), Error> {
        let operation = Operation::RegistrySyncFinish;
        let tx = self.syncing(tx, sync, operation, Capability::RegistrySync).await?;
        tx.commit(about(operation, sync, sync.totals)).await?;
        Ok(())
    }

    /// A transaction of somebody who may sync, and the only one of its kind in the workspace.
    async fn syncing(
        &self,
        mut tx: WriteTx,
        sync: &RegistrySync,
        operation: Operation,
        capability: Capability,
    ) -> Result<WriteTx, Error> {
        let (standing, _) = standing_alone(&mut tx, sync.workspace_id, sync.actor, Uuid::nil()).await?;
        let ask = Ask::workspace(sync.actor, operation, capability);
        let (tx, ()) = self.admit(tx, ask, standing, None, Some(())).await?;
        Ok(tx)
    }
}

/// What lines ask of whoever has them mirrored: nobody gives what they could not give one by one.
fn asked_by(items: &[RegistryItem]) -> Capability {
    if items.iter().flatten().any(|line| line.record.gives_authority()) {
        Capability::WorkspaceManage
    } else {
        Capability::RegistrySync
    }
}

fn about(operation: Operation, sync: &RegistrySync, counts: ImportCounts) -> Draft {
    let mut event = Draft::by(operation, sync.actor);
    event.import = Some((sync.id, counts));
    event
}
