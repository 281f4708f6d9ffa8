//! The operations of the HTTP interface as its document has them, and a valid request of each: the one table that every
//! sweep over the document takes. An operation of the document that has no row here fails whoever sweeps.
//!
//! What an operation asks of its caller stands here a second time, on purpose: the sweeps hold the first to it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test without its operations fails, and says why"
)]

use axum::http::Method;
use provident::http::document::document;
use provident::policy::Capability;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::{Caller, Reply};
use crate::installation::{Tenant, key, widget};

/// An operation, as the document has it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its `operationId`.
    pub id: String,
    /// Its method.
    pub method: Method,
    /// Its path, with names in braces.
    pub path: String,
    /// All that is said of it.
    pub described: Value,
}

/// What a request names, as text: right, wrong, or nonsense.
#[derive(Clone, Debug, Default)]
pub struct Aim {
    /// The workspace of the path.
    pub workspace: String,
    /// The environment of a parameter or member.
    pub environment: String,
    /// The binding of the path.
    pub binding: String,
    /// The inventory item of the path.
    pub item: String,
    /// The connection of the path, or of a start.
    pub connection: String,
    /// The run of the path.
    pub run: String,
    /// The provider's id of the subject a decision or an import is about.
    pub subject: String,
}

/// What an operation is about, and so what its caller has to be allowed to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Nothing that is kept.
    Nothing,
    /// The workspace itself.
    Workspace,
    /// The workspace with every environment.
    EveryEnvironment,
    /// The environment that is named.
    Environment,
    /// A binding, in its own environment.
    Binding,
    /// An inventory item, in its own environment.
    Item,
    /// A connection, in its own environment.
    Connection,
    /// A run, in its own environment.
    Run,
}

/// A valid request of an operation.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What it is about.
    pub about: About,
    /// What it takes; nothing of an operation that is open to everybody with a credential.
    pub capability: Option<Capability>,
    /// What its denial is told of as, where it changes something.
    pub attempted: Option<&'static str>,
    /// Parameters.
    pub query: Vec<(&'static str, String)>,
    /// The body.
    pub body: Option<Value>,
}

/// A request, ready to be sent or to be spoiled.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// Parameters, as they stand in the query.
    pub query: Vec<(String, String)>,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
}

/// Every operation of the document, by path and method.
///
/// # Panics
///
/// When the document is not one.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            found.push(Operation {
                id: described["operationId"].as_str().unwrap_or_default().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                described: described.clone(),
            });
        }
    }
    found
}

impl Operation {
    /// Whether the document says that it changes something.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.described["x-effect"] == "platform"
    }

    /// Whether it takes this header.
    #[must_use]
    pub fn takes_header(&self, name: &str) -> bool {
        let parameters = self.described["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|one| one["in"] == "header" && one["name"] == name))
    }

    /// The statuses of its success, as the document has them.
    ///
    /// # Panics
    ///
    /// When the document has no answers.
    #[must_use]
    pub fn successes(&self) -> Vec<u16> {
        let statuses = self.described["responses"].as_object().unwrap().keys();
        statuses.filter_map(|status| status.parse().ok()).filter(|status| (200..300).contains(status)).collect()
    }

    /// Whether its path names a record.
    #[must_use]
    pub fn is_of_a_record(&self) -> bool {
        self.path.replace("{workspace_id}", "").contains('{')
    }

    /// A request at an aim.
    #[must_use]
    pub fn prepared(&self, sample: &Sample, aim: &Aim) -> Prepared {
        let path = self.path.replace("{workspace_id}", &aim.workspace);
        let path = path.replace("{binding_id}", &aim.binding).replace("{item_id}", &aim.item);
        let path = path.replace("{connection_id}", &aim.connection).replace("{run_id}", &aim.run);
        Prepared {
            method: self.method.clone(),
            path,
            query: sample.query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            headers: Vec::new(),
            body: sample.body.as_ref().map(Value::to_string),
        }
    }

    /// Valid requests of it at an aim.
    ///
    /// # Panics
    ///
    /// When nobody said how one is made.
    #[must_use]
    pub fn samples(&self, aim: &Aim) -> Vec<Sample> {
        samples(&self.id, aim).unwrap_or_else(|| panic!("`{}` has no row in tests/src/operations.rs", self.id))
    }
}

