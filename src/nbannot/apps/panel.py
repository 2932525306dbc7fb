"""The owner's panel: sets a project up by clicking, and writes the YAML of its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import ipywidgets

from nbannot.apps.board import Board
from nbannot.apps.fields import Make, Rows
from nbannot.apps.setup import Setup, Wrong, content_of, read_setup, text_of, write_setup, wrong_in
from nbannot.apps.thumbnails import thumbnail
from nbannot.errors import NbannotError
from nbannot.model.attributes import AttributeType
from nbannot.model.labels import LabelScope
from nbannot.session.layouts import PLANES
from nbannot.store import Project
from nbannot.store.access import ROLES

MODALITIES = ("CT", "MR", "PT", "CR", "DX", "MG", "US", "NM", "XA")
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999933")
_TITLES = {
    "title": "Title", "description": "Description", "thumbnail": "Picture: name of a case", "plane": "Orientation",
    "image": "Image: modality or name", "over": "Over: modality or name", "opacity": "Opacity",
    "mask": "Make it a mask", "label": "Label", "name": "Name", "color": "Colour", "scope": "Said of", "type": "Answer",
    "options": "Choices, or lowest and highest", "unit": "Unit", "required": "Required", "person": "Login name",
    "role": "Role", "cases": "Cases (* for all)",
}  # fmt: skip
_SCOPES = [("anything", ""), *((f"a {scope}", scope) for scope in get_args(LabelScope))]
_ANSWERS = {
    "choice": "one of",
    "choices": "several of",
    "number": "number",
    "text": "text",
    "yesno": "yes or no",
}


class Panel(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Sets a project up; made by ``project.panel()``.

    Parameters
    ----------
    project
        Any project. The one who acts must own it.

    Raises
    ------
    AccessError
        When the one who acts may not read the project.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.said = ""
        self._quiet = True
        self._board = Board(self._heard)
        self.sections = self._made()
        self.columns = ipywidgets.BoundedIntText(
            value=2, min=1, max=4, description="Side by side", layout={"width": "160px"}
        )
        self.columns.observe(lambda _: self._changed(), "value")
        self.yaml = ipywidgets.Textarea(disabled=True, rows=18, layout={"width": "100%"})
        self.note = ipywidgets.HTML()
        self.save_button = ipywidgets.Button(
            description="Save", button_style="primary", tooltip="Keep it as a new version"
        )
        self.save_button.on_click(lambda _: self.save())
        views = ipywidgets.VBox([self.sections["views"], self.columns, self.sections["layers"]])
        labels = ipywidgets.VBox([self.sections["labels"], self.sections["questions"]])
        tabs = ipywidgets.Tab([
            ipywidgets.VBox([self.sections["about"], self._board]), views, labels, self.sections["people"], self.yaml,
        ], titles=("Project", "Views", "Labels and form", "People", "YAML"))  # fmt: skip
        self.tabs = tabs
        super().__init__([tabs, ipywidgets.HBox([self.save_button, self.note])])
        self.reload()

    def __repr__(self) -> str:
        return f"Panel({self.sections['about'].values()[0]['title']!r})"

    def _made(self) -> dict[str, Rows]:
        text, wide = _text("180px"), _text("320px")
        answers = [(said, kind) for kind, said in _ANSWERS.items() if kind in get_args(AttributeType)]
        fields: dict[str, tuple[str, str, dict[str, Make]]] = {
            "about": ("Project", "", {
                "title": wide, "thumbnail": text,
                "description": lambda: ipywidgets.Textarea(rows=3, layout={"width": "520px"}),
            }),
            "views": ("Viewports, in reading order; none: the viewer chooses", "Viewport", {
                "plane": lambda: ipywidgets.Dropdown(options=PLANES, layout={"width": "140px"}), "image": _image,
            }),
            "layers": ("Layers over images", "Layer", {
                "image": _image, "over": _image,
                "opacity": lambda: ipywidgets.BoundedFloatText(0.5, min=0, max=1, step=0.1, layout={"width": "80px"}),
                "mask": _check, "label": text,
            }),
            "labels": ("Labels", "Label", {
                "name": text, "color": self._color,
                "scope": lambda: ipywidgets.Dropdown(options=_SCOPES, layout={"width": "120px"}),
            }),
            "questions": ("Questions", "Question", {
                "label": text, "name": text,
                "type": lambda: ipywidgets.Dropdown(options=answers, layout={"width": "120px"}),
                "options": _text("240px"), "unit": _text("80px"), "required": _check,
            }),
            "people": ("People and roles", "Person", {
                "person": text,
                "role": lambda: ipywidgets.Dropdown(options=ROLES, value="annotator", layout={"width": "140px"}),
                "cases": lambda: ipywidgets.Text(value="*", layout={"width": "160px"}),
            }),
        }  # fmt: skip
        return {
            name: Rows(title, made, _TITLES, self._changed, add=add)
            for name, (title, add, made) in fields.items()
        }

    def _color(self) -> ipywidgets.Widget:
        count = len(self.sections["labels"].rows)
        return ipywidgets.ColorPicker(
            concise=True, value=PALETTE[count % len(PALETTE)], layout={"width": "60px"}
        )

    # What is there.

    @property
    def text(self) -> str:
        """The YAML as it would be saved now."""
        return str(self.yaml.value)

    def reload(self) -> None:
        """Show what the project says now; what was not saved is forgotten."""
        self._quiet = True
        history = self.project.configs.history("project")
        self._before = content_of(str(history["text"].iloc[-1])) if len(history) else {}
        found = read_setup(self._before)
        self.sections["about"].fill(
            [{key: found.about.get(key, "") for key in ("title", "thumbnail", "description")}]
        )
        for name in ("views", "layers", "labels", "questions"):
            self.sections[name].fill(getattr(found, name))
        self.columns.value = min(max(found.columns, 1), 4)
        people = self.project.people.table
        self._members = [dict(zip(("person", "role", "cases"), one, strict=True))
                         for one in people[["person", "role", "cases"]].itertuples(index=False)]  # fmt: skip
        self.sections["people"].fill(self._members)
        allowed = self.project.people.allowed("project.manage")
        self.save_button.disabled = not allowed
        self._quiet = False
        self._changed()
        self._say("" if allowed else f"You can look only: {allowed.reason}.")

    def _setup(self) -> Setup:
        rows = {name: section.values() for name, section in self.sections.items()}
        return Setup(
            rows["about"][0],
            self.columns.value,
            rows["views"],
            rows["layers"],
            rows["labels"],
            rows["questions"],
        )

    def _changed(self) -> None:
        """Bring the YAML, the preview and the problems in line with the fields."""
        if self._quiet:
            return
        setup = self._setup()
        content = write_setup(setup, self._before)
        self.yaml.value = text_of(content)
        self._mark(wrong_in(setup, content))
        about = setup.about
        row = {"task": "", "number": 0, "title": about["title"] or "Untitled", "status": about["description"],
               "note": "", "flagged": False, "now": False}  # fmt: skip
        self._board.show({
            "head": "", "note": "", "error": False, "missing": [], "rows": [row], "comments": [], "people": [],
            "pictures": bool(about["thumbnail"].strip()), "writes": False,
        })  # fmt: skip

    def _mark(self, wrong: list[Wrong]) -> None:
        for section in self.sections.values():
            section.clear_problems()
        for one in wrong:
            name, number, key = one.place
            rows = self.sections[name].rows
            if number < len(rows):
                row = rows[number]
                row[key if key in row else next(iter(row))].problem = one.text
        self._wrong = wrong

    def problems(self) -> list[tuple[str, int, str, str]]:
        """Return what is wrong: section, row, field, words."""
        return [
            (name, number, key, field.problem)
            for name, section in self.sections.items()
            for number, row in enumerate(section.rows)
            for key, field in row.items()
            if field.problem
        ]

    # What is done.

    def save(self) -> None:
        """Keep the configuration as a new version, and grant and take the roles; what is wrong is told."""
        self._changed()
        wrong = [*self._wrong, *self._wrong_thumbnail(), *self._wrong_people()]
        if wrong:
            self._mark(wrong)
            self._go_to(wrong[0])
            self._say(f"Nothing is saved: {len(wrong)} to put right.", wrong=True)
            return
        done = []
        try:
            if self.text != text_of(self._before):
                version = self.project.configs.set(self.text)
                done.append(f"version {version} of the configuration")
            count = self._save_people()
            done += [f"{count} changes of roles"] if count else []
        except NbannotError as error:
            self._say(f"{error.message}. {error.hint}", wrong=True)
            return
        self.reload()
        self._say(f"Saved: {', '.join(done)}." if done else "Nothing was changed.")

    def _wrong_thumbnail(self) -> list[Wrong]:
        case = self._setup().about["thumbnail"].strip()
        if not case:
            return []
        try:
            self.project.case(case)
        except NbannotError as error:
            return [Wrong(("about", 0, "thumbnail"), error.message)]
        return []

    def _wrong_people(self) -> list[Wrong]:
        rows, found = self.sections["people"].values(), []
        for number, row in enumerate(rows):
            if not row["person"].strip():
                found.append(Wrong(("people", number, "person"), "Who? Write the login name."))
            if not row["cases"].strip():
                found.append(Wrong(("people", number, "cases"), "Which cases? Write * for all."))
            if row in rows[:number]:
                found.append(Wrong(("people", number, "person"), "It stands here twice."))
        owns = any(row["role"] == "owner" and row["cases"] == "*" for row in rows)
        if rows and not owns:
            found.append(Wrong(("people", 0, "role"), "Somebody must own all cases."))
        elif not rows and self._members:
            self.sections["people"].fill(self._members)
            found.append(Wrong(("people", 0, "role"), "Somebody must own all cases."))
        return found

    def _save_people(self) -> int:
        rows, people = self.sections["people"].values(), self.project.people
        new = [row for row in rows if row not in self._members]
        gone = [row for row in self._members if row not in rows]
        # An owner first, so that there always is one; a revoked role goes with all its sets of cases.
        for row in sorted(new, key=lambda one: one["role"] != "owner"):
            people.grant(row["person"].strip(), row["role"], cases=row["cases"].strip())
        for person, role in dict.fromkeys((row["person"], row["role"]) for row in gone):
            people.revoke(person, role)
            for row in rows:
                if (row["person"], row["role"]) == (person, role):
                    people.grant(person, role, cases=row["cases"])
        return len(new) + len(gone)

    def _go_to(self, wrong: Wrong) -> None:
        tab = {"about": 0, "views": 1, "layers": 1, "labels": 2, "questions": 2, "people": 3}
        self.tabs.selected_index = tab[wrong.place[0]]

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self.said = text
        role, color = ("alert", "var(--jp-error-color0,#b3261e)") if wrong else ("status", "inherit")
        self.note.value = f'<span role="{role}" style="color:{color}">{_plain(text)}</span>'

    def _heard(self, message: Mapping[str, Any]) -> None:
        if message.get("type") != "thumb":
            return
        case = self._setup().about["thumbnail"].strip()
        try:
            png = thumbnail(self.project.images(case))
        except NbannotError:
            png = b""
        self._board.picture(0, png)


def _text(width: str) -> Make:
    return lambda: ipywidgets.Text(layout={"width": width}, continuous_update=False)


def _image() -> ipywidgets.Widget:
    return ipywidgets.Combobox(options=MODALITIES, placeholder="the main one", layout={"width": "180px"})


def _check() -> ipywidgets.Widget:
    return ipywidgets.Checkbox(indent=False, layout={"width": "90px"})


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
