//! The components this crate was built with, and opening component files.

use crate::error::ComponentError;
use crate::runner::{engine, unusable};
use serde::Serialize;
use wasmtime::component::Component;

/// One embedded component: the file, and machine code made of it, the code for the most capable CPU first.
pub(crate) struct Embedded {
    pub(crate) name: &'static str,
    pub(crate) file: Pinned,
    pub(crate) codes: &'static [Pinned],
}

/// Bytes, and their lower-case hex SHA-256 as it was when this crate was built.
#[derive(Clone, Copy, Debug)]
pub struct Pinned {
    /// The bytes.
    pub bytes: &'static [u8],
    /// Their digest.
    pub sha256: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// An embedded component as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComponentDescription {
    /// The name it goes by.
    pub name: &'static str,
    /// Lower-case hex SHA-256 of the component file.
    pub sha256: &'static str,
    /// Size of the component file.
    pub bytes: usize,
    /// The version of the contract it exports, as found in its code.
    pub contract_version: String,
    /// What it imports, as found in its code: nothing.
    pub imports: Vec<String>,
}

pub(crate) fn find(name: &str) -> Result<&'static Embedded, ComponentError> {
    EMBEDDED.iter().find(|known| known.name == name).ok_or_else(|| ComponentError::Unknown(name.to_owned()))
}

/// Loads the embedded code that is best for this machine.
pub(crate) fn load(name: &str) -> Result<Component, ComponentError> {
    let mut refused = ComponentError::Unknown(name.to_owned());
    for code in find(name)?.codes {
        // SAFETY: these bytes were made by this very version of wasmtime in the build script and are part of this
        // binary; code for a more capable CPU than this one is refused.
        #[expect(unsafe_code, reason = "machine code is taken on trust; ours is embedded and pinned")]
        let loaded = unsafe { Component::deserialize(engine()?, code.bytes) };
        match loaded {
            Ok(component) => return Ok(component),
            Err(error) => refused = unusable(&error),
        }
    }
    Err(refused)
}

/// Compiles a component file, if it is the one that was pinned.
#[cfg(feature = "compile")]
pub(crate) fn compile(file: &[u8], expected: &str) -> Result<Component, ComponentError> {
    check_pinned(file, expected)?;
    Component::from_binary(engine()?, file).map_err(|error| unusable(&error))
}

/// Refuses a component file that is not the one that was pinned.
#[cfg(feature = "compile")]
pub(crate) fn check_pinned(file: &[u8], expected: &str) -> Result<(), ComponentError> {
    use sha2::{Digest, Sha256};
    let actual = hex::encode(Sha256::digest(file));
    if actual == expected {
        Ok(())
    } else {
        Err(ComponentError::DigestMismatch { expected: expected.to_owned(), actual })
    }
}

/// What runs the components, and its version: `wasmtime 48.0.8`.
#[must_use]
pub const fn engine_version() -> &'static str {
    concat!("wasmtime ", env!("PROVIDENT_WASMTIME"))
}

/// The embedded components, the identity component first.
///
/// # Errors
///
/// `component-unusable` where embedded code does not fit this machine.
pub fn components() -> Result<Vec<ComponentDescription>, ComponentError> {
    EMBEDDED
        .iter()
        .map(|embedded| {
            let component = load(embedded.name)?;
            let outside = component.component_type();
            let imports = outside.imports(engine()?).map(|(name, _)| name.to_owned()).collect();
            let version = outside.exports(engine()?).find_map(|(name, _)| Some(name.split_once('@')?.1.to_owned()));
            Ok(ComponentDescription {
                name: embedded.name,
                sha256: embedded.file.sha256,
                bytes: embedded.file.bytes.len(),
                contract_version: version.unwrap_or_default(),
                imports,
            })
        })
        .collect()
}

/// The names of the embedded provider adapters.
pub fn adapters() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().skip(1).map(|embedded| embedded.name)
}

/// The component file of this name, as any other runtime can load it.
///
/// # Errors
///
/// `component-unknown`.
pub fn component_file(name: &str) -> Result<&'static [u8], ComponentError> {
    Ok(find(name)?.file.bytes)
}

/// The embedded machine codes of a component, for the test that holds them to their digests.
///
/// # Errors
///
/// `component-unknown`.
pub fn embedded_codes(name: &str) -> Result<&'static [Pinned], ComponentError> {
    find(name).map(|embedded| embedded.codes)
}
