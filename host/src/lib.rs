//! Provident's host: decisions about provider resources, kept, judged and audited.
//!
//! Rooms, and what each may reach: [`http`] (the only room that knows requests; it asks [`jwt`] whether a JWT holds)
//! calls [`service`] (one operation, one function, one transaction), which uses [`policy`] (pure), the identity component
//! and [`store`] (the only room that knows SQL). Beside them the domain types ([`binding`], [`idempotency`],
//! [`inventory`], [`provider_credential`], [`registry`], [`workspace`], [`audit`], [`actor`], [`credential`], [`page`]), how JSON is read
//! ([`json`]) and described ([`schema`]), and [`clock`], [`secret`], [`error`]. Start reading at [`service`].

pub mod actor;
pub mod audit;
pub mod binding;
pub mod clock;
pub mod connection;
pub mod credential;
pub mod error;
pub mod gateway;
pub mod http;
pub mod idempotency;
pub mod inventory;
pub mod json;
pub mod jwt;
#[cfg(feature = "leaking")]
pub mod leak;
pub mod page;
pub mod policy;
pub mod provider;
pub mod provider_credential;
pub mod registry;
pub mod run;
pub mod schema;
pub mod secret;
pub mod service;
pub mod store;
pub mod worker;
pub mod workspace;
