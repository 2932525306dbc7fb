"""notebooks/yardstick.ipynb measures nbannot and ipyniivue in a page, and runs without one."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from browser.conftest import ROOT
from browser.lab import Lab

NOTEBOOK = ROOT / "notebooks" / "yardstick.ipynb"


def test_it_measures_both_viewers(lab: Lab) -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    for cell in notebook.cells:
        # A volume that the peer shows in seconds.
        cell.source = cell.source.replace('"300"', '"24"').replace("512j", "128j")
        cell.source = cell.source.replace("measure()", "measure(steps=12, drags=6)").replace(
            "steps=20", "steps=6"
        )
    target = lab.server.root / "yardstick.ipynb"
    nbformat.write(notebook, target)
    lab.open_path("yardstick.ipynb")
    code = [n for n, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    states = 'print(json.dumps([one["state"] for one in yardstick.results]))'

    def until(state: str, viewers: int) -> None:
        box = lab.output(code[2]).locator("pre")
        lab.until(lambda: box.inner_text().count(state) == viewers, f"{viewers} × {state}", timeout=120)

    for n in code[:4]:
        lab.run_cell(n)
    for n, viewer in ((4, 1), (6, 2)):
        lab.run_cell(code[n])
        until(": ", viewer)
        lab.page.wait_for_function("n => document.body.innerText.split(': shown').length - 1 === 1", arg=n)
        lab.run_cell(code[n + 1])
        until("measured", viewer)
    lab.run_cell(code[8])
    found = json.loads(
        lab.run_python(
            f"import json; {states}; print(yardstick.table().to_json(orient='records'))"
        ).splitlines()[-1]
    )
    assert [row["viewer"] for row in found] == ["nbannot", "ipyniivue"]
    for row in found:
        assert row["state"] == "measured"
        assert row["first picture ms"] > 0
        assert 0 < row["scroll median ms"] <= row["scroll p95 ms"]
        assert row["scrolls unseen"] < 6
        assert row["longest frame ms"] > 0 and row["JS heap MB"] > 1
    assert found[0]["drags unseen"] < 6, "a drag with the window tool changes the picture"
    lab.screenshot("yardstick")


def test_without_a_browser_the_table_is_empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YARDSTICK_SLICES", "8")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    notebook = nbformat.read(NOTEBOOK, 4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    shown = notebook.cells[-1].outputs[0]["data"]["text/plain"]
    assert "Empty DataFrame" in shown and "scroll median ms" in shown
