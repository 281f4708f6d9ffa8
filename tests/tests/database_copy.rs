//! An installation moved from one engine to the other and back, and a backup of either restored: everything that is
//! there is there again, and answers as it did.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use provident::binding::{Note, SupersedeBinding};
use provident::page::PageRequest;
use provident::provider_credential::ProviderCredentials;
use provident::run::OperationType;
use provident::service::{Auditor, NewToken, Service, Settings};
use provident::store::{COPIED_TABLES, Kind};
use provident_identity::ResolutionMode;
use provident_tests::catalog;
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines};
use provident_tests::installation::{Installation, plane, settings};
use provident_tests::rows::{Value, valid};

fn key(id: &str) -> String {
    format!("provider:fake:policy:gadgetPolicy:gadget:id:{id}")
}

/// Decisions of every status, rows in every table, and texts that are easily lost.
async fn lived_in(world: &Installation) {
    let acme = &world.acme;
    let first = world.excluded(&key("1")).await;
    world.excluded(&key("2")).await;
    let gone = world.excluded(&key("3")).await;
    let request = SupersedeBinding {
        mode: ResolutionMode::AcceptedLimitation,
        subject: None,
        subject_domain: None,
        resource: None,
        provider_connection_id: None,
        legacy_subject_key: None,
        note: Some(Note::new("Ünïcödé 💾\n\ttab")),
        reason: Some("vendor-limit".to_owned()),
        idempotency_key: None,
        dry_run: false,
        sources: provident::binding::Sources::default(),
    };
    let second = world.service.supersede_binding(acme.manager, &acme.workspace, first.id, &request).await.unwrap();
    world.service.supersede_binding(acme.manager, &acme.workspace, second.id, &request).await.unwrap();
    let note = Note::new("gone");
    world.service.revoke_binding(acme.manager, &acme.workspace, gone.id, Some(&note)).await.unwrap();
    world.service.revoke_binding(acme.readonly, &acme.workspace, first.id, Some(&note)).await.unwrap_err();
    for workspace in [None, Some(acme.workspace.clone())] {
        let lifetime = std::time::Duration::from_hours(1);
        let (user_id, label) = (acme.manager.user_id(), "it's \"odd\"".to_owned());
        let token = NewToken { user_id, workspace, label, lifetime, may_act_for_others: true };
        world.service.create_token(&plane(), &token).await.unwrap();
    }
    world.service.link_identity(&plane(), acme.manager.user_id(), "https://id.example/", "Ünïcödé").await.unwrap();
    world.snapshot(acme, rows_id(1), rows_id(2), &[acme.environment_id]).await;
    world.connection(acme, acme.environment_id, "fake", rows_id(3)).await;
    let mut fields = ProviderCredentials::default();
    fields.insert("api_key", "a key".parse().unwrap());
    let (workspace, connection) = (&acme.workspace, rows_id(3));
    world.service.set_provider_credentials(acme.manager, workspace, connection, &fields).await.unwrap();
    // One that waits to be worked on, and waits in the copy too.
    world.start(acme, OperationType::HealthCheck, connection).await;
    let mut raw = world.raw().await;
    for table in ["operation_runs", "policy_versions", "inventory_items"] {
        world.row(acme, acme.environment_id, table).insert(&mut raw).await.unwrap();
    }
    let row = valid("idempotency_keys").with("workspace_id", acme.workspace_id);
    let row = row.with("acting_user_id", acme.manager.user_id()).with("binding_id", first.id);
    row.with("idempotency_key", Value::Text("it's \"odd\"".into())).insert(&mut raw).await.unwrap();
    raw.close().await.unwrap();
}

fn rows_id(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_00c0_9700_0000 + number)
}

