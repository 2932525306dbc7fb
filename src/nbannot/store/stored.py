"""A project in a database: SQLite in a folder, or PostgreSQL with files anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbannot.errors import StoreError
from nbannot.formats.progress import Progress
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.session import ImageReference, Session, SessionBuilder
from nbannot.store import presence
from nbannot.store.actor import Actor, plain_name
from nbannot.store.adopt import adopt, same_images
from nbannot.store.associate import associate
from nbannot.store.audit import Audit
from nbannot.store.building import Place, build, known_cases
from nbannot.store.cases import Cases
from nbannot.store.comments import Comments
from nbannot.store.configs import Configs
from nbannot.store.core import Core
from nbannot.store.exchange import export_to, merge
from nbannot.store.index import Indexing
from nbannot.store.indexed import Indexed
from nbannot.store.people import People
from nbannot.store.project import Source
from nbannot.store.results import Case, results
from nbannot.store.sessions import Sessions
from nbannot.store.shown import Shown, Views
from nbannot.store.tables import tables
from nbannot.store.tasks import Tasks

if TYPE_CHECKING:
    import pandas as pd


class StoredProject(Shown):
    """A project in a database; made by `open_project`.

    Parameters
    ----------
    core
        The open database and files.
    author
        Who acts.
    again
        Whether they look at what they handed in.
    """

    def __init__(self, core: Core, *, author: str, again: bool = False) -> None:
        self._core = core
        self._actor = Actor(core.database, plain_name("A person", author), again)
        self._cases = Cases(core, self._actor)
        self._sessions = Sessions(core, self._actor, self._cases)

    @property
    def author(self) -> str:
        """Who acts."""
        return self._actor.person

    @property
    def folder(self) -> Path:
        """Folder of this machine that relative paths of images start at."""
        return self._core.base

    @property
    def read_only(self) -> bool:
        """Whether nothing may be written."""
        return self._core.database.read_only

    @property
    def snapshots_waiting(self) -> int:
        """Number of sessions whose newest snapshot could not be written yet; their edits are all kept."""
        return self._core.snapshots.waiting

    @property
    def show(self) -> Views | None:
        """What makes views of the project; None where none was given."""
        return self._core.show

    def __repr__(self) -> str:
        from sqlalchemy import func, select

        with self._core.database.reading() as connection:
            count = connection.execute(select(func.count()).select_from(tables().cases)).scalar()
        mode = ", read-only" if self.read_only else ""
        if self.snapshots_waiting:
            mode += f", {self.snapshots_waiting} snapshots wait for {self._core.place.url}"
        return f"Project({self._core.database.title!r}, {count} cases{mode})"

    def __enter__(self) -> StoredProject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def acting_as(self, person: str, *, again: bool = False) -> StoredProject:
        """Return the same project for another actor; for services that know who asks.

        Parameters
        ----------
        person
            Who acts.
        again
            Whether only to look at what the person handed in: cases are open as "own.read" says.
        """
        return StoredProject(self._core, author=person, again=again)

    # Parts.

    @cached_property
    def people(self) -> People:
        """Who may do what."""
        return People(self._actor)

    @cached_property
    def tasks(self) -> Tasks:
        """Who shall read what, and how far they are."""
        return Tasks(self._actor, self._sessions)

    @cached_property
    def comments(self) -> Comments:
        """What people say about cases."""
        return Comments(self._actor)

    @cached_property
    def configs(self) -> Configs:
        """The configurations of the project, of folders and of cases."""
        return Configs(self._actor, self._cases)

    @cached_property
    def audit(self) -> Audit:
        """Who did what, and what was refused."""
        return Audit(self._actor)

    def presence(self, case: str | None = None) -> pd.DataFrame:
        """One row per person who is in a case now: person, case, place, seen (UTC)."""
        return presence.present(self._actor, case)

    def be(self, case: str, place: Any = None) -> None:
        """Tell where in a case one is, for `presence`; again at least every 30 s, None when leaving.

        Parameters
        ----------
        case
            Name of the case.
        place
            JSON: what the viewer says of its crosshair and view.
        """
        presence.be(self._actor, case, place)

    # Cases and images.

    @property
    def cases(self) -> pd.DataFrame:
        """One row per case: case, images, modality, sessions, edits, last_change (UTC), patient, study, path."""
        return self._cases.table()

    @property
    def case_names(self) -> list[str]:
        """Names of the cases, in the order they were added."""
        return self._cases.names()

    def page(self, *, match: str = "*", after: str | None = None, limit: int = 100) -> pd.DataFrame:
        """Return some rows of `cases`, as quickly from a million as from ten.

        Parameters
        ----------
        match
            Pattern of names: ``*`` and ``?`` stand for any characters.
        after
            Name of the case before the first; None for the start.
        limit
            At most so many.
        """
        return self._cases.table(match=match, after=after, limit=limit)

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
            Copy the files to where the project keeps its files as well.
        labels
            Labels that a new session of the case starts with, one empty mask each.

        Raises
        ------
        StoreError
            When the name is taken, an image is missing, or nothing can be written.
        FormatError
            When a file is not an image.
        """
        self._cases.add(name, images, copy=copy, labels=labels)

    def references(self, case: str) -> tuple[ImageReference, ...]:
        """Return where the images of a case are, without opening them."""
        return self._cases.references(case)

    def images(self, case: str) -> tuple[Image, ...]:
        """Open the images of a case, after a look whether they are the same.

        Raises
        ------
        StoreError
            When one is missing or has changed.
        """
        return self._sessions.seen.images(case)

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
        self._cases.relink(case, image, path)

    def index(
        self,
        url: str | Path,
        *,
        rules: Any = None,
        scheduler: Any = None,
        progress: Progress | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Indexed:
        """Make cases of what is at a place, from headers alone; again later, look only at what changed.

        Parameters
        ----------
        url
            A folder, file or archive; ``s3://bucket/prefix``, ``zip://folder::archive``,
            ``dicomweb+https://host/dicom-web``.
        rules
            Which case a file belongs to: a regular expression over its path with groups ``case``, ``patient``,
            ``study``, ``name``; a table; a function; a mapping with ``pattern``, ``table``, ``function`` and
            ``labels``. By study and folder when missing. See docs/cases.md.
        scheduler
            "threads", "processes", or the address of a Dask scheduler ("tcp://host:8786").
        progress
            Called with the part that is done (0 to 1) and what is being done; what it raises stops, and what
            was read stays.
        storage_options
            What opens the URL; never kept.

        Raises
        ------
        AccessError
            When the one who acts may not add cases.
        FormatError, RemoteError, StoreError
            When the place is not there, cannot be reached, or the rules cannot be used.
        """
        work = Indexing(self._core, self._actor, os.fspath(url), rules)
        return work.run(scheduler, progress, storage_options or {})

    def associate(self, *, dry_run: bool = False, patterns: Any = None, table: Any = None) -> pd.DataFrame:
        """Attach segment groups, reports and layers that were indexed to their images.

        By ``table``, by the series or study that a file names, by ``patterns``, by VolView's tokens ``.seg.``
        and ``.layer.``, by folder; PET becomes a layer of the CT of its study. New sessions begin with them.

        Parameters
        ----------
        dry_run
            Whether only to say what would go where.
        patterns
            Regular expressions over the path of a file, with the path or name of its image:
            ``{r"(.+)_mask.nii.gz$": r"\1.nii.gz"}``.
        table
            Rows with ``file`` and ``image``: paths, names or Series Instance UIDs.

        Returns
        -------
        pandas.DataFrame
            Columns: file, kind ("segments", "layer"), case, image, attached, why. What has another geometry
            than its image is refused.

        Raises
        ------
        AccessError
            When the one who acts may not change cases.
        StoreError
            When patterns or table cannot be used.
        """
        return associate(self._core, self._actor, dry_run=dry_run, patterns=patterns, table=table)

    def case(self, name: str) -> Case:
        """Return one case: its readers, and what they marked.

        Raises
        ------
        UnknownItemError
            When there is none.
        """
        return Case(self._actor, self._cases, self._sessions, name)

    def results(self, case: str | None = None, *, names: bool = True) -> pd.DataFrame:
        """Return one row per answer, shape, box and segment of every session that one may see.

        Columns: case, reader, session, repeat, task, status, image, item, what, label, question, answer,
        voxels, volume_ml, length_mm, area_mm2, files.

        Parameters
        ----------
        case
            Of this case only.
        names
            Whether cases, readers and files have their names, or numbers.
        """
        return results(self._actor, self._cases, self._sessions, case=case, names=names)

    # Sessions.

    def start(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> Session:
        """Open the newest session of a reader, or begin the first.

        From now on every edit is on the disk before it takes effect. Starting a session that is
        open gives the very same one, unless another program wrote to it, or the images are to be seen
        otherwise now, as after a change of the policy: then it is opened anew.

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
        AccessError
            When the one who acts may not read the case, or not what somebody else reads.
        UnknownItemError
            When there is no such case or session.
        StoreError
            When an image is missing or has changed, or a stored file is damaged.
        """
        return self._sessions.start(case, self.author if reader is None else reader, session, repeat)

    def take_over(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> Session:
        """Open a session and be the only one who writes to it: other places are refused from now on.

        Raises
        ------
        AccessError
            When the one who acts may not write to it.
        LockedError
            When it was submitted.
        """
        who = self.author if reader is None else reader
        return self._sessions.take_over(case, who, session, repeat)

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
        if self._sessions.save_live(session, case):
            return
        if case is None:
            raise StoreError(
                "This session is not of this project",
                hint='Name a case: save(session, case="…").',
            )
        self._core.database.check_writable()
        session.document.refresh()
        if not self._cases.exists(case):
            self.add_case(case, images=session.document.images)
        row = self._cases.row(case)
        ids = same_images(session.document.images, self._cases.kept(row.id), case)
        adopt(self._actor, session, ids, case=row, reader=self.author)

    def build(
        self,
        cases: Mapping[str, SessionBuilder],
        *,
        readers: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
        copy: bool = False,
        assign: bool = False,
        batch: str = "",
    ) -> pd.DataFrame:
        """Keep built sessions: a case for each where there is none, a session for each of its readers.

        Parameters
        ----------
        cases
            What was built, by the name of the case.
        readers
            Who gets a session that begins so: for all cases, or by case; the one who acts when missing.
        copy
            Whether new cases keep copies of their images; needed for images in memory.
        assign
            Whether the readers get tasks as well.
        batch
            Name of these tasks.

        Returns
        -------
        pandas.DataFrame
            One row per session: case, reader, session.

        Raises
        ------
        StoreError
            When a reader has a session of a case already, or the images are others; of the case at fault
            nothing is kept.
        """
        here = Place(
            self.author, self.add_case, self.tasks.assign, self.references,
            lambda wanted: known_cases(self._actor, self._cases, wanted),
            lambda session, ids, case, reader: adopt(
                self._actor, session, ids, case=self._cases.row(case), reader=reader
            ),
        )  # fmt: skip
        return build(here, cases, readers, copy=copy, assign=assign, batch=batch)

    def sessions(self, case: str | None = None) -> pd.DataFrame:
        """One row per session: case, reader, session, repeat, edits, created, last_change, status and more.

        Further: submitted, writer (who writes to it, or wrote last), writer_seen. Whoever may not read
        others' sessions sees their own.
        """
        return self._sessions.table(case)

    def history(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> pd.DataFrame:
        """One row per edit, as `Session.history`, without opening the images."""
        who = self.author if reader is None else reader
        return self._sessions.history(case, who, session, repeat)

    def export_to(self, path: str | Path, *, images: bool = False) -> Path:
        """Write the whole project as one zip: cases, sessions with their history, configurations.

        Roles, tasks and the audit log stay here.

        Parameters
        ----------
        path
            The file; it is replaced whole or not at all.
        images
            Whether the files of the images go with it; without them it holds labels only, for sites that
            have the images themselves.

        Raises
        ------
        AccessError
            When the one who acts may not export.
        StoreError
            When a file is missing, or it cannot be written.
        """
        return export_to(self._core, self._actor, self._cases, path, images=images)

    def merge(self, path: str | Path) -> pd.DataFrame:
        """Take in what another copy of the project holds, as `export_to` wrote it.

        Cases are the same by name, images by the content of their files, sessions by their id. A session
        that has more edits there gets them here; one that went different ways is left as it is here.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        pandas.DataFrame
            One row per session: case, reader, session, result ("new", "more", "known", or why not).

        Raises
        ------
        FormatError
            When it is no exported project, or damaged.
        AccessError
            When the one who acts may not add cases.
        """
        return merge(self._core, self._actor, self._cases, path)

    def close(self) -> None:
        """Save and close the open sessions, then the project."""
        problems = self._sessions.close()
        self._core.snapshots.close()
        self._core.close()
        if problems:
            raise problems[0]
