//! Two instances on one PostgreSQL behave as one, also while one of them is killed: nothing acknowledged is lost, and
//! what is asked again under its idempotency key has one effect.
//!
//! Both are the program itself, each a process. Clients send decisions through either; some leave before the answer, and
//! one instance is killed (`SIGKILL`) again and again; what was not answered is asked of the other.
#![cfg(test)]

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use provident::service::{Auditor, Service, Settings};
use provident_tests::api::token;
use provident_tests::database::{Engine, TestDatabase, say};
use provident_tests::insistence::{Insistent, Places};
use provident_tests::installation::{Installation, key, plane};
use provident_tests::replay::{Trail, two_active};
use provident_tests::serving::Instance;
use provident_tests::wire::{Answer, Ask, Wire};
use serde_json::{Value, json};
use uuid::Uuid;

const CLIENTS: usize = 6;
const KILLS: usize = 6;
/// How much is done between a kill and what follows it.
const DONE_BETWEEN: usize = 30;
/// One in so many requests is left before its answer.
const LEFT: usize = 5;
/// How long a test waits for what must come.
const LONG: Duration = Duration::from_mins(1);

/// An installation on PostgreSQL, and the service on it by the clock on the wall.
struct World {
    installation: Installation,
    service: Service,
}

impl World {
    async fn make() -> Self {
        let installation = Installation::on(TestDatabase::migrated(Engine::Postgres).await).await;
        let master_key = installation.directory.path().join("master.key");
        let service = Service::open(&Settings::new(installation.database.url(), master_key)).await.unwrap();
        Self { installation, service }
    }

    fn instance(&self) -> Instance {
        Instance::start(&self.installation.database.url(), self.installation.directory.path())
    }

    fn bindings(&self) -> String {
        format!("/v1/workspaces/{}/bindings", self.installation.acme.workspace_id)
    }

    fn exclusion(&self, subject: &str) -> String {
        json!({
            "environment_id": self.installation.acme.environment_id, "mode": "excluded_non_governed",
            "subject": key(subject), "subject_domain": "things", "note": "not ours",
        })
        .to_string()
    }
}

/// A change that was acknowledged: under which key, what it is and what it came to.
struct Done {
    key: String,
    operation: &'static str,
    binding_id: Uuid,
}

/// What clients share.
struct Load {
    bindings: String,
    /// A request to create with `SUBJECT` in the place of the subject.
    creation: String,
    done: AtomicUsize,
    enough: AtomicBool,
}

/// One of those who decide.
struct Client {
    number: usize,
    load: Arc<Load>,
    insistent: Insistent,
    sent: usize,
    done: Vec<Done>,
}

fn id_of(answer: &Answer) -> Uuid {
    let body = answer.json();
    assert!(matches!(answer.status, 200 | 201), "{} {body}", answer.status);
    body["binding"]["id"].as_str().unwrap().parse().unwrap()
}

impl Client {
    async fn ask(&mut self, path: &str, body: &str, key: &str) -> Answer {
        let headers = [("idempotency-key", key)];
        let ask = Ask::post(path, body).with(&headers);
        self.sent += 1;
        if self.sent.is_multiple_of(LEFT) {
            self.insistent.leave(&ask).await;
        }
        self.insistent.insist(&ask).await
    }

    fn acknowledged(&mut self, key: String, operation: &'static str, answer: &Answer) -> Uuid {
        let binding_id = id_of(answer);
        self.done.push(Done { key, operation, binding_id });
        self.load.done.fetch_add(1, Ordering::Relaxed);
        binding_id
    }

    async fn create(&mut self, subject: &str, key: &str) -> Answer {
        let load = Arc::clone(&self.load);
        self.ask(&load.bindings, &load.creation.replace("SUBJECT", subject), key).await
    }

    /// Decides about a subject of its own, decides otherwise, withdraws; and is one of many to decide about another.
    async fn decide(&mut self, round: usize) {
        let (own, path) = (format!("{}-{round}", self.number), self.load.bindings.clone());
        let answer = self.create(&own, &own).await;
        let first = self.acknowledged(own.clone(), "binding.create", &answer);

        let (key, body) = (format!("{own}-supersede"), json!({ "mode": "accepted_limitation", "note": "known" }));
        let answer = self.ask(&format!("{path}/{first}/supersede"), &body.to_string(), &key).await;
        let second = self.acknowledged(key, "binding.supersede", &answer);
        self.insistent.turn();

        let (key, body) = (format!("{own}-revoke"), json!({ "note": "over" }));
        let answer = self.ask(&format!("{path}/{second}/revoke"), &body.to_string(), &key).await;
        assert_eq!(self.acknowledged(key, "binding.revoke", &answer), second);

        let (subject, key) = (format!("shared-{round}"), format!("{own}-shared"));
        let answer = self.create(&subject, &key).await;
        if answer.status == 409 {
            assert_eq!(answer.code(), "active-binding-exists");
        } else {
            self.acknowledged(key, "binding.create", &answer);
        }
    }

