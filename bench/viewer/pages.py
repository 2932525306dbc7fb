"""Plain pages for the peers: an npm bundle of each, a small server, a browser."""

from __future__ import annotations

import gzip
import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from viewer import data

HERE = Path(__file__).resolve().parent
BUILD = data.ROOT / "build" / "bench" / "peers"
STATIC = data.ROOT / "src" / "nbannot" / "viewer" / "static"
PEERS = ("cornerstone", "niivue")
HTML = """<!doctype html><meta charset="utf-8"><style>body{margin:8px;background:#222}
#view{width:512px;height:512px}#view.own{height:auto}</style><div id="view" class="%s"></div>
<script type="module" src="/%s.js"></script>"""
# As Chromium is on a machine without a GPU: it draws pages by itself, and WebGL with SwiftShader.
SOFTWARE = ["--enable-unsafe-swiftshader"]
# Here it takes SwiftShader for a GPU and draws every page with it, a tenth of a second and more for a frame.
GL_PAGES = [*SOFTWARE, "--use-angle=swiftshader"]
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-quic", "--disable-dev-shm-usage", "--force-color-profile=srgb",
    "--enable-precise-memory-info", "--js-flags=--expose-gc",
]  # fmt: skip
REAL_GPU = ["--ignore-gpu-blocklist", "--use-angle=default", "--enable-gpu-rasterization"]

# Cornerstone's compute worker and node's own modules have no place in one file for a browser.
BUNDLE = """
import * as esbuild from "esbuild";
const [entry, outfile] = process.argv.slice(2);
const stubs = { name: "stubs", setup(build) {
  build.onLoad({ filter: /registerComputeWorker\\.js$/ }, () => ({ contents: "export function registerComputeWorker() {}" }));
  build.onResolve({ filter: /^(node:)?(events|url|fs|path|zlib|stream|util|buffer|crypto|os|module|worker_threads)$/ }, (a) => ({ path: a.path, namespace: "stub" }));
  build.onLoad({ filter: /.*/, namespace: "stub" }, () => ({ contents: "export default {}; export const EventEmitter = class {}; export const URL = globalThis.URL;", loader: "js" }));
} };
await esbuild.build({ entryPoints: [entry], outfile, bundle: true, minify: true, format: "esm", platform: "browser", target: "es2022",
  nodePaths: [process.cwd() + "/node_modules"], define: { global: "globalThis", "process.env.NODE_ENV": '"production"' },
  loader: { ".glsl": "text" }, plugins: [stubs], external: ["/viewer.js"], logLevel: "error", legalComments: "none" });
"""


