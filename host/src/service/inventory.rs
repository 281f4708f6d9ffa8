//! Inventory: imports, and reading what they left.
//!
//! An import comes in pieces of at most [`MAX_CHUNK_OBJECTS`] objects, each a transaction with an event of its
//! own, so that neither memory nor the time others wait grows with its size. It adds and changes; what it does
//! not contain it says nothing about. Two objects that say different things under one key cannot both be
//! right: the second is refused, naming both. Which keys an import has seen already, the rows themselves know.

use std::collections::BTreeMap;

use provident_identity::{Adapter, ProviderResourceDescriptor};
use uuid::Uuid;

use super::{Ask, Service};
use crate::actor::Actor;
use crate::audit::{Draft, Operation};
use crate::error::Error;
use crate::inventory::{ImportCounts, ImportItem, ImportRefusal, InventoryFilter, InventoryItem, Label};
use crate::page::{Page, PageRequest};
use crate::policy::{self, Capability, Reach};
use crate::registry::RecordRef;
use crate::store::{EnvironmentScope, KnownItem, Observation, StoreError, Through, WriteTx};
use crate::workspace::WorkspaceRef;

/// Most objects of one piece of an import.
pub const MAX_CHUNK_OBJECTS: usize = 500;

/// An import under way: by whom, into what, and how far. Ended by [`Service::finish_import`]; abandoned, what
/// it took in so far stays.
#[derive(Debug)]
pub struct Import {
    id: Uuid,
    actor: Actor,
    workspace_id: Uuid,
    environment_id: Uuid,
    adapter_digest: Option<String>,
    totals: ImportCounts,
}

impl Import {
    /// Its id, in every event of it and every row it saw.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What became of the objects so far.
    #[must_use]
    pub fn totals(&self) -> ImportCounts {
        self.totals
    }
}

/// What became of a piece of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportChunk {
    /// How many.
    pub counts: ImportCounts,
    /// Those not taken, by position.
    pub refusals: Vec<ImportRefusal>,
}

/// By what an object is seen: which import, described by which adapter, through which run and connection if through one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seeing<'a> {
    pub(super) import_id: Uuid,
    pub(super) adapter_digest: Option<&'a str>,
    pub(super) through: Option<Through>,
}

/// An object, described and rendered.
pub(super) struct Described<'a> {
    position: i64,
    descriptor: &'a ProviderResourceDescriptor,
    rendered: provident_identity::Described,
    label: Option<Label>,
}

impl Described<'_> {
    fn fingerprint(&self) -> Option<&str> {
        self.descriptor.identity.fingerprint.as_deref()
    }
}

/// What a row says about a key, as far as an import cares.
struct State<'a> {
    digest: &'a str,
    fingerprint: Option<&'a str>,
    label: Option<&'a str>,
    /// Where this import has seen it already.
    seen_at: Option<i64>,
}

