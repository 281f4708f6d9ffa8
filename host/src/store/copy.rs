//! Copying a whole database into another one, whatever the two engines are.
//!
//! One transaction reads and one writes: what arrives is one state of the source, and all of it or nothing. Rows go as
//! they are, tables in the order of their references, workspace by workspace, since that is how far a connection sees.
//! Which tables and columns there are: `copied.rs`.

use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Postgres, QueryBuilder, Row as _, Sqlite};
use uuid::Uuid;

use super::StoreError;
use super::copied::Kind::{self, Big, Bytes, Flag, Id, Int, Text, Time};
use super::copied::{COPIED_TABLES, CopiedTable};
use super::engine::Tx;
use super::open::{Engine, Store};
use super::tx::{ReadTx, scope_to};
use crate::clock::Timestamp;
use crate::workspace::PLATFORM_WORKSPACE;

/// How many rows one statement takes: with the widest table still below the 32,766 parameters of SQLite.
const ROWS_PER_STATEMENT: usize = 500;

/// A value on its way.
enum Cell {
    Id(Option<Uuid>),
    Text(Option<String>),
    Time(Option<Timestamp>),
    Flag(Option<bool>),
    Int(Option<i32>),
    Big(Option<i64>),
    Bytes(Option<Vec<u8>>),
}

/// The rows of one engine, read and written. The two differ in the types of the driver alone.
macro_rules! engine {
    ($read:ident, $write:ident, $row:ty, $db:ty) => {
        fn $read(row: &$row, columns: &[(&str, Kind)]) -> Result<Vec<Cell>, sqlx::Error> {
            let cell = |at: usize, kind: Kind| {
                Ok(match kind {
                    Id => Cell::Id(row.try_get(at)?),
                    Text => Cell::Text(row.try_get(at)?),
                    Time => Cell::Time(row.try_get(at)?),
                    Flag => Cell::Flag(row.try_get(at)?),
                    Int => Cell::Int(row.try_get(at)?),
                    Big => Cell::Big(row.try_get(at)?),
                    Bytes => Cell::Bytes(row.try_get(at)?),
                })
            };
            columns.iter().enumerate().map(|(at, (_, kind))| cell(at, *kind)).collect()
        }

        fn $write(table: &CopiedTable, rows: Vec<Vec<Cell>>) -> QueryBuilder<$db> {
            let mut insert = QueryBuilder::new(format!("INSERT INTO {} ({}) ", table.name, table.names()));
            insert.push_values(rows, |mut values, row| {
                for cell in row {
                    match cell {
                        Cell::Id(id) => values.push_bind(id),
                        Cell::Text(text) => values.push_bind(text),
                        Cell::Time(time) => values.push_bind(time),
                        Cell::Flag(flag) => values.push_bind(flag),
                        Cell::Int(number) => values.push_bind(number),
                        Cell::Big(number) => values.push_bind(number),
                        Cell::Bytes(bytes) => values.push_bind(bytes),
                    };
                }
            });
            // The platform's own workspace is there in every database.
            if table.name == "workspaces" {
                insert.push(" ON CONFLICT (id) DO NOTHING");
            }
            insert
        }
    };
}

engine!(read_postgres, write_postgres, PgRow, Postgres);
engine!(read_sqlite, write_sqlite, SqliteRow, Sqlite);

async fn insert(tx: &mut Tx, table: &CopiedTable, rows: Vec<Vec<Cell>>) -> Result<(), StoreError> {
    match tx {
        Tx::Postgres(tx) => write_postgres(table, rows).build().execute(&mut **tx).await.map(drop)?,
        Tx::Sqlite(tx) => write_sqlite(table, rows).build().execute(&mut **tx).await.map(drop)?,
    }
    Ok(())
}

async fn scope(tx: &mut Tx, workspace_id: Uuid) -> Result<(), StoreError> {
    if let Tx::Postgres(tx) = tx {
        sqlx::raw_sql(AssertSqlSafe(scope_to(workspace_id))).execute(&mut **tx).await?;
    }
    Ok(())
}

/// A copy that has been made and not committed.
#[derive(Debug)]
pub(crate) struct Copied {
    read: ReadTx,
    /// The workspaces there are, the platform's own first.
    pub(crate) workspaces: Vec<Uuid>,
    /// How many rows went, by table.
    pub(crate) rows: Vec<(&'static str, u64)>,
}

impl Copied {
    /// What arrived in a workspace, to be looked at.
    pub(crate) async fn seen_from(&mut self, workspace_id: Uuid) -> Result<&mut ReadTx, StoreError> {
        scope(&mut self.read.tx, workspace_id).await?;
        Ok(&mut self.read)
    }

