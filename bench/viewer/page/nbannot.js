// nbannot's own module in a plain page; what a kernel does is done here, from arrays in the page.
import { GRID, colored, frame, script, sleep, undone, load, loadPart, shown, sliceOf, steps, strokeAt, strokes, until, windowOf, at } from "./common.js";

const root = () => document.querySelector("[data-nbannot-root]");
const canvas = () => document.querySelector("#view canvas");
const pane = (name) => document.querySelector(`[data-nbannot-view="${name}"]`);
let host;

/** A widget model with a host behind it; `files` maps image and mask ids to {name, dtype}. */
class Host {
  constructor(state, files, view) {
    this.state = state;
    this.files = files;
    this.traits = { uid: "bench", view };
    this.listeners = new Map();
    this.arrays = new Map();
  }
  get(name) { return this.traits[name]; }
  set(name, value) { this.traits[name] = value; }
  save_changes() {}
  on(name, callback) { this.listeners.set(name, [...(this.listeners.get(name) ?? []), callback]); }
  off(name, callback) {
    this.listeners.set(name, callback ? (this.listeners.get(name) ?? []).filter((one) => one !== callback) : []);
  }
  emit(name, ...args) { for (const one of this.listeners.get(name) ?? []) one(...args); }
  reply(message, buffers = []) { this.emit("msg:custom", message, buffers); }
  /** What Python does when it sets part of the view. */
  change(view) {
    this.traits.view = { ...this.traits.view, ...view };
    this.emit("change:view");
  }
  send(message) {
    if (message.type === "hello" || message.type === "sync") {
      queueMicrotask(() => this.reply({ ...this.state, tab: message.tab, acked: (message.next ?? 1) - 1 }));
    } else if (message.type === "get") {
      for (const key of message.keys) void this.answer(message, key);
    } else if (message.type === "edit" && !this.silent) {
      this.reply({ type: "acked", tab: message.tab, seq: message.seq, revision: this.state.revision });
    }
  }
  async answer({ tab, rid }, key) {
    const parts = key.split("/");
    const file = this.files[parts[1]];
    const k = Number(parts.at(-1));
    if (!file || !["image", "mask", "small"].includes(parts[0])) {
      const error = { kind: "SliceError", message: "not in this page", hint: "" };
      return this.reply({ type: "bytes_error", tab, rid, key, error });
    }
    const [, rows, columns] = file.shape;
    const count = rows * columns;
    const whole = this.arrays.get(file.name);
    const part = whole
      ? whole.slice(k * count, (k + 1) * count)
      : await loadPart(file.name, file.dtype, k * count, count);
    const codec = "raw";
    const head = { type: "bytes", tab, rid, key, dtype: file.dtype, shape: [rows, columns], codec };
    if (part.byteLength > LARGE) return this.bands(head, part, rows, columns);
    this.firstBytes ??= performance.now();
    if (parts[0] === "mask") head.revision = this.state.revision;
    this.reply(head, [new DataView(part.buffer)]);
  }
  /** A large slice as the kernel sends it: a small picture, then bands of rows. */
  bands(head, part, rows, columns) {
    const step = Math.ceil(Math.max(rows, columns) / 512);
    const height = Math.floor((BAND * rows) / part.byteLength / 16) * 16;
    const count = Math.ceil(rows / height) + 1;
    const small = means(part, rows, columns, step);
    this.firstBytes ??= performance.now();
    const send = (band, values) => this.reply({ ...head, band }, [new DataView(values.buffer)]);
    if (head.key.startsWith("small/")) return send([0, 1, 0, rows, step], small);
    send([0, count, 0, rows, step], small);
    // Each in a message of its own, as from a socket.
    for (let n = 1; n < count; n++) {
      const first = (n - 1) * height;
      const high = Math.min(height, rows - first);
      setTimeout(() => send([n, count, first, high, 1], part.slice(first * columns, (first + high) * columns)));
    }
  }
}

const LARGE = 4 * 2 ** 20;
const BAND = 2 * 2 ** 20;

