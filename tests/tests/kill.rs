//! A process that is killed while it writes (P381-21): what it acknowledged is there with its event, what it did not is
//! there whole or not at all, and the chain goes on as if nothing had been.
//!
//! The writer is this very program, started again with its orders in the environment; it says each thing that it has
//! been told is done. `KILLS` says how often it is killed per engine, `KILL_SEED` when. On PostgreSQL the server outlives
//! the writer, so it is killed too, on a cluster of its own that syncs. A killed process shows that order and atomicity
//! of the writes hold; it does not show what a machine without power keeps, since the operating system lives on.
#![cfg(test)]

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use provident::actor::Actor;
use provident::audit::GENESIS_HASH;
use provident::binding::{Binding, Note, RevokeBinding, SupersedeBinding};
use provident::service::{Service, Settings};
use provident::workspace::WorkspaceRef;
use provident_identity::ResolutionMode;
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines, say};
use provident_tests::installation::{Installation, exclusion, key, settings};
use provident_tests::postgres;
use provident_tests::replay::{Trail, head};
use uuid::Uuid;

const KILLS: usize = 200;
/// How often a server is killed under its writers.
const SERVER_KILLS: usize = 10;
/// How often everything is looked at, not what is new alone.
const WHOLE_EVERY: usize = 50;
/// How many write at once.
const WRITERS: usize = 4;
/// How long a test waits for what must come.
const LONG: Duration = Duration::from_mins(1);

/// The environment variable with the orders of a writer, in one line.
const ORDERS: &str = "PROVIDENT_TEST_WRITER";
/// What a line begins with that says something is done.
const DONE: &str = "done ";

/// A decision that ended and one that began: what an acknowledgement and an event have in common.
type Change = (Option<Uuid>, Option<Uuid>);

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// Draws numbers: xorshift, from a seed that is not 0.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What a writer is to do; the other end of [`Writer::start`].
struct Orders {
    settings: Settings,
    run: String,
    workspace: WorkspaceRef,
    environment_id: Uuid,
    manager: Actor,
}

impl Orders {
    fn given() -> Option<Self> {
        let line = std::env::var(ORDERS).ok()?;
        let words: Vec<&str> = line.split('\n').collect();
        let [url, master_key, run, workspace, environment, manager] = words[..] else { panic!("{line}") };
        let id = |text: &str| text.parse::<Uuid>().unwrap();
        Some(Self {
            settings: Settings::new(url, master_key),
            run: run.to_owned(),
            workspace: WorkspaceRef::Id(id(workspace)),
            environment_id: id(environment),
            manager: Actor::user(id(manager)),
        })
    }

    /// Writes until it is killed, and says what is done once the service has said so.
    fn obey(&self) -> ! {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let service = Service::open(&self.settings).await.unwrap();
            let mut writers = Vec::new();
            for writer in 0..WRITERS {
                writers.push(self.write(&service, writer));
            }
            let [one, two, three, four] = <[_; WRITERS]>::try_from(writers).ok().unwrap();
            tokio::join!(one, two, three, four);
        });
        unreachable!("a writer ends by being killed");
    }

    async fn write(&self, service: &Service, writer: usize) {
        let done = |old: Option<Uuid>, new: Option<Uuid>| {
            let text = |id: Option<Uuid>| id.unwrap_or(Uuid::nil()).to_string();
            // Standard output has whole lines only, each in one write.
            println!("{DONE}{} {}", text(old), text(new));
        };
        for subject in 0_u64.. {
            let own = format!("{}-{writer}-{subject}", self.run);
            let mut request = exclusion(&key(&own));
            request.idempotency_key = Some(own.parse().unwrap());
            let created = service.create_binding(self.manager, &self.workspace, self.environment_id, &request).await;
            let Ok(created) = created else {
                // The server is away.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            done(None, Some(created.id));
            let Ok(second) = self.supersede(service, &created, &own).await else { continue };
            done(Some(created.id), Some(second.id));
            let mut request = RevokeBinding::from(Some(&Note::new("was wrong")));
            request.idempotency_key = Some(format!("{own}-revoke").parse().unwrap());
            if service.revoke_binding(self.manager, &self.workspace, second.id, request).await.is_ok() {
                done(Some(second.id), None);
            }
        }
    }

    async fn supersede(&self, service: &Service, old: &Binding, own: &str) -> Result<Binding, provident::error::Error> {
        let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
        request.idempotency_key = Some(format!("{own}-supersede").parse().unwrap());
        request.note = Some(Note::new("now differently"));
        service.supersede_binding(self.manager, &self.workspace, old.id, &request).await
    }
}

/// A process that writes.
struct Writer {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    done: Vec<Change>,
}

