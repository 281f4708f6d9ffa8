//! What is secret or a person's own words is in no log, at no level: everything that service, database driver and
//! component runtime tell by `tracing` is collected at every level while every operation is done and refused, and
//! searched. What the program prints is looked through in
//! `confinement.rs`.
#![cfg(test)]

use std::fmt::{self, Write as _};
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use provident::actor::{Actor, SystemActor};
use provident::binding::{
    Binding, CreateBinding, LegacySubjectKey, Note, ResourceRef, RevokeBinding, SubjectRef, SupersedeBinding,
};
use provident::clock::Ids;
use provident::error::Error;
use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident::registry::RegistryLine;
use provident::run::OperationType;
use provident::secret::MasterKey;
use provident::service::{BulkAnswer, Service, Settings};
use provident_identity::ResolutionMode;
use provident_tests::api::{Caller, routes};
use provident_tests::database::on_both_engines;
use provident_tests::installation::{Installation, exclusion, key, plane, settings, widget};
use provident_tests::provider::{CLIENT_ID, DIRECTORY_ID, foreign, worker};
use provident_tests::stand_in::{StandIn, fake};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use uuid::Uuid;

/// What every canary ends with.
const MARK: &str = "-7d20c4aa";

/// A text nobody may find in a log.
fn canary(name: &str) -> String {
    format!("canary-{name}{MARK}")
}

/// Everything that was told, each event or span on a line of its own.
#[derive(Clone, Debug, Default)]
struct Collected(Arc<Mutex<Vec<String>>>);

/// Writes down the members of an event or a span, whatever they are.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).unwrap();
    }
}

impl Collected {
    /// Begins to collect, from everybody in this process and at every level.
    fn everything() -> Self {
        let collected = Self::default();
        tracing::subscriber::set_global_default(collected.clone()).unwrap();
        collected
    }

