//! A request, taken apart: who calls, what the path names, parameters, body; in this order, and nothing else.
//!
//! Authority comes from the path's workspace, an explicit environment and the record's own place (P339-01). Of headers,
//! only the credential and the acting user choose anything; cookies choose nothing. What is wrong with parameters or
//! body is told to those who may do what they ask, and to nobody else.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller;
use super::problem::Problem;
use crate::actor::Actor;
use crate::audit::Operation;
use crate::error::Error;
use crate::idempotency::IdempotencyKey;
use crate::json::{self, Fault, shown};
use crate::page::{MAX_PAGE_ROWS, PAGE_ROWS, PageRequest};
use crate::policy::Capability;
use crate::registry::RecordRef;
use crate::service::{Named, Service};
use crate::workspace::{PLATFORM_WORKSPACE, WorkspaceRef};

/// Names that other systems know a tenant by. They mean nothing here: a parameter of such a name is as if it were not
/// there (P339-04).
pub const INERT_PARAMETERS: &[&str] = &["tenant", "tenant_id", "managed_environment_id"];

/// The name a caller gives a request that may be repeated.
pub static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What an operation asks of its caller, said once and used where the request cannot be read.
#[derive(Clone, Copy, Debug)]
pub struct Asks {
    capability: Capability,
    mutation: Option<Operation>,
}

impl Asks {
    /// To read.
    #[must_use]
    pub const fn to_read(capability: Capability) -> Self {
        Self { capability, mutation: None }
    }

    /// To change something.
    #[must_use]
    pub const fn to_change(capability: Capability, operation: Operation) -> Self {
        Self { capability, mutation: Some(operation) }
    }
}

/// Most rows of a page: 1 to 500, 100 where nothing is said.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(try_from = "u32")]
#[schema(value_type = u32, minimum = 1, maximum = 500, default = 100)]
pub struct Limit(u32);

impl TryFrom<u32> for Limit {
    type Error = &'static str;

    fn try_from(rows: u32) -> Result<Self, Self::Error> {
        if (1..=MAX_PAGE_ROWS).contains(&rows) { Ok(Self(rows)) } else { Err("a page has 1 to 500 rows") }
    }
}

impl Limit {
    /// So many rows, if that was said.
    #[must_use]
    pub fn rows(limit: Option<Self>) -> u32 {
        limit.map_or(PAGE_ROWS, |Self(rows)| rows)
    }

    /// Which page is asked for.
    #[must_use]
    pub fn page(limit: Option<Self>, after: Option<Uuid>) -> PageRequest {
        PageRequest::new(Self::rows(limit), after)
    }
}

/// The parameters, or the body, of an operation that has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A request whose credential holds.
pub struct Call {
    api: Api,
    actor: Actor,
    path: BTreeMap<String, String>,
    query: String,
    headers: HeaderMap,
    body: Result<Bytes, Problem>,
}

/// Of a request nothing is printed: there are secrets, notes and labels in it.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("actor", &self.actor).finish_non_exhaustive()
    }
}

impl FromRequest<Api> for Call {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let actor = caller::actor(&parts, api).await?;
        let span = tracing::Span::current();
        span.record("user_id", tracing::field::display(actor.user_id()));
        if let Some(token_id) = actor.token_id() {
            span.record("token_id", tracing::field::display(token_id));
        }
        let path = named_in_path(&parts);
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let body = read(api, &parts.headers, body).await;
        Ok(Self { api: api.clone(), actor, path, query, headers: parts.headers, body })
    }
}

impl Call {
    /// Every operation there is.
    #[must_use]
    pub fn service(&self) -> &Service {
        self.api.service()
    }

    /// What is served, and within which limits.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// The path's workspace. What is no id names a workspace nobody is a member of.
    #[must_use]
    pub fn workspace(&self) -> WorkspaceRef {
        WorkspaceRef::Id(self.id("workspace_id").unwrap_or(PLATFORM_WORKSPACE))
    }

    /// The path's binding. What is no id names none.
    #[must_use]
    pub fn binding_id(&self) -> Uuid {
        self.id("binding_id").unwrap_or(Uuid::nil())
    }

    /// The path's inventory item. What is no id names none.
    #[must_use]
    pub fn item_id(&self) -> Uuid {
        self.id("item_id").unwrap_or(Uuid::nil())
    }

