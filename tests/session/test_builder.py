from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from moves import SHAPE, phantom
from nbannot.errors import EditError, FormatError, LayoutError, MaskError, NbannotWarning, UnknownItemError
from nbannot.model.annotations import Box, Tag
from nbannot.model.labels import Label
from nbannot.session import SessionBuilder


def begun() -> SessionBuilder:
    return SessionBuilder([phantom(), phantom(uid="two", name="pet")], labels=["liver"], origin="model:net 2")


def test_what_was_built_is_one_step_of_the_model() -> None:
    found = np.zeros(SHAPE, bool)
    found[1, 2:4, 3] = True
    builder = begun().mask("liver", found).mask({1: "spleen", 300: "lesion"}, found * 300, image="pet")
    builder.label(Label("bone")).add(Box("lesion", ((0, 0, 0), (1, 2, 3))), Tag("quality", "good"))
    session = builder.build(author="ada")
    document = session.document
    assert np.array_equal(document.masks["liver"].array, found)
    assert document.masks["spleen, lesion"].image.id == "two"
    assert document.masks["spleen, lesion"].array.max() == 300
    assert not document.masks["bone"].array.any()
    assert [box.label for box in document.boxes] == ["lesion"]
    history = session.history()
    assert (history["origin"][0], history["author"][0]) == ("model:net 2", "ada")
    assert history["what"][0].startswith("prefill")
    document.undo()
    other = builder.build()
    assert other.document.id != document.id
    assert np.array_equal(other.document.masks["liver"].array, found)


def test_layout_layers_and_windows_are_kept() -> None:
    view = (
        begun().layout([["axial", ("coronal", "pet")]]).layer("pet", opacity=0.3, lower=2)
        .window(40, 400).build().view
    )  # fmt: skip
    assert view["windows"] == {"image-1": [40.0, 400.0]}
    (layer,) = view["layers"]["image-1"]
    assert (layer["image"], layer["opacity"], layer["lower"]) == ("two", 0.3, 2)
    assert "two" in json.dumps(view["layout"])


def test_the_wrong_call_says_so() -> None:
    builder = begun()
    with pytest.raises(MaskError, match=r"shape \(2, 2, 2\).*\(4, 6, 5\)"):
        builder.mask("liver", np.zeros((2, 2, 2), bool))
    with pytest.raises(MaskError, match="besides 0 and 1"):
        builder.mask("liver", np.full(SHAPE, 2))
    with pytest.raises(MaskError, match="whole numbers"):
        builder.mask({1: "liver"}, np.zeros(SHAPE))
    with pytest.raises(LayoutError):
        builder.layout("sideways")
    with pytest.raises(LayoutError, match="over itself"):
        builder.layer("ct")
    with pytest.raises(LayoutError, match="0 to 1"):
        builder.layer("pet", opacity=2)
    with pytest.raises(LayoutError, match="above 0"):
        builder.window(0, 0)
    with pytest.raises(UnknownItemError, match="no image 'mr'"):
        builder.layer("mr")
    with pytest.raises(EditError, match="origin"):
        SessionBuilder(phantom(), origin="net")
    with pytest.raises(FormatError, match="no image at"):
        SessionBuilder("nowhere.png")
    assert not builder.document.masks
    assert builder.view.get("layers", {}) == {}


def test_a_session_of_volview_goes_out_and_in(tmp_path: Path) -> None:
    found = np.zeros(SHAPE, bool)
    found[1, 2:4, 3] = True
    path = tmp_path / "case.volview.zip"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        SessionBuilder(phantom()).mask("liver", found).write(path)
        again = SessionBuilder.read(path, images=phantom())
    assert np.array_equal(again.document.masks["liver"].array > 0, found)
    with pytest.raises(FormatError, match="without images"):
        SessionBuilder.read(path)


def test_a_manifest_names_files_of_this_machine(tmp_path: Path) -> None:
    Picture.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "a.png")
    listed = [{"url": "a.png", "name": "a.png"}, {"url": "config.json", "name": "config.json"}]
    (tmp_path / "manifest.json").write_text(json.dumps({"resources": listed}))
    assert SessionBuilder.read(tmp_path / "manifest.json").images[0].shape == (1, 4, 5)
    listed = [{"url": "https://example.org/a.png", "name": "a.png"}]
    (tmp_path / "manifest.json").write_text(json.dumps({"resources": listed}))
    with pytest.raises(FormatError, match="not on this machine"):
        SessionBuilder.read(tmp_path / "manifest.json")
