"""The configuration of the viewer: files beside the images, and what they say."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from nbannot.errors import ConfigError
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.session.hanging import Rule
from nbannot.session.images import files_of
from nbannot.session.labelreading import LabelStyle, read_labels
from nbannot.session.layouts import PRESETS, Tree, picker, read_tree, without
from nbannot.session.merge import (
    ALL,
    INHERIT,
    Leaf,
    Node,
    chosen,
    find,
    first_leaf,
    grow,
    merge,
    plain,
    strip,
)
from nbannot.session.problems import Misfit, Problem, join, nearest, shown
from nbannot.session.reading import (
    Reader,
    ReaderRules,
    Shortcut,
    WindowPreset,
    read_about,
    read_colormaps,
    read_disabled,
    read_headers,
    read_io,
    read_layouts,
    read_links,
    read_presets,
    read_reader,
    read_shortcuts,
)
from nbannot.session.yamlfile import Content, parse_yaml, read_yaml

_INDEX = re.compile(r"(\[\d+\])+(?=\.|$)")

Role = Literal["user", "admin"]

NAMES = (".nbannot.yaml", ".volview_config.yaml")
"""Names of configuration files; in a folder with both, the first is merged over the second."""

KEYS = (
    "layouts", "layout", "labels", "shortcuts", "windowing", "windowPresets", "colormaps", "links",
    "disabledViewTypes", "hanging", "headers", "io", "reader", "about",
)  # fmt: skip
UNUSED = ("processing", "dataBrowser")
"""Keys of VolView that are allowed and have no meaning here."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the configuration says; `load_config` makes one.

    Parameters
    ----------
    layouts
        Named layouts as trees; a cell's image is the name that was written.
    layout
        Name of the layout to begin with; None where the viewer chooses.
    label_styles
        Labels by kind: defaultLabels, rulerLabels, rectangleLabels, polygonLabels; None where a kind
        is switched off.
    shortcuts
        Keys of actions.
    windowing
        (centre, width) of every image; None for each image's own.
    window_presets
        Named windows.
    colormaps
        Colour maps by modality.
    links
        Which views move together.
    disabled
        VolView's types of views that are not offered: 2D, 3D, Oblique.
    hanging
        Hanging rules.
    headers
        Whether viewers show the headers of files, which name the patient.
    io
        How files are written and found.
    reader
        What readers from outside see of the images, and which tools they have.
    about
        What people are told: title, description, thumbnail (name of a case).
    problems
        What was left out because it is wrong.
    files
        The files, the nearest first.
    """

    layouts: Mapping[str, Tree] = field(default_factory=dict)
    layout: str | None = None
    label_styles: Mapping[str, tuple[LabelStyle, ...] | None] = field(default_factory=dict)
    shortcuts: tuple[Shortcut, ...] = ()
    windowing: tuple[float, float] | None = None
    window_presets: tuple[WindowPreset, ...] = ()
    colormaps: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, bool] = field(default_factory=dict)
    disabled: tuple[str, ...] = ()
    hanging: tuple[Rule, ...] = ()
    headers: bool = True
    io: Mapping[str, str] = field(default_factory=dict)
    reader: ReaderRules = field(default_factory=ReaderRules)
    about: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    files: tuple[Path, ...] = ()
    _node: Node = field(default_factory=dict, repr=False, compare=False)

    def origin(self, key: str | Sequence[str]) -> Path | None:
        """Return the file a value comes from: ``config.origin("windowing.level")``.

        None for what no file says. A name with a dot is given as a sequence of names.
        """
        names = list(key) if not isinstance(key, str) else _names(self._node, _INDEX.sub("", key).split("."))
        leaf = first_leaf(find(self._node, names))
        return None if leaf is None else leaf.file

    @property
    def origins(self) -> dict[str, Path]:
        """The file of each value, by its dotted key."""

        def walk(node: Node, before: str) -> Iterator[tuple[str, Path]]:
            for key, one in node.items():
                if isinstance(one, dict):
                    yield from walk(one, join(before, key))
                elif one.file is not None:
                    yield join(before, key), one.file

        return dict(walk(self._node, ""))

    @property
    def data(self) -> dict[str, Any]:
        """The merged values as they were written, without those of wrong keys."""
        return {key: value for key, value in plain(self._node).items() if key in (*KEYS, *UNUSED)}

    @property
    def labels(self) -> tuple[Label, ...]:
        """Labels of all kinds, each name once: those for rectangles, the default ones, for polygons, for rulers."""
        found: dict[str, Label] = {}
        for kind in ("rectangleLabels", "defaultLabels", "polygonLabels", "rulerLabels"):
            for style in self.label_styles.get(kind) or ():
                found.setdefault(style.name, style.label())
        # A parent of another kind is not among them.
        labels = (one if one.parent in found else replace(one, parent="") for one in found.values())
        return tuple(labels)

    def bound(self, images: Sequence[Image]) -> Config:
        """Return a copy whose layouts name images by id; those with unknown images become problems."""
        pick, layouts, problems = picker(images), {}, list(self.problems)
        for name, tree in self.layouts.items():
            written = find(self._node, ("layouts", name))
            value = tree if written is None else plain(written)
            try:
                layouts[name] = without(read_tree(value, f"layouts.{name}", pick=pick), self.disabled)
            except Misfit as misfit:
                problems.append(self._problem(misfit, ("layouts", name)))
        layout = self.layout if self.layout in (*layouts, *PRESETS) else None
        return replace(self, layouts=layouts, layout=layout, problems=tuple(problems))

    def _problem(self, misfit: Misfit, path: Sequence[str]) -> Problem:
        leaf = first_leaf(find(self._node, path))
        file, line = (None, None) if leaf is None else (leaf.file, leaf.line)
        known = next((one.up for one in self.problems if one.file == file), None)
        return Problem(
            misfit.message,
            misfit.hint,
            key=misfit.key,
            value=shown(misfit.value),
            file=file,
            line=line,
            up=known,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the page must know."""
        return {
            "layouts": dict(self.layouts),
            "layout": self.layout,
            "shortcuts": [
                {"action": one.action, "keys": list(one.keys), "file": one.leaf.file and one.leaf.file.name,
                 "line": one.leaf.line}
                for one in self.shortcuts
            ],
            "windowing": None if self.windowing is None else list(self.windowing),
            "presets": [
                {"name": one.name, "center": one.center, "width": one.width, "modality": one.modality}
                for one in self.window_presets
            ],
            "disabled": list(self.disabled),
            "problems": [problem.to_json() for problem in self.problems],
        }  # fmt: skip


