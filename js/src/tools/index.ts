/** The table of tools. */
import type { ToolName } from "../state";
import { box } from "./box";
import { bucket } from "./bucket";
import { magnifier } from "./magnifier";
import { crosshair, pan, windowLevel, zoom } from "./navigate";
import { brush, eraser } from "./paint";
import { scissors } from "./scissors";
import { shapeTools } from "./shapes/index";
import type { Tool } from "./tool";

export const tools: Readonly<Record<ToolName, Tool>> = {
  crosshair, window: windowLevel, pan, zoom, magnifier, brush, eraser, scissors, fill: bucket, box, ...shapeTools,
};
