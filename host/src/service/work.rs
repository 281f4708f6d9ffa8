//! Work on runs: taken, begun, done through the gateway and ended, by workers and nobody else.
//!
//! Whoever has a lease works; whatever they write about the run or take in for it is written under that lease, so that of two
//! who both believe to have it one changes nothing. A run that is begun for the fourth time has killed three workers and is
//! ended instead. Why a run fails is a [`ReasonCode`] and our own words for it (P061-25).

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::Service;
use super::collection::{Collector, Stopped};
use super::connection::mark;
use super::run::{about_run, end};
use crate::actor::SystemActor;
use crate::audit::{Draft, Operation, RunMark};
use crate::binding::Decider;
use crate::clock::Timestamp;
use crate::connection::{HealthStatus, ProviderConnection};
use crate::error::Error;
use crate::gateway::{Contract, Failure, Gateway, OperationContext, Session};
use crate::provider::{self, Provider};
use crate::provider_credential::SealedCredential;
use crate::registry::{ConnectionStatus, RunOutcome, RunStatus};
use crate::run::{CountKey, OperationRun, OperationType, ReasonCode, RunContext, SummaryCounts};
use crate::store::{Deadline, EnvironmentScope, Lease, RunEnding, StoreError, WriteTx};
use crate::workspace::PLATFORM_WORKSPACE;

/// How often a run is begun at most.
const MAX_ATTEMPTS: u32 = 3;

/// A run that has been begun, with all that its work needs.
pub(super) struct Work {
    pub(super) lease: Lease,
    pub(super) run: OperationRun,
    pub(super) scope: EnvironmentScope,
    pub(super) connection: ProviderConnection,
    operation_type: OperationType,
    provider: &'static dyn Provider,
    sealed: Vec<SealedCredential>,
    deadline: Instant,
}

/// How the work on a run came out.
struct Conclusion {
    outcome: RunOutcome,
    reason: Option<ReasonCode>,
    message: Option<String>,
    counts: SummaryCounts,
    health: Option<HealthStatus>,
}

impl Conclusion {
    fn succeeded(counts: SummaryCounts) -> Self {
        Self { outcome: RunOutcome::Succeeded, reason: None, message: None, counts, health: None }
    }

    fn failed(failure: &Failure, counts: SummaryCounts) -> Self {
        Self {
            outcome: RunOutcome::Failed,
            reason: Some(failure.reason),
            message: Some(failure.message()),
            counts,
            health: None,
        }
    }

    fn ended_by(reason: ReasonCode, counts: SummaryCounts) -> Self {
        Self {
            outcome: RunOutcome::Failed,
            reason: Some(reason),
            message: Some(reason.message().to_owned()),
            counts,
            health: None,
        }
    }
}

impl Service {
    /// Takes the run that has been due for the longest, for so long.
    pub(crate) async fn take_run(&self, _system: &SystemActor, lease_time: Duration) -> Result<Option<Lease>, Error> {
        let now = self.clock.now();
        if !self.store.is_run_due(now).await? {
            return Ok(None);
        }
        let (lease_id, deadline) = (self.ids.next(now)?, Deadline::after(self.deadline));
        let mut tx = self.store.housekeeping(PLATFORM_WORKSPACE, &deadline, now).await?;
        let taken = tx.take_run(lease_id, now.after(lease_time)).await?;
        tx.commit_housekeeping().await?;
        Ok(taken)
    }

    /// Has a run for longer: until so long from now. False if it is somebody else's by now, or has ended.
    pub(crate) async fn keep_run(
        &self,
        _system: &SystemActor,
        lease: Lease,
        lease_time: Duration,
    ) -> Result<bool, Error> {
        let (now, deadline) = (self.clock.now(), Deadline::after(self.deadline));
        let mut tx = self.store.housekeeping(PLATFORM_WORKSPACE, &deadline, now).await?;
        let kept = tx.move_lease(lease, now.after(lease_time)).await?;
        tx.commit_housekeeping().await?;
        Ok(kept)
    }

    /// Gives a run back, to be taken again after so long: by whoever stops, or cannot go on for now.
    pub(crate) async fn give_run_back(
        &self,
        _system: &SystemActor,
        lease: Lease,
        after: Duration,
    ) -> Result<bool, Error> {
        let (now, deadline) = (self.clock.now(), Deadline::after(self.deadline));
        let mut tx = self.store.housekeeping(PLATFORM_WORKSPACE, &deadline, now).await?;
        let given = tx.give_run_back(lease, now.after(after)).await?;
        tx.commit_housekeeping().await?;
        Ok(given)
    }

