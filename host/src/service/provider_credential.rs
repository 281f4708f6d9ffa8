//! What connections log in with: set, and never shown.

use uuid::Uuid;

use super::{Ask, Service};
use crate::actor::Actor;
use crate::audit::{ConnectionMark, Draft, Operation};
use crate::connection::{CredentialsSet, credential_fields};
use crate::error::{Conflict, Error};
use crate::gateway;
use crate::policy::Capability;
use crate::provider_credential::{CredentialPlace, InvalidCredentialValue, ProviderCredentials};
use crate::store::{CredentialedConnection, EnvironmentScope, WriteTx};
use crate::workspace::WorkspaceRef;

impl Service {
    /// Sets what a connection logs in with, all fields at once, in the place of what it was. From then on it can be used by
    /// runs and seen by nobody.
    ///
    /// # Errors
    /// `not-found`, `forbidden`; `connection-mirrored`; `unknown-provider`, `credential-fields-mismatch`.
    pub async fn set_provider_credentials(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        connection_id: Uuid,
        credentials: &ProviderCredentials,
    ) -> Result<CredentialsSet, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        self.mutate(workspace_id, |tx| {
            self.set_provider_credentials_once(tx, actor, workspace_id, connection_id, credentials)
        })
        .await
    }

    async fn set_provider_credentials_once(
        &self,
        tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        connection_id: Uuid,
        credentials: &ProviderCredentials,
    ) -> Result<CredentialsSet, Error> {
        let operation = Operation::ProviderCredentialSet;
        let ask = Ask::environment(actor, operation, Capability::ProviderManage);
        let (mut tx, connection, scope) = self.own_connection(tx, ask, workspace_id, connection_id).await?;
        refuse_misfit(&connection, credentials)?;
        let key = tx.sealing_key().await?;
        let environment_id = scope.environment_id();
        for (field, value) in credentials.iter() {
            let place = CredentialPlace { workspace_id, environment_id, connection_id, field };
            let sealed = gateway::seal(&key, &place, value, tx.now(), &self.ids)?;
            tx.set_credential(&scope, &connection.provider_key, connection_id, &sealed).await?;
        }
        let set = CredentialsSet {
            connection_id,
            workspace_id,
            environment_id,
            provider_key: connection.provider_key.clone(),
            credential_fields: credentials.iter().map(|(field, _)| field.to_owned()).collect(),
            credentials_set_at: tx.now(),
        };
        let mut event = Draft::by(operation, actor);
        event.environment_id = Some(environment_id);
        event.target_id = Some(connection_id);
        event.connection = Some(ConnectionMark { id: connection_id, provider_key: connection.provider_key });
        event.key_version = Some(key.version());
        tx.commit(event).await?;
        Ok(set)
    }

    /// A connection and its own environment, for somebody who may do to it what they ask.
    async fn own_connection(
        &self,
        mut tx: WriteTx,
        ask: Ask,
        workspace_id: Uuid,
        connection_id: Uuid,
    ) -> Result<(WriteTx, CredentialedConnection, EnvironmentScope), Error> {
        let found = tx.credentialed_connection(workspace_id, connection_id).await?;
        let environment_id = found.as_ref().map(|connection| connection.environment_id);
        let (standing, scope) = tx
            .locked_standing(workspace_id, ask.actor.user_id_in(workspace_id), environment_id.unwrap_or(Uuid::nil()))
            .await?;
        let (tx, (connection, scope)) = self.admit(tx, ask, standing, environment_id, found.zip(scope)).await?;
        Ok((tx, connection, scope))
    }
}

/// Refuses what the connection cannot log in with.
fn refuse_misfit(connection: &CredentialedConnection, credentials: &ProviderCredentials) -> Result<(), Error> {
    if connection.origin != "own" {
        return Err(Conflict::ConnectionMirrored.into());
    }
    let fields = credential_fields(&connection.provider_key)
        .ok_or_else(|| Error::invalid("unknown-provider", "connection_id", "there is no such provider here"))?;
    if credentials.are_exactly(fields) {
        return Ok(());
    }
    Err(Error::invalid("credential-fields-mismatch", "fields", "all fields the provider declares, and no others"))
}

impl From<InvalidCredentialValue> for Error {
    fn from(_: InvalidCredentialValue) -> Self {
        Self::invalid("bad-credential-value", "fields", "each value 1 to 4,096 bytes, without control characters")
    }
}
