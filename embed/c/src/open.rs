//! Opening components: embedded ones, which are loaded once in a process, and files, which must be the pinned ones.

use crate::memory::Lent;
use crate::refusal::Refusal;
use crate::table::Opened;
use provident_identity::{Adapter, ComponentError, Identity, adapters};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What a component file may have. Ours have a few hundred KiB.
const FILE_BYTES: usize = 64 << 20;

/// Opens the embedded identity component; what is loaded once stays loaded.
pub(crate) fn identity() -> Result<Opened, Refusal> {
    static LOADED: Mutex<Option<Arc<Identity>>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(identity) = loaded.as_ref() {
        return Ok(Opened::Identity(Arc::clone(identity)));
    }
    let identity = Arc::new(Identity::embedded().map_err(Refusal::of("component"))?);
    Ok(Opened::Identity(Arc::clone(loaded.insert(identity))))
}

/// Opens the embedded adapter of this name; what is loaded once stays loaded.
pub(crate) fn adapter(name: Lent<'_>) -> Result<Opened, Refusal> {
    static LOADED: Mutex<BTreeMap<&'static str, Arc<Adapter>>> = Mutex::new(BTreeMap::new());
    let (name, field) = (name.text()?, name.name());
    let name = adapters().find(|known| *known == name);
    let name = name.ok_or_else(|| Refusal::of(field)(ComponentError::Unknown(String::new())))?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(adapter) = loaded.get(name) {
        return Ok(Opened::Adapter(Arc::clone(adapter), Some(name)));
    }
    let adapter = Arc::new(Adapter::embedded(name).map_err(Refusal::of("component"))?);
    loaded.insert(name, Arc::clone(&adapter));
    Ok(Opened::Adapter(adapter, Some(name)))
}

/// A component file, the digest it must have, and the folder its code is kept in.
#[derive(Clone, Copy)]
pub(crate) struct Foreign<'a> {
    pub(crate) path: Lent<'a>,
    pub(crate) sha256: Lent<'a>,
    /// NULL where nothing is kept.
    pub(crate) cache: Lent<'a>,
}

impl Foreign<'_> {
    /// Opens it as the identity component.
    pub(crate) fn identity(self) -> Result<Opened, Refusal> {
        let identity = self.open(Identity::from_file, Identity::from_file_cached)?;
        Ok(Opened::Identity(Arc::new(identity)))
    }

    /// Opens it as an adapter.
    pub(crate) fn adapter(self) -> Result<Opened, Refusal> {
        let adapter = self.open(Adapter::from_file, Adapter::from_file_cached)?;
        Ok(Opened::Adapter(Arc::new(adapter), None))
    }

    fn open<T>(
        self,
        compile: impl FnOnce(&[u8], &str) -> Result<T, ComponentError>,
        load: impl FnOnce(&[u8], &str, &Path) -> Result<T, ComponentError>,
    ) -> Result<T, Refusal> {
        let path = path(self.path)?;
        let sha256 = digest(self.sha256)?;
        let cache = if self.cache.is_none()? { None } else { Some(self::path(self.cache)?) };
        let file = read(path)?;
        let opened = match cache {
            Some(folder) => load(&file, sha256, folder),
            None => compile(&file, sha256),
        };
        opened.map_err(Refusal::of("path"))
    }
}

/// A digest as it is written everywhere.
fn digest(sha256: Lent<'_>) -> Result<&str, Refusal> {
    let (digest, field) = (sha256.text()?, sha256.name());
    let is_one = digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_one { Ok(digest) } else { Err(Refusal::argument(field, "a SHA-256 has 64 hex digits in lower case")) }
}

/// A path of this system: on Unix any bytes, elsewhere UTF-8.
fn path(given: Lent<'_>) -> Result<&Path, Refusal> {
    let bytes = given.bytes()?;
    if bytes.is_empty() {
        return Err(Refusal::argument(given.name(), "the path is empty"));
    }
    if bytes.contains(&0) {
        return Err(Refusal::argument(given.name(), "the path holds a NUL byte"));
    }
    #[cfg(unix)]
    return Ok(Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes)));
    #[cfg(not(unix))]
    return Ok(Path::new(given.text()?));
}

fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    let unreadable = |error: io::Error| Refusal::Unreadable(error.kind());
    // Asked before it is opened: a pipe would keep the caller waiting.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Refusal::Unreadable(io::ErrorKind::InvalidInput));
    }
    let mut file = Vec::new();
    let most = u64::try_from(FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|opened| opened.take(most).read_to_end(&mut file)).map_err(unreadable)?;
    if file.len() > FILE_BYTES {
        let error = ComponentError::InputTooLarge { bytes: file.len(), limit_bytes: FILE_BYTES };
        return Err(Refusal::of("path")(error));
    }
    Ok(file)
}
