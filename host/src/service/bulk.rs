//! Many first decisions in one transaction: each answered for itself, each with an event of its own.
//!
//! What is wrong with one item spoils no other; what is wrong with the database spoils them all, and then nothing is
//! written. Items take their places in the order of their keys, whatever order they were given in: two chunks over
//! the same subjects that took them in different orders would wait for each other. A single decision: `binding.rs`.

use std::collections::{BTreeMap, HashMap, HashSet};

use provident_identity::CanonicalSubjectKey;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::binding::{CREATE_ATTEMPTS, about, refuse_other_connection};
use super::idempotency::{Asked, done_under};
use super::references::{Mentioned, References};
use super::{Ask, Service};
use crate::actor::Actor;
use crate::audit::{Draft, Operation};
use crate::binding::{Binding, CreateBinding, Decider};
use crate::error::{Conflict, Error};
use crate::idempotency::IdempotencyKey;
use crate::policy::Capability;
use crate::registry::RecordRef;
use crate::store::{EnvironmentScope, NewBinding, StoreError, WriteTx};
use crate::workspace::WorkspaceRef;

/// Most decisions of one bulk: what a transaction can write in a fraction of the time a mutation has.
pub const MAX_BULK_ITEMS: usize = 500;

/// First decisions about many subjects.
#[derive(Clone, Copy, Debug)]
pub struct BulkCreate<'a> {
    /// The decisions.
    pub items: &'a [CreateBinding],
    /// Whether all is to be judged and nothing written: the answers say what would be. An id in them is nobody's; keys
    /// are neither claimed nor asked for what was done under them, and one that two items share is still one request.
    pub dry_run: bool,
}

impl<'a> From<&'a [CreateBinding]> for BulkCreate<'a> {
    fn from(items: &'a [CreateBinding]) -> Self {
        Self { items, dry_run: false }
    }
}

impl<'a, const N: usize> From<&'a [CreateBinding; N]> for BulkCreate<'a> {
    fn from(items: &'a [CreateBinding; N]) -> Self {
        items.as_slice().into()
    }
}

impl<'a> From<&'a Vec<CreateBinding>> for BulkCreate<'a> {
    fn from(items: &'a Vec<CreateBinding>) -> Self {
        items.as_slice().into()
    }
}

/// Decisions of which some could not be read: those that could, and the places of the others.
#[derive(Debug)]
pub struct ReadInPlace {
    /// What can be decided, in its order.
    pub items: Vec<CreateBinding>,
    refusals: Vec<Option<BulkRefusal>>,
}

impl ReadInPlace {
    /// Parts those that were read from those that were not.
    #[must_use]
    pub fn of(read: impl IntoIterator<Item = Result<CreateBinding, BulkRefusal>>) -> Self {
        let (mut items, mut refusals) = (Vec::new(), Vec::new());
        for item in read {
            refusals.push(match item {
                Ok(item) => {
                    items.push(item);
                    None
                }
                Err(refusal) => Some(refusal),
            });
        }
        Self { items, refusals }
    }

    /// One answer for each, in the order they were given in, out of those for `items`.
    #[must_use]
    pub fn answers(self, decided: Vec<BulkAnswer>) -> Vec<BulkAnswer> {
        let mut decided = decided.into_iter();
        let in_place = self.refusals.into_iter();
        in_place.filter_map(|refusal| refusal.map(BulkAnswer::Refused).or_else(|| decided.next())).collect()
    }
}

/// What became of one decision of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum BulkAnswer {
    /// It holds.
    Created {
        /// It.
        #[schema(value_type = crate::binding::View)]
        binding: Box<Binding>,
    },
    /// It was not made, and nothing of it written.
    Refused(BulkRefusal),
}

/// Why one decision of many was not made. No note, label or former key in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BulkRefusal {
    /// The stable code; of several broken rules, the first one's.
    pub code: &'static str,
    /// The bare name of the member.
    pub field: String,
    /// For people.
    pub message: String,
    /// The binding that is active instead: an older one, or the one made for an earlier item.
    pub active_binding_id: Option<Uuid>,
}

