//! What is different from provider to provider in how things are said, and what they have in common: a request, and the
//! answer it should get.

use std::time::Instant;

use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{Method, Uri, header};
use serde_json::{Map, Value};

/// What a body is that holds a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// How a provider says things.
#[derive(Debug)]
pub struct Face {
    /// The member of an object that is its id.
    pub(super) id: &'static str,
    /// The member of a page that holds its objects.
    pub(super) items: &'static str,
    /// The member of a page that says where the next one is.
    pub(super) next: &'static str,
    /// Whether it is said as a whole address, or as a path.
    pub(super) has_addresses: bool,
    /// What the body of an error is, of a status, with a text in it.
    pub(super) fault: fn(u16, &str) -> Value,
    /// The members that say which collection something comes from, when it stands in a file.
    pub(super) origin: fn(&str) -> Map<String, Value>,
}

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    /// Path and query as they were asked.
    pub(super) target: String,
    pub(super) query: Pairs,
    /// What is shown as a bearer.
    pub(super) bearer: Option<Secret>,
    /// The form in its body, if it says that there is one.
    pub(super) form: Pairs,
    /// When.
    pub(super) at: Instant,
}

/// Something nobody prints.
pub(super) struct Secret(pub(super) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Names and values of a query or a form, which nobody prints either.
#[derive(Default)]
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn of(text: &str) -> Self {
        let query = Uri::builder().path_and_query(format!("/?{text}")).build().ok();
        Self(query.and_then(|query| Query::try_from_uri(&query).ok()).map(|Query(pairs)| pairs).unwrap_or_default())
    }

    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for Pairs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Asked {
    pub(super) fn of(head: &Parts, body: &[u8]) -> Self {
        let (uri, headers) = (&head.uri, &head.headers);
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(|text| Secret(text.to_owned()));
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let form = std::str::from_utf8(body).ok().filter(|_| kind.starts_with(FORM));
        Self {
            method: head.method.clone(),
            path: uri.path().to_owned(),
            target: uri.to_string(),
            query: Pairs::of(uri.query().unwrap_or_default()),
            bearer,
            form: Pairs::of(form.unwrap_or_default()),
            at: Instant::now(),
        }
    }
}

/// The answer a request should get.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) face: &'static Face,
    pub(super) status: u16,
    pub(super) json: Value,
    /// Whether a good credential was shown.
    pub(super) is_authorised: bool,
}

impl Answer {
    /// What was asked for.
    pub(super) fn good(face: &'static Face, json: Value) -> Self {
        Self { face, status: 200, json, is_authorised: true }
    }

    /// An error, told to somebody who may ask.
    pub(super) fn fault(face: &'static Face, status: u16, text: &str) -> Self {
        Self { face, status, json: (face.fault)(status, text), is_authorised: true }
    }

    /// An error, told to somebody who may not.
    pub(super) fn refused(face: &'static Face, status: u16, text: &str) -> Self {
        Self { is_authorised: false, ..Self::fault(face, status, text) }
    }
}
