"""What schemathesis needs to know to reach beyond the first refusal: records that exist.

Fills the workspace through the interface itself, then puts a real id, environment, key or provider in the place of a
part of the generated ones. Which ones follows from the generated values alone, so that a seed repeats a run.
"""

import atexit
import collections
import copy
import json
import os
import urllib.request
import zlib

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import RejectedPositiveData

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
    """A mirrored environment, an inventory, decisions (active, superseded and revoked ones), connections and runs."""
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
    made = [answer["binding"]["id"] for answer in answers]
    again = call(f"{workspace}/bindings/{made[0]}/supersede", {"mode": "accepted_limitation", "note": "new"})
    call(f"{workspace}/bindings/{made[1]}/revoke", {"note": "over"})
    seen = call(f"{workspace}/inventory?environment_id={ENVIRONMENT}&limit=40")["items"]
    bindings, items = made + [again["binding"]["id"]], [item["id"] for item in seen]
    asked = {"environment_id": ENVIRONMENT, "provider_key": "fake", "display_name": "To the invented provider"}
    connections = [call(f"{workspace}/connections", asked)["id"] for _ in range(6)]
    call(f"{workspace}/connections/{connections[0]}/credentials", {"fields": {"api_key": "an-invented-key"}})
    start = {"environment_id": ENVIRONMENT, "operation_type": "health.check", "provider_key": "fake"}
    runs = [call(f"{workspace}/operations:start", start)["run"]["id"]]
    call(f"{workspace}/runs/{runs[0]}/cancel", {})
    runs.append(call(f"{workspace}/operations:start", start)["run"]["id"])
    return bindings, items, connections, runs


# Nobody works on runs: one that was started is active until it is cancelled.
BINDINGS, ITEMS, CONNECTIONS, RUNS = fill()
KEYS = [key(f"decided-{n}") for n in range(40)] + [key(f"seen-{n}") for n in range(40)]
FRESH = [key(f"new-{n}") for n in range(4_000)]


SUBJECT = ("subject", "subject_inventory_item_id", "subject_descriptor")
RESOURCE = ("resource", "resource_inventory_item_id", "resource_descriptor")
WITH_RESOURCE = ("exact_provider_identity", "canonical_builtin", "canonical_virtual_target", "manual_binding")
SOURCES = (
    "provider_connection_id",
    "source_operation_run_id",
    "source_baseline_snapshot_id",
    "source_inventory_item_id",
    "source_policy_version_id",
)


# Bindings that stay in the list though they no longer hold: they are reached, too.
ENOUGH = 10
COUNTS = collections.Counter()


def operation_of(case):
    return case.operation.definition.raw["operationId"]


class Draw:
    """Choices that follow from what was generated, one after the other."""

    def __init__(self, case):
        shown = json.dumps([case.path_parameters, case.query, case.body], default=repr, sort_keys=True)
        self.text = f"{case.operation.label}:{shown}"
        self.count = 0

    def number(self):
        self.count += 1
        return zlib.crc32(f"{self.count}:{self.text}".encode("utf-8", "backslashreplace"))

    def of(self, values):
        return values[self.number() % len(values)]

    def chance(self, percent):
        return self.number() % 100 < percent


def widget(name):
    """The descriptor of a subject of the invented provider."""
    identity = {"provider_key": "fake", "resource_type": "widget", "provider_resource_id": name, "tenant_owned": True}
    return {
        "identity": identity,
        "subject_domain": "things",
        "subject_class": "policy",
        "subject_type_key": "widgetPolicy",
        "support_level": "supported",
        "display_label": "A widget",
    }


def name_one(body, members, draw, fresh):
    """Names a subject or a resource in one way, as no schema can ask for."""
    for member in members:
        body.pop(member, None)
    way = draw.of(members)
    if way.endswith("_item_id"):
        body[way] = draw.of(ITEMS)
    elif way.endswith("_descriptor"):
        body[way] = widget(f"new-{draw.number() % 4_000}")
    else:
        body[way] = draw.of(FRESH if fresh else KEYS)


