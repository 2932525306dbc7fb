"""The viewer as a widget: what it takes, what it syncs, what it frees."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.testing.globalipapp import start_ipython

from nbannot.errors import EditError, GeometryError, GeometryWarning, UnknownLabelError, ViewerError
from nbannot.formats import convert
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Images, Window
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.viewer import hook, widget
from nbannot.viewer.widget import Viewer, image_of

SHAPE = (4, 6, 5)
AFFINE = np.array([[0, 0, 2.0, -10], [0, 2.0, 0, 5], [3.0, 0, 0, 7], [0, 0, 0, 1]])


@pytest.fixture(autouse=True)
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    static = tmp_path / "static"
    static.mkdir()
    (static / "viewer.js").write_text("export default () => ({});")
    (static / "loader.js").write_text("export default {};")
    (static / "viewer.css").write_text(".nbannot {}")
    monkeypatch.setattr(widget, "STATIC", static)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    return static


@pytest.fixture
def image() -> Image:
    pixels = np.zeros(SHAPE, dtype=np.int16)
    windows = [Window(50, 350, "Soft"), Window(-600, 1500, "Lung")]
    return Image(pixels, Geometry(AFFINE, SHAPE), id="img", name="Doe^John", windows=windows)


@pytest.fixture
def viewer(image: Image) -> Iterator[Viewer]:
    viewer = Viewer(image, labels=["liver", Label("lesion", "#ff0000")])
    yield viewer
    viewer.close()


def test_labels_make_masks_and_the_document_is_live(viewer: Viewer) -> None:
    assert [mask.name for mask in viewer.document.masks] == ["liver", "lesion"]
    assert viewer.document.labels["lesion"].color == "#ff0000"
    assert repr(viewer) == "Viewer(1 image, revision 0)"


def test_nothing_of_the_patient_is_synced(viewer: Viewer) -> None:
    viewer.label = "liver"
    viewer.goto(index=(1, 2, 3))
    state = {name: value for name, value in viewer.get_state().items() if isinstance(value, str | dict)}
    own = {name: state[name] for name in ("uid", "view")}
    assert "Doe" not in str(state) and "liver" not in json.dumps(own)
    assert len(json.dumps(own)) < 10_000


def test_goto_moves_the_crosshair_in_world_mm(viewer: Viewer) -> None:
    assert viewer.cursor is None
    viewer.goto(index=(1, 2, 3))
    assert viewer.cursor == (2 * 3 - 10, 2 * 2 + 5, 3 * 1 + 7)
    viewer.goto(world=(1.0, 2.0, 3.0))
    assert viewer.cursor == (1, 2, 3)
    for wrong in (
        {},
        {"world": (1, 2)},
        {"index": (1, 2, 3), "world": (1, 2, 3)},
        {"index": (1, 2, float("nan"))},
    ):
        with pytest.raises(ViewerError, match="goto"):
            viewer.goto(**wrong)  # type: ignore[arg-type]


def test_goto_names_the_plane_of_a_stack() -> None:
    image = Image(np.zeros((3, 4, 5), np.uint8), Stack.picture((4, 5), frames=3), id="cine")
    viewer = Viewer(image)
    viewer.goto(index=(2, 1, 1))
    assert viewer.view["slice"] == {"cine": 2}
    viewer.close()


def test_view_settings_by_name(viewer: Viewer) -> None:
    assert viewer.window == Window(50, 350, "Soft")
    viewer.window = "lung"
    assert viewer.window == Window(-600, 1500)
    viewer.window = (40, 80)
    assert viewer.view["windows"] == {"img": [40.0, 80.0]}
    viewer.tool = "brush"
    viewer.planes = "axial"
    viewer.backend = "cpu"
    viewer.label = "lesion"
    assert (viewer.tool, viewer.planes, viewer.backend, viewer.label) == ("brush", "axial", "cpu", "lesion")
    with pytest.raises(ViewerError, match="bone"):
        viewer.window = "bone"
    with pytest.raises(ViewerError, match="hammer"):
        viewer.tool = "hammer"  # type: ignore[assignment]
    with pytest.raises(UnknownLabelError):
        viewer.label = "spleen"


def test_a_ct_has_the_customary_windows_by_name() -> None:
    ct = Image(np.zeros((2, 4, 5), np.int16), Geometry(np.eye(4), (2, 4, 5)), modality="CT", unit="HU")
    viewer = Viewer(ct, window="Lung")
    assert viewer.window == Window(-600, 1500)
    with pytest.raises(ViewerError, match="bones") as found:
        viewer.window = "bones"
    assert "'bone'" in found.value.hint
    viewer.close()


def test_options_are_checked(image: Image) -> None:
    with pytest.raises(ViewerError, match="mosaic"):
        Viewer(image, layout="mosaic")  # type: ignore[arg-type]
    viewer = Viewer(image, layout="mpr", backend="webgl2", height=300, window=Window(1, 2))
    assert viewer.view == {"layout": "mpr", "backend": "webgl2", "height": 300, "windows": {"img": [1, 2]}}
    viewer.close()


def test_what_can_be_shown(image: Image) -> None:
    other = Image(np.zeros(SHAPE, np.int16), Geometry(AFFINE, SHAPE), id="other")
    for shown, count in (([image, other], 2), (Images({"a": image, "b": other}), 2), (Document(image), 1)):
        viewer = Viewer(shown)
        assert len(viewer.document.images) == count
        viewer.close()
    viewer = Viewer([image, other])
    viewer.image = other
    assert viewer.image is other and viewer.view["image"] == "other"
    viewer.close()
    with pytest.raises(EditError, match="belong to the document"):
        Viewer(Document(image), labels=["x"])
    with pytest.raises(ViewerError, match="str"):
        Viewer("ct/")  # type: ignore[arg-type]


def test_a_mask_is_bound_in_place(image: Image) -> None:
    mine = np.zeros(SHAPE, np.uint8)
    viewer = Viewer(image, masks=[Mask("liver", image, array=mine)])
    assert viewer.document.masks["liver"].array is mine
    viewer.close()


@pytest.mark.parametrize(
    ("array", "shape", "dtype", "kind"),
    [
        (np.zeros((3, 4, 5)), (3, 4, 5), "float32", "grid"),
        (np.zeros((4, 5), bool), (1, 4, 5), "uint8", "stack"),
        (np.full((3, 4, 5), 70000), (3, 4, 5), "int32", "grid"),
        (np.full((3, 4, 5), 2**40), (3, 4, 5), "float32", "grid"),
        (np.zeros((4, 5, 3), np.uint8), (1, 4, 5), "uint8", "stack"),
        (np.zeros((2, 4, 5, 3), np.uint8), (2, 4, 5), "uint8", "stack"),
    ],
)
def test_arrays_are_shown_in_px_with_a_warning(
    array: np.ndarray[Any, Any], shape: tuple[int, ...], dtype: str, kind: str
) -> None:
    with pytest.warns(GeometryWarning, match="px"):
        image = image_of(array)
    assert (image.shape, image.dtype.name, image.geometry.kind) == (shape, dtype, kind)


class Lazy:
    """Sliced like an array, as zarr and h5py are."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array, self.shape, self.dtype = array, array.shape, array.dtype
        self.asked: list[Any] = []

    def __getitem__(self, key: Any) -> Any:
        self.asked.append(key)
        return self._array[key]


