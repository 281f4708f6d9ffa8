//! Places to measure in: a database with workspaces, environments and their people, and as many copies of it as are
//! needed, each with the service on it as the application's role.

use super::Failure;
use super::bindings::Bindings;
use super::fill;
use crate::report::say;
use provident::actor::{Actor, SystemPlane};
use provident::policy::Role;
use provident::service::{Service, Settings};
use provident::workspace::WorkspaceRef;
use provident_tests::database::{Engine, TestDatabase};
use provident_tests::postgres::Server;
use provident_tests::rows::{fresh_id, valid};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

const WORKSPACES: usize = 10;
const ENVIRONMENTS: usize = 4;
/// What a mutation may take where its deadline is not what is measured.
const PATIENCE: Duration = Duration::from_mins(1);

/// An environment, and somebody who decides in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home {
    pub(super) workspace_id: Uuid,
    pub(super) environment_id: Uuid,
    pub(super) connection_id: Uuid,
    pub(super) run_id: Uuid,
    pub(super) actor: Actor,
    /// The owner of the workspace, entitled to every environment of it.
    pub(super) owner: Actor,
}

impl Home {
    pub(super) fn workspace(&self) -> WorkspaceRef {
        WorkspaceRef::Id(self.workspace_id)
    }
}

/// An engine, and the database every other on it is a copy of.
pub(super) struct World {
    pub(super) engine: Engine,
    keys: TempDir,
    template: TestDatabase,
    pub(super) homes: Vec<Home>,
}

impl World {
    /// On a file, or on this server.
    pub(super) async fn make(engine: Engine, server: &'static Server) -> Result<Self, Failure> {
        let keys = TempDir::new()?;
        let template = match engine {
            Engine::Sqlite => TestDatabase::migrated(engine).await,
            Engine::Postgres => TestDatabase::migrated_on(server).await,
        };
        let mut settings = settings(&template, &keys);
        settings.mutation_deadline = PATIENCE;
        let service = Service::init(&SystemPlane::at_the_shell(), &settings).await?;
        let mut homes = Vec::new();
        for number in 0..WORKSPACES {
            homes.extend(workspace(&service, number).await?);
        }
        service.close().await;
        let mut raw = template.raw().await;
        for home in &homes {
            let of = |table: &str| {
                valid(table).with("workspace_id", home.workspace_id).with("managed_environment_id", home.environment_id)
            };
            of("environment_directories").with("provider_key", "fake").insert(&mut raw).await?;
            of("provider_connections").with("id", home.connection_id).insert(&mut raw).await?;
            of("operation_runs").with("id", home.run_id).insert(&mut raw).await?;
        }
        raw.close().await?;
        Ok(Self { engine, keys, template, homes })
    }

    /// A database without bindings.
    pub(super) async fn empty(&self) -> TestDatabase {
        self.template.copy().await
    }

    /// So many bindings in a database that has none.
    pub(super) async fn fill(&self, database: TestDatabase, rows: u64) -> Result<Filled, Failure> {
        let bindings = Bindings { homes: self.homes.clone(), rows };
        let took = fill::fill(&database, &bindings).await?;
        say(&format!("{}: {rows} bindings in {:.0} s", self.engine, took.as_secs_f64()));
        Ok(Filled { database, bindings })
    }

    pub(super) async fn filled(&self, rows: u64) -> Result<Filled, Failure> {
        self.fill(self.empty().await, rows).await
    }

    /// The service on one of the databases, with the deadline its mutations have in earnest.
    pub(super) async fn service(&self, database: &TestDatabase) -> Result<Arc<Service>, Failure> {
        Ok(Arc::new(Service::open(&settings(database, &self.keys)).await?))
    }

    /// The service, with time enough for a machine that is busy with something else.
    pub(super) async fn patient_service(&self, database: &TestDatabase) -> Result<Arc<Service>, Failure> {
        let mut settings = settings(database, &self.keys);
        settings.mutation_deadline = PATIENCE;
        Ok(Arc::new(Service::open(&settings).await?))
    }
}

/// A database with bindings.
pub(super) struct Filled {
    pub(super) database: TestDatabase,
    pub(super) bindings: Bindings,
}

impl Filled {
    /// The same bindings once more.
    pub(super) async fn copy(&self) -> Self {
        Self { database: self.database.copy().await, bindings: self.bindings.clone() }
    }
}

fn settings(database: &TestDatabase, keys: &TempDir) -> Settings {
    Settings::new(database.url(), keys.path().join("master.key"))
}

async fn workspace(service: &Service, number: usize) -> Result<Vec<Home>, Failure> {
    let plane = SystemPlane::at_the_shell();
    let owner = Actor::user(service.create_user(&plane, "An owner").await?.id);
    let actor = Actor::user(service.create_user(&plane, "A manager").await?.id);
    let slug = format!("workspace-{number}");
    let workspace_id = service.create_workspace(&plane, &slug, "A workspace", owner.user_id()).await?.id;
    let workspace = WorkspaceRef::Id(workspace_id);
    service.add_member(owner, &workspace, actor.user_id(), Role::Manager).await?;
    let mut homes = Vec::new();
    for _ in 0..ENVIRONMENTS {
        let environment_id = service.create_environment(owner, &workspace, "An environment").await?.id;
        service.grant_entitlement(owner, &workspace, environment_id, actor.user_id()).await?;
        let (connection_id, run_id) = (fresh_id(), fresh_id());
        homes.push(Home { workspace_id, environment_id, connection_id, run_id, actor, owner });
    }
    Ok(homes)
}
