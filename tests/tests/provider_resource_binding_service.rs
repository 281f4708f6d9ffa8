//! Decisions through the service, on both engines: what is stored, what is refused, who wins a race, what an answer
//! says. Authority has a suite of its own, `provider_resource_binding_authorization.rs`, the trail `audit_chain.rs`.
#![cfg(test)]

use std::sync::Arc;

use provident::actor::SystemActor;
use provident::binding::{
    Binding, BindingFilter, CreateBinding, Decider, Ending, LegacySubjectKey, LookupAnswer, Note, ResourceRef, Sources,
    SubjectRef, SupersedeBinding,
};
use provident::error::{Conflict, Error};
use provident::page::PageRequest;
use provident_identity::{BindingStatus, ErrorCode, ResolutionMode, SubjectClass};
use provident_tests::database::{Engine, on_both_engines};
use provident_tests::guard::listing;
use provident_tests::installation::{Installation, Tenant, exclusion, key, widget};
use provident_tests::rows::fresh_id;
use uuid::Uuid;

const OPERATOR_MODES: [ResolutionMode; 5] = [
    ResolutionMode::ManualBinding,
    ResolutionMode::ExcludedNonGoverned,
    ResolutionMode::AcceptedLimitation,
    ResolutionMode::UnsupportedCoverage,
    ResolutionMode::MissingExpected,
];

async fn create(world: &Installation, request: &CreateBinding) -> Result<Binding, Error> {
    let acme = &world.acme;
    world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, request).await
}

async fn supersede(world: &Installation, id: Uuid, request: &SupersedeBinding) -> Result<Binding, Error> {
    world.service.supersede_binding(world.acme.manager, &world.acme.workspace, id, request).await
}

async fn revoke(world: &Installation, id: Uuid) -> Result<Binding, Error> {
    let note = Note::new("was wrong");
    world.service.revoke_binding(world.acme.manager, &world.acme.workspace, id, Some(&note)).await
}

async fn lookup(world: &Installation, keys: &[String]) -> Vec<LookupAnswer> {
    let acme = &world.acme;
    world.service.lookup(acme.readonly, &acme.workspace, acme.environment_id, keys, None).await.unwrap()
}

/// A request that the mode's own rules allow.
fn of_mode(mode: ResolutionMode, key: &str) -> CreateBinding {
    let mut request = exclusion(key);
    request.mode = mode;
    if mode == ResolutionMode::ManualBinding {
        request.resource = Some(ResourceRef::Descriptor(Box::new(widget("R-1"))));
    }
    request
}

fn succession(mode: ResolutionMode) -> SupersedeBinding {
    let mut request = SupersedeBinding::new(mode);
    request.note = Some(Note::new("now differently"));
    request
}

fn code(outcome: Result<Binding, Error>) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().to_owned(),
    }
}

#[test]
fn each_operator_mode_is_stored_as_decided_and_reads_back() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        for (number, mode) in OPERATOR_MODES.into_iter().enumerate() {
            let subject = key(&number.to_string());
            let mut request = of_mode(mode, &subject);
            request.reason = Some("agreed-with-team".to_owned());
            request.legacy_subject_key = Some(LegacySubjectKey::new(" Old\u{1}Name\u{301} "));
            let made = create(&world, &request).await.unwrap();
            assert_eq!(made.mode, mode);
            assert_eq!(made.status(), BindingStatus::Active);
            assert_eq!(made.canonical_subject_key.as_str(), subject);
            assert_eq!(made.subject_class, SubjectClass::Policy);
            assert_eq!(
                (made.provider_key.as_str(), made.subject_domain.as_str(), made.subject_type_key.as_str()),
                ("fake", "things", "widgetPolicy")
            );
            assert_eq!(made.environment_id, acme.environment_id);
            assert_eq!(made.workspace_id, acme.workspace_id);
            assert_eq!(made.note, Some(Note::new("not ours to govern")));
            assert_eq!(made.reason.as_deref(), Some("agreed-with-team"));
            assert_eq!(made.legacy_subject_key, Some(LegacySubjectKey::new(" Old\u{1}Name\u{301} ")));
            assert_eq!(made.decided_by, Decider::Operator(acme.manager.user_id()));
            let bound = made.resource.as_ref().map(|resource| resource.key.as_str().to_owned());
            assert_eq!(bound, (mode == ResolutionMode::ManualBinding).then(|| key("R-1")));
            let read = world.service.binding(acme.readonly, &acme.workspace, made.id).await.unwrap();
            assert_eq!(read, made);
        }
    });
}

