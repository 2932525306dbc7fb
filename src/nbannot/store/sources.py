"""Images of a case: read to be added, copied when asked, found again when moved."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from nbannot.errors import SeveralSeriesWarning, StoreError
from nbannot.formats import read
from nbannot.formats.places import fetched
from nbannot.formats.remote import Options, is_url
from nbannot.model.image import Image
from nbannot.session import FileMark, ImageReference
from nbannot.session.images import as_path, open_paths, uri_of
from nbannot.session.pixels import SUFFIX, read_pixels, write_pixels
from nbannot.store.blobs import sync_folder
from nbannot.store.failures import failing
from nbannot.store.files import options_for
from nbannot.store.project import Source


def opened(sources: Source | Sequence[Source], options: Options) -> list[Image]:
    """Return the images of paths, URLs and images; ``options`` open URLs.

    Raises
    ------
    StoreError
        When nothing is given, or a path does not exist.
    FormatError
        When a file is not an image.
    """
    given = [sources] if isinstance(sources, str | Path | Image) else list(sources)
    images: list[Image] = []
    for source in given:
        if isinstance(source, Image):
            images.append(source)
            continue
        if is_url(str(source)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SeveralSeriesWarning)
                found = read(str(source), storage_options=options_for(str(source), options))
            images += [found] if isinstance(found, Image) else list(found.values())
            continue
        path = as_path(str(source))
        if not path.exists():
            raise StoreError(f"There is no image at {path}", hint="Check the path.")
        found = open_paths([path])
        images += [found] if isinstance(found, Image) else list(found.values())
    if not images:
        raise StoreError("A case needs at least one image", hint="Give images=path.")
    return images


def refer(image: Image, base: Path, *, copy: bool) -> ImageReference:
    """Return the reference of an image, after copying its files under ``base`` when asked.

    Raises
    ------
    StoreError
        When it is only in memory and not to be copied, or the copy fails.
    """
    if copy:
        return _copied(image, base)
    reference = ImageReference.of(image, base=base)
    if not reference.files:
        raise StoreError(
            f"Image {image.name!r} is only in memory, so there is nothing to refer to",
            hint="Add the path of its file, or keep a copy of it: copy=True.",
        )
    return reference


def discard(references: Sequence[ImageReference], base: Path) -> None:
    """Remove copies made by `refer`."""
    for reference in references:
        shutil.rmtree(base / Path(*Path(reference.uri).parts[:2]), ignore_errors=True)


def _copied(image: Image, base: Path) -> ImageReference:
    before = ImageReference.of(image)
    held = fetched(image)
    folder = base / "images" / uuid4().hex[:16]
    with failing(folder):
        try:
            folder.mkdir(parents=True)
            if before.files:
                paths = (
                    before.paths(base) if held is None else [held.folder / one.name for one in before.files]
                )
                alone = len(paths) == 1 and (held is not None or paths[0] == before.place(base))
                place = folder / (paths[0].name if alone else "files" if held else before.place(base).name)
                for mark, path in zip(before.files, paths, strict=True):
                    target = place if alone else place / mark.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)
                    _sync(target)
            else:
                place = folder / f"image{SUFFIX}"
                with place.open("xb") as file:
                    write_pixels(file, image)
                _sync(place)
            sync_folder(folder)
            if before.files:
                copy = replace(before, uri=uri_of(place, base))
                return copy.verified(base, way_out="Add the case again.")
            return ImageReference.of(read_pixels(place), base=base)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def moved(reference: ImageReference, path: Path, base: Path) -> ImageReference:
    """Return the reference of the same image at another path, by the content of its files.

    Raises
    ------
    StoreError
        When the files there are not those of the image.
    """
    if not path.exists():
        raise StoreError(f"There is nothing at {path}", hint="Check the path.")
    inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    sizes = {mark.size for mark in reference.files}
    found: dict[str, Path] = {}
    with failing(path):
        for file in inside:
            if file.stat().st_size in sizes:
                found.setdefault(_digest(file), file)
    missing = [mark for mark in reference.files if mark.sha256 not in found]
    if missing:
        raise StoreError(
            f"{path} does not hold image {reference.name!r}: {len(missing)} of its "
            f"{len(reference.files)} files are not there with the same content",
            hint="Only the very files that were annotated can be linked.",
        )
    files = [found[mark.sha256] for mark in reference.files]
    place = files[0] if len(files) == 1 else path
    checked, marks = time.time_ns(), []
    for mark, file in zip(reference.files, files, strict=True):
        status = file.stat()
        name = file.name if file == place else file.relative_to(place).as_posix()
        marks.append(FileMark(name, mark.size, status.st_mtime_ns, status.st_ctime_ns, mark.sha256))
    return replace(reference, uri=uri_of(place, base), files=tuple(marks), checked=checked)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
