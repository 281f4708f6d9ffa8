//! The HTTP interface over an installation, in this process, and callers with request methods on them.
#![expect(clippy::unwrap_used, reason = "a test without its callers fails, and says why")]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use provident::actor::Actor;
use provident::http::{Api, Limits, router};
use provident::jwt::Issuers;
use provident::service::{NewToken, Service};
use provident::workspace::WorkspaceRef;
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::installation::plane;

/// The routes over a service, as the program serves them.
pub fn routes(service: &Arc<Service>) -> Router {
    routes_within(service, Limits::default())
}

/// The same within limits of its own.
///
/// # Panics
///
/// When an adapter does not open.
pub fn routes_within(service: &Arc<Service>, limits: Limits) -> Router {
    router(&Api::new(Arc::clone(service), Issuers::default(), limits).unwrap())
}

/// Somebody who sends requests.
#[derive(Clone, Debug)]
pub struct Caller {
    routes: Router,
    /// What they show; nobody shows nothing.
    pub token: Option<String>,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of a problem.
    ///
    /// # Panics
    ///
    /// When it is no problem.
    #[must_use]
    pub fn code(&self) -> String {
        assert_eq!(self.headers.get("content-type").unwrap(), "application/problem+json");
        self.json().get("code").and_then(Value::as_str).unwrap().to_owned()
    }

    /// Status and code of a problem.
    #[must_use]
    pub fn refusal(&self) -> (u16, String) {
        (self.status.as_u16(), self.code())
    }
}

impl Caller {
    /// Somebody without a credential.
    #[must_use]
    pub fn nobody(routes: &Router) -> Self {
        Self { routes: routes.clone(), token: None, headers: Vec::new() }
    }

    /// A user with a token of their own.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub async fn of(routes: &Router, service: &Service, actor: Actor) -> Self {
        Self::nobody(routes).with_token(&token(service, actor.user_id(), None, false).await)
    }

    /// The same with another credential.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// The same with a header more in every request.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    /// Sends what may be anything.
    ///
    /// # Panics
    ///
    /// When it is no request.
    pub async fn send(&self, method: Method, path: &str, body: Option<String>) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if body.is_some() && !self.headers.iter().any(|(name, _)| name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(body.map_or_else(Body::empty, Body::from)).unwrap();
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply { status: parts.status, headers: parts.headers, body }
    }
}

/// A token of a user, for a long while.
///
/// # Panics
///
/// When it is refused.
pub async fn token(service: &Service, user_id: Uuid, only: Option<Uuid>, may_act_for_others: bool) -> String {
    let token = NewToken {
        user_id,
        workspace: only.map(WorkspaceRef::Id),
        label: "A token".to_owned(),
        lifetime: std::time::Duration::from_hours(24 * 30),
        may_act_for_others,
    };
    let (_, text) = service.create_token(&plane(), &token).await.unwrap();
    text.reveal().to_string()
}
