//! Secrets: the master keys, and what is sealed under them.
//!
//! An installation has one master key, 32 random bytes with a version, kept in a file only its owner can read; while
//! another is put in its place it has both ([`MasterKeys`]). Each workspace has a random key of its own for the HMAC of
//! notes, and each field of a connection's credentials one for its value; they lie in the database sealed under the master
//! key and leave this room only to be used. No type here can be printed, compared or serialised, and all are wiped when
//! dropped. What is authenticated with a note key is told in [`crate::audit`], who may open a value in [`crate::gateway`].

mod data_key;
mod key_file;
mod master_key;
mod master_keys;
mod note_key;
mod sealing;

pub use master_key::MasterKey;
pub use master_keys::MasterKeys;
pub use note_key::{NoteKey, SealedNoteKey};

pub(crate) use data_key::DataKey;
pub(crate) use key_file::HeldKeyFile;

use std::io;

use crate::clock::NoRandomness;

/// Why a secret cannot be had. Never says what was read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no master key file.
    #[error("there is no master key at the place it is kept")]
    Missing,
    /// The file can be read or written by others than its owner.
    #[error("the master key file must be readable by its owner only (mode 0600)")]
    Exposed,
    /// The text is not a master key, or was damaged.
    #[error("the master key is malformed or damaged")]
    Malformed,
    /// Something was sealed under another key, for another purpose or place, or was damaged.
    #[error("a sealed value does not open with this master key")]
    DoesNotOpen,
    /// Something is sealed under a later master key than any that is known here.
    #[error(
        "the data is sealed under a newer master key: put that key beside the old one, and where keys come from the \
         environment, start again with both"
    )]
    Superseded,
    /// The file could not be read or written.
    #[error("the master key file cannot be used: {0}")]
    File(io::Error),
    /// There is no randomness to make a key of.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl SecretError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "master-key-missing",
            Self::Exposed => "master-key-exposed",
            Self::Malformed => "master-key-malformed",
            Self::DoesNotOpen => "master-key-mismatch",
            Self::Superseded => "master-key-superseded",
            Self::File(_) => "master-key-unusable",
            Self::NoRandomness(_) => "no-randomness",
        }
    }
}
