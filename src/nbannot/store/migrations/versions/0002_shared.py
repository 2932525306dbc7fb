"""Members, audit, tasks, comments, configurations, presence, indexed objects, settings."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what a shared project needs; what there was is kept."""
    _columns()
    _access()
    _tasks()
    _words()
    _files()


def _text(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, **{"nullable": False, **options})


def _time(name: str, **options: Any) -> sa.Column[float]:
    return sa.Column(name, sa.Float, **{"nullable": False, **options})


def _columns() -> None:
    for name in ("patient", "study", "path"):
        op.add_column("cases", _text(name, server_default=""))
    op.add_column("cases", _text("data", server_default="{}"))
    op.add_column("sessions", _text("status", server_default="open"))
    op.add_column("sessions", _time("changed", nullable=True))
    op.add_column("sessions", _time("submitted", nullable=True))
    op.add_column("sessions", _text("writer", server_default=""))
    op.add_column("sessions", _time("writer_seen", nullable=True))
    newest = "(SELECT max(edits.time) FROM edits WHERE edits.session_id = sessions.id)"
    op.execute(f"UPDATE sessions SET changed = {newest}")
    op.create_index("cases_path", "cases", ["path"])
    op.create_index("images_identity", "images", ["identity"])


def _access() -> None:
    op.create_table(
        "members",
        _text("person", primary_key=True),
        _text("role", primary_key=True),
        _text("cases", primary_key=True),
        _text("granted_by"),
        _time("granted"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        _time("time"),
        *(_text(name) for name in ("actor", "action", "case_name", "session_id", "outcome")),
        *(_text(name) for name in ("reason", "detail", "previous", "hash")),
    )
    op.create_index("audit_actor", "audit", ["actor", "seq"])
    op.create_index("audit_case", "audit", ["case_name", "seq"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, nullable=False),
        _text("hash"),
    )
    op.execute("INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '')")


def _tasks() -> None:
    op.create_table(
        "tasks",
        _text("id", primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
        _text("kind"),
        _text("person"),
        sa.Column("session", sa.Integer),
        sa.Column("repeat", sa.Integer, nullable=False),
        _text("batch"),
        sa.Column("position", sa.Integer, nullable=False),
        _time("due", nullable=True),
        _text("status"),
        sa.Column("flagged", sa.Boolean, nullable=False),
        _text("assigned_by"),
        _time("assigned"),
        _time("started", nullable=True),
        _time("submitted", nullable=True),
        _time("active_s"),
        _time("seen", nullable=True),
        _text("reason"),
        sa.Column("session_id", sa.Text, sa.ForeignKey("sessions.id")),
        sa.Column("subject_session_id", sa.Text, sa.ForeignKey("sessions.id")),
    )
    op.create_index("tasks_person", "tasks", ["person", "status", "position"])
    op.create_index("tasks_case", "tasks", ["case_id", "person"])
    op.create_index("tasks_session", "tasks", ["session_id"])


def _words() -> None:
    op.create_table(
        "comments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("task_id", sa.Text, sa.ForeignKey("tasks.id")),
        _text("author"),
        _time("time"),
        *(_text(name) for name in ("text", "place", "resolved")),
    )
    op.create_index("comments_case", "comments", ["case_id"])
    op.create_table(
        "configs",
        sa.Column("id", sa.Integer, primary_key=True),
        _text("level"),
        _text("role"),
        sa.Column("version", sa.Integer, nullable=False),
        _text("text"),
        _text("author"),
        _time("time"),
        sa.UniqueConstraint("level", "role", "version"),
    )
    op.create_table(
        "presence",
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), primary_key=True),
        _text("person", primary_key=True),
        _text("session_id"),
        _text("place"),
        _time("seen"),
    )


def _files() -> None:
    op.create_table(
        "objects",
        _text("uri", primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        *(_text(name) for name in ("stamp", "identity", "sop_uid", "series_uid", "study_uid")),
        *(_text(name) for name in ("patient", "kind", "verdict", "detail")),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id")),
        _time("seen"),
    )
    op.create_index("objects_case", "objects", ["case_id"])
    op.create_index("objects_series", "objects", ["series_uid"])
    op.create_index("objects_identity", "objects", ["identity"])
    op.create_table("settings", _text("key", primary_key=True), _text("value"))


def downgrade() -> None:
    """Take the shared tables away."""
    for table in ("settings", "objects", "presence", "configs", "comments", "tasks"):
        op.drop_table(table)
    for table in ("audit_head", "audit", "members"):
        op.drop_table(table)
    op.drop_index("images_identity", "images")
    op.drop_index("cases_path", "cases")
    for name in ("status", "changed", "submitted", "writer", "writer_seen"):
        op.drop_column("sessions", name)
    for name in ("patient", "study", "path", "data"):
        op.drop_column("cases", name)
