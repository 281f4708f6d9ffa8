//! Microsoft's raw objects, as Graph returns them and as tools export them, in neutral form.
//!
//! A document is one object, an array of objects, or a page `{"value": […]}`; splitting lines is the host's
//! work. Of an object only `@odata.type`, `@odata.context`, `id`, `displayName`, `name` and `target` are read.
//! One of these given twice refuses the object; any other member is skipped, whatever it is.
//!
//! - The entity type decides everything, by [`entity_types`]: class, domain, subject type (the type's *home*
//!   collection, whatever collection the export came through) and support level.
//! - Where the type is missing, the context stands in for it if its collection holds one type only.
//! - A type that is not in the table is described with class `unknown` where its collection is known, whatever
//!   its id looks like.
//! - A context over 4 KiB names no place. The page's is read once, not once for each of its objects.
//! - An object with `target` is an assignment, and its target is what is described.
//! - The label is carried and decides nothing.
//!
//! Keys are made elsewhere; start at [`describe`].
#![no_std]

extern crate alloc;
#[cfg(not(target_family = "wasm"))]
extern crate std;

mod context;
pub mod entity_types;
mod id;
#[cfg(target_family = "wasm")]
#[expect(clippy::same_length_and_capacity, reason = "the canonical ABI, as wit-bindgen writes it")]
mod shell;
mod target;

use alloc::{borrow::Cow, format, string::String, vec::Vec};
use component_kit::{
    label,
    model::{Code, Descriptor, Fault, Identity, Origins, SubjectClass},
    quote::quote,
    raw,
};
use context::{Place, Source};
use entity_types::{EntityType, Held, Nature};

pub use component_kit::model::{About, Adapted, Refusal};

/// The provider this adapter speaks for.
pub const PROVIDER_KEY: &str = "microsoft";

/// The collection in which defaults are told by their ids.
const ENROLLMENT_CONFIGURATIONS: &str = "deviceEnrollmentConfigurations";

const ORIGINS: Origins = Origins {
    resource_type: "@odata.type",
    provider_resource_id: "id",
    external_id: "id",
    discriminator: "id",
    fingerprint: "id",
    subject_type_key: "@odata.context",
};

/// Turns one raw document into descriptors: an answer for every object, in order.
#[must_use]
pub fn describe(document: &str) -> Vec<Result<Adapted, Refusal>> {
    let (objects, context) = match open(document) {
        Ok((objects, context)) => (Ok(objects), context),
        Err(fault) => (Err(fault), None),
    };
    // Read once: a page may have 50,000 objects, and its context may be as long as a document.
    let context = context.map(context::read).transpose();
    let page = context.as_ref().map(|text| text.as_deref().map(Source::of).unwrap_or_default());
    raw::answer(objects, |json| object(json, page.as_ref().map_err(|fault| *fault)))
}

/// The objects of a document, and the context of the page around them.
fn open(document: &str) -> Result<(Vec<&str>, Option<&str>), Fault> {
    let found = raw::objects(document, "value", "id")?;
    let Some(page) = found.page else { return Ok((found.objects, None)) };
    let [context] = raw::members(page, ["@odata.context"])?;
    Ok((found.objects, context))
}

/// What this adapter is.
#[must_use]
pub fn about() -> About {
    let objects = entity_types::ENTITY_TYPES.iter().map(|row| row.name);
    let mut entity_types: Vec<_> = objects.chain(target::ENTITY_TYPES).collect();
    entity_types.sort_unstable();
    About { provider_key: PROVIDER_KEY, version: env!("CARGO_PKG_VERSION"), entity_types }
}

