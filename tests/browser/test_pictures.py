"""The pictures of the documentation, made from the demo's images and looked at by the test as well.

They go to test-output/pictures, and to docs/images with NBANNOT_WRITE_PICTURES=1.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Locator

from browser.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ("docs/images" if os.environ.get("NBANNOT_WRITE_PICTURES") else "test-output/pictures")
MOST_BYTES = 350_000
SMALLEST_TEXT = 11  # CSS px

CHEST = """
import numpy as np, nbannot as nb
ct = nb.read({folder!r} + "/chest/ct")
viewer = nb.Viewer(ct, labels=["nodule", "liver", "aorta"], height=620, window="SOFT TISSUE")
nodule = np.array(ct.geometry.to_index((-74, 22, 205)))
mm = np.stack(np.indices(ct.shape), axis=-1) - nodule
ball = np.linalg.norm(mm * ct.geometry.spacing, axis=-1)
viewer.document.masks["nodule"].paint((ball < 14) & (ct.array > -400))
reach = np.array(16 / np.array(ct.geometry.spacing))
viewer.document.add(nb.Box("nodule", index=(nodule - reach, nodule + reach)))
viewer.goto(world=(-74, 22, 205))
viewer.view = {{**viewer.view, "panel": True, "opacity": 0.5}}
viewer
"""
PET = """
import nbannot as nb
pet = nb.read({folder!r} + "/chest/pet")
viewer = nb.Viewer(pet, labels=["hot spot"], height=620)
viewer.document.masks["hot spot"].paint(pet.array > 20_000)
viewer.goto(world=(-74, 22, 205))
viewer.view = {{**viewer.view, "panel": True}}
viewer
"""
LAYERS = """
import nbannot as nb
ct, pet = nb.read({folder!r} + "/chest/ct"), nb.read({folder!r} + "/chest/pet")
viewer = nb.Viewer([ct, pet], labels=["nodule"], height=620, window="SOFT TISSUE")
layer = {{"image": pet.id, "colormap": "hot iron", "opacity": 0.5, "visible": True, "lower": None}}
top = 10 / pet.suv_factor("bw")
viewer.goto(world=(-74, 22, 205))
windows = {{**viewer.view["windows"], pet.id: [top / 2, top]}}
viewer.view = {{**viewer.view, "panel": True, "layers": {{ct.id: [layer]}}, "windows": windows}}
viewer
"""
FUSED = """
import nbannot as nb
ct, pet = nb.read({folder!r} + "/chest/ct"), nb.read({folder!r} + "/chest/pet")
viewer = nb.Viewer([ct, pet], labels=["nodule"], height=620)
viewer.goto(world=(-74, 22, 205))
viewer.view = {{**viewer.view, "panel": True}}
viewer
"""
SOLID = """
import numpy as np, nbannot as nb
ct = nb.read({folder!r} + "/chest/ct")
viewer = nb.Viewer(ct, labels=["nodule"], height=620, layout="four-up")
mm = (np.stack(np.indices(ct.shape), axis=-1) - ct.geometry.to_index((-74, 22, 205))) * ct.geometry.spacing
viewer.document.masks["nodule"].paint(np.linalg.norm(mm, axis=-1) < 14)
viewer.goto(world=(-74, 22, 205))
viewer.rotate(((1, 0, 0), 15))
viewer.slab("mip", 20, pane="axial")
viewer
"""
BRAIN = """
import numpy as np, nbannot as nb
brain = nb.read({folder!r} + "/brain/mni152_t1.nii.gz")
viewer = nb.Viewer(brain, labels=["grey matter", "lesion"], height=620, window=(480, 1000))
grey = nb.read({folder!r} + "/brain/grey_matter.nii.gz").array > 0
viewer.document.masks["grey matter"].paint(grey)
away = np.stack(np.indices(brain.shape), axis=-1) - brain.geometry.to_index((-24, -28, 28))
viewer.document.masks["lesion"].paint(np.linalg.norm(away / (1, 1.3, 0.9), axis=-1) < 7)
viewer.goto(world=(-24, -28, 28))
viewer.label = "lesion"
viewer.view = {{**viewer.view, "panel": True, "opacity": 0.3}}
viewer
"""
SHAPES = """
import nbannot as nb
ct = nb.read({folder!r} + "/chest/ct")
margin = nb.Attribute("margin", "choice", options=("smooth", "lobulated", "spiculated"))
labels = [nb.Label("nodule", attributes=(margin,)), "aorta", "bones"]
viewer = nb.Viewer(ct, labels=labels, layout="axial", height=720, window="SOFT TISSUE")
z = ct.geometry.to_world(ct.geometry.to_index((-74, 22, 205)).round())[2]
def draw(kind, label, *places, **more):
    viewer.document.add(nb.Shape(kind, label, [(x, y, z) for x, y in places], normal=(0, 0, 1), **more))
