//! Machine code made of component files, kept in a folder from one process to the next.
//!
//! Compiling takes a second, loading what was compiled a millisecond. What is in the folder is run as it is, so only a
//! folder is used that nobody else can write to. A file of it holds the SHA-256 of the code, then the code; its name
//! says of which component, and for which engine and CPU. Whatever is not that is compiled anew and replaced.

use crate::embedded;
use crate::error::ComponentError;
use crate::runner::{engine, unusable};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

/// How long the digest at the front of a file is.
const DIGEST_BYTES: usize = 32;

/// Opens a component file, which must be the one that was pinned: by its code in the folder, or by compiling it and
/// leaving the code there. The folder is made, for this user alone, if it is not there.
pub(crate) fn load(file: &[u8], sha256: &str, folder: &Path) -> Result<Component, ComponentError> {
    embedded::check_pinned(file, sha256)?;
    let engine = engine()?;
    let folder = prepare(folder)?;
    let name = name(engine, sha256);
    if let Some(component) = kept(engine, &folder.join(&name)) {
        return Ok(component);
    }
    let component = Component::from_binary(engine, file).map_err(|error| unusable(&error))?;
    let code = component.serialize().map_err(|error| unusable(&error))?;
    // What cannot be kept, as on a full disk, is compiled again by the next one.
    let _ = keep(&folder, &name, &code);
    Ok(component)
}

/// Makes the folder if it is not there, and refuses one that is not this user's alone, or stands where others could put
/// another in its place. Answers where it really is.
fn prepare(folder: &Path) -> Result<PathBuf, ComponentError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let unusable = |error: io::Error| ComponentError::CacheUnusable(error.kind());
    let folder = builder.create(folder).and_then(|()| fs::canonicalize(folder)).map_err(unusable)?;
    if !is_private(&fs::metadata(&folder).map_err(unusable)?) {
        return Err(ComponentError::CacheNotPrivate);
    }
    for above in folder.ancestors().skip(1) {
        if !keeps_names(&fs::metadata(above).map_err(unusable)?) {
            return Err(ComponentError::CacheNotPrivate);
        }
    }
    Ok(folder)
}

/// Whether what is in a folder cannot be replaced by others: they may not write to it, or only to what is their own.
#[cfg(unix)]
fn keeps_names(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    const STICKY: u32 = 0o1000;
    is_ours(metadata) && (metadata.mode() & 0o022 == 0 || metadata.mode() & STICKY != 0)
}

#[cfg(not(unix))]
fn keeps_names(_: &Metadata) -> bool {
    true
}

#[cfg(unix)]
fn is_ours(metadata: &Metadata) -> bool {
    [0, rustix::process::geteuid().as_raw()].contains(&std::os::unix::fs::MetadataExt::uid(metadata))
}

/// Whether nobody but this user or root owns it or may write to it.
#[cfg(unix)]
fn is_private(metadata: &Metadata) -> bool {
    is_ours(metadata) && std::os::unix::fs::MetadataExt::mode(metadata) & 0o022 == 0
}

/// Elsewhere the caller vouches for the folder: permissions there are not those of Unix.
#[cfg(not(unix))]
fn is_private(_: &Metadata) -> bool {
    true
}

/// The file of this component's code for this engine: its settings, its version, the features of this CPU.
fn name(engine: &Engine, sha256: &str) -> String {
    let mut settings = Settings(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut settings);
    let settings = hex::encode(settings.0.finalize());
    format!("{sha256}-{}.cwasm", settings.get(..32).unwrap_or(&settings))
}

/// Takes what is hashed to SHA-256, which no two settings share and no version of Rust changes.
struct Settings(Sha256);

impl Hasher for Settings {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest: [u8; DIGEST_BYTES] = self.0.clone().finalize().into();
        digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }
}

