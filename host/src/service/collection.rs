//! Collections: what a provider's pages say, taken into an environment's inventory for a run.
//!
//! As an import, in pieces of at most 500 objects, each a transaction with an event of its own; every one under the run's
//! lease, and with how far the run is, so that whoever watches it sees it move. What a complete collection has not seen is
//! marked, never deleted, and what is bound stays bound (S380-02, P061-18).

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use provident_identity::Adapter;
use uuid::Uuid;

use super::inventory::{Described, Seeing, described, take_all_in};
use super::run::about_run;
use super::work::Work;
use super::{ImportChunk, MAX_CHUNK_OBJECTS, Service, compute};
use crate::actor::SystemActor;
use crate::audit::{Draft, Operation};
use crate::binding::Decider;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::gateway::{Contract, Failure};
use crate::inventory::{ImportCounts, ImportItem, ImportRefusal};
use crate::provider::InventorySink;
use crate::run::{CountKey, ReasonCode, SummaryCounts};
use crate::store::{Through, WriteTx};

/// Most items that one transaction marks.
const MARKED_AT_ONCE: i64 = 500;

/// Why work on a run does not go on.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The run is somebody else's by now, or has ended.
    Lost,
    /// The program or what it stands on failed.
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Takes the pages of a run in.
pub(super) struct Collector<'a> {
    service: &'a Service,
    work: &'a Work,
    adapter: Adapter,
    adapter_digest: String,
    import_id: Uuid,
    begun_at: Timestamp,
    counts: SummaryCounts,
    /// Contracts that gave something that was not taken: what they cover may still be there, whatever was seen of it.
    doubtful: BTreeSet<&'static str>,
    stopped: Option<Stopped>,
}

impl<'a> Collector<'a> {
    /// Begins a collection: one of its own for each attempt at a run, because one that is begun again sees everything anew.
    pub(super) fn new(service: &'a Service, _system: &SystemActor, work: &'a Work) -> Result<Self, Stopped> {
        let adapter = Adapter::embedded(&work.connection.provider_key).map_err(Error::from)?;
        let adapter_digest = format!("sha256:{}", adapter.sha256());
        let begun_at = service.clock.now();
        let import_id = service.ids.next(begun_at).map_err(Error::from)?;
        let (counts, doubtful) = (SummaryCounts::default(), BTreeSet::new());
        Ok(Self { service, work, adapter, adapter_digest, import_id, begun_at, counts, doubtful, stopped: None })
    }

    /// Why it does not go on, if it does not.
    pub(super) fn stopped(&mut self) -> Result<(), Stopped> {
        self.stopped.take().map_or(Ok(()), Err)
    }

    /// Whether everything a contract gave was taken. What is gone can be told only then.
    pub(super) fn has_taken_all_of(&self, contract: &Contract) -> bool {
        !self.doubtful.contains(contract.name())
    }

    /// What was counted.
    pub(super) fn into_counts(self) -> SummaryCounts {
        self.counts
    }

