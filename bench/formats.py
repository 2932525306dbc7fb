"""Time and peak memory of reading and writing files, beside the peers.

A DICOM series against SimpleITK: open it and have all voxels as one array. DICOM SEG against highdicom:
many segments read, five segments on 512 × 512 × 300 written and checked. DICOM SR against highdicom: 500 boxes
written and read back. `nb.scan` against reading the headers by pydicom (see scan.py).

Usage: python bench/formats.py [folder of a series …] [--repeats N]

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
import scan
from measure import Row, machine, markdown
from numpy.typing import NDArray

SLICES, SIZE = 300, 512

# The high-water mark of the program itself: the one of getrusage is handed down by who started it.
PEAK = """
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
"""
NBANNOT = """
import json, sys, time
import numpy, pydicom, pydicom.pixels
from nbannot.formats import read
start = time.perf_counter()
image = read(sys.argv[1])
middle = time.perf_counter()
array = image.array
end = time.perf_counter()
print(json.dumps([end - start, end - start, middle - start,
      peak(), int(array.astype("i8").sum())]))
"""
SIMPLEITK = """
import json, sys, time
import numpy, SimpleITK
reader = SimpleITK.ImageSeriesReader()
start = time.perf_counter()
names = reader.GetGDCMSeriesFileNames(sys.argv[1])
middle = time.perf_counter()
reader.SetFileNames(names)
array = SimpleITK.GetArrayViewFromImage(image := reader.Execute())
end = time.perf_counter()
print(json.dumps([end - start, end - middle, middle - start,
      peak(), int(array.astype("i8").sum())]))
"""

SEGMENTS = 104

NBANNOT_WRITE = """
import json, sys, time, warnings
import numpy, pydicom, nbannot as nb
warnings.simplefilter("ignore")
image, array = nb.read(sys.argv[1]), numpy.load(sys.argv[3])
mask = nb.Mask("m", image, array=array, segments={int(n): f"segment {n}" for n in numpy.unique(array) if n})
start = time.perf_counter(), time.process_time()
nb.write(sys.argv[2], mask)
end = time.perf_counter(), time.process_time()
print(json.dumps([end[0] - start[0], end[1] - start[1],
      peak()]))
"""
HIGHDICOM_WRITE = """
import json, pathlib, sys, time, warnings
import numpy, pydicom, highdicom as hd
warnings.simplefilter("ignore")
array = numpy.load(sys.argv[3])
start = time.perf_counter(), time.process_time()
sources = [pydicom.dcmread(path, stop_before_pixels=True) for path in pathlib.Path(sys.argv[1]).iterdir()]
sources.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
for ds in sources:
    for name in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
                 "AccessionNumber", "StudyID", "ReferringPhysicianName"):
        if name not in ds:
            setattr(ds, name, "")
tissue = hd.sr.CodedConcept("85756007", "SCT", "Tissue")
segments = [hd.seg.SegmentDescription(n, f"segment {n}", tissue, tissue, "MANUAL") for n in range(1, array.max() + 1)]
seg = hd.seg.Segmentation(sources, array, "BINARY", segments, hd.UID(), 1, hd.UID(), 1, "x", "x", "1", "1")
seg.save_as(sys.argv[2])
back = hd.seg.segread(sys.argv[2]).get_pixels_by_source_instance(
    [ds.SOPInstanceUID for ds in sources], combine_segments=True, assert_missing_frames_are_empty=True,
    ignore_spatial_locations=True, skip_overlap_checks=True)
assert (back == array).all()
end = time.perf_counter(), time.process_time()
print(json.dumps([end[0] - start[0], end[1] - start[1],
      peak()]))
"""
NBANNOT_SEG = """
import json, sys, time, warnings
import numpy, pydicom, nbannot as nb
warnings.simplefilter("ignore")
image, array = nb.read(sys.argv[1]), numpy.load(sys.argv[3])
start = time.perf_counter(), time.process_time()
(mask,) = nb.read(sys.argv[2], image=image).masks
end = time.perf_counter(), time.process_time()
assert (mask.array == array).all()
print(json.dumps([end[0] - start[0], end[1] - start[1],
      peak()]))
