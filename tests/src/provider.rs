//! Providers to work against: connections of an installation that lead to the stand-in, and workers that go there.
#![expect(clippy::unwrap_used, reason = "a test without its provider fails, and says why")]

use std::sync::Arc;
use std::time::Duration;

use provident::actor::Actor;
use provident::clock::{Clock, Ids};
use provident::connection::CreateConnection;
use provident::gateway::{EndpointSettings, Gateway};
use provident::page::PageRequest;
use provident::provider_credential::{CredentialValue, ProviderCredentials};
use provident::run::{ConnectionChoice, OperationRun, OperationType, RunFilter, StartOperation, Started};
use provident::service::Service;
use provident::worker::{Worker, WorkerSettings};
use uuid::Uuid;

use crate::installation::{Installation, Tenant};
use crate::stand_in::{StandIn, fake};

/// The stand-in's other face, which is a real provider's.
pub use crate::stand_in::microsoft as foreign;

/// The key that opens the stand-in, where a test has one tenant.
pub const API_KEY: &str = "an-invented-key";
/// The client that opens it by its other face.
pub const CLIENT_ID: &str = "5ca1ab1e-0000-4000-8000-000000000002";
/// What it shows.
pub const CLIENT_SECRET: &str = "an-invented-secret";
/// The directory it is in.
pub const DIRECTORY_ID: &str = "5ca1ab1e-0000-4000-8000-000000000001";

/// The gateway to a stand-in, by both of its faces.
///
/// # Panics
///
/// When its places are refused.
#[must_use]
pub fn gateway(stand_in: &StandIn) -> Gateway {
    let base = stand_in.base_url();
    let places = [
        EndpointSettings { key: fake::KEY.to_owned(), api_url: Some(base.clone()), token_url: None },
        EndpointSettings {
            key: foreign::KEY.to_owned(),
            api_url: Some(base.clone()),
            token_url: Some(format!("{base}{}", foreign::token_path("{directory}"))),
        },
    ];
    Gateway::new(provident::provider::endpoints(&places).unwrap(), Clock::system(), Ids::system())
}

/// A worker on a service, whose providers are the stand-in.
#[must_use]
pub fn worker(service: &Arc<Service>, stand_in: &StandIn) -> Worker {
    // Time in installations of tests goes by the second, whenever somebody looks.
    let settings = WorkerSettings { lease: Duration::from_hours(24), grace: Duration::from_secs(1) };
    Worker::new(Arc::clone(service), gateway(stand_in), settings)
}

/// Credentials of these fields.
///
/// # Panics
///
/// When a value is none.
#[must_use]
pub fn credentials(fields: &[(&str, &str)]) -> ProviderCredentials {
    let mut credentials = ProviderCredentials::default();
    for (field, value) in fields {
        assert!(credentials.insert(*field, value.parse::<CredentialValue>().unwrap()));
    }
    credentials
}

impl Installation {
    /// A connection to the invented provider, without credentials.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn bare_connection(&self, tenant: &Tenant, environment_id: Uuid, directory: Option<&str>) -> Uuid {
        let request = CreateConnection {
            provider_key: fake::KEY.to_owned(),
            display_name: "To the invented provider".to_owned(),
            directory_id: directory.map(str::to_owned),
            make_default: false,
        };
        let made = self.service.create_connection(tenant.owner, &tenant.workspace, environment_id, &request).await;
        made.unwrap().id
    }

    /// A connection to the invented provider with a key that opens it.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn fake_connection(&self, tenant: &Tenant, environment_id: Uuid, key: &str) -> Uuid {
        let id = self.bare_connection(tenant, environment_id, None).await;
        self.give_key(tenant, id, key).await;
        id
    }

    /// Gives a connection to the invented provider a key.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn give_key(&self, tenant: &Tenant, connection_id: Uuid, key: &str) {
        let fields = credentials(&[("api_key", key)]);
        let set = self.service.set_provider_credentials(tenant.owner, &tenant.workspace, connection_id, &fields).await;
        set.unwrap();
    }

    /// A connection by the stand-in's other face, with a client that opens it.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn foreign_connection(
        &self,
        tenant: &Tenant,
        environment_id: Uuid,
        (directory_id, client_id, secret): (&str, &str, &str),
    ) -> Uuid {
        let request = CreateConnection {
            provider_key: foreign::KEY.to_owned(),
            display_name: "By the other face".to_owned(),
            directory_id: Some(directory_id.to_owned()),
            make_default: false,
        };
        let (service, at) = (&self.service, &tenant.workspace);
        let id = service.create_connection(tenant.owner, at, environment_id, &request).await.unwrap().id;
        let fields = credentials(&[("client_id", client_id), ("client_secret", secret)]);
        service.set_provider_credentials(tenant.owner, at, id, &fields).await.unwrap();
        id
    }

    /// Starts an operation through a connection.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn start(&self, tenant: &Tenant, operation: OperationType, connection_id: Uuid) -> Started {
        let start = through(operation, connection_id);
        let (at, here) = (&tenant.workspace, tenant.environment_id);
        self.service.start_operation(tenant.operator, at, here, &start).await.unwrap()
    }

    /// Ends whatever is under way in an environment, so that something else can be started there.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn idle(&self, tenant: &Tenant, environment_id: Uuid) {
        let (at, filter) = (&tenant.workspace, RunFilter { active: true, ..RunFilter::default() });
        let page = PageRequest::default();
        for run in self.service.runs(tenant.owner, at, environment_id, &filter, page).await.unwrap().items {
            self.service.cancel_run(tenant.owner, at, run.id).await.unwrap();
        }
    }

    /// A connection to the invented provider in an environment, and a check of it that waits to be worked on.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn waiting_run(&self, tenant: &Tenant, environment_id: Uuid) -> (Uuid, Uuid) {
        self.idle(tenant, environment_id).await;
        let connection_id = self.fake_connection(tenant, environment_id, API_KEY).await;
        let start = through(OperationType::HealthCheck, connection_id);
        let started = self.service.start_operation(tenant.owner, &tenant.workspace, environment_id, &start).await;
        (connection_id, started.unwrap().run.id)
    }

    /// Starts an operation, has it worked on, and gives it as it ended.
    ///
    /// # Panics
    ///
    /// When it is refused or not taken.
    pub async fn done(
        &self,
        worker: &Worker,
        tenant: &Tenant,
        operation: OperationType,
        connection_id: Uuid,
    ) -> OperationRun {
        let started = self.start(tenant, operation, connection_id).await;
        assert!(!started.deduplicated);
        assert!(worker.work_once().await.unwrap(), "nothing was due");
        self.service.run(tenant.owner, &tenant.workspace, started.run.id).await.unwrap()
    }

    /// The runs of a tenant's environment, newest first.
    ///
    /// # Panics
    ///
    /// When they are refused.
    pub async fn runs(&self, actor: Actor, tenant: &Tenant) -> Vec<OperationRun> {
        let (filter, page) = (RunFilter::default(), PageRequest::new(u32::MAX, None));
        self.service.runs(actor, &tenant.workspace, tenant.environment_id, &filter, page).await.unwrap().items
    }
}

/// An operation through a connection.
#[must_use]
pub fn through(operation_type: OperationType, connection_id: Uuid) -> StartOperation {
    StartOperation { operation_type, connection: ConnectionChoice::Explicit(connection_id) }
}