    /// The path's connection. What is no id names none.
    #[must_use]
    pub fn connection_id(&self) -> Uuid {
        self.id("connection_id").unwrap_or(Uuid::nil())
    }

    /// The path's run. What is no id names none.
    #[must_use]
    pub fn run_id(&self) -> Uuid {
        self.id("run_id").unwrap_or(Uuid::nil())
    }

    fn id(&self, name: &str) -> Option<Uuid> {
        plain_id(self.path.get(name)?)
    }

    fn named(&self) -> Named {
        if self.path.contains_key("binding_id") {
            Named::Binding(self.binding_id())
        } else if self.path.contains_key("item_id") {
            Named::InventoryItem(self.item_id())
        } else if self.path.contains_key("connection_id") {
            Named::Connection(self.connection_id())
        } else if self.path.contains_key("run_id") {
            Named::Run(self.run_id())
        } else {
            Named::Workspace
        }
    }

    /// The query's parameters. Whoever may not do what they ask is told that, and nothing of parameters.
    ///
    /// # Errors
    /// `not-found`, `forbidden`; `unknown-parameter`, `repeated-parameter`, `parameter-required`, `bad-parameter`,
    /// `bad-page-size`.
    pub async fn parameters<T: DeserializeOwned>(&self, asks: Asks) -> Result<T, Problem> {
        match parameters(&self.query) {
            Ok(read) => Ok(read),
            Err(problem) => Err(self.unless_denied(asks, problem).await),
        }
    }

    /// The body of an operation that has no parameters. Whoever may not do what they ask is told that, and nothing of
    /// either.
    ///
    /// # Errors
    /// As [`Call::parameters`]; `unsupported-media-type`, `body-too-large`, `body-timed-out`, `malformed-request`,
    /// `unknown-field`.
    pub async fn body<T: DeserializeOwned>(&mut self, asks: Asks) -> Result<T, Problem> {
        self.no_parameters(asks).await?;
        let read = std::mem::replace(&mut self.body, Ok(Bytes::new()));
        match read.and_then(|bytes| read_json(&bytes)) {
            Ok(read) => Ok(read),
            Err(problem) => Err(self.unless_denied(asks, problem).await),
        }
    }

    /// Refuses a body of an operation that has none. An object without members is as good as nothing.
    ///
    /// # Errors
    /// As [`Call::body`].
    pub async fn no_body(&mut self, asks: Asks) -> Result<(), Problem> {
        if self.body.as_ref().is_ok_and(Bytes::is_empty) {
            return self.no_parameters(asks).await;
        }
        self.body::<Nothing>(asks).await.map(|Nothing {}| ())
    }

    /// The same of an operation that is about no workspace and asks for nothing.
    ///
    /// # Errors
    /// Those of [`Call::body`] that are about the request.
    pub fn own_body<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        parameters(&self.query).map(|Nothing {}| ())?;
        let read = std::mem::replace(&mut self.body, Ok(Bytes::new()));
        read.and_then(|bytes| read_json(&bytes))
    }

    /// The name the caller gave this request, if one.
    ///
    /// # Errors
    /// `not-found`, `forbidden`; `bad-idempotency-key`.
    pub async fn idempotency_key(&self, asks: Asks) -> Result<Option<IdempotencyKey>, Problem> {
        match idempotency_key(&self.headers) {
            Ok(key) => Ok(key),
            Err(error) => Err(self.unless_denied(asks, error.into()).await),
        }
    }

    /// What the caller already has of a single record, as `If-None-Match` says.
    #[must_use]
    pub fn has(&self, entity_tag: &str) -> bool {
        let given = self.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        given.flat_map(|list| list.split(',')).any(|tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == entity_tag
        })
    }

    /// Refuses parameters of an operation that has none.
    ///
    /// # Errors
    /// As [`Call::parameters`].
    pub async fn no_parameters(&self, asks: Asks) -> Result<(), Problem> {
        self.parameters::<Nothing>(asks).await.map(|Nothing {}| ())
    }

    /// What is wrong with a request, for whoever may do what it asks; for others, that they may not.
    pub async fn unless_denied(&self, asks: Asks, problem: Problem) -> Problem {
        self.unless_denied_at(asks, self.named(), problem).await
    }

    /// The same of a request that names an environment.
    pub async fn unless_denied_in(&self, asks: Asks, environment: RecordRef, problem: Problem) -> Problem {
        self.unless_denied_at(asks, Named::Environment(environment), problem).await
    }

    async fn unless_denied_at(&self, asks: Asks, named: Named, problem: Problem) -> Problem {
        let Asks { capability, mutation } = asks;
        let judged = self.service().stands(self.actor, &self.workspace(), named, capability, mutation).await;
        judged.err().map_or(problem, Problem::from)
    }
}

