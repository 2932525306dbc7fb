"""What the owner's panel sets, read from the configuration of a project and written to it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbannot.errors import ConfigError
from nbannot.session.config import stack_configs

RULE = "Set up"
"""Name of the hanging rule that the panel writes."""
_RANGE = re.compile(r"[,;]|\s+to\s+")

Values = dict[str, Any]
Place = tuple[str, int, str]
"""Section, number of the row, name of the field."""


@dataclass(slots=True)
class Setup:
    """The values of the panel; one mapping for each row.

    Parameters
    ----------
    about
        title, description, thumbnail.
    columns
        How many viewports stand side by side.
    views
        plane, image.
    layers
        image, over, opacity, mask, label.
    labels
        name, color, scope.
    questions
        label, name, type, options, unit, required.
    """

    about: Values = field(default_factory=dict)
    columns: int = 2
    views: list[Values] = field(default_factory=list)
    layers: list[Values] = field(default_factory=list)
    labels: list[Values] = field(default_factory=list)
    questions: list[Values] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong, and where."""

    place: Place
    text: str


def content_of(text: str) -> Values:
    """Return a configuration as plain values.

    Raises
    ------
    ConfigError
        When it is no mapping.
    """
    import yaml

    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as cause:
        raise ConfigError("The configuration of the project cannot be read", hint="Set it anew.") from cause
    if not isinstance(found, dict):
        raise ConfigError("The configuration of the project is no mapping", hint="Set it anew.")
    return found


def text_of(content: Mapping[str, Any]) -> str:
    """Return plain values as YAML."""
    import yaml

    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=100) if content else ""


def read_setup(content: Mapping[str, Any]) -> Setup:
    """Return what the panel shows of a configuration."""
    found = Setup({name: str(value) for name, value in _mapping(content.get("about")).items()})
    rule = next((one for one in _rules(content) if one.get("name") == RULE), {})
    rows = rule.get("layout")
    if isinstance(rows, list) and all(isinstance(row, list) for row in rows):
        found.columns = max((len(row) for row in rows), default=1)
        cells = [cell if isinstance(cell, Mapping) else {"plane": cell} for row in rows for cell in row]
        found.views = [
            {"plane": cell.get("plane", "axial"), "image": _said(cell.get("image"))} for cell in cells
        ]
    for layer in rule.get("layers", ()):
        mask = layer.get("mask", False)
        label = ", ".join(f"{n}: {name}" for n, name in mask.items()) if isinstance(mask, Mapping) else mask
        found.layers.append({
            "image": _said(layer.get("image")), "over": _said(layer.get("over")),
            "opacity": layer.get("opacity", 0.5), "mask": bool(mask), "label": label if isinstance(label, str) else "",
        })  # fmt: skip
    for name, value in _labels(content).items():
        one = value if isinstance(value, Mapping) else {"color": value}
        scope = list(one.get("scope") or [])
        found.labels.append(
            {"name": name, "color": one.get("color") or "", "scope": scope[0] if scope else ""}
        )
        for question, asked in _mapping(one.get("attributes")).items():
            found.questions.append({"label": name, "name": question, **_question(asked)})
    return found


def _question(asked: Any) -> Values:
    parts = asked if isinstance(asked, Mapping) else {"type": asked}
    choices = parts.get("options") or parts.get("range") or []
    return {
        "type": parts.get("type", "text"), "options": ", ".join("" if one is None else str(one) for one in choices),
        "unit": parts.get("unit", ""), "required": bool(parts.get("required")),
    }  # fmt: skip


def write_setup(setup: Setup, before: Mapping[str, Any]) -> Values:
    """Return a configuration with the values of the panel; what the panel does not know stays."""
    content = dict(before)
    _put(content, "about", {name: text for name, text in setup.about.items() if text})
    labels = {
        row["name"]: _label(row, setup.questions, _labels(before).get(row["name"])) for row in setup.labels
    }
    kinds = {**_mapping(before.get("labels")), "defaultLabels": labels}
    _put(
        content, "labels", {kind: value for kind, value in kinds.items() if value or kind != "defaultLabels"}
    )
    rule: Values = {"name": RULE, "when": {"count": [1, None]}}
    if setup.views:
        cells = [_cell(row) for row in setup.views]
        rule["layout"] = [cells[n : n + setup.columns] for n in range(0, len(cells), setup.columns)]
    if setup.layers:
        rule["layers"] = [_layer(row) for row in setup.layers]
    others = [one for one in _rules(before) if one.get("name") != RULE]
    _put(content, "hanging", [*([rule] if len(rule) > 2 else []), *others])
    return content


def wrong_in(setup: Setup, content: Mapping[str, Any]) -> list[Wrong]:
    """Return what is wrong, each at its field."""
    found = list(_missing(setup))
    problems = stack_configs([[("the panel", text_of(content))]]).problems
    return found or [
        Wrong(_place(one.key, setup), f"{one.message.rstrip('.')}. {one.hint}") for one in problems
    ]


