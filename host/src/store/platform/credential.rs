//! Platform tables, the part about credentials: tokens, of whose secrets there are hashes, and whom the subjects of
//! identity providers are.
//!
//! The two look-ups that come before every request run alone on the pool, one statement and one round trip each: there
//! is no workspace yet that a transaction could be about.

use sqlx::FromRow;
use uuid::Uuid;

use super::super::engine::{alone, on, sql};
use super::super::open::Store;
use super::super::tx::{ReadTx, WriteTx};
use super::{StoreError, User, UserRow, display_name};
use crate::clock::Timestamp;
use crate::credential::{ApiToken, IdentityName, UserIdentity};
use crate::page::{Page, PageRequest};
use crate::workspace::DisplayName;

/// A token as it is judged.
#[derive(FromRow)]
pub(crate) struct KeptToken {
    pub(crate) user_id: Uuid,
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) secret_sha256: String,
    pub(crate) may_act_for_others: bool,
    pub(crate) expires_at: Timestamp,
    pub(crate) revoked_at: Option<Timestamp>,
    /// Of its user.
    pub(crate) disabled_at: Option<Timestamp>,
}

/// A token to be kept.
#[derive(Debug)]
pub(crate) struct TokenToKeep<'a> {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) label: &'a DisplayName,
    pub(crate) secret_sha256: &'a str,
    pub(crate) may_act_for_others: bool,
    pub(crate) expires_at: Timestamp,
}

#[derive(FromRow)]
struct TokenRow {
    id: Uuid,
    user_id: Uuid,
    workspace_id: Option<Uuid>,
    label: String,
    may_act_for_others: bool,
    created_at: Timestamp,
    expires_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct IdentityRow {
    issuer: String,
    subject: String,
    user_id: Uuid,
    created_at: Timestamp,
    updated_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl TryFrom<TokenRow> for ApiToken {
    type Error = StoreError;

    fn try_from(row: TokenRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            user_id: row.user_id,
            workspace_id: row.workspace_id,
            label: display_name(&row.label)?,
            may_act_for_others: row.may_act_for_others,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        })
    }
}

impl TryFrom<IdentityRow> for UserIdentity {
    type Error = StoreError;

    fn try_from(row: IdentityRow) -> Result<Self, StoreError> {
        let name = |text: &str| text.parse().map_err(|_| StoreError::Corrupt("identity"));
        Ok(Self {
            issuer: name(&row.issuer)?,
            subject: name(&row.subject)?,
            user_id: row.user_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
            ended_at: row.ended_at,
        })
    }
}

impl Store {
    /// A token and its user, whatever has become of them. On its own, without a transaction.
    pub(crate) async fn kept_token(&self, id: Uuid) -> Result<Option<KeptToken>, StoreError> {
        let text = sql!(
            "kept_token",
            "SELECT t.user_id, t.workspace_id, t.secret_sha256, t.may_act_for_others, t.expires_at, t.revoked_at, \
             u.disabled_at FROM api_tokens t JOIN users u ON u.id = t.user_id WHERE t.id = $1"
        );
        Ok(alone!(self.engine, |pool| sqlx::query_as(text).bind(id).fetch_optional(pool))?)
    }

    /// The user a subject is, if it is one and they are not disabled. On its own, without a transaction.
    pub(crate) async fn live_user_of_identity(
        &self,
        issuer: &IdentityName,
        subject: &IdentityName,
    ) -> Result<Option<Uuid>, StoreError> {
        let text = sql!(
            "live_user_of_identity",
            "SELECT i.user_id FROM user_identities i JOIN users u ON u.id = i.user_id \
             WHERE i.issuer = $1 AND i.subject = $2 AND i.ended_at IS NULL AND u.disabled_at IS NULL"
        );
        Ok(alone!(self.engine, |pool| sqlx::query_scalar(text)
            .bind(issuer.as_str())
            .bind(subject.as_str())
            .fetch_optional(pool))?)
    }
}

