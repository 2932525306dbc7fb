"""Every operation on a real CT with mouse and keyboard: looked at, given up, applied, undone; arrays read back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator

from browser.lab import Lab
from browser.test_viewer import ask, hover, ready, show, until_equal, view

# A block of the spine; the mask's segments are made from values, so that each operation has something to do.
CT = """
import json, warnings, numpy as np, nbannot as nb
warnings.simplefilter("ignore")
whole = nb.read({path!r})
affine = whole.geometry.affine.copy()
affine[:3, 3] = whole.geometry.to_world([40, 16, 40])
block = np.asarray(whole.array)[40:80, 16:56, 40:82].copy()
ct = nb.Image(block, nb.Geometry(affine, block.shape), modality="CT", unit="HU", name="spine")
NAMES = ["organ", "vessel", "around"]
viewer = nb.Viewer(ct, labels=NAMES, masks=[nb.Mask("m", ct, segments=NAMES)], backend="cpu", height=560)
viewer.window = (40, 400)
viewer.goto(index=(20, 20, 21))
mask = viewer.document.masks["m"]
bone = block > 180
seeds = np.zeros(block.shape, np.uint8)
seeds[bone & (np.arange(block.size).reshape(block.shape) % 7 == 0)] = 1
seeds[(block < 0)] = 3
apart = np.where(bone, 1, 0).astype(np.uint8)
apart[np.arange(40) % 6 != 0] = 0
both = bone.astype(np.uint8)
both[(block > -20) & (block < 90) & (np.indices(block.shape)[1] < 18)] = 2
STARTS = dict(bone=bone.astype(np.uint8), seeds=seeds, apart=apart, both=both, empty=np.zeros_like(seeds))

def begin(name):
    "Start from an array, and remember it."
    global start
    start = STARTS[name]
    mask.array[:] = start
    viewer.document.refresh()
    return [len(viewer.document.history), int(start.any())]

def same(op, **given):
    "Whether the mask is what the operation in Python makes of the start, and how many voxels differ from the start."
    other = nb.Mask("m", ct, array=start.copy(), segments=NAMES)
    if given.pop("pick", False):
        given["index"] = viewer.current.index
    if nb.ops.OPERATIONS[op].gives == "segment":
        given["segment"] = "organ"
    nb.ops.run(op, other, progress=lambda *_: None, **given)
    return [int((other.array != mask.array).sum()), int((other.array != start).sum()) > 0]

def back():
    return int((mask.array != start).sum())