def _missing(setup: Setup) -> list[Wrong]:
    found = []
    names = [row["name"].strip() for row in setup.labels]
    for number, name in enumerate(names):
        if not name:
            found.append(Wrong(("labels", number, "name"), "A label needs a name."))
        elif name in names[:number]:
            found.append(Wrong(("labels", number, "name"), "There are two labels of this name."))
    asked = [(row["label"].strip(), row["name"].strip()) for row in setup.questions]
    for number, (label, name) in enumerate(asked):
        if label not in names or not label:
            found.append(Wrong(("questions", number, "label"), "There is no label of this name above."))
        if not name:
            found.append(Wrong(("questions", number, "name"), "A question needs a name."))
        elif (label, name) in asked[:number]:
            found.append(Wrong(("questions", number, "name"), "It is asked twice."))
    for number, row in enumerate(setup.layers):
        if not row["image"].strip():
            found.append(Wrong(("layers", number, "image"), "Which image? Write its modality or its name."))
    return found


def _place(key: str, setup: Setup) -> Place:
    """Return the field that a key of the configuration comes from."""
    if key.startswith("about."):
        return "about", 0, key.split(".")[1]
    layer = re.search(r"\.layers\[(\d+)\](?:\.(\w+))?", key)
    if key.startswith("hanging") and layer:
        name = layer[2] or "image"
        return "layers", int(layer[1]), "label" if name == "mask" else name
    if key.startswith("hanging"):
        return "views", 0, "image"
    if key.startswith("labels."):
        rest = key.split(".", 2)[-1]
        for number, row in enumerate(setup.questions):
            start = f"{row['label']}.attributes.{row['name']}"
            if rest == start or rest.startswith(f"{start}."):
                name = rest[len(start) + 1 :]
                return "questions", number, {"range": "options"}.get(name, name) or "name"
        for number, row in enumerate(setup.labels):
            if rest == row["name"] or rest.startswith(f"{row['name']}."):
                name = rest[len(row["name"]) + 1 :]
                asked = [n for n, one in enumerate(setup.questions) if one["label"] == row["name"]]
                if name.startswith("attributes") and asked:
                    return "questions", asked[0], "name"
                return "labels", number, name if name in ("color", "scope") else "name"
    return "about", 0, "title"


def _cell(row: Values) -> Values:
    return {"plane": row["plane"], **({"image": _condition(row["image"])} if row["image"].strip() else {})}


def _layer(row: Values) -> Values:
    layer: Values = {"image": _condition(row["image"])}
    if row["over"].strip():
        layer["over"] = _condition(row["over"])
    if row["mask"]:
        named = re.findall(r"(\d+)\s*:\s*([^,]+)", row["label"])
        layer["mask"] = {int(n): name.strip() for n, name in named} if named else row["label"].strip() or True
    else:
        layer["opacity"] = round(float(row["opacity"]), 2)
    return layer


def _label(row: Values, questions: Sequence[Values], before: Any) -> Values:
    label = dict(before) if isinstance(before, Mapping) else {}
    _put(label, "color", row["color"])
    scope = list(label.get("scope") or [])
    if (scope[0] if scope else "") != row["scope"]:
        _put(label, "scope", [row["scope"]] if row["scope"] else [])
    known = _mapping(label.get("attributes"))
    asked = {
        one["name"]: _attribute(one, known.get(one["name"]))
        for one in questions
        if one["label"] == row["name"]
    }
    _put(label, "attributes", asked)
    return label


def _attribute(row: Values, before: Any) -> Values:
    one = {**(before if isinstance(before, Mapping) else {}), "type": row["type"]}
    parts = [part.strip() for part in row["options"].split(",") if part.strip()]
    _put(one, "options", parts if row["type"] in ("choice", "choices") else [])
    ends = [_number(part) for part in _RANGE.split(row["options"].strip())] if row["options"].strip() else []
    _put(one, "range", ends if row["type"] == "number" else [])
    _put(one, "unit", row["unit"].strip() if row["type"] == "number" else "")
    _put(one, "required", row["required"])
    return one


def _number(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return text.strip() or None
    return int(value) if value.is_integer() else value


def _condition(text: str) -> Values:
    """Return the condition that a text means: a modality in capitals, else a name."""
    plain = text.strip()
    return {"modality": plain} if re.fullmatch(r"[A-Z]{2}", plain) else {"name": plain}


def _said(condition: Any) -> str:
    if isinstance(condition, Mapping):
        return str(condition.get("modality") or condition.get("name") or "")
    return "" if condition is None else str(condition)


def _put(content: Values, key: str, value: Any) -> None:
    if value:
        content[key] = value
    else:
        content.pop(key, None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _labels(content: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(_mapping(content.get("labels")).get("defaultLabels"))


def _rules(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rules = content.get("hanging")
    return [one for one in rules if isinstance(one, Mapping)] if isinstance(rules, list) else []