def test_objects_of_other_libraries_are_told_the_way(image: Image) -> None:
    for thing, way in ((convert.to_sitk(image), "from_sitk"), (convert.to_nibabel(image), "from_nibabel")):
        with pytest.raises(ViewerError, match="cannot show") as caught:
            Viewer(thing)
        assert f"nbannot.formats.convert.{way}" in caught.value.hint
    with pytest.warns(GeometryWarning, match=r"convert\.from_xarray"):
        Viewer(convert.to_xarray(image)).close()


def test_what_is_sliced_like_an_array_is_not_read_whole(tmp_path: Path) -> None:
    lazy = Lazy(np.arange(60.0).reshape(3, 4, 5))
    with pytest.warns(GeometryWarning, match="px"):
        viewer = Viewer(lazy)
    assert lazy.asked == [] and viewer.image.dtype == np.float32
    np.testing.assert_array_equal(viewer.image.plane_array(1), lazy._array[1])
    assert lazy.asked == [1]
    mapped = np.memmap(tmp_path / "a", np.float64, mode="w+", shape=(3, 4, 5))
    with pytest.warns(GeometryWarning, match="px"):
        image = image_of(mapped)
    assert image.dtype == np.float32 and not image.is_loaded
    with pytest.warns(GeometryWarning, match="px"):
        assert image_of(Lazy(np.zeros((4, 5)))).shape == (1, 4, 5)


