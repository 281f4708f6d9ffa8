//! Dry runs, on both engines: answered as the real run would be, refused as it would be, told of where it would be
//! denied, and not a byte written otherwise; a key is neither claimed nor asked.
#![cfg(test)]

use provident::actor::Actor;
use provident::binding::{
    Binding, CreateBinding, Note, ResourceRef, RevokeBinding, Sources, SubjectRef, SupersedeBinding,
};
use provident::error::Error;
use provident::service::{BulkAnswer, BulkCreate};
use provident_identity::ResolutionMode;
use provident_tests::database::{Raw, on_both_engines};
use provident_tests::installation::{Installation, exclusion, key, widget};
use provident_tests::rows::fresh_id;
use provident_tests::tables;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Every row of every table.
async fn everything(world: &Installation) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for table in tables::all() {
        rows.push(world.dump(table).await);
    }
    rows
}

/// An answer with new ids and times hidden: all else is to be equal.
fn told(answer: &impl Serialize) -> Value {
    fn hide(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let new = ["id", "decided_at", "ended_at", "active_binding_id"].contains(&name.as_str());
                    if new && !value.is_null() {
                        *value = json!("new");
                    }
                    hide(value);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(hide),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(answer).unwrap();
    hide(&mut value);
    value
}

fn creation(subject: &str, dry_run: bool) -> CreateBinding {
    CreateBinding { dry_run, ..exclusion(&key(subject)) }
}

fn succession(dry_run: bool) -> SupersedeBinding {
    SupersedeBinding {
        note: Some(Note::new("now differently")),
        dry_run,
        ..SupersedeBinding::new(ResolutionMode::AcceptedLimitation)
    }
}

fn revocation(dry_run: bool) -> RevokeBinding {
    RevokeBinding { note: Some(Note::new("was wrong")), idempotency_key: None, dry_run }
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

async fn bulk(world: &Installation, items: &[CreateBinding], dry_run: bool) -> Vec<BulkAnswer> {
    let acme = &world.acme;
    let request = BulkCreate { items, dry_run };
    world.service.bulk_create_bindings(acme.manager, &acme.workspace, acme.environment_id, request).await.unwrap()
}

fn code<T>(outcome: Result<T, Error>) -> String {
    outcome.err().map_or_else(|| "ok".to_owned(), |error| error.code().to_owned())
}

#[test]
fn a_dry_run_is_answered_as_the_real_one_and_writes_not_a_byte() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let connection = fresh_id();
        world.connection(&world.acme, world.acme.environment_id, "fake", connection).await;
        for mode in [
            ResolutionMode::ManualBinding,
            ResolutionMode::ExcludedNonGoverned,
            ResolutionMode::AcceptedLimitation,
            ResolutionMode::UnsupportedCoverage,
            ResolutionMode::MissingExpected,
        ] {
            let bound = mode == ResolutionMode::ManualBinding;
            let request = |dry_run| CreateBinding {
                mode,
                provider_connection_id: Some(connection),
                reason: Some("because".to_owned()),
                resource: bound.then(|| ResourceRef::Descriptor(Box::new(widget("R")))),
                ..creation(mode.as_str(), dry_run)
            };
            let before = everything(&world).await;
            let tried = create(&world, &request(true)).await.unwrap();
            assert_eq!(everything(&world).await, before, "{mode}");
            let made = create(&world, &request(false)).await.unwrap();
            assert_eq!(told(&tried), told(&made));
            assert_ne!(everything(&world).await, before, "{mode}");

            let before = everything(&world).await;
            let tried = supersede(&world, made.id, &succession(true)).await.unwrap();
            assert_eq!(everything(&world).await, before, "{mode}");
            let next = supersede(&world, made.id, &succession(false)).await.unwrap();
            assert_eq!(told(&tried), told(&next));
            assert_eq!(tried.supersedes_binding_id, Some(made.id));

            let before = everything(&world).await;
            let tried = revoke(&world, next.id, revocation(true)).await.unwrap();
            assert_eq!(everything(&world).await, before, "{mode}");
            let ended = revoke(&world, next.id, revocation(false)).await.unwrap();
            assert_eq!(told(&tried), told(&ended));
            assert_eq!((tried.id, tried.status()), (next.id, ended.status()));
        }
    });
}

