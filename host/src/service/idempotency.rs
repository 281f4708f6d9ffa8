//! The same request again: answered as it was, written once.
//!
//! A key is claimed after its user was let in and before anything is decided, in the transaction of the mutation: two
//! at once with one key wait for each other here, and what was refused leaves the key free. Of the request no word is
//! kept. It is stood for by an HMAC under the workspace's note key, because a bare hash of a short note can be guessed
//! (X18). The answer is not kept either: it is read from the binding again.

use serde::Serialize;
use uuid::Uuid;

use super::Service;
use crate::actor::Actor;
use crate::audit::Operation;
use crate::binding::Binding;
use crate::error::{Conflict, Error};
use crate::idempotency::IdempotencyKey;
use crate::secret::NoteKey;
use crate::store::{KeyedRequest, StoreError, WriteTx};

/// What the text of a request begins with. It ends in LF, which no note does: so no note has the HMAC of a request.
const REQUEST_TAG: &str = "provident-request-1";

/// Everything a request is: what, where and how. Members in this order are its text.
#[derive(Debug, Serialize)]
pub(super) struct Asked<'a, R> {
    /// What is to be done.
    pub(super) operation: &'static str,
    /// Where.
    pub(super) workspace_id: Uuid,
    /// The environment named, of a creation.
    pub(super) environment_id: Option<Uuid>,
    /// The binding named, of all others.
    pub(super) binding_id: Option<Uuid>,
    /// As it came, note included.
    pub(super) request: &'a R,
}

impl<'a, R: Serialize> Asked<'a, R> {
    /// To decide something in an environment.
    pub(super) fn in_environment(
        operation: Operation,
        workspace_id: Uuid,
        environment_id: Uuid,
        request: &'a R,
    ) -> Self {
        let operation = operation.attempted();
        Self { operation, workspace_id, environment_id: Some(environment_id), binding_id: None, request }
    }

    /// To decide something about a binding.
    pub(super) fn of_binding(operation: Operation, workspace_id: Uuid, binding_id: Uuid, request: &'a R) -> Self {
        let operation = operation.attempted();
        Self { operation, workspace_id, environment_id: None, binding_id: Some(binding_id), request }
    }
}

impl Service {
    /// Claims the key a request came with, if it came with one, for the binding it will make or end. Gives the binding
    /// back if the same was done before: then nothing is left to do.
    ///
    /// # Errors
    /// `idempotency-key-reused` if something else was done under the key.
    pub(super) async fn done_before<R: Serialize + Sync>(
        &self,
        tx: &mut WriteTx,
        actor: Actor,
        key: Option<&IdempotencyKey>,
        asked: &Asked<'_, R>,
        binding_id: Uuid,
    ) -> Result<Option<Binding>, Error> {
        let Some(key) = key else { return Ok(None) };
        let note_key = self.note_key(tx, asked.workspace_id).await?;
        done_under(tx, actor, &note_key, key, asked, binding_id).await
    }

    /// What requests are stood for with.
    pub(super) async fn note_key(&self, tx: &mut WriteTx, workspace_id: Uuid) -> Result<NoteKey, Error> {
        let head = tx.chain_head(workspace_id).await?.ok_or(StoreError::NotInitialised)?;
        Ok(self.master.open_note_key(&head.note_key, workspace_id, head.note_key_version)?)
    }
}

/// Claims a key, as [`Service::done_before`].
pub(super) async fn done_under<R: Serialize + Sync>(
    tx: &mut WriteTx,
    actor: Actor,
    note_key: &NoteKey,
    key: &IdempotencyKey,
    asked: &Asked<'_, R>,
    binding_id: Uuid,
) -> Result<Option<Binding>, Error> {
    let json = serde_json::to_string(asked).map_err(|_| StoreError::Corrupt("request"))?;
    let request_sha256 = note_key.hmac(&format!("{REQUEST_TAG}\n{json}\n"));
    let request = KeyedRequest { operation: asked.operation.to_owned(), request_sha256, binding_id };
    let Some(before) = tx.claim_key(actor.user_id(), key, &request).await? else { return Ok(None) };
    if (before.operation, before.request_sha256) != (request.operation, request.request_sha256) {
        return Err(Conflict::IdempotencyKeyReused.into());
    }
    let done = tx.binding_by_id(asked.workspace_id, before.binding_id).await?;
    Ok(Some(done.ok_or(StoreError::Corrupt("binding of an idempotency key"))?))
}
