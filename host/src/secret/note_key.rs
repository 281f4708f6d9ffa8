//! Note keys: of each workspace one, sealed under a master key.

use std::fmt;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::sealing::{open_key, seal};
use super::{MasterKey, MasterKeys, SecretError};
use crate::clock::Ids;

/// What the key of a workspace's notes is sealed for; part of the associated data.
const NOTE_KEY_PURPOSE: &str = "provident-note-key-1";

/// A workspace's key for the HMAC of its notes.
pub struct NoteKey {
    version: u32,
    bytes: Zeroizing<[u8; 32]>,
}

/// A note key as it lies in the database: master key version (4 bytes, big-endian), nonce, ciphertext and tag.
#[derive(Clone)]
pub struct SealedNoteKey(Vec<u8>);

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

    /// The version of the master key it is sealed under, and the rest.
    fn parts(&self) -> Result<(u32, &[u8]), SecretError> {
        let (version, rest) = self.0.split_first_chunk().ok_or(SecretError::DoesNotOpen)?;
        Ok((u32::from_be_bytes(*version), rest))
    }

    /// Which master key it says that it is sealed under.
    ///
    /// # Errors
    /// [`SecretError::DoesNotOpen`] if it is too short to say.
    pub fn master_key_version(&self) -> Result<u32, SecretError> {
        Ok(self.parts()?.0)
    }
}

impl MasterKey {
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
        let place = associated_data(workspace_id, key.version, self.version());
        let sealed = seal(&self.cipher(), key.bytes.as_slice(), &place, ids)?;
        let mut blob = self.version().to_be_bytes().to_vec();
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
        let (master_key_version, rest) = sealed.parts()?;
        let place = associated_data(workspace_id, note_key_version, master_key_version);
        let bytes = open_key(&self.cipher(), rest, &place)?;
        Ok(NoteKey { version: note_key_version, bytes })
    }
}

impl MasterKeys {
    /// Opens a workspace's note key with the master key it was sealed under.
    ///
    /// # Errors
    /// Those of [`MasterKeys::of_version`] and [`MasterKey::open_note_key`].
    pub fn open_note_key(
        &self,
        sealed: &SealedNoteKey,
        workspace_id: Uuid,
        note_key_version: u32,
    ) -> Result<NoteKey, SecretError> {
        let master = self.of_version(sealed.master_key_version()?)?;
        master.open_note_key(sealed, workspace_id, note_key_version)
    }

    /// Seals a note key anew, under this master key. The note key stays as it is, and so does every HMAC.
    ///
    /// # Errors
    /// Those of [`MasterKeys::open_note_key`]; when the machine has no randomness.
    pub fn rewrap_note_key(
        &self,
        under: &MasterKey,
        sealed: &SealedNoteKey,
        workspace_id: Uuid,
        note_key_version: u32,
        ids: &Ids,
    ) -> Result<SealedNoteKey, SecretError> {
        let key = self.open_note_key(sealed, workspace_id, note_key_version)?;
        under.seal_note_key(&key, workspace_id, ids)
    }
}

/// What a sealed note key is tied to: moved anywhere else, it does not open.
fn associated_data(workspace_id: Uuid, note_key_version: u32, master_key_version: u32) -> String {
    format!("{NOTE_KEY_PURPOSE}\n{workspace_id}\n{note_key_version}\n{master_key_version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u64) -> MasterKey {
        MasterKey::generate(&Ids::seeded(seed)).unwrap()
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

    #[test]
    fn a_note_key_sealed_anew_is_the_same_key() {
        let (ids, here) = (Ids::seeded(3), Uuid::from_u128(1));
        let (old, other) = (key(1), Uuid::from_u128(2));
        let new = old.generate_next(&ids).unwrap();
        let (note_key, sealed) = old.new_note_key(here, &ids).unwrap();
        let text = format!("{}\n{}", *old.to_text(), *new.to_text());
        let ring = MasterKeys::from_text(&text).unwrap();
        let again = ring.rewrap_note_key(&new, &sealed, here, 1, &ids).unwrap();
        assert_eq!((sealed.master_key_version().unwrap(), again.master_key_version().unwrap()), (1, 2));
        for sealed in [&sealed, &again] {
            assert_eq!(ring.open_note_key(sealed, here, 1).unwrap().hmac("why"), note_key.hmac("why"));
            assert!(matches!(ring.open_note_key(sealed, other, 1), Err(SecretError::DoesNotOpen)));
        }
        assert!(matches!(ring.rewrap_note_key(&new, &sealed, other, 1, &ids), Err(SecretError::DoesNotOpen)));
        let alone = MasterKeys::from_text(&new.to_text()).unwrap();
        assert_eq!(alone.open_note_key(&again, here, 1).unwrap().hmac("why"), note_key.hmac("why"));
        assert!(matches!(alone.open_note_key(&sealed, here, 1), Err(SecretError::DoesNotOpen)));
        // The version that lies beside it is part of what it is tied to.
        let mut moved = again.as_bytes().to_vec();
        moved[..4].copy_from_slice(&1_u32.to_be_bytes());
        assert!(matches!(
            ring.open_note_key(&SealedNoteKey::from_bytes(moved), here, 1),
            Err(SecretError::DoesNotOpen)
        ));
    }
}