impl Service {
    /// Begins an import into an environment. `adapter_digest` (`sha256:` and lower-case hex) says which adapter
    /// describes the objects.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn begin_import(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        adapter_digest: Option<String>,
    ) -> Result<Import, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = self.environment_id(workspace_id, environment).await?;
        let id = self.ids.next(self.clock.now())?;
        let import =
            Import { id, actor, workspace_id, environment_id, adapter_digest, totals: ImportCounts::default() };
        // Nothing is written yet; the transaction is there for the event of a denial.
        self.mutate(workspace_id, |tx| self.importing(tx, &import, Operation::InventoryImport)).await?;
        Ok(import)
    }

    /// Takes in a piece of an import: objects in the order of their positions, described or refused already.
    ///
    /// # Errors
    /// `not-found`, `forbidden`, `import-chunk-too-large`. What is wrong with an object is in the answer.
    pub async fn import_chunk(&self, import: &mut Import, items: &[ImportItem]) -> Result<ImportChunk, Error> {
        if items.len() > MAX_CHUNK_OBJECTS {
            return Err(Error::invalid("import-chunk-too-large", "items", "at most 500 objects at once"));
        }
        let (described, refusals) = self.describe_all(items)?;
        let once = |tx| self.import_chunk_once(tx, import, &described, &refusals);
        let chunk = self.mutate(import.workspace_id, once).await?;
        import.totals.add(chunk.counts);
        Ok(chunk)
    }

    /// Ends an import; its last event carries the totals. The import stays in hand, to be ended again if it was not.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn finish_import(&self, import: &Import) -> Result<ImportCounts, Error> {
        self.mutate(import.workspace_id, |tx| self.finish_import_once(tx, import)).await?;
        Ok(import.totals)
    }

    async fn finish_import_once(&self, tx: WriteTx, import: &Import) -> Result<(), Error> {
        let operation = Operation::InventoryImportFinish;
        let (tx, scope) = self.importing(tx, import, operation).await?;
        tx.commit(about(operation, import, &scope, import.totals)).await?;
        Ok(())
    }

    /// Renders what an adapter described, and adds what the component refuses of it.
    pub(super) fn describe_all<'a>(
        &self,
        items: &'a [ImportItem],
    ) -> Result<(Vec<Described<'a>>, Vec<ImportRefusal>), Error> {
        let (mut described, mut refusals) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            let (position, descriptor) = match item {
                Ok((position, descriptor)) => (*position, descriptor),
                Err(refusal) => {
                    refusals.push(refusal.clone());
                    continue;
                }
            };
            match self.identity.describe(descriptor).map_err(Error::from) {
                Ok(rendered) => described.push(Described {
                    position: i64::try_from(position).unwrap_or(i64::MAX),
                    descriptor,
                    rendered,
                    label: descriptor.display_label.as_deref().and_then(Label::kept),
                }),
                Err(Error::Refused(errors)) => {
                    refusals.extend(
                        errors
                            .into_iter()
                            .take(1)
                            .map(|error| ImportRefusal::new(position, error.code, error.field, error.message)),
                    );
                }
                Err(Error::Invalid(invalid)) => refusals.push(ImportRefusal {
                    position,
                    first_position: None,
                    code: invalid.code.to_owned(),
                    field: invalid.field.to_owned(),
                    message: invalid.message.to_owned(),
                }),
                Err(other) => return Err(other),
            }
        }
        Ok((described, refusals))
    }

    async fn import_chunk_once(
        &self,
        tx: WriteTx,
        import: &Import,
        described: &[Described<'_>],
        refused: &[ImportRefusal],
    ) -> Result<ImportChunk, Error> {
        let operation = Operation::InventoryImport;
        let (mut tx, scope) = self.importing(tx, import, operation).await?;
        let seeing = Seeing { import_id: import.id, adapter_digest: import.adapter_digest.as_deref(), through: None };
        let chunk = take_all_in(&mut tx, &scope, seeing, described, refused).await?;
        tx.commit(about(operation, import, &scope, chunk.counts)).await?;
        Ok(chunk)
    }

    /// A transaction of somebody who may import into the environment.
    async fn importing(
        &self,
        mut tx: WriteTx,
        import: &Import,
        operation: Operation,
    ) -> Result<(WriteTx, EnvironmentScope), Error> {
        let (workspace_id, environment_id) = (import.workspace_id, import.environment_id);
        let (standing, scope) =
            tx.locked_standing(workspace_id, import.actor.user_id_in(workspace_id), environment_id).await?;
        let ask = Ask::environment(import.actor, operation, Capability::InventoryImport);
        self.admit(tx, ask, standing, Some(environment_id), scope).await
    }

    /// The inventory of an environment that a filter lets through, by id.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn inventory(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        environment: impl Into<RecordRef>,
        filter: &InventoryFilter,
        page: PageRequest,
    ) -> Result<Page<InventoryItem>, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let environment_id = self.environment_id(workspace_id, environment).await?;
        let mut tx = self.read(workspace_id).await?;
        let (standing, scope) = tx.standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
        let scope = policy::authorize(Capability::ProviderView, Reach::Environment, standing, scope)?;
        let texts =
            [&filter.provider_key, &filter.subject_domain, &filter.subject_type_key, &filter.canonical_subject_key];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            // No row has it, and not every engine takes it as a parameter.
            return Ok(page.page(Vec::new(), |item: &InventoryItem| item.id));
        }
        Ok(tx.inventory_items(&scope, filter, page).await?)
    }

    /// An item by its id, in its own environment.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn inventory_item(
        &self,
        actor: Actor,
        workspace: &WorkspaceRef,
        item_id: Uuid,
    ) -> Result<InventoryItem, Error> {
        let workspace_id = self.workspace_id(workspace).await?;
        let mut tx = self.read(workspace_id).await?;
        let found = tx.inventory_item_by_id(workspace_id, item_id).await?;
        let environment_id = found.as_ref().map_or(Uuid::nil(), |item| item.environment_id);
        let (standing, _) = tx.standing(workspace_id, actor.user_id_in(workspace_id), environment_id).await?;
        Ok(policy::authorize(Capability::ProviderView, Reach::Environment, standing, found)?)
    }
}

