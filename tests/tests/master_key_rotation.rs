//! Another master key in the place of the current one: while a server goes on, killed at any moment, by two at once, from the
//! environment, and beside processes that know nothing of it. Afterwards everything opens, and the old key is not needed.
//!
//! The rotation that is killed is the program's own command. `ROTATION_KILLS` says how often per engine, `KILL_SEED` when.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use provident::clock::{Clock, Ids};
use provident::registry::RunOutcome;
use provident::run::OperationType;
use provident::secret::{MasterKey, MasterKeys};
use provident::service::{Auditor, MasterKeyState, Service, Settings};
use provident::workspace::WorkspaceRef;
use provident_tests::api::token;
use provident_tests::console::{Ran, command, run};
use provident_tests::database::{TestDatabase, on_both_engines, say};
use provident_tests::installation::{Installation, exclusion, key, plane, settings};
use provident_tests::provider::{API_KEY, credentials, worker};
use provident_tests::serving::Instance;
use provident_tests::stand_in::{StandIn, fake};
use provident_tests::trail::Dice;
use provident_tests::wire::{Ask, Wire};
use serde_json::json;
use uuid::Uuid;

const KILLS: usize = 50;
/// Connections whose credentials are set while keys are rotated.
const CONNECTIONS: usize = 24;
/// Workspaces that are there before.
const WORKSPACES: usize = 12;

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// An installation as a command line names it.
#[derive(Clone)]
struct Place {
    directory: PathBuf,
    database_url: String,
}

impl Place {
    fn of(world: &Installation) -> Self {
        Self { directory: world.directory.path().to_owned(), database_url: world.database.url() }
    }

    fn key_file(&self) -> PathBuf {
        self.directory.join("master.key")
    }

    /// The versions in the key file.
    fn versions(&self) -> Vec<u32> {
        MasterKeys::load(&self.key_file()).unwrap().versions()
    }

    fn arguments(&self, words: &[&str]) -> Vec<String> {
        let place = ["--data-dir", self.directory.to_str().unwrap(), "--database-url", &self.database_url];
        place.iter().chain(words).map(|word| (*word).to_owned()).collect()
    }

    fn rotate(&self) -> Ran {
        run(self.arguments(&["master-key", "rotate", "--format", "json"]), "")
    }

