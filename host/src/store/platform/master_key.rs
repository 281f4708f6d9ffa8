//! Platform tables, the part about master keys: which there have been, and which one seals. Of the keys themselves there are
//! fingerprints.

use std::sync::Arc;

use sqlx::FromRow;

use super::super::engine::{Tx, on, run, sql};
use super::super::tx::{ReadTx, WriteTx};
use super::StoreError;
use crate::clock::Timestamp;
use crate::error::Internal;
use crate::secret::{MasterKey, MasterKeys, SecretError};

/// A master key as it is known, without what it is.
#[derive(Debug)]
pub(crate) struct KeptMasterKey {
    pub(crate) version: u32,
    pub(crate) fingerprint: String,
    pub(crate) created_at: Timestamp,
    /// When another took its place.
    pub(crate) superseded_at: Option<Timestamp>,
    /// When nothing was sealed under it any more.
    pub(crate) retired_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct MasterKeyRow {
    version: i32,
    fingerprint: String,
    created_at: Timestamp,
    superseded_at: Option<Timestamp>,
    retired_at: Option<Timestamp>,
}

impl TryFrom<MasterKeyRow> for KeptMasterKey {
    type Error = StoreError;

    fn try_from(row: MasterKeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            version: version(row.version)?,
            fingerprint: row.fingerprint,
            created_at: row.created_at,
            superseded_at: row.superseded_at,
            retired_at: row.retired_at,
        })
    }
}

impl KeptMasterKey {
    /// Whether nothing is sealed under it any more.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired_at.is_some()
    }

    /// The key itself, from the ring.
    ///
    /// # Errors
    /// Those of [`MasterKeys::of_version`]; [`SecretError::DoesNotOpen`] if the ring has another key of this version.
    pub(crate) fn among(&self, ring: &MasterKeys) -> Result<Arc<MasterKey>, SecretError> {
        let key = ring.of_version(self.version)?;
        if key.fingerprint() == self.fingerprint { Ok(key) } else { Err(SecretError::DoesNotOpen) }
    }
}

/// The version of a master key, as a column has it.
pub(in crate::store) fn version(number: i32) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|_| StoreError::Corrupt("master key version"))
}

/// As [`version`], the other way. A key of a version beyond the column's is none.
pub(in crate::store) fn number(version: u32) -> Result<i32, StoreError> {
    i32::try_from(version).map_err(|_| StoreError::Corrupt("master key version"))
}

impl ReadTx {
    /// Every master key there has been, by version.
    pub(crate) async fn master_keys(&mut self) -> Result<Vec<KeptMasterKey>, StoreError> {
        let text = sql!(
            "master_keys",
            "SELECT version, fingerprint, created_at, superseded_at, retired_at FROM master_keys ORDER BY version"
        );
        let rows: Vec<MasterKeyRow> = on!(self.tx, |conn| sqlx::query_as(text).fetch_all(conn))?;
        rows.into_iter().map(KeptMasterKey::try_from).collect()
    }
}

impl WriteTx {
    /// The key that this transaction seals with: the current one, which nobody puts another in the place of before the
    /// transaction ends. Whatever is found sealed under an older one afterwards was so before.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if another key has just taken its place; those of [`KeptMasterKey::among`].
    pub(crate) async fn sealing_key(&mut self) -> Result<Arc<MasterKey>, Internal> {
        let row: Option<MasterKeyRow> = match &mut self.read.tx {
            Tx::Postgres(tx) => {
                let text = sql!(
                    "current_master_key_postgres",
                    "SELECT version, fingerprint, created_at, superseded_at, retired_at FROM master_keys \
                     WHERE superseded_at IS NULL ORDER BY version DESC LIMIT 1 FOR SHARE"
                );
                sqlx::query_as(text).fetch_optional(&mut **tx).await.map_err(StoreError::from)?
            }
            // The transaction is the only writer there is.
            Tx::Sqlite(tx) => {
                let text = sql!(
                    "current_master_key_sqlite",
                    "SELECT version, fingerprint, created_at, superseded_at, retired_at FROM master_keys \
                     WHERE superseded_at IS NULL ORDER BY version DESC LIMIT 1"
                );
                sqlx::query_as(text).fetch_optional(&mut **tx).await.map_err(StoreError::from)?
            }
        };
        let current = KeptMasterKey::try_from(row.ok_or(StoreError::Busy)?)?;
        Ok(current.among(&self.master)?)
    }

    /// Makes a master key known as the current one, or nothing if there is one of its version.
    pub(crate) async fn insert_master_key(&mut self, key: &MasterKey) -> Result<bool, StoreError> {
        let text = sql!(
            "insert_master_key",
            "INSERT INTO master_keys (version, fingerprint, created_at) VALUES ($1, $2, $3) \
             ON CONFLICT (version) DO NOTHING"
        );
        let (version, now) = (number(key.version())?, self.now);
        let inserted = run!(self.read.tx, sqlx::query(text).bind(version).bind(key.fingerprint()).bind(now))?;
        Ok(inserted == 1)
    }

    /// Ends the time in which the keys before this version seal; says whether any did. Waits for whoever seals with one at
    /// this moment.
    pub(crate) async fn supersede_master_keys_before(&mut self, version: u32) -> Result<bool, StoreError> {
        let text = sql!(
            "supersede_master_keys_before",
            "UPDATE master_keys SET superseded_at = $2 WHERE version < $1 AND superseded_at IS NULL"
        );
        let (version, now) = (number(version)?, self.now);
        Ok(run!(self.read.tx, sqlx::query(text).bind(version).bind(now))? > 0)
    }

    /// Says of a superseded key that nothing is sealed under it any more, or nothing if that was said before.
    pub(crate) async fn retire_master_key(&mut self, version: u32) -> Result<bool, StoreError> {
        let text = sql!(
            "retire_master_key",
            "UPDATE master_keys SET retired_at = $2 \
             WHERE version = $1 AND superseded_at IS NOT NULL AND retired_at IS NULL"
        );
        let (version, now) = (number(version)?, self.now);
        Ok(run!(self.read.tx, sqlx::query(text).bind(version).bind(now))? == 1)
    }
}
