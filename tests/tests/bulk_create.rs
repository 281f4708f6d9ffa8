//! Many first decisions in one transaction, on both engines: each answered for itself, each told of once, and two at
//! once over the same subjects neither wait in a circle nor make two of one.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use provident::audit::{ChainedEvent, GENESIS_HASH, chain_hash};
use provident::binding::{
    Binding, CreateBinding, LegacySubjectKey, Note, ResourceRef, Sources, SubjectRef, SupersedeBinding,
};
use provident::error::{Conflict, Error};
use provident::page::PageRequest;
use provident::service::{BulkAnswer, BulkRefusal, MAX_BULK_ITEMS};
use provident_identity::{BindingStatus, ResolutionMode};
use provident_tests::database::{Engine, on_both_engines};
use provident_tests::installation::{Installation, exclusion, key, widget};
use provident_tests::rows::fresh_id;
use uuid::Uuid;

async fn bulk(world: &Installation, items: &[CreateBinding]) -> Vec<BulkAnswer> {
    let acme = &world.acme;
    world.service.bulk_create_bindings(acme.manager, &acme.workspace, acme.environment_id, items).await.unwrap()
}

fn exclusions(ids: impl IntoIterator<Item = u32>) -> Vec<CreateBinding> {
    ids.into_iter().map(|id| exclusion(&key(&format!("{id:05}")))).collect()
}

fn created(answer: &BulkAnswer) -> &Binding {
    match answer {
        BulkAnswer::Created { binding } => binding,
        BulkAnswer::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn refused(answer: &BulkAnswer) -> &BulkRefusal {
    match answer {
        BulkAnswer::Refused(refusal) => refusal,
        BulkAnswer::Created { binding } => panic!("{binding:?}"),
    }
}

/// The whole chain of acme, each event held to the one before it, and its head to the last.
async fn chain(world: &Installation) -> Vec<ChainedEvent> {
    let acme = &world.acme;
    let (mut events, mut hash) = (Vec::<ChainedEvent>::new(), GENESIS_HASH.to_owned());
    loop {
        let after = i64::try_from(events.len()).unwrap();
        let more = world.service.audit_events(acme.owner, &acme.workspace, None, after, 500).await.unwrap();
        if more.is_empty() {
            break;
        }
        events.extend(more);
    }
    for (place, event) in (1..).zip(&events) {
        assert_eq!((event.event.number, &event.previous_hash), (place, &hash));
        hash = chain_hash(&hash, &event.event.canonical_json().unwrap());
        assert_eq!(event.hash, hash);
    }
    let mut raw = world.raw().await;
    let of = raw.engine().id(acme.workspace_id);
    let sql = format!("SELECT last_number, last_hash FROM audit_heads WHERE workspace_id = {of}");
    let head = raw.rows(&sql).await.unwrap().remove(0);
    assert_eq!(head, [Some(events.len().to_string()), Some(hash)]);
    raw.close().await.unwrap();
    events
}

async fn history(world: &Installation, subject: &str) -> Vec<Binding> {
    let acme = &world.acme;
    let page = PageRequest::new(500, None);
    let found = world.service.history_of_subject(acme.owner, &acme.workspace, acme.environment_id, subject, page).await;
    found.unwrap().items
}

#[test]
fn every_item_is_answered_in_its_place_and_told_of_once_in_the_order_of_the_keys() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let before = chain(&world).await.len();
        let items = exclusions([7, 3, 9, 1, 5]);
        let answers = bulk(&world, &items).await;
        assert_eq!(answers.len(), items.len());
        for (item, answer) in items.iter().zip(&answers) {
            let SubjectRef::Key(subject) = &item.subject else { panic!("not a key") };
            let binding = created(answer);
            assert_eq!(binding.canonical_subject_key.as_str(), subject);
            // As it is stored, and as a single decision would have made it.
            let acme = &world.acme;
            assert_eq!(world.service.binding(acme.owner, &acme.workspace, binding.id).await.unwrap(), *binding);
            assert_eq!((binding.status(), binding.mode), (BindingStatus::Active, item.mode));
            assert_eq!((&binding.note, &binding.subject_domain), (&item.note, &"things".to_owned()));
            assert_eq!((binding.created_at, binding.updated_at), (binding.decided_at, binding.decided_at));
        }
        let events = chain(&world).await.split_off(before);
        let told: Vec<_> = events.iter().map(|event| event.event.canonical_subject_key.clone().unwrap()).collect();
        assert_eq!(told, [1, 3, 5, 7, 9].map(|id| key(&format!("{id:05}"))));
        for event in &events {
            let binding =
                answers.iter().map(created).find(|binding| Some(binding.id) == event.event.new_binding_id).unwrap();
            assert_eq!(event.event.canonical_subject_key.as_deref(), Some(binding.canonical_subject_key.as_str()));
            assert_eq!(event.event.action, "binding.created");
            assert_eq!(event.event.actor_user_id, Some(world.acme.manager.user_id()));
            assert_eq!(event.event.occurred_at, binding.created_at);
            assert_eq!(event.event.note_length, Some(18));
        }
        // A whole chunk, and one of one.
        assert!(bulk(&world, &exclusions(1000..1500)).await.iter().all(|answer| created(answer).ending.is_none()));
        assert_eq!(bulk(&world, &exclusions([2000])).await.len(), 1);
        assert_eq!(chain(&world).await.len(), before + 506);
    });
}

