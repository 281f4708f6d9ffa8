//! Members and what they are entitled to: an owner's work.

use uuid::Uuid;

use super::setup::unknown_user;
use super::{Ask, Service};
use crate::actor::Actor;
use crate::audit::{Draft, Operation};
use crate::error::{Conflict, Error};
use crate::page::{Page, PageRequest};
use crate::policy::{self, Capability, FIRST_ROLE, Reach, Role, Standing};
use crate::registry::RecordRef;
use crate::store::{EnvironmentScope, WriteTx};
use crate::workspace::{Entitlement, Membership, WorkspaceRef};

impl Service {
    /// Makes a user a member, or a former one again. They see no environment until entitled to it.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `unknown-user`, `member-exists`.
    pub async fn add_member(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        user_id: Uuid,
        role: Role,
    ) -> Result<Membership, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        self.mutate(workspace_id, |tx| self.add_member_once(tx, actor, workspace_id, user_id, role)).await
    }

    async fn add_member_once(
        &self,
        tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        user_id: Uuid,
        role: Role,
    ) -> Result<Membership, Error> {
        let mut tx = self.managing(tx, actor, workspace_id, Operation::MembershipAdd).await?;
        if !tx.is_live_user(user_id).await? {
            return Err(unknown_user());
        }
        let added = tx.insert_membership(workspace_id, user_id, role).await?;
        let added = added.ok_or(Conflict::MemberExists)?;
        tx.commit(about_member(Operation::MembershipAdd, actor, user_id, Some(role))).await?;
        Ok(added)
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `not-a-member`, `last-owner`, `last-entitlement`.
    pub async fn change_member_role(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        user_id: Uuid,
        role: Role,
    ) -> Result<Membership, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        self.mutate(workspace_id, |tx| self.change_member_role_once(tx, actor, workspace_id, user_id, role)).await
    }

    async fn change_member_role_once(
        &self,
        tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        user_id: Uuid,
        role: Role,
    ) -> Result<Membership, Error> {
        let mut tx = self.managing(tx, actor, workspace_id, Operation::MembershipChange).await?;
        let old_role = tx.membership_role(workspace_id, user_id).await?.ok_or(Conflict::NotAMember)?;
        if role != old_role {
            refuse_last(&mut tx, workspace_id, user_id, old_role).await?;
        }
        let changed = tx.update_membership_role(workspace_id, user_id, role).await?;
        let changed = changed.ok_or(Conflict::NotAMember)?;
        let mut event = about_member(Operation::MembershipChange, actor, user_id, Some(role));
        event.old_role = Some(old_role);
        tx.commit(event).await?;
        Ok(changed)
    }

    /// Ends a membership and every entitlement with it. The row stays: decisions name it.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `not-a-member`, `last-owner`, `last-entitlement`.
    pub async fn end_membership(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        user_id: Uuid,
    ) -> Result<Membership, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        self.mutate(workspace_id, |tx| self.end_membership_once(tx, actor, workspace_id, user_id)).await
    }

    async fn end_membership_once(
        &self,
        tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        user_id: Uuid,
    ) -> Result<Membership, Error> {
        let mut tx = self.managing(tx, actor, workspace_id, Operation::MembershipEnd).await?;
        let role = tx.membership_role(workspace_id, user_id).await?.ok_or(Conflict::NotAMember)?;
        refuse_last(&mut tx, workspace_id, user_id, role).await?;
        let ended = tx.end_membership(workspace_id, user_id).await?.ok_or(Conflict::NotAMember)?;
        tx.commit(about_member(Operation::MembershipEnd, actor, user_id, Some(ended.role))).await?;
        Ok(ended)
    }

    /// The members of a workspace, former ones too.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn members(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        page: PageRequest,
    ) -> Result<Page<Membership>, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let mut tx = self.read(workspace_id).await?;
        let (standing, _) = tx.standing(workspace_id, actor.user_id_in(workspace_id), Uuid::nil()).await?;
        policy::authorize(Capability::WorkspaceManage, Reach::Workspace, standing, Some(()))?;
        Ok(tx.memberships(workspace_id, page).await?)
    }

    /// Entitles a member to an environment the actor is entitled to.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `not-a-member`, `entitlement-exists`.
    pub async fn grant_entitlement(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        user_id: Uuid,
    ) -> Result<Entitlement, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = self.environment_id(workspace_id, environment).await?;
        self.mutate(workspace_id, |tx| self.grant_entitlement_once(tx, actor, workspace_id, environment_id, user_id))
            .await
    }

    async fn grant_entitlement_once(
        &self,
        mut tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        environment_id: Uuid,
        user_id: Uuid,
    ) -> Result<Entitlement, Error> {
        let operation = Operation::EntitlementGrant;
        let (standing, scope) = standing_alone(&mut tx, workspace_id, actor, environment_id).await?;
        let ask = Ask::environment(actor, operation, Capability::WorkspaceManage);
        let (mut tx, scope) = self.admit(tx, ask, standing, Some(environment_id), scope).await?;
        let (theirs, _) = tx.locked_standing(workspace_id, user_id, environment_id).await?;
        if !theirs.is_member() {
            return Err(Conflict::NotAMember.into());
        }
        let granted = tx.insert_entitlement(&scope, user_id).await?.ok_or(Conflict::EntitlementExists)?;
        let mut event = about_member(operation, actor, user_id, None);
        event.environment_id = Some(environment_id);
        tx.commit(event).await?;
        Ok(granted)
    }

    /// Ends a member's entitlement to an environment the actor is entitled to.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `not-entitled`, `last-entitlement`.
    pub async fn end_entitlement(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        user_id: Uuid,
    ) -> Result<Entitlement, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = self.environment_id(workspace_id, environment).await?;
        self.mutate(workspace_id, |tx| self.end_entitlement_once(tx, actor, workspace_id, environment_id, user_id))
            .await
    }

    async fn end_entitlement_once(
        &self,
        mut tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        environment_id: Uuid,
        user_id: Uuid,
    ) -> Result<Entitlement, Error> {
        let operation = Operation::EntitlementEnd;
        let (standing, scope) = standing_alone(&mut tx, workspace_id, actor, environment_id).await?;
        let ask = Ask::environment(actor, operation, Capability::WorkspaceManage);
        let (mut tx, scope) = self.admit(tx, ask, standing, Some(environment_id), scope).await?;
        if tx.membership_role(workspace_id, user_id).await? == Some(FIRST_ROLE)
            && tx.alone_entitled_of_role(workspace_id, user_id, Some(environment_id), FIRST_ROLE).await?
        {
            return Err(Conflict::LastEntitlement.into());
        }
        let ended = tx.end_entitlement(&scope, user_id).await?.ok_or(Conflict::NotEntitled)?;
        let mut event = about_member(operation, actor, user_id, None);
        event.environment_id = Some(environment_id);
        tx.commit(event).await?;
        Ok(ended)
    }

    /// A transaction of somebody who may manage the workspace, and the only one of its kind there.
    pub(super) async fn managing(
        &self,
        mut tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        operation: Operation,
    ) -> Result<WriteTx, Error> {
        let (standing, _) = standing_alone(&mut tx, workspace_id, actor, Uuid::nil()).await?;
        let ask = Ask::workspace(actor, operation, Capability::WorkspaceManage);
        let (tx, ()) = self.admit(tx, ask, standing, None, Some(())).await?;
        Ok(tx)
    }
}

