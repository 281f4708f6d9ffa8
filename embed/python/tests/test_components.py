"""Component files are held to their digests and to the contract; code is kept only where nobody else can write."""

from __future__ import annotations

import hashlib
import importlib.resources
import os
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import wasmtime

from provident_identity import Adapter, ComponentError, Identity, engine, file, world
from provident_identity.cache import CodeCache

COMPONENTS = Path(str(importlib.resources.files("provident_identity"))) / "components"
IDENTITY = (COMPONENTS / "identity.wasm").read_bytes()
FAKE = (COMPONENTS / "fake.wasm").read_bytes()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wat(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


class InAFolder(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, content: bytes, name: str = "component.wasm") -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def failed(self, code: str, ask: Callable[[], Any]) -> ComponentError:
        with self.assertRaises(ComponentError) as caught:
            ask()
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        return caught.exception


class Files(InAFolder):
    def test_a_pinned_file_is_opened(self) -> None:
        with Identity.from_file(self.write(IDENTITY), sha256(IDENTITY)) as identity:
            self.assertEqual(identity.about().contract_version, "1.0.0")
            self.assertEqual(identity.sha256, sha256(IDENTITY))
        with Adapter.from_file(self.write(FAKE), sha256(FAKE)) as adapter:
            self.assertEqual(adapter.about().provider_key, "fake")

    def test_another_file_than_the_pinned_one_is_refused(self) -> None:
        altered = bytearray(IDENTITY)
        altered[len(altered) // 2] ^= 1
        for content in (IDENTITY[:-1], bytes(altered), b"", FAKE):
            path = self.write(content)
            self.failed("component-digest-mismatch", lambda: Identity.from_file(path, sha256(IDENTITY)))
        self.failed("component-digest-mismatch", lambda: Identity.from_file(self.write(IDENTITY), "0" * 64))

    def test_what_is_no_digest_is_told_before_the_file_is_read(self) -> None:
        good = sha256(IDENTITY)
        for wrong in ("", "sha256:" + good, good.upper(), good[1:], good + "0", good + "\n", "g" * 64, None, 5):
            error = self.failed("invalid-argument", lambda: Identity.from_file(self.folder / "none", wrong))  # type: ignore[arg-type]
            self.assertEqual(error.field, "sha256")
        for path in (None, 0, ["x"]):
            error = self.failed("invalid-argument", lambda: Adapter.from_file(path, good))  # type: ignore[arg-type]
            self.assertEqual(error.field, "path")

    def test_a_file_that_cannot_be_read_is_told(self) -> None:
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        below_a_file = self.write(b"") / "component.wasm"
        for path in (self.folder / "nothing.wasm", self.folder, below_a_file, pipe, "/dev/null", "", "a\0b", "a\ud800b"):
            error = self.failed("component-unreadable", lambda: Identity.from_file(path, "0" * 64))
            self.assertIsNone(error.field)
            self.failed("component-unreadable", lambda: Adapter.from_file(path, "0" * 64))

    def test_what_is_no_component_of_the_contract_is_unusable(self) -> None:
        core = file.core_module(IDENTITY)
        others = [
            (b"", "it is no component"),
            (b"no component", "it is no component"),
            (core, "it is no component"),
            (IDENTITY[: len(IDENTITY) // 2], "a section ends early"),
            (IDENTITY[:9], "it ends early"),
            (file.PREAMBLE + b"\x01" + b"\xff" * 6, "a number is too long"),
            (FAKE, "it does not export `keys.derive`"),
            (wat("(component (core module))"), "it does not export `keys.derive`"),
            (wat("(component)"), "made of 0 core modules"),
            (wat("(component (core module) (core module))"), "made of 2 core modules"),
            (wat('(component (import "f" (func)) (core module))'), "it wants to import something"),
            (wat('(component (core module (import "a" "b" (func))))'), "it does not export `keys.derive`"),
            (file.PREAMBLE + b"\x01" + leb(len(core)) + core, "it does not export `keys.derive`"),
            # The right functions with other types around them: only the component's own types tell.
            (IDENTITY.replace(b"fingerprint", b"fingermarks"), "`keys.derive` is of another type"),
            (IDENTITY.replace(b"wrong-arity", b"wrong-count"), "`keys.derive` is of another type"),
        ]
        for content, why in others:
            with self.subTest(why):
                path = self.write(content)
                found = self.failed("component-unusable", lambda: Identity.from_file(path, sha256(content)))
                self.assertIn(why, str(found))

    def test_no_component_is_run_that_wants_to_import_something(self) -> None:
        for text in ('(component (import "f" (func)) (core module))', '(component (core module) (import "f" (func)))'):
            self.failed("component-unusable", lambda: file.core_module(wat(text)))

    def test_unknown_names(self) -> None:
        for name in ("nobody", "", "identity", "../identity", None):
            self.failed("component-unknown", lambda: Adapter.embedded(name))  # type: ignore[arg-type]

    def test_a_damaged_package_is_noticed(self) -> None:
        package = self.folder / "package"
        (package / "components").mkdir(parents=True)

        def opened() -> Identity:
            with mock.patch("importlib.resources.files", return_value=package):
                return Identity.embedded()

        self.failed("component-unreadable", opened)
        (package / "components" / "manifest.json").write_bytes((COMPONENTS / "manifest.json").read_bytes())
        self.failed("component-unreadable", opened)
        for name in ("identity.wasm", "manifest.json"):
            (package / "components" / name).write_bytes((COMPONENTS / name).read_bytes())
        self.assertEqual(opened().sha256, sha256(IDENTITY))
        (package / "components" / "identity.wasm").write_bytes(IDENTITY[:-1])
        self.failed("component-digest-mismatch", opened)
        (package / "components" / "identity.wasm").write_bytes(FAKE)
        self.failed("component-digest-mismatch", opened)
        for damaged in (b"", b"[]", b"{}", b"\xff"):
            (package / "components" / "manifest.json").write_bytes(damaged)
            self.failed("component-digest-mismatch", opened)


class Code(InAFolder):
    def compiled(self, cache: Path) -> int:
        """Opens the identity component with a cache, and tells how often it was compiled."""
        with mock.patch.object(engine, "core_module", wraps=file.core_module) as compiling:
            with Identity.embedded(code_cache=cache) as identity:
                self.assertEqual(identity.about().grammar_version, 1)
        return compiling.call_count

    def test_code_is_compiled_once(self) -> None:
        cache = self.folder / "made" / "here"
        self.assertEqual([self.compiled(cache) for _ in range(3)], [1, 0, 0])
        for made in (cache, cache.parent):
            self.assertEqual(made.stat().st_mode & 0o777, 0o700)
        (kept,) = cache.iterdir()
        self.assertIn(sha256(IDENTITY), kept.name)
        self.assertIn("48.", kept.name)
        self.assertEqual(kept.stat().st_mode & 0o777, 0o600)

    def test_damaged_code_is_compiled_anew(self) -> None:
        self.compiled(self.folder)
        (kept,) = self.folder.iterdir()
        whole = kept.read_bytes()
        foreign = b"code of another engine"
        altered = bytearray(whole)
        altered[-1] ^= 1
        for damaged in (b"", whole[:31], whole[:32], whole[:-1], bytes(altered), hashlib.sha256(foreign).digest() + foreign):
            kept.write_bytes(damaged)
            self.assertEqual(self.compiled(self.folder), 1)
            self.assertEqual(self.compiled(self.folder), 0)

    def test_a_folder_others_can_put_another_in_the_place_of_is_refused(self) -> None:
        above = self.folder / "above"
        cache = above / "cache"
        CodeCache(cache, "any", "any")
        for mode, ours in ((0o777, False), (0o770, False), (0o1777, True), (0o755, True)):
            above.chmod(mode)
            if ours:
                CodeCache(cache, "any", "any")
            else:
                self.failed("cache-not-private", lambda: CodeCache(cache, "any", "any"))

    def test_a_folder_others_can_write_to_is_refused(self) -> None:
        for mode in (0o770, 0o707, 0o702, 0o1777):
            self.folder.chmod(mode)
            self.failed("cache-not-private", lambda: Identity.embedded(code_cache=self.folder))
        self.folder.chmod(0o755)
        self.compiled(self.folder)

    def test_a_file_others_can_write_to_is_replaced(self) -> None:
        self.compiled(self.folder)
        (kept,) = self.folder.iterdir()
        for mode in (0o606, 0o660):
            kept.chmod(mode)
            self.assertEqual([self.compiled(self.folder) for _ in range(2)], [1, 0])
            self.assertEqual(kept.stat().st_mode & 0o777, 0o600)

    def test_what_is_there_in_place_of_a_file_is_not_waited_for(self) -> None:
        self.compiled(self.folder)
        (kept,) = self.folder.iterdir()
        kept.unlink()
        os.mkfifo(kept)
        self.assertEqual([self.compiled(self.folder) for _ in range(2)], [1, 0])

    def test_a_folder_or_file_of_somebody_else_is_not_trusted(self) -> None:
        self.compiled(self.folder)
        (kept,) = self.folder.iterdir()
        cache = CodeCache(self.folder, "any", "any")
        real_stat, real_fstat = os.stat, os.fstat

        def owned_by(user: int) -> Any:
            def told(real: Any) -> Any:
                def ask(*given: Any, **named: Any) -> os.stat_result:
                    status = real(*given, **named)
                    return os.stat_result((*status[:4], user, *status[5:]))

                return ask

            return mock.patch.multiple(os, stat=told(real_stat), fstat=told(real_fstat))

        cache.path("x").write_bytes(hashlib.sha256(b"code").digest() + b"code")
        cache.path("x").chmod(0o600)
        with mock.patch.object(os, "geteuid", return_value=1_000):
            for user, ours in ((1_000, True), (0, True), (1_001, False)):
                with owned_by(user):
                    self.assertEqual(cache.load("x"), b"code" if ours else None)
                    if ours:
                        CodeCache(self.folder, "any", "any")
                    else:
                        self.failed("cache-not-private", lambda: CodeCache(self.folder, "any", "any"))
        if os.geteuid() == 0:
            os.chown(kept, 65_534, -1)
            self.assertEqual([self.compiled(self.folder) for _ in range(2)], [1, 0])
            self.assertEqual(kept.stat().st_uid, 0)

    def test_what_cannot_be_a_folder_is_told(self) -> None:
        taken = self.write(b"")
        for path in (taken, taken / "below", self.folder / "a\0b", self.folder / "a\ud800b", "x" * 300, 5):
            self.failed("cache-unusable", lambda: Identity.embedded(code_cache=path))  # type: ignore[arg-type]

    def test_a_folder_may_be_reached_by_another_name(self) -> None:
        (self.folder / "real").mkdir(mode=0o700)
        (self.folder / "link").symlink_to(self.folder / "real")
        self.assertEqual([self.compiled(self.folder / "link"), self.compiled(self.folder / "real")], [1, 0])

    def test_code_is_only_taken_for_the_world_it_was_held_to(self) -> None:
        cache, path = self.folder / "cache", self.write(FAKE)
        for _ in range(2):
            Adapter.from_file(path, sha256(FAKE), code_cache=cache).close()
            with mock.patch.object(world, "hold", wraps=world.hold) as holding:
                self.failed("component-unusable", lambda: Identity.from_file(path, sha256(FAKE), code_cache=cache))
            self.assertEqual(holding.call_count, 1)
        (kept,) = cache.iterdir()
        self.assertIn("-adapter-", kept.name)

    def test_code_that_cannot_be_kept_is_not_missed(self) -> None:
        with mock.patch("tempfile.mkstemp", side_effect=OSError):
            self.assertEqual(self.compiled(self.folder), 1)
        self.assertEqual(list(self.folder.iterdir()), [])
        with mock.patch.object(os, "replace", side_effect=OSError):
            self.assertEqual(self.compiled(self.folder), 1)
        self.assertEqual(list(self.folder.iterdir()), [])


def leb(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


if __name__ == "__main__":
    unittest.main()
