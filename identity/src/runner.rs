//! Runs calls on pooled instances of one component, within limits.

use crate::config;
use crate::error::ComponentError;
use crate::tally::{Calls, Tally};
use std::marker::PhantomData;
use std::sync::{Mutex, OnceLock, PoisonError};
use wasmtime::component::{Component, ComponentNamedList, Func, Instance, InstancePre, Lift, Linker, Lower, TypedFunc};
use wasmtime::{Engine, ResourceLimiter, Store, Trap};

/// What one call may burn: seconds of work, not minutes. The largest allowed inputs need a few percent of it.
const FUEL_PER_CALL: u64 = 20_000_000_000;
/// An instance whose memory has grown beyond this is not kept.
const KEPT_MEMORY_BYTES: usize = 8 << 20;

/// The engine, once per process.
pub(crate) fn engine() -> Result<&'static Engine, ComponentError> {
    static ENGINE: OnceLock<Result<Engine, ComponentError>> = OnceLock::new();
    let made = ENGINE.get_or_init(|| Engine::new(&config::config()).map_err(|error| unusable(&error)));
    made.as_ref().map_err(Clone::clone)
}

/// A component wasmtime would not take.
pub(crate) fn unusable(error: &wasmtime::Error) -> ComponentError {
    ComponentError::Unusable(format!("{error:#}"))
}

/// The exports a world's calls go through.
pub(crate) trait Exports: Sized {
    /// Finds them in an instance and holds their types to the contract.
    fn find(component: &Component, store: &mut Store<Cap>, instance: &Instance) -> wasmtime::Result<Self>;
}

/// The memory cap of one instance.
pub(crate) struct Cap {
    limit_bytes: usize,
    /// All memories together.
    grown_bytes: usize,
    exceeded: bool,
}

/// How many core instances, memories and tables a component may be made of. Ours are made of three or fewer.
const PARTS: usize = 16;

impl ResourceLimiter for Cap {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let grown_bytes = self.grown_bytes.saturating_add(desired.saturating_sub(current));
        self.exceeded = grown_bytes > self.limit_bytes;
        if !self.exceeded {
            self.grown_bytes = grown_bytes;
        }
        Ok(!self.exceeded)
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 10_000)
    }
}

struct Worker<E> {
    store: Store<Cap>,
    exports: E,
}

/// A component, ready to be called from any thread.
pub(crate) struct Runner<E> {
    component: Component,
    pre: InstancePre<Cap>,
    memory_bytes: usize,
    idle: Mutex<Vec<Worker<E>>>,
    tally: Tally,
}

impl<E: Exports> Runner<E> {
    /// Makes a component ready; opens a first instance, so that a component of another contract is refused here.
    pub(crate) fn open(component: Component, memory_bytes: usize) -> Result<Self, ComponentError> {
        // The linker stays empty: whatever a component wants to import is refused.
        let pre = Linker::new(engine()?).instantiate_pre(&component).map_err(|error| unusable(&error))?;
        let runner = Self { component, pre, memory_bytes, idle: Mutex::new(Vec::new()), tally: Tally::default() };
        let first = runner.instantiate()?;
        runner.keep(first);
        Ok(runner)
    }

    fn instantiate(&self) -> Result<Worker<E>, ComponentError> {
        let cap = Cap { limit_bytes: self.memory_bytes, grown_bytes: 0, exceeded: false };
        let mut store = Store::new(engine()?, cap);
        store.limiter(|cap| cap);
        store.set_fuel(FUEL_PER_CALL).map_err(|error| unusable(&error))?;
        let instance = self.pre.instantiate(&mut store).map_err(|error| unusable(&error))?;
        let exports = E::find(&self.component, &mut store, &instance).map_err(|error| unusable(&error))?;
        Ok(Worker { store, exports })
    }

    fn keep(&self, worker: Worker<E>) {
        if worker.store.data().grown_bytes <= KEPT_MEMORY_BYTES {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        }
    }

    /// One call. An instance whose call failed is thrown away, never asked again.
    pub(crate) fn call<R>(
        &self,
        call: impl FnOnce(&E, &mut Store<Cap>) -> wasmtime::Result<R>,
    ) -> Result<R, ComponentError> {
        self.tally.count(|| self.call_uncounted(call))
    }

    /// What the calls have taken so far.
    pub(crate) fn calls(&self) -> Calls {
        self.tally.so_far()
    }

    fn call_uncounted<R>(
        &self,
        call: impl FnOnce(&E, &mut Store<Cap>) -> wasmtime::Result<R>,
    ) -> Result<R, ComponentError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = idle.map_or_else(|| self.instantiate(), Ok)?;
        worker.store.set_fuel(FUEL_PER_CALL).map_err(|error| unusable(&error))?;
        match call(&worker.exports, &mut worker.store) {
            Ok(result) => {
                self.keep(worker);
                Ok(result)
            }
            Err(_) if worker.store.data().exceeded => Err(ComponentError::OutOfMemory),
            Err(error) if error.downcast_ref() == Some(&Trap::OutOfFuel) => Err(ComponentError::OutOfFuel),
            Err(_) => Err(ComponentError::Trapped),
        }
    }
}

/// Refuses an input over the limit of one call, before it crosses.
pub(crate) fn check_input(bytes: usize, limit_bytes: usize) -> Result<(), ComponentError> {
    if bytes > limit_bytes { Err(ComponentError::InputTooLarge { bytes, limit_bytes }) } else { Ok(()) }
}

/// The type of an exported function. Parameters are borrowed for the call, hence the lifetime.
pub(crate) trait Signature {
    type Params<'a>: ComponentNamedList + Lower;
    type Return: ComponentNamedList + Lift + 'static;
}

/// Declares the signature of one exported function.
macro_rules! signature {
    ($name:ident: <$a:lifetime> $params:ty => $return:ty) => {
        struct $name;
        impl crate::runner::Signature for $name {
            type Params<$a> = $params;
            type Return = $return;
        }
    };
}
pub(crate) use signature;

/// An exported function whose type was held to its signature when the instance was made.
pub(crate) struct Export<S> {
    func: Func,
    signature: PhantomData<fn(S)>,
}

impl<S: Signature> Export<S> {
    /// Finds the function and checks its type.
    pub(crate) fn find(
        component: &Component,
        store: &mut Store<Cap>,
        instance: &Instance,
        interface: &str,
        function: &str,
    ) -> wasmtime::Result<Self> {
        let interface_name = format!("provident:identity/{interface}@1.0.0");
        let interface_index = component.get_export_index(None, interface_name.as_str());
        let func = interface_index
            .and_then(|interface_index| component.get_export_index(Some(&interface_index), function))
            .and_then(|index| instance.get_func(&mut *store, index))
            .ok_or_else(|| wasmtime::Error::msg(format!("it does not export `{interface}.{function}`")))?;
        func.typed::<S::Params<'static>, S::Return>(&*store)?;
        Ok(Self { func, signature: PhantomData })
    }

    /// Calls it.
    pub(crate) fn call(&self, store: &mut Store<Cap>, params: S::Params<'_>) -> wasmtime::Result<S::Return> {
        // SAFETY: `find` checked this function against the same signature; lifetimes are no part of its type.
        #[expect(unsafe_code, reason = "a checked typed function would fix the lifetime of its borrowed parameters")]
        let typed = unsafe { TypedFunc::<S::Params<'_>, S::Return>::new_unchecked(self.func) };
        typed.call(store, params)
    }
}
