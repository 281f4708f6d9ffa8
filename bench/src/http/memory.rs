//! How much memory serving takes, and whether it grows (P20); and how long hidden and missing take (for information: they
//! are one answer by the same statements, and time decides nothing here).

use super::Size;
use super::clients::{answer, lookups};
use super::place::Place;
use crate::pairs::paired;
use crate::report::{Line, Report};
use crate::store::Failure;
use provident_tests::database::Engine;
use provident_tests::serving::Instance;
use provident_tests::wire::{Ask, Wire};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use uuid::Uuid;

const MIB: f64 = 1_048_576.0;
/// Until here buffers, caches of statements and connections come to their size.
const WARMING: u64 = 20_000;

fn group(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "refusals, PostgreSQL",
        Engine::Sqlite => "refusals, SQLite",
    }
}

/// What a process has resident, in MiB.
fn resident_mib(process: u32) -> Result<f64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kib.ok_or("the system does not tell what is resident")? * 1_024.0 / MIB)
}

pub(super) async fn measure(report: &mut Report, size: &Size, place: &Place) -> Result<(), Failure> {
    let instance = place.serve()?;
    let mut wire = Wire::to(instance.address, "").await?;
    if wire.ask(&Ask::get("/readyz")).await?.status != 200 {
        return Err("it is not ready".into());
    }
    let idle = resident_mib(instance.process())?;
    let group = match place.engine {
        Engine::Postgres => "memory, PostgreSQL",
        Engine::Sqlite => "memory, SQLite",
    };
    report.fact(
        Line::new("P20", group, "–", "`provident serve`, ready, nothing asked of it yet: resident"),
        format!("{idle:.1} MiB"),
        String::new(),
        "≤ 64 MiB",
        "≤ 32 MiB",
        Some((idle <= 64.0, idle <= 32.0)),
    );
    let questions = lookups(place, 1);
    answer(place, &instance, WARMING.min(size.requests), &questions).await?;
    let warm = resident_mib(instance.process())?;
    answer(place, &instance, size.requests, &questions).await?;
    let last = resident_mib(instance.process())?;
    let growth = (last / warm - 1.0) * 100.0;
    report.fact(
        Line::new(
            "P20",
            group,
            format!("resident after {} look-ups: {warm:.1} MiB", WARMING.min(size.requests)),
            format!("after {} more: {last:.1} MiB", size.requests),
        ),
        format!("{growth:+.1} %"),
        String::new(),
        "≤ 2 %",
        "≤ 2 %",
        Some((growth <= 2.0, growth <= 2.0)),
    );
    Ok(())
}

/// The median time of a refusal.
async fn refusal(place: &Place, wire: &Mutex<Wire>, id: Uuid, slice: Duration) -> Result<f64, Failure> {
    let (mut wire, mut times) = (wire.lock().await, Vec::new());
    let path = format!("{}/{id}", place.path());
    let begun = Instant::now();
    while begun.elapsed() < slice {
        let asked = Instant::now();
        let answer = wire.ask(&Ask::get(&path)).await?;
        times.push(asked.elapsed());
        if answer.status != 404 {
            return Err(format!("a binding nobody may know of is answered {}", answer.status).into());
        }
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64))
}

/// What there is but not for the actor, beside what there is not.
pub(super) async fn hidden_and_missing(
    report: &mut Report,
    size: &Size,
    place: &Place,
    instance: &Instance,
) -> Result<(), Failure> {
    let wire = Mutex::new(Wire::to(instance.address, &place.token).await?);
    let missing = Uuid::from_u128(place.hidden_id.as_u128() ^ 1);
    let of = async |id: Uuid| refusal(place, &wire, id, size.short_slice).await;
    let group = group(place.engine);
    let floor = paired(size.short_rounds, || of(missing), || of(missing)).await?;
    report.floor(group, "404 of a binding that is missing, p50", &floor.ratios);
    let pair = paired(size.short_rounds, || of(missing), || of(place.hidden_id)).await?;
    let difference = (pair.b.median() - pair.a.median()) * 1e6;
    report.add(
        Line::new(
            "P339-18",
            group,
            format!("404 of a binding that is missing, p50: {:.0} µs", pair.a.median() * 1e6),
            format!("404 of one that is hidden: {difference:+.1} µs"),
        ),
        &pair.ratios,
        None,
    );
    Ok(())
}
