"""What a viewer begins with: configuration, hanging rules and options together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nbannot.errors import ConfigError, ConfigWarning, LayoutError
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image, SliceSource
from nbannot.session import Rule, Session, load_config
from nbannot.session.arrange import resumed
from nbannot.viewer import widget
from nbannot.viewer.widget import Viewer

AFFINE = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1]])
CELLS = {"row": [{"plane": "axial", "image": "ct"}, {"plane": "axial", "image": "pt"}]}


@pytest.fixture(autouse=True)
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    static = tmp_path / "static"
    static.mkdir()
    for name in ("viewer.js", "loader.js", "viewer.css"):
        (static / name).write_text("")
    monkeypatch.setattr(widget, "STATIC", static)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


@pytest.fixture
def images(tmp_path: Path) -> list[Image]:
    folder = tmp_path / "data" / "study"
    folder.mkdir(parents=True)
    made = []
    for id, modality in (("ct", "CT"), ("pt", "PT")):
        (folder / id).write_bytes(b"")
        geometry = Geometry(AFFINE, (2, 3, 3), frame_of_reference="F")
        sources = [SliceSource(path=str(folder / id))] * 2
        pixels = np.zeros((2, 3, 3), np.int16)
        made.append(Image(pixels, geometry, id=id, name=f"the {id}", modality=modality, sources=sources))
    return made


@pytest.fixture
def show() -> Iterator[Any]:
    opened: list[Viewer] = []

    def show(*given: Any, **options: Any) -> Viewer:
        opened.append(Viewer(*given, **options))
        return opened[-1]

    yield show
    for viewer in opened:
        viewer.close()


def configured(images: list[Image], text: str) -> Path:
    path = Path(images[0].sources[0].path or "").parents[1] / ".nbannot.yaml"
    path.write_text(text)
    return path


def test_a_file_above_the_images_is_found(images: list[Image], show: Any) -> None:
    path = configured(images, """
