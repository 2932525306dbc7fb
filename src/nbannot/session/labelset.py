"""Label sets in files, and documents brought to their version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from nbannot.errors import ConfigError, EditError
from nbannot.model import labels as base
from nbannot.model.attributes import Attribute
from nbannot.model.document import Document
from nbannot.model.labels import Label
from nbannot.model.migrate import Migrated, migrate
from nbannot.model.steps import FIELDS, NEEDS, Step
from nbannot.session.labelreading import read_label
from nbannot.session.merge import Leaf, Node, grow, plain
from nbannot.session.problems import Problem, join, nearest
from nbannot.session.reading import Reader
from nbannot.session.yamlfile import Content, read_yaml

KEYS = ("name", "version", "labels", "migrations")


class LabelSet(base.LabelSet):
    """Labels by name, in order, each with a colour; with a name, versions and the way between them.

    Parameters
    ----------
    labels
        Labels or their names.
    name
        Name of the set; its labels carry it, and the version, into documents.
    version
        Version of the set, 1 or more.
    migrations
        Steps by version: those of 3 turn a document of version 2 into one of version 3.

    Raises
    ------
    EditError
        When a name occurs twice, a parent is no label of the set, a version comes without a name, or
        steps belong to no version.
    """

    @classmethod
    def read(cls, path: str | Path) -> LabelSet:
        """Return the label set of a YAML file.

        Raises
        ------
        ConfigError
            When anything in it is wrong: it names file, line, key and what is near.
        """
        file = Path(path)
        content = read_yaml(file)
        reader = Reader({file: None})
        reader.problems += content.problems
        found: dict[str, Any] = {}
        if isinstance(content.value, Mapping):
            found = _read(reader, grow(content.value, file, content.lines), content)
        elif not reader.problems:
            hint = "It must hold a mapping with labels."
            reader.problems.append(Problem("This is no label set", hint, file=file))
        if reader.problems:
            rest = len(reader.problems) - 1
            more = f"{rest} more: {'; '.join(map(str, reader.problems[1:6]))}" if rest else ""
            raise ConfigError(str(reader.problems[0]), hint=more or "Nothing was read.")
        try:
            return cls(**found)
        except EditError as cause:
            raise ConfigError(f"{file}: {cause.message}", hint=cause.hint) from cause

    def write(self, path: str | Path) -> None:
        """Write the label set to a YAML file that `read` gives back."""
        import yaml

        content: dict[str, Any] = {}
        if self.name:
            content = {"name": self.name, "version": self.version}
        content["labels"] = {label.name: _label(label) for label in self.values()}
        if self.migrations:
            steps = {to: [{step.do: _step(step)} for step in steps] for to, steps in self.migrations.items()}
            content["migrations"] = steps
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
        Path(path).write_text(text, encoding="utf-8")

    def migrate(self, document: Document) -> Migrated:
        """Bring a document to this version of the label set, as one edit.

        Labels keep their ids, colours and locks. What cannot be carried over is listed in ``.left``.

        Raises
        ------
        EditError
            When the document is of a newer version, or the label set has no name.
        """
        return migrate(document, self)


def _read(reader: Reader, node: Node, content: Content) -> dict[str, Any]:
    parts = reader.mapping(node, "", KEYS)
    found: dict[str, Any] = {}
    if "name" in parts:
        found["name"] = reader.text(parts["name"], "name") or ""
    if "version" in parts:
        found["version"] = _version(reader, parts["version"], "version", plain(parts["version"]))
    labels = reader.mapping(parts["labels"], "labels") if "labels" in parts else {}
    names = list(labels)
    styles = [read_label(reader, name, one, join("labels", name), names, ()) for name, one in labels.items()]
    found["labels"] = [style.label() for style in styles if style is not None]
    if "migrations" in parts:
        found["migrations"] = {
            _version(reader, part, join("migrations", to), int(to) if to.isdigit() else to): _steps(
                reader, part, join("migrations", to), content
            )
            for to, part in reader.mapping(parts["migrations"], "migrations").items()
        }
    return found


def _version(reader: Reader, node: Node | Leaf, key: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    reader.report(node, key, "This is no version", "Versions are 1, 2, …")
    return 1


def _steps(reader: Reader, node: Node | Leaf, key: str, content: Content) -> list[Step]:
    listed = node.value if isinstance(node, Leaf) else None
    if not isinstance(listed, list):
        reader.report(node, key, "This is no list of steps", "Write one step for each item.")
        return []
    found = []
    for n, value in enumerate(listed):
        within = join(key, n)
        line = next((content.lines[one] for one in content.lines if one.startswith(f"{within}.")), None)
        at = Leaf(value, cast(Leaf, node).file, line)
        step = _one_step(reader, at, within)
        if step is not None:
            found.append(step)
    return found


def _one_step(reader: Reader, at: Leaf, key: str) -> Step | None:
    """Return the step of {rename_label: {label: …, to: …}}."""
    if not isinstance(at.value, dict) or len(at.value) != 1:
        reader.report(at, key, "This is no step", f"Write one of: {', '.join(NEEDS)}.")
        return None
    do, given = next(iter(at.value.items()))
    if do not in NEEDS:
        reader.report(at, join(key, do), "Unknown step", nearest(do, NEEDS))
        return None
    if not isinstance(given, dict):
        reader.report(at, join(key, do), "This is no mapping", f"It needs {', '.join(NEEDS[do])}.")
        return None
    unknown = [name for name in given if name not in FIELDS]
    if unknown:
        reader.report(at, join(join(key, do), unknown[0]), "Unknown key", nearest(unknown[0], NEEDS[do]))
        return None
    if isinstance(given.get("values"), dict):
        given = {**given, "values": {str(old): str(new) for old, new in given["values"].items()}}
    try:
        return Step(do, **given)
    except (EditError, TypeError, ValueError) as cause:
        message = cause.message if isinstance(cause, EditError) else f"It needs {', '.join(NEEDS[do])}"
        reader.report(at, join(key, do), message)
        return None


def _label(label: Label) -> dict[str, Any]:
    """Return a label as it is written: only what is not the default."""
    found: dict[str, Any] = {"color": label.color}
    if label.key is not None:
        found["key"] = label.key
    if label.code is not None:
        code = label.code
        found["code"] = {"scheme": code.scheme, "value": code.value, "meaning": code.meaning}
    if label.parent:
        found["parent"] = label.parent
    if label.scope:
        found["scope"] = list(label.scope)
    if label.attributes:
        found["attributes"] = {one.name: _attribute(one) for one in label.attributes}
    return found


def _attribute(one: Attribute) -> dict[str, Any]:
    found: dict[str, Any] = {"type": one.type}
    if one.options:
        found["options"] = list(one.options)
    if one.range is not None:
        found["range"] = list(one.range)
    if one.unit:
        found["unit"] = one.unit
    if one.required:
        found["required"] = True
    if one.default is not None:
        found["default"] = list(one.default) if isinstance(one.default, tuple) else one.default
    if one.when:
        found["when"] = {name: list(values) for name, values in one.when.items()}
    return found


def _step(step: Step) -> dict[str, Any]:
    given = {name: getattr(step, name) for name in NEEDS[step.do]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
