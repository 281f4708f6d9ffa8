//! Idempotency keys, on both engines: asked again, a request is answered as it was and done once, also by many at the
//! same time; something else under the same key is refused; after a day the key is forgotten, which housekeeping does
//! without an event and to nothing else.
#![cfg(test)]

use std::sync::Arc;

use provident::actor::Actor;
use provident::binding::{
    Binding, CreateBinding, LegacySubjectKey, Note, ResourceRef, RevokeBinding, SubjectRef, SupersedeBinding,
};
use provident::error::Error;
use provident::idempotency::IdempotencyKey;
use provident::secret::{MasterKeys, SealedNoteKey};
use provident::service::BulkAnswer;
use provident::store::HOUSEKEEPING_TABLES;
use provident_identity::ResolutionMode;
use provident_tests::console::Site;
use provident_tests::database::{Engine, Raw, on_both_engines};
use provident_tests::guard::listing;
use provident_tests::installation::{Installation, exclusion, key, plane, widget};
use provident_tests::rows::fresh_id;
use provident_tests::tables;
use serde_json::json;
use uuid::Uuid;

#[expect(clippy::unnecessary_wraps, reason = "a request has a key or none")]
fn named(name: &str) -> Option<IdempotencyKey> {
    Some(name.parse().unwrap())
}

fn keyed(name: &str, subject: &str) -> CreateBinding {
    CreateBinding { idempotency_key: named(name), ..exclusion(&key(subject)) }
}

fn succession(name: &str) -> SupersedeBinding {
    let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
    request.note = Some(Note::new("now differently"));
    request.idempotency_key = named(name);
    request
}

fn revocation(name: &str) -> RevokeBinding {
    RevokeBinding { note: Some(Note::new("was wrong")), idempotency_key: named(name), dry_run: false }
}

async fn create(world: &Installation, request: &CreateBinding) -> Result<Binding, Error> {
    let acme = &world.acme;
    world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, request).await
}

async fn supersede(world: &Installation, id: Uuid, request: &SupersedeBinding) -> Result<Binding, Error> {
    world.service.supersede_binding(world.acme.manager, &world.acme.workspace, id, request).await
}

async fn revoke(world: &Installation, id: Uuid, request: RevokeBinding) -> Result<Binding, Error> {
    world.service.revoke_binding(world.acme.manager, &world.acme.workspace, id, request).await
}

fn code(outcome: Result<Binding, Error>) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().to_owned(),
    }
}

fn json(binding: &Binding) -> String {
    serde_json::to_string(binding).unwrap()
}

/// Every row of every table.
async fn everything(world: &Installation) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for table in tables::all() {
        rows.push(world.dump(table).await);
    }
    rows
}

#[test]
fn asked_again_a_request_is_answered_the_same_and_writes_nothing() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let first = create(&world, &keyed("k-1", "1")).await.unwrap();
        let before = everything(&world).await;
        for _ in 0..3 {
            assert_eq!(create(&world, &keyed("k-1", "1")).await.unwrap(), first);
        }
        assert_eq!(everything(&world).await, before);

        let second = supersede(&world, first.id, &succession("k-2")).await.unwrap();
        let third = revoke(&world, second.id, revocation("k-3")).await.unwrap();
        let before = everything(&world).await;
        // The first two have ended since: they are shown as they were.
        let again = create(&world, &keyed("k-1", "1")).await.unwrap();
        assert_eq!(json(&again), json(&first));
        let again = supersede(&world, first.id, &succession("k-2")).await.unwrap();
        assert_eq!(json(&again), json(&second));
        let again = revoke(&world, second.id, revocation("k-3")).await.unwrap();
        assert_eq!(json(&again), json(&third));
        assert_eq!(everything(&world).await, before);
        assert_eq!(world.count("idempotency_keys").await, 3);
    });
}

