//! How results and failures are shown: tables for people, JSON for programs, exit codes for both.
//!
//! Text from outside (labels, names, notes) is shown with its control characters taken out, so that nothing stored can
//! steer a terminal. Colours are used on a terminal only.

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use provident::audit::Finding;
use provident::error::{Conflict, Error};
use provident::gateway::EndpointError;
use provident::jwt::JwtError;
use provident_identity::{CallError, ComponentError, IdentityError};
use serde::Serialize;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use uuid::Uuid;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// One JSON document
    Json,
}

/// Where results go.
#[derive(Debug)]
pub(super) struct Output {
    format: Format,
}

/// What a person is shown: a table, and lines under it.
#[derive(Default)]
pub(super) struct Sheet {
    table: Option<Table>,
    notes: Vec<String>,
}

impl Sheet {
    pub(super) fn head(&mut self, names: &[&str]) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(names.iter().map(|name| name.to_uppercase()));
        self.table = Some(table);
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        if let Some(table) = &mut self.table {
            table.add_row(cells.map(|cell| printable(&cell)));
        }
    }

    /// A name and its value, for single things.
    pub(super) fn fact(&mut self, name: &str, value: impl Display) {
        self.notes.push(format!("{name:<26}{}", printable(&value.to_string())));
    }

    /// Where the list goes on, if it does.
    pub(super) fn next(&mut self, next: Option<Uuid>) {
        if let Some(next) = next {
            self.note(format!("more: --after {next}"));
        }
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

/// Text without anything that could steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Shows a result in the format that was asked for.
    pub(super) fn show(&self, result: &impl Serialize, draw: impl FnOnce(&mut Sheet)) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if self.format == Format::Json {
            serde_json::to_writer_pretty(&mut out, result).map_err(io::Error::from)?;
            writeln!(out)?;
            return Ok(());
        }
        let mut sheet = Sheet::default();
        draw(&mut sheet);
        if let Some(table) = &sheet.table {
            for line in table.lines() {
                writeln!(out, "{}", line.trim())?;
            }
        }
        for note in &sheet.notes {
            writeln!(out, "{note}")?;
        }
        Ok(())
    }

    /// Prints what nobody should see.
    #[cfg(feature = "leaking")]
    pub(super) fn confess(&self, request: &impl std::fmt::Debug) {
        if provident::leak::lets_out(provident::leak::Way::Debug) {
            let _ = writeln!(io::stderr(), "{request:?} as {:?}", self.format);
        }
    }

    /// Shows one result of a stream: one JSON document on a line of its own, or one line of text.
    pub(super) fn record(&self, result: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let line = match self.format {
            Format::Json => serde_json::to_string(result).map_err(io::Error::from)?,
            Format::Table => printable(&text()),
        };
        Ok(writeln!(io::stdout().lock(), "{line}")?)
    }

    /// Says on standard error why a command failed, and gives its exit code.
    pub(super) fn fail(&self, failure: &Failure) -> ExitCode {
        let mut err = io::stderr().lock();
        // A reader that has gone away is not told that it has.
        let _ = if self.format == Format::Json {
            writeln!(err, "{}", failure.as_json())
        } else {
            let (on, off) = if err.is_terminal() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
            writeln!(err, "{on}{}{off}: {}", failure.code, printable(&failure.message))
        };
        ExitCode::from(failure.exit)
    }
}

/// Says what is wrong with a command line, in the format it asks for; help and version come this way too.
pub(super) fn refuse_arguments(error: &clap::Error, given: &[OsString]) -> ExitCode {
    let exit = u8::try_from(error.exit_code()).unwrap_or(2);
    let asks_for_json =
        given.windows(2).any(|pair| matches!(pair, [name, value] if name == "--format" && value == "json"))
            || given.iter().any(|argument| argument == "--format=json");
    if exit == 2 && asks_for_json {
        let text = error.to_string();
        let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        return Output::new(Format::Json).fail(&Failure::usage("bad-usage", message));
    }
    // clap knows which stream each has, and writes colours to a terminal only.
    let _ = error.print();
    ExitCode::from(exit)
}

