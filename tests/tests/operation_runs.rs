//! Operations at a provider from their start to their end, by both faces of the stand-in: what they answer, what they keep,
//! what they tell of.
#![expect(clippy::unwrap_used, reason = "a test that fails says why")]

use std::collections::BTreeSet;

use provident::actor::SystemActor;
use provident::connection::HealthStatus;
use provident::error::Error;
use provident::inventory::{InventoryFilter, InventoryItem, ObservationStatus};
use provident::page::PageRequest;
use provident::registry::{RunOutcome, RunStatus};
use provident::run::{ConnectionChoice, CountKey, OperationType, RunFilter, StartOperation};
use provident_tests::database::{TestDatabase, on_both_engines};
use provident_tests::installation::{Installation, Tenant};
use provident_tests::provider::{API_KEY, CLIENT_ID, CLIENT_SECRET, DIRECTORY_ID, foreign, through, worker};
use provident_tests::stand_in::{Behaviour, RetryAfter, StandIn, fake};
use serde_json::json;
use uuid::Uuid;

use OperationType::{ComplianceSnapshot, HealthCheck, InventoryCollect};

async fn inventory(world: &Installation, tenant: &Tenant) -> Vec<InventoryItem> {
    let (mut items, mut next) = (Vec::new(), PageRequest::new(u32::MAX, None));
    loop {
        let filter = InventoryFilter::default();
        let (at, here) = (&tenant.workspace, tenant.environment_id);
        let page = world.service.inventory(tenant.owner, at, here, &filter, next).await.unwrap();
        items.extend(page.items);
        let Some(after) = page.next else { return items };
        next = PageRequest::new(u32::MAX, Some(after));
    }
}

fn keys(items: &[InventoryItem]) -> BTreeSet<String> {
    items.iter().map(|item| item.canonical_subject_key.to_string()).collect()
}

async fn actions(world: &Installation, tenant: &Tenant, run_id: Uuid) -> Vec<String> {
    let (mut actions, mut after) = (Vec::new(), 0);
    loop {
        let events = world.service.audit_events(tenant.owner, &tenant.workspace, None, after, 500).await.unwrap();
        let Some(last) = events.last() else { return actions };
        after = last.event.number;
        let of_run = |event: &&provident::audit::ChainedEvent| event.event.source_operation_run_id == Some(run_id);
        actions.extend(events.iter().filter(of_run).map(|event| event.event.action.clone()));
    }
}

#[test]
fn every_operation_is_done_by_both_providers() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        let (ours, theirs) = (fake::invented(1, 200), foreign::invented(1, 200));
        stand_in.api_key(API_KEY, &ours);
        stand_in.directory(DIRECTORY_ID, &theirs);
        stand_in.client(DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET);
        stand_in.set_page_size(20);
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let here = tenant.environment_id;
        let fake = world.fake_connection(tenant, here, API_KEY).await;
        let other = world.foreign_connection(tenant, here, (DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET)).await;
        for (connection_id, held) in [(fake, &ours), (other, &theirs)] {
            let checked = world.done(&worker, tenant, HealthCheck, connection_id).await;
            assert_eq!((checked.outcome, &checked.reason_code), (Some(RunOutcome::Succeeded), &None));
            let connection = world.service.connection(tenant.readonly, &tenant.workspace, connection_id).await.unwrap();
            assert_eq!(connection.health_status, HealthStatus::Healthy);
            assert!(connection.health_checked_at.is_some());

            let collected = world.done(&worker, tenant, InventoryCollect, connection_id).await;
            assert_eq!(collected.outcome, Some(RunOutcome::Succeeded), "{:?}", collected.message);
            let counts = &collected.summary_counts;
            let objects = counts.get(CountKey::Objects);
            assert!(objects > 100, "{objects}");
            assert_eq!(counts.get(CountKey::Refused), 0);
            let sum = [CountKey::Added, CountKey::Changed, CountKey::Unchanged, CountKey::Refused];
            assert_eq!(sum.iter().map(|key| counts.get(*key)).sum::<u64>(), objects);
            assert_eq!(counts.get(CountKey::CollectionsFailed), 0);
            assert!(counts.get(CountKey::Pages) >= counts.get(CountKey::Collections));
            assert!(counts.get(CountKey::Requests) >= counts.get(CountKey::Pages));

            let snapshot = world.done(&worker, tenant, ComplianceSnapshot, connection_id).await;
            assert_eq!(snapshot.outcome, Some(RunOutcome::Succeeded), "{:?}", snapshot.message);
            let told: u64 = held.summary().values().sum();
            assert!(told > 0);
            let filter = RunFilter { operation_type: Some(ComplianceSnapshot.as_str().to_owned()), active: false };
            let (at, page) = (&tenant.workspace, PageRequest::default());
            let listed = world.service.runs(tenant.readonly, at, here, &filter, page).await.unwrap().items;
            assert_eq!(listed[0], snapshot, "its counts are stored and listed");
            assert!(listed[0].summary_counts.get(CountKey::Compliant) > 0);
            for run in [&checked, &collected, &snapshot] {
                let registered = run.operation_type.parse::<OperationType>().unwrap().registered().counts;
                let counted: Vec<&str> = run.summary_counts.iter().map(|(key, _)| key).collect();
                assert!(counted.iter().all(|key| registered.iter().any(|known| known.as_str() == *key)), "{counted:?}");
            }
        }
        let items = inventory(&world, tenant).await;
        assert!(items.iter().all(|item| item.provider_connection_id
            == Some(if item.identity.provider_key == fake::KEY { fake } else { other })));
    });
}

