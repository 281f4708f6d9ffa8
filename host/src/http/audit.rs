//! Audit: what was done, in the order it was done, for those who follow it; and where it stands.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::document::NONE;
use super::problem::Problem;
use super::request::{Asks, Call, Limit};
use super::{Api, answer, record};
use crate::audit::{ChainedEvent, Checkpoint};
use crate::policy::Capability;
use crate::registry::RecordRef;
use crate::schema::{self, record_ref};
use crate::service::Auditor;

const TO_VIEW: Asks = Asks::to_read(Capability::AuditView);
const TO_CHECK: Asks = Asks::to_read(Capability::WorkspaceManage);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(checkpoint))
}

/// Which events to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// One environment; where none is given, all the caller sees and the workspace itself.
    #[serde(default, deserialize_with = "record_ref::option::deserialize")]
    #[param(value_type = Option<schema::RecordName>)]
    environment_id: Option<RecordRef>,
    /// Events numbered higher than this. Whoever follows the workspace gives the number of the last event they have.
    #[serde(default)]
    #[param(value_type = i64, required = false, minimum = 0, default = 0)]
    after: Number,
    /// Most events of the page.
    #[param(value_type = Option<Limit>)]
    limit: Option<Limit>,
}

/// An event's number, or none before the first.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "i64")]
struct Number(i64);

impl TryFrom<i64> for Number {
    type Error = &'static str;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        if number >= 0 { Ok(Self(number)) } else { Err("a number is at least 0") }
    }
}

/// A page of events.
#[derive(Serialize, ToSchema)]
struct EventPage {
    /// The events, in their order.
    items: Vec<ChainedEvent>,
    /// To be given as `after` for the next page; null where there is none yet.
    next: Option<i64>,
}

/// What was done, in its order: the feed a platform follows
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/audit-events", operation_id = "list_audit_events", tag = "audit",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ListParameters),
    responses((status = OK, body = EventPage)), extensions(("x-effect" = json!(NONE)))
)]
async fn list(call: Call) -> Result<Response, Problem> {
    let ListParameters { environment_id, after: Number(after), limit } = call.parameters(TO_VIEW).await?;
    let rows = Limit::rows(limit);
    let listed = call.service().audit_events(call.actor(), &call.workspace(), environment_id, after, rows).await?;
    let full = listed.len() == usize::try_from(rows).unwrap_or(usize::MAX);
    let next = listed.last().filter(|_| full).map(|event| event.event.number);
    Ok(answer(StatusCode::OK, &EventPage { items: listed, next }))
}

/// The end of the workspace's chain, to be kept elsewhere
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/audit-events/checkpoint", operation_id = "audit_checkpoint", tag = "audit",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("If-None-Match" = Option<String>, Header, description = "Entity tags the caller has")),
    responses((status = OK, body = Checkpoint, headers(("ETag" = String, description = "Changes with the record"))), (status = NOT_MODIFIED, description = "The caller has it")),
    extensions(("x-effect" = json!(NONE)))
)]
async fn checkpoint(call: Call) -> Result<Response, Problem> {
    call.no_parameters(TO_CHECK).await?;
    let checkpoint = call.service().audit_checkpoint(Auditor::Member(call.actor()), &call.workspace()).await?;
    record(&call, &checkpoint)
}
