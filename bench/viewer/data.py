"""The volumes that every viewer shows: made once, the same bytes for all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

import nbannot as nb
from nbannot.host.messages import PROTOCOL, document_json, image_json

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "bench" / "data"
SHAPE, STEP = (300, 512, 512), (1.2, 0.8, 0.8)
PET_SHAPE, PET_STEP = (150, 128, 128), (2.4, 3.2, 3.2)
XRAY_STEP = (1.0, 0.15, 0.15)
XRAYS = {"xray3036": (3036, 3036), "xray4096": (4096, 5000)}
Array = npt.NDArray[Any]


def body(shape: tuple[int, int, int]) -> Array:
    """Return a noisy body with lungs in HU."""
    random = np.random.default_rng(1)
    k, j, i = (
        np.linspace(-1, 1, n).reshape([-1 if a == b else 1 for b in range(3)]) for a, n in enumerate(shape)
    )
    inside = ((j / 0.7) ** 2 + (i / 0.9) ** 2 < 1) & (abs(k) < 0.97)
    lungs = ((j / 0.45) ** 2 + ((abs(i) - 0.42) / 0.3) ** 2 + (k / 0.8) ** 2) < 1
    spine = (j - 0.4) ** 2 + i**2 < 0.012 + 0 * k
    values = np.where(inside, 40, -1000).astype(np.int16)
    values[lungs] = -850
    values[spine & inside] = 500
    values += random.integers(-20, 20, values.shape, dtype=np.int16)
    return values


def labels(shape: tuple[int, int, int]) -> Array:
    """Return eight round structures, some of them large."""
    found = np.zeros(shape, np.uint8)
    z, y, x = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
    places = [(0, 0, 0), (0.1, -0.2, 0.4), (0, -0.2, -0.4), (-0.3, 0.3, 0.3), (0.3, 0.3, -0.3)]
    places += [(0.5, -0.3, 0), (-0.5, 0.1, 0.2), (-0.2, 0.4, -0.1)]
    for n, (k, j, i) in enumerate(places, 1):
        found[(z - k) ** 2 + (y - j) ** 2 + (x - i) ** 2 < (0.28 - 0.02 * n) ** 2] = n
    return found


def pet(shape: tuple[int, int, int]) -> Array:
    """Return a blurred uptake in Bq/mL."""
    z, y, x = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
    values = 2500 * np.exp(-((y / 0.6) ** 2 + (x / 0.7) ** 2 + (z / 1.2) ** 2) * 2)
    for k, j, i in ((0, -0.1, 0.2), (0.3, 0.2, -0.3), (-0.2, 0, 0)):
        values = values + 15000 * np.exp(-((z - k) ** 2 + (y - j) ** 2 + (x - i) ** 2) / 0.01)
    return values.astype(np.float32)


def xray(shape: tuple[int, int]) -> Array:
    """Return a 12-bit radiograph: soft shadows, fine noise."""
    random = np.random.default_rng(2)
    y, x = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    soft = 1800 + 1500 * np.cos(3 * x) * np.exp(-(y**2)) + 300 * np.sin(40 * x) * np.sin(25 * y)
    return (soft + random.normal(0, 25, shape)).clip(0, 4095).astype(np.uint16)


def link_ct(shape: tuple[int, int, int] = (174, 512, 512)) -> tuple[Array, str]:
    """Return the CT of the slow link, and what it is: real where the test images are there."""
    named = os.environ.get("NBANNOT_TEST_DATA")
    folder = (Path(named) if named else ROOT.parent / "shared" / "data") / "petct_acrin042" / "ct"
    if not folder.is_dir():
        return body(shape), "synthetic, ±20 HU of noise"
    array = np.asarray(nb.read(folder).array)
    count = len(array)
    order = [n if n < count else 2 * count - 2 - n for n in range(shape[0])]
    return np.ascontiguousarray(
        array[order].astype(np.int16)
    ), f"real, {count} slices, mirrored to {shape[0]}"


def _nifti(name: str, array: Array, step: tuple[float, float, float]) -> None:
    affine = np.diag([-step[2], -step[1], step[0], 1.0])
    nibabel.save(nibabel.Nifti1Image(array.transpose(2, 1, 0), affine), FOLDER / f"{name}.nii")


def grid(step: tuple[float, float, float], shape: tuple[int, ...]) -> nb.Geometry:
    """Return an axis-aligned grid with its corner at the origin, as the peers place it."""
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 1], affine[2, 0], affine[3, 3] = step[2], step[1], step[0], 1
    return nb.Geometry(affine, shape)


def _scene(name: str, images: list[nb.Image], files: list[tuple[str, str]], masks: list[nb.Mask]) -> None:
    """Write what nbannot's page must know: the state as the kernel would send it, and where voxels lie."""
    document = nb.Document(images, masks=masks) if masks else nb.Document(images)
    state = {
        "type": "state", "version": PROTOCOL, "http": None, **document_json(document),
        "images": [image_json(image, image.windows) for image in images],
    }  # fmt: skip
    where = {
        one.id: {"name": file, "dtype": dtype, "shape": list(one.array.shape[-3:])}
        for one, (file, dtype) in zip([*images, *document.masks] if masks else images, files, strict=True)
    }
    (FOLDER / f"{name}.json").write_text(json.dumps({"state": state, "files": where}))


def make() -> Path:
    """Make every file that is not there yet, and return the folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not (FOLDER / "made").exists():
        _make_arrays()
        (FOLDER / "made").touch()
    _make_scenes()
    return FOLDER


def _make_arrays() -> None:
    for name, array, step in (
        ("ct", body(SHAPE), STEP),
        ("labels", labels(SHAPE), STEP),
        ("pet", pet(PET_SHAPE), PET_STEP),
    ):
        array.tofile(FOLDER / f"{name}.raw")
        _nifti(name, array, step)
    for name, shape in XRAYS.items():
        picture = xray(shape)[None]
        picture.tofile(FOLDER / f"{name}.raw")
        _nifti(name, picture, XRAY_STEP)
    array, what = link_ct()
    _nifti("link", array, (2.5, 0.9, 0.9))
    (FOLDER / "link.txt").write_text(what)


def _raw(name: str, dtype: str, shape: tuple[int, ...]) -> Array:
    return np.memmap(FOLDER / f"{name}.raw", dtype, "r", shape=shape)


def _make_scenes() -> None:
    """Write the states anew each time: what Python tells the browser may have grown."""
    ct, uptake = _raw("ct", "int16", SHAPE), _raw("pet", "float32", PET_SHAPE)
    image = nb.Image(ct, grid(STEP, SHAPE), modality="CT", unit="HU", windows=[nb.Window(40, 400)], name="CT")
    other = nb.Image(
        uptake, grid(PET_STEP, PET_SHAPE), modality="PT", windows=[nb.Window(5000, 10000)], name="PET"
    )
    seg = np.array(_raw("labels", "uint8", SHAPE))
    mask = nb.Mask("organs", image, array=seg, segments={n: f"organ {n}" for n in range(1, 9)})
    _scene("ct", [image], [("ct", "int16")], [])
    _scene("all", [image, other], [("ct", "int16"), ("pet", "float32"), ("labels", "uint8")], [mask])
    for name, shape in XRAYS.items():
        flat = nb.Image(
            _raw(name, "uint16", (1, *shape)), grid(XRAY_STEP, (1, *shape)), modality="DX",
            windows=[nb.Window(2048, 4096)], name="X-ray",
        )  # fmt: skip
        _scene(name, [flat], [(name, "uint16")], [])
