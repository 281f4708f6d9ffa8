//! Environments, and the scope that only a row of theirs can give.

use sqlx::FromRow;
use uuid::Uuid;

use super::StoreError;
use super::engine::{on, sql};
use super::platform::display_name;
use super::tx::{ReadTx, WriteTx};
use crate::clock::Timestamp;
use crate::page::{Page, PageRequest};
use crate::registry::ExternalRef;
use crate::workspace::{DisplayName, Environment};

/// An environment that exists, and the workspace it belongs to. Made by this room from the environment's row
/// and by nobody else, so that no two loose ids are ever taken for a place (P381-55, -70).
///
/// Whoever has one can say where it is:
///
/// ```
/// use provident::store::EnvironmentScope;
///
/// fn place(scope: &EnvironmentScope) -> (uuid::Uuid, uuid::Uuid) {
///     (scope.workspace_id(), scope.environment_id())
/// }
/// ```
///
/// Nobody can make one out of ids:
///
/// ```compile_fail,E0451
/// use provident::store::EnvironmentScope;
///
/// fn forged(workspace_id: uuid::Uuid, environment_id: uuid::Uuid) -> EnvironmentScope {
///     EnvironmentScope { workspace_id, environment_id }
/// }
/// ```
///
/// ```compile_fail,E0624
/// use provident::store::EnvironmentScope;
///
/// fn forged(workspace_id: uuid::Uuid, environment_id: uuid::Uuid) -> EnvironmentScope {
///     EnvironmentScope::of_row(workspace_id, environment_id)
/// }
/// ```
///
/// Nor turn one into another:
///
/// ```compile_fail,E0616
/// use provident::store::EnvironmentScope;
///
/// fn moved(mut scope: EnvironmentScope, workspace_id: uuid::Uuid) -> EnvironmentScope {
///     scope.workspace_id = workspace_id;
///     scope
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentScope {
    workspace_id: Uuid,
    environment_id: Uuid,
}

impl EnvironmentScope {
    /// From the two ids of one row.
    pub(super) fn of_row(workspace_id: Uuid, environment_id: Uuid) -> Self {
        Self { workspace_id, environment_id }
    }

    /// The workspace.
    #[must_use]
    pub fn workspace_id(&self) -> Uuid {
        self.workspace_id
    }

    /// The environment.
    #[must_use]
    pub fn environment_id(&self) -> Uuid {
        self.environment_id
    }
}

#[derive(FromRow)]
struct EnvironmentRow {
    id: Uuid,
    workspace_id: Uuid,
    display_name: String,
    created_at: Timestamp,
}

impl TryFrom<EnvironmentRow> for Environment {
    type Error = StoreError;

    fn try_from(row: EnvironmentRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            workspace_id: row.workspace_id,
            display_name: display_name(&row.display_name)?,
            created_at: row.created_at,
        })
    }
}

impl ReadTx {
    /// The environment a platform has this name for, whoever may know of it.
    pub(crate) async fn environment_id_by_ref(
        &mut self,
        workspace_id: Uuid,
        external_ref: &ExternalRef,
    ) -> Result<Option<Uuid>, StoreError> {
        let text = sql!(
            "environment_id_by_ref",
            "SELECT id FROM managed_environments WHERE workspace_id = $1 AND external_ref = $2"
        );
        Ok(on!(self.tx, |conn| sqlx::query_scalar(text)
            .bind(workspace_id)
            .bind(external_ref.as_str())
            .fetch_optional(conn))?)
    }

    /// The environments of a workspace a member is entitled to, by id.
    pub(crate) async fn environments_of(
        &mut self,
        workspace_id: Uuid,
        user_id: Uuid,
        page: PageRequest,
    ) -> Result<Page<Environment>, StoreError> {
        let text = sql!(
            "environments_of",
            "SELECT e.id, e.workspace_id, e.display_name, e.created_at FROM managed_environments e \
             JOIN environment_entitlements t \
             ON t.workspace_id = e.workspace_id AND t.managed_environment_id = e.id \
             WHERE e.workspace_id = $1 AND t.workspace_id = $1 AND t.user_id = $2 AND t.ended_at IS NULL \
             AND ($3 IS NULL OR e.id > $3) ORDER BY e.id LIMIT $4"
        );
        let rows: Vec<EnvironmentRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(user_id)
            .bind(page.after())
            .bind(page.limit())
            .fetch_all(conn))?;
        let items = rows.into_iter().map(Environment::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(page.page(items, |environment| environment.id))
    }
}

impl WriteTx {
    /// Makes an environment.
    pub(crate) async fn insert_environment(
        &mut self,
        workspace_id: Uuid,
        id: Uuid,
        display_name: &DisplayName,
    ) -> Result<(Environment, EnvironmentScope), StoreError> {
        let text = sql!(
            "insert_environment",
            "INSERT INTO managed_environments \
             (workspace_id, id, display_name, origin, created_at, updated_at) \
             VALUES ($1, $2, $3, 'own', $4, $4) RETURNING id, workspace_id, display_name, created_at"
        );
        let now = self.now;
        let row: EnvironmentRow = on!(self.read.tx, |conn| sqlx::query_as(text)
            .bind(workspace_id)
            .bind(id)
            .bind(display_name.as_str())
            .bind(now)
            .fetch_one(conn))?;
        let scope = EnvironmentScope::of_row(row.workspace_id, row.id);
        Ok((row.try_into()?, scope))
    }
}
