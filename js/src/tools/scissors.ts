/** Scissors: fill or erase what lies inside or outside of a drawn outline, on one slice or through the volume. */
import type { Frame, Pair } from "./frame";
import {
  crossesItself, depthOf, frameLimits, halfVoxel, latticeOf, outsideOf, prismRegion, tubeRegion, wholeGrid,
  type Lattice, type Limits, type Region,
} from "./region";
import { mayDraw, workOf } from "./rules";
import { changeOnce } from "./stroke";
import type { CutLine, Gesture, LongGesture, Pointer, Tool, ToolHost } from "./tool";

/** Points closer than this (px) to the last one add nothing to a lasso. */
const LASSO_PX = 1.5;
/** A press this near (px) to the first point closes a polygon. */
const CLOSE_PX = 9;

function place(host: ToolHost, frame: Frame, through: boolean): { lattice: Lattice; limits: Limits; depth: readonly [number, number] } {
  const lattice = latticeOf(host.geometry, frame.slice);
  const all = through && host.geometry.kind === "grid";
  const limits = all ? wholeGrid(lattice) : frameLimits(lattice, frame);
  const slab = host.view.value.slabs[frame.pane]?.mm ?? 0;
  const half = Math.max(halfVoxel(lattice, frame.normal), slab / 2);
  const depth = all ? depthOf(lattice, frame) : frame.axis === null ? [-half, half] as const : [0, 0] as const;
  return { lattice, limits, depth };
}

/** The voxels inside an outline on a frame. */
export function cutRegion(host: ToolHost, frame: Frame, line: Pick<CutLine, "points" | "circle">, through: boolean): Region | null {
  const { lattice, limits, depth } = place(host, frame, through);
  if (!line.circle) return prismRegion(lattice, limits, { frame, outline: line.points, depth });
  const [centre, rim] = line.points;
  if (!centre || !rim) return null;
  const middle = frame.toWorld(centre);
  const radius = Math.hypot(rim[0] - centre[0], rim[1] - centre[1]);
  // Only a layer of a free plane is bounded along its normal; a slice of the grid is one by its number.
  const half = frame.axis === null && !through ? depth[1] : Infinity;
  return tubeRegion(lattice, limits, { a: middle, b: middle, radius, normal: frame.normal, half });
}

/** Everything that an outline on this frame could reach. */
function outside(host: ToolHost, frame: Frame, region: Region | null, through: boolean): Region | null {
  const { lattice, limits, depth } = place(host, frame, through);
  if (frame.axis !== null || through) return outsideOf(region, limits);
  // The layer of voxels that a free plane cuts, without what lies inside.
  const far = 1e6;
  const square: Pair[] = [[-far, -far], [far, -far], [far, far], [-far, far]];
  const layer = prismRegion(lattice, limits, { frame, outline: square, depth });
  if (!layer) return null;
  const rest = outsideOf(region, limitsOf(layer));
  return {
    box: layer.box,
    fill(k, flags) {
      const keep = new Uint8Array(flags.length);
      layer.fill(k, keep);
      rest.fill(k, flags);
      for (let n = 0; n < flags.length; n++) flags[n]! &= keep[n]!;
    },
  };
}

const limitsOf = ({ box: [low, high] }: Region): Limits =>
  [[low[0], high[0] - 1], [low[1], high[1] - 1], [low[2], high[2] - 1]];

/** Do what an outline asks for. */
function cut(host: ToolHost, frame: Frame, line: CutLine): void {
  const { scissors, through } = host.view.value.rules;
  const work = workOf(host, erases(host));
  if (!work) return;
  const inside = cutRegion(host, frame, line, through);
  const region = scissors === "erase-outside" ? outside(host, frame, inside, through) : inside;
  const crossed = !line.circle && crossesItself(line.points);
  const done = changeOnce(host, region, work, "scissors", scissors === "fill" ? "Cut: fill" : "Cut: erase");
  if (done && crossed) host.toast("The outline crosses itself: what it goes round twice counts as outside (even-odd rule).");
}

