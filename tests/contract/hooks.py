"""What schemathesis needs to know to reach beyond the first refusal: records that exist.

Fills the workspace through the interface itself, then puts a real id, environment, key or provider in the place of a
part of the generated ones. Which ones follows from the generated values alone, so that a seed repeats a run.
"""

import json
import os
import urllib.request
import zlib

import schemathesis

URL = os.environ["PROVIDENT_CONTRACT_URL"]
TOKEN = os.environ["PROVIDENT_CONTRACT_TOKEN"]
WORKSPACE = os.environ["PROVIDENT_CONTRACT_WORKSPACE"]
ENVIRONMENT = os.environ["PROVIDENT_CONTRACT_ENVIRONMENT"]


def call(path, body=None):
    """One request that must be answered well, and its answer."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(URL + path, data, headers), timeout=60) as answer:
        return json.load(answer)


def key(name):
    return f"provider:fake:policy:widgetPolicy:widget:id:{name}"


def fill():
    """A mirrored environment, an inventory and decisions: active, superseded and revoked ones."""
    workspace = f"/v1/workspaces/{WORKSPACE}"
    rows = [
        {"kind": "environment", "external_ref": "env-mirrored", "display_name": "Mirrored"},
        {"kind": "baseline_profile", "external_ref": "profile", "display_name": "A baseline"},
    ]
    synced = call(f"{workspace}/registry:sync", {"rows": rows})
    assert [answer["state"] for answer in synced["answers"]] == ["added", "added"], synced
    widgets = [{"kind": "widget", "ref": f"seen-{n}", "origin": "own", "title": f"Widget {n}"} for n in range(40)]
    documents = {"environment_id": ENVIRONMENT, "adapter": "fake", "documents": widgets}
    imported = call(f"{workspace}/inventory:import", documents)
    assert imported["refusals"] == [], imported
    items = [
        {"mode": "excluded_non_governed", "subject": key(f"decided-{n}"), "subject_domain": "things", "note": "why"}
        for n in range(40)
    ]
    answers = call(f"{workspace}/bindings:bulk-create", {"environment_id": ENVIRONMENT, "items": items})["items"]
    made = [answer["ok"]["binding"]["id"] if "binding" in answer.get("ok", {}) else answer["ok"]["id"] for answer in answers]
    again = call(f"{workspace}/bindings/{made[0]}/supersede", {"mode": "accepted_limitation", "note": "new"})
    call(f"{workspace}/bindings/{made[1]}/revoke", {"note": "over"})
    seen = call(f"{workspace}/inventory?environment_id={ENVIRONMENT}&limit=40")["items"]
    return made + [again["binding"]["id"]], [item["id"] for item in seen]


BINDINGS, ITEMS = fill()
KEYS = [key(f"decided-{n}") for n in range(40)] + [key(f"seen-{n}") for n in range(40)]
FRESH = [key(f"new-{n}") for n in range(4_000)]


def draw(case, salt):
    """A number that follows from what was generated."""
    shown = json.dumps([case.path_parameters, case.query, case.body], default=repr, sort_keys=True)
    return zlib.crc32(f"{salt}:{case.operation.label}:{shown}".encode("utf-8", "backslashreplace"))


def one_of(values, number):
    return values[number % len(values)]
