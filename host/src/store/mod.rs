//! The store: the only room that knows SQL.
//!
//! One [`Store`] over two engines, opened by URL. Services see `ReadTx`, which cannot write, and `WriteTx`,
//! whose only way to commit takes the event that tells of the change; `housekeeping.rs` has the one exception. One file per noun; one text per
//! statement, whatever the engine. What may be done to rows is decided above, what rows may look like in
//! `migrations/`. Read next: `tx.rs`, then a noun.

mod audit;
mod audit_batch;
mod binding;
mod binding_batch;
mod binding_note;
mod binding_row;
mod connection;
mod copied;
mod copy;
mod encoding;
mod engine;
mod environment;
mod error;
mod housekeeping;
mod idempotency;
mod inventory;
mod membership;
mod migration;
mod open;
mod platform;
mod provider_credential;
mod reach;
mod registry;
mod registry_baseline;
mod registry_known;
mod registry_row;
mod role;
mod run;
mod source;
mod statement;
mod tx;

pub use copied::{COPIED_TABLES, CopiedTable, Kind};
pub use environment::EnvironmentScope;
pub use error::StoreError;
pub use housekeeping::HOUSEKEEPING_TABLES;
pub use migration::{Migration, MigrationState};
pub use open::Store;
pub use reach::Connections;
pub use statement::{forget_statements, statements_counted, statements_run};

pub(crate) use binding::NewBinding;
pub(crate) use connection::NewConnection;
pub(crate) use idempotency::KeyedRequest;
pub(crate) use inventory::{KnownItem, Observation, Through};
pub(crate) use migration::{migrate_down, migrate_up, migrations};
pub(crate) use platform::{KeptMasterKey, Lease, TokenToKeep};
pub(crate) use provider_credential::CredentialToRewrap;
pub(crate) use registry::Keys;
pub(crate) use registry_known::{
    KnownAssignment, KnownConnection, KnownDirectory, KnownEntitlement, KnownEnvironment, KnownMembership,
    KnownPolicyVersion, KnownProfile, KnownRun, KnownSnapshot,
};
pub(crate) use role::{apply_roles, role_sql};
pub(crate) use run::{NewRun, RunEnding};
pub(crate) use tx::{Deadline, ReadTx, WriteTx};
