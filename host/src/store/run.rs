//! Runs: started at most once a scope, begun by whoever has the lease, ended once.
//!
//! The partial unique index over own runs that have not ended is the truth about "one active" (P061-13, P061-44). Its condition
//! is a literal in every statement, so that plans can use it. The queue is in `platform/queue.rs`.

use sqlx::FromRow;
use uuid::Uuid;

use super::StoreError;
use super::engine::{on, run, sql};
use super::environment::EnvironmentScope;
use super::tx::{ReadTx, WriteTx};
use crate::clock::Timestamp;
use crate::page::{Page, PageRequest};
use crate::registry::{RunOutcome, RunStatus};
use crate::run::{OperationRun, OperationType, ReasonCode, RunContext, RunFilter, SummaryCounts};

/// A run about to be started.
#[derive(Debug)]
pub(crate) struct NewRun<'a> {
    pub(crate) id: Uuid,
    pub(crate) operation_type: OperationType,
    pub(crate) provider_key: &'a str,
    pub(crate) provider_connection_id: Uuid,
    pub(crate) scope_key: &'a str,
    pub(crate) initiated_by_user_id: Option<Uuid>,
    pub(crate) context: &'a RunContext,
}

/// How a run ends.
#[derive(Debug)]
pub(crate) struct RunEnding<'a> {
    pub(crate) outcome: RunOutcome,
    pub(crate) reason: Option<ReasonCode>,
    pub(crate) message: Option<&'a str>,
    /// What it has counted in all; none leaves what is there.
    pub(crate) counts: Option<&'a SummaryCounts>,
}

#[derive(FromRow)]
struct RunRow {
    id: Uuid,
    workspace_id: Uuid,
    managed_environment_id: Uuid,
    operation_type: String,
    provider_key: Option<String>,
    provider_connection_id: Option<Uuid>,
    initiated_by_user_id: Option<Uuid>,
    status: String,
    outcome: Option<String>,
    reason_code: Option<String>,
    message: Option<String>,
    context: Option<String>,
    summary_counts: Option<String>,
    origin: String,
    external_ref: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    updated_at: Timestamp,
}

impl TryFrom<RunRow> for OperationRun {
    type Error = StoreError;

    fn try_from(row: RunRow) -> Result<Self, StoreError> {
        let context = row.context.as_deref().map(serde_json::from_str).transpose();
        let counts = row.summary_counts.as_deref().map_or(Ok(SummaryCounts::default()), SummaryCounts::from_json);
        Ok(Self {
            id: row.id,
            workspace_id: row.workspace_id,
            environment_id: row.managed_environment_id,
            operation_type: row.operation_type,
            provider_key: row.provider_key,
            provider_connection_id: row.provider_connection_id,
            initiated_by_user_id: row.initiated_by_user_id,
            status: row.status.parse().map_err(|_| StoreError::Corrupt("status of a run"))?,
            outcome: row
                .outcome
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|_| StoreError::Corrupt("outcome of a run"))?,
            reason_code: row.reason_code,
            message: row.message,
            context: context.map_err(|_| StoreError::Corrupt("context of a run"))?,
            summary_counts: counts.map_err(|_| StoreError::Corrupt("counts of a run"))?,
            origin: row.origin,
            external_ref: row.external_ref,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
            updated_at: row.updated_at,
        })
    }
}

macro_rules! run_columns {
    () => {
        "id, workspace_id, managed_environment_id, operation_type, provider_key, provider_connection_id, \
         initiated_by_user_id, status, outcome, reason_code, message, context, summary_counts, origin, external_ref, \
         created_at, started_at, ended_at, updated_at"
    };
}

fn runs(rows: Vec<RunRow>, page: PageRequest) -> Result<Page<OperationRun>, StoreError> {
    let items = rows.into_iter().map(OperationRun::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(items, |run| run.id))
}

fn context_text(context: &RunContext) -> Result<String, StoreError> {
    serde_json::to_string(context).map_err(|_| StoreError::Corrupt("context of a run"))
}

impl ReadTx {
    /// A run of a workspace by its id, wherever in it.
    pub(crate) async fn run_by_id(&mut self, workspace_id: Uuid, id: Uuid) -> Result<Option<OperationRun>, StoreError> {
        let text = sql!(
            "run_by_id",
            concat!("SELECT ", run_columns!(), " FROM operation_runs WHERE workspace_id = $1 AND id = $2")
        );
        let row: Option<RunRow> =
            on!(self.tx, |conn| sqlx::query_as(text).bind(workspace_id).bind(id).fetch_optional(conn))?;
        row.map(OperationRun::try_from).transpose()
    }

