"""An S3 server of made-up DICOM slices: nothing is kept, each object is made when it is asked for.

``python bucket.py PORT OBJECTS``. It answers what reading needs: HEAD, GET by range, and lists of 1,000 keys.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import numpy as np

NAME, PREFIX = "images", "data/"
SLICES, SERIES = 50, 2


class Slices:
    """Slices of 16 × 16 pixels with real headers: one is written by pydicom, in the others numbers of the same length stand."""

    def __init__(self) -> None:
        sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
        from formats_making import write_slice

        with tempfile.TemporaryDirectory() as folder:
            first = write_slice(
                Path(folder) / "first.dcm", np.zeros((16, 16), np.int16), StudyInstanceUID="1.2.3.10000001",
                SeriesInstanceUID="1.2.4.10000001", SOPInstanceUID="1.2.5.10000001", PatientID="ID10000001",
                ImagePositionPatient=["0", "0", "10000001"],
            )  # fmt: skip
            self._first = first.read_bytes()
        self.size = len(self[0])

    def __getitem__(self, n: int) -> bytes:
        series, k = divmod(n, SLICES)
        study = series // SERIES
        one = self._first.replace(b"1.2.3.10000001", b"1.2.3.%08d" % (20000000 + study))
        one = one.replace(b"1.2.4.10000001", b"1.2.4.%08d" % (20000000 + series))
        one = one.replace(b"1.2.5.10000001", b"1.2.5.%08d" % (20000000 + n))
        return one.replace(b"ID10000001", b"ID%08d" % (20000000 + study)).replace(
            b"\\10000001", b"\\%08d" % k
        )


def path_of(n: int) -> str:
    """Return where a slice lies; paths sort as their numbers do."""
    series, k = divmod(n, SLICES)
    return f"study{series // SERIES:05d}/s{series % SERIES}/{k:03d}.dcm"


def number_of(path: str) -> int | None:
    """Return the number of the slice at a path; None for none."""
    found = re.fullmatch(r"study(\d{5})/s([01])/(\d{3})\.dcm", path)
    if found is None:
        return None
    study, series, k = map(int, found.groups())
    return (study * SERIES + series) * SLICES + k


def serve(port: int, objects: int) -> None:
    """Serve until the process is ended."""
    from aiohttp import web

    slices = Slices()

    async def answer(request: web.Request) -> web.Response:
        n = number_of(request.match_info["key"].removeprefix(PREFIX))
        if n is None or n >= objects:
            return web.Response(status=404, body=_error("NoSuchKey"), content_type="application/xml")
        headers = {
            "ETag": f'"{n:032x}"',
            "Last-Modified": "Sat, 01 Nov 2025 10:00:00 GMT",
            "Accept-Ranges": "bytes",
        }
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(slices.size)})
        data = slices[n]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if asked is None:
            return web.Response(body=data, headers=headers, content_type="binary/octet-stream")
        start, end = int(asked[1]), min(int(asked[2] or slices.size) + 1, slices.size)
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{slices.size}"
        return web.Response(
            status=206, body=data[start:end], headers=headers, content_type="binary/octet-stream"
        )

    def listing(request: web.Request) -> web.Response:
        asked = request.query
        prefix, most = asked.get("prefix", ""), min(int(asked.get("max-keys", 1000)), 1000)
        if prefix != PREFIX or asked.get("delimiter"):
            inside = f"<CommonPrefixes><Prefix>{PREFIX}study00000/</Prefix></CommonPrefixes>"
            return _list(inside if prefix in ("", PREFIX) else "", 1, None)
        first = int(asked.get("continuation-token", 0))
        last = min(first + most, objects)
        entries = "".join(
            f"<Contents><Key>{PREFIX}{path_of(n)}</Key><LastModified>2025-11-01T10:00:00.000Z</LastModified>"
            f"<ETag>&quot;{n:032x}&quot;</ETag><Size>{slices.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for n in range(first, last)
        )
        return _list(entries, last - first, last if last < objects else None)

    async def root(request: web.Request) -> web.Response:
        return listing(request)

    app = web.Application()
    app.router.add_get(f"/{NAME}", root)
    app.router.add_get(f"/{NAME}/", root)
    app.router.add_get(f"/{NAME}/{{key:.+}}", answer)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


def _list(entries: str, count: int, token: int | None) -> object:
    from aiohttp import web

    more = "<IsTruncated>false</IsTruncated>"
    if token is not None:
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{NAME}</Name><Prefix>{PREFIX}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys>{more}{entries}"
        "</ListBucketResult>"
    )
    return web.Response(body=body.encode(), content_type="application/xml")


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
