//! What every sealed thing looks like: a random nonce of 24 bytes, ciphertext, and a tag of 16 bytes, by
//! XChaCha20-Poly1305; tied to where it lies by associated data.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::SecretError;
use crate::clock::Ids;

const NONCE_BYTES: usize = 24;

/// Seals something for a place.
pub(super) fn seal(cipher: &XChaCha20Poly1305, plain: &[u8], place: &str, ids: &Ids) -> Result<Vec<u8>, SecretError> {
    let nonce = ids.random::<NONCE_BYTES>()?;
    let payload = Payload { msg: plain, aad: place.as_bytes() };
    let sealed = cipher.encrypt(&XNonce::from(*nonce), payload).map_err(|_| SecretError::DoesNotOpen)?;
    let mut blob = Vec::with_capacity(NONCE_BYTES.saturating_add(sealed.len()));
    blob.extend_from_slice(nonce.as_slice());
    blob.extend_from_slice(&sealed);
    Ok(blob)
}

/// Opens what was sealed with this cipher for this place.
pub(super) fn open(cipher: &XChaCha20Poly1305, blob: &[u8], place: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let (nonce, text) = blob.split_first_chunk::<NONCE_BYTES>().ok_or(SecretError::DoesNotOpen)?;
    let payload = Payload { msg: text, aad: place.as_bytes() };
    cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| SecretError::DoesNotOpen)
}

/// As [`open`], a key.
pub(super) fn open_key(
    cipher: &XChaCha20Poly1305,
    blob: &[u8],
    place: &str,
) -> Result<Zeroizing<[u8; 32]>, SecretError> {
    let opened = open(cipher, blob, place)?;
    let mut key = Zeroizing::new([0_u8; 32]);
    if opened.len() != key.len() {
        return Err(SecretError::DoesNotOpen);
    }
    key.copy_from_slice(&opened);
    Ok(key)
}