impl Writer {
    fn start(world: &Installation, test: &str, run: &str) -> Self {
        let acme = &world.acme;
        let orders = [
            world.database.url(),
            world.directory.path().join("master.key").display().to_string(),
            run.to_owned(),
            acme.workspace_id.to_string(),
            acme.environment_id.to_string(),
            acme.manager.user_id().to_string(),
        ];
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(ORDERS, orders.join("\n"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines, done: Vec::new() }
    }

    /// Waits for the next thing that is done.
    fn hear(&mut self) -> bool {
        for line in self.lines.by_ref().map_while(Result::ok) {
            let Some(ids) = line.strip_prefix(DONE) else { continue };
            let ids: Vec<Option<Uuid>> =
                ids.split(' ').map(|id| Some(id.parse().unwrap()).filter(|id: &Uuid| !id.is_nil())).collect();
            self.done.push((ids[0], ids[1]));
            return true;
        }
        false
    }

    /// Kills it, and gives back all it said was done.
    fn kill(mut self) -> Vec<Change> {
        self.process.kill().unwrap();
        let status = self.process.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "it ended by itself");
        while self.hear() {}
        self.done
    }
}

/// What has been looked at so far.
struct Seen {
    number: i64,
    hash: String,
    acknowledged: usize,
    unacknowledged: usize,
}

impl Seen {
    fn nothing() -> Self {
        Self { number: 0, hash: GENESIS_HASH.to_owned(), acknowledged: 0, unacknowledged: 0 }
    }

    /// Goes over what is new since: one event after the other, each acknowledged change among them, no half of any.
    async fn go_on(&mut self, raw: &mut Raw, workspace_id: Uuid, done: &[Change]) -> Vec<String> {
        let mut found = Vec::new();
        let workspace = raw.engine().id(workspace_id);
        let sql = format!(
            "SELECT number, previous_hash, hash, old_binding_id, new_binding_id, action FROM audit_events \
             WHERE workspace_id = {workspace} AND number > {} ORDER BY number",
            self.number
        );
        let mut told = HashSet::new();
        for row in raw.rows(&sql).await.unwrap() {
            let [number, previous, hash, old, new, action] = <[Option<String>; 6]>::try_from(row).unwrap();
            self.number += 1;
            if number.as_ref() != Some(&self.number.to_string()) || previous.as_ref() != Some(&self.hash) {
                found.push(format!("event {number:?} does not follow {} of {}", self.number - 1, self.hash));
            }
            self.hash = hash.unwrap();
            let id = |text: Option<String>| text.map(|text| text.parse::<Uuid>().unwrap());
            if action.unwrap().starts_with("binding.") {
                told.insert((id(old), id(new)));
            }
        }
        if head(raw, workspace_id).await != (self.number, self.hash.clone()) {
            found.push("the head is not the last event's".to_owned());
        }
        found.extend(done.iter().filter(|change| !told.contains(*change)).map(|lost| format!("lost: {lost:?}")));
        self.acknowledged += done.len();
        self.unacknowledged += told.len().saturating_sub(done.len());
        for (rows, events) in [
            ("workspace_id IS NOT NULL", "new_binding_id IS NOT NULL"),
            ("binding_status <> 'active'", "old_binding_id IS NOT NULL"),
            ("supersedes_binding_id IS NOT NULL", "old_binding_id IS NOT NULL AND new_binding_id IS NOT NULL"),
        ] {
            let sql = format!(
                "SELECT (SELECT count(*) FROM provider_resource_bindings WHERE workspace_id = {workspace} AND {rows}), \
                 (SELECT count(*) FROM audit_events WHERE workspace_id = {workspace} AND {events})"
            );
            let counts = raw.rows(&sql).await.unwrap().remove(0);
            if counts[0] != counts[1] {
                found.push(format!("halves: {counts:?} where {rows}"));
            }
        }
        // Each was asked for under a key of its own, which is there with what it did.
        for (operation, rows) in [
            ("binding.create", "supersedes_binding_id IS NULL"),
            ("binding.supersede", "supersedes_binding_id IS NOT NULL"),
            ("binding.revoke", "binding_status = 'revoked'"),
        ] {
            let sql = format!(
                "SELECT (SELECT count(*) FROM provider_resource_bindings WHERE workspace_id = {workspace} AND {rows}), \
                 (SELECT count(*) FROM idempotency_keys k JOIN provider_resource_bindings b \
                  ON b.workspace_id = k.workspace_id AND b.id = k.binding_id \
                  WHERE k.workspace_id = {workspace} AND k.operation = '{operation}' AND b.{rows})"
            );
            let counts = raw.rows(&sql).await.unwrap().remove(0);
            if counts[0] != counts[1] {
                found.push(format!("keys of {operation}: {counts:?}"));
            }
        }
        found
    }
}

