"""Real files, damaged at random: only our errors come out, soon, and without much memory.

NBANNOT_FUZZ=1000 tries so many damages of each file, other ones each time; the suite tries a few, always the same.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbannot.errors import NbannotError, NbannotWarning
from nbannot.formats import header, read, scan
from nbannot.model.image import Image, Images

pytestmark = pytest.mark.slow

_ASKED = os.environ.get("NBANNOT_FUZZ", "")
TRIES = int(_ASKED or 6)
# Far beyond what any of these files takes, on the busiest machine.
SECONDS, BYTES = 120, 2 << 30

settings.register_profile(
    "fuzz",
    max_examples=TRIES,
    derandomize=not _ASKED,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Seed:
    """A sound file of a format; for annotations the image they lie on."""

    name: str
    image: str = ""
    suffix: str = ""


# A reader added to nbannot gets its row here.
SEEDS = [
    Seed("odd/pydicom/MR_small_implicit.dcm"),
    Seed("odd/pydicom/MR_small_bigendian.dcm"),
    Seed("odd/pydicom/image_dfl.dcm"),
    Seed("odd/pydicom/rtdose.dcm"),
    Seed("odd/pydicom/mlut_18.dcm"),
    Seed("odd/mosaic_siemens_axasc35/IM0001.dcm"),
    Seed("us/echo_palette_10frames_rle.dcm"),
    Seed("transfer_syntaxes/HTJ2KLossless_08_RGB.dcm"),
    Seed("transfer_syntaxes/CT1_JLSL.dcm"),
    Seed("transfer_syntaxes/CT1_J2KR.dcm"),
    Seed("transfer_syntaxes/CTImage_jpeg_lossless57.dcm"),
    Seed("enhanced/mr_emri_small.dcm"),
    Seed("odd/dicomdir_media/DICOMDIR"),
    Seed("nifti_misc/anatomical.nii"),
    Seed("odd/mosaic_siemens_axasc35_dcm2niix.nii", suffix=".nii"),
    Seed("rtstruct_sts003/nifti/PET_image.nii.gz", suffix=".nii.gz"),
    Seed("mha/image10x10x10.mha"),
    Seed("nrrd_pyradiomics/prostate_phantom_subvolume.nrrd"),
    Seed("xray_nih_boxes/00026911_000.png"),
    Seed("seg_dcmqi_24x38x3/labels/label_seg.dcm", "seg_dcmqi_24x38x3/ct"),
    Seed("rtstruct_rtutils_phantom/labels/rt.dcm", "rtstruct_rtutils_phantom/ct"),
    Seed("sr_dcmqi_tid1500/sr.dcm", "seg_dcmqi_liver/ct_3slice"),
    Seed("nrrd_slicer/Segmentation.seg.nrrd", "nrrd_slicer/CTChest4.nrrd", ".seg.nrrd"),
    Seed("xray_nih_boxes/boxes.csv", "xray_nih_boxes/00026911_000.png"),
]

# Elements whose values are swapped: sizes, bits, places, syntaxes, counts.
TAGS = [
    0x00020010, 0x00080005, 0x00080016, 0x00180088, 0x00200032, 0x00200037, 0x00280002, 0x00280004, 0x00280006,
    0x00280008, 0x00280010, 0x00280011, 0x00280030, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00281052,
    0x00281053, 0x00281101, 0x00283002, 0x0019100A, 0x00291010, 0x52009230, 0x7FE00010,
]  # fmt: skip
ODD_BYTES = [
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\x7f\xff\x7f",
    b"\0\0\xc0\x7f",
    b"-1\\\\",
    b"1e99",
    b"\1\0\0\0",
]


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Draw how to damage a file: bytes anywhere or near its start, a value, a length, a hole, a copy."""
    kind = draw(st.sampled_from(["flip", "head", "value", "value", "cut", "hole", "twice", "text"]))
    shares = draw(st.lists(st.floats(0, 1), min_size=1, max_size=12))
    filling = draw(st.binary(min_size=12, max_size=12))
    tag, odd = draw(st.sampled_from(TAGS)), draw(st.sampled_from(ODD_BYTES))

    def damage(whole: bytes) -> bytes:
        raw = bytearray(whole)
        first = int(shares[0] * max(len(raw) - 1, 0))
        if kind in ("flip", "head"):
            end = len(raw) if kind == "flip" else min(len(raw), 1500)
            for n, share in enumerate(shares):
                raw[int(share * (end - 1))] = filling[n]
        elif kind == "value":
            order = "<" if shares[0] < 0.9 else ">"
            at = raw.find(struct.pack(f"{order}2H", tag >> 16, tag & 0xFFFF))
            at = at + 4 * (1 + int(shares[-1] * 2.9)) if at >= 0 else int(shares[0] * min(len(raw), 540))
            raw[at : at + len(odd)] = odd
        elif kind == "cut":
            del raw[first:]
        elif kind == "hole":
            del raw[first : first + 1 + filling[0]]
        elif kind == "twice":
            raw[first:first] = raw[first : first + 200]
        else:
            at = next((n for n in range(first, len(raw)) if 48 <= raw[n] <= 57), first)
            raw[at : at + 3] = b"9e9"
        return bytes(raw)

    return damage


@contextmanager
def bounded(what: str) -> Iterator[None]:
    """Fail when the block hangs or takes very much memory."""

    def late(*_: object) -> None:
        raise TimeoutError(what)

    old = signal.signal(signal.SIGALRM, late)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < BYTES


def consume(path: Path, image: Image | Images | None) -> None:
    """Do everything with a file; errors and warnings of ours are all that may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        try:
            if image is not None:
                read(path, image=image)
                return
            found = read(path)
            for one in found.values() if isinstance(found, Images) else [found]:
                assert one.plane_array(one.shape[0] - 1, t=one.frames - 1).size
                assert one.array.shape[-1] >= 1
                assert header(one)
        except NbannotError as error:
            assert error.message
        finally:
            if image is None:
                assert scan(path, progress=lambda done, text: None).shape[1] == 22


def image_for(shared_data: Path, name: str) -> Image | Images | None:
    if not name:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NbannotWarning)
        return read(shared_data / name)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_damaged_files(shared_data: Path, tmp_path: Path, seed: Seed) -> None:
    whole = (shared_data / seed.name).read_bytes()
    path = tmp_path / f"fuzzed{seed.suffix or Path(seed.name).suffix}"
    image = image_for(shared_data, seed.image)

    @settings(settings.get_profile("fuzz"))
    @given(damages())
    def run(damage: Callable[[bytes], bytes]) -> None:
        path.write_bytes(damage(whole))
        with bounded(seed.name):
            consume(path, image)

    run()


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_damaged_archives(shared_data: Path, tmp_path: Path, kind: str) -> None:
    packed = shutil.make_archive(str(tmp_path / "packed"), kind, shared_data / "seg_dcmqi_24x38x3/ct")
    whole = Path(packed).read_bytes()
    path = tmp_path / "fuzzed.bin"

    @settings(settings.get_profile("fuzz"))
    @given(damages())
    def run(damage: Callable[[bytes], bytes]) -> None:
        path.write_bytes(damage(whole))
        with bounded(kind):
            try:
                consume(path, None)
            except NbannotError as error:  # a damaged archive cannot be scanned either
                assert path.name in str(error)

    run()
