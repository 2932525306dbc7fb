"""The shape of the house: sizes, hidden imports, words that must not be there, and docs that name what is public."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbannot

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES = 600
FUNCTION_LINES = 60
HEAVY = (
    "pydicom",
    "highdicom",
    "nibabel",
    "SimpleITK",
    "pandas",
    "PIL",
    "sqlalchemy",
    "scipy",
    "skimage",
    "alembic",
    "nilearn",
    "yaml",
)


def kept_files() -> list[Path]:
    """Return the files that git keeps or would keep."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    built = {
        ".venv",
        "node_modules",
        "__pycache__",
        "static",
        "dist",
        "build",
        "test-output",
        "demo-project",
        ".git",
    }
    return [p for p in ROOT.rglob("*") if p.is_file() and not built & set(p.relative_to(ROOT).parts)]


FILES = kept_files()
PYTHON = [p for p in FILES if p.suffix == ".py"]
SOURCE = [p for p in PYTHON if p.is_relative_to(ROOT / "src")]
SCRIPTS = [p for p in FILES if p.suffix in (".ts", ".mjs", ".cjs", ".css") and p.is_relative_to(ROOT / "js")]
TEXT = (".py", ".ts", ".mjs", ".cjs", ".css", ".md", ".toml", ".json", ".ipynb", ".yml", ".yaml", ".sh", "")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_the_lists_are_not_empty() -> None:
    assert len(SOURCE) > 5
    assert len(SCRIPTS) > 2


def test_files_are_short() -> None:
    sizes = {name(p): len(p.read_text(encoding="utf-8").splitlines()) for p in [*PYTHON, *SCRIPTS]}
    assert {file: lines for file, lines in sizes.items() if lines > FILE_LINES} == {}


def test_python_functions_are_short() -> None:
    long = {}
    for path in PYTHON:
        for node in functions(ast.parse(path.read_text(encoding="utf-8"))):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                long[f"{name(path)}:{node.lineno} {node.name}"] = length
    assert long == {}


def own_imports(node: ast.AST) -> Iterator[int]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import) and any(a.name.split(".")[0] == "nbannot" for a in inner.names):
            yield inner.lineno
        if isinstance(inner, ast.ImportFrom) and (
            inner.level or (inner.module or "").split(".")[0] == "nbannot"
        ):
            yield inner.lineno


def test_own_imports_stand_at_the_top_of_a_file() -> None:
    hidden = []
    for path in SOURCE:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = [
            n
            for n in ast.walk(tree)
            if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.If | ast.Try)
        ]
        hidden += [f"{name(path)}:{line}" for node in inside for line in own_imports(node)]
    assert hidden == []


def test_no_grab_bags() -> None:
    bags = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py", "utils.ts", "util.ts", "helpers.ts"}
    assert [name(p) for p in FILES if p.name in bags] == []


def test_no_loose_ends() -> None:
    # The words are put together here so that this file does not find itself.
    words = re.compile("|".join(["TO" + "DO", "FIX" + "ME", r"\bXX" + r"X\b", "raise NotImplemented" + "Error",
                                 r"pytest\." + r"skip\(", r"mark\." + "skip", r"mark\." + "xfail",
                                 r"\b(it|test|describe)\." + r"(only|skip)\("]))  # fmt: skip
    found = [
        f"{name(path)}:{number}"
        for path in [*PYTHON, *SCRIPTS]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert found == []


def test_no_package_registry_is_named() -> None:
    parts = ["py" + r"pi\.org", "python" + r"hosted\.org", r"registry\.npm" + "js", "npm" + r"js\.(com|org)"]
    hosts = re.compile("|".join([*parts, r"registry\.yarn" + "pkg", r"deb\.debian" + r"\.org"]))
    found = [
        name(p)
        for p in FILES
        if p.suffix in TEXT and hosts.search(p.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_notebooks_are_kept_without_outputs() -> None:
    import json

    stored = []
    for path in (p for p in FILES if p.suffix == ".ipynb"):
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None):
                stored.append(f"{name(path)}: cell {number}")
    assert stored == []


def test_every_public_name_is_in_the_docs() -> None:
    words = " ".join(
        p.read_text(encoding="utf-8") for p in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    )
    known = set(re.findall(r"\w+", words))
    assert [public for public in nbannot.__all__ if public not in known] == []


def test_the_facade_is_small_and_documented() -> None:
    assert len(nbannot.__all__) <= 33
    assert [
        public for public in nbannot.__all__ if not (getattr(nbannot, public).__doc__ or "").strip()
    ] == []


@pytest.mark.parametrize("package", HEAVY)
def test_import_stays_light(package: str, loaded_by_import: set[str]) -> None:
    assert package not in loaded_by_import


@pytest.fixture(scope="module")
def loaded_by_import() -> set[str]:
    """The top-level packages that a bare `import nbannot` loads."""
    code = "import sys, nbannot; print(' '.join({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "src"
    )
    return set(done.stdout.split())
