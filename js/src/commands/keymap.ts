/** Which keys run which command in one viewer: the table's, those of the configuration, those chosen here. */
import { command, COMMANDS, keyName, keyTitle, toolCommand, type Command, type KeyLike } from "../commands";

/** Keys of an action as a configuration has them. */
export interface Shortcut {
  readonly action: string;
  readonly keys: readonly string[];
  readonly file: string | null;
  readonly line: number | null;
}

export interface KeyProblem {
  /** Path in the configuration, such as "shortcuts.pan"; empty for keys chosen in the viewer. */
  readonly key: string;
  readonly message: string;
  readonly hint: string;
  readonly file: string | null;
  readonly line: number | null;
  /** Worth knowing, but as somebody wanted it. */
  readonly note: boolean;
}

/** VolView's names of actions; null where there is no such command here. */
export const ACTIONS: Readonly<Record<string, string | null>> = {
  windowLevel: "tool.window", pan: "tool.pan", zoom: "tool.zoom", ruler: "tool.ruler", paint: "tool.brush",
  paintEraser: "tool.eraser", brushSizeModifier: null, decreaseBrushSize: "brush.smaller",
  increaseBrushSize: "brush.larger", rectangle: "tool.box", crosshairs: "tool.crosshair",
  temporaryCrosshairs: null, crop: null, polygon: "tool.polygon", mergeNewPolygon: null, select: "tool.select",
  nextSlice: "slice.next", previousSlice: "slice.previous", grabSlice: null, decrementLabel: "label.previous",
  incrementLabel: "label.next", deleteSelectedAnnotations: "annotation.remove", deleteCurrentImage: null,
  clearScene: null, showKeyboardShortcuts: "help.toggle",
};

const SAME: Readonly<Record<string, string>> = {
  control: "ctrl", cmd: "ctrl", command: "ctrl", meta: "ctrl", option: "alt", opt: "alt", esc: "escape",
  del: "delete", return: "enter", up: "arrowup", down: "arrowdown", left: "arrowleft", right: "arrowright",
  pgup: "pageup", pgdn: "pagedown", pgdown: "pagedown", plus: "+", minus: "-", underscore: "_", " ": "space", spacebar: "space",
};
const NAMED = /^(space|contextmenu|enter|escape|delete|backspace|insert|home|end|pageup|pagedown|arrow(up|down|left|right)|f([1-9]|1[0-2]))$/;
const MODIFIERS = ["ctrl", "alt", "shift"] as const;
/** Keys that a browser keeps for itself. */
const KEPT = new Set(["ctrl+w", "ctrl+t", "ctrl+n", "ctrl+q", "ctrl+shift+w", "ctrl+shift+t", "ctrl+shift+n", "f5", "f11", "f12", "ctrl+r"]);

/** Read a key as people write it ("Ctrl+p", "shift-c", "ctrl_x") into the form of `keyName`, or say why not. */
export function readKey(text: string): { readonly key: string } | { readonly why: string } {
  const parts: string[] = [];
  let rest = text.toLowerCase();
  for (;;) {
    const found = /^([a-z]+)[+_-](?=.)/s.exec(rest);
    const name = found ? SAME[found[1]!] ?? found[1]! : "";
    if (!found || !MODIFIERS.includes(name as (typeof MODIFIERS)[number])) break;
    parts.push(name);
    rest = rest.slice(found[0].length);
  }
  const last = SAME[rest] ?? rest;
  if (last === "") return { why: "It is empty." };
  if (MODIFIERS.includes(last as (typeof MODIFIERS)[number])) return { why: "A modifier alone runs no command." };
  if (last === "tab") return { why: "Tab moves the focus." };
  if ([...last].length > 1 && !NAMED.test(last)) return { why: "There is no such key." };
  if (parts.includes("shift") && !/^[a-z]$/.test(last) && [...last].length === 1) {
    return { why: "Write the character that the keys type, such as \"?\"." };
  }
  const key = [...MODIFIERS.filter((one) => parts.includes(one)), last].join("+");
  return KEPT.has(key) ? { why: "The browser keeps it for itself." } : { key };
}