    fn begin_to_rotate(&self) -> Child {
        let mut begun = command(self.arguments(&["master-key", "rotate"]));
        begun.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

fn key_file(world: &Installation) -> PathBuf {
    Place::of(world).key_file()
}

fn versions(world: &Installation) -> Vec<u32> {
    Place::of(world).versions()
}

fn arguments(world: &Installation, words: &[&str]) -> Vec<String> {
    Place::of(world).arguments(words)
}

fn rotate(world: &Installation) -> Ran {
    Place::of(world).rotate()
}

async fn status(service: &Service) -> Vec<MasterKeyState> {
    service.master_key_status(&plane()).await.unwrap()
}

/// How many events of an action there are, in all chains.
async fn told(world: &Installation, action: &str) -> usize {
    let mut raw = world.raw().await;
    let counted = raw.value(&format!("SELECT count(*) FROM audit_events WHERE action = '{action}'")).await.unwrap();
    raw.close().await.unwrap();
    counted.unwrap().parse().unwrap()
}

fn code<T>(outcome: Result<T, provident::error::Error>) -> String {
    outcome.map_or_else(|error| error.code().to_owned(), |_| "ok".to_owned())
}

/// The settings of the world with keys as text in the place of the file, as they come from the environment.
fn from_environment(world: &Installation, keys: &[&str]) -> Settings {
    let mut given = settings(&world.database, &world.directory);
    given.ids = Ids::system();
    given.master_key_path = PathBuf::from("/nonexistent/master.key");
    given.master_key = Some(keys.join(" ").into());
    given
}

/// Somebody does something in a workspace, which takes its note key.
async fn act(service: &Service, world: &Installation, subject: &str) -> Result<(), provident::error::Error> {
    let (acme, request) = (&world.acme, exclusion(&key(subject)));
    service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await.map(drop)
}

#[test]
fn everything_is_sealed_anew_and_each_step_is_told_of() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        stand_in.api_key(API_KEY, &fake::invented(1, 1));
        let (acme, rival) = (&world.acme, &world.rival);
        let mut connections = Vec::new();
        for tenant in [acme, rival] {
            connections.push((tenant, world.fake_connection(tenant, tenant.environment_id, API_KEY).await));
        }
        world.excluded(&key("before")).await;
        let set_at = async |tenant: &provident_tests::installation::Tenant, id: Uuid| {
            world.service.connection(tenant.owner, &tenant.workspace, id).await.unwrap().credentials_set_at
        };
        let before = set_at(acme, connections[0].1).await;
        let old = fs::read_to_string(key_file(&world)).unwrap();

        let rotation = world.service.rotate_master_key(&plane()).await.unwrap();
        assert_eq!((rotation.version, rotation.note_keys, rotation.data_keys), (2, 3, 2));
        assert_eq!((rotation.retired.as_slice(), rotation.unopened.len(), rotation.drop_older), (&[1][..], 0, false));
        let new = fs::read_to_string(key_file(&world)).unwrap();
        assert_eq!((versions(&world), new.lines().count()), (vec![2], 1));
        assert!(new != old && fs::metadata(key_file(&world)).unwrap().permissions().mode() & 0o777 == 0o600);
        assert_eq!(fs::read_dir(world.directory.path()).unwrap().count(), 1, "no other file stays");
        assert_eq!(set_at(acme, connections[0].1).await, before, "nothing was set");

        let states = status(&world.service).await;
        let shown = states.iter().map(|key| (key.version, key.note_keys, key.data_keys)).collect::<Vec<_>>();
        assert_eq!(shown, [(1, 0, 0), (2, 3, 2)]);
        assert!(states[0].superseded_at.is_some() && states[0].retired_at.is_some());
        assert!(states[1].superseded_at.is_none() && states[1].given);
        assert_ne!(states[0].fingerprint, states[1].fingerprint);

        for (action, count) in [("rotated", 1), ("rewrapped", 3), ("retired", 1), ("registered", 0)] {
            assert_eq!(told(&world, &format!("master-key.{action}")).await, count, "{action}");
        }
        let told = world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        let event = &told.iter().rfind(|event| event.event.action == "master-key.rewrapped").unwrap().event;
        assert_eq!((event.kind.as_str(), event.actor_kind.as_str(), event.key_version), ("system", "system", Some(2)));

        // With the new key alone: notes, credentials, chains, and a dry look at nothing that is left.
        let opened = Arc::new(Service::open(&settings_of_later(&world)).await.unwrap());
        act(&opened, &world, "after").await.unwrap();
        let worker = worker(&opened, &stand_in);
        for (tenant, connection) in connections {
            let run = world.done(&worker, tenant, OperationType::HealthCheck, connection).await;
            assert_eq!((run.outcome, run.reason_code), (Some(RunOutcome::Succeeded), None));
            let verdict = opened.verify_audit(Auditor::System(&plane()), &tenant.workspace, None).await.unwrap();
            assert!(verdict.is_ok());
        }
        fs::write(key_file(&world), old).unwrap();
        let refused = Service::open(&settings(&world.database, &world.directory)).await;
        assert_eq!(code(refused), "master-key-superseded");
    });
}