"""
HIGHDICOM_SEG = """
import json, sys, time, warnings
import numpy, pydicom, highdicom as hd, nbannot as nb
warnings.simplefilter("ignore")
image, array = nb.read(sys.argv[1]), numpy.load(sys.argv[3])
start = time.perf_counter(), time.process_time()
back = hd.seg.segread(sys.argv[2]).get_pixels_by_source_instance(
    [source.sop_instance_uid for source in image.sources], combine_segments=True,
    assert_missing_frames_are_empty=True, ignore_spatial_locations=True, skip_overlap_checks=True)
end = time.perf_counter(), time.process_time()
assert (back == array).all()
print(json.dumps([end[0] - start[0], end[1] - start[1],
      peak()]))
"""


BOXES = 500

NBANNOT_SR = """
import json, sys, time, warnings
import numpy, pydicom, highdicom, nbannot as nb
warnings.simplefilter("ignore")
image = nb.read(sys.argv[1])
boxes = [nb.Box("lesion", ((n % 300, 10 + n % 400, 20), (n % 300, 40 + n % 400, 60))) for n in range(int(sys.argv[3]))]
document = nb.Document(image, labels=[nb.Label("lesion")], masks=[], boxes=boxes)
start = time.perf_counter(), time.process_time()
nb.write(sys.argv[2], document, kind="sr")
back = nb.read(sys.argv[2], image=image)
end = time.perf_counter(), time.process_time()
assert len(back.boxes) == len(boxes)
print(json.dumps([end[0] - start[0], end[1] - start[1],
      peak()]))
"""
HIGHDICOM_SR = """
import json, pathlib, sys, time, warnings
import numpy as np, pydicom, highdicom as hd
from highdicom.sr import CodedConcept
warnings.simplefilter("ignore")
start = time.perf_counter(), time.process_time()
sources = [pydicom.dcmread(path, stop_before_pixels=True) for path in pathlib.Path(sys.argv[1]).iterdir()]
sources.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
for ds in sources:
    for name in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
                 "AccessionNumber", "StudyID", "ReferringPhysicianName"):
        if name not in ds:
            setattr(ds, name, "")
    ds.SpecificCharacterSet = "ISO_IR 100"
lesion = CodedConcept("52988006", "SCT", "Lesion")
groups = []
for n in range(int(sys.argv[3])):
    source, top = sources[n % 300], 10 + n % 400
    corners = np.array([(20, top), (60, top), (60, top + 30), (20, top + 30), (20, top)]) + 0.5
    region = hd.sr.ImageRegion("POLYLINE", corners, hd.sr.SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID))
    groups.append(hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        hd.sr.TrackingIdentifier(hd.UID(), f"box {n}"), referenced_region=region, finding_type=lesion))
person = hd.sr.PersonObserverIdentifyingAttributes("Reader^One")
context = hd.sr.ObserverContext(CodedConcept("121006", "DCM", "Person"), person)
content = hd.sr.MeasurementReport(hd.sr.ObservationContext(observer_person_context=context),
    CodedConcept("363679005", "SCT", "Imaging procedure"), imaging_measurements=groups)
report = hd.sr.Comprehensive3DSR(sources, content, hd.UID(), 1, hd.UID(), 1, manufacturer="x")
report.save_as(sys.argv[2])
back = hd.sr.srread(sys.argv[2]).content.get_planar_roi_measurement_groups()
assert len([one.roi for one in back]) == len(groups)
end = time.perf_counter(), time.process_time()
print(json.dumps([end[0] - start[0], end[1] - start[1],
      peak()]))