    async fn work(mut self) -> Self {
        for round in 0.. {
            if self.load.enough.load(Ordering::Relaxed) {
                break;
            }
            self.decide(round).await;
        }
        self
    }
}

/// Waits until so much more is done.
async fn go_on(load: &Load) {
    let (begun, from) = (Instant::now(), load.done.load(Ordering::Relaxed));
    while load.done.load(Ordering::Relaxed) < from + DONE_BETWEEN {
        assert!(begun.elapsed() < LONG, "nothing more is done");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// Kills one instance after the other while clients write, each started again before the next.
async fn under_kills(world: &World, token: &str) -> Vec<Client> {
    let mut instances = vec![world.instance(), world.instance()];
    let places = Places::new(instances.iter().map(|instance| instance.address).collect());
    let (done, enough) = (AtomicUsize::new(0), AtomicBool::new(false));
    let load = Load { bindings: world.bindings(), creation: world.exclusion("SUBJECT"), done, enough };
    let load = Arc::new(load);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let insistent = Insistent::new(&places, token, number);
            let client = Client { number, load: Arc::clone(&load), insistent, sent: 0, done: Vec::new() };
            tokio::spawn(client.work())
        })
        .collect();
    for kill in 0..KILLS {
        go_on(&load).await;
        // Somewhere in what they do at this moment.
        tokio::time::sleep(Duration::from_millis(7 * kill as u64)).await;
        let at = kill % 2;
        instances.remove(at).kill();
        go_on(&load).await;
        instances.insert(at, world.instance());
        places.moved(at, instances[at].address);
    }
    go_on(&load).await;
    load.enough.store(true, Ordering::Relaxed);
    let mut ended = Vec::new();
    for client in clients {
        ended.push(client.await.unwrap());
    }
    ended
}

/// What is kept under keys, as operation and binding.
async fn kept(world: &World) -> HashMap<String, (String, Uuid)> {
    let mut raw = world.installation.raw().await;
    let rows = raw.rows("SELECT idempotency_key, operation, binding_id FROM idempotency_keys").await.unwrap();
    raw.close().await.unwrap();
    rows.into_iter()
        .map(|row| {
            let [key, operation, id] = <[Option<String>; 3]>::try_from(row).unwrap().map(Option::unwrap);
            (key, (operation, id.parse().unwrap()))
        })
        .collect()
}

/// Everything that is not as it was acknowledged.
async fn violations(world: &World, done: &[&Done]) -> Vec<String> {
    let acme = &world.installation.acme;
    let mut raw = world.installation.raw().await;
    let trail = Trail::read(&mut raw, &world.service, acme).await;
    let mut found = trail.violations();
    found.extend(two_active(&mut raw).await);
    raw.close().await.unwrap();
    let kept = kept(world).await;
    for Done { key, operation, binding_id } in done {
        if kept.get(key) != Some(&((*operation).to_owned(), *binding_id)) {
            found.push(format!("{operation} under {key} came to {binding_id}, and is {:?}", kept.get(key)));
        }
    }
    let mut told = BTreeMap::<&str, usize>::new();
    for event in trail.events.iter().filter(|event| event.event.action.starts_with("binding.")) {
        *told.entry(event.event.action.as_str()).or_default() += 1;
    }
    for (operation, action) in [
        ("binding.create", "binding.created"),
        ("binding.supersede", "binding.superseded"),
        ("binding.revoke", "binding.revoked"),
    ] {
        let acknowledged = done.iter().filter(|done| done.operation == operation).count();
        if told.get(action) != Some(&acknowledged) {
            found.push(format!("{acknowledged} acknowledged, {:?} told of: {action}", told.get(action)));
        }
    }
    let made = done.iter().filter(|done| done.operation != "binding.revoke").count();
    if (trail.decisions.len(), kept.len()) != (made, done.len()) {
        let counts = format!("{} bindings, {} keys", trail.decisions.len(), kept.len());
        found.push(format!("{made} made and {} acknowledged, and there are {counts}", done.len()));
    }
    let plane = plane();
    match world.service.verify_audit(Auditor::System(&plane), &acme.workspace, None).await.unwrap() {
        Ok(end) if end.number == trail.head.0 => {}
        verdict => found.push(format!("the chain: {verdict:?}")),
    }
    found
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}

