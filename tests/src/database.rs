//! A fresh database for each test, on both engines, and raw SQL on it for the tests that go round the service.
//!
//! [`on_both_engines`] runs one test body on SQLite and on PostgreSQL, each with a database of its own, and says which
//! engine failed; one line at the end of the process counts both. A migrated database is a copy of a template that
//! was migrated once per process. Asked to, the process runs on PostgreSQL alone, its tables in parts:
//! [`crate::partition`]. The cluster behind it: [`crate::postgres`].

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use provident::actor::SystemPlane;
use provident::error::Error;
use provident::service::Service;
use sqlx::postgres::PgRow;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row, SqliteConnection, TypeInfo};
use sqlx::{Value, ValueRef};
use tempfile::TempDir;
use uuid::Uuid;

pub use crate::count::say;
use crate::postgres::{Server, server};
use crate::{count, partition};

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file of its own.
    Sqlite,
    /// A database on the server of this process.
    Postgres,
}

impl Engine {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// The ones this process runs on: both, or PostgreSQL alone when its tables are to be in parts.
    #[must_use]
    pub fn of_this_run() -> &'static [Self] {
        if partition::asked_for() { &[Self::Postgres] } else { &Self::ALL }
    }

    /// The name of its directory of migrations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// Where its migrations are.
    #[must_use]
    pub fn migrations(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(self.as_str())
    }

    /// An id, written in its SQL.
    #[must_use]
    pub fn id(self, id: Uuid) -> String {
        match self {
            Self::Sqlite => format!("X'{}'", id.simple()),
            Self::Postgres => format!("'{id}'"),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A database that lives as long as this value.
#[derive(Debug)]
pub struct TestDatabase {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Sqlite { directory: TempDir },
    Postgres { server: &'static Server, name: String, partitioned: bool },
}

/// The database that test databases of this process on our own cluster are copies of.
const fn template(partitioned: bool) -> &'static str {
    if partitioned { "provident_template_partitioned" } else { "provident_template" }
}

impl TestDatabase {
    /// A database with nothing in it.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn empty(engine: Engine) -> Self {
        Self::made(engine, None, partition::asked_for()).await
    }

    /// A PostgreSQL database at the last migration, its tenants' tables in parts, whatever the run is.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn partitioned() -> Self {
        Self::migrated_postgres(true).await
    }

    /// A database at the last migration.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn migrated(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
                let database = Self::empty(engine).await;
                if let Some(bytes) = TEMPLATE.get() {
                    std::fs::write(database.file(), bytes).unwrap_or_else(|error| stop("a copy", &error));
                } else {
                    database.migrate().await.unwrap_or_else(|error| stop("the migrations", &error));
                    let bytes = std::fs::read(database.file()).unwrap_or_else(|error| stop("the template", &error));
                    // Another test may have been first: the bytes are as good.
                    let _ = TEMPLATE.set(bytes);
                }
                database
            }
            Engine::Postgres => Self::migrated_postgres(partition::asked_for()).await,
        }
    }

    async fn migrated_postgres(partitioned: bool) -> Self {
        static TEMPLATES_MADE: [tokio::sync::OnceCell<()>; 2] = [const { tokio::sync::OnceCell::const_new() }; 2];
        if server().directory().is_none() {
            let database = Self::made(Engine::Postgres, None, partitioned).await;
            database.migrate().await.unwrap_or_else(|error| stop("the migrations", &error));
            return database;
        }
        let [whole, in_parts] = &TEMPLATES_MADE;
        let made = if partitioned { in_parts } else { whole };
        made.get_or_init(|| async {
            let template = Self::named(server(), template(partitioned).to_owned(), None, partitioned).await;
            template.migrate().await.unwrap_or_else(|error| stop("the migrations", &error));
            // It stays for as long as its cluster.
            std::mem::forget(template);
        })
        .await;
        Self::made(Engine::Postgres, Some(template(partitioned)), partitioned).await
    }

    async fn made(engine: Engine, template: Option<&str>, partitioned: bool) -> Self {
        match engine {
            Engine::Sqlite => {
                let directory = TempDir::new().unwrap_or_else(|error| stop("a directory", &error));
                Self { place: Place::Sqlite { directory } }
            }
            Engine::Postgres => {
                static COUNT: AtomicUsize = AtomicUsize::new(0);
                let number = COUNT.fetch_add(1, Ordering::Relaxed);
                Self::named(server(), format!("provident_test_{}_{number}", std::process::id()), template, partitioned)
                    .await
            }
        }
    }

    /// A database at the last migration on a server of the test's own.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn migrated_on(server: &'static Server) -> Self {
        let database = Self::named(server, "provident_test".to_owned(), None, partition::asked_for()).await;
        database.migrate().await.unwrap_or_else(|error| stop("the migrations", &error));
        database
    }

    async fn named(server: &'static Server, name: String, template: Option<&str>, partitioned: bool) -> Self {
        let source = template.unwrap_or("template0");
        let made = async {
            server.make_roles().await?;
            let mut admin = server.admin().await?;
            let create = format!("CREATE DATABASE {name} TEMPLATE {source} OWNER provident_owner");
            admin.execute(AssertSqlSafe(create)).await?;
            admin.close().await
        };
        made.await.unwrap_or_else(|error: sqlx::Error| stop("a database", &error));
        Self { place: Place::Postgres { server, name, partitioned } }
    }

    /// Another database that holds what this one does. Nobody may be connected to it.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn copy(&self) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        match &self.place {
            Place::Sqlite { .. } => {
                let copy = Self::made(Engine::Sqlite, None, false).await;
                std::fs::copy(self.file(), copy.file()).unwrap_or_else(|error| stop("a copy", &error));
                copy
            }
            Place::Postgres { server, name, partitioned } => {
                let number = COUNT.fetch_add(1, Ordering::Relaxed);
                let copy = format!("provident_copy_{}_{number}", std::process::id());
                Self::named(server, copy, Some(name), *partitioned).await
            }
        }
    }

    /// The engine it is on.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match &self.place {
            Place::Sqlite { .. } => Engine::Sqlite,
            Place::Postgres { .. } => Engine::Postgres,
        }
    }

    /// A URL of it, for the role the application has.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for("provident_app")
    }

    /// A URL of it, for the role that owns the tables.
    #[must_use]
    pub fn owner_url(&self) -> String {
        self.url_for("provident_owner")
    }

    /// A URL of it, for an administrator of its server.
    #[must_use]
    pub fn admin_url(&self) -> String {
        match &self.place {
            Place::Sqlite { .. } => self.url(),
            Place::Postgres { server, name, .. } => server.admin_url(name),
        }
    }

    fn url_for(&self, role: &str) -> String {
        match &self.place {
            Place::Sqlite { .. } => format!("sqlite://{}", self.file().display()),
            Place::Postgres { server, name, .. } => server.url(name, role),
        }
    }

    /// The file of a SQLite database; of a PostgreSQL database an empty path.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        match &self.place {
            Place::Sqlite { directory } => directory.path().join("provident.db"),
            Place::Postgres { .. } => PathBuf::new(),
        }
    }

    /// A connection that goes round the service: on SQLite with foreign keys and recursive triggers on, as the store
    /// has them, on PostgreSQL as an administrator.
    ///
    /// # Panics
    ///
    /// When there is none to be had.
    pub async fn raw(&self) -> Raw {
        self.try_raw().await.unwrap_or_else(|error| stop("a connection", &error))
    }

    /// As [`TestDatabase::raw`], where there may be none to be had.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub async fn try_raw(&self) -> Result<Raw, sqlx::Error> {
        Ok(match &self.place {
            Place::Sqlite { .. } => {
                let options = SqliteConnectOptions::new()
                    .filename(self.file())
                    .create_if_missing(true)
                    .foreign_keys(true)
                    .pragma("recursive_triggers", "ON");
                Raw::Sqlite(options.connect().await?)
            }
            Place::Postgres { server, name, .. } => Raw::Postgres(server.database(name).connect().await?),
        })
    }

    /// Runs one piece of SQL on a connection of its own.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn execute_raw(&self, sql: &str) -> Result<u64, sqlx::Error> {
        let mut raw = self.raw().await;
        let done = raw.execute(sql).await;
        raw.close().await?;
        done
    }

    /// Takes it to the last migration, as the owner of its tables.
    ///
    /// # Errors
    ///
    /// What the migration that failed says.
    pub async fn migrate(&self) -> Result<(), Error> {
        if let Place::Postgres { partitioned: true, .. } = &self.place {
            let owner = self.owner_url().parse().unwrap_or_else(|error: sqlx::Error| stop("a URL", &error));
            partition::migrate(owner).await?;
        }
        // What the application's role may do comes with it.
        Service::migrate_up(&SystemPlane::at_the_shell(), &self.owner_url()).await.map(drop)
    }

    /// Has its owner make the tables, where set-up does not: on PostgreSQL.
    ///
    /// # Panics
    ///
    /// When they cannot be made.
    pub async fn prepare(&self) {
        if self.engine() == Engine::Postgres {
            self.migrate().await.unwrap_or_else(|error| stop("the migrations", &error));
        }
    }

    /// Takes it down to the migration `target`, whatever is lost; 0 is before the first.
    ///
    /// # Errors
    ///
    /// What the migration that failed says.
    pub async fn migrate_down(&self, target: i64) -> Result<(), Error> {
        Service::migrate_down(&SystemPlane::at_the_shell(), &self.owner_url(), target, true, true).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Place::Postgres { server, name, .. } = &self.place else { return };
        let dropped = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    runtime().block_on(async {
                        let mut admin = server.admin().await?;
                        admin.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).await?;
                        admin.close().await
                    })
                })
                .join()
        });
        // A database left behind goes with the cluster; on another's server somebody should know.
        if !matches!(dropped, Ok(Ok(()))) && server.directory().is_none() {
            count::say(&format!("the test database {name} could not be dropped"));
        }
    }
}