/// The request, with one thing of it otherwise each time.
fn others(request: &CreateBinding) -> Vec<(&'static str, CreateBinding)> {
    let with = |name, change: &dyn Fn(&mut CreateBinding)| {
        let mut other = request.clone();
        change(&mut other);
        (name, other)
    };
    vec![
        with("mode", &|it| it.mode = ResolutionMode::AcceptedLimitation),
        with("subject", &|it| it.subject = SubjectRef::Key(key("2"))),
        with("the same subject, described", &|it| it.subject = SubjectRef::Descriptor(Box::new(widget("1")))),
        with("domain", &|it| it.subject_domain = Some("others".to_owned())),
        with("resource", &|it| it.resource = Some(ResourceRef::Key(key("3")))),
        with("connection", &|it| it.provider_connection_id = Some(fresh_id())),
        with("former key", &|it| it.legacy_subject_key = Some(LegacySubjectKey::new("old"))),
        with("note", &|it| it.note = Some(Note::new("not ours to govern!"))),
        with("no note", &|it| it.note = None),
        with("reason", &|it| it.reason = Some("other".to_owned())),
        with("run", &|it| it.sources.operation_run_id = Some(fresh_id())),
        with("snapshot", &|it| it.sources.baseline_snapshot_id = Some(fresh_id())),
        with("item", &|it| it.sources.inventory_item_id = Some(fresh_id())),
        with("version", &|it| it.sources.policy_version_id = Some(fresh_id())),
    ]
}

#[test]
fn another_request_under_the_same_key_is_refused_and_writes_nothing() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, acme) = (&world.service, &world.acme);
        let request = keyed("k", "1");
        let first = create(&world, &request).await.unwrap();
        let unkeyed = world.excluded(&key("4")).await;
        let before = everything(&world).await;
        for (what, other) in others(&request) {
            assert_eq!(code(create(&world, &other).await), "idempotency-key-reused", "{what}");
        }
        // Another operation, another place, another binding.
        assert_eq!(code(supersede(&world, first.id, &succession("k")).await), "idempotency-key-reused");
        assert_eq!(code(revoke(&world, first.id, revocation("k")).await), "idempotency-key-reused");
        assert_eq!(everything(&world).await, before);

        let revoked = revoke(&world, first.id, revocation("r")).await.unwrap();
        assert!(revoked.ending.is_some());
        assert_eq!(code(revoke(&world, unkeyed.id, revocation("r")).await), "idempotency-key-reused");

        // The key is its user's in its workspace: nobody else's is touched by it.
        let hidden = acme.hidden_environment_id;
        let by_owner = service.create_binding(acme.owner, &acme.workspace, hidden, &request).await.unwrap();
        let there = service.create_binding(acme.owner, &acme.workspace, acme.environment_id, &request).await;
        assert_eq!(code(there), "idempotency-key-reused", "the same in another environment");
        let rival = &world.rival;
        let theirs = service.create_binding(rival.manager, &rival.workspace, rival.environment_id, &request).await;
        assert!(theirs.unwrap().id != by_owner.id && by_owner.id != first.id);
    });
}

#[test]
fn what_was_refused_leaves_the_key_free() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, acme) = (&world.service, &world.acme);
        let mut request = keyed("k", "1");
        request.note = None;
        assert_eq!(code(create(&world, &request).await), "note-required");
        let taken = world.excluded(&key("2")).await;
        assert_eq!(code(create(&world, &keyed("k", "2")).await), "active-binding-exists");
        let denied = service
            .create_binding(acme.readonly, &acme.workspace, acme.environment_id, &keyed("k", "3"))
            .await
            .unwrap_err();
        assert_eq!(denied.code(), "forbidden");
        revoke(&world, taken.id, Some(&Note::new("why")).into()).await.unwrap();
        assert_eq!(code(supersede(&world, taken.id, &succession("k")).await), "stale-binding");
        assert_eq!(code(revoke(&world, taken.id, revocation("k")).await), "stale-binding");
        assert_eq!(world.count("idempotency_keys").await, 0);
        let made = create(&world, &keyed("k", "2")).await.unwrap();
        assert_eq!(create(&world, &keyed("k", "2")).await.unwrap(), made);
    });
}

#[test]
fn authority_is_judged_before_the_key() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, acme) = (&world.service, &world.acme);
        let first = create(&world, &keyed("k", "1")).await.unwrap();
        let revoked = revoke(&world, first.id, revocation("r")).await.unwrap();
        let user = acme.manager.user_id();
        service.end_entitlement(acme.owner, &acme.workspace, acme.environment_id, user).await.unwrap();
        let events = world.count("audit_events").await;
        assert_eq!(code(create(&world, &keyed("k", "1")).await), "not-found");
        assert_eq!(code(revoke(&world, revoked.id, revocation("r")).await), "not-found");
        assert_eq!(world.count("audit_events").await, events + 2, "each denial is told of");
    });
}

