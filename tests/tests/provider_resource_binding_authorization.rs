//! Who may do what, through every operation of the service, on both engines: each role, each way to stand, each way a
//! record can be out of reach. Hidden and missing are one answer and leave one event, but for its number, time and id.
#![cfg(test)]

use std::fmt::Write as _;

use provident::actor::Actor;
use provident::audit::Operation;
use provident::binding::{BindingFilter, Note, SupersedeBinding};
use provident::clock::Timestamp;
use provident::connection::{CreateConnection, UpdateConnection};
use provident::error::Error;
use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident::policy::{Capability, Role};
use provident::registry::RecordRef;
use provident::run::{OperationType, RunFilter};
use provident::service::Named;
use provident::workspace::WorkspaceRef;
use provident_identity::ResolutionMode;
use provident_tests::database::{Engine, Raw, on_both_engines};
use provident_tests::installation::{Installation, Tenant, exclusion, key, plane, widget};
use provident_tests::provider;
use provident_tests::rows::fresh_id;
use provident_tests::stand_in::fake;
use provident_tests::tables;
use uuid::Uuid;

/// What an operation is aimed at.
#[derive(Debug, Clone)]
struct Aim {
    workspace: WorkspaceRef,
    environment: Uuid,
    binding: Uuid,
    item: Uuid,
    connection: Uuid,
    run: Uuid,
    user: Uuid,
}

/// What there is in an environment to be aimed at.
#[derive(Debug, Clone, Copy)]
struct Furniture {
    item: Uuid,
    binding: Uuid,
    connection: Uuid,
    run: Uuid,
}

impl Aim {
    /// The same in another environment, at what there is.
    fn moved(&self, environment: Uuid, there: Furniture) -> Self {
        let Furniture { item, binding, connection, run } = there;
        Self { environment, binding, item, connection, run, ..self.clone() }
    }

    /// The same at what is nowhere.
    fn missing(&self) -> Self {
        let nothing = Furniture { item: fresh_id(), binding: fresh_id(), connection: fresh_id(), run: fresh_id() };
        self.moved(fresh_id(), nothing)
    }
}

/// Every operation of a tenant's plane.
const OPERATIONS: [&str; 48] = [
    "add_member",
    "audit_events",
    "audit_events_of_environment",
    "begin_import",
    "begin_sync",
    "binding",
    "bindings",
    "bindings_of_resource",
    "bulk_create_bindings",
    "cancel_run",
    "change_member_role",
    "connection",
    "connections_in",
    "create_binding",
    "create_connection",
    "create_environment",
    "disable_connection",
    "enable_connection",
    "end_entitlement",
    "end_membership",
    "environments",
    "grant_entitlement",
    "history_of_binding",
    "history_of_subject",
    "inventory",
    "inventory_item",
    "lookup",
    "lookup_as_of",
    "lookup_descriptors",
    "make_default_connection",
    "members",
    "redact_note",
    "revoke_binding",
    "run",
    "runs",
    "set_provider_credentials",
    "stands_for_binding",
    "stands_for_connection",
    "stands_for_creating",
    "stands_for_inventory",
    "stands_for_inventory_item",
    "stands_for_members",
    "stands_for_run",
    "stands_for_superseding",
    "stands_for_syncing",
    "start_operation",
    "supersede_binding",
    "update_connection",
];

/// Those that name nothing but the workspace.
const OF_WORKSPACE: [&str; 10] = [
    "add_member",
    "audit_events",
    "begin_sync",
    "change_member_role",
    "create_environment",
    "end_membership",
    "environments",
    "members",
    "stands_for_members",
    "stands_for_syncing",
];

/// Those that only read, and so leave no event when denied.
const READING: [&str; 23] = [
    "audit_events",
    "audit_events_of_environment",
    "binding",
    "bindings",
    "bindings_of_resource",
    "connection",
    "connections_in",
    "environments",
    "history_of_binding",
    "history_of_subject",
    "inventory",
    "inventory_item",
    "lookup",
    "lookup_as_of",
    "lookup_descriptors",
    "members",
    "run",
    "runs",
    "stands_for_binding",
    "stands_for_connection",
    "stands_for_inventory",
    "stands_for_inventory_item",
    "stands_for_members",
];

