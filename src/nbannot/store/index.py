"""`project.index`: what is at a place becomes cases, from headers alone, a window of files at a time."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbannot.errors import ConfigError, NbannotError, RemoteError
from nbannot.formats.progress import Progress, following
from nbannot.formats.remote import checked_url, is_url
from nbannot.formats.remote.urls import local_path
from nbannot.formats.scanning.objects import CONFIGS, Batch, Record, listed, read_batch
from nbannot.formats.sources import walk
from nbannot.store.actor import Actor, plain_name
from nbannot.store.cases import Cases
from nbannot.store.configs import Configs
from nbannot.store.core import Core
from nbannot.store.database import insert_new
from nbannot.store.files import options_for
from nbannot.store.gathering import gather
from nbannot.store.indexed import Indexed
from nbannot.store.rules import Placed, Rules
from nbannot.store.running import runner
from nbannot.store.settings import get_setting, put_setting
from nbannot.store.tables import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

WINDOW = 16
"""Batches that are read before what they say is kept: what a killed index loses at most."""

_CHUNK = 500
_KEY = "pseudonym.key"


class Indexing:
    """Indexes one place of a project.

    Parameters
    ----------
    core, actor
        The project, and who asks.
    url
        The place.
    rules
        As in `Rules`.
    """

    def __init__(self, core: Core, actor: Actor, url: str, rules: Any) -> None:
        self._core, self._actor, self._url = core, actor, _place(url)
        actor.check("case.add")
        core.database.check_writable()
        self._key = pseudonym_key(core)
        self._rules = Rules(rules, self._key)
        self._start = time.time()
        self._found = Indexed()
        self._cases: dict[str, int] = {}
        self._touched: set[int] = set()
        self._same_archives: set[str] = set()
        self._configs: dict[str, Record] = {}

    def run(self, scheduler: Any, progress: Progress | None, options: Mapping[str, Any]) -> Indexed:
        """Look at every file; what raises in ``progress`` stops, and what was kept stays."""
        opening = options_for(self._url, {**self._core.options, **options})
        mark = f"index.unfinished:{self._url}"
        database, settings = self._core.database, tables().settings
        with database.reading() as connection:
            broken_off = get_setting(connection, mark) is not None
        database.change(lambda connection: put_setting(connection, mark, self._actor.person))
        with following(progress) as tell, ExitStack() as stack:
            total = self._total(tell)
            run = stack.enter_context(runner(scheduler, remote=is_url(self._url)))
            batches = listed(self._url, opening)
            while window := list(islice(batches, WINDOW)):
                done = min(self._found.looked_at / total, 0.99) if total else 0.0
                tell(done, f"Indexing: {self._found.looked_at:,} files, {self._found.read:,} read")
                self._window(window, run, opening)
            tell(0.99, "Putting cases together")
            moves = self._gone()
            if broken_off:
                self._touched |= self._all_cases()
            self._gather(moves)
            self._keep_configs()
            database.change(
                lambda connection: connection.execute(settings.delete().where(settings.c.key == mark))
            )
            tell(1.0, f"{self._found.looked_at:,} files")
        self._finish()
        return self._found

    def _all_cases(self) -> set[int]:
        """Return the cases with files that were just seen."""
        from sqlalchemy import select

        table = tables().objects
        query = (
            select(table.c.case_id)
            .where(table.c.seen >= self._start, table.c.case_id.is_not(None))
            .distinct()
        )
        with self._core.database.reading() as connection:
            return set(connection.execute(query).scalars())

    def _total(self, tell: Progress) -> int:
        if is_url(self._url):
            return 0
        count = 0
        for count, _ in enumerate(walk(self._url, [], ordered=False), start=1):
            if count % 10_000 == 0:
                tell(0.0, f"Looking for files: {count:,}")
        return count

    def _window(self, window: Sequence[Batch], run: Any, options: Mapping[str, Any]) -> None:
        uris = [entry.uri for batch in window for entry in batch.entries]
        known = self._known(uris)
        todo, same = [], []
        for batch in window:
            changed = []
            for entry in batch.entries:
                row = known.get(entry.uri)
                if row is not None and (row.size, row.stamp) == (entry.size, entry.stamp) and entry.stamp:
                    same.append((row, entry.name))
                    if row.kind == "archive":
                        self._same_archives.add(entry.uri)
                else:
                    changed.append(entry)
            if changed:
                todo.append(replace(batch, entries=tuple(changed)))
        records = [
            one for part in run(read_batch, [(batch, options, self._key) for batch in todo]) for one in part
        ]
        # A series of an archive tells only when it is read that it is as it was.
        as_before = [
            one for one in records
            if one.identity.startswith("series:") and one.uri in known and known[one.uri].stamp == one.stamp
        ]  # fmt: skip
        same += [(known[one.uri], one.name) for one in as_before]
        kept = {one.uri for one in as_before}
        records = [one for one in records if one.uri not in kept]
        self._found.looked_at += len(uris)
        self._found.read += len(records)
        self._found.unchanged += len(same)
        failed = [one for one in records if one.kind == "unreachable"]
        if failed and len(failed) == len(records):
            raise RemoteError(
                f"{self._url} cannot be read: {failed[0].verdict}", hint="What was indexed so far is kept."
            )
        self._core.database.change(lambda connection: self._keep(connection, records, same))

    def _known(self, uris: Sequence[str]) -> dict[str, Row[Any]]:
        table = tables().objects
        found: dict[str, Row[Any]] = {}
        with self._core.database.reading() as connection:
            for part in _chunks(uris):
                for row in connection.execute(table.select().where(table.c.uri.in_(part))):
                    found[row.uri] = row
        return found

    def _keep(
        self, connection: Connection, records: Sequence[Record], same: Sequence[tuple[Row[Any], str]]
    ) -> None:
        """Write what was read, and that the rest was seen, in one transaction."""
        for record in (one for one in records if one.kind == "config"):
            folder, _, name = record.name.rpartition("/")
            # In a folder with both, nbannot's own counts.
            if name == CONFIGS[0] or folder not in self._configs:
                self._configs[folder] = record
        rows = [self._row(connection, record) for record in records]
        known = self._touched_by(connection, rows)
        again, seen = [], []
        for row, name in same:
            detail = json.loads(row.detail)
            if (
                detail.get("root") == self._url
                and detail.get("rules") == self._rules.digest
                and not detail.get("gone")
            ):
                seen.append(row.uri)
            else:  # the same file, by other rules
                again.append(self._row(connection, _record(row, detail, name)))
        self._touched.update(one for one in known if one is not None)
        self._touched_by(connection, again)
        table = tables().objects
        _put(connection, [*rows, *again])
        for part in _chunks(seen):
            connection.execute(table.update().where(table.c.uri.in_(part)).values(seen=self._start))

    def _touched_by(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> set[int | None]:
        """Remember the cases that rows belong to, and those that they belonged to."""
        table = tables().objects
        self._touched.update(row["case_id"] for row in rows if row["case_id"] is not None)
        before: set[int | None] = set()
        for part in _chunks([row["uri"] for row in rows]):
            query = table.select().where(table.c.uri.in_(part), table.c.case_id.is_not(None))
            before.update(row.case_id for row in connection.execute(query))
        self._touched.update(one for one in before if one is not None)
        return before

    def _row(self, connection: Connection, record: Record) -> dict[str, Any]:
        record.kind = self._rules.kind_of(record)
        placed = self._rules.place(record) if not record.verdict else None
        detail = {**record.detail, "name": record.name, "root": self._url, "rules": self._rules.digest}
        if placed is not None and placed.name:
            detail["image"] = placed.name
        if placed is None and not record.verdict and record.kind == "image":
            self._found.left_out += 1
        return {
            "uri": record.uri, "size": record.size, "stamp": "" if record.again else record.stamp,
            "identity": record.identity, "sop_uid": record.sop_uid, "series_uid": record.series_uid,
            "study_uid": record.study_uid, "patient": record.patient if placed is None else placed.patient,
            "kind": record.kind, "verdict": record.verdict, "detail": json.dumps(detail),
            "case_id": None if placed is None else self._case(connection, placed), "seen": self._start,
        }  # fmt: skip

    def _case(self, connection: Connection, placed: Placed) -> int:
        """Return the id of a case, made where there is none."""
        known = self._cases.get(placed.case)
        if known is not None:
            return known
        table = tables().cases
        name = plain_name("A case", placed.case)
        row = connection.execute(table.select().where(table.c.name == name)).first()
        if row is None:
            values = {
                "name": name, "author": self._actor.person, "created": time.time(), "labels": "[]",
                "patient": placed.patient, "study": placed.study, "path": placed.path,
                "data": json.dumps({"index": self._url}),
            }  # fmt: skip
            insert_new(connection, table, values)
            row = connection.execute(table.select().where(table.c.name == name)).one()
            self._found.cases.append(name)
        self._cases[placed.case] = int(row.id)
        return int(row.id)

    def _gone(self) -> dict[str, str]:
        """Let go of files that are not there any more, and return where those went that are elsewhere."""
        table = tables().objects
        query = table.select().where(table.c.seen < self._start)
        moves: dict[str, str] = {}
        with self._core.database.reading() as connection:
            lost = [
                (row.uri, row.identity, row.case_id)
                for row in connection.execute(query.execution_options(yield_per=1000))
                if self._is_lost(row)
            ]
            for part in _chunks(sorted({identity for _, identity, _ in lost if identity})):
                where = table.c.identity.in_(part) & (table.c.seen >= self._start)
                there: dict[str, list[str]] = {}
                for row in connection.execute(table.select().where(where)):
                    there.setdefault(row.identity, []).append(row.uri)
                moves.update((uri, there[one][0]) for uri, one, _ in lost if len(there.get(one, ())) == 1)
        cases = {uri: case for uri, _, case in lost}

        def work(connection: Connection) -> None:
            for old, new in moves.items():
                row = connection.execute(table.select().where(table.c.uri == new)).one()
                self._touched.update(one for one in (row.case_id, cases[old]) if one is not None)
                if cases[old] is not None:
                    connection.execute(table.update().where(table.c.uri == new).values(case_id=cases[old]))
            for part in _chunks([uri for uri, _, _ in lost]):
                connection.execute(table.delete().where(table.c.uri.in_(part)))

        if lost:
            self._core.database.change(work)
        self._touched.update(case for _, _, case in lost if case is not None)
        self._found.moved, self._found.gone = len(moves), len(lost) - len(moves)
        return moves

    def _is_lost(self, row: Row[Any]) -> bool:
        if json.loads(row.detail).get("root") != self._url:
            return False
        outer = row.uri.partition("::")[2]
        archive = outer if is_url(outer) or not outer else _as_uri(outer)
        return archive not in self._same_archives if outer else True

    def _gather(self, moves: Mapping[str, str]) -> None:
        """Put the images of every case together whose files changed."""
        table = tables().cases
        names: dict[int, str] = {}
        for part in _chunks(sorted(self._touched), 50):

            def work(connection: Connection, part: Sequence[int] = part) -> list[tuple[int, list[str]]]:
                found = []
                for case in part:
                    found.append((case, gather(connection, case, self._core.base, moves)))
                    _drop_empty(connection, case)
                for row in connection.execute(table.select().where(table.c.id.in_(part))):
                    names[row.id] = row.name
                return found

            for case, told in self._core.database.change(work):
                self._found.notes += [f"{names.get(case, '')}: {text}" for text in told]
        there = set(names.values())
        self._found.cases = [name for name in self._found.cases if name in there]
        self._found.changed = sorted(there - set(self._found.cases))

    def _keep_configs(self) -> None:
        """Keep configurations that lie with the files: of a folder for its cases, of the top for the project."""
        configs = Configs(self._actor, Cases(self._core, self._actor))
        for folder, record in self._configs.items():
            level = f"folder:{folder}" if folder else "project"
            where = local_path(record.uri)
            try:
                if record.problem:
                    raise ConfigError(record.problem)
                before = configs.history(level)
                if before.empty:
                    configs.set(record.text, level=level)
                elif before.text.iloc[-1] != record.text:
                    self._found.notes.append(
                        f"{where} differs from the configuration of {level}, which is kept"
                    )
            except NbannotError as error:
                self._found.notes.append(f"{where} is not taken as a configuration: {error}")

    def _finish(self) -> None:
        import pandas as pd

        table = tables().objects
        query = table.select().where(table.c.verdict != "").order_by(table.c.uri)
        with self._core.database.reading() as connection:
            rows = [
                (row.uri, row.verdict)
                for row in connection.execute(query.execution_options(yield_per=1000))
                if json.loads(row.detail).get("root") == self._url
            ]
        self._found.bad = pd.DataFrame(rows, columns=["uri", "reason"])
        detail = {
            "do": "index",
            "files": self._found.looked_at,
            "read": self._found.read,
            "cases": len(self._found.cases),
        }
        self._actor.note("case.add", detail=detail)


def pseudonym_key(core: Core) -> bytes:
    """Return the project's key for pseudonyms, made once."""
    table = tables().settings

    def work(connection: Connection) -> str:
        insert_new(connection, table, {"key": _KEY, "value": secrets.token_hex(32)})
        return str(connection.execute(table.select().where(table.c.key == _KEY)).one().value)

    return bytes.fromhex(core.database.change(work))


