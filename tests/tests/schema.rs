//! The schema on both engines, with nothing of the service above it: the golden catalog, the rules every tenant's
//! table keeps, migrations that go down and come back the same, and the plans of the look-ups. What the constraints
//! refuse: `schema_refusals.rs`.
#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use provident_tests::catalog::{self, ForeignKey, Key, Table};
use provident_tests::database::{Engine, TestDatabase, on_both_engines, on_both_engines_empty};
use provident_tests::guard::ddl::unled;
use provident_tests::postgres;
use provident_tests::rows::{self, Value, valid, world};
use provident_tests::tables::{PASSING_TABLES, PLATFORM_TABLES, TENANT_TABLES};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Constraints that only SQLite needs: PostgreSQL has types for them.
const OF_SQLITE: [&str; 3] = ["_ids", "_times", "_flags"];

async fn catalog_of(database: &TestDatabase) -> Vec<Table> {
    let mut raw = database.raw().await;
    let tables = catalog::read(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    tables
}

#[test]
fn the_catalog_is_the_golden_one() {
    on_both_engines(|database| async move {
        let tables = catalog_of(&database).await;
        insta::assert_snapshot!(format!("catalog_{}", database.engine()), catalog::text(&tables));
    });
}

#[test]
fn both_engines_have_the_same_names_in_the_same_order() {
    let shape = |tables: Vec<Table>| -> Vec<String> {
        let named = |kind: &str, keys: &[Key]| -> Vec<String> {
            keys.iter()
                .map(|key| format!("{kind} {} {:?} {}", key.name, key.columns, key.condition.is_some()))
                .collect()
        };
        tables
            .into_iter()
            .flat_map(|table| {
                let columns = table.columns.iter().map(|column| format!("{} {}", column.name, column.nullable));
                let checks = table.checks.iter().map(|(name, _)| name.clone());
                let own = OF_SQLITE.map(|suffix| table.primary_key.name.replacen("pk_", "ck_", 1) + suffix);
                let shared = checks.filter(|name| !own.contains(name));
                let foreign = table.foreign_keys.iter().map(|key| format!("{key:?}"));
                let keys = [named("key", std::slice::from_ref(&table.primary_key)), named("unique", &table.unique)];
                let indexes = named("index", &table.indexes);
                let parts = columns.chain(shared).chain(foreign).chain(keys.concat()).chain(indexes);
                parts.map(|part| format!("{}: {part}", table.name)).collect::<Vec<_>>()
            })
            .collect()
    };
    let seen = std::sync::Mutex::new(Vec::new());
    on_both_engines(|database| {
        let seen = &seen;
        async move {
            let tables = shape(catalog_of(&database).await);
            seen.lock().unwrap().push(tables);
        }
    });
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), Engine::of_this_run().len());
    assert!(seen[0].len() > 300, "{} parts", seen[0].len());
    assert!(seen.iter().all(|shape| *shape == seen[0]));
}

#[test]
fn every_key_of_a_tenants_table_is_led_by_the_workspace() {
    on_both_engines(|database| async move {
        let tables = catalog_of(&database).await;
        assert_eq!(unled(&tables), Vec::<String>::new());
        let mut checked = 0;
        for table in tables.iter().filter(|table| table.is_tenants()) {
            for ForeignKey { name, columns, .. } in &table.foreign_keys {
                // A reference that could be half NULL would not be looked at.
                let nullable =
                    |name: &String| table.columns.iter().any(|column| column.name == *name && column.nullable);
                let optional = columns.iter().filter(|column| nullable(column)).count();
                let guarded = name == "fk_runs_connection";
                assert!(optional <= 1 || guarded, "{}: {name} has {optional} nullable columns", table.name);
                checked += 1;
            }
            assert_eq!(table.columns.first().unwrap().name, "workspace_id", "{}", table.name);
        }
        let (platform, tenants): (Vec<&Table>, Vec<&Table>) = tables.iter().partition(|table| !table.is_tenants());
        let names =
            |tables: Vec<&Table>| -> Vec<String> { tables.into_iter().map(|table| table.name.clone()).collect() };
        let (mut of_platform, mut of_tenants) = (PLATFORM_TABLES, TENANT_TABLES);
        of_platform.sort_unstable();
        of_tenants.sort_unstable();
        assert_eq!(names(platform), of_platform);
        assert_eq!(names(tenants), of_tenants);
        assert!(checked > 30, "{checked} foreign keys");
    });
}

