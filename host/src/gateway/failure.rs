//! Failures: what came of a request, and what of that is told.
//!
//! One pure function gives every outcome its reason ([`Outcome::reason`]). A provider's words are in none of them.

use std::fmt;

use super::client::Broken;
use super::contract::Contract;
use crate::run::ReasonCode;

/// Why something was not read. It says which contract, which reason and which status, and no word of the provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// The reason.
    pub reason: ReasonCode,
    /// The name of the contract.
    pub contract: &'static str,
    /// The status of the last answer, if there was one.
    pub status: Option<u16>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.reason.message(), self.contract)?;
        match self.status {
            Some(status) => write!(f, ", status {status})"),
            None => f.write_str(")"),
        }
    }
}

impl Failure {
    /// Of an answer that is JSON and not what its contract declares.
    pub(crate) fn malformed(contract: &'static Contract) -> Self {
        let outcome = Outcome::Malformed;
        Self { reason: outcome.reason(Asked::Contract), contract: contract.name(), status: outcome.status() }
    }

    /// Of whoever took what a contract gave, and could not.
    pub(crate) fn of(reason: ReasonCode, contract: &'static Contract) -> Self {
        Self { reason, contract: contract.name(), status: None }
    }

    /// The same for people, under 512 bytes.
    #[must_use]
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// Whether it is about one collection alone, so that the others can still be read.
    #[must_use]
    pub fn is_of_one_collection(&self) -> bool {
        matches!(
            self.reason,
            ReasonCode::PermissionDenied
                | ReasonCode::ProviderNotFound
                | ReasonCode::ProviderRefused
                | ReasonCode::ResponseMalformed
                | ReasonCode::ResponseTooLarge
                | ReasonCode::PagingEndless
                | ReasonCode::PagingElsewhere
        )
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// What a contract declares.
    Contract,
    /// A token.
    Token,
}

/// What came of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An answer with a status other than 200.
    Status(u16),
    /// No whole answer.
    Broken(Broken),
    /// Status 200, and not what was declared.
    Malformed,
}

impl Outcome {
    /// The status, if there was an answer.
    pub(super) fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status),
            Self::Malformed => Some(200),
            Self::Broken(_) => None,
        }
    }

    /// The reason of it.
    pub(super) fn reason(self, asked: Asked) -> ReasonCode {
        match (self, asked) {
            (Self::Broken(Broken::Unreachable | Broken::Cut), _) => ReasonCode::ProviderUnreachable,
            (Self::Broken(Broken::TimedOut) | Self::Status(408), _) => ReasonCode::ProviderTimedOut,
            (Self::Broken(Broken::TooLarge), _) => ReasonCode::ResponseTooLarge,
            (Self::Malformed | Self::Status(200..=299), _) => ReasonCode::ResponseMalformed,
            (Self::Status(300..=399), _) => ReasonCode::Redirected,
            (Self::Status(429 | 509), _) => ReasonCode::ProviderThrottled,
            (Self::Status(502..=504), _) => ReasonCode::ProviderUnavailable,
            // All that is said for a token is a connection's own: who, with what secret, in which directory.
            (Self::Status(400 | 401 | 403), Asked::Token) | (Self::Status(401), Asked::Contract) => {
                ReasonCode::CredentialRejected
            }
            (Self::Status(403), Asked::Contract) => ReasonCode::PermissionDenied,
            (Self::Status(404 | 410), _) => ReasonCode::ProviderNotFound,
            (Self::Status(_), _) => ReasonCode::ProviderRefused,
        }
    }
}
