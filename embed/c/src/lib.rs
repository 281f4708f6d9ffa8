//! The C library: the identity component and the provider adapters, for every language that can call C.
//!
//! [`exports`] holds the functions and is all that a caller sees, as `include/provident.h`. What crosses is bytes and
//! numbers: `memory` takes and gives the bytes, `table` knows what a number stands for, `answer` is the one way a
//! call takes, and `refusal` what may come of it. This crate knows no rule of identity and no WebAssembly: it hands over
//! to `provident-identity`.

mod answer;
pub mod exports;
mod memory;
mod open;
mod refusal;
mod table;

pub use memory::provident_bytes;
pub use refusal::CODES;