#[test]
fn automatic_modes_are_the_systems_alone_and_only_ever_create() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let system = SystemActor::of_the_host();
        let automatic = async |request: &CreateBinding| {
            world.service.create_automatic_binding(&system, acme.workspace_id, acme.environment_id, request).await
        };
        let mut exact =
            CreateBinding::new(ResolutionMode::ExactProviderIdentity, SubjectRef::Descriptor(Box::new(widget("1"))));
        exact.resource = Some(ResourceRef::Descriptor(Box::new(widget("1"))));
        exact.reason = Some("same-id".to_owned());
        let made = automatic(&exact).await.unwrap();
        assert_eq!((made.decided_by, made.note), (Decider::System, None));

        for (class, mode) in [
            ("builtin", ResolutionMode::CanonicalBuiltin),
            ("default", ResolutionMode::CanonicalBuiltin),
            ("virtual-target", ResolutionMode::CanonicalVirtualTarget),
        ] {
            let subject = format!("provider:fake:{class}:w:w:disc:all");
            let mut request = CreateBinding::new(mode, SubjectRef::Key(subject));
            request.subject_domain = Some("things".to_owned());
            request.reason = Some("known-everywhere".to_owned());
            assert_eq!(automatic(&request).await.unwrap().mode, mode);
        }

        // A person cannot use an automatic mode, nor the system one of theirs.
        let mut by_hand = exact.clone();
        by_hand.note = Some(Note::new("by hand"));
        assert_eq!(code(create(&world, &by_hand).await), "mode-not-allowed");
        assert_eq!(code(automatic(&exclusion(&key("2"))).await), "mode-not-allowed");

        // It never replaces what somebody decided.
        let theirs = world.excluded(&key("3")).await;
        exact.subject = SubjectRef::Descriptor(Box::new(widget("3")));
        exact.resource = Some(ResourceRef::Descriptor(Box::new(widget("3"))));
        let refusal = automatic(&exact).await.unwrap_err();
        let expected = Conflict::ActiveBindingExists { active_binding_id: Some(theirs.id) };
        assert!(matches!(refusal, Error::Conflict(conflict) if conflict == expected), "{refusal:?}");
        // And an operator may replace what it decided.
        let mut request = succession(ResolutionMode::AcceptedLimitation);
        request.resource = None;
        assert_eq!(supersede(&world, made.id, &request).await.unwrap().supersedes_binding_id, Some(made.id));
    });
}

#[test]
fn no_room_of_a_person_can_make_the_systems_actor() {
    let sources = listing::files(&listing::root()).unwrap();
    let naming = |names: &[&str]| -> Vec<String> {
        let ours = sources.iter().filter(|file| file.path.starts_with("host/src/"));
        let naming = ours.filter(|file| names.iter().any(|name| file.text.contains(name)));
        naming.map(|file| file.path.trim_start_matches("host/src/").to_owned()).collect()
    };
    let rooms = ["actor.rs", "service/binding.rs", "service/collection.rs", "service/mod.rs", "service/run.rs"];
    let rooms = [&rooms[..], &["service/work.rs", "worker.rs"]].concat();
    assert_eq!(naming(&["SystemActor", "create_automatic_binding"]), rooms);
    // Of those, the one that is nobody's errand.
    assert_eq!(naming(&["of_the_host"]), ["actor.rs", "worker.rs"]);
}

#[test]
fn a_subject_named_three_ways_is_one_subject() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let item = import_one(&world, acme, "A:1").await;
        let by_key = world.excluded(&key("A%3A1")).await;
        for subject in [SubjectRef::InventoryItem(item), SubjectRef::Descriptor(Box::new(widget("A:1")))] {
            let mut request = exclusion("");
            request.subject = subject;
            request.subject_domain = None;
            let refusal = create(&world, &request).await.unwrap_err();
            let expected = Conflict::ActiveBindingExists { active_binding_id: Some(by_key.id) };
            assert!(matches!(refusal, Error::Conflict(conflict) if conflict == expected), "{refusal:?}");
        }
        revoke(&world, by_key.id).await.unwrap();
        let mut request = exclusion("");
        request.subject = SubjectRef::InventoryItem(item);
        request.subject_domain = None;
        let made = create(&world, &request).await.unwrap();
        assert_eq!(made.canonical_subject_key, by_key.canonical_subject_key);
        assert_eq!(made.subject_domain, "things");
        assert_eq!(made.sources.inventory_item_id, Some(item), "the item it was made from is its source");
    });
}

