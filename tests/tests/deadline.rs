//! A mutation has so much time until its COMMIT is sent (P381-14): a lock that somebody holds ends it with nothing
//! written, whatever it was about to do; a COMMIT under way is awaited; of one whose answer is lost nobody is told that
//! it failed.
//!
//! That something ended is asserted, how soon is told: no verdict hangs on how busy the machine is.
#![cfg(test)]

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use provident::actor::{Actor, SystemActor};
use provident::audit::Operation;
use provident::binding::{Binding, CreateBinding, Note, ResourceRef, RevokeBinding, SubjectRef, SupersedeBinding};
use provident::clock::{Clock, Ids};
use provident::connection::{CreateConnection, UpdateConnection};
use provident::error::Error;
use provident::idempotency::IdempotencyKey;
use provident::policy::{Capability, Role};
use provident::registry::RegistryLine;
use provident::run::OperationType;
use provident::service::{BulkAnswer, Import, Named, NewToken, RegistrySync, Service, Settings};
use provident_identity::ResolutionMode;
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines, say};
use provident_tests::installation::{Installation, exclusion, key, plane, settings, widget};
use provident_tests::postgres;
use provident_tests::provider;
use provident_tests::proxy::{AtCommit, Proxy};
use provident_tests::stand_in::fake;
use provident_tests::tables;
use uuid::Uuid;

/// What a mutation has here.
const TIME: Duration = Duration::from_millis(300);
/// How many imports and how many syncs are begun beforehand: a lock held here would keep a sync from beginning.
const BEGUN: usize = 200;
/// How long a test waits for what must come.
const LONG: Duration = Duration::from_mins(1);

/// A second service on the database of an installation, whose mutations have little time.
async fn impatient(world: &Installation, url: String, time: Duration) -> Service {
    let mut settings: Settings = settings(&world.database, &world.directory);
    (settings.clock, settings.ids) = (Clock::system(), Ids::system());
    (settings.database_url, settings.mutation_deadline) = (url, time);
    Service::open(&settings).await.unwrap()
}

async fn everything(world: &Installation) -> Vec<Vec<String>> {
    let mut tables = Vec::new();
    for table in tables::all() {
        tables.push(world.dump(table).await);
    }
    tables
}

/// A lock that stops every mutation, held until the connection given back says ROLLBACK.
async fn held(world: &Installation) -> Raw {
    let mut raw = world.raw().await;
    raw.execute(match raw.engine() {
        Engine::Sqlite => "BEGIN IMMEDIATE",
        // As somebody would who is about to write an event in each chain.
        Engine::Postgres => "BEGIN; LOCK TABLE audit_heads IN EXCLUSIVE MODE",
    })
    .await
    .unwrap();
    raw
}

async fn released(mut raw: Raw) {
    raw.execute("ROLLBACK").await.unwrap();
    raw.close().await.unwrap();
}

fn succession() -> SupersedeBinding {
    let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
    request.note = Some(Note::new("now differently"));
    request
}

fn exact(id: &str) -> CreateBinding {
    let widget = || Box::new(widget(id));
    let mut request = CreateBinding::new(ResolutionMode::ExactProviderIdentity, SubjectRef::Descriptor(widget()));
    request.resource = Some(ResourceRef::Descriptor(widget()));
    request.reason = Some("same-id".to_owned());
    request
}

const ISSUER: &str = "https://id.example/";

fn token_of(user_id: Uuid) -> NewToken {
    let lifetime = Duration::from_hours(1);
    NewToken { user_id, workspace: None, label: "A token".to_owned(), lifetime, may_act_for_others: false }
}

/// What the mutations of one test are about.
struct Scene {
    world: Installation,
    service: Service,
    to_supersede: Binding,
    to_revoke: Binding,
    /// For requests that carry a key: one to supersede, one to revoke.
    keyed: [Binding; 2],
    to_redact: Binding,
    connections: [Uuid; 2],
    newcomer: Actor,
    leaving: Actor,
    /// A token to be revoked.
    to_end: Uuid,
    /// Begun and not used yet.
    imports: Mutex<Vec<Import>>,
    syncs: Mutex<Vec<RegistrySync>>,
}

