"""Damaged NRRD, MetaImage, TIFF and labelmap files: only errors of ours, and no picture that is not there."""

from __future__ import annotations

import random
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from nbannot.errors import NbannotError, NbannotWarning
from nbannot.formats import read, write
from nbannot.formats.header import header
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Images
from nbannot.model.labels import Label
from nbannot.model.masks import Mask

GRID = Geometry([[0, 0, 2, 1], [0, 2, 0, 1], [3, 0, 0, 1], [0, 0, 0, 1]], (3, 4, 5))
CT = Image(np.zeros(GRID.shape, np.int16), GRID, name="ct")
FLAT = Image(np.zeros((1, 4, 5), np.int16), Stack.picture((4, 5)), name="flat")
# Values that headers do not expect.
ODD = ("", "0", "-1", "nan", "inf", "1e400", "99999999999999999999", "none", "(1,2", "1 2", "()", "%s", "../x", "\0",
       "'", "=", "True", "LIST", "a.raw 1 2 3", "(nan,nan,nan) (0,1,0) (0,0,1)", "1 1 1 1 1 1 1 1 1 1")  # fmt: skip


def consume(path: Path) -> None:
    """Read all there is as an image and as labels; only errors and warnings of ours may come out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        try:
            found = read(path)
            for image in found.values() if isinstance(found, Images) else [found]:
                assert isinstance(image, Image)
                assert image.array.shape[-1] >= 1
                header(image)
        except NbannotError as error:
            assert path.parent.name in str(error) or path.name in str(error)
        for image in (CT, FLAT):
            try:
                document = read(path, image=image, resample=True)
                assert isinstance(document, Document)
            except NbannotError as error:
                assert str(error)


def whole_file(folder: Path, kind: str) -> tuple[bytes, str]:
    """Return a small sound file and its ending."""
    numbers = np.random.default_rng(0).integers(0, 4, GRID.shape).astype(np.uint8)
    name, _, option = kind.partition(":")
    path = folder / f"whole{name}"
    if name == ".seg.nrrd":
        masks = [Mask(f"m{n}", CT, array=numbers.copy(), segments={1: "a", 2: "b", 3: "c"}) for n in (1, 2)]
        write(path, Document(CT, labels=[Label("a", "#ff0000")], masks=masks))
    elif name == ".tif":
        tifffile.imwrite(path, numbers, photometric="minisblack", compression=option or None)
    elif name == ".nii.gz" or name == ".nii":
        write(path, Image(numbers, GRID))
    elif name == ".png":
        from PIL import Image as Pictures

        Pictures.fromarray(numbers[0]).save(path)
    else:
        write(path, Image(numbers, GRID), compress=option == "packed")
    return path.read_bytes(), name


KINDS = [
    ".nrrd",
    ".nrrd:packed",
    ".mha",
    ".mha:packed",
    ".seg.nrrd",
    ".tif",
    ".tif:deflate",
    ".nii",
    ".nii.gz",
    ".png",
]


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files(tmp_path: Path, kind: str) -> None:
    whole, suffix = whole_file(tmp_path, kind)
    chance = random.Random(kind)
    (tmp_path / "bad").mkdir()
    for n in range(60):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 3, 10))):
            at = chance.randrange(len(data))
            way = chance.randrange(4)
            if way == 0:
                data[at] = chance.randrange(256)
            elif way == 1:
                del data[max(at, 40) : at + chance.randrange(1, 30)]
            elif way == 2:
                data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))
            else:
                data = data[: max(at, 40)]
        path = tmp_path / "bad" / f"bad{n % 3}{suffix}"
        path.write_bytes(bytes(data))
        consume(path)


def fields(text: bytes, mark: bytes) -> list[tuple[int, int]]:
    """Return where the values of the header's fields begin and end."""
    head = text.split(b"\n\n")[0] if mark == b":" else text[: text.index(b"ElementDataFile") + 40]
    return [
        match.span(1) for match in re.finditer(rb"^[\w ]+" + mark + rb"=? ?([^\n]*)$", head, re.MULTILINE)
    ]


@pytest.mark.parametrize("kind", [".nrrd", ".mha", ".mha:packed", ".seg.nrrd"])
def test_odd_values_in_each_field(tmp_path: Path, kind: str) -> None:
    whole, suffix = whole_file(tmp_path, kind)
    (tmp_path / "bad").mkdir()
    spans = fields(whole, b"=" if kind.startswith(".mha") else b":")
    assert len(spans) >= 9
    chance = random.Random(1)
    for start, end in spans:
        for odd in chance.sample(ODD, 8 if kind != ".seg.nrrd" else 3):
            path = tmp_path / "bad" / f"bad{suffix}"
            path.write_bytes(whole[:start] + odd.encode() + whole[end:])
            consume(path)


def test_a_small_file_that_promises_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tmp_path / "bomb.mha"
    write(bomb, Image(np.zeros(GRID.shape, np.uint8), GRID))
    bomb.write_bytes(bomb.read_bytes().replace(b"DimSize = 5 4 3", b"DimSize = 90000 90000 9000"))
    taken: list[Any] = []
    monkeypatch.setattr(np, "frombuffer", lambda *args, **options: taken.append(args))
    with pytest.raises(NbannotError, match="cut off"):
        read(bomb)
    assert not taken


def test_pictures_that_promise_more_than_their_file(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 20, 30), np.uint16), photometric="minisblack")
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[:-500])
    with pytest.raises(NbannotError, match=r"cut\.tif"):
        read(tmp_path / "cut.tif")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((64, 64), np.uint8), tile=(64, 64), compression="deflate")
    with tifffile.TiffFile(tmp_path / "b.tif", mode="r+b") as file:
        file.pages[0].tags["ImageWidth"].overwrite(200_000)
        file.pages[0].tags["ImageLength"].overwrite(200_000)
    with pytest.raises(NbannotError, match=r"b\.tif"):
        read(tmp_path / "b.tif")


def test_more_voxels_than_stated_are_noted(tmp_path: Path) -> None:
    for name, old, new in (("a.nrrd", b"sizes: 5 4 3", b"sizes: 5 4 2"), ("a.mha", b"= 5 4 3", b"= 5 4 2")):
        write(tmp_path / name, CT, compress=False)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes().replace(old, new))
        image = read(tmp_path / name)
        assert isinstance(image, Image)
        assert "the file holds 40 bytes more than its header states" in image.notes


def test_the_rest_of_a_folder_opens(tmp_path: Path) -> None:
    write(tmp_path / "good.nrrd", CT)
    (tmp_path / "bad.mha").write_text("ObjectType = Image\nNDims = 3\n")
    (tmp_path / "bad.tif").write_bytes(b"II*\0" + bytes(20))
    with pytest.warns(NbannotWarning) as caught:
        image = read(tmp_path)
    assert isinstance(image, Image)
    assert image.name == "good"
    said = " ".join(str(one.message) for one in caught)
    assert "bad.mha" in said
    assert "bad.tif" in said
