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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// Outcomes and their reasons, one line for each run of statuses with one reason.
    fn table(asked: Asked) -> String {
        let mut text = String::new();
        let mut first = 100;
        for status in 100..=599 {
            let reason = Outcome::Status(status).reason(asked);
            if status == 599 || Outcome::Status(status + 1).reason(asked) != reason {
                let range = if first == status { format!("{status}") } else { format!("{first}-{status}") };
                writeln!(text, "{range} {}", reason.as_str()).unwrap();
                first = status + 1;
            }
        }
        for broken in [Broken::Unreachable, Broken::Cut, Broken::TimedOut, Broken::TooLarge] {
            writeln!(text, "{broken:?} {}", Outcome::Broken(broken).reason(asked).as_str()).unwrap();
        }
        writeln!(text, "Malformed {}", Outcome::Malformed.reason(asked).as_str()).unwrap();
        text
    }

    #[test]
    fn every_outcome_has_the_agreed_reason() {
        let of_contracts = "\
            100-199 provider-refused\n\
            200-299 response-malformed\n\
            300-399 redirected\n\
            400 provider-refused\n\
            401 credential-rejected\n\
            402 provider-refused\n\
            403 permission-denied\n\
            404 provider-not-found\n\
            405-407 provider-refused\n\
            408 provider-timed-out\n\
            409 provider-refused\n\
            410 provider-not-found\n\
            411-428 provider-refused\n\
            429 provider-throttled\n\
            430-501 provider-refused\n\
            502-504 provider-unavailable\n\
            505-508 provider-refused\n\
            509 provider-throttled\n\
            510-599 provider-refused\n\
            Unreachable provider-unreachable\n\
            Cut provider-unreachable\n\
            TimedOut provider-timed-out\n\
            TooLarge response-too-large\n\
            Malformed response-malformed\n";
        assert_eq!(table(Asked::Contract), of_contracts);
        let of_tokens = of_contracts
            .replace("400 provider-refused\n401 credential-rejected", "400-401 credential-rejected")
            .replace("403 permission-denied", "403 credential-rejected");
        assert_eq!(table(Asked::Token), of_tokens);
    }

    #[test]
    fn some_failures_are_of_one_collection_and_all_others_end_everything() {
        let of_one: Vec<&str> = ReasonCode::ALL
            .iter()
            .filter(|&&reason| Failure { reason, contract: "x", status: None }.is_of_one_collection())
            .map(|reason| reason.as_str())
            .collect();
        let expected = [
            "provider-refused",
            "permission-denied",
            "provider-not-found",
            "response-too-large",
            "response-malformed",
            "paging-endless",
            "paging-elsewhere",
        ];
        assert_eq!(of_one, expected);
    }

    #[test]
    fn a_message_is_ours_and_short() {
        for &reason in ReasonCode::ALL {
            let failure = Failure { reason, contract: "cloud.thingsOfEveryKind", status: Some(503) };
            assert!(failure.message().len() < 200, "{failure}");
        }
        let failure = Failure { reason: ReasonCode::PermissionDenied, contract: "cloud.list", status: Some(403) };
        let said = "the provider does not allow this with the connection's credentials (cloud.list, status 403)";
        assert_eq!(failure.message(), said);
        assert_eq!(
            Failure { status: None, ..failure }.message(),
            "the provider does not allow this with the connection's credentials (cloud.list)"
        );
    }
}
