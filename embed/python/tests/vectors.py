"""The vectors of the project, `tests/vectors/*.ndjson`: requests with the replies they must get."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests" / "vectors"


@dataclass(frozen=True, slots=True)
class Vector:
    id: str
    line: bytes
    op: str | None
    """Of a request object; lines have none."""
    adapter: str | None
    expect: Any
    flags: frozenset[str]


def vectors() -> list[Vector]:
    """All of them, in the order of files and lines."""
    found = []
    for path in sorted(FOLDER.glob("*.ndjson")):
        adapter = path.stem.removeprefix("adapt-") if path.stem.startswith("adapt-") else None
        for text in path.read_text("utf-8").split("\n"):
            if text:
                found.append(vector(json.loads(text), adapter))
    return found


def vector(given: dict[str, Any], adapter: str | None) -> Vector:
    op = None
    if "request" in given:
        op = given["request"].get("op")
        line = json.dumps(given["request"], ensure_ascii=False).encode()
    elif "line" in given:
        line = given["line"].encode()
    else:
        line = base64.b64decode(given["line_base64"], validate=True)
    return Vector(given["id"], line, op, adapter, given["expect"], frozenset(given.get("flags", ())))


def without_messages(reply: Any) -> Any:
    """A reply as vectors have it. A refusal without a message is not one."""
    for refusal in refusals(reply):
        if not refusal.pop("message", None):
            refusal["message"] = "is missing"
    return reply


def refusals(reply: Any) -> list[dict[str, str]]:
    found = [reply["error"]] if "error" in reply else []
    found += reply.get("errors", [])
    items = reply["ok"].get("items", []) if "ok" in reply else []
    return found + [each["error"] for each in items if "error" in each]
