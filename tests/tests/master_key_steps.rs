//! What happens between the steps of a rotation: one that stopped after any of them, keys that are not the ones known, and
//! whoever seals or sets at the same moment. The whole of it, killed and beside a server: `master_key_rotation.rs`.
#![cfg(test)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use provident::clock::{Clock, Ids};
use provident::registry::RunOutcome;
use provident::run::OperationType;
use provident::secret::{MasterKey, MasterKeys};
use provident::service::{Service, Settings};
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines};
use provident_tests::installation::{Installation, exclusion, key, plane, settings};
use provident_tests::provider::{credentials, worker};
use provident_tests::rows::LATER;
use provident_tests::stand_in::{StandIn, fake};
use uuid::Uuid;

fn key_file(world: &Installation) -> PathBuf {
    world.directory.path().join("master.key")
}

/// The key of the world, and one of the next version.
fn keys(world: &Installation) -> (Arc<MasterKey>, MasterKey) {
    let first = MasterKeys::load(&key_file(world)).unwrap().newest();
    let second = first.generate_next(&Ids::seeded(2)).unwrap();
    (first, second)
}

fn write(world: &Installation, keys: &[&MasterKey]) {
    let text: Vec<String> = keys.iter().map(|key| key.to_text().to_string()).collect();
    fs::write(key_file(world), text.join("\n")).unwrap();
}

/// The settings of the world, at a later time, with ids that are not given twice.
fn later(world: &Installation) -> Settings {
    let mut later = settings(&world.database, &world.directory);
    (later.ids, later.clock) = (Ids::system(), Clock::system());
    later
}

/// Step *b*, and nothing after it.
async fn supersede(raw: &mut Raw, second: &MasterKey) {
    let fingerprint = second.fingerprint();
    for sql in [
        format!("UPDATE master_keys SET superseded_at = '{LATER}'"),
        format!("INSERT INTO master_keys (version, fingerprint, created_at) VALUES (2, '{fingerprint}', '{LATER}')"),
    ] {
        raw.execute(&sql).await.unwrap();
    }
}

async fn set(service: &Service, world: &Installation, connection: Uuid, value: &str) -> String {
    let acme = &world.acme;
    let fields = credentials(&[("api_key", value)]);
    let set = service.set_provider_credentials(acme.owner, &acme.workspace, connection, &fields).await;
    set.map_or_else(|error| error.code().to_owned(), |_| "ok".to_owned())
}

/// Whether a connection opens with this value, and with no other.
async fn opens(service: &Arc<Service>, world: &Installation, connection: Uuid, value: &str) {
    let stand_in = StandIn::start();
    stand_in.api_key(value, &fake::invented(1, 1));
    let worker = worker(service, &stand_in);
    let run = world.done(&worker, &world.acme, OperationType::HealthCheck, connection).await;
    assert_eq!((run.outcome, run.reason_code), (Some(RunOutcome::Succeeded), None), "{value}");
}

#[test]
fn a_key_of_the_right_version_that_is_another_one_seals_nothing_and_the_right_one_goes_on() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let connection = world.fake_connection(acme, acme.environment_id, "first").await;
        let (first, second) = keys(&world);
        let wrong = first.generate_next(&Ids::seeded(3)).unwrap();
        let mut raw = world.raw().await;

        // Whoever loaded the wrong one before it mattered.
        write(&world, &[&first, &wrong]);
        let misled = Service::open(&later(&world)).await.unwrap();
        supersede(&mut raw, &second).await;
        assert_eq!(set(&misled, &world, connection, "second").await, "master-key-mismatch");
        let made = misled.create_workspace(&plane(), "third", "Third", acme.owner.user_id()).await;
        assert_eq!(made.unwrap_err().code(), "master-key-mismatch");
        assert_eq!(misled.rotate_master_key(&plane()).await.unwrap_err().code(), "master-key-mismatch");
        let refused = Service::open(&later(&world)).await.unwrap_err();
        assert_eq!(refused.code(), "master-key-mismatch");

        // Notes are still under the first, so that whoever has that alone goes on with them, and seals nothing.
        write(&world, &[&first]);
        let request = exclusion(&key("still"));
        world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await.unwrap();
        assert_eq!(set(&world.service, &world, connection, "second").await, "master-key-superseded");

        write(&world, &[&first, &second]);
        assert_eq!(set(&world.service, &world, connection, "second").await, "ok");
        let rotated = world.service.rotate_master_key(&plane()).await.unwrap();
        assert_eq!(
            (rotated.version, rotated.note_keys, rotated.data_keys),
            (2, 3, 0),
            "it was sealed under it at once"
        );
        assert_eq!((rotated.retired.as_slice(), rotated.unopened.len()), (&[1][..], 0));
        let opened = Arc::new(Service::open(&later(&world)).await.unwrap());
        opens(&opened, &world, connection, "second").await;
        raw.close().await.unwrap();
    });
}

