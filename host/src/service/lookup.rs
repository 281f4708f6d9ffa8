//! Reading bindings: one, many, by key, by subject. Nothing is ever shown as matched: an answer says what was
//! decided, or that nothing was (S380-20).

use std::collections::HashMap;

use provident_identity::{CallError, CanonicalSubjectKey, ComponentError, ErrorCode, ProviderResourceDescriptor};
use uuid::Uuid;

use super::Service;
use super::resolve::too_long;
use crate::actor::Actor;
use crate::binding::{Binding, BindingFilter, LegacySubjectKey, LookupAnswer};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::policy::{self, Capability, Reach};
use crate::registry::RecordRef;
use crate::store::{EnvironmentScope, ReadTx};
use crate::workspace::WorkspaceRef;

/// Most keys, or descriptors, of one look-up.
pub const MAX_LOOKUP_KEYS: usize = 10_000;
/// How many keys one statement takes.
const KEYS_PER_STATEMENT: usize = 500;

/// A subject that is looked up.
struct Sought {
    provider_key: String,
    key: CanonicalSubjectKey,
}

impl Service {
    /// A binding by its id, in its own environment.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn binding(&self, actor: Actor, workspace: &WorkspaceRef, binding_id: Uuid) -> Result<Binding, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let mut tx = self.read(workspace_id).await?;
        let (binding, _) = visible(&mut tx, actor, workspace_id, binding_id).await?;
        Ok(binding)
    }

    /// The bindings of an environment that a filter lets through, newest first.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn bindings(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        filter: &BindingFilter,
        page: PageRequest,
    ) -> Result<Page<Binding>, Error> {
        let (mut tx, scope) = self.viewing(actor, workspace, environment).await?;
        let texts = [
            filter.provider_key.as_deref(),
            filter.canonical_subject_key.as_deref(),
            filter.subject_domain.as_deref(),
            filter.legacy_subject_key.as_ref().map(LegacySubjectKey::as_str),
        ];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            // No row has it, and not every engine takes it as a parameter.
            return Ok(page.page(Vec::new(), |binding: &Binding| binding.id));
        }
        Ok(tx.bindings(&scope, filter, page).await?)
    }

    /// The decisions that hold and resolve a subject to this resource, newest first: which subjects are bound to it.
    ///
    /// # Errors
    /// `not-found`, `forbidden`; the codes of parsing.
    pub async fn bindings_of_resource(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        resource: &str,
        page: PageRequest,
    ) -> Result<Page<Binding>, Error> {
        let (mut tx, scope) = self.viewing(actor, workspace, environment).await?;
        let parsed = self.parse(resource, "resource")?;
        Ok(tx.bindings_of_resource(&scope, &parsed.key, page).await?)
    }

    /// What is known of each key in an environment, in the order of the keys: now, or as of a moment. A key that is none
    /// is answered for itself and spoils no other.
    ///
    /// A decision held from `decided_at` until, and not at, `ended_at`. As of a moment, one that held then is active
    /// and shown as it stood then, without its end; of a subject of which none did, the last that had ended by then is
    /// named. A moment to come is answered by what has been decided so far.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `too-many-keys`.
    pub async fn lookup(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        keys: &[impl AsRef<str>],
        as_of: Option<Timestamp>,
    ) -> Result<Vec<LookupAnswer>, Error> {
        let (mut tx, scope) = self.viewing(actor, workspace, environment).await?;
        if keys.len() > MAX_LOOKUP_KEYS {
            return Err(Error::invalid("too-many-keys", "keys", "at most 10,000 at once"));
        }
        let sought = |key: &_| self.sought_by_key(AsRef::as_ref(key));
        answers(&mut tx, &scope, keys, sought, as_of).await
    }

    /// As [`Service::lookup`], of the subjects that descriptors are about, in the order of the descriptors. One that the
    /// component refuses is answered for itself; label and fingerprint make no difference.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `too-many-keys`.
    pub async fn lookup_descriptors(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        descriptors: &[ProviderResourceDescriptor],
        as_of: Option<Timestamp>,
    ) -> Result<Vec<LookupAnswer>, Error> {
        let (mut tx, scope) = self.viewing(actor, workspace, environment).await?;
        if descriptors.len() > MAX_LOOKUP_KEYS {
            return Err(Error::invalid("too-many-keys", "descriptors", "at most 10,000 at once"));
        }
        answers(&mut tx, &scope, descriptors, |descriptor| self.sought_by_descriptor(descriptor), as_of).await
    }

    fn sought_by_key(&self, key: &str) -> Result<Sought, Error> {
        let parsed = self.parse(key, "key")?;
        Ok(Sought { provider_key: parsed.provider_key, key: parsed.key })
    }

    fn sought_by_descriptor(&self, descriptor: &ProviderResourceDescriptor) -> Result<Sought, Error> {
        let described = self.identity.describe(descriptor).map_err(|error| match error {
            CallError::Component(ComponentError::InputTooLarge { .. }) => {
                too_long(ErrorCode::RequestTooLarge, "descriptor")
            }
            other => other.into(),
        })?;
        Ok(Sought { provider_key: descriptor.identity.provider_key.clone(), key: described.key })
    }

    /// Every decision about a subject in an environment, newest first.
    ///
    /// # Errors
    /// `not-found`, `forbidden`; the codes of parsing.
    pub async fn history_of_subject(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        key: &str,
        page: PageRequest,
    ) -> Result<Page<Binding>, Error> {
        let (mut tx, scope) = self.viewing(actor, workspace, environment).await?;
        let parsed = self.parse(key, "key")?;
        Ok(tx.history(&scope, &parsed.key, page).await?)
    }

    /// Every decision about the subject of a binding, in the binding's own environment, newest first.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn history_of_binding(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        binding_id: Uuid,
        page: PageRequest,
    ) -> Result<Page<Binding>, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let mut tx = self.read(workspace_id).await?;
        let (binding, scope) = visible(&mut tx, actor, workspace_id, binding_id).await?;
        Ok(tx.history(&scope, &binding.canonical_subject_key, page).await?)
    }

    /// One state of an environment, for somebody who may see its bindings.
    async fn viewing(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
    ) -> Result<(ReadTx, EnvironmentScope), Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = self.environment_id(workspace_id, environment).await?;
        let mut tx = self.read(workspace_id).await?;
        let (standing, scope) = tx.standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
        let scope = policy::authorize(Capability::WorkspaceBaselinesView, Reach::Environment, standing, scope)?;
        Ok((tx, scope))
    }
}