def load_config(
    source: str | Path | Mapping[str, Any],
    *,
    groups: Iterable[str] = (),
    role: Role | None = "user",
) -> Config:
    """Read a configuration.

    Parameters
    ----------
    source
        A file; a folder, whose configuration is looked for there and in the folders above; or the
        values themselves.
    groups
        Groups of the user: their parts of ``groups`` are merged in, by name.
    role
        "user" merges in ``access.user``, "admin" that and ``access.admin``, None neither.

    Raises
    ------
    ConfigError
        When the source is not there, or nothing in it can be used.
    """
    if role not in ("user", "admin", None):
        raise ConfigError(f"Unknown role {role!r}", hint='Choose "user", "admin" or None.')
    if isinstance(source, Mapping):
        values: list[_File] = [(grow(source), None, None)]
        return _usable(_read(values, groups=list(groups), role=role, problems=[]))
    path = Path(source).absolute()
    if path.is_dir():
        return _gather(_above(path), groups=list(groups), role=role)
    if not path.exists():
        raise ConfigError(f"There is no configuration {path}", hint="Give a file, a folder or a dict.")
    return _usable(_gather(_from(path), groups=list(groups), role=role))


def find_config(
    images: Iterable[Image], *, groups: Iterable[str] = (), role: Role | None = "user"
) -> Config | None:
    """Return the configuration that lies with the first image that was read from a path, if any."""
    for image in images:
        try:
            files = files_of(image) if image.uri or image.sources else []
        except OSError:
            continue
        if files:
            found = _gather(_above(files[0].parent), groups=list(groups), role=role)
            return found if found.files or found.problems else None
    return None


def _usable(config: Config) -> Config:
    if not config._node and config.problems:
        raise ConfigError(str(config.problems[0]), hint="Nothing in the configuration can be used.")
    return config


_File = tuple[Node, Path | None, int | None]


def _above(folder: Path) -> Iterator[tuple[list[Path], int | None]]:
    """Yield the configuration files of a folder and of those above it, each with its distance.

    The home folder, where the folder lies in it, is the last.
    """
    home = Path.home()
    for up, at in enumerate([folder, *folder.parents]):
        found = [at / name for name in NAMES if (at / name).is_file() and _is_trusted(at / name)]
        if found:
            yield found, up
        if at == home:
            return


def _from(path: Path) -> Iterator[tuple[list[Path], int | None]]:
    yield [path], None
    for files, _ in _above(path.parent.parent) if path.parent != path.parent.parent else ():
        yield files, None


def _is_trusted(file: Path) -> bool:
    """Whether a file is the user's own, or in a folder that not everybody may write to."""
    if os.name != "posix":
        return True
    try:
        return file.stat().st_uid == os.getuid() or not file.parent.stat().st_mode & stat.S_IWOTH
    except OSError:
        return False


def stack_configs(
    levels: Sequence[Sequence[tuple[str, str]]],
    *,
    folder: Path | None = None,
    groups: Iterable[str] = (),
    role: Role | None = "user",
) -> Config:
    """Merge configurations that are kept as texts, the nearest level first.

    Parameters
    ----------
    levels
        (name, YAML) of the texts of each level; within a level the first is merged over the others.
    folder
        Where files are looked for beneath them, upwards; None for nowhere.
    groups, role
        As in `load_config`.
    """

    def kept() -> Iterator[_Level]:
        for texts in levels:
            yield [(Path(name), parse_yaml(text, Path(name))) for name, text in texts], None
        for files, up in () if folder is None else _above(folder):
            yield [(file, read_yaml(file)) for file in files], up

    return _inherited(kept(), groups=list(groups), role=role)


