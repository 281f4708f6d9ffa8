//! Mirroring rows of a platform, on both engines: what a line adds, changes and leaves; that a second run writes nothing;
//! whose rows are never touched, who may say what, and what is hidden.
#![cfg(test)]

use provident::actor::Actor;
use provident::binding::{Binding, BindingFilter, CreateBinding, ResourceRef, Sources};
use provident::error::Error;
use provident::inventory::ImportCounts;
use provident::page::PageRequest;
use provident::policy::Role;
use provident::registry::{LineAnswer, RegistryItem, RegistryLine};
use provident::run::OperationType;
use provident::service::MAX_CHUNK_OBJECTS;
use provident_identity::ResolutionMode;
use provident_tests::database::{Engine, on_both_engines};
use provident_tests::installation::{Installation, exclusion, key, plane, widget};
use provident_tests::rows::fresh_id;
use provident_tests::tables;
use serde_json::{Value, json};
use uuid::Uuid;

fn read(lines: &[Value]) -> Vec<RegistryItem> {
    lines.iter().enumerate().map(|(at, line)| RegistryLine::read(at as u64, &line.to_string())).collect()
}

/// What became of a line, in a word: `added`, `changed`, `unchanged`, or code and field of its refusal.
fn word(answer: &LineAnswer) -> String {
    match answer {
        LineAnswer::Added(_) => "added".to_owned(),
        LineAnswer::Changed(_) => "changed".to_owned(),
        LineAnswer::Unchanged(_) => "unchanged".to_owned(),
        LineAnswer::Refused(refusal) => format!("{} {}", refusal.code, refusal.field),
    }
}

async fn answers(world: &Installation, actor: Actor, lines: &[Value]) -> Vec<LineAnswer> {
    let mut sync = world.service.begin_sync(actor, &world.acme.workspace, &[]).await.unwrap();
    let mut answers = Vec::new();
    for piece in read(lines).chunks(MAX_CHUNK_OBJECTS) {
        let chunk = world.service.sync_chunk(&mut sync, piece).await.unwrap();
        assert_eq!(chunk.counts.total(), piece.len() as u64, "an answer for every line");
        answers.extend(chunk.answers);
    }
    assert_eq!(world.service.finish_sync(&sync).await.unwrap().total(), lines.len() as u64);
    answers
}

async fn words(world: &Installation, actor: Actor, lines: &[Value]) -> Vec<String> {
    answers(world, actor, lines).await.iter().map(word).collect()
}

/// Every row there is but the trail's.
async fn rows(world: &Installation) -> Vec<(&'static str, Vec<String>)> {
    let mut all = Vec::new();
    for table in tables::all().filter(|table| !table.starts_with("audit_")) {
        all.push((table, world.dump(table).await));
    }
    all
}

async fn value(world: &Installation, sql: &str) -> Option<String> {
    let mut raw = world.raw().await;
    let value = raw.value(sql).await.unwrap();
    raw.close().await.unwrap();
    value
}

fn named(name: &str) -> Value {
    json!({ "external_ref": name })
}

fn environment(name: &str) -> Value {
    json!({ "kind": "environment", "external_ref": name, "display_name": "Production" })
}

fn membership(name: &str, user: Uuid, role: &str) -> Value {
    json!({ "kind": "membership", "external_ref": name, "user_id": user, "role": role })
}

fn entitlement(name: &str, environment: &Value, user: Uuid) -> Value {
    json!({ "kind": "entitlement", "external_ref": name, "environment": environment, "user_id": user })
}

fn connection(name: &str, environment: &Value, directory: Option<&str>, default: bool) -> Value {
    json!({ "kind": "provider_connection", "external_ref": name, "environment": environment, "provider_key": "fake",
        "display_name": "A connection", "directory_id": directory, "is_default": default })
}

fn queued(name: &str, environment: &Value) -> Value {
    json!({ "kind": "operation_run", "external_ref": name, "environment": environment,
        "operation_type": "inventory.collect", "status": "queued" })
}

fn profile(name: &str) -> Value {
    json!({ "kind": "baseline_profile", "external_ref": name, "display_name": "A baseline" })
}

fn snapshot(name: &str, profile: &str) -> Value {
    json!({ "kind": "baseline_snapshot", "external_ref": name, "baseline_profile": named(profile),
        "version_label": "7", "captured_at": "2026-01-02T03:04:05+01:00" })
}

fn assignment(name: &str, environment: &Value, profile: &str) -> Value {
    json!({ "kind": "baseline_assignment", "external_ref": name, "environment": environment,
        "baseline_profile": named(profile) })
}

fn version(name: &str, environment: &Value) -> Value {
    json!({ "kind": "policy_version", "external_ref": name, "environment": environment, "version_label": "3" })
}

fn with(mut line: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("not an object") };
    line.as_object_mut().unwrap().extend(changes);
    line
}

async fn user(world: &Installation) -> Uuid {
    world.service.create_user(&plane(), "Somebody").await.unwrap().id
}

/// A customer as a platform brings one: a line of each kind.
fn customer(user: Uuid) -> Vec<Value> {
    let here = named("env-1");
    vec![
        environment("env-1"),
        membership("m-1", user, "manager"),
        entitlement("e-1", &here, user),
        connection("c-1", &here, Some("dir-1"), true),
        with(queued("r-1", &here), json!({ "provider_connection": named("c-1") })),
        profile("p-1"),
        snapshot("s-1", "p-1"),
        assignment("a-1", &here, "p-1"),
        version("v-1", &here),
    ]
}

