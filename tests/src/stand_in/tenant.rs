//! Invented tenants: the objects a provider has for one customer, which a test may change while they are served.
//!
//! It knows objects as JSON with an id in collections with a name. Which there are is the business of the providers' faces.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value, json};

use super::face::Face;

/// The member that stands for everything of an object that is nobody's business.
const PAYLOAD: &str = "description";
/// The members that may hold the label.
const LABELS: [&str; 3] = ["displayName", "name", "title"];

/// The objects of one customer. Clones are the same tenant.
#[derive(Clone)]
pub struct Tenant {
    face: &'static Face,
    held: Arc<Mutex<Held>>,
}

struct Object {
    id: String,
    json: Map<String, Value>,
}

#[derive(Default)]
struct Held {
    /// By the name of the collection, then by age: an object keeps its place whatever becomes of the others.
    collections: BTreeMap<String, BTreeMap<u64, Object>>,
    next: u64,
    payload: String,
    summary: BTreeMap<String, u64>,
}

/// A page of a collection.
pub(super) struct Page {
    /// The objects.
    pub(super) items: Vec<Value>,
    /// The place of the last of them, if there are more.
    pub(super) after: Option<u64>,
}

impl Tenant {
    /// One with these collections, all empty, and these counts of its summary.
    pub(super) fn empty<'a>(
        face: &'static Face,
        collections: impl IntoIterator<Item = &'a str>,
        summary: impl IntoIterator<Item = (&'a str, u64)>,
    ) -> Self {
        let collections = collections.into_iter().map(|name| (name.to_owned(), BTreeMap::new())).collect();
        let summary = summary.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        Self { face, held: Arc::new(Mutex::new(Held { collections, summary, ..Held::default() })) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    /// Adds an object to a collection, which is made if there is none. Its id is the one it has, in the member that is the
    /// provider's for it, else its canonical name.
    ///
    /// # Panics
    ///
    /// When it is no JSON object.
    pub fn add(&self, collection: &str, object: Value) {
        let Value::Object(json) = object else { panic!("not an object: {object}") };
        let id = [self.face.id, "code"].iter().find_map(|name| json.get(*name)?.as_str().map(str::to_owned));
        let mut held = self.held();
        let place = held.next;
        held.next += 1;
        let objects = held.collections.entry(collection.to_owned()).or_default();
        objects.insert(place, Object { id: id.unwrap_or_default(), json });
    }

    /// Takes an object away. Whether it was there.
    #[must_use]
    pub fn remove(&self, collection: &str, id: &str) -> bool {
        let mut held = self.held();
        let Some(objects) = held.collections.get_mut(collection) else { return false };
        let before = objects.len();
        objects.retain(|_, object| object.id != id);
        objects.len() < before
    }

    /// Gives an object another label. Whether it was there.
    #[must_use]
    pub fn rename(&self, collection: &str, id: &str, label: &str) -> bool {
        let mut held = self.held();
        let objects = held.collections.get_mut(collection);
        let Some(object) = objects.and_then(|objects| objects.values_mut().find(|object| object.id == id)) else {
            return false;
        };
        for name in LABELS {
            if let Some(value) = object.json.get_mut(name) {
                *value = json!(label);
            }
        }
        true
    }

    /// From now on every object carries this text where a provider keeps what is nobody's business.
    pub fn set_payload(&self, text: &str) {
        text.clone_into(&mut self.held().payload);
    }

    /// Sets a count of the summary of compliance, by the provider's name for it.
    pub fn set_count(&self, name: &str, count: u64) {
        self.held().summary.insert(name.to_owned(), count);
    }

    /// The summary of compliance, by the provider's names.
    #[must_use]
    pub fn summary(&self) -> BTreeMap<String, u64> {
        self.held().summary.clone()
    }

    /// The collections and how many objects each has.
    #[must_use]
    pub fn collections(&self) -> BTreeMap<String, usize> {
        self.held().collections.iter().map(|(name, objects)| (name.clone(), objects.len())).collect()
    }

    /// The ids of a collection's objects, the oldest first.
    #[must_use]
    pub fn ids(&self, collection: &str) -> Vec<String> {
        let held = self.held();
        let objects = held.collections.get(collection);
        objects.map(|objects| objects.values().map(|object| object.id.clone()).collect()).unwrap_or_default()
    }

    /// How many objects there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.held().collections.values().map(BTreeMap::len).sum()
    }

    /// A page of a collection: up to so many objects behind a place; none where there is no such collection.
    pub(super) fn page(&self, collection: &str, after: Option<u64>, size: usize) -> Option<Page> {
        let held = self.held();
        let objects = held.collections.get(collection)?;
        let mut rest = objects.range(after.map_or(0, |place| place + 1)..);
        let page: Vec<_> = rest.by_ref().take(size.max(1)).collect();
        let last = page.last().map(|(place, _)| **place);
        let items = page.into_iter().map(|(_, object)| held.shown(object)).collect();
        Some(Page { items, after: last.filter(|_| rest.next().is_some()) })
    }

    /// Every object as a line of JSON that says where it comes from, as tools export them.
    #[must_use]
    pub fn lines(&self) -> String {
        let held = self.held();
        let mut lines = String::new();
        for (collection, objects) in &held.collections {
            for object in objects.values() {
                let mut json = (self.face.origin)(collection);
                json.extend(held.whole(object));
                lines.push_str(&Value::Object(json).to_string());
                lines.push('\n');
            }
        }
        lines
    }

    /// Every object in pages of up to so many, collection by collection, empty ones left out.
    #[must_use]
    pub fn pages(&self, size: usize) -> Vec<String> {
        let mut pages = Vec::new();
        for collection in self.collections().into_keys() {
            let mut after = None;
            while let Some(page) = self.page(&collection, after, size).filter(|page| !page.items.is_empty()) {
                let mut json = (self.face.origin)(&collection);
                json.insert(self.face.items.to_owned(), Value::Array(page.items));
                pages.push(Value::Object(json).to_string());
                after = page.after;
                if after.is_none() {
                    break;
                }
            }
        }
        pages
    }

    /// Writes [`Tenant::lines`] to a file.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write_lines(&self, file: &Path) {
        std::fs::write(file, self.lines()).unwrap();
    }

    /// Writes [`Tenant::pages`] to a folder, a file each.
    ///
    /// # Panics
    ///
    /// When they cannot be written.
    #[must_use]
    pub fn write_pages(&self, folder: &Path, size: usize) -> Vec<PathBuf> {
        std::fs::create_dir_all(folder).unwrap();
        let pages = self.pages(size).into_iter().enumerate().map(|(number, page)| {
            let file = folder.join(format!("page-{number:05}.json"));
            std::fs::write(&file, page).unwrap();
            file
        });
        pages.collect()
    }
}

impl Held {
    fn whole(&self, object: &Object) -> Map<String, Value> {
        let mut json = object.json.clone();
        if !self.payload.is_empty() {
            json.insert(PAYLOAD.to_owned(), json!(self.payload));
        }
        json
    }

    fn shown(&self, object: &Object) -> Value {
        Value::Object(self.whole(object))
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tenant").field("objects", &self.count()).finish_non_exhaustive()
    }
}