#[test]
fn of_two_instances_one_is_killed_under_load_and_every_key_has_one_effect_that_is_acknowledged() {
    run(async {
        let world = World::make().await;
        let acme = &world.installation.acme;
        let token = token(&world.service, acme.manager.user_id(), Some(acme.workspace_id), false).await;
        let begun = Instant::now();
        let clients = under_kills(&world, &token).await;
        let done: Vec<&Done> = clients.iter().flat_map(|client| &client.done).collect();
        let found = violations(&world, &done).await;
        assert!(found.is_empty(), "{found:#?}");
        let sum = |count: fn(&Insistent) -> usize| clients.iter().map(|client| count(&client.insistent)).sum::<usize>();
        say(&format!(
            "two instances: {KILLS} kills in {:.1?}, {} acknowledged, each there once; {} answers not waited for, {} \
             connections broken, {} told to come again",
            begun.elapsed(),
            done.len(),
            sum(|client| client.left),
            sum(|client| client.broken),
            sum(|client| client.for_now.values().sum()),
        ));
        assert!(sum(|client| client.broken) > 0, "no kill was noticed");
    });
}

/// A wire to each instance.
async fn wires(instances: [&Instance; 2], token: &str) -> [Wire; 2] {
    let to = async |address: SocketAddr| Wire::to(address, token).await.unwrap();
    let [one, other] = instances;
    [to(one.address).await, to(other.address).await]
}

#[test]
fn what_is_decided_or_revoked_through_one_instance_holds_at_once_through_the_other_of_two_instances() {
    run(async {
        let world = World::make().await;
        let acme = &world.installation.acme;
        let shown = token(&world.service, acme.manager.user_id(), None, false).await;
        let (one, other) = (world.instance(), world.instance());
        let [mut one, mut other] = wires([&one, &other], &shown).await;
        let bindings = world.bindings();
        for subject in ["A", "B", "C"] {
            let keyed = [("idempotency-key", subject)];
            let (creation, lookup) = (
                world.exclusion(subject),
                json!({ "environment_id": acme.environment_id, "keys": [key(subject)] }).to_string(),
            );
            let create = Ask::post(&bindings, &creation).with(&keyed);
            let at_lookup = format!("{bindings}:lookup");
            let lookup = Ask::post(&at_lookup, &lookup);
            // Read before, so that whoever kept what was read would answer it again.
            assert_eq!(other.ask(&lookup).await.unwrap().json()["items"][0]["state"], "none");
            let made = one.ask(&create).await.unwrap();
            let id = id_of(&made);
            let seen = other.ask(&lookup).await.unwrap().json();
            assert_eq!(seen["items"][0]["binding"]["id"], json!(id));
            let again = other.ask(&create).await.unwrap();
            assert_eq!((again.status, again.body), (made.status, made.body));
            assert_eq!(other.ask(&Ask::post(&bindings, &creation)).await.unwrap().code(), "active-binding-exists");

            let path = format!("{bindings}/{id}");
            let revoked = other.ask(&Ask::post(&format!("{path}/revoke"), r#"{"note":"over"}"#)).await.unwrap();
            assert_eq!(id_of(&revoked), id);
            let seen: Value = one.ask(&Ask::get(&path)).await.unwrap().json();
            assert_eq!(seen["binding_status"], "revoked");
        }

        let members = [("x-request-id", "last")];
        let path = format!("{bindings}?environment_id={}", acme.environment_id);
        let list = Ask::get(&path).with(&members);
        for wire in [&mut one, &mut other] {
            assert_eq!(wire.ask(&list).await.unwrap().status, 200);
        }
        let token_id = shown.split('_').nth(1).unwrap().parse().unwrap();
        world.service.revoke_token(&plane(), token_id).await.unwrap();
        for wire in [&mut one, &mut other] {
            let refused = wire.ask(&list).await.unwrap();
            assert_eq!((refused.status, refused.code()), (401, "bad-credential".to_owned()));
        }
    });
}