/// A binding and its own environment, for somebody who may see it.
async fn visible(
    tx: &mut ReadTx,
    actor: Actor,
    workspace_id: Uuid,
    binding_id: Uuid,
) -> Result<(Binding, EnvironmentScope), Error> {
    let found = tx.binding_by_id(workspace_id, binding_id).await?;
    let environment_id = found.as_ref().map_or(Uuid::nil(), |binding| binding.environment_id);
    let (standing, scope) = tx.standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
    let found = found.zip(scope);
    Ok(policy::authorize(Capability::WorkspaceBaselinesView, Reach::Environment, standing, found)?)
}

/// One answer for each thing asked, in order, by the subject it is about.
async fn answers<Asked>(
    tx: &mut ReadTx,
    scope: &EnvironmentScope,
    asked: &[Asked],
    sought: impl Fn(&Asked) -> Result<Sought, Error>,
    as_of: Option<Timestamp>,
) -> Result<Vec<LookupAnswer>, Error> {
    let mut answers = Vec::with_capacity(asked.len());
    for chunk in asked.chunks(KEYS_PER_STATEMENT) {
        let subjects = chunk.iter().map(&sought).collect::<Vec<_>>();
        let valid = subjects.iter().filter_map(|subject| subject.as_ref().ok()).collect::<Vec<_>>();
        let known = match as_of {
            None => known(tx, scope, &valid).await?,
            Some(at) => known_as_of(tx, scope, &valid, at).await?,
        };
        for subject in subjects {
            answers.push(answer(subject, &known)?);
        }
    }
    Ok(answers)
}

/// The active decision of each key that has one, else the last.
async fn known(tx: &mut ReadTx, scope: &EnvironmentScope, keys: &[&Sought]) -> Result<HashMap<String, Binding>, Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let providers = keys.iter().map(|sought| sought.provider_key.as_str()).collect::<Vec<_>>();
    let texts = keys.iter().map(|sought| sought.key.as_str()).collect::<Vec<_>>();
    let active = tx.active_bindings(scope, &providers, &texts).await?;
    let mut known = by_key(active);
    let missing = texts.into_iter().filter(|text| !known.contains_key(*text)).collect::<Vec<_>>();
    if !missing.is_empty() {
        known.extend(by_key(tx.last_bindings(scope, &missing).await?));
    }
    Ok(known)
}

/// What each key's last decision was that had begun by a moment, as it stood then: the decisions about a subject never
/// overlap, so that no other can have held.
async fn known_as_of(
    tx: &mut ReadTx,
    scope: &EnvironmentScope,
    keys: &[&Sought],
    at: Timestamp,
) -> Result<HashMap<String, Binding>, Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let texts = keys.iter().map(|sought| sought.key.as_str()).collect::<Vec<_>>();
    let mut begun = by_key(tx.bindings_begun_by(scope, &texts, at).await?);
    for binding in begun.values_mut() {
        binding.stand_as_of(at);
    }
    Ok(begun)
}

fn by_key(bindings: Vec<Binding>) -> HashMap<String, Binding> {
    let key = |binding: &Binding| binding.canonical_subject_key.as_str().to_owned();
    bindings.into_iter().map(|binding| (key(&binding), binding)).collect()
}

fn answer(sought: Result<Sought, Error>, known: &HashMap<String, Binding>) -> Result<LookupAnswer, Error> {
    let sought = match sought {
        Ok(sought) => sought,
        Err(Error::Refused(errors)) => {
            let first = errors.into_iter().next();
            return Ok(first.map_or(LookupAnswer::None, |error| LookupAnswer::Refused { error }));
        }
        Err(other) => return Err(other),
    };
    Ok(match known.get(sought.key.as_str()) {
        None => LookupAnswer::None,
        Some(binding) if binding.ending.is_none() => LookupAnswer::Active { binding: Box::new(binding.clone()) },
        Some(binding) => LookupAnswer::Ended { status: binding.status(), binding_id: binding.id },
    })
}
