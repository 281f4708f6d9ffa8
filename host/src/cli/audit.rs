//! `audit`: what was done, by whom, and the proof that nothing of it was changed.

use super::arguments::{AuditCommand, ChainArguments, SourceArguments, VerifyArguments};
use super::key;
use super::output::{Failure, Output};
use super::place::Place;
use super::setup::actor;
use provident::actor::{Actor, SystemPlane};
use provident::audit::{AuditEvent, ChainedEvent, Checkpoint, Fault, Verdict, Verified, Verifier};
use provident::error::Error;
use provident::service::{AuditExport, Auditor, Service};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// No event makes a longer line: 45 members, the longest of 1,024 bytes.
const LINE_BYTES: u64 = 65_536;
/// No checkpoint is longer.
const CHECKPOINT_BYTES: u64 = 4_096;

/// `audit`.
pub(super) fn audit(place: &Place, output: &Output, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(VerifyArguments {
            source: SourceArguments { file: Some(file), .. }, checkpoint, ..
        }) => {
            let checkpoint = checkpoint.as_deref().map(read_checkpoint).transpose()?;
            show_verdict(output, verify_file(&file, checkpoint)?)
        }
        command => place.serve(async |service| audit_here(service, output, command).await),
    }
}

/// `audit` of what is in the database.
async fn audit_here(service: &Service, output: &Output, command: AuditCommand) -> Result<(), Failure> {
    let plane = SystemPlane::at_the_shell();
    match command {
        AuditCommand::List { scope, environment, after, limit } => {
            let after = i64::try_from(after).unwrap_or(i64::MAX);
            let events = service.audit_events(actor(&scope), &scope.workspace, environment, after, limit).await?;
            show_events(output, &events)
        }
        AuditCommand::Checkpoint(ChainArguments { auditor, workspace }) => {
            let checkpoint = service.audit_checkpoint(self::auditor(auditor.actor, &plane), &workspace).await?;
            // A checkpoint is for a file, in whatever form results are shown.
            let mut out = io::stdout().lock();
            serde_json::to_writer(&mut out, &checkpoint).map_err(io::Error::from)?;
            Ok(writeln!(out)?)
        }
        AuditCommand::Export { chain: ChainArguments { auditor, workspace }, file } => {
            let export = service.export_audit(self::auditor(auditor.actor, &plane), &workspace).await?;
            if file == Path::new("-") {
                return write_lines(export, &mut io::stdout().lock()).await;
            }
            write_file(export, &file).await
        }
        AuditCommand::Verify(VerifyArguments { source: SourceArguments { actor, .. }, workspace, checkpoint }) => {
            let checkpoint = checkpoint.as_deref().map(read_checkpoint).transpose()?;
            let workspace = workspace.ok_or_else(|| Failure::usage("bad-usage", "--workspace is missing"))?;
            show_verdict(output, service.verify_audit(auditor(actor, &plane), &workspace, checkpoint.as_ref()).await?)
        }
    }
}

/// Without an actor it is the system plane: the grammar has one of the two.
fn auditor(actor: Option<Uuid>, plane: &SystemPlane) -> Auditor<'_> {
    actor.map_or(Auditor::System(plane), |id| Auditor::Member(Actor::user(id)))
}

fn show_events(output: &Output, events: &[ChainedEvent]) -> Result<(), Failure> {
    output.show(&events, |sheet| {
        sheet.head(&["number", "time", "actor", "action", "about", "note"]);
        for chained in events {
            let event = &chained.event;
            sheet.row([
                event.number.to_string(),
                event.occurred_at.to_string(),
                event.actor_user_id.map_or_else(|| event.actor_kind.clone(), |id| id.to_string()),
                event.action.clone(),
                about(event),
                event.note_length.map_or_else(String::new, |length| format!("{length} characters")),
            ]);
        }
    })
}