def test_arrays_that_are_no_images() -> None:
    for array in (np.zeros(5), np.zeros((0, 4, 4)), np.zeros((1, 2, 3, 4, 5))):
        with pytest.raises(GeometryError, match="shape"):
            image_of(array)
    with pytest.warns(GeometryWarning), pytest.raises(GeometryError, match="dtype"):
        image_of(np.zeros((2, 2), dtype="U3"))


def test_the_loader_gets_the_module_with_its_fingerprint(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[Any, list[bytes]]] = []
    monkeypatch.setattr(viewer, "send", lambda content, buffers: sent.append((content, buffers)))
    viewer._receive(None, {"type": "module"}, [])
    [(answer, [packed])] = sent
    text = gzip.decompress(packed)
    assert text.decode() == (widget.STATIC / "viewer.js").read_text()
    assert answer == {"type": "module", "hash": hashlib.sha256(text).hexdigest()[:16]}
    assert len(viewer._esm) < 5000


def test_a_part_of_the_module_is_given_by_name(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[Any, list[bytes]]] = []
    monkeypatch.setattr(viewer, "send", lambda content, buffers: sent.append((content, buffers)))
    (widget.STATIC / "volume3d.js").write_text("export default () => 3;")
    for name in ("volume3d", "loader", "../secret", 5, ["volume3d"]):
        viewer._receive(None, {"type": "module", "name": name}, [])
    [(answer, [packed])] = sent
    text = gzip.decompress(packed)
    assert text == b"export default () => 3;"
    assert answer == {"type": "module", "name": "volume3d", "hash": hashlib.sha256(text).hexdigest()[:16]}


def test_a_missing_bundle_says_what_to_do(image: Image, bundle: Path) -> None:
    (bundle / "viewer.js").unlink()
    with pytest.raises(ViewerError, match="make js"):
        Viewer(image)


def test_closing_frees_everything_and_leaves_the_document(image: Image) -> None:
    before = {thread.name for thread in threading.enumerate()}
    viewer = Viewer(image, labels=["liver"])
    assert viewer._spool is not None
    folder, document = viewer._spool.folder, viewer.document
    viewer._receive(None, {"type": "hello", "tab": "T", "version": "", "next": 1}, [])
    assert folder is not None and folder.exists()
    assert len(document.edited) == 1
    viewer.close()
    viewer.close()
    assert not folder.exists() and len(document.edited) == 0
    assert {thread.name for thread in threading.enumerate()} <= before
    document.masks["liver"][0, 0, 0] = 1
    assert document.revision == 1


def test_the_comm_forgets_which_shell_sent_last(viewer: Viewer) -> None:
    class Comm:
        kernel = object()

        def __init__(self) -> None:
            self.sent: list[Any] = []

        def send(self, data: Any, buffers: Any = None) -> None:
            self.sent.append(data)
            self._reply_subshell_id = "main"

        def close(self) -> None: ...

    comm = SimpleNamespace(comm=Comm()).comm
    viewer.set_trait("comm", None)
    viewer._trait_values["comm"] = comm
    viewer.send({"type": "x"}, [b""])
    assert comm.sent and not hasattr(comm, "_reply_subshell_id")
    viewer._trait_values["comm"] = None


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    shell: InteractiveShell = start_ipython() or InteractiveShell.instance()
    monkeypatch.setattr(hook, "_shell", lambda: shell)
    shell.events.callbacks["post_run_cell"] = [
        one for one in shell.events.callbacks["post_run_cell"] if not isinstance(one, hook.CellHook)
    ]
    return shell


def test_in_place_changes_are_recorded_after_each_cell(
    image: Image, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    document = Document(image, labels=["liver"])
    viewers = [Viewer(document), Viewer(document)]
    hooks = [one for one in shell.events.callbacks["post_run_cell"] if isinstance(one, hook.CellHook)]
    assert len(hooks) == 1
    shell.user_ns["mask"] = document.masks["liver"]
    shell.run_cell("mask.array[1] = 1")
    assert document.revision == 1 and document.can_undo

    def journal(edit: object, revision: int) -> None:
        raise EditError("The store is full", hint="Free some space.")

    document.journal = journal
    shell.run_cell("mask.array[2] = 1")
    assert "The store is full. Free some space." in capsys.readouterr().err
    document.journal = None
    for viewer in viewers:
        viewer.close()
    shell.run_cell("mask.array[3] = 1")
    assert document.revision == 1
