/** The 3-D view as a module of its own, fetched by the first 3-D pane of a page. */
import { openVolume } from "./ui/volume/body";
import type { VolumeModule } from "./ui/volumepane";

export default function open(): VolumeModule {
  return { open: openVolume };
}