impl BulkRefusal {
    /// Why an item could not be made; an error that is not the item's own goes on.
    ///
    /// # Errors
    /// Internal ones, `not-found` and `forbidden`.
    pub fn of(error: Error) -> Result<Self, Error> {
        let (code, active_binding_id) = (error.code(), None);
        Ok(match error {
            Error::Refused(errors) => {
                let (field, message) = errors
                    .into_iter()
                    .next()
                    .map_or_else(|| ("request".to_owned(), String::new()), |error| (error.field, error.message));
                BulkRefusal { code, field, message, active_binding_id }
            }
            Error::Invalid(invalid) => BulkRefusal {
                code,
                field: invalid.field.to_owned(),
                message: invalid.message.to_owned(),
                active_binding_id,
            },
            Error::Conflict(conflict) => {
                let field = match conflict {
                    Conflict::ConnectionMismatch { .. } => "provider_connection_id",
                    Conflict::IdempotencyKeyReused => "idempotency_key",
                    _ => "subject",
                };
                let message = conflict.to_string();
                let active_binding_id = conflict.active_binding_id();
                BulkRefusal { code, field: field.to_owned(), message, active_binding_id }
            }
            other => return Err(other),
        })
    }
}

impl BulkAnswer {
    fn refused(error: Error) -> Result<Self, Error> {
        BulkRefusal::of(error).map(Self::Refused)
    }

    /// The answer to an item whose subject is taken.
    fn taken(by: &Binding, connection_id: Option<Uuid>) -> Result<Self, Error> {
        let taken = Conflict::ActiveBindingExists { active_binding_id: Some(by.id) };
        Self::refused(refuse_other_connection(by, connection_id).err().unwrap_or_else(|| taken.into()))
    }
}

/// A decision that is in order, and which item of the request it is.
struct Candidate {
    at: usize,
    new: NewBinding,
}

/// Decisions in the order of their keys. Of those about one subject only the first of the request can be made.
type Candidates = BTreeMap<CanonicalSubjectKey, Vec<Candidate>>;

/// Who has each subject in the end.
type Holders = HashMap<CanonicalSubjectKey, Binding>;

impl Service {
    /// First decisions about up to [`MAX_BULK_ITEMS`] subjects, in one transaction; one answer for each item, in the
    /// order of the items. Of two about one subject the second is refused by the first. Where nothing can be made
    /// nothing is written. A dry run does the same and drops it; one that is denied is told of as any other.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `bulk-too-large`. What is wrong with an item is in its answer, by the codes of
    /// [`Service::create_binding`].
    pub async fn bulk_create_bindings(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        request: impl Into<BulkCreate<'_>>,
    ) -> Result<Vec<BulkAnswer>, Error> {
        let request = request.into();
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = self.environment_id(workspace_id, environment).await?;
        self.mutate(workspace_id, |tx| self.bulk_create_once(tx, actor, (workspace_id, environment_id), request)).await
    }

