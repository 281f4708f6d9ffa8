//! Who is connected: the application's role, the owner of the tables, and roles made for one test.
//!
//! Roles belong to the whole server, so what a test makes has a name of its own and is taken away again.
#![expect(clippy::unwrap_used, reason = "a test without its role fails, and says why")]

use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

use crate::database::{Engine, Raw, TestDatabase};
use crate::postgres::PASSWORD;

/// A URL of a PostgreSQL database for a role.
#[must_use]
pub fn url_as(database: &TestDatabase, role: &str) -> String {
    database.url().replacen("provident_app", role, 1)
}

/// A connection as whoever the URL names, past the service.
///
/// # Panics
///
/// When there is none to be had.
pub async fn connected(url: &str) -> Raw {
    Raw::Postgres(url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap())
}

/// As the application, past the service: on SQLite, which has no roles, as anybody.
///
/// # Panics
///
/// When there is none to be had.
pub async fn application(database: &TestDatabase) -> Raw {
    match database.engine() {
        Engine::Sqlite => database.raw().await,
        Engine::Postgres => connected(&database.url()).await,
    }
}

/// Begins a transaction that sees one workspace, as the store does; on SQLite just a transaction.
///
/// # Panics
///
/// When it cannot.
pub async fn begin_in(raw: &mut Raw, workspace_id: Uuid) {
    let begin = match raw.engine() {
        Engine::Sqlite => "BEGIN".to_owned(),
        Engine::Postgres => format!("BEGIN; SET LOCAL provident.workspace_id = '{workspace_id}'"),
    };
    raw.execute(&begin).await.unwrap();
}

/// A login of the server, made for one test.
#[derive(Debug)]
pub struct TestRole {
    /// Its name.
    pub name: String,
    admin: Raw,
}

impl TestRole {
    /// Makes one with attributes such as `BYPASSRLS`.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn made(database: &TestDatabase, attributes: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("provident_test_role_{}_{number}", std::process::id());
        let mut admin = database.raw().await;
        admin.execute(&format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' {attributes}")).await.unwrap();
        Self { name, admin }
    }

    /// Does something about it as an administrator; `{}` is its name.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn alter(&mut self, sql: &str) {
        self.admin.execute(&sql.replace("{}", &self.name)).await.unwrap();
    }

    /// Takes it away, and what it may do. Nobody may be connected as it any more.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn gone(mut self) {
        self.alter("DROP OWNED BY {}; DROP ROLE {}").await;
        self.admin.close().await.unwrap();
    }
}
