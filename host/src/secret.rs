//! Secrets: the master key, and what is sealed under it.
//!
//! One master key per installation, 32 random bytes with a version, kept in a file only its owner can read.
//! Each workspace has a random key of its own for the HMAC of notes; it lies in the database sealed under the
//! master key and leaves this room only to be used. No type here can be printed, compared or serialised, and
//! all are wiped when dropped. What is authenticated with a note key is told in [`crate::audit`].

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::{Zeroize as _, Zeroizing};

use crate::clock::{Ids, NoRandomness};

/// What the text form of a master key starts with.
const SCHEME: &str = "provident-master-1";
/// What the key of a workspace's notes is sealed for; part of the associated data.
const NOTE_KEY_PURPOSE: &str = "provident-note-key-1";
/// A key file is one short line; more than this is not one.
const KEY_FILE_BYTES: u64 = 512;
const NONCE_BYTES: usize = 24;
/// How many names a new key file is tried under before it has its own.
const TEMPORARY_NAMES: u32 = 100;

/// The installation's master key.
///
/// Text form, one line: `provident-master-1:<version>:<64 hex digits>:<checksum, 8 hex digits>`, the checksum
/// being the first four bytes of SHA-256 over what stands before its colon.
pub struct MasterKey {
    version: u32,
    bytes: Zeroizing<[u8; 32]>,
}

/// A workspace's key for the HMAC of its notes.
pub struct NoteKey {
    version: u32,
    bytes: Zeroizing<[u8; 32]>,
}

/// A note key as it lies in the database: master key version (4 bytes, big-endian), nonce, ciphertext and tag.
#[derive(Clone)]
pub struct SealedNoteKey(Vec<u8>);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoteKey")
    }
}

impl fmt::Debug for SealedNoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedNoteKey")
    }
}

/// Why a secret cannot be had. Never says what was read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no master key file.
    #[error("there is no master key at the place it is kept")]
    Missing,
    /// The file can be read or written by others than its owner.
    #[error("the master key file must be readable by its owner only (mode 0600)")]
    Exposed,
    /// The text is not a master key, or was damaged.
    #[error("the master key is malformed or damaged")]
    Malformed,
    /// Something was sealed under another key, for another purpose or place, or was damaged.
    #[error("a sealed value does not open with this master key")]
    DoesNotOpen,
    /// The file could not be read or written.
    #[error("the master key file cannot be used: {0}")]
    File(io::Error),
    /// There is no randomness to make a key of.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl SecretError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "master-key-missing",
            Self::Exposed => "master-key-exposed",
            Self::Malformed => "master-key-malformed",
            Self::DoesNotOpen => "master-key-mismatch",
            Self::File(_) => "master-key-unusable",
            Self::NoRandomness(_) => "no-randomness",
        }
    }
}