draw("ruler", "aorta", (14, 34), (41, 34))
draw("angle", "bones", (-98, -62), (0, -92), (98, -62))
draw("polygon", "aorta", (-19, -25), (-8, -31), (3, -27), (9, -16), (12, -3), (8, 0), (0, -2), (-15, -7), (-20, -15))
draw("ellipse", "bones", (0, 52), (0, 76), (-14, 64), (14, 64))
draw("bidirectional", "nodule", (-85, 22), (-63, 22), (-74, 12), (-74, 32), attributes={{"margin": "lobulated"}})
viewer.goto(world=(0, 0, z))
viewer.tool = "select"
selected = [one.id for one in viewer.document.shapes]
more = {{"panel": True, "crosshair": False, "zoom": {{"axial": 0.5}}, "selected": selected}}
viewer.view = {{**viewer.view, **more}}
viewer
"""
OUTLINES = """
import numpy as np
for one in list(viewer.document.shapes):
    viewer.document.remove(one)
thick, turns = ct.geometry.spacing[0], np.linspace(0, 2 * np.pi, 12, endpoint=False)
for step, size in ((-4, 0.5), (0, 1), (3, 0.6)):
    bumps = size * (1 + 0.12 * np.sin(3 * turns + step))
    at = [(-74 + 12 * r * np.cos(t), 22 + 11 * r * np.sin(t), z + step * thick) for r, t in zip(bumps, turns)]
    last = nb.Shape("closed-spline", "nodule", at, lesion="T1", name=f"outline {step:+d}", normal=(0, 0, 1))
    viewer.document.add(last)
pair = [(-86, 22, z), (-62, 22, z), (-74, 12, z), (-74, 33, z)]
viewer.document.add(nb.Shape("bidirectional", "nodule", pair, lesion="T1", normal=(0, 0, 1)))
low = ct.geometry.to_index((-92, 4, z - 5 * thick))
high = ct.geometry.to_index((-56, 40, z + 4 * thick))
box = nb.Box("nodule", index=np.sort([low, high], axis=0), name="target 1", lesion="T1")
viewer.document.add(box)
viewer.goto(world=(-74, 22, z + thick))
viewer.planes = [["axial", "coronal"]]
more = {"zoom": dict.fromkeys(("axial", "coronal"), 0.32), "panel": False}
viewer.view = {**viewer.view, **more, "pan": dict(axial=(-52, 24), coronal=(-52, -58)), "selected": [box.id, last.id]}
"""
SEGMENTS = """
import nbannot as nb
ct = nb.read({folder!r} + "/chest/ct")
ask = nb.Attribute("texture", "choice", options=("solid", "part-solid", "ground glass"), required=True)
labels = [nb.Label("lungs", "#56b4e9"), nb.Label("bone", "#f0e442"),
          nb.Label("tumour", "#d55e00", parent="lungs", scope=("lesion",), attributes=(ask,))]
