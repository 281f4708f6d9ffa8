//! PostgreSQL goes away under load and comes back: meanwhile requests fail with what may be asked again, `/readyz` says
//! so, and afterwards the service answers by itself. Nothing acknowledged is lost.
//!
//! The server is a cluster of its own that syncs. It is stopped as for an upgrade (`SIGINT`), at once (`SIGQUIT`), killed
//! (`SIGKILL`), and has one of its sessions killed, so that it throws all others out and recovers by itself.
#![cfg(test)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use provident::service::{Auditor, Service, Settings};
use provident_tests::api::token;
use provident_tests::database::{TestDatabase, say};
use provident_tests::insistence::{FOR_NOW, Insistent, Places};
use provident_tests::installation::{Installation, key, plane};
use provident_tests::postgres::{self, Server};
use provident_tests::replay::Trail;
use provident_tests::serving::Instance;
use provident_tests::wire::{Ask, Wire};
use serde_json::json;
use uuid::Uuid;

const WRITERS: usize = 4;
const READERS: usize = 2;
/// How much is done before the server goes away, and again after it came back.
const DONE_BETWEEN: usize = 20;
/// How many requests have to fail while it is away.
const FAILED_MEANWHILE: usize = 6;
/// How long a test waits for what must come.
const LONG: Duration = Duration::from_mins(1);

/// What clients share.
struct Load {
    bindings: String,
    environment_id: Uuid,
    done: AtomicUsize,
    failed: AtomicUsize,
    enough: AtomicBool,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.enough.load(Ordering::Relaxed)
    }
}

/// A client that ended, and the bindings it was told are made.
struct Ended {
    insistent: Insistent,
    made: BTreeMap<String, Uuid>,
}

/// Decides about one subject after the other, each request sent until it is answered.
async fn write(load: Arc<Load>, mut insistent: Insistent, writer: usize) -> Ended {
    let mut made = BTreeMap::new();
    for round in 0.. {
        if !load.goes_on() {
            break;
        }
        let own = format!("{writer}-{round}");
        let body = json!({
            "environment_id": load.environment_id, "mode": "excluded_non_governed", "subject": key(&own),
            "subject_domain": "things", "note": "not ours",
        })
        .to_string();
        let headers = [("idempotency-key", own.as_str())];
        let answer = loop {
            match insistent.once(&Ask::post(&load.bindings, &body).with(&headers)).await {
                Some(answer) => break answer,
                None => load.failed.fetch_add(1, Ordering::Relaxed),
            };
        };
        assert_eq!(answer.status, 201, "{}", answer.json());
        load.done.fetch_add(1, Ordering::Relaxed);
        made.insert(own, answer.json()["binding"]["id"].as_str().unwrap().parse().unwrap());
    }
    Ended { insistent, made }
}

/// Reads, over and over.
async fn read(load: Arc<Load>, mut insistent: Insistent) -> Ended {
    let path = format!("{}?environment_id={}&limit=1", load.bindings, load.environment_id);
    while load.goes_on() {
        match insistent.once(&Ask::get(&path)).await {
            Some(answer) => assert_eq!(answer.status, 200, "{}", answer.json()),
            None => _ = load.failed.fetch_add(1, Ordering::Relaxed),
        }
    }
    Ended { insistent, made: BTreeMap::new() }
}

/// Waits until something is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < LONG, "{what}: not so");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

async fn more(what: &str, counter: &AtomicUsize, by: usize) {
    let from = counter.load(Ordering::Relaxed);
    until(what, async || counter.load(Ordering::Relaxed) >= from + by).await;
}

fn signal(name: &str, process: &str) {
    assert!(Command::new("kill").args([name, process]).status().unwrap().success());
}

/// What `/readyz` says, and that `/healthz` says it runs whatever that is.
async fn readiness(address: SocketAddr) -> u16 {
    let mut wire = Wire::to(address, "").await.unwrap();
    assert_eq!(wire.ask(&Ask::get("/healthz")).await.unwrap().status, 200);
    let answer = wire.ask(&Ask::get("/readyz")).await.unwrap();
    match answer.status {
        200 => assert_eq!(answer.json(), json!({ "status": "ready" })),
        503 => assert!(FOR_NOW.contains(&answer.code().as_str()) && answer.header("retry-after").is_some()),
        status => panic!("/readyz says {status}: {}", answer.json()),
    }
    answer.status
}

