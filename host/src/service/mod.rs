//! The service: one operation, one function, one transaction, one audit event.
//!
//! Every function reads from top to bottom: what was found, with the actor's standing; the policy; the
//! component's verdict; one guarded write; the commit with its event. A missing and a hidden row are the same
//! `None`. Nothing here knows SQL, HTTP or a command line; nothing here remembers an actor or a scope.
//!
//! | file | operations |
//! |---|---|
//! | `migration.rs` | system plane: [`Service::migrate_up`], [`Service::migrate_down`], [`Service::migrations`], [`Service::role_sql`], [`Service::apply_roles`] |
//! | `copy.rs` | system plane: [`Service::copy_database`] |
//! | `setup.rs` | [`Service::init`], [`Service::open`]; system plane: [`Service::create_workspace`], [`Service::workspaces`], [`Service::create_user`], [`Service::create_service_user`], [`Service::disable_user`], [`Service::users`] |
//! | `master_key.rs` | system plane: [`Service::rotate_master_key`], [`Service::master_key_status`] |
//! | `credential.rs` | system plane: [`Service::create_token`], [`Service::tokens`], [`Service::revoke_token`], [`Service::link_identity`], [`Service::end_identity`], [`Service::identities`] |
//! | `membership.rs` | [`Service::add_member`], [`Service::change_member_role`], [`Service::end_membership`], [`Service::members`], [`Service::grant_entitlement`], [`Service::end_entitlement`] |
//! | `environment.rs` | [`Service::create_environment`], [`Service::environments`] |
//! | `inventory.rs` | [`Service::begin_import`], [`Service::import_chunk`], [`Service::finish_import`], [`Service::inventory`], [`Service::inventory_item`] |
//! | `provider_credential.rs` | [`Service::set_provider_credentials`] |
//! | `registry.rs` | [`Service::begin_sync`], [`Service::sync_chunk`], [`Service::finish_sync`] |
//! | `binding.rs` | [`Service::create_binding`], [`Service::create_automatic_binding`], [`Service::supersede_binding`], [`Service::revoke_binding`] |
//! | `redaction.rs` | [`Service::redact_note`] |
//! | `bulk.rs` | [`Service::bulk_create_bindings`] |
//! | `lookup.rs` | [`Service::binding`], [`Service::bindings`], [`Service::bindings_of_resource`], [`Service::lookup`], [`Service::lookup_descriptors`], [`Service::history_of_subject`], [`Service::history_of_binding`] |
//! | `connection.rs` | [`Service::create_connection`], [`Service::update_connection`], [`Service::make_default_connection`], [`Service::enable_connection`], [`Service::disable_connection`], [`Service::connections_in`], [`Service::connection`] |
//! | `run.rs` | [`Service::start_operation`], [`Service::runs`], [`Service::run`], [`Service::cancel_run`]; the system's own: [`Service::start_automatic_operation`] |
//! | `standing.rs` | [`Service::stands`] |
//! | `audit.rs` | [`Service::audit_events`], [`Service::verify_audit`], [`Service::audit_checkpoint`], [`Service::export_audit`] |
//! | `housekeeping.rs` | system plane: [`Service::clean_up`] |
//!
//! What workers do with runs (`work.rs`, `collection.rs`) is no operation of anybody's: [`crate::worker`] calls it.
//!
//! [`Service::token_holder`] and [`Service::user_of_identity`] are no operations: they say who is asking.
//!
//! Every operation on a workspace takes the actor and the workspace; those on an environment take it by id;
//! those on a record take the record's id and work in the record's own environment (P339-01).

mod audit;
mod binding;
mod bulk;
mod collection;
mod connection;
mod copy;
mod credential;
mod environment;
mod housekeeping;
mod idempotency;
mod inventory;
mod lookup;
mod master_key;
mod membership;
mod migration;
mod provider_credential;
mod redaction;
mod references;
mod registry;
mod resolve;
mod run;
mod setup;
mod standing;
mod work;

use std::sync::Arc;
use std::time::Duration;

use provident_identity::Identity;
use uuid::Uuid;

pub use audit::{AuditExport, Auditor};
pub use bulk::{BulkAnswer, BulkCreate, BulkRefusal, MAX_BULK_ITEMS, ReadInPlace};
pub use copy::CopyReport;
pub use credential::{LONGEST_LIFETIME, NewToken};
pub use inventory::{Import, ImportChunk, MAX_CHUNK_OBJECTS, described};
pub use lookup::MAX_LOOKUP_KEYS;
pub use master_key::{MasterKeyRotation, MasterKeyState, UnopenedCredential};
pub use registry::RegistrySync;
pub use setup::Settings;
pub use standing::Named;

pub use crate::store::{Connections, Migration, MigrationState};

use crate::actor::Actor;
use crate::audit::{Draft, Operation};
use crate::clock::{Clock, Ids, Timestamp};
use crate::error::Error;
use crate::policy::{self, Capability, Denial, Reach, Standing};
use crate::registry::RecordRef;
use crate::secret::MasterKeys;
use crate::store::{Deadline, ReadTx, Store, StoreError, WriteTx};
use crate::workspace::{PLATFORM_WORKSPACE, Slug, WorkspaceRef};

/// The metric of transactions begun again because others were in their way.
pub const RETRIES: &str = "provident_mutation_retries_total";

/// How often a transaction that met another one is begun again, within the time a mutation has.
const ATTEMPTS: u32 = 12;
/// The wait before the second attempt; it doubles, up to the other.
const BACKOFF_MS: u64 = 5;
const LONGEST_BACKOFF_MS: u64 = 160;

