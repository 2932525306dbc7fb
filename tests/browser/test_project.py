"""Nothing is lost: strokes into a project, kernels that are killed, two writers, a reloaded page."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Locator

from browser.lab import Lab

CT = "nifti_totalsegmentator/ct_sm.nii.gz"
OPEN = """
import json, numpy as np, nbannot as nb
project = nb.open_project("study"{options})
if "c1" not in project.case_names:
    project.add_case("c1", images={image!r}, labels=["liver", "lesion"])
viewer = project.open("c1")
viewer
"""
# The page's own book: which edits it made, and which of them it holds for answered.
BOOK = """
window.made = []; window.answered = []; window.presses = 0;
addEventListener('pointerdown', event => {
  if (event.target.closest?.('[data-nbannot-view]')) presses++;
}, true);
const idOf = (key, text) => key.startsWith('nbannot/pending/') && text ? JSON.parse(text).edit.id : '';
const { setItem, removeItem } = Storage.prototype;
Storage.prototype.setItem = function (key, value) {
  const id = idOf(key, value);
  if (id && !made.includes(id)) made.push(id);
  setItem.call(this, key, value);
};
Storage.prototype.removeItem = function (key) {
  const id = idOf(key, this.getItem(key));
  removeItem.call(this, key);
  // One that another viewer took over lies under another key.
  if (id && !Object.keys(this).some(other => idOf(other, this.getItem(other)) === id)) answered.push(id);
};
"""


def opening(shared_data: Path, options: str = "") -> str:
    return OPEN.format(image=str(shared_data / CT), options=options)


@pytest.fixture
def lab(fresh_lab: Lab) -> Lab:
    """A page of its own: it watches the storage from its first moment."""
    return fresh_lab


def show(lab: Lab, cells: list[str]) -> Locator:
    lab.page.add_init_script(BOOK)
    lab.open_notebook([*cells, "0"])
    lab.run_cell(0)
    return ready(lab)


def ready(lab: Lab, cell: int = 0) -> Locator:
    root = lab.output(cell).locator('[data-nbannot-root][data-nbannot-complete="true"]').first
    root.wait_for(timeout=60_000)
    return root


def ask(lab: Lab, expression: str) -> Any:
    return json.loads(lab.run_python(f"print(json.dumps({expression}))"))


def canvas(lab: Lab, cell: int = 0) -> Locator:
    return lab.output(cell).locator('[data-nbannot-view="axial"] canvas').first


def point(lab: Lab, n: int, cell: int = 0) -> tuple[float, float]:
    """One of 24 places in the axial view."""
    box = canvas(lab, cell).bounding_box()
    assert box is not None
    return box["x"] + box["width"] * (0.22 + 0.11 * (n % 6)), box["y"] + box["height"] * (
        0.3 + 0.13 * (n // 6)
    )


def stroke(lab: Lab, n: int, cell: int = 0) -> None:
    """Paint a dot at a place of its own."""
    x, y = point(lab, n, cell)
    lab.page.mouse.move(x, y)
    lab.page.mouse.down()
    lab.page.mouse.move(x + 2, y)
    lab.page.mouse.up()


def brush(lab: Lab, size_mm: float = 8) -> None:
    canvas(lab).scroll_into_view_if_needed()
    lab.run_python(
        f"viewer.label = 'liver'; viewer.view = {{**viewer.view, 'tool': 'brush', 'size_mm': {size_mm}}}"
    )
    lab.output(0).locator('[data-nbannot-tool="brush"]').first.wait_for()
    lab.until(lambda: synced(lab, "size_mm") == size_mm, "the brush has its size")


def synced(lab: Lab, key: str) -> Any:
    """What the browser shows of the view; both sides agree when no cell runs."""
    return ask(lab, f"viewer.view.get({key!r})")


def waiting(lab: Lab) -> list[str]:
    """Ids of the edits that the page keeps because nobody answered them."""
    found: list[str] = lab.page.evaluate(
        """() => Object.keys(localStorage).filter(key => key.startsWith('nbannot/pending/'))
              .map(key => JSON.parse(localStorage.getItem(key)).edit.id)"""
    )
    return found


def until_answered(lab: Lab, count: int) -> None:
    lab.until(
        lambda: len(book(lab, "answered")) >= count and not waiting(lab),
        f"{count} edits are answered",
        timeout=60,
    )


def book(lab: Lab, name: str) -> list[str]:
    found: list[str] = lab.page.evaluate(name)
    return found


def stored(lab: Lab) -> list[str]:
    """Ids of the edits in the store, read past everything of nbannot's."""
    path = lab.server.root / "study" / "project.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = database.execute("select edit_id from edits order by seq").fetchall()
    database.close()
    return [row[0] for row in rows]


