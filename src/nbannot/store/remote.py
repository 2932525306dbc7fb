"""A project at the service: the same protocol over HTTP."""

from __future__ import annotations

import os
import tempfile
import weakref
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nbannot.errors import LockedError, NbannotError, ReadOnlyError, StoreError, UnknownItemError
from nbannot.formats.progress import Progress
from nbannot.model.codec import encode_item
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.session import ImageReference, Session, SessionBuilder
from nbannot.session.images import files_of
from nbannot.session.pixels import SUFFIX, write_pixels
from nbannot.session.state import rebuild
from nbannot.store.adopt import same_images
from nbannot.store.building import Place, build
from nbannot.store.failures import failing
from nbannot.store.indexed import Indexed
from nbannot.store.project import Source
from nbannot.store.remote_client import ServiceClient
from nbannot.store.remote_images import remote_image
from nbannot.store.remote_jobs import RemoteJobs, adopt_there
from nbannot.store.remote_keeper import RemoteKept
from nbannot.store.remote_parts import (
    RemoteAudit,
    RemoteCase,
    RemoteComments,
    RemoteConfigs,
    RemotePeople,
    RemoteTasks,
)  # fmt: skip
from nbannot.store.shown import Shown, Views
from nbannot.store.sources import opened
from nbannot.store.wire import table_from_json

if TYPE_CHECKING:
    import pandas as pd