/// Requests that cannot be read, each with the operation it stands for.
const STANDING: [(&str, &str); 9] = [
    ("stands_for_binding", "binding"),
    ("stands_for_connection", "connection"),
    ("stands_for_creating", "create_binding"),
    ("stands_for_inventory", "inventory"),
    ("stands_for_inventory_item", "inventory_item"),
    ("stands_for_members", "members"),
    ("stands_for_run", "cancel_run"),
    ("stands_for_superseding", "supersede_binding"),
    ("stands_for_syncing", "begin_sync"),
];

/// What each of those names, and what for.
fn standing_for(name: &str, aim: &Aim) -> (Named, Capability, Option<Operation>) {
    let environment = Named::Environment(aim.environment.into());
    let (view, manage) = (Capability::WorkspaceBaselinesView, Capability::WorkspaceBaselinesManage);
    match name {
        "stands_for_binding" => (Named::Binding(aim.binding), view, None),
        "stands_for_connection" => (Named::Connection(aim.connection), Capability::ProviderView, None),
        "stands_for_run" => (Named::Run(aim.run), Capability::ProviderRun, Some(Operation::RunCancel)),
        "stands_for_creating" => (environment, manage, Some(Operation::BindingCreate)),
        "stands_for_inventory" => (environment, Capability::ProviderView, None),
        "stands_for_inventory_item" => (Named::InventoryItem(aim.item), Capability::ProviderView, None),
        "stands_for_members" => (Named::Workspace, Capability::WorkspaceManage, None),
        "stands_for_superseding" => (Named::Binding(aim.binding), manage, Some(Operation::BindingSupersede)),
        "stands_for_syncing" => (Named::Workspace, Capability::RegistrySync, Some(Operation::RegistrySync)),
        other => panic!("no operation {other}"),
    }
}

async fn attempt(world: &Installation, operation: &str, actor: Actor, aim: &Aim) -> Result<(), Error> {
    let (service, workspace, page) = (&world.service, &aim.workspace, PageRequest::default());
    let subject = key(&fresh_id().to_string());
    match operation {
        "add_member" => service.add_member(actor, workspace, aim.user, Role::Readonly).await.map(|_| ()),
        "audit_events" => service.audit_events(actor, workspace, None, 0, 1).await.map(|_| ()),
        "audit_events_of_environment" => {
            service.audit_events(actor, workspace, Some(aim.environment.into()), 0, 1).await.map(|_| ())
        }
        "begin_import" => service.begin_import(actor, workspace, aim.environment, None).await.map(|_| ()),
        "begin_sync" => service.begin_sync(actor, workspace, &[]).await.map(|_| ()),
        "binding" => service.binding(actor, workspace, aim.binding).await.map(|_| ()),
        "bindings" => {
            let filter = BindingFilter::default();
            service.bindings(actor, workspace, aim.environment, &filter, page).await.map(|_| ())
        }
        "bindings_of_resource" => {
            service.bindings_of_resource(actor, workspace, aim.environment, &subject, page).await.map(|_| ())
        }
        "bulk_create_bindings" => {
            let items = [exclusion(&subject)];
            service.bulk_create_bindings(actor, workspace, aim.environment, &items).await.map(|_| ())
        }
        "change_member_role" => {
            service.change_member_role(actor, workspace, aim.user, Role::Operator).await.map(|_| ())
        }
        "create_binding" => {
            service.create_binding(actor, workspace, aim.environment, &exclusion(&subject)).await.map(|_| ())
        }
        "create_environment" => service.create_environment(actor, workspace, "Another").await.map(|_| ()),
        "end_entitlement" => service.end_entitlement(actor, workspace, aim.environment, aim.user).await.map(|_| ()),
        "end_membership" => service.end_membership(actor, workspace, aim.user).await.map(|_| ()),
        "environments" => service.environments(actor, workspace, page).await.map(|_| ()),
        "grant_entitlement" => service.grant_entitlement(actor, workspace, aim.environment, aim.user).await.map(|_| ()),
        "history_of_binding" => service.history_of_binding(actor, workspace, aim.binding, page).await.map(|_| ()),
        "history_of_subject" => {
            service.history_of_subject(actor, workspace, aim.environment, &subject, page).await.map(|_| ())
        }
        "inventory" => {
            let filter = InventoryFilter::default();
            service.inventory(actor, workspace, aim.environment, &filter, page).await.map(|_| ())
        }
        "inventory_item" => service.inventory_item(actor, workspace, aim.item).await.map(|_| ()),
        "lookup" => service.lookup(actor, workspace, aim.environment, &[subject], None).await.map(|_| ()),
        "lookup_as_of" => {
            let at = Some(Timestamp::from_micros(0));
            service.lookup(actor, workspace, aim.environment, &[subject], at).await.map(|_| ())
        }
        "lookup_descriptors" => {
            let asked = [widget("W")];
            service.lookup_descriptors(actor, workspace, aim.environment, &asked, None).await.map(|_| ())
        }
        "members" => service.members(actor, workspace, page).await.map(|_| ()),
        "redact_note" => service.redact_note(actor, workspace, aim.binding).await.map(|_| ()),
        "revoke_binding" => {
            service.revoke_binding(actor, workspace, aim.binding, Some(&Note::new("why"))).await.map(|_| ())
        }
        "supersede_binding" => {
            let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
            request.note = Some(Note::new("why"));
            service.supersede_binding(actor, workspace, aim.binding, &request).await.map(|_| ())
        }
        other => provider_attempt(world, other, actor, aim).await,
    }
}

