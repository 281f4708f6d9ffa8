//! Every statement of the store, as it runs: each has a name and runs on its engine in the workload of
//! `provident_tests::workload`; each keeps the rules a distributed PostgreSQL asks for; and each reads one part of
//! every tenant's table when the tables are in parts by workspace, by its own words and not by row-level security.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use provident::store::{forget_statements, statements_run};
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines};
use provident_tests::guard::ddl::MIGRATIONS;
use provident_tests::guard::listing::{File, files, root};
use provident_tests::guard::registry::{NAMED, names};
use provident_tests::guard::sql::tokens;
use provident_tests::guard::statements::{Statement, read_tables, violations};
use provident_tests::guard::{report, run};
use provident_tests::installation::Installation;
use provident_tests::partition::PARTS;
use provident_tests::tables::{PLATFORM_TABLES, TENANT_TABLES};
use provident_tests::workload::every_operation;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::OnceCell;
use uuid::Uuid;

type Run = BTreeMap<&'static str, &'static str>;

/// Name and text of what ran in the workload on an engine: for the whole process, which runs nothing else through the
/// store.
async fn ran(engine: Engine) -> &'static Run {
    static RAN: OnceCell<[Run; 2]> = OnceCell::const_new();
    let [sqlite, postgres] =
        RAN.get_or_init(|| async { [workload(Engine::Sqlite).await, workload(Engine::Postgres).await] }).await;
    match engine {
        Engine::Sqlite => sqlite,
        Engine::Postgres => postgres,
    }
}

async fn workload(engine: Engine) -> Run {
    forget_statements();
    let world = Installation::on(TestDatabase::migrated(engine).await).await;
    every_operation(&world).await;
    world.service.close().await;
    statements_run().into_iter().collect()
}

fn sources() -> Vec<File> {
    files(&root()).unwrap()
}

#[test]
fn every_statement_of_the_store_ran_on_its_engine() {
    let mut written: Vec<String> = sources().iter().flat_map(|file| names(&file.path, &file.text)).collect();
    written.sort();
    assert!(written.len() > 40, "{} statements found", written.len());
    let once: BTreeSet<&String> = written.iter().collect();
    assert_eq!(once.len(), written.len(), "two statements of one name: {written:?}");
    let written = &written;
    on_both_engines(|database| async move {
        let engine = database.engine();
        let other = if engine == Engine::Sqlite { "_postgres" } else { "_sqlite" };
        let ran = ran(engine).await;
        let own: Vec<&str> = written.iter().map(String::as_str).filter(|name| !name.ends_with(other)).collect();
        let never: Vec<&&str> = own.iter().filter(|name| !ran.contains_key(**name)).collect();
        assert!(never.is_empty(), "never ran on {engine}; drive them in `tests/src/workload.rs`: {never:?}");
        let unknown: Vec<&&str> = ran.keys().filter(|name| !own.contains(*name)).collect();
        assert!(unknown.is_empty(), "ran on {engine} and are not its own: {unknown:?}");
    });
}

#[test]
fn no_statement_of_the_store_is_without_a_name() {
    let project = sources();
    let found = run(NAMED, project.iter().map(|file| (file.path.as_str(), file.text.as_str())));
    assert!(found.is_empty(), "{}", report(&found));
    for planted in [
        "sqlx::query(\"DELETE FROM x\").execute(conn)",
        "on!(tx, |conn| sqlx::query_as(\n    other).fetch_all(conn))",
        "let text = sql!(NAME, \"SELECT 1\");",
        "sqlx::raw_sql(AssertSqlSafe(text))",
    ] {
        assert_eq!(NAMED("host/src/store/binding.rs", planted).len(), 1, "{planted}");
    }
    for innocent in ["sqlx::query_as(text).bind(x)", "sql!(\n    \"name\",", "sqlx::query_scalar(\n    text)"] {
        assert_eq!(NAMED("host/src/store/binding.rs", innocent), [], "{innocent}");
    }
}

