"""Endpoints of cases, their images and sessions."""

from __future__ import annotations

from nbannot.hub.api import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = ()
