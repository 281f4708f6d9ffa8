"""Runs calls on instances of one component, within limits.

Instances are not shared between threads: each call takes an idle one or makes a new one, so any number of threads may
call at once. An instance whose call failed is thrown away.

The component's core module is instantiated as it is, and arguments are written into its memory as the canonical ABI says
(`abi`). The component interface of wasmtime-py would do the same one value at a time, with several Python calls for every
string and every byte of a list.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

from . import contract, engine
from .abi import ADDRESSES, Frame, Function, Trap
from .errors import ComponentError
from .file import ComponentFile, unusable

FUEL_PER_CALL = 20_000_000_000
"""What one call may burn: seconds of work, not minutes. The largest allowed inputs need a few percent of it."""
KEPT_MEMORY_BYTES = 8 << 20
"""An instance whose memory has grown beyond this is not kept."""
KEPT_INSTANCES = 16
"""More idle instances than this are not kept."""
PARTS = 16
TABLE_ELEMENTS = 10_000


class Call:
    """A core function of one instance, whose parameters and result are all of 32 bits.

    `wasmtime.Func` asks for the function's type anew at every call, which takes ten times as long as the call itself. So
    the C function underneath is called as it does, with room made once; the types were looked at when it was found. This
    is what the exact version of wasmtime-py is pinned for.
    """

    __slots__ = ("context", "func", "parameters", "places", "results", "has_result")

    def __init__(self, store: wasmtime.Store, func: wasmtime.Func, parameters: int, results: int) -> None:
        self.context = store._context()
        self.func = func._func
        self.parameters = (ffi.wasmtime_val_t * parameters)()
        self.results = (ffi.wasmtime_val_t * results)()
        for value in self.parameters:
            value.kind = ffi.WASMTIME_I32
        self.places = [value.of for value in self.parameters]
        self.has_result = results > 0

    def __call__(self, *arguments: int) -> int:
        """Calls it; the result is unsigned, 0 where there is none. Raises `wasmtime.Trap`."""
        for place, argument in zip(self.places, arguments, strict=True):
            place.i32 = argument
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        error = ffi.wasmtime_func_call(
            self.context,
            ctypes.byref(self.func),
            self.parameters,
            len(self.parameters),
            self.results,
            len(self.results),
            ctypes.byref(trap),
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        if trap:
            raise wasmtime.Trap._from_ptr(trap)
        return self.results[0].of.i32 & 0xFFFF_FFFF if self.has_result else 0


class Export:
    """An exported function of one instance, with what cleans up after it."""

    __slots__ = ("call", "clean_up")

    def __init__(self, call: Call, clean_up: Call) -> None:
        self.call = call
        self.clean_up = clean_up


class Instance:
    """One instance: a memory, a store and the functions of one world."""

    def __init__(self, module: wasmtime.Module, functions: Iterable[Function], memory_bytes: int) -> None:
        self.store = wasmtime.Store(engine.shared())
        self.store.set_limits(memory_bytes, TABLE_ELEMENTS, PARTS, PARTS, PARTS)
        self.store.set_fuel(FUEL_PER_CALL)
        self.exported = wasmtime.Instance(self.store, module, []).exports(self.store)
        memory = self.exported.get("memory")
        if not isinstance(memory, wasmtime.Memory):
            raise unusable("it does not export `memory`")
        self.memory = memory
        self.realloc = self.function("cabi_realloc", 4, 1)
        self.exports: dict[Function, Export] = {}
        for function in functions:
            name = f"provident:identity/{function.interface}@{contract.VERSION}#{function.name}"
            parameters = 1 if function.in_memory else sum(each.flat for each in function.parameters.values())
            self.exports[function] = Export(
                self.function(name, parameters, 1),
                self.function(f"cabi_post_{name}", 1, 0),
            )

    def function(self, name: str, parameters: int, results: int) -> Call:
        """An export, if its type is the contract's."""
        found = self.exported.get(name)
        if not isinstance(found, wasmtime.Func):
            raise unusable(f"it does not export `{name}`")
        kind = found.type(self.store)
        given = [str(each) for each in kind.params], [str(each) for each in kind.results]
        if given != (["i32"] * parameters, ["i32"] * results):
            raise unusable(f"`{name}` is of another type")
        return Call(self.store, found, parameters, results)

    def write(self, content: bytes | bytearray, align: int) -> int:
        """Puts bytes into memory of the component's own, and gives their address."""
        if not content:
            return align
        address = self.realloc(0, 0, align, len(content))
        if address + len(content) > self.memory.data_len(self.store):
            raise Trap("an allocation outside of the memory")
        here = self.memory.get_buffer_ptr(self.store, len(content), address)
        ctypes.memmove(here, bytes(content), len(content))
        return address

    def call(self, function: Function, frame: Frame) -> Any:
        """Calls a function with what was laid out for it, and reads what it gives."""
        self.store.set_fuel(FUEL_PER_CALL)
        if function.in_memory:
            for place, text in frame.texts:
                ADDRESSES.pack_into(frame.memory, place, self.write(text, 1), len(text))
            (parameter,) = function.parameters.values()
            arguments = [self.write(frame.memory, parameter.align)]
        else:
            arguments = frame.flat
            for place, text in frame.texts:
                arguments[place : place + 2] = self.write(text, 1), len(text)
        export = self.exports[function]
        result = export.call(*arguments)
        with memoryview(self.memory.get_buffer_ptr(self.store)).cast("B") as memory:
            if result + function.result.size > len(memory):
                raise Trap("a result outside of the memory")
            answer = function.result.load(memory, result)
        export.clean_up(result)
        return answer


