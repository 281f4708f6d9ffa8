//! The service over HTTP: what a request costs beside a bare statement, what the component costs in a request, and how
//! much memory serving takes.
//!
//! The service is `provident serve`, the program that lies beside this one, reached over the loopback by connections that
//! are kept open; its clients are this process, so that they take their part of the same processors, as pgbench does. It
//! logs warnings only, and no credential is held back for asking often. [`place`] says what it stands on.

mod clients;
mod component;
mod load;
mod lookup;
mod memory;
mod mutation;
mod pgbench;
mod place;

use crate::report::{Report, say};
use crate::store::{Failure, settings};
use place::Place;
use provident_tests::database::Engine;
use provident_tests::postgres::{Server, measured};
use std::time::Duration;

pub(crate) use load::measure as load;

/// How much is done.
pub(crate) struct Size {
    /// Bindings to look up among.
    bindings: u64,
    /// Rounds of four slices on a database.
    rounds: usize,
    /// How long such a slice takes: whole seconds, as pgbench counts them.
    slice: Duration,
    /// Rounds of four slices in one process.
    short_rounds: usize,
    short_slice: Duration,
    /// Requests between the first and the last look at the memory.
    requests: u64,
}

impl Size {
    pub(crate) fn full(requests: Option<u64>) -> Self {
        Self {
            bindings: 100_000,
            rounds: 3,
            slice: Duration::from_secs(2),
            short_rounds: 40,
            short_slice: Duration::from_millis(50),
            requests: requests.unwrap_or(1_000_000),
        }
    }

    /// To see that everything runs; its figures say little.
    pub(crate) fn quick(requests: Option<u64>) -> Self {
        Self {
            bindings: 2_000,
            rounds: 1,
            slice: Duration::from_secs(1),
            short_rounds: 3,
            short_slice: Duration::from_millis(50),
            requests: requests.unwrap_or(2_000),
        }
    }
}

/// Which build the program beside this one is.
const BUILD: &str = if cfg!(debug_assertions) { "a dev build" } else { "a release build" };

pub(crate) async fn measure(report: &mut Report, size: &Size) -> Result<(), Failure> {
    let server = measured()?;
    report.remark(settings(server).await?);
    report.remark(format!(
        "HTTP: `provident serve`, {BUILD}, among {} bindings of one environment, over the loopback, connections kept \
         open, clients in this process; warnings logged only; 1 % of look-ups miss. pgbench: the same database, over a \
         Unix socket, prepared, as the administrator and so without row-level security",
        size.bindings
    ));
    for engine in [Engine::Postgres, Engine::Sqlite] {
        of_engine(report, size, engine, server).await?;
    }
    Ok(())
}

async fn of_engine(report: &mut Report, size: &Size, engine: Engine, server: &'static Server) -> Result<(), Failure> {
    let place = Place::make(engine, server, size.bindings).await?;
    say(&format!("{engine}: the component in a request"));
    component::measure(report, size, &place).await?;
    let instance = place.serve()?;
    if engine == Engine::Postgres {
        say("postgres: look-ups over HTTP");
        lookup::measure(report, size, &place, &instance).await?;
        say("postgres: mutations over HTTP");
        mutation::measure(report, size, &place, &instance).await?;
    }
    say(&format!("{engine}: hidden and missing"));
    memory::hidden_and_missing(report, size, &place, &instance).await?;
    drop(instance);
    say(&format!("{engine}: memory in {} requests", size.requests));
    memory::measure(report, size, &place).await
}
