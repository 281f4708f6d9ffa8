//! `binding bulk-create`: decisions from a file, one a line, each answered by the number of its line.
//!
//! The file is read as it is decided: no more than one chunk of it is held in memory. What stands in a line is told in
//! no answer but for its subject's key; of a line that cannot be read its place is told.

use super::arguments::EnvironmentArguments;
use super::import::progress_bar;
use super::key;
use super::output::{Failure, Output};
use super::setup::actor;
use indicatif::ProgressBar;
use provident::binding::{BulkItem, CreateBinding};
use provident::error::Error;
use provident::service::{BulkAnswer, BulkCreate, BulkRefusal, MAX_BULK_ITEMS, ReadInPlace, Service};
use provident_identity::ErrorCode;
use serde::Serialize;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use uuid::Uuid;

/// What a line may have, as a request line of the line protocol.
const LINE_BYTES: usize = 64 << 10;

/// A line of the file, read.
struct Line {
    number: u64,
    item: Result<CreateBinding, BulkRefusal>,
}

/// What became of a line.
#[derive(Serialize)]
struct Answered<'a> {
    line: u64,
    /// Said only where it is so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Outcome<'a> {
    Created { binding_id: Uuid, canonical_subject_key: &'a str },
    Refused(&'a BulkRefusal),
}

/// What became of all of them.
#[derive(Clone, Copy, Default, Serialize)]
struct Totals {
    lines: u64,
    created: u64,
    refused: u64,
}

/// What is said in the end.
#[derive(Serialize)]
struct Ended<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    totals: &'a Totals,
}

/// `binding bulk-create`.
pub(super) async fn create(
    service: &Service,
    output: &Output,
    environment: &EnvironmentArguments,
    file: &Path,
    dry_run: bool,
) -> Result<(), Failure> {
    let bar = progress_bar(&[file.to_owned()]);
    let mut lines = BufReader::new(bar.wrap_read(key::open(file)?));
    let mut running =
        Running { service, output, environment, dry_run, bar: &bar, totals: Totals::default(), waiting: Vec::new() };
    let mut number = 0;
    while let Some(read) = read_line(&mut lines, number == 0)? {
        number += 1;
        let Some(item) = read.transpose() else { continue };
        running.waiting.push(Line { number, item: item.and_then(|text| request(&text)) });
        if running.waiting.len() == MAX_BULK_ITEMS {
            running.decide().await?;
        }
    }
    // Whether the actor may is asked even where there is nothing to decide.
    if !running.waiting.is_empty() || running.totals.lines == 0 {
        running.decide().await?;
    }
    let totals = running.totals;
    bar.finish_and_clear();
    output.record(&Ended { dry_run, totals: &totals }, || {
        let Totals { lines, created, refused } = totals;
        let said = if dry_run { ("dry run, nothing was written: ", "would be created") } else { ("", "created") };
        format!("{}{lines} decisions: {created} {}, {refused} refused", said.0, said.1)
    })?;
    Failure::unless_all_answered(totals.refused, totals.lines)
}

/// A file under way.
struct Running<'a> {
    service: &'a Service,
    output: &'a Output,
    environment: &'a EnvironmentArguments,
    dry_run: bool,
    bar: &'a ProgressBar,
    totals: Totals,
    waiting: Vec<Line>,
}

impl Running<'_> {
    /// Decides the lines that wait, and answers them.
    async fn decide(&mut self) -> Result<(), Failure> {
        let waiting = std::mem::take(&mut self.waiting);
        let (numbers, read): (Vec<u64>, Vec<_>) = waiting.into_iter().map(|line| (line.number, line.item)).unzip();
        let read = ReadInPlace::of(read);
        let EnvironmentArguments { scope, environment } = self.environment;
        let bulk = BulkCreate { items: &read.items, dry_run: self.dry_run };
        let decided =
            self.service.bulk_create_bindings(actor(scope), &scope.workspace, environment.clone(), bulk).await;
        let decided = decided.map_err(|error| stopped(error, &numbers))?;
        for (line, answer) in numbers.into_iter().zip(read.answers(decided)) {
            self.answer(line, &answer)?;
        }
        Ok(())
    }

    fn answer(&mut self, line: u64, answer: &BulkAnswer) -> Result<(), Failure> {
        self.totals.lines += 1;
        let (outcome, text) = match answer {
            BulkAnswer::Created { binding } => {
                self.totals.created += 1;
                let canonical_subject_key = binding.canonical_subject_key.as_str();
                let text = if self.dry_run {
                    format!("line {line}: would be created {canonical_subject_key}")
                } else {
                    format!("line {line}: created {} {canonical_subject_key}", binding.id)
                };
                (Outcome::Created { binding_id: binding.id, canonical_subject_key }, text)
            }
            BulkAnswer::Refused(refusal) => {
                self.totals.refused += 1;
                let BulkRefusal { code, field, message, active_binding_id } = refusal;
                let by = active_binding_id.map_or_else(String::new, |id| format!(": {id}"));
                (Outcome::Refused(refusal), format!("line {line}: refused {code} ({field}): {message}{by}"))
            }
        };
        self.bar.suspend(|| self.output.record(&Answered { line, dry_run: self.dry_run, outcome }, || text))
    }
}

/// Why no more lines are decided, and what can be done about those that are left.
fn stopped(error: Error, lines: &[u64]) -> Failure {
    let internal = matches!(error, Error::Internal(_));
    let failure = Failure::from(error);
    match (lines.first(), lines.last()) {
        (Some(first), Some(last)) if internal => failure.hint(&format!(
            "stopped at lines {first} to {last}; the file can be run again: what was made is refused then"
        )),
        _ => failure,
    }
}

