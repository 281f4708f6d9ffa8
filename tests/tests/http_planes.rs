//! What a caller gets to see and by whose authority: what lists contain, acting for others, what headers choose (nothing
//! else), and that the planes of tenants and of the system do not meet over HTTP.
#![cfg(test)]

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use provident::actor::Actor;
use provident::http::{Api, Limits, router};
use provident::jwt::{Algorithm, IssuerSettings, Issuers, KeySource};
use provident_tests::api::{Caller, routes, token};
use provident_tests::database::on_both_engines;
use provident_tests::identity_provider::Signer;
use provident_tests::installation::{Installation, exclusion, key, plane};
use provident_tests::operations::{Aim, operations, told};
use provident_tests::rows::fresh_id;
use serde_json::{Value, json};
use uuid::Uuid;

const ACTING: &str = "provident-on-behalf-of";

/// The environments that the items of a page are of.
fn environments(page: &Value, member: &str) -> BTreeSet<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().filter_map(|item| item[member].as_str().map(str::to_owned)).collect()
}

/// A decision, an item, a connection and a run in each environment of a workspace.
async fn furnish(world: &Installation) {
    let acme = &world.acme;
    let owner = Caller::of(&routes(&world.service), &world.service, acme.owner).await;
    let at = format!("/v1/workspaces/{}", acme.workspace_id);
    for environment in [acme.environment_id, acme.hidden_environment_id] {
        let document = json!({ "kind": "widget", "ref": "A", "title": "Called so" });
        let body = json!({ "environment_id": environment, "adapter": "fake", "documents": [document] });
        assert_eq!(owner.post(&format!("{at}/inventory:import"), &body).await.status, 200);
        let body = json!({ "environment_id": environment, "mode": "missing_expected", "subject": key("A"),
            "subject_domain": "things", "note": "why" });
        assert_eq!(owner.post(&format!("{at}/bindings"), &body).await.status, 201);
        world.waiting_run(acme, environment).await;
    }
}

#[test]
fn lists_show_the_environments_their_reader_is_entitled_to_and_no_other() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        furnish(&world).await;
        let (acme, routes) = (&world.acme, routes(&world.service));
        let at = format!("/v1/workspaces/{}", acme.workspace_id);
        let (here, hidden) = (acme.environment_id.to_string(), acme.hidden_environment_id.to_string());
        let by = async |actor: Actor| Caller::of(&routes, &world.service, actor).await;
        let (owner, manager, readonly) = (by(acme.owner).await, by(acme.manager).await, by(acme.readonly).await);

        for list in ["bindings", "inventory", "connections", "runs"] {
            for (caller, environment) in [(&owner, &here), (&owner, &hidden), (&manager, &here), (&readonly, &here)] {
                let page = caller.get(&format!("{at}/{list}?environment_id={environment}&limit=500")).await.json();
                assert_eq!(environments(&page, "environment_id"), BTreeSet::from([environment.clone()]), "{list}");
                assert_eq!(page["items"].as_array().unwrap().len(), 1, "{list}");
            }
            assert_eq!(manager.get(&format!("{at}/{list}?environment_id={hidden}")).await.status, 404);
            // There is no list of every environment, for nobody.
            assert_eq!(owner.get(&format!("{at}/{list}")).await.refusal(), (400, "parameter-required".to_owned()));
        }
        let look = json!({ "environment_id": here, "keys": [key("A")] });
        let found = manager.post(&format!("{at}/bindings:lookup"), &look).await.json();
        assert_eq!(found["items"][0]["binding"]["environment_id"], json!(here));

        let events = async |caller: &Caller, query: &str| {
            caller.get(&format!("{at}/audit-events?limit=500{query}")).await.json()["items"].as_array().unwrap().clone()
        };
        let all = events(&owner, "").await;
        let numbers: Vec<i64> = all.iter().map(|event| event["number"].as_i64().unwrap()).collect();
        assert_eq!(numbers, (1..=i64::try_from(all.len()).unwrap()).collect::<Vec<_>>(), "the whole chain");
        let of_hidden = |event: &&Value| event["managed_environment_id"] == json!(hidden);
        assert!(all.iter().filter(of_hidden).count() >= 3);
        let rest: Vec<Value> = all.iter().filter(|event| !of_hidden(event)).cloned().collect();
        assert_eq!(events(&manager, "").await, rest);
        let entitled_to_nothing = events(&by(acme.unentitled).await, "").await;
        let at_large: Vec<Value> =
            all.iter().filter(|event| event["managed_environment_id"].is_null()).cloned().collect();
        assert_eq!(entitled_to_nothing, at_large);
        let of_one = events(&owner, &format!("&environment_id={hidden}")).await;
        assert_eq!(of_one, all.iter().filter(of_hidden).cloned().collect::<Vec<_>>());

        // The end of the whole chain is for owners who see all of it.
        let checkpoint = format!("{at}/audit-events/checkpoint");
        assert_eq!(owner.get(&checkpoint).await.status, 200);
        assert_eq!(by(acme.unentitled).await.get(&checkpoint).await.status, 404);
        assert_eq!(manager.get(&checkpoint).await.status, 403);
        assert_eq!(by(world.rival.owner).await.get(&checkpoint).await.status, 404);
        let once_entitled = acme.unentitled.user_id();
        for environment in [acme.environment_id, acme.hidden_environment_id] {
            assert_eq!(by(acme.unentitled).await.get(&checkpoint).await.status, 404);
            world.service.grant_entitlement(acme.owner, &acme.workspace, environment, once_entitled).await.unwrap();
        }
        assert_eq!(by(acme.unentitled).await.get(&checkpoint).await.status, 200);
    });
}

