"""The document: annotations on images, changed only through ``apply``."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from threading import RLock
from typing import Any, cast

import numpy as np
from psygnal import Signal

from nbannot.errors import (
    EditError,
    LockedError,
    MaskError,
    UnknownItemError,
)
from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import defaults
from nbannot.model.checks import (
    check_box,
    check_label,
    check_locked,
    check_locked_items,
    check_mask,
    check_references,
    check_shape,
    check_tag,
    locked_values,
)
from nbannot.model.edits import Batch, Edit, Item, Paint, Put, Remove, is_empty, painted
from nbannot.model.image import Image
from nbannot.model.items import Items, counted, place
from nbannot.model.joining import joining
from nbannot.model.labels import Label, LabelSet, new_id
from nbannot.model.listening import Callback, Kind, Listening
from nbannot.model.masks import Change, Mask, MaskInfo, Segment
from nbannot.model.removal import label_removal
from nbannot.model.renaming import label_renaming
from nbannot.model.runs import Runs, clip_index
from nbannot.model.shapes import Shape
from nbannot.model.spill import Spill
from nbannot.model.timeline import Step, steps_of, way


class Document:
    """The set of annotations on one or more images.

    Parameters
    ----------
    images
        The image or images annotated; the first is the default one.
    labels
        A `LabelSet`, labels, or their names.
    masks
        Masks; None makes one empty mask per label of lesions.
    boxes, shapes, tags
        Boxes, shapes and tags; with labels and masks they are the start, not part of the history.
    id
        Stable id; random when missing.
    author
        Who edits; the login name when missing.

    Attributes
    ----------
    run
        Random: revisions of another run, after a restart, mean something else.
    edited
        Signal ``(edit, revision)``, emitted after each edit while ``lock`` is held.
    extended
        Signal ``(image)``, emitted when an image was added with `add_image`.
    notes
        What a file that the document was read from said besides, or could not be read of it.
    journal
        Called with ``(edit, revision)`` before anyone hears of an edit; when it raises, the edit is
        taken back and refused.
    """

    edited = Signal(Edit, int)
    extended = Signal(Image)

    def __init__(
        self,
        images: Image | Sequence[Image],
        *,
        labels: LabelSet | Iterable[Label | str] = (),
        masks: Iterable[Mask] | None = None,
        boxes: Iterable[Box] = (),
        shapes: Iterable[Shape] = (),
        tags: Iterable[Tag] = (),
        id: str | None = None,
        author: str | None = None,
    ) -> None:
        self.images: tuple[Image, ...] = (images,) if isinstance(images, Image) else tuple(images)
        if not self.images:
            raise EditError("A document needs at least one image")
        self.id, self.run = id or new_id(), new_id()
        self.author = author if author is not None else getpass.getuser()
        self.notes: tuple[str, ...] = ()
        self.revision = 0
        self.lock = RLock()
        self.journal: Callable[[Edit, int], None] | None = None
        self._labels: dict[str, Label] = {}
        self._masks: dict[str, Mask] = {}
        self._boxes: dict[str, Box] = {}
        self._shapes: dict[str, Shape] = {}
        self._tags: dict[str, Tag] = {}
        self._retired: dict[str, Mask] = {}
        self._guests: set[str] = set()
        self._history: list[Edit] = []
        self._by_id: dict[str, Edit] = {}
        self._undo: list[Edit] = []
        self._redo: list[Edit] = []
        self._spill = Spill(lambda: sum(mask.array.nbytes for mask in self._masks.values()))
        self._begin(labels, masks)
        items: list[Item] = [*boxes, *shapes, *tags]
        for item in items:
            check_references(self, self._perform(Put(item)))

    def _begin(self, labels: LabelSet | Iterable[Label | str], masks: Iterable[Mask] | None) -> None:
        """Set the starting state; it is not part of the history."""
        for label in LabelSet(labels.values() if isinstance(labels, LabelSet) else labels).values():
            self._perform(Put(label))
        if masks is None:
            masks = [Mask(label.name, self.images[0]) for label in self.labels if label.allows("lesion")]
        for mask in masks:
            for segment in mask.segments:
                if segment.label not in self.labels:
                    self._perform(Put(Label(segment.label)))
            check_mask(self, mask.info)
            self._adopt(mask)

    def __repr__(self) -> str:
        held = {"image": self.images, "label": self._labels, "mask": self._masks, "box": self._boxes,
                "shape": self._shapes, "tag": self._tags}  # fmt: skip
        parts = ", ".join(counted(len(items), kind) for kind, items in held.items())
        return f"Document({parts}, revision {self.revision})"

    @property
    def labels(self) -> Items[Label]:
        """Labels, by name or id."""
        return Items("label", self._labels)

    @property
    def masks(self) -> Items[Mask]:
        """Masks, by name or id."""
        return Items("mask", self._masks)

    @property
    def boxes(self) -> Items[Box]:
        """Boxes, by id."""
        return Items("box", self._boxes)

    @property
    def shapes(self) -> Items[Shape]:
        """Shapes, by id."""
        return Items("shape", self._shapes)

    @property
    def tags(self) -> Items[Tag]:
        """Tags, by id."""
        return Items("tag", self._tags)

    @property
    def history(self) -> tuple[Edit, ...]:
        """Every edit in order, undone ones and the undoing ones included."""
        return tuple(self._history)

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether there is an edit to bring back."""
        return bool(self._redo)

    def image(self, id: str = "") -> Image:
        """Return the image of this id; the first one for an empty id.

        Raises
        ------
        UnknownItemError
            When no image has the id.
        """
        for image in self.images:
            if id in ("", image.id):
                return image
        raise UnknownItemError(f"The document has no image {id!r}")

    def add_image(self, image: Image) -> None:
        """Show one more image in every viewer of the document; this is not part of the history.

        In a session of a project it is a guest: shown, but not kept, so nothing can be drawn on it.
        """
        with self.lock:
            if any(one.id == image.id for one in self.images):
                return
            self.images = (*self.images, image)
            self._guests.add(image.id)
        self.extended.emit(image)

    def seen(self, id: str) -> bool:
        """Whether an edit of this id was applied."""
        return id in self._by_id

    def apply(self, edit: Edit) -> Edit:
        """Make an edit and return it as recorded.

        An edit whose id was applied before is not applied again.

        Raises
        ------
        EditError, MaskError, UnknownLabelError, UnknownItemError, OutsideImageError, LockedError
            When it does not fit; nothing is changed then.
        """
        with self.lock:
            if edit.id and edit.id in self._by_id:
                return self._by_id[edit.id]
            self._refresh_touched(edit)
            if not edit.undoes:
                check_locked_items(self, edit)
            recorded = self._perform(self._sign(edit))
            try:
                check_references(self, recorded)
                self._note(recorded)
            except BaseException:
                self._perform(recorded.inverse())
                raise
            self._announce(recorded)
            return recorded

    def replay(self, edits: Iterable[Edit]) -> None:
        """Make recorded edits again, as part of the history.

        What was recorded took effect once, so a lock does not stop it: changes made in an array
        in place are recorded also where a label is locked.
        """
        for edit in edits:
            try:
                self.apply(edit)
            except LockedError:
                if not isinstance(edit, Paint):
                    raise
                mask = self.masks[edit.mask]
                flat, _, new = edit.runs.voxels()
                mask.array[clip_index(edit.box, flat)] = new.astype(mask.array.dtype)
                self._record_change(mask, (edit.box, edit.runs), edit)

    def add(self, item: Item | Mask | Document | str) -> Edit:
        """Add a label (or its name), box, shape, tag or mask, or replace the one of the same id.

        Labels that a mask's segments name are added with it. A new box, shape or tag without
        attributes begins with the defaults of its label. Of another document, e.g. one that was read
        from a file, everything is added as one edit (see `nbannot.model.joining`).
        """
        if isinstance(item, Document):
            return self.apply(joining(self, item, {one.id for one in self.images}, item.images[0]))
        if isinstance(item, str):
            item = Label(item)
        if not isinstance(item, Mask):
            return self.apply(Put(self._begun(item)))
        with self.lock:
            missing = [s.label for s in item.segments if s.label not in self.labels]
            edits: list[Edit] = [*(Put(Label(name)) for name in missing), Put(item.info)]
            # Voxels of a locked label, or of none, are recorded by themselves, as any change in place.
            if not item.unknown_values(np.array(item.used_values())) and not locked_values(self, item):
                edits += painted(item)
            array, item.array = item.array, np.zeros_like(item.array)
            item.forget()
            self._retired[item.id] = item
            try:
                recorded = self.apply(Batch(tuple(edits), f"add mask {item.name}"))
            except BaseException:
                del self._retired[item.id]
                raise
            finally:
                item.array = array
            item.refresh()
            return recorded

    def _begun(self, item: Item) -> Item:
        """Return a new item with the defaults of its label."""
        if not isinstance(item, Box | Shape | Tag) or item.attributes or item.id in self._kind(item):
            return item
        label = self.labels.get(item.label)
        answers = {} if label is None else defaults(label.attributes)
        return replace(item, attributes=answers) if answers else item

    def remove(self, item: Item | Mask | str, *, uses: bool = False) -> Edit:
        """Remove an item (or the one of this id); a mask loses its voxels, all undoable.

        ``uses=True`` removes a label (also by name) with its voxels, boxes, shapes and tags, as one edit.

        Raises
        ------
        UnknownItemError
            When the document does not hold it.
        EditError
            When a label is still used.
        LockedError
            When a label whose uses shall go is locked.
        """
        id = item if isinstance(item, str) else item.id
        with self.lock:
            if id in self._masks:
                mask = self._masks[id]
                self.refresh()
                empty = np.zeros_like(mask.array)
                parts: list[Edit] = []
                box = ((0, 0, 0), cast("tuple[int, int, int]", mask.array.shape))
                flat = np.flatnonzero(mask.array)
                if flat.size:
                    runs = Runs.of_voxels(flat, mask.array.ravel()[flat], empty.ravel()[flat])
                    parts.append(Paint(id, box, runs))
                return self.apply(Batch((*parts, Remove(mask.info)), f"remove mask {mask.name}"))
            if uses and id in self.labels:
                self.refresh()
                return self.apply(label_removal(self, self.labels[id]))
            return self.apply(Remove(self._find(id)))

    def rename(self, label: str, name: str) -> Edit:
        """Rename a label everywhere it is used, as one edit."""
        with self.lock:
            return self.apply(label_renaming(self, self.labels[label], name))

    def undo(self, *, id: str = "") -> Edit | None:
        """Take back the last edit that is not undone; None when there is none.

        ``id`` becomes the id of the undoing edit; one that was applied before changes nothing.
        """
        with self.lock:
            self.refresh()
            return self._take_back(self._undo, id)

    def redo(self, *, id: str = "") -> Edit | None:
        """Bring back the edit undone last; None when there is none. ``id`` as in `undo`."""
        with self.lock:
            self.refresh()
            return self._take_back(self._redo, id)

    @property
    def steps(self) -> tuple[Step, ...]:
        """What undo and redo go along, in order: those in effect, then those undone."""
        with self.lock:
            return steps_of(self._undo, self._redo, self._by_id)

    def jump(self, to: str | Step, *, id: str = "") -> tuple[Edit, ...]:
        """Undo or redo until a step (or the one of this id) is the last in effect; "" is the start.

        Each undo or redo is recorded as its own edit, and returned; none where it is so already.
        ``id`` becomes that of the last one. Something new done afterwards puts undone steps out of
        reach, as after any undo.

        Raises
        ------
        UnknownItemError
            When it is no step that can be reached.
        """
        with self.lock:
            self.refresh()
            left = way(self.steps, to if isinstance(to, str) else to.id)
            made: list[Edit] = []
            while left:
                stack = self._undo if left < 0 else self._redo
                left -= 1 if left > 0 else -1
                edit = self._take_back(stack, "" if left else id)
                made += [] if edit is None else [edit]
            return tuple(made)

    def on(
        self,
        callback: Callback,
        *,
        kind: Kind | None = None,
        label: str | None = None,
        origin: str | None = None,
    ) -> Listening:
        """Call ``callback(edit, revision)`` after each edit that fits; call the result to end it.

        It runs in the thread that made the edit, while ``lock`` is held: a stroke may come while a
        cell runs. What it raises is shown and harms nothing.

        Parameters
        ----------
        kind
            "box", "shape", "tag", "label" or "mask" (its voxels too); None: all.
        label
            Name of the label concerned, before the edit or after it; None: all.
        origin
            "hand", "python", "import", "model" (any) or "model:NAME VERSION"; None: all.
        """
        return Listening(self.edited, callback, self._info, kind=kind, label=label, origin=origin)

    def _info(self, mask: str) -> MaskInfo | None:
        found = self._masks.get(mask) or self._retired.get(mask)
        return None if found is None else found.info

    def refresh(self) -> list[Edit]:
        """Record what was changed in the masks' arrays in place, one edit per mask."""
        edits = [self._record_pending(mask) for mask in self.masks]
        return [edit for edit in edits if edit is not None]

    # How an edit becomes recorded.

    def _take_back(self, stack: list[Edit], id: str) -> Edit | None:
        if not stack:
            return None
        inverse = stack[-1].inverse()
        return self.apply(replace(inverse, id=id, author="", time=0.0))

    def _sign(self, edit: Edit) -> Edit:
        return replace(
            edit,
            id=edit.id or new_id(),
            author=edit.author or self.author,
            time=edit.time or time.time(),
        )

    def _note(self, recorded: Edit) -> None:
        if not is_empty(recorded) and self.journal is not None:
            self.journal(recorded, self.revision + 1)

    def _announce(self, recorded: Edit) -> None:
        self._by_id[recorded.id] = recorded
        if is_empty(recorded):
            return
        self.revision += 1
        self._history.append(recorded)
        if self._undo and recorded.undoes == self._undo[-1].id:
            self._undo.pop()
            self._redo.append(recorded)
        elif self._redo and recorded.undoes == self._redo[-1].id:
            self._redo.pop()
            self._undo.append(recorded)
        else:
            self._redo.clear()
            self._undo.append(recorded)
        self.edited.emit(recorded, self.revision)
        self._spill.keep(recorded)

    def _refresh_touched(self, edit: Edit) -> None:
        if isinstance(edit, Batch):
            for part in edit.edits:
                self._refresh_touched(part)
        elif isinstance(edit, Paint) and edit.mask in self._masks:
            mask = self._masks[edit.mask]
            low, high = max(edit.box[0][0], 0), min(edit.box[1][0], mask.array.shape[0])
            self._record_pending(mask, range(low, high))

    def _record_pending(self, mask: Mask, ks: Iterable[int] | None = None) -> Edit | None:
        """Record an in-place change; values without a segment get one, nothing is lost."""
        with self.lock:
            change = mask.pending(ks)
            if change is None:
                return None
            paint = Paint(mask.id, *change, tool="array")
            unknown = mask.unknown_values(change[1].table()[:, 3])
            if not unknown:
                return self._record_change(mask, change, paint)
            names = [f"{mask.name} {value}" for value in unknown]
            segments = (*mask.segments, *map(Segment, unknown, names))
            labels = [Put(Label(name)) for name in names if name not in self.labels]
            puts = Batch((*labels, Put(replace(mask.info, segments=segments))), "new segments")
            if locked_values(self, mask):
                self.apply(puts)
                return self._record_change(mask, change, paint)
            before, done = mask.info, self._batch(puts)
            try:
                check_references(self, done)
                return self._record_change(
                    mask, change, replace(done, edits=(*done.edits, paint), tool="array")
                )
            except BaseException:
                # What is in the array stays, and waits to be recorded.
                mask.describe(before)
                for part in done.edits[:-1]:
                    self._perform(part.inverse())
                raise

    def _record_change(self, mask: Mask, change: Change, edit: Edit) -> Edit:
        recorded = self._sign(edit)
        self._note(recorded)
        mask.absorb(change[0])
        self._announce(recorded)
        return recorded

    def _commit_mask(self, mask: Mask, change: Change, tool: str) -> None:
        with self.lock:
            paint = Paint(mask.id, *change, tool=tool or "array")
            check_locked(self, mask, paint.runs)
            self._record_change(mask, change, paint)

    # What an edit does. Each returns the edit with what it found (old values, places).

    def _perform(self, edit: Edit) -> Edit:
        if isinstance(edit, Paint):
            return self._paint(edit)
        if isinstance(edit, Put):
            return self._put(edit)
        if isinstance(edit, Remove):
            return self._remove(edit)
        if isinstance(edit, Batch):
            return self._batch(edit)
        raise EditError(f"{type(edit).__name__} is not an edit")

    def _batch(self, batch: Batch) -> Batch:
        done: list[Edit] = []
        try:
            for part in batch.edits:
                done.append(self._perform(part))
        except BaseException:
            for part in reversed(done):
                self._perform(part.inverse())
            raise
        return replace(batch, edits=tuple(done))

    def _paint(self, edit: Paint) -> Paint:
        mask = self._masks.get(edit.mask)
        if mask is None:
            raise UnknownItemError(f"There is no mask {edit.mask!r}")
        check_locked(self, mask, edit.runs)
        return replace(edit, runs=mask.write(edit.box, edit.runs))

    def _put(self, edit: Put) -> Put:
        item = edit.item
        if self.journal is not None and not isinstance(item, Label) and item.image in self._guests:
            raise EditError("The image is no part of the case", hint="Draw on an image of the case.")
        if isinstance(item, MaskInfo):
            return self._put_mask(replace(edit, item=check_mask(self, item)))
        if isinstance(item, Label):
            checked: Label | Box | Shape | Tag = check_label(self, item)
        elif isinstance(item, Box):
            checked = check_box(self, item)
        elif isinstance(item, Shape):
            checked = check_shape(self, item)
        else:
            checked = check_tag(self, item)
        old, at = place(self._kind(checked), checked, edit.at)
        return replace(edit, item=checked, old=old, at=at)

    def _put_mask(self, edit: Put) -> Put:
        info = cast(MaskInfo, edit.item)
        mask = self._masks.get(info.id)
        if mask is None:
            mask = self._retired.pop(info.id, None) or Mask.from_info(info, self.image(info.image))
            mask.describe(info)
            _, at = place(self._masks, mask, edit.at)
            self._adopt(mask)
            return replace(edit, item=mask.info, old=None, at=at)
        old = mask.info
        gone = {s.value for s in old.segments} - {s.value for s in info.segments}
        if gone & set(mask.used_values()):
            raise MaskError(
                f"Mask {old.name!r} still has voxels of segments {sorted(gone)}",
                hint="Erase them first.",
            )
        mask.describe(info)
        return replace(edit, item=mask.info, old=old, at=list(self._masks).index(info.id))

    def _adopt(self, mask: Mask) -> None:
        self._masks.setdefault(mask.id, mask)
        mask.commit = self._commit_mask
        mask.on_refresh = self._record_pending

    def _remove(self, edit: Remove) -> Remove:
        item = self._find(edit.item.id)
        kind = self._kind(item)
        at = list(kind).index(item.id)
        if isinstance(item, MaskInfo):
            mask = self._masks[item.id]
            if mask.array.any():
                raise EditError(f"Mask {item.name!r} is not empty", hint="Use document.remove(mask).")
            mask.commit = mask.on_refresh = None
            self._retired[item.id] = mask
        del kind[item.id]
        return replace(edit, item=item, at=at)

    def _kind(self, item: Item) -> dict[str, Any]:
        if isinstance(item, Label):
            return self._labels
        if isinstance(item, MaskInfo):
            return self._masks
        if isinstance(item, Shape):
            return self._shapes
        return self._boxes if isinstance(item, Box) else self._tags

    def _find(self, id: str) -> Item:
        everything: tuple[dict[str, Any], ...] = (self._labels, self._boxes, self._shapes, self._tags)
        for items in everything:
            if id in items:
                return cast(Item, items[id])
        if id in self._masks:
            return self._masks[id].info
        raise UnknownItemError(f"The document holds no item {id!r}")