fn refusal(code: ErrorCode, field: &str, message: impl Into<String>) -> BulkRefusal {
    BulkRefusal { code: code.as_str(), field: field.to_owned(), message: message.into(), active_binding_id: None }
}

/// The next line without its end, or why it is none; nothing in it if it is blank; none at the end of the file. Of a
/// line that is too long no more is kept than shows it.
fn read_line(input: &mut impl BufRead, is_first: bool) -> io::Result<Option<Result<Option<String>, BulkRefusal>>> {
    let mut line = Vec::new();
    if input.take(LINE_BYTES as u64 + 2).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let ended = line.pop_if(|last| *last == b'\n').is_some();
    let line = line.strip_suffix(b"\r").unwrap_or(&line);
    let line = if is_first { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
    if line.len() > LINE_BYTES {
        if !ended {
            input.skip_until(b'\n')?;
        }
        return Ok(Some(Err(refusal(ErrorCode::RequestTooLarge, "request", "the line is over 64 KiB"))));
    }
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(Some(Ok(None)));
    }
    let text = str::from_utf8(line).map(|text| Some(text.to_owned()));
    Ok(Some(text.map_err(|_| refusal(ErrorCode::InvalidUtf8, "request", "the line is not UTF-8"))))
}

/// The decision a line asks for.
fn request(text: &str) -> Result<CreateBinding, BulkRefusal> {
    let item: BulkItem =
        provident::json::read(text.as_bytes()).map_err(|why| refusal(why.code, &why.field, why.message))?;
    // What a line says is judged later; here it is only taken apart, and nothing else can go wrong.
    item.create().map_err(|error| {
        let code = error.code();
        BulkRefusal::of(error).unwrap_or_else(|_| BulkRefusal {
            code,
            field: "request".to_owned(),
            message: "cannot be taken apart".to_owned(),
            active_binding_id: None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use provident::binding::{Note, ResourceRef, SubjectRef};

    const KEY: &str = "provider:fake:policy:widgetPolicy:widget:id:1";

    fn refused(text: &str) -> (&'static str, String) {
        let refusal = request(text).unwrap_err();
        assert!(!refusal.message.contains("hush") && !refusal.field.contains("hush"), "{refusal:?}");
        (refusal.code, refusal.field)
    }

    #[test]
    fn a_line_says_everything_a_single_decision_can() {
        let id = Uuid::from_u128(7);
        let text = format!(
            r#"{{"mode":"manual_binding","subject":"{KEY}","subject_domain":"things","resource_inventory_item_id":"{id}",
            "provider_connection_id":"{id}","legacy_subject_key":"L","note":"n","reason":"r","source_operation_run_id":"{id}",
            "source_baseline_snapshot_id":null,"source_inventory_item_id":"{id}","source_policy_version_id":"{id}"}}"#
        );
        let request = request(&text).unwrap();
        assert!(matches!(request.subject, SubjectRef::Key(key) if key == KEY));
        assert!(matches!(request.resource, Some(ResourceRef::InventoryItem(item)) if item == id));
        assert_eq!((request.provider_connection_id, request.note), (Some(id), Some(Note::new("n"))));
        assert_eq!(request.sources.baseline_snapshot_id, None);
        assert_eq!(request.sources.policy_version_id, Some(id));
    }

    #[test]
    fn what_is_no_decision_is_refused_without_a_word_of_it() {
        let malformed = |field: &str| ("malformed-request", field.to_owned());
        for (text, field) in [
            ("hush", "request"),
            ("[]", "request"),
            (r#"{"subject":"k","note":"hush"}"#, "mode"),
            (r#"{"mode":"hush","subject":"k"}"#, "mode"),
            (r#"{"mode":"manual_binding","subject":"k","note":{"hush":1}}"#, "note"),
            (r#"{"mode":"manual_binding","subject":"k","note":"a","note":"hush"}"#, "note"),
            (r#"{"mode":"manual_binding","subject_inventory_item_id":"hush"}"#, "subject_inventory_item_id"),
        ] {
            assert_eq!(refused(text), malformed(field), "{text}");
        }
        let nested = r#"{"mode":"manual_binding","subject_descriptor":{"tenant":"hush"}}"#;
        assert_eq!(refused(nested), ("unknown-field", "tenant".to_owned()));
        assert_eq!(refused(r#"{"mode":"manual_binding","note":"hush"}"#), malformed("subject"));
        let twice = r#"{"mode":"manual_binding","subject":"k","resource":"k","resource_inventory_item_id":"00000000-0000-0000-0000-000000000001"}"#;
        assert_eq!(refused(twice), malformed("resource"));
        let unknown = r#"{"mode":"manual_binding","subject":"k","tenant_id":"hush"}"#;
        assert_eq!(refused(unknown), ("unknown-field", "tenant_id".to_owned()));
    }

    #[test]
    fn lines_are_read_one_by_one_whatever_their_size() {
        let mut input = Vec::from(&b"\xEF\xBB\xBF{}\r\n\n  \n\xFF\n"[..]);
        input.extend(vec![b'x'; LINE_BYTES]);
        input.push(b'\n');
        input.extend(vec![b'x'; 3 * LINE_BYTES]);
        input.extend(b"\nlast");
        let mut input = io::Cursor::new(input);
        let mut read = Vec::new();
        while let Some(line) = read_line(&mut input, read.is_empty()).unwrap() {
            read.push(line.map(|text| text.map(|text| text.len())).map_err(|refusal| refusal.code));
        }
        let expected = [
            Ok(Some(2)),
            Ok(None),
            Ok(None),
            Err("invalid-utf8"),
            Ok(Some(LINE_BYTES)),
            Err("request-too-large"),
            Ok(Some(4)),
        ];
        assert_eq!(read, expected);
    }
}
