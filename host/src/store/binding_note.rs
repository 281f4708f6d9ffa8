//! Notes that give way: the one change of a binding beside its end, and how nothing of the words stays behind.

use sqlx::{AssertSqlSafe, Executor as _};
use uuid::Uuid;

use super::StoreError;
use super::engine::{Tx, run, sql};
use super::environment::EnvironmentScope;
use super::open::{Engine, Store};
use super::tx::WriteTx;
use crate::binding::REDACTED_NOTE;

/// How often a file is tried to be rid of what was deleted while others read it.
const WIPE_ATTEMPTS: u32 = 3;

impl WriteTx {
    /// Puts the marker in the place of the notes a binding has; says whether any was there. On PostgreSQL as the role
    /// that may do that and nothing else; on SQLite a trigger lets nothing else through.
    pub(crate) async fn redact_notes(&mut self, scope: &EnvironmentScope, id: Uuid) -> Result<bool, StoreError> {
        let text = sql!(
            "redact_notes",
            "UPDATE provider_resource_bindings SET \
                 operator_note = CASE WHEN operator_note IS NULL THEN NULL ELSE $4 END, \
                 ended_note = CASE WHEN ended_note IS NULL THEN NULL ELSE $4 END, updated_at = $5 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3 \
             AND (operator_note <> $4 OR ended_note <> $4)"
        );
        let now = self.now;
        self.become_role("SET LOCAL ROLE provident_redactor").await?;
        let redacted = run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(id)
                .bind(REDACTED_NOTE)
                .bind(now)
        )?;
        self.become_role("RESET ROLE").await?;
        Ok(redacted == 1)
    }

    async fn become_role(&mut self, sql: &'static str) -> Result<(), StoreError> {
        if let Tx::Postgres(tx) = &mut self.read.tx {
            (&mut **tx).execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Makes sure that what was overwritten is in no file any more: SQLite keeps it in the log it writes ahead until
    /// that is emptied. Says whether it could be; readers of the log are in the way, and the last of them to leave
    /// empties it. On PostgreSQL dead rows are gone with the next VACUUM, which is not done here.
    pub(crate) async fn wipe_overwritten(&self) -> Result<bool, StoreError> {
        let Engine::Sqlite { writer, .. } = &self.engine else { return Ok(true) };
        for _ in 0..WIPE_ATTEMPTS {
            let (busy, _, _): (i64, i64, i64) =
                sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(writer).await?;
            if busy == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
