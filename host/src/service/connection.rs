//! Connections: made, renamed, made the default, put out of use and into it again; never deleted (P061-01, -02, -37).
//!
//! As soon as an environment has a connection of a provider, exactly one of them is the default: the first is, another becomes
//! it in one transaction, and the one that is goes out of use only by being named so. What a connection logs in with is the
//! business of `provider_credential.rs`.

use uuid::Uuid;

use super::setup::display_name;
use super::{Ask, Service};
use crate::actor::Actor;
use crate::audit::{ConnectionMark, Draft, Operation};
use crate::connection::{CreateConnection, ProviderConnection, UpdateConnection};
use crate::error::{Conflict, Error};
use crate::page::{Page, PageRequest};
use crate::policy::{self, Capability, Reach};
use crate::provider;
use crate::registry::{ConnectionStatus, RecordRef, ShortText};
use crate::run;
use crate::store::{EnvironmentScope, NewConnection, StoreError, WriteTx};
use crate::workspace::{DisplayName, WorkspaceRef};

impl Service {
    /// Makes a connection in an environment.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `unknown-provider`, `bad-display-name`, `bad-directory`, `connection-directory-mismatch`,
    /// `scope-busy` where the directory becomes known while an operation is under way.
    pub async fn create_connection(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        request: &CreateConnection,
    ) -> Result<ProviderConnection, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = self.environment_id(workspace_id, environment).await?;
        self.mutate(workspace_id, |tx| self.create_connection_once(tx, actor, (workspace_id, environment_id), request))
            .await
    }

    async fn create_connection_once(
        &self,
        mut tx: WriteTx,
        actor: Actor,
        (workspace_id, environment_id): (Uuid, Uuid),
        request: &CreateConnection,
    ) -> Result<ProviderConnection, Error> {
        let operation = Operation::ConnectionCreate;
        let (standing, scope) =
            tx.locked_standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
        let ask = Ask::environment(actor, operation, Capability::ProviderManage);
        let (mut tx, scope) = self.admit(tx, ask, standing, Some(environment_id), scope).await?;
        let name: DisplayName = display_name(&request.display_name)?;
        let provider_key = request.provider_key.as_str();
        let said = directory(request.directory_id.as_deref())?;
        let known = settle_directory(&mut tx, &scope, provider_key, said.as_ref()).await?;
        let default = tx.default_connection(&scope, provider_key).await?;
        if default.is_some() && request.make_default {
            tx.clear_default(&scope, provider_key).await?;
        }
        let id = tx.new_id()?;
        let new = NewConnection {
            id,
            provider_key,
            directory_id: known.as_ref(),
            display_name: &name,
            is_default: default.is_none() || request.make_default,
        };
        tx.insert_connection(&scope, &new).await?;
        changed(tx, Draft::by(operation, actor), workspace_id, id).await
    }

    /// Says otherwise what a connection is called, or what its directory is if that was not known.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `connection-mirrored`, `bad-display-name`, `bad-directory`,
    /// `connection-directory-mismatch`, `scope-busy`.
    pub async fn update_connection(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        connection_id: Uuid,
        request: &UpdateConnection,
    ) -> Result<ProviderConnection, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        self.mutate(workspace_id, |tx| self.update_connection_once(tx, actor, workspace_id, connection_id, request))
            .await
    }

    async fn update_connection_once(
        &self,
        tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        connection_id: Uuid,
        request: &UpdateConnection,
    ) -> Result<ProviderConnection, Error> {
        let operation = Operation::ConnectionUpdate;
        let ask = Ask::environment(actor, operation, Capability::ProviderManage);
        let (mut tx, old, scope) = self.own_connection(tx, ask, workspace_id, connection_id).await?;
        refuse_mirrored(&old)?;
        let name = request.display_name.as_deref().map(display_name).transpose()?;
        let said = directory(request.directory_id.as_deref())?;
        let known = settle_directory(&mut tx, &scope, &old.provider_key, said.as_ref()).await?;
        tx.update_connection(&scope, connection_id, name.as_ref(), known.as_ref()).await?;
        changed(tx, Draft::by(operation, actor), workspace_id, connection_id).await
    }

    /// Makes a connection the one that is taken where none is named; the one that was no longer is.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `connection-mirrored`, `connection-disabled`.
    pub async fn make_default_connection(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        connection_id: Uuid,
    ) -> Result<ProviderConnection, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        self.mutate(workspace_id, |tx| self.make_default_once(tx, actor, workspace_id, connection_id)).await
    }

    async fn make_default_once(
        &self,
        tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        connection_id: Uuid,
    ) -> Result<ProviderConnection, Error> {
        let operation = Operation::ConnectionMakeDefault;
        let ask = Ask::environment(actor, operation, Capability::ProviderManage);
        let (mut tx, old, scope) = self.own_connection(tx, ask, workspace_id, connection_id).await?;
        refuse_mirrored(&old)?;
        tx.lock_directory(&scope, &old.provider_key).await?;
        // Whoever was first may have changed it before the lock was had.
        let old = tx.connection_by_id(workspace_id, connection_id).await?.ok_or(StoreError::Busy)?;
        if old.status == ConnectionStatus::Disabled {
            return Err(Conflict::ConnectionDisabled.into());
        }
        tx.clear_default(&scope, &old.provider_key).await?;
        tx.set_default(&scope, connection_id).await?;
        changed(tx, Draft::by(operation, actor), workspace_id, connection_id).await
    }

    /// Puts a connection into use again.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `connection-mirrored`.
    pub async fn enable_connection(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        connection_id: Uuid,
    ) -> Result<ProviderConnection, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let to = (ConnectionStatus::Enabled, true);
        self.mutate(workspace_id, |tx| self.set_status_once(tx, actor, workspace_id, connection_id, to)).await
    }

    /// Puts a connection out of use. What is bound through it stays bound; a run that waits for it ends when its turn comes, one
    /// that has begun goes on. The default is put out of use only where that is meant: it stays the default, and whatever
    /// names none is refused.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `connection-mirrored`, `default-connection`.
    pub async fn disable_connection(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        connection_id: Uuid,
        even_if_default: bool,
    ) -> Result<ProviderConnection, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let to = (ConnectionStatus::Disabled, even_if_default);
        self.mutate(workspace_id, |tx| self.set_status_once(tx, actor, workspace_id, connection_id, to)).await
    }

    async fn set_status_once(
        &self,
        tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        connection_id: Uuid,
        (status, even_if_default): (ConnectionStatus, bool),
    ) -> Result<ProviderConnection, Error> {
        let operation = match status {
            ConnectionStatus::Enabled => Operation::ConnectionEnable,
            ConnectionStatus::Disabled => Operation::ConnectionDisable,
        };
        let ask = Ask::environment(actor, operation, Capability::ProviderManage);
        let (mut tx, old, scope) = self.own_connection(tx, ask, workspace_id, connection_id).await?;
        refuse_mirrored(&old)?;
        tx.lock_directory(&scope, &old.provider_key).await?;
        let old = tx.connection_by_id(workspace_id, connection_id).await?.ok_or(StoreError::Busy)?;
        if old.is_default && !even_if_default {
            return Err(Conflict::DefaultConnection.into());
        }
        tx.update_connection_status(&scope, connection_id, status).await?;
        changed(tx, Draft::by(operation, actor), workspace_id, connection_id).await
    }

    /// The connections of an environment, of one provider if it is named, by id.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn connections_in(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        provider_key: Option<&str>,
        page: PageRequest,
    ) -> Result<Page<ProviderConnection>, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = self.environment_id(workspace_id, environment).await?;
        let mut tx = self.read(workspace_id).await?;
        let (standing, scope) = tx.standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
        let scope = policy::authorize(Capability::ProviderView, Reach::Environment, standing, scope)?;
        if provider_key.is_some_and(|key| key.contains('\0')) {
            // No row has it, and not every engine takes it as a parameter.
            return Ok(page.page(Vec::new(), |connection: &ProviderConnection| connection.id));
        }
        Ok(tx.connections_of(&scope, provider_key, page).await?)
    }

    /// A connection by its id, in its own environment.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn connection(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        connection_id: Uuid,
    ) -> Result<ProviderConnection, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let mut tx = self.read(workspace_id).await?;
        let found = tx.connection_by_id(workspace_id, connection_id).await?;
        let environment_id = found.as_ref().map_or(Uuid::nil(), |connection| connection.environment_id);
        let (standing, _) = tx.standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
        Ok(policy::authorize(Capability::ProviderView, Reach::Environment, standing, found)?)
    }

    /// A connection and its own environment, for somebody who may do to it what they ask.
    pub(super) async fn own_connection(
        &self,
        mut tx: WriteTx,
        ask: Ask,
        workspace_id: Uuid,
        connection_id: Uuid,
    ) -> Result<(WriteTx, ProviderConnection, EnvironmentScope), Error> {
        let found = tx.connection_by_id(workspace_id, connection_id).await?;
        let environment_id = found.as_ref().map(|connection| connection.environment_id);
        let (standing, scope) = tx
            .locked_standing(workspace_id, ask.actor.user_id_in(workspace_id), environment_id.unwrap_or(Uuid::nil()))
            .await?;
        let (tx, (connection, scope)) = self.admit(tx, ask, standing, environment_id, found.zip(scope)).await?;
        Ok((tx, connection, scope))
    }
}

