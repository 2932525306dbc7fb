"""The images of an indexed case, put together from its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from nbannot.formats.remote.web import DAY_MARK
from nbannot.session import FileMark, ImageReference
from nbannot.store.cases import image_row
from nbannot.store.files import PRINT_MARK, followed, place_marks, uris_of
from nbannot.store.tables import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

IMAGES = ("image", "RT dose", "parametric map")
"""Kinds of files that images of a case are made of."""


def gather(
    connection: Connection, case: int, base: Path, moves: Mapping[str, str] | None = None
) -> list[str]:
    """Bring the images of a case up to date with its files; those that were read once stay the same.

    Returns
    -------
    list of str
        What the owner should know: files that came to an image that was read, and images whose files went.
    """
    known = tables()
    found = known.objects
    query = found.select().where(found.c.case_id == case, found.c.kind.in_(IMAGES), found.c.verdict == "")
    rows = connection.execute(query.order_by(found.c.uri)).all()
    stamps = {row.uri: mark_of(row) for row in rows}
    images = known.images
    before = connection.execute(
        images.select().where(images.c.case_id == case).order_by(images.c.position)
    ).all()
    kept, told = [], []
    for row in before:
        reference = ImageReference.from_json(json.loads(row.reference))
        if not reference.is_indexed:
            kept.append((followed(reference, base, moves or {}, stamps), row.copied))
    covered = {uri for reference, _ in kept if reference.files for uri in uris_of(reference, base)}
    series = {reference.series_uid for reference, _ in kept if reference.series_uid}
    groups: dict[str, list[Row[Any]]] = {}
    seen: set[str] = set()
    for row in rows:
        if row.uri in covered or (row.sop_uid and row.identity in seen):
            continue  # known, or a copy
        seen.add(row.identity)
        groups.setdefault(row.series_uid or row.uri, []).append(row)
    new = []
    for group in sorted(groups.values(), key=_order):
        if group[0].series_uid in series:
            if any(_is_replaced(one, group[0]) for one, _ in kept):
                told.append(
                    f"a series was replaced after it was opened: {group[0].uri}; it is refused while it differs"
                )
            elif not group[0].identity.startswith("series:"):
                told.append(f"{len(group)} files came to a series that is open: {group[0].uri}")
            continue
        new.append((_pending(group, base, stamps), False))
    _write(connection, case, [*kept, *_named(new)], before)
    return told


def _is_replaced(reference: ImageReference, row: Row[Any]) -> bool:
    """Whether a series of an archive is another one than that of an image that was read."""
    stamps = {mark.stamp.partition(DAY_MARK)[0] for mark in reference.files if DAY_MARK in mark.stamp}
    return reference.series_uid == row.series_uid and bool(stamps) and stamps != {row.stamp}


def _order(group: Sequence[Row[Any]]) -> tuple[bool, int, str]:
    """Images come by the numbers of their series; what its name says is a layer, after its base."""
    detail = json.loads(group[0].detail)
    tokens = detail["name"].rsplit("/", 1)[-1].split(".")[1:]
    return "layer" in tokens, detail.get("number") or 0, group[0].uri


def image_key(row: Any, detail: Mapping[str, Any]) -> str:
    """Return what an indexed image is known by: its series, or the content and path of its file."""
    return row.series_uid or f"{row.identity}|{detail['name']}"


def indexed_id(key: str) -> str:
    """Return the id of an indexed image from its `image_key`."""
    return hashlib.sha256(f"index|{key}".encode()).hexdigest()[:16]


def mark_of(row: Any) -> FileMark:
    """Return the mark of an indexed file, with its own name left out."""
    local = row.uri.startswith("file://")
    return FileMark("", row.size, int(row.stamp) if local else 0, 0, "", "" if local else row.stamp)


def _pending(group: Sequence[Row[Any]], base: Path, stamps: Mapping[str, FileMark]) -> ImageReference:
    first = group[0]
    detail = json.loads(first.detail)
    key = image_key(first, detail)
    stem = PurePosixPath(detail["name"]).name.split(".")[0]
    name = (
        detail.get("image")
        or detail.get("description")
        or (stem if not first.series_uid else detail.get("modality", ""))
    )
    i, j, k = (*detail.get("shape", ()), 1, 1, 1)[:3]
    frames = detail["shape"][3] if len(detail.get("shape", ())) == 4 else 1
    count = detail.get("count") or (len(group) if k == 1 else k)
    series = first.identity.startswith("series:")
    places = (
        {"uri": first.uri, "files": ()} if series else place_marks([row.uri for row in group], base, stamps)
    )
    return ImageReference(
        id=indexed_id(key), name=name or "image",
        # Of a series of an archive no files are listed: its fingerprint tells whether it is as it was.
        identity=f"index:{key}{PRINT_MARK}{first.stamp}" if series else f"index:{key}",
        modality=detail.get("modality", ""), series_uid=first.series_uid or None,
        shape=(frames, count, j, i), sources=(), checked=0, **places,
    )  # fmt: skip


def _named(new: Sequence[tuple[ImageReference, bool]]) -> list[tuple[ImageReference, bool]]:
    """Return the references with names that differ."""
    counts: dict[str, int] = {}
    named = []
    for reference, copied in new:
        counts[reference.name] = counts.get(reference.name, 0) + 1
        n = counts[reference.name]
        named.append((replace(reference, name=f"{reference.name} {n}") if n > 1 else reference, copied))
    return named


def _write(
    connection: Connection,
    case: int,
    wanted: Sequence[tuple[ImageReference, bool]],
    before: Sequence[Row[Any]],
) -> None:
    images = tables().images
    rows = [
        {**image_row(reference), "case_id": case, "copied": copied, "position": n}
        for n, (reference, copied) in enumerate(wanted)
    ]
    if rows == [dict(row._mapping) for row in before]:
        return
    connection.execute(images.delete().where(images.c.case_id == case))
    if rows:
        connection.execute(images.insert(), rows)
