import type { RequestHead } from "#http/message.ts";
import type { Word64 } from "#lib/word64.ts";
import { xxHash64Seeded } from "#lib/xxhash64.ts";
import type { StreamInfo } from "../stream-info.ts";

/** Puts the hash of a request, or of a connection that has no head, into `into`; false: it has none. */
export type HashPolicy = (into: Word64, head: RequestHead | undefined, info: StreamInfo) => boolean;

const scratch = new Uint8Array(512);

/** Of text with one character for each byte, as message heads have it. */
export function hashText(into: Word64, text: string): void {
  hashMoreText(into.set(0, 0), text);
}

/** The hash so far is the seed of what follows. */
export function hashMoreText(into: Word64, text: string): void {
  if (text.length > scratch.length) {
    xxHash64Seeded(into, Buffer.from(text, "latin1"));
    return;
  }
  for (let i = 0; i < text.length; i++) scratch[i] = text.charCodeAt(i);
  xxHash64Seeded(into, scratch, text.length);
}