/// A connection without the service above it.
#[derive(Debug)]
pub enum Raw {
    /// To a SQLite file.
    Sqlite(SqliteConnection),
    /// To a PostgreSQL database.
    Postgres(PgConnection),
}

impl Raw {
    /// The engine at the other end.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs one or several statements; answers how many rows they touched.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn execute(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        Ok(match self {
            Self::Sqlite(connection) => sql.execute(connection).await?.rows_affected(),
            Self::Postgres(connection) => sql.execute(connection).await?.rows_affected(),
        })
    }

    /// The rows of a query, every value as text: bytes in lower-case hex, numbers and flags as the engine writes them.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Sqlite(connection) => sql.fetch_all(connection).await?.iter().map(sqlite_texts).collect(),
            Self::Postgres(connection) => sql.fetch_all(connection).await?.iter().map(postgres_texts).collect(),
        }
    }

    /// The first value of the first row; none if there is no row or it is NULL.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn value(&mut self, sql: &str) -> Result<Option<String>, sqlx::Error> {
        Ok(self.rows(sql).await?.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    /// What refuses a statement: the name of the constraint; on SQLite, which knows the names of CHECKs only, the
    /// columns of the unique key or its message; the message of a trigger. None if nothing does.
    ///
    /// # Panics
    ///
    /// When it fails for another reason.
    pub async fn refusal(&mut self, sql: &str) -> Option<String> {
        let error = self.execute(sql).await.err()?;
        let Some(error) = error.as_database_error() else { stop("a statement", &error) };
        if let Some(name) = error.constraint().filter(|name| name.contains("_fkey")) {
            return Some(self.written_name(name).await.unwrap_or_else(|| name.to_owned()));
        }
        let text = error.message();
        let known = ["CHECK constraint failed: ", "UNIQUE constraint failed: "];
        let name = known.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
        Some(error.constraint().unwrap_or(name).to_owned())
    }

    /// The name a foreign key was given by whoever wrote it, if this is the server's own name for what it made of the
    /// key for one part of a table.
    async fn written_name(&mut self, name: &str) -> Option<String> {
        let up = format!(
            "WITH RECURSIVE up AS (
                 SELECT oid, conname, conparentid FROM pg_constraint WHERE conname = '{name}'
                 UNION ALL
                 SELECT above.oid, above.conname, above.conparentid
                 FROM pg_constraint above JOIN up ON above.oid = up.conparentid)
             SELECT conname FROM up WHERE conparentid = 0 LIMIT 1"
        );
        self.value(&up).await.ok().flatten()
    }

    /// Ends the connection.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
    }
}

