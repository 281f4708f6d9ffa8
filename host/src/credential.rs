//! Credentials: what a caller shows instead of a name, and what it stands for.
//!
//! Shapes only. Tokens are kept and looked up by [`crate::service`]; JWTs are judged by [`crate::jwt`].

use uuid::Uuid;

/// Whom a token stands for, and what it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHolder {
    /// The token.
    pub token_id: Uuid,
    /// The user it was made for.
    pub user_id: Uuid,
    /// The only workspace it reaches, if it is bound to one.
    pub only_workspace_id: Option<Uuid>,
    /// Whether its holder may name another user to act for.
    pub may_act_for_others: bool,
}

/// Why a credential does not hold. Told before anything else is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredential {
    /// Malformed, unknown, revoked, or of somebody who is gone: which of them is not told.
    #[error("the credential does not hold")]
    Bad,
    /// It was one that held, and its time is over.
    #[error("the credential has expired")]
    Expired,
}

impl InvalidCredential {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Bad => "bad-credential",
            Self::Expired => "credential-expired",
        }
    }
}
