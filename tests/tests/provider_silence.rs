//! Who does not talk to providers: everybody but a worker. Every read of the HTTP document and every reading command, over
//! an installation with connections, credentials, an inventory and runs in every state, while a stand-in counts; and starting
//! an operation, while the provider never replies and nobody works.
//!
//! The reads are those of the document, the commands those that `--help` lists, each as its own first example has it: a new
//! one is swept without anybody adding it. What changes something is listed here, and only that.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that fails says why")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Method;
use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident::registry::{RunOutcome, RunStatus};
use provident::run::{OperationRun, OperationType};
use provident::service::{Service, Settings};
use provident_tests::api::token;
use provident_tests::console::{run, run_command};
use provident_tests::database::{TestDatabase, on_both_engines};
use provident_tests::installation::{Installation, exclusion, key};
use provident_tests::operations::{Aim, Operation, operations};
use provident_tests::program;
use provident_tests::provider::{API_KEY, CLIENT_ID, CLIENT_SECRET, DIRECTORY_ID, foreign, worker};
use provident_tests::serving::Instance;
use provident_tests::stand_in::{Behaviour, StandIn, fake};
use provident_tests::wire::{Answer, Ask, Wire};
use serde_json::json;
use uuid::Uuid;

use OperationType::{ComplianceSnapshot, HealthCheck, InventoryCollect};

/// Commands that change something or go on, and so are no reads. All others are swept.
const CHANGES: [&str; 40] = [
    "binding accept",
    "binding bulk-create",
    "binding create",
    "binding exclude",
    "binding mark-missing",
    "binding mark-unsupported",
    "binding redact-note",
    "binding revoke",
    "binding supersede",
    "connection create",
    "connection disable",
    "connection enable",
    "connection make-default",
    "connection update",
    "credential set",
    "database copy",
    "environment create",
    "environment entitle",
    "environment withdraw",
    "housekeeping",
    "import",
    "init",
    "master-key rotate",
    "migrate down",
    "migrate up",
    "registry sync",
    "run cancel",
    "run start",
    "serve",
    "token create",
    "token revoke",
    "user create",
    "user disable",
    "user link",
    "user unlink",
    "worker",
    "workspace add-member",
    "workspace change-role",
    "workspace create",
    "workspace remove-member",
];

/// An installation in which everything has happened, and a provider that was forgotten about it.
struct World {
    installation: Installation,
    /// By the clock on the wall, as other processes have it.
    service: Arc<Service>,
    stand_in: StandIn,
    config: PathBuf,
    /// Ids by what they are called in paths.
    ids: BTreeMap<&'static str, Vec<String>>,
}

impl World {
    /// With connections, and nothing done through them.
    async fn make(database: TestDatabase) -> Self {
        let (installation, stand_in) = (Installation::on(database).await, StandIn::start());
        stand_in.api_key(API_KEY, &fake::invented(1, 60));
        stand_in.directory(DIRECTORY_ID, &foreign::invented(1, 60));
        stand_in.client(DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET);
        let config = installation.directory.path().join("settings.toml");
        std::fs::write(&config, stand_in.config_toml()).unwrap();
        let mut settings = Settings::new(installation.database.url(), installation.directory.path().join("master.key"));
        settings.mutation_deadline = Duration::from_mins(1);
        let service = Arc::new(Service::open(&settings).await.unwrap());
        let acme = &installation.acme;
        let here = acme.environment_id;
        let first = installation.fake_connection(acme, here, API_KEY).await;
        let other = installation.foreign_connection(acme, here, (DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET)).await;
        let ids = [("connection_id", vec![first.to_string(), other.to_string()])];
        Self { installation, service, stand_in, config, ids: ids.into() }
    }

    /// The connections: to the invented provider, and by the other face.
    fn connections(&self) -> [Uuid; 2] {
        let ids: Vec<Uuid> = self.ids["connection_id"].iter().map(|id| id.parse().unwrap()).collect();
        ids.try_into().unwrap()
    }

