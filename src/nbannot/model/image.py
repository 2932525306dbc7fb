"""An image: real-world values on a grid or a stack, loaded when needed."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbannot.errors import GeometryError, NbannotError, SuvError, UnknownItemError
from nbannot.model.geometry import Grid
from nbannot.model.sliced import DTYPES, Sliceable, SlicedPixels

Pixels = NDArray[Any]
Photometric = Literal["MONOCHROME1", "MONOCHROME2", "RGB"]
VoiFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
SuvKind = Literal["bw", "lbm", "bsa"]

# Customary windows by modality, used when the file names none: (centre, width), HU.
DEFAULT_WINDOWS: Mapping[str, tuple[float, float]] = {"CT": (40.0, 400.0)}

DEFAULT_SUV = 7.0
"""Upper end of the window of a PET, SUV by body weight."""

MEASURED = ("CT", "MR", "PT", "NM")
"""Modalities whose values are no probabilities, even where they lie between 0 and 1."""

_MANY = 2**18
"""From so many values on they are counted, so many at a time."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window, in the image's unit: values up to ``lower`` are black, from ``upper`` on white.

    Parameters
    ----------
    center, width
        As a radiologist reads them; PS3.3 C.11.2.1.2 Window Center and Window Width.
    name
        Name given by the file, e.g. "LUNG".
    function
        "LINEAR_EXACT" spans centre ± width / 2 (PS3.3 C.11.2.1.3.2); "LINEAR", the default of
        DICOM for whole numbers, spans centre - 0.5 ± (width - 1) / 2 (C.11.2.1.2.1); "SIGMOID" is
        the S-shaped curve 1 / (1 + exp(-4 (value - centre) / width)), whose steepest part spans
        centre ± width / 2 and which has neither a black nor a white end (C.11.2.1.3.1).

    Raises
    ------
    NbannotError
        When centre or width is not finite, or the width is not above 0.
    """

    center: float
    width: float
    name: str = ""
    function: VoiFunction = "LINEAR_EXACT"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.center) and np.isfinite(self.width) and self.width > 0):
            raise NbannotError(
                f"A window needs a finite centre and a width above 0, got {self.center}, {self.width}"
            )

    @property
    def lower(self) -> float:
        """Value shown black."""
        return self._middle - self._half

    @property
    def upper(self) -> float:
        """Value shown white."""
        return self._middle + self._half

    def apply(self, values: ArrayLike) -> NDArray[np.float32]:
        """Return the grey of values, of any shape: 0 is black, 1 is white."""
        numbers = np.asarray(values, dtype=np.float64)
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                return (1 / (1 + np.exp(-4 * (numbers - self.center) / self.width))).astype(np.float32)
        return np.clip((numbers - self.lower) / (self.upper - self.lower), 0, 1).astype(np.float32)

    @property
    def _middle(self) -> float:
        return self.center - 0.5 if self.function == "LINEAR" else self.center

    @property
    def _half(self) -> float:
        # A LINEAR window of width 1 is a step; a little width keeps the division sound.
        return max(self.width - 1, 1e-3) / 2 if self.function == "LINEAR" else self.width / 2


@dataclass(frozen=True, slots=True, eq=False)
class VoiLut:
    """A table of grey values that the file brings along (PS3.3 C.11.2.1.1).

    Parameters
    ----------
    values
        Grey of each step of one unit, uint16 from 0 (black) to 2**bits - 1 (white).
    first
        Value of the image, in its unit (rescale applied), that ``values[0]`` belongs to. Lower
        values take the first grey, values beyond the end the last one.
    bits
        Depth of the grey values, 8 to 16.
    name
        The file's explanation, e.g. "HARD".
    """

    values: NDArray[np.uint16]
    first: float
    bits: int
    name: str = ""

    def apply(self, values: ArrayLike) -> NDArray[np.float32]:
        """Return the grey of values, of any shape: 0 is black, 1 is white."""
        steps = np.floor(np.asarray(values, dtype=np.float64) - self.first)
        index = np.clip(np.nan_to_num(steps), 0, len(self.values) - 1).astype(np.intp)
        return np.asarray(self.values[index] / np.float32(2**self.bits - 1), dtype=np.float32)

    def greys(self) -> NDArray[np.uint8]:
        """Return the grey of each step in 8 bits."""
        greys: NDArray[np.uint8] = np.rint(self.apply(self.first + np.arange(len(self.values))) * 255).astype(
            np.uint8
        )
        return greys


@dataclass(frozen=True, slots=True)
class Suv:
    """Factors from the values of a PET image to standardized uptake values.

    Parameters
    ----------
    factors
        SUV = factor × value. "bw" by body weight (g/ml), "lbm" by lean body mass (g/ml), "bsa" by
        body surface area (cm²/ml).
    reasons
        Why a factor cannot be computed: names the attribute, never its value.
    notes
        How the factors were found, e.g. which time the dose was decayed to.
    """

    factors: Mapping[SuvKind, float]
    reasons: Mapping[SuvKind, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SliceSource:
    """Where one slice came from: SOP Instance UID, 1-based frame number, file path."""

    sop_instance_uid: str | None = None
    frame: int | None = None
    path: str | None = None


@runtime_checkable
class PixelSource(Protocol):
    """Pixels that are read when asked for.

    ``shape`` is (k, j, i), (t, k, j, i), or either with a last axis of 3 for colour; values are
    real-world values (rescale applied).
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as described above."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values."""
        ...

    def plane(self, k: int, t: int = 0) -> Pixels:
        """Return slice k of frame t as (j, i) or (j, i, 3)."""
        ...

    def load(self) -> Pixels:
        """Return everything."""
        ...