async fn import_one(world: &Installation, tenant: &Tenant, id: &str) -> Uuid {
    let mut import =
        world.service.begin_import(tenant.manager, &tenant.workspace, tenant.environment_id, None).await.unwrap();
    world.service.import_chunk(&mut import, &[Ok((0, widget(id)))]).await.unwrap();
    world.service.finish_import(&import).await.unwrap();
    let page = world
        .service
        .inventory(
            tenant.manager,
            &tenant.workspace,
            tenant.environment_id,
            &provident::inventory::InventoryFilter::default(),
            PageRequest::default(),
        )
        .await
        .unwrap();
    let found = page.items.iter().find(|item| item.identity.provider_resource_id.as_deref() == Some(id));
    found.unwrap().id
}

#[test]
fn a_domain_is_known_given_or_required() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let with = |domain: Option<&str>, subject: SubjectRef| {
            let mut request = exclusion("");
            request.subject = subject;
            request.subject_domain = domain.map(str::to_owned);
            request
        };
        let bare = || SubjectRef::Key(key("1"));
        let described = || SubjectRef::Descriptor(Box::new(widget("1")));
        for (expected, request) in [
            ("subject-domain-required", with(None, bare())),
            ("bad-subject-domain", with(Some("Things"), bare())),
            ("bad-subject-domain", with(Some(""), bare())),
            ("subject-domain-mismatch", with(Some("places"), described())),
            ("ok", with(Some("things"), described())),
        ] {
            assert_eq!(code(create(&world, &request).await), expected);
        }
        // Every class and form of a bare key can have a domain.
        for subject in [
            "provider:fake:foundation:z:z:ext:K%C3%B6ln",
            "provider:fake:unknown:z:z:disc:some",
            "provider:fake:unsupported:z:z:ext:1",
            "provider:fake:builtin:z:z:disc:some",
            "provider:fake:assignment-target:z:z:id:1",
        ] {
            assert_eq!(code(create(&world, &with(Some("places"), SubjectRef::Key(subject.to_owned()))).await), "ok");
        }
    });
}

#[test]
fn a_resource_named_three_ways_is_one_resource() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let item = import_one(&world, &world.acme, "R").await;
        let resources = [
            ResourceRef::Key(key("R")),
            ResourceRef::InventoryItem(item),
            ResourceRef::Descriptor(Box::new(widget("R"))),
        ];
        for (number, resource) in resources.into_iter().enumerate() {
            let mut request = of_mode(ResolutionMode::ManualBinding, &key(&number.to_string()));
            request.resource = Some(resource);
            let bound = create(&world, &request).await.unwrap().resource.unwrap();
            assert_eq!(bound.key.as_str(), key("R"));
            assert_eq!((bound.resource_type.as_str(), bound.provider_resource_id.as_deref()), ("widget", Some("R")));
        }
    });
}

#[test]
fn the_component_judges_before_anything_is_written() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let before = world.count("audit_events").await;
        let mut request = of_mode(ResolutionMode::MissingExpected, &key("1"));
        request.resource = Some(ResourceRef::Key("provider:other:policy:w:w:id:1".to_owned()));
        request.note = Some(Note::new(" \n\u{2003} "));
        request.reason = Some("Not A Code".to_owned());
        let Error::Refused(errors) = create(&world, &request).await.unwrap_err() else { panic!("not refused") };
        let codes: Vec<ErrorCode> = errors.iter().map(|error| error.code).collect();
        assert_eq!(
            codes,
            [
                ErrorCode::ResourceNotAllowed,
                ErrorCode::ResourceProviderMismatch,
                ErrorCode::NoteRequired,
                ErrorCode::BadReason
            ]
        );
        for (expected, field, request) in [
            ("unknown-scheme", "subject", exclusion("nothing")),
            ("non-canonical-escape", "subject", exclusion(&key("%3a"))),
            ("key-too-long", "subject", exclusion(&key(&"x".repeat(3_000_000)))),
            ("resource-required", "resource", {
                let mut request = of_mode(ResolutionMode::ManualBinding, &key("1"));
                request.resource = None;
                request
            }),
            ("wrong-arity", "resource", {
                let mut request = of_mode(ResolutionMode::ManualBinding, &key("1"));
                request.resource = Some(ResourceRef::Key("provider:fake".to_owned()));
                request
            }),
            ("note-too-long", "note", {
                let mut request = exclusion(&key("1"));
                request.note = Some(Note::new("ö".repeat(2_001)));
                request
            }),
            ("note-too-long", "note", {
                let mut request = exclusion(&key("1"));
                request.note = Some(Note::new("ö".repeat(5_000_000)));
                request
            }),
            ("control-character", "note", {
                let mut request = exclusion(&key("1"));
                request.note = Some(Note::new("a\0b"));
                request
            }),
        ] {
            let Error::Refused(errors) = create(&world, &request).await.unwrap_err() else { panic!("not refused") };
            assert_eq!((errors[0].code.as_str(), errors[0].field.as_str()), (expected, field));
        }
        assert_eq!(world.count("provider_resource_bindings").await, 0);
        assert_eq!(world.count("audit_events").await, before, "a request that cannot be right leaves no event");
    });
}

