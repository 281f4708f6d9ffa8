//! Provider adapters: raw objects to descriptors. Which providers are embedded is a row in `build.rs`.

#[cfg(feature = "compile")]
use crate::cache;
use crate::embedded;
use crate::error::ComponentError;
use crate::model::{ErrorCode, ProviderResourceDescriptor};
use crate::runner::{Cap, Export, Exports, Runner, check_input, signature};
use crate::tally::Calls;
use serde::Serialize;
use std::fmt;
#[cfg(feature = "compile")]
use std::path::Path;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentType, Instance, Lift};

/// The memory cap of an adapter instance.
const MEMORY_BYTES: usize = 64 << 20;

/// A raw object, understood.
#[derive(ComponentType, Lift, Clone, Debug, PartialEq, Eq)]
#[component(record)]
pub struct Adapted {
    /// Its place in the document, from 0.
    pub position: u32,
    /// What it is.
    pub descriptor: ProviderResourceDescriptor,
}

/// A raw object, refused.
#[derive(ComponentType, Lift, Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[component(record)]
#[error("{code} ({field}) at position {position}: {message}")]
pub struct Refusal {
    /// Its place in the document, from 0.
    pub position: u32,
    /// The rule that was broken.
    pub code: ErrorCode,
    /// The bare name of the member it was broken in; `document` for the whole.
    pub field: String,
    /// For people.
    pub message: String,
}

/// The answers to one document as JSON: `{"items":[{"descriptor":…}|{"error":{code,field,message,position}}]}`.
#[derive(Clone, Debug, Serialize)]
pub struct Items {
    items: Vec<Item>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Item {
    Descriptor(Box<ProviderResourceDescriptor>),
    Error(Refusal),
}

impl From<Vec<Result<Adapted, Refusal>>> for Items {
    fn from(answers: Vec<Result<Adapted, Refusal>>) -> Self {
        let item = |answer| match answer {
            Ok(Adapted { descriptor, .. }) => Item::Descriptor(Box::new(descriptor)),
            Err(refusal) => Item::Error(refusal),
        };
        Self { items: answers.into_iter().map(item).collect() }
    }
}

/// What an adapter says of itself.
#[derive(ComponentType, Lift, Clone, Debug, PartialEq, Eq, Serialize)]
#[component(record)]
pub struct AdapterDescription {
    /// The provider it speaks for.
    #[component(name = "provider-key")]
    pub provider_key: String,
    /// Its own version.
    pub version: String,
    /// The provider's types it knows, sorted.
    #[component(name = "entity-types")]
    pub entity_types: Vec<String>,
}

signature!(Describe: <'a> (&'a str,) => (Vec<Result<Adapted, Refusal>>,));
signature!(Describing: <'a> () => (AdapterDescription,));

struct AdapterExports {
    describe: Export<Describe>,
    about: Export<Describing>,
}

impl Exports for AdapterExports {
    fn find(component: &Component, store: &mut Store<Cap>, instance: &Instance) -> wasmtime::Result<Self> {
        Ok(Self {
            describe: Export::find(component, store, instance, "adapter", "describe")?,
            about: Export::find(component, store, instance, "adapter", "about")?,
        })
    }
}

/// A provider adapter, ready to be called from any thread.
pub struct Adapter {
    runner: Runner<AdapterExports>,
    sha256: String,
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter").field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

impl Adapter {
    /// What one document may have, in bytes.
    pub const DOCUMENT_BYTES: usize = 8 << 20;

    /// Opens the embedded adapter of this name; nothing is compiled.
    ///
    /// # Errors
    ///
    /// `component-unknown` where there is none, `component-unusable` where its code does not fit this machine.
    pub fn embedded(name: &str) -> Result<Self, ComponentError> {
        let sha256 = embedded::find(name)?.file.sha256.to_owned();
        Ok(Self { runner: Runner::open(embedded::load(name)?, MEMORY_BYTES)?, sha256 })
    }

    /// Compiles and opens an adapter file, which must be the one that was pinned (lower-case hex SHA-256).
    ///
    /// # Errors
    ///
    /// `component-digest-mismatch`; `component-unusable` where it is no adapter, or imports anything.
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

    /// Turns one raw document, of one object or many, into descriptors: an answer for every object, in order.
    ///
    /// # Errors
    ///
    /// The component's failure; `input-too-large` over [`Self::DOCUMENT_BYTES`].
    pub fn describe(&self, document: &str) -> Result<Vec<Result<Adapted, Refusal>>, ComponentError> {
        check_input(document.len(), Self::DOCUMENT_BYTES)?;
        let (answers,) = self.runner.call(|exports, store| exports.describe.call(store, (document,)))?;
        Ok(answers)
    }

    /// Which provider it speaks for, and which types it knows.
    ///
    /// # Errors
    ///
    /// The component's failure.
    pub fn about(&self) -> Result<AdapterDescription, ComponentError> {
        let (about,) = self.runner.call(|exports, store| exports.about.call(store, ()))?;
        Ok(about)
    }
}
