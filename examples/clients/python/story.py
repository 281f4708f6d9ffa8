"""A story told by requests: keys, a look-up, a decision made, replaced and ended, and what the feed says of it.

    PROVIDENT_URL=http://127.0.0.1:8080 PROVIDENT_TOKEN=pvd_… WORKSPACE=<id> ENVIRONMENT=<id or ref:name> python3 story.py

The token's user needs the role manager or owner, and the environment. ON_BEHALF_OF names another user to act for, if the
token may. Subjects are invented anew each time, so it can be run as often as you like. It ends with 0 only if everything
was as it should be.
"""

import os
import secrets
import sys
import uuid

from provident import Conflict, NotFound, Provident, Refused


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise SystemExit(f"{what}: {found!r} and not {wanted!r}")


def widget(name: str) -> dict[str, object]:
    """A resource of the invented provider, as whoever asks for its key describes it."""
    identity = {"provider_key": "fake", "resource_type": "widget", "provider_resource_id": name, "tenant_owned": True}
    return {"identity": identity, "subject_class": "policy", "subject_type_key": "widgetPolicy"}


def main() -> None:
    workspace, environment = os.environ["WORKSPACE"], os.environ["ENVIRONMENT"]
    service = Provident(os.environ["PROVIDENT_URL"], os.environ["PROVIDENT_TOKEN"], os.environ.get("ON_BEHALF_OF"))
    bindings = f"/v1/workspaces/{workspace}/bindings"
    after = 0
    for event in service.events(workspace, environment, after):
        after = event["number"]

    # Keys: many at once, each answered for itself.
    run = secrets.token_hex(4)
    answers = service.ask("/v1/keys:derive", {"items": [widget(f"gate {run}"), widget(f"door {run}"), widget("")]})
    gate, door = (answer["ok"]["key"] for answer in answers["items"][:2])
    expect("a widget without a name", answers["items"][2]["error"]["code"], "empty-field")
    print(f"derived {gate}")

    def states() -> list[str]:
        asked = {"environment_id": environment, "keys": [gate, door]}
        return [answer["state"] for answer in service.ask(f"{bindings}:lookup", asked)["items"]]

    expect("new subjects", states(), ["none", "none"])
    print("looked up none, none")

    # A decision, asked for twice under one name: made once.
    decision = {"environment_id": environment, "mode": "excluded_non_governed", "subject": gate,
                "subject_domain": "things", "note": "not ours"}
    name = str(uuid.uuid4())
    first = service.change(bindings, decision, name)["binding"]["id"]
    expect("the same decision again", service.change(bindings, decision, name)["binding"]["id"], first)
    expect("what holds", states(), ["active", "none"])
    print(f"created {first}")

    # What does not fit, what is not there and what is wrong are exceptions, told apart by type and code.
    try:
        service.change(bindings, decision, str(uuid.uuid4()))
        raise SystemExit("a second active decision was made")
    except Conflict as conflict:
        expect("the conflict", (conflict.code, conflict.active_binding_id), ("active-binding-exists", first))
    try:
        service.change(bindings, decision | {"subject": door, "note": " "}, str(uuid.uuid4()))
        raise SystemExit("a decision without a note was made")
    except Refused as refused:
        expect("the rule", [rule["code"] for rule in refused.errors], ["note-required"])
    try:
        service.read(f"{bindings}/{uuid.uuid4()}")
        raise SystemExit("a binding was read that is not there")
    except NotFound as missing:
        expect("what is missing", missing.code, "not-found")
    print("refused active-binding-exists, note-required, not-found")

    # Another decision in its place, and then none: tried first.
    replacement = {"mode": "accepted_limitation", "note": "known, and accepted"}
    second = service.change(f"{bindings}/{first}/supersede", replacement, str(uuid.uuid4()))["binding"]
    expect("what was replaced", second["supersedes_binding_id"], first)
    second = second["id"]
    print(f"superseded by {second}")
    over = {"note": "over"}
    tried = service.change(f"{bindings}/{second}/revoke", over | {"dry_run": True}, str(uuid.uuid4()))
    expect("a dry run", (tried["dry_run"], tried["binding"]["binding_status"]), (True, "revoked"))
    expect("after a dry run", states(), ["active", "none"])
    service.change(f"{bindings}/{second}/revoke", over, str(uuid.uuid4()))
    expect("afterwards", states(), ["ended", "none"])
    print(f"revoked {second}")

    # The feed: what was done since, in its order. Others may have done something meanwhile.
    about = {first, second}
    events = service.events(workspace, environment, after)
    told = [event["action"] for event in events if about & {event["old_binding_id"], event["new_binding_id"]}]
    expect("the feed", told, ["binding.created", "binding.superseded", "binding.revoked"])
    print(f"told of {', '.join(told)}")


if __name__ == "__main__":
    missing = [name for name in ("PROVIDENT_URL", "PROVIDENT_TOKEN", "WORKSPACE", "ENVIRONMENT") if name not in os.environ]
    if missing:
        sys.exit(f"set {', '.join(missing)}")
    main()
