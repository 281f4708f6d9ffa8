"""What the conformance runner starts: `host.py about | lines | calls | many`, the last three with requests on standard input.

`lines` asks the component's line protocol, `calls` turns every request into a typed call, `many` derives all keys in one
call. Each answers with the reply lines of the protocol, in order.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import provident_identity as provident  # noqa: E402
from provident_identity import (  # noqa: E402
    Adapter,
    ComponentError,
    Decision,
    DecisionRefused,
    GovernedSubject,
    Identity,
    IdentityError,
    Lines,
    ProviderResourceDescriptor,
    ResourceIdentity,
)
from provident_identity.file import NAMES  # noqa: E402
from provident_identity.lines import item, members, rendered  # noqa: E402


def resource_identity(given: dict[str, Any]) -> ResourceIdentity:
    return ResourceIdentity(**{"provider_key": "", "resource_type": ""} | present(given))


def present(given: dict[str, Any]) -> dict[str, Any]:
    """Null is absent."""
    return {name: value for name, value in given.items() if value is not None}


def subject(given: dict[str, Any]) -> GovernedSubject:
    return GovernedSubject(
        resource_identity(given.get("identity") or {}),
        given.get("subject_class") or "",  # type: ignore[arg-type]
        given.get("subject_type_key") or "",
    )


def descriptor(given: dict[str, Any]) -> ProviderResourceDescriptor:
    absent = {"subject_domain": "", "subject_class": "", "subject_type_key": "", "support_level": ""}
    members = absent | present(given) | {"identity": resource_identity(given.get("identity") or {})}
    return ProviderResourceDescriptor(**members)


def call(identity: Identity, op: str, given: dict[str, Any]) -> Any:
    """The result of one typed call, as the line protocol writes it."""
    match op:
        case "derive":
            return asdict(identity.derive(subject(given)))
        case "parse":
            return asdict(identity.parse(given.get("key") or ""))
        case "digest":
            return {"digest": identity.digest(given.get("key") or "")}
        case "describe":
            return asdict(identity.describe(descriptor(given)))
        case "decide":
            identity.decide(Decision(**{"subject": ""} | present(given)))
            return {}
        case "about":
            return asdict(identity.about())
    raise IdentityError("unknown-op", "op", f"`{op}` is no operation")


def answered(answer: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"ok": answer()}
    except DecisionRefused as refused:
        return {"errors": [error(each) for each in refused.errors]}
    except IdentityError as refusal:
        return {"error": error(refusal)}
    except ComponentError as failure:
        return {"error": {"code": failure.code, "field": "request", "message": failure.message}}


def error(refusal: IdentityError) -> dict[str, str]:
    return {"code": refusal.code, "field": refusal.field, "message": refusal.message}


def calls(identity: Identity, adapter: Adapter | None, lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        request = json.loads(line)
        given = request.get("input") or {}
        if request["op"] == "adapt" and adapter:
            raw = members(members(line)["input"])["raw"]
            reply = answered(lambda: {"items": [item(answer) for answer in adapter.describe(raw)]})
        else:
            reply = answered(lambda: call(identity, request["op"], given))
        yield known(request) | reply


def many(identity: Identity, lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    requests = [json.loads(line) for line in lines]
    answers = identity.derive_many(subject(request.get("input") or {}) for request in requests)
    for request, answer in zip(requests, answers, strict=True):
        yield known(request) | ({"ok": {"key": answer}} if isinstance(answer, str) else {"error": error(answer)})


def known(request: dict[str, Any]) -> dict[str, Any]:
    return {"id": request["id"]} if request.get("id") is not None else {}


def about() -> dict[str, Any]:
    digests = {}
    for name in NAMES:
        opened: Identity | Adapter = Identity.embedded() if name == "identity" else Adapter.embedded(name)
        digests[name] = opened.sha256
    return {
        "host": "python",
        "engine": f"{provident.engine_version()} ({platform.python_implementation()} {platform.python_version()})",
        "version": provident.__version__,
        "components": digests,
        "forms": ["lines", "calls", "many"],
    }


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("form", choices=["about", "lines", "calls", "many"])
    arguments.add_argument("--adapter")
    asked = arguments.parse_args()
    output = sys.stdout.buffer
    if asked.form == "about":
        output.write(rendered(about()))
        return
    identity = Identity.embedded()
    adapter = Adapter.embedded(asked.adapter) if asked.adapter else None
    if asked.form == "lines":
        Lines(identity, adapter).answer(sys.stdin.buffer, output)
        return
    lines = (line for line in sys.stdin.buffer.read().decode().split("\n") if line.strip(" \t\r"))
    for reply in calls(identity, adapter, lines) if asked.form == "calls" else many(identity, lines):
        output.write(rendered(reply))


if __name__ == "__main__":
    main()