/// The same of operations about connections and runs.
async fn provider_attempt(world: &Installation, operation: &str, actor: Actor, aim: &Aim) -> Result<(), Error> {
    let (service, workspace, page) = (&world.service, &aim.workspace, PageRequest::default());
    let (connection, run) = (aim.connection, aim.run);
    match operation {
        "cancel_run" => service.cancel_run(actor, workspace, run).await.map(|_| ()),
        "connection" => service.connection(actor, workspace, connection).await.map(|_| ()),
        "connections_in" => service.connections_in(actor, workspace, aim.environment, None, page).await.map(|_| ()),
        "create_connection" => {
            let request = CreateConnection {
                provider_key: fake::KEY.to_owned(),
                display_name: "A connection".to_owned(),
                ..CreateConnection::default()
            };
            service.create_connection(actor, workspace, aim.environment, &request).await.map(|_| ())
        }
        "disable_connection" => service.disable_connection(actor, workspace, connection, true).await.map(|_| ()),
        "enable_connection" => service.enable_connection(actor, workspace, connection).await.map(|_| ()),
        "make_default_connection" => service.make_default_connection(actor, workspace, connection).await.map(|_| ()),
        "run" => service.run(actor, workspace, run).await.map(|_| ()),
        "runs" => service.runs(actor, workspace, aim.environment, &RunFilter::default(), page).await.map(|_| ()),
        "set_provider_credentials" => {
            let fields = provider::credentials(&[("api_key", "a-key")]);
            service.set_provider_credentials(actor, workspace, connection, &fields).await.map(|_| ())
        }
        "start_operation" => {
            let start = provider::through(OperationType::HealthCheck, connection);
            service.start_operation(actor, workspace, aim.environment, &start).await.map(|_| ())
        }
        "update_connection" => {
            let request = UpdateConnection { display_name: Some("Renamed".to_owned()), ..UpdateConnection::default() };
            service.update_connection(actor, workspace, connection, &request).await.map(|_| ())
        }
        other => {
            let (named, capability, mutation) = standing_for(other, aim);
            service.stands(actor, workspace, named, capability, mutation).await
        }
    }
}

