"""Hanging protocols: rules that choose layout, images, windows and layers by what is there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from nbannot.errors import ConfigError
from nbannot.model.image import Image
from nbannot.session.conditions import Condition, Seen, read_condition, see
from nbannot.session.layouts import PRESETS, Tree, leaves, pane_ids, read_tree
from nbannot.session.problems import Misfit, Problem, join, nearest, shown
from nbannot.session.reading import LINKS, WindowPreset
from nbannot.session.yamlfile import read_yaml

WINDOWS: Mapping[str, tuple[float, float]] = {
    "soft tissue": (40, 400), "lung": (-600, 1500), "bone": (400, 1800), "brain": (40, 80),
    "liver": (60, 160), "mediastinum": (50, 350),
}  # fmt: skip
"""Customary windows of CT by name: (centre, width) in HU."""

_RULE = ("name", "when", "layout", "image", "window", "colormap", "layers", "links", "turns")
_LAYER = ("image", "over", "colormap", "opacity", "window", "lower", "visible", "mask")
_OPPOSITE = {"A": "P", "P": "A", "L": "R", "R": "L", "H": "F", "F": "H"}


AsMask = bool | str | Mapping[int, str] | None
"""Whether a layer becomes a mask of new sessions: of which label, or which labels its values are."""


@dataclass(frozen=True, slots=True)
class Layer:
    """An image drawn over another, by conditions."""

    image: Condition
    over: Condition | None
    colormap: str
    opacity: float
    window: Any
    lower: float | None
    visible: bool
    mask: AsMask = None


@dataclass(frozen=True, slots=True)
class Hanging:
    """What a rule asks for.

    Parameters
    ----------
    rule
        The rule that matched.
    view
        Changes of the viewer's state: layout (with ids of images), image, windows, …
    problems
        What could not be followed.
    masks
        (image, image it lies over, label) of the layers that become masks.
    """

    rule: Rule
    view: dict[str, Any]
    problems: tuple[Problem, ...] = ()
    masks: tuple[tuple[Image, Image, AsMask], ...] = ()


class Rule:
    """When such images are there, hang them so.

    Parameters
    ----------
    when
        A condition, or several that must all be met: ``{"modality": "CT", "description": "chest"}``.
    layout
        A layout; its cells may choose their image by a condition, and turn it so that a letter of
        the patient comes to the right (and down): ``{"plane", "image": {…}, "sides": "P"}``.
    image
        Condition of the main image; the first that fits ``when`` is taken where it is missing.
    window
        (centre, width), a name, or either by modality; for the main image when ``image`` is given,
        else for all that fit ``when``.
    colormap
        A name, or names by modality, for the same images.
    layers
        Images over others: ``{"image": {…}, "over"?: {…}, "colormap"?, "opacity"?, "window"?,
        "lower"?, "visible"?, "mask"?}``; with ``mask`` (true, a label, or
        labels by value) it is not drawn: new sessions of a project begin with it as a mask.
    links
        Which views move together: ``{"slice", "cursor", "camera", "window"}``.
    turns
        By pane id: ``{"quarter": 0…3, "flip": bool}``.
    name
        What to call it.

    Raises
    ------
    ConfigError
        When something is not understood; its place is named.
    """

    def __init__(
        self,
        when: Any,
        *,
        layout: Any = None,
        image: Any = None,
        window: Any = None,
        colormap: Any = None,
        layers: Iterable[Any] = (),
        links: Mapping[str, bool] | None = None,
        turns: Mapping[str, Any] | None = None,
        name: str = "",
    ) -> None:
        self.name = name
        given = {
            "when": when, "layout": layout, "image": image, "window": window, "colormap": colormap,
            "layers": layers, "links": links, "turns": turns, "name": name,
        }  # fmt: skip
        try:
            self._read(given, name or "rule")
        except Misfit as misfit:
            raise ConfigError(f"{misfit.key}: {misfit.message}", hint=misfit.hint) from None

    def __repr__(self) -> str:
        return f"Rule({self.name!r})" if self.name else "Rule(…)"

    @classmethod
    def of(cls, value: Any, key: str, *, names: Iterable[str] | None = None) -> Rule:
        """Read a rule from a mapping; its layout is a preset or one of ``names``, where those are given.

        Raises
        ------
        Misfit
            When something is not understood.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise Misfit(f"{shown(value)} is no rule", hint="Write when and layout.", key=key, value=value)
        _known(value, _RULE, key)
        if "when" not in value:
            raise Misfit("A rule needs when", hint="Write when: {modality: CT} or the like.", key=key)
        rule = cls.__new__(cls)
        rule.name = str(value.get("name") or "")
        rule._read(value, key, names)
        return rule

    def _read(self, given: Mapping[str, Any], key: str, names: Iterable[str] | None = None) -> None:
        when = given["when"]
        several = when if isinstance(when, list | tuple) else [when]
        self._when = [
            read_condition(one, join(join(key, "when"), n) if several is when else join(key, "when"))
            for n, one in enumerate(several)
        ]
        self._layout = _layout(given.get("layout"), join(key, "layout"), names)
        image = given.get("image")
        self._image = None if image is None else _condition(image, join(key, "image"))
        self._window = _by_modality(given.get("window"), join(key, "window"), _window)
        self._colormap = _by_modality(given.get("colormap"), join(key, "colormap"), _text)
        layers = given.get("layers") or ()
        self._layers = [_layer(one, join(join(key, "layers"), n)) for n, one in enumerate(layers)]
        self._links = _links(given.get("links") or {}, join(key, "links"))
        self._turns = _turns(given.get("turns") or {}, join(key, "turns"))

    def hang(self, seen: Sequence[Seen], presets: Iterable[WindowPreset] = ()) -> Hanging | None:
        """Return what the rule asks for; None when it does not match."""
        if not self._when or not all(condition.met(seen) for condition in self._when):
            return None
        fitting = [one for one in seen if any(condition.fits(one) for condition in self._when)]
        main = self._image.one(seen) if self._image else next(iter(fitting), None)
        if main is None:
            return None
        view: dict[str, Any] = {"image": main.image.id}
        if not self._place(seen, view):
            return None
        problems: list[Problem] = []
        marked = [main] if self._image else fitting
        windows = {
            one.image.id: window
            for one in marked
            if (window := self._window_of(one, self._window, presets, problems)) is not None
        }
        masks: list[tuple[Image, Image, AsMask]] = []
        if not self._stack(seen, main, view, windows, presets, problems, masks):
            return None
        colormaps = {one.image.id: name for one in marked if (name := _for(self._colormap, one)) is not None}
        given = {"windows": windows, "colormaps": colormaps, "links": dict(self._links)}
        view.update({key: value for key, value in given.items() if value})
        return Hanging(self, view, tuple(problems), tuple(masks))

    def _place(self, seen: Sequence[Seen], view: dict[str, Any]) -> bool:
        """Fill the layout with images; False when one is missing."""
        turns = dict(self._turns)
        if isinstance(self._layout, str):
            view["layout"] = self._layout
        elif self._layout is not None:
            tree = _copy(self._layout)
            cells = list(leaves(tree))
            chosen: list[Seen | None] = []
            for cell in cells:
                wanted = cell.pop("image", None)
                found = None if wanted is None else wanted.one(seen)
                if wanted is not None and found is None:
                    return False
                if found is not None:
                    cell["image"] = found.image.id
                chosen.append(found)
            for cell, id, found in zip(cells, pane_ids(tree), chosen, strict=True):
                sides = cell.pop("sides", None)
                turn = turn_to(found.image.orientation_labels, sides) if sides and found else None
                if turn is not None:
                    cell["id"] = id
                    turns.setdefault(id, turn)
            view["layout"] = tree
        if turns:
            view["turns"] = turns
        return True

    def _stack(
        self, seen: Sequence[Seen], main: Seen, view: dict[str, Any], windows: dict[str, list[float]],
        presets: Iterable[WindowPreset], problems: list[Problem], masks: list[tuple[Image, Image, AsMask]],
    ) -> bool:  # fmt: skip
        """Put the layers over their bases; False when an image is missing or lies elsewhere."""
        stacks: dict[str, list[dict[str, Any]]] = {}
        for layer in self._layers:
            top = layer.image.one(seen)
            base = main if layer.over is None else layer.over.one(seen)
            if top is None or base is None or top.image is base.image or _apart(top.image, base.image):
                return False
            if layer.mask:
                masks.append((top.image, base.image, layer.mask))
                continue
            stacks.setdefault(base.image.id, []).append({
                "image": top.image.id, "colormap": layer.colormap, "opacity": layer.opacity,
                "visible": layer.visible, "lower": layer.lower,
            })  # fmt: skip
            window = self._window_of(top, layer.window, presets, problems)
            if window is not None:
                windows[top.image.id] = window
        if stacks:
            view["layers"] = stacks
        return True

    def _window_of(
        self, seen: Seen, choice: Any, presets: Iterable[WindowPreset], problems: list[Problem]
    ) -> list[float] | None:
        window = _for(choice, seen)
        image = seen.image
        if window is None or image.is_color:
            return None
        if not isinstance(window, str):
            return list(window)
        named = {one.name.casefold(): (one.center, one.width) for one in image.windows if one.name}
        for preset in presets:
            if preset.modality in ("", image.modality):
                named.setdefault(preset.name.casefold(), (preset.center, preset.width))
        if image.modality == "CT":
            named = {**WINDOWS, **named}
        found = named.get(window.casefold())
        if found is None:
            where = join(self.name or "hanging", "window")
            problems.append(
                Problem(f"There is no window {window!r}", nearest(window, named), key=where, value=window)
            )
        return None if found is None else [float(found[0]), float(found[1])]


