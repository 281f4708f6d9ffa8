//! The audit trail: one event for each mutation and each denial, what it says, and the chain they hang in, recomputed
//! here from the rows alone. The same calls leave the same events on both engines, to the last hash.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use provident::actor::{Actor, SystemActor};
use provident::binding::{CreateBinding, LegacySubjectKey, Note, ResourceRef, Sources, SubjectRef, SupersedeBinding};
use provident::inventory::ImportRefusal;
use provident::policy::Role;
use provident::service::Service;
use provident_identity::{ErrorCode, ResolutionMode};
use provident_tests::database::{Engine, Raw, on_both_engines, on_both_engines_empty};
use provident_tests::installation::{Installation, exclusion, key, plane, settings, widget};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const IDS: [&str; 14] = [
    "actor_token_id",
    "actor_user_id",
    "event_id",
    "import_id",
    "managed_environment_id",
    "new_binding_id",
    "old_binding_id",
    "provider_connection_id",
    "source_baseline_snapshot_id",
    "source_inventory_item_id",
    "source_operation_run_id",
    "source_policy_version_id",
    "target_id",
    "workspace_id",
];
const NUMBERS: [&str; 8] = [
    "added_count",
    "changed_count",
    "key_version",
    "note_key_version",
    "note_length",
    "number",
    "refused_count",
    "unchanged_count",
];
const TEXTS: [&str; 22] = [
    "action",
    "actor_kind",
    "attempted_action",
    "canonical_subject_key",
    "denial",
    "kind",
    "new_binding_status",
    "new_resolution_mode",
    "note_hmac",
    "old_binding_status",
    "old_resolution_mode",
    "old_role",
    "operation_type",
    "provider_key",
    "request_id",
    "resolution_reason",
    "role",
    "run_outcome",
    "run_reason_code",
    "subject_class",
    "subject_domain",
    "subject_type_key",
];