impl Prepared {
    /// Sends it.
    pub async fn send(&self, caller: &Caller) -> Reply {
        let mut caller = caller.clone();
        for (name, value) in &self.headers {
            caller = caller.with(name, value);
        }
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        caller.send(self.method.clone(), &format!("{}{query}", self.path), self.body.clone()).await
    }

    /// The same with a parameter more.
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with a header more.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same without the environment, if it names one.
    ///
    /// # Panics
    ///
    /// When the body is no JSON.
    #[must_use]
    pub fn without_environment(mut self) -> Option<Self> {
        let before = self.query.len();
        self.query.retain(|(name, _)| name != "environment_id");
        if self.query.len() < before {
            return Some(self);
        }
        let mut body: Value = serde_json::from_str(self.body.as_deref()?).unwrap();
        body.as_object_mut()?.remove("environment_id")?;
        self.body = Some(body.to_string());
        Some(self)
    }

    /// The same with a member more in its body, if it has one.
    ///
    /// # Panics
    ///
    /// When the body is no JSON.
    #[must_use]
    pub fn with_member(mut self, name: &str, value: Value) -> Option<Self> {
        let mut body: Value = serde_json::from_str(self.body.as_deref()?).unwrap();
        body.as_object_mut()?.insert(name.to_owned(), value);
        self.body = Some(body.to_string());
        Some(self)
    }
}

impl Aim {
    /// At a tenant's own environment and records, and at no connection and no run.
    #[must_use]
    pub fn at(tenant: &Tenant, environment: Uuid, binding: Uuid, item: Uuid) -> Self {
        Self {
            workspace: tenant.workspace_id.to_string(),
            environment: environment.to_string(),
            binding: binding.to_string(),
            item: item.to_string(),
            connection: Uuid::nil().to_string(),
            run: Uuid::nil().to_string(),
            subject: "A".to_owned(),
        }
    }

    /// The same at a connection and a run.
    #[must_use]
    pub fn through(self, connection: Uuid, run: Uuid) -> Self {
        Self { connection: connection.to_string(), run: run.to_string(), ..self }
    }
}

/// The table.
fn samples(operation: &str, aim: &Aim) -> Option<Vec<Sample>> {
    let (view, decide) = (Capability::WorkspaceBaselinesView, Capability::WorkspaceBaselinesManage);
    let of = |about, capability| Sample { about, capability, attempted: None, query: Vec::new(), body: None };
    let read = |about, capability| of(about, Some(capability));
    let change = |about, capability, attempted| Sample { attempted: Some(attempted), ..of(about, Some(capability)) };
    let here = || vec![("environment_id", aim.environment.clone())];
    let subject = key(&aim.subject);
    let decision = json!({
        "mode": "excluded_non_governed", "subject": subject, "subject_domain": "things", "note": "not ours",
    });
    let with = |mut body: Value, more: Value| {
        body.as_object_mut()?.extend(more.as_object()?.clone());
        Some(body)
    };
    let environment = json!({ "environment_id": aim.environment });
    let one = match operation {
        "list_bindings" => Sample { query: here(), ..read(About::Environment, view) },
        "create_binding" => {
            Sample { body: with(decision, environment), ..change(About::Environment, decide, "binding.create") }
        }
        "get_binding" | "binding_history" => read(About::Binding, view),
        "supersede_binding" => {
            let body = Some(json!({ "mode": "accepted_limitation", "note": "known" }));
            Sample { body, ..change(About::Binding, decide, "binding.supersede") }
        }
        "revoke_binding" => {
            let body = Some(json!({ "note": "over" }));
            Sample { body, ..change(About::Binding, decide, "binding.revoke") }
        }
        "lookup_bindings" => {
            let keys = Sample {
                body: with(environment.clone(), json!({ "keys": [subject] })),
                ..read(About::Environment, view)
            };
            let described = json!({ "descriptors": [widget(&aim.subject)], "as_of": "2026-01-02T03:04:05.000000Z" });
            let descriptors = Sample { body: with(environment, described), ..keys.clone() };
            return Some(vec![keys, descriptors]);
        }
        "bulk_create_bindings" => {
            let body = with(environment, json!({ "items": [decision] }));
            Sample { body, ..change(About::Environment, decide, "binding.create") }
        }
        "derive_keys" => {
            let described = widget(&aim.subject);
            let subject = json!({ "identity": described.identity, "subject_class": described.subject_class,
                "subject_type_key": described.subject_type_key });
            Sample { body: Some(json!({ "items": [subject] })), ..of(About::Nothing, None) }
        }
        "parse_keys" => Sample { body: Some(json!({ "keys": [subject] })), ..of(About::Nothing, None) },
        "list_inventory" => Sample { query: here(), ..read(About::Environment, Capability::ProviderView) },
        "get_inventory_item" => read(About::Item, Capability::ProviderView),
        "import_inventory" => {
            let documents = json!([{ "kind": "widget", "ref": aim.subject, "title": "Called so" }]);
            let body = with(environment, json!({ "adapter": "fake", "documents": documents }));
            Sample { body, ..change(About::Environment, Capability::InventoryImport, "inventory.import") }
        }
        "sync_registry" => {
            let row = json!({ "kind": "baseline_profile", "external_ref": "profile-1", "display_name": "A baseline" });
            let body = Some(json!({ "rows": [row] }));
            Sample { body, ..change(About::Workspace, Capability::RegistrySync, "registry.sync") }
        }
        "list_audit_events" => {
            let all = read(About::Workspace, Capability::AuditView);
            let some = Sample { query: here(), ..read(About::Environment, Capability::AuditView) };
            return Some(vec![all, some]);
        }
        "audit_checkpoint" => read(About::EveryEnvironment, Capability::WorkspaceManage),
        _ => return provider_samples(operation, aim),
    };
    Some(vec![one])
}