    async fn bulk_create_once(
        &self,
        mut tx: WriteTx,
        actor: Actor,
        place: (Uuid, Uuid),
        request: BulkCreate<'_>,
    ) -> Result<Vec<BulkAnswer>, Error> {
        let BulkCreate { items, dry_run } = request;
        let (workspace_id, environment_id) = place;
        let (standing, scope) =
            tx.locked_standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
        let ask = Ask::environment(actor, Operation::BindingCreate, Capability::WorkspaceBaselinesManage);
        let (mut tx, scope) = self.admit(tx, ask, standing, Some(environment_id), scope).await?;
        if items.len() > MAX_BULK_ITEMS {
            return Err(Error::invalid("bulk-too-large", "items", "at most 500 decisions at once"));
        }
        let decider = Decider::Operator(actor.user_id());
        let known = References::of(&mut tx, &scope, items.iter().map(Mentioned::by_create)).await?;
        let ids = items.iter().map(|_| tx.new_id()).collect::<Result<Vec<_>, _>>()?;
        let mut keyed = Keyed::of(items);
        if dry_run {
            // What is not done has not been done before either.
            keyed.firsts.clear();
        }
        let (mut answers, claimed) = self.claim(&mut tx, actor, place, &keyed, items, &ids).await?;
        let mut candidates = Candidates::new();
        for ((at, item), id) in items.iter().enumerate().zip(&ids) {
            if answers.contains_key(&at) || keyed.twins.contains_key(&at) {
                continue;
            }
            match self.first_decision(&tx, &known, (*id, decider), item) {
                Ok(new) => {
                    candidates.entry(new.canonical_subject_key.clone()).or_default().push(Candidate { at, new });
                }
                Err(error) => {
                    answers.insert(at, BulkAnswer::refused(error)?);
                }
            }
        }
        begin_after_endings(&mut tx, &scope, &mut candidates).await?;
        let (created, holders) = insert_firsts(&mut tx, &scope, &candidates).await?;
        let mut events = created.iter().map(|created| about(Draft::by(Operation::BindingCreate, actor), None, created));
        if let Some(first) = events.next() {
            refuse_overlaps(&mut tx, &scope, &created).await?;
            let made = created.iter().map(|binding| binding.id).collect::<HashSet<_>>();
            for (key, id) in claimed.into_iter().filter(|(_, id)| !made.contains(id)) {
                tx.release_key(actor.user_id(), key, id).await?;
            }
            let rest = events.collect();
            if !dry_run {
                tx.commit_all(first, rest).await?;
            }
        }
        for (key, candidates) in candidates {
            answer(&mut answers, candidates, holders.get(&key))?;
        }
        for (at, first) in keyed.twins {
            if let Some(same) = answers.get(&first).cloned() {
                answers.insert(at, same);
            }
        }
        Ok(answers.into_values().collect())
    }

    /// Claims each key, in the order of the keys; answers the items that were done before or may not have theirs, and
    /// gives the keys that are this transaction's, each with its binding-to-be.
    async fn claim<'a>(
        &self,
        tx: &mut WriteTx,
        actor: Actor,
        (workspace_id, environment_id): (Uuid, Uuid),
        keyed: &Keyed<'a>,
        items: &[CreateBinding],
        ids: &[Uuid],
    ) -> Result<(BTreeMap<usize, BulkAnswer>, Vec<(&'a IdempotencyKey, Uuid)>), Error> {
        let (mut answers, mut claimed) = (BTreeMap::new(), Vec::with_capacity(keyed.firsts.len()));
        for at in &keyed.others {
            answers.insert(*at, BulkAnswer::refused(Conflict::IdempotencyKeyReused.into())?);
        }
        if keyed.firsts.is_empty() {
            return Ok((answers, claimed));
        }
        let note_key = self.note_key(tx, workspace_id).await?;
        for (key, at) in keyed.firsts.values() {
            let (Some(item), Some(id)) = (items.get(*at), ids.get(*at)) else { continue };
            let asked = Asked::in_environment(Operation::BindingCreate, workspace_id, environment_id, item);
            match done_under(tx, actor, &note_key, key, &asked, *id).await {
                Ok(None) => claimed.push((*key, *id)),
                Ok(Some(made)) => {
                    answers.insert(*at, BulkAnswer::Created { binding: Box::new(made.as_created()) });
                }
                Err(error @ Error::Conflict(_)) => {
                    answers.insert(*at, BulkAnswer::refused(error)?);
                }
                Err(error) => return Err(error),
            }
        }
        Ok((answers, claimed))
    }
}

/// The items that have a key, which stands for one request.
#[derive(Default)]
struct Keyed<'a> {
    /// By key, the first item that has it.
    firsts: BTreeMap<&'a str, (&'a IdempotencyKey, usize)>,
    /// Those that ask again for what the first asks for, each with that one.
    twins: BTreeMap<usize, usize>,
    /// Those that ask for something else.
    others: Vec<usize>,
}

impl<'a> Keyed<'a> {
    fn of(items: &'a [CreateBinding]) -> Self {
        let mut keyed = Self::default();
        for (at, item) in items.iter().enumerate() {
            let Some(key) = &item.idempotency_key else { continue };
            let (_, first) = *keyed.firsts.entry(key.as_str()).or_insert((key, at));
            if first == at {
                continue;
            }
            if items.get(first).is_some_and(|first| is_same(first, item)) {
                keyed.twins.insert(at, first);
            } else {
                keyed.others.push(at);
            }
        }
        keyed
    }
}

