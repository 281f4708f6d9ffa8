//! The document of the HTTP interface: as it is checked in, complete, and true of what is answered; and the page that
//! shows it loads nothing from elsewhere.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use provident::actor::{Actor, SystemActor};
use provident::binding::{CreateBinding, ResourceRef, SubjectRef};
use provident::http::document::document;
use provident::registry::RunOutcome;
use provident::run::OperationType;
use provident_identity::ResolutionMode;
use provident_tests::api::{Caller, Reply, routes};
use provident_tests::database::on_both_engines;
use provident_tests::guard::listing::root;
use provident_tests::installation::{Installation, key, widget};
use provident_tests::operations::{Aim, Operation, operations};
use provident_tests::provider::{CLIENT_ID, CLIENT_SECRET, DIRECTORY_ID, worker};
use provident_tests::rows::fresh_id;
use provident_tests::stand_in::StandIn;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Where the document is checked in.
const FILE: &str = "docs/openapi.json";

fn generated() -> Value {
    serde_json::to_value(document()).unwrap()
}

#[test]
fn the_document_is_the_one_that_is_checked_in() {
    let file = root().join(FILE);
    let text = format!("{}\n", document().to_pretty_json().unwrap());
    // As of every snapshot (CONTRIBUTING.md).
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).position(|(kept, made)| kept != made);
    let at = differs.unwrap_or_else(|| kept.lines().count().min(text.lines().count())) + 1;
    assert!(
        kept == text,
        "{FILE}, line {at}, is not what is generated: read the difference, and if it is meant\n    \
         INSTA_UPDATE=always cargo test -p provident-tests --test http_document\nwrites it"
    );
}

#[test]
fn every_operation_says_all_that_is_to_be_said() {
    let document = generated();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["security"], json!([{ "bearer": [] }]));
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    let mut used = BTreeSet::new();
    for operation in operations() {
        let (id, said) = (&operation.id, &operation.described);
        assert!(!id.is_empty() && ids.insert(id.clone()), "{} {}", operation.method, operation.path);
        assert!(!said["summary"].as_str().unwrap_or_default().is_empty(), "{id}");
        let [tag] = said["tags"].as_array().unwrap().as_slice() else { panic!("{id}: one tag") };
        assert!(tags.contains(tag.as_str().unwrap()), "{id}");
        used.insert(tag.as_str().unwrap().to_owned());
        // None of its own: that of the document holds for all.
        assert!(said.get("security").is_none(), "{id}");
        let effect = said["x-effect"].as_str().unwrap();
        assert!(["platform", "provider-read", "none"].contains(&effect), "{id}");
        let takes_body = operation.samples(&Aim::default()).iter().all(|sample| sample.body.is_some());
        assert_eq!(takes_body, said.get("requestBody").is_some(), "{id}");
        assert!(operation.method == Method::POST || !takes_body && effect == "none", "{id}");
        if let Some(body) = said.get("requestBody") {
            assert_eq!(body["required"], true, "{id}");
        }
        assert!(!operation.successes().is_empty(), "{id}");
        let answers = said["responses"].as_object().unwrap();
        for status in ["400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "500", "503"] {
            let schema = &answers[status]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{id} {status}");
        }
        for (status, answer) in answers {
            assert!(!answer["description"].as_str().unwrap_or_default().is_empty(), "{id} {status}");
            assert!(answer["headers"].get("X-Request-Id").is_some(), "{id} {status}");
        }
        let named = operation.path.split(['{', '}']).skip(1).step_by(2).collect::<BTreeSet<_>>();
        let parameters = said["parameters"].as_array().cloned().unwrap_or_default();
        let in_path = parameters.iter().filter(|one| one["in"] == "path");
        assert_eq!(in_path.map(|one| one["name"].as_str().unwrap()).collect::<BTreeSet<_>>(), named, "{id}");
    }
    assert_eq!(used, tags.into_iter().map(str::to_owned).collect());
    // Those that change something, by name: one more is one to be thought about.
    let changing: BTreeSet<String> =
        operations().into_iter().filter(Operation::changes).map(|operation| operation.id).collect();
    let expected = [
        "bulk_create_bindings",
        "cancel_run",
        "create_binding",
        "create_connection",
        "disable_connection",
        "enable_connection",
        "import_inventory",
        "make_default_connection",
        "revoke_binding",
        "set_connection_credentials",
        "start_operation",
        "supersede_binding",
        "sync_registry",
        "update_connection",
    ];
    assert_eq!(changing, expected.into_iter().map(str::to_owned).collect());
}

