"""Pan a picture with 1,000 polygons.

nbannot's own module in a plain page, in which a script answers what a kernel would. One pan step is one change of the
camera and one picture; main-thread time is what Chromium accounts to tasks of the page (script, style, layout, paint).
"""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from measure import Row
from playwright.sync_api import CDPSession

import nbannot as nb
from nbannot.host.messages import PROTOCOL, document_json, image_json
from viewer import data, pages

SIZE, CORNERS = 512, 20
HTML = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="viewer.css">
<body style="margin:8px"><div id="view" style="width:1000px"></div><script type="module">
const state = await (await fetch("state.json")).json();
const pixels = await (await fetch("image.raw")).arrayBuffer();
const listeners = new Map();
const emit = (name, ...args) => { for (const one of listeners.get(name) ?? []) one(...args); };
const model = {
  traits: { uid: "bench", view: { layout: "axial", panel: false, height: 900, backend: "cpu", crosshair: false } },
  get(name) { return this.traits[name]; },
  set(name, value) { this.traits[name] = value; },
  save_changes() {},
  on(name, callback) { listeners.set(name, [...(listeners.get(name) ?? []), callback]); },
  off() {},
  send(message) {
    const { tab, rid } = message;
    if (message.type === "hello" || message.type === "sync")
      queueMicrotask(() => emit("msg:custom", { ...state, tab, acked: (message.next ?? 1) - 1 }, []));
    else if (message.type === "get") for (const key of message.keys) {
      if (!key.startsWith("image/")) {
        emit("msg:custom", { type: "bytes_error", tab, rid, key, error: { kind: "SliceError", message: "", hint: "" } }, []);
        continue;
      }
      const head = { type: "bytes", tab, rid, key, dtype: "int16", shape: state.images[0].shape.slice(1), codec: "raw" };
      emit("msg:custom", head, [new DataView(pixels.slice(0))]);
    }
  },
};
const module = (await import("./viewer.js")).default();
module.render({ model, el: document.getElementById("view") });
// What the viewer does in its animation frames counts.
let busy = 0;
const later = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (draw) => later((now) => {
  const begun = performance.now();
  draw(now);
  busy += performance.now() - begun;
});
const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
window.pan = async (steps, mm) => {
  const script = [];
  const id = document.querySelector("[data-nbannot-view]").dataset.nbannotView;
  for (let n = 0; n < steps; n++) {
    const at = mm * Math.sin(n / 9);
    model.traits.view = { ...model.traits.view, zoom: { [id]: 0.4 }, pan: { [id]: [at, at / 2] } };
    busy = 0;
    const begun = performance.now();
    emit("change:view");
    busy += performance.now() - begun;
    await frame();
    script.push(busy);
  }
  return script;
};
window.ready = () => document.querySelector("[data-nbannot-root]")?.dataset.nbannotComplete === "true";
</script>"""


def scene(count: int, folder: Path) -> None:
    """Write the page: one noisy picture and `count` polygons on it."""
    random = np.random.default_rng(1)
    array = random.integers(-200, 200, (1, SIZE, SIZE)).astype(np.int16)
    image = nb.Image(
        array, nb.Geometry(np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]], array.shape), modality="CT", unit="HU"
    )
    document = nb.Document([image])
    document.add(nb.Label("cell", color="#f2c14e"))
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    shapes = []
    for x, y in random.uniform(10, SIZE - 10, (count, 2)):
        radius = random.uniform(4, 9, CORNERS)
        points = [
            (float(x + r * np.cos(a)), float(y + r * np.sin(a)), 0.0)
            for r, a in zip(radius, angles, strict=True)
        ]
        shapes.append(nb.Shape("polygon", "cell", tuple(points), normal=(0.0, 0.0, 1.0)))
    for shape in shapes:
        document.add(shape)
    state = {
        "type": "state", "version": PROTOCOL, "http": None, **document_json(document),
        "images": [image_json(image, image.windows)],
    }  # fmt: skip
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "image.raw").write_bytes(array.tobytes())
    (folder / "index.html").write_text(HTML)
    for name in ("viewer.js", "viewer.css"):
        (folder / name).write_bytes((pages.STATIC / name).read_bytes())


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


def task_ms(session: CDPSession) -> float:
    """Return the main-thread time of the page so far, ms."""
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(found["TaskDuration"]) * 1000


def run(*, quick: bool, gpu: bool, count: int = 1000) -> list[Row]:
    """Measure pan steps with `count` polygons and without any."""
    rows, steps = [], 60 if quick else 240
    pictures = data.ROOT / "build" / "bench" / "tools"
    pictures.mkdir(parents=True, exist_ok=True)
    for shapes in (0, count):
        with TemporaryDirectory() as name, pages.browser(gpu=gpu) as browser:
            scene(shapes, Path(name))
            server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=name))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            page = browser.new_page(viewport={"width": 1100, "height": 960})
            page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            page.wait_for_function("() => window.ready?.()", timeout=60_000)
            page.evaluate("() => window.pan(20, 30)")
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")
            begun = task_ms(session)
            script = page.evaluate(f"() => window.pan({steps}, 30)")
            tasks = (task_ms(session) - begun) / steps
            drawn = page.locator("canvas[data-nbannot-sheet]").count()
            page.screenshot(path=pictures / f"polygons-{shapes}.png")
            server.shutdown()
        rows.append(Row(f"pan step, {shapes} polygons: JS", script, "ms", note=f"{drawn} sheet"))
        note = f"mean of {steps}"
        rows.append(Row(f"pan step, {shapes} polygons: main thread", [tasks], "ms", note, goal="≤ 16"))
    return rows
