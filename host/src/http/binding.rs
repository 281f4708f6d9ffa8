//! Bindings: reading them, deciding, looking subjects up.

use axum::http::StatusCode;
use axum::response::Response;
use provident_identity::{BindingStatus, ProviderResourceDescriptor, ResolutionMode, SubjectClass};
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
use crate::binding::{
    Binding, BindingFilter, BulkItem, CreateBinding, CreateRequest, LegacySubjectKey, LookupAnswer, RevokeRequest,
    Sources, SupersedeRequest, View,
};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::idempotency::IdempotencyKey;
use crate::policy::Capability;
use crate::registry::RecordRef;
use crate::schema::{self, record_ref};
use crate::service::{BulkAnswer, BulkCreate, BulkRefusal, MAX_BULK_ITEMS, ReadInPlace};

/// Most bytes of the key of a bulk: each decision's has its place behind it.
const MAX_BULK_KEY_BYTES: usize = 250;

const TO_VIEW: Asks = Asks::to_read(Capability::WorkspaceBaselinesView);
const TO_CREATE: Asks = Asks::to_change(Capability::WorkspaceBaselinesManage, Operation::BindingCreate);
const TO_SUPERSEDE: Asks = Asks::to_change(Capability::WorkspaceBaselinesManage, Operation::BindingSupersede);
const TO_REVOKE: Asks = Asks::to_change(Capability::WorkspaceBaselinesManage, Operation::BindingRevoke);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get))
        .routes(routes!(supersede))
        .routes(routes!(revoke))
        .routes(routes!(history))
        .routes(routes!(lookup))
        .routes(routes!(bulk_create))
}

/// What was decided, or would be.
#[derive(Serialize, ToSchema)]
struct Decided {
    /// Whether nothing was written: then ids and times are those of this trial alone.
    dry_run: bool,
    /// The decision.
    #[schema(value_type = View)]
    binding: Binding,
}

/// A page of bindings.
#[derive(Serialize, ToSchema)]
struct BindingPage {
    /// The bindings, newest first.
    #[schema(value_type = Vec<View>)]
    items: Vec<Binding>,
    /// To be given as `after` for the next page; null on the last.
    next: Option<Uuid>,
}

/// Which bindings to list. Every parameter given narrows.
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
    /// One connection.
    provider_connection_id: Option<Uuid>,
    /// One subject.
    canonical_subject_key: Option<String>,
    /// One status.
    #[param(value_type = Option<schema::BindingStatusName>)]
    binding_status: Option<BindingStatus>,
    /// One mode.
    #[param(value_type = Option<schema::ResolutionModeName>)]
    resolution_mode: Option<ResolutionMode>,
    /// One class of subject.
    #[param(value_type = Option<schema::SubjectClassName>)]
    subject_class: Option<SubjectClass>,
    /// One domain.
    subject_domain: Option<String>,
    /// One former name, byte for byte.
    legacy_subject_key: Option<String>,
    /// One run it came from.
    source_operation_run_id: Option<Uuid>,
    /// One snapshot it came from.
    source_baseline_snapshot_id: Option<Uuid>,
    /// One inventory item it came from.
    source_inventory_item_id: Option<Uuid>,
    /// One policy version it came from.
    source_policy_version_id: Option<Uuid>,
    /// Most bindings of the page.
    #[param(value_type = Option<Limit>)]
    limit: Option<Limit>,
    /// `next` of the page before.
    after: Option<Uuid>,
}

/// Which page of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PageParameters {
    /// Most bindings of the page.
    #[param(value_type = Option<Limit>)]
    limit: Option<Limit>,
    /// `next` of the page before.
    after: Option<Uuid>,
}

/// Which subjects to look up: by keys or by descriptors, at most 10,000.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LookupRequest {
    /// The environment.
    #[serde(deserialize_with = "record_ref::deserialize")]
    #[schema(value_type = schema::RecordName)]
    environment_id: RecordRef,
    /// Canonical subject keys.
    #[schema(max_items = 10_000)]
    keys: Option<Vec<String>>,
    /// Descriptors, whose keys are derived.
    #[schema(value_type = Option<Vec<schema::Descriptor>>, max_items = 10_000)]
    descriptors: Option<Vec<ProviderResourceDescriptor>>,
    /// As of this moment instead of now.
    #[schema(value_type = Option<schema::Moment>)]
    as_of: Option<Timestamp>,
}

/// What is known of each subject, in the order asked.
#[derive(Serialize, ToSchema)]
struct LookupAnswers {
    /// One for each.
    items: Vec<LookupAnswer>,
}

/// Many first decisions.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BulkCreateRequest {
    /// The environment of all of them.
    #[serde(deserialize_with = "record_ref::deserialize")]
    #[schema(value_type = schema::RecordName)]
    environment_id: RecordRef,
    /// Whether all is to be judged and nothing written.
    #[serde(default)]
    dry_run: bool,
    /// At most 500 decisions.
    #[schema(max_items = 500)]
    items: Vec<BulkItem>,
}

