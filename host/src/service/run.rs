//! Runs: started, listed and cancelled by people. What workers do with them is told in `work.rs`.
//!
//! Starting says in one transaction what is to be done and has it waited on; nothing is asked of a provider. In a scope one
//! run at most is active: whoever asks for the same gets that one, whoever asks for something else is told of it (P061-08,
//! -09, X27, X28).

use uuid::Uuid;

use super::connection::mark;
use super::{Ask, Service};
use crate::actor::{Actor, SystemActor};
use crate::audit::{Draft, Operation, RunMark};
use crate::binding::Decider;
use crate::connection::{ProviderConnection, Unresolved, resolve};
use crate::error::{Conflict, Error};
use crate::page::{Page, PageRequest};
use crate::policy::{self, Capability, Reach, Standing};
use crate::provider;
use crate::registry::{RecordRef, RunOutcome};
use crate::run::{
    ConnectionChoice, OperationRun, OperationType, ReasonCode, RunContext, RunFilter, StartOperation, Started, Step,
    next, scope_key,
};
use crate::store::{EnvironmentScope, NewRun, RunEnding, StoreError, WriteTx};
use crate::workspace::WorkspaceRef;

impl Service {
    /// Starts an operation in an environment, or gives the run of the same that is active.
    ///
    /// # Errors
    /// `not-found`, `forbidden`; `source-out-of-scope`, `no-default-connection`, `connection-mirrored`,
    /// `connection-disabled`, `unknown-provider`, `operation-unsupported`; `scope-busy`.
    pub async fn start_operation(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        start: &StartOperation,
    ) -> Result<Started, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = self.environment_id(workspace_id, environment).await?;
        self.mutate(workspace_id, |tx| self.start_once(tx, actor, (workspace_id, environment_id), start)).await
    }

    async fn start_once(
        &self,
        mut tx: WriteTx,
        actor: Actor,
        (workspace_id, environment_id): (Uuid, Uuid),
        start: &StartOperation,
    ) -> Result<Started, Error> {
        let capability = start.operation_type.registered().capability;
        let ask = Ask::environment(actor, Operation::RunStart, capability);
        let user_id = actor.user_id_in(workspace_id);
        let (standing, scope) = tx.locked_standing(workspace_id, user_id, environment_id).await?;
        let (tx, scope) = self.admit(tx, ask, standing, Some(environment_id), scope).await?;
        start_in(tx, &scope, Draft::by(Operation::RunStart, actor), start).await
    }

    /// Starts an operation that nobody asked for: a platform's schedule, or a test of the rules for such runs. Nobody is told
    /// of its end but the audit trail (P339-25).
    ///
    /// # Errors
    /// As [`Service::start_operation`].
    pub async fn start_automatic_operation(
        &self,
        _system: &SystemActor,
        workspace_id: Uuid,
        environment_id: Uuid,
        start: &StartOperation,
    ) -> Result<Started, Error> {
        self.mutate(workspace_id, |tx| start_automatically(tx, (workspace_id, environment_id), start)).await
    }

    /// The runs of an environment that a filter lets through, a platform's too, the newest first.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn runs(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        filter: &RunFilter,
        page: PageRequest,
    ) -> Result<Page<OperationRun>, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = self.environment_id(workspace_id, environment).await?;
        let mut tx = self.read(workspace_id).await?;
        let (standing, scope) = tx.standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
        let scope = policy::authorize(Capability::ProviderView, Reach::Environment, standing, scope)?;
        if filter.operation_type.as_ref().is_some_and(|name| name.contains('\0')) {
            // No row has it, and not every engine takes it as a parameter.
            return Ok(page.page(Vec::new(), |run: &OperationRun| run.id));
        }
        Ok(tx.runs_of(&scope, filter, page).await?)
    }

    /// A run by its id, in its own environment.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn run(&self, actor: Actor, workspace: &WorkspaceRef, run_id: Uuid) -> Result<OperationRun, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let mut tx = self.read(workspace_id).await?;
        let found = tx.run_by_id(workspace_id, run_id).await?;
        let environment_id = found.as_ref().map_or(Uuid::nil(), |run| run.environment_id);
        let (standing, _) = tx.standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
        Ok(policy::authorize(Capability::ProviderView, Reach::Environment, standing, found)?)
    }

    /// Ends a run. Whoever works on it finds out with the next thing they write, and stops; what was taken in until then
    /// stays.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `run-ended`; a platform's run is ended where it comes from: `run-ended`, too.
    pub async fn cancel_run(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        run_id: Uuid,
    ) -> Result<OperationRun, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        self.mutate(workspace_id, |tx| self.cancel_run_once(tx, actor, workspace_id, run_id)).await
    }

    async fn cancel_run_once(
        &self,
        mut tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        run_id: Uuid,
    ) -> Result<OperationRun, Error> {
        let ask = Ask::environment(actor, Operation::RunCancel, Capability::ProviderRun);
        let found = tx.run_by_id(workspace_id, run_id).await?;
        let environment_id = found.as_ref().map(|run| run.environment_id);
        let user_id = actor.user_id_in(workspace_id);
        let (standing, _) = tx.locked_standing(workspace_id, user_id, environment_id.unwrap_or(Uuid::nil())).await?;
        let (tx, run) = self.admit(tx, ask, standing, environment_id, found).await?;
        if run.origin != "own" {
            return Err(Conflict::RunEnded.into());
        }
        let ending = RunEnding {
            outcome: RunOutcome::Cancelled,
            reason: Some(ReasonCode::RunCancelled),
            message: Some(ReasonCode::RunCancelled.message()),
            counts: None,
        };
        end(tx, Draft::by(Operation::RunCancel, actor), &run, &ending, Vec::new()).await?.ok_or_else(ended)
    }
}

