"""Holds a component to the contract, type by type, as the engine's own reading of the component tells them.

The functions of a component are called by the types the contract gives them (`contract`), so a foreign component whose
own types are others must not be called at all. Nothing here is needed for a component the package was built with: it was
held to the contract then, and is held to its digest since.
"""

from __future__ import annotations

from collections.abc import Iterable

import wasmtime
from wasmtime import component as model

from . import abi, contract
from .file import unusable


def hold(engine: wasmtime.Engine, content: bytes, functions: Iterable[abi.Function]) -> None:
    """Raises `component-unusable` unless the component imports nothing and exports these functions."""
    try:
        kind = model.Component(engine, content).type
        if kind.imports(engine):
            raise unusable("it wants to import something")
        interfaces = {
            name: interface.exports(engine)
            for name, interface in kind.exports(engine).items()
            if isinstance(interface, model.ComponentInstanceType)
        }
    except wasmtime.WasmtimeError as error:
        raise unusable(str(error)) from None
    for function in functions:
        exports = interfaces.get(f"provident:identity/{function.interface}@{contract.VERSION}", {})
        found = exports.get(function.name)
        if not isinstance(found, model.FuncType):
            raise unusable(f"it does not export `{function.interface}.{function.name}`")
        if not same_function(found, function):
            raise unusable(f"`{function.interface}.{function.name}` is of another type")


def same_function(found: model.FuncType, function: abi.Function) -> bool:
    parameters = found.params
    return (
        [name for name, _ in parameters] == [kebab(name) for name in function.parameters]
        and all(same(kind, ours) for (_, kind), ours in zip(parameters, function.parameters.values()))
        and same(found.result, function.result)
    )


def same(found: model.ValType | None, ours: abi.Type | None) -> bool:
    """Whether a type of the component is the one of the contract."""
    match ours:
        case None:
            return found is None
        case abi.String():
            return isinstance(found, model.String)
        case abi.Flag():
            return isinstance(found, model.Bool)
        case abi.Integer():
            return isinstance(found, model.U32)
        case abi.Case():
            names = [kebab(member.value) for member in ours.members]
            return isinstance(found, model.EnumType) and found.names == names
        case abi.Option():
            return isinstance(found, model.OptionType) and same(found.payload, ours.some)
        case abi.Bytes():
            return isinstance(found, model.ListType) and isinstance(found.element, model.U8)
        case abi.List():
            return isinstance(found, model.ListType) and same(found.element, ours.element)
        case abi.Result():
            return isinstance(found, model.ResultType) and same(found.ok, ours.ok) and same(found.err, ours.error)
        case abi.Record():
            if not isinstance(found, model.RecordType):
                return False
            fields = found.fields
            return [name for name, _ in fields] == [kebab(name) for name in ours.names] and all(
                same(kind, member) for (_, kind), member in zip(fields, ours.members.values())
            )
    return False


def kebab(name: str) -> str:
    """A name as the contract writes it."""
    return name.replace("_", "-")
