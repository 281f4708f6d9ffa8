//! Workers as they run in production: the program itself, with a database and a master key in its environment and nothing
//! else, beside a server or alone; and that nothing of what it is told by providers or logs in with gets anywhere.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says why")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use provident::actor::Actor;
use provident::inventory::{InventoryFilter, InventoryItem};
use provident::page::PageRequest;
use provident::run::{CountKey, OperationRun, OperationType};
use provident::service::{Service, Settings};
use provident::workspace::WorkspaceRef;
use provident_tests::console::{command, run_command};
use provident_tests::database::{Engine, TestDatabase, on_both_engines};
use provident_tests::installation::Installation;
use provident_tests::program;
use provident_tests::provider::{foreign, through};
use provident_tests::stand_in::{Behaviour, RetryAfter, StandIn, Tenant, fake};
use uuid::Uuid;

use OperationType::{ComplianceSnapshot, HealthCheck, InventoryCollect};

/// How long a test waits for what must come.
const LONG: Duration = Duration::from_mins(1);
/// Stands in every credential.
const SECRET: &str = "canary-of-credentials-31f7";
/// Stands in every body that says what went wrong.
const ERROR: &str = "canary-of-errors-8c02";
/// Stands in every object, outside of what identifies or names it.
const PAYLOAD: &str = "canary-of-objects-55d9";
/// Stands in a label of every tenant; the inventory keeps labels, and nobody else does.
const LABEL: &str = "canary-of-labels-e4a6";
/// The directories, and who may read both of them, each with a secret of its own.
const DIRECTORIES: [&str; 2] = ["5ca1ab1e-0000-4000-8000-0000000000a1", "5ca1ab1e-0000-4000-8000-0000000000a2"];
const CLIENTS: [&str; 2] = ["5ca1ab1e-0000-4000-8000-0000000000b1", "5ca1ab1e-0000-4000-8000-0000000000b2"];

fn secret(number: usize) -> String {
    format!("{SECRET}-{number}")
}

/// Somebody's connection, and what it leads to.
struct Way {
    actor: Actor,
    workspace: WorkspaceRef,
    environment_id: Uuid,
    provider_key: &'static str,
    connection_id: Uuid,
    tenant: Tenant,
}

/// An installation with four connections to four tenants, in two workspaces, and the service on it by the clock on the wall.
struct World {
    installation: Installation,
    service: Arc<Service>,
    stand_in: StandIn,
    config: PathBuf,
    ways: Vec<Way>,
}

impl World {
    async fn make(database: TestDatabase) -> Self {
        let (installation, stand_in) = (Installation::on(database).await, StandIn::start());
        stand_in.set_canary(ERROR);
        stand_in.set_page_size(25);
        let config = installation.directory.path().join("settings.toml");
        fs::write(&config, stand_in.config_toml()).unwrap();
        let mut settings = Settings::new(installation.database.url(), installation.directory.path().join("master.key"));
        settings.mutation_deadline = LONG;
        let service = Arc::new(Service::open(&settings).await.unwrap());
        let (acme, rival) = (&installation.acme, &installation.rival);
        let mut ways = Vec::new();
        // Two clients in environments of one workspace; two keys in two workspaces.
        for (number, environment_id) in [acme.environment_id, acme.hidden_environment_id].into_iter().enumerate() {
            let (tenant, secret) = (foreign::invented(10 + number as u64, 240), secret(number));
            stand_in.directory(DIRECTORIES[number], &tenant);
            stand_in.client(DIRECTORIES[number], CLIENTS[number], &secret);
            let opens = (DIRECTORIES[number], CLIENTS[number], secret.as_str());
            let connection_id = installation.foreign_connection(acme, environment_id, opens).await;
            let (actor, workspace) = (acme.owner, acme.workspace.clone());
            ways.push(Way { actor, workspace, environment_id, provider_key: foreign::KEY, connection_id, tenant });
        }
        for (number, theirs) in [(2, acme), (3, rival)] {
            let tenant = fake::invented(10 + number as u64, 240);
            stand_in.api_key(&secret(number), &tenant);
            let (actor, workspace, environment_id) = (theirs.owner, theirs.workspace.clone(), theirs.environment_id);
            let connection_id = installation.fake_connection(theirs, environment_id, &secret(number)).await;
            ways.push(Way { actor, workspace, environment_id, provider_key: fake::KEY, connection_id, tenant });
        }
        for way in &ways {
            way.tenant.set_payload(PAYLOAD);
            let named = ["groups", "widgets"]
                .iter()
                .any(|place| way.tenant.ids(place).first().is_some_and(|id| way.tenant.rename(place, id, LABEL)));
            assert!(named, "no object has the label");
        }
        Self { installation, service, stand_in, config, ways }
    }

