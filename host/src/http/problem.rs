//! Problems: how a refusal or a failure is told over HTTP (RFC 9457), and the one place that gives it a status.
//!
//! A problem says the stable code and what the code's owner says of it. It names no request and no place, so that what
//! is hidden and what is missing are answered with the same bytes. Of the program's own failures it says the code and
//! nothing else; the rest is in the log, under the request's id.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use provident_identity::IdentityError;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Conflict, Error, Internal};

/// Seconds after which what failed for the time being may be tried again.
const RETRY_AFTER_S: u64 = 1;

/// Codes that are given over HTTP alone, with what they mean; those of the host, of the contract and of components are
/// given beside them. What a code means never changes.
pub const HTTP_CODES: &[(&str, &str)] = &[
    ("credential-required", "the request has no credential"),
    ("bad-credential", "the credential is malformed, unknown, revoked, or of somebody who is gone"),
    ("credential-expired", "the credential held once, and its time is over"),
    ("may-not-act-for-others", "the request names an acting user, and its credential does not have that right"),
    ("bad-acting-user", "the acting user is not one id, or is named twice"),
    ("rate-limited", "the credential was used too often; repeat after `Retry-After`"),
    ("method-not-allowed", "the path is there, and does not take this method"),
    ("unknown-parameter", "the query has a parameter that the operation does not know"),
    ("repeated-parameter", "the query has a parameter twice"),
    ("parameter-required", "the query lacks a parameter"),
    ("bad-parameter", "a parameter is not what it takes, or the query is not UTF-8"),
    ("bad-page-size", "a page has 1 to 500 rows"),
    ("unsupported-media-type", "the body is not `application/json`, or it is compressed"),
    ("body-too-large", "the body has more bytes than the service takes"),
    ("body-timed-out", "the body did not arrive in the time it has"),
    ("request-timed-out", "the answer was not ready in the time it has; what was begun is finished; repeat"),
    ("too-many-rows", "a sync or an import has more than 10,000 rows, documents or objects"),
    ("unknown-adapter", "there is no embedded adapter of this name"),
    ("internal-error", "the service failed; the log has more under the request's id"),
];

/// Why a request was not done.
#[derive(Debug)]
pub struct Problem {
    told: Box<Told>,
    retry_after_s: Option<u64>,
    challenge: bool,
    log: Option<String>,
}

/// Why a request was not done. `code` never changes its meaning; `detail` is for people.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Told {
    /// Always `about:blank`: the code says what it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    #[schema(value_type = u16, minimum = 400, maximum = 599)]
    status: u16,
    /// The stable code.
    code: &'static str,
    /// What is wrong, for people. No input in it but for up to 64 characters of a key or a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Every rule that was broken, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<BrokenRule>,
    /// The binding that is active instead, where there is one to name.
    #[serde(skip_serializing_if = "Option::is_none")]
    active_binding_id: Option<Uuid>,
    /// The run that is under way instead, where there is one to name.
    #[serde(skip_serializing_if = "Option::is_none")]
    active_run_id: Option<Uuid>,
}

/// A rule that was broken.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrokenRule {
    /// The stable code.
    code: &'static str,
    /// The bare name of the member or parameter at fault.
    field: String,
    /// For people.
    message: String,
}

impl Problem {
    /// A problem of a status and a code.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str) -> Self {
        let told = Told {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: None,
            errors: Vec::new(),
            active_binding_id: None,
            active_run_id: None,
        };
        Self { told: Box::new(told), retry_after_s: None, challenge: false, log: None }
    }

    /// Not there, or not to be known of.
    #[must_use]
    pub fn not_found() -> Self {
        Error::NotFound.into()
    }

    /// No credential that holds: how one is given is said with it.
    #[must_use]
    pub fn unauthenticated(code: &'static str, detail: &str) -> Self {
        Self { challenge: true, ..Self::new(StatusCode::UNAUTHORIZED, code).with_detail(detail) }
    }

    /// A request whose form is wrong, and where.
    #[must_use]
    pub fn of_field(status: StatusCode, code: &'static str, field: &str, message: &str) -> Self {
        let rule = BrokenRule { code, field: field.to_owned(), message: message.to_owned() };
        Self::new(status, code).with_detail(message).with_rules(vec![rule])
    }

    /// The same, to be tried again after so many seconds.
    #[must_use]
    pub fn retry_after_s(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.told.detail = Some(detail.into());
        self
    }

    fn with_rules(mut self, broken: Vec<BrokenRule>) -> Self {
        self.told.errors = broken;
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.told.code
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let code = error.code();
        match error {
            Error::NotFound => Self::new(StatusCode::NOT_FOUND, code),
            Error::Forbidden => Self::new(StatusCode::FORBIDDEN, code),
            Error::Refused(errors) => {
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code);
                let detail = errors.first().map(|error| error.message.clone()).unwrap_or_default();
                problem.with_detail(detail).with_rules(errors.into_iter().map(BrokenRule::from).collect())
            }
            Error::Invalid(invalid) => {
                Self::of_field(StatusCode::UNPROCESSABLE_ENTITY, code, invalid.field, invalid.message)
            }
            Error::Conflict(conflict) => Self::from(conflict),
            Error::Internal(internal) => Self::from(internal),
        }
    }
}

impl From<IdentityError> for BrokenRule {
    fn from(error: IdentityError) -> Self {
        Self { code: error.code.as_str(), field: error.field, message: error.message }
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        let mut problem = Self::new(StatusCode::CONFLICT, conflict.code()).with_detail(conflict.to_string());
        problem.told.active_binding_id = conflict.active_binding_id();
        problem.told.active_run_id = conflict.active_run_id();
        problem
    }
}

impl From<Internal> for Problem {
    fn from(internal: Internal) -> Self {
        let for_now = matches!(&internal, Internal::Store(error) if error.is_for_now());
        let problem = if for_now {
            Self::new(StatusCode::SERVICE_UNAVAILABLE, internal.code()).retry_after_s(RETRY_AFTER_S)
        } else {
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, internal.code())
        };
        Self { log: Some(internal.to_string()), ..problem }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Some(log) = &self.log {
            tracing::error!(code = self.told.code, error = %log, "a request failed");
        }
        let status = StatusCode::from_u16(self.told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.told)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.challenge {
            headers.insert(HeaderName::from_static("www-authenticate"), HeaderValue::from_static("Bearer"));
        }
        response
    }
}
