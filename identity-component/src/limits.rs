//! Every limit, once. Units stand at the end of the names.

/// The version of the key grammar.
pub const GRAMMAR_VERSION: u32 = 1;
/// The version of the contract in `wit/`.
pub const CONTRACT_VERSION: &str = "1.0.0";
/// A request line, its line end not counted.
pub const LINE_BYTES: usize = 65_536;
/// One call of `batch.run`.
pub const BATCH_BYTES: usize = 1_048_576;
/// How deep a request line may nest.
pub const LINE_DEPTH: usize = 16;
/// A request's `id`.
pub const ID_BYTES: usize = 128;
/// A canonical subject key.
pub const KEY_BYTES: usize = 1_024;
/// A provider key or subject domain.
pub const PROVIDER_BYTES: usize = 64;
/// A subject type key or resource type.
pub const TYPE_BYTES: usize = 128;
/// An id, external id, discriminator or fingerprint.
pub const VALUE_BYTES: usize = 512;
/// The id of an inventory item, policy version or operation run a descriptor was made from.
pub const SOURCE_BYTES: usize = 128;
/// A display label, as adapters cut it.
pub const LABEL_BYTES: usize = 512;
/// An operator note.
pub const NOTE_CHARS: usize = 2_000;
/// A reason code.
pub const REASON_BYTES: usize = 64;
/// How much of an input a message may echo.
pub const ECHO_CHARS: usize = 64;
