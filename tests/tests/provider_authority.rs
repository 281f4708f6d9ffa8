//! By what authority connections and runs are reached over HTTP: the workspace of the path, an environment that is named, the
//! record's own place; and nothing else (P339). Who may do what once they reach it: P061-39.
//!
//! Which operations there are says the document; how a request of each looks, `tests/src/operations.rs`.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::http::Method;
use provident::actor::Actor;
use provident::connection::UpdateConnection;
use provident::policy::Role;
use provident_tests::api::{Caller, Reply, routes, token};
use provident_tests::database::{Engine, TestDatabase, on_both_engines};
use provident_tests::installation::{Installation, Tenant};
use provident_tests::operations::{About, Aim, Operation, operations, told};
use provident_tests::rows::fresh_id;
use provident_tests::tables;
use serde_json::{Value, json};
use uuid::Uuid;

/// Names of a tenant elsewhere.
const ALIASES: [&str; 3] = ["tenant", "tenant_id", "managed_environment_id"];

/// Headers in which others remember an environment.
const REMEMBERED: [&str; 6] =
    ["x-environment-id", "environment-id", "environment_id", "managed-environment-id", "x-environment", "referer"];

/// What `provider.view` is asked for.
const VIEWED: [&str; 4] = ["get_connection", "get_run", "list_connections", "list_runs"];
/// What `provider.run` is asked for.
const RUN: [&str; 2] = ["cancel_run", "start_operation"];
/// What `provider.manage` is asked for.
const MANAGED: [&str; 6] = [
    "create_connection",
    "disable_connection",
    "enable_connection",
    "make_default_connection",
    "set_connection_credentials",
    "update_connection",
];

/// The operations about connections and runs: those that name an environment, then those of a record; changes first.
fn provider_operations() -> Vec<Operation> {
    let about =
        |operation: &Operation| ["connections", "runs"].iter().any(|tag| operation.described["tags"][0] == *tag);
    let mut found: Vec<Operation> = operations().into_iter().filter(about).collect();
    found.sort_by_key(|operation| (operation.is_of_a_record(), !operation.changes(), operation.id.clone()));
    found
}

/// An installation with a connection and a run that waits in an environment of a workspace, in another one that few see, and
/// in one of another workspace.
struct Scene {
    world: Installation,
    routes: Router,
    here: Aim,
    hidden: Aim,
    foreign: Aim,
}

impl Scene {
    async fn on(database: TestDatabase) -> Self {
        let world = Installation::on(database).await;
        let routes = routes(&world.service);
        let (acme, rival) = (&world.acme, &world.rival);
        let here = fresh(&world, acme, acme.environment_id).await;
        let hidden = fresh(&world, acme, acme.hidden_environment_id).await;
        let foreign = fresh(&world, rival, rival.environment_id).await;
        Self { world, routes, here, hidden, foreign }
    }

    async fn by(&self, actor: Actor) -> Caller {
        Caller::of(&self.routes, &self.world.service, actor).await
    }

    /// Somebody who manages both workspaces.
    async fn manager_of_both(&self) -> Caller {
        let (service, acme, both) = (&self.world.service, &self.world.acme, self.world.rival.manager);
        service.add_member(acme.owner, &acme.workspace, both.user_id(), Role::Manager).await.unwrap();
        let here = acme.environment_id;
        service.grant_entitlement(acme.owner, &acme.workspace, here, both.user_id()).await.unwrap();
        self.by(both).await
    }

    /// Everything that is kept, but for the trail.
    async fn kept(&self) -> BTreeMap<&'static str, Vec<String>> {
        let mut kept = BTreeMap::new();
        for table in tables::all().filter(|table| !["audit_events", "audit_heads"].contains(table)) {
            kept.insert(table, self.world.dump(table).await);
        }
        kept
    }

    /// The tables that hold something else than they did.
    async fn changed_since(&self, kept: &BTreeMap<&'static str, Vec<String>>) -> Vec<&'static str> {
        let now = self.kept().await;
        now.into_iter().filter(|(table, rows)| kept[table] != *rows).map(|(table, _)| table).collect()
    }

    /// Starts a check in the environment of `acme` that everybody sees.
    async fn start(&self, caller: &Caller, named: Value) -> Reply {
        start(caller, &self.world.acme, self.world.acme.environment_id, "health.check", named).await
    }
}

