"""YAML (and so JSON) files read with the line of each key, safe against files that explode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbannot.session.problems import Problem, join

MAX_BYTES = 10 * 1024 * 1024
"""Larger files are refused."""

MAX_NODES = 50_000
"""Values in a file after its aliases are written out."""

_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Content:
    """What a file says.

    Parameters
    ----------
    value
        dicts with str keys, lists, str, int, float, bool and None.
    lines
        Line of each key, by its path, counted from 1.
    problems
        What was left out.
    """

    value: Any
    lines: dict[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def read_yaml(path: Path) -> Content:
    """Read a file; what is wrong with it becomes a problem, and its value None."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            return _failed(path, f"The file has {size / 2**20:.0f} MiB", hint="10 MiB at most.")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return _failed(path, "The file is no text in UTF-8", hint="Save it as UTF-8.")
    except OSError as cause:
        return _failed(path, f"The file cannot be read: {cause.strerror}")
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path | None = None) -> Content:
    """Read the text of a YAML or JSON file; ``path`` is named in problems."""
    import yaml

    loader: Any = None
    try:
        loader = _counting_loader()(text)
        node = loader.get_single_node()
        if node is None:
            return Content(None)
        builder = _Builder(loader, path)
        builder.measure(node, 0, set())
        return Content(builder.build(node, ""), builder.lines, tuple(builder.problems))
    except _TooLarge as cause:
        return _failed(path, str(cause), hint="Write less, or use fewer aliases.")
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        line = None if mark is None else mark.line + 1
        return _failed(path, f"This is not YAML: {cause.problem or cause.context}", line=line)
    except (yaml.YAMLError, ValueError, RecursionError):
        return _failed(path, "This is not YAML", hint="Check the characters and the nesting.")
    finally:
        if loader is not None:
            loader.dispose()


class _TooLarge(Exception):  # noqa: N818 - it never leaves the module
    pass


def _counting_loader() -> Callable[[str], Any]:
    """Return YAML's safe loader, stopping where a file is too deep or has too many values."""
    import yaml

    class Loader(yaml.SafeLoader):
        # A date is a text here: no key takes one, and a wrong one would spoil the file.
        yaml_implicit_resolvers = {  # noqa: RUF012 - this is how PyYAML is told
            first: [one for one in ways if one[0] != "tag:yaml.org,2002:timestamp"]
            for first, ways in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }
        count = 0
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.count += 1
            self.depth += 1
            if self.count > MAX_NODES:
                raise _TooLarge("The file holds too many values")
            if self.depth > _MAX_DEPTH:
                raise _TooLarge("The file is nested too deeply")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    return Loader


def _failed(path: Path | None, message: str, *, hint: str = "", line: int | None = None) -> Content:
    return Content(None, problems=(Problem(message, hint, file=path, line=line),))


class _Builder:
    """Makes plain values of YAML's nodes."""

    def __init__(self, loader: Any, path: Path | None) -> None:
        self._loader = loader
        self._path = path
        self._sizes: dict[int, int] = {}
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []

    def measure(self, node: Any, depth: int, above: set[int]) -> int:
        """Return how many values a node has once aliases are written out."""
        if id(node) in above:
            raise _TooLarge("A part of the file contains itself")
        if depth > _MAX_DEPTH:
            raise _TooLarge("The file is nested too deeply")
        if id(node) not in self._sizes:
            within = {*above, id(node)}
            size = 1
            if not isinstance(node.value, str):
                for part in node.value:
                    for one in part if isinstance(part, tuple) else (part,):
                        size += self.measure(one, depth + 1, within)
            self._sizes[id(node)] = size
            if size > MAX_NODES:
                raise _TooLarge("The file holds too many values")
        return self._sizes[id(node)]

    def build(self, node: Any, key: str) -> Any:
        """Return the value of a node."""
        if node.id == "sequence":
            return [self.build(one, join(key, n)) for n, one in enumerate(node.value)]
        if node.id != "mapping":
            return self._loader.construct_object(node)
        own = [name.value for name, _ in node.value if name.id == "scalar" and name.value != "<<"]
        self._loader.flatten_mapping(node)
        out: dict[str, Any] = {}
        for name, value in node.value:
            line = name.start_mark.line + 1
            if name.id != "scalar":
                self._problem("A key is no text", key, line)
                continue
            within = join(key, name.value)
            if own.count(name.value) > 1 and name.value in out:
                self._problem("The key is given twice; the later one counts", within, line)
            self.lines[within] = line
            out[name.value] = self.build(value, within)
        return out

    def _problem(self, message: str, key: str, line: int) -> None:
        self.problems.append(Problem(message, key=key, file=self._path, line=line))
