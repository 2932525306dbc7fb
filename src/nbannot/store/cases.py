"""The cases of a project and their images."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbannot.errors import StoreError, UnknownItemError
from nbannot.formats.remote import is_url
from nbannot.model.codec import decode_item, encode_item
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.session import ImageReference
from nbannot.session.images import as_path
from nbannot.store import overview
from nbannot.store.access import case_sets
from nbannot.store.actor import Actor, case_row, plain_name
from nbannot.store.core import Core
from nbannot.store.files import first_read, moved_to_url, options_for
from nbannot.store.patterns import fitting
from nbannot.store.project import Source
from nbannot.store.sources import discard, moved, opened, refer
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection, Row


class Cases:
    """Cases and images, for one actor."""

    def __init__(self, core: Core, actor: Actor) -> None:
        self._core = core
        self._actor = actor

    @property
    def base(self) -> Path:
        """Folder of this machine that relative paths of images start at."""
        return self._core.base

    def table(self, *, match: str = "*", after: str | None = None, limit: int | None = None) -> pd.DataFrame:
        """Return one row per case that the actor may see."""
        self._actor.check("project.read")
        with self._core.database.reading() as connection:
            within = case_sets(connection, self._actor.person, "project.read")
            start = 0 if after is None else case_row(connection, after).id
            return overview.cases(connection, within=within, match=match, after=start, limit=limit)

    def names(self) -> list[str]:
        """Return the names of the cases that the actor may see, in the order they were added."""
        from sqlalchemy import or_, select

        self._actor.check("project.read")
        table = tables().cases
        with self._core.database.reading() as connection:
            within = case_sets(connection, self._actor.person, "project.read")
            query = select(table.c.name).order_by(table.c.id)
            if "*" not in within:
                query = query.where(or_(*(fitting(connection, table.c.name, one) for one in within)))
            return list(connection.execute(query).scalars())

    def exists(self, name: str) -> bool:
        """Whether there is a case of this name."""
        table = tables().cases
        with self._core.database.reading() as connection:
            return connection.execute(table.select().where(table.c.name == name)).first() is not None

    def row(self, name: str) -> Row[Any]:
        """Return the row of a case.

        Raises
        ------
        UnknownItemError
            When there is none; whoever may read the project is told which there are.
        """
        with self._core.database.reading() as connection:
            try:
                return case_row(connection, name)
            except UnknownItemError as error:
                if self._actor.may("project.read"):
                    raise
                raise UnknownItemError(error.message) from None

    def labels(self, row: Row[Any]) -> list[Label]:
        """Return the labels that a new session of a case starts with."""
        items = map(decode_item, json.loads(row.labels))
        return [item for item in items if isinstance(item, Label)]

    def add(
        self, name: str, images: Source | Sequence[Source], *, copy: bool, labels: Sequence[str | Label]
    ) -> None:
        """Add a case; see `StoredProject.add_case`."""
        plain_name("A case", name)
        self._actor.check("case.add")
        if self.exists(name):
            raise _taken(name)
        self._core.database.check_writable()
        found = opened(images, self._core.options)
        items = [Label(entry) if isinstance(entry, str) else entry for entry in labels]
        Document(found, labels=items, author=self._actor.person)  # refuses impossible labels
        references: list[ImageReference] = []
        try:
            for image in found:
                references.append(refer(image, self._core.base, copy=copy))
            if copy:
                self._core.place.keep(references)
            self._insert(name, items, references, copied=copy)
        except BaseException:
            if copy:
                discard(references, self._core.base)
            raise

    def _insert(
        self, name: str, labels: Sequence[Label], references: Sequence[ImageReference], *, copied: bool
    ) -> None:
        if len({reference.id for reference in references}) < len(references):
            raise StoreError(f"Case {name!r} was given an image twice", hint="Give each once.")
        row = {
            "name": name, "author": self._actor.person, "created": time.time(),
            "labels": json.dumps([encode_item(label) for label in labels]),
            "patient": "", "study": "", "path": "", "data": "{}",
        }  # fmt: skip

        def work(connection: Connection) -> None:
            insert_case(connection, row, references, copied=copied)

        self._actor.act("case.add", work, case=name, detail={"images": len(references)})

    def references(self, case: str) -> tuple[ImageReference, ...]:
        """Return where the images of a case are, without opening them."""
        self._actor.check("case.read", case)
        return self.kept(self.row(case).id)

    def kept(self, case: int) -> tuple[ImageReference, ...]:
        """Return the references of a case by its id."""
        table = tables().images
        query = table.select().where(table.c.case_id == case).order_by(table.c.position)
        with self._core.database.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(ImageReference.from_json(json.loads(row.reference)) for row in rows)

    def images(self, case: str) -> tuple[Image, ...]:
        """Open the images of a case, after a look whether they are the same."""
        self._actor.check("case.read", case)
        row = self.row(case)
        self._actor.note("case.read", case=case)
        images: list[Image] = []
        for reference in self.kept(row.id):
            call = f"project.relink({case!r}, {reference.name!r}, path)"
            hint = f"Put it back, or say where it is: {call}."
            if reference.is_indexed:
                images += self._first_read(row.id, reference, hint)
                continue
            self._core.place.fetch(reference)
            options = options_for(reference.uri, self._core.options)
            fresh = reference.verified(self._core.base, way_out=hint, options=options)
            images.append(fresh.open(self._core.base, way_out=hint, options=options))
            if fresh != reference and not self._core.database.read_only and not self._core.place.shared:
                self._keep(row.id, fresh)
        return tuple(images)

    def read_once(self, case: int) -> tuple[ImageReference, ...]:
        """Return the references of a case, after reading those that were only indexed."""
        for reference in self.kept(case):
            if reference.is_indexed:
                self._first_read(case, reference, "Index its place again: project.index(url).")
        return self.kept(case)

    def _first_read(self, case: int, reference: ImageReference, hint: str) -> list[Image]:
        """Read an indexed image for the first time, and keep what is known of it from now on."""
        found = first_read(reference, self._core.base, way_out=hint, options=self._core.options)
        if not self._core.database.read_only:
            table = tables().images

            def work(connection: Connection) -> None:
                query = table.select().where(table.c.case_id == case).order_by(table.c.position)
                rows: list[dict[str, Any]] = []
                for row in connection.execute(query):
                    if row.image_id == reference.id:
                        rows += [{**image_row(new), "case_id": case, "copied": False} for new, _ in found]
                    elif row.image_id not in {new.id for new, _ in found}:
                        rows.append(dict(row._mapping))
                connection.execute(table.delete().where(table.c.case_id == case))
                connection.execute(table.insert(), [{**row, "position": n} for n, row in enumerate(rows)])

            self._core.database.change(work)
        return [image for _, image in found]

    def relink(self, case: str, image: str, path: str | Path) -> None:
        """Tell where an image has moved to; see `StoredProject.relink`."""
        self._actor.check("case.add", case)
        row = self.row(case)
        references = self.kept(row.id)
        found = [entry for entry in references if image in (entry.id, entry.name)]
        if len(found) != 1:
            raise UnknownItemError(
                f"Case {case!r} has {'no' if not found else 'more than one'} image {image!r}",
                hint=f"Name one by id: {', '.join(entry.id for entry in references)}.",
            )
        self._core.database.check_writable()
        if is_url(str(path)):
            new = moved_to_url(found[0], str(path), self._core.options)
        else:
            new = moved(found[0], as_path(str(path)), self._core.base)
        table = tables().images
        where = (table.c.case_id == row.id) & (table.c.image_id == new.id)
        query = table.update().where(where).values(image_row(new))
        self._actor.act(
            "case.add", lambda c: c.execute(query), case=case, detail={"do": "relink", "image": new.id}
        )

    def _keep(self, case: int, reference: ImageReference) -> None:
        table = tables().images
        where = (table.c.case_id == case) & (table.c.image_id == reference.id)
        query = table.update().where(where).values(image_row(reference))
        self._core.database.change(lambda connection: connection.execute(query))


def insert_case(
    connection: Connection, row: dict[str, Any], references: Sequence[ImageReference], *, copied: bool
) -> int:
    """Insert a case with its images, inside the caller's transaction, and return its id.

    Raises
    ------
    StoreError
        When the name is taken.
    """
    known = tables()
    if connection.execute(known.cases.select().where(known.cases.c.name == row["name"])).first() is not None:
        raise _taken(row["name"])
    key = connection.execute(known.cases.insert().values(row)).inserted_primary_key
    case = int(key[0]) if key else 0
    images = [
        {**image_row(reference), "case_id": case, "copied": copied, "position": position}
        for position, reference in enumerate(references)
    ]
    if images:
        connection.execute(known.images.insert(), images)
    return case


def image_row(reference: ImageReference) -> dict[str, Any]:
    """Return the columns of an image."""
    return {
        "image_id": reference.id, "name": reference.name, "modality": reference.modality,
        "uri": reference.uri, "identity": reference.identity,
        "reference": json.dumps(reference.to_json()),
    }  # fmt: skip


def _taken(name: str) -> StoreError:
    return StoreError(f"There is a case {name!r} already", hint="Choose another name.")