/// A connection in an environment, and a run through it that waits, neither of them used up.
async fn fresh(world: &Installation, tenant: &Tenant, environment: Uuid) -> Aim {
    let (connection, run) = world.waiting_run(tenant, environment).await;
    Aim::at(tenant, environment, Uuid::nil(), Uuid::nil()).through(connection, run)
}

/// What there is nothing of.
fn missing(tenant: &Tenant) -> Aim {
    Aim::at(tenant, fresh_id(), Uuid::nil(), Uuid::nil()).through(fresh_id(), fresh_id())
}

async fn start(caller: &Caller, tenant: &Tenant, environment: Uuid, operation: &str, named: Value) -> Reply {
    let mut body = json!({ "environment_id": environment, "operation_type": operation });
    body.as_object_mut().unwrap().extend(named.as_object().unwrap().clone());
    caller.post(&format!("/v1/workspaces/{}/operations:start", tenant.workspace_id), &body).await
}

/// How a list or a start without its environment is refused.
fn refused_without(method: &Method) -> (u16, String) {
    let (status, code) = if method == Method::GET { (400, "parameter-required") } else { (422, "malformed-request") };
    (status, code.to_owned())
}

#[test]
fn create_and_list_authority_is_the_environment_that_is_named() {
    on_both_engines(|database| async move {
        let scene = Scene::on(database).await;
        let (acme, rival) = (&scene.world.acme, &scene.world.rival);
        // Entitled to one environment only, and still none is taken for them.
        let manager = scene.by(acme.manager).await;
        let kept = scene.kept().await;
        let mut held = 0;
        for operation in provider_operations().into_iter().filter(|operation| !operation.is_of_a_record()) {
            for sample in operation.samples(&scene.here) {
                assert_eq!(sample.about, About::Environment, "{}", operation.id);
                let without = operation.prepared(&sample, &scene.here).without_environment().unwrap();
                let refused = without.send(&manager).await;
                assert_eq!(refused.refusal(), refused_without(&operation.method), "{}", operation.id);
                assert_eq!(refused.json()["errors"][0]["field"], "environment_id", "{}", operation.id);
                if operation.changes() {
                    let elsewhere = without.with_parameter("environment_id", &scene.here.environment);
                    let refused = elsewhere.send(&manager).await;
                    assert_eq!(refused.refusal(), (400, "unknown-parameter".to_owned()), "{}", operation.id);
                }
                held += 1;
            }
            let nowhere = Aim { environment: fresh_id().to_string(), ..scene.here.clone() };
            for environment in [acme.hidden_environment_id, rival.environment_id] {
                let aim = Aim { environment: environment.to_string(), ..scene.here.clone() };
                for (sample, unknown) in operation.samples(&aim).iter().zip(operation.samples(&nowhere)) {
                    let refused = operation.prepared(sample, &aim).send(&manager).await;
                    assert_eq!(refused.refusal(), (404, "not-found".to_owned()), "{}", operation.id);
                    let missing = operation.prepared(&unknown, &nowhere).send(&manager).await;
                    assert_eq!(told(&refused), told(&missing), "{}", operation.id);
                }
            }
        }
        assert_eq!(held, 7);
        assert_eq!(scene.changed_since(&kept).await, [""; 0]);
        let body = json!({ "environment_id": acme.environment_id, "provider_key": "fake", "display_name": "Mine" });
        let made = manager.post(&format!("/v1/workspaces/{}/connections", acme.workspace_id), &body).await;
        assert_eq!(made.status, 201);
        assert_eq!(made.json()["environment_id"], json!(acme.environment_id));
        assert_eq!(made.json()["workspace_id"], json!(acme.workspace_id));
        let started = scene.start(&manager, json!({ "provider_connection_id": scene.here.connection })).await.json();
        assert_eq!(started["run"]["environment_id"], json!(acme.environment_id));
    });
}

