//! Where authority comes from over HTTP: the workspace of the path, an environment that is named, the record's own place.
//! Names that other systems know a tenant by mean nothing: not in a query, not as headers; and a body has no such member.
#![cfg(test)]

use axum::http::Method;
use provident::policy::Role;
use provident_tests::api::{Caller, Reply, routes};
use provident_tests::database::{Engine, TestDatabase, on_both_engines};
use provident_tests::installation::{Installation, key};
use provident_tests::operations::{Aim, operations, told};
use provident_tests::rows::fresh_id;
use provident_tests::tables;
use serde_json::{Value, json};
use uuid::Uuid;

/// Names of a tenant elsewhere.
const ALIASES: [&str; 3] = ["tenant", "tenant_id", "managed_environment_id"];

/// What is added to every request, given an installation: parameters and headers.
type Added = (Vec<(&'static str, String)>, Vec<(&'static str, String)>);

/// An installation in which the same requests are sent, each with something added, and all that came of it.
async fn story(engine: Engine, added: impl Fn(&Installation) -> Added) -> (Vec<String>, Vec<Vec<String>>) {
    let world = Installation::on(TestDatabase::migrated(engine).await).await;
    let (acme, routes) = (&world.acme, routes(&world.service));
    let (parameters, headers) = added(&world);
    let mut callers = Vec::new();
    for actor in [acme.owner, acme.manager, acme.readonly, acme.unentitled, world.stranger] {
        callers.push(Caller::of(&routes, &world.service, actor).await);
    }
    let mut said = Vec::new();
    let mut aim = Aim::at(acme, acme.environment_id, Uuid::nil(), Uuid::nil());
    // A binding, an item, a connection and a run, made over HTTP like all the rest.
    for (round, (environment, caller)) in
        [(acme.environment_id, 0), (acme.environment_id, 1), (acme.hidden_environment_id, 0)].iter().enumerate()
    {
        aim.environment = environment.to_string();
        aim.subject = format!("S{round}");
        // What makes something comes first, so that there is something to read; of what ends something each has its turn.
        let mut all = operations();
        all.sort_by_key(|operation| operation.id.clone());
        if round == 1 {
            all.reverse();
        }
        all.sort_by_key(|operation| {
            (!operation.changes(), operation.is_of_a_record(), !operation.id.starts_with("create_"))
        });
        for operation in all {
            for sample in operation.samples(&aim) {
                let request = operation.prepared(&sample, &aim);
                for request in [Some(request.clone()), request.without_environment()].into_iter().flatten() {
                    let mut request = request;
                    for (name, value) in &parameters {
                        request = request.with_parameter(name, value);
                    }
                    for (name, value) in &headers {
                        request = request.with_header(name, value);
                    }
                    for caller in [&callers[*caller], &callers[2], &callers[3], &callers[4]] {
                        let reply = request.send(caller).await;
                        remember(&mut aim, &operation.id, &reply);
                        said.push(format!("{} {} {}", operation.id, round, told(&reply)));
                    }
                }
            }
        }
    }
    let mut rows = Vec::new();
    for table in tables::all() {
        rows.push(world.dump(table).await);
    }
    (said, rows)
}

/// Takes up what a request made, for those that come after it.
fn remember(aim: &mut Aim, operation: &str, reply: &Reply) {
    if !reply.status.is_success() {
        return;
    }
    let answer = reply.json();
    let (record, id) = match operation {
        "create_binding" => (&mut aim.binding, &answer["binding"]["id"]),
        "list_inventory" => (&mut aim.item, &answer["items"][0]["id"]),
        "create_connection" => (&mut aim.connection, &answer["id"]),
        "start_operation" => (&mut aim.run, &answer["run"]["id"]),
        _ => return,
    };
    if let Some(id) = id.as_str() {
        id.clone_into(record);
    }
}

