//! What row-level security costs (P16): the same statements on the same rows, once without it.

use super::bindings::NEW;
use super::lookup::{Side, line, median};
use super::mutation::exclusion;
use super::place::{Filled, World};
use super::{Failure, Size};
use crate::pairs::paired;
use crate::report::{Report, Target};
use provident_tests::database::TestDatabase;
use sqlx::{Connection as _, PgConnection};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const GROUP: &str = "row-level security";
const TARGET: Target = Target::AtMost { gate: 1.15, aim: 1.08 };

/// Takes the policies from every table that has them.
const DISABLE: &str = "DO $$ DECLARE t regclass; BEGIN \
    FOR t IN SELECT oid FROM pg_class WHERE relrowsecurity LOOP \
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', t); \
    END LOOP; END $$";

/// Whether a commit waits for the disk says nothing about policies and would hide them.
async fn do_not_wait(database: &TestDatabase) -> Result<(), Failure> {
    let mut raw = database.raw().await;
    raw.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$",
    )
    .await?;
    Ok(raw.close().await?)
}

/// How many bindings the application sees without naming a workspace.
async fn seen_by_nobody(database: &TestDatabase) -> Result<i64, Failure> {
    let mut connection = PgConnection::connect(&database.url()).await?;
    let count =
        sqlx::query_scalar("SELECT count(*) FROM provider_resource_bindings").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(count)
}

/// Decides about new subjects, one after the other; the median time.
async fn decide(side: &Side, next: &AtomicU64, slice: Duration) -> Result<f64, Failure> {
    let (begun, mut times) = (Instant::now(), Vec::new());
    let homes = side.filled.bindings.homes.iter().cycle();
    for home in homes {
        if begun.elapsed() >= slice {
            break;
        }
        let request = exclusion(NEW + next.fetch_add(1, Ordering::Relaxed));
        let asked = Instant::now();
        let made = side.service.create_binding(home.actor, &home.workspace(), home.environment_id, &request).await?;
        times.push(asked.elapsed());
        if made.ending.is_some() || made.environment_id != home.environment_id {
            return Err("a decision was answered with another binding".into());
        }
    }
    Ok(median(&mut times))
}

pub(super) async fn measure(report: &mut Report, size: &Size, world: &World, filled: &Filled) -> Result<(), Failure> {
    let (with, without) = (filled.copy().await, filled.copy().await);
    without.database.execute_raw(DISABLE).await?;
    for side in [&with, &without] {
        do_not_wait(&side.database).await?;
    }
    if seen_by_nobody(&with.database).await? != 0 || seen_by_nobody(&without.database).await? == 0 {
        return Err("row-level security is not on on one side and off on the other".into());
    }
    let rows = with.bindings.rows;
    let (with, without) = (Side::open(world, with).await?, Side::open(world, without).await?);
    let (made_with, made_without) = (AtomicU64::new(0), AtomicU64::new(0));

    let lookup = async |side: &Side| side.through_the_service(size.slice).await;
    let pair = paired(size.rounds, || lookup(&without), || lookup(&without)).await?;
    report.floor(GROUP, format!("look-up among {rows} bindings"), &pair.ratios);
    let pair = paired(size.rounds, || lookup(&without), || lookup(&with)).await?;
    let against = format!("look-up among {rows} bindings without policies, p50");
    report.add(line("P16", GROUP, &against, "with them", &pair), &pair.ratios, Some(TARGET));

    let bare = async |side: &Side| side.bare(size.slice / 2).await;
    let pair = paired(size.rounds, || bare(&without), || bare(&with)).await?;
    let against = "the statement alone without policies, p50";
    report.add(line("P16", GROUP, against, "with them", &pair), &pair.ratios, Some(TARGET));

    let mutation = async |side: &Side, next: &AtomicU64| decide(side, next, size.slice).await;
    let pair = paired(size.rounds, || mutation(&without, &made_without), || mutation(&without, &made_without)).await?;
    report.floor(GROUP, "create, not waiting for the disk", &pair.ratios);
    let pair = paired(size.rounds, || mutation(&without, &made_without), || mutation(&with, &made_with)).await?;
    let against = "create without policies, not waiting for the disk, p50";
    report.add(line("P16", GROUP, against, "with them", &pair), &pair.ratios, Some(TARGET));
    with.close().await?;
    without.close().await?;
    Ok(())
}