def build() -> dict[str, str]:
    """Install and bundle what is missing; returns the reason of each peer that cannot be built."""
    BUILD.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package.json").read_text()
    have = BUILD / "package.json"
    failed: dict[str, str] = {}
    if not (have.exists() and have.read_text() == wanted and (BUILD / "node_modules" / "esbuild").is_dir()):
        have.write_text(wanted)
        npm = shutil.which("npm")
        done = subprocess.run(
            [npm or "npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=BUILD, capture_output=True, text=True, check=False
        ) if npm else None  # fmt: skip
        if done is None or done.returncode:
            reason = "npm is missing" if done is None else f"npm install failed: {done.stderr.strip()[-160:]}"
            return dict.fromkeys((*PEERS, "nbannot"), reason)
    (BUILD / "bundle.mjs").write_text(BUNDLE)
    for name in (*PEERS, "nbannot"):
        done = subprocess.run(
            ["node", "bundle.mjs", str(HERE / "page" / f"{name}.js"), str(BUILD / f"{name}.js")],
            cwd=BUILD, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            failed[name] = f"esbuild: {done.stderr.strip()[:200]}"
    return failed


def versions() -> dict[str, str]:
    """Return the installed versions of the peers from npm."""
    found = {}
    for name in ("@cornerstonejs/core", "@niivue/niivue"):
        file = BUILD / "node_modules" / name / "package.json"
        if file.exists():
            found[name] = json.loads(file.read_text())["version"]
    return found


def sizes() -> list[tuple[str, int, int]]:
    """Return name, bytes and gzipped bytes of each browser module."""
    import ipyniivue

    files = {
        "nbannot `_esm` (loader, for each widget)": STATIC / "loader.js",
        "nbannot module (once for each page)": STATIC / "viewer.js",
        "ipyniivue `_esm` (for each widget)": Path(ipyniivue.__file__).parent / "static" / "widget.js",
        "Cornerstone3D core + tools": BUILD / "cornerstone.js",
        "NiiVue": BUILD / "niivue.js",
    }
    return [
        (name, file.stat().st_size, len(gzip.compress(file.read_bytes(), 6)))
        for name, file in files.items()
        if file.exists()
    ]


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the pages, the bundles, nbannot's module and the volumes; byte ranges where asked."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        name = self.path.split("?")[0].lstrip("/")
        if name.endswith(".html"):
            peer = name.removesuffix(".html")
            self._send((HTML % ("own" if peer == "nbannot" else "", peer)).encode(), "text/html")
            return
        file = data.FOLDER / name[5:] if name.startswith("data/") else BUILD / name
        if name in ("viewer.js", "viewer.css"):
            file = STATIC / name
        if not file.is_file() or ".." in name:
            self.send_error(404)
            return
        kinds = {".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
        kind = kinds.get(file.suffix, "application/octet-stream")
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        with file.open("rb") as stream:
            if found:
                start, end = int(found[1]), int(found[2])
                stream.seek(start)
                self._send(stream.read(end - start + 1), kind, 206)
            else:
                self._send(stream.read(), kind)

    def _send(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True


@contextmanager
def server() -> Iterator[str]:
    """Run the server; yields its address."""
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.daemon_threads = True
    threading.Thread(target=served.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{served.server_port}"
    finally:
        served.shutdown()
        served.server_close()


def chromium() -> str:
    """Return the path of the Chromium that the browser tests use."""
    finder = data.ROOT / "tests" / "browser" / "find-chromium"
    return subprocess.run([finder], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def browser(*, gpu: bool, gl_pages: bool = False) -> Iterator[Browser]:
    """Chromium with software GL (`gl_pages`: the pages too are drawn with it), or with the machine's GPU."""
    drawing = REAL_GPU if gpu else GL_PAGES if gl_pages else SOFTWARE
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium(), headless=True, args=[*FLAGS, *drawing])
        try:
            yield found
        finally:
            found.close()


GPU_NAME = """() => { const gl = document.createElement('canvas').getContext('webgl2'); if (!gl) return 'no WebGL2';
const info = gl.getExtension('WEBGL_debug_renderer_info'); return info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : 'unknown'; }"""

KEEP_PIXELS = """
const original = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return original.call(this, kind, kind.startsWith('webgl') ? {...options, preserveDrawingBuffer: true} : options);
};
"""


@contextmanager
def page(name: str, *, gpu: bool) -> Iterator[Page]:
    """Open the page of a viewer in a browser of its own."""
    with server() as address, browser(gpu=gpu) as found:
        context = found.new_context(viewport={"width": 700, "height": 800}, device_scale_factor=1)
        context.add_init_script(KEEP_PIXELS)
        opened = context.new_page()
        opened.set_default_timeout(30_000)
        opened.errors = []  # type: ignore[attr-defined]
        opened.on("pageerror", lambda error: opened.errors.append(str(error)[:200]))  # type: ignore[attr-defined]
        opened.goto(f"{address}/{name}.html")
        opened.wait_for_function("window.bench")
        yield opened


def picture(page: Page, name: str) -> None:
    """Keep what the page shows, for somebody to look at."""
    folder = data.ROOT / "build" / "bench" / "viewer"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png")


def call(page: Page, method: str, *arguments: Any, seconds: float = 120) -> Any:
    """Call a method of the page's viewer; fails when it takes longer."""
    return page.evaluate(
        """async ([method, args, ms]) => Promise.race([
          window.bench[method](...args),
          new Promise((_, no) => setTimeout(() => no(new Error(`${method}: not within ${ms / 1000} s`)), ms)),
        ])""",
        [method, list(arguments), seconds * 1000],
    )