function means(part, rows, columns, step) {
  const [high, wide] = [Math.ceil(rows / step), Math.ceil(columns / step)];
  const out = new part.constructor(high * wide);
  for (let j = 0; j < high; j++)
    for (let i = 0; i < wide; i++) {
      let sum = 0;
      const [right, below] = [Math.min(columns, (i + 1) * step), Math.min(rows, (j + 1) * step)];
      for (let y = j * step; y < below; y++) for (let x = i * step; x < right; x++) sum += part[y * columns + x];
      out[j * wide + i] = Math.round(sum / ((right - i * step) * (below - j * step)));
    }
  return out;
}

async function open(scene, { boxes = [], ...view }, keep) {
  const { state, files } = await (await fetch(`/data/${scene}.json`)).json();
  state.boxes.push(...boxes);
  host = new Host(state, files, { tool: "crosshair", crosshair: false, panel: false, ...view });
  if (keep) for (const { name, dtype } of Object.values(files)) host.arrays.set(name, await load(name, dtype));
  const module = (await import("/viewer.js")).default();
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = "/viewer.css";
  const loaded = new Promise((done) => style.addEventListener("load", done));
  document.head.append(style);
  await loaded;
  const begun = performance.now();
  const el = document.getElementById("view");
  el.style.width = "514px";
  module.render({ model: host, el });
  return begun;
}

/** Change the height until the picture is 512 high, as the peers' is. */
async function fit() {
  await until(() => canvas());
  for (let n = 0; n < 4; n++) {
    const off = 512 - canvas().getBoundingClientRect().height;
    if (Math.abs(off) < 1) break;
    host.change({ height: root().getBoundingClientRect().height + off });
    await frame();
    await frame();
  }
}

const wheel = (delta) => {
  const box = canvas().getBoundingClientRect();
  canvas().dispatchEvent(new WheelEvent("wheel", {
    deltaY: delta, clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true, cancelable: true,
  }));
};