/// Holds a story with something added to the one without.
async fn same_story(
    engine: Engine,
    without: &(Vec<String>, Vec<Vec<String>>),
    what: &str,
    added: impl Fn(&Installation) -> Added,
) {
    let with = story(engine, added).await;
    assert_eq!(with.0.len(), without.0.len());
    for (with, without) in with.0.iter().zip(&without.0) {
        assert_eq!(with, without, "{what}");
    }
    for (table, (with, without)) in tables::all().zip(with.1.iter().zip(&without.1)) {
        assert_eq!(with, without, "{what}: {table}");
    }
}

#[test]
fn names_of_a_tenant_elsewhere_mean_nothing_in_a_query() {
    on_both_engines(|database| async move {
        let engine = database.engine();
        let without = story(engine, |_| Added::default()).await;
        // Every operation does what it is for, so that there is something to be otherwise.
        for operation in operations() {
            let begins = format!("{} ", operation.id);
            let told = without.0.iter().filter_map(|said| said.lines().next()?.strip_prefix(&begins));
            let mut statuses = told.filter_map(|said| said.split(' ').nth(1));
            assert!(statuses.any(|status| status.starts_with('2')), "{}", operation.id);
        }
        for name in ALIASES {
            same_story(engine, &without, name, |world| {
                (vec![(name, world.acme.environment_id.to_string())], Vec::new())
            })
            .await;
        }
        same_story(engine, &without, "another's, twice", |world| {
            let twice = [&world.rival.workspace_id, &world.acme.hidden_environment_id];
            let all = ALIASES.iter().flat_map(|name| twice.iter().map(|id| (*name, id.to_string())));
            (all.collect(), Vec::new())
        })
        .await;
        same_story(engine, &without, "nothing and nonsense", |_| {
            let values = ["", "x%20y", "%5B%5D", "0"];
            (
                ALIASES.iter().flat_map(|name| values.iter().map(|text| (*name, (*text).to_owned()))).collect(),
                Vec::new(),
            )
        })
        .await;
    });
}

#[test]
fn names_of_a_tenant_elsewhere_mean_nothing_as_headers() {
    on_both_engines(|database| async move {
        let engine = database.engine();
        let without = story(engine, |_| Added::default()).await;
        same_story(engine, &without, "headers", |world| {
            let mut headers = Vec::new();
            for name in ALIASES.into_iter().chain(["x-tenant", "x-tenant-id", "managed-environment-id"]) {
                for id in [world.rival.workspace_id, world.acme.hidden_environment_id, world.acme.workspace_id] {
                    headers.push((name, id.to_string()));
                }
            }
            (Vec::new(), headers)
        })
        .await;
    });
}

#[test]
fn a_body_has_no_member_of_such_a_name() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, routes) = (&world.acme, routes(&world.service));
        let owner = Caller::of(&routes, &world.service, acme.owner).await;
        let made = owner.post(&bindings(acme.workspace_id), &decision(acme.environment_id, "M")).await.json();
        let binding = made["binding"]["id"].as_str().unwrap().parse().unwrap();
        let (connection, run) = world.waiting_run(acme, acme.environment_id).await;
        let aim = Aim::at(acme, acme.environment_id, binding, Uuid::nil()).through(connection, run);
        let before = everything(&world).await;
        let mut held = 0;
        for operation in operations() {
            for sample in operation.samples(&aim) {
                for name in ALIASES {
                    for value in [json!(acme.environment_id), json!(acme.workspace_id), Value::Null] {
                        let Some(request) = operation.prepared(&sample, &aim).with_member(name, value) else {
                            continue;
                        };
                        let reply = request.send(&owner).await;
                        assert_eq!(reply.refusal(), (422, "unknown-field".to_owned()), "{} {name}", operation.id);
                        assert_eq!(reply.json()["errors"][0]["field"], json!(name), "{}", operation.id);
                        held += 1;
                    }
                }
            }
        }
        assert!(held >= 130, "{held}");
        // Nor has a decision of many.
        for name in ALIASES {
            let mut item = decision(acme.environment_id, "A");
            item.as_object_mut().unwrap().remove("environment_id");
            item[name] = json!(acme.environment_id);
            let body = json!({ "environment_id": acme.environment_id, "items": [item] });
            let reply = owner.post(&format!("{}:bulk-create", bindings(acme.workspace_id)), &body).await;
            assert_eq!(reply.refusal(), (422, "unknown-field".to_owned()), "{name}");
        }
        assert_eq!(everything(&world).await, before);
    });
}

