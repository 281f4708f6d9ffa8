"""What can go wrong: the input was refused, or the component itself failed.

Every error has a stable `code` in kebab-case; `docs/codes.md` of the project lists them all. Messages are for people,
may change, and never show a note or a raw document.
"""

from __future__ import annotations

from collections.abc import Sequence


class ProvidentError(Exception):
    """Everything this package raises of its own."""

    code: str


class IdentityError(ProvidentError):
    """One refusal: the first rule the input breaks.

    `code` is a value of `ErrorCode`; `field` is the bare name of the member at fault, `request` for an input as a whole
    and `key` for a whole key; `message` is for people.
    """

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(code, field, message)
        self.code = code
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return f"{self.code} ({self.field}): {self.message}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdentityError) and self.args == other.args

    def __hash__(self) -> int:
        return hash(self.args)


class DecisionRefused(ProvidentError):
    """A decision breaks rules. `errors` names every one of them, in the order of the codes; it is never empty.

    `code` is that of the first.
    """

    def __init__(self, errors: Sequence[IdentityError]) -> None:
        self.errors = tuple(errors)
        super().__init__(self.errors)
        self.code = self.errors[0].code

    def __str__(self) -> str:
        return "; ".join(str(error) for error in self.errors)


class ComponentError(ProvidentError):
    """The component could not be opened, or did not answer; nothing is known about the input. The next call works,
    unless the object was closed.

    `code` is one of `component-unknown`, `component-unreadable`, `component-digest-mismatch`, `component-unusable`,
    `cache-not-private`, `cache-unusable`, `invalid-argument`, `input-too-large`, `component-trapped`,
    `component-out-of-fuel`, `component-out-of-memory` and `handle-closed`. `field` is the parameter at fault where the
    code is `invalid-argument`, else `None`.
    """

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(code, message, field)
        self.code = code
        self.message = message
        self.field = field

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.field is None else f"{self.code} ({self.field}): {self.message}"
