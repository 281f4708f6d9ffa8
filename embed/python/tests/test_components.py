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

from provident_identity import Adapter, ComponentError, Identity, engine, file
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
        for wrong in ("", "sha256:" + sha256(IDENTITY), sha256(IDENTITY).upper()):
            self.failed("component-digest-mismatch", lambda: Identity.from_file(self.write(IDENTITY), wrong))

    def test_a_file_that_is_not_there_is_an_os_error(self) -> None:
        with self.assertRaises(FileNotFoundError):
            Identity.from_file(self.folder / "nothing.wasm", "0" * 64)

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

        self.failed("component-unknown", opened)
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
        self.assertEqual(cache.stat().st_mode & 0o777, 0o700)
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

    def test_a_folder_others_can_write_to_is_refused(self) -> None:
        for mode in (0o770, 0o707, 0o1777):
            self.folder.chmod(mode)
            self.failed("component-unusable", lambda: Identity.embedded(code_cache=self.folder))
        self.folder.chmod(0o755)
        self.compiled(self.folder)
        (kept,) = self.folder.iterdir()
        kept.chmod(0o666)
        self.failed("component-unusable", lambda: Identity.embedded(code_cache=self.folder))

    def test_a_folder_of_somebody_else_is_refused(self) -> None:
        with mock.patch.object(os, "geteuid", return_value=os.geteuid() + 1):
            self.failed("component-unusable", lambda: CodeCache(self.folder, "any"))

    def test_what_is_no_folder_is_refused(self) -> None:
        self.failed("component-unusable", lambda: CodeCache(self.write(b""), "any"))
        link = self.folder / "link"
        link.symlink_to(self.folder)
        self.failed("component-unusable", lambda: CodeCache(link, "any"))

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