def decide(body, draw, fresh):
    """A decision of the generated mode that stands a chance."""
    name_one(body, SUBJECT, draw, fresh)
    if not fresh and draw.chance(80):
        # A decision in place of another one is about the same subject.
        for member in SUBJECT:
            body.pop(member, None)
    for member in (*RESOURCE, *SOURCES, "legacy_subject_key", "reason"):
        if draw.chance(85):
            body.pop(member, None)
    body["subject_domain"] = "things"
    if draw.chance(70):
        body["note"] = "said by an operator"
    if body.get("mode") in WITH_RESOURCE:
        name_one(body, RESOURCE, draw, False)


def mend(operation, body, draw):
    """Puts what exists into a body that fits the document."""
    if "environment_id" in body and draw.chance(90):
        body["environment_id"] = draw.of([ENVIRONMENT, ENVIRONMENT, "ref:env-mirrored"])
    if operation in ("create_binding", "supersede_binding") and draw.chance(75):
        decide(body, draw, operation == "create_binding")
    elif operation == "bulk_create_bindings" and draw.chance(75):
        for item in body.get("items", []):
            decide(item, draw, True)
            if draw.chance(80):
                item.pop("idempotency_key", None)
    elif operation == "revoke_binding" and draw.chance(60):
        body["note"] = "over"
    elif operation == "lookup_bindings" and draw.chance(75):
        body.pop("descriptors", None)
        body["keys"] = [draw.of(KEYS) for _ in range(draw.number() % 5)]
    elif operation == "parse_keys" and draw.chance(50):
        body["keys"] = [draw.of(KEYS) for _ in range(draw.number() % 5)]
    elif operation == "derive_keys" and draw.chance(50):
        subject = {name: widget("A")[name] for name in ("identity", "subject_class", "subject_type_key")}
        body["items"] = [subject, *body.get("items", [])]
    elif operation == "import_inventory" and draw.chance(75):
        body["adapter"] = "fake"
        widgets = [{"kind": "widget", "ref": f"seen-{draw.number() % 80}", "origin": "own"} for _ in range(3)]
        body["documents"] = [*body.get("documents", []), *widgets]
    elif operation == "create_connection" and draw.chance(75):
        body["provider_key"] = "fake"
        body.pop("directory_id", None)
    elif operation == "update_connection" and draw.chance(75):
        body.pop("directory_id", None)
    elif operation == "set_connection_credentials" and draw.chance(75):
        body["fields"] = {"api_key": f"an-invented-key-{draw.number() % 80}"}
    elif operation == "start_operation" and draw.chance(80):
        # A connection or a provider, as no schema can ask for.
        body.pop("provider_key", None)
        body.pop("provider_connection_id", None)
        if draw.chance(30):
            # What waits already, unless it was cancelled.
            body.update(environment_id=ENVIRONMENT, operation_type="health.check", provider_connection_id=CONNECTIONS[0])
        elif draw.chance(30):
            body["provider_key"] = "fake"
        else:
            body["provider_connection_id"] = draw.of(CONNECTIONS)
    elif operation == "sync_registry" and draw.chance(75):
        row = {"kind": "environment", "external_ref": f"env-{draw.number() % 20}", "display_name": "Mirrored"}
        body["rows"] = [*body.get("rows", []), row]


