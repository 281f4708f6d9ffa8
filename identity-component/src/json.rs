//! A request line as a tree that remembers what `serde_json` would forget: the order of members, and members
//! given twice. Depth is bounded while reading.

use crate::limits::LINE_DEPTH;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value. Numbers keep no value: no member of a request is one.
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Json>),
    Object(Members),
}

/// The members of an object, in the order they were given.
pub(crate) type Members = Vec<(String, Json)>;

impl Json {
    /// Reads one value that fills the whole text; `None` when it is not JSON, or nested too deep.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = Depth(0).deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(value)
    }

    /// The first member given twice, anywhere, in document order.
    pub(crate) fn repeated_member(&self) -> Option<&str> {
        match self {
            Self::Object(members) => {
                let mut seen = BTreeSet::new();
                members.iter().find_map(|(name, value)| {
                    if seen.insert(name.as_str()) { value.repeated_member() } else { Some(name.as_str()) }
                })
            }
            Self::List(items) => items.iter().find_map(Self::repeated_member),
            Self::Null | Self::Bool(_) | Self::Number | Self::Text(_) => None,
        }
    }
}

/// Reads a value that stands inside this many others.
#[derive(Clone, Copy)]
struct Depth(usize);

impl Depth {
    fn enter<E: Error>(self) -> Result<Self, E> {
        if self.0 == LINE_DEPTH { Err(E::custom("nested too deep")) } else { Ok(Self(self.0 + 1)) }
    }
}

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(String::from(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let inner = self.enter()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let inner = self.enter()?;
        let mut members = Vec::new();
        while let Some(name) = access.next_key_seed(Name)? {
            members.push((name, access.next_value_seed(inner)?));
        }
        Ok(Json::Object(members))
    }
}

struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}
