//! Decisions: create, supersede, revoke.
//!
//! The component judges every decision before it is written; the database judges it again. One active binding
//! per subject is the database's word too: whoever comes second is told who came first.
//!
//! A dry run is the same transaction, dropped where it would be committed: the database judges what is tried as it would
//! what is meant. Its idempotency key is neither claimed nor asked for what was done under it. Whoever may not do it is
//! told of all the same, whatever they only wanted to try.

use provident_identity::{ActorKind, BindingStatus, Decision, DecisionAction, ResolutionMode};
use uuid::Uuid;

use super::idempotency::Asked;
use super::references::{Mentioned, References};
use super::resolve::{Resource, Subject, check_legacy_key};
use super::{Ask, Service};
use crate::actor::{Actor, SystemActor};
use crate::audit::{BindingMark, Draft, Operation, SubjectMark};
use crate::binding::{Binding, CreateBinding, Decider, Ending, Note, RevokeBinding, Sources, SupersedeBinding};
use crate::clock::Timestamp;
use crate::error::{Conflict, Error};
use crate::policy::Capability;
use crate::registry::RecordRef;
use crate::store::{EnvironmentScope, NewBinding, StoreError, WriteTx};
use crate::workspace::WorkspaceRef;

/// How often a first writer looks again when the winner of a race is gone.
pub(super) const CREATE_ATTEMPTS: u32 = 4;

