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

Key = tuple[str, str, Policy | None, str]
Opened = tuple[str, Image]
"""The place of an image, and the image."""


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
        found = self._shared(case)
        if self._actor.may("case.headers", case):
            return tuple(image for _, image in found)
        policy = self._configs.of(case, role="reader").config.reader.policy
        if policy is None:
            raise DeidentificationError(
                "The configuration does not say in a way that is understood what readers may see",
                hint="Put its part reader: right; project.configs.of(case, role='reader').config.problems says why.",
            )
        return self._after(policy, found)

    def _shared(self, case: str) -> tuple[Opened, ...]:
        images = self._cases.images(case)
        # By place, too: an image that was opened before its files moved would look for them where they were.
        places = {one.id: one.uri for one in self._cases.references(case)}
        return tuple(self._share((image.id, places.get(image.id, ""), None, ""), image) for image in images)

    def _after(self, policy: Policy, images: Sequence[Opened]) -> tuple[Image, ...]:
        made = []
        for n, (place, image) in enumerate(images, 1):
            key = (image.id, place, policy, f"Image {n}")
            with self._core.lock:
                known = self._core.images.get(key)
            seen = known if known is not None else seen_by_reader(image, policy, name=key[-1])
            made.append(self._share(key, seen)[1])
        return tuple(made)

    def _share(self, key: Key, image: Image) -> Opened:
        with self._core.lock:
            return key[1], self._core.images.setdefault(key, image)