impl MasterKey {
    /// A new random key, version 1.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn generate(ids: &Ids) -> Result<Self, SecretError> {
        Ok(Self { version: 1, bytes: ids.random()? })
    }

    /// Which key this is. The first is 1.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The key's text form, without a line end. It is the secret itself.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(self.bytes.as_slice()));
        let mut text = Zeroizing::new(String::with_capacity(128));
        for part in [SCHEME, ":", &self.version.to_string(), ":", &digits] {
            text.push_str(part);
        }
        let sum = checksum(&text);
        text.push(':');
        text.push_str(&sum);
        text
    }

    /// Reads the text form; white space around it is ignored.
    ///
    /// # Errors
    /// [`SecretError::Malformed`] for everything that [`MasterKey::to_text`] does not write.
    pub fn from_text(text: &str) -> Result<Self, SecretError> {
        let (body, sum) = text.trim().rsplit_once(':').ok_or(SecretError::Malformed)?;
        if checksum(body) != sum {
            return Err(SecretError::Malformed);
        }
        let mut parts = body.split(':');
        let (scheme, version, digits) = (parts.next(), parts.next(), parts.next());
        if scheme != Some(SCHEME) || parts.next().is_some() {
            return Err(SecretError::Malformed);
        }
        let version = version.unwrap_or_default().parse().unwrap_or(0);
        let mut bytes = Zeroizing::new([0_u8; 32]);
        hex::decode_to_slice(digits.unwrap_or_default(), bytes.as_mut_slice()).map_err(|_| SecretError::Malformed)?;
        let key = Self { version, bytes };
        if version == 0 || key.to_text().as_str() != text.trim() {
            return Err(SecretError::Malformed);
        }
        Ok(key)
    }

    /// Reads the key from its file.
    ///
    /// # Errors
    /// When there is none, others can read it, or it is not a key.
    pub fn load(path: &Path) -> Result<Self, SecretError> {
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SecretError::Missing);
            }
            Err(error) => return Err(SecretError::File(error)),
        };
        refuse_exposed(&file)?;
        let mut text = Zeroizing::new(String::new());
        file.take(KEY_FILE_BYTES).read_to_string(&mut text).map_err(|_| SecretError::Malformed)?;
        Self::from_text(&text)
    }

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

    /// Makes a note key for a workspace and seals it.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn new_note_key(&self, workspace_id: Uuid, ids: &Ids) -> Result<(NoteKey, SealedNoteKey), SecretError> {
        let key = NoteKey { version: 1, bytes: ids.random()? };
        let sealed = self.seal_note_key(&key, workspace_id, ids)?;
        Ok((key, sealed))
    }

    fn seal_note_key(&self, key: &NoteKey, workspace_id: Uuid, ids: &Ids) -> Result<SealedNoteKey, SecretError> {
        let nonce = ids.random::<NONCE_BYTES>()?;
        let place = associated_data(workspace_id, key.version, self.version);
        let payload = Payload { msg: key.bytes.as_slice(), aad: place.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(*nonce), payload).map_err(|_| SecretError::DoesNotOpen)?;
        let mut blob = Vec::with_capacity(4 + NONCE_BYTES + sealed.len());
        blob.extend_from_slice(&self.version.to_be_bytes());
        blob.extend_from_slice(nonce.as_slice());
        blob.extend_from_slice(&sealed);
        Ok(SealedNoteKey(blob))
    }

    /// Opens a workspace's note key.
    ///
    /// # Errors
    /// [`SecretError::DoesNotOpen`], whatever the cause: another master key, another workspace, another key
    /// version, a changed byte.
    pub fn open_note_key(
        &self,
        sealed: &SealedNoteKey,
        workspace_id: Uuid,
        note_key_version: u32,
    ) -> Result<NoteKey, SecretError> {
        let (version, rest) = sealed.0.split_first_chunk().ok_or(SecretError::DoesNotOpen)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SecretError::DoesNotOpen)?;
        let place = associated_data(workspace_id, note_key_version, u32::from_be_bytes(*version));
        let payload = Payload { msg: text, aad: place.as_bytes() };
        let opened = self
            .cipher()
            .decrypt(&XNonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| SecretError::DoesNotOpen)?;
        let bytes: [u8; 32] = opened.as_slice().try_into().map_err(|_| SecretError::DoesNotOpen)?;
        Ok(NoteKey { version: note_key_version, bytes: Zeroizing::new(bytes) })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let mut key = Key::from(*self.bytes);
        let cipher = XChaCha20Poly1305::new(&key);
        key.as_mut_slice().zeroize();
        cipher
    }
}

impl NoteKey {
    /// Which of the workspace's note keys this is. The first is 1.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// HMAC-SHA256 of a text, in lower-case hex.
    #[must_use]
    pub fn hmac(&self, text: &str) -> String {
        // HMAC takes a key of any length, so the error arm is never taken; it still must not panic.
        match <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.bytes.as_slice()) {
            Ok(mac) => hex::encode(mac.chain_update(text.as_bytes()).finalize().into_bytes()),
            Err(_) => String::new(),
        }
    }
}