/// An event as its row has it: members, previous hash, hash.
type Told = (BTreeMap<&'static str, Value>, String, String);

/// Every event of a chain by number, read without the host.
async fn chain(raw: &mut Raw, workspace: Uuid) -> Vec<Told> {
    let time = match raw.engine() {
        Engine::Sqlite => "occurred_at".to_owned(),
        Engine::Postgres => r#"to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#.to_owned(),
    };
    let columns = [&IDS[..], &NUMBERS[..], &TEXTS[..]].concat();
    let id = raw.engine().id(workspace);
    let sql = format!(
        "SELECT {}, {time}, previous_hash, hash FROM audit_events WHERE workspace_id = {id} ORDER BY number",
        columns.join(", ")
    );
    let rows = raw.rows(&sql).await.unwrap();
    rows.into_iter()
        .map(|row| {
            let mut members = BTreeMap::new();
            for (name, value) in columns.iter().zip(&row) {
                let value = match value {
                    None => Value::Null,
                    Some(text) if IDS.contains(name) => json!(text.parse::<Uuid>().unwrap().to_string()),
                    Some(text) if NUMBERS.contains(name) => json!(text.parse::<i64>().unwrap()),
                    Some(text) => json!(text),
                };
                members.insert(*name, value);
            }
            let [occurred_at, previous, hash] = row[columns.len()..].to_vec().try_into().unwrap();
            members.insert("occurred_at", json!(occurred_at.unwrap()));
            (members, previous.unwrap(), hash.unwrap())
        })
        .collect()
}

/// Recomputes a chain and its head from nothing but the rows.
async fn verify(raw: &mut Raw, workspace: Uuid) -> Vec<Told> {
    let events = chain(raw, workspace).await;
    let mut previous = "0".repeat(64);
    for (place, (members, told_previous, told_hash)) in events.iter().enumerate() {
        assert_eq!(members["number"], json!(place + 1), "a gap or a double");
        assert_eq!(*told_previous, previous);
        let text = format!("provident-audit-1\n{previous}\n{}", serde_json::to_string(members).unwrap());
        previous = hex::encode(Sha256::digest(text.as_bytes()));
        assert_eq!(*told_hash, previous, "event {}", place + 1);
    }
    let id = raw.engine().id(workspace);
    let sql = format!("SELECT last_number, last_hash FROM audit_heads WHERE workspace_id = {id}");
    let head = raw.rows(&sql).await.unwrap().remove(0);
    assert_eq!(head, [Some(events.len().to_string()), Some(previous)]);
    events
}

/// Members that are not null, one event a line.
fn text(events: &[Told]) -> String {
    let mut text = String::new();
    for (members, _, hash) in events {
        let said: BTreeMap<_, _> = members.iter().filter(|(_, value)| !value.is_null()).collect();
        writeln!(text, "{} -> {hash}", serde_json::to_string(&said).unwrap()).unwrap();
    }
    text
}

fn of_mode(mode: ResolutionMode, subject: &str) -> CreateBinding {
    let mut request = exclusion(&key(subject));
    request.mode = mode;
    request.legacy_subject_key = Some(LegacySubjectKey::new("CANARY former"));
    if mode == ResolutionMode::ManualBinding {
        request.resource = Some(ResourceRef::Descriptor(Box::new(widget("R"))));
    }
    request
}

/// Every mutation a tenant can see told of, and every denial.
async fn everything(world: &Installation) {
    let (service, acme) = (&world.service, &world.acme);
    let (workspace, here) = (&acme.workspace, acme.environment_id);
    let id = Uuid::from_u128;
    world.connection(acme, here, "fake", id(0xc0)).await;
    let mut raw = world.raw().await;
    world.row(acme, here, "operation_runs").with("id", id(0xd0)).insert(&mut raw).await.unwrap();
    world.row(acme, here, "policy_versions").with("id", id(0xd1)).insert(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    world.snapshot(acme, id(0xd2), id(0xd3), &[here]).await;

    let digest = Some(format!("sha256:{}", "a".repeat(64)));
    let mut import = service.begin_import(acme.manager, workspace, here, digest).await.unwrap();
    let refusal = ImportRefusal::new(2, ErrorCode::MissingIdentity, "ref", "no id");
    let items = [Ok((0, widget("W"))), Ok((1, widget("I"))), Err(refusal)];
    service.import_chunk(&mut import, &items).await.unwrap();
    service.import_chunk(&mut import, &[Ok((3, widget("I")))]).await.unwrap();
    service.finish_import(&import).await.unwrap();

    let mut first = None;
    for mode in [
        ResolutionMode::ManualBinding,
        ResolutionMode::ExcludedNonGoverned,
        ResolutionMode::AcceptedLimitation,
        ResolutionMode::UnsupportedCoverage,
        ResolutionMode::MissingExpected,
    ] {
        let mut request = of_mode(mode, mode.as_str());
        if first.is_none() {
            request.provider_connection_id = Some(id(0xc0));
            request.reason = Some("same-team".to_owned());
            request.sources = Sources {
                operation_run_id: Some(id(0xd0)),
                baseline_snapshot_id: Some(id(0xd2)),
                inventory_item_id: None,
                policy_version_id: Some(id(0xd1)),
            };
        }
        let made = service.create_binding(acme.manager, workspace, here, &request).await.unwrap();
        first = first.or(Some(made));
    }
    let mut automatic =
        CreateBinding::new(ResolutionMode::ExactProviderIdentity, SubjectRef::Descriptor(Box::new(widget("E"))));
    automatic.resource = Some(ResourceRef::Descriptor(Box::new(widget("E"))));
    automatic.reason = Some("same-id".to_owned());
    let system = SystemActor::of_the_host();
    service.create_automatic_binding(&system, acme.workspace_id, here, &automatic).await.unwrap();
    let mut succession = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
    succession.note = Some(Note::new("CANARY ünd 😀"));
    let second = service.supersede_binding(acme.manager, workspace, first.unwrap().id, &succession).await.unwrap();
    service.revoke_binding(acme.owner, workspace, second.id, Some(&Note::new("CANARY gone"))).await.unwrap();

    // Denials: forbidden, hidden, missing; and a stranger's, in the platform's chain.
    let request = exclusion(&key("denied"));
    let nobody = Actor::user(id(0xbad));
    for (actor, environment) in [
        (acme.readonly, here),
        (acme.manager, acme.hidden_environment_id),
        (acme.manager, id(0xbad)),
        (world.stranger, here),
        (nobody, here),
    ] {
        service.create_binding(actor, workspace, environment, &request).await.unwrap_err();
    }
    service.supersede_binding(acme.operator, workspace, second.id, &succession).await.unwrap_err();
    service.revoke_binding(acme.operator, workspace, second.id, None).await.unwrap_err();
    service.begin_import(acme.operator, workspace, here, None).await.unwrap_err();
    let theirs = world.stranger.user_id();
    service.add_member(acme.manager, workspace, theirs, Role::Owner).await.unwrap_err();
    service.change_member_role(acme.manager, workspace, theirs, Role::Owner).await.unwrap_err();
    service.end_membership(acme.manager, workspace, theirs).await.unwrap_err();
    service.create_environment(acme.manager, workspace, "CANARY").await.unwrap_err();
    service.grant_entitlement(acme.manager, workspace, here, theirs).await.unwrap_err();
    service.end_entitlement(acme.manager, workspace, here, theirs).await.unwrap_err();

    service.change_member_role(acme.owner, workspace, acme.readonly.user_id(), Role::Operator).await.unwrap();
    service.end_entitlement(acme.owner, workspace, here, acme.readonly.user_id()).await.unwrap();
    service.end_membership(acme.owner, workspace, acme.readonly.user_id()).await.unwrap();

    service.redact_note(acme.manager, workspace, second.id).await.unwrap_err();
    service.redact_note(acme.owner, workspace, second.id).await.unwrap();
}

#[test]
fn every_mutation_and_every_denial_is_told_of_once_and_the_same_on_both_engines() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        everything(&world).await;
        let mut raw = world.raw().await;
        let tenant = verify(&mut raw, world.acme.workspace_id).await;
        let platform = verify(&mut raw, Uuid::nil()).await;
        verify(&mut raw, world.rival.workspace_id).await;
        raw.close().await.unwrap();
        let log = text(&tenant);
        assert!(!log.contains("CANARY"), "a note, a former key, a name");
        assert!(!log.contains("Widget"), "a label");
        insta::assert_snapshot!("tenant", log);
        insta::assert_snapshot!("platform", text(&platform));
        assert!(!log.contains(&world.stranger.user_id().to_string()), "a stranger shows in no tenant's log");
    });
}

