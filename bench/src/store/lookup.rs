//! Looking one key up among ever more bindings (P13): through the service, as a caller does, and the bare statement.

use super::bindings::{Expected, Question};
use super::place::{Filled, World};
use super::{Failure, Size};
use crate::pairs::{Paired, paired};
use crate::report::{Line, Report, Target};
use provident::binding::LookupAnswer;
use provident::service::Service;
use provident_tests::database::Engine;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use uuid::Uuid;

/// What the store asks for an active binding by, word for word but for the list of columns.
pub(super) const ACTIVE: &str = "SELECT b.* FROM provider_resource_bindings b \
     WHERE b.workspace_id = $1 AND b.managed_environment_id = $2 AND b.provider_key = $3 \
     AND b.canonical_subject_key = $4 AND b.binding_status = 'active'";

/// A database under question.
pub(super) struct Side {
    pub(super) filled: Filled,
    pub(super) service: Arc<Service>,
    bare: Mutex<Bare>,
    next: AtomicU64,
}

enum Bare {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Side {
    pub(super) async fn open(world: &World, filled: Filled) -> Result<Self, Failure> {
        let service = world.patient_service(&filled.database).await?;
        let url = filled.database.url();
        let bare = match world.engine {
            Engine::Postgres => Bare::Postgres(PgConnection::connect(&url).await?),
            Engine::Sqlite => Bare::Sqlite(SqliteConnection::connect(&url).await?),
        };
        Ok(Self { filled, service, bare: Mutex::new(bare), next: AtomicU64::new(0) })
    }

    /// Lets go of the database.
    pub(super) async fn close(self) -> Result<Filled, Failure> {
        self.service.close().await;
        match self.bare.into_inner() {
            Bare::Postgres(connection) => connection.close().await?,
            Bare::Sqlite(connection) => connection.close().await?,
        }
        Ok(self.filled)
    }

    fn question(&self) -> Result<Question, Failure> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.filled.bindings.question(number).ok_or_else(|| "there is nothing to look up".into())
    }

    /// The median time of a look-up through the service.
    pub(super) async fn through_the_service(&self, slice: Duration) -> Result<f64, Failure> {
        let (begun, mut times) = (Instant::now(), Vec::new());
        while begun.elapsed() < slice {
            let question = self.question()?;
            let home = question.home;
            let asked = Instant::now();
            let keys = [question.key.as_str()];
            let answers = self.service.lookup(home.actor, &home.workspace(), home.environment_id, &keys, None).await?;
            times.push(asked.elapsed());
            let [answer] = answers.as_slice() else { return Err("one key has one answer".into()) };
            expect(answer_of(answer), question.expected)?;
        }
        Ok(median(&mut times))
    }

    /// The median time of the statement alone, prepared, within a transaction that names its workspace.
    pub(super) async fn bare(&self, slice: Duration) -> Result<f64, Failure> {
        let mut bare = self.bare.lock().await;
        let (begun, mut times) = (Instant::now(), Vec::new());
        while begun.elapsed() < slice {
            let question = self.question()?;
            let (took, found) = match &mut *bare {
                Bare::Postgres(connection) => ask_postgres(connection, &question).await?,
                Bare::Sqlite(connection) => ask_sqlite(connection, &question).await?,
            };
            times.push(took);
            let expected = match question.expected {
                Expected::Active(id) => Some(id),
                Expected::Ended(_) | Expected::Nothing => None,
            };
            if found != expected {
                return Err(format!("{found:?} was found and not {expected:?}").into());
            }
        }
        Ok(median(&mut times))
    }
}

async fn ask_postgres(connection: &mut PgConnection, question: &Question) -> Result<(Duration, Option<Uuid>), Failure> {
    let home = question.home;
    let begin = format!("BEGIN READ ONLY; SET LOCAL provident.workspace_id = '{}'", home.workspace_id);
    let mut transaction = connection.begin_with(AssertSqlSafe(begin)).await?;
    let asked = Instant::now();
    let statement = sqlx::query(ACTIVE).bind(home.workspace_id).bind(home.environment_id).bind("fake");
    let row = statement.bind(question.key.as_str()).fetch_optional(&mut *transaction).await?;
    let took = asked.elapsed();
    transaction.commit().await?;
    Ok((took, row.map(|row| row.try_get("id")).transpose()?))
}

