"""What every project can do, wherever it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nbannot.formats.progress import Progress
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.session import ImageReference, Session, SessionBuilder
from nbannot.store.indexed import Indexed
from nbannot.store.parts import Audit, Case, Comments, Configs, People, Tasks

if TYPE_CHECKING:
    import pandas as pd

Source = str | Path | Image


class Project(Protocol):
    """Cases with their images, and the sessions in which readers annotate them.

    Paths and URLs of `index` and `relink` are those of the machine where the project is kept.
    """

    @property
    def author(self) -> str:
        """Who edits, and reads when no reader is named."""
        ...

    @property
    def people(self) -> People:
        """Who may do what."""
        ...

    @property
    def tasks(self) -> Tasks:
        """Who shall read what, and how far they are."""
        ...

    @property
    def comments(self) -> Comments:
        """What people say about cases."""
        ...

    @property
    def configs(self) -> Configs:
        """The configurations of the project, of folders and of cases."""
        ...

    @property
    def audit(self) -> Audit:
        """Who did what, and what was refused."""
        ...

    @property
    def cases(self) -> pd.DataFrame:
        """One row per case: case, images, modality, sessions, edits, last_change (UTC) and more."""
        ...

    @property
    def case_names(self) -> list[str]:
        """Names of the cases, in the order they were added."""
        ...

    def page(self, *, match: str = "*", after: str | None = None, limit: int = 100) -> pd.DataFrame:
        """Return some rows of `cases`."""
        ...

    def case(self, name: str) -> Case:
        """Return one case: its readers and what they marked."""
        ...

    def add_case(
        self,
        name: str,
        *,
        images: Source | Sequence[Source],
        copy: bool = False,
        labels: Sequence[str | Label] = (),
    ) -> None:
        """Add a case: keep where its images are, and which ones."""
        ...

    def references(self, case: str) -> tuple[ImageReference, ...]:
        """Return where the images of a case are, without opening them."""
        ...

    def images(self, case: str) -> tuple[Image, ...]:
        """Open the images of a case, after a look whether they are the same."""
        ...

    def relink(self, case: str, image: str, path: str | Path) -> None:
        """Tell where an image has moved to; its content must be the same."""
        ...

    def index(
        self,
        url: str | Path,
        *,
        rules: Any = None,
        scheduler: Any = None,
        progress: Progress | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Indexed:
        """Make cases of what is at a place."""
        ...

    def associate(self, *, dry_run: bool = False, patterns: Any = None, table: Any = None) -> pd.DataFrame:
        """Attach what was indexed to its images."""
        ...

    def start(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> Session:
        """Open the session of a reader, or begin it; every edit is kept as it is made."""
        ...

    def take_over(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> Session:
        """Open a session and be the only one who writes to it."""
        ...

    def presence(self, case: str | None = None) -> pd.DataFrame:
        """One row per person who is in a case now: person, case, place, seen."""
        ...

    def be(self, case: str, place: Any = None) -> None:
        """Tell where in a case one is."""
        ...

    def results(self, case: str | None = None, *, names: bool = True) -> pd.DataFrame:
        """One row per answer, shape and mask of every reading."""
        ...

    def open(self, case: str, *, reader: str | None = None) -> Any:
        """Start a session and show it."""
        ...

    def worklist(self, *, mine: bool = True, thumbnails: bool = True) -> Any:
        """Return a widget of tasks, with the viewer of one case beside them."""
        ...

    def panel(self) -> Any:
        """Return a widget in which an owner sets the project up."""
        ...

    def save(self, session: Session, *, case: str | None = None) -> None:
        """Keep the whole state of a session now."""
        ...

    def sessions(self, case: str | None = None) -> pd.DataFrame:
        """One row per session: case, reader, session, repeat, edits, created, last_change, status and more."""
        ...

    def history(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> pd.DataFrame:
        """One row per edit, as `Session.history`, without opening the images."""
        ...

    def build(
        self,
        cases: Mapping[str, SessionBuilder],
        *,
        readers: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
        copy: bool = False,
        assign: bool = False,
        batch: str = "",
    ) -> pd.DataFrame:
        """Keep built sessions, for each of their readers."""
        ...

    def export_to(self, path: str | Path, *, images: bool = False) -> Path:
        """Write the whole project as one zip, with or without images."""
        ...

    def merge(self, path: str | Path) -> pd.DataFrame:
        """Take in what another copy of the project holds."""
        ...

    def close(self) -> None:
        """Close the sessions and the project."""
        ...
