"""Images that a program sends: a zip that is checked before anything of it is used."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbannot.errors import FormatError, NbannotError, StoreError
from nbannot.model.codec import decode_item
from nbannot.model.image import Image
from nbannot.session.images import open_paths

_MEMBER = re.compile(r"(\d{1,4})/([A-Za-z0-9][A-Za-z0-9._-]{0,99})")
_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_MOST_FILES = 100_000
_RATIO = 1100
_BLOCK = 1 << 20
_HINT = "Send what nbannot's own add_case makes."


@contextmanager
def unpacked(path: Path, *, most: int) -> Iterator[Path]:
    """Give a temporary folder with the files of an upload: one folder of files for each image.

    Raises
    ------
    FormatError
        When it is no zip, is damaged, or holds anything but plain files under such names.
    StoreError
        When it unpacks to more than ``most`` bytes.
    """
    folder = Path(tempfile.mkdtemp(prefix="nbannot-images-"))
    try:
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, folder, most)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as cause:
            raise FormatError("The upload is not a zip, or is damaged", hint=_HINT) from cause
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(archive: zipfile.ZipFile, folder: Path, most: int) -> None:
    members = archive.infolist()
    if not members or len(members) > _MOST_FILES:
        raise FormatError(f"The upload holds {len(members)} files", hint=f"From 1 to {_MOST_FILES}.")
    names: set[str] = set()
    left = most
    for member in members:
        named = _MEMBER.fullmatch(member.filename)
        kind = member.external_attr >> 28
        if named is None or kind not in (0, 8) or member.flag_bits & 1 or member.filename.lower() in names:
            raise FormatError("The upload holds a file that may not be in it", hint=_HINT)
        if member.file_size > max(_BLOCK, member.compress_size * _RATIO):
            raise FormatError("The upload holds a file that unpacks to much more than it is", hint=_HINT)
        names.add(member.filename.lower())
        target = folder / named[1] / named[2]
        target.parent.mkdir(exist_ok=True)
        with archive.open(member) as source, target.open("xb") as file:
            # What the directory says of a size is not believed.
            while piece := source.read(_BLOCK):
                left -= len(piece)
                if left < 0:
                    raise StoreError("The upload unpacks to more than the service takes")
                file.write(piece)


def images_of(folder: Path, asked: Any) -> list[Image]:
    """Return the images of an upload, under the ids and names that were asked for.

    Raises
    ------
    NbannotError
        When what was asked does not fit what was sent.
    FormatError
        When files are not an image.
    """
    if not isinstance(asked, list) or not asked:
        raise NbannotError("The upload does not say which images it holds", hint=_HINT)
    if sorted(path.name for path in folder.iterdir()) != sorted(map(str, range(len(asked)))):
        raise NbannotError("The upload holds other images than it says", hint=_HINT)
    return [_image(folder / str(n), entry) for n, entry in enumerate(asked)]


def _image(folder: Path, entry: Any) -> Image:
    wanted, name = (entry.get("id"), entry.get("name")) if isinstance(entry, dict) else (None, None)
    if (
        not isinstance(wanted, str)
        or not _ID.fullmatch(wanted)
        or not isinstance(name, str)
        or len(name) > 300
    ):
        raise NbannotError("The upload does not say the id and the name of an image", hint=_HINT)
    found = open_paths(sorted(folder.iterdir()))
    images = [found] if isinstance(found, Image) else list(found.values())
    same = [image for image in images if image.id == wanted] or images
    if len(same) != 1:
        raise FormatError("The files of an image hold several series", hint="Add each series as an image.")
    same[0].id, same[0].name = wanted, name
    return same[0]


def labels_of(asked: Any) -> list[Any]:
    """Return the labels of a new case: names, or items as JSON."""
    if not isinstance(asked, list) or len(asked) > 10_000:
        raise NbannotError("The labels of a case are a list")
    return [
        entry if isinstance(entry, str) else decode_item(json.loads(json.dumps(entry))) for entry in asked
    ]
