"""What every kind of project must do about places: index, associate, relink."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contract_access import Crowd
from nbannot.errors import AccessError, FormatError, StoreError
from nbannot.formats import write
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.store import Project
from project_contract import picture


def volume(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4) + value, Geometry(np.eye(4), (2, 3, 4))))
    return path


class CasesContract(Crowd):
    """Cases that come from places."""

    def test_a_place_becomes_cases_with_what_belongs_to_them(
        self, owner: Project, place: Path, tmp_path: Path
    ) -> None:
        data, heard = tmp_path / "places" / "trial", list[tuple[float, str]]()
        for n in range(3):
            volume(data / f"p{n}" / "ct.nii.gz", n)
        volume(data / "p0" / "ct.seg.nii.gz")
        (data / "p1" / "bad.dcm").write_bytes(b"no dicom")
        found = owner.index(data, progress=lambda part, text: heard.append((part, text)))
        assert (sorted(found.cases), found.looked_at) == (["p0", "p1", "p2"], 5)
        assert found.bad["reason"].tolist() == ["not a DICOM file"]
        assert heard[-1][0] == 1.0
        assert owner.index(data).unchanged == 5
        dry = owner.associate(dry_run=True)
        assert dry[["case", "attached"]].to_numpy().tolist() == [["p0", True]]
        assert not owner.start("p0").document.masks
        assert owner.associate()["why"].equals(dry["why"])
        assert [len(owner.start(name, reader="ann").document.masks) for name in ("p0", "p1")] == [1, 0]
        with pytest.raises(StoreError, match="patterns cannot be used"):
            owner.associate(dry_run=True, patterns={"(": "x"})
        ann = self.being("ann", place)
        for refused in (lambda: ann.index(data), ann.associate):
            with pytest.raises(AccessError, match=r"case\.add"):
                refused()
        assert owner.audit.table(action="case.add")["detail"].map(lambda one: one.get("do")).tolist().count(
            "index"
        ) == 2  # fmt: skip

    def test_rules_of_every_kind(self, owner: Project, tmp_path: Path) -> None:
        data = tmp_path / "places" / "trial"
        for n in range(2):
            volume(data / f"P{n}-ct.nii.gz", n)
        assert sorted(owner.index(data, rules=re.compile(r"(?P<case>p\d)", re.IGNORECASE)).cases) == [
            "P0",
            "P1",
        ]
        table = pd.DataFrame({"path": ["P0-ct.nii.gz"], "case": ["first"]})
        assert owner.index(data, rules=table).cases == ["first"]
        (tmp_path / "rules.csv").write_text("path,case\nP1-ct.nii.gz,second\n")
        assert owner.index(data, rules=str(tmp_path / "rules.csv")).cases == ["second"]
        with pytest.raises(StoreError, match="no regular expression"):
            owner.index(data, rules="(")
        with pytest.raises(FormatError, match="no file or folder"):
            owner.index(tmp_path / "places" / "nowhere")

    def test_an_index_is_stopped_and_goes_on(
        self, owner: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("nbannot.formats.scanning.objects.BATCH", 1)
        monkeypatch.setattr("nbannot.store.index.WINDOW", 1)
        data = tmp_path / "places" / "trial"
        for n in range(40):
            volume(data / f"p{n}" / "ct.nii.gz", n)

        def stop(part: float, text: str) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            owner.index(data, progress=stop)
        found = self.again_when_free(owner, data)
        assert found.looked_at == 40
        assert len([name for name in owner.case_names if name.startswith("p")]) == 40

    def again_when_free(self, owner: Project, data: Path) -> object:
        """Index again; a service says that it is busy until it heard that it shall stop."""
        return owner.index(data)

    def test_an_image_that_moved_is_found_by_its_content(self, owner: Project, tmp_path: Path) -> None:
        old = picture(tmp_path / "places" / "old" / "a.png")
        owner.index(old.parent)
        (name,) = [one for one in owner.case_names if one == "a"]
        owner.start(name).close()
        new = tmp_path / "places" / "elsewhere" / "b.png"
        new.parent.mkdir()
        old.rename(new)
        image = owner.references(name)[0].name
        other = picture(tmp_path / "places" / "other.png", value=1)
        with pytest.raises(StoreError, match="does not hold"):
            owner.relink(name, image, other)
        owner.relink(name, image, new)
        assert owner.images(name)[0].shape == (1, 6, 8)