/// A decision with everything a decision can have.
async fn furnished(world: &Installation) -> CreateBinding {
    let acme = &world.acme;
    let connection = fresh_id();
    world.connection(acme, acme.environment_id, "fake", connection).await;
    let snapshot = fresh_id();
    world.snapshot(acme, snapshot, fresh_id(), &[acme.environment_id]).await;
    let mut raw = world.raw().await;
    let (run, version) = (fresh_id(), fresh_id());
    for (table, id) in [("operation_runs", run), ("policy_versions", version)] {
        world.row(acme, acme.environment_id, table).with("id", id).insert(&mut raw).await.unwrap();
    }
    raw.close().await.unwrap();
    let mut import =
        world.service.begin_import(acme.manager, &acme.workspace, acme.environment_id, None).await.unwrap();
    world.service.import_chunk(&mut import, &[Ok((0, widget("full")))]).await.unwrap();
    let (filter, page) = (provident::inventory::InventoryFilter::default(), PageRequest::default());
    let items = world.service.inventory(acme.owner, &acme.workspace, acme.environment_id, &filter, page).await.unwrap();
    let mut resource = widget("R");
    resource.identity.external_id = Some("E".to_owned());
    resource.identity.fingerprint = Some("F".to_owned());
    let mut full = CreateBinding::new(ResolutionMode::ManualBinding, SubjectRef::InventoryItem(items.items[0].id));
    full.resource = Some(ResourceRef::Descriptor(Box::new(resource)));
    full.provider_connection_id = Some(connection);
    full.legacy_subject_key = Some(LegacySubjectKey::new("Käse, alt"));
    full.note = Some(Note::new("weil  so"));
    full.reason = Some("accepted-risk".to_owned());
    full.sources = Sources {
        operation_run_id: Some(run),
        baseline_snapshot_id: Some(snapshot),
        inventory_item_id: None,
        policy_version_id: Some(version),
    };
    full
}