# Each item is answered for itself, so a wrong one among them does not refuse the request: it is refused in the answer.
EACH_FOR_ITSELF = ("bulk_create_bindings", "derive_keys", "sync_registry")


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Two refusals the document cannot state are no failures; all others are."""
    if isinstance(failure, AcceptedNegativeData) and operation_of(case) in EACH_FOR_ITSELF:
        answer = response.json()
        answers = answer.get("items", answer.get("answers", []))
        refused = (isinstance(item, dict) and (item.get("error") or item.get("state") == "refused") for item in answers)
        return not any(refused)
    if isinstance(failure, RejectedPositiveData) and response.status_code == 422:
        # What is said of the form has to be enough: only rules about the content may refuse what fits the document.
        too_long = is_too_long(case.body)
        return any(is_about_form(error) and not too_long for error in response.json()["errors"])
    return True


# What identifies a resource is judged by the component, which of it a key is made of included; a directory by its provider.
IDENTITY = ("resource_type", "provider_resource_id", "external_id", "discriminator", "fingerprint", "subject_type_key")
DIRECTORY = ("directory_id",)
# The same code says that a subject is not named in exactly one way, which no schema can ask for.
IN_ONE_WAY = ("subject", "resource", "keys")


def is_about_form(error):
    """Whether a refusal is about a form that the document has to state."""
    code, field = error["code"], error["field"]
    if code == "malformed-request":
        return field not in IN_ONE_WAY
    return code == "unknown-field" or (code.startswith("bad-") and field not in IDENTITY + DIRECTORY)


def is_too_long(body):
    """Whether a text has more bytes than it may: a schema counts characters."""
    body = body if isinstance(body, dict) else {}
    fields = body.get("fields")
    texts = [(body.get("display_name"), 512)]
    texts += [(text, 4_096) for text in (fields.values() if isinstance(fields, dict) else ())]
    return any(isinstance(text, str) and len(text.encode("utf-8", "replace")) > most for text, most in texts)


@schemathesis.hook
def after_call(context, case, response):
    """Counts the answer, and keeps what was decided for requests to come."""
    COUNTS[operation_of(case), response.status_code] += 1
    if response.status_code == 201 or (response.status_code == 200 and operation_of(case) == "bulk_create_bindings"):
        answer = response.json()
        for made in [answer, *answer.get("items", [])]:
            if not answer.get("dry_run") and made.get("binding", {}).get("binding_status") == "active":
                BINDINGS.append(made["binding"]["id"])
        if operation_of(case) == "create_connection":
            CONNECTIONS.append(answer["id"])
    elif response.status_code == 202:
        RUNS.append(response.json()["run"]["id"])
    elif response.status_code == 409 and case.path_parameters.get("binding_id") in BINDINGS[ENOUGH:]:
        BINDINGS.remove(case.path_parameters["binding_id"])


@atexit.register
def tell():
    """What was answered, for whoever started this: operation, status and how often, a line each."""
    with open(os.environ["PROVIDENT_CONTRACT_COUNTS"], "w", encoding="utf-8") as file:
        for (operation, status), count in sorted(COUNTS.items()):
            file.write(f"{operation}\t{status}\t{count}\n")


@schemathesis.hook
def map_case(context, case):
    """Has most of the requests reach a record. What was made wrong on purpose stays as it is."""
    draw, meta = Draw(case), case.meta
    right = {place: meta is None or not meta.is_negative_at(place) for place in ParameterLocation}
    if right[ParameterLocation.PATH]:
        if draw.chance(95):
            case.path_parameters["workspace_id"] = WORKSPACE
        # The first connection is never put out of use, so that something can always be started; of runs the last one has
        # not ended, unless it was cancelled.
        usable = CONNECTIONS[1:] if operation_of(case) == "disable_connection" else CONNECTIONS
        runs = [*RUNS, RUNS[-1], RUNS[-1]]
        for name, known in (("binding_id", BINDINGS), ("item_id", ITEMS), ("connection_id", usable), ("run_id", runs)):
            if name in case.path_parameters and draw.chance(80):
                case.path_parameters[name] = draw.of(known)
    if right[ParameterLocation.QUERY] and "environment_id" in case.query and draw.chance(90):
        case.query["environment_id"] = draw.of([ENVIRONMENT, ENVIRONMENT, "ref:env-mirrored"])
        for name in [name for name in case.query if name not in ("environment_id", "limit") and draw.chance(70)]:
            del case.query[name]
    if right[ParameterLocation.HEADER] and "Idempotency-Key" in case.headers and draw.chance(80):
        case.headers["Idempotency-Key"] = f"key-{draw.number() % 100_000}"
    if right[ParameterLocation.BODY] and isinstance(case.body, dict):
        body = copy.deepcopy(case.body)
        mend(operation_of(case), body, draw)
        case.body = body
    return case
