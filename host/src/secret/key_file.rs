//! The file master keys lie in: read whole, written whole, by its owner only.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{MasterKey, SecretError};

/// A key file is a few short lines; more than this is not one.
const KEY_FILE_BYTES: u64 = 4_096;
/// How many names a new key file is tried under before it has its own.
const TEMPORARY_NAMES: u32 = 100;
/// What the name of a key file that is being written ends in.
const TEMPORARY_END: &str = ".new";

/// What stands in a key file.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SecretError::Missing);
        }
        Err(error) => return Err(SecretError::File(error)),
    };
    refuse_exposed(&file)?;
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(KEY_FILE_BYTES).unwrap_or_default()));
    let read = file.take(KEY_FILE_BYTES).read_to_string(&mut text).map_err(|_| SecretError::Malformed)?;
    // What was cut may have been a key.
    if u64::try_from(read).is_ok_and(|read| read < KEY_FILE_BYTES) { Ok(text) } else { Err(SecretError::Malformed) }
}

impl MasterKey {
    /// Puts the key into a new file, mode 0600 (directories for it 0700), and makes sure it is on disk. The file is
    /// there with all of the key or not at all: it is written under another name first.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn store(&self, path: &Path) -> Result<(), SecretError> {
        if let Some(directory) = path.parent()
            && !directory.as_os_str().is_empty()
            && !directory.exists()
        {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(directory).map_err(SecretError::File)?;
        }
        let mut line = self.to_text();
        line.push('\n');
        let (temporary, mut file) = new_file_beside(path).map_err(SecretError::File)?;
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
        // A link never takes the place of a file that is there.
        let linked = written.and_then(|()| fs::hard_link(&temporary, path));
        let removed = fs::remove_file(&temporary);
        linked.and(removed).and_then(|()| sync_directory_of(path)).map_err(SecretError::File)
    }
}

/// A key file that nobody else rewrites: its directory is locked, for as long as this is there. The lock dies with the
/// process that has it.
#[derive(Debug)]
pub(crate) struct HeldKeyFile {
    path: PathBuf,
    _directory: File,
}

impl HeldKeyFile {
    /// Takes hold of the file, of the one a link leads to; nothing if somebody else has.
    ///
    /// # Errors
    /// When there is no such file, or its directory cannot be locked.
    pub(crate) fn take(path: &Path) -> Result<Option<Self>, SecretError> {
        let path = fs::canonicalize(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SecretError::Missing,
            _ => SecretError::File(error),
        })?;
        let directory = File::open(directory_of(&path)).map_err(SecretError::File)?;
        match directory.try_lock() {
            Ok(()) => Ok(Some(Self { path, _directory: directory })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(SecretError::File(error)),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts these keys, and no others, in the place of those in the file, and makes sure that they are on disk. The file
    /// has all of the old or all of the new at every moment. Mode and owner stay.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn replace<'a>(&self, keys: impl IntoIterator<Item = &'a MasterKey>) -> Result<(), SecretError> {
        let mut text = Zeroizing::new(String::with_capacity(usize::try_from(KEY_FILE_BYTES).unwrap_or_default()));
        for key in keys {
            text.push_str(&key.to_text());
            text.push('\n');
        }
        let (temporary, mut file) = new_file_beside(&self.path).map_err(SecretError::File)?;
        let written = same_owner(&self.path, &file)
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            // It has keys in it. That it cannot be removed either is told of by what went wrong first.
            let _ = fs::remove_file(&temporary);
        }
        written.and_then(|()| sync_directory_of(&self.path)).map_err(SecretError::File)
    }

    /// Removes what processes that died while writing have left behind. Nobody else writes here now.
    ///
    /// # Errors
    /// When the directory cannot be read, or something in it not removed.
    pub(crate) fn remove_leftovers(&self) -> Result<(), SecretError> {
        let begin = temporary_beginning(&self.path).map_err(SecretError::File)?;
        for entry in fs::read_dir(directory_of(&self.path)).map_err(SecretError::File)? {
            let entry = entry.map_err(SecretError::File)?;
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            if name.starts_with(begin.as_encoded_bytes()) && name.ends_with(TEMPORARY_END.as_bytes()) {
                fs::remove_file(entry.path()).map_err(SecretError::File)?;
            }
        }
        Ok(())
    }
}

