"""The reader's page in a real Firefox: the picture is there, and a case is read to its end by keyboard and mouse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import nbannot as nb
from browser.firefox import Firefox
from browser.reader import CASE, ReaderService, build_study
from nbannot.model.image import Image

LEVEL, WIDTH = 50, 600
CONFIG = f"""
layouts: {{one: {{direction: row, items: [axial]}}}}
windowing: {{level: {LEVEL}, width: {WIDTH}}}
reader: {{tools: [brush, box]}}
"""
VIEW = f"{CASE} .nbannot-view"
Indices = npt.NDArray[np.int_]


@pytest.fixture
def service(tmp_path: Path, shared_data: Path) -> Iterator[ReaderService]:
    folder = shared_data / "nifti_totalsegmentator"
    cases = {"first": folder / "ct_sm.nii.gz", "second": folder / "ct.nii.gz"}
    build_study(tmp_path / "project", cases, config=CONFIG)
    running = ReaderService(tmp_path / "project")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def firefox() -> Iterator[Firefox]:
    running = Firefox()
    yield running
    running.close()


def indices(image: Image, z: float, size: tuple[int, int], scale: float) -> Indices:
    """The voxel (k, j, i) under each pixel of an axial view of the whole image, at a place and px/mm."""
    geometry: Any = image.geometry
    middle = geometry.to_world((np.array(image.shape) - 1) / 2)
    rows, columns = size
    v, u = np.mgrid[:rows, :columns] + 0.5
    world = np.stack(
        [middle[0] + (u - columns / 2) / scale, middle[1] + (v - rows / 2) / scale, np.full(size, z)], -1
    )
    found: Indices = np.rint(geometry.to_index(world)).astype(int)
    return found


def likeness(shown: npt.NDArray[np.uint8], image: Image, at: Indices) -> float:
    """The correlation of what is shown with the voxels in the window, as far as the image reaches."""
    inside = ((at >= 0) & (at < image.shape)).all(axis=-1)
    k, j, i = at[inside].T
    wanted = ((image.array[k, j, i] - LEVEL) / WIDTH + 0.5).clip(0, 1)
    return float(np.corrcoef(shown[inside], wanted)[0, 1])


def test_a_case_is_read_in_firefox(firefox: Firefox, service: ReaderService, shared_data: Path) -> None:
    firefox.open(service.url, cookies={"name": "rita"})
    firefox.wait_for("[data-nbannot-task]:focus")
    firefox.press("Enter")
    firefox.wait_for(f"{CASE} [data-nbannot-complete=true]")
    image = nb.read(shared_data / "nifti_totalsegmentator" / "ct_sm.nii.gz")
    assert isinstance(image, Image)
    shown = firefox.pixels(VIEW)
    place = re.search(r"S ([\d.]+) mm", firefox.evaluate(f'document.querySelector("{VIEW}").innerText'))
    assert place is not None
    # As large as it fits, by its height or its width.
    spacing: Any = image.geometry.spacing
    extents = spacing[1] * image.shape[1], spacing[2] * image.shape[2]
    fits = [
        indices(image, float(place[1]), shown.shape, n / mm)
        for n, mm in zip(shown.shape, extents, strict=True)
    ]
    at = max(fits, key=lambda one: likeness(shown, image, one))
    assert likeness(shown, image, at) > 0.95
    # A stroke beside the middle, then the answer by its digit.
    firefox.click(f"{CASE} [data-nbannot-command='tool.brush']")
    left, top, width, height = firefox.wait_for(VIEW)
    x, y = left + width / 2 + 30, top + height / 2 + 20
    firefox.drag((x, y), (x + 40, y), (x + 60, y + 20))
    firefox.wait_for(f"{CASE} [data-nbannot-command='edit.undo']:enabled")
    firefox.press("Alt+a", "1")
    firefox.wait_for(f"{CASE} [data-nbannot-field=Finding] [data-nbannot-option=none]:checked")
    firefox.press("Control+Shift+Enter")
    firefox.wait("document.querySelector('.page-title').innerText.includes('Case 2 of 2')")
    firefox.wait_for(f"{CASE} [data-nbannot-complete=true]")
    firefox.wait_for(".page-status[data-status='in work']")
    assert firefox.pixels(VIEW).std() > 10
    assert not firefox.errors
    with nb.open_project(service.folder, author="boss") as project:
        assert project.tasks.table("rita")["status"].tolist() == ["submitted", "in work"]
        document = project.start("first", reader="rita").document
        assert [dict(tag.attributes) for tag in document.tags] == [{"Finding": "none"}]
        mask = next(iter(document.masks)).array
        for dx, dy in ((0, 0), (40, 0), (60, 20)):
            k, j, i = at[round(y - top) + dy, round(x - left) + dx]
            assert mask[k, j, i] > 0
        assert (mask > 0).any(axis=(1, 2)).sum() == 1