/// How an actor stands, for work on who may what: a member's standing is read as the only one at such work in the
/// workspace, and stays so. A stranger waits for nobody and keeps nobody waiting: otherwise a workspace that is there
/// could be told from one that is not by how long the answer takes.
pub(super) async fn standing_alone(
    tx: &mut WriteTx,
    workspace_id: Uuid,
    actor: Actor,
    environment_id: Uuid,
) -> Result<(Standing, Option<EnvironmentScope>), Error> {
    let (standing, scope) = tx.standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
    if !standing.is_member() {
        return Ok((standing, scope));
    }
    tx.lock_workspace(workspace_id).await?;
    Ok(tx.locked_standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?)
}

fn about_member(operation: Operation, actor: Actor, user_id: Uuid, role: Option<Role>) -> Draft {
    let mut event = Draft::by(operation, actor);
    event.target_id = Some(user_id);
    event.role = role;
    event
}

/// Refuses to take its role from the last member who may manage the workspace, or from the last of them whom an
/// environment knows: nobody could entitle anybody there again. The workspace is locked, so of two leaving at once the
/// second sees the first gone.
pub(super) async fn refuse_last(tx: &mut WriteTx, workspace_id: Uuid, user_id: Uuid, role: Role) -> Result<(), Error> {
    if role != FIRST_ROLE {
        return Ok(());
    }
    if !tx.others_have_role(workspace_id, user_id, FIRST_ROLE).await? {
        return Err(Conflict::LastOwner.into());
    }
    if tx.alone_entitled_of_role(workspace_id, user_id, None, FIRST_ROLE).await? {
        return Err(Conflict::LastEntitlement.into());
    }
    Ok(())
}
