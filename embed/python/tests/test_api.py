"""What the package gives for good input, and that its objects are what they say."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import unittest
from typing import Any

import provident_identity as provident
from provident_identity import (
    ActorKind,
    Adapted,
    Adapter,
    Decision,
    DecisionAction,
    DecisionRefused,
    ErrorCode,
    GovernedSubject,
    Identity,
    IdentityError,
    KeyForm,
    ProviderResourceDescriptor,
    Refusal,
    ResolutionMode,
    ResourceIdentity,
    SubjectClass,
    SupportLevel,
)

WIDGET = GovernedSubject(
    ResourceIdentity("fake", "widget", "A:1", tenant_owned=True), SubjectClass.POLICY, "widgetPolicy"
)
KEY = "provider:fake:policy:widgetPolicy:widget:id:A%3A1"
DIGEST = "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()


class Keys(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.identity = Identity.embedded()
        cls.addClassCleanup(cls.identity.close)

    identity: Identity

    def test_a_key_is_derived_and_taken_apart(self) -> None:
        derived = self.identity.derive(WIDGET)
        self.assertEqual((derived.key, derived.digest), (KEY, DIGEST))
        parsed = self.identity.parse(KEY)
        self.assertEqual(
            parsed,
            provident.ParsedKey("fake", SubjectClass.POLICY, "widgetPolicy", "widget", KeyForm.ID, "A:1"),
        )
        self.assertIs(parsed.form, KeyForm.ID)
        self.assertEqual(self.identity.digest(KEY), DIGEST)

    def test_plain_text_is_taken_for_an_enum(self) -> None:
        plain = dataclasses.replace(WIDGET, subject_class="policy")  # type: ignore[arg-type]
        self.assertEqual(self.identity.derive(plain).key, KEY)
        self.assertEqual(self.identity.derive_many([plain]), [KEY])

    def test_many_are_answered_each_for_itself_and_in_order(self) -> None:
        count = 2_345
        subjects = [
            dataclasses.replace(
                WIDGET,
                identity=ResourceIdentity("fake", "widget", "" if place % 7 == 3 else f"Nö {place}"),
            )
            for place in range(count)
        ]
        answers = self.identity.derive_many(iter(subjects))
        self.assertEqual(len(answers), count)
        for place, (subject, answer) in enumerate(zip(subjects, answers)):
            if place % 7 == 3:
                with self.assertRaises(IdentityError) as caught:
                    self.identity.derive(subject)
                self.assertEqual(answer, caught.exception)
            else:
                self.assertEqual(answer, f"provider:fake:policy:widgetPolicy:widget:id:N%C3%B6%20{place}")
        self.assertEqual(self.identity.derive_many([]), [])

    def test_what_many_give_is_what_one_gives(self) -> None:
        texts = ["", "x", " x", "é" * 300, "a" * 513, "a" * 1_024, "a" * 1_025, "a" * 70_000, "\0", "\ufdd0", "\U0001f600"]
        subjects = [
            GovernedSubject(ResourceIdentity("fake", "widget", text, fingerprint=text or None), subject_class, "w")
            for text in texts
            for subject_class in SubjectClass
        ]
        # Refused, and far longer as a line than in the flat form.
        subjects += [
            GovernedSubject(ResourceIdentity("fake", text, text, text, text, text), SubjectClass.POLICY, text)
            for text in ("é" * 2_000, "a\0" * 2_000)
        ]
        flags: Any = {"default": 1, "tenant_owned": 1}
        subjects.append(GovernedSubject(ResourceIdentity("fake", "widget", "x", **flags), SubjectClass.POLICY, "w"))
        one: list[str | IdentityError] = []
        for subject in subjects:
            try:
                one.append(self.identity.derive(subject).key)
            except IdentityError as error:
                one.append(error)
        self.assertEqual(self.identity.derive_many(subjects), one)
        self.assertEqual({type(answer) for answer in one}, {str, IdentityError})

    def test_a_long_list_of_long_subjects_takes_as_many_calls_as_it_needs(self) -> None:
        subject = GovernedSubject(ResourceIdentity("fake", "widget", "ü" * 150), SubjectClass.POLICY, "w")
        refused = GovernedSubject(ResourceIdentity("fake", "widget", "x", "y" * 1_024), SubjectClass.POLICY, "w")
        answers = self.identity.derive_many([subject] * 3_000 + [refused] * 3_000)
        self.assertEqual(set(answers[:3_000]), {self.identity.derive(subject).key})
        self.assertEqual({(a.code, a.field) for a in answers[3_000:] if isinstance(a, IdentityError)},
                         {("field-too-long", "external_id")})
        self.assertEqual(len(answers), 6_000)

    def test_a_descriptor_is_rendered(self) -> None:
        descriptor = ProviderResourceDescriptor(
            WIDGET.identity, "things", SubjectClass.POLICY, "widgetPolicy", SupportLevel.SUPPORTED, "A label"
        )
        described = self.identity.describe(descriptor)
        self.assertEqual(described.key, KEY)
        self.assertEqual(described.digest, "sha256:" + hashlib.sha256(described.canonical.encode()).hexdigest())
        self.assertNotIn("label", described.canonical)
        self.assertEqual(descriptor.subject, WIDGET)

    def test_a_decision_is_judged(self) -> None:
        decision = Decision(
            DecisionAction.CREATE, ActorKind.OPERATOR, KEY, ResolutionMode.EXCLUDED_NON_GOVERNED, note="not ours"
        )
        self.assertIsNone(self.identity.decide(decision))  # type: ignore[func-returns-value]
        with self.assertRaises(DecisionRefused) as caught:
            self.identity.decide(dataclasses.replace(decision, note=None, reason="Not A Code"))
        errors = caught.exception.errors
        self.assertEqual([error.code for error in errors], ["note-required", "bad-reason"])
        self.assertEqual(caught.exception.code, ErrorCode.NOTE_REQUIRED)

    def test_a_note_is_rewritten(self) -> None:
        self.assertEqual(self.identity.rewrite_note(" a\r\nb\r "), "a\nb")
        self.assertIsNone(self.identity.rewrite_note(" \r\n"))

    def test_versions_and_limits_are_told(self) -> None:
        about = self.identity.about()
        self.assertEqual((about.grammar_version, about.contract_version), (1, "1.0.0"))
        self.assertEqual((about.limits.line_bytes, about.limits.note_chars), (65_536, 2_000))

    def test_a_batch_is_answered_in_the_kind_it_was_given(self) -> None:
        line = '{"id":"1","op":"digest","input":{"key":"' + KEY + '"}}\n'
        reply = '{"id":"1","ok":{"digest":"' + DIGEST + '"}}\n'
        self.assertEqual(self.identity.batch(line), reply)
        self.assertEqual(self.identity.batch(line.encode()), reply.encode())
        self.assertEqual(self.identity.batch(""), "")
        self.assertEqual(self.identity.batch("\n \t\r\n"), "")

    def test_a_batch_of_many_lines_takes_several_calls(self) -> None:
        lines = [""] * 10_000 + ['{"op":"about"}'] * 10_000
        replies = self.identity.batch("\n".join(lines)).splitlines()
        self.assertEqual((len(replies), len(set(replies))), (10_000, 1))

    def test_a_byte_order_mark_is_only_ignored_at_the_start_of_a_batch(self) -> None:
        marked = '\ufeff{"op":"about"}'
        replies = self.identity.batch("\n".join([marked] + ['{"op":"about"}'] * 4_095 + [marked])).splitlines()
        self.assertEqual(len(replies), 4_097)
        self.assertTrue(replies[0].startswith('{"ok"'))
        self.assertIn("malformed-request", replies[-1])


class Adapters(unittest.TestCase):
    def test_a_document_is_answered_object_by_object(self) -> None:
        with Adapter.embedded("fake") as adapter:
            self.assertEqual(adapter.about().provider_key, "fake")
            document = '[{"kind":"widget","ref":"A:1","title":"Ours"},{"kind":"widget"}]'
            for given in (document, document.encode()):
                first, second = adapter.describe(given)
                assert isinstance(first, Adapted) and isinstance(second, Refusal)
                self.assertEqual(first.position, 0)
                self.assertIs(first.descriptor.subject_class, SubjectClass.POLICY)
                self.assertEqual(first.descriptor.identity.provider_resource_id, "A:1")
                self.assertEqual(first.descriptor.display_label, "Ours")
                self.assertEqual((second.position, second.code), (1, ErrorCode.MISSING_IDENTITY))

    def test_what_an_adapter_gives_is_what_the_identity_component_takes(self) -> None:
        with Adapter.embedded("fake") as adapter, Identity.embedded() as identity:
            (answer,) = adapter.describe('{"kind":"widget","ref":"A:1"}')
            assert isinstance(answer, Adapted)
            self.assertEqual(identity.describe(answer.descriptor).key, identity.derive(answer.descriptor.subject).key)


class Objects(unittest.TestCase):
    def test_a_decision_shows_no_note(self) -> None:
        decision = Decision(DecisionAction.REVOKE, ActorKind.OPERATOR, KEY, note="between us")
        for shown in (repr(decision), str(decision), f"{[decision]}"):
            self.assertNotIn("between us", shown)
            self.assertIn("revoke", shown.lower())

    def test_objects_are_frozen_and_have_no_other_members(self) -> None:
        with self.assertRaises(dataclasses.FrozenInstanceError):
            WIDGET.subject_type_key = "x"  # type: ignore[misc]
        self.assertFalse(hasattr(WIDGET, "__dict__"))
        self.assertEqual(hash(WIDGET), hash(dataclasses.replace(WIDGET)))

    def test_errors_survive_being_sent_to_another_process(self) -> None:
        error = IdentityError("empty-field", "key", "`key` is empty")
        failure = provident.ComponentError("component-trapped", "it trapped")
        argument = provident.ComponentError("invalid-argument", "it is none", "sha256")
        for sent in (error, DecisionRefused([error]), failure, argument):
            received = pickle.loads(pickle.dumps(sent))
            self.assertEqual((type(received), str(received), received.code), (type(sent), str(sent), sent.code))

    def test_enums_are_their_text(self) -> None:
        self.assertEqual(f"{SubjectClass.ASSIGNMENT_TARGET}", "assignment_target")
        self.assertEqual(SubjectClass("unknown"), "unknown")


if __name__ == "__main__":
    unittest.main()
