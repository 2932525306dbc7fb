"""Pictures of both renderers in Chromium, and what they should be by scipy.

Tolerance: one grey level of 255 for every pixel that is compared. Left out are pixels within TIE voxels of
the edge of the volume or (nearest neighbour, masks) of the border between two voxels, where rounding decides.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, Page
from scipy.ndimage import map_coordinates

JS = Path(__file__).resolve().parents[2] / "js"
TIE = 3e-3
GREY = 24
SHAPE = (9, 23, 31)
VIEWS = ("axial", "coronal", "sagittal")
KINDS = ("cpu", "webgl2")
Array = npt.NDArray[Any]


@pytest.fixture(scope="module")
def bundle() -> str:
    """The renderer as one script with the global `nb`."""
    folders = [str(folder / "node_modules" / ".bin") for folder in (JS, *JS.parents)]
    esbuild = shutil.which("esbuild", path=os.pathsep.join(folders))
    assert esbuild, "No esbuild: run npm ci in js/."
    entry = "".join(
        f'export * from "./src/{name}";'
        for name in ("model/geometry", "render/plane", "render/renderer", "render/colormaps")
    )
    done = subprocess.run(
        [esbuild, "--bundle", "--format=iife", "--global-name=nb", "--log-level=error"],
        input=entry, cwd=JS, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def page(browser: Browser, bundle: str) -> Iterator[Page]:
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console", lambda m: problems.append(m.text) if "INVALID" in m.text or "GL ERROR" in m.text else None
    )
    page.add_script_tag(content=bundle)
    page.add_script_tag(path=Path(__file__).with_name("render_page.js"))
    yield page
    page.close()
    assert not problems


def rotation(x: float, y: float, z: float) -> Array:
    cx, sx, cy, sy, cz, sz = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(rz @ ry @ rx)


def affine(columns: Array, origin: tuple[float, float, float] = (-11.3, 7.1, 40.2)) -> Array:
    made = np.eye(4)
    made[:3, :3] = columns
    made[:3, 3] = origin
    return made


# Columns: world steps of k, j, i.
PLAIN = np.array([[0, 0, 0.61], [0, 0.73, 0], [2.5, 0, 0]])
AFFINES = {
    "anisotropic": affine(PLAIN),
    "flipped": affine(PLAIN @ np.diag([-1.0, -1.0, -1.0])),
    "sagittal": affine(np.array([[2.5, 0, 0], [0, 0, 0.61], [0, -0.73, 0]])),
    "coronal": affine(np.array([[0, 0, -0.61], [-2.5, 0, 0], [0, -0.73, 0]])),
    "turned in plane": affine(np.array([[0, 0.73, 0], [0, 0, 0.61], [2.5, 0, 0]])),
    "oblique": affine(rotation(0.31, -0.22, 0.4) @ PLAIN),
    "gantry tilt": affine(PLAIN + np.array([[0, 0, 0], [-0.9, 0, 0], [0, 0, 0]])),
    "sheared": affine(
        rotation(0.1, 0.2, -0.3) @ (PLAIN + np.array([[0.3, 0.11, 0], [0.4, 0, 0.2], [0, 0, 0]]))
    ),
}


def volume(dtype: str = "int16", shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Array:
    random = np.random.default_rng(seed)
    if dtype == "float32":
        return random.normal(2.0, 3.0, shape).astype(dtype)
    info = np.iinfo(dtype)
    low, high = max(info.min, -1000), min(info.max, 3000)
    return random.integers(low, high, shape, endpoint=True).astype(dtype)


def put(page: Page, name: str, array: Array, *, missing: tuple[int, ...] = (), mask: bool = False) -> None:
    spec = {
        "shape": array.shape[:3],
        "dtype": str(array.dtype),
        "color": array.ndim == 4,
        "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
        "missing": missing,
        "emptyIsZero": mask,
    }
    page.evaluate("([name, spec]) => put(name, spec)", [name, spec])


@dataclass
class Request:
    """A plane as the page gets it."""

    origin: Array
    du: Array
    dv: Array
    width: int = 67
    height: int = 53

    def json(self) -> dict[str, Any]:
        steps = {name: [float(x) for x in getattr(self, name)] for name in ("origin", "du", "dv")}
        return {"width": self.width, "height": self.height, **steps}

    def index(self, border: int = 0) -> Array:
        x, y = np.meshgrid(np.arange(-border, self.width + border), np.arange(-border, self.height + border))
        return np.stack([self.origin[n] + x * self.du[n] + y * self.dv[n] for n in range(3)])


@dataclass
class Look:
    """An image layer as the page gets it, with masks."""

    lower: float = -700.0
    upper: float = 2500.0
    invert: bool = False
    interpolate: bool = True
    masks: list[tuple[str, dict[int, tuple[int, int, int]], float, float]] = field(default_factory=list)


def image_layer(request: Request, look: Look, store: str = "image") -> dict[str, Any]:
    return {
        "kind": "image",
        "store": store,
        "plane": request.json(),
        "window": {"lower": look.lower, "upper": look.upper},
        "table": "inverted" if look.invert else "grey",
        "interpolate": look.interpolate,
        "opacity": 1.0,
        "lower": None,
        "clip": None,
    }


def mask_layer(
    request: Request,
    store: str,
    colors: dict[int, tuple[int, int, int]],
    fill: float,
    outline: float,
    width: float = 1,
) -> dict[str, Any]:
    style = {"fill": fill, "outline": outline, "width": width}
    segments = [[value, {"color": color, **style}] for value, color in colors.items()]
    return {"kind": "mask", "store": store, "plane": request.json(), "segments": segments}


def draw(page: Page, kind: str, request: Request, layers: list[dict[str, Any]]) -> tuple[Array, bool]:
    given = json.dumps([kind, request.width, request.height, layers])
    answer = page.evaluate("(given) => picture(...JSON.parse(given))", given)
    pixels = np.frombuffer(base64.b64decode(answer["bytes"]), np.uint8)
    return pixels.reshape(request.height, request.width, 4).astype(int), answer["missing"]


def picture(page: Page, kind: str, request: Request, look: Look, store: str = "image") -> tuple[Array, bool]:
    masks = [mask_layer(request, *mask) for mask in look.masks]
    return draw(page, kind, request, [image_layer(request, look, store), *masks])


def inside(index: Array, shape: tuple[int, ...], margin: float = 0.0) -> Array:
    return np.logical_and.reduce(
        [(index[n] >= -0.5 - margin) & (index[n] <= shape[n] - 0.5 + margin) for n in range(3)]
    )


def sure(index: Array, shape: tuple[int, ...], look: Look, missing: tuple[int, ...] = ()) -> Array:
    """Pixels where no rounding decides what is shown."""
    good = inside(index, shape, TIE) == inside(index, shape, -TIE)
    between = np.abs(index - np.floor(index) - 0.5) > TIE
    if not look.interpolate:
        good &= between.all(axis=0)
    if missing:
        good &= between[0]
    return np.asarray(good)


def reference(array: Array, index: Array, look: Look, missing: tuple[int, ...] = ()) -> Array:
    """RGBA by scipy."""
    shape = array.shape[:3]
    order = 1 if look.interpolate else 0
    at = index.copy()
    near = np.clip(np.floor(at[0] + 0.5), 0, shape[0] - 1)
    low = np.clip(np.floor(at[0]), 0, shape[0] - 1)
    high = np.clip(np.ceil(at[0]), 0, shape[0] - 1)
    at[0] = np.where(np.isin(low, missing) | np.isin(high, missing), near, at[0])
    channels = array[..., None] if array.ndim == 3 else array
    values = np.stack(
        [
            map_coordinates(channels[..., c].astype(float), at, order=order, mode="nearest")
            for c in range(channels.shape[-1])
        ],
        axis=-1,
    )
    if array.ndim == 3:
        values = (values - look.lower) / (look.upper - look.lower) * 255
    grey = np.clip(np.floor(values + 0.5), 0, 255)
    if look.invert:
        grey = 255 - grey
    out = np.empty((*index.shape[1:], 4), int)
    out[..., :3] = grey
    out[..., 3] = 255
    out[np.isin(near, missing)] = (GREY, GREY, GREY, 255)
    out[~inside(index, shape)] = 0
    return out


def check(
    page: Page,
    array: Array,
    request: Request,
    look: Look,
    *,
    missing: tuple[int, ...] = (),
    store: str = "image",
) -> None:
    """Compare both renderers with scipy and with each other."""
    index = request.index()
    good = sure(index, array.shape[:3], look, missing)
    assert good.mean() > 0.9
    expected = reference(array, index, look, missing)
    shown = {kind: picture(page, kind, request, look, store)[0] for kind in KINDS}
    for kind in KINDS:
        worst = np.abs(shown[kind] - expected).max(axis=-1)
        assert worst[good].max(initial=0) <= 1, (kind, np.argwhere(good & (worst > 1))[:5])
        assert set(np.unique(shown[kind][..., 3])) <= {0, 255}
    assert np.abs(shown["cpu"] - shown["webgl2"]).max() <= 1


def labels_of(mask: Array, request: Request) -> tuple[Array, Array]:
    """Labels of the picture with a border of one pixel, and where they are sure."""
    index = request.index(border=1)
    found = map_coordinates(mask, index, order=0, mode="nearest")
    found[~inside(index, mask.shape)] = 0
    good = sure(index, mask.shape, Look(interpolate=False))
    return found, good


def composite(
    under: Array, labels: Array, colors: dict[int, tuple[int, int, int]], fill: float, outline: bool
) -> Array:
    middle = labels[1:-1, 1:-1]
    around = (labels[:-2, 1:-1], labels[2:, 1:-1], labels[1:-1, :-2], labels[1:-1, 2:])
    edge = np.logical_or.reduce([side != middle for side in around]) & outline
    out = under.copy()
    for value, color in colors.items():
        for part, where in ((1.0, (middle == value) & edge), (fill, (middle == value) & ~edge)):
            mixed = under[..., :3] + (np.array(color) - under[..., :3]) * part
            out[where, :3] = np.floor(mixed + 0.5)[where]
    return out


OBLIQUE = Request(np.array([-1.2, 3.3, 5.1]), np.array([0.11, 0.21, 0.23]), np.array([0.05, 0.3, -0.12]))
AXIAL = Request(np.array([4.0, -2.13, -3.27]), np.array([0, 0, 0.53]), np.array([0, 0.47, 0]))
CORONAL = Request(np.array([-1.07, 9.0, -1.9]), np.array([0, 0, 0.53]), np.array([0.207, 0, 0]))
SAGITTAL = Request(np.array([9.3, -1.07, 17.0]), np.array([0, 0.41, 0]), np.array([-0.207, 0, 0]))
TURNED = Request(np.array([9.3, 12.0, -1.31]), np.array([-0.163, 0, 0]), np.array([0, 0, 0.631]))
SLANTED = Request(np.array([-1.0713, -2.1137, 17.0]), np.array([0, 0.4119, 0]), np.array([0.2071, 0.1123, 0]))
TURNED_SLANTED = Request(np.array([9.3, 12.0, -1.31]), np.array([-0.163, 0, 0]), np.array([0.04, 0, 0.631]))
CROOKED = Request(
    np.array([4.0, -2.1137, -3.2171]), np.array([0, 0.1013, 0.5037]), np.array([0, 0.4519, -0.0717])
)
SMALL = Request(np.array([4.0, -2.13, -30.2]), np.array([0, 0, 2.33]), np.array([0, 1.17, 0]))
PLANES = {
    "oblique": OBLIQUE,
    "axial": AXIAL,
    "coronal": CORONAL,
    "sagittal": SAGITTAL,
    "turned": TURNED,
    "small": SMALL,
    "slanted": SLANTED,
    "turned and slanted": TURNED_SLANTED,
    "crooked": CROOKED,
}