/// Whether two requests say the same.
fn is_same(one: &CreateBinding, other: &CreateBinding) -> bool {
    match (serde_json::to_string(one), serde_json::to_string(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Has each decision begin no earlier than the last one about its subject ended.
async fn begin_after_endings(
    tx: &mut WriteTx,
    scope: &EnvironmentScope,
    candidates: &mut Candidates,
) -> Result<(), Error> {
    let keys = candidates.keys().map(CanonicalSubjectKey::as_str).collect::<Vec<_>>();
    let endings = last_endings(tx, scope, &keys).await?;
    for (key, candidates) in candidates {
        if let Some(ended_at) = endings.get(key.as_str()) {
            for candidate in candidates {
                candidate.new.decided_at = candidate.new.decided_at.max(*ended_at);
            }
        }
    }
    Ok(())
}

/// Writes the first decision about each subject that is free, in the order of the keys. The winner of a race may be
/// gone when looked for: then there is room again, and it is tried again, as for a single decision.
async fn insert_firsts(
    tx: &mut WriteTx,
    scope: &EnvironmentScope,
    candidates: &Candidates,
) -> Result<(Vec<Binding>, Holders), Error> {
    let mut waiting: Vec<&NewBinding> =
        candidates.values().filter_map(|candidates| candidates.first()).map(|candidate| &candidate.new).collect();
    let (mut created, mut holders) = (Vec::with_capacity(waiting.len()), Holders::new());
    for _ in 0..CREATE_ATTEMPTS {
        if waiting.is_empty() {
            break;
        }
        let written = tx.insert_bindings(scope, &waiting).await?;
        holders.extend(by_subject(&written));
        created.extend(written);
        waiting.retain(|new| !holders.contains_key(&new.canonical_subject_key));
        if waiting.is_empty() {
            break;
        }
        let providers = waiting.iter().map(|new| new.provider_key.as_str()).collect::<Vec<_>>();
        let keys = waiting.iter().map(|new| new.canonical_subject_key.as_str()).collect::<Vec<_>>();
        holders.extend(by_subject(&tx.active_bindings(scope, &providers, &keys).await?));
        waiting.retain(|new| !holders.contains_key(&new.canonical_subject_key));
    }
    created.sort_by(|one, other| one.canonical_subject_key.cmp(&other.canonical_subject_key));
    Ok((created, holders))
}

fn by_subject(bindings: &[Binding]) -> impl Iterator<Item = (CanonicalSubjectKey, Binding)> {
    bindings.iter().map(|binding| (binding.canonical_subject_key.clone(), binding.clone()))
}

/// As for a single decision: what ended while this chunk waited for its places may have ended later than its decisions
/// begin. Then the whole chunk is begun again.
async fn refuse_overlaps(tx: &mut WriteTx, scope: &EnvironmentScope, created: &[Binding]) -> Result<(), Error> {
    let keys = created.iter().map(|binding| binding.canonical_subject_key.as_str()).collect::<Vec<_>>();
    let endings = last_endings(tx, scope, &keys).await?;
    let overlaps = |binding: &Binding| {
        endings.get(binding.canonical_subject_key.as_str()).is_some_and(|ended_at| *ended_at > binding.decided_at)
    };
    if created.iter().any(overlaps) { Err(StoreError::Busy.into()) } else { Ok(()) }
}

async fn last_endings(
    tx: &mut WriteTx,
    scope: &EnvironmentScope,
    keys: &[&str],
) -> Result<HashMap<String, crate::clock::Timestamp>, Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(tx.last_endings(scope, keys).await?)
}

/// Answers the decisions about one subject: the one that was made, and the others by who has the subject instead.
fn answer(
    answers: &mut BTreeMap<usize, BulkAnswer>,
    candidates: Vec<Candidate>,
    holder: Option<&Binding>,
) -> Result<(), Error> {
    for Candidate { at, new } in candidates {
        let answer = match holder {
            Some(holder) if holder.id == new.id => BulkAnswer::Created { binding: Box::new(holder.clone()) },
            Some(holder) => BulkAnswer::taken(holder, new.provider_connection_id)?,
            None => BulkAnswer::refused(Conflict::ActiveBindingExists { active_binding_id: None }.into())?,
        };
        answers.insert(at, answer);
    }
    Ok(())
}