#[test]
fn a_note_is_stored_as_it_was_judged() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let mut request = exclusion(&key("1"));
        request.note = Some(Note::new(" \r\nfirst\r\nsecond\rthird\t\u{3000}"));
        assert_eq!(create(&world, &request).await.unwrap().note, Some(Note::new("first\nsecond\nthird")));
        request = exclusion(&key("2"));
        request.note = Some(Note::new("\u{1f600}".repeat(2_000)));
        assert_eq!(create(&world, &request).await.unwrap().note, request.note);
    });
}

#[test]
fn a_former_key_is_kept_byte_for_byte_or_refused() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        for (number, (expected, legacy)) in [
            ("ok", String::new()),
            ("ok", "  \n é\u{301} ".to_owned()),
            ("ok", "x".repeat(2_048)),
            ("legacy-key-too-long", "x".repeat(2_049)),
            ("legacy-key-not-storable", "a\0b".to_owned()),
        ]
        .into_iter()
        .enumerate()
        {
            let mut request = exclusion(&key(&number.to_string()));
            request.legacy_subject_key = Some(LegacySubjectKey::new(legacy.clone()));
            let outcome = create(&world, &request).await;
            if let Ok(made) = &outcome {
                assert_eq!(made.legacy_subject_key.as_ref().map(LegacySubjectKey::as_str), Some(legacy.as_str()));
            }
            assert_eq!(code(outcome), expected);
        }
    });
}

#[test]
fn superseding_inherits_what_is_not_given_and_times_touch() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let connection = fresh_id();
        world.connection(acme, acme.environment_id, "fake", connection).await;
        let mut request = of_mode(ResolutionMode::ManualBinding, &key("1"));
        request.legacy_subject_key = Some(LegacySubjectKey::new("old name"));
        request.provider_connection_id = Some(connection);
        request.reason = Some("first-reason".to_owned());
        let first = create(&world, &request).await.unwrap();

        let second = supersede(&world, first.id, &succession(ResolutionMode::AcceptedLimitation)).await.unwrap();
        assert_eq!(second.supersedes_binding_id, Some(first.id));
        assert_eq!(second.canonical_subject_key, first.canonical_subject_key);
        assert_eq!(second.subject_domain, first.subject_domain);
        assert_eq!(second.legacy_subject_key, first.legacy_subject_key);
        assert_eq!(second.provider_connection_id, Some(connection));
        assert_eq!((second.resource.as_ref(), second.reason.as_deref()), (None, None));
        assert_eq!(second.sources, Sources::default());
        assert_eq!(second.note, Some(Note::new("now differently")));

        let ended = world.service.binding(acme.readonly, &acme.workspace, first.id).await.unwrap();
        assert_eq!(ended.ending, Some(Ending::Superseded { at: second.decided_at }));
        assert!(second.decided_at > first.decided_at);
        assert_eq!(ended.note, first.note, "the ended row keeps its own note");

        let history = world
            .service
            .history_of_binding(acme.readonly, &acme.workspace, first.id, PageRequest::default())
            .await
            .unwrap();
        assert_eq!(history.items, [second.clone(), ended]);
        let by_key = world
            .service
            .history_of_subject(acme.readonly, &acme.workspace, acme.environment_id, &key("1"), PageRequest::default())
            .await
            .unwrap();
        assert_eq!(by_key, history);
        let mut pages = Vec::new();
        let mut after = None;
        loop {
            let request = PageRequest::new(1, after);
            let page =
                world.service.history_of_binding(acme.readonly, &acme.workspace, second.id, request).await.unwrap();
            pages.extend(page.items);
            assert!(pages.len() <= history.items.len(), "a page forgot its place");
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(pages, history.items);
    });
}

#[test]
fn superseding_keeps_its_subject_and_needs_its_own_note() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let first = world.excluded(&key("1")).await;
        let mut request = succession(ResolutionMode::AcceptedLimitation);
        request.subject = Some(SubjectRef::Key(key("2")));
        assert_eq!(code(supersede(&world, first.id, &request).await), "subject-mismatch");
        request.subject = Some(SubjectRef::Descriptor(Box::new(widget("1"))));
        request.note = None;
        assert_eq!(code(supersede(&world, first.id, &request).await), "note-required");
        request.note = Some(Note::new("because"));
        request.subject_domain = Some("places".to_owned());
        assert_eq!(code(supersede(&world, first.id, &request).await), "subject-domain-mismatch");
        request.subject = None;
        let second = supersede(&world, first.id, &request).await.unwrap();
        assert_eq!(second.subject_domain, "places", "given, it is not inherited");
    });
}