#[test]
fn the_service_lists_events_as_they_are_stored() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        everything(&world).await;
        let mut raw = world.raw().await;
        let stored = chain(&mut raw, world.acme.workspace_id).await;
        raw.close().await.unwrap();
        let acme = &world.acme;
        let listed = world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        assert_eq!(listed.len(), stored.len());
        for (event, (members, previous, hash)) in listed.iter().zip(&stored) {
            assert_eq!(event.event.canonical_json().unwrap(), serde_json::to_string(members).unwrap());
            assert_eq!((&event.previous_hash, &event.hash), (previous, hash));
        }
    });
}

#[test]
fn a_note_is_told_by_its_length_and_a_hmac_of_its_workspace() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let mut told = Vec::new();
        for tenant in [&world.acme, &world.rival] {
            for subject in ["1", "2"] {
                let mut request = exclusion(&key(subject));
                request.note = Some(Note::new(" wörd😀 "));
                let made = world
                    .service
                    .create_binding(tenant.manager, &tenant.workspace, tenant.environment_id, &request)
                    .await
                    .unwrap();
                let events = world.service.audit_events(tenant.owner, &tenant.workspace, None, 0, 500).await.unwrap();
                let event = events.into_iter().find(|event| event.event.new_binding_id == Some(made.id)).unwrap();
                assert_eq!(event.event.note_length, Some(5));
                assert_eq!(event.event.note_key_version, Some(1));
                told.push(event.event.note_hmac.unwrap());
            }
        }
        assert_eq!(told[0], told[1], "one note, one workspace");
        assert_ne!(told[0], told[2], "a key for each workspace");
        let bare = hex::encode(Sha256::digest("wörd😀".as_bytes()));
        assert!(!told.contains(&bare));
    });
}

