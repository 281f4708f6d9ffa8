//! Many decisions at once through the service, audited, against handing the same rows to the engine and doing nothing
//! else (P15): COPY on PostgreSQL, `INSERT … SELECT` on SQLite, into tables with the same indexes and constraints.
//!
//! Ours goes first, because what it wrote is what the other side is given: rows are taken out of its database, byte
//! for byte, between slices.

use super::bindings::{NEW, key};
use super::disk::Probe;
use super::fill::copy_into;
use super::place::{Filled, Home, World};
use super::{Failure, Size};
use crate::pairs::{Paired, paired};
use crate::report::{Line, Report, Target};
use provident::binding::{CreateBinding, Note, ResourceRef, Sources, SubjectRef};
use provident::clock::Timestamp;
use provident::service::{BulkAnswer, MAX_BULK_ITEMS, Service};
use provident_identity::ResolutionMode;
use provident_tests::database::{Engine, Raw, TestDatabase};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Transactions of a slice of ours; the other side takes all of it in one.
const CHUNKS: u64 = 4;
const TARGET: Target = Target::AtLeast { gate: 0.35, aim: 0.6 };

/// Three in five bound by hand, the others kept out.
fn request(home: &Home, subject: u64) -> CreateBinding {
    let bound = subject % 5 < 3;
    let mode = if bound { ResolutionMode::ManualBinding } else { ResolutionMode::ExcludedNonGoverned };
    let mut request = CreateBinding::new(mode, SubjectRef::Key(key(subject)));
    request.subject_domain = Some("things".to_owned());
    request.resource = bound.then(|| ResourceRef::Key(key(subject ^ (1 << 50))));
    request.provider_connection_id = Some(home.connection_id);
    request.note =
        Some(Note::new(format!("Decided in review {} for the widgets of line {}.", subject % 1_000, subject % 97)));
    request.sources = Sources { operation_run_id: Some(home.run_id), ..Sources::default() };
    request
}

/// The service, and where it is.
struct Ours {
    filled: Filled,
    service: Arc<Service>,
    raw: Mutex<Raw>,
    next: AtomicU64,
    /// When the last decision was written.
    last: Mutex<Timestamp>,
}

impl Ours {
    async fn open(world: &World, filled: Filled) -> Result<Self, Failure> {
        let (service, raw) = (world.patient_service(&filled.database).await?, filled.database.raw().await);
        // After everything a table is filled with, and before anything the service does.
        let last = "2025-12-31T00:00:00.000000Z".parse()?;
        Ok(Self { filled, service, raw: Mutex::new(raw), next: AtomicU64::new(0), last: Mutex::new(last) })
    }

    /// Seconds a row took.
    async fn write(&self) -> Result<f64, Failure> {
        let (mut took, mut written) = (Duration::ZERO, 0);
        let mut last = self.last.lock().await;
        for _ in 0..CHUNKS {
            let chunk = self.next.fetch_add(1, Ordering::Relaxed);
            let items = u64::try_from(MAX_BULK_ITEMS)?;
            let at = usize::try_from(chunk)? % self.filled.bindings.homes.len();
            let home = self.filled.bindings.homes.get(at).ok_or("there is no environment")?;
            let first = NEW + chunk * items;
            let requests: Vec<CreateBinding> = (first..first + items).map(|subject| request(home, subject)).collect();
            let (begun, workspace) = (Instant::now(), home.workspace());
            let answers =
                self.service.bulk_create_bindings(home.actor, &workspace, home.environment_id, &requests).await?;
            took += begun.elapsed();
            for answer in &answers {
                let BulkAnswer::Created { binding } = answer else { return Err("a decision was refused".into()) };
                *last = binding.created_at.max(*last);
                written += 1;
            }
        }
        per_row(took, written)
    }
}

/// What is written past the service.
struct Theirs {
    _database: TestDatabase,
    raw: Mutex<Raw>,
    audited: bool,
    /// The time up to which rows were taken over, and what is still to be written.
    staged: Mutex<(Timestamp, VecDeque<Rows>)>,
}

/// Rows of one slice, as the engine takes them.
struct Rows {
    count: u64,
    from: Source,
}

enum Source {
    /// Lines for COPY: bindings, events.
    Lines(String, String),
    /// Tables of the connection's own with this number.
    Tables(usize),
}

impl Theirs {
    async fn open(ours: &Ours, filled: &Filled, audited: bool) -> Result<Self, Failure> {
        let database = filled.copy().await.database;
        let mut raw = database.raw().await;
        if raw.engine() == Engine::Sqlite {
            raw.execute(&format!("ATTACH '{}' AS ours", ours.filled.database.file().display())).await?;
        }
        let staged = Mutex::new((*ours.last.lock().await, VecDeque::new()));
        Ok(Self { _database: database, raw: Mutex::new(raw), audited, staged })
    }

