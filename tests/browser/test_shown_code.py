"""What the README and the notebooks show is run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from nbannot.demo.project import build_demo

ROOT = Path(__file__).resolve().parents[2]


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def demo(demo_folder: Path, tmp_path: Path) -> Path:
    """A demo folder, as `make demo` makes it; the path of its notebook."""
    return Path(shutil.copytree(demo_folder, tmp_path / "demo-project")) / "Start.ipynb"


@pytest.fixture(autouse=True)
def _this_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return notebook


def test_the_start_notebook_runs(demo: Path) -> None:
    notebook = execute(demo, demo.parent)
    shown = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert not [o for o in shown if o.output_type == "error"]
    widgets = [o for o in shown if "application/vnd.jupyter.widget-view+json" in o.get("data", {})]
    assert len(widgets) == 4
    text = "".join(o.get("text", "") for o in shown)
    assert "after undo: 0 voxels" in text


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_other_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = execute(path, tmp_path)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert any(
        "application/vnd.jupyter.widget-view+json" in o.get("data", {}) for c in cells for o in c.outputs
    )
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_the_demo_is_made_once(demo: Path) -> None:
    made = {p: p.stat().st_mtime_ns for p in (demo.parent / "images").rglob("*") if p.is_file()}
    demo.write_text("mine", encoding="utf-8")
    assert build_demo(demo.parent) == demo
    assert demo.read_text(encoding="utf-8") == "mine"
    assert {p: p.stat().st_mtime_ns for p in (demo.parent / "images").rglob("*") if p.is_file()} == made


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"it holds thesis\.txt"):
        build_demo(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("page", ["README.md", "docs/viewer.md", "docs/operations.md"])
def test_what_a_page_shows_runs(page: str, demo_folder: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)
    assert blocks
    shutil.copytree(demo_folder / "images" / "chest" / "ct", tmp_path / "ct")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(block) for block in blocks])
    nbformat.write(notebook, tmp_path / "page.ipynb")
    execute(tmp_path / "page.ipynb", tmp_path)
