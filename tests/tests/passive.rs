//! That nothing but the rooms of bindings reads or writes bindings: every other operation done as a PostgreSQL role that
//! has what the application has, but nothing at all on the table of bindings. What a decision leaves alone: `no_op.rs`.
#![cfg(test)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use provident::actor::{Actor, SystemActor};
use provident::audit::Operation;
use provident::binding::{BindingFilter, CreateBinding, Note, ResourceRef, SubjectRef, SupersedeBinding};
use provident::connection::{CreateConnection, UpdateConnection};
use provident::error::Error;
use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident::policy::{Capability, Role};
use provident::registry::RunOutcome;
use provident::run::{OperationType, RunFilter};
use provident::service::{Auditor, Named, NewToken, Service};
use provident_identity::ResolutionMode;
use provident_tests::database::{Engine, TestDatabase};
use provident_tests::guard::listing;
use provident_tests::installation::{Installation, exclusion, key, plane, settings, widget};
use provident_tests::provider;
use provident_tests::role::{TestRole, url_as};
use provident_tests::stand_in::{StandIn, fake};
use provident_tests::workload::customer;
use uuid::Uuid;

/// The files of operations on bindings, in the table of operations.
const OF_BINDINGS: [&str; 4] = ["binding.rs", "bulk.rs", "lookup.rs", "redaction.rs"];
/// The files of operations on whole databases: tables and roles, done as the owner or an administrator, and copying,
/// which takes every row as it is.
const OF_DATABASES: [&str; 2] = ["migration.rs", "copy.rs"];

/// A role like the application's, without the table of bindings.
async fn without_bindings(database: &TestDatabase) -> TestRole {
    let mut role = TestRole::made(database, "NOINHERIT").await;
    let alike = Service::role_sql(&plane()).replace("provident_app", &role.name);
    role.alter(&alike).await;
    role.alter("REVOKE provident_redactor FROM {}; REVOKE ALL ON provider_resource_bindings FROM {}").await;
    role
}

/// Operations by the files that the table of operations names them in.
fn operations() -> Vec<(String, String)> {
    let sources = listing::files(&listing::root()).unwrap();
    let source = sources.into_iter().find(|file| file.path == "host/src/service/mod.rs").unwrap();
    let rows = source.text.lines().filter_map(|line| line.strip_prefix("//! | `")?.split_once("` | "));
    let mut operations = Vec::new();
    for (file, row) in rows {
        for operation in row.split("[`Service::").skip(1) {
            operations.push((file.to_owned(), operation.split('`').next().unwrap().to_owned()));
        }
    }
    assert!(operations.len() > 25, "{operations:?}");
    operations
}

