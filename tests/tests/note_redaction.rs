//! Notes that give way to a marker, on both engines: by an owner alone, for good, and told of; the decision and what the
//! trail says of its note stay. Past the service the databases let nothing but the marker through, and from the files of
//! SQLite the words are gone.
#![cfg(test)]

use std::sync::Arc;

use provident::actor::SystemActor;
use provident::binding::{Binding, CreateBinding, Note, REDACTED_NOTE, ResourceRef, SubjectRef, SupersedeBinding};
use provident::error::Error;
use provident_identity::{BindingStatus, ResolutionMode};
use provident_tests::console::{Site, text};
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines};
use provident_tests::installation::{Installation, exclusion, key, widget};
use provident_tests::tables;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use uuid::Uuid;

const WORDS: &str = "CANARY-of-the-decision";
const LAST_WORDS: &str = "CANARY-of-its-end";

fn noted(subject: &str, words: &str) -> CreateBinding {
    CreateBinding { note: Some(Note::new(words)), ..exclusion(&key(subject)) }
}

async fn create(world: &Installation, request: &CreateBinding) -> Binding {
    let acme = &world.acme;
    world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, request).await.unwrap()
}

async fn revoke(world: &Installation, id: Uuid, words: &str) -> Binding {
    let acme = &world.acme;
    world.service.revoke_binding(acme.manager, &acme.workspace, id, Some(&Note::new(words))).await.unwrap()
}

async fn redact(world: &Installation, id: Uuid) -> Result<Binding, Error> {
    world.service.redact_note(world.acme.owner, &world.acme.workspace, id).await
}

fn code(outcome: Result<Binding, Error>) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().to_owned(),
    }
}

fn shown(binding: &Binding) -> Value {
    serde_json::to_value(binding).unwrap()
}

/// Whether a text stands anywhere in any table.
async fn somewhere(world: &Installation, words: &str) -> bool {
    for table in tables::all() {
        if world.dump(table).await.iter().any(|row| row.contains(words)) {
            return true;
        }
    }
    false
}

#[test]
fn the_words_of_a_decision_and_of_its_end_give_way_and_everything_else_stays() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let made = create(&world, &noted("1", WORDS)).await;
        assert_eq!((&shown(&made)["operator_note"], &shown(&made)["note_redacted"]), (&json!(WORDS), &json!(false)));
        let revoked = revoke(&world, made.id, LAST_WORDS).await;
        let events = world.dump("audit_events").await;
        let redacted = redact(&world, made.id).await.unwrap();
        let read = world.service.binding(world.acme.readonly, &world.acme.workspace, made.id).await.unwrap();
        assert_eq!(read, redacted);
        let mut expected = shown(&revoked);
        for (member, value) in
            [("operator_note", json!(null)), ("ended_note", json!(null)), ("note_redacted", json!(true))]
        {
            expected[member] = value;
        }
        expected["updated_at"] = shown(&redacted)["updated_at"].clone();
        assert_ne!(expected["updated_at"], shown(&revoked)["updated_at"], "the row was written again");
        assert_eq!(shown(&redacted), expected);
        assert!(!somewhere(&world, "CANARY").await);

        // What was told of before is told of still; one event more, which has no part of a note.
        let after = world.dump("audit_events").await;
        assert!(events.iter().all(|event| after.contains(event)) && after.len() == events.len() + 1);
        let acme = &world.acme;
        let log = world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        let told = &log.last().unwrap().event;
        assert_eq!((told.action.as_str(), told.kind.as_str()), ("binding.note-redacted", "tenant"));
        assert_eq!((told.actor_user_id, told.old_binding_id), (Some(acme.owner.user_id()), Some(made.id)));
        assert_eq!(told.old_binding_status.as_deref(), Some("revoked"));
        assert_eq!(told.managed_environment_id, Some(acme.environment_id));
        assert_eq!((&told.note_hmac, told.note_length, told.new_binding_id), (&None, None, None));
        let noted: Vec<_> = log.iter().filter(|event| event.event.note_hmac.is_some()).collect();
        assert_eq!(noted.len(), 2);
        assert_eq!(noted[0].event.note_length, Some(22));
    });
}

