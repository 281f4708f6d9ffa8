//! That decisions stay passive, on both engines: a mutation touches bindings, audit events and heads and no other table;
//! reading touches nothing; nothing but the rooms of bindings reads them; drift and forged places are refused.
#![cfg(test)]

use provident::binding::{BindingFilter, CreateBinding, Note, ResourceRef, SubjectRef, SupersedeBinding};
use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident::run::OperationType;
use provident_identity::ResolutionMode;
use provident_tests::api::token;
use provident_tests::catalog;
use provident_tests::database::on_both_engines;
use provident_tests::guard::listing;
use provident_tests::installation::{Installation, exclusion, key, plane, widget};
use provident_tests::rows::fresh_id;

/// What a decision may touch.
const TOUCHED: [&str; 4] = ["provider_resource_bindings", "audit_events", "audit_heads", "idempotency_keys"];

/// Every row of every other table there is.
async fn everything_else(world: &Installation) -> Vec<(String, Vec<String>)> {
    let mut raw = world.raw().await;
    let tables = catalog::read(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    let mut rest = Vec::new();
    for table in tables.into_iter().filter(|table| !TOUCHED.contains(&table.name.as_str())) {
        let rows = world.dump(&table.name).await;
        rest.push((table.name, rows));
    }
    assert!(rest.len() >= 13, "{} tables", rest.len());
    rest
}

/// Rows in every table that a decision could think of touching.
async fn furnish(world: &Installation) {
    let acme = &world.acme;
    world.connection(acme, acme.environment_id, "fake", fresh_id()).await;
    world.snapshot(acme, fresh_id(), fresh_id(), &[acme.environment_id]).await;
    let mut raw = world.raw().await;
    for table in ["operation_runs", "policy_versions", "inventory_items"] {
        world.row(acme, acme.environment_id, table).insert(&mut raw).await.unwrap();
    }
    raw.close().await.unwrap();
    // With credentials, and a run that waits.
    let connection_id = world.fake_connection(acme, acme.environment_id, "a-key").await;
    world.start(acme, OperationType::HealthCheck, connection_id).await;
    token(&world.service, acme.manager.user_id(), None, false).await;
    world.service.link_identity(&plane(), acme.manager.user_id(), "https://id.example/", "manager").await.unwrap();
    let mut keyed = exclusion(&key("keyed"));
    keyed.idempotency_key = Some("of-before".parse().unwrap());
    world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &keyed).await.unwrap();
}

fn of_mode(mode: ResolutionMode) -> CreateBinding {
    let mut request = exclusion(&key(mode.as_str()));
    request.mode = mode;
    if mode == ResolutionMode::ManualBinding {
        request.resource = Some(ResourceRef::Descriptor(Box::new(widget("R"))));
    }
    request
}

#[test]
fn a_decision_touches_bindings_and_the_trail_and_nothing_else() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        furnish(&world).await;
        let (acme, service) = (&world.acme, &world.service);
        let before = everything_else(&world).await;
        assert!(before.iter().all(|(_, rows)| !rows.is_empty()), "nothing to be untouched in");
        let runs = world.count("operation_runs").await;
        let mut made = Vec::new();
        for mode in [
            ResolutionMode::ManualBinding,
            ResolutionMode::ExcludedNonGoverned,
            ResolutionMode::AcceptedLimitation,
            ResolutionMode::UnsupportedCoverage,
            ResolutionMode::MissingExpected,
        ] {
            let request = of_mode(mode);
            let binding =
                service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await.unwrap();
            made.push(binding);
            assert_eq!(everything_else(&world).await, before, "{mode}");
        }
        let system = provident::actor::SystemActor::of_the_host();
        let mut automatic =
            CreateBinding::new(ResolutionMode::ExactProviderIdentity, SubjectRef::Descriptor(Box::new(widget("E"))));
        automatic.resource = Some(ResourceRef::Key(key("E")));
        automatic.reason = Some("same-id".to_owned());
        service.create_automatic_binding(&system, acme.workspace_id, acme.environment_id, &automatic).await.unwrap();
        assert_eq!(everything_else(&world).await, before, "automatic");
        let mut succession = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
        succession.note = Some(Note::new("why"));
        service.supersede_binding(acme.manager, &acme.workspace, made[0].id, &succession).await.unwrap();
        assert_eq!(everything_else(&world).await, before, "supersede");
        service.revoke_binding(acme.manager, &acme.workspace, made[1].id, Some(&Note::new("why"))).await.unwrap();
        assert_eq!(everything_else(&world).await, before, "revoke");
        let request = exclusion(&key("denied"));
        for (actor, environment, id) in
            [(acme.readonly, acme.environment_id, made[2].id), (acme.manager, fresh_id(), fresh_id())]
        {
            service.create_binding(actor, &acme.workspace, environment, &request).await.unwrap_err();
            service.supersede_binding(actor, &acme.workspace, id, &succession).await.unwrap_err();
            service.revoke_binding(actor, &acme.workspace, id, Some(&Note::new("why"))).await.unwrap_err();
        }
        assert_eq!(everything_else(&world).await, before, "denied");
        // Too late, a second time, and against the rules.
        service.supersede_binding(acme.manager, &acme.workspace, made[0].id, &succession).await.unwrap_err();
        service.revoke_binding(acme.manager, &acme.workspace, made[1].id, Some(&Note::new("why"))).await.unwrap_err();
        let again = of_mode(ResolutionMode::MissingExpected);
        service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &again).await.unwrap_err();
        service.revoke_binding(acme.manager, &acme.workspace, made[2].id, None).await.unwrap_err();
        assert_eq!(everything_else(&world).await, before, "refused");
        assert_eq!(world.count("operation_runs").await, runs, "a decision is no run");
    });
}