const bench = {
  async first() {
    const begun = await open("ct", { layout: "axial" }, false);
    const first = (await shown(canvas)) - begun;
    await until(() => root().dataset.nbannotProgress?.startsWith(`${GRID.shape[0]}/`), 120000);
    return { first, full: performance.now() - begun };
  },
  async open(view = {}) {
    const begun = await open("all", { layout: "axial", overlay: false, ...view }, true);
    const first = (await shown(canvas)) - begun;
    await until(() => root().dataset.nbannotComplete === "true", 120000);
    await until(() => Number(root().dataset.nbannotProgress?.split("/")[0] ?? 0) >= GRID.shape[0], 120000);
    const full = performance.now() - begun;
    await fit();
    return { first, full };
  },
  async plane(name) {
    this.name = name;
    host.change({ layout: name, pan: {}, zoom: {} });
    await until(() => pane(name) && canvas());
    await frame();
    await fit();
    await shown(canvas);
  },
  scroll(count) {
    let at = sliceOf(0, 300);
    return steps((n) => {
      const to = sliceOf(n, 300);
      wheel(to >= at ? 100 : -100);
      at = to;
    }, count, canvas);
  },
  window(count, center, width) {
    const image = host.state.images[0].id;
    return steps((n) => host.change({ windows: { [image]: windowOf(n, center, width) } }), count, canvas);
  },
  async addLabels() {
    host.change({ overlay: true });
    await until(() => colored(canvas()) > 0, 30000).catch(() => { throw new Error("no labels in the picture"); });
  },
  async hideLabels() {
    host.change({ overlay: false });
    await frame();
  },
  async addPet() {
    const [ct, pet] = host.state.images;
    host.change({
      layers: { [ct.id]: [{ image: pet.id, colormap: "hot iron", opacity: 0.5, visible: true, lower: null }] },
      windows: { ...host.traits.view.windows, [pet.id]: [5000, 10000] },
    });
    const none = () => { throw new Error(`no PET in the picture: ${root().innerText.slice(0, 200)}`); };
    await until(() => colored(canvas()) > 0, 15000).catch(none);
  },
  async xray(name) {
    await open(name, { layout: "auto" }, true);
    const first = (await shown(canvas, 60000)) - host.firstBytes;
    await until(() => root().dataset.nbannotComplete === "true", 30000);
    await fit();
    return first;
  },
  async volume3d() {
    throw new Error("needs a kernel: see the row in JupyterLab");
  },
  /** Three planes and a brush of 20 mm. */
  async three() {
    // A page of events has no pointer that could be captured.
    Element.prototype.setPointerCapture = () => {};
    await this.open({ overlay: true, layout: "mpr", tool: "brush", size_mm: 20, image: host?.state.images[0].id ?? null });
    // Without an answer the page keeps what it has done; as much is drawn as with one.
    host.silent = true;
    // Not a label that lies where the stroke goes.
    host.change({ label: host.state.labels.at(-1).id, opacity: 0.6 });
    await until(() => pane("sagittal") && root().dataset.nbannotComplete === "true", 60000);
    await sleep(800);
  },
  stroke(count) {
    const view = pane("axial");
    const drawn = () => view.querySelector("canvas");
    const press = { button: 0, buttons: 1 };
    return strokes(
      () => at(view, "pointer", "pointerdown", strokeAt(0, count), press),
      (n) => at(view, "pointer", "pointermove", strokeAt(n, count), press),
      () => at(view, "pointer", "pointerup", strokeAt(count, count), { button: 0 }),
      count, drawn,
    );
  },
  /** JS ms of taking a stroke back, with what it draws. */
  undo() {
    return undone(() => root().dispatchEvent(new KeyboardEvent("keydown", { key: "z", code: "KeyZ", ctrlKey: true, bubbles: true, composed: true })), () => pane("axial").querySelector("canvas"));
  },
  /** Three planes and a box of 64 × 64 × 64 voxels at the edge of a lung. */
  async box() {
    Element.prototype.setPointerCapture = () => {};
    const box = {
      type: "box", id: "b0", label: "organ 1", index: [[118.01, 224.01, 40.01], [181.99, 287.99, 103.99]], image: "", frame: null,
      name: "", lesion: "", attributes: {}, status: "", locked: false,
    };
    await this.open({ overlay: true, layout: "mpr", tool: "box", boxes: [box], selected: ["b0"] });
    host.silent = true;
    await until(() => pane("sagittal") && root().dataset.nbannotComplete === "true", 60000);
    await sleep(800);
  },
  /** Drag it: JS ms of each step with what it draws, and ms until the numbers of the new place are painted. */
  async drag(count) {
    const view = pane("axial");
    const outline = () => view.querySelector("[data-nbannot-box] polygon").getAttribute("points");
    const numbers = () => [...view.querySelectorAll("[data-nbannot-caption]")].map((one) => one.textContent).join("\n");
    const middle = () => {
      const corners = outline().split(" ").map((corner) => corner.split(",").map(Number));
      const [width, height] = [view.clientWidth, view.clientHeight];
      return [(corners[0][0] + corners[2][0]) / 2 / width, (corners[0][1] + corners[2][1]) / 2 / height];
    };
    const start = middle();
    // To and fro: each drag ends where the one before it began.
    this.way = -(this.way ?? -1);
    const place = (n) => [start[0] + (this.way * 0.06 * n) / count, start[1] + 0.02 * Math.sin((n * Math.PI) / count)];
    const press = { button: 0, buttons: 1 };
    const said = new Set();
    const found = { js: [], numbers: [] };
    at(view, "pointer", "pointerdown", start, press);
    for (let n = 1; n <= count; n++) {
      const before = outline();
      const begun = performance.now();
      const js = await script(() => at(view, "pointer", "pointermove", place(n), press));
      await until(() => outline() !== before && numbers().includes("Mean") && !numbers().includes("…"), 10000);
      found.js.push(js);
      found.numbers.push(performance.now() - begun);
      said.add(numbers());
    }
    at(view, "pointer", "pointerup", place(count), { button: 0 });
    await frame();
    if (said.size < count / 2) throw new Error(`${said.size} different numbers at ${count} places`);
    return found;
  },
  version: () => "",
  backend: () => root()?.dataset.nbannotBackend ?? "",
  canvas,
};
window.bench = bench;
