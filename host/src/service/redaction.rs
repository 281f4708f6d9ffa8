//! Redaction: the notes of a binding give way to a marker.
//!
//! An owner's alone, and for good. What the events say of a note (its length and HMAC) stays, so that the trail still
//! verifies, and who has a copy of the words can still show that they are the ones.

use uuid::Uuid;

use super::{Ask, Service};
use crate::actor::Actor;
use crate::audit::{BindingMark, Draft, Operation, SubjectMark};
use crate::binding::Binding;
use crate::error::{Conflict, Error};
use crate::policy::Capability;
use crate::store::{StoreError, WriteTx};
use crate::workspace::WorkspaceRef;

impl Service {
    /// Takes the words of a binding's notes away, the decision's and its end's: they are in the database no more. Of
    /// SQLite that is so for its files, as soon as nobody else reads them; PostgreSQL keeps dead rows until VACUUM.
    ///
    /// # Errors
    /// `not-found`, `forbidden`; `note-absent`, `note-already-redacted`.
    pub async fn redact_note(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        binding_id: Uuid,
    ) -> Result<Binding, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let redacted =
            self.mutate(workspace_id, |tx| self.redact_note_once(tx, actor, workspace_id, binding_id)).await?;
        // It is done, whether or not readers keep the log from being emptied at once.
        let _ = self.store.wipe_overwritten().await;
        Ok(redacted)
    }

    async fn redact_note_once(
        &self,
        tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        binding_id: Uuid,
    ) -> Result<Binding, Error> {
        let operation = Operation::BindingRedactNote;
        let ask = Ask::environment(actor, operation, Capability::WorkspaceManage);
        let (mut tx, binding, scope) = self.own(tx, ask, workspace_id, binding_id).await?;
        if binding.notes().next().is_none() {
            return Err(Conflict::NoteAbsent.into());
        }
        if !tx.redact_notes(&scope, binding_id).await? {
            return Err(Conflict::NoteAlreadyRedacted.into());
        }
        let redacted = tx.binding_by_id(workspace_id, binding_id).await?.ok_or(StoreError::Corrupt("binding"))?;
        let mut event = Draft::by(operation, actor);
        event.environment_id = Some(redacted.environment_id);
        event.subject = Some(SubjectMark::from(&redacted));
        event.old = Some(BindingMark { id: redacted.id, mode: redacted.mode, status: redacted.status() });
        tx.commit(event).await?;
        Ok(redacted)
    }
}