    /// Works on a run that was taken, to its end. What it does not end is left to the lease: taken again when that is over.
    ///
    /// # Errors
    /// Those of the database. What is wrong with the provider or its answers ends the run and is no error here.
    pub(crate) async fn work_on(&self, system: &SystemActor, lease: Lease, gateway: &Gateway) -> Result<(), Error> {
        let begun = self.mutate(lease.workspace_id, |tx| self.begin_once(tx, lease)).await?;
        let Some(work) = begun else { return Ok(()) };
        match self.conclusion_of(system, &work, gateway).await {
            Ok(outcome) => {
                self.mutate(lease.workspace_id, |tx| end_once(tx, &work, &outcome)).await?;
                Ok(())
            }
            Err(Stopped::Lost) => Ok(()),
            Err(Stopped::Failed(error)) if error.is_for_now() => Err(error),
            Err(Stopped::Failed(error)) => {
                tracing::error!(run_id = %lease.run_id, code = error.code(), %error, "a run failed by our own fault");
                let outcome = Conclusion::ended_by(ReasonCode::InternalError, SummaryCounts::default());
                self.mutate(lease.workspace_id, |tx| end_once(tx, &work, &outcome)).await?;
                Ok(())
            }
        }
    }

    /// Begins a run, or ends it where it can no longer be worked on; nothing then.
    async fn begin_once(&self, mut tx: WriteTx, lease: Lease) -> Result<Option<Work>, Error> {
        if !tx.holds_lease(lease).await? {
            return Ok(None);
        }
        let Some(run) = tx.run_by_id(lease.workspace_id, lease.run_id).await? else { return Ok(None) };
        let connection_id = run.provider_connection_id.unwrap_or(Uuid::nil());
        let connection = tx.connection_by_id(lease.workspace_id, connection_id).await?;
        let (_, scope) = tx.standing(lease.workspace_id, Uuid::nil(), run.environment_id).await?;
        let known = RunContext { attempt: 0, deadline_at: None, directory_id: None };
        let known = run.context.clone().unwrap_or(known);
        let operation_type = run.operation_type.parse::<OperationType>();
        let (Some(connection), Some(scope), Ok(operation_type)) = (connection, scope, operation_type) else {
            return Err(StoreError::Corrupt("run").into());
        };
        let now = tx.now();
        let context = RunContext {
            // What was given back in order was no attempt that failed.
            attempt: known.attempt.saturating_add(u32::from(known.attempt == 0 || lease.is_left_behind)),
            deadline_at: Some(known.deadline_at.unwrap_or(now.after(operation_type.registered().budget))),
            ..known
        };
        let provider = provider::provider(&connection.provider_key);
        let Some(provider) = provider.filter(|_| refusal(&context, &connection, now).is_none()) else {
            let reason = refusal(&context, &connection, now).unwrap_or(ReasonCode::InternalError);
            let outcome = Conclusion::ended_by(reason, run.summary_counts.clone());
            end(tx, Draft::new(Operation::RunEnd, Decider::System), &run, &ending(&outcome), Vec::new()).await?;
            return Ok(None);
        };
        let sealed = tx.sealed_credentials(lease.workspace_id, connection.id).await?;
        let Some(run) = tx.begin_run(lease.workspace_id, lease.run_id, &context).await? else { return Ok(None) };
        tx.commit(begun(&run)).await?;
        let left = context.deadline_at.map_or(Duration::ZERO, |at| now.until(at));
        let deadline = Instant::now() + left;
        Ok(Some(Work { lease, run, scope, connection, operation_type, provider, sealed, deadline }))
    }

    async fn conclusion_of(&self, system: &SystemActor, work: &Work, gateway: &Gateway) -> Result<Conclusion, Stopped> {
        let context = OperationContext::of_run(&work.run, work.deadline);
        let context = context.ok_or_else(|| Stopped::Failed(StoreError::Corrupt("run").into()))?;
        let mut session = gateway.session(context, &self.master, &work.sealed);
        let outcome = match work.operation_type {
            OperationType::HealthCheck => health(work, &mut session).await,
            OperationType::ComplianceSnapshot => compliance(work, &mut session).await,
            OperationType::InventoryCollect => self.collect(system, work, &mut session).await?,
        };
        Ok(counted(outcome, &session))
    }

    async fn collect(&self, system: &SystemActor, work: &Work, session: &mut Session) -> Result<Conclusion, Stopped> {
        let Some(inventory) = work.provider.inventory() else {
            return Ok(Conclusion::ended_by(ReasonCode::InternalError, SummaryCounts::default()));
        };
        let mut collector = Collector::new(self, system, work)?;
        let collected = inventory.collect(session, &mut collector).await;
        collector.stopped()?;
        match collected {
            Ok(collected) => {
                let whole_ones = collected.complete().filter(|contract| collector.has_taken_all_of(contract));
                let covered = whole_ones.flat_map(Contract::covers).copied().collect::<Vec<_>>();
                collector.mark_not_observed(&covered).await?;
                let mut counts = collector.into_counts();
                let failed = collected.failed().collect::<Vec<_>>();
                counts.set(CountKey::Collections, whole(collected.complete().count()));
                counts.set(CountKey::CollectionsFailed, whole(failed.len()));
                Ok(match failed.first() {
                    None => Conclusion::succeeded(counts),
                    Some(first) if collected.complete().next().is_none() => Conclusion::failed(first, counts),
                    Some(_) => incomplete(&failed, counts),
                })
            }
            Err(failure) => Ok(Conclusion::failed(&failure, collector.into_counts())),
        }
    }
}

