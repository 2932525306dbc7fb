from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbannot.errors import NbannotWarning, StoreError
from nbannot.formats import write
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.store import StoredProject, open_project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[StoredProject]:
    with open_project(tmp_path / "study", author="ada") as found:
        yield found


def volume(
    path: Path, *, shape: tuple[int, int, int] = (2, 3, 4), at: float = 0.0, value: int | None = None
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.eye(4)
    affine[2, 3] = at
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    if value is not None:
        array = (array % 5 == value).astype(np.int16)
    write(path, Image(array, Geometry(affine, shape)))
    return path


def told(report: pd.DataFrame, file: str) -> dict[str, Any]:
    (row,) = report[report.file == file].to_dict("records")
    return {str(key): value for key, value in row.items()}


def test_names_with_tokens_end_at_a_delimiter(project: StoredProject, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("p1", "p10", "p1_late"):
        volume(data / f"{name}.nii")
    volume(data / "p10.seg.nii", value=1)
    volume(data / "p1.1.seg.nii", value=2)
    volume(data / "p1_late.seg.nii", value=3)
    volume(data / "p1.layer.pet.nii")
    volume(data / "p2.seg.nii", value=4)
    volume(data / "p10.other.seg.nii", shape=(2, 3, 5), value=1)
    project.index(data)
    assert sorted(project.case_names) == ["p1", "p10", "p1_late"]
    dry = project.associate(dry_run=True)
    assert told(dry, "p10.seg.nii")["image"] == "p10.nii"
    assert told(dry, "p1.1.seg.nii")["image"] == "p1.nii"
    assert told(dry, "p1_late.seg.nii")["image"] == "p1_late.nii"
    assert told(dry, "p1.layer.pet.nii") == {
        "file": "p1.layer.pet.nii", "kind": "layer", "case": "p1", "image": "p1.nii", "attached": True,
        "why": "its name begins with p1",
    }  # fmt: skip
    assert not told(dry, "p2.seg.nii")["attached"] and "no image" in told(dry, "p2.seg.nii")["why"]
    refused = told(dry, "p10.other.seg.nii")
    assert not refused["attached"] and "4×3×2" in refused["why"] and "refused" in refused["why"]
    assert len(list(project.start("p10").document.masks)) == 0, "a dry run changes nothing"
    project.associate()
    session = project.start("p1", reader="ada")
    assert [int((mask.array > 0).sum()) for mask in session.document.masks] == [5]
    base, layer = (image for image in session.document.images)
    assert [one["image"] for one in session.view["layers"][base.id]] == [layer.id]
    assert session.history().empty
    assert project.associate().equals(dry)


def test_folders_patterns_and_tables(project: StoredProject, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for n in (1, 2):
        volume(data / f"case {n}" / "ct.nii")
        volume(data / f"case {n}" / "segmentations" / "liver.nii", value=n)
    volume(data / "case 2" / "other.nii", shape=(2, 2, 2))
    volume(data / "case 1" / "mask far.nii", at=500.0, value=1)
    volume(data / "elsewhere" / "masks" / "one.nii", value=3)
    project.index(data)
    report = project.associate(dry_run=True)
    assert told(report, "case 1/segmentations/liver.nii")["image"] == "case 1/ct.nii"
    assert told(report, "case 2/segmentations/liver.nii")["image"] == "case 2/ct.nii", "the one that it fits"
    assert "lies elsewhere" in told(report, "case 1/mask far.nii")["why"]
    assert not told(report, "elsewhere/masks/one.nii")["attached"]
    by_pattern = project.associate(dry_run=True, patterns={r"elsewhere/masks/one\.nii$": "case 1/ct.nii"})
    assert told(by_pattern, "elsewhere/masks/one.nii")["case"] == "case 1"
    rows = pd.DataFrame([{"file": "elsewhere/masks/one.nii", "image": "case 2/ct.nii"}])
    assert (
        told(project.associate(table=rows), "elsewhere/masks/one.nii")["why"]
        == "the table says case 2/ct.nii"
    )
    assert len(list(project.start("case 2").document.masks)) == 2
    for wrong in ({"patterns": {"(": "x"}}, {"table": [{"file": "x"}]}):
        with pytest.raises(StoreError):
            project.associate(**wrong)  # type: ignore[arg-type]


def test_what_went_away_is_left_out_with_a_warning(project: StoredProject, tmp_path: Path) -> None:
    data = tmp_path / "data"
    volume(data / "p1.nii")
    mask = volume(data / "p1.seg.nii", value=1)
    project.index(data)
    project.associate()
    mask.unlink()
    with pytest.warns(NbannotWarning, match=r"p1\.seg\.nii is not put on p1"):
        session = project.start("p1")
    assert len(list(session.document.masks)) == 0


def test_pet_goes_over_its_ct_and_segmentations_to_their_series(
    project: StoredProject, shared_data: Path
) -> None:
    for name in ("petct_acrin042", "seg_dcmqi_24x38x3", "rtstruct_sts003"):
        project.index(shared_data / name)
    report = project.associate()
    layers = report[(report.kind == "layer") & report.attached]
    assert len(layers) == 2 and layers.why.str.startswith("PET and CT").all()
    segments = report[(report.kind == "segments") & report.attached]
    assert "it refers to this series" in set(segments.why)
    session = project.start(layers.case.iloc[0])
    ((base, (top,)),) = session.view["layers"].items()
    modality = {image.id: image.modality for image in session.document.images}
    assert (modality[base], modality[top["image"]]) == ("CT", "PT")
