"""A document as plain JSON and compressed voxels, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbannot.errors import StoreError
from nbannot.model.annotations import Box, Tag
from nbannot.model.codec import decode_item, encode_item
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import LabelArray, Mask, MaskInfo
from nbannot.model.shapes import Shape


@dataclass(frozen=True, slots=True)
class State:
    """All annotations of a document at one step.

    Parameters
    ----------
    manifest
        JSON: "labels", "masks" (each with its "shape" (k, j, i)), "boxes", "shapes" and "tags", in order.
    voxels
        By mask id, the zstd-compressed label volume in C order; absent when it is all 0.
    """

    manifest: Mapping[str, Any]
    voxels: Mapping[str, bytes]


def capture(document: Document) -> State:
    """Return the recorded state of a document.

    Changes made in an array in place that no edit records yet are left out: they have no author.
    """
    with document.lock:
        masks, voxels = [], {}
        for mask in document.masks:
            masks.append({**encode_item(mask.info), "shape": list(mask.array.shape)})
            if mask.nonzero_slices():
                voxels[mask.id] = _pack(recorded(mask))
        manifest = {
            "labels": [encode_item(label) for label in document.labels],
            "masks": masks,
            "boxes": [encode_item(box) for box in document.boxes],
            "shapes": [encode_item(shape) for shape in document.shapes],
            "tags": [encode_item(tag) for tag in document.tags],
        }
        return State(manifest, voxels)


def rebuild(
    state: State,
    images: Sequence[Image],
    *,
    document_id: str | None = None,
    author: str | None = None,
) -> Document:
    """Return a new document in a captured state, with an empty history.

    Raises
    ------
    StoreError
        When the state is damaged or does not fit the images.
    """
    by_id = {image.id: image for image in images}
    masks = [_mask(data, state.voxels, by_id) for data in state.manifest["masks"]]
    labels = [decode_item(data) for data in state.manifest["labels"]]
    boxes = [decode_item(data) for data in state.manifest["boxes"]]
    # States of before there were shapes have none.
    shapes = [decode_item(data) for data in state.manifest.get("shapes", ())]
    tags = [decode_item(data) for data in state.manifest["tags"]]
    return Document(
        images,
        labels=[item for item in labels if isinstance(item, Label)],
        masks=masks,
        boxes=[item for item in boxes if isinstance(item, Box)],
        shapes=[item for item in shapes if isinstance(item, Shape)],
        tags=[item for item in tags if isinstance(item, Tag)],
        id=document_id,
        author=author,
    )


def recorded(mask: Mask) -> LabelArray:
    """Return a mask's voxels as last recorded, (k, j, i) in C order; never to be written to."""
    changed = mask.changed_slices()
    if not changed:
        return np.ascontiguousarray(mask.array)
    array = np.array(mask.array, order="C")
    for k in changed:
        array[k] = mask.recorded(k)
    return array


def _pack(array: LabelArray) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=3).compress(array.data)


def _mask(data: Mapping[str, Any], voxels: Mapping[str, bytes], images: Mapping[str, Image]) -> Mask:
    import zstandard

    info = decode_item({key: value for key, value in data.items() if key != "shape"})
    if not isinstance(info, MaskInfo):
        raise StoreError(f"A mask of a stored state is of type {type(info).__name__}")
    image = images.get(info.image)
    if image is None or list(image.shape) != list(data["shape"]):
        raise StoreError(
            f"Mask {info.name!r} of shape {tuple(data['shape'])} has no image that it fits",
            hint="Give the images that were annotated.",
        )
    mask = Mask.from_info(info, image)
    packed = voxels.get(info.id)
    if packed is not None:
        try:
            with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
                size = reader.readinto(mask.array.data.cast("B"))
                whole = size == mask.array.nbytes and not reader.read(1)
        except zstandard.ZstdError as cause:
            raise StoreError(f"The voxels of mask {info.name!r} are damaged: {cause}") from cause
        if not whole:
            raise StoreError(f"The voxels of mask {info.name!r} are damaged: not of its shape")
        k, j, i = image.shape
        mask.absorb(((0, 0, 0), (k, j, i)))
    return mask
