"""The images of a case as the one who acts may see them, shared by all who look at them in this process."""

from __future__ import annotations

from collections.abc import Sequence

from nbannot.deid import Policy, seen_by_reader
from nbannot.errors import DeidentificationError
from nbannot.model.image import Image
from nbannot.store.actor import Actor
from nbannot.store.cases import Cases
from nbannot.store.configs import Configs
from nbannot.store.core import Core


class Seen:
    """The images of cases, for one actor.

    Whoever may not read headers gets them after the policy of the case's configuration (``reader:``), whatever
    way they come: a page, a kernel elsewhere, a program.
    """

    def __init__(self, core: Core, actor: Actor, cases: Cases) -> None:
        self._core = core
        self._actor = actor
        self._cases = cases
        self._configs = Configs(actor, cases)

    def images(self, case: str) -> tuple[Image, ...]:
        """Open the images of a case, after a look whether they are the same.

        Raises
        ------
        DeidentificationError
            When the policy keeps one of them from the one who acts, or is not understood.
        """
        found = self._shared(self._cases.images(case))
        if self._actor.may("case.headers", case):
            return found
        policy = self._configs.of(case, role="reader").config.reader.policy
        if policy is None:
            raise DeidentificationError(
                "The configuration does not say in a way that is understood what readers may see",
                hint="Put its part reader: right; project.configs.of(case, role='reader').config.problems says why.",
            )
        return self._after(policy, found)

    def _shared(self, images: Sequence[Image]) -> tuple[Image, ...]:
        with self._core.lock:
            return tuple(self._core.images.setdefault((image.id, None, ""), image) for image in images)

    def _after(self, policy: Policy, images: Sequence[Image]) -> tuple[Image, ...]:
        made = []
        for n, image in enumerate(images, 1):
            name = f"Image {n}"
            with self._core.lock:
                known = self._core.images.get((image.id, policy, name))
            seen = known if known is not None else seen_by_reader(image, policy, name=name)
            with self._core.lock:
                made.append(self._core.images.setdefault((image.id, policy, name), seen))
        return tuple(made)
