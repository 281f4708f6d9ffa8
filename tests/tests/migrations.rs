//! Going up and down: nothing that is there is lost without being told to, and what an earlier program made is still
//! read. That up, down and up gives the same catalog: `schema.rs`.
#![cfg(test)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use provident::service::{MigrationState, Service};
use provident_tests::catalog;
use provident_tests::console::{Site, run};
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines};
use provident_tests::installation::plane;
use provident_tests::rows::{self, OTHER_WORKSPACE, Value, WORKSPACE, valid, world};
use serde_json::Value as Json;

/// The last migration before there are decisions.
const BEFORE_BINDINGS: i64 = 1;

async fn states(database: &TestDatabase) -> Vec<MigrationState> {
    let migrations = Service::migrations(&plane(), &database.owner_url()).await.unwrap();
    migrations.into_iter().map(|migration| migration.state).collect()
}

async fn down(database: &TestDatabase, target: i64, bindings: bool, all: bool) -> Result<(), &'static str> {
    let down = Service::migrate_down(&plane(), &database.owner_url(), target, bindings, all).await;
    down.map_err(|error| error.code())
}

/// Every row of every table there is, in a fixed order.
async fn rows_of(raw: &mut Raw, tables: &[String]) -> Vec<Vec<Vec<Option<String>>>> {
    let mut all = Vec::new();
    for table in tables {
        let mut rows = raw.rows(&format!("SELECT * FROM {table}")).await.unwrap();
        rows.sort();
        all.push(rows);
    }
    all
}

async fn tables_of(raw: &mut Raw) -> Vec<String> {
    catalog::read(raw).await.unwrap().into_iter().map(|table| table.name).collect()
}

#[test]
fn going_down_refuses_to_lose_decisions_and_workspaces() {
    on_both_engines(|database| async move {
        let raw = world(&database).await.unwrap();
        raw.close().await.unwrap();
        let all = states(&database).await;
        assert!(all.iter().all(|state| *state == MigrationState::Applied));
        for target in [BEFORE_BINDINGS, 0] {
            assert_eq!(down(&database, target, false, false).await, Err("bindings-exist"));
            assert_eq!(states(&database).await, all, "all or nothing");
        }
        assert_eq!(down(&database, 0, true, false).await, Err("workspaces-exist"));
        assert_eq!(states(&database).await, all, "all or nothing");
        let mut raw = database.raw().await;
        assert!(raw.value("SELECT count(*) FROM provider_resource_bindings").await.unwrap().unwrap() != "0");
        raw.close().await.unwrap();
        for unknown in [-1, 8, 99] {
            assert_eq!(down(&database, unknown, true, true).await, Err("unknown-migration"));
        }
        // What is about rules only loses nothing.
        assert_eq!(down(&database, 4, false, false).await, Ok(()));
        assert_eq!(down(&database, 0, true, true).await, Ok(()));
        assert!(states(&database).await.iter().all(|state| *state == MigrationState::Pending));
    });
}

#[test]
fn going_down_without_decisions_needs_no_leave() {
    on_both_engines(|database| async move {
        assert_eq!(down(&database, BEFORE_BINDINGS, false, false).await, Ok(()));
        let mut expected = vec![MigrationState::Pending; states(&database).await.len()];
        expected[0] = MigrationState::Applied;
        assert_eq!(states(&database).await, expected);
        assert_eq!(down(&database, 0, false, false).await, Ok(()));
    });
}

/// Texts that former keys were made of.
const ODD: [&str; 8] = [
    "All users and all devices",
    " Leading, trailing ",
    "Ünïcödé \u{1F4BE} e\u{301}",
    "tab\tline\nend",
    "it''s; DROP TABLE users; --",
    "%_\\*?[a-z]",
    "\u{200D}\u{FEFF}",
    "NULL",
];

