//! Opening a database: which engine, in which modes, as whom, and whether its tables are the ones this program knows.
//! How they come to be is told in `migration.rs`.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool, Postgres, SqlitePool, Transaction};
use uuid::Uuid;

use super::engine::Tx;
use super::error::StoreError;
use super::tx::{Deadline, ReadTx, WriteTx, scope_to};
use super::{migration, role};
use crate::clock::{Ids, Timestamp};
use crate::secret::MasterKeys;

/// How long a statement on SQLite waits for another process's writer, each time a transaction is tried.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a database is tried that another process is making, and the wait between.
pub(super) const FIRST_ATTEMPTS: u32 = 20;
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(50);
/// How long a transaction waits for a connection. A server that is away is told of sooner than a writer of a file who
/// takes long: whoever stands in front of the service waits for the answer.
const POSTGRES_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const SQLITE_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const POSTGRES_CONNECTIONS: u32 = 16;
const SQLITE_READERS: u32 = 4;

/// An opened database. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Store {
    pub(super) engine: Engine,
}

#[derive(Clone)]
pub(super) enum Engine {
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
    /// knows, and the role one that they hold, unless `any_role`.
    ///
    /// # Errors
    /// [`StoreError::Unmigrated`] if there is no database or it has no or old tables, naming the command to
    /// run; [`StoreError::TooNew`] and [`StoreError::Altered`] if this is not the program for it;
    /// [`StoreError::PrivilegedRole`].
    pub async fn open(url: &str, any_role: bool) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        store.refuse_privileged_role(any_role).await?;
        migration::refuse_other_tables(&store).await?;
        Ok(store)
    }

    /// As [`Store::open`], waiting for others who set the same place up at this moment: a new file is being given its
    /// journal by one of them, who waits for nobody.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_patiently(url: &str, any_role: bool) -> Result<Self, StoreError> {
        for _ in 1..FIRST_ATTEMPTS {
            match Self::open(url, any_role).await {
                Err(StoreError::Busy) => tokio::time::sleep(FIRST_WAIT).await,
                opened => return opened,
            }
        }
        Self::open(url, any_role).await
    }

    async fn refuse_privileged_role(&self, any_role: bool) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Postgres(pool) if !any_role => role::refuse_privileged(pool).await,
            Engine::Postgres(_) | Engine::Sqlite { .. } => Ok(()),
        }
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

    /// Begins a transaction that sees one state of one workspace and cannot change it. The platform's tables are seen
    /// from any.
    pub(crate) async fn read(&self, workspace_id: Uuid) -> Result<ReadTx, StoreError> {
        let tx = match &self.engine {
            Engine::Postgres(pool) => {
                let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}", scope_to(workspace_id));
                Tx::Postgres(begin_whole(pool, begin).await?)
            }
            Engine::Sqlite { readers, .. } => Tx::Sqlite(readers.begin_with("BEGIN").await?),
        };
        Ok(ReadTx::new(tx))
    }

    /// Begins a transaction that can change rows of one workspace and says in its chain what it did.
    pub(crate) async fn write(
        &self,
        workspace_id: Uuid,
        deadline: &Deadline,
        now: Timestamp,
        ids: &Ids,
        master: &Arc<MasterKeys>,
    ) -> Result<WriteTx, StoreError> {
        let tx = self.begin_write(workspace_id, deadline).await?;
        Ok(WriteTx {
            read: ReadTx::new(tx),
            workspace_id,
            now,
            deadline: deadline.clone(),
            ids: ids.clone(),
            master: Arc::clone(master),
        })
    }

    pub(super) async fn begin_write(&self, workspace_id: Uuid, deadline: &Deadline) -> Result<Tx, StoreError> {
        Ok(match &self.engine {
            Engine::Postgres(pool) => {
                let left_ms = deadline.left_ms();
                let begin = format!(
                    "BEGIN ISOLATION LEVEL READ COMMITTED; {}; SET LOCAL lock_timeout = {left_ms}; \
                     SET LOCAL statement_timeout = {left_ms}",
                    scope_to(workspace_id)
                );
                Tx::Postgres(begin_whole(pool, begin).await?)
            }
            // A plain BEGIN becomes a writer halfway through, and then loses at once to whoever was first.
            Engine::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
        })
    }

    async fn connect(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            connect_sqlite(url).await
        } else {
            let pool = PgPoolOptions::new()
                .max_connections(POSTGRES_CONNECTIONS)
                .acquire_timeout(POSTGRES_ACQUIRE_TIMEOUT)
                .connect_with(postgres_options(url)?)
                .await?;
            Ok(Self { engine: Engine::Postgres(pool) })
        }
    }
}

/// Begins a transaction in a task of its own. Whoever asked may be gone before the server answers, when their time is up;
/// a BEGIN that nobody waits for would leave its connection in a transaction that the pool does not know of. Here it is
/// waited for, and rolled back.
async fn begin_whole(pool: &PgPool, statement: String) -> Result<Transaction<'static, Postgres>, StoreError> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(statement)).await });
    Ok(begun.await.map_err(|_| StoreError::Unavailable("the connection is gone".to_owned()))??)
}

/// How a PostgreSQL database is connected to.
pub(super) fn postgres_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    if !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
        return Err(StoreError::InvalidUrl);
    }
    let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::InvalidUrl)?;
    Ok(options.application_name("provident").disable_statement_logging())
}

/// How a SQLite file is opened, or made empty first if `create`.
pub(super) fn sqlite_options(url: &str, create: bool) -> Result<SqliteConnectOptions, StoreError> {
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
    Ok(options
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .pragma("recursive_triggers", "ON")
        // What is overwritten or deleted leaves no bytes behind: a note that was taken away is to be gone.
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging())
}

async fn connect_sqlite(url: &str) -> Result<Store, StoreError> {
    let options = sqlite_options(url, false)?;
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(SQLITE_ACQUIRE_TIMEOUT)
        .connect_with(options.clone().journal_mode(SqliteJournalMode::Wal))
        .await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(SQLITE_ACQUIRE_TIMEOUT)
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