#[test]
fn whoever_loaded_the_old_file_goes_on_and_so_does_whoever_loads_both() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let connection = world.fake_connection(acme, acme.environment_id, "first").await;
        let other = settings(&world.database, &world.directory);
        let stale = Service::open(&other).await.unwrap();

        // As whoever rotates leaves it who is killed when the file is written and nothing else.
        let first = MasterKeys::load(&key_file(&world)).unwrap().newest();
        let second = first.generate_next(&Ids::seeded(2)).unwrap();
        fs::write(key_file(&world), format!("{}\n{}\n", *first.to_text(), *second.to_text())).unwrap();
        let both = Service::open(&other).await.unwrap();
        for (slug, service) in [("by-stale", &stale), ("by-both", &both)] {
            let fields = credentials(&[("api_key", "another")]);
            service.set_provider_credentials(acme.owner, &acme.workspace, connection, &fields).await.unwrap();
            service.create_workspace(&plane(), slug, "W", acme.owner.user_id()).await.unwrap();
        }
        assert_eq!(status(&both).await.len(), 1, "the new one seals nothing yet");

        let rotated = world.service.rotate_master_key(&plane()).await.unwrap();
        assert_eq!((rotated.version, rotated.note_keys, rotated.data_keys), (2, 5, 1));
        let kept = MasterKeys::load(&key_file(&world)).unwrap();
        assert_eq!((kept.versions(), kept.newest().to_text()), (vec![2], second.to_text()), "no third key is made");
        for (number, service) in [&stale, &both].into_iter().enumerate() {
            act(service, &world, &format!("after-{number}")).await.unwrap();
            let fields = credentials(&[("api_key", "yet another")]);
            service.set_provider_credentials(acme.owner, &acme.workspace, connection, &fields).await.unwrap();
        }
        let shown =
            status(&both).await.iter().map(|key| (key.version, key.note_keys, key.data_keys)).collect::<Vec<_>>();
        assert_eq!(shown, [(1, 0, 0), (2, 5, 1)]);
        stale.close().await;
        both.close().await;
    });
}

#[test]
fn keys_from_the_environment_are_put_there_by_whoever_rotates() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let connection = world.fake_connection(acme, acme.environment_id, "first").await;
        let old = fs::read_to_string(key_file(&world)).unwrap().trim().to_owned();
        fs::remove_file(key_file(&world)).unwrap();
        let with_old = from_environment(&world, &[&old]);
        let stale = Service::open(&with_old).await.unwrap();
        assert_eq!(code(stale.rotate_master_key(&plane()).await), "next-master-key-required");

        let new = with_old.next_master_key().unwrap();
        assert!(new.starts_with("provident-master-1:2:") && *with_old.next_master_key().unwrap() != *new);
        let one = Service::open(&from_environment(&world, &[&new, &old])).await.unwrap();
        let two = Service::open(&from_environment(&world, &[&old, &new])).await.unwrap();
        act(&stale, &world, "1").await.unwrap();
        act(&one, &world, "2").await.unwrap();
        let plane = plane();
        let both = tokio::join!(one.rotate_master_key(&plane), two.rotate_master_key(&plane));
        let (one_rotated, two_rotated) = (both.0.unwrap(), both.1.unwrap());
        assert!(one_rotated.drop_older && two_rotated.drop_older);
        assert_eq!(one_rotated.note_keys + two_rotated.note_keys, 3, "each is sealed anew by one of them");
        assert_eq!([one_rotated.retired, two_rotated.retired].concat(), [1]);
        for (action, count) in [("rotated", 1), ("retired", 1)] {
            assert_eq!(told(&world, &format!("master-key.{action}")).await, count, "{action}");
        }
        // Once more there is nothing to do.
        let again = one.rotate_master_key(&plane).await.unwrap();
        assert_eq!((again.version, again.note_keys, again.data_keys, again.drop_older), (2, 0, 0, true));

        assert_eq!(code(act(&stale, &world, "3").await), "master-key-superseded");
        let fields = credentials(&[("api_key", "second")]);
        let set = stale.set_provider_credentials(acme.owner, &acme.workspace, connection, &fields).await;
        assert_eq!(code(set), "master-key-superseded");
        let made = stale.create_workspace(&plane, "late", "Late", acme.owner.user_id()).await;
        assert_eq!(code(made), "master-key-superseded");
        act(&one, &world, "4").await.unwrap();
        assert_eq!(code(Service::open(&with_old).await), "master-key-superseded");

        let alone = Service::open(&from_environment(&world, &[&new])).await.unwrap();
        act(&alone, &world, "5").await.unwrap();
        alone.set_provider_credentials(acme.owner, &acme.workspace, connection, &fields).await.unwrap();
        // Another key of that version is another key.
        let wrong = MasterKey::from_text(&old).unwrap().generate_next(&Ids::seeded(4)).unwrap().to_text();
        assert_eq!(code(Service::open(&from_environment(&world, &[&old, &wrong])).await), "master-key-mismatch");
        let twice = from_environment(&world, &[&new, &wrong]);
        assert_eq!(code(Service::open(&twice).await), "master-key-malformed");
    });
}

