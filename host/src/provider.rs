//! Providers: what can be done at each, in terms of the gateway.
//!
//! A provider is a set of contracts and what is made of their answers, one trait for each thing that can be done. Its words
//! stand in its own module and nowhere else in the host. Nobody here knows how a request is sent, what a connection logs in
//! with, or where anything is kept.

mod fake;
mod microsoft;

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;

use crate::gateway::{Contract, EndpointError, EndpointSettings, Endpoints, Failure, ProviderApi, Session};
use crate::run::SummaryCounts;

/// Whether a connection works.
pub trait HealthCheck: Sync {
    /// Asks for the least there is.
    fn check<'a>(&'a self, session: &'a mut Session) -> BoxFuture<'a, Result<(), Failure>>;
}

/// What is there.
pub trait InventoryCollection: Sync {
    /// Reads every collection and gives each page to the sink. A failure of one collection does not stop the others
    /// ([`Failure::is_of_one_collection`]).
    ///
    /// # Errors
    /// [`Failure`] of what ends everything: the sink's own too.
    fn collect<'a>(
        &'a self,
        session: &'a mut Session,
        sink: &'a mut dyn InventorySink,
    ) -> BoxFuture<'a, Result<Collected, Failure>>;
}

/// Takes what is collected.
pub trait InventorySink: Send {
    /// One page as the provider sent it; described by the adapter and kept by the service.
    fn page<'a>(&'a mut self, contract: &'static Contract, page: &'a str) -> BoxFuture<'a, Result<(), Failure>>;
}

/// How far each collection was read.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// In the order of the contracts: to its end, or why not.
    pub collections: Vec<(&'static Contract, Result<(), Failure>)>,
}

impl Collected {
    /// Those that were read to their end.
    pub fn complete(&self) -> impl Iterator<Item = &'static Contract> {
        self.collections.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(contract, _)| *contract)
    }

    /// Why the others were not.
    pub fn failed(&self) -> impl Iterator<Item = &Failure> {
        self.collections.iter().filter_map(|(_, outcome)| outcome.as_ref().err())
    }
}

/// How many of what comply.
pub trait ComplianceSnapshot: Sync {
    /// Reads the counts.
    fn snapshot<'a>(&'a self, session: &'a mut Session) -> BoxFuture<'a, Result<SummaryCounts, Failure>>;
}

/// Why a directory cannot be a provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedDirectory {
    /// The provider needs one.
    #[error("the provider needs the id of its directory")]
    Missing,
    /// It is not one of the provider's.
    #[error("not the id of a directory of the provider")]
    Malformed,
}

/// A provider.
pub trait Provider: Sync {
    /// As the gateway knows it.
    fn api(&self) -> &'static ProviderApi;

    /// Whether a connection can be about this directory.
    ///
    /// # Errors
    /// [`RefusedDirectory`].
    fn refuse_directory(&self, directory_id: Option<&str>) -> Result<(), RefusedDirectory>;

    /// The check of its connections, if it has one.
    fn health_check(&self) -> Option<&dyn HealthCheck> {
        None
    }

    /// The collection of its inventory, if it has one.
    fn inventory(&self) -> Option<&dyn InventoryCollection> {
        None
    }

    /// The counts of what complies, if it has them.
    fn compliance(&self) -> Option<&dyn ComplianceSnapshot> {
        None
    }

    /// Its key.
    fn key(&self) -> &'static str {
        self.api().provider_key
    }

    /// What its connections log in with.
    fn credential_fields(&self) -> Vec<&'static str> {
        self.api().auth.fields()
    }

    /// Everything that is ever asked of it.
    fn contracts(&self) -> &'static [Contract] {
        self.api().contracts
    }

    /// What there is and is not collected, by subject type, and why.
    fn not_collected(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Those of them that are collections of the inventory.
    fn collections(&self) -> Box<dyn Iterator<Item = &'static Contract> + Send> {
        Box::new(self.contracts().iter().filter(|contract| !contract.covers().is_empty()))
    }
}

/// Every provider there is, by key.
pub const PROVIDERS: &[&dyn Provider] = &[&fake::Fake, &microsoft::Microsoft];

/// The provider of that key.
#[must_use]
pub fn provider(key: &str) -> Option<&'static dyn Provider> {
    PROVIDERS.iter().copied().find(|provider| provider.key() == key)
}

/// Where each provider is: at its usual place, but for what an installation says.
///
/// # Errors
/// [`EndpointError`], the first settings that cannot be.
pub fn endpoints(settings: &[EndpointSettings]) -> Result<Endpoints, EndpointError> {
    Endpoints::new(PROVIDERS.iter().map(|provider| provider.api()), settings)
}

/// Reads one collection after the other.
async fn collect_each(
    contracts: impl Iterator<Item = &'static Contract>,
    session: &mut Session,
    sink: &mut dyn InventorySink,
) -> Result<Collected, Failure> {
    let mut collected = Collected::default();
    for contract in contracts {
        let outcome = match collect_one(contract, session, sink).await {
            Err(failure) if !failure.is_of_one_collection() => return Err(failure),
            outcome => outcome,
        };
        collected.collections.push((contract, outcome));
    }
    Ok(collected)
}

/// Reads one answer of the form that is asked for. Members nobody asked for are not looked at.
async fn answer<T: DeserializeOwned>(session: &mut Session, contract: &'static Contract) -> Result<T, Failure> {
    let text = session.get(contract).await?;
    serde_json::from_str(&text).map_err(|_| Failure::malformed(contract))
}

async fn collect_one(
    contract: &'static Contract,
    session: &mut Session,
    sink: &mut dyn InventorySink,
) -> Result<(), Failure> {
    let mut pages = session.pages(contract);
    while let Some(page) = pages.next().await? {
        sink.page(contract, &page).await?;
    }
    Ok(())
}
