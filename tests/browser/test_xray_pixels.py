"""Angiograms as clips, MONOCHROME1 and pixels that are no squares: the pixels that a reader sees, from real files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from playwright.sync_api import expect
from pydicom.uid import ExplicitVRLittleEndian

from browser.lab import Lab
from browser.test_reading import RECORD, drawn, frame_text, press_over, slider
from browser.test_viewer import show, slice_of, until_equal, view

Array = npt.NDArray[Any]
XA = "other/XA1_J2KR.dcm"
OPEN = """
import json, nbannot as nb
viewer = nb.Viewer(nb.read({path!r}), backend={backend!r}, height=560, hanging=False)
viewer.view = {{**viewer.view, "interpolate": False, "panel": False, "crosshair": False}}
viewer.window = {window}
viewer
"""
FRAMES = 8
STEP = 40


def opened(lab: Lab, path: Path, window: tuple[float, float], backend: str = "cpu") -> Any:
    return show(lab, [OPEN.format(path=str(path), backend=backend, window=window)])


def grey(values: Array, window: tuple[float, float]) -> Array:
    """Grey levels of a window that somebody chose: a straight line over its width."""
    center, width = window
    return np.asarray(((values.astype(float) - center) / width + 0.5).clip(0, 1) * 255)


def clip_of(source: Path, target: Path) -> Array:
    """A run of a real angiogram: the frame moves down and to the left, as under a table that is shifted."""
    file = pydicom.dcmread(source)
    first = file.pixel_array
    frames = np.stack([np.roll(first, (STEP * n, -STEP * n), (0, 1)) for n in range(FRAMES)])
    file.NumberOfFrames = FRAMES
    file.FrameTime = "125"
    file.FrameIncrementPointer = 0x00181063
    file.PixelData = frames.tobytes()
    file["PixelData"].is_undefined_length = False
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.save_as(target)
    return frames


def near(pixels: Array, wanted: Array) -> float:
    """How far a drawn part is from the middle of a picture, which it shows pixel for pixel; the best of few shifts."""
    height, width = pixels.shape
    tops = [(wanted.shape[0] - height) // 2 + n for n in (-1, 0, 1)]
    lefts = [(wanted.shape[1] - width) // 2 + n for n in (-1, 0, 1)]
    return min(
        float(np.abs(wanted[j : j + height, i : i + width] - pixels).max())
        for j in tops
        for i in lefts
        if j >= 0 and i >= 0 and j + height <= wanted.shape[0] and i + width <= wanted.shape[1]
    )


def test_an_angiogram_plays_as_the_file_says(lab: Lab, shared_data: Path, tmp_path: Path) -> None:
    frames = clip_of(shared_data / XA, tmp_path / "run.dcm")
    low, high = (float(x) for x in np.percentile(frames, (1, 99)))
    window = (round((low + high) / 2), round(high - low))
    root = opened(lab, tmp_path / "run.dcm", window)
    press_over(lab, "acquisition", "o")
    for k in (0, 3, FRAMES - 1):
        slider(root).fill(str(k))
        lab.until(lambda k=k: slice_of(lab, "acquisition") == k, f"frame {k} is shown")
        lab.still()
        assert near(drawn(lab, "acquisition")[..., 0].astype(float), grey(frames[k], window)) <= 1.01, k
    expect(frame_text(root)).to_contain_text(f"{FRAMES}/{FRAMES}")
    expect(frame_text(root)).to_contain_text("0.88 s")
    expect(root.locator("[data-nbannot-fps]")).to_have_value("8")
    root.evaluate(RECORD)
    press_over(lab, "acquisition", "Space")
    lab.until(lambda: len(lab.page.evaluate("window.shownFrames")) > FRAMES, "more than one round was played")
    lab.page.keyboard.press("Space")
    lab.still()
    shown = lab.page.evaluate("window.shownFrames")
    assert {(b - a) % FRAMES for a, b in pairwise(shown)} <= {0, 1}
    k = slice_of(lab, "acquisition")
    assert near(drawn(lab, "acquisition")[..., 0].astype(float), grey(frames[k], window)) <= 1.01


def test_monochrome1_is_shown_right(lab: Lab, shared_data: Path) -> None:
    path = shared_data / "xray" / "chest_cr_monochrome1.dcm"
    file = pydicom.dcmread(path)
    assert file.PhotometricInterpretation == "MONOCHROME1"
    window = (float(file.WindowCenter), float(file.WindowWidth))
    # The window of the file is LINEAR, PS3.3 C.11.2.1.2.1.
    wanted = 255 - grey(file.pixel_array, (window[0] - 0.5, window[1] - 1))
    for backend in ("cpu", "webgl2"):
        opened(lab, path, window, backend)
        press_over(lab, "acquisition", "o")
        lab.still()
        right = near(drawn(lab, "acquisition")[..., 0].astype(float), wanted)
        assert right <= 1.01, backend
        press_over(lab, "acquisition", "n")
        until_equal(lab, "len(viewer.view['inverted'])", 1)
        lab.still()
        assert near(drawn(lab, "acquisition")[..., 0].astype(float), 255 - wanted) <= 1.01, backend


def test_pixels_that_are_no_squares(lab: Lab, shared_data: Path, tmp_path: Path) -> None:
    file = pydicom.dcmread(shared_data / XA)
    array = file.pixel_array[::2]  # every other line, as an interlaced camera has it
    file.decompress()
    file.Rows, file.PixelData, file.PixelAspectRatio = array.shape[0], array.tobytes(), ["2", "1"]
    file.save_as(tmp_path / "lines.dcm")
    low, high = (float(x) for x in np.percentile(array, (1, 99)))
    window = (round((low + high) / 2), round(high - low))
    for backend in ("cpu", "webgl2"):
        opened(lab, tmp_path / "lines.dcm", window, backend)
        lab.run_python("viewer.view = {**viewer.view, 'zoom': {'acquisition': 4.0}}")
        lab.still()
        pixels = lab.canvas_pixels(view(lab, "acquisition").locator("canvas.nbannot-canvas"))
        rows, columns = np.nonzero(pixels[..., 3])
        box = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0].astype(float)
        height, width = box.shape
        assert (height, width) == (256, 256), "as high as wide, though it has half as many lines"
        # The nearest line and column of each pixel.
        lines = array[np.floor((np.arange(height) + 0.5) / height * array.shape[0]).astype(int)]
        wanted = grey(
            lines[:, np.floor((np.arange(width) + 0.5) / width * array.shape[1]).astype(int)], window
        )
        assert np.abs(box - wanted).mean() < 3, backend
        assert np.corrcoef(box.ravel(), wanted.ravel())[0, 1] > 0.98, backend