impl ReadTx {
    /// Tokens by id, those that no longer hold too.
    pub(crate) async fn tokens(&mut self, page: PageRequest) -> Result<Page<ApiToken>, StoreError> {
        let text = sql!(
            "tokens",
            "SELECT id, user_id, workspace_id, label, may_act_for_others, created_at, expires_at, revoked_at \
             FROM api_tokens WHERE ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2"
        );
        let rows: Vec<TokenRow> =
            on!(self.tx, |conn| sqlx::query_as(text).bind(page.after()).bind(page.limit()).fetch_all(conn))?;
        let items = rows.into_iter().map(ApiToken::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(page.page(items, |token| token.id))
    }

    /// Whether there is such a token, in whatever state.
    pub(crate) async fn is_token(&mut self, id: Uuid) -> Result<bool, StoreError> {
        let text = sql!("is_token", "SELECT id FROM api_tokens WHERE id = $1");
        let found: Option<Uuid> = on!(self.tx, |conn| sqlx::query_scalar(text).bind(id).fetch_optional(conn))?;
        Ok(found.is_some())
    }

    /// Whom a user is to identity providers, or was.
    pub(crate) async fn identities(&mut self, user_id: Uuid) -> Result<Vec<UserIdentity>, StoreError> {
        let text = sql!(
            "identities",
            "SELECT issuer, subject, user_id, created_at, updated_at, ended_at \
             FROM user_identities WHERE user_id = $1 ORDER BY issuer, subject"
        );
        let rows: Vec<IdentityRow> = on!(self.tx, |conn| sqlx::query_as(text).bind(user_id).fetch_all(conn))?;
        rows.into_iter().map(UserIdentity::try_from).collect()
    }
}

impl WriteTx {
    /// Keeps a token.
    pub(crate) async fn insert_token(&mut self, token: &TokenToKeep<'_>) -> Result<ApiToken, StoreError> {
        let text = sql!(
            "insert_token",
            "INSERT INTO api_tokens \
             (id, user_id, workspace_id, label, secret_sha256, may_act_for_others, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             RETURNING id, user_id, workspace_id, label, may_act_for_others, created_at, expires_at, revoked_at"
        );
        let now = self.now;
        let row: TokenRow = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(token.id)
            .bind(token.user_id)
            .bind(token.workspace_id)
            .bind(token.label.as_str())
            .bind(token.secret_sha256)
            .bind(token.may_act_for_others)
            .bind(now)
            .bind(token.expires_at)
            .fetch_one(conn))?;
        row.try_into()
    }

    /// Ends a token, or nothing if there is none that was not ended before.
    pub(crate) async fn revoke_token(&mut self, id: Uuid) -> Result<Option<ApiToken>, StoreError> {
        let text = sql!(
            "revoke_token",
            "UPDATE api_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL \
             RETURNING id, user_id, workspace_id, label, may_act_for_others, created_at, expires_at, revoked_at"
        );
        let now = self.now;
        let row: Option<TokenRow> =
            on!(self.read.tx, |conn| sqlx::query_as(text).bind(id).bind(now).fetch_optional(conn))?;
        row.map(ApiToken::try_from).transpose()
    }

    /// Says who a subject is, or nothing if it is somebody already.
    pub(crate) async fn link_identity(
        &mut self,
        issuer: &IdentityName,
        subject: &IdentityName,
        user_id: Uuid,
    ) -> Result<Option<UserIdentity>, StoreError> {
        let text = sql!(
            "link_identity",
            "INSERT INTO user_identities (issuer, subject, user_id, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $4) \
             ON CONFLICT (issuer, subject) DO UPDATE \
             SET user_id = excluded.user_id, updated_at = excluded.updated_at, ended_at = NULL \
             WHERE user_identities.ended_at IS NOT NULL \
             RETURNING issuer, subject, user_id, created_at, updated_at, ended_at"
        );
        let now = self.now;
        let row: Option<IdentityRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(issuer.as_str())
            .bind(subject.as_str())
            .bind(user_id)
            .bind(now)
            .fetch_optional(conn))?;
        row.map(UserIdentity::try_from).transpose()
    }

    /// Ends a link, or nothing if there is none that holds.
    pub(crate) async fn end_identity(
        &mut self,
        issuer: &IdentityName,
        subject: &IdentityName,
    ) -> Result<Option<UserIdentity>, StoreError> {
        let text = sql!(
            "end_identity",
            "UPDATE user_identities SET ended_at = $3, updated_at = $3 \
             WHERE issuer = $1 AND subject = $2 AND ended_at IS NULL \
             RETURNING issuer, subject, user_id, created_at, updated_at, ended_at"
        );
        let now = self.now;
        let row: Option<IdentityRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(issuer.as_str())
            .bind(subject.as_str())
            .bind(now)
            .fetch_optional(conn))?;
        row.map(UserIdentity::try_from).transpose()
    }

    /// Makes a user a stranger everywhere, or nothing if there is none who is not one already.
    pub(crate) async fn disable_user(&mut self, id: Uuid) -> Result<Option<User>, StoreError> {
        let text = sql!(
            "disable_user",
            "UPDATE users SET disabled_at = $2 WHERE id = $1 AND disabled_at IS NULL \
             RETURNING id, display_name, kind, created_at, disabled_at"
        );
        let now = self.now;
        let row: Option<UserRow> =
            on!(self.read.tx, |conn| sqlx::query_as(text).bind(id).bind(now).fetch_optional(conn))?;
        row.map(User::try_from).transpose()
    }
}