#[test]
fn it_is_an_owners_alone_and_hidden_and_missing_are_one() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, acme) = (&world.service, &world.acme);
        let made = create(&world, &noted("1", WORDS)).await;
        for (actor, expected) in [
            (acme.manager, "forbidden"),
            (acme.operator, "forbidden"),
            (acme.readonly, "forbidden"),
            (acme.unentitled, "not-found"),
            (world.rival.owner, "not-found"),
            (world.stranger, "not-found"),
        ] {
            assert_eq!(code(service.redact_note(actor, &acme.workspace, made.id).await), expected);
        }
        assert_eq!(code(service.redact_note(world.rival.owner, &world.rival.workspace, made.id).await), "not-found");
        assert!(somewhere(&world, WORDS).await);
        let log = service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        let denied: Vec<_> = log.iter().filter(|event| event.event.action == "binding.denied").collect();
        assert_eq!(denied.len(), 4, "members' alone");
        assert!(denied.iter().all(|it| it.event.attempted_action.as_deref() == Some("binding.redact-note")));
        assert_eq!(code(redact(&world, made.id).await), "ok");
    });
}

#[test]
fn there_is_something_to_redact_or_it_is_refused() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let mut automatic =
            CreateBinding::new(ResolutionMode::ExactProviderIdentity, SubjectRef::Descriptor(Box::new(widget("A"))));
        automatic.resource = Some(ResourceRef::Descriptor(Box::new(widget("A"))));
        automatic.reason = Some("same-id".to_owned());
        let system = SystemActor::of_the_host();
        let wordless = world
            .service
            .create_automatic_binding(&system, acme.workspace_id, acme.environment_id, &automatic)
            .await
            .unwrap();
        assert_eq!(code(redact(&world, wordless.id).await), "note-absent");
        let revoked = revoke(&world, wordless.id, LAST_WORDS).await;
        let redacted = redact(&world, revoked.id).await.unwrap();
        assert_eq!(redacted.note, None);
        assert_eq!(shown(&redacted)["note_redacted"], json!(true));

        let made = create(&world, &noted("1", WORDS)).await;
        redact(&world, made.id).await.unwrap();
        let events = world.count("audit_events").await;
        assert_eq!(code(redact(&world, made.id).await), "note-already-redacted");
        assert_eq!(world.count("audit_events").await, events);
    });
}

#[test]
fn a_decision_without_its_words_is_ended_like_any_other() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let first = create(&world, &noted("1", WORDS)).await;
        let redacted = redact(&world, first.id).await.unwrap();
        assert_eq!(redacted.status(), BindingStatus::Active);
        let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
        request.note = Some(Note::new(WORDS));
        let second = world.service.supersede_binding(acme.manager, &acme.workspace, first.id, &request).await.unwrap();
        redact(&world, second.id).await.unwrap();
        let ended = revoke(&world, second.id, LAST_WORDS).await;
        let json = shown(&ended);
        assert_eq!(
            (&json["operator_note"], &json["ended_note"], &json["note_redacted"]),
            (&json!(null), &json!(LAST_WORDS), &json!(true))
        );
        // Words that came later go, too.
        assert_eq!(shown(&redact(&world, second.id).await.unwrap())["ended_note"], json!(null));
        assert_eq!(code(redact(&world, second.id).await), "note-already-redacted");
        assert!(!somewhere(&world, "CANARY").await);
    });
}

#[test]
fn a_request_answered_again_does_not_bring_the_words_back() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let mut request = noted("1", WORDS);
        request.idempotency_key = Some("k".parse().unwrap());
        let made = create(&world, &request).await;
        redact(&world, made.id).await.unwrap();
        let again = create(&world, &request).await;
        let mut expected = shown(&made);
        expected["operator_note"] = json!(null);
        expected["note_redacted"] = json!(true);
        assert_eq!(shown(&again), expected);
        assert!(!somewhere(&world, WORDS).await);
    });
}

#[test]
fn of_several_owners_at_once_one_redacts() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        let made = create(&world, &noted("1", WORDS)).await;
        let running: Vec<_> = (0..6)
            .map(|_| {
                let world = Arc::clone(&world);
                tokio::spawn(async move { code(redact(&world, made.id).await) })
            })
            .collect();
        let mut codes = Vec::new();
        for one in running {
            codes.push(one.await.unwrap());
        }
        codes.sort();
        assert_eq!(codes.iter().filter(|code| *code == "ok").count(), 1, "{codes:?}");
        assert!(codes.iter().filter(|code| *code != "ok").all(|code| code == "note-already-redacted"), "{codes:?}");
        let told = world.dump("audit_events").await;
        assert_eq!(told.iter().filter(|event| event.contains("binding.note-redacted")).count(), 1);
    });
}