#[test]
fn a_decision_of_many_is_the_same_row_and_event_as_a_single_one() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let full = furnished(&world).await;
        let single =
            world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &full).await.unwrap();
        let note = Note::new("again, in bulk");
        world.service.revoke_binding(acme.manager, &acme.workspace, single.id, Some(&note)).await.unwrap();
        let answers = bulk(&world, &[exclusion(&key("beside")), full]).await;
        let many = created(&answers[1]).clone();
        assert!(many.sources.inventory_item_id.is_some() && many.resource.is_some());
        let same = Binding {
            id: single.id,
            decided_at: single.decided_at,
            created_at: single.created_at,
            updated_at: single.updated_at,
            ..many.clone()
        };
        assert_eq!(same, single);
        let events = chain(&world).await;
        let told = |binding: &Binding| {
            let event = events.iter().find(|event| event.event.new_binding_id == Some(binding.id)).unwrap();
            let mut event = event.event.clone();
            (event.number, event.event_id, event.new_binding_id) = (0, Uuid::nil(), None);
            event.occurred_at = binding.created_at;
            event
        };
        let mut one = told(&single);
        one.occurred_at = many.created_at;
        assert_eq!(told(&many), one);
    });
}

#[test]
fn what_is_wrong_with_one_spoils_no_other_and_is_what_a_single_decision_is_told() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let taken = world.excluded(&key("taken")).await;
        let connection = fresh_id();
        world.connection(acme, acme.environment_id, "other", connection).await;
        let with = |change: &dyn Fn(&mut CreateBinding)| {
            let mut item = exclusion(&key(&fresh_id().to_string()));
            change(&mut item);
            item
        };
        let bad = [
            with(&|item| item.note = None),
            with(&|item| item.note = Some(Note::new("secret words ".repeat(200)))),
            with(&|item| item.subject = SubjectRef::Key("provider:nothing".to_owned())),
            with(&|item| item.subject = SubjectRef::Key("secret words".repeat(200_000))),
            with(&|item| item.subject = SubjectRef::InventoryItem(fresh_id())),
            with(&|item| item.subject_domain = None),
            with(&|item| item.mode = ResolutionMode::ManualBinding),
            with(&|item| item.mode = ResolutionMode::ExactProviderIdentity),
            with(&|item| item.resource = Some(ResourceRef::InventoryItem(fresh_id()))),
            with(&|item| item.provider_connection_id = Some(fresh_id())),
            with(&|item| item.provider_connection_id = Some(connection)),
            with(&|item| item.legacy_subject_key = Some(LegacySubjectKey::new("secret\0words"))),
            with(&|item| item.sources.operation_run_id = Some(fresh_id())),
            with(&|item| item.sources.baseline_snapshot_id = Some(fresh_id())),
            with(&|item| item.sources.inventory_item_id = Some(fresh_id())),
            with(&|item| item.sources.policy_version_id = Some(fresh_id())),
            with(&|item| item.subject = SubjectRef::Key(key("taken"))),
        ];
        let mut items = Vec::new();
        for bad in &bad {
            items.push(with(&|_| ()));
            items.push(bad.clone());
        }
        let before = chain(&world).await.len();
        let answers = bulk(&world, &items).await;
        assert_eq!(answers.len(), 2 * bad.len());
        let mut codes = BTreeSet::new();
        for (pair, bad) in answers.chunks(2).zip(&bad) {
            let [good, refusal] = pair else { panic!("not a pair") };
            let _ = created(good);
            let refusal = refused(refusal);
            let single = world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, bad).await;
            let single = single.unwrap_err();
            assert_eq!(refusal.code, single.code(), "{bad:?}");
            let (field, active_binding_id) = match &single {
                Error::Refused(errors) => (errors[0].field.as_str(), None),
                Error::Invalid(invalid) => (invalid.field, None),
                Error::Conflict(conflict) => ("subject", conflict.active_binding_id()),
                other => panic!("{other:?}"),
            };
            assert_eq!((refusal.field.as_str(), refusal.active_binding_id), (field, active_binding_id));
            assert!(!format!("{refusal:?}").contains("secret"), "{refusal:?}");
            codes.insert(refusal.code);
        }
        assert!(codes.len() >= 9, "{codes:?}");
        assert_eq!(refused(answers.last().unwrap()).active_binding_id, Some(taken.id));
        assert_eq!(chain(&world).await.len(), before + bad.len());
    });
}