#[test]
fn no_environment_is_remembered_from_anywhere() {
    on_both_engines(|database| async move {
        let scene = Scene::on(database).await;
        let acme = &scene.world.acme;
        let manager = scene.by(acme.manager).await;
        let bound = token(&scene.world.service, acme.manager.user_id(), Some(acme.workspace_id), false).await;
        let bound = Caller::nobody(&scene.routes).with_token(&bound);
        let own = acme.environment_id.to_string();
        for operation in provider_operations().into_iter().filter(|operation| !operation.is_of_a_record()) {
            for sample in operation.samples(&scene.here) {
                scene.world.idle(acme, acme.environment_id).await;
                let request = operation.prepared(&sample, &scene.here);
                let without = request.clone().without_environment().unwrap();
                let before = without.send(&manager).await;
                assert_eq!(before.refusal(), refused_without(&operation.method), "{}", operation.id);
                let before = told(&before);
                // Not from the request before, by the same token.
                assert!(request.send(&manager).await.status.is_success(), "{}", operation.id);
                let kept = scene.kept().await;
                assert_eq!(told(&without.send(&manager).await), before, "{}", operation.id);
                // Not from what a token is bound to.
                assert_eq!(told(&without.send(&bound).await), before, "{}", operation.id);
                // Not from a header, not from a cookie.
                let cookie = format!("environment_id={own}; environment={own}; last_environment={own}");
                let cookie = without.clone().with_header("cookie", &cookie).send(&manager).await;
                assert_eq!(told(&cookie), before, "{}", operation.id);
                for name in REMEMBERED {
                    let with = without.clone().with_header(name, &own).send(&manager).await;
                    assert_eq!(told(&with), before, "{} {name}", operation.id);
                }
                // Not from a query of another kind.
                for name in ALIASES {
                    let with = without.clone().with_parameter(name, &own).send(&manager).await;
                    assert_eq!(told(&with), before, "{} {name}", operation.id);
                }
                for name in ["environment", "env", "environment_ref", "default_environment_id"] {
                    let with = without.clone().with_parameter(name, &own).send(&manager).await;
                    assert_eq!(with.refusal(), (400, "unknown-parameter".to_owned()), "{} {name}", operation.id);
                }
                if operation.method == Method::GET {
                    let mut with = without.clone();
                    with.body = Some(json!({ "environment_id": own }).to_string());
                    assert_eq!(told(&with.send(&manager).await), before, "{}", operation.id);
                }
                assert_eq!(scene.changed_since(&kept).await, [""; 0], "{}", operation.id);
            }
        }
    });
}

/// What is added to every request, given an installation: parameters and headers.
type Added = (Vec<(&'static str, String)>, Vec<(&'static str, String)>);

/// The same requests of every operation in an installation like every other, each with something added, and all that came of
/// it: what was said, and what every table holds.
async fn story(engine: Engine, added: impl Fn(&Installation) -> Added) -> (Vec<String>, Vec<Vec<String>>) {
    let scene = Scene::on(TestDatabase::migrated(engine).await).await;
    let acme = &scene.world.acme;
    let (parameters, headers) = added(&scene.world);
    let mut callers = Vec::new();
    for actor in [acme.owner, acme.manager, acme.operator, acme.readonly, acme.unentitled, scene.world.stranger] {
        callers.push(scene.by(actor).await);
    }
    let mut said = Vec::new();
    for aim in [&scene.here, &scene.hidden, &scene.foreign] {
        for operation in provider_operations() {
            for sample in operation.samples(aim) {
                let request = operation.prepared(&sample, aim);
                for request in [Some(request.clone()), request.without_environment()].into_iter().flatten() {
                    let with =
                        parameters.iter().fold(request, |request, (name, value)| request.with_parameter(name, value));
                    let with = headers.iter().fold(with, |request, (name, value)| request.with_header(name, value));
                    for caller in &callers {
                        said.push(format!("{} {}", operation.id, told(&with.send(caller).await)));
                    }
                }
            }
        }
    }
    let mut rows = Vec::new();
    for table in tables::all() {
        rows.push(scene.world.dump(table).await);
    }
    (said, rows)
}

