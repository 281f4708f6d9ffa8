//! What connections log in with: set, and never shown.

use uuid::Uuid;

use super::connection::{changed, refuse_mirrored};
use super::{Ask, Service};
use crate::actor::Actor;
use crate::audit::{Draft, Operation};
use crate::connection::ProviderConnection;
use crate::error::Error;
use crate::gateway;
use crate::policy::Capability;
use crate::provider;
use crate::provider_credential::{CredentialPlace, InvalidCredentialValue, InvalidCredentials, ProviderCredentials};
use crate::store::WriteTx;
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
    ) -> Result<ProviderConnection, Error> {
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
    ) -> Result<ProviderConnection, Error> {
        let operation = Operation::ProviderCredentialSet;
        let ask = Ask::environment(actor, operation, Capability::ProviderManage);
        let (mut tx, connection, scope) = self.own_connection(tx, ask, workspace_id, connection_id).await?;
        refuse_mirrored(&connection)?;
        refuse_misfit(&connection.provider_key, credentials)?;
        let key = tx.sealing_key().await?;
        let environment_id = scope.environment_id();
        for (field, value) in credentials.iter() {
            let place = CredentialPlace { workspace_id, environment_id, connection_id, field };
            let sealed = gateway::seal(&key, &place, value, tx.now(), &self.ids)?;
            tx.set_credential(&scope, &connection.provider_key, connection_id, &sealed).await?;
        }
        let mut event = Draft::by(operation, actor);
        event.key_version = Some(key.version());
        changed(tx, event, workspace_id, connection_id).await
    }
}

/// Refuses fields that are not those the provider declares.
fn refuse_misfit(provider_key: &str, credentials: &ProviderCredentials) -> Result<(), Error> {
    let provider = provider::provider(provider_key)
        .ok_or_else(|| Error::invalid("unknown-provider", "connection_id", "there is no such provider"))?;
    if credentials.are_exactly(&provider.credential_fields()) { Ok(()) } else { Err(misfit()) }
}

fn misfit() -> Error {
    Error::invalid("credential-fields-mismatch", "fields", "all fields the provider declares, and no others")
}

impl From<InvalidCredentialValue> for Error {
    fn from(_: InvalidCredentialValue) -> Self {
        Self::invalid(
            "bad-credential-value",
            "fields",
            "each value a text of 1 to 4,096 bytes, without control characters",
        )
    }
}

impl From<InvalidCredentials> for Error {
    fn from(error: InvalidCredentials) -> Self {
        match error {
            InvalidCredentials::Value(error) => error.into(),
            InvalidCredentials::Twice => misfit(),
        }
    }
}