/// The schema that a reference names, or the schema itself.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(name) => document.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is not there")),
        None => schema,
    }
}

/// The members of an object's schema, with those of all it is made of; and which of them have to be there.
fn members<'a>(document: &'a Value, schema: &'a Value) -> (Map<String, Value>, BTreeSet<String>) {
    let schema = resolved(document, schema);
    let mut known = schema["properties"].as_object().cloned().unwrap_or_default();
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut required: BTreeSet<String> = required.map(str::to_owned).collect();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let (more, needed) = members(document, part);
        known.extend(more);
        required.extend(needed);
    }
    (known, required)
}

/// What in a value is not as a schema says. Strict: no member that the schema does not name.
fn violations(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let schema = resolved(document, schema);
    if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        let all: Vec<Vec<String>> = choices.iter().map(|one| violations(document, one, value, at)).collect();
        let fitting = all.iter().filter(|found| found.is_empty()).count();
        return if fitting == 1 { Vec::new() } else { vec![format!("{at}: fits {fitting} of {all:?}")] };
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let mut found = Vec::new();
    if !kinds.is_empty() && !kinds.contains(&kind) {
        return vec![format!("{at}: {kind} and not {kinds:?}")];
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        found.push(format!("{at}: {value} is not among {words:?}"));
    }
    if schema["format"] == "uuid" && value.as_str().is_some_and(|text| text.parse::<Uuid>().is_err()) {
        found.push(format!("{at}: no UUID"));
    }
    if let Value::Array(items) = value {
        for (number, item) in items.iter().enumerate() {
            found.extend(violations(document, &schema["items"], item, &format!("{at}[{number}]")));
        }
    }
    if let Value::Object(object) = value {
        let (known, required) = members(document, schema);
        for name in required.iter().filter(|name| !object.contains_key(*name)) {
            found.push(format!("{at}: no `{name}`"));
        }
        for (name, value) in object {
            match known.get(name) {
                Some(schema) => found.extend(violations(document, schema, value, &format!("{at}.{name}"))),
                None => found.push(format!("{at}: `{name}` is not in the schema")),
            }
        }
    }
    found
}

