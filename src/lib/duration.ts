import { refuse } from "./config-error.ts";

/** A ProtoJSON duration ("1.5s") in milliseconds. */
export function durationMs(text: string): number;
export function durationMs(text: string | undefined, absent: number): number;
export function durationMs(text: string | undefined, absent?: number): number {
  if (text === undefined) return absent ?? 0;
  if (!/^-?\d+(?:\.\d+)?s$/.test(text)) {
    throw refuse("", `"${text}" is not a duration such as "1.5s"`);
  }
  return Number(text.slice(0, -1)) * 1000;
}