/** Begin with a pressed button: lasso, rectangle, circle. */
function drag(pointer: Pointer, host: ToolHost): Gesture {
  const { outline } = host.view.value.rules;
  const { frame } = pointer;
  const from = pointer.plane;
  let points: Pair[] = [from];
  const line = (): CutLine => ({
    pane: frame.pane, points, circle: outline === "circle", dots: false, erases: erases(host),
  });
  const move = (p: Pointer): void => {
    const [x, y] = p.plane;
    if (outline === "rectangle") points = [from, [x, from[1]], [x, y], [from[0], y]];
    else if (outline === "circle") points = [from, [x, y]];
    else {
      const last = points.at(-1)!;
      if (Math.hypot(x - last[0], y - last[1]) >= LASSO_PX * p.mmPerPx) points.push([x, y]);
    }
    host.cutLine(line());
  };
  return {
    move,
    end: (p) => {
      move(p);
      host.cutLine(null);
      const [a, b] = points;
      const flat = outline === "circle" ? !b || Math.hypot(b[0] - a![0], b[1] - a![1]) < p.mmPerPx : points.length < 3;
      if (flat) host.toast(outline === "lasso" ? "Draw round something." : "Drag to draw the outline.");
      else cut(host, frame, line());
    },
    cancel: () => host.cutLine(null),
  };
}

const erases = (host: ToolHost): boolean => host.view.value.rules.scissors !== "fill";

/** Press by press: a polygon. */
class PolygonCut implements LongGesture {
  readonly long = true;
  #points: Pair[] = [];
  #at: Pair;
  #frame: Frame;

  constructor(pointer: Pointer, private readonly host: ToolHost) {
    this.#frame = pointer.frame;
    this.#at = pointer.plane;
    this.press(pointer);
  }

  press(pointer: Pointer): boolean {
    const first = this.#points[0];
    this.move(pointer);
    const near = (to: Pair): boolean =>
      Math.hypot(to[0] - pointer.plane[0], to[1] - pointer.plane[1]) < CLOSE_PX * pointer.mmPerPx;
    if (first && this.#points.length >= 3 && near(first)) return this.finish();
    const last = this.#points.at(-1);
    // The second press of a double click.
    if (!last || Math.hypot(last[0] - pointer.plane[0], last[1] - pointer.plane[1]) > pointer.mmPerPx) {
      this.#points.push(pointer.plane);
    }
    this.#show();
    return true;
  }

  move(pointer: Pointer): void {
    // Along the normal one may scroll meanwhile; what is on the screen then is cut.
    if (pointer.frame.pane !== this.#frame.pane) return;
    this.#frame = pointer.frame;
    this.#at = pointer.plane;
    this.#show();
  }

  key(name: string): "took" | "done" | null {
    if (name === "enter") return this.finish() ? "took" : "done";
    if (name !== "backspace" && name !== "delete") return null;
    this.#points.pop();
    if (this.#points.length === 0) {
      this.cancel();
      return "done";
    }
    this.#show();
    return "took";
  }

  /** Cut; true where there is nothing to cut yet, and the polygon goes on. */
  finish(): boolean {
    if (this.#points.length < 3) {
      this.host.toast("A polygon needs three points.");
      return true;
    }
    this.host.cutLine(null);
    cut(this.host, this.#frame, this.#line(this.#points));
    return false;
  }

  end(pointer: Pointer): void {
    this.move(pointer);
  }

  cancel(): void {
    this.host.cutLine(null);
  }

  #line(points: readonly Pair[]): CutLine {
    return { pane: this.#frame.pane, points, circle: false, dots: true, erases: erases(this.host) };
  }

  #show(): void {
    this.host.cutLine(this.#line([...this.#points, this.#at]));
  }
}

export const scissors: Tool = {
  name: "scissors",
  cursor: () => "crosshair",
  begin(pointer, host) {
    if (!mayDraw(host)) return null;
    return host.view.value.rules.outline === "polygon" ? new PolygonCut(pointer, host) : drag(pointer, host);
  },
};
