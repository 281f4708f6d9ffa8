//! `binding`: decisions, and looking them up.

use super::arguments::{
    BindingCommand, CreateArguments, DecisionArguments, EnvironmentArguments, FilterArguments, NoteArguments,
    ResourceArguments, SubjectArguments, TrialArguments,
};
use super::bulk;
use super::key::open as open_file;
use super::output::{Failure, Output, Sheet};
use super::setup::actor;
use provident::binding::{
    Binding, BindingFilter, CreateBinding, LegacySubjectKey, LookupAnswer, Note, ResourceRef, RevokeBinding,
    SubjectRef, SupersedeBinding,
};
use provident::clock::Timestamp;
use provident::page::{MAX_PAGE_ROWS, PageRequest};
use provident::service::{MAX_LOOKUP_KEYS, Service};
use provident_identity::{ProviderResourceDescriptor, ResolutionMode};
use serde::Serialize;
use std::io::{self, BufRead, Read};
use std::path::Path;
use uuid::Uuid;

/// What a note file may have: the longest note in its longest encoding, and what is cut off it.
const NOTE_FILE_BYTES: u64 = 64 << 10;

/// What is kept of a line that should be a key: more than any key has.
const KEY_LINE_BYTES: u64 = 4 << 10;

/// `binding`.
pub(super) async fn binding(service: &Service, output: &Output, command: BindingCommand) -> Result<(), Failure> {
    match command {
        BindingCommand::Create(create) => decide(service, output, ResolutionMode::ManualBinding, create).await,
        BindingCommand::Exclude(create) => decide(service, output, ResolutionMode::ExcludedNonGoverned, create).await,
        BindingCommand::Accept(create) => decide(service, output, ResolutionMode::AcceptedLimitation, create).await,
        BindingCommand::MarkUnsupported(create) => {
            decide(service, output, ResolutionMode::UnsupportedCoverage, create).await
        }
        BindingCommand::MarkMissing(create) => decide(service, output, ResolutionMode::MissingExpected, create).await,
        BindingCommand::BulkCreate { environment, file, trial } => {
            bulk::create(service, output, &environment, &file, trial.dry_run).await
        }
        BindingCommand::Supersede { scope, binding, mode, decision } => {
            let request = superseding(mode.into(), decision)?;
            let made = service.supersede_binding(actor(&scope), &scope.workspace, binding, &request).await?;
            decided(output, &made, request.dry_run)
        }
        BindingCommand::Revoke { scope, binding, note, idempotency, trial: TrialArguments { dry_run } } => {
            let request = RevokeBinding { note: read_note(note)?, idempotency_key: idempotency.key()?, dry_run };
            let ended = service.revoke_binding(actor(&scope), &scope.workspace, binding, request).await?;
            decided(output, &ended, dry_run)
        }
        BindingCommand::RedactNote { scope, binding } => {
            show(output, &service.redact_note(actor(&scope), &scope.workspace, binding).await?)
        }
        BindingCommand::Show { scope, binding } => {
            show(output, &service.binding(actor(&scope), &scope.workspace, binding).await?)
        }
        BindingCommand::List { environment: EnvironmentArguments { scope, environment }, filter, page } => {
            let filter = BindingFilter::from(filter);
            let page = service.bindings(actor(&scope), &scope.workspace, environment, &filter, page.request()).await?;
            output.show(&page, |sheet| {
                draw(sheet, &page.items);
                sheet.next(page.next);
            })
        }
        BindingCommand::Lookup { environment, as_of, keys } => lookup(service, output, &environment, as_of, keys).await,
        BindingCommand::BoundTo { environment: EnvironmentArguments { scope, environment }, resource, page } => {
            let (actor, page) = (actor(&scope), page.request());
            let page = service.bindings_of_resource(actor, &scope.workspace, environment, &resource, page).await?;
            output.show(&page, |sheet| {
                draw(sheet, &page.items);
                sheet.next(page.next);
            })
        }
        BindingCommand::History { scope, binding } => {
            let mut history = Vec::new();
            let mut next = PageRequest::new(MAX_PAGE_ROWS, None);
            loop {
                let page = service.history_of_binding(actor(&scope), &scope.workspace, binding, next).await?;
                history.extend(page.items);
                let Some(after) = page.next else { break };
                next = PageRequest::new(MAX_PAGE_ROWS, Some(after));
            }
            output.show(&history, |sheet| draw(sheet, &history))
        }
    }
}

