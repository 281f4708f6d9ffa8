//! An invented provider, which has everything a provider can have.
//!
//! It exists so that nothing else leans on a real one: demonstrations and tests of the neutral core speak its
//! words. Its raw objects are JSON with these members, all text, all optional but as said; others are ignored:
//!
//! | member | meaning |
//! |---|---|
//! | `kind` | the type: one of [`kinds::KINDS`], or any other, which is then not known |
//! | `shelf` | the collection it came from; stands in for `kind` where a shelf holds one kind only |
//! | `ref` | the provider's id |
//! | `tag` | an id from elsewhere |
//! | `code` | the canonical name of what has no portable id |
//! | `origin` | `own` (the default: made by the tenant), `factory` (built in), `fallback` (a default), `virtual`, `shared` (none of these) |
//! | `rev` | a digest of the content |
//! | `area` | for zones: part of the subject type, `zone:<area>` |
//! | `title` | the label; anything but text is absent |
//!
//! A document is one object, an array of them, or `{"items": […]}`. Factory, fallback and virtual objects are
//! of the class of that name whatever their kind, unless the kind is unsupported or not known. The mapping to
//! keys and every other rule live elsewhere; start at [`describe`].
#![no_std]

extern crate alloc;
#[cfg(not(target_family = "wasm"))]
extern crate std;

pub mod kinds;
#[cfg(target_family = "wasm")]
#[expect(clippy::same_length_and_capacity, reason = "the canonical ABI, as wit-bindgen writes it")]
mod shell;

use alloc::{borrow::Cow, format, string::String, vec::Vec};
use component_kit::{
    label,
    model::{Code, Descriptor, Fault, Identity, Origins},
    quote::quote,
    raw,
};
use kinds::Kind;

pub use component_kit::model::{About, Adapted, Refusal};

/// The provider this adapter speaks for.
pub const PROVIDER_KEY: &str = "fake";

const ORIGINS: Origins = Origins {
    resource_type: "kind",
    provider_resource_id: "ref",
    external_id: "tag",
    discriminator: "code",
    fingerprint: "rev",
    subject_type_key: "shelf",
};

/// Turns one raw document into descriptors: an answer for every object, in order.
#[must_use]
pub fn describe(document: &str) -> Vec<Result<Adapted, Refusal>> {
    raw::answer(raw::objects(document, "items", "ref").map(|found| found.objects), object)
}

/// What this adapter is.
#[must_use]
pub fn about() -> About {
    About {
        provider_key: PROVIDER_KEY,
        version: env!("CARGO_PKG_VERSION"),
        entity_types: kinds::KINDS.iter().map(|kind| kind.name).collect(),
    }
}

fn object(json: &str) -> Result<Descriptor, Fault> {
    let names = ["kind", "shelf", "ref", "tag", "code", "origin", "rev", "area", "title"];
    let [kind, shelf, id, tag, code, origin, revision, area, title] = raw::members(json, names)?;
    let given = |json: Option<&'_ str>, name| json.map(|json| raw::text(json, name).map(Cow::into_owned)).transpose();

    let shelf = given(shelf, "shelf")?;
    let name = match given(kind, "kind")? {
        Some(name) => name,
        None => kind_on(shelf.as_deref())?,
    };
    let known = kinds::named(&name);
    let origin = Origin::named(given(origin, "origin")?.as_deref())?;
    let subject_type_key = match (known, given(area, "area")?, shelf) {
        (Some(Kind { name: "zone", .. }), Some(area), _) => format!("zone:{area}"),
        (Some(kind), _, _) => kind.subject_type_key.into(),
        (None, _, Some(shelf)) => shelf,
        (None, _, None) => {
            let message = format!("nobody knows {}, and it names no shelf", quote(&name));
            return Err(Fault::new(Code::UnknownType, "kind", message));
        }
    };
    let kind = known.unwrap_or(&kinds::UNKNOWN);
    let descriptor = Descriptor {
        identity: Identity {
            provider_key: PROVIDER_KEY,
            resource_type: name,
            provider_resource_id: given(id, "ref")?,
            external_id: given(tag, "tag")?,
            discriminator: given(code, "code")?,
            fingerprint: given(revision, "rev")?,
            built_in: origin == Origin::Factory,
            default: origin == Origin::Fallback,
            virtual_: origin == Origin::Virtual,
            tenant_owned: origin == Origin::Own,
        },
        subject_domain: kind.subject_domain,
        subject_class: kinds::class(kind.subject_class, origin),
        subject_type_key,
        support_level: kind.support_level,
        display_label: title.and_then(|json| raw::text(json, "title").ok()).and_then(|title| label::cut(&title)),
    };
    descriptor.checked(&ORIGINS)
}

/// The one kind that a shelf holds.
fn kind_on(shelf: Option<&str>) -> Result<String, Fault> {
    let Some(shelf) = shelf else {
        return Err(Fault::new(Code::UnknownType, "kind", "it has no kind and names no shelf"));
    };
    let mut held = kinds::KINDS.iter().filter(|kind| kind.shelf == shelf);
    match (held.next(), held.next()) {
        (Some(kind), None) => Ok(kind.name.into()),
        (Some(_), Some(_)) => {
            Err(Fault::new(Code::AmbiguousType, "kind", format!("shelf {} holds several kinds", quote(shelf))))
        }
        (None, _) => Err(Fault::new(Code::UnknownType, "kind", format!("nobody knows the shelf {}", quote(shelf)))),
    }
}

/// Where an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made by the tenant.
    Own,
    /// Built in.
    Factory,
    /// What applies where nothing else does.
    Fallback,
    /// Nothing is stored for it.
    Virtual,
    /// None of these.
    Shared,
}

impl Origin {
    fn named(name: Option<&str>) -> Result<Self, Fault> {
        match name {
            None | Some("own") => Ok(Self::Own),
            Some("factory") => Ok(Self::Factory),
            Some("fallback") => Ok(Self::Fallback),
            Some("virtual") => Ok(Self::Virtual),
            Some("shared") => Ok(Self::Shared),
            Some(other) => {
                let message = format!("no origin is called {}", quote(other));
                Err(Fault::new(Code::MalformedDocument, "origin", message))
            }
        }
    }
}
