"""What readers marked and answered: one case at a time, and all of a project as a tidy table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nbannot.errors import UnknownItemError
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.measures import Reader, measure_item, measure_segments
from nbannot.model.shapes import Shape
from nbannot.store.actor import Actor
from nbannot.store.cases import Cases
from nbannot.store.frames import frame
from nbannot.store.sessions import Sessions
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "case", "reader", "session", "repeat", "task", "status", "image", "item", "what", "label", "question",
    "answer", "voxels", "volume_ml", "length_mm", "area_mm2", "files",
)  # fmt: skip


class Case:
    """One case of a project: its readers and what they marked."""

    def __init__(self, actor: Actor, cases: Cases, sessions: Sessions, name: str) -> None:
        self._actor = actor
        self._cases = cases
        self._sessions = sessions
        actor.check("case.read", name)
        cases.row(name)
        self.name = name

    def __repr__(self) -> str:
        return f"Case({self.name!r}, readers: {', '.join(self.readers) or 'none'})"

    @property
    def images(self) -> tuple[Image, ...]:
        """Its images, checked."""
        return self._cases.images(self.name)

    @property
    def readers(self) -> tuple[str, ...]:
        """Who has a session of it, as far as the one who acts may see them."""
        return tuple(dict.fromkeys(self._sessions.table(self.name)["reader"]))

    def document(self, reader: str | None = None, *, session: int | None = None, repeat: int = 1) -> Document:
        """Return a copy of what a reader marked; changing it changes nothing in the project.

        Parameters
        ----------
        reader
            Who; the one who acts when missing.
        session, repeat
            Which of the reader's sessions; the newest of the first reading when missing.

        Raises
        ------
        UnknownItemError
            When the reader has no such session.
        AccessError
            When others' sessions are not to be read.
        """
        who = self._actor.person if reader is None else reader
        self._sessions.check(self.name, who)
        row = self._sessions.find(self.name, who, session, repeat)
        if row is None:
            raise UnknownItemError(
                f"Reader {who!r} has no session of case {self.name!r}",
                hint=f"There are readers: {', '.join(self.readers) or 'none'}.",
            )
        return self._sessions.document(row.id)

    def mask(
        self, reader: str, label: str, *, session: int | None = None, repeat: int = 1, image: str = ""
    ) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return where a reader saw a label, as an array (k, j, i) of bools.

        Parameters
        ----------
        reader, session, repeat
            As in `document`.
        label
            Name of the label.
        image
            Name or id of the image; the first one when missing.

        Raises
        ------
        UnknownItemError
            When the reader has no such session, or the case no such image.
        UnknownLabelError
            When the document has no such label.
        """
        document = self.document(reader, session=session, repeat=repeat)
        name = document.labels[label].name
        wanted = [one for one in document.images if image in ("", one.id, one.name)]
        if not wanted:
            raise UnknownItemError(f"Case {self.name!r} has no image {image!r}")
        found = np.zeros(wanted[0].shape, dtype=bool)
        for mask in document.masks:
            if mask.image.id == wanted[0].id:
                values = [segment.value for segment in mask.segments if segment.label == name]
                found |= np.isin(mask.array, values)
        return found


def results(
    actor: Actor, cases: Cases, sessions: Sessions, *, case: str | None = None, names: bool = True
) -> pd.DataFrame:
    """Return the tidy table; see `StoredProject.results`."""
    from sqlalchemy import func, select

    known = tables()
    sees_all = bool(actor.may("session.read", case, of=""))
    query = (
        select(
            known.cases.c.name, known.cases.c.id, known.sessions.c.id, known.sessions.c.reader,
            known.sessions.c.session, known.sessions.c.repeat, known.sessions.c.status,
            known.tasks.c.id, known.tasks.c.status,
        )
        .select_from(
            known.sessions.join(known.cases, known.cases.c.id == known.sessions.c.case_id).outerjoin(
                known.tasks, known.tasks.c.session_id == known.sessions.c.id
            )
        )
        .order_by(known.cases.c.id, known.sessions.c.reader, known.sessions.c.session)
    )  # fmt: skip
    if case is not None:
        query = query.where(known.cases.c.name == case)
    if not sees_all:
        query = query.where(known.sessions.c.reader == actor.person)
    with actor.database.reading() as connection:
        found = connection.execute(query).all()
        first = func.min(known.sessions.c.created)
        everybody = select(known.sessions.c.reader).group_by(known.sessions.c.reader).order_by(first)
        # The same in every table, whatever it is about.
        pseudonyms = {
            reader: f"Reader {n}" for n, reader in enumerate(connection.execute(everybody).scalars(), 1)
        }
    rows: list[tuple[Any, ...]] = []
    images: tuple[str, tuple[Image, ...]] = ("", ())
    for name, key, session, reader, number, repeat, status, task, stage in found:
        if images[0] != name:
            images = (name, cases.images(name))
        document = sessions.copy(session, images[1])
        files = {one.id: one.uri for one in cases.kept(key)} if names else {}
        places = {one.id: n for n, one in enumerate(images[1], start=1)}
        who = reader if names else pseudonyms[reader]
        head = (name if names else f"Case {key}", who, number, repeat, task or "", stage or status)
        for image, *said in _said(document):
            shown = image if names else f"Image {places[image]}"
            rows.append((*head, shown, *said, files.get(image, "")))
    return frame(rows, COLUMNS)


def _said(document: Document) -> Iterator[tuple[Any, ...]]:
    """Yield image id, item and what, label, question, answer, voxels, ml, mm, mm² of all that was said."""
    nothing = (None, None, None, None)
    for tag in document.tags:
        image = document.image(tag.image).id
        if tag.value is not None or not tag.attributes:
            yield image, tag.id, "tag", tag.label, "", tag.value, *nothing
        for question, answer in tag.attributes.items():
            yield image, tag.id, "tag", tag.label, question, answer, *nothing
    for mask in document.masks:
        measures = measure_segments(mask, values=False)
        for segment in mask.segments:
            size = measures[segment.value]
            volume = size.volume / 1000 if size.unit == "mm" and size.volume is not None else None
            said = (f"{mask.id}/{segment.value}", "segment", segment.label, "", None)
            yield mask.image.id, *said, size.count, volume, None, None
    drawn: list[tuple[str, Box | Shape]] = [("box", box) for box in document.boxes]
    drawn += [(shape.kind, shape) for shape in document.shapes]
    for what, item in drawn:
        seen = document.image(item.image)
        size = measure_item(item, Reader(seen, item.frame or 0), values=False)
        in_mm = size.unit == "mm"
        sizes = (None, None, size.length if in_mm else None, size.area if in_mm else None)
        yield seen.id, item.id, what, item.label, "", None, *sizes
        for question, answer in item.attributes.items():
            yield seen.id, item.id, what, item.label, question, answer, *nothing
