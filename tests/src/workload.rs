//! Every operation of the service, so that every statement of the store has run: for the tests that go over the
//! statements and hold each to a rule. A new operation, or a new way through an old one, is added here, with its noun.
#![expect(clippy::unwrap_used, reason = "a test whose workload is refused fails, and says why")]

use std::sync::Arc;
use std::time::Duration;

use provident::actor::SystemActor;
use provident::audit::Operation;
use provident::binding::{
    Binding, BindingFilter, CreateBinding, LegacySubjectKey, Note, ResourceRef, RevokeBinding, Sources, SubjectRef,
    SupersedeBinding,
};
use provident::connection::UpdateConnection;
use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident::policy::{Capability, Role};
use provident::provider_credential::ProviderCredentials;
use provident::registry::{RecordRef, RegistryItem, RegistryLine, RunOutcome, RunStatus};
use provident::run::{ConnectionChoice, OperationType, RunFilter, StartOperation};
use provident::service::{Auditor, BulkCreate, Named, NewToken};
use provident::worker::{Worker, WorkerSettings};
use provident_identity::ResolutionMode;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::installation::{Installation, Tenant, exclusion, key, plane, widget};
use crate::provider::{self, through};
use crate::stand_in::{StandIn, fake};

const CONNECTION: u128 = 0xc0;
const RUN: u128 = 0xd0;
const POLICY_VERSION: u128 = 0xd1;
const SNAPSHOT: u128 = 0xd2;
const PROFILE: u128 = 0xd3;

/// Runs every operation, on an installation nothing was done in yet.
///
/// # Panics
///
/// When one is refused that should not be.
pub async fn every_operation(world: &Installation) {
    every_operation_of(world, &world.acme).await;
    platform(world).await;
}

/// Runs every operation there is inside a workspace nothing was done in yet. Its subjects, resources and ids
/// are of that workspace alone; a platform's names for its records are the same in every one.
///
/// # Panics
///
/// When one is refused that should not be.
pub async fn every_operation_of(world: &Installation, tenant: &Tenant) {
    registry(world, tenant).await;
    mirrored(world, tenant).await;
    inventory(world, tenant).await;
    let ended = decisions(world, tenant).await;
    look_ups(world, tenant, &ended).await;
    provider_credentials(world, tenant).await;
    operations(world, tenant).await;
    audit(world, tenant).await;
    people(world, tenant).await;
}

/// A name of the tenant's own.
fn mine(tenant: &Tenant, name: &str) -> String {
    format!("{name}-{}", tenant.workspace_id.simple())
}

/// An id of the tenant's own.
fn id_of(tenant: &Tenant, number: u128) -> Uuid {
    Uuid::from_u128(tenant.workspace_id.as_u128() ^ number)
}

async fn registry(world: &Installation, tenant: &Tenant) {
    let here = tenant.environment_id;
    world.connection(tenant, here, "fake", id_of(tenant, CONNECTION)).await;
    let mut raw = world.raw().await;
    world.row(tenant, here, "operation_runs").with("id", id_of(tenant, RUN)).insert(&mut raw).await.unwrap();
    world
        .row(tenant, here, "policy_versions")
        .with("id", id_of(tenant, POLICY_VERSION))
        .insert(&mut raw)
        .await
        .unwrap();
    raw.close().await.unwrap();
    world.snapshot(tenant, id_of(tenant, SNAPSHOT), id_of(tenant, PROFILE), &[here]).await;
}