/// What became of each decision, in the order asked.
#[derive(Serialize, ToSchema)]
struct BulkAnswers {
    /// Whether nothing was written: then ids and times are those of this trial alone.
    dry_run: bool,
    /// One for each.
    items: Vec<BulkAnswer>,
}

/// The bindings of an environment, newest first
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/bindings", operation_id = "list_bindings", tag = "bindings",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ListParameters),
    responses((status = OK, body = BindingPage)), extensions(("x-effect" = json!(NONE)))
)]
async fn list(call: Call) -> Result<Response, Problem> {
    let asked: ListParameters = call.parameters(TO_VIEW).await?;
    let filter = BindingFilter {
        provider_key: asked.provider_key,
        provider_connection_id: asked.provider_connection_id,
        canonical_subject_key: asked.canonical_subject_key,
        status: asked.binding_status,
        mode: asked.resolution_mode,
        subject_class: asked.subject_class,
        subject_domain: asked.subject_domain,
        legacy_subject_key: asked.legacy_subject_key.map(LegacySubjectKey::new),
        sources: Sources {
            operation_run_id: asked.source_operation_run_id,
            baseline_snapshot_id: asked.source_baseline_snapshot_id,
            inventory_item_id: asked.source_inventory_item_id,
            policy_version_id: asked.source_policy_version_id,
        },
    };
    let page = Limit::page(asked.limit, asked.after);
    let page = call.service().bindings(call.actor(), &call.workspace(), asked.environment_id, &filter, page).await?;
    Ok(answer(StatusCode::OK, &page))
}

/// A first decision about a subject
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/bindings", operation_id = "create_binding", tag = "bindings",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("Idempotency-Key" = Option<schema::IdempotencyKeyText>, Header, description = "The caller's name for this request, if it may be repeated: 1 to 255 visible ASCII characters")),
    request_body = CreateRequest,
    responses((status = CREATED, body = Decided), (status = OK, description = "A dry run", body = Decided)),
    extensions(("x-effect" = json!(PLATFORM)))
)]
async fn create(mut call: Call) -> Result<Response, Problem> {
    let key = call.idempotency_key(TO_CREATE).await?;
    let request: CreateRequest = call.body(TO_CREATE).await?;
    let named = request.environment_id.clone();
    let (environment, request) = match request.create(key) {
        Ok(request) => request,
        Err(error) => return Err(call.unless_denied_in(TO_CREATE, named, error.into()).await),
    };
    let binding = call.service().create_binding(call.actor(), &call.workspace(), environment, &request).await?;
    Ok(decided(StatusCode::CREATED, request.dry_run, binding))
}

/// A binding
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/bindings/{binding_id}", operation_id = "get_binding", tag = "bindings",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("binding_id" = Uuid, Path, description = "The binding"), ("If-None-Match" = Option<String>, Header, description = "Entity tags the caller has")),
    responses((status = OK, body = View, headers(("ETag" = String, description = "Changes with the record"))), (status = NOT_MODIFIED, description = "The caller has it")),
    extensions(("x-effect" = json!(NONE)))
)]
async fn get(call: Call) -> Result<Response, Problem> {
    call.no_parameters(TO_VIEW).await?;
    let binding = call.service().binding(call.actor(), &call.workspace(), call.binding_id()).await?;
    record(&call, &binding)
}

/// A decision in place of the active one
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/bindings/{binding_id}/supersede", operation_id = "supersede_binding", tag = "bindings",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("binding_id" = Uuid, Path, description = "The binding that is expected to be active"), ("Idempotency-Key" = Option<schema::IdempotencyKeyText>, Header, description = "The caller's name for this request, if it may be repeated: 1 to 255 visible ASCII characters")),
    request_body = SupersedeRequest,
    responses((status = CREATED, body = Decided), (status = OK, description = "A dry run", body = Decided)),
    extensions(("x-effect" = json!(PLATFORM)))
)]
async fn supersede(mut call: Call) -> Result<Response, Problem> {
    let key = call.idempotency_key(TO_SUPERSEDE).await?;
    let request: SupersedeRequest = call.body(TO_SUPERSEDE).await?;
    let request = match request.supersede(key) {
        Ok(request) => request,
        Err(error) => return Err(call.unless_denied(TO_SUPERSEDE, error.into()).await),
    };
    let id = call.binding_id();
    let binding = call.service().supersede_binding(call.actor(), &call.workspace(), id, &request).await?;
    Ok(decided(StatusCode::CREATED, request.dry_run, binding))
}

/// The end of the active decision
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/bindings/{binding_id}/revoke", operation_id = "revoke_binding", tag = "bindings",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("binding_id" = Uuid, Path, description = "The binding that is expected to be active"), ("Idempotency-Key" = Option<schema::IdempotencyKeyText>, Header, description = "The caller's name for this request, if it may be repeated: 1 to 255 visible ASCII characters")),
    request_body = RevokeRequest,
    responses((status = OK, body = Decided)),
    extensions(("x-effect" = json!(PLATFORM)))
)]
async fn revoke(mut call: Call) -> Result<Response, Problem> {
    let key = call.idempotency_key(TO_REVOKE).await?;
    let request: RevokeRequest = call.body(TO_REVOKE).await?;
    let dry_run = request.dry_run;
    let id = call.binding_id();
    let binding = call.service().revoke_binding(call.actor(), &call.workspace(), id, request.revoke(key)).await?;
    Ok(decided(StatusCode::OK, dry_run, binding))
}

