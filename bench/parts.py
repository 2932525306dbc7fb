"""A file of results in parts: each can be measured again alone, and replaces its section in the file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import Row, kept_sections, machine, markdown


@dataclass(frozen=True)
class Suite:
    """Parts whose tables stand in one file.

    Parameters
    ----------
    parts
        What measures each part, by its name; called with `quick` and `gpu`.
    target
        The file of results.
    intro
        Its head.
    """

    parts: Mapping[str, Callable[..., list[Row]]]
    target: Path
    intro: str

    def run(
        self, only: Sequence[str] = (), *, quick: bool = False, gpu: bool = False, keep: bool | None = None
    ) -> str:
        """Measure the parts and return their tables; those that are kept replace their sections in the file."""
        found: dict[str, str] = {}
        for name in only or self.parts:
            begun = time.monotonic()
            when = time.strftime("%Y-%m-%d %H:%M")
            rows = markdown(self.parts[name](quick=quick, gpu=gpu))
            found[name] = (
                f"{when}, load {os.getloadavg()[0]:.1f}{', one quick run' if quick else ''}\n\n{rows}"
            )
            print(f"\n## {name} ({time.monotonic() - begun:.0f} s)\n\n{found[name]}", flush=True)
            if not quick if keep is None else keep:
                self.write({name: found[name]})
        return "\n\n".join(found.values())

    def write(self, sections: Mapping[str, str]) -> None:
        """Write sections in their place; the parts that are not given stay as the file has them."""
        known = {**kept_sections(self.target), **{name.capitalize(): text for name, text in sections.items()}}
        shown = [name.capitalize() for name in self.parts if name.capitalize() in known]
        bodies = "\n\n".join(f"## {name}\n\n{known[name]}" for name in shown)
        self.target.write_text(f"{self.intro}\n\n{machine()}\n\n{bodies}\n", encoding="utf-8")
