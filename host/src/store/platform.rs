//! Platform tables: workspaces and users here, their credentials in `platform/credential.rs`, the installation's master keys
//! in `platform/master_key.rs`, runs to be worked on in `platform/queue.rs`. The one list of tables without a workspace of
//! their own; nothing of a tenant's lies in them, and no other file reaches them.

mod credential;
mod master_key;
mod queue;

pub(crate) use credential::TokenToKeep;
pub(crate) use master_key::KeptMasterKey;
pub(super) use master_key::{number, version};
pub(crate) use queue::Lease;

use sqlx::FromRow;
use uuid::Uuid;

use super::StoreError;
use super::engine::{Tx, on, sql};
use super::open::Store;
use super::tx::{ReadTx, WriteTx};
use crate::clock::Timestamp;
use crate::page::{Page, PageRequest};
use crate::workspace::{DisplayName, PLATFORM_WORKSPACE, Slug, User, UserKind, Workspace};

#[derive(FromRow)]
struct WorkspaceRow {
    id: Uuid,
    slug: String,
    display_name: String,
    created_at: Timestamp,
}

#[derive(FromRow)]
struct UserRow {
    id: Uuid,
    display_name: String,
    kind: String,
    created_at: Timestamp,
    disabled_at: Option<Timestamp>,
}

impl TryFrom<WorkspaceRow> for Workspace {
    type Error = StoreError;

    fn try_from(row: WorkspaceRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            slug: row.slug,
            display_name: display_name(&row.display_name)?,
            created_at: row.created_at,
        })
    }
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            display_name: display_name(&row.display_name)?,
            kind: row.kind,
            created_at: row.created_at,
            disabled_at: row.disabled_at,
        })
    }
}

pub(super) fn display_name(text: &str) -> Result<DisplayName, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt("display name"))
}

impl Store {
    /// The workspace of this slug. Before a transaction, because a transaction is about one workspace.
    pub(crate) async fn workspace_id_by_slug(&self, slug: &str) -> Result<Option<Uuid>, StoreError> {
        let mut read = self.read(PLATFORM_WORKSPACE).await?;
        let text = sql!("workspace_id_by_slug", "SELECT id FROM workspaces WHERE slug = $1");
        Ok(on!(read.tx, |conn| sqlx::query_scalar(text).bind(slug).fetch_optional(conn))?)
    }
}

impl ReadTx {
    /// Whether there is such a user, and not a disabled one.
    pub(crate) async fn is_live_user(&mut self, user_id: Uuid) -> Result<bool, StoreError> {
        let text = sql!("is_live_user", "SELECT id FROM users WHERE id = $1 AND disabled_at IS NULL");
        let found: Option<Uuid> = on!(self.tx, |conn| sqlx::query_scalar(text).bind(user_id).fetch_optional(conn))?;
        Ok(found.is_some())
    }

    /// Whether there is such a workspace; the platform's own is one.
    pub(crate) async fn is_workspace(&mut self, id: Uuid) -> Result<bool, StoreError> {
        let text = sql!("is_workspace", "SELECT id FROM workspaces WHERE id = $1");
        let found: Option<Uuid> = on!(self.tx, |conn| sqlx::query_scalar(text).bind(id).fetch_optional(conn))?;
        Ok(found.is_some())
    }

    /// Workspaces by id, the platform's own left out.
    pub(crate) async fn workspaces(&mut self, page: PageRequest) -> Result<Page<Workspace>, StoreError> {
        let text = sql!(
            "workspaces",
            "SELECT id, slug, display_name, created_at FROM workspaces \
             WHERE slug <> 'platform' AND ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2"
        );
        let rows: Vec<WorkspaceRow> =
            on!(self.tx, |conn| sqlx::query_as(text).bind(page.after()).bind(page.limit()).fetch_all(conn))?;
        let items = rows.into_iter().map(Workspace::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(page.page(items, |workspace| workspace.id))
    }

    /// Users by id.
    pub(crate) async fn users(&mut self, page: PageRequest) -> Result<Page<User>, StoreError> {
        let text = sql!(
            "users",
            "SELECT id, display_name, kind, created_at, disabled_at FROM users \
             WHERE ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2"
        );
        let rows: Vec<UserRow> =
            on!(self.tx, |conn| sqlx::query_as(text).bind(page.after()).bind(page.limit()).fetch_all(conn))?;
        let items = rows.into_iter().map(User::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(page.page(items, |user| user.id))
    }
}

impl WriteTx {
    /// Waits for everybody else who changes members or entitlements of the workspace, and makes them wait. Taken
    /// before anything else is locked, so that they meet here and never in a circle. References to the workspace are
    /// not in its way.
    pub(crate) async fn lock_workspace(&mut self, id: Uuid) -> Result<(), StoreError> {
        match &mut self.read.tx {
            Tx::Postgres(tx) => {
                let text = sql!("lock_workspace_postgres", "SELECT id FROM workspaces WHERE id = $1 FOR NO KEY UPDATE");
                let _: Option<Uuid> = sqlx::query_scalar(text).bind(id).fetch_optional(&mut **tx).await?;
            }
            // The transaction is the only writer there is.
            Tx::Sqlite(_) => {}
        }
        Ok(())
    }

    /// Makes a workspace, or nothing if the slug is taken.
    pub(crate) async fn insert_workspace(
        &mut self,
        id: Uuid,
        slug: &Slug,
        display_name: &DisplayName,
    ) -> Result<Option<Workspace>, StoreError> {
        let text = sql!(
            "insert_workspace",
            "INSERT INTO workspaces (id, slug, display_name, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (slug) DO NOTHING RETURNING id, slug, display_name, created_at"
        );
        let now = self.now;
        let row: Option<WorkspaceRow> = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(id)
            .bind(slug.as_str())
            .bind(display_name.as_str())
            .bind(now)
            .fetch_optional(conn))?;
        row.map(Workspace::try_from).transpose()
    }

    /// Makes a user known.
    pub(crate) async fn insert_user(
        &mut self,
        id: Uuid,
        display_name: &DisplayName,
        kind: UserKind,
    ) -> Result<User, StoreError> {
        let text = sql!(
            "insert_user",
            "INSERT INTO users (id, display_name, kind, created_at) VALUES ($1, $2, $3, $4) \
             RETURNING id, display_name, kind, created_at, disabled_at"
        );
        let now = self.now;
        let row: UserRow = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(id)
            .bind(display_name.as_str())
            .bind(kind.as_str())
            .bind(now)
            .fetch_one(conn))?;
        row.try_into()
    }
}
