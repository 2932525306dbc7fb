"""Images from the objects of other libraries, and back: SimpleITK, nibabel, highdicom, xarray.

Voxels and places are kept exactly; what the other library cannot hold is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError, need
from nbannot.formats.nifti import flipped, nifti_of, nifti_place, nifti_times
from nbannot.formats.placed import grid
from nbannot.formats.stored import StoredPixels
from nbannot.model.geometry import Geometry, Grid, Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask

__all__ = [
    "from_highdicom", "from_nibabel", "from_sitk", "from_xarray",
    "to_highdicom", "to_nibabel", "to_sitk", "to_xarray",
]  # fmt: skip

Voxels = NDArray[Any]

_WAYS = {
    "SimpleITK": "from_sitk",
    "nibabel": "from_nibabel",
    "highdicom": "from_highdicom",
    "xarray": "from_xarray",
}


def way_in(thing: object) -> str:
    """Return which call makes an image of another library's object; empty when there is none."""
    library = type(thing).__module__.partition(".")[0]
    if library in _WAYS:
        return f"Make it an image: nbannot.formats.convert.{_WAYS[library]}(…)."
    if isinstance(thing, np.ndarray):
        return "Give the array its place: nbannot.Image(array, nbannot.Geometry(…))."
    if library == "pydicom":
        return "Give the path of its file to nbannot.read."
    return ""


def _image(voxels: Voxels, place: Grid, *, color: bool, name: str, **more: Any) -> Image:
    """Return an image of voxels (t, k, j, i) or with colour last, in a dtype that is shown."""
    size = voxels.shape[:4]
    four = (size[0], size[1], size[2], size[3])
    pixels = StoredPixels(name or "The image", lambda: voxels, four, voxels.dtype, color=color)
    array = pixels.load()
    return Image(
        array, place, name=name, photometric="RGB" if color else "MONOCHROME2", notes=pixels.notes, **more
    )


def _regular(item: Image | Mask, what: str, *, sheared: bool) -> Geometry:
    """Return the grid of an image, when the other library can hold it."""
    geometry = item.geometry
    if not isinstance(geometry, Geometry):
        raise GeometryError(
            f"{item.name!r} is a stack of planes without a regular grid, which {what} cannot hold",
            hint="Take its planes one by one: image.plane_array(k).",
        )
    if not sheared and not geometry.is_orthogonal:
        raise GeometryError(
            f"{item.name!r} is sheared (a tilted gantry), and {what} holds axes at right angles only",
            hint="Use to_nibabel or to_xarray, or write it as .nrrd.",
        )
    return geometry


def _is_color(item: Image | Mask) -> bool:
    return isinstance(item, Image) and item.is_color


def from_sitk(image: Any, *, name: str = "") -> Image:
    """Return a SimpleITK image of two, three or four axes as an image.

    The fourth axis, or the numbers of a vector, are frames; three or four numbers of 8 or 16 bits are a
    colour. Two axes are a picture without a place in the patient.

    Parameters
    ----------
    image
        A SimpleITK.Image.
    name
        A name to show.

    Raises
    ------
    FormatError
        When its numbers are not shown (complex), or it has a fourth axis of vectors.
    GeometryError
        When its place is not finite.
    """
    import SimpleITK as sitk

    axes, parts = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if axes not in (2, 3, 4) or (axes == 4 and parts > 1):
        raise FormatError(f"A SimpleITK image of {axes} axes with {parts} numbers each is not shown")
    voxels = sitk.GetArrayFromImage(image)
    color = parts in (3, 4) and voxels.dtype.name in ("uint8", "uint16")
    if color:
        voxels = voxels[..., :3].reshape(1, *(1,) * (3 - axes), *voxels.shape[:-1], 3)
    elif parts > 1:
        voxels = np.moveaxis(voxels, -1, 0)
        voxels = voxels.reshape(len(voxels), *(1,) * (3 - axes), *voxels.shape[1:])
    else:
        voxels = voxels.reshape((1,) * (4 - axes) + voxels.shape)
    size = min(axes, 3)
    directions = np.array(image.GetDirection()).reshape(axes, axes)[:size, :size]
    steps = directions.T * np.array(image.GetSpacing())[:size, None]
    place = grid(
        name or "The image", steps, np.array(image.GetOrigin())[:size], image.GetSize()[:size], unit="mm"
    )
    return _image(voxels, place, color=color, name=name)