def hang(
    images: Iterable[Image], rules: Iterable[Rule], *, presets: Iterable[WindowPreset] = ()
) -> Hanging | None:
    """Return what the first rule that matches asks for; None when none does."""
    seen = see(list(images))
    named = list(presets)
    for rule in rules:
        found = rule.hang(seen, named)
        if found is not None:
            return found
    return None


def read_rules(value: Any, *, key: str = "hanging") -> list[Rule]:
    """Read rules: `Rule`s or mappings, or a YAML file with a list of them (alone or as ``hanging``).

    Raises
    ------
    ConfigError
        When the file or a rule is not understood.
    """
    if isinstance(value, str | Path):
        content = read_yaml(Path(value))
        if content.problems and content.value is None:
            raise ConfigError(str(content.problems[0]), hint=content.problems[0].hint)
        value = content.value.get("hanging") if isinstance(content.value, Mapping) else content.value
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{key}: {shown(value)} is no list of rules", hint="Write one rule for each item.")
    try:
        return [Rule.of(one, join(key, n)) for n, one in enumerate(value)]
    except Misfit as misfit:
        raise ConfigError(f"{misfit.key}: {misfit.message}", hint=misfit.hint) from None


def turn_to(labels: tuple[str, str] | None, sides: Sequence[str]) -> dict[str, Any] | None:
    """Return the turn that brings patient letters to the right and down; None where none is needed.

    Parameters
    ----------
    labels
        Letters towards which a row and a column of the stored picture run, e.g. ("P", "FR").
    sides
        The letters wanted at the right and, where that matters, at the bottom.
    """
    if labels is None or not all(label and label[0] in _OPPOSITE for label in labels):
        return None
    best: tuple[int, int, dict[str, Any] | None] = (-1, 0, None)
    for quarter, flip in product(range(4), (False, True)):
        right, down = labels[0][0], labels[1][0]
        right = _OPPOSITE[right] if flip else right
        for _ in range(quarter):
            right, down = _OPPOSITE[down], right
        score = sum(one == two for one, two in zip((right, down), sides, strict=False))
        upright = -(quarter != 0) - flip
        if (score, upright) > best[:2]:
            best = (score, upright, {"quarter": quarter, "flip": flip} if quarter or flip else None)
    return best[2]


