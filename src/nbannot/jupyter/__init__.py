"""The Jupyter server extension: slices over HTTP, alive while the kernel is busy."""

from typing import Any

from nbannot.jupyter.extension import load

__all__: list[str] = []


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "nbannot.jupyter"}]


def _load_jupyter_server_extension(app: Any) -> None:
    load(app)
