//! Environments: made by an owner, seen by the entitled.

use uuid::Uuid;

use super::Service;
use super::setup::display_name;
use crate::actor::Actor;
use crate::audit::{Draft, Operation};
use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::policy::{self, Capability, Reach};
use crate::store::WriteTx;
use crate::workspace::{DisplayName, Environment, WorkspaceRef};

impl Service {
    /// Makes an environment and entitles its maker to it.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `bad-display-name`.
    pub async fn create_environment(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        display_name: &str,
    ) -> Result<Environment, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        self.mutate(workspace_id, |tx| self.create_environment_once(tx, actor, workspace_id, display_name)).await
    }

    async fn create_environment_once(
        &self,
        tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        name: &str,
    ) -> Result<Environment, Error> {
        let operation = Operation::EnvironmentCreate;
        let mut tx = self.managing(tx, actor, workspace_id, operation).await?;
        let name: DisplayName = display_name(name)?;
        let id = tx.new_id()?;
        let (environment, scope) = tx.insert_environment(workspace_id, id, &name).await?;
        tx.insert_entitlement(&scope, actor.user_id()).await?;
        let mut event = Draft::by(operation, actor);
        event.environment_id = Some(id);
        event.target_id = Some(id);
        tx.commit(event).await?;
        Ok(environment)
    }

    /// The environments of a workspace that the actor is entitled to. Of others there is no hint (P339-18).
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn environments(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        page: PageRequest,
    ) -> Result<Page<Environment>, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let mut tx = self.read(workspace_id).await?;
        let (standing, _) = tx.standing(workspace_id, actor.user_id_in(workspace_id), Uuid::nil()).await?;
        policy::authorize(Capability::WorkspaceBaselinesView, Reach::Workspace, standing, Some(()))?;
        Ok(tx.environments_of(workspace_id, actor.user_id(), page).await?)
    }
}