#[test]
fn revoking_needs_a_note_and_writes_the_end_once() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let made = world.excluded(&key("1")).await;
        for note in [None, Some(Note::new(" \t "))] {
            let refused = world.service.revoke_binding(acme.manager, &acme.workspace, made.id, note.as_ref()).await;
            assert_eq!(code(refused), "note-required");
        }
        let revoked = revoke(&world, made.id).await.unwrap();
        let Some(Ending::Revoked { at, by_user_id, note }) = revoked.ending.clone() else { panic!("not revoked") };
        assert!(at > made.decided_at);
        assert_eq!((by_user_id, note), (acme.manager.user_id(), Note::new("was wrong")));
        assert_eq!(revoked.note, made.note);
        assert_eq!(world.service.binding(acme.readonly, &acme.workspace, made.id).await.unwrap(), revoked);
        // A new decision begins no earlier than the old one ended.
        let again = world.excluded(&key("1")).await;
        assert!(again.decided_at >= at);
        assert_eq!(again.supersedes_binding_id, None);
    });
}

#[test]
fn what_has_ended_cannot_be_ended_and_names_the_active_one() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let first = world.excluded(&key("1")).await;
        let second = supersede(&world, first.id, &succession(ResolutionMode::AcceptedLimitation)).await.unwrap();
        let stale = |active| Conflict::StaleBinding { active_binding_id: active };
        let conflict = |outcome: Result<Binding, Error>| match outcome.unwrap_err() {
            Error::Conflict(conflict) => conflict,
            other => panic!("{other:?}"),
        };
        let again = succession(ResolutionMode::AcceptedLimitation);
        assert_eq!(conflict(supersede(&world, first.id, &again).await), stale(Some(second.id)));
        assert_eq!(conflict(revoke(&world, first.id).await), stale(Some(second.id)));
        revoke(&world, second.id).await.unwrap();
        assert_eq!(conflict(supersede(&world, second.id, &again).await), stale(None));
        assert_eq!(conflict(revoke(&world, first.id).await), stale(None));
    });
}

#[test]
fn two_connections_of_one_subject_do_not_mix() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let (one, two, other, foreign) = (fresh_id(), fresh_id(), fresh_id(), fresh_id());
        world.connection(acme, acme.environment_id, "fake", one).await;
        world.connection(acme, acme.environment_id, "fake", two).await;
        world.connection(acme, acme.environment_id, "ledger", other).await;
        world.connection(acme, acme.hidden_environment_id, "fake", foreign).await;
        let on = |subject: &str, connection| {
            let mut request = exclusion(&key(subject));
            request.provider_connection_id = Some(connection);
            request
        };
        let made = create(&world, &on("1", one)).await.unwrap();
        let refusal = create(&world, &on("1", two)).await.unwrap_err();
        let expected = Conflict::ConnectionMismatch { active_binding_id: made.id };
        assert!(matches!(refusal, Error::Conflict(conflict) if conflict == expected), "{refusal:?}");
        assert_eq!(code(create(&world, &on("1", one)).await), "active-binding-exists");
        assert_eq!(code(create(&world, &exclusion(&key("1"))).await), "active-binding-exists");
        let mut request = succession(ResolutionMode::AcceptedLimitation);
        request.provider_connection_id = Some(two);
        assert_eq!(code(supersede(&world, made.id, &request).await), "connection-mismatch");
        assert_eq!(code(create(&world, &on("2", other)).await), "connection-provider-mismatch");
        assert_eq!(code(create(&world, &on("2", foreign)).await), "source-out-of-scope");
        assert_eq!(code(create(&world, &on("2", fresh_id())).await), "source-out-of-scope");
    });
}

