//! Moving an installation into another database: the system plane's.

use uuid::Uuid;

use super::audit::verify_chain;
use super::{Service, Settings};
use crate::actor::SystemPlane;
use crate::audit::Verifier;
use crate::error::Error;
use crate::store::{self, Store, StoreError};

/// What a copy took over.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CopyReport {
    /// How many workspaces, the platform's own counted.
    pub workspaces: u64,
    /// How many rows, by table.
    pub rows: Vec<(&'static str, u64)>,
    /// How many events of all chains were verified where they arrived.
    pub events_verified: u64,
}

impl Service {
    /// Copies an installation into a database with nothing in it, on the same engine or another: every row as it is,
    /// all or nothing, each chain verified where it arrived before anything is committed. A SQLite file is made; the
    /// tables of a PostgreSQL database are there already. The master key is not copied: what is sealed stays sealed
    /// under it.
    ///
    /// # Errors
    /// `database-not-empty`, `database-unmigrated`, `database-corrupt` if a chain does not verify; errors of the master key, since only a whole
    /// installation is worth copying.
    pub async fn copy_database(_plane: &SystemPlane, from: &Settings, to_url: &str) -> Result<CopyReport, Error> {
        let source = Self::open(from).await?;
        let target = match Store::open(to_url, from.allow_privileged_role).await {
            Err(StoreError::Unmigrated) if to_url.starts_with("sqlite:") => {
                store::migrate_up(to_url).await?;
                Store::open(to_url, from.allow_privileged_role).await?
            }
            opened => opened?,
        };
        let mut copied = source.store.copy_into(&target).await?;
        let mut events_verified = 0_u64;
        let workspaces: Vec<Uuid> = copied.workspaces.clone();
        for workspace_id in &workspaces {
            let arrived = copied.seen_from(*workspace_id).await?;
            match verify_chain(arrived, *workspace_id, Verifier::new(*workspace_id)).await? {
                Ok(verified) => {
                    let events = u64::try_from(verified.number).unwrap_or(0);
                    events_verified = events_verified.saturating_add(events);
                }
                // What is broken stays where it is: `audit verify` names the event.
                Err(_) => return Err(StoreError::Corrupt("audit chain").into()),
            }
        }
        let rows = copied.rows.clone();
        copied.commit().await?;
        source.close().await;
        target.close().await;
        Ok(CopyReport { workspaces: u64::try_from(workspaces.len()).unwrap_or(u64::MAX), rows, events_verified })
    }
}