#[test]
fn a_rotation_that_stopped_before_the_file_was_rewritten_ends_with_that() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let (first, second) = keys(&world);
        write(&world, &[&first, &second]);
        world.service.rotate_master_key(&plane()).await.unwrap();
        write(&world, &[&first, &second]);
        let events = world.count("audit_events").await;
        let again = world.service.rotate_master_key(&plane()).await.unwrap();
        assert_eq!((again.version, again.note_keys, again.retired.len()), (2, 0, 0));
        assert_eq!(world.count("audit_events").await, events, "nothing was done that is told of");
        assert_eq!(MasterKeys::load(&key_file(&world)).unwrap().versions(), [2]);
        // And the next one is a rotation again.
        assert_eq!(world.service.rotate_master_key(&plane()).await.unwrap().version, 3);
        assert_eq!(MasterKeys::load(&key_file(&world)).unwrap().versions(), [3]);
    });
}

/// A rotation that is under way for a moment.
async fn begin_to_rotate(world: &Installation) -> tokio::task::JoinHandle<provident::service::MasterKeyRotation> {
    let service = Arc::clone(&world.service);
    let rotating = tokio::spawn(async move { service.rotate_master_key(&plane()).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!rotating.is_finished(), "nothing is in its way");
    rotating
}

#[tokio::test]
async fn no_key_is_superseded_while_somebody_seals_with_it() {
    let world = Installation::on(TestDatabase::migrated(Engine::Postgres).await).await;
    let acme = &world.acme;
    let connection = world.fake_connection(acme, acme.environment_id, "first").await;
    let mut raw = world.raw().await;
    // Whoever sets now has sealed, and waits for the end of the chain.
    let id = raw.engine().id(acme.workspace_id);
    raw.execute(&format!("BEGIN; SELECT 1 FROM audit_heads WHERE workspace_id = {id} FOR UPDATE")).await.unwrap();
    let service = Arc::clone(&world.service);
    let (owner, workspace) = (acme.owner, acme.workspace.clone());
    let setting = tokio::spawn(async move {
        let fields = credentials(&[("api_key", "second")]);
        service.set_provider_credentials(owner, &workspace, connection, &fields).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!setting.is_finished());
    let rotating = begin_to_rotate(&world).await;
    let current = raw.value("SELECT version FROM master_keys WHERE superseded_at IS NULL").await.unwrap();
    assert_eq!(current.as_deref(), Some("1"), "somebody seals with it");
    raw.execute("COMMIT").await.unwrap();
    setting.await.unwrap();
    let rotation = rotating.await.unwrap();
    assert_eq!((rotation.version, rotation.data_keys, rotation.retired.as_slice()), (2, 1, &[1][..]));
    raw.close().await.unwrap();
    let opened = Arc::new(Service::open(&later(&world)).await.unwrap());
    opens(&opened, &world, connection, "second").await;
}

#[tokio::test]
async fn what_is_set_while_it_is_sealed_anew_is_not_overwritten() {
    let world = Installation::on(TestDatabase::migrated(Engine::Postgres).await).await;
    let acme = &world.acme;
    let connection = world.fake_connection(acme, acme.environment_id, "first").await;
    let mut raw = world.raw().await;
    raw.execute("CREATE TABLE before AS SELECT * FROM provider_credentials").await.unwrap();
    assert_eq!(set(&world.service, &world, connection, "second").await, "ok");
    // Somebody sets the first value again, as it lay there, and has not committed yet.
    raw.execute(
        "BEGIN; UPDATE provider_credentials c SET value_sealed = b.value_sealed, data_key_sealed = b.data_key_sealed \
         FROM before b WHERE b.provider_connection_id = c.provider_connection_id AND b.field = c.field",
    )
    .await
    .unwrap();
    let rotating = begin_to_rotate(&world).await;
    raw.execute("COMMIT; DROP TABLE before").await.unwrap();
    let rotation = rotating.await.unwrap();
    // What was read to be sealed anew was no longer there, so the old key stays until it is looked at again.
    assert_eq!((rotation.data_keys, rotation.retired.len()), (0, 0));
    let rotation = world.service.rotate_master_key(&plane()).await.unwrap();
    assert_eq!((rotation.version, rotation.data_keys, rotation.retired.as_slice()), (2, 1, &[1][..]));
    raw.close().await.unwrap();
    let opened = Arc::new(Service::open(&later(&world)).await.unwrap());
    opens(&opened, &world, connection, "first").await;
}
