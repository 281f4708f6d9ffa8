//! Inventory: what was last observed in an environment, and taking in what a platform has exported.

use axum::http::StatusCode;
use axum::response::Response;
use provident_identity::SubjectClass;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::document::{NONE, PLATFORM};
use super::problem::Problem;
use super::request::{Asks, Call, Limit};
use super::{Api, answer, record, refuse_too_many};
use crate::audit::Operation;
use crate::error::Error;
use crate::inventory::{
    ImportCounts, ImportItem, ImportRefusal, InventoryFilter, InventoryItem, ObservationStatus, View,
};
use crate::policy::Capability;
use crate::registry::RecordRef;
use crate::schema::{self, record_ref};
use crate::service::{MAX_CHUNK_OBJECTS, compute, described};
use provident_identity::Adapter;

const TO_VIEW: Asks = Asks::to_read(Capability::ProviderView);
const TO_IMPORT: Asks = Asks::to_change(Capability::InventoryImport, Operation::InventoryImport);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(import))
}

/// A page of an inventory.
#[derive(Serialize, ToSchema)]
struct InventoryPage {
    /// The items.
    #[schema(value_type = Vec<View>)]
    items: Vec<InventoryItem>,
    /// To be given as `after` for the next page; null on the last.
    next: Option<Uuid>,
}

/// Which items to list. Every parameter given narrows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// The environment.
    #[serde(deserialize_with = "record_ref::deserialize")]
    #[param(value_type = schema::RecordName)]
    environment_id: RecordRef,
    /// One provider.
    provider_key: Option<String>,
    /// One class of subject.
    #[param(value_type = Option<schema::SubjectClassName>)]
    subject_class: Option<SubjectClass>,
    /// One domain.
    subject_domain: Option<String>,
    /// One type of subject.
    subject_type_key: Option<String>,
    /// One subject.
    canonical_subject_key: Option<String>,
    /// Seen or not seen when last looked for.
    #[param(value_type = Option<schema::ObservationStatusName>)]
    observation_status: Option<ObservationStatus>,
    /// Most items of the page.
    #[param(value_type = Option<Limit>)]
    limit: Option<Limit>,
    /// `next` of the page before.
    after: Option<Uuid>,
}

/// Raw objects of a provider, as they were exported.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ImportRequest {
    /// The environment they were found in.
    #[serde(deserialize_with = "record_ref::deserialize")]
    #[schema(value_type = schema::RecordName)]
    environment_id: RecordRef,
    /// The embedded adapter that describes them.
    adapter: String,
    /// Documents of the provider: single objects, pages, arrays.
    #[schema(value_type = Vec<serde_json::Value>, max_items = 10_000)]
    documents: Vec<Box<RawValue>>,
}

/// What an import did.
#[derive(Serialize, ToSchema)]
struct ImportReport {
    /// The import, in every event of it and every item it saw.
    import_id: Uuid,
    /// Objects in the documents.
    objects: u64,
    /// What became of them.
    counts: ImportCounts,
    /// Those not taken.
    refusals: Vec<ImportRefusal>,
}

/// What was last observed in an environment
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/inventory", operation_id = "list_inventory", tag = "inventory",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ListParameters),
    responses((status = OK, body = InventoryPage)), extensions(("x-effect" = json!(NONE)))
)]
async fn list(call: Call) -> Result<Response, Problem> {
    let asked: ListParameters = call.parameters(TO_VIEW).await?;
    let filter = InventoryFilter {
        provider_key: asked.provider_key,
        subject_class: asked.subject_class,
        subject_domain: asked.subject_domain,
        subject_type_key: asked.subject_type_key,
        canonical_subject_key: asked.canonical_subject_key,
        observation_status: asked.observation_status,
    };
    let page = Limit::page(asked.limit, asked.after);
    let page = call.service().inventory(call.actor(), &call.workspace(), asked.environment_id, &filter, page).await?;
    Ok(answer(StatusCode::OK, &page))
}

/// An inventory item
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/inventory/{item_id}", operation_id = "get_inventory_item", tag = "inventory",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("item_id" = Uuid, Path, description = "The item"), ("If-None-Match" = Option<String>, Header, description = "Entity tags the caller has")),
    responses((status = OK, body = View, headers(("ETag" = String, description = "Changes with the record"))), (status = NOT_MODIFIED, description = "The caller has it")),
    extensions(("x-effect" = json!(NONE)))
)]
async fn get(call: Call) -> Result<Response, Problem> {
    call.no_parameters(TO_VIEW).await?;
    let item = call.service().inventory_item(call.actor(), &call.workspace(), call.item_id()).await?;
    record(&call, &item)
}

/// Takes raw objects into an environment's inventory
///
/// Each object is answered for itself. Nothing is removed: what the documents do not contain stays as it was.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/inventory:import", operation_id = "import_inventory", tag = "inventory",
    params(("workspace_id" = Uuid, Path, description = "The workspace")),
    request_body = ImportRequest,
    responses((status = OK, body = ImportReport)), extensions(("x-effect" = json!(PLATFORM)))
)]
async fn import(mut call: Call) -> Result<Response, Problem> {
    let ImportRequest { environment_id, adapter, documents } = call.body(TO_IMPORT).await?;
    let Some(adapter) = call.api().adapter(&adapter) else {
        let error = Error::invalid("unknown-adapter", "adapter", "there is no embedded adapter of this name");
        return Err(call.unless_denied_in(TO_IMPORT, environment_id, error.into()).await);
    };
    if let Err(error) = refuse_too_many("documents", documents.len()) {
        return Err(call.unless_denied_in(TO_IMPORT, environment_id, error.into()).await);
    }
    let service = call.service();
    let digest = format!("sha256:{}", adapter.sha256());
    let mut import = service.begin_import(call.actor(), &call.workspace(), environment_id, Some(digest)).await?;
    let items = compute(|| all_described(adapter, &documents));
    refuse_too_many("documents", items.len())?;
    let mut refusals = Vec::new();
    for chunk in items.chunks(MAX_CHUNK_OBJECTS) {
        refusals.extend(service.import_chunk(&mut import, chunk).await?.refusals);
    }
    let counts = service.finish_import(&import).await?;
    let objects = counts.total();
    Ok(answer(StatusCode::OK, &ImportReport { import_id: import.id(), objects, counts, refusals }))
}

/// What an adapter makes of documents, one after the other.
fn all_described(adapter: &Adapter, documents: &[Box<RawValue>]) -> Vec<ImportItem> {
    let mut items = Vec::new();
    for document in documents {
        let from = u64::try_from(items.len()).unwrap_or(u64::MAX);
        items.extend(described(adapter, document.get(), from));
    }
    items
}
