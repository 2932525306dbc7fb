"""What the policy must know of the files of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbannot.deid.policy import Rectangle
from nbannot.errors import DeidentificationError
from nbannot.formats.places import source_paths
from nbannot.model.image import Image

_TAGS = ["Manufacturer", "ManufacturerModelName", "SequenceOfUltrasoundRegions"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an image comes from.

    Attributes
    ----------
    manufacturer, model
        As the first file says; empty where it does not.
    regions
        The calibrated regions of an ultrasound image by number of the slice (times frames), where its
        file has any.
    """

    manufacturer: str = ""
    model: str = ""
    regions: Mapping[int, tuple[Rectangle, ...]] = field(default_factory=dict)


def origin_of(image: Image) -> Origin:
    """Read what the policy needs from the headers of an image's DICOM files.

    Only ultrasound has regions, and then every file is looked at; else the first one.

    Raises
    ------
    DeidentificationError
        When a DICOM file cannot be read: then nobody knows what to mask.
    """
    paths = source_paths(image)
    found: dict[str, tuple[str, str, tuple[Rectangle, ...]] | None] = {}
    regions: dict[int, tuple[Rectangle, ...]] = {}
    for n, path in enumerate(paths):
        if path is None:
            continue
        if path not in found:
            found[path] = _facts(path, dicom=image.sources[n].sop_instance_uid is not None)
        facts = found[path]
        if facts is not None and facts[2]:
            regions[n] = facts[2]
        if image.modality != "US":
            break
    first = next((facts for facts in found.values() if facts is not None), None)
    return Origin() if first is None else Origin(first[0], first[1], regions)


def _facts(path: str, *, dicom: bool) -> tuple[str, str, tuple[Rectangle, ...]] | None:
    """Return manufacturer, model and regions of a DICOM file; None of another kind of file."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS, force=dicom)
        regions = tuple(_region(item) for item in header.get("SequenceOfUltrasoundRegions") or ())
        return str(header.get("Manufacturer") or ""), str(header.get("ManufacturerModelName") or ""), regions
    except InvalidDicomError:
        return None
    except Exception as cause:  # pydicom raises many kinds for damaged files
        raise DeidentificationError(
            "The header of an image cannot be read, so nobody knows what to mask in it",
            hint="Open the case in a notebook as its owner: nb.header(image) names the damage.",
        ) from cause


def _region(item: Any) -> Rectangle:
    """Return a calibrated region; its corners are pixels that belong to it (PS3.3 C.8.5.5.1.2)."""
    x0, y0 = int(item.RegionLocationMinX0), int(item.RegionLocationMinY0)
    x1, y1 = int(item.RegionLocationMaxX1), int(item.RegionLocationMaxY1)
    return y0, x0, max(y1 - y0 + 1, 0), max(x1 - x0 + 1, 0)