#[test]
fn what_is_collected_has_the_keys_of_what_is_imported_from_files() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        let held = fake::invented(2, 150);
        stand_in.api_key(API_KEY, &held);
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let connection_id = world.fake_connection(tenant, tenant.environment_id, API_KEY).await;
        world.done(&worker, tenant, InventoryCollect, connection_id).await;
        let collected = keys(&inventory(&world, tenant).await);

        let adapter = provident_identity::Adapter::embedded(fake::KEY).unwrap();
        let (service, at) = (&world.service, &world.rival.workspace);
        let mut import = service.begin_import(world.rival.owner, at, world.rival.environment_id, None).await.unwrap();
        let mut from = 0;
        for page in held.pages(50) {
            let items = provident::service::described(&adapter, &page, from);
            from += u64::try_from(items.len()).unwrap();
            service.import_chunk(&mut import, &items).await.unwrap();
        }
        service.finish_import(&import).await.unwrap();
        let imported = keys(&inventory(&world, &world.rival).await);
        assert!(collected.len() > 100);
        assert_eq!(collected, imported);
    });
}

#[test]
fn the_same_operation_is_the_same_run_and_another_is_told_which_one_it_waits_for() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let tenant = &world.acme;
        let first = world.bare_connection(tenant, tenant.environment_id, None).await;
        let second = world.bare_connection(tenant, tenant.environment_id, None).await;
        let started = world.start(tenant, HealthCheck, first).await;
        assert_eq!((started.deduplicated, started.run.status), (false, RunStatus::Queued));
        let again = world.start(tenant, HealthCheck, first).await;
        assert_eq!((again.deduplicated, again.run.id), (true, started.run.id));
        let by_default = StartOperation {
            operation_type: HealthCheck,
            connection: ConnectionChoice::DefaultOf(fake::KEY.to_owned()),
        };
        let (at, here) = (&tenant.workspace, tenant.environment_id);
        let again = world.service.start_operation(tenant.manager, at, here, &by_default).await.unwrap();
        assert_eq!((again.deduplicated, again.run.id), (true, started.run.id), "the first is the default");
        for start in [through(InventoryCollect, first), through(HealthCheck, second)] {
            let refused = world.service.start_operation(tenant.operator, at, here, &start).await.unwrap_err();
            let Error::Conflict(conflict) = &refused else { panic!("{refused}") };
            assert_eq!((refused.code(), conflict.active_run_id()), ("scope-busy", Some(started.run.id)));
        }
        assert_eq!(world.runs(tenant.readonly, tenant).await.len(), 1);
        // Another environment, and another workspace, are other scopes.
        let elsewhere = world.bare_connection(tenant, tenant.hidden_environment_id, None).await;
        let start = through(HealthCheck, elsewhere);
        let hidden = tenant.hidden_environment_id;
        assert!(!world.service.start_operation(tenant.owner, at, hidden, &start).await.unwrap().deduplicated);
        let rivals = world.bare_connection(&world.rival, world.rival.environment_id, None).await;
        assert!(!world.start(&world.rival, HealthCheck, rivals).await.deduplicated);
    });
}

