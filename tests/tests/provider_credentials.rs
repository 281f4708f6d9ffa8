//! What connections log in with: set by those who may, opened by the gateway alone and only where it was set, shown to
//! nobody. What is written down by command line and service: `confinement.rs`, `traces.rs`.
#![cfg(test)]

use provident::actor::Actor;
use provident::audit::AuditEvent;
use provident::connection::ProviderConnection;
use provident::error::Error;
use provident::provider_credential::ProviderCredentials;
use provident::registry::RunOutcome;
use provident::run::{OperationType, ReasonCode};
use provident::service::Service;
use provident::worker::Worker;
use provident::workspace::WorkspaceRef;
use provident_tests::api::{Caller, routes};
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines};
use provident_tests::installation::{Installation, Tenant, plane, settings};
use provident_tests::provider::{API_KEY, CLIENT_ID, CLIENT_SECRET, DIRECTORY_ID, credentials, foreign, worker};
use provident_tests::stand_in::{StandIn, fake};
use serde_json::json;
use uuid::Uuid;

async fn set(
    world: &Installation,
    actor: Actor,
    workspace: &WorkspaceRef,
    connection: Uuid,
    fields: &[(&str, &str)],
) -> Result<ProviderConnection, Error> {
    world.service.set_provider_credentials(actor, workspace, connection, &credentials(fields)).await
}

fn code<T>(outcome: Result<T, Error>) -> String {
    outcome.map_or_else(|error| error.code().to_owned(), |_| "ok".to_owned())
}

/// The last event of a workspace.
async fn last_event(world: &Installation, tenant: &Tenant) -> AuditEvent {
    let mut after = 0;
    let mut last = None;
    loop {
        let events = world.service.audit_events(tenant.owner, &tenant.workspace, None, after, 500).await.unwrap();
        let Some(newest) = events.into_iter().next_back() else { return last.unwrap() };
        after = newest.event.number;
        last = Some(newest.event);
    }
}

#[test]
fn credentials_are_set_and_set_again_and_known_by_their_names_alone() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let tenant = &world.acme;
        let connection = world.bare_connection(tenant, tenant.environment_id, None).await;
        let at = &tenant.workspace;
        assert_eq!(world.service.connection(tenant.owner, at, connection).await.unwrap().credentials_set_at, None);
        let mut rows: Vec<Vec<String>> = Vec::new();
        for value in ["first-key", "second-key", "second-key"] {
            let answered = set(&world, tenant.manager, at, connection, &[("api_key", value)]).await.unwrap();
            assert_eq!(answered.credential_fields, ["api_key"]);
            assert_eq!(world.service.connection(tenant.readonly, at, connection).await.unwrap(), answered);
            assert!(!serde_json::to_string(&answered).unwrap().contains("-key\""));
            let event = last_event(&world, tenant).await;
            assert_eq!((event.action.as_str(), event.kind.as_str()), ("provider-credential.set", "tenant"));
            assert_eq!((event.target_id, event.provider_connection_id), (Some(connection), Some(connection)));
            assert_eq!((event.provider_key.as_deref(), event.key_version), (Some("fake"), Some(1)));
            assert_eq!(
                (event.managed_environment_id, event.actor_user_id),
                (Some(tenant.environment_id), Some(tenant.manager.user_id()))
            );
            assert_eq!(answered.credentials_set_at, Some(event.occurred_at));
            let row = world.dump("provider_credentials").await;
            assert!(row.len() == 1 && !rows.contains(&row), "every value has a key and nonces of its own");
            rows.push(row);
        }
        let other = world.foreign_connection(tenant, tenant.environment_id, (DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET));
        let shown = world.service.connection(tenant.readonly, at, other.await).await.unwrap();
        assert_eq!(shown.credential_fields, ["client_id", "client_secret"]);
    });
}