impl Scene {
    async fn on(world: Installation, time: Duration) -> Self {
        Box::pin(Self::set(world, time)).await
    }

    async fn set(world: Installation, time: Duration) -> Self {
        let service = impatient(&world, world.database.url(), time).await;
        let (to_supersede, to_revoke) = (world.excluded(&key("1")).await, world.excluded(&key("2")).await);
        let (keyed, to_redact) =
            ([world.excluded(&key("k1")).await, world.excluded(&key("k2")).await], world.excluded(&key("n")).await);
        let newcomer = Actor::user(world.service.create_user(&plane(), "Newcomer").await.unwrap().id);
        let leaving = Actor::user(world.service.create_user(&plane(), "Leaving").await.unwrap().id);
        let acme = &world.acme;
        world.service.add_member(acme.owner, &acme.workspace, leaving.user_id(), Role::Readonly).await.unwrap();
        let (mut imports, mut syncs) = (Vec::new(), Vec::new());
        for _ in 0..BEGUN {
            let begun = world.service.begin_import(acme.manager, &acme.workspace, acme.environment_id, None);
            imports.push(begun.await.unwrap());
            syncs.push(world.service.begin_sync(acme.owner, &acme.workspace, &[]).await.unwrap());
        }
        let (imports, syncs) = (Mutex::new(imports), Mutex::new(syncs));
        let to_end = world.service.create_token(&plane(), &token_of(leaving.user_id())).await.unwrap().0.id;
        world.service.link_identity(&plane(), leaving.user_id(), ISSUER, "old").await.unwrap();
        let connection = || Box::pin(world.bare_connection(&world.acme, world.acme.environment_id, None));
        let connections = [connection().await, connection().await];
        Self {
            world,
            service,
            to_supersede,
            to_revoke,
            keyed,
            to_redact,
            connections,
            newcomer,
            leaving,
            to_end,
            imports,
            syncs,
        }
    }

    fn token(&self) -> NewToken {
        token_of(self.newcomer.user_id())
    }

    fn import(&self) -> Import {
        self.imports.lock().unwrap().pop().unwrap()
    }

    fn sync(&self) -> RegistrySync {
        self.syncs.lock().unwrap().pop().unwrap()
    }