viewer
"""


@dataclass(frozen=True)
class Case:
    """An operation, the array it starts from, what is typed or chosen in its form, and the same in Python."""

    op: str
    start: str
    form: dict[str, Any] = field(default_factory=dict)
    python: dict[str, Any] = field(default_factory=dict)
    pick: bool = False


def case(op: str, start: str, *, pick: bool = False, **form: Any) -> Case:
    """A case whose form reads as the Python call; of a choice (text in the form, value in Python)."""
    shown = {name: value[0] if isinstance(value, tuple) else value for name, value in form.items()}
    python = {name: value[1] if isinstance(value, tuple) else value for name, value in form.items()}
    return Case(op, start, shown, python, pick)


CASES = [
    case("threshold", "empty", lo=150, hi=400),
    case("otsu", "empty", classes=3),
    case("region_grow", "empty", pick=True, tolerance=60, radius=20),
    case("flood_fill", "empty", pick=True, tolerance=50),
    case("grow_cut", "seeds", room=5),
    case("random_walker", "seeds", room=5, beta=300),
    case("watershed", "seeds", room=5, sigma=2),
    case("fast_marching", "bone", mm=6),
    # The same from a place: the choice is no parameter in Python.
    replace(case("fast_marching", "empty", pick=True, mm=9), form={"from": "a place to click", "mm": 9}),
    case("level_set", "bone", iterations=12, room=6),
    case("fill_between", "apart"),
    case("copy_slice", "apart", source=18, to=("19-21", [19, 20, 21])),
    case("move_slice", "apart", source=24, to=("26", [26])),
    case("margin", "bone", mm=4),
    case("hollow", "bone", mm=3, side=("its middle", "both")),
    case("smooth", "bone", mm=9, method=("closing: fills what is narrow", "closing")),
    case("fill_holes", "bone", dimension=("each slice by itself", "2d")),
    case("islands", "bone", method=("remove small ones", "minimum"), minimum=300),
    case("boolean", "both", method=("add the other", "union"), other=("vessel", "vessel")),
    case("mirror", "bone", axis=("columns (i)", 2)),
]


def panel(lab: Lab) -> Locator:
    return lab.output(0).locator('[data-nbannot-live="operations"]')


def state(lab: Lab, wanted: str) -> None:
    lab.output(0).locator(f'[data-nbannot-live="operations"][data-nbannot-state="{wanted}"]').wait_for()


def fill(lab: Lab, form: dict[str, Any]) -> None:
    """Fill the form in as a person does: choices by their text, numbers by typing them."""
    for name, value in form.items():
        control = panel(lab).locator(f'[data-nbannot-field="{name}"]')
        if control.evaluate("one => one.tagName") == "SELECT":
            control.select_option(label=str(value))
        else:
            control.click()
            lab.page.keyboard.press("Control+a")
            lab.page.keyboard.type(str(value))


def look(lab: Lab, one: Case) -> None:
    """Press Preview, and click the place where one is asked for."""
    panel(lab).get_by_role("button", name="Preview").click()
    if one.pick:
        state(lab, "picking")
        box = view(lab, "axial").bounding_box()
        assert box is not None
        lab.page.mouse.click(box["x"] + box["width"] * 0.48, box["y"] + box["height"] * 0.55)
    state(lab, "ready")


def run_case(lab: Lab, one: Case, *, give_up: bool) -> None:
    steps, _ = ask(lab, f"begin({one.start!r})")
    panel(lab).locator("[data-nbannot-operation]").select_option(one.op)
    fill(lab, one.form)
    look(lab, one)
    assert ask(lab, "[back(), len(viewer.document.history)]") == [0, steps], "a preview changes nothing"
    if give_up:
        hover(lab, "coronal")
        lab.page.keyboard.press("Escape")
        state(lab, "idle")
        assert ask(lab, "[back(), len(viewer.document.history)]") == [0, steps]
        look(lab, one)
    hover(lab, "coronal")
    lab.page.keyboard.press("Enter")
    state(lab, "idle")
    until_equal(lab, "len(viewer.document.history)", steps + 1)
    given = "".join(f", {name}={value!r}" for name, value in one.python.items())
    assert ask(lab, f"same({one.op!r}, pick={one.pick}{given})") == [0, True], one.op
    assert ask(lab, "[viewer.document.history[-1].tool, viewer.document.history[-1].origin]") == [
        f"op:{one.op}",
        "hand",
    ]
    hover(lab, "coronal")
    lab.page.keyboard.press("Control+z")
    until_equal(lab, "back()", 0)


@pytest.fixture
def spine(lab: Lab, shared_data: Path) -> Locator:
    show(lab, [CT.format(path=str(shared_data / "nifti_totalsegmentator" / "ct.nii.gz"))])
    return lab.output(0)


def test_every_operation_is_looked_at_applied_and_undone(lab: Lab, spine: Locator) -> None:
    assert {one.op for one in CASES} == set(ask(lab, "list(nb.ops.OPERATIONS)"))
    hover(lab, "axial")
    lab.page.keyboard.press("Control+o")
    panel(lab).locator('[data-nbannot-parameter="lo"]').wait_for()
    for n, one in enumerate(CASES):
        run_case(lab, one, give_up=n % 4 == 0)
        ready(lab)
    lab.screenshot("operations-all", element=spine)