/// A story in which every operation succeeds and fails in many ways, as the document has to describe it.
async fn every_answer(world: &Installation) -> Vec<(String, Reply)> {
    let (acme, routes) = (&world.acme, routes(&world.service));
    let by = async |actor: Actor| Caller::of(&routes, &world.service, actor).await;
    let (owner, manager) = (by(acme.owner).await, by(acme.manager).await);
    let callers = [&owner, &manager, &by(acme.readonly).await, &by(world.stranger).await, &Caller::nobody(&routes)];
    let mut aim = Aim::at(acme, acme.environment_id, Uuid::nil(), Uuid::nil());
    furnish(world, &manager).await;
    let at = format!("/v1/workspaces/{}", acme.workspace_id);
    let mut answers = Vec::new();
    for operation in operations() {
        for (round, caller) in callers.iter().enumerate() {
            aim.subject = format!("{}-{round}", operation.id);
            aim.environment = acme.environment_id.to_string();
            let made =
                manager.post(&format!("{at}/bindings"), &decision(acme.environment_id, &fresh_id().to_string())).await;
            aim.binding = made.json()["binding"]["id"].as_str().unwrap().to_owned();
            let items = manager.get(&format!("{at}/inventory?environment_id={}&limit=1", aim.environment)).await.json();
            aim.item = items["items"][0]["id"].as_str().unwrap().to_owned();
            let (connection, run) = world.waiting_run(acme, acme.environment_id).await;
            aim = aim.through(connection, run);
            for sample in operation.samples(&aim) {
                let request = operation.prepared(&sample, &aim);
                let unknown = request.clone().with_parameter("x", "1");
                let member = request.clone().with_member("x", json!(1));
                let twice = [Some(request.clone()), Some(request.clone()), Some(unknown), member];
                for request in twice.into_iter().flatten().chain(request.without_environment()) {
                    answers.push((operation.id.clone(), request.send(caller).await));
                }
            }
        }
    }
    // Answers of every kind of one operation.
    let look =
        json!({ "environment_id": acme.environment_id, "keys": [key("made"), key("ended"), key("never"), "nonsense"] });
    answers.push(("lookup_bindings".to_owned(), manager.post(&format!("{at}/bindings:lookup"), &look).await));
    let mut many: Vec<Value> = ["made", "new", "new", "no key"].map(|name| decision("", name)).to_vec();
    for item in &mut many {
        item.as_object_mut().unwrap().remove("environment_id");
    }
    many[3]["subject"] = json!("nonsense");
    let body = json!({ "environment_id": acme.environment_id, "items": many });
    answers.push(("bulk_create_bindings".to_owned(), manager.post(&format!("{at}/bindings:bulk-create"), &body).await));
    let body = json!({ "items": [{ "identity": {} }, 1] });
    answers.push(("derive_keys".to_owned(), manager.post("/v1/keys:derive", &body).await));
    answers.push(("parse_keys".to_owned(), manager.post("/v1/keys:parse", &json!({ "keys": ["nonsense"] })).await));
    let documents =
        json!([[{ "kind": "widget" }, { "kind": "nothing known", "ref": "1" }, { "kind": "widget", "ref": "1" }], 7]);
    let body = json!({ "environment_id": acme.environment_id, "adapter": "fake", "documents": documents });
    answers.push(("import_inventory".to_owned(), manager.post(&format!("{at}/inventory:import"), &body).await));
    let rows = json!([{ "kind": "nothing" }, { "kind": "baseline_profile", "external_ref": "p", "display_name": "P" }]);
    answers.push((
        "sync_registry".to_owned(),
        manager.post(&format!("{at}/registry:sync"), &json!({ "rows": rows })).await,
    ));
    answers.extend(answers_about_providers(world, &manager).await);
    let list = format!("{at}/bindings?environment_id={}&limit=500", acme.environment_id);
    answers.push(("list_bindings".to_owned(), manager.get(&list).await));
    answers.push(("list_audit_events".to_owned(), owner.get(&format!("{at}/audit-events?limit=500")).await));
    answers
}

/// What connections and runs are answered with where there is more to tell of them: credentials, directories, a check that
/// failed, an end; and what is in the way.
async fn answers_about_providers(world: &Installation, manager: &Caller) -> Vec<(String, Reply)> {
    let (acme, stand_in) = (&world.acme, StandIn::start());
    let worker = worker(&world.service, &stand_in);
    let at = format!("/v1/workspaces/{}", acme.workspace_id);
    world.idle(acme, acme.environment_id).await;
    // The stand-in does not know its key.
    let connection = world.fake_connection(acme, acme.environment_id, "an-unknown-key").await;
    let other = world.foreign_connection(acme, acme.environment_id, (DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET)).await;
    let run = world.done(&worker, acme, OperationType::HealthCheck, connection).await;
    assert_eq!(run.outcome, Some(RunOutcome::Failed));
    let start = |operation: &str| json!({ "environment_id": acme.environment_id, "operation_type": operation, "provider_connection_id": connection });
    let mut answers = Vec::new();
    let mut told = |operation: &str, reply: Reply, status: u16| {
        assert_eq!(reply.status, status, "{operation}: {}", reply.json());
        answers.push((operation.to_owned(), reply));
    };
    let busy = format!("{at}/operations:start");
    told("start_operation", manager.post(&busy, &start("compliance.snapshot")).await, 202);
    told("start_operation", manager.post(&busy, &start("compliance.snapshot")).await, 200);
    let in_the_way = manager.post(&busy, &start("inventory.collect")).await;
    assert!(in_the_way.json()["active_run_id"].is_string());
    told("start_operation", in_the_way, 409);
    told("cancel_run", manager.post(&format!("{at}/runs/{}/cancel", run.id), &json!({})).await, 409);
    for id in [connection, other] {
        told("get_connection", manager.get(&format!("{at}/connections/{id}")).await, 200);
    }
    told("get_run", manager.get(&format!("{at}/runs/{}", run.id)).await, 200);
    for (operation, list) in [("list_connections", "connections"), ("list_runs", "runs")] {
        let list = format!("{at}/{list}?environment_id={}&limit=500", acme.environment_id);
        told(operation, manager.get(&list).await, 200);
    }
    answers
}

