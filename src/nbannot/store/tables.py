"""The tables of a project's database, as of the newest migration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import MetaData, Table

# Revisions of the schema, oldest first; one file in migrations/versions each.
REVISIONS = ("0001",)


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a project."""

    metadata: MetaData
    cases: Table
    images: Table
    sessions: Table
    edits: Table
    snapshots: Table


@cache
def tables() -> Tables:
    """Return the tables, described once.

    ``sessions`` is keyed by case × reader × session × repeat. ``edits`` is the journal: one row
    per edit, ordered by ``seq`` from 1 without a gap; ``sessions.head`` is the newest ``seq``.
    ``snapshots`` hold the whole state after the edit ``seq``.
    """
    from sqlalchemy import MetaData

    metadata = MetaData()
    return Tables(metadata, *_of_cases(metadata), *_of_sessions(metadata))


def _of_cases(metadata: MetaData) -> tuple[Table, Table]:
    from sqlalchemy import (
        Boolean,
        Column,
        Float,
        ForeignKey,
        Integer,
        Table,
        Text,
        UniqueConstraint,
    )

    cases = Table(
        "cases",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", Text, nullable=False, unique=True),
        Column("labels", Text, nullable=False),
        Column("author", Text, nullable=False),
        Column("created", Float, nullable=False),
    )
    images = Table(
        "images",
        metadata,
        Column("case_id", ForeignKey("cases.id"), primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("image_id", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("modality", Text, nullable=False),
        Column("uri", Text, nullable=False),
        Column("copied", Boolean, nullable=False),
        Column("identity", Text, nullable=False),
        Column("reference", Text, nullable=False),
        UniqueConstraint("case_id", "image_id"),
    )
    return cases, images


def _of_sessions(metadata: MetaData) -> tuple[Table, Table, Table]:
    from sqlalchemy import (
        Column,
        Float,
        ForeignKey,
        Integer,
        LargeBinary,
        Table,
        Text,
        UniqueConstraint,
    )

    sessions = Table(
        "sessions",
        metadata,
        Column("id", Text, primary_key=True),
        Column("case_id", ForeignKey("cases.id"), nullable=False),
        Column("reader", Text, nullable=False),
        Column("session", Integer, nullable=False),
        Column("repeat", Integer, nullable=False),
        Column("document_id", Text, nullable=False, unique=True),
        Column("created", Float, nullable=False),
        Column("head", Integer, nullable=False),
        Column("view", Text, nullable=False),
        UniqueConstraint("case_id", "reader", "session", "repeat"),
    )
    edits = Table(
        "edits",
        metadata,
        Column("session_id", ForeignKey("sessions.id"), primary_key=True),
        Column("seq", Integer, primary_key=True),
        Column("edit_id", Text, nullable=False),
        Column("time", Float, nullable=False),
        Column("author", Text, nullable=False),
        Column("origin", Text, nullable=False),
        Column("tool", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("undoes", Text),
        Column("body", Text, nullable=False),
        Column("buffers", LargeBinary, nullable=False),
        UniqueConstraint("session_id", "edit_id"),
    )
    snapshots = Table(
        "snapshots",
        metadata,
        Column("session_id", ForeignKey("sessions.id"), primary_key=True),
        Column("seq", Integer, primary_key=True),
        Column("time", Float, nullable=False),
        Column("manifest", Text, nullable=False),
    )
    return sessions, edits, snapshots
