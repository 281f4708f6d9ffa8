//! Imports into the inventory, on both engines: what is added, changed, unchanged and refused; that what is observed
//! is kept and nothing else; that nothing is ever dropped.
#![cfg(test)]

use provident::error::Error;
use provident::inventory::{
    ImportCounts, ImportItem, ImportRefusal, InventoryFilter, InventoryItem, Label, ObservationStatus,
};
use provident::page::PageRequest;
use provident::policy::Role;
use provident::service::{ImportChunk, MAX_CHUNK_OBJECTS};
use provident_identity::{Adapter, ErrorCode, ProviderResourceDescriptor, SubjectClass, SupportLevel};
use provident_tests::database::{Engine, on_both_engines};
use provident_tests::installation::{Installation, exclusion, key, widget};
use provident_tests::rows::fresh_id;
use provident_tests::tables;

fn counts(added: u64, changed: u64, unchanged: u64, refused: u64) -> ImportCounts {
    ImportCounts { added, changed, unchanged, refused }
}

async fn import(world: &Installation, chunks: &[&[ImportItem]]) -> (ImportCounts, Vec<ImportRefusal>) {
    let acme = &world.acme;
    let mut import =
        world.service.begin_import(acme.manager, &acme.workspace, acme.environment_id, None).await.unwrap();
    let mut refusals = Vec::new();
    for chunk in chunks {
        let ImportChunk { counts, refusals: refused } = world.service.import_chunk(&mut import, chunk).await.unwrap();
        assert_eq!(counts.total(), u64::try_from(chunk.len()).unwrap(), "an answer for every object");
        refusals.extend(refused);
    }
    (world.service.finish_import(&import).await.unwrap(), refusals)
}

/// Every item, by the provider's id.
async fn inventory(world: &Installation) -> Vec<InventoryItem> {
    let acme = &world.acme;
    let filter = InventoryFilter::default();
    let page = PageRequest::new(500, None);
    let page =
        world.service.inventory(acme.readonly, &acme.workspace, acme.environment_id, &filter, page).await.unwrap();
    let mut items = page.items;
    items.sort_by(|one, other| one.identity.provider_resource_id.cmp(&other.identity.provider_resource_id));
    items
}

#[expect(clippy::unnecessary_wraps, reason = "an object as an import takes it")]
fn seen(position: u64, id: &str) -> ImportItem {
    Ok((position, widget(id)))
}

#[expect(clippy::unnecessary_wraps, reason = "an object as an import takes it")]
fn with(position: u64, id: &str, change: impl FnOnce(&mut ProviderResourceDescriptor)) -> ImportItem {
    let mut descriptor = widget(id);
    change(&mut descriptor);
    Ok((position, descriptor))
}

