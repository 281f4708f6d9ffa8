//! What goes round every request: its name, its time, its trace; and that a change once begun is finished.
//!
//! Of a request the method, the route, status, time and ids are told: no path, no query, no header, no body, in which
//! there may be labels.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;

use super::Api;
use super::problem::Problem;
use crate::actor::RequestId;

/// A request's name, in and out.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request.
pub async fn around(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let Some(id) = name(&api, &request) else {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no-randomness").into_response();
    };
    request.extensions_mut().insert(id);
    let method = shown(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let span = tracing::error_span!(
        "request", request_id = %id, method, route, user_id = tracing::field::Empty, token_id = tracing::field::Empty
    );
    let started = Instant::now();
    let mut response = in_time(&api, request, next).instrument(span.clone()).await;
    let seconds = started.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    span.in_scope(|| tracing::info!(status, seconds, "answered"));
    let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
    metrics::histogram!("provident_http_request_seconds", &labels).record(seconds);
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    response
}

/// A method as it is counted. Anybody may make up more of them, and each would be counted for ever.
fn shown(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The name the caller gave the request, if it is one; else a new one.
fn name(api: &Api, request: &Request) -> Option<RequestId> {
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    match given.and_then(|text| text.parse().ok()) {
        Some(id) => Some(id),
        None => api.service().new_id().ok().and_then(|id| id.to_string().parse().ok()),
    }
}

/// Answers in the time a request has. Whatever is not GET or HEAD runs in a task of its own: its caller may be gone, and
/// what was begun is still finished and told of.
async fn in_time(api: &Api, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let answering = next.run(request).in_current_span();
    let answering = async move {
        let task = if safe {
            tokio_util::task::AbortOnDropHandle::new(tokio::spawn(answering))
        } else {
            return api.changes().spawn(answering).await;
        };
        task.await
    };
    match tokio::time::timeout(api.limits().request_time, answering).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("a request ended in a panic");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-error").into_response()
        }
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "request-timed-out").retry_after_s(1).into_response(),
    }
}
