"""The policy for readers: what it says, and what is left of real images after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nbannot as nb
from nbannot.deid import Policy, seen_by_reader
from nbannot.errors import ConfigError, DeidentificationError, FormatError
from nbannot.formats import header, image_info
from nbannot.host.messages import image_json
from nbannot.host.preview import Previews
from nbannot.model.document import Document

FUJI = {
    "mask": [
        {
            "modality": "CR", "manufacturer": "fuji*", "rows": 1760, "columns": 2140,
            "rectangles": [[0, 0, 93, 821]],
        }
    ]
}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"masks": []}, "reader.masks"),
        ({"mask": {}}, "no list"),
        ({"mask": [{"rectangles": [[0, 0, 0, 5]]}]}, r"\[0, 0, 0, 5\]"),
        ({"mask": [{"rectangles": [[0, 0, 5, True]]}]}, "True"),
        ({"mask": [{"modality": "US"}]}, "rectangles is missing"),
        ({"mask": [{"rows": "480", "rectangles": []}]}, "480"),
        ({"mask": [{"manufacturer": 3, "rectangles": []}]}, "manufacturer is no text"),
        ({"burnedIn": "maybe"}, "maybe"),
        ({"ultrasoundRegions": "yes"}, "yes"),
        ([], "list"),
    ],
)
def test_a_policy_is_never_used_in_part(values: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Policy.of(values)


def burned_in(shared_data: Path, name: str) -> list[list[int]]:
    files = json.loads((shared_data / "phi" / "burned_in.json").read_text())["files"]
    return [one["box"] for one in files[name]]


def boxes_are_flat(plane: Any, boxes: list[list[int]]) -> bool:
    return all(len(np.unique(plane[y0 : y1 + 1, x0 : x1 + 1])) == 1 for x0, y0, x1, y1 in boxes)


def test_ultrasound_is_masked_outside_its_regions(shared_data: Path) -> None:
    name = "us_greyscale_burned_in.dcm"
    image = nb.read(shared_data / "phi" / name)
    boxes = burned_in(shared_data, name)
    assert not boxes_are_flat(image.array[0], boxes)
    seen = seen_by_reader(image, Policy(), name="Image 1")
    assert boxes_are_flat(seen.plane_array(0), boxes)
    assert boxes_are_flat(seen.array[0], boxes)
    inside = (slice(38, 759), slice(14, 1011))
    assert np.array_equal(seen.array[0][inside], image.array[0][inside])
    assert seen.name == "Image 1 · US"
    assert not seen.burned_in


def test_what_says_that_it_names_the_patient_is_refused_without_a_rule(shared_data: Path) -> None:
    image = nb.read(shared_data / "phi" / "us_greyscale_burned_in.dcm")
    strict = Policy(ultrasound_regions=False)
    with pytest.raises(DeidentificationError, match="Image 4") as refused:
        seen_by_reader(image, strict, name="Image 4")
    assert "ZZZ" not in str(refused.value)
    looked_at = Policy.of({"ultrasoundRegions": False, "mask": [{"modality": "US", "rectangles": []}]})
    assert np.array_equal(seen_by_reader(image, looked_at, name="").array, image.array)
    shown = Policy(ultrasound_regions=False, burned_in="show")
    assert np.array_equal(seen_by_reader(image, shown, name="").array, image.array)


def test_rectangles_go_by_machine_and_size(shared_data: Path) -> None:
    name = "cr_chest_burned_in.dcm"
    image = nb.read(shared_data / "phi" / name)
    boxes = burned_in(shared_data, name)
    seen = seen_by_reader(image, Policy.of(FUJI), name="Image 1")
    assert boxes_are_flat(seen.array[0], boxes)
    assert np.array_equal(seen.array[0][100:], image.array[0][100:])
    # MONOCHROME1: what is hidden is as dark as the darkest, which is the highest value.
    assert seen.array[0][0, 0] == seen.array[0].max()
    for other in ({"modality": "DX"}, {"manufacturer": "Agfa*"}, {"rows": 1761}, {"model": "X"}):
        rules = Policy.of({"mask": [{**FUJI["mask"][0], **other}]})
        assert np.array_equal(seen_by_reader(image, rules, name="").array, image.array)


def test_small_copies_and_sketches_are_made_of_what_is_seen(shared_data: Path) -> None:
    image = nb.read(shared_data / "petct_acrin042" / "ct")
    rule = {"modality": "CT", "rectangles": [[0, 0, 256, 512]]}
    seen = seen_by_reader(image, Policy.of({"mask": [rule]}), name="Image 1")
    document = Document([seen])
    sketch = Previews(document).work(f"s/{seen.id}/0/64", 60)
    copy = Previews(document).work(f"p/{seen.id}/0/64", 60)
    whole = Previews(Document([image])).work(f"s/{seen.id}/0/64", 60)
    assert sketch is not None
    assert copy is not None
    assert whole is not None
    assert sketch[1] != whole[1]
    assert seen.name == "Image 1 · CT axial"


def test_films_and_colour_are_masked_in_every_frame(shared_data: Path) -> None:
    image = nb.read(shared_data / "us" / "us_palette.dcm")
    seen = seen_by_reader(image, Policy(), name="Image 1")
    assert seen.is_color
    assert seen.array.shape == image.array.shape
    assert not seen.array[0, :60].any()
    assert np.array_equal(seen.array[0, 60:350, 120:800], image.array[0, 60:350, 120:800])
    film = nb.read(shared_data / "us" / "echo_ybr_30frames.dcm")
    seen = seen_by_reader(film, Policy(), name="Image 1")
    assert seen.array.shape == film.array.shape
    for n in range(30):
        plane = seen.plane_array(n) if film.frames == 1 else seen.plane_array(0, t=n)
        assert not plane[:31].any()
        assert plane[100:].any()


def test_nothing_of_the_file_is_left(shared_data: Path) -> None:
    image = nb.read(shared_data / "phi" / "cr_chest_burned_in.dcm")
    seen = seen_by_reader(image, Policy.of(FUJI), name="Image 1")
    assert (seen.series_uid, seen.study_uid, seen.study_date, seen.uri, seen.sources) == (None,) * 4 + ((),)
    assert seen.id == image.id
    with pytest.raises(FormatError):
        header(seen)
    told = json.dumps([image_json(seen, seen.windows), image_info(seen)])
    for word in ("DAVIDSON", "1976", "cr_chest", "1.2.", "FUJI"):
        assert word not in told


def test_free_words_of_the_file_are_not_shown() -> None:
    windows = [nb.Window(1, 2, "JOHN DOE"), nb.Window(1, 2, "SOFT TISSUE"), nb.Window(40, 400, "WINDOW2")]
    image = nb.Image(
        np.zeros((1, 2, 2), np.uint8), nb.Geometry(np.eye(4), (1, 2, 2)), name="Doe", unit="Doe John 1950!",
        modality="DOE JOHN", windows=windows, notes=["Doe"], view_position="Doe^John",
    )  # fmt: skip
    seen = seen_by_reader(image, Policy(), name="Image 1")
    assert [window.name for window in seen.windows] == ["Window 1", "SOFT TISSUE", "WINDOW2"]
    assert "DOE" not in json.dumps([image_json(seen, seen.windows), image_info(seen)]).upper()
