//! Who may connect and as what: roles that are refused as too mighty, what the application's roles may do as a golden
//! file, and the owner, whose migrations row-level security must not blind.
#![cfg(test)]

use std::fmt::Write as _;

use provident::actor::SystemPlane;
use provident::service::{MigrationState, Service};
use provident::store::Store;
use provident_tests::database::{Engine, TestDatabase};
use provident_tests::installation::{plane, settings};
use provident_tests::partition;
use provident_tests::role::{TestRole, connected, url_as};
use provident_tests::rows::world;
use sqlx::Error;
use tempfile::TempDir;

async fn code_of_opening(url: &str, any_role: bool) -> &'static str {
    match Store::open(url, any_role).await {
        Ok(store) => {
            store.close().await;
            "open"
        }
        Err(error) => error.code(),
    }
}

#[tokio::test]
async fn a_role_that_could_pass_by_what_holds_the_others_is_refused() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    assert_eq!(code_of_opening(&database.url(), false).await, "open");
    assert_eq!(code_of_opening(&database.owner_url(), false).await, "database-role-privileged");
    assert_eq!(code_of_opening(&database.owner_url(), true).await, "open");
    let may = "GRANT provident_app TO {}";
    for (attributes, sql, expected) in [
        // What the application may do, and no more: nothing is wrong with another name.
        ("INHERIT", may, "open"),
        ("SUPERUSER", may, "database-role-privileged"),
        ("BYPASSRLS", may, "database-role-privileged"),
        // A member may become the owner, whether its privileges come by themselves or not.
        ("INHERIT", "GRANT provident_app, provident_owner TO {}", "database-role-privileged"),
        (
            "NOINHERIT",
            "GRANT provident_app, provident_owner TO {}; GRANT SELECT ON _sqlx_migrations TO {}",
            "database-role-privileged",
        ),
        // Any of the tables is enough.
        ("INHERIT", "GRANT provident_app TO {}; ALTER TABLE audit_events OWNER TO {}", "database-role-privileged"),
    ] {
        let mut role = TestRole::made(&database, attributes).await;
        role.alter(sql).await;
        let url = url_as(&database, &role.name);
        assert_eq!(code_of_opening(&url, false).await, expected, "{attributes}: {sql}");
        assert_eq!(code_of_opening(&url, true).await, "open", "{attributes}: {sql}");
        role.alter("REASSIGN OWNED BY {} TO provident_owner").await;
        role.gone().await;
    }
}

#[tokio::test]
async fn a_member_of_a_mighty_role_is_refused() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    for attributes in ["SUPERUSER", "BYPASSRLS"] {
        let mighty = TestRole::made(&database, attributes).await;
        let mut member = TestRole::made(&database, "INHERIT").await;
        member.alter(&format!("GRANT provident_app TO {{}}; GRANT {} TO {{}}", mighty.name)).await;
        let url = url_as(&database, &member.name);
        assert_eq!(code_of_opening(&url, false).await, "database-role-privileged", "{attributes}");
        member.gone().await;
        mighty.gone().await;
    }
}

#[tokio::test]
async fn who_logged_in_counts_whatever_role_is_put_on() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    let role = TestRole::made(&database, "SUPERUSER").await;
    let url = url_as(&database, &role.name);
    let sign = if url.contains('?') { '&' } else { '?' };
    let dressed = format!("{url}{sign}options=-c%20role%3Dprovident_app");
    let mut raw = connected(&dressed).await;
    assert_eq!(raw.value("SELECT current_user").await.unwrap().as_deref(), Some("provident_app"));
    raw.close().await.unwrap();
    assert_eq!(code_of_opening(&dressed, false).await, "database-role-privileged");
    role.gone().await;
}

#[tokio::test]
async fn a_service_opens_with_a_mighty_role_only_when_told_and_migrations_need_no_telling() {
    let database = TestDatabase::empty(Engine::Postgres).await;
    let directory = TempDir::new().unwrap();
    database.migrate().await.unwrap();
    let mut settings = settings(&database, &directory);
    Service::init(&plane(), &settings).await.unwrap().close().await;
    settings.database_url = database.owner_url();
    assert_eq!(Service::open(&settings).await.unwrap_err().code(), "database-role-privileged");
    assert_eq!(Service::init(&plane(), &settings).await.unwrap_err().code(), "database-role-privileged");
    settings.allow_privileged_role = true;
    Service::open(&settings).await.unwrap().close().await;
    assert!(Service::migrate_up(&plane(), &database.owner_url()).await.unwrap());
}

#[tokio::test]
async fn what_the_roles_may_do_is_the_golden_list() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    let mut raw = database.raw().await;
    let mut text = String::new();
    for role in ["provident_app", "provident_redactor"] {
        writeln!(text, "{role}").unwrap();
        let whole = format!(
            "SELECT p.table_name, string_agg(p.privilege_type, ', ' ORDER BY p.privilege_type) \
             FROM information_schema.table_privileges p \
             WHERE p.grantee IN ('{role}', 'PUBLIC') AND p.table_schema = 'public' GROUP BY 1 ORDER BY p.table_name COLLATE \"C\""
        );
        for row in raw.rows(&whole).await.unwrap() {
            let [table, may] = row.as_slice() else { panic!("{row:?}") };
            let table = table.as_deref().unwrap();
            writeln!(text, "  {table}: {}", may.as_deref().unwrap()).unwrap();
            let columns = format!(
                "SELECT c.privilege_type, string_agg(c.column_name, ', ' ORDER BY a.attnum) \
                 FROM information_schema.column_privileges c \
                 JOIN pg_attribute a ON a.attrelid = 'public.{table}'::regclass AND a.attname = c.column_name \
                 WHERE c.grantee IN ('{role}', 'PUBLIC') AND c.table_schema = 'public' AND c.table_name = '{table}' \
                 AND NOT EXISTS (SELECT FROM information_schema.table_privileges p WHERE p.grantee = c.grantee \
                     AND p.table_schema = 'public' AND p.table_name = '{table}' AND p.privilege_type = c.privilege_type) \
                 GROUP BY 1 ORDER BY 1"
            );
            for row in raw.rows(&columns).await.unwrap() {
                let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap()).collect();
                writeln!(text, "    {}", cells.join(" ")).unwrap();
            }
        }
    }
    raw.close().await.unwrap();
    insta::assert_snapshot!("privileges", text);
}

