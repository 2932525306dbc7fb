"""The viewer as a widget."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import uuid
import warnings
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any, Literal, get_args

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from nbannot.errors import EditError, GeometryError, GeometryWarning, ViewerError
from nbannot.formats.convert import way_in
from nbannot.host.ahead import first_keys
from nbannot.host.channel import Channel
from nbannot.host.operating import Operating
from nbannot.host.spool import Spool
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Images, Window
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.model.sliced import Sliceable, SlicedPixels
from nbannot.session import Session
from nbannot.session.arrange import (
    Configured,
    Layout,
    Rules,
    begin,
    configure,
    resolve,
    resumed,
    shown_before,
)
from nbannot.session.config import Config
from nbannot.viewer.beside import find_beside
from nbannot.viewer.comparing import Comparing
from nbannot.viewer.hook import watch
from nbannot.viewer.living import Living
from nbannot.viewer.showing import windowed

Backend = Literal["auto", "cpu", "webgl2"]
Tool = Literal[
    "crosshair", "window", "pan", "zoom", "magnifier", "brush", "eraser", "scissors", "fill", "box", "select",
    "keypoint", "landmarks", "ruler", "bidirectional", "angle", "cobb", "rectangle", "ellipse", "circle", "polygon",
    "freehand", "closed-spline", "livewire", "curve", "open-freehand", "spline", "arrow", "text", "probe",
]  # fmt: skip
Shown = Image | Images | Sequence[Image] | Document | Session | NDArray[Any] | Sliceable
World = tuple[float, float, float]

STATIC = Path(__file__).parent / "static"
"""Where `make js` puts the browser module."""
_PARTS = ("volume3d", "forms", "live")


class Viewer(Comparing, Living, anywidget.AnyWidget):
    """Shows images in a notebook cell and edits their annotations, live-bound to Python.

    Parameters
    ----------
    shown
        An `Image`, several of them, a `Document`, a `Session` (shown as it was left), or an array
        (k, j, i), also one that is only sliced like an array (zarr, h5py, dask) and larger than
        memory; an array has no place in the world, so its unit is px.
    labels
        Labels, or their names, of a new document; each gets a mask.
    masks
        Masks of a new document; None makes one empty mask per label.
    layout
        "auto" (a session's own; what the configuration and the hanging rules say; else three planes for
        volumes, one view for pictures), a preset such as "mpr", "four-up" or "compare-1x2", the name of a
        layout of the configuration, rows of planes (``[["axial", ("coronal", image)]]``), or a tree.
    window
        `Window`, (centre, width) or the name of one of the image's windows.
    backend
        "auto", "cpu" or "webgl2".
    height
        Height in CSS px; None for the default.
    headers
        Whether the header browser may be used: headers name the patient. Readers get False. The
        configuration may forbid it too (``headers: false``).
    config
        None takes ``.nbannot.yaml`` or ``.volview_config.yaml`` beside the images; False takes none;
        else a file, a folder, a dict or a `Config`. What is wrong in it is told by a warning.
    hanging
        Hanging rules (`Rule`s, dicts, or a YAML file); None takes the configuration's, then the
        built-in ones; False takes none. A session is shown as it was left, but for
        what is asked for here by ``layout``, ``window``, ``backend`` and ``height``.

    Raises
    ------
    ViewerError
        When the browser module is not built, or an option is unknown (`LayoutError` for a layout).
    ConfigError
        When the configuration or a rule cannot be used at all.
    GeometryError
        When an array cannot be shown.
    """

    uid = traitlets.Unicode().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        shown: Shown,
        *,
        labels: Iterable[Label | str] | None = None,
        masks: Iterable[Mask] | None = None,
        layout: Layout = "auto",
        window: Window | tuple[float, float] | str | None = None,
        backend: Backend = "auto",
        height: int | None = None,
        headers: bool = True,
        config: Configured = None,
        hanging: Rules = None,
    ) -> None:
        bundle("viewer.js")
        bundle("loader.js")
        self._session = shown if isinstance(shown, Session) else None
        images = _images(shown)
        self._config = configure(config, images)
        fresh = not isinstance(shown, Document | Session) and labels is None and masks is None
        beside = find_beside(images, self._config.io if fresh else {})
        images += beside.new(images)
        self._document = _document(
            shown if isinstance(shown, Document | Session) else images,
            self._config.labels or None if fresh else labels,
            masks,
        )
        beside.add_to(self._document)
        self._sending = RLock()
        self._closed = False
        self._channel: Channel | None = None
        self._spool: Spool | None = None
        kept = {} if self._session is None else self._session.view
        view = begin(images, self._config, layout=layout, hanging=False if shown_before(kept) else hanging)
        view["backend"] = _option("backend", backend, Backend)
        view = resumed(view, kept, layout=layout)
        if height is not None:
            view["height"] = int(height)
        super().__init__(uid=uuid.uuid4().hex, view=view)
        beside.draw(self.overlay)
        if window is not None:
            self.window = window
        self._spool = Spool(self._document.images)
        # Neither of these must keep the viewer alive.
        self._operating = Operating(self._document, _View(self))
        self._channel = Channel(
            self._document,
            _Sender(self),
            spool=self._spool,
            headers=headers and self._config.headers,
            config=self._config.to_json(),
            operating=self._operating,
            first=_First(self),
        )
        self.on_msg(self._receive)
        watch(self)

    @traitlets.observe("view")
    def _remember_view(self, change: Any) -> None:
        if self._session is not None:
            self._session.view = dict(change["new"])
        if isinstance(change["old"], Mapping):
            self._tell_selection(change["old"], change["new"])

    @property
    def _esm(self) -> str:
        return bundle("loader.js")

    @property
    def _css(self) -> str:
        return bundle("viewer.css")

    def __repr__(self) -> str:
        count = len(self._document.images)
        images = "1 image" if count == 1 else f"{count} images"
        return f"Viewer({images}, revision {self._document.revision})"

    @property
    def document(self) -> Document:
        """The annotations shown."""
        return self._document

    @property
    def image(self) -> Image:
        """The image shown; assign one of the document's images to show another."""
        id = self.view.get("image") or ""
        found = (image for image in self._document.images if image.id == id)
        return next(found, self._document.images[0])

    @image.setter
    def image(self, image: Image | str) -> None:
        id = image if isinstance(image, str) else image.id
        self._set(image=self._document.image(id).id)

    def session(self) -> Session:
        """Return the session shown: the document, where its images are, and how they are shown.

        A viewer opened from a project gives the project's own session.
        """
        if self._session is None:
            self._session = Session.of(self._document, view=self.view)
        return self._session

    def goto(self, *, world: Sequence[float] | None = None, index: Sequence[float] | None = None) -> None:
        """Move the crosshair, and with it all planes.

        Parameters
        ----------
        world
            (x, y, z) in LPS mm.
        index
            (k, j, i) in voxels of the image shown, voxel centres at integers.

        Raises
        ------
        ViewerError
            Unless exactly one of both is given as three finite numbers.
        """
        given = [point for point in (world, index) if point is not None]
        point = np.asarray(given[0] if len(given) == 1 else (), dtype=float)
        if point.shape != (3,) or not np.isfinite(point).all():
            raise ViewerError(
                "goto needs one place of three finite numbers",
                hint="Write goto(world=(x, y, z)) or goto(index=(k, j, i)).",
            )
        geometry = self.image.geometry
        if index is not None:
            if isinstance(geometry, Stack):
                point[0] = min(max(round(point[0]), 0), geometry.shape[0] - 1)
            k = round(float(point[0]))
            point = np.asarray(geometry.to_world(point), dtype=float)
        else:
            k = round(float(geometry.to_index(point)[0]))
        change: dict[str, Any] = {"cursor": [float(value) for value in point]}
        if isinstance(geometry, Stack):
            change["slice"] = {**self.view.get("slice", {}), self.image.id: k}
        self._set(**change)

    @property
    def cursor(self) -> World | None:
        """The crosshair in LPS mm (x, y, z); None until somebody moves it."""
        cursor = self.view.get("cursor")
        return None if cursor is None else (float(cursor[0]), float(cursor[1]), float(cursor[2]))

    @property
    def tool(self) -> str:
        """The name of the tool in use, e.g. "crosshair", "brush" or "ruler"; see `Tool`."""
        return str(self.view.get("tool", "crosshair"))

    @tool.setter
    def tool(self, tool: Tool) -> None:
        self._set(tool=_option("tool", tool, Tool))

    @property
    def label(self) -> str | None:
        """Name of the label that tools draw with."""
        label = self._document.labels.get(self.view.get("label") or "")
        return None if label is None else label.name

    @label.setter
    def label(self, name: str) -> None:
        self._set(label=self._document.labels[name].id)

    @property
    def window(self) -> Window:
        """The window of the image shown; assign a `Window`, (centre, width) or a name."""
        chosen = self.view.get("windows", {}).get(self.image.id)
        return Window(float(chosen[0]), float(chosen[1])) if chosen else self.image.default_window()

    @window.setter
    def window(self, window: Window | tuple[float, float] | str) -> None:
        self._set(**windowed(self.view, self.image, window))

    # `layout` would be ipywidgets' CSS layout, so the planes have a name of their own.
    @property
    def planes(self) -> Any:
        """The arrangement of planes: a name, or a tree of rows and columns.

        Assign what ``layout=`` of the constructor takes.
        """
        return self.view.get("layout", "auto")

    @planes.setter
    def planes(self, layout: Layout) -> None:
        # What was turned or put into a pane belongs to the panes of the layout before.
        gone: dict[str, Any] = {key: {} for key in ("panes", "turns") if self.view.get(key)}
        if self.view.get("maximized"):
            gone["maximized"] = None
        self._set(layout=resolve(layout, self._config, self._document.images), **gone)

    @property
    def config(self) -> Config:
        """The configuration: what it says, its files and its problems."""
        return self._config

    @property
    def layouts(self) -> dict[str, Any]:
        """The layouts of the configuration, by name."""
        return dict(self._config.layouts)

    @property
    def backend(self) -> str:
        """What draws the planes: "auto", "cpu" or "webgl2"."""
        return str(self.view.get("backend", "auto"))

    @backend.setter
    def backend(self, backend: Backend) -> None:
        self._set(backend=_option("backend", backend, Backend))

    def close(self) -> None:
        """Take the viewer off the page and free what it holds; the document stays."""
        if getattr(self, "_closed", True):
            super().close()
            return
        self._closed = True
        if self._channel is not None:
            self._channel.close()
        if self._spool is not None:
            self._spool.close()
        super().close()

    def open(self) -> None:
        """Open the comm; called by ipywidgets."""
        super().open()
        self._forget_subshell()

    def _set(self, **change: Any) -> None:
        self.view = {**self.view, **change}

    def _receive(self, _: object, content: Any, buffers: Sequence[memoryview]) -> None:
        if isinstance(content, Mapping) and content.get("type") == "module":
            name = content.get("name")
            if name is None and self._channel is not None:
                self._channel.prepare()
            if name is None or name in _PARTS:
                self.send(*_module(name))
            return
        if self._channel is not None:
            self._channel.receive(content, buffers)

    def _send(self, msg: Any, buffers: Any = None) -> None:
        with self._sending:
            super()._send(msg, buffers)
            self._forget_subshell()

    def _forget_subshell(self) -> None:
        # ipykernel 7.4 answers a tab through the shell that sent last; while that one runs a
        # cell, nothing would arrive. Without the note it uses the shell that the tab asks for.
        comm = getattr(self, "comm", None)
        with contextlib.suppress(AttributeError):
            del comm._reply_subshell_id  # type: ignore[union-attr]