    /// The runs of an environment that a filter lets through, the newest first.
    pub(crate) async fn runs_of(
        &mut self,
        scope: &EnvironmentScope,
        filter: &RunFilter,
        page: PageRequest,
    ) -> Result<Page<OperationRun>, StoreError> {
        // Three texts, because a plan of one that serves all of them reads the whole history.
        let (workspace_id, environment_id) = (scope.workspace_id(), scope.environment_id());
        let rows: Vec<RunRow> = match (filter.active, filter.operation_type.as_deref()) {
            (true, operation_type) => {
                let text = sql!(
                    "active_runs_of",
                    concat!(
                        "SELECT ",
                        run_columns!(),
                        " FROM operation_runs WHERE workspace_id = $1 AND managed_environment_id = $2 \
                         AND status <> 'completed' AND ($3 IS NULL OR id < $3) \
                         AND ($4 IS NULL OR operation_type = $4) ORDER BY id DESC LIMIT $5"
                    )
                );
                on!(self.tx, |conn| sqlx::query_as(text)
                    .bind(workspace_id)
                    .bind(environment_id)
                    .bind(page.after())
                    .bind(operation_type)
                    .bind(page.limit())
                    .fetch_all(conn))?
            }
            (false, Some(operation_type)) => {
                let text = sql!(
                    "runs_of_type",
                    concat!(
                        "SELECT ",
                        run_columns!(),
                        " FROM operation_runs WHERE workspace_id = $1 AND managed_environment_id = $2 \
                         AND operation_type = $4 AND ($3 IS NULL OR id < $3) ORDER BY id DESC LIMIT $5"
                    )
                );
                on!(self.tx, |conn| sqlx::query_as(text)
                    .bind(workspace_id)
                    .bind(environment_id)
                    .bind(page.after())
                    .bind(operation_type)
                    .bind(page.limit())
                    .fetch_all(conn))?
            }
            (false, None) => {
                let text = sql!(
                    "runs_of",
                    concat!(
                        "SELECT ",
                        run_columns!(),
                        " FROM operation_runs WHERE workspace_id = $1 AND managed_environment_id = $2 \
                         AND ($3 IS NULL OR id < $3) ORDER BY id DESC LIMIT $4"
                    )
                );
                on!(self.tx, |conn| sqlx::query_as(text)
                    .bind(workspace_id)
                    .bind(environment_id)
                    .bind(page.after())
                    .bind(page.limit())
                    .fetch_all(conn))?
            }
        };
        runs(rows, page)
    }

    /// The own run that is active in a scope. Where the scope is a directory, also one that began in an environment before
    /// its directory was known to be this.
    pub(crate) async fn active_run(
        &mut self,
        workspace_id: Uuid,
        scope_key: &str,
        provider_key: &str,
        directory_id: Option<&str>,
    ) -> Result<Option<OperationRun>, StoreError> {
        let text = sql!(
            "active_run",
            concat!(
                "SELECT ",
                run_columns!(),
                " FROM operation_runs WHERE workspace_id = $1 AND origin = 'own' AND status <> 'completed' \
                 AND scope_key = $2 ORDER BY id LIMIT 1"
            )
        );
        let row: Option<RunRow> =
            on!(self.tx, |conn| sqlx::query_as(text).bind(workspace_id).bind(scope_key).fetch_optional(conn))?;
        let (Some(directory_id), None) = (directory_id, &row) else {
            return row.map(OperationRun::try_from).transpose();
        };
        let text = sql!(
            "active_run_of_directory",
            concat!(
                "SELECT ",
                run_columns!(),
                " FROM operation_runs WHERE workspace_id = $1 AND origin = 'own' AND status <> 'completed' \
                 AND provider_key = $2 AND managed_environment_id IN ( \
                     SELECT d.managed_environment_id FROM environment_directories d WHERE d.workspace_id = $1 \
                     AND d.provider_key = $2 AND d.directory_id = $3) ORDER BY id LIMIT 1"
            )
        );
        let row: Option<RunRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(provider_key)
            .bind(directory_id)
            .fetch_optional(conn))?;
        row.map(OperationRun::try_from).transpose()
    }
}