/// The component whose code is kept in this file; `None` where there is none that can be taken.
fn kept(engine: &Engine, path: &Path) -> Option<Component> {
    let mut file = File::open(path).ok()?;
    // Asked of the file that is open: its name may stand for another one by now.
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || !is_private(&metadata) {
        return None;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let (digest, code) = bytes.split_at_checked(DIGEST_BYTES)?;
    if digest != digest_of(code) {
        return None;
    }
    // SAFETY: the file is one that nobody but this user or root can write, in a folder of which the same holds; its
    // name and its digest say that `keep` wrote it whole, from what wasmtime itself serialized. Code of other
    // settings, or of another version, is refused by wasmtime.
    #[expect(unsafe_code, reason = "machine code is taken on trust; only this user could have left it here")]
    unsafe { Component::deserialize(engine, code) }.ok()
}

/// Leaves code in the folder. Who reads at the same time sees the whole of it, or what was there before.
fn keep(folder: &Path, name: &str, code: &[u8]) -> io::Result<()> {
    // A process of its own may start with the same random keys, when it was forked.
    let random = RandomState::new().build_hasher().finish();
    let unfinished = folder.join(format!("{name}.{}-{random:016x}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    let written = file.write_all(&digest_of(code)).and_then(|()| file.write_all(code));
    drop(file);
    let written = written.and_then(|()| fs::rename(&unfinished, folder.join(name)));
    if written.is_err() {
        // What is wrong is told already; a file without its name is never read.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn digest_of(code: &[u8]) -> [u8; DIGEST_BYTES] {
    Sha256::digest(code).into()
}

#[cfg(test)]
mod tests {
    use super::{DIGEST_BYTES, digest_of, load};
    use crate::{Adapter, ComponentError, Identity, component_file};
    use sha2::{Digest, Sha256};
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    const DOCUMENT: &str = r#"{"kind":"widget"}"#;

    fn file() -> (&'static [u8], String) {
        let file = component_file("fake").unwrap();
        (file, hex::encode(Sha256::digest(file)))
    }

    /// The files in a folder and when each was written.
    fn files(folder: &Path) -> Vec<(PathBuf, SystemTime)> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (path.clone(), path.metadata().unwrap().modified().unwrap())).collect()
    }

    fn open(folder: &Path) -> Result<(), ComponentError> {
        let (file, sha256) = file();
        let adapter = Adapter::from_file_cached(file, &sha256, folder)?;
        assert_eq!(adapter.sha256(), sha256);
        assert_eq!(adapter.about(), Adapter::embedded("fake").unwrap().about());
        assert_eq!(adapter.describe(DOCUMENT), Adapter::embedded("fake").unwrap().describe(DOCUMENT));
        Ok(())
    }

    #[test]
    fn a_component_is_compiled_once() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap();
        let first = files(folder.path());
        let [(path, _)] = first.as_slice() else { panic!("{first:?}") };
        let (_, sha256) = file();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("{sha256}-")), "{name}");
        let bytes = fs::read(path).unwrap();
        assert_eq!(bytes[..DIGEST_BYTES], digest_of(&bytes[DIGEST_BYTES..]));
        open(folder.path()).unwrap();
        assert_eq!(files(folder.path()), first, "it was compiled again");
    }

    #[test]
    fn what_is_no_code_of_the_component_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap();
        let path = files(folder.path()).remove(0).0;
        let good = fs::read(&path).unwrap();
        let framed = |code: &[u8]| [&digest_of(code)[..], code].concat();
        let mut altered = good.clone();
        *altered.last_mut().unwrap() ^= 1;
        let other_engine = wasmtime::Engine::new(&wasmtime::Config::new()).unwrap();
        let of_other_settings = other_engine.precompile_component(file().0).unwrap();
        for (what, bytes) in [
            ("empty", Vec::new()),
            ("shorter than a digest", good[..10].to_vec()),
            ("a digest alone", good[..DIGEST_BYTES].to_vec()),
            ("truncated", good[..good.len() / 2].to_vec()),
            ("altered", altered),
            ("not code", framed(b"not code")),
            ("truncated before it was kept", framed(&good[DIGEST_BYTES..good.len() / 2])),
            ("of other settings", framed(&of_other_settings)),
        ] {
            fs::write(&path, &bytes).unwrap();
            open(folder.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(fs::read(&path).unwrap() == good, "{what}: not replaced by the good one");
            assert_eq!(files(folder.path()).len(), 1, "{what}: something was left over");
        }
    }

    #[test]
    fn the_file_is_the_pinned_one_before_anything_else() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("not-made");
        let (file, sha256) = file();
        let (other, zeroes) = (component_file("identity").unwrap(), "0".repeat(64));
        for (bytes, pinned) in [(file, &zeroes), (other, &sha256), (&file[..file.len() - 1], &sha256)] {
            let error = load(bytes, pinned, &missing).unwrap_err();
            assert_eq!(error.code(), "component-digest-mismatch");
        }
        assert!(!missing.exists(), "a folder was made for a file that is not taken");
    }

    #[test]
    fn a_component_of_another_world_is_refused_from_the_folder_too() {
        let folder = tempfile::tempdir().unwrap();
        let (file, sha256) = file();
        for _ in 0..2 {
            let error = Identity::from_file_cached(file, &sha256, folder.path()).unwrap_err();
            assert_eq!(error.code(), "component-unusable");
        }
        open(folder.path()).unwrap();
    }

    #[test]
    fn code_that_cannot_be_kept_is_used_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap();
        let path = files(folder.path()).remove(0).0;
        fs::remove_file(&path).unwrap();
        // No file takes the place of a folder.
        fs::create_dir(&path).unwrap();
        open(folder.path()).unwrap();
        assert!(path.is_dir() && files(folder.path()).len() == 1, "something was left over");
    }

    #[test]
    fn a_folder_that_cannot_be_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("file");
        fs::write(&taken, b"").unwrap();
        for path in [taken.clone(), taken.join("below")] {
            assert_eq!(open(&path).unwrap_err().code(), "cache-unusable", "{}", path.display());
        }
    }

    #[cfg(unix)]
    mod on_unix {
        use super::{files, open};
        use std::fs::{self, Permissions};
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

        #[test]
        fn folder_and_files_are_made_for_this_user_alone() {
            let folder = tempfile::tempdir().unwrap();
            let made = folder.path().join("a/b");
            open(&made).unwrap();
            for folder in [folder.path().join("a"), made.clone()] {
                assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700, "{}", folder.display());
            }
            assert_eq!(fs::metadata(&files(&made)[0].0).unwrap().mode() & 0o777, 0o600);
        }

        #[test]
        fn a_folder_others_may_write_to_is_refused() {
            let folder = tempfile::tempdir().unwrap();
            for (mode, taken) in [(0o702, false), (0o720, false), (0o1777, false), (0o755, true), (0o700, true)] {
                fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
                let code = open(folder.path()).map_err(|error| error.code());
                assert_eq!(code, if taken { Ok(()) } else { Err("cache-not-private") }, "{mode:o}");
            }
        }

        #[test]
        fn a_folder_that_others_can_put_another_in_the_place_of_is_refused() {
            let folder = tempfile::tempdir().unwrap();
            let below = folder.path().join("above/cache");
            open(&below).unwrap();
            for (mode, taken) in [(0o777, false), (0o770, false), (0o1777, true), (0o755, true)] {
                fs::set_permissions(folder.path().join("above"), Permissions::from_mode(mode)).unwrap();
                let code = open(&below).map_err(|error| error.code());
                assert_eq!(code, if taken { Ok(()) } else { Err("cache-not-private") }, "{mode:o}");
            }
        }

        #[test]
        fn a_folder_or_file_of_somebody_else_is_not_trusted() {
            let folder = tempfile::tempdir().unwrap();
            if chown(folder.path(), Some(65_534), None).is_err() {
                // Only root can give a folder away; the mode is judged by the same function.
                return;
            }
            assert_eq!(open(folder.path()).unwrap_err().code(), "cache-not-private");
            chown(folder.path(), Some(0), None).unwrap();
            open(folder.path()).unwrap();
            let path = files(folder.path()).remove(0).0;
            for spoil in [
                || |path: &std::path::Path| chown(path, Some(65_534), None).unwrap(),
                || |path: &std::path::Path| fs::set_permissions(path, Permissions::from_mode(0o606)).unwrap(),
            ] as [fn() -> fn(&std::path::Path); 2]
            {
                spoil()(&path);
                open(folder.path()).unwrap();
                let metadata = fs::metadata(&path).unwrap();
                assert_eq!((metadata.uid(), metadata.mode() & 0o777), (0, 0o600), "it was taken as it is");
            }
        }
    }
}
