"""`export`: documents, sessions or the cases of a project as one data set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbannot.errors import EditError
from nbannot.formats.exporting.cases import export_cases
from nbannot.formats.progress import Progress, following
from nbannot.model.document import Document
from nbannot.session import Session
from nbannot.store import StoredProject
from nbannot.viewer import Viewer

if TYPE_CHECKING:
    import pandas as pd

Thing = Document | Session | Viewer
Things = Thing | StoredProject | Mapping[str, Thing] | Iterable[Thing]


def export(
    things: Things,
    folder: str | os.PathLike[str],
    *,
    to: str,
    progress: Progress | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Write many annotated cases into an empty folder as one data set.

    Parameters
    ----------
    things
        Documents, sessions or viewers: one, several, or by the name of their case; or a project, of which
        the newest session of each reader and case is taken.
    folder
        Where to; made when it is missing.
    to
        "coco", "yolo", "voc" (annotated slices as pictures), "nifti", "monai", "bids" (volumes and labelmaps),
        "csv" (tables), "png" (overlays to look at), or a kind of `write` ("sr", "markups", "volview", …) for
        a file of each case.
    progress
        Called with the part that is done and the case; a bar in a notebook when missing.
    **options
        ``images=False`` leaves the pictures or volumes out; ``task="segment"`` for YOLO; those of `write`.

    Returns
    -------
    pandas.DataFrame
        One row for each case: case, note (what was left out, or why it was not written).

    Raises
    ------
    FormatError
        When the folder is not empty, the format is not known, or no case could be written.
    """
    import pandas as pd

    try:
        number = version("nbannot")
    except PackageNotFoundError:
        number = ""
    with following(progress) as tell:
        rows = export_cases(_cases(things), Path(folder), to, version=number, tell=tell, **options)
    return pd.DataFrame(rows, columns=pd.Index(["case", "note"]))


def _cases(things: Things) -> dict[str, Callable[[], Document]]:
    """Return what gives the document of each case, by its name."""
    if isinstance(things, StoredProject):
        return _of_project(things)
    if isinstance(things, Document | Session | Viewer):
        things = [things]
    if isinstance(things, Mapping):
        return {str(name): _giving(thing) for name, thing in things.items()}
    cases: dict[str, Callable[[], Document]] = {}
    for number, thing in enumerate(things, start=1):
        case = thing.case if isinstance(thing, Session) else None
        plain = case or _giving(thing)().images[0].name or f"case_{number}"
        free, count = plain, 2
        while free in cases:
            free, count = f"{plain} ({count})", count + 1
        cases[free] = _giving(thing)
    return cases


def _giving(thing: Thing) -> Callable[[], Document]:
    if isinstance(thing, Document):
        return lambda: thing
    if isinstance(thing, Session | Viewer):
        return lambda: thing.document
    raise EditError(
        f"{type(thing).__name__} is nothing that is exported",
        hint="Give documents, sessions, viewers or a project.",
    )


def _of_project(project: StoredProject) -> dict[str, Callable[[], Document]]:
    rows = project.sessions()
    newest: dict[tuple[str, str], int] = {}
    for case, reader, number in zip(rows["case"], rows["reader"], rows["session"], strict=True):
        newest[case, reader] = max(int(number), newest.get((case, reader), 0))
    alone = Counter(case for case, _ in newest)

    def giving(case: str, reader: str) -> Callable[[], Document]:
        return lambda: project.start(case, reader=reader).document

    return {case if alone[case] == 1 else f"{case}_{reader}": giving(case, reader) for case, reader in newest}