def to_sitk(item: Image | Mask) -> Any:
    """Return an image or mask as a SimpleITK.Image; frames are a fourth axis, colour is a vector.

    Raises
    ------
    GeometryError
        When it is sheared, a stack of several planes, or a single plane in the patient.
    """
    import SimpleITK as sitk

    color, array = _is_color(item), item.array
    if isinstance(item.geometry, Stack) and item.geometry.shape[0] == 1 and not item.geometry.patient_space:
        plane = item.geometry.planes[0]
        steps, origin = np.stack((plane.column_step, plane.row_step))[:, :2], plane.origin[:2]
        array = array.squeeze(-3 - color)
    else:
        geometry = _regular(item, "SimpleITK", sheared=False)
        steps, origin = geometry.affine[:3, 2::-1].T, geometry.affine[:3, 3]
    size, frames = len(steps), array.ndim - color > len(steps)
    made = sitk.GetImageFromArray(array, isVector=color)
    axes = size + frames
    spacing, directions, start = np.ones(axes), np.eye(axes), np.zeros(axes)
    spacing[:size] = np.linalg.norm(steps, axis=1)
    directions[:size, :size] = (steps / spacing[:size, None]).T
    start[:size] = origin
    times = item.frame_times if isinstance(item, Image) else None
    if frames and times is not None and len(times) > 1 and times[1] > times[0]:
        spacing[-1] = times[1] - times[0]
    made.SetSpacing(spacing.tolist())
    made.SetDirection(directions.ravel().tolist())
    made.SetOrigin(start.tolist())
    return made


def from_nibabel(image: Any, *, name: str = "") -> Image:
    """Return a nibabel image as an image; its affine (to RAS) is turned to LPS.

    Parameters
    ----------
    image
        A spatial image of nibabel with up to four axes, e.g. Nifti1Image.
    name
        A name to show.

    Raises
    ------
    FormatError
        When it has more axes, or its numbers are not shown.
    GeometryError
        When its affine is missing or singular.
    """
    voxels = np.asanyarray(image.dataobj)
    color = voxels.dtype.names is not None
    full = (*voxels.shape, 1, 1, 1)[: max(voxels.ndim, 4)]
    if len(full) > 4 and any(n != 1 for n in full[4:]):
        raise FormatError(
            f"A nibabel image of shape {voxels.shape} is not shown", hint="Up to four axes are."
        )
    voxels = voxels.reshape(full[:4]).T
    if color:
        if not {"R", "G", "B"} <= set(voxels.dtype.names or ()):
            raise FormatError(f"A nibabel image of {voxels.dtype} numbers is not shown")
        voxels = np.stack([voxels[one] for one in ("R", "G", "B")], axis=-1)
    if image.affine is None:
        raise GeometryError("The nibabel image has no affine", hint="Give it one.")
    header, times = image.header, None
    if hasattr(header, "get_xyzt_units"):
        place, _ = nifti_place(name or "The image", header, image.affine, voxels.shape[1:4])
        times = nifti_times(header, voxels.shape[0])
    else:
        place = Geometry(flipped(np.array(image.affine, float))[:, (2, 1, 0, 3)], voxels.shape[1:4])
    return _image(voxels, place, color=color, name=name, frame_times=times)


def to_nibabel(item: Image | Mask) -> Any:
    """Return an image or mask as a nibabel.Nifti1Image, sheared ones too (by their sform).

    Raises
    ------
    GeometryError
        When it is a stack of planes.
    """
    geometry = _regular(item, "nibabel", sheared=True)
    return nifti_of(item.array, geometry, item.frame_times if isinstance(item, Image) else None)


