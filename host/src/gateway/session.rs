//! Sessions: what a run asks of its provider, one request after the other, within its time.
//!
//! A session asks for what its provider's contracts declare and for nothing else. It opens the connection's credentials, keeps
//! the pace, counts, and gives texts away as they came; what they mean is the business of [`crate::provider`].

use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::{Instant, sleep, timeout_at};
use zeroize::Zeroizing;

use super::client::{Answer, BearerValue, Bounds, Broken, SafeUrl, Sent};
use super::context::OperationContext;
use super::contract::{Auth, Contract, Paging};
use super::endpoint::{DIRECTORY, Reach};
use super::failure::{Asked, Failure, Outcome};
use super::opened::OpenedCredentials;
use super::pages::Pages;
use super::retry::{self, Known, Next};
use super::token::{ANSWER_BYTES, Holder, Token, form};
use super::{Gateway, json};
use crate::run::ReasonCode;

/// What of a directory stands in a path as it is.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// What a session has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests sent, those for tokens and repeated ones too.
    pub requests: u64,
    /// Requests that were repeats.
    pub retries: u64,
    /// Pages read.
    pub pages: u64,
}

/// A run's way to its provider.
pub struct Session {
    gateway: Gateway,
    reach: Option<Reach>,
    context: OperationContext,
    credentials: Result<OpenedCredentials, ReasonCode>,
    /// The last token this session fetched itself.
    fetched: Option<Arc<Token>>,
    tally: Tally,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("context", &self.context).field("tally", &self.tally).finish_non_exhaustive()
    }
}

/// What a request is sent with: what a connection was given, or a token it was given for that.
enum Bearer {
    Given(BearerValue),
    Fetched(Arc<Token>),
}

impl Bearer {
    fn value(&self) -> &BearerValue {
        match self {
            Self::Given(value) => value,
            Self::Fetched(token) => &token.bearer,
        }
    }
}

/// Whether a token has to be asked for.
enum Asking {
    Not(BearerValue),
    For(TokenRequest),
}

/// A request for a token.
struct TokenRequest {
    name: &'static str,
    url: SafeUrl,
    form: Zeroizing<String>,
    holder: Holder,
}

impl Session {
    pub(super) fn new(
        gateway: Gateway,
        context: OperationContext,
        credentials: Result<OpenedCredentials, ReasonCode>,
    ) -> Self {
        let reach = gateway.endpoints().reach(context.provider_key()).cloned();
        Self { gateway, reach, context, credentials, fetched: None, tally: Tally::default() }
    }

    /// What it works for.
    #[must_use]
    pub fn context(&self) -> &OperationContext {
        &self.context
    }