#[test]
fn an_import_says_what_is_new_what_changed_and_what_did_not() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let objects = [seen(0, "A"), seen(1, "B"), seen(2, "C"), seen(3, "D"), seen(4, "E")];
        assert_eq!(import(&world, &[&objects]).await, (counts(5, 0, 0, 0), vec![]));
        let first = inventory(&world).await;
        assert_eq!(first.len(), 5);
        for item in &first {
            assert_eq!(item.observation_status, ObservationStatus::Observed);
            assert_eq!(item.first_observed_at, item.last_observed_at);
            assert_eq!(item.identity, widget(item.identity.provider_resource_id.as_deref().unwrap()).identity);
        }
        // The same again: nothing changes but that it was seen again.
        assert_eq!(import(&world, &[&objects]).await.0, counts(0, 0, 5, 0));
        for (before, after) in first.iter().zip(inventory(&world).await) {
            assert!(after.last_observed_at > before.last_observed_at);
            assert_ne!(after.last_import_id, before.last_import_id);
            assert_eq!((after.first_observed_at, after.id), (before.first_observed_at, before.id));
        }
        // Label, fingerprint, digest: each alone is a change. What is not in the file stays as it is.
        let changed = [
            with(0, "A", |a| a.display_label = Some("Renamed".to_owned())),
            with(1, "B", |b| b.identity.fingerprint = Some("f-2".to_owned())),
            with(2, "C", |c| c.support_level = SupportLevel::InventoryOnly),
            with(3, "D", |d| d.display_label = None),
        ];
        let before = inventory(&world).await;
        assert_eq!(import(&world, &[&changed]).await.0, counts(0, 4, 0, 0));
        let after = inventory(&world).await;
        assert_eq!(format!("{:?}", before[4]), format!("{:?}", after[4]));
        assert_eq!(before[4].last_observed_at, after[4].last_observed_at);
        assert_eq!(after[4].observation_status, ObservationStatus::Observed, "a file marks nothing as gone");
        assert_eq!(after[0].display_label.as_ref().map(Label::as_str), Some("Renamed"));
        assert_eq!(after[0].descriptor_digest, before[0].descriptor_digest, "a label is no part of the digest");
        assert_eq!(after[1].identity.fingerprint.as_deref(), Some("f-2"));
        assert_eq!(after[2].support_level, SupportLevel::InventoryOnly);
        assert_ne!(after[2].descriptor_digest, before[2].descriptor_digest);
        assert_eq!(after[3].display_label, None);
        assert_eq!(import(&world, &[&changed]).await.0, counts(0, 0, 4, 0));
    });
}

#[test]
fn two_different_things_under_one_key_are_not_both_taken() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let other = |position| with(position, "A", |a| a.support_level = SupportLevel::Unsupported);
        let twin = |position| with(position, "A", |a| a.display_label = Some("Twin".to_owned()));
        let duplicate = |position, first| (position, Some(first), "duplicate-key".to_owned());
        let told = |refusals: &[ImportRefusal]| -> Vec<(u64, Option<u64>, String)> {
            refusals.iter().map(|it| (it.position, it.first_position, it.code.clone())).collect()
        };
        // Within a piece, across pieces, and for what was known before.
        for _ in 0..2 {
            let before = world.count("inventory_items").await;
            let (counts, refusals) =
                import(&world, &[&[seen(10, "A"), other(11), twin(12)], &[other(20), seen(21, "B")], &[other(30)]])
                    .await;
            let first = refusals.iter().map(|it| it.first_position).collect::<Vec<_>>();
            assert_eq!(first.len(), 3);
            let expected = vec![duplicate(11, 10), duplicate(20, first[1].unwrap()), duplicate(30, first[2].unwrap())];
            assert_eq!(told(&refusals), expected);
            assert!(first[1..].iter().all(|first| [Some(10), Some(12)].contains(first)));
            assert_eq!(counts.refused, 3);
            assert_eq!(counts.total(), 6);
            assert!(world.count("inventory_items").await >= before);
        }
        // In an import of its own it is a change like any other.
        assert_eq!(import(&world, &[&[other(0)]]).await.0, counts(0, 1, 0, 0));
        // Seen twice and both the same is no duplicate.
        assert_eq!(import(&world, &[&[seen(0, "X"), seen(1, "X")], &[seen(2, "X")]]).await.0, counts(1, 0, 2, 0));
    });
}

#[test]
fn what_is_refused_is_named_and_the_rest_goes_on() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let refused = ImportRefusal::new(1, ErrorCode::UnknownType, "kind", "no type");
        let objects = [
            seen(0, "A"),
            Err(refused.clone()),
            with(2, "B", |b| b.subject_domain = "Not A Domain".to_owned()),
            with(3, "C", |c| c.identity.provider_resource_id = None),
            with(4, "D", |d| d.identity.provider_resource_id = Some("x".repeat(2_000_000))),
            seen(5, "E"),
        ];
        let (counted, refusals) = import(&world, &[&objects]).await;
        assert_eq!(counted, counts(2, 0, 0, 4));
        let told: Vec<(u64, &str)> = refusals.iter().map(|it| (it.position, it.code.as_str())).collect();
        assert_eq!(
            told,
            [(1, "unknown-type"), (2, "bad-subject-domain"), (3, "missing-identity"), (4, "input-too-large")]
        );
        assert_eq!(refusals[0], refused);
        assert_eq!(inventory(&world).await.len(), 2);
    });
}

