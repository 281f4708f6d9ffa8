"""Streams of request lines: any length, cut anywhere, whatever the bytes."""

from __future__ import annotations

import io
import json
import os
import threading
import unittest
from typing import Any
from unittest import mock

from provident_identity import Adapter, ComponentError, Identity, Lines
from provident_identity.lines import members

DIGEST = b'{"id":"%d","op":"digest","input":{"key":"provider:fake:policy:w:w:id:%d"}}\n'


class Trickle(io.RawIOBase):
    """A stream that gives at most a few bytes at a time."""

    def __init__(self, content: bytes, step: int) -> None:
        self.content = io.BytesIO(content)
        self.step = step

    def read(self, size: int | None = -1) -> bytes:
        return self.content.read(self.step)


class Streams(unittest.TestCase):
    identity: Identity
    adapter: Adapter

    @classmethod
    def setUpClass(cls) -> None:
        cls.identity = Identity.embedded()
        cls.adapter = Adapter.embedded("fake")
        cls.addClassCleanup(cls.identity.close)
        cls.addClassCleanup(cls.adapter.close)

    def ask(self, content: bytes, step: int = 1 << 20, *, adapter: bool = False) -> list[Any]:
        target = io.BytesIO()
        Lines(self.identity, self.adapter if adapter else None).answer(Trickle(content, step), target)  # type: ignore[arg-type]
        return [json.loads(line) for line in target.getvalue().split(b"\n")[:-1]]

    def codes(self, content: bytes, step: int = 1 << 20) -> list[str]:
        return [reply["error"]["code"] if "error" in reply else "ok" for reply in self.ask(content, step)]

    def test_streams_longer_than_a_batch(self) -> None:
        count = 30_000
        replies = self.ask(b"".join(DIGEST % (place, place) for place in range(count)), 1 << 22)
        self.assertEqual([reply["id"] for reply in replies], [str(place) for place in range(count)])
        self.assertTrue(all("ok" in reply for reply in replies))

    def test_where_a_stream_is_cut_makes_no_difference(self) -> None:
        content = b'\xef\xbb\xbf{"op":"about"}\n\n \t\r\n\xff\n{"op":"about"}\r\n\xef\xbb\xbf{"op":"about"}\n{"op":"about"}'
        expected = ["ok", "invalid-utf8", "ok", "malformed-request", "ok"]
        for step in (1, 2, 3, 7, 100):
            self.assertEqual(self.codes(content, step), expected, step)

    def test_long_lines(self) -> None:
        fits = b'{"op":"about"' + b" " * (65_536 - 14) + b"}"
        self.assertEqual(len(fits), 65_536)
        expected = ["ok", "request-too-large", "ok", "request-too-large", "ok", "ok", "request-too-large"]
        content = b"\n".join(
            [b"\xef\xbb\xbf" + fits, fits + b" ", fits, b"\xff" * 3_000_000, fits, b'{"op":"about"}', b"x" * 65_537]
        )
        for step in (5_000, 1 << 22):
            self.assertEqual(self.codes(content, step), expected)

    def test_nothing_has_no_reply(self) -> None:
        for content in (b"", b"\n", b"\xef\xbb\xbf", b" \r\n\t"):
            self.assertEqual(self.ask(content), [])

    def test_a_reply_comes_before_the_next_request(self) -> None:
        theirs, ours = os.pipe(), os.pipe()
        source, target = os.fdopen(theirs[0], "rb"), os.fdopen(ours[1], "wb")

        def serve() -> None:
            Lines(self.identity).answer(source, target)
            target.close()

        serving = threading.Thread(target=serve)
        serving.start()
        with os.fdopen(theirs[1], "wb") as requests, os.fdopen(ours[0], "rb") as replies:
            for place in range(3):
                requests.write(DIGEST % (place, place))
                requests.flush()
                self.assertEqual(json.loads(replies.readline())["id"], str(place))
            requests.close()
            self.assertEqual(replies.read(), b"")
        serving.join()
        source.close()

    def test_adapt(self) -> None:
        def ask(line: str) -> Any:
            (reply,) = self.ask(line.encode(), adapter=True)
            return reply

        refused = {
            '{"op":"adapt"}': ("malformed-request", "raw"),
            '{"op":"adapt","input":{}}': ("malformed-request", "raw"),
            '{"op":"adapt","input":null}': ("malformed-request", "raw"),
            '{"op":"adapt","input":{"raw":{},"more":1}}': ("unknown-field", "more"),
            '{"op":"adapt","more":1,"input":{"raw":{}}}': ("unknown-field", "more"),
            '{"op":"adopt","input":{"raw":{}}}': ("unknown-op", "op"),
            '{"op":null,"input":{"raw":{}}}': ("malformed-request", "op"),
        }
        for line, (code, field) in refused.items():
            error = ask(line)["error"]
            self.assertEqual((error["code"], error["field"]), (code, field), line)
        reply = ask('{ "input" : { "raw" : null } , "id" : "é" , "op" : "adapt" }')
        self.assertEqual((reply["id"], len(reply["ok"]["items"])), ("é", 1))
        self.assertNotIn("ok", self.ask(b'{"op":"adapt","input":{"raw":{}}}')[0])

    def test_a_document_reaches_the_adapter_as_it_was_written(self) -> None:
        number = "1" * 5_000
        raw = '{"a" : 1.50, "b":"\\u00e9\\"}", "n":' + number + ',"e":1e999, "l" : [ {} , [] ]}'
        found = members('{"op":"adapt", "input" : {"raw": ' + raw + " }}")
        self.assertEqual(list(found), ["op", "input"])
        self.assertEqual(members(found["input"])["raw"], raw)
        self.assertEqual(members(" { } "), {})

    def test_replies_of_another_layout_make_it_unusable(self) -> None:
        for wrong in (b"", b"{}\n{}\n", b"x\n", b"[]\n", b'{"error":1}\n', b"\xff\n"):
            with mock.patch.object(self.identity, "batch", return_value=wrong):
                with self.assertRaises(ComponentError) as caught:
                    self.ask(b'{"op":"adapt","input":{"raw":{}}}', adapter=True)
            self.assertEqual(caught.exception.code, "component-unusable")

    def test_a_closed_one_answers_nothing_not_even_an_empty_stream(self) -> None:
        closed, adapter = Identity.embedded(), Adapter.embedded("fake")
        for lines in (Lines(closed), Lines(closed, adapter), Lines(self.identity, adapter)):
            lines.answer(io.BytesIO(), io.BytesIO())
        closed.close()
        adapter.close()
        for lines in (Lines(closed), Lines(closed, adapter), Lines(self.identity, adapter)):
            with self.assertRaises(ComponentError) as caught:
                lines.answer(io.BytesIO(), io.BytesIO())
            self.assertEqual(caught.exception.code, "handle-closed")


if __name__ == "__main__":
    unittest.main()