viewer = nb.Viewer(ct, labels=labels, height=660, window="SOFT TISSUE")
body = nb.Mask("body", ct)
nb.ops.threshold(body, -300)
nb.ops.islands(body)
nb.ops.fill_holes(body, "2d")
lungs, bone, tumour = (viewer.document.masks[label.name] for label in labels)
nb.ops.threshold(lungs, -1024, -500, inside=body)
nb.ops.islands(lungs, "minimum", minimum=50_000)
nb.ops.threshold(bone, 200, inside=body)
nb.ops.islands(bone, "minimum", minimum=1000)
nb.ops.region_grow(tumour, lo=-300, hi=200, radius=18, world=(-74, 22, 205))
viewer.goto(world=(-74, 22, 205))
viewer.label = "tumour"
viewer.view = {{**viewer.view, "panel": True, "opacity": 0.35, "crosshair": False}}
viewer
"""
CLIP = """
import nbannot as nb
clip = nb.read({folder!r} + "/ultrasound.dcm")
viewer = nb.Viewer(clip, labels=["finding"], height=560)
viewer.document.add(nb.Box("finding", index=((0, 90, 120), (0, 150, 200))))
viewer.view = {{**viewer.view, "panel": True}}
viewer
"""


def show(lab: Lab, cell: str, folder: Path, *, width: int = 1100) -> Locator:
    """Run the cell and return its viewer, quiet and complete."""
    lab.page.set_viewport_size({"width": width, "height": 900})
    lab.open_notebook([cell.format(folder=str(folder / "images")), "0"])
    lab.run_cell(0)
    return settled(lab)


def settled(lab: Lab) -> Locator:
    root = lab.output(0).locator('[data-nbannot-root][data-nbannot-complete="true"]').first
    root.wait_for(timeout=60_000)
    lab.page.mouse.move(2, 2)
    lab.still()
    return root


def keep(lab: Lab, root: Locator, name: str) -> npt.NDArray[np.uint8]:
    """Write the picture of a viewer, as small as it can be, and return its RGB pixels."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Image.open(lab.screenshot(f"raw-{name}", element=root)) as shot:
        picture = shot.convert("RGB")
    target = FOLDER / f"{name}.png"
    picture.save(target, optimize=True)
    assert 8_000 < target.stat().st_size < MOST_BYTES
    return np.asarray(picture)


def view(root: Locator, name: str) -> Locator:
    return root.locator(f'[data-nbannot-view="{name}"]')


def letters(root: Locator, name: str) -> list[str]:
    """Letters at the left, right, top and bottom of a view."""
    return [view(root, name).locator(f".nbannot-edge-{side}").inner_text() for side in "wens"]


def middle_of(lab: Lab, root: Locator, name: str, color: str) -> tuple[float, float]:
    """Where in a view, in parts of its width and height, the voxels of a colour lie."""
    pixels = lab.canvas_pixels(view(root, name).locator("canvas")).astype(int)
    rgb = [int(color[n : n + 2], 16) for n in (1, 3, 5)]
    tint = pixels[..., :3] - pixels[..., :3].mean(axis=-1, keepdims=True)
    wanted = np.array(rgb) - np.mean(rgb)
    alike = (tint @ wanted > 0.3 * (wanted @ wanted)) & (np.abs(tint).max(axis=-1) > 12)
    rows, columns = np.nonzero(alike)
    assert rows.size > 60, f"nothing in {color} in the {name} view"
    return columns.mean() / pixels.shape[1], rows.mean() / pixels.shape[0]


