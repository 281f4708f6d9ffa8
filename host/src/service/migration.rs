//! Tables and roles: the system plane's, on a database that need not be an installation yet.
//!
//! These do not open a [`Service`]: they run as the owner of the tables, or as an administrator of the cluster, and
//! what a service does is done as neither.

use super::Service;
use crate::actor::SystemPlane;
use crate::error::Error;
use crate::store::{self, Migration};

impl Service {
    /// Every migration there is, and what the database has of them.
    ///
    /// # Errors
    /// `database-too-new`; when it cannot be reached.
    pub async fn migrations(_plane: &SystemPlane, database_url: &str) -> Result<Vec<Migration>, Error> {
        Ok(store::migrations(database_url).await?)
    }

    /// Brings the tables up to what this program knows, and gives the application's role what it may do to them. Says
    /// whether there is such a role; SQLite needs none.
    ///
    /// # Errors
    /// `database-altered`, `database-too-new`; when it cannot be reached or refuses.
    pub async fn migrate_up(_plane: &SystemPlane, database_url: &str) -> Result<bool, Error> {
        Ok(store::migrate_up(database_url).await?)
    }

    /// Takes the tables down to migration `target`, 0 being before the first: all of it or nothing.
    ///
    /// # Errors
    /// `bindings-exist` if decisions would be lost and `discard_bindings` does not say so; `workspaces-exist` if
    /// whole workspaces would and `discard_all` does not say so; `unknown-migration`.
    pub async fn migrate_down(
        _plane: &SystemPlane,
        database_url: &str,
        target: i64,
        discard_bindings: bool,
        discard_all: bool,
    ) -> Result<(), Error> {
        Ok(store::migrate_down(database_url, target, discard_bindings, discard_all).await?)
    }

    /// The roles of a PostgreSQL cluster and what they may do: SQL for its administrator. No password is in it.
    #[must_use]
    pub fn role_sql(_plane: &SystemPlane) -> String {
        store::role_sql()
    }

    /// Makes those roles, as the administrator the URL names.
    ///
    /// # Errors
    /// `database-url-invalid` for another engine; when the administrator may not.
    pub async fn apply_roles(_plane: &SystemPlane, database_url: &str) -> Result<(), Error> {
        Ok(store::apply_roles(database_url).await?)
    }
}