/// A customer as a platform brings one: a line of each kind, about a user who is a member of nothing yet.
///
/// # Panics
///
/// When a line is none.
#[must_use]
pub fn customer(user: Uuid, role: &str) -> Vec<RegistryItem> {
    let named = |name: &str| json!({ "external_ref": name });
    let place = named("site-1");
    let lines = [
        json!({ "kind": "environment", "external_ref": "site-1", "display_name": "Production" }),
        json!({ "kind": "membership", "external_ref": "member-1", "user_id": user, "role": role }),
        json!({ "kind": "entitlement", "external_ref": "access-1", "environment": place, "user_id": user }),
        json!({ "kind": "provider_connection", "external_ref": "connection-1", "environment": place,
            "provider_key": "fake", "display_name": "A connection", "directory_id": "directory-1", "is_default": true }),
        json!({ "kind": "provider_connection", "external_ref": "connection-2", "environment": place,
            "provider_key": "fake", "display_name": "Another", "is_default": false }),
        json!({ "kind": "provider_connection", "external_ref": "connection-3", "environment": place,
            "provider_key": "ledger", "display_name": "Its directory is not known", "is_default": true }),
        json!({ "kind": "operation_run", "external_ref": "run-1", "environment": place,
            "operation_type": "inventory.collect", "status": "queued" }),
        json!({ "kind": "baseline_profile", "external_ref": "profile-1", "display_name": "A baseline" }),
        json!({ "kind": "baseline_snapshot", "external_ref": "snapshot-1", "baseline_profile": named("profile-1"),
            "version_label": "7", "captured_at": "2026-01-02T03:04:05+01:00" }),
        json!({ "kind": "baseline_assignment", "external_ref": "assignment-1", "environment": place,
            "baseline_profile": named("profile-1") }),
        json!({ "kind": "policy_version", "external_ref": "version-1", "environment": place, "version_label": "3" }),
    ];
    lines.iter().zip(0..).map(|(line, at)| RegistryLine::read(at, &line.to_string())).collect()
}

/// A platform's rows: made, changed, and ended.
async fn mirrored(world: &Installation, tenant: &Tenant) {
    let service = &world.service;
    let user = service.create_user(&plane(), "Somebody mirrored").await.unwrap().id;
    for role in ["readonly", "operator"] {
        let mut sync = service.begin_sync(tenant.owner, &tenant.workspace, &[]).await.unwrap();
        let chunk = service.sync_chunk(&mut sync, &customer(user, role)).await.unwrap();
        assert_eq!(chunk.counts.refused, 0, "{chunk:?}");
        service.finish_sync(&sync).await.unwrap();
    }
    let other = [
        json!({ "kind": "provider_connection", "external_ref": "connection-2", "environment": { "external_ref": "site-1" },
            "provider_key": "fake", "display_name": "Now the default", "is_default": true }),
        json!({ "kind": "provider_connection", "external_ref": "connection-3", "environment": { "external_ref": "site-1" },
            "provider_key": "ledger", "display_name": "Its directory is known", "directory_id": "directory-3",
            "is_default": true }),
        json!({ "kind": "environment", "external_ref": "site-1", "display_name": "Renamed" }),
        json!({ "kind": "operation_run", "external_ref": "run-1", "environment": { "external_ref": "site-1" },
            "operation_type": "inventory.collect", "status": "running", "started_at": "2026-01-02T03:04:05Z" }),
        json!({ "kind": "baseline_profile", "external_ref": "profile-1", "display_name": "Renamed" }),
        json!({ "kind": "baseline_snapshot", "external_ref": "snapshot-1",
            "baseline_profile": { "external_ref": "profile-1" }, "version_label": "8" }),
        json!({ "kind": "baseline_assignment", "external_ref": "assignment-1",
            "environment": { "external_ref": "site-1" }, "baseline_profile": { "external_ref": "profile-1" },
            "ended": true }),
        json!({ "kind": "policy_version", "external_ref": "version-1", "environment": { "external_ref": "site-1" },
            "version_label": "4" }),
        json!({ "kind": "entitlement", "external_ref": "access-1", "environment": { "external_ref": "site-1" },
            "user_id": user, "ended": true }),
        json!({ "kind": "membership", "external_ref": "member-1", "user_id": user, "role": "operator", "ended": true }),
    ];
    let items: Vec<RegistryItem> =
        other.iter().zip(0..).map(|(line, at)| RegistryLine::read(at, &line.to_string())).collect();
    let mut sync = service.begin_sync(tenant.owner, &tenant.workspace, &[]).await.unwrap();
    let chunk = service.sync_chunk(&mut sync, &items).await.unwrap();
    assert_eq!(chunk.counts.refused, 0, "{chunk:?}");
    let place: RecordRef = "ref:site-1".parse().unwrap();
    let (filter, page) = (BindingFilter::default(), PageRequest::default());
    service.bindings(tenant.owner, &tenant.workspace, place, &filter, page).await.unwrap();
}

