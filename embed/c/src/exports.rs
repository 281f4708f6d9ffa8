//! The functions of the library as C sees them. Each takes its parameters apart and hands over; `provident.h` is made of
//! this file and of `memory.rs`.
#![expect(unsafe_code, reason = "functions of C have unmangled names and take pointers")]

use crate::answer::{answer, answer_handle};
use crate::memory::{Lent, Place, provident_bytes};
use crate::open::{self, Foreign};
use crate::refusal::Refusal;
use crate::table::{self, Opened};
use provident_identity::{About, Adapter, AdapterDescription, ComponentError, Items, Lines, engine_version};
use serde::Serialize;
use std::ffi::c_char;
use std::io;
use std::panic;

/// The answer of a call that was answered: `out` holds it.
pub const PROVIDENT_ANSWERED: i32 = 0;
/// The answer of a call that was refused: `out` holds one JSON object, {"code","field","message"}.
pub const PROVIDENT_REFUSED: i32 = 1;
/// The answer of a call that had no place for what it answers: `out`, or where to put the handle, was NULL.
pub const PROVIDENT_NO_PLACE: i32 = 2;

/// Something that is open. Never given twice; 0 is none. Any thread may use any handle at any time.
#[expect(non_camel_case_types, reason = "the name it has in C")]
pub type provident_handle = u64;

/// Opens the identity component this library carries. Nothing is compiled; opening it again shares what is loaded.
///
/// # Safety
///
/// `opened` and `out` are NULL or places to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn provident_identity_open(opened: *mut provident_handle, out: *mut provident_bytes) -> i32 {
    // SAFETY: as the caller promises.
    let (opened, out) = unsafe { (Place::new(opened, 0), Place::new(out, provident_bytes::EMPTY)) };
    answer_handle(opened, out, || Ok(table::insert(open::identity()?)))
}

/// Opens an identity component from a file, which must have this SHA-256 (64 hex digits in lower case). It is compiled
/// for this machine, which takes most of a second; in the folder `cache` the result is kept, so that the next process
/// opens it in a millisecond. `cache` NULL: nothing is kept. The folder is made if it is not there, and refused if
/// others than this user or root may write to it, since what is in it is run.
///
/// # Safety
///
/// `path`, `sha256` and `cache` are NULL or point to as many bytes as their lengths say; `opened` and `out` are NULL or
/// places to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn provident_identity_open_file(
    path: *const u8,
    path_length: usize,
    sha256: *const u8,
    sha256_length: usize,
    cache: *const u8,
    cache_length: usize,
    opened: *mut provident_handle,
    out: *mut provident_bytes,
) -> i32 {
    // SAFETY: as the caller promises, for the time of this call.
    let (file, opened, out) = unsafe {
        let file = Foreign {
            path: Lent::new(path, path_length, "path"),
            sha256: Lent::new(sha256, sha256_length, "sha256"),
            cache: Lent::new(cache, cache_length, "cache"),
        };
        (file, Place::new(opened, 0), Place::new(out, provident_bytes::EMPTY))
    };
    answer_handle(opened, out, || Ok(table::insert(file.identity()?)))
}

/// Opens the provider adapter of this name that this library carries. Nothing is compiled; opening it again shares what
/// is loaded.
///
/// # Safety
///
/// `name` is NULL or points to `name_length` bytes; `opened` and `out` are NULL or places to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn provident_adapter_open(
    name: *const u8,
    name_length: usize,
    opened: *mut provident_handle,
    out: *mut provident_bytes,
) -> i32 {
    // SAFETY: as the caller promises, for the time of this call.
    let (name, opened, out) = unsafe {
        (Lent::new(name, name_length, "name"), Place::new(opened, 0), Place::new(out, provident_bytes::EMPTY))
    };
    answer_handle(opened, out, || Ok(table::insert(open::adapter(name)?)))
}

/// Opens a provider adapter from a file, in all else as `provident_identity_open_file`.
///
/// # Safety
///
/// What that function asks for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn provident_adapter_open_file(
    path: *const u8,
    path_length: usize,
    sha256: *const u8,
    sha256_length: usize,
    cache: *const u8,
    cache_length: usize,
    opened: *mut provident_handle,
    out: *mut provident_bytes,
) -> i32 {
    // SAFETY: as the caller promises, for the time of this call.
    let (file, opened, out) = unsafe {
        let file = Foreign {
            path: Lent::new(path, path_length, "path"),
            sha256: Lent::new(sha256, sha256_length, "sha256"),
            cache: Lent::new(cache, cache_length, "cache"),
        };
        (file, Place::new(opened, 0), Place::new(out, provident_bytes::EMPTY))
    };
    answer_handle(opened, out, || Ok(table::insert(file.adapter()?)))
}

/// Closes a handle. A call under way in another thread is still answered; every later one is refused with
/// `handle-closed`, and so is closing again.
///
/// # Safety
///
/// `out` is NULL or a place to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn provident_close(handle: provident_handle, out: *mut provident_bytes) -> i32 {
    // SAFETY: as the caller promises.
    let out = unsafe { Place::new(out, provident_bytes::EMPTY) };
    answer(out, || table::remove(handle, "handle").map(|()| Vec::new()))
}

