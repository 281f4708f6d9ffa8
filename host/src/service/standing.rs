//! Judging a request whose own words cannot be used: what it names comes before what is wrong with it.
//!
//! The same statements in the same order as the operation that was meant, so that whoever may not do it cannot tell by
//! a request nobody can read what is there. What the request says is not known here, and nothing it says is told.

use uuid::Uuid;

use super::membership::standing_alone;
use super::{Ask, Service};
use crate::actor::Actor;
use crate::audit::Operation;
use crate::error::Error;
use crate::policy::{self, Capability, Reach};
use crate::registry::RecordRef;
use crate::store::{EnvironmentScope, ReadTx, StoreError, WriteTx};
use crate::workspace::WorkspaceRef;

/// What a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A workspace, and nothing in it.
    Workspace,
    /// An environment of the workspace.
    Environment(RecordRef),
    /// A binding of the workspace.
    Binding(Uuid),
    /// An inventory item of the workspace.
    InventoryItem(Uuid),
    /// A connection of the workspace.
    Connection(Uuid),
    /// A run of the workspace.
    Run(Uuid),
}

/// The same with names looked up.
#[derive(Clone, Copy, Debug)]
enum Place {
    Workspace,
    Environment(Uuid),
    Binding(Uuid),
    InventoryItem(Uuid),
    Connection(Uuid),
    Run(Uuid),
}

impl Place {
    fn reach(self) -> Reach {
        match self {
            Self::Workspace => Reach::Workspace,
            _ => Reach::Environment,
        }
    }

    /// What the policy is shown: the workspace is never missing to a member.
    fn found(self, scope: Option<&EnvironmentScope>) -> Option<()> {
        match self {
            Self::Workspace => Some(()),
            _ => scope.map(|_| ()),
        }
    }

    /// The environment named, or the record's own; none of the workspace itself and of a record that is missing.
    async fn environment_id(self, tx: &mut ReadTx, workspace_id: Uuid) -> Result<Option<Uuid>, StoreError> {
        Ok(match self {
            Self::Workspace => None,
            Self::Environment(id) => Some(id),
            Self::Binding(id) => tx.binding_by_id(workspace_id, id).await?.map(|binding| binding.environment_id),
            Self::InventoryItem(id) => tx.inventory_item_by_id(workspace_id, id).await?.map(|item| item.environment_id),
            Self::Connection(id) => {
                tx.connection_by_id(workspace_id, id).await?.map(|connection| connection.environment_id)
            }
            Self::Run(id) => tx.run_by_id(workspace_id, id).await?.map(|run| run.environment_id),
        })
    }
}

impl Service {
    /// Whether the actor may do something to what a request names, asked where the request's parameters or body cannot
    /// be read. `mutation` is the operation that was meant, none of a read. A mutation that is refused is told of by the
    /// very event the operation itself would leave; of one that is not, nothing is written.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn stands(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        named: Named,
        capability: Capability,
        mutation: Option<Operation>,
    ) -> Result<(), Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let place = match named {
            Named::Workspace => Place::Workspace,
            Named::Environment(environment) => {
                Place::Environment(self.environment_id(workspace_id, environment).await?)
            }
            Named::Binding(id) => Place::Binding(id),
            Named::InventoryItem(id) => Place::InventoryItem(id),
            Named::Connection(id) => Place::Connection(id),
            Named::Run(id) => Place::Run(id),
        };
        match mutation {
            None => self.stands_to_read(actor, workspace_id, place, capability).await,
            Some(operation) => {
                let ask = Ask { actor, operation, capability, reach: place.reach() };
                self.mutate(workspace_id, |tx| self.stands_to_change(tx, ask, workspace_id, place)).await
            }
        }
    }

    async fn stands_to_read(
        &self,
        actor: Actor,
        workspace_id: Uuid,
        place: Place,
        capability: Capability,
    ) -> Result<(), Error> {
        let mut tx = self.read(workspace_id).await?;
        let environment_id = place.environment_id(&mut tx, workspace_id).await?.unwrap_or(Uuid::nil());
        let (standing, scope) = tx.standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
        Ok(policy::authorize(capability, place.reach(), standing, place.found(scope.as_ref()))?)
    }

    /// The transaction is dropped by whoever is admitted.
    async fn stands_to_change(&self, mut tx: WriteTx, ask: Ask, workspace_id: Uuid, place: Place) -> Result<(), Error> {
        let environment_id = place.environment_id(&mut tx, workspace_id).await?;
        let asked = environment_id.unwrap_or(Uuid::nil());
        let (standing, scope) = match place {
            Place::Workspace => standing_alone(&mut tx, workspace_id, ask.actor, asked).await?,
            _ => tx.locked_standing(workspace_id, ask.actor.user_id_in(workspace_id), asked).await?,
        };
        self.admit(tx, ask, standing, environment_id, place.found(scope.as_ref())).await?;
        Ok(())
    }
}
