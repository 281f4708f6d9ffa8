//! The identity component: keys, descriptors, decisions.

#[cfg(feature = "compile")]
use crate::cache;
use crate::embedded;
use crate::error::{CallError, ComponentError};
use crate::model::{
    ActorKind, CanonicalSubjectKey, DecisionAction, GovernedSubject, IdentityError, KeyForm,
    ProviderResourceDescriptor, ResolutionMode, SubjectClass,
};
use crate::runner::{Cap, Export, Exports, Runner, check_input, signature};
use crate::tally::Calls;
use serde::Serialize;
use std::fmt;
#[cfg(feature = "compile")]
use std::path::Path;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentType, Instance, Lift, Lower};

/// The memory cap of an identity instance.
const MEMORY_BYTES: usize = 16 << 20;
/// What the texts of one typed call, or one batch, may have together.
const INPUT_BYTES: usize = 1 << 20;
/// How many request lines are answered by one call of `batch.run`.
const LINES_PER_CALL: usize = 4_096;
/// How many subjects cross in one call of `derive-many`; longer lists take several.
const SUBJECTS_PER_CALL: usize = 1_000;

/// A key and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DerivedKey {
    /// The canonical subject key.
    pub key: CanonicalSubjectKey,
    /// `sha256:` and the lower-case hex of SHA-256 over the key's bytes.
    pub digest: String,
}

/// A key, taken apart; texts are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedKey {
    /// The key itself, now known to be one.
    pub key: CanonicalSubjectKey,
    /// The provider.
    pub provider_key: String,
    /// What kind of thing the subject is.
    pub subject_class: SubjectClass,
    /// The platform's type of the subject.
    pub subject_type_key: String,
    /// The provider's type of the resource.
    pub resource_type: String,
    /// Which identity the key carries.
    pub form: KeyForm,
    /// That identity.
    pub value: String,
}

/// A valid descriptor, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The canonical subject key of the resource.
    pub key: CanonicalSubjectKey,
    /// RFC 8785 JSON over domain, class, type key, support level and identity without its fingerprint.
    pub canonical: String,
    /// `sha256:` over `canonical`.
    pub digest: String,
}

