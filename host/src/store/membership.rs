//! Members of a workspace and what they are entitled to. Ended, never deleted.

use sqlx::FromRow;
use uuid::Uuid;

use super::StoreError;
use super::engine::{Tx, on, run, sql};
use super::environment::EnvironmentScope;
use super::tx::{ReadTx, WriteTx};
use crate::clock::Timestamp;
use crate::page::{Page, PageRequest};
use crate::policy::{Role, Standing};
use crate::workspace::{Entitlement, Membership};

#[derive(FromRow)]
struct MembershipRow {
    workspace_id: Uuid,
    user_id: Uuid,
    role: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    ended_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct EntitlementRow {
    workspace_id: Uuid,
    managed_environment_id: Uuid,
    user_id: Uuid,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct StandingRow {
    role: Option<String>,
    entitled_user_id: Option<Uuid>,
    environment_id: Option<Uuid>,
}

impl TryFrom<MembershipRow> for Membership {
    type Error = StoreError;

    fn try_from(row: MembershipRow) -> Result<Self, StoreError> {
        Ok(Self {
            workspace_id: row.workspace_id,
            user_id: row.user_id,
            role: role(&row.role)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
            ended_at: row.ended_at,
        })
    }
}

impl From<EntitlementRow> for Entitlement {
    fn from(row: EntitlementRow) -> Self {
        Self {
            workspace_id: row.workspace_id,
            environment_id: row.managed_environment_id,
            user_id: row.user_id,
            created_at: row.created_at,
            ended_at: row.ended_at,
        }
    }
}

fn standing(
    workspace_id: Uuid,
    row: &StandingRow,
    live: bool,
) -> Result<(Standing, Option<EnvironmentScope>), StoreError> {
    let role = row.role.as_deref().map(role).transpose()?.filter(|_| live);
    let standing = Standing::of(role, row.entitled_user_id.is_some());
    let scope = row.environment_id.map(|id| EnvironmentScope::of_row(workspace_id, id));
    Ok((standing, scope))
}

fn role(text: &str) -> Result<Role, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt("role"))
}

impl ReadTx {
    /// How a user stands to a workspace and an environment of it, and the environment, if there is one: the same
    /// two statements whatever is there.
    pub(crate) async fn standing(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
        environment_id: Uuid,
    ) -> Result<(Standing, Option<EnvironmentScope>), StoreError> {
        let live = self.is_live_user(user_id).await?;
        let text = sql!(
            "standing",
            "SELECT (SELECT m.role FROM workspace_memberships m \
                     WHERE m.workspace_id = $1 AND m.user_id = $2 AND m.ended_at IS NULL) AS role, \
                    (SELECT t.user_id FROM environment_entitlements t \
                     WHERE t.workspace_id = $1 AND t.managed_environment_id = $3 AND t.user_id = $2 \
                     AND t.ended_at IS NULL) AS entitled_user_id, \
                    (SELECT e.id FROM managed_environments e \
                     WHERE e.workspace_id = $1 AND e.id = $3) AS environment_id"
        );
        let row: StandingRow = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(user_id)
            .bind(environment_id)
            .fetch_one(conn))?;
        standing(workspace_id, &row, live)
    }

    /// The members of a workspace, former ones too, by user id.
    pub(crate) async fn memberships(
        &mut self,
        workspace_id: Uuid,
        page: PageRequest,
    ) -> Result<Page<Membership>, StoreError> {
        let text = sql!(
            "memberships",
            "SELECT workspace_id, user_id, role, created_at, updated_at, ended_at FROM workspace_memberships \
             WHERE workspace_id = $1 AND ($2 IS NULL OR user_id > $2) ORDER BY user_id LIMIT $3"
        );
        let rows: Vec<MembershipRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(page.after())
            .bind(page.limit())
            .fetch_all(conn))?;
        let items = rows.into_iter().map(Membership::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(page.page(items, |membership| membership.user_id))
    }
}

