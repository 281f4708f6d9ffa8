//! The document of the HTTP interface says of texts what the service asks of them: whoever sends what fits the document
//! is not told that the form is wrong.

#![cfg(test)]

use std::collections::BTreeSet;

use provident::http::document::document;
use provident_tests::api::{Caller, routes};
use provident_tests::database::on_both_engines;
use provident_tests::installation::{Installation, key};
use provident_tests::operations::operations;
use serde_json::{Value, json};

/// The pattern of a member of a schema, through one reference.
fn pattern(document: &Value, schema: &str, member: &str) -> String {
    let schemas = &document["components"]["schemas"];
    let stated = &schemas[schema]["properties"][member];
    let referred = stated["oneOf"].as_array().and_then(|ways| ways.iter().find_map(|way| way["$ref"].as_str()));
    let referred = stated["$ref"].as_str().or(referred);
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
    for request in ["CreateConnectionRequest", "UpdateConnectionRequest"] {
        assert!(pattern(&document, request, "display_name").starts_with("^[^\\u0000-\\u0020"));
    }
}

/// Every schema that a schema is made of.
fn made_of<'a>(document: &'a Value, schema: &'a Value, found: &mut BTreeSet<&'a str>) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str().filter(|_| name == "$ref") {
                    Some(name) if found.insert(name) => {
                        made_of(document, document.pointer(name.trim_start_matches('#')).unwrap(), found);
                    }
                    _ => made_of(document, value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| made_of(document, item, found)),
        _ => {}
    }
}

#[test]
fn what_a_connection_logs_in_with_stands_in_one_request_and_in_no_answer() {
    let document = serde_json::to_value(document()).unwrap();
    let text = "#/components/schemas/CredentialText";
    let named = |schema: &Value| {
        let mut found = BTreeSet::new();
        made_of(&document, schema, &mut found);
        found.contains(text)
    };
    let takes = |part: fn(&Value) -> &Value| -> Vec<String> {
        let all = operations().into_iter().filter(|operation| named(part(&operation.described)));
        all.map(|operation| operation.id).collect()
    };
    assert_eq!(takes(|said| &said["requestBody"]), ["set_connection_credentials"]);
    assert_eq!(takes(|said| &said["responses"]), [""; 0]);
    assert_eq!(document.pointer(&format!("{}/writeOnly", text.trim_start_matches('#'))), Some(&json!(true)));
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

#[test]
fn what_a_connection_is_called_and_logs_in_with_is_taken_in_the_form_the_document_has() {
    on_both_engines(async |database| {
        let world = Installation::on(database).await;
        let routes = routes(&world.service);
        let acme = &world.acme;
        let manager = Caller::of(&routes, &world.service, acme.manager).await;
        let connections = format!("/v1/workspaces/{}/connections", acme.workspace_id);
        let named =
            |name: &str| json!({ "environment_id": acme.environment_id, "provider_key": "fake", "display_name": name });
        let taken = ["A", "Zwei Wörter", "\u{feff}", &"n".repeat(512)];
        for name in taken {
            assert_eq!(manager.post(&connections, &named(name)).await.status, 201, "{name:?}");
        }
        let of_no_form = ["", " A", "A ", "\u{a0}A", "A\u{2003}", "A\nB", "A\u{85}", "\u{7f}", &"n".repeat(513)];
        for name in of_no_form {
            let refused = manager.post(&connections, &named(name)).await.refusal();
            assert_eq!(refused, (422, "bad-display-name".to_owned()), "{name:?}");
        }
        let (connection, _) = world.waiting_run(acme, acme.environment_id).await;
        let at = format!("{connections}/{connection}");
        for name in of_no_form {
            let refused = manager.post(&format!("{at}/update"), &json!({ "display_name": name })).await.refusal();
            assert_eq!(refused, (422, "bad-display-name".to_owned()), "{name:?}");
        }
        let credentials = format!("{at}/credentials");
        for value in ["", "a\n", "\u{0}", "\u{9f}", &"v".repeat(4_097)] {
            let refused = manager.post(&credentials, &json!({ "fields": { "api_key": value } })).await;
            assert_eq!(refused.refusal(), (422, "bad-credential-value".to_owned()), "{value:?}");
        }
        for value in [" a ", "ä", &"v".repeat(4_096)] {
            let set = manager.post(&credentials, &json!({ "fields": { "api_key": value } })).await;
            assert_eq!(set.status, 200, "{value:?}");
        }
    });
}
