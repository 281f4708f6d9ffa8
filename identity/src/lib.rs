//! Runs Provident's components: the identity component, and provider adapters.
//!
//! The one crate that knows wasmtime. Components are embedded, compiled ahead of time and pinned by SHA-256; every
//! call has a fuel limit, a memory cap and an input cap, and an instance that trapped is thrown away. The crate knows no
//! database and no service, so a C library or another host can use it alone.
//!
//! Start with [`Identity`] (keys, descriptors, decisions), [`Adapter`] (raw objects to descriptors) and
//! [`Lines`] (the line protocol over byte streams).

mod adapter;
#[cfg(feature = "compile")]
mod cache;
mod config;
mod embedded;
mod error;
mod identity;
mod lines;
mod model;
mod runner;
mod tally;

pub use adapter::{Adapted, Adapter, AdapterDescription, Items, Refusal};
pub use embedded::{
    ComponentDescription, Pinned, adapters, component_file, components, embedded_codes, engine_version,
};
pub use error::{CallError, ComponentError};
pub use identity::{About, Decision, DerivedKey, Described, Identity, Limits, ParsedKey};
pub use lines::{Answered, Lines};
pub use model::{
    ActorKind, BindingStatus, CanonicalSubjectKey, DecisionAction, ErrorCode, GovernedSubject, IdentityError,
    InvalidName, KeyForm, ProviderResourceDescriptor, ResolutionMode, ResourceIdentity, SubjectClass, SupportLevel,
};
pub use tally::Calls;