/// An aim that everything in reach of: a new binding and a new member each time, since some operations use them up.
async fn own(world: &Installation, item: Uuid, operation: &str) -> Aim {
    let acme = &world.acme;
    let user = world.service.create_user(&plane(), "Somebody").await.unwrap().id;
    if operation != "add_member" {
        world.service.add_member(acme.owner, &acme.workspace, user, Role::Readonly).await.unwrap();
    }
    if operation == "end_entitlement" {
        world.service.grant_entitlement(acme.owner, &acme.workspace, acme.environment_id, user).await.unwrap();
    }
    let binding = world.excluded(&key(&fresh_id().to_string())).await.id;
    // One run is active in a scope at most: none, where another is to be started.
    for run in world.runs(acme.owner, acme).await.into_iter().filter(|run| run.outcome.is_none()) {
        world.service.cancel_run(acme.owner, &acme.workspace, run.id).await.unwrap();
    }
    let connection = world.bare_connection(acme, acme.environment_id, None).await;
    let run = match operation {
        "start_operation" => fresh_id(),
        _ => world.start(acme, OperationType::HealthCheck, connection).await.run.id,
    };
    Aim { workspace: acme.workspace.clone(), environment: acme.environment_id, binding, item, connection, run, user }
}

/// One of everything in an environment.
async fn furnished(world: &Installation, tenant: &Tenant, environment: Uuid) -> Furniture {
    let (service, owner, workspace) = (&world.service, tenant.owner, &tenant.workspace);
    let mut import = service.begin_import(owner, workspace, environment, None).await.unwrap();
    service.import_chunk(&mut import, &[Ok((0, widget("I")))]).await.unwrap();
    let (filter, page) = (InventoryFilter::default(), PageRequest::default());
    let item = service.inventory(owner, workspace, environment, &filter, page).await.unwrap().items[0].id;
    let binding = service.create_binding(owner, workspace, environment, &exclusion(&key("B"))).await.unwrap().id;
    let connection = world.bare_connection(tenant, environment, None).await;
    let start = provider::through(OperationType::HealthCheck, connection);
    let run = service.start_operation(owner, workspace, environment, &start).await.unwrap().run.id;
    Furniture { item, binding, connection, run }
}

fn outcome(result: &Result<(), Error>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(error) => error.code(),
    }
}

#[test]
fn every_role_may_do_what_its_capabilities_say_and_no_more() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let Furniture { item, .. } = furnished(&world, acme, acme.environment_id).await;
        let mut table = String::new();
        for operation in OPERATIONS {
            table.push_str(operation);
            table.push(':');
            let rows = [
                ("owner", acme.owner),
                ("manager", acme.manager),
                ("operator", acme.operator),
                ("readonly", acme.readonly),
                ("unentitled-owner", acme.unentitled),
                ("stranger", world.stranger),
                ("nobody", Actor::user(fresh_id())),
                ("rival-owner", world.rival.owner),
            ];
            for (name, actor) in rows {
                let aim = own(&world, item, operation).await;
                let result = attempt(&world, operation, actor, &aim).await;
                write!(table, " {name}={}", outcome(&result)).unwrap();
            }
            table.push('\n');
        }
        insta::assert_snapshot!("roles", table);
    });
}

#[test]
fn hidden_and_missing_are_one_answer_and_one_event() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let (acme, rival) = (&world.acme, &world.rival);
        let Furniture { item, .. } = furnished(&world, acme, acme.environment_id).await;
        let unseen = furnished(&world, acme, acme.hidden_environment_id).await;
        let theirs = furnished(&world, rival, rival.environment_id).await;
        let mut raw = world.raw().await;
        for operation in OPERATIONS.into_iter().filter(|operation| !OF_WORKSPACE.contains(operation)) {
            let here = own(&world, item, operation).await;
            let missing = here.missing();
            let hidden = here.moved(acme.hidden_environment_id, unseen);
            let foreign = here.moved(rival.environment_id, theirs);
            for actor in [acme.manager, acme.operator, acme.readonly, acme.unentitled] {
                let mut seen = Vec::new();
                for aim in [&missing, &hidden, &foreign] {
                    seen.push(denied(&mut raw, &world, operation, actor, aim, acme.workspace_id).await);
                }
                assert_eq!(seen[0].0, "NotFound", "{operation}");
                assert!(seen.iter().all(|each| *each == seen[0]), "{operation}: {seen:#?}");
                assert_eq!(seen[0].1.is_none(), READING.contains(&operation), "{operation}");
            }
        }
    });
}

