"""What is at a place, file by file: listed in batches, and read by their headers, here or on a cluster."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from threading import local
from typing import IO, Any

from nbannot.errors import FormatError, NbannotError, RemoteError
from nbannot.formats.archives import BROKEN, members
from nbannot.formats.labels import FORMATS
from nbannot.formats.quiet import quiet
from nbannot.formats.remote import Cache, Entry, Options, held, is_url, ranged_zip
from nbannot.formats.remote.stores import ObjectStore
from nbannot.formats.remote.urls import local_path, split_member
from nbannot.formats.remote.web import SCHEMES, Server, value
from nbannot.formats.scanning.heads import Head, head_of, identity_of
from nbannot.formats.sources import walk

ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
CONFIGS = (".nbannot.yaml", ".volview_config.yaml")
BATCH = 200
_FIRST = 1 << 16
_SAMPLE = 1 << 16
_AT_ONCE = 32
_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Some files of a place.

    Parameters
    ----------
    kind
        "files", "objects", "archive" (one, with what is in it) or "series" (of an archive).
    url
        The place.
    entries
        The files.
    inner
        The folder of the archive to look into; all of it where empty.
    """

    kind: str
    url: str
    entries: tuple[Entry, ...]
    inner: str = ""


@dataclass(slots=True)
class Record:
    """What is known of one file without its pixels."""

    uri: str
    name: str
    size: int
    stamp: str
    kind: str = ""
    verdict: str = ""
    identity: str = ""
    sop_uid: str = ""
    series_uid: str = ""
    study_uid: str = ""
    patient: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    again: bool = False
    """Whether it could not be reached, so that it is to be read again."""
    text: str = ""
    """Of a configuration."""
    problem: str = ""
    """Why a configuration has no text."""


def listed(url: str, options: Options | None = None) -> Iterator[Batch]:
    """Yield the files of a folder, file, archive, prefix or DICOMweb archive, in batches, as they are found.

    Raises
    ------
    FormatError, RemoteError
        When there is no such place, or it cannot be reached.
    """
    text = local_path(url)
    if not is_url(text):
        path = Path(text).expanduser().absolute()
        if not path.exists():
            raise FormatError(f"There is no file or folder {path}", hint="Check the path.")
        yield from _batches("files", str(path), _files(path))
        return
    scheme = text.split("://", 1)[0].lower()
    if scheme in ("zip", "tar"):
        inner, outer = split_member(text)
        for batch in listed(outer, options):
            yield Batch(batch.kind, batch.url, batch.entries, inner)
    elif scheme in SCHEMES:
        yield from _batches("series", text, _series(Server(text, options or {}), text))
    else:
        store = ObjectStore(text, options or {})
        yield from _batches("objects", text, store.entries(hidden=CONFIGS))


def read_batch(batch: Batch, options: Mapping[str, Any], key: bytes) -> list[Record]:
    """Return what the headers of a batch say; what is wrong with a file becomes its verdict.

    Parameters
    ----------
    batch
        From `listed`.
    options
        What opens its place.
    key
        Makes pseudonyms of patients' ids; the ids themselves are let go here.
    """
    with quiet():
        if batch.kind == "archive":
            return _of_archive(batch, options, key)
        read: Callable[[Entry], Record]
        if batch.kind == "series":
            read = partial(_of_series, Server(batch.url, options), key=key)
        elif batch.kind == "objects":
            return list(_of_objects(batch, options, key))
        else:
            read = partial(_of_file, key=key)
        return [_guarded(entry, read) for entry in batch.entries]


def pseudonym(key: bytes, patient: str, *, prefix: str = "P") -> str:
    """Return a name for an id that only the holder of the key can find again; "" for no id."""
    if not patient:
        return ""
    return f"{prefix}-{hmac.new(key, patient.strip().encode(), hashlib.sha256).hexdigest()[:10]}"


def _batches(kind: str, url: str, entries: Iterator[Entry]) -> Iterator[Batch]:
    plain: list[Entry] = []
    for entry in entries:
        if kind != "series" and entry.name.lower().endswith(ARCHIVES):
            yield Batch("archive", url, (entry,))
            continue
        plain.append(entry)
        if len(plain) == BATCH:
            yield Batch(kind, url, tuple(plain))
            plain = []
    if plain:
        yield Batch(kind, url, tuple(plain))


def _files(path: Path) -> Iterator[Entry]:
    if path.is_file():
        status = path.stat()
        yield Entry(path.as_uri(), path.name, status.st_size, str(status.st_mtime_ns))
        return
    problems: list[str] = []
    base = str(path)
    for name in walk(base, problems, ordered=False):
        try:
            status = os.stat(name)  # noqa: PTH116 - a Path for each file costs more than its header
        except OSError:
            continue  # it went meanwhile
        relative = os.path.relpath(name, base).replace(os.sep, "/")
        yield Entry(Path(name).as_uri(), relative, status.st_size, str(status.st_mtime_ns))
    for text in problems:
        yield Entry(f"problem:{text}", text, 0, "")
    yield from _config_files(path)