fn object(json: &str, page: Result<&Source<'_>, &Fault>) -> Result<Descriptor, Fault> {
    let names = ["@odata.type", "@odata.context", "id", "displayName", "name", "target"];
    let [stated, own_context, given_id, display_name, name, target] = raw::members(json, names)?;
    if let Some(target) = target {
        return target::describe(target);
    }
    let stated = stated.map(entity_type).transpose()?.flatten();
    let described = Described::of(stated.as_deref(), own_context, page)?;
    let label = [display_name, name].into_iter().flatten();
    let mut labels = label.filter_map(|json| raw::text(json, "displayName").ok()).filter_map(|text| label::cut(&text));
    let Some(id) = given_id.and_then(|json| raw::text(json, "id").ok()) else {
        return Err(Fault::new(Code::MissingIdentity, "id", "it has no `id` that is text"));
    };
    let has_defaults =
        described.collection == ENROLLMENT_CONFIGURATIONS && described.nature.subject_class != SubjectClass::Unknown;
    let default = if has_defaults { id::default_name(&id) } else { None };
    let is_default = default.is_some();
    let descriptor = Descriptor {
        identity: Identity {
            provider_key: PROVIDER_KEY,
            resource_type: described.entity_type,
            provider_resource_id: Some(id::comparable(&id)),
            external_id: None,
            discriminator: default,
            fingerprint: None,
            built_in: false,
            default: is_default,
            virtual_: false,
            tenant_owned: !is_default,
        },
        subject_domain: described.nature.subject_domain,
        subject_class: if is_default { SubjectClass::ProviderDefault } else { described.nature.subject_class },
        subject_type_key: described.collection,
        support_level: described.nature.support_level,
        display_label: labels.next(),
    };
    descriptor.checked(&ORIGINS)
}

/// The entity type a member states, without its `#`; nothing said is none.
pub(crate) fn entity_type(json: &str) -> Result<Option<Cow<'_, str>>, Fault> {
    let stated = raw::text(json, "@odata.type")?;
    let bare = match stated {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix('#').unwrap_or(text)),
        Cow::Owned(text) => Cow::Owned(text.strip_prefix('#').map(String::from).unwrap_or(text)),
    };
    Ok(Some(bare).filter(|name| !name.is_empty()))
}

/// What is known of an object before its id is looked at.
struct Described {
    entity_type: String,
    collection: String,
    nature: Nature,
}

impl Described {
    /// By the stated type, else by the context: the object's own, else the page's.
    fn of(stated: Option<&str>, own_context: Option<&str>, page: Result<&Source<'_>, &Fault>) -> Result<Self, Fault> {
        if let Some(row) = stated.and_then(entity_types::named) {
            return Ok(Self::row(row));
        }
        match own_context {
            Some(json) => Self::from(stated, &Source::of(&context::read(json)?)),
            None => Self::from(stated, page.map_err(Fault::clone)?),
        }
    }

    fn row(row: &EntityType) -> Self {
        Self { entity_type: row.name.into(), collection: row.collection.into(), nature: row.nature }
    }

    /// By the source, of a type that is not stated or not in the table.
    fn from(stated: Option<&str>, source: &Source<'_>) -> Result<Self, Fault> {
        let name = match (stated, source.place) {
            (Some(name), _) => name,
            (None, Some(Place::Narrowed { entity_type, .. })) => {
                if let Some(row) = entity_types::named(entity_type) {
                    return Ok(Self::row(row));
                }
                source.type_fault.clone().map_or(Ok(entity_type), Err)?
            }
            (None, Some(Place::Collection(collection))) => return held(collection, source.held).map(Self::row),
            (None, None) => {
                return Err(Fault::new(Code::UnknownType, "@odata.type", "it says neither its type nor its place"));
            }
        };
        let Some(collection) = source.place.and_then(Place::collection) else {
            let message = format!("nobody knows {}, and it does not say where it is from", quote(name));
            return Err(Fault::new(Code::UnknownType, "@odata.type", message));
        };
        let collection = source.collection_fault.clone().map_or(Ok(collection), Err)?;
        let nature = entity_types::unknown(source.is_device_management);
        Ok(Self { entity_type: name.into(), collection: collection.into(), nature })
    }
}

/// The one type that a collection holds.
fn held(collection: &str, held: Held) -> Result<&'static EntityType, Fault> {
    match held {
        Held::One(row) => Ok(row),
        Held::Several => {
            let message = format!("{} holds several types, and it does not say its own", quote(collection));
            Err(Fault::new(Code::AmbiguousType, "@odata.type", message))
        }
        Held::Nothing => {
            let message = format!("nobody knows what {} holds, and it does not say its type", quote(collection));
            Err(Fault::new(Code::UnknownType, "@odata.type", message))
        }
    }
}
