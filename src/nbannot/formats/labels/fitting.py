"""Whether boxes, shapes and tags lie on their images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import EditError, NbannotError
from nbannot.formats.labels.findings import Findings
from nbannot.model.annotations import Box, Tag
from nbannot.model.checks import check_box, check_shape, check_tag
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.labels import LabelSet
from nbannot.model.shapes import Shape

_BOUND = 1e9


class Fitting:
    """Says of items whether a document on some images takes them."""

    def __init__(self, images: Sequence[Image]) -> None:
        self._document = Document(images, labels=LabelSet(()), masks=())

    def refusal(self, item: Box | Shape | Tag) -> str:
        """Return why an item is refused; empty when it is not."""
        try:
            if isinstance(item, Box):
                check_box(self._document, item)
            elif isinstance(item, Tag):
                check_tag(self._document, item)
            else:
                check_shape(self._document, item)
        except NbannotError as error:
            return error.message
        return ""

    def take(self, findings: Findings, item: Box | Shape | Tag) -> str:
        """Add an item that its image takes to the findings; else return why it is refused."""
        refused = self.refusal(item)
        if not refused:
            findings.add([item])
        return refused


def bounded(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return coordinates that are finite and within all bounds of an image.

    Raises
    ------
    EditError
        When one is not.
    """
    if not (np.abs(points) < _BOUND).all():
        raise EditError("a coordinate is not finite, or out of all bounds")
    return points
