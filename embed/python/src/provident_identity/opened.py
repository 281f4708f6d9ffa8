"""What is open of any component: its digest, and its end."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

from .runner import Runner

Self = TypeVar("Self", bound="Opened")


class Opened:
    """A component that was opened, and is closed by `close` or at the end of a `with`."""

    def __init__(self, runner: Runner) -> None:
        """Use `embedded` or `from_file`."""
        self._runner = runner

    @property
    def sha256(self) -> str:
        """Lower-case hex SHA-256 of the component."""
        return self._runner.sha256

    def check_open(self) -> None:
        """Raises `ComponentError` (`handle-closed`) once it was closed."""
        self._runner.check_open()

    def close(self) -> None:
        """Lets go of the component. Every later call is `handle-closed`. Closing twice is nothing."""
        self._runner.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.sha256}>"
