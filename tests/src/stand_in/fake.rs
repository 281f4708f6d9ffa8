//! The face of the invented provider: `/pulse`, `/shelves/{shelf}`, `/ledger`, opened by a bare key.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::Desk;
use super::face::{Answer, Asked, Face};
use super::tenant::Tenant;
use crate::trail::Dice;

/// The provider's key.
pub const KEY: &str = "fake";

/// How this provider says things.
pub const FACE: Face =
    Face { id: "ref", items: "items", next: "next", has_addresses: false, fault, origin: |_| Map::new() };

/// Where the tenant's objects lie, and what has a place of its own.
const SHELVES: &str = "/shelves/";
const PULSE: &str = "/pulse";
const LEDGER: &str = "/ledger";

/// Every how many objects one is built in, one a default, one virtual.
const BUILT_IN: usize = 16;

/// Where this provider is, for the settings of the service.
#[must_use]
pub fn settings(base: &str) -> String {
    format!("[[provider]]\nkey = \"{KEY}\"\napi_url = \"{base}\"\n")
}

/// The path of a shelf.
#[must_use]
pub fn path(shelf: &str) -> String {
    format!("{SHELVES}{shelf}")
}

/// A tenant of so many objects, the same for the same seed: things of every kind, some of them built in, defaults or virtual.
#[must_use]
pub fn invented(seed: u64, objects: usize) -> Tenant {
    let mut dice = Dice(seed);
    let shelves = adapter_fake::kinds::KINDS.iter().map(|kind| kind.shelf);
    let mut count = || dice.below(500) as u64;
    let ledger = [("fine", count()), ("wrong", count()), ("late", count()), ("blank", count())];
    let tenant = Tenant::empty(&FACE, shelves, ledger);
    for number in 0..objects {
        let kind = adapter_fake::kinds::KINDS[number % adapter_fake::kinds::KINDS.len()];
        tenant.add(kind.shelf, object(&mut dice, kind, number));
    }
    tenant
}

fn object(dice: &mut Dice, kind: adapter_fake::kinds::Kind, number: usize) -> Value {
    let mut object = Map::new();
    let mut set = |name: &str, value: String| object.insert(name.to_owned(), value.into());
    set("shelf", kind.shelf.to_owned());
    // A shelf that holds one kind need not say which.
    if kind.shelf == "oddments" || !number.is_multiple_of(5) {
        set("kind", kind.name.to_owned());
    }
    let origin = match number % BUILT_IN {
        _ if kind.name == "relic" => None,
        13 => Some("factory"),
        14 => Some("fallback"),
        15 => Some("virtual"),
        _ => None,
    };
    if let Some(origin) = origin {
        set("origin", origin.to_owned());
        set("code", format!("{}-{number}", kind.name));
    } else {
        set("ref", format!("{}-{number:05}-{:08x}", kind.name, dice.below(1 << 32)));
    }
    if kind.name == "zone" {
        set("area", ["north", "south", "harbour"][dice.below(3)].to_owned());
    }
    if dice.below(2) == 0 {
        set("rev", format!("{:016x}", dice.below(usize::MAX)));
    }
    set("title", format!("{} {number} of the {} crew", kind.name, ["early", "late", "Übersee"][dice.below(3)]));
    Value::Object(object)
}

/// Whether a request is for this provider.
pub(super) fn owns(path: &str) -> bool {
    path == PULSE || path == LEDGER || path.starts_with(SHELVES)
}

/// The answer a request should get.
pub(super) fn answer(desk: &Desk, asked: &Asked) -> Answer {
    let Some(tenant) = asked.bearer.as_ref().and_then(|key| desk.access.by_key(&key.0)) else {
        return Answer::refused(&FACE, 401, &desk.canary);
    };
    if asked.method != Method::GET {
        return Answer::fault(&FACE, 405, &desk.canary);
    }
    match asked.path.as_str() {
        PULSE => Answer::good(&FACE, json!({"pulse": "steady"})),
        LEDGER => Answer::good(&FACE, json!(tenant.summary())),
        shelf => page(desk, tenant, shelf.strip_prefix(SHELVES).unwrap_or_default(), asked),
    }
}

fn page(desk: &Desk, tenant: &Tenant, shelf: &str, asked: &Asked) -> Answer {
    let after = asked.query.get("after").and_then(|place| place.parse().ok());
    let Some(page) = tenant.page(shelf, after, desk.page_size) else {
        return Answer::fault(&FACE, 404, &desk.canary);
    };
    let mut json = json!({"items": page.items});
    if let (Some(json), Some(after)) = (json.as_object_mut(), page.after) {
        json.insert("next".to_owned(), format!("{}?after={after}", path(shelf)).into());
    }
    Answer::good(&FACE, json)
}

fn fault(status: u16, text: &str) -> Value {
    json!({"error": {"status": status, "says": text}})
}
