"""The edit that brings what another document holds into a document."""

from __future__ import annotations

from dataclasses import replace

from nbannot.errors import EditError
from nbannot.model.checks import Holder
from nbannot.model.edits import Batch, Edit, Put, painted
from nbannot.model.image import Image
from nbannot.model.labels import new_id
from nbannot.model.masks import Mask


def joining(document: Holder, other: Holder, known: set[str], first: Image) -> Batch:
    """Return one edit that adds the labels, masks, boxes, shapes and tags of another document.

    A label whose name is known is not added again: the known one counts. A mask whose name is taken
    gets a number. What has the id of an item that is there already gets a new one. The voxels are
    copied.

    Parameters
    ----------
    document
        Where to.
    other
        Where from.
    known
        Ids of the images of ``document``.
    first
        First image of ``other``: what "" means there.

    Raises
    ------
    EditError
        When something lies on an image that the document does not have.
    """
    held = (document.labels, document.masks, document.boxes, document.shapes, document.tags)
    ids = {item.id for items in held for item in items}
    edits: list[Edit] = [
        Put(replace(label, id=_free(label.id, ids)))
        for label in other.labels
        if label.name not in document.labels
    ]
    taken = {mask.name for mask in document.masks}
    for mask in other.masks:
        edits += _mask(mask, _free(mask.id, ids), _image(mask.info.image, known, first), taken)
    for item in (*other.boxes, *other.shapes, *other.tags):
        image = _image(item.image, known, first)
        edits.append(Put(replace(item, id=_free(item.id, ids), image=image)))
    return Batch(tuple(edits), f"Add {len(edits)} items", origin="import")


def _free(id: str, taken: set[str]) -> str:
    return new_id() if id in taken else id


def _image(id: str, known: set[str], first: Image) -> str:
    named = id or first.id
    if named not in known:
        raise EditError(
            "The annotations lie on an image that the document does not have",
            hint="Read them with image= one of the document's images.",
        )
    return named


def _mask(mask: Mask, id: str, image: str, taken: set[str]) -> list[Edit]:
    name, number = mask.name, 2
    while name in taken:
        name, number = f"{mask.name} ({number})", number + 1
    taken.add(name)
    return [
        Put(replace(mask.info, id=id, name=name, image=image)),
        *(replace(paint, mask=id) for paint in painted(mask)),
    ]
