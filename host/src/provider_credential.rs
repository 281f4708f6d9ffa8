//! Provider credentials: what a connection logs in with, field by field.
//!
//! Shapes only. A value comes in once, to be sealed, and never goes out: [`crate::gateway`] alone opens it, to call a
//! provider. How sealed values are kept is the business of [`crate::store`], who may set them of [`crate::policy`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::Timestamp;

/// Most bytes of a value.
pub const LONGEST_VALUE_BYTES: usize = 4_096;

/// The value of one field: 1 to 4,096 bytes, no control characters. Wiped when dropped; not printed.
pub struct CredentialValue(Zeroizing<String>);

/// Why a text is not the value of a field. Never says what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentialValue {
    /// Nothing in it.
    #[error("a value is not empty")]
    Empty,
    /// More than 4,096 bytes.
    #[error("a value has at most 4,096 bytes")]
    TooLong,
    /// Something that is no text.
    #[error("a value is a text")]
    NotText,
    /// A line end, as copying likes to add, or another control character.
    #[error("a value has no control characters")]
    BadCharacter,
}

impl CredentialValue {
    /// Takes a text over, without a copy.
    ///
    /// # Errors
    /// [`InvalidCredentialValue`].
    pub fn new(text: Zeroizing<String>) -> Result<Self, InvalidCredentialValue> {
        if text.is_empty() {
            return Err(InvalidCredentialValue::Empty);
        }
        if text.len() > LONGEST_VALUE_BYTES {
            return Err(InvalidCredentialValue::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidCredentialValue::BadCharacter);
        }
        Ok(Self(text))
    }

    /// What is to be sealed.
    pub(crate) fn bytes_to_seal(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for CredentialValue {
    type Err = InvalidCredentialValue;

    fn from_str(text: &str) -> Result<Self, InvalidCredentialValue> {
        Self::new(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for CredentialValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialValue")
    }
}

/// The fields of a connection's credentials, each with its value. Printed as names alone.
#[derive(Default)]
pub struct ProviderCredentials(BTreeMap<String, CredentialValue>);

impl ProviderCredentials {
    /// Adds a field; says whether there was none of the name.
    pub fn insert(&mut self, field: impl Into<String>, value: CredentialValue) -> bool {
        self.0.insert(field.into(), value).is_none()
    }

    /// Whether the fields are these and no others.
    #[must_use]
    pub fn are_exactly(&self, fields: &[&str]) -> bool {
        self.0.len() == fields.len() && fields.iter().all(|field| self.0.contains_key(*field))
    }

    /// The fields, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &CredentialValue)> {
        self.0.iter().map(|(field, value)| (field.as_str(), value))
    }
}

impl fmt::Debug for ProviderCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Fields as they come from outside, in JSON: an object of texts. Reading it refuses nothing that stands in it, so that no
/// message can repeat a value, or a name that was meant to be one; [`GivenCredentials::accepted`] does.
#[derive(Default)]
pub struct GivenCredentials {
    fields: ProviderCredentials,
    wrong: Option<InvalidCredentials>,
}

/// Why fields are none. Never says what they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentials {
    /// A value is none.
    #[error(transparent)]
    Value(#[from] InvalidCredentialValue),
    /// Two of one name.
    #[error("a field is given once")]
    Twice,
}

impl GivenCredentials {
    /// The fields.
    ///
    /// # Errors
    /// [`InvalidCredentials`], the first that was met.
    pub fn accepted(self) -> Result<ProviderCredentials, InvalidCredentials> {
        self.wrong.map_or(Ok(self.fields), Err)
    }
}

impl fmt::Debug for GivenCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenCredentials")
    }
}

impl<'de> Deserialize<'de> for GivenCredentials {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = GivenCredentials;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<GivenCredentials, A::Error> {
                let mut given = GivenCredentials::default();
                while let Some((field, GivenValue(text))) = map.next_entry::<String, GivenValue>()? {
                    let read = text.ok_or(InvalidCredentialValue::NotText).and_then(CredentialValue::new);
                    let wrong = match read.map(|value| given.fields.insert(field, value)) {
                        Ok(true) => None,
                        Ok(false) => Some(InvalidCredentials::Twice),
                        Err(error) => Some(error.into()),
                    };
                    given.wrong = given.wrong.or(wrong);
                }
                Ok(given)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// Whatever stands where a text should.
struct GivenValue(Option<Zeroizing<String>>);

impl<'de> Deserialize<'de> for GivenValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = GivenValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<GivenValue, E> {
                Ok(GivenValue(Some(Zeroizing::new(text.to_owned()))))
            }

            fn visit_string<E>(self, text: String) -> Result<GivenValue, E> {
                Ok(GivenValue(Some(Zeroizing::new(text))))
            }

            fn visit_bool<E>(self, _: bool) -> Result<GivenValue, E> {
                Ok(GivenValue(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<GivenValue, E> {
                Ok(GivenValue(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<GivenValue, E> {
                Ok(GivenValue(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<GivenValue, E> {
                Ok(GivenValue(None))
            }

            fn visit_unit<E>(self) -> Result<GivenValue, E> {
                Ok(GivenValue(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<GivenValue, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(GivenValue(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<GivenValue, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(GivenValue(None))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// Where a value belongs: sealed for one place, it opens in no other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CredentialPlace<'a> {
    pub(crate) workspace_id: Uuid,
    pub(crate) environment_id: Uuid,
    pub(crate) connection_id: Uuid,
    pub(crate) field: &'a str,
}

impl CredentialPlace<'_> {
    /// The place as text, for a purpose. A field's name has no line end in it.
    pub(crate) fn text(&self, purpose: &str) -> String {
        let Self { workspace_id, environment_id, connection_id, field } = self;
        format!("{purpose}\n{workspace_id}\n{environment_id}\n{connection_id}\n{field}")
    }
}

/// One field as it lies in the database.
#[derive(Clone)]
pub struct SealedCredential {
    /// Its name.
    pub field: String,
    /// The value under a key of its own: nonce, ciphertext, tag.
    pub value_sealed: Vec<u8>,
    /// That key under a master key: nonce, ciphertext, tag.
    pub data_key_sealed: Vec<u8>,
    /// Which master key.
    pub master_key_version: u32,
    /// When the value was set. All of a connection are set together; another master key changes nothing of it.
    pub set_at: Timestamp,
}

impl fmt::Debug for SealedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedCredential").field("field", &self.field).finish_non_exhaustive()
    }
}