#[test]
fn two_environments_of_one_directory_are_one_scope_and_only_the_entitled_learn_whose_run_it_is() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let tenant = &world.acme;
        let (at, here, hidden) = (&tenant.workspace, tenant.environment_id, tenant.hidden_environment_id);
        let shown = world.bare_connection(tenant, here, Some("directory-1")).await;
        let unseen = world.bare_connection(tenant, hidden, Some("directory-1")).await;
        let theirs = through(HealthCheck, unseen);
        let active = world.service.start_operation(tenant.owner, at, hidden, &theirs).await.unwrap().run;
        let ours = through(HealthCheck, shown);
        for (actor, named) in [(tenant.owner, Some(active.id)), (tenant.operator, None)] {
            let refused = world.service.start_operation(actor, at, here, &ours).await.unwrap_err();
            let Error::Conflict(conflict) = &refused else { panic!("{refused}") };
            assert_eq!((refused.code(), conflict.active_run_id()), ("scope-busy", named));
        }
    });
}

#[test]
fn a_run_that_began_before_its_directory_was_known_is_in_the_way_of_the_directory() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let tenant = &world.acme;
        let (at, here) = (&tenant.workspace, tenant.environment_id);
        let first = world.bare_connection(tenant, here, None).await;
        let run = world.start(tenant, HealthCheck, first).await.run;
        let known = provident::connection::UpdateConnection {
            directory_id: Some("directory-1".to_owned()),
            ..Default::default()
        };
        let refused = world.service.update_connection(tenant.manager, at, first, &known).await.unwrap_err();
        assert_eq!(refused.code(), "scope-busy");
        world.service.cancel_run(tenant.operator, at, run.id).await.unwrap();
        let told = world.service.update_connection(tenant.manager, at, first, &known).await.unwrap();
        assert_eq!(told.directory_id.as_deref(), Some("directory-1"));
    });
}

#[test]
fn what_is_no_longer_there_is_marked_and_what_is_bound_to_it_stays() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        let held = fake::invented(3, 60);
        stand_in.api_key(API_KEY, &held);
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let (service, at, here) = (&world.service, &tenant.workspace, tenant.environment_id);
        let connection_id = world.fake_connection(tenant, here, API_KEY).await;
        let run = world.done(&worker, tenant, InventoryCollect, connection_id).await;
        let items = inventory(&world, tenant).await;
        let gone = held.ids("widgets")[0].clone();
        let item = items.iter().find(|item| item.identity.provider_resource_id.as_ref() == Some(&gone)).unwrap();
        let mut request = provident_tests::installation::exclusion("");
        request.subject = provident::binding::SubjectRef::InventoryItem(item.id);
        request.subject_domain = None;
        request.sources.operation_run_id = Some(run.id);
        let bound = service.create_binding(tenant.manager, at, here, &request).await.unwrap();
        let before = world.dump("provider_resource_bindings").await;

        assert!(held.remove("widgets", &gone));
        // A collection that is not read to its end says nothing about what it holds.
        stand_in.tell_times(&fake::path("widgets"), 1, Behaviour::Status(403));
        let partly = world.done(&worker, tenant, InventoryCollect, connection_id).await;
        assert_eq!(partly.outcome, Some(RunOutcome::PartiallySucceeded));
        assert_eq!(partly.reason_code.as_deref(), Some("collections-incomplete"));
        assert_eq!(partly.summary_counts.get(CountKey::NotObserved), 0);
        let same = service.inventory_item(tenant.owner, at, item.id).await.unwrap();
        assert_eq!(same.observation_status, ObservationStatus::Observed);
        // Nor does one that gave something that was not taken: it may be that.
        held.add("widgets", json!({ "ref": "odd", "shelf": "widgets", "origin": "nobody knows it" }));
        let doubtful = world.done(&worker, tenant, InventoryCollect, connection_id).await;
        let counted = [CountKey::Refused, CountKey::NotObserved].map(|key| doubtful.summary_counts.get(key));
        assert_eq!(counted, [1, 0]);
        assert!(held.remove("widgets", "odd"));

        let whole = world.done(&worker, tenant, InventoryCollect, connection_id).await;
        assert_eq!(whole.outcome, Some(RunOutcome::Succeeded));
        assert_eq!(whole.summary_counts.get(CountKey::NotObserved), 1);
        let marked = service.inventory_item(tenant.owner, at, item.id).await.unwrap();
        assert_eq!(marked.observation_status, ObservationStatus::NotObserved);
        assert_eq!(inventory(&world, tenant).await.len(), items.len(), "nothing is deleted");
        assert_eq!(world.dump("provider_resource_bindings").await, before, "the decision stands, with its sources");
        assert_eq!(service.binding(tenant.owner, at, bound.id).await.unwrap().sources.operation_run_id, Some(run.id));
    });
}