#[test]
fn whoever_may_not_sets_nothing_and_hidden_and_missing_are_the_same() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let (acme, rival) = (&world.acme, &world.rival);
        let here = world.bare_connection(acme, acme.environment_id, None).await;
        let hidden = world.bare_connection(acme, acme.hidden_environment_id, None).await;
        let theirs = world.bare_connection(rival, rival.environment_id, None).await;
        let nowhere = Uuid::from_u128(7);
        let field = [("api_key", "a-key")];
        let routes = routes(&world.service);
        for (actor, workspace, connection, expected) in [
            (acme.readonly, &acme.workspace, here, "forbidden"),
            (acme.operator, &acme.workspace, here, "forbidden"),
            (acme.unentitled, &acme.workspace, here, "not-found"),
            (acme.manager, &acme.workspace, hidden, "not-found"),
            (acme.manager, &acme.workspace, nowhere, "not-found"),
            (acme.manager, &acme.workspace, theirs, "not-found"),
            (acme.manager, &rival.workspace, theirs, "not-found"),
            (rival.manager, &acme.workspace, here, "not-found"),
            (world.stranger, &acme.workspace, here, "not-found"),
            (acme.manager, &acme.workspace, here, "ok"),
            (acme.owner, &acme.workspace, hidden, "ok"),
        ] {
            let before = world.count("audit_events").await;
            assert_eq!(code(set(&world, actor, workspace, connection, &field).await), expected);
            assert_eq!(world.count("audit_events").await, before + 1, "it is told of");
            // Over HTTP a body that is none changes nothing of who may.
            let WorkspaceRef::Id(id) = workspace else { panic!() };
            let caller = Caller::of(&routes, &world.service, actor).await;
            let path = format!("/v1/workspaces/{id}/connections/{connection}/credentials");
            for body in [json!({ "fields": { "api_key": "a-key" } }), json!({ "fields": { "api_key": 1 } }), json!([])]
            {
                let reply = caller.post(&path, &body).await;
                match expected {
                    "ok" if body["fields"]["api_key"] == "a-key" => {
                        assert_eq!(reply.status, 200);
                        assert_eq!(reply.json()["credential_fields"], json!(["api_key"]));
                    }
                    "ok" => assert_eq!(reply.status, 422),
                    refused => assert_eq!(reply.code(), refused, "{body}"),
                }
            }
        }
        assert_eq!(world.count("provider_credentials").await, 2);
    });
}