class Image:
    """Real-world values with their place in the world.

    Parameters
    ----------
    pixels
        ndarray or `PixelSource`: (k, j, i), (t, k, j, i), and with a last axis of 3 for colour
        (uint8). dtype uint8, int8, uint16, int16, int32 or float32. MONOCHROME1 is kept as
        stored: the display inverts it. Whatever else is sliced like an array (zarr, h5py, dask) is
        read slice by slice when needed; its bool is shown as uint8, float16 and float64 as float32,
        other whole numbers as int32.
    geometry
        Grid or stack; its shape is (k, j, i).
    name
        A short name to show; never a patient's name.
    modality
        DICOM Modality, e.g. "CT".
    unit
        Unit of the values, e.g. "HU", "BQML", "".
    photometric
        "MONOCHROME2", "MONOCHROME1" or "RGB".
    windows
        Windows named by the file, best first.
    sources
        One `SliceSource` per slice (times frames).
    frame_times
        Time of each frame or plane of a cine, in s.
    orientation_labels
        Patient letters along a row and down a column of a 2-D image (PS3.3 C.7.6.1.1.1).
    study_date
        Date of the study, "YYYYMMDD", with " HHMMSS" where the time is known; orders studies in time
        and never leaves Python.
    rescale
        (slope, intercept) already applied to the values; for information.
    notes
        What a reader should know, e.g. "gantry tilt 14.0°".
    series_description
        The file's own words, for choosing layouts in Python; not sent to the browser.
    laterality, view_position
        "R" or "L", and e.g. "CC", "MLO", "PA"; empty where the file does not say.
    voi_luts
        Tables of grey values of the file, best first.
    burned_in
        Whether the file says that its pixels show who the patient is.
    frame_label, frame_values
        What tells the frames apart ("time" in s, "b-value" in s/mm², "echo time" in ms, …) and its
        value for each frame.
    suv
        For a PET image: factors, or why there are none.

    Raises
    ------
    GeometryError
        When the pixels do not fit the geometry.
    """

    def __init__(
        self,
        pixels: Pixels | PixelSource | Sliceable,
        geometry: Grid,
        *,
        name: str = "",
        id: str | None = None,
        modality: str = "",
        unit: str = "",
        photometric: Photometric = "MONOCHROME2",
        windows: Sequence[Window] = (),
        sources: Sequence[SliceSource] = (),
        frame_times: Sequence[float] | None = None,
        orientation_labels: tuple[str, str] | None = None,
        series_uid: str | None = None,
        study_uid: str | None = None,
        study_date: str | None = None,
        uri: str | None = None,
        rescale: tuple[float, float] = (1.0, 0.0),
        notes: Sequence[str] = (),
        series_description: str = "",
        laterality: str = "",
        view_position: str = "",
        voi_luts: Sequence[VoiLut] = (),
        burned_in: bool = False,
        frame_label: str = "",
        frame_values: Sequence[float] | None = None,
        suv: Suv | None = None,
    ) -> None:
        self.geometry = geometry
        self.is_color = photometric == "RGB"
        self._pixels = _source(pixels, geometry, self.is_color)
        self.name = name
        self.modality = modality
        self.unit = unit
        self.photometric: Photometric = photometric
        self.windows = tuple(windows)
        self.sources = tuple(sources)
        self.frame_times = None if frame_times is None else tuple(map(float, frame_times))
        self.orientation_labels = orientation_labels
        self.series_uid = series_uid
        self.study_uid = study_uid
        self.study_date = study_date
        self.uri = uri
        self.rescale = rescale
        self.notes = tuple(notes)
        self.series_description = series_description
        self.laterality = laterality
        self.view_position = view_position
        self.voi_luts = tuple(voi_luts)
        self.burned_in = burned_in
        self.frame_label = frame_label
        self.frame_values = None if frame_values is None else tuple(map(float, frame_values))
        self.suv = suv
        self.id = id or self._identity()
        self._array: Pixels | None = self._pixels if isinstance(self._pixels, np.ndarray) else None
        self._lock = Lock()

    def _identity(self) -> str:
        uids = [source.sop_instance_uid or "" for source in self.sources]
        if not any(uids) and self.series_uid is None:
            return uuid.uuid4().hex[:16]
        text = "|".join((self.series_uid or "", *(f"{s.sop_instance_uid}#{s.frame}" for s in self.sources)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        kind = f"{self.modality} " if self.modality else ""
        frames = f", {self.frames} frames" if self.frames > 1 else ""
        return f"Image({kind}{self.name!r}, {self.dtype}, {self.geometry!r}{frames})"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size along (k, j, i)."""
        return self.geometry.shape

    @property
    def frames(self) -> int:
        """Number of frames in time (or b-value, echo) at each place; 1 without such an axis."""
        shape = self._pixels.shape
        return shape[0] if len(shape) == 4 + self.is_color else 1

    @property
    def frame_of_reference(self) -> str | None:
        """DICOM Frame of Reference UID: images that share it share their world."""
        return self.geometry.frame_of_reference

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values."""
        return self._pixels.dtype

    @property
    def is_loaded(self) -> bool:
        """Whether all pixels are in memory."""
        return self._array is not None

    @property
    def array(self) -> Pixels:
        """All values, (k, j, i) or with t before and colour after; loaded at the first use."""
        with self._lock:
            if self._array is None:
                self._array = _values(self._pixels)
            return self._array

    def plane_array(self, k: int, *, t: int = 0) -> Pixels:
        """Return slice k of frame t as (j, i) or (j, i, 3) without loading the rest.

        Raises
        ------
        UnknownItemError
            When k or t is outside the image.
        """
        if not (0 <= k < self.shape[0] and 0 <= t < self.frames):
            raise UnknownItemError(
                f"Slice k={k}, frame t={t} does not exist",
                hint=f"The image has k 0…{self.shape[0] - 1} and t 0…{self.frames - 1}.",
            )
        if self._array is None and not isinstance(self._pixels, np.ndarray):
            return self._pixels.plane(k, t)
        array = self.array[t] if self.array.ndim == 4 + self.is_color else self.array
        plane: Pixels = array[k]
        return plane

    def suv_factor(self, kind: SuvKind = "bw") -> float:
        """Return what the values are multiplied with to become standardized uptake values.

        Parameters
        ----------
        kind
            "bw" (body weight, g/ml), "lbm" (lean body mass, g/ml) or "bsa" (body surface area, cm²/ml).

        Raises
        ------
        SuvError
            When the file does not hold what is needed; the attribute is named.
        """
        if self.suv is not None and kind in self.suv.factors:
            return self.suv.factors[kind]
        reason = "the image is no PET image read from DICOM"
        if self.suv is not None:
            reason = self.suv.reasons.get(kind, f"{kind!r} is none of 'bw', 'lbm' and 'bsa'")
        raise SuvError(
            f"There is no SUV factor: {reason}",
            hint='PET images from DICOM have "bw", "lbm" and "bsa" where their header says enough.',
        )

    def default_window(self) -> Window:
        """Return the window that the image is first shown with.

        The file's first; else the customary one of the modality (of a PET whose SUV can be computed
        0 to 7); 0 to 1 for probabilities, whose middle slice lies within; else percentiles 1 to 99 of
        the middle slice. What does not come from the file is named so: "Customary", "SUV 0–7", "0–1"
        or "Automatic".
        """
        if self.windows:
            return self.windows[0]
        if self.unit == "HU" and self.modality in DEFAULT_WINDOWS:
            return Window(*DEFAULT_WINDOWS[self.modality], name="Customary")
        if self.suv is not None and "bw" in self.suv.factors:
            top = DEFAULT_SUV / self.suv.factors["bw"]
            return Window(top / 2, top, name="SUV 0–7")
        values = self.plane_array(self.shape[0] // 2)
        real = values.dtype.kind == "f"
        finite = values[np.isfinite(values)] if real else values
        if real and self.modality not in MEASURED and finite.size and 0 <= finite.min() < finite.max() <= 1:
            return Window(0.5, 1.0, name="0–1")
        low, high = _percentiles(finite, (1, 99)) if finite.size else (0.0, 1.0)
        if high <= low:
            low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        return Window(float(low + high) / 2, max(float(high - low), 1e-6), name="Automatic")


def _percentiles(values: Pixels, parts: tuple[float, ...]) -> list[float]:
    """Return what `numpy.percentile` gives; many short integers are counted, which is five times as fast."""
    info = np.iinfo(values.dtype) if values.dtype.kind in "iu" else None
    if info is None or info.bits > 16 or values.size < _MANY:
        return [float(one) for one in np.percentile(values, parts)]
    flat = values.reshape(-1)
    counts = np.zeros(2**info.bits, np.int64)
    for start in range(0, flat.size, _MANY):
        # int64 within a part only: the whole picture would take eight bytes a pixel.
        part = flat[start : start + _MANY].astype(np.int64) - info.min
        counts += np.bincount(part, minlength=counts.size)
    ends = counts.cumsum()
    found = []
    for at in (part / 100 * (flat.size - 1) for part in parts):
        low, high = (int(ends.searchsorted(int(place), "right")) for place in (np.floor(at), np.ceil(at)))
        found.append(float(info.min + low + (high - low) * (at % 1)))
    return found


def _values(pixels: Pixels | PixelSource) -> Pixels:
    return pixels if isinstance(pixels, np.ndarray) else pixels.load()


def _source(pixels: Pixels | PixelSource | Sliceable, geometry: Grid, color: bool) -> Pixels | PixelSource:
    """Return the pixels as something that gives slices, when they fit the geometry."""
    source: Pixels | PixelSource = (
        pixels if isinstance(pixels, (np.ndarray, PixelSource)) else SlicedPixels(pixels, color=color)
    )
    if source.dtype.name not in DTYPES:
        raise GeometryError(
            f"Pixels of dtype {source.dtype} are not shown",
            hint=f"Convert them to one of {', '.join(DTYPES)}, e.g. array.astype('float32').",
        )
    shape = source.shape[:-1] if color else source.shape
    if color and (source.shape[-1] != 3 or source.dtype != np.uint8):
        raise GeometryError(f"Colour pixels must be uint8 with a last axis of 3, got {source.shape}")
    if len(shape) not in (3, 4) or tuple(shape[-3:]) != geometry.shape:
        raise GeometryError(
            f"Pixels of shape {source.shape} do not fit a geometry of shape {geometry.shape}",
            hint="Give (k, j, i) or (t, k, j, i) in the order of the geometry.",
        )
    return source


class Images(Mapping[str, Image]):
    """Several series, by name."""

    def __init__(self, images: Mapping[str, Image]) -> None:
        self._images = dict(images)

    def __getitem__(self, name: str) -> Image:
        try:
            return self._images[name]
        except KeyError:
            raise UnknownItemError(
                f"No image is named {name!r}", hint=f"There are: {', '.join(self._images)}."
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __len__(self) -> int:
        return len(self._images)

    def __repr__(self) -> str:
        lines = [f"{len(self)} images, choose one by name:"]
        for name, image in self._images.items():
            lines.append(f"  {name!r}: {image.modality or 'image'} {image.dtype} {image.geometry!r}")
        return "\n".join(lines)
