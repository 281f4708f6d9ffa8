//! The document of the HTTP interface says of texts what the service asks of them: whoever sends what fits the document
//! is not told that the form is wrong.

#![cfg(test)]

use provident::http::document::document;
use provident_tests::api::{Caller, routes};
use provident_tests::database::on_both_engines;
use provident_tests::installation::{Installation, key};
use serde_json::{Value, json};

/// The pattern of a member of a schema, through one reference.
fn pattern(document: &Value, schema: &str, member: &str) -> String {
    let schemas = &document["components"]["schemas"];
    let stated = &schemas[schema]["properties"][member];
    let referred = stated["oneOf"].as_array().and_then(|ways| ways.iter().find_map(|way| way["$ref"].as_str()));
    let named = referred.map_or(stated, |name| &schemas[name.rsplit('/').next().unwrap()]);
    named["pattern"].as_str().unwrap_or_else(|| panic!("no pattern: {schema}.{member}")).to_owned()
}

#[test]
fn a_form_that_is_asked_for_stands_in_the_document() {
    let document = serde_json::to_value(document()).unwrap();
    let token = "^[a-z0-9][a-z0-9_-]{0,63}$";
    for decision in ["CreateRequest", "SupersedeRequest", "BulkItem"] {
        assert_eq!(pattern(&document, decision, "reason"), "^[a-z0-9]+(-[a-z0-9]+)*$");
        assert_eq!(pattern(&document, decision, "subject_domain"), token);
    }
    assert_eq!(pattern(&document, "BulkItem", "idempotency_key"), "^[!-~]{1,255}$");
    assert_eq!(pattern(&document, "ProviderResourceDescriptor", "subject_domain"), token);
    assert_eq!(pattern(&document, "ResourceIdentity", "provider_key"), token);
    assert!(pattern(&document, "LookupRequest", "as_of").ends_with("\\.[0-9]{6}Z$"));
}

#[test]
fn what_does_not_fit_those_forms_is_refused() {
    on_both_engines(async |database| {
        let world = Installation::on(database).await;
        let routes = routes(&world.service);
        let acme = &world.acme;
        let manager = Caller::of(&routes, &world.service, acme.manager).await;
        let at = |operation: &str| format!("/v1/workspaces/{}/bindings{operation}", acme.workspace_id);
        let decision = |member: &str, text: &str| {
            let mut decision = json!({ "mode": "excluded_non_governed", "subject": key("A"), "note": "why" });
            decision["subject_domain"] = json!("things");
            decision[member] = json!(text);
            decision
        };
        for (member, text, code) in [
            ("reason", "", "bad-reason"),
            ("reason", "-a", "bad-reason"),
            ("subject_domain", "", "bad-subject-domain"),
            ("subject_domain", "Things", "bad-subject-domain"),
        ] {
            let mut request = decision(member, text);
            request["environment_id"] = json!(acme.environment_id);
            let refused = manager.post(&at(""), &request).await.refusal();
            assert_eq!(refused, (422, code.to_owned()), "{member}: {text:?}");
        }
        let items = json!([decision("idempotency_key", "")]);
        let bulk = json!({ "environment_id": acme.environment_id, "items": items });
        let refused = manager.post(&at(":bulk-create"), &bulk).await.json();
        assert_eq!(refused["items"][0]["code"], "bad-idempotency-key", "in its place");
        let asked = |as_of: &str| json!({ "environment_id": acme.environment_id, "keys": [key("A")], "as_of": as_of });
        for as_of in ["2030-01-01T00:00:00Z", "2030-01-01T00:00:00.000000+00:00", "2030-13-01T00:00:00.000000Z"] {
            let refused = manager.post(&at(":lookup"), &asked(as_of)).await.refusal();
            assert_eq!(refused, (422, "malformed-request".to_owned()), "{as_of}");
        }
        assert_eq!(manager.post(&at(":lookup"), &asked("2030-01-01T00:00:00.000000Z")).await.status, 200);
    });
}
