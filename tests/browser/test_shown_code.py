"""What the README and the notebooks show is run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from nbannot.demo.phantom import write_chest
from nbannot.demo.project import build_demo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo folder, as `make demo` makes it; the path of its notebook."""
    return build_demo(tmp_path_factory.mktemp("demo") / "demo-project")


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


def test_every_other_notebook_runs(demo: Path) -> None:
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        copy = Path(shutil.copyfile(path, demo.parent / path.name))
        notebook = execute(copy, demo.parent)
        assert any(cell.cell_type == "code" and cell.outputs for cell in notebook.cells), path.name


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


def test_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S
    )
    assert blocks
    chest = write_chest(tmp_path)
    assert chest.ct.name == "ct"
    cells = [nbformat.v4.new_code_cell(block) for block in blocks]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, tmp_path / "readme.ipynb")
    execute(tmp_path / "readme.ipynb", tmp_path)
