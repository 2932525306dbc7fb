"""Static pictures: the voxels they show, checked against SimpleITK and by hand, and what they hold beside pixels."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nbannot.errors import ViewerError
from nbannot.formats import read
from nbannot.host.pane import Pane, Scene
from nbannot.host.panes import Cell, arrange, cells
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Window
from nbannot.model.masks import Mask
from nbannot.viewer.pen import show_number
from nbannot.viewer.picture import Picture, bar, draw, slab_text
from viewer import pictures


def pane(
    image: Image | Document, view: dict[str, Any], id: str = "axial", size: tuple[int, int] = (300, 260)
) -> Pane:
    document = image if isinstance(image, Document) else Document(image)
    return Scene(document, view).pane(id, *size)


def resampled(image: Image, shown: Pane, way: NDArray[Any] | None = None) -> NDArray[Any]:
    """What SimpleITK finds under the pixels of a pane; NaN outside the image."""
    import SimpleITK as sitk

    affine = image.geometry.affine
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    volume = sitk.GetImageFromArray(image.array.astype(np.float64))
    volume.SetSpacing(steps[::-1].tolist())
    volume.SetOrigin(affine[:3, 3].tolist())
    volume.SetDirection((affine[:3, :3] / steps)[:, ::-1].ravel().tolist())
    frame, camera = shown.frame, shown.camera
    x, y = camera.pan
    mm = camera.mm_per_px
    corner = frame.to_world((x + (0.5 - shown.width / 2) * mm, y + (0.5 - shown.height / 2) * mm))
    axes = frame.axes
    grid = sitk.ResampleImageFilter()
    grid.SetSize((shown.width, shown.height, 1))
    grid.SetOutputSpacing((mm, mm, 1))
    grid.SetOutputOrigin(corner.tolist())
    grid.SetOutputDirection(
        np.stack((axes.right, axes.down, np.cross(axes.right, axes.down)), axis=1).ravel().tolist()
    )
    grid.SetInterpolator(sitk.sitkLinear)
    grid.SetDefaultPixelValue(np.nan)
    if way is not None:
        transform = sitk.AffineTransform(3)
        transform.SetMatrix(way[:3, :3].ravel().tolist())
        transform.SetTranslation(way[:3, 3].tolist())
        grid.SetTransform(transform)
    found: NDArray[Any] = sitk.GetArrayFromImage(grid.Execute(volume))[0]
    return found


def greys(values: NDArray[Any], lower: float, upper: float) -> NDArray[Any]:
    return np.clip(np.floor((np.asarray(values, dtype=float) - lower) * 255 / (upper - lower) + 0.5), 0, 255)


@pytest.fixture(scope="module")
def mr(shared_data: Path) -> Image:
    image: Image = read(shared_data / "mr_prostatex0000/t2_tra")
    return image


VIEWS: dict[str, tuple[str, dict[str, Any]]] = {
    "axial": ("axial", {}),
    "coronal": ("coronal", {}),
    "sagittal": ("sagittal", {"zoom": {"sagittal": 0.31}, "pan": {"sagittal": [7.5, -3.25]}}),
    "turned": ("axial", {"turns": {"axial": {"quarter": 1, "flip": True}}}),
    "oblique": ("oblique", {"layout": "oblique", "rotation": [0.1, -0.2, 0.3, float(np.sqrt(0.86))]}),
    "free": ("coronal", {"rotation": [0, 0, float(np.sin(0.2)), float(np.cos(0.2))]}),
}


@pytest.mark.parametrize(("id", "view"), list(VIEWS.values()), ids=list(VIEWS))
def test_pixels_are_those_of_simpleitk(mr: Image, id: str, view: dict[str, Any]) -> None:
    shown = pane(mr, {**view, "windows": {mr.id: [500, 1000]}}, id)
    picture = shown.paint(1.0)
    expected = greys(resampled(mr, shown), 0, 1000)
    inside = np.isfinite(expected)
    assert inside.mean() > 0.15
    assert np.abs(picture[..., 0][inside] - expected[inside]).max() <= 1
    assert (picture.min(axis=-1) == picture.max(axis=-1)).all()


def test_a_layer_is_sampled_in_its_own_grid_through_the_transform(mr: Image, shared_data: Path) -> None:
    adc: Image = read(shared_data / "mr_prostatex0000/adc")
    matrix = np.eye(4)
    matrix[:3, :3] = [[np.cos(0.1), -np.sin(0.1), 0], [np.sin(0.1), np.cos(0.1), 0], [0, 0, 1]]
    matrix[:3, 3] = 4, -6, 2
    view = {
        "windows": {mr.id: [500, 1000], adc.id: [1000, 2000]},
        "layers": {
            mr.id: [{"image": adc.id, "colormap": "grey", "opacity": 0.25, "visible": True, "lower": 300}]
        },
        "transforms": {adc.id: {"to": mr.id, "matrix": matrix.ravel().tolist()}},
    }
    shown = pane(Document([mr, adc]), view)
    under = greys(resampled(mr, shown), 0, 1000)
    # The transform leads from the layer to the base: its pixels are looked up the other way.
    values = resampled(adc, shown, np.linalg.inv(matrix))
    part = np.where(np.nan_to_num(values, nan=-1) >= 300, 0.25, 0)
    expected = under + (greys(np.nan_to_num(values), 0, 2000) - under) * part
    inside = np.isfinite(expected) & np.isfinite(values) & (np.abs(np.nan_to_num(values) - 300) > 1)
    assert (part > 0).mean() > 0.2
    assert np.abs(shown.paint(1.0)[..., 0][inside] - expected[inside]).max() <= 1.5


def test_a_slab_is_the_largest_of_its_slices(mr: Image) -> None:
    view = {"windows": {mr.id: [500, 1000]}}
    thin = [
        pane(mr, {**view, "cursor": mr.geometry.to_world((k, 190, 190)).tolist()}).paint(1.0)
        for k in (8, 9, 10)
    ]
    middle = {**view, "cursor": mr.geometry.to_world((9, 190, 190)).tolist()}
    thick = pane(mr, {**middle, "slabs": {"axial": {"mode": "mip", "mm": 9}}}).paint(1.0)
    assert np.array_equal(thick, np.max(thin, axis=0))
    mean = pane(mr, {**middle, "slabs": {"axial": {"mode": "mean", "mm": 9}}}).paint(1.0)
    assert np.abs(mean - np.mean(thin, axis=0)).max() < 90
    assert np.abs(mean - np.mean(thin, axis=0)).mean() < 1


GRID = Geometry(np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]]), (6, 40, 40))


@pytest.fixture
def painted() -> Iterator[Document]:
    image = Image(np.full((6, 40, 40), 100, np.uint8), GRID, id="one")
    other = Image(np.full((6, 40, 40), 200, np.uint8), GRID, id="two")
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:, 10:20, 10:20] = 1
    more = np.zeros(GRID.shape, np.uint8)
    more[:, 15:25, 10:20] = 1
    masks = [Mask("a", image, array=labels), Mask("b", image, array=more)]
    document = Document([image, other], labels=["a", "b"], masks=masks)
    yield document


def test_masks_are_filled_and_outlined(painted: Document) -> None:
    view = {"layout": "axial", "windows": {"one": [127.5, 255]}, "hidden": [painted.labels["b"].id]}
    out = pane(painted, view, size=(160, 160)).paint(1.0)
    color = np.array([int(painted.labels["a"].color[n : n + 2], 16) for n in (1, 3, 5)])
    # 4 px a voxel: the square is 40 to 80.
    assert np.array_equal(out[40, 60], color)
    assert np.array_equal(out[60, 79], color)
    assert np.array_equal(out[60, 60], np.floor(100 + (color - 100) * 0.35 + 0.5))
    assert np.array_equal(out[39, 60], (100, 100, 100))
    wide = {**view, "segments": {painted.labels["a"].id: {"width": 3, "outline": 0.5, "fill": 0}}}
    out = pane(painted, wide, size=(160, 160)).paint(1.0)
    assert np.array_equal(out[42, 60], np.floor(100 + (color - 100) * 0.5 + 0.5))
    assert np.array_equal(out[43, 60], (100, 100, 100))
    assert (pane(painted, {**view, "overlay": False}, size=(160, 160)).paint(1.0) == 100).all()
    assert (pane(painted, view, size=(160, 160)).paint(1.0, labels=False) == 100).all()


def test_the_difference_of_two_masks(painted: Document) -> None:
    ids = [mask.id for mask in painted.masks]
    view = {"layout": "axial", "windows": {"one": [127.5, 255]}, "difference": ids}
    out = pane(painted, view, size=(160, 160)).paint(1.0)
    red, green, blue = (out[y, 60].tolist() for y in (50, 70, 90))
    assert [int(np.argmax(one)) for one in (red, green, blue)] == [0, 1, 2]


def test_swipe_and_flicker(painted: Document) -> None:
    view = {"layout": "axial", "windows": {"one": [127.5, 255], "two": [127.5, 255]}, "overlay": False}
    swiped = pane(
        painted, {**view, "compare": {"image": "two", "mode": "swipe", "at": 0.25}}, size=(160, 160)
    ).paint(1)
    assert (swiped[:, :40] == 100).all()
    assert (swiped[:, 40:] == 200).all()
    for at, grey in ((0.4, 100), (0.5, 200)):
        shown = pane(
            painted, {**view, "compare": {"image": "two", "mode": "flicker", "at": at}}, size=(160, 160)
        )
        assert (shown.paint(1) == grey).all()


def test_boxes_are_drawn_on_their_slices(painted: Document) -> None:
    painted.add(Box("a", index=((2, 5, 5), (3, 30, 30))))
    base = {"layout": "axial", "overlay": True, "hidden": [painted.labels["b"].id]}
    on = draw(painted, {**base, "cursor": [0, 0, 2]}, width=400)
    off = draw(painted, {**base, "cursor": [0, 0, 5]}, width=400)
    color = [int(painted.labels["a"].color[n : n + 2], 16) for n in (1, 3, 5)]
    assert on.array[305, 200].tolist() == color
    assert off.array[305, 200].tolist() != color


def chunks(png: bytes) -> dict[str, bytes]:
    found, at = {}, 8
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        found[name.decode()] = png[at + 8 : at + 8 + length]
        assert (
            zlib.crc32(png[at + 4 : at + 8 + length])
            == struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0]
        )
        at += 12 + length
    return found


def test_the_file_holds_pixels_and_a_scale_alone(mr: Image, tmp_path: Path) -> None:
    picture = draw(Document(mr), {"zoom": {"axial": 0.25}}, pane="axial", width=300, ratio=2)
    assert picture.array.shape == (600, 600, 3)
    path = picture.save(tmp_path / "figure.png")
    found = chunks(path.read_bytes())
    assert set(found) == {"IHDR", "pHYs", "IDAT", "IEND"}
    # 0.25 mm a px, two pixels a px: 8000 pixels a metre.
    assert struct.unpack(">IIB", found["pHYs"]) == (8000, 8000, 1)
    data, shown = picture._repr_png_()
    assert (data, shown) == (path.read_bytes(), {"width": 300, "height": 300})
    assert "pHYs" not in chunks(draw(Document(mr), {}, width=600).png())
    with pytest.raises(ViewerError, match=r"\.png"):
        picture.save(tmp_path / "figure.jpg")


def test_the_name_of_the_image_is_not_on_it(mr: Image) -> None:
    named = Image(mr.array, mr.geometry, id=mr.id, name="DOE^JANE 1950", modality="MR", windows=mr.windows)
    for view in ({}, {"layout": "single"}, {"layout": "four-up"}):
        assert np.array_equal(draw(Document(named), view).array, draw(Document(mr), view).array)


def test_burned_in_images_are_refused(mr: Image) -> None:
    marked: Any = Image(mr.array, mr.geometry, windows=mr.windows)
    marked.burned_in = True
    with pytest.raises(ViewerError, match=r"who the patient is.*allow_burned_in=True"):
        draw(Document(marked), {})
    layered = {"layers": {mr.id: [{"image": marked.id, "colormap": "grey", "opacity": 1, "lower": None}]}}
    with pytest.raises(ViewerError, match="who the patient is"):
        draw(Document([mr, marked]), layered)
    assert draw(Document(marked), {}, allow_burned_in=True).array.any()


@pytest.mark.parametrize("more", [{"width": 20}, {"height": 9000}, {"ratio": 9}, {"pane": "oblique"}])
def test_impossible_pictures_are_refused(mr: Image, more: dict[str, Any]) -> None:
    with pytest.raises(ViewerError):
        draw(Document(mr), {}, **more)


def test_volumes_are_projected_from_the_front(shared_data: Path) -> None:
    image: Image = read(shared_data / "nifti_totalsegmentator/ct.nii.gz")
    values = image.array.astype(np.float32)
    picture = pane(image, {"layout": "3d"}, "volume", (150, 150)).paint(1.0)[..., 0].astype(float)
    # Array (k: S, j: A, i: R): the front view is the maximum over j, with the head up and the right at the left.
    front = values.max(axis=1)[::-1, ::-1]
    from scipy.ndimage import zoom

    extent = max(front.shape)
    small = zoom(front, 150 / extent, order=1, mode="nearest", grid_mode=True)
    top, left = (150 - small.shape[0]) // 2, (150 - small.shape[1]) // 2
    shown = picture[top : top + small.shape[0], left : left + small.shape[1]]
    small = np.clip(small, *np.percentile(small, (2, 99)))

    def alike(other: NDArray[Any]) -> float:
        return float(np.corrcoef(shown.ravel(), other.ravel())[0, 1])

    assert alike(small) > 0.93
    assert max(alike(small[::-1]), alike(small[:, ::-1])) < 0.8


@pytest.mark.parametrize(
    "path",
    [
        "us/echo_ybr_30frames.dcm",
        "mg/MG1_J2KI.dcm",
        "odd/gantry_tilt_dicom2nifti",
        "xray/chest_cr_monochrome1.dcm",
    ],
)
def test_all_kinds_of_images_have_a_picture(shared_data: Path, path: str) -> None:
    image: Image = read(shared_data / path)
    picture = draw(Document(image), {}, width=320)
    assert isinstance(picture, Picture)
    assert len(np.unique(picture.array)) > 40


def test_a_slice_of_a_stack_is_shown_as_stored() -> None:
    values = np.arange(2 * 20 * 30, dtype=np.uint16).reshape(2, 20, 30)
    image = Image(values, Stack.picture((20, 30), frames=2), id="s")
    out = pane(image, {"slice": {"s": 1}, "windows": {"s": [900, 600]}}, "acquisition", (30, 20)).paint(1.0)
    assert np.array_equal(out[..., 0], greys(values[1], 600, 1200))
    inverted = Image(values, Stack.picture((20, 30), frames=2), id="s", photometric="MONOCHROME1")
    out = pane(inverted, {"slice": {"s": 1}, "windows": {"s": [900, 600]}}, "acquisition", (30, 20)).paint(
        1.0
    )
    assert np.array_equal(out[..., 0], 255 - greys(values[1], 600, 1200))


def test_words() -> None:
    assert [show_number(x) for x in (40, -600.0, 1500, 0.00012, 12.3456, 0.123456)] == [
        "40", "−600", "1500", "1.20e−04", "12.35", "0.123",
    ]  # fmt: skip
    slabs = [("mip", 20, 0.98), ("minip", 5, 3.27), ("mean", 5, 4.851), ("mip", 5, 3.6), ("mip", 100, 0.05)]
    assert [slab_text(*one) for one in slabs] == [
        "MIP 20 mm", "MinIP 6.54 mm (2 slices)", "mean 5 mm", "One slice, 3.6 mm", "MIP 51.2 mm (1024 slices)",
    ]  # fmt: skip
    assert bar(0.5, 140, "mm") == (100, "5 cm")
    assert bar(0.01, 140, "mm") == (100, "1 mm")
    assert bar(1, 140, "px") == (100, "100 px")


def test_layouts_tile_their_space() -> None:
    names = ["mpr", "four-up", "oblique", "3d-primary", "compare-2x2", "compare-1x3", "single"]
    trees: list[Any] = [
        {"row": [{"plane": "axial"}, {"column": [{"plane": "axial"}, {"plane": "volume"}], "sizes": [1, 3]}]}
    ]
    for layout in [*names, *trees]:
        made = arrange(layout, planes=True, images=["a", "b"])
        assert len({one.id for one in made.panes}) == len(made.panes)
        for width, height in ((900, 540), (600, 600), (400, 900)):
            covered = np.zeros((height, width), dtype=int)
            for cell in cells(made, width, height):
                covered[cell.y : cell.y + cell.height, cell.x : cell.x + cell.width] += 1
            assert covered.max() == 1, layout
            assert (covered == 0).mean() < 0.03, layout
    assert cells(made, 100, 50, only="axial-2") == [Cell("axial-2", 0, 0, 100, 50)]
    assert [one.image for one in arrange("compare-1x2", planes=True, images=["a", "b"]).panes] == ["a", "b"]
    assert arrange("four-up", planes=False, images=["a"]).panes[0].plane == "acquisition"


def test_colours_planes_and_cells_are_those_that_the_browser_checks() -> None:
    assert json.loads(json.dumps(pictures.everything())) == json.loads(
        pictures.FILE.read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("id", ["axial", "coronal", "sagittal", "oblique"])
def test_a_sheared_grid_is_shown_without_distortion(id: str) -> None:
    affine, shape = pictures.GRIDS["sheared"]
    grid = Geometry(affine, shape)
    # Values that grow evenly in the world show where each pixel is.
    slope = np.array((7.0, 3.0, 5.0))
    values = (grid.to_world(np.moveaxis(np.indices(shape), 0, -1)) @ slope).astype(np.float32)
    image = Image(values, grid, id="s")
    shown = pane(image, {"layout": "oblique", "rotation": [0.1, 0, 0, float(np.sqrt(0.99))]}, id, (90, 80))
    frame, mm = shown.frame, shown.camera.mm_per_px
    low, high = float(values.min()), float(values.max())
    out = shown_with(shown, (low + high) / 2, high - low).paint(1.0)[..., 0]
    x, y = np.meshgrid((np.arange(90) + 0.5 - 45) * mm, (np.arange(80) + 0.5 - 40) * mm)
    world = frame.to_world(np.stack((x, y), axis=-1))
    index = grid.to_index(world)
    if frame.axes.axis is not None:
        assert np.allclose(index[..., frame.axes.axis], frame.slice)
    inside = ((index >= 0) & (index <= np.array(shape) - 1)).all(axis=-1)
    assert inside.mean() > 0.1
    assert np.abs(out[inside] - greys(world @ slope, low, high)[inside]).max() <= 1


def shown_with(shown: Pane, center: float, width: float) -> Pane:
    view = {**shown.view, "windows": {shown.image.id: [center, width]}}
    return Scene(shown.scene.document, view).pane(shown.spec.id, shown.width, shown.height)


def breast(side: str, view: str, columns: int, rows: int) -> Image:
    """A bright breast of half the picture's width, its chest wall at the file's left edge for both sides."""
    values = np.zeros((1, rows, columns), dtype=np.uint16)
    values[:, :, : columns // 2] = 1000
    directions = ("A", side if view == "CC" else "F")
    return Image(
        values, Stack.picture((rows, columns)), id=side + view, modality="MG", windows=[Window(500, 1000)],
        laterality=side, view_position=view, orientation_labels=directions,
    )  # fmt: skip


def test_mammograms_meet_at_the_chest_wall_in_one_scale() -> None:
    views = [("R", "CC", 50, 80), ("L", "CC", 50, 60), ("R", "MLO", 40, 80), ("L", "MLO", 50, 80)]
    document = Document([breast(*one) for one in views])
    ids = [[a + b for a, b, *_ in views[n : n + 2]] for n in (0, 2)]
    rows = [{"row": [{"plane": "acquisition", "image": id, "id": id} for id in row]} for row in ids]
    view: dict[str, Any] = {"layout": {"column": rows}, "interpolate": False}
    half = 400
    out = draw(document, view, width=2 * half + 2, height=2 * half + 2, scale_bar=False).array[..., 0] > 100
    # All 80 rows fill 400 px, so that one pixel of the image is 5 of the picture in all four.
    for top, (right, left) in ((0, (25, 25)), (half + 2, (20, 25))):
        middle = out[top + half // 2 - 30]  # where no letters are
        assert np.flatnonzero(middle[:half]).tolist() == list(range(half - 5 * right, half))
        assert np.flatnonzero(middle[half + 2 :]).tolist() == list(range(5 * left))
    short = out[: half + 2, half + 2 + 20]
    assert short[:half].sum() == 60 * 5, "the smaller picture has the scale of the others"
    # What the user did stays: one in the middle; and one that is alone is there anyway.
    moved = draw(document, {**view, "pan": {"RCC": (0, 0)}}, width=802, height=802, scale_bar=False)
    ends = np.flatnonzero(moved.array[170, :half, 0] > 100)[[0, -1]]
    assert ends.tolist() == [200, 200 + 124]
    alone = draw(document, view, pane="RCC", width=400, height=400, scale_bar=False).array[170, :, 0] > 100
    assert np.flatnonzero(alone)[[0, -1]].tolist() == [200, 324]


def test_images_of_one_space_are_fitted_in_one_scale() -> None:
    def square(id: str, size: int, frame: str = "one") -> Image:
        affine = np.array([[0, 0, 1.0, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
        geometry = Geometry(affine, (4, size, size), frame_of_reference=frame)
        return Image(np.zeros((4, size, size), np.int16), geometry, id=id)

    def scales(*images: Image, **view: Any) -> list[float]:
        scene = Scene(Document(images), {"layout": "compare-1x2", **view})
        return [round(300 * one.camera.mm_per_px) for one in scene.place(cells(scene.arrangement, 602, 300))]

    ct, pet = square("ct", 100), square("pet", 120)
    assert scales(ct, pet) == [120, 120]
    assert scales(ct, pet, links={"camera": False}) == [100, 120]
    assert scales(ct, square("large", 200)) == [100, 200]
    assert scales(ct, square("far", 120, "two")) == [100, 120]


@pytest.mark.parametrize(
    ("side", "view", "given", "turn"),
    [
        ("L", "MLO", ("A", "FR"), (0, False)),
        ("R", "MLO", ("A", "FL"), (0, True)),
        ("R", "CC", ("P", "R"), (2, True)),
        ("L", "CC", ("P", "L"), (2, False)),
    ],
)
def test_mammograms_are_hung_as_in_the_viewer(
    side: str, view: str, given: tuple[str, str], turn: tuple[int, bool]
) -> None:
    image = Image(np.zeros((1, 4, 4), np.uint8), Stack.picture((4, 4)), modality="MG", laterality=side,
                  view_position=view, orientation_labels=given)  # fmt: skip
    assert pane(image, {}, "acquisition").turn == turn