#[test]
fn every_kind_of_row_is_mirrored_once_and_a_second_run_writes_nothing() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let owner = world.acme.owner;
        let lines = customer(user(&world).await);
        assert_eq!(words(&world, owner, &lines).await, ["added"; 9]);
        let first = rows(&world).await;
        assert_eq!(words(&world, owner, &lines).await, ["unchanged"; 9]);
        assert_eq!(rows(&world).await, first, "a second run changed a row");
        for table in [
            "managed_environments",
            "workspace_memberships",
            "environment_entitlements",
            "provider_connections",
            "operation_runs",
            "baseline_profiles",
            "baseline_snapshots",
            "baseline_assignments",
            "policy_versions",
        ] {
            let mirrored =
                format!("SELECT count(*) FROM {table} WHERE origin = 'mirrored' AND external_ref IS NOT NULL");
            assert_eq!(value(&world, &mirrored).await.as_deref(), Some("1"), "{table}");
        }
        let captured = value(&world, "SELECT captured_at FROM baseline_snapshots").await.unwrap();
        assert!(captured.contains("2026-01-02") && captured.contains("02:04:05"), "{captured}");
    });
}

#[test]
fn a_line_that_says_something_else_changes_its_row_and_no_other() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let owner = world.acme.owner;
        let lines = customer(user(&world).await);
        let made = answers(&world, owner, &lines).await;
        let over = json!({ "status": "completed", "outcome": "failed", "reason_code": "no.access",
            "started_at": "2026-01-02T03:04:05Z", "ended_at": "2026-01-02T03:05:05.25Z" });
        let changes = [
            json!({ "display_name": "Renamed" }),
            json!({ "role": "readonly" }),
            json!({ "ended": true }),
            json!({ "status": "disabled", "is_default": false }),
            over,
            json!({ "display_name": "Renamed" }),
            json!({ "version_label": "8", "captured_at": null }),
            json!({ "ended": true }),
            json!({ "version_label": null }),
        ];
        let mut before = rows(&world).await;
        for (at, change) in changes.into_iter().enumerate() {
            let altered = with(lines[at].clone(), change);
            let answered = answers(&world, owner, std::slice::from_ref(&altered)).await;
            assert_eq!((word(&answered[0]), id(&answered[0])), ("changed".to_owned(), id(&made[at])), "{altered}");
            let after = rows(&world).await;
            let differing = before.iter().zip(&after).map(|((_, one), (_, other))| {
                other.iter().filter(|row| !one.contains(row)).count() + one.len().abs_diff(other.len())
            });
            assert_eq!(differing.sum::<usize>(), 1, "{altered}");
            assert_eq!(words(&world, owner, &[altered]).await, ["unchanged"]);
            assert_eq!(rows(&world).await, after);
            before = after;
        }
        // And back again, with the same ids: what ended counts again.
        let back = answers(&world, owner, &lines).await;
        assert!(back.iter().all(|answer| word(answer) == "changed"), "{back:?}");
        assert!(back.iter().zip(&made).all(|(one, other)| id(one) == id(other)));
    });
}

fn id(answer: &LineAnswer) -> Uuid {
    match answer {
        LineAnswer::Added(id) | LineAnswer::Changed(id) | LineAnswer::Unchanged(id) => *id,
        LineAnswer::Refused(refusal) => panic!("{refusal:?}"),
    }
}

#[test]
fn what_a_sync_leaves_out_stays_and_no_decision_reads_otherwise() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, acme) = (&world.service, &world.acme);
        let lines = customer(user(&world).await);
        let ids: Vec<Uuid> = answers(&world, acme.owner, &lines).await.iter().map(id).collect();
        let here = ids[0];
        let import = async |names: &[&str]| {
            let mut import = service.begin_import(acme.owner, &acme.workspace, here, None).await.unwrap();
            let items: Vec<_> = names.iter().enumerate().map(|(at, name)| Ok((at as u64, widget(name)))).collect();
            service.import_chunk(&mut import, &items).await.unwrap();
            service.finish_import(&import).await.unwrap();
        };
        import(&["A", "B"]).await;
        let mut request = CreateBinding { mode: ResolutionMode::ManualBinding, ..exclusion(&key("A")) };
        request.resource = Some(ResourceRef::Descriptor(Box::new(widget("R"))));
        request.provider_connection_id = Some(ids[3]);
        request.sources = Sources {
            operation_run_id: Some(ids[4]),
            baseline_snapshot_id: Some(ids[6]),
            inventory_item_id: None,
            policy_version_id: Some(ids[8]),
        };
        let bound = service.create_binding(acme.owner, &acme.workspace, here, &request).await.unwrap();
        service.create_binding(acme.owner, &acme.workspace, here, &exclusion(&key("B"))).await.unwrap();
        let read = async || {
            let page = || PageRequest::new(500, None);
            let shown = |bindings: Vec<Binding>| serde_json::to_string(&bindings).unwrap();
            let all = service.bindings(acme.owner, &acme.workspace, here, &BindingFilter::default(), page()).await;
            let history = service.history_of_binding(acme.owner, &acme.workspace, bound.id, page()).await;
            let keys = [key("A"), key("B"), key("C")];
            let looked_up = service.lookup(acme.owner, &acme.workspace, here, &keys, None).await.unwrap();
            [
                shown(all.unwrap().items),
                shown(history.unwrap().items),
                serde_json::to_string(&looked_up).unwrap(),
                world.dump("provider_resource_bindings").await.join("\n"),
            ]
        };
        let before = read().await;
        assert!(before[0].contains(&ids[3].to_string()) && before[0].contains(&ids[6].to_string()));
        let registry = rows(&world).await;
        // The next sync knows of an environment and of nothing else, and the next import of another widget.
        assert_eq!(words(&world, acme.owner, &lines[..1]).await, ["unchanged"]);
        assert_eq!(rows(&world).await, registry, "what was left out is not what it was");
        import(&["C"]).await;
        assert_eq!(read().await, before);
        // Even what is said of the rows decisions name does not change a decision.
        let ended = [
            with(lines[3].clone(), json!({ "status": "disabled", "display_name": "Gone" })),
            with(lines[7].clone(), json!({ "ended": true })),
            with(lines[8].clone(), json!({ "version_label": "9" })),
        ];
        assert_eq!(words(&world, acme.owner, &ended).await, ["changed"; 3]);
        assert_eq!(read().await, before);
    });
}