#[test]
fn every_statement_names_its_workspace_and_asks_nothing_of_one_server() {
    on_both_engines(|database| async move {
        let found: Vec<String> =
            ran(database.engine()).await.iter().flat_map(|(name, text)| violations(Statement { name, text })).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    });
}

/// A statement and a piece of what is said against it.
const PLANTED: &[(&str, &str)] = &[
    ("SELECT id FROM policy_versions WHERE id = $1", "`policy_versions` as `policy_versions` without"),
    ("SELECT id FROM policy_versions v WHERE v.id = $2 AND (v.workspace_id = $1 OR $3)", "without"),
    ("SELECT id FROM policy_versions WHERE workspace_id = $1 OR id = $2", "an OR beside the workspace"),
    ("SELECT id FROM policy_versions WHERE workspace_id <> $1", "without"),
    ("SELECT id FROM policy_versions WHERE workspace_id = workspace_id AND id = $1", "without"),
    ("SELECT workspace_id = $1 FROM policy_versions WHERE id = $2", "without"),
    (
        "SELECT 1 FROM audit_heads a JOIN audit_events AS b ON b.workspace_id = a.workspace_id WHERE a.workspace_id = $1",
        "`audit_events` as `b` without",
    ),
    ("SELECT 1 FROM users u WHERE EXISTS (SELECT 1 FROM audit_heads WHERE last_number = $1)", "`audit_heads`"),
    ("SELECT 1 FROM audit_heads WHERE workspace_id = $1 UNION SELECT 1 FROM audit_events", "without"),
    ("SELECT id FROM audit_events a, audit_heads b WHERE workspace_id = $1", "`audit_heads` as `b` without"),
    ("UPDATE audit_heads SET last_number = $2", "without"),
    ("UPDATE audit_heads SET workspace_id = $1, last_number = $2", "no row changes its workspace"),
    ("UPDATE audit_heads SET last_number = $2 WHERE workspace_id = $1 OR TRUE", "an OR"),
    ("DELETE FROM audit_events WHERE workspace_id = $1", "never deleted"),
    ("DELETE FROM idempotency_keys WHERE created_at < $1", "without"),
    ("INSERT INTO audit_heads (last_number) VALUES ($1)", "without its workspace_id"),
    ("INSERT INTO audit_heads (last_number, workspace_id) VALUES ($1, 'x')", "is no parameter"),
    (
        "INSERT INTO audit_heads (workspace_id, last_number) SELECT workspace_id, 1 FROM audit_events e WHERE e.workspace_id = $1",
        "is no parameter",
    ),
    (
        "INSERT INTO audit_heads (workspace_id, last_number) VALUES ($1, $2) ON CONFLICT (last_number) DO NOTHING",
        "not led by the workspace",
    ),
    ("INSERT OR REPLACE INTO users (id) VALUES ($1)", "REPLACE"),
    ("REPLACE INTO users (id) VALUES ($1)", "REPLACE"),
    ("WITH x AS (DELETE FROM users RETURNING id) SELECT id FROM x", "a WITH that writes"),
    ("SELECT pg_advisory_xact_lock($1)", "`pg_advisory_xact_lock`"),
    ("SELECT now()", "`now`"),
    ("SELECT CURRENT_TIMESTAMP", "`current_timestamp`"),
    ("SELECT random()", "`random`"),
    ("SELECT gen_random_uuid()", "`gen_random_uuid`"),
    ("SELECT nextval('x')", "`nextval`"),
    ("SELECT id FROM users WHERE display_name ILIKE $1", "`ilike`"),
    ("SELECT id FROM users WHERE display_name->>'a' = $1", "`->>`"),
    ("SELECT id FROM users WHERE CAST(display_name AS JSONB) IS NULL", "`jsonb`"),
    ("LISTEN changes", "`listen`"),
    ("NOTIFY changes", "`notify`"),
    ("SELECT id FROM users WHERE id = ANY($1)", "`any` in a text for both engines"),
    ("SELECT id FROM users WHERE id = $1::uuid", "`::` in a text for both engines"),
    ("SELECT id FROM users WHERE id = $1 FOR UPDATE", "a row lock in a text for both engines"),
    ("SELECT number FROM audit_events WHERE workspace_id = $1 LIMIT $2", "a LIMIT without an ORDER BY"),
    ("SELECT number FROM audit_events WHERE workspace_id = $1 FOR UPDATE SKIP LOCKED", "SKIP LOCKED"),
];