#[test]
fn one_at_a_time_puts_a_key_into_a_file() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let directory = File::open(world.directory.path()).unwrap();
        directory.try_lock().unwrap();
        let refused = rotate(&world);
        assert_eq!((refused.code, refused.error()["code"].as_str()), (6, Some("rotation-running")));
        assert_eq!((versions(&world), status(&world.service).await.len()), (vec![1], 1));
        directory.unlock().unwrap();
        // All begin at once, and each has a whole rotation or none.
        let begun: Vec<Child> = (0..4).map(|_| Place::of(&world).begin_to_rotate()).collect();
        let ended: Vec<i32> = begun.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
        let whole = ended.iter().filter(|code| **code == 0).count();
        assert!(whole >= 1 && ended.iter().all(|code| [0, 6].contains(code)), "{ended:?}");
        let last = u32::try_from(whole + 1).unwrap();
        assert_eq!((versions(&world), status(&world.service).await.len()), (vec![last], whole + 1));
        act(&world.service, &world, "after").await.unwrap();
    });
}

#[test]
fn an_installation_from_before_there_was_a_list_of_keys_gets_one() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        world.service.close().await;
        world.database.migrate_down(6).await.unwrap();
        world.database.migrate().await.unwrap();
        world.database.prepare().await;
        for _ in 0..2 {
            let opened = Service::open(&settings_of_later(&world)).await.unwrap();
            let states = status(&opened).await;
            assert_eq!((states.len(), states[0].version, states[0].note_keys), (1, 1, 3));
            opened.close().await;
        }
        assert_eq!(told(&world, "master-key.registered").await, 1);
        let ran = rotate(&world);
        assert_eq!(ran.json()["version"], json!(2));
    });
}

/// Settings of a time after the world was made, as processes of their own have it, with other ids.
fn settings_of_later(world: &Installation) -> Settings {
    let mut later = settings(&world.database, &world.directory);
    (later.ids, later.clock) = (Ids::system(), Clock::system());
    later
}

#[test]
fn the_command_line_makes_shows_and_rotates_keys() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let words = |words: &[&str]| arguments(&world, words);
        let shown = run(words(&["master-key", "status"]), "");
        assert!(shown.ok().contains("VERSION") && shown.ok().lines().count() == 2, "{shown:?}");
        let ran = rotate(&world).json();
        assert_eq!((&ran["version"], &ran["retired"]), (&json!(2), &json!([1])));
        let shown = run(words(&["--format", "json", "master-key", "status"]), "").json();
        assert_eq!((shown.as_array().unwrap().len(), &shown[1]["note_keys"]), (2, &json!(3)));
        let made = run(words(&["master-key", "generate"]), "");
        let next = MasterKey::from_text(made.ok()).unwrap();
        assert_eq!((next.version(), versions(&world)), (3, vec![2]), "it is kept nowhere");
        let first = run(["--data-dir", "/nonexistent", "master-key", "generate"], "");
        assert_eq!(MasterKey::from_text(first.ok()).unwrap().version(), 1);
        let keys = fs::read_to_string(key_file(&world)).unwrap();
        fs::remove_file(key_file(&world)).unwrap();
        let with = |keys: String| {
            let mut command = command(words(&["master-key", "rotate"]));
            provident_tests::console::run_command(command.env("PROVIDENT_MASTER_KEY", keys), b"")
        };
        let refused = with(keys.clone());
        assert!(refused.code == 3 && refused.stderr.starts_with("next-master-key-required"), "{refused:?}");
        let rotated = with(format!("{keys}\n{}", *next.to_text()));
        assert!(rotated.ok().contains("take the older keys out"), "{rotated:?}");
    });
}