    fn seeing(&self) -> Seeing<'_> {
        let through = Through { run_id: self.work.run.id, connection_id: self.work.connection.id };
        Seeing { import_id: self.import_id, adapter_digest: Some(&self.adapter_digest), through: Some(through) }
    }

    async fn take_page(&mut self, contract: &'static Contract, page: &str) -> Result<(), Stopped> {
        self.counts.add(CountKey::Pages, 1);
        let from = self.counts.get(CountKey::Objects);
        let items = compute(|| described(&self.adapter, page, from));
        // A page may be empty and still has been read: whoever watches is told.
        let mut chunks = items.chunks(MAX_CHUNK_OBJECTS).peekable();
        if chunks.peek().is_none() {
            return self.take_chunk(contract, &[]).await;
        }
        for chunk in chunks {
            self.take_chunk(contract, chunk).await?;
        }
        Ok(())
    }

    async fn take_chunk(&mut self, contract: &'static Contract, items: &[ImportItem]) -> Result<(), Stopped> {
        let (described, refusals) = self.service.describe_all(items)?;
        let this = &*self;
        let once = |tx| this.take_chunk_once(tx, items.len(), &described, &refusals);
        let taken = self.service.mutate(self.work.run.workspace_id, once).await?;
        let Some((ImportChunk { refusals, .. }, counts)) = taken else { return Err(Stopped::Lost) };
        self.counts = counts;
        for refusal in refusals {
            // The same key twice has been seen, whichever of the two is right.
            if refusal.first_position.is_none() {
                self.doubtful.insert(contract.name());
            }
            let (run_id, position, code) = (self.work.run.id, refusal.position, refusal.code.as_str());
            tracing::warn!(%run_id, contract = contract.name(), position, code, "an object of the provider was not taken");
        }
        Ok(())
    }

    async fn take_chunk_once(
        &self,
        tx: WriteTx,
        objects: usize,
        described: &[Described<'_>],
        refused: &[ImportRefusal],
    ) -> Result<Option<(ImportChunk, SummaryCounts)>, Error> {
        let Some(mut tx) = self.held(tx).await? else { return Ok(None) };
        let chunk = take_all_in(&mut tx, &self.work.scope, self.seeing(), described, refused).await?;
        let counts = plus(&self.counts, objects, chunk.counts);
        if !tx.update_run_counts(self.work.run.workspace_id, self.work.run.id, &counts).await? {
            return Ok(None);
        }
        tx.commit(self.about(Operation::InventoryCollect, chunk.counts)).await?;
        Ok(Some((chunk, counts)))
    }

    /// Marks what complete readings of these types have not seen.
    pub(super) async fn mark_not_observed(&mut self, types: &[&str]) -> Result<(), Stopped> {
        loop {
            let this = &*self;
            let marked = self.service.mutate(self.work.run.workspace_id, |tx| this.mark_once(tx, types)).await?;
            match marked {
                None => return Err(Stopped::Lost),
                Some(0) => return Ok(()),
                Some(marked) => self.counts.add(CountKey::NotObserved, marked),
            }
        }
    }

    async fn mark_once(&self, tx: WriteTx, types: &[&str]) -> Result<Option<u64>, Error> {
        let Some(mut tx) = self.held(tx).await? else { return Ok(None) };
        let mut marked = 0_u64;
        for subject_type_key in types {
            let left = MARKED_AT_ONCE.saturating_sub(i64::try_from(marked).unwrap_or(i64::MAX));
            if left <= 0 {
                break;
            }
            let what = (self.work.connection.provider_key.as_str(), *subject_type_key);
            let rows = tx.mark_not_observed(&self.work.scope, what, (self.import_id, self.begun_at), left).await?;
            marked = marked.saturating_add(rows);
        }
        if marked > 0 {
            let mut counts = self.counts.clone();
            counts.add(CountKey::NotObserved, marked);
            if !tx.update_run_counts(self.work.run.workspace_id, self.work.run.id, &counts).await? {
                return Ok(None);
            }
            let changed = ImportCounts { changed: marked, ..ImportCounts::default() };
            tx.commit(self.about(Operation::InventoryMark, changed)).await?;
        }
        Ok(Some(marked))
    }

    /// A transaction of somebody who still has the run.
    async fn held(&self, mut tx: WriteTx) -> Result<Option<WriteTx>, Error> {
        Ok(tx.holds_lease(self.work.lease).await?.then_some(tx))
    }

    fn about(&self, operation: Operation, counts: ImportCounts) -> Draft {
        let mut event = Draft::new(operation, Decider::System);
        event.environment_id = Some(self.work.run.environment_id);
        event.import = Some((self.import_id, counts));
        about_run(&mut event, &self.work.run);
        event
    }
}

impl InventorySink for Collector<'_> {
    fn page<'a>(&'a mut self, contract: &'static Contract, page: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.take_page(contract, page).await.map_err(|stopped| {
                self.stopped = Some(stopped);
                // Told to whoever reads pages, so that they stop; why is kept here.
                Failure::of(ReasonCode::InternalError, contract)
            })
        })
    }
}

fn plus(counts: &SummaryCounts, objects: usize, chunk: ImportCounts) -> SummaryCounts {
    let mut counts = counts.clone();
    counts.add(CountKey::Objects, u64::try_from(objects).unwrap_or(u64::MAX));
    counts.add(CountKey::Added, chunk.added);
    counts.add(CountKey::Changed, chunk.changed);
    counts.add(CountKey::Unchanged, chunk.unchanged);
    counts.add(CountKey::Refused, chunk.refused);
    counts
}