/// What is open under a handle, as one JSON object: `component` ("identity" or the adapter's name), `component_sha256`,
/// `engine`, `library_version`; then for an identity component `grammar_version`, `contract_version` and `limits`, for
/// an adapter `provider_key`, `version` and `entity_types`.
///
/// # Safety
///
/// `out` is NULL or a place to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn provident_about(handle: provident_handle, out: *mut provident_bytes) -> i32 {
    // SAFETY: as the caller promises.
    let out = unsafe { Place::new(out, provident_bytes::EMPTY) };
    answer(out, || about(handle))
}

/// Answers request lines with one reply line each, in order: the line protocol. Any length is taken, as one stream: a
/// byte-order mark at its start is ignored, blank lines have no reply, and what is wrong with a line is said in its
/// reply. With an `adapter`, requests to `adapt` are answered too; 0 is none.
///
/// # Safety
///
/// `ndjson` is NULL or points to `length` bytes; `out` is NULL or a place to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn provident_batch(
    identity: provident_handle,
    adapter: provident_handle,
    ndjson: *const u8,
    length: usize,
    out: *mut provident_bytes,
) -> i32 {
    // SAFETY: as the caller promises, for the time of this call.
    let (ndjson, out) = unsafe { (Lent::new(ndjson, length, "ndjson"), Place::new(out, provident_bytes::EMPTY)) };
    answer(out, || {
        let identity = table::identity(identity, "identity")?;
        let adapter = if adapter == 0 { None } else { Some(table::adapter(adapter, "adapter")?) };
        let mut replies = Vec::new();
        let answered = Lines::new(&identity, adapter.as_deref()).answer(ndjson.bytes()?, &mut replies);
        answered.map_err(|error| lines_failed(&error))?;
        Ok(replies)
    })
}

/// Derives many keys from a packed list, and answers with a packed list: the form for large numbers. At most 1 MiB; the
/// layout stands at `keys.derive-flat` in the contract and in the README.
///
/// # Safety
///
/// `records` is NULL or points to `length` bytes; `out` is NULL or a place to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn provident_derive_flat(
    identity: provident_handle,
    records: *const u8,
    length: usize,
    out: *mut provident_bytes,
) -> i32 {
    // SAFETY: as the caller promises, for the time of this call.
    let (records, out) = unsafe { (Lent::new(records, length, "records"), Place::new(out, provident_bytes::EMPTY)) };
    answer(out, || {
        let identity = table::identity(identity, "identity")?;
        identity.derive_flat(records.bytes()?).map_err(Refusal::of("records"))
    })
}

/// Turns one raw document of a provider, of one object or many, into descriptors: one JSON object,
/// {"items":[{"descriptor":{…}}|{"error":{"position","code","field","message"}}]}, with an item for every object, in
/// order. At most 8 MiB of UTF-8.
///
/// # Safety
///
/// `document` is NULL or points to `length` bytes; `out` is NULL or a place to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn provident_adapt(
    adapter: provident_handle,
    document: *const u8,
    length: usize,
    out: *mut provident_bytes,
) -> i32 {
    // SAFETY: as the caller promises, for the time of this call.
    let (document, out) = unsafe { (Lent::new(document, length, "document"), Place::new(out, provident_bytes::EMPTY)) };
    answer(out, || {
        let adapter = table::adapter(adapter, "adapter")?;
        let bytes = document.bytes()?.len();
        if bytes > Adapter::DOCUMENT_BYTES {
            let error = ComponentError::InputTooLarge { bytes, limit_bytes: Adapter::DOCUMENT_BYTES };
            return Err(Refusal::of("document")(error));
        }
        let answers = adapter.describe(document.text()?).map_err(Refusal::of("document"))?;
        json(&Items::from(answers))
    })
}

/// The version of this library, such as `0.1.0`, ending in NUL. It is the library's and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn provident_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Gives back what a call has put into `out`. Empty ones may be given back too, or not.
///
/// # Safety
///
/// The bytes were put into an `out` by this library, and were not given back before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn provident_bytes_free(bytes: provident_bytes) {
    // Freeing does not panic; were it to, there is nobody to tell.
    let _ = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        // SAFETY: as the caller promises.
        unsafe { bytes.take_back() }
    }));
}

/// What every component is told with.
#[derive(Serialize)]
struct Told<'a, T> {
    component: &'a str,
    component_sha256: &'a str,
    engine: &'static str,
    library_version: &'static str,
    #[serde(flatten)]
    own: T,
}

fn about(handle: u64) -> Result<Vec<u8>, Refusal> {
    let (engine, library_version) = (engine_version(), env!("CARGO_PKG_VERSION"));
    match table::find(handle, "handle")? {
        Opened::Identity(identity) => {
            let own: About = identity.about().map_err(Refusal::of("component"))?;
            let component_sha256 = identity.sha256();
            json(&Told { component: "identity", component_sha256, engine, library_version, own })
        }
        Opened::Adapter(adapter, name) => {
            let own: AdapterDescription = adapter.about().map_err(Refusal::of("component"))?;
            // A foreign adapter goes by the provider it speaks for.
            let component = name.map_or_else(|| own.provider_key.clone(), str::to_owned);
            let component_sha256 = adapter.sha256();
            json(&Told { component: &component, component_sha256, engine, library_version, own })
        }
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(value).map_err(|_| Refusal::Internal)
}

/// Bytes in memory are always read and written, so only the component can have failed.
fn lines_failed(error: &io::Error) -> Refusal {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ComponentError>()) {
        Some(error) => Refusal::of("ndjson")(error.clone()),
        None => Refusal::Internal,
    }
}