/// Does every operation that is not about bindings; answers their names.
async fn everything_else_done(world: &Installation, service: &Arc<Service>) -> BTreeSet<&'static str> {
    let (acme, page) = (&world.acme, PageRequest::default());
    let (owner, at, here) = (acme.owner, &acme.workspace, acme.environment_id);
    service.verify_audit(Auditor::Member(owner), at, None).await.unwrap().unwrap();
    service.audit_checkpoint(Auditor::Member(owner), at).await.unwrap();
    service.export_audit(Auditor::Member(owner), at).await.unwrap().next_events().await.unwrap();
    let user = service.create_user(&plane(), "Somebody").await.unwrap().id;
    service.users(&plane(), page).await.unwrap();
    service.create_workspace(&plane(), "another", "Another", user).await.unwrap();
    service.workspaces(&plane(), page).await.unwrap();
    service.add_member(owner, at, user, Role::Operator).await.unwrap();
    service.change_member_role(owner, at, user, Role::Owner).await.unwrap();
    service.grant_entitlement(owner, at, here, user).await.unwrap();
    service.create_environment(Actor::user(user), at, "Another").await.unwrap();
    service.end_entitlement(owner, at, here, user).await.unwrap();
    service.end_membership(owner, at, acme.operator.user_id()).await.unwrap();
    service.members(owner, at, page).await.unwrap();
    service.environments(owner, at, page).await.unwrap();
    let mut import = service.begin_import(acme.manager, at, here, None).await.unwrap();
    service.import_chunk(&mut import, &[Ok((0, widget("1"))), Ok((1, widget("2")))]).await.unwrap();
    service.finish_import(&import).await.unwrap();
    let items = service.inventory(owner, at, here, &InventoryFilter::default(), page).await.unwrap();
    service.inventory_item(owner, at, items.items[0].id).await.unwrap();
    service.audit_events(owner, at, None, 0, 500).await.unwrap();
    let place = Named::Environment(here.into());
    let (manage, operation) = (Capability::WorkspaceBaselinesManage, Some(Operation::BindingCreate));
    service.stands(acme.manager, at, place.clone(), manage, operation).await.unwrap();
    service.stands(acme.readonly, at, place, manage, operation).await.unwrap_err();
    let mirrored = service.create_user(&plane(), "Mirrored").await.unwrap().id;
    let mut sync = service.begin_sync(owner, at, &[]).await.unwrap();
    let chunk = service.sync_chunk(&mut sync, &customer(mirrored, "readonly")).await.unwrap();
    assert_eq!(chunk.counts.refused, 0, "{chunk:?}");
    service.finish_sync(&sync).await.unwrap();
    service.clean_up(&plane()).await.unwrap();
    credentials_used(service, mirrored).await;
    provider_worked_with(world, service).await;
    // And refused.
    service.create_environment(acme.readonly, at, "No").await.unwrap_err();
    service.add_member(world.stranger, at, user, Role::Owner).await.unwrap_err();
    BTreeSet::from([
        "init",
        "open",
        "create_user",
        "users",
        "create_workspace",
        "workspaces",
        "add_member",
        "change_member_role",
        "end_membership",
        "members",
        "grant_entitlement",
        "end_entitlement",
        "create_environment",
        "environments",
        "begin_import",
        "import_chunk",
        "finish_import",
        "inventory",
        "inventory_item",
        "audit_events",
        "verify_audit",
        "audit_checkpoint",
        "export_audit",
        "begin_sync",
        "sync_chunk",
        "finish_sync",
        "clean_up",
        "stands",
        "create_service_user",
        "disable_user",
        "create_token",
        "tokens",
        "revoke_token",
        "link_identity",
        "end_identity",
        "identities",
        "create_connection",
        "update_connection",
        "make_default_connection",
        "enable_connection",
        "disable_connection",
        "connections_in",
        "connection",
        "set_provider_credentials",
        "start_operation",
        "start_automatic_operation",
        "runs",
        "run",
        "cancel_run",
        "rotate_master_key",
        "master_key_status",
    ])
}

async fn credentials_used(service: &Service, user_id: Uuid) {
    let lifetime = Duration::from_hours(1);
    let token = NewToken { user_id, workspace: None, label: "T".to_owned(), lifetime, may_act_for_others: false };
    let (made, text) = service.create_token(&plane(), &token).await.unwrap();
    service.token_holder(&text.reveal()).await.unwrap().unwrap();
    service.tokens(&plane(), PageRequest::default()).await.unwrap();
    service.revoke_token(&plane(), made.id).await.unwrap();
    service.link_identity(&plane(), user_id, "issuer", "subject").await.unwrap();
    service.user_of_identity("issuer", "subject").await.unwrap().unwrap();
    service.identities(&plane(), user_id).await.unwrap();
    service.end_identity(&plane(), "issuer", "subject").await.unwrap();
    let backend = service.create_service_user(&plane(), "A backend").await.unwrap().id;
    service.disable_user(&plane(), backend).await.unwrap();
}

/// Connections, runs and the work on them: what is collected is bound already.
async fn provider_worked_with(world: &Installation, service: &Arc<Service>) {
    let (acme, page) = (&world.acme, PageRequest::default());
    let (who, at, there) = (acme.owner, &acme.workspace, acme.hidden_environment_id);
    let stand_in = StandIn::start();
    stand_in.api_key(provider::API_KEY, &fake::invented(1, 10));
    let request = CreateConnection {
        provider_key: fake::KEY.to_owned(),
        display_name: "A connection".to_owned(),
        ..CreateConnection::default()
    };
    let id = service.create_connection(who, at, there, &request).await.unwrap().id;
    let other = service.create_connection(who, at, there, &request).await.unwrap().id;
    let renamed = UpdateConnection { display_name: Some("Renamed".to_owned()), ..UpdateConnection::default() };
    service.update_connection(who, at, id, &renamed).await.unwrap();
    service.make_default_connection(who, at, other).await.unwrap();
    service.disable_connection(who, at, id, false).await.unwrap();
    service.enable_connection(who, at, id).await.unwrap();
    service.connections_in(who, at, there, None, page).await.unwrap();
    service.connection(who, at, id).await.unwrap();
    let fields = provider::credentials(&[("api_key", provider::API_KEY)]);
    service.set_provider_credentials(who, at, id, &fields).await.unwrap();
    let worker = provider::worker(service, &stand_in);
    for operation in OperationType::ALL {
        let run = service.start_operation(who, at, there, &provider::through(*operation, id)).await.unwrap().run;
        assert!(worker.work_once().await.unwrap());
        let done = service.run(who, at, run.id).await.unwrap();
        assert_eq!(done.outcome, Some(RunOutcome::Succeeded), "{:?}", done.message);
    }
    let (start, system) = (provider::through(OperationType::HealthCheck, id), SystemActor::of_the_host());
    let run = service.start_automatic_operation(&system, acme.workspace_id, there, &start).await.unwrap().run;
    service.cancel_run(who, at, run.id).await.unwrap();
    service.runs(who, at, there, &RunFilter::default(), page).await.unwrap();
    service.rotate_master_key(&plane()).await.unwrap();
    service.master_key_status(&plane()).await.unwrap();
}

