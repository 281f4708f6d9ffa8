"""Provider adapters: raw objects to descriptors."""

from __future__ import annotations

import os

from . import contract, file
from .abi import Refused
from .errors import ComponentError, IdentityError
from .model import Adapted, AdapterDescription, Refusal
from .opened import Opened
from .runner import Runner, check_input

MEMORY_BYTES = 64 << 20
"""The memory cap of an adapter instance."""
DOCUMENT_BYTES = 8 << 20
"""What one document may have."""


class Adapter(Opened):
    """A provider adapter, ready to be called from any thread.

    Every call may raise `ComponentError`; the next one works.
    """

    @classmethod
    def embedded(cls, name: str, *, code_cache: str | os.PathLike[str] | None = None) -> Adapter:
        """Opens an adapter this package carries, by the provider it speaks for. For `code_cache`, see `Identity.embedded`.

        Raises `ComponentError`: `component-unknown`, and those of `Identity.embedded`.
        """
        if name == "identity":
            raise ComponentError("component-unknown", "the identity component is no adapter")
        return cls(Runner(file.embedded(name), contract.ADAPTER, MEMORY_BYTES, code_cache))

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        sha256: str,
        *,
        code_cache: str | os.PathLike[str] | None = None,
    ) -> Adapter:
        """Opens an adapter file, which must be the one that was pinned (lower-case hex SHA-256).

        Raises `ComponentError`: `component-digest-mismatch`; `component-unusable` where it is no adapter, imports
        anything, or is made of several core modules; and the others of `Identity.from_file`.
        """
        return cls(Runner(file.foreign(path, sha256), contract.ADAPTER, MEMORY_BYTES, code_cache))

    def describe(self, document: str | bytes) -> list[Adapted | Refusal]:
        """Turns one raw document, of one object or many, into descriptors: an answer for every object, in order.

        Raises `ComponentError` (`input-too-large` over 8 MiB), and `IdentityError` where the document is neither text
        nor bytes (`malformed-request`) or not UTF-8 (`invalid-utf8`).
        """
        self.check_open()
        if isinstance(document, (str, bytes)):
            # Every character is a byte at least: what is far too long is not even encoded.
            check_input(len(document), DOCUMENT_BYTES)
        if isinstance(document, bytes):
            try:
                document = document.decode()
            except UnicodeDecodeError:
                raise IdentityError("invalid-utf8", "document", "the document is not UTF-8") from None
        frame = contract.ADAPT.lay_out(document)
        check_input(frame.text_bytes, DOCUMENT_BYTES)
        answers = self._runner.call(contract.ADAPT, frame)
        return [answer.error if isinstance(answer, Refused) else answer for answer in answers]

    def about(self) -> AdapterDescription:
        """Which provider it speaks for, and which types it knows."""
        about: AdapterDescription = self._runner.call(contract.ABOUT_ADAPTER, contract.ABOUT_ADAPTER.lay_out())
        return about
