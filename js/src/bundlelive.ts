/** Operations, own tools and the history as a module of its own, fetched when one is first opened on a page. */
import { openHistory } from "./ui/live/history";
import { openOperations } from "./ui/live/operations";
import type { LiveModule } from "./ui/livehost";

export default function open(): LiveModule {
  return { operations: openOperations, history: openHistory };
}
