"""Reads the parts of a configuration, one function for each, and keeps note of what is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbannot.deid import Policy
from nbannot.errors import ConfigError
from nbannot.session.layouts import VIEW_TYPES, Tree, read_tree
from nbannot.session.merge import Leaf, Node, first_leaf, plain
from nbannot.session.problems import Misfit, Problem, join, nearest, shown

LINKS = ("slice", "cursor", "camera", "window")
ABOUT = ("title", "description", "thumbnail")
IO = ("segmentGroupSaveFormat", "segmentGroupExtension", "layerExtension")
SAVE_FORMATS = ("hdf5", "iwi.cbor", "mha", "nii", "nii.gz", "nrrd", "seg.nrrd", "vti", "vtk")


@dataclass(frozen=True, slots=True)
class WindowPreset:
    """A named window: centre and width in the image's unit, for one modality ("" for all)."""

    name: str
    center: float
    width: float
    modality: str = ""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Keys of an action, as they were written; the viewer knows which actions there are."""

    action: str
    keys: tuple[str, ...]
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class ReaderRules:
    """What readers from outside get.

    Attributes
    ----------
    policy
        What they see of the images; None where the configuration cannot be read: then nothing.
    tools
        Names of the tools that they may use; empty for all.
    labels_open
        Whether they may make, change and delete labels.
    """

    policy: Policy | None = field(default_factory=Policy)
    tools: tuple[str, ...] = ()
    labels_open: bool = False


class Reader:
    """Reads values, and collects problems with their file, line and key."""

    def __init__(self, ups: Mapping[Any, int | None] | None = None) -> None:
        self.problems: list[Problem] = []
        self._ups = ups or {}

    def report(self, node: Node | Leaf | None, key: str, message: str, hint: str = "") -> None:
        """Note a problem of a value."""
        leaf = first_leaf(node) if node is not None else None
        # An empty mapping has no value that knows its file; often there is only one.
        only = next(iter(self._ups)) if len(self._ups) == 1 else None
        file, line = (only, None) if leaf is None else (leaf.file, leaf.line)
        value = "" if node is None else shown(plain(node))
        self.problems.append(
            Problem(message, hint, key=key, value=value, file=file, line=line, up=self._ups.get(file))
        )

    def mapping(self, node: Node | Leaf, key: str, known: Iterable[str] | None = None) -> Node:
        """Return a mapping; unknown keys are reported and left out, another value is empty."""
        if isinstance(node, Leaf):
            if node.value is not None:
                self.report(node, key, f"This is {shown(node.value)}", "It must be a mapping (key: value).")
            return {}
        if known is None:
            return node
        choices = tuple(known)
        for name in [name for name in node if name not in choices]:
            self.report(node[name], join(key, name), "Unknown key", nearest(name, choices))
        return {name: value for name, value in node.items() if name in choices}

    def number(self, node: Node | Leaf | None, key: str, *, above: float = -math.inf) -> float | None:
        """Return a finite number above ``above``, or None."""
        value = node.value if isinstance(node, Leaf) else None
        good = False
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            good = True
            if value > above:
                return float(value)
        limit = f" above {above:g}" if above > -math.inf else ""
        self.report(node, key, "This is no number" if not good else "This number is too small",
                    f"Write a number{limit}.")  # fmt: skip
        return None

    def text(self, node: Node | Leaf | None, key: str, choices: Iterable[str] | None = None) -> str | None:
        """Return a text, one of the choices where there are some, or None."""
        value = node.value if isinstance(node, Leaf) else None
        if not isinstance(value, str):
            self.report(node, key, "This is no text", "Put it in quotes.")
            return None
        if choices is None:
            return value
        known = tuple(choices)
        if value in known:
            return value
        self.report(node, key, f"Unknown value {shown(value)}", nearest(value, known))
        return None

    def window(self, node: Node | Leaf, key: str) -> tuple[float, float] | None:
        """Return (centre, width) of ``{"level", "width"}``."""
        parts = self.mapping(node, key, ("level", "width"))
        if isinstance(node, Leaf):
            return None
        missing = [name for name in ("level", "width") if name not in parts]
        if missing:
            self.report(node, key, f"{' and '.join(missing)} is missing", "Write level and width.")
            return None
        center = self.number(parts["level"], join(key, "level"))
        width = self.number(parts["width"], join(key, "width"), above=0)
        return None if center is None or width is None else (center, width)

    def color(self, node: Node | Leaf, key: str) -> str | None:
        """Return "#rrggbb" of a CSS colour; None where it is wrong or transparent."""
        value = self.text(node, key)
        if value is None or value.strip().casefold() == "transparent":
            return None
        found = css_color(value)
        if found is None:
            self.report(node, key, f"Unknown colour {shown(value)}",
                        'Write a CSS name, or "#rrggbb" in quotes.')  # fmt: skip
        return found


def css_color(value: str) -> str | None:
    """Return "#rrggbb" of a CSS name, "#rgb", "#rrggbb", "rgb(…)" or "hsl(…)"; None for another text."""
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(value.strip())[:3]
    except ValueError:
        return None
    return f"#{red:02x}{green:02x}{blue:02x}"


def read_layouts(reader: Reader, node: Node | Leaf, key: str) -> dict[str, Tree]:
    """Return the layouts that are right, by name."""
    found = {}
    for name, part in reader.mapping(node, key).items():
        try:
            found[name] = read_tree(plain(part), join(key, name))
        except Misfit as misfit:
            leaf = first_leaf(part) or Leaf(None)
            at = Leaf(misfit.value, leaf.file, leaf.line)
            reader.report(at, misfit.key, misfit.message, misfit.hint)
    return found


def read_shortcuts(reader: Reader, node: Node | Leaf, key: str) -> tuple[Shortcut, ...]:
    """Return the keys of actions in the order of the file."""
    found = []
    for action, part in reader.mapping(node, key).items():
        if not isinstance(part, Leaf):
            reader.report(part, join(key, action), "This is a mapping", "Write a key or a list of keys.")
            continue
        values = part.value if isinstance(part.value, list) else [] if part.value is None else [part.value]
        # A digit is a number in YAML, and a key here.
        keys = [str(one) for one in values if isinstance(one, str | int) and not isinstance(one, bool)]
        if len(keys) != len(values):
            reader.report(part, join(key, action), "This is no key", 'Put the key in quotes, as in "Ctrl+p".')
        if keys or not values:
            found.append(Shortcut(action, tuple(keys), part))
    return tuple(found)


def read_presets(reader: Reader, node: Node | Leaf, key: str) -> tuple[WindowPreset, ...]:
    """Return the named windows."""
    found = []
    for name, part in reader.mapping(node, key).items():
        within = join(key, name)
        parts = reader.mapping(part, within, ("level", "width", "modality"))
        modality = reader.text(parts["modality"], join(within, "modality")) if "modality" in parts else ""
        window = (
            reader.window({one: parts[one] for one in parts if one != "modality"}, within) if parts else None
        )
        if window is not None:
            found.append(WindowPreset(name, *window, modality or ""))
    return tuple(found)


def read_colormaps(reader: Reader, node: Node | Leaf, key: str) -> dict[str, str]:
    """Return the names of colour maps by modality."""
    texts = {name: reader.text(part, join(key, name)) for name, part in reader.mapping(node, key).items()}
    return {name: text for name, text in texts.items() if text is not None}


def read_links(reader: Reader, node: Node | Leaf, key: str) -> dict[str, bool]:
    """Return which views move together."""
    found = {}
    for name, part in reader.mapping(node, key, LINKS).items():
        if isinstance(part, Leaf) and isinstance(part.value, bool):
            found[name] = part.value
        else:
            reader.report(part, join(key, name), "This is neither true nor false", "Write true or false.")
    return found


def read_disabled(reader: Reader, node: Node | Leaf, key: str) -> tuple[str, ...]:
    """Return VolView's types of views that are not offered."""
    leaf = node if isinstance(node, Leaf) else None
    values = leaf.value if leaf is not None and isinstance(leaf.value, list) else None
    if values is None:
        if leaf is None or leaf.value is not None:
            reader.report(node, key, "This is no list", "Write a list, such as [3D, Oblique].")
        return ()
    for n, value in enumerate(values):
        if value not in tuple(VIEW_TYPES):
            one = Leaf(value, leaf.file if leaf else None, leaf.line if leaf else None)
            reader.report(one, join(key, n), f"Unknown type {shown(value)}", nearest(str(value), VIEW_TYPES))
    found = tuple(kind for kind in VIEW_TYPES if kind in values)
    if len(found) == len(VIEW_TYPES):
        reader.report(node, key, "This leaves no view", "Leave out one of them.")
        return ()
    return found


