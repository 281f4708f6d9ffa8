"""The rules written by hand, which the package is measured against, are the rules; and both sides get the same."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

import json

import hand
import records
from host import subject
from vectors import vectors

from provident_identity import Identity, IdentityError


class Hand(unittest.TestCase):
    def test_it_derives_what_the_vectors_say(self) -> None:
        asked = [vector for vector in vectors() if vector.op == "derive" and "line-only" not in vector.flags]
        for vector in asked:
            (answer,) = hand.derive_many([subject(json.loads(vector.line)["input"])])
            if isinstance(answer, str):
                self.assertEqual(answer, vector.expect.get("ok", {}).get("key"), vector.id)
            else:
                expected = vector.expect.get("error", {})
                self.assertEqual((answer.code, answer.field), (expected.get("code"), expected.get("field")), vector.id)
        self.assertGreater(len(asked), 2_000)

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