def _config_files(path: Path) -> Iterator[Entry]:
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in CONFIGS:
            if name in names:
                file = Path(folder, name)
                status = file.stat()
                relative = file.relative_to(path).as_posix()
                yield Entry(file.as_uri(), relative, status.st_size, str(status.st_mtime_ns))


def _series(server: Server, url: str) -> Iterator[Entry]:
    parts = url.removeprefix(server.root).strip("/").split("/")
    named = dict(zip(parts[::2], parts[1::2], strict=False))
    filters = {"StudyInstanceUID": named["studies"]} if "studies" in named else {}
    for study in server.studies(**filters):
        uid = value(study, 0x0020000D)
        for series in server.series(uid):
            number = value(series, 0x0020000E)
            if named.get("series") in (None, number):
                count = value(series, 0x00201209)
                uri = f"{server.root}/studies/{uid}/series/{number}"
                # Whether it is as it was is only known when it has been read.
                yield Entry(uri, f"{uid}/{number}", int(count or -1), "")


def _guarded(entry: Entry, read: Callable[[Entry], Record]) -> Record:
    try:
        return read(entry)
    except RemoteError as error:
        return _record(entry, kind="unreachable", verdict=error.message, again=True)
    except NbannotError as error:
        return _record(entry, kind="damaged", verdict=error.message)
    except BROKEN:
        return _record(entry, kind="damaged", verdict="cannot be read")


def _record(entry: Entry, **values: Any) -> Record:
    return Record(entry.uri, entry.name, entry.size, entry.stamp, **values)


def _of_file(entry: Entry, *, key: bytes) -> Record:
    if entry.uri.startswith("problem:"):
        return _record(entry, kind="damaged", verdict=entry.name, again=True)
    path = local_path(entry.uri)
    with Path(path).open("rb", buffering=0) as file:
        if _is_config(entry):
            return _config(entry, file=file)
        record = _of_bytes(entry, file=file, key=key, path=path)
        if not record.identity:
            record.identity = _sampled(entry.size, lambda at, size: _at(file, at, size))
    return record


def _of_objects(batch: Batch, options: Mapping[str, Any], key: bytes) -> Iterator[Record]:
    """Yield what objects say; the first bytes of some are asked for at once."""
    store = _store(batch.url, options)
    rest = iter(batch.entries)
    while some := list(islice(rest, _AT_ONCE)):
        firsts = store.starts(some, _FIRST)
        for entry in some:
            yield _guarded(entry, partial(_of_object, store, first=firsts.get(entry.uri), key=key))


def _store(url: str, options: Mapping[str, Any]) -> ObjectStore:
    """Return the store of a place; each thread keeps its last one, whose making costs as much as many requests."""
    known: tuple[str, Mapping[str, Any], ObjectStore] | None = getattr(_mine, "store", None)
    if known is None or known[:2] != (url, options):
        known = _mine.store = (url, dict(options), ObjectStore(url, options))
    return known[2]


_mine = local()


def _of_object(store: ObjectStore, entry: Entry, *, first: bytes | None, key: bytes) -> Record:
    if _is_config(entry):
        data = store.part(entry, 0, min(entry.size, _LONGEST + 1)) if entry.size else b""
        return _config(entry, file=BytesIO(data))
    file = _Ranged(store, entry, first)
    record = _of_bytes(entry, file=file, key=key)
    if not record.identity:
        record.identity = _sampled(entry.size, file.part)
    return record


def _of_archive(batch: Batch, options: Mapping[str, Any], key: bytes) -> list[Record]:
    """Return the archive itself and the files in it; an archive that is refused is its own verdict."""
    (archive,) = batch.entries
    # The cases of an archive that is named itself are its folders; one that was found is a folder itself.
    before = (
        ""
        if archive.uri.rsplit("/", 1)[-1] == batch.url.rstrip("/").rsplit("/", 1)[-1]
        else f"{archive.name}/"
    )
    records = [_record(archive, kind="archive")]
    outer = local_path(archive.uri)
    # As `remote.Members` has it, so that what is read later is known to be the same.
    stamp = archive.stamp or str(archive.size) if is_url(archive.uri) else f"{archive.size}-{archive.stamp}"
    try:
        kind = "zip" if archive.name.lower().endswith(".zip") else "tar"
        path, file = outer, None
        if is_url(archive.uri):
            # Of a ZIP the directory and the headers are read; a tar has no directory.
            file = ranged_zip(ObjectStore(archive.uri, options), Cache()) if kind == "zip" else None
            fetched = None if file is not None else held(archive.uri, options, unpack=False)
            path = fetched.files[0] if fetched is not None else outer
        for member in members(path, kind, file, hidden=CONFIGS):
            if batch.inner and not f"{member.name}/".startswith(f"{batch.inner}/"):
                continue
            uri = f"zip://{member.name}::{archive.uri if is_url(archive.uri) else outer}"
            entry = Entry(uri, before + member.name, member.size, f"{stamp}-{member.mark}")
            with closing(member.open()) as opened:
                read = partial(_config if _is_config(entry) else partial(_of_bytes, key=key), file=opened)
                record = _guarded(entry, read)
            record.identity = (
                record.identity or f"member:{member.size}-{member.mark}-{member.name.rsplit('/', 1)[-1]}"
            )
            records.append(record)
    except RemoteError as error:
        return [_record(archive, kind="unreachable", verdict=error.message, again=True)]
    except FormatError as error:
        return [_record(archive, kind="damaged", verdict=error.message)]
    except BROKEN:
        return [_record(archive, kind="damaged", verdict="a damaged archive")]
    return records