#[test]
fn a_key_that_is_not_led_by_the_workspace_is_caught() {
    on_both_engines(|database| async move {
        let id = if database.engine() == Engine::Sqlite { "BLOB" } else { "uuid" };
        let strict = if database.engine() == Engine::Sqlite { " STRICT" } else { "" };
        let mut raw = database.raw().await;
        let planted = format!(
            "CREATE TABLE strays (
    id {id} NOT NULL,
    workspace_id {id},
    user_id {id} NOT NULL,
    CONSTRAINT pk_strays PRIMARY KEY (id),
    CONSTRAINT ux_strays UNIQUE (user_id, workspace_id),
    CONSTRAINT fk_strays FOREIGN KEY (user_id, workspace_id)
        REFERENCES workspace_memberships (user_id, workspace_id) ON UPDATE RESTRICT ON DELETE CASCADE
){strict}"
        );
        raw.execute("CREATE UNIQUE INDEX ux_planted ON workspace_memberships (user_id, workspace_id)").await.unwrap();
        raw.execute(&planted).await.unwrap();
        raw.execute("CREATE INDEX ix_strays ON strays (user_id)").await.unwrap();
        raw.execute("CREATE INDEX ix_heads ON audit_heads (last_number)").await.unwrap();
        raw.close().await.unwrap();
        let found = unled(&catalog_of(&database).await).join("\n");
        for what in [
            "audit_heads: key ix_heads",
            "workspace_memberships: key ux_planted",
            "strays: key pk_strays",
            "strays: key ux_strays",
            "strays: key ix_strays",
            "strays: reference fk_strays",
            "strays: reference fk_strays acts: ON UPDATE RESTRICT ON DELETE CASCADE",
            "strays: rows without a workspace",
        ] {
            assert!(found.contains(what), "{what} is not in:\n{found}");
        }
    });
}

#[test]
fn types_are_the_engines_own_and_nothing_has_a_default() {
    on_both_engines(|database| async move {
        let allowed: &[&str] = match database.engine() {
            Engine::Sqlite => &["BLOB", "TEXT", "INTEGER"],
            Engine::Postgres => {
                &["uuid", "text collate C", "timestamp with time zone", "boolean", "integer", "bigint", "bytea"]
            }
        };
        for table in catalog_of(&database).await {
            for column in &table.columns {
                assert!(allowed.contains(&column.kind.as_str()), "{}: {column:?}", table.name);
                assert_eq!(column.default, None, "{}: {column:?}", table.name);
                let id = column.name == "id" || column.name.ends_with("_id");
                let text = [
                    "directory_id",
                    "provider_resource_id",
                    "provider_resource_external_id",
                    "external_id",
                    "request_id",
                ];
                let is_id = ["BLOB", "uuid"].contains(&column.kind.as_str()) && !column.name.ends_with("_sealed");
                assert_eq!(id && !text.contains(&column.name.as_str()), is_id, "{}: {column:?}", table.name);
            }
            let triggers = table.triggers.len();
            match database.engine() {
                // One for its key, and one that keeps its rows, where they are kept.
                Engine::Sqlite if PASSING_TABLES.contains(&table.name.as_str()) => assert_eq!(triggers, 1),
                Engine::Sqlite => assert!(triggers >= 2, "{} has {triggers} triggers", table.name),
                Engine::Postgres => assert_eq!(triggers, 0, "{}", table.name),
            }
        }
    });
}

#[test]
fn no_column_is_a_second_truth_about_what_is_active() {
    on_both_engines(|database| async move {
        for table in catalog_of(&database).await {
            for column in &table.columns {
                let banned =
                    ["is_active", "active", "binding_scope", "scope", "valid_from", "valid_until", "deleted_at"];
                assert!(!banned.contains(&column.name.as_str()), "{}: {}", table.name, column.name);
            }
        }
    });
}