#[test]
fn a_database_from_before_the_decisions_goes_up_and_down_with_every_row_as_it_was() {
    on_both_engines(|database| async move {
        down(&database, BEFORE_BINDINGS, false, false).await.unwrap();
        let mut raw = database.raw().await;
        rows::fill_foundation(&mut raw).await.unwrap();
        for (number, odd) in ODD.iter().enumerate() {
            let odd = odd.replace("''", "'");
            let item = valid("inventory_items").with("display_label", odd.as_str()).with("external_id", odd.as_str());
            item.with("subject_type_key", odd.as_str()).insert(&mut raw).await.unwrap();
            let version = valid("policy_versions").with("version_label", odd.as_str()).with("origin", "mirrored");
            version.with("external_ref", odd.as_str()).insert(&mut raw).await.unwrap();
            let profile =
                valid("baseline_profiles").with("display_name", odd.as_str()).with("external_ref", odd.as_str());
            profile.insert(&mut raw).await.unwrap();
            let event = valid("audit_events").with("subject_type_key", odd.as_str());
            event.with("managed_environment_id", Value::Null).insert(&mut raw).await.unwrap();
            let workspace = if number % 2 == 0 { WORKSPACE } else { OTHER_WORKSPACE };
            let place = valid("managed_environments").with("workspace_id", workspace);
            place.with("display_name", odd.as_str()).insert(&mut raw).await.unwrap();
        }
        let tables = tables_of(&mut raw).await;
        assert!(!tables.iter().any(|table| table == "provider_resource_bindings"));
        let before = rows_of(&mut raw, &tables).await;
        assert!(before.iter().all(|rows| !rows.is_empty()), "every table has rows");
        database.migrate().await.unwrap();
        assert_eq!(rows_of(&mut raw, &tables).await, before, "up");
        assert!(tables_of(&mut raw).await.len() > tables.len());
        down(&database, BEFORE_BINDINGS, false, false).await.unwrap();
        assert_eq!(rows_of(&mut raw, &tables).await, before, "down");
        assert_eq!(tables_of(&mut raw).await, tables);
        raw.close().await.unwrap();
    });
}

#[test]
fn a_migration_that_fails_leaves_the_one_before() {
    on_both_engines(|database| async move {
        down(&database, BEFORE_BINDINGS, false, false).await.unwrap();
        let mut raw = database.raw().await;
        raw.execute("CREATE TABLE idempotency_keys (in_the_way integer)").await.unwrap();
        assert!(database.migrate().await.is_err());
        let mut expected = vec![MigrationState::Pending; states(&database).await.len()];
        expected[0] = MigrationState::Applied;
        expected[1] = MigrationState::Applied;
        assert_eq!(states(&database).await, expected);
        raw.execute("DROP TABLE idempotency_keys").await.unwrap();
        database.migrate().await.unwrap();
        raw.close().await.unwrap();
    });
}