async fn decide(
    service: &Service,
    output: &Output,
    mode: ResolutionMode,
    arguments: CreateArguments,
) -> Result<(), Failure> {
    let EnvironmentArguments { scope, environment } = arguments.environment;
    let decision = arguments.decision;
    let request = CreateBinding {
        mode,
        subject: subject(arguments.subject)?,
        subject_domain: decision.domain,
        resource: resource(decision.resource)?,
        provider_connection_id: decision.connection,
        legacy_subject_key: decision.legacy_subject_key.map(LegacySubjectKey::new),
        note: read_note(decision.note)?,
        reason: decision.reason,
        idempotency_key: decision.idempotency.key()?,
        dry_run: decision.trial.dry_run,
        sources: decision.sources.into(),
    };
    #[cfg(feature = "leaking")]
    output.confess(&request);
    let binding = service.create_binding(actor(&scope), &scope.workspace, environment, &request).await?;
    decided(output, &binding, request.dry_run)
}

fn superseding(mode: ResolutionMode, decision: DecisionArguments) -> Result<SupersedeBinding, Failure> {
    Ok(SupersedeBinding {
        mode,
        subject: None,
        subject_domain: decision.domain,
        resource: resource(decision.resource)?,
        provider_connection_id: decision.connection,
        legacy_subject_key: decision.legacy_subject_key.map(LegacySubjectKey::new),
        note: read_note(decision.note)?,
        reason: decision.reason,
        idempotency_key: decision.idempotency.key()?,
        dry_run: decision.trial.dry_run,
        sources: decision.sources.into(),
    })
}

fn subject(arguments: SubjectArguments) -> Result<SubjectRef, Failure> {
    match (arguments.subject, arguments.subject_item, arguments.subject_json) {
        (Some(key), _, _) => Ok(SubjectRef::Key(key)),
        (_, Some(item), _) => Ok(SubjectRef::InventoryItem(item)),
        (_, _, Some(json)) => Ok(SubjectRef::Descriptor(descriptor(&json, "--subject-json")?)),
        _ => Err(Failure::usage("subject-required", "name the subject")),
    }
}

fn resource(arguments: ResourceArguments) -> Result<Option<ResourceRef>, Failure> {
    Ok(match (arguments.resource, arguments.resource_item, arguments.resource_json) {
        (Some(key), _, _) => Some(ResourceRef::Key(key)),
        (_, Some(item), _) => Some(ResourceRef::InventoryItem(item)),
        (_, _, Some(json)) => Some(ResourceRef::Descriptor(descriptor(&json, "--resource-json")?)),
        _ => None,
    })
}

fn descriptor(json: &str, argument: &str) -> Result<Box<ProviderResourceDescriptor>, Failure> {
    // The place of the mistake is told, not the text around it: it may hold a label.
    serde_json::from_str(json).map(Box::new).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        Failure::usage("malformed-request", format!("{argument} is not a descriptor ({place})"))
    })
}

fn read_note(arguments: NoteArguments) -> Result<Option<Note>, Failure> {
    if let Some(note) = arguments.note {
        return Ok(Some(Note::new(note)));
    }
    let Some(file) = arguments.note_file else { return Ok(None) };
    let mut note = String::new();
    let read = open_file(&file)?.take(NOTE_FILE_BYTES + 1).read_to_string(&mut note);
    match read {
        Ok(bytes) if bytes as u64 <= NOTE_FILE_BYTES => Ok(Some(Note::new(note))),
        Ok(_) => Err(Failure::refused("note-too-long", "the note file is over 64 KiB")),
        Err(_) => Err(Failure::usage("file-unreadable", "the note file is not readable text")),
    }
}

/// One answer and the key it is about.
#[derive(Serialize)]
struct Answered<'a> {
    key: &'a str,
    #[serde(flatten)]
    answer: LookupAnswer,
}

async fn lookup(
    service: &Service,
    output: &Output,
    arguments: &EnvironmentArguments,
    as_of: Option<Timestamp>,
    mut keys: Vec<String>,
) -> Result<(), Failure> {
    if keys.is_empty() {
        keys = read_keys(open_file(Path::new("-"))?)?;
    }
    let scope = &arguments.scope;
    let environment = arguments.environment.clone();
    let found = service.lookup(actor(scope), &scope.workspace, environment, &keys, as_of).await?;
    let answers: Vec<Answered<'_>> = keys.iter().zip(found).map(|(key, answer)| Answered { key, answer }).collect();
    output.show(&answers, |sheet| {
        sheet.head(&["key", "state", "mode or end", "binding"]);
        for Answered { key, answer } in &answers {
            let (state, detail, binding) = match answer {
                LookupAnswer::Active { binding } => ("active", binding.mode.to_string(), binding.id.to_string()),
                LookupAnswer::Ended { status, binding_id } => ("ended", status.to_string(), binding_id.to_string()),
                LookupAnswer::None => ("none", String::new(), String::new()),
                LookupAnswer::Refused { error } => ("refused", error.code.to_string(), String::new()),
            };
            sheet.row([(*key).to_owned(), state.to_owned(), detail, binding]);
        }
    })?;
    let refused = answers.iter().filter(|answered| matches!(answered.answer, LookupAnswer::Refused { .. })).count();
    Failure::unless_all_answered(refused as u64, answers.len() as u64)
}