#[test]
fn of_the_request_nothing_is_kept_that_could_be_guessed_at() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, acme, rival) = (&world.service, &world.acme, &world.rival);
        let request = keyed("k", "1");
        create(&world, &request).await.unwrap();
        service.create_binding(rival.manager, &rival.workspace, rival.environment_id, &request).await.unwrap();
        let master = MasterKeys::load(&world.directory.path().join("master.key")).unwrap();
        let mut raw = world.raw().await;
        for tenant in [acme, rival] {
            let id = raw.engine().id(tenant.workspace_id);
            let value = async |raw: &mut Raw, column: &str, table: &str| {
                raw.value(&format!("SELECT {column} FROM {table} WHERE workspace_id = {id}")).await.unwrap().unwrap()
            };
            let kept = value(&mut raw, "request_sha256", "idempotency_keys").await;
            let sealed = value(&mut raw, "note_key_sealed", "audit_heads").await;
            let sealed = SealedNoteKey::from_bytes(hex::decode(sealed.trim_start_matches("\\x")).unwrap());
            let text = format!(
                "provident-request-1\n{{\"operation\":\"binding.create\",\"workspace_id\":\"{}\",\
                 \"environment_id\":\"{}\",\"binding_id\":null,\"request\":{}}}\n",
                tenant.workspace_id,
                tenant.environment_id,
                serde_json::to_string(&request).unwrap()
            );
            assert!(text.contains("not ours to govern") && !text.contains("idempotency"), "{text}");
            assert_eq!(kept, master.open_note_key(&sealed, tenant.workspace_id, 1).unwrap().hmac(&text));
        }
        let dump = world.dump("idempotency_keys").await.join("\n");
        assert!(!dump.contains("govern") && !dump.contains("provider:"), "{dump}");
        raw.close().await.unwrap();
    });
}

/// Makes every key as old as this many seconds more.
async fn age(world: &Installation, seconds: u32) {
    let mut raw = world.raw().await;
    let earlier = match raw.engine() {
        Engine::Sqlite => format!("strftime('%Y-%m-%dT%H:%M:%f', created_at, '-{seconds} seconds') || '000Z'"),
        Engine::Postgres => format!("created_at - interval '{seconds} seconds'"),
    };
    raw.execute(&format!("UPDATE idempotency_keys SET created_at = {earlier}")).await.unwrap();
    raw.close().await.unwrap();
}

const DAY_S: u32 = 24 * 60 * 60;

#[test]
fn after_a_day_a_key_is_as_new() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let first = create(&world, &keyed("k", "1")).await.unwrap();
        age(&world, DAY_S - 60).await;
        assert_eq!(create(&world, &keyed("k", "1")).await.unwrap(), first);
        assert_eq!(code(create(&world, &keyed("k", "2")).await), "idempotency-key-reused");
        age(&world, 60).await;
        assert_eq!(code(create(&world, &keyed("k", "1")).await), "active-binding-exists");
        let second = create(&world, &keyed("k", "2")).await.unwrap();
        assert_eq!(create(&world, &keyed("k", "2")).await.unwrap(), second);
        assert_eq!(code(create(&world, &keyed("k", "1")).await), "idempotency-key-reused");
        assert_eq!(world.count("idempotency_keys").await, 1, "in the place of the old one");
    });
}

#[test]
fn of_many_at_once_with_one_key_one_does_it_and_the_others_are_answered_the_same() {
    const ROUNDS: usize = 12;
    const TASKS: usize = 8;
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        let events = world.count("audit_events").await;
        for round in 0..ROUNDS {
            let subject = format!("s{round}");
            let answers = at_once(TASKS, |_| {
                let (world, request) = (Arc::clone(&world), keyed(&format!("create-{round}"), &subject));
                async move { create(&world, &request).await }
            })
            .await;
            let made = same(answers);
            let answers = at_once(TASKS, |_| {
                let (world, request) = (Arc::clone(&world), succession(&format!("supersede-{round}")));
                async move { supersede(&world, made.id, &request).await }
            })
            .await;
            let successor = same(answers);
            let answers = at_once(TASKS, |_| {
                let (world, request) = (Arc::clone(&world), revocation(&format!("revoke-{round}")));
                async move { revoke(&world, successor.id, request).await }
            })
            .await;
            same(answers);
        }
        assert_eq!(world.count("audit_events").await, events + 3 * ROUNDS);
        assert_eq!(world.count("provider_resource_bindings").await, 2 * ROUNDS);
        assert_eq!(world.count("idempotency_keys").await, 3 * ROUNDS);
    });
}

