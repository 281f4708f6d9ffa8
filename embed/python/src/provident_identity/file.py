"""Component files: the ones this package carries, and foreign ones, held to their digests; and what is in them.

A component without imports is one core module with the types of its functions wrapped around it. The core module is what
is run here (see `runner`), so it is taken out of its wrapping; a component made of several is refused.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from importlib import resources
from typing import BinaryIO

from .errors import ComponentError

MAX_FILE_BYTES = 64 << 20
DIGEST = re.compile("[0-9a-f]{64}")
PREAMBLE = b"\0asm\x0d\0\x01\0"
CORE_MODULE, IMPORTS = 1, 10
"""Sections of a component."""
NAMES = ("identity", "fake", "microsoft")
"""The components that are built into the package: the identity component, then the adapters."""


@dataclass(frozen=True, slots=True)
class ComponentFile:
    """A component file that is the one that was asked for."""

    content: bytes
    sha256: str
    """Lower-case hex."""
    foreign: bool
    """Whether it is another than those the package was built with."""


def embedded(name: str) -> ComponentFile:
    """The component this package carries under a name."""
    if not isinstance(name, str) or name not in NAMES:
        raise ComponentError("component-unknown", "no component has this name")
    folder = resources.files(__package__).joinpath("components")
    try:
        sha256 = json.loads(folder.joinpath("manifest.json").read_bytes())[name]
        content = folder.joinpath(f"{name}.wasm").read_bytes()
    except OSError:
        raise ComponentError("component-unreadable", "the package has lost its components, or was made without") from None
    except (ValueError, KeyError, TypeError):
        raise ComponentError("component-digest-mismatch", "the manifest of the components is damaged") from None
    return held(content, sha256, foreign=False)


def foreign(path: str | os.PathLike[str], sha256: str) -> ComponentFile:
    """A component file from anywhere."""
    if not isinstance(path, (str, os.PathLike)):
        raise ComponentError("invalid-argument", "the path of a component is no path", "path")
    if not isinstance(sha256, str) or not DIGEST.fullmatch(sha256):
        raise ComponentError("invalid-argument", "a digest is 64 lower-case hex characters", "sha256")
    try:
        with opened(path) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ComponentError("component-unreadable", f"the component file cannot be read: {error.strerror}") from None
    except ValueError:
        raise ComponentError("component-unreadable", "the component file has no usable path") from None
    if len(content) > MAX_FILE_BYTES:
        raise ComponentError("component-unusable", f"the component file is over {MAX_FILE_BYTES} bytes")
    return held(content, sha256, foreign=True)


def opened(path: str | os.PathLike[str]) -> BinaryIO:
    """A file to be read. What is none, such as a pipe, is not waited for: it is an `OSError`, as all that is in the way."""

    def at_once(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    file = open(path, "rb", opener=at_once)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no file")
    return file


def held(content: bytes, expected: str, *, foreign: bool) -> ComponentFile:
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise ComponentError("component-digest-mismatch", f"the component file has SHA-256 {actual}, not the one pinned")
    return ComponentFile(content, actual, foreign)


def core_module(content: bytes) -> bytes:
    """The one core module of a component without imports."""
    modules: list[bytes] = []
    try:
        if content[: len(PREAMBLE)] != PREAMBLE:
            raise unusable("it is no component")
        at = len(PREAMBLE)
        while at < len(content):
            section = content[at]
            size, at = number(content, at + 1)
            if at + size > len(content):
                raise unusable("a section ends early")
            if section == IMPORTS:
                raise unusable("it wants to import something")
            if section == CORE_MODULE:
                modules.append(content[at : at + size])
            at += size
    except IndexError:
        raise unusable("it ends early") from None
    if len(modules) != 1:
        raise unusable(f"it is made of {len(modules)} core modules, not of one")
    return modules[0]


def number(content: bytes, at: int) -> tuple[int, int]:
    """A LEB128 number of 32 bits, and where it ends."""
    value = 0
    for shift in range(0, 35, 7):
        value |= (content[at] & 0x7F) << shift
        at += 1
        if content[at - 1] < 0x80:
            return value, at
    raise unusable("a number is too long")


def unusable(why: str) -> ComponentError:
    return ComponentError("component-unusable", f"the component cannot be opened: {why}")
