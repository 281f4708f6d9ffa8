"""Compiled code kept in a folder, so that a process need not compile a component again.

Compiled code is run as it is found, so only a folder is used that nobody but this user or root owns or can write to, or
could put another in the place of; it is made, and what leads to it, with mode 0700. A file is named after the component's digest, the world it was held to, the
engine's version and the machine, starts with the digest of its own content, and is put in place as a whole. One that is
damaged, does not fit or is not this user's or root's alone is compiled anew and replaced.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import tempfile
from pathlib import Path

from .errors import ComponentError
from .file import opened

DIGEST_BYTES = 32


class CodeCache:
    """A folder of compiled code, for components held to one world."""

    def __init__(self, folder: str | os.PathLike[str], world: str, engine: str) -> None:
        self.name = f"{world}-{engine}-{platform.system()}-{platform.machine()}.code"
        try:
            make(Path(folder))
            self.folder = Path(folder).resolve(strict=True)
            status = os.stat(self.folder)
            above = [os.stat(parent) for parent in self.folder.parents]
        except OSError as error:
            raise ComponentError("cache-unusable", f"the folder for code is unusable: {error.strerror}") from None
        except (ValueError, TypeError):
            raise ComponentError("cache-unusable", "the folder for code has no usable path") from None
        if not stat.S_ISDIR(status.st_mode):
            raise ComponentError("cache-unusable", "the folder for code is something else")
        if not is_private(status):
            raise ComponentError("cache-not-private", "others own the folder for code, or can write to it")
        if not all(keeps_names(parent) for parent in above):
            raise ComponentError("cache-not-private", "others can put another folder in the place of that for code")

    def path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}-{self.name}"

    def load(self, sha256: str) -> bytes | None:
        """The code of a component; `None` where there is none that is whole and private."""
        try:
            with opened(self.path(sha256)) as file:
                # Asked of the file that is open: its name may stand for another one by now.
                if not is_private(os.fstat(file.fileno())):
                    return None
                content = file.read()
        except OSError:
            return None
        code = content[DIGEST_BYTES:]
        return code if code and hashlib.sha256(code).digest() == content[:DIGEST_BYTES] else None

    def store(self, sha256: str, code: bytes) -> None:
        """Keeps code. A folder that cannot be written to is no reason to fail: nothing is kept then."""
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


def make(folder: Path) -> None:
    """Makes a folder and what leads to it, for this user alone. What is there already stays as it is."""
    if not folder.is_dir():
        if folder.parent != folder:
            make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def is_private(status: os.stat_result) -> bool:
    """Whether nobody but this user or root owns it, or may write to it. Elsewhere than on Unix the caller vouches for it."""
    return os.name != "posix" or (status.st_uid in (0, os.geteuid()) and status.st_mode & 0o022 == 0)


def keeps_names(status: os.stat_result) -> bool:
    """Whether what is in a folder cannot be replaced by others: they may not write to it, or only to what is their own."""
    if os.name != "posix" or is_private(status):
        return True
    return status.st_uid in (0, os.geteuid()) and status.st_mode & stat.S_ISVTX != 0
