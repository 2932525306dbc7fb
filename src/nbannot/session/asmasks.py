"""Images that are segmentations, made masks of the images they lie over."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from nbannot.errors import GeometryError, NbannotWarning
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.placing import place
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.masks import Mask
from nbannot.session.config import Config
from nbannot.session.hanging import AsMask, hang

MOST = 255
"""Most segments that one image becomes."""


def add_masks(document: Document, config: Config) -> None:
    """Add what the hanging rules of a configuration make masks of a document's images.

    The labels of the configuration come first. What is no segmentation is left out with a warning.
    """
    found = hang(document.images, config.hanging, presets=config.window_presets)
    for top, base, wanted in () if found is None else found.masks:
        try:
            _add(document, top, base, wanted)
        except GeometryError as error:
            text = f"An image of {base.modality or 'the case'} becomes no mask: {error.message}"
            warnings.warn(text, NbannotWarning, stacklevel=3)


def _add(document: Document, top: Image, base: Image, wanted: AsMask) -> None:
    values = top.array
    whole = values.ndim == 3 and (values.dtype.kind in "bui" or bool(np.all(values == np.floor(values))))
    present = np.unique(values) if whole else np.array([])
    if not whole or present.min() < 0 or len(present) > MOST + 1 or present.max() > 65535:
        raise GeometryError(f"it holds no whole numbers from 0 with at most {MOST} different ones")
    kind = np.uint8 if present.max() < 256 else np.uint16
    findings = Findings("The image", (base,), resample=True)
    array = place(values.astype(kind), top.geometry, findings, base)
    names = _names([int(value) for value in present if value], top, wanted)
    for name in names.values():
        if name not in document.labels:
            document.add(name)
    title = next(iter(names.values()), top.name) if len(names) == 1 else top.name or "segments"
    taken = {mask.name for mask in document.masks}
    if title in taken:
        # A label of the configuration has an empty mask already: the segmentation takes its place.
        old = document.masks[title]
        if old.image.id == base.id and not old.array.any():
            document.remove(old)
        else:
            title = next(f"{title} {n}" for n in range(2, len(taken) + 3) if f"{title} {n}" not in taken)
    document.add(Mask(title, base, array=np.ascontiguousarray(array), segments=names))


def _names(values: list[int], top: Image, wanted: AsMask) -> dict[int, str]:
    """Return the label of each value."""
    given = wanted if isinstance(wanted, Mapping) else {}
    one = wanted if isinstance(wanted, str) else top.name or "segment"
    rest = {value: one if len(values) == 1 else f"{one} {value}" for value in values}
    return {value: given.get(value, rest[value]) for value in values}