    async fn create(&self, id: &str) -> Result<(), Error> {
        let acme = &self.world.acme;
        let request = exclusion(&key(id));
        self.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await.map(drop)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as a request takes it")]
fn keyed(name: &str) -> Option<IdempotencyKey> {
    Some(name.parse().unwrap())
}

type Mutation = for<'a> fn(&'a Scene) -> Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

macro_rules! mutations {
    ($scene:ident, $acme:ident: $($name:literal, $operation:ident => $mutation:expr;)+) => {
        &[$(($name, Operation::$operation, |$scene: &Scene| Box::pin(async move {
            let $acme = &$scene.world.acme;
            let _ = $acme;
            $mutation.await.map(drop)
        }))),+]
    };
}

/// Every kind of mutation and what the trail calls it, in an order in which each can be done once.
const MUTATIONS: &[(&str, Operation, Mutation)] = mutations! { scene, acme:
    "create a binding", BindingCreate => scene.create("3");
    "create an automatic binding", BindingCreate => scene.service.create_automatic_binding(
        &SystemActor::of_the_host(), acme.workspace_id, acme.environment_id, &exact("4"));
    "supersede a binding", BindingSupersede => scene.service.supersede_binding(
        acme.manager, &acme.workspace, scene.to_supersede.id, &succession());
    "revoke a binding", BindingRevoke => scene.service.revoke_binding(
        acme.manager, &acme.workspace, scene.to_revoke.id, Some(&Note::new("was wrong")));
    "take in a piece of an import", InventoryImport => async {
        let mut import = scene.import();
        scene.service.import_chunk(&mut import, &[Ok((0, widget("item")))]).await
    };
    "finish an import", InventoryImportFinish => async {
        scene.service.finish_import(&scene.import()).await
    };
    "create a binding under a key", BindingCreate => async {
        let request = CreateBinding { idempotency_key: keyed("create"), ..exclusion(&key("k3")) };
        scene.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await
    };
    "supersede a binding under a key", BindingSupersede => async {
        let request = SupersedeBinding { idempotency_key: keyed("supersede"), ..succession() };
        scene.service.supersede_binding(acme.manager, &acme.workspace, scene.keyed[0].id, &request).await
    };
    "revoke a binding under a key", BindingRevoke => async {
        let request =
            RevokeBinding { note: Some(Note::new("was wrong")), idempotency_key: keyed("revoke"), dry_run: false };
        scene.service.revoke_binding(acme.manager, &acme.workspace, scene.keyed[1].id, request).await
    };
    "create bindings in a bulk", BindingCreate => async {
        let first = CreateBinding { idempotency_key: keyed("bulk"), ..exclusion(&key("b1")) };
        let items = [first, exclusion(&key("b2"))];
        let made = scene.service.bulk_create_bindings(acme.manager, &acme.workspace, acme.environment_id, &items);
        let made = made.await?;
        assert!(made.iter().all(|answer| matches!(answer, BulkAnswer::Created { .. })), "{made:?}");
        Ok(())
    };
    "redact a note", BindingRedactNote => scene.service.redact_note(
        acme.owner, &acme.workspace, scene.to_redact.id);
    "mirror a piece of a sync", RegistrySync => async {
        let line = r#"{"kind":"baseline_profile","external_ref":"p-1","display_name":"A baseline"}"#;
        scene.service.sync_chunk(&mut scene.sync(), &[RegistryLine::read(0, line)]).await
    };
    "finish a sync", RegistrySyncFinish => async {
        scene.service.finish_sync(&scene.sync()).await
    };
    "create an environment", EnvironmentCreate => scene.service.create_environment(acme.owner, &acme.workspace, "Third");
    "add a member", MembershipAdd => scene.service.add_member(
        acme.owner, &acme.workspace, scene.newcomer.user_id(), Role::Readonly);
    "change a member's role", MembershipChange => scene.service.change_member_role(
        acme.owner, &acme.workspace, scene.newcomer.user_id(), Role::Operator);
    "grant an entitlement", EntitlementGrant => scene.service.grant_entitlement(
        acme.owner, &acme.workspace, acme.environment_id, scene.newcomer.user_id());
    "end an entitlement", EntitlementEnd => scene.service.end_entitlement(
        acme.owner, &acme.workspace, acme.environment_id, scene.newcomer.user_id());
    "end a membership", MembershipEnd => scene.service.end_membership(acme.owner, &acme.workspace, scene.leaving.user_id());
    "make a connection", ConnectionCreate => scene.service.create_connection(
        acme.manager, &acme.workspace, acme.environment_id, &CreateConnection {
            provider_key: fake::KEY.to_owned(), display_name: "Another".to_owned(), ..CreateConnection::default() });
    "rename a connection", ConnectionUpdate => scene.service.update_connection(
        acme.manager, &acme.workspace, scene.connections[0],
        &UpdateConnection { display_name: Some("Renamed".to_owned()), ..UpdateConnection::default() });
    "make a connection the default", ConnectionMakeDefault => scene.service.make_default_connection(
        acme.manager, &acme.workspace, scene.connections[1]);
    "put a connection out of use", ConnectionDisable => scene.service.disable_connection(
        acme.manager, &acme.workspace, scene.connections[0], true);
    "put a connection into use", ConnectionEnable => scene.service.enable_connection(
        acme.manager, &acme.workspace, scene.connections[0]);
    "set credentials", ProviderCredentialSet => scene.service.set_provider_credentials(
        acme.manager, &acme.workspace, scene.connections[0], &provider::credentials(&[("api_key", "a-key")]));
    "start an operation", RunStart => scene.service.start_operation(
        acme.operator, &acme.workspace, acme.environment_id,
        &provider::through(OperationType::HealthCheck, scene.connections[1]));
    "cancel a run", RunCancel => async {
        let runs = scene.world.runs(acme.owner, acme).await;
        scene.service.cancel_run(acme.operator, &acme.workspace, runs[0].id).await
    };
    "create a user", UserCreate => scene.service.create_user(&plane(), "Somebody");
    "make a token", TokenCreate => scene.service.create_token(&plane(), &scene.token());
    "revoke a token", TokenRevoke => scene.service.revoke_token(&plane(), scene.to_end);
    "link an identity", UserIdentityLink => scene.service.link_identity(
        &plane(), scene.newcomer.user_id(), ISSUER, "new");
    "end an identity", UserIdentityEnd => scene.service.end_identity(&plane(), ISSUER, "old");
    "disable a user", UserDisable => scene.service.disable_user(&plane(), scene.leaving.user_id());
    "create a workspace", WorkspaceCreate => scene.service.create_workspace(&plane(), "third", "Third", acme.owner.user_id());
};

/// What no mutation of a service in use is.
const OF_WORKERS: &str = "a worker's, which waits and tries again: tests/tests/operation_runs.rs";
const OF_KEYS: &str = "goes on where it was stopped: tests/tests/master_key_rotation.rs";
const NO_MUTATIONS: &[(Operation, &str)] = &[
    (Operation::PlatformInit, "sets an installation up, before anybody else can hold a lock in it"),
    (Operation::ConnectionCheck, OF_WORKERS),
    (Operation::RunBegin, OF_WORKERS),
    (Operation::RunEnd, OF_WORKERS),
    (Operation::InventoryCollect, OF_WORKERS),
    (Operation::InventoryMark, OF_WORKERS),
    (Operation::MasterKeyRegister, OF_KEYS),
    (Operation::MasterKeyRotate, OF_KEYS),
    (Operation::MasterKeyRewrap, OF_KEYS),
    (Operation::MasterKeyRetire, OF_KEYS),
];

#[test]
fn every_operation_there_is_is_among_those_a_held_lock_ends() {
    for operation in Operation::ALL {
        let tried = MUTATIONS.iter().any(|(_, tried, _)| tried == operation);
        let excepted = NO_MUTATIONS.iter().any(|(excepted, _)| excepted == operation);
        assert!(tried != excepted, "{operation:?}");
    }
}

#[test]
fn a_mutation_has_two_seconds_unless_told_otherwise() {
    assert_eq!(Settings::new("sqlite:x", "y").mutation_deadline, Duration::from_secs(2));
}

/// How many events tell that an operation was done.
async fn told(world: &Installation, operation: Operation) -> u64 {
    let mut raw = world.raw().await;
    let sql = format!("SELECT count(*) FROM audit_events WHERE action = '{}'", operation.done());
    let count = raw.value(&sql).await.unwrap().unwrap();
    raw.close().await.unwrap();
    count.parse().unwrap()
}

/// Repeats what is refused for want of time alone, as an answer that may be repeated says.
async fn done_in_the_end<T>(mut again: impl AsyncFnMut() -> Result<T, Error>) -> T {
    let begun = Instant::now();
    loop {
        match again().await {
            Err(error) if error.code() == "deadline-exceeded" && begun.elapsed() < LONG => {}
            done => return done.unwrap(),
        }
    }
}

#[test]
fn a_held_lock_ends_every_kind_of_mutation_with_nothing_written_and_it_can_be_repeated() {
    on_both_engines(|database| async move {
        let engine = database.engine();
        let scene = Scene::on(Installation::on(database).await, TIME).await;
        let mut slowest = Duration::ZERO;
        for (name, operation, mutation) in MUTATIONS {
            let events = told(&scene.world, *operation).await;
            let lock = held(&scene.world).await;
            let before = everything(&scene.world).await;
            let begun = Instant::now();
            let outcome = mutation(&scene).await;
            let error = outcome.expect_err(name);
            slowest = slowest.max(begun.elapsed());
            assert_eq!(error.code(), "deadline-exceeded", "{name}");
            assert!(begun.elapsed() >= TIME.mul_f32(0.9), "{name} did not wait");
            assert_eq!(everything(&scene.world).await, before, "{name}");
            released(lock).await;
            // What was broken off leaves nothing afterwards either: the same is done once, and can be.
            done_in_the_end(async || mutation(&scene).await).await;
            assert!(told(&scene.world, *operation).await > events, "{name} is told of as something else");
        }
        say(&format!("deadline on {engine}: {TIME:?} given, {slowest:.0?} at most until the answer"));
    });
}

#[test]
fn a_denial_that_cannot_be_told_of_is_no_denial_yet() {
    on_both_engines(|database| async move {
        let scene = Scene::on(Installation::on(database).await, TIME).await;
        let acme = &scene.world.acme;
        let denied = async || {
            let request = exclusion(&key("9"));
            scene.service.create_binding(acme.readonly, &acme.workspace, acme.environment_id, &request).await
        };
        let lock = held(&scene.world).await;
        let before = everything(&scene.world).await;
        assert_eq!(denied().await.unwrap_err().code(), "deadline-exceeded");
        assert_eq!(everything(&scene.world).await, before);
        released(lock).await;
        let error = loop {
            match denied().await.unwrap_err() {
                error if error.code() == "deadline-exceeded" => {}
                error => break error,
            }
        };
        assert_eq!(error.code(), "forbidden");
    });
}

#[test]
fn what_is_only_tried_or_asked_has_the_same_time() {
    on_both_engines(|database| async move {
        let scene = Scene::on(Installation::on(database).await, TIME).await;
        let acme = &scene.world.acme;
        let request = CreateBinding { dry_run: true, ..exclusion(&key("tried")) };
        let tried = async || {
            let outcome = scene.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request);
            outcome.await.map(drop)
        };
        let asked = async || {
            let named = Named::Environment(acme.environment_id.into());
            let operation = Some(Operation::BindingCreate);
            let capability = Capability::WorkspaceBaselinesManage;
            scene.service.stands(acme.readonly, &acme.workspace, named, capability, operation).await
        };
        // On PostgreSQL nothing holds up whoever writes no event.
        let free = if scene.world.database.engine() == Engine::Sqlite { "deadline-exceeded" } else { "ok" };
        let code = |outcome: Result<(), Error>| outcome.err().map_or("ok", |error| error.code());
        let lock = held(&scene.world).await;
        let before = everything(&scene.world).await;
        assert_eq!(code(tried().await), free);
        assert_eq!(code(asked().await), "deadline-exceeded", "a denial that cannot be told of is none yet");
        assert_eq!(everything(&scene.world).await, before);
        released(lock).await;
        done_in_the_end(async || tried().await).await;
        while code(asked().await) != "forbidden" {}
    });
}