    /// Makes it so.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self.read.tx {
            Tx::Postgres(tx) => tx.commit().await,
            Tx::Sqlite(tx) => tx.commit().await,
        }
        .map_err(StoreError::while_committing)
    }
}

impl Store {
    /// Copies every row into another database, which has nothing in it yet. Nothing is there before
    /// [`Copied::commit`].
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`]; when either fails.
    pub(crate) async fn copy_into(&self, other: &Self) -> Result<Copied, StoreError> {
        let mut source = self.read(PLATFORM_WORKSPACE).await?.tx;
        let mut target = other.begin_copy().await?;
        scope(&mut target, PLATFORM_WORKSPACE).await?;
        refuse_filled(&mut target).await?;
        let mut rows = COPIED_TABLES.iter().map(|table| (table.name, 0_u64)).collect::<Vec<_>>();
        let workspaces = workspaces(&mut source).await?;
        for (place, workspace_id) in workspaces.iter().enumerate() {
            scope(&mut source, *workspace_id).await?;
            scope(&mut target, *workspace_id).await?;
            for (table, (_, count)) in COPIED_TABLES.iter().zip(&mut rows) {
                if table.is_tenants() || place == 0 {
                    let copied = copy_table(&mut source, &mut target, table, *workspace_id).await?;
                    *count = count.saturating_add(copied);
                }
            }
        }
        Ok(Copied { read: ReadTx::new(target), workspaces, rows })
    }

    async fn begin_copy(&self) -> Result<Tx, StoreError> {
        Ok(match &self.engine {
            Engine::Postgres(pool) => Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?),
            Engine::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
        })
    }
}

/// Copies the rows of a table that belong to a workspace; of the platform's tables, all of them.
async fn copy_table(
    source: &mut Tx,
    target: &mut Tx,
    table: &CopiedTable,
    workspace_id: Uuid,
) -> Result<u64, StoreError> {
    let CopiedTable { name, order, columns } = table;
    let condition = if table.is_tenants() { "WHERE workspace_id = $1" } else { "WHERE $1 IS NOT NULL" };
    let select = format!("SELECT {} FROM {name} {condition} ORDER BY {order}", table.names());
    let select = AssertSqlSafe(select);
    match source {
        Tx::Postgres(tx) => {
            let rows = sqlx::query(select).bind(workspace_id).fetch(&mut **tx);
            insert_all(target, table, rows.map(|row| row.and_then(|row| read_postgres(&row, columns)))).await
        }
        Tx::Sqlite(tx) => {
            let rows = sqlx::query(select).bind(workspace_id).fetch(&mut **tx);
            insert_all(target, table, rows.map(|row| row.and_then(|row| read_sqlite(&row, columns)))).await
        }
    }
}

/// Writes rows as they come, so many at a time.
async fn insert_all(
    target: &mut Tx,
    table: &CopiedTable,
    rows: impl Stream<Item = Result<Vec<Cell>, sqlx::Error>>,
) -> Result<u64, StoreError> {
    let mut chunks = std::pin::pin!(rows.try_chunks(ROWS_PER_STATEMENT));
    let mut count = 0_u64;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|stopped| stopped.1)?;
        count = count.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        insert(target, table, chunk).await?;
    }
    Ok(count)
}

async fn workspaces(tx: &mut Tx) -> Result<Vec<Uuid>, StoreError> {
    let text = "SELECT id FROM workspaces ORDER BY id";
    Ok(match tx {
        Tx::Postgres(tx) => sqlx::query_scalar(text).fetch_all(&mut **tx).await?,
        Tx::Sqlite(tx) => sqlx::query_scalar(text).fetch_all(&mut **tx).await?,
    })
}

/// Refuses a database that anybody has set up: whatever it holds, its platform's chain has begun.
async fn refuse_filled(tx: &mut Tx) -> Result<(), StoreError> {
    let filled = "SELECT id FROM users UNION ALL SELECT id FROM workspaces WHERE slug <> 'platform' \
                  UNION ALL SELECT workspace_id FROM audit_heads WHERE workspace_id = $1 LIMIT 1";
    let found: Option<Uuid> = match tx {
        Tx::Postgres(tx) => sqlx::query_scalar(filled).bind(PLATFORM_WORKSPACE).fetch_optional(&mut **tx).await?,
        Tx::Sqlite(tx) => sqlx::query_scalar(filled).bind(PLATFORM_WORKSPACE).fetch_optional(&mut **tx).await?,
    };
    found.map_or(Ok(()), |_| Err(StoreError::NotEmpty))
}
