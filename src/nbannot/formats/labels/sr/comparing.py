"""Sizes in a report beside those of the shapes that were read from it."""

from __future__ import annotations

from collections.abc import Sequence

from nbannot.formats.labels.sr.concepts import TO_MM
from nbannot.formats.labels.sr.groups import Group
from nbannot.model.image import Image
from nbannot.model.measures import Reader, measure_item
from nbannot.model.shapes import Shape

# What may lie between two programs: a hundredth, or rounding to a hundredth of the unit.
RELATIVE, ABSOLUTE = 0.01, 0.01


def differences(shape: Shape, group: Group, images: Sequence[Image]) -> list[str]:
    """Return in words which sizes of the file are not those of its own points."""
    sized = [one for one in group.measured if one.field]
    image = next((one for one in images if one.id == shape.image), None)
    if not sized or image is None:
        return []
    ours = measure_item(shape, Reader(image), values=False)
    texts = []
    for one in sized:
        found = getattr(ours, one.field)
        power, factor = TO_MM.get(one.unit, (-1, 1.0))
        if found is None or power < 0 or (ours.unit != "mm" and power > 0):
            continue
        given = one.value * factor
        # Which side of a rectangle is its width depends on where a program begins.
        sides = (ours.width, ours.height) if one.field in ("width", "height") else (found,)
        near = min((side for side in sides if side is not None), key=lambda side: abs(given - side))
        if abs(given - near) > max(RELATIVE * abs(near), ABSOLUTE * factor):
            texts.append(
                f"{shape.label}, {shape.kind}: {one.name} is {one.value:g} in the file, "
                f"but {near / factor:g} by its points"
            )
    return texts
