"""Who gets which case: a plan, made before anything is written."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nbannot.errors import StoreError

Order = Literal["given", "seeded"]


@dataclass(frozen=True, slots=True)
class Wish:
    """How cases are to be given to people.

    Parameters
    ----------
    people
        Who may get them.
    overlap
        How many of them each case shall have; None: all.
    order
        "given": as the cases come; "seeded": shuffled, for each person in another way.
    seed
        Of the shuffling and of who comes first.
    """

    people: tuple[str, ...]
    overlap: int | None = None
    order: Order = "given"
    seed: int = 0

    def check(self) -> None:
        """Refuse what cannot be planned.

        Raises
        ------
        StoreError
            When nobody is named, somebody twice, or an overlap is not to be had.
        """
        if not self.people:
            raise StoreError("Cases are assigned to at least one person")
        if len(set(self.people)) < len(self.people):
            raise StoreError("Somebody is named twice", hint="Name each person once.")
        if self.order not in ("given", "seeded"):
            raise StoreError(f"There is no order {self.order!r}", hint='Choose "given" or "seeded".')
        if self.overlap is not None and not 1 <= self.overlap <= len(self.people):
            raise StoreError(
                f"{self.overlap} readers for each case cannot be had of {len(self.people)}",
                hint="Name more people, or ask for a smaller overlap.",
            )


def plan(
    cases: Sequence[int],
    wish: Wish,
    *,
    having: Mapping[int, Iterable[str]],
    load: Mapping[str, int],
    barred: Mapping[int, str] | None = None,
) -> dict[str, list[int]]:
    """Return the cases of each person, in the order in which the person is to read them.

    Parameters
    ----------
    cases
        Ids, in the order given; or places in a list of whatever is given out.
    wish
        How.
    having
        Who has a case already; they count for the overlap and get it no second time.
    load
        How many cases each person has already; who has the fewest is next.
    barred
        Who may not get a case, such as the reader of what is to be reviewed.
    """
    rng = random.Random(f"{wish.seed}")
    ranks = {person: n for n, person in enumerate(rng.sample(wish.people, len(wish.people)))}
    counts = {person: load.get(person, 0) for person in wish.people}
    given: dict[str, list[int]] = {person: [] for person in wish.people}
    for case in cases:
        has = set(having.get(case, ()))
        shut = {*has, (barred or {}).get(case, "")}
        free = [person for person in wish.people if person not in shut]
        if wish.overlap is not None:
            free.sort(key=lambda person: (counts[person], ranks[person]))
            free = free[: max(0, wish.overlap - len(has))]
        for person in free:
            given[person].append(case)
            counts[person] += 1
    if wish.order == "seeded":
        for person, theirs in given.items():
            random.Random(f"{wish.seed}/{person}").shuffle(theirs)
    return given
