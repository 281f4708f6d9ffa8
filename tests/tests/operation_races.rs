//! Many who start at once, and workers who die: of a scope one run at most is active at any instant, every caller learns of it,
//! and no run is stuck past its lease.
//!
//! The servers and workers are the program itself, each a process; the provider is the stand-in. What was active when is read
//! twice: by a sampler while it happens, and afterwards from the trail, whose order is that of the commits.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says why")]

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use provident::run::{CountKey, OperationRun, OperationType};
use provident::service::{Auditor, Service, Settings};
use provident_tests::api::token;
use provident_tests::database::{TestDatabase, on_both_engines, say};
use provident_tests::insistence::{Insistent, Places};
use provident_tests::installation::{Installation, plane};
use provident_tests::program;
use provident_tests::provider::{API_KEY, through};
use provident_tests::serving::{Instance, WorkerProcess};
use provident_tests::stand_in::{Behaviour, StandIn, fake};
use provident_tests::wire::{Answer, Ask};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

/// How many start at once, again and again.
const WAVES: [usize; 6] = [500, 100, 100, 100, 100, 100];
/// How long a test waits for what must come.
const LONG: Duration = Duration::from_mins(1);

/// An installation whose fake connections lead to a stand-in, and the service on it by the clock on the wall.
struct World {
    installation: Installation,
    service: Arc<Service>,
    stand_in: StandIn,
    config: PathBuf,
}

impl World {
    async fn make(database: TestDatabase, objects: usize) -> Self {
        let installation = Installation::on(database).await;
        let stand_in = StandIn::start();
        stand_in.api_key(API_KEY, &fake::invented(1, objects));
        let config = installation.directory.path().join("settings.toml");
        std::fs::write(&config, stand_in.config_toml()).unwrap();
        let master_key = installation.directory.path().join("master.key");
        let mut settings = Settings::new(installation.database.url(), master_key);
        settings.mutation_deadline = LONG;
        let service = Arc::new(Service::open(&settings).await.unwrap());
        Self { installation, service, stand_in, config }
    }

    fn directory(&self) -> &Path {
        self.installation.directory.path()
    }

    fn worker(&self, lease_s: u64) -> WorkerProcess {
        WorkerProcess::start(&self.installation.database.url(), self.directory(), &self.config, lease_s)
    }

    fn server(&self) -> Instance {
        let (url, config) = (self.installation.database.url(), self.config.to_str().unwrap().to_owned());
        Instance::with(&program::path().unwrap(), &url, self.directory(), &["--workers", "1", "--config", &config])
    }

    async fn run(&self, run_id: Uuid) -> OperationRun {
        let acme = &self.installation.acme;
        self.service.run(acme.owner, &acme.workspace, run_id).await.unwrap()
    }