#[test]
fn a_lock_on_any_row_a_decision_needs_ends_it() {
    on_both_engines(|database| async move {
        if database.engine() == Engine::Sqlite {
            // It has one lock, which the other tests hold.
            return;
        }
        let scene = Scene::on(Installation::on(database).await, TIME).await;
        let mut raw = scene.world.raw().await;
        let acme = &scene.world.acme;
        let workspace = raw.engine().id(acme.workspace_id);
        let binding = raw.engine().id(scene.to_supersede.id);
        let member = raw.engine().id(acme.manager.user_id());
        for (table, condition) in [
            ("audit_heads", format!("workspace_id = {workspace}")),
            ("workspace_memberships", format!("workspace_id = {workspace} AND user_id = {member}")),
            ("environment_entitlements", format!("workspace_id = {workspace} AND user_id = {member}")),
            ("provider_resource_bindings", format!("workspace_id = {workspace} AND id = {binding}")),
        ] {
            raw.execute("BEGIN").await.unwrap();
            raw.execute(&format!("SELECT 1 FROM {table} WHERE {condition} FOR UPDATE")).await.unwrap();
            let before = everything(&scene.world).await;
            let request = succession();
            let id = scene.to_supersede.id;
            let outcome = scene.service.supersede_binding(acme.manager, &acme.workspace, id, &request).await;
            assert_eq!(outcome.unwrap_err().code(), "deadline-exceeded", "{table}");
            assert_eq!(everything(&scene.world).await, before, "{table}");
            raw.execute("ROLLBACK").await.unwrap();
        }
        raw.close().await.unwrap();
    });
}

