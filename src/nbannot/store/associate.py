"""`project.associate`: segment groups and layers come to the images of the cases."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbannot.errors import NbannotError, NbannotWarning
from nbannot.formats import read
from nbannot.formats.remote.urls import local_path
from nbannot.formats.scanning.extent import joined
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.store.actor import Actor
from nbannot.store.core import Core
from nbannot.store.files import options_for
from nbannot.store.gathering import IMAGES, gather, image_key, indexed_id
from nbannot.store.pairing import LAYER, Pair, Pairing, Thing
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

ANNOTATIONS = ("SEG", "RTSTRUCT", "SR", "labelmap", "annotations")
"""Kinds of files that belong to images."""

_COLUMNS = ("file", "kind", "case", "image", "attached", "why")


def associate(core: Core, actor: Actor, *, dry_run: bool, patterns: Any, table: Any) -> pd.DataFrame:
    """Attach what belongs to images, and return what goes where and why; see `StoredProject.associate`."""
    import pandas as pd

    actor.check("case.add")
    with core.database.reading() as connection:
        things = _things(connection)
        cases = {row.id: row.name for row in connection.execute(tables().cases.select())}
    over = [one for one in things if one.kind in ANNOTATIONS or one.role]
    pairing = Pairing([one for one in things if one.kind in IMAGES and not one.role], patterns, table)
    pairs = [pairing.of(one) for one in over] + pairing.petct()
    if not dry_run:
        core.database.check_writable()
        work = _attach(core, pairs)
        detail = {"do": "associate", "attached": sum(pair.image is not None for pair in pairs)}
        actor.act("case.add", work, detail=detail)
    rows = []
    for pair in sorted(pairs, key=lambda one: (one.image is None, one.thing.path)):
        case = cases.get(pair.image.case, "") if pair.image is not None and pair.image.case else ""
        image = "" if pair.image is None else pair.image.path
        attached = pair.image is not None and bool(case)
        why = pair.why if attached or pair.image is None else f"{pair.why}; but that image is in no case"
        rows.append((pair.thing.path, pair.role, case, image, attached, why))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def start_with(core: Core, data: str, images: Sequence[Image], document: Document) -> dict[str, Any]:
    """Put what is attached to a case on a new document, and return the view with its layers.

    What cannot be read, or does not fit its image, is left out with a warning.
    """
    attached = json.loads(data or "{}").get("attached", ())
    by_id = {image.id: image for image in images}
    layers: dict[str, list[dict[str, Any]]] = {}
    for one in attached:
        image = by_id.get(one["image"])
        if image is None:
            continue
        if one["role"] == LAYER:
            if one["layer"] in by_id:
                layers.setdefault(image.id, []).append(
                    {
                        "image": one["layer"],
                        "colormap": "hot iron",
                        "opacity": 0.5,
                        "visible": True,
                        "lower": None,
                    }
                )
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NbannotWarning)
                options = options_for(one["uri"], core.options)
                document.add(read(local_path(one["uri"]), image=image, storage_options=options))
        except NbannotError as error:
            warnings.warn(f"{one['name']} is not put on {image.name}: {error}", NbannotWarning, stacklevel=2)
    return {"layers": layers} if layers else {}


def _things(connection: Connection) -> list[Thing]:
    """Return the images and files of annotations that are indexed, a series as one."""
    table = tables().objects
    query = table.select().where(table.c.kind.in_((*IMAGES, *ANNOTATIONS)), table.c.verdict == "")
    found: dict[str, Thing] = {}
    for row in connection.execute(query.order_by(table.c.uri).execution_options(yield_per=1000)):
        detail = json.loads(row.detail)
        # Of a series each file of annotations stands for itself.
        series = bool(row.series_uid) and row.kind in IMAGES
        key = image_key(row, detail) if row.kind in IMAGES else row.uri
        shape = tuple(detail.get("shape", ()))
        box = tuple(detail["box"]) if detail.get("box") else None
        known = found.get(key)
        if known is None:
            found[key] = Thing(
                key, row.uri, detail["name"], row.kind, row.case_id, detail.get("modality", ""), row.study_uid,
                row.series_uid if series else "", detail.get("frame", ""), detail.get("number"),
                tuple(detail.get("refers", ())), shape[:3] or (0,), box, [row.uri],
            )  # fmt: skip
            continue
        known.uris.append(row.uri)
        known.case = known.case or row.case_id
        if series:
            known.box = joined(known.box, box)  # type: ignore[arg-type]
    for one in found.values():
        if one.series and len(one.uris) > 1 and len(one.sizes) == 3:
            one.sizes = (*one.sizes[:2], one.sizes[2] * len(one.uris))
    return list(found.values())


def _attach(core: Core, pairs: Sequence[Pair]) -> Any:
    by_case: dict[int, list[dict[str, Any]]] = {}
    moves: list[tuple[Thing, int]] = []
    for pair in pairs:
        image = pair.image
        if image is None or image.case is None:
            continue
        entry = {
            "uri": pair.thing.uri, "name": pair.thing.name, "role": pair.role, "why": pair.why,
            "image": indexed_id(image.key),
        }  # fmt: skip
        if pair.role == LAYER:
            entry["layer"] = indexed_id(pair.thing.key)
        if pair.thing.case != image.case:
            moves.append((pair.thing, image.case))
        by_case.setdefault(image.case, []).append(entry)

    def work(connection: Connection) -> None:
        known = tables()
        touched: set[int] = set()
        for thing, case in moves:
            where = known.objects.c.uri.in_(thing.uris)
            connection.execute(known.objects.update().where(where).values(case_id=case))
            touched |= {case, *([thing.case] if thing.case is not None else [])}
        for case in touched:
            gather(connection, case, core.base)
        for row in connection.execute(known.cases.select()).all():
            data: Mapping[str, Any] = json.loads(row.data or "{}")
            new = {**data, "attached": by_case[row.id]} if row.id in by_case else dict(data)
            if row.id not in by_case:
                new.pop("attached", None)
            if new != data:
                query = known.cases.update().where(known.cases.c.id == row.id)
                connection.execute(query.values(data=json.dumps(new)))

    return work
