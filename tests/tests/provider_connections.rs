//! Connections: exactly one default as soon as there is one, at every instant; nothing that is bound goes with one that is put
//! out of use; one directory; a platform's are a platform's.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says why")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use provident::connection::{CreateConnection, ProviderConnection, UpdateConnection};
use provident::page::PageRequest;
use provident::registry::ConnectionStatus;
use provident::run::OperationType;
use provident::service::{Service, Settings};
use provident_tests::database::{TestDatabase, on_both_engines, say};
use provident_tests::installation::{Installation, exclusion, key};
use provident_tests::provider::{credentials, through};
use provident_tests::rows::fresh_id;
use provident_tests::stand_in::fake;
use tokio::task::JoinSet;
use uuid::Uuid;

const ROUNDS: usize = 12;
const CREATORS: usize = 8;
const CHOOSERS: usize = 8;

fn asked(name: &str) -> CreateConnection {
    CreateConnection {
        provider_key: fake::KEY.to_owned(),
        display_name: name.to_owned(),
        ..CreateConnection::default()
    }
}

async fn listed(world: &Installation) -> Vec<ProviderConnection> {
    let (acme, page) = (&world.acme, PageRequest::new(u32::MAX, None));
    world.service.connections_in(acme.readonly, &acme.workspace, acme.environment_id, None, page).await.unwrap().items
}

#[test]
fn the_first_is_the_default_and_another_becomes_it_in_its_place() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let (acme, service) = (&world.acme, &world.service);
        let (who, at, here) = (acme.manager, &acme.workspace, acme.environment_id);
        let first = service.create_connection(who, at, here, &asked("First")).await.unwrap();
        let second = service.create_connection(who, at, here, &asked("Second")).await.unwrap();
        assert_eq!((first.is_default, second.is_default), (true, false));
        let third = CreateConnection { make_default: true, ..asked("Third") };
        let third = service.create_connection(who, at, here, &third).await.unwrap();
        let defaults = async || {
            listed(&world).await.into_iter().filter(|one| one.is_default).map(|one| one.id).collect::<Vec<_>>()
        };
        assert_eq!(defaults().await, [third.id]);
        service.make_default_connection(who, at, second.id).await.unwrap();
        assert_eq!(defaults().await, [second.id]);
        // Not by accident: the default goes out of use only where that is meant, and stays the default.
        let refused = service.disable_connection(who, at, second.id, false).await.unwrap_err();
        assert_eq!(refused.code(), "default-connection");
        let disabled = service.disable_connection(who, at, second.id, true).await.unwrap();
        assert_eq!((disabled.status, disabled.is_default), (ConnectionStatus::Disabled, true));
        let refused = service.make_default_connection(who, at, second.id).await.unwrap_err();
        assert_eq!(refused.code(), "connection-disabled");
        service.disable_connection(who, at, first.id, false).await.unwrap();
        let refused = service.make_default_connection(who, at, first.id).await.unwrap_err();
        assert_eq!(refused.code(), "connection-disabled");
        service.enable_connection(who, at, first.id).await.unwrap();
        service.make_default_connection(who, at, first.id).await.unwrap();
        assert_eq!(defaults().await, [first.id]);
        assert_eq!(listed(&world).await.len(), 3);
    });
}

#[test]
fn what_is_bound_through_a_connection_stays_when_it_is_put_out_of_use() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let (acme, service) = (&world.acme, &world.service);
        let connection_id = world.bare_connection(acme, acme.environment_id, None).await;
        let mut request = exclusion(&key("1"));
        request.provider_connection_id = Some(connection_id);
        let at = &acme.workspace;
        let bound = service.create_binding(acme.manager, at, acme.environment_id, &request).await.unwrap();
        service.disable_connection(acme.manager, at, connection_id, true).await.unwrap();
        let same = service.binding(acme.readonly, at, bound.id).await.unwrap();
        assert_eq!((same.ending.is_none(), same.provider_connection_id), (true, Some(connection_id)));
    });
}

#[test]
fn a_provider_has_one_directory_in_an_environment() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let (acme, service) = (&world.acme, &world.service);
        let (who, at, here) = (acme.manager, &acme.workspace, acme.environment_id);
        let first = world.bare_connection(acme, here, None).await;
        let told = CreateConnection { directory_id: Some("directory-1".to_owned()), ..asked("Second") };
        let second = service.create_connection(who, at, here, &told).await.unwrap();
        assert_eq!(second.directory_id.as_deref(), Some("directory-1"));
        let same = service.connection(who, at, first).await.unwrap();
        assert_eq!(same.directory_id.as_deref(), Some("directory-1"), "it is the provider's, whoever said it");
        for other in ["directory-2", "Directory-1"] {
            let told = CreateConnection { directory_id: Some(other.to_owned()), ..asked("Third") };
            let refused = service.create_connection(who, at, here, &told).await.unwrap_err();
            assert_eq!(refused.code(), "connection-directory-mismatch");
            let told = UpdateConnection { directory_id: Some(other.to_owned()), ..UpdateConnection::default() };
            let refused = service.update_connection(who, at, first, &told).await.unwrap_err();
            assert_eq!(refused.code(), "connection-directory-mismatch");
        }
        for wrong in ["", " x", "a\nb"] {
            let told = CreateConnection { directory_id: Some(wrong.to_owned()), ..asked("Third") };
            assert_eq!(service.create_connection(who, at, here, &told).await.unwrap_err().code(), "bad-directory");
        }
        let unknown = CreateConnection { provider_key: "nobody".to_owned(), ..asked("Third") };
        assert_eq!(service.create_connection(who, at, here, &unknown).await.unwrap_err().code(), "unknown-provider");
        let nameless = asked(" ");
        assert_eq!(service.create_connection(who, at, here, &nameless).await.unwrap_err().code(), "bad-display-name");
    });
}