#[test]
fn sources_are_the_environments_own() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let (here, hidden) = (acme.environment_id, acme.hidden_environment_id);
        let mut raw = world.raw().await;
        let mut own = Vec::new();
        for table in ["operation_runs", "inventory_items", "policy_versions"] {
            let (mine, theirs) = (fresh_id(), fresh_id());
            world.row(acme, here, table).with("id", mine).insert(&mut raw).await.unwrap();
            world.row(acme, hidden, table).with("id", theirs).insert(&mut raw).await.unwrap();
            own.push((mine, theirs));
        }
        raw.close().await.unwrap();
        let (assigned, elsewhere) = (fresh_id(), fresh_id());
        world.snapshot(acme, assigned, fresh_id(), &[here]).await;
        world.snapshot(acme, elsewhere, fresh_id(), &[hidden]).await;
        own.push((assigned, elsewhere));

        let name = |which: usize, id| match which {
            0 => Sources { operation_run_id: Some(id), ..Sources::default() },
            1 => Sources { inventory_item_id: Some(id), ..Sources::default() },
            2 => Sources { policy_version_id: Some(id), ..Sources::default() },
            _ => Sources { baseline_snapshot_id: Some(id), ..Sources::default() },
        };
        let fields = [
            "source_operation_run_id",
            "source_inventory_item_id",
            "source_policy_version_id",
            "source_baseline_snapshot_id",
        ];
        for (which, (mine, theirs)) in own.into_iter().enumerate() {
            for wrong in [theirs, fresh_id()] {
                let mut request = exclusion(&key(fields[which]));
                request.sources = name(which, wrong);
                let Error::Invalid(invalid) = create(&world, &request).await.unwrap_err() else { panic!("taken") };
                assert_eq!((invalid.code, invalid.field), ("source-out-of-scope", fields[which]));
            }
            let mut request = exclusion(&key(fields[which]));
            request.sources = name(which, mine);
            let made = create(&world, &request).await.unwrap();
            assert_eq!(made.sources, name(which, mine));
        }
        // The assignment is ended: the snapshot no longer counts.
        let mut raw = world.raw().await;
        raw.execute("UPDATE baseline_assignments SET ended_at = created_at").await.unwrap();
        raw.close().await.unwrap();
        let mut request = exclusion(&key("later"));
        request.sources = name(3, assigned);
        assert_eq!(code(create(&world, &request).await), "source-out-of-scope");
        // An item of another environment names neither subject nor resource.
        let theirs = {
            let mut raw = world.raw().await;
            let id = fresh_id();
            world.row(acme, hidden, "inventory_items").with("id", id).insert(&mut raw).await.unwrap();
            raw.close().await.unwrap();
            id
        };
        let mut request = exclusion("");
        request.subject = SubjectRef::InventoryItem(theirs);
        assert_eq!(code(create(&world, &request).await), "source-out-of-scope");
        let mut request = of_mode(ResolutionMode::ManualBinding, &key("x"));
        request.resource = Some(ResourceRef::InventoryItem(theirs));
        assert_eq!(code(create(&world, &request).await), "source-out-of-scope");
    });
}

#[test]
fn a_lookup_answers_every_key_in_order_and_never_yes() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let active = world.excluded(&key("active")).await;
        let revoked = world.excluded(&key("revoked")).await;
        revoke(&world, revoked.id).await.unwrap();
        let again = world.excluded(&key("again")).await;
        let last = supersede(&world, again.id, &succession(ResolutionMode::AcceptedLimitation)).await.unwrap();
        revoke(&world, last.id).await.unwrap();
        let keys = ["never", "active", "revoked", "again", "active"].map(key);
        let mut asked = keys.to_vec();
        asked.insert(2, "not a key".to_owned());
        asked.push("x".repeat(3_000_000));
        let answers = lookup(&world, &asked).await;
        assert_eq!(answers.len(), 7);
        assert_eq!(answers[0], LookupAnswer::None);
        assert_eq!(answers[1], LookupAnswer::Active { binding: Box::new(active.clone()) });
        assert!(matches!(&answers[2], LookupAnswer::Refused { error } if error.code == ErrorCode::UnknownScheme));
        assert_eq!(answers[3], LookupAnswer::Ended { status: BindingStatus::Revoked, binding_id: revoked.id });
        assert_eq!(answers[4], LookupAnswer::Ended { status: BindingStatus::Revoked, binding_id: last.id });
        assert_eq!(answers[5], answers[1]);
        assert!(matches!(&answers[6], LookupAnswer::Refused { error } if error.code == ErrorCode::KeyTooLong));
        assert!(lookup(&world, &[]).await.is_empty());
        // In another environment nothing is known of it.
        let acme = &world.acme;
        let elsewhere =
            world.service.lookup(acme.owner, &acme.workspace, acme.hidden_environment_id, &keys, None).await.unwrap();
        assert!(elsewhere.iter().all(|answer| *answer == LookupAnswer::None));
    });
}

#[test]
fn a_lookup_takes_ten_thousand_keys_and_no_more() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let made = world.excluded(&key("7777")).await;
        let mut keys: Vec<String> = (0..10_000).map(|number| key(&number.to_string())).collect();
        let answers = lookup(&world, &keys).await;
        for (number, answer) in answers.iter().enumerate() {
            let expected = number == 7_777;
            assert_eq!(matches!(answer, LookupAnswer::Active { binding } if binding.id == made.id), expected);
        }
        keys.push(key("10000"));
        let refused =
            world.service.lookup(acme.readonly, &acme.workspace, acme.environment_id, &keys, None).await.unwrap_err();
        assert_eq!(refused.code(), "too-many-keys");
    });
}

