"""Clips, series in time, headers, pictures to pass on, and 2-D pictures, in JupyterLab."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image
from playwright.sync_api import Locator, expect

import nbannot as nb
from browser.lab import Lab
from browser.test_viewer import PLAIN, ask, drag, hover, show, slice_of, until_equal, view

ECHO = "us/echo_ybr_30frames.dcm"
OPEN = """
import json, nbannot as nb
viewer = nb.Viewer(nb.read({path!r}){more}, labels=["finding"], backend="cpu", height=560{options})
viewer
"""
RECORD = """(root) => {
  window.shownFrames = [];
  const view = root.querySelector('[data-nbannot-view]');
  new MutationObserver(() => window.shownFrames.push(Number(view.dataset.nbannotSlice)))
    .observe(view, {attributes: true, attributeFilter: ['data-nbannot-slice']});
}"""

# Frames of a series as they are named, and whether all of each picture was there.
PLAYED = """(root) => {
  const view = root.querySelector('[data-nbannot-view="axial"]');
  const text = root.querySelector('[data-nbannot-frame-text]');
  window.played = {frames: [], complete: [view.dataset.nbannotComplete]};
  const watch = (element, what, keep) => new MutationObserver(keep).observe(element, {attributes: true, ...what});
  watch(text, {childList: true, characterData: true, subtree: true}, () => played.frames.push(text.textContent));
  watch(view, {attributeFilter: ['data-nbannot-complete']}, () => {
    if (view.dataset.nbannotComplete !== played.complete.at(-1)) played.complete.push(view.dataset.nbannotComplete);
  });
}"""


def open_file(lab: Lab, path: Path, *, more: str = "", options: str = "") -> Locator:
    return show(lab, [OPEN.format(path=str(path), more=more, options=options)])


def slider(root: Locator) -> Locator:
    return root.locator("[data-nbannot-frame]")


def frame_text(root: Locator) -> Locator:
    return root.locator("[data-nbannot-frame-text]")


def dialog(root: Locator, name: str) -> Locator:
    return root.locator(f'[data-nbannot-dialog="{name}"]')


def press_over(lab: Lab, name: str, keys: str) -> None:
    hover(lab, name)
    lab.page.keyboard.press(keys)


def drawn(lab: Lab, name: str) -> npt.NDArray[np.uint8]:
    """The part of a canvas that the image covers."""
    pixels = lab.canvas_pixels(view(lab, name).locator("canvas.nbannot-canvas"))
    rows, columns = np.nonzero(pixels[..., 3])
    return pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, :3]


def test_a_clip_shows_each_frame_pixel_for_pixel(lab: Lab, shared_data: Path) -> None:
    root = open_file(lab, shared_data / ECHO)
    clip = nb.read(shared_data / ECHO)
    assert isinstance(clip, nb.Image)
    press_over(lab, "acquisition", "o")
    for k in (0, 12, 29):
        slider(root).fill(str(k))
        lab.until(lambda k=k: slice_of(lab, "acquisition") == k, f"frame {k} is shown")
        lab.still()
        assert np.array_equal(drawn(lab, "acquisition"), clip.plane_array(k))
        expect(frame_text(root)).to_contain_text(f"{k + 1}/30")
    expect(frame_text(root)).to_contain_text("0.97 s")
    lab.page.keyboard.press("Home")


def test_a_clip_plays_frame_by_frame_and_pauses(lab: Lab, shared_data: Path) -> None:
    root = open_file(lab, shared_data / ECHO)
    root.evaluate(RECORD)
    press_over(lab, "acquisition", "Space")
    expect(root.locator("[data-nbannot-cine]")).to_have_attribute("data-nbannot-playing", "true")
    lab.until(lambda: len(lab.page.evaluate("window.shownFrames")) > 40, "more than one round was played")
    lab.page.keyboard.press("Space")
    expect(root.locator("[data-nbannot-cine]")).to_have_attribute("data-nbannot-playing", "false")
    lab.still()
    frames = lab.page.evaluate("window.shownFrames")
    # drawn twice for other reasons, perhaps; never left out
    assert {(b - a) % 30 for a, b in pairwise(frames)} <= {0, 1}, "a frame was left out"
    assert set(frames) == set(range(30))
    at = slice_of(lab, "acquisition")
    lab.page.wait_for_timeout(400)
    assert slice_of(lab, "acquisition") == at
    lab.page.keyboard.press(".")
    lab.until(lambda: slice_of(lab, "acquisition") == (at + 1) % 30, "the next frame")
    fps = root.locator("[data-nbannot-fps]")
    expect(fps).to_have_value("30")
    lab.page.keyboard.press(">")
    expect(fps).to_have_value("40")
    lab.page.keyboard.press("<")
    lab.page.keyboard.press("<")
    until_equal(lab, "viewer.view['fps']", 25)
    fps.fill("5")
    fps.press("Enter")
    until_equal(lab, "viewer.view['fps']", 5)
    press_over(lab, "acquisition", "Shift+Space")
    until_equal(lab, "viewer.view['bounce']", True)


def test_boxes_stay_on_the_frame_they_were_drawn_on(lab: Lab, shared_data: Path) -> None:
    root = open_file(lab, shared_data / ECHO)
    slider(root).fill("12")
    lab.until(lambda: slice_of(lab, "acquisition") == 12, "frame 13")
    press_over(lab, "acquisition", "x")
    drag(lab, "acquisition", (0.4, 0.4), (0.6, 0.6))
    until_equal(lab, "len(viewer.document.boxes)", 1)
    index = ask(lab, "[list(c) for c in list(viewer.document.boxes)[0].index]")
    assert index[0][0] == index[1][0] == 12
    boxes = view(lab, "acquisition").locator("[data-nbannot-box]")
    expect(boxes).to_have_count(1)
    expect(root.locator("[data-nbannot-tick]")).to_have_attribute("data-nbannot-tick", "12")
    press_over(lab, "acquisition", ".")
    expect(boxes).to_have_count(0)
    root.locator("[data-nbannot-box-row] .nbannot-name").click()
    lab.until(lambda: slice_of(lab, "acquisition") == 12, "the list leads back to the frame")
    expect(boxes).to_have_count(1)


def test_a_series_is_stepped_through_by_b_value(lab: Lab, shared_data: Path) -> None:
    root = open_file(lab, shared_data / "mr_prostatex0000" / "dwi")
    expect(frame_text(root)).to_have_text("b-value 50 s/mm² · 1/3")
    low = lab.canvas_pixels(view(lab, "axial").locator("canvas.nbannot-canvas"))
    slider(root).press("ArrowRight")
    expect(frame_text(root)).to_have_text("b-value 400 s/mm² · 2/3")
    slider(root).press("End")
    expect(frame_text(root)).to_have_text("b-value 800 s/mm² · 3/3")
    until_equal(lab, "viewer.view['frame']", 2)
    lab.still()
    high = lab.canvas_pixels(view(lab, "axial").locator("canvas.nbannot-canvas"))
    assert high[..., 0].mean() < low[..., 0].mean() - 3, "water is darker at high b-values"
    press_over(lab, "axial", "x")
    drag(lab, "axial", (0.45, 0.45), (0.55, 0.55))
    until_equal(lab, "[b.frame for b in viewer.document.boxes]", [2])
    expect(view(lab, "axial").locator("[data-nbannot-box]")).to_have_count(1)
    press_over(lab, "axial", ",")
    expect(view(lab, "axial").locator("[data-nbannot-box]")).to_have_count(0)
    expect(root.locator("[data-nbannot-tick]")).to_have_attribute("data-nbannot-tick", "2")
    press_over(lab, "axial", "c")
    # played, every picture of it is whole: nothing that is missing flashes up
    root.evaluate(PLAYED)
    lab.page.keyboard.press("Space")
    lab.until(lambda: len(lab.page.evaluate("window.played.frames")) > 6, "two rounds were played")
    assert lab.page.evaluate("window.played.complete") == ["true"]


def test_the_header_is_searched_and_leaves_nothing_behind(lab: Lab, shared_data: Path) -> None:
    path = shared_data / "phi" / "cr_chest_burned_in.dcm"
    header = pydicom.dcmread(path, stop_before_pixels=True)
    name = str(header.PatientName)
    root = open_file(lab, path)
    press_over(lab, "acquisition", "Shift+H")
    table = dialog(root, "header")
    expect(table.get_by_role("status")).to_contain_text("elements")
    lab.page.keyboard.type("Rows")
    row = table.locator('[data-nbannot-tag="(0028,0010)"]')
    expect(row).to_contain_text(str(header.Rows))
    expect(row.locator("mark")).to_have_text("Rows")
    table.get_by_role("searchbox").fill("00100010")
    expect(table.locator('[data-nbannot-tag="(0010,0010)"]')).to_contain_text(name)
    lab.screenshot("header", element=root)
    lab.page.keyboard.press("Escape")
    expect(table).to_have_count(0)
    assert root.evaluate("(root) => document.activeElement === root || root.contains(document.activeElement)")
    assert name not in root.evaluate("(root) => root.outerHTML")
    assert name not in str(ask(lab, "json.dumps(viewer.view)"))
    assert name not in ask(lab, "repr({k: v for k, v in viewer.get_state().items()})")
    assert name not in lab.page.evaluate("JSON.stringify(localStorage)")


def test_headers_are_refused_where_the_viewer_says_so(lab: Lab, shared_data: Path) -> None:
    root = open_file(lab, shared_data / ECHO, options=", headers=False")
    press_over(lab, "acquisition", "Shift+H")
    table = dialog(root, "header")
    expect(table.locator("[data-nbannot-header-note]")).to_contain_text("switched them off")
    expect(table.locator("[data-nbannot-tag]")).to_have_count(0)
    lab.page.keyboard.press("Escape")
    root.get_by_role("button", name="More").click()
    expect(root.locator('[data-nbannot-item="image.info"]')).to_have_count(1)
    expect(root.locator('[data-nbannot-item="image.header"]')).to_have_count(0)
    root.locator('[data-nbannot-item="image.info"]').click()
    facts = dialog(root, "info")
    expect(facts).to_contain_text("320 × 240 × 30")
    expect(facts).to_contain_text("Memory of the page")
    lab.page.keyboard.press("Escape")
    expect(facts).to_have_count(0)


def saved(
    lab: Lab, root: Locator, target: Path, *, off: tuple[str, ...] = (), on: tuple[str, ...] = ()
) -> Path:
    """Save the picture that the open dialog shows, with these options switched off and on."""
    for name in off:
        dialog(root, "screenshot").locator(f'[data-nbannot-option="{name}"]').uncheck()
    for name in on:
        dialog(root, "screenshot").locator(f'[data-nbannot-option="{name}"]').check()
    with lab.page.expect_download() as found:
        dialog(root, "screenshot").locator("[data-nbannot-save]").click()
    assert found.value.suggested_filename.startswith("nbannot-")
    found.value.save_as(target)
    return target


def chunks(path: Path) -> list[bytes]:
    """Kinds of the chunks of a PNG file."""
    data, at, found = path.read_bytes(), 8, []
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        found.append(data[at + 4 : at + 8])
        at += 12 + size
    return found


def rgb(path: Path) -> npt.NDArray[Any]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_a_picture_holds_the_pixels_the_scale_and_no_names(lab: Lab, tmp_path: Path) -> None:
    root = show(lab, [PLAIN.replace('name="test"', 'name="SMITH^JOHN"')])
    press_over(lab, "axial", "Shift+S")
    canvas = lab.canvas_pixels(view(lab, "axial").locator("canvas.nbannot-canvas")).astype(int)
    shown = (canvas[..., :3] * (canvas[..., 3:] / 255)).round()
    bare = saved(lab, root, tmp_path / "bare.png", off=("words", "crosshair"))
    assert np.abs(rgb(bare) - shown).max() == 0
    assert set(chunks(bare)) <= {b"IHDR", b"sRGB", b"gAMA", b"pHYs", b"sBIT", b"IDAT", b"IEND"}
    assert b"SMITH" not in bare.read_bytes()
    full = rgb(saved(lab, root, tmp_path / "full.png", on=("words",)))
    height, width = full.shape[:2]
    path = view(lab, "axial").locator("path.nbannot-bar:not(.nbannot-bar-shadow)").get_attribute("d") or ""
    left = float(path[1:].split(" ")[0])
    bar = full[height - 31 : height - 28, round(left) + 2 : width - 12].max(axis=0)
    assert (bar > 180).all(), "the scale bar lies where the page has it"
    changed = (full != rgb(bare)).any(axis=-1)
    assert changed[:, : width // 4].any() and changed[:, -width // 4 :].any()
    assert not changed[height // 3 : height // 3 + 20, width // 3 : width // 2].any()
    double = rgb(saved(lab, root, tmp_path / "double.png", on=("double",)))
    assert double.shape == (2 * height, 2 * width, 3)
    everything = rgb(saved(lab, root, tmp_path / "all.png", off=("double",), on=("all", "crosshair")))
    stage = root.locator(".nbannot-stage")
    size = stage.evaluate("(el) => [el.clientHeight, el.clientWidth]")
    assert np.abs(np.subtract(everything.shape[:2], size)).max() <= 2
    assert (everything[:, width + 20 :] > 40).any(), "the other views are there"
    lab.screenshot("picture-dialog", element=root)
    lab.page.keyboard.press("Escape")
    expect(dialog(root, "screenshot")).to_have_count(0)


def test_pixels_that_name_the_patient_are_asked_about(lab: Lab, shared_data: Path) -> None:
    root = open_file(lab, shared_data / "phi" / "us_greyscale_burned_in.dcm")
    press_over(lab, "acquisition", "Shift+S")
    save = dialog(root, "screenshot").locator("[data-nbannot-save]")
    expect(save).to_be_disabled()
    expect(dialog(root, "screenshot").get_by_role("alert")).to_contain_text("who the patient is")
    dialog(root, "screenshot").locator('[data-nbannot-option="sure"]').check()
    expect(save).to_be_enabled()
    lab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog(root, "screenshot").locator("[data-nbannot-copy]").click()
    expect(root.locator(".nbannot-toast")).to_contain_text("on the clipboard")
    kinds = lab.page.evaluate("async () => (await navigator.clipboard.read()).flatMap((item) => item.types)")
    assert kinds == ["image/png"]


def test_a_mammogram_is_sharp_pixel_for_pixel_and_hangs_right(lab: Lab, shared_data: Path) -> None:
    path = shared_data / "mg" / "MG1_J2KI.dcm"
    image = nb.read(path)
    assert isinstance(image, nb.Image)
    root = open_file(lab, path)
    edges = [root.locator(f".nbannot-edge-{side}").first for side in "wens"]
    assert [edge.text_content() for edge in edges] == ["P", "A", "H", "F"]
    press_over(lab, "acquisition", "o")
    lab.still()
    pixels = drawn(lab, "acquisition")[..., 0].astype(float)
    grey = np.clip((image.plane_array(0).astype(float) - (2047 - 0.5 - 4094 / 2)) / 4094 * 255, 0, 255)
    height, width = pixels.shape
    rows, columns = grey.shape
    near = [
        np.abs(grey[j : j + height, i : i + width] - pixels).max()
        for j in range((rows - height) // 2 - 2, (rows - height) // 2 + 4)
        for i in range((columns - width) // 2 - 2, (columns - width) // 2 + 4)
    ]
    assert min(near) <= 1.01, "each pixel of the image is one of the screen"
    lab.page.keyboard.press("Shift+F")
    expect(edges[0]).to_have_text("A")
    lab.page.keyboard.press("Shift+R")
    expect(edges[2]).to_have_text("A")
