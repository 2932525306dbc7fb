/** Decodes slices beside the page's own thread. */

import { decode, initDecoder, reduced } from "./decode";
import type { Encoded } from "./decode";

interface Scope {
  onmessage: ((event: { data: { id: number; slice: Encoded } }) => void) | null;
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void;
}

const scope = self as unknown as Scope;
const ready = initDecoder();

scope.onmessage = ({ data: { id, slice } }) => {
  ready
    .then(() => {
      const values = decode(slice);
      const smaller = slice.reduce && reduced(values, slice.reduce);
      const all = [values, ...(smaller ?? [])].map(({ buffer }) => buffer as ArrayBuffer);
      scope.postMessage({ id, values, smaller }, all);
    })
    .catch((error: unknown) => scope.postMessage({ id, error: String(error) }));
};
