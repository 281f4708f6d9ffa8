//! Migrations: up, down, and which a database has.
//!
//! They run on a connection of their own. On PostgreSQL that is the owner's, with `row_security` off: the owner is held
//! to the policies too, and would otherwise change no row, or hold a new key valid that is not, without a word. Going
//! down is one transaction, with the question whether it would discard anything in it.

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool, SqlitePool};

use super::StoreError;
use super::open::{self, Engine, Store};
use super::role;

static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");

/// The migration that brings the table of decisions.
const BINDINGS: i64 = 2;
/// The one that brings everything they stand on.
const FOUNDATION: i64 = 1;

/// A step of the schema.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Migration {
    /// Its number; they are taken in this order.
    pub version: i64,
    /// What it is about.
    pub name: String,
    /// Whether the database has it.
    pub state: MigrationState,
}

/// Whether a database has a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationState {
    /// It has.
    Applied,
    /// Not yet.
    Pending,
    /// It has another one of this number.
    Altered,
}

/// Version, whether it ended well, and SHA-384 of each migration a database was made by.
type Applied = Vec<(i64, bool, Vec<u8>)>;

const APPLIED: &str = "SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version";

/// A connection for migrations.
enum Migrating {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Migrating {
    async fn connect(url: &str, create: bool) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            Ok(Self::Sqlite(open::sqlite_options(url, create)?.journal_mode(SqliteJournalMode::Wal).connect().await?))
        } else {
            let options = open::postgres_options(url)?.options([("row_security", "off")]);
            Ok(Self::Postgres(options.connect().await?))
        }
    }

    fn known(&self) -> &'static Migrator {
        match self {
            Self::Postgres(_) => &POSTGRES,
            Self::Sqlite(_) => &SQLITE,
        }
    }

    async fn applied(&mut self) -> Result<Applied, StoreError> {
        match self {
            Self::Postgres(connection) => applied_postgres(connection).await,
            Self::Sqlite(connection) => applied_sqlite(connection).await,
        }
    }

    async fn close(self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(connection) => connection.close().await?,
            Self::Sqlite(connection) => connection.close().await?,
        }
        Ok(())
    }
}

/// Every migration there is, and what a database has of them. One that is not there has none.
pub(crate) async fn migrations(url: &str) -> Result<Vec<Migration>, StoreError> {
    let mut connection = match Migrating::connect(url, false).await {
        Err(StoreError::Unmigrated) => return Ok(states(&SQLITE, &Applied::new())),
        connected => connected?,
    };
    let applied = connection.applied().await?;
    let known = connection.known();
    connection.close().await?;
    refuse_newer(known, &applied)?;
    Ok(states(known, &applied))
}

fn refuse_newer(known: &Migrator, applied: &Applied) -> Result<(), StoreError> {
    if applied.iter().all(|(version, ..)| known.version_exists(*version)) { Ok(()) } else { Err(StoreError::TooNew) }
}

/// Brings the tables up to what this program knows, making a SQLite file that is not there. Does nothing when they
/// are. Says whether the application's role has what it may do; on SQLite, which has no roles, always.
pub(crate) async fn migrate_up(url: &str) -> Result<bool, StoreError> {
    let mut tries = 1;
    loop {
        let outcome = up_once(url).await;
        match outcome {
            // Nothing keeps two processes from migrating one file at once. The second finds itself locked out, or a
            // table that was not there a moment ago: it looks again, and goes on from where the first is.
            Err(StoreError::Busy | StoreError::Refused { .. })
                if url.starts_with("sqlite:") && tries < open::FIRST_ATTEMPTS =>
            {
                tokio::time::sleep(open::FIRST_WAIT).await;
            }
            outcome => return outcome,
        }
        tries += 1;
    }
}

async fn up_once(url: &str) -> Result<bool, StoreError> {
    let mut connection = Migrating::connect(url, true).await?;
    let granted = match &mut connection {
        Migrating::Postgres(connection) => {
            POSTGRES.run_direct(None, connection, false).await?;
            role::grant(connection).await?
        }
        Migrating::Sqlite(connection) => {
            SQLITE.run_direct(None, connection, false).await?;
            true
        }
    };
    connection.close().await?;
    Ok(granted)
}

