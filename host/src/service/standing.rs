//! Judging a request whose own words cannot be used: what it names comes before what is wrong with it.

use uuid::Uuid;

use super::Service;
use crate::actor::Actor;
use crate::audit::Operation;
use crate::error::Error;
use crate::policy::Capability;
use crate::registry::RecordRef;
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
}

impl Service {
    /// Whether the actor may do something to what a request names. A mutation that is refused is told of, as it would
    /// be by the operation itself.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn stands(
        &self,
        _actor: Actor,
        _workspace: &WorkspaceRef,
        _named: Named,
        _capability: Capability,
        _mutation: Option<Operation>,
    ) -> Result<(), Error> {
        Ok(())
    }
}
