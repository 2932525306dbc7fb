"""A chest made of formulas: radiodensity and tracer uptake of every point in patient space.

All lengths are millimetres in LPS (x to the patient's left, y to the back, z to the head). The origin lies in
the middle of the body at the level of the upper abdomen; the lung tips are near z = 290.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
Point = tuple[float, float, float]

EDGE = 1.6  # width over which a border fades from one tissue to the next: partial volume


class Tissue(NamedTuple):
    """What a tissue looks like in each modality."""

    hu: float
    suv: float


AIR = Tissue(-1000, 0.0)
SKIN = Tissue(20, 0.5)
FAT = Tissue(-100, 0.25)
MUSCLE = Tissue(58, 0.65)
LUNG = Tissue(-850, 0.4)
BLOOD = Tissue(215, 1.6)
VESSEL_WALL = Tissue(70, 1.2)
MYOCARDIUM = Tissue(105, 3.4)
CORTICAL = Tissue(820, 0.8)
MARROW = Tissue(230, 1.4)
DISC = Tissue(95, 0.6)
CARTILAGE = Tissue(120, 0.6)
CORD = Tissue(35, 1.2)
LIVER = Tissue(108, 2.1)
SPLEEN = Tissue(122, 1.7)
KIDNEY = Tissue(185, 3.6)
GUT = Tissue(62, 1.3)
THYROID = Tissue(165, 1.4)
WATER = Tissue(12, 0.4)
TUMOUR = Tissue(48, 8.6)
TABLE = Tissue(-420, 0.0)


@dataclass(frozen=True, slots=True)
class Nodule:
    """A lung tumour: a ball at `center` (world, mm) with `radius` (mm)."""

    center: Point
    radius: float


@dataclass(frozen=True, slots=True)
class Tube:
    """A round tube along a line of world points, its radius (mm) changing evenly from one end to the other."""

    points: tuple[Point, ...]
    start_radius: float
    end_radius: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The adjustable parts of the chest."""

    nodule: Nodule = field(default_factory=lambda: Nodule((-74.0, 22.0, 205.0), 10.0))
    seed: int = 20


AORTA = Tube(
    ((4, -18, 140), (-9, -24, 165), (-12, -22, 190), (-4, -14, 212), (12, 0, 221), (24, 20, 220), (28, 36, 208),
     (27, 44, 190), (26, 47, 150), (22, 48, 80), (14, 46, -10)),
    14.5, 11.5,
)  # fmt: skip
PULMONARY = (
    Tube(((8, -40, 146), (16, -32, 168), (16, -12, 182)), 12, 11),
    Tube(((16, -12, 182), (-14, 2, 180), (-40, 10, 174)), 9.5, 7.5),
    Tube(((16, -12, 182), (34, 4, 186), (46, 12, 180)), 9.5, 7.5),
)
VEINS = (
    Tube(((-25, -10, 305), (-25, -12, 220), (-23, -14, 140)), 7.5, 9),
    Tube(((-20, 0, 125), (-22, 18, 70), (-20, 30, -10)), 9, 9.5),
    Tube(((10, 2, 146), (-30, 12, 150), (-46, 14, 146)), 7, 5),
    Tube(((10, 2, 146), (38, 14, 150), (52, 16, 146)), 7, 5),
)
ARCH_BRANCHES = (
    Tube(((-2, -13, 214), (-14, -8, 245), (-24, -2, 305)), 5.5, 4.5),
    Tube(((12, 0, 225), (14, 2, 255), (20, 2, 305)), 4.5, 4),
    Tube(((24, 16, 224), (30, 18, 255), (44, 12, 305)), 5, 4.5),
)
LIVER_VESSELS = (
    Tube(((-20, 12, 20), (-45, 5, 40), (-75, -5, 55)), 6, 2.5),
    Tube(((-20, 20, 75), (-50, 25, 62), (-85, 30, 40)), 5, 2),
    Tube(((-20, 14, 76), (-40, -15, 66), (-60, -40, 45)), 5, 2),
    Tube(((-30, 8, 28), (-10, -35, 38), (12, -55, 34)), 4, 2),
)
AIRWAYS = (
    Tube(((0, 8, 305), (0, 14, 240), (0, 17, 196)), 8.5, 8.5),
    Tube(((0, 17, 196), (-24, 19, 180), (-48, 20, 166)), 7, 4.5),
    Tube(((0, 17, 196), (32, 22, 176), (52, 24, 162)), 6.5, 4.5),
)
CLAVICLES = (
    Tube(((-16, -88, 258), (-60, -70, 272), (-118, -28, 288)), 6.5, 5.5),
    Tube(((16, -88, 258), (60, -70, 272), (118, -28, 288)), 6.5, 5.5),
)
HILA = {
    -1: ((-44, 12, 174), (-48, 20, 164), (-48, 14, 146)),
    1: ((46, 12, 180), (52, 24, 160), (52, 16, 146)),
}


