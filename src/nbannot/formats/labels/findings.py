"""What a file of annotations says about images, gathered and made a document."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from nbannot.errors import FormatError, NbannotWarning
from nbannot.model.annotations import Box, Tag
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.labels import Code, Label
from nbannot.model.masks import LabelArray, Mask
from nbannot.model.shapes import Shape


class Findings:
    """Labels, masks, boxes, shapes and tags of one file, on the images they were read for.

    Parameters
    ----------
    path
        The file, for messages.
    images
        The images that the annotations may lie on; the first is the default.
    resample
        Whether a mask on another grid may be resampled (nearest neighbour).
    masks
        Whether outlines become masks instead of polygons.
    lut
        What the values of labelmaps mean: a table by value, or the path of one.
    """

    def __init__(
        self,
        path: str,
        images: Sequence[Image],
        *,
        resample: bool = False,
        masks: bool = False,
        lut: Mapping[int, str] | str | None = None,
    ) -> None:
        self.path = path
        self.images = tuple(images)
        self.resample = resample
        self.rasterize = masks
        self.lut = lut
        self.labels: dict[str, Label] = {}
        self.masks: list[Mask] = []
        self.items: list[Box | Shape | Tag] = []
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Note what the user should know: what was changed, or could not be read. Never a patient's data."""
        self.notes.append(text)

    def label(self, name: str, *, color: str = "", code: Code | None = None, parent: str = "") -> str:
        """Return the name of a label, made when there is none that says the same.

        A name that stands for something else already (another code) gets a number.
        """
        plain = name.strip() or "unnamed"
        free, number = plain, 2
        while free in self.labels and self.labels[free].code != code:
            free, number = f"{plain} ({number})", number + 1
        if free not in self.labels:
            self.labels[free] = Label(free, color, code=code, parent=parent)
        return free

    def mask(self, name: str, image: Image, array: LabelArray, segments: Mapping[int, str]) -> Mask:
        """Add a mask of voxels (k, j, i) on the grid of an image; equal names get a number."""
        taken = {mask.name for mask in self.masks}
        free, number = name, 2
        while free in taken:
            free, number = f"{name} ({number})", number + 1
        wide = array.dtype if array.dtype in (np.uint8, np.uint16) else np.min_scalar_type(int(array.max()))
        made = Mask(free, image, array=array.astype(wide, copy=False), segments=segments)
        self.masks.append(made)
        return made

    def add(self, items: Iterable[Box | Shape | Tag]) -> None:
        """Add boxes, shapes and tags; their labels must have come from `label`."""
        self.items += items

    def image_of(
        self, *, series: str | None = None, frame_of_reference: str | None = None, instance: str | None = None
    ) -> Image | None:
        """Return the image that a reference means: by instance, else series, else frame of reference."""
        tests: tuple[tuple[str | None, Callable[[Image], bool]], ...] = (
            (instance, lambda one: any(source.sop_instance_uid == instance for source in one.sources)),
            (series, lambda one: one.series_uid == series),
            (frame_of_reference, lambda one: one.frame_of_reference == frame_of_reference),
        )
        for uid, means in tests:
            for image in self.images if uid else ():
                if means(image):
                    return image
        return None

    def document(self) -> Document:
        """Return everything as a document, and warn of each note.

        Raises
        ------
        FormatError
            When nothing was found.
        """
        if not (self.masks or self.items):
            reasons = f" ({'; '.join(self.notes[:3])})" if self.notes else ""
            raise FormatError(f"{self.path} holds no annotations that can be read{reasons}")
        document = Document(
            self.images,
            labels=self.labels.values(),
            masks=self.masks,
            boxes=[one for one in self.items if isinstance(one, Box)],
            shapes=[one for one in self.items if isinstance(one, Shape)],
            tags=[one for one in self.items if isinstance(one, Tag)],
        )
        document.notes = tuple(self.notes)
        for text in self.notes:
            warnings.warn(text, NbannotWarning, stacklevel=4)
        return document