const INNOCENT: &[&str] = &[
    "SELECT id FROM policy_versions v WHERE v.workspace_id = $1 AND (v.id = $2 OR $2 IS NULL)",
    "SELECT id FROM policy_versions WHERE policy_versions.workspace_id = $1 LIMIT 1",
    "SELECT (SELECT m.role FROM workspace_memberships m WHERE m.workspace_id = $1) AS role",
    "SELECT 1 FROM audit_heads a JOIN audit_events b ON b.workspace_id = $1 WHERE a.workspace_id = $1",
    "UPDATE audit_heads SET last_number = $2 WHERE workspace_id = $1 RETURNING workspace_id",
    "DELETE FROM idempotency_keys WHERE workspace_id = $1 AND created_at < $2",
    "INSERT INTO audit_heads (workspace_id, note) VALUES ($1, replace('now()', $2, 'random()')) \
     ON CONFLICT (workspace_id) DO UPDATE SET note = excluded.note WHERE audit_heads.note IS NULL",
    "SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2",
];

#[test]
fn a_statement_that_breaks_a_rule_is_caught() {
    for (text, rule) in PLANTED {
        let found = violations(Statement { name: "planted", text });
        assert!(found.iter().any(|told| told.starts_with("planted: ") && told.contains(rule)), "{text}: {found:?}");
    }
    for text in INNOCENT {
        assert_eq!(violations(Statement { name: "innocent", text }), Vec::<String>::new(), "{text}");
    }
    // What one engine has is said in its name.
    let text = "SELECT id FROM users WHERE id = ANY($1) FOR UPDATE SKIP LOCKED";
    assert_eq!(violations(Statement { name: "users_postgres", text }), Vec::<String>::new());
}

#[test]
fn no_migration_asks_for_what_a_distributed_server_lacks() {
    let project = sources();
    assert!(project.iter().filter(|file| file.path.starts_with("migrations/")).count() >= 20);
    let found = run(MIGRATIONS, project.iter().map(|file| (file.path.as_str(), file.text.as_str())));
    assert!(found.is_empty(), "{}", report(&found));
}

#[test]
fn a_migration_that_breaks_a_rule_is_caught() {
    for planted in [
        "CREATE TABLE t (id bigserial NOT NULL);",
        "CREATE SEQUENCE s;",
        "    id bigint GENERATED ALWAYS AS IDENTITY,",
        "    created_at timestamptz NOT NULL DEFAULT now(),",
        "    id uuid NOT NULL, CHECK (id <> gen_random_uuid()),",
        "    REFERENCES a (id) ON DELETE SET NULL",
        "    REFERENCES a (id) ON DELETE CASCADE",
        "    REFERENCES a (id) ON DELETE SET DEFAULT",
        "    CONSTRAINT pk PRIMARY KEY (id) ON CONFLICT REPLACE,",
        "CREATE TRIGGER t BEFORE UPDATE ON audit_heads FOR EACH ROW EXECUTE FUNCTION f();",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN END $$;",
        "SELECT pg_advisory_lock(1);",
        "DROP TABLE audit_heads CASCADE;",
        "CREATE TABLE t (a jsonb NOT NULL);",
        "CREATE TABLE t (a uuid NOT NULL) PARTITION BY HASH (a);",
    ] {
        assert!(!MIGRATIONS("migrations/postgres/0009_x.up.sql", planted).is_empty(), "{planted}");
    }
    for innocent in [
        "-- No default, no serial, now().",
        "    CHECK (subject_class IN ('provider_default', 'now')),",
        "    CHECK (length(k) - length(replace(k, ':', '')) = 6),",
    ] {
        assert_eq!(MIGRATIONS("migrations/postgres/0009_x.up.sql", innocent), [], "{innocent}");
    }
    assert_eq!(MIGRATIONS("migrations/sqlite/0009_x.up.sql", "CREATE TRIGGER t BEFORE DELETE ON audit_heads"), []);
}

