//! `import`: raw exports into an environment's inventory, through a provider adapter.

use super::arguments::ImportArguments;
use super::documents::Documents;
use super::key;
use super::output::{Failure, Output, Sheet};
use super::setup;
use indicatif::{ProgressBar, ProgressStyle};
use provident::inventory::{ImportCounts, ImportItem, ImportRefusal};
use provident::service::{Import, MAX_CHUNK_OBJECTS, Service};
use provident_identity::Adapter;
use serde::Serialize;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Refusals shown one by one to a person; the JSON form has more.
const SHOWN_REFUSALS: usize = 20;
/// Refusals kept for the report, so that memory stays bounded whatever is imported; all are counted.
const KEPT_REFUSALS: usize = 10_000;

/// Where an object stands.
#[derive(Clone, Debug, Serialize)]
struct Origin {
    file: PathBuf,
    /// The line its document starts on, from 1.
    line: u64,
    /// Its place in its document, from 0.
    document_position: u32,
}

/// A refused object and where it stands.
#[derive(Debug, Serialize)]
struct Refused {
    #[serde(flatten)]
    refusal: ImportRefusal,
    #[serde(flatten)]
    origin: Option<Origin>,
}

/// What an import did.
#[derive(Debug, Serialize)]
struct Report {
    import_id: Uuid,
    /// Objects in the files.
    objects: u64,
    /// Objects now in the inventory that were not, or not so.
    imported: u64,
    #[serde(flatten)]
    counts: ImportCounts,
    /// The first refusals, in order.
    refusals: Vec<Refused>,
}

/// An import under way.
struct Running<'a> {
    service: &'a Service,
    import: Import,
    position: u64,
    items: Vec<ImportItem>,
    origins: Vec<Origin>,
    refusals: Vec<Refused>,
}

/// `import`.
pub(super) async fn import(service: &Service, output: &Output, arguments: ImportArguments) -> Result<(), Failure> {
    let adapter = key::open_adapter(&arguments.adapter, arguments.adapter_sha256.as_deref())?;
    // Every file is opened before anything is written, so that a slip in the last name stops the whole command.
    let files = arguments.files.iter().map(|file| Ok((file, key::open(file)?))).collect::<Result<Vec<_>, Failure>>()?;
    let scope = &arguments.environment.scope;
    let digest = format!("sha256:{}", adapter.sha256());
    let import = service
        .begin_import(setup::actor(scope), &scope.workspace, arguments.environment.environment, Some(digest))
        .await?;
    let bar = progress_bar(&arguments.files);
    let mut running =
        Running { service, import, position: 0, items: Vec::new(), origins: Vec::new(), refusals: Vec::new() };
    for (file, opened) in files {
        running.take_file(&adapter, file, BufReader::new(bar.wrap_read(opened))).await?;
    }
    running.flush().await?;
    bar.finish_and_clear();
    let Running { import, position, refusals, .. } = running;
    let import_id = import.id();
    let counts = service.finish_import(&import).await?;
    let report = Report { import_id, objects: position, imported: counts.added + counts.changed, counts, refusals };
    output.show(&report, |sheet| draw(sheet, &report))?;
    Failure::unless_all_answered(counts.refused, position)
}

impl Running<'_> {
    async fn take_file(&mut self, adapter: &Adapter, file: &Path, input: impl BufRead) -> Result<(), Failure> {
        let mut documents = Documents::new(input);
        while let Some(document) = documents.next()? {
            let line = document.line;
            for answer in key::describe(adapter, document) {
                let position = self.position;
                self.position += 1;
                let (document_position, item) = match answer {
                    Ok(object) => (object.position, Ok((position, object.descriptor))),
                    Err(refused) => {
                        let refusal = ImportRefusal {
                            position,
                            first_position: None,
                            code: refused.code.to_owned(),
                            field: refused.field,
                            message: refused.message,
                        };
                        (refused.position, Err(refusal))
                    }
                };
                self.items.push(item);
                self.origins.push(Origin { file: file.to_owned(), line, document_position });
                if self.items.len() == MAX_CHUNK_OBJECTS {
                    self.flush().await?;
                }
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.items.is_empty() {
            return Ok(());
        }
        let items = std::mem::take(&mut self.items);
        let origins = std::mem::take(&mut self.origins);
        let first = self.position - items.len() as u64;
        let chunk = self.service.import_chunk(&mut self.import, &items).await?;
        let room = KEPT_REFUSALS - self.refusals.len();
        self.refusals.extend(chunk.refusals.into_iter().take(room).map(|refusal| {
            let at = usize::try_from(refusal.position - first).unwrap_or(usize::MAX);
            Refused { origin: origins.get(at).cloned(), refusal }
        }));
        Ok(())
    }
}

/// Bytes read of bytes there are, where that can be known; shown on a terminal only.
pub(super) fn progress_bar(files: &[PathBuf]) -> ProgressBar {
    let sizes: Option<Vec<u64>> = files
        .iter()
        .map(|file| std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file).map(|file| file.len()))
        .collect();
    let bar = match sizes {
        Some(sizes) => ProgressBar::new(sizes.iter().sum()),
        None => ProgressBar::new_spinner(),
    };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:40} {bytes} of {total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar
}

fn draw(sheet: &mut Sheet, report: &Report) {
    if !report.refusals.is_empty() {
        sheet.head(&["refused", "at", "field", "why"]);
        for Refused { refusal, origin } in report.refusals.iter().take(SHOWN_REFUSALS) {
            let mut at = origin.as_ref().map_or_else(
                || format!("object {}", refusal.position),
                |origin| format!("{}:{} object {}", origin.file.display(), origin.line, origin.document_position),
            );
            if let Some(first) = refusal.first_position {
                at = format!("{at} (against object {first} of the import)");
            }
            sheet.row([refusal.code.clone(), at, refusal.field.clone(), refusal.message.clone()]);
        }
    }
    let counts = report.counts;
    sheet.note(format!(
        "{} objects: {} imported ({} new, {} changed), {} unchanged, {} refused",
        report.objects, report.imported, counts.added, counts.changed, counts.unchanged, counts.refused
    ));
}