async fn inventory(world: &Installation, tenant: &Tenant) {
    let (service, page) = (&world.service, PageRequest::default());
    let (at, here) = (&tenant.workspace, tenant.environment_id);
    // Twice the same: what is new, and what was only seen again.
    for _ in 0..2 {
        let mut import = service.begin_import(tenant.manager, at, here, None).await.unwrap();
        service
            .import_chunk(&mut import, &[Ok((0, widget(&mine(tenant, "W")))), Ok((1, widget(&mine(tenant, "I"))))])
            .await
            .unwrap();
        service.finish_import(&import).await.unwrap();
    }
    let items = service.inventory(tenant.owner, at, here, &InventoryFilter::default(), page).await.unwrap().items;
    service.inventory_item(tenant.owner, at, items.first().unwrap().id).await.unwrap();
    let line = json!({ "kind": "policy_version", "external_ref": "version-of-item", "environment": { "id": here },
        "inventory_item_id": items.first().unwrap().id, "version_label": "1" });
    let mut sync = service.begin_sync(tenant.owner, at, &[]).await.unwrap();
    let chunk = service.sync_chunk(&mut sync, &[RegistryLine::read(0, &line.to_string())]).await.unwrap();
    assert_eq!(chunk.counts.refused, 0, "{chunk:?}");
}

/// Answers a revoked binding.
async fn decisions(world: &Installation, tenant: &Tenant) -> Binding {
    let (service, page) = (&world.service, PageRequest::default());
    let (manager, at, here) = (tenant.manager, &tenant.workspace, tenant.environment_id);
    let items = service.inventory(manager, at, here, &InventoryFilter::default(), page).await.unwrap().items;
    let mut request = exclusion(&key(&mine(tenant, "bound")));
    request.mode = ResolutionMode::ManualBinding;
    request.legacy_subject_key = Some(LegacySubjectKey::new("former"));
    request.resource = Some(ResourceRef::Descriptor(Box::new(widget(&mine(tenant, "R")))));
    request.provider_connection_id = Some(id_of(tenant, CONNECTION));
    request.sources = Sources {
        operation_run_id: Some(id_of(tenant, RUN)),
        baseline_snapshot_id: Some(id_of(tenant, SNAPSHOT)),
        inventory_item_id: Some(items.first().unwrap().id),
        policy_version_id: Some(id_of(tenant, POLICY_VERSION)),
    };
    let first = service.create_binding(manager, at, here, &request).await.unwrap();
    // Somebody was first.
    service.create_binding(manager, at, here, &request).await.unwrap_err();
    let mut succession = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
    succession.note = Some(Note::new("as it is"));
    let second = service.supersede_binding(manager, at, first.id, &succession).await.unwrap();
    let revoked = service.revoke_binding(tenant.owner, at, second.id, Some(&Note::new("gone"))).await.unwrap();
    service.redact_note(tenant.owner, at, revoked.id).await.unwrap();
    // After another has ended.
    service.create_binding(manager, at, here, &exclusion(&key(&mine(tenant, "bound")))).await.unwrap();

    let mut by_item = exclusion("");
    by_item.subject = SubjectRef::InventoryItem(items.get(1).unwrap().id);
    let active = service.create_binding(manager, at, here, &by_item).await.unwrap();
    tried(world, tenant, &active).await;
    let mut automatic = CreateBinding::new(
        ResolutionMode::ExactProviderIdentity,
        SubjectRef::Descriptor(Box::new(widget(&mine(tenant, "E")))),
    );
    automatic.resource = Some(ResourceRef::Descriptor(Box::new(widget(&mine(tenant, "E")))));
    automatic.reason = Some("same-id".to_owned());
    let system = SystemActor::of_the_host();
    service.create_automatic_binding(&system, tenant.workspace_id, here, &automatic).await.unwrap();
    let mut keyed = exclusion(&key(&mine(tenant, "keyed")));
    keyed.idempotency_key = Some("again".parse().unwrap());
    for _ in 0..2 {
        service.create_binding(manager, at, here, &keyed).await.unwrap();
    }
    many(world, tenant).await;
    // Denied, and told of.
    service.create_binding(tenant.readonly, at, here, &exclusion(&key(&mine(tenant, "denied")))).await.unwrap_err();
    service.create_binding(world.stranger, at, here, &exclusion(&key(&mine(tenant, "denied")))).await.unwrap_err();
    revoked
}