/// Waits until the server has noticed that its clients are gone: what they had sent may still be done.
async fn quiet(raw: &mut Raw) {
    let begun = Instant::now();
    let others = "SELECT count(*) FROM pg_stat_activity \
                  WHERE datname = current_database() AND application_name = 'provident'";
    while raw.engine() == Engine::Postgres && raw.value(others).await.unwrap().as_deref() != Some("0") {
        assert!(begun.elapsed() < LONG, "the clients are killed and their sessions go on");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Everything, through a service opened for it alone.
async fn whole(world: &Installation, raw: &mut Raw) -> Vec<String> {
    let service = Service::open(&settings(&world.database, &world.directory)).await.unwrap();
    let mut found = Trail::read(raw, &service, &world.acme).await.violations();
    service.close().await;
    if raw.engine() == Engine::Sqlite {
        for (check, sound) in [("integrity_check", Some("ok")), ("foreign_key_check", None)] {
            let answer = raw.value(&format!("PRAGMA {check}")).await.unwrap();
            if answer.as_deref() != sound {
                found.push(format!("{check}: {answer:?}"));
            }
        }
    }
    found
}

#[test]
fn a_writer_that_is_killed_loses_nothing_it_acknowledged_and_leaves_no_half() {
    if let Some(orders) = Orders::given() {
        orders.obey();
    }
    on_both_engines(|database| async move {
        let engine = database.engine();
        let world = Installation::on(database).await;
        // Nobody but the writer has the database open when it is killed, so that it is found as it was left.
        world.service.close().await;
        let (begun, mut seen) = (Instant::now(), Seen::nothing());
        let mut dice = Dice(u64::try_from(number("KILL_SEED", 1)).unwrap().wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let kills = number("KILLS", KILLS);
        for kill in 1..=kills {
            let test = "a_writer_that_is_killed_loses_nothing_it_acknowledged_and_leaves_no_half";
            let mut writer = Writer::start(&world, test, &kill.to_string());
            // One in ten is killed while it starts up, the others somewhere in what they write.
            let wait = if dice.below(10) == 0 {
                dice.below(60_000)
            } else {
                assert!(writer.hear(), "a writer that writes nothing");
                dice.below(60_000)
            };
            std::thread::sleep(Duration::from_micros(wait));
            let done = writer.kill();
            let mut raw = world.raw().await;
            quiet(&mut raw).await;
            let mut found = seen.go_on(&mut raw, world.acme.workspace_id, &done).await;
            if kill % WHOLE_EVERY == 0 || kill == kills {
                found.extend(whole(&world, &mut raw).await);
            }
            raw.close().await.unwrap();
            assert!(found.is_empty(), "after kill {kill}: {found:#?}");
        }
        let Seen { acknowledged, unacknowledged, .. } = seen;
        say(&format!(
            "kill on {engine}: {kills} kills in {:.1?}, {acknowledged} acknowledged, none lost; {unacknowledged} done and \
             not acknowledged, each whole",
            begun.elapsed()
        ));
        assert!(acknowledged > kills, "{acknowledged} acknowledged");
    });
}

fn kill(process: &str) {
    assert!(Command::new("kill").args(["-KILL", process]).status().unwrap().success());
}

/// A connection, once the server takes any.
async fn once_up(database: &TestDatabase) -> Raw {
    let begun = Instant::now();
    loop {
        match database.try_raw().await {
            Ok(raw) => return raw,
            Err(error) => assert!(begun.elapsed() < LONG, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_server_that_is_killed_under_its_writers_loses_nothing_they_were_told_is_done() {
    if let Some(orders) = Orders::given() {
        orders.obey();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = postgres::durable().unwrap();
        let world = Installation::on(TestDatabase::migrated_on(server).await).await;
        world.service.close().await;
        let (begun, mut seen) = (Instant::now(), Seen::nothing());
        let mut dice = Dice(u64::try_from(number("KILL_SEED", 1)).unwrap().wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let test = "a_server_that_is_killed_under_its_writers_loses_nothing_they_were_told_is_done";
        for turn in 0..SERVER_KILLS {
            let mut writer = Writer::start(&world, test, &turn.to_string());
            assert!(writer.hear());
            std::thread::sleep(Duration::from_millis(dice.below(200)));
            let mut raw = world.raw().await;
            if turn % 2 == 0 {
                // One session: the server throws all others out and recovers by itself.
                let one = "SELECT pid FROM pg_stat_activity \
                           WHERE datname = current_database() AND application_name = 'provident' LIMIT 1";
                kill(&raw.value(one).await.unwrap().unwrap());
            } else {
                kill(&server.process().unwrap().to_string());
            }
            let killed = Instant::now();
            while raw.value("SELECT 1").await.is_ok() {
                assert!(killed.elapsed() < LONG, "the server is killed and answers");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if turn % 2 == 1 {
                server.start_again().unwrap();
            }
            // The writer finds its server again: it is told of more than there was to tell when that came back.
            let there = head(&mut once_up(&world.database).await, world.acme.workspace_id).await.0 - seen.number;
            while writer.done.len() < usize::try_from(there).unwrap() + 20 {
                assert!(writer.hear(), "the writer gave up");
            }
            let done = writer.kill();
            let mut raw = once_up(&world.database).await;
            quiet(&mut raw).await;
            let mut found = seen.go_on(&mut raw, world.acme.workspace_id, &done).await;
            found.extend(whole(&world, &mut raw).await);
            raw.close().await.unwrap();
            assert!(found.is_empty(), "after server kill {turn}: {found:#?}");
        }
        say(&format!(
            "kill of the server: {SERVER_KILLS} kills in {:.1?}, {} acknowledged, none lost; {} done and not acknowledged",
            begun.elapsed(),
            seen.acknowledged,
            seen.unacknowledged
        ));
    });
}