#[test]
fn a_piece_is_bounded_and_an_import_is_not() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let mut import =
            world.service.begin_import(acme.manager, &acme.workspace, acme.environment_id, None).await.unwrap();
        let piece = |from: usize, to: usize| -> Vec<ImportItem> {
            (from..to).map(|at| seen(u64::try_from(at).unwrap(), &at.to_string())).collect()
        };
        let refused = world.service.import_chunk(&mut import, &piece(0, MAX_CHUNK_OBJECTS + 1)).await.unwrap_err();
        assert_eq!(refused.code(), "import-chunk-too-large");
        for from in (0..2_000).step_by(MAX_CHUNK_OBJECTS) {
            world.service.import_chunk(&mut import, &piece(from, from + MAX_CHUNK_OBJECTS)).await.unwrap();
        }
        assert_eq!(world.service.import_chunk(&mut import, &[]).await.unwrap().counts, counts(0, 0, 0, 0));
        assert_eq!(import.totals(), counts(2_000, 0, 0, 0));
        // One more object, that says something else than the first of all.
        let other = [with(2_000, "0", |it| it.subject_domain = "places".to_owned())];
        let chunk = world.service.import_chunk(&mut import, &other).await.unwrap();
        assert_eq!(chunk.refusals[0].first_position, Some(0));
        let id = import.id();
        assert_eq!(world.service.finish_import(&import).await.unwrap(), counts(2_000, 0, 0, 1));

        let events = world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        let of_import: Vec<_> = events.iter().filter(|event| event.event.import_id == Some(id)).collect();
        let told: Vec<_> = of_import
            .iter()
            .map(|event| (event.event.action.as_str(), event.event.added_count, event.event.refused_count))
            .collect();
        let piece = ("inventory.imported", Some(500), Some(0));
        assert_eq!(told[..4], [piece; 4]);
        assert_eq!(told[4..6], [("inventory.imported", Some(0), Some(0)), ("inventory.imported", Some(0), Some(1))]);
        assert_eq!(told[6..], [("inventory.import-finished", Some(2_000), Some(1))]);

        // Every page of the list, once each.
        let (mut ids, mut after) = (std::collections::BTreeSet::new(), None);
        loop {
            let page = PageRequest::new(300, after);
            let filter = InventoryFilter::default();
            let page = world
                .service
                .inventory(acme.readonly, &acme.workspace, acme.environment_id, &filter, page)
                .await
                .unwrap();
            for item in &page.items {
                assert!(ids.insert(item.id), "twice");
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(ids.len(), 2_000);
    });
}

#[test]
fn authority_lost_during_an_import_ends_it() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let begin = || world.service.begin_import(acme.manager, &acme.workspace, acme.environment_id, None);
        let (mut one, two) = (begin().await.unwrap(), begin().await.unwrap());
        world.service.import_chunk(&mut one, &[seen(0, "A")]).await.unwrap();
        let theirs = acme.manager.user_id();
        world.service.change_member_role(acme.owner, &acme.workspace, theirs, Role::Readonly).await.unwrap();
        let refused = world.service.import_chunk(&mut one, &[seen(1, "B")]).await.unwrap_err();
        assert!(matches!(refused, Error::Forbidden));
        assert_eq!(one.totals(), counts(1, 0, 0, 0));
        world.service.end_entitlement(acme.owner, &acme.workspace, acme.environment_id, theirs).await.unwrap();
        assert!(matches!(world.service.finish_import(&two).await.unwrap_err(), Error::NotFound));
        let events = world.service.audit_events(acme.owner, &acme.workspace, None, 0, 500).await.unwrap();
        let denied: Vec<_> = events
            .iter()
            .filter_map(|event| Some((event.event.attempted_action.as_deref()?, event.event.denial.as_deref()?)))
            .collect();
        assert_eq!(denied, [("inventory.import", "forbidden"), ("inventory.finish-import", "not-found")]);
        assert_eq!(world.count("inventory_items").await, 1);
    });
}