/// Tried and asked, with nothing written.
async fn tried(world: &Installation, tenant: &Tenant, active: &Binding) {
    let (service, manager) = (&world.service, tenant.manager);
    let (at, here) = (&tenant.workspace, tenant.environment_id);
    let mut request = exclusion(&key(&mine(tenant, "tried")));
    request.dry_run = true;
    service.create_binding(manager, at, here, &request).await.unwrap();
    let mut succession = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
    (succession.note, succession.dry_run) = (Some(Note::new("as it is")), true);
    service.supersede_binding(manager, at, active.id, &succession).await.unwrap();
    let end = RevokeBinding { note: Some(Note::new("gone")), idempotency_key: None, dry_run: true };
    service.revoke_binding(manager, at, active.id, end).await.unwrap();
    let bulk = BulkCreate { items: &[exclusion(&key(&mine(tenant, "tried")))], dry_run: true };
    service.bulk_create_bindings(manager, at, here, bulk).await.unwrap();
    let item = Named::InventoryItem(active.sources.inventory_item_id.unwrap());
    for (named, operation) in [
        (Named::Workspace, Some(Operation::RegistrySync)),
        (Named::Environment(here.into()), Some(Operation::BindingCreate)),
        (Named::Binding(active.id), Some(Operation::BindingRevoke)),
        (item, None),
    ] {
        // Of all capabilities, one that owners have.
        service.stands(tenant.owner, at, named, Capability::WorkspaceManage, operation).await.unwrap();
    }
}

/// Many at once: free, taken, refused, and with keys of their own, of which one is not made after all.
async fn many(world: &Installation, tenant: &Tenant) {
    let service = &world.service;
    let (filter, page) = (InventoryFilter::default(), PageRequest::default());
    let items =
        service.inventory(tenant.manager, &tenant.workspace, tenant.environment_id, &filter, page).await.unwrap().items;
    let mut of_item = exclusion("");
    of_item.subject = SubjectRef::InventoryItem(items.first().unwrap().id);
    of_item.provider_connection_id = Some(id_of(tenant, CONNECTION));
    of_item.sources.operation_run_id = Some(id_of(tenant, RUN));
    of_item.sources.policy_version_id = Some(id_of(tenant, POLICY_VERSION));
    of_item.sources.baseline_snapshot_id = Some(id_of(tenant, SNAPSHOT));
    let mut made = exclusion(&key(&mine(tenant, "many")));
    made.idempotency_key = Some("many-1".parse().unwrap());
    let mut taken = exclusion(&key(&mine(tenant, "many")));
    taken.idempotency_key = Some("many-2".parse().unwrap());
    let items = [of_item, made, taken, exclusion("no key")];
    for _ in 0..2 {
        let (at, here) = (&tenant.workspace, tenant.environment_id);
        assert_eq!(service.bulk_create_bindings(tenant.manager, at, here, &items).await.unwrap().len(), 4);
    }
}

async fn look_ups(world: &Installation, tenant: &Tenant, ended: &Binding) {
    let (service, page) = (&world.service, PageRequest::default());
    let (who, at, here) = (tenant.owner, &tenant.workspace, tenant.environment_id);
    service.binding(who, at, ended.id).await.unwrap();
    service.bindings(who, at, here, &BindingFilter::default(), page).await.unwrap();
    let keys = [key(&mine(tenant, "bound")), key(&mine(tenant, "never"))];
    assert_eq!(service.lookup(who, at, here, &keys, None).await.unwrap().len(), 2);
    assert_eq!(service.lookup(who, at, here, &keys, Some(ended.decided_at)).await.unwrap().len(), 2);
    let found = service.lookup_descriptors(who, at, here, &[widget(&mine(tenant, "R"))], None).await.unwrap();
    assert_eq!(found.len(), 1);
    service.bindings_of_resource(who, at, here, &key(&mine(tenant, "R")), page).await.unwrap();
    service.history_of_binding(who, at, ended.id, page).await.unwrap();
    service.history_of_subject(who, at, here, &key(&mine(tenant, "bound")), page).await.unwrap();
}