    /// Has runs come to every state there is, takes an inventory in, decides about it. Then the provider falls silent, and
    /// forgets what it was asked.
    async fn happen(&mut self) {
        let (world, acme, [first, other]) = (&self.installation, &self.installation.acme, self.connections());
        let (service, at, here) = (&world.service, &acme.workspace, acme.environment_id);
        let worker = worker(service, &self.stand_in);
        for operation in OperationType::ALL {
            world.done(&worker, acme, *operation, first).await;
        }
        world.done(&worker, acme, InventoryCollect, other).await;
        self.stand_in.tell_times("/pulse", 1, Behaviour::Status(403));
        world.done(&worker, acme, HealthCheck, first).await;
        self.stand_in.tell_times(&fake::path("widgets"), 1, Behaviour::Status(403));
        world.done(&worker, acme, InventoryCollect, first).await;
        let cancelled = world.start(acme, ComplianceSnapshot, first).await.run;
        service.cancel_run(acme.operator, at, cancelled.id).await.unwrap();
        // Whoever works on this one dies of it.
        self.stand_in.tell("/pulse", Behaviour::Silence);
        world.start(acme, HealthCheck, first).await;
        tokio::time::timeout(Duration::from_secs(1), worker.work_once()).await.unwrap_err();
        world.start(acme, ComplianceSnapshot, other).await;
        let runs = world.runs(acme.owner, acme).await;
        assert_eq!(states(&runs), every_state());
        let (filter, page) = (InventoryFilter::default(), PageRequest::default());
        let item = service.inventory(acme.owner, at, here, &filter, page).await.unwrap();
        let bound = service.create_binding(acme.manager, at, here, &exclusion(&key("A"))).await.unwrap();
        self.ids.insert("run_id", runs.iter().map(|run| run.id.to_string()).collect());
        self.ids.insert("item_id", vec![item.items[0].id.to_string()]);
        self.ids.insert("binding_id", vec![bound.id.to_string()]);
        self.ids.insert("workspace_id", vec![acme.workspace_id.to_string()]);
        assert!(self.stand_in.count() > 10, "{}", self.stand_in.count());
        self.stand_in.tell("", Behaviour::Silence);
        self.stand_in.clear();
    }

    fn serve(&self, workers: &str) -> Instance {
        let (url, config) = (self.installation.database.url(), self.config.to_str().unwrap());
        let arguments = ["--workers", workers, "--config", config];
        Instance::with(&program::path().unwrap(), &url, self.installation.directory.path(), &arguments)
    }

    async fn wire(&self, server: &Instance) -> Wire {
        let owner = self.installation.acme.owner.user_id();
        Wire::to(server.address, &token(&self.service, owner, None, false).await).await.unwrap()
    }

    /// What the provider was asked; nothing, and nobody even knocked.
    #[track_caller]
    fn was_not_asked(&self, what: &str) {
        let asked = self.stand_in.requests();
        assert!(asked.is_empty() && self.stand_in.connections() == 0, "{what} asked the provider: {asked:?}");
    }
}

fn states(runs: &[OperationRun]) -> BTreeSet<(&'static str, Option<&'static str>)> {
    runs.iter().map(|run| (run.status.as_str(), run.outcome.map(RunOutcome::as_str))).collect()
}

fn every_state() -> BTreeSet<(&'static str, Option<&'static str>)> {
    let ended = RunOutcome::ALL.iter().map(|outcome| (RunStatus::Completed.as_str(), Some(outcome.as_str())));
    let others = RunStatus::ALL.iter().filter(|status| **status != RunStatus::Completed);
    ended.chain(others.map(|status| (status.as_str(), None))).collect()
}

/// The paths of an operation with every id that there is in the place of each name.
fn paths(operation: &Operation, ids: &BTreeMap<&str, Vec<String>>) -> Vec<String> {
    let mut paths = vec![operation.path.clone()];
    while let Some((name, place)) = paths[0]
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(name, _)| (name.to_owned(), format!("{{{name}}}")))
    {
        let known = ids.get(name.as_str()).cloned();
        // Whatever it is, it may be one of these.
        let values = known.unwrap_or_else(|| ids.values().flatten().cloned().collect());
        paths = paths.iter().flat_map(|path| values.iter().map(|value| path.replace(&place, value))).collect();
    }
    paths
}

/// The parameters that an operation has to be given, and the environment wherever it takes one.
fn query(operation: &Operation, environment_id: Uuid) -> String {
    let parameters = operation.described["parameters"].as_array().cloned().unwrap_or_default();
    let mut query = Vec::new();
    for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
        match parameter["name"].as_str().unwrap() {
            "environment_id" => query.push(format!("environment_id={environment_id}")),
            "limit" => query.push("limit=3".to_owned()),
            name => assert_ne!(parameter["required"], true, "nobody said what `{name}` of {} is", operation.id),
        }
    }
    if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) }
}