/// Every row of every table, each value in a form that does not depend on the engine.
async fn contents(raw: &mut Raw) -> BTreeMap<&'static str, Vec<Vec<Option<String>>>> {
    let mut all = BTreeMap::new();
    for table in COPIED_TABLES {
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|(name, kind)| match (raw.engine(), kind) {
                (Engine::Postgres, Kind::Id) => format!("replace(CAST({name} AS text), '-', '')"),
                (Engine::Postgres, Kind::Time) => {
                    format!("to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
                }
                (Engine::Postgres, Kind::Flag) => format!("CAST({name} AS integer)"),
                (Engine::Postgres, Kind::Bytes) => format!("encode({name}, 'hex')"),
                (Engine::Sqlite, Kind::Id | Kind::Bytes) => format!("lower(hex({name}))"),
                _ => name.to_string(),
            })
            .map(|expression| format!("coalesce(CAST({expression} AS text), '∅')"))
            .collect();
        let query = format!("SELECT {} FROM {}", columns.join(", "), table.name);
        let mut rows = raw.rows(&query).await.unwrap();
        rows.sort();
        // SQLite has no bytes for no bytes.
        for cell in rows.iter_mut().flatten().flatten() {
            if cell.is_empty() || cell == "∅" {
                cell.clear();
            }
        }
        all.insert(table.name, rows);
    }
    all
}

async fn contents_of(database: &TestDatabase) -> BTreeMap<&'static str, Vec<Vec<Option<String>>>> {
    let mut raw = database.raw().await;
    let all = contents(&mut raw).await;
    raw.close().await.unwrap();
    all
}

fn other(engine: Engine) -> Engine {
    match engine {
        Engine::Sqlite => Engine::Postgres,
        Engine::Postgres => Engine::Sqlite,
    }
}

/// The same installation on another database: the master key stays where it is.
fn on(world: &Installation, database: &TestDatabase) -> Settings {
    let mut settings = settings(database, &world.directory);
    settings.ids = provident::clock::Ids::seeded(8);
    settings
}

#[test]
fn the_columns_that_are_copied_are_all_there_are() {
    on_both_engines(|database| async move {
        let mut raw = database.raw().await;
        let tables = catalog::read(&mut raw).await.unwrap();
        let there: BTreeMap<String, Vec<String>> = tables
            .iter()
            .map(|table| (table.name.clone(), table.columns.iter().map(|column| column.name.clone()).collect()))
            .collect();
        let copied = COPIED_TABLES.iter().map(|table| {
            let columns = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            (table.name.to_owned(), columns)
        });
        assert_eq!(copied.collect::<BTreeMap<String, Vec<String>>>(), there);
        raw.close().await.unwrap();
    });
}

#[test]
fn an_installation_moves_to_the_other_engine_and_back() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        lived_in(&world).await;
        let before = contents_of(&world.database).await;
        assert!(before.values().all(|rows| !rows.is_empty()), "every table has rows");

        let there = TestDatabase::migrated(other(world.database.engine())).await;
        let report = Service::copy_database(&plane(), &on(&world, &world.database), &there.url()).await.unwrap();
        assert_eq!(contents_of(&there).await, before);
        let counts: BTreeMap<_, u64> = report.rows.iter().copied().collect();
        for (table, rows) in &before {
            assert_eq!(counts[table], rows.len() as u64, "{table}");
        }
        assert_eq!(report.events_verified, before["audit_events"].len() as u64);

        let back = TestDatabase::migrated(world.database.engine()).await;
        Service::copy_database(&plane(), &on(&world, &there), &back.url()).await.unwrap();
        assert_eq!(contents_of(&back).await, before);

        // It goes on there: the chain, the note key, the one active decision.
        let service = Service::open(&on(&world, &back)).await.unwrap();
        let acme = &world.acme;
        let page = PageRequest::default();
        let filter = provident::binding::BindingFilter::default();
        let list = service.bindings(acme.manager, &acme.workspace, acme.environment_id, &filter, page).await.unwrap();
        let list_before =
            world.service.bindings(acme.manager, &acme.workspace, acme.environment_id, &filter, page).await.unwrap();
        assert_eq!(list, list_before);
        let verdict = service.verify_audit(Auditor::System(&plane()), &acme.workspace, None).await.unwrap();
        assert!(verdict.is_ok(), "{verdict:?}");
        service.close().await;
    });
}

#[test]
fn a_database_with_anything_in_it_is_not_copied_into() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        lived_in(&world).await;
        for engine in Engine::ALL {
            let filled = TestDatabase::migrated(engine).await;
            let directory = tempfile::tempdir().unwrap();
            Service::init(&plane(), &settings(&filled, &directory)).await.unwrap().close().await;
            let before = contents_of(&filled).await;
            let refused = Service::copy_database(&plane(), &on(&world, &world.database), &filled.url()).await;
            assert_eq!(refused.unwrap_err().code(), "database-not-empty");
            assert_eq!(contents_of(&filled).await, before);
        }
        // Nor into itself.
        let itself = Service::copy_database(&plane(), &on(&world, &world.database), &world.database.url()).await;
        assert!(itself.is_err());
    });
}

