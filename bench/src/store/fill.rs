//! Getting many rows into the table of bindings past the service: COPY on one engine, prepared inserts on the other.

use super::Failure;
use super::bindings::{Bindings, COLUMNS, Cell, write_copy_line};
use provident_tests::database::{Raw, TestDatabase};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use std::time::{Duration, Instant};

/// Up to here every check is left on, so that the rows are known to be such as the tables take.
const CHECKED_ROWS: u64 = 10_000;
/// How many rows a statement on SQLite writes.
const ROWS_PER_STATEMENT: usize = 100;
/// How much of a COPY is sent at once.
const SENT_BYTES: usize = 1 << 18;

/// Fills a database that has none of the bindings. Says how long it took.
pub(super) async fn fill(database: &TestDatabase, bindings: &Bindings) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let checked = bindings.rows <= CHECKED_ROWS;
    let mut raw = database.raw().await;
    let indexes = if checked { Vec::new() } else { unchecked(&mut raw).await? };
    let written = match &mut raw {
        Raw::Postgres(connection) => copy(connection, copy_lines(bindings.all())).await?,
        Raw::Sqlite(connection) => insert(connection, bindings.all()).await?,
    };
    if written != bindings.rows {
        return Err(format!("{written} rows were written and not {}", bindings.rows).into());
    }
    for index in &indexes {
        raw.execute(index).await?;
    }
    match raw {
        Raw::Postgres(_) => {
            // What the server itself does in time; a file of SQLite is never analysed.
            raw.execute("VACUUM (ANALYZE) provider_resource_bindings").await?;
            raw.execute("CHECKPOINT").await?;
        }
        Raw::Sqlite(_) => {
            raw.execute("PRAGMA journal_mode = WAL").await?;
        }
    }
    raw.close().await?;
    Ok(begun.elapsed())
}

/// Has a connection write rows without looking at references, and drops what can be made again afterwards. Answers the
/// statements that do.
async fn unchecked(raw: &mut Raw) -> Result<Vec<String>, Failure> {
    let table = "provider_resource_bindings";
    let (settings, indexes) = match raw {
        Raw::Postgres(_) => (
            "SET session_replication_role = replica; SET maintenance_work_mem = '512MB'; SET synchronous_commit = off",
            format!(
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = '{table}' \
                 AND indexname NOT IN (SELECT conname FROM pg_constraint)"
            ),
        ),
        Raw::Sqlite(_) => (
            "PRAGMA foreign_keys = OFF; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000",
            format!(
                "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = '{table}' AND sql NOT NULL"
            ),
        ),
    };
    raw.execute(settings).await?;
    let mut made = Vec::new();
    for row in raw.rows(&indexes).await? {
        if let [Some(name), Some(sql)] = row.as_slice() {
            raw.execute(&format!("DROP INDEX {name}")).await?;
            made.push(sql.clone());
        }
    }
    Ok(made)
}

/// Rows as COPY reads them, in pieces.
pub(super) fn copy_lines(rows: impl Iterator<Item = [Cell; 34]>) -> impl Iterator<Item = Vec<u8>> {
    let mut rows = rows.fuse();
    std::iter::from_fn(move || {
        let mut piece = String::with_capacity(SENT_BYTES + 1_024);
        for row in rows.by_ref() {
            write_copy_line(&mut piece, &row);
            if piece.len() >= SENT_BYTES {
                break;
            }
        }
        (!piece.is_empty()).then(|| piece.into_bytes())
    })
}

/// One COPY of everything.
pub(super) async fn copy(
    connection: &mut PgConnection,
    pieces: impl IntoIterator<Item = Vec<u8>>,
) -> Result<u64, sqlx::Error> {
    let statement = format!("COPY provider_resource_bindings ({}) FROM STDIN", COLUMNS.join(", "));
    let mut copy = connection.copy_in_raw(&statement).await?;
    for piece in pieces {
        copy.send(piece).await?;
    }
    copy.finish().await
}

/// One COPY of one piece into every column of a table.
pub(super) async fn copy_into(connection: &mut PgConnection, table: &str, piece: Vec<u8>) -> Result<u64, sqlx::Error> {
    let mut copy = connection.copy_in_raw(&format!("COPY {table} FROM STDIN")).await?;
    copy.send(piece).await?;
    copy.finish().await
}

/// Prepared inserts of many rows each, in one transaction.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    rows: impl Iterator<Item = [Cell; 34]>,
) -> Result<u64, Failure> {
    let mut rows = rows.fuse();
    let mut written = 0;
    let mut transaction = connection.begin().await?;
    loop {
        let some: Vec<[Cell; 34]> = rows.by_ref().take(ROWS_PER_STATEMENT).collect();
        if some.is_empty() {
            break;
        }
        let mut arguments = SqliteArguments::default();
        for cell in some.iter().flatten() {
            bind(&mut arguments, cell)?;
        }
        let statement = sqlx::query_with(AssertSqlSafe(insertion(some.len())), arguments);
        written += statement.execute(&mut *transaction).await?.rows_affected();
    }
    transaction.commit().await?;
    Ok(written)
}

fn insertion(rows: usize) -> String {
    let row = format!("({})", vec!["?"; COLUMNS.len()].join(", "));
    let rows = vec![row; rows].join(", ");
    format!("INSERT INTO provider_resource_bindings ({}) VALUES {rows}", COLUMNS.join(", "))
}

fn bind(arguments: &mut SqliteArguments, cell: &Cell) -> Result<(), Failure> {
    match cell {
        Cell::Null => arguments.add(None::<i64>),
        Cell::Id(id) => arguments.add(*id),
        Cell::Time(time) => arguments.add(time.to_string()),
        Cell::Text(text) => arguments.add(text.as_str()),
        Cell::Number(number) => arguments.add(*number),
    }
    .map_err(|error| error.to_string().into())
}