fn ended() -> Error {
    Conflict::RunEnded.into()
}

/// Ends a run as its lifecycle allows, and tells of it once: with who started it, if somebody did, because that is who waits
/// for it (P339-25, -39). Nothing if it has ended already.
pub(super) async fn end(
    mut tx: WriteTx,
    mut event: Draft,
    run: &OperationRun,
    ending: &RunEnding<'_>,
    before: Vec<Draft>,
) -> Result<Option<OperationRun>, Error> {
    if next(run.status, Step::End(ending.outcome)).is_none() {
        return Ok(None);
    }
    let Some(ended) = tx.end_run(run.workspace_id, run.id, run.status, ending).await? else {
        // Its state is another one by now, or it has ended: it is judged again.
        return Err(StoreError::Busy.into());
    };
    event.environment_id = Some(run.environment_id);
    event.target_id = run.initiated_by_user_id;
    about_run(&mut event, run);
    event.run = Some(RunMark {
        operation_type: run.operation_type.clone(),
        outcome: Some(ending.outcome),
        reason: ending.reason,
    });
    let mut events = before.into_iter().chain([event]);
    if let Some(first) = events.next() {
        tx.commit_all(first, events.collect()).await?;
    }
    Ok(Some(ended))
}

/// Has an event name a run and its connection.
pub(super) fn about_run(event: &mut Draft, run: &OperationRun) {
    event.sources.operation_run_id = Some(run.id);
    event.connection = run
        .provider_connection_id
        .zip(run.provider_key.clone())
        .map(|(id, provider_key)| crate::audit::ConnectionMark { id, provider_key });
}

async fn start_automatically(
    mut tx: WriteTx,
    (workspace_id, environment_id): (Uuid, Uuid),
    start: &StartOperation,
) -> Result<Started, Error> {
    let (_, scope) = tx.standing(workspace_id, Uuid::nil(), environment_id).await?;
    let scope = scope.ok_or(Error::NotFound)?;
    start_in(tx, &scope, Draft::new(Operation::RunStart, Decider::System), start).await
}

