"""Milliseconds per picture of both renderers while scrolling; prints a table.

Run: python bench/scroll.py [path of Chromium]. Software GL says little about a real GPU.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

JS = Path(__file__).resolve().parents[1] / "js"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
]
MEASURE = """
async () => {
  const shape = [300, 512, 512];
  const make = (dtype, Type, value) => {
    const slices = Array.from({length: 300}, (_, k) => {
      const slice = new Type(512 * 512);
      for (let n = 0; n < slice.length; n++) slice[n] = value(k, n >> 9, n & 511);
      return slice;
    });
    return {shape, dtype, color: false, version: 1, slice: (k) => slices[k], changedSince: () => []};
  };
  const image = make("int16", Int16Array, (k, j, i) => ((k * 37 + j * 91 + i * 53) % 2000) - 1000);
  const ball = (k, j, i) => ((k - 150) ** 2 + (j - 256) ** 2 + (i - 256) ** 2 < 14400 ? 1 : 0);
  const mask = make("uint8", Uint8Array, ball);
  const grid = (tilt) => {
    const affine = [[0, 0, 0.7, 0], [tilt, 0.7, 0, 0], [1.2, 0, 0, 0], [0, 0, 0, 1]];
    return new nb.GridGeometry({kind: "grid", affine, shape});
  };
  const geometry = grid(0), sheared = grid(-0.4);
  // A PET of 4 mm voxels over the middle of the image.
  const petShape = [100, 100, 100];
  const petSlices = Array.from({length: 100}, () => Float32Array.from({length: 10000}, () => Math.random() * 9));
  const pet = {shape: petShape, dtype: "float32", color: false, version: 1, slice: (k) => petSlices[k],
    changedSince: () => []};
  const petGrid = new nb.GridGeometry({kind: "grid", shape: petShape,
    affine: [[0, 0, 4, -21.3], [0, 4, 0, -20.1], [4, 0, 0, -19.7], [0, 0, 0, 1]]});
  const inPet = (from, plane) => {
    const step = (s) => petGrid.stepToIndex(from.stepToWorld(s));
    return {...plane, origin: petGrid.toIndex(from.toWorld(plane.origin)), du: step(plane.du), dv: step(plane.dv)};
  };
  const heat = nb.withAlphaRamp(nb.colormap("heat"));
  const canvas = document.createElement("canvas");
  const rows = [];
  const window = {lower: -1000, upper: 1000};
  const grey = {kind: "image", store: image, window, table: nb.greyTable(false), opacity: 1, lower: null, clip: null};
  const hot = {...grey, store: pet, window: {lower: 0, upper: 9}, table: heat, opacity: 0.6, interpolate: true};
  const run = (kind, name, view, grid, over, interpolate, steps, slab) => {
    const {renderer} = nb.createRenderer(kind);
    const side = nb.viewPlanes(grid)[view];
    const fit = nb.fitView(grid, side, 512, 512);
    const lean = name.startsWith("oblique") ? 0.2 : 0;
    const picture = (n) => {
      const slice = (grid.shape[side.axis] >> 1) - 30 + n;
      let plane = nb.planeRequest(grid, side, fit.center, fit.mmPerPx, 512, 512, slice);
      plane = {...plane, du: plane.du.map((s, n) => n === side.axis ? s + lean : s)};
      if (slab) plane = {...plane, slab: {mode: slab, count: 21, step: [0, 1, 2].map((n) => Number(n === side.axis))}};
      const layers = over.map((one) => ({...one, plane: one === hot ? inPet(grid, plane) : plane}));
      renderer.draw(canvas, 512, 512, [{...grey, plane, interpolate}, ...layers]);
      if (kind === "webgl2") canvas.getContext("2d").getImageData(0, 0, 1, 1);
    };
    const times = [];
    for (let round = 0; round < 2; round++)
      for (let n = 0; n < steps; n++) {
        const start = performance.now();
        picture(n);
        if (round === 0 && n > 4 || round === 1) times.push([round, performance.now() - start]);
      }
    const middle = (r) => {
      const all = times.filter(([round]) => round === r).map(([, ms]) => ms).sort((a, b) => a - b);
      return all[all.length >> 1];
    };
    rows.push([kind, name, middle(0), middle(1)]);
    renderer.dispose();
  };
  const style = {color: [255, 0, 0], fill: 0.4, outline: 1, width: 1};
  const layer = {kind: "mask", store: mask, segments: new Map([[1, style]])};
  const wide = {...layer, segments: new Map([[1, {...style, width: 3}]])};
  for (const [kind, steps] of [["cpu", 60], ["webgl2", 12]]) {
    for (const view of ["axial", "coronal", "sagittal"]) {
      run(kind, `${view}, linear`, view, geometry, [], true, steps);
      run(kind, `${view}, linear, mask`, view, geometry, [layer], true, steps);
      run(kind, `${view}, linear, PET`, view, geometry, [hot], true, steps);
      run(kind, `${view}, slab mip`, view, geometry, [], true, steps >> 1, "mip");
    }
    run(kind, "axial, nearest, mask", "axial", geometry, [layer], false, steps);
    run(kind, "axial, slab minip", "axial", geometry, [], true, steps >> 1, "minip");
    run(kind, "axial, slab mean", "axial", geometry, [], true, steps >> 1, "mean");
    run(kind, "axial, slab mip, mask", "axial", geometry, [layer], true, steps >> 1, "mip");
    run(kind, "axial, linear, mask, 3 px edge", "axial", geometry, [wide], true, steps);
    run(kind, "oblique, linear, PET", "axial", geometry, [hot], true, steps);
    run(kind, "oblique, slab mip", "axial", geometry, [], true, steps >> 2, "mip");
    run(kind, "oblique, linear", "axial", geometry, [], true, steps);
    run(kind, "oblique, linear, mask", "axial", geometry, [layer], true, steps);
    run(kind, "tilted sagittal, linear, mask", "sagittal", sheared, [layer], true, steps);
  }
  return rows;
}
"""


def main() -> None:
    folders = [str(folder / "node_modules" / ".bin") for folder in (JS, *JS.parents)]
    esbuild = shutil.which("esbuild", path=os.pathsep.join(folders))
    if esbuild is None:
        sys.exit("No esbuild: run npm ci in js/.")
    names = ("model/geometry", "render/plane", "render/renderer", "render/colormaps")
    entry = "".join(f'export * from "./src/{name}";' for name in names)
    bundle = subprocess.run(
        [esbuild, "--bundle", "--minify", "--format=iife", "--global-name=nb", "--log-level=error"],
        input=entry, cwd=JS, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    print(f"renderer, geometry and planes: {len(bundle) / 1000:.1f} kB minified")
    print("512 x 512 pixels of 300 x 512 x 512 int16, median ms per picture: first pass, slices seen before")
    with sync_playwright() as playwright:
        path = sys.argv[1] if len(sys.argv) > 1 else shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page()
        page.add_script_tag(content=bundle)
        for kind, name, first, again in page.evaluate(MEASURE):
            print(f"{kind:8} {name:32} {first:7.2f} {again:7.2f}")
        browser.close()


if __name__ == "__main__":
    main()