impl WriteTx {
    /// Makes a user a member, or a former one again; nothing if they are one.
    pub(crate) async fn insert_membership(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
        role: Role,
    ) -> Result<Option<Membership>, StoreError> {
        let text = sql!(
            "insert_membership",
            "INSERT INTO workspace_memberships (workspace_id, user_id, role, origin, created_at, updated_at) \
             VALUES ($1, $2, $3, 'own', $4, $4) \
             ON CONFLICT (workspace_id, user_id) DO UPDATE \
             SET role = excluded.role, updated_at = excluded.updated_at, ended_at = NULL \
             WHERE workspace_memberships.ended_at IS NOT NULL \
             RETURNING workspace_id, user_id, role, created_at, updated_at, ended_at"
        );
        let now = self.now;
        let row: Option<MembershipRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(user_id)
            .bind(role.as_str())
            .bind(now)
            .fetch_optional(conn))?;
        row.map(Membership::try_from).transpose()
    }

    /// As [`ReadTx::standing`], and it stays so until the commit: whoever would end the membership or the
    /// entitlement waits, and what was being ended when this began is seen ended.
    pub(crate) async fn locked_standing(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
        environment_id: Uuid,
    ) -> Result<(Standing, Option<EnvironmentScope>), StoreError> {
        let live = self.is_live_user(user_id).await?;
        let row: StandingRow = match &mut self.read.tx {
            Tx::Postgres(tx) => {
                let text = sql!(
                    "locked_standing_postgres",
                    "SELECT (SELECT m.role FROM workspace_memberships m \
                             WHERE m.workspace_id = $1 AND m.user_id = $2 AND m.ended_at IS NULL FOR SHARE) AS role, \
                            (SELECT t.user_id FROM environment_entitlements t \
                             WHERE t.workspace_id = $1 AND t.managed_environment_id = $3 AND t.user_id = $2 \
                             AND t.ended_at IS NULL FOR SHARE) AS entitled_user_id, \
                            (SELECT e.id FROM managed_environments e \
                             WHERE e.workspace_id = $1 AND e.id = $3) AS environment_id"
                );
                sqlx::query_as(text).bind(workspace_id).bind(user_id).bind(environment_id).fetch_one(&mut **tx).await?
            }
            // The transaction is the only writer there is.
            Tx::Sqlite(_) => return self.read.standing(workspace_id, user_id, environment_id).await,
        };
        standing(workspace_id, &row, live)
    }

    /// The role of a member. For whoever holds [`WriteTx::lock_workspace`], it stays so.
    pub(crate) async fn membership_role(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
    ) -> Result<Option<Role>, StoreError> {
        let text = sql!(
            "membership_role",
            "SELECT role FROM workspace_memberships \
             WHERE workspace_id = $1 AND user_id = $2 AND ended_at IS NULL"
        );
        let found: Option<String> =
            on!(self.read.tx, |conn| sqlx::query_scalar(text).bind(workspace_id).bind(user_id).fetch_optional(conn))?;
        found.as_deref().map(role).transpose()
    }

    /// Whether anybody else has this role. For whoever holds [`WriteTx::lock_workspace`], it stays so.
    pub(crate) async fn others_have_role(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
        role: Role,
    ) -> Result<bool, StoreError> {
        let text = sql!(
            "others_have_role",
            "SELECT user_id FROM workspace_memberships \
             WHERE workspace_id = $1 AND user_id <> $2 AND role = $3 AND ended_at IS NULL LIMIT 1"
        );
        let other: Option<Uuid> = on!(self.read.tx, |conn| sqlx::query_scalar(text)
            .bind(workspace_id)
            .bind(user_id)
            .bind(role.as_str())
            .fetch_optional(conn))?;
        Ok(other.is_some())
    }

    /// Whether there is an environment (this one, if named) that the user is entitled to and nobody else of this role
    /// is. For whoever holds [`WriteTx::lock_workspace`], it stays so.
    pub(crate) async fn alone_entitled_of_role(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
        environment_id: Option<Uuid>,
        role: Role,
    ) -> Result<bool, StoreError> {
        let text = sql!(
            "alone_entitled_of_role",
            "SELECT t.managed_environment_id FROM environment_entitlements t \
             WHERE t.workspace_id = $1 AND t.user_id = $2 AND t.ended_at IS NULL \
             AND ($3 IS NULL OR t.managed_environment_id = $3) \
             AND NOT EXISTS ( \
                 SELECT 1 FROM environment_entitlements o \
                 JOIN workspace_memberships m ON m.workspace_id = o.workspace_id AND m.user_id = o.user_id \
                 WHERE o.workspace_id = $1 AND m.workspace_id = $1 \
                 AND o.managed_environment_id = t.managed_environment_id AND o.user_id <> $2 \
                 AND o.ended_at IS NULL AND m.ended_at IS NULL AND m.role = $4) \
             LIMIT 1"
        );
        let alone: Option<Uuid> = on!(self.read.tx, |conn| sqlx::query_scalar(text)
            .bind(workspace_id)
            .bind(user_id)
            .bind(environment_id)
            .bind(role.as_str())
            .fetch_optional(conn))?;
        Ok(alone.is_some())
    }

    /// Changes a member's role; nothing if they are none.
    pub(crate) async fn update_membership_role(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
        role: Role,
    ) -> Result<Option<Membership>, StoreError> {
        let text = sql!(
            "update_membership_role",
            "UPDATE workspace_memberships SET role = $3, updated_at = $4 \
             WHERE workspace_id = $1 AND user_id = $2 AND ended_at IS NULL \
             RETURNING workspace_id, user_id, role, created_at, updated_at, ended_at"
        );
        let now = self.now;
        let row: Option<MembershipRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(user_id)
            .bind(role.as_str())
            .bind(now)
            .fetch_optional(conn))?;
        row.map(Membership::try_from).transpose()
    }

    /// Ends a membership and every entitlement with it, so that none comes back unasked; nothing if there is
    /// none.
    pub(crate) async fn end_membership(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
    ) -> Result<Option<Membership>, StoreError> {
        let text = sql!(
            "end_membership",
            "UPDATE workspace_memberships SET ended_at = $3, updated_at = $3 \
             WHERE workspace_id = $1 AND user_id = $2 AND ended_at IS NULL \
             RETURNING workspace_id, user_id, role, created_at, updated_at, ended_at"
        );
        let now = self.now;
        let row: Option<MembershipRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(user_id)
            .bind(now)
            .fetch_optional(conn))?;
        let text = sql!(
            "end_entitlements_of_user",
            "UPDATE environment_entitlements SET ended_at = $3, updated_at = $3 \
             WHERE workspace_id = $1 AND user_id = $2 AND ended_at IS NULL"
        );
        run!(self.read.tx, sqlx::query(text).bind(workspace_id).bind(user_id).bind(now))?;
        row.map(Membership::try_from).transpose()
    }

    /// Entitles a member to an environment, or again; nothing if they are.
    pub(crate) async fn insert_entitlement(
        &mut self,
        scope: &EnvironmentScope,
        user_id: Uuid,
    ) -> Result<Option<Entitlement>, StoreError> {
        let text = sql!(
            "insert_entitlement",
            "INSERT INTO environment_entitlements \
             (workspace_id, managed_environment_id, user_id, origin, created_at, updated_at) \
             VALUES ($1, $2, $3, 'own', $4, $4) \
             ON CONFLICT (workspace_id, managed_environment_id, user_id) DO UPDATE \
             SET ended_at = NULL, updated_at = excluded.updated_at \
             WHERE environment_entitlements.ended_at IS NOT NULL \
             RETURNING workspace_id, managed_environment_id, user_id, created_at, ended_at"
        );
        let now = self.now;
        let row: Option<EntitlementRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(user_id)
            .bind(now)
            .fetch_optional(conn))?;
        Ok(row.map(Entitlement::from))
    }

    /// Ends an entitlement; nothing if there is none.
    pub(crate) async fn end_entitlement(
        &mut self,
        scope: &EnvironmentScope,
        user_id: Uuid,
    ) -> Result<Option<Entitlement>, StoreError> {
        let text = sql!(
            "end_entitlement",
            "UPDATE environment_entitlements SET ended_at = $4, updated_at = $4 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND user_id = $3 AND ended_at IS NULL \
             RETURNING workspace_id, managed_environment_id, user_id, created_at, ended_at"
        );
        let now = self.now;
        let row: Option<EntitlementRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(user_id)
            .bind(now)
            .fetch_optional(conn))?;
        Ok(row.map(Entitlement::from))
    }
}
