"""From DICOM files to named images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nbannot.errors import FormatError, GeometryError
from nbannot.formats.dicom.decode import unsupported
from nbannot.formats.dicom.frames import Frame, frames_of
from nbannot.formats.dicom.groups import Volume, volumes_of
from nbannot.formats.dicom.header import NotAnImageError, NotDicomError, kind_name, read_header
from nbannot.formats.dicom.volume import image_of
from nbannot.formats.quiet import quiet
from nbannot.model.image import Image

_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


@dataclass(slots=True)
class Found:
    """What reading gave: images by name, and what to tell the user."""

    images: dict[str, Image] = field(default_factory=dict)
    geometry: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failures: list[GeometryError] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    rest: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def reworded(self, plain: Callable[[str], str]) -> Found:
        """Return it with messages as `plain` makes them, for instance without temporary folders."""
        self.warnings = [plain(text) for text in self.warnings]
        self.geometry = {name: [plain(text) for text in texts] for name, texts in self.geometry.items()}
        for failure in self.failures:
            failure.message = plain(failure.message)
        return self


@dataclass(slots=True)
class _Series:
    frames: list[Frame] = field(default_factory=list)

    @property
    def name(self) -> str:
        header = self.frames[0].header
        plain = " ".join(header.description.replace("\\", "/").split())
        number = header.series_number
        return plain or " ".join(
            filter(None, (header.modality or "image", "" if number is None else str(number)))
        )


def read_dicom(paths: Sequence[str], *, alone: bool, uri: str) -> Found:
    """Read those of the files that are DICOM images.

    Parameters
    ----------
    paths
        Files, in any order.
    alone
        Whether the user named this one file: anything wrong is then an error, not a warning.
    uri
        Where the user said the images are.

    Raises
    ------
    FormatError
        When the file read alone is not a sound DICOM image.
    GeometryError
        When the only series has slices that contradict each other.
    """
    found = Found()
    with quiet():
        series = _collect(paths, found, alone=alone)
        names = _unique([one.name for one in series], [_number(one) for one in series])
        for name, one in zip(names, series, strict=True):
            _add_series(found, name, one, uri)
    if found.failures and not found.images:
        raise found.failures[0]
    return found


def _number(series: _Series) -> str:
    number = series.frames[0].header.series_number
    return "" if number is None else str(number)


def _collect(paths: Sequence[str], found: Found, *, alone: bool) -> list[_Series]:
    groups: dict[tuple[str, ...], _Series] = {}
    for path in paths:
        frames = _frames(path, found, alone=alone)
        if not frames:
            continue
        header = frames[0].header
        key = (header.series_uid or f"{header.study_uid}/{header.series_number}",)
        groups.setdefault(key, _Series()).frames += frames
    return sorted(
        groups.values(),
        key=lambda one: (one.frames[0].header.series_number is None,
                         one.frames[0].header.series_number or 0, one.frames[0].header.series_uid),
    )  # fmt: skip


def _frames(path: str, found: Found, *, alone: bool) -> list[Frame]:
    try:
        header = read_header(path)
        problem = unsupported(header.syntax) if header.is_encapsulated else ""
        if problem:
            raise FormatError(
                f"{path} cannot be decoded: {problem}", hint="Convert it to another coding first."
            )
        return frames_of(header)
    except NotDicomError as error:
        if path.lower().endswith(_DICOM_SUFFIXES):
            found.damaged.append(path)
            found.warnings.append(f"{error.message}; it is left out")
        else:
            found.rest.append(path)
        if alone:
            raise
    except NotAnImageError as error:
        if alone:
            raise
        found.others[_other(error)] += 1
    except FormatError as error:
        if alone:
            raise
        found.damaged.append(path)
        found.warnings.append(f"{error.message}; it is left out")
    return []


def _other(error: NotAnImageError) -> str:
    text = error.message.rsplit(" is a ", 1)[-1].removeprefix("DICOM ")
    return text.split(", not an image")[0].split(": ")[0].split(", an index")[0]


def _add_series(found: Found, name: str, series: _Series, uri: str) -> None:
    try:
        volumes = volumes_of(series.frames)
    except GeometryError as error:
        found.failures.append(error)
        return
    labels = _unique([_label(volume) for volume in volumes], ["" for _ in volumes])
    for label, volume in zip(labels, volumes, strict=True):
        full = f"{name} · {label}" if len(volumes) > 1 else name
        image = image_of(volume, name=full, uri=uri, damaged=found.damaged)
        found.images[full] = image
        found.geometry[full] = volume.warnings


def _label(volume: Volume) -> str:
    return volume.label.replace("\\", "/") or (volume.axis and f"by {volume.axis}") or "rest"


def _unique(names: Sequence[str], numbers: Sequence[str]) -> list[str]:
    """Make names unique: first with the series number, then by counting."""
    counts = Counter(names)
    result: list[str] = []
    for name, number in zip(names, numbers, strict=True):
        wanted = f"{name} ({number})" if counts[name] > 1 and number else name
        result.append(_free(wanted, result.__contains__))
    return result


def _free(name: str, taken: Callable[[object], bool]) -> str:
    if not taken(name):
        return name
    n = 2
    while taken(f"{name} #{n}"):
        n += 1
    return f"{name} #{n}"


__all__ = ["Found", "kind_name", "read_dicom"]
