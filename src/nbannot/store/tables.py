"""The tables of a project's database, as of the newest migration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Column, MetaData, Table

# Revisions of the schema, oldest first; one file in migrations/versions each.
REVISIONS = ("0001", "0002")


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a project."""

    metadata: MetaData
    cases: Table
    images: Table
    sessions: Table
    edits: Table
    snapshots: Table
    members: Table
    audit: Table
    audit_head: Table
    tasks: Table
    comments: Table
    configs: Table
    presence: Table
    objects: Table
    settings: Table


@cache
def tables() -> Tables:
    """Return the tables, described once.

    ``sessions`` is keyed by case × reader × session × repeat. ``edits`` is the journal: one row
    per edit, ordered by ``seq`` from 1 without a gap; ``sessions.head`` is the newest ``seq``.
    ``snapshots`` hold the whole state after the edit ``seq``. ``audit`` is a chain of hashes whose
    newest link stands in the one row of ``audit_head``. Times are s since 1970; JSON is text.
    """
    from sqlalchemy import MetaData

    metadata = MetaData()
    return Tables(
        metadata,
        *_of_cases(metadata),
        *_of_sessions(metadata),
        *_of_access(metadata),
        *_of_work(metadata),
        *_of_files(metadata),
    )


def text(name: str, **options: Any) -> Column[str]:
    """Return a column of text that is never null."""
    from sqlalchemy import Column, Text

    return Column(name, Text, **{"nullable": False, **options})


def number(name: str, **options: Any) -> Column[int]:
    """Return a column of integers that is never null."""
    from sqlalchemy import Column, Integer

    return Column(name, Integer, **{"nullable": False, **options})


def seconds(name: str, **options: Any) -> Column[float]:
    """Return a column of times (s since 1970) or durations (s)."""
    from sqlalchemy import Column, Float

    return Column(name, Float, **{"nullable": False, **options})


def _of_cases(metadata: MetaData) -> tuple[Table, Table]:
    from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, UniqueConstraint

    cases = Table(
        "cases",
        metadata,
        Column("id", Integer, primary_key=True),
        text("name", unique=True),
        text("labels"),
        text("author"),
        seconds("created"),
        text("patient"),
        text("study"),
        text("path"),
        text("data"),
        Index("cases_path", "path"),
    )
    images = Table(
        "images",
        metadata,
        Column("case_id", ForeignKey("cases.id"), primary_key=True),
        Column("position", Integer, primary_key=True),
        text("image_id"),
        text("name"),
        text("modality"),
        text("uri"),
        Column("copied", Boolean, nullable=False),
        text("identity"),
        text("reference"),
        UniqueConstraint("case_id", "image_id"),
        Index("images_identity", "identity"),
    )
    return cases, images


def _of_sessions(metadata: MetaData) -> tuple[Table, Table, Table]:
    from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, Table, Text, UniqueConstraint

    sessions = Table(
        "sessions",
        metadata,
        text("id", primary_key=True),
        Column("case_id", ForeignKey("cases.id"), nullable=False),
        text("reader"),
        number("session"),
        number("repeat"),
        text("document_id", unique=True),
        seconds("created"),
        number("head"),
        text("view"),
        text("status"),
        seconds("changed", nullable=True),
        seconds("submitted", nullable=True),
        text("writer"),
        seconds("writer_seen", nullable=True),
        UniqueConstraint("case_id", "reader", "session", "repeat"),
    )
    edits = Table(
        "edits",
        metadata,
        Column("session_id", ForeignKey("sessions.id"), primary_key=True),
        Column("seq", Integer, primary_key=True),
        text("edit_id"),
        seconds("time"),
        text("author"),
        text("origin"),
        text("tool"),
        text("kind"),
        Column("undoes", Text),
        text("body"),
        Column("buffers", LargeBinary, nullable=False),
        UniqueConstraint("session_id", "edit_id"),
    )
    snapshots = Table(
        "snapshots",
        metadata,
        Column("session_id", ForeignKey("sessions.id"), primary_key=True),
        Column("seq", Integer, primary_key=True),
        seconds("time"),
        text("manifest"),
    )
    return sessions, edits, snapshots


