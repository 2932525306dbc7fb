"""A 3-D pane in a plain page, fed with the previews that the kernel would make."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page

from nbannot.host.messages import image_json
from nbannot.host.pixels import decode
from nbannot.host.preview import Previews
from nbannot.model.document import Document
from nbannot.model.image import Image

JS = Path(__file__).resolve().parents[2] / "js"
CSS = JS.parent / "src/nbannot/viewer/static/viewer.css"
Array = npt.NDArray[Any]


def volume_bundle() -> str:
    """Return the 3-D view as one script with the global `nb`."""
    folders = [str(folder / "node_modules" / ".bin") for folder in (JS, *JS.parents)]
    esbuild = shutil.which("esbuild", path=os.pathsep.join(folders))
    assert esbuild, "No esbuild: run npm ci in js/."
    names = ("model/geometry", "ui/volumepane", "ui/volume/body", "volume3d/camera")
    done = subprocess.run(
        [esbuild, "--bundle", "--format=iife", "--global-name=nb", "--log-level=error"],
        input="".join(f'export * from "./src/{name}";' for name in names),
        cwd=JS, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def prepare(page: Page, bundle: str) -> None:
    """Load the 3-D view into an empty page."""
    page.add_script_tag(content=bundle)
    page.add_script_tag(path=Path(__file__).with_name("volume_page.js"))
    page.add_style_tag(path=CSS)


class Pane:
    """One 3-D pane of a document."""

    def __init__(self, page: Page, document: Document) -> None:
        self.page = page
        self.document = document
        self._previews = Previews(document)

    def put(self, key: str) -> dict[str, Any]:
        """Make a preview and hand it to the page."""
        made = None
        while made is None:
            made = self._previews.work(key, 1.0)
        head, data = made
        k, j, i = head["shape"]
        values = decode(head["codec"], data, head["dtype"], (k * j, i))
        self.page.evaluate("([key, head, data]) => put(key, head, data)", [key, head, _text(values)])
        return head

    def mount(self, image: Image, *, size: tuple[int, int] = (400, 400), **spec: Any) -> None:
        """Show an image and wait for the sharp picture.

        `spec` may hold settings, window, segments and layers as the host's.
        """
        for edge in (64, 256):
            self.put(f"p/{image.id}/0/{edge}")
        for one in spec.get("segments", ()):
            self.put(f"q/{one['mask']}/256")
        for one in spec.get("layers", ()):
            self.put(f"p/{one['image']}/0/256")
        self.page.evaluate(
            "spec => mount(spec)",
            {"image": image_json(image, []), "width": size[0], "height": size[1], **spec},
        )
        self.wait()

    def set(self, **settings: Any) -> None:
        """Change the settings and wait for the sharp picture."""
        self.page.evaluate("patch => host.set(patch)", settings)
        self.wait()

    def wait(self) -> None:
        """Wait for the sharp picture."""
        # A change is noticed in the next animation frame.
        self.page.evaluate("() => new Promise(go => requestAnimationFrame(() => requestAnimationFrame(go)))")
        self.page.wait_for_function("complete()", timeout=120_000)

    def picture(self) -> Array:
        """Return the pixels (row, column, rgb)."""
        found = self.page.evaluate("pixels()")
        flat = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
        return flat.reshape(found["height"], found["width"], 4)[..., :3].astype(int)


def _text(values: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
