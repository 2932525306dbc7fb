/** How each tool is used, in one line: shown where it has no options of its own. */
import type { ToolName } from "../state";

const CLICKS = "Click the points; Enter or a double click ends, Backspace takes the last one back.";

export const TIPS: Readonly<Partial<Record<ToolName, string>>> = {
  crosshair: "Click or drag: the other views go to that place. The wheel scrolls slices.",
  window: "Drag sideways for the width, up and down for the centre.",
  pan: "Drag the picture. With any tool: the middle button.",
  zoom: "Drag up and down. With any tool: the right button, or Ctrl+wheel.",
  magnifier: "Point at a place to see it three times as large.",
  box: "Drag from corner to corner; drag a box or its handles to change it.",
  select: "Click a shape or a box, Shift+click more; drag moves all that is selected.",
  ruler: "Drag from end to end, or click twice.",
  bidirectional: "Drag the long axis; then drag the ends of the short one.",
  angle: "Drag one side and click the other end, or click three times.",
  cobb: "Drag a line along each of two end plates.",
  probe: "Click: the value of the voxel there.",
  rectangle: "Drag from corner to corner; Shift makes a square.",
  ellipse: "Drag from corner to corner; Shift makes a circle.",
  circle: "Drag from the centre to the edge.",
  polygon: CLICKS,
  freehand: "Draw round something.",
  "closed-spline": CLICKS,
  spline: CLICKS,
  curve: CLICKS,
  livewire: "Click along an edge; anchors go to it, with Shift they stay. Enter or a double click ends.",
  "open-freehand": "Draw a line.",
  keypoint: "Click: a point.",
  landmarks: "Click one after the other, in any view; Enter or a double click ends.",
  arrow: "Drag to where it points, then type.",
  text: "Click, then type.",
};