impl WriteTx {
    /// Starts a run and has it waited on, or nothing if one is active in the scope.
    pub(crate) async fn insert_run(
        &mut self,
        scope: &EnvironmentScope,
        new: &NewRun<'_>,
    ) -> Result<Option<OperationRun>, StoreError> {
        let text = sql!(
            "insert_run",
            concat!(
                "INSERT INTO operation_runs ( \
                     workspace_id, id, managed_environment_id, operation_type, provider_key, provider_connection_id, \
                     scope_key, initiated_by_user_id, status, context, origin, created_at, updated_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, 'own', $10, $10) \
                 ON CONFLICT (workspace_id, scope_key) WHERE origin = 'own' AND status <> 'completed' DO NOTHING \
                 RETURNING ",
                run_columns!()
            )
        );
        let (now, context) = (self.now, context_text(new.context)?);
        let row: Option<RunRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(new.id)
            .bind(scope.environment_id())
            .bind(new.operation_type.as_str())
            .bind(new.provider_key)
            .bind(new.provider_connection_id)
            .bind(new.scope_key)
            .bind(new.initiated_by_user_id)
            .bind(context)
            .bind(now)
            .fetch_optional(conn))?;
        let Some(row) = row else { return Ok(None) };
        self.insert_queued(scope.workspace_id(), new.id).await?;
        row.try_into().map(Some)
    }

    /// Has a run be worked on; nothing if it has ended.
    pub(crate) async fn begin_run(
        &mut self,
        workspace_id: Uuid,
        id: Uuid,
        context: &RunContext,
    ) -> Result<Option<OperationRun>, StoreError> {
        let text = sql!(
            "begin_run",
            concat!(
                "UPDATE operation_runs SET status = 'running', context = $3, started_at = coalesce(started_at, $4), \
                 updated_at = $4 WHERE workspace_id = $1 AND id = $2 AND origin = 'own' AND status <> 'completed' \
                 RETURNING ",
                run_columns!()
            )
        );
        let (now, context) = (self.now, context_text(context)?);
        let row: Option<RunRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(id)
            .bind(context)
            .bind(now)
            .fetch_optional(conn))?;
        row.map(OperationRun::try_from).transpose()
    }

    /// How far a run is, for whoever watches it. False if it has ended.
    pub(crate) async fn update_run_counts(
        &mut self,
        workspace_id: Uuid,
        id: Uuid,
        counts: &SummaryCounts,
    ) -> Result<bool, StoreError> {
        let text = sql!(
            "update_run_counts",
            "UPDATE operation_runs SET summary_counts = $3, updated_at = $4 \
             WHERE workspace_id = $1 AND id = $2 AND origin = 'own' AND status = 'running'"
        );
        let now = self.now;
        let updated =
            run!(self.read.tx, sqlx::query(text).bind(workspace_id).bind(id).bind(counts.to_json()).bind(now))?;
        Ok(updated == 1)
    }

    /// Ends a run from one state and takes it off the queue; nothing if it is no longer in that state: then the transaction is
    /// to be dropped. The queue's row comes first, as for whoever works on the run: two who meet wait and never in a circle.
    pub(crate) async fn end_run(
        &mut self,
        workspace_id: Uuid,
        id: Uuid,
        from: RunStatus,
        ending: &RunEnding<'_>,
    ) -> Result<Option<OperationRun>, StoreError> {
        self.delete_queued(workspace_id, id).await?;
        let text = sql!(
            "end_run",
            concat!(
                "UPDATE operation_runs SET status = 'completed', outcome = $4, reason_code = $5, message = $6, \
                 summary_counts = coalesce($7, summary_counts), ended_at = $8, updated_at = $8 \
                 WHERE workspace_id = $1 AND id = $2 AND origin = 'own' AND status = $3 AND status <> 'completed' \
                 RETURNING ",
                run_columns!()
            )
        );
        let now = self.now;
        let row: Option<RunRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(id)
            .bind(from.as_str())
            .bind(ending.outcome.as_str())
            .bind(ending.reason.map(ReasonCode::as_str))
            .bind(ending.message)
            .bind(ending.counts.map(SummaryCounts::to_json))
            .bind(now)
            .fetch_optional(conn))?;
        row.map(OperationRun::try_from).transpose()
    }
}
