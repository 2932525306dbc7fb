"""Concepts of measurement reports (PS3.16) and units, under the codes that files use for them."""

from __future__ import annotations

from nbannot.model.labels import Code

SCHEME = "99NBANNOT"
"""Designator of codes that stand for a text of our own."""

RECORD_GROUP, RECORD_CREATOR = 0x0099, "nbannot 1"
"""Private block of a measurement group: what TID 1500 has no place for."""

REPORT = Code("126000", "DCM", "Imaging Measurement Report")
MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
GROUP = Code("125007", "DCM", "Measurement Group")
REGION = Code("111030", "DCM", "Image Region")
TRACKING_ID = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UID = Code("112040", "DCM", "Tracking Unique Identifier")
FINDING = Code("121071", "DCM", "Finding")
SITE = Code("363698007", "SCT", "Finding Site")
LATERALITY = Code("272741003", "SCT", "Laterality")
SHORT_LABEL = Code("125309", "DCM", "Short Label")
COLOR = Code("718499004", "SCT", "Color")
COMMENT = Code("121106", "DCM", "Comment")
REFERENCE_POINTS = Code("122438", "DCM", "Reference Points")
SEGMENT = Code("121191", "DCM", "Referenced Segment")
SEGMENT_FRAME = Code("121214", "DCM", "Referenced Segmentation Frame")
SOURCE = Code("121112", "DCM", "Source of Measurement")
PATH = Code("121055", "DCM", "Path")
DERIVATION = Code("121401", "DCM", "Derivation")
YES = Code("373066001", "SCT", "Yes")
NO = Code("373067005", "SCT", "No")
EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")

# SNOMED-RT codes of older files, and twins, by the code used here (PS3.16 Annex O).
_TWINS = {
    ("G-C0E3", "SRT"): SITE,
    ("G-C171", "SRT"): LATERALITY,
    ("G-D7FE", "SRT"): Code("410668003", "SCT", "Length"),
    ("121211", "DCM"): Code("410668003", "SCT", "Length"),
    ("G-A166", "SRT"): Code("42798000", "SCT", "Area"),
    ("G-A185", "SRT"): Code("103339001", "SCT", "Long axis"),
    ("G-A186", "SRT"): Code("103340004", "SCT", "Short axis"),
    ("G-A220", "SRT"): Code("103355008", "SCT", "Width"),
    ("G-D705", "SRT"): Code("118565006", "SCT", "Volume"),
    ("M-02550", "SRT"): Code("81827009", "SCT", "Diameter"),
    ("G-A197", "SRT"): Code("131191004", "SCT", "Perimeter"),
}

LENGTH = Code("410668003", "SCT", "Length")
LONG_AXIS = Code("103339001", "SCT", "Long axis")
SHORT_AXIS = Code("103340004", "SCT", "Short axis")
ANGLE = Code("1483009", "SCT", "Angle")
COBB_ANGLE = Code("285285000", "SCT", "Cobb angle")

# Field of `Measures`, its concept, and the power of the unit of length (0: degrees).
QUANTITIES: tuple[tuple[str, Code, int], ...] = (
    ("length", LENGTH, 1),
    ("long_axis", LONG_AXIS, 1),
    ("short_axis", SHORT_AXIS, 1),
    ("angle", ANGLE, 0),
    ("area", Code("42798000", "SCT", "Area"), 2),
    ("perimeter", Code("131191004", "SCT", "Perimeter"), 1),
    ("width", Code("103355008", "SCT", "Width"), 1),
    ("height", Code("121207", "DCM", "Height"), 1),
    ("depth", Code("131197000", "SCT", "Depth"), 1),
    ("volume", Code("118565006", "SCT", "Volume"), 3),
)

UNITS = {
    ("mm", 0): Code("deg", "UCUM", "degree"),
    ("mm", 1): Code("mm", "UCUM", "millimeter"),
    ("mm", 2): Code("mm2", "UCUM", "square millimeter"),
    ("mm", 3): Code("mm3", "UCUM", "cubic millimeter"),
    ("px", 0): Code("deg", "UCUM", "degree"),
    ("px", 1): Code("{pixels}", "UCUM", "pixels"),
    ("px", 2): Code("{pixels}2", "UCUM", "square pixels"),
    ("px", 3): Code("{pixels}3", "UCUM", "cubic pixels"),
}
NUMBER = Code("1", "UCUM", "no units")

# Powers of a length and factors to mm, mm² and mm³; radians to degrees.
TO_MM: dict[str, tuple[int, float]] = {
    "um": (1, 1e-3),
    "mm": (1, 1.0),
    "cm": (1, 10.0),
    "m": (1, 1000.0),
    "mm2": (2, 1.0),
    "cm2": (2, 100.0),
    "mm3": (3, 1.0),
    "cm3": (3, 1000.0),
    "ml": (3, 1000.0),
    "mL": (3, 1000.0),
    "deg": (0, 1.0),
    "rad": (0, 57.29577951308232),
}


def is_concept(given: Code | None, wanted: Code) -> bool:
    """Whether a code means a concept, older codes for it included."""
    return given is not None and plain(given) == (wanted.value, wanted.scheme)


def plain(given: Code) -> tuple[str, str]:
    """Return value and scheme of a code, in the scheme used here."""
    twin = _TWINS.get((given.value, given.scheme))
    return (given.value, given.scheme) if twin is None else (twin.value, twin.scheme)


def field_of(given: Code | None) -> str:
    """Return the field of `Measures` that a concept stands for; empty for none."""
    if given is None:
        return ""
    if plain(given) == plain(COBB_ANGLE):
        return "angle"
    return next((name for name, concept, _ in QUANTITIES if plain(given) == plain(concept)), "")
