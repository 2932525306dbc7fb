"""Registration: find where one image lies in the world of another."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import GeometryError, GeometryWarning, MaskError
from nbannot.formats.progress import Progress, following
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask
from nbannot.model.transform import Kind, Transform

Start = Literal["as-is", "centre", "moments"]

# Voxels of the finest grid compared, unless a spacing is given; coarser levels have an eighth each.
VOXELS = 1.5e6
# Grids compared, in multiples of the finest spacing.
LEVELS = (4, 2, 1)
# Places compared on each level, at most; they are drawn at random from a fixed seed.
SAMPLES = 60_000
# Fewest voxels along an axis that a coarse grid keeps.
FEWEST = 8
BINS = 32
ITERATIONS = 150


def register(
    moving: Image,
    fixed: Image,
    *,
    kind: Kind = "rigid",
    start: Start | Transform | None = None,
    mask: Mask | NDArray[Any] | None = None,
    spacing: float | None = None,
    seed: int = 1,
    progress: Progress | None = None,
) -> Transform:
    """Find the map from the world of one image to that of another, by mutual information.

    It is climbed on grids that become finer, so images of different kinds (CT and MR) can be
    registered. The same arguments give the same result. Neither image is changed.

    Parameters
    ----------
    moving
        The image whose place is looked for.
    fixed
        The image that stays. Of images with frames, the first frame is used.
    kind
        "translation", "rigid" (turn and shift) or "affine" (also scale and shear).
    start
        "as-is", "centre" (the middles of both meet), "moments" (the centres of mass meet), a
        `Transform`, or None: the best of these three by mutual information.
    mask
        Where to compare: a `Mask` of ``fixed`` or an array (k, j, i) of its shape, not 0 inside.
    spacing
        Finest voxel size compared, mm; None chooses it so that about 1.5 million voxels remain.
    seed
        Of the random choice of the places compared.
    progress
        Called with the part done (0 to 1) and a text; what it raises ends the registration, as an
        interrupt of the kernel does. None shows a bar in notebooks.

    Raises
    ------
    GeometryError
        When an image is a picture, clip or irregular series, is in colour, has one value only, or
        the two do not meet.
    MaskError
        When the mask does not fit the fixed image or is empty.

    Warns
    -----
    GeometryWarning
        When a grid is sheared (tilted gantry), which SimpleITK cannot hold: it is resampled to
        right angles, for the comparison alone.
    """
    _check(kind, start, spacing)
    still, moves = _volume(fixed, "fixed"), _volume(moving, "moving")
    where = None if mask is None else _mask_volume(mask, fixed)
    with following(progress) as tell:
        search = _Search(still, moves, where, kind, seed, tell)
        matrix, before, reached = search.run(start, _finest(still, spacing))
    # What is found maps points of the fixed image to the moving one, as resampling needs it.
    return Transform(np.linalg.inv(matrix), moving.id, fixed.id, kind, reached, before)


def _check(kind: str, start: str | Transform | None, spacing: float | None) -> None:
    if kind not in get_args(Kind):
        raise GeometryError(
            f"Unknown kind of registration {kind!r}", hint=f"Choose one of: {', '.join(get_args(Kind))}."
        )
    if start is not None and not isinstance(start, Transform) and start not in get_args(Start):
        raise GeometryError(
            f"Unknown start of a registration {start!r}",
            hint=f"Choose one of: {', '.join(get_args(Start))}, or give a Transform.",
        )
    if spacing is not None and not (np.isfinite(spacing) and spacing > 0):
        raise GeometryError(f"The spacing compared must be a length above 0 mm, got {spacing}")


def simpleitk_transform(transform: Transform) -> Any:
    """Return the SimpleITK transform that resamples the moving image onto the fixed one.

    It maps points of the fixed image's world to the moving one's, which is the inverse of
    ``transform`` and what ``SimpleITK.Resample(moving, fixed, …)`` takes.
    """
    return _affine(np.linalg.inv(transform.matrix))


# Images for SimpleITK -----------------------------------------------------------------------------


def _volume(image: Image, role: str) -> Any:
    """Return the first frame of an image as a SimpleITK image of float32 on a grid at right angles."""
    geometry = image.geometry
    if isinstance(geometry, Stack):
        raise GeometryError(
            f"The {role} image is no volume: it is a picture, a clip or a series of separate planes",
            hint="Only regular grids can be registered.",
        )
    if image.is_color:
        raise GeometryError(f"The {role} image is in colour", hint="Register one of its channels instead.")
    if min(geometry.shape) < 2:
        raise GeometryError(
            f"The {role} image has the shape {geometry.shape}", hint="A volume needs two slices or more."
        )
    values = image.array[0] if image.frames > 1 else image.array
    values = np.asarray(values, dtype=np.float32)
    finite = np.isfinite(values)
    if not finite.any() or float(values[finite].min()) == float(values[finite].max()):
        raise GeometryError(f"The {role} image has one value only: there is nothing to compare")
    if not finite.all():
        values = np.where(finite, values, values[finite].min()).astype(np.float32)
    return _grid(values, geometry, linear=True)


def _mask_volume(mask: Mask | NDArray[Any], fixed: Image) -> Any:
    array = mask.array if isinstance(mask, Mask) else np.asarray(mask)
    if array.shape != fixed.shape:
        raise MaskError(f"The mask has the shape {array.shape}, the fixed image {fixed.shape}")
    if not (array != 0).any():
        raise MaskError("The mask is empty: there is nowhere to compare")
    assert isinstance(fixed.geometry, Geometry)
    return _grid((array != 0).astype(np.uint8), fixed.geometry, linear=False)


def _grid(values: NDArray[Any], geometry: Geometry, *, linear: bool) -> Any:
    import SimpleITK as sitk

    affine = geometry.affine
    if not geometry.is_orthogonal:
        values, affine = _square(values, geometry, linear=linear)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    # Columns of SimpleITK's direction are those of i, j, k; small errors of the header are taken out.
    u, _, v = np.linalg.svd((affine[:3, :3] / steps)[:, ::-1])
    image = sitk.GetImageFromArray(values)
    image.SetSpacing([float(step) for step in steps[::-1]])
    image.SetOrigin([float(x) for x in affine[:3, 3]])
    image.SetDirection([float(x) for x in (u @ v).ravel()])
    return image


def _square(values: NDArray[Any], geometry: Geometry, *, linear: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Resample a sheared grid to one at right angles that holds all of it; its slices stay where they are."""
    from scipy.ndimage import map_coordinates

    if linear:
        warnings.warn(
            "The grid is sheared (tilted gantry): it is resampled to right angles for the registration",
            GeometryWarning,
            stacklevel=5,
        )
    steps = np.linalg.norm(geometry.affine[:3, :3], axis=0)
    across = geometry.affine[:3, 2] / steps[2]
    normal = geometry.normal if geometry.normal @ geometry.affine[:3, 0] > 0 else -geometry.normal
    down = np.cross(normal, across)
    down = down if down @ geometry.affine[:3, 1] > 0 else -down
    axes = np.stack((normal, down, across), axis=1)
    sizes = np.array((geometry.affine[:3, 0] @ normal, geometry.affine[:3, 1] @ down, steps[2]))
    corners = geometry.to_world(
        [
            [k, j, i]
            for k in (0, geometry.shape[0] - 1)
            for j in (0, geometry.shape[1] - 1)
            for i in (0, geometry.shape[2] - 1)
        ]
    )
    local = corners @ axes
    low, high = local.min(axis=0), local.max(axis=0)
    affine = np.eye(4)
    affine[:3, :3] = axes * sizes
    affine[:3, 3] = axes @ low
    shape = np.rint((high - low) / sizes).astype(int) + 1
    places = Geometry(affine, [int(n) for n in shape]).to_world(np.moveaxis(np.indices(shape), 0, -1))
    index = np.moveaxis(geometry.to_index(places), -1, 0)
    outside = float(values.min()) if linear else 0.0
    resampled = map_coordinates(values, index, order=1 if linear else 0, cval=outside)
    return np.asarray(resampled, dtype=values.dtype), affine