class RemoteProject(Shown):
    """A project at the service; made by `open_project`.

    Every edit is kept at the service before it takes effect. Slices come when they are looked at.

    Parameters
    ----------
    url
        ``https://host/services/nbannot``, and ``/projects/NAME`` where there are several.
    token
        A token of the Hub; the one of the notebook's server when missing.
    author
        Who acts; must be who the token belongs to.
    show
        Makes what `open` returns of a session.
    read_only
        Whether to write nothing.

    Raises
    ------
    LoginError
        When the token is not taken.
    ServiceError
        When the service does not answer.
    StoreError
        When the project is not there, or the author is another.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        author: str | None = None,
        show: Views | None = None,
        read_only: bool = False,
    ) -> None:
        self._client = ServiceClient(url, token)
        me = self._client.get("/me")
        self._author = str(me["person"])
        if author not in (None, self._author):
            self._client.close()
            raise StoreError(
                f"The token belongs to {self._author!r}, not to {author!r}",
                hint="Leave author= away: the service knows who you are.",
            )
        self._choose([str(entry["name"]) for entry in me["projects"]])
        self._show, self.read_only = show, read_only
        self._live: weakref.WeakValueDictionary[str, Session] = weakref.WeakValueDictionary()
        self._lock = RLock()

    @property
    def show(self) -> Views | None:
        """What makes views of the project; None where none was given."""
        return self._show

    def _choose(self, names: Sequence[str]) -> None:
        client = self._client
        if not client.project and len(names) == 1:
            client.project = names[0]
        if client.project in names:
            return
        self._client.close()
        some = ", ".join(names[:10]) or "none"
        if client.project:
            raise UnknownItemError(
                "There is no such project for you at the service", hint=f"Yours are: {some}."
            )
        raise UnknownItemError(
            f"You have {len(names)} projects at the service: {some}",
            hint="Add /projects/NAME to the address." if names else "Ask an owner for a role.",
        )

    def __repr__(self) -> str:
        mode = ", read-only" if self.read_only else ""
        return f"Project('{self._client.root}/projects/{self._client.project}'{mode})"

    def __enter__(self) -> RemoteProject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def author(self) -> str:
        """Who acts: the person whose token it is."""
        return self._author

    # Parts.

    @cached_property
    def people(self) -> RemotePeople:
        """Who may do what."""
        return RemotePeople(self._client, self._author)

    @cached_property
    def tasks(self) -> RemoteTasks:
        """Who shall read what, and how far they are."""
        return RemoteTasks(self._client, self._resumed, self.images)

    @cached_property
    def comments(self) -> RemoteComments:
        """What people say about cases."""
        return RemoteComments(self._client)

    @cached_property
    def configs(self) -> RemoteConfigs:
        """The configurations and their versions."""
        return RemoteConfigs(self._client)

    @cached_property
    def _jobs(self) -> RemoteJobs:
        return RemoteJobs(self._client)

    @cached_property
    def audit(self) -> RemoteAudit:
        """Who did what."""
        return RemoteAudit(self._client)

    def results(self, case: str | None = None, *, names: bool = True) -> pd.DataFrame:
        """One row per answer, shape and mask of every reading, as of a stored project."""
        return table_from_json(self._client.post("/results", case=case, names=names))

    def presence(self, case: str | None = None) -> pd.DataFrame:
        """One row per person who is in a case now: person, case, place, seen."""
        return table_from_json(self._client.post("/presence", case=case))

    def be(self, case: str, place: Any = None) -> None:
        """Tell where in a case one is."""
        self._client.post("/presence/me", case=case, place=place)

    # Cases and images.

    @property
    def cases(self) -> pd.DataFrame:
        """One row per case, as of a stored project."""
        return table_from_json(self._client.get("/cases"))

    def page(self, *, match: str = "*", after: str | None = None, limit: int = 100) -> pd.DataFrame:
        """Return some rows of `cases`, as of a stored project."""
        return table_from_json(self._client.post("/cases/page", match=match, after=after, limit=limit))

    def case(self, name: str) -> RemoteCase:
        """Return one case: its readers and what they marked.

        Raises
        ------
        UnknownItemError
            When there is none.
        """
        found = RemoteCase(self._client, name, self.images)
        found.readers  # noqa: B018 - the service says whether there is such a case
        return found

    @property
    def case_names(self) -> list[str]:
        """Names of the cases, in the order they were added."""
        return [str(name) for name in self._client.get("/cases/names")["names"]]

    def add_case(
        self,
        name: str,
        *,
        images: Source | Sequence[Source],
        copy: bool = False,
        labels: Sequence[str | Label] = (),
    ) -> None:
        """Add a case: its images are sent to the service.

        Parameters
        ----------
        name
            Unique within the project; never a patient's name.
        images
            Paths, ``file://`` URLs or images of this machine.
        copy
            Must be True: the service does not see this machine's files.
        labels
            Labels that a new session of the case starts with.

        Raises
        ------
        StoreError
            When copy is False, the name is taken, an image is missing, or nothing can be written.
        """
        self._check_writable()
        found = opened(images, {})
        if not copy:
            raise StoreError(
                "The service does not see the files of this machine",
                hint="Send them: copy=True.",
            )
        items = [Label(entry) if isinstance(entry, str) else entry for entry in labels]
        Document(found, labels=items, author=self.author)  # refuses impossible labels
        with tempfile.TemporaryFile() as file:
            _write_images(file, found)
            self._client.post_file(
                "/cases", file, case=name, labels=[encode_item(item) for item in items],
                images=[{"id": image.id, "name": image.name} for image in found],
            )  # fmt: skip

    def references(self, case: str) -> tuple[ImageReference, ...]:
        """Return where the service keeps the images of a case, without opening them."""
        found = self._client.post("/cases/references", case=case)["references"]
        return tuple(map(ImageReference.from_json, found))

    def images(self, case: str) -> tuple[Image, ...]:
        """Return the images of a case, after a look whether they are the same; slices come when needed."""
        return self._images(self._opened(case))

    def _opened(self, case: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._client.post("/cases/open", case=case)
        return found

    def _images(self, told: Mapping[str, Any]) -> tuple[Image, ...]:
        path = f"/cases/{told['key']}/images"
        return tuple(remote_image(self._client, f"{path}/{n}", one) for n, one in enumerate(told["images"]))

    # Sessions.

    def start(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> Session:
        """Open the newest session of a reader, or begin the first; see a stored project's ``start``.

        Raises
        ------
        AccessError
            When one may not read the case, or not what somebody else reads.
        UnknownItemError
            When there is no such case or session.
        ServiceError
            When the service does not answer.
        """
        with self._lock:
            told = self._client.post(
                "/sessions/open", case=case, reader=reader, session=session, repeat=repeat
            )
            return self._resumed(told)

    def _resumed(self, told: Mapping[str, Any]) -> Session:
        live = self._live.get(told["key"])
        if live is not None:
            with live.document.lock:
                if not live.closed and live.step >= told["head"]:
                    return live
        opened_case = self._opened(told["case"])
        keeper = RemoteKept(self._client, {**told, "writable": told["writable"] and not self.read_only})
        kept, state = keeper.latest(told["first"])
        images = self._images(opened_case)
        document = rebuild(state, images, document_id=told["document"], author=self.author)
        document.replay(keeper.edits(kept, told["head"]))
        references = tuple(map(ImageReference.from_json, opened_case["references"]))
        session = Session(document, view=told["view"], references=references, first=kept, keeper=keeper)
        keeper.attach(session)
        if told["status"] != "open":
            document.journal = _submitted(told)
        self._live[told["key"]] = session
        return session

    def take_over(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> Session:
        """Open a session and be the only one who writes to it."""
        with self._lock:
            told = self._client.post(
                "/sessions/take-over", case=case, reader=reader, session=session, repeat=repeat
            )
            self._live.pop(told["key"], None)
            return self._resumed(told)

    def save(self, session: Session, *, case: str | None = None) -> None:
        """Keep the whole state of a session now; one from elsewhere becomes a new session of the case.

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
                    if case not in (None, live.case):
                        raise StoreError(
                            f"This session is of case {live.case!r}, not {case!r}",
                            hint="Leave case= away to save it where it belongs.",
                        )
                    live.view = dict(session.view)
                    live.save()
                    return
            if case is None:
                raise StoreError(
                    "This session is not of this project",
                    hint='Name a case: save(session, case="…").',
                )
            self._adopt(session, case)

    def _adopt(self, session: Session, case: str) -> None:
        self._check_writable()
        session.document.refresh()
        if case not in self.case_names:
            self.add_case(case, images=session.document.images, copy=True)
        ids = same_images(session.document.images, self.references(case), case)
        adopt_there(self._client, session, _order(session, ids), case=case)

    def sessions(self, case: str | None = None) -> pd.DataFrame:
        """One row per session, as of a stored project."""
        return table_from_json(self._client.post("/sessions/find", case=case))

    def history(
        self, case: str, *, reader: str | None = None, session: int | None = None, repeat: int = 1
    ) -> pd.DataFrame:
        """One row per edit, as `Session.history`, without opening the images."""
        told = self._client.post(
            "/sessions/history", case=case, reader=reader, session=session, repeat=repeat
        )
        return table_from_json(told)

    def export_to(self, path: str | Path, *, images: bool = False) -> Path:
        """Write the whole project as one zip, as of a stored project; it comes in pieces.

        Raises
        ------
        AccessError
            When one may not export.
        StoreError
            When it breaks off or cannot be written.
        ServiceError
            When the service does not answer.
        """
        target = Path(path).absolute()
        target = target if target.suffix else target.with_suffix(".zip")
        partial = target.with_name(f".{target.name}.{uuid4().hex}.tmp")
        with failing(target):
            try:
                with partial.open("xb") as file:
                    self._client.fetch_file("/export", file, images=images)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(target)
            finally:
                with suppress(OSError):
                    partial.unlink(missing_ok=True)
        return target

    # Long work, done by the service; it can be stopped, and what was kept stays.

    def relink(self, case: str, image: str, path: str | Path) -> None:
        """Tell where an image has moved to: a place that the service may index from.

        Raises
        ------
        AccessError
            When it is none.
        StoreError
            When the files there are not the ones that were annotated.
        """
        self._check_writable()
        self._jobs.relink(case, image, os.fspath(path))

    def index(
        self,
        url: str | Path,
        *,
        rules: Any = None,
        scheduler: Any = None,
        progress: Progress | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Indexed:
        """Have the service make cases of what is at a place, as of a stored project.

        Parameters
        ----------
        url
            A path or URL as the service sees it, in one of the places that whoever keeps it has named.
        rules
            A pattern, a table, or a mapping of these; a function cannot be sent.
        scheduler, storage_options
            Refused: the service has its own.
        progress
            As of a stored project; what it raises stops the work there.

        Raises
        ------
        AccessError
            When one may not add cases, or the service may not read the place.
        StoreError
            When the service indexes for this project already, or the rules cannot be used.
        """
        self._check_writable()
        return self._jobs.index(
            os.fspath(url), rules=rules, scheduler=scheduler, progress=progress,
            storage_options=storage_options,
        )  # fmt: skip

    def associate(self, *, dry_run: bool = False, patterns: Any = None, table: Any = None) -> pd.DataFrame:
        """Have what was indexed attached to its images, as of a stored project."""
        if not dry_run:
            self._check_writable()
        return self._jobs.associate(dry_run=dry_run, patterns=patterns, table=table)

    def merge(self, path: str | Path) -> pd.DataFrame:
        """Send what another copy of the project holds to the service, to be taken in as of a stored project."""
        self._check_writable()
        return self._jobs.merge(path)

    def build(
        self,
        cases: Mapping[str, SessionBuilder],
        *,
        readers: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
        copy: bool = False,
        assign: bool = False,
        batch: str = "",
    ) -> pd.DataFrame:
        """Keep built sessions at the service, as of a stored project; new cases need ``copy=True``."""
        self._check_writable()

        def adopted(session: Session, ids: Mapping[str, str], case: str, reader: str) -> None:
            adopt_there(self._client, session, _order(session, ids), case=case, reader=reader)

        def to_build(wanted: Mapping[str, Sequence[str]]) -> Sequence[str]:
            known: Sequence[str] = self._client.post("/sessions/to-build", readers=dict(wanted))["known"]
            return known

        there = Place(
            self.author, self.add_case, self.tasks.assign, self.references, to_build, adopted
        )  # fmt: skip
        return build(there, cases, readers, copy=copy, assign=assign, batch=batch)

    def close(self) -> None:
        """Save and close the open sessions, then the connections."""
        problems: list[NbannotError] = []
        for live in list(self._live.values()):
            try:
                live.close()
            except NbannotError as problem:
                problems.append(problem)
        self._live.clear()
        self._client.close()
        if problems:
            raise problems[0]

    def _check_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError(
                "The project was opened for reading only", hint="Open it without read_only=True."
            )


def _submitted(told: Mapping[str, Any]) -> Callable[..., None]:
    def refuse(edit: object, revision: int) -> None:
        raise LockedError(f"The session of {told['reader']!r} for case {told['case']!r} is submitted")

    return refuse


def _write_images(file: Any, images: Sequence[Image]) -> None:
    """Write what the service takes: a zip with a folder of files for each image, under plain names."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for n, image in enumerate(images):
            paths = files_of(image)
            if not paths:
                with archive.open(f"{n}/image{SUFFIX}", "w", force_zip64=True) as target, _spooled() as whole:
                    write_pixels(whole, image)
                    whole.seek(0)
                    while piece := whole.read(1 << 20):
                        target.write(piece)
            for m, path in enumerate(paths):
                archive.write(path, f"{n}/{m:06d}{_suffix(path)}")


def _spooled() -> Any:
    return tempfile.SpooledTemporaryFile(max_size=64 << 20)


def _suffix(path: Path) -> str:
    """Return the end of a file's name that says its kind; the name itself may say more than it should."""
    kinds = [part for part in path.suffixes[-2:] if part[1:].isalnum() and part.isascii() and len(part) < 9]
    return "".join(kinds)


def _order(session: Session, ids: Mapping[str, str]) -> list[str]:
    """Return the case's ids of a session's images, in the order of the session."""
    return [ids[image.id] for image in session.document.images]