def from_highdicom(volume: Any, *, name: str = "") -> Image:
    """Return a highdicom.Volume in the patient as an image; one channel axis is colour or frames.

    Parameters
    ----------
    volume
        A highdicom.Volume.
    name
        A name to show.

    Raises
    ------
    FormatError
        When it has several channel axes, or its numbers are not shown.
    GeometryError
        When it lies on a slide, not in a patient.
    """
    import highdicom as hd

    if volume.coordinate_system != hd.CoordinateSystemNames.PATIENT:
        raise GeometryError("The volume lies on a slide, not in a patient")
    voxels, channels = volume.array, volume.channel_descriptors
    if len(channels) > 1:
        raise FormatError(
            f"A volume with {len(channels)} channel axes is not shown", hint="Choose one channel."
        )
    color = bool(channels) and channels[0] == hd.RGB_COLOR_CHANNEL_DESCRIPTOR and voxels.shape[-1] == 3
    voxels = np.moveaxis(voxels, -1, 0) if channels and not color else voxels[None]
    if voxels.dtype == bool:
        voxels = voxels.astype(np.uint8)
    place = Geometry(volume.affine, volume.spatial_shape, frame_of_reference=volume.frame_of_reference_uid)
    return _image(voxels, place, color=color, name=name)


def to_highdicom(item: Image | Mask) -> Any:
    """Return an image or mask as a highdicom.Volume; frames become the channel TemporalPositionIndex.

    Raises
    ------
    GeometryError
        When it is sheared or a stack of planes.
    """
    import highdicom as hd

    geometry = _regular(item, "highdicom", sheared=False)
    array = item.array
    channels: Any = None
    if _is_color(item):
        channels = {hd.RGB_COLOR_CHANNEL_DESCRIPTOR: list(hd.RGBColorChannels)}
        if array.ndim == 5:
            raise FormatError(f"{item.name!r} has colour and frames, of which a volume holds one")
    elif array.ndim == 4:
        array = np.moveaxis(array, 0, -1)
        channels = {"TemporalPositionIndex": list(range(1, array.shape[-1] + 1))}
    try:
        return hd.Volume(
            array,
            np.array(geometry.affine),
            "PATIENT",
            frame_of_reference_uid=geometry.frame_of_reference,
            channels=channels,
        )
    except ValueError as cause:
        raise GeometryError(f"highdicom refuses the grid of {item.name!r}: {cause}") from cause


_AXES = ("t", "k", "j", "i", "rgb")
_NAMES = {"z": "k", "y": "j", "x": "i", "c": "rgb"}


def to_xarray(item: Image | Mask) -> Any:
    """Return an image or mask as an xarray.DataArray.

    Its axes are t, k, j, i and rgb, those it has; k, j and i have the numbers 0, 1, … as coordinates, and
    ``attrs["affine"]`` maps them, (k, j, i, 1), to LPS mm, so that a part of it keeps its place. A
    picture has ``attrs["spacing"]`` (rows, columns) instead.

    Raises
    ------
    GeometryError
        When it is a stack of several planes, or a plane in the patient.
    MissingDependencyError
        When xarray is not installed.
    """
    xarray: Any = need("xarray", extra="xarray")
    color, array, geometry = _is_color(item), item.array, item.geometry
    attrs: dict[str, Any] = {}
    if isinstance(geometry, Stack) and geometry.shape[0] == 1 and not geometry.patient_space:
        array = array.squeeze(-3 - color)
        attrs = {"spacing": geometry.spacing[1:], "spacing_unit": geometry.unit}
        axes: tuple[str, ...] = ("j", "i")
    else:
        attrs = {"affine": np.array(_regular(item, "xarray", sheared=True).affine)}
        axes = ("k", "j", "i")
    if array.ndim - color > len(axes):
        axes = ("t", *axes)
    axes = (*axes, "rgb") if color else axes
    coordinates: dict[str, Any] = {
        axis: np.arange(size) for axis, size in zip(axes, array.shape, strict=True) if axis in "kji"
    }
    if isinstance(item, Image):
        attrs |= {"modality": item.modality, "unit": item.unit}
        if "t" in axes and item.frame_times is not None:
            coordinates["t"] = np.array(item.frame_times)
    return xarray.DataArray(array, dims=axes, coords=coordinates, attrs=attrs, name=item.name or None)