#[test]
fn inert_aliases_leave_every_answer_as_it_is() {
    on_both_engines(|database| async move {
        let engine = database.engine();
        let without = story(engine, |_| Added::default()).await;
        for operation in provider_operations() {
            let begins = format!("{} 20", operation.id);
            assert!(without.0.iter().any(|said| said.starts_with(&begins)), "{} did nothing", operation.id);
        }
        let same = async |what: &str, added: &dyn Fn(&Installation) -> Added| {
            let with = story(engine, added).await;
            assert_eq!(with.0.len(), without.0.len());
            for (with, without) in with.0.iter().zip(&without.0) {
                assert_eq!(with, without, "{what}");
            }
            for (table, (with, without)) in tables::all().zip(with.1.iter().zip(&without.1)) {
                assert_eq!(with, without, "{what}: {table}");
            }
        };
        let ids = |world: &Installation| {
            [world.acme.environment_id, world.acme.hidden_environment_id, world.rival.workspace_id]
                .map(|id| id.to_string())
        };
        let each = |world: &Installation| -> Vec<(&'static str, String)> {
            ALIASES.iter().flat_map(|name| ids(world).map(|id| (*name, id))).collect()
        };
        same("in the query", &|world| (each(world), Vec::new())).await;
        same("as headers", &|world| (Vec::new(), each(world))).await;
        same("remembered", &|world| {
            let own = world.acme.environment_id.to_string();
            let mut headers: Vec<_> = REMEMBERED.iter().map(|name| (*name, own.clone())).collect();
            headers.push(("cookie", format!("environment_id={own}; workspace_id={}", world.acme.workspace_id)));
            (Vec::new(), headers)
        })
        .await;
    });
}

#[test]
fn a_body_about_connections_and_runs_has_no_member_of_such_a_name() {
    on_both_engines(|database| async move {
        let scene = Scene::on(database).await;
        let owner = scene.by(scene.world.acme.owner).await;
        let kept = scene.kept().await;
        let mut held = BTreeSet::new();
        for operation in provider_operations() {
            for sample in operation.samples(&scene.here) {
                // A record's environment is its own, and no body says it.
                let own = (sample.about != About::Environment).then_some("environment_id");
                for name in ALIASES.into_iter().chain(own) {
                    for value in [json!(scene.here.environment), json!(scene.here.workspace), Value::Null] {
                        let mut request = operation.prepared(&sample, &scene.here);
                        if operation.method == Method::POST {
                            // Of an operation that takes no body, too.
                            request.body.get_or_insert_with(|| "{}".to_owned());
                        }
                        let Some(request) = request.with_member(name, value) else { continue };
                        let reply = request.send(&owner).await;
                        assert_eq!(reply.refusal(), (422, "unknown-field".to_owned()), "{} {name}", operation.id);
                        assert_eq!(reply.json()["errors"][0]["field"], json!(name), "{}", operation.id);
                        held.insert(operation.id.clone());
                    }
                }
            }
        }
        let changing = provider_operations().into_iter().filter(Operation::changes).map(|operation| operation.id);
        assert_eq!(held, changing.collect());
        assert_eq!(scene.changed_since(&kept).await, [""; 0]);
    });
}

#[test]
fn workspace_authority_is_the_path_alone() {
    on_both_engines(|database| async move {
        let scene = Scene::on(database).await;
        let both = scene.manager_of_both().await;
        for (aim, other) in [(&scene.here, &scene.foreign), (&scene.foreign, &scene.here)] {
            for operation in provider_operations().into_iter().filter(|operation| !operation.changes()) {
                for sample in operation.samples(aim) {
                    let request = operation.prepared(&sample, aim);
                    let plain = request.send(&both).await;
                    assert_eq!(plain.status, 200, "{}", operation.id);
                    let shown = plain.json();
                    let rows = shown["items"].as_array().cloned().unwrap_or_else(|| vec![shown]);
                    assert!(!rows.is_empty() && rows.iter().all(|row| row["workspace_id"] == json!(aim.workspace)));
                    for name in ["x-workspace-id", "x-workspace", "workspace-id", "workspace_id"] {
                        let with = request.clone().with_header(name, &other.workspace).send(&both).await;
                        assert_eq!(told(&with), told(&plain), "{} {name}", operation.id);
                    }
                }
            }
        }
        // Without a workspace there is none: not the only one somebody has, not the last one they used.
        let acme = &scene.world.acme;
        let manager = scene.by(acme.manager).await;
        let nowhere = (404, "not-found".to_owned());
        for list in ["connections", "runs"] {
            for path in [format!("/v1/{list}"), format!("/v1/workspaces/{list}"), format!("/v1/workspaces//{list}")] {
                let path = format!("{path}?environment_id={}", acme.environment_id);
                assert_eq!(manager.get(&path).await.refusal(), nowhere, "{path}");
                let named = manager.clone().with("x-workspace-id", &scene.here.workspace);
                assert_eq!(named.get(&path).await.refusal(), nowhere, "{path}");
            }
        }
        let body =
            json!({ "environment_id": acme.environment_id, "operation_type": "health.check", "provider_key": "fake" });
        for path in ["/v1/operations:start", "/v1/workspaces/operations:start", "/v1/workspaces//operations:start"] {
            assert_eq!(manager.post(path, &body).await.refusal(), nowhere, "{path}");
        }
    });
}

