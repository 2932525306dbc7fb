// Cornerstone3D in a plain page: one viewport, volumes of slices from this page's server.
import * as core from "@cornerstonejs/core";
import * as tools from "@cornerstonejs/tools";
import { at, strokeAt, strokes, undone, GRID, PET, frame, greys, load, loadPart, shown, sliceOf, steps, until, windowOf } from "./common.js";

const { Enums, metaData, imageLoader, volumeLoader, utilities, cache } = core;
const metas = new Map();
const arrays = new Map();
const ENGINE = "bench";
let engine, viewport, planes;

function register(name, grid, dtype, modality, slices) {
  const [count, rows, columns] = grid.shape;
  const [dx, dy, dz] = grid.spacing;
  const bits = dtype === "float32" ? 32 : 16;
  const ids = [];
  for (let k = 0; k < count; k++) {
    const id = `nb:${name}/${k}`;
    metas.set(id, {
      name, k, dtype, count: rows * columns,
      imagePixelModule: {
        bitsAllocated: bits, bitsStored: bits, highBit: bits - 1, samplesPerPixel: 1,
        pixelRepresentation: dtype === "uint16" ? 0 : 1, photometricInterpretation: "MONOCHROME2",
      },
      imagePlaneModule: {
        rows, columns, imageOrientationPatient: [1, 0, 0, 0, 1, 0], rowCosines: [1, 0, 0], columnCosines: [0, 1, 0],
        imagePositionPatient: [0, 0, k * dz], pixelSpacing: [dy, dx], rowPixelSpacing: dy, columnPixelSpacing: dx,
        sliceThickness: dz, sliceLocation: k * dz, frameOfReferenceUID: "1.2.3",
      },
      generalSeriesModule: { modality, seriesInstanceUID: `1.2.${name.length}`, seriesNumber: 1 },
      voiLutModule: { windowCenter: [40], windowWidth: [400] },
      modalityLutModule: { rescaleSlope: 1, rescaleIntercept: 0 },
      slices,
    });
    ids.push(id);
  }
  return ids;
}

metaData.addProvider((type, id) => metas.get(id)?.[type], 10000);

imageLoader.registerImageLoader("nb", (id) => {
  const promise = (async () => {
    const meta = metas.get(id);
    const whole = arrays.get(meta.name);
    const data = whole
      ? whole.subarray(meta.k * meta.count, (meta.k + 1) * meta.count)
      : await loadPart(meta.name, meta.dtype, meta.k * meta.count, meta.count);
    let low = Infinity;
    let high = -Infinity;
    for (const value of data) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const plane = meta.imagePlaneModule;
    const { rows, columns } = plane;
    return {
      imageId: id, minPixelValue: low, maxPixelValue: high, slope: 1, intercept: 0, windowCenter: 40, windowWidth: 400,
      rows, columns, width: columns, height: rows, color: false, rgba: false, numberOfComponents: 1, invert: false,
      columnPixelSpacing: plane.columnPixelSpacing, rowPixelSpacing: plane.rowPixelSpacing, sliceThickness: plane.sliceThickness,
      sizeInBytes: data.byteLength, getPixelData: () => data, dataType: data.constructor.name,
      photometricInterpretation: "MONOCHROME2",
      voxelManager: utilities.VoxelManager.createImageVoxelManager({ width: columns, height: rows, scalarData: data, numberOfComponents: 1 }),
      preScale: { enabled: true, scaled: true, scalingParameters: { rescaleSlope: 1, rescaleIntercept: 0 } },
    };
  })();
  return { promise, cancelFn: undefined };
});

const element = () => document.getElementById("view");
const canvas = () => element().querySelector("canvas");

async function start() {
  if (engine) return;
  await core.init();
  tools.init();
  engine = new core.RenderingEngine(ENGINE);
}

function rendered() {
  return new Promise((done) => element().addEventListener(Enums.Events.IMAGE_RENDERED, () => done(), { once: true }));
}

