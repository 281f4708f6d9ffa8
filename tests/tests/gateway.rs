//! Runs against a provider on its bad days, at the pace everybody keeps: what becomes of them, how often and how late the
//! provider is asked again, whom else is asked, and what is kept and told of it. How a session goes about it is held beside the
//! gateway.

#![cfg(test)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident::registry::RunOutcome;
use provident::run::{CountKey, OperationRun, OperationType};
use provident_tests::database::{TestDatabase, on_both_engines};
use provident_tests::installation::Installation;
use provident_tests::provider::{API_KEY, CLIENT_ID, CLIENT_SECRET, DIRECTORY_ID, foreign, worker};
use provident_tests::stand_in::{Behaviour, RetryAfter, StandIn, fake};
use provident_tests::tables;

use OperationType::{ComplianceSnapshot, HealthCheck, InventoryCollect};

const SHELF: &str = "/shelves/widgets";

/// Whether each wait was at least as long as asked for.
#[track_caller]
fn keeps_waits(stand_in: &StandIn, place: &str, least_ms: &[u64]) {
    let gaps = stand_in.gaps(place);
    let least: Vec<_> = least_ms.iter().map(|ms| Duration::from_millis(*ms)).collect();
    assert_eq!(gaps.len(), least.len(), "{gaps:?}");
    assert!(gaps.iter().zip(&least).all(|(gap, least)| gap >= least), "{gaps:?} are not {least:?}");
    assert!(gaps.iter().zip(&least).all(|(gap, least)| *gap < *least + Duration::from_secs(3)), "{gaps:?}");
}

#[test]
fn a_provider_on_a_bad_day_is_asked_again_late_enough_and_then_the_run_goes_on() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        stand_in.api_key(API_KEY, &fake::invented(1, 10));
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let connection = world.fake_connection(tenant, tenant.environment_id, API_KEY).await;
        let cases: [(Behaviour, u64, &[u64]); 7] = [
            (Behaviour::Throttled(RetryAfter::Seconds(2)), 1, &[2_000]),
            (Behaviour::Throttled(RetryAfter::Date(2)), 1, &[2_000]),
            (Behaviour::Throttled(RetryAfter::Unsaid), 2, &[500, 1_000]),
            (Behaviour::Unavailable(RetryAfter::Seconds(1)), 2, &[1_000, 1_000]),
            (Behaviour::Unavailable(RetryAfter::Text("tomorrow".to_owned())), 1, &[500]),
            (Behaviour::ResetBeforeAnswer, 2, &[500, 1_000]),
            (Behaviour::ResetInBody, 1, &[500]),
        ];
        for (behaviour, times, waits) in cases {
            stand_in.clear();
            stand_in.tell_times("/pulse", times, behaviour.clone());
            let run = world.done(&worker, tenant, HealthCheck, connection).await;
            assert_eq!(run.outcome, Some(RunOutcome::Succeeded), "{behaviour:?}: {:?}", run.message);
            assert_eq!(run.summary_counts.get(CountKey::Retries), times, "{behaviour:?}");
            assert_eq!(run.summary_counts.get(CountKey::Requests), times + 1, "{behaviour:?}");
            keeps_waits(&stand_in, "/pulse", waits);
        }
    });
}

#[test]
fn a_provider_that_does_not_recover_ends_the_run_inside_its_time() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        stand_in.api_key(API_KEY, &fake::invented(1, 10));
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let connection = world.fake_connection(tenant, tenant.environment_id, API_KEY).await;
        let day = || RetryAfter::Seconds(86_400);
        let cases: [(Behaviour, &str, &[u64]); 4] = [
            (Behaviour::ResetBeforeAnswer, "provider-unreachable", &[500, 1_000, 2_000]),
            (Behaviour::Throttled(day()), "provider-throttled", &[]),
            (Behaviour::Throttled(RetryAfter::Date(86_400)), "provider-throttled", &[]),
            (Behaviour::Unavailable(day()), "provider-unavailable", &[]),
        ];
        for (behaviour, reason, waits) in cases {
            stand_in.clear();
            stand_in.behave();
            stand_in.tell("/pulse", behaviour.clone());
            let begun = Instant::now();
            let run = world.done(&worker, tenant, HealthCheck, connection).await;
            assert_eq!((run.outcome, run.reason_code.as_deref()), (Some(RunOutcome::Failed), Some(reason)));
            assert!(begun.elapsed() < Duration::from_secs(20), "{behaviour:?}: {:?}", begun.elapsed());
            keeps_waits(&stand_in, "/pulse", waits);
        }
        // In the middle of a list, which is then not complete, and nothing after it is asked for.
        stand_in.behave();
        stand_in.clear();
        stand_in.tell("/shelves/meters", Behaviour::Throttled(day()));
        let run = world.done(&worker, tenant, InventoryCollect, connection).await;
        assert_eq!(run.reason_code.as_deref(), Some("provider-throttled"));
        assert_eq!((stand_in.count_of("/shelves/meters"), stand_in.count_of(SHELF)), (1, 0));
    });
}

