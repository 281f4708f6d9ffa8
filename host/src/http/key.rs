//! Keys: deriving them and taking them apart. Pure: no workspace, no database, nothing but a credential.

use axum::http::StatusCode;
use axum::response::Response;
use provident_identity::Lines;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::document::NONE;
use super::problem::Problem;
use super::request::Call;
use super::{Api, answer};
use crate::error::Error;
use crate::schema;
use crate::service::{MAX_LOOKUP_KEYS, compute};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(derive)).routes(routes!(parse))
}

/// Subjects whose keys are asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeriveRequest {
    /// At most 10,000.
    #[schema(value_type = Vec<schema::Derivable>, max_items = 10_000)]
    items: Vec<Box<RawValue>>,
}

/// Keys to be taken apart.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ParseRequest {
    /// At most 10,000.
    #[schema(max_items = 10_000)]
    keys: Vec<String>,
}

/// One answer each, in the order asked.
#[derive(Serialize)]
struct Answers {
    items: Vec<Box<RawValue>>,
}

/// One answer each, in the order asked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of answers that are rendered as the component gives them")]
struct DerivedKeys {
    items: Vec<DerivedKeyAnswer>,
}

/// A key, or why there is none.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of answers that are rendered as the component gives them")]
struct DerivedKeyAnswer {
    #[schema(nullable = false)]
    ok: Option<DerivedKey>,
    #[schema(nullable = false)]
    error: Option<schema::Refusal>,
}

/// A key and its digest.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of answers that are rendered as the component gives them")]
struct DerivedKey {
    /// The canonical subject key.
    key: String,
    /// `sha256:` and the lower-case hex of SHA-256 over the key's bytes.
    digest: String,
}

/// One answer each, in the order asked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of answers that are rendered as the component gives them")]
struct ParsedKeys {
    items: Vec<ParsedKeyAnswer>,
}

/// What a key says, or why it is none.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of answers that are rendered as the component gives them")]
struct ParsedKeyAnswer {
    #[schema(nullable = false)]
    ok: Option<ParsedKey>,
    #[schema(nullable = false)]
    error: Option<schema::Refusal>,
}

/// A key, taken apart; texts are decoded.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of answers that are rendered as the component gives them")]
struct ParsedKey {
    /// The provider.
    provider_key: String,
    /// What kind of thing the subject is.
    subject_class: schema::SubjectClassName,
    /// The platform's type of the subject.
    subject_type_key: String,
    /// The provider's type of the resource.
    resource_type: String,
    /// Which identity the key carries: `id`, `ext` or `disc`.
    form: String,
    /// That identity.
    value: String,
}

/// The canonical keys of subjects
#[utoipa::path(
    post, path = "/v1/keys:derive", operation_id = "derive_keys", tag = "keys", request_body = DeriveRequest,
    responses((status = OK, body = DerivedKeys)), extensions(("x-effect" = json!(NONE)))
)]
async fn derive(mut call: Call) -> Result<Response, Problem> {
    let DeriveRequest { items } = call.own_body()?;
    let lines = items.iter().map(|item| item.get());
    let items = answers(&call, "derive", "items", &lines.collect::<Vec<_>>())?;
    Ok(answer(StatusCode::OK, &Answers { items }))
}

/// Keys, taken apart
#[utoipa::path(
    post, path = "/v1/keys:parse", operation_id = "parse_keys", tag = "keys", request_body = ParseRequest,
    responses((status = OK, body = ParsedKeys)), extensions(("x-effect" = json!(NONE)))
)]
async fn parse(mut call: Call) -> Result<Response, Problem> {
    let ParseRequest { keys } = call.own_body()?;
    let lines = keys.iter().map(|key| serde_json::json!({ "key": key }).to_string()).collect::<Vec<_>>();
    let items = answers(&call, "parse", "keys", &lines.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(answer(StatusCode::OK, &Answers { items }))
}

/// Has the component answer inputs, each for itself.
fn answers(call: &Call, op: &'static str, field: &'static str, inputs: &[&str]) -> Result<Vec<Box<RawValue>>, Problem> {
    if inputs.len() > MAX_LOOKUP_KEYS {
        return Err(Error::invalid("too-many-keys", field, "at most 10,000 at once").into());
    }
    let mut lines = String::new();
    for input in inputs {
        // No JSON text has a line end but between its tokens.
        lines.extend(input.chars().map(|character| if matches!(character, '\n' | '\r') { ' ' } else { character }));
        lines.push('\n');
    }
    let mut replies = Vec::new();
    let failed = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "component-trapped");
    let component = Lines::of_inputs(call.service().identity(), op);
    compute(|| component.answer(lines.as_bytes(), &mut replies)).map_err(|_| failed())?;
    let replies = str::from_utf8(&replies).map_err(|_| failed())?;
    replies.lines().map(|reply| serde_json::from_str(reply).map_err(|_| failed())).collect()
}