#[test]
fn what_is_of_another_workspace_is_as_what_is_not_there() {
    on_both_engines(|database| async move {
        let scene = Scene::on(database).await;
        // They may do everything to all of it, each in its own workspace.
        let both = scene.manager_of_both().await;
        let (acme, rival) = (&scene.world.acme, &scene.world.rival);
        let kept = scene.kept().await;
        for (aim, wrong) in [(&scene.here, rival), (&scene.foreign, acme)] {
            let through = Aim { workspace: wrong.workspace_id.to_string(), ..aim.clone() };
            let missing = missing(wrong);
            for operation in provider_operations() {
                for (sample, unknown) in operation.samples(&through).iter().zip(operation.samples(&missing)) {
                    let refused = operation.prepared(sample, &through).send(&both).await;
                    assert_eq!(refused.refusal(), (404, "not-found".to_owned()), "{}", operation.id);
                    let missing = operation.prepared(&unknown, &missing).send(&both).await;
                    assert_eq!(told(&refused), told(&missing), "{}", operation.id);
                }
            }
        }
        assert_eq!(scene.changed_since(&kept).await, [""; 0]);
        for aim in [&scene.here, &scene.foreign] {
            for operation in provider_operations() {
                for sample in operation.samples(aim) {
                    let done = operation.prepared(&sample, aim).send(&both).await;
                    assert!(done.status.is_success(), "{}: {}", operation.id, told(&done));
                }
            }
        }
    });
}

/// The environment that the last event of a workspace is about.
async fn last_event_in(world: &Installation, tenant: &Tenant) -> Option<Uuid> {
    let mut raw = world.raw().await;
    let of = raw.engine().id(tenant.workspace_id);
    let sql = format!(
        "SELECT managed_environment_id FROM audit_events WHERE workspace_id = {of} ORDER BY number DESC LIMIT 1"
    );
    let row = raw.rows(&sql).await.unwrap().remove(0);
    raw.close().await.unwrap();
    row[0].as_deref().and_then(|text| text.parse().ok())
}

