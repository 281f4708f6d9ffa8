//! What only a server with many writers shows (P381-96, P381-99): transactions that really run at once, that meet, that
//! wait in a circle. SQLite, which has one writer, runs what can be run there beside it.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use provident::actor::Actor;
use provident::binding::{Binding, BindingFilter, LookupAnswer, Note, SupersedeBinding};
use provident::error::{Conflict, Error};
use provident::page::PageRequest;
use provident::policy::Role;
use provident::service::Service;
use provident_identity::{BindingStatus, ResolutionMode};
use provident_tests::database::{Engine, Raw, on_both_engines};
use provident_tests::installation::{Installation, exclusion, key, settings, widget};
use uuid::Uuid;

fn succession() -> SupersedeBinding {
    let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
    request.note = Some(Note::new("now differently"));
    request
}

async fn active(world: &Installation, key: &str) -> Option<Uuid> {
    let acme = &world.acme;
    let answers =
        world.service.lookup(acme.readonly, &acme.workspace, acme.environment_id, &[key], None).await.unwrap();
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
                    world.service.finish_import(&import).await.unwrap()
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

/// Waits until somebody waits for a lock in the database.
async fn somebody_waits(raw: &mut Raw) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..200 {
        if raw.value(sql).await.unwrap().as_deref() != Some("0") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody waits");
}

/// Holds the head of a chain, so that whoever commits in it waits with all its work done.
async fn hold_head(world: &Installation) -> Raw {
    let mut raw = world.raw().await;
    let workspace = raw.engine().id(world.acme.workspace_id);
    let head = format!("BEGIN; SELECT 1 FROM audit_heads WHERE workspace_id = {workspace} FOR UPDATE");
    raw.execute(&head).await.unwrap();
    raw
}

async fn released(mut raw: Raw) {
    raw.execute("ROLLBACK").await.unwrap();
    raw.close().await.unwrap();
}

/// The one writer of SQLite meets nobody; the races below are PostgreSQL's.
async fn has_one_writer(world: &Installation) -> bool {
    let one = world.database.engine() == Engine::Sqlite;
    if one {
        world.excluded(&key("1")).await;
    }
    one
}

#[test]
fn an_entitlement_granted_while_its_membership_ends_does_not_outlive_it() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        if has_one_writer(&world).await {
            return;
        }
        let acme = world.acme.clone();
        let mut watch = world.raw().await;
        // A person who makes an environment, and one who is granted another, both as their memberships end.
        let maker = acme.unentitled;
        let granted = acme.readonly;
        for (user, makes) in [(granted, false), (maker, true)] {
            let raw = hold_head(&world).await;
            let entitling = {
                let (world, acme) = (Arc::clone(&world), acme.clone());
                tokio::spawn(async move {
                    let service = &world.service;
                    let hidden = acme.hidden_environment_id;
                    if makes {
                        service.create_environment(user, &acme.workspace, "Mine").await.map(|_| ())
                    } else {
                        service.grant_entitlement(acme.owner, &acme.workspace, hidden, user.user_id()).await.map(|_| ())
                    }
                })
            };
            somebody_waits(&mut watch).await;
            let ending = {
                let (world, acme) = (Arc::clone(&world), acme.clone());
                tokio::spawn(async move {
                    world.service.end_membership(acme.owner, &acme.workspace, user.user_id()).await.map(|_| ())
                })
            };
            tokio::time::sleep(Duration::from_millis(300)).await;
            released(raw).await;
            entitling.await.unwrap().unwrap();
            let ended = ending.await.unwrap().map_err(|error| error.code().to_owned());
            // Who has just made an environment is the only one who can entitle others to it.
            assert_eq!(ended, if makes { Err("last-entitlement".to_owned()) } else { Ok(()) });
            let open = "SELECT count(*) FROM environment_entitlements t JOIN workspace_memberships m \
                        USING (workspace_id, user_id) WHERE t.ended_at IS NULL AND m.ended_at IS NOT NULL";
            assert_eq!(watch.value(open).await.unwrap().as_deref(), Some("0"));
        }
        watch.close().await.unwrap();
    });
}

