"""The verbs of a viewer that show images together, and its static picture."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from nbannot.assist import register
from nbannot.errors import GeometryError
from nbannot.host.drawing import shown_colormap, shown_unit
from nbannot.model.document import Document
from nbannot.model.image import Image, Window
from nbannot.model.masks import Mask
from nbannot.model.transform import Kind, Transform
from nbannot.viewer import showing
from nbannot.viewer.picture import Picture, draw
from nbannot.viewer.showing import CompareMode, Layer, SlabMode, SuvUnit

KINDS = ("translation", "rigid", "affine")


class Comparing:
    """What a viewer does with several images; `Viewer` is one."""

    view: Any

    @property
    @abstractmethod
    def document(self) -> Document:
        """The annotations shown."""

    @property
    @abstractmethod
    def image(self) -> Image:
        """The image shown."""

    @property
    @abstractmethod
    def layouts(self) -> dict[str, Any]:
        """The layouts of the configuration, by name."""

    @abstractmethod
    def _set(self, **change: Any) -> None:
        """Change the view state."""

    def _plain_view(self) -> dict[str, Any]:
        """Return the view state with the configuration's layout, where it names one, as a tree."""
        layout = self.view.get("layout")
        named = self.layouts.get(layout) if isinstance(layout, str) else None
        return {**self.view, "layout": named} if named else dict(self.view)

    def _image(self, image: Image | str | None) -> Image:
        return self.image if image is None else showing.image_of(self.document, image)

    def add_image(self, image: Image) -> None:
        """Show one more image beside those that the viewer was made with.

        In a session of a project it is shown, but not kept, so nothing can be drawn on it.
        """
        self.document.add_image(image)

    # Spaces --------------------------------------------------------------------------------------

    def register(
        self,
        moving: Image | str,
        fixed: Image | str | None = None,
        *,
        transform: Any = "rigid",
        **options: Any,
    ) -> Transform:
        """Say, or find out, where an image lies in the world of another.

        Parameters
        ----------
        moving
            The image that is placed: itself, its id or its name.
        fixed
            The image it is placed in; None is the one shown.
        transform
            "translation", "rigid" or "affine" registers (`nbannot.register`, which takes the
            ``options``). Or what is known: a `Transform`, a 4 × 4 matrix (moving to fixed world,
            LPS mm), or a SimpleITK transform (fixed to moving points, as its registration gives it).

        Raises
        ------
        GeometryError
            When the images cannot be registered, or the transform has no inverse.
        ViewerError
            When the viewer does not have the images.
        """
        moves, still = self._image(moving), self._image(fixed)
        if isinstance(transform, str):
            if transform not in KINDS:
                raise GeometryError(
                    f"Unknown kind of registration {transform!r}", hint=f"Choose one of: {', '.join(KINDS)}."
                )
            kind: Kind = transform  # type: ignore[assignment]
            # Refuse the same image before the work.
            showing.placed(self.document, self.view, moves, still, Transform.from_matrix(_EYE))
            transform = register(moves, still, kind=kind, **options)
        self._set(**showing.placed(self.document, self.view, moves, still, transform))
        return transform if isinstance(transform, Transform) else self.transforms[moves.id]

    def unregister(self, image: Image | str) -> None:
        """Forget where an image lies in the world of another."""
        self._set(**showing.without_transform(self.view, self._image(image)))

    @property
    def transforms(self) -> dict[str, Transform]:
        """The transforms in use, by id of the moving image."""
        return showing.transforms(self.view)

    # Layers --------------------------------------------------------------------------------------

    def overlay(
        self,
        image: Image | str,
        *,
        over: Image | str | None = None,
        colormap: str | None = None,
        opacity: float | None = None,
        window: Window | tuple[float, float] | str | None = None,
        lower: float | None = None,
        visible: bool | None = None,
        at: int | None = None,
    ) -> None:
        """Draw an image over another, in its own grid, or change how it is drawn.

        What is None stays as it is.

        Parameters
        ----------
        image
            An image of this viewer (see `add_image`).
        over
            The image below; None is the one shown.
        colormap
            Name of a colour map; at first "hot iron".
        opacity
            0 to 1; at first 0.5.
        window
            As for `window`, in the stored unit.
        lower
            Values below are not drawn, in the stored unit; -inf draws all.
        visible
            Whether it is drawn now.
        at
            Place among the layers, 0 lowest; at first on top.

        Raises
        ------
        GeometryError
            When the two do not overlap, or are in different frames of reference and not registered.
        ViewerError
            When the viewer does not have the image, or an option is wrong.
        """
        top, base = self._image(image), self._image(over)
        change = showing.overlaid(
            self.document, self.view, top, base,
            colormap=colormap, opacity=opacity, lower=lower, visible=visible, at=at,
        )  # fmt: skip
        if window is not None:
            change.update(showing.windowed(self.view, top, window))
        self._set(**change)

    @property
    def layers(self) -> list[Layer]:
        """The layers over the image shown, the lowest first."""
        return showing.layers(self.document, self.view, self.image)

    def remove_layer(self, image: Image | str, *, over: Image | str | None = None) -> None:
        """Take a layer away.

        Raises
        ------
        ViewerError
            When it is none.
        """
        self._set(**showing.without_layer(self.view, self._image(image), self._image(over)))

    # Comparison ----------------------------------------------------------------------------------

    def link(
        self,
        *,
        slice: bool | None = None,  # noqa: A002
        cursor: bool | None = None,
        camera: bool | None = None,
        window: bool | None = None,
    ) -> dict[str, bool]:
        """Choose what panes do together, and return all four; without arguments nothing changes.

        Slices, the cursor and the camera (pan and zoom) are linked at first, windows are not.
        """
        change = showing.linked(self.view, slice=slice, cursor=cursor, camera=camera, window=window)
        self._set(**change)
        return dict(change["links"])

    def compare(self, image: Image | str | None, *, mode: CompareMode = "swipe", at: float = 0.5) -> None:
        """Show an image in turn with the one below it; None ends that.

        Parameters
        ----------
        image
            The other image.
        mode
            "swipe": it covers what is right of the line; "flicker": it is there or not.
        at
            Where the line is, as a part of the width; for flicker below 0.5 hides the image.

        Raises
        ------
        GeometryError
            When the two do not overlap, or are in different frames of reference and not registered.
        ViewerError
            When the viewer does not have the image, or an option is wrong.
        """
        if image is None:
            self._set(compare=None)
            return
        other = self._image(image)
        self._set(**showing.compared(self.document, self.view, other, self.image, mode, at))

    def difference(self, first: Mask | str | None, second: Mask | str | None = None) -> None:
        """Paint what only the first mask has (red), only the second (blue), and both (green); None ends that.

        Raises
        ------
        MaskError
            When they are the same mask or belong to different images.
        UnknownItemError
            When there is no mask of the name.
        """
        if first is None or second is None:
            self._set(difference=None)
            return
        self._set(**showing.masks_compared(self.document, first, second))

    # Planes --------------------------------------------------------------------------------------

    def slab(self, mode: SlabMode | None, mm: float = 10.0, *, pane: str | None = None) -> None:
        """Show thick slices: "mip", "minip" or "mean" over ``mm``; None shows thin ones again.

        ``pane`` is a pane's id, such as "axial"; None means all of them.

        Raises
        ------
        ViewerError
            When the mode, the thickness or the pane is wrong.
        """
        self._set(**showing.slabbed(self.document, self._plain_view(), mode, mm, pane))

    def rotate(self, rotation: ArrayLike | tuple[Sequence[float], float] | None) -> None:
        """Turn the planes from the patient's axes; None lets them follow the voxel grid again.

        Parameters
        ----------
        rotation
            A quaternion (x, y, z, w), or ((x, y, z), degrees) about an axis in LPS. A layout with
            an oblique pane turns that one alone.

        Raises
        ------
        ViewerError
            When it is no rotation, or the image is no volume.
        """
        self._set(**showing.rotated(self.document, self.view, rotation))

    def turn(self, pane: str, quarter: int = 0, *, flip: bool = False) -> None:
        """Turn the picture of a pane on the screen: mirrored left to right, then quarters clockwise.

        Raises
        ------
        ViewerError
            When there is no such pane, or the quarters are not whole.
        """
        self._set(**showing.turned(self.document, self._plain_view(), pane, quarter, flip))

    @property
    def colormap(self) -> str:
        """Name of the colour map of the image shown: "grey", or "PET" for a PET, unless another is assigned."""
        return shown_colormap(self.image, self.view)

    @colormap.setter
    def colormap(self, name: str) -> None:
        self._set(**showing.with_colormap(self.view, self.image, name))

    @property
    def unit(self) -> SuvUnit | None:
        """SUV that a PET is shown in: "bw", "lbm" or "bsa"; None is the stored unit, which windows keep."""
        return shown_unit(self.image, self.view)

    @unit.setter
    def unit(self, unit: SuvUnit | None) -> None:
        self._set(**showing.in_unit(self.view, self.image, unit))

    # Picture -------------------------------------------------------------------------------------

    def picture(
        self,
        *,
        width: int = 900,
        height: int | None = None,
        pane: str | None = None,
        ratio: float = 1.0,
        labels: bool = True,
        scale_bar: bool = True,
        allow_burned_in: bool = False,
    ) -> Picture:
        """Return what is shown as a picture that stays in the saved notebook.

        It is drawn anew in Python and holds pixels, the slice, the window, the scale and the sides,
        no names. Zoom and pan are those of the viewer, in mm per px.

        Parameters
        ----------
        width, height
            Px; without a height it follows from the layout, or from the slice where there is one.
        pane
            Id of the only pane to draw, such as "axial".
        ratio
            Pixels per px: 2 makes a sharp picture for print.
        labels
            Draw masks and boxes.
        scale_bar
            Draw a scale.
        allow_burned_in
            Draw images whose file says that their pixels show who the patient is.

        Raises
        ------
        ViewerError
            When the size is impossible, there is no such pane, or an image has burned-in data.
        """
        return draw(
            self.document, self._plain_view(), width=width, height=height, pane=pane, ratio=ratio, labels=labels,
            scale_bar=scale_bar, allow_burned_in=allow_burned_in,
        )  # fmt: skip


_EYE = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