    /// The program with a database and a master key in its environment and nothing else. Its log goes into a file.
    fn start(&self, words: &[&str]) -> Process {
        let directory = self.installation.directory.path();
        let master_key = fs::read_to_string(directory.join("master.key")).unwrap();
        let log = directory.join(format!("{}.log", words[0]));
        let mut command = Command::new(program::path().unwrap());
        command.args(words).arg("--config").arg(&self.config).env_clear().current_dir("/");
        command.env("PROVIDENT_DATABASE_URL", self.installation.database.url());
        command.env("PROVIDENT_MASTER_KEY", master_key.trim_end());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        if words[0] == "serve" {
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
            assert!(line.starts_with("listening on "), "{line}: {}", fs::read_to_string(&log).unwrap());
        }
        Process { child, log }
    }

    async fn begin(&self, way: &Way, operation: OperationType) -> Uuid {
        let start = through(operation, way.connection_id);
        let started = self.service.start_operation(way.actor, &way.workspace, way.environment_id, &start).await;
        started.unwrap().run.id
    }

    /// Waits until a run is as it should be.
    async fn until(&self, way: &Way, run_id: Uuid, is: impl Fn(&OperationRun) -> bool) -> OperationRun {
        let begun = Instant::now();
        loop {
            let run = self.service.run(way.actor, &way.workspace, run_id).await.unwrap();
            if is(&run) {
                return run;
            }
            assert!(begun.elapsed() < LONG, "{run:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn inventory(&self, way: &Way) -> Vec<InventoryItem> {
        let (mut items, mut page) = (Vec::new(), PageRequest::new(u32::MAX, None));
        let filter = InventoryFilter { provider_key: Some(way.provider_key.to_owned()), ..InventoryFilter::default() };
        loop {
            let found = self.service.inventory(way.actor, &way.workspace, way.environment_id, &filter, page).await;
            let found = found.unwrap();
            items.extend(found.items);
            let Some(next) = found.next else { return items };
            page = PageRequest::new(u32::MAX, Some(next));
        }
    }

    /// Every row of every table there is, and every file beside the database.
    async fn kept(&self) -> Vec<(String, String)> {
        let mut raw = self.installation.raw().await;
        let tables = match raw.engine() {
            Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
            Engine::Postgres => "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
        };
        let mut kept = Vec::new();
        for table in raw.rows(tables).await.unwrap() {
            let table = table[0].clone().unwrap();
            let rows = raw.rows(&format!("SELECT * FROM \"{table}\"")).await.unwrap();
            kept.extend(rows.into_iter().map(|row| (table.clone(), format!("{row:?}"))));
        }
        raw.close().await.unwrap();
        let tables: BTreeSet<&str> = kept.iter().map(|(table, _)| table.as_str()).collect();
        for table in ["operation_runs", "provider_credentials", "audit_events", "inventory_items"] {
            assert!(tables.contains(table), "{tables:?}");
        }
        let mut folders = vec![self.installation.directory.path().to_owned()];
        if self.installation.database.engine() == Engine::Sqlite {
            folders.push(self.installation.database.file().parent().unwrap().to_owned());
        }
        for file in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
            let file = file.unwrap().path();
            let bytes = if file.is_file() { fs::read(&file).unwrap() } else { Vec::new() };
            kept.push((file.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
        kept
    }

    /// Nothing is kept of what opens providers and of what they say beyond what is asked of them.
    async fn holds_nothing_back(&self) {
        let tokens = self.stand_in.tokens();
        assert!(tokens.len() >= 2, "{}", tokens.len());
        let canaries: Vec<&str> = tokens.iter().map(String::as_str).chain([SECRET, ERROR, PAYLOAD]).collect();
        let kept = self.kept().await;
        assert!(
            kept.iter().any(|(place, row)| place == "inventory_items" && row.contains(LABEL)),
            "what is there is found"
        );
        for (place, text) in kept {
            for canary in &canaries {
                assert!(!text.contains(canary) && !text.contains(&hex::encode(canary)), "{canary} is in {place}");
            }
        }
    }
}

/// The program, running. It is gone when its value is.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Asks it to stop (`SIGTERM`).
    fn ask(&self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
    }

    /// Waits until it has ended: how, and what it logged.
    fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        (status, fs::read_to_string(&self.log).unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A log that has words of the program's own about runs, and none of anybody else's.
fn tells_nothing(log: &str, stand_in: &StandIn) {
    assert!(log.contains("a run was taken") && log.contains("not answered"), "{log}");
    let tokens = stand_in.tokens();
    let queries = ["$skiptoken", "$select", "?after=", "grant_type", "Bearer"];
    let canaries = tokens.iter().map(String::as_str).chain([SECRET, ERROR, PAYLOAD, LABEL]).chain(queries);
    for canary in canaries {
        let line = log.lines().find(|line| line.contains(canary));
        assert_eq!(line, None, "{canary} was logged");
    }
    let asked = stand_in.requests();
    let paths = asked.iter().map(|seen| seen.target.as_str()).filter(|target| target.len() > 8);
    for target in paths.collect::<BTreeSet<_>>() {
        assert!(!log.contains(target), "{target} was logged");
    }
}

/// Four tenants are collected at once by one process, each by whom it belongs to; then everything goes wrong that can.
async fn four_at_once(world: &World, words: &[&str]) {
    world.stand_in.set_delay(Duration::from_millis(40));
    let mut runs = Vec::new();
    for way in &world.ways {
        runs.push(world.begin(way, InventoryCollect).await);
    }
    let process = world.start(words);
    let mut ended = Vec::new();
    for (way, run_id) in world.ways.iter().zip(&runs) {
        let run = world.until(way, *run_id, |run| run.outcome.is_some()).await;
        assert_eq!(run.reason_code, None, "{:?}", run.message);
        ended.push(run);
    }
    let last_begun = ended.iter().map(|run| run.started_at.unwrap()).max().unwrap();
    let first_ended = ended.iter().map(|run| run.ended_at.unwrap()).min().unwrap();
    assert!(last_begun < first_ended, "they were not worked on at once");
    world.stand_in.set_delay(Duration::ZERO);
    for (way, run) in world.ways.iter().zip(&ended) {
        let own: BTreeSet<String> = way.tenant.collections().keys().flat_map(|name| way.tenant.ids(name)).collect();
        let collected = world.inventory(way).await;
        // Nobody binds a device, so nobody collects one.
        let whole = way.tenant.count() - way.tenant.ids("managedDevices").len();
        assert_eq!(run.summary_counts.get(CountKey::Objects), whole as u64);
        assert_eq!(collected.len(), whole);
        for id in collected.iter().filter_map(|item| item.identity.provider_resource_id.as_ref()) {
            assert!(own.contains(id), "{id} is somebody else's");
        }
        assert!(collected.iter().all(|item| item.provider_connection_id == Some(way.connection_id)));
    }
    go_wrong(world).await;
    process.ask();
    let (status, log) = process.end();
    assert!(status.success(), "{status}: {log}");
    tells_nothing(&log, &world.stand_in);
    world.holds_nothing_back().await;
}

/// Answers with the canary in them, at every place and in every way that ends a run.
async fn go_wrong(world: &World) {
    let body = format!("{{\"error\":\"{ERROR}\"}}");
    let health = ["/pulse", "/v1.0/organization"];
    for (behaviour, reason) in [
        (Behaviour::Status(403), "permission-denied"),
        (Behaviour::Status(404), "provider-not-found"),
        (Behaviour::ExpiredToken, "credential-rejected"),
        (Behaviour::Exactly(418, body.clone()), "provider-refused"),
        (Behaviour::Exactly(200, format!("[{body}")), "response-malformed"),
        (Behaviour::Throttled(RetryAfter::Seconds(86_400)), "provider-throttled"),
        (Behaviour::Redirect(format!("{}/{ERROR}?{ERROR}", world.stand_in.base_url())), "redirected"),
    ] {
        for place in health {
            world.stand_in.tell(place, behaviour.clone());
        }
        for way in [&world.ways[0], &world.ways[2]] {
            let run_id = world.begin(way, HealthCheck).await;
            let run = world.until(way, run_id, |run| run.outcome.is_some()).await;
            assert_eq!(run.reason_code.as_deref(), Some(reason), "{behaviour:?}: {:?}", run.message);
            assert!(!format!("{run:?} {:?}", run.message).contains(ERROR));
        }
        world.stand_in.behave();
    }
    // Where tokens are given, too.
    world.stand_in.revoke_tokens();
    world.stand_in.client(DIRECTORIES[1], CLIENTS[1], "another");
    let run_id = world.begin(&world.ways[1], ComplianceSnapshot).await;
    let run = world.until(&world.ways[1], run_id, |run| run.outcome.is_some()).await;
    assert_eq!(run.reason_code.as_deref(), Some("credential-rejected"));
    world.stand_in.client(DIRECTORIES[1], CLIENTS[1], &secret(1));
}

#[test]
fn a_worker_with_a_database_and_a_key_in_its_environment_collects_for_four_at_once_and_tells_nobody() {
    on_both_engines(async |database: TestDatabase| {
        let world = World::make(database).await;
        four_at_once(&world, &["worker", "--workers", "4", "--log-level", "trace", "--log-format", "json"]).await;
    });
}

#[test]
fn a_server_with_as_many_workers_does_the_same() {
    on_both_engines(async |database: TestDatabase| {
        let world = World::make(database).await;
        let levels = "trace,reqwest=trace,hyper=trace,hyper_util=trace,rustls=trace,sqlx=trace,provident=trace";
        let words = ["serve", "--listen", "127.0.0.1:0", "--workers", "4", "--log-level", levels];
        four_at_once(&world, &words).await;
    });
}

#[test]
fn a_server_that_is_told_to_stop_ends_what_it_can_and_gives_the_rest_back() {
    on_both_engines(async |database: TestDatabase| {
        let world = World::make(database).await;
        let (slow, stuck) = (&world.ways[2], &world.ways[3]);
        let serve =
            ["serve", "--listen", "127.0.0.1:0", "--workers", "2", "--run-lease-s", "3600", "--shutdown-grace-s"];
        // There is time for it.
        world.stand_in.set_delay(Duration::from_millis(100));
        let server = world.start(&[&serve[..], &["30"]].concat());
        let run_id = world.begin(slow, InventoryCollect).await;
        world.until(slow, run_id, |run| run.summary_counts.get(CountKey::Objects) > 0).await;
        server.ask();
        let (status, log) = server.end();
        assert!(status.success(), "{log}");
        let run = world.service.run(slow.actor, &slow.workspace, run_id).await.unwrap();
        assert_eq!(run.outcome.map(provident::registry::RunOutcome::as_str), Some("succeeded"), "it was ended first");
        // There is none.
        world.stand_in.set_delay(Duration::ZERO);
        world.stand_in.tell("/pulse", Behaviour::Silence);
        let server = world.start(&[&serve[..], &["2"]].concat());
        let run_id = world.begin(stuck, HealthCheck).await;
        world.until(stuck, run_id, |run| run.started_at.is_some()).await;
        let told = Instant::now();
        server.ask();
        let (status, log) = server.end();
        assert!(status.success() && log.contains("a run was given back"), "{log}");
        assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
        world.stand_in.behave();
        // Its lease would last for an hour.
        let _other = world.start(&["worker", "--run-lease-s", "3600"]);
        let run = world.until(stuck, run_id, |run| run.outcome.is_some()).await;
        assert_eq!(run.context.unwrap().attempt, 1, "no attempt has failed");
    });
}

#[test]
fn config_check_shows_how_it_is_worked() {
    let check = |more: &[&str], lease: &str| {
        let mut command =
            command(["config", "check", "--format=json", "--database-url", "sqlite:/nonexistent/x.sqlite"]);
        let key = format!("provident-master-key:1:{}", "7".repeat(64));
        command.args(more).env("PROVIDENT_RUN_LEASE_S", lease).env("PROVIDENT_MASTER_KEY", key);
        run_command(&mut command, b"")
    };
    let settings = check(&["--workers", "3"], "7").json()["settings"].clone();
    for (name, value, source) in [("workers", "3", "--workers"), ("run_lease_s", "7", "PROVIDENT_RUN_LEASE_S")] {
        assert_eq!((&settings[name]["value"], &settings[name]["source"]), (&value.into(), &source.into()), "{name}");
    }
    let settings = check(&[], "").json()["settings"].clone();
    assert_eq!((&settings["workers"]["value"], &settings["run_lease_s"]["value"]), (&"1".into(), &"60".into()));
    for (arguments, lease) in [(&["--workers", "65"][..], ""), (&["--workers", "many"], ""), (&[], "0")] {
        let ran = check(arguments, lease);
        assert!(ran.code == 2 && ran.error()["code"] == "bad-setting", "{ran:?}");
    }
    assert!(!Path::new("/nonexistent").exists(), "nothing was opened");
}