#[test]
fn of_two_about_one_subject_the_first_in_order_is_made_and_named_to_the_second() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let (one, other) = (fresh_id(), fresh_id());
        world.connection(acme, acme.environment_id, "fake", one).await;
        world.connection(acme, acme.environment_id, "fake", other).await;
        let of = |id: &str, connection: Option<Uuid>, note: Option<&str>| {
            let mut item = exclusion(&key(id));
            item.provider_connection_id = connection;
            item.note = note.map(Note::new);
            item
        };
        let items = [
            of("twice", Some(one), Some("first")),
            of("bad-first", None, None),
            of("twice", None, Some("second")),
            of("bad-first", None, Some("second")),
            of("twice", Some(other), Some("third")),
            of("other", None, Some("n")),
        ];
        let answers = bulk(&world, &items).await;
        let first = created(&answers[0]);
        assert_eq!(first.note, Some(Note::new("first")));
        let second = refused(&answers[2]);
        assert_eq!((second.code, second.field.as_str()), ("active-binding-exists", "subject"));
        assert_eq!(second.active_binding_id, Some(first.id));
        let third = refused(&answers[4]);
        assert_eq!((third.code, third.field.as_str()), ("connection-mismatch", "provider_connection_id"));
        assert_eq!(third.active_binding_id, Some(first.id));
        // One that is out of order itself takes no place.
        assert_eq!(refused(&answers[1]).code, "note-required");
        assert_eq!(created(&answers[3]).note, Some(Note::new("second")));
        let _ = created(&answers[5]);
        assert_eq!(world.count("provider_resource_bindings").await, 3);
        // And against what was there before the same.
        let again = bulk(&world, &items[4..]).await;
        assert_eq!(refused(&again[0]).code, "connection-mismatch");
        assert_eq!(refused(&again[1]).active_binding_id, Some(created(&answers[5]).id));
    });
}

#[test]
fn where_nothing_is_made_nothing_is_written() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let items = exclusions(0..20);
        let _ = bulk(&world, &items).await;
        let tables = ["provider_resource_bindings", "audit_events", "audit_heads", "idempotency_keys"];
        let mut before = BTreeMap::new();
        for table in tables {
            before.insert(table, world.dump(table).await);
        }
        let again = bulk(&world, &items).await;
        assert!(again.iter().all(|answer| refused(answer).active_binding_id.is_some()));
        assert_eq!(bulk(&world, &[]).await, []);
        let acme = &world.acme;
        let many = exclusions(0..501);
        assert_eq!(many.len(), MAX_BULK_ITEMS + 1);
        let over = world.service.bulk_create_bindings(acme.manager, &acme.workspace, acme.environment_id, &many).await;
        assert_eq!(over.unwrap_err().code(), "bulk-too-large");
        for table in tables {
            assert_eq!(world.dump(table).await, before[table], "{table}");
        }
        // Who may not is told that, whatever stands in the request.
        let denied = world.service.bulk_create_bindings(acme.readonly, &acme.workspace, acme.environment_id, &many);
        assert!(matches!(denied.await, Err(Error::Forbidden)));
        let hidden =
            world.service.bulk_create_bindings(acme.manager, &acme.workspace, acme.hidden_environment_id, &many);
        assert!(matches!(hidden.await, Err(Error::NotFound)));
        let events = world.dump("audit_events").await;
        assert_eq!(events.len(), before["audit_events"].len() + 2, "one event for each denial");
    });
}

#[test]
fn two_at_once_over_the_same_subjects_make_each_once_whatever_their_order() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        let before = chain(&world).await.len();
        let writers: Vec<_> = (0..4_u32)
            .map(|writer| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let mut made = Vec::new();
                    for round in 0..3 {
                        let ids = round * 100..(round + 1) * 100;
                        // Each gives them in an order of its own, and one begins elsewhere.
                        let mut items = exclusions(ids);
                        if writer % 2 == 1 {
                            items.reverse();
                        }
                        items.rotate_left(usize::try_from(writer).unwrap() * 17);
                        for answer in bulk(&world, &items).await {
                            match answer {
                                BulkAnswer::Created { binding } => made.push(*binding),
                                BulkAnswer::Refused(refusal) => {
                                    assert_eq!(refusal.code, "active-binding-exists");
                                    assert!(refusal.active_binding_id.is_some());
                                }
                            }
                        }
                    }
                    made
                })
            })
            .collect();
        let mut made = BTreeMap::new();
        for writer in writers {
            for binding in writer.await.unwrap() {
                let twice = made.insert(binding.canonical_subject_key.clone(), binding.id);
                assert_eq!(twice, None);
            }
        }
        assert_eq!(made.len(), 300);
        assert_eq!(world.count("provider_resource_bindings").await, 300);
        assert_eq!(chain(&world).await.len(), before + 300);
    });
}