#[test]
fn any_label_is_kept_as_far_as_a_label_goes() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let labelled = |position, id: &str, label: &str| {
            let label = label.to_owned();
            with(position, id, |it| it.display_label = Some(label))
        };
        let long = "ö".repeat(300);
        let objects = [
            labelled(0, "A", "a\0b"),
            labelled(1, "B", &long),
            labelled(2, "C", ""),
            labelled(3, "D", "  \n\u{202e}\u{fdd0} "),
        ];
        assert_eq!(import(&world, &[&objects]).await.0, counts(4, 0, 0, 0));
        assert_eq!(import(&world, &[&objects]).await.0, counts(0, 0, 4, 0), "kept as compared");
        let labels: Vec<Option<String>> = inventory(&world)
            .await
            .iter()
            .map(|item| item.display_label.as_ref().map(|label| label.as_str().to_owned()))
            .collect();
        assert_eq!(
            labels,
            [
                Some("a\u{fffd}b".to_owned()),
                Some("ö".repeat(254) + "…"),
                None,
                Some("  \n\u{202e}\u{fdd0} ".to_owned())
            ]
        );
    });
}

#[test]
fn an_inventory_is_narrowed_by_every_filter_and_an_item_shown_in_its_own_environment() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let objects = [
            seen(0, "A"),
            with(1, "B", |it| it.subject_domain = "places".to_owned()),
            with(2, "C", |it| it.subject_class = SubjectClass::Foundation),
            with(3, "D", |it| it.subject_type_key = "other".to_owned()),
            with(4, "E", |it| it.identity.provider_key = "ledger".to_owned()),
        ];
        import(&world, &[&objects]).await;
        let all = inventory(&world).await;
        let any = InventoryFilter::default;
        let list = async |filter: InventoryFilter| -> Vec<String> {
            let page = PageRequest::default();
            let page = world
                .service
                .inventory(acme.readonly, &acme.workspace, acme.environment_id, &filter, page)
                .await
                .unwrap();
            page.items.iter().map(|item| item.identity.provider_resource_id.clone().unwrap()).collect()
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(list(InventoryFilter { provider_key: text("ledger"), ..any() }).await, ["E"]);
        assert_eq!(list(InventoryFilter { subject_domain: text("places"), ..any() }).await, ["B"]);
        assert_eq!(list(InventoryFilter { subject_class: Some(SubjectClass::Foundation), ..any() }).await, ["C"]);
        assert_eq!(list(InventoryFilter { subject_type_key: text("other"), ..any() }).await, ["D"]);
        assert_eq!(list(InventoryFilter { canonical_subject_key: Some(key("A")), ..any() }).await, ["A"]);
        let gone = Some(ObservationStatus::NotObserved);
        assert!(list(InventoryFilter { observation_status: gone, ..any() }).await.is_empty());
        assert!(list(InventoryFilter { subject_type_key: text("a\0"), ..any() }).await.is_empty());

        let shown = world.service.inventory_item(acme.readonly, &acme.workspace, all[0].id).await.unwrap();
        assert_eq!(serde_json::to_value(&shown).unwrap(), serde_json::to_value(&all[0]).unwrap());
        let mut raw = world.raw().await;
        let hidden = fresh_id();
        let row = world.row(acme, acme.hidden_environment_id, "inventory_items").with("id", hidden);
        row.insert(&mut raw).await.unwrap();
        raw.close().await.unwrap();
        for id in [hidden, fresh_id()] {
            let refused = world.service.inventory_item(acme.readonly, &acme.workspace, id).await.unwrap_err();
            assert!(matches!(refused, Error::NotFound));
        }
        assert!(world.service.inventory_item(acme.owner, &acme.workspace, hidden).await.is_ok());
    });
}