def check_legible(root: Locator) -> None:
    """The texts are large enough, inside their views, and do not lie on each other."""
    found: list[dict[str, Any]] = root.evaluate(
        """root => [...root.querySelectorAll('[data-nbannot-view]')].filter(v => v.offsetParent).flatMap(v => {
          const outer = v.getBoundingClientRect();
          return [...v.querySelectorAll('.nbannot-corner, .nbannot-edge')].filter(e => e.textContent.trim())
            .map(e => { const range = document.createRange(); range.selectNodeContents(e);
              const b = range.getBoundingClientRect(); return {
              view: v.dataset.nbannotView, text: e.textContent, size: parseFloat(getComputedStyle(e).fontSize),
              box: [b.left - outer.left, b.top - outer.top, b.right - outer.left, b.bottom - outer.top],
              outer: [outer.width, outer.height]}; });
        })"""
    )
    assert found
    for n, one in enumerate(found):
        left, top, right, bottom = one["box"]
        assert one["size"] >= SMALLEST_TEXT, one
        assert left >= 0 and top >= 0 and right <= one["outer"][0] + 1 and bottom <= one["outer"][1] + 1, one
        for other in found[n + 1 :]:
            if other["view"] == one["view"]:
                a, b = one["box"], other["box"]
                apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
                assert apart, (one["text"], other["text"], a, b)


def check_filled(lab: Lab, root: Locator, names: tuple[str, ...], *, contrast: float = 20) -> None:
    """Each view is of useful size, and its image has contrast and fills it."""
    for name in names:
        pixels = lab.canvas_pixels(view(root, name).locator("canvas"))
        assert min(pixels.shape[:2]) >= 180, (name, pixels.shape)
        image = pixels[..., 3] == 255
        assert max(image.any(axis=1).mean(), image.any(axis=0).mean()) > 0.9, f"{name} does not fill its view"
        grey = pixels[..., :3].mean(axis=-1)
        assert grey[image].std() > contrast, f"{name} is flat"


PLANES = ("axial", "coronal", "sagittal")


def test_the_chest_ct_in_three_planes(lab: Lab, demo_folder: Path) -> None:
    root = show(lab, CHEST, demo_folder)
    pixels = keep(lab, root, "ct-mpr")
    assert pixels.shape[1] > 800
    check_filled(lab, root, PLANES)
    check_legible(root)
    assert [letters(root, name) for name in PLANES] == [list("RLAP"), list("RLSI"), list("APSI")]
    color = str(root.locator("[data-nbannot-label] input[type=color]").first.input_value())
    assert middle_of(lab, root, "axial", color)[0] < 0.45, "the patient's right is at the left"
    assert middle_of(lab, root, "coronal", color)[1] < 0.5, "the head is at the top"
    assert root.locator("[data-nbannot-label]").count() == 3
    assert view(root, "axial").locator("[data-nbannot-box]").first.is_visible()
    window = root.locator(".nbannot-window").inner_text()
    assert window.split() == ["C", "40", "W", "400"]


def test_the_help_and_a_narrow_cell(lab: Lab, demo_folder: Path) -> None:
    root = show(lab, CHEST, demo_folder)
    view(root, "axial").locator("canvas").hover()
    lab.page.keyboard.press("?")
    panel = lab.output(0).locator("[data-nbannot-help]")
    panel.wait_for()
    keep(lab, root, "help")
    body = panel.locator(".nbannot-help-body")
    assert body.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    lab.page.keyboard.press("Escape")
    lab.page.set_viewport_size({"width": 520, "height": 1000})
    lab.run_python("viewer.view = {**viewer.view, 'panel': None}")
    root = settled(lab)
    keep(lab, root, "narrow")
    check_filled(lab, root, PLANES)
    check_legible(root)
    boxes = [view(root, name).bounding_box() for name in PLANES]
    assert all(a and b and a["y"] + a["height"] <= b["y"] for a, b in pairwise(boxes))


