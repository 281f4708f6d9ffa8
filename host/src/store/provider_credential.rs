//! What connections log in with, sealed. Nothing here opens anything.

use sqlx::FromRow;
use uuid::Uuid;

use super::StoreError;
use super::engine::{on, run, sql};
use super::environment::EnvironmentScope;
use super::platform::{number, version};
use super::tx::{ReadTx, WriteTx};
use crate::clock::Timestamp;
use crate::provider_credential::SealedCredential;

/// A field sealed under another master key than the current one, and where it lies.
#[derive(Debug)]
pub(crate) struct CredentialToRewrap {
    pub(crate) environment_id: Uuid,
    pub(crate) connection_id: Uuid,
    pub(crate) sealed: SealedCredential,
}

#[derive(FromRow)]
struct CredentialRow {
    managed_environment_id: Uuid,
    provider_connection_id: Uuid,
    field: String,
    value_sealed: Vec<u8>,
    data_key_sealed: Vec<u8>,
    master_key_version: i32,
    updated_at: Timestamp,
}

impl TryFrom<CredentialRow> for CredentialToRewrap {
    type Error = StoreError;

    fn try_from(row: CredentialRow) -> Result<Self, StoreError> {
        Ok(Self {
            environment_id: row.managed_environment_id,
            connection_id: row.provider_connection_id,
            sealed: SealedCredential {
                field: row.field,
                value_sealed: row.value_sealed,
                data_key_sealed: row.data_key_sealed,
                master_key_version: version(row.master_key_version)?,
                set_at: row.updated_at,
            },
        })
    }
}

impl ReadTx {
    /// What a connection logs in with, by field. Empty while it has nothing.
    pub(crate) async fn sealed_credentials(
        &mut self,
        workspace_id: Uuid,
        connection_id: Uuid,
    ) -> Result<Vec<SealedCredential>, StoreError> {
        let text = sql!(
            "sealed_credentials",
            "SELECT managed_environment_id, provider_connection_id, field, value_sealed, data_key_sealed, \
             master_key_version, updated_at FROM provider_credentials \
             WHERE workspace_id = $1 AND provider_connection_id = $2 ORDER BY field"
        );
        let rows: Vec<CredentialRow> =
            on!(self.tx, |conn| sqlx::query_as(text).bind(workspace_id).bind(connection_id).fetch_all(conn))?;
        rows.into_iter().map(|row| Ok(CredentialToRewrap::try_from(row)?.sealed)).collect()
    }

    /// Fields of a workspace that are sealed under a master key before this version, in order, after a connection and a
    /// field of it.
    pub(crate) async fn credentials_under_older_keys(
        &mut self,
        workspace_id: Uuid,
        master_key_version: u32,
        after: (Uuid, &str),
        limit: i64,
    ) -> Result<Vec<CredentialToRewrap>, StoreError> {
        let text = sql!(
            "credentials_under_older_keys",
            "SELECT managed_environment_id, provider_connection_id, field, value_sealed, data_key_sealed, \
             master_key_version, updated_at FROM provider_credentials \
             WHERE workspace_id = $1 AND master_key_version < $2 \
             AND (provider_connection_id > $3 OR (provider_connection_id = $3 AND field > $4)) \
             ORDER BY provider_connection_id, field LIMIT $5"
        );
        let before = number(master_key_version)?;
        let rows: Vec<CredentialRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(before)
            .bind(after.0)
            .bind(after.1)
            .bind(limit)
            .fetch_all(conn))?;
        rows.into_iter().map(CredentialToRewrap::try_from).collect()
    }

    /// How many fields of a workspace are sealed under which master key.
    pub(crate) async fn credentials_by_master_key(
        &mut self,
        workspace_id: Uuid,
    ) -> Result<Vec<(u32, u64)>, StoreError> {
        let text = sql!(
            "credentials_by_master_key",
            "SELECT master_key_version, count(*) FROM provider_credentials \
             WHERE workspace_id = $1 GROUP BY master_key_version ORDER BY master_key_version"
        );
        let rows: Vec<(i32, i64)> = on!(self.tx, |conn| sqlx::query_as(text).bind(workspace_id).fetch_all(conn))?;
        rows.into_iter().map(|(key, count)| Ok((version(key)?, u64::try_from(count).unwrap_or(0)))).collect()
    }
}

impl WriteTx {
    /// Sets a field of a connection of the environment, in the place of what it was.
    pub(crate) async fn set_credential(
        &mut self,
        scope: &EnvironmentScope,
        provider_key: &str,
        connection_id: Uuid,
        sealed: &SealedCredential,
    ) -> Result<(), StoreError> {
        let text = sql!(
            "set_credential",
            "INSERT INTO provider_credentials \
             (workspace_id, managed_environment_id, provider_key, provider_connection_id, field, value_sealed, \
              data_key_sealed, master_key_version, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) \
             ON CONFLICT (workspace_id, provider_connection_id, field) DO UPDATE \
             SET value_sealed = excluded.value_sealed, data_key_sealed = excluded.data_key_sealed, \
                 master_key_version = excluded.master_key_version, updated_at = excluded.updated_at"
        );
        let under = number(sealed.master_key_version)?;
        run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(provider_key)
                .bind(connection_id)
                .bind(&sealed.field)
                .bind(&sealed.value_sealed)
                .bind(&sealed.data_key_sealed)
                .bind(under)
                .bind(sealed.set_at)
        )?;
        Ok(())
    }

    /// Puts a data key sealed anew in the place of the old one, unless the field was set meanwhile; says whether.
    pub(crate) async fn rewrap_credential(
        &mut self,
        workspace_id: Uuid,
        old: &CredentialToRewrap,
        data_key_sealed: &[u8],
        master_key_version: u32,
    ) -> Result<bool, StoreError> {
        let text = sql!(
            "rewrap_credential",
            "UPDATE provider_credentials SET data_key_sealed = $4, master_key_version = $5 \
             WHERE workspace_id = $1 AND provider_connection_id = $2 AND field = $3 AND data_key_sealed = $6"
        );
        let under = number(master_key_version)?;
        let rewrapped = run!(
            self.read.tx,
            sqlx::query(text)
                .bind(workspace_id)
                .bind(old.connection_id)
                .bind(&old.sealed.field)
                .bind(data_key_sealed)
                .bind(under)
                .bind(&old.sealed.data_key_sealed)
        )?;
        Ok(rewrapped == 1)
    }
}