/** The word that is nearest by changes of letters; null when none is near. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(2, Math.floor(word.length * 0.4)) + 1;
  for (const one of known) {
    const far = distance(word.toLowerCase(), one.toLowerCase());
    if (far < least) [best, least] = [one, far];
  }
  return best;
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

const isCommand = (id: string): boolean => COMMANDS.some((one) => one.id === id);

/** A tool of the user's own, as far as keys are concerned. */
interface OwnKey {
  readonly name: string;
  readonly title: string;
  readonly key: string;
}

interface Wish {
  readonly id: string;
  readonly keys: readonly string[];
  readonly from: Shortcut | null;
}

export type Own = Readonly<Record<string, readonly string[]>>;

/** The keys of one viewer. */
export class Keymap {
  #config: readonly Shortcut[] = [];
  #own: Own = {};
  #keys = new Map<string, readonly string[]>();
  #commands = new Map<string, string>();
  #problems: KeyProblem[] = [];
  #tools: readonly OwnKey[] = [];
  #toolKeys = new Map<string, Command>();
  readonly #listeners = new Set<() => void>();

  /** `allows`: whether a command is there, by id. */
  constructor(config: readonly Shortcut[] = [], own: Own = {}, readonly allows: (command: string) => boolean = () => true) {
    this.set(config, own);
  }

  /** Use other keys; what was bound before is forgotten. */
  set(config: readonly Shortcut[], own: Own): void {
    this.#config = config;
    this.#own = own;
    this.#problems = [];
    const wishes = [...this.#configured(), ...this.#chosen()];
    this.#bind(wishes);
    this.#bindTools();
    for (const listener of [...this.#listeners]) listener();
  }

  /** Give keys to tools of the user's own; keys of commands stay with these. */
  setTools(tools: readonly OwnKey[]): void {
    if (JSON.stringify(tools) === JSON.stringify(this.#tools)) return;
    this.#tools = tools;
    this.set(this.#config, this.#own);
  }

  /** Tools of the user's own, in order. */
  get tools(): readonly { readonly name: string; readonly title: string }[] {
    return this.#tools;
  }

  /** Why tools of the user's own have no key that they should have. */
  get toolProblems(): readonly string[] {
    return this.#tools.flatMap(({ title, key }) => {
      if (key === "") return [];
      const read = readKey(key);
      if ("why" in read) return [`The tool "${title}" has no key: "${key}" cannot be used. ${read.why}`];
      const taken = this.#commands.get(read.key);
      return taken === undefined ? [] : [`The tool "${title}" has no key: ${keyTitle(read.key)} is "${command(taken).title}".`];
    });
  }

  #bindTools(): void {
    this.#toolKeys = new Map(this.#tools.flatMap((tool) => {
      const read = readKey(tool.key);
      return "why" in read || this.#commands.has(read.key) ? [] : [[read.key, toolCommand(tool)] as const];
    }));
  }

