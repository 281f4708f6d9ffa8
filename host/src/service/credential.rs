//! Credentials: making, listing and ending them is the system plane's; whom one stands for is asked before anything
//! else of a request is looked at.
//!
//! The secret of a token is made here, given back once and forgotten. What an answer to a bad one may tell is one thing:
//! that it does not hold; only who has the secret learns that its time is over.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::Service;
use super::setup::unknown_user;
use crate::actor::SystemPlane;
use crate::audit::{Draft, Operation};
use crate::binding::Decider;
use crate::credential::{
    ApiToken, IdentityName, InvalidCredential, SECRET_BYTES, TokenHolder, TokenText, UserIdentity,
};
use crate::error::{Conflict, Error};
use crate::page::{Page, PageRequest};
use crate::store::{TokenToKeep, WriteTx};
use crate::workspace::{DisplayName, PLATFORM_WORKSPACE, WorkspaceRef};

/// The longest a token holds: 400 days.
pub const LONGEST_LIFETIME: Duration = Duration::from_hours(400 * 24);
/// The shortest.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);

/// A token that is asked for.
#[derive(Clone)]
pub struct NewToken {
    /// Whom it stands for.
    pub user_id: Uuid,
    /// The only workspace it reaches, if it is to be bound to one.
    pub workspace: Option<WorkspaceRef>,
    /// What people call it.
    pub label: String,
    /// How long it holds: 1 second to [`LONGEST_LIFETIME`].
    pub lifetime: Duration,
    /// Whether its holder may name another user to act for.
    pub may_act_for_others: bool,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A label is nobody's business.
        f.debug_struct("NewToken").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

impl Service {
    /// Makes a token. Its text is given this once and kept nowhere.
    ///
    /// # Errors
    /// `bad-display-name`, `bad-expiry`, `unknown-user`, `unknown-workspace`.
    pub async fn create_token(&self, _plane: &SystemPlane, token: &NewToken) -> Result<(ApiToken, TokenText), Error> {
        let label = token.label.parse().map_err(|_| {
            Error::invalid("bad-display-name", "label", "1 to 512 bytes, printable, no white space around it")
        })?;
        if !(SHORTEST_LIFETIME..=LONGEST_LIFETIME).contains(&token.lifetime) {
            return Err(Error::invalid("bad-expiry", "expires_in", "1 second to 400 days"));
        }
        let workspace_id = match &token.workspace {
            Some(workspace) => Some(self.workspace_id(workspace).await?),
            None => None,
        };
        self.mutate(PLATFORM_WORKSPACE, |tx| self.create_token_once(tx, token, &label, workspace_id)).await
    }

    async fn create_token_once(
        &self,
        mut tx: WriteTx,
        token: &NewToken,
        label: &DisplayName,
        workspace_id: Option<Uuid>,
    ) -> Result<(ApiToken, TokenText), Error> {
        if !tx.is_live_user(token.user_id).await? {
            return Err(unknown_user());
        }
        if let Some(id) = workspace_id
            && (id == PLATFORM_WORKSPACE || !tx.is_workspace(id).await?)
        {
            return Err(Error::invalid("unknown-workspace", "workspace", "there is no such workspace"));
        }
        let id = tx.new_id()?;
        let text = TokenText::new(id, self.ids.random::<SECRET_BYTES>()?);
        let made = tx
            .insert_token(&TokenToKeep {
                id,
                user_id: token.user_id,
                workspace_id,
                label,
                secret_sha256: &text.secret_sha256(),
                may_act_for_others: token.may_act_for_others,
                expires_at: tx.now().after(token.lifetime),
            })
            .await?;
        tx.commit(about(Operation::TokenCreate, id)).await?;
        Ok((made, text))
    }

    /// Tokens by id, those that no longer hold too.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn tokens(&self, _plane: &SystemPlane, page: PageRequest) -> Result<Page<ApiToken>, Error> {
        Ok(self.read(PLATFORM_WORKSPACE).await?.tokens(page).await?)
    }

    /// Ends a token, from the next request on.
    ///
    /// # Errors
    /// `unknown-token`, `token-revoked-already`.
    pub async fn revoke_token(&self, _plane: &SystemPlane, token_id: Uuid) -> Result<ApiToken, Error> {
        self.mutate(PLATFORM_WORKSPACE, |tx| self.revoke_token_once(tx, token_id)).await
    }

    async fn revoke_token_once(&self, mut tx: WriteTx, token_id: Uuid) -> Result<ApiToken, Error> {
        let Some(revoked) = tx.revoke_token(token_id).await? else {
            return Err(if tx.is_token(token_id).await? {
                Conflict::TokenRevokedAlready.into()
            } else {
                Error::invalid("unknown-token", "token_id", "there is no such token")
            });
        };
        tx.commit(about(Operation::TokenRevoke, token_id)).await?;
        Ok(revoked)
    }

