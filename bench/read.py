"""Time of reading a DICOM series against SimpleITK: open it and have all voxels as one array.

Usage: python bench/read.py [folder of a real series …] [--repeats N]

Each run is a fresh process, so that peak memory is that of one reader alone, and the two readers
take turns. `open + array` includes finding and sorting the files; `array only` leaves that out for
SimpleITK (its file names are given), but not for nbannot.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

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


def run(code: str, folder: Path) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(name: str, folder: Path, repeats: int) -> None:
    times: dict[str, list[list[float]]] = {"nbannot": [], "SimpleITK": []}
    run(NBANNOT, folder)  # fills the file cache
    for _ in range(repeats):
        times["nbannot"].append(run(NBANNOT, folder))
        times["SimpleITK"].append(run(SIMPLEITK, folder))
    sums = {row[4] for rows in times.values() for row in rows}
    assert len(sums) == 1, "the readers disagree about the voxels"
    reference = [statistics.median(row[n] for row in times["SimpleITK"]) for n in (0, 1)]
    for reader, rows in times.items():
        whole = sorted(row[0] for row in rows)
        median, p95 = statistics.median(whole), float(np.percentile(whole, 95))
        opened = statistics.median(row[2] for row in rows)
        memory = max(row[3] for row in rows)
        bare = statistics.median(row[1] for row in rows)
        print(
            f"| {name} | {reader} | {opened:.2f} | {median:.2f} | {p95:.2f} | {memory:.0f} | "
            f"{median / reference[0]:.2f} | {bare / reference[1]:.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    import pydicom
    import SimpleITK

    print(
        f"Reading, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"pydicom {pydicom.__version__}, SimpleITK {SimpleITK.Version.VersionString()}, "
        f"numpy {np.__version__}; {options.repeats} runs each, warm file cache\n"
    )
    print(
        "| series | reader | open s | open + array, median s | p95 s | peak MB | ratio | ratio, array only |"
    )
    print("|---|---|---|---|---|---|---|---|")
    folders = options.folders or [default_series()]
    for folder in folders:
        if folder is not None:
            measure(f"{folder.name}, {len(list(folder.iterdir()))} files", folder, options.repeats)
    with tempfile.TemporaryDirectory() as made:
        make_series(Path(made))
        measure(f"raw CT, {SLICES} files of {SIZE} × {SIZE}", Path(made), options.repeats)


def default_series() -> Path | None:
    """Return the real CT of the test images, when they are there."""
    named = os.environ.get("NBANNOT_TEST_DATA")
    root = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = root / "petct_acrin042" / "ct"
    return folder if folder.is_dir() else None


if __name__ == "__main__":
    main()
