"""Standardized uptake values of PET, from the attributes of the series.

SUV = activity per ml × body size / dose. Which time the dose is decayed to, and the vendors' ways
of saying it, follow the Quantitative Imaging Biomarkers Alliance's vendor-neutral pseudo-code
(RSNA QIBA FDG-PET/CT, "SUV calculation"); attributes are those of PS3.3 C.8.9.1, C.8.9.2 and C.8.9.4.
Where an attribute is missing or impossible no factor is guessed: a reason names the attribute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nbannot.formats.dicom import elements as el
from nbannot.model.image import Suv, SuvKind

_DAY = 86400.0
# Doses below this are taken for MBq written as Bq.
_LEAST_DOSE = 1e5
# A clock without a date tells the day only where the dose is gone by the next one.
_SHORT_LIFE = 12 * 3600.0
# The injection may follow the start of a dynamic scan by this, s.
_LATE_INJECTION = 3600.0
_HALF_LIVES = 10
_KINDS: tuple[SuvKind, ...] = ("bw", "lbm", "bsa")
# SUV Type (0054,1006) → what the values already are.
# "lean" is a lean body mass by a formula that the file does not name.
_TYPES: Mapping[str, str] = {
    "": "bw", "BW": "bw", "LBMJANMA": "lbm", "LBMJAMES128": "james", "LBM": "lean", "BSA": "bsa",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Uptake:
    """What one slice says about uptake: SI units, kg, m, Bq; times in s since some day."""

    units: str = ""
    suv_type: str = ""
    decay: str = ""
    corrected: tuple[str, ...] = ()
    dose: float | None = None
    half_life: float | None = None
    injected: float | None = None
    injected_clock: float | None = None
    weight: float | None = None
    size: float | None = None
    sex: str = ""
    series: float | None = None
    scan: float | None = None
    philips_suv: float | None = None
    philips_activity: float | None = None
    acquired: float | None = None
    offset: float | None = None
    duration: float | None = None


class _NoFactorError(Exception):
    """Why a factor cannot be computed."""


def uptake_of(ds: Any) -> Uptake:
    """Return what the data set of a PET slice says."""
    drug = el.first(ds, 0x00540016)
    philips = _private(ds, 0x7053, "Philips PET Private Group")
    ge = _private(ds, 0x0009, "GEMS_PETD_01")
    offset, duration = el.number(ds, 0x00541300), el.number(ds, 0x00181242)
    return Uptake(
        units=el.text(ds, 0x00541001).upper(),
        suv_type=el.text(ds, 0x00541006).upper(),
        decay=el.text(ds, 0x00541102).upper(),
        corrected=el.words(ds, 0x00280051),
        dose=el.number(drug, 0x00181074) if drug is not None else None,
        half_life=el.number(drug, 0x00181075) if drug is not None else None,
        injected=el.seconds(el.text(drug, 0x00181078)) if drug is not None else None,
        injected_clock=el.seconds(el.text(drug, 0x00181072)) if drug is not None else None,
        weight=el.number(ds, 0x00101030),
        size=el.number(ds, 0x00101020),
        sex=el.text(ds, 0x00100040).upper(),
        series=_moment(ds, 0x00080021, 0x00080031),
        scan=el.seconds(el.text(ds, ge | 0x0D)) if ge is not None else None,
        philips_suv=el.number(ds, philips) if philips is not None else None,
        philips_activity=el.number(ds, philips | 0x09) if philips is not None else None,
        acquired=el.seconds(el.text(ds, 0x0008002A)) or _moment(ds, 0x00080022, 0x00080032),
        offset=None if offset is None else offset / 1000,
        duration=None if duration is None else duration / 1000,
    )


def _private(ds: Any, group: int, creator: str) -> int | None:
    """Return the first tag of a creator's private block (PS3.5 7.8.1)."""
    for block in range(0x10, 0x20):
        if el.text(ds, group << 16 | block) == creator:
            return group << 16 | block << 8
    return None


def _moment(ds: Any, date_tag: int, time_tag: int) -> float | None:
    """Return date and time in s; without a date, the time of day."""
    clock = el.text(ds, time_tag).replace(":", "")
    if not clock:
        return None
    date = el.text(ds, date_tag).replace(".", "")
    whole, dot, fraction = clock.partition(".")
    return el.seconds(f"{date}{whole.ljust(6, '0')}{dot}{fraction}")


