//! That decisions stay passive over HTTP: every reading operation of the document that is not about bindings or audit
//! answers with the same bytes before and after decisions of every kind.
#![cfg(test)]

use provident::actor::SystemActor;
use provident::binding::{CreateBinding, ResourceRef, SubjectRef};
use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident_identity::ResolutionMode;
use provident_tests::api::{Caller, routes};
use provident_tests::database::on_both_engines;
use provident_tests::installation::{Installation, key, widget};
use provident_tests::operations::{Aim, operations, told};
use serde_json::{Value, json};
use uuid::Uuid;

/// What each of some callers is answered by each reading operation that is not about bindings or audit.
async fn answers(callers: &[Caller], aims: &[Aim]) -> Vec<(String, String)> {
    let mut answers = Vec::new();
    for operation in operations() {
        let about_decisions = ["bindings", "audit"].iter().any(|tag| operation.described["tags"] == json!([tag]));
        if operation.changes() || about_decisions {
            continue;
        }
        for aim in aims {
            for sample in operation.samples(aim) {
                for caller in callers {
                    let reply = operation.prepared(&sample, aim).send(caller).await;
                    answers.push((operation.id.clone(), told(&reply)));
                }
            }
        }
    }
    answers
}

/// Makes a decision over HTTP, and answers its id.
async fn decide(manager: &Caller, path: &str, body: &Value) -> String {
    let made = manager.post(path, body).await;
    assert!(made.status.is_success(), "{}", made.json());
    made.json()["binding"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_not_about_bindings_answers_with_the_same_bytes_after_a_decision_of_every_kind() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, service, routes) = (&world.acme, &world.service, routes(&world.service));
        let mut import = service.begin_import(acme.manager, &acme.workspace, acme.environment_id, None).await.unwrap();
        let seen = ["A", "manual_binding", "excluded_non_governed", "E", "R"].map(widget);
        let seen: Vec<_> = (0..).zip(seen).map(Ok).collect();
        service.import_chunk(&mut import, &seen).await.unwrap();
        service.finish_import(&import).await.unwrap();
        let (filter, page) = (InventoryFilter::default(), PageRequest::default());
        let listed = service.inventory(acme.owner, &acme.workspace, acme.environment_id, &filter, page).await.unwrap();
        let (connection, run) = world.waiting_run(acme, acme.environment_id).await;
        let at = |item| Aim::at(acme, acme.environment_id, Uuid::nil(), item).through(connection, run);
        let aims: Vec<Aim> = listed.items.iter().map(|item| at(item.id)).collect();
        let mut callers = Vec::new();
        for actor in [acme.owner, acme.manager, acme.readonly, acme.unentitled, world.stranger] {
            callers.push(Caller::of(&routes, service, actor).await);
        }
        let before = answers(&callers, &aims).await;
        let swept: std::collections::BTreeSet<&str> = before.iter().map(|(id, _)| id.as_str()).collect();
        assert!(swept.is_superset(&["list_inventory", "get_inventory_item", "derive_keys", "parse_keys"].into()));
        assert!(swept.is_superset(&["list_connections", "get_connection", "list_runs", "get_run"].into()));
        let same = async |what: &str| {
            for (was, is) in before.iter().zip(answers(&callers, &aims).await) {
                assert_eq!(*was, is, "after {what}");
            }
        };

        let at = format!("/v1/workspaces/{}/bindings", acme.workspace_id);
        let manager = &callers[1];
        let mut made = Vec::new();
        for mode in ResolutionMode::ALL {
            let mut body = json!({ "environment_id": acme.environment_id, "mode": mode.as_str(),
                "subject": key(mode.as_str()), "subject_domain": "things", "note": "why" });
            match mode {
                ResolutionMode::ManualBinding => body["resource_descriptor"] = json!(widget("R")),
                ResolutionMode::ExcludedNonGoverned
                | ResolutionMode::AcceptedLimitation
                | ResolutionMode::UnsupportedCoverage
                | ResolutionMode::MissingExpected => {}
                // The system's own.
                _ => continue,
            }
            made.push(decide(manager, &at, &body).await);
            same(mode.as_str()).await;
        }
        assert_eq!(made.len(), 5);
        let next = json!({ "mode": "accepted_limitation", "note": "known" });
        decide(manager, &format!("{at}/{}/supersede", made[0]), &next).await;
        same("a supersession").await;
        decide(manager, &format!("{at}/{}/revoke", made[1]), &json!({ "note": "over" })).await;
        same("a revocation").await;
        let many = json!({ "environment_id": acme.environment_id, "items": [
            { "mode": "missing_expected", "subject": key("A"), "subject_domain": "things", "note": "why" },
        ] });
        let many = manager.post(&format!("{at}:bulk-create"), &many).await;
        assert_eq!(many.json()["items"][0]["state"], "created");
        same("many at once").await;
        let subject = SubjectRef::Descriptor(Box::new(widget("E")));
        let mut automatic = CreateBinding::new(ResolutionMode::ExactProviderIdentity, subject);
        automatic.resource = Some(ResourceRef::Key(key("E")));
        automatic.reason = Some("same-id".to_owned());
        let system = SystemActor::of_the_host();
        service.create_automatic_binding(&system, acme.workspace_id, acme.environment_id, &automatic).await.unwrap();
        same("an automatic one").await;
    });
}
