//! Opening a database: which engine, in which modes, and whether its tables are the ones this program knows.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, PgPool, SqlitePool};
use uuid::Uuid;

use super::engine::Tx;
use super::error::StoreError;
use super::tx::{ReadTx, WriteTx};
use crate::clock::{Ids, Timestamp};
use crate::secret::MasterKey;

static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");
static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

/// How long a statement on SQLite waits for another process's writer, each time a transaction is tried.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a database is tried that another process is making, and the wait between.
const FIRST_ATTEMPTS: u32 = 20;
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// How long a transaction waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const POSTGRES_CONNECTIONS: u32 = 16;
const SQLITE_READERS: u32 = 4;

/// An opened database. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Postgres(PgPool),
    /// One writer, as the engine has it; readers see the last commit and never wait.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.engine {
            Engine::Postgres(_) => "Store(postgres)",
            Engine::Sqlite { .. } => "Store(sqlite)",
        })
    }
}

impl Store {
    /// Opens a database by URL: `sqlite:PATH` or `postgres://…`. Its tables must be the ones this program
    /// knows.
    ///
    /// # Errors
    /// [`StoreError::Unmigrated`] if there is no database or it has no or old tables, naming the command to
    /// run; [`StoreError::TooNew`] and [`StoreError::Altered`] if this is not the program for it.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url, false).await?;
        store.refuse_other_tables().await?;
        Ok(store)
    }

    /// Opens a database whatever its tables, making the file (mode 0600, and directories for it, mode 0700) of
    /// one that is not there. For set-up: everybody else uses [`Store::open`].
    ///
    /// # Errors
    /// When it cannot be made or reached.
    pub async fn open_or_create(url: &str) -> Result<Self, StoreError> {
        for _ in 1..FIRST_ATTEMPTS {
            match Self::connect(url, true).await {
                // A new file is being given its journal by another process, which waits for nobody.
                Err(StoreError::Busy) => tokio::time::sleep(FIRST_WAIT).await,
                outcome => return outcome,
            }
        }
        Self::connect(url, true).await
    }

    /// Brings the tables up to what this program knows. Does nothing when they are.
    ///
    /// # Errors
    /// When a migration fails or the database is not this program's.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Postgres(pool) => POSTGRES_MIGRATIONS.run(pool).await?,
            Engine::Sqlite { writer, .. } => self.migrate_sqlite(writer).await?,
        }
        Ok(())
    }

    /// Nothing keeps two processes from migrating one file at once. The second finds itself locked out, or a table
    /// that was not there a moment ago: it looks again, and goes on from where the first is.
    async fn migrate_sqlite(&self, writer: &SqlitePool) -> Result<(), StoreError> {
        for _ in 1..FIRST_ATTEMPTS {
            match SQLITE_MIGRATIONS.run(writer).await.map_err(StoreError::from) {
                Err(StoreError::Busy | StoreError::Refused { .. }) => tokio::time::sleep(FIRST_WAIT).await,
                outcome => return outcome,
            }
        }
        Ok(SQLITE_MIGRATIONS.run(writer).await?)
    }

    /// Closes every connection, once what runs on them is done.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Postgres(pool) => pool.close().await,
            Engine::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }

    /// Begins a transaction that sees one state of the database and cannot change it.
    pub(crate) async fn read(&self) -> Result<ReadTx, StoreError> {
        let tx = match &self.engine {
            Engine::Postgres(pool) => {
                Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
            Engine::Sqlite { readers, .. } => Tx::Sqlite(readers.begin_with("BEGIN").await?),
        };
        Ok(ReadTx::new(tx))
    }

    /// Begins a transaction that can change rows of one workspace and says in its chain what it did.
    pub(crate) async fn write(
        &self,
        workspace_id: Uuid,
        now: Timestamp,
        ids: &Ids,
        master: &Arc<MasterKey>,
    ) -> Result<WriteTx, StoreError> {
        let tx = match &self.engine {
            Engine::Postgres(pool) => Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?),
            // A plain BEGIN becomes a writer halfway through, and then loses at once to whoever was first.
            Engine::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
        };
        Ok(WriteTx::new(ReadTx::new(tx), workspace_id, now, ids.clone(), Arc::clone(master)))
    }

    async fn connect(url: &str, create: bool) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            connect_sqlite(url, create).await
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url)
                .map_err(|_| StoreError::InvalidUrl)?
                .application_name("provident")
                .disable_statement_logging();
            let pool = PgPoolOptions::new()
                .max_connections(POSTGRES_CONNECTIONS)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .connect_with(options)
                .await?;
            Ok(Self { engine: Engine::Postgres(pool) })
        } else {
            Err(StoreError::InvalidUrl)
        }
    }

    async fn refuse_other_tables(&self) -> Result<(), StoreError> {
        let (known, applied) = match &self.engine {
            Engine::Postgres(pool) => (&POSTGRES_MIGRATIONS, applied_postgres(pool).await?),
            Engine::Sqlite { readers, .. } => (&SQLITE_MIGRATIONS, applied_sqlite(readers).await?),
        };
        compare(known, &applied)
    }
}

/// Version, whether it ended well, and SHA-384 of each migration the database was made by.
type Applied = Vec<(i64, bool, Vec<u8>)>;

const APPLIED: &str = "SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version";

async fn applied_postgres(pool: &PgPool) -> Result<Applied, StoreError> {
    let table: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations')::text").fetch_one(pool).await?;
    match table {
        None => Ok(Applied::new()),
        Some(_) => Ok(sqlx::query_as(APPLIED).fetch_all(pool).await?),
    }
}

async fn applied_sqlite(pool: &SqlitePool) -> Result<Applied, StoreError> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
        .fetch_one(pool)
        .await?;
    match tables {
        0 => Ok(Applied::new()),
        _ => Ok(sqlx::query_as(APPLIED).fetch_all(pool).await?),
    }
}

fn compare(known: &Migrator, applied: &Applied) -> Result<(), StoreError> {
    let ups = || known.iter().filter(|migration| migration.migration_type.is_up_migration());
    for (version, success, checksum) in applied {
        let migration = ups().find(|migration| migration.version == *version).ok_or(StoreError::TooNew)?;
        if !success || migration.checksum.as_ref() != checksum.as_slice() {
            return Err(StoreError::Altered(*version));
        }
    }
    if applied.len() == ups().count() { Ok(()) } else { Err(StoreError::Unmigrated) }
}

async fn connect_sqlite(url: &str, create: bool) -> Result<Store, StoreError> {
    let options = SqliteConnectOptions::from_str(url).map_err(|_| StoreError::InvalidUrl)?;
    if url.contains(":memory:") || url.contains("mode=memory") {
        // Readers and writer would each have a database of their own.
        return Err(StoreError::InvalidUrl);
    }
    let path = options.get_filename().to_owned();
    if create {
        create_file(&path).map_err(|error| StoreError::Unavailable(error.kind().to_string()))?;
    } else if !path.exists() {
        return Err(StoreError::Unmigrated);
    }
    let options = options
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .pragma("recursive_triggers", "ON")
        .pragma("trusted_schema", "OFF")
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging();
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.clone().journal_mode(SqliteJournalMode::Wal))
        .await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(Store { engine: Engine::Sqlite { writer, readers } })
}

/// Makes an empty database file that only its owner can read. The engine gives its side files the same mode.
fn create_file(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent()
        && !directory.as_os_str().is_empty()
        && !directory.exists()
    {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
