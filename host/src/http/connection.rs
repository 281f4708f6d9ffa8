//! Connections: ways to a provider. What one logs in with goes in here and never comes out.

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
use crate::connection::{CreateConnection, ProviderConnection, UpdateConnection};
use crate::error::Error;
use crate::policy::Capability;
use crate::provider_credential::GivenCredentials;
use crate::registry::RecordRef;
use crate::schema::{self, record_ref};

const TO_VIEW: Asks = Asks::to_read(Capability::ProviderView);

const fn to_manage(operation: Operation) -> Asks {
    Asks::to_change(Capability::ProviderManage, operation)
}

const TO_CREATE: Asks = to_manage(Operation::ConnectionCreate);
const TO_UPDATE: Asks = to_manage(Operation::ConnectionUpdate);
const TO_MAKE_DEFAULT: Asks = to_manage(Operation::ConnectionMakeDefault);
const TO_ENABLE: Asks = to_manage(Operation::ConnectionEnable);
const TO_DISABLE: Asks = to_manage(Operation::ConnectionDisable);
const TO_SET_CREDENTIALS: Asks = to_manage(Operation::ProviderCredentialSet);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(create))
        .routes(routes!(get))
        .routes(routes!(update))
        .routes(routes!(make_default))
        .routes(routes!(enable))
        .routes(routes!(disable))
        .routes(routes!(set_credentials))
}

/// A page of connections.
#[derive(Serialize, ToSchema)]
struct ConnectionPage {
    /// The connections.
    items: Vec<ProviderConnection>,
    /// To be given as `after` for the next page; null on the last.
    next: Option<Uuid>,
}

/// Which connections to list.
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
    /// Most connections of the page.
    #[param(value_type = Option<Limit>)]
    limit: Option<Limit>,
    /// `next` of the page before.
    after: Option<Uuid>,
}

/// A connection that is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateConnectionRequest {
    /// The environment.
    #[serde(deserialize_with = "record_ref::deserialize")]
    #[schema(value_type = schema::RecordName)]
    environment_id: RecordRef,
    /// The provider.
    provider_key: String,
    /// The provider's directory; need not be said where the environment knows it already.
    #[schema(max_length = 255)]
    directory_id: Option<String>,
    /// What people call it.
    #[schema(value_type = schema::DisplayNameText)]
    display_name: String,
    /// Whether it is to be the default; the first of a provider in an environment is anyhow.
    #[serde(default)]
    make_default: bool,
}

/// What is to be said otherwise. What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateConnectionRequest {
    /// What people call it.
    #[schema(value_type = Option<schema::DisplayNameText>)]
    display_name: Option<String>,
    /// The provider's directory, if it was not known.
    #[schema(max_length = 255)]
    directory_id: Option<String>,
}

/// How a connection goes out of use.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DisableConnectionRequest {
    /// Whether that is meant although it is the default.
    #[serde(default)]
    even_if_default: bool,
}

/// What a connection is to log in with. It is shown to nobody from then on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetCredentialsRequest {
    /// Every field the provider declares, and no other: texts of 1 to 4,096 bytes, without control characters.
    #[schema(value_type = BTreeMap<String, schema::CredentialText>)]
    fields: GivenCredentials,
}

/// The connections of an environment
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/connections", operation_id = "list_connections", tag = "connections",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ListParameters),
    responses((status = OK, body = ConnectionPage)), extensions(("x-effect" = json!(NONE)))
)]
async fn list(call: Call) -> Result<Response, Problem> {
    let asked: ListParameters = call.parameters(TO_VIEW).await?;
    let page = Limit::page(asked.limit, asked.after);
    let (service, provider) = (call.service(), asked.provider_key.as_deref());
    let page = service.connections_in(call.actor(), &call.workspace(), asked.environment_id, provider, page).await?;
    Ok(answer(StatusCode::OK, &page))
}

/// Makes a connection
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/connections", operation_id = "create_connection", tag = "connections",
    params(("workspace_id" = Uuid, Path, description = "The workspace")),
    request_body = CreateConnectionRequest,
    responses((status = CREATED, body = ProviderConnection)), extensions(("x-effect" = json!(PLATFORM)))
)]
async fn create(mut call: Call) -> Result<Response, Problem> {
    let asked: CreateConnectionRequest = call.body(TO_CREATE).await?;
    let request = CreateConnection {
        provider_key: asked.provider_key,
        directory_id: asked.directory_id,
        display_name: asked.display_name,
        make_default: asked.make_default,
    };
    let service = call.service();
    let made = service.create_connection(call.actor(), &call.workspace(), asked.environment_id, &request).await?;
    Ok(answer(StatusCode::CREATED, &made))
}