"""


def five_segments() -> NDArray[np.uint8]:
    """Return five balls, which touch in places."""
    array = np.zeros((SLICES, SIZE, SIZE), np.uint8)
    balls = (((100, 256, 150), 90), ((150, 150, 350), 70), ((200, 350, 256), 60), ((60, 380, 120), 40),
             ((250, 100, 100), 30))  # fmt: skip
    z, y, x = np.ogrid[:SLICES, :SIZE, :SIZE]
    for n, ((k, j, i), radius) in enumerate(balls, start=1):
        array[(z - k) ** 2 + (y - j) ** 2 + (x - i) ** 2 < radius**2] = n
    return array


def many_segments() -> NDArray[np.uint8]:
    """Return as many small bodies as a whole-body model has classes: of 30 to 60 slices each."""
    array = np.zeros((SLICES, SIZE, SIZE), np.uint8)
    for n in range(SEGMENTS):
        k, j, i = 10 + (n * 37) % 220, 20 + 60 * (n % 8), 20 + 60 * (n // 8 % 8)
        array[k : k + 30 + n % 31, j : j + 40, i : i + 50] = n + 1
    return array


def segmentations(series: Path, repeats: int) -> list[Row]:
    """Return the rows of DICOM SEG; the programs take turns."""
    cases = (
        ("SEG written and read back, 5 segments", five_segments(), NBANNOT_WRITE, HIGHDICOM_WRITE, "≤ 3 s"),
        (f"SEG read, {SEGMENTS} segments", many_segments(), NBANNOT_SEG, HIGHDICOM_SEG, "≤ 10 s"),
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for what, array, code, peer, goal in cases:
            labels, path = Path(folder) / "labels.npy", Path(folder) / "seg.dcm"
            np.save(labels, array)
            once(NBANNOT_WRITE, series, path, labels)
            mine, theirs = [], []
            for _ in range(repeats):
                mine.append(once(code, series, path, labels))
                other = path if peer is HIGHDICOM_SEG else path.with_name("peer.dcm")
                theirs.append(once(peer, series, other, labels))
            rows += beside_highdicom(f"{what}, {SIZE} × {SIZE} × {SLICES}", mine, theirs, goal)
    return rows


def reports(series: Path, repeats: int) -> list[Row]:
    """Return the rows of DICOM SR; the programs take turns."""
    mine, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            for code, found in ((NBANNOT_SR, mine), (HIGHDICOM_SR, theirs)):
                found.append(once(code, series, Path(folder) / "report.dcm", str(BOXES)))
    return beside_highdicom(f"SR of {BOXES} boxes written and read back", mine, theirs, "≤ 13.7 s")


def beside_highdicom(
    what: str, mine: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]], goal: str
) -> list[Row]:
    """Return the rows of what runs gave: time by the clock, processor time, peak MB."""
    memory = [max(row[2] for row in found) for found in (mine, theirs)]
    note = f"peak memory {memory[0]:.0f} MB, highdicom {memory[1]:.0f} MB"
    return [
        Row(
            f"{what}{kind}",
            [row[n] for row in mine],
            "s",
            note="" if n else note,
            peer=[row[n] for row in theirs],
            peer_name="highdicom",
            goal="" if n else goal,
        )
        for n, kind in enumerate(("", ", processor time"))
    ]


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


def once(code: str, *paths: Path | str) -> list[float]:
    """Return the numbers that a program prints, run by itself."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK + code, *map(str, paths)], capture_output=True, text=True, check=True
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(name: str, folder: Path, repeats: int) -> list[Row]:
    """Return the rows of one series; the readers take turns, and must agree about the voxels.

    Each run gives whole time, time without finding the files, time of opening (s), peak MB, checksum.
    """
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
    """Return the rows of the real CT of the test images, and of a series and segmentations made here."""
    repeats = 2 if quick else repeats
    rows = []
    for folder in folders or default_series():
        rows += compare(f"{folder.name}, {len(list(folder.iterdir()))} files", folder, repeats)
    with tempfile.TemporaryDirectory() as made:
        make_series(Path(made))
        rows += compare(f"raw CT, {SLICES} files of {SIZE} × {SIZE}", Path(made), repeats)
        rows += segmentations(Path(made), max(repeats // 2, 1))
        rows += reports(Path(made), 1 if quick else 3)
    for folder in default_series():
        rows += scan.rows(folder, [1000] if quick else [1000, 10_000], 1 if quick else 3)
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