def _apart(one: Image, two: Image) -> bool:
    frames = (one.geometry.frame_of_reference, two.geometry.frame_of_reference)
    return all(frames) and frames[0] != frames[1]


def _copy(tree: Tree) -> Tree:
    for side in ("row", "column"):
        if side in tree:
            return {**tree, side: [_copy(one) for one in tree[side]]}
    return dict(tree)


def _known(value: Mapping[Any, Any], known: Sequence[str], key: str) -> None:
    for name in value:
        if name not in known:
            hint = nearest(str(name), known)
            raise Misfit(f"Unknown key {shown(name)}", hint=hint, key=join(key, str(name)), value=value[name])


def _condition(value: Any, key: str) -> Condition:
    """Read what chooses one image: a condition, an `Image`, or its name or id."""
    if isinstance(value, Image):
        return Condition((("id", (value.id.casefold(),)),))
    if isinstance(value, str):
        return Condition((("name", (value.casefold(),)),))
    return read_condition(value, key)


def _layout(value: Any, key: str, names: Iterable[str] | None) -> str | Tree | None:
    if value is None:
        return None
    if isinstance(value, str):
        known = None if names is None else [*names, *PRESETS]
        if known is not None and value not in known:
            raise Misfit(f"Unknown layout {value!r}", hint=nearest(value, known), key=key, value=value)
        return value
    tree = read_tree(value, key, pick=_condition, also=("sides",))
    for cell in leaves(tree):
        if "sides" in cell:
            cell["sides"] = _sides(cell["sides"], join(key, "sides"))
    return tree


