//! The gateway: the only room that talks to a provider, and the only one that opens what a connection logs in with.
//!
//! Whoever wants something of a provider has an [`OperationContext`] and goes through here (P061-04, P061-29). What may be
//! asked is declared by [`contract`](Contract)s; a [`Session`] asks for it, in the run's time, at a pace the provider bears. No
//! library for requests is named anywhere else. Nothing here tells a log of a query, a header, a body or a token.

pub(crate) mod client;
mod context;
mod contract;
mod endpoint;
mod failure;
mod json;
mod opened;
mod pages;
mod retry;
mod session;
mod token;
mod vault;

use std::fmt;
use std::sync::{Arc, OnceLock};

pub use self::client::{NoAnswer, Status, status_of};
pub use self::context::OperationContext;
pub use self::contract::{Auth, Contract, Link, Paging, ProviderApi};
pub use self::endpoint::{EndpointError, EndpointSettings, Endpoints, InvalidEndpoint};
pub use self::failure::Failure;
pub use self::pages::Pages;
pub use self::session::{Session, Tally};
pub use self::vault::OpenedCredential;
pub(crate) use self::vault::seal;

use self::client::{Answer, Client};
use self::opened::OpenedCredentials;
use self::retry::Pace;
use self::token::Tokens;
use crate::clock::{Clock, Ids};
use crate::provider_credential::SealedCredential;
use crate::secret::MasterKeys;

/// How much, and how long.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Longest answer read, in bytes: what an adapter takes.
    page_bytes: usize,
    /// Most pages of one list.
    pages: u64,
    pace: Pace,
}

impl Limits {
    const USUAL: Self = Self { page_bytes: 8 << 20, pages: 10_000, pace: Pace::USUAL };
}

/// The way to all providers. Clones share connections and tokens.
#[derive(Clone)]
pub struct Gateway(Arc<Inside>);

struct Inside {
    endpoints: Endpoints,
    clock: Clock,
    ids: Ids,
    limits: Limits,
    /// Made when the first request is sent: most commands send none.
    client: OnceLock<Option<Client>>,
    tokens: Tokens,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gateway")
    }
}

impl Gateway {
    /// The gateway to providers at these places. Nothing is sent yet.
    #[must_use]
    pub fn new(endpoints: Endpoints, clock: Clock, ids: Ids) -> Self {
        Self::limited(endpoints, clock, ids, Limits::USUAL)
    }

    fn limited(endpoints: Endpoints, clock: Clock, ids: Ids, limits: Limits) -> Self {
        let (client, tokens) = (OnceLock::new(), Tokens::default());
        Self(Arc::new(Inside { endpoints, clock, ids, limits, client, tokens }))
    }

    /// A way to the provider of a run, with what its connection logs in with. Where that is missing or does not open, every
    /// call says so.
    pub(crate) fn session(&self, context: OperationContext, ring: &MasterKeys, sealed: &[SealedCredential]) -> Session {
        let credentials = OpenedCredentials::open(ring, &context, sealed);
        Session::new(self.clone(), context, credentials)
    }

    fn endpoints(&self) -> &Endpoints {
        &self.0.endpoints
    }

    fn limits(&self) -> Limits {
        self.0.limits
    }

    fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    fn client(&self) -> Option<Client> {
        let made = || Client::for_providers().inspect_err(|_| tracing::error!("no request can be sent over TLS")).ok();
        self.0.client.get_or_init(made).clone()
    }

    fn asked_to_wait(&self, answer: &Answer) -> Option<std::time::Duration> {
        let written = answer.retry_after.as_deref()?;
        let now = jiff::Timestamp::from_microsecond(self.0.clock.now().as_micros()).unwrap_or_default();
        retry::retry_after(written, answer.date.as_deref(), now)
    }

    fn random_byte(&self) -> u8 {
        self.0.ids.random::<1>().map_or(0, |bytes| bytes.first().copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
