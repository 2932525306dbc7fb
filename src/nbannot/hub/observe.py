"""What the service tells its keepers: figures for Prometheus and a log in JSON, without patient data."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

log = logging.getLogger("nbannot.hub")
# Only these are written of a record: a message made elsewhere could name a file or a case.
FIELDS = (
    "event", "request", "method", "route", "status", "ms", "person", "project", "kind", "reason", "where",
)  # fmt: skip


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level and the fields that are known to name no patient."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {"time": f"{stamp}.{int(record.msecs):03d}Z", "level": record.levelname}
        known = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if not known:
            # Words of libraries are left out: where they come from is enough to look further.
            known = {"event": "library", "where": f"{record.name}:{record.module}:{record.lineno}"}
        if record.exc_info and record.exc_info[0] is not None:
            known |= {"kind": record.exc_info[0].__name__, "where": _where(record.exc_info[2])}
        return json.dumps(line | known, ensure_ascii=True)


def _where(trace: Any) -> str:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"


def start_logging(level: str = "INFO") -> None:
    """Send every log of the process to standard error, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Their words may be of a header, or of what somebody wrote.
    logging.captureWarnings(True)
    threading.excepthook = lambda thrown: tell(
        "thread", level=logging.ERROR, kind=thrown.exc_type.__name__, where=_where(thrown.exc_traceback)
    )
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "nbannot"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # Every request has a line of the service's own, without its path and query.
    logging.getLogger("uvicorn.access").disabled = True
    for name in ("httpx", "httpcore", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)


def tell(event: str, *, level: int = logging.INFO, exc_info: bool = False, **fields: Any) -> None:
    """Write one line; the fields are those of `FIELDS`."""
    log.log(level, event, extra={"event": event, **fields}, exc_info=exc_info)


class Metrics:
    """The figures of one process, or of all workers where PROMETHEUS_MULTIPROC_DIR is set."""

    def __init__(self) -> None:
        import prometheus_client as prometheus

        self.registry = prometheus.CollectorRegistry()
        self.requests = prometheus.Counter(
            "nbannot_requests_total", "Requests", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = prometheus.Histogram(
            "nbannot_request_seconds", "Time to answer", ["route"], registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )  # fmt: skip
        self.refused = prometheus.Counter(
            "nbannot_refused_total", "Refusals by reason", ["reason"], registry=self.registry
        )
        self.sockets = prometheus.Gauge(
            "nbannot_sockets", "Open sockets", registry=self.registry, multiprocess_mode="livesum"
        )
        self.snapshots = prometheus.Gauge(
            "nbannot_snapshots_waiting", "Sessions whose snapshot could not be written yet",
            registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.edits = prometheus.Counter("nbannot_edits_total", "Edits kept", registry=self.registry)

    def text(self) -> bytes:
        """Return the figures in Prometheus' text form."""
        from prometheus_client import generate_latest

        return generate_latest(_all_workers() or self.registry)


def _all_workers() -> CollectorRegistry | None:
    import os

    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return None
    from prometheus_client import CollectorRegistry, multiprocess

    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
