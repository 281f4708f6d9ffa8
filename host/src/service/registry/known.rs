//! What is known of the rows a piece of a sync names: looked up once, a table a statement, whoever is hidden as whoever is
//! missing. Kept up with by `mirror.rs` as it writes.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use uuid::Uuid;

use crate::registry::{Record, RecordRef, RegistryLine};
use crate::store::{
    Keys, KnownAssignment, KnownConnection, KnownDirectory, KnownEntitlement, KnownEnvironment, KnownMembership,
    KnownPolicyVersion, KnownProfile, KnownRun, KnownSnapshot, StoreError, WriteTx,
};

/// Rows of a table by key and by the platform's name.
pub(super) struct Rows<K, T> {
    rows: HashMap<K, T>,
    names: HashMap<String, K>,
}

impl<K: Copy + Eq + Hash, T> Rows<K, T> {
    fn of(rows: Vec<T>, named: impl Fn(&T) -> (K, Option<String>)) -> Self {
        let mut all = Self { rows: HashMap::new(), names: HashMap::new() };
        for row in rows {
            let (key, name) = named(&row);
            all.insert(key, name, row);
        }
        all
    }

    pub(super) fn insert(&mut self, key: K, name: Option<String>, row: T) {
        self.names.extend(name.map(|name| (name, key)));
        self.rows.insert(key, row);
    }

    pub(super) fn get(&self, key: K) -> Option<&T> {
        self.rows.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        self.rows.get_mut(&key)
    }

    pub(super) fn named(&self, name: &str) -> Option<(K, &T)> {
        let key = *self.names.get(name)?;
        Some((key, self.rows.get(&key)?))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.values_mut()
    }
}

impl<T> Rows<Uuid, T> {
    pub(super) fn find(&self, reference: &RecordRef) -> Option<(Uuid, &T)> {
        match reference {
            RecordRef::Id(id) => self.get(*id).map(|row| (*id, row)),
            RecordRef::ExternalRef(name) => self.named(name.as_str()),
        }
    }
}

pub(super) struct Known {
    pub(super) environments: Rows<Uuid, KnownEnvironment>,
    /// By user.
    pub(super) memberships: Rows<Uuid, KnownMembership>,
    pub(super) users: HashSet<Uuid>,
    /// By environment and user.
    pub(super) entitlements: Rows<(Uuid, Uuid), KnownEntitlement>,
    /// By environment and provider.
    pub(super) directories: HashMap<(Uuid, String), KnownDirectory>,
    pub(super) connections: Rows<Uuid, KnownConnection>,
    pub(super) runs: Rows<Uuid, KnownRun>,
    pub(super) profiles: Rows<Uuid, KnownProfile>,
    pub(super) snapshots: Rows<Uuid, KnownSnapshot>,
    pub(super) assignments: Rows<Uuid, KnownAssignment>,
    /// The assignment in force, by environment and profile.
    pub(super) in_force: HashMap<(Uuid, Uuid), Uuid>,
    pub(super) versions: Rows<Uuid, KnownPolicyVersion>,
    /// The environments of inventory items.
    pub(super) items: HashMap<Uuid, Uuid>,
}

/// What to look for first: what lines name themselves.
#[derive(Default)]
struct Wanted {
    environments: (Keys, Keys),
    memberships: (Keys, Keys),
    users: Keys,
    entitlements: Keys,
    connections: (Keys, Keys),
    runs: Keys,
    profiles: (Keys, Keys),
    snapshots: Keys,
    assignments: Keys,
    versions: Keys,
    items: Keys,
}

impl Wanted {
    fn add(&mut self, line: &RegistryLine) {
        let name = line.external_ref.as_str();
        match &line.record {
            Record::Environment { .. } => self.environments.0.name(name),
            Record::Membership { user_id, .. } => {
                self.memberships.0.name(name);
                self.memberships.1.id(*user_id);
                self.users.id(*user_id);
            }
            Record::Entitlement { environment, user_id, .. } => {
                self.entitlements.name(name);
                named(&mut self.environments, environment);
                self.memberships.1.id(*user_id);
            }
            Record::ProviderConnection(connection) => {
                self.connections.0.name(name);
                named(&mut self.environments, &connection.environment);
            }
            Record::OperationRun(run) => {
                self.runs.name(name);
                named(&mut self.environments, &run.environment);
                if let Some(connection) = &run.connection {
                    named(&mut self.connections, connection);
                }
            }
            Record::BaselineProfile { .. } => self.profiles.0.name(name),
            Record::BaselineSnapshot { profile, .. } => {
                self.snapshots.name(name);
                named(&mut self.profiles, profile);
            }
            Record::BaselineAssignment { environment, profile, .. } => {
                self.assignments.name(name);
                named(&mut self.environments, environment);
                named(&mut self.profiles, profile);
            }
            Record::PolicyVersion { environment, inventory_item_id, .. } => {
                self.versions.name(name);
                named(&mut self.environments, environment);
                if let Some(id) = inventory_item_id {
                    self.items.id(*id);
                }
            }
        }
    }
}

