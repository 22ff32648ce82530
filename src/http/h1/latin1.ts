type Latin1Slice = (this: Uint8Array, start: number, end: number) => string;

/** What `toString("latin1", …)` comes down to, on any Uint8Array and without its argument checks; the type definitions leave it out. */
const slice = Reflect.get(Buffer.prototype, "latin1Slice") as Latin1Slice;

/** Bytes as a string of the same length: message heads are octets, and a character of 0–255 is one octet. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return slice.call(bytes, start, end);
}