async fn audit(world: &Installation, tenant: &Tenant) {
    let service = &world.service;
    let (at, plane) = (&tenant.workspace, plane());
    service.audit_events(tenant.owner, at, None, 0, 10).await.unwrap();
    service.verify_audit(Auditor::Member(tenant.owner), at, None).await.unwrap().unwrap();
    service.audit_checkpoint(Auditor::System(&plane), at).await.unwrap();
    let mut export = service.export_audit(Auditor::System(&plane), at).await.unwrap();
    assert!(!export.next_events().await.unwrap().is_empty());
}

async fn people(world: &Installation, tenant: &Tenant) {
    let (service, page) = (&world.service, PageRequest::default());
    let (owner, at, here) = (tenant.owner, &tenant.workspace, tenant.environment_id);
    let user = service.create_user(&plane(), "Somebody").await.unwrap().id;
    service.add_member(owner, at, user, Role::Readonly).await.unwrap();
    service.grant_entitlement(owner, at, here, user).await.unwrap();
    service.change_member_role(owner, at, user, Role::Operator).await.unwrap();
    service.end_entitlement(owner, at, here, user).await.unwrap();
    service.grant_entitlement(owner, at, here, user).await.unwrap();
    service.end_membership(owner, at, user).await.unwrap();
    // The last who could look after the environment stays.
    service.end_membership(owner, at, owner.user_id()).await.unwrap_err();
    service.members(owner, at, page).await.unwrap();
    service.create_environment(owner, at, "Another").await.unwrap();
    let slug = if tenant.workspace_id == world.acme.workspace_id { "acme" } else { "rival" };
    service.environments(owner, &slug.parse().unwrap(), page).await.unwrap();
}

/// Credentials of a connection: set, and in the place of what they were.
async fn provider_credentials(world: &Installation, tenant: &Tenant) {
    for value in ["first", "second"] {
        let mut fields = ProviderCredentials::default();
        fields.insert("api_key", value.parse().unwrap());
        let id = id_of(tenant, CONNECTION);
        let set = world.service.set_provider_credentials(tenant.manager, &tenant.workspace, id, &fields).await.unwrap();
        assert_eq!(set.credential_fields, ["api_key"]);
    }
}

/// Connections in an environment of their own, and runs: waited on, worked on, ended and cancelled; one that takes so long that
/// its lease has to be moved on, and one that no longer finds what was there.
async fn operations(world: &Installation, tenant: &Tenant) {
    let (service, page) = (&world.service, PageRequest::default());
    let (owner, at, there) = (tenant.owner, &tenant.workspace, tenant.hidden_environment_id);
    let (stand_in, held) = (StandIn::start(), fake::invented(1, 20));
    stand_in.api_key(provider::API_KEY, &held);
    let first = world.fake_connection(tenant, there, provider::API_KEY).await;
    let second = world.bare_connection(tenant, there, None).await;
    service.make_default_connection(owner, at, second).await.unwrap();
    service.disable_connection(owner, at, second, true).await.unwrap();
    service.enable_connection(owner, at, second).await.unwrap();
    let by_default = ConnectionChoice::DefaultOf(fake::KEY.to_owned());
    let start = StartOperation { operation_type: OperationType::HealthCheck, connection: by_default };
    let waiting = service.start_operation(owner, at, there, &start).await.unwrap().run;
    service.start_operation(owner, at, there, &through(OperationType::HealthCheck, first)).await.unwrap_err();
    for filter in [
        RunFilter::default(),
        RunFilter { active: true, ..RunFilter::default() },
        RunFilter { operation_type: Some(waiting.operation_type.clone()), active: false },
    ] {
        assert_eq!(service.runs(owner, at, there, &filter, page).await.unwrap().items.first(), Some(&waiting));
    }
    service.cancel_run(owner, at, waiting.id).await.unwrap();
    let known = UpdateConnection { directory_id: Some(mine(tenant, "directory")), ..UpdateConnection::default() };
    service.update_connection(owner, at, first, &known).await.unwrap();

    let settings = WorkerSettings { lease: Duration::from_millis(200), grace: Duration::ZERO };
    let worker = Worker::new(Arc::clone(service), provider::gateway(&stand_in), settings);
    let mut widgets = held.ids("widgets").into_iter();
    for (operation, delay) in
        [(OperationType::HealthCheck, 200), (OperationType::InventoryCollect, 0), (OperationType::InventoryCollect, 0)]
    {
        stand_in.set_delay(Duration::from_millis(delay));
        let run = service.start_operation(owner, at, there, &through(operation, first)).await.unwrap().run;
        assert!(worker.work_once().await.unwrap());
        let done = service.run(owner, at, run.id).await.unwrap();
        assert_eq!(done.outcome, Some(RunOutcome::Succeeded), "{:?}", done.message);
        // Seen by the collection before, and by the next one no longer.
        let _ = held.remove("widgets", &widgets.next().unwrap());
    }
    Box::pin(given_back(world, tenant, &worker, &stand_in, first)).await;
    assert!(!worker.work_once().await.unwrap());
    assert_eq!(service.connections_in(owner, at, there, None, page).await.unwrap().items.len(), 2);
    service.connection(owner, at, first).await.unwrap();
    for named in [Named::Connection(first), Named::Run(waiting.id)] {
        service.stands(owner, at, named, Capability::ProviderView, None).await.unwrap();
    }
}

