//! Registry: mirroring the rows of a platform that decisions point at.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::document::PLATFORM;
use super::problem::Problem;
use super::request::{Asks, Call};
use super::{Api, answer, refuse_too_many};
use crate::audit::Operation;
use crate::inventory::{ImportCounts, ImportRefusal};
use crate::policy::Capability;
use crate::registry::{LineAnswer, RegistryItem, RegistryLine};
use crate::schema;
use crate::service::MAX_CHUNK_OBJECTS;

const TO_SYNC: Asks = Asks::to_change(Capability::RegistrySync, Operation::RegistrySync);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(sync))
}

/// Rows of a platform, each the whole state of one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SyncRequest {
    /// The rows, in an order in which each comes after those it refers to.
    #[schema(value_type = Vec<RegistryRow>, max_items = 10_000)]
    rows: Vec<Box<RawValue>>,
}

/// A row: its kind, the platform's own name of it, and the members of its kind.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of a row, which is read member by member")]
struct RegistryRow {
    /// What it is.
    kind: schema::RecordKindName,
    /// The platform's name of it: 1 to 255 bytes.
    external_ref: String,
}

/// What a sync did.
#[derive(Serialize, ToSchema)]
struct SyncReport {
    /// The sync, in every event of it.
    sync_id: Uuid,
    /// What became of the rows.
    counts: ImportCounts,
    /// One for each row, in the order given.
    answers: Vec<RowAnswer>,
}

/// What became of a row.
#[derive(Serialize, ToSchema)]
struct RowAnswer {
    /// `added`, `changed`, `unchanged` or `refused`.
    state: &'static str,
    /// The row here; of memberships and entitlements the user. Null if it was refused.
    id: Option<Uuid>,
    /// Why it was.
    error: Option<ImportRefusal>,
}

/// Mirrors rows of a platform into the workspace
///
/// Each row is answered for itself. A row that is not given stays as it is.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/registry:sync", operation_id = "sync_registry", tag = "registry",
    params(("workspace_id" = Uuid, Path, description = "The workspace")),
    request_body = SyncRequest,
    responses((status = OK, body = SyncReport)), extensions(("x-effect" = json!(PLATFORM)))
)]
async fn sync(mut call: Call) -> Result<Response, Problem> {
    let SyncRequest { rows } = call.body(TO_SYNC).await?;
    if let Err(error) = refuse_too_many("rows", rows.len()) {
        return Err(call.unless_denied(TO_SYNC, error.into()).await);
    }
    let items = (0_u64..).zip(&rows).map(|(position, row)| RegistryLine::read(position, row.get()));
    let items = items.collect::<Vec<RegistryItem>>();
    let service = call.service();
    let mut sync = service.begin_sync(call.actor(), &call.workspace(), &items).await?;
    let mut answers = Vec::with_capacity(items.len());
    for chunk in items.chunks(MAX_CHUNK_OBJECTS) {
        answers.extend(service.sync_chunk(&mut sync, chunk).await?.answers.into_iter().map(RowAnswer::from));
    }
    let counts = service.finish_sync(&sync).await?;
    Ok(answer(StatusCode::OK, &SyncReport { sync_id: sync.id(), counts, answers }))
}

impl From<LineAnswer> for RowAnswer {
    fn from(answer: LineAnswer) -> Self {
        let (state, id, error) = match answer {
            LineAnswer::Added(id) => ("added", Some(id), None),
            LineAnswer::Changed(id) => ("changed", Some(id), None),
            LineAnswer::Unchanged(id) => ("unchanged", Some(id), None),
            LineAnswer::Refused(refusal) => ("refused", None, Some(refusal)),
        };
        Self { state, id, error }
    }
}