/// SHA-256 of every migration file's bytes. A database remembers the bytes it was made by and refuses a program that has
/// others: a change here, be it of a comment or a line end, locks every database out that is there already. A new
/// migration is a new line; a line that is there does not change.
const MIGRATIONS: [(&str, &str); 28] = [
    ("postgres/0001_foundation.down.sql", "e1e6b68c9a3cc1c8f958a4a22abca294f058728142311cd0604fd48a638976fa"),
    ("postgres/0001_foundation.up.sql", "e3f51964ae74b9b6c5e31dc3e2c3dd50ad8faf68b6410450623657fa1851e4b5"),
    (
        "postgres/0002_provider_resource_bindings.down.sql",
        "dc4ee3ab4f8fb6bc0046ac2eb5a66a3f7c12c0de5754f5893a087d016a2c31ca",
    ),
    (
        "postgres/0002_provider_resource_bindings.up.sql",
        "2a7b9adf3678a2939dbecc1f62c523afcc3840ee6a8af2c2ff619cd0f8b1915c",
    ),
    ("postgres/0003_idempotency_keys.down.sql", "d7355d723c98a8e6637b9e5170c4e22d43eb943bd80f87a711face28ea0309c4"),
    ("postgres/0003_idempotency_keys.up.sql", "15d191b3ba341fc3cbfcf0a493f636ec79e54658488bca962cf7577561a5d7e7"),
    ("postgres/0004_bindings_by_resource.down.sql", "aab7ea1e807047389a8fe5d749ad6ceb2b2e7e0d0c7e20dab6766f046536ef1c"),
    ("postgres/0004_bindings_by_resource.up.sql", "2c2d42fd768064136015cd1692f2ca0a944ca503031fb28dfa2fb14212826cc4"),
    ("postgres/0005_guards.down.sql", "5124015e9ecb397dc18815da5368f5d3d969f10d93adca8ba3a57f881b4c76dc"),
    ("postgres/0005_guards.up.sql", "356ed4ea03f6e9d48b559a50f67cdc059662ab379db96654aa9b9973eb1d3713"),
    ("postgres/0006_credentials.down.sql", "9d952a3e9fcba30da43b0b20a1d3de4382f81523998cbbb1acee24aae1099799"),
    ("postgres/0006_credentials.up.sql", "08f3be6e8b2449c6a913fd4b51b21bfac5dc2d72930dad24a47cf1cf4c681ff2"),
    ("postgres/0007_provider_operations.down.sql", "47ad1110cf1e67461d1f26a6f700eaa990575ca9771f3b0e76f7b80a58e03ad9"),
    ("postgres/0007_provider_operations.up.sql", "b4e90edee247a8644f996b8db4768e860ddedfdd2259ff91103eac46e8a50507"),
    ("sqlite/0001_foundation.down.sql", "e1e6b68c9a3cc1c8f958a4a22abca294f058728142311cd0604fd48a638976fa"),
    ("sqlite/0001_foundation.up.sql", "b9f4f9a15e11296b4406a81d229530ab5a947e60ea1149532ff3a7dc00bd3e16"),
    (
        "sqlite/0002_provider_resource_bindings.down.sql",
        "dc4ee3ab4f8fb6bc0046ac2eb5a66a3f7c12c0de5754f5893a087d016a2c31ca",
    ),
    (
        "sqlite/0002_provider_resource_bindings.up.sql",
        "a483d1255dbefbd875aac0f30019637ec97b816429492c6b7e3c85a84daaa1cf",
    ),
    ("sqlite/0003_idempotency_keys.down.sql", "d7355d723c98a8e6637b9e5170c4e22d43eb943bd80f87a711face28ea0309c4"),
    ("sqlite/0003_idempotency_keys.up.sql", "a72e2facae6ce322567d5effa315516c28d0fe46dc4839274eb36093a0440b70"),
    ("sqlite/0004_bindings_by_resource.down.sql", "aab7ea1e807047389a8fe5d749ad6ceb2b2e7e0d0c7e20dab6766f046536ef1c"),
    ("sqlite/0004_bindings_by_resource.up.sql", "2c2d42fd768064136015cd1692f2ca0a944ca503031fb28dfa2fb14212826cc4"),
    ("sqlite/0005_guards.down.sql", "6e56d68f919bd043da9deb582b5deaf1233dd69e2281e421d2ee22382d40929c"),
    ("sqlite/0005_guards.up.sql", "31f1af4d2b5724a6d5628bbeae95f77b46eb073eb849a0b465a666758ee2b6f9"),
    ("sqlite/0006_credentials.down.sql", "9d952a3e9fcba30da43b0b20a1d3de4382f81523998cbbb1acee24aae1099799"),
    ("sqlite/0006_credentials.up.sql", "feed7e1f72f21fd5e170daf358b8b7e4ca83ca73b54df9b34b1ca8ef19e4173a"),
    ("sqlite/0007_provider_operations.down.sql", "0bc12cb69493bc191bf07be067a0800420f3ffa4ad69daa17b8cf949129f4f86"),
    ("sqlite/0007_provider_operations.up.sql", "1859f09446e1ff57ea718de8c7a0f4ebf4fb194479930069266f69e54690cefa"),
];

