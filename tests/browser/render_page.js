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
globalThis.picture = (kind, plane, image, masks) => {
  const renderer = (renderers[kind] ??= nb.createRenderer(kind).renderer);
  if (renderer.name !== kind) throw new Error(`got ${renderer.name}`);
  const canvas = document.createElement("canvas");
  const layers = masks.map((m) => ({...m, store: stores[m.store], colors: new Map(m.colors)}));
  const {missing} = renderer.draw(canvas, plane, {...image, store: stores[image.store]}, layers);
  const bytes = canvas.getContext("2d").getImageData(0, 0, plane.width, plane.height).data;
  let text = "";
  for (const b of bytes) text += String.fromCharCode(b);
  return {missing, bytes: btoa(text)};
};
