/** Strings of one character for each octet, from and to bytes. */
import { latin1 } from "../h1/latin1.ts";

type Latin1Write = (this: Uint8Array, text: string, offset: number, length: number) => number;

/** What `write(…, "latin1")` comes down to, on any Uint8Array; the type definitions leave it out. */
const write = Reflect.get(Buffer.prototype, "latin1Write") as Latin1Write;

// Measured: a call into native code takes 45 ns to read and 18 ns to write, whatever the length; in JavaScript a string is made in
// 11 ns and 1 ns a character if one call gets them all (5 ns a character in a loop), and written in 1 ns a character.
const writeShortMax = 16;

/** bytes[start, end) as a string. */
export function octetString(bytes: Uint8Array, start: number, end: number): string {
  const make = makers[end - start];
  return make === undefined ? latin1(bytes, start, end) : make(bytes, start);
}

/** Returns the offset after the text. */
export function writeOctets(target: Uint8Array, at: number, text: string): number {
  const length = text.length;
  if (length > writeShortMax) write.call(target, text, at, length);
  else for (let i = 0; i < length; i++) target[at + i] = text.charCodeAt(i);
  return at + length;
}

/** In range wherever it is called, so that none is undefined. */
const string = String.fromCharCode as (...octets: readonly (number | undefined)[]) => string;

/** By length. */
// biome-ignore format: one line each
const makers: readonly ((b: Uint8Array, i: number) => string)[] = [
  () => "",
  (b, i) => string(b[i]),
  (b, i) => string(b[i], b[i + 1]),
  (b, i) => string(b[i], b[i + 1], b[i + 2]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10], b[i + 11]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10], b[i + 11], b[i + 12]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10], b[i + 11], b[i + 12], b[i + 13]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10], b[i + 11], b[i + 12], b[i + 13], b[i + 14]),
  (b, i) => string(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10], b[i + 11], b[i + 12], b[i + 13], b[i + 14], b[i + 15]),
];
