"""Every image of the shared set is read with the facts of independent readers, or refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbannot.errors import FormatError, NbannotError, NbannotWarning
from nbannot.formats import read
from nbannot.model.image import Image, Images

pytestmark = pytest.mark.slow

_NAMED = os.environ.get("NBANNOT_TEST_DATA")
DATA = Path(_NAMED) if _NAMED else Path(__file__).resolve().parents[3] / "shared" / "data"
FACTS: dict[str, Any] = json.loads((DATA / "facts.json").read_text(encoding="utf-8"))


def _entries(*kinds: str) -> list[str]:
    return [name for name, entry in FACTS.items() if entry["kind"] in kinds]


# Entries counted as "dicom" that hold no readable image.
NO_IMAGE = (
    "petct_acrin042/labels/rwvm_1.dcm",
    "petct_acrin042/labels/rwvm_2.dcm",
    "petct_acrin042/labels/rwvm_3.dcm",
    "sr_dcmqi_tid1500/rwvm.dcm",
    "phi/cr_no_pixels.dcm",
    "phi/charsets/chrSQEncoding.dcm",
    "odd/pydicom/waveform_ecg.dcm",
    "odd/pydicom/UN_sequence.dcm",
    "odd/pydicom/empty_charset_LEI.dcm",
    "odd/pydicom/ExplVR_LitEndNoMeta.dcm",
)


ROOT = Path(__file__).resolve().parents[2]


def documented(message: str) -> bool:
    """Whether the words of a refusal stand in the table of the docs."""
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    table = text.split("## What is refused, and why")[1].split("\n## ")[0]
    words = [
        word for line in table.splitlines() if line.startswith("|") for word in re.findall(r'"([^"]+)"', line)
    ]
    return any(word in message for word in words)


def images_of(name: str) -> list[Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        found = read(DATA / name)
    return list(found.values()) if isinstance(found, Images) else [found]


def _flat(images: list[Image]) -> np.ndarray:
    return np.concatenate([image.array.ravel() for image in images])


@pytest.mark.parametrize("name", [n for n in _entries("dicom") if n not in NO_IMAGE])
def test_dicom_file(name: str) -> None:
    facts = FACTS[name]["facts"]
    images = images_of(name)
    assert {(image.shape[1], image.shape[2]) for image in images} == {(facts["Rows"], facts["Columns"])}
    assert sum(image.shape[0] * image.frames for image in images) == facts.get("NumberOfFrames", 1)
    assert images[0].modality == facts.get("modality", facts.get("Modality", ""))
    assert images[0].series_uid == facts.get("SeriesInstanceUID")
    palette = facts["PhotometricInterpretation"] == "PALETTE COLOR"
    assert images[0].is_color == (palette or facts["SamplesPerPixel"] == 3)
    if palette or name.endswith(("dental_cr_modality_lut.dcm", "mlut_18.dcm")):
        return
    slope, intercept = images[0].rescale
    stored = (_flat(images).astype(np.float64) - intercept) / slope
    if facts["pixel_dtype"] != "float32":
        stored = np.rint(stored)
    # The facts on 12-bit JPEG are from a decoder that rounds otherwise; dcmtk's values stand in the matrix.
    twelve = facts["transfer_syntax"].startswith("JPEG Extended")
    assert stored.min() == pytest.approx(facts["stored_min"], abs=1 if twelve else 1e-4)
    assert stored.max() == pytest.approx(facts["stored_max"], abs=1 if twelve else 1e-4)
    assert stored.mean() == pytest.approx(facts["stored_mean"], abs=0.05 if twelve else 1e-3)
    if len(images) == 1 and images[0].geometry.kind == "stack":
        exact = stored.astype(facts["pixel_dtype"]).tobytes()
        lossy = facts["transfer_syntax"].startswith(("JPEG Baseline", "JPEG Extended"))
        assert lossy or hashlib.sha256(exact).hexdigest().startswith(facts["pixel_sha256"])


@pytest.mark.parametrize("name", _entries("series"))
def test_series(name: str) -> None:
    facts = FACTS[name]["facts"]
    images = images_of(name)
    values = _flat(images)
    tiled = any("mosaic of" in note for note in images[0].notes)  # its own test compares with a converter
    slices = sum(image.frames if tiled else image.shape[0] * image.frames for image in images)
    assert slices == facts["n_files"]
    if facts.get("rescaled_min") is not None:
        assert float(values.min()) == pytest.approx(facts["rescaled_min"], abs=1e-3)
        assert float(values.max()) == pytest.approx(facts["rescaled_max"], rel=1e-6)
        mean = float(values.mean(dtype=np.float64))
        assert tiled or mean == pytest.approx(facts["rescaled_mean"], rel=1e-4, abs=1e-4)
    grids = [image for image in images if image.geometry.kind == "grid"]
    if len(images) == 1 and grids and not tiled and facts.get("distinct_positions"):
        assert grids[0].shape[0] == facts["distinct_positions"]
        normal, affine = grids[0].geometry.plane(0).normal, grids[0].geometry.affine  # type: ignore[union-attr]
        step = float(normal @ affine[:3, 0])
        assert step == pytest.approx(facts["slice_step_median"], abs=2e-3)


@pytest.mark.parametrize("name", _entries("nifti"))
def test_nifti(name: str) -> None:
    facts = FACTS[name]["facts"]
    image = images_of(name)[0]
    assert [*image.shape[::-1], *([image.frames] if image.frames > 1 else [])] == facts["shape"]
    if facts.get("min") is not None:
        assert float(image.array.min()) == pytest.approx(facts["min"], rel=1e-6)
        assert float(image.array.max()) == pytest.approx(facts["max"], rel=1e-6)
        assert float(image.array.mean(dtype=np.float64)) == pytest.approx(facts["mean"], rel=1e-4)


@pytest.mark.parametrize("name", _entries("png"))
def test_png(name: str) -> None:
    facts = FACTS[name]["facts"]
    image = images_of(name)[0]
    assert list(image.shape[:0:-1]) == facts["size"]
    assert image.is_color == (facts["mode"] not in ("L", "I;16"))
    assert (image.geometry.unit, image.geometry.patient_space) == ("px", False)


TEXT_HEADERS = [
    *_entries("mha", "nrrd", "segnrrd"),
    *[n for n in _entries("labelmap") if n.endswith((".nrrd", ".mha"))],
]


@pytest.mark.parametrize("name", TEXT_HEADERS)
def test_nrrd_and_metaimage(name: str) -> None:
    facts = FACTS[name]["facts"]
    image = images_of(name)[0]
    size = [*image.shape[::-1], *([image.frames] if image.frames > 1 else [])]
    stated = facts.get("size_xyz") or facts["shape"]
    assert size == (stated if len(stated) > 2 else [*stated, 1])
    origin = facts.get("origin_LPS") or facts.get("simpleitk_origin_LPS")
    if origin and len(origin) > 2:
        assert image.geometry.to_world((0, 0, 0)) == pytest.approx(origin[:3], abs=1e-3)
    if facts.get("spacing"):
        assert image.geometry.spacing[1:] == pytest.approx(facts["spacing"][1::-1])
    for what in ("min", "max"):
        if facts.get(what) is not None:
            assert float(getattr(image.array, what)()) == pytest.approx(facts[what], rel=1e-6)


# Segmentations of shares of voxels, which are read as images of those.
FRACTIONS = [
    name for name in _entries("seg") if FACTS[name]["facts"].get("segmentation_type") == "FRACTIONAL"
]
REFUSED = [
    *(name for name in _entries("seg", "sr", "rtstruct", "json") if name not in FRACTIONS),
    *NO_IMAGE,
]


@pytest.mark.parametrize("name", FRACTIONS)
def test_fractions_are_images_of_shares(name: str) -> None:
    for image in images_of(name):
        assert image.array.dtype == np.float32
        assert 0 <= image.array.min() < image.array.max() <= 1


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_readable_image_is_refused_by_name(name: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(DATA / name)
    assert name in str(caught.value)
    assert documented(caught.value.message)
    assert caught.value.hint or "not an image" in caught.value.message or "not read" in str(caught.value)


@pytest.mark.parametrize("name", _entries("dicom_may_fail", "tree_may_fail", "tree"))
def test_damaged_entries_are_read_or_refused_with_our_errors(name: str) -> None:
    try:
        for image in images_of(name):
            assert image.array.shape[-1] > 0
    except NbannotError as error:
        assert name in str(error)
        assert documented(error.message)