def _finest(image: Any, spacing: float | None) -> float:
    sizes, steps = np.array(image.GetSize()), np.array(image.GetSpacing())
    return spacing or max(float(steps.min()), float(np.prod(sizes * steps) / VOXELS) ** (1 / 3))


def _shrunk(image: Any, spacing: float) -> Any:
    """Return the image with voxels of about the spacing, each the mean of those it takes the place of."""
    import SimpleITK as sitk

    factors = [
        max(min(round(spacing / step), size // FEWEST), 1)
        for step, size in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    return sitk.BinShrink(image, factors) if max(factors) > 1 else image


# The search ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Search:
    """One registration; matrices map points of the fixed image to the moving one."""

    fixed: Any
    moving: Any
    mask: Any
    kind: Kind
    seed: int
    tell: Progress
    done: float = 0.0

    def run(self, start: Start | Transform | None, finest: float) -> tuple[NDArray[Any], float, float]:
        """Return the matrix found, and the mutual information before and after."""
        levels = [finest * level for level in LEVELS]
        coarse = self._method(levels[0])
        starts = self._starts(start)
        values = [self._measure(coarse, matrix) for matrix in starts]
        if max(values) == -np.inf:
            raise GeometryError(
                "The two images do not meet where the registration starts",
                hint='Start with start="centre", or give a Transform that brings them together.',
            )
        matrix = starts[int(np.argmax(values))]
        for number, spacing in enumerate(levels):
            matrix = self._climb(matrix, spacing, number)
        judge = self._method(levels[-1])
        reached = self._measure(judge, matrix)
        # An untouched start is better than one that was climbed away from.
        best = starts[int(np.argmax(values))]
        if self._measure(judge, best) > reached:
            matrix, reached = best, self._measure(judge, best)
        before = self._measure(judge, np.eye(4))
        self.tell(1.0, "Registered")
        return matrix, max(before, 0.0), reached

    def _starts(self, start: Start | Transform | None) -> list[NDArray[Any]]:
        if isinstance(start, Transform):
            return [np.asarray(np.linalg.inv(start.matrix))]
        names: Sequence[str] = get_args(Start) if start is None else (start,)
        return [self._start(name) for name in names]

    def _start(self, name: str) -> NDArray[Any]:
        matrix = np.eye(4)
        if name == "centre":
            matrix[:3, 3] = _middle(self.moving) - _middle(self.fixed)
        elif name == "moments":
            matrix[:3, 3] = _mass(self.moving) - _mass(self.fixed)
        return matrix

    def _method(self, spacing: float) -> tuple[Any, Any, Any]:
        """Return a registration method and the two images for a voxel size."""
        import SimpleITK as sitk

        fixed, moving = _shrunk(self.fixed, spacing), _shrunk(self.moving, spacing)
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(min(1.0, SAMPLES / np.prod(fixed.GetSize())), self.seed)
        method.SetInterpolator(sitk.sitkLinear)
        if self.mask is not None:
            method.SetMetricFixedMask(self.mask)
        # Sums made by several threads differ in their last digits from run to run.
        method.SetNumberOfWorkUnits(1)
        return method, fixed, moving

    def _measure(self, prepared: tuple[Any, Any, Any], matrix: NDArray[Any]) -> float:
        """Return the mutual information at a matrix, or -inf where the images do not meet."""
        method, fixed, moving = prepared
        method.SetInitialTransform(_affine(matrix))
        try:
            return -float(method.MetricEvaluate(fixed, moving))
        except RuntimeError:
            return -np.inf

    def _climb(self, matrix: NDArray[Any], spacing: float, number: int) -> NDArray[Any]:
        import SimpleITK as sitk

        method, fixed, moving = self._method(spacing)
        transform = _parametric(matrix, self.kind, _middle(self.fixed))
        method.SetInitialTransform(transform, inPlace=True)
        # The last steps are a hundredth of a voxel.
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=spacing,
            minStep=spacing / 100,
            numberOfIterations=ITERATIONS,
            relaxationFactor=0.6,
            gradientMagnitudeTolerance=1e-6,
        )
        method.SetOptimizerScalesFromPhysicalShift()
        raised: list[BaseException] = []

        def step() -> None:
            try:
                part = (method.GetOptimizerIteration() + 1) / ITERATIONS
                self.tell((number + min(part, 1.0)) / len(LEVELS), f"Registering, {spacing:.1f} mm")
            except BaseException as error:
                raised.append(error)
                method.StopRegistration()

        method.AddCommand(sitk.sitkIterationEvent, step)
        try:
            method.Execute(fixed, moving)
        except RuntimeError as cause:
            if not raised:
                raise GeometryError(
                    "The registration lost the images: they do not meet any more",
                    hint='Try another start, such as start="moments", or kind="rigid".',
                ) from cause
        if raised:
            raise raised[0]
        return _matrix(transform)


def _middle(image: Any) -> NDArray[Any]:
    middle = [(size - 1) / 2 for size in image.GetSize()]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(middle))


def _mass(image: Any) -> NDArray[Any]:
    """Return the centre of mass, counted from the lowest value."""
    import SimpleITK as sitk

    small = _shrunk(image, 4.0)
    values = sitk.GetArrayViewFromImage(small).astype(np.float64)
    weights = values - values.min()
    k, j, i = (
        float((weights.sum(axis=other) * np.arange(n)).sum() / weights.sum())
        for n, other in zip(values.shape, ((1, 2), (0, 2), (0, 1)), strict=True)
    )
    return np.array(small.TransformContinuousIndexToPhysicalPoint((i, j, k)))


def _affine(matrix: NDArray[Any]) -> Any:
    import SimpleITK as sitk

    transform = sitk.AffineTransform(3)
    transform.SetMatrix([float(x) for x in matrix[:3, :3].ravel()])
    transform.SetTranslation([float(x) for x in matrix[:3, 3]])
    return transform


def _parametric(matrix: NDArray[Any], kind: Kind, centre: NDArray[Any]) -> Any:
    """Return a transform of the kind, as near to the matrix as it can be, that turns about a centre."""
    import SimpleITK as sitk

    shift = matrix[:3, :3] @ centre + matrix[:3, 3] - centre
    if kind == "translation":
        return sitk.TranslationTransform(3, [float(x) for x in shift])
    linear = matrix[:3, :3]
    if kind == "rigid":
        u, _, v = np.linalg.svd(linear)
        linear = u @ np.diag((1, 1, np.linalg.det(u @ v))) @ v
    transform: Any = sitk.AffineTransform(3) if kind == "affine" else sitk.Euler3DTransform()
    transform.SetCenter([float(x) for x in centre])
    transform.SetMatrix([float(x) for x in linear.ravel()], *(() if kind == "affine" else (1e-6,)))
    transform.SetTranslation([float(x) for x in shift])
    return transform


def _matrix(transform: Any) -> NDArray[Any]:
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    for axis in range(3):
        matrix[:3, axis] = np.array(transform.TransformPoint(tuple(np.eye(3)[axis] * 1000))) - origin
    matrix[:3, :3] /= 1000
    matrix[:3, 3] = origin
    return matrix