#[test]
fn a_workspace_that_is_not_there_is_as_one_that_is_not_theirs() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let Furniture { item, .. } = furnished(&world, acme, acme.environment_id).await;
        let before = world.count("audit_events").await;
        let mut strange = 0;
        let mut raw = world.raw().await;
        for operation in OPERATIONS {
            let here = own(&world, item, operation).await;
            let at = |workspace: WorkspaceRef| Aim { workspace, ..here.clone() };
            for actor in [world.stranger, world.rival.owner, Actor::user(fresh_id())] {
                let mut seen = Vec::new();
                for aim in [
                    at(acme.workspace.clone()),
                    at("acme".parse().unwrap()),
                    at(WorkspaceRef::Id(fresh_id())),
                    at(WorkspaceRef::Id(Uuid::nil())),
                    at("platform".parse().unwrap()),
                    at("no-such".parse().unwrap()),
                    at("Not A Slug\0".parse().unwrap()),
                ] {
                    seen.push(denied(&mut raw, &world, operation, actor, &aim, Uuid::nil()).await);
                    strange += usize::from(seen[0].1.is_some());
                }
                assert_eq!(seen[0].0, "NotFound", "{operation}");
                assert!(seen.iter().all(|each| *each == seen[0]), "{operation}: {seen:#?}");
                assert_eq!(seen[0].1.is_none(), READING.contains(&operation), "{operation}");
            }
        }
        assert_eq!(strange, (OPERATIONS.len() - READING.len()) * 3 * 7);
        assert!(world.count("audit_events").await > before + strange);
        // Of all this, the workspace's own log shows nothing.
        let log = world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        assert!(log.iter().all(|event| event.event.denial.is_none()));
    });
}

/// The error, and the event it left in the chain it belongs to, without what differs from one event to the next.
async fn denied(
    raw: &mut Raw,
    world: &Installation,
    operation: &str,
    actor: Actor,
    aim: &Aim,
    chain: Uuid,
) -> (String, Option<String>) {
    let before = numbers(raw, chain).await;
    let error = attempt(world, operation, actor, aim).await.unwrap_err();
    let after = numbers(raw, chain).await;
    assert_eq!(after.0 - before.0, after.1 - before.1, "in the wrong chain");
    let event = match after.0 - before.0 {
        0 => None,
        1 => Some(last_event(raw, chain).await),
        more => panic!("{more} events"),
    };
    (format!("{error:?}"), event)
}

/// The number of the last event of a chain, and how many events there are in all.
async fn numbers(raw: &mut Raw, chain: Uuid) -> (i64, i64) {
    let id = raw.engine().id(chain);
    let last = format!("SELECT last_number FROM audit_heads WHERE workspace_id = {id}");
    let row = raw.rows(&format!("SELECT ({last}), count(*) FROM audit_events")).await.unwrap().remove(0);
    let number = |column: usize| row[column].as_ref().map_or(0, |number| number.parse().unwrap());
    (number(0), number(1))
}

/// The last event of a chain, without what differs from one event to the next.
async fn last_event(raw: &mut Raw, chain: Uuid) -> String {
    let id = raw.engine().id(chain);
    let last = format!("SELECT * FROM audit_events WHERE workspace_id = {id} ORDER BY number DESC LIMIT 1");
    let event = raw.rows(&last).await.unwrap().remove(0);
    // Number, event id and time; at the end the two hashes, made in one format.
    let told = [&event[..1], &event[4..event.len() - 2]].concat();
    assert_eq!(told.len(), 43);
    format!("{told:?}")
}