/// Lists the bindings of `acme`'s environment.
fn list(world: &Installation) -> String {
    format!("/v1/workspaces/{}/bindings?environment_id={}", world.acme.workspace_id, world.acme.environment_id)
}

#[test]
fn who_is_acted_for_has_all_the_authority_and_whose_token_it_is_none() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        furnish(&world).await;
        let (acme, service, routes) = (&world.acme, &world.service, routes(&world.service));
        let by = async |user: Actor, only: Option<Uuid>, may: bool| {
            Caller::nobody(&routes).with_token(&token(service, user.user_id(), only, may).await)
        };
        let acting = |caller: &Caller, user: Uuid| caller.clone().with(ACTING, &user.to_string());
        let path = list(&world);

        // A backend that is nobody in the workspace: what each user may, it may for them, and not a byte is different.
        let backend = by(world.stranger, None, true).await;
        assert_eq!(backend.get(&path).await.status, 404);
        let checkpoint = format!("/v1/workspaces/{}/audit-events/checkpoint", acme.workspace_id);
        for user in [acme.owner, acme.manager, acme.operator, acme.readonly, acme.unentitled, world.rival.owner] {
            for path in [&path, &checkpoint] {
                let themselves = by(user, None, false).await.get(path).await;
                let through = acting(&backend, user.user_id()).get(path).await;
                assert_eq!(told(&through), told(&themselves), "{path}");
            }
        }
        // One who may everything adds nothing to a user who may nothing.
        let mighty = by(acme.owner, None, true).await;
        assert_eq!(mighty.get(&path).await.status, 200);
        let strangers = told(&by(world.stranger, None, false).await.get(&path).await);
        for user in [world.stranger.user_id(), fresh_id(), Uuid::nil()] {
            assert_eq!(told(&acting(&mighty, user).get(&path).await), strangers);
        }
        assert_eq!(acting(&mighty, acme.manager.user_id()).get(&checkpoint).await.status, 403);

        // Without the right it is refused, whoever is named, before anything is looked at.
        let plain = by(acme.owner, None, false).await;
        let refused = (403, "may-not-act-for-others".to_owned());
        for user in [acme.owner.user_id(), acme.manager.user_id(), fresh_id()] {
            for path in [path.as_str(), "/v1/workspaces/nonsense/bindings?x=1"] {
                assert_eq!(acting(&plain, user).get(path).await.refusal(), refused);
            }
        }
        // A token bound to a workspace is bound whomever it acts for.
        let elsewhere = by(world.stranger, Some(world.rival.workspace_id), true).await;
        assert_eq!(told(&acting(&elsewhere, acme.owner.user_id()).get(&path).await), strangers);
        let bound_here = by(world.stranger, Some(acme.workspace_id), true).await;
        assert_eq!(acting(&bound_here, acme.owner.user_id()).get(&path).await.status, 200);
    });
}