def test_shapes_and_what_is_measured_of_them(lab: Lab, demo_folder: Path) -> None:
    root = show(lab, SHAPES, demo_folder)
    root.locator("[data-nbannot-caption]").get_by_text("HU").first.wait_for()
    keep(lab, root, "shapes")
    check_filled(lab, root, ("axial",))
    kinds = ["ruler", "angle", "polygon", "ellipse", "bidirectional"]
    assert [root.locator(f'path[data-nbannot-kind="{kind}"]').count() for kind in kinds] == [1] * 5
    words = " ".join(root.locator("[data-nbannot-caption]").all_text_contents())
    assert all(unit in words for unit in ("27.0 mm", "°", "mm²", "HU"))
    # Outlines of a lesion, and those between them before they are drawn.
    lab.run_python(OUTLINES)
    view(root, "coronal").locator("canvas").first.hover()
    root.locator('[data-nbannot-menu="shapes"]').click()
    root.locator('[data-nbannot-item="shape.between"]').click()
    root.locator('[data-nbannot-live="operations"][data-nbannot-state="ready"]').wait_for()
    keep(lab, settled(lab), "outlines")
    assert root.locator("[data-nbannot-coming]").count() == 1 + 5


def test_an_operation_looked_at_and_the_form_of_a_label(lab: Lab, demo_folder: Path) -> None:
    root = show(lab, SEGMENTS, demo_folder)
    view(root, "axial").locator("canvas").first.hover()
    lab.page.keyboard.press("Control+o")
    panel = root.locator('[data-nbannot-live="operations"]')
    panel.locator('[data-nbannot-parameter="lo"]').wait_for()
    panel.locator("[data-nbannot-operation]").select_option("margin")
    panel.locator('[data-nbannot-field="mm"]').fill("8")
    panel.get_by_role("button", name="Preview").click()
    root.locator('[data-nbannot-live="operations"][data-nbannot-state="ready"]').wait_for()
    root = settled(lab)
    keep(lab, root, "segmentation")
    check_filled(lab, root, ("axial",))
    for color in ("#56b4e9", "#d55e00"):
        middle_of(lab, root, "axial", color)
    assert "ml" in panel.locator("[data-nbannot-status]").inner_text()
    panel.locator('[data-nbannot-action="operation.cancel"]').click()
    panel.get_by_role("button", name="Close the operations").click()
    # A code is looked for by its beginning, taken with the arrow keys, and saved with the label.
    row = root.locator("[data-nbannot-label]").filter(has_text="tumour")
    row.hover()
    row.locator('[data-nbannot-action="label.edit"]').click()
    dialog = root.locator('[data-nbannot-dialog="label"]')
    dialog.locator('[data-nbannot-edit="group"] option[value="7159"]').wait_for(state="attached")
    dialog.locator('[data-nbannot-edit="find"]').click()
    lab.page.keyboard.type("nodu")
    dialog.locator('[data-nbannot-edit="found"] option', has_text="Nodule (SCT 27925004)").wait_for(
        state="attached"
    )
    lab.page.keyboard.press("ArrowDown")
    root = settled(lab)
    keep(lab, root, "labels")
    code = [
        dialog.locator(f'[data-nbannot-edit="{name}"]').input_value()
        for name in ("scheme", "code", "meaning")
    ]
    assert code == ["SCT", "27925004", "Nodule"]
    dialog.locator('[data-nbannot-edit="save"]').click()
    dialog.wait_for(state="detached")
    saved = "(code := viewer.document.labels['tumour'].code) and code.value"
    lab.until(lambda: lab.run_python(f"print({saved})") == "27925004", "the code is Python's")


