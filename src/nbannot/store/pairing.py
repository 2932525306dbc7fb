"""Which image a file of annotations, or a layer, belongs to: by table, UID, pattern, token, folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbannot.errors import StoreError

SEGMENTS, LAYER = "segments", "layer"
TOKENS = {"seg": SEGMENTS, "layer": LAYER}
"""Parts of file names, between dots, that say what a file is."""

# Boxes that differ by more are other places, mm.
_NEAR = 1.0


@dataclass(slots=True)
class Thing:
    """An image, or a file of annotations, as an index knows it.

    Parameters
    ----------
    key
        Series Instance UID, or what else it is known by.
    path
        Of its first file, relative to what was indexed.
    case
        Id of its case; None for none.
    sizes
        Voxels along the axes, in any order.
    box
        Around the centres of its voxels, LPS mm.
    """

    key: str
    uri: str
    path: str
    kind: str
    case: int | None
    modality: str = ""
    study: str = ""
    series: str = ""
    frame: str = ""
    number: int | None = None
    refers: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    box: tuple[float, ...] | None = None
    uris: list[str] = field(default_factory=list)

    @property
    def folder(self) -> tuple[str, ...]:
        """The folders that it lies in."""
        return tuple(self.path.split("/")[:-1])

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def stem(self) -> str:
        """What its annotations' names begin with: up to the first dot, or the number of the series."""
        if self.series:
            return "" if self.number is None else str(self.number)
        return self.name.split(".")[0]

    @property
    def role(self) -> str:
        """Say "segments" or "layer" where the name has VolView's token, else ""."""
        parts = self.name.split(".")[1:]
        return next((role for token, role in TOKENS.items() if token in parts), "")


@dataclass(frozen=True, slots=True)
class Pair:
    """A file and its image, or why it has none."""

    thing: Thing
    role: str
    image: Thing | None
    why: str


class Pairing:
    """Finds the image of files.

    Parameters
    ----------
    images
        All there are.
    patterns
        What the path of a file becomes the path, or name, of its image by: regular expressions with their
        replacement.
    table
        Rows with ``file`` and ``image``: paths, names or Series Instance UIDs.

    Raises
    ------
    StoreError
        When a pattern or a row cannot be used.
    """

    def __init__(self, images: Sequence[Thing], patterns: Any = None, table: Any = None) -> None:
        self._images = images
        self._patterns = _compiled(patterns)
        self._table = _rows(table)
        self._by_name: dict[str, list[Thing]] = {}
        self._by_study: dict[str, list[Thing]] = {}
        self._by_folder: dict[tuple[str, ...], list[Thing]] = {}
        for image in images:
            for name in {image.path, image.name, image.key, image.stem, "/".join(image.folder)} - {""}:
                self._by_name.setdefault(name, []).append(image)
            if image.study:
                self._by_study.setdefault(image.study, []).append(image)
            for n in range(len(image.folder) + 1):
                self._by_folder.setdefault(image.folder[:n], []).append(image)

    def of(self, thing: Thing) -> Pair:
        """Return the image of a file of annotations or a layer, with the reason."""
        role = thing.role or (SEGMENTS if thing.kind != "image" else LAYER)
        for find in (self._tabled, self._referred, self._patterned, self._token, self._together):
            found, why = find(thing, role)
            if found is None and not why:
                continue
            wrong = "" if found is None else misfit(thing, found, role)
            if wrong:
                return Pair(thing, role, None, f"{why}, but refused: {wrong}")
            return Pair(thing, role, found, why)
        return Pair(thing, role, None, "no image shares its study, the beginning of its name, or its folder")

    def petct(self) -> list[Pair]:
        """Return PET images that are layers of the CT of their study and frame of reference."""
        pairs = []
        for images in self._by_study.values():
            cts = [one for one in images if one.modality == "CT"]
            for pet in (one for one in images if one.modality == "PT"):
                same = [ct for ct in cts if ct.frame and ct.frame == pet.frame]
                fitting = [ct for ct in same if not misfit(pet, ct, LAYER)]
                if fitting:
                    # A localizer shares the frame too; the CT of the PET covers the most.
                    best = max(fitting, key=lambda ct: (_volume(ct), ct.key))
                    pairs.append(Pair(pet, LAYER, best, "PET and CT of one study and frame of reference"))
                elif cts:
                    why = (
                        "the CT of the study lies elsewhere"
                        if same
                        else "the CT has another frame of reference"
                    )
                    pairs.append(Pair(pet, LAYER, None, why))
        return pairs

    def _tabled(self, thing: Thing, role: str) -> tuple[Thing | None, str]:
        wanted = next(
            (self._table[one] for one in (thing.path, thing.name, thing.key) if one in self._table), None
        )
        if wanted is None:
            return None, ""
        return self._single(self._by_name.get(wanted, []), thing, f"the table says {wanted}")

    def _referred(self, thing: Thing, role: str) -> tuple[Thing | None, str]:
        for uid in thing.refers:
            found = [one for one in self._by_name.get(uid, []) if one.series == uid]
            if found:
                return found[0], "it refers to this series"
        if thing.refers:
            return None, "the series that it refers to is not here"
        if not (thing.study and thing.kind != "image"):
            return None, ""
        found = [
            one for one in self._by_study.get(thing.study, []) if one.frame == thing.frame and thing.frame
        ]
        return self._single(found, thing, "the same study and frame of reference") if found else (None, "")

    def _patterned(self, thing: Thing, role: str) -> tuple[Thing | None, str]:
        for pattern, replacement in self._patterns:
            match = pattern.search(thing.path)
            if match:
                wanted = match.expand(replacement)
                return self._single(self._by_name.get(wanted, []), thing, f"the pattern says {wanted}")
        return None, ""

    def _token(self, thing: Thing, role: str) -> tuple[Thing | None, str]:
        if not thing.role:
            return None, ""
        near = [one for one in self._near(thing) if one.stem and _begins(thing.name.split(".")[0], one.stem)]
        if not near:
            return None, f"no image beside it has a name that {thing.name} begins with"
        longest = max(len(one.stem) for one in near)
        best = [one for one in near if len(one.stem) == longest]
        return self._single(best, thing, f"its name begins with {best[0].stem}")

    def _together(self, thing: Thing, role: str) -> tuple[Thing | None, str]:
        if thing.kind == "image":
            return None, ""
        near = self._near(thing)
        if not near:
            return None, ""
        begun = [one for one in near if one.stem and _begins(thing.name.split(".")[0], one.stem)]
        fitting = [one for one in (begun or near) if not misfit(thing, one, role)]
        if not fitting:
            shown = (begun or near)[0]
            return None, f"it lies with {shown.name}, but refused: {misfit(thing, shown, role)}"
        return self._single(fitting, thing, "it lies in the folder of the image")

    def _near(self, thing: Thing) -> list[Thing]:
        """Return the images of the nearest folder that has any: its own, those below, those above."""
        for n in range(len(thing.folder), -1, -1):
            found = [one for one in self._by_folder.get(thing.folder[:n], []) if one.key != thing.key]
            # Going up, only images of that folder itself are near; and not all of them at the top.
            if n < len(thing.folder):
                found = [one for one in found if one.folder == thing.folder[:n] or _within(one, thing, n)]
            if found:
                return found
        return []

    def _single(self, found: Sequence[Thing], thing: Thing, why: str) -> tuple[Thing | None, str]:
        one = [image for image in found if image.key != thing.key]
        if len(one) > 1:
            fitting = [image for image in one if not misfit(thing, image, SEGMENTS)]
            one = fitting if len(fitting) == 1 else one
        if len(one) == 1:
            return one[0], why
        if not one:
            return None, f"{why}, which is no image here"
        return (
            None,
            f"{why}, which {len(one)} images do: {', '.join(sorted(image.name for image in one)[:3])}, …",
        )