#[test]
fn rows_of_the_installations_own_are_never_changed() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let here = json!({ "id": acme.environment_id });
        let own = fresh_id();
        world.connection(acme, acme.environment_id, "fake", own).await;
        let mut raw = world.raw().await;
        let set = format!("UPDATE provider_connections SET is_default = true WHERE id = {}", raw.engine().id(own));
        raw.execute(&set).await.unwrap();
        // The service makes no own row with an external reference; a database may hold one all the same.
        for table in ["operation_runs", "baseline_profiles", "policy_versions"] {
            world.row(acme, acme.environment_id, table).with("external_ref", "x-1").insert(&mut raw).await.unwrap();
        }
        raw.close().await.unwrap();
        let before = rows(&world).await;
        let (owner, manager) = (acme.owner.user_id(), acme.manager.user_id());
        let lines = [
            membership("m-9", manager, "owner"),
            with(membership("m-9", manager, "manager"), json!({ "ended": true })),
            with(entitlement("e-9", &here, manager), json!({ "ended": true })),
            connection("c-9", &here, None, true),
            with(queued("x-1", &here), json!({ "status": "running", "started_at": "2026-01-02T03:04:05Z" })),
            profile("x-1"),
            with(version("x-1", &here), json!({ "version_label": "other" })),
        ];
        for line in lines {
            let answered = words(&world, acme.owner, std::slice::from_ref(&line)).await;
            assert!(answered[0].starts_with("not-mirrored "), "{line}: {answered:?}");
        }
        // What they are already may be said.
        let same = [membership("m-1", owner, "owner"), entitlement("e-1", &here, manager)];
        assert_eq!(words(&world, acme.owner, &same).await, ["unchanged"; 2]);
        assert_eq!(rows(&world).await, before);
    });
}

#[test]
fn hidden_and_missing_are_one_answer_and_write_nothing() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        // Another owner mirrors a customer the first is not entitled to.
        let other = acme.unentitled;
        let member = user(&world).await;
        let ids: Vec<Uuid> = answers(&world, other, &customer(member)).await.iter().map(id).collect();
        let before = rows(&world).await;
        let foreign = json!({ "id": world.rival.environment_id });
        let (missing, hidden_connection, missing_connection) =
            (named("env-none"), json!({ "id": ids[3] }), json!({ "id": fresh_id() }));
        let about = |place: &Value| {
            vec![
                entitlement("e-9", place, acme.owner.user_id()),
                entitlement("e-1", place, member),
                connection("c-9", place, None, false),
                connection("c-1", place, None, false),
                queued("r-9", place),
                queued("r-1", place),
                assignment("a-9", place, "p-1"),
                version("v-9", place),
            ]
        };
        let expected = answers(&world, acme.owner, &about(&missing)).await;
        assert!(expected.iter().all(|answer| word(answer) == "not-found environment"), "{expected:?}");
        for place in [named("env-1"), json!({ "id": ids[0] }), foreign, json!({ "id": fresh_id() })] {
            assert_eq!(answers(&world, acme.owner, &about(&place)).await, expected, "{place}");
        }
        // What stands in a hidden place cannot be pointed at from one that is not.
        let here = json!({ "id": acme.environment_id });
        for connection in [hidden_connection, named("c-1"), missing_connection, named("c-none")] {
            let line = with(queued("r-9", &here), json!({ "provider_connection": connection }));
            assert_eq!(words(&world, acme.owner, &[line]).await, ["not-found provider_connection"]);
        }
        let line = with(version("v-9", &here), json!({ "inventory_item_id": fresh_id() }));
        assert_eq!(words(&world, acme.owner, &[line]).await, ["not-found inventory_item_id"]);
        // A name cannot be had twice, and that is all that is said.
        let taken = [environment("env-1"), connection("c-1", &here, None, false), queued("r-1", &here)];
        assert_eq!(words(&world, acme.owner, &taken).await, ["external-ref-taken external_ref"; 3]);
        assert_eq!(rows(&world).await, before);
        // Another workspace has names of its own.
        let mut sync = world.service.begin_sync(world.rival.owner, &world.rival.workspace, &[]).await.unwrap();
        let chunk = world.service.sync_chunk(&mut sync, &read(&[environment("env-1")])).await.unwrap();
        assert_eq!(chunk.counts, ImportCounts { added: 1, ..ImportCounts::default() });
    });
}