/// Every operation there is, on one opened database. `Send + Sync`; share it by reference.
#[derive(Debug)]
pub struct Service {
    store: Store,
    identity: Arc<Identity>,
    clock: Clock,
    ids: Ids,
    master: Arc<MasterKeys>,
    deadline: Duration,
}

/// What a mutation asks the policy.
#[derive(Clone, Copy, Debug)]
struct Ask {
    actor: Actor,
    operation: Operation,
    capability: Capability,
    reach: Reach,
}

impl Ask {
    /// To change something of the workspace itself.
    fn workspace(actor: Actor, operation: Operation, capability: Capability) -> Self {
        Self { actor, operation, capability, reach: Reach::Workspace }
    }

    /// To change something in an environment.
    fn environment(actor: Actor, operation: Operation, capability: Capability) -> Self {
        Self { actor, operation, capability, reach: Reach::Environment }
    }
}

impl Service {
    /// The identity component this service judges by.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id for something that is not kept: a request.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn new_id(&self) -> Result<Uuid, Error> {
        Ok(self.ids.next(self.clock.now())?)
    }

    /// The pools of connections to the database, as they are now.
    #[must_use]
    pub fn connections(&self) -> Vec<Connections> {
        self.store.connections()
    }

    /// Closes the database, once what runs on it is done.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// The id of a workspace as named. One nobody has gives the platform's, of which nobody is a member: a
    /// missing workspace is then refused as a hidden one is.
    async fn workspace_id(&self, workspace: &WorkspaceRef) -> Result<Uuid, Error> {
        let slug = match workspace {
            WorkspaceRef::Id(id) => return Ok(*id),
            WorkspaceRef::Slug(slug) => slug.parse::<Slug>(),
        };
        match slug {
            Ok(slug) => {
                let found = self.store.workspace_id_by_slug(slug.as_str()).await?;
                Ok(found.unwrap_or(PLATFORM_WORKSPACE))
            }
            Err(_) => Ok(PLATFORM_WORKSPACE),
        }
    }

    /// The id of an environment as named. A platform's name that none has gives an id that none has: a missing
    /// environment is then refused as a hidden one is. A name stays with its row for ever, so that it may be looked up
    /// before the transaction.
    async fn environment_id(&self, workspace_id: Uuid, environment: impl Into<RecordRef>) -> Result<Uuid, Error> {
        match environment.into() {
            RecordRef::Id(id) => Ok(id),
            RecordRef::ExternalRef(name) => {
                let found = self.read(workspace_id).await?.environment_id_by_ref(workspace_id, &name).await?;
                Ok(found.unwrap_or(Uuid::nil()))
            }
        }
    }

    /// Judges a mutation. A denial is told of in the same transaction: a member's in the workspace's chain, with
    /// the environment only if the member may know of it; a stranger's in the platform's own (X43).
    async fn admit<T>(
        &self,
        mut tx: WriteTx,
        ask: Ask,
        standing: Standing,
        environment_id: Option<Uuid>,
        found: Option<T>,
    ) -> Result<(WriteTx, T), Error> {
        match policy::authorize(ask.capability, ask.reach, standing, found) {
            Ok(found) => Ok((tx, found)),
            Err(denial) => {
                let mut event = Draft::by(ask.operation, ask.actor);
                event.denial = Some(denial);
                event.environment_id = environment_id.filter(|_| denial == Denial::Forbidden);
                if !standing.is_member() {
                    tx.tell_the_platform().await?;
                }
                tx.commit(event).await?;
                Err(denial.into())
            }
        }
    }

    /// Reads one state of a workspace.
    async fn read(&self, workspace_id: Uuid) -> Result<ReadTx, Error> {
        Ok(self.store.read(workspace_id).await?)
    }

    /// A mutation: one transaction on a workspace, done whole again as long as others were in its way, a bounded number
    /// of times, each after a longer wait of random length. Everything before a COMMIT is sent has one deadline
    /// (P381-14); past it nothing was written.
    async fn mutate<T, F, Attempt>(&self, workspace_id: Uuid, attempt: F) -> Result<T, Error>
    where
        F: Fn(WriteTx) -> Attempt,
        Attempt: Future<Output = Result<T, Error>>,
    {
        let deadline = Deadline::after(self.deadline);
        tokio::select! {
            biased;
            outcome = self.attempts(workspace_id, &deadline, attempt) => outcome,
            () = deadline.passed() => Err(StoreError::DeadlineExceeded.into()),
        }
    }

    async fn attempts<T, F, Attempt>(&self, workspace_id: Uuid, deadline: &Deadline, attempt: F) -> Result<T, Error>
    where
        F: Fn(WriteTx) -> Attempt,
        Attempt: Future<Output = Result<T, Error>>,
    {
        let mut wait_ms = BACKOFF_MS;
        let mut left = ATTEMPTS;
        loop {
            deadline.begin()?;
            let begun = self.store.write(workspace_id, deadline, self.clock.now(), &self.ids, &self.master).await;
            let outcome = match begun {
                Ok(tx) => attempt(tx).await,
                Err(error) => Err(error.into()),
            };
            left = left.saturating_sub(1);
            match outcome {
                Err(error) if error.is_transient() && left > 0 => {}
                outcome => return outcome,
            }
            metrics::counter!(RETRIES).increment(1);
            let [random] = *self.ids.random::<1>()?;
            let jitter_ms = wait_ms.saturating_mul(u64::from(random)) / 255;
            tokio::time::sleep(Duration::from_millis(wait_ms.saturating_add(jitter_ms))).await;
            wait_ms = wait_ms.saturating_mul(2).min(LONGEST_BACKOFF_MS);
        }
    }
}

/// Has the component work without keeping others waiting for this thread, where there are others.
#[must_use]
pub fn compute<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::current().runtime_flavor() {
        tokio::runtime::RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
