"""The canonical ABI of the component model, as far as the contract needs it.

A type knows its size, its alignment and how many core values it is flattened to; how a Python value is laid out (in
memory, or as flat parameters) and how one is read back from memory. What comes back is judged: an address outside the
memory, text that is not UTF-8 or a case that is not there is a trap, as the component model has it. Nothing here knows
what the values mean.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from enum import Enum
from operator import attrgetter
from typing import Any

from .errors import IdentityError

ADDRESSES = struct.Struct("<II")
MAX_FLAT_PARAMETERS = 16
"""More core parameters than this are passed in memory."""


class Trap(Exception):
    """What the component gave is not what its type says."""


class Frame:
    """Arguments being laid out. Texts are kept aside until their place in the component's memory is known."""

    __slots__ = ("memory", "flat", "texts", "text_bytes")

    def __init__(self, memory_bytes: int = 0) -> None:
        self.memory = bytearray(memory_bytes)
        self.flat: list[int] = []
        self.texts: list[tuple[int, bytes]] = []
        """Where the address goes (an offset in `memory`, or an index in `flat`), and the text."""
        self.text_bytes = 0

    def keep(self, place: int, text: bytes) -> None:
        self.texts.append((place, text))
        self.text_bytes += len(text)


class Type:
    """A type of the contract."""

    size: int
    align: int
    flat: int

    def store(self, frame: Frame, at: int, value: Any, name: str) -> None:
        """Lays a value out in memory; `name` is the member it is refused under."""
        raise NotImplementedError

    def flatten(self, frame: Frame, value: Any, name: str) -> None:
        """Lays a value out as core parameters."""
        raise NotImplementedError

    def load(self, memory: memoryview, at: int) -> Any:
        """Reads a value from memory."""
        raise NotImplementedError


def encoded(value: Any, name: str) -> bytes:
    """Text in UTF-8. Anything else is `malformed-request`, a lone surrogate `invalid-utf8`."""
    if not isinstance(value, str):
        raise IdentityError("malformed-request", name, f"`{name}` is not text")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise IdentityError("invalid-utf8", name, f"`{name}` has a lone surrogate") from None


class Integer(Type):
    """An unsigned integer of 32 bits."""

    size = align = 4
    flat = 1

    def load(self, memory: memoryview, at: int) -> int:
        return int.from_bytes(memory[at : at + 4], "little")


class Flag(Type):
    """True or false."""

    size = align = flat = 1

    def store(self, frame: Frame, at: int, value: Any, name: str) -> None:
        if value not in (True, False):
            raise IdentityError("malformed-request", name, f"`{name}` is neither true nor false")
        frame.memory[at] = 1 if value else 0

    def load(self, memory: memoryview, at: int) -> bool:
        return memory[at] != 0


class String(Type):
    """Text."""

    size, align, flat = 8, 4, 2

    def store(self, frame: Frame, at: int, value: Any, name: str) -> None:
        frame.keep(at, encoded(value, name))

    def flatten(self, frame: Frame, value: Any, name: str) -> None:
        frame.keep(len(frame.flat), encoded(value, name))
        frame.flat += (0, 0)

    def load(self, memory: memoryview, at: int) -> str:
        address, length = ADDRESSES.unpack_from(memory, at)
        if address + length > len(memory):
            raise Trap("a text outside of the memory")
        return str(memory[address : address + length], "utf-8")


class Case(Type):
    """One of the members of an enum, in their order."""

    size = align = flat = 1

    def __init__(self, members: type[Enum], refusal: str = "malformed-request") -> None:
        self.members = tuple(members)
        self.places = {member.value: place for place, member in enumerate(members)}
        self.refusal = refusal

    def place(self, value: Any, name: str) -> int:
        place = self.places.get(value) if isinstance(value, str) else None
        if place is None:
            raise IdentityError(self.refusal, name, f"`{name}` is none of those there are")
        return place

    def store(self, frame: Frame, at: int, value: Any, name: str) -> None:
        frame.memory[at] = self.place(value, name)

    def flatten(self, frame: Frame, value: Any, name: str) -> None:
        frame.flat.append(self.place(value, name))

    def load(self, memory: memoryview, at: int) -> Enum:
        place = memory[at]
        if place >= len(self.members):
            raise Trap("a case that is not there")
        return self.members[place]