/// What a server is told to do while keys are rotated, until it is told to stop: credentials of connections, one after the
/// other. Gives back what each was set to last.
async fn set_on_and_on(
    instance: &Instance,
    path: impl Fn(Uuid) -> String,
    token: &str,
    connections: &[Uuid],
    (stop, sets): (&AtomicBool, &AtomicUsize),
) -> BTreeMap<Uuid, String> {
    let mut wire = Wire::to(instance.address, token).await.unwrap();
    let mut last = BTreeMap::new();
    let mut turn = 0_usize;
    while !stop.load(Ordering::Relaxed) || last.len() < connections.len() {
        let connection = connections[turn % connections.len()];
        let value = format!("key-{turn}");
        let body = json!({ "fields": { "api_key": value } }).to_string();
        let path = path(connection);
        // What was not done within its time is asked again: then it is done, or asked again.
        loop {
            let answer = wire.ask(&Ask::post(&path, &body)).await.unwrap();
            if answer.status == 200 {
                break;
            }
            assert!(["deadline-exceeded", "database-busy"].contains(&answer.code().as_str()), "{answer:?}");
        }
        last.insert(connection, value);
        sets.fetch_add(1, Ordering::Relaxed);
        turn += 1;
    }
    last
}

/// Workspaces are made by a process that loaded the first file and never another.
async fn make_on_and_on(world: &Installation, stop: &AtomicBool) -> Vec<WorkspaceRef> {
    let mut made = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let owner = world.acme.owner.user_id();
        match world.service.create_workspace(&plane(), &format!("made-{}", made.len()), "W", owner).await {
            Ok(workspace) => made.push(WorkspaceRef::Id(workspace.id)),
            Err(error) => assert!(["deadline-exceeded", "database-busy"].contains(&error.code()), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    made
}

/// How often a rotation was killed, how often halfway, and how often it was done before.
struct Killed {
    all: usize,
    halfway: usize,
    done: usize,
}

/// Rotates, and is killed while at it, again and again.
fn rotate_and_kill(place: &Place) -> Killed {
    let mut dice = Dice(number("KILL_SEED", 0x5eed).try_into().unwrap());
    let begun = Instant::now();
    let _ = run(place.arguments(&["master-key", "status"]), "").ok();
    let start_ms = usize::try_from(begun.elapsed().as_millis()).unwrap();
    let begun = Instant::now();
    let whole = place.rotate();
    let whole_ms = usize::try_from(begun.elapsed().as_millis()).unwrap();
    assert_eq!(whole.code, 0, "{whole:?}");
    let mut killed = Killed { all: 0, halfway: 0, done: 1 };
    while killed.all < number("ROTATION_KILLS", KILLS) {
        let mut child = place.begin_to_rotate();
        let wait_ms = start_ms / 2 + dice.below((whole_ms + whole_ms / 4).saturating_sub(start_ms / 2).max(1));
        std::thread::sleep(Duration::from_millis(wait_ms.try_into().unwrap()));
        child.kill().unwrap();
        match child.wait().unwrap().code() {
            None => killed.all += 1,
            Some(0) => killed.done += 1,
            Some(code) => panic!("a rotation failed: {code}: {:?}", place.rotate()),
        }
        let keys = place.versions();
        assert!(keys.len() == 1 || keys.len() == 2 && keys[0] + 1 == keys[1], "{keys:?}");
        killed.halfway += usize::from(keys.len() == 2);
    }
    killed
}

#[test]
fn a_rotation_that_is_killed_loses_nothing_while_a_server_goes_on() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        let acme = &world.acme;
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(world.bare_connection(acme, acme.environment_id, None).await);
        }
        for number in 0..WORKSPACES {
            let owner = acme.owner.user_id();
            world.service.create_workspace(&plane(), &format!("before-{number}"), "W", owner).await.unwrap();
        }
        let instance = Instance::start(&world.database.url(), world.directory.path());
        let later = Service::open(&settings_of_later(&world)).await.unwrap();
        let token = token(&later, acme.manager.user_id(), None, false).await;
        later.close().await;
        let path = |id: Uuid| format!("/v1/workspaces/{}/connections/{id}/credentials", acme.workspace_id);
        let (stop, sets) = (AtomicBool::new(false), AtomicUsize::new(0));
        let place = Place::of(&world);
        let rotating = async {
            let ended = tokio::task::spawn_blocking(move || rotate_and_kill(&place)).await;
            stop.store(true, Ordering::Relaxed);
            ended.unwrap()
        };
        let setting = set_on_and_on(&instance, path, &token, &connections, (&stop, &sets));
        let (last, made, killed) = tokio::join!(setting, make_on_and_on(&world, &stop), rotating);
        let ended = rotate(&world);
        let (version, unopened) = (ended.json()["version"].clone(), ended.json()["unopened"].clone());
        assert_eq!(unopened, json!([]));
        say(&format!(
            "{}: killed {} times, {} of them halfway, and done {} times, up to version {version}; {} times set, {} workspaces \
             made",
            world.database.engine(),
            killed.all,
            killed.halfway,
            killed.done,
            sets.load(Ordering::Relaxed),
            made.len()
        ));
        assert!(killed.halfway > 0, "never halfway");
        everything_opens(&world, &stand_in, &last, &made).await;
        instance.kill();
    });
}