/// A connection
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/connections/{connection_id}", operation_id = "get_connection", tag = "connections",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("connection_id" = Uuid, Path, description = "The connection"), ("If-None-Match" = Option<String>, Header, description = "Entity tags the caller has")),
    responses((status = OK, body = ProviderConnection, headers(("ETag" = String, description = "Changes with the record"))), (status = NOT_MODIFIED, description = "The caller has it")),
    extensions(("x-effect" = json!(NONE)))
)]
async fn get(call: Call) -> Result<Response, Problem> {
    call.no_parameters(TO_VIEW).await?;
    let connection = call.service().connection(call.actor(), &call.workspace(), call.connection_id()).await?;
    record(&call, &connection)
}

/// Says otherwise what a connection is called, or what its directory is if that was not known
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/connections/{connection_id}/update", operation_id = "update_connection", tag = "connections",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("connection_id" = Uuid, Path, description = "The connection")),
    request_body = UpdateConnectionRequest,
    responses((status = OK, body = ProviderConnection)), extensions(("x-effect" = json!(PLATFORM)))
)]
async fn update(mut call: Call) -> Result<Response, Problem> {
    let UpdateConnectionRequest { display_name, directory_id } = call.body(TO_UPDATE).await?;
    let request = UpdateConnection { display_name, directory_id };
    let (service, id) = (call.service(), call.connection_id());
    let connection = service.update_connection(call.actor(), &call.workspace(), id, &request).await?;
    Ok(answer(StatusCode::OK, &connection))
}

/// Makes a connection the one that is taken where none is named
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/connections/{connection_id}/make-default", operation_id = "make_default_connection", tag = "connections",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("connection_id" = Uuid, Path, description = "The connection")),
    responses((status = OK, body = ProviderConnection)), extensions(("x-effect" = json!(PLATFORM)))
)]
async fn make_default(mut call: Call) -> Result<Response, Problem> {
    call.no_body(TO_MAKE_DEFAULT).await?;
    let (service, id) = (call.service(), call.connection_id());
    let connection = service.make_default_connection(call.actor(), &call.workspace(), id).await?;
    Ok(answer(StatusCode::OK, &connection))
}

/// Puts a connection into use again
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/connections/{connection_id}/enable", operation_id = "enable_connection", tag = "connections",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("connection_id" = Uuid, Path, description = "The connection")),
    responses((status = OK, body = ProviderConnection)), extensions(("x-effect" = json!(PLATFORM)))
)]
async fn enable(mut call: Call) -> Result<Response, Problem> {
    call.no_body(TO_ENABLE).await?;
    let (service, id) = (call.service(), call.connection_id());
    let connection = service.enable_connection(call.actor(), &call.workspace(), id).await?;
    Ok(answer(StatusCode::OK, &connection))
}

/// Puts a connection out of use
///
/// What is bound through it stays bound. The default goes out of use only where that is said to be meant.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/connections/{connection_id}/disable", operation_id = "disable_connection", tag = "connections",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("connection_id" = Uuid, Path, description = "The connection")),
    request_body = DisableConnectionRequest,
    responses((status = OK, body = ProviderConnection)), extensions(("x-effect" = json!(PLATFORM)))
)]
async fn disable(mut call: Call) -> Result<Response, Problem> {
    let DisableConnectionRequest { even_if_default } = call.body(TO_DISABLE).await?;
    let (service, id) = (call.service(), call.connection_id());
    let connection = service.disable_connection(call.actor(), &call.workspace(), id, even_if_default).await?;
    Ok(answer(StatusCode::OK, &connection))
}

/// Sets what a connection logs in with
///
/// All fields at once, in the place of what they were. The answer has their names and nothing else of them.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/connections/{connection_id}/credentials", operation_id = "set_connection_credentials", tag = "connections",
    params(("workspace_id" = Uuid, Path, description = "The workspace"), ("connection_id" = Uuid, Path, description = "The connection")),
    request_body = SetCredentialsRequest,
    responses((status = OK, body = ProviderConnection)), extensions(("x-effect" = json!(PLATFORM)))
)]
async fn set_credentials(mut call: Call) -> Result<Response, Problem> {
    let SetCredentialsRequest { fields } = call.body(TO_SET_CREDENTIALS).await?;
    let fields = match fields.accepted() {
        Ok(fields) => fields,
        Err(error) => return Err(call.unless_denied(TO_SET_CREDENTIALS, Error::from(error).into()).await),
    };
    let (service, id) = (call.service(), call.connection_id());
    let connection = service.set_provider_credentials(call.actor(), &call.workspace(), id, &fields).await?;
    Ok(answer(StatusCode::OK, &connection))
}
