/** What page and service say to each other beside the viewer's own messages. */
import type { WireError } from "../model/protocol";

export type TaskStatus = "to do" | "in work" | "submitted" | "returned" | "accepted" | "rejected";

export interface Place {
  readonly image: string;
  /** LPS mm (x, y, z). */
  readonly world?: readonly number[];
  readonly frame: number;
}

/** Where somebody looks: as in the view state. */
export interface Whereabouts {
  readonly image: string;
  readonly frame: number;
  readonly cursor: readonly number[] | null;
  readonly cursors: Readonly<Record<string, readonly number[]>>;
  readonly slice: Readonly<Record<string, number>>;
}

/** Somebody else who is in the case. */
export interface PersonJson {
  readonly id: number;
  /** A name, or who they are where the name is not to be known. */
  readonly person: string;
  readonly place: Whereabouts | null;
}

export interface CommentJson {
  readonly id: number | string;
  readonly text: string;
  /** UNIX seconds. */
  readonly time: number;
  readonly mine: boolean;
  readonly place: Place | null;
}

/** The first message: which case this is, and what may be done with it. */
export interface Opened {
  readonly type: "opened";
  readonly task: string;
  readonly title: string;
  readonly kind: "read" | "review" | "adjudicate";
  readonly position: number;
  readonly of: number;
  readonly status: TaskStatus;
  readonly flagged: boolean;
  readonly due: string | null;
  /** Why nothing can be changed, in words; empty: it can. */
  readonly read_only: string;
  /** Another window or computer writes; it can be taken over. */
  readonly elsewhere: boolean;
  /** Why a reviewer gave it back. */
  readonly reason: string;
  readonly config: { readonly tools: readonly string[] };
  /** Changes with how the case is shown: what a viewer of another version has of it is not for this reader any more. */
  readonly version: string;
  readonly view: Readonly<Record<string, unknown>>;
  readonly comments: readonly CommentJson[];
  /** How many readings an adjudication decides between. */
  readonly readings?: number;
  /** Of one of these readings: a mark of what it holds, its colour, and pairs of question and answer. */
  readonly mark?: string;
  readonly color?: string;
  readonly answers?: readonly (readonly [string, string])[];
}

export interface Answered {
  readonly type: "answered";
  readonly rid: number;
  readonly ok: boolean;
  readonly error?: WireError;
  readonly comments?: readonly CommentJson[];
  readonly status?: TaskStatus;
}

export type ServiceMessage =
  | Opened
  | Answered
  | { readonly type: "presence"; readonly people: readonly PersonJson[] }
  | { readonly type: "closing"; readonly reason: string };

export type Verdict = "accept" | "return" | "reject";

/** What is answered; `rid` is added. */
export type Request =
  | { readonly type: "begin" | "take" }
  | { readonly type: "submit"; readonly comment: string }
  | { readonly type: "flag"; readonly on: boolean }
  | { readonly type: "judge"; readonly verdict: Verdict; readonly reason: string }
  | { readonly type: "choose"; readonly reading: number; readonly mark: string }
  | { readonly type: "comment"; readonly text: string; readonly place: Place | null };

export type PageMessage =
  | (Request & { readonly rid: number })
  | { readonly type: "view"; readonly view: Readonly<Record<string, unknown>> }
  | { readonly type: "active"; readonly seconds: number }
  | { readonly type: "be"; readonly place: Whereabouts };

/** A row of my list. */
export interface TaskJson {
  readonly task: string;
  readonly title: string;
  readonly kind: string;
  readonly status: TaskStatus;
  readonly due: string | null;
  readonly flagged: boolean;
  readonly reason: string;
  /** Whether it may be looked at; a done one often may not. */
  readonly readable: boolean;
}

export const isDone = (status: TaskStatus): boolean => status !== "to do" && status !== "in work" && status !== "returned";