#[test]
fn a_platforms_connection_is_seen_here_and_changed_there() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let (acme, service, id) = (&world.acme, &world.service, fresh_id());
        let (who, at, here) = (acme.manager, &acme.workspace, acme.environment_id);
        let mut raw = world.raw().await;
        let directory = world.row(acme, here, "environment_directories").with("provider_key", fake::KEY);
        directory.insert(&mut raw).await.unwrap();
        let row = world.row(acme, here, "provider_connections").with("provider_key", fake::KEY).with("id", id);
        let row = row.with("origin", "mirrored").with("external_ref", "connection-1").with("is_default", true);
        row.insert(&mut raw).await.unwrap();
        raw.close().await.unwrap();
        let key = credentials(&[("api_key", "a-key")]);
        let renamed = UpdateConnection { display_name: Some("Renamed".to_owned()), ..UpdateConnection::default() };
        let start = through(OperationType::HealthCheck, id);
        for refused in [
            service.update_connection(who, at, id, &renamed).await.map(drop),
            service.make_default_connection(who, at, id).await.map(drop),
            service.enable_connection(who, at, id).await.map(drop),
            service.disable_connection(who, at, id, true).await.map(drop),
            service.set_provider_credentials(who, at, id, &key).await.map(drop),
            service.start_operation(who, at, here, &start).await.map(drop),
        ] {
            assert_eq!(refused.unwrap_err().code(), "connection-mirrored");
        }
        let own = service.create_connection(who, at, here, &asked("Own")).await.unwrap();
        assert!(!own.is_default, "there is one");
        service.make_default_connection(who, at, own.id).await.unwrap();
        let defaults: Vec<Uuid> = listed(&world).await.iter().filter(|one| one.is_default).map(|one| one.id).collect();
        assert_eq!(defaults, [own.id]);
    });
}

/// Looks again and again: as soon as an environment has a connection of a provider, one is the default, and never two.
async fn sample(world: &Installation, enough: &AtomicBool) -> (usize, BTreeSet<(String, String)>) {
    let (mut raw, mut looks, mut seen) = (world.raw().await, 0, BTreeSet::new());
    let text = "SELECT count(*), count(CASE WHEN is_default THEN 1 END) FROM provider_connections \
                GROUP BY workspace_id, managed_environment_id, provider_key";
    while !enough.load(Ordering::Relaxed) {
        for row in raw.rows(text).await.unwrap() {
            let how_many = if row[0].as_deref() == Some("1") { "one" } else { "several" };
            seen.insert((how_many.to_owned(), row[1].clone().unwrap()));
        }
        looks += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    raw.close().await.unwrap();
    (looks, seen)
}

#[test]
fn of_many_who_make_the_first_and_choose_the_default_one_is_it_at_every_instant() {
    on_both_engines(async |database: TestDatabase| {
        let engine = database.engine();
        let world = Arc::new(Installation::on(database).await);
        let master_key = world.directory.path().join("master.key");
        let mut settings = Settings::new(world.database.url(), master_key);
        settings.mutation_deadline = Duration::from_mins(1);
        // Two services, as two processes are: they share nothing but the database.
        let services =
            [Arc::new(Service::open(&settings).await.unwrap()), Arc::new(Service::open(&settings).await.unwrap())];
        let enough = Arc::new(AtomicBool::new(false));
        let sampler = {
            let (world, enough) = (Arc::clone(&world), Arc::clone(&enough));
            tokio::spawn(async move { sample(&world, &enough).await })
        };
        let acme = &world.acme;
        for round in 0..ROUNDS {
            let here = world.service.create_environment(acme.owner, &acme.workspace, "Another").await.unwrap().id;
            let mut racing = JoinSet::new();
            for number in 0..CREATORS {
                let (service, acme) = (Arc::clone(&services[number % 2]), acme.clone());
                let request = CreateConnection { make_default: number % 3 == 0, ..asked(&format!("{round}-{number}")) };
                racing.spawn(async move {
                    service.create_connection(acme.owner, &acme.workspace, here, &request).await.unwrap().id
                });
            }
            let made = racing.join_all().await;
            let mut racing = JoinSet::new();
            for number in 0..CHOOSERS {
                let (service, acme, id) = (Arc::clone(&services[number % 2]), acme.clone(), made[number % made.len()]);
                racing.spawn(async move {
                    service.make_default_connection(acme.owner, &acme.workspace, id).await.unwrap();
                });
            }
            racing.join_all().await;
        }
        enough.store(true, Ordering::Relaxed);
        let (looks, seen) = sampler.await.unwrap();
        assert!(seen.iter().all(|(_, defaults)| defaults == "1"), "{seen:?}");
        assert!(seen.len() == 2 || looks < 50, "both were seen: {seen:?}");
        say(&format!("defaults on {engine}: {} made and chosen, looked {looks} times", ROUNDS * (CREATORS + CHOOSERS)));
    });
}