  /** The key of a tool of the user's own, as people read it; empty for none. */
  toolHint(name: string): string {
    for (const [key, { id }] of this.#toolKeys) if (id === `own.${name}`) return keyTitle(key);
    return "";
  }

  on(listener: () => void, signal?: AbortSignal): void {
    this.#listeners.add(listener);
    signal?.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }

  /** What is wrong with the keys of the configuration, and who lost a key to whom. */
  get problems(): readonly KeyProblem[] {
    return this.#problems;
  }

  /** Keys chosen in the viewer, by command. */
  get own(): Own {
    return this.#own;
  }

  keys(id: string): readonly string[] {
    return this.#keys.get(id) ?? [];
  }

  commandFor(event: KeyLike): Command | undefined {
    const key = keyName(event);
    return this.owner(key) ?? this.#toolKeys.get(key);
  }

  /** The command that a key runs. */
  owner(key: string): Command | undefined {
    const id = this.#commands.get(key);
    return id === undefined || !this.allows(id) ? undefined : command(id);
  }

  /** The first key as people read it; empty for none. */
  hint(id: string): string {
    const first = this.keys(id)[0];
    return first ? keyTitle(first) : "";
  }

  /** Title with the first key, for tooltips. */
  title(id: string): string {
    const hint = this.hint(id);
    return hint ? `${command(id).title} (${hint})` : command(id).title;
  }

  /** What `own` becomes when a command gets a key; another command that has it loses it. */
  choose(id: string, key: string): Own {
    const other = this.#commands.get(key);
    const lost = other === undefined || other === id ? {} : { [other]: this.keys(other).filter((one) => one !== key) };
    return { ...this.#own, ...lost, [id]: [key] };
  }

  /** What `own` becomes when a command gets back the keys it had at first. */
  reset(id: string): Own {
    return Object.fromEntries(Object.entries(this.#own).filter(([one]) => one !== id));
  }

  /** The part of a configuration that gives these keys. */
  yaml(): string {
    const changed = COMMANDS.filter(({ id, keys }) => this.keys(id).join(" ") !== keys.join(" "));
    if (changed.length === 0) return "shortcuts: {}\n";
    const lines = changed.map(({ id }) => `  ${id}: [${this.keys(id).map((key) => JSON.stringify(key)).join(", ")}]`);
    return `shortcuts:\n${lines.join("\n")}\n`;
  }

  #configured(): Wish[] {
    const wishes = new Map<string, Wish>();
    for (const from of this.#config) {
      const known = Object.hasOwn(ACTIONS, from.action) ? ACTIONS[from.action] : isCommand(from.action) ? from.action : undefined;
      if (known === undefined) {
        const near = nearest(from.action, [...Object.keys(ACTIONS), ...COMMANDS.map(({ id }) => id)]);
        this.#report(from, "Unknown action", near ? `Did you mean "${near}"?` : "The help of the viewer lists the actions.");
        continue;
      }
      if (known === null) {
        if (from.keys.length > 0) this.#report(from, "The viewer has no such command", "", true);
        continue;
      }
      const keys = this.#read(from.keys, from);
      if (keys.length === 0 && from.keys.length > 0) continue;
      const before = wishes.get(known);
      if (before) this.#report(from, `"${before.from!.action}" is the same command`, "The later one counts.");
      wishes.delete(known);
      wishes.set(known, { id: known, keys, from });
    }
    return [...wishes.values()];
  }

  #chosen(): Wish[] {
    return Object.entries(this.#own).filter(([id]) => isCommand(id))
      .map(([id, keys]) => ({ id, keys: this.#read(keys, null), from: null }));
  }

  #read(keys: readonly string[], from: Shortcut | null): string[] {
    const out: string[] = [];
    for (const text of keys) {
      const read = readKey(text);
      if ("why" in read) {
        if (from) this.#report(from, `The key "${text}" cannot be used`, read.why);
      } else if (!out.includes(read.key)) out.push(read.key);
    }
    return out;
  }

  /** The later wish takes the key; both are told. */
  #bind(wishes: readonly Wish[]): void {
    const changed = new Map(wishes.map((wish) => [wish.id, wish]));
    const order: Wish[] = [
      ...COMMANDS.filter(({ id }) => !changed.has(id)).map(({ id, keys }) => ({ id, keys, from: null })),
      ...changed.values(),
    ];
    const has = new Map<string, Wish>();
    for (const wish of order) {
      for (const key of wish.keys) {
        const before = has.get(key);
        has.set(key, wish);
        if (!before || before.id === wish.id || !wish.from) continue;
        const [loser, winner] = [command(before.id).title, command(wish.id).title];
        const both = before.from !== null;
        this.#report(
          wish.from, `${keyTitle(key)} is now "${winner}", no longer "${loser}"`,
          both ? `"${before.from.action}" and "${wish.from.action}" both ask for it: give one another key.` : "",
          !both,
        );
      }
    }
    this.#commands = new Map([...has].map(([key, wish]) => [key, wish.id]));
    this.#keys = new Map(order.map((wish) => [wish.id, wish.keys.filter((key) => has.get(key) === wish)]));
  }

  #report(from: Shortcut, message: string, hint: string, note = false): void {
    this.#problems.push({ key: `shortcuts.${from.action}`, message, hint, file: from.file, line: from.line, note });
  }
}