def _is_config(entry: Entry) -> bool:
    return entry.name.rsplit("/", 1)[-1] in CONFIGS


def _config(entry: Entry, *, file: Any) -> Record:
    """Return a configuration with its text, which is read here: only here the place is open."""
    record, data = _record(entry, kind="config"), file.read(_LONGEST + 1)
    try:
        record.text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        record.problem = "it is no text in UTF-8"
    if len(data) > _LONGEST:
        record.problem = "it is too long"
    return record


def _of_series(server: Server, entry: Entry, *, key: bytes) -> Record:
    study, series = entry.name.split("/")
    stamp, uids = server.fingerprint(study, series)
    if not uids:
        return _record(entry, kind="damaged", verdict="no instance", again=True)
    head = identity_of(server.header(study, series, uids[0]))
    record = _described(_record(entry), head, key)
    record.identity, record.sop_uid, record.stamp = f"series:{series}", "", stamp
    record.detail["count"] = len(uids)
    return record


def _of_bytes(entry: Entry, *, file: Any, key: bytes, path: str = "") -> Record:
    start = file.read(512)
    if not start:
        return _record(entry, kind="damaged", verdict="empty")
    head = head_of(entry.name, start, file, entry.size)
    if head is None or head.kind == "archive":
        form = next((form.name for form in FORMATS if form.matches(path or entry.name, start)), "")
        head = Head("annotations" if form else "other", form, alone=True)
    return _described(_record(entry), head, key)


def _described(record: Record, head: Head, key: bytes) -> Record:
    record.kind = head.kind
    record.verdict = head.problem or head.unreadable
    record.series_uid, record.study_uid, record.sop_uid = head.series, head.study, head.instance
    record.patient = pseudonym(key, head.patient)
    record.identity = f"uid:{head.instance}" if head.instance else ""
    shape = head.shape
    if head.frames:
        header = head.frames[0].header
        shape = (header.columns, header.rows, len(head.frames))
    detail = {
        "form": head.form, "modality": head.modality, "description": head.description, "number": head.number,
        "shape": list(shape), "spacing": [round(one, 5) for one in head.spacing], "box": head.box,
        "frame": head.frame_of_reference, "refers": list(head.refers),
    }  # fmt: skip
    record.detail = {name: one for name, one in detail.items() if one}
    return record


def _sampled(size: int, part: Callable[[int, int], bytes]) -> str:
    """Return a name for a content by its size and three samples of it."""
    digest = hashlib.blake2b(str(size).encode(), digest_size=12)
    for at in sorted({0, max(size // 2 - _SAMPLE // 2, 0), max(size - _SAMPLE, 0)}):
        digest.update(part(at, _SAMPLE))
    return f"part:{digest.hexdigest()}"


def _at(file: IO[bytes], at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


class _Ranged:
    """An object read from its start by ranges, more at a time the further it goes."""

    def __init__(self, store: ObjectStore, entry: Entry, first: bytes | None) -> None:
        self._store, self._entry = store, entry
        if first is None:
            first = store.part(entry, 0, min(_FIRST, entry.size)) if entry.size else b""
        self._first = first
        self._buffer = BytesIO(self._first)
        self._end = len(self._first)

    def read(self, size: int, /) -> bytes:
        found = self._buffer.read(size)
        while len(found) < size and self._end < self._entry.size:
            length = max(size - len(found), self._end)
            block = self._store.part(self._entry, self._end, min(self._end + length, self._entry.size))
            if not block:
                break
            self._end += len(block)
            self._buffer = BytesIO(block)
            found += self._buffer.read(size - len(found))
        return found

    def part(self, at: int, size: int) -> bytes:
        end = min(at + size, self._entry.size)
        return self._first[at:end] if end <= len(self._first) else self._store.part(self._entry, at, end)
