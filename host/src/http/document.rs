//! The document that describes the HTTP interface (`OpenAPI` 3.1), made of the same declarations as the routes, and a page
//! that shows it and loads nothing from elsewhere.
//!
//! What every operation has in common is said once, here: that a credential is needed, how it is refused, and that a
//! request has a name.

use std::sync::Arc;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use utoipa::OpenApi as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Header, OpenApi, Ref, RefOr, ResponseBuilder, Schema};
use utoipa_axum::router::OpenApiRouter;

use super::problem::{BrokenRule, Told};
use super::request::Limit;
use super::{Api, audit, binding, connection, inventory, key, registry, run};
use crate::schema;

/// An operation that changes nothing anywhere (P339-33).
pub const NONE: &str = "none";
/// An operation that changes what is kept here, and nothing at a provider.
pub const PLATFORM: &str = "platform";

/// Every refusal there is by its status, and what it means.
const REFUSALS: &[(&str, &str)] = &[
    ("400", "The request is malformed: `malformed-request`, `unknown-parameter`, `bad-parameter` and others"),
    ("401", "No credential that holds: `credential-required`, `bad-credential`, `credential-expired`"),
    ("403", "The caller may know of it, and not do this: `forbidden`, `may-not-act-for-others`"),
    ("404", "There is no such thing, or the caller may not know of it: `not-found`"),
    ("408", "The body did not arrive in time: `body-timed-out`"),
    ("409", "It does not fit what is there: `active-binding-exists`, `stale-binding` and others"),
    ("413", "The body is too large: `body-too-large`"),
    ("415", "The body is not JSON: `unsupported-media-type`"),
    ("422", "What is asked for cannot be right: the codes of the contract and of the host"),
    ("429", "Too many requests of this credential: `rate-limited`; see `Retry-After`"),
    ("500", "The service failed; the log has more under the request's id"),
    (
        "503",
        "For the time being: `deadline-exceeded`, `database-busy`, `database-unavailable`; repeat after `Retry-After`",
    ),
];

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Provident",
        description = "Stable identities for provider resources, and the decisions made about them.\n\nAuthority comes from the path's workspace, an explicit `environment_id` and the record's own place. What does not exist and what the caller may not know of are answered alike.\n\nA token that has the right to acts for another user where a request has the header `Provident-On-Behalf-Of: <user id>`; the authority is that user's alone. `X-Request-Id` names a request, and comes back.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact()
    ),
    components(schemas(
        Told, BrokenRule, Limit, schema::BindingStatusName, schema::BulkKeyText, schema::IdempotencyKeyText,
        schema::ObservationStatusName, schema::RecordName, schema::ResolutionModeName, schema::SubjectClassName,
        schema::ConnectionStatusName, schema::HealthStatusName, schema::OperationTypeName, schema::RunStatusName,
        schema::RunOutcomeName, schema::DisplayNameText, schema::CredentialText,
        schema::CountsByKey
    )),
    tags(
        (name = "bindings", description = "What was decided about subjects"),
        (name = "keys", description = "Canonical subject keys; pure"),
        (name = "inventory", description = "What was last observed"),
        (name = "connections", description = "Ways to a provider"),
        (name = "runs", description = "What is done at a provider, and how far it is"),
        (name = "registry", description = "Rows of a platform, mirrored"),
        (name = "audit", description = "What was done")
    )
)]
struct Document;

/// Every route, and the document of them.
pub(super) fn operations() -> (Router<Api>, OpenApi) {
    let (routes, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(binding::routes())
        .merge(key::routes())
        .merge(inventory::routes())
        .merge(connection::routes())
        .merge(run::routes())
        .merge(registry::routes())
        .merge(audit::routes())
        .split_for_parts();
    complete(&mut document);
    (routes, document)
}

/// The document alone.
#[must_use]
pub fn document() -> OpenApi {
    operations().1
}

/// The document as a file, and a page that shows it.
pub(super) fn pages(document: &OpenApi) -> Router {
    let config = utoipa_swagger_ui::Config::new(["/openapi.json"]).validator_url("none").try_it_out_enabled(false);
    let json: Arc<str> = document.to_pretty_json().unwrap_or_default().into();
    let page = Router::from(utoipa_swagger_ui::SwaggerUi::new("/docs").config(config));
    page.route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], json.to_string())))
        .layer(middleware::map_response(keep_to_itself))
}

/// Has a browser load nothing from elsewhere.
async fn keep_to_itself(response: Response) -> Response {
    let policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; \
         base-uri 'none'; form-action 'none'; object-src 'none'";
    let mut response = response.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Adds what every operation has in common.
fn complete(document: &mut OpenApi) {
    if let Some(components) = &mut document.components {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of this installation (`pvd_…`), or a JWT of a configured identity provider."));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        // It stands in an event with three more members: a schema that forbids others would forbid those.
        if let Some(RefOr::T(Schema::Object(event))) = components.schemas.get_mut("AuditEvent") {
            event.additional_properties = None;
        }
    }
    document.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            add_refusals(operation);
        }
    }
}

fn add_refusals(operation: &mut Operation) {
    for (status, description) in REFUSALS {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description(*description).content("application/problem+json", content);
        operation.responses.responses.entry((*status).to_owned()).or_insert_with(|| response.build().into());
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            if response.description.is_empty() {
                "Done".clone_into(&mut response.description);
            }
            response.headers.insert("X-Request-Id".to_owned(), Header::default().into());
        }
    }
}
