"""Trees of cases: annotations in folders, each for the images of its case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nbannot.errors import FormatError, GeometryError, NbannotError
from nbannot.formats.identity import content_id
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.labelmaps import read_labelmaps
from nbannot.formats.places import source_paths
from nbannot.model.image import Image

Reads = Callable[[str, Findings], None]
FileFormat = Callable[[str], tuple[str, Reads] | None]

_LABELMAP = "labelmap"
# Endings that a damaged file of annotations, or of an image, may have.
_MEANT = (".dcm", ".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")


def read_cases(path: str, findings: Findings, form_of: FileFormat) -> None:
    """Read the annotations in a folder and those below it, each onto the images of its case.

    Case and image belong together by the name of a folder: one that the annotations lie in (the deepest that
    tells images apart) and one that the image's files lie in, or stands in its name. Annotations in one
    folder alone are for all images. The images' own files are left out. What cannot be read, or has no image,
    is noted with its reason; the rest is read.

    Parameters
    ----------
    form_of
        Names the format of a file ("labelmap" for those that are read together) and its reader; None for
        a file that holds no annotations that are read from trees.
    """
    root, images = Path(path), findings.images
    own = {image.id for image in images}
    held: dict[Path, list[tuple[str, str, Reads]]] = {}
    for entry in _files(root):
        form = form_of(str(entry))
        if form is None and entry.name.lower().endswith(_MEANT) and not _is_dicom(entry):
            findings.note(f"{entry.relative_to(root).as_posix()} is not of a known format; it is left out")
        if form is not None and not (form[0] == _LABELMAP and content_id(str(entry)) in own):
            held.setdefault(entry.parent, []).append((str(entry), *form))
    strange: Counter[str] = Counter()

    def refused(error: NbannotError) -> None:
        findings.note(f"{error.message.replace(f'{root}/', '')}; it is left out")

    for folder, files in held.items():
        place = folder.relative_to(root)
        of_case = images if len(held) == 1 else _of_case(place, images)
        maps = [file for file, name, _ in files if name == _LABELMAP]
        findings.images = of_case
        if maps and of_case:
            read_labelmaps(maps, folder.name, findings, refused=refused)
        elif maps:
            strange[place.as_posix()] += len(maps)
        if not of_case:
            # DICOM names its image itself.
            findings.images = tuple(image for image in images if image.series_uid)
        for file, name, read in files:
            if name == _LABELMAP:
                continue
            if of_case:
                _one(file, findings, read, refused)
            elif not (name.startswith("DICOM") and findings.images and _one(file, findings, read)):
                strange[place.as_posix()] += 1
    findings.images = images
    if strange:
        shown = ", ".join(list(strange)[:5]) + (", …" if len(strange) > 5 else "")
        findings.note(f"{strange.total()} files lie in folders of no image that was given: {shown}")


def _files(folder: Path) -> Iterator[Path]:
    entries = sorted(one for one in folder.iterdir() if not one.name.startswith(".") and not one.is_symlink())
    yield from (one for one in entries if one.is_file())
    for one in entries:
        if one.is_dir() and one.name != "__MACOSX":
            yield from _files(one)


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _of_case(folder: Path, images: Sequence[Image]) -> tuple[Image, ...]:
    """Return the images in whose path or name a folder stands that `folder` has, too."""
    names = [_names(image) for image in images]
    best: tuple[Image, ...] = ()
    for part in reversed(folder.parts):
        hits = tuple(image for image, known in zip(images, names, strict=True) if part in known)
        if hits and (not best or len(hits) < len(best)):
            best = hits
    return best


def _names(image: Image) -> set[str]:
    paths = source_paths(image)
    parents = Path(paths[0]).parent.parts if paths and paths[0] else ()
    return {*parents, *Path(image.name).parts}


def _one(
    file: str, findings: Findings, read: Reads, refused: Callable[[NbannotError], None] = lambda error: None
) -> bool:
    """Whether a file was read; when it is refused, keep what was there before and tell why."""
    before = len(findings.masks), len(findings.items), len(findings.notes), dict(findings.labels)
    path, findings.path = findings.path, file
    try:
        read(file, findings)
    except (FormatError, GeometryError) as error:
        del findings.masks[before[0] :], findings.items[before[1] :], findings.notes[before[2] :]
        findings.labels = before[3]
        refused(error)
        return False
    finally:
        findings.path = path
    return True
