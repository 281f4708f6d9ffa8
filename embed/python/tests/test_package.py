"""What is published carries what it must: the license, the components, and nothing that leads out of the package."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path

from provident_identity.file import NAMES

ROOT = Path(__file__).resolve().parents[1]
LICENSE = (ROOT.parents[1] / "LICENSE").read_bytes()
CARRIED = (*(f"{name}.wasm" for name in NAMES), "manifest.json")
COMPONENTS = {f"provident_identity/components/{name}" for name in CARRIED}


class Package(unittest.TestCase):
    @unittest.skipUnless(importlib.util.find_spec("hatchling"), "packing needs hatchling, of requirements.txt")
    def test_wheel_and_sdist_carry_license_and_components(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            packing = [sys.executable, "-m", "hatchling", "build", "-d", folder]
            subprocess.run(packing, cwd=ROOT, check=True, capture_output=True)
            (wheel,) = Path(folder).glob("*.whl")
            (sdist,) = Path(folder).glob("*.tar.gz")
            with zipfile.ZipFile(wheel) as packed:
                names = packed.namelist()
                (license_name,) = (name for name in names if name.endswith(".dist-info/licenses/LICENSE"))
                self.assertEqual(packed.read(license_name), LICENSE)
                (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
                self.assertIn(b"License-File: LICENSE\n", packed.read(metadata))
                self.assertLessEqual(COMPONENTS, set(names))
            with tarfile.open(sdist) as unpacked:
                top = sdist.name.removesuffix(".tar.gz")
                found = unpacked.extractfile(f"{top}/LICENSE")
                assert found is not None
                self.assertEqual(found.read(), LICENSE)
                self.assertLessEqual({f"{top}/src/{name}" for name in COMPONENTS}, set(unpacked.getnames()))

    def test_links_of_the_readme_do_not_lead_out_of_the_package(self) -> None:
        targets = re.findall(r"\]\(([^)]*)\)", (ROOT / "README.md").read_text("utf-8"))
        self.assertEqual([target for target in targets if not re.match(r"https://|#", target)], [])


if __name__ == "__main__":
    unittest.main()
