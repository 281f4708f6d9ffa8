"""Puts the components into the package: `python scripts/build.py FOLDER`, where FOLDER has the .wasm files.

Beside them stands `manifest.json`: their SHA-256 by name, which every later opening holds them to. Each is held to the
contract first, type by type. The license, which the package has to carry, is copied from the root of the project.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from provident_identity import contract, engine  # noqa: E402
from provident_identity.file import NAMES  # noqa: E402
from provident_identity.world import hold  # noqa: E402

PROJECT_LICENSE = ROOT.parents[1] / "LICENSE"
"""Not there where this is run from a source distribution, which has its own."""
COMPONENTS = ROOT / "src" / "provident_identity" / "components"


def write(path: Path, content: bytes) -> None:
    """Puts a file in place as a whole."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    os.replace(new, path)


def main(folder: Path) -> None:
    COMPONENTS.mkdir(parents=True, exist_ok=True)
    manifest = {}
    for name in NAMES:
        content = (folder / f"{name}.wasm").read_bytes()
        hold(engine.shared(), content, contract.IDENTITY if name == "identity" else contract.ADAPTER)
        write(COMPONENTS / f"{name}.wasm", content)
        manifest[name] = hashlib.sha256(content).hexdigest()
        print(f"{manifest[name]}  {name}.wasm")
    write(COMPONENTS / "manifest.json", json.dumps(manifest, indent=2).encode() + b"\n")
    if PROJECT_LICENSE.exists():
        write(ROOT / "LICENSE", PROJECT_LICENSE.read_bytes())
    elif not (ROOT / "LICENSE").exists():
        sys.exit("there is no LICENSE to be carried")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/build.py FOLDER")
    main(Path(sys.argv[1]))
