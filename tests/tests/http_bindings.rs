//! Bindings over HTTP: a story told by requests, and what every answer looks like.

use axum::http::Method;
use provident_tests::api::{Caller, routes};
use provident_tests::database::on_both_engines;
use provident_tests::installation::{Installation, key};
use serde_json::{Value, json};

fn exclusion(environment_id: uuid::Uuid, subject: &str) -> Value {
    json!({
        "environment_id": environment_id, "mode": "excluded_non_governed", "subject": key(subject),
        "subject_domain": "things", "note": "not ours",
    })
}

#[test]
fn a_decision_is_made_read_replaced_and_ended() {
    on_both_engines(async |database| {
        let world = Installation::on(database).await;
        let routes = routes(&world.service);
        let acme = &world.acme;
        let manager = Caller::of(&routes, &world.service, acme.manager).await;
        let at = format!("/v1/workspaces/{}", acme.workspace_id);

        let made = manager.post(&format!("{at}/bindings"), &exclusion(acme.environment_id, "A")).await;
        assert_eq!(made.status, 201, "{}", made.json());
        assert_eq!(made.json()["dry_run"], false);
        let id = made.json()["binding"]["id"].as_str().unwrap().to_owned();

        let read = manager.get(&format!("{at}/bindings/{id}")).await;
        assert_eq!((read.status.as_u16(), &read.json()), (200, &made.json()["binding"]));
        let tag = read.headers["etag"].to_str().unwrap();
        let again = manager.clone().with("if-none-match", tag).get(&format!("{at}/bindings/{id}")).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));

        let taken = manager.post(&format!("{at}/bindings"), &exclusion(acme.environment_id, "A")).await;
        assert_eq!(taken.refusal(), (409, "active-binding-exists".to_owned()));
        assert_eq!(taken.json()["active_binding_id"], json!(id));

        let supersession = json!({ "mode": "accepted_limitation", "note": "known" });
        let next = manager.post(&format!("{at}/bindings/{id}/supersede"), &supersession).await;
        assert_eq!(next.status, 201, "{}", next.json());
        let next_id = next.json()["binding"]["id"].as_str().unwrap().to_owned();

        let lookup = json!({ "environment_id": acme.environment_id, "keys": [key("A"), key("B"), "nonsense"] });
        let found = manager.post(&format!("{at}/bindings:lookup"), &lookup).await.json();
        assert_eq!(found["items"][0]["binding"]["id"], json!(next_id));
        assert_eq!(found["items"][1], json!({ "state": "none" }));
        assert_eq!(found["items"][2]["state"], "refused");

        let ended = manager.post(&format!("{at}/bindings/{next_id}/revoke"), &json!({ "note": "over" })).await;
        assert_eq!((ended.status.as_u16(), &ended.json()["binding"]["binding_status"]), (200, &json!("revoked")));

        let history = manager.get(&format!("{at}/bindings/{id}/history")).await.json();
        assert_eq!(history["items"].as_array().unwrap().len(), 2);
        let list = manager.get(&format!("{at}/bindings?environment_id={}&limit=1", acme.environment_id)).await.json();
        assert_eq!((list["items"].as_array().unwrap().len(), &list["next"]), (1, &json!(next_id)));

        let events = manager.get(&format!("{at}/audit-events?after=0&limit=500")).await.json();
        let told = events["items"].as_array().unwrap().iter().map(|event| event["action"].clone()).collect::<Vec<_>>();
        assert!(told.ends_with(&[json!("binding.created"), json!("binding.superseded"), json!("binding.revoked")]));
    });
}

