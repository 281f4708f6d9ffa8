//! What the suites share: databases on both engines, the contract of adapters, and the guards over the sources.

pub mod adapter_contract;
pub mod api;
pub mod broken;
pub mod catalog;
pub mod console;
mod count;
pub mod database;
pub mod foreign_adapter;
pub mod guard;
pub mod hostile;
pub mod identity_provider;
pub mod insistence;
pub mod installation;
pub mod partition;
pub mod postgres;
pub mod product;
pub mod program;
pub mod proxy;
pub mod replay;
pub mod role;
pub mod rows;
pub mod serving;
pub mod tables;
pub mod trail;
pub mod vectors;
pub mod wire;
pub mod workload;