    /// What it has done so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Reads what is answered in one piece: one JSON object.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get(&mut self, contract: &'static Contract) -> Result<String, Failure> {
        if contract.paging() != Paging::None {
            return Err(self.fault(contract));
        }
        let url = self.url(contract)?;
        let text = self.read(contract, &url).await?;
        json::members(&text).ok_or_else(|| Failure::malformed(contract))?;
        Ok(text)
    }

    /// Reads what is answered in pages, one at a time.
    pub fn pages(&mut self, contract: &'static Contract) -> Pages<'_> {
        Pages::new(self, contract)
    }

    /// Where a contract of this provider is asked for.
    pub(super) fn url(&self, contract: &'static Contract) -> Result<SafeUrl, Failure> {
        let unset = || ended(contract.name(), ReasonCode::EndpointUnset);
        let reach = self.reach.as_ref().ok_or_else(unset)?;
        if !reach.api.declares(contract) {
            return Err(self.fault(contract));
        }
        let mut path = contract.path().to_owned();
        if path.contains(DIRECTORY) {
            path = path.replace(DIRECTORY, &self.directory().ok_or_else(unset)?);
        }
        let query = contract.query();
        let asked = if query.is_empty() { path } else { format!("{path}?{query}") };
        reach.place.as_ref().and_then(|place| place.url(&asked)).ok_or_else(unset)
    }

    /// The URL of a path and a query that a provider gave.
    pub(super) fn url_at(&self, path_and_query: &str) -> Option<SafeUrl> {
        self.reach.as_ref()?.place.as_ref()?.url(path_and_query)
    }

    /// The directory, as it stands in a path. None where it is not known, or would be a step upwards.
    fn directory(&self) -> Option<String> {
        let directory = self.context.directory_id().filter(|id| !id.is_empty() && !id.starts_with('.'))?;
        Some(utf8_percent_encode(directory, IN_PATH).to_string())
    }

    /// Reads one text, with a token that holds. A token that is refused is forgotten, and a new one is tried once.
    pub(super) async fn read(&mut self, contract: &'static Contract, url: &SafeUrl) -> Result<String, Failure> {
        let mut refused = None;
        let answer = loop {
            let bearer = self.bearer(contract.name(), refused.as_ref()).await?;
            let sent = Sent::Get(bearer.value());
            let bytes = self.gateway.limits().page_bytes;
            let asked = self.ask(contract.name(), Asked::Contract, url, &sent, bytes).await;
            match (asked, bearer) {
                (Err(failure), Bearer::Fetched(token))
                    if refused.is_none() && self.is_stale(&token, failure.status) =>
                {
                    refused = Some(token);
                    self.tally.retries += 1;
                }
                (answered, _) => break answered?,
            }
        };
        let mut body = answer.body;
        String::from_utf8(std::mem::take(&mut *body)).map_err(|_| Failure::malformed(contract))
    }

    /// Whether a token may be why something was refused: it no longer holds, or it is older than this session, and what is
    /// allowed was changed since.
    fn is_stale(&self, token: &Arc<Token>, status: Option<u16>) -> bool {
        let own = self.fetched.as_ref().is_some_and(|fetched| Arc::ptr_eq(fetched, token));
        status == Some(401) || status == Some(403) && !own
    }

    /// What requests are sent with at the moment; not the token that was refused.
    async fn bearer(&mut self, contract: &'static str, refused: Option<&Arc<Token>>) -> Result<Bearer, Failure> {
        let asking = match self.asking(contract)? {
            Asking::Not(value) => return Ok(Bearer::Given(value)),
            Asking::For(asking) => asking,
        };
        let place = self.gateway.tokens().place(&asking.holder, Instant::now());
        let mut kept = timeout_at(self.context.deadline(), place.lock())
            .await
            .map_err(|_| ended(asking.name, ReasonCode::BudgetExceeded))?;
        let holds = |token: &&Arc<Token>| {
            token.holds(Instant::now()) && !refused.is_some_and(|refused| Arc::ptr_eq(refused, token))
        };
        if let Some(token) = kept.as_ref().filter(holds) {
            return Ok(Bearer::Fetched(Arc::clone(token)));
        }
        *kept = None;
        let sent = Sent::Form(&asking.form);
        let answer = self.ask(asking.name, Asked::Token, &asking.url, &sent, ANSWER_BYTES).await?;
        let token = Token::read(&answer.body, Instant::now()).map(Arc::new);
        let token = token.ok_or_else(|| failed(asking.name, Outcome::Malformed, Asked::Token))?;
        *kept = Some(Arc::clone(&token));
        self.fetched = Some(Arc::clone(&token));
        Ok(Bearer::Fetched(token))
    }

    /// What there is to ask for a token with, if one has to be asked for.
    fn asking(&self, contract: &'static str) -> Result<Asking, Failure> {
        let reach = self.reach.as_ref().ok_or_else(|| ended(contract, ReasonCode::EndpointUnset))?;
        let credentials = self.credentials.as_ref().map_err(|reason| ended(contract, *reason))?;
        let field = |name| {
            let given = credentials.field(name).filter(|value| !value.is_empty());
            given.ok_or_else(|| ended(contract, ReasonCode::CredentialMissing))
        };
        let (name, scope, id, secret) = match reach.api.auth {
            Auth::Bearer { field: name } => {
                let value = BearerValue::new(field(name)?).map(Asking::Not);
                return value.ok_or_else(|| ended(contract, ReasonCode::CredentialRejected));
            }
            Auth::ClientCredentials { name, scope, id_field, secret_field, .. } => {
                (name, scope, field(id_field)?, field(secret_field)?)
            }
        };
        let unset = || ended(name, ReasonCode::EndpointUnset);
        let (place, tokens) = reach.place.as_ref().zip(reach.tokens.as_ref()).ok_or_else(unset)?;
        let directory = if tokens.needs_directory() { self.directory().ok_or_else(unset)? } else { String::new() };
        let url = tokens.url(&directory).ok_or_else(unset)?;
        let form = form(id, secret, &scope.replace("{api}", place.as_str()));
        let holder = Holder::new(self.context.workspace_id(), self.context.connection_id(), url.as_str(), id, secret);
        Ok(Asking::For(TokenRequest { name, url, form, holder }))
    }

    /// Sends a request, and sends it again as often and as late as [`retry::next`] says. Gives an answer of status 200.
    async fn ask(
        &mut self,
        name: &'static str,
        asked: Asked,
        url: &SafeUrl,
        sent: &Sent<'_>,
        bytes: usize,
    ) -> Result<Answer, Failure> {
        let deadline = self.context.deadline();
        let pace = self.gateway.limits().pace;
        let client = self.gateway.client().ok_or_else(|| ended(name, ReasonCode::ProviderUnreachable))?;
        for attempts in 1_u32.. {
            let now = Instant::now();
            if now >= deadline {
                break;
            }
            self.tally.requests += 1;
            self.tally.retries += u64::from(attempts > 1);
            let bounds = Bounds { until: deadline.min(now + pace.request_time), bytes };
            let (outcome, retry_after) = match client.send(url, sent, bounds).await {
                Ok(answer) if answer.status == 200 => return Ok(answer),
                Ok(answer) => (Outcome::Status(answer.status), self.gateway.asked_to_wait(&answer)),
                Err(broken) => (Outcome::Broken(broken), None),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && outcome == Outcome::Broken(Broken::TimedOut) {
                break;
            }
            let known = Known { outcome, attempts, retry_after, left, random: self.gateway.random_byte() };
            let next = retry::next(known, pace);
            tracing::debug!(run_id = %self.context.run_id(), contract = name, ?outcome, attempts, ?next, "not answered");
            match next {
                Next::Wait(time) => sleep(time).await,
                Next::GiveUp => return Err(failed(name, outcome, asked)),
            }
        }
        Err(ended(name, ReasonCode::BudgetExceeded))
    }

    pub(super) fn count_page(&mut self) {
        self.tally.pages += 1;
    }

    pub(super) fn most_pages(&self) -> u64 {
        self.gateway.limits().pages
    }

    /// A contract that is not this provider's, or is read in another way than it declares: the program's own fault.
    pub(super) fn fault(&self, contract: &'static Contract) -> Failure {
        tracing::error!(run_id = %self.context.run_id(), contract = contract.name(), "asked for what is not declared");
        Failure::of(ReasonCode::InternalError, contract)
    }
}

/// A failure that is about no answer.
fn ended(contract: &'static str, reason: ReasonCode) -> Failure {
    Failure { reason, contract, status: None }
}

fn failed(contract: &'static str, outcome: Outcome, asked: Asked) -> Failure {
    Failure { reason: outcome.reason(asked), contract, status: outcome.status() }
}
