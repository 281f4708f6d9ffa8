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
    pub async fn token_holder(&self, _token: &str) -> Result<Result<TokenHolder, InvalidCredential>, Error> {
        Ok(Err(InvalidCredential::Bad))
    }

    /// The user an issuer's subject is, if it was linked to one.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn user_of_identity(&self, _issuer: &str, _subject: &str) -> Result<Option<Uuid>, Error> {
        Ok(None)
    }
}