/// `.NAME.`: what the name of a file that becomes this one begins with.
fn temporary_beginning(path: &Path) -> io::Result<OsString> {
    let mut begin = OsString::from(".");
    begin.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    begin.push(".");
    Ok(begin)
}

/// A new, empty file in the directory of `path`, mode 0600 from the moment it exists. One that a process left behind
/// when it died is not in the way.
fn new_file_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let begin = temporary_beginning(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for attempt in 0..TEMPORARY_NAMES {
        let mut temporary = begin.clone();
        temporary.push(format!("{}-{attempt}{TEMPORARY_END}", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match options.open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (temporary, file)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes sure that the name of a file is on disk, not only what is in it.
#[cfg(unix)]
fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Gives a new file to whom the old one belongs: an administrator may rewrite what a service reads.
#[cfg(unix)]
fn same_owner(old: &Path, new: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let (old, made) = (fs::metadata(old)?, new.metadata()?);
    if (old.uid(), old.gid()) == (made.uid(), made.gid()) {
        return Ok(());
    }
    fchown(new, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn same_owner(_old: &Path, _new: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn refuse_exposed(file: &File) -> Result<(), SecretError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata().map_err(SecretError::File)?.permissions().mode();
    if mode.trailing_zeros() >= 6 { Ok(()) } else { Err(SecretError::Exposed) }
}

#[cfg(not(unix))]
fn refuse_exposed(_file: &File) -> Result<(), SecretError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Ids;
    use crate::secret::MasterKeys;

    fn key(seed: u64) -> MasterKey {
        MasterKey::generate(&Ids::seeded(seed)).unwrap()
    }

    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("provident-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn a_key_file_is_whole_or_not_there_and_never_replaced() {
        let directory = directory("key");
        let path = directory.join("master.key");
        // What a process of the same number left behind when it died is not in the way.
        fs::write(directory.join(format!(".master.key.{}-0.new", std::process::id())), "half").unwrap();
        key(1).store(&path).unwrap();
        let refused = key(2).store(&path);
        assert!(matches!(refused, Err(SecretError::File(error)) if error.kind() == io::ErrorKind::AlreadyExists));
        assert_eq!(*read(&path).unwrap(), format!("{}\n", *key(1).to_text()));
        assert_eq!(MasterKeys::load(&path).unwrap().newest().to_text(), key(1).to_text());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "no other file stays");
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_held_key_file_is_rewritten_whole_by_one_at_a_time() {
        let directory = directory("held-key");
        let path = directory.join("master.key");
        assert!(matches!(HeldKeyFile::take(&path), Err(SecretError::Missing)));
        let (first, ids) = (key(1), Ids::seeded(2));
        first.store(&path).unwrap();
        let second = first.generate_next(&ids).unwrap();
        let held = HeldKeyFile::take(&path).unwrap().unwrap();
        assert!(HeldKeyFile::take(&path).unwrap().is_none(), "somebody else has it");

        fs::write(directory.join(".master.key.1-0.new"), "half").unwrap();
        fs::write(directory.join(".master.keys.new"), "another's").unwrap();
        held.remove_leftovers().unwrap();
        held.replace([&first, &second]).unwrap();
        assert_eq!(*read(&path).unwrap(), format!("{}\n{}\n", *first.to_text(), *second.to_text()));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "the file, and another's");
        held.replace([&second]).unwrap();
        assert_eq!(*read(&path).unwrap(), format!("{}\n", *second.to_text()));
        drop(held);
        assert!(HeldKeyFile::take(&path).unwrap().is_some());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_what_it_leads_to_is_rewritten() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = directory("linked-key");
        let (path, elsewhere) = (directory.join("master.key"), directory.join("elsewhere.key"));
        key(1).store(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        HeldKeyFile::take(&path).unwrap().unwrap().replace([&key(2)]).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(*read(&path).unwrap(), format!("{}\n", *key(2).to_text()));
        assert_eq!(fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_file_that_goes_on_is_not_a_key_file() {
        let directory = directory("long-key");
        let path = directory.join("master.key");
        key(1).store(&path).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(" ".repeat(4_096).as_bytes()).unwrap();
        assert!(matches!(read(&path), Err(SecretError::Malformed)));
        fs::remove_dir_all(&directory).unwrap();
    }
}