class Grid(NamedTuple):
    """Sample positions of an axial volume: world coordinates of the slices, rows and columns."""

    z: FloatArray
    y: FloatArray
    x: FloatArray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        return (len(self.z), len(self.y), len(self.x))


def covered(distance: FloatArray) -> FloatArray:
    """Return how much of each sample lies inside a border, from its signed distance (mm, negative inside)."""
    part: FloatArray = np.clip(np.float32(0.5) - distance / np.float32(EDGE), 0, 1).astype(np.float32)
    return part


def ellipsoid(offsets: Sequence[FloatArray | float], radii: Sequence[float]) -> FloatArray:
    """Return the signed distance (mm, good near the border) to an ellipse or ellipsoid at the origin."""
    inner = sum((o / r) ** 2 for o, r in zip(offsets, radii, strict=True))
    slope = sum((o / r**2) ** 2 for o, r in zip(offsets, radii, strict=True))
    rho = np.sqrt(np.asarray(inner, np.float32))
    distance: FloatArray = rho * (rho - 1) / np.sqrt(np.asarray(slope, np.float32) + np.float32(1e-9))
    return distance


def cage_scale(z: float) -> float:
    """Return the width of the rib cage at height `z` as a part of its greatest width."""
    return 1.0 if z < 150 else 1.0 - 0.38 * ((z - 150) / 145) ** 2


def dome(x: FloatArray, y: FloatArray, side: int) -> FloatArray:
    """Return the height (mm) of the diaphragm; `side` is -1 for the patient's right, 1 for the left."""
    top = 108 if side < 0 else 97
    return top - 45 * (((x - side * 70) / 62) ** 2 + ((y - 5) / 88) ** 2)


