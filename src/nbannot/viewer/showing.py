"""How images are shown together: changes of the view state, checked.

Each function takes a document and a view state and returns what changes in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from nbannot.errors import GeometryError, MaskError, ViewerError
from nbannot.host.colormaps import COLORMAPS, LAYER_COLORMAP
from nbannot.host.drawing import shown_colormap, shown_unit
from nbannot.host.pane import Scene
from nbannot.host.spaces import Spaces, bounds, has_planes, overlap
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Window
from nbannot.model.masks import Mask
from nbannot.model.transform import Transform
from nbannot.session.hanging import WINDOWS

View = Mapping[str, Any]
Change = dict[str, Any]
CompareMode = Literal["swipe", "flicker"]
SlabMode = Literal["mip", "minip", "mean"]
SuvUnit = Literal["bw", "lbm", "bsa"]

LINKS: Mapping[str, bool] = {"slice": True, "cursor": True, "camera": True, "window": False}
"""What panes do together when nothing else is said."""

# Thickest slab, mm.
THICKEST = 1000.0


class Layer(NamedTuple):
    """An image drawn over another."""

    image: Image
    colormap: str
    opacity: float
    lower: float | None
    visible: bool


# Images -------------------------------------------------------------------------------------------


def image_of(document: Document, image: Image | str) -> Image:
    """Return an image of the document, by itself, its id or its name.

    Raises
    ------
    ViewerError
        When the viewer does not have it.
    """
    wanted = image.id if isinstance(image, Image) else image
    for one in document.images:
        if one is image or one.id == wanted:
            return one
    named = [one for one in document.images if one.name == wanted]
    if len(named) == 1:
        return named[0]
    if named:
        raise ViewerError(f"{len(named)} images have this name", hint="Give the image itself.")
    raise ViewerError(
        "This viewer does not have the image",
        hint="Add it first: viewer.add_image(image).",
    )


def chosen_window(window: Window | tuple[float, float] | str, image: Image) -> Window:
    """Return a window of (centre, width), a name or a `Window`; a CT has the customary names too.

    Raises
    ------
    ViewerError
        When the image has no window of the name.
    """
    if isinstance(window, Window):
        return window
    if not isinstance(window, str):
        center, width = window
        return Window(float(center), float(width))
    for known in image.windows:
        if known.name.casefold() == window.casefold():
            return known
    customary = WINDOWS if image.modality == "CT" else {}
    if window.casefold() in customary:
        return Window(*customary[window.casefold()], name=window)
    names = ", ".join(repr(name) for name in (*(one.name for one in image.windows if one.name), *customary))
    raise ViewerError(
        f"The image has no window {window!r}", hint=f"It has: {names or 'none'}. Or give (centre, width)."
    )


def windowed(view: View, image: Image, window: Window | tuple[float, float] | str) -> Change:
    """Return the change that gives an image a window."""
    chosen = chosen_window(window, image)
    return {"windows": {**view.get("windows", {}), image.id: [chosen.center, chosen.width]}}


def with_colormap(view: View, image: Image, name: str) -> Change:
    """Return the change that shows an image in a colour map; its usual one is none."""
    known = _colormap(name)
    rest = {id: one for id, one in view.get("colormaps", {}).items() if id != image.id}
    return {"colormaps": rest if known == shown_colormap(image, {}) else {**rest, image.id: known}}


def _colormap(name: str) -> str:
    if name not in COLORMAPS:
        raise ViewerError(f"Unknown colour map {name!r}", hint=f"There are: {', '.join(COLORMAPS)}.")
    return name


def in_unit(view: View, image: Image, unit: SuvUnit | None) -> Change:
    """Return the change that shows a PET in SUV, or (None) in its stored unit."""
    rest = {id: one for id, one in view.get("units", {}).items() if id != image.id}
    if unit is None:
        return {"units": {**rest, image.id: "stored"} if shown_unit(image, {}) else rest}
    if unit not in get_args(SuvUnit):
        raise ViewerError(
            f"Unknown unit {unit!r}", hint=f"Choose one of: {', '.join(get_args(SuvUnit))}; or None."
        )
    suv = image.suv
    if suv is None or unit not in suv.factors:
        reason = "" if suv is None else suv.reasons.get(unit, "")
        reason = reason or "it is no PET image with what is needed"
        raise ViewerError(f"The image cannot be shown in SUV {unit!r}: {reason}")
    return {"units": {**rest, image.id: unit}}


# Spaces -------------------------------------------------------------------------------------------


def placed(document: Document, view: View, moving: Image, fixed: Image, transform: Any) -> Change:
    """Return the change that says where an image lies in the world of another.

    Parameters
    ----------
    transform
        `Transform`, a 4 × 4 matrix (moving to fixed world, LPS mm), or a SimpleITK transform
        (which maps fixed to moving points).

    Raises
    ------
    GeometryError
        When it has no inverse or is none of these.
    ViewerError
        When both images are the same.
    """
    if moving is fixed:
        raise ViewerError("An image is not registered to itself", hint="Name two images.")
    if isinstance(transform, Transform):
        found = _for(transform, moving, fixed)
    elif hasattr(transform, "TransformPoint"):
        found = Transform.from_simpleitk(transform)
    else:
        found = Transform.from_matrix(transform)
    matrix = [float(x) for x in found.matrix.ravel()]
    rest = dict(view.get("transforms", {}))
    # Two ways between the same two images would contradict each other.
    if rest.get(fixed.id, {}).get("to") == moving.id:
        del rest[fixed.id]
    return {"transforms": {**rest, moving.id: {"to": fixed.id, "matrix": matrix}}}


def _for(transform: Transform, moving: Image, fixed: Image) -> Transform:
    """Return the transform, turned round where it was made for the other direction."""
    ids = (transform.moving, transform.fixed)
    if ids == (fixed.id, moving.id):
        return transform.inverse()
    if any(ids) and ids != (moving.id, fixed.id):
        raise GeometryError(
            "The transform was made for other images",
            hint="Give its matrix if it holds for these two as well: transform.matrix.",
        )
    return transform


def transforms(view: View) -> dict[str, Transform]:
    """Return the transforms of a view state by id of the moving image."""
    return {
        id: Transform.from_matrix(np.reshape(one["matrix"], (4, 4)), moving=id, fixed=one["to"])
        for id, one in view.get("transforms", {}).items()
    }


def without_transform(view: View, image: Image) -> Change:
    """Return the change that forgets where an image lies in the world of another."""
    return {"transforms": {id: one for id, one in view.get("transforms", {}).items() if id != image.id}}


def check_over(document: Document, view: View, image: Image, base: Image) -> None:
    """Raise GeometryError unless an image can lie over another: they share a space and meet in it."""
    here, there = image.geometry, base.geometry
    if isinstance(here, Stack) and isinstance(there, Stack):
        if here.shape != there.shape:
            raise GeometryError(
                f"A picture of {here.shape} cannot lie over one of {there.shape}",
                hint="Pictures and clips lie over each other only with the same size.",
            )
        return
    if not isinstance(here, Geometry) or not isinstance(there, Geometry):
        raise GeometryError(
            "An image without a regular grid cannot lie over another one",
            hint="Show both side by side instead.",
        )
    way = Spaces(document.images, view.get("transforms", {})).between(image, base)
    hint = "Register it: viewer.register(image); or, if they do share one, viewer.register(image, transform=np.eye(4))."
    if way is not None:
        if overlap(bounds(here, way), bounds(there)) <= 0:
            raise GeometryError("The layer does not overlap the image below it", hint=hint)
        return
    if here.frame_of_reference and there.frame_of_reference:
        raise GeometryError("The two images have different frames of reference", hint=hint)
    if overlap(bounds(here), bounds(there)) <= 0:
        raise GeometryError("The layer does not overlap the image below it", hint=hint)
    raise GeometryError(
        "Nothing says that the two images share a space: less than half of one lies in the other", hint=hint
    )


# Layers -------------------------------------------------------------------------------------------


def layers(document: Document, view: View, base: Image) -> list[Layer]:
    """Return the layers over an image, the lowest first."""
    known = {image.id: image for image in document.images}
    return [
        Layer(known[one["image"]], one["colormap"], one["opacity"], one["lower"], one["visible"])
        for one in view.get("layers", {}).get(base.id, ())
        if one["image"] in known
    ]


def overlaid(
    document: Document,
    view: View,
    image: Image,
    base: Image,
    *,
    colormap: str | None,
    opacity: float | None,
    lower: float | None,
    visible: bool | None,
    at: int | None,
) -> Change:
    """Return the change that draws an image over another, or changes how; None keeps what was."""
    if image is base:
        raise ViewerError("An image does not lie over itself", hint="Name another image, or set over=.")
    if opacity is not None and not 0 <= opacity <= 1:
        raise ViewerError(f"An opacity is 0 to 1, got {opacity}")
    if lower is not None and np.isnan(lower):
        raise ViewerError(
            "The lower limit of a layer must be a number, got nan", hint="-inf draws all values."
        )
    check_over(document, view, image, base)
    entries = [dict(one) for one in view.get("layers", {}).get(base.id, ())]
    place = next((n for n, one in enumerate(entries) if one["image"] == image.id), len(entries))
    entry = entries.pop(place) if place < len(entries) else {
        "image": image.id, "colormap": LAYER_COLORMAP, "opacity": 0.5, "visible": True, "lower": None,
    }  # fmt: skip
    if colormap is not None:
        entry["colormap"] = _colormap(colormap)
    if opacity is not None:
        entry["opacity"] = float(opacity)
    if visible is not None:
        entry["visible"] = bool(visible)
    if lower is not None:
        entry["lower"] = float(lower) if np.isfinite(lower) else None
    entries.insert(place if at is None else at, entry)
    return {"layers": {**view.get("layers", {}), base.id: entries}}


def without_layer(view: View, image: Image, base: Image) -> Change:
    """Return the change that takes a layer away."""
    entries = view.get("layers", {}).get(base.id, ())
    left = [one for one in entries if one["image"] != image.id]
    if len(left) == len(entries):
        raise ViewerError("The image is no layer there", hint="viewer.layers lists them.")
    rest = {id: one for id, one in view.get("layers", {}).items() if id != base.id}
    return {"layers": {**rest, base.id: left} if left else rest}


# Comparison ---------------------------------------------------------------------------------------


def linked(view: View, **links: bool | None) -> Change:
    """Return the change that links or unlinks panes; None keeps what was."""
    given = {name: bool(value) for name, value in links.items() if value is not None}
    return {"links": {**LINKS, **view.get("links", {}), **given}}


def compared(
    document: Document, view: View, image: Image, base: Image, mode: CompareMode, at: float
) -> Change:
    """Return the change that shows an image in turn with the one below it."""
    if mode not in get_args(CompareMode):
        raise ViewerError(f"Unknown comparison {mode!r}", hint="Choose one of: swipe, flicker.")
    if not 0 <= at <= 1:
        raise ViewerError(f"at= is a part of the width, 0 to 1, got {at}")
    if image is base:
        raise ViewerError("An image is not compared with itself", hint="Name another image.")
    check_over(document, view, image, base)
    return {"compare": {"image": image.id, "mode": mode, "at": float(at)}}


def masks_compared(document: Document, a: Mask | str, b: Mask | str) -> Change:
    """Return the change that paints the difference of two masks of one image."""
    one, two = (mask if isinstance(mask, Mask) else document.masks[mask] for mask in (a, b))
    for mask in (one, two):
        if mask.id not in {known.id for known in document.masks}:
            raise MaskError(
                f"The document has no such mask {mask.name!r}", hint="Add it: document.add(mask)."
            )
    if one.id == two.id:
        raise MaskError(f"Mask {one.name!r} does not differ from itself", hint="Name two masks.")
    if one.image is not two.image:
        raise MaskError(
            "The masks belong to different images", hint="Only masks on one grid can be compared."
        )
    return {"difference": [one.id, two.id]}


# Planes -------------------------------------------------------------------------------------------


def panes_named(document: Document, view: View, pane: str | None) -> list[str]:
    """Return a pane's id after a check, or those of all panes that show slices."""
    known = Scene(document, view).arrangement.panes
    if pane is None:
        return [one.id for one in known if one.plane != "volume"]
    ids = [one.id for one in known]
    if pane not in ids:
        raise ViewerError(f"The layout has no pane {pane!r}", hint=f"It has: {', '.join(ids)}.")
    return [pane]