/// A run whose worker is stopped before it has an answer, and that the next one ends.
async fn given_back(world: &Installation, tenant: &Tenant, worker: &Worker, stand_in: &StandIn, connection_id: Uuid) {
    let (service, owner, at) = (&world.service, tenant.owner, &tenant.workspace);
    let start = through(OperationType::HealthCheck, connection_id);
    let run = service.start_operation(owner, at, tenant.hidden_environment_id, &start).await.unwrap().run;
    stand_in.set_delay(Duration::from_secs(30));
    let (stop, stopped) = (CancellationToken::new(), worker.clone());
    let working = tokio::spawn({
        let stop = stop.clone();
        async move { stopped.work(1, &stop).await }
    });
    while service.run(owner, at, run.id).await.unwrap().status == RunStatus::Queued {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    working.await.unwrap();
    stand_in.set_delay(Duration::ZERO);
    assert!(worker.work_once().await.unwrap());
    let done = service.run(owner, at, run.id).await.unwrap();
    assert_eq!(done.outcome, Some(RunOutcome::Succeeded), "{:?}", done.message);
    assert_eq!(done.context.unwrap().attempt, 1, "it was given back in order, and no attempt has failed");
}

/// Another master key in the place of the first, with all that lies under it.
async fn master_key(world: &Installation) {
    let rotation = world.service.rotate_master_key(&plane()).await.unwrap();
    assert_eq!((rotation.retired.as_slice(), rotation.unopened.len()), (&[1][..], 0));
    let states = world.service.master_key_status(&plane()).await.unwrap();
    assert_eq!(states.len(), 2);
}

async fn platform(world: &Installation) {
    let page = PageRequest::default();
    master_key(world).await;
    world.service.clean_up(&plane()).await.unwrap();
    assert_eq!(world.service.workspaces(&plane(), page).await.unwrap().items.len(), 2);
    assert!(world.service.users(&plane(), page).await.unwrap().items.len() > 5);
    credentials(world).await;
}

async fn credentials(world: &Installation) {
    let (service, plane) = (&world.service, plane());
    let user_id = service.create_service_user(&plane, "A backend").await.unwrap().id;
    let workspace = Some(world.acme.workspace.clone());
    let lifetime = Duration::from_hours(24);
    let token = NewToken { user_id, workspace, label: "A token".to_owned(), lifetime, may_act_for_others: true };
    let (made, text) = service.create_token(&plane, &token).await.unwrap();
    service.token_holder(&text.reveal()).await.unwrap().unwrap();
    assert_eq!(service.tokens(&plane, PageRequest::default()).await.unwrap().items, std::slice::from_ref(&made));
    service.revoke_token(&plane, made.id).await.unwrap();
    service.revoke_token(&plane, made.id).await.unwrap_err();
    service.link_identity(&plane, user_id, "https://id.example/", "backend").await.unwrap();
    let linked = service.user_of_identity("https://id.example/", "backend").await.unwrap();
    assert_eq!(linked, Some(user_id));
    service.end_identity(&plane, "https://id.example/", "backend").await.unwrap();
    assert_eq!(service.identities(&plane, user_id).await.unwrap().len(), 1);
    service.disable_user(&plane, user_id).await.unwrap();
}
