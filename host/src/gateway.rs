//! The gateway: the only room that talks to a provider, and the only one that opens what a connection logs in with.
//!
//! Whoever wants something of a provider has an [`OperationContext`] and goes through here (P061-04, P061-29).

mod context;
mod vault;

pub use context::OperationContext;
pub use vault::OpenedCredential;

pub(crate) use vault::seal;