#[test]
fn a_migration_never_changes() {
    let folder = Engine::Sqlite.migrations().join("..");
    let mut found = Vec::new();
    for engine in Engine::ALL {
        for entry in std::fs::read_dir(engine.migrations()).unwrap() {
            found.push(format!("{engine}/{}", entry.unwrap().file_name().into_string().unwrap()));
        }
    }
    found.sort();
    assert_eq!(found, MIGRATIONS.map(|(path, _)| path));
    for (path, pinned) in MIGRATIONS {
        let bytes = std::fs::read(folder.join(path)).unwrap();
        assert_eq!(hex::encode(Sha256::digest(&bytes)), pinned, "{path}");
    }
}

#[test]
fn a_key_of_a_later_grammar_needs_no_other_table() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        for table in ["inventory_items", "provider_resource_bindings"] {
            let key = format!("resource/{}", rows::fresh());
            let of = |version: i64| {
                let row = valid(table).with("canonical_key_version", version);
                row.with("canonical_subject_key", key.as_str()).sql(database.engine())
            };
            assert!(raw.refusal(&of(1)).await.unwrap().contains("_key_"), "{table}");
            assert_eq!(raw.refusal(&of(2)).await, None, "{table}");
        }
    });
}

#[test]
fn up_down_up_is_the_same_catalog() {
    on_both_engines_empty(|database| async move {
        database.migrate().await.unwrap();
        let first = catalog_of(&database).await;
        assert!(first.len() == 22, "{} tables", first.len());
        database.migrate_down(0).await.unwrap();
        assert_eq!(catalog_of(&database).await, Vec::new());
        let mut raw = database.raw().await;
        let left = match database.engine() {
            Engine::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE tbl_name NOT IN ('_sqlx_migrations')",
            Engine::Postgres => {
                "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace
                     AND relname NOT LIKE '\\_sqlx\\_migrations%'"
            }
        };
        assert_eq!(raw.value(left).await.unwrap().as_deref(), Some("0"));
        raw.close().await.unwrap();
        database.migrate().await.unwrap();
        assert_eq!(catalog_of(&database).await, first);
    });
}

/// Whether a table is there before there are decisions.
fn stays(table: &str) -> bool {
    let later = [
        "provider_resource_bindings",
        "idempotency_keys",
        "api_tokens",
        "user_identities",
        "master_keys",
        "provider_credentials",
        "run_queue",
    ];
    !later.contains(&table)
}

#[test]
fn taking_the_bindings_away_leaves_every_other_row_as_it_was() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        valid("provider_resource_bindings").insert(&mut raw).await.unwrap();
        let tables: Vec<String> = catalog::read(&mut raw).await.unwrap().into_iter().map(|table| table.name).collect();
        let mut before = Vec::new();
        for table in tables.iter().filter(|name| stays(name)) {
            before.push(raw.rows(&format!("SELECT * FROM {table} ORDER BY 1, 2")).await.unwrap());
        }
        raw.close().await.unwrap();
        database.migrate_down(1).await.unwrap();
        let mut raw = database.raw().await;
        let mut after = Vec::new();
        for table in tables.iter().filter(|name| stays(name)) {
            after.push(raw.rows(&format!("SELECT * FROM {table} ORDER BY 1, 2")).await.unwrap());
        }
        assert_eq!(before, after);
        assert!(raw.execute("SELECT * FROM provider_resource_bindings").await.is_err());
        raw.close().await.unwrap();
        database.migrate().await.unwrap();
        assert_eq!(catalog_of(&database).await.len(), tables.len());
    });
}