impl SealedNoteKey {
    /// As read from the database.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// As written to the database.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a sealed note key is tied to: moved anywhere else, it does not open.
fn associated_data(workspace_id: Uuid, note_key_version: u32, master_key_version: u32) -> String {
    format!("{NOTE_KEY_PURPOSE}\n{workspace_id}\n{note_key_version}\n{master_key_version}")
}

/// A new, empty file in the directory of `path`, mode 0600 from the moment it exists. One that a process left behind
/// when it died is not in the way.
fn new_file_beside(path: &Path) -> io::Result<(PathBuf, fs::File)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for attempt in 0..TEMPORARY_NAMES {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{attempt}.new", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match options.open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (temporary, file)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Makes sure that the name of a file is on disk, not only what is in it.
#[cfg(unix)]
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn checksum(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    hex::encode(digest.first_chunk::<4>().copied().unwrap_or_default())
}

#[cfg(unix)]
fn refuse_exposed(file: &fs::File) -> Result<(), SecretError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata().map_err(SecretError::File)?.permissions().mode();
    if mode.trailing_zeros() >= 6 { Ok(()) } else { Err(SecretError::Exposed) }
}

#[cfg(not(unix))]
fn refuse_exposed(_file: &fs::File) -> Result<(), SecretError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u64) -> MasterKey {
        MasterKey::generate(&Ids::seeded(seed)).unwrap()
    }

    #[test]
    fn a_master_key_reads_back_from_its_text_and_no_other_text() {
        let text = key(1).to_text();
        assert!(text.starts_with("provident-master-1:1:"));
        assert_eq!(MasterKey::from_text(&text).unwrap().to_text(), text);
        assert_eq!(MasterKey::from_text(&format!(" {}\n", *text)).unwrap().version(), 1);
        for at in 0..text.len() {
            let mut damaged = text.as_bytes().to_vec();
            damaged[at] = if damaged[at] == b'0' { b'1' } else { b'0' };
            let damaged = String::from_utf8(damaged).unwrap();
            assert!(matches!(MasterKey::from_text(&damaged), Err(SecretError::Malformed)), "position {at}");
        }
        let body = "provident-master-1:01:".to_owned() + &"0".repeat(64);
        let padded = format!("{body}:{}", checksum(&body));
        assert!(matches!(MasterKey::from_text(&padded), Err(SecretError::Malformed)));
    }

    #[test]
    fn a_key_file_is_whole_or_not_there_and_never_replaced() {
        let directory = std::env::temp_dir().join(format!("provident-key-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("master.key");
        // What a process of the same number left behind when it died is not in the way.
        fs::write(directory.join(format!(".master.key.{}-0.new", std::process::id())), "half").unwrap();
        key(1).store(&path).unwrap();
        let refused = key(2).store(&path);
        assert!(matches!(refused, Err(SecretError::File(error)) if error.kind() == io::ErrorKind::AlreadyExists));
        assert_eq!(MasterKey::load(&path).unwrap().to_text(), key(1).to_text());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "no other file stays");
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_note_key_opens_only_where_it_was_sealed() {
        let (ids, here, there) = (Ids::seeded(2), Uuid::from_u128(1), Uuid::from_u128(2));
        let (note_key, sealed) = key(1).new_note_key(here, &ids).unwrap();
        let opened = key(1).open_note_key(&sealed, here, 1).unwrap();
        assert_eq!(opened.hmac("why"), note_key.hmac("why"));
        assert_ne!(opened.hmac("why"), note_key.hmac("why not"));

        let refusals = [
            key(9).open_note_key(&sealed, here, 1),
            key(1).open_note_key(&sealed, there, 1),
            key(1).open_note_key(&sealed, here, 2),
        ];
        for refusal in refusals {
            assert!(matches!(refusal, Err(SecretError::DoesNotOpen)));
        }
        for at in 0..sealed.as_bytes().len() {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[at] ^= 1;
            let damaged = SealedNoteKey::from_bytes(bytes);
            let refusal = key(1).open_note_key(&damaged, here, 1);
            assert!(matches!(refusal, Err(SecretError::DoesNotOpen)), "byte {at}");
        }
        for cut in 0..sealed.as_bytes().len() {
            let short = SealedNoteKey::from_bytes(sealed.as_bytes()[..cut].to_vec());
            assert!(key(1).open_note_key(&short, here, 1).is_err());
        }
    }

    #[test]
    fn the_hmac_is_the_one_of_rfc_4231() {
        // Test case 2's key is shorter than ours: HMAC pads with zeros, so the padded key gives the same.
        let mut bytes = Zeroizing::new([0_u8; 32]);
        bytes[..4].copy_from_slice(b"Jefe");
        let note_key = NoteKey { version: 1, bytes };
        assert_eq!(
            note_key.hmac("what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        let (note_key, sealed) = key(1).new_note_key(Uuid::nil(), &Ids::seeded(2)).unwrap();
        assert_eq!(format!("{:?} {note_key:?} {sealed:?}", key(1)), "MasterKey NoteKey SealedNoteKey");
    }
}