def until_dead(lab: Lab, process: int) -> None:
    def is_dead() -> bool:
        try:
            return not Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            return True

    lab.until(is_dead, "the kernel is dead")


def picture(lab: Lab, cell: int = 0) -> npt.NDArray[np.uint8]:
    return lab.canvas_pixels(canvas(lab, cell))


def until_picture(lab: Lab, wanted: npt.NDArray[np.uint8], what: str, cell: int = 0) -> None:
    def is_equal() -> bool:
        now = picture(lab, cell)
        return now.shape == wanted.shape and bool((now == wanted).all())

    lab.until(is_equal, what)


SPY = """
import sqlite3
early, plain = [], viewer.send
def send(content, buffers=None):
    if content.get("type") == "edited" and content["tab"]:
        with sqlite3.connect("file:study/project.sqlite?mode=ro", uri=True) as database:
            id = content["edit"]["id"]
            early.append(database.execute("select 1 from edits where edit_id = ?", (id,)).fetchone())
        database.close()
    plain(content, buffers)
viewer.send = send
"""


def test_every_edit_is_in_the_store_before_it_is_acknowledged(lab: Lab, shared_data: Path) -> None:
    show(lab, [opening(shared_data)])
    brush(lab)
    lab.run_python(SPY)
    canvas(lab).scroll_into_view_if_needed()
    for n in (0, 1, 2):
        stroke(lab, n)
    canvas(lab).hover()
    lab.page.keyboard.press("x")
    x, y = point(lab, 8)
    lab.page.mouse.move(x, y)
    lab.page.mouse.down()
    lab.page.mouse.move(x + 90, y + 60, steps=3)
    lab.page.mouse.up()
    lab.page.keyboard.press("Control+z")
    lab.page.keyboard.press("Control+y")
    until_answered(lab, 6)
    assert ask(lab, "[row == (1,) for row in early]") == [True] * 6
    assert book(lab, "made") == book(lab, "answered") == stored(lab)
    assert ask(lab, "[len(viewer.document.boxes), nb.table(viewer.document, 'boxes').label.tolist()]") == [
        1,
        ["liver"],
    ]
    history = ask(lab, "viewer.session().history()[['origin', 'tool', 'kind']].values.tolist()")
    assert [row[:2] for row in history[:4]] == [["hand", "brush"]] * 3 + [["hand", "box"]]
    assert [row[2] for row in history] == ["paint"] * 3 + ["put", "remove", "put"]
    what = ask(lab, "viewer.session().history()['what'].tolist()")
    assert what[0].endswith("of liver") and what[4].startswith("took back step 4")
    from_store = ask(lab, "project.history('c1')['what'].tolist()")
    assert from_store == what