/// Of every kind there is in one bulk: made, taken, against the rules, twice about one subject, keys once and again.
fn mixed() -> Vec<CreateBinding> {
    let keyed = |name: &str, subject: &str| CreateBinding {
        idempotency_key: Some(name.parse().unwrap()),
        ..creation(subject, false)
    };
    let mut noteless = creation("noteless", false);
    noteless.note = None;
    let mut elsewhere = creation("elsewhere", false);
    elsewhere.sources = Sources { operation_run_id: Some(fresh_id()), ..Sources::default() };
    let mut no_key = creation("no-key", false);
    no_key.subject = SubjectRef::Key("no key".to_owned());
    vec![
        creation("free", false),
        creation("taken", false),
        noteless,
        elsewhere,
        no_key,
        creation("free", false),
        keyed("one", "keyed"),
        keyed("one", "keyed"),
        keyed("one", "other"),
        keyed("two", "taken"),
    ]
}

#[test]
fn a_dry_bulk_is_answered_item_by_item_as_the_real_one_and_writes_not_a_byte() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let taken = world.excluded(&key("taken")).await;
        let items = mixed();
        let before = everything(&world).await;
        let tried = bulk(&world, &items, true).await;
        assert_eq!(everything(&world).await, before);
        let made = bulk(&world, &items, false).await;
        assert_eq!(told(&tried), told(&made));
        let said: Vec<&str> = tried
            .iter()
            .map(|answer| match answer {
                BulkAnswer::Created { .. } => "created",
                BulkAnswer::Refused(refusal) => refusal.code,
            })
            .collect();
        let expected = [
            "created",
            "active-binding-exists",
            "note-required",
            "source-out-of-scope",
            "unknown-key-version",
            "active-binding-exists",
            "created",
            "created",
            "idempotency-key-reused",
            "active-binding-exists",
        ];
        assert_eq!(said, expected);
        let BulkAnswer::Refused(refusal) = &tried[1] else { panic!("{:?}", tried[1]) };
        assert_eq!(refusal.active_binding_id, Some(taken.id));
        // Nothing to make, dry or not.
        let before = everything(&world).await;
        bulk(&world, &[], true).await;
        assert_eq!(everything(&world).await, before);
    });
}

#[test]
fn a_dry_run_is_refused_by_every_rule_the_real_one_is() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let active = world.excluded(&key("active")).await;
        let old = world.excluded(&key("old")).await;
        let new = supersede(&world, old.id, &succession(false)).await.unwrap();
        let before = everything(&world).await;
        let mut seen = Vec::new();
        for dry_run in [true, false] {
            let mut noteless = creation("noteless", dry_run);
            noteless.note = None;
            let mut elsewhere = creation("elsewhere", dry_run);
            elsewhere.provider_connection_id = Some(fresh_id());
            let mut domainless = creation("domainless", dry_run);
            domainless.subject_domain = None;
            let other = SupersedeBinding { subject: Some(SubjectRef::Key(key("another"))), ..succession(dry_run) };
            let wordless = RevokeBinding { note: None, ..revocation(dry_run) };
            seen.push([
                format!("{:?}", create(&world, &creation("active", dry_run)).await.unwrap_err()),
                format!("{:?}", create(&world, &noteless).await.unwrap_err()),
                format!("{:?}", create(&world, &elsewhere).await.unwrap_err()),
                format!("{:?}", create(&world, &domainless).await.unwrap_err()),
                format!("{:?}", supersede(&world, old.id, &succession(dry_run)).await.unwrap_err()),
                format!("{:?}", supersede(&world, active.id, &other).await.unwrap_err()),
                format!("{:?}", revoke(&world, old.id, revocation(dry_run)).await.unwrap_err()),
                format!("{:?}", revoke(&world, active.id, wordless).await.unwrap_err()),
            ]);
            assert_eq!(everything(&world).await, before, "dry: {dry_run}");
        }
        assert_eq!(seen[0], seen[1]);
        assert!(seen[0][0].contains(&active.id.to_string()), "{}", seen[0][0]);
        assert!(seen[0][4].contains("StaleBinding") && seen[0][4].contains(&new.id.to_string()), "{}", seen[0][4]);
    });
}