class _Sender:
    """Sends through a viewer without keeping it alive."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = weakref.ref(viewer)

    def __call__(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        viewer = self._viewer()
        if viewer is not None and viewer.comm is not None:
            viewer.send(content, buffers)


class _First:
    """What a new page of a viewer asks for first, without keeping the viewer alive."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = weakref.ref(viewer)

    def __call__(self) -> list[str]:
        viewer = self._viewer()
        return [] if viewer is None else first_keys(viewer.document, viewer._plain_view())


class _View:
    """The view state of a viewer, without keeping it alive."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = weakref.ref(viewer)

    def __call__(self) -> dict[str, Any]:
        viewer = self._viewer()
        return {} if viewer is None else viewer._plain_view()


def _module(name: str | None) -> tuple[dict[str, str], list[bytes]]:
    """Return the message and the packed script for a page that asks for a module.

    Each page asks once: the loader for the viewer, which is far larger than the loader, and the
    viewer by name for a part that few need.
    """
    module = bundle(f"{name or 'viewer'}.js").encode()
    answer = {"type": "module", "hash": hashlib.sha256(module).hexdigest()[:16]}
    if name is not None:
        answer["name"] = name
    # The highest level takes a third longer for next to nothing.
    return answer, [gzip.compress(module, 6, mtime=0)]


def bundle(name: str) -> str:
    """Return a file that `make js` built.

    Raises
    ------
    ViewerError
        When it is not there.
    """
    try:
        return (STATIC / name).read_text(encoding="utf-8")
    except OSError as cause:
        raise ViewerError(
            f"The browser part of the viewer is missing: {STATIC / name}",
            hint='Run "make js" in the source folder, or install the wheel.',
        ) from cause


def _option(name: str, value: str, choices: Any) -> str:
    known = get_args(choices)
    if value not in known:
        raise ViewerError(f"Unknown {name} {value!r}", hint=f"Choose one of: {', '.join(known)}.")
    return value


def _images(shown: Shown) -> list[Image]:
    """Return the images of anything that can be shown."""
    if isinstance(shown, Session):
        shown = shown.document
    if isinstance(shown, Document):
        return list(shown.images)
    if isinstance(shown, Image):
        return [shown]
    if isinstance(shown, np.ndarray):
        return [image_of(shown)]
    if isinstance(shown, Mapping):
        return list(shown.values())
    if isinstance(shown, (list, tuple)) and all(isinstance(one, Image) for one in shown):
        return list(shown)
    if isinstance(shown, Sliceable):
        return [image_of(shown)]
    raise ViewerError(
        f"A viewer cannot show {type(shown).__name__}",
        hint=way_in(shown) or "Give an Image (nbannot.read), a Document or an array (k, j, i).",
    )


def _document(
    shown: list[Image] | Document | Session,
    labels: Iterable[Label | str] | None,
    masks: Iterable[Mask] | None,
) -> Document:
    if isinstance(shown, Session):
        shown = shown.document
    if isinstance(shown, Document):
        if labels is not None or masks is not None:
            raise EditError("labels and masks belong to the document", hint="Use document.add(…) for more.")
        return shown
    return Document(shown, labels=() if labels is None else labels, masks=masks)


def image_of(array: NDArray[Any] | Sliceable) -> Image:
    """Return an image of a bare array (j, i), (k, j, i) or, in colour, with a last axis of 3.

    What is sliced like an array (zarr, h5py, dask) is read slice by slice.

    Warns with `GeometryWarning`: distances are in px, and the place in the patient is unknown.

    Raises
    ------
    GeometryError
        When the array has another form or dtype.
    """
    axes = len(array.shape)
    color = array.dtype == np.uint8 and axes >= 3 and array.shape[-1] == 3
    flat = axes - color == 2
    if axes - color not in (2, 3) or 0 in array.shape:
        raise GeometryError(
            f"An array of shape {array.shape} cannot be shown", hint="Give (k, j, i) or (j, i)."
        )
    warnings.warn(
        "An array has no geometry: distances are in px and sides are unknown. "
        + (way_in(array) or "Use nbannot.Image(array, nbannot.Geometry(…)) to give it one"),
        GeometryWarning,
        stacklevel=4,
    )
    if flat or (isinstance(array, np.ndarray) and not isinstance(array, np.memmap)):
        whole = np.asarray(array[:])
        pixels: NDArray[Any] | SlicedPixels = _showable(whole[None] if flat else whole)
    else:
        pixels = SlicedPixels(array, color=color)
    shape = (int(pixels.shape[0]), int(pixels.shape[1]), int(pixels.shape[2]))
    photometric: Literal["RGB", "MONOCHROME2"] = "RGB" if color else "MONOCHROME2"
    if flat or color:
        return Image(pixels, Stack.picture(shape[1:], frames=shape[0]), photometric=photometric)
    affine = np.eye(4)[[2, 1, 0, 3]]  # (k, j, i) to (x, y, z), one voxel a step
    return Image(pixels, Geometry(affine, shape), photometric=photometric)


def _showable(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array in a dtype that holds its values and can be shown."""
    if array.dtype.name in ("uint8", "int8", "uint16", "int16", "int32", "float32"):
        return array
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.kind in "iu" and array.size:
        low, high = int(array.min()), int(array.max())
        if low >= -(2**31) and high < 2**31:
            return array.astype(np.int32)
        return array.astype(np.float32)
    raise GeometryError(f"An array of dtype {array.dtype} cannot be shown", hint="Convert it to numbers.")
