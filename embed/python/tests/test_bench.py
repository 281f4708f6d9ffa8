"""The rules written by hand, which the package is measured against, are the rules; and both sides get the same."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

import json

import hand
import records
import tuned
from host import subject
from vectors import vectors

from provident_identity import Identity, IdentityError


HANDS = (hand, tuned)
TEXTS: dict[str, Any] = {
    "subject_class": "policy",
    "subject_type_key": "w",
    "identity": {
        "provider_key": "fake",
        "resource_type": "widget",
        "provider_resource_id": "x",
        "external_id": "x",
        "discriminator": "x",
        "fingerprint": "x",
    },
}


class Hand(unittest.TestCase):
    def test_they_derive_what_the_vectors_say(self) -> None:
        asked = [vector for vector in vectors() if vector.op == "derive" and "line-only" not in vector.flags]
        self.assertGreater(len(asked), 2_000)
        for rules in HANDS:
            for vector in asked:
                with self.subTest(rules=rules.__name__, vector=vector.id):
                    (answer,) = rules.derive_many([subject(json.loads(vector.line)["input"])])
                    if isinstance(answer, str):
                        self.assertEqual(answer, vector.expect.get("ok", {}).get("key"))
                    else:
                        expected = vector.expect.get("error", {})
                        self.assertEqual((answer.code, answer.field), (expected.get("code"), expected.get("field")))

    def test_text_that_no_utf8_can_hold_is_refused_as_the_package_refuses_it(self) -> None:
        lone = [subject({**TEXTS, "identity": {**TEXTS["identity"], name: " \ud800"}}) for name in TEXTS["identity"]]
        lone.append(subject({**TEXTS, "subject_type_key": " \ud800"}))
        with Identity.embedded() as identity:
            expected = [(answer.code, answer.field) for answer in identity.derive_many(lone) if not isinstance(answer, str)]
        self.assertEqual({code for code, _ in expected}, {"invalid-utf8"})
        for rules in HANDS:
            answers = [answer for answer in rules.derive_many(lone) if not isinstance(answer, str)]
            self.assertEqual([(answer.code, answer.field) for answer in answers], expected, rules.__name__)

    def test_the_records_are_realistic(self) -> None:
        given = records.subjects()
        with Identity.embedded() as identity:
            answers = identity.derive_many(given)
        refused = [answer for answer in answers if isinstance(answer, IdentityError)]
        self.assertEqual((len(given), len(refused)), (1_000, 10))
        self.assertEqual(len({error.code for error in refused}), 5)
        self.assertEqual(given, records.subjects())


if __name__ == "__main__":
    unittest.main()
