"""Builds sessions by program: images, layers, layout, labels, and what a model found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from nbannot.errors import EditError, FormatError, LayoutError, MaskError, UnknownItemError
from nbannot.formats import read, write
from nbannot.model.annotations import Box, Tag
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.joining import joining
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.model.shapes import Shape
from nbannot.session.images import as_path, open_paths
from nbannot.session.layouts import read_layout
from nbannot.session.session import Session

Given = str | Path | Image


class SessionBuilder:
    """A session in the making; each call checks what it is given and returns the builder.

    Parameters
    ----------
    images
        Paths or images; the first is the main one.
    labels
        Labels or their names.
    origin
        Where the annotations come from: "python", or "model:NAME VERSION"; the history names it.
    author
        Who builds; the login name when missing.

    Attributes
    ----------
    document
        What was added so far.
    view
        How the images will be shown.

    Raises
    ------
    FormatError
        When a file is not an image.
    EditError
        When a label is given twice, or the origin is not understood.
    """

    def __init__(
        self,
        images: Given | Sequence[Given],
        *,
        labels: Iterable[Label | str] = (),
        origin: str = "python",
        author: str | None = None,
    ) -> None:
        if origin != "python" and not (origin.startswith("model:") and origin[6:].strip()):
            raise EditError(f"The origin {origin!r} is not understood", hint='Write "model:NAME VERSION".')
        self.origin = origin
        self.document = Document(_opened(images), labels=labels, masks=(), author=author)
        self.view: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"SessionBuilder({self.document!r})"

    @property
    def images(self) -> tuple[Image, ...]:
        """The images, the main one first."""
        return self.document.images

    def image(self, named: str | Image | None = None) -> Image:
        """Return an image by its name or id; the main one for None.

        Raises
        ------
        UnknownItemError
            When there is none, or more than one of this name.
        """
        if named is None:
            return self.images[0]
        found = [one for one in self.images if named is one or named in (one.id, one.name)]
        if len(found) != 1:
            raise UnknownItemError(
                f"There is {'no' if not found else 'more than one'} image {named!r}",
                hint=f"There are: {', '.join(repr(one.name) for one in self.images)}.",
            )
        return found[0]

    def label(self, label: Label | str) -> SessionBuilder:
        """Add a label, or replace the one of the same id."""
        self.document.add(label)
        return self

    def layout(self, layout: Any) -> SessionBuilder:
        """Say which views there are.

        Parameters
        ----------
        layout
            Anything that a `Viewer` takes: a name, rows of planes, a tree.

        Raises
        ------
        LayoutError
            When it is not understood or names an unknown image.
        """
        self.view["layout"] = read_layout(layout, images=self.images)
        return self

    def layer(
        self,
        image: str | Image,
        *,
        over: str | Image | None = None,
        colormap: str = "hot iron",
        opacity: float = 0.5,
        lower: float | None = None,
    ) -> SessionBuilder:
        """Draw an image over another one.

        Parameters
        ----------
        image, over
            Names, ids or images; ``over`` is the main one when missing.
        colormap
            Name of a colour map.
        opacity
            From 0 to 1.
        lower
            Values below it are not drawn; None draws all.

        Raises
        ------
        LayoutError
            When it is the same image, or the opacity is none.
        """
        top, base = self.image(image), self.image(over)
        if top is base:
            raise LayoutError("An image does not lie over itself", hint="Name another image, or set over=.")
        if not 0 <= opacity <= 1:
            raise LayoutError(f"An opacity is 0 to 1, got {opacity}")
        layers = self.view.setdefault("layers", {}).setdefault(base.id, [])
        layers[:] = [one for one in layers if one["image"] != top.id]
        layers.append(
            {
                "image": top.id,
                "colormap": colormap,
                "opacity": float(opacity),
                "visible": True,
                "lower": lower,
            }
        )
        return self

    def window(self, center: float, width: float, *, image: str | Image | None = None) -> SessionBuilder:
        """Set the window of an image, in its values.

        Raises
        ------
        LayoutError
            When the width is not above 0.
        """
        if not (np.isfinite(center) and np.isfinite(width) and width > 0):
            raise LayoutError(f"A window needs a finite centre and a width above 0, got {center}, {width}")
        self.view.setdefault("windows", {})[self.image(image).id] = [float(center), float(width)]
        return self

    def mask(
        self,
        label: str | Mapping[int, str],
        array: Any,
        *,
        image: str | Image | None = None,
        name: str | None = None,
    ) -> SessionBuilder:
        """Add what a model segmented.

        Parameters
        ----------
        label
            Name of a label, for an array of bools (or 0 and 1); or the labels of an array's values.
        array
            (k, j, i), of the image's shape.
        image
            Which image; the main one when missing.
        name
            Of the mask; that of the label when missing.

        Raises
        ------
        MaskError
            When shape, type or values do not fit.
        """
        target, given = self.image(image), np.asarray(array)
        if given.shape != target.shape:
            raise MaskError(
                f"The mask has the shape {given.shape}, image {target.name!r} has {target.shape}",
                hint="Arrays are (k, j, i), as image.array is.",
            )
        segments = {1: label} if isinstance(label, str) else {int(k): str(v) for k, v in label.items()}
        if isinstance(label, str) and given.dtype != bool:
            if not np.isin(given, (0, 1)).all():
                raise MaskError(
                    "The array has values besides 0 and 1",
                    hint='Name the labels of the values: {1: "liver", 2: "lesion"}.',
                )
            given = given.astype(bool)
        if given.dtype.kind not in "bui":
            raise MaskError(f"A mask holds whole numbers, got {given.dtype}", hint="Give bools or integers.")
        if given.dtype.kind != "b" and given.size and (given.min() < 0 or given.max() > 65535):
            raise MaskError("A mask holds values from 0 to 65535")
        kept = given.astype(np.uint8 if given.dtype.kind == "b" or given.max(initial=0) < 256 else np.uint16)
        title = name or (label if isinstance(label, str) else ", ".join(segments.values()))
        for one in segments.values():
            if one not in self.document.labels:
                self.document.add(one)
        self.document.add(Mask(title, target, array=np.ascontiguousarray(kept), segments=segments))
        return self

    def add(self, *items: Box | Shape | Tag | Document) -> SessionBuilder:
        """Add boxes, shapes and tags, or all of a document that was read from a file.

        Labels that are not known are added.

        Raises
        ------
        EditError, OutsideImageError, UnknownItemError
            When something does not fit.
        """
        for item in items:
            if not isinstance(item, Document) and item.label not in self.document.labels:
                self.document.add(item.label)
            self.document.add(item)
        return self

    def build(self, *, author: str | None = None) -> Session:
        """Return a new session; its first step adds what was prefilled, with its origin.

        Each call gives another one, so that several readers can begin with the same.
        """
        source = self.document
        source.refresh()
        document = Document(
            source.images, labels=list(source.labels), masks=(), author=author or source.author
        )
        known = {image.id for image in source.images}
        edit = joining(document, source, known, source.images[0])
        if edit.edits:
            name = f"prefill {len(edit.edits)} items"
            document.apply(replace(edit, origin=self.origin, name=name))
        marked = {segment.label for mask in document.masks for segment in mask.segments}
        for label in document.labels:
            if label.allows("lesion") and label.name not in marked:
                document.add(Mask(label.name, document.images[0]))
        return Session.of(document, view=json.loads(json.dumps(self.view)))

    def write(self, path: str | Path, **options: Any) -> None:
        """Write what was built as a session of VolView (``.volview.zip``), or in any format of `write`."""
        write(path, self.build().document, **options)

    @classmethod
    def read(
        cls, path: str | Path, *, images: Given | Sequence[Given] | None = None, origin: str = "python"
    ) -> SessionBuilder:
        """Begin with a session or a manifest of VolView.

        Parameters
        ----------
        path
            A session (``.volview.zip``, ``.volview.json``), for which ``images`` are needed; or a manifest
            ``{"resources": [{"url", "name"}]}`` whose files are on this machine.
        images
            The images that a session is about.
        origin
            As of the builder.

        Raises
        ------
        FormatError
            When it is neither, or names files that are not on this machine.
        """
        file = Path(path)
        resources = _resources(file)
        if resources is not None:
            return cls(resources if images is None else images, origin=origin)
        if images is None:
            raise FormatError(f"{file} is a session without images", hint="Give images=path.")
        builder = cls(images, origin=origin)
        found = read(file, image=list(builder.images))
        if not isinstance(found, Document):
            raise FormatError(f"{file} is no session of VolView")
        return builder.add(found)


def manifest(urls: Mapping[str, str]) -> dict[str, Any]:
    """Return the manifest with which VolView opens files: name → URL."""
    return {"resources": [{"url": url, "name": name} for name, url in urls.items()]}


def _opened(images: Given | Sequence[Given]) -> list[Image]:
    given = [images] if isinstance(images, str | Path | Image) else list(images)
    found: list[Image] = []
    for one in given:
        if isinstance(one, Image):
            found.append(one)
            continue
        path = as_path(str(one))
        if not path.exists():
            raise FormatError(f"There is no image at {path}", hint="Check the path.")
        opened = open_paths([path])
        found += [opened] if isinstance(opened, Image) else list(opened.values())
    return found


def _resources(path: Path) -> list[Path] | None:
    """Return the files that a manifest names; None where it is no manifest."""
    if path.suffix != ".json":
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise FormatError(f"{path} cannot be read: {type(cause).__name__}") from cause
    listed = content.get("resources") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        return None
    files = []
    for one in listed:
        url = one.get("url") if isinstance(one, dict) else None
        if not isinstance(url, str) or urlsplit(url).scheme not in ("", "file"):
            raise FormatError(
                f"{path} names a file that is not on this machine", hint="Fetch the files first."
            )
        place = as_path(url, base=path.absolute().parent)
        if place.suffix not in (".json", ".yaml"):
            files.append(place)
    return files