impl Service {
    /// A first decision about a subject: bound by hand, excluded, accepted, unsupported or missing (P381-56..60). The
    /// answer to a dry run is the binding there would be, under an id that nobody has.
    ///
    /// # Errors
    /// `not-found`, `forbidden`; every code of the component's `check`, `parse` and `describe`;
    /// `subject-domain-required`, `subject-domain-mismatch`, `source-out-of-scope`,
    /// `connection-provider-mismatch`, `legacy-key-too-long`, `legacy-key-not-storable`;
    /// `active-binding-exists`, `connection-mismatch`, `idempotency-key-reused`.
    pub async fn create_binding(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        request: &CreateBinding,
    ) -> Result<Binding, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = self.environment_id(workspace_id, environment).await?;
        self.mutate(workspace_id, |tx| self.create_once(tx, actor, workspace_id, environment_id, request)).await
    }

    async fn create_once(
        &self,
        mut tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        environment_id: Uuid,
        request: &CreateBinding,
    ) -> Result<Binding, Error> {
        let (standing, scope) =
            tx.locked_standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
        let ask = Ask::environment(actor, Operation::BindingCreate, Capability::WorkspaceBaselinesManage);
        let (mut tx, scope) = self.admit(tx, ask, standing, Some(environment_id), scope).await?;
        let id = tx.new_id()?;
        let asked = Asked::in_environment(Operation::BindingCreate, workspace_id, environment_id, request);
        let key = request.idempotency_key.as_ref().filter(|_| !request.dry_run);
        if let Some(made) = self.done_before(&mut tx, actor, key, &asked, id).await? {
            return Ok(made.as_created());
        }
        self.create_in(tx, &scope, Draft::by(Operation::BindingCreate, actor), id, request).await
    }

    /// The platform's own decision about a subject, in one of the three automatic modes. It only ever creates: a
    /// subject somebody decided about is left alone (X09). No person can call it.
    ///
    /// # Errors
    /// As [`Service::create_binding`]; `not-found` only if there is no such environment.
    pub async fn create_automatic_binding(
        &self,
        _system: &SystemActor,
        workspace_id: Uuid,
        environment_id: Uuid,
        request: &CreateBinding,
    ) -> Result<Binding, Error> {
        self.mutate(workspace_id, |tx| self.create_automatic_once(tx, workspace_id, environment_id, request)).await
    }

    async fn create_automatic_once(
        &self,
        mut tx: WriteTx,
        workspace_id: Uuid,
        environment_id: Uuid,
        request: &CreateBinding,
    ) -> Result<Binding, Error> {
        let (_, scope) = tx.standing(workspace_id, Uuid::nil(), environment_id).await?;
        let scope = scope.ok_or(Error::NotFound)?;
        let id = tx.new_id()?;
        self.create_in(tx, &scope, Draft::new(Operation::BindingCreate, Decider::System), id, request).await
    }

    async fn create_in(
        &self,
        mut tx: WriteTx,
        scope: &EnvironmentScope,
        event: Draft,
        id: Uuid,
        request: &CreateBinding,
    ) -> Result<Binding, Error> {
        let known = References::of(&mut tx, scope, [Mentioned::by_create(request)]).await?;
        let mut new = self.first_decision(&tx, &known, (id, event.actor), request)?;
        if let Some(ended_at) = tx.last_ended_at(scope, &new.canonical_subject_key).await? {
            new.decided_at = new.decided_at.max(ended_at);
        }
        let created = insert_first(&mut tx, scope, &new).await?;
        refuse_overlap(&mut tx, scope, &created).await?;
        if !request.dry_run {
            tx.commit(about(event, None, &created)).await?;
        }
        Ok(created)
    }

    /// Judges a first decision by what it refers to, and says what is to be written. It begins now; where one before
    /// it ended later, the caller has it begin then.
    pub(super) fn first_decision(
        &self,
        tx: &WriteTx,
        known: &References,
        (id, decider): (Uuid, Decider),
        request: &CreateBinding,
    ) -> Result<NewBinding, Error> {
        let subject = self.subject(known, &request.subject)?;
        let resource = self.resource(known, request.resource.as_ref())?;
        let judged = Judged {
            action: DecisionAction::Create,
            actor: decider.kind(),
            mode: Some(request.mode),
            reason: request.reason.clone(),
        };
        let note = self.judge(&judged, subject.key.as_str(), resource.as_ref(), request.note.as_ref())?;
        let domain = self.domain(&subject, request.subject_domain.as_deref(), None)?;
        check_legacy_key(request.legacy_subject_key.as_ref())?;
        known.check_connection(request.provider_connection_id, &subject.provider_key)?;
        let sources = with_item(request.sources, &subject, resource.as_ref());
        known.check_sources(sources)?;
        Ok(NewBinding {
            id,
            provider_key: subject.provider_key,
            provider_connection_id: request.provider_connection_id,
            subject_domain: domain,
            subject_class: subject.class,
            subject_type_key: subject.type_key,
            legacy_subject_key: request.legacy_subject_key.clone(),
            canonical_subject_key: subject.key,
            resource: resource.map(|resource| resource.bound),
            mode: request.mode,
            reason: request.reason.clone(),
            note,
            decided_by: decider,
            decided_at: tx.now(),
            supersedes_binding_id: None,
            sources,
        })
    }

    /// A decision in place of the active one (P381-61). The id in hand is the one expected to be active. A dry run is
    /// answered as by [`Service::create_binding`].
    ///
    /// # Errors
    /// As [`Service::create_binding`], and `stale-binding`, `subject-mismatch`.
    pub async fn supersede_binding(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        binding_id: Uuid,
        request: &SupersedeBinding,
    ) -> Result<Binding, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        self.mutate(workspace_id, |tx| self.supersede_once(tx, actor, workspace_id, binding_id, request)).await
    }

    async fn supersede_once(
        &self,
        tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        binding_id: Uuid,
        request: &SupersedeBinding,
    ) -> Result<Binding, Error> {
        let decider = Decider::Operator(actor.user_id());
        let operation = Operation::BindingSupersede;
        let ask = Ask::environment(actor, operation, Capability::WorkspaceBaselinesManage);
        let (mut tx, old, scope) = self.own(tx, ask, workspace_id, binding_id).await?;
        let id = tx.new_id()?;
        let asked = Asked::of_binding(operation, workspace_id, binding_id, request);
        let key = request.idempotency_key.as_ref().filter(|_| !request.dry_run);
        if let Some(made) = self.done_before(&mut tx, actor, key, &asked, id).await? {
            return Ok(made.as_created());
        }
        let new = self.successor(&mut tx, &scope, &old, (id, decider), request).await?;
        refuse_ended(&mut tx, &scope, &old).await?;
        refuse_other_connection(&old, request.provider_connection_id)?;
        let ending = Ending::Superseded { at: new.decided_at };
        let Some(old) = tx.end_binding(&scope, old.id, &ending).await? else {
            return Err(stale(&mut tx, &scope, &old).await?);
        };
        let Some(created) = tx.insert_binding(&scope, &new).await? else {
            return Err(stale(&mut tx, &scope, &old).await?);
        };
        if !request.dry_run {
            tx.commit(about(Draft::by(operation, actor), Some(&old), &created)).await?;
        }
        Ok(created)
    }

    async fn successor(
        &self,
        tx: &mut WriteTx,
        scope: &EnvironmentScope,
        old: &Binding,
        (id, decider): (Uuid, Decider),
        request: &SupersedeBinding,
    ) -> Result<NewBinding, Error> {
        let known = References::of(tx, scope, [Mentioned::by_supersede(request, old)]).await?;
        let subject = request.subject.as_ref().map(|subject| self.subject(&known, subject)).transpose()?;
        if subject.as_ref().is_some_and(|subject| subject.key != old.canonical_subject_key) {
            return Err(Conflict::SubjectMismatch.into());
        }
        let subject = match subject {
            Some(subject) => subject,
            None => self.own_subject(&known, old)?,
        };
        let resource = self.resource(&known, request.resource.as_ref())?;
        let judged = Judged {
            action: DecisionAction::Supersede,
            actor: decider.kind(),
            mode: Some(request.mode),
            reason: request.reason.clone(),
        };
        let note = self.judge(&judged, subject.key.as_str(), resource.as_ref(), request.note.as_ref())?;
        let domain = self.domain(&subject, request.subject_domain.as_deref(), Some(&old.subject_domain))?;
        check_legacy_key(request.legacy_subject_key.as_ref())?;
        let connection_id = request.provider_connection_id.or(old.provider_connection_id);
        known.check_connection(connection_id, &subject.provider_key)?;
        let sources = with_item(request.sources, &subject, resource.as_ref());
        known.check_sources(sources)?;
        let legacy = request.legacy_subject_key.as_ref().or(old.legacy_subject_key.as_ref());
        Ok(NewBinding {
            id,
            provider_key: subject.provider_key,
            provider_connection_id: connection_id,
            subject_domain: domain,
            subject_class: subject.class,
            subject_type_key: subject.type_key,
            legacy_subject_key: legacy.cloned(),
            canonical_subject_key: subject.key,
            resource: resource.map(|resource| resource.bound),
            mode: request.mode,
            reason: request.reason.clone(),
            note,
            decided_by: decider,
            decided_at: end_of(old, tx.now()),
            supersedes_binding_id: Some(old.id),
            sources,
        })
    }

    /// The end of the active decision, with a note that says why (P381-62). The answer to a dry run is the binding as it
    /// would be; it stays as it is.
    ///
    /// # Errors
    /// `not-found`, `forbidden`; the component's codes about notes; `stale-binding`, `idempotency-key-reused`.
    pub async fn revoke_binding(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        binding_id: Uuid,
        request: impl Into<RevokeBinding>,
    ) -> Result<Binding, Error> {
        let request = request.into();
        let workspace_id = self.workspace_id(workspace).await?;
        self.mutate(workspace_id, |tx| self.revoke_once(tx, actor, workspace_id, binding_id, &request)).await
    }

    async fn revoke_once(
        &self,
        tx: WriteTx,
        actor: Actor,
        workspace_id: Uuid,
        binding_id: Uuid,
        request: &RevokeBinding,
    ) -> Result<Binding, Error> {
        let operation = Operation::BindingRevoke;
        let ask = Ask::environment(actor, operation, Capability::WorkspaceBaselinesManage);
        let (mut tx, old, scope) = self.own(tx, ask, workspace_id, binding_id).await?;
        let asked = Asked::of_binding(operation, workspace_id, binding_id, request);
        let key = request.idempotency_key.as_ref().filter(|_| !request.dry_run);
        if let Some(ended) = self.done_before(&mut tx, actor, key, &asked, binding_id).await? {
            return Ok(ended);
        }
        let judged = Judged { action: DecisionAction::Revoke, actor: ActorKind::Operator, mode: None, reason: None };
        let note = self.judge(&judged, old.canonical_subject_key.as_str(), None, request.note.as_ref())?;
        refuse_ended(&mut tx, &scope, &old).await?;
        let ending = Ending::Revoked {
            at: end_of(&old, tx.now()),
            by_user_id: actor.user_id(),
            // The component has just refused a decision without one.
            note: note.clone().unwrap_or_else(|| Note::new("")),
        };
        let Some(revoked) = tx.end_binding(&scope, old.id, &ending).await? else {
            return Err(stale(&mut tx, &scope, &old).await?);
        };
        let mut event = Draft::by(operation, actor);
        event.environment_id = Some(revoked.environment_id);
        event.subject = Some(SubjectMark::from(&revoked));
        event.old = Some(mark(&revoked));
        event.note = note;
        if !request.dry_run {
            tx.commit(event).await?;
        }
        Ok(revoked)
    }

    /// A binding and its own environment, for somebody who may do to it what they ask.
    pub(super) async fn own(
        &self,
        mut tx: WriteTx,
        ask: Ask,
        workspace_id: Uuid,
        binding_id: Uuid,
    ) -> Result<(WriteTx, Binding, EnvironmentScope), Error> {
        let found = tx.binding_by_id(workspace_id, binding_id).await?;
        let environment_id = found.as_ref().map(|binding| binding.environment_id);
        let (standing, scope) = tx
            .locked_standing(workspace_id, ask.actor.user_id_in(workspace_id), environment_id.unwrap_or(Uuid::nil()))
            .await?;
        let (tx, (binding, scope)) = self.admit(tx, ask, standing, environment_id, found.zip(scope)).await?;
        Ok((tx, binding, scope))
    }

    /// The subject a binding has already. Its domain is inherited.
    fn own_subject(&self, known: &References, old: &Binding) -> Result<Subject, Error> {
        let key = crate::binding::SubjectRef::Key(old.canonical_subject_key.as_str().to_owned());
        self.subject(known, &key)
    }

    /// Has the component judge a decision, and gives back the note as it is to be stored.
    fn judge(
        &self,
        judged: &Judged,
        subject_key: &str,
        resource: Option<&Resource>,
        note: Option<&Note>,
    ) -> Result<Option<Note>, Error> {
        let note = self.rewritten(note)?;
        self.identity.check(&Decision {
            action: judged.action,
            actor: judged.actor,
            mode: judged.mode,
            subject: subject_key.to_owned(),
            resource: resource.map(|resource| resource.bound.key.as_str().to_owned()),
            note: note.clone(),
            reason: judged.reason.clone(),
        })?;
        Ok(note.map(Note::new))
    }
}

