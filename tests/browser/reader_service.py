"""The service for the reader's page in a process of its own: `python reader_service.py FOLDER PORT [DELAY_S]`."""

from __future__ import annotations

import sys

import uvicorn

import nbannot as nb
from hub_serving import LIMITS, PREFIX, FixedLogin
from nbannot.hub import make_app
from nbannot.hub.origin import Place
from nbannot.hub.page import page_routes
from nbannot.hub.rooms import Rooms


def main(folder: str, port: int) -> None:
    projects = {"study": nb.open_project(folder, author="boss")}
    app = make_app(
        projects,
        login=FixedLogin(),
        rooms=Rooms(projects),
        pages=page_routes(),
        place=Place(PREFIX),
        limits=LIMITS,
    )
    uvicorn.run(
        app, host="127.0.0.1", port=port, ws="websockets-sansio", ws_max_size=LIMITS.edit_bytes,
        ws_per_message_deflate=False, log_level="warning", timeout_graceful_shutdown=2,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