def floor(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the height (mm) of the whole diaphragm: two domes, and the tendon that carries the heart."""
    tendon = 84 - 45 * ((y - 5) / 88) ** 2 - 0.006 * x**2
    height: FloatArray = np.maximum.reduce([dome(x, y, -1), dome(x, y, 1), tendon])
    return height


def heart_offsets(x: FloatArray, y: FloatArray, z: float) -> tuple[FloatArray, FloatArray, float]:
    """Return coordinates along the heart's own axes, which point to the left and front."""
    dx, dy = x - 20, y + 26
    return (dx * 0.82 - dy * 0.57, dx * 0.57 + dy * 0.82, z - 128)


def lung(x: FloatArray, y: FloatArray, z: float, side: int) -> FloatArray:
    """Return the signed distance (mm) to the surface of one lung."""
    outside = [
        ellipsoid((x - side * 72, y - 8, max(z - 95, 0.0)), (60, 86, 195)),
        (dome(x, y, side) - z) * np.float32(0.7),
        -ellipsoid((x - 2, y + 6), (27 + 6 * cage_scale(z), 92)),
        3 - ellipsoid(heart_offsets(x, y, z), (62, 46, 54)),
        6 - ellipsoid((x, y - 68), (20, 24)),
        3 - ellipsoid((x - 26, y - 47), (13, 13)) if side > 0 and z < 215 else np.full_like(x, -99),
    ]
    distance: FloatArray = np.maximum.reduce([np.broadcast_to(d, x.shape) for d in outside]).astype(
        np.float32
    )
    return distance


class Chest:
    """The phantom sampled on one axial grid, slice by slice."""

    def __init__(self, grid: Grid, plan: Plan) -> None:
        self.grid = grid
        self.plan = plan
        self._rng = np.random.default_rng(plan.seed)
        self._y, self._x = np.meshgrid(grid.y, grid.x, indexing="ij")
        self._blood = self._stamp([AORTA, *PULMONARY, *VEINS, *ARCH_BRANCHES], grow=0.0)
        self._blood_wall = self._stamp([AORTA], grow=2.0)
        self._lumen = self._stamp(AIRWAYS, grow=0.0)
        self._airway = self._stamp(AIRWAYS, grow=2.2)
        self._liver_blood = self._stamp(LIVER_VESSELS, grow=0.0)
        self._clavicle = self._stamp(CLAVICLES, grow=0.0)
        self._clavicle_inside = self._stamp(CLAVICLES, grow=-2.4)
        branches = [tube for side in (-1, 1) for tube in self._branches(side)]
        self._lung_vessels = self._stamp(branches, grow=0.0)
        self._marbling = smooth(
            self._rng.standard_normal(grid.shape, dtype=np.float32), (6, 6, 6), spacing_of(grid)
        )
        self._marbling /= self._marbling.std()

    def _branches(self, side: int) -> Iterator[Tube]:
        """Grow the vessels of one lung from its root until they get thin or reach its surface."""
        roots = [(side * 0.5, 0.2 * lean, rise) for rise in (-1.0, -0.3, 0.4, 1.1) for lean in (-1, 1)]
        ends = [(np.array(hilum, float), np.array(root), 4.4) for hilum in HILA[side] for root in roots]
        while ends:
            start, direction, radius = ends.pop()
            heading = direction + self._rng.normal(0, 0.42, 3)
            heading /= np.linalg.norm(heading)
            stop = start + heading * (9 + 3.2 * radius)
            x, y = (np.full((1, 1), v, np.float32) for v in stop[:2])
            inside = float(lung(x, y, float(stop[2]), side)[0, 0])
            if inside > -2 and radius < 4:
                continue
            thinner = radius * self._rng.uniform(0.72, 0.86)
            yield Tube((as_point(start), as_point(stop)), radius, thinner)
            if thinner > 0.75:
                ends += [(stop, heading, thinner), (stop, heading, thinner * self._rng.uniform(0.7, 1.0))]

    def _stamp(self, tubes: Sequence[Tube], *, grow: float) -> npt.NDArray[np.uint8]:
        """Return the part of each voxel (0–255) covered by tubes made thicker by `grow` mm."""
        volume = np.zeros(self.grid.shape, np.uint8)
        for tube in tubes:
            radii = np.linspace(tube.start_radius, tube.end_radius, len(tube.points)) + grow
            for n in range(len(tube.points) - 1):
                self._stamp_piece(volume, tube.points[n], tube.points[n + 1], radii[n], radii[n + 1])
        return volume

    def _stamp_piece(
        self, volume: npt.NDArray[np.uint8], start: Point, stop: Point, radius: float, end_radius: float
    ) -> None:
        reach = max(radius, end_radius) + 2
        box = []
        for axis, positions in zip((2, 1, 0), self.grid, strict=True):
            low, high = min(start[axis], stop[axis]) - reach, max(start[axis], stop[axis]) + reach
            box.append(slice(*np.searchsorted(positions, (low, high))))
        z, y, x = np.meshgrid(
            *(p[b] for p, b in zip(self.grid, box, strict=True)), indexing="ij", sparse=True
        )
        line = np.subtract(stop, start)
        along = ((x - start[0]) * line[0] + (y - start[1]) * line[1] + (z - start[2]) * line[2]) / (
            line @ line
        )
        along = np.clip(along, 0, 1)
        away = np.sqrt(sum((p - s - along * d) ** 2 for p, s, d in zip((x, y, z), start, line, strict=True)))
        inside = covered(away - (radius + along * (end_radius - radius)))
        target = volume[tuple(box)]
        np.maximum(target, (inside * 255).astype(np.uint8), out=target)

    def slice(self, k: int) -> tuple[FloatArray, FloatArray]:
        """Return radiodensity (HU) and uptake (SUV) of one axial slice, rows by columns."""
        z = float(self.grid.z[k])
        canvas = Canvas(self._x.shape)
        self._draw_wall(canvas, z, self._marbling[k])
        self._draw_abdomen(canvas, z, k)
        self._draw_lungs(canvas, z, k)
        self._draw_heart(canvas, z)
        self._draw_vessels(canvas, k)
        self._draw_spine(canvas, z)
        self._draw_ribs(canvas, z, k)
        canvas.put(
            TABLE, covered(np.abs(self._y - 127 + 0.0009 * self._x**2) - 1.6) * (np.abs(self._x) < 165)
        )
        return canvas.hu, canvas.suv

    def _draw_wall(self, canvas: Canvas, z: float, marbling: FloatArray) -> None:
        x, y, scale = self._x, self._y, 0.5 + 0.5 * cage_scale(z)
        body = ellipsoid((np.abs(x) ** 1.08, y - 2), ((166 * scale) ** 1.08, 117 * (0.6 + 0.4 * scale)))
        canvas.put(SKIN, covered(body))
        canvas.put(FAT, covered(body + 2.5))
        layer = 12 + 5 * np.clip(np.abs(y) / 110, 0, 1) + 1.2 * marbling
        canvas.put(MUSCLE, covered(body + layer))
        seam = np.abs(ellipsoid((x, y - 2), (150 * cage_scale(z), 107 * cage_scale(z))) + 1) - 1.2
        canvas.put(FAT, covered(seam + 0.8 * marbling) * covered(body + layer) * np.float32(0.8))
        cavity = covered(ellipsoid((x, y - 2), (134 * cage_scale(z), 97 * cage_scale(z))))
        canvas.put(
            FAT, cavity * np.clip(0.9 - np.clip((z - 200) / 60, 0, 1) * (0.42 - 0.1 * marbling), 0, 0.9)
        )

    def _draw_abdomen(self, canvas: Canvas, z: float, k: int) -> None:
        x, y = self._x, self._y
        if z > 112:
            return
        cage = ellipsoid((x, y - 2), (131, 94))
        under = z - floor(x, y)
        left = z - np.maximum(dome(x, y, 1), floor(x, y) - 6) + 4
        canvas.put(MUSCLE, covered(under) * covered(-under - 3) * covered(cage))
        liver = np.maximum.reduce([ellipsoid((x + 52, y + 2, z - 48), (92, 84, 74)), under + 4, cage])
        canvas.put(LIVER, covered(liver))
        canvas.put(BLOOD._replace(hu=165, suv=1.8), self._liver_blood[k] / np.float32(255) * covered(liver))
        stomach = np.maximum(ellipsoid((x - 58, y + 24, z - 46), (44, 40, 46)), np.maximum(left, cage))
        canvas.put(GUT, covered(stomach))
        canvas.put(WATER, covered(stomach + 3.5))
        canvas.put(AIR, covered(stomach + 3.5) * covered(y + 34))
        spleen = np.maximum(ellipsoid((x - 94, y - 44, z - 52), (29, 42, 50)), np.maximum(left, cage))
        canvas.put(SPLEEN, covered(spleen))
        for side in (-1, 1):
            kidney = ellipsoid((x - side * 60, y - 58, z + 2 if side > 0 else z + 10), (27, 24, 42))
            canvas.put(FAT, covered(kidney - 6))
            canvas.put(KIDNEY, covered(kidney))
            canvas.put(FAT, covered(ellipsoid((x - side * 50, y - 56, z + 6), (13, 9, 22))))

    def _draw_lungs(self, canvas: Canvas, z: float, k: int) -> None:
        x, y = self._x, self._y
        vessels = self._lung_vessels[k] / np.float32(255)
        # Blood sinks: the back of a lying patient's lung is a little denser.
        parenchyma = LUNG.hu + 0.35 * (y + 80) + 14 * self._marbling[k]
        for side in (-1, 1):
            inside = covered(lung(x, y, z, side))
            canvas.put(LUNG, inside, hu=parenchyma)
            canvas.put(BLOOD._replace(hu=90, suv=1.3), vessels * inside)
            fissure = np.abs(z - 150 + side * 12 + 0.9 * (y - 10)) * np.float32(0.74) - 0.3
            canvas.put(LUNG._replace(hu=-640), covered(fissure) * inside * (1 - vessels))
        nodule = self.plan.nodule
        dx, dy, dz = x - nodule.center[0], y - nodule.center[1], z - nodule.center[2]
        ball = np.sqrt(dx**2 + dy**2 + dz**2)
        spikes = 1.1 * np.cos(7 * np.arctan2(dy, dx)) * np.cos(5 * np.arctan2(dz, np.hypot(dx, dy) + 1e-3))
        canvas.put(TUMOUR, covered(ball - nodule.radius - spikes))

    def _draw_heart(self, canvas: Canvas, z: float) -> None:
        x, y = self._x, self._y
        heart = ellipsoid(heart_offsets(x, y, z), (58, 42, 50))
        canvas.put(FAT, covered(heart - 3))
        canvas.put(MYOCARDIUM, covered(heart + 2.5))
        chambers = (
            ((42, -20, 120), (25, 19, 31), 225),
            ((8, -46, 126), (26, 15, 31), 190),
            ((12, -2, 146), (27, 16, 19), 220),
            ((-20, -20, 132), (17, 20, 25), 180),
        )
        for (cx, cy, cz), radii, hu in chambers:
            chamber = np.maximum(ellipsoid((x - cx, y - cy, z - cz), radii), heart + 5)
            canvas.put(BLOOD._replace(hu=hu), covered(chamber))

    def _draw_vessels(self, canvas: Canvas, k: int) -> None:
        part = np.float32(1 / 255)
        canvas.put(VESSEL_WALL, self._blood_wall[k] * part)
        canvas.put(BLOOD, self._blood[k] * part)
        z = float(self.grid.z[k])
        thyroid = ellipsoid((np.abs(self._x) - 16, self._y - 3, z - 294), (8, 12, 26))
        canvas.put(THYROID, covered(thyroid))
        gullet = ellipsoid((self._x - 7, self._y - 40), (8, 6))
        canvas.put(GUT, covered(gullet))
        canvas.put(AIR._replace(hu=-400), covered(gullet + 4.5) * np.float32(0.6))
        canvas.put(CARTILAGE._replace(hu=75), self._airway[k] * part)
        canvas.put(AIR, self._lumen[k] * part)

    def _draw_spine(self, canvas: Canvas, z: float) -> None:
        x, y = self._x, self._y + 6
        phase = (z % 25) - 12.5
        waist = 1.4 * np.cos(phase * np.pi / 10)
        body = ellipsoid((x, y - 70), (18 - waist, 14.5 - waist))
        canvas.put(MUSCLE, covered(ellipsoid((np.abs(x) - 22, y - 98), (24, 14))))
        canvas.put(
            FAT, covered(np.abs(ellipsoid((np.abs(x) - 22, y - 98), (24, 14))) - 0.8) * np.float32(0.7)
        )
        end_plate = abs(phase) - 10.2
        canvas.put(DISC, covered(body + 0.5))
        canvas.put(CORTICAL, covered(np.maximum(body, end_plate)))
        canvas.put(MARROW, covered(np.maximum(body + 2.2, end_plate + 1.6)))
        arch = ellipsoid((x, y - 92), (13.5, 12.5))
        process = np.maximum(np.abs(x) - 3.2, np.abs(y - 105) - 9 - 3 * (abs(phase) < 5))
        wings = np.maximum(np.abs(y - 92 - 0.18 * np.abs(x)) - 4, np.abs(x) - 34 + np.abs(phase) * 0.8)
        for bone, keep in (
            (arch, abs(phase) - 8.5),
            (process, abs(phase) - 7.5),
            (wings, abs(phase - 3) - 5),
        ):
            shape = np.maximum(bone, keep)
            canvas.put(CORTICAL, covered(shape))
            canvas.put(MARROW, covered(shape + 2.4))
        canvas.put(CORTICAL, covered(np.maximum(arch, -ellipsoid((x, y - 91), (10, 9)))) * np.float32(0.35))
        canvas.put(FAT._replace(hu=-40), covered(ellipsoid((x, y - 91), (9.5, 8.5))))
        canvas.put(CORD, covered(ellipsoid((x, y - 91), (6.5, 5.5))))

    def _draw_ribs(self, canvas: Canvas, z: float, k: int) -> None:
        x, y, scale = self._x, self._y, cage_scale(z)
        wall = ellipsoid((x, y - 4), (140 * scale, 101 * scale))
        height = z - 0.62 * (y - 60) + 4
        along = (height % 27) - 13.5
        front = (y < -72) | ((np.abs(x) < 70) & (y < -40))
        gap = (np.abs(x) < 20) & (y < 0)
        rib = ellipsoid((wall, along), (4.2, 6.8))
        shown = (~gap & (height > -40)).astype(np.float32)
        canvas.put(CARTILAGE, covered(rib) * shown * front)
        canvas.put(CORTICAL, covered(rib) * shown * ~front)
        canvas.put(MARROW._replace(hu=310), covered(rib + 1.9) * shown * ~front)
        # The shoulder blades: thin plates behind the ribs, a point at their lower end.
        back = ellipsoid((x, y - 3), (150 * scale, 110 * scale)) - 1
        lower, upper = np.interp(z, (150, 168, 290), (74, 52, 14)), np.interp(z, (150, 290), (76, 84))
        blade = np.maximum.reduce([np.abs(back) - 1.7, lower - y, y - upper, 58 - np.abs(x)])
        canvas.put(CORTICAL._replace(hu=520), covered(np.maximum(blade, max(150 - z, z - 280))))
        part = np.float32(1 / 255)
        canvas.put(CORTICAL, self._clavicle[k] * part)
        canvas.put(MARROW._replace(hu=330), self._clavicle_inside[k] * part)
        breast_y = -97 * scale - 1
        # Wide at the manubrium, slim below it, thin at the tip.
        half = np.interp(z, (92, 112, 205, 225, 250), (5, 15, 13, 24, 27))
        plate = np.maximum(ellipsoid((x, y - breast_y - 0.004 * x**2), (half, 6.5)), max(92 - z, z - 252))
        canvas.put(CORTICAL._replace(hu=420), covered(plate))
        canvas.put(MARROW._replace(hu=150), covered(plate + 1.8))


class Canvas:
    """One slice being painted, later tissues over earlier ones."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.hu = np.full(shape, AIR.hu, np.float32)
        self.suv = np.zeros(shape, np.float32)

    def put(self, tissue: Tissue, part: FloatArray, *, hu: FloatArray | None = None) -> None:
        """Cover `part` (0–1) of each pixel with a tissue, or with its own density per pixel."""
        self.hu += part * ((tissue.hu if hu is None else hu) - self.hu)
        self.suv += part * (tissue.suv - self.suv)


def as_point(values: npt.NDArray[np.float64]) -> Point:
    """Return an array of three numbers as a world point."""
    return (float(values[0]), float(values[1]), float(values[2]))


def spacing_of(grid: Grid) -> tuple[float, float, float]:
    """Return the spacing (mm) of slices, rows and columns."""
    return (float(grid.z[1] - grid.z[0]), float(grid.y[1] - grid.y[0]), float(grid.x[1] - grid.x[0]))


def smooth(volume: FloatArray, sigma: Sequence[float], spacing: Sequence[float]) -> FloatArray:
    """Return the volume blurred by a Gaussian of `sigma` mm along each axis, its borders held."""
    margins = [round(3 * s / step) + 1 for s, step in zip(sigma, spacing, strict=True)]
    wide = np.pad(volume, [(m, m) for m in margins], mode="edge")
    spectrum = np.fft.rfftn(wide)
    for axis, (s, step) in enumerate(zip(sigma, spacing, strict=True)):
        count = wide.shape[axis]
        turns = np.fft.rfftfreq(count, step) if axis == 2 else np.fft.fftfreq(count, step)
        shape = [1, 1, 1]
        shape[axis] = -1
        spectrum *= np.exp(-2 * (np.pi * s * turns) ** 2).astype(np.float32).reshape(shape)
    blurred = np.fft.irfftn(spectrum, wide.shape, axes=(0, 1, 2))
    return blurred[tuple(slice(m, -m) for m in margins)].astype(np.float32)