#[tokio::test]
async fn nobody_makes_tables_because_a_server_lets_everybody() {
    let database = TestDatabase::empty(Engine::Postgres).await;
    let mut admin = database.raw().await;
    // As servers before PostgreSQL 15 come.
    admin.execute("GRANT CREATE ON SCHEMA public TO PUBLIC").await.unwrap();
    let mut application = connected(&database.url()).await;
    application.execute("CREATE TABLE mine (id uuid); DROP TABLE mine").await.unwrap();
    admin.execute(&Service::role_sql(&SystemPlane::at_the_shell())).await.unwrap();
    let refused = application.refusal("CREATE TABLE mine (id uuid)").await;
    assert_eq!(refused.as_deref(), Some("permission denied for schema public"));
    application.close().await.unwrap();
    database.migrate().await.unwrap();
}

/// A key that the rows there are break: environments are no members.
const VIOLATED: &str = "ALTER TABLE managed_environments ADD CONSTRAINT fk_violated FOREIGN KEY (workspace_id, id) \
                        REFERENCES workspace_memberships (workspace_id, user_id)";

fn sqlstate(error: &Error) -> Option<String> {
    error.as_database_error()?.code().map(String::from)
}

#[tokio::test]
async fn a_new_key_that_rows_break_is_held_valid_by_an_owner_who_sees_no_rows() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    world(&database).await.unwrap();
    let mut owner = connected(&database.owner_url()).await;
    let valid = "SELECT convalidated FROM pg_constraint WHERE conname = 'fk_violated' AND conparentid = 0";
    // This is the danger: the owner is held to the policies and sees nothing.
    owner.execute("BEGIN").await.unwrap();
    assert_eq!(owner.execute("UPDATE managed_environments SET display_name = 'Other'").await.unwrap(), 0);
    owner.execute(VIOLATED).await.unwrap();
    assert_eq!(owner.value(valid).await.unwrap().as_deref(), Some("t"));
    owner.execute("ROLLBACK").await.unwrap();
    // This is what migrations set: blindness is an error.
    for statement in [VIOLATED, "UPDATE managed_environments SET display_name = 'Other'"] {
        owner.execute("BEGIN; SET LOCAL row_security = off").await.unwrap();
        let refused = owner.execute(statement).await.unwrap_err();
        assert_eq!(sqlstate(&refused).as_deref(), Some("42501"), "{statement}: {refused}");
        owner.execute("ROLLBACK").await.unwrap();
    }
    // And this is how a migration reads rows.
    let mut seeing = vec!["BEGIN; SET LOCAL row_security = off".to_owned()];
    for table in ["managed_environments", "workspace_memberships"] {
        // The parts of a table are held for themselves.
        let parts = (0..partition::PARTS).filter(|_| partition::asked_for()).map(|part| format!("part_{part}.{table}"));
        let tables = [table.to_owned()].into_iter().chain(parts);
        seeing.extend(tables.map(|table| format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")));
    }
    owner.execute(&seeing.join("; ")).await.unwrap();
    let refused = owner.execute(VIOLATED).await.unwrap_err();
    assert_eq!(sqlstate(&refused).as_deref(), Some("23503"), "{refused}");
    owner.execute("ROLLBACK").await.unwrap();
    owner.close().await.unwrap();
}

#[tokio::test]
async fn a_migration_that_adds_a_key_that_rows_break_is_refused() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    let mut admin = world(&database).await.unwrap();
    let owner = database.owner_url();
    let guards = |migrations: &[provident::service::Migration]| {
        let guards = migrations.iter().find(|migration| migration.name == "guards").unwrap();
        (guards.version, guards.state)
    };
    let (version, state) = guards(&Service::migrations(&plane(), &owner).await.unwrap());
    assert_eq!(state, MigrationState::Applied);
    database.migrate_down(version - 1).await.unwrap();
    // The migrations are the program's own, so one of their statements is made to add the key: right after the first
    // policy, on the connection and in the transaction of the migration.
    let adding = format!(
        "CREATE FUNCTION add_key() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF to_regclass('added') IS NULL THEN CREATE TEMPORARY TABLE added (); {VIOLATED}; END IF; \
         END $$; \
         CREATE EVENT TRIGGER add_key ON ddl_command_end WHEN TAG IN ('CREATE POLICY') EXECUTE FUNCTION add_key()"
    );
    admin.execute(&adding).await.unwrap();
    let refused = Service::migrate_up(&plane(), &owner).await.unwrap_err();
    assert_eq!(refused.code(), "database-refused");
    assert!(refused.to_string().contains("42501"), "{refused}");
    let left = "SELECT count(*) FROM pg_constraint WHERE conname = 'fk_violated'";
    assert_eq!(admin.value(left).await.unwrap().as_deref(), Some("0"));
    assert_eq!(guards(&Service::migrations(&plane(), &owner).await.unwrap()).1, MigrationState::Pending);
    admin.execute("DROP EVENT TRIGGER add_key").await.unwrap();
    Service::migrate_up(&plane(), &owner).await.unwrap();
}
