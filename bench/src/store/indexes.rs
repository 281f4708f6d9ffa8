//! What the chosen indexes cost when a binding is written: against a table that has its primary key and the index that
//! keeps one decision active, and nothing else.

use super::bindings::Cell;
use super::fill::{copy, copy_lines, insert};
use super::place::{Filled, World};
use super::{Failure, Size};
use crate::pairs::{Paired, paired};
use crate::report::{Line, Report};
use provident_tests::database::{Engine, Raw, TestDatabase};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Rows of a transaction, as many as one of a bulk create has; and the subjects they are about.
const CHUNK_ROWS: u64 = 500;
const CHUNK_SUBJECTS: u64 = 400;
/// Transactions of a slice.
const CHUNKS: u64 = 4;

struct Side {
    filled: Filled,
    raw: Mutex<Raw>,
    next: AtomicU64,
}

impl Side {
    async fn open(filled: Filled) -> Result<Self, Failure> {
        let mut raw = filled.database.raw().await;
        // Waiting for the disk would hide what there is to write.
        match raw {
            Raw::Postgres(_) => raw.execute("SET synchronous_commit = off").await?,
            Raw::Sqlite(_) => raw.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF").await?,
        };
        let next = AtomicU64::new(filled.bindings.subjects());
        Ok(Self { filled, raw: Mutex::new(raw), next })
    }

    /// Seconds per row.
    async fn write(&self) -> Result<f64, Failure> {
        let mut raw = self.raw.lock().await;
        let mut took = Duration::ZERO;
        for _ in 0..CHUNKS {
            let first = self.next.fetch_add(CHUNK_SUBJECTS, Ordering::Relaxed);
            let rows = self.filled.bindings.rows_of(first..first + CHUNK_SUBJECTS);
            let (spent, written) = match &mut *raw {
                Raw::Postgres(connection) => {
                    let pieces: Vec<Vec<u8>> = copy_lines(rows).collect();
                    let begun = Instant::now();
                    let written = copy(connection, pieces).await?;
                    (begun.elapsed(), written)
                }
                Raw::Sqlite(connection) => {
                    let rows: Vec<[Cell; 34]> = rows.collect();
                    let begun = Instant::now();
                    let written = insert(connection, rows.into_iter()).await?;
                    (begun.elapsed(), written)
                }
            };
            if written != CHUNK_ROWS {
                return Err(format!("{written} rows were written and not {CHUNK_ROWS}").into());
            }
            took += spent;
        }
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let rows = (CHUNKS * CHUNK_ROWS) as f64;
        Ok(took.as_secs_f64() / rows)
    }
}

/// Leaves a table without bindings its primary key and the index of active ones. The reference of a row to the one it
/// replaces goes too, because it stands on an index that goes.
async fn strip(database: &TestDatabase) -> Result<(), Failure> {
    let mut raw = database.raw().await;
    match raw.engine() {
        Engine::Postgres => {
            raw.execute("ALTER TABLE provider_resource_bindings DROP CONSTRAINT ux_bindings_environment CASCADE")
                .await?;
            let names = raw
                .rows(
                    "SELECT indexname FROM pg_indexes WHERE tablename = 'provider_resource_bindings' \
                     AND indexname NOT IN ('pk_bindings', 'ux_bindings_active')",
                )
                .await?;
            for name in names.into_iter().flatten().flatten() {
                raw.execute(&format!("DROP INDEX {name}")).await?;
            }
        }
        Engine::Sqlite => {
            let sql = "SELECT sql FROM sqlite_schema WHERE name = ";
            let table = raw.value(&format!("{sql}'provider_resource_bindings'")).await?.unwrap_or_default();
            let index = raw.value(&format!("{sql}'ux_bindings_active'")).await?.unwrap_or_default();
            let gone = ["ux_bindings_environment ", "fk_bindings_supersedes\n"];
            let parts = table.split("\n    CONSTRAINT ").filter(|part| !gone.iter().any(|it| part.starts_with(it)));
            let table = parts.collect::<Vec<_>>().join("\n    CONSTRAINT ");
            raw.execute("PRAGMA foreign_keys = OFF; DROP TABLE provider_resource_bindings").await?;
            raw.execute(&table).await?;
            raw.execute(&index).await?;
        }
    }
    let left = match raw.engine() {
        Engine::Postgres => "SELECT count(*) FROM pg_indexes WHERE tablename = 'provider_resource_bindings'",
        Engine::Sqlite => {
            "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'provider_resource_bindings'"
        }
    };
    let left = raw.value(left).await?.unwrap_or_default();
    raw.close().await?;
    if left == "2" { Ok(()) } else { Err(format!("{left} indexes are left and not 2").into()) }
}

fn line(group: &'static str, pair: &Paired, rows: u64) -> Line {
    let rate = |seconds: f64| format!("{:.0} rows/s", 1.0 / seconds);
    Line::new(
        "–",
        group,
        format!("rows into a table of {rows}, primary key and active index only: {}", rate(pair.a.median())),
        format!("with every index, time per row: {}", rate(pair.b.median())),
    )
}

pub(super) async fn measure(report: &mut Report, size: &Size, world: &World, filled: &Filled) -> Result<(), Failure> {
    let group = match world.engine {
        Engine::Postgres => "indexes, PostgreSQL",
        Engine::Sqlite => "indexes, SQLite",
    };
    let rows = filled.bindings.rows;
    let bare = world.empty().await;
    strip(&bare).await?;
    let bare = Side::open(world.fill(bare, rows).await?).await?;
    let full = Side::open(filled.copy().await).await?;
    let write = async |side: &Side| side.write().await;
    let pair = paired(size.rounds, || write(&bare), || write(&bare)).await?;
    report.floor(group, "rows into a table without other indexes", &pair.ratios);
    let pair = paired(size.rounds, || write(&bare), || write(&full)).await?;
    report.add(line(group, &pair, rows), &pair.ratios, None);
    for side in [bare, full] {
        side.raw.into_inner().close().await?;
    }
    Ok(())
}
