"""Write the slices that pytest and vitest both decode.

Run ``python tests/host/slices.py`` after a deliberate change of the codecs.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.host.pixels import encode_image, encode_labels

FILE = Path(__file__).parents[1] / "fixtures" / "slices.json"


def planes() -> dict[str, NDArray[Any]]:
    """A plane of each dtype, with the extreme values in it."""
    random = np.random.default_rng(7)
    found: dict[str, NDArray[Any]] = {}
    for name in ("uint8", "int8", "uint16", "int16", "int32"):
        limits = np.iinfo(name)
        plane = random.integers(limits.min, limits.max, (5, 7), dtype=name, endpoint=True)
        plane[0, :2], plane[4, 5:] = (limits.min, limits.max), (limits.max, limits.min)
        found[name] = plane
    found["float32"] = np.linspace(-1e30, 1e30, 35, dtype=np.float32).reshape(5, 7)
    found["color"] = random.integers(0, 255, (4, 3, 3), dtype=np.uint8)
    found["one"] = np.array([[-1000]], dtype=np.int16)
    found["labels"] = (np.arange(30).reshape(5, 6) % 4 * 100).astype(np.uint16)
    return found


def main() -> None:
    """Write the file."""
    entries = {}
    for name, plane in planes().items():
        codec, data = encode_labels(plane) if name == "labels" else encode_image(plane)
        text = base64.b64encode(data).decode()
        values = plane.ravel().tolist()
        head = {"codec": codec, "dtype": plane.dtype.name, "shape": plane.shape}
        entries[name] = {**head, "bytes": text, "values": values}
    FILE.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
