//! The one place that knows the library requests are sent with. Whoever sends one says where to, how long it may take and
//! how many bytes are read of the answer.
//!
//! No proxy of the environment is asked, no body is unpacked, nothing is repeated here. What failed is told as one of a few
//! words ([`Broken`]): the library's own errors name URLs, and are never shown.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

const USER_AGENT: &str = concat!("provident/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Most redirects followed, where any are: each to https.
const MAX_REDIRECTS: usize = 5;
/// How long an unused connection is kept.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// A URL over TLS, or of this machine by a loopback address given as a number; without user and password. `Debug` shows
/// the host alone.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SafeUrl(Url);

impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafeUrl({}://{})", self.0.scheme(), self.0.host_str().unwrap_or_default())
    }
}

impl SafeUrl {
    /// The URL, if what comes from there can be believed: nobody between us and it can change it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let host = url.host_str()?;
        let address = || host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let believed = match url.scheme() {
            "https" => true,
            "http" => address().is_ok_and(|address| address.is_loopback()),
            _ => false,
        };
        (believed && url.username().is_empty() && url.password().is_none()).then_some(Self(url))
    }

    /// Whether there is neither query nor fragment.
    pub(super) fn is_bare(&self) -> bool {
        self.0.query().is_none() && self.0.fragment().is_none()
    }

    /// Whether it is on the same origin as another, at its path or below, without a fragment.
    pub(super) fn is_under(&self, other: &Self) -> bool {
        let below = self.0.path().strip_prefix(other.0.path());
        self.is_beside(other)
            && self.0.fragment().is_none()
            && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether it is on the same origin as another.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Why there is no whole answer. Nothing of what was sent or received is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Nobody was reached: no address, no connection, no TLS.
    Unreachable,
    /// The connection broke before the answer was whole.
    Cut,
    /// It was not whole in time.
    TimedOut,
    /// It has more bytes than are read.
    TooLarge,
}

/// Why there is no client: for instance as the machine trusts no authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoClient;

/// An answer. Nothing of it is shown.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `Retry-After`, as it was sent.
    pub(super) retry_after: Option<String>,
    /// `Date`, as it was sent.
    pub(super) date: Option<String>,
    /// Empty unless the status is 200: what is said with any other is not read.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// What is sent.
pub(super) enum Sent<'a> {
    /// A question, with the value of `Authorization`.
    Get(&'a BearerValue),
    /// A form for a token.
    Form(&'a str),
}

/// The value of `Authorization`. It can be neither shown nor compared, and is wiped when dropped; the copy that a request
/// takes along is the library's.
pub(super) struct BearerValue(Zeroizing<String>);

impl BearerValue {
    /// Of a token, if it is one that can be sent.
    pub(super) fn new(token: &str) -> Option<Self> {
        let visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        visible.then(|| Self(Zeroizing::new(format!("Bearer {token}"))))
    }

    fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&self.0).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) until: Instant,
    pub(super) bytes: usize,
}

/// Sends requests. Clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Client(reqwest::Client);

impl Client {
    /// For providers: no redirect is followed. The older protocol alone, as the library of the newer one tells paths and
    /// queries to whoever listens at level trace.
    pub(super) fn for_providers() -> Result<Self, NoClient> {
        let builder = builder().redirect(Policy::none()).http1_only().pool_idle_timeout(IDLE_TIME);
        builder.build().map(Self).map_err(|_| NoClient)
    }

    /// For keys that anybody may read: redirects are followed, off https never.
    pub(crate) fn for_keys(time: Duration) -> Result<Self, NoClient> {
        let redirects = Policy::custom(|attempt| {
            if attempt.url().scheme() == "https" && attempt.previous().len() <= MAX_REDIRECTS {
                attempt.follow()
            } else {
                attempt.stop()
            }
        });
        builder().redirect(redirects).timeout(time).build().map(Self).map_err(|_| NoClient)
    }

    /// Reads what anybody may, without a credential; the body of status 200 alone.
    pub(crate) async fn get(&self, url: &SafeUrl, bytes: usize) -> Result<Answer, Broken> {
        let answer = self.0.get(url.0.clone()).send().await.map_err(|error| broken(&error))?;
        whole(answer, bytes).await
    }

    /// Sends one request to a provider and reads what it answers, within bounds.
    pub(super) async fn send(&self, url: &SafeUrl, sent: &Sent<'_>, bounds: Bounds) -> Result<Answer, Broken> {
        let request = match sent {
            Sent::Get(bearer) => {
                let value = bearer.header().ok_or(Broken::Unreachable)?;
                self.0.get(url.0.clone()).header(AUTHORIZATION, value)
            }
            Sent::Form(form) => {
                let request = self.0.post(url.0.clone());
                request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body((*form).to_owned())
            }
        };
        let answered = async {
            let answer = request.header(ACCEPT, "application/json").send().await.map_err(|error| broken(&error))?;
            whole(answer, bounds.bytes).await
        };
        timeout_at(bounds.until, answered).await.unwrap_or(Err(Broken::TimedOut))
    }
}

fn builder() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().user_agent(USER_AGENT).connect_timeout(CONNECT_TIME);
    builder.referer(false).no_proxy().retry(reqwest::retry::never())
}

async fn whole(mut answer: Response, bytes: usize) -> Result<Answer, Broken> {
    let status = answer.status();
    let text = |headers: &HeaderMap, name| headers.get(name)?.to_str().ok().map(str::to_owned);
    let retry_after = text(answer.headers(), RETRY_AFTER);
    let date = text(answer.headers(), DATE);
    let mut body = Zeroizing::new(Vec::new());
    if status.as_u16() == 200 {
        let limit = u64::try_from(bytes).unwrap_or(u64::MAX);
        if answer.content_length().is_some_and(|length| length > limit) {
            return Err(Broken::TooLarge);
        }
        while let Some(piece) = answer.chunk().await.map_err(|error| broken(&error))? {
            if body.len().saturating_add(piece.len()) > bytes {
                return Err(Broken::TooLarge);
            }
            body.extend_from_slice(&piece);
        }
    }
    Ok(Answer { status: status.as_u16(), retry_after, date, body })
}

fn broken(error: &reqwest::Error) -> Broken {
    if error.is_timeout() {
        Broken::TimedOut
    } else if error.is_connect() {
        Broken::Unreachable
    } else {
        Broken::Cut
    }
}

/// A status, as people read it.
#[derive(Clone, Copy, Debug)]
pub struct Status(reqwest::StatusCode);

impl Status {
    /// Whether all is well.
    #[must_use]
    pub fn is_success(self) -> bool {
        self.0.is_success()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// No answer, or none in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer;

/// With what status a URL answers, asked once and without a credential.
///
/// # Errors
/// [`NoAnswer`].
pub async fn status_of(url: &str, time: Duration) -> Result<Status, NoAnswer> {
    let client = reqwest::Client::builder().timeout(time).no_proxy().build().map_err(|_| NoAnswer)?;
    client.get(url).send().await.map(|answer| Status(answer.status())).map_err(|_| NoAnswer)
}
