"""A whole project as one file, and the labels of another copy of it taken in."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nbannot.errors import ConflictError, FormatError, NewerVersionError, StoreError
from nbannot.formats.progress import Progress, following
from nbannot.session import ImageReference
from nbannot.session.images import uri_of
from nbannot.store.actor import Actor, plain_name
from nbannot.store.cases import Cases, insert_case
from nbannot.store.core import Core
from nbannot.store.database import insert_new
from nbannot.store.failures import failing
from nbannot.store.files import options_for
from nbannot.store.frames import frame
from nbannot.store.journal import insert_edits, renamed
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection, Row, Select

VERSION = 1
LIMIT = 2**31
"""A member of the file may hold so many bytes at most, so that none explodes."""

_BLOCK = 1 << 20
_HINT = "Was it written by project.export_to(path)?"


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken in of a session: "new", "more" (edits), "known" or why not."""

    case: str
    reader: str
    session: int
    result: str


def export_to(core: Core, actor: Actor, cases: Cases, path: str | Path, *, images: bool) -> Path:
    """Write a project as a zip; see `StoredProject.export_to`."""
    target = Path(path).absolute()
    target = target if target.suffix else target.with_suffix(".zip")
    actor.check("export")
    actor.note("export", detail={"images": images})
    partial = target.with_name(f".{target.name}.{uuid4().hex}.tmp")
    with failing(target):
        try:
            with zipfile.ZipFile(partial, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for _ in _write(core, cases, archive, images=images):
                    pass
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
    return target


class _Pieces(io.RawIOBase):
    """What a zip has written since it was asked last; no file, so nothing is ever gone back to."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        return len(self._held[-1])

    def take(self) -> bytes:
        """Return what was written, and forget it."""
        held, self._held = self._held, []
        return b"".join(held)


def export_pieces(core: Core, actor: Actor, cases: Cases, *, images: bool) -> Iterator[bytes]:
    """Return the zip of `export_to` in pieces, as they are made; who may not is refused before the first.

    Raises
    ------
    AccessError
        When the one who acts may not export.
    """
    actor.check("export")
    actor.note("export", detail={"images": images})

    def pieces() -> Iterator[bytes]:
        out = _Pieces()
        with (
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            closing(_write(core, cases, archive, images=images)) as parts,
        ):
            for _ in parts:
                yield out.take()
        yield out.take()

    return pieces()


def _write(
    core: Core, cases: Cases, archive: zipfile.ZipFile, *, images: bool
) -> Generator[None, None, None]:
    """Write everything, and stop for a moment after each part."""
    from sqlalchemy import select

    known, blobs = tables(), set[str]()
    with core.database.reading() as connection:
        for row in _pages(connection, select(known.cases).order_by(known.cases.c.id)):
            references = cases.read_once(row.id) if images else cases.kept(row.id)
            held = {
                "name": row.name, "labels": json.loads(row.labels), "patient": row.patient,
                "study": row.study, "path": row.path, "data": json.loads(row.data),
                "images": [one.to_json() for one in references], "sessions": [],
            }  # fmt: skip
            query = select(known.sessions).where(known.sessions.c.case_id == row.id)
            for session in connection.execute(query.order_by(known.sessions.c.created)).all():
                held["sessions"].append(_session(connection, session, blobs))
            archive.writestr(f"cases/{row.id}.json", json.dumps(held))
            yield
            if images:
                yield from _write_images(core, archive, row.id, references)
        configs = [dict(row) for row in connection.execute(known.configs.select()).mappings()]
    for digest in sorted(blobs):
        archive.writestr(f"blobs/{digest}", core.database.blobs.get(digest), zipfile.ZIP_STORED)
        yield
    content = {"nbannot": "project", "version": VERSION, "images": images, "configs": configs}
    archive.writestr("project.json", json.dumps(content))


def _session(connection: Connection, row: Row[Any], blobs: set[str]) -> dict[str, Any]:
    known = tables()
    where = known.edits.c.session_id == row.id
    edits = [
        {**edit, "buffers": base64.b85encode(edit["buffers"]).decode()}
        for edit in connection.execute(
            known.edits.select().where(where).order_by(known.edits.c.seq)
        ).mappings()
    ]
    kept = known.snapshots.select().where(known.snapshots.c.session_id == row.id)
    snapshots = [dict(one) for one in connection.execute(kept).mappings()]
    for one in snapshots:
        blobs.update(json.loads(one["manifest"])["blobs"].values())
    return {
        "reader": row.reader, "session": row.session, "repeat": row.repeat, "document": row.document_id,
        "created": row.created, "view": row.view, "status": row.status, "submitted": row.submitted,
        "edits": edits, "snapshots": snapshots,
    }  # fmt: skip


def _write_images(
    core: Core, archive: zipfile.ZipFile, case: int, references: tuple[ImageReference, ...]
) -> Iterator[None]:
    for number, reference in enumerate(references):
        core.place.fetch(reference)
        fetched = None
        if reference.is_remote:
            options = options_for(reference.uri, core.options)
            fetched = reference.fetch(way_out="Export it without images.", options=options)
        paths = (
            [fetched.folder / one.name for one in reference.files] if fetched else reference.paths(core.base)
        )
        for mark, path in zip(reference.files, paths, strict=True):
            name = f"images/{case}/{number}/{mark.sha256}"
            with failing(path), path.open("rb") as file, archive.open(name, "w", force_zip64=True) as member:
                while piece := file.read(_BLOCK):
                    member.write(piece)
                    yield


def _pages(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    table, after = tables().cases, 0
    while True:
        rows = connection.execute(query.where(table.c.id > after).limit(1000)).all()
        yield from rows
        if len(rows) < 1000:
            return
        after = rows[-1].id


def merge(
    core: Core,
    actor: Actor,
    cases: Cases,
    path: str | Path,
    *,
    most: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Take in what another copy of a project holds, of ``most`` bytes; see `StoredProject.merge`."""
    file = Path(path)
    actor.check("case.add")
    actor.check("project.manage")
    taken: list[Taken] = []
    with failing(file), _opened(file) as archive, following(progress) as tell:
        if most is not None and sum(one.file_size for one in archive.infolist()) > most:
            raise StoreError("The file unpacks to more than is taken", hint="Send it without images.")
        content = _json(archive, "project.json")
        if content.get("nbannot") != "project":
            raise FormatError(f"{file} is no exported project", hint=_HINT)
        if int(content.get("version", 0)) > VERSION:
            raise NewerVersionError(
                f"{file} was written by a newer nbannot", hint="Update nbannot: pip install --upgrade nbannot"
            )
        names = [one for one in archive.namelist() if one.startswith("cases/") and one.endswith(".json")]
        for n, name in enumerate(sorted(names, key=lambda one: (len(one), one))):
            tell(n / len(names), f"Taking cases in: {n:,} of {len(names):,}")
            taken += _Merging(core, actor, cases, archive).case(
                _json(archive, name), PurePosixPath(name).stem
            )
        _take_configs(actor, content.get("configs", ()))
    rows = [(one.case, one.reader, one.session, one.result) for one in taken]
    return frame(rows, ("case", "reader", "session", "result"))


def _take_configs(actor: Actor, configs: Iterable[Mapping[str, Any]]) -> None:
    """Take in configurations of levels that say nothing here."""
    table = tables().configs
    columns = {column.name for column in table.c} - {"id"}
    kinds = {"version": int, "time": float}
    try:
        rows = [{key: kinds.get(key, str)(one[key]) for key in columns} for one in configs]
    except (KeyError, TypeError, ValueError) as cause:
        raise FormatError("A configuration in the file is damaged", hint=_HINT) from cause

    def work(connection: Connection) -> int:
        here = {(row.level, row.role) for row in connection.execute(table.select())}
        new = [row for row in rows if (row["level"], row["role"]) not in here]
        if new:
            connection.execute(table.insert(), new)
        return len(new)

    if rows:
        actor.act("project.manage", work, detail=lambda number: {"do": "merge", "configs": number})


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, FileNotFoundError) as cause:
        raise FormatError(f"{path} is no exported project", hint=_HINT) from cause


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = archive.getinfo(name)
        if info.file_size > LIMIT:
            raise FormatError(f"{name} in the file is too large")
        with archive.open(info) as member:
            data = member.read(LIMIT + 1)
    except (KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as cause:
        raise FormatError(f"{name} is missing or damaged in the file", hint=_HINT) from cause
    return data


def _unpack(archive: zipfile.ZipFile, name: str, target: Path) -> str:
    """Write a member to a file, piece by piece, and return its sha256."""
    digest = hashlib.sha256()
    try:
        with archive.open(name) as member, target.open("xb") as file:
            while piece := member.read(_BLOCK):
                digest.update(piece)
                file.write(piece)
    except (KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as cause:
        raise FormatError(f"{name} is missing or damaged in the file", hint=_HINT) from cause
    return digest.hexdigest()


def _ending(name: str) -> str:
    """Return the end of a file's name that says its kind."""
    kinds = [one for one in PurePosixPath(name).suffixes[-2:] if one[1:].isascii() and one[1:].isalnum()]
    return "".join(kinds)[-20:]


def _json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    try:
        content = json.loads(_read(archive, name))
    except (ValueError, RecursionError) as cause:
        raise FormatError(f"{name} in the file is damaged", hint=_HINT) from cause
    if not isinstance(content, dict):
        raise FormatError(f"{name} in the file is damaged", hint=_HINT)
    return content


class _Merging:
    """Takes in one case."""

    def __init__(self, core: Core, actor: Actor, cases: Cases, archive: zipfile.ZipFile) -> None:
        self._core, self._actor, self._cases, self._archive = core, actor, cases, archive

    def case(self, held: Mapping[str, Any], number: str) -> list[Taken]:
        """Take in a case with its sessions; what does not fit is told and left out."""
        try:
            name = plain_name("A case", held["name"])
            references = tuple(ImageReference.from_json(one) for one in held["images"])
            sessions = list(held["sessions"])
        except (KeyError, TypeError, ValueError, IndexError) as cause:
            raise FormatError("A case in the file is damaged", hint=_HINT) from cause
        try:
            if self._cases.exists(name):
                ids = self._same(name, references)
            else:
                ids = self._new(name, held, references, number)
        except StoreError as error:
            lost = [Taken(name, one["reader"], one["session"], error.message) for one in sessions]
            return lost or [Taken(name, "", 0, error.message)]
        return [self._session(name, one, ids) for one in sessions]

    def _same(self, name: str, references: tuple[ImageReference, ...]) -> dict[str, str]:
        """Return the ids here of the images of a case, which are known by what is in their files."""
        here = {one.identity: one.id for one in self._cases.kept(self._cases.row(name).id)}
        lost = [one.name for one in references if one.identity not in here]
        if lost:
            raise StoreError(f"image {lost[0]!r} is not an image of case {name!r} here")
        return {one.id: here[one.identity] for one in references}

    def _new(
        self, name: str, held: Mapping[str, Any], references: tuple[ImageReference, ...], number: str
    ) -> dict[str, str]:
        """Add a case with its images, where they are in the file or are here already."""
        found = [self._placed(one, f"images/{number}/{n}") for n, one in enumerate(references)]
        # Where files of annotations were attached is another machine's to know: here they are indexed anew.
        data = {key: value for key, value in dict(held.get("data", {})).items() if key != "attached"}
        row = {
            "name": name, "author": self._actor.person, "created": time.time(), "labels": json.dumps(held["labels"]),
            "patient": str(held.get("patient", "")), "study": str(held.get("study", "")),
            "path": str(held.get("path", "")), "data": json.dumps(data),
        }  # fmt: skip

        def work(connection: Connection) -> None:
            insert_case(connection, row, found, copied=True)

        self._actor.act("case.add", work, case=name, detail={"do": "merge", "images": len(found)})
        return {one.id: one.id for one in references}

    def _placed(self, reference: ImageReference, within: str) -> ImageReference:
        """Return where an image is here: the file's own copy, else an image known by its content."""
        names = set(self._archive.namelist())
        if all(f"{within}/{mark.sha256}" in names for mark in reference.files):
            return self._unpacked(reference, within)
        table = tables().images
        with self._core.database.reading() as connection:
            query = table.select().where(table.c.identity == reference.identity)
            row = connection.execute(query.limit(1)).first()
        if row is None:
            raise StoreError(f"image {reference.name!r} is neither in the file nor in this project")
        return replace(ImageReference.from_json(json.loads(row.reference)), id=reference.id)

    def _unpacked(self, reference: ImageReference, within: str) -> ImageReference:
        folder = self._core.base / "images" / uuid4().hex[:16]
        single = len(reference.files) == 1
        # Names in the file are not trusted as paths.
        suffix = _ending(reference.files[0].name) if single else ""
        place = folder / f"image{suffix}" if single else folder
        try:
            folder.mkdir(parents=True)
            marks = []
            for number, mark in enumerate(reference.files):
                target = place if single else folder / f"{number:06d}{_ending(mark.name)}"
                if _unpack(self._archive, f"{within}/{mark.sha256}", target) != mark.sha256:
                    raise StoreError(f"image {reference.name!r} is damaged in the file")
                marks.append(replace(mark, name=target.name))
            copy = replace(reference, uri=uri_of(place, self._core.base), files=tuple(marks), checked=0)
            copy = copy.verified(self._core.base, way_out="Export it again.")
            self._core.place.keep([copy])
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return copy

    def _session(self, case: str, held: Mapping[str, Any], ids: Mapping[str, str]) -> Taken:
        try:
            reader = plain_name("A reader", held["reader"])
            result = self._take(case, reader, held, ids)
        except (ConflictError, StoreError) as error:
            return Taken(case, str(held.get("reader", "")), int(held.get("session", 0)), error.message)
        except (KeyError, TypeError, ValueError) as cause:
            raise FormatError(f"A session of case {case!r} is damaged in the file", hint=_HINT) from cause
        return Taken(case, reader, int(held["session"]), result)

    def _take(self, case: str, reader: str, held: Mapping[str, Any], ids: Mapping[str, str]) -> str:
        rows = [_edit_row(one, ids) for one in held["edits"]]
        snapshots = [_snapshot(one, ids) for one in held["snapshots"]]
        for one in snapshots:
            for digest in json.loads(one["manifest"])["blobs"].values():
                if self._core.database.blobs.put(_read(self._archive, f"blobs/{digest}")) != digest:
                    raise StoreError("a label volume is damaged in the file")
        known, key = tables(), self._cases.row(case).id

        def work(connection: Connection) -> str:
            same = known.sessions.select().where(known.sessions.c.document_id == held["document"])
            row = connection.execute(same).first()
            if row is not None and row.case_id != key:
                raise StoreError("the session belongs to another case here")
            session, start = (uuid4().hex, 0) if row is None else (row.id, _common(connection, row, rows))
            if row is None:
                _insert(connection, session, key, reader, held)
            if rows[start:]:
                insert_edits(connection, session, start, rows[start:], case=case)
            for one in snapshots:
                if one["seq"] >= start:
                    insert_new(connection, known.snapshots, {**one, "session_id": session})
            done = {"status": held["status"], "submitted": held["submitted"], "view": held["view"]}
            if row is None or rows[start:]:
                connection.execute(
                    known.sessions.update().where(known.sessions.c.id == session).values(**done)
                )
            return "new" if row is None else "more" if rows[start:] else "known"

        return self._actor.act(
            "session.write", work, case=case, of=reader, detail={"do": "merge", "document": held["document"]}
        )


def _edit_row(held: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    row = {key: value for key, value in held.items() if key not in ("session_id", "seq")}
    row["buffers"] = base64.b85decode(str(held["buffers"]))
    body = json.loads(row["body"])
    row["body"] = json.dumps({**body, "edit": renamed(body["edit"], ids)})
    return row


def _snapshot(held: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    manifest = json.loads(held["manifest"])
    manifest["state"] = renamed(manifest["state"], ids)
    return {"seq": int(held["seq"]), "time": float(held["time"]), "manifest": json.dumps(manifest)}


def _common(connection: Connection, row: Row[Any], rows: list[dict[str, Any]]) -> int:
    """Return how many edits both have; refuse a session that went another way here."""
    from sqlalchemy import select

    edits = tables().edits
    query = select(edits.c.edit_id).where(edits.c.session_id == row.id).order_by(edits.c.seq)
    here = list(connection.execute(query).scalars())
    there = [one["edit_id"] for one in rows]
    if here[: len(there)] == there:
        return len(there)
    if there[: len(here)] != here:
        raise ConflictError("it was changed here and there in different ways; nothing was taken")
    return len(here)


def _insert(connection: Connection, session: str, case: int, reader: str, held: Mapping[str, Any]) -> None:
    from sqlalchemy import func, select

    table, repeat = tables().sessions, int(held["repeat"])
    mine = (table.c.case_id == case) & (table.c.reader == reader) & (table.c.repeat == repeat)
    wanted = int(held["session"])
    if connection.execute(table.select().where(mine, table.c.session == wanted)).first() is not None:
        wanted = int(connection.execute(select(func.max(table.c.session)).where(mine)).scalar() or 0) + 1
    row = {
        "id": session, "case_id": case, "reader": reader, "session": wanted, "repeat": repeat,
        "document_id": str(held["document"]), "created": float(held["created"]), "head": 0, "view": "{}",
        "status": "open", "changed": None, "submitted": None, "writer": "", "writer_seen": None,
    }  # fmt: skip
    connection.execute(table.insert().values(row))