#[test]
fn a_run_is_told_of_when_it_starts_begins_and_ends_and_its_end_once() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        stand_in.api_key(API_KEY, &fake::invented(4, 10));
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let connection_id = world.fake_connection(tenant, tenant.environment_id, API_KEY).await;
        let checked = world.done(&worker, tenant, HealthCheck, connection_id).await;
        assert_eq!(
            actions(&world, tenant, checked.id).await,
            ["run.started", "run.begun", "connection.checked", "run.ended"]
        );
        stand_in.tell("/pulse", Behaviour::Status(403));
        let failed = world.done(&worker, tenant, HealthCheck, connection_id).await;
        assert_eq!(
            (failed.outcome, failed.reason_code.as_deref()),
            (Some(RunOutcome::Failed), Some("permission-denied"))
        );
        let connection = world.service.connection(tenant.owner, &tenant.workspace, connection_id).await.unwrap();
        assert_eq!(connection.health_status, HealthStatus::Degraded);
        assert_eq!(connection.health_reason_code.as_deref(), Some("permission-denied"));
        stand_in.behave();

        let cancelled = world.start(tenant, HealthCheck, connection_id).await.run;
        let ended = world.service.cancel_run(tenant.operator, &tenant.workspace, cancelled.id).await.unwrap();
        assert_eq!((ended.outcome, ended.status), (Some(RunOutcome::Cancelled), RunStatus::Completed));
        assert!(!worker.work_once().await.unwrap(), "it is off the queue");
        let again = world.service.cancel_run(tenant.operator, &tenant.workspace, cancelled.id).await.unwrap_err();
        assert_eq!(again.code(), "run-ended");
        assert_eq!(actions(&world, tenant, cancelled.id).await, ["run.started", "run.cancelled"]);
        assert_eq!(world.count("run_queue").await, 0);
    });
}

#[test]
fn the_end_of_a_run_is_told_to_who_started_it_and_of_a_systems_run_to_nobody() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        stand_in.api_key(API_KEY, &fake::invented(5, 10));
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let (here, system) = (tenant.environment_id, SystemActor::of_the_host());
        let connection_id = world.fake_connection(tenant, here, API_KEY).await;
        let start = through(HealthCheck, connection_id);
        let of_system = world.service.start_automatic_operation(&system, tenant.workspace_id, here, &start);
        let of_system = of_system.await.unwrap().run;
        assert!(worker.work_once().await.unwrap());
        let of_operator = world.done(&worker, tenant, HealthCheck, connection_id).await;
        let events = world.service.audit_events(tenant.owner, &tenant.workspace, None, 0, 500).await.unwrap();
        for (run_id, target) in [(of_system.id, None), (of_operator.id, Some(tenant.operator.user_id()))] {
            let ends: Vec<_> = events
                .iter()
                .filter(|event| {
                    event.event.source_operation_run_id == Some(run_id) && event.event.action == "run.ended"
                })
                .collect();
            assert_eq!(ends.len(), 1);
            assert_eq!(ends[0].event.target_id, target);
            assert_eq!(ends[0].event.run_outcome.as_deref(), Some("succeeded"));
            assert_eq!(ends[0].event.operation_type.as_deref(), Some("health.check"));
        }
    });
}

