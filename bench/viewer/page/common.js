// What the three plain pages share: the volumes, painting detection and steps.
export const GRID = { shape: [300, 512, 512], spacing: [0.8, 0.8, 1.2] };
export const PET = { shape: [150, 128, 128], spacing: [3.2, 3.2, 2.4] };
export const TYPES = { int16: Int16Array, uint16: Uint16Array, uint8: Uint8Array, float32: Float32Array };

export async function load(name, dtype) {
  const answer = await fetch(`/data/${name}.raw`);
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return new TYPES[dtype](await answer.arrayBuffer());
}

/** Some bytes of a file, for slice-by-slice loading. */
export async function loadPart(name, dtype, from, count) {
  const size = TYPES[dtype].BYTES_PER_ELEMENT;
  const range = `bytes=${from * size}-${(from + count) * size - 1}`;
  const answer = await fetch(`/data/${name}.raw`, { headers: { Range: range } });
  return new TYPES[dtype](await answer.arrayBuffer());
}

export const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export async function until(condition, ms = 60000) {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error("not in time");
    await sleep(10);
  }
}

const probe = document.createElement("canvas");
probe.width = probe.height = 48;
const context = probe.getContext("2d", { willReadFrequently: true });

// Reading a canvas back makes the page wait for all that software GL still has to draw, and then the watching
// is what is measured. So every page notes when something is drawn, and a canvas is read only after that: once
// for each drawing, or not at all where its pixels were seen on their way there.
const drawn = new WeakMap();
const note = (canvas, pixels = null) => void drawn.set(canvas, { at: performance.now(), pixels });

function noting(kind, names) {
  for (const name of names) {
    const draw = kind.prototype[name];
    kind.prototype[name] = function (...rest) {
      const done = draw.apply(this, rest);
      if (this.canvas !== probe) note(this.canvas);
      return done;
    };
  }
}
noting(CanvasRenderingContext2D, ["drawImage"]);
noting(WebGL2RenderingContext, ["drawArrays", "drawElements", "drawArraysInstanced", "drawElementsInstanced"]);
const { putImageData } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.putImageData = function (image, left, top, ...rest) {
  putImageData.call(this, image, left, top, ...rest);
  const { canvas } = this;
  const whole = image.width === canvas.width && image.height === canvas.height;
  const before = whole ? new Uint8ClampedArray(48 * 48 * 4) : drawn.get(canvas)?.pixels;
  note(canvas, before ? sample(before, image, left, top, canvas) : null);
};

/** A small picture with what is put into the canvas at a place. */
function sample(before, { data, width, height }, left, top, canvas) {
  const words = new Uint32Array(data.buffer, data.byteOffset, width * height);
  const seen = new Uint32Array(before.slice().buffer);
  for (let y = 0, n = 0; y < 48; y++) {
    const row = Math.floor(((y + 0.5) * canvas.height) / 48) - top;
    for (let x = 0; x < 48; x++, n++) {
      const column = Math.floor(((x + 0.5) * canvas.width) / 48) - left;
      if (row >= 0 && row < height && column >= 0 && column < width) seen[n] = words[row * width + column];
    }
  }
  return new Uint8ClampedArray(seen.buffer);
}

/** The pixels of a canvas, small. */
export function look(canvas) {
  return drawn.get(canvas)?.pixels ?? readBack(canvas);
}

function readBack(canvas) {
  context.fillStyle = "black";
  context.fillRect(0, 0, 48, 48);
  context.drawImage(canvas, 0, 0, 48, 48);
  return context.getImageData(0, 0, 48, 48).data;
}

export function greys(canvas) {
  const found = new Set();
  const data = look(canvas);
  for (let n = 0; n < data.length; n += 4) found.add(data[n]);
  return found.size;
}

/** Pixels that are coloured: labels or another layer are drawn. */
export function colored(canvas) {
  const data = look(canvas);
  let count = 0;
  for (let n = 0; n < data.length; n += 4) {
    if (Math.max(data[n], data[n + 1], data[n + 2]) - Math.min(data[n], data[n + 1], data[n + 2]) > 12) count++;
  }
  return count;
}