/// A decision, before it is made. Debug leaves the note out.
#[derive(ComponentType, Lower, Clone, PartialEq, Eq)]
#[component(record)]
pub struct Decision {
    /// What it does.
    pub action: DecisionAction,
    /// Who makes it.
    pub actor: ActorKind,
    /// How the subject is resolved; absent on revoke.
    pub mode: Option<ResolutionMode>,
    /// The subject's canonical key.
    pub subject: String,
    /// The resource's canonical key.
    pub resource: Option<String>,
    /// The operator's words, as typed.
    pub note: Option<String>,
    /// A reason code.
    pub reason: Option<String>,
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("action", &self.action)
            .field("actor", &self.actor)
            .field("mode", &self.mode)
            .field("subject", &self.subject)
            .field("resource", &self.resource)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// What the identity component says of itself.
#[derive(ComponentType, Lift, Clone, Debug, PartialEq, Eq, Serialize)]
#[component(record)]
pub struct About {
    /// The version of the key grammar.
    #[component(name = "grammar-version")]
    pub grammar_version: u32,
    /// The version of the contract.
    #[component(name = "contract-version")]
    pub contract_version: String,
    /// The limits.
    pub limits: Limits,
}

/// The limits, in the unit each name ends with.
#[derive(ComponentType, Lift, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[component(record)]
#[expect(missing_docs, reason = "documented at `about.limits` in `wit/`")]
pub struct Limits {
    #[component(name = "line-bytes")]
    pub line_bytes: u32,
    #[component(name = "batch-bytes")]
    pub batch_bytes: u32,
    #[component(name = "key-bytes")]
    pub key_bytes: u32,
    #[component(name = "type-bytes")]
    pub type_bytes: u32,
    #[component(name = "value-bytes")]
    pub value_bytes: u32,
    #[component(name = "label-bytes")]
    pub label_bytes: u32,
    #[component(name = "note-chars")]
    pub note_chars: u32,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct WitDerivedKey {
    key: String,
    digest: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct WitParsedKey {
    #[component(name = "provider-key")]
    provider_key: String,
    #[component(name = "subject-class")]
    subject_class: SubjectClass,
    #[component(name = "subject-type-key")]
    subject_type_key: String,
    #[component(name = "resource-type")]
    resource_type: String,
    form: KeyForm,
    value: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct WitDescribed {
    key: String,
    canonical: String,
    digest: String,
}

impl From<WitDerivedKey> for DerivedKey {
    fn from(derived: WitDerivedKey) -> Self {
        Self { key: CanonicalSubjectKey::from_stored(derived.key), digest: derived.digest }
    }
}

/// What a call answers: a result, or one refusal.
type Answer<T> = (Result<T, IdentityError>,);
/// What a list of subjects answers, item by item.
type Answers<T> = (Vec<Result<T, IdentityError>>,);

signature!(Derive: <'a> (&'a GovernedSubject,) => Answer<WitDerivedKey>);
signature!(DeriveMany: <'a> (&'a [GovernedSubject],) => Answers<WitDerivedKey>);
signature!(DeriveFlat: <'a> (&'a [u8],) => (Vec<u8>,));
signature!(Parse: <'a> (&'a str,) => Answer<WitParsedKey>);
signature!(Digest: <'a> (&'a str,) => Answer<String>);
signature!(Describe: <'a> (&'a ProviderResourceDescriptor,) => Answer<WitDescribed>);
signature!(Check: <'a> (&'a Decision,) => (Result<(), Vec<IdentityError>>,));
signature!(RewriteNote: <'a> (&'a str,) => (Option<String>,));
signature!(Run: <'a> (&'a str,) => (String,));
signature!(Describing: <'a> () => (About,));

struct IdentityExports {
    derive: Export<Derive>,
    derive_many: Export<DeriveMany>,
    derive_flat: Export<DeriveFlat>,
    parse: Export<Parse>,
    digest: Export<Digest>,
    describe: Export<Describe>,
    check: Export<Check>,
    rewrite_note: Export<RewriteNote>,
    run: Export<Run>,
    about: Export<Describing>,
}

impl Exports for IdentityExports {
    fn find(component: &Component, store: &mut Store<Cap>, instance: &Instance) -> wasmtime::Result<Self> {
        Ok(Self {
            derive: Export::find(component, store, instance, "keys", "derive")?,
            derive_many: Export::find(component, store, instance, "keys", "derive-many")?,
            derive_flat: Export::find(component, store, instance, "keys", "derive-flat")?,
            parse: Export::find(component, store, instance, "keys", "parse")?,
            digest: Export::find(component, store, instance, "keys", "digest")?,
            describe: Export::find(component, store, instance, "descriptors", "describe")?,
            check: Export::find(component, store, instance, "decisions", "check")?,
            rewrite_note: Export::find(component, store, instance, "decisions", "rewrite-note")?,
            run: Export::find(component, store, instance, "batch", "run")?,
            about: Export::find(component, store, instance, "about", "describe")?,
        })
    }
}

/// The identity component, ready to be called from any thread.
pub struct Identity {
    runner: Runner<IdentityExports>,
    sha256: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

impl Identity {
    /// Opens the embedded component; nothing is compiled.
    ///
    /// # Errors
    ///
    /// `component-unusable` where the embedded code does not fit this machine.
    pub fn embedded() -> Result<Self, ComponentError> {
        let sha256 = embedded::find("identity")?.file.sha256.to_owned();
        Ok(Self { runner: Runner::open(embedded::load("identity")?, MEMORY_BYTES)?, sha256 })
    }

    /// Compiles and opens a component file, which must be the one that was pinned.
    ///
    /// # Errors
    ///
    /// `component-digest-mismatch`; `component-unusable` where it is not a component of this contract.
    #[cfg(feature = "compile")]
    pub fn from_file(file: &[u8], sha256: &str) -> Result<Self, ComponentError> {
        let runner = Runner::open(embedded::compile(file, sha256)?, MEMORY_BYTES)?;
        Ok(Self { runner, sha256: sha256.to_owned() })
    }

    /// Opens a component file, which must be the one that was pinned, and compiles it only once: its code is kept in
    /// `folder`, which is made for this user alone if it is not there, and used only if nobody else may write to it.
    /// Elsewhere than on Unix the caller vouches for that.
    ///
    /// # Errors
    ///
    /// As [`Self::from_file`]; `cache-not-private`; `cache-unusable` where the folder cannot be made, read or written.
    #[cfg(feature = "compile")]
    pub fn from_file_cached(file: &[u8], sha256: &str, folder: &Path) -> Result<Self, ComponentError> {
        let runner = Runner::open(cache::load(file, sha256, folder)?, MEMORY_BYTES)?;
        Ok(Self { runner, sha256: sha256.to_owned() })
    }

    /// Lower-case hex SHA-256 of the component.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What its calls have taken since it was opened.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.runner.calls()
    }

    /// Derives the key of one subject (P381-37).
    ///
    /// # Errors
    ///
    /// The first rule the subject breaks, or the component's failure.
    pub fn derive(&self, subject: &GovernedSubject) -> Result<DerivedKey, CallError> {
        check_input(subject.text_bytes(), INPUT_BYTES)?;
        let (answer,) = self.runner.call(|exports, store| exports.derive.call(store, (subject,)))?;
        Ok(answer?.into())
    }

    /// Derives many keys; each subject is answered for itself, in order. Long lists take several calls.
    ///
    /// # Errors
    ///
    /// The component's failure. A subject over the input limit fails the whole list with `input-too-large`.
    pub fn derive_many(
        &self,
        subjects: &[GovernedSubject],
    ) -> Result<Vec<Result<DerivedKey, IdentityError>>, ComponentError> {
        let mut derived = Vec::with_capacity(subjects.len());
        let mut rest = subjects;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(call_size(rest)?);
            let (answers,) = self.runner.call(|exports, store| exports.derive_many.call(store, (chunk,)))?;
            derived.extend(answers.into_iter().map(|answer| answer.map(DerivedKey::from)));
            rest = after;
        }
        Ok(derived)
    }

    /// Derives packed keys; the layout stands at `keys.derive-flat` in `wit/`.
    ///
    /// # Errors
    ///
    /// The component's failure; `input-too-large` over 1 MiB.
    pub fn derive_flat(&self, records: &[u8]) -> Result<Vec<u8>, ComponentError> {
        check_input(records.len(), INPUT_BYTES)?;
        let (keys,) = self.runner.call(|exports, store| exports.derive_flat.call(store, (records,)))?;
        Ok(keys)
    }

    /// Takes a key apart. Accepts exactly what deriving can produce.
    ///
    /// # Errors
    ///
    /// The first rule the key breaks, or the component's failure.
    pub fn parse(&self, key: &str) -> Result<ParsedKey, CallError> {
        check_input(key.len(), INPUT_BYTES)?;
        let (answer,) = self.runner.call(|exports, store| exports.parse.call(store, (key,)))?;
        let parsed = answer?;
        Ok(ParsedKey {
            key: CanonicalSubjectKey::from_stored(key.to_owned()),
            provider_key: parsed.provider_key,
            subject_class: parsed.subject_class,
            subject_type_key: parsed.subject_type_key,
            resource_type: parsed.resource_type,
            form: parsed.form,
            value: parsed.value,
        })
    }

    /// The digest of a key: `sha256:` and lower-case hex.
    ///
    /// # Errors
    ///
    /// The first rule the key breaks, or the component's failure.
    pub fn digest(&self, key: &str) -> Result<String, CallError> {
        check_input(key.len(), INPUT_BYTES)?;
        let (answer,) = self.runner.call(|exports, store| exports.digest.call(store, (key,)))?;
        Ok(answer?)
    }

    /// Validates a descriptor and renders it.
    ///
    /// # Errors
    ///
    /// The first rule the descriptor breaks, or the component's failure.
    pub fn describe(&self, descriptor: &ProviderResourceDescriptor) -> Result<Described, CallError> {
        check_input(descriptor.text_bytes(), INPUT_BYTES)?;
        let (answer,) = self.runner.call(|exports, store| exports.describe.call(store, (descriptor,)))?;
        let described = answer?;
        Ok(Described {
            key: CanonicalSubjectKey::from_stored(described.key),
            canonical: described.canonical,
            digest: described.digest,
        })
    }

    /// Judges a decision.
    ///
    /// # Errors
    ///
    /// Every rule the decision breaks, or the component's failure.
    pub fn check(&self, decision: &Decision) -> Result<(), CallError> {
        let given = [&decision.resource, &decision.note, &decision.reason];
        let bytes = decision.subject.len() + given.into_iter().flatten().map(String::len).sum::<usize>();
        check_input(bytes, INPUT_BYTES)?;
        let (answer,) = self.runner.call(|exports, store| exports.check.call(store, (decision,)))?;
        answer.map_err(CallError::Refused)
    }

    /// A note as it is judged and stored; `None` when nothing is left of it. The only place notes are rewritten.
    ///
    /// # Errors
    ///
    /// The component's failure; `input-too-large` over 1 MiB.
    pub fn rewrite_note(&self, note: &str) -> Result<Option<String>, ComponentError> {
        check_input(note.len(), INPUT_BYTES)?;
        let (note,) = self.runner.call(|exports, store| exports.rewrite_note.call(store, (note,)))?;
        Ok(note)
    }

    /// Answers a batch of request lines; see [`crate::Lines`] for streams. Many lines take several calls: replies can
    /// be many times as long as requests, and a call has a memory cap.
    ///
    /// # Errors
    ///
    /// The component's failure; `input-too-large` over 1 MiB.
    pub fn batch(&self, ndjson: &str) -> Result<String, ComponentError> {
        check_input(ndjson.len(), INPUT_BYTES)?;
        let mut replies = String::new();
        let mut rest = ndjson;
        while !rest.is_empty() {
            let end = rest.match_indices('\n').nth(LINES_PER_CALL - 1).map_or(rest.len(), |(at, _)| at + 1);
            let (lines, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let (answered,) = if replies.is_empty() || !lines.starts_with('\u{FEFF}') {
                self.runner.call(|exports, store| exports.run.call(store, (lines,)))?
            } else {
                // Only a batch may start with a byte-order mark, and this is the middle of one.
                let lines = format!("\n{lines}");
                self.runner.call(|exports, store| exports.run.call(store, (&lines,)))?
            };
            replies.push_str(&answered);
            rest = after;
        }
        Ok(replies)
    }

    /// Versions and limits.
    ///
    /// # Errors
    ///
    /// The component's failure.
    pub fn about(&self) -> Result<About, ComponentError> {
        let (about,) = self.runner.call(|exports, store| exports.about.call(store, ()))?;
        Ok(about)
    }
}

/// How many subjects from the front fit one call: bounded in number and in bytes of text.
fn call_size(subjects: &[GovernedSubject]) -> Result<usize, ComponentError> {
    let mut bytes = 0;
    for (at, subject) in subjects.iter().take(SUBJECTS_PER_CALL).enumerate() {
        bytes += subject.text_bytes();
        if bytes > INPUT_BYTES {
            check_input(subject.text_bytes(), INPUT_BYTES)?;
            return Ok(at);
        }
    }
    Ok(subjects.len().min(SUBJECTS_PER_CALL))
}