def read_headers(reader: Reader, node: Node | Leaf, key: str) -> bool:
    """Return whether headers of files are shown; they are not where that cannot be read."""
    if isinstance(node, Leaf) and isinstance(node.value, bool):
        return node.value
    hint = "Write true or false; until then they are hidden."
    reader.report(node, key, "This is neither true nor false", hint)
    return False


def read_reader(reader: Reader, node: Node | Leaf, key: str) -> ReaderRules:
    """Return what readers from outside get; where anything in it is wrong, no image is shown to them."""
    values = plain(node)
    values = {} if values is None else values
    try:
        if not isinstance(values, Mapping):
            raise ConfigError(f"reader is {shown(values)}", hint="It must be a mapping (key: value).")
        tools = values.get("tools", ())
        if not isinstance(tools, list | tuple) or not all(isinstance(one, str) for one in tools):
            raise ConfigError(
                "reader.tools is no list", hint="Write names of tools, such as [window, ruler]."
            )
        labels = values.get("labels", "given")
        if labels not in ("given", "open"):
            raise ConfigError(f"reader.labels is {shown(labels)}", hint="Choose given or open.")
        rest = {name: value for name, value in values.items() if name not in ("tools", "labels")}
        return ReaderRules(Policy.of(rest), tuple(tools), labels == "open")
    except ConfigError as error:
        reader.report(node, key, error.message, f"{error.hint} Until then readers see no images.")
        return ReaderRules(None)


def read_about(reader: Reader, node: Node | Leaf, key: str) -> dict[str, str]:
    """Return what people are told about a project."""
    parts = reader.mapping(node, key, ABOUT)
    texts = {name: reader.text(part, join(key, name)) for name, part in parts.items()}
    return {name: text for name, text in texts.items() if text}


def read_io(reader: Reader, node: Node | Leaf, key: str) -> dict[str, str]:
    """Return how files are written and found."""
    found = {}
    for name, part in reader.mapping(node, key, IO).items():
        choices = SAVE_FORMATS if name == "segmentGroupSaveFormat" else None
        text = reader.text(part, join(key, name), choices)
        if text is not None:
            found[name] = text
    return found