#[test]
fn whoever_mirrors_an_environment_is_entitled_to_it() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let lines = [environment("env-1"), connection("c-1", &named("env-1"), None, false)];
        let made = answers(&world, acme.unentitled, &lines).await;
        let seen = world.service.environments(acme.unentitled, &acme.workspace, PageRequest::default()).await.unwrap();
        assert_eq!(seen.items.iter().map(|environment| environment.id).collect::<Vec<_>>(), [id(&made[0])]);
        // Once given up, it is as if it were not there, in the same piece too.
        let mine = acme.unentitled.user_id();
        let others = [
            entitlement("e-1", &named("env-1"), acme.owner.user_id()),
            with(entitlement("e-2", &named("env-1"), mine), json!({ "ended": true })),
        ];
        assert_eq!(words(&world, acme.unentitled, &others).await, ["added", "not-mirrored user_id"]);
        world.service.end_entitlement(acme.owner, &acme.workspace, id(&made[0]), mine).await.unwrap();
        assert_eq!(
            words(&world, acme.unentitled, &lines).await,
            ["external-ref-taken external_ref", "not-found environment"]
        );
        assert_eq!(words(&world, acme.owner, &lines).await, ["unchanged"; 2]);
    });
}

#[test]
fn an_actor_who_gives_up_a_place_does_not_know_it_from_the_next_line_on() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let (second, here) = (user(&world).await, named("env-1"));
        let lines = [
            environment("env-1"),
            membership("m-1", second, "owner"),
            entitlement("e-1", &here, second),
            membership("m-2", user(&world).await, "readonly"),
        ];
        assert_eq!(words(&world, acme.owner, &lines).await, ["added"; 4]);
        let second = Actor::user(second);
        let line = connection("c-1", &here, None, false);
        let gives_up = with(lines[2].clone(), json!({ "ended": true }));
        assert_eq!(words(&world, second, &[gives_up, line.clone()]).await, ["changed", "not-found environment"]);
        // Nor does one who leaves the workspace.
        assert_eq!(words(&world, acme.owner, &lines[2..3]).await, ["changed"]);
        let mut sync = world.service.begin_sync(second, &acme.workspace, &[]).await.unwrap();
        // Nor does anything they say from then on count: an environment of theirs would be nobody's.
        let leaves = [with(lines[1].clone(), json!({ "ended": true })), line, environment("env-9")];
        let chunk = world.service.sync_chunk(&mut sync, &read(&leaves)).await.unwrap();
        let answers: Vec<String> = chunk.answers.iter().map(word).collect();
        assert_eq!(answers, ["changed", "forbidden external_ref", "forbidden external_ref"]);
        let made = "SELECT count(*) FROM managed_environments WHERE external_ref = 'env-9'";
        assert_eq!(value(&world, made).await.as_deref(), Some("0"));
        assert_eq!(world.service.finish_sync(&sync).await.unwrap_err().code(), "not-found");
        let left = "SELECT count(*) FROM environment_entitlements WHERE external_ref = 'e-1' AND ended_at IS NOT NULL";
        assert_eq!(value(&world, left).await.as_deref(), Some("1"), "an entitlement outlived its membership");
    });
}

#[test]
fn nobody_gives_what_they_could_not_give_one_by_one() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let here = json!({ "id": acme.environment_id });
        let mine = acme.manager.user_id();
        let giving = [environment("env-9"), membership("m-9", mine, "owner"), entitlement("e-9", &here, mine)];
        let mirroring =
            [connection("c-9", &here, None, false), queued("r-9", &here), profile("p-9"), version("v-9", &here)];
        let people = [
            (acme.owner, ["ok", "ok", "ok"]),
            (acme.manager, ["ok", "ok", "forbidden"]),
            (acme.operator, ["forbidden", "forbidden", "forbidden"]),
            (acme.readonly, ["forbidden", "forbidden", "forbidden"]),
            (world.stranger, ["not-found", "not-found", "not-found"]),
            (world.rival.owner, ["not-found", "not-found", "not-found"]),
            (Actor::user(fresh_id()), ["not-found", "not-found", "not-found"]),
        ];
        for (actor, [begin, mirror, give]) in people {
            for (lines, expected) in
                [(&giving[..1], give), (&giving[1..2], give), (&giving[2..], give), (&mirroring[..], mirror)]
            {
                let (before, told) = (rows(&world).await, denials(&world).await);
                let begun = world.service.begin_sync(actor, &acme.workspace, &[]).await;
                assert_eq!(begun.as_ref().map_or_else(Error::code, |_| "ok"), begin, "{actor:?}");
                let answered = match begun {
                    Ok(mut sync) => world.service.sync_chunk(&mut sync, &read(lines)).await.map(drop),
                    Err(error) => Err(error),
                };
                assert_eq!(answered.as_ref().map_or_else(Error::code, |()| "ok"), expected, "{actor:?} {lines:?}");
                if expected != "ok" {
                    assert_eq!(rows(&world).await, before, "{lines:?}");
                    assert_eq!(denials(&world).await, told + 1, "{lines:?}");
                }
            }
        }
        // A good line in the same piece is not done for a bad one's sake.
        let mut sync = world.service.begin_sync(acme.manager, &acme.workspace, &[]).await.unwrap();
        let mixed = [queued("r-8", &here), membership("m-9", mine, "owner")];
        assert_eq!(world.service.sync_chunk(&mut sync, &read(&mixed)).await.unwrap_err().code(), "forbidden");
        let made = "SELECT count(*) FROM operation_runs WHERE external_ref = 'r-8'";
        assert_eq!(value(&world, made).await.as_deref(), Some("0"));
    });
}