def slabbed(document: Document, view: View, mode: SlabMode | None, mm: float, pane: str | None) -> Change:
    """Return the change that shows thick slices, or (mode None) thin ones again."""
    ids = panes_named(document, view, pane)
    rest = {id: one for id, one in view.get("slabs", {}).items() if id not in ids}
    if mode is None:
        return {"slabs": rest}
    if mode not in get_args(SlabMode):
        raise ViewerError(f"Unknown slab {mode!r}", hint="Choose one of: mip, minip, mean; or None.")
    if not 0 < mm <= THICKEST:
        raise ViewerError(f"A slab is above 0 and up to {THICKEST:g} mm thick, got {mm}")
    return {"slabs": {**rest, **{id: {"mode": mode, "mm": float(mm)} for id in ids}}}


def rotated(
    document: Document, view: View, rotation: ArrayLike | tuple[Sequence[float], float] | None
) -> Change:
    """Return the change that turns the planes by a quaternion or (axis, degrees) from the patient's axes."""
    if rotation is None:
        return {"rotation": None}
    if not has_planes(Scene(document, view).main.geometry):
        raise ViewerError(
            "Only planes of a volume can be turned", hint="Use turn(pane, quarter) for pictures."
        )
    quaternion = _quaternion(rotation)
    size = 0.0 if quaternion is None else float(np.linalg.norm(quaternion))
    if quaternion is None or not np.isfinite(size) or size < 1e-9:
        raise ViewerError(
            "A rotation is a quaternion (x, y, z, w) or (axis, degrees)",
            hint="For example rotate(((0, 0, 1), 30)): about the patient's long axis. None ends it.",
        )
    return {"rotation": [float(x) for x in quaternion / size]}


def _quaternion(rotation: Any) -> Any:
    try:
        if len(rotation) == 2:
            axis = np.asarray(rotation[0], dtype=float)
            half = np.radians(float(rotation[1])) / 2
            if axis.shape != (3,) or not np.linalg.norm(axis) > 0:
                return None
            return np.append(axis / np.linalg.norm(axis) * np.sin(half), np.cos(half))
        four = np.asarray(rotation, dtype=float)
    except (TypeError, ValueError):
        return None
    return four if four.shape == (4,) else None


def turned(document: Document, view: View, pane: str, quarter: int, flip: bool) -> Change:
    """Return the change that turns the picture of a pane on the screen."""
    panes_named(document, view, pane)
    if int(quarter) != quarter:
        raise ViewerError(f"A picture turns by whole quarters, got {quarter}")
    entry = {"quarter": int(quarter) % 4, "flip": bool(flip)}
    return {"turns": {**view.get("turns", {}), pane: entry}}
