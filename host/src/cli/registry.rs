//! `registry`: rows a platform keeps, mirrored into a workspace.

use super::arguments::RegistryCommand;
use super::documents::Documents;
use super::import::progress_bar;
use super::key;
use super::output::{Failure, Output, Sheet};
use super::setup;
use provident::inventory::{ImportCounts, ImportRefusal};
use provident::registry::{LineAnswer, RegistryItem, RegistryLine};
use provident::service::{MAX_CHUNK_OBJECTS, RegistrySync, Service};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Refusals shown one by one to a person; the JSON form has more.
const SHOWN_REFUSALS: usize = 20;
/// Refusals kept for the report, so that memory stays bounded whatever is mirrored; all are counted.
const KEPT_REFUSALS: usize = 10_000;

/// A refused line and where it stands.
#[derive(Debug, Serialize)]
struct Refused {
    #[serde(flatten)]
    refusal: ImportRefusal,
    file: PathBuf,
    /// From 1.
    line: u64,
}

/// What a sync did.
#[derive(Debug, Serialize)]
struct Report {
    sync_id: Uuid,
    /// Lines in the files.
    lines: u64,
    #[serde(flatten)]
    counts: ImportCounts,
    /// The first refusals, in order.
    refusals: Vec<Refused>,
}

/// What became of a line, for whoever goes on with the ids.
#[derive(Serialize)]
struct Answered<'a> {
    line: u64,
    external_ref: Option<&'a str>,
    state: &'static str,
    /// Of memberships and entitlements the user's.
    id: Option<Uuid>,
    code: Option<&'a str>,
}

/// A sync under way.
struct Running<'a> {
    service: &'a Service,
    sync: RegistrySync,
    position: u64,
    items: Vec<RegistryItem>,
    lines: Vec<u64>,
    refusals: Vec<Refused>,
    answers: Option<BufWriter<File>>,
}

/// `registry`.
pub(super) async fn registry(service: &Service, output: &Output, command: RegistryCommand) -> Result<(), Failure> {
    let RegistryCommand::Sync { scope, answers, files } = command;
    // Every file is opened before anything is written, so that a slip in the last name stops the whole command.
    let opened = files.iter().map(|file| Ok((file, key::open(file)?))).collect::<Result<Vec<_>, Failure>>()?;
    let unwritable = |error| Failure::usage("file-unwritable", format!("the file for answers: {error}"));
    let answers = answers.map(|path| File::create(path).map(BufWriter::new).map_err(unwritable)).transpose()?;
    let sync = service.begin_sync(setup::actor(&scope), &scope.workspace, &[]).await?;
    let bar = progress_bar(&files);
    let mut running =
        Running { service, sync, position: 0, items: Vec::new(), lines: Vec::new(), refusals: Vec::new(), answers };
    for (file, opened) in opened {
        running.take_file(file, BufReader::new(bar.wrap_read(opened))).await?;
    }
    bar.finish_and_clear();
    let Running { sync, position, refusals, answers, .. } = running;
    if let Some(mut answers) = answers {
        answers.flush()?;
    }
    let sync_id = sync.id();
    let counts = service.finish_sync(&sync).await?;
    let report = Report { sync_id, lines: position, counts, refusals };
    output.show(&report, |sheet| draw(sheet, &report))?;
    Failure::unless_all_answered(counts.refused, position)
}

impl Running<'_> {
    async fn take_file(&mut self, file: &Path, input: impl BufRead) -> Result<(), Failure> {
        let mut documents = Documents::new(input);
        while let Some(document) = documents.next()? {
            let position = self.position;
            self.position += 1;
            self.lines.push(document.line);
            self.items.push(match document.text {
                Ok(text) => RegistryLine::read(position, &text),
                Err(why) => Err(ImportRefusal::new(position, why.code, "line", why.message)),
            });
            if self.items.len() == MAX_CHUNK_OBJECTS {
                self.flush(file).await?;
            }
        }
        self.flush(file).await
    }

    async fn flush(&mut self, file: &Path) -> Result<(), Failure> {
        if self.items.is_empty() {
            return Ok(());
        }
        let items = std::mem::take(&mut self.items);
        let lines = std::mem::take(&mut self.lines);
        let chunk = self.service.sync_chunk(&mut self.sync, &items).await?;
        if let Some(out) = &mut self.answers {
            for ((line, item), answer) in lines.iter().zip(&items).zip(&chunk.answers) {
                let external_ref = item.as_ref().ok().map(|line| line.external_ref.as_str());
                let (state, id, code) = match answer {
                    LineAnswer::Added(id) => ("added", Some(*id), None),
                    LineAnswer::Changed(id) => ("changed", Some(*id), None),
                    LineAnswer::Unchanged(id) => ("unchanged", Some(*id), None),
                    LineAnswer::Refused(refusal) => ("refused", None, Some(refusal.code.as_str())),
                };
                serde_json::to_writer(&mut *out, &Answered { line: *line, external_ref, state, id, code })
                    .map_err(io::Error::from)?;
                writeln!(out)?;
            }
        }
        let room = KEPT_REFUSALS - self.refusals.len();
        let refused = lines.into_iter().zip(chunk.answers).filter_map(|(line, answer)| match answer {
            LineAnswer::Refused(refusal) => Some(Refused { refusal, file: file.to_owned(), line }),
            _ => None,
        });
        self.refusals.extend(refused.take(room));
        Ok(())
    }
}

fn draw(sheet: &mut Sheet, report: &Report) {
    if !report.refusals.is_empty() {
        sheet.head(&["refused", "at", "field", "why"]);
        for Refused { refusal, file, line } in report.refusals.iter().take(SHOWN_REFUSALS) {
            let mut at = format!("{}:{line}", file.display());
            if let Some(first) = refusal.first_position {
                at = format!("{at} (against object {first} of the sync)");
            }
            sheet.row([refusal.code.clone(), at, refusal.field.clone(), refusal.message.clone()]);
        }
    }
    let counts = report.counts;
    sheet.note(format!(
        "{} lines: {} new, {} changed, {} unchanged, {} refused",
        report.lines, counts.added, counts.changed, counts.unchanged, counts.refused
    ));
}