async fn denials(world: &Installation) -> u64 {
    let sql = "SELECT count(*) FROM audit_events WHERE action = 'registry.denied'";
    value(world, sql).await.unwrap().parse().unwrap()
}

#[test]
fn a_workspace_keeps_an_owner_and_an_environment_an_entitled_one() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let (first, here) = (user(&world).await, named("env-1"));
        let lines = [environment("env-1"), membership("m-1", first, "owner"), entitlement("e-1", &here, first)];
        assert_eq!(words(&world, acme.owner, &lines).await, ["added"; 3]);
        let (service, environment) = (&world.service, id(&answers(&world, acme.owner, &lines[..1]).await[0]));
        service.end_entitlement(acme.owner, &acme.workspace, environment, acme.owner.user_id()).await.unwrap();
        let owner = Actor::user(first);
        let ended = |line: &Value| with(line.clone(), json!({ "ended": true }));
        let demoted = with(lines[1].clone(), json!({ "role": "manager" }));
        let before = rows(&world).await;
        for (line, expected) in [
            (ended(&lines[2]), "last-entitlement ended"),
            (ended(&lines[1]), "last-entitlement ended"),
            (demoted.clone(), "last-entitlement role"),
        ] {
            // The line is refused, and the others are not.
            let answered = words(&world, owner, &[line, lines[0].clone()]).await;
            assert_eq!(answered, [expected, "unchanged"]);
        }
        assert_eq!(rows(&world).await, before);
        for environment in [acme.environment_id, acme.hidden_environment_id] {
            service.grant_entitlement(acme.owner, &acme.workspace, environment, first).await.unwrap();
        }
        for other in [acme.owner, acme.unentitled] {
            service.end_membership(owner, &acme.workspace, other.user_id()).await.unwrap();
        }
        let before = rows(&world).await;
        for (line, expected) in [(ended(&lines[1]), "last-owner ended"), (demoted, "last-owner role")] {
            assert_eq!(words(&world, owner, &[line]).await, [expected]);
        }
        assert_eq!(rows(&world).await, before);
    });
}

#[test]
fn a_second_directory_is_refused_and_an_unknown_one_becomes_known_once() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let owner = world.acme.owner;
        let (one, other) = (named("env-1"), named("env-2"));
        let lines = [
            environment("env-1"),
            environment("env-2"),
            connection("c-1", &one, None, false),
            connection("c-2", &one, Some("dir-1"), false),
            connection("c-3", &one, Some("dir-2"), false),
            connection("c-1", &one, Some("dir-1"), false),
            connection("c-4", &other, Some("dir-2"), false),
        ];
        let expected = ["added", "added", "added", "added", "connection-directory-mismatch directory_id"];
        let answered = words(&world, owner, &lines).await;
        assert_eq!(answered[..5], expected);
        assert_eq!(answered[5..], ["duplicate-record external_ref", "added"]);
        let known = connection("c-1", &one, Some("dir-1"), false);
        assert_eq!(words(&world, owner, &[known]).await, ["changed"]);
        let before = rows(&world).await;
        // Saying nothing takes no directory away, and another is not had by any way.
        for (directory, expected) in [
            (None, "unchanged"),
            (Some("dir-1"), "unchanged"),
            (Some("dir-2"), "connection-directory-mismatch directory_id"),
        ] {
            for name in ["c-1", "c-2"] {
                assert_eq!(words(&world, owner, &[connection(name, &one, directory, false)]).await, [expected]);
            }
        }
        let taken = with(connection("c-1", &one, None, false), json!({ "provider_key": "ledger" }));
        assert_eq!(words(&world, owner, &[taken]).await, ["external-ref-taken external_ref"]);
        assert_eq!(rows(&world).await, before);
    });
}

#[test]
fn no_directory_becomes_known_while_a_run_excludes_others_without_it() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, here) = (&world.acme, json!({ "id": world.acme.environment_id }));
        let own = world.bare_connection(acme, acme.environment_id, None).await;
        let lines = [connection("c-1", &here, Some("dir-1"), false), connection("c-2", &here, None, false)];
        let run = world.start(acme, OperationType::HealthCheck, own).await.run;
        assert_eq!(words(&world, acme.owner, &lines).await, ["scope-busy directory_id", "added"]);
        world.service.cancel_run(acme.owner, &acme.workspace, run.id).await.unwrap();
        assert_eq!(words(&world, acme.owner, &lines).await, ["added", "unchanged"]);
        // It excludes them by the directory now.
        world.start(acme, OperationType::HealthCheck, own).await;
        assert_eq!(words(&world, acme.owner, &lines).await, ["unchanged", "unchanged"]);
    });
}