_Level = tuple[list[tuple[Path, Content]], int | None]


def _gather(
    folders: Iterator[tuple[list[Path], int | None]], *, groups: list[str], role: Role | None
) -> Config:
    """Read the nearest configuration, and those above it as long as they are inherited."""
    contents = (([(file, read_yaml(file)) for file in files], up) for files, up in folders)
    return _inherited(contents, groups=groups, role=role)


def _inherited(levels: Iterator[_Level], *, groups: list[str], role: Role | None) -> Config:
    """Merge levels, the nearest first, up to the first that does not inherit."""
    found: list[_File] = []
    problems: list[Problem] = []
    for contents, up in levels:
        inherits = False
        for file, content in contents:
            problems += [replace(one, up=up) for one in content.problems]
            value = content.value
            if isinstance(value, list) and len(value) == 1:
                value = value[0]
            if not isinstance(value, Mapping):
                if value is not None:
                    message = f"The file holds {shown(value)}"
                    problems.append(
                        Problem(message, "It must hold a mapping (key: value).", file=file, up=up)
                    )
                value = {}
            found.append((grow(value, file, content.lines), file, up))
            inherits = inherits or value.get(INHERIT) is True
        if not inherits:
            break
    return _read(found, groups=groups, role=role, problems=problems)


def _read(files: Sequence[_File], *, groups: list[str], role: Role | None, problems: list[Problem]) -> Config:
    """Merge files, the nearest first, and read what they say."""
    reader = Reader({file: up for _, file, up in files})
    reader.problems += problems
    node: Node = {}
    for one, _, _ in reversed(files):
        mark = one.get(INHERIT)
        if isinstance(mark, Leaf) and not isinstance(mark.value, bool):
            reader.report(mark, INHERIT, "This is neither true nor false", "Write __inherit__: true.")
        own = {key: value for key, value in one.items() if key != INHERIT}
        node = merge(node, chosen(own, groups=groups, role=role))
    node = strip(node)
    _report_unknown(reader, node)
    values = {name: read(reader, node[key], key) for key, (name, read) in _READERS.items() if key in node}
    disabled = values.get("disabled", ())
    layouts = {name: without(tree, disabled) for name, tree in values.get("layouts", {}).items()}
    values["layouts"] = layouts
    layout = next(iter(layouts), None)
    if "layout" in node:
        layout = _chosen_layout(reader, node["layout"], layouts) or layout
    rules = _rules(reader, node["hanging"], layouts) if "hanging" in node else ()
    paths = tuple(file for _, file, _ in files if file is not None)
    return Config(
        **values, layout=layout, hanging=rules, problems=tuple(reader.problems), files=paths, _node=node
    )


def _report_unknown(reader: Reader, node: Node) -> None:
    for key in [key for key in node if key not in (*KEYS, *UNUSED)]:
        reader.report(node[key], key, "Unknown key", nearest(key, (*KEYS, INHERIT, ALL, "groups", "access")))
        del node[key]


_READERS: dict[str, tuple[str, Callable[[Reader, Node | Leaf, str], Any]]] = {
    "disabledViewTypes": ("disabled", read_disabled),
    "layouts": ("layouts", read_layouts),
    "labels": ("label_styles", read_labels),
    "shortcuts": ("shortcuts", read_shortcuts),
    "windowing": ("windowing", Reader.window),
    "windowPresets": ("window_presets", read_presets),
    "colormaps": ("colormaps", read_colormaps),
    "links": ("links", read_links),
    "headers": ("headers", read_headers),
    "io": ("io", read_io),
    "reader": ("reader", read_reader),
    "about": ("about", read_about),
}


def _chosen_layout(reader: Reader, node: Node | Leaf, layouts: Mapping[str, Tree]) -> str | None:
    return reader.text(node, "layout", (*layouts, *PRESETS))


def _rules(reader: Reader, node: Node | Leaf, layouts: Mapping[str, Tree]) -> tuple[Rule, ...]:
    """Return the rules that are right."""
    values = node.value if isinstance(node, Leaf) else None
    if not isinstance(values, list):
        if isinstance(node, dict) or values is not None:
            reader.report(node, "hanging", "This is no list of rules", "Write one rule for each item.")
        return ()
    leaf = first_leaf(node)
    rules = []
    for n, value in enumerate(values):
        try:
            rules.append(Rule.of(value, join("hanging", n), names=layouts))
        except Misfit as misfit:
            at = None if leaf is None else replace(leaf, value=misfit.value)
            reader.report(at, misfit.key, misfit.message, misfit.hint)
    return tuple(rules)


def _names(node: Node, parts: list[str]) -> list[str]:
    """Return the keys of a dotted path, some of which hold dots themselves."""
    names: list[str] = []
    at: Node | Leaf | None = node
    while parts and isinstance(at, dict):
        sizes = range(len(parts), 0, -1)
        size = next((n for n in sizes if ".".join(parts[:n]) in at), 1)
        names.append(".".join(parts[:size]))
        at, parts = at.get(names[-1]), parts[size:]
    return names