    fn keep(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line)) {
        let mut line = Line(format!("{} {} {}", metadata.level(), metadata.target(), metadata.name()));
        record(&mut line);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Subscriber for Collected {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.keep(span.metadata(), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line("more of a span:".to_owned());
        values.record(&mut line);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.keep(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The ways a text may be written: as it is, in hex, as a list of numbers.
fn spellings(bytes: &[u8]) -> Vec<String> {
    let listed = format!("{bytes:?}");
    let listed = listed.trim_matches(['[', ']']).to_owned();
    let mut spelt = vec![hex::encode(bytes), hex::encode_upper(bytes), listed];
    spelt.extend(String::from_utf8(bytes.to_vec()));
    spelt
}

fn code<T>(outcome: Result<T, Error>) -> String {
    outcome.map_or_else(|error| error.code().to_owned(), |_| "ok".to_owned())
}

fn noted(subject: &str, note: &str) -> CreateBinding {
    let mut request = exclusion(&key(subject));
    request.note = Some(Note::new(canary(note)));
    request.legacy_subject_key = Some(LegacySubjectKey::new(canary("former-key")));
    request
}

async fn create(world: &Installation, actor: Actor, request: &CreateBinding) -> Result<Binding, Error> {
    let acme = &world.acme;
    world.service.create_binding(actor, &acme.workspace, acme.environment_id, request).await
}

/// Objects with labels, and what is wrong with one of them.
async fn import(world: &Installation) -> Uuid {
    let acme = &world.acme;
    let mut labelled = widget("item");
    labelled.display_label = Some(canary("label"));
    let mut unlike = widget(" ");
    unlike.display_label = Some(canary("refused-label"));
    let begun = world.service.begin_import(acme.manager, &acme.workspace, acme.environment_id, None);
    let mut import = begun.await.unwrap();
    let chunk = world.service.import_chunk(&mut import, &[Ok((0, labelled)), Ok((1, unlike))]).await.unwrap();
    assert_eq!((chunk.counts.added, chunk.counts.refused), (1, 1));
    world.service.finish_import(&import).await.unwrap();
    let (filter, page) = (InventoryFilter::default(), PageRequest::default());
    let listed = world.service.inventory(acme.owner, &acme.workspace, acme.environment_id, &filter, page).await;
    listed.unwrap().items[0].id
}

/// What a platform keeps, with names of its own; the second line is refused.
async fn sync(world: &Installation) {
    let acme = &world.acme;
    let lines = [
        json!({ "kind": "baseline_profile", "external_ref": "p-1", "display_name": canary("display-name") }),
        json!({ "kind": canary("kind"), "external_ref": "p-2", "display_name": canary("refused-name") }),
    ];
    let lines = lines.iter().zip(0..).map(|(line, at)| RegistryLine::read(at, &line.to_string())).collect::<Vec<_>>();
    let mut sync = world.service.begin_sync(acme.owner, &acme.workspace, &[]).await.unwrap();
    let chunk = world.service.sync_chunk(&mut sync, &lines).await.unwrap();
    assert_eq!((chunk.counts.added, chunk.counts.refused), (1, 1));
    world.service.finish_sync(&sync).await.unwrap();
}

/// Decisions in every way a note can come, and every way they end.
async fn decide(world: &Installation, item: Uuid) {
    let (service, acme) = (&world.service, &world.acme);
    let by_item = CreateBinding { subject: SubjectRef::InventoryItem(item), ..noted("item", "note-by-item") };
    create(world, acme.manager, &by_item).await.unwrap();
    let mut described = widget("described");
    described.display_label = Some(canary("described-label"));
    let mut by_hand = noted("described", "note-by-hand");
    by_hand.mode = ResolutionMode::ManualBinding;
    by_hand.subject = SubjectRef::Descriptor(Box::new(described.clone()));
    by_hand.resource = Some(ResourceRef::Descriptor(Box::new(described)));
    create(world, acme.manager, &by_hand).await.unwrap();
    let mut automatic =
        CreateBinding::new(ResolutionMode::ExactProviderIdentity, SubjectRef::Descriptor(Box::new(widget("auto"))));
    automatic.resource = Some(ResourceRef::Descriptor(Box::new(widget("auto"))));
    automatic.reason = Some("same-id".to_owned());
    let system = SystemActor::of_the_host();
    service.create_automatic_binding(&system, acme.workspace_id, acme.environment_id, &automatic).await.unwrap();

    let keyed = CreateBinding { idempotency_key: canary("request").parse().ok(), ..noted("1", "note") };
    let first = create(world, acme.manager, &keyed).await.unwrap();
    assert_eq!(create(world, acme.manager, &keyed).await.unwrap(), first, "asked again");
    let mut other = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
    other.note = Some(Note::new(canary("note-of-another")));
    other.legacy_subject_key = Some(LegacySubjectKey::new(canary("former-key")));
    other.idempotency_key = canary("request-to-supersede").parse().ok();
    let second = service.supersede_binding(acme.manager, &acme.workspace, first.id, &other).await.unwrap();
    let end = RevokeBinding {
        note: Some(Note::new(canary("note-of-the-end"))),
        idempotency_key: canary("request-to-revoke").parse().ok(),
        dry_run: false,
    };
    service.revoke_binding(acme.manager, &acme.workspace, second.id, end.clone()).await.unwrap();
    service.redact_note(acme.owner, &acme.workspace, second.id).await.unwrap();

    let twice =
        CreateBinding { idempotency_key: canary("request-in-bulk").parse().ok(), ..noted("b1", "note-in-bulk") };
    let items = [twice, noted("b2", "note-in-bulk"), noted("b2", "note-in-bulk-again")];
    let made = service.bulk_create_bindings(acme.manager, &acme.workspace, acme.environment_id, &items).await.unwrap();
    let created = made.iter().filter(|answer| matches!(answer, BulkAnswer::Created { .. })).count();
    assert_eq!((made.len(), created), (3, 2), "{made:?}");
    let stale = service.revoke_binding(acme.manager, &acme.workspace, first.id, end).await;
    assert_eq!(code(stale), "idempotency-key-reused");
    let history = service.history_of_binding(acme.owner, &acme.workspace, second.id, PageRequest::default()).await;
    assert_eq!(history.unwrap().items.len(), 2);
}

/// What a connection logs in with: set by every way, refused, sealed anew, opened and shown to a provider that has
/// something to say of it.
async fn log_in(world: &Installation) {
    let acme = &world.acme;
    let stand_in = StandIn::start();
    stand_in.set_canary(&canary("error-of-a-provider"));
    stand_in.api_key(&canary("provider-credential"), &fake::invented(1, 10));
    stand_in.directory(DIRECTORY_ID, &foreign::invented(1, 10));
    stand_in.client(DIRECTORY_ID, CLIENT_ID, &canary("provider-secret"));
    let here = acme.environment_id;
    let by_key = world.fake_connection(acme, here, &canary("provider-credential")).await;
    let client = (DIRECTORY_ID, CLIENT_ID, canary("provider-secret"));
    let by_secret = world.foreign_connection(acme, here, (client.0, client.1, &client.2)).await;
    let worker = worker(&world.service, &stand_in);
    for _ in 0..2 {
        for connection in [by_key, by_secret] {
            for operation in [OperationType::HealthCheck, OperationType::InventoryCollect] {
                let run = world.done(&worker, acme, operation, connection).await;
                assert_eq!(run.reason_code, None);
            }
        }
        world.service.rotate_master_key(&plane()).await.unwrap();
    }
    let caller = Caller::of(&routes(&world.service), &world.service, acme.manager).await;
    let path = format!("/v1/workspaces/{}/connections/{by_key}/credentials", acme.workspace_id);
    for (fields, status) in [
        (json!({ "api_key": canary("credential-over-http") }), 200),
        (json!({ "api_key": format!("{}\n", canary("credential-refused")) }), 422),
        (json!({ canary("credential-as-a-name"): true }), 422),
        (json!([canary("credential-in-a-list")]), 422),
    ] {
        let reply = caller.post(&path, &json!({ "fields": fields })).await;
        assert_eq!(reply.status, status);
        assert!(!String::from_utf8_lossy(&reply.body).contains(MARK));
    }
    // It is no longer the one that opens, and the provider says so in words of its own.
    let run = world.done(&worker, acme, OperationType::HealthCheck, by_key).await;
    assert_eq!(run.reason_code.as_deref(), Some("credential-rejected"));
    assert!(!format!("{run:?}").contains(MARK) && !serde_json::to_string(&run).unwrap().contains(MARK));
}

/// What is not done for one reason or another.
async fn refuse(world: &Installation) {
    let acme = &world.acme;
    create(world, acme.manager, &noted("taken", "note")).await.unwrap();
    let with = |note: String| CreateBinding { note: Some(Note::new(note)), ..noted("refused", "note") };
    let reused = CreateBinding { idempotency_key: canary("request").parse().ok(), ..noted("refused", "note-reused") };
    let reasoned = CreateBinding { reason: Some(canary("REASON no code")), ..noted("refused", "note-reasoned") };
    let nonsense = CreateBinding { subject: SubjectRef::Key(canary("no key")), ..noted("refused", "note-of-no-key") };
    for (actor, request, expected) in [
        (acme.manager, with(canary("note-long").repeat(200)), "note-too-long"),
        (acme.manager, with(canary("note-huge").repeat(100_000)), "note-too-long"),
        (acme.manager, with(format!("{}\u{7}", canary("note-steering"))), "control-character"),
        (acme.manager, noted("taken", "note-of-a-conflict"), "active-binding-exists"),
        (acme.manager, reused, "idempotency-key-reused"),
        (acme.manager, reasoned, "bad-reason"),
        (acme.manager, nonsense, "unknown-scheme"),
        (acme.readonly, noted("refused", "note-denied"), "forbidden"),
        (world.stranger, noted("refused", "note-hidden"), "not-found"),
    ] {
        assert_eq!(code(create(world, actor, &request).await), expected);
    }
}

/// The master key's bytes, from its text.
fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.split(':').nth(2).unwrap()).unwrap()
}

/// Opens the installation with its key given as text, with another's, and with none; answers both keys' bytes.
async fn open(world: &Installation) -> Vec<Vec<u8>> {
    let mut given: Settings = settings(&world.database, &world.directory);
    let own = fs::read_to_string(world.directory.path().join("master.key")).unwrap();
    given.master_key = Some(own.clone().into());
    Service::open(&given).await.unwrap().close().await;
    let wrong = MasterKey::generate(&Ids::seeded(9)).unwrap().to_text();
    given.master_key = Some(wrong.clone());
    let refused = async |settings: &Settings| code(Service::open(settings).await);
    assert_eq!(refused(&given).await, "master-key-mismatch");
    given.master_key = Some(format!("{}0", wrong.as_str()).into());
    assert_eq!(refused(&given).await, "master-key-malformed");
    vec![bytes(&own), bytes(&wrong)]
}

#[test]
fn no_log_at_any_level_has_a_note_a_label_a_former_key_a_name_or_a_secret() {
    let collected = Collected::everything();
    let secrets = Arc::new(Mutex::new(Vec::new()));
    let found = Arc::clone(&secrets);
    on_both_engines(move |database| {
        let found = Arc::clone(&found);
        async move {
            let engine = database.engine();
            tracing::trace!(%engine, "a test begins");
            let world = Installation::on(database).await;
            world.service.create_user(&plane(), &canary("person")).await.unwrap();
            world.service.create_environment(world.acme.owner, &world.acme.workspace, &canary("place")).await.unwrap();
            let item = import(&world).await;
            sync(&world).await;
            decide(&world, item).await;
            refuse(&world).await;
            let keys = open(&world).await;
            found.lock().unwrap().extend(keys);
            log_in(&world).await;
            let last = fs::read_to_string(world.directory.path().join("master.key")).unwrap();
            found.lock().unwrap().push(bytes(&last));
        }
    });
    let text = collected.text();
    for engine in provident_tests::database::Engine::of_this_run() {
        assert!(text.contains(&format!("engine={engine}")), "events are collected");
    }
    for line in text.lines() {
        assert!(!line.contains(MARK) && !line.contains(&hex::encode(MARK)), "{line}");
    }
    let secrets = secrets.lock().unwrap();
    assert_eq!(secrets.len(), 3 * provident_tests::database::Engine::of_this_run().len());
    for spelt in secrets.iter().flat_map(|secret| spellings(secret)).chain(spellings(MARK.as_bytes())) {
        assert!(!text.contains(&spelt), "{spelt}");
    }
}

#[test]
fn a_note_that_is_told_is_found() {
    let collected = Collected::default();
    tracing::subscriber::with_default(collected.clone(), || {
        tracing::trace!(note = canary("told"), "a decision");
        tracing::trace_span!("deciding", key = ?Some(canary("spanned"))).in_scope(|| {});
    });
    let text = collected.text();
    assert_eq!(text.matches(MARK).count(), 2, "{text}");
}
