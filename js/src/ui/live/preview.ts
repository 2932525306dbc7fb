/** The picture of what an operation would change: what comes is brighter, what goes is hatched in red and black. */
import type { OperatedMessage } from "../../channel/live";
import { MaskStore } from "../../model/masks";
import { decodeRuns, type IndexBox, type Runs } from "../../model/protocol";
import type { Rgb, SegmentStyle } from "../../render/renderer";
import type { PreviewLayer } from "../previewlayer";
import { rgb } from "../rgb";
import type { Scene } from "../scene";

const RED: Rgb = [214, 28, 36];
const DARK: Rgb = [36, 0, 4];
/** Part of white in the colour of what comes. */
const BRIGHTER = 0.25;

const brighter = (color: Rgb): Rgb => [0, 1, 2].map((n) => Math.round(color[n as 0] + (255 - color[n as 0]) * BRIGHTER)) as unknown as Rgb;

/** Voxels that would change in one mask. */
interface Coming {
  readonly image: string;
  readonly box: IndexBox;
  /** Null: they come later, slice by slice. */
  readonly runs: Runs | null;
  /** Labels by value. */
  readonly names: Readonly<Record<string, string>>;
  /** Value that stands for erased voxels. */
  readonly erase: number;
  /** Colour of labels that are not there yet. */
  readonly color: string | null;
}

/** Make the layer of a preview; slices that must be fetched come later. */
export function previewLayer(scene: Scene, message: OperatedMessage, buffers: readonly Uint8Array[], signal: AbortSignal): PreviewLayer {
  const store = new MaskStore(message.shape, "uint16");
  const [buffer] = buffers;
  const runs = message.runs !== null && buffer ? decodeRuns(buffer, message.runs) : null;
  if (!runs) void fetchSlices(scene, message, store, signal);
  return comingVoxels(scene, store, { ...message, runs });
}

/** Make the layer of what would change in a mask. */
export function comingVoxels(scene: Scene, store: MaskStore, { image, box, runs, names, erase, color }: Coming): PreviewLayer {
  if (runs) {
    store.paint(box, shownRuns(runs, erase));
    for (let k = box[0][0]; k < box[1][0]; k++) hatch(store, k, erase);
  }
  const segments = (ratio: number): Map<number, SegmentStyle> => {
    const edge = { fill: 0.75, outline: 1, width: Math.max(1, Math.round(ratio)) };
    const colored = (label: string): Rgb => rgb(scene.labels.find((one) => one.name === label)?.color ?? color ?? "#ffd400");
    const map = new Map<number, SegmentStyle>(
      Object.entries(names).map(([value, label]) => [Number(value), { color: brighter(colored(label)), ...edge }]),
    );
    const flat = { fill: 0.8, outline: 0, width: 0 };
    return map.set(erase, { color: RED, ...flat }).set(erase + 1, { color: DARK, ...flat });
  };
  return { image, store, segments };
}

function shownRuns(runs: Runs, erase: number): Runs {
  return { ...runs, old: new Uint32Array(runs.old.length), new: runs.new.map((value) => value || erase) };
}

/** Turn every second pair of erased voxels, along diagonals, into the other colour of the hatch. */
function hatch(store: MaskStore, k: number, erase: number): void {
  const slice = store.slice(k);
  if (!slice) return;
  const columns = store.shape[2];
  for (let at = slice.indexOf(erase); at >= 0; at = slice.indexOf(erase, at + 1)) {
    const j = Math.floor(at / columns);
    if (((j + (at - j * columns) + k) >> 1) & 1) slice[at] = erase + 1;
  }
}

async function fetchSlices(scene: Scene, message: OperatedMessage, store: MaskStore, signal: AbortSignal): Promise<void> {
  const { channel, volumes } = scene.source;
  const middle = scene.pane.frame.axis === 0 ? scene.pane.slice : store.shape[0] >> 1;
  const ks = [...(message.slices ?? [])].sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
  try {
    for (let at = 0; at < ks.length && !signal.aborted; at += 32) {
      const coming: Promise<void>[] = [];
      await channel.operationSlices?.(message.rid, ks.slice(at, at + 32), (k, slice) => {
        coming.push((async () => {
          const values = await volumes.decoded?.(slice);
          if (!values || signal.aborted) return;
          store.load(k, values as Uint16Array<ArrayBuffer>, 0);
          hatch(store, k, message.erase);
        })());
      }, signal);
      await Promise.all(coming);
      if (!signal.aborted) scene.repaint();
    }
  } catch (error) {
    if (!signal.aborted) scene.toast(`A part of the preview could not be shown: ${error instanceof Error ? error.message : String(error)}`);
  }
}
