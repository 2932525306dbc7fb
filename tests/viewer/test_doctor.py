"""The doctor: a plain table in which every warning says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbannot.host.messages import PROTOCOL
from nbannot.viewer.doctor import Check, Report, doctor

MODULE = "nbannot.viewer.doctor"


def find(report: Report, name: str) -> Check:
    return next(check for check in report.checks if check.name == name)


def test_every_check_says_what_it_found() -> None:
    report = doctor()
    names = [check.name for check in report.checks]
    for name in ("nbannot", "Python", "pydicom", "zstd", "browser module", "DICOM JPEG 2000"):
        assert name in names
    assert all(check.found for check in report.checks)
    assert all(check.advice for check in report.checks if not check.ok)
    assert find(report, "zstd").ok and find(report, "DICOM RLE").ok
    text = repr(report)
    assert text.splitlines()[-1].endswith(("All is well.", "warnings.", "warning."))


def test_the_browser_module_must_be_there_and_speak_this_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{MODULE}._STATIC", tmp_path)
    check = find(doctor(), "browser module")
    assert not check.ok and "make js" in check.advice
    (tmp_path / "viewer.css").write_text("")
    (tmp_path / "viewer.js").write_text("something old")
    assert "another version" in find(doctor(), "browser module").found
    (tmp_path / "viewer.js").write_text(f'"{PROTOCOL}"')
    assert find(doctor(), "browser module").ok


def test_the_server_extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    monkeypatch.setattr("jupyter_core.paths.jupyter_config_path", lambda: [str(tmp_path)])
    check = find(doctor(), "fast path (server extension)")
    assert not check.ok and "jupyter server extension enable nbannot.jupyter" in check.advice
    folder = tmp_path / "jupyter_server_config.d"
    folder.mkdir()
    (folder / "nbannot.json").write_text('{"ServerApp": {"jpserver_extensions": {"nbannot.jupyter": true}}}')
    assert find(doctor(), "fast path (server extension)").ok


def test_an_old_kernel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}._version", lambda package: None if package == "nibabel" else "6.31.0")
    report = doctor()
    assert not find(report, "ipykernel subshells").ok
    assert not find(report, "nibabel").ok
    assert "WARNING  nibabel" in repr(report) and "pip install nibabel" in repr(report)
    assert not report.ok
