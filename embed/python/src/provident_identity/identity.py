"""The identity component: keys, descriptors, decisions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast, overload

from . import contract, file, flat
from .abi import Function, Refused, encoded
from .errors import ComponentError, DecisionRefused, IdentityError
from .model import (
    About,
    ActorKind,
    Decision,
    DecisionAction,
    DerivedKey,
    Described,
    GovernedSubject,
    ParsedKey,
    ProviderResourceDescriptor,
    ResolutionMode,
)
from .opened import Opened
from .runner import Runner, check_input

MEMORY_BYTES = 16 << 20
"""The memory cap of an identity instance."""
INPUT_BYTES = 1 << 20
"""What the texts of one typed call, or one batch, may have together."""
LINES_PER_CALL = 4_096
"""How many request lines are answered at once: replies can be many times as long as requests."""
SUBJECTS_PER_CALL = 1_000
"""How many subjects cross at once; longer lists take several calls."""
LINE_BYTES = 65_536
MODES = frozenset(mode.value for mode in ResolutionMode)
BYTE_ORDER_MARK = "\ufeff"


class Identity(Opened):
    """The identity component, ready to be called from any thread.

    Every call may raise `ComponentError`; the next one works, unless this was closed. A value of another type than the
    contract has is an `IdentityError` with code `malformed-request`, a lone surrogate one with `invalid-utf8`, an unknown
    class one with `invalid-class`, and texts over 1 MiB together one with `request-too-large`, before they cross.
    """

    @classmethod
    def embedded(cls, *, code_cache: str | os.PathLike[str] | None = None) -> Identity:
        """Opens the component this package carries.

        It is compiled, which takes a few hundred milliseconds, unless `code_cache` names a folder where compiled code is
        kept. Nobody but this user or root may own the folder or write to it; it is made with mode 0700.

        Raises `ComponentError`: `component-unreadable` or `component-digest-mismatch` where the package is damaged,
        `component-unusable`, `cache-not-private`, `cache-unusable`.
        """
        return cls(Runner(file.embedded("identity"), contract.IDENTITY, MEMORY_BYTES, code_cache))

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        sha256: str,
        *,
        code_cache: str | os.PathLike[str] | None = None,
    ) -> Identity:
        """Opens a component file, which must be the one that was pinned (lower-case hex SHA-256).

        Raises `ComponentError`: `component-digest-mismatch`; `component-unusable` where it is no component of this
        contract; `component-unreadable` where the file cannot be read; `invalid-argument` where `path` is no path or
        `sha256` no digest; those of the cache, as `embedded`.
        """
        return cls(Runner(file.foreign(path, sha256), contract.IDENTITY, MEMORY_BYTES, code_cache))

    def derive(self, subject: GovernedSubject) -> DerivedKey:
        """Derives the key of one subject. Raises `IdentityError`: the first rule the subject breaks."""
        derived: DerivedKey = self._call(contract.DERIVE, subject)
        return derived

    def derive_many(self, subjects: Iterable[GovernedSubject]) -> list[str | IdentityError]:
        """Derives many keys: for every subject, in order, its key or the first rule it breaks. Nothing is raised for one.

        This is the bulk form; it gives no digests.
        """
        self.check_open()
        given = subjects if isinstance(subjects, (list, tuple)) else list(subjects)
        found: list[str | IdentityError] = []
        for start in range(0, len(given), SUBJECTS_PER_CALL):
            found += self._derive_chunk(given[start : start + SUBJECTS_PER_CALL])
        return found

    def parse(self, key: str) -> ParsedKey:
        """Takes a key apart. Accepts exactly what deriving can produce; raises `IdentityError` for anything else."""
        parsed: ParsedKey = self._call(contract.PARSE, key)
        return parsed

    def digest(self, key: str) -> str:
        """The digest of a key, which is parsed first: `sha256:` and lower-case hex. Raises `IdentityError`."""
        digest: str = self._call(contract.DIGEST, key)
        return digest

    def describe(self, descriptor: ProviderResourceDescriptor) -> Described:
        """Validates a descriptor and renders it. Raises `IdentityError`: the first rule it breaks."""
        described: Described = self._call(contract.DESCRIBE, descriptor)
        return described

    def decide(self, decision: Decision) -> None:
        """Judges a decision.

        Raises `DecisionRefused` with every rule it breaks, in the order of the codes. Text that is no mode is
        `mode-not-allowed`, a lone surrogate `invalid-utf8`. What is no decision at all is an `IdentityError`.
        """
        self.check_open()
        judged = without_unknown_mode(decision)
        try:
            self._call(contract.CHECK, judged)
        except IdentityError as error:
            if error.code != "invalid-utf8":
                raise
            raise DecisionRefused([error]) from None
        except DecisionRefused as refused:
            if judged is decision or not needs_words(judged):
                raise
            errors = [unknown_mode() if error.field == "mode" else error for error in refused.errors]
            raise DecisionRefused(errors) from None

    def rewrite_note(self, note: str) -> str | None:
        """A note as it is judged and stored; `None` when nothing is left of it."""
        rewritten: str | None = self._call(contract.REWRITE_NOTE, note)
        return rewritten

    def about(self) -> About:
        """Versions and limits."""
        about: About = self._call(contract.ABOUT_IDENTITY)
        return about

    @overload
    def batch(self, ndjson: str) -> str: ...

    @overload
    def batch(self, ndjson: bytes) -> bytes: ...

    def batch(self, ndjson: str | bytes) -> str | bytes:
        """Answers request lines, at most 1 MiB of them, with reply lines in order; `Lines` answers longer streams.

        Text gives text, bytes give bytes. A refused request is a reply like any other. Raises `IdentityError`
        (`invalid-utf8`) if the whole is not UTF-8, and `ComponentError` (`input-too-large`) over 1 MiB.
        """
        self.check_open()
        if isinstance(ndjson, str):
            return self._batch(ndjson)
        if not isinstance(ndjson, bytes):
            raise IdentityError("malformed-request", "request", "the batch is neither text nor bytes")
        check_input(len(ndjson), INPUT_BYTES)
        try:
            text = ndjson.decode()
        except UnicodeDecodeError:
            raise IdentityError("invalid-utf8", "request", "the batch is not UTF-8") from None
        return self._batch(text).encode()

    def _call(self, function: Function, *arguments: Any) -> Any:
        self.check_open()
        # Every character is a byte at least: what is far too long is not even encoded.
        if any(isinstance(argument, str) and len(argument) > INPUT_BYTES for argument in arguments):
            raise too_large()
        frame = function.lay_out(*arguments)
        if frame.text_bytes > INPUT_BYTES:
            raise too_large()
        answer = self._runner.call(function, frame)
        if not isinstance(answer, Refused):
            return answer
        if isinstance(answer.error, list):
            raise DecisionRefused(answer.error)
        error: IdentityError = answer.error
        raise error

    def _batch(self, text: str) -> str:
        try:
            check_input(len(text) if text.isascii() else len(text.encode()), INPUT_BYTES)
        except UnicodeEncodeError:
            raise IdentityError("invalid-utf8", "request", "the batch has a lone surrogate") from None
        lines = text.split("\n")
        if len(lines) <= LINES_PER_CALL:
            return self._run(text) if text else ""
        replies: list[str] = []
        for start in range(0, len(lines), LINES_PER_CALL):
            some = "\n".join(lines[start : start + LINES_PER_CALL])
            if start and some.startswith(BYTE_ORDER_MARK):
                # Only a batch may start with a mark, and this is the middle of one.
                some = "\n" + some
            replies.append(self._run(some))
        return "".join(replies)

    def _run(self, text: str) -> str:
        replies: str = self._call(contract.RUN, text)
        return replies

    def _derive_chunk(self, subjects: Sequence[GovernedSubject]) -> list[str | IdentityError]:
        try:
            records = flat.pack(subjects)
        except flat.PACKING_FAILED:
            records = None
        if records is None or len(records) > INPUT_BYTES:
            # One of them cannot be packed, or they are long together: halves, until it is found or they fit.
            if len(subjects) == 1:
                return [self._derive_one(subjects[0])]
            half = len(subjects) // 2
            return self._derive_chunk(subjects[:half]) + self._derive_chunk(subjects[half:])
        try:
            keys, refusals = flat.unpack(self._call(contract.DERIVE_FLAT, records), len(subjects))
        except IndexError:
            raise other_answers() from None
        answers = cast("list[str | IdentityError]", keys)
        if refusals:
            self._explain(subjects, answers, refusals)
        return answers

    def _derive_one(self, subject: GovernedSubject) -> str | IdentityError:
        try:
            return self.derive(subject).key
        except IdentityError as error:
            return error.with_traceback(None)

    def _explain(
        self, subjects: Sequence[GovernedSubject], answers: list[str | IdentityError], refusals: dict[int, flat.Refusal]
    ) -> None:
        """Puts refusals among the answers. The flat form has no messages, so the component is asked for those alone."""
        lines = [json.dumps(request(subjects[place])) for place in refusals]
        if sum(map(len, lines)) + len(lines) > INPUT_BYTES or max(map(len, lines)) > LINE_BYTES:
            for place in refusals:
                answers[place] = self._derive_one(subjects[place])
            return
        replies = self._run("\n".join(lines)).rstrip("\n").split("\n")
        try:
            for (place, (code, field)), reply in zip(refusals.items(), replies, strict=True):
                answers[place] = IdentityError(code, field, json.loads(reply)["error"]["message"])
        except (ValueError, LookupError, TypeError):
            raise other_answers() from None


def too_large() -> IdentityError:
    return IdentityError("request-too-large", "request", f"the texts of one call are over {INPUT_BYTES} bytes")


def other_answers() -> ComponentError:
    return ComponentError("component-unusable", "the component gave other answers than were asked for")


def without_unknown_mode(decision: Decision) -> Decision:
    """The decision itself, or where its mode is text that is none, one that breaks the same rules.

    There is no case for such a text in the contract. To every other rule it is an absent mode; on revoke, where absent is
    right, it is a mode like any other.
    """
    mode = decision.mode if isinstance(decision, Decision) else None
    if not isinstance(mode, str) or mode in MODES:
        return decision
    if len(mode) > INPUT_BYTES:
        raise too_large()
    try:
        encoded(mode, "mode")
    except IdentityError as error:
        raise DecisionRefused([error]) from None
    revoke = decision.action == DecisionAction.REVOKE
    return replace(decision, mode=ResolutionMode.MANUAL_BINDING if revoke else None)


def needs_words(judged: Decision) -> bool:
    """Whether what is said of the absent mode is that it is absent: the system may only create, whatever the mode."""
    return judged.mode is None and (judged.action == DecisionAction.CREATE or judged.actor == ActorKind.OPERATOR)


def unknown_mode() -> IdentityError:
    return IdentityError("mode-not-allowed", "mode", "no such mode")


def request(subject: GovernedSubject) -> dict[str, Any]:
    """The request line for the key of a subject."""
    values = contract.RESOURCE_IDENTITY.values(subject.identity)
    # A flag may have been given as 0 or 1.
    members = [value if value is None or isinstance(value, str) else bool(value) for value in values]
    return {
        "op": "derive",
        "input": {
            "identity": dict(zip(contract.RESOURCE_IDENTITY.names, members)),
            "subject_class": subject.subject_class,
            "subject_type_key": subject.subject_type_key,
        },
    }