/// The gate (P061-44): resolves the connection, and starts where nothing is active.
async fn start_in(
    mut tx: WriteTx,
    scope: &EnvironmentScope,
    mut event: Draft,
    start: &StartOperation,
) -> Result<Started, Error> {
    let connection = connection_for(&mut tx, scope, &start.connection).await?;
    refuse_unsupported(&connection.provider_key, start.operation_type)?;
    // Held until the end: starts of one environment meet here, and nobody says meanwhile what its directory is.
    let directory_id = tx.lock_directory(scope, &connection.provider_key).await?.flatten();
    let key = scope_key(&connection.provider_key, directory_id.as_deref(), scope.environment_id());
    let provider_key = connection.provider_key.as_str();
    let initiator = event.actor.user_id();
    if let Some(active) = tx.active_run(scope.workspace_id(), &key, provider_key, directory_id.as_deref()).await? {
        return meets(&mut tx, active, start.operation_type, &connection, initiator).await;
    }
    let new = NewRun {
        id: tx.new_id()?,
        operation_type: start.operation_type,
        provider_key,
        provider_connection_id: connection.id,
        scope_key: &key,
        initiated_by_user_id: initiator,
        context: &RunContext { attempt: 0, deadline_at: None, directory_id: directory_id.clone() },
    };
    // Whoever was first in another environment of the same directory is found when it is judged again.
    let run = tx.insert_run(scope, &new).await?.ok_or(StoreError::Busy)?;
    event.environment_id = Some(scope.environment_id());
    event.connection = Some(mark(&connection));
    event.sources.operation_run_id = Some(run.id);
    event.run = Some(RunMark { operation_type: run.operation_type.clone(), outcome: None, reason: None });
    tx.commit(event).await?;
    Ok(Started { run, deduplicated: false })
}

/// What somebody is told who starts where a run is active.
async fn meets(
    tx: &mut WriteTx,
    active: OperationRun,
    operation_type: OperationType,
    connection: &ProviderConnection,
    initiator: Option<Uuid>,
) -> Result<Started, Error> {
    if active.operation_type == operation_type.as_str() && active.provider_connection_id == Some(connection.id) {
        return Ok(Started { run: active, deduplicated: true });
    }
    // It may be another environment's, of the same directory, that they know nothing of.
    let user_id = initiator.unwrap_or(Uuid::nil());
    let (standing, _) = tx.standing(active.workspace_id, user_id, active.environment_id).await?;
    let named = matches!(standing, Standing::Entitled(_)) || initiator.is_none();
    Err(Conflict::ScopeBusy { active_run_id: named.then_some(active.id) }.into())
}

async fn connection_for(
    tx: &mut WriteTx,
    scope: &EnvironmentScope,
    choice: &ConnectionChoice,
) -> Result<ProviderConnection, Error> {
    let id = match choice {
        ConnectionChoice::Explicit(id) => Some(*id),
        ConnectionChoice::DefaultOf(provider_key) if provider_key.contains('\0') => None,
        ConnectionChoice::DefaultOf(provider_key) => tx.default_connection(scope, provider_key).await?,
    };
    let found = tx.connection_by_id(scope.workspace_id(), id.unwrap_or(Uuid::nil())).await?;
    let resolved = resolve(choice, scope.environment_id(), &found).cloned();
    resolved.map_err(|why| match why {
        Unresolved::NotInEnvironment => Error::source_out_of_scope("provider_connection_id"),
        Unresolved::NoDefault => Error::invalid(
            "no-default-connection",
            "provider_key",
            "the provider has no default connection in this environment",
        ),
        Unresolved::Mirrored => Conflict::ConnectionMirrored.into(),
        Unresolved::Disabled => Conflict::ConnectionDisabled.into(),
    })
}

fn refuse_unsupported(provider_key: &str, operation_type: OperationType) -> Result<(), Error> {
    let provider = provider::provider(provider_key)
        .ok_or_else(|| Error::invalid("unknown-provider", "provider_key", "there is no such provider"))?;
    let supported = match operation_type {
        OperationType::HealthCheck => provider.health_check().is_some(),
        OperationType::InventoryCollect => provider.inventory().is_some(),
        OperationType::ComplianceSnapshot => provider.compliance().is_some(),
    };
    if supported {
        return Ok(());
    }
    Err(Error::invalid("operation-unsupported", "operation_type", "the provider does not have this operation"))
}
