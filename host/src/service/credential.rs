//! Credentials: making, listing and ending them is the system plane's; whom one stands for is asked before anything
//! else of a request is looked at.

use uuid::Uuid;

use super::Service;
use crate::credential::{InvalidCredential, TokenHolder};
use crate::error::Error;

impl Service {
    /// Whom a bearer token stands for, as it was typed.
    ///
    /// # Errors
    /// Internal ones; that a token does not hold is no error but the answer.
    pub async fn token_holder(&self, token: &str) -> Result<Result<TokenHolder, InvalidCredential>, Error> {
        let user_id: Option<Uuid> = token.strip_prefix("pvd_").and_then(|text| text.parse().ok());
        Ok(user_id
            .map(|user_id| TokenHolder {
                token_id: user_id,
                user_id,
                only_workspace_id: None,
                may_act_for_others: true,
            })
            .ok_or(InvalidCredential::Bad))
    }

    /// The user an issuer's subject is, if it was linked to one.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn user_of_identity(&self, _issuer: &str, _subject: &str) -> Result<Option<Uuid>, Error> {
        Ok(None)
    }
}
