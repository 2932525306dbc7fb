"""Images that the service has open: read once for many requests for slices."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import Any

from nbannot.model.image import Image

MOST = 16
LIFE_S = 600.0


class Pictures:
    """The images of the cases that were asked for last.

    What is kept is the same for everybody; whether somebody may see it is asked before.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[float, tuple[Image, ...]]] = OrderedDict()
        self._lock = Lock()

    def open(self, name: str, project: Any, case: str) -> tuple[Image, ...]:
        """Return the images of a case, looked at anew: the audit log says who did."""
        images: tuple[Image, ...] = project.images(case)
        with self._lock:
            known = self._kept.get((name, case))
            if known is not None and [image.id for image in known[1]] == [image.id for image in images]:
                images = known[1]
            self._keep((name, case), images)
        return images

    def get(self, name: str, project: Any, case: str) -> tuple[Image, ...]:
        """Return the images of a case, as they were opened a short while ago or now."""
        with self._lock:
            known = self._kept.get((name, case))
            if known is not None and time.monotonic() - known[0] < LIFE_S:
                self._kept.move_to_end((name, case))
                return known[1]
        return self.open(name, project, case)

    def _keep(self, key: tuple[str, str], images: tuple[Image, ...]) -> None:
        self._kept[key] = (time.monotonic(), images)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
