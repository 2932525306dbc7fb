"""The wheel: installed in a bare environment with no node in sight, it imports and carries the browser module."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import nbannot

ROOT = Path(__file__).resolve().parents[2]
STATIC = "nbannot/viewer/static"


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (built,) = out.glob("*.whl")
    return built


def test_it_carries_all_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        prefix = f"nbannot-{nbannot.__version__}.data/data"
        switch = json.loads(archive.read(f"{prefix}/etc/jupyter/jupyter_server_config.d/nbannot.json"))
    assert {
        f"{STATIC}/viewer.js",
        f"{STATIC}/loader.js",
        f"{STATIC}/volume3d.js",
        f"{STATIC}/forms.js",
        f"{STATIC}/viewer.css",
        "nbannot/py.typed",
        "nbannot/demo/Start.ipynb",
    } <= names
    assert any(n.startswith("nbannot/store/migrations/versions/") and n.endswith(".py") for n in names)
    assert switch == {"ServerApp": {"jpserver_extensions": {"nbannot.jupyter": True}}}
    assert not [n for n in names if "node_modules" in n or n.startswith(("tests/", "js/"))]


def needed(wheel: Path) -> Iterator[Distribution]:
    """The packages that the wheel asks for, those that they ask for, and so on: not one more."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        asked = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist") or []
    todo, seen = [(Requirement(text), {""}) for text in asked], set()
    while todo:
        wanted, extras = todo.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen or (wanted.marker and not any(wanted.marker.evaluate({"extra": e}) for e in extras)):
            continue
        seen.add(key)
        found = distribution(wanted.name)
        assert wanted.specifier.contains(found.version, prereleases=True), f"{wanted}: {found.version}"
        todo += [(Requirement(text), {"", *wanted.extras}) for text in found.requires or []]
        yield found


def bare_environment(folder: Path, wheel: Path) -> Path:
    """A virtual environment with the wheel's packages, linked from this one; returns its Python.

    A package that nbannot imports and does not ask for is missing there.
    """
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    for found in needed(wheel):
        home = Path(str(found.locate_file("")))
        for top in {
            file.parts[0] for file in found.files or [] if file.parts[0] not in ("..", "__pycache__")
        }:
            if not (site / top).exists():
                (site / top).symlink_to(home / top)
    return folder / "bin" / "python"


def test_it_installs_and_imports_without_node(wheel: Path, tmp_path: Path) -> None:
    python = bare_environment(tmp_path / "env", wheel)
    bare = {"PATH": str(python.parent), "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=tmp_path, env=bare)
    code = (
        "import nbannot, pathlib; from importlib.resources import files;"
        "script = files('nbannot') / 'viewer' / 'static' / 'viewer.js';"
        "print(nbannot.__version__, len(script.read_bytes()) > 1000, pathlib.Path(nbannot.__file__))"
    )
    version, carried, place = run(python, "-c", code, cwd=tmp_path, env=bare).split()
    assert (version, carried) == (nbannot.__version__, "True")
    assert Path(place).is_relative_to(tmp_path)
    assert "annotation" in run(python.with_name("nbannot"), "--help", cwd=tmp_path, env=bare)
    assert (tmp_path / "env/etc/jupyter/jupyter_server_config.d/nbannot.json").is_file()


def test_it_is_refused_without_the_browser_module(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in ("src/nbannot/__init__.py", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", copy]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "the browser module is not built" in done.stdout + done.stderr
