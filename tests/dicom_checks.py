"""What dciodvfy says about files that were written."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

# What dciodvfy of 2022 does not know yet of label maps.
KNOWN = ("Information Object Not found", "SegmentNumber not monotonically increasing")


def complaints(path: Path) -> list[str]:
    """Errors that dciodvfy finds, where it is installed (Debian: dicom3tools)."""
    program = shutil.which("dciodvfy")
    if program is None:
        return []
    done = subprocess.run(
        [program, "-new", path], capture_output=True, text=True, errors="replace", check=False
    )
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if line.startswith("Error") and not any(known in line for known in KNOWN)]
