"""How a viewer begins: what its configuration, its hanging rules and its options say together."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nbannot.errors import ConfigError, ConfigWarning
from nbannot.model.image import Image
from nbannot.session.config import Config, find_config, load_config
from nbannot.session.hanging import BUILT_IN, Hanging, Rule, hang, read_rules
from nbannot.session.layouts import read_layout
from nbannot.session.problems import Problem

Layout = str | Mapping[str, Any] | Sequence[Any]
Configured = Config | Mapping[str, Any] | str | Path | Literal[False] | None
Rules = Sequence[Rule | Mapping[str, Any]] | str | Path | Literal[False] | None

OF_PANES = ("panes", "turns", "maximized")
"""What was turned, put into a pane or shown alone: it belongs to the panes of one layout."""

_SHOWN = 8


def configure(config: Configured, images: Sequence[Image]) -> Config:
    """Return the configuration for some images; what is wrong in it is told by a warning.

    Parameters
    ----------
    config
        None looks for one beside the images, False takes none; a file, a folder, values, or a
        `Config`.
    images
        The images shown.

    Raises
    ------
    ConfigError
        When what is given cannot be used at all.
    """
    if config is None:
        found = find_config(images) or Config()
    elif config is False:
        found = Config()
    elif isinstance(config, Config):
        found = config
    elif isinstance(config, str | Path | Mapping):
        found = load_config(config)
    else:
        raise ConfigError(
            f"config is {type(config).__name__}", hint="Give a path, a dict, a Config, None or False."
        )
    found = found.bound(images)
    _warn(found.problems)
    return found


def begin(images: Sequence[Image], config: Config, *, layout: Layout, hanging: Rules) -> dict[str, Any]:
    """Return the view state to begin with.

    An explicit layout comes before the rules given, those before the configuration's rules, those
    before its layout, and that before the built-in rules.

    Raises
    ------
    LayoutError
        When a layout is not understood or names an unknown image.
    ConfigError
        When a rule is not understood.
    """
    explicit = not _is_auto(layout)
    view: dict[str, Any] = {"layout": resolve(layout, config, images)}
    if not explicit and config.layout is not None:
        view["layout"] = config.layout
    grey = [image for image in images if not image.is_color]
    if config.windowing is not None:
        view["windows"] = {image.id: list(config.windowing) for image in grey}
    maps = {
        image.id: config.colormaps[image.modality] for image in grey if image.modality in config.colormaps
    }
    view.update({key: value for key, value in (("colormaps", maps), ("links", dict(config.links))) if value})
    found = _hung(images, config, explicit=explicit, hanging=hanging)
    if found is None:
        return view
    asked = dict(found.view)
    if "layout" in asked:
        asked["layout"] = resolve(asked["layout"], config, images)
    if explicit:
        asked = {key: value for key, value in asked.items() if key not in ("layout", "turns")}
    for key in ("windows", "colormaps", "links"):
        if key in asked and key in view:
            asked[key] = {**view[key], **asked[key]}
    _warn(found.problems)
    return {**view, **asked}


def resumed(view: dict[str, Any], kept: Mapping[str, Any], *, layout: Layout = "auto") -> dict[str, Any]:
    """Return how a session was shown over how a viewer begins, but for what was asked for: a layout, a backend.

    A session that was never shown may know its layers, from the association of its case: the rules'
    own come before them, and the first image that has some is shown.
    """
    if shown_before(kept):
        gone = _replaced(view, kept, layout)
        return {**view, **{key: value for key, value in kept.items() if key not in gone}}
    layers = {**kept.get("layers", {}), **view.get("layers", {})}
    if not layers:
        return view
    return {"image": next(iter(layers)), **view, "layers": layers}


def shown_before(kept: Mapping[str, Any]) -> bool:
    """Whether a viewer has shown a session: then it goes on as it was, and no rule counts."""
    return bool(set(kept) - {"layers"})


def _replaced(view: Mapping[str, Any], kept: Mapping[str, Any], layout: Layout) -> set[str]:
    gone = set()
    if not _is_auto(layout):
        gone.add("layout")
        if kept.get("layout") != view["layout"]:
            gone.update(OF_PANES)
    if view.get("backend", "auto") != "auto":
        gone.add("backend")
    return gone


def _is_auto(layout: Layout) -> bool:
    return isinstance(layout, str) and layout == "auto"


def resolve(layout: Any, config: Config, images: Sequence[Image]) -> str | dict[str, Any]:
    """Return a layout as the view state keeps it: a name, or a tree with ids of images."""
    return read_layout(layout, images=images, names=config.layouts)


def _hung(images: Sequence[Image], config: Config, *, explicit: bool, hanging: Rules) -> Hanging | None:
    if hanging is False:
        return None
    presets = config.window_presets
    if hanging is not None:
        return hang(images, read_rules(hanging), presets=presets)
    found = None if explicit else hang(images, config.hanging, presets=presets)
    if found is None and not explicit and config.layout is None:
        found = hang(images, BUILT_IN, presets=presets)
    return found


def _warn(problems: Sequence[Problem]) -> None:
    if not problems:
        return
    lines = [f"  {problem}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"  and {len(problems) - _SHOWN} more: see viewer.config.problems")
    text = "\n".join(["Parts of the configuration were left out:", *lines])
    warnings.warn(text, ConfigWarning, stacklevel=4)
