"""Masks of objects that may overlap, put into as few labelmaps as they need."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.formats.labels.findings import Findings
from nbannot.model.image import Image


class Layers:
    """Collects masks of labels on slices; what lies over another label goes into the next labelmap."""

    def __init__(self, findings: Findings, name: str) -> None:
        self._findings, self._name = findings, name
        self._arrays: dict[str, list[NDArray[Any]]] = {}
        self._images: dict[str, Image] = {}
        self._values: dict[str, int] = {}
        self._merged = 0

    def add(self, image: Image, k: int, mask: NDArray[np.bool_], label: str) -> None:
        """Put a mask (rows, columns) of a label on a slice."""
        value = self._values.setdefault(label, len(self._values) + 1)
        layers = self._arrays.setdefault(image.id, [])
        self._images[image.id] = image
        for array in layers:
            held = array[k][mask]
            if not ((held != 0) & (held != value)).any():
                break
        else:
            array = np.zeros(image.shape, np.uint16)
            layers.append(array)
        self._merged += bool((array[k] == value).any())
        array[k][mask] = value

    def finish(self) -> None:
        """Hand the labelmaps over."""
        for id, layers in self._arrays.items():
            for array in layers:
                used = set(np.unique(array).tolist()) - {0}
                segments = {value: label for label, value in self._values.items() if value in used}
                small = array.astype(np.uint8) if len(self._values) < 256 else array
                self._findings.mask(self._name, self._images[id], small, segments)
        if self._merged:
            self._findings.note(
                f"{self._merged} masks share a segment with others of their label on their slice"
            )
