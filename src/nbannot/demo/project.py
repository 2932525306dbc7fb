"""Builds the demo folder: images, a project that refers to them, and a notebook to start from."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from nbannot.demo.phantom import write_chest
from nbannot.demo.pictures import copy_ultrasound, write_brain
from nbannot.demo.serve import SETTINGS
from nbannot.store import open_project

NOTEBOOK = "Start.ipynb"
READY = ".ready"
VERSION = "1"


def build_demo(folder: Path, *, say: Callable[[str], None] = lambda text: None) -> Path:
    """Make `folder` a ready demo, or leave it as it is when it already is one; return its notebook.

    Parameters
    ----------
    folder
        Made when missing. A notebook already there is kept.
    say
        Told what is being made.

    Raises
    ------
    FileExistsError
        When the folder holds other things.
    """
    folder = folder.resolve()
    notebook = folder / NOTEBOOK
    mark = folder / READY
    if not mark.is_file():
        _refuse_foreign(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        _build(folder, say)
        mark.write_text(VERSION + "\n", encoding="utf-8")
    if not notebook.is_file():
        shutil.copyfile(Path(__file__).with_name(NOTEBOOK), notebook)
    return notebook


def _refuse_foreign(folder: Path) -> None:
    ours = {"images", "project", ".gitignore", ".ipynb_checkpoints", NOTEBOOK, SETTINGS}
    foreign = sorted(p.name for p in folder.iterdir() if p.name not in ours) if folder.is_dir() else []
    if foreign:
        raise FileExistsError(
            f"{folder} is no demo folder: it holds {', '.join(foreign[:3])}. Name another one with --folder."
        )


def _build(folder: Path, say: Callable[[str], None]) -> None:
    images = folder / "images"
    for half_made in (images, folder / "project"):
        shutil.rmtree(half_made, ignore_errors=True)
    say("Making a chest CT and PET ...")
    chest = write_chest(images / "chest")
    say("Writing the MNI152 brain ...")
    brain = write_brain(images / "brain")
    ultrasound = copy_ultrasound(images)
    say("Making the project ...")
    project = open_project(folder / "project")
    try:
        project.add_case("chest-ct", images=chest.ct, labels=["nodule", "liver", "aorta"])
        project.add_case("chest-pet", images=chest.pet, labels=["hot spot"])
        project.add_case("brain", images=brain, labels=["lesion"])
        project.add_case("ultrasound", images=ultrasound, labels=["finding"])
    finally:
        project.close()
