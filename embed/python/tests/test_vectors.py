"""Every vector, in every form, through the host program."""

from __future__ import annotations

import json
import subprocess
import sys
import unittest
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vectors import Vector, vectors, without_messages

HOST = Path(__file__).with_name("host.py")
ALL = vectors()


def ask(form: str, lines: bytes, adapter: str | None = None) -> list[Any]:
    """The replies of the host program to these lines, without their messages."""
    arguments = [sys.executable, str(HOST), form, *(["--adapter", adapter] if adapter else [])]
    done = subprocess.run(arguments, input=lines, capture_output=True, check=False)
    if done.returncode or done.stderr:
        raise AssertionError(f"{done.returncode}: {done.stderr.decode()}")
    replies = done.stdout.decode().split("\n")
    if replies.pop():
        raise AssertionError("the last reply does not end in a line feed")
    return [without_messages(json.loads(reply)) for reply in replies]


class EveryVector(unittest.TestCase):
    maxDiff = 2_000

    def check(self, form: str, some: Iterable[Vector]) -> None:
        groups: dict[tuple[str | None, str], list[Vector]] = {}
        for vector in some:
            alone = vector.id if "stream-start" in vector.flags else ""
            groups.setdefault((vector.adapter, alone), []).append(vector)
        passed = 0
        for (adapter, _), group in groups.items():
            replies = ask(form, b"".join(vector.line + b"\n" for vector in group), adapter)
            self.assertEqual(len(replies), len(group))
            for vector, reply in zip(group, replies):
                expect = vector.expect
                if form == "many" and "ok" in expect:
                    expect = expect | {"ok": {"key": expect["ok"]["key"]}}
                self.assertEqual(reply, expect, vector.id)
                passed += 1
        print(f"form {form}: {passed} of {len(ALL)} vectors asked, all passed", file=sys.stderr)

    def test_as_lines(self) -> None:
        self.check("lines", ALL)

    def test_as_calls(self) -> None:
        self.check("calls", (vector for vector in ALL if not vector.flags & {"line-only", "process-only"}))

    def test_many_at_once(self) -> None:
        asked = [vector for vector in ALL if vector.op == "derive" and "line-only" not in vector.flags]
        self.assertGreater(len(asked), 500)
        self.check("many", asked)

    def test_there_are_vectors(self) -> None:
        self.assertGreater(len(ALL), 6_000)
        self.assertEqual(len({vector.id for vector in ALL}), len(ALL))


if __name__ == "__main__":
    unittest.main()