/// Takes in a piece: what was described, and beside it what was refused already.
pub(super) async fn take_all_in(
    tx: &mut WriteTx,
    scope: &EnvironmentScope,
    seeing: Seeing<'_>,
    described: &[Described<'_>],
    refused: &[ImportRefusal],
) -> Result<ImportChunk, Error> {
    // In key order: two imports of one environment then wait for each other and never in a circle.
    let mut by_key: BTreeMap<&str, Vec<&Described<'_>>> = BTreeMap::new();
    for seen in described {
        by_key.entry(seen.rendered.key.as_str()).or_default().push(seen);
    }
    let keys = by_key.keys().copied().collect::<Vec<_>>();
    let known = tx.known_items(scope, &keys).await?;
    let mut chunk = ImportChunk { counts: ImportCounts::default(), refusals: refused.to_vec() };
    for (key, sightings) in by_key {
        take_in(tx, scope, seeing, known.get(key), &sightings, &mut chunk).await?;
    }
    chunk.refusals.sort_by_key(|refusal| refusal.position);
    chunk.counts.refused = u64::try_from(chunk.refusals.len()).unwrap_or(u64::MAX);
    Ok(chunk)
}

/// What an adapter makes of a document: an item for every object, counted from `from`, and one for a document it fails on.
#[must_use]
pub fn described(adapter: &Adapter, document: &str, from: u64) -> Vec<ImportItem> {
    match adapter.describe(document) {
        Ok(answers) => (from..)
            .zip(answers)
            .map(|(at, answer)| match answer {
                Ok(object) => Ok((at, object.descriptor)),
                Err(refusal) => Err(ImportRefusal::new(at, refusal.code, refusal.field, refusal.message)),
            })
            .collect(),
        // The instance that failed is gone; the next document gets a new one.
        Err(error) => vec![Err(ImportRefusal {
            position: from,
            first_position: None,
            code: error.code().to_owned(),
            field: "document".to_owned(),
            message: error.to_string(),
        })],
    }
}

/// Takes in what a piece says under one key, in the order of positions.
async fn take_in(
    tx: &mut WriteTx,
    scope: &EnvironmentScope,
    seeing: Seeing<'_>,
    known: Option<&KnownItem>,
    sightings: &[&Described<'_>],
    chunk: &mut ImportChunk,
) -> Result<(), Error> {
    let mut state = known.map(|known| State {
        digest: &known.descriptor_digest,
        fingerprint: known.fingerprint.as_deref(),
        label: known.label(),
        seen_at: known.last_import_position.filter(|_| known.last_import_id == Some(seeing.import_id)),
    });
    for seen in sightings {
        let label = seen.label.as_ref();
        let observation = Observation {
            key: &seen.rendered.key,
            digest: &seen.rendered.digest,
            descriptor: seen.descriptor,
            label,
            import_id: seeing.import_id,
            position: seen.position,
            adapter_digest: seeing.adapter_digest,
            through: seeing.through,
        };
        match &state {
            Some(State { digest, seen_at: Some(first), .. }) if *digest != seen.rendered.digest => {
                chunk.refusals.push(duplicate(*first, seen));
                continue;
            }
            Some(state)
                if state.digest == seen.rendered.digest
                    && state.fingerprint == seen.fingerprint()
                    && state.label == label.map(Label::as_str) =>
            {
                chunk.counts.unchanged = chunk.counts.unchanged.saturating_add(1);
                if state.seen_at.is_none() {
                    let touched = tx.touch_inventory_item(scope, &observation).await?;
                    if !touched {
                        // Another import changed it since it was judged: judge again.
                        return Err(StoreError::Busy.into());
                    }
                }
            }
            Some(_) => {
                chunk.counts.changed = chunk.counts.changed.saturating_add(1);
                tx.upsert_inventory_item(scope, &observation).await?;
            }
            None => {
                chunk.counts.added = chunk.counts.added.saturating_add(1);
                tx.upsert_inventory_item(scope, &observation).await?;
            }
        }
        state = Some(State {
            digest: &seen.rendered.digest,
            fingerprint: seen.fingerprint(),
            label: label.map(Label::as_str),
            seen_at: Some(state.and_then(|state| state.seen_at).unwrap_or(seen.position)),
        });
    }
    Ok(())
}

fn duplicate(first: i64, second: &Described<'_>) -> ImportRefusal {
    ImportRefusal {
        position: u64::try_from(second.position).unwrap_or(0),
        first_position: u64::try_from(first).ok(),
        code: "duplicate-key".to_owned(),
        field: "key".to_owned(),
        message: format!("object {first} says something else under the same key"),
    }
}

fn about(operation: Operation, import: &Import, scope: &EnvironmentScope, counts: ImportCounts) -> Draft {
    let mut event = Draft::by(operation, import.actor);
    event.environment_id = Some(scope.environment_id());
    event.import = Some((import.id, counts));
    event
}
