// What tests/browser/test_render.py does in the page; `nb` is the renderer.
const types = {uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array,
  int32: Int32Array, float32: Float32Array};
class Store {
  constructor(spec) {
    Object.assign(this, spec, {version: 1, changes: []});
    const bytes = Uint8Array.from(atob(spec.data), (c) => c.charCodeAt(0));
    const all = new types[spec.dtype](bytes.buffer);
    const size = all.length / spec.shape[0];
    this.slices = Array.from({length: spec.shape[0]}, (_, k) => all.slice(k * size, (k + 1) * size));
    this.gone = new Set(spec.missing);
  }
  slice(k) { return this.gone.has(k) ? undefined : this.slices[k]; }
  changedSince(version) { return this.changes.slice(version - 1); }
  touch(k) { this.changes.push(k); this.version += 1; }
  arrive(k) { this.gone.delete(k); this.touch(k); }
  lose(k) { this.gone.add(k); this.touch(k); }
}
globalThis.stores = {};
globalThis.renderers = {};
globalThis.put = (name, spec) => { stores[name] = new Store(spec); };
globalThis.view = (meta, name, center, mm, width, height) => {
  const geometry = new nb.GridGeometry(meta);
  const view = nb.viewPlanes(geometry)[name];
  return {view, plane: nb.planeRequest(geometry, view, center, mm, width, height)};
};
const tables = new Map();
// A table by name, or by its words; the same object for the same table.
const tableOf = (given) => {
  if (given === "grey" || given === "inverted") return nb.greyTable(given === "inverted");
  const key = JSON.stringify(given);
  if (!tables.has(key)) tables.set(key, Uint32Array.from(given));
  return tables.get(key);
};
globalThis.layerOf = (given) => {
  const layer = {...given, store: stores[given.store]};
  return layer.kind === "mask"
    ? {...layer, segments: new Map(given.segments)}
    : {...layer, table: tableOf(given.table)};
};
globalThis.picture = (kind, width, height, given) => {
  const renderer = (renderers[kind] ??= nb.createRenderer(kind).renderer);
  if (renderer.name !== kind) throw new Error(`got ${renderer.name}`);
  const canvas = document.createElement("canvas");
  const {missing} = renderer.draw(canvas, width, height, given.map(layerOf));
  const bytes = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  let text = "";
  for (const b of bytes) text += String.fromCharCode(b);
  return {missing, bytes: btoa(text)};
};
// Draw "image" alone, plainly.
globalThis.drawPlain = (renderer, canvas, plane) => renderer.draw(canvas, plane.width, plane.height, [layerOf(
  {kind: "image", store: "image", plane, window: {lower: 0, upper: 9}, table: "grey",
    interpolate: true, opacity: 1, lower: null, clip: null})]);