fn sqlite_texts(row: &SqliteRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..row.len())
        .map(|column| {
            let value = ValueRef::to_owned(&row.try_get_raw(column)?);
            if value.is_null() {
                return Ok(None);
            }
            Ok(Some(match value.type_info().name() {
                "BLOB" => hex::encode(value.decode_unchecked::<Vec<u8>>()),
                "INTEGER" | "BOOLEAN" => value.decode_unchecked::<i64>().to_string(),
                "REAL" => value.decode_unchecked::<f64>().to_string(),
                _ => value.decode_unchecked::<String>(),
            }))
        })
        .collect()
}

fn postgres_texts(row: &PgRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..row.len())
        .map(|column| {
            let value = row.try_get_raw(column)?;
            // The simple protocol answers every type as text.
            if value.is_null() { Ok(None) } else { Ok(Some(value.as_str().map_err(sqlx::Error::Decode)?.to_owned())) }
        })
        .collect()
}

/// Runs `test` on a migrated database of each engine.
///
/// # Panics
///
/// When it panics on either; names the engines it failed on. Both are run in any case.
pub fn on_both_engines<F, R>(test: F)
where
    F: Fn(TestDatabase) -> R,
    R: Future<Output = ()>,
{
    on_each(|engine| async move { TestDatabase::migrated(engine).await }, test);
}

/// As [`on_both_engines`], on databases with nothing in them.
///
/// # Panics
///
/// As [`on_both_engines`].
pub fn on_both_engines_empty<F, R>(test: F)
where
    F: Fn(TestDatabase) -> R,
    R: Future<Output = ()>,
{
    on_each(|engine| async move { TestDatabase::empty(engine).await }, test);
}

fn on_each<M, D, F, R>(make: M, test: F)
where
    M: Fn(Engine) -> D,
    D: Future<Output = TestDatabase>,
    F: Fn(TestDatabase) -> R,
    R: Future<Output = ()>,
{
    let failed: Vec<&str> = Engine::of_this_run()
        .iter()
        .filter(|engine| {
            let run = || runtime().block_on(async { test(make(**engine).await).await });
            let passed = catch_unwind(AssertUnwindSafe(run)).is_ok();
            count::add(**engine, passed);
            !passed
        })
        .map(|engine| engine.as_str())
        .collect();
    assert!(failed.is_empty(), "failed on {}", failed.join(" and "));
}

#[expect(clippy::expect_used, reason = "without a runtime there is no test to run")]
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts")
}

#[expect(clippy::panic, reason = "a test without its database fails, and says why")]
fn stop<T>(what: &str, error: &dyn std::error::Error) -> T {
    panic!("the test database: {what}: {error}")
}
