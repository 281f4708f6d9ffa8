//! Workers: take runs off the queue, have them worked on, keep their leases, and stop when told to.
//!
//! A worker knows no provider and no row: [`Service`] does the work, the gateway the talking. Several may run in one process,
//! beside a server or in one of their own, and in any number of processes: the queue sees to it that each run has one.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::actor::SystemActor;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::service::Service;
use crate::store::Lease;

/// How long a worker waits before it looks again where nothing was due.
const IDLE: Duration = Duration::from_millis(500);
/// The same where the database failed.
const FAILED: Duration = Duration::from_secs(2);
/// How long after a failure of the database a run is due again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How often a lease is moved on while it lasts.
const MOVES_IN_A_LEASE: u32 = 4;

/// What workers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// How long a run stays with a worker of which nothing is heard.
    pub lease: Duration,
    /// How long a run may go on when workers are told to stop; then it is left to others.
    pub grace: Duration,
}

impl Default for WorkerSettings {
    /// A minute, and half of one.
    fn default() -> Self {
        Self { lease: Duration::from_mins(1), grace: Duration::from_secs(30) }
    }
}

/// Somebody who works on runs. Cheap to clone; clones share the gateway, and so tokens of providers.
#[derive(Clone, Debug)]
pub struct Worker {
    service: Arc<Service>,
    gateway: Gateway,
    settings: WorkerSettings,
}

/// What became of a turn.
enum Turn {
    Nothing,
    Done,
    Failed(Error),
}

impl Worker {
    /// A worker on an installation.
    #[must_use]
    pub fn new(service: Arc<Service>, gateway: Gateway, settings: WorkerSettings) -> Self {
        Self { service, gateway, settings }
    }

    /// Works with so many hands until told to stop; then what is under way has its time to end, and what has not ended by
    /// then is given back.
    pub async fn work(&self, hands: usize, stop: &CancellationToken) {
        let mut working = JoinSet::new();
        for _ in 0..hands {
            let (worker, stop) = (self.clone(), stop.clone());
            working.spawn(async move { worker.work_alone(&stop).await });
        }
        while working.join_next().await.is_some() {}
    }

    async fn work_alone(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            // A turn that panics is one run's, which is left to its lease, and not the worker's end.
            let wait = match AssertUnwindSafe(self.turn(stop)).catch_unwind().await {
                Err(_) => {
                    tracing::error!("a worker broke over a run, and goes on with the next");
                    FAILED
                }
                Ok(Turn::Done) => continue,
                Ok(Turn::Nothing) => IDLE,
                Ok(Turn::Failed(error)) => {
                    tracing::error!(code = error.code(), %error, "a worker could not go on");
                    FAILED
                }
            };
            stop.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
    }

    /// Takes one run, if one is due, and works on it to its end. True if there was one.
    ///
    /// # Errors
    /// Those of the database. The run is then left to be taken again.
    pub async fn work_once(&self) -> Result<bool, Error> {
        match self.turn(&CancellationToken::new()).await {
            Turn::Nothing => Ok(false),
            Turn::Done => Ok(true),
            Turn::Failed(error) => Err(error),
        }
    }

    async fn turn(&self, stop: &CancellationToken) -> Turn {
        let system = SystemActor::of_the_host();
        let lease = match self.service.take_run(&system, self.settings.lease).await {
            Ok(Some(lease)) => lease,
            Ok(None) => return Turn::Nothing,
            Err(error) => return Turn::Failed(error),
        };
        tracing::info!(run_id = %lease.run_id, "a run was taken");
        tokio::select! {
            done = self.service.work_on(&system, lease, &self.gateway) => match done {
                Ok(()) => Turn::Done,
                Err(error) => {
                    self.give_back(&system, lease, RETRY_AFTER).await;
                    Turn::Failed(error)
                }
            },
            () = self.keep(&system, lease) => {
                tracing::warn!(run_id = %lease.run_id, "a run was lost to somebody else, or ended by somebody");
                Turn::Done
            }
            () = self.out_of_time(stop) => {
                tracing::warn!(run_id = %lease.run_id, "a run was given back, because this worker stops");
                self.give_back(&system, lease, Duration::ZERO).await;
                Turn::Done
            }
        }
    }

    /// Moves a lease on, again and again; ends when it is no longer held.
    async fn keep(&self, system: &SystemActor, lease: Lease) {
        let every = self.settings.lease / MOVES_IN_A_LEASE;
        loop {
            tokio::time::sleep(every).await;
            match self.service.keep_run(system, lease, self.settings.lease).await {
                Ok(true) => {}
                Ok(false) => return,
                // It is moved on by the next turn, or it passes, and whatever is written under it is refused.
                Err(error) => tracing::warn!(run_id = %lease.run_id, code = error.code(), "a lease was not moved on"),
            }
        }
    }

    /// Ends when stopping has taken its time.
    async fn out_of_time(&self, stop: &CancellationToken) {
        stop.cancelled().await;
        tokio::time::sleep(self.settings.grace).await;
    }

    async fn give_back(&self, system: &SystemActor, lease: Lease, after: Duration) {
        if let Err(error) = self.service.give_run_back(system, lease, after).await {
            tracing::warn!(run_id = %lease.run_id, code = error.code(), "a run was not given back, and waits for its lease");
        }
    }
}
