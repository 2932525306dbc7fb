"""Checks whether the environment has what the viewer needs."""

from __future__ import annotations

import importlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nbannot.host.messages import PROTOCOL

_STATIC = Path(__file__).parent / "static"

_NEEDED = ("numpy", "pandas", "anywidget", "ipywidgets", "pydicom", "highdicom", "nibabel", "zstandard")
_LAB = ("jupyterlab", "jupyter_server", "ipykernel")

_SYNTAXES = {
    "RLE": "1.2.840.10008.1.2.5",
    "JPEG baseline": "1.2.840.10008.1.2.4.50",
    "JPEG extended 12 bit": "1.2.840.10008.1.2.4.51",
    "JPEG lossless": "1.2.840.10008.1.2.4.70",
    "JPEG-LS lossless": "1.2.840.10008.1.2.4.80",
    "JPEG 2000 lossless": "1.2.840.10008.1.2.4.90",
    "JPEG 2000": "1.2.840.10008.1.2.4.91",
    "HTJ2K lossless": "1.2.840.10008.1.2.4.201",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report.

    Parameters
    ----------
    name
        What was looked at.
    ok
        Whether it is as it should be.
    found
        What was found.
    advice
        What to do where it is not.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What `doctor` found; shows itself as a plain table."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing needs attention."""
        return all(check.ok for check in self.checks)

    def __repr__(self) -> str:
        width = max(len(check.name) for check in self.checks)
        lines = []
        for check in self.checks:
            lines.append(f"{'ok     ' if check.ok else 'WARNING'}  {check.name:<{width}}  {check.found}")
            if check.advice and not check.ok:
                lines.append(f"{'':<{width + 11}}-> {check.advice}")
        count = sum(not check.ok for check in self.checks)
        noun = "warning" if count == 1 else "warnings"
        lines.append("All is well." if self.ok else f"{count} {noun}.")
        return "\n".join(lines)


def doctor() -> Report:
    """Return a table of what the viewer needs, what was found, and what to do about the rest.

    It reads the environment only: nothing is changed or sent.
    """
    sections = (_versions, _bundle, _zstd, _extension, _subshells, _space, _decoders)
    return Report(tuple(check for section in sections for check in section()))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _versions() -> Iterator[Check]:
    yield Check("nbannot", True, _version("nbannot") or "from source")
    yield Check("Python", sys.version_info >= (3, 11), sys.version.split()[0], "Use Python 3.11 or newer.")
    for package in _NEEDED:
        found = _version(package)
        yield Check(package, found is not None, found or "missing", f"pip install {package}")
    for package in _LAB:
        found = _version(package)
        advice = f"pip install {package}, unless JupyterLab runs in another environment."
        yield Check(package, found is not None, found or "missing", advice)


def _bundle() -> Iterator[Check]:
    path = _STATIC / "viewer.js"
    advice = 'Run "make js" in the source folder, or install the wheel again.'
    if not path.is_file() or not (_STATIC / "viewer.css").is_file():
        yield Check("browser module", False, f"missing: {path}", advice)
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    size = f"{len(text) / 1024:.0f} kB"
    if PROTOCOL not in text:
        yield Check("browser module", False, f"{size}, of another version", advice)
    else:
        yield Check("browser module", True, f"{size}, {PROTOCOL}")


def _zstd() -> Iterator[Check]:
    data = bytes(range(256)) * 16
    try:
        zstd: Any = importlib.import_module("zstandard")
        good = zstd.ZstdDecompressor().decompress(zstd.ZstdCompressor().compress(data)) == data
    except Exception as error:
        yield Check("zstd", False, type(error).__name__, "pip install --force-reinstall zstandard")
        return
    yield Check("zstd", good, "works" if good else "broken", "pip install --force-reinstall zstandard")


def _extension() -> Iterator[Check]:
    name = "fast path (server extension)"
    slow = "Voxels go through the kernel's channel instead, which is slower and waits for busy kernels."
    try:
        config: Any = importlib.import_module("jupyter_server.extension.config")
        paths: Any = importlib.import_module("jupyter_core.paths")
    except ImportError:
        advice = f"Install nbannot in the environment of the Jupyter server. {slow}"
        yield Check(name, False, "no Jupyter server in this environment", advice)
        return
    manager = config.ExtensionConfigManager(read_config_path=paths.jupyter_config_path())
    enabled = manager.enabled("nbannot.jupyter")
    advice = f"Run: jupyter server extension enable nbannot.jupyter, then restart the server. {slow}"
    yield Check(name, bool(enabled), "enabled" if enabled else "not enabled", advice)


def _subshells() -> Iterator[Check]:
    found = _version("ipykernel")
    if found is None:
        return
    major = int(found.split(".")[0])
    advice = 'Update it: pip install "ipykernel>=7". Until then strokes reach Python when the cell ends.'
    text = "strokes reach Python while a cell runs" if major >= 7 else "no subshells"
    yield Check("ipykernel subshells", major >= 7, text, advice)


def _space() -> Iterator[Check]:
    for folder in (Path("/dev/shm"), Path(tempfile.gettempdir())):
        if not folder.is_dir():
            continue
        free = shutil.disk_usage(folder).free
        advice = "The fast path needs about half the size of the images shown; free some space."
        yield Check(f"space in {folder}", free > 256 * 2**20, f"{free / 2**30:.1f} GB free", advice)


def _decoders() -> Iterator[Check]:
    try:
        pixels: Any = importlib.import_module("pydicom.pixels")
    except ImportError:
        return
    for name, uid in _SYNTAXES.items():
        try:
            decoder = pixels.get_decoder(uid)
            plugins = [str(plugin) for plugin in decoder.available_plugins]
        except Exception as error:
            yield Check(f"DICOM {name}", False, type(error).__name__, "pip install --upgrade pydicom")
            continue
        advice = 'pip install "nbannot[codecs]"'
        yield Check(f"DICOM {name}", bool(plugins), ", ".join(plugins) or "no decoder", advice)