/// `audit export`: to a file, which takes its name when all of it is written.
async fn write_file(export: AuditExport, file: &Path) -> Result<(), Failure> {
    let unwritable = |error: io::Error| Failure::usage("file-unwritable", format!("{}: {error}", file.display()));
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut out = BufWriter::new(File::create(&partial).map_err(unwritable)?);
    let written = match write_lines(export, &mut out).await {
        Ok(()) => out.get_ref().sync_all().and_then(|()| fs::rename(&partial, file)).map_err(unwritable),
        Err(failure) => Err(failure),
    };
    if written.is_err() {
        // What was written is no export; that it cannot be taken away either changes nothing about that.
        let _ = fs::remove_file(&partial);
    }
    written
}

async fn write_lines(mut export: AuditExport, out: &mut impl Write) -> Result<(), Failure> {
    loop {
        let events = export.next_events().await?;
        if events.is_empty() {
            return Ok(out.flush()?);
        }
        let mut lines = String::new();
        for event in &events {
            lines.push_str(&event.to_line().map_err(io::Error::from)?);
            lines.push('\n');
        }
        out.write_all(lines.as_bytes())?;
    }
}

fn show_verdict(output: &Output, verdict: Verdict) -> Result<(), Failure> {
    let verified: Verified = verdict?;
    output.show(&verified, |sheet| {
        sheet.fact("workspace", verified.workspace_id);
        sheet.fact("events", verified.number);
        sheet.fact("hash", &verified.hash);
        sheet.fact("checkpoint", verified.checkpoint_number.map_or_else(|| String::from("none"), |it| it.to_string()));
    })
}

fn read_checkpoint(file: &Path) -> Result<Checkpoint, Failure> {
    let mut text = Vec::new();
    let read = key::open(file)?.take(CHECKPOINT_BYTES).read_to_end(&mut text);
    read.map_err(|error| Failure::usage("file-unreadable", format!("{}: {error}", file.display())))?;
    let checkpoint = String::from_utf8_lossy(&text).parse::<Checkpoint>();
    checkpoint.map_err(|error| Failure::from(Error::from(error)))
}

/// Verifies an export line by line.
fn verify_file(file: &Path, checkpoint: Option<Checkpoint>) -> Result<Verdict, Failure> {
    let mut lines = BufReader::new(key::open(file)?);
    let mut verifier = checkpoint.map(Verifier::held_to);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let event = std::str::from_utf8(text).ok().and_then(|text| text.parse::<ChainedEvent>().ok());
        let followed = match (&event, &mut verifier) {
            (Some(event), verifier) => {
                verifier.get_or_insert_with(|| Verifier::new(event.event.workspace_id)).follow(event)
            }
            (None, Some(verifier)) => verifier.meet_unreadable(None),
            // Whose chain it would be, nothing says.
            (None, None) => {
                let fault = Fault::UnreadableEvent;
                return Err(Failure::refused(fault.code(), format!("event 1: {fault}")));
            }
        };
        if let Err(finding) = followed {
            return Ok(Err(finding));
        }
    }
    let empty = || Failure::usage("file-unreadable", format!("{}: there is no event in it", file.display()));
    verifier.map(Verifier::finish).ok_or_else(empty)
}

/// What an event is about, in one cell.
fn about(event: &AuditEvent) -> String {
    let mut about = Vec::new();
    if let (Some(attempted), Some(denial)) = (&event.attempted_action, &event.denial) {
        about.push(format!("{attempted}: {denial}"));
    }
    if let Some(key) = &event.canonical_subject_key {
        about.push(key.clone());
    }
    if let Some(mode) = event.new_resolution_mode.as_ref().or(event.old_resolution_mode.as_ref()) {
        about.push(mode.clone());
    }
    if let Some(id) = event.target_id {
        about.push(id.to_string());
    }
    if let Some(role) = &event.role {
        about.push(role.clone());
    }
    for (name, count) in [
        ("added", event.added_count),
        ("changed", event.changed_count),
        ("unchanged", event.unchanged_count),
        ("refused", event.refused_count),
    ] {
        if let Some(count) = count {
            about.push(format!("{name} {count}"));
        }
    }
    about.join(" ")
}
