"""GET of slices that a kernel has published (see `nbannot.host.spool`)."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import struct
import time
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from nbannot.host.spool import TOKEN, URL, pointer_path, slice_path

_MAX_SLICES = 64
_CHUNK = 2**20
_PATIENCE_S = 0.3
_POLL_S = 0.02


def load(app: Any) -> None:
    """Add the handlers to a running server."""
    base = url_path_join(app.web_app.settings["base_url"], URL)
    token = rf"(?P<token>{TOKEN.pattern})"
    image = r"(?P<image>[^/]+)/(?P<frame>\d{1,9})/(?P<first>\d{1,9})-(?P<last>\d{1,9})"
    handlers = [
        (rf"{base}/{token}/probe", ProbeHandler),
        (rf"{base}/{token}/{image}", SlicesHandler),
    ]
    app.web_app.add_handlers(".*$", handlers)
    # The page's configuration says that we are here, so that nobody knocks in vain.
    app.web_app.settings.setdefault("page_config_data", {})["nbannotHttp"] = URL


def find_spool(token: str) -> tuple[Path, str]:
    """Return the folder and the nonce behind a token.

    Raises
    ------
    tornado.web.HTTPError
        404 unless a kernel of this user published it.
    """
    pointer = pointer_path(token)
    try:
        entry = json.loads(pointer.read_text(encoding="utf-8"))
        folder, nonce = Path(entry["folder"]), str(entry["nonce"])
        ours = _is_ours(pointer.lstat()) and _is_ours(folder.lstat(), folder=True)
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise web.HTTPError(404)
    return folder, nonce


def _is_ours(status: os.stat_result, *, folder: bool = False) -> bool:
    """Whether a file or folder (no link) belongs to the server's user and nobody else may write it."""
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(status.st_mode):
        return False
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


class _Handler(JupyterHandler):
    SUPPORTED_METHODS = ("GET",)

    def set_default_headers(self) -> None:
        """Keep voxels out of shared caches and from being taken for a page."""
        super().set_default_headers()
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "private, no-store")


class ProbeHandler(_Handler):
    """Tells the nonce, by which the browser knows that kernel and server share their files."""

    @web.authenticated
    async def get(self, token: str) -> None:
        """Answer {"nonce": …}."""
        _, nonce = find_spool(token)
        self.finish({"nonce": nonce})


class SlicesHandler(_Handler):
    """Serves the slices of a range that are published; the others are left out."""

    @web.authenticated
    async def get(self, token: str, image: str, frame: str, first: str, last: str) -> None:
        """Answer [u32 k][u32 codec][u32 length][bytes] for each slice, little endian.

        With ``?wait`` slices that are not published yet are waited for a moment.
        """
        try:
            folder, _ = find_spool(token)
        except web.HTTPError:
            # Asked for while its viewer was being closed: nothing is wrong, and the console should not say so.
            self.set_status(204)
            return
        ks = range(int(first), int(last) + 1)
        if not 0 < len(ks) <= _MAX_SLICES:
            raise web.HTTPError(404)
        self.set_header("Content-Type", "application/octet-stream")
        paths = [slice_path(folder, image, int(frame), k) for k in ks]
        end = time.monotonic() + (_PATIENCE_S if self.get_query_argument("wait", None) is not None else 0)
        ready = {path: data for path in paths if (data := _read(path)) is not None}
        if len(ready) == len(paths):
            # The token is new with each viewer, so what lies behind this address never changes.
            self.set_header("Cache-Control", "private, max-age=86400, immutable")
        for k, path in zip(ks, paths, strict=True):
            data = ready.pop(path, None)
            while data is None and (data := _read(path)) is None and time.monotonic() < end:
                await asyncio.sleep(_POLL_S)
            if data is None:
                continue
            self.write(struct.pack("<I", k) + data[:4] + struct.pack("<I", len(data) - 4))
            for start in range(4, len(data), _CHUNK):
                self.write(data[start : start + _CHUNK])
                await self.flush()