/// With the last key alone, in a process that knows no other: all that was set last opens, each workspace goes on, each
/// chain holds.
async fn everything_opens(
    world: &Installation,
    stand_in: &StandIn,
    last: &BTreeMap<Uuid, String>,
    made: &[WorkspaceRef],
) {
    let acme = &world.acme;
    let [newest] = versions(world)[..] else { panic!("one key is left") };
    assert_eq!(fs::read_dir(world.directory.path()).unwrap().count(), 1, "no other file stays");
    let opened = Arc::new(Service::open(&settings_of_later(world)).await.unwrap());
    let states = status(&opened).await;
    assert_eq!(states.iter().map(|key| key.version).collect::<Vec<_>>(), (1..=newest).collect::<Vec<_>>());
    for state in &states {
        let current = state.version == newest;
        assert_eq!(
            (state.retired_at.is_none(), state.superseded_at.is_none(), state.given),
            (current, current, current)
        );
        assert!(current || (state.note_keys, state.data_keys) == (0, 0), "{state:?}");
    }
    let versions = usize::try_from(newest).unwrap();
    for action in ["rotated", "retired"] {
        assert_eq!(told(world, &format!("master-key.{action}")).await, versions - 1, "{action}");
    }
    let worker = worker(&opened, stand_in);
    assert_eq!(last.len(), CONNECTIONS);
    for (connection, value) in last {
        stand_in.api_key(value, &fake::invented(1, 1));
        let run = world.done(&worker, acme, OperationType::HealthCheck, *connection).await;
        assert_eq!((run.outcome, run.reason_code), (Some(RunOutcome::Succeeded), None), "{value}");
        stand_in.remove_api_key(value);
    }
    assert!(!made.is_empty());
    for workspace in
        made.iter().chain([&acme.workspace, &world.rival.workspace, &WorkspaceRef::Slug("platform".into())])
    {
        if made.contains(workspace) {
            opened.create_environment(acme.owner, workspace, "An environment").await.unwrap();
        }
        let verdict = opened.verify_audit(Auditor::System(&plane()), workspace, None).await.unwrap();
        assert!(verdict.is_ok());
    }
}