#[test]
fn a_request_that_cannot_be_read_is_denied_and_told_of_as_the_operation_it_stands_for() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let (acme, rival) = (&world.acme, &world.rival);
        let Furniture { item, .. } = furnished(&world, acme, acme.environment_id).await;
        let unseen = furnished(&world, acme, acme.hidden_environment_id).await;
        let mut raw = world.raw().await;
        for (stands, operation) in STANDING {
            let here = own(&world, item, operation).await;
            let hidden = here.moved(acme.hidden_environment_id, unseen);
            let missing = here.missing();
            let nowhere = Aim { workspace: WorkspaceRef::Id(fresh_id()), ..here.clone() };
            for actor in [acme.owner, acme.manager, acme.operator, acme.readonly, acme.unentitled, rival.owner] {
                for aim in [&here, &hidden, &missing, &nowhere] {
                    let before = everything(&world).await;
                    if let Err(error) = attempt(&world, stands, actor, aim).await {
                        let stranger = actor == rival.owner || aim.workspace != acme.workspace;
                        let chain = if stranger { Uuid::nil() } else { acme.workspace_id };
                        let as_itself = denied(&mut raw, &world, operation, actor, aim, chain).await;
                        let as_stands = denied(&mut raw, &world, stands, actor, aim, chain).await;
                        assert_eq!(as_stands, as_itself, "{stands} {error:?}");
                    } else {
                        assert_eq!(everything(&world).await, before, "{stands}");
                        let done = attempt(&world, operation, actor, aim).await;
                        assert!(!["not-found", "forbidden"].contains(&outcome(&done)), "{stands} and not {operation}");
                    }
                }
            }
        }
        raw.close().await.unwrap();
    });
}

#[test]
fn an_environment_of_a_platforms_name_is_stood_in_as_by_its_id() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let mut raw = world.raw().await;
        let here = raw.engine().id(acme.environment_id);
        raw.execute(&format!("UPDATE managed_environments SET external_ref = 'site-1' WHERE id = {here}"))
            .await
            .unwrap();
        raw.close().await.unwrap();
        let (capability, operation) = (Capability::WorkspaceBaselinesManage, Some(Operation::BindingCreate));
        for (who, name, expected) in [
            (acme.manager, "ref:site-1", "ok"),
            (acme.readonly, "ref:site-1", "forbidden"),
            (acme.manager, "ref:no-site", "not-found"),
            (acme.unentitled, "ref:site-1", "not-found"),
        ] {
            for operation in [operation, None] {
                let named = Named::Environment(name.parse().unwrap());
                let said = world.service.stands(who, &acme.workspace, named, capability, operation).await;
                assert_eq!(outcome(&said), expected, "{name} {operation:?}");
            }
        }
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

#[test]
fn a_former_member_is_a_stranger_and_comes_back_without_entitlements() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let (service, workspace, theirs) = (&world.service, &acme.workspace, acme.manager.user_id());
        let list = async || {
            let filter = BindingFilter::default();
            let page = PageRequest::default();
            let listed = service.bindings(acme.manager, workspace, acme.environment_id, &filter, page).await;
            outcome(&listed.map(|_| ())).to_owned()
        };
        let made = world.excluded(&key("1")).await;
        assert_eq!(list().await, "ok");
        let ended = service.end_membership(acme.owner, workspace, theirs).await.unwrap();
        assert!(ended.ended_at.is_some());
        assert_eq!(list().await, "not-found");
        let refused = service.end_membership(acme.owner, workspace, theirs).await.unwrap_err();
        assert_eq!(refused.code(), "not-a-member");
        let refused = service.change_member_role(acme.owner, workspace, theirs, Role::Owner).await.unwrap_err();
        assert_eq!(refused.code(), "not-a-member");
        let refused = service.grant_entitlement(acme.owner, workspace, acme.environment_id, theirs).await.unwrap_err();
        assert_eq!(refused.code(), "not-a-member");

        service.add_member(acme.owner, workspace, theirs, Role::Manager).await.unwrap();
        assert_eq!(list().await, "not-found", "a member again, entitled to nothing");
        service.grant_entitlement(acme.owner, workspace, acme.environment_id, theirs).await.unwrap();
        assert_eq!(list().await, "ok");
        let again = service.grant_entitlement(acme.owner, workspace, acme.environment_id, theirs).await.unwrap_err();
        assert_eq!(again.code(), "entitlement-exists");
        service.end_entitlement(acme.owner, workspace, acme.environment_id, theirs).await.unwrap();
        assert_eq!(list().await, "not-found");
        let again = service.end_entitlement(acme.owner, workspace, acme.environment_id, theirs).await.unwrap_err();
        assert_eq!(again.code(), "not-entitled");
        // What they decided stands.
        let read = service.binding(acme.readonly, workspace, made.id).await.unwrap();
        assert_eq!(read, made);
    });
}

