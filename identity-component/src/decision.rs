//! Decisions: which mode goes with which actor, subject, resource, note and reason.
//!
//! The one copy of the matrix: the service calls it before every write, and the database's CHECKs are held to the
//! same verdict by test. A note is judged here and echoed nowhere.

use crate::key::{self, ParsedKey};
use crate::limits::{NOTE_CHARS, REASON_BYTES};
use crate::model::{ActorKind, Code, DecisionAction, KeyForm, Refusal, ResolutionMode, SubjectClass};
use crate::text;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A decision, before it is made.
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(missing_debug_implementations, reason = "a note must not be printable")]
pub struct Decision<'a> {
    /// What it does.
    pub action: DecisionAction,
    /// Who makes it.
    pub actor: ActorKind,
    /// How the subject is resolved; absent on revoke. `Some(None)` is a name that is no mode.
    pub mode: Option<Option<ResolutionMode>>,
    /// The subject's canonical key.
    pub subject: &'a str,
    /// The resource's canonical key.
    pub resource: Option<&'a str>,
    /// The operator's words, as typed.
    pub note: Option<&'a str>,
    /// A reason code.
    pub reason: Option<&'a str>,
}

/// What a mode asks of the resource.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Resource {
    Required,
    Optional,
    Forbidden,
}

/// Judges a decision.
///
/// # Errors
///
/// Every broken rule, in the order of the codes; a key that does not parse is then the only one.
pub fn check(decision: &Decision<'_>) -> Result<(), Vec<Refusal>> {
    let parsed = |text: &str, field| {
        key::parse(text).map_err(|refusal| alloc::vec![Refusal::new(refusal.code, field, refusal.message)])
    };
    let subject = parsed(decision.subject, "subject")?;
    let resource = decision.resource.map(|text| parsed(text, "resource")).transpose()?;
    let mut broken = Broken(Vec::new());
    check_mode(decision, &subject, &mut broken);
    check_resource(decision, &subject, resource.as_ref(), &mut broken);
    check_note(decision, &mut broken);
    check_reason(decision, &mut broken);
    if broken.0.is_empty() { Ok(()) } else { Err(broken.0) }
}

struct Broken(Vec<Refusal>);

impl Broken {
    fn add(&mut self, code: Code, field: &'static str, message: impl Into<String>) {
        self.0.push(Refusal::new(code, field, message));
    }
}

/// The mode a decision really has: none on revoke, none when it could not be read.
fn mode_of(decision: &Decision<'_>) -> Option<ResolutionMode> {
    decision.mode.flatten().filter(|_| decision.action != DecisionAction::Revoke)
}

fn check_mode(decision: &Decision<'_>, subject: &ParsedKey, broken: &mut Broken) {
    let by_system = decision.actor == ActorKind::System;
    let revoke = decision.action == DecisionAction::Revoke;
    let complaint = match decision.mode {
        _ if by_system && decision.action != DecisionAction::Create => Some("the system only creates"),
        Some(_) if revoke => Some("a revocation has no mode"),
        None if !revoke => Some("the decision needs a mode"),
        Some(None) => Some("no such mode"),
        Some(Some(mode)) if mode.is_automatic() != by_system => {
            Some(if by_system { "this mode is an operator's" } else { "this mode is the system's" })
        }
        _ => None,
    };
    if let Some(complaint) = complaint {
        broken.add(Code::ModeNotAllowed, "mode", complaint);
    }
    let Some(mode) = mode_of(decision) else { return };
    let fits = match mode {
        ResolutionMode::ExactProviderIdentity => subject.form != KeyForm::Disc,
        ResolutionMode::CanonicalBuiltin => {
            matches!(subject.class, SubjectClass::ProviderBuiltin | SubjectClass::ProviderDefault)
        }
        ResolutionMode::CanonicalVirtualTarget => subject.class == SubjectClass::VirtualAssignmentTarget,
        _ => true,
    };
    if !fits {
        let message = format!(
            "mode `{}` does not go with class `{}` and form `{}`",
            mode.as_str(),
            subject.class.as_str(),
            subject.form.as_str()
        );
        broken.add(Code::ModeSubjectMismatch, "subject", message);
    }
}

