"""Files of annotations with anything in any place: only our errors, and the rest is read."""

from __future__ import annotations

import copy
import json
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbannot.errors import NbannotError, NbannotWarning
from nbannot.formats import read, write
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.model.shapes import Shape

pytestmark = pytest.mark.slow

JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1e308, "", "x", "\0", [], {}, [[]], [None], {"a": 1}, [1, 2], "__proto__",
    [1e308] * 3, -0.5,
)  # fmt: skip
AFFINE = np.array([(0, 0, 1.5, -30), (0, 2, 0, -40), (3, 0, 0, 10), (0, 0, 0, 1)], dtype=float)


@pytest.fixture(scope="module")
def image() -> Image:
    return Image(np.zeros((6, 30, 40), np.int16), Geometry(AFFINE, (6, 30, 40)), name="ct")


def places(node: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    rows = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, below in rows:
        yield (*way, key)
        yield from places(below, (*way, key))


def changed(content: Any, chance: random.Random) -> Any:
    made = copy.deepcopy(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        ways = list(places(made))
        if not ways:
            break
        *above, last = chance.choice(ways)
        node = made
        for key in above:
            node = node[key]
        if chance.random() < 0.2:
            del node[last]
        else:
            node[last] = copy.deepcopy(chance.choice(JUNK))
    return made


@pytest.mark.parametrize(
    "name", ["a.mrk.json", "a.json", "a.annotations.json", "a.volview.json", "boxes.json"]
)
def test_only_our_errors(tmp_path: Path, image: Image, name: str) -> None:
    quad = ((-20.0, -30.0, 16.0), (0.0, -30.0, 16.0), (0.0, 0.0, 16.0), (-20.0, 0.0, 16.0))
    array = np.zeros(image.shape, np.uint8)
    array[2, 3:9, 10:20] = 1
    document = Document(
        image, labels=[Label("a"), Label("b")], boxes=[Box("a", ((2, 5, 8), (2, 15, 20)), attributes={"n": 2.0})],
        masks=[Mask("m", image, array=array, segments={1: "b"})],
        shapes=[Shape("ruler", "a", quad[:2]), Shape("polygon", "b", quad), Shape("rectangle", "b", quad)],
    )  # fmt: skip
    path = tmp_path / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        if name == "boxes.json":
            content: Any = {"ct_0002.png": [{"label": "a", "x": 4, "y": 5, "w": 3, "h": 2}]}
        elif name == "a.volview.json":
            write(tmp_path / "a.volview.zip", document)
            import zipfile

            with zipfile.ZipFile(tmp_path / "a.volview.zip") as archive:
                content = json.loads(archive.read("manifest.json"))
        else:
            write(path, document, **({"compressed": False} if name == "a.json" else {}))
            content = json.loads(path.read_text())
        chance = random.Random(5)
        outcomes = set()
        for _ in range(250):
            path.write_text(json.dumps(changed(content, chance)))
            try:
                read(path, image=image)
                outcomes.add("read")
            except NbannotError:
                outcomes.add("refused")
    # Most changes spoil one item and leave the rest.
    assert "read" in outcomes