#[test]
fn no_note_can_be_the_marker() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        for (number, words) in [REDACTED_NOTE, "[redacted]", "[redacted]\n\n"].into_iter().enumerate() {
            let made = create(&world, &noted(&number.to_string(), words)).await;
            assert_eq!(shown(&made)["note_redacted"], json!(false));
            assert_eq!(shown(&made)["operator_note"], json!("[redacted]"));
        }
    });
}

/// A connection as the role the service has.
async fn as_application(database: &TestDatabase, workspace: Uuid) -> Raw {
    match database.engine() {
        Engine::Sqlite => database.raw().await,
        Engine::Postgres => {
            let options: PgConnectOptions = database.url().parse().unwrap();
            let mut raw = Raw::Postgres(options.connect().await.unwrap());
            raw.execute(&format!("SET provident.workspace_id = '{workspace}'")).await.unwrap();
            raw
        }
    }
}

/// What is refused, and by what.
async fn refusal(raw: &mut Raw, sql: &str) -> String {
    let error = raw.execute(sql).await.expect_err(sql);
    error.as_database_error().unwrap().message().to_owned()
}

#[test]
fn past_the_service_the_application_writes_no_note_and_the_redactor_nothing_but_the_marker() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let active = create(&world, &noted("1", WORDS)).await;
        let ended = create(&world, &noted("2", WORDS)).await;
        revoke(&world, ended.id, LAST_WORDS).await;
        let superseded = create(&world, &noted("3", WORDS)).await;
        let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
        request.note = Some(Note::new("other"));
        let acme = &world.acme;
        world.service.supersede_binding(acme.manager, &acme.workspace, superseded.id, &request).await.unwrap();
        let before = world.dump("provider_resource_bindings").await;
        let engine = world.database.engine();
        let mut raw = as_application(&world.database, acme.workspace_id).await;
        let (marker, chr) = match engine {
            Engine::Sqlite => ("'[redacted]' || char(10)", "char(10)"),
            Engine::Postgres => ("'[redacted]' || chr(10)", "chr(10)"),
        };
        let update =
            |set: &str, id: Uuid| format!("UPDATE provider_resource_bindings SET {set} WHERE id = {}", engine.id(id));
        let refused = [
            ("operator_note = 'another'".to_owned(), ended.id),
            (format!("operator_note = {marker}, ended_note = 'another'"), ended.id),
            ("ended_note = 'another'".to_owned(), ended.id),
            ("operator_note = 'another'".to_owned(), active.id),
            (format!("operator_note = '[redacted]' || {chr} || {chr}"), active.id),
            ("operator_note = '[redacted]'".to_owned(), active.id),
            (
                format!(
                    "binding_status = 'active', ended_at = NULL, ended_by_user_id = NULL, ended_note = NULL, operator_note = {marker}"
                ),
                ended.id,
            ),
            (format!("operator_note = {marker}, binding_status = 'superseded', ended_at = decided_at"), active.id),
            (format!("ended_note = {marker}"), superseded.id),
        ];
        let known = [
            "permission denied",
            "row-level security",
            "check constraint",
            "CHECK constraint",
            "ends once and stays ended",
        ];
        for (set, id) in &refused {
            match raw.execute(&update(set, *id)).await {
                // A row that has ended is not there to be changed.
                Ok(touched) => assert!(touched == 0 && engine == Engine::Postgres, "{set}: {touched}"),
                Err(error) => {
                    let why = error.as_database_error().unwrap().message().to_owned();
                    assert!(known.iter().any(|known| why.contains(known)), "{set}: {why}");
                }
            }
        }
        if engine == Engine::Postgres {
            let why = refusal(&mut raw, &update(&format!("operator_note = {marker}"), active.id)).await;
            assert!(why.contains("permission denied"), "{why}");
            raw.execute("SET ROLE provident_redactor").await.unwrap();
            for (set, id) in &refused {
                let why = refusal(&mut raw, &update(set, *id)).await;
                assert!(known.iter().any(|known| why.contains(known)), "{set}: {why}");
            }
            for sql in [
                "UPDATE provider_resource_bindings SET binding_status = 'active'",
                "UPDATE provider_resource_bindings SET ended_at = NULL",
                "UPDATE provider_resource_bindings SET operator_note = NULL",
                "DELETE FROM provider_resource_bindings",
                "INSERT INTO provider_resource_bindings SELECT * FROM provider_resource_bindings",
                "SELECT * FROM audit_events",
                "SELECT * FROM audit_heads",
                "UPDATE audit_heads SET last_number = 0",
            ] {
                let why = refusal(&mut raw, sql).await;
                assert!(known.iter().any(|known| why.contains(known)), "{sql}: {why}");
            }
            // It sees the workspace its transaction names and no other.
            raw.execute(&format!("SET provident.workspace_id = '{}'", world.rival.workspace_id)).await.unwrap();
            let touched = raw.execute(&format!("UPDATE provider_resource_bindings SET operator_note = {marker}")).await;
            assert_eq!(touched.unwrap(), 0);
        }
        assert_eq!(world.dump("provider_resource_bindings").await, before);
        if engine == Engine::Postgres {
            raw.execute(&format!("SET provident.workspace_id = '{}'", acme.workspace_id)).await.unwrap();
        }
        // And the marker does go in, into a row that has ended and into one that has not.
        let both = format!("operator_note = {marker}, ended_note = {marker}");
        for (set, id) in [(format!("operator_note = {marker}"), active.id), (both, ended.id)] {
            assert_eq!(raw.execute(&update(&set, id)).await.unwrap(), 1);
        }
        raw.close().await.unwrap();
    });
}

