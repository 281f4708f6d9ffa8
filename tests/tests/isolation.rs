//! That a workspace's rows are its own and decided things stay decided, held by the database itself with the service
//! left out: the guards of every table, and what the application's role cannot do whatever it says. Roles that are
//! refused, and privileges: `isolation_roles.rs`; statements: `isolation_statements.rs`.
#![cfg(test)]

use provident_tests::catalog::{self, Table};
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines};
use provident_tests::role::{application, begin_in};
use provident_tests::rows::{
    ENVIRONMENT, FOREIGN, LATER, MEMBER, OTHER_WORKSPACE, Row, WORKSPACE, connection_of, fresh_key, valid, world,
};
use uuid::Uuid;

const BINDINGS: &str = "provider_resource_bindings";

/// What may change of a binding, once.
const END: [&str; 5] = ["binding_status", "ended_at", "ended_by_user_id", "ended_note", "updated_at"];

/// The condition of every policy that lets anybody see a row, as the server writes it.
const OWN_WORKSPACE: &str = "(workspace_id = ( SELECT (NULLIF(current_setting('provident.workspace_id'::text, true), \
                             ''::text))::uuid AS \"nullif\"))";

/// The world, with a row of every tenant's table in both workspaces.
async fn full(database: &TestDatabase) -> Raw {
    let mut raw = world(database).await.unwrap();
    for (workspace, environment) in [(WORKSPACE, ENVIRONMENT), (OTHER_WORKSPACE, FOREIGN)] {
        let of = |table| valid(table).with("workspace_id", workspace).with("managed_environment_id", environment);
        let binding = of(BINDINGS);
        let keyed = valid("idempotency_keys").with("workspace_id", workspace);
        let keyed = keyed.with("binding_id", binding.value("id").clone());
        let secret = of("provider_credentials").with("provider_connection_id", connection_of(environment));
        for row in [&binding, &of("audit_events"), &keyed, &secret] {
            row.insert(&mut raw).await.unwrap();
        }
    }
    for table in ["api_tokens", "user_identities"] {
        valid(table).insert(&mut raw).await.unwrap();
    }
    raw
}

async fn tenants_tables(raw: &mut Raw) -> Vec<Table> {
    let tables: Vec<Table> = catalog::read(raw).await.unwrap().into_iter().filter(Table::is_tenants).collect();
    assert!(tables.len() >= 15, "{} tables", tables.len());
    tables
}

/// What is wrong with the policies of one table.
async fn faults_of_policies(raw: &mut Raw, name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let forced =
        format!("SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = 'public.{name}'::regclass");
    if raw.value(&forced).await.unwrap().as_deref() != Some("t") {
        faults.push(format!("{name}: row-level security is not forced"));
    }
    let policies = format!(
        "SELECT cmd, roles, qual, with_check FROM pg_policies \
         WHERE schemaname = 'public' AND tablename = '{name}' AND permissive = 'PERMISSIVE'"
    );
    let policies = raw.rows(&policies).await.unwrap();
    let expected = ["ALL", "{public}", OWN_WORKSPACE].map(|text| Some(text.to_owned()));
    if policies != [[&expected[..], &[None]].concat()] {
        faults.push(format!("{name}: not the one policy of every table: {policies:?}"));
    }
    faults
}

/// What is wrong with the tables of a PostgreSQL database, tenants' and parts of them.
async fn faults(raw: &mut Raw) -> Vec<String> {
    let mut faults = Vec::new();
    let tables = catalog::read(raw).await.unwrap();
    let of_tenants: Vec<&str> = tables.iter().filter(|table| table.is_tenants()).map(|table| &*table.name).collect();
    let led = |columns: &[String]| columns.first().is_some_and(|column| column == "workspace_id");
    for table in tables.iter().filter(|table| table.is_tenants()) {
        let name = &table.name;
        faults.extend(faults_of_policies(raw, name).await);
        let keys = std::iter::once(&table.primary_key).chain(&table.unique);
        faults.extend(keys.filter(|key| !led(&key.columns)).map(|key| format!("{name}: key not led: {key}")));
        for key in table.foreign_keys.iter().filter(|key| of_tenants.contains(&key.table.as_str())) {
            if !led(&key.columns) || !led(&key.references) {
                faults.push(format!("{name}: reference not led: {}", key.name));
            }
        }
    }
    // A part has no policy of its own: whoever may name it sees every workspace.
    let open = "SELECT c.oid::regclass FROM pg_class c, pg_roles r \
                WHERE c.relispartition AND c.relkind IN ('r', 'p') AND r.rolname IN ('provident_app', 'provident_redactor') \
                AND (has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') \
                     OR has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))";
    let open = raw.rows(open).await.unwrap();
    faults.extend(open.iter().map(|part| format!("{}: a part within reach", part[0].as_deref().unwrap())));
    faults
}