#[test]
fn a_default_moves_and_there_is_never_another() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let owner = world.acme.owner;
        let here = named("env-1");
        let (one, two) = (connection("c-1", &here, None, true), connection("c-2", &here, None, true));
        let defaults = async || {
            value(&world, "SELECT min(external_ref) || count(*) FROM provider_connections WHERE is_default").await
        };
        let lines = [environment("env-1"), one.clone()];
        assert_eq!(words(&world, owner, &lines).await, ["added", "added"]);
        assert_eq!(words(&world, owner, std::slice::from_ref(&two)).await, ["added"]);
        assert_eq!(defaults().await.as_deref(), Some("c-21"));
        // Moved back by its line, the other's saying that it is none.
        let none = with(two.clone(), json!({ "is_default": false }));
        assert_eq!(words(&world, owner, &[one.clone(), none.clone()]).await, ["changed", "unchanged"]);
        assert_eq!(defaults().await.as_deref(), Some("c-11"));
        assert_eq!(words(&world, owner, &[none, one.clone()]).await, ["unchanged"; 2]);
        // Of two that each say they are the default, the second is wrong, however often it is said.
        let before = rows(&world).await;
        for _ in 0..2 {
            let both = [one.clone(), two.clone(), one.clone()];
            let expected = ["unchanged", "duplicate-record is_default", "unchanged"];
            assert_eq!(words(&world, owner, &both).await, expected);
        }
        assert_eq!(rows(&world).await, before);
        // None at all.
        assert_eq!(words(&world, owner, &[with(one, json!({ "is_default": false }))]).await, ["changed"]);
        assert_eq!(words(&world, owner, &[two]).await, ["changed"]);
        assert_eq!(defaults().await.as_deref(), Some("c-21"));
    });
}

#[test]
fn of_two_lines_that_disagree_the_second_is_refused_and_names_the_first() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let owner = world.acme.owner;
        let renamed = with(profile("p-1"), json!({ "display_name": "Another" }));
        // In one piece and over several.
        let mut sync = world.service.begin_sync(owner, &world.acme.workspace, &[]).await.unwrap();
        for lines in [[profile("p-1"), renamed.clone()], [profile("p-1"), renamed.clone()]] {
            let items: Vec<_> = read(&lines);
            let chunk = world.service.sync_chunk(&mut sync, &items).await.unwrap();
            let LineAnswer::Refused(refusal) = &chunk.answers[1] else { panic!("{chunk:?}") };
            assert_eq!((refusal.code.as_str(), refusal.first_position), ("duplicate-record", Some(0)));
        }
        // In the next sync it is the first.
        assert_eq!(words(&world, owner, &[renamed]).await, ["changed"]);
        // A row that goes by another name, and a name that is another row's.
        let (one, other) = (user(&world).await, user(&world).await);
        let lines = [
            membership("m-1", one, "readonly"),
            membership("m-2", one, "readonly"),
            membership("m-1", other, "readonly"),
            membership("m-3", fresh_id(), "readonly"),
            environment("env-1"),
            entitlement("e-1", &named("env-1"), one),
            entitlement("e-2", &named("env-1"), one),
            entitlement("e-1", &named("env-1"), world.acme.owner.user_id()),
            entitlement("e-3", &named("env-1"), other),
            assignment("a-1", &named("env-1"), "p-1"),
            assignment("a-2", &named("env-1"), "p-1"),
            with(assignment("a-3", &named("env-1"), "p-1"), json!({ "ended": true })),
            snapshot("s-1", "p-1"),
            profile("p-2"),
            snapshot("s-1", "p-2"),
            snapshot("s-2", "p-none"),
        ];
        let expected = [
            "added",
            "mirrored-already user_id",
            "external-ref-taken external_ref",
            "unknown-user user_id",
            "added",
            "added",
            "mirrored-already user_id",
            "external-ref-taken external_ref",
            "not-a-member user_id",
            "added",
            "assignment-exists baseline_profile",
            "added",
            "added",
            "added",
            "external-ref-taken external_ref",
            "not-found baseline_profile",
        ];
        assert_eq!(words(&world, owner, &lines).await, expected);
        // And the second time nothing but refusals and what is so.
        let before = rows(&world).await;
        let again = words(&world, owner, &lines).await;
        assert!(
            again.iter().zip(expected).all(|(again, first)| match first {
                "added" => again == "unchanged",
                refused => again == refused,
            }),
            "{again:?}"
        );
        assert_eq!(rows(&world).await, before);
    });
}

