//! Reading the audit log, and proving that it is whole.
//!
//! A list shows each reader their part of a chain. Verifying, checkpoints and exports are about all of it, so that they
//! are the system plane's, and an owner's who is entitled to every environment ([`Reach::EveryEnvironment`]). An owner
//! who is not learns from the refusal that there is an environment they do not see, which the gaps in the numbers of
//! their list say too; nobody else learns anything of environments.

use uuid::Uuid;

use super::Service;
use crate::actor::{Actor, SystemPlane};
use crate::audit::{ChainedEvent, Checkpoint, Verdict, Verifier};
use crate::error::Error;
use crate::page::MAX_PAGE_ROWS;
use crate::policy::{self, Capability, Reach};
use crate::registry::RecordRef;
use crate::store::{ReadTx, StoreError};
use crate::workspace::{Slug, WorkspaceRef};

/// How many events of a chain are in hand at once.
const CHAIN_ROWS: i64 = 500;

/// Who asks about a whole chain.
#[derive(Clone, Copy, Debug)]
pub enum Auditor<'a> {
    /// A member, judged like everybody.
    Member(Actor),
    /// The system plane: about any workspace's chain and the platform's own.
    System(&'a SystemPlane),
}

/// A chain that is being exported: one state of it, a piece at a time.
#[derive(Debug)]
pub struct AuditExport {
    tx: ReadTx,
    workspace_id: Uuid,
    after: i64,
}

impl AuditExport {
    /// The next events, in order; none at the end.
    ///
    /// # Errors
    /// `database-corrupt` when a row does not read back: verifying tells which.
    pub async fn next_events(&mut self) -> Result<Vec<ChainedEvent>, Error> {
        let rows = self.tx.chain(self.workspace_id, self.after, CHAIN_ROWS).await?;
        if let Some(last) = rows.last() {
            self.after = last.number;
        }
        let events = rows.into_iter().map(|row| row.event.ok_or(StoreError::Corrupt("event")));
        Ok(events.collect::<Result<_, _>>()?)
    }
}

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
        environment: Option<RecordRef>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ChainedEvent>, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = match environment {
            None => None,
            Some(environment) => Some(self.environment_id(workspace_id, environment).await?),
        };
        let mut tx = self.read(workspace_id).await?;
        let asked = environment_id.unwrap_or(Uuid::nil());
        let (standing, scope) = tx.standing(workspace_id, actor.user_id_in(workspace_id), asked).await?;
        let (reach, found) = match environment_id {
            None => (Reach::Workspace, Some(())),
            Some(_) => (Reach::Environment, scope.map(|_| ())),
        };
        policy::authorize(Capability::AuditView, reach, standing, found)?;
        let limit = i64::from(limit.clamp(1, MAX_PAGE_ROWS));
        Ok(tx.audit_events(workspace_id, actor.user_id(), environment_id, after, limit).await?)
    }

    /// Verifies one state of a workspace's chain: every event, the head, and the checkpoint if there is one. Without a
    /// checkpoint a chain holds, too, that lost its end with its head, or was written anew.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `checkpoint-of-another-workspace`. A chain that does not hold is no error but the
    /// verdict.
    pub async fn verify_audit(
        &self,
        auditor: Auditor<'_>,
        workspace: &WorkspaceRef,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Verdict, Error> {
        let (mut tx, workspace_id) = self.whole_chain(auditor, workspace).await?;
        let verifier = match checkpoint {
            None => Verifier::new(workspace_id),
            Some(checkpoint) if checkpoint.workspace_id() == workspace_id => Verifier::held_to(checkpoint.clone()),
            Some(_) => {
                let message = "it was not taken of this workspace's chain";
                return Err(Error::invalid("checkpoint-of-another-workspace", "workspace_id", message));
            }
        };
        verify_chain(&mut tx, workspace_id, verifier).await
    }

    /// The end of a workspace's chain as its head has it, to be kept where whoever can change the chain cannot reach.
    /// Nothing is verified: a checkpoint is worth as much as the chain it was taken of.
    ///
    /// # Errors
    /// `not-found`, `forbidden`; `database-not-initialised` if the chain has no head.
    pub async fn audit_checkpoint(&self, auditor: Auditor<'_>, workspace: &WorkspaceRef) -> Result<Checkpoint, Error> {
        let (mut tx, workspace_id) = self.whole_chain(auditor, workspace).await?;
        let head = tx.chain_head(workspace_id).await?.ok_or(StoreError::NotInitialised)?;
        Ok(Checkpoint::new(workspace_id, head.last_number, head.last_hash)
            .map_err(|_| StoreError::Corrupt("head of a chain"))?)
    }

    /// Exports one state of a workspace's chain, from its first event to its last.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn export_audit(&self, auditor: Auditor<'_>, workspace: &WorkspaceRef) -> Result<AuditExport, Error> {
        let (tx, workspace_id) = self.whole_chain(auditor, workspace).await?;
        Ok(AuditExport { tx, workspace_id, after: i64::MIN })
    }

    /// Opens a whole chain for whoever may have it.
    async fn whole_chain(&self, auditor: Auditor<'_>, workspace: &WorkspaceRef) -> Result<(ReadTx, Uuid), Error> {
        match auditor {
            Auditor::Member(actor) => {
                let workspace_id = self.workspace_id(workspace).await?;
                let mut tx = self.read(workspace_id).await?;
                let standing = tx.standing_to_all(workspace_id, actor.user_id_in(workspace_id)).await?;
                policy::authorize(Capability::WorkspaceManage, Reach::EveryEnvironment, standing, Some(()))?;
                Ok((tx, workspace_id))
            }
            Auditor::System(_plane) => {
                // A name nobody has must not stand for the platform's chain here, which would be verified in its place.
                let named = match workspace {
                    WorkspaceRef::Id(id) => Some(*id),
                    WorkspaceRef::Slug(text) => match text.parse::<Slug>() {
                        Ok(slug) => self.store.workspace_id_by_slug(slug.as_str()).await?,
                        Err(_) => None,
                    },
                };
                let workspace_id = named.ok_or(Error::NotFound)?;
                let mut tx = self.read(workspace_id).await?;
                if tx.is_workspace(workspace_id).await? { Ok((tx, workspace_id)) } else { Err(Error::NotFound) }
            }
        }
    }
}

/// Has a verifier follow a chain as one transaction sees it, to its head.
pub(super) async fn verify_chain(
    tx: &mut ReadTx,
    workspace_id: Uuid,
    mut verifier: Verifier,
) -> Result<Verdict, Error> {
    // No event has such a number, and no row can hide below it.
    let mut after = i64::MIN;
    loop {
        let rows = tx.chain(workspace_id, after, CHAIN_ROWS).await?;
        let Some(last) = rows.last() else { break };
        after = last.number;
        for row in &rows {
            let followed = match &row.event {
                Some(event) => verifier.follow(event),
                None => verifier.meet_unreadable(Some(row.number)),
            };
            if let Err(finding) = followed {
                return Ok(Err(finding));
            }
        }
    }
    let head = tx.chain_head(workspace_id).await?;
    Ok(verifier.finish_at(head.as_ref().map(|head| (head.last_number, head.last_hash.as_str()))))
}
