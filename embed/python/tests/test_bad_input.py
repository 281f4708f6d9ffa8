"""Bad input is a typed error with a code and a field, said before the component is asked, and never a crash."""

from __future__ import annotations

import dataclasses
import json
import unittest
from collections.abc import Callable
from typing import Any

from provident_identity import (
    Adapter,
    ComponentError,
    Decision,
    DecisionRefused,
    GovernedSubject,
    Identity,
    IdentityError,
    ProviderResourceDescriptor,
    ResourceIdentity,
)

GOOD: Any = GovernedSubject(ResourceIdentity("fake", "widget", "A:1"), "policy", "widgetPolicy")  # type: ignore[arg-type]
KEY = "provider:fake:policy:widgetPolicy:widget:id:A%3A1"
LONE = "a\ud800b"
TEN_MIB = "x" * (10 << 20)
TEXTS = ("provider_key", "resource_type", "provider_resource_id", "external_id", "discriminator", "fingerprint")
FLAGS = ("built_in", "default", "virtual", "tenant_owned")


def with_identity(**members: Any) -> Any:
    return dataclasses.replace(GOOD, identity=dataclasses.replace(GOOD.identity, **members))


class BadInput(unittest.TestCase):
    identity: Identity
    adapter: Adapter

    @classmethod
    def setUpClass(cls) -> None:
        cls.identity = Identity.embedded()
        cls.adapter = Adapter.embedded("fake")
        cls.addClassCleanup(cls.identity.close)
        cls.addClassCleanup(cls.adapter.close)

    def refused(self, code: str, field: str, ask: Callable[[], Any]) -> IdentityError:
        with self.assertRaises(IdentityError) as caught:
            ask()
        self.assertEqual((caught.exception.code, caught.exception.field), (code, field))
        return caught.exception

    def subject_refused(self, code: str, field: str, subject: Any) -> None:
        """Alone, and among others, which are answered."""
        error = self.refused(code, field, lambda: self.identity.derive(subject))
        self.assertEqual(self.identity.derive_many([GOOD, subject, GOOD]), [KEY, error, KEY])

    def failed(self, code: str, ask: Callable[[], Any]) -> None:
        with self.assertRaises(ComponentError) as caught:
            ask()
        self.assertEqual(caught.exception.code, code)
        self.assertNotIn("xxxx", str(caught.exception))

    def test_members_of_another_type(self) -> None:
        for name in TEXTS:
            for wrong in (5, b"bytes", ["text"], True, object()):
                self.subject_refused("malformed-request", name, with_identity(**{name: wrong}))
        for name in TEXTS[:2]:
            self.subject_refused("malformed-request", name, with_identity(**{name: None}))
        for name in FLAGS:
            for wrong in ("yes", None, 2, [True]):
                self.subject_refused("malformed-request", name, with_identity(**{name: wrong}))
        self.subject_refused("malformed-request", "subject_type_key", dataclasses.replace(GOOD, subject_type_key=None))
        self.subject_refused("malformed-request", "identity", dataclasses.replace(GOOD, identity={"provider_key": "x"}))
        for wrong in (None, "text", {"identity": {}}, ResourceIdentity("fake", "widget")):
            self.subject_refused("malformed-request", "subject", wrong)

    def test_a_class_that_is_none(self) -> None:
        for wrong in ("Policy", "assignment-target", "", None, 0, ["policy"]):
            self.subject_refused("invalid-class", "subject_class", dataclasses.replace(GOOD, subject_class=wrong))

    def test_lone_surrogates(self) -> None:
        for name in TEXTS:
            self.subject_refused("invalid-utf8", name, with_identity(**{name: LONE}))
        self.subject_refused("invalid-utf8", "subject_type_key", dataclasses.replace(GOOD, subject_type_key=LONE))
        self.refused("invalid-utf8", "key", lambda: self.identity.parse(LONE))
        self.refused("invalid-utf8", "key", lambda: self.identity.digest(LONE))
        self.refused("invalid-utf8", "note", lambda: self.identity.rewrite_note(LONE))
        self.refused("invalid-utf8", "request", lambda: self.identity.batch(LONE))
        self.refused("invalid-utf8", "document", lambda: self.adapter.describe(LONE))

    def test_a_lone_surrogate_in_a_decision_is_an_error_of_the_decision(self) -> None:
        for name in ("subject", "resource", "note", "reason", "mode"):
            members: Any = {"subject": KEY, name: LONE}
            self.assertEqual(self.broken("create", **members), [("invalid-utf8", name)])

    def test_text_that_is_no_mode(self) -> None:
        other = "provider:other:policy:w:w:id:x"
        for mode in ("by_hand", "", "Manual_Binding"):
            for action, actor, members in (
                ("create", "operator", {}),
                ("create", "operator", {"note": "n", "resource": KEY}),
                ("create", "operator", {"resource": other, "reason": "Not A Code"}),
                ("create", "operator", {"note": "a\0b", "resource": other}),
                ("create", "system", {"reason": "seen"}),
                ("supersede", "operator", {}),
                ("supersede", "system", {}),
                ("revoke", "operator", {"resource": KEY}),
                ("revoke", "operator", {"note": "n", "reason": "seen"}),
                ("revoke", "system", {}),
                ("create", "operator", {"subject": "x"}),
                ("create", "operator", {"subject": "x", "resource": "y", "reason": "Not A Code"}),
                ("create", "operator", {"resource": "y", "note": "n"}),
                ("revoke", "operator", {"resource": "y"}),
            ):
                given = {"subject": KEY, "mode": mode} | members
                line = json.dumps({"op": "decide", "input": {"action": action, "actor": actor} | given})
                said = [IdentityError(**error) for error in json.loads(self.identity.batch(line))["errors"]]
                with self.subTest(line):
                    self.assertEqual(self.errors(action, actor, **given), said)
        self.assertEqual(self.broken("create", subject=KEY, mode="by_hand", note="n" * 70_000),
                         [("mode-not-allowed", "mode"), ("note-too-long", "note")])

    def broken(self, action: Any, actor: Any = "operator", **members: Any) -> list[tuple[str, str]]:
        """The rules a decision breaks."""
        return [(error.code, error.field) for error in self.errors(action, actor, **members)]

    def errors(self, action: Any, actor: Any, **members: Any) -> list[IdentityError]:
        with self.assertRaises(DecisionRefused) as caught:
            self.identity.decide(Decision(action, actor, **members))
        return list(caught.exception.errors)

    def test_bytes_that_are_not_utf8(self) -> None:
        self.refused("invalid-utf8", "request", lambda: self.identity.batch(b"\xff\n"))
        self.refused("invalid-utf8", "document", lambda: self.adapter.describe(b"\xff"))

    def test_nul(self) -> None:
        self.subject_refused("control-character", "provider_resource_id", with_identity(provider_resource_id="a\0b"))
        self.refused("unknown-scheme", "key", lambda: self.identity.parse("\0"))
        self.assertIn("malformed-request", self.identity.batch("\0"))
        self.assertEqual(self.adapter.describe("\0")[0].position, 0)

    def test_ten_mebibytes(self) -> None:
        large = with_identity(provider_resource_id=TEN_MIB)
        self.subject_refused("request-too-large", "request", large)
        for ask in (self.identity.parse, self.identity.digest, self.identity.rewrite_note):
            self.refused("request-too-large", "request", lambda: ask(TEN_MIB))
        descriptor: Any = ProviderResourceDescriptor(GOOD.identity, "things", "policy", "w", "supported", TEN_MIB)  # type: ignore[arg-type]
        self.refused("request-too-large", "request", lambda: self.identity.describe(descriptor))
        self.failed("input-too-large", lambda: self.identity.batch(TEN_MIB))
        self.failed("input-too-large", lambda: self.identity.batch(TEN_MIB.encode()))
        self.failed("input-too-large", lambda: self.adapter.describe(TEN_MIB))
        for members in ({"note": TEN_MIB}, {"mode": TEN_MIB}, {"note": TEN_MIB, "mode": "by_hand"}):
            decision: Any = Decision("create", "operator", KEY, **members)  # type: ignore[arg-type]
            error = self.refused("request-too-large", "request", lambda: self.identity.decide(decision))
            self.assertNotIn("xxxx", str(error))
        self.assertEqual(self.identity.derive(GOOD).key, KEY)

    def test_limits_count_bytes_to_the_last_one(self) -> None:
        limit = 1 << 20
        self.refused("key-too-long", "key", lambda: self.identity.parse("é" * (limit // 2)))
        self.refused("request-too-large", "request", lambda: self.identity.parse("é" * (limit // 2) + "x"))
        self.failed("input-too-large", lambda: self.identity.batch("é" * (limit // 2) + "x"))
        rest = limit - len("fakewidgetwidgetPolicy")
        self.subject_refused("field-too-long", "provider_resource_id", with_identity(provider_resource_id="x" * rest))
        self.subject_refused("request-too-large", "request", with_identity(provider_resource_id="x" * (rest + 1)))
        self.assertEqual(len(self.adapter.describe(" " * (8 << 20))), 1)
        self.failed("input-too-large", lambda: self.adapter.describe(" " * ((8 << 20) + 1)))

    def test_other_values_than_text(self) -> None:
        for wrong in (None, 5, b"provider:", ["x"]):
            self.refused("malformed-request", "key", lambda: self.identity.parse(wrong))  # type: ignore[arg-type]
            self.refused("malformed-request", "key", lambda: self.identity.digest(wrong))  # type: ignore[arg-type]
        for wrong in (None, 5, ["x"]):
            self.refused("malformed-request", "request", lambda: self.identity.batch(wrong))  # type: ignore[call-overload]
            self.refused("malformed-request", "document", lambda: self.adapter.describe(wrong))  # type: ignore[arg-type]

    def test_descriptors_and_decisions(self) -> None:
        descriptor: Any = ProviderResourceDescriptor(GOOD.identity, "things", "policy", "w", "supported")  # type: ignore[arg-type]

        def describe(**members: Any) -> Callable[[], Any]:
            return lambda: self.identity.describe(dataclasses.replace(descriptor, **members))

        self.refused("bad-support-level", "support_level", describe(support_level="inventory-only"))
        self.refused("malformed-request", "display_label", describe(display_label=7))
        self.refused("malformed-request", "subject_domain", describe(subject_domain=None))
        self.refused("malformed-request", "descriptor", lambda: self.identity.describe(GOOD))

        def decide(**members: Any) -> Callable[[], Any]:
            decision: Any = Decision("create", "operator", KEY, note="the note itself")  # type: ignore[arg-type]
            return lambda: self.identity.decide(dataclasses.replace(decision, **members))

        self.refused("malformed-request", "action", decide(action="undo"))
        self.refused("malformed-request", "actor", decide(actor=None))
        self.refused("malformed-request", "mode", decide(mode=5))
        self.refused("malformed-request", "decision", lambda: self.identity.decide(GOOD))
        error = self.refused("malformed-request", "note", decide(note=["the note itself"]))
        self.assertNotIn("the note itself", str(error))

    def test_after_close(self) -> None:
        identity, adapter = Identity.embedded(), Adapter.embedded("fake")
        with identity, adapter:
            identity.derive(GOOD)
        identity.close()
        for ask in (
            lambda: identity.derive(GOOD),
            lambda: identity.derive_many([GOOD]),
            lambda: identity.derive_many([]),
            lambda: identity.derive(None),  # type: ignore[arg-type]
            lambda: identity.parse(LONE),
            lambda: identity.digest(TEN_MIB),
            lambda: identity.batch("{}"),
            lambda: identity.batch(""),
            lambda: identity.batch(b""),
            lambda: identity.batch(TEN_MIB),
            lambda: identity.batch(b"\xff"),
            lambda: identity.decide(Decision("create", "operator", KEY, LONE)),  # type: ignore[arg-type]
            identity.about,
            adapter.about,
            lambda: adapter.describe("{}"),
            lambda: adapter.describe(b"\xff"),
        ):
            self.failed("handle-closed", ask)


if __name__ == "__main__":
    unittest.main()
