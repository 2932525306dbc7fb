"""A session: a document, where its images are, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nbannot.errors import StoreError, UnknownItemError
from nbannot.model.document import Document
from nbannot.model.edits import Edit
from nbannot.session import history
from nbannot.session.difference import turning
from nbannot.session.images import ImageReference
from nbannot.session.state import State, capture, rebuild

if TYPE_CHECKING:
    import pandas as pd

# Steps back that are quicker taken one by one than from a kept state.
NEAR = 50


class Keeper(Protocol):
    """What keeps a session's edits: a project."""

    key: str
    case: str
    reader: str
    closed: bool

    def edits(self, after: int, upto: int | None = None) -> list[Edit]:
        """Return the edits of the steps ``after`` < step ≤ ``upto``."""
        ...

    def latest(self, upto: int) -> tuple[int, State]:
        """Return the newest kept state that is not after the step ``upto``, with its step."""
        ...

    def save(self, session: Session) -> None:
        """Keep the whole state now."""
        ...

    def close(self, session: Session) -> None:
        """Keep the whole state and take no more edits."""
        ...


class Session:
    """A document, where its images are, and how they are shown.

    Made by `Session.of`, `load` or a project's ``start``.

    Attributes
    ----------
    document
        The annotations.
    view
        How the images are shown: a JSON dict of the viewer.
    references
        Where the images are, in the document's order; empty until it is saved.
    first
        Number of steps that came before ``document.history``.
    """

    def __init__(
        self,
        document: Document,
        *,
        view: Mapping[str, Any] | None = None,
        references: Sequence[ImageReference] = (),
        first: int = 0,
        keeper: Keeper | None = None,
    ) -> None:
        self.document = document
        self.view: dict[str, Any] = dict(view or {})
        self.references = tuple(references)
        self.first = first
        self._keeper = keeper

    @classmethod
    def of(cls, document: Document, *, view: Mapping[str, Any] | None = None) -> Session:
        """Return a session of a document that no project keeps."""
        return cls(document, view=view)

    def __repr__(self) -> str:
        where = f"case {self.case!r}, reader {self.reader!r}, " if self._keeper else ""
        return f"Session({where}step {self.step}, {self.document!r})"

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def case(self) -> str | None:
        """Name of the project's case; None when no project keeps the session."""
        return None if self._keeper is None else self._keeper.case

    @property
    def reader(self) -> str | None:
        """Who reads the case; None when no project keeps the session."""
        return None if self._keeper is None else self._keeper.reader

    @property
    def key(self) -> str | None:
        """Id of the session in its project; None when no project keeps it."""
        return None if self._keeper is None else self._keeper.key

    @property
    def closed(self) -> bool:
        """Whether the session was closed: then its document takes no more edits."""
        return self._keeper is not None and self._keeper.closed

    @property
    def step(self) -> int:
        """Number of edits so far."""
        return self.first + len(self.document.history)

    @property
    def oldest(self) -> int:
        """The oldest step that can be brought back; above 0 when saved without history."""
        return self.first if self._keeper is None else 0

    def edits(self) -> list[Edit]:
        """Return every edit after the step `oldest`, in order."""
        with self.document.lock:
            later = list(self.document.history)
        if self._keeper is None or not self.first:
            return later
        return self._keeper.edits(0, self.first) + later

    def history(self) -> pd.DataFrame:
        """Return one row per edit: step, time (UTC), author, origin, tool, kind, what, undoes.

        ``undoes`` is the step that the edit takes back.
        """
        names = {mask.id: mask.name for mask in self.document.masks}
        return history.table(self.edits(), masks=names, after=self.oldest)

    def at(self, step: int) -> Document:
        """Return a copy of the document as it was after the edit ``step``; 0 is the start.

        The copy is on its own: editing it changes nothing here.

        Raises
        ------
        UnknownItemError
            When there is no such step.
        """
        copy = self._copy(step)
        # Once more, so that the way here is not its history.
        return rebuild(capture(copy), copy.images, author=copy.author)

    def _copy(self, step: int) -> Document:
        now, low = self.step, self.oldest
        if not low <= step <= now:
            raise UnknownItemError(f"There is no step {step}", hint=f"Choose a step from {low} to {now}.")
        near = step >= self.first and now - step < NEAR
        return self._earlier(self._keeper, step) if self._keeper and not near else self._back(step)

    def _back(self, step: int) -> Document:
        document = self.document
        with document.lock:
            state, later = capture(document), document.history[step - self.first :]
        copy = rebuild(state, document.images, author=document.author)
        copy.replay(edit.inverse() for edit in reversed(later))
        return copy

    def _earlier(self, keeper: Keeper, step: int) -> Document:
        kept, state = keeper.latest(step)
        copy = rebuild(state, self.document.images, author=self.document.author)
        copy.replay(keeper.edits(kept, step))
        return copy

    def restore(self, step: int) -> Edit:
        """Bring the state after the edit ``step`` back, as one new edit.

        The history is never rewritten: the restored state is one more step, and can be undone.

        Raises
        ------
        UnknownItemError
            When there is no such step.
        """
        self.document.refresh()
        target = self._copy(step)
        with self.document.lock:
            return self.document.apply(turning(self.document, target, name=f"restore step {step}"))

    def save(self) -> None:
        """Keep the whole state in the project now; edits are kept all along.

        Raises
        ------
        StoreError
            When no project keeps the session.
        """
        if self._keeper is None:
            raise StoreError(
                "This session belongs to no project",
                hint="Use project.save(session, case=…), or nbannot.save(path, session).",
            )
        self._keeper.save(self)

    def close(self) -> None:
        """Keep the whole state and end the tie to the project; closing twice is fine."""
        if self._keeper is not None:
            self._keeper.close(self)
