"""Display colours of segments: sRGB as "#rrggbb", and CIELab in 16 bits as DICOM codes it."""

from __future__ import annotations

import numpy as np

# sRGB to XYZ with its own white, D65 (IEC 61966-2-1): the standard's profile space has D50, but dcmtk,
# highdicom, dcmjs and so the viewers take D65, and the same colour on all screens is what counts.
_TO_XYZ = np.array(
    ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
)
_FROM_XYZ = np.linalg.inv(_TO_XYZ)
_WHITE = _TO_XYZ.sum(axis=1)
_KNEE = 6 / 29

Lab = tuple[int, int, int]


def lab_of(color: str) -> Lab:
    """Return "#rrggbb" as the three numbers of Recommended Display CIELab Value (PS3.3 C.10.7.1.1)."""
    rgb = np.array([int(color[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = (_TO_XYZ @ linear) / _WHITE
    fx, fy, fz = (t ** (1 / 3) if t > _KNEE**3 else t / (3 * _KNEE**2) + 4 / 29 for t in (x, y, z))
    numbers = ((116 * fy - 16) / 100, (500 * (fx - fy) + 128) / 255, (200 * (fy - fz) + 128) / 255)
    first, second, third = (int(np.clip(round(n * 65535), 0, 65535)) for n in numbers)
    return first, second, third


def color_of(lab: Lab) -> str:
    """Return a DICOM CIELab value as "#rrggbb"; what sRGB cannot show is clipped."""
    light = lab[0] / 65535 * 100
    a, b = (n / 65535 * 255 - 128 for n in lab[1:])
    fy = (light + 16) / 116
    ratios = [f**3 if f > _KNEE else 3 * _KNEE**2 * (f - 4 / 29) for f in (fy + a / 500, fy, fy - b / 200)]
    linear = np.clip(_FROM_XYZ @ (np.array(ratios) * _WHITE), 0, 1)
    rgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(float(n) * 255):02x}" for n in rgb)