/// One collection that fails does not keep the others from being read; which one it was and why is told in our words.
#[test]
fn what_is_wrong_with_one_collection_is_told_and_the_others_are_read() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        let elsewhere = StandIn::start();
        stand_in.api_key(API_KEY, &fake::invented(1, 200));
        stand_in.set_page_size(10);
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let connection = world.fake_connection(tenant, tenant.environment_id, API_KEY).await;
        let oversized = |is_said| Behaviour::Oversized { bytes: 1 << 40, is_said };
        for (behaviour, reason) in [
            (Behaviour::Status(403), "permission-denied"),
            (Behaviour::Status(404), "provider-not-found"),
            (Behaviour::Status(500), "provider-refused"),
            (Behaviour::Malformed, "response-malformed"),
            (Behaviour::WrongShape, "response-malformed"),
            (Behaviour::Exactly(200, "<html>".to_owned()), "response-malformed"),
            (oversized(true), "response-too-large"),
            (oversized(false), "response-too-large"),
            (Behaviour::NextIsSelf, "paging-endless"),
            (Behaviour::NextElsewhere(format!("{}{SHELF}", elsewhere.base_url())), "paging-elsewhere"),
            (Behaviour::NextElsewhere("/ledger".to_owned()), "paging-elsewhere"),
        ] {
            stand_in.behave();
            stand_in.clear();
            stand_in.tell(SHELF, behaviour.clone());
            let run = world.done(&worker, tenant, InventoryCollect, connection).await;
            let said = (run.outcome, run.reason_code.as_deref());
            assert_eq!(said, (Some(RunOutcome::PartiallySucceeded), Some("collections-incomplete")), "{behaviour:?}");
            let message = run.message.unwrap();
            assert!(message.ends_with(&format!(": fake.widgets ({reason})")), "{behaviour:?}: {message}");
            assert_eq!(run.summary_counts.get(CountKey::CollectionsFailed), 1);
            assert_eq!(run.summary_counts.get(CountKey::Collections), 5);
            assert!(stand_in.count_of(SHELF) <= 2, "{behaviour:?}: {}", stand_in.count_of(SHELF));
            assert!(stand_in.count_of("/shelves/zones") > 0, "what comes after it is read");
        }
        assert_eq!(elsewhere.connections(), 0);
    });
}

#[test]
fn no_redirect_is_followed_and_no_token_shown_to_anybody_else() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        let elsewhere = StandIn::start();
        stand_in.directory(DIRECTORY_ID, &foreign::invented(1, 10));
        stand_in.client(DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET);
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let client = (DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET);
        let connection = world.foreign_connection(tenant, tenant.environment_id, client).await;
        let there = Behaviour::Redirect(format!("{}/v1.0/organization", elsewhere.base_url()));
        stand_in.tell(&foreign::token_path(DIRECTORY_ID), there.clone());
        let run = world.done(&worker, tenant, HealthCheck, connection).await;
        assert_eq!(run.reason_code.as_deref(), Some("redirected"));
        stand_in.behave();
        stand_in.tell("/v1.0", there);
        let run = world.done(&worker, tenant, HealthCheck, connection).await;
        assert_eq!(run.reason_code.as_deref(), Some("redirected"));
        assert_eq!(elsewhere.connections(), 0);
    });
}

#[test]
fn a_token_that_ends_in_the_middle_of_a_run_is_fetched_anew() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        stand_in.directory(DIRECTORY_ID, &foreign::invented(1, 50));
        stand_in.client(DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET);
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let client = (DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET);
        let connection = world.foreign_connection(tenant, tenant.environment_id, client).await;
        stand_in.tell_after("/beta", 5, 1, Behaviour::ExpiredToken);
        let run = world.done(&worker, tenant, InventoryCollect, connection).await;
        assert_eq!(run.outcome, Some(RunOutcome::Succeeded), "{:?}", run.message);
        assert_eq!(stand_in.count_of(&foreign::token_path(DIRECTORY_ID)), 2);
        assert_eq!(run.summary_counts.get(CountKey::Retries), 1);

        // Kept from run to run, by the same worker.
        world.done(&worker, tenant, HealthCheck, connection).await;
        assert_eq!(stand_in.count_of(&foreign::token_path(DIRECTORY_ID)), 2);

        // Until the credentials are others.
        stand_in.client(DIRECTORY_ID, CLIENT_ID, "another-secret");
        stand_in.revoke_tokens();
        let run = world.done(&worker, tenant, HealthCheck, connection).await;
        assert_eq!(run.reason_code.as_deref(), Some("credential-rejected"));
        let fields =
            provident_tests::provider::credentials(&[("client_id", CLIENT_ID), ("client_secret", "another-secret")]);
        let set = world.service.set_provider_credentials(tenant.owner, &tenant.workspace, connection, &fields).await;
        set.unwrap();
        let run = world.done(&worker, tenant, HealthCheck, connection).await;
        assert_eq!(run.outcome, Some(RunOutcome::Succeeded));
    });
}