#[test]
fn of_several_requests_at_once_with_one_key_one_is_done() {
    const ROUNDS: usize = 12;
    const TASKS: usize = 6;
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        for round in 0..ROUNDS {
            let answers = at_once(TASKS, |which| {
                let (world, request) = (Arc::clone(&world), keyed(&format!("k-{round}"), &format!("{round}-{which}")));
                async move { create(&world, &request).await }
            })
            .await;
            let codes: Vec<String> = answers.into_iter().map(code).collect();
            assert_eq!(codes.iter().filter(|code| *code == "ok").count(), 1, "{codes:?}");
            assert_eq!(codes.iter().filter(|code| *code == "idempotency-key-reused").count(), TASKS - 1, "{codes:?}");
        }
        assert_eq!(world.count("provider_resource_bindings").await, ROUNDS);
    });
}

async fn at_once<F>(tasks: usize, task: impl Fn(usize) -> F) -> Vec<Result<Binding, Error>>
where
    F: Future<Output = Result<Binding, Error>> + Send + 'static,
{
    let running: Vec<_> = (0..tasks).map(|which| tokio::spawn(task(which))).collect();
    let mut answers = Vec::new();
    for one in running {
        answers.push(one.await.unwrap());
    }
    answers
}

#[track_caller]
fn same(answers: Vec<Result<Binding, Error>>) -> Binding {
    let mut answers: Vec<Binding> = answers.into_iter().map(Result::unwrap).collect();
    let first = answers.pop().unwrap();
    assert!(answers.iter().all(|answer| json(answer) == json(&first)), "{answers:?}");
    first
}

#[test]
fn housekeeping_deletes_what_had_its_day_in_every_workspace_and_tells_of_nothing() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, rival) = (&world.service, &world.rival);
        let made = create(&world, &keyed("old", "1")).await.unwrap();
        service
            .create_binding(rival.manager, &rival.workspace, rival.environment_id, &keyed("old", "1"))
            .await
            .unwrap();
        // More than one transaction takes.
        let mut raw = world.raw().await;
        let digits = "SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 \
                      UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9";
        let many = format!(
            "INSERT INTO idempotency_keys SELECT workspace_id, acting_user_id, 'k' || a.d || b.d || c.d, operation, \
             request_sha256, binding_id, created_at FROM idempotency_keys k, ({digits}) a, ({digits}) b, ({digits}) c \
             WHERE k.binding_id = {}",
            raw.engine().id(made.id)
        );
        raw.execute(&many).await.unwrap();
        raw.close().await.unwrap();
        assert_eq!(service.clean_up(&plane()).await.unwrap(), 0, "nothing has had its day");
        age(&world, DAY_S).await;
        create(&world, &keyed("new", "2")).await.unwrap();
        let rest = |rows: Vec<Vec<String>>| {
            rows.into_iter().zip(tables::all()).filter(|(_, table)| *table != "idempotency_keys")
        };
        let before: Vec<_> = rest(everything(&world).await).collect();
        assert_eq!(service.clean_up(&plane()).await.unwrap(), 1_002);
        assert_eq!(rest(everything(&world).await).collect::<Vec<_>>(), before, "no event, nothing else");
        assert_eq!(world.count("idempotency_keys").await, 1);
        assert_eq!(service.clean_up(&plane()).await.unwrap(), 0);
        assert_eq!(code(create(&world, &keyed("new", "3")).await), "idempotency-key-reused");
        assert_eq!(code(create(&world, &keyed("old", "3")).await), "ok");
    });
}

#[test]
fn a_key_taken_anew_while_it_is_tidied_away_stays() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        create(&world, &keyed("k", "1")).await.unwrap();
        age(&world, DAY_S).await;
        if world.database.engine() == Engine::Sqlite {
            // Its one writer meets nobody.
            assert_eq!(world.service.clean_up(&plane()).await.unwrap(), 1);
            return;
        }
        let mut raw = world.raw().await;
        raw.execute("BEGIN; UPDATE idempotency_keys SET created_at = created_at + interval '1 day'").await.unwrap();
        let tidying = {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.service.clean_up(&plane()).await })
        };
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        raw.execute("COMMIT").await.unwrap();
        raw.close().await.unwrap();
        assert_eq!(tidying.await.unwrap().unwrap(), 0);
        assert_eq!(world.count("idempotency_keys").await, 1);
    });
}

