//! Roles of a PostgreSQL cluster: who may do what to which table, and who is refused as too mighty.
//!
//! `provident_owner` makes the tables and nothing else; `provident_app` is what every command but `migrate` connects
//! as; `provident_redactor` is nobody's login: the application becomes it for the one statement that takes notes away.
//! Roles belong to the cluster and not to a database, so no migration makes them. What the application may do to each
//! table is [`PRIVILEGES`]: which rows, the policies in `migrations/` say. SQLite has neither; there triggers hold what
//! never changes.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool};

use super::StoreError;
use super::open::postgres_options;

/// What the application may do to a table, besides reading it.
struct Privileges {
    table: &'static str,
    insert: bool,
    /// The columns that may change; locking a row takes one, too.
    update: &'static [&'static str],
    delete: bool,
}

const fn kept(table: &'static str, update: &'static [&'static str]) -> Privileges {
    Privileges { table, insert: true, update, delete: false }
}

/// Every table, by name.
const PRIVILEGES: &[Privileges] = &[
    Privileges { table: "_sqlx_migrations", insert: false, update: &[], delete: false },
    kept("api_tokens", &["revoked_at"]),
    kept("audit_events", &[]),
    kept("audit_heads", &["last_number", "last_hash", "note_key_sealed", "updated_at"]),
    kept("baseline_assignments", &["updated_at", "ended_at"]),
    kept("baseline_profiles", &["display_name", "updated_at"]),
    kept("baseline_snapshots", &["version_label", "captured_at", "updated_at"]),
    kept("environment_directories", &["directory_id", "updated_at"]),
    kept("environment_entitlements", &["updated_at", "ended_at"]),
    Privileges {
        table: "idempotency_keys",
        insert: true,
        update: &["operation", "request_sha256", "binding_id", "created_at"],
        delete: true,
    },
    kept(
        "inventory_items",
        &[
            "provider_connection_id",
            "subject_domain",
            "support_level",
            "resource_type",
            "provider_resource_id",
            "external_id",
            "discriminator",
            "fingerprint",
            "built_in",
            "is_default",
            "is_virtual",
            "tenant_owned",
            "display_label",
            "descriptor_digest",
            "observation_status",
            "last_observed_at",
            "last_import_id",
            "last_import_position",
            "source_operation_run_id",
            "adapter_digest",
            "updated_at",
        ],
    ),
    kept("managed_environments", &["display_name", "updated_at"]),
    kept("master_keys", &["superseded_at", "retired_at"]),
    kept(
        "operation_runs",
        &[
            "status",
            "outcome",
            "reason_code",
            "message",
            "context",
            "summary_counts",
            "started_at",
            "ended_at",
            "updated_at",
        ],
    ),
    kept("policy_versions", &["inventory_item_id", "version_label", "captured_at", "updated_at"]),
    kept(
        "provider_connections",
        &[
            "directory_id",
            "display_name",
            "status",
            "is_default",
            "health_status",
            "health_reason_code",
            "health_checked_at",
            "updated_at",
        ],
    ),
    kept("provider_credentials", &["value_sealed", "data_key_sealed", "master_key_version", "updated_at"]),
    // Once, and only from active: the policy `pl_bindings_ends_once`.
    kept("provider_resource_bindings", &["binding_status", "ended_at", "ended_by_user_id", "ended_note", "updated_at"]),
    Privileges { table: "run_queue", insert: true, update: &["due_at", "lease_id"], delete: true },
    kept("user_identities", &["user_id", "updated_at", "ended_at"]),
    kept("users", &["display_name", "disabled_at"]),
    kept("workspace_memberships", &["role", "updated_at", "ended_at"]),
    kept("workspaces", &["display_name"]),
];

/// What the redactor may do, besides reading bindings.
const REDACTOR_COLUMNS: &str = "operator_note, ended_note, updated_at";

/// The roles, and what they may do in this database: SQL for an administrator of the cluster, to be run as often as
/// one likes. No password is in it.
#[must_use]
pub(crate) fn role_sql() -> String {
    let mut sql = String::from(
        "-- Roles of a PostgreSQL cluster for Provident, and what they may do in this database. To be run in the database\n\
         -- by a superuser, as often as one likes. Passwords are for you to set: ALTER ROLE provident_app PASSWORD '...'.\n",
    );
    for (role, attributes) in [
        ("provident_owner", "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"),
        ("provident_app", "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOINHERIT"),
        ("provident_redactor", "NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"),
    ] {
        let _ = write!(
            sql,
            "DO $$ BEGIN\n    \
                 IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{role}') THEN\n        \
                     CREATE ROLE {role} {attributes};\n    \
                 END IF;\n\
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;\n\
             END $$;\n"
        );
    }
    sql.push_str(
        "GRANT provident_redactor TO provident_app;\n\
         -- Before PostgreSQL 15 a database lets everybody make tables.\n\
         REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n\
         GRANT USAGE, CREATE ON SCHEMA public TO provident_owner;\n\
         GRANT USAGE ON SCHEMA public TO provident_app, provident_redactor;\n",
    );
    for Privileges { table, .. } in PRIVILEGES {
        let _ = writeln!(sql, "ALTER TABLE IF EXISTS {table} OWNER TO provident_owner;");
    }
    sql.push_str("-- The tables' own; `provident migrate up` says the same after it has made them.\n");
    sql.push_str(&grants_sql());
    sql
}

/// What the application and the redactor may do to the tables there are: nothing that is not in [`PRIVILEGES`].
fn grants_sql() -> String {
    let mut sql = String::from("DO $$ BEGIN\n");
    for Privileges { table, insert, update, delete } in PRIVILEGES {
        let mut may = String::from("SELECT");
        if *insert {
            may.push_str(", INSERT");
        }
        if !update.is_empty() {
            let _ = write!(may, ", UPDATE ({})", update.join(", "));
        }
        if *delete {
            may.push_str(", DELETE");
        }
        let _ = write!(
            sql,
            "    IF to_regclass('{table}') IS NOT NULL THEN\n        \
                 REVOKE ALL ON {table} FROM PUBLIC, provident_app, provident_redactor;\n        \
                 GRANT {may} ON {table} TO provident_app;\n"
        );
        if *table == "provider_resource_bindings" {
            let _ =
                writeln!(sql, "        GRANT SELECT, UPDATE ({REDACTOR_COLUMNS}) ON {table} TO provident_redactor;");
        }
        sql.push_str("    END IF;\n");
    }
    sql.push_str("END $$;\n");
    sql
}

/// Makes the roles and gives them what they may do, as an administrator.
pub(crate) async fn apply_roles(url: &str) -> Result<(), StoreError> {
    let mut connection = postgres_options(url)?.connect().await?;
    connection.execute(sqlx::raw_sql(AssertSqlSafe(role_sql()))).await?;
    Ok(connection.close().await?)
}

/// Gives the application what it may do to tables just made, if there is such a role. Says whether there is.
pub(super) async fn grant(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let roles: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_roles WHERE rolname IN ('provident_app', 'provident_redactor')")
            .fetch_one(&mut *connection)
            .await?;
    if roles == 2 {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(grants_sql()))).await?;
    }
    Ok(roles == 2)
}

/// Refuses a role that could pass by what holds the others: a superuser, one that bypasses row-level security, the owner
/// of any of the tables, and whoever may become one of these. Both of whom the connection logged in as and of whom it is.
pub(super) async fn refuse_privileged(pool: &PgPool) -> Result<(), StoreError> {
    let tables = PRIVILEGES.iter().map(|privileges| privileges.table).collect::<Vec<_>>();
    let privileged: bool = sqlx::query_scalar(
        "SELECT EXISTS ( \
             SELECT 1 FROM pg_roles own JOIN pg_roles other ON pg_has_role(own.oid, other.oid, 'MEMBER') \
             WHERE own.rolname IN (current_user, session_user) \
             AND (other.rolsuper OR other.rolbypassrls OR EXISTS ( \
                 SELECT 1 FROM pg_class c JOIN unnest($1::text[]) AS t(name) ON c.oid = to_regclass(t.name) \
                 WHERE c.relowner = other.oid)))",
    )
    .bind(tables)
    .fetch_one(pool)
    .await?;
    if privileged { Err(StoreError::PrivilegedRole) } else { Ok(()) }
}
