//! What is served: a database with one workspace, an environment full of bindings and one that is hidden, and somebody
//! with a token who may decide.
//!
//! Bindings are copies of one that was made through the service, each about a subject of its own number, so that
//! pgbench can name them too.

use crate::report::say;
use crate::store::Failure;
use crate::store::bindings::COLUMNS;
use provident::actor::{Actor, SystemPlane};
use provident::binding::{CreateBinding, Note, SubjectRef};
use provident::policy::Role;
use provident::service::{NewToken, Service, Settings};
use provident::workspace::WorkspaceRef;
use provident_identity::ResolutionMode;
use provident_tests::database::{Engine, TestDatabase};
use provident_tests::postgres::Server;
use provident_tests::serving::Instance;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use uuid::Uuid;

/// What the keys of all subjects begin with; a number follows.
pub(super) const KEY: &str = "provider:fake:policy:widgetPolicy:widget:id:";

/// A place to serve.
pub(super) struct Place {
    pub(super) engine: Engine,
    pub(super) database: TestDatabase,
    directory: TempDir,
    pub(super) service: Arc<Service>,
    pub(super) workspace_id: Uuid,
    pub(super) environment_id: Uuid,
    pub(super) actor: Actor,
    pub(super) token: String,
    /// The binding all others are copies of.
    pub(super) binding_id: Uuid,
    /// One of an environment that the actor is not entitled to.
    pub(super) hidden_id: Uuid,
    pub(super) bindings: u64,
}

impl Place {
    pub(super) async fn make(engine: Engine, server: &'static Server, bindings: u64) -> Result<Self, Failure> {
        let database = match engine {
            Engine::Sqlite => TestDatabase::migrated(engine).await,
            Engine::Postgres => TestDatabase::migrated_on(server).await,
        };
        let directory = TempDir::new()?;
        let plane = SystemPlane::at_the_shell();
        let settings = Settings::new(database.url(), directory.path().join("master.key"));
        let service = Arc::new(Service::init(&plane, &settings).await?);
        let owner = Actor::user(service.create_user(&plane, "An owner").await?.id);
        let actor = Actor::user(service.create_user(&plane, "A manager").await?.id);
        let workspace_id = service.create_workspace(&plane, "workspace", "A workspace", owner.user_id()).await?.id;
        let workspace = WorkspaceRef::Id(workspace_id);
        service.add_member(owner, &workspace, actor.user_id(), Role::Manager).await?;
        let environment_id = service.create_environment(owner, &workspace, "An environment").await?.id;
        service.grant_entitlement(owner, &workspace, environment_id, actor.user_id()).await?;
        let hidden = service.create_environment(owner, &workspace, "Another").await?.id;
        let binding_id = service.create_binding(actor, &workspace, environment_id, &exclusion("0")).await?.id;
        let hidden_id = service.create_binding(owner, &workspace, hidden, &exclusion("0")).await?.id;
        let token = NewToken {
            user_id: actor.user_id(),
            workspace: None,
            label: "A token".to_owned(),
            lifetime: Duration::from_hours(24),
            may_act_for_others: false,
        };
        let token = service.create_token(&plane, &token).await?.1.reveal().to_string();
        let made = Self {
            engine,
            database,
            directory,
            service,
            workspace_id,
            environment_id,
            actor,
            token,
            binding_id,
            hidden_id,
            bindings,
        };
        made.fill().await?;
        Ok(made)
    }

    async fn fill(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        let (numbers, id) = match self.engine {
            Engine::Postgres => {
                (format!("SELECT n FROM generate_series(1, {}) AS n", self.bindings), "gen_random_uuid()")
            }
            Engine::Sqlite => (
                format!(
                    "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {}) SELECT n FROM s",
                    self.bindings
                ),
                "randomblob(16)",
            ),
        };
        let key = format!("'{KEY}' || n");
        let values = COLUMNS.map(|column| match column {
            "id" => id.to_owned(),
            "canonical_subject_key" => key.clone(),
            column => format!("b.{column}"),
        });
        let mut raw = self.database.raw().await;
        let statement = format!(
            "INSERT INTO provider_resource_bindings ({}) SELECT {} FROM provider_resource_bindings b, ({numbers}) AS numbers \
             WHERE b.id = {}",
            COLUMNS.join(", "),
            values.join(", "),
            self.engine.id(self.binding_id)
        );
        raw.execute(&statement).await?;
        if self.engine == Engine::Postgres {
            raw.execute("VACUUM (ANALYZE) provider_resource_bindings").await?;
            raw.execute("CHECKPOINT").await?;
        }
        raw.close().await?;
        say(&format!("{}: {} bindings in {:.0} s", self.engine, self.bindings, begun.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Has it served by the program beside this one.
    pub(super) fn serve(&self) -> Result<Instance, Failure> {
        Ok(Instance::of(&beside("provident")?, &self.database.url(), self.directory.path()))
    }

    /// The path of the bindings.
    pub(super) fn path(&self) -> String {
        format!("/v1/workspaces/{}/bindings", self.workspace_id)
    }
}

/// A program of the same build.
fn beside(name: &str) -> Result<PathBuf, Failure> {
    let path = std::env::current_exe()?.with_file_name(name);
    let missing =
        || format!("`{}` is missing: `cargo build` makes it, with --release for a release build", path.display());
    if path.is_file() { Ok(path) } else { Err(missing().into()) }
}

/// A request to keep a subject out of what is governed.
fn exclusion(subject: &str) -> CreateBinding {
    let mut request =
        CreateBinding::new(ResolutionMode::ExcludedNonGoverned, SubjectRef::Key(format!("{KEY}{subject}")));
    request.subject_domain = Some("things".to_owned());
    request.note = Some(Note::new("Not ours to govern: kept by the team that made it."));
    request
}