/// What a platform mirrors is changed there.
pub(super) fn refuse_mirrored(connection: &ProviderConnection) -> Result<(), Error> {
    if connection.is_own() { Ok(()) } else { Err(Conflict::ConnectionMirrored.into()) }
}

/// Has an event tell of a connection.
pub(super) fn mark(connection: &ProviderConnection) -> ConnectionMark {
    ConnectionMark { id: connection.id, provider_key: connection.provider_key.clone() }
}

/// Ends the transaction that changed a connection, and gives it as it is now.
pub(super) async fn changed(
    mut tx: WriteTx,
    mut event: Draft,
    workspace_id: Uuid,
    connection_id: Uuid,
) -> Result<ProviderConnection, Error> {
    let connection = tx.connection_by_id(workspace_id, connection_id).await?.ok_or(StoreError::Busy)?;
    event.environment_id = Some(connection.environment_id);
    event.target_id = Some(connection.id);
    event.connection = Some(mark(&connection));
    tx.commit(event).await?;
    Ok(connection)
}

fn directory(said: Option<&str>) -> Result<Option<ShortText>, Error> {
    said.map(str::parse).transpose().map_err(|_| bad_directory())
}

fn bad_directory() -> Error {
    Error::invalid("bad-directory", "directory_id", "not a directory of this provider, or missing where it needs one")
}

