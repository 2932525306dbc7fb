"""Segmentations and layers that lie beside an image and say so in their names, as VolView takes them up."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nbannot.errors import NbannotError, NbannotWarning
from nbannot.formats import read
from nbannot.formats.places import source_paths
from nbannot.model.document import Document
from nbannot.model.image import Image


@dataclass(slots=True)
class Beside:
    """What lies beside some images.

    Parameters
    ----------
    segments
        File of a segmentation, and the image that it belongs to.
    layers
        Image to be drawn over another, and that other.
    """

    segments: list[tuple[Path, Image]] = field(default_factory=list)
    layers: list[tuple[Image, Image]] = field(default_factory=list)

    def new(self, images: Sequence[Image]) -> list[Image]:
        """Return the layers that are not among the images yet."""
        return [layer for layer, _ in self.layers if layer not in images]

    def draw(self, overlay: Callable[..., object]) -> None:
        """Draw each layer over its image; one that cannot lie there is left out with a warning."""
        for layer, base in self.layers:
            try:
                overlay(layer, over=base)
            except NbannotError as error:
                _left_out(Path(layer.name), error)

    def add_to(self, document: Document) -> None:
        """Add the segmentations, each in one step; what does not fit is left out with a warning."""
        for path, image in self.segments:
            try:
                document.add(read(path, image=image, resample=True))
            except NbannotError as error:
                _left_out(path, error)


def find_beside(images: Sequence[Image], io: Mapping[str, str]) -> Beside:
    """Return what ``segmentGroupExtension`` and ``layerExtension`` find beside the images.

    With the token "seg", ``p1.seg.nii.gz`` and ``p1.seg.2.nrrd`` belong to ``p1.nii.gz``, and ``3.seg.nrrd`` to the
    DICOM series number 3 in its folder. Without a token nothing is looked for.
    """
    found = Beside()
    own = {Path(path).absolute(): image for image in images for path in source_paths(image) if path}
    for image in images:
        folder, names = _names(image)
        if folder is None:
            continue
        for path in _with_token(folder, names, io.get("segmentGroupExtension", "")):
            if path not in own:
                found.segments.append((path, image))
        for path in _with_token(folder, names, io.get("layerExtension", "")):
            if path not in own:
                layer = _image(path)
                if layer is None:
                    continue
                own[path] = layer
            if own[path] is not image:
                found.layers.append((own[path], image))
    return found


def _names(image: Image) -> tuple[Path | None, tuple[str, ...]]:
    """Return the folder of an image, and what the names of its companions begin with."""
    files = sorted({path for path in source_paths(image) if path})
    if not files or not Path(files[0]).is_file():
        return None, ()
    first = Path(files[0]).absolute()
    names = [] if len(files) > 1 else [first.name.split(".")[0]]
    number = _series_number(first) if image.series_uid else None
    return first.parent, (*names, *([] if number is None else [number]))


def _series_number(path: Path) -> str | None:
    import pydicom

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesNumber"])
    except (OSError, pydicom.errors.InvalidDicomError):
        return None
    number = header.get("SeriesNumber")
    return None if number is None else str(number)


def _with_token(folder: Path, names: Sequence[str], token: str) -> Iterator[Path]:
    """Yield the files of a folder whose names have the token between dots and begin with one of the names."""
    if not token:
        return
    for path in sorted(folder.iterdir()):
        start, *rest = path.name.split(".")
        # VolView lets p1 claim p10 too.
        mine = any(start == name or start.startswith((f"{name}-", f"{name}_")) for name in names if name)
        if mine and token in rest and path.is_file():
            yield path


def _image(path: Path) -> Image | None:
    try:
        found = read(path)
    except NbannotError as error:
        _left_out(path, error)
        return None
    return found if isinstance(found, Image) else next(iter(found.values()), None)


def _left_out(path: Path, error: NbannotError) -> None:
    """Tell that a file is not taken; its name is the user's own, its content is not repeated."""
    warnings.warn(f"{path.name} is left out: {error.message}", NbannotWarning, stacklevel=5)
