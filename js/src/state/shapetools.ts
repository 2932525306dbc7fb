/** Names of the tools that make or change shapes, as the view state names them. */
export const SHAPE_TOOLS = [
  "select", "keypoint", "landmarks", "ruler", "bidirectional", "angle", "cobb", "rectangle", "ellipse", "circle", "polygon",
  "freehand", "closed-spline", "livewire", "curve", "open-freehand", "spline", "arrow", "text", "probe",
] as const;
export type ShapeToolName = (typeof SHAPE_TOOLS)[number];