def suv_of(slices: Sequence[Uptake]) -> Suv:
    """Return the factors of a series, from what its slices say.

    Factors are for values with the rescale applied. SUV by body weight and by lean body mass is in
    g/ml, by body surface area in cm²/ml.
    """
    first = slices[0]
    own = {"acquired": None, "offset": None, "duration": None, "scan": None}
    if any(replace(one, **own) != replace(first, **own) for one in slices):  # type: ignore[arg-type]
        reason = "the slices of the series contradict each other about dose, units, body or times"
        return Suv({}, dict.fromkeys(_KINDS, reason))
    try:
        scale, given, notes = _scale(slices)
    except _NoFactorError as cause:
        return Suv({}, dict.fromkeys(_KINDS, str(cause)))
    factors: dict[SuvKind, float] = {}
    reasons: dict[SuvKind, str] = {}
    for kind in _KINDS:
        try:
            factors[kind] = scale * _ratio(first, kind, given)
        except _NoFactorError as cause:
            reasons[kind] = str(cause)
    return Suv(factors, reasons, notes)


def _ratio(uptake: Uptake, kind: SuvKind, given: str) -> float:
    """Return what turns a factor of `given` ("dose" for 1 / dose) into one of `kind`."""
    if given == kind or (given, kind) == ("lean", "lbm"):
        return 1.0
    if given == "dose":
        return _body(uptake, kind)
    return _body(uptake, kind) / _body(uptake, given)


def _body(uptake: Uptake, kind: str) -> float:
    """Return the size of the body in g, or in cm² for "bsa"."""
    weight = _positive(uptake.weight, "Patient's Weight (0010,1030)")
    if kind == "bw":
        return weight * 1000
    size = _positive(uptake.size, "Patient's Size (0010,1020)")
    if not 0.2 < size < 3:
        raise _NoFactorError("Patient's Size (0010,1020) is no body height in m")
    if kind == "bsa":
        return body_surface(weight, size) * 1e4
    if uptake.sex not in ("M", "F"):
        raise _NoFactorError("Patient's Sex (0010,0040) is neither M nor F, and lean body mass depends on it")
    if kind == "james":
        return lean_body_mass_james(weight, size, uptake.sex) * 1000
    if kind == "lbm":
        return lean_body_mass(weight, size, uptake.sex) * 1000
    raise _NoFactorError("SUV Type (0054,1006) does not say which body size the values are divided by")


def body_surface(weight: float, size: float) -> float:
    """Return the body surface area in m², from kg and m.

    D. DuBois, E. F. DuBois: A formula to estimate the approximate surface area if height and weight
    be known. Arch. Intern. Med. 17 (1916) 863–871: 0.007184 kg^0.425 cm^0.725.
    """
    return float(0.007184 * weight**0.425 * (size * 100) ** 0.725)


def lean_body_mass(weight: float, size: float, sex: str) -> float:
    """Return the lean body mass in kg, from kg, m and "M" or "F".

    S. Janmahasatian et al.: Quantification of lean bodyweight. Clin. Pharmacokinet. 44 (2005)
    1051–1065. The EANM's guidelines for FDG PET/CT 2.0 and DICOM's LBMJANMA name it; unlike James's
    formula it does not fall again in obese patients.
    """
    bmi = weight / size**2
    return 9270 * weight / (6680 + 216 * bmi if sex == "M" else 8780 + 244 * bmi)


def lean_body_mass_james(weight: float, size: float, sex: str) -> float:
    """Return the lean body mass in kg by James: only to undo it where a file used it.

    W. P. T. James, J. C. Waterlow: Research on obesity. HMSO, London 1976; as DICOM's LBMJAMES128.
    """
    share = (weight / (size * 100)) ** 2
    return 1.10 * weight - 128 * share if sex == "M" else 1.07 * weight - 148 * share


def _positive(value: float | None, name: str) -> float:
    if value is None:
        raise _NoFactorError(f"{name} is missing")
    if value <= 0:
        raise _NoFactorError(f"{name} is not above 0")
    return value


def _scale(slices: Sequence[Uptake]) -> tuple[float, str, tuple[str, ...]]:
    """Return the factor, what it is a factor of ("dose": 1 / dose), and notes.

    GML and CM2ML are SUV already; Philips' CNTS carry a private factor to SUV or to Bq/ml.
    """
    first = slices[0]
    if first.units == "GML":
        given = _TYPES.get(first.suv_type)
        if given is None:
            raise _NoFactorError("SUV Type (0054,1006) is of a kind that is not known")
        note = "the values are SUV already (Units (0054,1001) GML)"
        assumed = () if first.suv_type else ("taken as SUV by body weight",)
        return 1.0, given, (note, *assumed)
    if first.units == "CM2ML":
        return 1.0, "bsa", ("the values are SUV already (Units (0054,1001) CM2ML)",)
    if "ATTN" not in first.corrected and first.corrected:
        raise _NoFactorError("the values are not corrected for attenuation (Corrected Image (0028,0051))")
    if first.units == "CNTS":
        if first.philips_suv:
            return first.philips_suv, "bw", ("factor of the vendor (7053,xx00)",)
        if not first.philips_activity:
            raise _NoFactorError("Units (0054,1001) are counts, and no factor of the vendor is given")
        dose, note = _dose(slices)
        return first.philips_activity / dose, "dose", (note, "activity by the vendor's factor (7053,xx09)")
    if first.units != "BQML":
        state = "are missing" if not first.units else "are neither BQML, CNTS, GML nor CM2ML"
        raise _NoFactorError(f"Units (0054,1001) {state}")
    dose, note = _dose(slices)
    return 1 / dose, "dose", (note,)


