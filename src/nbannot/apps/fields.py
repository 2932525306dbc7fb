"""Rows of fields in the owner's panel; what is wrong stands below its field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets

Make = Callable[[], ipywidgets.Widget]


class Field(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A named field and, below it, what is wrong with it.

    Parameters
    ----------
    title
        What stands above it.
    widget
        What is filled in.
    changed
        Called when it was changed.
    """

    def __init__(self, title: str, widget: ipywidgets.Widget, changed: Callable[[], None]) -> None:
        self.widget = widget
        self._problem = ipywidgets.HTML()
        self._problem.layout.display = "none"
        self._text = ""
        widget.tooltip = title  # its name, for those who hear it
        widget.observe(lambda _: changed(), "value")
        super().__init__([ipywidgets.Label(title), widget, self._problem], layout={"flex": "0 1 auto"})

    @property
    def problem(self) -> str:
        """What is wrong; empty where nothing is."""
        return self._text

    @problem.setter
    def problem(self, text: str) -> None:
        self._text = text
        self._problem.value = (
            f'<span role="alert" style="color:var(--jp-error-color0,#b3261e)">{escape(text)}</span>'
            if text
            else ""
        )
        self._problem.layout.display = "" if text else "none"


class Rows(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Any number of rows with the same fields.

    Parameters
    ----------
    title
        Of the whole.
    fields
        What makes each field, by its name; shown by `titles`.
    titles
        What stands above each field.
    changed
        Called when anything was changed.
    add
        What is on the button that adds a row; empty for a single row that stays.
    """

    def __init__(
        self,
        title: str,
        fields: Mapping[str, Make],
        titles: Mapping[str, str],
        changed: Callable[[], None],
        *,
        add: str,
    ) -> None:
        self._fields, self._titles, self._changed = dict(fields), titles, changed
        self.rows: list[dict[str, Field]] = []
        self._lines = ipywidgets.VBox()
        self.button = ipywidgets.Button(
            description=add, icon="plus", layout={"width": "auto", "align_self": "flex-start"}
        )
        self.button.on_click(lambda _: self.add())
        heading = ipywidgets.HTML(f"<b>{escape(title)}</b>")
        super().__init__([heading, self._lines, *([self.button] if add else [])])
        self._fixed = not add

    def add(self, values: Mapping[str, Any] | None = None) -> dict[str, Field]:
        """Add a row with values."""
        row = {name: Field(self._titles[name], make(), self._changed) for name, make in self._fields.items()}
        for name, value in (values or {}).items():
            widget = row[name].widget
            options = getattr(widget, "options", None)
            known = [one[1] if isinstance(one, tuple) else one for one in options or ()]
            if options is not None and not isinstance(widget, ipywidgets.Combobox) and value not in known:
                widget.options = [*options, (str(value), value)]
            if not (isinstance(widget, ipywidgets.ColorPicker) and not value):
                widget.value = value
        self.rows.append(row)
        parts: list[ipywidgets.Widget] = list(row.values())
        if not self._fixed:
            away = ipywidgets.Button(icon="trash", tooltip="Remove this row", layout={"width": "36px"})
            away.on_click(lambda _: self.remove(row))
            parts.append(ipywidgets.VBox([ipywidgets.Label(" "), away]))
        line = ipywidgets.HBox(parts, layout={"flex_flow": "row wrap"})
        self._lines.children = (*self._lines.children, line)
        self._changed()
        return row

    def remove(self, row: Mapping[str, Field]) -> None:
        """Take a row away."""
        at = next(n for n, one in enumerate(self.rows) if one is row)
        del self.rows[at]
        self._lines.children = tuple(line for n, line in enumerate(self._lines.children) if n != at)
        self._changed()

    def fill(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Show these rows instead of those that are there."""
        self.rows, self._lines.children = [], ()
        for values in rows:
            self.add(values)

    def values(self) -> list[dict[str, Any]]:
        """Return what is filled in."""
        return [{name: field.widget.value for name, field in row.items()} for row in self.rows]

    def clear_problems(self) -> None:
        """Forget what was wrong."""
        for row in self.rows:
            for field in row.values():
                if field.problem:
                    field.problem = ""