#[test]
fn writers_that_meet_leave_a_chain_without_gap_or_double() {
    on_both_engines(|database| async move {
        let world = std::sync::Arc::new(Installation::on(database).await);
        let tasks: Vec<_> = (0..32)
            .map(|number| {
                let world = std::sync::Arc::clone(&world);
                tokio::spawn(async move { world.excluded(&key(&number.to_string())).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let mut raw = world.raw().await;
        let events = verify(&mut raw, world.acme.workspace_id).await;
        raw.close().await.unwrap();
        let created = events.iter().filter(|(members, ..)| members["action"] == json!("binding.created"));
        assert_eq!(created.count(), 32);
    });
}

#[test]
fn a_refused_mutation_leaves_no_event_and_a_failed_commit_no_change() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let made = world.excluded(&key("1")).await;
        let before = (world.dump("audit_events").await, world.dump("provider_resource_bindings").await);
        let request = exclusion(&key("1"));
        world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await.unwrap_err();
        assert_eq!(before, (world.dump("audit_events").await, world.dump("provider_resource_bindings").await));

        // The event cannot be written: then the change is not either.
        let mut raw = world.raw().await;
        raw.execute("ALTER TABLE audit_events RENAME COLUMN hash TO hush").await.unwrap();
        let request = exclusion(&key("2"));
        let refused = world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await;
        assert_eq!(refused.unwrap_err().code(), "database-refused");
        let note = Note::new("why");
        let refused = world.service.revoke_binding(acme.manager, &acme.workspace, made.id, Some(&note)).await;
        assert_eq!(refused.unwrap_err().code(), "database-refused");
        assert_eq!(before.1, world.dump("provider_resource_bindings").await);
        // Nor is a denial swallowed: it is an error of its own.
        let refused = world.service.create_binding(acme.readonly, &acme.workspace, acme.environment_id, &request).await;
        assert_eq!(refused.unwrap_err().code(), "database-refused");
        raw.execute("ALTER TABLE audit_events RENAME COLUMN hush TO hash").await.unwrap();
        raw.close().await.unwrap();
        world.excluded(&key("2")).await;
    });
}

#[test]
fn setting_up_twice_changes_nothing_and_another_key_is_refused() {
    on_both_engines_empty(|database| async move {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(&database, &directory);
        let refused = Service::open(&settings).await.unwrap_err();
        assert_eq!(refused.code(), "database-unmigrated");
        assert!(refused.to_string().contains("provident init"), "{refused}");
        if database.engine() == Engine::Postgres {
            let refused = Service::init(&plane(), &settings).await.unwrap_err();
            assert_eq!(refused.code(), "database-unmigrated", "tables are their owner's to make");
        }

        database.prepare().await;
        let service = Service::init(&plane(), &settings).await.unwrap();
        service.create_user(&plane(), "Ada").await.unwrap();
        service.close().await;
        let mut raw = database.raw().await;
        let head = raw.rows("SELECT * FROM audit_heads").await.unwrap();
        Service::init(&plane(), &settings).await.unwrap().close().await;
        assert_eq!(raw.rows("SELECT * FROM audit_heads").await.unwrap(), head);
        let service = Service::open(&settings).await.unwrap();
        assert_eq!(service.users(&plane(), provident::page::PageRequest::default()).await.unwrap().items.len(), 1);
        service.close().await;

        // The key is gone: no new one is made for a database that was sealed under it.
        let aside = directory.path().join("aside");
        std::fs::rename(&settings.master_key_path, &aside).unwrap();
        for refused in [Service::open(&settings).await, Service::init(&plane(), &settings).await] {
            assert_eq!(refused.unwrap_err().code(), "master-key-missing");
        }
        let other = provident::secret::MasterKey::generate(&provident::clock::Ids::seeded(99)).unwrap();
        other.store(&settings.master_key_path).unwrap();
        for refused in [Service::open(&settings).await, Service::init(&plane(), &settings).await] {
            assert_eq!(refused.unwrap_err().code(), "master-key-mismatch");
        }
        let text = std::fs::read_to_string(&aside).unwrap();
        std::fs::write(&settings.master_key_path, text.replace(':', ";")).unwrap();
        assert_eq!(Service::open(&settings).await.unwrap_err().code(), "master-key-malformed");
        raw.close().await.unwrap();
    });
}

#[cfg(unix)]
#[test]
fn what_is_made_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    on_both_engines_empty(|database| async move {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        let mut settings = settings(&database, &directory);
        settings.master_key_path = inner.join("master.key");
        if database.engine() == Engine::Sqlite {
            settings.database_url = format!("sqlite://{}", inner.join("provident.db").display());
        }
        database.prepare().await;
        let service = Service::init(&plane(), &settings).await.unwrap();
        service.create_user(&plane(), "Ada").await.unwrap();
        let mut files = 0;
        for entry in std::fs::read_dir(&inner).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", entry.path().display());
            files += 1;
        }
        assert_eq!(files, if database.engine() == Engine::Sqlite { 4 } else { 1 }, "key, database, its two side files");
        assert_eq!(std::fs::metadata(&inner).unwrap().mode() & 0o777, 0o700);
        service.close().await;
        std::fs::set_permissions(&settings.master_key_path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(Service::open(&settings).await.unwrap_err().code(), "master-key-exposed");
    });
}

