import { refuse } from "./config-error.ts";

/** A ProtoJSON duration ("1.5s") in milliseconds. */
export function durationMs(text: string): number;
export function durationMs(text: string | undefined, absent: number): number;
export function durationMs(text: string | undefined, absent?: number): number {
  if (text === undefined) return absent ?? 0;
  const seconds = text.endsWith("s") ? Number(text.slice(0, -1)) : Number.NaN;
  if (Number.isNaN(seconds)) throw refuse("", `"${text}" is not a duration such as "1.5s"`);
  return seconds * 1000;
}
