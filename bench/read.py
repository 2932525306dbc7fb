"""Time of reading a DICOM series against SimpleITK: open it and have all voxels as one array.

Usage: python bench/read.py [folder of a series …] [--repeats N]

Each run is a fresh process, so that peak memory is that of one reader alone, and the two readers
take turns; the file cache is warm.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measure import Row, machine, markdown

SLICES, SIZE = 300, 512

NBANNOT = """
import json, resource, sys, time
import numpy, pydicom, pydicom.pixels
from nbannot.formats import read
start = time.perf_counter()
image = read(sys.argv[1])
middle = time.perf_counter()
array = image.array
end = time.perf_counter()
print(json.dumps([end - start, end - start, middle - start,
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, int(array.astype("i8").sum())]))
"""
SIMPLEITK = """
import json, resource, sys, time
import numpy, SimpleITK
reader = SimpleITK.ImageSeriesReader()
start = time.perf_counter()
names = reader.GetGDCMSeriesFileNames(sys.argv[1])
middle = time.perf_counter()
reader.SetFileNames(names)
array = SimpleITK.GetArrayViewFromImage(image := reader.Execute())
end = time.perf_counter()
print(json.dumps([end - start, end - middle, middle - start,
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, int(array.astype("i8").sum())]))
"""


def make_series(folder: Path) -> None:
    """Write an uncompressed CT series: a smooth body with noise, 12 bits in 16."""
    from pydicom import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    chance = np.random.default_rng(1)
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    series, study, world = generate_uid(), generate_uid(), generate_uid()
    for n in range(SLICES):
        body = np.where(x**2 + (y / (0.6 + n / 900)) ** 2 < 0.8, 1064, 24)
        pixels = (body + chance.integers(0, 40, body.shape)).astype("<u2")
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
        ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.FrameOfReferenceUID = series, study, world
        ds.Modality, ds.SeriesDescription, ds.InstanceNumber = "CT", "bench", n + 1
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [-200, -200, n], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness = [0.78, 0.78], 1
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows, ds.Columns = pixels.shape
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
        ds.PixelData = pixels.tobytes()
        ds["PixelData"].VR = "OW"
        ds.save_as(folder / f"{(n * 7) % SLICES:04}.dcm", enforce_file_format=True)


def once(code: str, folder: Path) -> list[float]:
    """Return whole time, time without finding the files, time of opening (s), peak MB, checksum."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(name: str, folder: Path, repeats: int) -> list[Row]:
    """Return the rows of one series; the readers take turns, and must agree about the voxels."""
    mine: list[list[float]] = []
    peer: list[list[float]] = []
    once(NBANNOT, folder)  # fills the file cache
    for _ in range(repeats):
        mine.append(once(NBANNOT, folder))
        peer.append(once(SIMPLEITK, folder))
    assert len({row[4] for row in (*mine, *peer)}) == 1, "the readers disagree about the voxels"
    memory = [max(row[3] for row in rows) for rows in (mine, peer)]
    note = f"peak memory {memory[0]:.0f} MB, SimpleITK {memory[1]:.0f} MB"
    kinds = (
        ("nb.read + image.array", 0, "≤ 1.0 ×", note),
        ("the same, SimpleITK given the sorted file names", 1, "", ""),
        ("nb.read only (SimpleITK: names sorted by position)", 2, "", ""),
    )
    return [
        Row(
            f"{what}: {name}",
            [row[n] for row in mine],
            "s",
            note=text,
            peer=[row[n] for row in peer],
            peer_name="SimpleITK",
            goal=goal,
        )
        for what, n, goal, text in kinds
    ]


def run(*, quick: bool = False, folders: Sequence[Path] = (), repeats: int = 7) -> list[Row]:
    """Return the rows of the real CT of the test images and of an uncompressed one made here."""
    repeats = 2 if quick else repeats
    rows = []
    for folder in folders or default_series():
        rows += compare(f"{folder.name}, {len(list(folder.iterdir()))} files", folder, repeats)
    with tempfile.TemporaryDirectory() as made:
        make_series(Path(made))
        rows += compare(f"raw CT, {SLICES} files of {SIZE} × {SIZE}", Path(made), repeats)
    return rows


def default_series() -> list[Path]:
    """Return the real CT of the test images, when they are there."""
    named = os.environ.get("NBANNOT_TEST_DATA")
    root = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = root / "petct_acrin042" / "ct"
    return [folder] if folder.is_dir() else []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    print(f"{machine()}\n\n{markdown(run(folders=options.folders, repeats=options.repeats))}")
