"""The example in the README runs, and prints what it says."""

from __future__ import annotations

import contextlib
import io
import re
import unittest
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


class Example(unittest.TestCase):
    def test_it_prints_what_it_says(self) -> None:
        examples = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.S)
        self.assertEqual(len(examples), 1)
        said = [text for text in re.findall(r"^\s*# (.*)$", examples[0], re.M)]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(examples[0], str(README), "exec"), {})
        self.assertEqual(printed.getvalue().splitlines(), said)
        self.assertEqual(len(said), 3)


if __name__ == "__main__":
    unittest.main()