#[test]
fn an_acting_user_that_is_none_is_refused() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let routes = routes(&world.service);
        let user = world.acme.owner.user_id();
        let backend = Caller::nobody(&routes).with_token(&token(&world.service, user, None, true).await);
        let bad = (400, "bad-acting-user".to_owned());
        let spellings = ["", "nonsense", "Owner", "ref:owner", "*", &format!("{user},{user}"), &format!("{user} x")];
        for text in spellings {
            assert_eq!(backend.clone().with(ACTING, text).get(&list(&world)).await.refusal(), bad, "{text:?}");
        }
        // One spelling of an id, as in a path.
        for text in
            [user.to_string().to_uppercase(), user.simple().to_string(), format!("{{{user}}}"), user.urn().to_string()]
        {
            assert_eq!(backend.clone().with(ACTING, &text).get(&list(&world)).await.refusal(), bad, "{text:?}");
        }
        let twice = backend.clone().with(ACTING, &user.to_string()).with(ACTING, &user.to_string());
        assert_eq!(twice.get(&list(&world)).await.refusal(), bad);
        let credentials = Caller::nobody(&routes).with(ACTING, &user.to_string());
        assert_eq!(credentials.get(&list(&world)).await.refusal(), (401, "credential-required".to_owned()));
    });
}

#[test]
fn a_jwt_is_its_users_and_acts_for_nobody_else() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        furnish(&world).await;
        let (acme, service) = (&world.acme, &world.service);
        let signer = Signer::new(Algorithm::Es256);
        let keys = world.directory.path().join("keys.json");
        std::fs::write(&keys, json!({ "keys": [signer.jwk("one")] }).to_string()).unwrap();
        let settings =
            IssuerSettings::new("https://idp.test/".to_owned(), vec!["provident".to_owned()], KeySource::File(keys));
        let issuers = Issuers::open(vec![settings]).await.unwrap();
        let routes = router(&Api::new(Arc::clone(service), issuers, Limits::default()).unwrap());
        let now = service.now().as_micros() / 1_000_000;
        let jwt = |subject: &str| {
            let claims = json!({ "iss": "https://idp.test/", "sub": subject, "aud": "provident", "exp": now + 10_000 });
            signer.token(Algorithm::Es256, &json!({ "alg": "ES256", "kid": "one" }).to_string(), &claims.to_string())
        };
        let manager = acme.manager.user_id();
        service.link_identity(&plane(), manager, "https://idp.test/", "ada").await.unwrap();
        let by = |subject: &str| Caller::nobody(&routes).with_token(&jwt(subject));
        let path = list(&world);

        let themselves = Caller::of(&routes, service, acme.manager).await.get(&path).await;
        assert_eq!(themselves.status, 200);
        assert_eq!(told(&by("ada").get(&path).await), told(&themselves));
        let stranger = Caller::of(&routes, service, world.stranger).await.get(&path).await;
        assert_eq!(told(&by("nobody").get(&path).await), told(&stranger));
        for subject in ["ada", "nobody"] {
            for user in [manager, acme.owner.user_id(), fresh_id()] {
                let acting = by(subject).with(ACTING, &user.to_string()).get(&path).await;
                assert_eq!(acting.refusal(), (403, "may-not-act-for-others".to_owned()), "{subject}");
            }
        }
        let body = json!({ "environment_id": acme.environment_id, "mode": "missing_expected", "subject": key("B"),
            "subject_domain": "things", "note": "why" });
        let made = by("ada").post(&format!("/v1/workspaces/{}/bindings", acme.workspace_id), &body).await;
        assert_eq!(made.status, 201, "{}", made.json());
        let events = service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        let last = &events.last().unwrap().event;
        assert_eq!((last.actor_user_id, last.actor_token_id), (Some(manager), None));
        service.end_identity(&plane(), "https://idp.test/", "ada").await.unwrap();
        assert_eq!(told(&by("ada").get(&path).await), told(&stranger));
    });
}

