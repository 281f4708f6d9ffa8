//! Whether the database can be reached, and through how many connections it is.

use std::time::Duration;

use sqlx::{Database, Pool};

use super::error::StoreError;
use super::migration;
use super::open::{Engine, Store};

/// One pool of connections at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Which pool: `postgres`, or on SQLite `writer` and `readers`.
    pub pool: &'static str,
    /// How many are open and wait for work.
    pub idle: u32,
    /// How many are at work.
    pub used: u32,
    /// How many there may be.
    pub most: u32,
}

impl Store {
    /// Asks the database for its tables, which must be the ones this program knows.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it does not answer within `time`; [`StoreError::Unmigrated`],
    /// [`StoreError::TooNew`], [`StoreError::Altered`].
    pub(crate) async fn readiness(&self, time: Duration) -> Result<(), StoreError> {
        let asked = tokio::time::timeout(time, migration::refuse_other_tables(self)).await;
        asked.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".to_owned())))
    }

    /// Every pool of connections, as it is now.
    pub(crate) fn connections(&self) -> Vec<Connections> {
        match &self.engine {
            Engine::Postgres(pool) => vec![connections("postgres", pool)],
            Engine::Sqlite { writer, readers } => vec![connections("writer", writer), connections("readers", readers)],
        }
    }
}

fn connections<D: Database>(name: &'static str, pool: &Pool<D>) -> Connections {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    // The two are not read at one moment.
    let used = pool.size().saturating_sub(idle);
    Connections { pool: name, idle, used, most: pool.options().get_max_connections() }
}