#[test]
fn a_disabled_user_is_a_stranger_and_cannot_be_made_a_member() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let mut raw = world.raw().await;
        let engine = raw.engine();
        for actor in [acme.manager, world.stranger] {
            let id = engine.id(actor.user_id());
            raw.execute(&format!("UPDATE users SET disabled_at = created_at WHERE id = {id}")).await.unwrap();
        }
        raw.close().await.unwrap();
        let page = PageRequest::default();
        let refused = world.service.environments(acme.manager, &acme.workspace, page).await.unwrap_err();
        assert_eq!(refused.code(), "not-found");
        for user in [world.stranger.user_id(), fresh_id()] {
            let refused = world.service.add_member(acme.owner, &acme.workspace, user, Role::Manager).await.unwrap_err();
            assert_eq!(refused.code(), "unknown-user");
        }
        let refused = world.service.create_workspace(&plane(), "new", "New", world.stranger.user_id()).await;
        assert_eq!(refused.unwrap_err().code(), "unknown-user");
    });
}

#[test]
fn a_workspace_keeps_an_owner_even_when_two_leave_at_once() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let (one, two) = (acme.owner, acme.unentitled);
        for environment in [acme.environment_id, acme.hidden_environment_id] {
            world.service.grant_entitlement(one, &acme.workspace, environment, two.user_id()).await.unwrap();
        }
        let leave = async |actor: Actor, other: Actor| {
            outcome(&world.service.end_membership(actor, &acme.workspace, other.user_id()).await.map(|_| ()))
        };
        let (first, second) = tokio::join!(leave(one, two), leave(two, one));
        let mut outcomes = [first, second];
        outcomes.sort_unstable();
        assert!(
            [["last-owner", "ok"], ["not-found", "ok"]].contains(&outcomes),
            "one stays, and the other is no longer one to send it away: {outcomes:?}"
        );
        let page = PageRequest::default();
        let stays = if first == "ok" { one } else { two };
        let members = world.service.members(stays, &acme.workspace, page).await.unwrap().items;
        let owners = members.iter().filter(|member| member.role == Role::Owner && member.ended_at.is_none());
        assert_eq!(owners.count(), 1);
        let refused =
            world.service.change_member_role(stays, &acme.workspace, stays.user_id(), Role::Manager).await.unwrap_err();
        assert_eq!(refused.code(), "last-owner");
        assert_eq!(leave(stays, stays).await, "last-owner");
    });
}

#[test]
fn an_environment_keeps_somebody_who_can_entitle_others() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let (service, acme) = (&world.service, &world.acme);
        let (owner, workspace, here) = (acme.owner, &acme.workspace, acme.environment_id);
        let (theirs, other) = (owner.user_id(), acme.unentitled.user_id());
        let refused = async || {
            let withdrawn = service.end_entitlement(owner, workspace, here, theirs).await.unwrap_err();
            let ended = service.end_membership(acme.unentitled, workspace, theirs).await.unwrap_err();
            let changed = service.change_member_role(owner, workspace, theirs, Role::Manager).await.unwrap_err();
            [withdrawn.code(), ended.code(), changed.code()]
        };
        let before = world.dump("environment_entitlements").await;
        assert_eq!(refused().await, ["last-entitlement"; 3], "an owner who is not entitled, a manager who is");
        assert_eq!(before, world.dump("environment_entitlements").await);
        // Those who could not entitle anybody come and go.
        service.end_entitlement(owner, workspace, here, acme.manager.user_id()).await.unwrap();

        service.grant_entitlement(owner, workspace, here, other).await.unwrap();
        service.end_entitlement(owner, workspace, here, theirs).await.unwrap();
        let last = service.end_entitlement(acme.unentitled, workspace, here, other).await.unwrap_err();
        assert_eq!(last.code(), "last-entitlement", "an ended entitlement is none");
        let hidden = acme.hidden_environment_id;
        let ended = service.end_membership(acme.unentitled, workspace, theirs).await.unwrap_err();
        assert_eq!(ended.code(), "last-entitlement", "the other environment");
        service.grant_entitlement(owner, workspace, hidden, other).await.unwrap();
        service.end_membership(acme.unentitled, workspace, theirs).await.unwrap();
        let last = service.end_entitlement(acme.unentitled, workspace, hidden, other).await.unwrap_err();
        assert_eq!(last.code(), "last-entitlement", "a former member is nobody");
    });
}