def test_a_killed_kernel_loses_no_stroke(lab: Lab, shared_data: Path) -> None:
    show(lab, [opening(shared_data)])
    chance = random.Random(7)
    place = 0
    brush(lab)
    for _ in range(4):
        canvas(lab).scroll_into_view_if_needed()
        first = len(stored(lab))
        kernel, fatal = lab.kernel_pid(), chance.randrange(4)
        for n in range(6):
            stroke(lab, place)
            place += 1
            if n == fatal:
                lab.page.wait_for_timeout(chance.randrange(40))
                os.kill(kernel, signal.SIGKILL)
        assert waiting(lab), "what came after the kill is kept in the page"
        until_dead(lab, kernel)
        made, answered, kept = book(lab, "made"), book(lab, "answered"), stored(lab)
        # What the page was told is there; at most the one that was being answered is there, too.
        assert set(answered) <= set(kept) <= set(made)
        assert kept == made[: len(kept)]
        assert first <= len(kept)
        # A press on JupyterLab's dialog about the dead kernel is no stroke.
        assert len(made) == lab.page.evaluate("presses"), "every stroke is an edit"
        lab.await_restart(kernel)
        lab.run_cell(0)
        # The tool chosen before is chosen again.
        assert ready(lab).get_attribute("data-nbannot-tool") == "brush"
        lab.until(lambda: not waiting(lab), "the new viewer delivers what was left", timeout=60)
        assert stored(lab) == made, "every stroke is kept, once and in order"
    dots = "viewer.document.masks['liver'].array.any(0)"
    assert ask(lab, f"int(__import__('scipy.ndimage').ndimage.label({dots})[1])") == len(stored(lab))
    assert ask(lab, "viewer.session().history()['tool'].tolist()") == ["brush"] * len(stored(lab))


def test_earlier_steps_come_back_and_undo_goes_on_after_reopening(lab: Lab, shared_data: Path) -> None:
    show(lab, [opening(shared_data)])
    brush(lab)
    canvas(lab).scroll_into_view_if_needed()
    lab.page.mouse.move(5, 5)
    pictures = [picture(lab)]
    for n in (0, 1, 2):
        stroke(lab, n)
        until_answered(lab, n + 1)
        lab.page.mouse.move(5, 5)
        pictures.append(picture(lab))
    lab.run_python("viewer.session().restore(1)")
    until_picture(lab, pictures[1], "the first stroke alone")
    lab.restart_kernel()
    lab.run_cell(0)
    ready(lab)
    until_picture(lab, pictures[1], "the restored state after reopening")
    assert ask(lab, "viewer.session().history()['what'].tolist()[-1]") == "restore step 1"
    canvas(lab).hover()
    for wanted in (pictures[3], pictures[2], pictures[1], pictures[0]):
        lab.page.keyboard.press("Control+z")
        until_picture(lab, wanted, "one step back")
    for wanted in pictures[1:]:
        lab.page.keyboard.press("Control+y")
        until_picture(lab, wanted, "one step on")


def test_a_reloaded_page_shows_the_viewer_as_it_was(lab: Lab, shared_data: Path) -> None:
    show(lab, [opening(shared_data)])
    brush(lab)
    canvas(lab).scroll_into_view_if_needed()
    stroke(lab, 3)
    until_answered(lab, 1)
    lab.run_python("viewer.window = (80, 300); viewer.planes = 'axial'; viewer.goto(index=(12, 60, 50))")
    lab.output(0).locator('[data-nbannot-layout="axial"]').first.wait_for()
    stroke(lab, 9)
    until_answered(lab, 2)
    canvas(lab).hover()
    lab.page.mouse.wheel(0, 100)
    lab.output(0).locator('[data-nbannot-view="axial"]:not([data-nbannot-slice="12"])').wait_for()
    lab.page.mouse.wheel(0, -100)
    lab.output(0).locator('[data-nbannot-view="axial"][data-nbannot-slice="12"]').wait_for()
    lab.page.mouse.move(5, 5)
    before, view = picture(lab), ask(lab, "viewer.view")
    lab.save()
    lab.reload()
    root = ready(lab)
    canvas(lab).scroll_into_view_if_needed()
    until_picture(lab, before, "the same picture")
    assert root.get_attribute("data-nbannot-layout") == "axial"
    assert root.get_attribute("data-nbannot-tool") == "brush"
    assert ask(lab, "viewer.view") == view
    assert ask(lab, "len(viewer.document.history)") == 2


OTHER = """
import sys, nbannot as nb
with nb.open_project(sys.argv[1]) as project:
    session = project.start("c1")
    session.document.masks["lesion"].paint((slice(20, 23), slice(40, 50), slice(40, 50)))
"""


