// What tests/browser/test_volume3d.py does in the page; `nb` is the 3-D view.
const arrays = {uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array};
globalThis.previews = {};
globalThis.put = (key, head, data) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  previews[key] = {...head, revision: head.revision ?? 0, values: new arrays[head.dtype](bytes.buffer)};
};
// A host as the viewer gives one, with plain values instead of the shared view state.
class Host {
  constructor(spec) {
    this.image = spec.image;
    this.frame = 0;
    this.geometry = new nb.GridGeometry(spec.image.geometry);
    this.settings = {...nb.DEFAULT_VOLUME, ...spec.settings};
    this.pan = [0, 0];
    this.cursor = null;
    this.window = spec.window ?? {lower: 0, upper: 1};
    this.unit = spec.unit ?? {name: "", factor: 1};
    this.segments = (spec.segments ?? []).map((one) => ({...one, colors: new Map(one.colors)}));
    this.layers = (spec.layers ?? []).map((one) => ({...one, table: Uint32Array.from(one.table)}));
    this.missing = spec.missing ?? [];
    this.toasts = [];
    this.asked = [];
    this.maximized = 0;
  }
  set(patch) { this.settings = {...this.settings, ...patch}; this.repaint(); }
  setPan(pan) { this.pan = pan; this.repaint(); }
  setCursor(cursor) { this.cursor = cursor; this.repaint(); }
  async preview(id, frame, edge, signal) {
    const key = frame === null ? `q/${id}/${edge}` : `p/${id}/${frame}/${edge}`;
    this.asked.push(key);
    if (signal.aborted) throw Object.assign(new Error("aborted"), {name: "AbortError"});
    const found = previews[key];
    if (!found) throw new Error(`no ${key}`);
    return found;
  }
  async module() { return {open: nb.openVolume}; }
  toast(text) { this.toasts.push(text); }
  maximize() { this.maximized += 1; }
  repaint() {
    if (this.frameId) return;
    this.frameId = requestAnimationFrame(() => { this.frameId = 0; if (this.pane) this.pane.draw(null, this.ratio); });
  }
}
globalThis.mount = (spec) => {
  globalThis.host?.pane.close();
  document.body.style.margin = "0";
  document.body.innerHTML = '<div class="nbannot" style="position:relative;border:0"></div>';
  const holder = document.body.firstChild;
  holder.style.width = `${spec.width}px`;
  holder.style.height = `${spec.height}px`;
  const host = new Host(spec);
  host.ratio = spec.ratio ?? 1;
  host.pane = new nb.VolumePane("volume", host);
  holder.append(host.pane.element);
  host.pane.place({x: 0, y: 0, width: spec.width, height: spec.height});
  globalThis.host = host;
  host.pane.draw(null, host.ratio);
};
globalThis.complete = () => host.pane.complete && host.pane.element.dataset.nbannotComplete === "true";
globalThis.pixels = () => {
  const canvas = host.pane.element.querySelector("canvas");
  const {data, width, height} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let n = 0; n < data.length; n += 4096) text += String.fromCharCode(...data.subarray(n, n + 4096));
  return {width, height, data: btoa(text)};
};
