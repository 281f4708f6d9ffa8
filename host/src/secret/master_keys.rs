//! The ring of master keys: one, or the old and the new while one is being put in the place of the other.
//!
//! What is sealed says under which version; the ring finds that key. A process that began before there was a new key
//! reads the file again when it meets the new version, and goes on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::{MasterKey, SecretError, key_file};

/// Master keys of distinct versions, at least one.
///
/// Text form: their text forms with white space between them, in any order. In a file each has a line.
pub struct MasterKeys {
    file: Option<PathBuf>,
    keys: RwLock<Keys>,
}

#[derive(Clone)]
struct Keys {
    newest: Arc<MasterKey>,
    older: Vec<Arc<MasterKey>>,
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKeys")
    }
}

impl Keys {
    fn parse(text: &str) -> Result<Self, SecretError> {
        let mut keys = text.split_whitespace().map(MasterKey::from_text).collect::<Result<Vec<_>, _>>()?;
        keys.sort_by_key(MasterKey::version);
        if keys.windows(2).any(|pair| pair.first().map(MasterKey::version) == pair.last().map(MasterKey::version)) {
            return Err(SecretError::Malformed);
        }
        let newest = Arc::new(keys.pop().ok_or(SecretError::Malformed)?);
        Ok(Self { newest, older: keys.into_iter().map(Arc::new).collect() })
    }

    fn all(&self) -> impl Iterator<Item = &Arc<MasterKey>> {
        self.older.iter().chain([&self.newest])
    }

    fn of_version(&self, version: u32) -> Option<Arc<MasterKey>> {
        self.all().find(|key| key.version() == version).cloned()
    }

    /// With what these have besides. A key that is there stays, though the file may have lost it: something may have been
    /// read a moment ago that was sealed under it.
    fn with(&self, others: &Self) -> Self {
        let mut keys: Vec<_> = self.all().cloned().collect();
        keys.extend(others.all().filter(|key| self.of_version(key.version()).is_none()).cloned());
        keys.sort_by_key(|key| key.version());
        match keys.pop() {
            Some(newest) => Self { newest, older: keys },
            None => self.clone(),
        }
    }
}

impl MasterKeys {
    /// Reads the keys from their file, which is read again whenever a version is met that is not among them.
    ///
    /// # Errors
    /// When there is none, others can read it, or something in it is not a key.
    pub fn load(path: &Path) -> Result<Self, SecretError> {
        let keys = Keys::parse(&key_file::read(path)?)?;
        Ok(Self { file: Some(path.to_owned()), keys: RwLock::new(keys) })
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`SecretError::Malformed`] if there is no key in it, something that is none, or two of one version.
    pub fn from_text(text: &str) -> Result<Self, SecretError> {
        Ok(Self { file: None, keys: RwLock::new(Keys::parse(text)?) })
    }

    /// The file they came from, if they came from one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The key of the highest version.
    #[must_use]
    pub fn newest(&self) -> Arc<MasterKey> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner).newest)
    }

    /// Their versions, ascending.
    #[must_use]
    pub fn versions(&self) -> Vec<u32> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).all().map(|key| key.version()).collect()
    }

    /// The key of a version. Of one that is not among them the file is read again: there may be a new key since.
    ///
    /// # Errors
    /// [`SecretError::Superseded`] for a version later than all of them, [`SecretError::DoesNotOpen`] for another that
    /// there is no key of; when the file cannot be read.
    pub fn of_version(&self, version: u32) -> Result<Arc<MasterKey>, SecretError> {
        if let Some(key) = self.known(version) {
            return Ok(key);
        }
        if let Some(path) = &self.file {
            let read = Keys::parse(&key_file::read(path)?)?;
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            *keys = keys.with(&read);
        }
        match self.known(version) {
            Some(key) => Ok(key),
            None if version > self.newest().version() => Err(SecretError::Superseded),
            None => Err(SecretError::DoesNotOpen),
        }
    }

    fn known(&self, version: u32) -> Option<Arc<MasterKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).of_version(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Ids;

    /// Keys of versions 1 to `count`.
    fn keys(count: usize) -> Vec<MasterKey> {
        let ids = Ids::seeded(5);
        let mut keys = vec![MasterKey::generate(&ids).unwrap()];
        while keys.len() < count {
            keys.push(keys.last().unwrap().generate_next(&ids).unwrap());
        }
        keys
    }

    fn text(keys: &[&MasterKey]) -> String {
        keys.iter().map(|key| key.to_text().to_string()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_ring_is_one_or_more_keys_of_distinct_versions_in_any_order() {
        let keys = keys(3);
        let [one, two, three] = &keys[..] else { panic!() };
        for given in [text(&[one, two, three]), text(&[three, one, two]), text(&[two, three, one]).replace('\n', " \t")]
        {
            let ring = MasterKeys::from_text(&given).unwrap();
            assert_eq!(ring.versions(), [1, 2, 3]);
            assert_eq!(ring.newest().to_text(), three.to_text());
            for key in &keys {
                assert_eq!(ring.of_version(key.version()).unwrap().to_text(), key.to_text());
            }
        }
        assert_eq!(MasterKeys::from_text(&one.to_text()).unwrap().versions(), [1]);
        let other = MasterKey::generate(&Ids::seeded(6)).unwrap();
        let damaged = text(&[one, two]).replace("master-1:2", "master-1:3");
        for refused in [text(&[one, two, one]), text(&[one, &other]), damaged, String::new(), " \n".into()] {
            assert!(matches!(MasterKeys::from_text(&refused), Err(SecretError::Malformed)), "{}", refused.len());
        }
    }

    #[test]
    fn of_an_unknown_version_a_later_one_means_that_there_is_a_new_key() {
        let keys = keys(3);
        let ring = MasterKeys::from_text(&keys[1].to_text()).unwrap();
        assert!(matches!(ring.of_version(3), Err(SecretError::Superseded)));
        assert!(matches!(ring.of_version(1), Err(SecretError::DoesNotOpen)));
        assert!(ring.file().is_none());
    }

    #[test]
    fn a_file_is_read_again_for_a_version_that_is_not_known_and_what_is_known_stays() {
        let directory = std::env::temp_dir().join(format!("provident-ring-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("master.key");
        let keys = keys(2);
        keys[0].store(&path).unwrap();
        let ring = MasterKeys::load(&path).unwrap();
        assert_eq!((ring.versions(), ring.file()), (vec![1], Some(path.as_path())));
        assert!(matches!(ring.of_version(2), Err(SecretError::Superseded)));

        let held = key_file::HeldKeyFile::take(&path).unwrap().unwrap();
        held.replace([&keys[1]]).unwrap();
        assert_eq!(ring.versions(), [1], "nobody asked for another");
        assert_eq!(ring.of_version(2).unwrap().to_text(), keys[1].to_text());
        assert_eq!(ring.newest().version(), 2);
        assert_eq!(ring.of_version(1).unwrap().to_text(), keys[0].to_text(), "it may just have been read");
        assert_eq!(MasterKeys::load(&path).unwrap().versions(), [2]);

        std::fs::remove_file(&path).unwrap();
        assert!(matches!(ring.of_version(3), Err(SecretError::Missing)));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_ring_is_not_printed() {
        assert_eq!(format!("{:?}", MasterKeys::from_text(&keys(1)[0].to_text()).unwrap()), "MasterKeys");
    }
}
