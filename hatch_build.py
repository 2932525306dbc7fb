from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RequireBrowserModule(BuildHookInterface):
    """A wheel without its browser module would install and then show nothing: refuse to build it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # a development install builds the module afterwards
        static = Path(self.root, "src", "nbannot", "viewer", "static")
        missing = [
            name
            for name in (
                "loader.js",
                "viewer.js",
                "viewer.css",
                "volume3d.js",
                "forms.js",
                "live.js",
                "board.js",
                "board.css",
                "page.js",
                "page.css",
                "decode.js",
            )
            if not (static / name).is_file()
        ]
        if missing:
            raise RuntimeError(
                f"{' and '.join(missing)} not found in {static}: the browser module is not built. "
                "Run `make js` first (node 20 or newer)."
            )