def _sides(value: Any, key: str) -> list[str]:
    letters = [value] if isinstance(value, str) else value
    good = isinstance(letters, list | tuple) and 1 <= len(letters) <= 2
    if not good or not all(one in _OPPOSITE for one in letters):
        raise Misfit(
            f"The sides are {shown(value)}", hint="Write one of A, P, L, R, H, F for the right side, "
            "or two letters for right and down.", key=key, value=value,
        )  # fmt: skip
    return list(letters)


def _layer(value: Any, key: str) -> Layer:
    if not isinstance(value, Mapping) or "image" not in value:
        raise Misfit(f"{shown(value)} is no layer", hint="Write image: {modality: PT}.", key=key, value=value)
    _known(value, _LAYER, key)
    opacity, lower, visible = value.get("opacity", 0.5), value.get("lower"), value.get("visible", True)
    if not _is_number(opacity) or not 0 <= opacity <= 1:
        where = join(key, "opacity")
        raise Misfit(f"The opacity is {shown(opacity)}", hint="Write 0 to 1.", key=where, value=opacity)
    if lower is not None and not _is_number(lower):
        raise Misfit(
            f"The lower end is {shown(lower)}", hint="Write a number.", key=join(key, "lower"), value=lower
        )
    if not isinstance(visible, bool):
        where = join(key, "visible")
        raise Misfit(f"visible is {shown(visible)}", hint="Write true or false.", key=where, value=visible)
    over = value.get("over")
    return Layer(
        _condition(value["image"], join(key, "image")),
        None if over is None else _condition(over, join(key, "over")),
        _text(value.get("colormap", "hot iron"), join(key, "colormap")),
        float(opacity),
        _by_modality(value.get("window"), join(key, "window"), _window),
        None if lower is None else float(lower),
        visible,
        _as_mask(value.get("mask"), join(key, "mask")),
    )


def _as_mask(value: Any, key: str) -> AsMask:
    if value is None or isinstance(value, bool) or (isinstance(value, str) and value.strip()):
        return value
    good = isinstance(value, Mapping) and all(
        str(number).isdigit() and isinstance(label, str) and label.strip() for number, label in value.items()
    )
    if not good:
        hint = "Write true, the name of a label, or names by value: {1: liver, 2: lesion}."
        raise Misfit(f"mask is {shown(value)}", hint=hint, key=key, value=value)
    return {int(number): label for number, label in value.items()}