/// The part of the table that is about providers.
fn provider_samples(operation: &str, aim: &Aim) -> Option<Vec<Sample>> {
    let (view, manage, run) = (Capability::ProviderView, Capability::ProviderManage, Capability::ProviderRun);
    let sample = |about, capability, attempted, body| Sample {
        about,
        capability: Some(capability),
        attempted,
        query: Vec::new(),
        body,
    };
    let read = |about| sample(about, view, None, None);
    let manages = |attempted, body| sample(About::Connection, manage, Some(attempted), body);
    let list = |more: &[(&'static str, &str)]| {
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let query = [("environment_id", aim.environment.clone())].into_iter().chain(more).collect();
        Sample { query, ..read(About::Environment) }
    };
    let one = match operation {
        "list_connections" => return Some(vec![list(&[]), list(&[("provider_key", "fake"), ("limit", "1")])]),
        "create_connection" => {
            let body = json!({ "environment_id": aim.environment, "provider_key": "fake", "display_name": "Another" });
            sample(About::Environment, manage, Some("connection.create"), Some(body))
        }
        "get_connection" => read(About::Connection),
        "update_connection" => manages("connection.update", Some(json!({ "display_name": "Called otherwise" }))),
        "make_default_connection" => manages("connection.make-default", None),
        "enable_connection" => manages("connection.enable", None),
        "disable_connection" => manages("connection.disable", Some(json!({ "even_if_default": true }))),
        "set_connection_credentials" => {
            manages("provider-credential.set", Some(json!({ "fields": { "api_key": "an-invented-key" } })))
        }
        "start_operation" => {
            let start = |named: Value| {
                let mut body = json!({ "environment_id": aim.environment, "operation_type": "health.check" });
                body.as_object_mut()?.extend(named.as_object()?.clone());
                Some(sample(About::Environment, run, Some("run.start"), Some(body)))
            };
            let explicit = start(json!({ "provider_connection_id": aim.connection }))?;
            return Some(vec![explicit, start(json!({ "provider_key": "fake" }))?]);
        }
        "list_runs" => {
            return Some(vec![list(&[]), list(&[("operation_type", "health.check"), ("active", "true")])]);
        }
        "get_run" => read(About::Run),
        "cancel_run" => sample(About::Run, run, Some("run.cancel"), None),
        _ => return None,
    };
    Some(vec![one])
}

/// A reply as text, without what differs from one to the next: when it was sent, and the request's name.
///
/// # Panics
///
/// When a header is no text.
#[must_use]
pub fn told(reply: &Reply) -> String {
    let mut lines = Vec::new();
    for (name, value) in &reply.headers {
        if !["date", "x-request-id"].contains(&name.as_str()) {
            lines.push(format!("{name}: {}", value.to_str().unwrap()));
        }
    }
    lines.sort();
    format!("{}\n{}\n\n{}", reply.status, lines.join("\n"), String::from_utf8_lossy(&reply.body))
}
