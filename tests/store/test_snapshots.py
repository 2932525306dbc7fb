from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from nbannot.errors import StoreError
from nbannot.session.state import State
from nbannot.store import snapshots
from nbannot.store.snapshots import Snapshots

STATE = State({}, {})


class Flaky:
    """A journal whose bucket is away until it is back."""

    def __init__(self, session: str, back: Event) -> None:
        self.session, self.back = session, back
        self.kept: list[int] = []
        self.tried = Event()

    def snapshot(self, state: State, seq: int) -> None:
        self.tried.set()
        if not self.back.is_set():
            raise StoreError("The files cannot be reached")
        self.kept.append(seq)


def test_snapshots_wait_for_the_bucket_and_only_the_newest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "FIRST_S", 0.01)
    back, shots = Event(), Snapshots(aside=True)
    one: Any = Flaky("one", back)
    two: Any = Flaky("two", back)
    for seq in (1, 2):
        shots.keep(one, STATE, seq)
    shots.keep(two, STATE, 7)
    assert one.tried.wait(30)
    assert shots.waiting == 2
    back.set()
    assert shots.settle(30)
    assert (one.kept[-1], two.kept, shots.problem) == (2, [7], "")
    shots.close()
    shots.keep(one, STATE, 3)
    assert shots.settle(30) and one.kept[-1] == 3


def test_closing_waits_for_no_bucket_that_is_away() -> None:
    shots = Snapshots(aside=True)
    one: Any = Flaky("one", Event())
    shots.keep(one, STATE, 1)
    assert one.tried.wait(30)
    shots.close(0.01)
    assert (shots.waiting, one.kept) == (0, [])


def test_on_a_disk_they_are_kept_at_once() -> None:
    back, shots = Event(), Snapshots(aside=False)
    one: Any = Flaky("one", back)
    with pytest.raises(StoreError):
        shots.keep(one, STATE, 1)
    back.set()
    shots.keep(one, STATE, 1)
    assert one.kept == [1]
