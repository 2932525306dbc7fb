"""What every project can do, wherever it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.session import ImageReference, Session

if TYPE_CHECKING:
    import pandas as pd

Source = str | Path | Image


class Project(Protocol):
    """Cases with their images, and the sessions in which readers annotate them."""

    @property
    def author(self) -> str:
        """Who edits, and reads when no reader is named."""
        ...

    @property
    def cases(self) -> pd.DataFrame:
        """One row per case: case, images, modality, sessions, edits, last_change (UTC)."""
        ...

    @property
    def case_names(self) -> list[str]:
        """Names of the cases, in the order they were added."""
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

    def start(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> Session:
        """Open the session of a reader, or begin it; every edit is kept as it is made."""
        ...

    def open(self, case: str, *, reader: str | None = None) -> Any:
        """Start a session and show it."""
        ...

    def save(self, session: Session, *, case: str | None = None) -> None:
        """Keep the whole state of a session now."""
        ...

    def sessions(self, case: str | None = None) -> pd.DataFrame:
        """One row per session: case, reader, session, repeat, edits, created, last_change."""
        ...

    def history(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> pd.DataFrame:
        """One row per edit, as `Session.history`, without opening the images."""
        ...

    def close(self) -> None:
        """Close the sessions and the project."""
        ...