/// What stands in the path for each name of its route. What is not UTF-8 is no id, like any other text that is none: it
/// is judged, and told of, as an id that nothing has.
fn named_in_path(parts: &Parts) -> BTreeMap<String, String> {
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let pieces = route.split('/').zip(parts.uri.path().split('/'));
    pieces
        .filter_map(|(name, text)| {
            let name = name.strip_prefix('{')?.strip_suffix('}')?;
            let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
            Some((name.to_owned(), text.into_owned()))
        })
        .collect()
}

async fn read(api: &Api, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let limits = api.limits();
    let read = tokio::time::timeout(limits.body_time, axum::body::to_bytes(body, limits.body_bytes)).await;
    let Ok(read) = read else {
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body-timed-out"));
    };
    let bytes = read.map_err(|error| unread(&error))?;
    if bytes.is_empty() || is_json(headers) {
        Ok(bytes)
    } else {
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"))
    }
}

/// A body that is too large, or one that broke off.
fn unread(error: &axum::Error) -> Problem {
    if error.source().is_some_and(<dyn StdError>::is::<http_body_util::LengthLimitError>) {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large");
    }
    Problem::of_field(StatusCode::BAD_REQUEST, "malformed-request", "body", "it did not arrive whole")
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") && !headers.contains_key(header::CONTENT_ENCODING)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Error> {
    Ok(only(headers, &IDEMPOTENCY_KEY).map(str::parse).transpose()?)
}

/// The value of a header that stands alone. One that is given twice, or is no text, is empty: no value there is.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut given = headers.get_all(name).iter();
    let first = given.next()?;
    Some(first.to_str().ok().filter(|_| given.next().is_none()).unwrap_or_default())
}

/// An id in its one spelling: in another one it is nobody's.
pub(super) fn plain_id(text: &str) -> Option<Uuid> {
    text.parse::<Uuid>().ok().filter(|id| id.hyphenated().to_string() == text)
}

/// Reads a query. Names that mean nothing are left out first; every other is taken once, or refused.
fn parameters<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let refused = |code, field: &str, message: &str| Problem::of_field(StatusCode::BAD_REQUEST, code, field, message);
    let mut given = BTreeMap::new();
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    for (piece, (name, value)) in pieces.zip(form_urlencoded::parse(query.as_bytes())) {
        if INERT_PARAMETERS.contains(&name.as_ref()) {
            continue;
        }
        if percent_encoding::percent_decode_str(piece).decode_utf8().is_err() {
            return Err(refused("bad-parameter", "query", "not UTF-8"));
        }
        let name = name.into_owned();
        if given.insert(name.clone(), value.into_owned()).is_some() {
            return Err(refused("repeated-parameter", &shown(&name), "given twice"));
        }
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&given).finish();
    let read =
        serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes())));
    read.map_err(|error| {
        let path = error.path().to_string();
        match Fault::of(&error.inner().to_string()) {
            Fault::Unknown(name) => refused("unknown-parameter", &shown(&name), "there is no such parameter"),
            Fault::Missing(name) => refused("parameter-required", &name, "it has to be given"),
            Fault::Twice(name) => refused("repeated-parameter", &shown(&name), "given twice"),
            Fault::Other if path == "limit" => refused("bad-page-size", "limit", "a number from 1 to 500"),
            Fault::Other => refused("bad-parameter", &shown(&path), "not what the parameter takes"),
        }
    })
}

/// Reads a body.
fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    json::read(bytes).map_err(|why| {
        let status = if why.is_json { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
        Problem::of_field(status, why.code.as_str(), &why.field, &why.message)
    })
}
