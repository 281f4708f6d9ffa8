//! How long a mutation takes among many bindings with many clients, beside the deadline it has (P381-14). Every commit
//! waits for the disk.

use super::bindings::{NEW, key};
use super::disk::Probe;
use super::place::{Filled, Home, World};
use super::{Failure, Size};
use crate::pairs::Ratios;
use crate::report::{Line, Report};
use provident::binding::{Binding, CreateBinding, Note, SubjectRef, SupersedeBinding};
use provident::error::Error;
use provident::service::Service;
use provident_identity::{BindingStatus, ResolutionMode};
use provident_tests::database::{Engine, TestDatabase};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CLIENTS: u64 = 64;
const DEADLINE: Duration = Duration::from_secs(2);

/// A request to keep a new subject out of what is governed.
pub(super) fn exclusion(subject: u64) -> CreateBinding {
    let mut request = CreateBinding::new(ResolutionMode::ExcludedNonGoverned, SubjectRef::Key(key(subject)));
    request.subject_domain = Some("things".to_owned());
    request.note = Some(Note::new("Not ours to govern: kept by the team that made it."));
    request
}

/// What a client saw.
#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    /// Committed.
    done: u64,
    /// Refused, because the time was up.
    late: u64,
}

impl Seen {
    fn keep(&mut self, begun: Instant, outcome: Result<Binding, Error>) -> Result<Option<Binding>, Error> {
        self.times.push(begun.elapsed());
        match outcome {
            Ok(binding) => {
                self.done += 1;
                Ok(Some(binding))
            }
            Err(error) if error.code() == "deadline-exceeded" => {
                self.late += 1;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Decides about new subjects, decides otherwise, withdraws, until the time is up.
async fn client(service: Arc<Service>, home: &Home, number: u64, until: Instant) -> Result<Seen, Failure> {
    let (mut seen, workspace) = (Seen::default(), home.workspace());
    let mut subject = NEW + (number << 24);
    while Instant::now() < until {
        subject += 1;
        let (begun, request) = (Instant::now(), exclusion(subject));
        let outcome = service.create_binding(home.actor, &workspace, home.environment_id, &request).await;
        let Some(first) = seen.keep(begun, outcome)? else { continue };
        let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
        request.note = Some(Note::new("Known and accepted until the next review."));
        let begun = Instant::now();
        let outcome = service.supersede_binding(home.actor, &workspace, first.id, &request).await;
        let Some(second) = seen.keep(begun, outcome)? else { continue };
        let (begun, note) = (Instant::now(), Note::new("No longer there."));
        let outcome = service.revoke_binding(home.actor, &workspace, second.id, Some(&note)).await;
        let Some(third) = seen.keep(begun, outcome)? else { continue };
        if second.supersedes_binding_id != Some(first.id)
            || third.id != second.id
            || third.status() != BindingStatus::Revoked
        {
            return Err("a mutation was answered with another binding".into());
        }
    }
    Ok(seen)
}

/// How many events there are in all chains.
async fn events(database: &TestDatabase) -> Result<u64, Failure> {
    let mut raw = database.raw().await;
    let count = raw.value("SELECT CAST(sum(last_number) AS bigint) FROM audit_heads").await?;
    raw.close().await?;
    Ok(count.unwrap_or_default().parse()?)
}

async fn run(world: &World, filled: &Filled, homes: &[Home], window: Duration) -> Result<(Seen, String), Failure> {
    let service = world.service(&filled.database).await?;
    let before = events(&filled.database).await?;
    let probe = Probe::start()?;
    let until = Instant::now() + window;
    let clients: Vec<_> = (0..CLIENTS)
        .zip(homes.iter().cycle())
        .map(|(number, home)| {
            let (service, home) = (Arc::clone(&service), *home);
            tokio::spawn(async move { client(service, &home, number, until).await.map_err(|error| error.to_string()) })
        })
        .collect();
    let mut all = Seen::default();
    for client in clients {
        let seen = client.await??;
        all.times.extend(seen.times);
        all.done += seen.done;
        all.late += seen.late;
    }
    let disk = probe.end()?;
    service.close().await;
    let told = events(&filled.database).await?.saturating_sub(before);
    if told != all.done {
        return Err(format!("{} mutations were acknowledged and {told} events written", all.done).into());
    }
    Ok((all, disk))
}

pub(super) async fn measure(report: &mut Report, size: &Size, world: &World, filled: &Filled) -> Result<(), Failure> {
    let group = match world.engine {
        Engine::Postgres => "mutations, PostgreSQL",
        Engine::Sqlite => "mutations, SQLite",
    };
    let rows = filled.bindings.rows;
    let first = world.homes.first().map(|home| home.workspace_id);
    let one: Vec<Home> = world.homes.iter().filter(|home| Some(home.workspace_id) == first).copied().collect();
    for (homes, place) in [(world.homes.as_slice(), "10 workspaces"), (one.as_slice(), "one workspace")] {
        let (seen, disk) = run(world, filled, homes, size.window).await?;
        let times = Ratios::new(seen.times.iter().map(Duration::as_secs_f64).collect());
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let rate = seen.done as f64 / size.window.as_secs_f64();
        let refused = if seen.late == 0 { String::new() } else { format!(", {} refused as late", seen.late) };
        let ours = format!("{CLIENTS} clients in {place} of {rows} bindings: {rate:.0} mutations/s{refused}; {disk}");
        let milliseconds = |time: f64| format!("{:.0} ms", time * 1e3);
        let met = times.greatest() < DEADLINE.as_secs_f64() && seen.late == 0;
        report.fact(
            Line::new("P381-14", group, "the deadline of a mutation", ours),
            format!("longest {}", milliseconds(times.greatest())),
            format!("p50 {}, p99 {}", milliseconds(times.median()), milliseconds(times.at(0.99))),
            "< 2 s",
            "",
            Some((met, met)),
        );
    }
    Ok(())
}