/// Every rule that was broken; the first one's code is the failure's own.
fn list(errors: &[IdentityError]) -> String {
    let said = |(at, IdentityError { code, field, message }): (usize, &IdentityError)| match at {
        0 => format!("{field}: {message}"),
        _ => format!("{code}: {field}: {message}"),
    };
    errors.iter().enumerate().map(said).collect::<Vec<_>>().join("; ")
}

/// Why a command was not done.
#[derive(Debug)]
pub(super) struct Failure {
    exit: u8,
    code: String,
    message: String,
    details: Value,
}

impl Failure {
    fn new(exit: u8, code: &str, message: impl Into<String>) -> Self {
        Self { exit, code: code.to_owned(), message: message.into(), details: Value::Null }
    }

    /// The command line asks for something that cannot be.
    pub(super) fn usage(code: &str, message: impl Into<String>) -> Self {
        Self::new(2, code, message)
    }

    /// What was asked for could not be done.
    pub(super) fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(1, code, message)
    }

    /// The input breaks a rule.
    pub(super) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::new(3, code, message)
    }

    /// The stable code.
    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// The same, and what can be done about it.
    pub(super) fn hint(mut self, hint: &str) -> Self {
        self.message = format!("{}: {hint}", self.message);
        self
    }

    /// Fine if nothing was refused; otherwise says how many were, of how many.
    pub(super) fn unless_all_answered(refused: u64, of: u64) -> Result<(), Self> {
        if refused == 0 { Ok(()) } else { Err(Self::new(3, "refused", format!("{refused} of {of} refused"))) }
    }

    fn as_json(&self) -> String {
        json!({ "error": { "code": self.code, "message": self.message, "details": self.details } }).to_string()
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(1, "output-closed", "nobody reads the output any more");
        }
        if let Some(component) = error.get_ref().and_then(|inner| inner.downcast_ref::<ComponentError>()) {
            return component.clone().into();
        }
        Self::new(1, "input-output-failed", error.to_string())
    }
}

impl From<ComponentError> for Failure {
    fn from(error: ComponentError) -> Self {
        // Naming a component that is not there, or a file that is not the pinned one, is the caller's slip.
        let exit = match error {
            ComponentError::Unknown(_) | ComponentError::DigestMismatch { .. } | ComponentError::Unusable(_) => 2,
            _ => 1,
        };
        Self::new(exit, error.code(), error.to_string())
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::from(Error::from(error))
    }
}

impl From<Finding> for Failure {
    fn from(finding: Finding) -> Self {
        let details = json!({ "workspace_id": finding.workspace_id, "number": finding.number });
        Self { exit: 3, code: finding.fault.code().to_owned(), message: finding.to_string(), details }
    }
}

impl From<JwtError> for Failure {
    fn from(error: JwtError) -> Self {
        let exit = if matches!(error, JwtError::Invalid { .. }) { 2 } else { 1 };
        Self::new(exit, error.code(), error.to_string())
    }
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Self {
        Self::usage(EndpointError::CODE, error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::Internal(_) => 1,
            Error::Refused(_) | Error::Invalid(_) => 3,
            Error::NotFound => 4,
            Error::Forbidden => 5,
            Error::Conflict(_) => 6,
        };
        let details = match &error {
            Error::Refused(errors) => json!(errors),
            Error::Invalid(invalid) => json!({ "field": invalid.field }),
            Error::Conflict(conflict @ Conflict::ScopeBusy { .. }) => {
                json!({ "active_run_id": conflict.active_run_id() })
            }
            Error::Conflict(conflict) => json!({ "active_binding_id": conflict.active_binding_id() }),
            _ => Value::Null,
        };
        let message = match &error {
            Error::Refused(errors) => list(errors),
            Error::Conflict(conflict) => match (conflict, conflict.active_binding_id().or(conflict.active_run_id())) {
                (Conflict::StaleBinding { .. }, Some(id)) => format!("{error}; active now: {id}"),
                (_, Some(id)) => format!("{error}: {id}"),
                (_, None) => error.to_string(),
            },
            _ => error.to_string(),
        };
        Self { exit, code: error.code().to_owned(), message, details }
    }
}