def _dose(slices: Sequence[Uptake]) -> tuple[float, str]:
    """Return the dose in Bq at the time that the values are corrected to, and which time that is."""
    first = slices[0]
    dose = _positive(first.dose, "Radionuclide Total Dose (0018,1074)")
    if dose < _LEAST_DOSE:
        raise _NoFactorError("Radionuclide Total Dose (0018,1074) is too small to be in Bq")
    if first.decay == "ADMIN":
        return dose, "values are decay-corrected to the injection"
    if first.decay not in ("START", "NONE"):
        state = "is missing" if not first.decay else "is none of START, ADMIN and NONE"
        raise _NoFactorError(f"Decay Correction (0054,1102) {state}")
    half_life = _positive(first.half_life, "Radionuclide Half Life (0018,1075)")
    if first.decay == "START" and first.corrected and "DECY" not in first.corrected:
        raise _NoFactorError(
            "Decay Correction (0054,1102) and Corrected Image (0028,0051) contradict each other"
        )
    time, note = _start(slices, half_life) if first.decay == "START" else _uncorrected(slices, half_life)
    elapsed = _elapsed(first, time, half_life)
    return float(dose * 2 ** (-elapsed / half_life)), note


def _start(slices: Sequence[Uptake], half_life: float) -> tuple[float, str]:
    """Return the time to which the scanner corrected all slices.

    It is the series' time unless that lies after the first acquisition, as in reprocessed series;
    then GE's own scan time, else the acquisition time less the frame reference time (which counts
    from the reference time to the moment of average activity), else the first acquisition time.
    """
    first = slices[0]
    acquired = [one for one in slices if one.acquired is not None]
    earliest = min(acquired, key=lambda one: one.acquired or 0.0, default=None)
    begin = None if earliest is None else earliest.acquired
    if first.series is not None and (begin is None or first.series <= begin):
        return first.series, "dose decayed to Series Time (0008,0031)"
    scans = [one.scan for one in slices if one.scan is not None]
    if scans:
        return min(scans), "dose decayed to the scan time of GE (0009,xx0D)"
    if earliest is None or begin is None:
        raise _NoFactorError("Series Time (0008,0031) and Acquisition Time (0008,0032) are missing")
    if earliest.offset and earliest.duration:
        time = begin - earliest.offset + _average_moment(earliest.duration, half_life)
        return time, "dose decayed to the start told by Frame Reference Time (0054,1300)"
    return begin, "dose decayed to the first Acquisition Time (0008,0032)"


def _uncorrected(slices: Sequence[Uptake], half_life: float) -> tuple[float, str]:
    """Return the moment that values without decay correction belong to; it must be one for all."""
    times = {one.acquired for one in slices}
    if None in times:
        raise _NoFactorError(
            "Acquisition Time (0008,0032) is missing, and the values are not decay-corrected"
        )
    spans = {one.duration for one in slices}
    if len(times) > 1 or len(spans) > 1:
        raise _NoFactorError(
            "the values are not decay-corrected and the slices were measured at different times"
        )
    time, span = times.pop(), spans.pop()
    return (time or 0.0) + _average_moment(span or 0.0, half_life), "values are not decay-corrected"


def _average_moment(duration: float, half_life: float) -> float:
    """Return when, after the start of a measurement, the activity has its average."""
    rate = math.log(2) / half_life * duration
    return math.log(rate / -math.expm1(-rate)) * half_life / math.log(2) if rate > 1e-9 else duration / 2


def _elapsed(uptake: Uptake, time: float, half_life: float) -> float:
    """Return the s from the injection to `time`."""
    longest = _HALF_LIVES * half_life
    if uptake.injected is not None and time >= _DAY:
        elapsed = time - uptake.injected
        if -_LATE_INJECTION <= elapsed <= longest:
            return elapsed
    clock = uptake.injected_clock
    if clock is None:
        if uptake.injected is None:
            raise _NoFactorError(
                "Radiopharmaceutical Start Time (0018,1072) and DateTime (0018,1078) are missing"
            )
        raise _NoFactorError(
            "Radiopharmaceutical Start DateTime (0018,1078) does not fit the times of the scan"
        )
    if half_life > _SHORT_LIFE:
        raise _NoFactorError(
            "Radiopharmaceutical Start DateTime (0018,1078) is needed: the radionuclide lives for days"
        )
    elapsed = (time - clock) % _DAY  # the injection may lie before midnight
    if elapsed > _DAY - _LATE_INJECTION:
        elapsed -= _DAY
    if elapsed > longest:
        raise _NoFactorError("Radiopharmaceutical Start Time (0018,1072) does not fit the times of the scan")
    return elapsed