/// Nothing that was broken off still runs or holds a transaction open.
async fn expect_nothing_left(world: &Installation) {
    let mut raw = world.raw().await;
    let begun = Instant::now();
    loop {
        let left = match raw.engine() {
            // Whoever held the one lock there is would stop this.
            Engine::Sqlite => raw.execute("BEGIN IMMEDIATE; ROLLBACK").await.err().map(|error| error.to_string()),
            Engine::Postgres => {
                let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                            AND application_name = 'provident' AND state <> 'idle'";
                raw.value(left).await.unwrap().filter(|count| count != "0")
            }
        };
        let Some(left) = left else { break };
        assert!(begun.elapsed() < LONG, "left behind: {left}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if raw.engine() == Engine::Postgres {
        let all = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND application_name = 'provident'";
        let connections: u32 = raw.value(all).await.unwrap().unwrap().parse().unwrap();
        assert!(connections <= 32, "{connections} connections of two services");
    }
    raw.close().await.unwrap();
}

#[test]
fn fifty_in_a_row_and_fifty_at_once_that_ran_out_of_time_leave_the_service_as_it_was() {
    on_both_engines(|database| async move {
        let scene = Arc::new(Scene::on(Installation::on(database).await, TIME / 2).await);
        let lock = held(&scene.world).await;
        for number in 0..50 {
            let error = scene.create(&format!("row-{number}")).await.unwrap_err();
            assert_eq!(error.code(), "deadline-exceeded");
        }
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                let scene = Arc::clone(&scene);
                tokio::spawn(
                    async move { scene.create(&format!("once-{number}")).await.unwrap_err().code().to_owned() },
                )
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), "deadline-exceeded");
        }
        released(lock).await;
        expect_nothing_left(&scene.world).await;
        assert_eq!(scene.world.count("provider_resource_bindings").await, 5, "those that were there before");
        for number in 0..50 {
            done_in_the_end(async || scene.create(&format!("row-{number}")).await).await;
        }
        expect_nothing_left(&scene.world).await;
        assert_eq!(scene.world.count("provider_resource_bindings").await, 55);
    });
}