def misfit(thing: Thing, image: Thing, role: str) -> str:
    """Return why two cannot lie together; "" where they do, or where it is not known yet."""
    if thing.frame and image.frame and thing.frame != image.frame:
        return "another frame of reference"
    if role == LAYER:
        if thing.box and image.box and not _meet(thing.box, image.box):
            return "it lies elsewhere"
        return ""
    if thing.kind not in ("labelmap", "image"):
        return ""  # what its kind places by itself
    sizes, others = _sizes(thing), _sizes(image)
    if sizes and others and sizes != others:
        return f"{'×'.join(map(str, thing.sizes))} voxels are not {'×'.join(map(str, image.sizes))}"
    if thing.box and image.box and max(abs(a - b) for a, b in zip(thing.box, image.box, strict=True)) > _NEAR:
        return "it lies elsewhere"
    return ""


def _sizes(thing: Thing) -> tuple[int, ...]:
    return tuple(sorted(n for n in thing.sizes if n > 1))


def _begins(name: str, stem: str) -> bool:
    """Whether a name begins with a stem that ends there: p1 does not begin p10."""
    return name.startswith(stem) and not name[len(stem) : len(stem) + 1].isalnum()


def _within(image: Thing, thing: Thing, depth: int) -> bool:
    """Whether image and file lie in twin folders, such as images/ and labels/, with one stem."""
    return depth == len(thing.folder) - 1 and _begins(thing.name.split(".")[0], image.stem or "\0")


def _meet(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(one[n] <= other[n + 3] and other[n] <= one[n + 3] for n in range(3))


def _volume(thing: Thing) -> float:
    if not thing.box:
        return 0.0
    return float(
        (thing.box[3] - thing.box[0]) * (thing.box[4] - thing.box[1]) * (thing.box[5] - thing.box[2])
    )


def _compiled(patterns: Any) -> list[tuple[re.Pattern[str], str]]:
    try:
        pairs: Iterable[tuple[Any, str]] = (
            (patterns or {}).items() if isinstance(patterns or {}, Mapping) else patterns
        )
        return [(re.compile(pattern), str(replacement)) for pattern, replacement in pairs]
    except (re.error, TypeError, ValueError) as cause:
        raise StoreError(
            f"The patterns cannot be used: {cause}",
            hint=r'Write {r"(.+)_mask\.nii\.gz$": r"\1.nii.gz"}: the path of a file, and of its image.',
        ) from cause


def _rows(table: Any) -> dict[str, str]:
    if table is None:
        return {}
    rows = table.to_dict("records") if hasattr(table, "to_dict") else list(table)
    try:
        return {str(row["file"]): str(row["image"]) for row in rows}
    except (KeyError, TypeError) as cause:
        raise StoreError(
            "A row of the table names no file or no image",
            hint="Columns: file and image; paths or series UIDs.",
        ) from cause