/// Why a run is not begun any more.
fn refusal(context: &RunContext, connection: &ProviderConnection, now: Timestamp) -> Option<ReasonCode> {
    if context.attempt > MAX_ATTEMPTS {
        return Some(ReasonCode::WorkerLost);
    }
    if context.deadline_at.is_some_and(|at| at <= now) {
        return Some(ReasonCode::BudgetExceeded);
    }
    (connection.status == ConnectionStatus::Disabled).then_some(ReasonCode::ConnectionDisabled)
}

fn begun(run: &OperationRun) -> Draft {
    let mut event = Draft::new(Operation::RunBegin, Decider::System);
    event.environment_id = Some(run.environment_id);
    about_run(&mut event, run);
    event.run = Some(RunMark { operation_type: run.operation_type.clone(), outcome: None, reason: None });
    event
}

async fn health(work: &Work, session: &mut Session) -> Conclusion {
    let Some(check) = work.provider.health_check() else {
        return Conclusion::ended_by(ReasonCode::InternalError, SummaryCounts::default());
    };
    match check.check(session).await {
        Ok(()) => Conclusion { health: Some(HealthStatus::Healthy), ..Conclusion::succeeded(SummaryCounts::default()) },
        Err(failure) => {
            // Who is let in and may not do this is not out of order.
            let health = match failure.reason {
                ReasonCode::PermissionDenied => HealthStatus::Degraded,
                _ => HealthStatus::Unhealthy,
            };
            Conclusion { health: Some(health), ..Conclusion::failed(&failure, SummaryCounts::default()) }
        }
    }
}

async fn compliance(work: &Work, session: &mut Session) -> Conclusion {
    let Some(compliance) = work.provider.compliance() else {
        return Conclusion::ended_by(ReasonCode::InternalError, SummaryCounts::default());
    };
    match compliance.snapshot(session).await {
        Ok(counts) => Conclusion::succeeded(counts),
        Err(failure) => Conclusion::failed(&failure, SummaryCounts::default()),
    }
}

/// Some collections were read to their end, and others were not: which, in our words, as many as there is room for.
fn incomplete(failed: &[&Failure], counts: SummaryCounts) -> Conclusion {
    const ROOM: usize = 480;
    let mut message = ReasonCode::CollectionsIncomplete.message().to_owned();
    for (failure, before) in failed.iter().zip([": "].into_iter().chain(std::iter::repeat(", "))) {
        let more = format!("{before}{} ({})", failure.contract, failure.reason.as_str());
        if message.len().saturating_add(more.len()) > ROOM {
            message.push_str(", and others");
            break;
        }
        message.push_str(&more);
    }
    Conclusion {
        outcome: RunOutcome::PartiallySucceeded,
        reason: Some(ReasonCode::CollectionsIncomplete),
        message: Some(message),
        counts,
        health: None,
    }
}

fn counted(mut outcome: Conclusion, session: &Session) -> Conclusion {
    let tally = session.tally();
    outcome.counts.set(CountKey::Requests, tally.requests);
    outcome.counts.set(CountKey::Retries, tally.retries);
    outcome
}

fn ending(outcome: &Conclusion) -> RunEnding<'_> {
    RunEnding {
        outcome: outcome.outcome,
        reason: outcome.reason,
        message: outcome.message.as_deref(),
        counts: Some(&outcome.counts),
    }
}

/// Ends a run as its work came out, and says how the connection was found. Where nothing was counted at the end, what the run
/// has counted until then stays. Nothing of a run that is no longer in hand.
async fn end_once(mut tx: WriteTx, work: &Work, outcome: &Conclusion) -> Result<(), Error> {
    if !tx.holds_lease(work.lease).await? {
        return Ok(());
    }
    let Some(run) = tx.run_by_id(work.run.workspace_id, work.run.id).await? else { return Ok(()) };
    if run.status == RunStatus::Completed {
        return Ok(());
    }
    let mut before = Vec::new();
    if let Some(health) = outcome.health {
        tx.update_connection_health(&work.scope, work.connection.id, health, outcome.reason).await?;
        let mut event = Draft::new(Operation::ConnectionCheck, Decider::System);
        event.environment_id = Some(run.environment_id);
        event.target_id = Some(work.connection.id);
        about_run(&mut event, &run);
        event.connection = Some(mark(&work.connection));
        before.push(event);
    }
    let mut ending = ending(outcome);
    if outcome.counts == SummaryCounts::default() {
        ending.counts = None;
    }
    end(tx, Draft::new(Operation::RunEnd, Decider::System), &run, &ending, before).await?;
    Ok(())
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