class Option(Type):
    """Something, or nothing."""

    def __init__(self, some: Type) -> None:
        self.some = some
        self.align = some.align
        self.size = some.align + some.size
        self.flat = 1 + some.flat

    def store(self, frame: Frame, at: int, value: Any, name: str) -> None:
        if value is not None:
            frame.memory[at] = 1
            self.some.store(frame, at + self.align, value, name)

    def flatten(self, frame: Frame, value: Any, name: str) -> None:
        if value is None:
            frame.flat += (0,) * self.flat
        else:
            frame.flat.append(1)
            self.some.flatten(frame, value, name)

    def load(self, memory: memoryview, at: int) -> Any:
        case = memory[at]
        if case > 1:
            raise Trap("a case that is not there")
        return self.some.load(memory, at + self.align) if case else None


class Record(Type):
    """Named members. Read from the attributes of an object of class `made`, and made into one."""

    def __init__(self, made: Callable[..., Any], **members: Type) -> None:
        self.made = made
        self.members = members
        self.align = max(member.align for member in members.values())
        self.flat = sum(member.flat for member in members.values())
        self.places: list[tuple[str, Type, int]] = []
        end = 0
        for name, member in members.items():
            start = aligned(end, member.align)
            self.places.append((name, member, start))
            end = start + member.size
        self.size = aligned(end, self.align)
        self.names = tuple(members)
        self.values = attrgetter(*self.names)

    def judged(self, value: Any, name: str) -> Sequence[Any]:
        if not isinstance(value, self.made):  # type: ignore[arg-type]
            raise IdentityError("malformed-request", name, f"`{name}` is no {self.made.__name__}")
        values: Sequence[Any] = self.values(value)
        return values

    def store(self, frame: Frame, at: int, value: Any, name: str) -> None:
        for (member_name, member, start), given in zip(self.places, self.judged(value, name)):
            member.store(frame, at + start, given, member_name)

    def flatten(self, frame: Frame, value: Any, name: str) -> None:
        for member_name, given in zip(self.names, self.judged(value, name)):
            self.members[member_name].flatten(frame, given, member_name)

    def load(self, memory: memoryview, at: int) -> Any:
        return self.made(**{name: member.load(memory, at + start) for name, member, start in self.places})


class List(Type):
    """Any number of values of one type. Only read."""

    size, align, flat = 8, 4, 2

    def __init__(self, element: Type) -> None:
        self.element = element

    def load(self, memory: memoryview, at: int) -> list[Any]:
        address, length = ADDRESSES.unpack_from(memory, at)
        size = self.element.size
        if address + length * size > len(memory):
            raise Trap("a list outside of the memory")
        load = self.element.load
        return [load(memory, address + place * size) for place in range(length)]


class Bytes(Type):
    """A list of bytes, which crosses in one piece."""

    size, align, flat = 8, 4, 2

    def flatten(self, frame: Frame, value: Any, name: str) -> None:
        frame.keep(len(frame.flat), value)
        frame.flat += (0, 0)

    def load(self, memory: memoryview, at: int) -> bytes:
        address, length = ADDRESSES.unpack_from(memory, at)
        if address + length > len(memory):
            raise Trap("bytes outside of the memory")
        return bytes(memory[address : address + length])


class Refused:
    """The error of a result, so that it cannot be taken for what was asked for."""

    __slots__ = ("error",)

    def __init__(self, error: Any) -> None:
        self.error = error


class Result(Type):
    """What was asked for, or an error, which is read as `Refused`. Only read."""

    def __init__(self, ok: Type | None, error: Type) -> None:
        self.ok = ok
        self.error = error
        cases = [case for case in (ok, error) if case is not None]
        self.align = max(case.align for case in cases)
        self.size = aligned(self.align + max(case.size for case in cases), self.align)
        self.flat = 1 + max(case.flat for case in cases)

    def load(self, memory: memoryview, at: int) -> Any:
        case = memory[at]
        if case == 0:
            return None if self.ok is None else self.ok.load(memory, at + self.align)
        if case == 1:
            return Refused(self.error.load(memory, at + self.align))
        raise Trap("a case that is not there")


class Function:
    """An exported function: its parameters by name, and its result."""

    def __init__(self, interface: str, name: str, result: Type, **parameters: Type) -> None:
        self.interface = interface
        self.name = name
        self.result = result
        self.parameters = parameters
        self.in_memory = sum(each.flat for each in parameters.values()) > MAX_FLAT_PARAMETERS

    def lay_out(self, *arguments: Any) -> Frame:
        """The arguments as they cross: in memory if they are many, else one by one."""
        if not self.in_memory:
            frame = Frame()
            for (name, parameter), argument in zip(self.parameters.items(), arguments):
                parameter.flatten(frame, argument, name)
            return frame
        ((name, parameter),) = self.parameters.items()
        frame = Frame(parameter.size)
        parameter.store(frame, 0, arguments[0], name)
        return frame


def aligned(at: int, align: int) -> int:
    """The next place of this alignment."""
    return -(-at // align) * align
