//! Reading the audit log.

use uuid::Uuid;

use super::Service;
use crate::actor::Actor;
use crate::audit::ChainedEvent;
use crate::error::Error;
use crate::page::MAX_PAGE_ROWS;
use crate::policy::{self, Capability, Reach};
use crate::workspace::WorkspaceRef;

impl Service {
    /// Events of a workspace after the one numbered `after` (0: from the first), in order, at most `limit` and
    /// never more than a page: those of the workspace at large and of the environments the actor is entitled to,
    /// or of one of these. Numbers are gapless in the chain, not in what one reader sees of it.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn audit_events(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment_id: Option<Uuid>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ChainedEvent>, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let mut tx = self.read(workspace_id).await?;
        let asked = environment_id.unwrap_or(Uuid::nil());
        let (standing, scope) = tx.standing(workspace_id, actor.user_id(), asked).await?;
        let (reach, found) = match environment_id {
            None => (Reach::Workspace, Some(())),
            Some(_) => (Reach::Environment, scope.map(|_| ())),
        };
        policy::authorize(Capability::AuditView, reach, standing, found)?;
        let limit = i64::from(limit.clamp(1, MAX_PAGE_ROWS));
        Ok(tx.audit_events(workspace_id, actor.user_id(), environment_id, after, limit).await?)
    }
}
