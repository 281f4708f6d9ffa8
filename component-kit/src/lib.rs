//! What every component of this project shares.
//!
//! [`runtime`] is the allocator and ABI glue that a bare WebAssembly build needs: a crate that uses it and
//! nothing of `std` becomes a component without a single import. [`label`] is the rule for display labels.
//! Nothing here knows a provider, or the grammar of keys.
#![no_std]

extern crate alloc;
#[cfg(not(target_family = "wasm"))]
extern crate std;

pub mod label;
#[cfg(target_family = "wasm")]
pub mod runtime;