/// Takes the server away by a signal, sees what is said of it, and brings it back.
async fn away(server: &'static Server, name: &str, address: SocketAddr, load: &Load) {
    more("before", &load.done, DONE_BETWEEN).await;
    assert_eq!(readiness(address).await, 200);
    signal(name, &server.process().unwrap().to_string());
    until("it is not ready", async || readiness(address).await == 503).await;
    more("failing", &load.failed, FAILED_MEANWHILE).await;
    assert_eq!(readiness(address).await, 503);
    tokio::task::spawn_blocking(|| server.start_again()).await.unwrap().unwrap();
    let took = until("it is ready again", async || readiness(address).await == 200).await;
    more("afterwards", &load.done, DONE_BETWEEN).await;
    say(&format!("{name}: ready again {took:.1?} after the server was"));
}

/// Kills a session: the server ends all of them and starts again by itself.
async fn crash(world: &Installation, load: &Load) {
    more("before", &load.done, DONE_BETWEEN).await;
    let mut raw = world.raw().await;
    let one = "SELECT pid FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name = 'provident' LIMIT 1";
    let session = raw.value(one).await.unwrap().unwrap();
    signal("-KILL", &session);
    // Requests need not fail: whoever connects meanwhile waits for it.
    until("the server ends its sessions", async || raw.value("SELECT 1").await.is_err()).await;
    more("afterwards", &load.done, DONE_BETWEEN).await;
}

/// Everything that is not as it was acknowledged.
async fn violations(world: &Installation, service: &Service, made: &BTreeMap<String, Uuid>) -> Vec<String> {
    let mut raw = world.raw().await;
    let trail = Trail::read(&mut raw, service, &world.acme).await;
    raw.close().await.unwrap();
    let mut found = trail.violations();
    let lost = made.iter().filter(|(_, id)| !trail.decisions.contains_key(*id));
    found.extend(lost.map(|(key, id)| format!("acknowledged and not there: {id} under {key}")));
    if trail.decisions.len() != made.len() {
        found.push(format!("{} were acknowledged, {} are there", made.len(), trail.decisions.len()));
    }
    let plane = plane();
    match service.verify_audit(Auditor::System(&plane), &world.acme.workspace, None).await.unwrap() {
        Ok(end) if end.number == trail.head.0 => {}
        verdict => found.push(format!("the chain: {verdict:?}")),
    }
    found
}

#[test]
fn while_the_database_is_away_requests_fail_for_now_and_afterwards_nothing_acknowledged_is_lost() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = postgres::durable().unwrap();
        let world = Installation::on(TestDatabase::migrated_on(server).await).await;
        let acme = &world.acme;
        let settings = Settings::new(world.database.url(), world.directory.path().join("master.key"));
        let service = Service::open(&settings).await.unwrap();
        let token = token(&service, acme.manager.user_id(), Some(acme.workspace_id), false).await;
        let instance = Instance::start(&world.database.url(), world.directory.path());
        let places = Places::new(vec![instance.address]);
        let bindings = format!("/v1/workspaces/{}/bindings", acme.workspace_id);
        let (done, failed, enough) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let load = Arc::new(Load { bindings, environment_id: acme.environment_id, done, failed, enough });
        let mut clients = Vec::new();
        for writer in 0..WRITERS {
            clients.push(tokio::spawn(write(Arc::clone(&load), Insistent::new(&places, &token, 0), writer)));
        }
        for _ in 0..READERS {
            clients.push(tokio::spawn(read(Arc::clone(&load), Insistent::new(&places, &token, 0))));
        }
        for name in ["-INT", "-KILL", "-QUIT"] {
            away(server, name, instance.address, &load).await;
        }
        crash(&world, &load).await;
        load.enough.store(true, Ordering::Relaxed);
        let (mut made, mut for_now) = (BTreeMap::new(), BTreeMap::<String, usize>::new());
        let mut longest = Duration::ZERO;
        for client in clients {
            let ended = client.await.unwrap();
            assert_eq!(ended.insistent.broken, 0, "a request was not answered at all");
            made.extend(ended.made);
            longest = longest.max(ended.insistent.longest);
            for (code, times) in ended.insistent.for_now {
                *for_now.entry(code).or_default() += times;
            }
        }
        let found = violations(&world, &service, &made).await;
        assert!(found.is_empty(), "{found:#?}");
        say(&format!(
            "the database away under load: {} acknowledged, none lost; told to come again: {for_now:?}; the longest \
             answer took {longest:.1?}",
            made.len()
        ));
    });
}