#[tokio::test]
async fn every_tenants_table_is_guarded_by_its_workspace() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    let mut raw = database.raw().await;
    assert_eq!(faults(&mut raw).await, Vec::<String>::new());
    tenants_tables(&mut raw).await;
    raw.close().await.unwrap();
}

#[tokio::test]
async fn a_table_that_is_not_guarded_is_found() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    let mut raw = database.raw().await;
    let policy =
        "USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)))";
    let columns = "(workspace_id uuid, id uuid, PRIMARY KEY (workspace_id, id))";
    let forced = "ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY";
    let guarded = format!("{forced}; CREATE POLICY one ON t {policy}");
    let none: [&str; 0] = [];
    for (sql, expected) in [
        (format!("CREATE TABLE t {columns}; {guarded}"), &none[..]),
        (
            format!(
                "CREATE TABLE t {columns}; CREATE POLICY one ON t {policy}; ALTER TABLE t ENABLE ROW LEVEL SECURITY"
            ),
            &["t: row-level security is not forced"],
        ),
        (
            format!("CREATE TABLE t {columns}"),
            &["t: row-level security is not forced", "t: not the one policy of every table"],
        ),
        (format!("CREATE TABLE t {columns}; {forced}"), &["t: not the one policy of every table"]),
        (
            format!("CREATE TABLE t {columns}; {forced}; CREATE POLICY one ON t USING (true)"),
            &["t: not the one policy of every table"],
        ),
        (format!("CREATE TABLE t {columns}; {guarded} WITH CHECK (true)"), &["t: not the one policy of every table"]),
        (
            format!("CREATE TABLE t {columns}; {guarded}; CREATE POLICY two ON t FOR SELECT USING (true)"),
            &["t: not the one policy of every table"],
        ),
        (
            format!("CREATE TABLE t (workspace_id uuid, id uuid, PRIMARY KEY (id, workspace_id)); {guarded}"),
            &["t: key not led: t_pkey"],
        ),
        (
            format!("CREATE TABLE t {columns}; {guarded}; CREATE UNIQUE INDEX ux ON t (id, workspace_id)"),
            &["t: key not led: ux"],
        ),
        (
            format!(
                "CREATE TABLE t {columns}; {guarded}; ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (id, workspace_id) \
                 REFERENCES managed_environments (id, workspace_id)"
            ),
            &["t: reference not led: fk"],
        ),
        (
            format!(
                "CREATE TABLE t {columns} PARTITION BY HASH (workspace_id); {guarded}; CREATE SCHEMA parts; \
                 CREATE TABLE parts.t PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0); \
                 GRANT SELECT (id) ON parts.t TO provident_app"
            ),
            &["parts.t: a part within reach"],
        ),
    ] {
        raw.execute(&format!("BEGIN; {sql}")).await.unwrap();
        let found = faults(&mut raw).await;
        let said = expected.iter().all(|start| found.iter().any(|fault| fault.starts_with(start)));
        assert!(found.len() == expected.len() && said, "{sql}\n{found:?}");
        raw.execute("ROLLBACK").await.unwrap();
    }
    raw.close().await.unwrap();
}

