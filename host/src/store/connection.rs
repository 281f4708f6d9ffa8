//! Connections: made, made the default, put out of use and into it again. One directory per environment and provider, and at
//! most one default: the database refuses a second. Whoever changes either holds the provider's row of the environment.

use sqlx::FromRow;
use uuid::Uuid;

use super::StoreError;
use super::engine::{Tx, on, run, sql};
use super::environment::EnvironmentScope;
use super::platform::display_name;
use super::registry_row::once;
use super::tx::{ReadTx, WriteTx};
use crate::clock::Timestamp;
use crate::connection::{HealthStatus, ProviderConnection};
use crate::page::{Page, PageRequest};
use crate::registry::{ConnectionStatus, ShortText};
use crate::run::ReasonCode;
use crate::workspace::DisplayName;

/// A connection about to be made.
#[derive(Debug)]
pub(crate) struct NewConnection<'a> {
    pub(crate) id: Uuid,
    pub(crate) provider_key: &'a str,
    pub(crate) directory_id: Option<&'a ShortText>,
    pub(crate) display_name: &'a DisplayName,
    pub(crate) is_default: bool,
}

#[derive(FromRow)]
struct ConnectionRow {
    id: Uuid,
    workspace_id: Uuid,
    managed_environment_id: Uuid,
    provider_key: String,
    directory_id: Option<String>,
    display_name: String,
    status: String,
    is_default: bool,
    health_status: String,
    health_reason_code: Option<String>,
    health_checked_at: Option<Timestamp>,
    origin: String,
    external_ref: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A field that is set, by name.
#[derive(FromRow)]
struct FieldRow {
    provider_connection_id: Uuid,
    field: String,
    updated_at: Timestamp,
}

impl ConnectionRow {
    fn with(self, fields: &[FieldRow]) -> Result<ProviderConnection, StoreError> {
        let own = || fields.iter().filter(|field| field.provider_connection_id == self.id);
        Ok(ProviderConnection {
            id: self.id,
            workspace_id: self.workspace_id,
            environment_id: self.managed_environment_id,
            provider_key: self.provider_key,
            directory_id: self.directory_id,
            display_name: display_name(&self.display_name)?,
            status: self.status.parse().map_err(|_| StoreError::Corrupt("status of a connection"))?,
            is_default: self.is_default,
            health_status: self.health_status.parse().map_err(|_| StoreError::Corrupt("health of a connection"))?,
            health_reason_code: self.health_reason_code,
            health_checked_at: self.health_checked_at,
            credential_fields: own().map(|field| field.field.clone()).collect(),
            credentials_set_at: own().map(|field| field.updated_at).max(),
            origin: self.origin,
            external_ref: self.external_ref,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// The columns of a row. The directory is the provider's in the environment, known to this connection or not.
macro_rules! connection_columns {
    () => {
        "c.id, c.workspace_id, c.managed_environment_id, c.provider_key, d.directory_id, c.display_name, c.status, \
         c.is_default, c.health_status, c.health_reason_code, c.health_checked_at, c.origin, c.external_ref, \
         c.created_at, c.updated_at FROM provider_connections c JOIN environment_directories d \
         ON d.workspace_id = c.workspace_id AND d.managed_environment_id = c.managed_environment_id \
         AND d.provider_key = c.provider_key"
    };
}

impl ReadTx {
    /// A connection of a workspace by its id, wherever in it. The same two statements whatever is there.
    pub(crate) async fn connection_by_id(
        &mut self,
        workspace_id: Uuid,
        id: Uuid,
    ) -> Result<Option<ProviderConnection>, StoreError> {
        let text = sql!(
            "connection_by_id",
            concat!(
                "SELECT ",
                connection_columns!(),
                " WHERE c.workspace_id = $1 AND d.workspace_id = $1 AND c.id = $2"
            )
        );
        let row: Option<ConnectionRow> =
            on!(self.tx, |conn| sqlx::query_as(text).bind(workspace_id).bind(id).fetch_optional(conn))?;
        let text = sql!(
            "credential_fields_of_connection",
            "SELECT provider_connection_id, field, updated_at FROM provider_credentials \
             WHERE workspace_id = $1 AND provider_connection_id = $2 ORDER BY field"
        );
        let fields: Vec<FieldRow> =
            on!(self.tx, |conn| sqlx::query_as(text).bind(workspace_id).bind(id).fetch_all(conn))?;
        row.map(|row| row.with(&fields)).transpose()
    }

    /// The connections of an environment, of one provider if it is named, by id.
    pub(crate) async fn connections_of(
        &mut self,
        scope: &EnvironmentScope,
        provider_key: Option<&str>,
        page: PageRequest,
    ) -> Result<Page<ProviderConnection>, StoreError> {
        let text = sql!(
            "connections_of",
            concat!(
                "SELECT ",
                connection_columns!(),
                " WHERE c.workspace_id = $1 AND d.workspace_id = $1 AND c.managed_environment_id = $2 \
                 AND ($3 IS NULL OR c.provider_key = $3) AND ($4 IS NULL OR c.id > $4) ORDER BY c.id LIMIT $5"
            )
        );
        let rows: Vec<ConnectionRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(provider_key)
            .bind(page.after())
            .bind(page.limit())
            .fetch_all(conn))?;
        let text = sql!(
            "credential_fields_of_environment",
            "SELECT f.provider_connection_id, f.field, f.updated_at FROM provider_connections c \
             JOIN provider_credentials f ON f.workspace_id = c.workspace_id AND f.provider_connection_id = c.id \
             WHERE c.workspace_id = $1 AND f.workspace_id = $1 AND c.managed_environment_id = $2 ORDER BY f.field"
        );
        let fields: Vec<FieldRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .fetch_all(conn))?;
        let items = rows.into_iter().map(|row| row.with(&fields)).collect::<Result<Vec<_>, _>>()?;
        Ok(page.page(items, |connection| connection.id))
    }

    /// The default connection of a provider in an environment.
    pub(crate) async fn default_connection(
        &mut self,
        scope: &EnvironmentScope,
        provider_key: &str,
    ) -> Result<Option<Uuid>, StoreError> {
        let text = sql!(
            "default_connection",
            "SELECT id FROM provider_connections WHERE workspace_id = $1 AND managed_environment_id = $2 \
             AND provider_key = $3 AND is_default"
        );
        Ok(on!(self.tx, |conn| sqlx::query_scalar(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(provider_key)
            .fetch_optional(conn))?)
    }
}

impl WriteTx {
    /// The directory of a provider in an environment, held until the transaction ends: whoever makes a connection, makes one
    /// the default or starts an operation meets here. Nothing where the provider has no connection there.
    pub(crate) async fn lock_directory(
        &mut self,
        scope: &EnvironmentScope,
        provider_key: &str,
    ) -> Result<Option<Option<String>>, StoreError> {
        let (workspace_id, environment_id) = (scope.workspace_id(), scope.environment_id());
        Ok(match &mut self.read.tx {
            Tx::Postgres(tx) => {
                let text = sql!(
                    "lock_directory_postgres",
                    "SELECT directory_id FROM environment_directories WHERE workspace_id = $1 \
                     AND managed_environment_id = $2 AND provider_key = $3 FOR NO KEY UPDATE"
                );
                let query = sqlx::query_scalar(text).bind(workspace_id).bind(environment_id).bind(provider_key);
                query.fetch_optional(&mut **tx).await?
            }
            Tx::Sqlite(tx) => {
                let text = sql!(
                    "lock_directory_sqlite",
                    "SELECT directory_id FROM environment_directories WHERE workspace_id = $1 \
                     AND managed_environment_id = $2 AND provider_key = $3"
                );
                let query = sqlx::query_scalar(text).bind(workspace_id).bind(environment_id).bind(provider_key);
                query.fetch_optional(&mut **tx).await?
            }
        })
    }

    /// Makes a connection. Somebody else may have made a default one meanwhile: then everything is judged again.
    pub(crate) async fn insert_connection(
        &mut self,
        scope: &EnvironmentScope,
        connection: &NewConnection<'_>,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "insert_connection",
            "INSERT INTO provider_connections ( \
                 workspace_id, id, managed_environment_id, provider_key, directory_id, display_name, status, \
                 is_default, health_status, origin, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, 'enabled', $7, 'unknown', 'own', $8, $8) ON CONFLICT DO NOTHING"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(connection.id)
                .bind(scope.environment_id())
                .bind(connection.provider_key)
                .bind(connection.directory_id.map(ShortText::as_str))
                .bind(connection.display_name.as_str())
                .bind(connection.is_default)
                .bind(now)
        )?)
    }

    /// What a connection is called, if that is said. Its directory, where it is said, is the provider's in the environment by
    /// now.
    pub(crate) async fn update_connection(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        display_name: Option<&DisplayName>,
        directory_id: Option<&ShortText>,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_connection",
            "UPDATE provider_connections SET display_name = coalesce($4, display_name), \
             directory_id = coalesce($5, directory_id), updated_at = $6 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3 AND origin = 'own'"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(id)
                .bind(display_name.map(DisplayName::as_str))
                .bind(directory_id.map(ShortText::as_str))
                .bind(now)
        )?)
    }