#[test]
fn every_piece_is_told_of_once_and_the_last_event_has_the_totals() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let (mut sync, before) = (
            world.service.begin_sync(acme.owner, &acme.workspace, &[]).await.unwrap(),
            world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap().len(),
        );
        let sync_id = sync.id();
        let first = [environment("env-1"), profile("p-1"), json!({ "kind": "profile" })];
        world.service.sync_chunk(&mut sync, &read(&first)).await.unwrap();
        let second = [profile("p-1"), queued("r-1", &named("env-1"))];
        world.service.sync_chunk(&mut sync, &read(&second)).await.unwrap();
        world.service.finish_sync(&sync).await.unwrap();
        let events = world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        let told: Vec<_> = events[before..]
            .iter()
            .map(|event| {
                let event = &event.event;
                assert_eq!((event.import_id, event.actor_user_id), (Some(sync_id), Some(acme.owner.user_id())));
                let counts = [event.added_count, event.changed_count, event.unchanged_count, event.refused_count];
                (event.action.as_str(), counts.map(Option::unwrap))
            })
            .collect();
        let expected = [
            ("registry.synced", [2, 0, 0, 1]),
            ("registry.synced", [1, 0, 1, 0]),
            ("registry.sync-finished", [3, 0, 1, 1]),
        ];
        assert_eq!(told, expected);
        let mut sync = world.service.begin_sync(acme.owner, &acme.workspace, &[]).await.unwrap();
        let many = vec![profile("p-1"); MAX_CHUNK_OBJECTS + 1];
        let refused = world.service.sync_chunk(&mut sync, &read(&many)).await.unwrap_err();
        assert_eq!(refused.code(), "import-chunk-too-large");
    });
}

#[test]
fn two_syncs_at_once_leave_every_row_once() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let owner = world.acme.owner;
        let mut lines = vec![environment("env-1")];
        for at in 0..60 {
            lines.push(membership(&format!("m-{at}"), user(&world).await, "operator"));
            lines.push(connection(&format!("c-{at}"), &named("env-1"), Some("dir-1"), at == 30));
            lines.push(queued(&format!("r-{at}"), &named("env-1")));
        }
        let (one, two, three) = tokio::join!(
            words(&world, owner, &lines),
            words(&world, owner, &lines),
            words(&world, world.acme.manager, &lines[2..3]),
        );
        for (one, two) in one.iter().zip(&two) {
            let mut pair = [one.as_str(), two.as_str()];
            pair.sort_unstable();
            assert_eq!(pair, ["added", "unchanged"]);
        }
        assert_eq!(three, ["not-found environment"], "a manager who is not entitled");
        assert_eq!(words(&world, owner, &lines).await, vec!["unchanged"; lines.len()]);
    });
}

#[test]
fn a_full_piece_of_each_kind_is_mirrored_within_the_time_a_mutation_has() {
    on_both_engines(|database| async move {
        let engine = database.engine();
        let world = Installation::on(database).await;
        let owner = world.acme.owner;
        assert_eq!(words(&world, owner, &[environment("env-1"), profile("p-0")]).await, ["added"; 2]);
        let here = named("env-1");
        let piece = |kind: &str| -> Vec<Value> {
            let line = |name: &str, at: usize| match kind {
                "environment" => environment(name),
                "connection" => connection(name, &here, Some("dir-1"), at == 0),
                "run" => with(queued(name, &here), json!({ "provider_connection": named("connection-0") })),
                "profile" => profile(name),
                "snapshot" => snapshot(name, "p-0"),
                "assignment" => assignment(name, &here, &format!("profile-{at}")),
                _ => version(name, &here),
            };
            (0..MAX_CHUNK_OBJECTS).map(|at| line(&format!("{kind}-{at}"), at)).collect()
        };
        for kind in ["environment", "connection", "run", "profile", "snapshot", "assignment", "version"] {
            let lines = read(&piece(kind));
            let mut took = Vec::new();
            for expected in ["added", "unchanged"] {
                let mut sync = world.service.begin_sync(owner, &world.acme.workspace, &[]).await.unwrap();
                let begun = std::time::Instant::now();
                let chunk = world.service.sync_chunk(&mut sync, &lines).await.unwrap();
                took.push(begun.elapsed().as_millis());
                assert!(chunk.answers.iter().all(|answer| word(answer) == expected), "{kind}");
            }
            println!("{engine:?} {kind}: {} ms to add, {} ms to find unchanged", took[0], took[1]);
        }
        assert!(matches!(engine, Engine::Sqlite | Engine::Postgres));
    });
}