#[test]
fn the_application_brings_no_ended_binding_back() {
    on_both_engines(|database| async move {
        let mut admin = full(&database).await;
        let end = |row: Row, status: &str| row.with("binding_status", status).with("ended_at", LATER);
        let superseded = end(valid(BINDINGS), "superseded");
        let revoked =
            end(valid(BINDINGS), "revoked").with("ended_by_user_id", MEMBER).with("ended_note", "no longer true");
        superseded.insert(&mut admin).await.unwrap();
        revoked.insert(&mut admin).await.unwrap();
        let everything = format!("SELECT * FROM {BINDINGS} ORDER BY id");
        let before = admin.rows(&everything).await.unwrap();
        let mut raw = application(&database).await;
        let back = "binding_status = 'active', ended_at = NULL, ended_by_user_id = NULL, ended_note = NULL";
        let ended = "binding_status <> 'active'";
        for change in [
            format!("UPDATE {BINDINGS} SET {back} WHERE {ended}"),
            format!(
                "UPDATE {BINDINGS} SET binding_status = 'superseded', ended_by_user_id = NULL, ended_note = NULL WHERE {ended}"
            ),
            format!("UPDATE {BINDINGS} SET ended_note = 'something else' WHERE binding_status = 'revoked'"),
            format!("UPDATE {BINDINGS} SET ended_at = '2027-01-01T00:00:00.000000Z' WHERE {ended}"),
            format!("{} ON CONFLICT (workspace_id, id) DO UPDATE SET {back}", revoked.sql(raw.engine())),
        ] {
            begin_in(&mut raw, WORKSPACE).await;
            match raw.execute(&change).await {
                // Of rows that have ended the application may change none.
                Ok(touched) => assert_eq!((touched, raw.engine()), (0, Engine::Postgres), "{change}"),
                Err(error) => {
                    let error = error.to_string();
                    let known = ["row-level security policy", "a binding ends once and stays ended"];
                    assert!(known.iter().any(|text| error.contains(text)), "{error}: {change}");
                }
            }
            raw.execute("ROLLBACK").await.unwrap();
        }
        // An active one ends, so that it was no fault of the statement.
        begin_in(&mut raw, WORKSPACE).await;
        let end = format!(
            "UPDATE {BINDINGS} SET binding_status = 'superseded', ended_at = '{LATER}' \
             WHERE binding_status = 'active' AND workspace_id = {}",
            raw.engine().id(WORKSPACE)
        );
        assert!(raw.execute(&end).await.unwrap() > 0);
        raw.execute("ROLLBACK").await.unwrap();
        assert_eq!(admin.rows(&everything).await.unwrap(), before);
    });
}

#[test]
fn the_application_changes_nothing_of_a_binding_but_its_end() {
    on_both_engines(|database| async move {
        let mut admin = full(&database).await;
        let tables = tenants_tables(&mut admin).await;
        let bindings = tables.iter().find(|table| table.name == BINDINGS).unwrap();
        let mut raw = application(&database).await;
        let engine = raw.engine();
        let ending = format!("UPDATE {BINDINGS} SET binding_status = 'superseded', ended_at = '{LATER}'");
        let own = format!("workspace_id = {}", engine.id(WORKSPACE));
        let mut frozen = 0;
        for column in bindings.columns.iter().map(|column| column.name.as_str()) {
            if END.contains(&column) {
                continue;
            }
            // Its note may give way to a marker on SQLite, which has no role for that, and to nothing else.
            let value = if column == "operator_note" { "'another note'" } else { column };
            for change in [
                format!("UPDATE {BINDINGS} SET {column} = {value} WHERE {own}"),
                format!("{ending}, {column} = {value} WHERE {own} AND binding_status = 'active'"),
            ] {
                begin_in(&mut raw, WORKSPACE).await;
                let refused = raw.refusal(&change).await;
                let refused = refused.unwrap_or_else(|| panic!("{column} may change: {change}"));
                let expected = match engine {
                    Engine::Postgres => "permission denied for table provider_resource_bindings",
                    // The note is guarded by the same rule as what ended; of two rules, either may speak.
                    Engine::Sqlite if column == "operator_note" || !change.contains("ended_at") => {
                        "provider_resource_bindings: a binding ends once and stays ended"
                    }
                    Engine::Sqlite => "provider_resource_bindings: only the end of a binding is written later",
                };
                assert_eq!(refused, expected, "{change}");
                raw.execute("ROLLBACK").await.unwrap();
            }
            frozen += 1;
        }
        assert_eq!(frozen, bindings.columns.len() - END.len());
        // What may change does not while the binding is active.
        begin_in(&mut raw, WORKSPACE).await;
        let alive = format!("UPDATE {BINDINGS} SET updated_at = '{LATER}' WHERE {own}");
        let refused = raw.refusal(&alive).await.unwrap();
        assert!(refused.contains("pl_bindings_ends_once") || refused.contains("ends once"), "{refused}");
        raw.execute("ROLLBACK").await.unwrap();
    });
}