/// A connection past row-level security, to tables in parts: what keeps a statement to one part is its own text.
async fn in_parts() -> (TestDatabase, Raw) {
    let database = TestDatabase::partitioned().await;
    let mut raw = database.raw().await;
    // CHECKs are not to be what leaves a part out.
    raw.execute("SET constraint_exclusion = off").await.unwrap();
    (database, raw)
}

/// A value of a type, as SQL; every id is the workspace's.
fn value_of(kind: &str) -> String {
    let value = match kind {
        "uuid" => Uuid::from_u128(0xace).to_string(),
        "integer" | "bigint" | "smallint" => "1".to_owned(),
        "boolean" => "true".to_owned(),
        "timestamp with time zone" => "2026-01-02T03:04:05.000006Z".to_owned(),
        "bytea" => "\\x00".to_owned(),
        "uuid[]" => format!("{{{}}}", Uuid::from_u128(0xace)),
        "timestamp with time zone[]" => "{2026-01-02T03:04:05.000006Z}".to_owned(),
        kind if kind.ends_with("[]") => "{1}".to_owned(),
        _ => "1".to_owned(),
    };
    format!("CAST('{value}' AS {kind})")
}

/// The plans of a statement: made for its values, and made for any and then cut down to what the values reach.
async fn plans(raw: &mut Raw, text: &str) -> Result<Vec<Value>, sqlx::Error> {
    let mut deduced = text.to_owned();
    for number in (1..=60).rev() {
        // The server does not deduce a type from this, and the driver tells it.
        deduced = deduced.replace(&format!("${number} IS NULL"), "FALSE");
    }
    raw.execute(&format!("PREPARE deduced AS {deduced}")).await?;
    let of = "SELECT unnest(parameter_types)::text FROM pg_prepared_statements WHERE name = 'deduced'";
    let kinds: Vec<String> = raw.rows(of).await?.into_iter().flatten().flatten().collect();
    let (listed, values) = if kinds.is_empty() {
        (String::new(), String::new())
    } else {
        let values: Vec<String> = kinds.iter().map(|kind| value_of(kind)).collect();
        (format!("({})", kinds.join(", ")), format!("({})", values.join(", ")))
    };
    raw.execute(&format!("PREPARE planned {listed} AS {text}")).await?;
    let mut plans = Vec::new();
    for mode in ["force_custom_plan", "force_generic_plan"] {
        raw.execute(&format!("SET plan_cache_mode = {mode}")).await?;
        let explain = format!("EXPLAIN (FORMAT JSON, VERBOSE, COSTS OFF) EXECUTE planned {values}");
        let plan = raw.value(&explain).await?.unwrap();
        plans.push(serde_json::from_str(&plan).unwrap());
    }
    raw.execute("DEALLOCATE ALL").await?;
    Ok(plans)
}

/// The parts a plan reads, per table.
fn parts_read(plan: &Value, parts: &mut BTreeMap<String, BTreeSet<String>>) {
    match plan {
        Value::Array(nodes) => nodes.iter().for_each(|node| parts_read(node, parts)),
        Value::Object(node) => {
            let text = |name: &str| node.get(name).and_then(Value::as_str).unwrap_or_default();
            if text("Node Type").ends_with("Scan") && text("Schema").starts_with("part_") {
                parts.entry(text("Relation Name").to_owned()).or_default().insert(text("Schema").to_owned());
            }
            node.values().for_each(|value| parts_read(value, parts));
        }
        _ => {}
    }
}

