//! What can go wrong in a call: the input was refused, or the component itself failed.

use crate::model::IdentityError;
use std::io;

/// A component could not be opened, or did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// No embedded component has this name.
    #[error("no component `{0}`")]
    Unknown(String),
    /// The file is not the one that was pinned. Both as lower-case hex SHA-256.
    #[error("the component file has SHA-256 {actual}, not {expected}")]
    DigestMismatch {
        /// What was asked for.
        expected: String,
        /// What the file has.
        actual: String,
    },
    /// The component is not one of this contract, wants to import something, or its code does not fit this machine.
    #[error("the component cannot be opened: {0}")]
    Unusable(String),
    /// The input is over the limit of one call.
    #[error("the input has {bytes} bytes, over {limit_bytes}")]
    InputTooLarge {
        /// What was given.
        bytes: usize,
        /// What one call takes.
        limit_bytes: usize,
    },
    /// The component trapped; its instance is gone, the next call gets a new one.
    #[error("the component trapped")]
    Trapped,
    /// The call used up its fuel.
    #[error("the component ran out of fuel")]
    OutOfFuel,
    /// The call needed more memory than its cap.
    #[error("the component ran out of memory")]
    OutOfMemory,
    /// Others than this user or root own the folder compiled code is kept in, may write to it, or could put another in its
    /// place.
    #[error("the cache folder can be written by others than this user")]
    CacheNotPrivate,
    /// The folder compiled code is kept in cannot be made or looked at.
    #[error("the cache folder cannot be used: {0}")]
    CacheUnusable(io::ErrorKind),
}

impl ComponentError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "component-unknown",
            Self::DigestMismatch { .. } => "component-digest-mismatch",
            Self::Unusable(_) => "component-unusable",
            Self::InputTooLarge { .. } => "input-too-large",
            Self::Trapped => "component-trapped",
            Self::OutOfFuel => "component-out-of-fuel",
            Self::OutOfMemory => "component-out-of-memory",
            Self::CacheNotPrivate => "cache-not-private",
            Self::CacheUnusable(_) => "cache-unusable",
        }
    }

    /// Every code.
    pub const CODES: &'static [&'static str] = &[
        "component-unknown",
        "component-digest-mismatch",
        "component-unusable",
        "input-too-large",
        "component-trapped",
        "component-out-of-fuel",
        "component-out-of-memory",
        "cache-not-private",
        "cache-unusable",
    ];
}

/// A call was not answered with a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The input breaks these rules, in their order; never empty.
    #[error("{}", list(.0))]
    Refused(Vec<IdentityError>),
    /// The component itself failed.
    #[error(transparent)]
    Component(#[from] ComponentError),
}

impl From<IdentityError> for CallError {
    fn from(error: IdentityError) -> Self {
        Self::Refused(vec![error])
    }
}

fn list(errors: &[IdentityError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