fn decision(environment_id: impl serde::Serialize, subject: &str) -> Value {
    json!({
        "environment_id": environment_id, "mode": "missing_expected", "subject": key(subject),
        "subject_domain": "things", "note": "why", "legacy_subject_key": "former",
    })
}

/// Decisions of every kind, with and without a resource, ended and not.
async fn furnish(world: &Installation, manager: &Caller) {
    let (acme, service) = (&world.acme, &world.service);
    let at = format!("/v1/workspaces/{}", acme.workspace_id);
    let body = json!({ "environment_id": acme.environment_id, "adapter": "fake", "documents": [
        { "kind": "widget", "ref": "A", "title": "Called so" }, { "kind": "widget", "ref": "B", "tag": "t", "rev": "r" },
    ] });
    assert_eq!(manager.post(&format!("{at}/inventory:import"), &body).await.status, 200);
    let mut manual = decision(acme.environment_id, "made");
    manual["mode"] = json!("manual_binding");
    manual["resource_descriptor"] = json!(widget("R"));
    assert_eq!(manager.post(&format!("{at}/bindings"), &manual).await.status, 201);
    let ended = manager.post(&format!("{at}/bindings"), &decision(acme.environment_id, "ended")).await.json();
    let id = ended["binding"]["id"].as_str().unwrap();
    let next = json!({ "mode": "accepted_limitation", "note": "known" });
    let next = manager.post(&format!("{at}/bindings/{id}/supersede"), &next).await.json();
    let id = next["binding"]["id"].as_str().unwrap();
    assert_eq!(manager.post(&format!("{at}/bindings/{id}/revoke"), &json!({ "note": "over" })).await.status, 200);
    let mut automatic =
        CreateBinding::new(ResolutionMode::ExactProviderIdentity, SubjectRef::Descriptor(Box::new(widget("E"))));
    automatic.resource = Some(ResourceRef::Key(key("E")));
    automatic.reason = Some("same-id".to_owned());
    let system = SystemActor::of_the_host();
    service.create_automatic_binding(&system, acme.workspace_id, acme.environment_id, &automatic).await.unwrap();
}

#[test]
fn every_answer_is_as_the_document_says() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let document = generated();
        let described: BTreeMap<String, Value> =
            operations().into_iter().map(|operation| (operation.id, operation.described)).collect();
        let mut seen: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
        for (id, reply) in every_answer(&world).await {
            let status = reply.status.as_u16();
            let answer = &described[&id]["responses"][status.to_string()];
            assert!(answer.is_object(), "{id}: {status} is not in the document");
            let media = reply.headers["content-type"].to_str().unwrap();
            let schema = &answer["content"][media]["schema"];
            assert!(schema.is_object(), "{id} {status}: {media} is not in the document");
            let found = violations(&document, schema, &reply.json(), &format!("{id} {status}"));
            assert!(found.is_empty(), "{found:#?}\n{:#}", reply.json());
            for header in answer["headers"].as_object().unwrap().keys() {
                assert!(reply.headers.contains_key(header.as_str()), "{id} {status}: no {header}");
            }
            seen.entry(id).or_default().insert(status);
        }
        for (id, statuses) in &seen {
            assert!(statuses.iter().any(|status| (200..300).contains(status)), "{id}: {statuses:?}");
            assert!(statuses.is_superset(&BTreeSet::from([400, 401])), "{id}: {statuses:?}");
        }
        assert_eq!(seen.keys().collect::<Vec<_>>(), described.keys().collect::<Vec<_>>());
    });
}

