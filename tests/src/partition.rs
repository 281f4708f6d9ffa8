//! The schema as a distributed PostgreSQL would hold it: every tenant's table split by a hash of its workspace.
//!
//! No migration says so. The migrations are rewritten for a test database alone, and its books hold the checksums of
//! the true ones, so that the store takes it for what it is: the same tables. The parts live in schemas of their own,
//! `part_0` and on, where tables, keys and indexes have the names they have in `public`: what the server says of a
//! refused row or a plan reads the same.

use std::fmt::Write as _;

use provident::store::StoreError;
use sqlx::migrate::{Migration, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqlSafeStr};

use crate::database::Engine;
use crate::tables::PLATFORM_TABLES;

/// How many parts each table has.
pub const PARTS: u32 = 16;

/// Whether this process is to run its suites on PostgreSQL with partitioned tables, and on nothing else:
/// `PROVIDENT_TEST_PARTITIONS=16`.
///
/// # Panics
///
/// When the variable says anything but 16: a run that was to be partitioned must not pass as another.
#[must_use]
#[expect(clippy::panic, reason = "a run that is not understood fails, and says why")]
pub fn asked_for() -> bool {
    match std::env::var("PROVIDENT_TEST_PARTITIONS") {
        Err(_) => false,
        Ok(parts) if parts == PARTS.to_string() => true,
        Ok(parts) => panic!("PROVIDENT_TEST_PARTITIONS is `{parts}`, and can only be {PARTS}"),
    }
}

/// Takes a PostgreSQL database to the last migration, as the owner of its tables, every tenant's table in parts.
///
/// # Errors
///
/// What the migration that failed says.
pub async fn migrate(owner: PgConnectOptions) -> Result<(), StoreError> {
    let known = Migrator::new(Engine::Postgres.migrations()).await?;
    let rewritten = known.iter().map(|migration| {
        let up = migration.migration_type.is_up_migration();
        let sql = if up { partitioned(migration.sql.as_str()) } else { migration.sql.as_str().to_owned() };
        Migration { sql: AssertSqlSafe(sql).into_sql_str(), ..migration.clone() }
    });
    let migrator = Migrator::with_migrations(rewritten.collect());
    let mut connection = owner.options([("row_security", "off")]).connect().await?;
    migrator.run_direct(None, &mut connection, false).await?;
    connection.close().await?;
    Ok(())
}

/// The text of a migration, its tenants' tables in parts.
#[must_use]
pub fn partitioned(sql: &str) -> String {
    let mut out = String::new();
    for part in 0..PARTS {
        let _ = writeln!(out, "CREATE SCHEMA IF NOT EXISTS part_{part};");
    }
    let mut pieces = sql.split("\nCREATE TABLE ");
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let name = piece.split_whitespace().next().unwrap_or_default();
        let Some((body, rest)) = piece.split_once("\n);").filter(|_| !PLATFORM_TABLES.contains(&name)) else {
            let _ = write!(out, "\nCREATE TABLE {piece}");
            continue;
        };
        let _ = writeln!(out, "\nCREATE TABLE {body}\n) PARTITION BY HASH (workspace_id);");
        for part in 0..PARTS {
            let _ = writeln!(
                out,
                "CREATE TABLE part_{part}.{name} PARTITION OF public.{name} \
                 FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {part});"
            );
        }
        out.push_str(rest);
    }
    out.push_str(SAME_NAMES);
    out.push_str(SAME_SECURITY);
    out
}

/// An index of a part is made under a name of the server's choice; it gets that of the index it is a part of.
const SAME_NAMES: &str = "
DO $$
DECLARE part record;
BEGIN
    FOR part IN
        SELECT child.oid::regclass AS name, parent.relname AS wanted
        FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent
        WHERE child.relkind = 'i' AND child.relname <> parent.relname
    LOOP
        EXECUTE format('ALTER INDEX %s RENAME TO %I', part.name, part.wanted);
    END LOOP;
END $$;
";

/// A part does not have the row-level security of its table. It gets it without any policy: whoever is held to it,
/// the owner too, finds nothing in a part by its own name.
const SAME_SECURITY: &str = "
DO $$
DECLARE part record;
BEGIN
    FOR part IN
        SELECT child.oid::regclass AS name
        FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent
        WHERE child.relkind = 'r' AND parent.relforcerowsecurity AND NOT child.relforcerowsecurity
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', part.name);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', part.name);
    END LOOP;
END $$;
";

#[cfg(test)]
mod tests {
    use super::{PARTS, partitioned};

    #[test]
    fn tenants_tables_are_split_and_the_platforms_are_not() {
        let sql = "-- Text.\nCREATE TABLE users (\n    id uuid NOT NULL\n);\nCREATE TABLE audit_heads (\n    \
                   workspace_id uuid NOT NULL,\n    CONSTRAINT pk PRIMARY KEY (workspace_id)\n);\nCREATE INDEX i\n    \
                   ON audit_heads (workspace_id);\n";
        let split = partitioned(sql);
        assert!(split.contains("\nCREATE TABLE users (\n    id uuid NOT NULL\n);"), "{split}");
        assert!(split.contains("PRIMARY KEY (workspace_id)\n) PARTITION BY HASH (workspace_id);"), "{split}");
        assert_eq!(split.matches(" PARTITION OF public.audit_heads ").count(), usize::try_from(PARTS).unwrap());
        assert_eq!(split.matches(" PARTITION OF ").count(), usize::try_from(PARTS).unwrap());
        assert!(split.contains("CREATE INDEX i\n    ON audit_heads"), "{split}");
    }
}