async function volumeOf(name, grid, dtype, modality) {
  const ids = register(name, grid, dtype, modality);
  const id = `cornerstoneStreamingImageVolume:${name}`;
  const volume = await volumeLoader.createAndCacheVolume(id, { imageIds: ids });
  return { id, ids, volume };
}

const ORIENTATION = { axial: "axial", coronal: "coronal", sagittal: "sagittal" };

const bench = {
  /** First slice and whole volume: slices come one by one, the middle one first. */
  async first() {
    const begun = performance.now();
    await start();
    engine.enableElement({ viewportId: "v", type: Enums.ViewportType.ORTHOGRAPHIC, element: element(), defaultOptions: { orientation: "axial" } });
    viewport = engine.getViewport("v");
    const { id, ids, volume } = await volumeOf("ct", GRID, "int16", "CT");
    await imageLoader.loadAndCacheImage(ids[ids.length >> 1]);
    volume.load();
    await viewport.setVolumes([{ volumeId: id }]);
    viewport.setProperties({ voiRange: { lower: -160, upper: 240 } });
    viewport.render();
    const first = (await shown(canvas)) - begun;
    await until(() => volume.loadStatus.loaded, 120000);
    viewport.render();
    await frame();
    this.ct = { id, volume };
    return { first, full: performance.now() - begun };
  },
  async open() {
    const found = await this.first();
    planes = { axial: GRID.shape[0], coronal: GRID.shape[1], sagittal: GRID.shape[2] };
    return found;
  },
  async plane(name) {
    this.name = name;
    viewport.setOrientation(ORIENTATION[name]);
    viewport.render();
    await frame();
    await shown(canvas);
  },
  scroll(count) {
    const middle = planes[this.name] >> 1;
    let at = middle;
    viewport.resetCamera();
    return steps((n) => {
      const to = sliceOf(n, planes[this.name]);
      const done = rendered();
      if (to !== at) utilities.scroll(viewport, { delta: to - at, volumeId: this.ct.id });
      else viewport.render();
      at = to;
      return done;
    }, count, canvas);
  },
  window(count, center, width) {
    return steps((n) => {
      const done = rendered();
      const [c, w] = windowOf(n, center, width);
      viewport.setProperties({ voiRange: { lower: c - w / 2, upper: c + w / 2 } });
      viewport.render();
      return done;
    }, count, canvas);
  },
  async addLabels() {
    const data = await load("labels", "uint8");
    const [count, rows, columns] = GRID.shape;
    const made = await volumeLoader.createAndCacheDerivedLabelmapVolume(this.ct.id, { volumeId: "labels" });
    made.imageIds.forEach((id, n) => {
      const image = cache.getImage(id);
      const position = metaData.get("imagePlaneModule", id)?.imagePositionPatient?.[2] ?? n * GRID.spacing[2];
      const k = Math.min(count - 1, Math.max(0, Math.round(position / GRID.spacing[2])));
      image.voxelManager.getScalarData().set(data.subarray(k * rows * columns, (k + 1) * rows * columns));
    });
    tools.segmentation.addSegmentations([
      { segmentationId: "labels", representation: { type: tools.Enums.SegmentationRepresentations.Labelmap, data: { volumeId: "labels" } } },
    ]);
    await tools.segmentation.addLabelmapRepresentationToViewport("v", [{ segmentationId: "labels" }]);
    viewport.render();
    await frame();
  },
  async hideLabels() {
    tools.segmentation.removeAllSegmentationRepresentations();
    viewport.render();
    await frame();
  },
  async addPet() {
    arrays.set("pet", await load("pet", "float32"));
    const { id, volume } = await volumeOf("pet", PET, "float32", "PT");
    volume.load();
    await until(() => volume.loadStatus.loaded, 60000);
    await viewport.addVolumes([{ volumeId: id, visibility: true }]);
    viewport.setProperties({ voiRange: { lower: 0, upper: 10000 }, colormap: { name: "hsv", opacity: 0.5 } }, id);
    viewport.render();
    await frame();
  },
  /** Three planes of 256 px and a circular brush of 20 mm. */
  async three() {
    await this.first();
    const box = element();
    engine.disableElement("v");
    box.replaceChildren();
    const names = ["axial", "coronal", "sagittal"];
    const elements = names.map(() => {
      const made = document.createElement("div");
      made.style.cssText = "width:256px;height:256px;float:left";
      box.append(made);
      return made;
    });
    engine.setViewports(names.map((name, n) => ({
      viewportId: name, type: Enums.ViewportType.ORTHOGRAPHIC, element: elements[n], defaultOptions: { orientation: name },
    })));
    await core.setVolumesForViewports(engine, [{ volumeId: this.ct.id }], names);
    await volumeLoader.createAndCacheDerivedLabelmapVolume(this.ct.id, { volumeId: "drawn" });
    tools.segmentation.addSegmentations([
      { segmentationId: "drawn", representation: { type: tools.Enums.SegmentationRepresentations.Labelmap, data: { volumeId: "drawn" } } },
    ]);
    for (const name of names) await tools.segmentation.addLabelmapRepresentationToViewport(name, [{ segmentationId: "drawn" }]);
    tools.addTool(tools.BrushTool);
    const group = tools.ToolGroupManager.createToolGroup("drawing");
    group.addToolInstance("brush", tools.BrushTool.toolName, { activeStrategy: "FILL_INSIDE_CIRCLE" });
    for (const name of names) group.addViewport(name, ENGINE);
    group.setToolActive("brush", { bindings: [{ mouseButton: tools.Enums.MouseBindings.Primary }] });
    tools.utilities.segmentation.setBrushSizeForToolGroup("drawing", 10);
    engine.renderViewports(names);
    this.drawing = elements[0];
    await frame();
    await shown(() => this.drawing.querySelector("canvas"));
  },
  stroke(count) {
    const target = () => this.drawing.querySelector("canvas");
    const press = { button: 0, buttons: 1 };
    return strokes(
      () => at(target(), "mouse", "mousedown", strokeAt(0, count), press),
      (n) => at(target(), "mouse", "mousemove", strokeAt(n, count), press),
      () => at(target(), "mouse", "mouseup", strokeAt(count, count), { button: 0 }),
      count, target,
    );
  },
  undo() {
    return undone(() => core.utilities.HistoryMemo.DefaultHistoryMemo.undo(), () => this.drawing.querySelector("canvas"));
  },
  async xray(name, rows, columns) {
    await start();
    arrays.set(name, await load(name, "uint16"));
    const ids = register(name, { shape: [1, rows, columns], spacing: [0.15, 0.15, 1] }, "uint16", "DX");
    const begun = performance.now();
    engine.enableElement({ viewportId: "v", type: Enums.ViewportType.STACK, element: element() });
    viewport = engine.getViewport("v");
    await viewport.setStack(ids);
    viewport.setProperties({ voiRange: { lower: 0, upper: 4095 } });
    viewport.render();
    return (await shown(canvas)) - begun;
  },
  async volume3d() {
    const at = document.getElementById("view");
    engine.disableElement("v");
    engine.enableElement({ viewportId: "v3", type: Enums.ViewportType.VOLUME_3D, element: at });
    const view = engine.getViewport("v3");
    await view.setVolumes([{ volumeId: this.ct.id }]);
    view.setProperties({ preset: "CT-Bone" });
    view.render();
    await until(() => canvas() && greys(canvas()) > 6, 120000);
    viewport = view;
  },
  turn(count) {
    return steps((n) => {
      const camera = viewport.getCamera();
      const [x, y, z] = camera.position;
      const [fx, fy] = camera.focalPoint;
      const [c, s] = [Math.cos(0.6), Math.sin(0.6)];
      viewport.setCamera({ position: [fx + (x - fx) * c - (y - fy) * s, fy + (x - fx) * s + (y - fy) * c, z] });
      const done = rendered();
      viewport.render();
      return done.then(frame);
    }, count, canvas);
  },
  version: () => core.version ?? "",
  canvas,
};
window.bench = bench;
