//! Credentials: what a caller shows instead of a name, and what it stands for.
//!
//! Shapes only. Tokens are kept and looked up by [`crate::service`]; JWTs are judged by [`crate::jwt`]. What a token's
//! text is made of is known here alone: above this it is typed and shown, below it there is a hash.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::workspace::DisplayName;

/// What the text of a token starts with.
const SCHEME: &str = "pvd_";
/// Scheme, id, `_`, secret, checksum.
const TOKEN_BYTES: usize = 4 + 32 + 1 + 64 + 8;
/// How long the secret of a token is.
pub(crate) const SECRET_BYTES: usize = 32;
/// No hash of anything: what a secret is compared with where there is no token.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Whom a token stands for, and what it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHolder {
    /// The token.
    pub token_id: Uuid,
    /// The user it was made for.
    pub user_id: Uuid,
    /// The only workspace it reaches, if it is bound to one.
    pub only_workspace_id: Option<Uuid>,
    /// Whether its holder may name another user to act for.
    pub may_act_for_others: bool,
}

/// Why a credential does not hold. Told before anything else is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredential {
    /// Malformed, unknown, revoked, or of somebody who is gone: which of them is not told.
    #[error("the credential does not hold")]
    Bad,
    /// It was one that held, and its time is over.
    #[error("the credential has expired")]
    Expired,
}

impl InvalidCredential {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Bad => "bad-credential",
            Self::Expired => "credential-expired",
        }
    }
}

/// A token as its holder has it: the secret itself. Wiped when dropped; printed by [`TokenText::reveal`] alone.
///
/// Text form: `pvd_<id, 32 hex digits>_<secret, 64 hex digits><checksum, 8 hex digits>`, lower case, the checksum being
/// the first four bytes of SHA-256 over what stands before it: a token that was cut or mistyped is known for one without
/// a look at anything.
pub struct TokenText {
    id: Uuid,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

/// A text that is not a token's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token")]
pub struct NotAToken;

impl TokenText {
    pub(crate) fn new(id: Uuid, secret: Zeroizing<[u8; SECRET_BYTES]>) -> Self {
        Self { id, secret }
    }

    /// Which token it is.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The text form. It is the secret itself, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(hex::encode(self.secret.as_slice()));
        let mut text = Zeroizing::new(String::with_capacity(TOKEN_BYTES));
        for part in [SCHEME, &self.id.simple().to_string(), "_", &secret] {
            text.push_str(part);
        }
        let sum = checksum(&text);
        text.push_str(&sum);
        text
    }

    /// What is kept of the secret: its SHA-256, 64 hex digits. The secret is 32 random bytes, so there is nothing to
    /// guess it from.
    pub(crate) fn secret_sha256(&self) -> String {
        hex::encode(Sha256::digest(self.secret.as_slice()))
    }

    /// Whether this is the secret of which that is kept, in a time that depends on neither; of nothing it is not.
    pub(crate) fn is_of(&self, kept: Option<&str>) -> bool {
        let same = self.secret_sha256().as_bytes().ct_eq(kept.unwrap_or(NO_HASH).as_bytes());
        bool::from(same) & kept.is_some()
    }
}

fn checksum(text: &str) -> String {
    let mut digits = hex::encode(Sha256::digest(text.as_bytes()));
    digits.truncate(8);
    digits
}

impl FromStr for TokenText {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let (body, sum) = text.split_at_checked(TOKEN_BYTES - 8).ok_or(NotAToken)?;
        let (id, secret) = body.strip_prefix(SCHEME).and_then(|rest| rest.split_once('_')).ok_or(NotAToken)?;
        if id.len() != 32 || !id.bytes().chain(secret.bytes()).all(hex) || checksum(body) != sum {
            return Err(NotAToken);
        }
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        hex::decode_to_slice(secret, bytes.as_mut_slice()).map_err(|_| NotAToken)?;
        Ok(Self { id: id.parse().map_err(|_| NotAToken)?, secret: bytes })
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// A token as it is kept: everything but its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiToken {
    /// Its id, which its text begins with.
    pub id: Uuid,
    /// The user it stands for.
    pub user_id: Uuid,
    /// The only workspace it reaches, if it is bound to one.
    pub workspace_id: Option<Uuid>,
    /// What people call it.
    pub label: DisplayName,
    /// Whether its holder may name another user to act for.
    pub may_act_for_others: bool,
    /// Since when.
    pub created_at: Timestamp,
    /// From when on no longer, whatever happens.
    pub expires_at: Timestamp,
    /// From when on no longer, because somebody said so.
    pub revoked_at: Option<Timestamp>,
}

