//! `audit`: what was done, by whom.

use super::arguments::AuditCommand;
use super::output::{Failure, Output};
use super::setup::actor;
use provident::audit::AuditEvent;
use provident::service::Service;

/// `audit`.
pub(super) async fn audit(service: &Service, output: &Output, command: AuditCommand) -> Result<(), Failure> {
    let AuditCommand::List { scope, environment, after, limit } = command;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let events = service.audit_events(actor(&scope), &scope.workspace, environment, after, limit).await?;
    output.show(&events, |sheet| {
        sheet.head(&["number", "time", "actor", "action", "about", "note"]);
        for chained in &events {
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
