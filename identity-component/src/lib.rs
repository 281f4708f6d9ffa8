//! Provident's identity rules: canonical subject keys, provider resource descriptors, decisions, and the line
//! protocol over them.
//!
//! Everything here is a pure function of its arguments: no clock, no I/O, no randomness. The crate knows no
//! provider and no database. Built natively it is a plain library; built for `wasm32-wasip2` it is a component
//! that exports the world `identity` and imports nothing (`shell.rs`). Start reading at [`key`].
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

pub mod batch;
pub mod decision;
pub mod descriptor;
pub mod flat;
mod json;
pub mod key;
pub mod limits;
pub mod model;
#[cfg(target_family = "wasm")]
mod shell;
pub mod text;
