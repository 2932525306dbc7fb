"""An archive that speaks DICOMweb: search it, read from it, send annotations to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nbannot.errors import FormatError
from nbannot.formats.quiet import quiet
from nbannot.formats.reading import read
from nbannot.formats.remote import Options
from nbannot.formats.remote.web import Server, value
from nbannot.formats.sources import PathLike, walk
from nbannot.model.document import Document
from nbannot.model.image import Image, Images

if TYPE_CHECKING:
    import pandas as pd

_FILTERS = {
    "patient": "PatientID", "study": "StudyInstanceUID", "series": "SeriesInstanceUID", "date": "StudyDate",
    "modality": "Modality", "accession": "AccessionNumber", "description": "SeriesDescription",
    "study_description": "StudyDescription",
}  # fmt: skip
_OF_SERIES = ("series", "modality", "description")
_STUDY = (
    ("patient", 0x00100020), ("study", 0x0020000D), ("date", 0x00080020), ("modalities", 0x00080061),
    ("description", 0x00081030), ("accession", 0x00080050),
)  # fmt: skip
_SERIES = (
    ("patient", 0x00100020), ("study", 0x0020000D), ("date", 0x00080020), ("series", 0x0020000E),
    ("number", 0x00200011), ("modality", 0x00080060), ("description", 0x0008103E), ("files", 0x00201209),
)  # fmt: skip


class Archive:
    """An archive that speaks DICOMweb.

    Parameters
    ----------
    url
        ``https://host/dicom-web``, with or without ``dicomweb+`` before it.
    storage_options
        ``username`` and ``password``, or ``token``, or ``headers``; ``verify`` and ``cert`` as in requests.
        Without them ``~/.netrc`` counts. Never kept.

    Raises
    ------
    FormatError
        When the URL is of another kind or holds a password.
    """

    def __init__(self, url: str, *, storage_options: Options | None = None) -> None:
        whole = url if url.startswith("dicomweb+") else f"dicomweb+{url}"
        self._options = dict(storage_options or {})
        self._server = Server(whole, self._options)
        self.url = self._server.root

    def __repr__(self) -> str:
        return f"Archive({self.url!r})"

    def search(
        self, level: Literal["series", "studies"] = "series", *, limit: int = 1000, **filters: Any
    ) -> pd.DataFrame:
        """Return what matches, one row for each series or study; the table is yours and goes nowhere.

        Parameters
        ----------
        level
            "series" or "studies".
        limit
            Rows at most.
        filters
            patient, study, series, date ("20240131", or "20240101-20241231"), modality, accession,
            description, study_description; ``*`` and ``?`` stand for any letters. Other attributes by
            their DICOM keyword.

        Returns
        -------
        pandas.DataFrame
            Columns: patient, study, date, series, number, modality, description, files, url; for studies
            modalities and accession instead of those of series. ``url`` is what `read` takes.

        Raises
        ------
        FormatError
            When there is no such level or filter.
        RemoteError
            When the archive is away or refuses.
        """
        import pandas as pd

        if level not in ("series", "studies"):
            raise FormatError(f"Unknown level {level!r}", hint='Choose "series" or "studies".')
        terms = {_keyword(name): str(one) for name, one in filters.items() if one is not None}
        columns = _SERIES if level == "series" else _STUDY
        rows = []
        for found in islice(self._found(level, terms), limit):
            row: dict[str, Any] = {name: _text(found, tag) for name, tag in columns}
            row["url"] = f"{self.url}/studies/{row['study']}"
            if level == "series":
                row["url"] += f"/series/{row['series']}"
            rows.append(row)
        table = pd.DataFrame(rows, columns=[*(name for name, _ in columns), "url"])
        for name in {"number", "files"} & set(table.columns):
            table[name] = pd.to_numeric(table[name], errors="coerce").astype("Int64")
        return table

    def read(
        self, what: Any, *, image: Image | Images | None = None, **options: Any
    ) -> Image | Images | Document:
        """Return the image, or with ``image`` the annotations, of a row of `search` or of its ``url``.

        Parameters
        ----------
        what
            A row, or a URL of this archive.
        image, options
            As in `read`.

        Raises
        ------
        FormatError, RemoteError
            As `read`.
        """
        url = what if isinstance(what, str) else str(what["url"])
        if not url.startswith(f"{self.url}/"):
            raise FormatError(
                f"{url} is not of this archive", hint=f"Its URLs begin with {self.url}/studies/."
            )
        found: Image | Images | Document
        if image is None:
            found = read(url, storage_options=self._options, **options)
        else:
            found = read(url, image=image, storage_options=self._options, **options)
        return found

    def store(self, path: PathLike | Iterable[PathLike]) -> list[str]:
        """Send DICOM files, e.g. segmentations and reports written by `write`, and return their URLs.

        Each file is sent by itself; what the archive does not keep stops the rest.

        Parameters
        ----------
        path
            A file, a folder, or several of them.

        Raises
        ------
        FormatError
            When a file is no DICOM; nothing is sent then.
        RemoteError
            When the archive does not keep one; the message names it.
        """
        files = list(_files(path))
        for file in files:
            _dataset(file, header=True)
        urls = []
        for file in files:
            data = _dataset(file)
            self._server.store(data)
            place = f"studies/{data.StudyInstanceUID}/series/{data.SeriesInstanceUID}"
            urls.append(f"{self.url}/{place}/instances/{data.SOPInstanceUID}")
        return urls

    def _found(self, level: str, terms: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        if level == "studies":
            yield from self._server.studies(**terms)
            return
        of_series = {key: one for key, one in terms.items() if key in {_FILTERS[name] for name in _OF_SERIES}}
        of_study = {key: one for key, one in terms.items() if key not in of_series}
        # Not every archive looks at a study's attributes when it is asked for series.
        for study in self._server.studies(**of_study):
            shared = {f"{tag:08X}": study[f"{tag:08X}"] for _, tag in _STUDY[:3] if f"{tag:08X}" in study}
            for series in self._server.series(value(study, 0x0020000D), **of_series):
                yield {**shared, **series}


def _keyword(name: str) -> str:
    from pydicom.datadict import tag_for_keyword

    keyword = _FILTERS.get(name, name)
    if tag_for_keyword(keyword) is None:
        raise FormatError(
            f"Unknown filter {name!r}", hint=f"Known: {', '.join(_FILTERS)}, and DICOM keywords."
        )
    return keyword


def _text(found: Mapping[str, Any], tag: int) -> str:
    values = found.get(f"{tag:08X}", {}).get("Value") or []
    return ", ".join(str(one) for one in values) if len(values) > 1 else value(found, tag)


def _files(path: PathLike | Iterable[PathLike]) -> Iterator[str]:
    for one in [path] if isinstance(path, (str, os.PathLike)) else path:
        name = os.fspath(one)
        if Path(name).is_dir():
            yield from walk(name, [])
        else:
            yield name


def _dataset(path: str, *, header: bool = False) -> Any:
    import pydicom

    try:
        with quiet():
            data = pydicom.dcmread(path, stop_before_pixels=header)
        found = data.StudyInstanceUID and data.SeriesInstanceUID and data.SOPInstanceUID
    except Exception as cause:
        raise FormatError(
            f"{path} is no DICOM file that an archive takes", hint="Write it with .dcm."
        ) from cause
    if not found:
        raise FormatError(f"{path} names no study, series or instance", hint="An archive cannot file it.")
    return data
