"""Archives that speak DICOMweb (PS3.18): what is in them, and files out of them and into them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import urlsplit

from nbannot.errors import FormatError, GoneError, NbannotError, RemoteError, need
from nbannot.formats.quiet import quiet
from nbannot.formats.remote.multipart import parts
from nbannot.formats.remote.urls import Entry, Options, checked_url

SCHEMES = ("dicomweb+http", "dicomweb+https")
PAGE = 200
_BLOCK = 1 << 20
_SPOOL = 16 << 20
_TIMEOUT = (5.0, 60.0)
_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_UID = re.compile(r"[0-9.]{1,64}")
_LEVELS = ("studies", "series", "instances")
# Retrieve URLs and availability, which may change while the files do not.
_PLACES = ("00081190", "00080054", "00080056", "BulkDataURI")
DAY_MARK = "@"
"""Between the fingerprint of a series and the day, in the stamps of its files."""
_OPTIONS = ("username", "password", "token", "headers", "verify", "cert", "timeout")

Attributes = Mapping[str, Any]
"""One match of a search: DICOM JSON by tag."""


class Server:
    """One archive.

    Parameters
    ----------
    url
        ``dicomweb+https://host/root``; what follows ``/studies`` is left out.
    options
        ``username`` and ``password``, or ``token`` (sent as Bearer), or ``headers``; ``verify`` and
        ``cert`` as in requests; ``timeout`` in s. Without them ``~/.netrc`` counts.

    Raises
    ------
    FormatError
        When the URL is of another kind or holds a password, or an option is unknown.
    """

    def __init__(self, url: str, options: Options) -> None:
        scheme = checked_url(url).split("://", 1)[0].lower()
        if scheme not in SCHEMES:
            raise FormatError(f"{url} is no URL of an archive", hint="Write dicomweb+https://host/dicom-web.")
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            raise FormatError(
                f"Unknown option {unknown[0]!r} of an archive", hint=f"Known: {', '.join(_OPTIONS)}."
            )
        self.root = url.split("/studies/", 1)[0].removesuffix("/studies").rstrip("/")
        self.base = self.root.removeprefix("dicomweb+")
        web = need("dicomweb_client", extra="dicomweb")
        requests = need("requests", extra="dicomweb")
        self._errors = requests.exceptions
        self.session = requests.Session()
        if options.get("username"):
            self.session.auth = (options["username"], options.get("password", ""))
        if options.get("token"):
            self.session.headers["Authorization"] = f"Bearer {options['token']}"
        self.session.headers.update(options.get("headers", {}))
        self.session.verify = options.get("verify", True)
        self.session.cert = options.get("cert")
        self.timeout = options.get("timeout", _TIMEOUT)
        self.client = web.api.DICOMwebClient(self.base, session=self.session, timeout=self.timeout)
        self.client.set_http_retry_params(retry=False)

    def studies(self, **filters: Any) -> Iterator[Attributes]:
        """Yield the studies that match, page by page."""
        yield from self._paged("search_for_studies", 0x0020000D, filters)

    def series(self, study: str | None = None, **filters: Any) -> Iterator[Attributes]:
        """Yield the series of a study, or all that match."""
        fields = ["NumberOfSeriesRelatedInstances", "SeriesDescription", "PatientID", "StudyDate"]
        yield from self._paged("search_for_series", 0x0020000E, filters, fields, study_instance_uid=study)

    def instances(self, study: str, series: str) -> Iterator[Attributes]:
        """Yield the instances of a series."""
        yield from self._paged(
            "search_for_instances", 0x00080018, {}, study_instance_uid=study, series_instance_uid=series
        )

    def header(self, study: str, series: str, instance: str) -> Any:
        """Return the header of an instance, without its pixels, as a pydicom dataset."""
        import pydicom

        with self.failing(f"{self.root}/studies/{study}"), quiet():
            found = self.client.retrieve_instance_metadata(study, series, instance)
            return pydicom.Dataset.from_json(found)

    def fingerprint(self, study: str, series: str) -> tuple[str, list[str]]:
        """Return what changes when a series does, and the UIDs of its instances.

        An archive tells neither sizes nor stamps of files. What it lists of the instances counts, and the
        headers of the first and the last, with the etags that some archives send.
        """
        found = {value(one, 0x00080018): one for one in self.instances(study, series)}
        uids = sorted(uid for uid in found if _UID.fullmatch(uid))
        digest = sha256()
        for uid in uids:
            digest.update(_plain(found[uid]))
        for uid in {uids[0]: None, uids[-1]: None} if uids else ():
            path = f"studies/{study}/series/{series}/instances/{uid}/metadata"
            with self.failing(f"{self.root}/{path}"):
                answer = self.session.get(
                    f"{self.base}/{path}", headers={"Accept": "application/dicom+json"}, timeout=self.timeout
                )
                answer.raise_for_status()
                digest.update(_plain(answer.json()))
                digest.update(answer.headers.get("ETag", "").encode())
        return digest.hexdigest()[:24], uids

    def files(self, path: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield (SOP Instance UID, blocks) of each file below a path, stored syntax, as they come."""
        url = f"{self.base}/{path}"
        with self.failing(f"{self.root}/{path}"):
            answer = self.session.get(url, headers={"Accept": _ACCEPT}, stream=True, timeout=self.timeout)
            with answer:
                answer.raise_for_status()
                kind = answer.headers.get("Content-Type", "")
                blocks = answer.iter_content(_BLOCK)
                for part in parts(kind, blocks, f"{self.root}/{path}"):
                    with SpooledTemporaryFile(_SPOOL) as file:
                        for block in part:
                            file.write(block)
                        file.seek(0)
                        uid = _instance_of(file, f"{self.root}/{path}")
                        file.seek(0)
                        yield uid, iter(lambda file=file: file.read(_BLOCK), b"")  # type: ignore[misc]

    def store(self, dataset: Any) -> None:
        """Send one instance.

        Raises
        ------
        RemoteError
            When the archive does not keep it; says why, with the archive's code.
        """
        with self.failing(self.root), quiet():
            answer = self.client.store_instances([dataset])
        failed = getattr(answer, "FailedSOPSequence", None) or []
        if failed:
            code = int(getattr(failed[0], "FailureReason", 0))
            raise RemoteError(
                f"{self.root} did not keep {dataset.SOPInstanceUID} (code {code:#06x})",
                hint="PS3.18 I.2.2 lists the codes; is the file complete?",
            )

    def _paged(
        self, name: str, tag: int, filters: Mapping[str, Any], fields: Sequence[str] = (), **where: Any
    ) -> Iterator[Attributes]:
        seen: set[str] = set()
        offset = 0
        while True:
            with self.failing(self.root):
                found = getattr(self.client, name)(
                    **where,
                    limit=PAGE,
                    offset=offset,
                    search_filters=dict(filters),
                    fields=list(fields) or None,
                )
            new = [one for one in found if value(one, tag) and value(one, tag) not in seen]
            seen.update(value(one, tag) for one in new)
            yield from new
            # Some archives give less than was asked for, or know no offset.
            if not new or len(found) < PAGE // 2:
                return
            offset += len(found)

    @contextmanager
    def failing(self, what: str) -> Iterator[None]:
        """Turn what requests raises into errors that name the archive and the way out, and no secret."""
        try:
            yield
        except (NbannotError, GeneratorExit):
            raise
        except self._errors.HTTPError as cause:
            raise _refused(what, getattr(cause.response, "status_code", 0)) from cause
        except (self._errors.RequestException, OSError) as cause:
            raise RemoteError(
                f"{what} cannot be reached ({type(cause).__name__})", hint="Try again later; check the URL."
            ) from cause
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            raise RemoteError(f"{what} does not answer as DICOMweb does", hint="Check the URL.") from cause


