"""Compiled code kept in a folder, so that a process need not compile a component again.

Compiled code is run as it is found, so the folder must be nobody else's to write to: it is made with mode 0700, and one
that belongs to, or can be written by, anybody else is refused. A file is named after the component's digest, the
engine's version and the machine, starts with the digest of its own content, and is put in place as a whole. One that is
damaged or does not fit is compiled anew and replaced.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import tempfile
from pathlib import Path

from .errors import ComponentError

DIGEST_BYTES = 32


class CodeCache:
    """A folder of compiled code."""

    def __init__(self, folder: str | os.PathLike[str], engine: str) -> None:
        self.folder = Path(folder)
        self.engine = engine
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            judge(os.lstat(self.folder), stat.S_ISDIR)
        except OSError as error:
            raise ComponentError("component-unusable", f"the folder for code is unusable: {error.strerror}") from None

    def path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}-{self.engine}-{platform.system()}-{platform.machine()}.code"

    def load(self, sha256: str) -> bytes | None:
        """The code of a component; `None` where there is none that is whole."""
        try:
            with open(self.path(sha256), "rb") as file:
                judge(os.fstat(file.fileno()), stat.S_ISREG)
                content = file.read()
        except OSError:
            return None
        code = content[DIGEST_BYTES:]
        return code if code and hashlib.sha256(code).digest() == content[:DIGEST_BYTES] else None

    def store(self, sha256: str, code: bytes) -> None:
        """Keeps code. A folder that cannot be written to any more is no reason to fail: nothing is kept then."""
        try:
            descriptor, name = tempfile.mkstemp(dir=self.folder, prefix=".code-")
        except OSError:
            return
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(code).digest())
                file.write(code)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path(sha256))
        except OSError:
            Path(name).unlink(missing_ok=True)


def judge(status: os.stat_result, kind: object) -> None:
    """Refuses what others can write to, or is something else."""
    if not callable(kind) or not kind(status.st_mode):
        raise ComponentError("component-unusable", "the folder for code, or a file in it, is something else")
    if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
        raise ComponentError("component-unusable", "the folder for code, or a file in it, can be written to by others")
