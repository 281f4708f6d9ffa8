//! A master key: its text form, and sealing under it.

use std::fmt;

use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use super::SecretError;
use crate::clock::Ids;

/// What the text form of a master key starts with.
const SCHEME: &str = "provident-master-1";
/// What a fingerprint is made of, before the key.
const FINGERPRINT_TAG: &str = "provident-master-key-fingerprint-1";

/// A master key of the installation.
///
/// Text form, one line: `provident-master-1:<version>:<64 hex digits>:<checksum, 8 hex digits>`, the checksum
/// being the first four bytes of SHA-256 over what stands before its colon.
pub struct MasterKey {
    version: u32,
    bytes: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
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

    /// A new random key of the version after this one.
    ///
    /// # Errors
    /// When the machine has no randomness, or there is no further version.
    pub fn generate_next(&self, ids: &Ids) -> Result<Self, SecretError> {
        let version = self.version.checked_add(1).filter(|version| i32::try_from(*version).is_ok());
        Ok(Self { version: version.ok_or(SecretError::Malformed)?, bytes: ids.random()? })
    }

    /// Which key this is. The first is 1.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What tells this key from another one of its version, and tells nothing of it: SHA-256 in lower-case hex over a
    /// purpose, LF, and the key's 32 bytes.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::new().chain_update(FINGERPRINT_TAG).chain_update("\n").chain_update(self.bytes.as_slice());
        hex::encode(digest.finalize())
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

    pub(super) fn cipher(&self) -> XChaCha20Poly1305 {
        cipher(&self.bytes)
    }
}

/// The cipher of a key, of which no copy stays behind.
pub(super) fn cipher(bytes: &[u8; 32]) -> XChaCha20Poly1305 {
    let mut key = Key::from(*bytes);
    let cipher = XChaCha20Poly1305::new(&key);
    key.as_mut_slice().zeroize();
    cipher
}

fn checksum(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    hex::encode(digest.first_chunk::<4>().copied().unwrap_or_default())
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
    fn the_next_key_is_another_one_of_the_next_version() {
        let ids = Ids::seeded(1);
        let first = MasterKey::generate(&ids).unwrap();
        let second = first.generate_next(&ids).unwrap();
        assert_eq!((first.version(), second.version()), (1, 2));
        assert_ne!(*first.bytes, *second.bytes);
        assert_eq!(MasterKey::from_text(&second.to_text()).unwrap().to_text(), second.to_text());
        let last = MasterKey { version: 0x7fff_ffff, bytes: Zeroizing::new([0; 32]) };
        assert!(last.generate_next(&ids).is_err(), "a version fits its column");
    }

    #[test]
    fn a_fingerprint_is_of_the_key_and_not_the_key() {
        // { printf 'provident-master-key-fingerprint-1\n'; head -c 32 /dev/zero; } | sha256sum
        let key = MasterKey { version: 1, bytes: Zeroizing::new([0; 32]) };
        assert_eq!(key.fingerprint(), "2c742838f088db1d2fc38468817b0dafd4dffd5a992ec5856a3b3924cd047370");
        assert_ne!(self::key(1).fingerprint(), self::key(2).fingerprint());
        assert!(!self::key(1).to_text().contains(&self::key(1).fingerprint()));
    }
}