#[test]
fn a_database_of_another_program_or_time_is_refused() {
    on_both_engines(|database| async move {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(&database, &directory);
        Service::init(&plane(), &settings).await.unwrap().close().await;
        let mut raw = database.raw().await;
        let bytes = match raw.engine() {
            Engine::Sqlite => "X'00'",
            Engine::Postgres => "'\\x00'::bytea",
        };
        let row = format!("VALUES (99, 'later', CURRENT_TIMESTAMP, true, {bytes}, 1)");
        let columns = "(version, description, installed_on, success, checksum, execution_time)";
        raw.execute(&format!("INSERT INTO _sqlx_migrations {columns} {row}")).await.unwrap();
        assert_eq!(Service::open(&settings).await.unwrap_err().code(), "database-too-new");
        raw.execute("DELETE FROM _sqlx_migrations WHERE version = 99").await.unwrap();
        raw.execute(&format!("UPDATE _sqlx_migrations SET checksum = {bytes} WHERE version = 1")).await.unwrap();
        assert_eq!(Service::open(&settings).await.unwrap_err().code(), "database-altered");
        assert_eq!(Service::init(&plane(), &settings).await.unwrap_err().code(), "database-altered");
        raw.execute("DELETE FROM _sqlx_migrations WHERE version = 2").await.unwrap();
        raw.close().await.unwrap();
        for url in ["mysql://x", "sqlite::memory:", "sqlite:x?mode=memory", "postgres://[", ""] {
            let mut settings = settings.clone();
            settings.database_url = url.to_owned();
            assert_eq!(Service::open(&settings).await.unwrap_err().code(), "database-url-invalid", "{url}");
        }
        let mut settings = settings.clone();
        settings.database_url = format!("sqlite://{}", directory.path().join("no/such.db").display());
        assert_eq!(Service::open(&settings).await.unwrap_err().code(), "database-unmigrated");
        assert!(!directory.path().join("no").exists(), "opening makes nothing");
    });
}

#[test]
fn those_who_set_up_one_place_at_once_all_find_it_set_up() {
    on_both_engines_empty(|database| async move {
        database.prepare().await;
        for round in 0..3_u64 {
            let directory = tempfile::tempdir().unwrap();
            let mut settings = settings(&database, &directory);
            if database.engine() == Engine::Sqlite {
                settings.database_url = format!("sqlite://{}", directory.path().join("a/provident.db").display());
            } else if round > 0 {
                return;
            }
            let started: Vec<_> = (0..6)
                .map(|number| {
                    let mut settings = settings.clone();
                    settings.ids = provident::clock::Ids::seeded(100 + number);
                    tokio::spawn(async move { Service::init(&plane(), &settings).await })
                })
                .collect();
            for service in started {
                service.await.unwrap().unwrap().close().await;
            }
            let service = Service::open(&settings).await.unwrap();
            service.create_user(&plane(), "Ada").await.unwrap();
            service.close().await;
        }
    });
}

#[test]
fn a_writer_that_does_not_let_go_is_told_of_in_bounded_time() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        if world.database.engine() == Engine::Postgres {
            // Writers wait for rows there; what a wait may last is the deadline's to say.
            world.excluded(&key("1")).await;
            return;
        }
        let before = world.dump("provider_resource_bindings").await;
        let mut raw = world.raw().await;
        raw.execute("BEGIN IMMEDIATE").await.unwrap();
        let (acme, request) = (&world.acme, exclusion(&key("1")));
        let start = std::time::Instant::now();
        let refused = world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await;
        assert_eq!(refused.unwrap_err().code(), "database-busy");
        assert!(start.elapsed() < std::time::Duration::from_secs(15), "{:?}", start.elapsed());
        raw.execute("ROLLBACK").await.unwrap();
        raw.close().await.unwrap();
        assert_eq!(before, world.dump("provider_resource_bindings").await);
        world.excluded(&key("1")).await;
    });
}

#[test]
fn a_connection_the_server_takes_away_is_told_of_as_unavailable() {
    on_both_engines(|database| async move {
        let world = std::sync::Arc::new(Installation::on(database).await);
        if world.database.engine() == Engine::Sqlite {
            // No server, no connection.
            world.excluded(&key("1")).await;
            return;
        }
        let mut raw = world.raw().await;
        let id = raw.engine().id(world.acme.workspace_id);
        let head = format!("BEGIN; SELECT 1 FROM audit_heads WHERE workspace_id = {id} FOR UPDATE");
        raw.execute(&head).await.unwrap();
        let writing = {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move {
                let (acme, request) = (&world.acme, exclusion(&key("1")));
                world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await
            })
        };
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let taken_away = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        assert_eq!(raw.value(taken_away).await.unwrap().as_deref(), Some("1"));
        assert_eq!(writing.await.unwrap().unwrap_err().code(), "database-unavailable");
        raw.execute("ROLLBACK").await.unwrap();
        raw.close().await.unwrap();
        assert_eq!(world.count("provider_resource_bindings").await, 0);
    });
}