#[test]
fn of_an_object_nothing_is_kept_but_what_inventory_lists() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let adapter = Adapter::embedded("fake").unwrap();
        let document = r#"{"items": [
            {"kind": "widget", "ref": "W-1", "title": "Label", "rev": "r1", "settings": {"secret": "CANARY-a"},
             "link": "https://example.test/?sig=CANARY-b", "CANARY-c": null, "notes": ["CANARY-d"]},
            {"kind": "widget", "settings": "CANARY-e"}
        ]}"#;
        let mut objects: Vec<ImportItem> = Vec::new();
        for answer in adapter.describe(document).unwrap() {
            objects.push(match answer {
                Ok(known) => Ok((u64::from(known.position), known.descriptor)),
                Err(refusal) => {
                    Err(ImportRefusal::new(u64::from(refusal.position), refusal.code, refusal.field, refusal.message))
                }
            });
        }
        // A descriptor's own words about where it came from are no inventory either.
        if let Some(Ok((_, descriptor))) = objects.first_mut() {
            descriptor.source_inventory_item_id = Some("CANARY-f".to_owned());
            descriptor.source_operation_run_id = Some("CANARY-g".to_owned());
            descriptor.source_policy_version_id = Some("CANARY-h".to_owned());
        }
        let digest = Some(format!("sha256:{}", adapter.sha256()));
        let mut import = world
            .service
            .begin_import(acme.manager, &acme.workspace, acme.environment_id, digest.clone())
            .await
            .unwrap();
        let chunk = world.service.import_chunk(&mut import, &objects).await.unwrap();
        assert_eq!(chunk.counts, counts(1, 0, 0, 1));
        world.service.finish_import(&import).await.unwrap();
        let item = inventory(&world).await.remove(0);
        assert_eq!(item.adapter_digest, digest);
        assert_eq!(item.display_label.as_ref().map(Label::as_str), Some("Label"));
        assert!(!format!("{item:?}").contains("Label"));

        for table in tables::all() {
            let dump = world.dump(table).await.concat();
            assert!(!dump.contains("CANARY"), "{table}");
        }
        if world.database.engine() == Engine::Sqlite {
            let mut searched = 0;
            for entry in std::fs::read_dir(world.database.file().parent().unwrap()).unwrap() {
                let bytes = std::fs::read(entry.unwrap().path()).unwrap();
                assert!(!bytes.windows(6).any(|window| window == b"CANARY"));
                searched += usize::from(bytes.windows(5).any(|window| window == b"Label"));
            }
            assert!(searched > 0, "what is kept is found there");
        }
    });
}

#[test]
fn a_binding_stands_whatever_the_inventory_says_later() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        import(&world, &[&[seen(0, "A")]]).await;
        let mut request = exclusion("");
        request.subject = provident::binding::SubjectRef::InventoryItem(inventory(&world).await[0].id);
        request.subject_domain = None;
        let made =
            world.service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await.unwrap();
        let before = world.dump("provider_resource_bindings").await;
        let renamed = [with(0, "A", |it| {
            it.display_label = Some("Renamed".to_owned());
            it.subject_domain = "places".to_owned();
        })];
        assert_eq!(import(&world, &[&renamed]).await.0, counts(0, 1, 0, 0));
        import(&world, &[&[seen(0, "B")]]).await;
        assert_eq!(world.dump("provider_resource_bindings").await, before);
        assert_eq!(world.service.binding(acme.readonly, &acme.workspace, made.id).await.unwrap(), made);
    });
}