/// Keys, one a line, with or without a byte-order mark at the start; blank lines are none. What is no key is one all the
/// same: it is refused in its place. No more is read than one look-up may ask for and one key more, to be told so, and of
/// a line no more than shows that it is too long.
fn read_keys(input: impl Read) -> Result<Vec<String>, Failure> {
    let mut input = io::BufReader::new(input);
    let (mut keys, mut line) = (Vec::new(), Vec::new());
    while keys.len() <= MAX_LOOKUP_KEYS {
        line.clear();
        if input.by_ref().take(KEY_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == KEY_LINE_BYTES {
            input.skip_until(b'\n')?;
        }
        let text = String::from_utf8_lossy(&line);
        let text = if keys.is_empty() { text.trim_start_matches('\u{FEFF}') } else { &text };
        let key = text.trim_end_matches(['\r', '\n']);
        if !key.is_empty() {
            keys.push(key.to_owned());
        }
    }
    Ok(keys)
}

impl From<FilterArguments> for BindingFilter {
    fn from(arguments: FilterArguments) -> Self {
        Self {
            provider_key: arguments.provider,
            provider_connection_id: arguments.connection,
            canonical_subject_key: arguments.subject,
            status: arguments.status,
            mode: arguments.mode,
            subject_class: arguments.class,
            subject_domain: arguments.domain,
            legacy_subject_key: arguments.legacy_subject_key.map(LegacySubjectKey::new),
            sources: arguments.sources.into(),
        }
    }
}

fn draw(sheet: &mut Sheet, bindings: &[Binding]) {
    sheet.head(&["binding", "status", "mode", "subject", "decided", "ended"]);
    for binding in bindings {
        sheet.row([
            binding.id.to_string(),
            binding.status().to_string(),
            binding.mode.to_string(),
            binding.canonical_subject_key.to_string(),
            binding.decided_at.to_string(),
            binding.ended_at().map_or_else(String::new, |at| at.to_string()),
        ]);
    }
}

fn show(output: &Output, binding: &Binding) -> Result<(), Failure> {
    output.show(binding, |sheet| draw_one(sheet, binding))
}

/// A decision that was only tried.
#[derive(Serialize)]
struct Tried<'a> {
    dry_run: bool,
    #[serde(flatten)]
    binding: &'a Binding,
}

/// Shows what was decided, or what would have been.
fn decided(output: &Output, binding: &Binding, dry_run: bool) -> Result<(), Failure> {
    if !dry_run {
        return show(output, binding);
    }
    output.show(&Tried { dry_run, binding }, |sheet| {
        draw_one(sheet, binding);
        sheet.note("dry run: nothing was written; a new id is nobody's");
    })
}

fn draw_one(sheet: &mut Sheet, binding: &Binding) {
    let optional = |id: Option<Uuid>| id.map(|id| id.to_string());
    sheet.fact("binding", binding.id);
    sheet.fact("status", binding.status());
    sheet.fact("mode", binding.mode);
    sheet.fact("subject", &binding.canonical_subject_key);
    sheet.fact("domain", &binding.subject_domain);
    let facts = [
        ("resource", binding.resource.as_ref().map(|resource| resource.key.to_string())),
        ("note", binding.note.as_ref().map(|note| note.as_str().trim_end().to_owned())),
        ("reason", binding.reason.clone()),
        ("connection", optional(binding.provider_connection_id)),
        ("supersedes", optional(binding.supersedes_binding_id)),
        ("ended", binding.ended_at().map(|at| at.to_string())),
    ];
    sheet.fact("environment", binding.environment_id);
    sheet.fact("decided", binding.decided_at);
    sheet.fact(
        "decided by",
        optional(binding.decided_by.user_id()).unwrap_or_else(|| binding.decided_by.kind().to_string()),
    );
    for (name, value) in facts {
        if let Some(value) = value {
            sheet.fact(name, value);
        }
    }
}