#[test]
fn a_request_that_cannot_be_right_is_told_why() {
    on_both_engines(async |database| {
        let world = Installation::on(database).await;
        let routes = routes(&world.service);
        let acme = &world.acme;
        let manager = Caller::of(&routes, &world.service, acme.manager).await;
        let at = format!("/v1/workspaces/{}", acme.workspace_id);
        let bindings = format!("{at}/bindings");
        let refused = |status: u16, code: &str| (status, code.to_owned());

        assert_eq!(manager.get(&bindings).await.refusal(), refused(400, "parameter-required"));
        let list = |query: String| {
            let manager = manager.clone();
            let path = format!("{bindings}?environment_id={}&{query}", acme.environment_id);
            async move { manager.get(&path).await.refusal() }
        };
        assert_eq!(list("limit=0".into()).await, refused(400, "bad-page-size"));
        assert_eq!(list("limit=501".into()).await, refused(400, "bad-page-size"));
        assert_eq!(list("staus=active".into()).await, refused(400, "unknown-parameter"));
        assert_eq!(list("binding_status=gone".into()).await, refused(400, "bad-parameter"));
        assert_eq!(list("limit=1&limit=2".into()).await, refused(400, "repeated-parameter"));
        assert_eq!(list("subject_domain=%FF".into()).await, refused(400, "bad-parameter"));

        let post = |body: &str| {
            let (manager, path, body) = (manager.clone(), bindings.clone(), body.to_owned());
            async move { manager.send(Method::POST, &path, Some(body)).await.refusal() }
        };
        assert_eq!(post("{").await, refused(400, "malformed-request"));
        assert_eq!(post("[]").await, refused(422, "malformed-request"));
        assert_eq!(post(r#"{"tenant_id":"x"}"#).await, refused(422, "unknown-field"));
        let mut unnamed = exclusion(acme.environment_id, "A");
        unnamed.as_object_mut().unwrap().remove("subject");
        assert_eq!(post(&unnamed.to_string()).await, refused(422, "malformed-request"));
        let plain = manager.clone().with("content-type", "text/plain");
        let media = plain.send(Method::POST, &bindings, Some(exclusion(acme.environment_id, "A").to_string())).await;
        assert_eq!(media.refusal(), refused(415, "unsupported-media-type"));
        let put = manager.send(Method::PUT, &bindings, None).await;
        assert_eq!((put.refusal(), put.headers.contains_key("allow")), (refused(405, "method-not-allowed"), true));
        assert_eq!(manager.get("/v1/nowhere").await.refusal(), refused(404, "not-found"));
    });
}

#[test]
fn keys_are_derived_and_taken_apart_each_for_itself() {
    on_both_engines(async |database| {
        let world = Installation::on(database).await;
        let routes = routes(&world.service);
        let stranger = Caller::of(&routes, &world.service, world.stranger).await;
        let subject = json!({
            "identity": { "provider_key": "fake", "resource_type": "widget", "provider_resource_id": "A", "tenant_owned": true },
            "subject_class": "policy", "subject_type_key": "widgetPolicy",
        });
        let body = json!({ "items": [subject, { "identity": {}, "tenant": 1 }] });
        let derived = stranger.post("/v1/keys:derive", &body).await;
        assert_eq!(derived.json()["items"][0]["ok"]["key"], json!(key("A")));
        assert!(derived.json()["items"][1]["error"]["code"].is_string());
        let parsed = stranger.post("/v1/keys:parse", &json!({ "keys": [key("A"), "nonsense"] })).await.json();
        assert_eq!(parsed["items"][0]["ok"]["value"], "A");
        assert!(parsed["items"][1]["error"]["code"].is_string());
    });
}

#[test]
fn a_bad_decision_of_a_bulk_is_answered_in_its_place() {
    on_both_engines(async |database| {
        let world = Installation::on(database).await;
        let routes = routes(&world.service);
        let acme = &world.acme;
        let manager = Caller::of(&routes, &world.service, acme.manager).await;
        let path = format!("/v1/workspaces/{}/bindings:bulk-create", acme.workspace_id);
        let item = |subject: &str| {
            let mut item = exclusion(acme.environment_id, subject);
            item.as_object_mut().unwrap().remove("environment_id");
            item
        };
        let mut keyed = item("C");
        keyed["idempotency_key"] = json!("no key");
        let items = json!([item("A"), { "mode": "missing_expected", "note": "n" }, keyed, item("B")]);
        let body = json!({ "environment_id": acme.environment_id, "items": items });
        let made = manager.clone().with("idempotency-key", "bulk").post(&path, &body).await.json();
        let states = made["items"].as_array().unwrap().iter().map(|item| item["state"].clone()).collect::<Vec<_>>();
        assert_eq!(states, [json!("created"), json!("refused"), json!("refused"), json!("created")]);
        assert_eq!(made["items"][1]["field"], "subject");
        assert_eq!(made["items"][2]["code"], "bad-idempotency-key");
        let again = manager.clone().with("idempotency-key", "bulk").post(&path, &body).await.json();
        assert_eq!(again, made, "under its key");
        let many =
            json!({ "environment_id": acme.environment_id, "items": vec![json!({ "mode": "missing_expected" }); 501] });
        assert_eq!(manager.post(&path, &many).await.refusal(), (422, "bulk-too-large".to_owned()));
        let long = manager.clone().with("idempotency-key", &"k".repeat(251)).post(&path, &body).await;
        assert_eq!(long.refusal(), (422, "bad-idempotency-key".to_owned()));
    });
}

#[test]
fn a_sync_that_may_not_be_is_refused_whole_and_too_many_rows_are_none() {
    on_both_engines(async |database| {
        let world = Installation::on(database).await;
        let routes = routes(&world.service);
        let acme = &world.acme;
        let manager = Caller::of(&routes, &world.service, acme.manager).await;
        let at = format!("/v1/workspaces/{}", acme.workspace_id);
        let profile = |number: usize| json!({ "kind": "baseline_profile", "external_ref": format!("p{number}"), "display_name": "P" });
        let mut rows = (0..500).map(profile).collect::<Vec<_>>();
        rows.push(json!({ "kind": "environment", "external_ref": "e", "display_name": "E" }));
        let refused = manager.post(&format!("{at}/registry:sync"), &json!({ "rows": rows })).await;
        assert_eq!(refused.refusal(), (403, "forbidden".to_owned()));
        assert_eq!(world.count("baseline_profiles").await, 0, "nothing of it is there");
        let over = json!({ "rows": vec![0; 10_001] });
        let over = manager.post(&format!("{at}/registry:sync"), &over).await;
        assert_eq!(over.refusal(), (422, "too-many-rows".to_owned()));
        let over = json!({ "environment_id": acme.environment_id, "adapter": "fake", "documents": vec![0; 10_001] });
        let over = manager.post(&format!("{at}/inventory:import"), &over).await;
        assert_eq!(over.refusal(), (422, "too-many-rows".to_owned()));
    });
}