/// Does every operation on bindings; answers their names and what each says.
async fn bindings_worked_on(world: &Installation, service: &Service) -> Vec<(&'static str, Option<Error>)> {
    let (acme, page, note) = (&world.acme, PageRequest::default(), Note::new("why"));
    let (who, at, here) = (acme.manager, &acme.workspace, acme.environment_id);
    let id = acme.environment_id;
    let mut automatic =
        CreateBinding::new(ResolutionMode::ExactProviderIdentity, SubjectRef::Descriptor(Box::new(widget("E"))));
    automatic.resource = Some(ResourceRef::Key(key("E")));
    automatic.reason = Some("same-id".to_owned());
    let mut succession = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
    succession.note = Some(note.clone());
    let system = SystemActor::of_the_host();
    vec![
        ("create_binding", service.create_binding(who, at, here, &exclusion(&key("1"))).await.err()),
        (
            "create_automatic_binding",
            service.create_automatic_binding(&system, acme.workspace_id, here, &automatic).await.err(),
        ),
        ("supersede_binding", service.supersede_binding(who, at, id, &succession).await.err()),
        ("revoke_binding", service.revoke_binding(who, at, id, Some(&note)).await.err()),
        ("binding", service.binding(who, at, id).await.err()),
        ("bindings", service.bindings(who, at, here, &BindingFilter::default(), page).await.err()),
        ("lookup", service.lookup(who, at, here, &[key("1")], None).await.err()),
        ("lookup_descriptors", service.lookup_descriptors(who, at, here, &[widget("1")], None).await.err()),
        ("history_of_subject", service.history_of_subject(who, at, here, &key("1"), page).await.err()),
        ("bindings_of_resource", service.bindings_of_resource(who, at, here, &key("1"), page).await.err()),
        ("bulk_create_bindings", service.bulk_create_bindings(who, at, here, &[exclusion(&key("1"))]).await.err()),
        ("redact_note", service.redact_note(acme.owner, at, id).await.err()),
        ("history_of_binding", service.history_of_binding(who, at, id, page).await.err()),
    ]
}

#[tokio::test]
async fn what_is_not_about_bindings_is_done_without_any_right_to_their_table() {
    let world = Installation::on(TestDatabase::migrated(Engine::Postgres).await).await;
    // Decisions are there to be read, if anything did.
    world.excluded(&key("there")).await;
    let role = without_bindings(&world.database).await;
    let mut settings = settings(&world.database, &world.directory);
    settings.database_url = url_as(&world.database, &role.name);
    settings.ids = provident::clock::Ids::seeded(9);
    Service::init(&plane(), &settings).await.unwrap().close().await;
    let service = Arc::new(Service::open(&settings).await.unwrap());
    let done = everything_else_done(&world, &service).await;
    let refused = bindings_worked_on(&world, &service).await;
    for (operation, error) in &refused {
        // 42501: insufficient privilege.
        let text = error.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(text.contains("code 42501"), "{operation} reads no bindings: {error:?}");
    }
    service.close().await;
    role.gone().await;
    let refused: BTreeSet<&str> = refused.iter().map(|(operation, _)| *operation).collect();
    for (file, operation) in operations() {
        let seen = match file.as_str() {
            file if OF_DATABASES.contains(&file) => true,
            file if OF_BINDINGS.contains(&file) => refused.contains(operation.as_str()),
            _ => done.contains(operation.as_str()),
        };
        assert!(seen, "`Service::{operation}` of `{file}` was not tried");
    }
}