def test_the_pet_dark_on_white(lab: Lab, demo_folder: Path) -> None:
    root = show(lab, PET, demo_folder)
    keep(lab, root, "pet")
    check_filled(lab, root, PLANES, contrast=10)
    check_legible(root)
    pixels = lab.canvas_pixels(view(root, "axial").locator("canvas"))
    assert (pixels[..., :3].min(axis=-1) > 230).mean() > 0.3, "air is white"
    shown = lab.shown_pixels(view(root, "coronal"))
    assert shown[3, shown.shape[1] // 4].min() > 230, "and so are the surroundings"


def test_the_pet_over_the_ct(lab: Lab, demo_folder: Path) -> None:
    root = show(lab, LAYERS, demo_folder)
    keep(lab, root, "layers")
    check_filled(lab, root, PLANES)
    check_legible(root)
    pixels = lab.canvas_pixels(view(root, "axial").locator("canvas").first).astype(int)
    assert (pixels[..., 0] - pixels[..., 2] > 60).sum() > 40, "the hot spot is in colour"
    bars: list[list[float]] = root.evaluate(
        """root => [...root.querySelectorAll('[data-nbannot-view]:has(.nbannot-cbar)')].map(v => {
          const box = s => v.querySelector(s).getBoundingClientRect();
          const bar = box('.nbannot-cbar');
          return [box('.nbannot-grow').bottom, bar.top, bar.bottom, box('.nbannot-edge-e').top];
        })"""
    )
    assert len(bars) == 3
    for numbers in bars:
        assert numbers == sorted(numbers), "a colour bar lies between the button and the letter"


def test_pet_over_ct_as_it_is_hung(lab: Lab, demo_folder: Path) -> None:
    root = show(lab, FUSED, demo_folder)
    keep(lab, root, "pet-ct")
    check_legible(root)
    check_filled(lab, root, ("axial", "coronal", "sagittal"))
    fused = lab.canvas_pixels(view(root, "axial").locator("canvas"))[..., :3].astype(int)
    assert (np.ptp(fused, axis=-1) > 60).sum() > 200, "the PET is in colour over the CT"
    alone = lab.canvas_pixels(view(root, "axial-2").locator("canvas"))[..., :3].astype(int)
    assert np.ptp(alone, axis=-1).max() == 0 and (alone.min(axis=-1) > 230).mean() > 0.3, (
        "alone, dark on white"
    )


def test_the_volume_beside_turned_planes(lab: Lab, demo_folder: Path) -> None:
    root = show(lab, SOLID, demo_folder)
    lab.still()
    keep(lab, root, "volume")
    check_filled(lab, root, ("sagittal",))
    solid = lab.shown_pixels(view(root, "volume"))[..., :3].astype(int)
    assert (solid.max(axis=-1) > 60).mean() > 0.1, "the volume is drawn"
    assert "MIP 20 mm" in view(root, "axial").inner_text()


def test_the_brain_in_the_dark_theme(lab: Lab, demo_folder: Path) -> None:
    root = show(lab, BRAIN, demo_folder)
    lab.set_theme("dark")
    try:
        root = settled(lab)
        keep(lab, root, "brain")
        check_filled(lab, root, PLANES)
        check_legible(root)
        background = root.evaluate("e => getComputedStyle(e).backgroundColor")
        assert all(int(part) < 80 for part in background[4:-1].split(","))
        colors = [one.input_value() for one in root.locator("[data-nbannot-label] input[type=color]").all()]
        for color in colors:
            middle_of(lab, root, "axial", color)
    finally:
        lab.set_theme("light")


def test_the_ultrasound_clip_in_colour(lab: Lab, demo_folder: Path) -> None:
    root = show(lab, CLIP, demo_folder)
    keep(lab, root, "ultrasound")
    check_filled(lab, root, ("acquisition",), contrast=10)
    check_legible(root)
    pixels = lab.canvas_pixels(view(root, "acquisition").locator("canvas")).astype(int)
    assert (np.ptp(pixels[..., :3], axis=-1) > 15).sum() > 200, "it is in colour"
    assert root.locator('[data-nbannot-command="frame.play"]').first.is_visible()


@pytest.mark.parametrize(
    "name",
    ["ct-mpr", "help", "narrow", "pet", "layers", "brain", "ultrasound", "shapes", "segmentation", "labels"],
)
def test_the_documentation_has_its_picture(name: str) -> None:
    with Image.open(ROOT / "docs" / "images" / f"{name}.png") as picture:
        assert picture.width >= 400 and picture.height >= 300
    words = "".join(
        p.read_text(encoding="utf-8") for p in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    )
    assert f"images/{name}.png" in words