#[test]
fn audit_names_who_was_acted_for_and_by_which_token() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, routes) = (&world.acme, routes(&world.service));
        let text = token(&world.service, world.stranger.user_id(), None, true).await;
        let token_id = text.split('_').nth(1).unwrap().parse::<Uuid>().unwrap();
        let backend = Caller::nobody(&routes).with_token(&text).with("x-request-id", "the-request");
        let at = format!("/v1/workspaces/{}/bindings", acme.workspace_id);
        for (user, status) in [(acme.manager, 201), (acme.readonly, 403)] {
            let body = json!({ "environment_id": acme.environment_id, "mode": "missing_expected", "subject": key("A"),
                "subject_domain": "things", "note": "why" });
            let made = backend.clone().with(ACTING, &user.user_id().to_string()).post(&at, &body).await;
            assert_eq!(made.status, status, "{}", made.json());
            let events = world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
            let last = &events.last().unwrap().event;
            assert_eq!(last.actor_user_id, Some(user.user_id()));
            assert_eq!(last.actor_token_id, Some(token_id));
            assert_eq!(last.request_id.as_deref(), Some("the-request"));
        }
    });
}

/// Headers that mean something elsewhere, with values that would be worth something here.
fn meaningless_headers(world: &Installation) -> Vec<(&'static str, String)> {
    let (acme, rival) = (&world.acme, &world.rival);
    let own = acme.owner.user_id().to_string();
    let (other, hidden) = (rival.workspace_id.to_string(), acme.hidden_environment_id.to_string());
    let mut headers = vec![
        ("cookie", format!("workspace={other}; environment_id={hidden}; session={own}; tenant={other}")),
        ("cookie", format!("provident-on-behalf-of={own}; token=pvd_1")),
    ];
    let of_workspace =
        "x-workspace x-workspace-id workspace-id x-tenant x-tenant-id tenant tenant-id tenant_id x-forwarded-prefix";
    headers.extend(of_workspace.split(' ').map(|name| (name, other.clone())));
    let of_environment =
        "x-environment x-environment-id environment-id managed-environment-id managed_environment_id x-scope";
    headers.extend(of_environment.split(' ').map(|name| (name, hidden.clone())));
    let of_user =
        "x-user x-user-id on-behalf-of x-on-behalf-of x-provident-on-behalf-of x-forwarded-user x-remote-user from";
    headers.extend(of_user.split(' ').map(|name| (name, own.clone())));
    let others = [
        ("x-role", "owner"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/v1/nowhere"),
        ("x-forwarded-host", "elsewhere.example"),
        ("x-api-key", "pvd_1"),
        ("accept", "text/html"),
        ("accept-language", "de"),
        ("origin", "https://elsewhere.example"),
        ("proxy-authorization", "Bearer pvd_1"),
        ("prefer", "return=minimal"),
    ];
    headers.extend(others.map(|(name, value)| (name, value.to_owned())));
    headers
}

#[test]
fn no_other_header_and_no_cookie_chooses_anything() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        furnish(&world).await;
        let (acme, routes) = (&world.acme, routes(&world.service));
        let owner = Caller::of(&routes, &world.service, acme.owner).await;
        let at = format!("/v1/workspaces/{}", acme.workspace_id);
        let first = async |list: &str| {
            let page = owner.get(&format!("{at}/{list}?environment_id={}", acme.environment_id)).await.json();
            page["items"][0]["id"].as_str().unwrap().parse::<Uuid>().unwrap()
        };
        let (binding, item) = (first("bindings").await, first("inventory").await);
        let (connection, run) = (first("connections").await, first("runs").await);
        let aim = Aim::at(acme, acme.environment_id, binding, item).through(connection, run);
        let headers = meaningless_headers(&world);
        for actor in [acme.owner, acme.readonly, acme.unentitled, world.stranger] {
            let caller = Caller::of(&routes, &world.service, actor).await;
            for operation in operations().into_iter().filter(|operation| !operation.changes()) {
                for sample in operation.samples(&aim) {
                    let request = operation.prepared(&sample, &aim);
                    let without = told(&request.send(&caller).await);
                    for (name, value) in &headers {
                        let with = request.clone().with_header(name, value).send(&caller).await;
                        assert_eq!(told(&with), without, "{} with {name}", operation.id);
                    }
                }
            }
        }
    });
}