/** Wait for a picture of something, not a blank or a single colour; when it was drawn. */
export async function shown(canvas, ms = 120000) {
  let looked = null;
  await until(() => {
    const found = canvas() && drawn.get(canvas());
    if (!found || found === looked) return false;
    looked = found;
    return greys(canvas()) > 16;
  }, ms);
  return looked.at;
}

/**
 * Do `act` `count` times, a frame each; wall ms of each. A check that the picture really changed
 * between the first step and the middle one keeps a viewer that draws nothing from winning.
 */
export async function steps(act, count, canvas) {
  const times = [];
  const before = String(look(canvas()));
  let changed = false;
  for (let n = 0; n < count; n++) {
    const start = performance.now();
    await act(n);
    await frame();
    times.push(performance.now() - start);
    if (n === 5 || n === count - 1) changed ||= String(look(canvas())) !== before;
  }
  // For every viewer alike: reading a pixel waits for what the GPU process has still to do.
  await frame();
  readBack(canvas());
  if (!changed) throw new Error("the picture did not change");
  return times;
}

/** Slice number of step n: from the middle upwards and back, so that every viewer draws the same slices. */
export const sliceOf = (n, count) => (count >> 1) + (n % 80 < 40 ? n % 80 : 80 - (n % 80));

/** Centre and width of window step n: never the same twice in a row, never far from the first. */
export const windowOf = (n, center, width) => [center + (width / 40) * ((n % 10) - 4), width * (1 - 0.04 * ((n % 7) + 1))];

/** Places of a brush stroke of `count` steps, in parts of a square view: a slow wave that touches new voxels each step. */
export const strokeAt = (n, count) => [0.3 + (0.4 * n) / count, 0.5 + 0.12 * Math.sin(n / 4)];

/** JS ms of an act with what it draws in the next animation frame; done when that was painted. */
export async function script(act) {
  let drawing = 0;
  const original = window.requestAnimationFrame;
  window.requestAnimationFrame = (draw) => original.call(window, (time) => {
    const from = performance.now();
    draw(time);
    drawing += performance.now() - from;
  });
  const start = performance.now();
  await act();
  const acted = performance.now() - start;
  window.requestAnimationFrame = original;
  await frame();
  return acted + drawing;
}

/**
 * Brush steps: `move(n)` does one; JS ms of the call with what it draws in the next animation frame, and ms
 * until that frame was painted. Fails where the stroke did not change the picture.
 */
export async function strokes(begin, move, end, count, canvas) {
  const js = [];
  const pixels = [];
  const before = String(look(canvas()));
  await begin();
  for (let n = 1; n <= count; n++) {
    const start = performance.now();
    const spent = await script(() => move(n));
    look(canvas());
    js.push(spent);
    pixels.push(performance.now() - start);
  }
  await end();
  await frame();
  if (String(look(canvas())) === before) throw new Error("the stroke is not in the picture");
  return { js, pixels };
}

/** A mouse or pointer event over an element at parts of its size. */
export function at(element, kind, type, [x, y], more = {}) {
  const box = element.getBoundingClientRect();
  const place = { clientX: box.x + x * box.width, clientY: box.y + y * box.height, bubbles: true, cancelable: true, ...more };
  const made = kind === "pointer" ? new PointerEvent(type, { pointerId: 1, pointerType: "mouse", ...place }) : new MouseEvent(type, place);
  element.dispatchEvent(made);
}

/**
 * JS ms of taking a stroke back, with what it draws in the next animation frame. The picture may follow later:
 * it is waited for, outside the time, as the next stroke has to begin without this one.
 */
export async function undone(act, canvas) {
  const before = String(look(canvas()));
  const spent = await script(act);
  await until(() => String(look(canvas())) !== before, 5000).catch(() => { throw new Error("the undo is not in the picture"); });
  return spent;
}
