"""The images of a case as the one who acts may see them, shared by all who look at them in this process."""

from __future__ import annotations

from collections.abc import Sequence

from nbannot.deid import Policy, seen_by_reader
from nbannot.errors import DeidentificationError
from nbannot.model.image import Image
from nbannot.session import Session
from nbannot.session.config import Config
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
        policy = self._policy(case)
        return tuple(image for _, image in found) if policy is None else self._after(policy, found)

    def are_those_of(self, session: Session, config: Config | None = None) -> bool:
        """Whether a session of a case shows the very images that it would be opened with now.

        Not so after a change of the policy, of the role of the one who acts, or of what the case is made of.

        Parameters
        ----------
        session
            Of this project.
        config
            What the configuration says to readers, where that is known already.

        Raises
        ------
        AccessError, DeidentificationError
            As `images`.
        """
        case = session.case or ""
        same = len(self._cases.references(case)) == len(session.references)
        return same and self.are_seen(case, session.document.images, config)

    def are_seen(self, case: str, images: Sequence[Image], config: Config | None = None) -> bool:
        """Whether images begin with the very ones that a case would be opened with now.

        Raises
        ------
        AccessError, DeidentificationError
            As `images`.
        """
        references, policy = self._cases.references(case), self._policy(case, config)
        places = {one.id: one.uri for one in references}
        # Behind those of the case there may be guests.
        own = images[: len(references)]
        with self._core.lock:
            return all(
                self._core.images.get(_key(image, places.get(image.id, ""), policy, n)) is image
                for n, image in enumerate(own, 1)
            )

    def _policy(self, case: str, config: Config | None = None) -> Policy | None:
        """Return what is hidden from the one who acts; None for whoever may read headers."""
        if self._actor.may("case.headers", case):
            return None
        policy = (config or self._configs.of(case, role="reader").config).reader.policy
        if policy is None:
            raise DeidentificationError(
                "The configuration does not say in a way that is understood what readers may see",
                hint="Put its part reader: right; project.configs.of(case, role='reader').config.problems says why.",
            )
        return policy

    def _shared(self, case: str) -> tuple[Opened, ...]:
        images = self._cases.images(case)
        # By place, too: an image that was opened before its files moved would look for them where they were.
        places = {one.id: one.uri for one in self._cases.references(case)}
        return tuple(self._share(_key(image, places.get(image.id, ""), None, 0), image) for image in images)

    def _after(self, policy: Policy, images: Sequence[Opened]) -> tuple[Image, ...]:
        made = []
        for n, (place, image) in enumerate(images, 1):
            key = _key(image, place, policy, n)
            with self._core.lock:
                known = self._core.images.get(key)
            seen = known if known is not None else seen_by_reader(image, policy, name=key[-1])
            made.append(self._share(key, seen)[1])
        return tuple(made)

    def _share(self, key: Key, image: Image) -> Opened:
        with self._core.lock:
            return key[1], self._core.images.setdefault(key, image)


def _key(image: Image, place: str, policy: Policy | None, n: int) -> Key:
    """Return what an image is shared by: readers see the nth of a case after a policy, others as it is."""
    return image.id, place, policy, "" if policy is None else f"Image {n}"