/// Whether a text stands anywhere in the files of a SQLite database.
fn in_files(database: &TestDatabase, words: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(database.file().parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        if bytes.windows(words.len()).any(|window| window == words.as_bytes()) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

#[test]
fn the_words_are_gone_from_the_files_of_sqlite_while_the_service_runs() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        if world.database.engine() == Engine::Postgres {
            // Its rows are gone with the next VACUUM; that no table shows the words is said above.
            return;
        }
        // Short ones, and ones of many pages, among others that fill pages and make them split.
        let mut made = Vec::new();
        for number in 0..120_usize {
            let length = [0, 90, 700, 1_900][number % 4];
            let words = format!("NOTE-{number:04}-{}", "ü".repeat(length));
            made.push((create(&world, &noted(&format!("s{number}"), &words)).await.id, format!("NOTE-{number:04}-")));
        }
        for (number, (id, _)) in made.iter().enumerate().filter(|(number, _)| number % 3 == 0) {
            revoke(&world, *id, &format!("LAST-{number:04}-{}", "w".repeat(number * 15))).await;
        }
        assert!(in_files(&world.database, "NOTE-0000-").len() + in_files(&world.database, "LAST-0003-").len() >= 2);
        for (number, (id, words)) in made.iter().enumerate().filter(|(number, _)| number % 2 == 1) {
            redact(&world, *id).await.unwrap();
            assert_eq!(in_files(&world.database, words), Vec::<String>::new(), "{number}");
            assert_eq!(in_files(&world.database, &format!("LAST-{number:04}-")), Vec::<String>::new(), "{number}");
        }
        assert!(!in_files(&world.database, "NOTE-0000-").is_empty(), "the others are there");
        assert!(!in_files(&world.database, "LAST-0000-").is_empty(), "the others are there");
    });
}

#[test]
fn an_owner_redacts_at_the_command_line() {
    on_both_engines(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let manager = owner.adds("manager", true);
        let subject = key("1");
        let made =
            manager.json(["binding", "exclude", "--subject", &subject, "--domain", "things", "--note", "CANARY"]);
        let id = text(&made, "id");
        assert_eq!(manager.refused(5, ["binding", "redact-note", &id])["code"], "forbidden");
        let shown = owner.run(["binding", "redact-note", &id]).ok().to_owned();
        assert!(shown.contains("[redacted]") && !shown.contains("CANARY") && !shown.contains('\u{FFFD}'), "{shown}");
        let read = manager.json(["binding", "show", &id]);
        assert_eq!((&read["operator_note"], &read["note_redacted"]), (&json!(null), &json!(true)));
        assert_eq!(owner.refused(6, ["binding", "redact-note", &id])["code"], "note-already-redacted");
        let log = owner.run(["audit", "list"]).ok().to_owned();
        assert!(log.lines().last().unwrap().contains("binding.note-redacted"), "{log}");
    });
}