    /// Takes over what ours has written since.
    async fn stage(&self, ours: &Ours) -> Result<(), Failure> {
        let mut staged = self.staged.lock().await;
        let (after, last) = (staged.0, *ours.last.lock().await);
        let bindings = format!("provider_resource_bindings WHERE created_at > '{after}'");
        let events = format!("audit_events WHERE occurred_at > '{after}'");
        let rows = match &mut *self.raw.lock().await {
            Raw::Postgres(_) => {
                let mut ours = ours.raw.lock().await;
                let (count, bindings) = lines(&mut ours, &bindings).await?;
                let (told, events) = lines(&mut ours, &events).await?;
                if told != count {
                    return Err(format!("{count} bindings were written and {told} events").into());
                }
                Rows { count, from: Source::Lines(bindings, events) }
            }
            theirs @ Raw::Sqlite(_) => {
                let number = provident_tests::rows::fresh();
                let tables = [("bindings", bindings), ("events", events)];
                for (name, from) in tables {
                    let sql = format!("CREATE TEMP TABLE {name}_{number} AS SELECT * FROM ours.{from}");
                    theirs.execute(&sql).await?;
                }
                let count = theirs.value(&format!("SELECT count(*) FROM bindings_{number}")).await?;
                Rows { count: count.unwrap_or_default().parse()?, from: Source::Tables(usize::try_from(number)?) }
            }
        };
        *staged = (last, { std::mem::take(&mut staged.1) });
        staged.1.push_back(rows);
        Ok(())
    }

    /// Seconds a row took.
    async fn write(&self) -> Result<f64, Failure> {
        let rows = self.staged.lock().await.1.pop_front().ok_or("nothing is left to be written")?;
        let mut raw = self.raw.lock().await;
        let begun = Instant::now();
        raw.execute("BEGIN").await?;
        let written = match (&mut *raw, rows.from) {
            (Raw::Postgres(connection), Source::Lines(bindings, events)) => {
                let written = copy_into(connection, "provider_resource_bindings", bindings.into_bytes()).await?;
                if self.audited {
                    copy_into(connection, "audit_events", events.into_bytes()).await?;
                }
                written
            }
            (raw, Source::Tables(number)) => {
                let all = format!("INSERT INTO main.provider_resource_bindings SELECT * FROM bindings_{number}");
                let written = raw.execute(&all).await?;
                if self.audited {
                    raw.execute(&format!("INSERT INTO main.audit_events SELECT * FROM events_{number}")).await?;
                }
                written
            }
            (Raw::Sqlite(_), Source::Lines(..)) => return Err("COPY is the other engine's".into()),
        };
        raw.execute("COMMIT").await?;
        let took = begun.elapsed();
        if written != rows.count || written != CHUNKS * u64::try_from(MAX_BULK_ITEMS)? {
            return Err(format!("{written} rows were written and not {}", rows.count).into());
        }
        per_row(took, written)
    }

    async fn close(self) -> Result<(), Failure> {
        Ok(self.raw.into_inner().close().await?)
    }
}

/// Rows as COPY reads them. No text here has a tab, a line feed or a backslash.
async fn lines(raw: &mut Raw, from: &str) -> Result<(u64, String), Failure> {
    let rows = raw.rows(&format!("SELECT * FROM {from}")).await?;
    let mut lines = String::new();
    for row in &rows {
        let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap_or("\\N")).collect();
        lines.push_str(&cells.join("\t"));
        lines.push('\n');
    }
    Ok((u64::try_from(rows.len())?, lines))
}

fn per_row(took: Duration, rows: u64) -> Result<f64, Failure> {
    Ok(took.as_secs_f64() / f64::from(u32::try_from(rows)?))
}

async fn against(size: &Size, ours: &Ours, theirs: &Theirs) -> Result<Paired, Failure> {
    // The other side is given two slices in a row.
    for _ in 0..2 {
        ours.write().await?;
        theirs.stage(ours).await?;
    }
    let bulk = async || {
        let seconds = ours.write().await?;
        theirs.stage(ours).await?;
        Ok::<f64, Failure>(seconds)
    };
    paired(size.rounds, bulk, || theirs.write()).await
}

fn line(group: &'static str, engine: Engine, audited: bool, pair: &Paired, disk: &str) -> Line {
    let how = match engine {
        Engine::Postgres => "COPY",
        Engine::Sqlite => "INSERT … SELECT",
    };
    let what = if audited { "the same rows and their events" } else { "the same rows, bindings alone" };
    let rate = |seconds: f64| format!("{:.0} rows/s", 1.0 / seconds);
    Line::new(
        "P15",
        group,
        format!("{how} of {what}: {}", rate(pair.b.median())),
        format!("bulk create of 500 at once, audited, throughput: {}; {disk}", rate(pair.a.median())),
    )
}

pub(super) async fn measure(report: &mut Report, size: &Size, world: &World, filled: &Filled) -> Result<(), Failure> {
    let engine = world.engine;
    let group = match engine {
        Engine::Postgres => "bulk create, PostgreSQL",
        Engine::Sqlite => "bulk create, SQLite",
    };
    let ours = Ours::open(world, filled.copy().await).await?;
    let pair = paired(size.rounds, || ours.write(), || ours.write()).await?;
    report.floor(group, "bulk create of 500 at once, audited", &pair.ratios);
    for audited in [false, true] {
        let theirs = Theirs::open(&ours, filled, audited).await?;
        let probe = Probe::start()?;
        let pair = against(size, &ours, &theirs).await?;
        let disk = probe.end()?;
        // The requirement names COPY, of bindings.
        let target = (engine == Engine::Postgres && !audited).then_some(TARGET);
        report.add(line(group, engine, audited, &pair, &disk), &pair.ratios, target);
        theirs.close().await?;
    }
    ours.service.close().await;
    Ok(ours.raw.into_inner().close().await?)
}
