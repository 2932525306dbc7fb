"""All endpoints of the REST part."""

from __future__ import annotations

from nbannot.hub import routes_jobs, routes_people, routes_sessions
from nbannot.hub.api import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *routes_people.ENDPOINTS,
    *routes_sessions.ENDPOINTS,
    *routes_jobs.ENDPOINTS,
)
