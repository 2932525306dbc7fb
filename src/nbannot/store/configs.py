"""The configurations of a project, of folders and of cases, in versions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from nbannot.errors import ConfigError, StoreError
from nbannot.session.config import Config, stack_configs
from nbannot.session.images import as_path
from nbannot.store.access import ROLES, check_role
from nbannot.store.actor import Actor, case_row, plain_text
from nbannot.store.cases import Cases
from nbannot.store.frames import frame, times
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

TEXT_LENGTH = 1_000_000


Levels = Sequence[Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The configuration that applies to a case, and where each value comes from.

    Parameters
    ----------
    config
        What it says.
    origins
        Where each value stands, by its dotted key: "case:c1 version 3", or a file.
    """

    config: Config
    origins: dict[str, str]


class Configs:
    """The configurations of a project; ``project.configs``."""

    def __init__(self, actor: Actor, cases: Cases) -> None:
        self._actor = actor
        self._cases = cases

    def __repr__(self) -> str:
        return "Configs()"

    def set(self, text: str, *, level: str = "project", role: str = "") -> int:
        """Keep a configuration as the newest version of its level, and return its number.

        Parameters
        ----------
        text
            As in a ``.nbannot.yaml``. With ``__inherit__: true`` it is merged over the next level: the
            case over its folder, that over the folders above, those over the project, that over files
            beside the images. An empty text takes the level away.
        level
            "project", "folder:PATH" (for the cases whose path begins so) or "case:NAME".
        role
            For people with this role only, merged over what the level says for all.

        Raises
        ------
        AccessError
            When the one who acts may not.
        ConfigError
            When something in it is wrong; nothing is kept then.
        """
        kind, _, name = level.partition(":")
        if kind not in ("project", "folder", "case") or (kind == "project") != (level == "project"):
            hint = 'Choose "project", "folder:PATH" or "case:NAME".'
            raise StoreError(f"There is no level {level!r}", hint=hint)
        if role:
            check_role(role)
        if len(text) > TEXT_LENGTH:
            raise ConfigError(f"The configuration has {len(text)} characters", hint=f"At most {TEXT_LENGTH}.")
        plain_text(text, "A configuration")
        table = tables().configs

        def work(connection: Connection) -> int:
            path = case_row(connection, name).path if kind == "case" else name
            levels = _levels(connection, name if kind == "case" else None, path, role, but=level)
            _check([[(_NEW, text), *levels.pop(level, [])], *levels.values()])
            version = _newest(connection, level, role)[0] + 1
            row = {"level": level, "role": role, "version": version, "text": text,
                   "author": self._actor.person, "time": time.time()}  # fmt: skip
            connection.execute(table.insert().values(row))
            return version

        return self._actor.act(
            "project.manage", work,
            detail=lambda version: {"do": "config", "level": level, "role": role, "version": version},
        )  # fmt: skip

    def history(self, level: str = "project", *, role: str = "") -> pd.DataFrame:
        """One row per version: version, author, time (UTC), text."""
        self._actor.check("project.read")
        table = tables().configs
        query = table.select().where(table.c.level == level, table.c.role == role).order_by(table.c.version)
        with self._actor.database.reading() as connection:
            rows = [(row.version, row.author, row.time, row.text) for row in connection.execute(query)]
        found = frame(rows, ("version", "author", "time", "text"))
        return found.assign(time=times(found["time"]))

    def of(self, case: str, *, role: str = "") -> Resolved:
        """Return what applies to a case, and from where.

        Parameters
        ----------
        case
            Its name.
        role
            For whom; also picks the part of that name under ``groups``, and for the owner ``access.admin``.

        Raises
        ------
        AccessError
            When the one who acts may not read the case.
        """
        return resolve(self.levels(case, role=role), role=role, folder=self._beside(self._cases.row(case).id))

    def levels(self, case: str, *, role: str = "") -> Levels:
        """Return the texts that `of` makes one of: for each level, the nearest first, (place, YAML).

        Raises
        ------
        AccessError
            When the one who acts may not read the case.
        """
        self._actor.check("case.read", case)
        row = self._cases.row(case)
        with self._actor.database.reading() as connection:
            return list(_levels(connection, case, row.path, role).values())

    def _beside(self, case: int) -> Path | None:
        """Return the folder of a case's first image, where it is one of this machine."""
        try:
            references = self._cases.kept(case)
            place = as_path(references[0].uri, base=self._cases.base) if references else None
        except StoreError:
            return None
        return None if place is None or not place.exists() else place if place.is_dir() else place.parent


def resolve(levels: Levels, *, role: str = "", folder: Path | None = None) -> Resolved:
    """Return what `Configs.levels` come to for a role; ``folder`` is where a text's relative paths start."""
    config = stack_configs(
        levels, folder=folder, groups=[role] if role in ROLES else [],
        role="admin" if role == "owner" else "user",
    )  # fmt: skip
    return Resolved(config, {key: str(file) for key, file in config.origins.items()})


def _newest(connection: Connection, level: str, role: str) -> tuple[int, str]:
    """Return number and text of the newest version of a level; (0, "") for none."""
    table = tables().configs
    query = table.select().where(table.c.level == level, table.c.role == role)
    row = connection.execute(query.order_by(table.c.version.desc()).limit(1)).first()
    return (0, "") if row is None else (int(row.version), str(row.text))


def _levels(
    connection: Connection, case: str | None, path: str, role: str, *, but: str = ""
) -> dict[str, list[tuple[str, str]]]:
    """Return (name, text) of what is kept for a case or a folder, by level, the nearest first.

    ``but`` is a level of which the text for the role is about to be replaced.
    """
    folder = PurePosixPath(path)
    names = [] if case is None else [f"case:{case}"]
    names += [f"folder:{one}" for one in (folder, *folder.parents) if str(one) not in (".", "/")]
    names.append("project")
    newest = _newest_of(connection, names, [role, ""] if role else [""])
    levels: dict[str, list[tuple[str, str]]] = {}
    for level in names:
        texts = []
        for who in (role, "") if role else ("",):
            version, text = newest.get((level, who), (0, ""))
            if text.strip() and not (level == but and who == role):
                texts.append(
                    (f"{level} for {who} version {version}" if who else f"{level} version {version}", text)
                )
        if texts:
            levels[level] = texts
    return levels


def _newest_of(
    connection: Connection, levels: Sequence[str], roles: Sequence[str]
) -> dict[tuple[str, str], tuple[int, str]]:
    """Return number and text of the newest versions by level and role, in one query."""
    from sqlalchemy import func, select

    table = tables().configs
    asked = table.c.level.in_(levels) & table.c.role.in_(roles)
    last = (
        select(table.c.level, table.c.role, func.max(table.c.version).label("version"))
        .where(asked)
        .group_by(table.c.level, table.c.role)
        .subquery()
    )
    same = (table.c.level == last.c.level) & (table.c.role == last.c.role)
    query = select(table).join(last, same & (table.c.version == last.c.version))
    return {(row.level, row.role): (int(row.version), str(row.text)) for row in connection.execute(query)}


_NEW = "the new text"


def _check(levels: list[list[tuple[str, str]]]) -> None:
    """Refuse a new text that is wrong where it would stand."""
    found = [one for one in stack_configs(levels).problems if str(one.file) == _NEW]
    # Layouts may stand in files beside the images.
    wrong = [one for one in found if one.key != "layout" and not one.key.startswith("hanging")]
    if wrong:
        more = f"{len(wrong) - 1} more" if len(wrong) > 1 else "Nothing was kept."
        raise ConfigError(str(wrong[0]), hint=more)