#[test]
fn a_credential_is_taken_from_its_one_header_alone() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let routes = routes(&world.service);
        let text = token(&world.service, world.acme.owner.user_id(), None, false).await;
        let nobody = Caller::nobody(&routes);
        let path = list(&world);
        assert_eq!(nobody.clone().with_token(&text).get(&path).await.status, 200);
        let missing = (401, "credential-required".to_owned());
        for (name, value) in [
            ("cookie", format!("authorization=Bearer {text}")),
            ("x-api-key", text.clone()),
            ("x-authorization", format!("Bearer {text}")),
            ("proxy-authorization", format!("Bearer {text}")),
        ] {
            assert_eq!(nobody.clone().with(name, &value).get(&path).await.refusal(), missing, "{name}");
        }
        assert_eq!(nobody.get(&format!("{path}&access_token={text}")).await.refusal(), missing);
        let bad = (401, "bad-credential".to_owned());
        for scheme in ["Basic", "Token", "pvd"] {
            let other = nobody.clone().with("authorization", &format!("{scheme} {text}"));
            assert_eq!(other.get(&path).await.refusal(), bad, "{scheme}");
        }
        let twice = nobody.clone().with_token(&text).with("authorization", &format!("Bearer {text}"));
        assert_eq!(twice.get(&path).await.refusal(), bad);
    });
}

#[test]
fn rows_that_give_authority_are_taken_from_those_alone_who_may_give_it() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, routes) = (&world.acme, routes(&world.service));
        let path = format!("/v1/workspaces/{}/registry:sync", acme.workspace_id);
        let stranger = world.stranger.user_id();
        let row = json!({ "kind": "membership", "external_ref": "member-1", "user_id": stranger, "role": "owner" });
        let body = json!({ "rows": [row] });
        let before = world.dump("workspace_memberships").await;
        for (actor, status) in
            [(acme.manager, 403), (acme.operator, 403), (world.stranger, 404), (world.rival.owner, 404)]
        {
            let refused = Caller::of(&routes, &world.service, actor).await.post(&path, &body).await;
            assert_eq!(refused.status, status);
        }
        assert_eq!(world.dump("workspace_memberships").await, before);
        let owner = Caller::of(&routes, &world.service, acme.owner).await.post(&path, &body).await;
        assert_eq!(owner.json()["answers"][0]["state"], "added");
        assert_ne!(world.dump("workspace_memberships").await, before);
    });
}

