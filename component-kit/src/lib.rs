//! What every component of this project shares.
//!
//! `runtime` (on WebAssembly only) is the allocator and ABI glue that a bare WebAssembly build needs: a crate that
//! uses it and nothing of `std` becomes a component without a single import. [`label`] is the rule for display
//! labels, [`quote`] the one for refused texts in messages. With feature `adapter`, what provider adapters have in
//! common: [`model`] (the plain types they answer with), [`raw`] (reading a document of raw objects), [`text`] (the
//! rules every identity text is held to) and [`adapter_shell`], the macro that makes a component of an adapter's two
//! functions.
//!
//! Nothing here knows a provider, or derives a key.
#![no_std]

extern crate alloc;
#[cfg(not(target_family = "wasm"))]
extern crate std;

pub mod label;
#[cfg(feature = "adapter")]
pub mod model;
pub mod quote;
#[cfg(feature = "adapter")]
pub mod raw;
#[cfg(target_family = "wasm")]
pub mod runtime;
#[cfg(feature = "adapter")]
mod shell;
#[cfg(feature = "adapter")]
pub mod text;
