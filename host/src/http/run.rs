//! Runs: started, watched and cancelled. Nothing here waits for a provider: whoever starts gets the run, whoever asks gets what
//! the database says (P061-10, P061-17).

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::document::{NONE, PLATFORM};
use super::problem::Problem;
use super::request::{Asks, Call, Limit};
use super::{Api, answer, record};
use crate::audit::Operation;
use crate::error::Error;
use crate::policy::Capability;
use crate::registry::RecordRef;
use crate::run::{ConnectionChoice, OperationRun, OperationType, RunFilter, StartOperation, Started};
use crate::schema::{self, record_ref};

const TO_VIEW: Asks = Asks::to_read(Capability::ProviderView);
const TO_START: Asks = Asks::to_change(Capability::ProviderRun, Operation::RunStart);
const TO_CANCEL: Asks = Asks::to_change(Capability::ProviderRun, Operation::RunCancel);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(start)).routes(routes!(list)).routes(routes!(get)).routes(routes!(cancel))
}

/// An operation to be started.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartRequest {
    /// The environment.
    #[serde(deserialize_with = "record_ref::deserialize")]
    #[schema(value_type = schema::RecordName)]
    environment_id: RecordRef,
    /// What is to be done.
    #[schema(value_type = schema::OperationTypeName)]
    operation_type: String,
    /// Through this connection.
    provider_connection_id: Option<Uuid>,
    /// Or through the default connection of this provider. One of the two is said.
    provider_key: Option<String>,
}

/// A page of runs.
#[derive(Serialize, ToSchema)]
struct RunPage {
    /// The runs.
    items: Vec<OperationRun>,
    /// To be given as `after` for the next page; null on the last.
    next: Option<Uuid>,
}

/// Which runs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// The environment.
    #[serde(deserialize_with = "record_ref::deserialize")]
    #[param(value_type = schema::RecordName)]
    environment_id: RecordRef,
    /// One type.
    operation_type: Option<String>,
    /// Only those that have not ended.
    #[serde(default)]
    active: bool,
    /// Most runs of the page.
    #[param(value_type = Option<Limit>)]
    limit: Option<Limit>,
    /// `next` of the page before.
    after: Option<Uuid>,
}

/// Starts an operation at a provider
///
/// Answers at once: 202 with a new run that waits to be worked on, or 200 with the active run of the same operation through
/// the same connection. While another operation is under way, `scope-busy` names its run to who may know of it.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/operations:start", operation_id = "start_operation", tag = "runs",
    params(("workspace_id" = Uuid, Path, description = "The workspace")),
    request_body = StartRequest,
    responses((status = ACCEPTED, body = Started), (status = OK, description = "It is under way already", body = Started)),
    extensions(("x-effect" = json!(PLATFORM)))
)]
async fn start(mut call: Call) -> Result<Response, Problem> {
    let asked: StartRequest = call.body(TO_START).await?;
    let named = asked.environment_id.clone();
    let start = match asked.start() {
        Ok(start) => start,
        Err(error) => return Err(call.unless_denied_in(TO_START, named, error.into()).await),
    };
    let started = call.service().start_operation(call.actor(), &call.workspace(), named, &start).await?;
    let status = if started.deduplicated { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(answer(status, &started))
}

impl StartRequest {
    fn start(self) -> Result<StartOperation, Error> {
        let operation_type = self.operation_type.parse::<OperationType>();
        let operation_type = operation_type
            .map_err(|_| Error::invalid("unknown-operation", "operation_type", "there is no operation of this type"))?;
        let connection = match (self.provider_connection_id, self.provider_key) {
            (Some(id), None) => ConnectionChoice::Explicit(id),
            (None, Some(provider_key)) => ConnectionChoice::DefaultOf(provider_key),
            (None, None) | (Some(_), Some(_)) => {
                let message = "one of `provider_connection_id` and `provider_key`";
                return Err(Error::invalid("connection-choice-required", "provider_connection_id", message));
            }
        };
        Ok(StartOperation { operation_type, connection })
    }
}

/// The runs of an environment, newest first
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/runs", operation_id = "list_runs", tag = "runs",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ListParameters),
    responses((status = OK, body = RunPage)), extensions(("x-effect" = json!(NONE)))
)]
async fn list(call: Call) -> Result<Response, Problem> {
    let asked: ListParameters = call.parameters(TO_VIEW).await?;
    let filter = RunFilter { operation_type: asked.operation_type, active: asked.active };
    let page = Limit::page(asked.limit, asked.after);
    let page = call.service().runs(call.actor(), &call.workspace(), asked.environment_id, &filter, page).await?;
    Ok(answer(StatusCode::OK, &page))
}

/// A run
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/runs/{run_id}", operation_id = "get_run", tag = "runs",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("run_id" = Uuid, Path, description = "The run"), ("If-None-Match" = Option<String>, Header, description = "Entity tags the caller has")),
    responses((status = OK, body = OperationRun, headers(("ETag" = String, description = "Changes with the record"))), (status = NOT_MODIFIED, description = "The caller has it")),
    extensions(("x-effect" = json!(NONE)))
)]
async fn get(call: Call) -> Result<Response, Problem> {
    call.no_parameters(TO_VIEW).await?;
    let run = call.service().run(call.actor(), &call.workspace(), call.run_id()).await?;
    record(&call, &run)
}

/// Ends a run
///
/// What was taken in until then stays.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/runs/{run_id}/cancel", operation_id = "cancel_run", tag = "runs",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("run_id" = Uuid, Path, description = "The run")),
    responses((status = OK, body = OperationRun)), extensions(("x-effect" = json!(PLATFORM)))
)]
async fn cancel(mut call: Call) -> Result<Response, Problem> {
    call.no_body(TO_CANCEL).await?;
    let run = call.service().cancel_run(call.actor(), &call.workspace(), call.run_id()).await?;
    Ok(answer(StatusCode::OK, &run))
}
