//! An installation to act in: the service on a fresh database, two workspaces, and an actor for every way to stand.
//!
//! Clock and ids are seeded, so the same calls give the same rows, events and hashes on both engines. Registry rows the
//! service cannot make yet are written past it.
#![expect(clippy::unwrap_used, reason = "a test without its installation fails, and says why")]

use std::sync::Arc;
use std::time::Duration;

use provident::actor::{Actor, SystemPlane};
use provident::binding::{Binding, CreateBinding, Note, SubjectRef};
use provident::clock::{Clock, Ids, Timestamp};
use provident::policy::Role;
use provident::service::{Service, Settings};
use provident::workspace::WorkspaceRef;
use provident_identity::{ProviderResourceDescriptor, ResolutionMode, ResourceIdentity, SubjectClass, SupportLevel};
use tempfile::TempDir;
use uuid::Uuid;

use crate::database::{Raw, TestDatabase};
use crate::rows::{Row, valid};

/// When the first thing happens: a second later each.
const START_US: i64 = 1_700_000_000_000_000;

/// A workspace with an environment and its people.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The workspace, as a request names it.
    pub workspace: WorkspaceRef,
    /// Its id.
    pub workspace_id: Uuid,
    /// Its environment.
    pub environment_id: Uuid,
    /// Another one, that only the owner is entitled to.
    pub hidden_environment_id: Uuid,
    /// Owns it; entitled to both environments.
    pub owner: Actor,
    /// Entitled to the environment.
    pub manager: Actor,
    /// Entitled to the environment.
    pub operator: Actor,
    /// Entitled to the environment.
    pub readonly: Actor,
    /// An owner entitled to nothing.
    pub unentitled: Actor,
}

/// The service on a database of its own.
#[derive(Debug)]
pub struct Installation {
    /// Every operation.
    pub service: Arc<Service>,
    /// What it stands on.
    pub database: TestDatabase,
    /// A workspace.
    pub acme: Tenant,
    /// Another.
    pub rival: Tenant,
    /// A person known to the platform and a member of nothing.
    pub stranger: Actor,
    /// Where the master key is.
    pub directory: TempDir,
}

/// The system plane.
#[must_use]
pub fn plane() -> SystemPlane {
    SystemPlane::at_the_shell()
}

/// Settings for a database and a key in a directory, with a clock that moves by a second and seeded ids.
#[must_use]
pub fn settings(database: &TestDatabase, directory: &TempDir) -> Settings {
    let mut settings = Settings::new(database.url(), directory.path().join("master.key"));
    settings.clock = Clock::stepping(Timestamp::from_micros(START_US), 1_000_000);
    settings.ids = Ids::seeded(7);
    // No test is decided by how busy the machine is.
    settings.mutation_deadline = Duration::from_mins(1);
    settings
}

impl Installation {
    /// Sets everything up.
    ///
    /// # Panics
    ///
    /// When the service refuses any of it.
    pub async fn on(database: TestDatabase) -> Self {
        let directory = TempDir::new().unwrap();
        let service = Service::init(&plane(), &settings(&database, &directory)).await.unwrap();
        let acme = tenant(&service, "acme").await;
        let rival = tenant(&service, "rival").await;
        let stranger = Actor::user(service.create_user(&plane(), "Stranger").await.unwrap().id);
        Self { service: Arc::new(service), database, acme, rival, stranger, directory }
    }

    /// A connection past the service.
    pub async fn raw(&self) -> Raw {
        self.database.raw().await
    }