def _drop_empty(connection: Connection, case: int) -> None:
    """Remove a case that an index made, which has neither images nor sessions nor tasks."""
    known = tables()
    for table in (known.images, known.sessions, known.tasks, known.objects, known.comments):
        if connection.execute(table.select().where(table.c.case_id == case).limit(1)).first() is not None:
            return
    row = connection.execute(known.cases.select().where(known.cases.c.id == case)).first()
    if row is not None and "index" in json.loads(row.data or "{}"):
        connection.execute(known.presence.delete().where(known.presence.c.case_id == case))
        connection.execute(known.cases.delete().where(known.cases.c.id == case))


def _put(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    from sqlalchemy.dialects import postgresql, sqlite

    if not rows:
        return
    table = tables().objects
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    query = dialect.insert(table)
    given = {column.name: query.excluded[column.name] for column in table.columns if column.name != "uri"}
    unique = {row["uri"]: dict(row) for row in rows}
    connection.execute(query.on_conflict_do_update(index_elements=["uri"], set_=given), list(unique.values()))


def _record(row: Row[Any], detail: dict[str, Any], name: str) -> Record:
    rest = {
        key: value
        for key, value in detail.items()
        if key not in ("name", "root", "rules", "image", "attached")
    }
    return Record(
        row.uri, name if "::" not in row.uri else detail["name"], row.size, row.stamp, row.kind, row.verdict,
        row.identity, row.sop_uid, row.series_uid, row.study_uid, row.patient, rest,
    )  # fmt: skip


def _place(url: str) -> str:
    """Return a URL without a secret, or an absolute path."""
    text = local_path(url)
    return checked_url(url) if is_url(text) else str(Path(text).expanduser().absolute())


def _as_uri(path: str) -> str:
    return Path(path).as_uri()


def _chunks(items: Iterable[Any], size: int = _CHUNK) -> Iterator[list[Any]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