/// A data directory that a program made which knew two migrations.
fn former_site() -> Site {
    let site = Site::new();
    let folder = fixture();
    std::fs::create_dir(site.data_dir()).unwrap();
    for name in ["master.key", "provident.sqlite"] {
        let copy = site.data_dir().join(name);
        std::fs::copy(folder.join(name), &copy).unwrap();
        std::fs::set_permissions(copy, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    site
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/installation-at-migration-2")
}

fn expected(name: &str) -> Json {
    serde_json::from_slice(&std::fs::read(fixture().join(name)).unwrap()).unwrap()
}

/// Whether `now` says everything `then` says; it may say more.
fn still_says(now: &Json, then: &Json) -> bool {
    match (now, then) {
        (Json::Object(now), Json::Object(then)) => {
            then.iter().all(|(name, then)| now.get(name).is_some_and(|now| still_says(now, then)))
        }
        (Json::Array(now), Json::Array(then)) => {
            now.len() == then.len() && now.iter().zip(then).all(|(now, then)| still_says(now, then))
        }
        (now, then) => now == then,
    }
}

#[test]
fn an_installation_made_before_goes_up_and_says_what_it_said() {
    let site = former_site();
    let ids = expected("ids.json");
    let id = |name: &str| ids[name].as_str().unwrap().to_owned();
    let (user, environment, binding) = (id("user"), id("environment"), id("binding"));
    let who = ["--as", &user, "--workspace", "tideline", "--format", "json"];
    let there = [&who[..], &["--environment", &environment]].concat();

    let refused = site.run([&["binding", "list"], &there[..]].concat());
    assert!(refused.code == 1 && refused.stderr.contains("provident migrate up"), "{refused:?}");
    let before = std::fs::read(site.data_dir().join("provident.sqlite")).unwrap();
    assert_eq!(before, std::fs::read(fixture().join("provident.sqlite")).unwrap(), "refusing changes nothing");
    let status = site.run(["migrate", "status"]);
    let status = status.ok();
    assert_eq!(status.matches("applied").count(), 2, "{status}");
    assert!(status.contains("pending"), "{status}");

    let _ = site.run(["migrate", "up"]).ok();
    assert!(!site.run(["migrate", "status"]).ok().contains("pending"));
    for (words, file) in [
        (&["binding", "list"][..], "bindings.json"),
        (&["binding", "history", &binding][..], "history.json"),
        (&["inventory", "list"][..], "inventory.json"),
        (&["audit", "list", "--limit", "500"][..], "audit.json"),
    ] {
        let scope = if file == "history.json" || file == "audit.json" { &who[..] } else { &there[..] };
        let now: Json = serde_json::from_str(site.run([words, scope].concat()).ok()).unwrap();
        assert!(still_says(&now, &expected(file)), "{file}: {now}");
    }
    // And it goes on from there.
    let key = "provider:fake:policy:gadgetPolicy:gadget:id:77";
    let decide = ["binding", "exclude", "--subject", key, "--domain", "gadgets", "--note", "later"];
    let _ = site.run([&decide[..], &there[..]].concat()).ok();
}

#[test]
fn the_commands_of_migration_say_what_is_there() {
    let site = Site::new();
    let status = site.run(["migrate", "status"]);
    let status = status.ok();
    assert!(!status.contains("applied"), "{status}");
    assert!(!site.data_dir().exists(), "asking makes nothing");
    assert!(site.run(["migrate", "up"]).ok().contains("up to date"));
    assert!(!site.run(["migrate", "status"]).ok().contains("pending"));
    let last = site.run(["migrate", "down"]);
    let last = last.ok();
    assert_eq!(last.matches("pending").count(), 1, "{last}");
    let roles = run(["migrate", "roles"], "");
    let roles = roles.ok();
    for role in ["provident_owner", "provident_app", "provident_redactor"] {
        assert!(roles.contains(&format!("CREATE ROLE {role} ")), "{roles}");
    }
    assert!(!roles.contains("ALL TABLES"), "privileges are named table by table");
    let refused = site.run(["migrate", "roles", "--apply"]);
    assert!(refused.code == 1 && refused.stderr.starts_with("database-url-invalid"), "{refused:?}");
}

#[test]
fn the_administrator_makes_the_roles_and_the_owner_the_tables() {
    let engine = Engine::Postgres;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = TestDatabase::empty(engine).await;
        let on = |url: &str| ["--database-url".to_owned(), url.to_owned()];
        let typed = |words: &[&str], url: &str| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).chain(on(url)).collect();
            run(words, "")
        };
        assert!(typed(&["migrate", "roles", "--apply"], &database.admin_url()).ok().contains("roles are there"));
        let refused = typed(&["migrate", "up"], &database.url());
        assert_eq!(refused.code, 1, "the application makes no tables: {refused:?}");
        assert!(typed(&["migrate", "up"], &database.owner_url()).ok().contains("up to date"));
        // The application may do what it needs to, and the roles are given as often as one likes.
        let site = Site::on(database);
        let database = site.database().unwrap();
        let _ = site.run(["init"]).ok();
        assert!(typed(&["migrate", "roles", "--apply"], &database.admin_url()).ok().contains("roles are there"));
        let tenant = site.tenant("acme");
        assert_eq!(tenant.run(["binding", "list"]).code, 0);
    });
}