/// What the provider's directory in the environment is from now on: what is said, or what is known already. Held until the
/// transaction ends.
async fn settle_directory(
    tx: &mut WriteTx,
    scope: &EnvironmentScope,
    provider_key: &str,
    said: Option<&ShortText>,
) -> Result<Option<ShortText>, Error> {
    let provider = provider::provider(provider_key)
        .ok_or_else(|| Error::invalid("unknown-provider", "provider_key", "there is no such provider"))?;
    let held = tx.lock_directory(scope, provider_key).await?;
    let known = held.clone().flatten();
    let settled = said.map(ShortText::as_str).or(known.as_deref());
    if provider.refuse_directory(settled).is_err() {
        return Err(bad_directory());
    }
    match (held, said) {
        (None, said) => tx.insert_directory(scope, provider_key, said).await?,
        (Some(None), Some(said)) => {
            // Runs of this environment exclude each other by it alone until the directory is known.
            let scope_key = run::scope_key(provider_key, None, scope.environment_id());
            if let Some(active) = tx.active_run(scope.workspace_id(), &scope_key, provider_key, None).await? {
                return Err(Conflict::ScopeBusy { active_run_id: Some(active.id) }.into());
            }
            tx.update_directory(scope, provider_key, said).await?;
        }
        (Some(Some(known)), Some(said)) if known != said.as_str() => {
            return Err(Conflict::ConnectionDirectoryMismatch.into());
        }
        (Some(_), _) => {}
    }
    let settled = said.cloned().map_or_else(|| known.map(|known| known.parse()).transpose(), |said| Ok(Some(said)));
    settled.map_err(|_| StoreError::Corrupt("directory").into())
}
