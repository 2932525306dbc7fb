"""Labels as files describe them: colour, key, code, parent, scope and attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast, get_args

from nbannot.errors import EditError
from nbannot.formats.codes import code
from nbannot.model.attributes import Attribute, AttributeType
from nbannot.model.labels import Code, Label, LabelScope
from nbannot.session.merge import Leaf, Node, plain
from nbannot.session.problems import join, nearest, shown
from nbannot.session.reading import Reader

LABEL_KINDS = ("defaultLabels", "rulerLabels", "rectangleLabels", "polygonLabels")
LABEL_KEYS = ("color", "key", "code", "parent", "scope", "attributes")
STYLE_KEYS = ("strokeWidth", "fillColor")
"""Keys of VolView's labels beside ours."""
ATTRIBUTE_KEYS = ("type", "options", "range", "unit", "required", "default", "when")


@dataclass(frozen=True, slots=True)
class LabelStyle:
    """A label as the configuration describes it.

    Parameters
    ----------
    name
        Its name.
    color
        "#rrggbb"; empty for the next colour of the palette.
    stroke_width
        Width of its lines, CSS px; None for the default.
    fill_color
        "#rrggbb"; None for no fill of its own.
    key
        Key that chooses it; None for none.
    code, parent, scope, attributes
        As those of a `Label`.
    """

    name: str
    color: str = ""
    stroke_width: float | None = None
    fill_color: str | None = None
    key: str | None = None
    code: Code | None = field(default=None, kw_only=True)
    parent: str = field(default="", kw_only=True)
    scope: tuple[LabelScope, ...] = field(default=(), kw_only=True)
    attributes: tuple[Attribute, ...] = field(default=(), kw_only=True)

    def label(self) -> Label:
        """Return it as a label."""
        return Label(
            self.name,
            self.color,
            key=self.key,
            code=self.code,
            parent=self.parent,
            scope=self.scope,
            attributes=self.attributes,
        )


def read_labels(reader: Reader, node: Node | Leaf, key: str) -> dict[str, tuple[LabelStyle, ...] | None]:
    """Return the labels by kind; None for a kind that is switched off."""
    found: dict[str, tuple[LabelStyle, ...] | None] = {}
    kinds = reader.mapping(node, key, LABEL_KINDS)
    names = [name for part in kinds.values() if isinstance(part, dict) for name in part]
    for kind, part in kinds.items():
        if isinstance(part, Leaf) and part.value is None:
            found[kind] = None
            continue
        within = join(key, kind)
        labels = (
            read_label(reader, name, one, join(within, name), names)
            for name, one in reader.mapping(part, within).items()
        )
        found[kind] = tuple(label for label in labels if label is not None)
    return found


def read_label(
    reader: Reader,
    name: str,
    node: Node | Leaf,
    key: str,
    names: list[str],
    more: tuple[str, ...] = STYLE_KEYS,
) -> LabelStyle | None:
    """Return a label, without what is wrong in it; ``names`` are those of all labels."""
    if not name.strip():
        reader.report(node, key, "A label needs a name")
        return None
    if isinstance(node, Leaf):
        if isinstance(node.value, str):
            return LabelStyle(name, reader.color(node, key) or "")
        if node.value is None:
            return LabelStyle(name)
    parts = reader.mapping(node, key, (*LABEL_KEYS, *more))
    wide = parts.get("strokeWidth")
    style = {
        "color": (reader.color(parts["color"], join(key, "color")) or "") if "color" in parts else "",
        "stroke_width": None if wide is None else reader.number(wide, join(key, "strokeWidth"), above=0),
        "fill_color": reader.color(parts["fillColor"], join(key, "fillColor"))
        if "fillColor" in parts
        else None,
        "key": _key(reader, parts["key"], join(key, "key")) if "key" in parts else None,
        "code": _code(reader, parts["code"], join(key, "code")) if "code" in parts else None,
        "parent": (reader.text(parts["parent"], join(key, "parent"), names) or "")
        if "parent" in parts
        else "",
        "scope": _scope(reader, parts["scope"], join(key, "scope")) if "scope" in parts else (),
        "attributes": _attributes(reader, parts["attributes"], join(key, "attributes"))
        if "attributes" in parts
        else (),
    }
    try:
        Label(name, attributes=cast("tuple[Attribute, ...]", style["attributes"]))
    except EditError as cause:
        reader.report(parts["attributes"], join(key, "attributes"), cause.message, cause.hint)
        style["attributes"] = ()
    return LabelStyle(name, **cast("dict[str, Any]", style))


def _key(reader: Reader, node: Node | Leaf, key: str) -> str | None:
    # A digit is a number in YAML, and a key here.
    digit = isinstance(node, Leaf) and isinstance(node.value, int) and not isinstance(node.value, bool)
    return str(cast(Leaf, node).value) if digit else reader.text(node, key)


