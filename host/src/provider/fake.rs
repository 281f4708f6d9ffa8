//! The invented provider: it has everything a provider can have, so that nothing else leans on a real one.
//!
//! Where it is, only an installation can say.

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{
    Collected, ComplianceSnapshot, HealthCheck, InventoryCollection, InventorySink, Provider, RefusedDirectory, answer,
    collect_each,
};
use crate::gateway::{Auth, Contract, Failure, Link, Paging, ProviderApi, Session};
use crate::run::{CountKey, SummaryCounts};

/// What an adapter reads of an object.
const READ: &[&str] = &["kind", "shelf", "ref", "tag", "code", "origin", "rev", "area", "title"];

const fn whole(name: &'static str, path: &'static str, keeps: &'static [&'static str]) -> Contract {
    Contract { name, path, query: "", permissions: &[], paging: Paging::None, keeps, covers: &[] }
}

/// A shelf covers the types of its kinds, and itself: what is of no kind that is known is of its shelf's type.
const fn shelf(name: &'static str, path: &'static str, covers: &'static [&'static str]) -> Contract {
    let paging = Paging::NextLink { items: "items", next: "next", link: Link::Path };
    Contract { name, path, query: "", permissions: &[], paging, keeps: READ, covers }
}

const PULSE: usize = 0;
const LEDGER: usize = 1;

static CONTRACTS: [Contract; 8] = [
    whole("fake.pulse", "/pulse", &[]),
    whole("fake.ledger", "/ledger", &["fine", "wrong", "late", "blank"]),
    shelf("fake.crews", "/shelves/crews", &["audience", "crews"]),
    shelf("fake.gadgets", "/shelves/gadgets", &["gadgetPolicy", "gadgets"]),
    shelf("fake.meters", "/shelves/meters", &["meterPolicy", "meters"]),
    shelf("fake.oddments", "/shelves/oddments", &["oddments", "relic", "trinketPolicy"]),
    shelf("fake.widgets", "/shelves/widgets", &["widgetPolicy", "widgets"]),
    // Of zones with an area the type has the area in it, and no list names them all: they are never missed.
    shelf("fake.zones", "/shelves/zones", &["zone", "zones"]),
];

static API: ProviderApi =
    ProviderApi { provider_key: "fake", api_url: None, auth: Auth::Bearer { field: "api_key" }, contracts: &CONTRACTS };

/// The invented provider.
pub(super) struct Fake;

impl Provider for Fake {
    fn api(&self) -> &'static ProviderApi {
        &API
    }

    /// Any there is, and none: it has no directories of its own.
    fn refuse_directory(&self, _directory_id: Option<&str>) -> Result<(), RefusedDirectory> {
        Ok(())
    }

    fn health_check(&self) -> Option<&dyn HealthCheck> {
        Some(self)
    }

    fn inventory(&self) -> Option<&dyn InventoryCollection> {
        Some(self)
    }

    fn compliance(&self) -> Option<&dyn ComplianceSnapshot> {
        Some(self)
    }
}

impl HealthCheck for Fake {
    fn check<'a>(&'a self, session: &'a mut Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { session.get(&CONTRACTS[PULSE]).await.map(drop) })
    }
}

impl InventoryCollection for Fake {
    fn collect<'a>(
        &'a self,
        session: &'a mut Session,
        sink: &'a mut dyn InventorySink,
    ) -> BoxFuture<'a, Result<Collected, Failure>> {
        Box::pin(collect_each(self.collections(), session, sink))
    }
}

/// What stands in the ledger.
#[derive(Deserialize)]
struct Ledger {
    fine: u64,
    wrong: u64,
    late: u64,
    blank: u64,
}

impl ComplianceSnapshot for Fake {
    fn snapshot<'a>(&'a self, session: &'a mut Session) -> BoxFuture<'a, Result<SummaryCounts, Failure>> {
        Box::pin(async {
            let ledger: Ledger = answer(session, &CONTRACTS[LEDGER]).await?;
            let mut counts = SummaryCounts::default();
            counts.set(CountKey::Compliant, ledger.fine);
            counts.set(CountKey::Noncompliant, ledger.wrong);
            counts.set(CountKey::InGracePeriod, ledger.late);
            counts.set(CountKey::Unknown, ledger.blank);
            Ok(counts)
        })
    }
}