    /// Waits until a run is as it should be.
    async fn until(&self, run_id: Uuid, what: &str, is: impl Fn(&OperationRun) -> bool) -> OperationRun {
        let begun = Instant::now();
        loop {
            let run = self.run(run_id).await;
            if is(&run) {
                return run;
            }
            assert!(begun.elapsed() < LONG, "{what}: {run:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn start(&self, operation: OperationType, connection_id: Uuid) -> Uuid {
        let acme = &self.installation.acme;
        let start = through(operation, connection_id);
        let started = self.service.start_operation(acme.operator, &acme.workspace, acme.environment_id, &start).await;
        started.unwrap().run.id
    }

    /// How often each run of the scope was started and ended, in the order of the commits; never two at once.
    async fn replay(&self) -> BTreeMap<Uuid, Vec<String>> {
        let acme = &self.installation.acme;
        let (mut told, mut active, mut after): (BTreeMap<_, Vec<String>>, Option<Uuid>, _) = (BTreeMap::new(), None, 0);
        loop {
            let events = self.service.audit_events(acme.owner, &acme.workspace, None, after, 500).await.unwrap();
            let Some(last) = events.last() else { return told };
            after = last.event.number;
            for event in events.iter().map(|event| &event.event) {
                let Some(run_id) = event.source_operation_run_id else { continue };
                match event.action.as_str() {
                    "run.started" => assert_eq!(active.replace(run_id), None, "two were active: {run_id}"),
                    "run.ended" | "run.cancelled" => assert_eq!(active.take(), Some(run_id)),
                    _ => continue,
                }
                told.entry(run_id).or_default().push(event.action.clone());
            }
        }
    }
}

/// The run that somebody who started is told of: a new one, the same one, or the one that is in the way.
fn told_of(answer: &Answer, operation: OperationType, connection: Uuid) -> Uuid {
    let json = answer.json();
    let id = match answer.status {
        202 | 200 => {
            let run = &json["run"];
            assert_eq!(json["deduplicated"], answer.status == 200);
            assert_eq!(run["operation_type"], operation.as_str());
            assert_eq!(run["provider_connection_id"], connection.to_string());
            &run["id"]
        }
        _ => {
            assert_eq!((answer.status, answer.code().as_str()), (409, "scope-busy"), "{json}");
            &json["active_run_id"]
        }
    };
    id.as_str().unwrap().parse().unwrap()
}

/// Looks again and again how many runs of the scope are active, until told that it is enough.
async fn sample(world: &World, enough: &AtomicBool) -> (usize, usize) {
    let (mut raw, mut looks, mut most) = (world.installation.raw().await, 0, 0);
    while !enough.load(Ordering::Relaxed) {
        let text = "SELECT count(*) FROM operation_runs WHERE origin = 'own' AND status <> 'completed'";
        let count: usize = raw.value(text).await.unwrap().unwrap().parse().unwrap();
        (looks, most) = (looks + 1, most.max(count));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    raw.close().await.unwrap();
    (looks, most)
}

#[test]
fn of_500_who_start_at_once_through_two_servers_one_is_active_and_the_others_know_which() {
    on_both_engines(async |database: TestDatabase| {
        let engine = database.engine();
        let world = Arc::new(World::make(database, 40).await);
        let acme = &world.installation.acme;
        let first = world.installation.fake_connection(acme, acme.environment_id, API_KEY).await;
        let second = world.installation.fake_connection(acme, acme.environment_id, API_KEY).await;
        let servers = [world.server(), world.server()];
        let places = Places::new(servers.iter().map(|server| server.address).collect());
        let token = token(&world.service, acme.operator.user_id(), None, false).await;
        let path: Arc<str> = format!("/v1/workspaces/{}/operations:start", acme.workspace_id).into();
        let enough = Arc::new(AtomicBool::new(false));
        let sampler = {
            let (world, enough) = (Arc::clone(&world), Arc::clone(&enough));
            tokio::spawn(async move { sample(&world, &enough).await })
        };
        let (begun, new, mut named) = (Instant::now(), Arc::new(AtomicUsize::new(0)), HashSet::new());
        for wave in WAVES {
            let mut callers = JoinSet::new();
            for number in 0..wave {
                let operation = OperationType::ALL[number % OperationType::ALL.len()];
                let connection = if number % 4 == 0 { second } else { first };
                let (mut insistent, path) = (Insistent::new(&places, &token, number), Arc::clone(&path));
                let new = Arc::clone(&new);
                let body = json!({ "environment_id": acme.environment_id, "operation_type": operation.as_str(),
                    "provider_connection_id": connection })
                .to_string();
                callers.spawn(async move {
                    let answer = insistent.insist(&Ask::post(&path, &body)).await;
                    new.fetch_add(usize::from(answer.status == 202), Ordering::Relaxed);
                    told_of(&answer, operation, connection)
                });
            }
            let told: HashSet<Uuid> = callers.join_all().await.into_iter().collect();
            for id in &told {
                world.until(*id, "it ends", |run| run.outcome.is_some()).await;
            }
            named.extend(told);
        }
        let took = begun.elapsed();
        enough.store(true, Ordering::Relaxed);
        let (looks, most) = sampler.await.unwrap();
        assert_eq!(most, 1, "in {looks} looks");
        let told = world.replay().await;
        assert_eq!(
            told.keys().copied().collect::<HashSet<_>>(),
            named,
            "whoever was told of a run was told of one there is"
        );
        assert_eq!(told.len(), new.load(Ordering::Relaxed));
        assert!(told.values().all(|told| told == &["run.started", "run.ended"]), "each ends once");
        say(&format!(
            "starts on {engine}: {} in {took:.1?}, {} runs, each the only one; looked {looks} times",
            WAVES.iter().sum::<usize>(),
            told.len()
        ));
    });
}

#[test]
fn a_run_whose_worker_is_killed_is_taken_over_when_its_lease_is_over() {
    on_both_engines(async |database: TestDatabase| {
        let world = World::make(database, 200).await;
        let acme = &world.installation.acme;
        world.stand_in.set_page_size(5);
        let connection_id = world.installation.fake_connection(acme, acme.environment_id, API_KEY).await;
        // It gets as far as the third page of widgets and no further.
        world.stand_in.tell_after(&fake::path("widgets"), 2, u64::MAX, Behaviour::Silence);
        let worker = world.worker(2);
        let run_id = world.start(OperationType::InventoryCollect, connection_id).await;
        let half = world.until(run_id, "it begins", |run| run.summary_counts.get(CountKey::Objects) > 0).await;
        assert_eq!(half.context.unwrap().attempt, 1);
        worker.kill();
        world.stand_in.behave();
        let (other, begun) = (world.worker(2), Instant::now());
        let done = world.until(run_id, "it is taken over", |run| run.outcome.is_some()).await;
        assert_eq!((done.outcome.unwrap().as_str(), done.context.unwrap().attempt), ("succeeded", 2));
        assert_eq!(done.summary_counts.get(CountKey::Objects), 200, "everything was seen anew");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert!(other.stop(), "it stops in order");
        assert_eq!(world.replay().await[&run_id], ["run.started", "run.ended"]);
        world.service.verify_audit(Auditor::System(&plane()), &acme.workspace, None).await.unwrap().unwrap();
    });
}

#[test]
fn a_run_that_kills_worker_after_worker_ends_with_that_reason() {
    on_both_engines(async |database: TestDatabase| {
        let world = World::make(database, 20).await;
        let acme = &world.installation.acme;
        let connection_id = world.installation.fake_connection(acme, acme.environment_id, API_KEY).await;
        world.stand_in.tell("/pulse", Behaviour::Silence);
        let run_id = world.start(OperationType::HealthCheck, connection_id).await;
        for attempt in 1..=3 {
            let worker = world.worker(1);
            let begun = |run: &OperationRun| run.context.as_ref().is_some_and(|context| context.attempt == attempt);
            world.until(run_id, "it begins again", begun).await;
            worker.kill();
        }
        let _last = world.worker(1);
        let done = world.until(run_id, "it is given up", |run| run.outcome.is_some()).await;
        assert_eq!(done.reason_code.as_deref(), Some("worker-lost"));
        assert_eq!(world.replay().await[&run_id], ["run.started", "run.ended"]);
    });
}

#[test]
fn a_worker_that_is_told_to_stop_gives_back_what_it_cannot_end() {
    on_both_engines(async |database: TestDatabase| {
        let world = World::make(database, 20).await;
        let acme = &world.installation.acme;
        let connection_id = world.installation.fake_connection(acme, acme.environment_id, API_KEY).await;
        world.stand_in.tell("/pulse", Behaviour::Silence);
        // Its lease is longer than the test waits: only what is given back is taken again.
        let worker = world.worker(3_600);
        let run_id = world.start(OperationType::HealthCheck, connection_id).await;
        world.until(run_id, "it begins", |run| run.started_at.is_some()).await;
        assert!(worker.stop(), "it stops in order");
        assert!(world.run(run_id).await.outcome.is_none());
        world.stand_in.behave();
        let _other = world.worker(3_600);
        let done = world.until(run_id, "it is taken again", |run| run.outcome.is_some()).await;
        assert_eq!(done.outcome.unwrap().as_str(), "succeeded");
    });
}
