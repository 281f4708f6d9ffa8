//! What only a server with many writers shows (P381-96, P381-99): transactions that really run at once, that meet, that
//! wait in a circle. SQLite, which has one writer, runs what can be run there beside it.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use provident::binding::{Binding, BindingFilter, LookupAnswer, Note, SupersedeBinding};
use provident::error::{Conflict, Error};
use provident::page::PageRequest;
use provident::service::Service;
use provident_identity::{BindingStatus, ResolutionMode};
use provident_tests::database::{Engine, on_both_engines};
use provident_tests::installation::{Installation, exclusion, key, settings};
use uuid::Uuid;

fn succession() -> SupersedeBinding {
    let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
    request.note = Some(Note::new("now differently"));
    request
}

async fn active(world: &Installation, key: &str) -> Option<Uuid> {
    let acme = &world.acme;
    let answers = world.service.lookup(acme.readonly, &acme.workspace, acme.environment_id, &[key]).await.unwrap();
    match &answers[0] {
        LookupAnswer::Active { binding } => Some(binding.id),
        _ => None,
    }
}

/// One step of a worker: whatever the subject allows when looked at.
async fn step(world: &Installation, subject: &str, turn: u32) -> Result<Binding, Error> {
    let acme = &world.acme;
    match (active(world, subject).await, turn % 3) {
        (Some(id), 0 | 1) => world.service.supersede_binding(acme.manager, &acme.workspace, id, &succession()).await,
        (Some(id), _) => world.service.revoke_binding(acme.owner, &acme.workspace, id, Some(&Note::new("why"))).await,
        (None, _) => {
            let request = exclusion(subject);
            world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await
        }
    }
}

#[test]
fn mixed_writers_on_few_subjects_never_leave_two_active_and_lose_nothing() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        let tasks: Vec<_> = (0..16_u32)
            .map(|worker| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let mut written = Vec::new();
                    for turn in 0..12 {
                        let subject = key(&((worker + turn) % 4).to_string());
                        match step(&world, &subject, worker + turn).await {
                            Ok(binding) => written.push(binding.id),
                            Err(Error::Conflict(
                                Conflict::ActiveBindingExists { .. } | Conflict::StaleBinding { .. },
                            )) => {}
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                    written
                })
            })
            .collect();
        let mut written = Vec::new();
        for task in tasks {
            written.extend(task.await.unwrap());
        }
        assert!(written.len() > 16, "{} writes", written.len());
        let acme = &world.acme;
        let mut rows = 0;
        for subject in 0..4 {
            let history = world
                .service
                .history_of_subject(
                    acme.readonly,
                    &acme.workspace,
                    acme.environment_id,
                    &key(&subject.to_string()),
                    PageRequest::new(500, None),
                )
                .await
                .unwrap()
                .items;
            rows += history.len();
            let holding = history.iter().filter(|binding| binding.status() == BindingStatus::Active).count();
            assert!(holding <= 1);
            // One after the other, with no two at any instant.
            for pair in history.windows(2) {
                let [later, earlier] = pair else { panic!("not a pair") };
                assert!(earlier.ended_at().unwrap() <= later.decided_at);
            }
            for binding in &history {
                assert!(binding.ended_at().is_none_or(|ended_at| ended_at > binding.decided_at));
            }
        }
        // Every row is there, and every write in the log.
        assert_eq!(rows, world.count("provider_resource_bindings").await);
        let log = world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        let told = log.iter().filter(|event| event.event.action.starts_with("binding.")).count();
        assert_eq!(told, written.len());
        for id in written {
            let named = |event: &&provident::audit::ChainedEvent| {
                [event.event.new_binding_id, event.event.old_binding_id].contains(&Some(id))
            };
            assert!(log.iter().any(|event| named(&event)));
        }
    });
}

#[test]
fn a_first_writer_waits_for_one_that_gives_up_and_then_wins() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        let acme = &world.acme;
        // Somebody holds the subject, uncommitted.
        let mut raw = world.raw().await;
        let engine = raw.engine();
        raw.execute(if engine == Engine::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" }).await.unwrap();
        let row = world
            .row(acme, acme.environment_id, "provider_resource_bindings")
            .with("decided_by_user_id", acme.manager.user_id())
            .with("canonical_subject_key", key("1"));
        row.insert(&mut raw).await.unwrap();
        let waiting = {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.excluded(&key("1")).await })
        };
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!waiting.is_finished(), "it did not wait");
        raw.execute("ROLLBACK").await.unwrap();
        raw.close().await.unwrap();
        let made = waiting.await.unwrap();
        assert_eq!(active(&world, &key("1")).await, Some(made.id));
    });
}