#[test]
fn what_a_connection_cannot_log_in_with_is_refused_and_repeated_nowhere() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let tenant = &world.acme;
        let (at, here) = (&tenant.workspace, tenant.environment_id);
        let connection = world.bare_connection(tenant, here, None).await;
        for fields in
            [&[][..], &[("key", "hunter")], &[("api_key", "hunter"), ("other", "hunter")], &[("hunter", "api_key")]]
        {
            let refused = set(&world, tenant.manager, at, connection, fields).await.unwrap_err();
            assert_eq!(refused.code(), "credential-fields-mismatch");
            assert!(!format!("{refused} {refused:?}").contains("hunter"));
        }
        let mirrored = Uuid::from_u128(0xc7);
        let mut raw = world.raw().await;
        let row = world.row(tenant, here, "provider_connections").with("id", mirrored);
        row.with("origin", "mirrored").with("external_ref", "c-7").insert(&mut raw).await.unwrap();
        let unheard = Uuid::from_u128(0xc8);
        world.connection(tenant, here, "unheard", unheard).await;
        let field = [("api_key", "a-key")];
        assert_eq!(code(set(&world, tenant.manager, at, mirrored, &field).await), "connection-mirrored");
        assert_eq!(code(set(&world, tenant.manager, at, unheard, &field).await), "unknown-provider");

        let routes = routes(&world.service);
        let caller = Caller::of(&routes, &world.service, tenant.manager).await;
        let path = format!("/v1/workspaces/{}/connections/{connection}/credentials", tenant.workspace_id);
        for (body, status, expected) in [
            (r#"{"fields":{"api_key":""}}"#.to_owned(), 422, "bad-credential-value"),
            (r#"{"fields":{"api_key":"hunter\n"}}"#.to_owned(), 422, "bad-credential-value"),
            (r#"{"fields":{"api_key":"hunter\u0000"}}"#.to_owned(), 422, "bad-credential-value"),
            (format!(r#"{{"fields":{{"api_key":"{}"}}}}"#, "hunter".repeat(700)), 422, "bad-credential-value"),
            (r#"{"fields":{"api_key":{"hunter":1}}}"#.to_owned(), 422, "bad-credential-value"),
            (r#"{"fields":{"api_key":["hunter"]}}"#.to_owned(), 422, "bad-credential-value"),
            (r#"{"fields":{"api_key":null,"hunter":"x"}}"#.to_owned(), 422, "bad-credential-value"),
            (r#"{"fields":{"hunter":true}}"#.to_owned(), 422, "bad-credential-value"),
            (r#"{"fields":{"api_key":"hunter","api_key":"hunter"}}"#.to_owned(), 422, "credential-fields-mismatch"),
            (r#"{"fields":{"hunter":"hunter"}}"#.to_owned(), 422, "credential-fields-mismatch"),
            (r#"{"fields":"hunter"}"#.to_owned(), 422, "malformed-request"),
            (r#"{"fields":["hunter"]}"#.to_owned(), 422, "malformed-request"),
            (r#"{"api_key":"hunter"}"#.to_owned(), 422, "unknown-field"),
            ("{}".to_owned(), 422, "malformed-request"),
            (r#"{"fields":{"api_key":"hunter""#.to_owned(), 400, "malformed-request"),
        ] {
            let reply = caller.send(axum::http::Method::POST, &path, Some(body.clone())).await;
            assert_eq!(reply.refusal(), (status, expected.to_owned()), "{body}");
            assert!(!String::from_utf8_lossy(&reply.body).contains("hunter"), "{body}");
        }
        assert_eq!(world.count("provider_credentials").await, 0);
        raw.close().await.unwrap();
    });
}

#[test]
fn what_goes_in_is_printed_as_its_names_alone() {
    let value = "hunter\u{1f511}2";
    let fields: ProviderCredentials = credentials(&[("api_key", value)]);
    assert_eq!(format!("{fields:?} {fields:#?}"), "{\"api_key\"} {\n    \"api_key\",\n}");
    let given: provident::provider_credential::GivenCredentials =
        serde_json::from_str(&json!({ "api_key": value }).to_string()).unwrap();
    assert_eq!(format!("{given:?}"), "GivenCredentials");
}

/// What lies in one row: value, data key, version, as SQL has them.
#[derive(Clone, PartialEq)]
struct Sealed {
    value: Vec<u8>,
    data_key: Vec<u8>,
    version: i64,
}

/// A row of a connection's credentials.
#[derive(Clone, Copy)]
struct Place<'a> {
    tenant: &'a Tenant,
    connection: Uuid,
    field: &'static str,
}

impl Place<'_> {
    fn condition(&self, engine: Engine) -> String {
        format!(
            "workspace_id = {} AND provider_connection_id = {} AND field = '{}'",
            engine.id(self.tenant.workspace_id),
            engine.id(self.connection),
            self.field
        )
    }

    async fn read(&self, raw: &mut Raw) -> Sealed {
        let bytes = |column: &str| match raw.engine() {
            Engine::Sqlite => format!("lower(hex({column}))"),
            Engine::Postgres => format!("encode({column}, 'hex')"),
        };
        let sql = format!(
            "SELECT {}, {}, master_key_version FROM provider_credentials WHERE {}",
            bytes("value_sealed"),
            bytes("data_key_sealed"),
            self.condition(raw.engine())
        );
        let row = raw.rows(&sql).await.unwrap().remove(0);
        let cell = |at: usize| row[at].clone().unwrap();
        Sealed {
            value: hex::decode(cell(0)).unwrap(),
            data_key: hex::decode(cell(1)).unwrap(),
            version: cell(2).parse().unwrap(),
        }
    }

    async fn write(&self, raw: &mut Raw, sealed: &Sealed) {
        let bytes = |bytes: &[u8]| match raw.engine() {
            Engine::Sqlite => format!("X'{}'", hex::encode(bytes)),
            Engine::Postgres => format!("'\\x{}'::bytea", hex::encode(bytes)),
        };
        let sql = format!(
            "UPDATE provider_credentials SET value_sealed = {}, data_key_sealed = {}, master_key_version = {} WHERE {}",
            bytes(&sealed.value),
            bytes(&sealed.data_key),
            sealed.version,
            self.condition(raw.engine())
        );
        assert_eq!(raw.execute(&sql).await.unwrap(), 1);
    }
}

/// A world with credentials in every place there is, and a worker that opens them.
struct Vault<'a> {
    world: &'a Installation,
    worker: Worker,
    stand_in: &'a StandIn,
    raw: Raw,
    cases: u32,
}

impl Vault<'_> {
    /// Whether a place opens: the provider is asked, with the very value.
    async fn reason(&mut self, place: Place<'_>) -> Option<String> {
        self.stand_in.clear();
        let tenant = place.tenant;
        let run = self.world.done(&self.worker, tenant, OperationType::HealthCheck, place.connection).await;
        let asked = self.stand_in.count();
        if run.outcome == Some(RunOutcome::Succeeded) {
            assert!(asked > 0 && run.reason_code.is_none());
            return None;
        }
        assert_eq!(asked, 0, "nothing is asked with nothing in hand");
        let message = run.message.unwrap();
        let (said, contract) = message.split_once(" (").unwrap();
        assert_eq!(said, ReasonCode::CredentialUnreadable.message());
        assert!(contract == "fake.pulse)" || contract.starts_with(foreign::KEY), "{contract}");
        run.reason_code
    }

    /// Puts something else into a row, sees that it does not open, and puts back what was there.
    async fn refused(&mut self, place: Place<'_>, own: &Sealed, other: &Sealed) {
        place.write(&mut self.raw, other).await;
        let reason = self.reason(place).await;
        assert_eq!(reason.as_deref(), Some("credential-unreadable"), "case {}", self.cases);
        self.cases += 1;
        place.write(&mut self.raw, own).await;
    }

    /// Every way to mix what lies in two rows, but the second row's own.
    async fn mixed(&mut self, place: Place<'_>, own: &Sealed, other: &Sealed, same_place: bool) {
        let value = Sealed { value: other.value.clone(), ..own.clone() };
        let key = Sealed { data_key: other.data_key.clone(), version: other.version, ..own.clone() };
        let version = Sealed { version: if own.version == 1 { 2 } else { 1 }, ..own.clone() };
        let whole = (!same_place).then(|| other.clone());
        for wrong in [value, key, version].into_iter().chain(whole) {
            self.refused(place, own, &wrong).await;
        }
    }
}

#[test]
fn what_is_swapped_or_changed_opens_nowhere_with_one_and_the_same_answer() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        stand_in.api_key(API_KEY, &fake::invented(1, 1));
        stand_in.directory(DIRECTORY_ID, &foreign::invented(1, 1));
        stand_in.client(DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET);
        let (acme, rival) = (&world.acme, &world.rival);
        let mut places = Vec::new();
        for (tenant, environment) in [
            (acme, acme.environment_id),
            (acme, acme.environment_id),
            (rival, rival.environment_id),
            (acme, acme.hidden_environment_id),
        ] {
            let connection = world.fake_connection(tenant, environment, API_KEY).await;
            places.push(Place { tenant, connection, field: "api_key" });
        }
        let client = (DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET);
        let connection = world.foreign_connection(acme, acme.environment_id, client).await;
        let both = ["client_id", "client_secret"].map(|field| Place { tenant: acme, connection, field });
        places.extend(both);
        let worker = worker(&world.service, &stand_in);
        let raw = world.raw().await;
        let mut vault = Vault { world: &world, worker, stand_in: &stand_in, raw, cases: 0 };
        let mut old = Vec::new();
        for place in &places {
            old.push(place.read(&mut vault.raw).await);
        }
        let rotated = world.service.rotate_master_key(&plane()).await.unwrap();
        assert_eq!((rotated.data_keys, rotated.unopened.len()), (6, 0));
        let mut new = Vec::new();
        for (place, old) in places.iter().zip(&old) {
            let sealed = place.read(&mut vault.raw).await;
            assert!(sealed.value == old.value && sealed.data_key != old.data_key && sealed.version == 2);
            new.push(sealed);
        }
        // The connection of the hidden environment is one to take from.
        for (at, place) in places.iter().enumerate().filter(|(at, _)| *at != 3) {
            assert_eq!(vault.reason(*place).await, None, "as it is");
            for (from, (new_one, old_one)) in new.iter().zip(&old).enumerate() {
                if from == at {
                    // The rows before and after the rotation have one value, and each its own key.
                    vault.refused(*place, &new[at], &Sealed { version: 2, ..old_one.clone() }).await;
                    vault.refused(*place, &new[at], &Sealed { version: 1, ..new_one.clone() }).await;
                } else {
                    vault.mixed(*place, &new[at], new_one, false).await;
                    vault.mixed(*place, &new[at], old_one, false).await;
                }
            }
            assert_eq!(vault.reason(*place).await, None, "as it was");
        }
        for (at, bits) in [(0, 0..8), (5, 3..4)] {
            let (place, own) = (places[at], new[at].clone());
            for bit in bits {
                for byte in 0..own.value.len() {
                    let mut wrong = own.clone();
                    wrong.value[byte] ^= 1 << bit;
                    vault.refused(place, &own, &wrong).await;
                }
                for byte in 0..own.data_key.len() {
                    let mut wrong = own.clone();
                    wrong.data_key[byte] ^= 1 << bit;
                    vault.refused(place, &own, &wrong).await;
                }
            }
            assert_eq!(vault.reason(place).await, None, "as it was");
        }
        assert!(vault.cases >= 1_000, "{}; as many again on the other engine", vault.cases);
        vault.raw.close().await.unwrap();
    });
}

#[test]
fn a_row_that_does_not_open_keeps_the_old_key_and_no_other_row_from_the_new_one() {
    on_both_engines(async |database: TestDatabase| {
        let world = Installation::on(database).await;
        let tenant = &world.acme;
        let here = tenant.environment_id;
        let mut places = Vec::new();
        for _ in 0..3 {
            let connection = world.fake_connection(tenant, here, API_KEY).await;
            places.push(Place { tenant, connection, field: "api_key" });
        }
        let mut raw = world.raw().await;
        let (first, second) = (places[0].read(&mut raw).await, places[1].read(&mut raw).await);
        places[0].write(&mut raw, &Sealed { data_key: second.data_key.clone(), ..first.clone() }).await;
        for _ in 0..2 {
            let rotation = world.service.rotate_master_key(&plane()).await.unwrap();
            let unopened: Vec<Uuid> = rotation.unopened.iter().map(|field| field.connection_id).collect();
            assert_eq!((rotation.version, unopened), (2, vec![places[0].connection]));
            assert!(rotation.retired.is_empty(), "something may still be under it");
        }
        assert_eq!(places[2].read(&mut raw).await.version, 2);
        let keys = std::fs::read_to_string(world.directory.path().join("master.key")).unwrap();
        assert_eq!(keys.lines().count(), 2);
        world.give_key(tenant, places[0].connection, API_KEY).await;
        let rotation = world.service.rotate_master_key(&plane()).await.unwrap();
        assert_eq!((rotation.version, rotation.retired.as_slice(), rotation.unopened.len()), (2, &[1][..], 0));
        let keys = std::fs::read_to_string(world.directory.path().join("master.key")).unwrap();
        assert_eq!(keys.lines().count(), 1);
        Service::open(&settings(&world.database, &world.directory)).await.unwrap().close().await;
        raw.close().await.unwrap();
    });
}

#[test]
fn whoever_sets_at_once_leaves_the_fields_of_one_of_them() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        stand_in.directory(DIRECTORY_ID, &foreign::invented(1, 1));
        let tenant = &world.acme;
        let here = tenant.environment_id;
        let connection = world.foreign_connection(tenant, here, (DIRECTORY_ID, CLIENT_ID, CLIENT_SECRET)).await;
        // Each goes with its own secret and no other.
        let pairs: Vec<(String, String)> = (0..16)
            .map(|number| (format!("5ca1ab1e-0000-4000-8000-0000000001{number:02}"), format!("secret-{number}")))
            .collect();
        for (id, secret) in &pairs {
            stand_in.client(DIRECTORY_ID, id, secret);
        }
        let world = &world;
        let setting = pairs.iter().map(|(id, secret)| async move {
            let fields = [("client_id", id.as_str()), ("client_secret", secret.as_str())];
            set(world, tenant.manager, &tenant.workspace, connection, &fields).await.unwrap();
        });
        futures_util::future::join_all(setting).await;
        let worker = worker(&world.service, &stand_in);
        let run = world.done(&worker, tenant, OperationType::HealthCheck, connection).await;
        assert_eq!((run.outcome, run.reason_code), (Some(RunOutcome::Succeeded), None));
    });
}
