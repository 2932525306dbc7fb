"""A service whose store never answers, in a process of its own: `python stuck_service.py PORT`."""

from __future__ import annotations

import sys
from threading import Event
from typing import Any

import uvicorn

from hub_serving import LIMITS, PREFIX, FixedLogin
from nbannot.hub import make_app
from nbannot.hub.origin import Place
from nbannot.hub.serve import SHUTDOWN_S


class Stuck:
    """A project whose database does not answer."""

    @property
    def people(self) -> Any:
        Event().wait()
        return None


if __name__ == "__main__":
    app = make_app({"study": Stuck()}, login=FixedLogin(), place=Place(PREFIX), limits=LIMITS)
    port, most = int(sys.argv[1]), min(1, SHUTDOWN_S)
    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=most)
