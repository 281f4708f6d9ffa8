//! What is open: components behind numbers. A number that was never given, or is closed, finds nothing, so that a
//! caller's mistake is a refusal and never a pointer to something gone.

use crate::refusal::Refusal;
use provident_identity::{Adapter, Identity};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An open component. A call under way keeps it when it is closed.
#[derive(Clone)]
pub(crate) enum Opened {
    Identity(Arc<Identity>),
    /// An adapter, and the name it was opened by if it is embedded.
    Adapter(Arc<Adapter>, Option<&'static str>),
}

impl Opened {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Identity(_) => IDENTITY,
            Self::Adapter(..) => ADAPTER,
        }
    }
}

const IDENTITY: &str = "an identity component";
const ADAPTER: &str = "a provider adapter";

type Table = HashMap<u64, Opened>;

static OPEN: LazyLock<RwLock<Table>> = LazyLock::new(RwLock::default);
/// 0 is no handle, and none is given twice: in 64 bits there is room for all.
static NEXT: AtomicU64 = AtomicU64::new(1);

fn read() -> RwLockReadGuard<'static, Table> {
    OPEN.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, Table> {
    OPEN.write().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a component its handle.
pub(crate) fn insert(opened: Opened) -> u64 {
    let handle = NEXT.fetch_add(1, Ordering::Relaxed);
    write().insert(handle, opened);
    handle
}

/// Closes a handle.
pub(crate) fn remove(handle: u64, field: &'static str) -> Result<(), Refusal> {
    // What goes with it goes after the table is free again.
    let closed = write().remove(&handle);
    closed.map(drop).ok_or(Refusal::HandleClosed { field })
}

/// What is open under the handle in the parameter `field`.
pub(crate) fn find(handle: u64, field: &'static str) -> Result<Opened, Refusal> {
    read().get(&handle).cloned().ok_or(Refusal::HandleClosed { field })
}

/// The identity component under the handle in the parameter `field`.
pub(crate) fn identity(handle: u64, field: &'static str) -> Result<Arc<Identity>, Refusal> {
    match find(handle, field)? {
        Opened::Identity(identity) => Ok(identity),
        other @ Opened::Adapter(..) => Err(Refusal::WrongHandle { field, actual: other.kind(), wanted: IDENTITY }),
    }
}

/// The adapter under the handle in the parameter `field`.
pub(crate) fn adapter(handle: u64, field: &'static str) -> Result<Arc<Adapter>, Refusal> {
    match find(handle, field)? {
        Opened::Adapter(adapter, _) => Ok(adapter),
        other @ Opened::Identity(_) => Err(Refusal::WrongHandle { field, actual: other.kind(), wanted: ADAPTER }),
    }
}
