//! The store under load: both engines, through the service as the application's role and past it.
//!
//! Databases are made for it: files of SQLite beside a throw-away cluster of PostgreSQL that waits for its disk as one
//! in earnest does. Each group measures one thing; `bindings` says what the tables are filled with, `place` where.

pub(crate) mod bindings;
mod bulk;
pub(crate) mod disk;
mod fill;
mod indexes;
mod lookup;
mod mutation;
mod place;
mod policies;
mod verify;

use crate::Group;
use crate::report::{Report, say};
use lookup::Side;
use place::World;
use provident_tests::database::Engine;
use provident_tests::postgres::{Server, measured};
use sqlx::Connection as _;
use std::time::Duration;

/// Anything that ends a measurement.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// How much is done.
pub(crate) struct Size {
    small: u64,
    middle: u64,
    large: u64,
    /// One more number of bindings to look up among.
    more: Option<u64>,
    rounds: usize,
    /// How long a slice of a round takes.
    slice: Duration,
    /// How long mutations are counted.
    window: Duration,
}

impl Size {
    pub(crate) fn full(more: Option<u64>) -> Self {
        Self {
            small: 10_000,
            middle: 100_000,
            large: 1_000_000,
            more,
            rounds: 8,
            slice: Duration::from_millis(400),
            window: Duration::from_secs(15),
        }
    }

    /// To see that everything runs; its figures say little.
    pub(crate) fn quick(more: Option<u64>) -> Self {
        Self {
            small: 1_000,
            middle: 5_000,
            large: 20_000,
            more,
            rounds: 2,
            slice: Duration::from_millis(50),
            window: Duration::from_secs(1),
        }
    }
}

pub(crate) async fn measure(report: &mut Report, size: &Size, groups: &[Group]) -> Result<(), Failure> {
    let server = measured()?;
    report.remark(settings(server).await?);
    report.remark(
        "SQLite: WAL, synchronous = FULL, one writer and four readers, as the service opens it; bindings are rows, \
         a quarter of them history, over 40 environments of 10 workspaces; 1 % of look-ups miss",
    );
    for engine in [Engine::Postgres, Engine::Sqlite] {
        of_engine(report, size, groups, engine, server).await?;
    }
    Ok(())
}

/// What PostgreSQL is measured with.
pub(crate) async fn settings(server: &Server) -> Result<String, Failure> {
    let mut admin = server.admin().await?;
    let mut settings = Vec::new();
    for name in ["fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size"] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&mut admin).await?;
        settings.push(format!("{name} = {value}"));
    }
    let version: String = sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(&mut admin).await?;
    admin.close().await?;
    Ok(format!(
        "PostgreSQL {version}: {}; over a Unix socket as provident_app, row-level security forced",
        settings.join(", ")
    ))
}

async fn of_engine(
    report: &mut Report,
    size: &Size,
    groups: &[Group],
    engine: Engine,
    server: &'static Server,
) -> Result<(), Failure> {
    let wanted = |group: Group| groups.contains(&group);
    let world = World::make(engine, server).await?;
    if wanted(Group::Verify) {
        say(&format!("{engine}: verifying"));
        verify::measure(report, size, &world).await?;
    }
    let in_the_middle = [Group::Lookup, Group::Bulk, Group::Policies, Group::Indexes];
    let middle = if in_the_middle.into_iter().any(wanted) { Some(world.filled(size.middle).await?) } else { None };
    let large =
        if wanted(Group::Lookup) || wanted(Group::Mutation) { Some(world.filled(size.large).await?) } else { None };
    if let Some(middle) = &middle {
        if wanted(Group::Bulk) {
            say(&format!("{engine}: bulk create"));
            bulk::measure(report, size, &world, middle).await?;
        }
        if wanted(Group::Policies) && engine == Engine::Postgres {
            say(&format!("{engine}: policies"));
            policies::measure(report, size, &world, middle).await?;
        }
        if wanted(Group::Indexes) {
            say(&format!("{engine}: indexes"));
            indexes::measure(report, size, &world, middle).await?;
        }
    }
    let large = match (middle, large) {
        (Some(middle), Some(large)) if wanted(Group::Lookup) => {
            say(&format!("{engine}: look-ups"));
            let small = Side::open(&world, world.filled(size.small).await?).await?;
            let middle = Side::open(&world, middle).await?;
            let large = Side::open(&world, large).await?;
            lookup::measure(report, size, engine, &small, &[&middle, &large]).await?;
            if let Some(rows) = size.more {
                let more = Side::open(&world, world.filled(rows).await?).await?;
                lookup::among(report, size, engine, &small, &more).await?;
                more.close().await?;
            }
            small.close().await?;
            middle.close().await?;
            Some(large.close().await?)
        }
        (_, large) => large,
    };
    if let Some(large) = large.filter(|_| wanted(Group::Mutation)) {
        say(&format!("{engine}: mutations"));
        mutation::measure(report, size, &world, &large).await?;
    }
    Ok(())
}
