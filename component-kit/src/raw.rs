//! Reading raw documents: JSON of which only a few members matter.
//!
//! Nothing is built for what is not wanted: members are found by name and kept as slices of the document, the
//! rest is skipped without recursion, so neither depth nor breadth of what is ignored costs memory. A wanted
//! member given twice refuses the object; among ignored members nobody looks. Null is absent.

use crate::model::{Adapted, Code, Descriptor, Fault, Refusal};
use alloc::{borrow::Cow, format, vec, vec::Vec};
use core::fmt;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The largest document, in bytes.
pub const DOCUMENT_BYTES: usize = 8 * 1024 * 1024;
/// The most objects one document may hold: what fits the memory an adapter is given, answers included.
pub const DOCUMENT_OBJECTS: usize = 50_000;

/// The name by which refusals call a document, or an object as a whole.
pub const DOCUMENT: &str = "document";

/// What a piece of JSON is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    Text,
    /// `n`
    Null,
    /// Anything else: numbers, booleans, and what is not JSON.
    Other,
}

impl Kind {
    /// The kind of a piece of JSON.
    #[must_use]
    pub fn of(json: &str) -> Self {
        match json.trim_ascii_start().bytes().next() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::Text,
            Some(b'n') => Self::Null,
            _ => Self::Other,
        }
    }
}

/// A document without its byte-order mark, if its size is one that is read.
///
/// # Errors
///
/// `document-too-large` over [`DOCUMENT_BYTES`].
pub fn open(document: &str) -> Result<&str, Fault> {
    if document.len() > DOCUMENT_BYTES {
        return Err(Fault::new(Code::DocumentTooLarge, DOCUMENT, format!("over {DOCUMENT_BYTES} bytes")));
    }
    Ok(document.strip_prefix('\u{FEFF}').unwrap_or(document))
}

/// The objects of a document, each as the JSON it is, in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Objects<'a> {
    /// The object around them, when the document is a page.
    pub page: Option<&'a str>,
    /// The objects. What is no object is among them too: it has a position and gets its answer.
    pub objects: Vec<&'a str>,
}

/// Opens a document of one object, an array of them, or a page: an object whose member `list` is an array and
/// which has no member `id` of its own.
///
/// # Errors
///
/// As [`open`], [`elements`] and [`members`]: the document is refused as a whole.
pub fn objects<'a>(document: &'a str, list: &'static str, id: &'static str) -> Result<Objects<'a>, Fault> {
    let json = open(document)?;
    if Kind::of(json) == Kind::Array {
        return Ok(Objects { page: None, objects: elements(json)? });
    }
    match members(json, [list, id])? {
        [Some(listed), None] if Kind::of(listed) == Kind::Array => {
            Ok(Objects { page: Some(json), objects: elements(listed)? })
        }
        _ => Ok(Objects { page: None, objects: vec![json] }),
    }
}

/// The answer to a document: one for each object, with its position; or one for a document refused as a whole,
/// at position 0.
pub fn answer(
    objects: Result<Vec<&str>, Fault>,
    describe: impl Fn(&str) -> Result<Descriptor, Fault>,
) -> Vec<Result<Adapted, Refusal>> {
    let objects = match objects {
        Ok(objects) => objects,
        Err(fault) => return vec![Err(fault.at(0))],
    };
    let answer = |(position, object)| match describe(object) {
        Ok(descriptor) => Ok(Adapted { position, descriptor }),
        Err(fault) => Err(fault.at(position)),
    };
    (0..).zip(objects).map(answer).collect()
}

/// The elements of an array, in order.
///
/// # Errors
///
/// `malformed-document` if it is not one array and nothing else, `document-too-large` over
/// [`DOCUMENT_OBJECTS`] elements.
pub fn elements(json: &str) -> Result<Vec<&str>, Fault> {
    let (elements, surplus) = parse(json, Elements)?;
    if surplus {
        return Err(Fault::new(Code::DocumentTooLarge, DOCUMENT, format!("over {DOCUMENT_OBJECTS} objects")));
    }
    Ok(elements)
}

/// The members of an object that have one of these names, each as the JSON it holds.
///
/// # Errors
///
/// `malformed-document`: not one object and nothing else (field `document`), or a wanted member given twice
/// (field its name).
pub fn members<'a, const N: usize>(json: &'a str, names: [&'static str; N]) -> Result<[Option<&'a str>; N], Fault> {
    let (members, twice) = parse(json, Members(names))?;
    match twice {
        Some(name) => Err(Fault::new(Code::MalformedDocument, name, format!("`{name}` is given twice"))),
        None => Ok(members),
    }
}

/// The text that a member holds.
///
/// # Errors
///
/// `malformed-document`, naming the field, if it holds anything but text.
pub fn text<'a>(json: &'a str, field: &'static str) -> Result<Cow<'a, str>, Fault> {
    if Kind::of(json) != Kind::Text {
        return Err(Fault::new(Code::MalformedDocument, field, format!("`{field}` is not text")));
    }
    parse(json, Text)
}

