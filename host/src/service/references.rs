//! What requests refer to: looked up before they are judged, for one as for many, and only in their own environment.
//!
//! What is not found here is not there, whoever else has it: missing, hidden and foreign are one answer. The keys
//! and descriptors in a request are no references; `resolve.rs` makes subjects and resources of both.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use crate::binding::{Binding, CreateBinding, ResourceRef, Sources, SubjectRef, SupersedeBinding};
use crate::error::Error;
use crate::inventory::InventoryItem;
use crate::store::{EnvironmentScope, WriteTx};

/// As much of a request as may refer to something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mentioned<'a> {
    subject: Option<&'a SubjectRef>,
    resource: Option<&'a ResourceRef>,
    connection_id: Option<Uuid>,
    sources: Sources,
}

impl<'a> Mentioned<'a> {
    /// A first decision.
    pub(super) fn by_create(request: &'a CreateBinding) -> Self {
        Self {
            subject: Some(&request.subject),
            resource: request.resource.as_ref(),
            connection_id: request.provider_connection_id,
            sources: request.sources,
        }
    }

    /// A decision in place of another, whose connection it inherits unless it names one.
    pub(super) fn by_supersede(request: &'a SupersedeBinding, old: &Binding) -> Self {
        Self {
            subject: request.subject.as_ref(),
            resource: request.resource.as_ref(),
            connection_id: request.provider_connection_id.or(old.provider_connection_id),
            sources: request.sources,
        }
    }
}

/// What is there of what requests refer to.
#[derive(Debug)]
pub(super) struct References {
    items: HashMap<Uuid, InventoryItem>,
    /// The provider of each connection.
    connections: HashMap<Uuid, String>,
    operation_runs: HashSet<Uuid>,
    baseline_snapshots: HashSet<Uuid>,
    policy_versions: HashSet<Uuid>,
}

impl References {
    /// Looks everything up that these requests refer to.
    pub(super) async fn of<'a>(
        tx: &mut WriteTx,
        scope: &EnvironmentScope,
        asked: impl IntoIterator<Item = Mentioned<'a>>,
    ) -> Result<Self, Error> {
        let mut wanted = Wanted::default();
        asked.into_iter().for_each(|asked| wanted.add(asked));
        let ids = |ids: BTreeSet<Uuid>| ids.into_iter().collect::<Vec<_>>();
        let items = tx.inventory_items_by_id(scope, &ids(wanted.items)).await?;
        Ok(Self {
            items: items.into_iter().map(|item| (item.id, item)).collect(),
            connections: tx.providers_of_connections(scope, &ids(wanted.connections)).await?,
            operation_runs: tx.operation_runs_among(scope, &ids(wanted.operation_runs)).await?,
            baseline_snapshots: tx.baseline_snapshots_among(scope, &ids(wanted.baseline_snapshots)).await?,
            policy_versions: tx.policy_versions_among(scope, &ids(wanted.policy_versions)).await?,
        })
    }

    /// An inventory item of the environment.
    pub(super) fn item(&self, id: Uuid, field: &'static str) -> Result<InventoryItem, Error> {
        self.items.get(&id).cloned().ok_or_else(|| Error::source_out_of_scope(field))
    }

    /// Refuses a connection of another environment or of another provider (P381-91, -92, -107).
    pub(super) fn check_connection(&self, connection_id: Option<Uuid>, provider_key: &str) -> Result<(), Error> {
        let Some(id) = connection_id else {
            return Ok(());
        };
        match self.connections.get(&id) {
            None => Err(Error::source_out_of_scope("provider_connection_id")),
            Some(provider) if provider != provider_key => Err(Error::invalid(
                "connection-provider-mismatch",
                "provider_connection_id",
                "the connection is another provider's than the subject",
            )),
            Some(_) => Ok(()),
        }
    }

    /// Refuses sources that are not the environment's own (P381-91, -107; X17).
    pub(super) fn check_sources(&self, sources: Sources) -> Result<(), Error> {
        let missing = |id: Option<Uuid>, known: &HashSet<Uuid>| id.is_some_and(|id| !known.contains(&id));
        if missing(sources.operation_run_id, &self.operation_runs) {
            return Err(Error::source_out_of_scope("source_operation_run_id"));
        }
        if missing(sources.baseline_snapshot_id, &self.baseline_snapshots) {
            return Err(Error::source_out_of_scope("source_baseline_snapshot_id"));
        }
        if let Some(id) = sources.inventory_item_id {
            self.item(id, "source_inventory_item_id")?;
        }
        if missing(sources.policy_version_id, &self.policy_versions) {
            return Err(Error::source_out_of_scope("source_policy_version_id"));
        }
        Ok(())
    }
}

/// Ids, each once and in order, so that every run asks alike.
#[derive(Default)]
struct Wanted {
    items: BTreeSet<Uuid>,
    connections: BTreeSet<Uuid>,
    operation_runs: BTreeSet<Uuid>,
    baseline_snapshots: BTreeSet<Uuid>,
    policy_versions: BTreeSet<Uuid>,
}

impl Wanted {
    fn add(&mut self, asked: Mentioned<'_>) {
        if let Some(SubjectRef::InventoryItem(id)) = asked.subject {
            self.items.insert(*id);
        }
        if let Some(ResourceRef::InventoryItem(id)) = asked.resource {
            self.items.insert(*id);
        }
        self.items.extend(asked.sources.inventory_item_id);
        self.connections.extend(asked.connection_id);
        self.operation_runs.extend(asked.sources.operation_run_id);
        self.baseline_snapshots.extend(asked.sources.baseline_snapshot_id);
        self.policy_versions.extend(asked.sources.policy_version_id);
    }
}