#[test]
fn a_platforms_runs_are_invisible_to_gate_and_workers() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let (tenant, stand_in) = (&world.acme, StandIn::start());
        let connection_id = world.bare_connection(tenant, tenant.environment_id, None).await;
        let row = world.row(tenant, tenant.environment_id, "operation_runs");
        let scope = format!("{}:environment:{}", fake::KEY, tenant.environment_id);
        let row = row.with("origin", "mirrored").with("external_ref", "run-1").with("scope_key", scope);
        let mut raw = world.raw().await;
        row.with("provider_key", fake::KEY)
            .with("provider_connection_id", connection_id)
            .insert(&mut raw)
            .await
            .unwrap();
        raw.close().await.unwrap();
        assert!(!worker(&world.service, &stand_in).work_once().await.unwrap(), "nobody works on it");
        assert!(!world.start(tenant, InventoryCollect, connection_id).await.deduplicated, "nobody is in its way");
        assert_eq!(world.runs(tenant.readonly, tenant).await.len(), 2, "it is seen");
        let mirrored = world.runs(tenant.owner, tenant).await.into_iter().find(|run| run.origin == "mirrored").unwrap();
        let refused = world.service.cancel_run(tenant.operator, &tenant.workspace, mirrored.id).await.unwrap_err();
        assert_eq!(refused.code(), "run-ended");
    });
}

#[test]
fn what_goes_wrong_ends_a_run_with_its_reason() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        stand_in.api_key(API_KEY, &fake::invented(6, 10));
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let (service, at, here) = (&world.service, &tenant.workspace, tenant.environment_id);
        let bare = world.bare_connection(tenant, here, None).await;
        let reason = async |operation, connection_id| {
            let run = world.done(&worker, tenant, operation, connection_id).await;
            assert_eq!(run.outcome, Some(RunOutcome::Failed));
            run.reason_code.unwrap()
        };
        assert_eq!(reason(InventoryCollect, bare).await, "credential-missing");
        world.give_key(tenant, bare, "a-key-nobody-knows").await;
        assert_eq!(reason(HealthCheck, bare).await, "credential-rejected");
        world.give_key(tenant, bare, API_KEY).await;
        stand_in.tell("/shelves/", Behaviour::Status(403));
        assert_eq!(reason(InventoryCollect, bare).await, "permission-denied", "every collection");
        stand_in.tell("/pulse", Behaviour::Throttled(RetryAfter::Seconds(86_400)));
        assert_eq!(reason(HealthCheck, bare).await, "provider-throttled");
        stand_in.tell("/ledger", Behaviour::WrongShape);
        assert_eq!(reason(ComplianceSnapshot, bare).await, "response-malformed");
        // Disabled between its start and its beginning.
        world.start(tenant, HealthCheck, bare).await;
        let refused = service.disable_connection(tenant.manager, at, bare, false).await.unwrap_err();
        assert_eq!(refused.code(), "default-connection");
        service.disable_connection(tenant.manager, at, bare, true).await.unwrap();
        assert!(worker.work_once().await.unwrap());
        assert_eq!(world.runs(tenant.owner, tenant).await[0].reason_code.as_deref(), Some("connection-disabled"));
        let refused =
            service.start_operation(tenant.operator, at, here, &through(HealthCheck, bare)).await.unwrap_err();
        assert_eq!(refused.code(), "connection-disabled");
    });
}