/// The words after which a statement names a table.
fn tables_named(statement: &str) -> Vec<String> {
    // This names none.
    let statement = statement.replace("FOR UPDATE SKIP LOCKED", " ");
    let words: Vec<&str> = statement.split(|c: char| c.is_whitespace() || "(),;\"".contains(c)).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let follows = ["from", "into", "update", "join", "table"];
    let named = words.windows(2).filter(|pair| follows.contains(&pair[0].to_ascii_lowercase().as_str()));
    named.map(|pair| pair[1].to_owned()).collect()
}

#[test]
fn only_housekeeping_commits_without_an_event_and_it_touches_its_tables_alone() {
    assert_eq!(tables_named("DELETE FROM a WHERE x IN (SELECT 1 FROM b o)"), ["a", "b"]);
    let mut statements = 0;
    let mut commits = Vec::new();
    for file in listing::files(&listing::root()).unwrap() {
        if !file.path.starts_with("host/src/") {
            continue;
        }
        let text: String =
            file.text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let ends = text.matches(".commit().await").count();
        if file.path.starts_with("host/src/store/") && ends > 0 {
            commits.push((file.path.clone(), ends));
        }
        let housekeeping = file.path == "host/src/store/housekeeping.rs";
        if text.contains("fn commit_housekeeping") || text.contains("impl HousekeepingTx") {
            assert!(housekeeping, "{}", file.path);
        }
        if !housekeeping {
            continue;
        }
        assert!(!text.contains("WriteTx") && !text.contains("ReadTx"), "it has statements of its own alone");
        let runs: usize =
            ["run!(", "on!(", "execute(", "fetch_optional(&mut"].iter().map(|how| text.matches(how).count()).sum();
        for statement in text.split("sql!(").skip(1) {
            let statement = statement.split(");").next().unwrap().replace("\\\n", " ");
            let tables = tables_named(&statement);
            assert!(!tables.is_empty(), "{statement}");
            for table in tables {
                assert!(HOUSEKEEPING_TABLES.contains(&table.as_str()), "{table}: {statement}");
            }
            statements += 1;
        }
        assert_eq!(runs, statements, "a statement without a name");
    }
    assert!(statements > 0);
    // Each on both engines: with an event, and without one. Migrations and copies work on whole databases.
    let with_and_without: Vec<_> =
        commits.iter().filter(|(path, _)| !path.contains("migration") && !path.ends_with("/copy.rs")).collect();
    assert_eq!(
        with_and_without,
        [&("host/src/store/audit.rs".to_owned(), 2), &("host/src/store/housekeeping.rs".to_owned(), 2)]
    );
    assert_eq!(HOUSEKEEPING_TABLES, ["idempotency_keys", "run_queue"]);
}

#[test]
fn a_key_goes_with_every_decision_at_the_command_line() {
    on_both_engines(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let resource = key("R");
        for (number, command) in ["create", "exclude", "accept", "mark-unsupported", "mark-missing"].iter().enumerate()
        {
            let subject = key(&number.to_string());
            let name = format!("n-{number}");
            let mut words = vec!["binding", command, "--subject", &subject, "--domain", "things", "--note", "n"];
            if *command == "create" {
                words.extend(["--resource", &resource]);
            }
            let keyed: Vec<&str> = words.iter().copied().chain(["--idempotency-key", &name]).collect();
            let made = owner.json(&keyed);
            assert_eq!(owner.json(&keyed), made);
            assert_eq!(owner.refused(6, &words)["code"], "active-binding-exists");
            let other = keyed.iter().map(|word| if *word == "n" { "m" } else { word });
            assert_eq!(owner.refused(6, other)["code"], "idempotency-key-reused");
        }
        let listed = owner.json(["binding", "list", "--status", "active"]);
        let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
        let supersede =
            ["binding", "supersede", &id, "--mode", "missing_expected", "--note", "n", "--idempotency-key", "s"];
        let made = owner.json(supersede);
        assert_eq!(owner.json(supersede), made);
        let successor = made["id"].as_str().unwrap().to_owned();
        let revoke = ["binding", "revoke", &successor, "--note", "n", "--idempotency-key", "r"];
        let ended = owner.json(revoke);
        assert_eq!(ended["binding_status"], "revoked");
        assert_eq!(owner.json(revoke), ended);
        assert_eq!(owner.json(supersede), made, "as it was");
        for bad in ["", "two words", "schlüssel", &"x".repeat(256)] {
            let refused = owner.refused(3, ["binding", "revoke", &id, "--note", "n", "--idempotency-key", bad]);
            assert_eq!(refused["code"], "bad-idempotency-key", "{bad:?}");
            assert_eq!(refused["details"]["field"], "idempotency_key");
        }
        assert_eq!(site.json(["housekeeping"]), json!({ "deleted_idempotency_keys": 0 }));
        assert_eq!(site.run(["housekeeping"]).ok(), "0 idempotency keys had their time and are gone\n");
    });
}