/// What of a decision is neither subject, resource nor note.
struct Judged {
    action: DecisionAction,
    actor: ActorKind,
    mode: Option<ResolutionMode>,
    reason: Option<String>,
}

/// Writes a first decision, or says who was first. The winner of a race may be gone when looked for: then there
/// is room again, and it is tried again.
async fn insert_first(tx: &mut WriteTx, scope: &EnvironmentScope, new: &NewBinding) -> Result<Binding, Error> {
    for _ in 0..CREATE_ATTEMPTS {
        if let Some(created) = tx.insert_binding(scope, new).await? {
            return Ok(created);
        }
        if let Some(active) = tx.active_binding(scope, &new.provider_key, &new.canonical_subject_key).await? {
            refuse_other_connection(&active, new.provider_connection_id)?;
            return Err(Conflict::ActiveBindingExists { active_binding_id: Some(active.id) }.into());
        }
    }
    Err(Conflict::ActiveBindingExists { active_binding_id: None }.into())
}

/// A decision that ended while this one waited for its place may have ended later than this one begins: then it is
/// begun again. From here on the place is taken, and no other can end in it.
async fn refuse_overlap(tx: &mut WriteTx, scope: &EnvironmentScope, created: &Binding) -> Result<(), Error> {
    match tx.last_ended_at(scope, &created.canonical_subject_key).await? {
        Some(ended_at) if ended_at > created.decided_at => Err(StoreError::Busy.into()),
        _ => Ok(()),
    }
}

