"""The harness itself: a plain anywidget in a real JupyterLab."""

from __future__ import annotations

import re

import numpy as np
import pytest

from browser.lab import Lab

WIDGET = """
import anywidget, traitlets
class Square(anywidget.AnyWidget):
    _esm = '''
    export default { render({ model, el }) {
      const canvas = document.createElement("canvas");
      canvas.className = "square"; canvas.width = 8; canvas.height = 4;
      const draw = () => {
        const context = canvas.getContext("2d");
        context.fillStyle = model.get("color"); context.fillRect(0, 0, 4, 4);
      };
      canvas.addEventListener("click", () => { model.set("clicks", model.get("clicks") + 1); model.save_changes(); });
      model.on("change:color", draw); draw(); el.append(canvas);
    } };
    '''
    color = traitlets.Unicode("#ff0000").tag(sync=True)
    clicks = traitlets.Int(0).tag(sync=True)
square = Square()
square
"""


def test_a_widget_is_shown_clicked_and_changed(lab: Lab) -> None:
    lab.open_notebook([WIDGET, "square.color = '#00ff00'; print('clicks', square.clicks)", "print(1 + 1)"])
    lab.run_cell(0)
    canvas = lab.output(0).locator("canvas.square")
    canvas.wait_for()
    pixels = lab.canvas_pixels(canvas)
    assert pixels.shape == (4, 8, 4)
    assert np.array_equal(pixels[0, 0], [255, 0, 0, 255])
    assert np.array_equal(pixels[0, 7], [0, 0, 0, 0])
    canvas.click()
    assert lab.run_cell(1) == "clicks 1"
    lab.until(lambda: lab.canvas_pixels(canvas)[0, 0, 1] == 255, "the square is green")
    assert lab.run_python("print('typed', 6 * 7)") == "typed 42"
    lab.screenshot("harness")


def test_the_kernel_lives_on_over_a_reload_and_can_be_killed(lab: Lab) -> None:
    lab.open_notebook(["x = 41", "print(x + 1)"])
    lab.run_cell(0)
    lab.save()
    lab.reload()
    assert lab.run_cell(1) == "42"
    lab.kill_kernel()
    assert "NameError" in lab.run_cell(1)


def test_the_kernel_can_be_restarted(lab: Lab) -> None:
    lab.open_notebook(["x = 41", "print('x' in globals())"])
    lab.run_cell(0)
    assert lab.run_cell(1) == "True"
    lab.restart_kernel()
    assert lab.run_cell(1) == "False"


def test_console_errors_are_noticed(lab: Lab) -> None:
    lab.open_notebook(["1"])
    lab.page.evaluate("() => console.error('a widget broke')")
    lab.until(lambda: bool(lab.problems()), "the error is seen")
    assert "a widget broke" in lab.problems()[0]
    lab.allow_console("a widget broke")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_themes(lab: Lab, theme: str) -> None:
    lab.open_notebook(["1"])
    lab.set_theme(theme)


def test_python_runs_in_the_kernel_and_in_a_cell(lab: Lab) -> None:
    lab.open_notebook(["import sys", "0"])
    lab.run_cell(0)
    code = "print('a\\nb'); print('c', file=sys.stderr); 6 * 7"
    for run in (lab.run_python, lab.type_python):
        assert run(code).split() == ["a", "b", "c", "42"]
        assert re.match(r"d\n+----", run("print('d'); 1 / 0"))
        assert run("1 / 0").endswith("ZeroDivisionError: division by zero")
        assert run("x = 1") == ""
    assert lab.output_text(1) == ""


def test_a_page_is_used_again_with_nothing_left_in_it(lab: Lab) -> None:
    lab.open_notebook([WIDGET, "0"])
    first = lab.kernel_id()
    lab.run_cell(0)
    lab.output(0).locator("canvas.square").wait_for()
    lab.page.evaluate("localStorage.setItem('nbannot/mine', '1')")
    lab.set_theme("dark")
    lab.page.set_viewport_size({"width": 800, "height": 600})
    assert lab.leave()
    assert lab.server.api("/api/kernels") == []
    other = Lab(lab.server, lab.context, lab.out, page=lab.page)
    other.open_notebook(["print('square' in globals())", "0"], name="another.ipynb")
    assert other.run_cell(0) == "False"
    assert other.kernel_id() != first
    assert other.page.locator("canvas.square").count() == 0
    assert other.page.viewport_size == {"width": 1400, "height": 1000}
    look = "() => [localStorage.getItem('nbannot/mine'), document.body.dataset.jpThemeLight]"
    assert other.page.evaluate(look) == [None, "true"]
    other.reload()
    assert other.run_cell(0) == "False"
    other.page.evaluate("() => console.error('a widget broke')")
    other.until(lambda: bool(other.problems()), "the error is seen")
    assert not lab.problems()
    other.leave()
