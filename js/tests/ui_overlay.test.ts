import { describe, expect, it } from "vitest";
import { indexAtPixel, planeRequest } from "../src/render/plane";
import { sliceFrame } from "../src/tools/frame";
import { fromPx, toPx, type Screen } from "../src/ui/overlay";
import { leftOut, type PictureOptions } from "../src/ui/picture";
import { distance, GRIDS, random, VIEWS } from "./tools_help";

/** What the overlay and the tools think lies under a pixel is what the renderer draws there. */
describe.each(GRIDS)("overlay and picture agree on a %s grid", (_, geometry) => {
  it.each(VIEWS)("%s", (view) => {
    const rnd = random(17);
    for (const ratio of [1, 1.25, 2]) {
      const frame = sliceFrame(geometry, view, 4);
      const screen: Screen = { frame, width: 400, height: 300, mmPerPx: 0.1 + rnd(), pan: [rnd() * 4 - 2, rnd() * 4 - 2] };
      const width = screen.width * ratio;
      const plane = planeRequest(
        geometry, frame, frame.toWorld(screen.pan), (screen.mmPerPx * screen.width) / width, width, screen.height * ratio, 4,
      );
      for (let n = 0; n < 20; n++) {
        const px = [rnd() * screen.width, rnd() * screen.height] as const;
        const drawn = indexAtPixel(plane, px[0] * ratio, px[1] * ratio);
        expect(distance(frame.toIndex(fromPx(screen, px)), drawn)).toBeLessThan(1e-6);
        const back = toPx(screen, frame.toPlane(geometry.toWorld(drawn)));
        expect(Math.hypot(back[0] - px[0], back[1] - px[1])).toBeLessThan(1e-6);
      }
    }
  });
});

it("a picture to pass on has shapes and boxes where labels are wanted, and nothing that follows the pointer", () => {
  const left = (name: string, more: Partial<PictureOptions> = {}): boolean => {
    const element = { classList: { contains: (one: string) => one === `nbannot-${name}` } } as unknown as SVGElement;
    return leftOut(element, { words: true, labels: true, crosshair: false, scale: 1, ...more });
  };
  expect(["shapes", "box", "bar"].map((name) => left(name))).toEqual([false, false, false]);
  expect(["shapes", "box", "bar"].map((name) => left(name, { labels: false }))).toEqual([true, true, false]);
  expect(["ring", "handles", "shape-handles", "cross"].map((name) => left(name))).toEqual([true, true, true, true]);
});