def test_a_second_writer_is_noticed_and_nothing_is_lost(lab: Lab, shared_data: Path) -> None:
    show(lab, [opening(shared_data), "viewer = project.open('c1')\nviewer"])
    brush(lab)
    canvas(lab).scroll_into_view_if_needed()
    stroke(lab, 0)
    until_answered(lab, 1)
    lab.page.mouse.move(5, 5)
    before = picture(lab)
    study = lab.server.root / "study"
    source = str(Path(__file__).parents[2] / "src")
    subprocess.run(
        [sys.executable, "-c", OTHER, str(study)], check=True, env={**os.environ, "PYTHONPATH": source}
    )
    stroke(lab, 1)
    error = lab.output(0).locator('[data-nbannot-error="ConflictError"]')
    error.wait_for()
    assert "changed elsewhere" in error.inner_text() and "Reopen the case" in error.inner_text()
    lab.page.mouse.move(5, 5)
    until_picture(lab, before, "the refused stroke is taken back")
    assert ask(lab, "viewer.document.revision") == 1 and waiting(lab) == []
    # Reopening, in the same kernel and project, shows both.
    lab.run_cell(1)
    ready(lab, 1)
    voxels = "{mask.name: bool(mask.array.any()) for mask in viewer.document.masks}"
    assert ask(lab, voxels) == {"liver": True, "lesion": True}
    canvas(lab, 1).scroll_into_view_if_needed()
    stroke(lab, 2, 1)
    until_answered(lab, 3)
    assert ask(lab, "len(viewer.session().history())") == 3 == len(stored(lab))


def test_sessions_travel_between_viewers_files_and_projects(lab: Lab, shared_data: Path) -> None:
    image = str(shared_data / CT)
    show(
        lab,
        [
            "import json, nbannot as nb\n"
            f"viewer = nb.Viewer(nb.read({image!r}), labels=['liver'], backend='cpu')\nviewer",
            "project = nb.open_project('study')\nproject.save(viewer.session(), case='c2')\n"
            "nb.save('review.nbs', viewer.session())\n"
            "again = nb.Viewer(nb.load('review.nbs'))\nagain",
            "third = project.open('c2')\nthird",
        ],
    )
    brush(lab)
    lab.run_python("viewer.window = (60, 250); viewer.goto(index=(12, 60, 50))")
    canvas(lab).scroll_into_view_if_needed()
    stroke(lab, 4)
    until_answered(lab, 1)
    lab.page.mouse.move(5, 5)
    for cell in (1, 2):
        before = picture(lab)
        lab.run_cell(cell)
        ready(lab, cell)
        until_picture(lab, before, "the same picture", cell)
    same = "[(other.document.masks['liver'].array == viewer.document.masks['liver'].array).all().item()"
    assert ask(lab, same + " for other in (again, third)]") == [True, True]
    tables = "[len(other.session().history()) for other in (viewer, again, third)]"
    assert ask(lab, tables) == [1, 1, 1]
    lab.run_python("again.document.undo()")
    assert ask(lab, "[int(v.document.masks['liver'].array.any()) for v in (viewer, again, third)]") == [
        1,
        0,
        1,
    ]
    assert ask(lab, "len(project.history('c2'))") == 1


@pytest.mark.parametrize("begun", [False, True])
def test_a_project_open_for_reading_says_so(lab: Lab, shared_data: Path, begun: bool) -> None:
    make = (
        "import nbannot as nb\nwith nb.open_project('study') as project:\n"
        f"    project.add_case('c1', images={str(shared_data / CT)!r}, labels=['liver'])\n"
    )
    if begun:
        make += "    project.start('c1').document.masks['liver'].paint((15, slice(60, 70), slice(40, 50)))\n"
    show(lab, [make + opening(shared_data, ", read_only=True")])
    brush(lab)
    canvas(lab).scroll_into_view_if_needed()
    lab.page.mouse.move(5, 5)
    before = picture(lab)
    stroke(lab, 0)
    error = lab.output(0).locator('[data-nbannot-error="ReadOnlyError"]')
    error.wait_for()
    assert "for reading only" in error.inner_text() and "write access" in error.inner_text()
    lab.page.mouse.move(5, 5)
    until_picture(lab, before, "the refused stroke is taken back")
    assert len(stored(lab)) == int(begun)