#[test]
fn nothing_is_decided_by_somebody_whose_authority_has_ended() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        if has_one_writer(&world).await {
            return;
        }
        let mut watch = world.raw().await;
        let end = |world: &Arc<Installation>, whole: bool, actor: Actor| {
            let world = Arc::clone(world);
            tokio::spawn(async move {
                let (service, acme) = (&world.service, &world.acme);
                let user = actor.user_id();
                if whole {
                    service.end_membership(acme.owner, &acme.workspace, user).await.map(|_| ())
                } else {
                    service.end_entitlement(acme.owner, &acme.workspace, acme.environment_id, user).await.map(|_| ())
                }
            })
        };
        let decide = |world: &Arc<Installation>, subject: &str| {
            let (world, subject) = (Arc::clone(world), key(subject));
            tokio::spawn(async move {
                let acme = &world.acme;
                let request = exclusion(&subject);
                world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await
            })
        };
        let acme = &world.acme;
        for (whole, name) in [(false, "entitlement.ended"), (true, "membership.ended")] {
            // The decision is under way and waits for the subject: the authority ends after it.
            let mut raw = world.raw().await;
            raw.execute("BEGIN").await.unwrap();
            let row = world.row(acme, acme.environment_id, "provider_resource_bindings");
            let row = row.with("decided_by_user_id", acme.owner.user_id()).with("canonical_subject_key", key(name));
            row.insert(&mut raw).await.unwrap();
            let deciding = decide(&world, name);
            somebody_waits(&mut watch).await;
            let ending = end(&world, whole, acme.manager);
            tokio::time::sleep(Duration::from_millis(300)).await;
            released(raw).await;
            let made = deciding.await.unwrap().unwrap();
            ending.await.unwrap().unwrap();
            let log = world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
            let made = log.iter().position(|event| event.event.new_binding_id == Some(made.id)).unwrap();
            let ended = log.iter().rposition(|event| event.event.action == name).unwrap();
            assert!(made < ended, "decided after the end");

            // The end is under way: the decision waits for it, and finds nobody.
            let role = Role::Manager;
            let theirs = acme.manager.user_id();
            if whole {
                world.service.add_member(acme.owner, &acme.workspace, theirs, role).await.unwrap();
            }
            let (service, here) = (&world.service, acme.environment_id);
            service.grant_entitlement(acme.owner, &acme.workspace, here, theirs).await.unwrap();
            let raw = hold_head(&world).await;
            let ending = end(&world, whole, acme.manager);
            somebody_waits(&mut watch).await;
            let deciding = decide(&world, &format!("{name}-2"));
            tokio::time::sleep(Duration::from_millis(300)).await;
            released(raw).await;
            ending.await.unwrap().unwrap();
            assert_eq!(deciding.await.unwrap().unwrap_err().code(), "not-found");
            if !whole {
                service.grant_entitlement(acme.owner, &acme.workspace, here, theirs).await.unwrap();
            }
        }
        watch.close().await.unwrap();
    });
}

#[test]
fn owners_who_manage_at_once_wait_in_no_circle() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        let tasks: Vec<_> = (0..12_u32)
            .map(|turn| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let (service, acme) = (&world.service, &world.acme);
                    let (actor, other) = match turn % 2 {
                        0 => (acme.owner, acme.operator),
                        _ => (acme.unentitled, acme.manager),
                    };
                    let role = if turn % 4 < 2 { Role::Operator } else { Role::Manager };
                    service.change_member_role(actor, &acme.workspace, other.user_id(), role).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        if world.database.engine() == Engine::Postgres {
            let mut raw = world.raw().await;
            let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
            assert_eq!(raw.value(sql).await.unwrap().as_deref(), Some("0"));
            raw.close().await.unwrap();
        }
    });
}

#[test]
fn what_an_import_found_unchanged_is_judged_again_if_it_changes_meanwhile() {
    on_both_engines(|database| async move {
        let world = Arc::new(Installation::on(database).await);
        if has_one_writer(&world).await {
            return;
        }
        let import = |world: &Arc<Installation>| {
            let world = Arc::clone(world);
            tokio::spawn(async move {
                let (service, acme) = (&world.service, &world.acme);
                let begun = service.begin_import(acme.manager, &acme.workspace, acme.environment_id, None).await;
                let mut import = begun.unwrap();
                service.import_chunk(&mut import, &[Ok((0, widget("W")))]).await.unwrap().counts
            })
        };
        assert_eq!(import(&world).await.unwrap().added, 1);
        let mut raw = world.raw().await;
        raw.execute("BEGIN; UPDATE inventory_items SET display_label = 'Another'").await.unwrap();
        let importing = import(&world);
        let mut watch = world.raw().await;
        somebody_waits(&mut watch).await;
        raw.execute("COMMIT").await.unwrap();
        raw.close().await.unwrap();
        let counts = importing.await.unwrap();
        assert_eq!((counts.changed, counts.unchanged), (1, 0));
        let label = watch.value("SELECT display_label FROM inventory_items").await.unwrap();
        assert_eq!(label.as_deref(), Some("Widget W"));
        watch.close().await.unwrap();
    });
}