def from_xarray(array: Any, *, name: str = "") -> Image:
    """Return an xarray.DataArray as an image.

    Axes may be named t, k, j, i, rgb in any order, as `to_xarray` gives them, or t, z, y, x, c with
    coordinates in mm (LPS), as SimpleITK, ITK and spatial-image have it, and their ``attrs["direction"]``.

    Parameters
    ----------
    array
        The array, or a part of one.
    name
        A name to show; the array's own when missing.

    Raises
    ------
    FormatError
        When an axis has another name.
    GeometryError
        When coordinates are not evenly spaced, or nothing says where the voxels lie.
    """
    data = array.rename({old: new for old, new in _NAMES.items() if old in array.dims or old in array.coords})
    unknown = [axis for axis in data.dims if axis not in _AXES]
    if unknown or not {"j", "i"} <= {*data.dims, *data.coords}:
        raise FormatError(
            f"The axes {', '.join(map(str, array.dims))} are not understood",
            hint="Name them t, k, j, i, rgb.",
        )
    spatial = [axis for axis in ("k", "j", "i") if axis in data.dims or axis in data.coords]
    data = data.expand_dims([axis for axis in spatial if axis not in data.dims])
    data = data.transpose(*[axis for axis in _AXES if axis in data.dims])
    place = _xarray_place(name or str(array.name or "The array"), data, spatial)
    voxels, color = data.to_numpy(), "rgb" in data.dims and data.sizes["rgb"] in (3, 4)
    if "rgb" in data.dims and not color:
        raise FormatError(f"A colour axis of {data.sizes['rgb']} numbers is not shown")
    if voxels.dtype == bool:
        voxels = voxels.astype(np.uint8)
    voxels = voxels[..., :3] if color else voxels
    lead = (data.sizes.get("t", 1), data.sizes.get("k", 1))
    voxels = voxels.reshape(*lead, *voxels.shape[-2 - color :])
    times = None
    if "t" in data.dims and "t" in data.coords and data["t"].dtype.kind in "iuf":
        times = tuple(float(one) for one in data["t"].to_numpy())
    more = {one: str(data.attrs.get(one, "")) for one in ("modality", "unit")}
    return _image(voxels, place, color=color, name=name or str(array.name or ""), frame_times=times, **more)


def _xarray_place(name: str, data: Any, spatial: Sequence[str]) -> Grid:
    """Return the place of an array with the axes k, j, i, or of a picture with the axes j, i."""
    shape = [data.sizes[axis] for axis in spatial]
    ends = {axis: _even(name, axis, data) for axis in spatial}
    if len(spatial) == 2:
        unit: Literal["mm", "px"] = "mm" if data.attrs.get("spacing_unit") == "mm" else "px"
        steps = np.array(data.attrs.get("spacing", (1.0, 1.0)), float) * [ends[axis][1] for axis in spatial]
        return Stack.picture((shape[0], shape[1]), spacing=(float(steps[0]), float(steps[1])), unit=unit)
    first, step = (np.array([ends[axis][n] for axis in spatial]) for n in (0, 1))
    if "affine" in data.attrs:
        affine = np.array(data.attrs["affine"], dtype=float)
        if affine.shape != (4, 4):
            raise GeometryError(f"{name}: attrs['affine'] must be 4 × 4")
        origin = affine[:3, :3] @ first + affine[:3, 3]
        columns = affine[:3, :3] * step
    else:
        if not all(axis in data.coords for axis in spatial):
            raise GeometryError(
                f"{name} does not say where its voxels lie",
                hint="Give coordinates in mm, or attrs['affine'].",
            )
        directions = np.array(data.attrs.get("direction", np.eye(3)), dtype=float)
        if directions.shape != (3, 3):
            raise GeometryError(f"{name}: attrs['direction'] must be 3 × 3")
        # Of (x, y, z), while our axes are (k, j, i).
        origin, columns = first[::-1], directions[:, ::-1] * step
    full = np.eye(4)
    full[:3, :3], full[:3, 3] = columns, origin
    return Geometry(full, shape)


def _even(name: str, axis: str, data: Any) -> tuple[float, float]:
    """Return the first coordinate and the step of an axis; 0 and 1 where there are none."""
    if axis not in data.coords:
        return 0.0, 1.0
    values = np.atleast_1d(data[axis].to_numpy())
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise GeometryError(f"{name}: the coordinates of {axis} are no finite numbers")
    if len(values) == 1:
        return float(values[0]), 1.0
    step = float(values[-1] - values[0]) / (len(values) - 1)
    if step == 0 or np.abs(values - (values[0] + step * np.arange(len(values)))).max() > 1e-3 * abs(step):
        raise GeometryError(
            f"{name}: the coordinates of {axis} are not evenly spaced", hint="Take a regular part."
        )
    return float(values[0]), step