#[test]
fn a_transaction_that_the_server_breaks_off_is_done_again() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        if world.database.engine() == Engine::Sqlite {
            // One writer: nothing waits in a circle, and there is nothing to break off.
            world.excluded(&key("1")).await;
            return;
        }
        let acme = &world.acme;
        // Another holds the head of the chain, which our transaction takes last, and then asks for the row it took first.
        let mut raw = world.raw().await;
        let made = world.excluded(&key("1")).await;
        let (workspace, id) = (raw.engine().id(acme.workspace_id), raw.engine().id(made.id));
        raw.execute("BEGIN; SET LOCAL deadlock_timeout = '10s'").await.unwrap();
        let head = format!("SELECT 1 FROM audit_heads WHERE workspace_id = {workspace} FOR UPDATE");
        raw.execute(&head).await.unwrap();
        let revoking = {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let acme = &world.acme;
                let note = Note::new("why");
                world.service.revoke_binding(acme.manager, &acme.workspace, made.id, Some(&note)).await
            })
        };
        tokio::time::sleep(Duration::from_millis(200)).await;
        let row = format!("SELECT 1 FROM provider_resource_bindings WHERE id = {id} FOR UPDATE");
        // Theirs is broken off after the second that a circle may last, which lets us in; theirs is done again after us.
        raw.execute(&row).await.unwrap();
        raw.execute("COMMIT").await.unwrap();
        raw.close().await.unwrap();
        let revoked = revoking.await.unwrap().unwrap();
        assert_eq!(revoked.status(), BindingStatus::Revoked);
        let log = world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        let told = log.iter().filter(|event| event.event.action == "binding.revoked").count();
        assert_eq!(told, 1, "done again, told of once");
    });
}

#[test]
fn two_processes_on_one_database_behave_as_one() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let mut other = settings(&world.database, &world.directory);
        // An id source of its own: two processes do not draw the same ids.
        other.ids = provident::clock::Ids::seeded(8);
        let other = Arc::new(Service::open(&other).await.unwrap());
        let acme = world.acme.clone();
        let (one, two) = (Arc::clone(&world.service), Arc::clone(&other));
        let create = |service: Arc<Service>| {
            let acme = acme.clone();
            tokio::spawn(async move {
                let mut created = 0;
                for number in 0..20 {
                    let request = exclusion(&key(&number.to_string()));
                    let outcome =
                        service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await;
                    match outcome {
                        Ok(_) => created += 1,
                        Err(Error::Conflict(Conflict::ActiveBindingExists { active_binding_id: Some(_) })) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
                created
            })
        };
        let (first, second) = tokio::join!(create(one), create(two));
        assert_eq!(first.unwrap() + second.unwrap(), 20);
        let page = PageRequest::new(500, None);
        let listed = other
            .bindings(acme.readonly, &acme.workspace, acme.environment_id, &BindingFilter::default(), page)
            .await
            .unwrap();
        assert_eq!(listed.items.len(), 20);
        let log = other.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        let numbers: Vec<i64> = log.iter().map(|event| event.event.number).collect();
        assert_eq!(numbers, (1..=i64::try_from(log.len()).unwrap()).collect::<Vec<_>>());
        other.close().await;
    });
}

#[test]
fn imports_of_one_environment_at_once_give_one_row_for_each_key() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        let tasks: Vec<_> = (0..6_u64)
            .map(|which| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let acme = &world.acme;
                    let mut import = world
                        .service
                        .begin_import(acme.manager, &acme.workspace, acme.environment_id, None)
                        .await
                        .unwrap();
                    // Each in an order of its own.
                    let mut objects: Vec<_> = (0..100_u64)
                        .map(|at| (at * (2 * which + 1)) % 101)
                        .map(|id| Ok((id, provident_tests::installation::widget(&id.to_string()))))
                        .collect();
                    objects.rotate_left(usize::try_from(which * 7).unwrap());
                    world.service.import_chunk(&mut import, &objects).await.unwrap();
                    world.service.finish_import(import).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            let counts = task.await.unwrap();
            assert_eq!((counts.total(), counts.refused), (100, 0));
        }
        let rows = world.count("inventory_items").await;
        assert!((100..=101).contains(&rows), "{rows}");
    });
}