fn parse<'a, T: DeserializeSeed<'a>>(json: &'a str, seed: T) -> Result<T::Value, Fault> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
        let place = format!("not JSON of the expected shape at line {} column {}", error.line(), error.column());
        Fault::new(Code::MalformedDocument, DOCUMENT, place)
    })
}

struct Elements;

impl<'a> DeserializeSeed<'a> for Elements {
    type Value = (Vec<&'a str>, bool);

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Elements {
    type Value = (Vec<&'a str>, bool);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() < DOCUMENT_OBJECTS {
            match sequence.next_element::<&RawValue>()? {
                Some(element) => elements.push(element.get()),
                None => return Ok((elements, false)),
            }
        }
        let mut surplus = false;
        while sequence.next_element::<IgnoredAny>()?.is_some() {
            surplus = true;
        }
        Ok((elements, surplus))
    }
}

struct Members<const N: usize>([&'static str; N]);

impl<'a, const N: usize> DeserializeSeed<'a> for Members<N> {
    type Value = ([Option<&'a str>; N], Option<&'static str>);

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a, const N: usize> Visitor<'a> for Members<N> {
    type Value = ([Option<&'a str>; N], Option<&'static str>);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = [None; N];
        let mut seen = [false; N];
        let mut twice = None;
        while let Some(place) = map.next_key_seed(Name(&self.0))? {
            let slot =
                place.and_then(|place| Some((members.get_mut(place)?, seen.get_mut(place)?, self.0.get(place)?)));
            let Some((member, seen, name)) = slot else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if *seen {
                twice = twice.or(Some(*name));
            }
            *seen = true;
            let json = map.next_value::<&RawValue>()?.get();
            *member = (Kind::of(json) != Kind::Null).then_some(json);
        }
        Ok((members, twice))
    }
}

/// A member's name, as its place among the wanted ones.
struct Name<'n>(&'n [&'static str]);

impl<'a> DeserializeSeed<'a> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member's name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| *wanted == name))
    }
}

struct Text;

impl<'a> DeserializeSeed<'a> for Text {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Text {
    type Value = Cow<'a, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENT_BYTES, DOCUMENT_OBJECTS, Kind, elements, members, open, text};
    use crate::model::Code;
    use std::string::String;

    #[test]
    fn a_byte_order_mark_is_no_content() {
        assert_eq!(open("\u{FEFF}{}").unwrap(), "{}");
    }

    #[test]
    fn the_size_of_a_document_is_limited() {
        assert!(open(&" ".repeat(DOCUMENT_BYTES)).is_ok());
        assert_eq!(open(&" ".repeat(DOCUMENT_BYTES + 1)).unwrap_err().code, Code::DocumentTooLarge);
    }

    #[test]
    fn the_number_of_objects_is_limited() {
        let array = |count: usize| String::from("[0") + &",0".repeat(count - 1) + "]";
        assert_eq!(elements(&array(DOCUMENT_OBJECTS)).unwrap().len(), DOCUMENT_OBJECTS);
        assert_eq!(elements(&array(DOCUMENT_OBJECTS + 1)).unwrap_err().code, Code::DocumentTooLarge);
        let broken = array(DOCUMENT_OBJECTS + 1).replace(']', ",}");
        assert_eq!(elements(&broken).unwrap_err().code, Code::MalformedDocument);
    }

    #[test]
    fn wanted_members_are_found_wherever_they_stand() {
        let json = r#"{"x":[1,{"a":2}],"b" : "two","\u0061":{"deep":1},"c":null}"#;
        assert_eq!(members(json, ["a", "b", "c", "d"]).unwrap(), [Some(r#"{"deep":1}"#), Some(r#""two""#), None, None]);
    }

    #[test]
    fn a_wanted_member_given_twice_is_refused_and_an_ignored_one_is_not() {
        let fault = members(r#"{"a":null,"\u0061":1,"x":1,"x":2}"#, ["a"]).unwrap_err();
        assert_eq!((fault.code, fault.field), (Code::MalformedDocument, "a"));
        assert!(members(r#"{"a":1,"x":1,"x":2}"#, ["a"]).is_ok());
    }

    #[test]
    fn depth_of_what_is_ignored_does_not_matter() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        let json = String::from(r#"{"x":"#) + &deep + r#","a":"# + &deep + "}";
        assert_eq!(members(&json, ["a"]).unwrap(), [Some(deep.as_str())]);
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for json in ["", " ", "{", "[", "{}x", "{}{}", "{'a':1}", "[1,]", "{\"a\":01}", "nul", "7", "\"a\""] {
            assert_eq!(members(json, ["a"]).unwrap_err().code, Code::MalformedDocument, "{json}");
            assert_eq!(elements(json).unwrap_err().code, Code::MalformedDocument, "{json}");
        }
    }

    #[test]
    fn text_is_decoded_and_nothing_else_is_text() {
        assert_eq!(text(r#""a\u00e9\n""#, "f").unwrap(), "aé\n");
        for json in ["1", "true", "{}", "[]", "null", r#""\ud800""#] {
            assert_eq!(text(json, "f").unwrap_err().code, Code::MalformedDocument, "{json}");
        }
        assert_eq!(Kind::of(" \n{"), Kind::Object);
    }
}