/// What is wrong with the plans of a statement: a tenant's table that it does not read in exactly one part.
async fn spread(raw: &mut Raw, text: &str) -> Vec<String> {
    let tables = read_tables(&tokens(text));
    let mut found = Vec::new();
    let plans = match plans(raw, text).await {
        Ok(plans) => plans,
        Err(error) => {
            raw.execute("DEALLOCATE ALL").await.unwrap();
            return vec![format!("{error}: {text}")];
        }
    };
    for plan in plans {
        let mut parts = BTreeMap::new();
        parts_read(&plan, &mut parts);
        let together: BTreeSet<&String> = parts.values().flatten().collect();
        for table in &tables {
            let read = parts.get(table).map_or(0, BTreeSet::len);
            if read != 1 {
                found.push(format!("{read} parts of `{table}` are read by: {text}\n{plan:#}"));
            }
        }
        if together.len() > 1 {
            found.push(format!("parts {together:?} are read together by: {text}"));
        }
    }
    found
}

#[test]
fn a_partitioned_database_has_every_tenants_table_in_parts_that_nobody_reaches_directly() {
    runtime().block_on(async {
        let (database, mut raw) = in_parts().await;
        let of = |table: &str| {
            format!(
                "SELECT partstrat::text || ' ' || pg_get_partkeydef(partrelid) || ' ' || (SELECT count(*) FROM pg_inherits \
                 WHERE inhparent = partrelid) FROM pg_partitioned_table WHERE partrelid = '{table}'::regclass"
            )
        };
        for table in TENANT_TABLES {
            let told = raw.value(&of(table)).await.unwrap();
            assert_eq!(told, Some(format!("h HASH (workspace_id) {PARTS}")), "{table}");
        }
        for table in PLATFORM_TABLES {
            assert_eq!(raw.value(&of(table)).await.unwrap(), None, "{table}");
        }
        let open = "SELECT count(*) FROM pg_class JOIN pg_inherits ON inhrelid = oid \
                    WHERE relkind = 'r' AND NOT (relrowsecurity AND relforcerowsecurity)";
        assert_eq!(raw.value(open).await.unwrap().as_deref(), Some("0"));
        raw.close().await.unwrap();
        let mut app = database.url().parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
        let read = |table: &str| format!("SELECT count(*) FROM {table}");
        let direct = app.execute(AssertSqlSafe(read("part_0.provider_resource_bindings"))).await.unwrap_err();
        assert!(direct.to_string().contains("permission denied for schema part_0"), "{direct}");
        app.execute(AssertSqlSafe(read("provider_resource_bindings"))).await.unwrap();
        app.close().await.unwrap();
    });
}

#[test]
fn every_statement_reads_one_part_of_each_table() {
    runtime().block_on(async {
        let (_database, mut raw) = in_parts().await;
        let (mut checked, mut found) = (0, Vec::new());
        for text in ran(Engine::Postgres).await.values() {
            checked += usize::from(!read_tables(&tokens(text)).is_empty());
            found.extend(spread(&mut raw, text).await);
        }
        raw.close().await.unwrap();
        assert!(found.is_empty(), "{}", found.join("\n"));
        assert!(checked > 25, "{checked} statements on tenants' tables");
    });
}

#[test]
fn a_statement_that_reads_every_part_is_caught() {
    runtime().block_on(async {
        let (_database, mut raw) = in_parts().await;
        for planted in [
            "SELECT id FROM provider_resource_bindings WHERE id = $1",
            "UPDATE audit_heads SET last_number = $1",
            "SELECT e.number FROM audit_heads h JOIN audit_events e ON e.number = h.last_number WHERE h.workspace_id = $1",
            "SELECT 1 FROM users WHERE EXISTS (SELECT 1 FROM audit_heads WHERE last_number = $1)",
            "SELECT id FROM policy_versions WHERE workspace_id = $1 OR id = $2",
        ] {
            let found = spread(&mut raw, planted).await;
            assert!(found.iter().any(|told| told.starts_with(&format!("{PARTS} parts of"))), "{planted}: {found:?}");
        }
        let one = "SELECT id FROM provider_resource_bindings WHERE workspace_id = $1 AND ($2 IS NULL OR id = $2)";
        assert_eq!(spread(&mut raw, one).await, Vec::<String>::new());
        raw.close().await.unwrap();
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}