/// Every row of every table.
async fn everything(world: &Installation) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for table in tables::all() {
        rows.push(world.dump(table).await);
    }
    rows
}

fn bindings(workspace_id: Uuid) -> String {
    format!("/v1/workspaces/{workspace_id}/bindings")
}

fn decision(environment_id: impl serde::Serialize, subject: &str) -> Value {
    json!({
        "environment_id": environment_id, "mode": "missing_expected", "subject": key(subject),
        "subject_domain": "things", "note": "why",
    })
}

#[test]
fn create_authority_is_the_environment_that_the_body_names() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, rival, routes) = (&world.acme, &world.rival, routes(&world.service));
        let manager = Caller::of(&routes, &world.service, acme.manager).await;
        let path = bindings(acme.workspace_id);
        let mut unnamed = decision(acme.environment_id, "A");
        unnamed.as_object_mut().unwrap().remove("environment_id");
        // The manager is entitled to one environment only, and still none is taken for them.
        for query in ["", "?managed_environment_id=", "?tenant="] {
            let query = if query.is_empty() { String::new() } else { format!("{query}{}", acme.environment_id) };
            let refused = manager.post(&format!("{path}{query}"), &unnamed).await;
            assert_eq!(refused.refusal(), (422, "malformed-request".to_owned()));
            assert_eq!(refused.json()["errors"][0]["field"], "environment_id");
        }
        let in_query = manager.post(&format!("{path}?environment_id={}", acme.environment_id), &unnamed).await;
        assert_eq!(in_query.refusal(), (400, "unknown-parameter".to_owned()));
        for environment in [acme.hidden_environment_id, rival.environment_id, fresh_id()] {
            let refused = manager.post(&path, &decision(environment, "A")).await;
            assert_eq!(refused.refusal(), (404, "not-found".to_owned()));
        }
        assert_eq!(world.count("provider_resource_bindings").await, 0);
        let made = manager.post(&path, &decision(acme.environment_id, "A")).await;
        assert_eq!(made.status, 201);
        assert_eq!(made.json()["binding"]["environment_id"], json!(acme.environment_id));
        assert_eq!(made.json()["binding"]["workspace_id"], json!(acme.workspace_id));
    });
}

#[test]
fn workspace_authority_is_the_path_alone() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, rival, routes) = (&world.acme, &world.rival, routes(&world.service));
        // A member of both, entitled in both.
        let both = rival.manager;
        let service = &world.service;
        service.add_member(acme.owner, &acme.workspace, both.user_id(), Role::Manager).await.unwrap();
        let (owner, at) = (acme.owner, &acme.workspace);
        service.grant_entitlement(owner, at, acme.environment_id, both.user_id()).await.unwrap();
        let both = Caller::of(&routes, service, both).await;
        for (tenant, other) in [(acme, rival), (rival, acme)] {
            let list = |id: Uuid| format!("{}?environment_id={id}", bindings(tenant.workspace_id));
            assert_eq!(both.get(&list(tenant.environment_id)).await.status, 200);
            assert_eq!(both.get(&list(other.environment_id)).await.refusal(), (404, "not-found".to_owned()));
            let made = both.post(&bindings(tenant.workspace_id), &decision(tenant.environment_id, "A")).await;
            assert_eq!(made.json()["binding"]["workspace_id"], json!(tenant.workspace_id));
            let refused = both.post(&bindings(tenant.workspace_id), &decision(other.environment_id, "B")).await;
            assert_eq!(refused.refusal(), (404, "not-found".to_owned()));
        }
        // Without a workspace there is none: not the only one somebody has, not the last one they used.
        let manager = Caller::of(&routes, service, acme.manager).await;
        for path in
            ["/v1/bindings", "/v1/workspaces/bindings", "/v1/workspaces//bindings", "/bindings", "/v1/inventory"]
        {
            let list = format!("{path}?environment_id={}", acme.environment_id);
            assert_eq!(manager.get(&list).await.refusal(), (404, "not-found".to_owned()), "{path}");
            let named = manager.clone().with("x-workspace", &acme.workspace_id.to_string()).get(&list).await;
            assert_eq!(named.refusal(), (404, "not-found".to_owned()), "{path}");
        }
    });
}