layouts: {Side by side: [[{plane: axial, image: the ct}, {plane: axial, image: the pt}]]}
windowing: {level: 1, width: 9}
colormaps: {PT: hot}
links: {window: true}
labels: {defaultLabels: {lesion: red}}
""")  # fmt: skip
    viewer = show(images)
    assert viewer.planes == "Side by side"
    assert viewer.layouts == {"Side by side": CELLS}
    assert viewer.view["windows"] == {"ct": [1, 9], "pt": [1, 9]}
    assert viewer.view["colormaps"] == {"pt": "hot"}
    assert viewer.view["links"] == {"window": True}
    assert [(one.name, one.color) for one in viewer.document.labels] == [("lesion", "#ff0000")]
    assert viewer.config.origin("windowing.level") == path
    assert show(images, labels=["mine"]).document.labels["mine"].name == "mine"
    assert show(images, config=False).config.files == ()
    assert show(images, layout="mpr").planes == "mpr"
    assert show(images, config={"layout": "axial"}).planes == "axial"
    assert show(images, config=path, window=(5, 6)).view["windows"] == {"ct": [5, 6], "pt": [1, 9]}


def test_problems_are_told_in_the_cell_and_to_the_page(images: list[Image], show: Any) -> None:
    configured(images, "layouts: {A: [[{plane: axial, image: mr}]]}\nlayuot: mpr\n")
    with pytest.warns(ConfigWarning, match="Did you mean 'layout'") as told:
        viewer = show(images)
    assert told[0].filename == __file__
    assert "layouts.A[0][0].image: There is no image 'mr'" in str(told[0].message)
    assert viewer.layouts == {}
    sent: list[Any] = []
    viewer._channel._send = lambda message, buffers: sent.append(message)
    viewer._channel._lanes["t"] = type("Lane", (), {"next": 1})()
    viewer._channel._state("t")
    problems = sent[0]["config"]["problems"]
    assert [(one["file"], one["up"], one["line"]) for one in problems] == [
        (".nbannot.yaml", 1, 2),
        (".nbannot.yaml", 1, 1),
    ]
    assert "config" not in viewer.view


@pytest.mark.parametrize("config", ["/no/such.yaml", {"laouts": 1}, 3])
def test_what_is_wholly_unusable_is_an_error(images: list[Image], show: Any, config: Any) -> None:
    with pytest.raises(ConfigError):
        show(images, config=config)


def test_rules_come_in_their_order(images: list[Image], show: Any) -> None:
    builtin = show(images)
    assert builtin.view["layers"]["ct"][0]["image"] == "pt"
    assert builtin.image.id == "ct"
    assert show(images, hanging=False).planes == "auto"
    assert show(images, layout="coronal").view.get("layers") is None
    path = configured(
        images, "layout: axial\nhanging: [{when: {modality: PT}, layout: sagittal, window: [1, 2]}]\n"
    )
    viewer = show(images)
    assert (viewer.planes, viewer.view["windows"], viewer.image.id) == ("sagittal", {"pt": [1, 2]}, "pt")
    own = [
        Rule({"modality": "MR"}, layout="mpr"),
        {"when": {"modality": "CT"}, "layout": [[("axial", "the ct"), "volume"]]},
    ]
    assert show(images, hanging=own).planes == {
        "row": [{"plane": "axial", "image": "ct"}, {"plane": "volume"}]
    }
    assert show(images, hanging=own[:1]).planes == "axial"
    assert show(images, hanging=path, config=False).planes == "sagittal"
    assert show(images, hanging=own, layout="coronal").planes == "coronal"
    with pytest.raises(LayoutError, match="Tumor"):
        show(images, hanging=[Rule({}, layout="Tumor board")])


def test_a_session_is_shown_as_it_was_left(images: list[Image], show: Any) -> None:
    document = Document(images)
    session = Session.of(document, view={"layout": "coronal"})
    assert show(session).view == {"layout": "coronal", "backend": "auto"}
    assert show(document).view["layers"]


def test_what_is_asked_for_wins_over_what_a_session_kept(images: list[Image], show: Any) -> None:
    kept = {
        "layout": "coronal", "backend": "webgl2", "zoom": {"axial": 0.5}, "maximized": "coronal",
        "turns": {"coronal": {"quarter": 1, "flip": False}}, "panes": {"coronal": {"image": "pt"}},
    }  # fmt: skip
    session = Session.of(Document(images), view=kept)
    assert show(session, layout="coronal").view == kept
    viewer = show(session, layout=[[("axial", "the ct"), ("axial", images[1])]], backend="cpu")
    assert viewer.view == {"layout": CELLS, "backend": "cpu", "zoom": {"axial": 0.5}}
    assert session.view == viewer.view, "and the session keeps that"
    assert show(session).planes == CELLS
    assert show(session, layout="axial").planes == "axial"
    with pytest.raises(LayoutError):
        show(session, layout="nowhere")


def test_planes_take_trees_and_images(images: list[Image], show: Any) -> None:
    viewer = show(images, hanging=False)
    viewer.view = {
        **viewer.view,
        "panes": {"axial": {"image": "pt"}},
        "turns": {"axial": {"quarter": 1, "flip": False}},
    }
    viewer.planes = [[("axial", images[0]), ("axial", "the pt")]]
    assert viewer.planes == CELLS
    assert (viewer.view["panes"], viewer.view["turns"]) == ({}, {})
    viewer.planes = "compare-1x2"
    assert viewer.planes == "compare-1x2"
    with pytest.raises(LayoutError, match="There are: 'the ct', 'the pt'"):
        viewer.planes = {"plane": "axial", "image": "the mr"}
    assert viewer.planes == "compare-1x2"


def test_the_guide_is_true(
    images: list[Image], show: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block of docs/config.md runs, and its files are without problems."""
    text = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")
    files = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(files) == 3
    for number, content in enumerate(files):
        (tmp_path / f"{number}.yaml").write_text(content)
        assert load_config(tmp_path / f"{number}.yaml").problems == ()
    for name, content in {
        "study/.nbannot.yaml": files[1],
        "rules/chest.yaml": files[0],
        "rules.yaml": files[0],
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    names = {
        "nb": SimpleNamespace(Viewer=show),
        "image": images[0],
        "images": images,
        "current": images[0],
        "prior": images[1],
    }
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)


def test_a_session_that_was_never_shown_hangs_with_its_layers() -> None:
    layers = {"ct": [{"image": "pet"}]}
    assert resumed({"layout": "mpr"}, {"layers": layers}) == {
        "image": "ct",
        "layout": "mpr",
        "layers": layers,
    }
    own = {"layout": "mpr", "image": "mr", "layers": {"ct": [{"image": "other"}]}}
    assert resumed(own, {"layers": layers}) == own, "the rules come first"
    assert resumed({"layout": "mpr"}, {"layers": {}, "layout": "axial"}) == {"layout": "axial", "layers": {}}
    assert resumed({"layout": "mpr"}, {}) == {"layout": "mpr"}