#[test]
fn bulks_singles_supersedes_and_revokes_at_once_never_overlap_and_lose_nothing() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        let before = chain(&world).await.len();
        let tasks: Vec<_> = (0..6_u32)
            .map(|task| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let mut written = 0;
                    for round in 0..8 {
                        let answers = bulk(&world, &exclusions(0..12)).await;
                        let mut active = Vec::new();
                        for answer in answers {
                            match answer {
                                BulkAnswer::Created { binding } => {
                                    written += 1;
                                    active.push(binding.id);
                                }
                                BulkAnswer::Refused(refusal) => active.extend(refusal.active_binding_id),
                            }
                        }
                        for id in active.split_off(usize::try_from(task).unwrap().min(active.len())) {
                            written += usize::from(ended(&world, id, task + round).await);
                        }
                    }
                    written
                })
            })
            .collect();
        let mut written = 0;
        for task in tasks {
            written += task.await.unwrap();
        }
        assert_eq!(chain(&world).await.len(), before + written);
        for id in 0..12 {
            let history = history(&world, &key(&format!("{id:05}"))).await;
            for pair in history.windows(2) {
                let [later, earlier] = pair else { panic!("not a pair") };
                assert!(earlier.ended_at().unwrap() <= later.decided_at);
            }
        }
    });
}

/// Ends a binding one way or the other, if it still is there to be ended.
async fn ended(world: &Installation, id: Uuid, turn: u32) -> bool {
    let acme = &world.acme;
    let outcome = if turn.is_multiple_of(2) {
        world.service.revoke_binding(acme.owner, &acme.workspace, id, Some(&Note::new("why"))).await
    } else {
        let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
        request.note = Some(Note::new("now differently"));
        world.service.supersede_binding(acme.manager, &acme.workspace, id, &request).await
    };
    match outcome {
        Ok(_) => true,
        Err(Error::Conflict(Conflict::StaleBinding { .. })) => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn what_ended_while_a_chunk_waited_for_its_place_is_not_overlapped() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        let old = world.excluded(&key("00003")).await;
        // Somebody ends it a year from now, uncommitted, while the chunk begins.
        let mut raw = world.raw().await;
        let engine = raw.engine();
        raw.execute(if engine == Engine::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" }).await.unwrap();
        let end = "2024-11-14T22:13:20.000000Z";
        let sql = format!(
            "UPDATE provider_resource_bindings SET binding_status = 'revoked', ended_at = '{end}', ended_note = 'n', \
             ended_by_user_id = {}, updated_at = '{end}' WHERE id = {}",
            engine.id(world.acme.owner.user_id()),
            engine.id(old.id)
        );
        assert_eq!(raw.execute(&sql).await.unwrap(), 1);
        let waiting = {
            let world = Arc::clone(&world);
            tokio::spawn(async move { bulk(&world, &exclusions(0..5)).await })
        };
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!waiting.is_finished(), "it did not wait");
        raw.execute("COMMIT").await.unwrap();
        raw.close().await.unwrap();
        let answers = waiting.await.unwrap();
        assert_eq!(created(&answers[3]).decided_at.to_string(), end);
        assert!(created(&answers[2]).decided_at < created(&answers[3]).decided_at);
        assert_eq!(history(&world, &key("00003")).await.len(), 2);
    });
}
