"""Large and many radiographs in JupyterLab: one of 30 million pixels, and four mammograms hung by the protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from playwright.sync_api import Locator, expect
from pydicom.uid import generate_uid

from browser.lab import Lab
from browser.test_pictures import keep, settled
from browser.test_smaller import Array, drawn, expected
from browser.test_viewer import ask

# A real chest picture, repeated until it is as large as those of a modern detector.
LARGE = """
import numpy as np, nbannot as nb
small = nb.read({path!r}).array[0]
array = np.tile(small, (4, 3))[:6000, :5000][None].copy()
grid = nb.Geometry([[0, 0, 0.2, 0], [0, 0.2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], array.shape)
image = nb.Image(array, grid, modality="DX", windows=[nb.Window(14000, 28000)])
viewer = nb.Viewer(image, hanging=False, backend="cpu", height=420)
viewer
"""


def grey(values: Array, center: float, width: float) -> Array:
    return np.clip((values - (center - width / 2)) / width * 255, 0, 255)


def test_a_radiograph_of_30_million_pixels(lab: Lab, shared_data: Path) -> None:
    path = shared_data / "xray" / "chest_cr_RG1_J2KI.dcm"
    lab.open_notebook([LARGE.format(path=str(path)), "0"])
    lab.run_cell(0)
    root = lab.output(0).locator('[data-nbannot-root][data-nbannot-complete="true"]').first
    root.wait_for(timeout=60_000)
    view = root.locator("[data-nbannot-view]").first
    small = pydicom.dcmread(path).pixel_array
    picture = np.tile(small, (4, 3))[:6000, :5000]
    # It opens fitted: all of it is on the canvas.
    lab.still()
    pixels = lab.canvas_pixels(view.locator("canvas").first)
    rows, columns = np.nonzero(pixels[..., :3].any(axis=-1))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height / pixels.shape[0] > 0.9 or width / pixels.shape[1] > 0.9
    assert abs(height / width - 6000 / 5000) < 0.03
    seen = drawn(lab, view, 8)
    values, inside = expected(picture, 8, seen.shape[:2])
    assert np.abs(seen - grey(values, 14000, 28000))[inside].max() <= 1.01
    # One pixel of the image is one of the screen at its corner, in another window.
    pane = view.get_attribute("data-nbannot-view")
    lab.run_python(
        f"viewer.window = (9000, 9000); viewer.view = {{**viewer.view, 'pan': {{{pane!r}: [-500, -600]}}}}"
    )
    seen = drawn(lab, view, 1)[..., 0]
    high, wide = seen.shape
    corner = grey(picture[: high // 2 - 4, : wide // 2 - 4].astype(float), 9000, 9000)
    there = min(
        float(np.abs(seen[j : j + corner.shape[0], i : i + corner.shape[1]] - corner).max())
        for j in range(high // 2 - 1, high // 2 + 2)
        for i in range(wide // 2 - 1, wide // 2 + 2)
    )
    assert there <= 1.01
    assert not seen[: high // 2 - 1].any() and not seen[:, : wide // 2 - 1].any(), "nothing beyond the corner"


FOUR = """
import json, nbannot as nb
images = nb.read({folder!r})
viewer = nb.Viewer(images, height=720, backend="cpu")
viewer.view = {{**viewer.view, "panel": False, "thumbnails": False}}
viewer
"""


def test_four_mammograms_hang_right(lab: Lab, shared_data: Path, tmp_path: Path) -> None:
    file = pydicom.dcmread(shared_data / "mg" / "MG1_J2KI.dcm")
    file.Modality = "MG"  # an MLO view of a left breast, named and mirrored four ways
    for number, (side, view) in enumerate((("L", "MLO"), ("R", "CC"), ("L", "CC"), ("R", "MLO"))):
        file.Laterality, file.ViewPosition, file.SeriesNumber = side, view, number
        file.SeriesDescription = f"{side} {view}"
        file.SeriesInstanceUID, file.SOPInstanceUID = generate_uid(), generate_uid()
        file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
        file.save_as(tmp_path / f"{side}{view}.dcm")
    lab.page.set_viewport_size({"width": 1100, "height": 900})
    lab.open_notebook([FOUR.format(folder=str(tmp_path)), "0"])
    lab.run_cell(0)
    root = settled(lab)
    keep(lab, root, "mammograms")
    panes = root.locator("[data-nbannot-view]")
    expect(panes).to_have_count(4)
    lab.still()
    places = []
    for n in range(4):
        box = panes.nth(n).bounding_box()
        assert box is not None
        places.append((round(box["y"]), round(box["x"]), n))
    names = "{one.id: one.laterality + one.view_position for one in images.values()}"
    rows = "viewer.view['layout']['column']"
    hung = f"[[({names})[cell['image']] for cell in row['row']] for row in {rows}]"
    assert ask(lab, hung) == [["RCC", "LCC"], ["RMLO", "LMLO"]]
    order = [n for *_, n in sorted(places)]
    pictures = []
    for at, wanted in zip(order, "RLRL", strict=True):
        pane = panes.nth(at)
        # Right breasts at the left, left ones at the right; the chest walls meet in the middle.
        expect(pane.locator(".nbannot-edge-e" if wanted == "R" else ".nbannot-edge-w").first).to_have_text(
            "P"
        )
        pictures.append(lab.canvas_pixels(pane.locator("canvas").first)[..., 0].astype(float))
    for right, left in (pictures[:2], pictures[2:]):
        assert right.shape == left.shape
        assert left.max() > 100
        assert np.abs(right[:, ::-1] - left).mean() < 1, "the same file, mirrored"
    # Fitted, each has its chest wall at the inner edge of its pane, and that stays so after a look at details.
    assert [touches(lab, panes.nth(at)) for at in order] == ["right", "left"] * 2
    panes.nth(order[2]).hover()
    lab.page.keyboard.press("+")
    lab.until(lambda: ask(lab, "len(viewer.view['zoom'])") == 4, "all four are enlarged")
    lab.page.keyboard.press("f")
    lab.until(lambda: ask(lab, "len(viewer.view['zoom']) + len(viewer.view['pan'])") == 0, "all four fit")
    lab.still()
    assert [touches(lab, panes.nth(at)) for at in order] == ["right", "left"] * 2


def touches(lab: Lab, pane: Locator) -> str:
    """The edges of its pane that a picture reaches across."""
    filled = (lab.canvas_pixels(pane.locator("canvas").first)[..., 3] == 255).any(axis=0)
    return " ".join(name for name, there in (("left", filled[0]), ("right", filled[-1])) if there)
