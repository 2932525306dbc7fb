"""Small pictures of cases: pixels of the middle slice, nothing else."""

from __future__ import annotations

import io
from collections.abc import Sequence

from nbannot.host.pane import Scene
from nbannot.model.document import Document
from nbannot.model.image import Image

SIDE = 96


def thumbnail(images: Sequence[Image], *, side: int = SIDE) -> bytes:
    """Return the middle slice of the first image as PNG of ``side`` × ``side`` px.

    Empty where the file says that its pixels show who the patient is.
    """
    from PIL import Image as Pillow

    if not images or images[0].burned_in:
        return b""
    scene = Scene(Document(images[:1]), {"layout": "acquisition"})
    pane = scene.pane(scene.arrangement.panes[0].id, side, side)
    out = io.BytesIO()
    Pillow.fromarray(pane.paint(1.0, labels=False)).save(out, format="PNG")
    return out.getvalue()
