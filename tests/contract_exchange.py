"""What every kind of project must do about building by program, export and merge."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from contract_access import Crowd
from moves import SHAPE, phantom, state
from nbannot.errors import AccessError, ConflictError, FormatError, StoreError
from nbannot.session import SessionBuilder
from nbannot.store import Project
from project_contract import picture


def found() -> np.ndarray:
    array = np.zeros(SHAPE, bool)
    array[1, 2:4, 3] = True
    return array


class ExchangeContract(Crowd):
    """Sessions and projects that come and go as a whole."""

    copies = False
    """Whether images must be copied into the project."""

    def test_built_sessions_are_kept_for_their_readers(self, owner: Project, place: Path) -> None:
        build = {
            name: SessionBuilder(phantom(), labels=["lesion"], origin="model:net 2").mask("liver", found())
            for name in ("c1", "n1", "n2")
        }
        build["n1"].window(40, 400)
        made = owner.build(
            build, readers={"c1": "ann", "n1": ["ann", "ext"], "n2": ["ext"]}, copy=True, assign=True
        )
        assert made["reader"].tolist() == ["ann", "ann", "ext", "ext"]
        ext = self.being("ext", place)
        frame = ext.tasks.table()
        assert frame["case"].tolist() == ["n1", "n2"]
        session = ext.tasks.begin(frame["task"].iloc[0])
        assert np.array_equal(session.document.masks["liver"].array, found())
        assert session.history()["origin"].tolist()[0] == "model:net 2"
        assert list(session.view["windows"].values()) == [[40, 400]]
        session.document.masks["liver"].paint((0, 0, 0))
        assert owner.case("n1").mask("ann", "liver").sum() == 2
        with pytest.raises(ConflictError, match="'ann' has a session of case 'c1' already"):
            owner.build({"n3": build["n1"], "c1": build["c1"]}, readers="ann", copy=True)
        assert "n3" not in owner.case_names
        with pytest.raises(StoreError, match="not an image of case 'c2'"):
            owner.build({"c2": SessionBuilder(phantom(uid="another"))}, readers="ann")
        with pytest.raises(AccessError):
            self.being("ann", place).build({"c2": build["c1"]}, readers="ext")

    @pytest.mark.parametrize("images", [True, False])
    def test_a_project_goes_out_and_in(
        self, owner: Project, place: Path, tmp_path: Path, images: bool
    ) -> None:
        owner.add_case("p1", images=picture(tmp_path / "a" / "scan.png"), labels=["spot"], copy=self.copies)
        session = self.being("ann", place).start("p1")
        session.document.masks["spot"].paint((0, 0, 0))
        session.save()
        session.document.masks["spot"].paint((0, 1, 1))
        owner.configs.set("windowing: {level: 40, width: 400}")
        file = owner.export_to(tmp_path / "out", images=images)
        assert file.suffix == ".zip"
        other = self.being("zoe", tmp_path / "elsewhere")
        if not images:
            # The other site has the image itself.
            other.add_case("p1", images=picture(tmp_path / "b" / "renamed.png"), copy=self.copies)
        report = other.merge(file)
        row = report[report["case"] == "p1"].iloc[0]
        assert (row["reader"], row["result"]) == ("ann", "new")
        if images:
            assert other.case_names == ["c1", "c2", "x1", "p1"]
        else:
            assert "neither in the file nor" in report["result"].iloc[0]
            assert other.case_names == ["p1"]
        assert (
            state(other.case("p1").document("ann"))["masks"][0]["voxels"]
            == (state(session.document)["masks"][0]["voxels"])
        )
        assert other.configs.of("p1").config.windowing == (40, 400)
        assert len(other.history("p1", reader="ann")) == 2

        def again(name: str) -> str:
            report = other.merge(owner.export_to(tmp_path / name))
            return str(report[report["case"] == "p1"]["result"].iloc[0])

        assert again("known.zip") == "known"
        session.document.masks["spot"].paint((0, 2, 2))
        assert again("later.zip") == "more"
        assert other.case("p1").mask("ann", "spot").sum() == 3
        other.start("p1", reader="ann").document.masks["spot"].paint((0, 3, 3))
        session.document.masks["spot"].paint((0, 3, 1))
        assert "in different ways" in again("apart.zip")
        with pytest.raises(AccessError):
            self.being("rev", place).export_to(tmp_path / "mine.zip")

    def test_what_is_no_export_is_refused(self, owner: Project, place: Path, tmp_path: Path) -> None:
        bad = tmp_path / "bad.zip"
        bad.write_bytes(b"no zip")
        with pytest.raises(FormatError, match="no exported project"):
            owner.merge(bad)
        with zipfile.ZipFile(bad, "w") as archive:
            archive.writestr("project.json", '{"nbannot": "project", "version": 1}')
            archive.writestr("cases/1.json", '{"name": "e1", "images": [{}], "sessions": []}')
        with pytest.raises(FormatError, match="damaged"):
            owner.merge(bad)
        assert "e1" not in owner.case_names
        with pytest.raises(AccessError):
            self.being("ann", place).merge(bad)
