"""A project in a folder: one SQLite database and immutable files."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nbannot.errors import NbannotError, ReadOnlyError, StoreError, UnknownItemError
from nbannot.model.codec import decode_item, encode_item
from nbannot.model.document import Document
from nbannot.model.edits import Edit
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.session import ImageReference, Session
from nbannot.session import history as narrative
from nbannot.session.images import as_path
from nbannot.session.state import capture, rebuild
from nbannot.store import overview
from nbannot.store.adopt import adopt, same_images
from nbannot.store.blobs import Blobs
from nbannot.store.failures import failing
from nbannot.store.journal import Database, Journal, snapshot_row
from nbannot.store.keeper import Kept
from nbannot.store.project import Source
from nbannot.store.schema import connect, migrate
from nbannot.store.sources import discard, moved, opened, refer
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Row

NAME = "project.sqlite"
SNAPSHOT_EVERY = 200
# Steps that can be undone right after opening.
UNDO_STEPS = 100

_READ_ONLY = "Ask for write access to the folder, or copy the project and open the copy."


class LocalProject:
    """A project in a folder; made by `open_project`.

    Parameters
    ----------
    folder
        Where it is, or is to be made.
    author
        Who edits.
    show
        Makes what `open` returns of a session; None leaves `start` only.
    read_only
        Whether to leave the folder as it is.
    every
        Number of edits from one snapshot to the next.
    """

    def __init__(
        self,
        folder: Path,
        *,
        author: str,
        show: Callable[[Session], Any] | None = None,
        read_only: bool = False,
        every: int = SNAPSHOT_EVERY,
    ) -> None:
        self.folder = folder
        self.author = author
        self.show = show
        self.every = every
        self._live: weakref.WeakValueDictionary[str, Session] = weakref.WeakValueDictionary()
        self._lock = RLock()
        path = folder / NAME
        self.read_only = read_only or (path.exists() and not _writable(path))
        if not path.exists():
            self._make(path, read_only)
        path = _readable(path, self) if self.read_only else path
        engine = connect(path, read_only=self.read_only)
        self._closer = weakref.finalize(self, engine.dispose)
        self._database = Database(engine, path, Blobs(folder / "blobs"), self.read_only)
        try:
            with failing(path):
                migrate(engine, path, read_only=self.read_only)
        except BaseException:
            self._closer()
            raise

    def __repr__(self) -> str:
        mode = ", read-only" if self.read_only else ""
        return f"Project({str(self.folder)!r}, {len(self.case_names)} cases{mode})"

    def __enter__(self) -> LocalProject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make(self, path: Path, read_only: bool) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise StoreError(f"{self.folder} is a file", hint="Give the folder of a project.")
        if read_only:
            raise StoreError(f"There is no project in {self.folder}", hint="Check the path.")
        with failing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        if not os.access(self.folder, os.W_OK):
            raise ReadOnlyError(
                f"A project cannot be made in {self.folder}: it may not be written",
                hint="Choose another folder.",
            )

    # Cases and images.

    @property
    def cases(self) -> pd.DataFrame:
        """One row per case: case, images, modality, sessions, edits, last_change (UTC)."""
        with self._database.reading() as connection:
            return overview.cases(connection)

    @property
    def case_names(self) -> list[str]:
        """Names of the cases, in the order they were added."""
        table = tables().cases
        with self._database.reading() as connection:
            rows = connection.execute(table.select().order_by(table.c.id)).all()
        return [row.name for row in rows]

    def add_case(
        self,
        name: str,
        *,
        images: Source | Sequence[Source],
        copy: bool = False,
        labels: Sequence[str | Label] = (),
    ) -> None:
        """Add a case.

        Parameters
        ----------
        name
            Unique within the project; never a patient's name.
        images
            Paths, ``file://`` URLs or images. Kept are their place and a hash of their content;
            a path inside the project's folder is kept relative to it.
        copy
            Copy the files into the project's folder as well.
        labels
            Labels that a new session of the case starts with, one empty mask each.

        Raises
        ------
        StoreError
            When the name is taken, an image is missing, or nothing can be written.
        FormatError
            When a file is not an image.
        """
        if not name.strip():
            raise StoreError("A case needs a name")
        if name in self.case_names:
            raise _taken(name)
        self._check_writable()
        found = opened(images)
        items = [Label(entry) if isinstance(entry, str) else entry for entry in labels]
        Document(found, labels=items, author=self.author)  # refuses impossible labels
        references: list[ImageReference] = []
        try:
            for image in found:
                references.append(refer(image, self.folder, copy=copy))
            self._insert_case(name, items, references, copied=copy)
        except BaseException:
            if copy:
                discard(references, self.folder)
            raise

    def _insert_case(
        self,
        name: str,
        labels: Sequence[Label],
        references: Sequence[ImageReference],
        *,
        copied: bool,
    ) -> None:
        if len({reference.id for reference in references}) < len(references):
            raise StoreError(f"Case {name!r} was given an image twice", hint="Give each once.")
        known = tables()
        with self._database.writing() as connection:
            same = known.cases.select().where(known.cases.c.name == name)
            if connection.execute(same).first() is not None:
                raise _taken(name)
            row = {
                "name": name, "author": self.author, "created": time.time(),
                "labels": json.dumps([encode_item(label) for label in labels]),
            }  # fmt: skip
            case = connection.execute(known.cases.insert().values(row)).inserted_primary_key
            for position, reference in enumerate(references):
                values = {**_image_row(reference), "copied": copied, "position": position}
                connection.execute(known.images.insert().values(case_id=case[0] if case else None, **values))

    def references(self, case: str) -> tuple[ImageReference, ...]:
        """Return where the images of a case are, without opening them."""
        table, row = tables().images, self._case(case)
        query = table.select().where(table.c.case_id == row.id).order_by(table.c.position)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(ImageReference.from_json(json.loads(row.reference)) for row in rows)

    def images(self, case: str) -> tuple[Image, ...]:
        """Open the images of a case, after a look whether they are the same.

        Raises
        ------
        StoreError
            When one is missing or has changed.
        """
        images = []
        for reference in self.references(case):
            call = f"project.relink({case!r}, {reference.name!r}, path)"
            hint = f"Put it back, or say where it is: {call}."
            fresh = reference.verified(self.folder, way_out=hint)
            images.append(fresh.open(self.folder, way_out=hint))
            if fresh != reference and not self.read_only:
                self._keep_reference(case, fresh)
        return tuple(images)

    def relink(self, case: str, image: str, path: str | Path) -> None:
        """Tell where an image has moved to.

        Parameters
        ----------
        case
            Name of the case.
        image
            Name or id of the image.
        path
            The file, or a folder that holds its files under any names.

        Raises
        ------
        StoreError
            When the files there are not the ones that were annotated.
        """
        references = self.references(case)
        found = [entry for entry in references if image in (entry.id, entry.name)]
        if len(found) != 1:
            raise UnknownItemError(
                f"Case {case!r} has {'no' if not found else 'more than one'} image {image!r}",
                hint=f"Name one by id: {', '.join(entry.id for entry in references)}.",
            )
        self._check_writable()
        self._keep_reference(case, moved(found[0], as_path(str(path)), self.folder))

    def _keep_reference(self, case: str, reference: ImageReference) -> None:
        table, row = tables().images, self._case(case)
        where = (table.c.case_id == row.id) & (table.c.image_id == reference.id)
        with self._database.writing() as connection:
            connection.execute(table.update().where(where).values(_image_row(reference)))

    # Sessions.

    def open(self, case: str, *, reader: str | None = None) -> Any:
        """Start a session and show it: what ``show`` of `open_project` makes of it.

        Raises
        ------
        StoreError
            As `start`.
        """
        if self.show is None:
            raise StoreError(
                "This project was opened without a way to show a session",
                hint="Use project.start(case), or nbannot.open_project.",
            )
        return self.show(self.start(case, reader=reader))

    def start(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> Session:
        """Open the newest session of a reader, or begin the first.

        From now on every edit is on the disk before it takes effect. Starting a session that is
        open gives the very same one, unless another program wrote to it meanwhile: then it is
        opened anew.

        Parameters
        ----------
        case
            Name of the case.
        reader
            Who reads; the project's author when missing.
        session
            Number of the session, from 1; the newest when missing.
        repeat
            Which reading of the same case, from 1.

        Raises
        ------
        UnknownItemError
            When there is no such case or session.
        StoreError
            When an image is missing or has changed, or a stored file is damaged.
        """
        reader = self.author if reader is None else reader
        with self._lock:
            row = self._session(case, reader, session, repeat)
            live = None if row is None else self._live.get(row.id)
            if live is not None and self._is_current(live, case, reader, session, repeat):
                return live
            images = self.images(case)
            if row is None:
                if session not in (None, 1):
                    raise UnknownItemError(f"Reader {reader!r} has no session {session} of {case!r}")
                if self.read_only:
                    return self._unkept(case, images)
                row = self._begin(case, reader, repeat, images)
            return self._resume(case, row, images)

    def _is_current(self, live: Session, case: str, reader: str, session: int | None, repeat: int) -> bool:
        # Under the lock, so that no edit is on the disk but not yet in the history.
        with live.document.lock:
            row = self._session(case, reader, session, repeat)
            return row is not None and not live.closed and live.step >= row.head

    def _unkept(self, case: str, images: Sequence[Image]) -> Session:
        document = Document(images, labels=self._labels(case), author=self.author)
        document.journal = self._refuse
        return Session(document, references=self.references(case))

    def _refuse(self, edit: Edit, revision: int) -> None:
        self._check_writable()

    def _check_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError(f"The project {self.folder} is open for reading only", hint=_READ_ONLY)

    def _labels(self, case: str) -> list[Label]:
        items = map(decode_item, json.loads(self._case(case).labels))
        return [item for item in items if isinstance(item, Label)]

    def _begin(self, case: str, reader: str, repeat: int, images: Sequence[Image]) -> Row[Any]:
        document = Document(images, labels=self._labels(case), author=self.author)
        row = {
            "id": uuid4().hex, "case_id": self._case(case).id, "reader": reader, "session": 1,
            "repeat": repeat, "document_id": document.id, "created": time.time(), "head": 0,
            "view": "{}",
        }  # fmt: skip
        state = capture(document)
        with self._database.writing() as connection:
            from_elsewhere = self._find(connection, row["case_id"], reader, None, repeat)
            if from_elsewhere is None:
                connection.execute(tables().sessions.insert().values(row))
                first = snapshot_row(self._database.blobs, row["id"], state, 0)
                connection.execute(tables().snapshots.insert().values(first))
        found = self._session(case, reader, None, repeat)
        if found is None:
            raise StoreError(f"The new session of case {case!r} is gone")
        return found

    def _resume(self, case: str, row: Row[Any], images: Sequence[Image]) -> Session:
        journal = Journal(self._database, row.id, case, row.reader, row.head)
        first = journal.start_for_undo(UNDO_STEPS)
        kept, state = journal.latest(first)
        document = rebuild(state, images, document_id=row.document_id, author=self.author)
        document.replay(journal.edits(kept, row.head))
        keeper = Kept(journal, kept=journal.newest_snapshot(row.head), every=self.every)
        session = Session(
            document, view=json.loads(row.view), references=self.references(case),
            first=kept, keeper=keeper,
        )  # fmt: skip
        keeper.attach(session)
        self._live[row.id] = session
        return session

    def save(self, session: Session, *, case: str | None = None) -> None:
        """Keep the whole state of a session now.

        A session that this project keeps gets a snapshot. Any other one becomes a new session
        of the case, with its whole history; saved again later, it is brought up to date. A case
        that does not exist is added with the session's images.

        Parameters
        ----------
        session
            What to save.
        case
            Name of the case; needed for a session from elsewhere.

        Raises
        ------
        StoreError
            When the case is missing, or its images are others.
        ConflictError
            When the saved session was changed elsewhere.
        """
        with self._lock:
            for live in list(self._live.values()):
                if live.document is session.document and not live.closed:
                    self._save_live(live, session, case)
                    return
            if case is None:
                raise StoreError(
                    "This session is not of this project",
                    hint='Name a case: save(session, case="…").',
                )
            self._check_writable()
            session.document.refresh()
            if case not in self.case_names:
                self.add_case(case, images=session.document.images)
            ids = same_images(session.document.images, self.references(case), case)
            adopt(self._database, session, ids, case=self._case(case), reader=self.author)

    def _save_live(self, live: Session, session: Session, case: str | None) -> None:
        if case not in (None, live.case):
            raise StoreError(
                f"This session is of case {live.case!r}, not {case!r}",
                hint="Leave case= away to save it where it belongs.",
            )
        live.view = dict(session.view)
        live.save()

    def sessions(self, case: str | None = None) -> pd.DataFrame:
        """One row per session: case, reader, session, repeat, edits, created, last_change."""
        only = None if case is None else self._case(case).id
        with self._database.reading() as connection:
            return overview.sessions(connection, only)

    def history(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> pd.DataFrame:
        """One row per edit, as `Session.history`, without opening the images."""
        who = self.author if reader is None else reader
        row = self._session(case, who, session, repeat)
        if row is None:
            return narrative.table([], masks={})
        journal = Journal(self._database, row.id, case, who, row.head)
        _, state = journal.latest(0)
        names = {mask["id"]: mask["name"] for mask in state.manifest["masks"]}
        return narrative.table(journal.edits(0, row.head), masks=names)

    def close(self) -> None:
        """Save and close the open sessions, then the project."""
        problems: list[NbannotError] = []
        for live in list(self._live.values()):
            try:
                live.close()
            except NbannotError as problem:
                problems.append(problem)
        self._live.clear()
        self._closer()
        if problems:
            raise problems[0]

    # Rows.

    def _case(self, name: str) -> Row[Any]:
        table = tables().cases
        with self._database.reading() as connection:
            row = connection.execute(table.select().where(table.c.name == name)).first()
        if row is None:
            raise UnknownItemError(
                f"There is no case {name!r}",
                hint=f"There are: {', '.join(self.case_names) or 'none'}.",
            )
        return row

    def _session(self, case: str, reader: str, session: int | None, repeat: int) -> Row[Any] | None:
        row = self._case(case)
        with self._database.reading() as connection:
            return self._find(connection, row.id, reader, session, repeat)

    @staticmethod
    def _find(connection: Any, case: int, reader: str, session: int | None, repeat: int) -> Row[Any] | None:
        table = tables().sessions
        where = (table.c.case_id == case) & (table.c.reader == reader) & (table.c.repeat == repeat)
        if session is not None:
            where &= table.c.session == session
        query = table.select().where(where).order_by(table.c.session.desc())
        row: Row[Any] | None = connection.execute(query).first()
        return row


def _taken(name: str) -> StoreError:
    return StoreError(f"There is a case {name!r} already", hint="Choose another name.")


def _image_row(reference: ImageReference) -> dict[str, Any]:
    return {
        "image_id": reference.id, "name": reference.name, "modality": reference.modality,
        "uri": reference.uri, "identity": reference.identity,
        "reference": json.dumps(reference.to_json()),
    }  # fmt: skip


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _readable(path: Path, owner: object) -> Path:
    """Return a database that can be read where the folder takes no new file.

    A log that waits to be read needs a file beside it: then both are read from a copy.
    """
    log = path.with_name(path.name + "-wal")
    if os.access(path.parent, os.W_OK) or not (log.exists() and log.stat().st_size):
        return path
    folder = Path(tempfile.mkdtemp(prefix="nbannot-"))
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    with failing(path):
        for file in (path, log):
            shutil.copyfile(file, folder / file.name)
    # Read from the copy once, so that the log is part of it and the copy stands alone.
    with failing(path), closing(sqlite3.connect(folder / path.name)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return folder / path.name