/// Every decision about a binding's subject, newest first
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/bindings/{binding_id}/history", operation_id = "binding_history", tag = "bindings",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("binding_id" = Uuid, Path, description = "Any binding of the subject"), PageParameters),
    responses((status = OK, body = BindingPage)), extensions(("x-effect" = json!(NONE)))
)]
async fn history(call: Call) -> Result<Response, Problem> {
    let asked: PageParameters = call.parameters(TO_VIEW).await?;
    let page = Limit::page(asked.limit, asked.after);
    let page = call.service().history_of_binding(call.actor(), &call.workspace(), call.binding_id(), page).await?;
    Ok(answer(StatusCode::OK, &page))
}

/// What is known of subjects in an environment
///
/// Never a yes or no: a decision that holds is shown, the last one that did is named, or there was none.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/bindings:lookup", operation_id = "lookup_bindings", tag = "bindings",
    params(("workspace_id" = Uuid, Path, description = "The workspace")),
    request_body = LookupRequest,
    responses((status = OK, body = LookupAnswers)), extensions(("x-effect" = json!(NONE)))
)]
async fn lookup(mut call: Call) -> Result<Response, Problem> {
    let asked: LookupRequest = call.body(TO_VIEW).await?;
    let (service, actor, workspace) = (call.service(), call.actor(), call.workspace());
    let items = match (asked.keys, asked.descriptors) {
        (Some(keys), None) => service.lookup(actor, &workspace, asked.environment_id, &keys, asked.as_of).await?,
        (None, Some(descriptors)) => {
            service.lookup_descriptors(actor, &workspace, asked.environment_id, &descriptors, asked.as_of).await?
        }
        _ => {
            let error = Error::invalid("malformed-request", "keys", "name the subjects, by keys or by descriptors");
            return Err(call.unless_denied_in(TO_VIEW, asked.environment_id, error.into()).await);
        }
    };
    Ok(answer(StatusCode::OK, &LookupAnswers { items }))
}

/// First decisions about up to 500 subjects, each answered for itself
///
/// With an `Idempotency-Key`, each decision without a key of its own has that key with `:` and its place in the list.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/bindings:bulk-create", operation_id = "bulk_create_bindings", tag = "bindings",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("Idempotency-Key" = Option<schema::BulkKeyText>, Header, description = "The caller's name for this request, if it may be repeated: 1 to 250 visible ASCII characters")),
    request_body = BulkCreateRequest,
    responses((status = OK, body = BulkAnswers)), extensions(("x-effect" = json!(PLATFORM)))
)]
async fn bulk_create(mut call: Call) -> Result<Response, Problem> {
    let key = call.idempotency_key(TO_CREATE).await?;
    let BulkCreateRequest { environment_id, dry_run, items } = call.body(TO_CREATE).await?;
    let refused = if items.len() > MAX_BULK_ITEMS {
        Some(Error::invalid("bulk-too-large", "items", "at most 500 decisions at once"))
    } else if key.as_ref().is_some_and(|key| key.as_str().len() > MAX_BULK_KEY_BYTES) {
        Some(Error::invalid("bad-idempotency-key", "Idempotency-Key", "of a bulk at most 250 characters"))
    } else {
        None
    };
    if let Some(error) = refused {
        return Err(call.unless_denied_in(TO_CREATE, environment_id, error.into()).await);
    }
    let read = items.into_iter().enumerate().map(|(at, item)| match item.create() {
        Ok(item) => keyed(item, key.as_ref(), at).map(Ok),
        Err(error) => BulkRefusal::of(error).map(Err),
    });
    let read = ReadInPlace::of(read.collect::<Result<Vec<_>, Error>>()?);
    let request = BulkCreate { items: &read.items, dry_run };
    let made = call.service().bulk_create_bindings(call.actor(), &call.workspace(), environment_id, request).await?;
    let items = read.answers(made);
    Ok(answer(StatusCode::OK, &BulkAnswers { dry_run, items }))
}

/// A decision with the key of its request, unless it has one of its own.
fn keyed(item: CreateBinding, key: Option<&IdempotencyKey>, at: usize) -> Result<CreateBinding, Error> {
    match key {
        Some(key) if item.idempotency_key.is_none() => {
            let key = format!("{}:{at}", key.as_str()).parse()?;
            Ok(CreateBinding { idempotency_key: Some(key), ..item })
        }
        _ => Ok(item),
    }
}

fn decided(done: StatusCode, dry_run: bool, binding: Binding) -> Response {
    answer(if dry_run { StatusCode::OK } else { done }, &Decided { dry_run, binding })
}