async fn ask_sqlite(
    connection: &mut SqliteConnection,
    question: &Question,
) -> Result<(Duration, Option<Uuid>), Failure> {
    let home = question.home;
    let asked = Instant::now();
    let statement = sqlx::query(ACTIVE).bind(home.workspace_id).bind(home.environment_id).bind("fake");
    let row = statement.bind(question.key.as_str()).fetch_optional(&mut *connection).await?;
    let took = asked.elapsed();
    Ok((took, row.map(|row| row.try_get("id")).transpose()?))
}

fn answer_of(answer: &LookupAnswer) -> Option<Expected> {
    Some(match answer {
        LookupAnswer::Active { binding } => Expected::Active(binding.id),
        LookupAnswer::Ended { binding_id, .. } => Expected::Ended(*binding_id),
        LookupAnswer::None => Expected::Nothing,
        LookupAnswer::Refused { .. } => return None,
    })
}

fn expect(answer: Option<Expected>, expected: Expected) -> Result<(), Failure> {
    if answer == Some(expected) {
        return Ok(());
    }
    Err(format!("a look-up was answered {answer:?} and not {expected:?}").into())
}

pub(super) fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

fn gate(rows: u64) -> Option<Target> {
    match rows {
        100_000 => Some(Target::AtMost { gate: 1.15, aim: 1.15 }),
        1_000_000 => Some(Target::AtMost { gate: 1.3, aim: 1.3 }),
        10_000_000 => Some(Target::AtMost { gate: 1.4, aim: 1.25 }),
        _ => None,
    }
}

/// A line of the table about a pair of medians in time.
pub(super) fn line(id: &'static str, group: &'static str, against: &str, ours: &str, pair: &Paired) -> Line {
    let micros = |ratios: &crate::pairs::Ratios| ratios.median() * 1e6;
    let against = format!("{against}: {:.0} µs", micros(&pair.a));
    Line::new(id, group, against, format!("{ours}: {:.0} µs", micros(&pair.b)))
}

fn group(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "look-up, PostgreSQL",
        Engine::Sqlite => "look-up, SQLite",
    }
}

fn rows(side: &Side) -> String {
    format!("{} bindings", side.filled.bindings.rows)
}

/// Looks up among the smallest number of rows and among each of the others.
pub(super) async fn measure(
    report: &mut Report,
    size: &Size,
    engine: Engine,
    small: &Side,
    others: &[&Side],
) -> Result<(), Failure> {
    let service = async |side: &Side| side.through_the_service(size.slice).await;
    let pair = paired(size.rounds, || service(small), || service(small)).await?;
    report.floor(group(engine), format!("look-up among {}", rows(small)), &pair.ratios);
    for side in others {
        among(report, size, engine, small, side).await?;
    }
    Ok(())
}

/// Looks up among the smallest number of rows and among another.
pub(super) async fn among(
    report: &mut Report,
    size: &Size,
    engine: Engine,
    small: &Side,
    larger: &Side,
) -> Result<(), Failure> {
    let (group, ours) = (group(engine), format!("among {}", rows(larger)));
    let service = async |side: &Side| side.through_the_service(size.slice).await;
    let pair = paired(size.rounds, || service(small), || service(larger)).await?;
    let against = format!("look-up among {}, p50", rows(small));
    report.add(line("P13", group, &against, &ours, &pair), &pair.ratios, gate(larger.filled.bindings.rows));
    let bare = async |side: &Side| side.bare(size.slice / 4).await;
    let pair = paired(size.rounds, || bare(small), || bare(larger)).await?;
    let against = format!("the statement alone among {}, p50", rows(small));
    report.add(line("P13", group, &against, &ours, &pair), &pair.ratios, None);
    Ok(())
}