#[test]
fn a_record_is_judged_by_its_own_environment_whatever_the_request_says() {
    on_both_engines(|database| async move {
        let scene = Scene::on(database).await;
        let (world, acme) = (&scene.world, &scene.world.acme);
        let (owner, manager) = (scene.by(acme.owner).await, scene.by(acme.manager).await);
        let own = acme.environment_id.to_string();
        let kept = scene.kept().await;
        let records: Vec<Operation> = provider_operations().into_iter().filter(Operation::is_of_a_record).collect();
        assert_eq!(records.len(), 8);
        for operation in &records {
            let sample = operation.samples(&scene.hidden).remove(0);
            let unknown = missing(acme);
            let unknown = told(&operation.prepared(&sample, &unknown).send(&manager).await);
            assert!(unknown.starts_with("404"), "{}", operation.id);
            // Hidden, and it helps nothing to name an environment one is entitled to.
            let request = operation.prepared(&sample, &scene.hidden);
            let mut said = vec![request.clone(), request.clone().with_parameter("environment_id", &own)];
            said.extend(ALIASES.map(|name| request.clone().with_parameter(name, &own)));
            said.extend(REMEMBERED.map(|name| request.clone().with_header(name, &own)));
            said.extend(request.clone().with_member("environment_id", json!(own)));
            for request in said {
                let refused = request.send(&manager).await;
                assert_eq!(told(&refused), unknown, "{} {request:?}", operation.id);
            }
            // To whoever may do it, an environment is a parameter that is not there.
            let named = request.with_parameter("environment_id", &scene.hidden.environment).send(&owner).await;
            assert_eq!(named.refusal(), (400, "unknown-parameter".to_owned()), "{}", operation.id);
        }
        assert_eq!(scene.changed_since(&kept).await, [""; 0]);
        // Done without one being named, it is done and told of in the record's own.
        for operation in &records {
            let hidden = acme.hidden_environment_id;
            let aim = fresh(world, acme, hidden).await;
            let done = operation.prepared(&operation.samples(&aim).remove(0), &aim).send(&owner).await;
            assert!(done.status.is_success(), "{}: {}", operation.id, told(&done));
            assert_eq!(done.json()["environment_id"], json!(hidden), "{}", operation.id);
            if operation.changes() {
                assert_eq!(last_event_in(world, acme).await, Some(hidden), "{}", operation.id);
            }
        }
    });
}

#[test]
fn a_connection_of_another_environment_starts_nothing_and_is_as_one_that_is_not_there() {
    on_both_engines(|database| async move {
        let scene = Scene::on(database).await;
        let acme = &scene.world.acme;
        scene.world.idle(acme, acme.environment_id).await;
        // One provider's connections are in another environment alone.
        let directory = ("5ca1ab1e-0000-4000-8000-000000000001", "a-client", "an-invented-secret");
        scene.world.foreign_connection(acme, acme.hidden_environment_id, directory).await;
        let people = [scene.by(acme.owner).await, scene.by(acme.manager).await, scene.by(acme.operator).await];
        let kept = scene.kept().await;
        for caller in &people {
            let unknown = scene.start(caller, json!({ "provider_connection_id": fresh_id() })).await;
            assert_eq!(unknown.refusal(), (422, "source-out-of-scope".to_owned()));
            // Seen by the owner and hidden from the others; of another workspace; nobody's.
            for connection in [&scene.hidden.connection, &scene.foreign.connection, &Uuid::nil().to_string()] {
                let refused = scene.start(caller, json!({ "provider_connection_id": connection })).await;
                assert_eq!(told(&refused), told(&unknown), "{connection}");
            }
            let unknown = scene.start(caller, json!({ "provider_key": "nobody" })).await;
            assert_eq!(unknown.refusal(), (422, "no-default-connection".to_owned()));
            let foreign = provident_tests::provider::foreign::KEY;
            let refused = scene.start(caller, json!({ "provider_key": foreign })).await;
            assert_eq!(told(&refused), told(&unknown));
        }
        assert_eq!(scene.changed_since(&kept).await, [""; 0]);
        let started = scene.start(&people[2], json!({ "provider_connection_id": scene.here.connection })).await;
        assert_eq!(started.status, 202);
    });
}

