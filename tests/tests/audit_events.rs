//! What one mutation leaves in the audit trail: exactly one event, golden, the same on both engines. Every kind of
//! decision, with its sources and without, and what is denied.
#![cfg(test)]

use std::fmt::Write as _;

use provident::actor::{Actor, SystemActor};
use provident::audit::AuditEvent;
use provident::binding::{Binding, CreateBinding, Note, ResourceRef, Sources, SubjectRef, SupersedeBinding};
use provident::error::Error;
use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident_identity::ResolutionMode;
use provident_tests::database::on_both_engines;
use provident_tests::installation::{Installation, exclusion, key, widget};
use serde_json::Value;
use uuid::Uuid;

const OPERATOR_MODES: [ResolutionMode; 5] = [
    ResolutionMode::ManualBinding,
    ResolutionMode::ExcludedNonGoverned,
    ResolutionMode::AcceptedLimitation,
    ResolutionMode::UnsupportedCoverage,
    ResolutionMode::MissingExpected,
];

/// Where events are told of, one by one.
struct Golden<'a> {
    world: &'a Installation,
    /// Of the last event told of.
    number: i64,
    /// Ids and fingerprints, which are told of by when they were first met.
    met: Vec<Value>,
    text: String,
}

impl<'a> Golden<'a> {
    async fn begin(world: &'a Installation) -> Self {
        let mut golden = Self { world, number: 0, met: Vec::new(), text: String::new() };
        golden.number = golden.new_events().await.last().unwrap().number;
        golden
    }

    async fn new_events(&self) -> Vec<AuditEvent> {
        let (service, acme) = (&self.world.service, &self.world.acme);
        let events = service.audit_events(acme.owner, &acme.workspace, None, self.number, 500).await.unwrap();
        events.into_iter().map(|chained| chained.event).collect()
    }

    /// Writes the one event that came since the last: members that are not null, but what every event has.
    async fn tells(&mut self, what: &str) {
        let events = self.new_events().await;
        let [event] = &events[..] else { panic!("{what}: {events:?}") };
        assert_eq!(event.number, self.number + 1, "{what}");
        self.number = event.number;
        writeln!(self.text, "{what}").unwrap();
        let Value::Object(members) = serde_json::to_value(event).unwrap() else { panic!("an object") };
        let said = members.iter().filter(|(name, value)| {
            let in_each = ["event_id", "number", "occurred_at", "workspace_id", "managed_environment_id"];
            !value.is_null() && !in_each.contains(&name.as_str())
        });
        for (name, value) in said {
            if !name.ends_with("_id") && name != "note_hmac" {
                writeln!(self.text, "  {name}: {value}").unwrap();
                continue;
            }
            let at = self.met.iter().position(|met| met == value).unwrap_or(self.met.len());
            if at == self.met.len() {
                self.met.push(value.clone());
            }
            writeln!(self.text, "  {name}: <{at}>").unwrap();
        }
    }
}

/// Every source a decision can name, there.
async fn sources(world: &Installation) -> Sources {
    let (service, acme) = (&world.service, &world.acme);
    let (id, here) = (Uuid::from_u128, acme.environment_id);
    let mut raw = world.raw().await;
    world.row(acme, here, "operation_runs").with("id", id(0xd0)).insert(&mut raw).await.unwrap();
    world.row(acme, here, "policy_versions").with("id", id(0xd1)).insert(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    world.snapshot(acme, id(0xd2), id(0xd3), &[here]).await;
    let mut import = service.begin_import(acme.manager, &acme.workspace, here, None).await.unwrap();
    service.import_chunk(&mut import, &[Ok((0, widget("seen")))]).await.unwrap();
    service.finish_import(&import).await.unwrap();
    let page = PageRequest::default();
    let seen = service.inventory(acme.owner, &acme.workspace, here, &InventoryFilter::default(), page).await.unwrap();
    Sources {
        operation_run_id: Some(id(0xd0)),
        policy_version_id: Some(id(0xd1)),
        baseline_snapshot_id: Some(id(0xd2)),
        inventory_item_id: Some(seen.items[0].id),
    }
}

fn of_mode(mode: ResolutionMode, subject: &str, sources: Sources) -> CreateBinding {
    let mut request = exclusion(&key(subject));
    request.mode = mode;
    request.sources = sources;
    if mode == ResolutionMode::ManualBinding {
        request.resource = Some(ResourceRef::Descriptor(Box::new(widget("R"))));
    }
    request
}

async fn create(world: &Installation, actor: Actor, request: &CreateBinding) -> Result<Binding, Error> {
    let acme = &world.acme;
    world.service.create_binding(actor, &acme.workspace, acme.environment_id, request).await
}

#[test]
fn each_mutation_leaves_one_event_with_its_sources_and_without() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, acme) = (&world.service, &world.acme);
        let every_source = sources(&world).await;
        let system = SystemActor::of_the_host();
        let mut golden = Golden::begin(&world).await;
        for (said, sources) in [("without sources", Sources::default()), ("with sources", every_source)] {
            let mut made = Vec::new();
            for mode in OPERATOR_MODES {
                let request = of_mode(mode, &format!("{mode} {said}").replace(' ', "-"), sources);
                made.push(create(&world, acme.manager, &request).await.unwrap());
                golden.tells(&format!("create {mode} {said}")).await;
                assert_eq!(create(&world, acme.manager, &request).await.unwrap_err().code(), "active-binding-exists");
                create(&world, acme.readonly, &request).await.unwrap_err();
                golden.tells(&format!("denied: create {mode} {said}")).await;
            }
            let found = widget(&said.replace(' ', "-"));
            let subject = SubjectRef::Descriptor(Box::new(found.clone()));
            let mut automatic = CreateBinding::new(ResolutionMode::ExactProviderIdentity, subject);
            automatic.resource = Some(ResourceRef::Descriptor(Box::new(found)));
            automatic.reason = Some("same-id".to_owned());
            automatic.sources = sources;
            let environment = acme.environment_id;
            service.create_automatic_binding(&system, acme.workspace_id, environment, &automatic).await.unwrap();
            golden.tells(&format!("automatic {said}")).await;

            let mut next = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
            next.note = Some(Note::new("as it is"));
            next.sources = sources;
            service.supersede_binding(acme.readonly, &acme.workspace, made[0].id, &next).await.unwrap_err();
            golden.tells(&format!("denied: supersede {said}")).await;
            let second = service.supersede_binding(acme.manager, &acme.workspace, made[0].id, &next).await.unwrap();
            golden.tells(&format!("supersede {said}")).await;
            let note = Note::new("all over now");
            service.revoke_binding(acme.readonly, &acme.workspace, second.id, Some(&note)).await.unwrap_err();
            golden.tells(&format!("denied: revoke {said}")).await;
            service.revoke_binding(acme.manager, &acme.workspace, second.id, Some(&note)).await.unwrap();
            golden.tells(&format!("revoke {said}")).await;
        }
        for note in ["not ours to govern", "as it is", "all over now"] {
            assert!(!golden.text.contains(note), "a note is told of");
        }
        insta::assert_snapshot!("mutations", golden.text);
    });
}