#[test]
fn the_platforms_slug_is_taken() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let made = world.service.create_workspace(&plane(), "platform", "P", world.stranger.user_id()).await;
        assert_eq!(made.unwrap_err().code(), "slug-taken");
    });
}

#[test]
fn an_environment_is_listed_to_the_entitled_alone() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let listed = async |actor: Actor| -> Vec<Uuid> {
            let page = world.service.environments(actor, &acme.workspace, PageRequest::default()).await.unwrap();
            page.items.iter().map(|environment| environment.id).collect()
        };
        let mut both = [acme.environment_id, acme.hidden_environment_id];
        both.sort();
        assert_eq!(listed(acme.owner).await, both);
        assert_eq!(listed(acme.readonly).await, [acme.environment_id]);
        assert!(listed(acme.unentitled).await.is_empty());
    });
}

#[test]
fn the_log_shows_each_reader_the_environments_they_are_entitled_to() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        furnished(&world, acme, acme.hidden_environment_id).await;
        world.excluded(&key("seen")).await;
        let read = async |actor: Actor, environment: Option<Uuid>| {
            world.service.audit_events(actor, &acme.workspace, environment.map(RecordRef::from), 0, 500).await.unwrap()
        };
        let owner = read(acme.owner, None).await;
        let manager = read(acme.manager, None).await;
        let numbers: Vec<i64> = owner.iter().map(|event| event.event.number).collect();
        let all: Vec<i64> = (1..=i64::try_from(owner.len()).unwrap()).collect();
        assert_eq!(numbers, all, "who is entitled everywhere sees the whole chain");
        let hidden = Some(acme.hidden_environment_id);
        let expected: Vec<_> =
            owner.iter().filter(|event| event.event.managed_environment_id != hidden).cloned().collect();
        assert!(expected.len() < owner.len());
        assert_eq!(manager, expected);
        let of_one = read(acme.owner, hidden).await;
        assert!(of_one.iter().all(|event| event.event.managed_environment_id == hidden) && !of_one.is_empty());
        let rest = world.service.audit_events(acme.owner, &acme.workspace, None, 3, 2).await.unwrap();
        assert_eq!(rest, owner[3..5]);
    });
}

#[test]
fn a_stranger_does_not_wait_for_those_at_work_on_the_members() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        if world.database.engine() != Engine::Postgres {
            // There one writer waits for the other, whoever they are and wherever.
            assert_eq!(outcome(&attempt_as_stranger(&world, world.acme.workspace_id).await), "not-found");
            return;
        }
        let mut raw = world.raw().await;
        raw.execute("BEGIN").await.unwrap();
        let lock = format!("SELECT id FROM workspaces WHERE id = '{}' FOR NO KEY UPDATE", world.acme.workspace_id);
        raw.execute(&lock).await.unwrap();
        // With a lock in their way that is never given up, none of these would end.
        for workspace in [world.acme.workspace_id, fresh_id()] {
            assert_eq!(outcome(&attempt_as_stranger(&world, workspace).await), "not-found");
        }
        raw.execute("ROLLBACK").await.unwrap();
        raw.close().await.unwrap();
    });
}

/// Every kind of work on who may what, by somebody who may nothing.
async fn attempt_as_stranger(world: &Installation, workspace: Uuid) -> Result<(), Error> {
    let (service, stranger, workspace) = (&world.service, world.stranger, WorkspaceRef::Id(workspace));
    let (user, here) = (world.acme.readonly.user_id(), world.acme.environment_id);
    let denied = |outcome: Option<Error>| assert!(matches!(outcome, Some(Error::NotFound)), "{outcome:?}");
    denied(service.create_environment(stranger, &workspace, "Mine").await.err());
    denied(service.grant_entitlement(stranger, &workspace, here, user).await.err());
    denied(service.end_entitlement(stranger, &workspace, here, user).await.err());
    denied(service.begin_sync(stranger, &workspace, &[]).await.err());
    service.add_member(stranger, &workspace, user, Role::Owner).await.map(drop)
}
