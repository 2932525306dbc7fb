"""Data sets of volumes: NIfTI, MONAI's datalist, BIDS derivatives; and tables of many cases."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError
from nbannot.formats.labels.flat.pictures import safe
from nbannot.formats.nifti import write_nifti
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.model.tables import Kind, table

TABLES: tuple[Kind, ...] = ("boxes", "shapes", "tags", "segments", "lesions")
_BIDS = "1.10.0"


class VolumeSet:
    """Gathers the masks of cases, with the same number for the same label in all.

    Parameters
    ----------
    folder
        An empty folder.
    to
        "nifti", "monai" or "bids".
    images
        Whether the images are written too.
    version
        Of nbannot, for BIDS.
    suffix
        What BIDS calls the images, e.g. "T1w"; without it they are not written there.
    """

    def __init__(
        self, folder: Path, to: str, *, images: bool = True, version: str = "", suffix: str = ""
    ) -> None:
        self.folder, self.to, self.images, self.version, self.suffix = folder, to, images, version, suffix
        self.values: dict[str, int] = {}
        self.labels: dict[str, Label] = {}
        self.list: list[dict[str, str]] = []

    def add(self, name: str, document: Document) -> Counter[str]:
        """Write the masks of a case, one labelmap to an image; return what has no place.

        Raises
        ------
        FormatError
            When no image has a mask on a regular grid.
        """
        lost: Counter[str] = Counter()
        for label in document.labels:
            self.labels.setdefault(label.name, label)
        written = 0
        for image in document.images:
            masks = [mask for mask in document.masks if mask.image.id == image.id and mask.used_values()]
            if not masks:
                continue
            if not isinstance(image.geometry, Geometry):
                lost["masks of images without a regular grid"] += len(masks)
                continue
            self._case(
                name if len(document.images) == 1 else f"{name}_{safe(image)}",
                image,
                self._merged(masks, lost),
            )
            written += 1
        for what, count in (
            ("boxes", len(document.boxes)),
            ("shapes", len(document.shapes)),
            ("tags", len(document.tags)),
        ):
            lost[what] += count
        if not written:
            raise FormatError(f"{name} has no mask on a regular grid")
        return lost

    def _merged(self, masks: list[Mask], lost: Counter[str]) -> NDArray[np.uint16]:
        """Return one labelmap; where masks overlap the later one counts."""
        merged = np.zeros(masks[0].array.shape, np.uint16)
        for mask in masks:
            for segment in mask.segments:
                inside = mask.array == segment.value
                if inside.any():
                    value = self.values.setdefault(segment.label, len(self.values) + 1)
                    lost["voxels that another mask covers"] += int(np.count_nonzero(merged[inside]))
                    merged[inside] = value
        return merged

    def _case(self, name: str, image: Image, array: NDArray[np.uint16]) -> None:
        assert isinstance(image.geometry, Geometry)
        small = array.astype(np.uint8) if len(self.values) < 256 else array
        if self.to == "bids":
            self._bids(name, image, small)
            return
        paths = {"image": f"images/{name}.nii.gz", "label": f"labels/{name}.nii.gz"}
        for folder in ("images", "labels") if self.images else ("labels",):
            (self.folder / folder).mkdir(exist_ok=True)
        write_nifti(str(self.folder / paths["label"]), small, image.geometry)
        if self.images:
            write_nifti(str(self.folder / paths["image"]), image.array, image.geometry, image.frame_times)
        else:
            paths["image"] = image.uri or image.name
        self.list.append(paths)

    def _bids(self, name: str, image: Image, array: NDArray[Any]) -> None:
        assert isinstance(image.geometry, Geometry)
        subject = re.sub(r"[^A-Za-z0-9]", "", name) or "case"
        where = self.folder / f"sub-{subject}" / "anat"
        number = 1
        while where.exists() and any(where.glob(f"sub-{subject}_run-{number}_*")):
            number += 1
        where.mkdir(parents=True, exist_ok=True)
        stem = f"sub-{subject}_run-{number}_space-orig"
        write_nifti(str(where / f"{stem}_dseg.nii.gz"), array, image.geometry)
        about: dict[str, Any] = {"Manual": True, "SpatialReference": {"orig": f"sub-{subject}"}}
        if self.images and self.suffix:
            path = where / f"{stem}_{self.suffix}.nii.gz"
            write_nifti(str(path), image.array, image.geometry, image.frame_times)
            about["Sources"] = [f"bids::sub-{subject}/anat/{path.name}"]
        (where / f"{stem}_dseg.json").write_text(json.dumps(about, indent=1), encoding="utf-8")

    def finish(self) -> None:
        """Write the lists and look-up tables."""
        names = {value: name for name, value in self.values.items()}
        if self.to == "bids":
            rows = [f"{value}\t{name}\t{self.labels[name].color}" for value, name in names.items()]
            (self.folder / "dseg.tsv").write_text(
                "\n".join(["index\tname\tcolor", *rows]) + "\n", encoding="utf-8"
            )
            about = {
                "Name": "Annotations",
                "BIDSVersion": _BIDS,
                "DatasetType": "derivative",
                "GeneratedBy": [{"Name": "nbannot", "Version": self.version}],
            }
            (self.folder / "dataset_description.json").write_text(
                json.dumps(about, indent=1), encoding="utf-8"
            )
            return
        lut = [
            {"value": value, "name": name, "color": self.labels[name].color} for value, name in names.items()
        ]
        (self.folder / "labels.json").write_text(
            json.dumps(lut, indent=1, ensure_ascii=False), encoding="utf-8"
        )
        if self.to == "monai":
            texts = {"0": "background", **{str(value): name for value, name in names.items()}}
            content = {"labels": texts, "numTraining": len(self.list), "training": self.list}
            text = json.dumps(content, indent=1, ensure_ascii=False)
            (self.folder / "datalist.json").write_text(text, encoding="utf-8")


class TableSet:
    """Gathers the tables of cases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.frames: dict[Kind, list[Any]] = {kind: [] for kind in TABLES}

    def add(self, name: str, document: Document) -> Counter[str]:
        """Take the tables of a case."""
        for kind, held in self.frames.items():
            frame = table(document, kind)
            frame = frame.reset_index() if frame.index.name is not None else frame
            if len(frame):
                frame.insert(0, "case", name)
                held.append(frame)
        return Counter()

    def finish(self) -> None:
        """Write boxes.csv, shapes.csv, … of those that have rows."""
        import pandas as pd

        for kind, held in self.frames.items():
            if held:
                pd.concat(held, ignore_index=True).to_csv(self.folder / f"{kind}.csv", index=False)