#[test]
fn a_list_narrows_by_every_filter_and_pages_hold_still() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let connection = fresh_id();
        world.connection(acme, acme.environment_id, "fake", connection).await;
        let list = async |filter: &BindingFilter, page: PageRequest| {
            world.service.bindings(acme.readonly, &acme.workspace, acme.environment_id, filter, page).await.unwrap()
        };
        let mut made = Vec::new();
        for (number, mode) in OPERATOR_MODES.into_iter().enumerate() {
            let mut request = of_mode(mode, &key(&number.to_string()));
            request.subject_domain = Some(if number < 2 { "things" } else { "places" }.to_owned());
            request.provider_connection_id = (number == 3).then_some(connection);
            request.legacy_subject_key = (number == 4).then(|| LegacySubjectKey::new("Ünïque"));
            made.push(create(&world, &request).await.unwrap());
        }
        let other = create(&world, &exclusion("provider:ledger:foundation:z:z:id:1")).await.unwrap();
        revoke(&world, made[0].id).await.unwrap();
        let item = import_one(&world, acme, "I").await;
        let mut request = exclusion("");
        request.subject = SubjectRef::InventoryItem(item);
        request.subject_domain = None;
        let from_item = create(&world, &request).await.unwrap();

        let ids = async |filter: BindingFilter| -> Vec<Uuid> {
            let page = list(&filter, PageRequest::default()).await;
            let mut ids: Vec<Uuid> = page.items.iter().map(|binding| binding.id).collect();
            ids.sort();
            ids
        };
        let sorted = |mut ids: Vec<Uuid>| {
            ids.sort();
            ids
        };
        let any = BindingFilter::default;
        assert_eq!(ids(any()).await.len(), 7);
        assert_eq!(ids(BindingFilter { provider_key: Some("ledger".into()), ..any() }).await, [other.id]);
        assert_eq!(ids(BindingFilter { provider_connection_id: Some(connection), ..any() }).await, [made[3].id]);
        assert_eq!(ids(BindingFilter { canonical_subject_key: Some(key("2")), ..any() }).await, [made[2].id]);
        assert_eq!(ids(BindingFilter { status: Some(BindingStatus::Revoked), ..any() }).await, [made[0].id]);
        let excluded = Some(ResolutionMode::ExcludedNonGoverned);
        assert_eq!(
            ids(BindingFilter { mode: excluded, ..any() }).await,
            sorted(vec![made[1].id, other.id, from_item.id])
        );
        let class = Some(SubjectClass::Foundation);
        assert_eq!(ids(BindingFilter { subject_class: class, ..any() }).await, [other.id]);
        let domain = Some("places".to_owned());
        let places = sorted(vec![made[2].id, made[3].id, made[4].id]);
        assert_eq!(ids(BindingFilter { subject_domain: domain, ..any() }).await, places);
        let legacy = |text: &str| BindingFilter { legacy_subject_key: Some(LegacySubjectKey::new(text)), ..any() };
        assert_eq!(ids(legacy("Ünïque")).await, [made[4].id]);
        assert!(ids(legacy("ünïque")).await.is_empty());
        assert!(ids(legacy("Ünïque\0")).await.is_empty());
        let sources = Sources { inventory_item_id: Some(item), ..Sources::default() };
        assert_eq!(ids(BindingFilter { sources, ..any() }).await, [from_item.id]);
        for sources in [
            Sources { operation_run_id: Some(item), ..Sources::default() },
            Sources { policy_version_id: Some(item), ..Sources::default() },
            Sources { baseline_snapshot_id: Some(item), ..Sources::default() },
        ] {
            assert!(ids(BindingFilter { sources, ..any() }).await.is_empty());
        }

        // Newest first; what comes later shows on no page already begun.
        let all = list(&any(), PageRequest::default()).await.items;
        let first = list(&any(), PageRequest::new(3, None)).await;
        world.excluded(&key("later")).await;
        let mut seen = first.items;
        let mut next = first.next;
        while let Some(after) = next {
            let page = list(&any(), PageRequest::new(3, Some(after))).await;
            seen.extend(page.items);
            assert!(seen.len() <= all.len(), "a page forgot its place");
            next = page.next;
        }
        assert_eq!(seen, all);
    });
}