/// Two rows of one subject may not name different connections (X15).
pub(super) fn refuse_other_connection(active: &Binding, connection_id: Option<Uuid>) -> Result<(), Error> {
    match (active.provider_connection_id, connection_id) {
        (Some(theirs), Some(ours)) if theirs != ours => {
            Err(Conflict::ConnectionMismatch { active_binding_id: active.id }.into())
        }
        _ => Ok(()),
    }
}

async fn refuse_ended(tx: &mut WriteTx, scope: &EnvironmentScope, binding: &Binding) -> Result<(), Error> {
    if binding.ending.is_some() {
        return Err(stale(tx, scope, binding).await?);
    }
    Ok(())
}

/// That a binding has ended, and which one is active instead.
async fn stale(tx: &mut WriteTx, scope: &EnvironmentScope, binding: &Binding) -> Result<Error, Error> {
    let active = tx.active_binding(scope, &binding.provider_key, &binding.canonical_subject_key).await?;
    let active_binding_id = active.map(|active| active.id).filter(|id| *id != binding.id);
    Ok(Conflict::StaleBinding { active_binding_id }.into())
}

/// When a binding ends that ends now: after it began, whatever the clock says.
fn end_of(binding: &Binding, now: Timestamp) -> Timestamp {
    now.max(binding.decided_at.next())
}

/// A decision made from an inventory item names it as its source, unless another is named.
fn with_item(given: Sources, subject: &Subject, resource: Option<&Resource>) -> Sources {
    let named = resource.and_then(|resource| resource.item_id).or(subject.item_id);
    Sources { inventory_item_id: given.inventory_item_id.or(named), ..given }
}

fn mark(binding: &Binding) -> BindingMark {
    BindingMark { id: binding.id, mode: binding.mode, status: binding.status() }
}

/// Has an event tell of a new binding.
pub(super) fn about(mut event: Draft, old: Option<&Binding>, new: &Binding) -> Draft {
    event.environment_id = Some(new.environment_id);
    event.subject = Some(SubjectMark::from(new));
    event.old = old.map(mark);
    event.new = Some(BindingMark { status: BindingStatus::Active, ..mark(new) });
    event.sources = new.sources;
    event.reason.clone_from(&new.reason);
    event.note.clone_from(&new.note);
    event
}
