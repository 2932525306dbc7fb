"""Saves a session as one .nbs file, and loads it.

A .nbs file is a zip: ``session.json`` (version, images, view, state), ``masks/<id>.zst`` (whole
label volumes) and, with a history, ``history.json`` and ``history.zst``.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from nbannot.errors import FormatError, ReadOnlyError, StoreError
from nbannot.model.codec import decode_edit, encode_edit
from nbannot.model.edits import Edit
from nbannot.model.image import Image
from nbannot.session.images import ImageReference
from nbannot.session.migrations import VERSION, migrate
from nbannot.session.session import Session
from nbannot.session.state import State, capture, rebuild

_WAY_OUT = "Put the image back, or give it: load(path, images=…)."


def save(path: str | Path, session: Session, *, history: bool = True) -> Path:
    """Save a session as one file; an existing file is replaced whole, or not at all.

    Images are referred to, never copied.

    Parameters
    ----------
    path
        The file; ``.nbs`` is added when it has no suffix.
    session
        What to save.
    history
        Whether the edits so far are saved with it.

    Raises
    ------
    StoreError
        When it cannot be written.
    """
    target = Path(path).absolute()
    target = target if target.suffix else target.with_suffix(".nbs")
    document = session.document
    document.refresh()
    with document.lock:
        start = session.oldest if history else session.step
        edits = session.edits() if history else []
        state = capture(session.at(start))
    references = [ImageReference.of(image, base=target.parent) for image in document.images]
    data = {
        "version": VERSION, "document": document.id, "step": start,
        "view": session.view, "state": dict(state.manifest), "history": history,
        "images": [reference.to_json() for reference in references],
    }  # fmt: skip
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            _write(zipfile.ZipFile(file, "w"), data, state, edits)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except PermissionError as cause:
        raise ReadOnlyError(f"{target} cannot be written", hint="Choose another folder.") from cause
    except OSError as cause:
        raise StoreError(
            f"{target} was not written: {cause.strerror}",
            hint="Any earlier file is as it was. Make room or choose another folder.",
        ) from cause
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    session.references = tuple(references)
    return target


def load(
    path: str | Path, *, images: Image | Sequence[Image] | None = None, author: str | None = None
) -> Session:
    """Load a session that `save` wrote.

    Parameters
    ----------
    path
        The file.
    images
        The images annotated, in their order, instead of reading them from where they were.
    author
        Who edits from now on; the login name when missing.

    Raises
    ------
    FormatError
        When it is not a session, or is damaged.
    NewerVersionError
        When a newer nbannot wrote it.
    StoreError
        When an image is missing or is not the one that was annotated.
    """
    source = Path(path).absolute()
    data, state, edits = _read(source)
    references = [ImageReference.from_json(entry) for entry in data["images"]]
    if images is None:
        base = source.parent
        references = [entry.verified(base, way_out=_WAY_OUT) for entry in references]
        found = [entry.open(base, way_out=_WAY_OUT) for entry in references]
    else:
        found = _given([images] if isinstance(images, Image) else list(images), references)
    document = rebuild(state, found, document_id=data["document"], author=author)
    document.replay(edits)
    return Session(document, view=data["view"], references=references, first=data["step"])


def _given(images: list[Image], references: Sequence[ImageReference]) -> list[Image]:
    shapes = [(image.frames, *image.shape) for image in images]
    wanted = [reference.shape for reference in references]
    if shapes != wanted:
        raise StoreError(
            f"The session was made on images of (t, k, j, i) {wanted}, got {shapes}",
            hint="Give the images that were annotated, in their order.",
        )
    for image, reference in zip(images, references, strict=True):
        if None not in (image.series_uid, reference.series_uid) and (
            image.series_uid != reference.series_uid
        ):
            raise StoreError(
                f"Image {reference.name!r} is of another series than the one that was annotated",
                hint="Give the images that were annotated, in their order.",
            )
        image.id = reference.id
    return images


def _write(archive: zipfile.ZipFile, data: Mapping[str, Any], state: State, edits: Sequence[Edit]) -> None:
    import zstandard

    with archive:
        archive.writestr("session.json", json.dumps(data))
        for name, voxels in state.voxels.items():
            archive.writestr(f"masks/{name}.zst", voxels)
        if data["history"]:
            coded = [encode_edit(edit) for edit in edits]
            rows = [[body, [len(buffer) for buffer in buffers]] for body, buffers in coded]
            everything = b"".join(buffer for _, buffers in coded for buffer in buffers)
            archive.writestr("history.json", json.dumps(rows), zipfile.ZIP_DEFLATED)
            archive.writestr("history.zst", zstandard.ZstdCompressor().compress(everything))


def _read(path: Path) -> tuple[dict[str, Any], State, list[Edit]]:
    import zstandard

    try:
        with zipfile.ZipFile(path) as archive:
            data = migrate(json.loads(archive.read("session.json")))
            names = [entry["id"] for entry in data["state"]["masks"]]
            present = set(archive.namelist())
            voxels = {n: archive.read(f"masks/{n}.zst") for n in names if f"masks/{n}.zst" in present}
            rows = json.loads(archive.read("history.json")) if data["history"] else []
            packed = archive.read("history.zst") if data["history"] else b""
        buffers = memoryview(zstandard.ZstdDecompressor().decompress(packed) if packed else b"")
        return data, State(data["state"], voxels), _edits(rows, buffers)
    except FileNotFoundError as cause:
        raise StoreError(f"There is no session {path}", hint="Check the path.") from cause
    except (zipfile.BadZipFile, zstandard.ZstdError, KeyError, TypeError, UnicodeDecodeError,
            json.JSONDecodeError) as cause:  # fmt: skip
        raise FormatError(
            f"{path} is not a session, or is damaged: {cause}", hint="Use another copy of it."
        ) from cause


def _edits(rows: Sequence[Any], data: memoryview) -> list[Edit]:
    edits, start = [], 0
    for body, sizes in rows:
        buffers = []
        for size in sizes:
            buffers.append(data[start : start + size])
            start += size
        edits.append(decode_edit(body, buffers))
    return edits