fn named((names, ids): &mut (Keys, Keys), reference: &RecordRef) {
    match reference {
        RecordRef::Id(id) => ids.id(*id),
        RecordRef::ExternalRef(name) => names.name(name.as_str()),
    }
}

/// What to look for next: rows of two, of which the first was found and is the actor's to know.
#[derive(Default)]
struct Pairs {
    entitlements: Keys,
    directories: Keys,
    assignments: Keys,
}

impl Pairs {
    fn add(
        &mut self,
        environments: &Rows<Uuid, KnownEnvironment>,
        profiles: &Rows<Uuid, KnownProfile>,
        record: &Record,
    ) {
        let environment = |reference| environments.find(reference).filter(|(_, row)| row.entitled).map(|(id, _)| id);
        match record {
            Record::Entitlement { environment: reference, user_id, .. } => {
                if let Some(id) = environment(reference) {
                    self.entitlements.pair(id, *user_id);
                }
            }
            Record::ProviderConnection(connection) => {
                if let Some(id) = environment(&connection.environment) {
                    self.directories.within(id, connection.provider_key.as_str());
                }
            }
            Record::BaselineAssignment { environment: reference, profile, .. } => {
                if let Some((id, (profile_id, _))) = environment(reference).zip(profiles.find(profile)) {
                    self.assignments.pair(id, profile_id);
                }
            }
            _ => {}
        }
    }
}

impl Known {
    pub(super) async fn of<'a>(
        tx: &mut WriteTx,
        workspace_id: Uuid,
        actor_id: Uuid,
        lines: impl Iterator<Item = &'a RegistryLine> + Clone,
    ) -> Result<Self, StoreError> {
        let mut wanted = Wanted::default();
        lines.clone().for_each(|line| wanted.add(line));
        let both = |(names, ids): (Keys, Keys)| (names.sorted(), ids.sorted());
        let (names, ids) = both(wanted.environments);
        let environments = tx.known_environments(workspace_id, &names, &ids, actor_id).await?;
        let environments = Rows::of(environments, |row| (row.id, row.external_ref.clone()));
        let (names, ids) = both(wanted.profiles);
        let profiles = tx.known_profiles(workspace_id, &names, &ids).await?;
        let profiles = Rows::of(profiles, |row| (row.id, row.external_ref.clone()));
        let mut pairs = Pairs::default();
        lines.for_each(|line| pairs.add(&environments, &profiles, &line.record));

        let (names, ids) = both(wanted.memberships);
        let memberships = tx.known_memberships(workspace_id, &names, &ids).await?;
        let users = tx.live_users(&wanted.users.sorted()).await?;
        let entitlements =
            tx.known_entitlements(workspace_id, &wanted.entitlements.sorted(), &pairs.entitlements.sorted()).await?;
        let directories = tx.known_directories(workspace_id, &pairs.directories.sorted()).await?;
        let (names, ids) = both(wanted.connections);
        let connections = tx.known_connections(workspace_id, &names, &ids).await?;
        let runs = tx.known_runs(workspace_id, &wanted.runs.sorted()).await?;
        let snapshots = tx.known_snapshots(workspace_id, &wanted.snapshots.sorted()).await?;
        let assignments =
            tx.known_assignments(workspace_id, &wanted.assignments.sorted(), &pairs.assignments.sorted()).await?;
        let versions = tx.known_policy_versions(workspace_id, &wanted.versions.sorted()).await?;
        let items = tx.places_of_items(workspace_id, &wanted.items.sorted()).await?;
        let in_force = assignments.iter().filter(|row| !row.ended);
        Ok(Self {
            environments,
            profiles,
            in_force: in_force.map(|row| ((row.managed_environment_id, row.baseline_profile_id), row.id)).collect(),
            memberships: Rows::of(memberships, |row| (row.user_id, row.external_ref.clone())),
            users: users.into_iter().map(|(id,)| id).collect(),
            entitlements: Rows::of(entitlements, |row| {
                ((row.managed_environment_id, row.user_id), row.external_ref.clone())
            }),
            directories: directories
                .into_iter()
                .map(|row| ((row.managed_environment_id, row.provider_key.clone()), row))
                .collect(),
            connections: Rows::of(connections, |row| (row.id, row.external_ref.clone())),
            runs: Rows::of(runs, |row| (row.id, row.external_ref.clone())),
            snapshots: Rows::of(snapshots, |row| (row.id, row.external_ref.clone())),
            assignments: Rows::of(assignments, |row| (row.id, row.external_ref.clone())),
            versions: Rows::of(versions, |row| (row.id, row.external_ref.clone())),
            items: items.into_iter().map(|row| (row.id, row.managed_environment_id)).collect(),
        })
    }
}