#[test]
fn a_bad_line_is_refused_with_code_and_field_and_spoils_no_other() {
    let here = named("env-1");
    let long = "x".repeat(256);
    let run = |changes: Value| with(queued("r-1", &here), changes);
    let cases = [
        ("[]".to_owned(), "malformed-line line"),
        ("{".to_owned(), "malformed-line line"),
        ("7".to_owned(), "malformed-line line"),
        ("{\"kind\":\"profile\",\"kind\":\"profile\"}".to_owned(), "malformed-line kind"),
        ("{}".to_owned(), "field-required kind"),
        (json!({ "kind": "user", "external_ref": "u" }).to_string(), "unknown-kind kind"),
        (json!({ "kind": 7 }).to_string(), "bad-value kind"),
        (json!({ "kind": "baseline_profile" }).to_string(), "field-required external_ref"),
        (profile("").to_string(), "bad-external-ref external_ref"),
        (profile(&long).to_string(), "bad-external-ref external_ref"),
        (profile(" p").to_string(), "bad-external-ref external_ref"),
        (profile("p\0").to_string(), "bad-external-ref external_ref"),
        (with(profile("p"), json!({ "display_name": null })).to_string(), "field-required display_name"),
        (with(profile("p"), json!({ "display_name": " x" })).to_string(), "bad-display-name display_name"),
        (with(profile("p"), json!({ "origin": "own" })).to_string(), "unknown-field origin"),
        (with(profile("p"), json!({ "id": fresh_id() })).to_string(), "unknown-field id"),
        (with(profile("p"), json!({ "workspace_id": fresh_id() })).to_string(), "unknown-field workspace_id"),
        (membership("m", fresh_id(), "admin").to_string(), "bad-value role"),
        (with(membership("m", fresh_id(), "owner"), json!({ "user_id": "x" })).to_string(), "bad-value user_id"),
        (with(membership("m", fresh_id(), "owner"), json!({ "ended": 1 })).to_string(), "bad-value ended"),
        (entitlement("e", &json!("env-1"), fresh_id()).to_string(), "bad-value environment"),
        (entitlement("e", &json!({}), fresh_id()).to_string(), "bad-value environment"),
        (
            entitlement("e", &json!({ "id": fresh_id(), "external_ref": "x" }), fresh_id()).to_string(),
            "bad-value environment",
        ),
        (entitlement("e", &named(&long), fresh_id()).to_string(), "bad-value environment"),
        (
            with(connection("c", &here, None, false), json!({ "provider_key": "Fake" })).to_string(),
            "bad-provider-key provider_key",
        ),
        (connection("c", &here, Some(&long), false).to_string(), "bad-value directory_id"),
        (with(connection("c", &here, None, false), json!({ "status": "on" })).to_string(), "bad-value status"),
        (run(json!({ "operation_type": "Inventory" })).to_string(), "bad-value operation_type"),
        (run(json!({ "status": "completed" })).to_string(), "bad-run-state outcome"),
        (run(json!({ "outcome": "failed" })).to_string(), "bad-run-state outcome"),
        (run(json!({ "status": "completed", "outcome": "failed" })).to_string(), "bad-run-state ended_at"),
        (run(json!({ "status": "running" })).to_string(), "bad-run-state started_at"),
        (run(json!({ "started_at": "2026-01-01T00:00:00Z" })).to_string(), "bad-run-state started_at"),
        (run(json!({ "started_at": "yesterday" })).to_string(), "bad-value started_at"),
        (
            run(json!({ "status": "completed", "outcome": "failed", "started_at": "2026-01-02T00:00:00Z",
                "ended_at": "2026-01-01T00:00:00Z" }))
            .to_string(),
            "bad-run-state ended_at",
        ),
        (run(json!({ "message": "x" })).to_string(), "unknown-field message"),
        (run(json!({ "outcome": "lost" })).to_string(), "bad-value outcome"),
        (with(snapshot("s", "p"), json!({ "version_label": "" })).to_string(), "bad-value version_label"),
        (with(version("v", &here), json!({ "inventory_item_id": "x" })).to_string(), "bad-value inventory_item_id"),
    ];
    let mut items = Vec::new();
    for (at, (line, expected)) in cases.iter().enumerate() {
        let item = RegistryLine::read(at as u64, line);
        let refusal = item.as_ref().unwrap_err();
        assert_eq!(format!("{} {}", refusal.code, refusal.field), *expected, "{line}");
        assert_eq!(refusal.position, at as u64);
        items.push(item);
    }
    items.push(RegistryLine::read(cases.len() as u64, &profile("p-1").to_string()));
    on_both_engines(move |database| {
        let items = items.clone();
        async move {
            let world = Installation::on(database).await;
            let mut sync = world.service.begin_sync(world.acme.manager, &world.acme.workspace, &[]).await.unwrap();
            let chunk = world.service.sync_chunk(&mut sync, &items).await.unwrap();
            let refused = items.len() as u64 - 1;
            assert_eq!(chunk.counts, ImportCounts { added: 1, refused, ..ImportCounts::default() });
            for (item, answer) in items.iter().zip(&chunk.answers) {
                if let Err(refusal) = item {
                    assert_eq!(*answer, LineAnswer::Refused(refusal.clone()));
                }
            }
        }
    });
}

#[test]
fn a_former_users_and_a_role_are_mirrored_as_the_policy_knows_them() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let person = user(&world).await;
        for role in Role::ALL {
            let answered = words(&world, acme.owner, &[membership("m-1", person, role.as_str())]).await;
            assert!(["added", "changed"].contains(&answered[0].as_str()), "{answered:?}");
            let members =
                world.service.members(acme.owner, &acme.workspace, PageRequest::new(500, None)).await.unwrap();
            let member = members.items.iter().find(|member| member.user_id == person).unwrap();
            assert_eq!((member.role, member.ended_at), (*role, None));
        }
        // Mirrored as somebody who has left already.
        let left = user(&world).await;
        let line = with(membership("m-2", left, "owner"), json!({ "ended": true }));
        assert_eq!(words(&world, acme.owner, std::slice::from_ref(&line)).await, ["added"]);
        assert_eq!(words(&world, acme.owner, &[line]).await, ["unchanged"]);
        assert_eq!(
            world.service.begin_sync(Actor::user(left), &acme.workspace, &[]).await.unwrap_err().code(),
            "not-found"
        );
    });
}