def _by_modality(value: Any, key: str, read: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(modality): read(one, join(key, str(modality))) for modality, one in value.items()}
    return None if value is None else read(value, key)


def _for(value: Any, seen: Seen) -> Any:
    return value.get(seen.image.modality) if isinstance(value, dict) else value


def _window(value: Any, key: str) -> str | tuple[float, float]:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value)) and value[1] > 0:
        return float(value[0]), float(value[1])
    raise Misfit(
        f"The window is {shown(value)}", hint="Write [centre, width] or a name.", key=key, value=value
    )


def _text(value: Any, key: str) -> str:
    if isinstance(value, str) and value:
        return value
    raise Misfit(f"{shown(value)} is no name", hint="Write a text.", key=key, value=value)


def _links(value: Any, key: str) -> dict[str, bool]:
    if not isinstance(value, Mapping) or not all(isinstance(one, bool) for one in value.values()):
        raise Misfit(
            f"The links are {shown(value)}", hint="Write slice: true or the like.", key=key, value=value
        )
    _known(value, LINKS, key)
    return dict(value)


def _turns(value: Any, key: str) -> dict[str, dict[str, Any]]:
    if not isinstance(value, Mapping):
        raise Misfit(f"The turns are {shown(value)}", hint="Write them by pane.", key=key, value=value)
    turns = {}
    for pane, turn in value.items():
        within = join(key, str(pane))
        if not isinstance(turn, Mapping):
            raise Misfit(
                f"{shown(turn)} is no turn", hint="Write {quarter: 1, flip: false}.", key=within, value=turn
            )
        _known(turn, ("quarter", "flip"), within)
        quarter, flip = turn.get("quarter", 0), turn.get("flip", False)
        if quarter not in (0, 1, 2, 3) or not isinstance(flip, bool):
            raise Misfit(
                f"{shown(dict(turn))} is no turn", hint="quarter is 0 to 3, flip true or false.",
                key=within, value=turn,
            )  # fmt: skip
        turns[str(pane)] = {"quarter": int(quarter), "flip": flip}
    return turns


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _breast(side: str, view: str) -> dict[str, Any]:
    # The chest wall of the right breast is at the right, that of the left one at the left.
    image = {"modality": "MG", "laterality": side, "view_position": view}
    return {"plane": "acquisition", "image": image, "sides": "P" if side == "R" else "A"}


def _then_and_now(modality: str, plane: str) -> dict[str, Any]:
    kind = "picture" if plane == "acquisition" else "volume"
    now, before = ({"modality": modality, "kind": kind, "time_point": time} for time in ("current", "prior"))
    cells = [{"plane": plane, "image": now}, {"plane": plane, "image": before}]
    return {"name": f"{modality}, current and prior", "when": [now, before], "layout": [cells]}


_CT, _PT = {"modality": "CT", "kind": "volume"}, {"modality": "PT", "kind": "volume"}

BUILT_IN: tuple[Rule, ...] = tuple(read_rules([
    {
        "name": "Mammography, four views",
        "when": [{"modality": "MG", "laterality": s, "view_position": v} for v in ("CC", "MLO") for s in "RL"],
        "layout": [[_breast("R", view), _breast("L", view)] for view in ("CC", "MLO")],
    },
    {
        "name": "PET over CT",
        "when": [_CT, _PT],
        "image": _CT,
        "layout": [
            [{"plane": "axial", "image": _CT}, {"plane": "axial", "image": _PT}],
            [{"plane": "coronal", "image": _CT}, {"plane": "sagittal", "image": _CT}],
        ],
        "layers": [{"image": _PT, "over": _CT, "colormap": "hot iron", "opacity": 0.5}],
    },
    *[_then_and_now(modality, "axial") for modality in ("CT", "MR", "PT")],
    *[_then_and_now(modality, "acquisition") for modality in ("DX", "CR", "MG")],
]))  # fmt: skip
"""The rules that hold where no other rule matches."""