class Runner:
    """A component, ready to be called from any thread."""

    def __init__(
        self,
        file: ComponentFile,
        functions: Iterable[Function],
        memory_bytes: int,
        code_cache: str | os.PathLike[str] | None,
    ) -> None:
        self.sha256 = file.sha256
        self.memory_bytes = memory_bytes
        self.functions = tuple(functions)
        self.lock = threading.Lock()
        self.idle: list[Instance] = []
        self.module: wasmtime.Module | None = engine.compiled(file, self.functions, code_cache)
        # A first instance, so that a component of another contract is refused here.
        self.idle.append(self.instance())

    def check_open(self) -> wasmtime.Module:
        """Raises `handle-closed` once it was closed. Every call asks this before it looks at what it was given."""
        module = self.module
        if module is None:
            raise ComponentError("handle-closed", "the component was closed")
        return module

    def instance(self) -> Instance:
        """An idle instance, or a new one."""
        with self.lock:
            module = self.check_open()
            if self.idle:
                return self.idle.pop()
        try:
            return Instance(module, self.functions, self.memory_bytes)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise unusable(str(error)) from None

    def keep(self, instance: Instance) -> None:
        """Takes an instance back, unless it has grown too large or there are enough."""
        if instance.memory.data_len(instance.store) <= KEPT_MEMORY_BYTES:
            with self.lock:
                if self.module is not None and len(self.idle) < KEPT_INSTANCES:
                    self.idle.append(instance)

    def call(self, function: Function, frame: Frame) -> Any:
        """One call. An instance whose call failed is never asked again."""
        instance = self.instance()
        try:
            answer = instance.call(function, frame)
        except wasmtime.Trap as trap:
            raise self.failure(instance, trap) from None
        except (Trap, UnicodeDecodeError, wasmtime.WasmtimeError, IndexError):
            raise ComponentError("component-trapped", "the component trapped") from None
        self.keep(instance)
        return answer

    def failure(self, instance: Instance, trap: wasmtime.Trap) -> ComponentError:
        """Which limit a trap tells of, if it is one."""
        code = trap.trap_code
        if code == wasmtime.TrapCode.OUT_OF_FUEL:
            return ComponentError("component-out-of-fuel", "the component ran out of fuel")
        # Memory that cannot grow makes the component stop by itself. Buffers grow by doubling, so it then has at least
        # a third of what it may have; the engine does not tell more.
        if code == wasmtime.TrapCode.UNREACHABLE and (
            instance.memory.data_len(instance.store) > self.memory_bytes // 3
        ):
            return ComponentError("component-out-of-memory", "the component ran out of memory")
        return ComponentError("component-trapped", "the component trapped")

    def close(self) -> None:
        """Lets go of code and instances. Calls under way end as if nothing had happened."""
        with self.lock:
            self.module = None
            self.idle.clear()


def check_input(given_bytes: int, limit_bytes: int) -> None:
    """Refuses an input over the limit of one call, before it crosses."""
    if given_bytes > limit_bytes:
        raise ComponentError("input-too-large", f"the input has {given_bytes} bytes, over {limit_bytes}")
