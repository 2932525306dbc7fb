// NiiVue in a plain page: whole NIfTI files from this page's server, one slice view.
import { Niivue } from "@niivue/niivue";
import { at, strokeAt, strokes, undone, GRID, colored, frame, greys, shown, sliceOf, steps, until, windowOf } from "./common.js";

let nv;
const canvas = () => document.querySelector("#view canvas");
const TYPES = { axial: 0, coronal: 1, sagittal: 2 };

function start() {
  const made = document.createElement("canvas");
  document.getElementById("view").append(made);
  nv = new Niivue({ backColor: [0, 0, 0, 1], isResizeCanvas: true, show3Dcrosshair: false, crosshairWidth: 0, isColorbar: false });
  return nv.attachToCanvas(made);
}

const bench = {
  async first() {
    const begun = performance.now();
    await start();
    nv.setSliceType(0);
    await nv.loadVolumes([{ url: "/data/ct.nii", cal_min: -160, cal_max: 240 }]);
    const first = (await shown(canvas)) - begun;
    return { first, full: first };
  },
  open() {
    return this.first();
  },
  async plane(name) {
    this.name = name;
    nv.setSliceType(TYPES[name]);
    nv.drawScene();
    await frame();
    await shown(canvas);
  },
  scroll(count) {
    const axis = { axial: 2, coronal: 1, sagittal: 0 }[this.name];
    const length = [GRID.shape[2], GRID.shape[1], GRID.shape[0]][axis];
    return steps((n) => {
      const at = [0.5, 0.5, 0.5];
      at[axis] = (sliceOf(n, length) + 0.5) / length;
      nv.scene.crosshairPos = at;
      nv.drawScene();
    }, count, canvas);
  },
  window(count, center, width) {
    return steps((n) => {
      const [c, w] = windowOf(n, center, width);
      nv.volumes[0].cal_min = c - w / 2;
      nv.volumes[0].cal_max = c + w / 2;
      nv.updateGLVolume();
    }, count, canvas);
  },
  async addLabels() {
    await nv.addVolumeFromUrl({ url: "/data/labels.nii", colormap: "actc", opacity: 0.4 });
    await frame();
    if (!colored(canvas())) throw new Error("no labels in the picture");
  },
  async hideLabels() {
    nv.removeVolumeByIndex(1);
    nv.updateGLVolume();
    await frame();
  },
  async addPet() {
    await nv.addVolumeFromUrl({ url: "/data/pet.nii", colormap: "hot", opacity: 0.5, cal_min: 0, cal_max: 10000 });
    await frame();
    if (!colored(canvas())) throw new Error("no PET in the picture");
  },
  async xray(name) {
    await start();
    const bytes = await (await fetch(`/data/${name}.nii`)).arrayBuffer();
    const begun = performance.now();
    nv.setSliceType(0);
    await nv.loadFromArrayBuffer(bytes, `${name}.nii`);
    return (await shown(canvas, 30000)) - begun;
  },
  /** Three planes and a pen of 25 voxels (20 mm). */
  async three() {
    await this.first();
    nv.setSliceType(3);
    nv.opts.multiplanarShowRender = 0;
    nv.createEmptyDrawing();
    nv.setDrawingEnabled(true);
    nv.setPenValue(1, false);
    nv.opts.penSize = 25;
    nv.drawOpacity = 0.6;
    nv.drawScene();
    await frame();
  },
  stroke(count) {
    const press = { button: 0, buttons: 1 };
    // The first tile is the axial one: its middle is a quarter into the canvas.
    const place = (n) => strokeAt(n, count).map((one) => one * 0.45);
    const kind = "PointerEvent" in window && nv.canvas.onpointerdown !== undefined ? ["pointer", "mouse"] : ["mouse"];
    const send = (name, n, more) => kind.forEach((one) => at(nv.canvas, one, one + name, place(n), more));
    return strokes(() => send("down", 0, press), (n) => send("move", n, press), () => send("up", count, { button: 0 }), count, canvas);
  },
  undo() {
    return undone(() => nv.drawUndo(), canvas);
  },
  async volume3d() {
    nv.setSliceType(4);
    nv.drawScene();
    await frame();
    await until(() => greys(canvas()) > 6, 60000);
  },
  turn(count) {
    // On and on: the last picture of a call is never the first of the next one.
    return steps(() => nv.setRenderAzimuthElevation((this.angle = (this.angle ?? 0) + 20), 10), count, canvas);
  },
  version: () => "",
  canvas,
};
window.bench = bench;
