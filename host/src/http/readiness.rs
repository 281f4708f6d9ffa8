//! Whether it runs, and whether it can answer: for whoever starts and stops it. Without credentials, and telling nothing
//! else.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::problem::Problem;
use super::{Api, answer};

#[derive(Serialize)]
struct Shown {
    status: &'static str,
}

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready))
}

/// It runs.
async fn alive() -> Response {
    answer(StatusCode::OK, &Shown { status: "alive" })
}

/// It runs, and so does its database, which has the tables it knows.
async fn ready(State(api): State<Api>) -> Result<Response, Problem> {
    api.service().readiness().await?;
    Ok(answer(StatusCode::OK, &Shown { status: "ready" }))
}