    /// Says that an identity provider's subject is a user. One whose link ended may be linked again, to anybody.
    ///
    /// # Errors
    /// `bad-identity`, `unknown-user`; `identity-linked` if the subject is somebody, this user or another.
    pub async fn link_identity(
        &self,
        _plane: &SystemPlane,
        user_id: Uuid,
        issuer: &str,
        subject: &str,
    ) -> Result<UserIdentity, Error> {
        let (issuer, subject) = (identity_name("issuer", issuer)?, identity_name("subject", subject)?);
        self.mutate(PLATFORM_WORKSPACE, |tx| self.link_identity_once(tx, user_id, &issuer, &subject)).await
    }

    async fn link_identity_once(
        &self,
        mut tx: WriteTx,
        user_id: Uuid,
        issuer: &IdentityName,
        subject: &IdentityName,
    ) -> Result<UserIdentity, Error> {
        if !tx.is_live_user(user_id).await? {
            return Err(unknown_user());
        }
        let linked = tx.link_identity(issuer, subject, user_id).await?.ok_or(Conflict::IdentityLinked)?;
        tx.commit(about(Operation::UserIdentityLink, user_id)).await?;
        Ok(linked)
    }

    /// Ends a link: the subject is a stranger, from the next request on.
    ///
    /// # Errors
    /// `bad-identity`, `unknown-identity`.
    pub async fn end_identity(&self, _plane: &SystemPlane, issuer: &str, subject: &str) -> Result<UserIdentity, Error> {
        let (issuer, subject) = (identity_name("issuer", issuer)?, identity_name("subject", subject)?);
        self.mutate(PLATFORM_WORKSPACE, |tx| self.end_identity_once(tx, &issuer, &subject)).await
    }

    async fn end_identity_once(
        &self,
        mut tx: WriteTx,
        issuer: &IdentityName,
        subject: &IdentityName,
    ) -> Result<UserIdentity, Error> {
        let ended = tx
            .end_identity(issuer, subject)
            .await?
            .ok_or_else(|| Error::invalid("unknown-identity", "subject", "the issuer's subject is linked to nobody"))?;
        tx.commit(about(Operation::UserIdentityEnd, ended.user_id)).await?;
        Ok(ended)
    }

    /// Whom a user is to identity providers, links that ended too, by issuer and subject.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn identities(&self, _plane: &SystemPlane, user_id: Uuid) -> Result<Vec<UserIdentity>, Error> {
        Ok(self.read(PLATFORM_WORKSPACE).await?.identities(user_id).await?)
    }

    /// Whom a bearer token stands for, as it was typed. One statement; none for a text that is no token's.
    ///
    /// # Errors
    /// Internal ones; that a token does not hold is no error but the answer.
    pub async fn token_holder(&self, token: &str) -> Result<Result<TokenHolder, InvalidCredential>, Error> {
        let Ok(text) = token.parse::<TokenText>() else {
            return Ok(Err(InvalidCredential::Bad));
        };
        let found = self.store.kept_token(text.id()).await?;
        let right = text.is_of(found.as_ref().map(|kept| kept.secret_sha256.as_str()));
        Ok(match found {
            Some(kept) if right && kept.revoked_at.is_none() && kept.disabled_at.is_none() => {
                if self.clock.now() < kept.expires_at {
                    Ok(TokenHolder {
                        token_id: text.id(),
                        user_id: kept.user_id,
                        only_workspace_id: kept.workspace_id,
                        may_act_for_others: kept.may_act_for_others,
                    })
                } else {
                    Err(InvalidCredential::Expired)
                }
            }
            _ => Err(InvalidCredential::Bad),
        })
    }

    /// The user an issuer's subject is, if it is linked to one and they are not disabled. One statement; none for names
    /// that nobody can have.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn user_of_identity(&self, issuer: &str, subject: &str) -> Result<Option<Uuid>, Error> {
        match (issuer.parse(), subject.parse()) {
            (Ok(issuer), Ok(subject)) => Ok(self.store.live_user_of_identity(&issuer, &subject).await?),
            _ => Ok(None),
        }
    }
}

/// An event of the system plane about a token or a user.
fn about(operation: Operation, target_id: Uuid) -> Draft {
    let mut event = Draft::new(operation, Decider::System);
    event.target_id = Some(target_id);
    event
}

fn identity_name(field: &'static str, text: &str) -> Result<IdentityName, Error> {
    text.parse().map_err(|_| Error::invalid("bad-identity", field, "1 to 255 bytes without control characters"))
}