/// A scene whose service reaches its server through a proxy; none on SQLite, where there is no connection to lose.
async fn proxied(world: Installation, time: Duration) -> Option<(Proxy, Scene)> {
    if world.database.engine() == Engine::Sqlite {
        return None;
    }
    let proxy = Proxy::before(&world.database.url());
    let mut scene = Scene::on(world, time).await;
    scene.service = impatient(&scene.world, proxy.url(&scene.world.database.url()), time).await;
    Some((proxy, scene))
}

async fn decisions_about(scene: &Scene, id: &str) -> Vec<Option<String>> {
    let mut raw = scene.world.raw().await;
    let sql = format!(
        "SELECT b.id FROM provider_resource_bindings b JOIN audit_events e ON e.new_binding_id = b.id \
         WHERE b.canonical_subject_key = '{}'",
        key(id)
    );
    let rows = raw.rows(&sql).await.unwrap();
    raw.close().await.unwrap();
    rows.into_iter().flatten().collect()
}

#[test]
fn a_commit_under_way_is_awaited_past_the_deadline() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let Some((proxy, scene)) = Box::pin(proxied(world, Duration::from_secs(2))).await else { return };
        // Longer than a mutation has: it is the COMMIT that is slow, and it was sent in time.
        proxy.order(AtCommit::Hold(Duration::from_secs(3)));
        let begun = Instant::now();
        scene.create("5").await.unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(3));
        assert_eq!(decisions_about(&scene, "5").await.len(), 1);
    });
}

#[test]
fn a_commit_that_waits_for_a_replica_is_awaited_past_the_deadline() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let database = TestDatabase::migrated_on(postgres::durable().unwrap()).await;
        let time = Duration::from_secs(2);
        let scene = Arc::new(Scene::on(Installation::on(database).await, time).await);
        let mut raw = scene.world.raw().await;
        raw.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await.unwrap();
        raw.value("SELECT pg_reload_conf()").await.unwrap();
        let waits = "SELECT count(*) FROM pg_stat_activity \
                     WHERE application_name = 'provident' AND wait_event = 'SyncRep' AND query = 'COMMIT'";
        let begun = Instant::now();
        // The server may take a moment to know that there is a replica to wait for.
        let (mut id, mut waiting, mut awaited) = (String::new(), None, false);
        while waiting.is_none() && begun.elapsed() < LONG {
            id = format!("r-{}", begun.elapsed().as_micros());
            let creating = tokio::spawn({
                let (scene, id) = (Arc::clone(&scene), id.clone());
                async move { scene.create(&id).await }
            });
            while !creating.is_finished() && raw.value(waits).await.unwrap().as_deref() != Some("1") {}
            if !creating.is_finished() {
                tokio::time::sleep(time * 2).await;
                awaited = !creating.is_finished() && raw.value(waits).await.unwrap().as_deref() == Some("1");
                waiting = Some(creating);
            }
        }
        // Before any verdict: nothing ends on a server that waits for nobody.
        raw.execute("ALTER SYSTEM RESET synchronous_standby_names").await.unwrap();
        raw.value("SELECT pg_reload_conf()").await.unwrap();
        waiting.expect("no commit waited").await.unwrap().unwrap();
        assert!(awaited, "the answer came before the commit");
        assert_eq!(decisions_about(&scene, &id).await.len(), 1);
        raw.close().await.unwrap();
    });
}