/// How an identity provider names itself, or somebody: 1 to 255 bytes without control characters. Compared byte by
/// byte.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct IdentityName(String);

/// A text that is no name of an identity provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("1 to 255 bytes without control characters")]
pub struct InvalidIdentityName;

impl IdentityName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdentityName {
    type Err = InvalidIdentityName;

    fn from_str(text: &str) -> Result<Self, InvalidIdentityName> {
        if (1..=255).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIdentityName)
        }
    }
}

impl fmt::Debug for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A subject is often a mail address.
        f.write_str("IdentityName(…)")
    }
}

impl fmt::Display for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// That a subject of an identity provider is a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserIdentity {
    /// The provider, as its JWTs name it.
    pub issuer: IdentityName,
    /// The subject, as they name it.
    pub subject: IdentityName,
    /// The user.
    pub user_id: Uuid,
    /// Since when, the first time.
    pub created_at: Timestamp,
    /// When it was last linked or ended.
    pub updated_at: Timestamp,
    /// Since when no longer.
    pub ended_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> TokenText {
        TokenText::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00ab), Zeroizing::new([0x5e; SECRET_BYTES]))
    }

    #[test]
    fn a_token_is_this_text_and_reads_back() {
        // printf 'pvd_…' | sha256sum | cut -c1-8
        let body = format!("pvd_019000000000700080000000000000ab_{}", "5e".repeat(32));
        let text = token().reveal();
        assert_eq!(text.as_str(), format!("{body}{}", checksum(&body)));
        assert_eq!((text.len(), checksum("pvd_")), (TOKEN_BYTES, "57cf74e5".to_owned()));
        let read: TokenText = text.parse().unwrap();
        assert_eq!((read.id(), read.reveal()), (token().id(), text));
    }

    #[test]
    fn a_text_that_is_not_quite_a_token_is_none() {
        let good = token().reveal();
        let sealed = |body: &str| format!("{body}{}", checksum(body));
        let (body, _) = good.split_at(good.len() - 8);
        for at in 0..good.len() {
            let mut other = good.as_bytes().to_vec();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(String::from_utf8(other).unwrap().parse::<TokenText>().err(), Some(NotAToken), "byte {at}");
        }
        for text in [
            String::new(),
            "pvd_".to_owned(),
            format!("{}0", good.as_str()),
            body.to_owned(),
            good.to_uppercase(),
            format!(" {}", good.as_str()),
            sealed(&body.to_uppercase().replacen("PVD", "pvd", 1)),
            sealed(&body.replacen("pvd_", "pat_", 1)),
            sealed(&body.replacen("_01", "_0_", 1)),
            sealed(&body.replacen("5e", "5g", 1)),
            sealed(&body.replacen("5e5e", "\u{1F9E9}", 1)),
            sealed(&format!("{body}5e")),
            "\u{1F9E9}".repeat(40),
        ] {
            assert_eq!(text.parse::<TokenText>().err(), Some(NotAToken), "{text}");
        }
    }

    #[test]
    fn a_secret_is_of_its_own_hash_alone() {
        let hash = token().secret_sha256();
        assert!(token().is_of(Some(&hash)));
        let other = TokenText::new(token().id(), Zeroizing::new([0x5f; SECRET_BYTES]));
        assert!(!other.is_of(Some(&hash)) && !other.is_of(None) && !token().is_of(Some("")));
    }

    #[test]
    fn nothing_of_a_secret_is_printed() {
        assert_eq!(format!("{:?}", token()), "TokenText(…)");
        assert_eq!(format!("{:?}", "ada@example".parse::<IdentityName>().unwrap()), "IdentityName(…)");
    }

    #[test]
    fn a_name_of_an_identity_provider_is_1_to_255_plain_bytes() {
        for good in ["a", "https://id.example/", "Ünï cödé", &"x".repeat(255)] {
            assert_eq!(good.parse::<IdentityName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "a\0b", "a\n", &"x".repeat(256), &"ü".repeat(128)] {
            assert_eq!(bad.parse::<IdentityName>(), Err(InvalidIdentityName), "{bad:?}");
        }
    }
}
