"""The engine, once per process, and the code it makes of components."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from functools import cache
from importlib.metadata import version

import wasmtime

from . import contract, world
from .abi import Function
from .cache import CodeCache
from .file import ComponentFile, core_module, unusable

LOCK = threading.Lock()


@cache
def made() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.consume_fuel = True
    # Threads that compile are gone after a fork, and the child would wait for them for ever.
    config.parallel_compilation = False
    return wasmtime.Engine(config)


def shared() -> wasmtime.Engine:
    """The engine. Raises `component-unusable` where there can be none."""
    with LOCK:
        try:
            return made()
        except wasmtime.WasmtimeError as error:
            raise unusable(str(error)) from None


def engine_version() -> str:
    """The engine, and its version."""
    return f"wasmtime {version('wasmtime')}"


def compiled(
    file: ComponentFile, functions: Collection[Function], code_cache: str | os.PathLike[str] | None
) -> wasmtime.Module:
    """The component's code: from the cache, if there is one and it has it.

    A foreign component is held to its world of the contract when it is compiled, so what is in the cache under the name
    of this world has been.
    """
    engine = shared()
    held_to = "adapter" if contract.ADAPT in functions else "identity"
    kept = None if code_cache is None else CodeCache(code_cache, held_to, engine_version().replace(" ", "-"))
    code = kept.load(file.sha256) if kept else None
    if code is not None:
        try:
            return wasmtime.Module.deserialize(engine, code)
        except wasmtime.WasmtimeError:
            pass  # It is of another engine or machine: compiled anew below.
    try:
        module = wasmtime.Module(engine, core_module(file.content))
        if file.foreign:
            world.hold(engine, file.content, functions)
        if kept:
            kept.store(file.sha256, bytes(module.serialize()))
    except wasmtime.WasmtimeError as error:
        raise unusable(str(error)) from None
    return module
