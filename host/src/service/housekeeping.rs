//! Housekeeping: what may be forgotten is. The system plane's; leaves no event, because what goes was told of when it
//! came.

use uuid::Uuid;

use super::{ATTEMPTS, BACKOFF_MS, Service};
use crate::actor::SystemPlane;
use crate::error::Error;
use crate::page::{MAX_PAGE_ROWS, PageRequest};
use crate::store::{Deadline, StoreError};

/// Rows that one transaction deletes at most.
const BATCH_ROWS: u32 = 500;

impl Service {
    /// Deletes what has had its time in every workspace: idempotency keys after a day. Says how many rows went.
    ///
    /// # Errors
    /// Internal ones. What was deleted until then stays so.
    pub async fn clean_up(&self, plane: &SystemPlane) -> Result<u64, Error> {
        let (mut next, mut deleted) = (PageRequest::new(MAX_PAGE_ROWS, None), 0_u64);
        loop {
            let page = self.workspaces(plane, next).await?;
            for workspace in &page.items {
                deleted = deleted.saturating_add(self.clean_up_workspace(workspace.id).await?);
            }
            let Some(after) = page.next else { return Ok(deleted) };
            next = PageRequest::new(MAX_PAGE_ROWS, Some(after));
        }
    }

    async fn clean_up_workspace(&self, workspace_id: Uuid) -> Result<u64, Error> {
        let (mut deleted, mut left) = (0_u64, ATTEMPTS);
        loop {
            match self.delete_batch(workspace_id).await {
                Ok(rows) => {
                    deleted = deleted.saturating_add(rows);
                    if rows < u64::from(BATCH_ROWS) {
                        return Ok(deleted);
                    }
                }
                Err(error) if error.is_transient() && left > 0 => {
                    left = left.saturating_sub(1);
                    tokio::time::sleep(std::time::Duration::from_millis(BACKOFF_MS)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn delete_batch(&self, workspace_id: Uuid) -> Result<u64, StoreError> {
        let deadline = Deadline::after(self.deadline);
        let mut tx = self.store.housekeeping(workspace_id, &deadline, self.clock.now()).await?;
        let rows = tx.delete_expired_keys(i64::from(BATCH_ROWS)).await?;
        tx.commit_housekeeping().await?;
        Ok(rows)
    }
}