/// Every request of a reading operation.
async fn read(world: &World, operation: &Operation, wire: &mut Wire) -> Vec<Answer> {
    let acme = &world.installation.acme;
    let mut answers = Vec::new();
    if operation.method == Method::GET {
        for path in paths(operation, &world.ids) {
            let path = format!("{path}{}", query(operation, acme.environment_id));
            answers.push(wire.ask(&Ask::get(&path)).await.unwrap());
        }
        return answers;
    }
    let id = |name| world.ids[name][0].parse().unwrap();
    let aim = Aim::at(acme, acme.environment_id, id("binding_id"), id("item_id"));
    for sample in operation.samples(&aim) {
        let prepared = operation.prepared(&sample, &aim);
        answers.push(wire.ask(&Ask::post(&prepared.path, prepared.body.as_deref().unwrap())).await.unwrap());
    }
    answers
}

#[test]
fn every_read_of_the_document_asks_the_provider_nothing() {
    on_both_engines(async |database: TestDatabase| {
        let mut world = World::make(database).await;
        world.happen().await;
        let server = world.serve("0");
        let mut wire = world.wire(&server).await;
        for path in ["/healthz", "/readyz", "/openapi.json"] {
            assert_eq!(wire.ask(&Ask::get(path)).await.unwrap().status, 200, "{path}");
        }
        let mut swept = BTreeSet::new();
        for operation in operations().iter().filter(|operation| !operation.changes()) {
            let answers = read(&world, operation, &mut wire).await;
            let well = answers.iter().filter(|answer| answer.status == 200).count();
            let names_are_known =
                paths(operation, &world.ids).len() == answers.len() || operation.method == Method::POST;
            assert!(well > 0 && names_are_known, "{}: {:?}", operation.id, answers.first().map(Answer::json));
            world.was_not_asked(&operation.id);
            swept.insert(operation.id.clone());
        }
        for id in ["list_connections", "get_connection", "list_runs", "get_run", "list_inventory", "lookup_bindings"] {
            assert!(swept.contains(id), "{id} was not read: {swept:?}");
        }
        let gets = operations().iter().filter(|operation| operation.method == Method::GET).count();
        assert!(swept.len() > gets, "{gets} GETs, and of POSTs those that read: {swept:?}");
    });
}

/// Every command there is, without its options, and the first example of it that `--help` shows.
fn commands() -> BTreeMap<String, String> {
    let (mut open, mut commands) = (vec![String::new()], BTreeMap::new());
    while let Some(name) = open.pop() {
        let words: Vec<&str> = name.split_whitespace().chain(["--help"]).collect();
        let help = run(&words, "").ok().to_owned();
        if let Some(listed) = help.split("\nCommands:\n").nth(1) {
            let listed = listed.lines().take_while(|line| line.starts_with("  "));
            // What is farther in goes on about the one before.
            let names =
                listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
            open.extend(names.filter(|word| *word != "help").map(|word| format!("{name} {word}").trim().to_owned()));
            continue;
        }
        let examples = help.split("\nExample").nth(1).unwrap_or_else(|| panic!("`{name}` shows no example"));
        let mut example = String::new();
        for line in examples.lines().skip(1).map(str::trim) {
            // A long one goes on in the next line, which begins with something else.
            if line.is_empty() || (line.starts_with("provident ") && example.contains("provident ")) {
                break;
            }
            example = format!("{example} {}", line.trim_end_matches('\\'));
        }
        commands.insert(name, example.trim().to_owned());
    }
    commands
}