/// Every path that a router answers, as its own account of itself has it.
fn paths(routes: &Router) -> BTreeSet<String> {
    let account = format!("{routes:?}");
    // After that come those that nothing else answers.
    let account = account.split("fallback_router").next().unwrap();
    let pieces = account.split('"').filter(|piece| piece.starts_with('/'));
    pieces.map(|path| path.trim_end_matches("{*rest}").to_owned()).collect()
}

#[test]
fn every_route_is_in_the_document_or_tells_nothing_of_anybody() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let routes = routes(&world.service);
        let documented: BTreeSet<String> = operations().into_iter().map(|operation| operation.path).collect();
        let all = paths(&routes);
        assert!(documented.is_subset(&all), "{all:?}");
        let rest: Vec<&String> = all.difference(&documented).collect();
        assert_eq!(rest, ["/docs", "/docs/", "/healthz", "/openapi.json", "/readyz"]);
    });
}

#[test]
fn no_route_reaches_the_system_plane() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, routes) = (&world.acme, routes(&world.service));
        let at = format!("/v1/workspaces/{}", acme.workspace_id);
        let text = token(&world.service, acme.owner.user_id(), None, true).await;
        let owner = Caller::nobody(&routes).with_token(&text);
        let nobody = Caller::nobody(&routes);
        let tables: Vec<Vec<String>> = rows(&world).await;
        for name in [
            "metrics",
            "users",
            "tokens",
            "identities",
            "migrate",
            "migrations",
            "init",
            "setup",
            "workspaces",
            "roles",
            "roles/sql",
            "copy",
            "database",
            "master-key",
            "clean-up",
            "config",
            "log",
            "admin",
            "system",
            "platform",
            "debug",
            "environments",
            "members",
            "entitlements",
            "audit-events/verify",
            "audit-events/export",
        ] {
            for path in [
                format!("/{name}"),
                format!("/v1/{name}"),
                format!("{at}/{name}"),
                format!("/v1/{name}/{}", fresh_id()),
            ] {
                // That is the platform's workspace, if anything: a route of tenants, and nobody's.
                for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                    for caller in [&owner, &nobody] {
                        let reply = caller.send(method.clone(), &path, None).await;
                        assert_eq!(reply.refusal(), (404, "not-found".to_owned()), "{method} {path}");
                    }
                }
            }
        }
        // A token of the command line's is no token of tenants, and nothing of tenants opens the platform's own workspace.
        let platform = Uuid::nil();
        for operation in operations().into_iter().filter(|operation| operation.path.contains("{workspace_id}")) {
            let there = Aim::at(acme, platform, platform, platform).through(platform, platform);
            let aim = Aim { workspace: platform.to_string(), ..there };
            for sample in operation.samples(&aim).into_iter().filter(|sample| sample.attempted.is_none()) {
                assert_eq!(operation.prepared(&sample, &aim).send(&owner).await.status, 404, "{}", operation.id);
            }
        }
        assert_eq!(rows(&world).await, tables);
    });
}

/// Every row of the tables of the system plane.
async fn rows(world: &Installation) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for table in provident_tests::tables::PLATFORM_TABLES {
        rows.push(world.dump(table).await);
    }
    rows
}

#[test]
fn what_needs_no_credential_tells_nothing_of_what_is_kept() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let nobody = Caller::nobody(&routes(&world.service));
        let mut before = Vec::new();
        for path in ["/healthz", "/readyz", "/openapi.json", "/docs/"] {
            let reply = nobody.get(path).await;
            assert_eq!(reply.status, 200, "{path}");
            before.push(told(&reply));
        }
        let request = exclusion(&key("1"));
        let (acme, service) = (&world.acme, &world.service);
        service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await.unwrap();
        world.waiting_run(acme, acme.environment_id).await;
        for (path, before) in ["/healthz", "/readyz", "/openapi.json", "/docs/"].iter().zip(before) {
            assert_eq!(told(&nobody.get(path).await), before, "{path}");
        }
    });
}
