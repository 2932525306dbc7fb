/** The road between browser and host: anywidget custom messages now, a websocket later. */

import type { BrowserMessage } from "../model/protocol";
import type { ModuleRoad } from "./modules";

export type Bytes = Uint8Array<ArrayBuffer>;

export interface Wire extends Pick<ModuleRoad, "load"> {
  /** Send a message; throws where there is no connection. */
  send(message: BrowserMessage, buffers?: readonly Bytes[]): void;
  /** Call back for each message of the host; the returned function stops that. */
  onMessage(callback: (message: unknown, buffers: readonly Uint8Array[]) => void): () => void;
}

/** The part of an anywidget model that the channel uses. */
export interface WidgetModel {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
  on(name: string, callback: (...args: never[]) => void): void;
  off(name: string, callback?: (...args: never[]) => void): void;
}

/** Return the wire over a widget's custom messages. */
export function widgetWire(model: WidgetModel): Wire {
  return {
    send(message, buffers = []) {
      model.send(
        message,
        undefined,
        buffers.map((bytes) => bytes.slice().buffer),
      );
    },
    onMessage(callback) {
      const receive = (message: unknown, buffers: readonly (DataView | ArrayBuffer)[] = []): void =>
        callback(message, buffers.map(asBytes));
      model.on("msg:custom", receive as (...args: never[]) => void);
      return () => model.off("msg:custom", receive as (...args: never[]) => void);
    },
  };
}

function asBytes(buffer: DataView | ArrayBuffer): Uint8Array {
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