#[test]
fn the_platforms_workspace_is_there_and_holds_no_tenant() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        let nil = database.engine().id(Uuid::nil());
        let slug = raw.value(&format!("SELECT slug FROM workspaces WHERE id = {nil}")).await.unwrap();
        assert_eq!(slug.as_deref(), Some("platform"));
        for table in ["managed_environments", "workspace_memberships", "baseline_profiles"] {
            let row = valid(table).with("workspace_id", Uuid::nil());
            assert!(raw.refusal(&row.sql(database.engine())).await.unwrap().ends_with("_not_platform"), "{table}");
        }
        let event = valid("audit_events").with("workspace_id", Uuid::nil()).with("managed_environment_id", Value::Null);
        assert_eq!(raw.refusal(&event.sql(database.engine())).await, None);
    });
}

#[test]
fn a_valid_row_of_every_table_is_taken() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        for table in catalog::read(&mut raw).await.unwrap() {
            let row = rows::uncrowded(&table.name);
            assert_eq!(raw.refusal(&row.sql(database.engine())).await, None, "{}", row.table());
        }
    });
}

#[test]
fn the_enumerations_are_those_of_the_contract() {
    on_both_engines(|database| async move {
        for (table, check, names) in contract_names() {
            let tables = catalog_of(&database).await;
            let checks = &tables.iter().find(|found| found.name == table).unwrap().checks;
            let text = &checks.iter().find(|(name, _)| name == check).unwrap().1;
            let listed: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
            assert_eq!(listed, names, "{check}");
        }
    });
}

/// Table, CHECK, and the names of the enumeration it stands for.
fn contract_names() -> Vec<(&'static str, &'static str, Vec<String>)> {
    let contract = include_str!("../../wit/identity.wit");
    let names = |name: &str| -> Vec<String> {
        let (_, rest) = contract.split_once(&format!("enum {name} {{")).unwrap();
        let lines = rest.lines().map(str::trim).take_while(|line| *line != "}");
        let names = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
        names.map(|line| line.trim_end_matches(',').replace('-', "_")).collect()
    };
    let (classes, modes, statuses) = (names("subject-class"), names("resolution-mode"), names("binding-status"));
    let (actors, levels) = (names("actor-kind"), names("support-level"));
    vec![
        ("provider_resource_bindings", "ck_bindings_subject_class", classes.clone()),
        ("provider_resource_bindings", "ck_bindings_resolution_mode", modes.clone()),
        ("provider_resource_bindings", "ck_bindings_status", statuses.clone()),
        ("provider_resource_bindings", "ck_bindings_decided_by_kind", actors.clone()),
        ("inventory_items", "ck_inventory_subject_class", classes.clone()),
        ("inventory_items", "ck_inventory_support_level", levels),
        ("audit_events", "ck_events_actor_kind", actors),
        ("audit_events", "ck_events_subject_class", classes),
        ("audit_events", "ck_events_old_resolution_mode", modes.clone()),
        ("audit_events", "ck_events_new_resolution_mode", modes),
        ("audit_events", "ck_events_old_binding_status", statuses.clone()),
        ("audit_events", "ck_events_new_binding_status", statuses),
    ]
}

/// Tells the process that the test below starts, and then kills, that it is that one.
const TO_BE_KILLED: &str = "PROVIDENT_TEST_TO_BE_KILLED";

#[test]
fn a_killed_process_leaves_no_cluster_behind() {
    if std::env::var_os(TO_BE_KILLED).is_some() {
        println!("cluster {}", postgres::server().directory().unwrap().display());
        std::thread::sleep(Duration::from_mins(1));
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_process_leaves_no_cluster_behind", "--nocapture"])
        .env(TO_BE_KILLED, "1")
        .env_remove("TEST_DATABASE_URL")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut named = lines.filter_map(|line| line.split_once("cluster ").map(|(_, directory)| PathBuf::from(directory)));
    let directory = named.next().unwrap();
    let process = std::fs::read_to_string(directory.join("data/postmaster.pid")).unwrap();
    let process = process.lines().next().unwrap().to_owned();
    let serves = || Command::new("kill").args(["-0", &process]).stderr(Stdio::null()).status().unwrap().success();
    assert!(serves());
    child.kill().unwrap();
    child.wait().unwrap();
    let start = Instant::now();
    while (directory.exists() || serves()) && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!directory.exists() && !serves());
}
