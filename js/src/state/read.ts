/** Readers of untrusted JSON: what is wrong or missing becomes the default. */

export const finite = (x: unknown): x is number => typeof x === "number" && Number.isFinite(x);
export const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));

export function object(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

export function oneOf<T extends string>(choices: readonly T[], value: unknown, otherwise: T): T {
  return choices.includes(value as T) ? (value as T) : otherwise;
}

export function numbers(value: unknown, length: number): number[] | null {
  return Array.isArray(value) && value.length === length && value.every(finite) ? value : null;
}

/** The entries of a record that `each` keeps. */
export function record<T>(value: unknown, each: (entry: unknown) => T | null): Record<string, T> {
  const out: Record<string, T> = {};
  for (const [key, entry] of Object.entries(object(value))) {
    const kept = each(entry);
    if (kept !== null) out[key] = kept;
  }
  return out;
}

export const pair = (low: number) => (entry: unknown): readonly [number, number] | null => {
  const both = numbers(entry, 2);
  return both && both[1]! > low ? [both[0]!, both[1]!] : null;
};

export const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

export const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((x) => typeof x === "string") : [];

export const flag = (value: unknown, otherwise: boolean): boolean => (typeof value === "boolean" ? value : otherwise);

/** A number within bounds; what is outside is taken to the bound. */
export const within = (value: unknown, low: number, high: number, otherwise: number): number =>
  finite(value) ? clamp(value, low, high) : otherwise;
