"""From frames to volumes: which frames belong together, and along which axes.

Nothing is guessed: frames share a volume when they agree in everything that a grid needs, and
they share a time axis when an attribute of the file orders them completely.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import GeometryError
from nbannot.formats.dicom.decode import file_bytes, stored_frame
from nbannot.formats.dicom.frames import AXES, KINDS, Frame

# Positions nearer than this are one place, mm.
SAME_PLACE = 0.01
# Directions nearer than this belong to one orientation (difference of a cosine).
SAME_DIRECTION = 1e-3
_RANKED = (
    "acquisition time",
    "content time",
    "trigger time",
    "frame reference time",
    "instance number",
)


@dataclass(slots=True)
class Volume:
    """Frames of one image: `rows[t][k]`; `label` tells it apart within its series."""

    rows: list[list[Frame]]
    label: str = ""
    axis: str = ""
    warnings: list[str] = field(default_factory=list)

    @property
    def frames(self) -> list[Frame]:
        """All frames, t after t."""
        return [frame for row in self.rows for frame in row]


def volumes_of(frames: Sequence[Frame]) -> list[Volume]:
    """Return the volumes of one series.

    Raises
    ------
    GeometryError
        When two different slices lie at one position and nothing tells them apart.
    """
    volumes: list[Volume] = []
    frames, warnings = without_copies(frames)
    for label, group in _split_by_form(frames):
        if group[0].has_place:
            for name, part in _split_by_orientation(group):
                found = _by_position(part)
                for volume in found:
                    volume.label = " ".join(filter(None, (label, name, volume.label)))
                volumes += found
        else:
            found = _without_place(group)
            for volume in found:
                volume.label = " ".join(filter(None, (label, volume.label)))
            volumes += found
    if volumes:
        volumes[0].warnings[:0] = warnings
    return volumes


def without_copies(frames: Sequence[Frame]) -> tuple[list[Frame], list[str]]:
    """Drop second copies of an instance (equal pixels and place), and say so in warnings."""
    kept: dict[tuple[str, int], Frame] = {}
    result: list[Frame] = []
    copies: list[str] = []
    shared: list[str] = []
    for frame in frames:
        key = (frame.header.sop_uid, frame.index)
        other = kept.setdefault(key, frame) if key[0] else frame
        if other is frame:
            result.append(frame)
        elif (other.position, other.orientation) != (frame.position, frame.orientation):
            shared.append(frame.header.path)
            result.append(frame)
        elif _equal(other, frame):
            copies.append(f"{frame.header.path} is a copy of {other.header.path}")
        else:
            raise GeometryError(
                f"{other.header.path} and {frame.header.path} are different pictures with one "
                "SOP Instance UID",
                hint="Remove the wrong one of the two files.",
            )
    warnings = []
    copies = list(dict.fromkeys(copies))
    if copies:
        more = f"; and {len(copies) - 3} more" if len(copies) > 3 else ""
        warnings.append(f"Copies are used once: {'; '.join(copies[:3])}{more}")
    if shared:
        warnings.append(
            f"{len(shared)} slices at other places carry the SOP Instance UID of another slice "
            f"({shared[0]}, …): what they are cannot be told by it"
        )
    return result, warnings


def _equal(one: Frame, other: Frame) -> bool:
    """Whether two files hold the same picture, however it is coded."""
    if one.scaling != other.scaling or one.header.frames != other.header.frames:
        return False
    if file_bytes(one.header) == file_bytes(other.header):
        return True
    first, second = (stored_frame(frame.header, frame.index) for frame in (one, other))
    return np.array_equal(first, second)


def _grouped(frames: Iterable[Frame], key: Callable[[Frame], Hashable]) -> dict[Hashable, list[Frame]]:
    groups: dict[Hashable, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(key(frame), []).append(frame)
    return groups


def form_of(frame: Frame) -> tuple[Hashable, ...]:
    """Return what frames of one volume must share, their direction aside."""
    header = frame.header
    return (
        frame.has_place,
        header.rows,
        header.columns,
        header.is_color,
        header.photometric if not header.is_color else "RGB",
        header.keyword,
        header.modality,
        header.frame_of_reference,
        "LOCALIZER" in header.image_type,
        frame.size.unit,
        float(f"{frame.size.row:.5g}"),
        float(f"{frame.size.column:.5g}"),
        frame.stack,
        frame.header.path if frame.stack == "frames" else "",
    )


def _split_by_form(frames: Sequence[Frame]) -> list[tuple[str, list[Frame]]]:
    groups = list(_grouped(frames, form_of).items())
    if len(groups) == 1:
        return [("", groups[0][1])]
    names = []
    for _, group in groups:
        first = group[0]
        names.append(
            (
                "localizer" if "LOCALIZER" in first.header.image_type else "",
                plane_name(first) if first.has_place else "",
                f"stack {first.stack}" if first.stack not in ("", "frames", "mosaic") else first.stack,
                f"{first.header.columns}×{first.header.rows}",
                first.header.photometric,
                "" if first.has_place else "without position",
                f"{first.size.column:.4g}×{first.size.row:.4g} {first.size.unit}",
            )
        )
    telling = [n for n in range(len(names[0])) if len({name[n] for name in names}) > 1]
    labels = [" ".join(filter(None, (name[n] for n in telling[:2]))) for name in names]
    return [(label, group) for label, (_, group) in zip(labels, groups, strict=True)]


_PLANE_NAMES = ("sagittal", "coronal", "axial")


def plane_name(frame: Frame) -> str:
    """Return the plane that a frame lies in, e.g. "oblique axial"."""
    direction = np.array(frame.orientation)
    normal = np.abs(np.cross(direction[:3], direction[3:]))
    oblique = "oblique " if normal.max() < 0.9 else ""
    return oblique + _PLANE_NAMES[int(normal.argmax())]


def _split_by_orientation(frames: Sequence[Frame]) -> list[tuple[str, list[Frame]]]:
    clusters: list[tuple[NDArray[Any], list[Frame]]] = []
    for frame in frames:
        direction = np.array(frame.orientation)
        for reference, members in clusters:
            if np.abs(direction - reference).max() < SAME_DIRECTION:
                members.append(frame)
                break
        else:
            clusters.append((direction, [frame]))
    if len(clusters) == 1:
        return [("", clusters[0][1])]
    names = [plane_name(members[0]) for _, members in clusters]
    counts = Counter(names)
    seen: Counter[str] = Counter()
    result = []
    for name, (_, members) in zip(names, clusters, strict=True):
        seen[name] += 1
        result.append((f"{name} {seen[name]}" if counts[name] > 1 else name, members))
    return result


def _places(frames: Sequence[Frame]) -> tuple[list[int], int]:
    """Return the place number of each frame, sorted along the normal, and how many there are."""
    axes = np.array(frames[0].orientation)
    normal = np.cross(axes[:3], axes[3:])
    points = np.array([frame.position for frame in frames])
    depth = points @ normal
    order = np.lexsort((points @ axes[3:], points @ axes[:3], np.round(depth / SAME_PLACE)))
    numbers = [0] * len(frames)
    last: NDArray[Any] | None = None
    count = -1
    for n in order:
        if last is None or np.linalg.norm(points[n] - last) >= SAME_PLACE:
            count += 1
            last = points[n]
        numbers[n] = count
    return numbers, count + 1


def _by_position(frames: Sequence[Frame]) -> list[Volume]:
    places, count = _places(frames)
    if count == len(frames):
        return [Volume([_sorted(frames, places)])]
    for kind in KINDS:
        groups = _grouped(frames, lambda frame, kind=kind: frame.keys.get(kind, ""))  # type: ignore[misc]
        if 1 < len(groups) <= len(frames) / 2 or (len(groups) > 1 and count == 1):
            volumes = []
            for value, group in groups.items():
                for volume in _by_position(group):
                    name = f"{kind} {value:g}" if isinstance(value, float) else str(value)
                    volume.label = " ".join(filter(None, (name, volume.label)))
                    volumes.append(volume)
            return volumes
    return _along_an_axis(list(frames), places, count)


def _sorted(frames: Sequence[Frame], places: Sequence[int]) -> list[Frame]:
    return [frame for _, frame in sorted(zip(places, frames, strict=True), key=lambda pair: pair[0])]


def _along_an_axis(frames: list[Frame], places: list[int], count: int) -> list[Volume]:
    values = {name: [frame.keys.get(name) for frame in frames] for name in AXES}
    singles = [(name,) for name in AXES]
    pairs = [("b-value", "gradient direction"), ("b-value", "acquisition number"),
             ("echo", "acquisition number"), ("echo", "temporal position"),
             ("echo time", "temporal position"), ("b-value", "temporal position")]  # fmt: skip
    for names in (*singles, *pairs):
        found = _complete(frames, places, count, _combined(values, names))
        if found is not None:
            return [Volume(found, axis=" and ".join(names))]
    for name in _RANKED:
        found = _ranked(frames, places, count, values[name])
        if found is not None:
            return [Volume(found, axis=name)]
    for names in (*singles[:-1], *pairs):
        separate = _incomplete(frames, places, count, _combined(values, names))
        if separate is not None:
            for volume in separate:
                label = volume.label
                volume.label = f"{names[0]} {label}" if label else ""
                volume.axis = " and ".join(names) if len(volume.rows) > 1 else ""
            return separate
    runs = _truncated_runs(frames, places, count, values["instance number"])
    if runs is not None:
        return runs
    raise _ambiguous(frames, places)


def _combined(values: dict[str, list[Any]], names: tuple[str, ...]) -> list[Any] | None:
    columns = [values[name] for name in names]
    if names == ("b-value", "gradient direction"):
        # b = 0 has no direction
        columns[1] = [value if value is not None else () for value in columns[1]]
    if any(value is None for column in columns for value in column):
        return None
    return list(zip(*columns, strict=True))


def _table(places: Sequence[int], values: Sequence[Any]) -> dict[Any, dict[int, int]] | None:
    """Return value → place → frame number; None when a value repeats at a place."""
    table: dict[Any, dict[int, int]] = {}
    for n, (place, value) in enumerate(zip(places, values, strict=True)):
        row = table.setdefault(value, {})
        if place in row:
            return None
        row[place] = n
    return table


def _order(values: Iterable[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def _complete(
    frames: list[Frame], places: list[int], count: int, values: list[Any] | None
) -> list[list[Frame]] | None:
    table = _table(places, values) if values is not None else None
    if table is None or any(len(row) != count for row in table.values()):
        return None
    return [[frames[table[value][k]] for k in range(count)] for value in _order(table)]


def _ranked(
    frames: list[Frame], places: list[int], count: int, values: list[Any]
) -> list[list[Frame]] | None:
    """Order by a running number or clock: whole volumes after, or places after, one another."""
    if any(value is None for value in values) or len(frames) % count:
        return None
    length = len(frames) // count
    at: list[list[int]] = [[] for _ in range(count)]
    for n in sorted(range(len(frames)), key=lambda n: values[n]):
        at[places[n]].append(n)
    if any(len(row) != length for row in at):
        return None
    if any(values[a] == values[b] for row in at for a, b in pairwise(row)):
        return None
    spans = [[values[row[t]] for row in at] for t in range(length)]
    by_volume = all(max(a) < min(b) for a, b in pairwise(spans))
    ranges = sorted((values[row[0]], values[row[-1]]) for row in at)
    by_place = all(a[1] < b[0] for a, b in pairwise(ranges))
    if not (by_volume or by_place):
        return None
    return [[frames[row[t]] for row in at] for t in range(length)]


def _incomplete(
    frames: list[Frame], places: list[int], count: int, values: list[Any] | None
) -> list[Volume] | None:
    """Split by an attribute that tells frames apart but does not cover every place each time."""
    table = _table(places, values) if values is not None else None
    if table is None or len(frames) < len(table) * max(1, count / 2):
        return None
    full = [value for value in _order(table) if len(table[value]) == count]
    volumes = []
    if full:
        rows = [[frames[table[value][k]] for k in range(count)] for value in full]
        volumes.append(Volume(rows, label=_value_text(full[0]) if len(full) == 1 else ""))
    for value in _order(table):
        if len(table[value]) != count:
            row = [frames[table[value][k]] for k in sorted(table[value])]
            volumes.append(Volume([row], label=_value_text(value)))
    return volumes


def _value_text(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(_value_text(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _truncated_runs(
    frames: list[Frame], places: list[int], count: int, values: list[Any]
) -> list[Volume] | None:
    """Cut a time series into volumes by instance number, the last one being incomplete."""
    if any(value is None for value in values) or len(set(values)) != len(values):
        return None
    runs: list[dict[int, int]] = [{}]
    for n in sorted(range(len(frames)), key=lambda n: values[n]):
        if places[n] in runs[-1]:
            runs.append({})
        runs[-1][places[n]] = n
    if len(runs) < 3 or any(len(run) != count for run in runs[:-1]):
        return None
    rows = [[frames[run[k]] for k in range(count)] for run in runs[:-1]]
    last = [frames[runs[-1][k]] for k in sorted(runs[-1])]
    return [Volume(rows, axis="instance number"), Volume([last], label="incomplete last frame")]


def _ambiguous(frames: Sequence[Frame], places: Sequence[int]) -> GeometryError:
    seen: dict[int, Frame] = {}
    clash: list[str] = []
    for place, frame in zip(places, frames, strict=True):
        if place in seen and len(clash) < 3:
            clash.append(f"{seen[place].where} and {frame.where}")
        seen.setdefault(place, frame)
    return GeometryError(
        f"Different slices lie at one position and nothing tells them apart: {'; '.join(clash)}",
        hint="Remove one of each pair, or read the files one by one.",
    )


_SEPARATE = ("CR", "DX", "MG", "RG", "RF", "XA", "IO", "PX")


# What makes the frames of one nuclear medicine file different pictures.
_APART = ("energy window", "detector")


def _apart(frame: Frame) -> str:
    return " ".join(f"{name} {frame.keys[name]:g}" for name in _APART if name in frame.keys)


def _without_place(frames: Sequence[Frame]) -> list[Volume]:
    """Pictures without a place: views apart, clips and loose slices in their numbered order."""
    ordered = sorted(
        frames,
        key=lambda f: (f.header.instance is None, f.header.instance or 0, f.header.path, f.index),
    )
    if ordered[0].stack == "frames" or len(ordered) == 1:
        parts = _grouped(ordered, lambda f: tuple(f.keys.get(name) for name in _APART))
        return [Volume([part], label=_apart(part[0]) if len(parts) > 1 else "") for part in parts.values()]
    if ordered[0].header.modality in _SEPARATE:
        return [
            Volume([[frame]], label=str(frame.header.instance or n + 1)) for n, frame in enumerate(ordered)
        ]
    volume = Volume([ordered])
    if ordered[0].stack != "mosaic":
        volume.warnings.append(
            f"{len(ordered)} pictures without a position in the patient "
            f"({ordered[0].header.path}, …) are shown one after the other"
        )
    return [volume]
