"""What a tab has sent of its numbered edits, and which failures put an edit off instead of refusing it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from nbannot.errors import AccessError, ConflictError, NbannotError, ReadOnlyError, StoreError
from nbannot.host.messages import Json

_MAX_REFUSALS = 256

# After a failure that will pass, what comes behind that edit is not asked for again so soon.
_PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class Lane:
    """The edits of one tab.

    Attributes
    ----------
    next
        The number expected.
    refused
        Why edits were refused, by number.
    """

    next: int
    refused: dict[int, Json] = field(default_factory=dict)
    _put_off: float | None = None

    def decide(self, seq: int, error: Json | None) -> None:
        """Note that an edit was done, or refused with an error."""
        self.next, self._put_off = seq + 1, None
        if error is not None:
            self.refused[seq] = error
            while len(self.refused) > _MAX_REFUSALS:
                del self.refused[min(self.refused)]

    def put_off(self) -> None:
        """Note that the edit expected could not be decided now."""
        self._put_off = time.monotonic()

    @property
    def just_failed(self) -> bool:
        """Whether the edit expected was put off a moment ago."""
        return self._put_off is not None and time.monotonic() - self._put_off < _PAUSE_SECONDS


def will_pass(error: Exception) -> bool:
    """Whether an edit failed for a reason that has nothing to do with it, such as a database that is away."""
    if isinstance(error, NbannotError):
        return isinstance(error, StoreError) and not isinstance(
            error, AccessError | ConflictError | ReadOnlyError
        )
    # An import fails where another thread is in the middle of the same one.
    return isinstance(error, OSError | MemoryError | ImportError)