fn check_resource(decision: &Decision<'_>, subject: &ParsedKey, resource: Option<&ParsedKey>, broken: &mut Broken) {
    let mode = mode_of(decision);
    let needed = match mode {
        Some(ResolutionMode::ExactProviderIdentity | ResolutionMode::ManualBinding) => Resource::Required,
        Some(ResolutionMode::MissingExpected) => Resource::Forbidden,
        None if decision.action == DecisionAction::Revoke => Resource::Forbidden,
        _ => Resource::Optional,
    };
    match (needed, resource) {
        (Resource::Required, None) => broken.add(Code::ResourceRequired, "resource", "this mode needs a resource"),
        (Resource::Forbidden, Some(_)) => {
            broken.add(Code::ResourceNotAllowed, "resource", "no resource is allowed here");
        }
        _ => {}
    }
    let Some(resource) = resource else { return };
    if resource.provider_key != subject.provider_key {
        let message = format!(
            "the resource is of provider `{}`, the subject of `{}`",
            resource.provider_key, subject.provider_key
        );
        broken.add(Code::ResourceProviderMismatch, "resource", message);
    }
    if mode.is_some_and(ResolutionMode::is_automatic) && resource != subject {
        broken.add(Code::ResourceKeyMismatch, "resource", "the resource is not the subject itself");
    }
}

fn check_note(decision: &Decision<'_>, broken: &mut Broken) {
    let note = decision.note.and_then(rewrite_note);
    let automatic = mode_of(decision).is_some_and(ResolutionMode::is_automatic);
    let required = match decision.action {
        DecisionAction::Create => mode_of(decision).is_some_and(|mode| !mode.is_automatic()),
        DecisionAction::Supersede | DecisionAction::Revoke => true,
    };
    match &note {
        None if required => broken.add(Code::NoteRequired, "note", "the decision needs a note"),
        Some(_) if automatic && !required => {
            broken.add(Code::NoteNotAllowed, "note", "an automatic decision takes no note");
        }
        _ => {}
    }
    let Some(note) = note else { return };
    let length_chars = note.chars().count();
    if length_chars > NOTE_CHARS {
        broken.add(Code::NoteTooLong, "note", format!("the note has {length_chars} characters, over {NOTE_CHARS}"));
    }
    if note.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        broken.add(Code::ControlCharacter, "note", "the note contains a control character");
    }
    if text::has_noncharacter(&note) {
        broken.add(Code::Noncharacter, "note", "the note contains a Unicode noncharacter");
    }
}

fn check_reason(decision: &Decision<'_>, broken: &mut Broken) {
    let automatic = mode_of(decision).is_some_and(ResolutionMode::is_automatic);
    match decision.reason {
        None if automatic => broken.add(Code::ReasonRequired, "reason", "an automatic decision needs a reason code"),
        Some(_) if decision.action == DecisionAction::Revoke => {
            broken.add(Code::ReasonNotAllowed, "reason", "a revocation takes no reason code");
        }
        _ => {}
    }
    if let Some(reason) = decision.reason
        && !is_reason(reason)
    {
        let message = format!("{} is not a reason code: [a-z0-9]+(-[a-z0-9]+)*, at most 64 bytes", text::quote(reason));
        broken.add(Code::BadReason, "reason", message);
    }
}

/// A reason is a code, never free text: it appears in audit in clear.
fn is_reason(reason: &str) -> bool {
    reason.len() <= REASON_BYTES
        && reason
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

/// A note as it is judged, stored and measured: CR LF and CR become LF, white space is cut at both ends, and a
/// note with nothing left is absent.
#[must_use]
pub fn rewrite_note(note: &str) -> Option<String> {
    let rewritten = note.replace("\r\n", "\n").replace('\r', "\n");
    let trimmed = rewritten.trim();
    (!trimmed.is_empty()).then(|| String::from(trimmed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_rewritten_before_it_is_judged() {
        assert_eq!(rewrite_note("  a\r\nb\rc\u{3000}\n").as_deref(), Some("a\nb\nc"));
        assert_eq!(rewrite_note(" \r\n\t\u{85}"), None);
    }

    #[test]
    fn a_reason_is_a_code() {
        for good in ["a", "a-b", "0-1-x"] {
            assert!(is_reason(good), "{good}");
        }
        for bad in ["", "-", "a-", "-a", "a--b", "A", "a b", "é", &"a".repeat(65)] {
            assert!(!is_reason(bad), "{bad}");
        }
    }
}