def _of_access(metadata: MetaData) -> tuple[Table, Table, Table]:
    from sqlalchemy import Column, Index, Integer, Table

    members = Table(
        "members",
        metadata,
        text("person", primary_key=True),
        text("role", primary_key=True),
        text("cases", primary_key=True),
        text("granted_by"),
        seconds("granted"),
    )
    audit = Table(
        "audit",
        metadata,
        Column("seq", Integer, primary_key=True, autoincrement=False),
        seconds("time"),
        text("actor"),
        text("action"),
        text("case_name"),
        text("session_id"),
        text("outcome"),
        text("reason"),
        text("detail"),
        text("previous"),
        text("hash"),
        Index("audit_actor", "actor", "seq"),
        Index("audit_case", "case_name", "seq"),
    )
    head = Table(
        "audit_head",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        number("seq"),
        text("hash"),
    )
    return members, audit, head


def _of_work(metadata: MetaData) -> tuple[Table, Table, Table, Table]:
    from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, UniqueConstraint

    tasks = Table(
        "tasks",
        metadata,
        text("id", primary_key=True),
        Column("case_id", ForeignKey("cases.id"), nullable=False),
        text("kind"),
        text("person"),
        number("session", nullable=True),
        number("repeat"),
        text("batch"),
        number("position"),
        seconds("due", nullable=True),
        text("status"),
        Column("flagged", Boolean, nullable=False),
        text("assigned_by"),
        seconds("assigned"),
        seconds("started", nullable=True),
        seconds("submitted", nullable=True),
        seconds("active_s"),
        seconds("seen", nullable=True),
        text("reason"),
        Column("session_id", ForeignKey("sessions.id"), nullable=True),
        Column("subject_session_id", ForeignKey("sessions.id"), nullable=True),
        Index("tasks_person", "person", "status", "position"),
        Index("tasks_case", "case_id", "person"),
        Index("tasks_session", "session_id"),
    )
    configs = Table(
        "configs",
        metadata,
        Column("id", Integer, primary_key=True),
        text("level"),
        text("role"),
        number("version"),
        text("text"),
        text("author"),
        seconds("time"),
        UniqueConstraint("level", "role", "version"),
    )
    presence = Table(
        "presence",
        metadata,
        Column("case_id", ForeignKey("cases.id"), primary_key=True),
        text("person", primary_key=True),
        text("session_id"),
        text("place"),
        seconds("seen"),
    )
    return tasks, _of_comments(metadata), configs, presence


def _of_comments(metadata: MetaData) -> Table:
    from sqlalchemy import Column, ForeignKey, Index, Integer, Table

    return Table(
        "comments",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("case_id", ForeignKey("cases.id"), nullable=False),
        Column("task_id", ForeignKey("tasks.id"), nullable=True),
        text("author"),
        seconds("time"),
        text("text"),
        text("place"),
        text("resolved"),
        Index("comments_case", "case_id"),
    )


def _of_files(metadata: MetaData) -> tuple[Table, Table]:
    from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

    objects = Table(
        "objects",
        metadata,
        text("uri", primary_key=True),
        Column("size", BigInteger, nullable=False),
        text("stamp"),
        text("identity"),
        text("sop_uid"),
        text("series_uid"),
        text("study_uid"),
        text("patient"),
        text("kind"),
        text("verdict"),
        text("detail"),
        Column("case_id", ForeignKey("cases.id"), nullable=True),
        seconds("seen"),
        Index("objects_case", "case_id"),
        Index("objects_series", "series_uid"),
        Index("objects_identity", "identity"),
    )
    settings = Table("settings", metadata, text("key", primary_key=True), text("value"))
    return objects, settings
