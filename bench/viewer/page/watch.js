// Runs in every page of JupyterLab before anything else: notes when what happened.
(() => {
  const now = () => performance.now();
  const canvases = () => [...document.querySelectorAll(".jp-OutputArea canvas")].filter((c) => c.width >= 64 && c.height >= 64);
  const probe = document.createElement("canvas");
  const size = (probe.width = probe.height = 48);
  const context = probe.getContext("2d", { willReadFrequently: true });
  // Reading a canvas back makes the page wait for every frame that software GL still has to draw, and then
  // the watching is what is measured. What a page puts into a canvas is seen on its way there instead.
  const put = new WeakMap();
  const { putImageData, drawImage } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.putImageData = function (image, ...rest) {
    putImageData.call(this, image, ...rest);
    const { width, height, data } = image;
    put.delete(this.canvas);
    if (width < 64 || width !== this.canvas.width || height !== this.canvas.height) return;
    const words = new Uint32Array(data.buffer, data.byteOffset, width * height);
    const seen = new Uint32Array(size * size);
    for (let y = 0, n = 0; y < size; y++) {
      const row = Math.floor(((y + 0.5) * height) / size) * width;
      for (let x = 0; x < size; x++) seen[n++] = words[row + Math.floor(((x + 0.5) * width) / size)];
    }
    put.set(this.canvas, new Uint8ClampedArray(seen.buffer));
  };
  CanvasRenderingContext2D.prototype.drawImage = function (...rest) {
    put.delete(this.canvas);
    drawImage.apply(this, rest);
  };
  const look = (canvas) => {
    const seen = put.get(canvas);
    if (seen) return seen;
    context.fillStyle = "black";
    context.fillRect(0, 0, size, size);
    context.drawImage(canvas, 0, 0, size, size);
    return context.getImageData(0, 0, size, size).data;
  };
  const greys = (data) => {
    const found = new Set();
    for (let n = 0; n < data.length; n += 4) found.add(data[n]);
    return found.size;
  };
  /** Part of the rows of the coronal and sagittal pictures that show anything. */
  const cover = () => {
    const parts = ["coronal", "sagittal"].map((name) => {
      const canvas = document.querySelector(`[data-nbannot-view="${name}"] canvas`);
      if (!canvas || canvas.width < 64) return 0;
      const data = look(canvas);
      let rows = 0;
      for (let y = 0; y < size; y++) {
        let bright = 0;
        for (let x = 0; x < size; x++) if (data[(y * size + x) * 4] > 40) bright++;
        if (bright > 3) rows++;
      }
      return rows / size;
    });
    return Math.min(...parts);
  };
  const times = {};
  const note = (name) => { if (times.run !== undefined) times[name] ??= now(); };
  let covered = [];

  const decoder = new TextDecoder();
  const text = (data) => {
    if (typeof data === "string") return data;
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer ?? []);
    return decoder.decode(bytes.subarray(0, 4096));
  };
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    if (times.run !== undefined && times.asked === undefined && /"type":\s?"(hello|get)"/.test(text(data))) note("asked");
    return send.call(this, data);
  };
  const Original = WebSocket;
  window.WebSocket = class extends Original {
    constructor(...rest) {
      super(...rest);
      this.addEventListener("message", ({ data }) => {
        if (data instanceof ArrayBuffer && data.byteLength > 4096 && /"type":\s?"bytes"/.test(text(data))) note("bytes");
      });
    }
  };

  const watch = {
    least: 24,
    begin() {
      for (const name of Object.keys(times)) delete times[name];
      covered = [];
      Object.assign(watch, { picture: 0, complete: 0 });
      addEventListener("keydown", () => { times.run = now(); }, { capture: true, once: true });
      const tick = () => {
        if (times.run !== undefined) {
          if (!times.picture && canvases().some((canvas) => greys(look(canvas)) > watch.least)) note("picture");
          const part = cover();
          if (part && part !== covered.at(-1)?.[1]) covered.push([now(), part]);
          const root = document.querySelector("[data-nbannot-progress]");
          const [have, all] = (root?.dataset.nbannotProgress ?? "0/1").split("/").map(Number);
          if (times.picture && all > 1 && have === all) note("complete");
          watch.picture = times.picture ?? 0;
          watch.complete = times.complete ?? 0;
        }
        if (!times.complete && now() - (times.run ?? now()) < 200_000) requestAnimationFrame(tick);
      };
      tick();
    },
    result() {
      const http = performance.getEntriesByType("resource")
        .filter((one) => /nbannot\/v1\/.*\d/.test(one.name) && !one.name.endsWith("/probe") && one.responseStart > times.run && one.encodedBodySize > 4096)
        .map((one) => one.responseStart);
      const since = (at) => (at === undefined ? null : at - times.run);
      const bytes = Math.min(...http, times.bytes ?? Infinity);
      return {
        picture: since(times.picture), complete: since(times.complete), asked: since(times.asked),
        bytes: Number.isFinite(bytes) ? bytes - times.run : null,
        cover: covered.map(([at, part]) => [at - times.run, part]),
      };
    },
    coloured() {
      return canvases().some((canvas) => {
        const data = look(canvas);
        let count = 0;
        for (let n = 0; n < data.length; n += 4) if (Math.max(data[n], data[n + 1], data[n + 2]) - Math.min(data[n], data[n + 1], data[n + 2]) > 25) count++;
        return count > 8;
      });
    },
    async steps(kind, count) {
      const canvas = canvases()[0];
      const box = canvas.getBoundingClientRect();
      const at = (dx) => ({ clientX: box.x + box.width / 4 + dx, clientY: box.y + box.height / 4, bubbles: true, cancelable: true, view: window });
      const fire = (type, dx, more) => {
        const where = type.startsWith("pointer") ? [canvas, PointerEvent] : [canvas, MouseEvent];
        where[0].dispatchEvent(new where[1](type, { ...at(dx), pointerId: 1, isPrimary: true, pointerType: "mouse", ...more }));
      };
      const both = (kind, dx, more) => { fire(`pointer${kind}`, dx, more); fire(`mouse${kind}`, dx, more); };
      const wheel = (n) => canvas.dispatchEvent(new WheelEvent("wheel", { ...at(0), deltaY: n % 80 < 40 ? 100 : -100 }));
      const turn = (n) => both("move", 12 * (n + 1), { button: -1, buttons: 1 });
      const act = kind === "wheel" ? wheel : turn;
      // There is no real pointer that could be captured.
      Element.prototype.setPointerCapture = () => {};
      const before = String(look(canvas));
      let last = before;
      let changed = false;
      if (kind === "turn") both("down", 0, { button: 0, buttons: 1 });
      const found = [];
      for (let n = 0; n < count; n++) {
        const start = now();
        act(n);
        const next = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        await next();
        if (kind === "turn") {
          // A picture in 3-D may take longer than a frame: each step ends when it is there.
          while (String(look(canvases()[0])) === last && now() - start < 20_000) await next();
          last = String(look(canvases()[0]));
        }
        found.push(now() - start);
        if (n === 2 || n === count - 1) changed ||= String(look(canvases()[0])) !== before;
      }
      if (kind === "turn") both("up", 12 * count, { button: 0, buttons: 0 });
      for (const one of canvases()) look(one);
      if (!changed) throw new Error("the picture did not change");
      return found;
    },
  };
  window.watch = watch;
})();