/// Takes the tables down to migration `target`; 0 is before the first. All of it or nothing.
///
/// # Errors
/// [`StoreError::BindingsExist`] if decisions would be lost, unless `discard_bindings`; [`StoreError::WorkspacesExist`] if
/// workspaces and their audit chains would, unless `discard_all`; [`StoreError::UnknownMigration`].
pub(crate) async fn migrate_down(
    url: &str,
    target: i64,
    discard_bindings: bool,
    discard_all: bool,
) -> Result<(), StoreError> {
    let mut connection = Migrating::connect(url, false).await?;
    if target != 0 && !connection.known().version_exists(target) {
        return Err(StoreError::UnknownMigration);
    }
    let last = connection.applied().await?.last().map_or(0, |(version, ..)| *version);
    let bindings = target < BINDINGS && last >= BINDINGS && !discard_bindings;
    let workspaces = target < FOUNDATION && last >= FOUNDATION && !discard_all;
    match &mut connection {
        Migrating::Postgres(connection) => {
            let mut tx = connection.begin().await?;
            if bindings {
                tx.execute("ALTER TABLE provider_resource_bindings NO FORCE ROW LEVEL SECURITY").await?;
                refuse_bindings(sqlx::query_scalar(ANY_BINDING).fetch_optional(&mut *tx).await?)?;
            }
            if workspaces {
                tx.execute("ALTER TABLE audit_heads NO FORCE ROW LEVEL SECURITY").await?;
                refuse_workspaces(sqlx::query_scalar(ANY_WORKSPACE).fetch_optional(&mut *tx).await?)?;
            }
            POSTGRES.undo(&mut *tx, target).await?;
            tx.commit().await?;
        }
        Migrating::Sqlite(connection) => {
            let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
            if bindings {
                refuse_bindings(sqlx::query_scalar(ANY_BINDING).fetch_optional(&mut *tx).await?)?;
            }
            if workspaces {
                refuse_workspaces(sqlx::query_scalar(ANY_WORKSPACE).fetch_optional(&mut *tx).await?)?;
            }
            SQLITE.undo(&mut *tx, target).await?;
            tx.commit().await?;
        }
    }
    connection.close().await
}

const ANY_BINDING: &str = "SELECT binding_status FROM provider_resource_bindings LIMIT 1";
/// Whoever has set a database up has made the platform's chain begin; users and workspaces come after.
const ANY_WORKSPACE: &str = "SELECT 'set up' FROM audit_heads UNION ALL SELECT slug FROM workspaces \
                             WHERE slug <> 'platform' LIMIT 1";

fn refuse_bindings(found: Option<String>) -> Result<(), StoreError> {
    found.map_or(Ok(()), |_| Err(StoreError::BindingsExist))
}

fn refuse_workspaces(found: Option<String>) -> Result<(), StoreError> {
    found.map_or(Ok(()), |_| Err(StoreError::WorkspacesExist))
}

/// Refuses a database whose tables are not the ones this program knows.
pub(super) async fn refuse_other_tables(store: &Store) -> Result<(), StoreError> {
    let (known, applied) = match &store.engine {
        Engine::Postgres(pool) => (&POSTGRES, of_postgres_pool(pool).await?),
        Engine::Sqlite { readers, .. } => (&SQLITE, of_sqlite_pool(readers).await?),
    };
    refuse_newer(known, &applied)?;
    for migration in states(known, &applied) {
        match migration.state {
            MigrationState::Applied => {}
            MigrationState::Pending => return Err(StoreError::Unmigrated),
            MigrationState::Altered => return Err(StoreError::Altered(migration.version)),
        }
    }
    Ok(())
}

fn states(known: &Migrator, applied: &Applied) -> Vec<Migration> {
    let ups = known.iter().filter(|migration| migration.migration_type.is_up_migration());
    ups.map(|migration| {
        let found = applied.iter().find(|(version, ..)| *version == migration.version);
        Migration {
            version: migration.version,
            name: migration.description.to_string(),
            state: match found {
                None => MigrationState::Pending,
                Some((_, true, checksum)) if migration.checksum.as_ref() == checksum.as_slice() => {
                    MigrationState::Applied
                }
                Some(_) => MigrationState::Altered,
            },
        }
    })
    .collect()
}

async fn of_postgres_pool(pool: &PgPool) -> Result<Applied, StoreError> {
    applied_postgres(&mut *pool.acquire().await?).await
}

async fn of_sqlite_pool(pool: &SqlitePool) -> Result<Applied, StoreError> {
    applied_sqlite(&mut *pool.acquire().await?).await
}

async fn applied_postgres(connection: &mut PgConnection) -> Result<Applied, StoreError> {
    let table: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations')::text").fetch_one(&mut *connection).await?;
    match table {
        None => Ok(Applied::new()),
        Some(_) => Ok(sqlx::query_as(APPLIED).fetch_all(connection).await?),
    }
}

async fn applied_sqlite(connection: &mut SqliteConnection) -> Result<Applied, StoreError> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
        .fetch_one(&mut *connection)
        .await?;
    match tables {
        0 => Ok(Applied::new()),
        _ => Ok(sqlx::query_as(APPLIED).fetch_all(connection).await?),
    }
}