/// An example as somebody would type it here.
fn typed(example: &str, world: &World, server: &Instance) -> String {
    let acme = &world.installation.acme;
    let meant = |said: &str| match said {
        "USER" | "OWNER" => acme.owner.user_id().to_string(),
        "ENV" => acme.environment_id.to_string(),
        "CONNECTION" => world.ids["connection_id"][0].clone(),
        // One that has ended, because it is watched.
        "RUN" => world.ids["run_id"].last().unwrap().clone(),
        "BINDING" => world.ids["binding_id"][0].clone(),
        "ITEM" => world.ids["item_id"][0].clone(),
        "KEY" => key("A"),
        "/etc/bash_completion.d/provident" => "completions".to_owned(),
        "/etc/provident.toml" => world.config.display().to_string(),
        "http://127.0.0.1:8080/readyz" => format!("http://{}/readyz", server.address),
        name if name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase()) => {
            panic!("nobody said what {name} is in `{example}`")
        }
        other => other.to_owned(),
    };
    example.split(' ').map(meant).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_reading_command_asks_the_provider_nothing() {
    on_both_engines(async |database: TestDatabase| {
        let mut world = World::make(database).await;
        world.happen().await;
        let (commands, server) = (commands(), world.serve("0"));
        for name in CHANGES {
            assert!(commands.contains_key(name), "there is no `{name}`");
        }
        let folder = tempfile::tempdir().unwrap();
        let subject = json!({ "identity": { "provider_key": "fake", "resource_type": "widget",
            "provider_resource_id": "A", "tenant_owned": true }, "subject_class": "policy",
            "subject_type_key": "widgetPolicy" });
        for (file, text) in [("keys.txt", key("A")), ("inputs.ndjson", subject.to_string())] {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let program = program::path().unwrap();
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut swept = Vec::new();
        for (name, example) in commands.iter().filter(|(name, _)| !CHANGES.contains(&name.as_str())) {
            let line = typed(example, &world, &server);
            let mut shell = Command::new("bash");
            shell.args(["-c", &line]).current_dir(folder.path()).env_clear().env("PATH", &path);
            shell.env("HOME", folder.path()).env("PROVIDENT_CONFIG", &world.config);
            shell.env("PROVIDENT_DATA_DIR", world.installation.directory.path());
            shell.env("PROVIDENT_DATABASE_URL", world.installation.database.url());
            let ran = tokio::task::spawn_blocking(move || run_command(&mut shell, b"")).await.unwrap();
            assert_eq!(ran.code, 0, "`{line}`: {ran:?}");
            world.was_not_asked(name);
            swept.push(name.as_str());
        }
        for name in ["connection list", "connection show", "run list", "run show", "run watch", "inventory list"] {
            assert!(swept.contains(&name), "{name} was not run: {swept:?}");
        }
        assert_eq!(swept.len(), commands.len() - CHANGES.len());
    });
}

#[test]
fn starting_answers_while_the_provider_never_does_and_nothing_is_sent_until_somebody_works() {
    on_both_engines(async |database: TestDatabase| {
        let world = World::make(database).await;
        let acme = &world.installation.acme;
        world.stand_in.tell("", Behaviour::Silence);
        let idle = world.serve("0");
        let mut wire = world.wire(&idle).await;
        let at = format!("/v1/workspaces/{}", acme.workspace_id);
        let body = |connection: Uuid, operation: OperationType| {
            json!({ "environment_id": acme.environment_id, "operation_type": operation.as_str(),
                "provider_connection_id": connection })
            .to_string()
        };
        let start = format!("{at}/operations:start");
        let [first, other] = world.connections();
        let soon = async |wire: &mut Wire, body: &str, status: u16| {
            let begun = Instant::now();
            let answer = wire.ask(&Ask::post(&start, body)).await.unwrap();
            assert_eq!(answer.status, status, "{}", answer.json());
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
            answer.json()
        };
        let run = soon(&mut wire, &body(first, HealthCheck), 202).await["run"]["id"].clone();
        assert_eq!(soon(&mut wire, &body(first, HealthCheck), 200).await["run"]["id"], run);
        assert_eq!(soon(&mut wire, &body(first, InventoryCollect), 409).await["active_run_id"], run);
        let fields = json!({ "fields": { "api_key": API_KEY } }).to_string();
        let set = wire.ask(&Ask::post(&format!("{at}/connections/{first}/credentials"), &fields)).await.unwrap();
        assert_eq!(set.status, 200, "{}", set.json());
        // Longer than anybody who is idle waits before they look again.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        world.was_not_asked("starting");

        let _working = world.serve("1");
        let begun = Instant::now();
        while world.stand_in.count() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "nobody works");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(soon(&mut wire, &body(first, HealthCheck), 200).await["run"]["status"], "running");
        soon(&mut wire, &body(other, ComplianceSnapshot), 202).await;
        assert!(world.stand_in.requests().iter().all(|seen| seen.path() == "/pulse" && seen.status.is_none()));
    });
}