/// Somebody of another workspace has no way to what was done under a key.
#[test]
fn a_stranger_with_the_key_is_a_stranger() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        create(&world, &keyed("k", "1")).await.unwrap();
        for actor in [world.stranger, world.rival.owner, Actor::user(fresh_id())] {
            let answer =
                world.service.create_binding(actor, &acme.workspace, acme.environment_id, &keyed("k", "1")).await;
            assert_eq!(code(answer), "not-found");
        }
    });
}

/// The code of an answer, or `created`.
fn word(answer: &BulkAnswer) -> &str {
    match answer {
        BulkAnswer::Created { .. } => "created",
        BulkAnswer::Refused(refusal) => refusal.code,
    }
}

#[test]
fn of_many_each_has_a_key_of_its_own_and_what_is_refused_leaves_its_key_free() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, acme) = (&world.service, &world.acme);
        let bulk = async |items: &[CreateBinding]| {
            let made = service.bulk_create_bindings(acme.manager, &acme.workspace, acme.environment_id, items).await;
            made.unwrap()
        };
        world.excluded(&key("taken")).await;
        let items = [keyed("1", "a"), keyed("2", "taken"), keyed("1", "b"), keyed("3", "c"), exclusion(&key("d"))];
        let first = bulk(&items).await;
        let words: Vec<&str> = first.iter().map(word).collect();
        // The same again under its key is the same answer, in one chunk as in two.
        let twice = bulk(&[keyed("9", "z"), keyed("9", "z")]).await;
        assert_eq!((word(&twice[0]), &twice[0]), ("created", &twice[1]));
        assert_eq!(words, ["created", "active-binding-exists", "idempotency-key-reused", "created", "created"]);
        assert_eq!(world.count("idempotency_keys").await, 3, "only what was done has a key");

        // Again: the keyed ones are answered as they were, the other is told what is there; nothing is written.
        let events = world.count("audit_events").await;
        let again = bulk(&items).await;
        assert_eq!((&again[0], &again[3]), (&first[0], &first[3]));
        assert_eq!(word(&again[4]), "active-binding-exists");
        assert_eq!(world.count("audit_events").await, events);
        assert_eq!(world.count("idempotency_keys").await, 3);

        // Another decision under a key that was used; and one under the key of what was refused.
        let others = [keyed("1", "e"), keyed("2", "e")];
        let words: Vec<String> = bulk(&others).await.iter().map(|answer| word(answer).to_owned()).collect();
        assert_eq!(words, ["idempotency-key-reused", "created"]);
        // One by one and many at once are one request.
        let at = (acme.manager, &acme.workspace, acme.environment_id);
        let single = service.create_binding(at.0, at.1, at.2, &keyed("2", "e")).await.unwrap();
        assert!(matches!(&bulk(&others[1..]).await[0], BulkAnswer::Created { binding } if **binding == single));
    });
}

#[test]
fn two_bulks_with_the_same_keys_at_once_make_each_decision_once() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        for round in 0..6 {
            let items: Vec<CreateBinding> =
                (0..20).map(|number| format!("{round}-{number}")).map(|name| keyed(&name, &name)).collect();
            let tasks: Vec<_> = (0..3)
                .map(|task| {
                    let (world, mut items) = (Arc::clone(&world), items.clone());
                    if task == 1 {
                        items.reverse();
                    }
                    tokio::spawn(async move {
                        let acme = &world.acme;
                        let at = (acme.manager, &acme.workspace, acme.environment_id);
                        let mut made = world.service.bulk_create_bindings(at.0, at.1, at.2, &items).await.unwrap();
                        if task == 1 {
                            made.reverse();
                        }
                        made
                    })
                })
                .collect();
            let mut answers = Vec::new();
            for task in tasks {
                answers.push(task.await.unwrap());
            }
            assert!(answers.iter().all(|each| *each == answers[0] && each.iter().all(|it| word(it) == "created")));
            assert_eq!(world.count("provider_resource_bindings").await, (round + 1) * 20);
            assert_eq!(world.count("idempotency_keys").await, (round + 1) * 20);
        }
    });
}