#[test]
fn of_a_commit_whose_answer_is_lost_nobody_is_told_that_it_failed() {
    on_both_engines(|database| async move {
        let Some((proxy, scene)) = Box::pin(proxied(Installation::on(database).await, LONG)).await else { return };
        for (id, order, there) in [("5", AtCommit::LoseRequest, 0), ("6", AtCommit::LoseAnswer, 1)] {
            proxy.order(order);
            let error = scene.create(id).await.unwrap_err();
            assert_eq!(error.code(), "outcome-unknown", "{order:?}");
            proxy.order(AtCommit::Pass);
            expect_nothing_left(&scene.world).await;
            let found = decisions_about(&scene, id).await;
            assert_eq!(found.len(), there, "whole or absent: {order:?}");
            // Without a key of its own, whoever repeats it is told what is there.
            match scene.create(id).await {
                Ok(()) => assert_eq!(there, 0),
                Err(Error::Conflict(conflict)) => {
                    assert_eq!((there, conflict.code()), (1, "active-binding-exists"));
                    let named: Option<Uuid> = found[0].as_ref().map(|id| id.parse().unwrap());
                    assert_eq!(conflict.active_binding_id(), named);
                }
                Err(other) => panic!("{other:?}"),
            }
            assert_eq!(decisions_about(&scene, id).await.len(), 1);
        }
    });
}

#[test]
fn a_commit_whose_answer_is_lost_is_asked_for_again_under_its_key_and_there_is_one() {
    on_both_engines(|database| async move {
        let Some((proxy, scene)) = Box::pin(proxied(Installation::on(database).await, LONG)).await else { return };
        let acme = &scene.world.acme;
        for (id, order, there) in [("7", AtCommit::LoseRequest, 0), ("8", AtCommit::LoseAnswer, 1)] {
            let mut request = exclusion(&key(id));
            request.idempotency_key = Some(format!("again-{id}").parse().unwrap());
            let create = || scene.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request);
            proxy.order(order);
            assert_eq!(create().await.unwrap_err().code(), "outcome-unknown", "{order:?}");
            proxy.order(AtCommit::Pass);
            expect_nothing_left(&scene.world).await;
            let found = decisions_about(&scene, id).await;
            assert_eq!(found.len(), there, "whole or absent: {order:?}");
            let made = create().await.unwrap();
            assert_eq!(create().await.unwrap(), made);
            let after = decisions_about(&scene, id).await;
            assert_eq!(after, [Some(made.id.to_string())]);
            assert!(there == 0 || found == after, "it is the one that was there");
        }
    });
}

#[test]
fn a_connection_that_is_lost_before_a_commit_costs_one_mutation_and_no_more() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        if world.database.engine() == Engine::Sqlite {
            return;
        }
        let scene = Scene::on(world, LONG).await;
        scene.create("5").await.unwrap();
        let mut raw = scene.world.raw().await;
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name = 'provident'";
        for id in ["6", "7", "8"] {
            raw.value(cut).await.unwrap();
            // The pool finds out when it lends a connection; a mutation that was given a dead one says so.
            match scene.create(id).await {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error.code(), "database-unavailable");
                    scene.create(id).await.unwrap();
                }
            }
            assert_eq!(decisions_about(&scene, id).await.len(), 1);
        }
        raw.close().await.unwrap();
    });
}
