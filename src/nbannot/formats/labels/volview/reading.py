"""VolView's sessions and annotations in: rulers, rectangles, polygons and segment groups."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from nbannot.errors import EditError, FormatError, NbannotError
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.fitting import Fitting, bounded
from nbannot.formats.labels.placing import place
from nbannot.formats.labels.volview.archive import member, opened, unpack
from nbannot.formats.labels.volview.labelmaps import read_labelmap
from nbannot.formats.places import source_paths
from nbannot.model.annotations import Box
from nbannot.model.image import Image
from nbannot.model.shapes import Shape

Json = dict[str, Any]

MANIFEST = "manifest.json"
NEWEST = (6, 4, 0)
OLDEST = (5, 0, 0)
KINDS = ("rulers", "rectangles", "polygons")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_LARGEST = 256 << 20


def is_volview(path: str, start: bytes) -> bool:
    """Whether a file is a session (archive or sparse manifest) or a file of annotations of VolView."""
    if start.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                return MANIFEST in archive.namelist()
        except (zipfile.BadZipFile, OSError, ValueError):
            return False
    if not path.lower().endswith(".json") or not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    session = {"version", "dataSources"} <= content.keys()
    return bool(session or {"schemaVersion", "space", "tools"} <= content.keys())


def read_volview(path: str, findings: Findings) -> None:
    """Read a session or a file of annotations.

    Raises
    ------
    FormatError
        When it is damaged, of a version before 5.0.0, or its archive leads out of itself.
    """
    with ExitStack() as stack:
        archive = None
        if zipfile.is_zipfile(path):
            archive = stack.enter_context(opened(path))
            info = member(archive, MANIFEST)
            if info.file_size > _LARGEST:
                raise FormatError(f"the manifest of {path} is too large")
            text = archive.read(info).decode("utf-8-sig", "replace")
        else:
            text = Path(path).read_text(encoding="utf-8-sig")
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as cause:
            raise FormatError(f"the manifest of {path} is no JSON") from cause
        try:
            _read(content, path, archive, findings)
        except (AttributeError, KeyError, TypeError, IndexError) as cause:
            raise FormatError(f"{path} is damaged: its members are not those of VolView") from cause


def _read(content: Json, path: str, archive: zipfile.ZipFile | None, findings: Findings) -> None:
    if "schemaVersion" in content:
        _Reader(findings, {}).annotations(content)
    else:
        content = migrated(content, path, findings)
        reader = _Reader(findings, _datasets(content))
        reader.session(content)
        reader.groups(content, archive)


def migrated(content: Json, path: str, findings: Findings) -> Json:
    """Return a manifest of an earlier version (from 5.0.0 on) with the members of 6.4.0.

    Raises
    ------
    FormatError
        When the version is earlier, or none.
    """
    try:
        version = tuple(int(part) for part in str(content.get("version")).split("."))
    except ValueError:
        raise FormatError(f"{path} has the version {content.get('version')!r}, which is none") from None
    if version < OLDEST or "dataSources" not in content:
        raise FormatError(
            f"{path} is a session of version {content.get('version')}, older than VolView itself opens",
            hint="Open and save it with a VolView of its time.",
        )
    if version > NEWEST:
        findings.note(f"the session is of version {content['version']}, newer than the 6.4.0 known here")
    # Up to 6.1 the groups were called labelMaps (6.2.0 renamed them); views, layouts are not read.
    if version < (6, 2, 0) and "labelMaps" in content:
        content = {**content, "segmentGroups": content["labelMaps"]}
    return content


def _datasets(content: Json) -> dict[str, list[str]]:
    """Return the names of the files that each dataset is made of."""
    sources = {one.get("id"): one for one in content.get("dataSources") or [] if isinstance(one, dict)}
    files = content.get("datasetFilePath") or {}

    def names(id: Any, depth: int = 0) -> Iterable[str]:
        one = sources.get(id)
        if one is None or depth > 20:
            return
        if one.get("type") == "collection":
            for part in one.get("sources") or ():
                yield from names(part, depth + 1)
        for key in ("name", "uri", "path"):
            if one.get(key):
                yield str(one[key])
        if "fileId" in one:
            yield str(files.get(str(one["fileId"]), ""))
        if "parent" in one:
            yield from names(one["parent"], depth + 1)

    listed = content.get("datasets")
    if listed is None:
        listed = [
            {"id": str(id), "dataSourceId": id} for id, one in sources.items() if one.get("type") == "uri"
        ]
    return {str(one.get("id")): list(names(one.get("dataSourceId"))) for one in listed}


class _Reader:
    def __init__(self, findings: Findings, datasets: Mapping[str, list[str]]) -> None:
        self.findings, self.datasets = findings, datasets
        self.fitting = Fitting(findings.images)
        self.found: dict[str, Image | None] = {}

    def image(self, dataset: str) -> Image | None:
        """Return the image of a dataset: by its series or file names, or the only one."""
        if dataset not in self.found:
            names = {
                PurePosixPath(name.replace("\\", "/")).name.lower() for name in self.datasets.get(dataset, ())
            }
            self.found[dataset] = None
            for image in self.findings.images:
                own = {Path(path).name.lower() for path in (image.uri, *source_paths(image)) if path}
                series = bool(image.series_uid) and dataset.startswith(str(image.series_uid))
                if series or (own | {image.name.lower()}) & names:
                    self.found[dataset] = image
                    break
            else:
                alone = len(self.findings.images) == 1 and len(self.datasets) <= 1
                if alone and (dataset in self.datasets or not self.datasets):
                    self.found[dataset] = self.findings.images[0]
        return self.found[dataset]

    def session(self, content: Json) -> None:
        """Read the tools of a session."""
        for kind in KINDS:
            held = (content.get("tools") or {}).get(kind) or {}
            styles = held.get("labels") or {}
            for number, tool in enumerate(held.get("tools") or (), start=1):
                style = styles.get(tool.get("label")) or {}
                name = style.get("labelName") or tool.get("labelName") or tool.get("name") or kind[:-1]
                color = str(style.get("color") or tool.get("color") or "")
                image = self.image(str(tool.get("imageID")))
                self._tool(kind, number, tool, image, str(name), color)

    def annotations(self, content: Json) -> None:
        """Read a file of annotations, which is about one image."""
        if content.get("schemaVersion") != 1 or content.get("space") != "LPS":
            raise FormatError("annotations of VolView have schemaVersion 1 and the space LPS")
        for kind in KINDS:
            styles = (content.get("labels") or {}).get(kind) or {}
            for number, tool in enumerate((content.get("tools") or {}).get(kind) or (), start=1):
                name = str(tool.get("labelName") or "")
                if name and name not in styles:
                    raise FormatError(
                        f"{kind} {number} has the label {name!r}, which the file does not declare"
                    )
                color = str((styles.get(name) or {}).get("color") or "")
                shown = name or str(tool.get("name") or kind[:-1])
                self._tool(kind, number, tool, self.findings.images[0], shown, color)

    def _tool(self, kind: str, number: int, tool: Json, image: Image | None, name: str, color: str) -> None:
        what = f"{kind[:-1]} {number}"
        if image is None:
            self.findings.note(f"{what} is not read: its image was not given")
            return
        try:
            label = self.findings.label(name, color=color.lower() if _HEX.fullmatch(color) else "")
            metadata = tool.get("metadata") or {}
            shared: Json = {
                "label": label,
                "attributes": {str(key): str(value) for key, value in metadata.items()},
                "name": str(tool.get("name") or ""),
            }
            item = _item(kind, tool, image, shared)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as cause:
            reason = cause.message if isinstance(cause, NbannotError) else "it is damaged"
            self.findings.note(f"{what} is not read: {reason}")
            return
        refused = self.fitting.take(self.findings, item)
        if refused:
            self.findings.note(f"{what} is not read: {refused}")

    def groups(self, content: Json, archive: zipfile.ZipFile | None) -> None:
        """Read the segment groups, whose labelmaps are in the archive."""
        for number, group in enumerate(content.get("segmentGroups") or (), start=1):
            try:
                metadata = group.get("metadata") or {}
                name = str(metadata.get("name") or f"segment group {number}")
                self._group(group, metadata, name, archive)
            except (NbannotError, KeyError, TypeError, ValueError, AttributeError) as cause:
                reason = cause.message if isinstance(cause, NbannotError) else "it is damaged"
                self.findings.note(f"segment group {number} is not read: {reason}")

    def _group(self, group: Json, metadata: Json, name: str, archive: zipfile.ZipFile | None) -> None:
        image = self.image(str(metadata.get("parentImage", group.get("parent"))))
        if image is None:
            raise FormatError("its image was not given")
        if archive is None or not group.get("path"):
            raise FormatError("its labelmap is not in the file")
        with tempfile.TemporaryDirectory() as folder:
            array, geometry = read_labelmap(unpack(archive, str(group["path"]), Path(folder)))
        if array.min() < 0 or array.max() > 65535:
            raise FormatError("it has values outside 0 to 65535")
        placed = place(array.astype(np.uint16), geometry, self.findings, image)
        described = (metadata.get("segments") or {}).get("byValue") or {}
        segments = {}
        for value in sorted(set(np.unique(placed).tolist()) - {0} | {int(key) for key in described}):
            one = described.get(str(value)) or {}
            parts = one.get("color") or ()
            color = (
                "#" + "".join(f"{min(max(int(part), 0), 255):02x}" for part in parts[:3])
                if len(parts) > 2
                else ""
            )
            segments[value] = self.findings.label(str(one.get("name") or f"{name} {value}"), color=color)
        self.findings.mask(name, image, placed, segments)


def _item(kind: str, tool: Json, image: Image, shared: Json) -> Box | Shape:
    frame = tool.get("frame")
    where: Json = {"image": image.id}
    if kind == "polygons":
        points = np.array(tool["points"], dtype=np.float64).reshape(-1, 3)
    else:
        points = np.array((tool["firstPoint"], tool["secondPoint"]), dtype=np.float64).reshape(2, 3)
    bounded(points)
    geometry = image.geometry
    if geometry.kind == "stack":
        k = (int(tool.get("slice", 0)) if image.shape[0] > 1 else 0) if frame is None else int(frame)
        where["slice"] = min(max(k, 0), image.shape[0] - 1)
    elif frame is not None and image.frames > 1:
        where["frame"] = int(frame)
    if kind == "rectangles":
        return _rectangle(points, tool, image, where, shared)
    return Shape(
        "ruler" if kind == "rulers" else "polygon",
        points=tuple((x, y, z) for x, y, z in points.tolist()),
        **where,
        **shared,
    )


def _rectangle(points: Any, tool: Json, image: Image, where: Json, shared: Json) -> Box:
    """Return the box on a slice whose opposite corners are given."""
    if image.geometry.kind == "stack":
        k = where.pop("slice")
        plane = image.geometry.planes[k]
        basis = np.stack((plane.row_step, plane.column_step), axis=1)
        flat = np.linalg.lstsq(basis, (points - plane.origin).T, rcond=None)[0].T
        index = np.column_stack((np.full(2, float(k)), flat))
    else:
        index = image.geometry.to_index(points)
        normal = np.array(tool["frameOfReference"]["planeNormal"], dtype=np.float64)
        steps = image.geometry.affine[:3, :3]
        sizes = np.abs(normal @ (steps / np.linalg.norm(steps, axis=0)))
        axis = int(np.argmax(sizes))
        if sizes[axis] < 0.999 * np.linalg.norm(normal):
            raise EditError("it lies in a plane that is turned against the image")
        # What lies on a slice to within a thousandth of a voxel lies on it.
        value = index[:, axis].mean()
        index[:, axis] = np.round(value) if abs(value - np.round(value)) < 1e-3 else value
    low, high = index
    return Box(index=(tuple(low.tolist()), tuple(high.tolist())), **where, **shared)