#[test]
fn of_many_first_writers_one_wins_and_the_others_are_told_who() {
    on_both_engines(|database| async {
        let world = Arc::new(Installation::on(database).await);
        for round in 0..5 {
            let subject = key(&round.to_string());
            let tasks: Vec<_> = (0..12)
                .map(|_| {
                    let (world, request) = (Arc::clone(&world), exclusion(&subject));
                    tokio::spawn(async move { create(&world, &request).await })
                })
                .collect();
            let mut won = Vec::new();
            let mut told = Vec::new();
            for task in tasks {
                match task.await.unwrap() {
                    Ok(binding) => won.push(binding.id),
                    Err(Error::Conflict(Conflict::ActiveBindingExists { active_binding_id })) => {
                        told.push(active_binding_id);
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            assert_eq!((won.len(), told.len()), (1, 11));
            assert!(told.iter().all(|told| *told == Some(won[0])));
        }
    });
}

#[test]
fn of_many_superseders_one_wins_and_the_others_come_too_late() {
    on_both_engines(|database| async {
        let world = Arc::new(Installation::on(database).await);
        let first = world.excluded(&key("1")).await;
        let tasks: Vec<_> = (0..12)
            .map(|number| {
                let (world, id) = (Arc::clone(&world), first.id);
                tokio::spawn(async move {
                    if number % 3 == 0 {
                        revoke(&world, id).await
                    } else {
                        supersede(&world, id, &succession(ResolutionMode::AcceptedLimitation)).await
                    }
                })
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        let active = lookup(&world, &[key("1")]).await;
        for outcome in outcomes {
            if let Err(error) = outcome {
                let Error::Conflict(Conflict::StaleBinding { active_binding_id }) = error else { panic!("{error:?}") };
                let expected = match &active[0] {
                    LookupAnswer::Active { binding } => Some(binding.id),
                    _ => None,
                };
                assert_eq!(active_binding_id, expected);
            }
        }
    });
}

#[test]
fn notes_labels_and_former_keys_show_in_no_debug_output_and_no_error() {
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let canary = "CANARY-7f3a";
        let mut labelled = widget("1");
        labelled.display_label = Some(canary.to_owned());
        let mut request = exclusion("");
        request.subject = SubjectRef::Descriptor(Box::new(labelled.clone()));
        request.resource = Some(ResourceRef::Descriptor(Box::new(labelled)));
        request.note = Some(Note::new(canary));
        request.legacy_subject_key = Some(LegacySubjectKey::new(canary));
        assert!(!format!("{request:?}").contains(canary));
        let mut succession = succession(ResolutionMode::AcceptedLimitation);
        succession.note = Some(Note::new(canary));
        succession.legacy_subject_key = Some(LegacySubjectKey::new(canary));
        assert!(!format!("{succession:?}").contains(canary));

        let made = create(&world, &request).await.unwrap();
        assert!(!format!("{made:?} {:?}", world.service).contains(canary));
        let mut errors = vec![create(&world, &request).await.unwrap_err()];
        request.mode = ResolutionMode::MissingExpected;
        errors.push(create(&world, &request).await.unwrap_err());
        request.note = Some(Note::new(format!("{canary}\u{1}")));
        errors.push(create(&world, &request).await.unwrap_err());
        request.legacy_subject_key = Some(LegacySubjectKey::new(format!("{canary}\0")));
        request.mode = ResolutionMode::ExcludedNonGoverned;
        request.note = Some(Note::new(canary));
        errors.push(create(&world, &request).await.unwrap_err());
        for error in errors {
            assert!(!format!("{error:?} {error}").contains(canary), "{}", error.code());
        }
        for table in ["audit_events", "audit_heads"] {
            assert!(!world.dump(table).await.concat().contains(canary));
        }
    });
}

#[test]
fn a_note_is_not_quoted_when_the_database_refuses_its_row() {
    // PostgreSQL's own words quote the whole row; SQLite is made to fail as it can.
    on_both_engines(|database| async {
        let world = Installation::on(database).await;
        let mut raw = world.raw().await;
        let broken = match raw.engine() {
            Engine::Postgres => {
                "ALTER TABLE provider_resource_bindings ADD CONSTRAINT ck_never CHECK (operator_note NOT LIKE 'CANARY%')"
            }
            Engine::Sqlite => "DROP INDEX ux_bindings_active",
        };
        raw.execute(broken).await.unwrap();
        raw.close().await.unwrap();
        let mut request = exclusion(&key("1"));
        request.note = Some(Note::new("CANARY-7f3a"));
        let error = create(&world, &request).await.unwrap_err();
        assert_eq!(error.code(), "database-refused");
        assert!(!format!("{error:?} {error}").contains("CANARY-7f3a"));
        assert_eq!(world.count("provider_resource_bindings").await, 0);
    });
}