#[test]
fn two_connections_in_one_process_see_each_what_is_theirs() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        let worker = worker(&world.service, &stand_in);
        let directories = ["5ca1ab1e-0000-4000-8000-00000000000a", "5ca1ab1e-0000-4000-8000-00000000000b"];
        let mut seen = Vec::new();
        for ((seed, directory), tenant) in (1..).zip(directories).zip([&world.acme, &world.rival]) {
            let held = foreign::invented(seed, 60);
            stand_in.directory(directory, &held);
            // The same client with the same secret, in two directories.
            stand_in.client(directory, CLIENT_ID, CLIENT_SECRET);
            let client = (directory, CLIENT_ID, CLIENT_SECRET);
            let connection = world.foreign_connection(tenant, tenant.environment_id, client).await;
            let run = world.done(&worker, tenant, InventoryCollect, connection).await;
            assert_eq!(run.outcome, Some(RunOutcome::Succeeded), "{:?}", run.message);
            assert_eq!(stand_in.count_of(&foreign::token_path(directory)), 1);
            let page = PageRequest::new(u32::MAX, None);
            let (at, here) = (&tenant.workspace, tenant.environment_id);
            let items = world.service.inventory(tenant.owner, at, here, &InventoryFilter::default(), page).await;
            let ids: BTreeSet<String> =
                items.unwrap().items.into_iter().filter_map(|item| item.identity.provider_resource_id).collect();
            let theirs: BTreeSet<String> =
                held.collections().keys().flat_map(|name| held.ids(name)).map(|id| id.to_lowercase()).collect();
            assert!(ids.len() > 20);
            assert!(ids.iter().all(|id| theirs.contains(&id.to_lowercase())), "{ids:?}");
            seen.push(ids);
        }
        assert!(seen[0].is_disjoint(&seen[1]));
    });
}

/// All rows of all tables.
async fn everything(world: &Installation) -> String {
    let mut raw = world.raw().await;
    let mut text = String::new();
    for table in tables::all().chain(["run_queue"]) {
        for row in raw.rows(&format!("SELECT * FROM {table}")).await.unwrap() {
            text.push_str(&row.into_iter().flatten().collect::<Vec<_>>().join("|"));
            text.push('\n');
        }
    }
    text
}

#[test]
fn nothing_a_provider_says_and_no_credential_is_kept() {
    const CANARIES: [&str; 4] = ["canary-says-7d1e", "canary-payload-7d1e", "canary-secret-7d1e", "canary-key-7d1e"];
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        let [says, payload, secret, key] = CANARIES;
        let (ours, theirs) = (fake::invented(1, 40), foreign::invented(1, 40));
        ours.set_payload(payload);
        theirs.set_payload(payload);
        stand_in.set_canary(says);
        stand_in.api_key(key, &ours);
        stand_in.directory(DIRECTORY_ID, &theirs);
        stand_in.client(DIRECTORY_ID, CLIENT_ID, secret);
        let (worker, tenant) = (worker(&world.service, &stand_in), &world.acme);
        let here = tenant.environment_id;
        let fake = world.fake_connection(tenant, here, key).await;
        let other = world.foreign_connection(tenant, here, (DIRECTORY_ID, CLIENT_ID, secret)).await;
        let mut runs: Vec<OperationRun> = Vec::new();
        for connection in [fake, other] {
            for behaviour in [
                None,
                Some(Behaviour::Status(403)),
                Some(Behaviour::Status(500)),
                Some(Behaviour::Status(400)),
                Some(Behaviour::Status(401)),
                Some(Behaviour::Throttled(RetryAfter::Seconds(86_400))),
                Some(Behaviour::Exactly(200, says.to_owned())),
                Some(Behaviour::NextElsewhere(format!("https://{says}.test/"))),
            ] {
                stand_in.behave();
                if let Some(behaviour) = behaviour {
                    stand_in.tell("", behaviour);
                }
                for operation in [HealthCheck, InventoryCollect, ComplianceSnapshot] {
                    runs.push(world.done(&worker, tenant, operation, connection).await);
                }
            }
        }
        assert!(runs.iter().filter(|run| run.outcome == Some(RunOutcome::Failed)).count() > 20);
        let shown = format!("{runs:?}{}", serde_json::to_string(&runs).unwrap());
        let kept = everything(&world).await;
        assert!(kept.contains(CLIENT_ID) || kept.contains(DIRECTORY_ID), "the rows are there");
        for canary in CANARIES.map(str::to_owned).into_iter().chain(stand_in.tokens()) {
            let hex = hex::encode(&canary);
            for place in [&shown, &kept] {
                assert!(!place.contains(&canary) && !place.contains(&hex), "{canary}");
            }
        }
    });
}
