"""The line protocol over byte streams of any length.

The component answers text; what cannot be text, or be held in memory, is dealt with here: lines that are not UTF-8, lines
without end, and streams longer than one batch. With an adapter, `adapt` requests are answered too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, BinaryIO

from .adapter import Adapter
from .errors import ProvidentError
from .identity import BYTE_ORDER_MARK, INPUT_BYTES, LINE_BYTES, Identity, other_answers
from .model import Adapted, ErrorCode, ProviderResourceDescriptor

READ_BYTES = 256 << 10
CHUNK_BYTES = INPUT_BYTES - LINE_BYTES - 1_024
"""When gathered lines are handed over: with one more line, they still fit a batch."""
MARK = BYTE_ORDER_MARK.encode()
BLANK = b" \t\r"
"""A line of nothing else has no reply."""


class Lines:
    """The line protocol, with or without an adapter."""

    def __init__(self, identity: Identity, adapter: Adapter | None = None) -> None:
        self.identity = identity
        self.adapter = adapter

    def answer(self, source: BinaryIO, target: BinaryIO) -> None:
        """Answers every request line of `source` with one reply line, in order, as soon as it has come.

        Memory stays bounded whatever comes in. Raises `ComponentError` if the component fails, and what reading and
        writing raise.
        """
        self.identity.check_open()
        if self.adapter is not None:
            self.adapter.check_open()
        for piece in self.replies(lines(source)):
            target.write(piece)
            if not piece:
                target.flush()

    def replies(self, given: Iterator[bytes | None]) -> Iterator[bytes]:
        """The replies to lines; after a `None`, those to all lines so far and then nothing."""
        gathered: list[bytes] = []
        size = 0
        for line in given:
            if line is None or size > CHUNK_BYTES:
                yield from self.answered(gathered)
                gathered, size = [], 0
            if line is None:
                yield b""
                continue
            try:
                if len(line) > LINE_BYTES:
                    # The component refuses it by its length; which bytes they are does not matter any more.
                    line = b"x" * (LINE_BYTES + 1)
                line.decode()
            except UnicodeDecodeError:
                yield from self.answered(gathered)
                gathered, size = [], 0
                yield rendered({"error": refused("invalid-utf8", "request", "the line is not UTF-8")})
                continue
            gathered.append(line)
            size += len(line) + 1

    def answered(self, gathered: list[bytes]) -> Iterator[bytes]:
        if not gathered:
            return
        chunk = b"\n".join(gathered)
        # Only a stream may start with a mark, and this is the middle of one.
        replies = self.identity.batch(b"\n" + chunk if chunk.startswith(MARK) else chunk)
        if self.adapter is None:
            yield replies
            return
        requests = [line for line in gathered if line.strip(BLANK)]
        reply_lines = replies.splitlines(keepends=True)
        if len(reply_lines) != len(requests):
            raise other_answers()
        for request, reply in zip(requests, reply_lines):
            adapted = adapt(self.adapter, request, reply)
            yield reply if adapted is None else rendered(adapted)


def lines(source: BinaryIO) -> Iterator[bytes | None]:
    """Lines without their ends, and `None` where more has to be waited for. No more is kept of a line than is needed to
    know that it is too long. A byte-order mark at the very start is left out."""
    read = getattr(source, "read1", source.read)
    room = LINE_BYTES + len(MARK) + 1
    line = bytearray()
    at_start = True
    while block := read(READ_BYTES):
        *complete, rest = block.split(b"\n")
        for piece in complete:
            line += piece[: room - len(line)]
            yield without_mark(line, at_start)
            line.clear()
            at_start = False
        line += rest[: room - len(line)]
        yield None
    if line:
        yield without_mark(line, at_start)
    yield None


def without_mark(line: bytearray, at_start: bool) -> bytes:
    return bytes(line.removeprefix(MARK) if at_start else line)


def adapt(adapter: Adapter, request: bytes, reply: bytes) -> dict[str, Any] | None:
    """The reply to an `adapt` request; `None` when it is none. The component has been asked before: an op it does not
    know is what it says of a line in which everything before the op is in order."""
    try:
        code = json.loads(reply).get("error", {}).get("code")
    except (ValueError, AttributeError):
        raise other_answers() from None
    if code != ErrorCode.UNKNOWN_OP:
        return None
    given = members(request.decode())
    if value(given, "op") != "adapt":
        return None
    request_id = value(given, "id")
    known = {} if request_id is None else {"id": request_id}
    for name in given:
        if name not in ("id", "op", "input"):
            return known | {"error": refused("unknown-field", name, "not a member here")}
    raw_input = given.get("input", "null")
    inner = members(raw_input) if raw_input.startswith("{") else {}
    if "raw" not in inner:
        return known | {"error": refused("malformed-request", "raw", "there is nothing to adapt")}
    for name in inner:
        if name != "raw":
            return known | {"error": refused("unknown-field", name, "not a member here")}
    try:
        # A raw null is a document like any other, which the adapter refuses.
        answers = adapter.describe(inner["raw"])
    except ProvidentError as error:
        return known | {"error": refused(error.code, "raw", getattr(error, "message", ""))}
    return known | {"ok": {"items": [item(answer) for answer in answers]}}


def item(answer: Any) -> dict[str, Any]:
    """One object of a document, as the line protocol writes it."""
    if isinstance(answer, Adapted):
        return {"descriptor": descriptor_members(answer.descriptor)}
    return {"error": asdict(answer)}


def descriptor_members(descriptor: ProviderResourceDescriptor) -> dict[str, Any]:
    """A descriptor as the line protocol writes it: what is absent, and flags that are not set, are left out."""

    def given(members: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in members.items() if value is not None and value is not False}

    found = given(asdict(descriptor))
    found["identity"] = given(found["identity"])
    return found


def value(given: dict[str, str], name: str) -> Any:
    return json.loads(given.get(name, "null"))


SPACE = " \t\r\n"
# Numbers are only skipped, never read: they may be of any size.
DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def members(text: str) -> dict[str, str]:
    """The members of a JSON object, each as the text it was written as. The object is known to be one."""
    found: dict[str, str] = {}
    at = spaces(text, 0) + 1
    while text[at := spaces(text, at)] != "}":
        if text[at] == ",":
            at = spaces(text, at + 1)
        name, at = scanstring(text, at + 1)
        start = spaces(text, spaces(text, at) + 1)
        _, at = DECODER.raw_decode(text, start)
        found[name] = text[start:at]
    return found


def spaces(text: str, at: int) -> int:
    while text[at] in SPACE:
        at += 1
    return at


def refused(code: str, field: str, message: str) -> dict[str, str]:
    return {"code": code, "field": field, "message": message}


def rendered(reply: dict[str, Any]) -> bytes:
    return json.dumps(reply, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