    /// Excludes a subject as the manager of `acme`.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn excluded(&self, key: &str) -> Binding {
        let request = exclusion(key);
        self.service
            .create_binding(self.acme.manager, &self.acme.workspace, self.acme.environment_id, &request)
            .await
            .unwrap()
    }

    /// A connection of a provider in an environment, its directory not known.
    ///
    /// # Panics
    ///
    /// When the database refuses it.
    pub async fn connection(&self, tenant: &Tenant, environment_id: Uuid, provider: &str, id: Uuid) {
        let mut raw = self.raw().await;
        let directory = self.row(tenant, environment_id, "environment_directories").with("provider_key", provider);
        // There already for the second of one provider.
        let _ = directory.insert(&mut raw).await;
        let row = self.row(tenant, environment_id, "provider_connections").with("provider_key", provider);
        row.with("id", id).insert(&mut raw).await.unwrap();
        raw.close().await.unwrap();
    }

    /// A valid row of a table in an environment, to be changed and inserted.
    #[must_use]
    pub fn row(&self, tenant: &Tenant, environment_id: Uuid, table: &str) -> Row {
        let row = valid(table).with("workspace_id", tenant.workspace_id);
        match table {
            "baseline_profiles" | "baseline_snapshots" => row,
            _ => row.with("managed_environment_id", environment_id),
        }
    }

    /// A snapshot whose profile is assigned to the environments given.
    ///
    /// # Panics
    ///
    /// When the database refuses it.
    pub async fn snapshot(&self, tenant: &Tenant, id: Uuid, profile_id: Uuid, assigned: &[Uuid]) {
        let mut raw = self.raw().await;
        let row = |table| self.row(tenant, tenant.environment_id, table);
        row("baseline_profiles").with("id", profile_id).insert(&mut raw).await.unwrap();
        let snapshot = row("baseline_snapshots").with("id", id).with("baseline_profile_id", profile_id);
        snapshot.insert(&mut raw).await.unwrap();
        for environment_id in assigned {
            let row = self.row(tenant, *environment_id, "baseline_assignments").with("baseline_profile_id", profile_id);
            row.with("ended_at", None::<&str>).insert(&mut raw).await.unwrap();
        }
        raw.close().await.unwrap();
    }

    /// Everything a table holds, as text, in an order of its own.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    pub async fn dump(&self, table: &str) -> Vec<String> {
        let mut raw = self.raw().await;
        let rows = raw.rows(&format!("SELECT * FROM {table}")).await.unwrap();
        raw.close().await.unwrap();
        let mut texts: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
        texts.sort();
        texts
    }

    /// How many rows a table holds.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    pub async fn count(&self, table: &str) -> usize {
        let mut raw = self.raw().await;
        let count = raw.value(&format!("SELECT count(*) FROM {table}")).await.unwrap().unwrap();
        raw.close().await.unwrap();
        count.parse().unwrap()
    }
}

async fn tenant(service: &Service, slug: &str) -> Tenant {
    let user = async |name: &str| Actor::user(service.create_user(&plane(), name).await.unwrap().id);
    let owner = user("Owner").await;
    let made = service.create_workspace(&plane(), slug, "A workspace", owner.user_id()).await.unwrap();
    let workspace = WorkspaceRef::Id(made.id);
    let environment_id = service.create_environment(owner, &workspace, "Production").await.unwrap().id;
    let hidden = service.create_environment(owner, &workspace, "Hidden").await.unwrap().id;
    let member = async |role: Role, entitled: bool| {
        let actor = user(role.as_str()).await;
        service.add_member(owner, &workspace, actor.user_id(), role).await.unwrap();
        if entitled {
            service.grant_entitlement(owner, &workspace, environment_id, actor.user_id()).await.unwrap();
        }
        actor
    };
    Tenant {
        workspace_id: made.id,
        environment_id,
        hidden_environment_id: hidden,
        manager: member(Role::Manager, true).await,
        operator: member(Role::Operator, true).await,
        readonly: member(Role::Readonly, true).await,
        unentitled: member(Role::Owner, false).await,
        owner,
        workspace,
    }
}

/// A key of the invented provider: class `policy`, form `id`.
#[must_use]
pub fn key(id: &str) -> String {
    format!("provider:fake:policy:widgetPolicy:widget:id:{id}")
}

/// What it is derived from.
#[must_use]
pub fn widget(id: &str) -> ProviderResourceDescriptor {
    ProviderResourceDescriptor {
        identity: ResourceIdentity {
            provider_key: "fake".to_owned(),
            resource_type: "widget".to_owned(),
            provider_resource_id: Some(id.to_owned()),
            tenant_owned: true,
            ..ResourceIdentity::default()
        },
        subject_domain: "things".to_owned(),
        subject_class: SubjectClass::Policy,
        subject_type_key: "widgetPolicy".to_owned(),
        support_level: SupportLevel::Supported,
        display_label: Some(format!("Widget {id}")),
        source_inventory_item_id: None,
        source_policy_version_id: None,
        source_operation_run_id: None,
    }
}

/// A request to exclude the subject of a key.
#[must_use]
pub fn exclusion(key: &str) -> CreateBinding {
    let mut request = CreateBinding::new(ResolutionMode::ExcludedNonGoverned, SubjectRef::Key(key.to_owned()));
    request.subject_domain = Some("things".to_owned());
    request.note = Some(Note::new("not ours to govern"));
    request
}
