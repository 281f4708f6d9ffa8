//! `key` and `batch`: pure questions to the components. No workspace, no actor, nothing stored.

use super::arguments::{AdapterChoice, DeriveArguments};
use super::documents::{Document, Documents};
use super::output::Failure;
use provident_identity::{
    Adapted, Adapter, Answered, ComponentError, GovernedSubject, Identity, Lines, ProviderResourceDescriptor, Refusal,
};
use serde::Serialize;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

/// Where an export is read from: a file, or standard input for `-`.
pub(super) fn open(file: &Path) -> Result<Box<dyn Read>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let unreadable = |why: &dyn Display| Failure::usage("file-unreadable", format!("{}: {why}", file.display()));
    let opened = File::open(file).map_err(|error| unreadable(&error))?;
    // A directory opens like a file, and only reading it fails.
    if opened.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(unreadable(&"it is a directory"));
    }
    Ok(Box::new(opened))
}

/// The adapter a command names: an embedded one by its name, or a pinned component file.
pub(super) fn open_adapter(name: &str, pinned: Option<&str>) -> Result<Adapter, Failure> {
    let is_file = Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wasm"));
    let pinned = pinned.map(|pinned| pinned.strip_prefix("sha256:").unwrap_or(pinned).to_ascii_lowercase());
    if !is_file {
        let adapter = Adapter::embedded(name)?;
        return match pinned {
            Some(expected) if expected != adapter.sha256() => {
                let actual = adapter.sha256().to_owned();
                Err(ComponentError::DigestMismatch { expected, actual }.into())
            }
            _ => Ok(adapter),
        };
    }
    let file = std::fs::read(name).map_err(|error| Failure::usage("file-unreadable", format!("{name}: {error}")))?;
    let Some(pinned) = pinned else {
        return Err(Failure::usage(
            "adapter-not-pinned",
            format!("an adapter file is pinned by its digest: add --adapter-sha256 {}", sha256(&file)),
        ));
    };
    Adapter::from_file(&file, &pinned).map_err(Failure::from)
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(bytes))
}

/// `batch`: the line protocol on standard input and output.
pub(super) fn batch(choice: &AdapterChoice) -> Result<(), Failure> {
    let identity = Identity::embedded()?;
    let adapter = choice.adapter.as_deref().map(|name| open_adapter(name, choice.adapter_sha256.as_deref()));
    let adapter = adapter.transpose()?;
    let answered =
        Lines::new(&identity, adapter.as_ref()).answer(io::stdin().lock(), BufWriter::new(io::stdout().lock()))?;
    Failure::unless_all_answered(answered.refused, answered.ok + answered.refused)
}

/// `key parse` and `key digest`: one reply per key.
pub(super) fn answer_keys(op: &'static str, keys: &[String]) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Input<'a> {
        key: &'a str,
    }
    let mut lines = String::new();
    for key in keys {
        lines.push_str(&serde_json::to_string(&Input { key }).map_err(io::Error::other)?);
        lines.push('\n');
    }
    let identity = Identity::embedded()?;
    let answered = Lines::of_inputs(&identity, op).answer(lines.as_bytes(), BufWriter::new(io::stdout().lock()))?;
    Failure::unless_all_answered(answered.refused, answered.ok + answered.refused)
}

/// `key derive`: derive inputs one a line, or, with an adapter, raw exports.
pub(super) fn derive(arguments: &DeriveArguments) -> Result<(), Failure> {
    let identity = Identity::embedded()?;
    let input = open(&arguments.file)?;
    let mut output = BufWriter::new(io::stdout().lock());
    let answered = match &arguments.adapter.adapter {
        None => Lines::of_inputs(&identity, "derive").answer(input, &mut output)?,
        Some(name) => {
            let adapter = open_adapter(name, arguments.adapter.adapter_sha256.as_deref())?;
            derive_adapted(&identity, &adapter, BufReader::new(input), &mut output)?
        }
    };
    output.flush()?;
    Failure::unless_all_answered(answered.refused, answered.ok + answered.refused)
}

/// One reply per described object. Exactly one of `ok` and `error` stands in it.
#[derive(Serialize)]
struct Reply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<Success<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refused>,
}

#[derive(Serialize)]
struct Success<'a> {
    key: &'a str,
    digest: &'a str,
    descriptor: &'a ProviderResourceDescriptor,
}

/// A refused object: what was wrong, and where it stands.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Refused {
    /// The adapter's or the key's code; of a component that failed on the whole document, its code.
    pub(super) code: &'static str,
    pub(super) field: String,
    pub(super) message: String,
    /// The object's place in its document, from 0.
    pub(super) position: u32,
    /// The line its document starts on, from 1.
    pub(super) line: u64,
}

/// What an adapter makes of one document; a document that could not be read is one refusal.
///
/// So is one the adapter fails on, however it fails: the others are answered all the same.
pub(super) fn describe(adapter: &Adapter, document: Document) -> Vec<Result<Adapted, Refused>> {
    let line = document.line;
    let text = match document.text {
        Ok(text) => text,
        Err(why) => {
            let field = String::from("document");
            let message = why.message.to_owned();
            return vec![Err(Refused { code: why.code.as_str(), field, message, position: 0, line })];
        }
    };
    let answers = match adapter.describe(&text) {
        Ok(answers) => answers,
        // The instance that failed is gone; the next document gets a new one.
        Err(error) => {
            let (code, field, message) = (error.code(), String::from("document"), error.to_string());
            return vec![Err(Refused { code, field, message, position: 0, line })];
        }
    };
    let refused = |refusal: Refusal| Refused {
        code: refusal.code.as_str(),
        field: refusal.field,
        message: refusal.message,
        position: refusal.position,
        line,
    };
    answers.into_iter().map(|answer| answer.map_err(refused)).collect()
}

/// Answers every object of an export.
fn derive_adapted(
    identity: &Identity,
    adapter: &Adapter,
    input: impl BufRead,
    output: &mut impl Write,
) -> Result<Answered, Failure> {
    let mut answered = Answered::default();
    let mut documents = Documents::new(input);
    while let Some(document) = documents.next()? {
        let line = document.line;
        let answers = describe(adapter, document);
        let subjects: Vec<GovernedSubject> =
            answers.iter().flatten().map(|adapted| adapted.descriptor.subject()).collect();
        let mut keys = identity.derive_many(&subjects)?.into_iter();
        for answer in &answers {
            let reply = match answer {
                Ok(object) => match keys.next() {
                    Some(Ok(derived)) => {
                        let key = derived.key.as_str();
                        let ok = Success { key, digest: &derived.digest, descriptor: &object.descriptor };
                        write_reply(output, &Reply { ok: Some(ok), error: None })?;
                        answered.ok += 1;
                        continue;
                    }
                    Some(Err(error)) => Refused {
                        code: error.code.as_str(),
                        field: error.field,
                        message: error.message,
                        position: object.position,
                        line,
                    },
                    None => return Err(Failure::from(ComponentError::Trapped)),
                },
                Err(refusal) => refusal.clone(),
            };
            answered.refused += 1;
            write_reply(output, &Reply { ok: None, error: Some(reply) })?;
        }
    }
    Ok(answered)
}

fn write_reply(output: &mut impl Write, reply: &Reply<'_>) -> Result<(), Failure> {
    serde_json::to_writer(&mut *output, reply).map_err(io::Error::from)?;
    output.write_all(b"\n")?;
    Ok(())
}