#[test]
fn a_record_in_the_wrong_workspace_is_not_found() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, rival, routes) = (&world.acme, &world.rival, routes(&world.service));
        let both = rival.manager;
        let service = &world.service;
        service.add_member(acme.owner, &acme.workspace, both.user_id(), Role::Manager).await.unwrap();
        let (owner, at) = (acme.owner, &acme.workspace);
        service.grant_entitlement(owner, at, acme.environment_id, both.user_id()).await.unwrap();
        let both = Caller::of(&routes, service, both).await;
        let made = both.post(&bindings(acme.workspace_id), &decision(acme.environment_id, "A")).await.json();
        let id = made["binding"]["id"].as_str().unwrap();
        let (right, wrong) = (bindings(acme.workspace_id), bindings(rival.workspace_id));
        let supersede = json!({ "mode": "accepted_limitation", "note": "known" });
        let revoke = json!({ "note": "over" });
        let missing = told(&both.get(&format!("{wrong}/{}", fresh_id())).await);
        for path in [format!("{wrong}/{id}"), format!("{wrong}/{id}/history")] {
            assert_eq!(told(&both.get(&path).await), missing);
        }
        assert_eq!(told(&both.post(&format!("{wrong}/{id}/supersede"), &supersede).await), missing);
        assert_eq!(told(&both.post(&format!("{wrong}/{id}/revoke"), &revoke).await), missing);
        // In its own it needs no environment to be named, and takes none.
        assert_eq!(both.get(&format!("{right}/{id}")).await.status, 200);
        let named = both.get(&format!("{right}/{id}?environment_id={}", acme.environment_id)).await;
        assert_eq!(named.refusal(), (400, "unknown-parameter".to_owned()));
        assert_eq!(both.post(&format!("{right}/{id}/supersede"), &supersede).await.status, 201);
    });
}

#[test]
fn a_legacy_query_opens_nothing_that_is_shut() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, rival, routes) = (&world.acme, &world.rival, routes(&world.service));
        let legacy: Vec<String> = ALIASES
            .iter()
            .flat_map(|name| [acme.workspace_id, acme.environment_id].map(|id| format!("{name}={id}")))
            .collect();
        for actor in [acme.unentitled, world.stranger, rival.owner, acme.manager] {
            let caller = Caller::of(&routes, &world.service, actor).await;
            let shut = format!("{}?environment_id={}", bindings(acme.workspace_id), acme.hidden_environment_id);
            let missing = format!("{}?environment_id={}", bindings(acme.workspace_id), fresh_id());
            let expected = told(&caller.get(&missing).await);
            assert!(expected.starts_with("404"));
            for query in &legacy {
                assert_eq!(told(&caller.get(&format!("{shut}&{query}")).await), expected, "{query}");
                assert_eq!(told(&caller.get(&format!("{missing}&{query}")).await), expected, "{query}");
            }
        }
        // Nor does it stand in for the parameter that is asked for.
        let owner = Caller::of(&routes, &world.service, acme.owner).await;
        for list in ["bindings", "inventory", "connections", "runs"] {
            let path = format!("/v1/workspaces/{}/{list}", acme.workspace_id);
            for query in &legacy {
                let reply = owner.send(Method::GET, &format!("{path}?{query}"), None).await;
                assert_eq!(reply.refusal(), (400, "parameter-required".to_owned()), "{query}");
            }
        }
    });
}