/// The last event of a chain without number, event id, time and hashes, and how many events there are in all.
async fn last_event(raw: &mut Raw, chain: Uuid) -> (String, String) {
    let id = raw.engine().id(chain);
    let last = format!("SELECT * FROM audit_events WHERE workspace_id = {id} ORDER BY number DESC LIMIT 1");
    let event = raw.rows(&last).await.unwrap().remove(0);
    let told = [&event[..1], &event[4..event.len() - 2]].concat();
    let count = raw.value("SELECT count(*) FROM audit_events").await.unwrap().unwrap();
    (format!("{told:?}"), count)
}

#[test]
fn a_denied_dry_run_is_told_of_as_the_real_one() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, acme) = (&world.service, &world.acme);
        let made = world.excluded(&key("1")).await;
        let mut raw = world.raw().await;
        let decided = ["provider_resource_bindings", "idempotency_keys"];
        let before = [world.dump(decided[0]).await, world.dump(decided[1]).await];
        let cases: [(Actor, Uuid, Uuid, Uuid, &str); 3] = [
            (acme.readonly, acme.environment_id, made.id, acme.workspace_id, "forbidden"),
            (acme.manager, acme.hidden_environment_id, fresh_id(), acme.workspace_id, "not-found"),
            (world.stranger, acme.environment_id, made.id, Uuid::nil(), "not-found"),
        ];
        for (who, environment, id, chain, expected) in cases {
            for operation in ["create", "supersede", "revoke", "bulk"] {
                let mut seen = Vec::new();
                for dry_run in [true, false] {
                    let (_, count) = last_event(&mut raw, chain).await;
                    let items = [creation("new", false)];
                    let at = &acme.workspace;
                    let said = match operation {
                        "create" => code(service.create_binding(who, at, environment, &creation("new", dry_run)).await),
                        "supersede" => code(service.supersede_binding(who, at, id, &succession(dry_run)).await),
                        "revoke" => code(service.revoke_binding(who, at, id, revocation(dry_run)).await),
                        _ => {
                            let request = BulkCreate { items: &items, dry_run };
                            code(service.bulk_create_bindings(who, at, environment, request).await)
                        }
                    };
                    let (event, after) = last_event(&mut raw, chain).await;
                    assert_eq!(after.parse::<u64>().unwrap(), count.parse::<u64>().unwrap() + 1, "{operation}");
                    seen.push((said, event));
                }
                assert_eq!(seen[0], seen[1], "{operation}");
                assert_eq!(seen[0].0, expected, "{operation}");
                assert!(seen[0].1.contains(".denied"), "{}", seen[0].1);
            }
        }
        raw.close().await.unwrap();
        assert_eq!([world.dump(decided[0]).await, world.dump(decided[1]).await], before);
    });
}

#[test]
fn a_dry_run_neither_claims_a_key_nor_asks_what_was_done_under_it() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let keyed = |subject: &str, dry_run: bool| CreateBinding {
            idempotency_key: Some("mine".parse().unwrap()),
            ..creation(subject, dry_run)
        };
        create(&world, &keyed("tried", true)).await.unwrap();
        bulk(&world, &[keyed("tried", false)], true).await;
        // Still free, for whatever it may be.
        let made = create(&world, &keyed("1", false)).await.unwrap();
        assert_eq!(create(&world, &keyed("1", false)).await.unwrap(), made, "asked again");
        assert_eq!(code(create(&world, &keyed("2", false)).await), "idempotency-key-reused");
        // Tried again, it is judged by what is there and not by what was asked.
        let before = everything(&world).await;
        assert_eq!(code(create(&world, &keyed("1", true)).await), "active-binding-exists");
        assert_eq!(code(create(&world, &keyed("2", true)).await), "ok");
        let tried = bulk(&world, &[keyed("1", false)], true).await;
        assert!(matches!(&tried[0], BulkAnswer::Refused(refusal) if refusal.active_binding_id == Some(made.id)));
        let named =
            |request: SupersedeBinding| SupersedeBinding { idempotency_key: Some("mine".parse().unwrap()), ..request };
        assert_eq!(code(supersede(&world, made.id, &named(succession(false))).await), "idempotency-key-reused");
        assert_eq!(code(supersede(&world, made.id, &named(succession(true))).await), "ok");
        let ended = RevokeBinding { idempotency_key: Some("mine".parse().unwrap()), ..revocation(true) };
        assert_eq!(code(revoke(&world, made.id, ended).await), "ok");
        assert_eq!(everything(&world).await, before);
    });
}