def _code(reader: Reader, node: Node | Leaf, key: str) -> Code | None:
    """Return the code of {scheme, value, meaning}, {scheme, keyword} or a text such as SCT:10200004."""
    if isinstance(node, Leaf):
        text = _key(reader, node, key)
        return None if text is None else _coded(reader, node, key, [text])
    parts = reader.mapping(node, key, ("scheme", "value", "meaning", "keyword"))
    wanted = ("scheme", "keyword") if "keyword" in parts else ("scheme", "value", "meaning")
    missing = [name for name in wanted if name not in parts]
    if missing:
        reader.report(node, key, f"{' and '.join(missing)} is missing", "Write scheme, value and meaning.")
        return None
    texts = [_key(reader, parts[name], join(key, name)) for name in wanted]
    return None if None in texts else _coded(reader, node, key, cast("list[str]", texts))


def _coded(reader: Reader, node: Node | Leaf, key: str, texts: Sequence[str]) -> Code | None:
    try:
        return code(*texts)
    except EditError as cause:
        reader.report(node, key, cause.message, cause.hint)
        return None


def _scope(reader: Reader, node: Node | Leaf, key: str) -> tuple[LabelScope, ...]:
    known = get_args(LabelScope)
    listed = _listed(reader, node, key)
    for one in listed:
        if one not in known:
            reader.report(_at(node, one), key, f"Unknown value {shown(one)}", nearest(one, known))
    return tuple(cast(LabelScope, one) for one in listed if one in known)


def _attributes(reader: Reader, node: Node | Leaf, key: str) -> tuple[Attribute, ...]:
    found = {}
    for name, part in reader.mapping(node, key).items():
        one = _attribute(reader, name, part, join(key, name))
        if one is not None:
            found[name] = one
    return tuple(_with_options(one, found) for one in found.values())


def _attribute(reader: Reader, name: str, node: Node | Leaf, key: str) -> Attribute | None:
    """Return an attribute of its mapping, or of its type alone; None where it cannot be used."""
    if isinstance(node, Leaf) and isinstance(node.value, str):
        node = {"type": node}
    parts = reader.mapping(node, key, ATTRIBUTE_KEYS)
    if isinstance(node, Leaf):
        return None
    types = get_args(AttributeType)
    kind = reader.text(parts["type"], join(key, "type"), types) if "type" in parts else "text"
    given: dict[str, Any] = {}
    if "options" in parts:
        given["options"] = _listed(reader, parts["options"], join(key, "options"))
    if "unit" in parts:
        given["unit"] = reader.text(parts["unit"], join(key, "unit")) or ""
    if "required" in parts:
        value = plain(parts["required"])
        if not isinstance(value, bool):
            reader.report(parts["required"], join(key, "required"), "This is neither true nor false",
                          "Write true or false.")  # fmt: skip
        given["required"] = value is True
    for name_of in ("range", "default"):
        if name_of in parts:
            given[name_of] = plain(parts[name_of])
    if "when" in parts:
        given["when"] = plain(reader.mapping(parts["when"], join(key, "when")))
    if kind is None:
        return None
    if kind in ("choice", "choices") and "default" in given:
        given["default"] = _options(given["default"])
    try:
        return Attribute(name, cast(AttributeType, kind), **given)
    except EditError as cause:
        reader.report(node, key, cause.message, cause.hint)
    except (TypeError, AttributeError):
        reader.report(node, key, "This attribute cannot be read", f"It has {', '.join(ATTRIBUTE_KEYS)}.")
    return None


def _with_options(one: Attribute, others: Mapping[str, Attribute]) -> Attribute:
    """Return an attribute whose conditions are texts where options are meant: 2 is "2"."""
    chosen = {name for name, other in others.items() if other.type in ("choice", "choices")}
    when = {name: _options(values) if name in chosen else values for name, values in one.when.items()}
    return replace(one, when=when)


def _options(value: Any) -> Any:
    """Return numbers as texts, also within a list."""
    if isinstance(value, list | tuple):
        return tuple(_options(one) for one in value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _listed(reader: Reader, node: Node | Leaf, key: str) -> tuple[str, ...]:
    """Return a list of texts; one text is a list of it, and numbers are texts."""
    value = node.value if isinstance(node, Leaf) else None
    values = value if isinstance(value, list) else [value]
    good = [one for one in values if isinstance(one, str | int | float) and not isinstance(one, bool)]
    if len(good) != len(values):
        reader.report(
            node, key, "This is no list of texts", 'Write a list, and put words such as "yes" in quotes.'
        )
    return tuple(map(str, good))


def _at(node: Node | Leaf, value: Any) -> Leaf:
    return Leaf(value, node.file, node.line) if isinstance(node, Leaf) else Leaf(value)