#[test]
fn the_same_start_is_the_same_run_and_another_names_it_to_those_alone_who_may_know_of_it() {
    on_both_engines(|database| async move {
        let scene = Scene::on(database).await;
        let (world, acme) = (&scene.world, &scene.world.acme);
        let (here, hidden) = (acme.environment_id, acme.hidden_environment_id);
        let people = [scene.by(acme.owner).await, scene.by(acme.manager).await, scene.by(acme.operator).await];
        // In their own environment all three know of it.
        let same = json!({ "provider_connection_id": scene.here.connection });
        for caller in &people {
            let given = scene.start(caller, same.clone()).await;
            assert_eq!((given.status.as_u16(), &given.json()["deduplicated"]), (200, &json!(true)));
            assert_eq!(given.json()["run"]["id"], json!(scene.here.run));
            let busy = start(caller, acme, here, "inventory.collect", same.clone()).await;
            assert_eq!(busy.refusal(), (409, "scope-busy".to_owned()));
            assert_eq!(busy.json()["active_run_id"], json!(scene.here.run));
        }
        // One directory seen from two environments is one scope.
        for environment in [here, hidden] {
            world.idle(acme, environment).await;
        }
        for aim in [&scene.here, &scene.hidden] {
            let known = UpdateConnection { directory_id: Some("directory-1".to_owned()), display_name: None };
            let connection = aim.connection.parse().unwrap();
            world.service.update_connection(acme.owner, &acme.workspace, connection, &known).await.unwrap();
        }
        let theirs = json!({ "provider_connection_id": scene.hidden.connection });
        let active = start(&people[0], acme, hidden, "health.check", theirs).await;
        assert_eq!(active.status, 202, "{}", active.json());
        let mut told_to = Vec::new();
        for caller in &people {
            let busy = scene.start(caller, same.clone()).await;
            assert_eq!(busy.refusal(), (409, "scope-busy".to_owned()));
            told_to.push(busy.json());
        }
        let named = told_to[0].as_object_mut().unwrap().remove("active_run_id");
        assert_eq!(named.as_ref(), Some(&active.json()["run"]["id"]), "the owner is entitled to both");
        assert_eq!(told_to[1], told_to[0], "to all others it is the same without the run");
        assert_eq!(told_to[2], told_to[0]);
        assert!(told_to[0].get("active_run_id").is_none());
    });
}

#[test]
fn a_list_shows_its_environment_and_no_place_in_another_ones() {
    on_both_engines(|database| async move {
        let scene = Scene::on(database).await;
        let acme = &scene.world.acme;
        let (owner, manager) = (scene.by(acme.owner).await, scene.by(acme.manager).await);
        for (list, of) in [("connections", (|aim| &aim.connection) as fn(&Aim) -> &String), ("runs", |aim| &aim.run)] {
            let at = |aim: &Aim, more: &str| {
                format!("/v1/workspaces/{}/{list}?environment_id={}{more}", aim.workspace, aim.environment)
            };
            for (caller, aim) in [(&owner, &scene.here), (&owner, &scene.hidden), (&manager, &scene.here)] {
                let page = caller.get(&at(aim, "")).await.json();
                let ids: Vec<&Value> = page["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
                assert_eq!(ids, [&json!(of(aim))], "{list}");
            }
            // A place in a list that is hidden tells nothing: it is as any other.
            for elsewhere in [of(&scene.hidden), of(&scene.foreign)] {
                let page = manager.get(&at(&scene.here, &format!("&after={elsewhere}"))).await;
                assert_eq!(page.status, 200, "{list}");
                let shown = String::from_utf8_lossy(&page.body).into_owned();
                assert!(!shown.contains(elsewhere) && !shown.contains(&scene.hidden.environment), "{list}: {shown}");
            }
        }
    });
}

#[test]
fn readonly_views_an_operator_runs_and_a_manager_manages() {
    on_both_engines(|database| async move {
        let scene = Scene::on(database).await;
        let (world, acme) = (&scene.world, &scene.world.acme);
        let all: BTreeSet<String> = provider_operations().into_iter().map(|operation| operation.id).collect();
        let listed = VIEWED.iter().chain(&RUN).chain(&MANAGED);
        assert_eq!(all, listed.map(|id| (*id).to_owned()).collect(), "each operation asks for one capability");
        for (who, actor, runs, manages) in [
            ("readonly", acme.readonly, false, false),
            ("operator", acme.operator, true, false),
            ("manager", acme.manager, true, true),
            ("owner", acme.owner, true, true),
        ] {
            let caller = scene.by(actor).await;
            for operation in provider_operations() {
                let id = operation.id.as_str();
                let may = VIEWED.contains(&id) || RUN.contains(&id) && runs || MANAGED.contains(&id) && manages;
                let aim = fresh(world, acme, acme.environment_id).await;
                for sample in operation.samples(&aim) {
                    if operation.id == "start_operation" {
                        world.idle(acme, acme.environment_id).await;
                    }
                    let reply = operation.prepared(&sample, &aim).send(&caller).await;
                    if may {
                        assert!(reply.status.is_success(), "{who} {id}: {}", told(&reply));
                    } else {
                        assert_eq!(reply.refusal(), (403, "forbidden".to_owned()), "{who} {id}");
                    }
                }
            }
        }
    });
}
