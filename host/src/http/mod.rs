//! The HTTP interface: what a platform's backend talks to.
//!
//! A handler takes a request apart ([`request`]), calls one service function and renders its answer; it decides nothing.
//! Who calls is judged in [`caller`], how a refusal looks in [`problem`], what goes round every request in [`layers`],
//! and what is written down of all this for others in [`document`]. No route reaches the system plane (P339-16), and
//! none loads a component.

pub mod audit;
pub mod binding;
pub mod caller;
pub mod connection;
pub mod document;
pub mod inventory;
pub mod key;
pub mod layers;
pub mod metrics;
pub mod problem;
pub mod readiness;
pub mod registry;
pub mod request;
pub mod run;
pub mod server;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, middleware};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use provident_identity::Adapter;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::jwt::Issuers;
use crate::service::Service;
use problem::Problem;

/// What a request may take, each with a code of its own when it takes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a body.
    pub body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// How long a request may take altogether.
    pub request_time: Duration,
    /// Requests a second of one credential, on the long run.
    pub rate_per_s: NonZeroU32,
    /// Requests of one credential at once.
    pub rate_burst: NonZeroU32,
}

impl Default for Limits {
    /// 8 MiB in 15 seconds, answered in 30; 500 requests a second, 1,000 at once.
    fn default() -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            body_bytes: 8 << 20,
            body_time: Duration::from_secs(15),
            request_time: Duration::from_secs(30),
            rate_per_s: at_least_one(500),
            rate_burst: at_least_one(1_000),
        }
    }
}

/// What is served: every operation, who may call, and within which limits. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
}

struct Shared {
    service: Arc<Service>,
    issuers: Issuers,
    limits: Limits,
    rates: DefaultKeyedRateLimiter<Uuid>,
    adapters: HashMap<&'static str, Adapter>,
    changes: TaskTracker,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

impl Api {
    /// Serves an installation.
    ///
    /// # Errors
    /// An embedded adapter that does not open.
    pub fn new(service: Arc<Service>, issuers: Issuers, limits: Limits) -> Result<Self, crate::error::Error> {
        let quota = Quota::per_second(limits.rate_per_s).allow_burst(limits.rate_burst);
        let mut adapters = HashMap::new();
        for adapter in provident_identity::adapters() {
            adapters.insert(adapter, Adapter::embedded(adapter)?);
        }
        let (rates, changes) = (RateLimiter::keyed(quota), TaskTracker::new());
        Ok(Self { shared: Arc::new(Shared { service, issuers, limits, rates, adapters, changes }) })
    }

    /// Every operation there is.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.shared.service
    }

    /// The identity providers whose JWTs are taken.
    #[must_use]
    pub fn issuers(&self) -> &Issuers {
        &self.shared.issuers
    }

    /// What a request may take.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// An embedded adapter. No other is ever loaded here.
    #[must_use]
    pub fn adapter(&self, name: &str) -> Option<&Adapter> {
        self.shared.adapters.get(name)
    }

    /// The changes under way. They go on when their caller is gone, and are waited for when serving ends.
    #[must_use]
    pub fn changes(&self) -> &TaskTracker {
        &self.shared.changes
    }

    /// Counts a request of a credential.
    fn count(&self, credential: Uuid) -> Result<(), Problem> {
        self.shared.rates.check_key(&credential).map_err(|over| {
            let wait = over.wait_time_from(DefaultClock::default().now());
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited").retry_after_s(wait.as_secs().saturating_add(1))
        })
    }

    /// Forgets credentials that have not been used for a while. To be called now and then.
    pub fn forget_idle_credentials(&self) {
        self.shared.rates.retain_recent();
        self.shared.rates.shrink_to_fit();
    }
}

/// Every route: the operations of the document, the document itself and a page that shows it, and whether it runs.
pub fn router(api: &Api) -> Router {
    let (operations, document) = document::operations();
    let operations = operations.with_state(api.clone());
    operations
        .merge(document::pages(&document))
        .merge(readiness::routes().with_state(api.clone()))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"))
        .layer(middleware::from_fn_with_state(api.clone(), layers::around))
}

/// Most rows or objects of one sync or import.
const MAX_ROWS: usize = 10_000;

/// Refuses more than one request may bring.
fn refuse_too_many(field: &'static str, count: usize) -> Result<(), crate::error::Error> {
    if count <= MAX_ROWS {
        return Ok(());
    }
    Err(crate::error::Error::invalid("too-many-rows", field, "at most 10,000 at once"))
}

/// Renders an answer.
fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Renders a single record, or says that the caller has it already.
fn record(call: &request::Call, body: &impl Serialize) -> Result<Response, Problem> {
    let json =
        serde_json::to_vec(body).map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-error"))?;
    let tag = format!("\"{}\"", hex::encode(Sha256::digest(&json)));
    let mut response = if call.has(&tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], json).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}