#[test]
fn what_is_shown_has_exactly_the_members_of_its_schema() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let document = generated();
        let held = |schema: &str, value: &Value| {
            let (known, required) = members(&document, &document["components"]["schemas"][schema]);
            let known: BTreeSet<&String> = known.keys().collect();
            let shown: BTreeSet<&String> =
                value.as_object().unwrap_or_else(|| panic!("{schema}: {value}")).keys().collect();
            assert!(!known.is_empty());
            assert_eq!(shown, known, "{schema}");
            (known.len(), required.len())
        };
        let mut shown = BTreeSet::new();
        for (id, reply) in every_answer(&world).await.into_iter().filter(|(_, reply)| reply.status.is_success()) {
            let body = reply.json();
            let items: Vec<Value> = body["items"].as_array().cloned().unwrap_or_default();
            let (schema, values) = match id.as_str() {
                "get_binding" => ("Binding", vec![body]),
                "create_binding" | "supersede_binding" | "revoke_binding" => ("Binding", vec![body["binding"].clone()]),
                "list_bindings" | "binding_history" => ("Binding", items),
                "get_inventory_item" => ("InventoryItem", vec![body]),
                "list_inventory" => ("InventoryItem", items),
                "list_audit_events" => ("ChainedEvent", items),
                "audit_checkpoint" => ("Checkpoint", vec![body]),
                "list_connections" => ("ProviderConnection", items),
                "get_connection"
                | "create_connection"
                | "update_connection"
                | "make_default_connection"
                | "enable_connection"
                | "disable_connection"
                | "set_connection_credentials" => ("ProviderConnection", vec![body]),
                "list_runs" => ("OperationRun", items),
                "get_run" | "cancel_run" => ("OperationRun", vec![body]),
                "start_operation" => ("OperationRun", vec![body["run"].clone()]),
                _ => continue,
            };
            for value in values {
                held(schema, &value);
                shown.insert(schema);
            }
        }
        let all = ["Binding", "ChainedEvent", "Checkpoint", "InventoryItem", "OperationRun", "ProviderConnection"];
        assert_eq!(shown, BTreeSet::from(all));
    });
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let nobody = Caller::nobody(&routes(&world.service));
        let page = nobody.get("/docs/").await;
        let html = String::from_utf8(page.body.clone()).unwrap();
        let named: BTreeSet<String> = ["src=\"", "href=\""]
            .iter()
            .flat_map(|before| html.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()))
            .collect();
        assert!(named.len() >= 4, "{named:?}");
        let mut assets = vec!["/openapi.json".to_owned(), "/docs/".to_owned()];
        for name in named {
            assert!(!name.contains("//"), "{name} is elsewhere");
            assets.push(format!("/docs/{}", name.trim_start_matches("./")));
        }
        for asset in assets {
            let reply = nobody.get(&asset).await;
            assert_eq!(reply.status, 200, "{asset}");
            let policy = reply.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'self';"), "{asset}");
            // No place but its own, in any directive.
            let sources = policy.split(';').flat_map(|directive| directive.split_whitespace().skip(1));
            let known = ["'self'", "'unsafe-inline'", "'none'", "data:"];
            assert!(sources.into_iter().all(|source| known.contains(&source)), "{policy}");
            assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{asset}");
            assert_eq!(reply.headers["referrer-policy"], "no-referrer", "{asset}");
            // Nor does what is loaded have anything else loaded.
            let text = String::from_utf8_lossy(&reply.body);
            for loading in ["@import", "url(http", "url(//", "importScripts(", "src=\"http", "src=\"//"] {
                assert!(!text.contains(loading), "{asset} has {loading}");
            }
        }
        let starting = nobody.get("/docs/swagger-initializer.js").await;
        let text = String::from_utf8(starting.body).unwrap();
        assert!(text.contains("\"validatorUrl\": \"none\"") && text.contains("\"/openapi.json\""), "{text}");
        assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
        let served = nobody.get("/openapi.json").await;
        assert_eq!(served.json(), generated());
    });
}