#[test]
fn reading_changes_not_a_byte() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        furnish(&world).await;
        let made = world.excluded(&key("1")).await;
        let (acme, service, page) = (&world.acme, &world.service, PageRequest::default());
        let mut before = everything_else(&world).await;
        for table in TOUCHED {
            before.push((table.to_owned(), world.dump(table).await));
        }
        let (who, at, here) = (acme.owner, &acme.workspace, acme.environment_id);
        service.binding(who, at, made.id).await.unwrap();
        service.bindings(who, at, here, &BindingFilter::default(), page).await.unwrap();
        service.lookup(who, at, here, &[key("1"), key("2")], None).await.unwrap();
        service.history_of_binding(who, at, made.id, page).await.unwrap();
        service.history_of_subject(who, at, here, &key("1"), page).await.unwrap();
        let items = service.inventory(who, at, here, &InventoryFilter::default(), page).await.unwrap();
        service.inventory_item(who, at, items.items[0].id).await.unwrap();
        service.audit_events(who, at, None, 0, 10).await.unwrap();
        service.environments(who, at, page).await.unwrap();
        service.members(who, at, page).await.unwrap();
        // A denied read leaves nothing either.
        service.binding(world.stranger, at, made.id).await.unwrap_err();
        service.audit_events(acme.readonly, at, None, 0, 10).await.unwrap_err();
        let mut after = everything_else(&world).await;
        for table in TOUCHED {
            after.push((table.to_owned(), world.dump(table).await));
        }
        assert_eq!(after, before);
    });
}

#[test]
fn what_is_not_about_bindings_answers_the_same_before_and_after_a_decision() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        furnish(&world).await;
        let (acme, service, page) = (&world.acme, &world.service, PageRequest::default());
        let (who, at, here) = (acme.owner, &acme.workspace, acme.environment_id);
        let answers = async || {
            let items = service.inventory(who, at, here, &InventoryFilter::default(), page).await.unwrap();
            let item = service.inventory_item(who, at, items.items[0].id).await.unwrap();
            let environments = service.environments(who, at, page).await.unwrap();
            let members = service.members(who, at, page).await.unwrap();
            serde_json::to_string(&(items, item, environments, members)).unwrap()
        };
        let before = answers().await;
        let made = world.excluded(&key("1")).await;
        assert_eq!(answers().await, before);
        let note = Note::new("why");
        service.revoke_binding(acme.manager, at, made.id, Some(&note)).await.unwrap();
        assert_eq!(answers().await, before);
    });
}

#[test]
fn nothing_but_the_rooms_of_bindings_names_their_table() {
    let sources = listing::files(&listing::root()).unwrap();
    let naming: Vec<String> = sources
        .into_iter()
        .filter(|file| file.path.starts_with("host/src/") && file.text.contains("provider_resource_bindings"))
        .map(|file| file.path)
        .collect();
    // The rooms of schema and roles name every table, and so does the one that copies them all.
    let about_tables = ["host/src/store/migration.rs", "host/src/store/role.rs", "host/src/store/copied.rs"];
    let naming: Vec<_> = naming.into_iter().filter(|path| !about_tables.contains(&path.as_str())).collect();
    let rooms = ["binding.rs", "binding_batch.rs", "binding_note.rs"].map(|file| format!("host/src/store/{file}"));
    assert_eq!(naming, rooms);
}

#[test]
fn a_place_that_is_not_one_is_refused_by_the_service_and_by_the_database() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, rival) = (&world.acme, &world.rival);
        // Another workspace's environment, by somebody who is entitled to it there and a member here.
        let theirs = rival.manager.user_id();
        world.service.add_member(acme.owner, &acme.workspace, theirs, provident::policy::Role::Owner).await.unwrap();
        let request = exclusion(&key("1"));
        let refused =
            world.service.create_binding(rival.manager, &acme.workspace, rival.environment_id, &request).await;
        assert_eq!(refused.unwrap_err().code(), "not-found");
        // Past the service: the row itself, moved to a workspace that is not its environment's.
        let made = world.excluded(&key("1")).await;
        let mut raw = world.raw().await;
        let engine = raw.engine();
        let drifted = world
            .row(acme, rival.environment_id, "provider_resource_bindings")
            .with("decided_by_user_id", acme.manager.user_id());
        let refusal = raw.refusal(&drifted.sql(engine)).await.expect("a binding drifted");
        assert!(refusal.contains("fk_bindings_environment") || refusal.contains("FOREIGN KEY"), "{refusal}");
        let moved = format!(
            "UPDATE provider_resource_bindings SET workspace_id = {} WHERE id = {}",
            engine.id(rival.workspace_id),
            engine.id(made.id)
        );
        assert!(raw.refusal(&moved).await.is_some());
        // And a second active one for the same subject.
        let second = world
            .row(acme, acme.environment_id, "provider_resource_bindings")
            .with("decided_by_user_id", acme.manager.user_id())
            .with("canonical_subject_key", key("1"));
        let refusal = raw.refusal(&second.sql(engine)).await.expect("two active at once");
        assert!(refusal.contains("ux_bindings_active") || refusal.contains("canonical_subject_key"), "{refusal}");
        raw.close().await.unwrap();
    });
}
