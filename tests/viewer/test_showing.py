"""Verbs for several images: what they write into the view state, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nbannot.errors import EditError, GeometryError, MaskError, UnknownItemError, ViewerError
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask
from nbannot.model.transform import Transform
from nbannot.viewer import widget
from nbannot.viewer.widget import Viewer

SHAPE = (4, 6, 5)
AFFINE = np.array([[0, 0, 2.0, -10], [0, 2.0, 0, 5], [3.0, 0, 0, 7], [0, 0, 0, 1]])
EYE = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]


@pytest.fixture(autouse=True)
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("viewer.js", "loader.js", "viewer.css"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(widget, "STATIC", tmp_path)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


def volume(id: str, *, frame: str | None = None, shift: float = 0.0, **more: Any) -> Image:
    affine = AFFINE.copy()
    affine[0, 3] += shift
    values = np.random.default_rng(3).integers(0, 100, SHAPE).astype(np.int16)
    return Image(values, Geometry(affine, SHAPE, frame_of_reference=frame), id=id, name=f"the {id}", **more)


def flat(id: str, size: int = 6) -> Image:
    return Image(np.zeros((1, size, size), np.uint8), Stack.picture((size, size)), id=id)


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    images = [
        volume("base", frame="1.1"), volume("pet", frame="1.1", modality="PT"), volume("prior", frame="2.2"),
        volume("far", shift=500), volume("near", shift=7), flat("shot"), flat("wide", 8),
    ]  # fmt: skip
    masks = [Mask("a", images[0]), Mask("b", images[0]), Mask("c", images[1])]
    viewer = Viewer(Document(images, labels=["a", "b", "c"], masks=masks))
    yield viewer
    viewer.close()


def test_an_image_is_added_to_a_living_viewer(viewer: Viewer) -> None:
    heat = volume("heat", frame="1.1")
    viewer.add_image(heat)
    viewer.add_image(heat)
    assert [one.id for one in viewer.document.images].count("heat") == 1
    viewer.overlay(heat)
    viewer.document.add(Box("a", ((0, 0, 0), (0, 1, 1)), image="heat"))
    assert [layer.image for layer in viewer.layers] == [heat] and not viewer.document.can_redo


def test_nothing_is_drawn_on_a_guest_of_a_kept_session(viewer: Viewer) -> None:
    viewer.document.journal = lambda edit, revision: None
    viewer.add_image(volume("heat", frame="1.1"))
    with pytest.raises(EditError, match="no part of the case"):
        viewer.document.add(Box("a", ((0, 0, 0), (0, 1, 1)), image="heat"))
    with pytest.raises(EditError, match="no part of the case"):
        viewer.document.add(Mask("d", viewer.document.image("heat")))
    assert viewer.document.add(Box("a", ((0, 0, 0), (0, 1, 1)))) and viewer.document.revision == 1


def test_layers_are_added_changed_ordered_and_removed(viewer: Viewer) -> None:
    viewer.overlay("pet", lower=12, window=(50, 100))
    assert viewer.view["layers"] == {
        "base": [{"image": "pet", "colormap": "hot iron", "opacity": 0.5, "visible": True, "lower": 12.0}]
    }
    assert viewer.view["windows"] == {"pet": [50.0, 100.0]}
    viewer.register("prior", transform=np.eye(4))
    viewer.overlay("the prior", colormap="viridis", at=0)
    assert [layer.image.id for layer in viewer.layers] == ["prior", "pet"]
    viewer.overlay("pet", opacity=0.25, visible=False, lower=-np.inf)
    layer = viewer.layers[1]
    assert (layer.colormap, layer.opacity, layer.visible, layer.lower) == ("hot iron", 0.25, False, None)
    viewer.remove_layer("prior")
    viewer.remove_layer(viewer.document.images[1])
    assert viewer.view["layers"] == {}
    with pytest.raises(ViewerError, match="no layer"):
        viewer.remove_layer("pet")


def test_transforms_are_kept_read_back_and_forgotten(viewer: Viewer) -> None:
    import SimpleITK as sitk

    shifted = np.eye(4)
    shifted[0, 3] = 4
    assert viewer.register("prior", transform=shifted).shift == (4, 0, 0)
    entry = viewer.view["transforms"]["prior"]
    assert (entry["to"], entry["matrix"][3], entry["matrix"][12:]) == ("base", 4.0, [0.0, 0.0, 0.0, 1.0])
    # SimpleITK maps fixed to moving points.
    viewer.register("prior", transform=sitk.TranslationTransform(3, (-4, 0, 0)))
    assert np.allclose(viewer.transforms["prior"].matrix, shifted)
    # A transform made the other way round is turned.
    viewer.register("prior", transform=Transform.from_matrix(shifted, moving="base", fixed="prior"))
    assert viewer.transforms["prior"].shift == (-4, 0, 0)
    assert viewer.transforms["prior"].fixed == "base"
    # The other direction takes its place.
    viewer.register("base", "prior", transform=shifted)
    assert list(viewer.view["transforms"]) == ["base"]
    viewer.unregister("base")
    assert viewer.transforms == {}


def test_registration_from_the_viewer(viewer: Viewer, shared_data: Path) -> None:
    from nbannot.formats import read

    image = read(shared_data / "mr_prostatex0000/adc")
    assert isinstance(image.geometry, Geometry)
    shifted = np.eye(4)
    shifted[:3, 3] = 5, -4, 3
    moved = Image(image.array, Geometry(shifted @ image.geometry.affine, image.shape), id="moved")
    other = Viewer([image, moved])
    found = other.register("moved", transform="translation")
    assert np.allclose(found.shift, (-5, 4, -3), atol=0.5)
    assert other.transforms["moved"].shift == found.shift
    other.close()


def test_links(viewer: Viewer) -> None:
    assert viewer.link() == {"slice": True, "cursor": True, "camera": True, "window": False}
    assert viewer.link(window=True, camera=False) == {
        "slice": True,
        "cursor": True,
        "camera": False,
        "window": True,
    }
    assert viewer.link()["window"]


def test_comparison(viewer: Viewer) -> None:
    viewer.compare("pet", at=0.3)
    assert viewer.view["compare"] == {"image": "pet", "mode": "swipe", "at": 0.3}
    viewer.compare(None)
    assert viewer.view["compare"] is None
    viewer.difference("a", viewer.document.masks["b"])
    assert viewer.view["difference"] == [viewer.document.masks[name].id for name in "ab"]
    viewer.difference(None)
    assert viewer.view["difference"] is None


def test_planes(viewer: Viewer) -> None:
    viewer.slab("mip", 15, pane="axial")
    assert viewer.view["slabs"] == {"axial": {"mode": "mip", "mm": 15.0}}
    viewer.slab("mean", 5)
    assert set(viewer.view["slabs"]) == {"axial", "coronal", "sagittal"}
    viewer.slab(None)
    assert viewer.view["slabs"] == {}
    viewer.rotate(((0, 0, 2), 90))
    assert np.allclose(viewer.view["rotation"], (0, 0, np.sqrt(0.5), np.sqrt(0.5)))
    viewer.rotate((0, 0, 0, 2))
    assert viewer.view["rotation"] == [0.0, 0.0, 0.0, 1.0]
    viewer.rotate(None)
    assert viewer.view["rotation"] is None
    viewer.turn("coronal", -1, flip=True)
    assert viewer.view["turns"] == {"coronal": {"quarter": 3, "flip": True}}


def test_colour_maps_and_units(viewer: Viewer) -> None:
    viewer.colormap = "bone"
    assert (viewer.colormap, viewer.view["colormaps"]) == ("bone", {"base": "bone"})
    viewer.colormap = "grey"
    assert viewer.view["colormaps"] == {}
    viewer.image = "pet"
    pet: Any = viewer.image
    pet.suv = SimpleNamespace(factors={"bw": 2e-4}, reasons={"lbm": "the height is missing"})
    viewer.unit = "bw"
    assert (viewer.unit, viewer.view["units"]) == ("bw", {"pet": "bw"})
    with pytest.raises(ViewerError, match="height is missing"):
        viewer.unit = "lbm"
    viewer.unit = None
    assert (viewer.unit, viewer.view["units"]) == (None, {"pet": "stored"})


REFUSED: dict[str, tuple[Callable[[Viewer], object], type[Exception], str]] = {
    "foreign": (lambda v: v.overlay(volume("else")), ViewerError, "does not have the image.*add_image"),
    "itself": (lambda v: v.overlay("base"), ViewerError, "over itself"),
    "frames of reference": (
        lambda v: v.overlay("prior"),
        GeometryError,
        r"different frames.*viewer\.register.*eye",
    ),
    "no overlap": (lambda v: v.overlay("far"), GeometryError, "does not overlap"),
    "moved away": (lambda v: moved_away(v), GeometryError, "does not overlap"),
    "little overlap": (lambda v: v.overlay("near"), GeometryError, "less than half"),
    "a picture": (lambda v: v.overlay("shot"), GeometryError, "regular grid"),
    "other size": (lambda v: v.overlay("wide", over="shot"), GeometryError, "same size"),
    "colour map": (
        lambda v: v.overlay("pet", colormap="hott"),
        ViewerError,
        "Unknown colour map 'hott'.*hot iron",
    ),
    "opacity": (lambda v: v.overlay("pet", opacity=2), ViewerError, "0 to 1"),
    "lower": (lambda v: v.overlay("pet", lower=np.nan), ViewerError, "nan"),
    "window": (lambda v: v.overlay("pet", window="LUNG"), ViewerError, "no window 'LUNG'"),
    "singular": (
        lambda v: v.register("prior", transform=np.zeros((4, 4))),
        GeometryError,
        "last row|determinant",
    ),
    "flat": (
        lambda v: v.register("prior", transform=np.diag((1, 1, 0, 1))),
        GeometryError,
        "determinant is 0",
    ),
    "same": (lambda v: v.register("base"), ViewerError, "to itself"),
    "kind": (lambda v: v.register("prior", transform="warp"), GeometryError, "translation, rigid, affine"),
    "others'": (
        lambda v: v.register("prior", transform=Transform(np.eye(4), "x", "y")),
        GeometryError,
        "other images",
    ),
    "compare": (lambda v: v.compare("prior"), GeometryError, "frames of reference"),
    "mode": (lambda v: v.compare("pet", mode="fade"), ViewerError, "swipe, flicker"),
    "at": (lambda v: v.compare("pet", at=2), ViewerError, "0 to 1"),
    "masks of two images": (lambda v: v.difference("a", "c"), MaskError, "different images"),
    "one mask": (lambda v: v.difference("a", "a"), MaskError, "two masks"),
    "no mask": (lambda v: v.difference("a", "zz"), UnknownItemError, "zz"),
    "slab": (lambda v: v.slab("max"), ViewerError, "mip, minip, mean"),
    "thickness": (lambda v: v.slab("mip", 0), ViewerError, "above 0"),
    "pane": (lambda v: v.slab("mip", pane="oblique"), ViewerError, "axial, coronal, sagittal"),
    "quaternion": (lambda v: v.rotate((0, 0, 0, 0)), ViewerError, "quaternion"),
    "axis": (lambda v: v.rotate(((0, 0, 0), 5)), ViewerError, "quaternion"),
    "text": (lambda v: v.rotate("left"), ViewerError, "quaternion"),
    "part of a quarter": (lambda v: v.turn("axial", 0.5), ViewerError, "whole quarters"),
    "unit": (lambda v: setattr(v, "unit", "kg"), ViewerError, "bw, lbm, bsa"),
    "no PET": (lambda v: setattr(v, "unit", "bw"), ViewerError, "no PET"),
    "map": (lambda v: setattr(v, "colormap", "x"), ViewerError, "Unknown colour map"),
}


def moved_away(viewer: Viewer) -> None:
    away = np.eye(4)
    away[0, 3] = 900
    viewer.register("prior", transform=away)
    viewer.overlay("prior")


@pytest.mark.parametrize(("call", "error", "text"), list(REFUSED.values()), ids=list(REFUSED))
def test_what_makes_no_sense_is_refused(
    viewer: Viewer, call: Callable[[Viewer], object], error: type[Exception], text: str
) -> None:
    before = {key: value for key, value in viewer.view.items() if key != "transforms"}
    with pytest.raises(error, match=text):
        call(viewer)
    assert {key: value for key, value in viewer.view.items() if key != "transforms"} == before


def test_a_registered_image_can_lie_over_by_way_of_a_third(viewer: Viewer) -> None:
    viewer.register("prior", "pet", transform=np.eye(4))
    viewer.overlay("prior", over="base")
    assert viewer.view["transforms"] == {"prior": {"to": "pet", "matrix": [float(x) for x in EYE]}}