#[test]
fn a_chain_that_is_broken_is_not_moved_and_nothing_arrives() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        lived_in(&world).await;
        let mut raw = world.raw().await;
        if raw.engine() == Engine::Sqlite {
            let triggers =
                raw.rows("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit_events'").await;
            for trigger in triggers.unwrap().into_iter().flatten().flatten() {
                raw.execute(&format!("DROP TRIGGER {trigger}")).await.unwrap();
            }
        }
        let workspace = raw.engine().id(world.acme.workspace_id);
        let changed =
            format!("UPDATE audit_events SET request_id = 'x' WHERE workspace_id = {workspace} AND number = 3");
        assert_eq!(raw.execute(&changed).await.unwrap(), 1);
        raw.close().await.unwrap();
        let there = TestDatabase::migrated(other(world.database.engine())).await;
        let before = contents_of(&there).await;
        let refused = Service::copy_database(&plane(), &on(&world, &world.database), &there.url()).await;
        assert_eq!(refused.unwrap_err().code(), "database-corrupt");
        assert_eq!(contents_of(&there).await, before, "nothing arrived");
    });
}

/// A program of the server's version.
fn postgres_program(name: &str) -> Command {
    let places = std::env::var_os("PG_BIN_DIR").map(std::path::PathBuf::from).into_iter();
    let packaged = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut packaged: Vec<_> = packaged.map(|entry| entry.path().join("bin")).collect();
    packaged.sort();
    let found = places.chain(packaged.into_iter().rev()).map(|place| place.join(name)).find(|path| path.is_file());
    Command::new(found.unwrap_or_else(|| name.into()))
}

fn done(command: &mut Command) {
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn a_backup_is_restored_and_says_what_the_original_said() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        lived_in(&world).await;
        let before = contents_of(&world.database).await;
        let restored = TestDatabase::empty(world.database.engine()).await;
        match world.database.engine() {
            Engine::Sqlite => {
                // Nobody need stop: the engine copies one state while others write.
                let mut raw = world.raw().await;
                raw.execute(&format!("VACUUM INTO '{}'", restored.file().display())).await.unwrap();
                raw.close().await.unwrap();
            }
            Engine::Postgres => {
                let dump = world.directory.path().join("backup.dump");
                done(postgres_program("pg_dump").args(["-Fc", "-f"]).arg(&dump).arg(world.database.admin_url()));
                let mut restore = postgres_program("pg_restore");
                done(restore.args(["--exit-on-error", "-d"]).arg(restored.admin_url()).arg(&dump));
                // Who owns the tables is held to the policies like everybody, and cannot read them all.
                let owners = postgres_program("pg_dump").arg(world.database.owner_url()).output().unwrap();
                assert!(!owners.status.success(), "an owner's dump would be empty");
            }
        }
        assert_eq!(contents_of(&restored).await, before);
        let service = Service::open(&on(&world, &restored)).await.unwrap();
        for tenant in [&world.acme, &world.rival] {
            let verdict = service.verify_audit(Auditor::System(&plane()), &tenant.workspace, None).await.unwrap();
            assert!(verdict.is_ok(), "{verdict:?}");
        }
        service.close().await;
    });
}

#[test]
fn without_the_master_key_nothing_opens_and_with_another_neither() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let mut settings = on(&world, &world.database);
        let text = std::fs::read_to_string(&settings.master_key_path).unwrap();
        settings.master_key_path = Path::new("/nonexistent/master.key").to_owned();
        assert_eq!(Service::open(&settings).await.unwrap_err().code(), "master-key-missing");
        // The key itself, from wherever it is kept.
        settings.master_key = Some(text.clone().into());
        Service::open(&settings).await.unwrap().close().await;
        settings.master_key = Some("provident-master-1:1:00:00000000".to_owned().into());
        assert_eq!(Service::open(&settings).await.unwrap_err().code(), "master-key-malformed");
        let other = provident::secret::MasterKey::generate(&provident::clock::Ids::seeded(77)).unwrap();
        settings.master_key = Some(other.to_text());
        assert_eq!(Service::open(&settings).await.unwrap_err().code(), "master-key-mismatch");
    });
}