#[test]
fn the_application_changes_no_event_and_deletes_nothing_but_what_passes() {
    on_both_engines(|database| async move {
        let mut admin = full(&database).await;
        let tables = catalog::read(&mut admin).await.unwrap();
        let mut raw = application(&database).await;
        let postgres = raw.engine() == Engine::Postgres;
        for table in &tables {
            begin_in(&mut raw, WORKSPACE).await;
            let name = &table.name;
            let deleted = raw.execute(&format!("DELETE FROM {name}")).await;
            if name == "run_queue" {
                // The platform's, and empty: whoever works deletes by workspace and run.
                assert_eq!(deleted.unwrap(), 0);
            } else if name == "idempotency_keys" {
                // Of one workspace, where the engine knows which.
                assert_eq!(deleted.unwrap(), if postgres { 1 } else { 2 });
            } else {
                let expected = if postgres { "permission denied" } else { "nothing is deleted" };
                let refused = deleted.unwrap_err().to_string();
                assert!(refused.contains(expected), "{name}: {refused}");
            }
            raw.execute("ROLLBACK").await.unwrap();
        }
        let events = tables.iter().find(|table| table.name == "audit_events").unwrap();
        for column in &events.columns {
            begin_in(&mut raw, WORKSPACE).await;
            let change = format!("UPDATE audit_events SET {0} = {0}", column.name);
            let refused = raw.refusal(&change).await.unwrap_or_else(|| panic!("{change}"));
            let expected = if postgres {
                "permission denied for table audit_events"
            } else {
                "audit_events: an event does not change"
            };
            assert_eq!(refused, expected, "{}", column.name);
            raw.execute("ROLLBACK").await.unwrap();
        }
    });
}