class Series:
    """The files of a study, series or instance of an archive."""

    def __init__(self, url: str, options: Options) -> None:
        self.url = url.rstrip("/")
        self.server = Server(url, options)
        path = self.url.removeprefix(self.server.root).strip("/")
        parts = path.split("/")
        self.uids = parts[1::2]
        known = parts[0::2] == list(_LEVELS[: len(self.uids)])
        if not (self.uids and known and all(map(_UID.fullmatch, self.uids))):
            raise FormatError(
                f"{url} names no study or series", hint="Write …/studies/UID or …/studies/UID/series/UID."
            )
        self._path = path
        # The same for as long as files are fetched, also over midnight.
        self._day = time.strftime("%Y%m%d", time.gmtime())

    def entries(self) -> Iterator[Entry]:
        """List the instances.

        Their stamp is the fingerprint of the series and the day (UTC): what no header tells is noticed when
        the files are fetched again, once a day.
        """
        study, series, instance = (*self.uids, "", "")[:3]
        which = [series] if series else [value(one, 0x0020000E) for one in self.server.series(study)]
        found = False
        for uid in which:
            mark, sops = self.server.fingerprint(study, uid)
            for sop in sops:
                if instance in ("", sop):
                    found = True
                    uri = f"{self.server.root}/studies/{study}/series/{uid}/instances/{sop}"
                    name = f"{sop}.dcm" if series else f"{uid}/{sop}.dcm"
                    yield Entry(uri, name, -1, f"{mark}{DAY_MARK}{self._day}")
        if not found:
            raise GoneError(
                f"There is nothing at {self.url}", hint="Was it deleted? nb.Archive(url).search() lists."
            )

    def contents(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Retrieve a series at once, or single instances where few are missing."""
        wanted = {entry.uri.rsplit("/", 1)[-1]: entry for entry in entries}
        by_series: dict[str, list[str]] = {}
        for sop, entry in wanted.items():
            by_series.setdefault(
                entry.uri.removeprefix(self.server.root).strip("/").rsplit("/", 2)[0], []
            ).append(sop)
        for path, sops in by_series.items():
            one = len(sops) == 1
            for sop, blocks in self.server.files(f"{path}/instances/{sops[0]}" if one else path):
                if sop in wanted:
                    yield wanted.pop(sop), blocks


def _plain(found: Any) -> bytes:
    """Return JSON of an archive in one form, without the addresses in it."""
    return json.dumps(_kept(found), sort_keys=True).encode()


def _kept(found: Any) -> Any:
    if isinstance(found, Mapping):
        return {key: _kept(one) for key, one in found.items() if key not in _PLACES}
    return [_kept(one) for one in found] if isinstance(found, list) else found


def value(found: Attributes, tag: int) -> str:
    """Return an attribute of a match as text, "" when it is absent; names in their alphabetic form."""
    values = found.get(f"{tag:08X}", {}).get("Value") or [""]
    first = values[0]
    if isinstance(first, Mapping):
        first = first.get("Alphabetic", "")
    return "" if first is None else str(first)


def host(url: str) -> str:
    """Return the host of an archive, for texts."""
    return urlsplit(url.removeprefix("dicomweb+")).netloc


def _refused(what: str, status: int) -> RemoteError:
    if status in (401, 403):
        return RemoteError(
            f"{what} is refused with these credentials ({status})",
            hint='Give storage_options={"username": …, "password": …} or {"token": …}, or use ~/.netrc.',
        )
    if status == 404:
        return GoneError(f"There is nothing at {what}", hint="Check the URL; was it deleted?")
    return RemoteError(
        f"{what} answered with {status}", hint="Try again later, or look at the archive's log."
    )


def _instance_of(file: Any, what: str) -> str:
    import pydicom

    try:
        with quiet():
            found = pydicom.dcmread(file, specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
        return str(found.SOPInstanceUID)
    except Exception as cause:
        raise RemoteError(f"{what} sent a file that is damaged", hint="Try again.") from cause
