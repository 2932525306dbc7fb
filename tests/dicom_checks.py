"""What dciodvfy says about files that were written."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

# What dciodvfy of 2022 does not know yet of label maps.
KNOWN = ("Information Object Not found", "SegmentNumber not monotonically increasing")


def complaints(path: Path) -> list[str]:
    """Errors that dciodvfy finds."""
    program = shutil.which("dciodvfy")
    assert program, "dciodvfy is missing: make pytest installs it (Debian: apt-get install dicom3tools)"
    done = subprocess.run(
        [program, "-new", path], capture_output=True, text=True, errors="replace", check=False
    )
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if line.startswith("Error") and not any(known in line for known in KNOWN)]