#[tokio::test]
async fn the_application_sees_and_makes_rows_of_the_workspace_it_names_and_of_no_other() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    let mut admin = full(&database).await;
    let tables = tenants_tables(&mut admin).await;
    let mut raw = application(&database).await;
    let foreign = format!("workspace_id <> '{WORKSPACE}'");
    for Table { name, columns, .. } in &tables {
        let theirs = admin.value(&format!("SELECT count(*) FROM {name} WHERE {foreign}")).await.unwrap();
        assert_ne!(theirs.as_deref(), Some("0"), "nothing to be hidden in {name}");
        // Of no workspace, of the empty one and of one there is not.
        for scope in ["BEGIN", "BEGIN; SET LOCAL provident.workspace_id = ''"] {
            raw.execute(scope).await.unwrap();
            let seen = raw.value(&format!("SELECT count(*) FROM {name}")).await.unwrap();
            assert_eq!(seen.as_deref(), Some("0"), "{name}: {scope}");
            raw.execute("ROLLBACK").await.unwrap();
        }
        begin_in(&mut raw, WORKSPACE).await;
        let seen = format!("SELECT count(*) FILTER (WHERE {foreign}), count(*) > 0 FROM {name}");
        let seen = raw.rows(&seen).await.unwrap();
        assert_eq!(seen, [[Some("0".to_owned()), Some("t".to_owned())]], "{name}");
        raw.execute("ROLLBACK").await.unwrap();
        begin_in(&mut raw, WORKSPACE).await;
        let row = valid(name).with("workspace_id", OTHER_WORKSPACE);
        let refused = raw.refusal(&row.sql(Engine::Postgres)).await;
        let expected = format!("new row violates row-level security policy for table \"{name}\"");
        assert_eq!(refused, Some(expected), "{name}");
        raw.execute("ROLLBACK").await.unwrap();
        // Of the columns it may change, none of a row of theirs.
        for column in columns {
            let may = format!("SELECT has_column_privilege('provident_app', '{name}', '{}', 'UPDATE')", column.name);
            if admin.value(&may).await.unwrap().as_deref() == Some("t") {
                begin_in(&mut raw, WORKSPACE).await;
                let change = format!("UPDATE {name} SET {0} = {0} WHERE {foreign}", column.name);
                assert_eq!(raw.execute(&change).await.unwrap(), 0, "{change}");
                raw.execute("ROLLBACK").await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn the_application_makes_changes_and_empties_no_table() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    let mut admin = full(&database).await;
    let tables = catalog::read(&mut admin).await.unwrap();
    let mut raw = application(&database).await;
    let mut tried = vec![
        "CREATE TABLE mine (id uuid)".to_owned(),
        "CREATE VIEW mine AS SELECT * FROM audit_events".to_owned(),
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'".to_owned(),
        "CREATE SCHEMA mine".to_owned(),
        "SET ROLE provident_owner".to_owned(),
        "SET SESSION AUTHORIZATION provident_owner".to_owned(),
        "SET row_security = off; SELECT * FROM audit_events".to_owned(),
        "SET session_replication_role = replica".to_owned(),
        "UPDATE _sqlx_migrations SET success = success".to_owned(),
        format!("SET ROLE provident_redactor; UPDATE {BINDINGS} SET binding_status = 'active'"),
        "SET ROLE provident_redactor; SELECT * FROM audit_events".to_owned(),
    ];
    for Table { name, columns, .. } in &tables {
        tried.push(format!("TRUNCATE {name} CASCADE"));
        tried.push(format!("DROP TABLE {name} CASCADE"));
        tried.push(format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"));
        tried.push(format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY"));
        tried.push(format!("CREATE POLICY mine ON {name} USING (true)"));
        tried.push(format!("CREATE INDEX mine ON {name} ({})", columns[0].name));
        tried.push(format!("GRANT ALL ON {name} TO provident_app"));
    }
    for statement in &tried {
        raw.execute("BEGIN").await.unwrap();
        let refused = raw.execute(statement).await.map(drop);
        let code = refused.as_ref().err().and_then(|error| error.as_database_error()?.code()).map(String::from);
        // `GRANT` of what one may not give is a warning and gives nothing: seen by the golden file of privileges.
        let expected = if statement.starts_with("GRANT") && code.is_none() { None } else { Some("42501") };
        assert_eq!(code.as_deref(), expected, "{statement}: {refused:?}");
        raw.execute("ROLLBACK").await.unwrap();
    }
}

#[test]
fn a_binding_without_a_note_has_nothing_to_give_way() {
    on_both_engines(|database| async move {
        let mut admin = world(&database).await.unwrap();
        let key = fresh_key();
        let row = valid(BINDINGS)
            .with("resolution_mode", "exact_provider_identity")
            .with("decided_by_kind", "system")
            .with("decided_by_user_id", None::<Uuid>)
            .with("operator_note", None::<&str>)
            .with("resolution_reason", "same-id")
            .with("provider_resource_id", key.rsplit(':').next())
            .with("resource_key", key.as_str())
            .with("canonical_subject_key", key.as_str());
        row.insert(&mut admin).await.unwrap();
        let mut raw = application(&database).await;
        begin_in(&mut raw, WORKSPACE).await;
        if raw.engine() == Engine::Postgres {
            raw.execute("SET LOCAL ROLE provident_redactor").await.unwrap();
        }
        let touch = format!("UPDATE {BINDINGS} SET updated_at = '{LATER}'");
        let refused = raw.refusal(&touch).await.unwrap();
        assert!(refused.contains("pl_bindings_ends_once") || refused.contains("ends once"), "{refused}");
    });
}

#[tokio::test]
async fn the_redactor_leaves_of_a_note_its_marker_and_changes_nothing_else() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    let mut admin = full(&database).await;
    let mut raw = application(&database).await;
    let columns = tenants_tables(&mut admin).await.into_iter().find(|table| table.name == BINDINGS).unwrap().columns;
    for column in columns.iter().map(|column| column.name.as_str()) {
        begin_in(&mut raw, WORKSPACE).await;
        raw.execute("SET LOCAL ROLE provident_redactor").await.unwrap();
        let refused = raw.refusal(&format!("UPDATE {BINDINGS} SET {column} = {column}")).await.unwrap();
        let expected = match column {
            // The note is still there.
            "operator_note" | "ended_note" | "updated_at" => "pl_bindings_ends_once",
            _ => "permission denied",
        };
        assert!(refused.contains(expected), "{column}: {refused}");
        raw.execute("ROLLBACK").await.unwrap();
    }
    begin_in(&mut raw, WORKSPACE).await;
    raw.execute("SET LOCAL ROLE provident_redactor").await.unwrap();
    let redact = format!("UPDATE {BINDINGS} SET operator_note = '[redacted]' || chr(10), updated_at = '{LATER}'");
    assert!(raw.execute(&redact).await.unwrap() > 0);
    raw.execute("COMMIT").await.unwrap();
    let told =
        format!("SELECT DISTINCT workspace_id, operator_note = '[redacted]' || chr(10) FROM {BINDINGS} ORDER BY 2");
    let told = admin.rows(&told).await.unwrap();
    let row = |workspace: Uuid, redacted: &str| [Some(workspace.to_string()), Some(redacted.to_owned())];
    assert_eq!(told, [row(OTHER_WORKSPACE, "f"), row(WORKSPACE, "t")], "of one workspace");
}