    /// Has no connection of a provider in an environment be the default, for a moment within this transaction.
    pub(crate) async fn clear_default(
        &mut self,
        scope: &EnvironmentScope,
        provider_key: &str,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "clear_default",
            "UPDATE provider_connections SET is_default = false, updated_at = $4 WHERE workspace_id = $1 \
             AND managed_environment_id = $2 AND provider_key = $3 AND is_default"
        );
        let now = self.now;
        run!(
            self.read.tx,
            sqlx::query(text).bind(scope.workspace_id()).bind(scope.environment_id()).bind(provider_key).bind(now)
        )?;
        Ok(())
    }

    /// Has a connection be the default.
    pub(crate) async fn set_default(&mut self, scope: &EnvironmentScope, id: Uuid) -> Result<(), StoreError> {
        let text = sql!(
            "set_default",
            "UPDATE provider_connections SET is_default = true, updated_at = $4 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text).bind(scope.workspace_id()).bind(scope.environment_id()).bind(id).bind(now)
        )?)
    }

    /// Puts a connection into use, or out of it.
    pub(crate) async fn update_connection_status(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        status: ConnectionStatus,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_connection_status",
            "UPDATE provider_connections SET status = $4, updated_at = $5 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3 AND origin = 'own'"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(id)
                .bind(status.as_str())
                .bind(now)
        )?)
    }

    /// How a connection was found to be.
    pub(crate) async fn update_connection_health(
        &mut self,
        scope: &EnvironmentScope,
        id: Uuid,
        health: HealthStatus,
        reason: Option<ReasonCode>,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "update_connection_health",
            "UPDATE provider_connections SET health_status = $4, health_reason_code = $5, health_checked_at = $6, \
             updated_at = $6 WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3"
        );
        let now = self.now;
        once(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(id)
                .bind(health.as_str())
                .bind(reason.map(ReasonCode::as_str))
                .bind(now)
        )?)
    }
}
